"""Filters as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.errors import DataError, UnknownNameError
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.where import parse_where

RECORD = ExperimentRecord(
    id="exp-003-xgboost",
    name="xgboost",
    number=3,
    status="completed",
    started="2026-05-01T10:00:00Z",
    duration_s=12.5,
    git={"commit": "abc", "dirty": True},
    tags={"prod": "", "team": "search"},
    folder=Path("exp-003-xgboost"),
    params={"max_depth": 6, "booster": "dart", "subsample": None, "early": False, "size": "7"},
    metrics={"roc_auc": 0.84, "precision@10": 0.5, "recall@precision=0.6": 0.7, "nan": float("nan")},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metrics.roc_auc > 0.8 and params.max_depth <= 6", True),
        ("metrics.roc_auc > 0.9 or params.max_depth <= 6", True),
        ("metrics.roc_auc > 0.9 and params.max_depth <= 6", False),
        ("roc_auc >= .84", True),
        ("roc_auc > 8.4e-1", False),
        ("precision@10 == 0.5", True),
        ('metrics."recall@precision=0.6" > 0.6', True),
        ("status = completed", True),
        ("status != failed", True),
        ("name ~ XGB", True),
        ("params.booster = 'dart'", True),
        ('params.booster == "gbtree"', False),
        ("tags.prod", True),
        ("tags.team = search", True),
        ("tags.gone", False),
        ("not tags.gone", True),
        ("params.gone > 3", False),
        ("params.gone < 3", False),
        ("params.gone != 3", False),
        ("params.early = false", True),
        ("params.subsample = none", True),
        ("params.subsample", False),
        ("params.size > 6", True),
        ("params.booster > 3", False),
        ("started > 2026-04", True),
        ("started >= '2026-06'", False),
        ("duration_s < 60 and number = 3", True),
        ("dirty = true and commit = abc", True),
        ("metrics.nan > 0", False),
        ("metrics.roc_auc > metrics.precision@10", True),
        ("not (status = failed or status = interrupted) and max_depth = 6", True),
        ("not status = completed or max_depth = 6", True),
        ("AND = 3 or status = completed", None),
        ("max_depth=6", True),
        ("max_depth = -6", False),
    ],
)
def test_a_filter_says_what_it_says(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(DataError):
            parse_where(text)
        return
    assert parse_where(text).matches(RECORD) is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("metrics.auc >", "a value is missing"),
        ("> 3", "expected a name"),
        ("(status = failed", "bracket is not closed"),
        ("status = failed status", "expected 'and', 'or' or the end"),
        ("a > 3 and", "a name is missing"),
        ("a > > 3", "expected a value"),
        ("__import__('os').system('x')", "character"),
        ("a > 3; b", "cannot read this"),
        ("'unclosed", "cannot read this"),
    ],
)
def test_a_filter_that_cannot_be_read_points_at_the_place(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said) as caught:
        parse_where(text)
    assert "^" in str(caught.value) and "like: metrics.roc_auc > 0.8" in str(caught.value)


def test_a_name_that_no_experiment_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean metrics\.roc_auc"):
        parse_where("metrics.roc_acu > 1").check_names([RECORD])
    parse_where("metrics.roc_auc > 1 and seed = 3").check_names([RECORD])
    parse_where("anything > 1").check_names([])
