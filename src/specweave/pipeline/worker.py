"""The child process that runs task scripts: imports are paid once, a crash costs one task.

Reads: its orders from standard input. Writes: events as JSON lines to a pipe; the scripts write their own
files. Never: outlives its parent.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import IO, Any

from specweave.errors import SpecweaveError


class _Lines(io.TextIOBase):
    """Standard output of a script, told line by line."""

    def __init__(self, pipe: _Pipe, task: str) -> None:
        self._pipe, self._task, self._rest = pipe, task, ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._pipe.send({"event": "output", "task": self._task, "message": line})
        return len(text)

    def flush(self) -> None:
        return

    def finish(self) -> None:
        """Tell what was printed without a line end."""
        if self._rest:
            self.write("\n")


class _Pipe:
    """The way back to the parent; whole lines, also from several threads."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def send(self, record: dict[str, Any]) -> None:
        line = (json.dumps(record, default=str) + "\n").encode()
        with self._lock, contextlib.suppress(BrokenPipeError):
            while line:
                line = line[os.write(self._fd, line) :]


def main() -> None:
    """Run the ordered scripts one after the other; stop at the first that fails."""
    parent = _take_standard_input()
    orders = json.loads(parent.readline())
    # A process that a script starts must not hold the pipe open after this one is gone.
    os.set_inheritable(int(orders["events_fd"]), False)
    pipe = _Pipe(int(orders["events_fd"]))
    _end_with_parent(int(orders["parent"]))
    from specweave.stages.progress import listen

    current = {"task": ""}
    listen(lambda record: pipe.send({**record, "task": current["task"]}))
    sys.path[:0] = [orders["root"], str(Path(orders["folder"]) / "pipeline")]
    for task in orders["tasks"]:
        current["task"] = task["id"]
        os.environ["SPECWEAVE_TASK"] = task["id"]
        if not run_task(pipe, task["id"], Path(orders["folder"]) / task["script"]):
            break
        # The parent records the task before the next begins, so that a kill between them loses nothing.
        if not parent.readline():
            break


def _take_standard_input() -> IO[str]:
    """Keep the parent's orders for ourselves: a script that asks for input gets end of file, not them."""
    parent = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return parent


def run_task(pipe: _Pipe, task_id: str, script: Path) -> bool:
    """Run one script; tell its start, its output and its end. Return whether it ended well."""
    pipe.send({"event": "task-started", "task": task_id})
    began = time.monotonic()
    end: dict[str, Any] = {"event": "task-done", "task": task_id}
    lines = _Lines(pipe, task_id)
    try:
        with contextlib.redirect_stdout(lines):
            runpy.run_path(str(script), run_name="__main__")
    except KeyboardInterrupt:
        end = {"event": "task-interrupted", "task": task_id}
    except SystemExit as stop:
        if stop.code not in (None, 0):
            end = _failure(task_id, script, stop, f"the script ended with {stop.code}")
    except SpecweaveError as error:
        end = {
            "event": "task-failed",
            "task": task_id,
            "error": error.to_record(),
            "trace": traceback.format_exc(),
        }
    except BaseException as error:  # whatever a user's script raises is the task's result, not ours
        end = _failure(task_id, script, error)
    lines.finish()
    end["seconds"] = time.monotonic() - began
    pipe.send(end)
    return bool(end["event"] == "task-done")


def _failure(task_id: str, script: Path, error: BaseException, message: str = "") -> dict[str, Any]:
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == str(script) else None
    line = line or next(
        (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(script)),
        None,
    )
    where = f"{script.parent.name}/{script.name}" + (f":{line}" if line else "")
    record = {
        "severity": "error", "code": "stage", "message": message or f"{type(error).__name__}: {error}", "where": where,
        "fix": "mend the script, then run: sw do",
    }  # fmt: skip
    return {"event": "task-failed", "task": task_id, "error": record, "trace": traceback.format_exc()}


def _end_with_parent(parent: int) -> None:
    """End this process when the one that started it is gone (also by ``kill -9``)."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    main()
