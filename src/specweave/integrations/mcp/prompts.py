"""The prompts of the server: the same texts that the slash commands hold, with the state of the project.

Reads: agent templates; the project through ``sw --json``. Writes: nothing. Never: makes up a number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from pydantic import Field

from specweave.integrations.agents.texts import commands, ml_engineer
from specweave.integrations.mcp.child import run_sw
from specweave.integrations.mcp.resources import find_increment

_TOOLS = "Where a tool of this server is called like the command (`inc`, `do`, `validate`, `done`, `status`), use the tool.\n"
_NEXT = """\
Say what the next step of this project is, and do it if it only reads or runs what is planned.

- No increment yet: ask what to predict and from which table, then `inc`.
- Lines of spec.md to fill in: ask the person, edit, go on.
- Tasks that are stale, failed or were never run: `do`; mend a failed one first, by its `where` and `fix`.
- Everything run: `validate`. Where it passes, `done`; where not, name the cheapest remedy for each failing line.
- Done: say so, and what `sw monitor` should watch.

The state now:
"""


def add_prompts(server: MCPServer[Any], root: Path) -> None:
    """Register every prompt for the project at `root`."""

    @server.prompt(
        name="start-increment", title="Start an increment", description="From a request to the four documents"
    )
    def start_increment(
        request: Annotated[str, Field(description="What to predict")],
        data: Annotated[str, Field(description="The table")] = "",
    ) -> str:
        text = next(c for c in commands() if c.name == "inc").body
        wanted = request + (f" --data {data}" if data else "")
        return f"{text.replace('$ARGUMENTS', wanted)}\n{_TOOLS}"

    @server.prompt(
        name="next-step", title="What is next", description="The next step of the project or of one increment"
    )
    async def next_step(
        increment: Annotated[str, Field(description="Default: the whole project")] = "",
    ) -> str:
        return f"{_NEXT}\n{await _state(root, increment)}\n{_TOOLS}"

    @server.prompt(
        name="review",
        title="Review by the ml-engineer",
        description="Judge an increment and say what to try next",
    )
    async def review(increment: Annotated[str, Field(description="Default: the active one")] = "") -> str:
        return f"{ml_engineer().body}\nThe state now:\n\n{await _state(root, increment)}\n{_TOOLS}"


async def _state(root: Path, increment: str) -> str:
    named = ["--", find_increment(root, increment).id] if increment else []
    document = (await run_sw(root, ["status", "--json", *named])).document
    return f"```json\n{json.dumps(document, indent=2, ensure_ascii=False)}\n```\n"
