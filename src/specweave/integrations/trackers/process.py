"""The process that sends copies: a tracker's library is loaded, waited for and killed here, not in training.

Reads: orders from standard input, experiments' folders. Writes: replies to standard output. Never: outlives
its parent by more than a minute.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from specweave import registry
from specweave.errors import IntegrationError, SpecweaveError
from specweave.experiments.record import load_record
from specweave.files.locks import exclusive
from specweave.integrations.trackers.base import Tracker, has_ended
from specweave.integrations.tracking_settings import Settings

LONGEST_GOODBYE_S = 60.0


def main() -> None:
    """Take orders, one JSON line each, until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    # Libraries print as they like; standard output is for replies only.
    os.dup2(2, 1)
    _set_defaults()
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    first = json.loads(sys.stdin.readline())
    sys.path[:] = [*first["path"], *(p for p in sys.path if p not in first["path"])]
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    tracker: Tracker | None = None
    settings = Settings(first["name"], Path(first["increment"]), first["options"], first["reason"])
    while line := orders.get():
        order = json.loads(line)
        try:
            tracker = tracker or registry.get("trackers", settings.name)(settings)
            reply = _carry_out(tracker, order)
        except Exception as error:  # a tracker is foreign code and a network: anything may happen
            reply = {"error": _as_record(error)}
            # Whoever gave the order may be gone; the log is where the whole of it can be read.
            traceback.print_exc(file=sys.stderr)
        print(json.dumps({"folder": order["folder"], **reply}), file=replies, flush=True)
    if tracker is not None:
        tracker.close()


def _read(orders: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    orders.put("")
    # Whoever gave the orders is gone: a tracker that hangs must not keep us.
    timer = threading.Timer(LONGEST_GOODBYE_S, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _set_defaults() -> None:
    """Keep trackers quick to give up and silent about themselves; people's own settings win."""
    for name, value in {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_CONSOLE": "off",
        "WANDB_ERROR_REPORTING": "false",
        "GIT_PYTHON_REFRESH": "quiet",
    }.items():
        os.environ.setdefault(name, value)


def _carry_out(tracker: Tracker, order: dict[str, Any]) -> dict[str, Any]:
    folder = Path(order["folder"])
    record = load_record(folder)
    whole = has_ended(record) or bool(order.get("force"))
    if not whole and not tracker.live:
        return {"skipped": True}
    # Another process may be sending the same run: a live mirror and `sw exp mirror` at once.
    with exclusive(folder.parent / ".claims" / f"{folder.name}.{tracker.name}.lock"):
        if order.get("missing_only") and tracker.is_complete(record):
            return {"complete": True}
        sent = tracker.send(record, whole=whole)
    return {"run_id": sent.run_id, "points": sent.points, "files": sent.files, "notes": sent.notes}


def _as_record(error: Exception) -> dict[str, Any]:
    if isinstance(error, SpecweaveError):
        return error.to_record()
    first = str(error).strip().splitlines()[:1]
    text = f"{type(error).__name__}: {first[0][:300]}" if first else type(error).__name__
    return IntegrationError(text).to_record()


if __name__ == "__main__":
    main()
