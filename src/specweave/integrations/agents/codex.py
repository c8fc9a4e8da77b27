"""Codex: AGENTS.md, skills below ``.agents/skills/``, the ml-engineer below ``.codex/agents/``.

Reads: templates. Writes: nothing. Never: knows another agent.

Codex has no commands of a project's own: each command is a skill, called by ``$sw-inc``. Formats:
developers.openai.com/codex, "AGENTS.md", "Skills", "Subagents", "MCP".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from specweave.integrations.agents.base import (
    SERVER,
    Agent,
    dashed,
    instruction_block,
    skill_files,
    with_arguments,
)
from specweave.integrations.agents.pieces import Block, Owned, Piece
from specweave.integrations.agents.texts import Text, commands, ml_engineer, with_front

SKILLS = ".agents/skills"


def pieces(root: Path) -> Sequence[Piece]:
    """Return instructions, skills, commands as skills, and the ml-engineer."""
    return [
        *skill_files(SKILLS),
        *[Owned(f"{SKILLS}/{dashed(c)}/SKILL.md", _skill(c)) for c in commands()],
        Owned(".codex/agents/ml-engineer.toml", _engineer()),
        instruction_block("AGENTS.md"),
    ]


def server_pieces() -> Sequence[Piece]:
    """Return the entry of the project's Codex settings that starts the MCP server."""
    arguments = json.dumps(SERVER["args"])
    body = f'[mcp_servers.specweave]\ncommand = "{SERVER["command"]}"\nargs = {arguments}\n'
    return [Block(".codex/config.toml", "mcp", body)]


def _skill(command: Text) -> str:
    front = {
        "name": dashed(command),
        "description": f"{command.front['description']}. Use when asked for it by name.",
    }
    return with_front(front, with_arguments(command, "what the user wrote after the name", "$sw-"))


def _engineer() -> str:
    text = ml_engineer()
    # A basic TOML string takes the escapes of JSON.
    told = json.dumps(text.front["description"], ensure_ascii=False)
    orders = json.dumps(text.body, ensure_ascii=False)
    return f'name = "ml-engineer"\ndescription = {told}\ndeveloper_instructions = {orders}\n'


AGENT = Agent("codex", "Codex", pieces, server_pieces, ("start codex in this folder and type $sw-inc",))
