"""Lists: nothing twice, nothing had, nothing for nobody left out."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.recommenders.base import Context
from specweave.recommenders.explaining import POPULARITY, past_contributions, reasons_of
from specweave.recommenders.interactions import Interactions
from specweave.recommenders.linear import EDLAE
from specweave.recommenders.model import FittedRecommender, best_of
from specweave.recommenders.outcome import make_outcome


@pytest.fixture(scope="module")
def fitted(two_tastes: Interactions, context: Context) -> FittedRecommender:
    history = two_tastes.matrix(np.arange(len(two_tastes.user)))
    counts = np.bincount(history.indices, minlength=history.shape[1]).astype(float)
    return FittedRecommender(
        EDLAE(l2=5.0).fit(history, context), two_tastes.users, two_tastes.items, two_tastes.items, history,
        history, counts, k=5, labels={"user": "user_id", "item": "item_id"},
    )  # fmt: skip


def test_nobody_is_shown_what_they_have_had(fitted: FittedRecommender) -> None:
    users = np.arange(len(fitted.users))
    items, scores = fitted.recommend(users, 10)
    for user in users:
        assert not set(items[user]) & set(fitted.seen[user].indices)
        assert len(set(items[user].tolist())) == 10
    assert (np.diff(scores, axis=1) <= 0).all()


def test_seen_items_may_come_again_when_asked(fitted: FittedRecommender) -> None:
    items, _ = fitted.recommend(np.arange(20), 10, exclude_seen=False)
    assert any(set(items[u]) & set(fitted.seen[u].indices) for u in range(20))


def test_a_stranger_gets_the_most_popular_items_and_is_told_so(fitted: FittedRecommender) -> None:
    items, scores = fitted.recommend(fitted.find_users(["nobody"]), 4)
    assert fitted.counts[items[0]].tolist() == sorted(fitted.counts, reverse=True)[:4]
    assert scores[0, 0] == pytest.approx(fitted.counts.max() / len(fitted.users))
    told = reasons_of(fitted, -1, 3)
    assert [r["feature"] for r in told["reasons"]] == [POPULARITY] * 3
    assert "most popular" in told["rationale"]


def test_a_list_longer_than_the_catalogue_holds_what_is_left(fitted: FittedRecommender) -> None:
    items, scores = fitted.recommend(np.array([0]), 1000)
    left = len(fitted.items) - fitted.seen[0].nnz
    assert items.shape == (1, len(fitted.items))
    assert (items[0] >= 0).sum() == left
    assert np.isnan(scores[0, left:]).all()


def test_every_recommendation_has_past_items_as_reasons(fitted: FittedRecommender) -> None:
    told = reasons_of(fitted, 0, 3)
    past = set(fitted.items[fitted.history[0].indices])
    assert len(told["reasons"]) == 3
    for reason in told["reasons"]:
        assert reason["feature"] in past and reason["contribution"] > 0
        assert {b["feature"] for b in reason["because"]} <= past
        assert reason["recommendation"] in told["rationale"]


def test_past_items_and_base_add_up_to_the_score(fitted: FittedRecommender) -> None:
    users = np.array([0, 3, -1])
    found = past_contributions(fitted, users)
    _, scores = fitted.recommend(users, 1)
    assert np.allclose(found.base + found.values.sum(axis=1), scores[:, 0], atol=1e-5)
    assert np.allclose(found.values[2], 0)


def test_a_recommender_comes_back_from_a_pickle(fitted: FittedRecommender) -> None:
    fitted.find_users(["u1"])
    again = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(again.recommend(np.arange(5))[0], fitted.recommend(np.arange(5))[0])
    assert not again.has_titles


def test_an_outcome_counts_hits_among_hidden_items_only(two_tastes: Interactions, context: Context) -> None:
    rows = np.arange(len(two_tastes.user))
    hidden = rows[::4]
    learned = np.setdiff1d(rows, hidden)
    history = two_tastes.matrix(learned)
    counts = np.bincount(history.indices, minlength=history.shape[1]).astype(float)
    model = FittedRecommender(
        EDLAE(l2=5.0).fit(history, context), two_tastes.users, two_tastes.items, two_tastes.items, history,
        history, counts,
    )  # fmt: skip
    users = np.unique(two_tastes.user[hidden])
    truth = two_tastes.matrix(hidden)[users]
    outcome = make_outcome(model, users, truth, users, 6)
    for i, user in enumerate(users):
        hits = {int(outcome[f"item:{r}"][i]) for r in range(1, 7) if outcome[f"hit:{r}"][i]}
        shown = {int(outcome[f"item:{r}"][i]) for r in range(1, 7)}
        assert hits == shown & set(truth[i].indices)
        assert outcome["n_relevant"][i] == truth[i].nnz
        assert outcome["n_history"][i] == history[user].nnz
    binary = (history.toarray() > 0).astype(float)
    unit = binary / np.maximum(np.linalg.norm(binary, axis=0), 1e-12)
    a, b = int(outcome["item:1"][0]), int(outcome["item:2"][0])
    assert outcome["likeness:2"][0] == pytest.approx(unit[:, a] @ unit[:, b], abs=1e-5)


def test_interactions_that_the_model_learned_from_are_no_hits_to_find(fitted: FittedRecommender) -> None:
    users = np.arange(10)
    outcome = make_outcome(fitted, users, fitted.history[users], users, 5)
    assert (outcome["n_relevant"] == 0).all()
    assert not outcome[[f"hit:{r}" for r in range(1, 6)]].to_numpy().any()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000))
def test_the_best_are_the_best_and_ties_go_to_the_lower_column(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 4, (3, 9)).astype(np.float32)
    scores[rng.random((3, 9)) < 0.3] = -np.inf
    items, values = best_of(scores.copy(), k)
    for row in range(3):
        order = sorted(range(9), key=lambda j: (-scores[row, j], j))
        ranked = [j for j in order if np.isfinite(scores[row, j])][:k]
        kept = [int(i) for i in items[row] if i >= 0]
        assert [scores[row, j] for j in kept] == [scores[row, j] for j in ranked]
        assert len(set(kept)) == len(kept)
        assert np.isnan(values[row, len(kept) :]).all()


def test_users_beyond_one_block_are_answered_alike(fitted: FittedRecommender) -> None:
    users = np.resize(np.r_[np.arange(len(fitted.users)), -1], 2100)
    items, _ = fitted.recommend(users, 3)
    again, _ = fitted.recommend(users[-40:], 3)
    assert np.array_equal(items[-40:], again)
    assert isinstance(fitted.histories(users), sp.csr_matrix)
