"""What people wait for: the next steps of each series, each user's list, each customer's value.

Reads: the training data, the inference package. Writes: ``deploy/current.pkl``, ``reports/<name>.csv``. Never:
holds up a deployment because something that the answers need is not known yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specweave.errors import DataError
from specweave.serving.batch import answer_table, identifiers, save_table
from specweave.serving.inference import Predictor
from specweave.serving.package import save_current
from specweave.stages.progress import tell
from specweave.stages.workspace import Workspace
from specweave.tables.locating import find_data_file
from specweave.tables.reading import read_table

MOST_ROWS = 100_000
MOST_EXPLAINED = 2_000


def serve_all_rows(workspace: Workspace, deploy: Path, predictor: Predictor) -> Predictor:
    """Return the predictor that answers from now on: fitted to every row where the problem type serves that.

    Parameters
    ----------
    predictor : Predictor
        The package with the measured model.
    """
    current = workspace.problem.bring_up_to_date(
        predictor.model, workspace.dataset, workspace.features(), seed=workspace.seed, threads=workspace.jobs
    )
    if current is predictor.model:
        return predictor
    save_current(deploy, current)
    tell(
        "note", f"{predictor.version}: fitted again to all {workspace.dataset.n_rows:,} rows, which is served"
    )
    return Predictor.load(deploy)


def answer_ahead(workspace: Workspace, predictor: Predictor) -> dict[str, Any] | None:
    """Write the answers that need no new rows, where the problem type has such.

    Returns
    -------
    dict or None
        ``file`` below the increment (None where there is none, and ``why``), ``rows``, ``rows_left_out``,
        ``example`` (the first row and its answer).
    """
    problem, spec = workspace.problem, workspace.spec
    if not problem.ahead:
        return None
    path = workspace.folder / "reports" / f"{problem.ahead}.csv"
    source = find_data_file(workspace.root, spec.require("Training data").value, spec.at("Training data"))
    try:
        model, asked = problem.continue_from(predictor.model, read_table(source).frame, None)
    except DataError as error:
        path.unlink(missing_ok=True)
        tell("note", f"{predictor.version}: no {problem.ahead} yet: {error.what}")
        return {"file": None, "rows": 0, "why": "; ".join(filter(None, (error.what, error.hint)))}
    rows = asked.head(MOST_ROWS)
    answers = predictor.answer(model, rows, reasons=len(rows) <= MOST_EXPLAINED)
    save_table(answer_table(rows, answers, identifiers(predictor, rows)), path)
    tell("note", f"{predictor.version}: {len(rows):,} answers in {path.relative_to(workspace.folder)}")
    return {
        "file": path.relative_to(workspace.folder).as_posix(),
        "rows": len(rows),
        "rows_left_out": len(asked) - len(rows),
        "example": {"row": rows.head(1).to_dict("records")[0], "answer": answers[0]} if answers else None,
    }
