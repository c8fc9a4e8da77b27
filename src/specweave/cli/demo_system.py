"""Demos of several increments: each is planned on what the ones before it published, then run.

Reads: ``demo.yaml`` and the scripts beside it. Writes: the demo project. Never: does what the commands cannot.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specweave.files.atomic import write_text
from specweave.files.store import read_text
from specweave.increments.plan import load_plan, save_plan_config
from specweave.increments.project import Increment, Project
from specweave.increments.spec import DATA, load_spec
from specweave.problems.base import problem_for

Step = Callable[[str, list[str]], int]


def run_system(folder: Path, demo: Mapping[str, Any], project: Project, data: str, step: Step) -> int:
    """Make what is not there yet, run everything, close everything; return the first exit code that is not 0.

    Parameters
    ----------
    folder : Path
        Of the example.
    demo : mapping
        What ``demo.yaml`` says.
    project : Project
    data : str
        The raw data of the first increment.
    step : callable
        Runs one command of ``sw`` (its name, its arguments) and returns its exit code.
    """
    budget = ["--budget", str(demo.get("budget", "60s"))]
    entries = demo["increments"]
    for entry in entries:
        name = str(entry["request"])
        if (project.increments_folder / name / "spec.md").exists():
            continue
        code = step("inc", _arguments(entry, data))
        if code:
            return code
        _edit(project.get_increment(name), entry, folder)
        # The next one is planned on what this one publishes.
        code = step("do", [name, *budget])
        if code:
            return code
    code = step("do", ["--all", *budget])
    for entry in entries:
        for command in ("validate", "done"):
            code = code or step(command, [str(entry["request"])])
    return code or step("status", ["--graph"])


def _arguments(entry: Mapping[str, Any], data: str) -> list[str]:
    arguments = [str(entry["request"]), "--data", str(entry.get("data", data))]
    for option in ("problem", "target"):
        if entry.get(option):
            arguments += [f"--{option}", str(entry[option])]
    for metric in entry.get("metrics", []):
        arguments += ["--metric", str(metric)]
    return arguments


def _edit(increment: Increment, entry: Mapping[str, Any], folder: Path) -> None:
    """Edit the documents as a person would: bullets of spec.md, settings of plan.md, a script of one's own."""
    for key, value in entry.get("spec", {}).items():
        write_text(increment.spec_path, _with_bullet(read_text(increment.spec_path), str(key), str(value)))
    problem = problem_for(load_spec(increment.spec_path).problem_type)
    changes = entry.get("plan", {})
    if changes:
        plan = load_plan(increment.plan_path, problem.plan_keys)
        config: dict[str, Any] = dict(plan.config)
        for key, value in changes.items():
            section, _, leaf = str(key).rpartition(".")
            config[section] = {**config.get(section, {}), leaf: value}
        save_plan_config(increment.plan_path, config, problem.plan_keys)
    script = entry.get("script")
    if script:
        shutil.copyfile(folder / "scripts" / script["file"], increment.folder / "pipeline" / script["file"])
        write_text(increment.tasks_path, _with_task(read_text(increment.tasks_path), script))


def _with_bullet(text: str, key: str, value: str) -> str:
    line = f"- {key}: {value}"
    changed, found = re.subn(rf"(?m)^- {re.escape(key)}:.*$", line, text, count=1)
    return changed if found else text.replace(f"## {DATA}\n\n", f"## {DATA}\n\n{line}\n", 1)


def _with_task(text: str, script: Mapping[str, Any]) -> str:
    """Return tasks.md with T-010 running this script; the one that was drafted gives way."""
    head = re.split(r"(?m)^- \[.\] T-010:", text, maxsplit=1)[0].rstrip("\n")
    evidence = ", ".join(f"`{part.strip()}`" for part in str(script["evidence"]).split(","))
    return (
        f"{head}\n- [ ] T-010: {script['title']}\n  - script: `pipeline/{script['file']}`\n"
        f"  - evidence: {evidence}\n"
    )
