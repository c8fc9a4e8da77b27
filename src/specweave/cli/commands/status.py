"""``sw status``."""

from __future__ import annotations

from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.command("status")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option("--graph", is_flag=True, help="Who builds on whom, and what is out of date.")
@common_options
def command(session: Session, increment_id: str | None, graph: bool) -> None:
    """Show increments, progress, and the best model against its criteria.

    \b
    Example:
      sw status
      sw status --graph
    """
    from specweave.pipeline.overview import increment_overview

    project = session.get_project()
    if graph:
        _graph(session, project)
        return
    if increment_id is None:
        rows = [increment_overview(i) for i in project.increments()]
        if not rows:
            session.say('no increment yet; next: sw inc "what to predict"')
        else:
            session.table(
                ["increment", "status", "tasks", "best model", "value", "problem"],
                [(r["id"], r["status"], f"{r['tasks_done']}/{r['tasks']}", r["best"] or "", r["value"] or "", r["error"] or "")
                 for r in rows],
            )  # fmt: skip
        session.answer("status", {"increments": rows})
        return
    _one(session, increment_overview(session.get_increment(increment_id)))


def _one(session: Session, row: dict[str, Any]) -> None:
    session.say(f"{row['id']}: {row['status']}", "head")
    if row["error"]:
        session.say(row["error"], "bad")
    session.table(["task", "", "state"], [(t["id"], t["title"], t["state"]) for t in row["task_list"]])
    if row["best"]:
        session.say(f"best: {row['best']}  {row['value']}")
    session.table(["criterion", "verdict"], [(c["text"], c["verdict"]) for c in row["criteria"]])
    session.answer("status", {"increments": [row]})


def _graph(session: Session, project: Any) -> None:
    """Show increments in running order, each under what it builds on."""
    from specweave.pipeline.system import system_record

    record = system_record(project)
    if not record["increments"]:
        session.say('no increment yet; next: sw inc "what to predict"')
    for row in record["increments"]:
        stale = [item["task"] for item in row["stale"]]
        listed = (
            ", ".join(stale)
            if len(stale) < row.get("tasks", 0) or not stale
            else f"all {len(stale)} tasks"
            if len(stale) > 1
            else stale[0]
        )
        state = "cannot be read" if row["error"] else f"{listed} to run" if stale else "up to date"
        session.say(
            f"{row['id']}  {row['status']}  {state}", "bad" if row["error"] else "warn" if stale else "good"
        )
        if row["error"]:
            session.say(f"  {row['error']}", "bad")
        for edge in row["after"]:
            session.say(f"  <- {edge['id']}" + (f"  {edge['what']}" if edge["what"] else ""))
        across = {
            r
            for item in row["stale"]
            for r in item["reasons"]
            if r.endswith("will run") and not r.startswith("T-")
        }
        for reason in sorted(across):
            session.say(f"     {reason}", "dim")
    session.answer("system", record)
