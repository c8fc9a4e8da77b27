"""Exactly the tasks that depend on a change must run again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from specweave.increments.plan import load_plan
from specweave.increments.project import Increment
from specweave.increments.spec import load_spec
from specweave.increments.tasks import load_tasks
from specweave.pipeline.lock import Lock, load_lock
from specweave.pipeline.staleness import TaskState, data_fingerprint, input_fingerprints, task_states
from specweave.problems.base import problem_for

Edit = Callable[[Path, str, str], None]
ALL = [f"T-00{n}" for n in range(1, 10)]
AFTER = {n: ALL[n - 1 :] for n in range(1, 10)}


def states(increment: Increment) -> list[TaskState]:
    return task_states(
        increment, load_spec(increment.spec_path), load_plan(increment.plan_path, ("target_transform",)),
        load_tasks(increment.tasks_path), load_lock(increment.lock_path),
    )  # fmt: skip


def stale(increment: Increment) -> list[str]:
    return [s.task.id for s in states(increment) if s.stale]


def why(increment: Increment, task: str) -> str:
    return "; ".join(next(s.reasons for s in states(increment) if s.task.id == task))


def test_nothing_is_stale_after_a_run(ran: Increment) -> None:
    assert stale(ran) == []


def test_everything_is_stale_before_one(fresh: Increment) -> None:
    assert stale(fresh) == ALL
    assert why(fresh, "T-005") == "never run"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("t001_explore.py", ALL),
        ("t002_features.py", AFTER[2]),
        ("t003_baselines.py", ["T-003", "T-006", "T-007", "T-008", "T-009"]),
        ("t004_candidates.py", AFTER[4]),
        ("t005_tuning.py", AFTER[5]),
        ("t006_evaluation.py", AFTER[6]),
        ("t007_explainability.py", ["T-007", "T-008"]),
        ("t008_deployment.py", ["T-008"]),
        ("t009_ab_test.py", ["T-009"]),
    ],
)
def test_a_changed_script_stales_its_task_and_what_reads_its_outputs(
    ran: Increment, edit: Edit, script: str, expected: list[str]
) -> None:
    edit(ran.folder / "pipeline" / script, "Write the evidence", "Write all the evidence")
    assert stale(ran) == expected
    assert why(ran, expected[0]) == "script changed"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("- Target: churn", "- Target: city", ALL),
        ("- Validation: stratified 20% holdout", "- Validation: stratified 30% holdout", ALL),
        ("- Positive class: Yes", "- Positive class: No", ALL),
        ("- Explainability: Must explain top-3", "- Explainability: Must explain top-5", ["T-007", "T-008"]),
    ],
)
def test_a_field_of_the_spec_stales_the_tasks_that_read_it(
    ran: Increment, edit: Edit, old: str, new: str, expected: list[str]
) -> None:
    edit(ran.spec_path, old, new)
    assert stale(ran) == expected
    assert "spec.md changed" in why(ran, expected[0])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ROC AUC > 0.6", "ROC AUC > 0.99"),
        ("ROC AUC > 0.6", "ROC AUC > 0.6, Recall > 0.5 where city == a"),
        ("- Latency: <100ms", "- Latency: <1ms"),
        ("by 20%", "by 50%"),
        ("1000 req/sec", "5 req/sec"),
        ("# Churn", "Words of my own.\n\n# Churn"),
        ("status: active", "status: done"),
    ],
)
def test_a_criterion_or_a_word_stales_nothing(ran: Increment, edit: Edit, old: str, new: str) -> None:
    edit(ran.spec_path, old, new)
    assert stale(ran) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("seed: 42", "seed: 7", AFTER[1]),
        ("rare_share: 0.01", "rare_share: 0.02", AFTER[2]),
        ("baselines: [random", "baselines: [popularity", ["T-003", "T-006", "T-007", "T-008", "T-009"]),
        ("name: linear", "name: mine", AFTER[4]),
        ("trials: 40", "trials: 41", AFTER[5]),
        ("selection_metric: roc_auc", "selection_metric: log_loss", AFTER[3]),
        ("examples: 5", "examples: 6", ["T-007", "T-008"]),
        ("# Plan", "Words of my own.\n\n# Plan", []),
    ],
)
def test_a_setting_of_the_plan_stales_the_tasks_that_read_it(
    ran: Increment, edit: Edit, old: str, new: str, expected: list[str]
) -> None:
    edit(ran.plan_path, old, new)
    assert stale(ran) == expected


COSTS = "- Positive class: Yes\n- Cost of false alarm: {}\n- Cost of miss: 900"


@pytest.mark.parametrize(
    ("selection_metric", "expected"),
    [("roc_auc", AFTER[6]), ("recall@precision=0.6", AFTER[6]), ("f1", AFTER[3]), ("precision", AFTER[3])],
)
def test_costs_and_thresholds_stale_training_only_where_decisions_choose_the_model(
    ran: Increment, edit: Edit, selection_metric: str, expected: list[str]
) -> None:
    edit(ran.spec_path, "- Positive class: Yes", COSTS.format(100))
    edit(ran.plan_path, "selection_metric: roc_auc", f"selection_metric: {selection_metric}")
    before = own_inputs(ran)
    edit(ran.spec_path, "Cost of false alarm: 100", "Cost of false alarm: 120")
    assert expected[0] in (by_costs := differing(before, own_inputs(ran))) and set(by_costs) <= set(expected)
    assert "T-005" in by_costs or expected == AFTER[6]
    before = own_inputs(ran)
    edit(ran.plan_path, "maximise: f1", "maximise: recall")
    assert differing(before, own_inputs(ran)) == by_costs


@pytest.mark.parametrize(
    ("problem_type", "before", "after"),
    [
        ("Forecasting", "- Horizon: 12", "- Horizon: 24"),
        ("Forecasting", "- Season length: 7", "- Season length: 12"),
        ("Forecasting", "- Series column: store", "- Series column: shop"),
        ("Recommendation", "- Success metric: Precision@10 > 0.1", "- Success metric: Precision@20 > 0.1"),
        ("Customer lifetime value", "- Horizon: 12 weeks", "- Horizon: 24 weeks"),
    ],
)
def test_what_decides_the_data_of_a_problem_type_stales_all_that_reads_it(
    ran: Increment, edit: Edit, problem_type: str, before: str, after: str
) -> None:
    edit(ran.spec_path, "- Problem type: Binary classification", f"- Problem type: {problem_type}\n{before}")
    known = own_inputs(ran)
    edit(ran.spec_path, before, after)
    assert differing(known, own_inputs(ran)) == ALL[:6]


def test_a_higher_bar_at_the_same_length_of_list_stales_nothing(ran: Increment, edit: Edit) -> None:
    bar = "- Problem type: Recommendation\n- Success metric: Precision@10 > "
    edit(ran.spec_path, "- Problem type: Binary classification", bar + "0.1")
    known = own_inputs(ran)
    edit(ran.spec_path, "Precision@10 > 0.1", "Precision@10 > 0.2")
    assert differing(known, own_inputs(ran)) == []


def own_inputs(increment: Increment) -> dict[str, dict[str, str]]:
    spec = load_spec(increment.spec_path)
    plan = load_plan(increment.plan_path, ("target_transform",))
    tasks = load_tasks(increment.tasks_path)
    assert problem_for(spec.problem_type).trains
    empty = Lock(increment.lock_path)
    return {t.id: input_fingerprints(increment, spec, plan, t, tasks, empty) for t in tasks}


def differing(before: dict[str, dict[str, str]], now: dict[str, dict[str, str]]) -> list[str]:
    return [task for task, inputs in now.items() if inputs != before[task]]


def test_changed_data_stales_what_reads_it_and_what_follows(ran: Increment) -> None:
    data = ran.project.root / "data" / "churn.csv"
    data.write_text(data.read_text() + "44,4000,a,No\n")
    assert stale(ran) == ALL
    assert why(ran, "T-004").startswith("data changed")
    assert why(ran, "T-009") == "T-006 will run"


def test_touched_data_stales_nothing(ran: Increment) -> None:
    data = ran.project.root / "data" / "churn.csv"
    data.write_text(data.read_text())
    assert stale(ran) == []


def test_a_damaged_cache_of_hashes_costs_only_the_hashing(ran: Increment) -> None:
    data_fingerprint(ran, load_spec(ran.spec_path))
    (ran.project.cache / "data-hashes.json").write_text("{")
    assert stale(ran) == []


def test_missing_data_is_stale_not_an_error(ran: Increment) -> None:
    (ran.project.root / "data" / "churn.csv").unlink()
    assert stale(ran) == ALL


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/profile.json", ALL),
        ("features/transformer.pkl", AFTER[2]),
        ("experiments/c-candidate/model.pkl", AFTER[4]),
        ("experiments/b-tuned/model.pkl", AFTER[5]),
        ("reports/evaluation.json", AFTER[6]),
        ("deploy/DEPLOYMENT.md", ["T-008"]),
    ],
)
def test_a_deleted_artefact_stales_the_task_that_made_it(
    ran: Increment, path: str, expected: list[str]
) -> None:
    (ran.folder / path).unlink()
    assert stale(ran) == expected
    assert why(ran, expected[0]) == f"{path} is gone"


def test_edited_feature_definitions_stale_features_and_every_model(ran: Increment) -> None:
    (ran.folder / "features" / "feature_definitions.yaml").write_text("made by hand")
    assert stale(ran) == AFTER[2]
    assert why(ran, "T-002") == "features/feature_definitions.yaml changed"
    assert "features/feature_definitions.yaml changed" in why(ran, "T-004")


def test_a_task_of_ones_own_reads_all_before_it(ran: Increment, edit: Edit) -> None:
    with ran.tasks_path.open("a") as stream:
        stream.write("- [ ] T-010: Mine\n  - script: pipeline/mine.py\n")
    assert stale(ran) == ["T-010"]
    edit(ran.folder / "pipeline" / "t009_ab_test.py", "Write", "Now write")
    assert stale(ran) == ["T-009", "T-010"]


def test_a_removed_task_is_nobodys_input(ran: Increment, edit: Edit) -> None:
    text = ran.tasks_path.read_text()
    head, tail = text.split("- [x] T-005", 1)
    ran.tasks_path.write_text(head + "- [x] T-006" + tail.split("- [x] T-006", 1)[1])
    assert "T-005" not in stale(ran)
    # The evaluation was made with it, so it has to be made again.
    assert stale(ran) == AFTER[6]


def test_a_renamed_task_counts_as_new(ran: Increment, edit: Edit) -> None:
    edit(ran.tasks_path, "T-009:", "T-090:")
    assert stale(ran) == ["T-090"]
    assert why(ran, "T-090") == "never run"
