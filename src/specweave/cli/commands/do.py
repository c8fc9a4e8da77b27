"""``sw do``."""

from __future__ import annotations

import click

from specweave.cli.output import Session, common_options


@click.command("do")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option("--task", metavar="T-00N", help="Run this task only.")
@click.option("--from", "from_task", metavar="T-00N", help="Run this task and all after it.")
@click.option("--force", is_flag=True, help="Run tasks also where they are up to date.")
@click.option("--budget", metavar="TIME", help="Time for training and tuning: 60s, 10m, 1h.")
@click.option("--jobs", type=click.IntRange(min=1), help="Parallel workers (default: all cores).")
@click.option("--engine", metavar="NAME", help="Where candidates are trained: local, ray, ray://HOST:PORT.")
@click.option("--dry-run", is_flag=True, help="Say what would run, and why; run nothing.")
@common_options
def command(
    session: Session,
    increment_id: str | None,
    task: str | None,
    from_task: str | None,
    force: bool,
    budget: str | None,
    jobs: int | None,
    engine: str | None,
    dry_run: bool,
) -> int:
    """Run the tasks that are not up to date, in order; resume where a run was stopped.

    \b
    Example:
      sw do --budget 10m
      sw do 42 --task T-004 --force
    """
    from specweave.errors import exit_code_of
    from specweave.increments.plan import parse_duration
    from specweave.pipeline.runner import RunOptions, plan_run, run_increment

    increment = session.get_increment(increment_id)
    if engine is not None:
        from specweave.engines.choice import make_engine

        make_engine(engine)
    seconds = parse_duration(budget, where="--budget") if budget else None
    options = RunOptions(task, from_task, force, seconds, jobs, engine)
    if dry_run:
        states = plan_run(increment, options)
        session.table(
            ["task", "", "why"],
            [(s.task.id, "run" if s.stale else "up to date", ", ".join(s.reasons)) for s in states],
        )
        session.answer("run-plan", {"increment": increment.id, "tasks": [
            {"id": s.task.id, "stale": s.stale, "reasons": list(s.reasons)} for s in states]})  # fmt: skip
        return 0
    from specweave.cli.progress import make_reporter

    with make_reporter(session) as reporter:
        report = run_increment(increment, options, on_event=reporter)
    session.answer("run", vars(report))
    if report.interrupted:
        session.say("interrupted; run 'sw do' to go on where it was", "warn")
        return 130
    if report.failed:
        from specweave.cli.output import show_error

        if session.debug and report.failed["trace"]:
            session.say(report.failed["trace"])
        if not session.json:
            show_error(report.failed["error"])
        return exit_code_of(report.failed["error"]["code"])
    ran = f"{len(report.ran)} tasks run" if report.ran else "everything is up to date"
    session.say(
        f"{increment.id}: {ran}{f', {len(report.cached)} up to date' if report.ran and report.cached else ''}",
        "good",
    )
    session.say("next: sw validate", "dim")
    return 0
