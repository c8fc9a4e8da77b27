"""The grammar of criteria: ``ROC AUC > 0.83``, ``Latency: <100ms``, ``Better than best baseline by 20%``.

Reads: text. Writes: text. Never: measures anything (see ``pipeline.validation``).

::

    criterion = absolute | relative | evidence, [confidence], [segment]
    absolute  = METRIC OP VALUE [UNIT]            OP is > >= < <= =
    relative  = "Better than" REFERENCE ["by" N% | N x]
    evidence  = "Must explain top-K ..."
    METRIC    = NAME | NAME@K | NAME@NAME=VALUE
    REFERENCE = random baseline | best baseline | NAME baseline | previous version
    confidence= "with" N% "confidence"            the interval's bound must pass, not only the point
    segment   = "where" COLUMN == VALUE
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from specweave.errors import SpecError, UnknownNameError
from specweave.metrics.base import (
    MetricDef,
    MetricRef,
    find_metric,
    fold_name,
    known_metric,
    parse_metric_ref,
)

Op = Literal[">", ">=", "<", "<=", "="]

_OPS = {"≥": ">=", "≤": "<=", "==": "=", "=>": ">=", "=<": "<="}
# A comma only ever separates thousands: "0,5" is refused, not read as 5.
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?![\d,])|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|[-+]?\.\d+"
_UNIT = (
    r"%|percent|ms|milliseconds?|us|µs|microseconds?|min(?:utes?)?|s(?:ec(?:onds?)?)?|h(?:ours?)?|days?"
    r"|kb|mb|gb|tb|bytes?|\$|€|£|usd|eur|gbp|x|(?:req(?:uests?)?|rows?)(?:/| per )s(?:ec(?:ond)?)?|rps|qps|/s"
)
_VALUE = re.compile(
    rf"^(?P<prefix>[$€£]?)\s*(?P<number>{_NUMBER})\s*(?P<unit>(?:{_UNIT})(?![\w]))?\s*(?P<rest>.*)$", re.I
)
_ABSOLUTE = re.compile(
    r"^(?P<metric>[^@<>=≥≤]*@[^<>=≥≤]*=\s*[\d.]+\s*%?|[^<>=≥≤]*?)"
    r"\s*(?P<op>>=|<=|==|=>|=<|≥|≤|>|<|=)\s*(?P<value>[-+.\d$€£].*)$"
)
_RELATIVE = re.compile(
    r"^(?:must be\s+)?better than (?:the\s+)?(?P<ref>.+?)(?:\s+by\s+(?:at least\s+)?(?P<n>\d+(?:\.\d+)?)\s*(?P<unit>%|x)\+?)?$",
    re.I,
)
_EXPLAIN = re.compile(r"\bexplain\w*\b.*?\btop[- ]?(?P<k>\d+)\b", re.I)
_CONFIDENCE = re.compile(r"\s+with\s+(\d+(?:\.\d+)?)\s*%\s+confidence\b", re.I)
_SEGMENT = re.compile(
    r"""\s+where\s+(?P<col>`[^`]+`|"[^"]+"|'[^']+'|[^=]+?)\s*==?\s*(?P<val>"[^"]*"|'[^']*'|[^,]+?)\s*(?=$|\s+with\s)""",
    re.I,
)
_NOT_REQUIRED = frozenset({"", "none", "no", "notrequired", "notapplicable", "na", "any"})

# Factors that bring a written unit to the metric's own.
_SCALE = {
    ("s", "ms"): 1000.0, ("min", "ms"): 60_000.0, ("us", "ms"): 0.001,
    ("ms", "s"): 0.001, ("min", "s"): 60.0, ("h", "s"): 3600.0, ("day", "s"): 86_400.0,
    ("byte", "MB"): 1e-6, ("kb", "MB"): 0.001, ("gb", "MB"): 1000.0, ("tb", "MB"): 1e6, ("%", ""): 0.01,
}  # fmt: skip
_MONEY = ("$", "€", "£", "usd", "eur", "gbp")
# First letters of a written unit -> its short name; the first that fits counts.
_SHORT = (
    ("percent", "%"), ("milli", "ms"), ("micro", "us"), ("μs", "us"), ("min", "min"), ("hour", "h"), ("day", "day"),
    ("byte", "byte"), ("req", "req/sec"), ("row", "req/sec"), ("rps", "req/sec"), ("qps", "req/sec"), ("/s", "req/sec"),
    ("sec", "s"),
)  # fmt: skip


class Criterion(msgspec.Struct, frozen=True, kw_only=True):
    """One demand of a document.

    Attributes
    ----------
    text : str
        As written.
    source, line : str, int
        The document and its line.
    kind : {"absolute", "relative", "evidence"}
    metric : MetricRef or None
        None for relative criteria (they use the selection metric) and for evidence.
    op : str
    value : float
        The bar in the metric's own unit; for relative criteria the factor: 0.2 for "by 20%", 3 for "by 3x".
    unit : str
        The unit of `value`; ``"%"`` or ``"x"`` for relative criteria.
    reference : str
        ``best baseline``, ``random baseline``, ``previous version``.
    confidence : float or None
        0.95 for "with 95% confidence".
    where : tuple of (str, str) or None
        Column and value of the segment.
    """

    text: str
    source: str = ""
    line: int = 0
    kind: Literal["absolute", "relative", "evidence"]
    metric: MetricRef | None = None
    op: Op = ">="
    value: float = 0.0
    unit: str = ""
    reference: str = ""
    confidence: float | None = None
    where: tuple[str, str] | None = None

    @property
    def key(self) -> str:
        """A stable name: two criteria with the same key ask for the same thing."""
        if self.kind == "evidence":
            return f"explains top-{self.value:g}"
        head = self.metric.key if self.metric else f"better than {self.reference}"
        return head + (f" where {self.where[0]} == {self.where[1]}" if self.where else "")


def parse_criteria(text: str, *, key: str = "", where: str = "", line: int = 0) -> list[Criterion]:
    """Parse the right side of a bullet: several criteria, separated by commas.

    Parameters
    ----------
    text : str
        ``ROC AUC > 0.83, Recall@precision=0.6 >= 0.5`` or ``<100ms inference``.
    key : str
        The bullet's key, which names the metric where the text does not: ``Latency``.
    where, line : str, int
        For messages.

    Raises
    ------
    SpecError
        If a part is no criterion; names file, line, the text and the nearest valid form.
    """
    if fold_name(text) in _NOT_REQUIRED:
        return []
    return [parse_criterion(part, key=key, where=where, line=line) for part in split_parts(text)]


def split_parts(text: str) -> list[str]:
    """Split at commas and semicolons, but not inside quotes or numbers; an apostrophe inside a word is no quote."""
    parts, current, quote = [], "", ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'`" and not text[max(0, i - 1) : i].isalnum():
            quote = char
        elif char == ";" or (char == "," and not text[i + 1 : i + 2].isdigit()):
            parts.append(current)
            current = ""
            continue
        current += char
    parts.append(current)
    return [p.strip() for p in parts if p.strip()]


