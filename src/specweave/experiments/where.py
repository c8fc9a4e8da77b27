"""Filters people type: ``metrics.roc_auc > 0.8 and params.max_depth <= 6``.

Reads: text and experiment records. Writes: nothing. Never: evaluates Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from specweave.errors import DataError, UnknownNameError, did_you_mean
from specweave.experiments.record import ExperimentRecord

Test = Callable[[ExperimentRecord], bool]

EXAMPLE = "metrics.roc_auc > 0.8 and params.max_depth <= 6"
_FIELDS = frozenset(
    [
        *("id", "name", "number", "title", "status", "task", "increment", "seed", "host", "python", "error"),
        *("started", "ended", "duration_s", "attempts", "data_sha256", "commit", "dirty"),
    ]
)
_GROUPS = ("metrics", "params", "tags")
_MISSING = object()
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w.@:-]))
    | (?P<moment>\d{4}-\d\d[\w:.+-]*)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<operator><=|>=|==|!=|=|<|>|~|\(|\))
    | (?P<word>[^\W\d][\w@%/:+-]*(?:\.(?:[\w@%/:+-]+|"(?:[^"\\]|\\.)*"))*)
    )""",
    re.VERBOSE,
)


def parse_where(text: str) -> Where:
    """Parse a filter.

    Comparisons ``NAME OP VALUE`` with ``> >= < <= = == != ~`` (``~`` looks for a part of a text, case
    ignored), joined by ``and``, ``or``, ``not`` and brackets. A name is a field (``status``, ``name``,
    ``duration_s``, ...), ``metrics.X``, ``params.X`` or ``tags.X``; a plain ``X`` is looked for in that
    order. Names with unusual letters go in quotes: ``metrics."recall@precision=0.6"``. A name alone asks
    whether it is there. A comparison with something that is missing is false.

    Raises
    ------
    DataError
        If it cannot be read; points at the place.

    Examples
    --------
    >>> parse_where("metrics.auc > 0.8 and not status = failed").names
    ['metrics.auc', 'status']
    """
    return _Parser(text).parse()


class Where:
    """A parsed filter.

    Attributes
    ----------
    text : str
    names : list of str
        The names it mentions.
    """

    def __init__(self, text: str, test: Test, names: list[str]) -> None:
        self.text = text
        self.names = names
        self._test = test

    def matches(self, record: ExperimentRecord) -> bool:
        """Return whether an experiment passes the filter."""
        return self._test(record)

    def check_names(self, records: Sequence[ExperimentRecord]) -> None:
        """Refuse a name that no experiment has; it would silently filter everything out.

        Raises
        ------
        UnknownNameError
            Offers the nearest names.
        """
        if not records:
            return
        for name in self.names:
            if all(find_value(record, name) is _MISSING for record in records) and name not in _FIELDS:
                raise UnknownNameError(
                    f"no experiment has '{name}'", where=self.text, hint=did_you_mean(name, _known(records))
                )


def _known(records: Iterable[ExperimentRecord]) -> list[str]:
    found: dict[str, None] = {}
    for record in records:
        for group in _GROUPS:
            found.update(dict.fromkeys(f"{group}.{name}" for name in getattr(record, group)))
    return [*found, *sorted(_FIELDS)]


def find_value(record: ExperimentRecord, name: str) -> Any:
    """Return what an experiment has under a name, or a marker for nothing."""
    group, dot, rest = name.partition(".")
    if dot and group in _GROUPS:
        return getattr(record, group).get(_unquote(rest), _MISSING)
    if name in _FIELDS:
        if name in ("commit", "dirty"):
            return (record.git or {}).get(name, _MISSING)
        return getattr(record, name)
    plain = _unquote(name)
    for group in _GROUPS:
        if plain in getattr(record, group):
            return getattr(record, group)[plain]
    return _MISSING


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


