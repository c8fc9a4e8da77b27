"""From an experiment to a fitted recommender: what a class of a person's own must bring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from specweave.errors import DataError
from specweave.problems.base import ModelExperiment
from specweave.recommenders.base import Context, Recommender
from specweave.recommenders.fitting import fit_recommender
from specweave.recommenders.interactions import Interactions


class Unfinished(Recommender):
    """It learns, but scores nothing."""

    def fit(self, history: sp.csr_matrix, context: Context) -> Unfinished:
        return self


class Foreign:
    """It knows nothing of our base and takes no context."""

    def fit(self, history: sp.csr_matrix) -> None:
        self.counts = np.asarray(history.sum(axis=0)).ravel()

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        return np.tile(self.counts, (len(users), 1))


@pytest.mark.parametrize("cls", [Unfinished, type("Empty", (), {"fit": lambda self, history: self})])
def test_a_recommender_without_scores_is_refused_by_name(
    cls: Any, two_tastes: Interactions, context: Context
) -> None:
    history = two_tastes.matrix(np.arange(len(two_tastes.user)))
    with pytest.raises(DataError, match=f"{cls.__name__} has no method 'scores'") as raised:
        fit_recommender(ModelExperiment("mine", cls), history, context)
    assert raised.value.where == "mine"


def test_a_class_of_somebody_elses_needs_no_base_of_ours(two_tastes: Interactions, context: Context) -> None:
    history = two_tastes.matrix(np.arange(len(two_tastes.user)))
    fitted = fit_recommender(ModelExperiment("theirs", Foreign), history, context)
    assert fitted.scores(history[:2], np.array([0, 1])).shape == (2, history.shape[1])
