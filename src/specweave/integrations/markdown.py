"""Foreign text inside Markdown that GitHub shows: it reads as written and does nothing else.

Reads: text. Writes: text. Never: lets a title or a metric's name become a heading, a mention, a link, a
table cell or a comment mark of ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "`": "&#96;"}
_PUNCTUATION = re.compile(r"([*_\[\]~$])")
# GitHub notifies @people and links #12 only where no word stands before; a comment between breaks both.
_REFERENCE = re.compile(r"(?<!\w)([@#]|GH-)(?=\w)", re.I)
_LEADING = re.compile(r"^(?:([#+=:-])|(\d{1,9})([.)])(?=\s|$))")


def one_line(text: object, limit: int = 300) -> str:
    """Return text as one line: white space joined, control characters gone, cut at `limit` characters.

    Examples
    --------
    >>> one_line(" two\\n  lines\\x00 ")
    'two lines'
    """
    joined = " ".join("".join(" " if _unseen(c) else c for c in str(text)).split())
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"


def _unseen(character: str) -> bool:
    # Controls, formats that turn the direction of writing, lone surrogates; joiners are part of words and signs.
    other = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    return other and character not in "\u200c\u200d"


def escape(text: object, limit: int = 300) -> str:
    """Return text as one line of Markdown that shows exactly its characters.

    Examples
    --------
    >>> escape("*a* | <b> by @someone")
    '\\\\*a\\\\* &#124; &lt;b&gt; by @<!-- -->someone'
    """
    marked = "".join(_ENTITIES.get(c, c) for c in one_line(text, limit))
    # Entities bring '#' and ';' of their own, but never before a word without '&' in front.
    parts = re.split(r"(&(?:\w+|#\d+);)", marked)
    parts[::2] = [_REFERENCE.sub(r"\1<!-- -->", _PUNCTUATION.sub(r"\\\1", p)) for p in parts[::2]]
    return _LEADING.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", "".join(parts))


def code(text: object, limit: int = 200) -> str:
    """Return text as inline code; what inline code cannot hold is shown escaped instead."""
    line = one_line(text, limit)
    return f"`{line}`" if line and not re.search(r"[`|\\]|<!--|-->", line) else escape(line, limit)


def quote(text: str, limit: int = 4000) -> str:
    """Return text as a block quote, line by line."""
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    kept = "\n".join(lines)[:limit].splitlines()
    if kept != lines:
        kept.append("…")
    return "\n".join(f"> {escape(line, limit)}" for line in kept)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], most: int = 200) -> str:
    """Return a table of cells that are escaped already; past `most` rows it says how many are left out."""
    listed = list(rows)
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in listed[:most]]
    text = "\n".join(lines)
    return text if len(listed) <= most else f"{text}\n\nand {len(listed) - most} more"


def clip(text: str, limit: int, told: str) -> str:
    """Return text of at most `limit` characters, cut between lines, with `told` where something is missing."""
    if len(text) <= limit:
        return text
    kept: list[str] = []
    room = limit - len(told) - 2
    for line in text.splitlines():
        room -= len(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join([*kept, "", told])
