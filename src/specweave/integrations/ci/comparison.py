"""Head against base: which numbers moved, whether more than chance moves them, which demands changed.

Reads: two evaluation records and two specs as text. Writes: nothing. Never: calls a difference clear that
the interval does not bear out, or compares values of different metrics.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from specweave.errors import SpecweaveError
from specweave.increments.spec import Spec, parse_spec
from specweave.pipeline.validation import metric_label
from specweave.pipeline.verdicts import metric_from
from specweave.records import Metric


@dataclass(frozen=True)
class Delta:
    """One metric before and after.

    Attributes
    ----------
    name, label : str
    before, after : Metric or None
        None where it was not measured.
    change : float or None
        After minus before.
    better : bool or None
        None where it did not move or cannot be compared.
    clear : bool
        Whether the old value lies outside the new interval.
    """

    name: str
    label: str
    before: Metric | None
    after: Metric | None
    change: float | None = None
    better: bool | None = None
    clear: bool = False


@dataclass(frozen=True)
class Comparison:
    """An increment at the base and now.

    Attributes
    ----------
    new : bool
        Whether the increment was not there at the base.
    best_before, best_after : str
        Experiments; "" where nothing was evaluated.
    same_rows : bool
        Whether both were measured on the same holdout rows.
    deltas : list of Delta
        The choosing metric first.
    added, removed : list of str
        Criteria.
    notes : list of str
    """

    new: bool = False
    best_before: str = ""
    best_after: str = ""
    same_rows: bool = True
    deltas: list[Delta] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare_with_base(
    spec: Spec | None,
    evaluation: Mapping[str, Any] | None,
    base_spec: str | None,
    base_evaluation: str | None,
) -> Comparison:
    """Compare an increment with its files at the base.

    Parameters
    ----------
    spec : Spec or None
        Of the head; None where it cannot be read.
    evaluation : mapping or None
        The record of the head.
    base_spec, base_evaluation : str or None
        The texts of ``spec.md`` and ``reports/evaluation.json`` at the base, None where they were not there.
    """
    if base_spec is None:
        return Comparison(new=True, best_after=str((evaluation or {}).get("experiment", "")))
    notes: list[str] = []
    before = _parse_evaluation(base_evaluation, notes)
    added, removed = _criteria(spec, base_spec, notes)
    same_rows = not before or not evaluation or before.get("holdout") == evaluation.get("holdout")
    return Comparison(
        best_before=str((before or {}).get("experiment", "")),
        best_after=str((evaluation or {}).get("experiment", "")),
        same_rows=same_rows,
        deltas=_deltas(before, evaluation) if before and evaluation else [],
        added=added,
        removed=removed,
        notes=notes,
    )


def _parse_evaluation(text: str | None, notes: list[str]) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        body = json.loads(text)
        if body["kind"] == "evaluation" and body["schema"] == 1 and body["experiment"] and body["metrics"]:
            for item in body["metrics"]:
                metric_from(item)
            return dict(body)
    except (ValueError, TypeError, LookupError, AttributeError, msgspec.ValidationError):
        pass  # said below, with every other form that cannot be read
    notes.append("the evaluation at the base cannot be read, so no numbers are compared")
    return None


def _criteria(spec: Spec | None, base_spec: str, notes: list[str]) -> tuple[list[str], list[str]]:
    try:
        before = [c.text for c in parse_spec(base_spec, Path("base/spec.md")).criteria]
    except SpecweaveError:
        notes.append("the spec at the base cannot be read, so no criteria are compared")
        return [], []
    now = [c.text for c in spec.criteria] if spec is not None else before
    return [t for t in now if t not in before], [t for t in before if t not in now]


def _deltas(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Delta]:
    old = {m["name"]: metric_from(m) for m in before["metrics"]}
    new = {m["name"]: metric_from(m) for m in after["metrics"]}
    key = after.get("selection_metric")
    names = sorted({**new, **old}, key=lambda name: name != key)
    return [_delta(name, old.get(name), new.get(name)) for name in names]


def _delta(name: str, before: Metric | None, after: Metric | None) -> Delta:
    label = metric_label(name)
    if before is None or after is None or not (math.isfinite(before.value) and math.isfinite(after.value)):
        return Delta(name, label, before, after)
    change = after.value - before.value
    if change == 0:
        return Delta(name, label, before, after, change)
    bounded = after.low is not None and after.high is not None
    clear = bounded and not (after.low or 0.0) <= before.value <= (after.high or 0.0)
    return Delta(name, label, before, after, change, (change > 0) == after.higher_is_better, clear)
