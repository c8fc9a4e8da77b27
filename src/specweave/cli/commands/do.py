"""``sw do``."""

from __future__ import annotations

from typing import Any

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
@click.option("--all", "everything", is_flag=True, help="Every increment, each after those it builds on.")
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
    everything: bool,
    dry_run: bool,
) -> int:
    """Run the tasks that are not up to date, in order; resume where a run was stopped.

    \b
    Example:
      sw do --budget 10m
      sw do 42 --task T-004 --force
      sw do --all
    """
    from specweave.errors import SpecError
    from specweave.increments.plan import parse_duration
    from specweave.pipeline.runner import RunOptions, plan_run, run_increment

    if engine is not None:
        from specweave.engines.choice import make_engine

        make_engine(engine)
    seconds = parse_duration(budget, where="--budget") if budget else None
    options = RunOptions(task, from_task, force, seconds, jobs, engine)
    if everything:
        if increment_id or task or from_task:
            raise SpecError(
                "--all runs every increment as a whole",
                where="sw do",
                hint="leave out the id, --task and --from, or leave out --all",
            )
        return _do_all(session, options, dry_run)
    increment = session.get_increment(increment_id)
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
        from specweave.errors import exit_code_of

        if session.debug and report.failed["trace"]:
            session.say(report.failed["trace"])
        if not session.json:
            show_error(report.failed["error"])
        return exit_code_of(report.failed["error"]["code"])
    ran = (
        f"{len(report.ran)} task{'s' * (len(report.ran) != 1)} run"
        if report.ran
        else "everything is up to date"
    )
    session.say(
        f"{increment.id}: {ran}{f', {len(report.cached)} up to date' if report.ran and report.cached else ''}",
        "good",
    )
    _say_upstream(session, increment)
    session.say("next: sw validate", "dim")
    return 0


def _say_upstream(session: Session, increment: Any) -> None:
    """Warn where what was read from another increment is itself out of date."""
    from specweave.pipeline.system import states_across

    waits = sorted({r for s in states_across(increment) for r in s.reasons if r.endswith("will run")})
    if waits:
        session.say(
            f"it read from increments that are out of date ({', '.join(waits[:3])}); run: sw do --all", "warn"
        )


def _do_all(session: Session, options: Any, dry_run: bool) -> int:
    from specweave.cli.output import show_error
    from specweave.errors import exit_code_of
    from specweave.pipeline.run_all import run_all
    from specweave.pipeline.runner import plan_run
    from specweave.pipeline.system import run_order

    project = session.get_project()
    if dry_run:
        plans = [(i, plan_run(i, options, across=True)) for i in run_order(project)]
        session.table(
            ["increment", "task", "", "why"],
            [(i.id, s.task.id, "run" if s.stale else "up to date", ", ".join(s.reasons))
             for i, states in plans for s in states],
        )  # fmt: skip
        session.answer("system-plan", {"increments": [
            {"increment": i.id, "tasks": [{"id": s.task.id, "stale": s.stale, "reasons": list(s.reasons)} for s in states]}
            for i, states in plans]})  # fmt: skip
        return 0
    from specweave.cli.progress import make_reporter

    with make_reporter(session) as reporter:
        result = run_all(project, options, on_event=reporter)
    session.answer("system-run", {
        "increments": [vars(r) for r in result.reports], "failed": result.failed, "waiting": result.waiting,
        "interrupted": result.interrupted,
    })  # fmt: skip
    if result.interrupted:
        session.say("interrupted; run 'sw do --all' to go on where it was", "warn")
        return 130
    for report in result.reports:
        if report.increment not in result.failed:
            told = (
                f"{len(report.ran)} task{'s' * (len(report.ran) != 1)} run"
                if report.ran
                else "everything is up to date"
            )
            session.say(f"{report.increment}: {told}", "good")
    for name, error in result.failed.items():
        session.say(f"{name}: failed", "bad")
        if not session.json:
            show_error(error)
    for name, other in result.waiting.items():
        session.say(f"{name}: not run, it builds on {other}", "warn")
    codes = [exit_code_of(str(e["code"])) for e in result.failed.values()]
    return max(codes, default=0)
