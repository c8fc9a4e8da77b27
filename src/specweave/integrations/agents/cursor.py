"""Cursor: AGENTS.md, a rule for specweave's documents, commands, skills and the ml-engineer below ``.cursor/``.

Reads: templates. Writes: nothing. Never: knows another agent.

Formats: cursor.com/docs, "Rules", "Commands" (plain Markdown), "Agent Skills", "Subagents", "MCP".
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
from specweave.integrations.agents.texts import TEMPLATES, commands, ml_engineer, with_front


def pieces(root: Path) -> Sequence[Piece]:
    """Return instructions, rule, commands, skills and the ml-engineer."""
    engineer = ml_engineer()
    front = {"name": "ml-engineer", "description": engineer.front["description"], "model": "inherit"}
    rule = (TEMPLATES / "documents-rule.md").read_text(encoding="utf-8")
    rule_front = {
        "description": "How specweave's documents are read and edited",
        "globs": ".specweave/**/*.md",
        "alwaysApply": False,
    }
    typed = "what the user typed after the command"
    return [
        Owned(".cursor/rules/specweave.mdc", with_front(rule_front, rule)),
        *[Owned(f".cursor/commands/{dashed(c)}.md", with_arguments(c, typed, "/sw-")) for c in commands()],
        *skill_files(".cursor/skills"),
        Owned(".cursor/agents/ml-engineer.md", with_front(front, engineer.body)),
        instruction_block("AGENTS.md"),
    ]


def server_pieces() -> Sequence[Piece]:
    """Return the entry of the project's MCP servers."""
    return [JsonEntry(".cursor/mcp.json", ("mcpServers", "specweave"), SERVER)]


AGENT = Agent("cursor", "Cursor", pieces, server_pieces, ("open this folder in Cursor and type /sw-inc",))
