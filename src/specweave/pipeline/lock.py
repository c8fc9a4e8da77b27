"""``pipeline.lock.json``: what each task was run from and what it left; what was fixed, and when.

Reads and writes: ``pipeline.lock.json``. Never: decides whether something is stale (see ``staleness``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specweave.files.store import load_record, save_record

KIND, SCHEMA = "pipeline-lock", 1


@dataclass
class TaskRecord:
    """How a task last went.

    Attributes
    ----------
    status : str
        ``done``, ``failed``, or ``running`` (also where a run was killed in the middle of it).
    inputs : dict
        Fingerprint of each input by name.
    outputs : dict
        SHA-256 of each file of evidence, by its path below the increment.
    seconds : float
    error : str
    """

    status: str
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""


@dataclass
class Lock:
    """The whole file; `fixed` holds criteria, split and holdout as of the first trained candidate."""

    path: Path
    tasks: dict[str, TaskRecord] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)

    def save(self) -> None:
        """Write the file."""
        tasks = {name: vars(record) for name, record in self.tasks.items()}
        save_record(self.path, KIND, SCHEMA, {"tasks": tasks, "fixed": self.fixed})


def load_lock(path: Path) -> Lock:
    """Read the lock; empty where nothing ran yet.

    Raises
    ------
    CorruptFileError
        If it cannot be read; deleting it makes every task run again.
    """
    if not path.exists():
        return Lock(path)
    body = load_record(path, KIND, SCHEMA)
    tasks = {name: TaskRecord(**record) for name, record in body.get("tasks", {}).items()}
    return Lock(path, tasks, dict(body.get("fixed", {})))