class _Parser:
    """Recursive descent over the tokens: or, and, not, comparison."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: list[str] = []
        self.tokens = self._tokens()
        self.at = 0

    def _tokens(self) -> list[tuple[str, str, int]]:
        found, position = [], 0
        text = self.text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._error("cannot read this", position)
            found.append((match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            position = match.end()
        return found

    def parse(self) -> Where:
        """Parse the whole text."""
        if not self.tokens:
            raise self._error("the filter is empty", 0)
        test = self._or()
        if self.at < len(self.tokens):
            raise self._error("expected 'and', 'or' or the end", self.tokens[self.at][2])
        return Where(self.text, test, self.names)

    def _peek(self) -> str:
        if self.at >= len(self.tokens):
            return ""
        kind, text, _ = self.tokens[self.at]
        return text.lower() if kind == "word" else text if kind == "operator" else ""

    def _next(self, expected: str) -> tuple[str, str, int]:
        if self.at >= len(self.tokens):
            raise self._error(f"{expected} is missing at the end", len(self.text))
        self.at += 1
        return self.tokens[self.at - 1]

    def _or(self) -> Test:
        left = self._and()
        while self._peek() == "or":
            self.at += 1
            left = _either(left, self._and())
        return left

    def _and(self) -> Test:
        left = self._not()
        while self._peek() == "and":
            self.at += 1
            left = _both(left, self._not())
        return left

    def _not(self) -> Test:
        if self._peek() == "not":
            self.at += 1
            inner = self._not()
            return lambda record: not inner(record)
        if self._peek() == "(":
            self.at += 1
            inner = self._or()
            if self._peek() != ")":
                raise self._error("a bracket is not closed", len(self.text))
            self.at += 1
            return inner
        return self._comparison()

    def _comparison(self) -> Test:
        kind, name, position = self._next("a name")
        if kind not in ("word", "text") or name.lower() in ("and", "or"):
            raise self._error("expected a name here", position)
        self.names.append(name)
        operator = self._peek()
        if operator not in _COMPARE:
            return lambda record: find_value(record, name) not in (_MISSING, None)
        self.at += 1
        kind, text, position = self._next("a value")
        if kind == "operator":
            raise self._error("expected a value here", position)
        compare = _COMPARE[operator]
        if kind == "word" and text.partition(".")[0] in _GROUPS and "." in text:
            self.names.append(text)
            return lambda record: _holds(compare, find_value(record, name), find_value(record, text))
        value = _literal(kind, text)
        return lambda record: _holds(compare, find_value(record, name), value)

    def _error(self, what: str, position: int) -> DataError:
        shown = f"{self.text}\n  {' ' * position}^"
        return DataError(
            f"{what}, at character {position + 1} of the filter:\n  {shown}", hint=f"like: {EXAMPLE}"
        )


def _either(left: Test, right: Test) -> Test:
    return lambda record: left(record) or right(record)


def _both(left: Test, right: Test) -> Test:
    return lambda record: left(record) and right(record)


def _literal(kind: str, text: str) -> Any:
    if kind == "number":
        return float(text)
    if kind == "text":
        return _unquote(text)
    return {"true": True, "false": False, "none": None, "null": None}.get(text.lower(), text)


def _holds(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    if left is _MISSING or right is _MISSING:
        return False
    return compare(left, right)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) or isinstance(right, bool) or left is None or right is None:
        return left is right or str(left).lower() == str(right).lower()
    pair = _numbers(left, right)
    return pair[0] == pair[1] if pair else str(left).casefold() == str(right).casefold()


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        pair = _numbers(left, right)
        if pair:
            return test(*pair)
        # Times and other texts have an order too; a text and a number have none.
        return isinstance(left, str) and isinstance(right, str) and test(left, right)

    return compare


def _numbers(left: Any, right: Any) -> tuple[float, float] | None:
    try:
        return float(left), float(right)
    except (TypeError, ValueError):
        return None


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": _equal,
    "==": _equal,
    "!=": lambda left, right: not _equal(left, right),
    ">": _ordered(lambda a, b: a > b),
    ">=": _ordered(lambda a, b: a >= b),
    "<": _ordered(lambda a, b: a < b),
    "<=": _ordered(lambda a, b: a <= b),
    "~": lambda left, right: str(right).casefold() in str(left).casefold(),
}
