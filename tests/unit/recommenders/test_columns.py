"""Columns of interactions are found by name, else by what they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.recommenders.columns import find_columns, fits
from specweave.recommenders.interactions import (
    as_labels,
    distinct_pairs,
    make_interactions,
    parse_ratings,
    weights_of,
)


@pytest.mark.parametrize(
    "names",
    [
        ("user_id", "item_id", "rating", "timestamp"), ("userId", "movieId", "rating", "timestamp"),
        ("customer", "product_id", "quantity", "order_date"), ("CustomerID", "StockCode", "Quantity", "InvoiceDate"),
        ("visitor", "url", "clicks", "date"), ("reader_id", "isbn", "score", "ts"),
    ],
)  # fmt: skip
def test_usual_names_are_understood(names: tuple[str, str, str, str]) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.integers(1, 30, (200, 4)), columns=list(names))
    assert list(find_columns(frame).values()) == list(names)


def test_order_of_the_columns_does_not_matter() -> None:
    frame = pd.DataFrame({"timestamp": [1, 2], "rating": [1, 2], "movieId": [5, 6], "userId": [1, 1]})
    found = find_columns(frame)
    assert (found["user"], found["item"], found["time"]) == ("userId", "movieId", "timestamp")


def test_without_names_repeating_keys_are_taken() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": rng.integers(0, 60, 900), "b": rng.integers(0, 25, 900), "x": rng.normal(size=900)}
    )
    found = find_columns(frame)
    assert (found["user"], found["item"]) == ("a", "b")


def test_what_does_not_repeat_is_no_interaction() -> None:
    frame = pd.DataFrame({"user_id": range(50), "item_id": range(50)})
    assert not fits(frame, "user_id", "item_id")[0]


def test_keys_of_any_type_are_the_same_labels() -> None:
    assert as_labels(pd.Series([7.0, np.nan])).tolist() == ["7", ""]
    assert as_labels(pd.Series(["7.0", " x "])).tolist() == ["7", "x"]
    assert as_labels(pd.Series([7])).tolist() == ["7"]


def test_a_repeated_pair_keeps_the_latest_and_counts_add_up() -> None:
    frame = pd.DataFrame({"u": ["a", "a", "b"], "i": ["x", "x", "x"], "n": [2.0, 3.0, 1.0], "t": [9, 1, 2]})
    kept, gone = distinct_pairs(frame, "u", "i", "n", "t", counts=False)
    assert gone == 1 and kept["n"].tolist() == [2.0, 1.0]
    kept, _ = distinct_pairs(frame, "u", "i", "n", "t", counts=True)
    assert kept["n"].tolist() == [5.0, 1.0]


def test_counts_with_a_long_tail_weigh_by_their_logarithm() -> None:
    weights = weights_of(np.array([1.0, 1.0, 1.0, 10.0, 1000.0]))
    assert weights.mean() == pytest.approx(1.0) and weights.max() < 2.0
    assert weights[3] - weights[0] > 0.15  # ten is far from one, as it is not beside a thousand


def test_ratings_below_the_bar_are_known_but_no_hits() -> None:
    made = make_interactions(
        np.array(["a", "a", "b"]), np.array(["x", "y", "x"]), np.array([5.0, 1.0, 4.0]), None, positive_from=4
    )
    assert made.positive.tolist() == [True, False, True]
    assert made.matrix(np.arange(3)).nnz == 2
    assert made.matrix(np.arange(3), positive_only=False).nnz == 3


def test_ratings_written_as_words_are_read() -> None:
    written = ["5 stars", "1 star", "4.5 out of 5", "3/5", "★★☆☆☆", "Rating: 4", "2,5", "4 Sterne", "7"]
    read = parse_ratings(pd.Series(written))
    assert read.tolist() == [5.0, 1.0, 4.5, 3.0, 2.0, 4.0, 2.5, 4.0, 7.0]
    assert np.isnan(parse_ratings(pd.Series(["good", "2020-01-05", "5 apples and a pear", ""]))).all()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "reviewer": rng.integers(0, 30, 200),
            "asin": rng.integers(0, 20, 200),
            "rating": [f"{1 + i % 5} stars" for i in range(200)],
        }
    )
    assert find_columns(frame)["rating"] == "rating"


def test_columns_in_other_languages_and_the_only_dates_are_understood() -> None:
    frame = pd.DataFrame(
        {
            "kunde": ["k1", "k2"] * 30,
            "artikel": ["a1", "a2", "a3"] * 20,
            "bewertung": [1, 2, 3] * 20,
            "am": [f"{1 + i % 28:02d}.03.2024" for i in range(60)],
        }
    )
    assert find_columns(frame) == {"user": "kunde", "item": "artikel", "rating": "bewertung", "time": "am"}
