"""The rows that nothing was fitted or chosen on: read once per experiment, every reading noted.

Reads: trained models, the holdout. Writes: holdout predictions, ``holdout-ledger.jsonl``. Never: reads
the holdout twice for the same experiment, or without a line in the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from specweave.errors import CorruptFileError, StageError
from specweave.experiments.provenance import git_state
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.versions import load_model
from specweave.files.atomic import storage_errors
from specweave.files.store import plain
from specweave.stages.progress import tell
from specweave.stages.training import load_predictions, save_predictions
from specweave.stages.workspace import Workspace

LEDGER = "holdout-ledger.jsonl"
MODEL = "model.pkl"


@dataclass
class Evaluated:
    """One experiment on the holdout: what it predicted and what it decides by."""

    record: ExperimentRecord
    outcome: pd.DataFrame
    decision: dict[str, Any]
    units: Any = None

    @property
    def role(self) -> str:
        """``baseline``, ``candidate`` or ``tuned``."""
        return self.record.tags.get("role", "")


def predict_holdout(workspace: Workspace, record: ExperimentRecord, now: Callable[[], datetime]) -> Evaluated:
    """Return an experiment's holdout outcome, predicting it where that has not been done."""
    problem, dataset, split = workspace.problem, workspace.dataset, workspace.split
    kept = load_predictions(record)
    oof = (
        None if kept is None else kept[kept["part"] == "oof"].dropna(axis=1, how="all").reset_index(drop=True)
    )
    if oof is None or oof.empty:
        raise StageError(
            "the out-of-fold predictions are gone", where=f"{record.id}/predictions.parquet",
            hint=f"restore the file from git, or delete the folder {record.id} and run: sw do --from T-003",
        )  # fmt: skip
    outcome = load_predictions(record, "holdout")
    if outcome is not None:
        outcome = outcome.drop(columns="part")
    decision = problem.decide(oof, dataset, workspace.spec, workspace.plan)
    wanted = set(problem.outcome_rows(dataset, split.holdout).tolist())
    if outcome is None or set(outcome["row"]) != wanted:
        model = load_trained(record)
        # Noted before it is read, so that no reading goes without its line.
        note_reading(workspace, record, "T-006 evaluation", now)
        outcome = problem.complete(problem.predict(model, dataset, split.holdout), decision)
        fresh = outcome.copy()
        fresh.insert(1, "part", "holdout")
        save_predictions(record, pd.concat([oof, fresh], ignore_index=True))
        tell("note", f"{record.id}: predicted {len(outcome)} holdout rows")
    return Evaluated(record, outcome, decision, problem.units(dataset, outcome))


def load_trained(record: ExperimentRecord) -> Any:
    """Unpickle an experiment's model after checking that it is the file that was trained.

    Raises
    ------
    CorruptFileError
        If its bytes are not those on record.
    StorageError
        If it is missing.
    """
    path = record.get_artifact(MODEL)
    if MODEL in record.changed_artifacts() or MODEL not in record.artifacts:
        raise CorruptFileError(
            "this is not the model file that was trained, and a pickle can run any code",
            where=f"{record.id}/{MODEL}",
            hint=f"restore it from git, or delete the folder {record.id} and run: sw do --from T-003",
        )
    return load_model(path, trust=True)


def note_reading(
    workspace: Workspace, record: ExperimentRecord, why: str, now: Callable[[], datetime]
) -> None:
    """Append one line to the ledger: which experiment met the holdout, when, at which commit, and why."""
    git = git_state(workspace.folder)
    line = {
        "experiment": record.id,
        "holdout": workspace.split.digest(),
        "commit": None if git is None else git.to_record().get("commit"),
        "when": now().isoformat(timespec="seconds"),
        "why": why,
    }
    path = workspace.folder / LEDGER
    with storage_errors(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(plain(line), sort_keys=True) + "\n")
