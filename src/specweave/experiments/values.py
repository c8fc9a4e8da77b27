"""What people log, as what JSON holds: numbers for metrics, plain values for params.

Reads: nothing. Writes: nothing. Never: imports numpy or torch; their scalars are asked for `.item()`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from specweave.errors import DataError
from specweave.files.store import digest

Number = int | float
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LARGEST_EXACT_INT = 2**53
_LONGEST_ARRAY = 1000


def metric_value(name: str, value: Any) -> Number:
    """Return a metric's value as a Python int or float; NaN and infinities are legal.

    Parameters
    ----------
    name : str
        For the message.
    value : number, or a numpy, torch, jax or tensorflow scalar (also an array of one element)

    Raises
    ------
    DataError
        If it is not one real number.
    """
    original = value
    kind = type(value)
    if kind is float:
        return float(value)
    if kind is not int and kind is not bool and hasattr(value, "item"):
        try:
            value = value.item()
        except (ValueError, RuntimeError, TypeError) as error:
            raise _not_a_number(name, original, "holds more than one value") from error
    if isinstance(value, int):
        value = int(value)
        return value if abs(value) <= _LARGEST_EXACT_INT else _as_float(name, value, original)
    if isinstance(value, complex):
        raise _not_a_number(name, original, "is complex; log its real part, imaginary part or abs()")
    if value is None or isinstance(value, str | bytes):
        raise _not_a_number(name, original, f"is {type(original).__name__} {str(original)[:40]!r}")
    return _as_float(name, value, original)


def _as_float(name: str, value: Any, original: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _not_a_number(name, original, f"is a {type(original).__name__}") from error


def _not_a_number(name: str, value: Any, what: str) -> DataError:
    return DataError(
        f"metric {name!r} must be one real number, but it {what}",
        hint="log a float, for example float(value), or one metric per value",
    )


def step_number(step: Any) -> int:
    """Return a step as a Python int.

    Raises
    ------
    DataError
        If it is not a whole number.
    """
    try:
        return operator.index(step)
    except TypeError:
        number = metric_value("step", step)
        if isinstance(number, float) and number.is_integer():
            return int(number)
    raise DataError(f"a step must be a whole number, not {step!r}", hint="count epochs or batches: step=3")


def param_value(value: Any) -> tuple[Any, bool]:
    """Return a param as plain JSON values, and whether all of it could be kept as it was.

    What JSON cannot hold is kept as its repr, without memory addresses so that two runs compare equal.
    """
    if value is None or isinstance(value, bool):
        return value, True
    if isinstance(value, str):
        text = legal_text(value)
        return text, text == value
    if isinstance(value, int) and type(value).__module__ == "builtins":
        return value, True
    if isinstance(value, float):
        value = float(value)
        return (value if math.isfinite(value) else str(_special(value))), True
    if isinstance(value, Mapping):
        pairs = {legal_text(k): param_value(v) for k, v in value.items()}
        return {k: v for k, (v, _) in pairs.items()}, all(kept for _, kept in pairs.values())
    if isinstance(value, list | tuple | set | frozenset):
        return _sequence(value)
    if isinstance(value, PurePath):
        return value.as_posix(), True
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}", True
    if hasattr(value, "isoformat"):
        return str(value.isoformat()), True
    if hasattr(value, "tolist") and getattr(value, "size", 1) in range(_LONGEST_ARRAY + 1):
        try:
            return param_value(value.tolist())
        except (TypeError, ValueError, RuntimeError, RecursionError):
            pass
    return text_of(value), False


def _sequence(value: list[Any] | tuple[Any, ...] | set[Any] | frozenset[Any]) -> tuple[Any, bool]:
    pairs = [param_value(v) for v in value]
    if isinstance(value, set | frozenset):
        pairs.sort(key=lambda pair: str(pair[0]))
    return [v for v, _ in pairs], all(kept for _, kept in pairs)


def legal_text(value: Any) -> str:
    """Return `value` as text that UTF-8 can hold; half characters (lone surrogates) are spelt out."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def text_of(value: Any) -> str:
    """Return the repr of any object, shortened, without memory addresses; never raises."""
    try:
        text = repr(value)
    except Exception as error:  # a foreign __repr__ may raise anything, and must not stop a run
        text = f"<{type(value).__name__}: repr failed with {type(error).__name__}>"
    text = legal_text(_ADDRESS.sub("", text))
    return text if len(text) <= 2000 else text[:1997] + "..."


def inputs_digest(inputs: Any) -> str | None:
    """Return the hash that tells whether two experiments had the same inputs, or None for none."""
    return None if inputs is None else digest(param_value(inputs)[0])
