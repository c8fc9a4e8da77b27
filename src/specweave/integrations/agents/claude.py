"""Claude Code: a plugin in a marketplace of the project's own, and a block in CLAUDE.md.

Reads: templates. Writes: nothing. Never: knows another agent.

The plugin is called ``sw``, so that its commands are ``/sw:inc``, ``/sw:github:create-issue`` (a folder below
``commands/`` becomes a part of the name). Formats: code.claude.com/docs, "Plugins reference", "Plugin
marketplaces", "Slash commands", "Subagents".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from specweave import __version__
from specweave.integrations.agents.base import SERVER, Agent, instruction_block, skill_files
from specweave.integrations.agents.pieces import JsonEntry, Owned, Piece
from specweave.integrations.agents.texts import commands, ml_engineer

MARKET = ".claude/specweave"
PLUGIN = f"{MARKET}/sw"
SETTINGS = ".claude/settings.json"
_WHAT = "Machine learning by documents: spec, plan, tasks, tests, and evidence for every number."


def pieces(root: Path) -> Sequence[Piece]:
    """Return the plugin, its marketplace, the two lines of settings that switch it on, and the instructions."""
    manifest = {
        "name": "sw", "version": __version__, "description": _WHAT, "license": "Apache-2.0",
        "keywords": ["machine-learning", "mlops", "experiment-tracking", "reproducibility", "documentation"],
    }  # fmt: skip
    market = {
        "name": "specweave",
        "owner": {"name": "specweave"},
        "plugins": [{"name": "sw", "source": "./sw", "description": _WHAT}],
    }
    source = {"source": {"source": "directory", "path": f"./{MARKET}"}}
    return [
        Owned(f"{MARKET}/.claude-plugin/marketplace.json", _json(market)),
        Owned(f"{PLUGIN}/.claude-plugin/plugin.json", _json(manifest)),
        *[Owned(f"{PLUGIN}/commands/{c.name}.md", c.whole) for c in commands()],
        Owned(f"{PLUGIN}/agents/ml-engineer.md", ml_engineer().whole),
        *skill_files(f"{PLUGIN}/skills"),
        JsonEntry(SETTINGS, ("extraKnownMarketplaces", "specweave"), source),
        JsonEntry(SETTINGS, ("enabledPlugins", "sw@specweave"), True),
        instruction_block("CLAUDE.md"),
    ]


def server_pieces() -> Sequence[Piece]:
    """Return what makes the plugin start the MCP server."""
    return [Owned(f"{PLUGIN}/.mcp.json", _json({"mcpServers": {"specweave": SERVER}}))]


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"


AGENT = Agent(
    "claude",
    "Claude Code",
    pieces,
    server_pieces,
    (
        "start Claude Code in this folder and trust the plugin; where it does not offer it:",
        f"  claude plugin marketplace add ./{MARKET} && claude plugin install sw@specweave --scope project",
        "then type /sw:inc",
    ),
)
