"""A run of another tracker, written as an experiment with its own dates, numbers and files.

Reads: nothing. Writes: one new experiment folder per run. Never: imports a run twice, claims that it was
made here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from specweave.errors import DataError
from specweave.experiments.artifacts import Artifact, copy_in, describe
from specweave.experiments.metric_log import MetricLog
from specweave.experiments.names import FOLDER, clean_name, file_name, folder_name
from specweave.experiments.record import EXPERIMENT, METRICS, NOTES, PARAMS, ExperimentRecord, Header
from specweave.experiments.store import ExperimentStore
from specweave.experiments.values import legal_text, param_value
from specweave.files.atomic import claim_numbered, storage_errors, write_text
from specweave.files.store import render_json

TAG = "imported"


class LogLine(msgspec.Struct, frozen=True):
    """Values of one moment: seconds since 1970, step (None where there is none), name -> value."""

    time: float
    step: int | None
    values: dict[str, float]


@dataclass
class ForeignRun:
    """What another tracker knows of a run.

    Attributes
    ----------
    key : str
        Where it comes from, ``mlflow:3f2a...``; the same key is imported once.
    name : str
    status : str
        ``completed``, ``failed`` or ``interrupted``.
    started, ended : float or None
        Seconds since 1970.
    lines : list of LogLine
        In the order in which they were logged.
    last : dict
        Last value per metric, where the tracker says it apart from the history.
    artifacts : dict
        Name -> file or folder to copy.
    commit : str
        Git commit.
    notes : list of str
    """

    key: str
    name: str
    status: str = "completed"
    started: float | None = None
    ended: float | None = None
    params: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    lines: list[LogLine] = field(default_factory=list)
    last: dict[str, float] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    commit: str = ""
    notes: list[str] = field(default_factory=list)


class ImportReport(msgspec.Struct, frozen=True):
    """What an import brought.

    Attributes
    ----------
    imported : list of str
        New experiments.
    known : list of str
        Experiments that an earlier import had brought, or that were mirrored from here.
    notes : list of str
        What could not be brought as it was.
    """

    imported: list[str]
    known: list[str]
    notes: list[str]


def known_keys(store: ExperimentStore) -> dict[str, str]:
    """Return key -> experiment of what was imported earlier."""
    return {r.tags[TAG]: r.id for r in store.readable()[0] if TAG in r.tags}


def save_run(store: ExperimentStore, run: ForeignRun) -> tuple[ExperimentRecord, list[str]]:
    """Write a run as a new experiment; return it, and what could not be brought as it was.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    name = _name(run)
    store.folder.mkdir(parents=True, exist_ok=True)
    number, folder = claim_numbered(store.folder, 3, lambda n: folder_name(n, name), FOLDER)
    problems: list[str] = []
    header = Header(
        id=folder.name, name=name, number=number, title=legal_text(run.name)[:300], status=run.status,
        started=_iso(run.started), ended=_iso(run.ended), increment=store.increment_id(),
        duration_s=None if run.started is None or run.ended is None else round(run.ended - run.started, 3),
        git={"commit": run.commit, "dirty": None} if run.commit else None,
        tags={**{legal_text(k): legal_text(v) for k, v in run.tags.items()}, TAG: run.key},
    )  # fmt: skip
    with storage_errors(folder):
        os.mkdir(folder / "logs")
    last = _write_history(folder, run, problems)
    header.artifacts = _copy_artifacts(folder, run.artifacts, problems)
    write_text(
        folder / PARAMS, render_json({legal_text(k): param_value(v)[0] for k, v in run.params.items()})
    )
    write_text(folder / METRICS, render_json({**last, **run.last}))
    notes = [f"imported from {run.key}", *run.notes, *problems]
    write_text(folder / NOTES, "".join(f"- {_indented(note)}\n" for note in notes))
    write_text(folder / EXPERIMENT, render_json(header))
    return store.get(folder.name), problems


def _name(run: ForeignRun) -> str:
    match = FOLDER.match(run.name)
    try:
        return clean_name(match[2] if match else run.name)
    except DataError:
        return "run"


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _indented(note: str) -> str:
    return legal_text(note).strip().replace("\r\n", "\n").replace("\n", "\n  ")


def _write_history(folder: Path, run: ForeignRun, problems: list[str]) -> Mapping[str, Any]:
    moment = [run.started or 0.0]
    log = MetricLog(folder, lambda: moment[0], lambda _: None, resumed=False)
    refused: set[str] = set()
    try:
        for line in run.lines:
            moment[0] = line.time
            for name, value in line.values.items():
                try:
                    log.log(name, value, line.step)
                except DataError as error:
                    refused.add(f"metric {name!r} was left out: {error.what}")
    finally:
        log.close()
    problems += sorted(refused)
    return log.last


def _copy_artifacts(folder: Path, artifacts: Mapping[str, Path], problems: list[str]) -> dict[str, Artifact]:
    found: dict[str, Artifact] = {}
    for name, source in artifacts.items():
        try:
            relative = file_name(name)
        except DataError as error:
            problems.append(f"file {name!r} was left out: {error.what}")
            continue
        if (folder / relative).exists() or relative.partition("/")[0] in _OWN:
            relative = f"artifacts/{relative}"
        copy_in(source, folder / relative)
        found[relative] = describe(folder / relative, "file")
    return found


_OWN = (EXPERIMENT, PARAMS, METRICS, NOTES, "history.jsonl", "requirements.txt", "git.patch", "logs")


def import_runs(store: ExperimentStore, runs: Iterable[ForeignRun]) -> ImportReport:
    """Write all runs that were not imported before; see `save_run`."""
    known = known_keys(store)
    report = ImportReport([], [], [])
    for run in runs:
        if run.key in known:
            report.known.append(known[run.key])
            continue
        record, problems = save_run(store, run)
        report.imported.append(record.id)
        report.notes.extend(f"{record.id}: {problem}" for problem in problems)
    return report
