"""Markdown documents that are programs: read by line, rewritten in place, every other byte kept.

Reads: text. Writes: text. Never: reformats what a person wrote, changes a line ending.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from specweave.errors import SpecError

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})\s*([\w+-]*)")
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
_BULLET = re.compile(r"^(\s*)[-*+]\s+(.*)$")
_CHECKBOX = re.compile(r"^(\s*[-*+]\s+)\[([ xX])\](\s+)(.*)$")
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)")
_BEGIN = "<!-- specweave:begin {name} -->"
_END = "<!-- specweave:end {name} -->"


@dataclass(frozen=True)
class Bullet:
    """One ``- Key: value`` line. `key` is "" where there is no colon. `line` counts from 1."""

    line: int
    text: str
    key: str
    value: str
    indent: int = 0


@dataclass(frozen=True)
class Checkbox:
    """One ``- [ ] text`` line."""

    line: int
    text: str
    ticked: bool
    indent: int


@dataclass(frozen=True)
class Fence:
    """One fenced block: `first_line` is the file's line of its first inner line."""

    language: str
    body: str
    first_line: int
    open_line: int
    close_line: int


@dataclass(frozen=True)
class Section:
    """A heading with the lines up to the next heading of the same or a higher level."""

    title: str
    level: int
    line: int
    end: int  # exclusive, 1-based