def parse_criterion(text: str, *, key: str = "", where: str = "", line: int = 0) -> Criterion:
    """Parse one criterion.

    Raises
    ------
    SpecError
        As :func:`parse_criteria`.

    Examples
    --------
    >>> c = parse_criterion("Latency: <100ms inference")
    >>> c.metric.key, c.op, c.value, c.unit
    ('latency_p95_ms', '<', 100.0, 'ms')
    """
    at = f"{where}:{line}" if where and line else where or None
    body = text.strip().rstrip(".")
    if not key and ":" in body and not _ABSOLUTE.match(body.partition(":")[0]):
        key, _, body = (part.strip() for part in body.partition(":"))
    body, confidence = _take_confidence(body, at, text)
    body, segment = _take_segment(body, at, text)
    body = body.strip()

    relative = _RELATIVE.match(body)
    if relative:
        return _relative(relative, text, key, where, line, confidence, segment)
    explain = _EXPLAIN.search(body)
    if explain:
        written = f"{key}: {text.strip()}" if key and not text.strip().startswith(f"{key}:") else text.strip()
        return Criterion(text=written, source=where, line=line, kind="evidence", value=float(explain["k"]))
    match = _ABSOLUTE.match(body)
    if match:
        name, op_text, value_text = match["metric"].strip() or key, match["op"], match["value"]
    elif key and _VALUE.match(body):
        name, op_text, value_text = key, "", body
    else:
        raise _no_criterion(text, key, at)
    if not name:
        raise _no_criterion(text, key, at)
    try:
        ref = parse_metric_ref(name)
    except UnknownNameError as error:
        raise SpecError(f"in '{text.strip()}': {error.what}", where=at, hint=error.hint) from error
    metric = find_metric(ref.name)
    op: Op = _OPS.get(op_text, op_text or (">=" if metric.higher_is_better else "<="))  # type: ignore[assignment]
    value = _value(value_text, metric, text, at)
    return Criterion(
        text=text.strip() if not key or (match and match["metric"].strip()) or ":" in text else f"{key}: {text.strip()}",
        source=where, line=line, kind="absolute", metric=ref, op=op, value=value, unit=metric.unit,
        confidence=confidence, where=segment,
    )  # fmt: skip


