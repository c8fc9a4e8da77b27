"""Copies of runs for a team's tracker: files first, copies when there is time, training never waits.

Reads: experiments' folders. Writes: through a tracker's own process. Never: stops or slows a training;
whatever goes wrong is one warning and can be sent later with ``sw exp mirror``.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import time
import warnings
from collections.abc import Sequence
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING

from specweave.errors import IntegrationError, SpecweaveError
from specweave.increments.project import FOLDER, Increment
from specweave.integrations.tracking_settings import Settings, find_settings

if TYPE_CHECKING:
    from specweave.experiments.run import Run
    from specweave.integrations.trackers.sender import Sender

_MOST_WAITING = 1000
_INTERVAL_S = 1.0
_ANSWER_S = 120.0
# After the script has ended it is kept for so long; what is left then goes on without it.
_GOODBYE_S = 4.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 15.0, 600.0


class Mirror:
    """Follows open runs into one tracker, from a thread of its own.

    The thread only watches files and gives orders to the tracker's process, so it costs a training loop
    nothing. It reads what runs have written; `log_metric` knows nothing of it.

    Parameters
    ----------
    settings : Settings
    interval_s : float
        How often open runs are looked at.
    goodbye_s : float
        How long the end of the process may be put off.
    """

    def __init__(
        self, settings: Settings, *, interval_s: float = _INTERVAL_S, goodbye_s: float = _GOODBYE_S
    ) -> None:
        self.settings = settings
        self._interval_s = interval_s
        self._goodbye_s = goodbye_s
        self._lock = threading.Lock()
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._queue: queue.Queue[_Event] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._warned = False

    # -- what runs call --------------------------------------------------------------------------

    def run_opened(self, run: Run) -> None:
        """Follow `run` from now on."""
        self._tell(_Event(run.folder))

    def run_closed(self, run: Run) -> None:
        """Send the rest of `run` soon."""
        self._tell(_Event(run.folder, closed=True))

    def get_run_id(self, run: Run, timeout_s: float = 60.0) -> str:
        """Send all that `run` has written, files and model included, and return its id in the tracker.

        Raises
        ------
        IntegrationError
            If the tracker cannot be reached in time.
        """
        event = _Event(run.folder, closed=run.closed, wanted=queue.SimpleQueue())
        assert event.wanted is not None
        self._tell(event)
        try:
            answer = event.wanted.get(timeout=timeout_s)
        except queue.Empty:
            raise IntegrationError(
                f"{self.settings.name} has no copy of {run.id} yet", hint="run: sw exp mirror"
            ) from None
        if isinstance(answer, SpecweaveError):
            raise answer
        _point_client_at(self.settings)
        return answer

    def finish(self) -> None:
        """Hand over what is left, at the end of the process; returns after a few seconds at most."""
        thread = self._thread
        if thread is None or self._pid != os.getpid():
            return
        try:
            self._queue.put(_Event(None), timeout=self._goodbye_s)
            thread.join(self._goodbye_s)
        except (queue.Full, KeyboardInterrupt):
            # The process is ending: what is left can be sent at any time.
            return

    def _tell(self, event: _Event) -> None:
        with self._lock:
            if self._pid != os.getpid():  # a fork has our memory, but not our thread
                self._reset()
            if self._thread is None:
                self._thread = threading.Thread(target=_Work(self).go, name="specweave-mirror", daemon=True)
                self._thread.start()
                _at_exit(self)
            try:
                self._queue.put_nowait(event)
            except queue.Full:
                self.warn("it is too slow for so many runs")

    def warn(self, reason: object) -> None:
        """Say once that copies are missing."""
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.settings.name} gets no copy for now: {reason}\n"
                "  nothing is lost: all is in the files; send it later with: sw exp mirror",
                RuntimeWarning,
                stacklevel=2,
            )

    def next_event(self, timeout_s: float) -> _Event | None:
        """Return the next event, or None after `timeout_s` seconds without one."""
        try:
            return self._queue.get(timeout=timeout_s)
        except queue.Empty:
            return None

    @property
    def interval_s(self) -> float:
        """How often open runs are looked at."""
        return self._interval_s


class _Event:
    """What runs tell the thread: `folder` has news; None means that the process ends."""

    def __init__(
        self,
        folder: Path | None,
        *,
        closed: bool = False,
        wanted: queue.SimpleQueue[str | SpecweaveError] | None = None,
    ) -> None:
        self.folder = folder
        self.closed = closed
        self.wanted = wanted


class _Work:
    """The thread's side: which runs are open, which wait, when to try again."""

    def __init__(self, mirror: Mirror) -> None:
        from specweave.integrations.trackers.sender import Sender

        self._mirror = mirror
        self._sender: Sender = Sender(mirror.settings)
        self._open: dict[Path, tuple[int, ...]] = {}
        self._closed: dict[Path, None] = {}
        self._pause_s = 0.0
        self._not_before = 0.0

    def go(self) -> None:
        """Follow runs until the process ends."""
        while True:
            event = self._mirror.next_event(self._mirror.interval_s if self._open or self._closed else 3600.0)
            if event is not None and event.folder is None:
                break
            if event is not None and event.folder is not None:
                self._note(event.folder, event.closed)
                if event.wanted is not None:
                    event.wanted.put(self._answer(event.folder))
                    continue
            if time.monotonic() >= self._not_before:
                self._send_some()
        if time.monotonic() >= self._not_before:
            self._sender.leave([*self._closed, *(f for f in self._open if self._changed(f))])
        else:
            self._sender.kill()

    def _note(self, folder: Path, closed: bool) -> None:
        if closed:
            self._open.pop(folder, None)
            self._closed[folder] = None
        else:
            self._open.setdefault(folder, ())

    def _send_some(self) -> None:
        """Send one ended run, else one open run that has grown; news is heard in between."""
        folder = next(iter(self._closed), None) or next((f for f in self._open if self._changed(f)), None)
        if folder is None:
            return
        try:
            self._send(folder)
        except (SpecweaveError, OSError) as error:
            self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2 or _FIRST_PAUSE_S)
            self._not_before = time.monotonic() + self._pause_s
            self._mirror.warn(error)

    def _send(self, folder: Path, **options: bool) -> str:
        state = _state(folder)
        reply = self._sender.send(folder, timeout_s=_ANSWER_S, **options)
        self._pause_s = 0.0
        self._closed.pop(folder, None)
        if folder in self._open:
            self._open.pop(folder)
            # Put last, so that every open run gets its turn.
            self._open[folder] = state
        return str(reply.get("run_id", ""))

    def _answer(self, folder: Path) -> str | SpecweaveError:
        try:
            return self._send(folder, force=True)
        except SpecweaveError as error:
            return error
        except OSError as error:
            return IntegrationError(str(error))

    def _changed(self, folder: Path) -> bool:
        return _state(folder) != self._open[folder]


