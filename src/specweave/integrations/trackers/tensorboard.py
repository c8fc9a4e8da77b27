"""TensorBoard: one folder of event files per experiment, under ``tensorboard/`` in the increment.

Reads: experiments' folders. Writes: event files, and beside them what they hold. Never: mixes two writings
of one run: a folder that is not known to be whole is written anew.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from specweave.experiments.record import ExperimentRecord
from specweave.files.atomic import storage_errors
from specweave.files.store import save_json
from specweave.integrations.trackers.base import (
    Sent,
    Tail,
    check_installed,
    check_options,
    has_ended,
    load_receipt,
    short_key,
    state_of,
)
from specweave.integrations.tracking_settings import Settings

FOLDER = "tensorboard"
RECEIPT = "specweave.json"


class TensorboardTracker:
    """Writes experiments as TensorBoard event files (numbers are 32 bits wide there).

    Parameters
    ----------
    settings : Settings
        Option: ``folder``, from the increment.
    """

    name = "tensorboard"
    live = True

    def __init__(self, settings: Settings) -> None:
        check_installed("tensorboardX", "tensorboard")
        check_options(settings, ("folder",))
        self._folder = settings.increment / str(settings.options.get("folder", FOLDER))
        self._open: dict[str, tuple[Any, Tail]] = {}

    def is_complete(self, record: ExperimentRecord) -> bool:
        """Return whether the event files hold all of an ended run."""
        return load_receipt(self._folder / record.id / RECEIPT).get("state") == state_of(record)

    def send(self, record: ExperimentRecord, *, whole: bool) -> Sent:
        """Write what is new of a run; see `specweave.integrations.trackers.base.Tracker.send`."""
        folder = self._folder / record.id
        key = short_key(record)
        if key not in self._open:
            if self.is_complete(record):
                return Sent(key)
            self._open[key] = (self._make_writer(folder), Tail(record.folder))
        writer, tail = self._open[key]
        points = 0
        for values in tail.read():
            for value in values:
                writer.add_scalar(value.name, value.value, value.step, walltime=value.time)
                points += 1
        writer.flush()
        if has_ended(record):
            del self._open[key]
            self._finish(writer, folder, record)
        return Sent(key, points, 1)

    def close(self) -> None:
        """Close the files of runs that have not ended; they are written anew when they have."""
        for writer, _ in self._open.values():
            writer.close()
        self._open.clear()

    def _make_writer(self, folder: Path) -> Any:
        from tensorboardX import SummaryWriter

        if folder.exists():
            with storage_errors(folder):
                shutil.rmtree(folder)
        return SummaryWriter(logdir=str(folder), write_to_disk=True)

    def _finish(self, writer: Any, folder: Path, record: ExperimentRecord) -> None:
        if record.params:
            rows = [f"| {_cell(n)} | {_cell(v)} |" for n, v in sorted(record.params.items())]
            writer.add_text("params", "\n".join(["| param | value |", "|---|---|", *rows]))
        if notes := record.load_notes():
            writer.add_text("notes", notes)
        settings = {
            n: v if isinstance(v, bool | int | float | str) else str(v) for n, v in record.params.items()
        }
        if settings and record.metrics:
            writer.add_hparams(settings, {n: float(v) for n, v in record.metrics.items()}, name="hparams")
        writer.close()
        save_json(folder / RECEIPT, {"id": record.id, "state": state_of(record)})


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
