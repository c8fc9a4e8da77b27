"""The MCP server of a project: tools, resources, prompts, and errors in the form that ``--json`` gives.

Reads: standard input. Writes: standard output, which carries the protocol alone. Never: ends because of what a client
sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, Completion, InputRequiredResult, Resource
from pydantic import ValidationError

from specweave import __version__
from specweave.errors import SpecweaveError, did_you_mean
from specweave.increments.project import find_project
from specweave.integrations.agents.texts import instructions
from specweave.integrations.mcp.child import Answer, make_error
from specweave.integrations.mcp.prompts import add_prompts
from specweave.integrations.mcp.resources import add_resources, list_documents
from specweave.integrations.mcp.tools import add_tools, make_result


class SpecweaveServer(MCPServer[Any]):
    """The server of one project.

    Parameters
    ----------
    root : Path
        The project's folder; it may still be without ``.specweave/``.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(
            "specweave",
            title="specweave",
            description="Machine-learning projects driven by their own documents.",
            instructions=instructions(),
            version=__version__,
            log_level="ERROR",
        )
        self.root = root
        add_tools(self, root)
        add_resources(self, root)
        add_prompts(self, root)
        self.completion()(self._complete)  # type: ignore[no-untyped-call]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Call a tool; whatever goes wrong is the document that ``--json`` would give, marked as an error."""
        try:
            known = {tool.name: tool.input_schema for tool in await self.list_tools()}
            if name not in known:
                return _failure("unknown-name", f"there is no tool '{name}'", did_you_mean(name, known))
            allowed = known[name].get("properties", {})
            for argument in arguments:
                if argument not in allowed:
                    message = f"'{name}' has no argument '{argument}'"
                    return _failure("arguments", message, did_you_mean(argument, allowed))
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            return _from_tool_error(name, error)

    async def list_resources(self) -> list[Resource]:
        """List the overview and every document that can be read now."""
        return [*await super().list_resources(), *list_documents(self.root)]

    async def _complete(self, reference: Any, argument: Any, context: Any) -> Completion | None:
        """Offer the increments of the project where one is asked for."""
        if argument.name != "increment":
            return None
        project = find_project(self.root)
        ids = [i.id for i in project.increments()] if project else []
        return Completion(values=[i for i in ids if argument.value in i][:100])


def serve(root: Path) -> None:
    """Serve the project at `root` on standard input and output until the client is gone."""
    SpecweaveServer(root).run("stdio")


def _from_tool_error(name: str, error: ToolError) -> CallToolResult:
    cause = error.__cause__
    if isinstance(cause, SpecweaveError):
        record = cause.to_record()
        return make_result(Answer({"kind": "error", "schema": 1, "errors": [record]}, cause.exit_code))
    if isinstance(cause, ValidationError):
        told = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors()]
        return _failure(
            "arguments", f"'{name}' cannot take these arguments: {'; '.join(told)}", "see the tool's schema"
        )
    what = f"{type(cause).__name__}: {cause}" if cause is not None else str(error)
    return _failure(
        "internal", what, "this is a defect of specweave: report it with the arguments of the call"
    )


def _failure(code: str, message: str, fix: str) -> CallToolResult:
    return make_result(Answer(make_error(code, message, fix=fix), 2))
