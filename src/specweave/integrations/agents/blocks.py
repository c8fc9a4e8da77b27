"""Marked blocks in a text that a person owns: put in, replaced, taken out; every other byte stays.

Reads: text. Writes: text. Never: touches what stands outside its markers.
"""

from __future__ import annotations

import re

from specweave.errors import SpecError

# How a comment opens and closes, by the ending of the file's name.
_COMMENTS = {".toml": ("# ", ""), ".yml": ("# ", ""), ".yaml": ("# ", "")}


def comment(suffix: str, text: str) -> str:
    """Return `text` as a comment line of files that end in `suffix`, without a line end."""
    opening, closing = _COMMENTS.get(suffix, ("<!-- ", " -->"))
    return f"{opening}{text}{closing}"


def find_block(text: str, name: str, suffix: str, where: str) -> tuple[int, int] | None:
    """Return where a block with its markers starts and ends in `text`, or None.

    Raises
    ------
    SpecError
        If one marker stands without the other.
    """
    begin, end = _markers(name, suffix)
    begins = list(re.finditer(rf"^[ \t]*{re.escape(begin)}[ \t]*\r?$", text, re.M))
    ends = list(re.finditer(rf"^[ \t]*{re.escape(end)}[ \t]*\r?$", text, re.M))
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or begins[0].start() > ends[0].start():
        line = text[: (begins or ends)[0].start()].count("\n") + 1
        raise SpecError(
            f"the markers of block '{name}' do not pair up",
            where=f"{where}:{line}",
            hint=f"keep exactly one '{begin}' above one '{end}'",
        )
    return begins[0].start(), ends[0].end()


def put_block(text: str, name: str, body: str, suffix: str, where: str) -> str:
    """Return `text` with the block `name` holding `body`; a new block goes to the end, after one blank line.

    A text that ends without a line end ends without one again, so that `take_block` gives it back as it was.
    """
    newline = "\r\n" if re.match(r"[^\n]*\r\n", text) else "\n"
    begin, end = _markers(name, suffix)
    block = newline.join([begin, *body.strip("\n").split("\n"), end])
    found = find_block(text, name, suffix, where)
    if found:
        closing = "\r" if text[: found[1]].endswith("\r") else ""
        return text[: found[0]] + block + closing + text[found[1] :]
    if not text:
        return block + newline
    if text.endswith("\n"):
        return text + newline + block + newline
    return text + newline * 2 + block


def take_block(text: str, name: str, suffix: str, where: str) -> str:
    """Return `text` without the block `name` and the blank line that was put before it."""
    found = find_block(text, name, suffix, where)
    if found is None:
        return text
    before, after = text[: found[0]], text[found[1] :]
    if after in ("\n", ""):
        # At the end, where `put_block` put it: what was added before it goes too.
        for _ in range(1 if after else 2):
            before = re.sub(r"\r?\n\Z", "", before, count=1)
        return before
    return before + re.sub(r"\A\r?\n", "", after, count=1)


def _markers(name: str, suffix: str) -> tuple[str, str]:
    return comment(suffix, f"specweave:begin {name}"), comment(suffix, f"specweave:end {name}")
