"""COMPLETION-SUMMARY.md: what was tried, what won, whether it is ready; every number read from its evidence.

Reads: experiments, the evaluation and its neighbours. Writes: nothing; the caller does. Never: repeats a
number without the file it stands in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.experiments.version_files import metadata_path
from specweave.experiments.versions import list_versions
from specweave.files.store import read_text
from specweave.increments.project import Increment
from specweave.increments.spec import load_spec
from specweave.metrics.base import find_metric, parse_metric_ref
from specweave.pipeline.reproduction import render_reproduction
from specweave.pipeline.validation import Validation, describe, metric_label, value_text
from specweave.pipeline.verdicts import Verdict, metric_from
from specweave.publish.ahead import ahead_lines
from specweave.stages.numbers import readable, short_number
from specweave.stages.records import DEPLOYMENT, find_evaluation, load_deployment


def render_summary(increment: Increment, found: Validation) -> str:
    """Return the text of the completion summary."""
    spec = load_spec(increment.spec_path)
    records = [r for r in ExperimentStore(increment.experiments).list() if r.tags.get("role") != "analysis"]
    head = [f"## {spec.title} - COMPLETE", "", f"> {spec.request}" if spec.request else ""]
    evaluation = find_evaluation(increment.folder)
    if evaluation is None:  # its tasks are scripts of its own, and it has no model
        own = [head, _logged(records), _criteria(found.verdicts), _lessons(records)]
        return "\n".join(line for part in own for line in [*part, ""]).rstrip("\n") + "\n"
    parts = [
        head,
        _experiments(records, evaluation),
        _best(increment, evaluation),
        _ahead(increment),
        _readiness(increment, found, evaluation),
        _criteria(found.verdicts),
        _lessons(records),
        _history(increment, found),
    ]
    return "\n".join(line for part in parts if part for line in [*part, ""]).rstrip("\n") + "\n"


def _logged(records: Sequence[ExperimentRecord]) -> list[str]:
    lines = [f"### Experiments Run: {len(records)}", ""]
    for record in records:
        told = (
            ", ".join(f"{n} = {short_number(float(v))}" for n, v in record.metrics.items()) or record.status
        )
        lines.append(f"- [{record.id}](experiments/{record.id}/metrics.json): {told}")
    return lines


def _experiments(records: Sequence[ExperimentRecord], evaluation: Mapping[str, Any]) -> list[str]:
    key = str(evaluation["selection_metric"])
    best = str(evaluation["experiment"])
    generation = evaluation.get("generation")
    sign = -1 if find_metric(parse_metric_ref(key).name).higher_is_better else 1

    def rank(record: ExperimentRecord) -> tuple[int, float]:
        value = record.metrics.get(f"cv_{key}")
        current = record.tags.get("generation") == generation
        return (0 if value is not None and current else 1, sign * float(value) if value is not None else 0.0)

    lines = [f"### Experiments Run: {len(records)}", "", f"{key} on validation folds, best first.", ""]
    for place, record in enumerate(sorted(records, key=rank), 1):
        link = f"[{record.id}](experiments/{record.id}/metrics.json)"
        value, spread = record.metrics.get(f"cv_{key}"), record.metrics.get(f"cv_{key}_std")
        if value is not None:
            told = f"{key}={readable(value)}" + (f" ± {float(spread):.2g}" if spread is not None else "")
        elif record.status == "completed":
            shown = list(record.metrics.items())[:2]
            told = ", ".join(f"{n}={readable(v)}" for n, v in shown) or "done"
        else:
            told = f"{record.status}: {record.last_note() or record.error or 'no note'}"
        if value is not None and record.tags.get("generation") != generation:
            told += " (on earlier data or features)"
        lines.append(f"{place}. {link} ({_short(record)}): {told}{' ✅ BEST' if record.id == best else ''}")
    return lines


def _short(record: ExperimentRecord) -> str:
    return record.tags.get("algorithm") or record.tags.get("role") or "tracked"


def _best(increment: Increment, evaluation: Mapping[str, Any]) -> list[str]:
    metadata = _version_of(increment, str(evaluation["experiment"]))
    by_name = {m["name"]: metric_from(m) for m in evaluation["metrics"]}
    primary = str(evaluation["selection_metric"])
    shown = [primary, *[n for n in by_name if n != primary and not _operational(n)]][:5]
    lines = [
        "### Best Model",
        "",
        f"- Algorithm: {evaluation['algorithm']} ([{evaluation['experiment']}](experiments/{evaluation['experiment']}/params.json))",
    ]
    if metadata:
        path, body = metadata
        lines.append(
            f"- Version: [{path.name.replace('.metadata.json', '.pkl')}](models/{path.name}) ({body.get('version', '')})"
        )
    lines.append("- Metrics ([evaluation](reports/evaluation-report.md), holdout of "
                 f"{evaluation['n_holdout']} {evaluation.get('answered', 'row')}s):")  # fmt: skip
    lines += [f"  - {metric_label(name)}: {value_text(by_name[name])}" for name in shown if name in by_name]
    rule = (evaluation.get("decision") or {}).get("threshold")
    if rule is not None:
        lines.append(f"- Threshold: {float(rule):.4g} ({evaluation['decision'].get('rule', '')})")
    seconds = evaluation.get("train_seconds")
    if seconds is not None:
        lines.append(f"- Training time: {duration_text(float(seconds))}")
    lines.append(f"- Model size: {size_text(float(evaluation['model_bytes']))}")
    return lines


def _operational(name: str) -> bool:
    try:
        return find_metric(name).measure is None
    except LookupError:
        return False


def _version_of(increment: Increment, experiment: str) -> tuple[Path, dict[str, Any]] | None:
    models = increment.folder / "models"
    matching = [v for v in list_versions(models) if v.metadata["experiment"] == experiment]
    return (metadata_path(models, matching[-1].number), matching[-1].metadata) if matching else None


def _ahead(increment: Increment) -> list[str]:
    if not (increment.folder / DEPLOYMENT).exists():
        return []
    lines = ahead_lines(increment.folder, load_deployment(increment.folder))
    return ["### What It Says Now", "", *lines] if lines else []


def _readiness(increment: Increment, found: Validation, evaluation: Mapping[str, Any]) -> list[str]:
    lines = ["### Deployment Ready", ""]
    for verdict in found.verdicts:
        ref = verdict.criterion.metric
        if ref is not None and _operational(ref.name) and verdict.metric is not None:
            target = verdict.criterion.text.partition(":")[2].strip() or verdict.criterion.text
            mark = "✅" if not verdict.blocks else "❌"
            unit = verdict.metric.unit
            value = short_number(verdict.metric.value) + (unit if unit in ("ms", "s", "%") else f" {unit}")
            lines.append(
                f"- {mark} {_readable(ref.name)}: {value} (target: {target}) ([measured](reports/evaluation.json))"
            )
    best = evaluation["experiment"]
    shap = increment.experiments / str(best) / "shap_values.pkl"
    lines.append(
        f"- {_mark(shap.exists())} Explainability: SHAP values computed ([report](reports/explainability-report.md))"
    )
    if (increment.folder / DEPLOYMENT).exists():
        parity = load_deployment(increment.folder)["parity"]
        rows = parity["rows"]
        told = (
            f"a fresh process gave the same answers for {rows} rows" if rows else "checked in a fresh process"
        )
        lines.append(
            f"- {_mark(bool(parity['passed']))} Inference package: {told} ([deploy](deploy/DEPLOYMENT.md))"
        )
    plan = increment.folder / "deploy" / "ab-test-plan.md"
    lines.append(f"- {_mark(plan.exists())} A/B test plan documented ([plan](deploy/ab-test-plan.md))")
    return lines


def _readable(name: str) -> str:
    return {"latency_p95_ms": "Inference latency (p95)", "throughput": "Throughput"}.get(
        name, metric_label(name)
    )


def _mark(good: bool) -> str:
    return "✅" if good else "❌"


def _criteria(verdicts: Sequence[Verdict]) -> list[str]:
    lines = ["### Criteria", "", "| criterion | measured | verdict |", "|---|---|---|"]
    for verdict in verdicts:
        cells = describe(verdict)
        row = (verdict.criterion.text, cells["measured"], cells["verdict"])
        lines.append("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |")
    return lines


def _lessons(records: Sequence[ExperimentRecord]) -> list[str]:
    failed = [r for r in records if r.status != "completed"]
    if not failed:
        return ["### What did not work", "", "No experiment failed."]
    lines = ["### What did not work", ""]
    return lines + [
        f"- [{r.id}](experiments/{r.id}/notes.md), {r.status}: {r.last_note() or r.error or 'no note'}"
        for r in failed
    ]


def _why(line: str) -> str:
    """Return why the holdout was read; a line that a killed process left unfinished still counts."""
    try:
        return str(json.loads(line)["why"])
    except (ValueError, KeyError, TypeError):
        return "a reason that cannot be read"


def _history(increment: Increment, found: Validation) -> list[str]:
    ledger = increment.folder / "holdout-ledger.jsonl"
    lines_read = read_text(ledger).splitlines() if ledger.exists() else []
    reads = Counter(_why(line) for line in lines_read)
    told = ", ".join(f"{n} for {why}" for why, n in sorted(reads.items()))
    lines = [
        "### Honesty",
        "",
        f"- The holdout was read {reads.total()} times ({told}); the model was chosen before, by validation folds "
        "([ledger](holdout-ledger.jsonl)).",
    ]
    if found.amendments:
        lines += [f"- Amended: {line}" for line in found.amendments]
    else:
        lines.append("- Criteria and split are those fixed when the first candidate was trained.")
    repeated = render_reproduction(increment)
    if repeated:
        lines.append(f"- {repeated} ([verdict](reports/reproduction.json)).")
    return lines


def duration_text(seconds: float) -> str:
    """Return seconds for people: ``0.4 s``, ``45 s``, ``45 min``."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size_text(size_bytes: float) -> str:
    """Return bytes for people: ``840 kB``, ``12 MB``."""
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.0f} kB"
