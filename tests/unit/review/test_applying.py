"""``--apply`` changes the named value and nothing else, once, or says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from review_records import TODAY, Records, recorded

from specweave.errors import SpecError, StateError, UnknownNameError
from specweave.files.documents import Document
from specweave.files.yamlio import parse_yaml
from specweave.review.applying import apply_change, change_spec_text
from specweave.review.plan_text import change_plan_text, expected_config, render_inline

PLAN = """\
# Plan: mine

Prose with a number: folds: 3. It stays.

```yaml
# the split, as agreed with Kim
split:   {folds: 3,  seed: 42}   # not 7
features:
  drop: {}
  rare_share:    0.010
'selection_metric': "roc_auc"
baselines: [random,
            majority]
candidates:
  - name: linear   # additive
    search:
      C: {low: 0.001, high: 100.0, log: true}

  - name: lightgbm
    search:
      max_depth:
        low: 2
        high: 10
      # the end
tuning: {trials: 40}
```

| a | table |
|---|---|
"""


def lines_changed(before: str, after: str) -> list[tuple[str, str]]:
    return [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("split", "folds"), 5, "{folds: 3,", "{folds: 5,"),
        (("features", "drop", "age"), "SW104: no influence", "drop: {}", 'drop: {age: "SW104: no influence"}'),
        (("features", "drop"), ["a"], "drop: {}", "drop: [a]"),
        (("selection_metric",), "average_precision", '"roc_auc"', "average_precision"),
        (("candidates", "linear", "search", "C", "low"), 1e-05, "low: 0.001", "low: 1e-05"),
        (("candidates", "lightgbm", "search", "max_depth", "high"), 14, "high: 10\n", "high: 14\n"),
        (("tuning", "trials"), 80, "{trials: 40}", "{trials: 80}"),
        (("tuning", "time_budget"), "9m", "{trials: 40}", "{trials: 40, time_budget: 9m}"),
        (("threshold", "maximise"), "f1", "tuning: {trials: 40}\n", "tuning: {trials: 40}\nthreshold:\n  maximise: f1\n"),
        (("features", "select", "keep"), 9, "0.010\n", "0.010\n  select:\n    keep: 9\n"),
        (("candidates", "lightgbm", "params", "verbose"), True, "        high: 10\n", "        high: 10\n    params:\n      verbose: true\n"),
    ],
)  # fmt: skip
def test_one_value_changes_and_every_other_byte_stays(
    path: tuple[str, ...], value: object, old: str, new: str
) -> None:
    for text in (PLAN, PLAN.replace("\n", "\r\n")):
        newline = "\r\n" if "\r" in text else "\n"
        changed = change_plan_text(text, path, value, where="plan.md")
        a, b = (x.replace("\n", newline) for x in (old, new))
        assert text.count(a) == 1
        assert changed == text.replace(a, b)


def test_a_list_gets_one_more_item() -> None:
    changed = change_plan_text(PLAN, ("baselines",), "rule-based", how="append", where="plan.md")
    assert changed == PLAN.replace("majority]", "majority, rule-based]")
    item = {"name": "xgboost", "search": {"max_depth": {"low": 2, "high": 8}}}
    changed = change_plan_text(PLAN, ("candidates",), item, how="append", where="plan.md")
    told = "        high: 10\n  - name: xgboost\n    search: {max_depth: {low: 2, high: 8}}\n"
    assert changed == PLAN.replace("        high: 10\n", told)


def test_a_list_of_names_gets_the_name() -> None:
    plan = PLAN.replace("drop: {}", "drop: [age]")
    changed = change_plan_text(plan, ("features", "drop", "income"), "SW104: x", where="plan.md")
    assert changed == plan.replace("[age]", "[age, income]")


def test_a_null_and_an_empty_value_are_filled() -> None:
    for written in ("drop:", "drop: null", "drop: ~"):
        plan = PLAN.replace("drop: {}", written)
        changed = change_plan_text(plan, ("features", "drop", "age"), "why", where="plan.md")
        assert changed == plan.replace(written, "drop: {age: why}")


def test_an_empty_block_gets_its_first_setting() -> None:
    plan = "```yaml\n```\nprose\n"
    assert (
        change_plan_text(plan, ("split", "folds"), 5, where="p")
        == "```yaml\nsplit:\n  folds: 5\n```\nprose\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("split:   {folds: 3,  seed: 42}   # not 7", "base: &b {folds: 3}\nsplit: *b", ("split", "folds")),
        ("  drop: {}", "  drop:\n    age: old", ("features", "drop")),
        ("tuning: {trials: 40}", "tuning: 40", ("tuning", "trials")),
    ],
)
def test_what_cannot_be_changed_in_one_place_is_refused(old: str, new: str, path: tuple[str, ...]) -> None:
    with pytest.raises(SpecError) as caught:
        change_plan_text(PLAN.replace(old, new), path, 5, where="plan.md")
    assert "by hand" in str(caught.value.hint)


NAMES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=1, max_size=12
)
VALUES = st.one_of(
    st.booleans(), st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False), NAMES
)


@given(NAMES, VALUES)
def test_any_column_and_value_reads_back(column: str, value: object) -> None:
    assert parse_yaml(render_inline({column: value}), where="x") == {column: value}
    for plan in (PLAN, PLAN.replace("drop: {}", "drop:\n    old: why")):
        changed = change_plan_text(plan, ("features", "drop", column), value, where="plan.md")
        config = parse_yaml(Document(changed).fences("yaml")[0].body, where="x")
        before = parse_yaml(Document(plan).fences("yaml")[0].body, where="x")
        assert config == expected_config(before, ("features", "drop", column), value)
        assert changed.partition("```yaml")[0] == plan.partition("```yaml")[0]
        assert changed.rpartition("```")[2] == plan.rpartition("```")[2]


# -- on an increment -------------------------------------------------------------------------------


def edge(tmp_path: Path) -> Records:
    r = Records(tmp_path)
    r.model("tuned-lightgbm").trials = [(0.8, {"max_depth": 10, "learning_rate": 0.05})] * 24
    return r


def test_the_change_is_made_once_and_then_there_is_nothing_left_to_do(tmp_path: Path) -> None:
    increment = edge(tmp_path).write()
    before, spec = increment.plan_path.read_text(), increment.spec_path.read_bytes()
    first = apply_change(increment, "sw122", today=TODAY)
    assert [(c.key, c.old, c.new) for c in first.changed] == [
        ("candidates.lightgbm.search.max_depth.high", 10, 14)
    ]
    after = increment.plan_path.read_text()
    assert len(lines_changed(before, after)) == 1
    assert after == re.sub(r"high: 10\b(?!0|\.)", "high: 14", before)
    again = apply_change(increment, "SW122", today=TODAY)
    assert not again.changed
    assert "says so already" in again.note
    assert increment.plan_path.read_text() == after
    assert increment.spec_path.read_bytes() == spec


def test_what_a_person_set_further_out_stays(tmp_path: Path) -> None:
    r = edge(tmp_path)
    r.plan["candidates"][1]["search"] = {"max_depth": {"low": 2, "high": 40}}
    increment = r.write()
    assert not apply_change(increment, "SW122", today=TODAY).changed


def test_a_bullet_of_the_spec_changes_alone(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.profile["columns"]["key"].update(distinct=500)
    increment = r.write()
    before, plan = increment.spec_path.read_text(), increment.plan_path.read_bytes()
    found = apply_change(increment, "SW111", today=TODAY)
    assert [c.key for c in found.changed] == ["Group column", "Validation"]
    wanted = before.replace(
        "- Validation: stratified 20% holdout\n", "- Validation: 20% by group\n- Group column: key\n"
    )
    assert increment.spec_path.read_text() == wanted
    assert increment.plan_path.read_bytes() == plan
    assert "does not stand" in apply_change(increment, "SW111", today=TODAY).note


def test_a_spec_with_other_line_endings_keeps_them() -> None:
    text = "## Data Requirements\r\n* Validation:   random 20% holdout\r\n* Target: y"
    changed = change_spec_text(text, "validation", "last 20% by time", "spec.md")
    assert changed == text.replace("random 20% holdout", "last 20% by time")
    assert change_spec_text(text, "Group column", "g", "spec.md") == text + "\r\n- Group column: g\r\n"


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("SW119", StateError, r"SW119 \(criterion missed\) comes with no change"),
        ("SW227", StateError, r"SW227 \(the holdout drifts .*\) comes with no change"),
        ("SW999", UnknownNameError, "no finding carries the code 'SW999'"),
        ("SW102", StateError, "stands, but proposes no change here"),
    ],
)
def test_what_has_no_change_is_refused_and_nothing_is_written(
    code: str, error: type[Exception], text: str, tmp_path: Path
) -> None:
    r = Records(tmp_path)
    r.evaluation["findings"].append(recorded("SW324"))
    increment = r.write()
    before = increment.plan_path.read_bytes()
    with pytest.raises(error, match=text):
        apply_change(increment, code, today=TODAY)
    assert increment.plan_path.read_bytes() == before


def test_a_finding_that_does_not_stand_changes_nothing(tmp_path: Path) -> None:
    increment = Records(tmp_path).write()
    found = apply_change(increment, "SW104", today=TODAY)
    assert (found.changed, found.note) == (
        (),
        "SW104 (columns without influence) does not stand; nothing was changed",
    )


def test_a_rule_that_waits_cannot_be_applied(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.without.add("reports/explanation.json")
    with pytest.raises(StateError, match=r"SW104 cannot judge yet: reports/explanation.json is not there"):
        apply_change(r.write(), "SW104", today=TODAY)
