"""``sw sync-docs``."""

from __future__ import annotations

import click

from specweave.cli.output import Session, common_options


@click.command("sync-docs")
@click.argument("action", type=click.Choice(["update", "check"]), default="update")
@common_options
def command(session: Session, action: str) -> int:
    """Write the living documents from the evidence, or check that they still say what it says.

    They are architecture pages, decision records and runbooks below .specweave/docs/internal/, where only
    marked blocks are rewritten, and the summary, comparison and reports of each increment. 'check' exits 1 and names each line that is stale or was edited by hand.

    \b
    Example:
      sw sync-docs check
    """
    from specweave.publish.living.sync import check_docs, update_docs

    project = session.get_project()
    if action == "update":
        written = [project.relative(p) for p in update_docs(project)]
        for path in written:
            session.say(f"wrote {path}")
        if not written:
            session.say("the living documents are up to date", "good")
        session.answer("docs-update", {"written": written})
        return 0
    stale = check_docs(project)
    for line in stale:
        session.say(f"{line.where}: '{line.found}' should be '{line.expected}'", "bad")
    if not stale:
        session.say("the living documents say what the evidence says", "good")
    session.answer("docs-check", {"ok": not stale, "stale": [vars(s) for s in stale]})
    return 1 if stale else 0
