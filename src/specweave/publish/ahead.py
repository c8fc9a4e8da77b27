"""Pictures and a few lines of the answers that people wait for: forecasts, lists, values of customers.

Reads: ``reports/deployment.json``, the file of answers, kept predictions. Writes: pictures beside it. Never: answers
anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from specweave.experiments.store import ExperimentStore
from specweave.problems.base import Problem, problem_for
from specweave.publish.drawing import save_figures
from specweave.stages.training import load_predictions


def save_pictures_ahead(folder: Path, record: Mapping[str, Any], package: Mapping[str, Any]) -> list[Path]:
    """Draw the answers that T-008 wrote ahead; none where the problem type draws none."""
    ahead = record.get("ahead") or {}
    problem: Problem = problem_for(str(package["problem"]), where="package.json")
    path = folder / str(ahead.get("file"))
    for old in (folder / "reports").glob("ahead-*.png"):
        old.unlink()
    outcome = load_predictions(ExperimentStore(folder / "experiments").get(record["experiment"]))
    if not ahead.get("file") or not path.exists() or outcome is None:
        return []
    told = pd.read_csv(path, dtype=str, keep_default_na=False)
    return save_figures(problem.figures_ahead(outcome, told, package["roles"]), folder / "reports")


def ahead_lines(folder: Path, record: Mapping[str, Any], *, prefix: str = "") -> list[str]:
    """Return what a document says of the answers ahead: the file, its pictures, or why there is none.

    Parameters
    ----------
    prefix : str
        What leads from the document to the increment's folder, such as ``../``.
    """
    ahead = record.get("ahead")
    if not ahead:
        return []
    if not ahead.get("file"):
        return [f"No answers ahead were written: {ahead.get('why', '')}."]
    left_out = int(ahead.get("rows_left_out") or 0)
    more = f"; {left_out:,} more are answered by `sw predict`" if left_out else ""
    name = Path(ahead["file"]).stem.capitalize()
    lines = [f"**{name}**: [{ahead['file']}]({prefix}{ahead['file']}), {ahead['rows']:,} rows{more}."]
    pictures = sorted((folder / "reports").glob("ahead-*.png"))
    for path in pictures:
        lines += ["", f"![What comes next]({prefix}reports/{path.name})"]
    return lines
