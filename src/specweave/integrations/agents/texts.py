"""The texts that every agent gets: instructions, commands, skills and the ml-engineer, from package data.

Reads: ``templates/agents/``. Writes: nothing. Never: knows which agent it is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from specweave.files.documents import Document
from specweave.files.store import read_text

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "agents"


@dataclass(frozen=True)
class Text:
    """One Markdown text with its front matter.

    Attributes
    ----------
    name : str
        Where it stands below its folder, without the ending: ``github/create-issue``.
    whole : str
        The file as it is.
    front : dict
        Its front matter.
    body : str
        What follows it.
    """

    name: str
    whole: str
    front: dict[str, Any]
    body: str


def load_text(path: Path, name: str) -> Text:
    """Read one template."""
    from specweave.files.yamlio import parse_yaml

    whole = read_text(path)
    document = Document(whole, path.name)
    front = document.front_matter()
    if front is None:
        return Text(name, whole, {}, whole)
    return Text(
        name,
        whole,
        dict(parse_yaml(front[0], where=path.name)),
        "".join(document.lines[front[2] :]).lstrip("\n"),
    )


@cache
def commands() -> list[Text]:
    """Return the slash commands by name: ``inc``, ``do``, ... ``github/create-issue``."""
    folder = TEMPLATES / "commands"
    paths = sorted(folder.rglob("*.md"))
    return [load_text(p, p.relative_to(folder).with_suffix("").as_posix()) for p in paths]


@cache
def skills() -> list[Text]:
    """Return the skills by name, the orchestrator first."""
    found = [load_text(p, p.parent.name) for p in sorted((TEMPLATES / "skills").glob("*/SKILL.md"))]
    return sorted(found, key=lambda t: t.name != "ml-pipeline-orchestrator")


@cache
def ml_engineer() -> Text:
    """Return the ml-engineer agent."""
    return load_text(TEMPLATES / "ml-engineer.md", "ml-engineer")


@cache
def instructions() -> str:
    """Return what every agent must know, for AGENTS.md and its like."""
    return read_text(TEMPLATES / "instructions.md")


def with_front(front: dict[str, Any], body: str) -> str:
    """Return a Markdown text with this front matter; values are quoted as YAML."""
    import json

    lines = "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in front.items())
    return f"---\n{lines}---\n\n{body}"
