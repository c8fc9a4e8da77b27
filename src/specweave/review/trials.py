"""The trials of a tuning, from the journal that the search wrote.

Reads: ``optuna-journal.log`` of one experiment. Writes: nothing. Never: starts or changes a study.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specweave.errors import CorruptFileError

JOURNAL = "optuna-journal.log"


@dataclass(frozen=True)
class Space:
    """One numeric range that was searched."""

    low: float
    high: float
    log: bool
    whole: bool


@dataclass(frozen=True)
class Trial:
    """One trial: `value` is None where it was pruned, failed or never ended."""

    number: int
    state: str
    value: float | None
    params: dict[str, Any] = field(default_factory=dict)
    spaces: dict[str, Space] = field(default_factory=dict)


def load_trials(folder: Path) -> list[Trial]:
    """Return the trials of the study in an experiment's folder, in order; empty where there is none.

    Raises
    ------
    CorruptFileError
        If the journal cannot be read.
    """
    path = folder / JOURNAL
    if not path.exists() or not path.stat().st_size:
        return []
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        studies = storage.get_all_studies()
        found = storage.get_all_trials(studies[0]._study_id) if studies else []
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, AssertionError) as error:
        raise CorruptFileError(
            f"not a journal of trials: {error}", where=path,
            hint="restore the file from git, or delete its folder and run: sw do --task T-005",
        ) from error  # fmt: skip
    return [_trial(t) for t in found]


def _trial(trial: Any) -> Trial:
    value = float(trial.values[0]) if trial.values else math.nan
    complete = trial.state.name == "COMPLETE" and math.isfinite(value)
    spaces = {
        name: Space(float(d.low), float(d.high), bool(d.log), isinstance(d.low, int))
        for name, d in trial.distributions.items()
        if hasattr(d, "low")
    }
    return Trial(trial.number, trial.state.name, value if complete else None, dict(trial.params), spaces)
