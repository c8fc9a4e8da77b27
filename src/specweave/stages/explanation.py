"""T-007: why the best model answers as it does. SHAP for the model, SHAP and LIME for single answers.

Reads: the best experiment's model and holdout predictions, the data. Writes: ``shap_values.pkl`` in its
folder, ``reports/explanation.json``. Never: fits or chooses anything.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import StageError
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.version_files import unpickle
from specweave.files.atomic import write_bytes
from specweave.files.store import save_record, sha256_file
from specweave.problems.base import Contributions, Dataset, Problem
from specweave.problems.example_rows import ExampleRow
from specweave.records import Finding
from specweave.stages.choice import choose_best
from specweave.stages.explanation_checks import check_explanation
from specweave.stages.holdout import load_trained, note_reading
from specweave.stages.progress import tell
from specweave.stages.rationale import render_aim, render_rationale, render_value
from specweave.stages.records import EVALUATION, EXPLANATION, SCHEMA, load_evaluation, load_explanation
from specweave.stages.training import load_predictions
from specweave.stages.workspace import Workspace, open_workspace

KIND = "explanation"
SHAP_FILE = "shap_values.pkl"
BACKGROUND_ROWS = 100
_PERMUTED_COLUMNS = 30
_PERMUTED_ROWS = 3000
_PERMUTATIONS = 5


def explain_model(
    increment: str | None = None, *, experiment: str | None = None, rows: int | None = None
) -> dict[str, Any]:
    """Explain the best model: which columns matter, and why it answered as it did in a few examples.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.
    experiment : str, optional
        Explain this experiment instead of the best one.
    rows : int, optional
        Holdout rows whose SHAP values are kept; by default the plan's ``explain.rows`` (500).

    Returns
    -------
    dict
        What ``reports/explanation.json`` holds.

    Raises
    ------
    StageError
        If the experiment has no model or no holdout predictions yet.
    """
    workspace = open_workspace(increment)
    best = workspace.store.get(experiment) if experiment else evaluated_best(workspace)
    outcome = load_predictions(best, "holdout")
    if outcome is None:
        raise StageError(
            f"{best.id} has no holdout predictions yet",
            where=workspace.increment.id,
            hint=f"run: sw do {workspace.increment.number} --task T-006",
        )
    model = load_trained(best)
    decision = decision_of(workspace, best)
    wanted = rows or int(workspace.plan.get("explain.rows", 500))
    note_reading(workspace, best, "T-007 explanation", lambda: datetime.now(UTC))
    tell("note", f"explaining {best.id} on {min(wanted, len(outcome))} holdout rows")
    record, kept = explain(
        workspace.problem,
        model,
        workspace.dataset,
        outcome,
        decision,
        background=background_rows(workspace),
        max_rows=wanted,
        n_examples=int(workspace.plan.get("explain.examples", 5)),
        top=reasons_wanted(workspace),
        seed=workspace.seed,
    )
    shap_path = best.folder / SHAP_FILE
    write_bytes(shap_path, pickle.dumps(kept, protocol=5))
    record |= {
        "experiment": best.id,
        "algorithm": best.tags.get("algorithm", best.name),
        "model_sha256": sha256_file(best.folder / "model.pkl"),
        "shap_values": {
            "file": f"experiments/{best.id}/{SHAP_FILE}",
            "sha256": sha256_file(shap_path),
            "rows": len(kept["rows"]),
        },
    }
    save_record(workspace.folder / EXPLANATION, KIND, SCHEMA, record)
    strongest = ", ".join(entry["feature"] for entry in record["importance"][:3])
    tell("note", f"strongest columns: {strongest or 'none'}")
    return load_explanation(workspace.folder)


def evaluated_best(workspace: Workspace) -> ExperimentRecord:
    """Return the experiment that the evaluation reports on, else the best on validation folds."""
    if (workspace.folder / EVALUATION).exists():
        return workspace.store.get(str(load_evaluation(workspace.folder)["experiment"]))
    return choose_best(workspace)


def reasons_wanted(workspace: Workspace) -> int:
    """Return how many reasons an answer gets: the plan's, or more where spec.md asks for more."""
    asked = [int(c.value) for c in workspace.spec.criteria if c.kind == "evidence"]
    return max([int(workspace.plan.get("explain.top", 3)), *asked])


