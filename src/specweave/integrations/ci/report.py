"""A Check as Markdown: the job's summary, and the comment below the pull request.

Reads: a Check. Writes: text. Never: more than GitHub takes, or foreign text that acts as Markdown.
"""

from __future__ import annotations

from specweave.integrations.ci.comparison import Comparison, Delta
from specweave.integrations.ci.judging import Check, Judged
from specweave.integrations.github.issue_text import verdict_text
from specweave.integrations.github.sticky import LONGEST_COMMENT, STICKY_MARK
from specweave.integrations.markdown import clip, code, escape, table
from specweave.integrations.standing import Standing
from specweave.pipeline.validation import value_text
from specweave.stages.numbers import short_number

# GitHub takes 1 MiB a step; characters may be four bytes long.
LONGEST_SUMMARY = 250_000
_MOST = 100
_CUT = "_The rest did not fit; run `sw ci` on your machine to see all of it._"


def render_summary(check: Check) -> str:
    """Return the job's summary."""
    return clip(_text(check), LONGEST_SUMMARY, _CUT)


def render_comment(check: Check) -> str:
    """Return the text of the comment, with the mark by which it is found again."""
    return f"{STICKY_MARK}\n{clip(_text(check), LONGEST_COMMENT - 1000, _CUT)}"


def headline(check: Check) -> str:
    """Return the outcome in one line."""
    judged = [j for j in check.judged if j.phase in ("judged", "unreadable") or not j.ok]
    bad = sum(not j.ok for j in judged)
    if not judged:
        return "nothing to judge"
    things = "increment" if len(judged) == 1 else "increments"
    verb = "passes its gates" if len(judged) == 1 else "pass their gates"
    return f"{bad} of {len(judged)} {things} failed" if bad else f"{len(judged)} {things} {verb}"


def _text(check: Check) -> str:
    parts = [f"## specweave: {'✅' if check.ok else '❌'} {headline(check)}"]
    if check.base is not None:
        parts.append(f"Compared with {code(check.base.ref)} at {code(check.base.commit[:10])}.")
    parts += [escape(note) for note in check.notes]
    parts += [part for judged in check.judged for part in _increment(judged, check)]
    if check.untouched:
        n = len(check.untouched)
        parts.append(
            f"{n} {'increment is' if n == 1 else 'increments are'} not touched by this change and not judged."
        )
    return "\n\n".join(part for part in parts if part) + "\n"


def _increment(judged: Judged, check: Check) -> list[str]:
    standing = judged.standing
    mark = "❌" if not judged.ok else "✅" if judged.phase == "judged" else "⬜"
    title = (
        f"{escape(standing.spec.title)} ({code(judged.increment)})" if standing else code(judged.increment)
    )
    parts = [f"### {mark} {title}"]
    if judged.problem is not None:
        where = code(f"{judged.problem.document}:{judged.problem.line}")
        fix = judged.problem.record.get("fix")
        parts.append(
            f"{where}: {escape(judged.problem.record['message'])}" + (f" ({escape(fix)})" if fix else "")
        )
    if standing is None:
        return parts
    if standing.phase != "judged":
        return [*parts, f"It is {standing.phase}: nothing to judge."]
    parts += [_criteria(standing), _gates(standing)]
    if judged.comparison is not None and check.base is not None:
        parts += _against(judged.comparison, check.base.ref)
    if standing.amendments:
        parts.append(
            "Changed after the first candidate was trained:\n\n"
            + "\n".join(f"- {escape(a)}" for a in standing.amendments)
        )
    return parts


def _criteria(standing: Standing) -> str:
    rows = []
    for c in standing.criteria:
        note = "" if c.note == c.measured else escape(c.note)
        rows.append((escape(c.text), escape(c.measured), verdict_text(c), note))
    return table(("criterion", "measured", "verdict", ""), rows, _MOST) if rows else "No criteria."


def _gates(standing: Standing) -> str:
    gates = [*standing.tasks, *standing.evidence]
    bad = [g for g in gates if not g.passed]
    if not bad:
        return f"All {len(gates)} gates pass."
    lines = [
        f"- ❌ {escape(g.name)}: {escape(g.note or 'not passed')}" + (f"; {code(g.fix)}" if g.fix else "")
        for g in bad[:_MOST]
    ]
    return f"{len(bad)} of {len(gates)} gates fail:\n\n" + "\n".join(lines)


def _against(comparison: Comparison, ref: str) -> list[str]:
    if comparison.new:
        return [f"New: it is not in {code(ref)}."]
    parts = [f"#### Against {code(ref)}"]
    if comparison.best_before != comparison.best_after:
        before, after = (code(n) if n else "none" for n in (comparison.best_before, comparison.best_after))
        parts.append(f"Best model: {before} → {after}.")
    if any(d.change for d in comparison.deltas) and not comparison.same_rows:
        parts.append("⚠️ Measured on different holdout rows, so part of a difference may be the rows.")
    moved = [d for d in comparison.deltas if d.change != 0]
    if moved:
        parts.append(table(("metric", "base", "head", "change"), [_row(d) for d in moved], _MOST))
    same = len(comparison.deltas) - len(moved)
    if moved and same:
        parts.append(f"{same} other {'metric' if same == 1 else 'metrics'} did not change.")
    parts += [f"⚠️ Criterion removed: {escape(text)}" for text in comparison.removed]
    parts += [f"Criterion added: {escape(text)}" for text in comparison.added]
    parts += [escape(note) for note in comparison.notes]
    return parts if len(parts) > 1 else [*parts, "No number and no criterion changed."]


def _row(delta: Delta) -> tuple[str, str, str, str]:
    before = escape(value_text(delta.before)) if delta.before else "not measured"
    after = escape(value_text(delta.after)) if delta.after else "not measured"
    return escape(delta.label), before, after, escape(change_text(delta))


def change_text(delta: Delta) -> str:
    """Return a difference in words: ``▲ +0.0123, clearly better``."""
    if delta.change is None:
        return ""
    if delta.better is None:
        return "same"
    arrow = "▲" if delta.change > 0 else "▼"
    word = "better" if delta.better else "worse"
    sure = f"clearly {word}" if delta.clear else f"{word}, within the interval"
    if delta.after is not None and delta.after.low is None:
        sure = word
    return f"{arrow} {short_number(delta.change, sign=True)}, {sure}"
