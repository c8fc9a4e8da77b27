"""Experiments side by side: best first, with the evidence for the choice.

Reads: the experiments' records. Writes: comparison.md and comparison.json. Never: hides an experiment
that failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from specweave.experiments.record import ExperimentRecord
from specweave.experiments.report import size_text
from specweave.experiments.store import ExperimentStore
from specweave.experiments.tables import markdown_table, number_text, seconds_text
from specweave.files.atomic import write_text
from specweave.files.store import load_record, number, save_record

KIND = "comparison"
SCHEMA = 1


class ComparedExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a comparison.

    Attributes
    ----------
    value, std : float or None
        The metric (mean over folds) and its standard deviation over folds.
    low, high : float or None
        Bounds of the interval that the caller measured.
    test : str
        The paired test against the best, in words.
    note : str
        Why it failed, or its last note where it has no value.
    """

    id: str
    name: str
    status: str
    value: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None
    train_seconds: float | None = None
    model_bytes: float | None = None
    metrics: dict[str, float] = {}
    test: str = ""
    note: str = ""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Every experiment, best first; `best` is the id of the chosen one."""

    metric: str
    higher_is_better: bool
    best: str | None
    runner_up: str | None
    reason: str
    rows: list[ComparedExperiment]

    def best_row(self) -> ComparedExperiment | None:
        """Return the row of the chosen experiment."""
        return next((row for row in self.rows if row.id == self.best), None)


def compare(
    store: ExperimentStore,
    *,
    metric: str,
    higher_is_better: bool,
    experiments: Sequence[str] | None = None,
    also: Sequence[str] = (),
    best: str | None = None,
    intervals: Mapping[str, Any] | None = None,
    tests: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> Comparison:
    """Put experiments side by side.

    Parameters
    ----------
    store : ExperimentStore
    metric : str
        Looked up as ``cv_<metric>`` (mean over folds), else as it is.
    higher_is_better : bool
    experiments : sequence of str, optional
        Ids or names; all where not given.
    also : sequence of str
        Further metrics to show.
    best : str, optional
        Id or name of the chosen experiment, where another rule than the best value chose it.
    intervals : mapping, optional
        Id or name -> ``(low, high)`` or a `specweave.records.Metric`.
    tests : mapping, optional
        Id or name -> the paired test of the best against it: text, or a mapping with any of ``test``,
        ``difference``, ``low``, ``high``, ``p_value``, ``n``.
    reason : str, optional
        Why the best was chosen; said from the numbers where not given.

    Raises
    ------
    UnknownNameError
        If an experiment that was asked for does not exist.
    """
    records, unreadable = (
        store.readable() if experiments is None else ([store.get(name) for name in experiments], {})
    )
    latest = {record.name: record.id for record in records}
    ids = {**latest, **{record.id: record.id for record in records}}

    def by_id(given: Mapping[str, Any] | None) -> dict[str, Any]:
        return {ids[name]: value for name, value in (given or {}).items() if name in ids}

    low_high, paired = by_id(intervals), by_id(tests)
    rows = [
        _row(record, metric, also, low_high.get(record.id), paired.get(record.id))
        for record in {record.id: record for record in records}.values()
    ]
    rows += [
        ComparedExperiment(id=name, name=name, status="unreadable", note=error.what)
        for name, error in unreadable.items()
    ]
    rows.sort(key=_ranking(higher_is_better))
    ranked = [row for row in rows if row.status == "completed" and row.value is not None]
    chosen = ids.get(best or "") or (ranked[0].id if ranked else None)
    rows.sort(key=lambda row: row.id != chosen)
    runner_up = next((row.id for row in ranked if row.id != chosen), None)
    comparison = Comparison(
        metric=metric,
        higher_is_better=higher_is_better,
        best=chosen,
        runner_up=runner_up,
        reason=reason or "",
        rows=rows,
    )
    return msgspec.structs.replace(comparison, reason=reason or _reason(comparison))


def _row(
    record: ExperimentRecord, metric: str, also: Sequence[str], interval: Any, test: Any
) -> ComparedExperiment:
    value = _first(record.metrics, f"cv_{metric}", metric)
    low, high = _bounds(interval)
    bad = record.status != "completed"
    return ComparedExperiment(
        id=record.id,
        name=record.name,
        status=record.status,
        value=value,
        std=_first(record.metrics, f"cv_{metric}_std", f"{metric}_std"),
        low=low,
        high=high,
        train_seconds=_first(record.metrics, "train_seconds"),
        model_bytes=_first(record.metrics, "model_bytes") or _model_bytes(record),
        metrics={n: v for n in also if (v := _first(record.metrics, f"cv_{n}", n)) is not None},
        test=_test_text(test),
        note=record.last_note() if bad or value is None else "",
    )


def _first(metrics: Mapping[str, float], *names: str) -> float | None:
    for name in names:
        if name in metrics and not math.isnan(metrics[name]):
            return metrics[name]
    return None


def _model_bytes(record: ExperimentRecord) -> float | None:
    sizes = [a.bytes for a in record.artifacts.values() if a.role == "model"]
    return max(sizes) if sizes else None


def _bounds(interval: Any) -> tuple[float | None, float | None]:
    if interval is None:
        return None, None
    if hasattr(interval, "low"):
        return interval.low, interval.high
    low, high = interval
    return low, high


def _test_text(test: Any) -> str:
    if not isinstance(test, Mapping):
        return "" if test is None else str(test)
    parts = [str(test["test"])] if test.get("test") else []
    if test.get("difference") is not None:
        around = (
            f" [{number_text(test['low'])}, {number_text(test['high'])}]"
            if test.get("low") is not None and test.get("high") is not None
            else ""
        )
        parts.append(f"difference {number_text(test['difference'])}{around}")
    if test.get("p_value") is not None:
        parts.append(f"p = {test['p_value']:.3g}")
    if test.get("n") is not None:
        parts.append(f"n = {test['n']}")
    return ", ".join(parts)


def _ranking(higher_is_better: bool) -> Callable[[ComparedExperiment], tuple[int, float, str]]:
    def key(row: ComparedExperiment) -> tuple[int, float, str]:
        if row.value is None:
            return (1 if row.status == "completed" else 2, 0.0, row.id)
        if row.status != "completed":
            return (2, 0.0, row.id)
        return (0, -row.value if higher_is_better else row.value, row.id)

    return key


def _reason(comparison: Comparison) -> str:
    best = comparison.best_row()
    if best is None or best.value is None:
        return f"no completed experiment has a value of {comparison.metric}"
    extreme = "highest" if comparison.higher_is_better else "lowest"
    other = next((row for row in comparison.rows if row.id == comparison.runner_up), None)
    ahead = (
        other is not None
        and other.value is not None
        and (other.value > best.value if comparison.higher_is_better else other.value < best.value)
    )
    # Baselines are never chosen while a candidate is there, and a steadier kind of model may be preferred.
    has = "was chosen with" if ahead else f"has the {extreme}"
    text = f"{best.name} {has} {comparison.metric}: {_value_text(best)}"
    if best.low is not None and best.high is not None:
        text += f", interval {number_text(best.low)} to {number_text(best.high)}"
    if other is None or other.value is None:
        return text + "; nothing else was measured"
    gap = abs(best.value - other.value)
    whose = f"{other.name} is ahead of it at" if ahead else f"the runner-up {other.name} has"
    text += f"; {whose} {_value_text(other)}, a gap of {number_text(gap)}"
    if other.test:
        return text + f" ({other.test})"
    if best.std is not None and gap < best.std:
        text += ", less than the spread over folds: treat them as equal"
    return text


def _value_text(row: ComparedExperiment) -> str:
    if row.value is None:
        return ""
    return number_text(row.value) + ("" if row.std is None else f" ± {row.std:.2g}")


def render_comparison(comparison: Comparison) -> str:
    """Return the comparison as Markdown."""
    arrow = "higher is better" if comparison.higher_is_better else "lower is better"
    measured = [row for row in comparison.rows if row.status == "completed" and row.value is not None]
    other = [row for row in comparison.rows if row not in measured]
    parts = ["# Experiments compared\n", f"By {comparison.metric} ({arrow}), best first.\n"]
    if comparison.best is not None:
        parts.append(f"**Best: {comparison.best}.** {_sentence(comparison.reason)}\n")
    elif comparison.reason:
        parts.append(_sentence(comparison.reason) + "\n")
    if measured:
        parts.append(_measured_table(comparison, measured))
    if other:
        rows = [[row.id, row.status, row.note or "no value of this metric"] for row in other]
        parts += [
            "## Not measured, failed or interrupted\n",
            markdown_table(["experiment", "status", "note"], rows),
        ]
    if not comparison.rows:
        parts.append("There is no experiment yet.\n")
    return "\n".join(parts)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."


def _measured_table(comparison: Comparison, rows: Sequence[ComparedExperiment]) -> str:
    also = sorted({name for row in rows for name in row.metrics})
    columns: list[tuple[str, Callable[[ComparedExperiment], str]]] = [
        ("experiment", lambda row: f"{row.id} ✅ BEST" if row.id == comparison.best else row.id),
        (comparison.metric, _value_text),
        ("interval", lambda r: "" if r.low is None else f"{number_text(r.low)} to {number_text(r.high)}"),
        *[(name, lambda row, name=name: number_text(row.metrics.get(name))) for name in also],  # type: ignore[misc]
        ("trained in", lambda row: seconds_text(row.train_seconds)),
        ("model size", lambda row: "" if row.model_bytes is None else size_text(row.model_bytes)),
        ("paired test against the best", lambda row: row.test),
    ]
    filled = [(title, [value(row) for row in rows]) for title, value in columns]
    filled = [(title, cells) for title, cells in filled if any(cells)]
    return markdown_table(
        [title for title, _ in filled],
        [list(row) for row in zip(*[cells for _, cells in filled], strict=True)],
    )


def save_comparison(folder: Path, comparison: Comparison) -> Path:
    """Write comparison.md and comparison.json into the experiments' folder; return the Markdown's path."""
    save_record(folder / "comparison.json", KIND, SCHEMA, {"comparison": comparison})
    return write_text(folder / "comparison.md", render_comparison(comparison))


def load_comparison(folder: Path) -> Comparison:
    """Read comparison.json.

    Raises
    ------
    StorageError
        If it is missing or no comparison.
    """
    body = load_record(folder / "comparison.json", KIND, SCHEMA)["comparison"]
    return msgspec.convert(_with_numbers(body), Comparison)


def _with_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _with_numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_numbers(v) for v in value]
    return number(value)
