"""What no metric may depend on: the order of rows, the names of classes, the unit of the target."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.metrics.base import parse_metric_ref
from specweave.metrics.classification import METRICS as CLASS_METRICS
from specweave.metrics.classification_measures import measure as measure_classes
from specweave.metrics.regression import METRICS as NUMBER_METRICS
from specweave.metrics.regression_measures import measure as measure_numbers

DECISION = {"positive": "Yes", "threshold": 0.5}
NAMES = [*(m.name for m in CLASS_METRICS), "precision@3", "lift@4", "recall@precision=0.6", "recall@fpr=0.3"]


@st.composite
def outcomes(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(5, 25))
    score = draw(st.lists(st.integers(0, 20), min_size=n, max_size=n))
    truth = ["Yes", "No", *(draw(st.sampled_from(["Yes", "No"])) for _ in range(n - 2))]
    p = np.array(score) / 20
    return pd.DataFrame({"truth": truth, "p:No": 1 - p, "p:Yes": p})


@given(outcomes(), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_no_classification_metric_depends_on_the_order_of_rows(frame: pd.DataFrame, rng) -> None:
    order = list(range(len(frame)))
    rng.shuffle(order)
    for name in NAMES:
        ref = parse_metric_ref(name)
        assert measure_classes(frame.iloc[order], ref, DECISION) == pytest.approx(
            measure_classes(frame, ref, DECISION), abs=1e-12
        )


@given(outcomes())
@settings(max_examples=30, deadline=None)
def test_no_classification_metric_depends_on_what_classes_are_called(frame: pd.DataFrame) -> None:
    renamed = pd.DataFrame(
        {
            "p:aye": frame["p:Yes"],  # the columns change places too
            "truth": frame["truth"].map({"Yes": "aye", "No": "nay"}),
            "p:nay": frame["p:No"],
        }
    )
    for name in NAMES:
        ref = parse_metric_ref(name)
        assert measure_classes(renamed, ref, {"positive": "aye", "threshold": 0.5}) == pytest.approx(
            measure_classes(frame, ref, DECISION), abs=1e-12
        )


@given(outcomes())
@settings(max_examples=30, deadline=None)
def test_ranking_metrics_survive_any_rising_transform_of_the_score(frame: pd.DataFrame) -> None:
    warped = frame.assign(**{"p:Yes": frame["p:Yes"] ** 3})
    for name in ("roc_auc", "average_precision", "precision@3", "recall@precision=0.6"):
        ref = parse_metric_ref(name)
        assert measure_classes(warped, ref, DECISION) == pytest.approx(measure_classes(frame, ref, DECISION))


@given(outcomes())
@settings(max_examples=30, deadline=None)
def test_two_classes_seen_as_several_give_the_same_area(frame: pd.DataFrame) -> None:
    ref = parse_metric_ref("roc_auc")
    flipped = frame.assign(**{"p:Yes": 1 - frame["p:Yes"], "p:No": frame["p:Yes"]})
    assert measure_classes(flipped, ref, DECISION) == pytest.approx(1 - measure_classes(frame, ref, DECISION))


numbers = st.lists(st.floats(1, 1e4), min_size=3, max_size=30)


@given(numbers, numbers, st.floats(0.1, 100))
@settings(max_examples=40, deadline=None)
def test_errors_scale_with_the_unit_and_ratios_do_not(a: list[float], b: list[float], scale: float) -> None:
    n = min(len(a), len(b))
    frame = pd.DataFrame({"truth": a[:n], "prediction": b[:n]})
    if frame["truth"].max() - frame["truth"].min() < 1e-3:
        return
    for metric in NUMBER_METRICS:
        ref = parse_metric_ref(metric.name)
        before, after = measure_numbers(frame, ref, {}), measure_numbers(frame * scale, ref, {})
        if metric.name in ("rmse", "mae", "median_ae", "max_error", "bias"):
            assert after == pytest.approx(before * scale, rel=1e-6, abs=1e-6)
        elif metric.name != "rmsle":
            assert after == pytest.approx(before, rel=1e-5, abs=1e-6)
        assert measure_numbers(frame.iloc[::-1], ref, {}) == pytest.approx(before, rel=1e-9, abs=1e-9)
