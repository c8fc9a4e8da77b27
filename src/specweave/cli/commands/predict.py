"""``sw predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.command("predict")
@click.argument("increment_id", metavar="ID")
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path),
    help="FILE.csv, .parquet or .json (default: INPUT-answers.csv).",
)
@click.option("--no-reasons", is_flag=True, help="Leave the top-3 reasons out; faster.")
@common_options
def command(session: Session, increment_id: str, source: Path, target: Path | None, no_reasons: bool) -> None:
    """Answer a file of raw rows: prediction, probability, decision and reasons for each row.

    \b
    Example:
      sw predict 42 new-customers.csv -o answers.csv
    """
    from specweave.serving.batch import finding_lines, predict_file

    predictor = load_predictor(session, increment_id)
    result: dict[str, Any] = predict_file(predictor, source, target, reasons=not no_reasons)
    for line in finding_lines(result["findings"]):
        session.say(line, "warn")
    session.say(f"{result['rows']} rows answered: {result['output']}", "good")
    session.answer("predictions", {**result, "output": str(result["output"]), "version": predictor.version})


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
