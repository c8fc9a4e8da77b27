"""The rule-based baseline on large tables."""

from __future__ import annotations

import numpy as np
import pytest

from specweave.tables import rules
from specweave.tables.rules import SingleFeatureClassifier, SingleFeatureRegressor


def test_the_rule_of_a_large_table_is_chosen_on_a_part_that_holds_every_rare_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "_CHOSEN_ON", 3000)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 5))
    y = (rng.random(20_000) < 0.001).astype(int)
    X[y == 1, 3] += 6
    rule = SingleFeatureClassifier()
    rows = rule._sample(y)
    assert len(rows) == 3000 and y[rows].sum() == y.sum()
    assert rule.fit(X, y).feature_ == 3
    # The rule itself is learned from all rows: its chances are those of the table.
    assert rule.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean())
    assert SingleFeatureRegressor().fit(X, 2 * X[:, 1]).feature_ == 1
