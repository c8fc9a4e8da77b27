"""``sw init``."""

from __future__ import annotations

from pathlib import Path

import click

from specweave.cli.output import Session, common_options


@click.command("init")
@common_options
def command(session: Session) -> None:
    """Make .specweave/ in this folder.

    \b
    Example:
      sw init
    """
    from specweave.increments.project import Project

    project = Project((session.project or Path.cwd()).resolve())
    fresh = project.init()
    session.say(f"{'made' if fresh else 'already there:'} {project.home.name}/")
    session.say('next: sw inc "what you want to predict" --data FILE', "dim")
    session.answer("project", {"folder": project.home.name, "new": fresh})
