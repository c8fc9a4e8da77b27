"""Another increment as training data: what it publishes, its features, or what its model says.

Reads: the other increment's folder. Writes: one table file. Never: runs a task there, or hands on an answer
of a model that has seen the row.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from specweave.errors import DataError
from specweave.increments.project import Increment, Project
from specweave.increments.references import OUTPUTS, Reference, get_referred, parse_reference
from specweave.tables.sources.base import DataSource
from specweave.tables.sources.globs import files_stamp, write_table

if TYPE_CHECKING:
    import pandas as pd

TRANSFORMER = "features/transformer.pkl"


class IncrementSource(DataSource):
    """``increment: 0042``, with ``features``, ``predictions`` or a path behind it."""

    @classmethod
    def matches(cls, text: str) -> bool:
        """Return whether the text refers to an increment."""
        return parse_reference(text) is not None

    def stamp(self, text: str, root: Path, where: str) -> str:
        """Return size and time of the files that are handed on."""
        increment, reference = _referred(text, root, where)
        return files_stamp(_files(increment, reference, where))

    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Write the asked-for table into `folder`."""
        increment, reference = _referred(text, root, where)
        if reference.what == "features":
            return write_table(_features(increment, where), folder / "features.parquet")
        if reference.what == "predictions":
            return write_table(_predictions(increment, where), folder / "predictions.parquet")
        source = _files(increment, reference, where)[-1]
        target = folder / source.name
        shutil.copyfile(source, target)
        return target


def _referred(text: str, root: Path, where: str) -> tuple[Increment, Reference]:
    reference = parse_reference(text)
    assert reference is not None
    return get_referred(Project(root), reference, where), reference


def _files(increment: Increment, reference: Reference, where: str) -> list[Path]:
    """Return the files that decide what is handed on; the table itself, where it is one, comes last."""
    if reference.what == "features":
        return [_there(increment, TRANSFORMER, "T-002", where), _own_table(increment)]
    if reference.what == "predictions":
        return [_own_table(increment), _answers(increment, where)]
    if reference.what == "data":
        published = [p for name in OUTPUTS if (p := increment.folder / name).is_file()]
        return published[:1] or [_own_table(increment)]
    return [_there(increment, reference.what, None, where)]


def _there(increment: Increment, path: str, task: str | None, where: str) -> Path:
    found = increment.folder / path
    if not found.is_file():
        raise DataError(
            f"{increment.id} has no {path} yet",
            where=where,
            hint=f"run: sw do {increment.number}" + (f" --task {task}" if task else ""),
        )
    return found


def _own_table(increment: Increment) -> Path:
    """Return the file of the table that an increment was trained on."""
    from specweave.increments.spec import load_spec
    from specweave.tables.locating import find_data_file

    spec = load_spec(increment.spec_path)
    named = spec.require("Training data").value
    return find_data_file(increment.project.root, named, spec.at("Training data"))


def _answers(increment: Increment, where: str) -> Path:
    from specweave.stages.records import EVALUATION, load_evaluation

    _there(increment, EVALUATION, "T-006", where)
    record = load_evaluation(increment.folder)
    return _there(increment, f"experiments/{record['experiment']}/predictions.parquet", "T-006", where)


def _features(increment: Increment, where: str) -> pd.DataFrame:
    """Return the features of every row beside its keys, target and time."""
    import joblib
    import pandas as pd

    from specweave.stages.workspace import workspace_of

    workspace = workspace_of(increment)
    dataset = workspace.dataset
    if workspace.problem.feature_table(dataset, workspace.split)[0] is not dataset:
        raise DataError(
            f"the features of {increment.id} do not belong to the rows of its table",
            where=where,
            hint="take its data or a file that one of its tasks writes",
        )
    step = joblib.load(_there(increment, TRANSFORMER, "T-002", where))
    made = pd.DataFrame(step.transform(dataset.frame), columns=list(step.get_feature_names_out()))
    roles = dataset.roles
    kept = [*roles.get("identifiers", []), roles.get("group"), roles.get("time"), roles.get("target")]
    keys = dataset.frame[[c for c in dict.fromkeys(kept) if c in dataset.frame.columns]]
    return pd.concat([keys, made[[c for c in made.columns if c not in keys.columns]]], axis=1)


def _predictions(increment: Increment, where: str) -> pd.DataFrame:
    """Return each row with the answer of a model that was not trained on it.

    Out-of-fold answers for training rows, the holdout's for the rest; ``m0042_`` stands before their names.
    """
    import pandas as pd

    from specweave.stages.workspace import workspace_of

    frame = workspace_of(increment).dataset.frame
    answers = pd.read_parquet(_answers(increment, where))
    answers = answers.drop(columns=[c for c in ("truth", "fold", "part") if c in answers])
    named = {c: f"m{increment.number}_{c.replace(':', '_')}" for c in answers.columns if c != "row"}
    answers = answers.rename(columns=named)
    if answers["row"].is_unique:
        joined = answers.set_index("row").sort_index()
        return frame.loc[joined.index].join(joined).reset_index(drop=True)
    return answers.reset_index(drop=True)
