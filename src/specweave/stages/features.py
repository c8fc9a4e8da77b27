"""T-002: the one transformer between raw rows and every model, and what a person says about it.

Reads: the training data, ``data/profile.json``, ``features/feature_definitions.yaml``. Writes:
``features/``. Never: learns from a holdout row, undoes an edit of the definitions.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, StageError
from specweave.files.atomic import write_bytes, write_text
from specweave.files.store import plain, save_record
from specweave.files.yamlio import render_yaml
from specweave.problems.base import Dataset, Split
from specweave.stages.definitions import HEADER, find_edits, finish, redraft
from specweave.stages.explore import load_profile, profile_findings
from specweave.stages.feature_checks import check_features
from specweave.stages.feature_store import make_feature_store
from specweave.stages.importance import measure_importance
from specweave.stages.progress import tell
from specweave.stages.workspace import DEFINITIONS, Workspace, open_workspace
from specweave.tables.features import TableFeatures
from specweave.tables.quality import leak_columns
from specweave.tables.schema import make_schema

TRANSFORMER = "features/transformer.pkl"
IMPORTANCE = "features/importance.json"
VALIDATION = "features/validation.json"
FEATURE_STORE = "features/feature_store.yaml"


def engineer_features(increment: str | None = None) -> dict[str, Any]:
    """Decide what becomes of each column, learn it on the training rows, and check the result.

    What ``features/feature_definitions.yaml`` says by a person's hand stays; everything else in it is
    made anew from data and plan. Columns that T-001 found to give the target away are left out.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.

    Returns
    -------
    dict
        ``definitions``, ``importance`` and ``validation`` as the files hold them.

    Raises
    ------
    StageError
        If the data as it is now was not explored yet.
    DataError
        If an edit of the definitions names an unknown kind or action, or no column is left.
    """
    workspace = open_workspace(increment)
    profile = load_profile(workspace.folder)
    if profile["source"]["sha256"] != workspace.dataset.source.sha256:
        raise StageError(
            "the data changed since it was explored",
            where=workspace.increment.id,
            hint=f"run: sw do {workspace.increment.number} --task T-001",
        )
    leaks = leak_columns(profile_findings(profile))
    dataset, split = workspace.problem.feature_table(workspace.dataset, workspace.split)
    definitions = decide(workspace, leaks, dataset.frame.iloc[split.train])
    features, matrix = learn(workspace, definitions, dataset, split)
    definitions = finish(definitions, features)
    y = _target(workspace, dataset, split)
    importance = measure_importance(features, matrix, y, seed=workspace.seed)
    importance |= {"dropped_columns": features.dropped_, "dropped_features": features.dropped_features_}
    validation = check_features(dataset, split, features, matrix, leaks)
    explained = workspace.problem.explained
    validation["findings"] = [f for f in validation["findings"] if f.code not in explained]
    _save(workspace, dataset, definitions, features, importance, validation)
    _report(definitions, features, validation)
    return {
        "definitions": plain(definitions),
        "importance": plain(importance),
        "validation": plain(validation),
    }


def decide(workspace: Workspace, leaks: Mapping[str, str], rows: pd.DataFrame) -> dict[str, Any]:
    """Return the definitions for the data as it is: inferred, leaks dropped, a person's edits kept."""
    fresh = workspace.problem.make_features(workspace.dataset, workspace.spec, workspace.plan, None)
    if not isinstance(fresh, TableFeatures):
        raise StageError(
            f"{workspace.spec.problem_type} has no table of features", where=workspace.increment.id,
            hint="remove T-002 from tasks.md, or write its script yourself",
        )  # fmt: skip
    # What the plan says of a column goes before what T-001 says.
    fresh.set_params(drop={**leaks, **(fresh.drop or {})})
    before = workspace.definitions
    try:
        drafted = redraft(fresh, rows, before)
    except DataError as error:
        raise _at_definitions(workspace, error) from error
    for name, edit in find_edits(before).items():
        told = ", ".join(f"{key}: {value}" for key, value in edit.items())
        known = name in drafted["columns"]
        tell(
            "note",
            f"{name}: {told} (by hand, kept)" if known else f"{name}: edited, but no longer in the data",
        )
    return drafted


def learn(
    workspace: Workspace, definitions: Mapping[str, Any], dataset: Dataset, split: Split
) -> tuple[TableFeatures, np.ndarray]:
    """Fit the feature step that training will use on all training rows; return it with their features."""
    try:
        features = workspace.problem.make_features(
            workspace.dataset, workspace.spec, workspace.plan, definitions
        )
        matrix = features.fit_transform(dataset.frame.iloc[split.train], _target(workspace, dataset, split))
    except DataError as error:
        raise _at_definitions(workspace, error) from error
    return features, np.asarray(matrix, dtype=np.float64)


def _target(workspace: Workspace, dataset: Dataset, split: Split) -> np.ndarray:
    encode = getattr(workspace.problem, "encode")  # noqa: B009 (tables only; `decide` made sure of it)
    y: np.ndarray = np.asarray(encode(dataset))[split.train]
    return y


def _at_definitions(workspace: Workspace, error: DataError) -> DataError:
    where = (
        f"{workspace.increment.id}/{DEFINITIONS}"
        if (workspace.folder / DEFINITIONS).exists()
        else error.where
    )
    return DataError(error.what, where=error.where or where, hint=error.hint)


def _save(
    workspace: Workspace,
    dataset: Dataset,
    definitions: Mapping[str, Any],
    features: TableFeatures,
    importance: Mapping[str, Any],
    validation: Mapping[str, Any],
) -> None:
    folder = workspace.folder
    content = plain({"kind": "feature-definitions", "schema": 1, **definitions})
    write_text(folder / DEFINITIONS, HEADER + render_yaml(content))
    write_bytes(folder / TRANSFORMER, pickle.dumps(features, protocol=5))
    save_record(folder / IMPORTANCE, "feature-importance", 1, importance)
    save_record(folder / VALIDATION, "feature-validation", 1, validation)
    schema = make_schema(dataset.frame, dataset.kinds, dataset.roles.get("target"))
    name = workspace.increment.id.partition("-")[2].replace("-", "_")
    store = make_feature_store(dataset, schema, features.required_columns_, name=name or "features")
    save_record(folder / FEATURE_STORE, "feature-store", 1, store)


def _report(definitions: Mapping[str, Any], features: TableFeatures, validation: Mapping[str, Any]) -> None:
    used, given = len(features.required_columns_), len(definitions["columns"])
    tell("note", f"{used} of {given} columns give {len(features.get_feature_names_out())} features")
    for finding in validation["findings"]:
        tell("note", f"{finding.code} {finding.severity}: {finding.message}")


def load_transformer(folder: Path) -> TableFeatures:
    """Read the fitted transformer of an increment of this project.

    Raises
    ------
    StageError
        If T-002 did not run yet.
    """
    path = folder / TRANSFORMER
    if not path.exists():
        raise StageError("no features were made yet", where=folder.name, hint="run: sw do --task T-002")
    found: TableFeatures = pickle.loads(path.read_bytes())
    return found
