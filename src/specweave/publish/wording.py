"""Numbers and names as reports and pictures show them.

Reads: nothing. Writes: nothing. Never: more digits than a reader needs.
"""

from __future__ import annotations

import math
from typing import Any

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def amount_text(value: Any, *, short: bool = False) -> str:
    """Return a number with four significant digits and thousands apart; `short` writes 12k for 12,000.

    Examples
    --------
    >>> amount_text(1234567.0), amount_text(0.123456), amount_text(3.0), amount_text(12000, short=True)
    ('1,234,567', '0.1235', '3', '12k')
    """
    if value is None:
        return ""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    size = abs(number)
    if short and 1 <= size < 1e15:
        # No comma below 10,000: it may be a year.
        unit, letter = next(((u, x) for u, x in _UNITS if size >= max(u, 1e4)), (1.0, ""))
        return f"{number / unit:.4g}{letter}"
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{number:.3g}"
    if size >= 1000 or number.is_integer():
        return f"{number:,.0f}"
    return f"{number:.4g}"


def share_text(share: float) -> str:
    """Return a share as a percentage: 26.5 %, <0.1 %, 0 %."""
    if share == 0:
        return "0 %"
    if abs(share) < 0.001:
        return "<0.1 %"
    return f"{share:.0%}".replace("%", " %") if share == 1 else f"{100 * share:.1f} %"


def short_text(text: object, longest: int = 24) -> str:
    """Return a text for a picture: on one line, cut to `longest` characters.

    Examples
    --------
    >>> short_text("a very long column name", 12)
    'a very long…'
    """
    line = " ".join(str(text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def code_text(name: object) -> str:
    """Return a name as inline code for Markdown, whatever it holds (tables escape bars themselves)."""
    text = " ".join(str(name).split())
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def sentence(text: str) -> str:
    """Return a text as a sentence: a capital first, a full stop last."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def listed(names: list[str], most: int = 12) -> str:
    """Return names as one line, the rest counted."""
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")
