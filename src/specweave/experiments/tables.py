"""Markdown tables and numbers as people read them.

Reads: nothing. Writes: nothing. Never: lets a cell break its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up."""
    cells = [[_safe(c) for c in row] for row in [header, *rows]]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines) + "\n"


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\r", " ").replace("\n", " ").strip()


def number_text(value: Any) -> str:
    """Return a number with the digits a reader needs (6 significant), whole numbers in full."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or (value == value and abs(value) < 1e15 and float(value).is_integer()):
        return str(int(value))
    return f"{value:.6g}"


def cell(value: Any, longest: int = 120) -> str:
    """Return any plain value as one short line."""
    text = number_text(value) if isinstance(value, int | float) else "" if value is None else str(value)
    return text if len(text) <= longest else text[: longest - 3] + "..."


def seconds_text(seconds: float | None) -> str:
    """Return a duration in the unit people read."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
