"""The text of each living document's blocks.

Reads: the facts of evaluated increments. Writes: nothing. Never: holds a clock, a path of the machine, or a
number that is not in the evidence.
"""

from __future__ import annotations

from collections.abc import Sequence

from specweave.errors import SpecError
from specweave.experiments.record import ExperimentRecord
from specweave.files.store import load_record
from specweave.increments.project import Increment, Project
from specweave.increments.spec import load_spec
from specweave.metrics.base import find_metric, parse_metric_ref
from specweave.pipeline.system import dependencies_of
from specweave.publish.living.facts import Facts
from specweave.publish.summary import duration_text, size_text
from specweave.stages.numbers import short_number


def render_model(facts: Facts) -> str:
    """Return the section of one increment in ``ml-models.md``."""
    e = facts.evaluation
    version = f", version {facts.version['version']}" if facts.version else ""
    lines = [
        f"## {facts.increment.id}", "",
        f"{facts.spec.request or facts.spec.title} ({facts.spec.get('Problem type')}, {facts.spec.status}).", "",
        f"**{e['algorithm']}** from [{facts.best.id}]({facts.link(f'experiments/{facts.best.id}/params.json')}){version}, "
        f"on `{facts.spec.get('Training data')}` (sha256 `{str(e['data_sha256'])[:12]}`), {e['split']}.", "",
        f"Measured on {e['n_holdout']} holdout rows ([report]({facts.link('reports/evaluation-report.md')})):", "",
        *facts.metric_lines(), *facts.operational_lines(), "",
        f"Needs: {facts.spec.get('Input') or 'see its schema'}. Gives: {facts.spec.get('Output')}.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def render_system(project: Project) -> str:
    """Return the graph of increments and what each builds on, as Mermaid."""
    lines = ["```mermaid", "graph LR"]
    increments = project.increments()
    for increment in increments:
        lines.append(f'  i{increment.number}["{increment.id}"]')
    rows: list[str] = []
    for increment in increments:
        for other, what in _builds_on(increment):
            known = other in {i.id for i in increments}
            node = f"i{other.partition('-')[0]}" + ("" if known else f'["{other} (missing)"]')
            lines.append(f"  {node} -->{f'|{what}|' if what else ''} i{increment.number}")
            rows.append(f"| {increment.id} | {what or 'comes after it'} | {other} |")
    table = ["| increment | takes | from |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join([*lines, "```", "", *table])


def _builds_on(increment: Increment) -> list[tuple[str, str]]:
    """Return (increment, what is taken from it); one that is gone by the number that the spec names."""
    try:
        return [(d.increment.id, d.what) for d in dependencies_of(increment)]
    except SpecError:
        return [(number, "") for number in load_spec(increment.spec_path).depends_on]


def render_features(facts: Facts) -> str | None:
    """Return the section of one increment in ``feature-engineering.md``, or None without definitions."""
    path = facts.increment.folder / "features" / "feature_definitions.yaml"
    if not path.exists():
        return None
    columns = load_record(path, "feature-definitions", 1).get("columns", {})
    used = {n: c for n, c in columns.items() if c.get("features")}
    dropped = {n: c for n, c in columns.items() if not c.get("features")}
    made = sum(len(c["features"]) for c in used.values())
    lines = [f"## {facts.increment.id}", "",
             f"{len(used)} columns give {made} features ([definitions]({facts.link('features/feature_definitions.yaml')}), "
             f"[selection]({facts.link('features/selection-report.md')})).", ""]  # fmt: skip
    by_action: dict[str, list[str]] = {}
    for name, column in used.items():
        by_action.setdefault(str(column.get("action", column["kind"])), []).append(name)
    lines += [f"- {action}: {_listed(names)}" for action, names in sorted(by_action.items())]
    reasons = [f"{name} ({column.get('reason') or 'no input'})" for name, column in dropped.items()]
    if reasons:
        lines.append(f"- left out: {_listed(reasons)}")
    return "\n".join(lines) + "\n"


def _listed(names: Sequence[str], most: int = 20) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def render_decision(facts: Facts) -> str:
    """Return the body of the decision record, in the form of MADR: options, drivers, outcome, confirmation."""
    e, key = facts.evaluation, facts.key
    lines = [
        "## Context and problem", "", f"{facts.spec.request or facts.spec.title}. Which algorithm?", "",
        "## Decision drivers", "", *(f"- {c.text}" for c in facts.spec.criteria), "",
        "## Considered options", "", *(_option(r, key) for r in _ranked(facts)), "",
        "## Decision", "",
        f"{e['algorithm']} ([{facts.best.id}]({facts.link(f'experiments/{facts.best.id}/metrics.json')})): the best {key} on "
        f"validation folds, {_score(facts.best, key)}.", *_against(facts), "",
        "## Consequences", "", *facts.operational_lines(),
        f"- Training takes {duration_text(float(e['train_seconds']))}." if e.get("train_seconds") is not None else "- Training time was not measured.",
        f"- The model file takes {size_text(float(e['model_bytes']))}.", "",
        "## Confirmation", "", f"`sw validate {facts.increment.number}` judges every driver again.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _ranked(facts: Facts) -> list[ExperimentRecord]:
    key = f"cv_{facts.key}"
    sign = -1 if find_metric(parse_metric_ref(facts.key).name).higher_is_better else 1
    return sorted(
        facts.records, key=lambda r: (key not in r.metrics, sign * float(r.metrics.get(key, 0.0)), r.number)
    )


def _option(record: ExperimentRecord, key: str) -> str:
    told = (
        _score(record, key)
        if f"cv_{key}" in record.metrics
        else f"{record.status}: {record.last_note() or 'no note'}"
    )
    return f"- {record.id} ({record.tags.get('algorithm', 'tracked')}): {told}"


def _score(record: ExperimentRecord, key: str) -> str:
    spread = record.metrics.get(f"cv_{key}_std")
    shown = f"{key} {short_number(float(record.metrics[f'cv_{key}']))}"
    return shown + (f" ± {float(spread):.2g}" if spread is not None else "")


def _against(facts: Facts) -> list[str]:
    return [
        f"Against {c['role']} {c['against']}, on the holdout: {short_number(c['difference'], sign=True)} {c['metric']} "
        f"[{short_number(c['low'])}, {short_number(c['high'])}], {c['verdict']}."
        for c in facts.evaluation.get("comparisons", [])
    ]


def render_runbook(facts: Facts) -> str:
    """Return the runbook: parameters, how to retrain and roll back, what to watch, what failed before."""
    number = facts.increment.number
    params = [f"- `{k}`: {v}" for k, v in sorted(facts.best.params.items())]
    failed = [r for r in facts.records if r.status != "completed"]
    decision = facts.evaluation.get("decision") or {}
    lines = [
        "## Hyperparameters", "", f"{facts.evaluation['algorithm']}, {facts.best.id}:", "", *(params or ["- its defaults"]), "",
        *([f"Decision threshold: {short_number(decision['threshold'])} ({decision.get('rule', '')}).", ""] if decision.get("threshold") is not None else []),
        "## Retrain", "", f"Replace `{facts.spec.get('Training data')}` and run `sw do {number}`; `sw validate {number}` judges the new "
        f"model, `sw model promote latest --increment {number}` puts it into production.", "",
        "## Roll back", "", f"`sw model rollback {number}` puts the version that was in production before back there.", "",
        "## Watch", "", f"`sw monitor {number} BATCH.csv` compares new rows with the training data: drift by column, drift of answers, "
        "performance where the target is known.", "", *facts.metric_lines(3), "",
        "## Known failures", "",
        *([f"- {r.id}, {r.status}: {r.last_note() or r.error or 'no note'}" for r in failed] or ["None on record."]),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
