"""An experiment as it stands on disk, also one that was killed or is still running.

Reads: one experiment's folder. Writes: nothing. Never: trusts a dead process's ``running``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from specweave.errors import CorruptFileError, NewerSchemaError, StorageError
from specweave.experiments.artifacts import Artifact
from specweave.experiments.history import HISTORY, HistoryLine, last_values, load_history
from specweave.experiments.names import FOLDER
from specweave.experiments.processes import host_name, is_alive
from specweave.experiments.values import Number
from specweave.files.store import load_json, read_text, sha256_file

KIND = "experiment"
SCHEMA = 1
STATUSES = ("running", "completed", "failed", "interrupted")
EXPERIMENT, PARAMS, METRICS, NOTES = "experiment.json", "params.json", "metrics.json", "notes.md"


class Header(msgspec.Struct, kw_only=True):
    """What experiment.json holds.

    Attributes
    ----------
    id : str
        The folder's name, ``exp-003-xgboost``.
    name : str
        The slug, ``xgboost``.
    title : str
        The name as it was given.
    started, ended : str or None
        ISO 8601, UTC.
    duration_s : float or None
        Seconds of work, summed over attempts.
    attempts : int
        How many processes worked on it (more than one after a resume).
    inputs_digest : str or None
        Hash of the declared inputs: the same means the same work.
    error : str
        What made it fail, one line.
    """

    id: str
    name: str
    number: int
    kind: str = KIND
    schema: int = SCHEMA
    title: str = ""
    status: str = "running"
    started: str | None = None
    ended: str | None = None
    duration_s: float | None = None
    attempts: int = 1
    increment: str | None = None
    task: str | None = None
    git: dict[str, Any] | None = None
    data_sha256: str | None = None
    seed: int | None = None
    host: str = ""
    python: str = ""
    tags: dict[str, str] = {}
    inputs_digest: str | None = None
    pid: int | None = None
    pid_ticks: int | None = None
    error: str = ""
    artifacts: dict[str, Artifact] = {}


class ExperimentRecord(Header, kw_only=True):
    """One experiment, read: its header with params and last metrics.

    Attributes
    ----------
    folder : Path
    params, metrics : dict
        Plain name -> value; infinities and NaN are floats in `metrics`.
    """

    folder: Path
    params: dict[str, Any] = {}
    metrics: dict[str, Number] = {}

    def load_history(self) -> list[HistoryLine]:
        """Read every log call, in order."""
        return load_history(self.folder)[0]

    def load_notes(self) -> str:
        """Read notes.md; empty where nothing was noted."""
        try:
            return read_text(self.folder / NOTES)
        except StorageError:
            return ""

    def load_requirements(self) -> dict[str, str]:
        """Read the packages of the run as name -> version."""
        try:
            text = read_text(self.folder / "requirements.txt")
        except StorageError:
            return {}
        return {n: v for n, eq, v in (line.partition("==") for line in text.splitlines()) if eq}

    def last_note(self) -> str:
        """Return why it failed, or the last note, on one line."""
        if self.error:
            return self.error
        lines = [
            line.lstrip("- ").strip() for line in self.load_notes().splitlines() if line.startswith("- ")
        ]
        return lines[-1] if lines else ""

    def get_artifact(self, name: str) -> Path:
        """Return the path of an artifact.

        Raises
        ------
        StorageError
            If it is not there any more, or never was.
        """
        path = self.folder / name
        if not path.exists():
            known = ", ".join(sorted(self.artifacts)) or "none"
            said = "vanished from" if name in self.artifacts else "is no artifact of"
            raise StorageError(f"{name} {said} {self.id}", where=self.folder, hint=f"artifacts: {known}")
        return path

    def vanished_artifacts(self) -> list[str]:
        """Return the recorded artifacts whose file is gone."""
        return [name for name in sorted(self.artifacts) if not (self.folder / name).exists()]

    def changed_artifacts(self) -> list[str]:
        """Return the recorded artifacts whose bytes are not those that were recorded."""
        return [
            name
            for name, artifact in sorted(self.artifacts.items())
            if artifact.sha256
            and (self.folder / name).is_file()
            and sha256_file(self.folder / name) != artifact.sha256
        ]

    def to_record(self) -> dict[str, Any]:
        """Return everything as plain values (the folder by its name)."""
        body = {field: getattr(self, field) for field in self.__struct_fields__}
        return {**body, "folder": self.folder.name}


_header = msgspec.json.Decoder(Header)
_metrics = msgspec.json.Decoder(dict[str, int | float | str])
_params = msgspec.json.Decoder(dict[str, Any])
_SPECIAL = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def read_header(folder: Path) -> Header:
    """Read experiment.json as it was written (a dead process's ``running`` included).

    Raises
    ------
    StorageError
        If it is missing.
    CorruptFileError, NewerSchemaError
        If it is not a record this version can read.
    """
    path = folder / EXPERIMENT
    data = _bytes(path)
    if data is None:
        raise StorageError("no such file", where=path)
    try:
        header = _header.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        _explain(path, error)
    if header.kind != KIND:
        raise CorruptFileError(f"expected a record of kind '{KIND}', found '{header.kind}'", where=path)
    if header.schema > SCHEMA:
        raise _newer(path, header.schema)
    return header


def _explain(path: Path, error: Exception) -> None:
    record = load_json(path)
    version = record.get("schema") if isinstance(record, dict) else None
    if isinstance(version, int) and version > SCHEMA:
        raise _newer(path, version)
    raise CorruptFileError(
        f"not an experiment's record: {error}", where=path, hint="restore the file from git"
    ) from error


def _newer(path: Path, version: int) -> NewerSchemaError:
    return NewerSchemaError(
        f"'{KIND}' schema {version} is newer than this specweave can read ({SCHEMA})",
        where=path,
        hint="run: pip install -U specweave-ml",
    )


def _bytes(path: str | Path) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", where=path) from error
    try:
        size = os.fstat(fd).st_size
        data = os.read(fd, size + 1)
        while len(data) < size:
            more = os.read(fd, size - len(data) + 1)
            if not more:
                break
            data += more
        return data
    finally:
        os.close(fd)


def true_status(header: Header) -> str:
    """Return the status, ``interrupted`` where the process that said ``running`` is gone."""
    if header.status == "running" and header.host == host_name() and header.pid is not None:
        return "running" if is_alive(header.pid, header.pid_ticks) else "interrupted"
    return header.status


def load_record(folder: Path) -> ExperimentRecord:
    """Read one experiment.

    A folder without a readable experiment.json (its writer was killed in the first millisecond, or a
    person made it) is reported as ``interrupted`` with what there is.

    Raises
    ------
    CorruptFileError, NewerSchemaError
        If experiment.json is there but cannot be read.
    """
    try:
        header = read_header(folder)
    except (CorruptFileError, NewerSchemaError):
        raise
    except StorageError:
        header = _headless(folder)
    settled = header.status
    status = true_status(header)
    fields = {name: getattr(header, name) for name in _FIELDS}
    fields["status"] = status
    base = str(folder)
    params = _load(_params, f"{base}/{PARAMS}")
    metrics = _load_metrics(folder, settled)
    return ExperimentRecord(**fields, folder=folder, params=params, metrics=metrics)


_FIELDS = Header.__struct_fields__


def _headless(folder: Path) -> Header:
    match = FOLDER.match(folder.name)
    number, name = (int(match[1]), match[2]) if match else (0, folder.name)
    return Header(
        id=folder.name, name=name, number=number, status="interrupted", error="no experiment.json was written"
    )


def _load(decoder: msgspec.json.Decoder[dict[str, Any]], path: str) -> dict[str, Any]:
    data = _bytes(path)
    if data is None:
        return {}
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CorruptFileError(
            f"not a mapping of names to values: {error}",
            where=path,
            hint="restore the file from git",
        ) from error


def _load_metrics(folder: Path, status: str) -> dict[str, Number]:
    # metrics.json is written when a run closes; until then the history is the truth.
    if status == "running" or not (folder / METRICS).exists():
        if (folder / HISTORY).exists():
            return last_values(load_history(folder)[0])
        if status == "running":
            return {}
    found: dict[str, Number] = {}
    for name, value in _load(_metrics, f"{folder}/{METRICS}").items():
        if not isinstance(value, str):
            found[name] = value
        elif value in _SPECIAL:
            found[name] = _SPECIAL[value]
    return found
