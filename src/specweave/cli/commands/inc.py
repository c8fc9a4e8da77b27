"""``sw inc``."""

from __future__ import annotations

from pathlib import Path

import click

from specweave.cli.output import Session, common_options


@click.command("inc")
@click.argument("request")
@click.option(
    "--data",
    metavar="DATA",
    help="A table (.csv, .tsv, .csv.gz, .parquet, .jsonl, .xlsx), a pattern, https://, s3://, "
    "'sqlite:///FILE SELECT ...', or 'increment: 0042'.",
)
@click.option("--target", metavar="COL", help="The column to predict.")
@click.option("--problem", metavar="TYPE", help='For example "Regression"; inferred by default.')
@click.option("--time", "time_column", metavar="COL", help="The column that orders the rows in time.")
@click.option("--id", "identifiers", metavar="COL", multiple=True, help="A key column; may be repeated.")
@click.option(
    "--metric", "metrics", metavar="CRITERION", multiple=True, help='"ROC AUC > 0.83"; may be repeated.'
)
@click.option(
    "--after", metavar="ID", multiple=True, help="An increment that this one builds on; may be repeated."
)
@common_options
def command(
    session: Session,
    request: str,
    data: str | None,
    target: str | None,
    problem: str | None,
    time_column: str | None,
    identifiers: tuple[str, ...],
    metrics: tuple[str, ...],
    after: tuple[str, ...],
) -> None:
    """Start an increment: write spec.md, plan.md, tasks.md, tests.md and the task scripts.

    REQUEST is what you want, in your words, or an explicit id such as 0042-recommendation-model.

    \b
    Example:
      sw inc "predict which telco customers will churn" --data churn.csv --target Churn \\
             --metric "ROC AUC > 0.83"
    """
    from specweave.errors import SpecError
    from specweave.increments.project import Project, find_project
    from specweave.increments.spec import load_spec
    from specweave.pipeline.documents import planned_doubts
    from specweave.pipeline.planning import Request, plan_increment

    if not request.strip():
        raise SpecError(
            "the request is empty", where="sw inc", hint='say what to predict: sw inc "predict house prices"'
        )
    project = find_project(session.project) or Project((session.project or Path.cwd()).resolve())
    asked = Request(request, data, target, problem, time_column, identifiers, metrics, after)
    increment = plan_increment(project, asked)
    spec = load_spec(increment.spec_path)
    folder = project.relative(increment.folder)
    to_fill = [f for f in spec.fields.values() if f.value.startswith("(fill in")]
    session.say(f"made {increment.id}", "good")
    session.say(f"  {folder}/spec.md    what must be true")
    session.say(f"  {folder}/plan.md    how the pipeline runs, and why")
    session.say(f"  {folder}/tasks.md   the tasks")
    doubts = planned_doubts(increment)
    for doubt in doubts[:5]:
        session.say(f"  doubt: {doubt}", "warn")
    if len(doubts) > 5:
        session.say(f"  and {len(doubts) - 5} more doubts in {folder}/plan.md", "warn")
    for field in to_fill:
        session.say(f"  to fill in: {folder}/spec.md:{field.line} {field.key}", "warn")
    session.say(f"next: {'fill in the lines above, then ' if to_fill else ''}sw do", "dim")
    session.answer("increment", {
        "id": increment.id, "number": increment.number, "folder": folder, "problem_type": spec.get("Problem type"),
        "target": spec.get("Target"), "criteria": [c.text for c in spec.criteria],
        "doubts": doubts, "to_fill": [{"key": f.key, "where": f"{folder}/spec.md:{f.line}"} for f in to_fill],
    })  # fmt: skip
