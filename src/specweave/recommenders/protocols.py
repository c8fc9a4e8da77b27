"""How recommendations are held to account: which interactions are hidden, and which folds choose.

Reads: nothing. Writes: nothing. Never: hides an interaction that is older than one left for training when
the protocol goes by time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError

HINT = "write for example: random 25% per user, leave last out, last 20% by time, or last month"
_MOST_SCORES = 500_000_000
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_PERIOD = re.compile(r"\blast\s+(\d+)?\s*(hour|day|week|month|quarter|year)s?\b", re.I)
_LEAVE = re.compile(
    r"\bleave[\s-]+(?:the[\s-]+)?(?:(?:last|latest)[\s-]+(one|\d+)?|(one|\d+)[\s-]+last)", re.I
)
_OFFSETS = {"hour": "hours", "day": "days", "week": "weeks", "month": "months", "year": "years"}


@dataclass(frozen=True)
class Protocol:
    """What the spec's "Validation" line asks for.

    Attributes
    ----------
    name : {"random", "last", "time"}
        A random share of each user's interactions; each user's latest; everybody's latest.
    fraction : float
    count : int
        Interactions left out per user by ``last``.
    period : tuple of (int, str) or None
        The calendar period that ``time`` holds out instead of a share.
    """

    name: str
    fraction: float = 0.25
    count: int = 1
    period: tuple[int, str] | None = None

    @property
    def words(self) -> str:
        """The protocol as a sentence part."""
        if self.name == "random":
            return f"a random {self.fraction:.0%} of each user's interactions held out"
        if self.name == "last":
            last = "last interaction" if self.count == 1 else f"last {self.count} interactions"
            return f"each user's {last} held out"
        share = f"last {self.period[0]} {self.period[1]}" if self.period else f"last {self.fraction:.0%}"
        return f"the {share} of all interactions by time held out"


def most_tested(n_items: int) -> int:
    """Return how many users a holdout tests at most: all items are scored for each of them, by every model.

    Examples
    --------
    >>> most_tested(1_000), most_tested(200_000)
    (500000, 2500)
    """
    return max(2_000, _MOST_SCORES // max(1, n_items))


def parse_protocol(text: str | None, *, where: str | None = None, timed: bool = False) -> Protocol:
    """Parse a "Validation" line.

    Raises
    ------
    SpecError
        If it is none of the protocols.

    Examples
    --------
    >>> parse_protocol("random 25% per user").fraction
    0.25
    >>> parse_protocol("leave last out").name
    'last'
    """
    if text is None:
        return Protocol("time", 0.2) if timed else Protocol("random")
    low = text.casefold()
    percent, period, leave = _PERCENT.search(low), _PERIOD.search(low), _LEAVE.search(low)
    fraction = float(percent[1]) / 100 if percent else None
    if fraction is not None and not 0.01 <= fraction <= 0.9:
        raise SpecError(
            f"a holdout of {fraction:.0%} leaves too little", where=where, hint="choose 10% to 50%"
        )
    if leave or "leave one out" in low or "leave-one-out" in low:
        number = next((g for g in (leave.groups() if leave else ()) if g), "1")
        return Protocol("last", count=1 if number == "one" else max(1, int(number)))
    if period and percent is None:
        return Protocol("time", period=(int(period[1] or 1), period[2].casefold()))
    if "per user" in low or any(w in low for w in ("random", "stratif", "shuffle")):
        return Protocol("random", fraction or 0.25)
    if any(w in low for w in ("time", "chronolog", "temporal", "latest", "newest", "last")):
        return Protocol("time", fraction or 0.2)
    if "holdout" in low and fraction:
        return Protocol("random", fraction)
    raise SpecError(f"'{text}' is no way to validate recommendations", where=where, hint=HINT)


def split_interactions(
    protocol: Protocol, user: np.ndarray, times: Any, *, folds: int, seed: int, most_users: int | None = None
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Return training rows, held-out rows, and folds made inside the training rows by the same protocol.

    Parameters
    ----------
    user : ndarray of int, shape (n_rows,)
        Code of each row's user.
    times : Series of datetime or number, shape (n_rows,), or None
        Needed by ``last`` and ``time``.
    folds : int
        Validation folds. With ``random`` they are disjoint shares of each user's training rows; by time,
        each validates on what came after what it learns from.
    most_users : int, optional
        Users that a holdout or fold tests at most, drawn at random. What is hidden of the others is learned from
        instead; by time it is left out, since it lies in the future of what is learned from.

    Raises
    ------
    DataError, SpecError
        If there is nothing left to hold out, or no time to go by.
    """
    n_rows = len(user)
    if n_rows < 10:
        raise DataError(f"{n_rows} interactions cannot be split", hint="bring at least a few hundred")
    if protocol.name != "random" and times is None:
        raise SpecError(
            f"'{protocol.words}' needs the time of each interaction",
            hint="add to spec.md: - Time column: NAME, or write Validation: random 25% per user",
        )
    rows = np.arange(n_rows)
    rng = np.random.default_rng(seed)
    if protocol.name == "time":
        train, holdout, pairs = _by_time(protocol, pd.Series(times).reset_index(drop=True), folds)
        holdout = _of_some(holdout, user, most_users, seed)
    else:
        order = rng.random(n_rows) if protocol.name == "random" else _latest_first(times)
        place, counts = _places(user, order)
        hidden = _share(protocol, counts)
        holdout = _of_some(rows[place < hidden[user]], user, most_users, seed)
        learned = np.ones(n_rows, dtype=bool)
        learned[holdout] = False
        train = rows[learned]
        pairs = _folds_per_user(protocol, user, order, train, folds)
    pairs = [(fit, _of_some(valid, user, most_users, seed)) for fit, valid in pairs]
    if len(holdout) == 0 or len(train) < 4 or not pairs:
        raise DataError(
            f"the split leaves {len(train)} interactions to learn from and {len(holdout)} to test on",
            hint="users with a single interaction cannot be tested; use a split by time or bring more data",
        )
    return train, holdout, pairs


