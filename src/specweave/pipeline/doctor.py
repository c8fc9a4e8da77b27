"""What can be wrong with a machine or a project, and what can be mended without asking.

Reads: installed packages, the project's folders and documents. Writes: folder names and ids, only in `mend`.
Never: deletes anything.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from specweave.errors import SpecweaveError
from specweave.files.atomic import storage_errors, write_text
from specweave.files.documents import Document
from specweave.files.store import load_json, read_text, save_json
from specweave.increments.merging import driver_is_set, set_driver, write_attributes
from specweave.increments.plan import load_plan
from specweave.increments.project import Increment, Project
from specweave.increments.spec import load_spec
from specweave.increments.tasks import load_tasks
from specweave.pipeline.system import dependencies_of
from specweave.problems.base import problem_for
from specweave.stages.records import find_evaluation

_PACKAGES = (
    "numpy",
    "pandas",
    "scikit-learn",
    "lightgbm",
    "optuna",
    "shap",
    "matplotlib",
    "nbclient",
    "ipykernel",
)
_EXTRAS = {"catboost": "catboost", "torch": "torch", "mlflow": "mlflow", "ray": "ray", "fastapi": "serve",
           "statsforecast": "forecast", "prophet": "forecast", "implicit": "recsys"}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool
    note: str = ""
    fix: str = ""


def check_machine() -> list[Check]:
    """Check Python, the packages of the main job, and name the optional ones."""
    checks = [Check("Python", sys.version_info >= (3, 11), sys.version.split()[0])]
    for name in _PACKAGES:
        found = _version(name)
        checks.append(
            Check(
                name,
                found is not None,
                found or "not installed",
                "" if found else "run: pip install specweave-ml",
            )
        )
    xgboost = _version("xgboost-cpu") or _version("xgboost")
    checks.append(
        Check(
            "xgboost",
            xgboost is not None,
            xgboost or "not installed",
            "" if xgboost else "run: pip install xgboost-cpu",
        )
    )
    extras = [
        f"{n} {v}" if (v := _version(n)) else f"{n}: no (pip install 'specweave-ml[{e}]')"
        for n, e in _EXTRAS.items()
    ]
    checks.append(Check("optional packages", True, ", ".join(extras)))
    free = shutil.disk_usage(".").free / 1e9
    checks.append(
        Check("free disk", free > 0.5, f"{free:.1f} GB", "" if free > 0.5 else "free some disk space")
    )
    return checks


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_project(project: Project) -> list[Check]:
    """Check that the settings and every increment's documents parse, and that no number stands twice."""
    checks = [_config(project)]
    twice = duplicate_numbers(project)
    told = "; ".join(f"{n}: {', '.join(i.id for i in found)}" for n, found in twice.items())
    checks.append(
        Check(
            "increment numbers",
            not twice,
            told or "each stands once",
            "run: sw doctor --fix" if twice else "",
        )
    )
    checks.append(_merging(project))
    for increment in project.increments():
        doubled = _doubled_experiments(increment)
        if doubled:
            checks.append(
                Check(f"{increment.id} experiment numbers", False, ", ".join(doubled), "run: sw doctor --fix")
            )
        try:
            spec = load_spec(increment.spec_path)
            problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
            load_plan(increment.plan_path, problem.plan_keys)
            load_tasks(increment.tasks_path)
        except SpecweaveError as error:
            checks.append(Check(increment.id, False, f"{error.where}: {error.what}", error.hint or ""))
        else:
            checks.append(Check(increment.id, True, spec.status))
    return checks


def _merging(project: Project) -> Check:
    known = driver_is_set(project.root)
    if known is None:
        return Check("git", True, "no repository; nothing to merge")
    if known and (project.home / ".gitattributes").exists():
        return Check("git", True, "derived files are never merged")
    return Check(
        "git", False, "this clone does not know how derived files are merged", "run: sw doctor --fix"
    )


