"""A measured value with its interval against a bar: pass, fail, or inconclusive."""

from __future__ import annotations

import pytest

from specweave.increments.criteria import parse_criterion
from specweave.pipeline.validation import describe
from specweave.pipeline.verdicts import Verdict, verdict_of
from specweave.records import Metric


def judged(text: str, value: float, low: float | None, high: float | None, n: int = 1000) -> Verdict:
    criterion = parse_criterion(text)
    assert criterion.metric is not None
    metric = Metric(name=criterion.metric.key, value=value, low=low, high=high, n=n)
    return verdict_of(criterion, metric, criterion.value, "exp-004-x")


@pytest.mark.parametrize(
    ("text", "value", "low", "high", "verdict", "blocks"),
    [
        ("ROC AUC > 0.80", 0.85, 0.82, 0.88, "pass", False),
        ("ROC AUC > 0.80", 0.75, 0.72, 0.78, "fail", True),
        ("ROC AUC > 0.80", 0.82, 0.78, 0.86, "inconclusive", False),
        ("ROC AUC > 0.80", 0.79, 0.75, 0.83, "inconclusive", True),
        ("ROC AUC > 0.80 with 95% confidence", 0.85, 0.82, 0.88, "pass", False),
        ("ROC AUC > 0.80 with 95% confidence", 0.82, 0.78, 0.86, "inconclusive", True),
        ("ROC AUC > 0.80 with 95% confidence", 0.75, 0.72, 0.78, "fail", True),
        ("ROC AUC > 0.80 with 95% confidence", 0.85, None, None, "fail", True),
        ("ROC AUC > 0.80", 0.85, None, None, "pass", False),
        ("ROC AUC > 0.80", 0.75, None, None, "fail", True),
        ("Brier < 0.20", 0.15, 0.12, 0.18, "pass", False),
        ("Brier < 0.20", 0.25, 0.22, 0.28, "fail", True),
        ("Brier < 0.20", 0.19, 0.17, 0.22, "inconclusive", False),
        ("Brier < 0.20", 0.21, 0.18, 0.24, "inconclusive", True),
        # The bar itself: > and < exclude it, >= and <= do not.
        ("Recall > 0.5", 0.5, None, None, "fail", True),
        ("Recall >= 0.5", 0.5, None, None, "pass", False),
        ("Brier < 0.2", 0.2, None, None, "fail", True),
        ("Brier <= 0.2", 0.2, None, None, "pass", False),
        ("Recall >= 0.6", 0.1 + 0.2 + 0.3 - 1e-12, None, None, "pass", False),
        ("Recall = 0.5", 0.5, 0.4, 0.6, "pass", False),
        ("Recall = 0.5", 0.51, 0.4, 0.6, "fail", True),
        ("Recall > 0.5", float("nan"), None, None, "fail", True),
        ("Recall > 0.5", float("nan"), float("nan"), float("nan"), "fail", True),
    ],
)
def test_point_and_interval_must_agree(
    text: str, value: float, low: float | None, high: float | None, verdict: str, blocks: bool
) -> None:
    found = judged(text, value, low, high)
    assert (found.verdict, found.blocks) == (verdict, blocks)
    assert found.experiment == "exp-004-x"


def test_an_open_verdict_says_how_many_rows_would_settle_it() -> None:
    found = judged("ROC AUC > 0.80", 0.82, 0.78, 0.86)
    assert "its interval straddles it" in found.note
    assert "more holdout rows would settle it" in found.note
    many = judged("ROC AUC > 0.80", 0.801, 0.78, 0.822)
    assert rows(many) > rows(found) > 0


def rows(found: Verdict) -> int:
    words = found.note.partition("about ")[2].partition(" more")[0]
    return int(words.replace(",", ""))


def test_what_confidence_lacks_is_said() -> None:
    assert "95% confidence is not reached" in judged("AUC > 0.8 with 95% confidence", 0.82, 0.78, 0.86).note
    assert "no interval can be given" in judged("AUC > 0.8 with 95% confidence", 0.82, None, None).note


def test_an_interval_that_touches_the_bar_from_above_passes_only_at_least() -> None:
    assert judged("Recall >= 0.5", 0.6, 0.5, 0.7).verdict == "pass"
    assert judged("Recall > 0.5", 0.6, 0.5, 0.7).verdict == "inconclusive"


@pytest.mark.parametrize(
    ("name", "criterion", "shown"),
    [
        ("mape", "MAPE < 1%", "0.8200% [0.5000, 1.200]"),
        ("mape", "MAPE < 0.01", "0.8200% [0.5000, 1.200]"),
        ("recall", "Recall > 80%", "84.20% [82, 86]"),
        ("recall", "Recall > 0.8 with 95% confidence", "0.8420 [0.8200, 0.8600]"),
        ("recall", "Recall > 0.8", "0.8420 [0.8200, 0.8600]"),
        ("recall", "Recall@precision=60% > 0.5", "0.8420 [0.8200, 0.8600]"),
    ],
)
def test_a_value_is_shown_in_the_unit_of_its_criterion(name: str, criterion: str, shown: str) -> None:
    value, low, high = (0.0082, 0.005, 0.012) if name == "mape" else (0.842, 0.82, 0.86)
    metric = Metric(name=name, value=value, low=low, high=high, higher_is_better=name != "mape")
    found = Verdict(criterion=parse_criterion(criterion), verdict="pass", blocks=False, metric=metric)
    assert describe(found)["measured"] == shown
