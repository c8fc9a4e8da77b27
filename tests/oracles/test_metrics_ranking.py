"""Ranking metrics against lists worked by hand, and against plain loops over the definitions."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.metrics.base import find_metric, parse_metric_ref
from specweave.metrics.ranking_measures import measure, per_user


def table(hits: list[list[int]], relevant: list[int], items: list[list[int]] | None = None) -> pd.DataFrame:
    k = len(hits[0])
    items = items or [list(range(k)) for _ in hits]
    made: dict[str, object] = {"n_relevant": relevant, "n_items": [20] * len(hits)}
    for r in range(k):
        made[f"item:{r + 1}"] = [line[r] for line in items]
        made[f"hit:{r + 1}"] = [line[r] for line in hits]
    return pd.DataFrame(made)


# Two users, lists of four: the first has hits at ranks 1 and 3 of 3 relevant items, the second at rank 4 of 1.
BY_HAND = table([[1, 0, 1, 0], [0, 0, 0, 1]], [3, 1])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("precision@4", (2 / 4 + 1 / 4) / 2),
        ("precision@2", (1 / 2 + 0) / 2),
        ("recall@4", (2 / 3 + 1 / 1) / 2),
        ("f1@4", (2 * 2 / (4 + 3) + 2 * 1 / (4 + 1)) / 2),
        ("hit rate@4", 1.0),
        ("hit rate@3", 0.5),
        ("mrr@4", (1 + 1 / 4) / 2),
        ("map@4", ((1 / 1 + 2 / 3) / 3 + (1 / 4) / 1) / 2),
        ("ndcg@4", ((1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2) + (1 / math.log2(5)) / 1) / 2),
        ("ndcg@1", (1 + 0) / 2),
    ],
)
def test_metrics_are_those_worked_by_hand(name: str, expected: float) -> None:
    assert measure(BY_HAND, parse_metric_ref(name), {}) == pytest.approx(expected, abs=1e-12)


def test_without_k_the_whole_list_counts() -> None:
    assert measure(BY_HAND, parse_metric_ref("ndcg"), {}) == measure(BY_HAND, parse_metric_ref("ndcg@4"), {})


def test_metrics_are_those_of_plain_loops_over_the_definitions() -> None:
    rng = np.random.default_rng(0)
    hits = (rng.random((50, 10)) < 0.3).astype(int)
    relevant = hits.sum(axis=1) + rng.integers(0, 15, 50)
    relevant = np.maximum(relevant, 1)
    outcome = table(hits.tolist(), relevant.tolist())
    for k in (1, 3, 10):
        ndcg, average = [], []
        for line, n in zip(hits[:, :k], relevant, strict=True):
            gain = sum(h / math.log2(r + 2) for r, h in enumerate(line))
            ndcg.append(gain / sum(1 / math.log2(r + 2) for r in range(min(n, k))))
            found, total = 0, 0.0
            for r, h in enumerate(line, 1):
                found += h
                total += h * found / r
            average.append(total / min(n, k))
        assert measure(outcome, parse_metric_ref(f"ndcg@{k}"), {}) == pytest.approx(np.mean(ndcg))
        assert measure(outcome, parse_metric_ref(f"map@{k}"), {}) == pytest.approx(np.mean(average))


def test_a_user_without_a_list_counts_as_zero() -> None:
    outcome = table([[1, 1], [0, 0]], [2, 2], [[3, 4], [-1, -1]])
    assert measure(outcome, parse_metric_ref("precision@2"), {}) == 0.5


def test_a_user_with_nothing_to_find_is_no_part_of_the_mean() -> None:
    outcome = table([[1, 1], [0, 0]], [2, 0])
    assert measure(outcome, parse_metric_ref("precision@2"), {}) == 1.0
    assert math.isnan(per_user(outcome, "precision")[1])


def test_coverage_counts_each_item_once() -> None:
    outcome = table([[0, 0], [0, 0]], [1, 1], [[0, 1], [1, 2]])
    assert measure(outcome, parse_metric_ref("coverage@2"), {}) == 3 / 20
    assert measure(outcome, parse_metric_ref("coverage@1"), {}) == 2 / 20


def test_diversity_and_novelty_are_means_over_lists() -> None:
    outcome = table([[0, 0, 0]], [1], [[0, 1, 2]])
    # Cosines 0.5 (ranks 1, 2), 0.2 (1, 3), 0.1 (2, 3).
    outcome = outcome.assign(**{"likeness:1": [0.0], "likeness:2": [0.5], "likeness:3": [0.3],
                                "novelty:1": [1.0], "novelty:2": [2.0], "novelty:3": [6.0]})  # fmt: skip
    assert measure(outcome, parse_metric_ref("diversity@3"), {}) == pytest.approx(1 - 0.8 / 3)
    assert measure(outcome, parse_metric_ref("diversity@2"), {}) == pytest.approx(0.5)
    assert measure(outcome, parse_metric_ref("novelty@3"), {}) == pytest.approx(3.0)


def test_a_longer_list_than_was_made_cannot_be_measured() -> None:
    with pytest.raises(DataError, match="the lists hold 4 items") as caught:
        measure(BY_HAND, parse_metric_ref("ndcg@10"), {})
    assert "k: 10" in str(caught.value.hint)


def test_no_user_with_anything_to_find_is_said_so() -> None:
    with pytest.raises(DataError, match="no user has anything"):
        measure(table([[0]], [0]), parse_metric_ref("ndcg@1"), {})


@pytest.mark.parametrize(("spelled", "name"), [("NDCG@10", "ndcg"), ("Hit Rate@5", "hit_rate"), ("MAP@10", "map"),
                                               ("Mean Average Precision@10", "map"), ("MRR", "mrr")])  # fmt: skip
def test_people_spell_them_as_they_like(spelled: str, name: str) -> None:
    assert parse_metric_ref(spelled).name == name


def test_only_counts_of_distinct_items_have_no_interval() -> None:
    assert not find_metric("coverage").resampled
    assert find_metric("ndcg").resampled
