"""Every model ranks a user's own taste first, and its reasons add up where it says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import FunctionTransformer

from specweave.recommenders.base import Context, Recommender, leave_one_out
from specweave.recommenders.blend import Blend
from specweave.recommenders.factors import ImplicitALS
from specweave.recommenders.interactions import Interactions
from specweave.recommenders.linear import EASE, EDLAE, SLIM, ItemKNN, denoised_weights
from specweave.recommenders.popularity import Popularity, RandomItems, RecentPopularity, SegmentPopularity
from specweave.recommenders.ranker import TwoStageRanker

PERSONAL = [ItemKNN(), EASE(l2=5.0), EDLAE(l2=5.0), SLIM(l1=0.1, l2=5.0, rho=50.0), ImplicitALS(4, 1.0),
            Blend(l2=5.0, factors=4, als_l2=1.0)]  # fmt: skip
ALL = [*PERSONAL, RandomItems(), Popularity(), RecentPopularity(), SegmentPopularity()]


def named(model: Any) -> str:
    return type(model).__name__


@pytest.fixture
def history(two_tastes: Interactions) -> sp.csr_matrix:
    return two_tastes.matrix(np.arange(len(two_tastes.user)))


@pytest.mark.parametrize("model", PERSONAL, ids=named)
def test_a_personal_model_prefers_the_users_own_taste(
    model: Recommender, history: sp.csr_matrix, context: Context, two_tastes: Interactions
) -> None:
    scores = model.fit(history, context).scores(history, np.arange(history.shape[0]))
    first_half = np.array([int(label[1:]) < 15 for label in two_tastes.items])
    even = np.array([int(label[1:]) % 2 == 0 for label in two_tastes.users])
    unseen = np.where(history.toarray() > 0, np.nan, scores)
    own = np.where(
        even, np.nanmean(unseen[:, first_half], axis=1), np.nanmean(unseen[:, ~first_half], axis=1)
    )
    other = np.where(
        even, np.nanmean(unseen[:, ~first_half], axis=1), np.nanmean(unseen[:, first_half], axis=1)
    )
    assert (own > other).mean() > 0.95


@pytest.mark.parametrize("model", ALL, ids=named)
def test_scores_of_a_user_do_not_depend_on_the_batch(
    model: Recommender, history: sp.csr_matrix, context: Context
) -> None:
    model.fit(history, context)
    users = np.arange(history.shape[0])
    together = model.scores(history, users)
    assert together.shape == history.shape
    alone = np.vstack([model.scores(history[[u]], np.array([u])) for u in (0, 7, 41)])
    assert np.array_equal(alone, together[[0, 7, 41]])


@pytest.mark.parametrize("model", ALL, ids=named)
def test_a_stranger_gets_scores_from_an_empty_history(
    model: Recommender, history: sp.csr_matrix, context: Context
) -> None:
    nothing = sp.csr_matrix((1, history.shape[1]), dtype=np.float32)
    assert np.isfinite(model.fit(history, context).scores(nothing, np.array([-1]))).all()


@pytest.mark.parametrize("model", PERSONAL, ids=named)
def test_exact_contributions_add_up_to_the_score(
    model: Recommender, history: sp.csr_matrix, context: Context
) -> None:
    model.fit(history, context)
    assert model.exact
    for user in (0, 5):
        items = [1, 4, 9]
        found = model.contributions(history[[user]], user, items)
        assert found.shape == (history[[user]].nnz, 3)
        score = model.scores(history[[user]], np.array([user]))[0, items]
        assert np.allclose(found.sum(axis=0), score, rtol=1e-3, atol=1e-5)


def test_leaving_one_out_of_a_linear_model_gives_its_contributions(
    history: sp.csr_matrix, context: Context
) -> None:
    model = EDLAE(l2=5.0, rating_strength=0.5).fit(history, context)
    exact = model.contributions(history[[3]], 3, [2, 8])
    assert np.allclose(leave_one_out(model, history[[3]], 3, [2, 8]), exact, atol=1e-5)


def test_denoised_weights_solve_each_items_ridge_regression_on_the_others() -> None:
    rng = np.random.default_rng(0)
    X = (rng.random((40, 6)) < 0.4).astype(float)
    weights = denoised_weights(X.T @ X, l2=2.0, dropout=0.25)
    for item in range(6):
        others = [j for j in range(6) if j != item]
        gram = X[:, others].T @ X[:, others]
        penalty = np.diag(2.0 + 0.25 / 0.75 * np.diag(gram))
        expected = np.linalg.solve(gram + penalty, X[:, others].T @ X[:, item])
        assert np.allclose(weights[others, item], expected)
    assert np.all(np.diag(weights) == 0)


def test_als_gives_the_ridge_solution_for_a_history(history: sp.csr_matrix, context: Context) -> None:
    model = ImplicitALS(3, 2.0, 1.5, rating_strength=0.0).fit(history, context)
    Y, past = model.items_.astype(float), history[[0]].indices
    confidence = np.ones(len(Y))
    confidence[past] += 1.5
    wanted = np.zeros(len(Y))
    wanted[past] = 1.0
    user = np.linalg.solve(Y.T @ (Y * confidence[:, None]) + 2.0 * np.eye(3), Y.T @ (confidence * wanted))
    assert np.allclose(model.scores(history[[0]], np.array([0]))[0], Y @ user, atol=1e-4)


def test_factors_do_not_depend_on_how_much_fits_into_memory(
    monkeypatch: pytest.MonkeyPatch, history: sp.csr_matrix, context: Context
) -> None:
    whole = ImplicitALS(3, 2.0, 1.5).fit(history, context).items_
    monkeypatch.setattr("specweave.recommenders.factors._MOST_NUMBERS", 9 * 20)
    assert np.allclose(ImplicitALS(3, 2.0, 1.5).fit(history, context).items_, whole, atol=1e-4)


@pytest.mark.parametrize("at_once", [10, 20_000_000])
def test_neighbours_are_the_nearest_by_cosine_whatever_is_compared_at_once(
    monkeypatch: pytest.MonkeyPatch, history: sp.csr_matrix, context: Context, at_once: int
) -> None:
    monkeypatch.setattr("specweave.recommenders.linear._MOST_PAIRS", at_once)
    weights = ItemKNN(neighbours=4, shrink=2.0).fit(history, context).weights_.toarray()
    had = (history.toarray() > 0).astype(float)
    norms = np.sqrt(had.sum(axis=0))
    cosine = had.T @ had / (np.outer(norms, norms) + 2.0)
    np.fill_diagonal(cosine, 0.0)
    for item in range(had.shape[1]):
        nearest = np.sort(cosine[:, item])[::-1][:4]
        assert np.allclose(np.sort(weights[:, item])[::-1][:4], nearest, atol=1e-6)
        assert np.count_nonzero(weights[:, item]) <= 4


def test_single_precision_gives_a_large_catalogue_the_same_weights(
    monkeypatch: pytest.MonkeyPatch, history: sp.csr_matrix, context: Context
) -> None:
    whole = EDLAE(l2=5.0).fit(history, context).weights_
    monkeypatch.setattr("specweave.recommenders.linear._MOST_DOUBLES", 10)
    assert np.allclose(EDLAE(l2=5.0).fit(history, context).weights_, whole, atol=1e-5)


def test_more_items_than_a_dense_model_takes_leave_the_rarest_out(
    monkeypatch: pytest.MonkeyPatch, history: sp.csr_matrix, context: Context
) -> None:
    monkeypatch.setattr("specweave.recommenders.linear.MOST_ITEMS", 10)
    model = EASE(l2=5.0).fit(history, context)
    scores = model.scores(history, np.arange(history.shape[0]))
    assert np.count_nonzero(scores.any(axis=0)) == 10
    found = model.contributions(history[[0]], 0, list(range(30)))
    assert np.allclose(found.sum(axis=0), scores[0], atol=1e-5)


def test_recent_popularity_forgets_what_is_old(two_tastes: Interactions) -> None:
    history = sp.csr_matrix(np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32))
    context = Context(np.array([0, 1, 0, 2]), np.array([0, 0, 1, 2]), np.array([0.0, 1.0, 2.0, 100.0]))
    scores = RecentPopularity(0.1).fit(history, context).scores(history, np.arange(3))
    assert scores[0].argmax() == 2
    assert Popularity().fit(history, context).scores(history, np.arange(3))[0].argmax() == 0


def test_segment_popularity_finds_the_attribute_that_matters(
    history: sp.csr_matrix, two_tastes: Interactions
) -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    taste = ["even" if int(u[1:]) % 2 == 0 else "odd" for u in two_tastes.users]
    table = pd.DataFrame({"noise": rng.choice(["a", "b", "c"], len(taste)), "taste": taste})
    model = SegmentPopularity(10.0).fit(
        history, Context(two_tastes.user.astype(int), two_tastes.item.astype(int), user_table=table)
    )
    assert model.segment_ == "taste"


@pytest.fixture(scope="module")
def ranker(two_tastes: Interactions) -> TwoStageRanker:
    history = two_tastes.matrix(np.arange(len(two_tastes.user)))
    user, item = two_tastes.user.astype(int), two_tastes.item.astype(int)
    hidden = np.arange(len(user)) % 4 == 0
    context = Context(user, item, hide=lambda *_: (np.flatnonzero(~hidden), np.flatnonzero(hidden)))
    context.features = FunctionTransformer(lambda frame: frame.to_numpy(dtype=float))
    return TwoStageRanker(candidates=4, n_estimators=5, min_child_samples=2).fit(history, context)


def test_beyond_the_candidates_the_first_stage_gives_the_order(
    ranker: TwoStageRanker, history: sp.csr_matrix
) -> None:
    scores = ranker.scores(history[:1], np.array([0]))[0]
    first = ranker.maker_.first_stage(history[:1], np.array([0]), history[:1])
    rest = np.setdiff1d(np.arange(len(scores)), first["item"][0])
    assert scores[first["item"][0]].min() >= 0 > scores[rest].max()
    assert np.array_equal(np.argsort(scores[rest]), np.argsort(first["everything"][0][rest]))


def test_a_past_item_adds_to_a_chance_and_no_more(ranker: TwoStageRanker, history: sp.csr_matrix) -> None:
    """An item that is no candidate without it had a chance, not minus one."""
    items = ranker.maker_.first_stage(history[[0]], np.array([0]), history[[0]])["item"][0]
    chances = ranker.scores(history[[0]], np.array([0]))[0][items]
    assert (ranker.contributions(history[[0]], 0, items) <= chances + 1e-6).all()
