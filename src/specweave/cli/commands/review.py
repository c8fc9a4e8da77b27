"""``sw review``: the ml-engineer."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

from specweave.cli.output import Session, common_options

if TYPE_CHECKING:
    from specweave.review.base import Change, Outlook, Review, Stated

_STYLE = {"error": "bad", "warning": "warn", "info": "dim"}
_SHOWN = {"error": "error", "warning": "warning", "info": "note"}


@click.command("review")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option(
    "--apply",
    "code",
    metavar="CODE",
    help="Make the change of plan.md (or spec.md) that this finding asks for.",
)
@click.option("--all", "show_all", is_flag=True, help="Show every note, advice and evidence.")
@click.option("--strict", is_flag=True, help="Exit 1 where an error stands.")
@click.option(
    "--rules", "list_rules", is_flag=True, help="List every code that a finding can carry, with its meaning."
)
@common_options
def command(
    session: Session,
    increment_id: str | None,
    code: str | None,
    show_all: bool,
    strict: bool,
    list_rules: bool,
) -> int:
    """Read what is on record and say what is doubtful, why, what to change, and what to try next.

    Each finding has a stable code, evidence and advice; where an edit would help it is stated exactly, and
    '--apply CODE' makes it. A finding is waived by waivers/CODE.md (reason, owner, expires).

    \b
    Example:
      sw review 42
      sw review 42 --apply SW104
    """
    if list_rules:
        return _list_rules(session)
    increment = session.get_increment(increment_id)
    if code is not None:
        return _apply(session, increment, code)
    from specweave.review.reviewing import review_increment

    review = review_increment(increment)
    _show(session, review, show_all)
    session.answer("review", review_record(review))
    return 1 if strict and not review.ok else 0


def review_record(review: Review) -> dict[str, Any]:
    """Return a review as the body of its JSON document."""
    from specweave.files.store import plain

    findings = [{**plain(f), "changes": [_change_record(c) for c in f.changes]} for f in review.findings]
    return {
        "increment": review.increment, "ok": review.ok, "findings": findings, "waiting": plain(review.waiting),
        "next": plain(review.outlook), "notes": review.notes,
    }  # fmt: skip


def _change_record(change: Change) -> dict[str, Any]:
    return {
        "file": change.file, "key": change.key, "path": list(change.path), "old": change.old, "new": change.new,
        "how": change.how, "done": change.done,
    }  # fmt: skip


def change_text(change: Change) -> str:
    """Return a change as people read it: ``plan.md split.folds: 3 -> 5``."""
    from specweave.review.plan_text import render_inline

    new = render_inline(change.new)
    if change.how == "append":
        name = change.new.get("name") if isinstance(change.new, dict) else change.new
        return f"{change.file} {change.key}: add {render_inline(name)}"
    old = "(not set)" if change.old is None else render_inline(change.old)
    return f"{change.file} {change.key}: {old} -> {new}"


def _apply(session: Session, increment: Any, code: str) -> int:
    from specweave.review.applying import apply_change

    found = apply_change(increment, code)
    for change in found.changed:
        session.say(change_text(change), "good")
    session.say(found.note)
    session.answer("review-change", {
        "increment": increment.id, "code": found.code, "changed": [_change_record(c) for c in found.changed],
        "note": found.note,
    })  # fmt: skip
    return 0


def _list_rules(session: Session) -> int:
    from specweave.review.codes import RECORDED, all_rules

    rules = all_rules()
    session.table(
        ["code", "severity", "rule", "meaning"],
        [(r.code, r.severity, r.title + (" (--apply)" if r.fixes else ""), r.meaning) for r in rules],
    )
    session.table(
        ["code", "written into", "meaning"], [(c, where, what) for c, (where, what) in RECORDED.items()]
    )
    session.answer("review-rules", {
        "rules": [{"code": r.code, "severity": r.severity, "title": r.title, "meaning": r.meaning, "needs": list(r.needs),
                   "covers": list(r.covers), "changes": r.fixes} for r in rules],
        "recorded": [{"code": c, "where": where, "meaning": what} for c, (where, what) in RECORDED.items()],
    })  # fmt: skip
    return 0


# -- for people ------------------------------------------------------------------------------------


def _show(session: Session, review: Review, show_all: bool) -> None:
    standing = review.standing
    counts = {level: sum(f.severity == level for f in standing) for level in _SHOWN}
    told = ", ".join(f"{n} {_SHOWN[level]}{'s' * (n != 1)}" for level, n in counts.items())
    session.say(f"{review.increment}: {told}", "head")
    for found in standing:
        if found.severity != "info" or show_all:
            _show_finding(session, found)
    notes = [f for f in standing if f.severity == "info"]
    if notes and not show_all:
        session.say()
        for found in [f for f in notes if f.source == "rule"]:
            offer = f" (--apply {found.code})" if any(not c.done for c in found.changes) else ""
            _wrapped(session, f"note    {found.code}  {found.message}{offer}", 16, "dim")
        told_by_stages = [f.code for f in notes if f.source != "rule"]
        codes = ", ".join(dict.fromkeys(told_by_stages))
        session.say(
            f"details, and {len(told_by_stages)} notes of the stages ({codes}): --all"
            if codes
            else "details: --all",
            "dim",
        )
    waived = [f for f in review.findings if f.waived]
    for found in waived:
        _wrapped(session, f"waived  {found.code}  {found.message}: {found.waived}", 16, "dim")
    for note in review.notes:
        _wrapped(session, note, 2, "warn")
    _show_waiting(session, review)
    _show_outlook(session, review.outlook)


def _show_finding(session: Session, found: Stated) -> None:
    session.say()
    _wrapped(session, f"{_SHOWN[found.severity]:<8}{found.code}  {found.title}", 16, _STYLE[found.severity])
    _wrapped(session, f"        {found.message}", 8)
    session.say(f"        evidence: {found.where}", "dim")
    if found.advice:
        _wrapped(session, f"        advice: {found.advice}", 8)
    if found.note:
        _wrapped(session, f"        {found.note}", 8, "warn")
    for change in found.changes:
        said = f"change: {change_text(change)}   (sw review --apply {found.code})"
        if change.done:
            said = f"{change.file} allows that already ({change.key} is {change.old}): sw do judges it anew"
        _wrapped(session, f"        {said}", 8, "good")


def _show_waiting(session: Session, review: Review) -> None:
    groups: dict[tuple[str, str], list[str]] = {}
    for waiting in review.waiting:
        groups.setdefault((", ".join(waiting.lacks), waiting.fix), []).append(waiting.code)
    if groups:
        session.say()
    for (lacks, fix), codes in groups.items():
        _wrapped(
            session,
            f"{len(codes)} rule{'s wait' if len(codes) > 1 else ' waits'} for {lacks}: {fix}",
            2,
            "dim",
        )


def _show_outlook(session: Session, outlook: Outlook) -> None:
    session.say()
    session.say("What to try next", "head")
    if outlook.stop:
        worth = any(p.gain and outlook.noise and p.gain >= outlook.noise / 4 for p in outlook.proposals)
        way = "what is worth trying is below" if worth else "better columns or more rows are the way on"
        told = f"STOP tuning: {outlook.reason}. More trials promise less than the folds can show; {way}."
        _wrapped(session, f"  {told}", 2, "warn")
    elif outlook.reason:
        _wrapped(session, f"  {outlook.reason}", 2)
    if not outlook.proposals and outlook.metric:
        session.say("  nothing on record promises a gain", "dim")
    for place, p in enumerate(outlook.proposals, 1):
        gain = (
            "gain unknown"
            if p.gain is None
            else f"{outlook.metric} {p.gain:.2g} better"
            if p.gain > 0
            else "no gain"
        )
        if p.gain and outlook.noise:
            gain += f", {p.gain / outlook.noise:.1f} standard errors"
        _wrapped(session, f"  {place}. {p.action} ({gain})", 5)
        _wrapped(session, f"     {p.basis}" + (f" -> {p.command}" if p.command else ""), 5, "dim")


def _wrapped(session: Session, text: str, indent: int, style: str = "") -> None:
    """Print a text in lines of at most 110 characters, those after the first one indented."""
    lead = text[: len(text) - len(text.lstrip())]
    lines = textwrap.wrap(text, 110, initial_indent="", subsequent_indent=" " * indent, drop_whitespace=True,
                          break_long_words=False, break_on_hyphens=False) or [""]  # fmt: skip
    lines[0] = lead + lines[0].lstrip()
    for line in lines:
        session.say(line, style)
