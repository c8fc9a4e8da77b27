"""Experiments for other tools: one table (CSV, Parquet), one document (JSON), or DVCLive's folders.

Reads: the experiments' folders. Writes: what it is asked for, where it is asked to. Never: changes a record.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from specweave.errors import DataError
from specweave.experiments.history import points_by_metric
from specweave.experiments.names import file_name
from specweave.experiments.record import ExperimentRecord
from specweave.files.atomic import replacing, write_text
from specweave.files.store import plain, render_json

_FIELDS = ("id", "number", "name", "status", "task", "started", "ended", "duration_s", "seed")


def export_experiments(records: Sequence[ExperimentRecord], path: Path, form: str | None = None) -> Path:
    """Write experiments to a file, or to a folder for ``dvclive``.

    Parameters
    ----------
    records : sequence of ExperimentRecord
    path : Path
    form : {"csv", "parquet", "json", "dvclive"}, optional
        Told by the path's ending where not given.

    Raises
    ------
    DataError
        If the form is not one of these.
    StorageError
        If the path cannot be written.
    """
    chosen = (form or path.suffix.lstrip(".") or "dvclive").lower()
    if chosen not in FORMS:
        raise DataError(f"cannot export as '{chosen}'", hint=f"use one of {', '.join(FORMS)}")
    return FORMS[chosen](records, path)


def experiment_rows(records: Sequence[ExperimentRecord]) -> list[dict[str, Any]]:
    """Return one flat mapping per experiment, all with the same keys.

    Columns are the record's fields, ``commit``, ``dirty``, ``data_sha256``, ``note``, then ``tags.X``,
    ``params.X`` and ``metrics.X``; None where an experiment has no such value.
    """
    rows = [_row(record) for record in records]
    fixed = [*_FIELDS, "commit", "dirty", "data_sha256", "note"]
    names = sorted({name for row in rows for name in row if name not in fixed}, key=_group_order)
    return [{name: row.get(name) for name in [*fixed, *names]} for row in rows]


def _group_order(name: str) -> tuple[int, str]:
    group = name.partition(".")[0]
    return (("tags", "params", "metrics").index(group), name)


def _row(record: ExperimentRecord) -> dict[str, Any]:
    git = record.git or {}
    row: dict[str, Any] = {name: getattr(record, name) for name in _FIELDS}
    row |= {
        "commit": git.get("commit"),
        "dirty": git.get("dirty"),
        "data_sha256": record.data_sha256,
        "note": record.last_note() if record.status in ("failed", "interrupted") else "",
    }
    for group in ("tags", "params", "metrics"):
        row |= {f"{group}.{name}": value for name, value in getattr(record, group).items()}
    return row


def render_csv(records: Sequence[ExperimentRecord]) -> str:
    """Return the experiments as CSV."""
    rows = experiment_rows(records)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow(["" if v is None else _text(v) for v in row.values()])
    return stream.getvalue()


def _text(value: Any) -> Any:
    return render_json(value).strip() if isinstance(value, list | dict) else value


def render_experiments_json(records: Sequence[ExperimentRecord]) -> str:
    """Return the experiments with their histories as one JSON document."""
    body = [
        {
            **record.to_record(),
            "notes": record.load_notes(),
            "history": [
                {"step": line.step, "time": line.time, "values": line.values}
                for line in record.load_history()
            ],
        }
        for record in records
    ]
    return render_json({"kind": "experiments", "schema": 1, "experiments": plain(body)})


def _save_csv(records: Sequence[ExperimentRecord], path: Path) -> Path:
    return write_text(path, render_csv(records))


def _save_json(records: Sequence[ExperimentRecord], path: Path) -> Path:
    return write_text(path, render_experiments_json(records))


def _save_parquet(records: Sequence[ExperimentRecord], path: Path) -> Path:
    import pandas as pd

    table = pd.DataFrame(experiment_rows(records))
    for name in table.columns:
        values = [v for v in table[name] if v is not None and v == v]
        # A column of one kind keeps it; params of several kinds can only share one as text.
        if len({_kind(v) for v in values}) > 1 or any(isinstance(v, list | dict) for v in values):
            table[name] = [None if v is None or v != v else str(_text(v)) for v in table[name]]
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False)
    return path


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, int | float) else type(value).__name__


def _save_dvclive(records: Sequence[ExperimentRecord], path: Path) -> Path:
    """Write, per experiment, what DVCLive writes: ``metrics.json``, ``params.yaml``, one TSV per metric."""
    from specweave.files.yamlio import render_yaml

    for record in records:
        folder = path / record.id
        lines = record.load_history()
        write_text(folder / "metrics.json", render_json(record.metrics))
        write_text(folder / "params.yaml", render_yaml(record.params))
        for name, points in points_by_metric(lines).items():
            rows = [f"{p.step}\t{p.value!r}" for p in points]
            text = "\n".join([f"step\t{name.rpartition('/')[2]}", *rows]) + "\n"
            write_text(folder / "plots" / "metrics" / f"{file_name(name)}.tsv", text)
    path.mkdir(parents=True, exist_ok=True)
    return path


FORMS: dict[str, Callable[[Sequence[ExperimentRecord], Path], Path]] = {
    "csv": _save_csv,
    "parquet": _save_parquet,
    "json": _save_json,
    "dvclive": _save_dvclive,
}
