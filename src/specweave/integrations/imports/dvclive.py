"""DVCLive folders as experiments: ``metrics.json``, ``params.yaml``, one TSV per metric.

Reads: a DVCLive folder, or a folder of them. Writes: experiments. Never: needs dvclive.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from specweave.errors import DataError, StorageError
from specweave.experiments.store import ExperimentStore
from specweave.files.store import load_json, number
from specweave.files.yamlio import load_yaml
from specweave.integrations.imports.base import ForeignRun, ImportReport, LogLine, import_runs

_METRICS, _PARAMS, _PLOTS = "metrics.json", "params.yaml", "plots"
_NOT_VALUES = ("step", "timestamp")


def import_dvclive(folder: Path, store: ExperimentStore) -> ImportReport:
    """Bring the runs of a DVCLive folder in.

    Parameters
    ----------
    folder : Path
        What ``Live(dir=...)`` wrote; or a folder that holds several such, one per run.
    store : ExperimentStore

    Raises
    ------
    StorageError
        If there is no such folder.
    DataError
        If nothing in it was written by DVCLive.
    CorruptFileError
        If a file of it cannot be read.
    """
    if not folder.is_dir():
        raise StorageError("no such folder", where=folder, hint="give the folder that DVCLive wrote")
    homes = (
        [folder] if _is_live(folder) else sorted(f for f in folder.iterdir() if f.is_dir() and _is_live(f))
    )
    if not homes:
        raise DataError(
            "nothing here was written by DVCLive", where=folder,
            hint=f"give the folder that holds {_METRICS} and {_PLOTS}/metrics/",
        )  # fmt: skip
    # All are read before the first is written, so that a broken one leaves no half import behind.
    return import_runs(store, [_load(home) for home in homes])


def _is_live(folder: Path) -> bool:
    return (folder / _METRICS).is_file() or (folder / _PLOTS / "metrics").is_dir()


def _load(folder: Path) -> ForeignRun:
    notes: list[str] = []
    lines = sorted(_lines(folder, notes), key=lambda line: (line.time, line.step or 0))
    last = _flat(load_json(folder / _METRICS)) if (folder / _METRICS).exists() else {}
    params = load_yaml(folder / _PARAMS) if (folder / _PARAMS).exists() else {}
    times = [line.time for line in lines] or [folder.stat().st_mtime]
    return ForeignRun(
        key=f"dvclive:{_digest(folder)}",
        name=folder.resolve().name,
        started=times[0],
        ended=times[-1],
        params=dict(params) if isinstance(params, Mapping) else {},
        lines=lines,
        last={n: v for n, v in last.items() if n not in _NOT_VALUES},
        artifacts=_artifacts(folder),
        notes=notes,
    )


def _digest(folder: Path) -> str:
    """Return what tells one run from another; the folder may have moved meanwhile."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]


def _flat(values: Any, prefix: str = "") -> dict[str, float]:
    """Return nested metrics with names such as ``train/loss``; what is no number is left out."""
    found: dict[str, float] = {}
    for name, value in values.items() if isinstance(values, Mapping) else ():
        value = number(value)
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}/")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[f"{prefix}{name}"] = value
    return found


def _lines(folder: Path, notes: list[str]) -> Iterator[LogLine]:
    home = folder / _PLOTS / "metrics"
    for path in sorted(home.rglob("*.tsv")):
        name = path.relative_to(home).with_suffix("").as_posix()
        written = path.stat().st_mtime
        spoilt = 0
        with path.open(encoding="utf-8", newline="", errors="replace") as stream:
            for row in csv.DictReader(stream, delimiter="\t"):
                line = _line(name, row, written)
                if line is None:
                    spoilt += 1
                else:
                    yield line
        if spoilt:
            notes.append(f"{spoilt} lines of {name}.tsv could not be read and were left out")


def _line(name: str, row: Mapping[str | Any, str | Any], written: float) -> LogLine | None:
    values = [text for column, text in row.items() if column not in _NOT_VALUES]
    try:
        step = int(row["step"]) if row.get("step") not in (None, "") else None
        # DVCLive writes milliseconds where it writes the time at all.
        moment = float(row["timestamp"]) / 1000 if row.get("timestamp") else written
        return LogLine(moment, step, {name: float(values[0])})
    except (ValueError, TypeError, IndexError):
        return None


def _artifacts(folder: Path) -> dict[str, Path]:
    found = {p.name: p for p in sorted(folder.glob("report.*")) if p.is_file()}
    for part in ("artifacts", f"{_PLOTS}/images", f"{_PLOTS}/custom", f"{_PLOTS}/sklearn"):
        home = folder / part
        if home.is_dir():
            found |= {p.relative_to(folder).as_posix(): p for p in sorted(home.rglob("*")) if p.is_file()}
    return found
