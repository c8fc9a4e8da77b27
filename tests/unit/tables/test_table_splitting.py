"""Holdout and folds: apart, reproducible, by label, group or time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, SpecError
from specweave.tables.splitting import parse_validation, split_rows


@pytest.mark.parametrize(
    ("text", "strategy", "fraction", "period"),
    [
        (None, "random", 0.2, None),
        ("stratified 20% holdout", "stratified", 0.2, None),
        ("Random 25 % holdout", "random", 0.25, None),
        ("12.5% hold-out, shuffled", "random", 0.125, None),
        ("last 20% by time", "time", 0.2, None),
        ("Last month", "time", 0.2, (1, "month")),
        ("last 2 weeks", "time", 0.2, (2, "week")),
        ("last quarter", "time", 0.2, (1, "quarter")),
        ("chronological", "time", 0.2, None),
        ("20% by group", "group", 0.2, None),
        ("stratified by group, 30%", "stratified", 0.3, None),
    ],
)
def test_the_validation_line_is_read(
    text: str | None, strategy: str, fraction: float, period: tuple[int, str] | None
) -> None:
    found = parse_validation(text)
    assert (found.strategy, found.fraction, found.period) == (strategy, fraction, period)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0% holdout", "0% leaves too little"),
        ("95% holdout", "95% leaves too little"),
        ("as usual", "no way to validate"),
    ],
)
def test_what_is_no_way_to_validate_names_the_line(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        parse_validation(text, where="spec.md:9")
    assert caught.value.where == "spec.md:9"
    assert caught.value.hint


N = 200
LABELS = np.array(["a", "b", "b", "b"] * 50)
GROUPS = np.repeat(np.arange(40), 5)
TIMES = pd.Series(pd.date_range("2026-01-01", periods=N, freq="12h"))


def split(text: str, **options: object):  # type: ignore[no-untyped-def]
    arguments = {"n_rows": N, "folds": 4, "seed": 3, **options}
    train, holdout, folds, words = split_rows(parse_validation(text), **arguments)  # type: ignore[arg-type]
    rows = arguments["n_rows"]
    assert sorted([*train, *holdout]) == list(range(rows))  # type: ignore[call-overload]
    for fit, valid in folds:
        assert set(fit) | set(valid) <= set(train)
        assert not set(fit) & set(valid)
    return train, holdout, folds, words


@pytest.mark.parametrize(
    "text", ["stratified 20% holdout", "random 20% holdout", "last 20% by time", "20% by group"]
)
def test_the_same_seed_gives_the_same_rows(text: str) -> None:
    first = split(text, labels=LABELS, groups=GROUPS if "group" in text else None, times=TIMES)
    second = split(text, labels=LABELS, groups=GROUPS if "group" in text else None, times=TIMES)
    assert all(np.array_equal(a, b) for a, b in zip(first[:2], second[:2], strict=True))
    assert len(first[1]) == 40 and first[3] == second[3]


def test_another_seed_gives_other_rows() -> None:
    assert not np.array_equal(split("random 20% holdout")[1], split("random 20% holdout", seed=4)[1])


def test_each_part_of_a_stratified_split_holds_the_labels_in_proportion() -> None:
    _, holdout, folds, words = split("stratified 20% holdout", labels=LABELS)
    for part in (holdout, *[valid for _, valid in folds]):
        assert np.mean(LABELS[part] == "a") == pytest.approx(0.25, abs=0.01)
    assert sorted(np.concatenate([valid for _, valid in folds])) == sorted(set(range(N)) - set(holdout))
    assert words == "stratified 20% holdout (40 of 200 rows), 4 folds, seed 3"


def test_a_rare_label_lowers_the_number_of_folds() -> None:
    labels = np.array(["a"] * 4 + ["b"] * 196)
    _, _, folds, _ = split("stratified 20% holdout", labels=labels, folds=5)
    assert len(folds) == 3
    assert all((labels[valid] == "a").any() for _, valid in folds)


def test_more_labels_than_holdout_rows_are_split_at_random() -> None:
    labels = np.repeat(np.arange(100), 2)
    assert split("stratified 20% holdout", labels=labels)[3].startswith("random 20% holdout")


@pytest.mark.parametrize("text", ["20% by group", "stratified 20% holdout", "random 20% holdout"])
def test_a_group_is_never_on_both_sides_whatever_the_strategy(text: str) -> None:
    train, holdout, folds, _ = split(text, labels=LABELS, groups=GROUPS)
    assert not set(GROUPS[train]) & set(GROUPS[holdout])
    assert all(not set(GROUPS[fit]) & set(GROUPS[valid]) for fit, valid in folds)


def test_a_split_by_time_judges_on_what_came_after() -> None:
    shuffled = TIMES.sample(frac=1, random_state=1).reset_index(drop=True)
    train, holdout, folds, words = split("last 20% by time", times=shuffled)
    assert shuffled[train].max() < shuffled[holdout].min()
    assert all(shuffled[fit].max() < shuffled[valid].min() for fit, valid in folds)
    # Each fold learns from all that came before it.
    assert [len(fit) for fit, _ in folds] == sorted(len(fit) for fit, _ in folds)
    assert "validate on what came after" in words


def test_the_last_month_is_a_month() -> None:
    _, holdout, _, words = split("last month", times=TIMES)
    last = TIMES.iloc[-1]
    assert TIMES[holdout].min() >= last - pd.DateOffset(months=1)
    assert len(holdout) == int((last - pd.DateOffset(months=1) <= TIMES).sum())
    assert words.startswith("holdout from ")


def test_rows_of_one_instant_stay_together() -> None:
    days = pd.Series(np.repeat(pd.date_range("2026-01-01", periods=20).to_numpy(), 10))
    train, holdout, _, _ = split("last 23% by time", times=days)
    assert not set(days[train]) & set(days[holdout])


def test_plain_steps_are_a_time_too() -> None:
    steps = pd.Series(np.arange(N)[::-1])
    train, holdout, _, _ = split("last 20% by time", times=steps)
    assert steps[train].max() < steps[holdout].min()
    with pytest.raises(SpecError, match="needs dates"):
        split("last 2 months", times=steps)


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("random 20% holdout", {"n_rows": 1}, "1 row cannot be split"),
        ("random 20% holdout", {"n_rows": 9}, "9 rows cannot be split"),
        ("last 20% by time", {}, "needs the time's column"),
        ("20% by group", {}, "needs the group's column"),
        ("20% by group", {"groups": np.zeros(N)}, "1 group cannot be split"),
        ("last 20% by time", {"times": pd.Series([None, *TIMES[1:]])}, "empty in 1 rows"),
        ("last 20% by time", {"times": pd.Series([TIMES[0]] * N)}, "leaves 0 training rows"),
    ],
)
def test_what_cannot_be_split_says_why(text: str, options: dict[str, object], says: str) -> None:
    with pytest.raises((DataError, SpecError), match=says) as caught:
        split(text, **options)
    assert caught.value.hint
