"""``sw status``."""

from __future__ import annotations

from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.command("status")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def command(session: Session, increment_id: str | None) -> None:
    """Show increments, progress, and the best model against its criteria.

    \b
    Example:
      sw status
    """
    from specweave.pipeline.overview import increment_overview

    project = session.get_project()
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
