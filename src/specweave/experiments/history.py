"""The history of an experiment: one JSON line per log call, appended whole.

Reads and writes: history.jsonl. Never: loses a line that was handed to the kernel, trips over half a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from specweave.experiments.values import Number
from specweave.files.atomic import storage_errors
from specweave.files.store import number

HISTORY = "history.jsonl"


class HistoryLine(msgspec.Struct, frozen=True):
    """One log call: `step` is None where none was given, `time` is seconds since 1970 (UTC)."""

    step: int | None
    time: float
    values: dict[str, Number]


class _RawLine(msgspec.Struct):
    time: float
    values: dict[str, int | float | str]
    step: int | None = None


class Point(msgspec.Struct, frozen=True):
    """One value of one metric; `step` counts from 0 by occurrence where the call gave none."""

    step: int
    time: float
    value: Number


class MetricSummary(msgspec.Struct, frozen=True):
    """One metric over a run: last, smallest, largest, and where they were."""

    last: Number
    low: Number
    high: Number
    low_step: int
    high_step: int
    count: int


_decoder = msgspec.json.Decoder(_RawLine)


class LineFile:
    """A file that is only ever appended to, one whole line per write to the kernel.

    Opening sets half a line that a killed writer left aside, in `damaged`.
    """

    def __init__(self, path: Path, damaged: Path) -> None:
        self.path = path
        with storage_errors(path):
            if path.exists():
                _set_aside_half_line(path, damaged)
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._broken = False

    def append(self, line: bytes) -> None:
        """Hand one line, newline included, to the kernel before returning.

        Raises
        ------
        StorageError
            If the disk is full or has gone away.
        """
        # A short write left half a line behind: close it, so that it spoils no other.
        data = b"\n" + line if self._broken else line
        try:
            written = os.write(self._fd, data)
            while written < len(data):
                self._broken = True
                data = data[written:]
                written = os.write(self._fd, data)
        except OSError:
            self._broken = True
            with storage_errors(self.path):
                raise
        self._broken = False

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _set_aside_half_line(path: Path, damaged: Path) -> None:
    data = path.read_bytes()
    if not data or data.endswith(b"\n"):
        return
    whole = data.rfind(b"\n") + 1
    damaged.parent.mkdir(parents=True, exist_ok=True)
    with damaged.open("ab") as stream:
        stream.write(data[whole:] + b"\n")
    os.truncate(path, whole)


def parse_history(data: bytes) -> tuple[list[HistoryLine], int]:
    """Return the lines of a history and how many could not be read.

    Half a line at the end (a killed writer) and lines that are not log calls are set aside, not fatal.
    """
    lines: list[HistoryLine] = []
    damaged = 0
    for raw in data.split(b"\n"):
        if not raw:
            continue
        try:
            line = _decoder.decode(raw)
            values: dict[str, Number] = {
                k: _special(v) if isinstance(v, str) else v for k, v in line.values.items()
            }
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError):
            damaged += 1
            continue
        lines.append(HistoryLine(line.step, line.time, values))
    return lines, damaged


def _special(text: str | int | float) -> float:
    value = number(text)
    if isinstance(value, float):
        return value
    raise ValueError(f"not a metric value: {text!r}")


def load_history(folder: Path) -> tuple[list[HistoryLine], int]:
    """Read the history of one experiment; a missing file is an empty history."""
    try:
        return parse_history((folder / HISTORY).read_bytes())
    except FileNotFoundError:
        return [], 0


def last_values(lines: Iterable[HistoryLine]) -> dict[str, Number]:
    """Return the last logged value of every metric, in call order."""
    last: dict[str, Number] = {}
    for line in lines:
        last.update(line.values)
    return last


def points_by_metric(lines: Iterable[HistoryLine]) -> dict[str, list[Point]]:
    """Return every metric's values in call order."""
    points: dict[str, list[Point]] = {}
    for line in lines:
        for name, value in line.values.items():
            series = points.setdefault(name, [])
            series.append(Point(len(series) if line.step is None else line.step, line.time, value))
    return points


def summarise(lines: Iterable[HistoryLine]) -> dict[str, MetricSummary]:
    """Return last, smallest and largest of every metric; NaN counts only where nothing else was logged."""
    found: dict[str, MetricSummary] = {}
    for name, points in points_by_metric(lines).items():
        real = [p for p in points if p.value == p.value] or points
        low, high = min(real, key=lambda p: p.value), max(real, key=lambda p: p.value)
        found[name] = MetricSummary(points[-1].value, low.value, high.value, low.step, high.step, len(points))
    return found


def last_steps(lines: Iterable[HistoryLine]) -> dict[str, int]:
    """Return the last step of every metric that was logged with one."""
    steps: dict[str, int] = {}
    for line in lines:
        if line.step is not None:
            steps.update(dict.fromkeys(line.values, line.step))
    return steps
