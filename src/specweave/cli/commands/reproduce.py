"""``sw reproduce``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options

_SHOWN = 30


@click.command("reproduce")
@click.argument("increment_id", metavar="ID")
@click.argument("experiment", metavar="[EXP]", required=False)
@click.option("--tolerance", type=click.FloatRange(min=0.0), default=0.0, show_default=True,
              help="Largest relative difference that is let pass; 0 asks for the same digits.")  # fmt: skip
@click.option("--all-tasks", is_flag=True, help="Run what comes after the evaluation too.")
@click.option("--env", "environment", is_flag=True, help="Rebuild the recorded environment first, with uv.")
@click.option("--into", type=click.Path(path_type=Path), help="The clean folder (default: a temporary one).")
@click.option("--keep", is_flag=True, help="Leave the clean folder there.")
@common_options
def command(
    session: Session,
    increment_id: str,
    experiment: str | None,
    tolerance: float,
    all_tasks: bool,
    environment: bool,
    into: Path | None,
    keep: bool,
) -> int:
    """Run an increment, or one experiment, again in a clean folder and compare every recorded number.

    Exit 1 where one differs. The verdict is kept in reports/reproduction.json.

    \b
    Example:
      sw reproduce 42
      sw reproduce 42 exp-006-lightgbm --tolerance 1e-6
      sw reproduce 42 --env
    """
    from specweave.cli.progress import make_reporter
    from specweave.pipeline.reproduction import ReproduceOptions, reproduce_increment

    options = ReproduceOptions(experiment, all_tasks, tolerance, into, keep, environment)
    increment = session.get_increment(increment_id)
    with make_reporter(session) as reporter:
        done = reproduce_increment(increment, options, on_event=reporter)
    if done.folder is not None:
        session.say(f"the clean folder is {done.folder}", "dim")
    if done.record is None:
        session.answer("reproduction", {"increment": increment.id, "verdict": "interrupted"})
        session.say("interrupted; nothing was recorded", "warn")
        return 130
    show_reproduction(session, done.record)
    session.answer("reproduction", done.record)
    return 0 if done.record["verdict"] == "reproduced" else 1


def show_reproduction(session: Session, record: Mapping[str, Any]) -> None:
    """Print a verdict with everything that differs."""
    differences = record["differences"]
    if differences:
        session.table(
            ["number", "recorded", "now", "difference", "relative"],
            [(d["name"], _text(d["recorded"]), _text(d["now"]), _short(d["absolute"]), _short(d["relative"]))
             for d in differences[:_SHOWN]],
        )  # fmt: skip
        if len(differences) > _SHOWN:
            session.say(f"and {len(differences) - _SHOWN} more in the record")
    for group in record["not_compared"]:
        names = group["names"]
        shown = f"{names[0]}" if len(names) == 1 else f"{len(names)} numbers"
        session.say(f"not compared: {shown}: {group['reason']}", "dim")
    from specweave.pipeline.reproduction_environment import describe_environment

    for note in [*record["notes"], *(describe_environment(record["environment"]) if differences else [])]:
        session.say(note, "warn")
    what = record["experiment"] or record["increment"]
    largest = record["largest"]
    passed = "to the last digit" if largest["relative"] == 0 else f"within {record['tolerance']:g}"
    if differences:
        session.say(f"{what}: {len(differences)} of {record['compared']} numbers differ", "bad")
    else:
        session.say(f"{what}: reproduced, {record['compared']} numbers are the same {passed}", "good")
    if largest["relative"]:
        session.say(
            f"largest difference: {largest['absolute']:.3g}, relative {largest['relative']:.3g}", "dim"
        )


def _text(value: Any) -> str:
    return "none" if value is None else repr(value) if isinstance(value, float) else str(value)


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
