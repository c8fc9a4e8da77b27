"""The change that a finding asks for, made in plan.md or spec.md and nowhere else.

Reads: the review of one code, the document. Writes: the named value in the document. Never: touches another byte,
or makes a change that the rule did not state.
"""

from __future__ import annotations

import datetime as dt
import re

import msgspec

from specweave.errors import StateError
from specweave.files.atomic import write_text
from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.increments.plan import parse_plan
from specweave.increments.project import Increment
from specweave.increments.spec import DATA, parse_spec
from specweave.metrics.base import fold_name
from specweave.review.base import PLAN, Change, Stated
from specweave.review.codes import get_rule, title_of
from specweave.review.evidence import RECORDS, Evidence
from specweave.review.plan_text import change_plan_text
from specweave.review.reviewing import state


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """What came of ``--apply``.

    Attributes
    ----------
    code : str
    changed : tuple of Change
        What was written; empty where nothing was left to do.
    note : str
        Why nothing was written, or what to run next.
    """

    code: str
    changed: tuple[Change, ...] = ()
    note: str = ""


def apply_change(increment: Increment, code: str, *, today: dt.date | None = None) -> Applied:
    """Make the change that the findings of a code ask for; a second call finds nothing left to do.

    Raises
    ------
    UnknownNameError
        If no finding carries the code.
    StateError
        If its findings come with no change, or the records that it judges by are not there yet.
    SpecError
        If the document cannot be changed in that place alone; nothing is written then.
    """
    rule = get_rule(code)
    code = code.strip().upper()
    if rule is None or not rule.fixes:
        raise StateError(
            f"{code} ({title_of(code)}) comes with no change of plan.md or spec.md", where=increment.id,
            hint=f"read its advice: sw review {increment.number}",
        )  # fmt: skip
    evidence = Evidence(increment, today or dt.date.today())
    lacking = evidence.lacks(rule.needs)
    if lacking:
        files = ", ".join(RECORDS[n][0] if n in RECORDS else n for n in lacking)
        raise StateError(
            f"{code} cannot judge yet: {files} is not there",
            where=increment.id,
            hint=f"run: sw do {increment.number}",
        )
    found = [state(rule, doubt) for doubt in rule.check(evidence)]
    if not found:
        return Applied(code=code, note=f"{code} ({rule.title}) does not stand; nothing was changed")
    changes = _changes(found)
    if not changes:
        raise StateError(
            f"{code} stands, but proposes no change here: {found[0].message}", where=increment.id,
            hint=found[0].advice or f"read its advice: sw review {increment.number}",
        )  # fmt: skip
    left = [c for c in changes if not c.done]
    if not left:
        told = ", ".join(c.key for c in changes)
        return Applied(
            code=code,
            note=f"{changes[0].file} says so already ({told}); nothing was changed. Next: sw do {increment.number}",
        )
    _write(increment, evidence, left)
    return Applied(code=code, changed=tuple(left), note=f"next: sw do {increment.number}")


def _changes(found: list[Stated]) -> list[Change]:
    """Return the changes of all findings, one for each place."""
    unique: dict[tuple[object, ...], Change] = {}
    for change in (c for f in found for c in f.changes):
        extra = (str(change.new),) if change.how == "append" else ()
        unique.setdefault((change.file, *change.path, *extra), change)
    return list(unique.values())


def _write(increment: Increment, evidence: Evidence, changes: list[Change]) -> None:
    """Make every change in memory, see that the documents still parse, then write them."""
    plan_path, spec_path = increment.plan_path, increment.spec_path
    before = {path: read_text(path) for path in (plan_path, spec_path)}
    texts = dict(before)
    for change in changes:
        if change.file == PLAN:
            where = evidence.plan.where
            texts[plan_path] = change_plan_text(
                texts[plan_path], change.path, change.new, how=change.how, where=where
            )
        else:
            texts[spec_path] = change_spec_text(
                texts[spec_path], change.path[0], str(change.new), evidence.spec.where
            )
    parse_plan(texts[plan_path], plan_path, evidence.problem.plan_keys)
    parse_spec(texts[spec_path], spec_path)
    for path, text in texts.items():
        if text != before[path]:
            write_text(path, text)


def change_spec_text(text: str, key: str, value: str, where: str) -> str:
    """Return the text of a ``spec.md`` with the value of one bullet set; it is added where it is missing."""
    document = Document(text, where)
    section = document.find_section(DATA)
    bullets = document.bullets(section)
    for bullet in bullets:
        if not bullet.indent and fold_name(bullet.key) == fold_name(key):
            line = document.lines[bullet.line - 1].rstrip("\r\n")
            head = re.match(r"^(\s*[-*+]\s+[^:]*:)(\s*)", line)
            assert head is not None  # it is a bullet with a key
            return document.with_line(bullet.line, f"{head[1]}{head[2] or ' '}{value}").text
    last = bullets[-1].line if bullets else section.line if section else len(document.lines)
    lines = list(document.lines)
    if lines and not lines[last - 1].endswith("\n"):
        lines[last - 1] += document.newline
    return "".join([*lines[:last], f"- {key}: {value}{document.newline}", *lines[last:]])
