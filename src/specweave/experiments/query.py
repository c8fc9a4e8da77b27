"""Questions people ask of experiments: which are there, which pass a filter, what is in one.

Reads: the experiments' folders. Writes: nothing. Never: changes what it lists.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from specweave.experiments.directions import find_direction
from specweave.experiments.history import load_history, summarise
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.report import size_text
from specweave.experiments.store import ExperimentStore
from specweave.experiments.tables import cell, markdown_table, number_text, seconds_text
from specweave.experiments.values import Number
from specweave.experiments.where import find_value, parse_where

# Bookkeeping that hides the measured values where columns are few.
_DULL = frozenset(["train_seconds", "model_bytes", "folds", "epoch_seconds", "seconds", "rounds", "epochs"])


class MetricDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one experiment; `best` is None where the name does not tell a direction."""

    name: str
    last: Number
    low: Number
    high: Number
    best: Number | None
    best_step: int | None
    higher_is_better: bool | None
    count: int


class ExperimentDetails(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of one experiment.

    Attributes
    ----------
    damaged_lines : int
        Lines of the history that could not be read and were set aside.
    vanished, changed : list of str
        Artifacts that are gone, or are not the bytes that were recorded.
    """

    record: ExperimentRecord
    metrics: list[MetricDetails]
    notes: str
    damaged_lines: int
    vanished: list[str]
    changed: list[str]

    def to_record(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "experiment": self.record.to_record(),
            "metrics": self.metrics,
            "notes": self.notes,
            "damaged_lines": self.damaged_lines,
            "vanished": self.vanished,
            "changed": self.changed,
        }


def list_experiments(
    store: ExperimentStore,
    *,
    where: str | None = None,
    sort: str | None = None,
    descending: bool | None = None,
    limit: int | None = None,
) -> list[ExperimentRecord]:
    """Return experiments that pass a filter, in order of number or of any value.

    Parameters
    ----------
    store : ExperimentStore
    where : str, optional
        See `specweave.experiments.where.parse_where`.
    sort : str, optional
        A name as in filters; experiments without it come last.
    descending : bool, optional
        Best first where the name is a metric whose direction is known, smallest first otherwise.
    limit : int, optional

    Raises
    ------
    DataError
        If the filter cannot be read.
    UnknownNameError
        If no experiment has a name that the filter or `sort` mentions.
    """
    records, _ = store.readable()
    if where:
        parsed = parse_where(where)
        parsed.check_names(records)
        records = [record for record in records if parsed.matches(record)]
    if sort:
        records = _sorted(records, sort, descending)
    return records if limit is None else records[:limit]


def _sorted(records: list[ExperimentRecord], name: str, descending: bool | None) -> list[ExperimentRecord]:
    parse_where(name).check_names(records)
    if descending is None:
        descending = find_direction(name.partition(".")[2] or name) is True
    values = {record.id: find_value(record, name) for record in records}
    numbers = [r for r in records if _is_number(values[r.id])]
    texts = [r for r in records if isinstance(values[r.id], str)]
    rest = [r for r in records if r not in numbers and r not in texts]
    numbers.sort(key=lambda r: values[r.id], reverse=descending)
    texts.sort(key=lambda r: values[r.id], reverse=descending)
    return [*numbers, *texts, *rest]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and value == value


def show_experiment(store: ExperimentStore, id_or_name: str | int) -> ExperimentDetails:
    """Return everything of one experiment; see `ExperimentStore.get`."""
    record = store.get(id_or_name)
    lines, damaged = load_history(record.folder)
    details = [
        _details(name, s.last, (s.low, s.low_step), (s.high, s.high_step), s.count)
        for name, s in summarise(lines).items()
    ]
    known = {d.name for d in details}
    # A record brought in from elsewhere may hold values without a history.
    details += [_details(n, v, (v, None), (v, None), 1) for n, v in record.metrics.items() if n not in known]
    return ExperimentDetails(
        record=record,
        metrics=details,
        notes=record.load_notes(),
        damaged_lines=damaged,
        vanished=record.vanished_artifacts(),
        changed=record.changed_artifacts(),
    )


def _details(
    name: str, last: Number, low: tuple[Number, int | None], high: tuple[Number, int | None], count: int
) -> MetricDetails:
    direction = find_direction(name)
    best = None if direction is None else high if direction else low
    return MetricDetails(
        name=name,
        last=last,
        low=low[0],
        high=high[0],
        best=None if best is None else best[0],
        best_step=None if best is None else best[1],
        higher_is_better=direction,
        count=count,
    )


def common_metrics(records: Sequence[ExperimentRecord], most: int = 4) -> list[str]:
    """Return the metrics that tell most about these experiments: shared by many, cross-validated first."""
    counts = Counter(name for record in records for name in record.metrics)
    telling = [
        n for n in counts if n not in _DULL and not n.endswith("_std") and find_direction(n) is not None
    ]
    telling = telling or [n for n in counts if n not in _DULL] or list(counts)
    telling.sort(key=lambda n: (not n.startswith("cv_"), -counts[n], n))
    return telling[:most]


def render_list(records: Sequence[ExperimentRecord], metrics: Sequence[str] | None = None) -> str:
    """Return experiments as a Markdown table."""
    if not records:
        return "No experiment.\n"
    names = list(metrics) if metrics is not None else common_metrics(records)
    rows = [
        [
            record.id,
            record.status,
            *[number_text(record.metrics.get(name)) for name in names],
            seconds_text(record.duration_s),
            (record.started or "")[:16].replace("T", " "),
            record.last_note()[:60] if record.status in ("failed", "interrupted") else "",
        ]
        for record in records
    ]
    header = ["experiment", "status", *names, "took", "started", "note"]
    keep = [i for i in range(len(header)) if i < 2 or any(row[i] for row in rows)]
    return markdown_table([header[i] for i in keep], [[row[i] for i in keep] for row in rows])


def render_experiment(details: ExperimentDetails) -> str:
    """Return one experiment as Markdown."""
    record = details.record
    git = record.git or {}
    facts = {
        "status": f"{record.status}{f' ({record.error})' if record.error else ''}",
        "task": record.task,
        "started": record.started,
        "took": seconds_text(record.duration_s),
        "attempts": record.attempts if record.attempts > 1 else None,
        "seed": record.seed,
        "data": record.data_sha256,
        "code": f"{git['commit']}{' (dirty)' if git.get('dirty') else ''}" if git.get("commit") else None,
        "python": record.python,
        "host": record.host,
        "tags": ", ".join(n if not v else f"{n}={v}" for n, v in sorted(record.tags.items())),
    }
    parts = [f"# {record.id}\n", "".join(f"- {n}: {v}\n" for n, v in facts.items() if v not in (None, ""))]
    if details.metrics:
        arrows = {True: "higher", False: "lower", None: ""}
        rows = [
            [
                m.name,
                number_text(m.last),
                number_text(m.best),
                number_text(m.low),
                number_text(m.high),
                str(m.count),
                arrows[m.higher_is_better],
            ]
            for m in details.metrics
        ]
        header = ["metric", "last", "best", "lowest", "highest", "values", "better"]
        parts += ["## Metrics\n", markdown_table(header, rows)]
    if record.params:
        rows = [[name, cell(value)] for name, value in record.params.items()]
        parts += ["## Params\n", markdown_table(["param", "value"], rows)]
    if details.notes:
        parts += ["## Notes\n", details.notes]
    if record.artifacts:
        parts += ["## Artifacts\n", _artifacts(details)]
    if details.damaged_lines:
        parts.append(
            f"{details.damaged_lines} line(s) of history.jsonl could not be read and were left out.\n"
        )
    return "\n".join(parts)


def _artifacts(details: ExperimentDetails) -> str:
    rows = [
        [
            name,
            artifact.role,
            size_text(artifact.bytes),
            "vanished" if name in details.vanished else "changed" if name in details.changed else "",
        ]
        for name, artifact in sorted(details.record.artifacts.items())
    ]
    return markdown_table(["artifact", "role", "size", "state"], rows)
