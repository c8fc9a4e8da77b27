"""What a tracker is to us: somebody who is sent what is new in an experiment's folder.

Reads: experiments' folders. Writes: receipts beside the copies. Never: changes a record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import msgspec

from specweave.errors import CorruptFileError, MissingExtraError, SpecError
from specweave.experiments.history import HISTORY, HistoryLine, parse_history
from specweave.experiments.record import EXPERIMENT, METRICS, NOTES, PARAMS, ExperimentRecord
from specweave.experiments.values import Number
from specweave.files.store import digest, render_json, sha256_file
from specweave.integrations.tracking_settings import Settings

# Files of the record itself that a tracker gets as they are, under `RECORD`.
RECORD_FILES = (EXPERIMENT, PARAMS, METRICS, NOTES, "requirements.txt", "git.patch")
RECORD = "specweave"
_ENDED = ("completed", "failed", "interrupted")


class Sent(msgspec.Struct, frozen=True):
    """What one sending did.

    Attributes
    ----------
    run_id : str
        The run's id in the tracker.
    points : int
        Metric values sent.
    files : int
        Files sent.
    notes : list of str
        What could not be sent as it is, for people.
    """

    run_id: str
    points: int = 0
    files: int = 0
    notes: list[str] = []


class Tracker(Protocol):
    """A tracker of another maker; made with its `Settings` in a process of its own.

    Attributes
    ----------
    name : str
    live : bool
        Whether it wants what a run has written before the run has ended.
    """

    name: str
    live: bool

    def is_complete(self, record: ExperimentRecord) -> bool:
        """Return whether the tracker holds all of an ended run; cheap."""

    def send(self, record: ExperimentRecord, *, whole: bool) -> Sent:
        """Send what the tracker does not have yet; a second call with the same record sends nothing.

        Parameters
        ----------
        record : ExperimentRecord
            As it is on disk now.
        whole : bool
            Send files and model too, not only params and metrics; so it is once the run has ended.

        Raises
        ------
        Exception
            Whatever the library raises; what was sent until then is not sent again.
        """

    def close(self) -> None:
        """Hand over what waits and let go of everything."""


class Value(msgspec.Struct, frozen=True):
    """One value of one metric; `step` counts from 0 by occurrence where the call gave none."""

    name: str
    value: Number
    step: int
    time: float


class Tail:
    """Reads a history as it grows.

    Parameters
    ----------
    folder : Path
        The experiment's folder.
    position : int
        Bytes that were dealt with earlier.
    """

    def __init__(self, folder: Path, position: int = 0) -> None:
        self._path = folder / HISTORY
        self._seen: dict[str, int] = {}
        self.position = 0
        if position:
            for _ in self.read(position):
                pass

    def read(self, limit: int | None = None) -> Iterator[list[Value]]:
        """Yield the values of each new log call; whole lines only.

        `position` moves on when all of them have been taken.
        """
        lines, end = self._lines(limit)
        for line in lines:
            yield [self._value(line, name, value) for name, value in line.values.items()]
        self.position = end

    def _lines(self, limit: int | None) -> tuple[list[HistoryLine], int]:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self.position)
                data = stream.read(-1 if limit is None else limit - self.position)
        except FileNotFoundError:
            return [], self.position
        data = data[: data.rfind(b"\n") + 1]
        return parse_history(data)[0], self.position + len(data)

    def _value(self, line: HistoryLine, name: str, value: Number) -> Value:
        count = self._seen.get(name, 0)
        self._seen[name] = count + 1
        return Value(name, value, count if line.step is None else line.step, line.time)


def state_of(record: ExperimentRecord) -> str:
    """Return a hash of all that is copied of a run: the same means that there is nothing new to send."""
    sizes = {name: _size(record.folder / name) for name in (HISTORY, NOTES)}
    artifacts = {name: [a.bytes, a.sha256] for name, a in record.artifacts.items()}
    return digest([record.status, record.params, record.tags, record.attempts, sizes, artifacts])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def has_ended(record: ExperimentRecord) -> bool:
    """Return whether nothing more is to be expected of a run."""
    return record.status in _ENDED


def key_of(record: ExperimentRecord) -> str:
    """Return what tells a run from all others, also from one of the same name in another project."""
    return f"{record.id}@{record.started or ''}"


def short_key(record: ExperimentRecord) -> str:
    """Return `key_of` as 16 letters and digits."""
    return hashlib.sha256(key_of(record).encode()).hexdigest()[:16]


def files_of(record: ExperimentRecord) -> list[tuple[str, Path]]:
    """Return (name in the tracker, file) of everything worth keeping; folders file by file."""
    found = [(f"{RECORD}/{n}", record.folder / n) for n in RECORD_FILES if (record.folder / n).is_file()]
    for name in sorted(record.artifacts):
        path = record.folder / name
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        found += [(p.relative_to(record.folder).as_posix(), p) for p in inside if p.is_file()]
    predictions = record.folder / "predictions.parquet"
    if predictions.is_file() and "predictions.parquet" not in record.artifacts:
        found.append(("predictions.parquet", predictions))
    return found


def model_file(record: ExperimentRecord) -> Path | None:
    """Return the model that was saved last, whose bytes are those recorded, or None.

    Raises
    ------
    CorruptFileError
        If the bytes are others: a pickle that somebody else made runs their code.
    """
    names = [n for n, a in record.artifacts.items() if a.role == "model" and (record.folder / n).is_file()]
    # A model file people named themselves, and the state of one, beside a whole model: the whole one.
    names.sort(key=lambda n: n in ("model.pkl", "model.keras", "model.ubj", "model.txt", "model.cbm"))
    if not names:
        return None
    path = record.folder / names[-1]
    if sha256_file(path) != record.artifacts[names[-1]].sha256:
        raise CorruptFileError(
            "the model is not the one that this run saved", where=path, hint="restore the file from git"
        )
    return path


def param_text(name: str, value: Any, limit: int) -> str:
    """Return a param as text of at most `limit` characters; a longer one ends with where it is whole."""
    text = value if isinstance(value, str) else render_json(value).strip()
    if isinstance(value, bool | int | float) or value is None:
        text = str(value)
    if len(text) <= limit:
        return text
    pointer = f"... [whole in {RECORD}/{PARAMS}: {name[:80]}]"
    return text[: limit - len(pointer)] + pointer


def load_receipt(path: Path) -> dict[str, Any]:
    """Read what was sent earlier; empty where nothing was, or where the note of it is spoilt."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return {}
    return found if isinstance(found, dict) else {}


def check_options(settings: Settings, known: tuple[str, ...]) -> None:
    """Check that a tracker is told nothing it does not understand.

    Raises
    ------
    SpecError
        If it is.
    """
    wrong = sorted(set(settings.options) - set(known))
    if wrong:
        raise SpecError(
            f"{settings.name} has no setting '{wrong[0]}'",
            where=settings.reason or None,
            hint=f"use {', '.join(known)}",
        )


def check_installed(module: str, extra: str) -> None:
    """Check that a tracker's library is there.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    if find_spec(module) is None:
        raise MissingExtraError.for_package(module, extra, f"mirroring experiments to {extra}")
