"""T-008: the chosen model as a package that answers raw rows anywhere, checked in a fresh process.

Reads: the evaluated experiment, the data, its schema. Writes: ``models/``, ``deploy/``,
``reports/deployment.json``. Never: hands over a package whose answers differ from the measured ones.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import StageError
from specweave.experiments.pickled_packages import loose_modules, pickle_modules
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.version_files import ModelVersion
from specweave.experiments.versions import ModelVersions
from specweave.files.store import save_record
from specweave.records import Finding, Metric
from specweave.serving.inference import Predictor
from specweave.serving.package import pin_requirements, save_dockerfile, save_package, save_requirements
from specweave.serving.parity import (
    FreshAnswers,
    alter_rows,
    answer_in_fresh_process,
    json_rows,
    largest_difference,
)
from specweave.stages.ahead import answer_ahead, serve_all_rows
from specweave.stages.explanation import background_rows, decision_of, evaluated_best, reasons_wanted
from specweave.stages.holdout import MODEL
from specweave.stages.progress import tell
from specweave.stages.records import DEPLOYMENT, EVALUATION, SCHEMA, load_deployment, load_evaluation
from specweave.stages.training import load_predictions
from specweave.stages.workspace import Workspace, open_workspace
from specweave.tables.schema import load_schema, make_schema

KIND = "deployment"
DEPLOY = "deploy"
_PARITY_ROWS = 50
_REFERENCE_ROWS = 1000
_TIMED_ROWS = 100


def prepare_deployment(
    increment: str | None = None, *, version: str | None = None, parity_rows: int = _PARITY_ROWS
) -> dict[str, Any]:
    """Register the chosen model, write ``deploy/``, and check it in a fresh process.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.
    version : str, optional
        Package this registered version (``v1``, ``production``) instead of the best experiment's model.
    parity_rows : int
        Holdout rows whose stored predictions the package must reproduce.

    Returns
    -------
    dict
        What ``reports/deployment.json`` holds.

    Raises
    ------
    StageError
        If the model was not evaluated yet, or the package's answers differ from the measured ones.
    """
    workspace = open_workspace(increment)
    named = ModelVersions(workspace.folder / "models").get(version) if version else None
    best = workspace.store.get(str(named.metadata["experiment"])) if named else evaluated_best(workspace)
    outcome = load_predictions(best, "holdout")
    if outcome is None or not (workspace.folder / EVALUATION).exists():
        raise StageError(
            f"{best.id} was not evaluated yet", where=workspace.increment.id,
            hint=f"run: sw do {workspace.increment.number} --task T-006",
        )  # fmt: skip
    decision = named.decision if named else decision_of(workspace, best)
    schema = _schema(workspace)
    model = named or register_model(workspace, best, decision, schema)
    deploy = workspace.folder / DEPLOY
    rows = workspace.dataset.frame
    train = rows.iloc[_sample(workspace.split.train, _REFERENCE_ROWS, workspace.seed)]
    package = save_package(
        deploy,
        model,
        problem=workspace.problem.name,
        decision=decision,
        schema=schema,
        columns=workspace.problem.request_columns(workspace.dataset),
        identifiers=workspace.problem.row_names(workspace.dataset),
        background=background_rows(workspace),
        reference=train,
        reasons=reasons_wanted(workspace),
        seed=workspace.seed,
        monitoring=workspace.plan.get("deploy.monitoring"),
        roles=workspace.dataset.roles,
    )
    tell("note", f"{model.version}: checking deploy/ in a fresh process")
    parity, fresh = check_parity(workspace, deploy, outcome, decision, limit=parity_rows)
    pins = pin_requirements({*fresh.modules, *pickle_modules((deploy / MODEL).read_bytes())})
    save_requirements(deploy, pins)
    save_dockerfile(deploy, model, pins)
    predictor = Predictor.load(deploy)
    requests = json_rows(rows.iloc[outcome["row"].to_numpy()[:_TIMED_ROWS]][package["columns"]])
    latency = time_predictor(predictor, requests)
    example = {
        "request": requests[0],
        "answer": predictor.predict(requests[0])[0],
        "events": predictor.problem.example_events(predictor.model),
    }
    ahead = None
    if parity["passed"]:
        served = serve_all_rows(workspace, deploy, predictor)
        ahead = answer_ahead(workspace, served)
        if served is not predictor and ahead and ahead.get("example"):
            example |= {
                "request": json_rows(pd.DataFrame([ahead["example"]["row"]])[package["columns"]])[0],
                "answer": ahead["example"]["answer"],
            }
    loose = loose_modules(pickle_modules((deploy / MODEL).read_bytes()))
    record = {
        "version": model.version,
        "experiment": best.id,
        "algorithm": model.metadata.get("algorithm"),
        "model": {
            "file": f"models/{model.path.name}",
            "bytes": model.metadata["bytes"],
            "sha256": model.sha256,
        },
        "decision": decision,
        "parity": parity,
        "latency": latency,
        "requirements": pins,
        "example": example,
        "ahead": {k: v for k, v in ahead.items() if k != "example"} if ahead else None,
        "files": {
            f.relative_to(deploy).as_posix(): f.stat().st_size
            for f in sorted(deploy.rglob("*"))
            if f.is_file() and "__pycache__" not in f.parts
        },
        "findings": _findings(parity, loose),
    }
    save_record(workspace.folder / DEPLOYMENT, KIND, SCHEMA, record)
    if not parity["passed"]:
        raise StageError(
            f"deploy/ answers otherwise than measured, by up to {parity['largest_difference']:.3g}",
            where=f"{workspace.increment.id}/{DEPLOYMENT}",
            hint="look at deploy/inference.py if you edited it; else report this with the record",
        )
    tell(
        "note", f"{model.version}: {parity['rows']} answers reproduced, p95 {latency['p95_ms']:.1f} ms a row"
    )
    return load_deployment(workspace.folder)


def register_model(
    workspace: Workspace, best: ExperimentRecord, decision: Mapping[str, Any], schema: Mapping[str, Any]
) -> ModelVersion:
    """Register an experiment's model as the increment's next version, or return the version it is already."""
    evaluation = load_evaluation(workspace.folder)
    metrics = [Metric(**m) for m in evaluation["metrics"]]
    columns = {
        name: {k: entry[k] for k in ("kind", "dtype", "required")}
        for name, entry in schema["columns"].items()
    }
    return ModelVersions(workspace.folder / "models").save(
        best.get_artifact(MODEL),
        experiment=best.id,
        algorithm=best.tags.get("algorithm", best.name),
        params=best.params,
        metrics=metrics,
        decision=decision,
        input_schema={"target": schema.get("target"), "columns": columns},
        train_seconds=best.metrics.get("train_seconds"),
        data_sha256=workspace.dataset.source.sha256,
        increment=workspace.increment.number,
        seed=workspace.seed,
        holdout=workspace.split.digest(),
    )


def check_parity(
    workspace: Workspace, deploy: Path, outcome: pd.DataFrame, decision: Mapping[str, Any], *, limit: int
) -> tuple[dict[str, Any], FreshAnswers]:
    """Compare a fresh process's answers with stored holdout predictions, and with altered rows' answers.

    Stored predictions cover rows as they are. For missing values and unseen levels there are none, so
    these rows are answered by the trained model in this process, too.
    """
    problem, dataset = workspace.problem, workspace.dataset
    columns = problem.request_columns(dataset)
    chosen = _parity_sample(outcome, dataset.frame[columns], limit, workspace.seed)
    stored = outcome.iloc[chosen].reset_index(drop=True)
    rows = dataset.frame.iloc[stored["row"].to_numpy()][columns]
    predictor = Predictor.load(deploy)
    expected = problem.answers(stored, decision)
    if expected is None:
        expected = problem.respond(predictor.model, rows, decision)
    altered, changed = alter_rows(rows, dataset.kinds, columns, seed=workspace.seed)
    expected_altered = problem.respond(predictor.model, altered, decision)
    fresh = answer_in_fresh_process(deploy, pd.concat([rows.astype(object), altered], ignore_index=True))
    plain, special = fresh.answers[: len(rows)], fresh.answers[len(rows) :]
    worst = largest_difference(expected, plain)
    worst_altered = largest_difference(expected_altered, special)
    gaps = int(rows.isna().any(axis=1).sum())
    return {
        "passed": worst == 0.0 and worst_altered == 0.0,
        "rows": len(rows) + len(altered),
        "stored_predictions": len(rows),
        "rows_with_missing_values": gaps + 1,
        "rows_with_unseen_levels": 1 if changed["unseen"] else 0,
        "altered": changed,
        "largest_difference": max(worst, worst_altered),
        "tolerance": "1e-9 + 1e-6 of the value",
        "cold_start_s": round(fresh.seconds, 2),
    }, fresh


def _parity_sample(outcome: pd.DataFrame, rows: pd.DataFrame, limit: int, seed: int) -> np.ndarray:
    """Pick holdout positions at random, rows with missing values first among them."""
    gaps = rows.iloc[outcome["row"].to_numpy()].isna().any(axis=1).to_numpy()
    order = np.random.default_rng(seed).permutation(len(outcome))
    wanted = min(limit, len(outcome))
    some = [i for i in order if gaps[i]][: max(1, wanted // 5)]
    rest = [i for i in order if i not in set(some)][: wanted - len(some)]
    return np.sort(np.asarray([*some, *rest], dtype=int))


def time_predictor(predictor: Predictor, requests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Time whole answers, validation and reasons included, one raw row at a time."""
    for request in requests[:5]:
        predictor.predict(request)
    seconds = []
    for request in requests:
        began = time.perf_counter()
        predictor.predict(request)
        seconds.append(time.perf_counter() - began)
    p50, p95, p99 = np.percentile(np.asarray(seconds) * 1000, (50, 95, 99))
    return {
        "p50_ms": float(p50), "p95_ms": float(p95), "p99_ms": float(p99), "calls": len(seconds),
        "what": "one raw row as JSON, validated and explained, one thread",
    }  # fmt: skip


def _schema(workspace: Workspace) -> dict[str, Any]:
    path = workspace.folder / "data" / "schema.yaml"
    dataset = workspace.dataset
    target = dataset.roles.get("target")
    schema = (
        load_schema(path)
        if path.exists()
        else make_schema(dataset.frame, dataset.kinds, target if isinstance(target, str) else None)
    )
    return workspace.problem.request_schema(schema, dataset)


def _sample(positions: np.ndarray, limit: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(positions, size=min(limit, len(positions)), replace=False))


def _findings(parity: Mapping[str, Any], loose: list[str]) -> list[Finding]:
    found = []
    if not parity["passed"]:
        found.append(
            Finding(
                code="SW721", severity="error", message="the package's answers differ from the measured ones",
                where=DEPLOYMENT, evidence={"largest_difference": parity["largest_difference"]},
                advice="do not deploy it",
            )
        )  # fmt: skip
    if loose:
        found.append(
            Finding(
                code="SW722", severity="warning", where="deploy/model.pkl", evidence={"modules": loose},
                message=f"the model needs modules that no package holds: {', '.join(loose)}",
                advice="copy these files into deploy/, or add a package of them to requirements.txt",
            )
        )  # fmt: skip
    return found
