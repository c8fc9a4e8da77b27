"""Regression: how much. A number per row of a table, learned from the other columns.

Reads: a table with a numeric target. Writes: nothing. Never: judges residuals it was fitted to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from specweave.problems.amounts import AmountProblem
from specweave.problems.base import Choice
from specweave.problems.choosing import candidates_choice, common_choices

if TYPE_CHECKING:
    from specweave.increments.spec import Spec


class Regression(AmountProblem):
    """Regression on table rows."""

    name = "regression"
    types = ("Regression",)
    words = ("price", "how much", "how many", "amount", "cost", "value", "estimate", "duration", "demand", "count of",
             "revenue", "quantity", "consumption", "rent", "salary", "age of", "ltv", "number of")  # fmt: skip

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """A numeric target with many distinct values is a quantity."""
        target = roles.get("target")
        if not target or target not in frame.columns:
            return 0.3 * cls.match_request(request), "no target is known"
        values = frame[target].dropna()
        distinct = values.nunique()
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values) or distinct <= 2:
            return 0.02, f"'{target}' is no quantity"
        whole = bool((values == values.round()).all())
        if whole and distinct <= 10:
            return 0.4 + 0.5 * cls.match_request(
                request
            ), f"'{target}' holds {distinct} distinct whole numbers"
        return 0.9, f"'{target}' is a quantity with {distinct} distinct values"

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets; without a demand of the user's, R² is asked for."""
        target = roles.get("target") or "the quantity"
        problem = {
            "Problem type": "Regression",
            "Output": f"Expected {target}",
            "Success metrics": "R² > 0.6",
        }
        return {"problem": problem, "data": {}, "model": {}}

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose metric, target transformation, baselines and candidates, each with its reason."""
        profile = profile or {}
        n_rows = profile.get("rows")
        choices = common_choices(n_rows, profile.get("drop", {}))
        metric, why = _selection(spec)
        choices.append(Choice("selection_metric", metric, why))
        target = profile.get("target") or {}
        skew, low = target.get("skew"), target.get("min")
        if skew is not None and low is not None and skew > 1 and low >= 0 and metric != "mae":
            choices.append(Choice("target_transform", "log1p",
                                  f"the target is skewed ({skew:.1f}) and never negative: models learn its logarithm"))  # fmt: skip
        choices.append(
            Choice("baselines", ["random", "mean", "rule-based"],
                   "a random training value, the mean, and the best single feature: what any model must beat")
        )  # fmt: skip
        choices.append(candidates_choice(list(self.candidate_table(n_rows or 10_000).values())))
        return choices


def _selection(spec: Spec) -> tuple[str, str]:
    for criterion in spec.criteria:
        if criterion.metric and criterion.metric.name in (
            "rmse",
            "mae",
            "mape",
            "smape",
            "rmsle",
            "median_ae",
        ):
            name = criterion.metric.name
            return name, f"spec.md asks for {criterion.metric.label}"
    return "rmse", "large errors weigh most; it orders models as R² does"
