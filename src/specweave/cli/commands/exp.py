"""``sw exp``: questions people ask of an increment's experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options

_increment = click.option("--increment", "increment_id", metavar="ID", help="Default: the active increment.")


@click.group("exp", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, show, compare, digest and export experiments.

    \b
    Example:
      sw exp list --where "metrics.roc_auc > 0.8"
    """


def _store(session: Session, increment_id: str | None) -> Any:
    from specweave.experiments.store import ExperimentStore

    return ExperimentStore(session.get_increment(increment_id).experiments)


@command.command("list")
@_increment
@click.option("--where", metavar="TEST", help='"metrics.roc_auc > 0.8 and params.max_depth <= 6".')
@click.option("--sort", metavar="NAME", help="A metric, a parameter or a field.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@common_options
def list_command(
    session: Session, increment_id: str | None, where: str | None, sort: str | None, limit: int | None
) -> None:
    """List experiments, with the metrics that most of them share.

    \b
    Example:
      sw exp list --where "status == completed" --sort roc_auc --limit 5
    """
    from specweave.experiments.query import list_experiments, render_list

    records = list_experiments(_store(session, increment_id), where=where, sort=sort, limit=limit)
    session.say(render_list(records).rstrip() if records else "no experiment matches")
    session.answer("experiments", {"experiments": [r.to_record() for r in records]})


@command.command("show")
@click.argument("experiment")
@_increment
@common_options
def show(session: Session, experiment: str, increment_id: str | None) -> None:
    """Show everything of one experiment: params, metrics with best, min, max and last, notes, artifacts.

    \b
    Example:
      sw exp show exp-003
    """
    from specweave.experiments.query import render_experiment, show_experiment

    details = show_experiment(_store(session, increment_id), experiment)
    session.say(render_experiment(details).rstrip())
    session.answer("experiment", details.to_record())


@command.command("compare")
@_increment
@common_options
def compare(session: Session, increment_id: str | None) -> None:
    """Compare the experiments of today's data and split, best first, with the reason for the choice.

    \b
    Example:
      sw exp compare --increment 42
    """
    from specweave.errors import StateError
    from specweave.experiments.compare import render_comparison
    from specweave.files.store import plain
    from specweave.stages.choice import write_comparison
    from specweave.stages.workspace import open_workspace

    increment = session.get_increment(increment_id)
    comparison = write_comparison(open_workspace(increment.id))
    if comparison is None:
        raise StateError(
            "nothing was trained on today's data yet",
            where=increment.id,
            hint=f"run: sw do {increment.number}",
        )
    session.say(render_comparison(comparison).rstrip())
    session.answer("comparison", {"comparison": plain(comparison)})


@command.command("diff")
@click.argument("a")
@click.argument("b")
@_increment
@common_options
def diff(session: Session, a: str, b: str, increment_id: str | None) -> None:
    """Show what two experiments differ in: params, data, code, packages, metrics with the paired test.

    \b
    Example:
      sw exp diff exp-003 exp-004
    """
    from specweave.experiments.difference import diff_experiments, render_difference
    from specweave.files.store import plain

    increment = session.get_increment(increment_id)
    store = _store(session, increment_id)
    found = diff_experiments(store, a, b, test=_paired(increment.id, store, a, b))
    session.say(render_difference(found).rstrip())
    session.answer("experiment-difference", {"difference": plain(found)})


def _paired(increment: str, store: Any, a: str, b: str) -> dict[str, Any] | None:
    """Return the paired test of two experiments where both kept predictions of the same rows."""
    from specweave.stages.choice import paired_tests
    from specweave.stages.training import load_predictions
    from specweave.stages.workspace import open_workspace

    left, right = store.get(a), store.get(b)
    if load_predictions(left, "oof") is None or load_predictions(right, "oof") is None:
        return None
    test: dict[str, Any] | None = paired_tests(open_workspace(increment), left, [right]).get(right.id)
    return test


@command.command("digest")
@_increment
@click.option(
    "--tokens", default=1500, show_default=True, type=click.IntRange(min=100), help="About how long."
)
@common_options
def digest(session: Session, increment_id: str | None, tokens: int) -> None:
    """Tell a newcomer what was tried, what it gave and what was learnt.

    \b
    Example:
      sw exp digest --tokens 800
    """
    from specweave.experiments.digest import digest_experiments

    text = digest_experiments(_store(session, increment_id), tokens=tokens)
    session.say(text.rstrip())
    session.answer("experiment-digest", {"text": text})


@command.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@_increment
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet", "json", "dvclive"]),
    help="Default: by the file's ending.",
)
@click.option("--where", metavar="TEST", help="Only experiments that pass.")
@common_options
def export(
    session: Session, target: Path, increment_id: str | None, form: str | None, where: str | None
) -> None:
    """Write experiments to one table or, as dvclive, to one folder each.

    \b
    Example:
      sw exp export experiments.csv
    """
    from specweave.experiments.export import export_experiments
    from specweave.experiments.query import list_experiments

    records = list_experiments(_store(session, increment_id), where=where)
    path = export_experiments(records, target, form)
    session.say(f"{len(records)} experiments: {path}", "good")
    session.answer("export", {"output": str(path), "experiments": len(records)})


