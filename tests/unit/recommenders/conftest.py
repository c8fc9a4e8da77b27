"""Interactions of two tastes, small enough to reason about."""

from __future__ import annotations

import numpy as np
import pytest

from specweave.recommenders.base import Context
from specweave.recommenders.interactions import Interactions, make_interactions


@pytest.fixture(scope="session")
def two_tastes() -> Interactions:
    """80 users and 30 items; even users take the first half of the items, odd ones the second."""
    rng = np.random.default_rng(3)
    rows = []
    for user in range(80):
        share = np.r_[np.full(15, 1.0), np.full(15, 0.05)]
        share = share if user % 2 == 0 else share[::-1]
        for item in rng.choice(30, size=rng.integers(5, 11), replace=False, p=share / share.sum()):
            rows.append((f"u{user}", f"i{item}", float(rng.integers(1, 6)), float(len(rows))))
    user, item, rating, time = (np.array(c, dtype=object) for c in zip(*rows, strict=True))
    return make_interactions(user, item, rating.astype(float), time.astype(float))


@pytest.fixture(scope="session")
def context(two_tastes: Interactions) -> Context:
    """What goes with all interactions."""
    return Context(two_tastes.user.astype(int), two_tastes.item.astype(int), two_tastes.time)
