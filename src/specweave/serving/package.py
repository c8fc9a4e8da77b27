"""The inference package: one folder with the model, its schema, a script, and how to run it anywhere.

Reads: a registered model, templates, installed versions. Writes: the ``deploy/`` folder. Never: overwrites
a script that a person has edited.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from specweave.errors import StorageError
from specweave.experiments.artifacts import copy_in, pickled
from specweave.experiments.pickled_packages import needed_packages
from specweave.experiments.version_files import ModelVersion
from specweave.files.atomic import replacing, write_text
from specweave.files.store import load_record, save_record, sha256_file
from specweave.serving.inference import (
    BACKGROUND,
    CURRENT,
    KIND,
    MODEL,
    PACKAGE,
    ROWS_SCHEMA,
    SCHEMA,
    load_package,
)
from specweave.serving.monitoring import save_monitoring
from specweave.tables.schema import coerce, save_schema

# The scripts of the package and the templates they start from.
_SCRIPTS = {"inference.py": "inference.py", "monitoring/check.py": "check.py"}
_SERVICE = {"fastapi": "fastapi>=0.115", "uvicorn": "uvicorn>=0.34"}
# LightGBM's wheels need the system's OpenMP library, which slim images lack.
_OPENMP = frozenset(["lightgbm", "implicit"])
_NOT_SHIPPED = frozenset(["pip", "setuptools", "wheel", "pytest", "coverage", "pluggy", "iniconfig"])


def save_package(
    folder: Path,
    model: ModelVersion,
    *,
    problem: str,
    decision: Mapping[str, Any],
    schema: Mapping[str, Any],
    columns: list[str],
    identifiers: list[str],
    background: pd.DataFrame,
    reference: pd.DataFrame,
    reasons: int = 3,
    seed: int = 0,
    monitoring: Mapping[str, Any] | None = None,
    roles: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write everything that answering and watching need; requirements and Dockerfile come afterwards.

    Parameters
    ----------
    folder : Path
        The increment's ``deploy/``.
    model : ModelVersion
        The registered model; its file is copied.
    problem : str
        Name of the problem type in the registry.
    decision : mapping
    schema : mapping
        What rows must look like.
    columns, identifiers : list of str
        Raw columns of a request; those that name a row.
    background, reference : DataFrame
        Raw training rows: what explanations and drift are measured against.
    reasons : int
        Reasons with each answer.
    seed : int
    monitoring : mapping, optional
        Settings laid over the default ones.
    roles : mapping, optional
        Which column is what, as in the data set; measuring rows whose truth is known takes it.

    Returns
    -------
    dict
        What ``package.json`` holds.
    """
    before = _former_scripts(folder)
    copy_in(model.path, folder / MODEL)
    save_schema(folder / ROWS_SCHEMA, schema)
    _save_rows(folder / BACKGROUND, background, schema, columns)
    save_monitoring(folder / "monitoring", _ready(reference, schema, columns), monitoring)
    scripts = {name: _save_script(folder / name, template, before) for name, template in _SCRIPTS.items()}
    package = {
        "version": model.version,
        "experiment": model.metadata.get("experiment"),
        "algorithm": model.metadata.get("algorithm"),
        "problem": problem,
        "decision": dict(decision),
        "model_sha256": sha256_file(folder / MODEL),
        "columns": columns,
        "identifiers": identifiers,
        "roles": dict(roles or {}),
        "reasons": reasons,
        "seed": seed,
        "metrics": model.metadata.get("metrics") or {},
        "scripts": scripts,
    }
    save_record(folder / PACKAGE, KIND, SCHEMA, package)
    (folder / CURRENT).unlink(missing_ok=True)
    return package


def save_current(folder: Path, model: Any) -> dict[str, Any]:
    """Let a package answer by `model` from now on, and return what its ``package.json`` holds then."""
    with replacing(folder / CURRENT) as temporary:
        temporary.write_bytes(pickled(model))
    package = {**load_package(folder), "current_sha256": sha256_file(folder / CURRENT)}
    body = {k: v for k, v in package.items() if k not in ("kind", "schema")}
    save_record(folder / PACKAGE, KIND, SCHEMA, body)
    return package


def _ready(rows: pd.DataFrame, schema: Mapping[str, Any], columns: list[str]) -> pd.DataFrame:
    ready = coerce(rows, schema)
    return ready[[c for c in ready.columns if c in columns]].reset_index(drop=True)


def _save_rows(path: Path, rows: pd.DataFrame, schema: Mapping[str, Any], columns: list[str]) -> None:
    with replacing(path) as temporary:
        _ready(rows, schema, columns).to_parquet(temporary, index=False)


def _former_scripts(folder: Path) -> dict[str, str]:
    """Return the hashes of the scripts as they were last written by us."""
    try:
        return dict(load_record(folder / PACKAGE, KIND, SCHEMA).get("scripts") or {})
    except StorageError:
        return {}


def _save_script(path: Path, template: str, before: Mapping[str, str]) -> str:
    """Write a script unless a person has edited it; return the hash of our text."""
    text = load_template(template)
    ours = hashlib.sha256(text.encode()).hexdigest()
    name = path.name if path.parent.name != "monitoring" else f"monitoring/{path.name}"
    known = (before.get(name), ours)
    if not path.exists() or sha256_file(path) in known:
        write_text(path, text)
    return ours


def load_template(name: str) -> str:
    """Return the text of a template of the package."""
    return files("specweave").joinpath("templates", "deploy", name).read_text(encoding="utf-8")


def pin_requirements(modules: Iterable[str]) -> dict[str, str]:
    """Return name -> version of the packages behind `modules`: what answering really imported."""
    found = needed_packages(modules)
    return {n: v for n, v in found.items() if n.lower() not in _NOT_SHIPPED}


def save_requirements(folder: Path, pins: Mapping[str, str]) -> Path:
    """Write ``requirements.txt``: exact versions, and what serving over HTTP takes."""
    lines = {name.lower(): f"{name}=={pinned}" for name, pinned in pins.items()}
    for name, loose in _SERVICE.items():
        lines.setdefault(name, _pinned_or(name, loose))
    head = "# What answering imports, at the versions it was checked with.\n"
    return write_text(folder / "requirements.txt", head + "".join(f"{lines[n]}\n" for n in sorted(lines)))


def save_dockerfile(folder: Path, model: ModelVersion, pins: Mapping[str, str]) -> Path:
    """Write the ``Dockerfile`` of the HTTP service."""
    openmp = _OPENMP & {name.lower() for name in pins}
    system = (
        "RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 "
        "&& rm -rf /var/lib/apt/lists/*\n"
        if openmp
        else ""
    )
    text = Template(load_template("Dockerfile")).substitute(
        version=model.version,
        image=f"model-{model.version}",
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        system=system,
    )
    write_text(folder / ".dockerignore", "__pycache__/\n*.pyc\n")
    return write_text(folder / "Dockerfile", text)


def _pinned_or(name: str, loose: str) -> str:
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return loose
