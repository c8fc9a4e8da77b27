"""A pull request judged: the increments that it touches, by their records, against the base.

Reads: records of increments; files at the base through git. Writes: nothing. Never: runs a task, checks
anything out, or lets one broken increment hide the others.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from specweave.errors import SpecweaveError
from specweave.increments.project import FOLDER, Increment, Project
from specweave.increments.spec import DATA, Spec, load_spec
from specweave.integrations.ci.comparison import Comparison, compare_with_base
from specweave.integrations.git import changed_paths, find_text, get_commit, merge_base
from specweave.integrations.standing import Standing, load_standing
from specweave.pipeline.system import dependencies_of
from specweave.stages.records import EVALUATION

_PLACE = re.compile(r"^(.*?)(?::(\d+))?$")


@dataclass(frozen=True)
class Base:
    """What a change is compared with: the name as asked, the commit where both went apart."""

    ref: str
    commit: str


@dataclass(frozen=True)
class Problem:
    """An increment that cannot be judged: the error, and the document and line that it is about."""

    record: Mapping[str, Any]
    document: str
    line: int


@dataclass(frozen=True)
class Judged:
    """One increment; `standing` or `problem` is there, `comparison` where there is a base."""

    increment: str
    standing: Standing | None
    problem: Problem | None = None
    comparison: Comparison | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return self.problem is None and self.standing is not None and not self.standing.failing

    @property
    def phase(self) -> str:
        """``planned``, ``abandoned``, ``judged`` or ``unreadable``."""
        return self.standing.phase if self.standing is not None else "unreadable"


@dataclass
class Check:
    """The whole answer.

    Attributes
    ----------
    project : Project
    base : Base or None
    judged : list of Judged
    untouched : list of str
        Increments that the change does not touch; not judged.
    notes : list of str
    """

    project: Project
    base: Base | None = None
    judged: list[Judged] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every judged increment passes."""
        return all(j.ok for j in self.judged)


def judge_change(project: Project, base: str | None = None, *, everything: bool = False) -> Check:
    """Judge the increments of a project, or those that differ from a base.

    Parameters
    ----------
    project : Project
    base : str, optional
        A branch, tag or commit. The comparison is with the commit where it and HEAD went apart.
    everything : bool
        Judge increments that the change does not touch, too.

    Raises
    ------
    UnknownNameError
        If git knows no such base.
    StateError
        If the project is not under version control.
    """
    check = Check(project)
    increments = project.increments()
    if base is not None:
        commit = get_commit(project.root, base)
        apart = merge_base(project.root, commit)
        if apart is None:
            check.notes.append(
                f"no common ancestor with {base} is known here, so it is compared with {base} itself"
            )
        check.base = Base(base, apart or commit)
        touched = _touched(project, increments, changed_paths(project.root, check.base.commit), check.notes)
        if not everything:
            check.untouched = [i.id for i in increments if i.id not in touched]
            increments = [i for i in increments if i.id in touched]
    numbers = Counter(i.number for i in project.increments())
    check.judged = [_judge(i, check.base, numbers[i.number] > 1) for i in increments]
    return check


def _judge(increment: Increment, base: Base | None, duplicate: bool) -> Judged:
    problem = _duplicate(increment) if duplicate else None
    standing = None
    try:
        standing = load_standing(increment)
    except SpecweaveError as error:
        problem = problem or Problem(error.to_record(), *place_of(increment, error.where))
    comparison = None
    if base is not None:
        spec, evaluation = (standing.spec, standing.evaluation) if standing else (None, None)
        comparison = compare_with_base(
            spec, evaluation, _at_base(increment, base, "spec.md"), _at_base(increment, base, EVALUATION)
        )
    return Judged(increment.id, standing, problem, comparison)


def _at_base(increment: Increment, base: Base, name: str) -> str | None:
    return find_text(increment.project.root, base.commit, f"{FOLDER}/increments/{increment.id}/{name}")


def _duplicate(increment: Increment) -> Problem:
    record = {
        "severity": "error", "code": "state", "message": f"two increments have the number {increment.number}",
        "where": increment.id, "fix": "run: sw doctor --fix",
    }  # fmt: skip
    return Problem(record, *place_of(increment, None))


def place_of(increment: Increment, where: str | None) -> tuple[str, int]:
    """Return the document, from the project's root, and the line that an error's `where` names."""
    project = increment.project
    fallback = project.relative(increment.spec_path), 1
    match = _PLACE.match(where or "")
    if match is None or not match[1]:
        return fallback
    for path in (
        Path(match[1]),
        project.increments_folder / match[1],
        project.root / match[1],
        increment.folder / match[1],
    ):
        try:
            if path.is_file() and path.resolve().is_relative_to(project.root.resolve()):
                return project.relative(path), int(match[2] or 1)
        except (OSError, ValueError):
            continue  # no file name at all
    return fallback


# -- what a change touches -------------------------------------------------------------------------


def _touched(
    project: Project, increments: Sequence[Increment], changed: set[str], notes: list[str]
) -> set[str]:
    """Return the increments whose folder or data changed, and those that depend on them."""
    prefix = f"{FOLDER}/increments/"
    folders = {path[len(prefix) :].partition("/")[0] for path in changed if path.startswith(prefix)}
    known = {i.id for i in increments}
    notes += [f"{name} is no longer there" for name in sorted(folders - known) if "-" in name]
    specs = {i.id: spec for i in increments if (spec := _spec(i)) is not None}
    found = folders & known
    found |= {name for name, spec in specs.items() if _data_changed(spec, changed)}
    upstream = {i.id: _upstream(i) for i in increments}
    while more := {name for name, needed in upstream.items() if needed & found} - found:
        found |= more
    return found


def _upstream(increment: Increment) -> set[str]:
    try:
        return {d.increment.id for d in dependencies_of(increment)}
    except SpecweaveError:
        return set()  # judging it says what is wrong, where its folder changed


def _spec(increment: Increment) -> Spec | None:
    try:
        return load_spec(increment.spec_path)
    except SpecweaveError:
        return None  # judging it says what is wrong, where its folder changed


def _data_changed(spec: Spec, changed: set[str]) -> bool:
    named = [f.value.strip("`") for f in spec.fields.values() if f.section == DATA]
    files = [value.removeprefix("./") for value in named if "/" in value or "." in value]
    return any(p == f or fnmatch(p, f) or p.startswith(f.rstrip("/") + "/") for f in files for p in changed)