def _of_some(rows: np.ndarray, user: np.ndarray, most: int | None, seed: int) -> np.ndarray:
    """Return the rows of at most so many users, drawn at random."""
    users = np.unique(user[rows])
    if most is None or len(users) <= most:
        return rows
    drawn = np.zeros(int(user.max()) + 1, dtype=bool)
    drawn[np.random.default_rng([seed, 1]).choice(users, most, replace=False)] = True
    return np.asarray(rows[drawn[user[rows]]])


def inner_split(
    protocol: Protocol, user: np.ndarray, times: np.ndarray | None, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return (rows to learn from, rows to be predicted) of training rows, as a ranker's second stage needs.

    Hides rows per user whatever the protocol: by time where there is one and the protocol goes by it.
    """
    rng = np.random.default_rng(seed)
    per_user = Protocol("random", min(0.25, protocol.fraction if protocol.name == "random" else 0.2))
    order = rng.random(len(user)) if protocol.name == "random" or times is None else _latest_first(times)
    place, counts = _places(user, order)
    hidden = _share(per_user, counts)[user]
    rows = np.arange(len(user))
    return rows[place >= hidden], rows[place < hidden]


def _latest_first(times: Any) -> np.ndarray:
    values = pd.Series(np.asarray(times)).reset_index(drop=True)
    ranks = np.empty(len(values))
    # Rows of one instant stay in the order of the data.
    ranks[np.argsort(values.to_numpy(), kind="stable")] = np.arange(len(values))
    return -ranks


def _places(user: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's place among its user's rows by `order`, and the rows of each user."""
    counts = np.bincount(user)
    starts = np.r_[0, np.cumsum(counts)[:-1]]
    sorted_rows = np.lexsort((order, user))
    place = np.empty(len(user), dtype=np.int64)
    place[sorted_rows] = np.arange(len(user)) - starts[user[sorted_rows]]
    return place, counts


def _share(protocol: Protocol, counts: np.ndarray) -> np.ndarray:
    """Return how many rows each user hides: at least one of two, and never the last one left."""
    wanted = (
        np.full(len(counts), protocol.count)
        if protocol.name == "last"
        else np.maximum(1, np.round(protocol.fraction * counts))
    )
    return np.asarray(np.maximum(0, np.minimum(wanted, counts - 1)), dtype=np.int64)


def _folds_per_user(
    protocol: Protocol, user: np.ndarray, order: np.ndarray, train: np.ndarray, folds: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    left = train
    pairs = []
    most = max(1, min(folds, int(1 / protocol.fraction) - 1) if protocol.name == "random" else folds)
    place, counts = _places(user[train], order[train])
    share = _share(protocol, counts)
    for fold in range(most):
        if protocol.name == "random":
            # Disjoint shares; a user with too few rows sits out the later folds.
            start = fold * share
            stop = np.minimum(start + share, counts - (fold == 0))
            hit = (place >= start[user[train]]) & (place < stop[user[train]])
            valid, fit = train[hit], train[~hit]
        else:
            inner_place, inner_counts = _places(user[left], order[left])
            hit = inner_place < _share(protocol, inner_counts)[user[left]]
            valid, fit = left[hit], left[~hit]
            left = fit
        if len(valid) and len(fit):
            pairs.append((fit, valid))
    return pairs


def _by_time(
    protocol: Protocol, stamps: pd.Series[Any], folds: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    order = np.argsort(stamps.to_numpy(), kind="stable")
    ordered = stamps.iloc[order].reset_index(drop=True)
    if protocol.period:
        first = int((ordered < _period_start(ordered.iloc[-1], protocol.period)).sum())
    else:
        first = round(len(order) * (1 - protocol.fraction))
    first = _new_instant(ordered, first)
    train, holdout = order[:first], order[first:]
    size = len(holdout) if len(holdout) * (folds + 1) < first else first // (folds + 2)
    pairs = []
    stop = first
    for _ in range(folds):
        start = _new_instant(ordered, stop - max(1, size))
        if start < 4 or start >= stop:
            break
        pairs.append((order[:start], order[start:stop]))
        stop = start
    return train, holdout, pairs[::-1]


def _new_instant(ordered: pd.Series[Any], first: int) -> int:
    """Return the nearest earlier position where a new instant starts."""
    while 0 < first < len(ordered) and ordered.iloc[first] == ordered.iloc[first - 1]:
        first -= 1
    return first


def _period_start(last: Any, period: tuple[int, str]) -> Any:
    amount, unit = period
    if not isinstance(last, pd.Timestamp):
        raise SpecError(
            f"'last {amount} {unit}' needs dates in the time column", hint="write a share: last 20% by time"
        )
    if unit == "quarter":
        amount, unit = amount * 3, "month"
    return last - pd.DateOffset(**{_OFFSETS[unit]: amount})  # type: ignore[arg-type]
