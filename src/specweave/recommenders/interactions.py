"""Who did what: users, items and the strength of each interaction as codes and sparse matrices.

Reads: nothing. Writes: nothing. Never: counts a pair twice, drops a row without saying so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from specweave.errors import DataError
from specweave.tables.values import is_text_like, levels_of, parse_number, to_numbers

# "5 stars", "4.5 out of 5", "3/5", "Rated 4 of 5": the first number, with a word or a scale after it.
_WRITTEN = re.compile(
    r"(?:rat(?:ed|ing):?\s*)?(?P<n>\d{1,3}(?:[.,]\d+)?)\s*"
    r"(?:(?:/|out of|of|von|de|sur)\s*\d+(?:[.,]0)?)?\s*(?:stars?|points?|sterne?|punkte?|estrellas?|étoiles?|★|⭐)?",
    re.I,
)

# Ratings beyond this multiple of their median are counts with a long tail; their logarithm is used.
_LONG_TAIL = 10.0


@dataclass(frozen=True)
class Interactions:
    """Interactions as codes, one entry per distinct pair of user and item, in the order of the data.

    Attributes
    ----------
    users, items : ndarray of str, shape (n_users,), (n_items,)
        Labels by code.
    user, item : ndarray of int, shape (n_rows,)
        Codes.
    weight : ndarray of float, shape (n_rows,)
        Around 1: below it for a low rating or a small count, above it for a high one; 1 where there is
        none.
    positive : ndarray of bool, shape (n_rows,)
        Whether the interaction counts as a hit when recommended. Others are known and never recommended,
        but nothing is learned from them.
    time : ndarray of float, shape (n_rows,), or None
        Seconds, or any number that grows with time.
    """

    users: np.ndarray
    items: np.ndarray
    user: np.ndarray
    item: np.ndarray
    weight: np.ndarray
    positive: np.ndarray
    time: np.ndarray | None = None

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return len(self.items)

    def matrix(self, rows: np.ndarray, *, positive_only: bool = True) -> sp.csr_matrix:
        """Return the weights of these rows, shape (n_users, n_items)."""
        if positive_only:
            rows = rows[self.positive[rows]]
        shape = (self.n_users, self.n_items)
        made = sp.csr_matrix(
            (self.weight[rows], (self.user[rows], self.item[rows])), shape=shape, dtype=np.float32
        )
        made.sort_indices()
        return made


def make_interactions(
    user: np.ndarray,
    item: np.ndarray,
    rating: np.ndarray | None = None,
    time: np.ndarray | None = None,
    positive_from: float | None = None,
) -> Interactions:
    """Code interactions; pairs must be distinct (see :func:`distinct_pairs`).

    Parameters
    ----------
    user, item : ndarray of str, shape (n_rows,)
    rating, time : ndarray of float, shape (n_rows,), optional
    positive_from : float, optional
        Ratings below it are known but no hits.

    Raises
    ------
    DataError
        If there are fewer than two users or items.
    """
    user_codes, users = pd.factorize(user)
    item_codes, items = pd.factorize(item)
    for what, labels in (("user", users), ("item", items)):
        if len(labels) < 2:
            raise DataError(f"the data holds {len(labels)} {what}: there is nothing to choose from")
    weight = np.ones(len(user_codes)) if rating is None else weights_of(rating)
    positive = np.ones(len(user_codes), dtype=bool)
    if positive_from is not None and rating is not None:
        positive = np.nan_to_num(rating, nan=-np.inf) >= positive_from
        if not positive.any():
            raise DataError(
                f"no rating reaches {positive_from:g}: nothing counts as a hit",
                hint="lower recommend.positive_from in plan.md",
            )
    return Interactions(
        np.asarray(users, dtype=object), np.asarray(items, dtype=object), user_codes.astype(np.int32),
        item_codes.astype(np.int32), weight.astype(np.float32), positive, time,
    )  # fmt: skip


def parse_ratings(column: pd.Series[Any]) -> np.ndarray:
    """Return ratings as floats, NaN where none can be read; text such as ``5 stars``, ``4/5`` or ``★★★☆☆`` counts.

    Examples
    --------
    >>> parse_ratings(pd.Series(["5 stars", "4,5", "3 / 5", "★★☆", "good"])).tolist()
    [5.0, 4.5, 3.0, 2.0, nan]
    """
    if not is_text_like(column):
        return np.where(np.isinf(values := to_numbers(column)[0]), np.nan, values)
    codes, levels = levels_of(column)
    read = [_rating(level) for level in levels]
    return np.asarray([*read, np.nan], dtype=float)[codes]


def _rating(text: str) -> float:
    number = parse_number(text, decimal_comma=True)
    if number is not None:
        return number if np.isfinite(number) else np.nan
    if re.fullmatch(r"[★☆⭐✩ ]+", text):
        return float(text.count("★") + text.count("⭐"))
    written = _WRITTEN.fullmatch(text.strip())
    return float(written["n"].replace(",", ".")) if written else np.nan


def weights_of(rating: np.ndarray) -> np.ndarray:
    """Return ratings or counts as weights between 0 and 2 whose mean is 1; a missing one weighs 1.

    Counts with a long tail (the largest over ten times the median) go through ``log1p`` first.

    Examples
    --------
    >>> weights_of(np.array([1.0, 3.0, 5.0])).tolist()
    [0.5, 1.0, 1.5]
    """
    known = rating[np.isfinite(rating)]
    if known.size == 0 or known.min() == known.max():
        return np.ones(len(rating))
    values = rating.astype(float)
    if known.min() >= 0 and known.max() > _LONG_TAIL * max(float(np.median(known)), 1e-12):
        values, known = np.log1p(values), np.log1p(known)
    made = 1.0 + (values - known.mean()) / (known.max() - known.min())
    return np.where(np.isfinite(made), made, 1.0)


def distinct_pairs(
    frame: pd.DataFrame, user: str, item: str, rating: str | None, time: str | None, counts: bool
) -> tuple[pd.DataFrame, int]:
    """Return one row per pair of user and item, in the order of their last appearance, and how many went.

    The latest row stays. Where `counts` says that ratings are amounts (plays, quantities), they add up.

    Parameters
    ----------
    frame : DataFrame
        With numeric ratings and comparable times where named.
    """
    repeated = frame.duplicated([user, item], keep=False)
    if not repeated.any():
        return frame, 0
    ordered = frame.sort_values(time, kind="stable") if time else frame
    kept = ordered[~ordered.duplicated([user, item], keep="last")].sort_index()
    if rating and counts:
        total = frame.groupby([user, item], sort=False)[rating].sum()
        kept = kept.assign(**{rating: total.loc[pd.MultiIndex.from_frame(kept[[user, item]])].to_numpy()})
    return kept, len(frame) - len(kept)


def as_labels(column: pd.Series[Any]) -> np.ndarray:
    """Return keys as text: 7, 7.0 and "7" are the same; a missing key is an empty text."""
    values = column
    if pd.api.types.is_float_dtype(values):
        whole = values.dropna()
        if (whole == whole.round()).all():
            text = values.astype("Int64").astype("string")
            return text.fillna("").to_numpy(dtype=object)
    text = values.astype("string").str.strip().str.replace(r"^(-?\d+)\.0+$", r"\1", regex=True)
    return text.fillna("").to_numpy(dtype=object)
