"""Whether new rows still look like those the model learned from, and whether it still does well.

Reads: a batch, training rows, an inference package. Writes: ``monitoring/`` when a package is made. Never:
calls a difference drift that chance explains.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from specweave.errors import DataError, StateError
from specweave.files.atomic import replacing
from specweave.files.store import load_record, plain, save_record
from specweave.problems.base import Dataset, Problem, Source
from specweave.records import Finding
from specweave.serving.inference import PACKAGE, Predictor, flat_answer
from specweave.stages.measuring import measure_with_interval
from specweave.stages.records import load_evaluation
from specweave.stages.workspace import Workspace, open_workspace
from specweave.tables.drift import check_drift
from specweave.tables.kinds import ColumnKind, as_kind, infer_kinds
from specweave.tables.schema import coerce

KIND = "monitoring"
SCHEMA = 1
CONFIG, REFERENCE = "config.yaml", "reference.parquet"
# Beside the levels of tables.drift: how much else may move before it is told.
DEFAULTS: dict[str, Any] = {
    "missing_change": 0.1,
    "new_level_share": 0.05,
    "outside_share": 0.05,
    "few_rows": 100,
}
_TOLD_ELSEWHERE = ("SW222", "SW224", "SW226")  # extra columns; new levels and gaps have findings of their own
_ANSWERED = 1000


def save_monitoring(folder: Path, reference: pd.DataFrame, settings: Mapping[str, Any] | None = None) -> None:
    """Write the settings and the reference rows; settings that a person changed stay.

    Parameters
    ----------
    folder : Path
        ``deploy/monitoring``.
    reference : DataFrame
        Training rows in the schema's types.
    """
    path = folder / CONFIG
    kept = load_record(path, KIND, SCHEMA) if path.exists() else {}
    body = {**DEFAULTS, **{k: v for k, v in kept.items() if k in DEFAULTS}, **(settings or {})}
    save_record(path, KIND, SCHEMA, body)
    with replacing(folder / REFERENCE) as temporary:
        reference.to_parquet(temporary, index=False)


def monitor_batch(increment: str | None, frame: pd.DataFrame) -> dict[str, Any]:
    """Compare a batch of raw rows with the increment's training rows.

    Parameters
    ----------
    increment : str, optional
        Id of the increment; the active one by default.
    frame : DataFrame
        Raw rows; where the target is among its columns, performance is measured too.

    Returns
    -------
    dict
        ``drift`` (per column, furthest first), ``answers`` (drift of predictions), ``performance``,
        ``findings``: SW711 column drifted · SW712 new levels · SW713 missing values · SW714 predictions
        drifted · SW715 performance fell · SW716 few rows; and those of the schema.

    Raises
    ------
    StateError
        If no package was prepared yet.
    DataError
        If the batch is empty or lacks a column.
    """
    workspace = open_workspace(increment)
    deploy = workspace.folder / "deploy"
    if not (deploy / PACKAGE).exists():
        raise StateError(
            "there is no inference package to compare with", where=workspace.increment.id,
            hint=f"run: sw do {workspace.increment.number} --task T-008",
        )  # fmt: skip
    reference = workspace.dataset.frame.iloc[workspace.split.train]
    record = _compare(
        Predictor.load(deploy), reference, frame, _settings(deploy), _holdout_metrics(workspace)
    )
    return {**record, "increment": workspace.increment.id}


def monitor_package(folder: Path, frame: pd.DataFrame) -> dict[str, Any]:
    """Compare a batch with a package's own reference rows; needs nothing but the package.

    Parameters and result are those of :func:`monitor_batch`.
    """
    reference = pd.read_parquet(folder / "monitoring" / REFERENCE)
    predictor = Predictor.load(folder)
    return _compare(predictor, reference, frame, _settings(folder), predictor.package.get("metrics") or {})


def _settings(deploy: Path) -> dict[str, Any]:
    path = deploy / "monitoring" / CONFIG
    return {**DEFAULTS, **(load_record(path, KIND, SCHEMA) if path.exists() else {})}


def _holdout_metrics(workspace: Workspace) -> dict[str, Any]:
    evaluation = load_evaluation(workspace.folder)
    return {m["name"]: m for m in evaluation["metrics"]}


def _compare(
    predictor: Predictor,
    reference: pd.DataFrame,
    frame: pd.DataFrame,
    settings: Mapping[str, Any],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    if len(frame) == 0:
        raise DataError("the batch has no rows", hint="bring rows to compare")
    frame = predictor.rows_of(frame)
    findings = [
        _softened(f, len(frame), settings) for f in predictor.check(frame) if f.code not in _TOLD_ELSEWHERE
    ]
    batch = coerce(frame, predictor.schema)
    kinds = column_kinds(predictor.schema)
    inputs = {n: k for n, k in kinds.items() if n in predictor.columns}
    drift = check_drift(coerce(reference, predictor.schema), batch, inputs)
    answers = _answer_drift(predictor, reference, batch)
    findings += _drift_findings(drift, settings)
    findings += _answer_findings(answers)
    performance, doubts = measure_performance(predictor, batch, before, kinds)
    findings += doubts
    if len(frame) < settings["few_rows"]:
        findings.append(
            Finding(
                code="SW716", severity="info", message=f"only {len(frame)} rows: small drifts cannot be seen",
                where="batch", evidence={"rows": len(frame)}, advice="collect more rows before concluding",
            )
        )  # fmt: skip
    order = {"error": 0, "warning": 1, "info": 2}
    record = {
        "kind": "monitoring-check",
        "schema": 1,
        "version": predictor.version,
        "rows": len(frame),
        "reference_rows": len(reference),
        "drift": drift,
        "answers": answers,
        "performance": performance,
        "findings": sorted(findings, key=lambda f: (order[f.severity], f.code)),
    }
    return dict(plain(record))


def _softened(finding: Finding, n_rows: int, settings: Mapping[str, Any]) -> Finding:
    """Return a few values beyond the training range as what they are: no alarm."""
    count = float(finding.evidence.get("count") or 0)
    if finding.code != "SW225" or count > settings["outside_share"] * n_rows:
        return finding
    return msgspec.structs.replace(finding, severity="info")


def column_kinds(schema: Mapping[str, Any]) -> dict[str, ColumnKind]:
    """Return the kinds of a schema's columns."""
    return {name: as_kind(entry) for name, entry in schema["columns"].items()}


