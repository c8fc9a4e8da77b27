"""What a metric is: its names, its direction, its unit, and the function that measures it.

Reads: the registered families. Writes: nothing. Never: imports numpy before something is measured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from specweave import registry
from specweave.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class MetricDef:
    """One metric.

    Parameters
    ----------
    name : str
        Canonical name in lower snake case, as it stands in ``metrics.json``.
    label : str
        As people write it.
    aliases : tuple of str
        Other spellings; case and punctuation never matter.
    higher_is_better : bool
    unit : str
        ``""`` for a pure number.
    floor : float
        What a model that knows nothing scores, for example 0.5 for ROC AUC; comparisons "by 20%"
        are made above it.
    best : float or None
        The best possible value, None where there is no bound.
    measure : callable or None
        ``measure(outcome, ref, decision) -> float``; `outcome` is what the problem type's
        predictions file holds (a DataFrame), `ref` the MetricRef asked for, `decision` the
        mapping the problem type tuned on validation folds. None for operational metrics, which
        are measured by a stopwatch and read from the evaluation record.
    description : str
        One sentence, with the source of the formula.
    resampled : bool
        False where a resample's value says nothing about the whole (a count of distinct things): then there
        is no interval.
    percent : bool
        Whether people read the fraction as a percentage.
    """

    name: str
    label: str
    aliases: tuple[str, ...] = ()
    higher_is_better: bool = True
    unit: str = ""
    floor: float = 0.0
    best: float | None = None
    measure: Callable[[Any, MetricRef, Mapping[str, Any]], float] | None = None
    description: str = ""
    resampled: bool = True
    percent: bool = False


class MetricRef(msgspec.Struct, frozen=True):
    """A metric as a criterion names it: ``precision``, ``precision@10``, ``recall@precision=0.6``.

    Attributes
    ----------
    name : str
        Canonical name of the metric.
    k : int or None
        The cut-off of ``@K``.
    at : tuple of (str, float) or None
        The constraint of ``@metric=value``.
    """

    name: str
    k: int | None = None
    at: tuple[str, float] | None = None

    @property
    def key(self) -> str:
        """The name under which the value is stored."""
        if self.k is not None:
            return f"{self.name}@{self.k}"
        if self.at is not None:
            return f"{self.name}@{self.at[0]}={self.at[1]:g}"
        return self.name

    @property
    def label(self) -> str:
        """The name as people write it."""
        label = find_metric(self.name).label if known_metric(self.name) else self.name
        if self.k is not None:
            return f"{label}@{self.k}"
        if self.at is not None:
            return f"{label}@{self.at[0]}={self.at[1]:g}"
        return label


def is_percent(name: str) -> bool:
    """Return whether people read this metric as a percentage; False for one that is not known."""
    base = name.partition("@")[0]
    return known_metric(base) and find_metric(base).percent


def fold_name(text: str) -> str:
    """Return a name without case, spaces and punctuation; ``R²`` and ``R2`` are the same."""
    return re.sub(r"[^a-z0-9%]", "", text.casefold().replace("²", "2").replace("ß", "ss"))


@lru_cache(maxsize=1)
def metric_table() -> dict[str, MetricDef]:
    """Return every registered metric by canonical name."""
    table: dict[str, MetricDef] = {}
    for _, metrics in registry.items("metrics"):
        table.update({m.name: m for m in metrics})
    return table


@lru_cache(maxsize=1)
def _spellings() -> dict[str, str]:
    spellings: dict[str, str] = {}
    for metric in metric_table().values():
        for name in (metric.name, metric.label, *metric.aliases):
            spellings.setdefault(fold_name(name), metric.name)
    return spellings


def known_metric(name: str) -> bool:
    """Return whether `name` is a spelling of a registered metric."""
    return fold_name(name) in _spellings()


def find_metric(name: str) -> MetricDef:
    """Return the metric that `name` spells.

    Raises
    ------
    UnknownNameError
        If no registered metric has that name; offers the nearest.
    """
    canonical = _spellings().get(fold_name(name))
    if canonical is None:
        raise UnknownNameError(f"no metric is called '{name}'", hint=did_you_mean(name, labels()))
    return metric_table()[canonical]


def labels(names: Iterable[str] | None = None) -> list[str]:
    """Return the metrics' names as people write them."""
    table = metric_table()
    return [table[n].label for n in (names or table)]


_REF = re.compile(
    r"^(?P<name>[^@]+?)\s*(?:@\s*(?:(?P<k>\d+)|(?P<at>[^=@]+?)\s*=\s*(?P<value>[0-9.]+)\s*(?P<pct>%?)))?$"
)


def parse_metric_ref(text: str) -> MetricRef:
    """Parse ``Precision@10``, ``Recall@precision=0.6`` or a plain name.

    Raises
    ------
    UnknownNameError
        If a metric in it is unknown or the form is none of these.
    """
    match = _REF.match(text.strip())
    if match is None:
        raise UnknownNameError(
            f"'{text.strip()}' does not name a metric", hint="write NAME, NAME@10 or NAME@precision=0.6"
        )
    name = find_metric(match["name"]).name
    if match["k"]:
        return MetricRef(name, k=int(match["k"]))
    if match["at"]:
        value = float(match["value"]) / (100 if match["pct"] else 1)
        return MetricRef(name, at=(find_metric(match["at"]).name, value))
    return MetricRef(name)
