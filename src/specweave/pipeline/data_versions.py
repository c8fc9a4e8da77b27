"""Which data an increment was trained on, whether it is still that, and putting a file under DVC.

Reads: ``data/data.lock.yaml``, the data, ``.dvc`` pointers. Writes: what ``dvc add`` writes. Never: fetches
data that nobody asked for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from specweave.errors import DataError, IntegrationError, MissingExtraError
from specweave.files.store import load_record
from specweave.increments.project import Increment, Project
from specweave.increments.spec import Spec, load_spec
from specweave.pipeline.staleness import content_fingerprint
from specweave.problems.base import problem_for
from specweave.tables.locating import find_pointer
from specweave.tables.sources.base import find_source
from specweave.tables.sources.snapshots import find_snapshot, take_snapshot

LOCK = "data/data.lock.yaml"


def data_fields(spec: Spec) -> list[str]:
    """Return the filled fields of a spec that name data."""
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    return [key for key in ("Training data", *problem.data_fields) if spec.get(key)]


def data_record(increment: Increment) -> list[dict[str, Any]]:
    """Return, per field, the address, the hash trained on, the hash now, rows, and the DVC pointer.

    Returns
    -------
    list of dict
        ``state`` is ``same``, ``changed``, ``not trained yet``, ``missing`` or ``not fetched``.
    """
    spec = load_spec(increment.spec_path)
    path = increment.folder / LOCK
    lock = load_record(path, "data-lock", 1) if path.exists() else {}
    rows: list[dict[str, Any]] = []
    for key in data_fields(spec):
        text = str(spec.get(key)).strip("`")
        source = find_source(text)
        now = content_fingerprint(increment, text)
        recorded = lock.get("sha256") if key == "Training data" else None
        there = len(now) == 64
        state = (
            now
            if not there
            else "not trained yet"
            if not recorded
            else "same"
            if now == recorded
            else "changed"
        )
        snapshot = find_snapshot(increment.project.root, text) if source else None
        pointer = find_pointer(increment.project.root, text) if source is None else None
        rows.append({
            "field": key, "source": source.shown(text) if source else text, "trained_on": recorded,
            "now": now if there else None, "rows": lock.get("rows") if recorded else None, "state": state,
            "fetched": snapshot.fetched if snapshot else None, "dvc": pointer,
        })  # fmt: skip
    return rows


def refresh_data(increment: Increment) -> list[dict[str, Any]]:
    """Fetch every address of a spec anew; return :func:`data_record` afterwards.

    Raises
    ------
    DataError, IntegrationError
        If one of them cannot be had; the snapshot that was there stays.
    """
    spec = load_spec(increment.spec_path)
    for key in data_fields(spec):
        text = str(spec.get(key)).strip("`")
        if find_source(text):
            take_snapshot(increment.project.root, text, spec.at(key), refresh=True)
    return data_record(increment)


def add_data(project: Project, path: Path) -> dict[str, Any]:
    """Put a data file under DVC; return its pointer.

    Raises
    ------
    DataError
        If there is no such file, or it lies outside the project.
    MissingExtraError
        If DVC is not installed.
    IntegrationError
        If DVC refuses; its own words are passed on.
    """
    whole = path.resolve()
    if not whole.is_file():
        raise DataError(f"no such file: {path}", where="sw data add", hint="name one data file")
    if not whole.is_relative_to(project.root.resolve()):
        raise DataError(
            f"{path} lies outside the project", where="sw data add", hint=f"move it below {project.root}"
        )
    program = _dvc()
    if not (project.root / ".dvc").is_dir():
        plain = [] if (project.root / ".git").exists() else ["--no-scm"]
        _run([program, "init", "--quiet", *plain], project.root)
    relative = whole.relative_to(project.root.resolve()).as_posix()
    _run([program, "add", "--quiet", relative], project.root)
    return {"file": relative, **(find_pointer(project.root, relative) or {})}


def _dvc() -> str:
    beside = Path(sys.executable).with_name("dvc")
    program = str(beside) if beside.exists() else shutil.which("dvc")
    if program is None:
        raise MissingExtraError.for_package("dvc", "dvc", "putting data under version control")
    return program


def _run(command: list[str], folder: Path) -> None:
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise IntegrationError(
            f"dvc {command[1]} ended with {done.returncode}: {said[0] if said else 'no word'}",
            where=str(folder),
            hint="run 'dvc doctor' in the project, then the same command again",
        )
