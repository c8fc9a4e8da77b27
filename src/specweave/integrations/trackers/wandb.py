"""Weights & Biases: offline by default, under ``wandb/`` in the increment; ``wandb sync`` uploads it.

Reads: experiments' folders, ``WANDB_*``. Writes: W&B's run folders, and beside them what they hold. Never:
goes online unless it is told to.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from specweave.errors import SpecError
from specweave.experiments.record import ExperimentRecord
from specweave.files.atomic import storage_errors
from specweave.files.store import save_json
from specweave.integrations.trackers.base import (
    Sent,
    Tail,
    Value,
    check_installed,
    check_options,
    files_of,
    has_ended,
    load_receipt,
    short_key,
    state_of,
)
from specweave.integrations.tracking_settings import Settings

FOLDER, RECEIPTS = "wandb", "specweave"
STEP = "specweave/step"
MODES = ("offline", "online", "disabled", "shared")
_EXIT = {"completed": 0, "running": 0}


class WandbTracker:
    """Sends experiments to Weights & Biases.

    Parameters
    ----------
    settings : Settings
        Options: ``project``, ``entity``, ``mode`` (``offline``, ``online``), ``files`` (false leaves them
        out). ``WANDB_PROJECT``, ``WANDB_ENTITY``, ``WANDB_MODE`` and W&B's others count where these are
        not given.
    """

    name = "wandb"

    def __init__(self, settings: Settings) -> None:
        check_installed("wandb", "wandb")
        check_options(settings, ("project", "entity", "mode", "files"))
        self._settings = settings
        self._mode = str(settings.options.get("mode") or os.environ.get("WANDB_MODE") or "offline")
        if self._mode not in MODES:
            raise SpecError(f"W&B has no mode '{self._mode}'", where=settings.reason or "$WANDB_MODE",
                            hint=f"use {', '.join(MODES)}")  # fmt: skip
        # What is offline nobody looks at before it is whole.
        self.live = self._mode == "online"
        self._home = settings.increment / FOLDER
        self._open: dict[str, tuple[Any, Tail]] = {}

    def is_complete(self, record: ExperimentRecord) -> bool:
        """Return whether all of an ended run was written or sent."""
        return load_receipt(self._receipt(record)).get("state") == state_of(record)

    def send(self, record: ExperimentRecord, *, whole: bool) -> Sent:
        """Send what is new of a run; see `specweave.integrations.trackers.base.Tracker.send`."""
        key = short_key(record)
        if key not in self._open:
            if self.is_complete(record):
                return Sent(key)
            self._open[key] = self._start(record, key)
        run, tail = self._open[key]
        points = 0
        for values in tail.read():
            points += len(values)
            for step, part in _by_step(values).items():
                run.log({**part, STEP: step, "specweave/time": values[0].time})
        run.config.update(record.params, allow_val_change=True)
        files = 0
        if whole and self._settings.options.get("files", True):
            files = self._send_files(run, record)
        if has_ended(record):
            del self._open[key]
            run.finish(exit_code=_EXIT.get(record.status, 1))
            self._save_receipt(record, tail.position, state_of(record))
        return Sent(key, points, files)

    def close(self) -> None:
        """End what is still open; it goes on in the same run of W&B when there is more."""
        for run, _ in self._open.values():
            run.finish()
        self._open.clear()

    def _start(self, record: ExperimentRecord, key: str) -> tuple[Any, Tail]:
        import wandb

        position = self._prepare(record, key)
        options = self._settings.options
        project = options.get("project") or os.environ.get("WANDB_PROJECT") or self._settings.increment.name
        with storage_errors(self._home):
            self._home.mkdir(parents=True, exist_ok=True)
        run = wandb.init(
            id=key, name=record.id, project=project, entity=options.get("entity"), mode=self._mode,  # type: ignore[arg-type]
            dir=str(self._settings.increment), resume="allow", reinit="create_new", config=dict(record.params),
            group=record.increment, job_type=record.tags.get("role") or record.task, notes=record.load_notes() or None,
            tags=sorted({t[:64] for t in [record.status, *(record.tags)] if t}),
            settings=wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True),
        )  # fmt: skip
        # W&B's own step only goes forward; ours is the axis of every metric instead.
        run.define_metric(STEP, hidden=True)
        run.define_metric("*", step_metric=STEP)
        run.config.update({"specweave.id": record.id, "specweave.started": record.started})
        return run, Tail(record.folder, position)

    def _prepare(self, record: ExperimentRecord, key: str) -> int:
        """Return where to go on; a part that never left this machine is removed and written anew."""
        parts = sorted(self._home.glob(f"offline-run-*-{key}"))
        synced = any(True for part in parts for _ in part.glob("*.synced"))
        if self._mode == "online" or synced:
            return int(load_receipt(self._receipt(record)).get("position", 0))
        for part in parts:
            with storage_errors(part):
                shutil.rmtree(part)
        return 0

    def _send_files(self, run: Any, record: ExperimentRecord) -> int:
        files = files_of(record)
        target = Path(run.dir)
        for name, path in files:
            with storage_errors(target / name):
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target / name)
            run.save(str(target / name), base_path=str(target), policy="now")
        return len(files)

    def _receipt(self, record: ExperimentRecord) -> Path:
        return self._home / RECEIPTS / f"{record.id}.json"

    def _save_receipt(self, record: ExperimentRecord, position: int, state: str) -> None:
        save_json(
            self._receipt(record),
            {"id": record.id, "run_id": short_key(record), "position": position, "state": state},
        )


def _by_step(values: list[Value]) -> dict[int, dict[str, Any]]:
    """Group the values of one log call by step; calls without one count each metric by itself."""
    steps: dict[int, dict[str, Any]] = {}
    for value in values:
        steps.setdefault(value.step, {})[value.name] = value.value
    return steps
