"""The review of an increment: every rule asked, recorded findings joined, waivers applied, next steps ranked.

Reads: the records of one increment. Writes: nothing. Never: runs a task or changes a document.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from specweave.errors import did_you_mean
from specweave.files.store import plain
from specweave.increments.project import Increment
from specweave.increments.waivers import waiver_name
from specweave.pipeline.validation import all_criteria
from specweave.records import Severity
from specweave.review.base import Doubt, Review, Rule, Stated, Waiting
from specweave.review.codes import RECORDED, all_rules, title_of
from specweave.review.evidence import OTHERS, RECORDS, Evidence
from specweave.review.outlook import look_ahead

_ORDER = {"error": 0, "warning": 1, "info": 2}
# Records whose findings are about the increment itself.
_TOLD_IN = ("profile", "feature_validation", "evaluation", "explanation", "deployment")


def review_increment(increment: Increment, *, today: dt.date | None = None) -> Review:
    """Ask every rule about an increment.

    Parameters
    ----------
    increment : Increment
    today : date, optional
        By which waivers expire and data is old.

    Returns
    -------
    Review
        Findings gravest first; rules that wait for a record; what to try next.

    Raises
    ------
    SpecError, StorageError
        If a document or record is there but cannot be read; names the file.
    """
    evidence = Evidence(increment, today or dt.date.today())
    # Read first, so that what cannot be read is said before anything is judged.
    _ = evidence.spec, evidence.plan, evidence.waivers, evidence.lock, evidence.ledger
    for name in RECORDS:
        evidence.find(name)
    review = Review(increment.id)
    covered: set[str] = set()
    for rule in all_rules():
        lacking = evidence.lacks(rule.needs)
        if lacking:
            review.waiting.append(_waiting(rule, lacking, increment.number))
            continue
        doubts = list(rule.check(evidence))
        covered |= {*rule.settles, *(rule.covers if doubts else ())}
        review.findings += [state(rule, doubt) for doubt in doubts]
    review.findings += [f for f in recorded_findings(evidence) if f.code not in covered]
    review.findings = [_with_waiver(f, evidence) for f in review.findings]
    review.findings.sort(key=lambda f: (bool(f.waived), _ORDER[f.severity], f.code, f.message))
    review.notes = _waiver_notes(evidence, review.findings)
    review.outlook = look_ahead(evidence)
    return review


def state(rule: Rule, doubt: Doubt) -> Stated:
    """Return what a rule found as a finding of a review."""
    return Stated(
        code=rule.code, title=rule.title, severity=doubt.severity or rule.severity, message=doubt.message,
        where=doubt.where, evidence=plain(doubt.evidence), advice=doubt.advice, changes=doubt.changes,
    )  # fmt: skip


def recorded_findings(evidence: Evidence) -> Iterable[Stated]:
    """Yield what the stages wrote down, from the records that are there."""
    for name in _TOLD_IN:
        record = evidence.find(name)
        for found in record.rows("findings") if record else []:
            code = found.text("code")
            levels: dict[str, Severity] = {"error": "error", "warning": "warning", "info": "info"}
            severity = levels.get(found.text("severity"))
            if not code or severity is None:
                continue
            file, where = RECORDS[name][0], found.text("where")
            yield Stated(
                code=code, title=title_of(code), severity=severity, message=found.text("message"),
                where=file if where in ("", file) else f"{file}: {where}",
                evidence=found.at("evidence").value if isinstance(found.at("evidence").value, dict) else {},
                advice=found.text("advice"), source=file,
            )  # fmt: skip


def _waiting(rule: Rule, lacking: tuple[str, ...], number: str) -> Waiting:
    files = tuple(OTHERS[n][0] if n in OTHERS else RECORDS[n][0] for n in lacking)
    tasks = sorted(OTHERS[n][1] if n in OTHERS else RECORDS[n][3] for n in lacking)
    return Waiting(code=rule.code, title=rule.title, lacks=files, fix=f"sw do {number} --task {tasks[0]}")


# -- waivers ---------------------------------------------------------------------------------------


def _with_waiver(found: Stated, evidence: Evidence) -> Stated:
    import msgspec

    waiver = evidence.waivers.get(found.code)
    if waiver is None:
        return found
    told = f"{waiver.reason} ({waiver.owner}, until {waiver.expires.isoformat()})"
    if waiver.expired(evidence.today):
        return msgspec.structs.replace(found, note=f"its waiver has expired: {told}")
    return msgspec.structs.replace(found, waived=told)


def _waiver_notes(evidence: Evidence, findings: list[Stated]) -> list[str]:
    """Say which waivers cover nothing: a name nobody knows, or a finding that does not stand (any more)."""
    standing = {f.code for f in findings}
    criteria = {waiver_name(c.key) for c in all_criteria(evidence.increment, evidence.spec)}
    codes = {r.code for r in all_rules()} | set(RECORDED)
    notes = []
    for name in evidence.waivers:
        if name in standing or name in criteria:
            continue
        if name in codes:
            notes.append(f"waivers/{name}.md covers nothing: {name} ({title_of(name)}) does not stand")
        else:
            hint = did_you_mean(name, [*sorted(criteria), *sorted(codes)])
            notes.append(
                f"waivers/{name}.md covers nothing: no criterion or finding is called '{name}'; {hint}"
            )
    return notes