def _take_confidence(body: str, at: str | None, text: str) -> tuple[str, float | None]:
    match = _CONFIDENCE.search(body)
    if not match:
        if re.search(r"\bconfidence\b", body, re.I):
            raise SpecError(
                f"'{text.strip()}' names no level of confidence", where=at, hint="write: with 95% confidence"
            )
        return body, None
    level = float(match[1]) / 100
    if not 0.5 <= level < 1:
        raise SpecError(
            f"in '{text}': {match[1]}% is no usable confidence", where=at, hint="write: with 95% confidence"
        )
    return body[: match.start()] + body[match.end() :], level


def _take_segment(body: str, at: str | None, text: str) -> tuple[str, tuple[str, str] | None]:
    match = _SEGMENT.search(body)
    if not match:
        if re.search(r"\swhere\s", body, re.I):
            raise SpecError(
                f"the segment in '{text.strip()}' is not COLUMN == VALUE", where=at,
                hint='write for example: Recall > 0.5 where Contract == "One year"',
            )  # fmt: skip
        return body, None
    return body[: match.start()] + body[match.end() :], (
        match["col"].strip("`\"' "),
        match["val"].strip("\"' "),
    )


def _relative(
    match: re.Match[str], text: str, key: str, where: str, line: int, confidence: float | None,
    segment: tuple[str, str] | None,
) -> Criterion:  # fmt: skip
    reference = re.sub(r"\s+", " ", match["ref"].casefold()).strip()
    reference = re.sub(r"^(?:a|any|our)\s+", "", reference)
    if reference in ("baseline", "baselines", "all baselines", "every baseline"):
        reference = "best baseline"
    if reference in ("last version", "the last version", "previous model", "last model", "previous"):
        reference = "previous version"
    if not (reference.endswith(" baseline") or reference == "previous version"):
        raise SpecError(
            f"'{match['ref']}' in '{text.strip()}' is nothing to compare with",
            where=f"{where}:{line}" if line else where or None,
            hint="write: Better than best baseline by 20%, Better than random baseline by 3x, "
            "or Better than previous version",
        )
    unit = (match["unit"] or "%").lower()
    factor = float(match["n"] or 0) / (100 if unit == "%" else 1)
    metric = None
    if key and fold_name(key) != "accuracy" and known_metric(key.partition("@")[0]):
        metric = parse_metric_ref(key)
    return Criterion(
        text=text.strip() if not key or ":" in text else f"{key}: {text.strip()}",
        source=where, line=line, kind="relative", metric=metric, value=factor, unit=unit, reference=reference,
        confidence=confidence, where=segment,
    )  # fmt: skip


