"""The text of an issue: a managed block that shows how an increment stands, and what a person wrote around it.

Reads: a Standing, an issue's body. Writes: text. Never: changes a byte outside the block, or lets foreign
text act as Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from specweave.errors import SpecError
from specweave.files.documents import Document
from specweave.files.store import digest, number
from specweave.integrations.markdown import clip, code, escape, one_line, quote, table
from specweave.integrations.standing import BestModel, CriterionLine, GateLine, Standing
from specweave.pipeline.validation import metric_label, value_text
from specweave.records import Metric

BLOCK = "issue"
# GitHub takes 65,536 characters; the rest is room for what people write around the block.
LONGEST_BLOCK = 40_000
LONGEST_BODY = 65_536
LONGEST_TITLE = 256
_MARK = re.compile(r"^<!-- specweave:increment=(\S+) -->\s*$", re.M)
_STATE = re.compile(r"^<!-- specweave:state (\{.*\}) -->\s*$", re.M)
_COMMENT = "<!-- specweave:comment={key} -->"
_VERDICTS = {
    "pass": "✅ pass",
    "fail": "❌ fail",
    "inconclusive": "❔ inconclusive",
    "missing": "❌ not measured",
}
_MOST = 60


@dataclass(frozen=True)
class IssueState:
    """What the block of an issue says of itself.

    Attributes
    ----------
    increment : str
        The id in its mark; "" where there is none.
    best : dict or None
        The best model that was last told.
    block : str or None
        The block's text; None where it was taken out.
    edited : bool
        Whether somebody changed the block, or its marks, by hand.
    """

    increment: str
    best: dict[str, Any] | None
    block: str | None
    edited: bool


def render_mark(increment_id: str) -> str:
    """Return the hidden line that ties an issue to an increment."""
    return f"<!-- specweave:increment={increment_id} -->"


def find_mark(body: str) -> str | None:
    """Return the increment that an issue's body names, or None."""
    found = _MARK.search(body.replace("\r\n", "\n"))
    return found[1] if found else None


def make_title(standing: Standing, title: str | None = None) -> str:
    """Return an issue's title: as asked, or number and title of the increment."""
    text = title if title is not None else f"[{standing.increment.number}] {standing.spec.title}"
    return one_line(text, LONGEST_TITLE)


# -- the block -------------------------------------------------------------------------------------


def render_block(standing: Standing) -> str:
    """Return what stands between the marks."""
    shown = "\n\n".join(part for part in _parts(standing) if part) + "\n"
    shown = (
        clip(shown, LONGEST_BLOCK, "_The rest did not fit; see the increment's folder._").rstrip("\n") + "\n"
    )
    state = {"best": best_record(standing.best), "digest": digest(shown)}
    # '>' is written so that no value can close the comment.
    hidden = json.dumps(state, sort_keys=True, ensure_ascii=True).replace(">", "\\u003e")
    return f"{render_mark(standing.increment.id)}\n<!-- specweave:state {hidden} -->\n\n{shown}"


def _parts(standing: Standing) -> list[str]:
    spec, folder = standing.spec, standing.increment.project.relative(standing.increment.folder)
    return [
        f"### {escape(spec.title)}: {escape(spec.status)}",
        quote(spec.request) if spec.request else "",
        "#### Criteria",
        _criteria(standing.criteria),
        f"#### Progress: {sum(t.passed for t in standing.tasks)} of {len(standing.tasks)} tasks",
        "\n".join(_task(t) for t in standing.tasks[:_MOST]),
        "#### Best model" if standing.trains else "#### What was checked",
        _best(standing) if standing.trains else _checked(standing),
        "---\n" + f"Increment {code(standing.increment.id)}, written by `sw github sync` from the records in {code(folder)}. "
        "What stands between the two marks is rewritten; anything above or below is yours.",
    ]  # fmt: skip


def _criteria(criteria: list[CriterionLine]) -> str:
    if not criteria:
        return "None yet: write them into spec.md."
    rows = [(escape(c.text), escape(c.measured), verdict_text(c)) for c in criteria]
    return table(("criterion", "measured", "verdict"), rows, _MOST)


def verdict_text(criterion: CriterionLine) -> str:
    """Return a verdict with its mark, escaped for a cell."""
    text = _VERDICTS.get(criterion.verdict, escape(criterion.verdict))
    return f"{text}, waived: {escape(criterion.waived)}" if criterion.waived else text


def _task(task: GateLine) -> str:
    return f"- {'✅' if task.passed else '⬜'} {escape(task.name)}"


def _best(standing: Standing) -> str:
    best = standing.best
    if best is None:
        return f"Nothing was evaluated yet{_tried(standing)}."
    version = f", version {code(best.version)}" if best.version else ""
    head = f"{code(best.experiment)} ({escape(best.algorithm)}){version}{_tried(standing)}."
    return head + "\n\n" + _metrics(standing.metrics)


