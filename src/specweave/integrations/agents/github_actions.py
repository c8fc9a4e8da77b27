"""GitHub Actions: the workflow that judges a pull request, as `specweave.integrations.github.workflow` writes it.

Reads: where the repository begins. Writes: nothing. Never: holds a second copy of the workflow, or touches one that a
person wrote.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import SpecweaveError, StateError
from specweave.integrations.agents.base import Agent
from specweave.integrations.agents.pieces import Owned, Piece, State


@dataclass(frozen=True)
class Workflow(Owned):
    """The workflow file: what stands between its marks is ours, jobs below them are a person's."""

    def state(self, current: str | None) -> State:
        """Say how the file stands; one without our marks is a person's."""
        from specweave.integrations.github.workflow import MARKED

        if current is None:
            return "absent"
        if len(MARKED.findall(_plain(current))) != 1:
            return "edited"
        return "current" if self.put(current) == current else "outdated"

    def put(self, current: str | None) -> str:
        """Return the file with our part as it should be.

        Raises
        ------
        StateError
            If a workflow of that name is there and is not ours.
        """
        from specweave.integrations.github.workflow import MARKED

        if current is None:
            return self.text
        if len(MARKED.findall(_plain(current))) != 1:
            raise StateError(
                "a workflow of this name is there and does not carry our two marks",
                where=self.path,
                hint=f"rename it, then run the command again: git mv {self.path} {self.path}.old",
            )
        return _as(current, MARKED.sub(lambda _: self.text, _plain(current)))

    def take(self, current: str) -> str | None:
        """Return the file without our part; None where nothing else was in it."""
        from specweave.integrations.github.workflow import MARKED

        left = MARKED.sub("", _plain(current))
        return _as(current, left) if left.strip() else None


def pieces(root: Path) -> Sequence[Piece]:
    """Return the workflow, at the top of the repository around the project."""
    from specweave.integrations.git import prefix_of, top_of
    from specweave.integrations.github.workflow import FILE, render_workflow, tracks_with_dvc

    try:
        top, prefix = top_of(root), prefix_of(root)
    except SpecweaveError:  # without git the project is taken for the repository
        top, prefix = root, ""
    path = Path(os.path.relpath(top / FILE, root)).as_posix()
    return [Workflow(path, render_workflow(prefix, dvc=tracks_with_dvc(root)))]


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n")


def _as(old: str, new: str) -> str:
    """Return `new` with the line ends of `old`."""
    return new.replace("\n", "\r\n") if "\r\n" in old else new


AGENT = Agent(
    "github-actions",
    "GitHub Actions",
    pieces,
    next_steps=("commit the workflow; it runs on the next pull request",),
)
