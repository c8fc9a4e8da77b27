"""The child process of a run: started with its orders, told to go on, ended, and its death put into words.

Reads: the worker's log. Writes: the orders to its standard input. Never: outlives the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from specweave.increments.project import Increment
from specweave.increments.tasks import TaskLine


def start_child(
    increment: Increment,
    tasks: Sequence[TaskLine],
    switches: Mapping[str, object],
    write_fd: int,
    log: IO[str],
    *,
    python: str | None = None,
) -> subprocess.Popen[str]:
    """Start the worker with the tasks to run; `switches` reach its scripts as ``SPECWEAVE_NAME``.

    `python` is the interpreter, this one where not given.
    """
    environment = {
        **os.environ,
        "SPECWEAVE_INCREMENT": increment.id,
        "SPECWEAVE_PROJECT": str(increment.project.root.resolve()),
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "Agg",
        # Threads that wait for work must not spin: on a busy machine that costs more than the work.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    environment |= {f"SPECWEAVE_{name}": str(value) for name, value in switches.items() if value is not None}
    child = subprocess.Popen(
        [python or sys.executable, "-m", "specweave.pipeline.worker"],
        stdin=subprocess.PIPE, stdout=log, stderr=log, pass_fds=(write_fd,), env=environment, text=True,
        cwd=increment.project.root,
    )  # fmt: skip
    os.close(write_fd)
    orders = {
        "events_fd": write_fd, "parent": os.getpid(), "folder": str(increment.folder.resolve()),
        "root": str(increment.project.root.resolve()), "tasks": [{"id": t.id, "script": t.script} for t in tasks],
    }  # fmt: skip
    assert child.stdin is not None
    # One that could not even start is told of by its end, not here.
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write(json.dumps(orders) + "\n")
        child.stdin.flush()
    return child


def go_on(child: subprocess.Popen[str]) -> None:
    """Let the worker begin its next task."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.write("\n")
        child.stdin.flush()


def end_child(child: subprocess.Popen[str]) -> None:
    """Let the child end by itself, then ask it to, then end it."""
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()
    for wait in (5, 5):
        try:
            child.wait(wait)
            return
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGINT)
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
    child.kill()
    child.wait()


def describe_death(returncode: int | None, task: TaskLine, log: Path) -> dict[str, Any]:
    """Return the error record of a worker that ended without a word."""
    how = (
        f"ended by signal {signal.Signals(-returncode).name}"
        if returncode and returncode < 0
        else f"ended with {returncode}"
    )
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
    return {
        "severity": "error", "code": "stage", "where": task.id,
        "message": f"the worker process {how} during {task.id}" + (f": {' / '.join(tail)}" if tail else ""),
        "fix": "run: sw do (it goes on where it was); with --jobs 1 it needs less memory",
    }  # fmt: skip