@command.command("mirror")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option("--tracker", metavar="NAME", help="mlflow, wandb or tensorboard (default: those set up).")
@common_options
def mirror(session: Session, increment_id: str | None, tracker: str | None) -> int:
    """Send what a tracker is missing of the increment's experiments; nothing is sent twice.

    \b
    Example:
      sw exp mirror 42 --tracker mlflow
    """
    from specweave.files.store import plain
    from specweave.integrations.resending import mirror_increment

    increment = session.get_increment(increment_id)
    reports = mirror_increment(
        increment, tracker, on_experiment=lambda name, how: session.say(f"{name}: {how}", "dim")
    )
    for report in reports:
        text = f"{report.tracker}: {len(report.sent)} experiments sent, {len(report.complete)} were there"
        session.say(
            text + (f", {len(report.failed)} failed" if report.failed else ""),
            "bad" if report.failed else "good",
        )
        for note in report.notes:
            session.say(f"  {note}", "warn")
    session.answer("mirror", {"increment": increment.id, "trackers": plain(reports)})
    return 1 if any(report.failed for report in reports) else 0


@command.group("import", context_settings={"help_option_names": ["-h", "--help"]})
def import_group() -> None:
    """Bring runs of another tracker in as experiments; a second call brings only new ones.

    \b
    Example:
      sw exp import mlflow sqlite:///mlflow.db
    """


@import_group.command("mlflow")
@click.argument("uri")
@_increment
@click.option("--experiment", metavar="NAME", help="Only this experiment of MLflow.")
@click.option("--no-files", is_flag=True, help="Leave artifacts where they are.")
@common_options
def import_from_mlflow(
    session: Session, uri: str, increment_id: str | None, experiment: str | None, no_files: bool
) -> None:
    """Bring in the runs of a database, a server or an old mlruns folder.

    \b
    Example:
      sw exp import mlflow http://127.0.0.1:5000 --experiment churn
    """
    from specweave.integrations.imports.mlflow import import_mlflow

    store = _store(session, increment_id)
    _say_imported(session, import_mlflow(uri, store, experiment=experiment, files=not no_files))


@import_group.command("dvclive")
@click.argument("folder", type=click.Path(path_type=Path))
@_increment
@common_options
def import_from_dvclive(session: Session, folder: Path, increment_id: str | None) -> None:
    """Bring in what DVCLive wrote: one folder, or a folder of them.

    \b
    Example:
      sw exp import dvclive dvclive/
    """
    from specweave.integrations.imports.dvclive import import_dvclive

    _say_imported(session, import_dvclive(folder, _store(session, increment_id)))


def _say_imported(session: Session, report: Any) -> None:
    from specweave.files.store import plain

    for name in report.imported:
        session.say(name)
    session.say(
        f"{len(report.imported)} experiments imported"
        + (f", {len(report.known)} were there already" if report.known else ""),
        "good",
    )
    for note in report.notes:
        session.say(f"  {note}", "warn")
    session.answer("import", plain(report))
