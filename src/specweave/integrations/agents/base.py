"""What a coding agent is to us: a name, and the pieces that it gets in a project.

Reads: nothing. Writes: nothing. Never: knows a single agent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from specweave.integrations.agents.pieces import Block, Owned, Piece
from specweave.integrations.agents.texts import Text, instructions, skills

# The command that starts the MCP server, for every agent's settings.
SERVER = {"command": "sw", "args": ["mcp"]}


def no_pieces() -> Sequence[Piece]:
    """Return no piece: for agents without an MCP server."""
    return []


@dataclass(frozen=True)
class Agent:
    """One coding agent.

    Attributes
    ----------
    name : str
        As in ``sw agent install NAME``.
    title : str
        The product's name.
    pieces : callable
        The project's root to what is put into it.
    server_pieces : callable
        What makes the agent start ``sw mcp``; put in where it was asked for.
    next_steps : tuple of str
        What a person has to do after the installation.
    """

    name: str
    title: str
    pieces: Callable[[Path], Sequence[Piece]]
    server_pieces: Callable[[], Sequence[Piece]] = no_pieces
    next_steps: tuple[str, ...] = ()


def instruction_block(path: str) -> Block:
    """Return the block of instructions for a file such as AGENTS.md."""
    return Block(path, "agents", instructions())


def skill_files(folder: str) -> list[Owned]:
    """Return the skills as files below `folder`, in the open SKILL.md format."""
    return [Owned(f"{folder}/{s.name}/SKILL.md", s.whole) for s in skills()]


def dashed(command: Text) -> str:
    """Return a command's name where names hold no colon: ``sw-github-create-issue``."""
    return "sw-" + command.name.replace("/", "-")


def with_arguments(command: Text, arguments: str, call: str = "/sw:") -> str:
    """Return a command's text with its arguments, and the names of its neighbours, as the agent writes them."""
    text = command.body.replace("$ARGUMENTS", arguments)
    if call == "/sw:":
        return text
    return re.sub(r"/sw:([a-z:-]+)", lambda m: call + m[1].replace(":", "-"), text)
