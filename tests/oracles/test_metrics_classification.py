"""Classification metrics against scikit-learn and against numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from specweave.metrics.base import parse_metric_ref
from specweave.metrics.classification_measures import measure

BINARY = {"labels": ["No", "Yes"], "positive": "Yes", "threshold": 0.4}
MULTI = {"labels": ["a", "b", "c"], "positive": None, "threshold": None}


def binary(seed: int, n: int = 300, *, ties: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < 0.3
    score = np.clip(0.35 * truth + rng.random(n) * 0.65, 0, 1)
    score = score.round(1) if ties else score
    return pd.DataFrame({"truth": np.where(truth, "Yes", "No"), "p:No": 1 - score, "p:Yes": score})


def several(seed: int, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    raw = rng.dirichlet([1, 1, 1], n) + 0.8 * np.eye(3)[truth]
    proba = raw / raw.sum(axis=1, keepdims=True)
    frame = pd.DataFrame(proba, columns=["p:a", "p:b", "p:c"])
    return frame.assign(truth=np.array(["a", "b", "c"])[truth])


def value(name: str, frame: pd.DataFrame, decision: dict[str, object]) -> float:
    return measure(frame, parse_metric_ref(name), decision)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_binary_metrics_agree_with_scikit_learn(seed: int, ties: bool) -> None:
    frame = binary(seed, ties=ties)
    y, p = (frame["truth"] == "Yes").to_numpy(), frame["p:Yes"].to_numpy()
    d = p >= 0.4
    expected = {
        "roc_auc": sk.roc_auc_score(y, p),
        "average_precision": sk.average_precision_score(y, p),
        "accuracy": sk.accuracy_score(y, d),
        "balanced_accuracy": sk.balanced_accuracy_score(y, d),
        "precision": sk.precision_score(y, d),
        "recall": sk.recall_score(y, d),
        "f1": sk.f1_score(y, d),
        "f1_macro": sk.f1_score(y, d, average="macro"),
        "f1_weighted": sk.f1_score(y, d, average="weighted"),
        "specificity": sk.recall_score(~y, ~d),
        "fpr": 1 - sk.recall_score(~y, ~d),
        "log_loss": sk.log_loss(y, np.clip(p, 1e-15, 1 - 1e-15)),
        "brier": sk.brier_score_loss(y, p),
        "mcc": sk.matthews_corrcoef(y, d),
        "kappa": sk.cohen_kappa_score(y, d),
        "lift": sk.precision_score(y, d) / y.mean(),
    }
    for name, number in expected.items():
        tolerance = 1e-3 if name == "log_loss" and ties else 1e-10
        assert value(name, frame, BINARY) == pytest.approx(number, rel=tolerance), name


@pytest.mark.parametrize("seed", range(3))
def test_multiclass_metrics_agree_with_scikit_learn(seed: int) -> None:
    frame = several(seed)
    y, p = frame["truth"].to_numpy(), frame[["p:a", "p:b", "p:c"]].to_numpy()
    d = np.array(["a", "b", "c"])[p.argmax(axis=1)]
    expected = {
        "roc_auc": sk.roc_auc_score(y, p, multi_class="ovr"),
        "average_precision": sk.average_precision_score(pd.get_dummies(y).to_numpy(), p, average="macro"),
        "accuracy": sk.accuracy_score(y, d),
        "balanced_accuracy": sk.balanced_accuracy_score(y, d),
        "precision": sk.precision_score(y, d, average="macro"),
        "recall": sk.recall_score(y, d, average="macro"),
        "f1": sk.f1_score(y, d, average="macro"),
        "f1_weighted": sk.f1_score(y, d, average="weighted"),
        "log_loss": sk.log_loss(y, p),
        "brier": sk.brier_score_loss(y, p, labels=["a", "b", "c"], scale_by_half=False),
        "mcc": sk.matthews_corrcoef(y, d),
        "kappa": sk.cohen_kappa_score(y, d),
    }
    for name, number in expected.items():
        assert value(name, frame, MULTI) == pytest.approx(number), name


@pytest.mark.parametrize("bound", [0.3, 0.5, 0.75, 0.9, 1.0])
@pytest.mark.parametrize("ties", [False, True])
def test_bounded_metrics_agree_with_the_curve_of_scikit_learn(bound: float, ties: bool) -> None:
    frame = binary(7, ties=ties)
    y, p = (frame["truth"] == "Yes").to_numpy(), frame["p:Yes"].to_numpy()
    precision, recall, _ = sk.precision_recall_curve(y, p)
    assert value(f"recall@precision={bound}", frame, BINARY) == pytest.approx(
        recall[precision >= bound].max()
    )
    assert value(f"precision@recall={bound}", frame, BINARY) == pytest.approx(
        precision[:-1][recall[:-1] >= bound].max()
    )
    fpr, tpr, _ = sk.roc_curve(y, p, drop_intermediate=False)
    assert value(f"recall@fpr={bound}", frame, BINARY) == pytest.approx(tpr[fpr <= bound].max())


def small() -> pd.DataFrame:
    # Six rows, scores with one tie at 0.5.
    score = [0.9, 0.8, 0.5, 0.5, 0.3, 0.1]
    return pd.DataFrame(
        {"truth": ["Yes", "No", "Yes", "No", "Yes", "No"], "p:No": [1 - s for s in score], "p:Yes": score}
    )


def test_hand_worked_numbers_of_six_rows() -> None:
    half = {"positive": "Yes", "threshold": 0.5}
    # Pairs won by the positive: 0.9 beats 3; 0.5 beats 0.1, ties 0.5, loses to 0.8; 0.3 beats 0.1. 5.5 of 9.
    assert value("AUC", small(), half) == pytest.approx(5.5 / 9)
    # Steps: (1/3)*1, then at 0.5 recall 2/3 precision 2/4, at 0.3 recall 1 precision 3/5.
    assert value("PR AUC", small(), half) == pytest.approx(1 / 3 + (1 / 3) * 0.5 + (1 / 3) * 0.6)
    assert value("precision", small(), half) == pytest.approx(0.5)
    assert value("sensitivity", small(), half) == pytest.approx(2 / 3)
    assert value("specificity", small(), half) == pytest.approx(1 / 3)
    assert value("brier", small(), half) == pytest.approx((0.01 + 0.64 + 0.25 + 0.25 + 0.49 + 0.01) / 6)
    # Three rows are called: 0.9, 0.8 and one of the two at 0.5, which is positive half of the time.
    assert value("precision@3", small(), half) == pytest.approx(1.5 / 3)
    assert value("recall@3", small(), half) == pytest.approx(1.5 / 3)
    assert value("lift@1", small(), half) == pytest.approx(2.0)
    # Precision 0.6 is met at 0.9 (1.0, recall 1/3) and at 0.3 (3/5, recall 1).
    assert value("recall@precision=0.6", small(), half) == pytest.approx(1.0)
    assert value("recall@precision=0.7", small(), half) == pytest.approx(1 / 3)
    assert value("precision@recall=0.5", small(), half) == pytest.approx(0.6)


def test_calibration_error_is_the_weighted_gap_of_ten_bins() -> None:
    frame = pd.DataFrame(
        {
            "truth": ["Yes", "No", "Yes", "Yes"],
            "p:Yes": [0.12, 0.18, 0.95, 1.0],
            "p:No": [0.88, 0.82, 0.05, 0.0],
        }
    )
    # Bin 1: 0.12 and 0.18, mean 0.15, half happened. Bin 9: 0.95 and 1.0, mean 0.975, all happened.
    assert value("ECE", frame, BINARY) == pytest.approx(0.5 * 0.35 + 0.5 * 0.025)
