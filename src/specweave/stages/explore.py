"""T-001: what the data holds, what is doubtful about it, and the contract that later rows are held to.

Reads: the training data. Writes: ``data/profile.json``, ``schema.yaml``, ``sample.csv``,
``data.lock.yaml``, the experiment ``exp-001-eda``. Never: relates a column to the target on holdout rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, StageError, did_you_mean
from specweave.files.atomic import write_text
from specweave.files.store import load_record, number, plain, save_record
from specweave.problems.base import Dataset, Split
from specweave.records import Finding
from specweave.stages.progress import tell
from specweave.stages.workspace import Workspace, open_workspace
from specweave.tables.correlation import correlation_matrix
from specweave.tables.locating import find_pointer
from specweave.tables.profile import make_profile
from specweave.tables.quality import check_quality
from specweave.tables.schema import make_schema, save_schema

KIND, SCHEMA = "profile", 1
PROFILE = "data/profile.json"
TABLE_SCHEMA = "data/schema.yaml"
SAMPLE = "data/sample.csv"
LOCK = "data/data.lock.yaml"
EXPERIMENT = "exp-001-eda"
SUMMARY = "eda-summary.md"
_WIDE = 400
_SAMPLE_ROWS, _WIDE_ROWS, _SAMPLE_CELLS = 100, 20, 100_000
_MOST_NOTES = 20


@dataclass(frozen=True)
class Exploration:
    """What one look at the data gave.

    Attributes
    ----------
    profile : dict
        As `specweave.tables.profile.make_profile` returns it; of tables wider than 400 columns only the
        strongest 400 keep their histogram.
    findings : list of Finding
    schema : dict
    sample : DataFrame
        Some training rows.
    """

    profile: dict[str, Any]
    findings: list[Finding]
    schema: dict[str, Any]
    sample: pd.DataFrame


def explore_data(
    increment: str | None = None, *, sample_rows: int | None = None, sample_without: Sequence[str] = ()
) -> dict[str, Any]:
    """Profile the training data, check its quality, and write down what later rows must look like.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.
    sample_rows : int, optional
        Training rows that ``data/sample.csv`` shows; by default 100, of very wide tables fewer (not below
        20). 0 writes the header only.
    sample_without : sequence of str
        Columns that the sample leaves out (names, addresses: the sample is meant to be committed).

    Returns
    -------
    dict
        What ``data/profile.json`` holds: the profile with ``findings``, ``source`` and ``split``.

    Raises
    ------
    SpecError, DataError
        If the data cannot be read, or `sample_without` names no column of it.
    """
    workspace = open_workspace(increment)
    dataset, split = workspace.dataset, workspace.split
    tell("note", f"profiling {dataset.n_rows:,} rows x {len(dataset.frame.columns):,} columns")
    found = explore(
        dataset,
        split,
        task=getattr(workspace.problem, "task", None),
        seed=workspace.seed,
        sample_rows=sample_rows,
        sample_without=sample_without,
    )
    target, explained = dataset.roles.get("target"), workspace.problem.explained
    found.findings[:] = [f for f in found.findings if f.code not in explained or f.where == target]
    found.findings.extend(workspace.problem.check_data(dataset))
    record = profile_record(found, dataset, split)
    tables = workspace.problem.data_tables(dataset, split)
    if tables:
        record["tables"] = plain([asdict(table) for table in tables])
    _save(workspace.folder, found, record, dataset, workspace.root)
    _track(workspace, found, record)
    grave = [f for f in found.findings if f.severity == "error"]
    doubts = [f for f in found.findings if f.severity == "warning"]
    tell("note", f"{len(found.findings)} findings: {len(grave)} errors, {len(doubts)} warnings")
    for finding in grave:
        tell("note", f"{finding.code} {finding.where or 'table'}: {finding.message}")
    return record


def explore(
    dataset: Dataset,
    split: Split,
    *,
    task: str | None = None,
    seed: int = 0,
    sample_rows: int | None = None,
    sample_without: Sequence[str] = (),
) -> Exploration:
    """Look at data: types, gaps and ranges on all rows, everything about the target on training rows.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    task : {"classification", "regression"}, optional
        How to look at the target; by its kind where not given.
    """
    target = dataset.roles.get("target")
    profile = make_profile(
        dataset.frame, dataset.kinds, target=target, task=task, target_rows=split.train, seed=seed
    )
    shown = ([str(target)] if target in dataset.kinds else []) + strongest_columns(profile)
    profile["correlation_matrix"] = correlation_matrix(
        dataset.frame.iloc[split.train], dataset.kinds, shown, seed=seed
    )
    findings = [
        f
        for f in check_quality(profile, task=task, folds=max(2, len(split.folds)))
        # That a column holds dates is no news where it is the declared time.
        if not (f.code == "SW215" and f.severity == "info" and f.where == dataset.roles.get("time"))
    ]
    schema = make_schema(dataset.frame, dataset.kinds, target)
    if sample_rows is None:
        sample_rows = min(_SAMPLE_ROWS, max(_WIDE_ROWS, _SAMPLE_CELLS // len(dataset.frame.columns)))
    sample = draw_sample(dataset.frame, split.train, sample_rows, without=sample_without, seed=seed)
    return Exploration(_thinned(profile), findings, schema, sample)


def draw_sample(
    frame: pd.DataFrame, train: np.ndarray, rows: int, *, without: Sequence[str] = (), seed: int = 0
) -> pd.DataFrame:
    """Return some training rows in their order; the same seed always gives the same rows.

    Raises
    ------
    DataError
        If `without` names no column.
    """
    for name in without:
        if name not in frame.columns:
            raise DataError(
                f"sample_without: '{name}' is no column of the data",
                hint=did_you_mean(name, map(str, frame.columns)),
            )
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.choice(train, size=min(max(0, rows), len(train)), replace=False))
    return frame.iloc[chosen].drop(columns=list(without)).reset_index(drop=True)


def load_profile(folder: Path) -> dict[str, Any]:
    """Read an increment's ``data/profile.json``.

    Raises
    ------
    StageError
        If the data was not explored yet.
    """
    if not (folder / PROFILE).exists():
        raise StageError("the data was not explored yet", where=folder.name, hint="run: sw do --task T-001")
    record = load_record(folder / PROFILE, KIND, SCHEMA)
    return {str(key): _numbers(value) for key, value in record.items()}


def profile_findings(record: dict[str, Any]) -> list[Finding]:
    """Return the findings of a profile record."""
    return [Finding(**f) for f in record.get("findings", [])]


def strongest_columns(profile: dict[str, Any]) -> list[str]:
    """Return the columns by how well each alone predicts the target, strongest first.

    Columns without a score (identifiers, text) come last, in the data's order; the target is left out.
    """
    target = (profile.get("target") or {}).get("name")
    names = [name for name in profile["column_order"] if name != target]

    def rank(name: str) -> tuple[float, float]:
        known = profile["columns"][name].get("association") or {}
        return -known.get("score", -1.0), -known.get("mutual_information", -1.0)

    return sorted(names, key=rank)


def _numbers(value: Any) -> Any:
    """Return a value read from JSON with the floats that JSON cannot hold put back."""
    if isinstance(value, dict):
        return {key: _numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers(inner) for inner in value]
    return number(value)


def _thinned(profile: dict[str, Any]) -> dict[str, Any]:
    if profile["column_count"] > _WIDE:
        for name in strongest_columns(profile)[_WIDE:]:
            profile["columns"][name].pop("histogram", None)
    return profile


def profile_record(found: Exploration, dataset: Dataset, split: Split) -> dict[str, Any]:
    """Return what ``data/profile.json`` holds."""
    record: dict[str, Any] = plain(
        {
            "kind": KIND,
            "schema": SCHEMA,
            **found.profile,
            "findings": found.findings,
            "source": asdict(dataset.source),
            "roles": dataset.roles,
            "split": {
                "strategy": split.strategy,
                "train": len(split.train),
                "holdout": len(split.holdout),
                "folds": len(split.folds),
            },
        }
    )
    return record


def _save(folder: Path, found: Exploration, record: dict[str, Any], dataset: Dataset, root: Path) -> None:
    save_record(folder / PROFILE, KIND, SCHEMA, record)
    save_schema(folder / TABLE_SCHEMA, found.schema)
    write_text(folder / SAMPLE, found.sample.to_csv(index=False, lineterminator="\n"))
    source = dataset.source
    save_record(
        folder / LOCK,
        "data-lock",
        1,
        {
            "path": source.path,
            "bytes": source.size_bytes,
            "sha256": source.sha256,
            "rows": source.rows,
            "notes": list(source.notes),
            **({"dvc": pointer} if (pointer := find_pointer(root, source.path)) else {}),
        },
    )


def _track(workspace: Workspace, found: Exploration, record: dict[str, Any]) -> None:
    """Log the look at the data as an experiment, unless the same look is already on record."""
    dataset = workspace.dataset
    inputs = {
        "data": dataset.source.sha256,
        "roles": dataset.roles,
        "holdout": workspace.split.digest(),
        "seed": workspace.seed,
    }
    # By the bare name, so that a look that got another number is found too.
    slug = EXPERIMENT.split("-", 2)[2]
    known = workspace.store.find_completed(slug, inputs)
    if known:
        tell("experiment", f"{known.id}: already done, kept", name=slug, status="kept")
        return
    resumable = workspace.store.find_resumable(slug, inputs)
    run = workspace.store.create(
        slug if resumable else EXPERIMENT,
        task="T-001",
        inputs=inputs,
        seed=workspace.seed,
        increment=workspace.increment.id,
        data_sha256=dataset.source.sha256,
        tags={"role": "analysis"},
        resume=True,
    )
    with run:
        run.log_params(
            {
                "dataset_size": dataset.n_rows,
                "columns": record["column_count"],
                "target": dataset.roles.get("target"),
                "split": workspace.split.strategy,
            }
        )
        run.log_metrics(_measures(found, record))
        for finding in [f for f in found.findings if f.severity != "info"][:_MOST_NOTES]:
            run.log_note(
                f"{finding.severity} {finding.code} {finding.where or 'table'}: {finding.message}"
                + (f"; {finding.advice}" if finding.advice else "")
            )
        run.save_report(SUMMARY)
    tell("experiment", f"{run.id}: logged", name=slug, status="completed")


def _measures(found: Exploration, record: dict[str, Any]) -> dict[str, float]:
    columns = found.profile["columns"].values()
    measured: dict[str, float] = {
        "missing_values": sum(c["missing"] for c in columns),
        "missing_share": found.profile["missing_share"],
        "duplicate_rows": found.profile["duplicate_rows"],
        "infinite_values": sum(c.get("infinite", 0) for c in columns),
        "train_rows": record["split"]["train"],
        "holdout_rows": record["split"]["holdout"],
    }
    for severity in ("error", "warning", "info"):
        measured[f"findings_{severity}"] = sum(f.severity == severity for f in found.findings)
    target = found.profile.get("target") or {}
    for key in ("minority_share", "mean", "std"):
        if key in target:
            measured[f"target_{key}"] = target[key]
    return measured
