"""What a request and a table say without being asked: target, keys, time column, problem type.

Reads: a request, a frame. Writes: nothing. Never: guesses where two answers are as good.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from specweave import registry
from specweave.errors import SpecError, UnknownNameError, did_you_mean
from specweave.forecasters.roles import without_horizon
from specweave.problems.base import Problem, problem_for

if TYPE_CHECKING:
    import pandas as pd

    from specweave.tables.kinds import ColumnKind

_FLAGS = ("is", "has", "was", "flag")
_GROUPS = re.compile(r"\b(?:per|each|every|by)\s+\w+", re.I)
_SUSPICION = re.compile(r"fraud|suspicious|scam|swindle")
_CLOCK = re.compile(r"(?:transaction|trans|event)?(?:time|timestamp|ts|dt|step|epoch|seconds)")
_TICKS = 100  # distinct values, below which a column that rises may as well be sorted groups
_TARGET_NAMES = ("target", "label", "class", "y", "outcome", "response")


def infer_target(
    request: str, columns: Sequence[str], unlikely: Collection[str] = ()
) -> tuple[str, str] | None:
    """Return (column, reason) of the target, or None where nothing points to one column alone.

    What a request says of time ahead ("next 4 quarters") and of groups ("per store", "of each customer") names no
    target. `unlikely` are columns that hold keys or dates: they are taken only where nothing else is named.

    Examples
    --------
    >>> infer_target("predict house prices", ["area", "price"])[0]
    'price'
    >>> infer_target("forecast units per store for the next 4 quarters", ["store", "quarter", "units"])[0]
    'units'
    """
    said = _GROUPS.sub(" ", without_horizon(request)).casefold()
    words = {_stem(w) for w in re.findall(r"[a-z0-9]+", said)}
    if _SUSPICION.search(said):
        words.add("fraud")
    whole = [c for c in columns if (parts := _telling(c)) and all(_stem(p) in words for p in parts)]
    if len(whole) > 1:
        whole = [c for c in whole if c not in unlikely] or whole
    if len(whole) == 1:
        return whole[0], f"the request names '{whole[0]}'"
    if len(whole) > 1:
        longest = max(whole, key=lambda c: len(_telling(c)))
        if sum(len(_telling(c)) == len(_telling(longest)) for c in whole) == 1:
            return longest, f"the request names '{longest}'"
        return None
    left = [c for c in columns if c not in unlikely and not _is_key(c)]
    partly = [c for c in left if any(len(p) > 3 and _stem(p) in words for p in _telling(c))]
    if "fraud" in words and (fraud := [c for c in partly if "fraud" in _telling(c)]):
        partly = fraud
    for fits in (all, any):  # isFraud says nothing but what is asked; isFlaggedFraud something else, too
        partly = partly or [c for c in left if fits(any(_kin(p, w) for w in words) for p in _telling(c))]
    if len(partly) == 1:
        return partly[0], f"the request speaks of '{partly[0]}'"
    usual = [c for c in columns if c.casefold() in _TARGET_NAMES]
    if len(usual) == 1:
        return usual[0], f"a column called '{usual[0]}' is usually the target"
    return None


def _telling(name: str) -> list[str]:
    """Return the words of a column's name without those that only say that it is a flag."""
    parts = _parts(name)
    return [p for p in parts if p not in _FLAGS] or parts


def _is_key(name: str) -> bool:
    return bool({"id", "no", "nr", "key", "uuid"} & set(_parts(name)[-1:]))


def _kin(part: str, word: str) -> bool:
    """Return whether one word begins with the other: fraud and fraudulent."""
    short, long = sorted((part, word), key=len)
    return len(short) >= 5 and long.startswith(short)


def _parts(name: str) -> list[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z0-9]+", spaced.casefold())


def _stem(word: str) -> str:
    """Fold plural and verb endings: prices/price, churned/churn, sales/sale."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def infer_time(frame: pd.DataFrame, kinds: Mapping[str, ColumnKind]) -> tuple[str, str] | None:
    """Return (column, reason) of the time by which the file is ordered, or None.

    A table that only happens to hold dates is not ordered by time; one whose rows follow its dates is.
    """
    import pandas as pd

    from specweave.tables.dates import to_instants

    for name, kind in kinds.items():
        if kind.kind != "datetime":
            continue
        stamps = pd.Series(to_instants(frame[name], kind.format)).dropna()
        if (
            len(stamps) > 20
            and stamps.nunique() > 10
            and (stamps.is_monotonic_increasing or stamps.is_monotonic_decreasing)
        ):
            return name, f"the rows follow '{name}' in time"
    for name, kind in kinds.items():  # no dates, but a clock: seconds since the first transaction, a step
        if kind.kind == "numeric" and _CLOCK.fullmatch("".join(_parts(name))):
            clock = pd.to_numeric(frame[name], errors="coerce")
            if clock.nunique() > _TICKS and clock.notna().all() and clock.is_monotonic_increasing:
                return name, f"the rows follow '{name}', which counts time"
    return None


def infer_problem(
    request: str, frame: pd.DataFrame | None, roles: Mapping[str, Any], asked: str | None
) -> tuple[type[Problem], str]:
    """Return (problem type, reason).

    Raises
    ------
    UnknownNameError
        If `asked` is no problem type.
    """
    if asked:
        try:
            return type(problem_for(asked)), "as asked"
        except SpecError as error:
            raise UnknownNameError(error.what, where="--problem", hint=error.hint) from error
    scored: list[tuple[float, str, type[Problem]]] = []
    for _, cls in registry.items("problems"):
        if frame is None:
            score, reason = cls.match_request(request), "by the words of the request; there is no data yet"
        else:
            score, reason = cls.match_data(request, frame, roles)
            score += 0.1 * cls.match_request(request)
        scored.append((score, reason, cls))
    best = max(scored, key=lambda s: s[0])
    if best[0] < 0.5 and frame is not None and not best[2].match_request(request):
        # The data hints at a type, no more, and nobody asked for it: go by the words alone.
        best = max(scored, key=lambda s: s[2].match_request(request))
    return best[2], best[1]


def check_column(name: str, columns: Sequence[str], option: str) -> None:
    """Raise UnknownNameError where `name` is no column; offers the nearest."""
    if name not in columns:
        raise UnknownNameError(
            f"'{name}' is no column of the data", where=option, hint=did_you_mean(name, columns)
        )
