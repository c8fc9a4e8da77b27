"""The near end of a process that sends copies: orders go in, replies come out, a hung one is killed.

Reads: replies. Writes: orders; the tracker's chatter to ``.specweave/cache/mirrors/``. Never: waits longer
than it was told to.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from specweave.errors import (
    CorruptFileError,
    IntegrationError,
    MissingExtraError,
    SpecError,
    SpecweaveError,
    StorageError,
)
from specweave.increments.project import Increment
from specweave.integrations.tracking_settings import Settings

_KINDS = {
    kind.code: kind
    for kind in (IntegrationError, MissingExtraError, SpecError, StorageError, CorruptFileError)
}


class Sender:
    """Sends runs to one tracker through a process of its own, started on the first order.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._replies: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def send(self, folder: Path, *, timeout_s: float, **options: bool) -> dict[str, Any]:
        """Send what is new of one run and return the reply.

        Parameters
        ----------
        folder : Path
            The experiment's folder.
        timeout_s : float
            After so many seconds without a reply the process is killed.
        options
            ``force`` (also what has not ended, to a tracker that prefers to wait), ``missing_only`` (ask
            the tracker first whether it has everything).

        Raises
        ------
        SpecweaveError
            What went wrong over there; IntegrationError if there was no answer.
        """
        if self._process is None:
            self._start()
        self._order(folder, options)
        try:
            reply = self._replies.get(timeout=timeout_s)
        except queue.Empty:
            self.kill()
            raise IntegrationError(
                f"{self.settings.name} did not answer within {timeout_s:g} s", where=folder.name
            ) from None
        if reply is None:
            self.kill()
            raise IntegrationError(
                f"the process that sends to {self.settings.name} died",
                where=folder.name,
                hint=f"see {_log_path(self.settings.increment)}",
            )
        if "error" in reply:
            raise _error(reply["error"])
        return reply

    def leave(self, folders: Iterable[Path]) -> None:
        """Order the last runs, close the way in and wait until all is sent."""
        folders = list(folders)
        if self._process is None and not folders:
            return
        if self._process is None:
            self._start()
        process = self._process
        assert process is not None and process.stdin is not None
        for folder in folders:
            self._order(folder, {})
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait()
        self._process = None

    def kill(self) -> None:
        """End the process at once; the next order starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _order(self, folder: Path, options: dict[str, bool]) -> None:
        assert self._process is not None and self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"folder": str(folder.absolute()), **options}) + "\n")
            self._process.stdin.flush()

    def _start(self) -> None:
        log_path = _log_path(self.settings.increment)
        with contextlib.suppress(OSError):
            log_path.parent.mkdir(parents=True, exist_ok=True)
        with _open_log(log_path) as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "specweave.integrations.trackers.process"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8",
                # Ctrl-C is for the training; what it leaves is still to be sent.
                start_new_session=True,
            )  # fmt: skip
        self._replies = queue.SimpleQueue()
        threading.Thread(target=_listen, args=(self._process, self._replies), daemon=True).start()
        first = {
            "name": self.settings.name,
            "increment": str(self.settings.increment.absolute()),
            "options": self.settings.options,
            "reason": self.settings.reason,
            # Models are made of classes that may live in the user's own folders.
            "path": [p or os.getcwd() for p in sys.path],
        }
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(first) + "\n")


def _listen(process: subprocess.Popen[str], replies: queue.SimpleQueue[dict[str, Any] | None]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        with contextlib.suppress(json.JSONDecodeError):
            replies.put(json.loads(line))
    replies.put(None)


def _log_path(increment: Path) -> Path:
    return Increment(increment).project.cache / "mirrors" / f"{increment.name}.log"


def _open_log(path: Path) -> TextIO:
    try:
        return path.open("a", encoding="utf-8")
    except OSError:
        return open(os.devnull, "w", encoding="utf-8")


def _error(record: dict[str, Any]) -> SpecweaveError:
    kind = _KINDS.get(record.get("code", ""), IntegrationError)
    return kind(record["message"], where=record.get("where"), hint=record.get("fix"))
