"""Models of classification: the probability of every label, and models that were saved under an older name."""

from __future__ import annotations

import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.problems.classification_models import RuleClassifier, label_probabilities

ROWS = pd.DataFrame({"x": [1.0, 2.0, 3.0]})


def big(rows: pd.DataFrame) -> np.ndarray:
    return np.where(rows["x"] > 1.5, "yes", "no")


def made(rule: Any, labels: list[str]) -> RuleClassifier:
    model = RuleClassifier(rule)
    model.labels_ = labels
    return model


def test_a_rule_saved_while_its_class_stood_with_the_problem_type_still_answers() -> None:
    old = pickle.dumps(made(big, ["no", "yes"]), protocol=0).replace(
        b"specweave.problems.classification_models\n", b"specweave.problems.classification\n"
    )
    assert b"cspecweave.problems.classification\nRuleClassifier" in old
    shares = label_probabilities(pickle.loads(old), ROWS)
    assert shares["p:yes"].tolist() == [0.0, 1.0, 1.0]


def test_a_rule_may_return_the_probability_of_the_last_label() -> None:
    shares = label_probabilities(made(lambda rows: rows["x"] / 4, ["no", "yes"]), ROWS)
    assert shares["p:yes"].tolist() == [0.25, 0.5, 0.75]
    assert shares["p:no"].tolist() == [0.75, 0.5, 0.25]


def test_a_rule_with_a_label_of_its_own_is_refused() -> None:
    def other(rows: pd.DataFrame) -> list[str]:
        return ["maybe"] * len(rows)

    with pytest.raises(DataError, match="a label that the target does not hold"):
        label_probabilities(made(other, ["no", "yes"]), ROWS)


def test_an_estimator_without_probabilities_answers_by_its_margin() -> None:
    estimator = SimpleNamespace(classes_=[0, 2], decision_function=lambda X: X[:, 0] - 2.0)
    step = SimpleNamespace(transform=lambda frame: frame.to_numpy())
    model = SimpleNamespace(named_steps={"features": step, "model": estimator}, labels_=["a", "b", "c"])
    shares = label_probabilities(model, ROWS)
    assert shares["p:b"].tolist() == [0.0, 0.0, 0.0]
    assert shares["p:c"].is_monotonic_increasing and shares["p:c"][1] == pytest.approx(0.5)
    assert np.allclose(shares.sum(axis=1), 1.0)