def _checked(standing: Standing) -> str:
    """Return what the tasks of an increment without a model logged."""
    if not standing.metrics:
        return f"Its tasks are scripts of its own, which logged nothing yet{_tried(standing)}."
    n = len(standing.criteria)
    judged = "one criterion is" if n == 1 else f"{n} criteria are"
    head = f"Its tasks are scripts of its own; {judged} judged by what they logged{_tried(standing)}."
    return head + "\n\n" + _metrics(standing.metrics)


def _tried(standing: Standing) -> str:
    counts = [f"{n} {status}" for status, n in sorted(standing.experiments.items())]
    return f"; experiments: {', '.join(counts)}" if counts else ""


def _metrics(metrics: list[Metric]) -> str:
    rows = [(escape(metric_label(m.name)), escape(value_text(m))) for m in metrics]
    return table(("metric", f"value [{metrics[0].level:.0%} interval]"), rows, _MOST)


def best_record(best: BestModel | None) -> dict[str, Any] | None:
    """Return the best model as the hidden state and ``github.json`` keep it."""
    if best is None:
        return None
    m = best.metric
    return {
        "experiment": best.experiment, "algorithm": best.algorithm, "metric": m.name, "value": _plain(m.value),
        "low": _plain(m.low), "high": _plain(m.high), "n": m.n, "unit": m.unit, "holdout": best.holdout,
        "version": best.version,
    }  # fmt: skip


def _plain(value: float | None) -> float | str | None:
    return value if value is None or abs(value) < float("inf") else str(value)


# -- the body --------------------------------------------------------------------------------------


def parse_body(body: str) -> IssueState:
    """Read the state of an issue's body."""
    text = body.replace("\r\n", "\n")
    increment = find_mark(text) or ""
    try:
        found = Document(text, "issue").managed_block(BLOCK)
    except SpecError:
        return IssueState(increment, _state(text).get("best"), None, edited=True)
    if found is None:
        return IssueState(increment, None, None, edited=True)
    state = _state(found[0])
    shown = _STATE.split(found[0])[-1].lstrip("\n")
    return IssueState(increment, state.get("best"), found[0], edited=state.get("digest") != digest(shown))


def _state(text: str) -> dict[str, Any]:
    found = _STATE.search(text)
    if found is None:
        return {}
    try:
        state = json.loads(found[1])
    except ValueError:
        return {}
    if not isinstance(state, dict):
        return {}
    best = state.get("best")
    return {**state, "best": best if isinstance(best, dict) and "experiment" in best else None}


def merge_body(body: str, block: str) -> str:
    """Return an issue's body with the block replaced, or added at the end where there is none.

    Raises
    ------
    SpecError
        If its marks do not pair up.
    """
    return Document(body, "the issue").with_managed_block(BLOCK, block).text


def same_text(a: str, b: str) -> bool:
    """Return whether two bodies are the same but for line endings and the end, which GitHub changes."""
    return a.replace("\r\n", "\n").rstrip() == b.replace("\r\n", "\n").rstrip()


# -- comments --------------------------------------------------------------------------------------


def comment_key(increment_id: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the name under which a change is told once."""
    names = ("experiment", "metric", "value")
    return digest([increment_id, [before.get(n) for n in names], [now.get(n) for n in names]])


def comment_mark(key: str) -> str:
    """Return the hidden line by which a comment is known again."""
    return _COMMENT.format(key=key)


def render_comment(increment_id: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the comment that tells that the best model changed."""
    rows = [
        ("experiment", code(before.get("experiment", "")), code(now.get("experiment", ""))),
        ("algorithm", escape(before.get("algorithm", "")), escape(now.get("algorithm", ""))),
        ("version", _or_none(before.get("version")), _or_none(now.get("version"))),
    ]
    if before.get("metric") == now.get("metric"):
        rows.append((escape(metric_label(str(now.get("metric")))), _value(before), _value(now)))
    else:
        rows += [(escape(metric_label(str(before.get("metric")))), _value(before), ""),
                 (escape(metric_label(str(now.get("metric")))), "", _value(now))]  # fmt: skip
    lines = [comment_mark(comment_key(increment_id, before, now)), "**The best model changed.**", "",
             table(("", "before", "now"), rows)]  # fmt: skip
    if before.get("metric") != now.get("metric"):
        lines += ["", "The metric that chooses changed, so the two values cannot be compared."]
    elif before.get("holdout") != now.get("holdout"):
        lines += [
            "",
            "They were measured on different holdout rows, so part of the difference may be the rows.",
        ]
    return "\n".join(lines) + "\n"


def _or_none(text: Any) -> str:
    return code(text) if text else "none"


def _value(best: Mapping[str, Any]) -> str:
    try:
        metric = Metric(
            name=str(best.get("metric")), value=float(number(best["value"])), unit=str(best.get("unit") or ""),
            low=_bound(best.get("low")), high=_bound(best.get("high")),
            n=int(best["n"]) if best.get("n") is not None else None,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return "not known"  # the hidden line was edited by hand
    return escape(value_text(metric))


def _bound(value: Any) -> float | None:
    return None if value is None else float(number(value))
