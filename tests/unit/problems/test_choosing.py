"""What a plan chooses: names of a table, classes and rules of a person's own, the metric that comes first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sklearn.dummy import DummyClassifier

from specweave.errors import DataError, UnknownNameError
from specweave.increments.plan import Plan, parse_plan
from specweave.problems.base import ModelExperiment
from specweave.problems.choosing import (
    candidates_choice,
    choose_baselines,
    choose_candidates,
    make_rule_experiment,
    selection_first,
)

TABLE = {
    "prior": ModelExperiment(
        "prior", DummyClassifier, {"strategy": "prior"}, {"strategy": ["prior"]}, "usual"
    ),
    "chance": ModelExperiment("chance", DummyClassifier, {"strategy": "uniform"}),
}


@pytest.fixture
def planned(tmp_path: Path) -> Callable[[str], Plan]:
    return lambda text: parse_plan(f"```yaml\n{text}\n```\n", tmp_path / "plan.md")


class Rule:
    def __init__(self, rule: Any) -> None:
        self.rule = rule


def rule_experiment(rule: Any, name: str | None) -> ModelExperiment:
    return make_rule_experiment(Rule, rule, name)


def test_a_plan_that_lists_nothing_gets_the_whole_table_or_what_is_usual(
    planned: Callable[[str], Plan],
) -> None:
    plan = planned("{}")
    assert [e.name for e in choose_candidates(TABLE, plan)] == ["prior", "chance"]
    assert [e.name for e in choose_candidates(TABLE, plan, usual=["chance"])] == ["chance"]


def test_an_entry_lies_over_the_tables_own_settings(planned: Callable[[str], Plan]) -> None:
    plan = planned("candidates: [{name: prior, params: {random_state: 3}, note: mine}]")
    (made,) = choose_candidates(TABLE, plan)
    assert made.params == {"strategy": "prior", "random_state": 3}
    assert made.search == {"strategy": ["prior"]}
    assert made.note == "mine"


def test_a_class_of_ones_own_is_named_or_goes_by_its_path(planned: Callable[[str], Plan]) -> None:
    path = "sklearn.dummy.DummyClassifier"
    plan = planned(f"candidates: [{{estimator: {path}}}, {{name: mine, estimator: {path}}}]")
    made = choose_candidates(TABLE, plan)
    assert [e.name for e in made] == [path, "mine"]
    assert all(e.estimator_class is DummyClassifier for e in made)


def test_an_unknown_candidate_is_named_with_its_line_and_the_nearest_one(
    planned: Callable[[str], Plan],
) -> None:
    with pytest.raises(UnknownNameError, match="no candidate is called 'priro'") as raised:
        choose_candidates(TABLE, planned("candidates: [priro]"))
    assert "plan.md:" in str(raised.value.where)
    assert "prior" in str(raised.value.hint) and "estimator:" in str(raised.value.hint)


def test_what_a_type_makes_of_other_entries_is_asked_last(planned: Callable[[str], Plan]) -> None:
    plan = planned("candidates: [chance, {members: [prior, chance]}]")
    made = choose_candidates(
        TABLE, plan, make_other=lambda entry: ModelExperiment("both", Rule, {"rule": entry["members"]})
    )
    assert [e.name for e in made] == ["chance", "both"]
    with pytest.raises(UnknownNameError):
        choose_candidates(TABLE, plan, make_other=lambda entry: None)


def test_baselines_may_be_names_callables_and_imported_rules_each_name_once(
    planned: Callable[[str], Plan],
) -> None:
    def by_hand(rows: Any) -> Any:
        return rows

    strategies = ["chance", by_hand, {"rule": "math:sqrt", "name": "root"}, "chance"]
    made = choose_baselines(strategies, TABLE, planned("{}"), rule_experiment)
    assert [e.name for e in made] == ["chance", "baseline-by-hand", "baseline-root"]
    with pytest.raises(UnknownNameError, match="cannot import 'math:square'"):
        choose_baselines([{"rule": "math:square"}], TABLE, planned("{}"), rule_experiment)


def test_the_selection_metric_comes_first_and_once(planned: Callable[[str], Plan]) -> None:
    assert [r.key for r in selection_first(("rmse", "mae"), planned("{}"))] == ["rmse", "mae"]
    refs = selection_first(("rmse", "mae"), planned("selection_metric: mae"))
    assert [r.key for r in refs] == ["mae", "rmse"]


def test_a_plans_line_of_candidates_tells_why_each_is_tried() -> None:
    choice = candidates_choice(list(TABLE.values()), "; more")
    assert choice.value == [{"name": "prior", "search": {"strategy": ["prior"]}}, {"name": "chance"}]
    assert choice.reason == "prior: usual; chance: ; more"


def test_an_experiment_whose_class_refuses_its_parameters_says_what_it_takes() -> None:
    with pytest.raises(DataError, match="DummyClassifier does not take these parameters") as raised:
        ModelExperiment("mine", DummyClassifier, {"depth": 3}).make()
    assert raised.value.where == "mine"
    assert "strategy" in str(raised.value.hint)
