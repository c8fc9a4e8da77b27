"""``tasks.md``: what is done. A check box per task, its script and its evidence beneath.

Reads: ``tasks.md``. Writes: single check boxes. Never: ticks what has no evidence.

::

    - [ ] T-004: Train candidate models (5 algorithms)
      - script: pipeline/t004_candidates.py
      - evidence: experiments/*/model.pkl, experiments/comparison.md

A task of your own may name what it reads (files of the project, ``increment: 0042 data/output.parquet``) under
``inputs:``; it runs again when one of them changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import SpecError, StorageError, UnknownNameError, did_you_mean
from specweave.files.atomic import write_text
from specweave.files.documents import Document
from specweave.files.store import read_text

_NEARLY = re.compile(r"^\**[Tt]-?\d+\b")
_TASK = re.compile(r"^\**(T-\d{3,4})\**\s*[:.\-–]\s*(.*)$")


@dataclass(frozen=True)
class TaskLine:
    """One task of ``tasks.md``.

    Attributes
    ----------
    id : str
        ``T-004``.
    title : str
    ticked : bool
    script : str
        Path below the increment's folder.
    evidence : tuple of str
        Glob patterns below the increment's folder; each must match at least one file.
    line : int
    inputs : tuple of str
        Files and addresses that it reads beside the increment's own data.
    """

    id: str
    title: str
    ticked: bool
    script: str
    evidence: tuple[str, ...]
    line: int
    inputs: tuple[str, ...] = ()


def load_tasks(path: Path) -> list[TaskLine]:
    """Read ``tasks.md``.

    Raises
    ------
    StorageError
        If it is missing.
    SpecError
        If a task has no script, stands twice, or there is none; names the line.
    """
    if not path.exists():
        raise StorageError("the increment has no tasks.md", where=path.parent, hint="restore it from git")
    return parse_tasks(read_text(path), f"{path.parent.name}/{path.name}")


def parse_tasks(text: str, where: str) -> list[TaskLine]:
    """Parse the text of a ``tasks.md``; `where` is for messages."""
    document = Document(text, where)
    document.check_no_conflict()
    boxes = [(b, m) for b in document.checkboxes() if (m := _TASK.match(b.text))]
    for box in document.checkboxes():
        if _NEARLY.match(box.text) and not _TASK.match(box.text):
            raise SpecError(
                f"'{box.text}' is not a task",
                where=f"{where}:{box.line}",
                hint="write: - [ ] T-010: Title, the number with three digits",
            )
    bullets = document.bullets()
    tasks: list[TaskLine] = []
    for i, (box, match) in enumerate(boxes):
        end = boxes[i + 1][0].line if i + 1 < len(boxes) else len(document.lines) + 1
        inner = {
            b.key.casefold(): b.value
            for b in bullets
            if box.line < b.line < end and b.indent > box.indent and b.key
        }
        first = next((t for t in tasks if t.id == match[1]), None)
        if first:
            raise SpecError(
                f"{match[1]} stands twice (first on line {first.line})", where=f"{where}:{box.line}",
                hint="give one of them the next free number",
            )  # fmt: skip
        script = inner.get("script", "").strip("`")
        if not script:
            raise SpecError(
                f"{match[1]} has no script", where=f"{where}:{box.line}",
                hint=f"add under it: '  - script: pipeline/{match[1].lower().replace('-', '')}_name.py'",
            )  # fmt: skip
        evidence = tuple(p.strip().strip("`") for p in inner.get("evidence", "").split(",") if p.strip())
        for path in (script, *evidence):
            if path.startswith(("/", "~")) or ".." in path.split("/"):
                raise SpecError(
                    f"'{path}' of {match[1]} leads out of the increment", where=f"{where}:{box.line}",
                    hint="write it as seen from the increment's folder, for example pipeline/t010_mine.py",
                )  # fmt: skip
        inputs = tuple(p.strip().strip("`") for p in inner.get("inputs", "").split(",") if p.strip())
        tasks.append(TaskLine(match[1], match[2].strip(), box.ticked, script, evidence, box.line, inputs))
    if not tasks:
        raise SpecError(
            "no task found",
            where=f"{where}:1",
            hint="write lines like '- [ ] T-001: Data exploration' with a script beneath",
        )
    return tasks


def find_task(tasks: Iterable[TaskLine], name: str) -> TaskLine:
    """Return the task called ``T-004``, ``t004``, ``4`` or by a part of its title.

    Raises
    ------
    UnknownNameError
        If none or several match.
    """
    known = list(tasks)
    digits = re.fullmatch(r"[Tt]?-?(\d{1,4})", name.strip())
    if digits:
        matches = [t for t in known if int(t.id[2:]) == int(digits[1])]
    else:
        matches = [t for t in known if name.casefold() in f"{t.title} {t.script}".casefold()]
    if len(matches) == 1:
        return matches[0]
    which = "several tasks match" if matches else "there is no task"
    raise UnknownNameError(f"{which} '{name}'", hint=did_you_mean(name, [t.id for t in known]))


def set_tick(path: Path, task_id: str, ticked: bool) -> None:
    """Tick or untick one task; every other byte stays."""
    text = read_text(path)
    where = f"{path.parent.name}/{path.name}"
    task = find_task(parse_tasks(text, where), task_id)
    changed = Document(text, where).with_tick(task.line, ticked)
    if changed.text != text:
        write_text(path, changed.text)
