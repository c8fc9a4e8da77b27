"""``sw inc``: from a request (and data) to the four documents and the nine scripts.

Reads: the request, the data file. Writes: spec.md, plan.md, tasks.md, tests.md, ``pipeline/``. Never:
leaves half an increment behind.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specweave.errors import DataError, SpecError, StateError, nearest
from specweave.files.atomic import write_text
from specweave.increments.criteria import parse_criteria
from specweave.increments.plan import parse_plan
from specweave.increments.project import Increment, Project
from specweave.increments.references import parse_reference
from specweave.increments.spec import DATA, MODEL, PROBLEM, parse_spec
from specweave.pipeline.documents import render_plan, render_script, render_spec, render_tasks, render_tests
from specweave.pipeline.inference import check_column, infer_problem, infer_target, infer_time
from specweave.pipeline.tasktable import OWN_TASKS, TASKS
from specweave.problems.base import Choice, Problem
from specweave.tables.locating import find_data_file
from specweave.tables.sources.base import is_source

_MODEL_DEFAULTS = {
    "Latency": "<100ms inference",
    "Throughput": "1000 req/sec",
    "Accuracy": "Better than best baseline by 20%",
    "Explainability": "Must explain top-3 features per prediction",
}


@dataclass
class Request:
    """What the user asked for with ``sw inc``; only `text` is required."""

    text: str
    data: str | None = None
    target: str | None = None
    problem: str | None = None
    time: str | None = None
    identifiers: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass
class Drafted:
    """What planning found out, with the reasons that go into plan.md."""

    problem: type[Problem]
    roles: dict[str, Any]
    profile: dict[str, Any] | None
    reasons: list[tuple[str, str]] = field(default_factory=list)


def plan_increment(project: Project, request: Request, *, today: dt.date | None = None) -> Increment:
    """Make a new increment with its documents and scripts.

    Parameters
    ----------
    project : Project
        Made where it does not exist yet.
    request : Request
    today : date, optional

    Raises
    ------
    SpecError
        If a metric does not parse.
    DataError, UnknownNameError
        If the data cannot be read or a named column is not in it. Nothing is written then.
    """
    for text in request.metrics:
        parse_criteria(text, where="--metric")
    drafted = draft(project, request)
    named = [*request.after, *([ref.name] if (ref := parse_reference(request.data)) else [])]
    after = tuple(dict.fromkeys(project.get_increment(a).number for a in named))
    increment = project.new_increment(request.text)
    try:
        _write_documents(increment, request, drafted, after, today or dt.date.today())
    except BaseException:
        shutil.rmtree(increment.folder, ignore_errors=True)
        raise
    return increment


def draft(project: Project, request: Request) -> Drafted:
    """Find out problem type, target, roles and profile from the request and the data."""
    if request.data is None:
        for value, option in ((request.target, "--target"), (request.time, "--time")):
            if value and not value.strip():
                raise SpecError(f"{option} is empty")
        cls, reason = infer_problem(request.text, None, {}, request.problem)
        roles = {"target": request.target, "identifiers": list(request.identifiers), "time": request.time}
        return Drafted(cls, roles, None, [("Problem type", reason)])
    return _draft_from_data(project, request)


def _draft_from_data(project: Project, request: Request) -> Drafted:
    from specweave.tables.kinds import infer_kinds
    from specweave.tables.profile import make_profile
    from specweave.tables.quality import check_quality, leak_columns
    from specweave.tables.reading import read_table

    path = find_data(project, str(request.data))
    read = read_table(path)
    frame, columns = read.frame, [str(c) for c in read.frame.columns]
    reasons: list[tuple[str, str]] = [("Training data", note) for note in read.notes]
    if read.separator not in ("", ",", "\t"):
        reasons.append(("Training data", f"its cells are separated by '{read.separator}'"))
    for name, option in ((request.target, "--target"), (request.time, "--time")):
        if name:
            check_column(name, columns, option)
    for name in request.identifiers:
        check_column(name, columns, "--id")
    target = request.target
    kinds = infer_kinds(frame, identifiers=request.identifiers, time=request.time)
    if target is None:
        keys = [c for c, k in kinds.items() if k.kind in ("identifier", "datetime")]
        found = infer_target(request.text, columns, keys)
        if found:
            target = found[0]
            reasons.append(("Target", f"`{found[0]}`: {found[1]}"))
    if target is not None:
        kinds |= infer_kinds(
            frame[[target]], target=target, identifiers=request.identifiers, time=request.time
        )
    time = request.time
    if time is None:
        ordered = infer_time(frame, {c: k for c, k in kinds.items() if c != target})
        if ordered:
            time = ordered[0]
            reasons.append(
                ("Time column", f"{ordered[1]}: the holdout is the latest part, never a random one")
            )
    identifiers = list(request.identifiers)
    for name, kind in kinds.items():
        if kind.kind == "identifier" and name not in (*identifiers, target, time):
            identifiers.append(name)
            reasons.append(("Identifier", f"`{name}`: {kind.reason}; it says nothing about new rows"))
    roles: dict[str, Any] = {"target": target, "asked_target": request.target, "identifiers": identifiers,
                             "time": time, "asked_time": request.time, "columns": columns,
                             "data": (path, data_text(project, str(request.data)))}  # fmt: skip
    cls, reason = infer_problem(request.text, frame, roles, request.problem)
    cls().check_planned(frame, roles, str(request.data))
    reasons.append(("Problem type", reason))
    for choice in cls.infer_roles(request.text, frame, kinds, roles):
        roles[choice.key] = choice.value
        if choice.reason:
            reasons.append((choice.key.replace("_", " ").capitalize(), choice.reason))
    keys = [f"`{name}`" for name in roles["identifiers"]]
    reasons = [(k, r) for k, r in reasons if k != "Identifier" or r.partition(":")[0] in keys]
    if roles["target"] is None:
        reasons = [(k, r) for k, r in reasons if k != "Target" or not r.startswith(f"`{target}`")]
    target = roles["target"]
    task = getattr(cls, "task", None)
    profile = make_profile(frame, kinds, target=target, task=task)
    findings = check_quality(profile, task=task)
    profile["drop"] = leak_columns(findings)
    profile["findings"] = findings
    roles["frame"] = frame
    roles["target_values"] = dict((profile.get("target") or {}).get("classes", {}))
    return Drafted(cls, roles, profile, reasons)


def find_data(project: Project, text: str) -> Path:
    """Return the data file that a user named, as seen from here or from the project's root.

    Raises
    ------
    DataError
        If there is no such file; offers the nearest.
    """
    if is_source(text):
        return find_data_file(project.root, text, "--data")
    given = Path(os.path.expanduser(text))
    for path in (given, project.root / given):
        if path.is_file():
            return path
    if given.is_dir() or (project.root / given).is_dir():
        raise DataError(f"'{text}' is a folder", where="--data", hint="name one file in it")
    folder = given.parent if given.parent.is_dir() else project.root
    close = nearest(given.name, [f.name for f in folder.iterdir()], 2)
    hint = f"did you mean {' or '.join(str(given.parent / c) for c in close)}?" if close else "check the path"
    raise DataError(f"no such file: {text}", where="--data", hint=hint)


def data_text(project: Project, text: str) -> str:
    """Return the data as the spec writes it: an address as it is, a path as seen from the project's root."""
    reference = parse_reference(text)
    if reference:
        number = project.get_increment(reference.name).number
        return f"increment: {number}" + (f" {reference.what}" if reference.what != "data" else "")
    if is_source(text):
        return " ".join(text.split())
    whole, root = find_data(project, text).resolve(), project.root.resolve()
    return (
        whole.relative_to(root).as_posix()
        if whole.is_relative_to(root)
        else Path(os.path.relpath(whole, root)).as_posix()
    )


