"""``sw agent``: coding agents that drive the tool."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.group("agent", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Teach coding agents to drive this project: commands, skills, the ml-engineer, instructions.

    \b
    Example:
      sw agent install claude
    """


_names = click.argument("names", nargs=-1, metavar="NAME...")
_dry_run = click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
_force = click.option("--force", is_flag=True, help="Also where a person edited a file of ours.")


@command.command("install")
@_names
@click.option("--all", "everyone", is_flag=True, help="Every agent that is known.")
@click.option("--mcp", is_flag=True, help="Also let the agent start 'sw mcp' (needs the extra 'agents').")
@_force
@_dry_run
@common_options
def install(
    session: Session, names: tuple[str, ...], everyone: bool, mcp: bool, force: bool, dry_run: bool
) -> None:
    """Put agents into the project: claude, codex, cursor, copilot, gemini, github-actions.

    Only marked blocks are written into files such as AGENTS.md or CLAUDE.md; a second call changes nothing.

    \b
    Example:
      sw agent install claude codex
    """
    from specweave.integrations.agents.installing import get_agent, install_agents, known_agents

    chosen = known_agents() if everyone else _given(names, "install")
    root = _root(session)
    changes = install_agents(root, chosen, server=mcp, force=force, dry_run=dry_run)
    _show(session, changes, dry_run)
    wrote = not dry_run and any(c.action in ("written", "updated") for c in changes)
    for name in chosen if wrote else ():
        for step in get_agent(name).next_steps:
            session.say(f"{name}: {step}", "dim")
    session.answer(
        "agents-installed", {"agents": list(chosen), "dry_run": dry_run, "files": _records(changes)}
    )


@command.command("remove")
@_names
@_force
@_dry_run
@common_options
def remove(session: Session, names: tuple[str, ...], force: bool, dry_run: bool) -> None:
    """Take agents out again: our files and blocks, and nothing else.

    \b
    Example:
      sw agent remove cursor
    """
    from specweave.integrations.agents.installing import remove_agents

    chosen = _given(names, "remove")
    changes = remove_agents(_root(session), chosen, force=force, dry_run=dry_run)
    _show(session, changes, dry_run)
    session.answer("agents-removed", {"agents": list(chosen), "dry_run": dry_run, "files": _records(changes)})


@command.command("status")
@common_options
def status(session: Session) -> None:
    """Show which agents are in the project, and whether their files are up to date.

    \b
    Example:
      sw agent status
    """
    from specweave.integrations.agents.installing import agent_status, known_agents

    found = [agent_status(_root(session), name) for name in known_agents()]
    rows = [
        (s.name, s.title, ("up to date" if s.current else "run: sw agent install " + s.name) if s.installed else "-",
         "yes" if s.server else "-", ", ".join(p for p, state in s.files.items() if state == "edited") or "-")
        for s in found
    ]  # fmt: skip
    session.table(["agent", "", "state", "sw mcp", "edited by hand"], rows)
    session.answer("agents", {"agents": [vars(s) for s in found]})


def _given(names: Sequence[str], verb: str) -> list[str]:
    from specweave.errors import UnknownNameError
    from specweave.integrations.agents.installing import get_agent, known_agents

    if not names:
        raise UnknownNameError(
            "which agent?", where=f"sw agent {verb}", hint=f"name one or more: {', '.join(known_agents())}"
        )
    for name in names:
        get_agent(name)
    return list(dict.fromkeys(names))


def _root(session: Session) -> Path:
    from specweave.increments.project import find_project

    project = find_project(session.project)
    root: Path = project.root if project else (session.project or Path.cwd())
    return root.resolve()


def _records(changes: Sequence[Any]) -> list[dict[str, str]]:
    return [vars(c) for c in changes]


def _show(session: Session, changes: Sequence[Any], dry_run: bool) -> None:
    styles = {"written": "good", "updated": "good", "removed": "good", "kept": "warn", "unchanged": "dim"}
    for change in changes:
        why = " (edited by hand; --force takes ours)" if change.action == "kept" else ""
        session.say(f"{change.action:<9} {change.path}{why}", styles[change.action])
    if not changes:
        session.say("nothing of ours is there", "dim")
    elif all(c.action in ("unchanged", "kept") for c in changes):
        session.say("nothing to do", "dim")
    elif dry_run:
        session.say("nothing was written (--dry-run)", "warn")