def _answer_drift(predictor: Predictor, reference: pd.DataFrame, batch: pd.DataFrame) -> list[dict[str, Any]]:
    """Return how far the model's own answers moved, on up to a thousand rows of each."""
    tables = []
    for rows in (reference, batch):
        rng = np.random.default_rng(int(predictor.package["seed"]))
        chosen = np.sort(rng.choice(len(rows), size=min(_ANSWERED, len(rows)), replace=False))
        answers = predictor.predict(rows.iloc[chosen], reasons=False, strict=False)
        cells = pd.DataFrame([flat_answer(a) for a in answers])
        usual = [c for c in cells.columns if c == "prediction" or ":" in str(c)]
        tables.append(cells[usual] if usual else cells.select_dtypes("number"))
    return check_drift(tables[0], tables[1], infer_kinds(tables[0]))


def _drift_findings(drift: list[dict[str, Any]], settings: Mapping[str, Any]) -> list[Finding]:
    found = []
    for entry in drift:
        column = str(entry["column"])
        if entry["level"] != "none":
            found.append(
                Finding(
                    code="SW711", severity="warning" if entry["level"] == "large" else "info",
                    message=f"'{column}' drifted from training (PSI {entry['psi']:.2f}, {entry['level']})",
                    where=column, evidence={k: entry[k] for k in ("psi", "effect", "effect_name", "p_value")},
                    advice="find out what changed; where it stays so, train again on newer rows",
                )
            )  # fmt: skip
        share = float(entry.get("new_share") or 0.0)
        if share > settings["new_level_share"]:
            found.append(
                Finding(
                    code="SW712", severity="warning",
                    message=f"{share:.0%} of '{column}' are levels that training never had",
                    where=column, evidence={"new_levels": entry.get("new_levels"), "share": share},
                    advice="check how the column is filled, or train again on rows that hold these levels",
                )
            )  # fmt: skip
        change = float(entry.get("missing_change") or 0.0)
        if abs(change) > settings["missing_change"]:
            found.append(
                Finding(
                    code="SW713", severity="warning",
                    message=f"'{column}' is missing in {entry['missing_current']:.0%} of the rows, "
                    f"{entry['missing_reference']:.0%} in training",
                    where=column, evidence={"change": change}, advice="check the source of this column",
                )
            )  # fmt: skip
    return found


