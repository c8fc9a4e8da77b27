"""The three executed notebooks in which a data scientist goes on working.

Reads: an increment's records and data (through the kernel). Writes: ``notebooks/``. Never: overwrites a
notebook that a person edited; such a one is executed as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from specweave.errors import StageError
from specweave.files.store import load_record
from specweave.increments.project import Increment
from specweave.publish.notebook_files import load_edited, load_template, make_notebook, save_notebook
from specweave.publish.notebook_kernel import execute
from specweave.stages.explore import load_profile
from specweave.stages.features import IMPORTANCE
from specweave.stages.progress import tell
from specweave.stages.records import load_evaluation
from specweave.stages.workspace import DEFINITIONS

FOLDER = "notebooks"


def publish_eda(folder: Path) -> list[Path]:
    """Write and execute ``notebooks/01-eda.ipynb``.

    Raises
    ------
    StageError
        If the data was not explored yet, or a cell fails.
    """
    profile = load_profile(folder)
    target = profile.get("target") or {}
    conditions = {"target", target["task"]} if target else set()
    if (profile.get("correlation_matrix") or {}).get("columns"):
        conditions.add("correlations")
    return _publish(folder, "01-eda", {"target": _quoted(target.get("name", ""))}, conditions)


def publish_feature_engineering(folder: Path) -> list[Path]:
    """Write and execute ``notebooks/02-feature-engineering.ipynb``.

    Raises
    ------
    StageError
        If no features were made yet, or a cell fails.
    """
    path = folder / IMPORTANCE
    if not path.exists():
        raise StageError("no features were made yet", where=folder.name, hint="run: sw do --task T-002")
    ranked = [entry["column"] for entry in load_record(path, "feature-importance", 1)["columns"]]
    kinds = load_record(folder / DEFINITIONS, "feature-definitions", 1)["columns"]
    numeric = [name for name in ranked if name in kinds and kinds[name]["kind"] == "numeric"][:2]
    conditions = {"numeric_pair"} if len(numeric) == 2 else set()
    pair = ", ".join(f'"{_quoted(name)}"' for name in numeric)
    return _publish(folder, "02-feature-engineering", {"numeric_pair": pair}, conditions)


def publish_model_analysis(folder: Path) -> list[Path]:
    """Write and execute ``notebooks/03-model-analysis.ipynb``.

    Raises
    ------
    StageError
        If nothing was evaluated yet, or a cell fails.
    """
    record = load_evaluation(folder)
    rival = next((c["against"] for c in record["comparisons"] if c["role"] == "runner-up"), "")
    # Outcomes that do not point at single rows of the data have no raw values to show.
    conditions = {"rows"} if record["errors"]["worst"] else set()
    if rival and conditions:
        conditions.add("runner_up")
    if (folder / "experiments" / "comparison.json").exists():
        conditions.add("comparison")
    return _publish(folder, "03-model-analysis", {"runner_up": rival}, conditions)


def _publish(folder: Path, name: str, values: Mapping[str, str], conditions: Collection[str]) -> list[Path]:
    path = folder / FOLDER / f"{name}.ipynb"
    notebook = load_edited(path)
    if notebook is not None:
        tell("note", f"{name}.ipynb was edited: it is executed as it is")
    else:
        notebook = make_notebook(load_template(name), {"increment": folder.name, **values}, conditions)
    return [save_notebook(path, run_notebook(notebook, folder, name))]


def run_notebook(notebook: Any, folder: Path, name: str) -> Any:
    """Execute a notebook at the project's root, with this increment as the active one."""
    tell("note", f"executing {name}.ipynb")
    root = Increment(folder.resolve()).project.root
    environment = {"SPECWEAVE_INCREMENT": folder.name, "SPECWEAVE_PROJECT": str(root)}
    return execute(notebook, cwd=root, name=name, environment=environment)


def _quoted(name: str) -> str:
    """Return a column's name as it stands between double quotes in Python."""
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