def _state(folder: Path) -> tuple[int, ...]:
    found: list[int] = []
    for name in ("history.jsonl", "params.json"):
        try:
            stat = os.stat(folder / name)
        except OSError:
            found.append(0)
        else:
            found += (stat.st_size, stat.st_mtime_ns)
    return tuple(found)


def _at_exit(mirror: Mirror) -> None:
    if parent_process() is None:
        atexit.register(mirror.finish)
    else:
        # Workers of multiprocessing leave without running atexit.
        from multiprocessing.util import Finalize

        Finalize(None, mirror.finish, exitpriority=10)


_mirrors: dict[str, Mirror] = {}
_starting = threading.Lock()


def find_mirrors(folder: Path) -> Sequence[Mirror]:
    """Return the mirrors of the experiments in `folder`, the same ones for every run of a process.

    Raises
    ------
    SpecError, UnknownNameError
        If the project's ``tracking`` setting cannot be read.
    """
    increment = _increment_of(folder)
    if increment is None:
        return []
    found = []
    for settings in find_settings(increment):
        key = repr((settings.name, str(settings.increment), sorted(settings.options.items())))
        with _starting:
            if key not in _mirrors:
                _mirrors[key] = Mirror(settings)
            found.append(_mirrors[key])
    return found


def _increment_of(folder: Path) -> Increment | None:
    parent = folder.absolute().parent
    inside = parent.parent.name == "increments" and parent.parent.parent.name == FOLDER
    return Increment(parent) if inside else None


def _point_client_at(settings: Settings) -> None:
    """Let a tracker's own calls in this process (``mlflow.register_model``) find the copies."""
    from specweave import registry

    point = getattr(registry.get("trackers", settings.name), "point_client", None)
    if point is not None:
        point(settings)
