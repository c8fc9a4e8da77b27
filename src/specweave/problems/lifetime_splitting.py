"""Holdout and folds of customers: by calibration window where earlier ones fit, else by customer.

Reads: the spec's "Validation" line. Writes: nothing. Never: lets a customer stand on both sides of a fold, or a
customer of the holdout into training unless the windows lie apart in time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from specweave.errors import SpecError
from specweave.problems.base import Dataset, Split
from specweave.problems.lifetime_data import WINDOW

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec


_FEWEST = 50  # customers of earlier windows: from fewer nothing is learned that holds for the next window


def split_customers(dataset: Dataset, spec: Spec, plan: Plan) -> Split:
    """Hold out the last window where earlier ones fit, else customers; folds never part a customer."""
    from sklearn.model_selection import GroupKFold, ShuffleSplit

    seed, folds = int(plan.get("split.seed", 42)), int(plan.get("split.folds", 5))
    text = (spec.get("Validation") or "").casefold()
    last = (dataset.frame[WINDOW] == dataset.settings["until"]).to_numpy()
    enough = int((~last).sum()) >= _FEWEST
    by_time = enough and not (text and "customer" in text and "window" not in text)
    if by_time:
        train, holdout = np.flatnonzero(~last), np.flatnonzero(last)
        words = (
            f"by time: learned from {dataset.settings['windows'] - 1} earlier calibration windows, held out the one "
            f"until {dataset.settings['until']} ({len(holdout)} customers)"
        )
    else:
        percent = re.search(r"(\d+(?:\.\d+)?)\s*%", text)
        share = float(percent[1]) / 100 if percent else 0.2
        if not 0.01 <= share <= 0.9:
            raise SpecError(f"a holdout of {share:.0%} leaves too little", where=spec.at("Validation"),
                            hint="choose 10% to 50% of the customers")  # fmt: skip
        rows = np.flatnonzero(last)
        pick, held = next(ShuffleSplit(1, test_size=share, random_state=seed).split(rows))
        train, holdout = np.sort(rows[pick]), np.sort(rows[held])
        words = (
            f"{share:.0%} of the customers held out ({len(holdout)} of {len(rows)}); "
            + (
                "as asked for"
                if enough
                else f"no earlier window of {dataset.settings['horizon_weeks']:g} weeks holds customers enough"
            )
            + ", so training and holdout share one period"
        )
    keys = pd.factorize(dataset.frame["customer"].iloc[train])[0]
    folds = max(2, min(folds, len(np.unique(keys))))
    rng = np.random.default_rng(seed)
    keys = rng.permutation(keys.max() + 1)[keys]
    pairs = tuple((train[a], train[b]) for a, b in GroupKFold(folds).split(train, groups=keys))
    return Split(train, holdout, pairs, f"{words}; {folds} folds by customer, seed {seed}")
