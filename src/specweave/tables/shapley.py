"""Shapley values of any function by sampled permutations, and the row mixing that LIME shares.

Reads: nothing. Writes: nothing. Never: knows what it explains; a function of rows is all it asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Predict = Callable[[Any], np.ndarray]

OWN = -1  # in `source`: this value is the row's own


@dataclass(frozen=True)
class Players:
    """Which columns of a table move together.

    Attributes
    ----------
    names : tuple of str
        What people call each player: the raw columns.
    owner : ndarray of int, shape (n_columns,)
        The player that each column of the table belongs to.
    """

    names: tuple[str, ...]
    owner: np.ndarray

    def gather(self, values: np.ndarray) -> np.ndarray:
        """Sum contributions by column, shape (n, n_columns, ...), into contributions by player."""
        total = np.zeros((values.shape[0], len(self.names), *values.shape[2:]))
        for player in range(len(self.names)):
            total[:, player] = values[:, self.owner == player].sum(axis=1)
        return total


def each_column(columns: Any) -> Players:
    """Return the players of a table in which every column plays for itself."""
    names = tuple(str(c) for c in columns)
    return Players(names, np.arange(len(names)))


def mix_rows(row: Any, background: Any, source: np.ndarray, players: Players) -> Any:
    """Make rows that take each player's columns from `row` or from a row of `background`.

    Parameters
    ----------
    row : DataFrame or ndarray, shape (1, n_columns)
    background : same type, shape (n_background, n_columns)
    source : ndarray of int, shape (n_samples, n_players)
        Position in `background`, or ``OWN`` for the row's own value.
    players : Players

    Returns
    -------
    DataFrame or ndarray, shape (n_samples, n_columns)
        Column types are those of `background`.
    """
    own = len(background)
    taken = np.where(source == OWN, own, source)[:, players.owner]
    if isinstance(background, pd.DataFrame):
        both = pd.concat([background, row[background.columns]], ignore_index=True)
        columns = {
            name: both[name].take(taken[:, i]).array.copy()  # .array keeps categories and missing values
            for i, name in enumerate(both.columns)
        }
        return pd.DataFrame(columns, columns=both.columns)
    both = np.vstack([background, row])
    return both[taken, np.arange(both.shape[1])]


def plan_permutations(
    n_players: int, n_background: int, *, seed: int, budget: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the permutations and background rows that every explained row shares.

    Parameters
    ----------
    budget : int
        Evaluations that one explained row may cost; at least one permutation is drawn.

    Returns
    -------
    orders : ndarray of int, shape (n_pairs, n_players)
    partners : ndarray of int, shape (n_pairs,)
        Background row of each pair.
    """
    rng = np.random.default_rng(seed)
    pairs = max(1, budget // (2 * max(1, n_players)))
    partners = np.resize(rng.permutation(n_background), pairs)
    orders = np.array([rng.permutation(n_players) for _ in range(pairs)], dtype=int).reshape(pairs, n_players)
    return orders, partners


def permutation_shapley(
    predict: Predict, row: Any, background: Any, players: Players, orders: np.ndarray, partners: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimate the Shapley values of one row by walking each permutation forwards and backwards.

    Each walk turns a background row into `row`, one player at a time, and credits each step to
    the player that made it; the backward walk uses the reversed order (antithetic sampling). The
    credits of a walk telescope, so base + sum of contributions equals the output exactly.
    Source: Strumbelj & Kononenko (2014); Mitchell, Cooper, Frank & Holmes (JMLR 2022).

    Parameters
    ----------
    predict : callable
        Rows to outputs, shape (n,) or (n, n_outputs).
    row, background : DataFrame or ndarray
        One row; the sample that stands for "not known".
    players : Players
    orders, partners : ndarray
        From :func:`plan_permutations`.

    Returns
    -------
    values : ndarray, shape (n_players, n_outputs)
    base : ndarray, shape (n_outputs,)
        Mean output of the background rows that were used.
    output : ndarray, shape (n_outputs,)
        The output for the row itself.
    """
    pairs, n_players = orders.shape
    walks = np.concatenate([orders, orders[:, ::-1]])  # every order, then its reverse
    partner = np.concatenate([partners, partners])
    # rank[w, p]: step at which player p of walk w takes the row's own value.
    rank = np.argsort(walks, axis=1)
    steps = np.arange(1, n_players)  # the first and last step are shared by all walks of a partner
    inner = np.where(rank[:, None, :] < steps[None, :, None], OWN, partner[:, None, None])
    starts = np.repeat(partners[:, None], n_players, axis=1)
    own = np.full((1, n_players), OWN)
    source = np.concatenate([inner.reshape(-1, n_players), starts, own])
    out = np.asarray(predict(mix_rows(row, background, source, players)), dtype=float)
    out = out.reshape(len(source), -1)
    n_inner, n_outputs = len(source) - pairs - 1, out.shape[1]
    first = np.concatenate([out[n_inner:-1]] * 2)[:, None, :]
    last = np.broadcast_to(out[-1], (2 * pairs, 1, n_outputs))
    path = np.concatenate([first, out[:n_inner].reshape(2 * pairs, n_players - 1, n_outputs), last], axis=1)
    credit = np.diff(path, axis=1)
    by_player = np.take_along_axis(credit, rank[:, :, None], axis=1)
    return by_player.mean(axis=0), first[:pairs, 0].mean(axis=0), out[-1]