def spec_fields(project: Project, request: Request, drafted: Drafted) -> dict[str, dict[str, str]]:
    """Return the bullets of the three sections, in order."""
    own = drafted.problem.draft_spec(request.text, drafted.profile, drafted.roles)
    roles = drafted.roles
    target = roles.get("target")
    problem: dict[str, str] = {"Problem type": own["problem"].get("Problem type", drafted.problem.types[0])}
    # The type's plain name ("classification") leaves the exact spelling to what the data says.
    if request.problem and request.problem.casefold() != drafted.problem.name:
        asked = next((t for t in drafted.problem.types if t.casefold() == request.problem.casefold()), None)
        problem["Problem type"] = asked or problem["Problem type"]
    problem["Input"] = own["problem"].get("Input") or _input_text(drafted)
    problem |= {k: v for k, v in own["problem"].items() if k not in problem}
    if request.metrics:
        problem["Success metrics"] = ", ".join(request.metrics)
    data: dict[str, str] = {
        "Training data": data_text(project, request.data) if request.data
        else "(fill in: path of a table, for example data/train.csv)",
        "Target": target or "(fill in: the column to predict" + (f", one of {', '.join(_offer(drafted))})" if roles.get("columns") else ")"),
    }  # fmt: skip
    if "Target" not in drafted.problem.required and not target:
        data.pop("Target")
    data["Identifier"] = ", ".join(roles.get("identifiers") or []) or "none"
    data["Time column"] = roles.get("time") or "none"
    data |= {k: str(v) for k, v in own["data"].items() if v is not None}
    data = {k: v for k, v in data.items() if own["data"].get(k, v) is not None}
    if "Validation" not in data:
        default = getattr(drafted.problem, "default_validation", "random")
        data["Validation"] = "last 20% by time" if roles.get("time") else f"{default} 20% holdout"
    model = {**_MODEL_DEFAULTS, **{k: str(v) for k, v in own["model"].items()}}
    return {PROBLEM: problem, DATA: data, MODEL: {k: v for k, v in model.items() if v}}


