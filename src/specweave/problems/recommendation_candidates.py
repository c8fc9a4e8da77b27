"""The baselines and candidates of recommendation: default parameters, search spaces, and why each is tried.

Reads: which optional packages are installed. Writes: nothing. Never: trains.
"""

from __future__ import annotations

import inspect
from importlib.util import find_spec
from typing import Any

from specweave.problems.base import ModelExperiment
from specweave.problems.interaction_data import InteractionData

_MOST_ROWS_DEAR = 2_000_000  # beyond, models that go over every row many times are left to the plan


def baseline_table(data: InteractionData) -> dict[str, ModelExperiment]:
    """Return the baselines by strategy: chance, popularity, and a rule (recent, or by the user's segment)."""
    from specweave.recommenders.popularity import (
        Popularity,
        RandomItems,
        RecentPopularity,
        SegmentPopularity,
    )

    segment = ModelExperiment("baseline-rule", SegmentPopularity,
                              note="popular among users of the same segment")  # fmt: skip
    recent = ModelExperiment("baseline-recent", RecentPopularity, note="popular lately")
    # What is taken lately tells nothing where the protocol hides old interactions as well as new ones.
    rule = recent if data.protocol.name == "time" and data.coded.time is not None else segment
    known = {
        "random": ModelExperiment("baseline-random", RandomItems, note="chance"),
        "popularity": ModelExperiment("baseline-popularity", Popularity, note="what everybody takes"),
        "rule-based": ModelExperiment("baseline-rule", rule.estimator_class, note=rule.note),
        "recent": recent,
        "segment": ModelExperiment("baseline-segment", SegmentPopularity, note=segment.note),
    }
    return {**known, "majority": known["popularity"]}


def candidate_table(n_rows: int) -> dict[str, ModelExperiment]:
    """Return the candidates by name, cheapest first."""
    from specweave.recommenders import blend, factors, linear, ranker

    found = [
        ModelExperiment("item-knn", linear.ItemKNN, search=_KNN_SEARCH,
                        note="nearest items by cosine: the classic"),
        ModelExperiment("ease", linear.EASE, search=_EASE_SEARCH,
                        note="one ridge regression per item, in closed form"),
        ModelExperiment("edlae", linear.EDLAE, search=_EDLAE_SEARCH,
                        note="EASE against dropout: popular items lean less on themselves"),
        ModelExperiment("blend", blend.Blend, search=_BLEND_SEARCH,
                        note="EDLAE and ALS err differently: their sum beats both on most data"),
        ModelExperiment("implicit-als", factors.ImplicitALS, search=_ALS_SEARCH,
                        note="weighted matrix factorisation"),
        ModelExperiment("two-stage-lightgbm", ranker.TwoStageRanker, {"booster": "lightgbm"}, _RANKER_SEARCH,
                        "candidates ranked anew by LightGBM with user, item and interaction features"),
        ModelExperiment("two-stage-xgboost", ranker.TwoStageRanker, {"booster": "xgboost"}, _RANKER_SEARCH,
                        "the same by XGBoost"),
        ModelExperiment("slim", linear.SLIM, note="sparse item-to-item weights"),
    ]  # fmt: skip
    if find_spec("implicit") and n_rows <= _MOST_ROWS_DEAR:
        found.append(ModelExperiment("implicit-bpr", factors.BPR, note="factors learned from pairwise order"))
    if find_spec("torch") and n_rows <= _MOST_ROWS_DEAR:
        from specweave.recommenders.neural import NeuralAutoencoder

        found.append(
            ModelExperiment(
                "neural-autoencoder",
                NeuralAutoencoder,
                note="a denoising autoencoder of histories (PyTorch)",
            )
        )
    # With the defaults spelled out, tuning starts from them.
    return {e.name: e.with_params({**_defaults(e), **e.params}) for e in found}


_KNN_SEARCH = {"neighbours": {"low": 20, "high": 400, "log": True}, "shrink": {"low": 0.1, "high": 100.0, "log": True},
               "rating_strength": {"low": 0.0, "high": 1.0}}  # fmt: skip
_EASE_SEARCH = {
    "l2": {"low": 10.0, "high": 3000.0, "log": True},
    "rating_strength": {"low": 0.0, "high": 1.2},
}
_EDLAE_SEARCH = {
    **_EASE_SEARCH, "dropout": {"low": 0.1, "high": 0.8}, "user_norm": {"low": 0.0, "high": 0.6},
    "item_norm": {"low": -0.1, "high": 0.4},
}  # fmt: skip
_ALS_SEARCH = {"factors": {"low": 8, "high": 64, "log": True}, "l2": {"low": 1.0, "high": 100.0, "log": True},
               "alpha": {"low": 0.5, "high": 20.0, "log": True}, "rating_strength": {"low": 0.0, "high": 1.2}}  # fmt: skip
_BLEND_SEARCH = {**_EDLAE_SEARCH, "share": {"low": 0.1, "high": 0.6}, "als_l2": {"low": 2.0, "high": 40.0, "log": True},
                 "alpha": {"low": 1.0, "high": 6.0, "log": True}}  # fmt: skip
_RANKER_SEARCH = {
    "num_leaves": {"low": 4, "high": 24, "log": True}, "n_estimators": {"low": 60, "high": 250},
    "learning_rate": {"low": 0.02, "high": 0.1, "log": True}, "candidates": {"low": 50, "high": 150},
}  # fmt: skip


def _defaults(experiment: ModelExperiment) -> dict[str, Any]:
    known = inspect.signature(experiment.estimator_class).parameters
    return {name: known[name].default for name in experiment.search if name in known}
