"""A small increment whose nine scripts only write their evidence: a run takes a fraction of a second."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from specweave.increments.project import Increment, Project
from specweave.pipeline.planning import Request, plan_increment
from specweave.pipeline.runner import run_increment
from specweave.pipeline.tasktable import TASKS

SCRIPT = '''"""Write the evidence of one task."""

from pathlib import Path

folder = Path(__file__).resolve().parents[1]
for name in {names!r}:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("kind: feature-definitions\\nschema: 1\\n" if path.suffix == ".yaml" else "made")
print("{id} was here")
'''
DATA = "age,income,city,churn\n" + "".join(
    f"{20 + i % 40},{1000 + 37 * i},{'abc'[i % 3]},{'Yes' if i % 3 == 0 else 'No'}\n" for i in range(60)
)


def evidence_of(task_id: str) -> list[str]:
    """Return one file name per pattern of a task's evidence."""
    patterns = next(t.evidence for t in TASKS if t.id == task_id)
    names = {"T-003": "a-baseline", "T-005": "b-tuned"}
    return [
        p.replace("*baseline*", "a-baseline").replace("*tuned*", "b-tuned").replace(
            "experiments/*/", f"experiments/{names.get(task_id, 'c-candidate')}/").replace("*", "1")
        for p in patterns
    ]  # fmt: skip


def trivial_scripts(increment: Increment) -> None:
    """Replace the nine scripts."""
    for task in TASKS:
        text = SCRIPT.format(names=evidence_of(task.id), id=task.id)
        (increment.folder / task.script).write_text(text, encoding="utf-8")


@pytest.fixture(autouse=True)
def _own_environment() -> object:
    kept = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("SPECWEAVE_")}
    yield
    for name in [k for k in os.environ if k.startswith("SPECWEAVE_")]:
        del os.environ[name]
    os.environ.update(kept)


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a project with one planned increment, never run."""
    root = tmp_path_factory.mktemp("planned")
    (root / "data").mkdir()
    (root / "data" / "churn.csv").write_text(DATA, encoding="utf-8")
    request = Request(
        "predict churn", data=str(root / "data" / "churn.csv"), target="churn", metrics=("ROC AUC > 0.6",)
    )
    trivial_scripts(plan_increment(Project(root), request, today=dt.date(2026, 1, 2)))
    return root


@pytest.fixture(scope="session")
def finished(planned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of the same project after a whole run."""
    root = tmp_path_factory.mktemp("finished") / "project"
    shutil.copytree(planned, root)
    assert run_increment(Project(root).increments()[0]).failed is None
    return root


Copy = Callable[[], Increment]


def _copy(source: Path, target: Path) -> Increment:
    shutil.copytree(source, target)
    return Project(target).increments()[0]


@pytest.fixture
def fresh(planned: Path, tmp_path: Path) -> Increment:
    """Return a planned increment of one's own."""
    return _copy(planned, tmp_path / "project")


@pytest.fixture
def ran(finished: Path, tmp_path: Path) -> Increment:
    """Return an increment of one's own in which everything is up to date."""
    return _copy(finished, tmp_path / "project")


@pytest.fixture
def edit() -> Callable[[Path, str, str], None]:
    """Return a function that replaces one text in a file."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {path.name}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace
