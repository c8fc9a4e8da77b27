"""Numbers as people read them in messages and reports.

Reads: nothing. Writes: nothing. Never: shows more digits than were measured, or an exponent where
thousands will do.
"""

from __future__ import annotations

from typing import Any

_SPECIAL = {"NaN": "n/a", "Infinity": "∞", "-Infinity": "-∞"}


def short_number(value: Any, digits: int = 4, *, sign: bool = False) -> str:
    """Return a number in `digits` significant digits, thousands set apart; text as it is, None as "".

    Scores between 0.001 and 1 get as many decimals as `digits`, so that a column of them lines up.

    Examples
    --------
    >>> [short_number(v) for v in (0.84203, 45237.4, 3, 1e-5, 0.5)]
    ['0.8420', '45,237', '3', '1e-05', '0.5000']
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return _SPECIAL.get(value, value)
    if isinstance(value, bool):
        return str(value)
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        return "n/a" if number != number else "∞" if number > 0 else "-∞"
    plus = "+" if sign else ""
    if isinstance(value, int) or (number.is_integer() and abs(number) >= 1):
        return f"{int(number):{plus},}"
    if number == 0:
        return "0"
    if 1e-3 <= abs(number) < 1:
        return f"{number:{plus}.{digits}f}"
    if abs(number) < 1e-3:
        return f"{number:{plus}.{max(1, digits - 1)}g}"
    whole = len(str(int(abs(number))))
    return f"{number:{plus},.{max(0, digits - whole)}f}"


def readable(value: float, digits: int = 4) -> str:
    """Return a number in `digits` significant digits, one from 1,000 on in whole units: never 1.643e+04.

    Examples
    --------
    >>> [readable(v) for v in (16432.4, 0.84203, 0.5, -1234.5)]
    ['16,432', '0.842', '0.5', '-1,234']
    """
    number = float(value)
    return f"{number:,.0f}" if 1000 <= abs(number) < 1e15 else f"{number:.{digits}g}"