def _offer(drafted: Drafted) -> list[str]:
    kinds = (drafted.profile or {}).get("columns", {})
    return [c for c, info in kinds.items() if info.get("kind") not in ("identifier", "constant", "empty")][
        -8:
    ]


def _input_text(drafted: Drafted) -> str:
    if drafted.profile is None:
        return "one row per case (see data/schema.yaml)"
    out = {
        drafted.roles.get("target"),
        *drafted.roles.get("identifiers", []),
        *drafted.profile.get("drop", {}),
    }
    kinds: dict[str, int] = {}
    for name, info in drafted.profile["columns"].items():
        if name not in out and info["kind"] not in ("identifier", "constant", "empty"):
            kinds[info["kind"]] = kinds.get(info["kind"], 0) + 1
    told = ", ".join(f"{n} {k}" for k, n in sorted(kinds.items(), key=lambda kv: -kv[1]))
    return f"{sum(kinds.values())} columns ({told}; see data/schema.yaml)"


def _write_documents(
    increment: Increment, request: Request, drafted: Drafted, after: Sequence[str], today: dt.date
) -> None:
    fields = spec_fields(increment.project, request, drafted)
    spec_text = render_spec(increment, request.text, fields, after, today)
    spec = parse_spec(spec_text, increment.spec_path)
    choices = drafted.problem().draft_plan(spec, drafted.profile)
    tasks = TASKS if drafted.problem.trains else OWN_TASKS
    plan_text = render_plan(spec, choices, drafted.reasons, drafted.profile, tasks)
    plan = parse_plan(plan_text, increment.plan_path, drafted.problem.plan_keys)
    write_text(increment.spec_path, spec_text)
    write_text(increment.plan_path, plan_text)
    write_text(
        increment.tasks_path, render_tasks(increment, _counts(plan.config), tasks, drafted.problem.covers)
    )
    write_text(increment.tests_path, render_tests(spec))
    for task in tasks:
        write_text(increment.folder / task.script, render_script(task, choices))


def _counts(config: Mapping[str, Any]) -> dict[str, str]:
    baselines = "/".join(str(b) for b in config.get("baselines", []) if isinstance(b, str))
    n = len(config.get("candidates", []))
    return {
        "baselines": baselines or "random/popularity",
        "candidates": f"{n} algorithms" if n else "3 algorithms",
    }


def check_fresh(increment: Increment) -> None:
    """Raise StateError where an increment already has documents."""
    if increment.spec_path.exists():
        raise StateError(
            f"{increment.id} already exists",
            where=increment.folder,
            hint=f"continue: sw do {increment.number}",
        )


__all__ = ["Choice", "Request", "check_fresh", "plan_increment"]
