"""``sw mcp``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.command("mcp")
@click.option("--list", "listed", is_flag=True, help="Show what is served instead of serving it.")
@common_options
def command(session: Session, listed: bool) -> None:
    """Serve this project to coding agents over standard input and output (Model Context Protocol).

    Tools are the commands (inc, do, validate, done, ...), resources the documents of each increment. An agent starts
    this by itself; 'sw agent install claude --mcp' tells it to.

    \b
    Example:
      sw mcp --list
    """
    from specweave.errors import MissingExtraError
    from specweave.increments.project import find_project

    if session.json and not listed:
        raise click.UsageError("--json goes with --list: a server speaks JSON to its client")
    try:
        from specweave.integrations.mcp.server import SpecweaveServer, serve
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types", "anyio", "pydantic"):
            raise
        raise MissingExtraError.for_package("mcp", "agents", "sw mcp") from error
    project = find_project(session.project)
    root: Path = (project.root if project else session.project or Path.cwd()).resolve()
    if listed:
        _list(session, SpecweaveServer(root))
        return
    if sys.stdin.isatty():
        click.echo("waiting for a client; agents start this by themselves (Ctrl-D ends it)", err=True)
    serve(root)


def _list(session: Session, server: Any) -> None:
    import anyio

    tools = anyio.run(server.list_tools)
    templates = anyio.run(server.list_resource_templates)
    prompts = anyio.run(server.list_prompts)
    rows = [
        *[("tool", t.name, t.title) for t in tools],
        *[("resource", t.uri_template, t.title) for t in templates],
        *[("prompt", p.name, p.title) for p in prompts],
    ]
    session.table(["kind", "name", ""], rows)
    session.answer("mcp-server", {
        "tools": [{"name": t.name, "title": t.title, "arguments": t.input_schema} for t in tools],
        "resources": [{"uri": t.uri_template, "title": t.title} for t in templates],
        "prompts": [{"name": p.name, "title": p.title} for p in prompts],
    })  # fmt: skip