def _value(text: str, metric: MetricDef, whole: str, at: str | None) -> float:
    match = _VALUE.match(text.strip())
    glued = match is not None and not match["unit"] and text.strip()[match.end("number") :][:1].isalpha()
    if match is None or glued or re.search(r"\d", match["rest"]):
        raise SpecError(
            f"'{text.strip()}' in '{whole.strip()}' is not one number with a unit",
            where=at,
            hint="write for example: > 0.83, < 100ms, >= 1000 req/sec, < 10%; a point before decimals, "
            "a comma between criteria",
        )
    number = float(match["number"].replace(",", ""))
    written = match["unit"] or match["prefix"] or ""
    unit = _short_unit(written)
    if unit and unit not in _MONEY and unit != metric.unit.casefold():
        scale = _SCALE.get((unit, metric.unit))
        if scale is None:
            expected = f"'{metric.unit}'" if metric.unit else "no unit, or %"
            raise SpecError(
                f"unit '{written}' in '{whole.strip()}' does not fit {metric.label}", where=at, hint=f"use {expected}"
            )  # fmt: skip
        number *= scale
    _check_reachable(number, metric, whole, at)
    return number


def _short_unit(written: str) -> str:
    low = re.sub(r"\s+", " ", written.casefold())  # casefold makes the micro sign a Greek mu
    return next((short for start, short in _SHORT if low.startswith(start)), low)


def _check_reachable(number: float, metric: MetricDef, whole: str, at: str | None) -> None:
    """Refuse a bar beyond the metric's best value: nobody means a ROC AUC above 83."""
    if metric.best is None or not (number > metric.best if metric.higher_is_better else number < metric.best):
        return
    percent = metric.higher_is_better and metric.best == 1 and 2 < number <= 100
    raise SpecError(
        f"'{whole.strip()}' can never be met: {metric.label} is at best {metric.best:g}",
        where=at,
        hint=f"did you mean {number:g}%?" if percent else "choose a value that can be reached",
    )


def _no_criterion(text: str, key: str, at: str | None) -> SpecError:
    body = text.strip()
    return SpecError(
        f"'{body}' is not a criterion",
        where=at,
        hint=f"the nearest valid form is: {_nearest_form(body, key)}   "
        "(also: Better than best baseline by 20%, Latency: <100ms)",
    )


def _nearest_form(text: str, key: str) -> str:
    """Return a valid criterion made of what can be recognised in `text`."""
    if fold_name(key) == "explainability":
        return "Must explain top-3 features per prediction"
    if re.search(r"\bbetter\b", text, re.I):
        return "Better than best baseline by 20%"
    words = re.findall(r"[A-Za-z][\w²@-]*", text)
    spans = [" ".join(words[i : i + n]) for n in (3, 2, 1) for i in range(len(words) - n + 1)]
    name = next((s for s in spans if known_metric(s.partition("@")[0])), None)
    name = name or (key if key and known_metric(key) else "ROC AUC")
    metric = find_metric(name.partition("@")[0])
    number = re.search(r"\d+(?:\.\d+)?\s*(?:%|ms\b|s\b|MB\b)?", re.sub(r"@\s*\d+", "", text))
    below = re.search(r"\b(below|under|at most|less|smaller|lower|within)\b", text, re.I)
    above = re.search(r"\b(above|over|at least|more|greater|higher)\b", text, re.I)
    op = "<" if below or not (above or metric.higher_is_better) else ">"
    usual = {"ms": "100ms", "s": "60s", "MB": "10 MB", "req/sec": "1000 req/sec"}.get(metric.unit, "0.8")
    return f"{name} {op} {number[0].strip() if number else usual}"
