"""Documents inside an increment that are made from records: do they still say what the records say?

Reads: the increment, its lock. Writes: in `mend`, the documents that do not. Never: renders one whose bytes are
those that its task wrote.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from specweave import registry
from specweave.errors import SpecweaveError
from specweave.experiments.compare import load_comparison, render_comparison
from specweave.files.atomic import write_bytes
from specweave.files.store import read_text, sha256_file
from specweave.increments.project import Increment, Project
from specweave.increments.spec import read_status
from specweave.pipeline.lock import load_lock
from specweave.pipeline.validation import validate_increment
from specweave.publish.summary import render_summary

SUMMARY = "COMPLETION-SUMMARY.md"
COMPARISON = "experiments/comparison.md"
# Which function of the registry's table "documents" makes which file of the tasks' evidence.
MAKERS = {
    "data/quality-report.md": "quality-report",
    "features/selection-report.md": "feature-reports",
    "features/validation-report.md": "feature-reports",
    "reports/evaluation-report.md": "evaluation-report",
    "reports/explainability-report.md": "explainability-report",
    "deploy/DEPLOYMENT.md": "deployment-docs",
    "deploy/ab-test-plan.md": "ab-test-plan",
}


@dataclass(frozen=True)
class Generated:
    """One document as it is and as its records have it; `wanted` is empty where they cannot be rendered."""

    path: Path
    wanted: str


def changed_documents(project: Project) -> list[Generated]:
    """Return the documents of every increment that do not say what their records say."""
    return [found for increment in project.increments() for found in _of(increment)]


def mend_documents(project: Project) -> list[Path]:
    """Write every changed document anew; return what was written."""
    written = []
    for found in changed_documents(project):
        if found.wanted:
            write_bytes(found.path, found.wanted.encode())
            written.append(found.path)
    return written


def _of(increment: Increment) -> list[Generated]:
    found = [_comparison(increment), _summary(increment)]
    lock = load_lock(increment.lock_path)
    for path in MAKERS:
        # Of several tasks that wrote it, the last one's word counts.
        written = [r.outputs[path] for r in lock.tasks.values() if r.status == "done" and path in r.outputs]
        target = increment.folder / path
        if written and target.exists() and not _same(target, written[-1]):
            found.append(Generated(target, _made_again(increment, path)))
    return [g for g in found if g is not None and g.wanted != read_text(g.path)]


def _comparison(increment: Increment) -> Generated | None:
    path = increment.folder / COMPARISON
    if not path.exists() or not path.with_suffix(".json").exists():
        return None
    return Generated(path, render_comparison(load_comparison(increment.experiments)))


def _summary(increment: Increment) -> Generated | None:
    path = increment.folder / SUMMARY
    if not path.exists() or read_status(increment.spec_path) != "done":
        return None
    found = validate_increment(increment, write=False)
    try:
        return Generated(path, render_summary(increment, found))
    except SpecweaveError:
        return None  # its records are gone; validate says so


def _same(path: Path, sha: str) -> bool:
    return sha256_file(path) == sha


def _made_again(increment: Increment, path: str) -> str:
    """Return what the document's maker writes from the same records, in a copy of the increment."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / ".specweave" / "increments" / increment.id
        shutil.copytree(increment.folder, folder, symlinks=True)
        try:
            registry.get("documents", MAKERS[path])(folder)
        except SpecweaveError:
            return ""
        return read_text(folder / path)
