"""Findings at the lines of a pull request, in the form that GitHub Actions reads from a job's output.

Reads: a Check. Writes: text. Never: lets a value end the command it stands in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from specweave.integrations.ci.judging import Check, Judged
from specweave.integrations.markdown import one_line
from specweave.integrations.standing import CriterionLine

Level = Literal["error", "warning", "notice"]
_SAID = {"fail": "fails", "missing": "was not measured", "inconclusive": "is inconclusive", "pass": "passes"}


@dataclass(frozen=True)
class Annotation:
    """One remark; `file` is seen from the top of the repository."""

    level: Level
    file: str
    line: int
    title: str
    message: str


def check_annotations(check: Check, prefix: str = "") -> list[Annotation]:
    """Return what deserves a remark, errors first.

    Parameters
    ----------
    check : Check
    prefix : str
        The project's folder below the top of the repository, with a closing slash.
    """
    found = [a for judged in check.judged for a in _of(judged, prefix)]
    order = {"error": 0, "warning": 1, "notice": 2}
    return sorted(found, key=lambda a: order[a.level])


def render_annotation(annotation: Annotation) -> str:
    """Return the line that makes GitHub show a remark.

    Examples
    --------
    >>> render_annotation(Annotation("error", "a,b.md", 3, "50%: bad", "first\\nsecond"))
    '::error file=a%2Cb.md,line=3,title=50%25%3A bad::first%0Asecond'
    """
    fields = {"file": annotation.file, "line": str(annotation.line), "title": one_line(annotation.title, 200)}
    told = ",".join(f"{name}={_property(value)}" for name, value in fields.items())
    return f"::{annotation.level} {told}::{_data(annotation.message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _of(judged: Judged, prefix: str) -> Iterator[Annotation]:
    if judged.problem is not None:
        place = judged.problem
        yield Annotation(
            "error", prefix + place.document, place.line, judged.increment, _error_text(place.record)
        )
    standing = judged.standing
    if standing is None or standing.phase != "judged":
        return
    for criterion in standing.criteria:
        yield from _of_criterion(criterion, prefix)
    for gate in [*standing.tasks, *standing.evidence]:
        if not gate.passed:
            told = f"{gate.note}\nmend it with: {gate.fix}" if gate.fix else gate.note
            yield Annotation(
                "error", prefix + gate.document, gate.line, f"Gate: {gate.name}", told or "not passed"
            )
    spec = prefix + standing.increment.project.relative(standing.increment.spec_path)
    for line in standing.amendments:
        yield Annotation("warning", spec, 1, "Changed after the first candidate was trained", line)
    for delta in judged.comparison.deltas if judged.comparison else []:
        if delta.better is False and delta.clear and delta.before and delta.after:
            told = f"{delta.before.value:.4g} at the base, {delta.after.value:.4g} now; the old value lies outside the new interval"
            yield Annotation("warning", spec, 1, f"{delta.label} became worse", told)


def _of_criterion(criterion: CriterionLine, prefix: str) -> Iterator[Annotation]:
    if criterion.verdict == "pass" and not criterion.waived:
        return
    level: Level = "error" if criterion.blocks else "notice" if criterion.waived else "warning"
    lines = [f"{criterion.text}: measured {criterion.measured}", criterion.note]
    lines += [f"waived: {criterion.waived}"] if criterion.waived else []
    lines += [f"mend it with: {criterion.fix}"] if criterion.fix else []
    title = f"Criterion {_SAID[criterion.verdict]}"
    yield Annotation(
        level, prefix + criterion.document, max(1, criterion.line), title, "\n".join(x for x in lines if x)
    )


def _error_text(record: Mapping[str, Any]) -> str:
    return f"{record['message']}\n{record['fix']}" if record.get("fix") else str(record["message"])
