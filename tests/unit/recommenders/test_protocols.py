"""Splits: nobody is tested on what was learned, and time runs forward."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.errors import DataError, SpecError
from specweave.recommenders.protocols import Protocol, inner_split, parse_protocol, split_interactions


@pytest.mark.parametrize(
    ("text", "name", "fraction"),
    [
        ("random 25% per user", "random", 0.25), ("random 20% holdout", "random", 0.2), ("leave last out", "last", 0.25),
        ("leave one out", "last", 0.25), ("leave last one out", "last", 0.25), ("last 20% by time", "time", 0.2),
        ("Last month", "time", 0.25), ("chronological 10%", "time", 0.1), ("stratified 25% per user", "random", 0.25),
    ],
)  # fmt: skip
def test_protocols_are_written_as_people_write_them(text: str, name: str, fraction: float) -> None:
    found = parse_protocol(text)
    assert found.name == name
    if "%" in text:
        assert found.fraction == fraction


def test_leave_last_out_takes_a_count() -> None:
    assert parse_protocol("leave last 2 out").count == 2


@pytest.mark.parametrize("text", ["by magic", "k-means", "20% by group"])
def test_what_is_no_protocol_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_protocol(text, where="spec.md:9")
    assert "random 25% per user" in str(caught.value.hint)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["random", "last", "time"]), st.integers(1, 3))
def test_no_interaction_is_on_two_sides_and_everybody_tested_per_user_keeps_a_past(
    seed: int, name: str, folds: int
) -> None:
    rng = np.random.default_rng(seed)
    user = rng.integers(0, 12, 120)
    times = pd.Series(rng.integers(0, 60, 120))
    train, holdout, pairs = split_interactions(Protocol(name), user, times, folds=folds, seed=seed)
    assert sorted([*train.tolist(), *holdout.tolist()]) == list(range(120))
    for fit, valid in pairs:
        assert set(fit.tolist()) | set(valid.tolist()) <= set(train.tolist())
        assert not set(fit.tolist()) & set(valid.tolist())
        assert len(fit) and len(valid)
        if name != "random":
            for who in set(user[valid].tolist()):
                past = times[fit[user[fit] == who]]
                assert past.empty or past.max() <= times[valid[user[valid] == who]].min()
    if name == "random":
        validated = [row for _, valid in pairs for row in valid.tolist()]
        assert len(validated) == len(set(validated))
    if name != "time":
        assert set(user[holdout].tolist()) <= set(user[train].tolist())
    else:
        assert times[train].max() < times[holdout].min()


def test_a_random_split_takes_its_share_of_every_user() -> None:
    user = np.repeat([0, 1, 2], [40, 8, 1])
    _, holdout, _ = split_interactions(Protocol("random", 0.25), user, None, folds=2, seed=1)
    assert np.bincount(user[holdout], minlength=3).tolist() == [10, 2, 0]


def test_going_by_time_needs_a_time() -> None:
    with pytest.raises(SpecError, match="time") as caught:
        split_interactions(Protocol("last"), np.arange(20) % 4, None, folds=1, seed=0)
    assert "Time column" in str(caught.value.hint)


def test_users_with_one_interaction_each_cannot_be_tested() -> None:
    with pytest.raises(DataError, match="leaves 20 interactions to learn from and 0 to test on"):
        split_interactions(Protocol("random"), np.arange(20), None, folds=1, seed=0)


def test_a_calendar_period_needs_dates() -> None:
    stamps = pd.Series(pd.date_range("2024-01-01", periods=100, freq="D"))
    train, holdout, _ = split_interactions(
        parse_protocol("last month"), np.arange(100) % 5, stamps, folds=2, seed=0
    )
    assert stamps[holdout].min() >= pd.Timestamp("2024-03-09") and len(train) + len(holdout) == 100
    with pytest.raises(SpecError, match="needs dates"):
        split_interactions(
            parse_protocol("last month"), np.arange(100) % 5, pd.Series(range(100)), folds=1, seed=0
        )


def test_a_second_stage_hides_some_of_each_users_past() -> None:
    user = np.repeat(np.arange(6), 8)
    learn, predict = inner_split(Protocol("random"), user, None, seed=0)
    assert np.bincount(user[predict]).tolist() == [2] * 6
    assert len(set(learn.tolist()) & set(predict.tolist())) == 0


def test_a_large_catalogue_is_tested_on_some_users_and_learns_from_the_rest() -> None:
    user = np.repeat(np.arange(50), 10)
    train, holdout, pairs = split_interactions(Protocol("random"), user, None, folds=2, seed=1, most_users=20)
    assert len(np.unique(user[holdout])) == 20
    assert sorted([*train, *holdout]) == list(range(500))
    assert all(len(np.unique(user[valid])) == 20 for _, valid in pairs)
    times = np.random.default_rng(0).permutation(np.arange(500.0))
    train, holdout, _ = split_interactions(Protocol("time", 0.2), user, times, folds=1, seed=1, most_users=20)
    assert len(np.unique(user[holdout])) == 20
    assert times[train].max() < times[holdout].min()
