"""Gemini CLI: a block in GEMINI.md, commands and skills below ``.gemini/``.

Reads: templates. Writes: nothing. Never: knows another agent.

A folder below ``.gemini/commands/`` becomes a part of the name: ``/sw:inc``, ``/sw:github:create-issue``. Formats:
geminicli.com/docs, "Custom commands", "Skills", "Subagents", "MCP servers".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from specweave.integrations.agents.base import SERVER, Agent, instruction_block, skill_files, with_arguments
from specweave.integrations.agents.pieces import JsonEntry, Owned, Piece
from specweave.integrations.agents.texts import Text, commands, ml_engineer, with_front


def pieces(root: Path) -> Sequence[Piece]:
    """Return instructions, commands, skills and the ml-engineer."""
    engineer = ml_engineer()
    front = {"name": "ml-engineer", "description": engineer.front["description"]}
    return [
        *[Owned(f".gemini/commands/sw/{c.name}.toml", _command(c)) for c in commands()],
        *skill_files(".gemini/skills"),
        Owned(".gemini/agents/ml-engineer.md", with_front(front, engineer.body)),
        instruction_block("GEMINI.md"),
    ]


def server_pieces() -> Sequence[Piece]:
    """Return the entry of the project's settings that starts the MCP server."""
    return [JsonEntry(".gemini/settings.json", ("mcpServers", "specweave"), SERVER)]


def _command(command: Text) -> str:
    # A basic TOML string takes the escapes of JSON.
    told = json.dumps(command.front["description"], ensure_ascii=False)
    prompt = json.dumps(with_arguments(command, "{{args}}"), ensure_ascii=False)
    return f"description = {told}\nprompt = {prompt}\n"


AGENT = Agent(
    "gemini", "Gemini CLI", pieces, server_pieces, ("start gemini in this folder and type /sw:inc",)
)