def _answer_findings(answers: list[dict[str, Any]]) -> list[Finding]:
    moved = [a for a in answers if a["level"] == "large"]
    if not moved:
        return []
    first = moved[0]
    return [
        Finding(
            code="SW714", severity="warning",
            message=f"the model's answers drifted ('{first['column']}', PSI {first['psi']:.2f})",
            where=str(first["column"]), evidence={"psi": first["psi"]},
            advice="compare with the columns that drifted; measure performance once the truth is known",
        )
    ]  # fmt: skip


def measure_performance(
    predictor: Predictor, batch: pd.DataFrame, before: Mapping[str, Any], kinds: Mapping[str, ColumnKind]
) -> tuple[list[dict[str, Any]] | None, list[Finding]]:
    """Measure the holdout's metrics on a batch that carries the target; None where it does not.

    Returns
    -------
    performance : list of dict or None
        ``{"metric", "now", "low", "high", "n", "then", "then_low", "then_high"}`` per metric.
    findings : list of Finding
        SW715 where a metric's interval lies wholly on the bad side of the holdout's.
    """
    target = predictor.schema.get("target")
    if target is None:
        return None, []
    roles = {
        "identifiers": predictor.package.get("identifiers") or [], "time": None,
        **(predictor.package.get("roles") or {}), "target": target,
    }  # fmt: skip
    # A truth may take more than the target's column: whether it ended, how much it weighs.
    asked = {c for c in roles.values() if isinstance(c, str) and c in kinds} - set(predictor.columns)
    truth = [c for c in kinds if c in asked]
    if not set(truth) <= set(batch.columns) or not batch[truth].notna().all(axis=1).any():
        return None, []
    known = batch[batch[truth].notna().all(axis=1)].reset_index(drop=True)
    problem: Problem = predictor.problem
    source = Source(path="batch", size_bytes=0, sha256="", rows=len(known))
    dataset = Dataset(known, dict(kinds), roles, source)
    outcome = problem.predict(predictor.model, dataset, np.arange(len(known)))
    outcome = problem.complete(outcome, predictor.package["decision"])
    performance, findings = [], []
    for name, then in before.items():
        measured = _measured(problem, name, outcome, predictor.package["decision"])
        if measured is None:
            continue
        performance.append(
            {
                "metric": name, "now": measured.value, "low": measured.low, "high": measured.high,
                "n": measured.n, "then": then["value"], "then_low": then.get("low"),
                "then_high": then.get("high"),
            }
        )  # fmt: skip
        if _fell(measured, then):
            findings.append(
                Finding(
                    code="SW715", severity="error",
                    message=f"{name} is {measured.value:.4g} here, {then['value']:.4g} on the holdout",
                    where=name, evidence=performance[-1],
                    advice="roll back if an older version does better here, and train again on newer rows",
                )
            )  # fmt: skip
    return performance, findings


def _measured(problem: Problem, name: str, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> Any:
    from specweave.metrics.base import find_metric, known_metric, parse_metric_ref

    if not known_metric(name.partition("@")[0]) or find_metric(name.partition("@")[0]).measure is None:
        return None
    try:
        return measure_with_interval(problem, parse_metric_ref(name), outcome, decision, n_resamples=200)
    except DataError:
        # Not defined on these rows, for example with one class only.
        return None


def _fell(now: Any, then: Mapping[str, Any]) -> bool:
    if now.low is None or now.high is None or then.get("low") is None or then.get("high") is None:
        return False
    if now.higher_is_better:
        return bool(now.high < float(then["low"]))
    return bool(now.low > float(then["high"]))
