"""GitHub Copilot: AGENTS.md and copilot-instructions.md, prompts, skills and the ml-engineer below ``.github/``.

Reads: templates. Writes: nothing. Never: knows another agent.

Formats: docs.github.com/copilot, "Repository custom instructions", "Agent skills", "Custom agents";
code.visualstudio.com/docs/copilot, "Prompt files", "MCP servers".
"""

from __future__ import annotations

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
from specweave.integrations.agents.pieces import JsonEntry, Owned, Piece
from specweave.integrations.agents.texts import Text, commands, ml_engineer, with_front


def pieces(root: Path) -> Sequence[Piece]:
    """Return instructions, prompts, skills and the ml-engineer."""
    engineer = ml_engineer()
    front = {"name": "ml-engineer", "description": engineer.front["description"]}
    return [
        *[Owned(f".github/prompts/{dashed(c)}.prompt.md", _prompt(c)) for c in commands()],
        *skill_files(".github/skills"),
        Owned(".github/agents/ml-engineer.agent.md", with_front(front, engineer.body)),
        instruction_block(".github/copilot-instructions.md"),
        instruction_block("AGENTS.md"),
    ]


def server_pieces() -> Sequence[Piece]:
    """Return the entry of the workspace's MCP servers."""
    return [JsonEntry(".vscode/mcp.json", ("servers", "specweave"), {"type": "stdio", **SERVER})]


def _prompt(command: Text) -> str:
    front = {
        "description": command.front["description"], "agent": "agent",
        "argument-hint": command.front.get("argument-hint", ""),
    }  # fmt: skip
    return with_front(front, with_arguments(command, "${input:arguments}", "/sw-"))


AGENT = Agent(
    "copilot", "GitHub Copilot", pieces, server_pieces, ("open Copilot Chat here and type /sw-inc",)
)
