"""The text of fresh documents: spec, plan, tasks, tests, scripts.

Reads: script templates of the package. Writes: nothing. Never: touches a document that exists.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.files.yamlio import render_yaml
from specweave.increments.criteria import Criterion
from specweave.increments.project import Increment
from specweave.increments.spec import DATA, MODEL, PROBLEM, Spec
from specweave.pipeline.tasktable import TaskDef
from specweave.problems.base import Choice
from specweave.records import Finding

RESULTS_BLOCK = "results"
DOUBTS = "Doubts about the data"


def title_of(increment: Increment) -> str:
    """Return a title for people: ``Fraud detection model``."""
    words = increment.id.partition("-")[2].replace("-", " ")
    return words[:1].upper() + words[1:]


def render_spec(
    increment: Increment,
    request: str,
    fields: Mapping[str, Mapping[str, str]],
    after: Sequence[str],
    today: dt.date,
) -> str:
    """Return the text of spec.md."""
    title = title_of(increment)
    lines = [
        "---", f'id: "{increment.number}"', f"title: {title}", "status: planned", f"created: {today.isoformat()}",
        "depends_on: [" + ", ".join(f'"{a}"' for a in after) + "]", "---", "", f"# {title}", "", "## Request", "",
        *(f"> {line}" for line in request.strip().splitlines()), "",
    ]  # fmt: skip
    for section in (PROBLEM, DATA, MODEL):
        lines += [f"## {section}", "", *(f"- {key}: {value}" for key, value in fields[section].items()), ""]
    return "\n".join(lines)


def render_plan(
    spec: Spec,
    choices: Sequence[Choice],
    reasons: Sequence[tuple[str, str]],
    profile: Mapping[str, Any] | None,
    tasks: Sequence[TaskDef],
) -> str:
    """Return the text of plan.md: why, then the one YAML block that runs."""
    config: dict[str, Any] = {}
    for choice in choices:
        node = config
        *path, leaf = choice.key.split(".")
        for part in path:
            node = node.setdefault(part, {})
        node[leaf] = choice.value
    lines = [f"# Plan: {spec.title}", ""]
    lines += ["How the pipeline runs, and why. The YAML block below is the program: edit a value, run `sw do`, and",
              "exactly the tasks that depend on it run again. What must be true stands in `spec.md`.", ""]  # fmt: skip
    if reasons:
        lines += ["## Read from request and data", ""]
        merged: dict[str, list[str]] = {}
        for key, reason in reasons:
            merged.setdefault(key, []).append(reason)
        lines += [f"- {key}: {'; '.join(told)}" for key, told in merged.items()] + [""]
    findings: list[Finding] = [f for f in (profile or {}).get("findings", []) if f.severity != "info"]
    if findings:
        lines += [f"## {DOUBTS}", ""]
        lines += [
            f"- {f.code} {f.where + ': ' if f.where else ''}{f.message}"
            + (f" ({f.advice})" if f.advice else "")
            for f in findings[:12]
        ]
        lines += [""]
    lines += ["## Choices", ""]
    lines += [f"- `{c.key}`: {c.reason}" for c in choices]
    lines += ["", "## Pipeline", "", "```yaml", render_yaml(config).rstrip("\n"), "```", ""]
    lines += ["## Stages", "", *_stages(tasks), ""]
    return "\n".join(lines)


def planned_doubts(increment: Increment) -> list[str]:
    """Return what plan.md says is doubtful about the data, one line each."""
    document = Document(read_text(increment.plan_path), f"{increment.id}/plan.md")
    section = document.find_section(DOUBTS)
    return [b.text for b in document.bullets(section)] if section else []


def _stages(tasks: Sequence[TaskDef]) -> list[str]:
    return [f"{i}. {t.title.partition(' (')[0]}: `{t.script}`" for i, t in enumerate(tasks, 1)]


def render_tasks(
    increment: Increment, counts: Mapping[str, str], tasks: Sequence[TaskDef], covers: Mapping[str, str]
) -> str:
    """Return the text of tasks.md; `covers` says by id what a task looks at for this kind of problem."""
    lines = [
        f"# Tasks: {title_of(increment)}", "",
        "`sw do` runs the scripts in this order and ticks a task when its evidence is in the folder. Add tasks of",
        "your own (a number, a `script:`, an `evidence:`), reorder them, remove them.", "",
    ]  # fmt: skip
    for task in tasks:
        lines += [
            f"- [ ] {task.id}: {task.title.format(**counts)}",
            *([f"  - covers: {covers[task.id]}"] if task.id in covers else []),
            f"  - script: `{task.script}`",
            f"  - evidence: {', '.join(f'`{e}`' for e in task.evidence)}",
        ]
    return "\n".join(lines) + "\n"


def render_tests(spec: Spec) -> str:
    """Return the text of tests.md before anything was measured."""
    lines = [
        f"# Tests: {spec.title}", "",
        "What was measured against what `spec.md` demands. `sw validate` rewrites the table between the markers and",
        "nothing else.", "", "## Evaluation criteria", "",
        f"<!-- specweave:begin {RESULTS_BLOCK} -->",
        render_result_rows([(c, None) for c in spec.criteria], spec.where),
        f"<!-- specweave:end {RESULTS_BLOCK} -->", "",
        "## More criteria", "",
        "Bullets here are criteria too, in the same grammar, for example `- Fairness: Recall > 0.5 where gender == Female`.",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def render_result_rows(rows: Sequence[tuple[Criterion, Mapping[str, str] | None]], source: str) -> str:
    """Return the table of tests.md; a row without result is not measured yet."""
    lines = ["| criterion | source | measured | verdict | experiment |", "|---|---|---|---|---|"]
    for criterion, result in rows:
        found = result or {}
        where = (
            f"{criterion.source.rpartition('/')[2]}:{criterion.line}" if criterion.line else criterion.source
        )
        cells = (criterion.text, where, found.get("measured", "not measured"), found.get("verdict", "missing"),
                 found.get("experiment", ""))  # fmt: skip
        lines.append("| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in cells) + " |")
    return "\n".join(lines)


def render_script(task: TaskDef, choices: Sequence[Choice]) -> str:
    """Return a task's script from the template of the same name."""
    template = files("specweave").joinpath("templates", "scripts", task.script.rpartition("/")[2])
    text = template.read_text(encoding="utf-8")
    values = {c.key: c.value for c in choices}
    strategies = values.get("baselines", ["random", "majority", "rule-based"])
    listed = ", ".join(f'"{s}"' for s in strategies)
    return re.sub(r"\{\{ *strategies *\}\}", listed, text)
