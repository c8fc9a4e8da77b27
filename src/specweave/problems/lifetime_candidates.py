"""What is tried for lifetime value, and in which order.

Reads: nothing. Writes: nothing. Never: trains.
"""

from __future__ import annotations

from specweave.problems.base import ModelExperiment
from specweave.problems.estimators import regressors
from specweave.problems.lifetime_blend import LifetimeBlend
from specweave.problems.lifetime_estimators import BuyTillYouDie, TweedieLightGBM

# What is tried where a plan lists nothing: the standard first, so that a short budget has it.
TRIED = ("bg-nbd", "lifetime-blend", "linear", "lightgbm-tweedie", "lightgbm", "random-forest")


def lifetime_candidates(n_rows: int) -> dict[str, ModelExperiment]:
    """Return the regressors for tables, Tweedie trees, BG/NBD with Gamma-Gamma, and their blend, by name."""
    plain = regressors(n_rows)
    trees = plain["lightgbm"]
    small = {"n_estimators": 150, "num_leaves": 7, "learning_rate": 0.03, "min_child_samples": 40}
    own = [
        ModelExperiment("bg-nbd", BuyTillYouDie, {}, {},
                        "BG/NBD with Gamma-Gamma: the probabilistic standard, it learns from the past alone"),
        ModelExperiment("lightgbm-tweedie", TweedieLightGBM, {**trees.params, **small}, trees.search,
                        "boosted trees with a Tweedie deviance: many customers at zero, few far above"),
        ModelExperiment("lifetime-blend", LifetimeBlend, small,
                        {"num_leaves": {"low": 3, "high": 15}, "min_child_samples": {"low": 20, "high": 200, "log": True}},
                        "three quarters BG/NBD and MBG/NBD, a quarter trees; moved by folds inside the training rows"),
    ]  # fmt: skip
    return {e.name: e for e in (*own, *plain.values())}
