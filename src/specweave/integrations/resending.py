"""Send what a tracker is missing: after a server was down, for runs that were killed, or for old ones.

Reads: experiments' folders. Writes: through a tracker's own process. Never: sends a run twice, touches one
that its own process still writes.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from specweave.errors import MissingExtraError, SpecError, SpecweaveError, StateError
from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment
from specweave.integrations.trackers.base import has_ended
from specweave.integrations.trackers.sender import Sender
from specweave.integrations.tracking_settings import Settings, find_settings, make_settings

ANSWER_S = 600.0


class MirrorReport(msgspec.Struct, frozen=True):
    """What one tracker got, and what it has not.

    Attributes
    ----------
    tracker : str
    sent : dict
        Experiment -> its id in the tracker, of those that something was missing of.
    complete : list of str
        Experiments that were there already.
    running : list of str
        Experiments that their own process still writes.
    failed : dict
        Experiment -> why it could not be sent.
    points, files : int
        Metric values and files sent.
    notes : list of str
        What could not be sent as it is.
    """

    tracker: str
    sent: dict[str, str] = {}
    complete: list[str] = []
    running: list[str] = []
    failed: dict[str, str] = {}
    points: int = 0
    files: int = 0
    notes: list[str] = []


def mirror_increment(
    increment: Increment,
    tracker: str | None = None,
    *,
    on_experiment: Callable[[str, str], None] | None = None,
) -> list[MirrorReport]:
    """Send to each tracker what it is missing of an increment's experiments.

    Parameters
    ----------
    increment : Increment
    tracker : str, optional
        ``mlflow``, ``wandb`` or ``tensorboard``; all that the project is set up for where not given.
    on_experiment : callable, optional
        Told each experiment's id and how it went.

    Returns
    -------
    list of MirrorReport
        One per tracker.

    Raises
    ------
    StateError
        If the project is set up for none.
    MissingExtraError
        If a tracker's library is not installed.
    IntegrationError
        If a tracker cannot be reached at all.
    """
    chosen = [make_settings(tracker, increment)] if tracker else find_settings(increment)
    if not chosen:
        raise StateError(
            "no tracker is set up to mirror to",
            where=increment.id,
            hint="add 'tracking: mlflow' to .specweave/config.yaml, or run: sw exp mirror --tracker mlflow",
        )
    return [_mirror(increment, settings, on_experiment or (lambda *_: None)) for settings in chosen]


def _mirror(increment: Increment, settings: Settings, tell: Callable[[str, str], None]) -> MirrorReport:
    sender = Sender(settings)
    report = MirrorReport(settings.name)
    points = files = 0
    records, unreadable = ExperimentStore(increment.experiments, watchers=()).readable()
    report.failed.update({name: error.what for name, error in unreadable.items()})
    try:
        for record in records:
            if not has_ended(record):
                report.running.append(record.id)
                tell(record.id, "still running, left to its own process")
                continue
            try:
                reply = sender.send(record.folder, timeout_s=ANSWER_S, missing_only=True)
            except (MissingExtraError, SpecError):
                raise
            except SpecweaveError as error:
                if not report.sent and not report.complete and not report.failed:
                    raise
                report.failed[record.id] = str(error)
                tell(record.id, f"failed: {error.what}")
                continue
            if reply.get("complete"):
                report.complete.append(record.id)
                continue
            report.sent[record.id] = str(reply["run_id"])
            report.notes.extend(reply["notes"])
            points += int(reply["points"])
            files += int(reply["files"])
            tell(record.id, f"sent as {reply['run_id']}")
        sender.leave([])
    finally:
        sender.kill()
    return msgspec.structs.replace(report, points=points, files=files)
