"""Agents put into a project, looked at, and taken out again.

Reads: the project's agent files. Writes: the same, each in one step, after all of them were worked out. Never:
overwrites or deletes what a person edited, unless told to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from specweave import registry
from specweave.errors import SpecError, StateError
from specweave.files.atomic import storage_errors, write_text
from specweave.files.store import read_text
from specweave.integrations.agents.base import Agent
from specweave.integrations.agents.pieces import Owned, Piece


@dataclass(frozen=True)
class Change:
    """What became of one file.

    Attributes
    ----------
    path : str
        From the project's root.
    action : str
        ``written``, ``updated``, ``unchanged``, ``removed``, or ``kept`` where a person had edited it.
    """

    path: str
    action: str


@dataclass(frozen=True)
class AgentStatus:
    """How an agent stands in a project.

    Attributes
    ----------
    name, title : str
    installed : bool
        At least one file of its own is there.
    current : bool
        All is there as this version of specweave writes it, a person's edits aside.
    server : bool
        It starts ``sw mcp``.
    files : dict of str to str
        State of each file: ``absent``, ``current``, ``outdated``, ``edited``.
    """

    name: str
    title: str
    installed: bool
    current: bool
    server: bool
    files: dict[str, str]


@dataclass
class _Texts:
    """The files of a project as they will be; read once, written at the end."""

    root: Path
    before: dict[Path, str | None] = field(default_factory=dict)
    after: dict[Path, str | None] = field(default_factory=dict)

    def place(self, path: str) -> Path:
        """Return the file behind a path; AGENTS.md and CLAUDE.md are often one file under two names."""
        found = (self.root / path).resolve()
        if not found.is_relative_to(self.boundary):
            raise StateError(
                f"{path} is a link that leads out of the project",
                where=self.root / path,
                hint="replace the link by a file, then run the command again",
            )
        return found

    @cached_property
    def boundary(self) -> Path:
        """The repository around the project, or the project: nothing is written outside of it."""
        root = self.root.resolve()
        return next((p for p in (root, *root.parents) if (p / ".git").exists()), root)

    def get(self, path: str) -> str | None:
        place = self.place(path)
        if place not in self.after:
            self.before[place] = self.after[place] = read_text(place) if place.exists() else None
        return self.after[place]

    def set(self, path: str, text: str | None) -> None:
        self.after[self.place(path)] = text

    def save(self) -> None:
        for place, text in self.after.items():
            if text == self.before[place]:
                continue
            if text is not None:
                write_text(place, text)
                continue
            with storage_errors(place):
                place.unlink()
            self._prune(place.parent)

    def _prune(self, folder: Path) -> None:
        """Delete folders that became empty."""
        while folder not in (self.boundary, self.root.resolve()):
            try:
                folder.rmdir()
            except OSError:  # something of somebody else is in it
                return
            folder = folder.parent


def known_agents() -> list[str]:
    """Return the names of all agents."""
    return registry.names("agents")


def get_agent(name: str) -> Agent:
    """Return the agent of that name.

    Raises
    ------
    UnknownNameError
        If there is none.
    """
    found: Agent = registry.get("agents", name)
    return found


def install_agents(
    root: Path,
    names: Sequence[str],
    *,
    server: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> list[Change]:
    """Put agents into the project at `root`; what is there already as it should be stays.

    Parameters
    ----------
    root : Path
    names : sequence of str
    server : bool
        Also let the agents start ``sw mcp``.
    force : bool
        Also write anew what a person edited in files of ours.
    dry_run : bool
        Write nothing; say what would be done.

    Returns
    -------
    list of Change
        One per file, in order.

    Raises
    ------
    UnknownNameError
        If an agent does not exist; nothing was written then.
    SpecError
        If a file of the person's cannot be edited safely (broken markers, no JSON); nothing was written then.
    """
    agents = [get_agent(name) for name in names]
    texts = _Texts(root)
    actions: dict[str, str] = {}
    for piece in _distinct(agents, texts, server).values():
        current = texts.get(piece.path)
        state = piece.state(current)
        if state == "current":
            action = "unchanged"
        elif state == "edited" and not force:
            action = "kept"
        else:
            texts.set(piece.path, piece.put(current))
            action = "written" if current is None else "updated"
        _note(actions, piece.path, action)
    if not dry_run:
        texts.save()
    return [Change(path, action) for path, action in actions.items()]


def remove_agents(
    root: Path, names: Sequence[str], *, force: bool = False, dry_run: bool = False
) -> list[Change]:
    """Take agents out of the project at `root`; what another installed agent needs stays.

    Raises
    ------
    UnknownNameError, SpecError
        As `install_agents`.
    """
    agents = [get_agent(name) for name in names]
    others = [get_agent(n) for n in known_agents() if n not in names and agent_status(root, n).installed]
    texts = _Texts(root)
    needed = set(_distinct(others, texts, True))
    actions: dict[str, str] = {}
    for key, piece in _distinct(agents, texts, True).items():
        current = texts.get(piece.path)
        if current is None or piece.state(current) == "absent" or key in needed:
            continue
        if piece.state(current) == "edited" and not force:
            _note(actions, piece.path, "kept")
            continue
        left = piece.take(current)
        texts.set(piece.path, left)
        _note(actions, piece.path, "removed" if left is None else "updated")
    if not dry_run:
        texts.save()
    return [Change(path, action) for path, action in actions.items()]


def agent_status(root: Path, name: str) -> AgentStatus:
    """Return how one agent stands in the project at `root`."""
    agent = get_agent(name)
    texts = _Texts(root)
    states = [(p, _state(texts, p)) for p in agent.pieces(root)]
    server = [_state(texts, p) for p in agent.server_pieces()]
    files: dict[str, str] = {}
    for piece, state in states:
        _note(files, piece.path, state)
    return AgentStatus(
        agent.name,
        agent.title,
        installed=any(isinstance(p, Owned) and s != "absent" for p, s in states),
        current=all(s in ("current", "edited") for _, s in states),
        server=bool(server) and all(s != "absent" for s in server),
        files=files,
    )


def _state(texts: _Texts, piece: Piece) -> str:
    # A file that cannot be read as what it should be is a person's to mend; looking must not fail.
    with contextlib.suppress(SpecError):
        return piece.state(texts.get(piece.path))
    return "edited"


def _distinct(agents: Iterable[Agent], texts: _Texts, server: bool) -> dict[tuple[object, ...], Piece]:
    """Return the pieces of agents by what they are and where; what several share stands once."""
    found: dict[tuple[object, ...], Piece] = {}
    for agent in agents:
        for piece in (*agent.pieces(texts.root), *(agent.server_pieces() if server else ())):
            inner = getattr(piece, "keys", None) or getattr(piece, "name", "")
            found.setdefault((texts.place(piece.path), inner), piece)
    return found


# What says most about a file that several pieces share.
_WEIGHT = ("current", "unchanged", "kept", "edited", "outdated", "absent", "updated", "removed", "written")


def _note(notes: dict[str, str], path: str, word: str) -> None:
    known = notes.get(path)
    if known is None or _WEIGHT.index(word) > _WEIGHT.index(known):
        notes[path] = word
