"""Explaining a fitted model on held-out rows, in numbers and in words."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from specweave.increments.plan import parse_plan
from specweave.increments.project import Increment
from specweave.increments.spec import parse_spec
from specweave.problems.base import Dataset, ModelExperiment, Source
from specweave.problems.classification import Classification
from specweave.problems.example_rows import classification_examples, loss_examples, regression_examples
from specweave.problems.regression import Regression
from specweave.stages.explanation import explain, reasons_wanted
from specweave.stages.explanation_checks import check_explanation
from specweave.stages.rationale import render_aim, render_effect, render_rationale, render_value
from specweave.stages.workspace import Workspace
from specweave.tables.kinds import infer_kinds
from specweave.tables.transformer import TableFeatures

N = 260


def make_dataset(target: str) -> Dataset:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "tenure": rng.integers(0, 70, N).astype(float),
            "contract": rng.choice(["month", "year", "two years"], N),
            "noise": rng.normal(size=N),
        }
    )
    frame.loc[::17, "tenure"] = np.nan
    signal = 3 * (frame["contract"] == "month") - frame["tenure"].fillna(35) / 15 + rng.normal(size=N)
    frame["churn"] = np.where(signal > signal.median(), "Yes", "No")
    frame["spend"] = 100 + 20 * signal
    other = "spend" if target == "churn" else "churn"
    frame = frame.drop(columns=other)
    kinds = dict(infer_kinds(frame, target=target))
    roles = {"target": target, "identifiers": [], "time": None, "group": None}
    return Dataset(frame, kinds, roles, Source("table.csv", 0, "", N))


def explained(
    problem: Any, target: str, estimator: Any, params: dict[str, Any], decision: dict[str, Any]
) -> Any:
    dataset = make_dataset(target)
    train, holdout = np.arange(180), np.arange(180, N)
    inputs = {c: k for c, k in dataset.kinds.items() if c != target}
    features = TableFeatures(inputs, task=problem.task)
    model = problem.fit(ModelExperiment("m", estimator, params), dataset, train, features, seed=0, threads=1)
    outcome = problem.predict(model, dataset, holdout)
    background = dataset.frame.iloc[train[:60]]
    return explain(
        problem, model, dataset, outcome, decision, background=background, max_rows=50, seed=0
    ), outcome  # fmt: skip


DECISION = {"labels": ["No", "Yes"], "positive": "Yes", "threshold": 0.5}


@pytest.fixture(scope="module")
def churn() -> Any:
    return explained(Classification(), "churn", LogisticRegression, {}, DECISION)


def test_columns_are_ranked_by_their_mean_contribution(churn: Any) -> None:
    (record, kept), _ = churn
    strengths = [e["mean_abs_shap"] for e in record["importance"]]
    assert strengths == sorted(strengths, reverse=True)
    assert sum(e["share"] for e in record["importance"]) == pytest.approx(1.0)
    assert record["importance"][-1]["feature"] == "noise"
    first = record["importance"][0]
    position = kept["names"].index(first["feature"])
    assert first["mean_abs_shap"] == pytest.approx(np.abs(kept["values"][:, position]).mean())


def test_shuffling_a_column_that_matters_raises_the_loss(churn: Any) -> None:
    (record, _), _ = churn
    by_name = {e["feature"]: e for e in record["importance"]}
    assert by_name["contract"]["permutation"] > 5 * abs(by_name["noise"]["permutation"])
    assert by_name["tenure"]["permutation"] > by_name["tenure"]["permutation_std"]


def test_directions_are_told_in_words(churn: Any) -> None:
    (record, _), _ = churn
    by_name = {e["feature"]: e["direction"] for e in record["importance"]}
    assert by_name["tenure"] == "higher values lower it"
    assert by_name["contract"].startswith("'month' raises it most")


def test_each_example_adds_up_and_says_why_it_was_picked(churn: Any) -> None:
    (record, _), outcome = churn
    whys = [e["why"] for e in record["examples"]]
    assert whys[:3] == ["sure and right", "sure and wrong", "borderline"]
    assert {"typical of 'Yes'", "typical of 'No'"} == set(whys[3:])
    for example in record["examples"]:
        total = example["base"] + sum(c["contribution"] for c in example["contributions"])
        assert total == pytest.approx(example["output"])
        row = outcome[outcome["row"] == example["row"]].iloc[0]
        assert 1 / (1 + math.exp(-example["output"])) == pytest.approx(row["p:Yes"])
        assert example["towards"] == "Yes"
        assert f"the probability of churn = {example['towards']}" in example["rationale"]
        assert len(example["reasons"]) == 3 and example["lime"]


def test_kept_values_hold_no_class_of_this_package(churn: Any) -> None:
    import pickle

    from specweave.experiments.pickled_packages import pickle_modules

    (_, kept), _ = churn
    modules = pickle_modules(pickle.dumps(kept, protocol=5))
    assert not any(m.startswith("specweave") for m in modules)
    assert len(kept["rows"]) == len(kept["values"]) == len(kept["shown"]) == 50


def test_a_regression_is_explained_in_the_targets_own_unit() -> None:
    (record, _), outcome = explained(Regression(), "spend", Ridge, {}, {})
    assert record["unit"] == ""
    assert [e["why"] for e in record["examples"][:2]] == ["closest", "farthest off"]
    example = record["examples"][0]
    row = outcome[outcome["row"] == example["row"]].iloc[0]
    assert example["output"] == pytest.approx(row["prediction"])
    assert "the predicted spend" in example["rationale"]


def test_the_surest_wrong_answer_is_the_farthest_from_the_threshold() -> None:
    outcome = pd.DataFrame({"truth": ["Yes", "No", "Yes", "No"], "p:No": [0.05, 0.9, 0.99, 0.48]})
    outcome["p:Yes"] = 1 - outcome["p:No"]
    picked = {e.why: e.position for e in classification_examples(outcome, DECISION)}
    assert picked["sure and wrong"] == 2
    assert picked["sure and right"] == 0
    assert picked["borderline"] == 3


def test_a_model_that_is_never_wrong_has_no_wrong_example() -> None:
    outcome = pd.DataFrame({"truth": ["a", "b", "c"], "p:a": [0.8, 0.1, 0.1], "p:b": [0.1, 0.8, 0.1]})
    outcome["p:c"] = 1 - outcome["p:a"] - outcome["p:b"]
    picked = classification_examples(outcome, {"positive": None})
    assert "sure and wrong" not in [e.why for e in picked]
    assert len({e.position for e in picked}) == len(picked) == 3


def test_examples_never_repeat_a_row() -> None:
    outcome = pd.DataFrame({"truth": [1.0, 2.0], "prediction": [1.0, 5.0]})
    assert [e.position for e in regression_examples(outcome, {})] == [0, 1]
    assert [e.position for e in loss_examples(np.array([3.0, 1.0]))] == [1, 0]


def reason(contribution: float, feature: str = "tenure", value: Any = 2) -> dict[str, Any]:
    return {"feature": feature, "value": value, "contribution": contribution}


def test_log_odds_are_translated_into_what_they_change() -> None:
    assert render_effect(0.9, "log-odds", 0.5) == "+0.90 log-odds: 0.62 with it, 0.40 without"
    assert render_effect(-2.0, "log-odds", -8.0) == "-2.00 log-odds: 0.0003 with it, 0.0025 without"
    assert render_effect(-0.1, "log1p") == "-10 %"
    assert render_effect(1234.5678, "") == "+1,235"
    assert render_effect(0.931, "co2") == "+0.931 co2"
    assert render_effect(-123456.7, "sales") == "-123,457 sales"


def test_a_rationale_names_the_rest_so_that_it_adds_up() -> None:
    text = render_rationale(
        [reason(0.21), reason(-0.05, "plan", None)], unit="probability", aim=render_aim("Yes", "churn"),
        base=0.3, total=0.5,
    )  # fmt: skip
    assert text == (
        "tenure = 2 raises the probability of churn = Yes most (+0.21). plan = missing lowers it (-0.05). "
        "Everything else together: +0.04."
    )


def test_long_cells_are_cut() -> None:
    assert render_value("x" * 100).endswith("…") and len(render_value("x" * 100)) == 40
    assert render_value(float("nan")) == "missing" and render_value(True) == "yes"


def entry(feature: str, share: float, **more: float) -> dict[str, Any]:
    return {"feature": feature, "share": share, **more}


def test_a_dominant_column_is_doubted() -> None:
    table = [entry("leak", 0.9), entry("a", 0.05), entry("b", 0.03), entry("c", 0.02)]
    (finding,) = check_explanation(table, [])
    assert finding.code == "SW401" and "leak" in finding.message
    assert check_explanation([entry("a", 0.5), *table[1:]], []) == []


def test_shap_and_lime_that_point_apart_are_doubted() -> None:
    example = {"row": 4, "why": "borderline", "reasons": [reason(0.4), reason(0.2, "plan")]}
    agree = [{"feature": "tenure", "weight": 0.1}, {"feature": "plan", "weight": 0.1}]
    opposed = [{"feature": "tenure", "weight": -0.1}, {"feature": "plan", "weight": 0.1}]
    others = [{"feature": f, "weight": 0.1} for f in "abcd"]
    assert check_explanation([], [{**example, "lime": agree}]) == []
    assert check_explanation([], [{**example, "lime": None}]) == []
    for lime in (opposed, others):
        (finding,) = check_explanation([], [{**example, "lime": lime}])
        assert finding.code == "SW402" and finding.evidence["row"] == 4


def test_a_column_that_hurts_and_columns_without_influence_are_told() -> None:
    table = [entry("a", 0.5, permutation=-0.2, permutation_std=0.01), entry("b", 0.4995), entry("c", 0.0005)]
    assert [f.code for f in check_explanation(table, [])] == ["SW403", "SW404"]


@pytest.mark.parametrize(("demanded", "planned", "given"), [(5, 3, 5), (2, 4, 4), (3, 3, 3)])
def test_answers_get_as_many_reasons_as_the_spec_demands(
    tmp_path: Path, demanded: int, planned: int, given: int
) -> None:
    sections = (
        "## ML Problem Definition\n- Problem type: Regression\n## Data Requirements\n## Model Requirements\n"
    )
    spec = parse_spec(
        sections + f"- Explainability: Must explain top-{demanded} features", tmp_path / "spec.md"
    )
    plan = parse_plan(f"```yaml\nexplain: {{top: {planned}}}\n```\n", tmp_path / "plan.md")
    assert reasons_wanted(Workspace(Increment(tmp_path), spec, plan, Regression())) == given
