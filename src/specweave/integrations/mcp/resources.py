"""What a client can read: the documents of each increment, by address.

Reads: the project's increments. Writes: nothing. Never: reads a file that is not in the table below.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, Resource

from specweave.errors import SpecweaveError, StateError
from specweave.files.store import read_text
from specweave.increments.project import Increment, find_project, get_project
from specweave.integrations.mcp.child import run_sw

HOME = "specweave://increments"
MARKDOWN = "text/markdown"


@dataclass(frozen=True)
class Document:
    """A document of an increment: its file, what it says, and the command that writes it."""

    path: str
    title: str
    made_by: str


DOCUMENTS = {
    "spec": Document("spec.md", "what must be true", "sw inc"),
    "plan": Document("plan.md", "how the pipeline runs, and why", "sw inc"),
    "tasks": Document("tasks.md", "what is done", "sw inc"),
    "tests": Document("tests.md", "what was measured, with verdicts", "sw inc"),
    "comparison": Document("experiments/comparison.md", "every experiment, best first", "sw do"),
    "evaluation": Document("reports/evaluation-report.md", "how good the best model is", "sw do"),
    "summary": Document("COMPLETION-SUMMARY.md", "what was tried, what won, whether it is ready", "sw done"),
}


def add_resources(server: MCPServer[Any], root: Path) -> None:
    """Register the overview, and one template per document."""

    @server.resource(
        HOME, name="increments", title="Increments of this project", mime_type="application/json"
    )
    async def overview() -> str:
        return json.dumps((await run_sw(root, ["status", "--json"])).document, indent=2, ensure_ascii=False)

    for name, document in DOCUMENTS.items():
        server.resource(f"{HOME}/{{increment}}/{name}", name=name, title=document.title, mime_type=MARKDOWN)(
            _reader(root, name)
        )
    server.resource(
        f"{HOME}/{{increment}}/digest", name="digest", title="all experiments in few words", mime_type=MARKDOWN
    )(_digest(root))  # fmt: skip


def list_documents(root: Path) -> list[Resource]:
    """Return what can be read now, document by document."""
    project = find_project(root)
    found = []
    for increment in project.increments() if project else []:
        names = [n for n, d in DOCUMENTS.items() if (increment.folder / d.path).is_file()]
        if any(increment.experiments.glob("exp-*")):
            names.append("digest")
        for name in names:
            title = DOCUMENTS[name].title if name in DOCUMENTS else "all experiments in few words"
            found.append(
                Resource(
                    uri=f"{HOME}/{increment.id}/{name}", name=f"{increment.id} {name}",
                    title=f"{increment.id}: {title}", mime_type=MARKDOWN,
                )
            )  # fmt: skip
    return found


def find_increment(root: Path, name: str) -> Increment:
    """Return the increment that a client named.

    Raises
    ------
    MCPError
        If there is none; the error's data is the record that ``--json`` gives.
    """
    try:
        return get_project(root).get_increment(name)
    except SpecweaveError as error:
        raise as_protocol_error(error) from error


def as_protocol_error(error: SpecweaveError) -> MCPError:
    """Return an error of ours as one of the protocol, with its record as data."""
    return MCPError(code=INVALID_PARAMS, message=str(error), data=error.to_record())


def _reader(root: Path, name: str) -> Callable[[str], str]:
    document = DOCUMENTS[name]

    def read(increment: str) -> str:
        found = find_increment(root, increment)
        try:
            path = found.folder / document.path
            if not path.is_file():
                raise StateError(
                    f"there is no {document.path} yet", where=found.id, hint=f"run: {document.made_by}"
                )
            return read_text(path)
        except SpecweaveError as error:
            raise as_protocol_error(error) from error

    return read


def _digest(root: Path) -> Callable[[str], str]:
    def read(increment: str) -> str:
        from specweave.experiments.digest import digest_experiments
        from specweave.experiments.store import ExperimentStore

        try:
            return digest_experiments(ExperimentStore(find_increment(root, increment).experiments))
        except SpecweaveError as error:
            raise as_protocol_error(error) from error

    return read