def decision_of(workspace: Workspace, record: ExperimentRecord) -> dict[str, Any]:
    """Return the decision that was learned on validation folds: from the evaluation, else learned again."""
    if (workspace.folder / EVALUATION).exists():
        body = load_evaluation(workspace.folder)
        if body.get("experiment") == record.id:
            return dict(body.get("decision") or {})
    outcome = load_predictions(record, "oof")
    if outcome is None:
        raise StageError(f"{record.id} has no predictions", where=record.id, hint="run: sw do --from T-004")
    return workspace.problem.decide(outcome, workspace.dataset, workspace.spec, workspace.plan)


def background_rows(workspace: Workspace, limit: int = BACKGROUND_ROWS) -> pd.DataFrame:
    """Return a seeded sample of training rows that stands for "not known" in explanations."""
    train = workspace.split.train
    rng = np.random.default_rng(workspace.seed)
    chosen = np.sort(rng.choice(train, size=min(limit, len(train)), replace=False))
    return workspace.dataset.frame.iloc[chosen].reset_index(drop=True)


def explain(
    problem: Problem,
    model: Any,
    dataset: Dataset,
    outcome: pd.DataFrame,
    decision: Mapping[str, Any],
    *,
    background: pd.DataFrame,
    max_rows: int = 500,
    n_examples: int = 5,
    top: int = 3,
    seed: int = 0,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Explain a model on held-out rows.

    Parameters
    ----------
    outcome : DataFrame
        Holdout outcome; its ``row`` column points into ``dataset.frame``.
    background : DataFrame
        Raw training rows.
    max_rows : int
        Rows explained for the importance; a seeded sample where there are more.

    Returns
    -------
    record : dict
        Importance, examples, findings: plain values for ``reports/explanation.json``.
    kept : dict
        What ``shap_values.pkl`` holds: arrays by name, no classes of this package.
    """
    outcome = outcome.reset_index(drop=True)
    rng = np.random.default_rng(seed)
    size = min(max_rows, len(outcome))
    sample = np.sort(rng.choice(len(outcome), size=size, replace=False))
    positions = outcome["row"].to_numpy()
    frame = dataset.frame.iloc[positions[sample]]
    found = problem.contributions(model, frame, background, seed=seed)
    importance = rank_columns(found)
    wider = sample if len(outcome) > _PERMUTED_ROWS else np.arange(len(outcome))
    permuted = permutation_importance(
        problem, model, dataset, outcome.iloc[wider], decision, importance, seed=seed
    )
    for entry in importance:
        entry |= permuted.get(entry["feature"], {})
    examples = explain_examples(
        problem, model, dataset, outcome, decision, background, limit=n_examples, top=top, seed=seed
    )
    # What is said of columns (drop the silent ones, ...) is no advice about past items or lags.
    findings: list[Finding] = check_explanation(importance, examples, top=top) if found.of == "column" else []
    record = {
        "method": found.method,
        "unit": found.unit,
        "of": found.of,
        "n_rows": size,
        "n_holdout": len(outcome),
        "answered": problem.answered,
        "n_background": len(background),
        "importance": importance,
        "examples": examples,
        "findings": findings,
    }
    kept = {
        "names": list(found.names),
        "values": np.asarray(found.values),
        "base": np.broadcast_to(np.asarray(found.base, dtype=float), len(frame)).copy(),
        "rows": positions[sample],
        "shown": found.shown.reset_index(drop=True),
        "towards": list(found.towards),
        "method": found.method,
        "unit": found.unit,
    }
    return record, kept


def rank_columns(found: Contributions) -> list[dict[str, Any]]:
    """Return every column with its mean |SHAP|, strongest first, and which way its values push.

    Where each row explains its own class, there is no one way.
    """
    one_way = len(set(found.towards)) <= 1
    strength = np.abs(found.values).mean(axis=0)
    total = float(strength.sum())
    ranked = []
    for place, index in enumerate(np.argsort(-strength, kind="stable"), 1):
        ranked.append(
            {
                "rank": place,
                "feature": found.names[index],
                "mean_abs_shap": float(strength[index]),
                "share": float(strength[index] / total) if total else 0.0,
                "direction": _direction(found.shown.iloc[:, index], found.values[:, index])
                if one_way
                else "depends on the class",
            }
        )
    return ranked


def _direction(shown: pd.Series[Any], values: np.ndarray) -> str:
    """Say which values of a column raise the output and which lower it."""
    if np.allclose(values, 0):
        return "no influence"
    numbers = pd.to_numeric(shown, errors="coerce")
    if numbers.notna().mean() > 0.5 and numbers.nunique() > 2:
        there = numbers.notna().to_numpy()
        order = numbers[there].rank().corr(pd.Series(values[there], index=numbers[there].index).rank())
        if order > 0.5:
            return "higher values raise it"
        return "higher values lower it" if order < -0.5 else "no single direction"
    levels = shown.astype("object").where(shown.notna(), "missing").astype(str)
    means = pd.Series(values, index=levels.to_numpy()).groupby(level=0).mean()
    if len(means) == 1:
        return f"always {_level(means.index[0])}"
    return f"{_level(means.idxmax())} raises it most, {_level(means.idxmin())} lowers it most"


def _level(text: Any) -> str:
    """Return a level in quotes; one with decimals as short as a number reads."""
    try:
        return f"'{render_value(float(text))}'" if "." in str(text) else f"'{text}'"
    except ValueError:
        return f"'{text}'"


def permutation_importance(
    problem: Problem,
    model: Any,
    dataset: Dataset,
    outcome: pd.DataFrame,
    decision: Mapping[str, Any],
    importance: Sequence[Mapping[str, Any]],
    *,
    seed: int = 0,
) -> dict[str, dict[str, float]]:
    """Return how much worse the mean loss gets when a raw column is shuffled, for the strongest columns.

    Returns
    -------
    dict of str to dict
        ``{"permutation", "permutation_std"}`` by column; columns that are no part of the data's table
        (past items, lags) are left out.
    """
    names = [e["feature"] for e in importance if e["feature"] in dataset.frame.columns][:_PERMUTED_COLUMNS]
    if not names:
        return {}
    frame = dataset.frame.iloc[outcome["row"].to_numpy()].reset_index(drop=True)
    every = np.arange(len(frame))

    def mean_loss(table: pd.DataFrame) -> float:
        small = dataclasses.replace(dataset, frame=table)
        outcome = problem.complete(problem.predict(model, small, every), decision)
        return float(np.mean(problem.loss(outcome, decision)))

    usual = mean_loss(frame)
    rng = np.random.default_rng(seed)
    measured = {}
    for name in names:
        worse = []
        for _ in range(_PERMUTATIONS):
            shuffled = frame[name].take(rng.permutation(len(frame))).reset_index(drop=True)
            worse.append(mean_loss(frame.assign(**{name: shuffled})) - usual)
        measured[name] = {
            "permutation": float(np.mean(worse)),
            "permutation_std": float(np.std(worse, ddof=1)),
        }
    return measured


def explain_examples(
    problem: Problem,
    model: Any,
    dataset: Dataset,
    outcome: pd.DataFrame,
    decision: Mapping[str, Any],
    background: pd.DataFrame,
    *,
    limit: int,
    top: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Explain the few answers that the problem type finds worth it, by SHAP and by LIME."""
    picked: list[ExampleRow] = problem.examples(outcome, decision, limit)
    positions = outcome["row"].to_numpy()[[e.position for e in picked]]
    frame = dataset.frame.iloc[positions]
    found = problem.contributions(model, frame, background, seed=seed)
    told = problem.reasons(model, frame, background, top=top, seed=seed, found=found)
    answers = problem.respond(model, frame, decision)
    bases = np.broadcast_to(np.asarray(found.base, dtype=float), len(frame))
    target = dataset.roles.get("target")
    examples = []
    for i, example in enumerate(picked):
        reasons = told[i]["reasons"]
        base, total = float(bases[i]), float(bases[i] + found.values[i].sum())
        towards = found.towards[i] if found.towards else None
        aim = render_aim(towards, target if isinstance(target, str) else None)
        lime = problem.local_surrogate(model, frame.iloc[[i]], background, seed=seed)
        examples.append(
            {
                "row": int(positions[i]),
                "why": example.why,
                "story": example.story,
                "answer": answers[i],
                "base": base,
                "output": total,
                "towards": towards,
                "reasons": reasons,
                "contributions": found.top(i, min(len(found.names), 12)),
                "rationale": told[i].get("rationale")
                or render_rationale(
                    reasons,
                    unit=found.unit,
                    aim=aim,
                    base=base,
                    total=total,
                    chance=partial(problem.chance, towards=towards, decision=decision),
                ),
                "lime": None if lime is None else lime[: max(top, 6)],
            }
        )
    return examples


def load_shap_values(folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    """Load the SHAP values that an explanation record points at, from the increment's folder.

    Raises
    ------
    StageError
        If the file is missing or not the one that was recorded.
    """
    entry = record["shap_values"]
    path = folder / entry["file"]
    if not path.exists() or sha256_file(path) != entry["sha256"]:
        raise StageError(
            "the SHAP values are missing or not those of the record",
            where=entry["file"],
            hint="run: sw do --task T-007 --force",
        )
    return dict(unpickle(path))
