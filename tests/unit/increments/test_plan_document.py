"""plan.md: one YAML block, its mistakes named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.errors import SpecError, StorageError
from specweave.increments.plan import load_plan, parse_duration, parse_plan, save_plan_config

PATH = Path("0042-churn/plan.md")
PLAN = """\
# Plan: churn

Why, in words.

```python
split: not a setting
```

```yaml
split:
  folds: 5
  seed: 42
features:
  drop: {customerID: identifier}
  rare_share: 1
selection_metric: roc_auc
tuning:
  trials: 40
  time_budget: 5m
threshold:
  maximise: recall
```

After the block.
"""


def at(text: str) -> int:
    return next(n for n, line in enumerate(PLAN.splitlines(), 1) if line.strip().startswith(text))


def refused(old: str, new: str) -> SpecError:
    assert old in PLAN
    with pytest.raises(SpecError) as caught:
        parse_plan(PLAN.replace(old, new), PATH)
    return caught.value


def test_settings_are_read_by_dotted_key() -> None:
    plan = parse_plan(PLAN, PATH)
    assert plan.get("split.folds") == 5
    assert plan.get("features.drop") == {"customerID": "identifier"}
    assert plan.get("features.rare_share") == 1
    assert plan.get("tuning.top", 2) == 2
    assert plan.seconds("tuning.time_budget") == 300
    assert plan.at("tuning.trials") == f"0042-churn/plan.md:{at('trials')}"
    assert plan.at("split.seed") == f"0042-churn/plan.md:{at('seed')}"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("  seed: 42", "  seed: [42", "features:", "not valid YAML"),
        ("  seed: 42", "   seed: 42", "seed", "not valid YAML"),
        ("  seed: 42", "  seed: a: b", "seed", "not valid YAML"),
        ("  folds: 5", "  folds: five", "folds", "'split.folds' must be a whole number, not 'five'"),
        ("  folds: 5", "  folds: true", "folds", "must be a whole number, not True"),
        ("  folds: 5", "  folds: 1", "folds", "'split.folds' must be at least 2, not 1"),
        ("  trials: 40", "  trials: -3", "trials", "must be at least 0"),
        ("  folds: 5", "  fold: 5", "folds", "'split' has no setting 'fold'"),
        ("  rare_share: 1", "  rare_shar: 1", "rare_share", "'features' has no setting 'rare_shar'"),
        ("tuning:\n  trials: 40\n  time_budget: 5m", "tuning: 40", "tuning", "'tuning' must be a mapping, not 40"),
        ("selection_metric", "selektion_metric", "selection_metric", "no setting 'selektion_metric'"),
        ("roc_auc", "roc_acu", "selection_metric", "no metric is called 'roc_acu'"),
        ("time_budget: 5m", "time_budget: 5 parsecs", "time_budget", "'5 parsecs' is no duration"),
        ("time_budget: 5m", "time_budget: 0", "time_budget", "0 is no duration"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_block_names_its_line(old: str, new: str, line: str, says: str) -> None:
    error = refused(old, new)
    assert says in error.what
    assert error.where == f"0042-churn/plan.md:{at(line)}"
    assert error.hint


def test_the_nearest_setting_is_offered() -> None:
    assert refused("tuning:", "tunning:").hint == "did you mean tuning?"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# nothing\n", "this one has 0"),
        (PLAN + "\n```yaml\nsplit: {}\n```\n", "this one has 2"),
        ("```yaml\n- a\n- b\n```\n", "is not a mapping"),
        ("```yaml\nsplit: {folds: 5}\n", "not closed"),
        ("```yaml\n<<<<<<< HEAD\nsplit: {}\n=======\n>>>>>>> b\n```\n", "merge conflict"),
    ],
)
def test_there_is_exactly_one_block_and_it_is_a_mapping(text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        parse_plan(text, PATH)
    assert str(caught.value.where).startswith("0042-churn/plan.md:")


def test_an_empty_block_is_all_defaults() -> None:
    assert parse_plan("```yaml\n```\n", PATH).get("split.folds", 5) == 5


def test_keys_of_the_problem_type_are_known_only_to_it() -> None:
    text = "```yaml\nhorizon: 12\n```\n"
    assert parse_plan(text, PATH, ("horizon",)).get("horizon") == 12
    with pytest.raises(SpecError, match="no setting 'horizon'"):
        parse_plan(text, PATH)


def test_saving_the_block_keeps_every_other_byte(tmp_path: Path) -> None:
    path = tmp_path / "plan.md"
    path.write_bytes(PLAN.replace("\n", "\r\n").encode())
    save_plan_config(path, {"split": {"folds": 3}})
    head, tail = PLAN.split("```yaml\n")[0], PLAN.split("```\n")[-1]
    text = path.read_bytes().decode()
    assert text == f"{head}```yaml\nsplit:\n  folds: 3\n```\n{tail}".replace("\n", "\r\n")


def test_a_missing_plan_says_how_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no plan\.md") as caught:
        load_plan(tmp_path / "plan.md")
    assert "--replan" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("1.5m", 90), ("2 h", 7200), ("1d", 86400), (120, 120)]
)
def test_durations_are_seconds(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5m", "0s", "5 weeks", None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(SpecError, match="no duration"):
        parse_duration(text, where="--budget")
