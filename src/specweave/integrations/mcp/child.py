"""One call of ``sw --json`` as a process of its own: its document, its events, its end.

Reads: the child's output. Writes: nothing. Never: lets a child write to the protocol's stream, or leaves one behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import ByteReceiveStream, Process

from specweave.errors import SpecError

Event = dict[str, Any]
OnEvent = Callable[[Event], Awaitable[None]]

# How long a child that was asked to stop may take before it is ended.
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Answer:
    """What a call gave.

    Attributes
    ----------
    document : dict
        The one document of ``--json``.
    code : int
        The exit code.
    """

    document: dict[str, Any]
    code: int


async def run_sw(root: Path, arguments: Sequence[str], on_event: OnEvent | None = None) -> Answer:
    """Run ``sw`` in the folder `root` and return its document.

    Where the call is cancelled, the child is asked to stop (what it finished is kept), then ended.

    Parameters
    ----------
    root : Path
    arguments : sequence of str
        ``--json`` is among them.
    on_event : callable, optional
        Told each JSON line that the child writes to standard error.

    Raises
    ------
    SpecError
        If an argument cannot be handed to a process.
    """
    for argument in arguments:
        if "\0" in argument or any("\ud800" <= c <= "\udfff" for c in argument):
            raise SpecError("an argument holds a character that no text may hold", hint="leave it out")
    environment = {
        k: v for k, v in os.environ.items() if k not in ("SPECWEAVE_INCREMENT", "SPECWEAVE_PROJECT")
    }
    environment |= {"NO_COLOR": "1", "PYTHONUTF8": "1"}
    # -P: a file of the project that is called json.py must not stand in for Python's.
    process = await anyio.open_process(
        [sys.executable, "-P", "-m", "specweave", *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=root, env=environment, start_new_session=True,
    )  # fmt: skip
    output: list[bytes] = []
    prose: list[str] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_collect, process.stdout, output)
            group.start_soon(_follow, process.stderr, prose, on_event)
            await process.wait()
    finally:
        if process.returncode is None:
            with anyio.CancelScope(shield=True):
                await _stop(process)
    code = process.returncode or 0
    return Answer(_document(b"".join(output), code, prose), code)


async def _collect(stream: ByteReceiveStream | None, into: list[bytes]) -> None:
    assert stream is not None
    async for chunk in stream:
        into.append(chunk)


async def _follow(stream: ByteReceiveStream | None, prose: list[str], on_event: OnEvent | None) -> None:
    assert stream is not None
    async for line in _lines(stream):
        event = _event(line)
        if event is None:
            prose.append(line)
            del prose[:-20]
        elif on_event is not None:
            await on_event(event)


async def _lines(stream: ByteReceiveStream) -> AsyncIterator[str]:
    rest = b""
    async for chunk in stream:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace")
    if rest:
        yield rest.decode("utf-8", "replace")


def _event(line: str) -> Event | None:
    if not line.startswith("{"):
        return None
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) and "event" in value else None


async def _stop(process: Process) -> None:
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        try:
            process.send_signal(sent)
        except ProcessLookupError:
            return
        with anyio.move_on_after(_PATIENCE_S):
            # Nobody reads any more: a full pipe must not keep the child from ending.
            async with anyio.create_task_group() as group:
                group.start_soon(_drain, process.stdout)
                group.start_soon(_drain, process.stderr)
                await process.wait()
            return


async def _drain(stream: ByteReceiveStream | None) -> None:
    if stream is not None:
        async for _ in stream:
            pass


def _document(output: bytes, code: int, prose: Sequence[str]) -> dict[str, Any]:
    try:
        value = json.loads(output)
    except ValueError:
        value = None
    if isinstance(value, dict):
        return value
    how = f"was ended by signal {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    said = " / ".join(line.strip() for line in prose[-3:] if line.strip())
    return make_error(
        "child", f"the command {how} and gave no answer" + (f": {said}" if said else ""), fix="run it again"
    )


def make_error(
    code: str, message: str, *, where: str | None = None, fix: str | None = None
) -> dict[str, Any]:
    """Return the document that ``--json`` gives for an error."""
    record = {"severity": "error", "code": code, "message": message, "where": where, "fix": fix}
    return {"kind": "error", "schema": 1, "errors": [record]}