def _config(project: Project) -> Check:
    try:
        project.config()
    except SpecweaveError as error:
        return Check("config.yaml", False, f"{error.where}: {error.what}", error.hint or "")
    return Check("config.yaml", True)


def duplicate_numbers(project: Project) -> dict[str, list[Increment]]:
    """Return the increments that share a number (two branches were merged), by number."""
    counts = Counter(i.number for i in project.increments())
    return {n: [i for i in project.increments() if i.number == n] for n, c in counts.items() if c > 1}


def _doubled_experiments(increment: Increment) -> list[str]:
    if not increment.experiments.is_dir():
        return []
    names = sorted(f.name for f in increment.experiments.iterdir() if re.match(r"exp-\d+-", f.name))
    counts = Counter(name.split("-")[1] for name in names)
    return [name for name in names if counts[name.split("-")[1]] > 1]


def mend(project: Project) -> list[str]:
    """Give all but the first of a duplicate number the next free one, and set up merging; say what was done."""
    done: list[str] = []
    if write_attributes(project.home):
        done.append("wrote .specweave/.gitattributes")
    if set_driver(project.root):
        done.append("told this clone to keep derived files in a merge")
    for found in duplicate_numbers(project).values():
        # The older one keeps its number: others may already refer to it.
        ordered = sorted(found, key=lambda i: (_created(i), i.id))
        for increment in ordered[1:]:
            number = max(int(i.number) for i in project.increments()) + 1
            target = project.increments_folder / f"{number:04d}-{increment.id.partition('-')[2]}"
            with storage_errors(target):
                increment.folder.rename(target)
            _set_id(Increment(target))
            named = [i.id for i in project.increments() if increment.number in _named_in(i)]
            done.append(
                f"{increment.id} is now {target.name}"
                + (
                    f"; {', '.join(named)} build on {increment.number}: see that it is the one they mean"
                    if named
                    else ""
                )
            )
    for increment in project.increments():
        done += _renumber_experiments(increment)
    return done


def _named_in(increment: Increment) -> set[str]:
    """Return the numbers that an increment builds on, as its documents write them."""
    try:
        return {d.increment.number for d in dependencies_of(increment)}
    except SpecweaveError:
        return set()


def _renumber_experiments(increment: Increment) -> list[str]:
    """Give every experiment of a doubled number but the oldest the next free one.

    One that the evaluation speaks of keeps its name.
    """
    names = _doubled_experiments(increment)
    if not names:
        return []
    folder = increment.experiments
    evaluation = find_evaluation(increment.folder)
    fixed = str(evaluation["experiment"]) if evaluation else ""
    records = {name: load_json(folder / name / "experiment.json") for name in names}
    done: list[str] = []
    for number in sorted({name.split("-")[1] for name in names}):
        shared = [n for n in names if n.split("-")[1] == number]
        shared.sort(key=lambda n: (n != fixed, str(records[n].get("started", "")), n))
        for name in shared[1:]:
            taken = [int(f.name.split("-")[1]) for f in folder.iterdir() if re.match(r"exp-\d+-", f.name)]
            free = max(taken) + 1
            target = f"exp-{free:03d}-{name.split('-', 2)[2]}"
            with storage_errors(folder / target):
                (folder / name).rename(folder / target)
            body = {**records[name], "number": free}
            body |= {key: target for key in ("id", "folder") if key in body}
            save_json(folder / target / "experiment.json", body)
            done.append(f"{increment.id}: {name} is now {target}")
    return done


def _created(increment: Increment) -> str:
    try:
        return load_spec(increment.spec_path).created
    except SpecweaveError:
        return "9999"


def _set_id(increment: Increment) -> None:
    text = read_text(increment.spec_path)
    document = Document(text, f"{increment.id}/spec.md").with_front_value("id", f'"{increment.number}"')
    write_text(increment.spec_path, document.text)
