"""Two sets of recorded numbers side by side: which are the same to the last digit, which differ, by how much.

Reads: nothing; records come in as values. Writes: nothing. Never: leaves out a number without a reason.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from specweave.experiments.names import split_name
from specweave.files.store import number
from specweave.metrics.operational import is_operational

Value = float | int | bool | str | None

MACHINE = "time and size depend on the machine"
# Texts that are results: which experiment was chosen, on which rows, with which verdict.
_TEXTS = frozenset(
    "experiment against algorithm selection_metric holdout data_sha256 verdict positive rule best".split()  # noqa: SIM905
)
# Parts of the evaluation whose inner names are columns of the data.
_OF_DATA = frozenset({"errors", "segments"})
# What tells the items of a list apart, the first that all of them have.
_NAMES: tuple[tuple[str, ...], ...] = (
    ("role", "against"), ("name",), ("experiment",), ("title",), ("column", "value"), ("column",), ("feature",),
    ("code", "where"),
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One number that is not what was recorded; None stands for a number that is not there.

    Attributes
    ----------
    name : str
        The file and the name in it.
    recorded, now : float, int, bool, str or None
    absolute, relative : float or None
        ``|now - recorded|``, and that divided by the larger of the two; None where one is no number.
    """

    name: str
    recorded: Value
    now: Value
    absolute: float | None = None
    relative: float | None = None


@dataclass
class Compared:
    """What a comparison gave.

    Attributes
    ----------
    n : int
        How many values were compared.
    differences : list of Difference
        Those outside the tolerance.
    largest_absolute, largest_relative : float
        Of all compared numbers, those inside the tolerance included.
    skipped : dict of str to list of str
        What was not compared, by the reason.
    """

    n: int = 0
    differences: list[Difference] = field(default_factory=list)
    largest_absolute: float = 0.0
    largest_relative: float = 0.0
    skipped: dict[str, list[str]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """``reproduced`` or ``differs``."""
        return "differs" if self.differences else "reproduced"

    def skip(self, name: str, reason: str) -> None:
        """Note something that is not compared."""
        self.skipped.setdefault(reason, []).append(name)

    def compare(
        self, where: str, recorded: Mapping[str, Value], now: Mapping[str, Value], tolerance: float = 0.0
    ) -> None:
        """Compare every recorded value with the one of the same name.

        Parameters
        ----------
        where : str
            Stands before each name.
        recorded, now : mapping of str to value
            What is only in `now` was not recorded and counts for nothing.
        tolerance : float
            The largest relative difference that is let pass; 0 asks for the same digits.
        """
        for name, before in recorded.items():
            if depends_on_machine(name):
                self.skip(f"{where}: {name}", MACHINE)
                continue
            after = now.get(name)
            if before is None and after is None:
                continue
            self.n += 1
            self._judge(f"{where}: {name}", before, after, tolerance)

    def _judge(self, name: str, before: Value, after: Value, tolerance: float) -> None:
        a, b = _as_number(before), _as_number(after)
        if a is None or b is None:
            if before != after:
                self.differences.append(Difference(name, before, after))
            return
        absolute, relative = distance(a, b)
        self.largest_absolute = max(self.largest_absolute, absolute)
        self.largest_relative = max(self.largest_relative, relative)
        if relative > tolerance:
            self.differences.append(Difference(name, before, after, absolute, relative))


def depends_on_machine(name: str) -> bool:
    """Return whether a path names a time or a size; columns of the data may be called what they like."""
    parts = name.split(".")
    return parts[0] not in _OF_DATA and any(is_operational(part) for part in parts)


def distance(a: float, b: float) -> tuple[float, float]:
    """Return the absolute difference of two numbers and the one relative to the larger; NaN equals NaN.

    Examples
    --------
    >>> distance(2.0, 1.0)
    (1.0, 0.5)
    >>> distance(float("nan"), float("nan"))
    (0.0, 0.0)
    """
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0, 0.0
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf, math.inf
    largest = max(abs(a), abs(b))
    # Scaled first: the difference of two huge numbers is no finite one.
    relative = abs(a / largest - b / largest)
    return abs(a - b), max(relative, math.ulp(0.0))


def _as_number(value: Value) -> float | None:
    value = number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def numbers_in(record: Mapping[str, Any]) -> dict[str, Value]:
    """Return every number of a record by its path, and the texts that are results.

    Items of lists go by their names where they have any, so that another order is no difference; the numbers of
    experiments are left out of their names, for a clean folder counts anew.

    Examples
    --------
    >>> numbers_in({"metrics": [{"name": "f1", "value": 0.5, "unit": ""}], "experiment": "exp-004-linear"})
    {'metrics.f1.value': 0.5, 'experiment': 'linear'}
    """
    return dict(_leaves("", {k: v for k, v in record.items() if k not in ("kind", "schema")}, False))


def _leaves(path: str, value: Any, result: bool) -> Iterator[tuple[str, Value]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            below = f"{path}.{key}" if path else str(key)
            # Everything a decision holds decides.
            yield from _leaves(below, inner, key in _TEXTS or key == "decision" or path == "decision")
    elif isinstance(value, list):
        for name, item in zip(_item_names(value), value, strict=True):
            yield from _leaves(f"{path}.{name}" if path else name, item, result)
    elif isinstance(value, str):
        if number(value) != value:
            yield path, number(value)
        elif result:
            yield path, _bare(value)
    else:
        yield path, value


def _item_names(items: Sequence[Any]) -> list[str]:
    numbered = [str(i) for i in range(len(items))]
    if not items or not all(isinstance(i, Mapping) for i in items):
        return numbered
    for keys in _NAMES:
        if all(all(isinstance(i.get(k), str | int | float) for k in keys) for i in items):
            names = [" ".join(_bare(str(i[k])).replace(".", "·") for k in keys) for i in items]
            if len(set(names)) == len(names):
                return names
    return numbered


def _bare(name: str) -> str:
    """Return the name of an experiment without its number; other texts as they are."""
    return split_name(name)[1] if name.startswith("exp-") else name