@dataclass
class Document:
    """A Markdown text with line numbers. Editing methods return a new Document.

    Parameters
    ----------
    text : str
    where : str
        The file's name, for messages.
    """

    text: str
    where: str = "document"
    lines: list[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # str.splitlines would also break at form feeds and U+2028, which editors do not count.
        self.lines = re.findall(r"[^\n]*\n|[^\n]+", self.text)

    # -- reading ---------------------------------------------------------------------------------

    def check_no_conflict(self) -> None:
        """Raise SpecError at the first merge-conflict marker."""
        for number, line in enumerate(self.lines, 1):
            if line.startswith(("<<<<<<< ", ">>>>>>> ")) and _CONFLICT.match(line):
                raise SpecError(
                    "a merge conflict was left in this document",
                    where=f"{self.where}:{number}",
                    hint="keep one side and delete the <<<<<<<, ======= and >>>>>>> lines",
                )

    def front_matter(self) -> tuple[str, int, int] | None:
        """Return (text, first line, closing line) of the YAML front matter, or None."""
        if not self.lines or self.lines[0].rstrip("\r\n") != "---":
            return None
        for number, line in enumerate(self.lines[1:], 2):
            if line.rstrip("\r\n") == "---":
                return "".join(self.lines[1 : number - 1]), 2, number
        raise SpecError(
            "the front matter is not closed", where=f"{self.where}:1", hint="add a line '---' after it"
        )

    def _plain_lines(self) -> Iterator[tuple[int, str]]:
        """Yield (line number, text) outside front matter and fenced blocks."""
        front = self.front_matter()
        start = front[2] if front else 0
        closing: str | None = None
        for number, raw in enumerate(self.lines[start:], start + 1):
            line = raw.rstrip("\r\n")
            fence = _FENCE.match(line)
            if closing is None and fence:
                closing = fence[1]
                continue
            if closing is not None:
                if fence and fence[1][0] == closing[0] and len(fence[1]) >= len(closing) and not fence[2]:
                    closing = None
                continue
            yield number, line

    def sections(self) -> list[Section]:
        """Return all headings in order."""
        heads = [(n, m) for n, line in self._plain_lines() if (m := _HEADING.match(line))]
        found = []
        for i, (number, match) in enumerate(heads):
            level = len(match[1])
            end = next((n for n, m in heads[i + 1 :] if len(m[1]) <= level), len(self.lines) + 1)
            found.append(Section(match[2], level, number, end))
        return found

    def find_section(self, title: str) -> Section | None:
        """Return the first section whose title matches, blind to case."""
        wanted = title.casefold()
        return next((s for s in self.sections() if s.title.casefold() == wanted), None)

    def bullets(self, section: Section | None = None) -> list[Bullet]:
        """Return the bullets of a section (or of the whole text), checkboxes left out."""
        found = []
        for number, line in self._plain_lines():
            if section and not section.line < number < section.end:
                continue
            match = _BULLET.match(line)
            if match and not _CHECKBOX.match(line):
                key, colon, value = match[2].partition(":")
                found.append(
                    Bullet(
                        number,
                        match[2],
                        key.strip().strip("*") if colon else "",
                        value.strip().strip("*").strip() if colon else "",
                        len(match[1]),
                    )
                )
        return found

    def checkboxes(self) -> list[Checkbox]:
        """Return every ``- [ ]`` line outside fenced blocks."""
        return [
            Checkbox(n, m[4], m[2] in "xX", len(m[1]) - len(m[1].lstrip()))
            for n, line in self._plain_lines()
            if (m := _CHECKBOX.match(line))
        ]

    def fences(self, language: str | None = None) -> list[Fence]:
        """Return the fenced blocks, of one language where given."""
        found: list[Fence] = []
        start: tuple[int, str, str] | None = None
        for number, raw in enumerate(self.lines, 1):
            match = _FENCE.match(raw.rstrip("\r\n"))
            if start is None:
                if match:
                    start = (number, match[1], match[2])
            elif match and match[1][0] == start[1][0] and len(match[1]) >= len(start[1]) and not match[2]:
                if language is None or start[2] == language:
                    body = "".join(self.lines[start[0] : number - 1])
                    found.append(Fence(start[2], body, start[0] + 1, start[0], number))
                start = None
        if start is not None:
            raise SpecError(
                "a fenced block is not closed",
                where=f"{self.where}:{start[0]}",
                hint=f"add a line '{start[1]}'",
            )
        return found

    # -- rewriting -------------------------------------------------------------------------------

    @property
    def newline(self) -> str:
        """The line ending this document uses; a lone line that ends in half of one counts as that one."""
        return "\r\n" if self.lines and self.lines[0].removesuffix("\n").endswith("\r") else "\n"

    def _with_lines(self, lines: list[str]) -> Document:
        return Document("".join(lines), self.where)

    def with_line(self, line: int, text: str) -> Document:
        """Replace one line's text, keeping its ending."""
        old = self.lines[line - 1]
        ending = old[len(old.rstrip("\r\n")) :]
        return self._with_lines([*self.lines[: line - 1], text + ending, *self.lines[line:]])

    def with_tick(self, line: int, ticked: bool) -> Document:
        """Tick or untick the checkbox on a line; nothing else of the line changes."""
        old = self.lines[line - 1]
        match = _CHECKBOX.match(old.rstrip("\r\n"))
        if not match:
            raise SpecError("no check box on this line", where=f"{self.where}:{line}")
        if (match[2] in "xX") == ticked:
            return self
        at = len(match[1]) + 1
        new = old[:at] + ("x" if ticked else " ") + old[at + 1 :]
        return self._with_lines([*self.lines[: line - 1], new, *self.lines[line:]])

    def with_front_value(self, key: str, value: str) -> Document:
        """Set one top-level key of the front matter, adding the line where it is missing."""
        front = self.front_matter()
        if front is None:
            raise SpecError(
                "no front matter", where=f"{self.where}:1", hint="start the file with '---' lines"
            )
        _, first, closing = front
        for number in range(first, closing):
            if re.match(rf"{re.escape(key)}\s*:", self.lines[number - 1]):
                return self.with_line(number, f"{key}: {value}")
        return self._with_lines(
            [*self.lines[: closing - 1], f"{key}: {value}{self.newline}", *self.lines[closing - 1 :]]
        )

    def with_fence_body(self, fence: Fence, body: str) -> Document:
        """Replace the inside of a fenced block."""
        inner = body.replace("\n", self.newline) if self.newline != "\n" else body
        return self._with_lines([*self.lines[: fence.open_line], inner, *self.lines[fence.close_line - 1 :]])

    def managed_block(self, name: str) -> tuple[str, int, int] | None:
        """Return (text, begin line, end line) between the markers of `name`, or None.

        Raises
        ------
        SpecError
            If one marker stands without the other.
        """
        begin, end = _BEGIN.format(name=name), _END.format(name=name)
        begins = [n for n, line in enumerate(self.lines, 1) if line.strip() == begin]
        ends = [n for n, line in enumerate(self.lines, 1) if line.strip() == end]
        if not begins and not ends:
            return None
        if len(begins) != 1 or len(ends) != 1 or begins[0] > ends[0]:
            at = (begins or ends)[0]
            raise SpecError(
                f"the markers of block '{name}' do not pair up",
                where=f"{self.where}:{at}",
                hint=f"keep exactly one '{begin}' above one '{end}'",
            )
        return "".join(self.lines[begins[0] : ends[0] - 1]), begins[0], ends[0]

    def with_managed_block(self, name: str, body: str, *, before: Section | None = None) -> Document:
        """Replace what stands between the markers of `name`; add the block where there is none.

        Parameters
        ----------
        body : str
            The new text; a closing newline is added where missing.
        before : Section, optional
            Where to put a new block: before this section, else at the end.
        """
        nl = self.newline
        body = body if body.endswith("\n") or not body else body + "\n"
        body = body.replace("\n", nl) if nl != "\n" else body
        found = self.managed_block(name)
        if found:
            _, begin, end = found
            return self._with_lines([*self.lines[:begin], body, *self.lines[end - 1 :]])
        block = [_BEGIN.format(name=name) + nl, body, _END.format(name=name) + nl]
        if before:
            at = before.line - 1
            return self._with_lines([*self.lines[:at], *block, nl, *self.lines[at:]])
        lines = list(self.lines)
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n" if lines[-1].endswith("\r") else nl
        gap = [nl] if lines and lines[-1].strip() else []
        return self._with_lines([*lines, *gap, *block])
