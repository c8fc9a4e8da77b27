"""Bring the living documents in line with the evidence, or say where they are not.

Reads: every evaluated increment. Writes: marked blocks below ``.specweave/docs/internal/``. Never: touches a
byte outside its blocks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from specweave.files.atomic import write_text
from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.increments.project import Project, make_slug
from specweave.publish.living.facts import Facts, evaluated_increments
from specweave.publish.living.generated import Generated, changed_documents, mend_documents
from specweave.publish.living.pages import (
    render_decision,
    render_features,
    render_model,
    render_runbook,
    render_system,
)

DOCS = "docs/internal"


@dataclass(frozen=True)
class Block:
    """One marked block of one living document; `head` starts the file where it does not exist."""

    path: Path
    name: str
    text: str
    head: str


@dataclass(frozen=True)
class Stale:
    """One line that does not say what the evidence says."""

    where: str
    found: str
    expected: str


def living_blocks(project: Project) -> list[Block]:
    """Return every block of every living document, as the evidence has it now."""
    docs = project.home / DOCS
    architecture = docs / "architecture"
    blocks = [
        Block(
            architecture / "ml-system.md",
            "system",
            render_system(project),
            "# The ML system\n\nIncrements and what each builds on.\n",
        )
    ]
    for facts in evaluated_increments(project):
        name = facts.increment.number
        blocks.append(Block(architecture / "ml-models.md", name, render_model(facts), "# Models\n"))
        features = render_features(facts)
        if features is not None:
            blocks.append(
                Block(architecture / "feature-engineering.md", name, features, "# Feature engineering\n")
            )
        blocks += _decision(docs / "adr", facts)
        title = f"# Runbook: {facts.increment.id}\n"
        blocks.append(
            Block(docs / "runbooks" / f"{facts.increment.id}.md", "runbook", render_runbook(facts), title)
        )
    return blocks


def _decision(folder: Path, facts: Facts) -> list[Block]:
    """Return the record of the algorithm choice; one that was made before is marked as superseded."""
    algorithm = re.sub(r"(Classifier|Regressor)$", "", str(facts.evaluation["algorithm"])) or "model"
    topic = make_slug(facts.increment.id.partition("-")[2], drop=frozenset())
    slug = f"use-{make_slug(algorithm, drop=frozenset())}-for-{topic}"
    known = sorted(folder.glob("[0-9][0-9][0-9][0-9]-*.md")) if folder.is_dir() else []
    marker = f"specweave:begin decision-{facts.increment.number} "
    ours = [p for p in known if marker in read_text(p)]
    path = next((p for p in ours if p.stem[5:] == slug), None)
    if path is None:
        number = max([int(p.name[:4]) for p in known], default=0) + 1
        path = folder / f"{number:04d}-{slug}.md"
    head = f"# {path.stem[:4]}. Use {algorithm} for {topic.replace('-', ' ')}\n"
    blocks = [
        Block(path, "status", "Status: accepted\n", head),
        Block(path, f"decision-{facts.increment.number}", render_decision(facts), head),
    ]
    blocks += [Block(p, "status", f"Status: superseded by {path.stem}\n", "") for p in ours if p != path]
    return blocks


def update_docs(project: Project) -> list[Path]:
    """Write what has changed; return the files that were written."""
    written: list[Path] = []
    for path, blocks in _by_path(living_blocks(project)).items():
        text = read_text(path) if path.exists() else blocks[0].head + "\n"
        document = Document(text, path.name)
        for block in blocks:
            document = document.with_managed_block(block.name, block.text)
        if not path.exists() or document.text != text:
            write_text(path, document.text)
            written.append(path)
    return written + mend_documents(project)


def check_docs(project: Project) -> list[Stale]:
    """Return every line of the living and generated documents that the evidence does not bear out."""
    found: list[Stale] = []
    for path, blocks in _by_path(living_blocks(project)).items():
        where = project.relative(path)
        if not path.exists():
            found.append(Stale(where, "", "the document is missing"))
            continue
        document = Document(read_text(path), path.name)
        for block in blocks:
            found += _compare(document, block, where)
    for changed in changed_documents(project):
        found += _lines(changed, project)
    return found


def _lines(changed: Generated, project: Project) -> list[Stale]:
    """Return the lines of a generated document that are not what its records give."""
    where = project.relative(changed.path)
    if not changed.wanted:
        return [Stale(where, "edited by hand", "its records, which cannot be rendered any more")]
    got, wanted = read_text(changed.path).splitlines(), changed.wanted.splitlines()
    differing = [
        Stale(f"{where}:{i}", a, b)
        for i, (a, b) in enumerate(zip_longest(got, wanted, fillvalue=""), 1)
        if a != b
    ]
    return differing or [Stale(where, "other line ends", "those that sw writes")]


def _compare(document: Document, block: Block, where: str) -> list[Stale]:
    present = document.managed_block(block.name)
    if present is None:
        return [Stale(where, "", f"block '{block.name}' is missing")]
    text, begin, _ = present
    got, wanted = text.splitlines(), block.text.splitlines()
    stale = [
        Stale(f"{where}:{begin + 1 + i}", a, b)
        for i, (a, b) in enumerate(zip(got, wanted, strict=False))
        if a != b
    ]
    if len(got) != len(wanted) and not stale:
        stale.append(
            Stale(
                f"{where}:{begin + 1 + min(len(got), len(wanted))}",
                f"{len(got)} lines",
                f"{len(wanted)} lines",
            )
        )
    return stale


def _by_path(blocks: list[Block]) -> dict[Path, list[Block]]:
    grouped: dict[Path, list[Block]] = {}
    for block in blocks:
        grouped.setdefault(block.path, []).append(block)
    return grouped
