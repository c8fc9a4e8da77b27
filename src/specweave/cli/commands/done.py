"""``sw done``."""

from __future__ import annotations

import click

from specweave.cli.output import Session, common_options


@click.command("done")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def command(session: Session, increment_id: str | None) -> int:
    """Close the increment: validate, write COMPLETION-SUMMARY.md, set its status to done.

    \b
    Example:
      sw done 42
    """
    from specweave.cli.commands.validate import show
    from specweave.publish.completion import complete_increment

    increment = session.get_increment(increment_id)
    result = complete_increment(increment)
    if not result.validation.ok:
        show(session, result.validation)
        return 1
    folder = increment.project.relative(increment.folder)
    session.say(f"{increment.id} is done", "good")
    for path in result.written:
        session.say(f"  {increment.project.relative(path)}")
    session.answer("completion", {"increment": increment.id, "folder": folder,
                                  "written": [increment.project.relative(p) for p in result.written]})  # fmt: skip
    return 0
