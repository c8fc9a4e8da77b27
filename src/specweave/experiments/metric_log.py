"""The metrics of an open run: lines for the history, last values, last steps.

Reads: the history of an earlier attempt. Writes: history.jsonl. Never: keeps a line in memory that the
kernel does not have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from specweave.errors import DataError
from specweave.experiments.history import HISTORY, LineFile, last_steps, last_values, load_history
from specweave.experiments.values import Number, legal_text, metric_value, step_number

# Names made in a loop (loss_epoch_0, loss_epoch_1, ...) must not grow the table of keys for ever.
_MOST_KEYS = 10_000


class MetricLog:
    """Appends log calls to the history; its owner holds the lock.

    Parameters
    ----------
    folder : Path
    clock : callable
        Seconds since 1970.
    note : callable
        Called with a sentence that the reader of the run should know.
    resumed : bool
        Go on from what the history holds.
    """

    def __init__(
        self, folder: Path, clock: Callable[[], float], note: Callable[[str], None], *, resumed: bool
    ) -> None:
        self._file = LineFile(folder / HISTORY, folder / "logs" / "history-damaged.jsonl")
        self._clock = clock
        self._note = note
        self._keys: dict[str, str] = {}
        self._went_back: set[str] = set()
        lines = load_history(folder)[0] if resumed else []
        self.last: dict[str, Number] = last_values(lines)
        self._steps: dict[str, int] = last_steps(lines)

    def log(self, name: str, value: Any, step: Any) -> None:
        """Append one value; the path that training loops take, so it does nothing twice."""
        if type(value) is not float:
            value = metric_value(name, value)
        key = self._keys.get(name) or self._key(name)
        text = repr(value) if isfinite(value) else _special_text(value)
        if step is None:
            line = f'{{"step":null,"time":{self._clock():.6f},"values":{{{key}:{text}}}}}\n'
        else:
            if type(step) is not int:
                step = step_number(step)
            line = f'{{"step":{step},"time":{self._clock():.6f},"values":{{{key}:{text}}}}}\n'
            if step < self._steps.get(name, step):
                self._step_back(name, step)
            self._steps[name] = step
        self._file.append(line.encode())
        self.last[name] = value

    def log_several(self, metrics: Mapping[str, Any], step: Any) -> None:
        """Append several values of one moment as one line; all of them or none."""
        step = None if step is None else step_number(step)
        values = {str(name): metric_value(str(name), value) for name, value in metrics.items()}
        body = ",".join(
            f"{self._keys.get(name) or self._key(name)}:{repr(v) if isfinite(v) else _special_text(v)}"
            for name, v in values.items()
        )
        shown = "null" if step is None else step
        for name in values if step is not None else ():
            if step < self._steps.get(name, step):
                self._step_back(name, step)
            self._steps[name] = step
        self._file.append(f'{{"step":{shown},"time":{self._clock():.6f},"values":{{{body}}}}}\n'.encode())
        self.last.update(values)

    def close(self) -> None:
        """Close the history; a second call does nothing."""
        self._file.close()

    def _key(self, name: str) -> str:
        if not isinstance(name, str) or not name.strip():
            raise DataError(f"a metric needs a name, not {name!r}", hint='for example "accuracy"')
        if legal_text(name) != name:
            raise DataError(f"the metric name {name!r} is no Unicode text", hint="use ordinary letters")
        key = json.dumps(name, ensure_ascii=True)
        if len(self._keys) < _MOST_KEYS:
            self._keys[name] = key
        return key

    def _step_back(self, name: str, step: int) -> None:
        if name in self._went_back:
            return
        self._went_back.add(name)
        self._note(
            f"the step of '{name}' went back from {self._steps[name]} to {step}; "
            "the history keeps both, the last value is the later call's"
        )


def _special_text(value: Number) -> str:
    if value != value:
        return '"NaN"'
    return '"Infinity"' if value > 0 else '"-Infinity"'
