"""``sw predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.command("predict")
@click.argument("increment_id", metavar="ID")
@click.argument("source", metavar="[INPUT]", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="FILE.csv, .parquet or .json (default: INPUT-answers.csv).",
)
@click.option(
    "--horizon",
    type=click.IntRange(min=1),
    metavar="N",
    help="Forecast the next N steps after INPUT (default: the training data).",
)
@click.option("--no-reasons", is_flag=True, help="Leave the top-3 reasons out; faster.")
@common_options
def command(
    session: Session,
    increment_id: str,
    source: Path | None,
    target: Path | None,
    horizon: int | None,
    no_reasons: bool,
) -> None:
    """Answer a file of raw rows: prediction, probability, decision and reasons for each row.

    Without INPUT, what lies ahead of the training data is answered, where the model knows that: the next steps, every
    user's list, every customer's value. A forecasting model goes on after newer data in INPUT with --horizon. A model
    of customers takes their transactions and answers each customer as of the last day in the file.

    \b
    Example:
      sw predict 42 new-customers.csv -o answers.csv
      sw predict 42
      sw predict 42 --horizon 12 -o next-weeks.csv
      sw predict 43 transactions.csv -o customers.csv
    """
    from specweave.errors import DataError
    from specweave.serving.batch import finding_lines, forecast_file, predict_file

    predictor = load_predictor(session, increment_id)
    result: dict[str, Any]
    if horizon is not None or (source is None and predictor.problem.ahead):
        history = source or training_file(session, increment_id)
        result = forecast_file(predictor, history, horizon, target, reasons=not no_reasons)
        session.say(f"{result['rows']} {predictor.problem.answered}s answered: {result['output']}", "good")
    elif source is None:
        raise DataError(
            "there is no file of rows to answer",
            hint="name one: sw predict ID rows.csv; or give --horizon 12",
        )
    else:
        result = predict_file(predictor, source, target, reasons=not no_reasons)
        for line in finding_lines(result["findings"]):
            session.say(line, "warn")
        session.say(f"{result['rows']} rows answered: {result['output']}", "good")
    session.answer("predictions", {**result, "output": str(result["output"]), "version": predictor.version})


def training_file(session: Session, increment_id: str | None) -> Path:
    """Return the training data that an increment's spec names."""
    from specweave.increments.spec import load_spec
    from specweave.tables.locating import find_data_file

    increment = session.get_increment(increment_id)
    spec = load_spec(increment.spec_path)
    return find_data_file(
        increment.project.root, spec.require("Training data").value, spec.at("Training data")
    )


def load_predictor(session: Session, increment_id: str | None) -> Any:
    """Load the inference package of an increment.

    Raises
    ------
    StateError
        If it was not prepared yet.
    """
    from specweave.errors import StateError
    from specweave.serving.inference import Predictor

    increment = session.get_increment(increment_id)
    folder = increment.folder / "deploy"
    if not folder.is_dir():
        raise StateError(
            "there is no inference package yet",
            where=increment.id,
            hint=f"run: sw do {increment.number} --task T-008",
        )
    return Predictor.load(folder)
