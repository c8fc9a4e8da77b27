"""What could not be sent to GitHub, kept in order until the next sync.

Reads and writes: ``.specweave/cache/github-queue.json``. Never: holds a token, or the same thing twice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from specweave.errors import CorruptFileError
from specweave.files.store import load_record, save_record
from specweave.increments.project import Project

KIND, SCHEMA = "github-queue", 1


class Waiting(msgspec.Struct, frozen=True):
    """One thing to send.

    Attributes
    ----------
    what : {"issue", "comment", "body"}
        Make the issue, add a comment, bring the body up to date.
    increment : str
    text : str
        The issue's title, or the comment; a body is written anew when it is sent.
    key : str
        The name of a comment, under which it is told once.
    best : dict or None
        The best model that a comment tells.
    """

    what: Literal["issue", "comment", "body"]
    increment: str
    text: str = ""
    key: str = ""
    best: dict[str, Any] | None = None


class Queue:
    """The queue of a project; every change is on disk before the call returns.

    Parameters
    ----------
    path : Path

    Raises
    ------
    CorruptFileError
        If the file is not a queue.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting = _load(path)

    def waiting(self) -> list[Waiting]:
        """Return what waits, in order."""
        return list(self._waiting)

    def add(self, entry: Waiting) -> None:
        """Add at the end, unless the same waits already."""
        if _name(entry) not in map(_name, self._waiting):
            self._save([*self._waiting, entry])

    def remove(self, entry: Waiting) -> None:
        """Take out what was sent, or need not be any more."""
        kept = [w for w in self._waiting if _name(w) != _name(entry)]
        if kept != self._waiting:
            self._save(kept)

    def last_told(self, increment_id: str) -> dict[str, Any] | None:
        """Return the best model of the last comment that waits for an increment."""
        told = [w.best for w in self._waiting if w.what == "comment" and w.increment == increment_id]
        return told[-1] if told else None

    def _save(self, waiting: list[Waiting]) -> None:
        self._waiting = waiting
        if waiting:
            save_record(self.path, KIND, SCHEMA, {"waiting": [msgspec.structs.asdict(w) for w in waiting]})
        else:
            self.path.unlink(missing_ok=True)


def _name(entry: Waiting) -> tuple[str, str, str]:
    return entry.what, entry.increment, entry.key


def open_queue(project: Project) -> Queue:
    """Open the queue of a project."""
    return Queue(project.cache / "github-queue.json")


def _load(path: Path) -> list[Waiting]:
    if not path.exists():
        return []
    hint = f"delete it; 'sw github sync' then sends what is not up to date: rm {path}"
    try:
        body = load_record(path, KIND, SCHEMA)
        return msgspec.convert(body.get("waiting"), list[Waiting])
    except (CorruptFileError, msgspec.ValidationError) as error:
        raise CorruptFileError("the queue of GitHub cannot be read", where=path, hint=hint) from error
