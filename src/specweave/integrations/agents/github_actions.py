"""GitHub Actions: the workflow that judges a pull request, as `specweave.integrations.github.workflow` writes it.

Reads: what that writer makes in an empty folder. Writes: nothing. Never: holds a second copy of the workflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specweave.integrations.agents.base import Agent
from specweave.integrations.agents.pieces import Owned, Piece, State


@dataclass(frozen=True)
class Workflow(Owned):
    """A workflow file: without a stamp, so one that differs is a person's."""

    @property
    def rendered(self) -> str:
        """The file's whole text."""
        return self.text

    def state(self, current: str | None) -> State:
        """Say how the file stands."""
        if current is None:
            return "absent"
        return "current" if current == self.text else "edited"


def pieces(root: Path) -> Sequence[Piece]:
    """Return the files of the workflow."""
    from specweave.integrations.github.workflow import install_workflow

    with tempfile.TemporaryDirectory() as name:
        made = install_workflow(Path(name))
        return [
            Workflow(p.relative_to(name).as_posix() if p.is_absolute() else p.as_posix(),
                     (Path(name) / p).read_text(encoding="utf-8"))
            for p in made
        ]  # fmt: skip


AGENT = Agent(
    "github-actions",
    "GitHub Actions",
    pieces,
    next_steps=("commit the workflow; it runs on the next pull request",),
)
