"""Each doubt about an evaluation is raised where it should be, and only there."""

from __future__ import annotations

from typing import Any

import pytest

from specweave.metrics.base import parse_metric_ref
from specweave.records import Metric
from specweave.stages.doubts import check_chosen, check_evaluation

AUC = parse_metric_ref("auc")
GAP = {"train": 0.86, "cv": 0.84, "cv_std": 0.01, "holdout": 0.83, "n_folds": 5}
BETTER = {"against": "exp-003-rule", "role": "best baseline", "difference": 0.1, "low": 0.08, "high": 0.12,
          "p_value": 0.004, "verdict": "better"}  # fmt: skip

SEGMENT = {"column": "region", "value": "north", "metric": 0.6, "n": 50, "apart": True}


def codes(
    gap: dict[str, Any] = GAP, rivals: tuple[dict[str, Any], ...] = (BETTER,), segments: Any = None,
    value: float = 0.83, n: int = 1000, ref: Any = AUC,
) -> list[str]:  # fmt: skip
    return [
        f.code for f in check_evaluation(ref, gap, rivals, segments, [Metric(name=ref.key, value=value)], n)
    ]


def test_a_sound_evaluation_raises_no_doubt() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"gap": {**GAP, "train": 0.99}}, "SW320"),
        ({"gap": {**GAP, "holdout": 0.78}}, "SW321"),
        ({"rivals": ({**BETTER, "verdict": "not told apart"},)}, "SW322"),
        ({"rivals": ({**BETTER, "role": "runner-up", "verdict": "not told apart"},)}, "SW323"),
        ({"value": 0.9995}, "SW324"),
        ({"n": 99}, "SW325"),
        ({"segments": {"overall": 0.83, "worst": [SEGMENT]}}, "SW326"),
    ],
)  # fmt: skip
def test_each_doubt_has_its_cause(change: dict[str, Any], code: str) -> None:
    assert codes(**change) == [code]


def test_a_baseline_that_was_chosen_is_called_one() -> None:
    assert check_chosen("candidate", "exp-004-ets") == []
    (found,) = check_chosen("baseline", "exp-002-baseline-naive")
    assert found.code == "SW327" and "exp-002-baseline-naive is a baseline" in found.message


def test_a_segment_that_does_better_is_no_doubt() -> None:
    assert codes(segments={"overall": 0.83, "worst": [{**SEGMENT, "metric": 0.95}]}) == []
    rmse = parse_metric_ref("rmse")
    gap = {"train": 19.0, "cv": 20.0, "cv_std": 1.0, "holdout": 20.0, "n_folds": 5}
    smaller, larger = ({"overall": 20.0, "worst": [{**SEGMENT, "metric": v}]} for v in (10.0, 60.0))
    assert codes(gap=gap, value=20.0, ref=rmse, segments=smaller) == []
    assert codes(gap=gap, value=20.0, ref=rmse, segments=larger) == ["SW326"]


def test_losing_to_the_baseline_is_an_error() -> None:
    findings = check_evaluation(AUC, GAP, [{**BETTER, "verdict": "worse"}], None, [], 1000)
    assert (findings[0].code, findings[0].severity) == ("SW322", "error")


def test_gaps_are_seen_where_less_is_better() -> None:
    rmse = parse_metric_ref("rmse")
    gap = {"train": 10.0, "cv": 20.0, "cv_std": 1.0, "holdout": 27.0, "n_folds": 5}
    assert codes(gap=gap, value=27.0, ref=rmse) == ["SW320", "SW321"]
    assert codes(gap={**gap, "train": 19.0, "holdout": 15.0}, value=15.0, ref=rmse) == []
