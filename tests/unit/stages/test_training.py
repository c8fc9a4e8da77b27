"""Baselines, candidates and tuning on a small increment: kept, compared, resumed, never repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, StageError, UnknownNameError
from specweave.files.store import load_json
from specweave.problems.base import ModelExperiment
from specweave.stages.baselines import train_baseline_model
from specweave.stages.candidates import candidate_experiments, run_experiments
from specweave.stages.choice import choose_best
from specweave.stages.training import load_predictions, trained
from specweave.stages.tuning import tune_best
from specweave.stages.workspace import Workspace, open_workspace

SPEC = """\
## ML Problem Definition
- Problem type: Regression
- Success metrics: RMSE < 50
## Data Requirements
- Training data: flats.csv
- Target: price
- Validation: random 25% holdout
## Model Requirements
"""
PLAN = """\
```yaml
split: {folds: 3, seed: 7}
selection_metric: rmse
baselines: [random, mean, rule-based]
candidates:
  - name: linear
    search: {alpha: {low: 0.01, high: 100.0, log: true}}
  - name: tree
    estimator: sklearn.tree.DecisionTreeRegressor
    params: {max_depth: 3}
tuning: {trials: 4, time_budget: 60s, top: 1}
```
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    rng = np.random.default_rng(2)
    n = 120
    frame = pd.DataFrame({"area": rng.uniform(20, 150, n).round(1), "rooms": rng.integers(1, 6, n),
                          "kind": rng.choice(["house", "flat"], n)})  # fmt: skip
    frame["price"] = (3 * frame["area"] + 20 * frame["rooms"] + rng.normal(0, 15, n)).round(2)
    frame.to_csv(tmp_path / "flats.csv", index=False)
    folder = tmp_path / ".specweave" / "increments" / "0001-prices"
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    for name in [k for k in os.environ if k.startswith("SPECWEAVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    monkeypatch.setenv("SPECWEAVE_JOBS", "1")
    return tmp_path


def workspace() -> Workspace:
    return open_workspace()


def test_experiments_saved_elsewhere_are_compared_there_and_change_nothing_here(root: Path) -> None:
    train_baseline_model()
    here = workspace().store.folder
    before = {p.name: p.read_bytes() for p in here.glob("comparison.*")}
    results = run_experiments(candidate_experiments()[:1], save_to="trials")
    there = workspace().folder / "trials"
    assert results[0].id in (there / "comparison.md").read_text() and (there / "comparison.json").exists()
    assert {p.name: p.read_bytes() for p in here.glob("comparison.*")} == before
    # What follows in the same process still looks at the increment's own experiments.
    assert {r.tags["role"] for r in trained(workspace())} == {"baseline"}


def test_baselines_and_candidates_keep_what_they_predicted_out_of_fold(root: Path) -> None:
    baselines = train_baseline_model()
    candidates = run_experiments()
    space = workspace()
    records = trained(space)
    assert [r.name for r in records] == [
        "baseline-random",
        "baseline-mean",
        "baseline-rule",
        "linear",
        "tree",
    ]
    assert [r.tags["role"] for r in records] == ["baseline"] * 3 + ["candidate"] * 2
    for record in records:
        outcome = load_predictions(record, "oof")
        assert outcome is not None
        # Every training row once, no holdout row ever.
        assert sorted(outcome["row"]) == sorted(space.split.train)
        assert set(outcome["fold"]) == {1, 2, 3}
        assert load_predictions(record, "holdout") is None
        folds = [outcome[outcome["fold"] == f] for f in (1, 2, 3)]
        values = [float(np.sqrt(((f["truth"] - f["prediction"]) ** 2).mean())) for f in folds]
        assert record.metrics["cv_rmse"] == pytest.approx(np.mean(values))
        assert record.metrics["cv_rmse_std"] == pytest.approx(np.std(values, ddof=1))
        assert record.metrics["model_bytes"] == (record.folder / "model.pkl").stat().st_size
        assert record.tags["holdout"] == space.split.digest()
    assert choose_best(space).name == "linear"
    comparison = load_json(space.increment.experiments / "comparison.json")
    assert choose_best(space).id in str(comparison)
    assert candidates["linear"] is candidates[0] and candidates.best.name == "linear"
    assert "linear" in repr(candidates)
    with pytest.raises(UnknownNameError, match="no experiment here is called 'liner'"):
        candidates["liner"]
    assert len(baselines) == 3


def test_the_same_inputs_are_not_trained_twice_and_other_ones_are(root: Path) -> None:
    first = [r.id for r in run_experiments()]
    assert [r.id for r in run_experiments()] == first
    plan = root / ".specweave" / "increments" / "0001-prices" / "plan.md"
    plan.write_text(plan.read_text().replace("max_depth: 3", "max_depth: 4"))
    os.utime(plan, ns=(1, 1))
    second = [r.id for r in run_experiments()]
    assert second[0] == first[0] and second[1] != first[1]
    assert len(workspace().store.list()) == 3


def test_a_second_run_from_scratch_gives_the_same_numbers(root: Path) -> None:
    metrics = [{k: v for k, v in r.metrics.items() if "seconds" not in k} for r in run_experiments()]
    import shutil

    shutil.rmtree(workspace().increment.experiments)
    again = [{k: v for k, v in r.metrics.items() if "seconds" not in k} for r in run_experiments()]
    assert again == metrics


class Broken:
    """An estimator that cannot learn."""

    def __init__(self) -> None:
        self.fitted = False

    def fit(self, X: Any, y: Any) -> None:
        raise RuntimeError("it does not converge")


def test_one_that_fails_is_recorded_and_the_rest_goes_on(root: Path) -> None:
    linear = candidate_experiments()[0]
    results = run_experiments([ModelExperiment("broken", Broken), linear])
    broken, good = results
    assert (broken.status, good.status) == ("failed", "completed")
    assert "it does not converge" in (broken.last_note() or "")
    assert "it does not converge" in (broken.folder / "logs" / "traceback.txt").read_text()
    text = (workspace().increment.experiments / "comparison.md").read_text()
    assert "broken" in text and "it does not converge" in text


def test_when_none_can_be_trained_the_reasons_are_said(root: Path) -> None:
    with pytest.raises(StageError, match=r"no candidate could be trained.*it does not converge"):
        run_experiments([ModelExperiment("broken", Broken)])


def test_two_experiments_of_one_name_are_refused(root: Path) -> None:
    linear = candidate_experiments()[0]
    with pytest.raises(DataError, match="two experiments are called 'linear'"):
        run_experiments([linear, linear])


def test_parameters_that_an_estimator_does_not_take_are_named(root: Path) -> None:
    from sklearn.tree import DecisionTreeRegressor

    with pytest.raises(StageError, match=r"does not take these parameters.*'depth'"):
        run_experiments([ModelExperiment("tree", DecisionTreeRegressor, {"depth": 3})])


def test_unknown_names_offer_the_nearest(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="no baseline strategy is called 'randon'") as caught:
        train_baseline_model(["randon"])
    assert "random" in str(caught.value.hint)
    plan = root / ".specweave" / "increments" / "0001-prices" / "plan.md"
    plan.write_text(plan.read_text().replace("name: linear", "name: linaer"))
    os.utime(plan, ns=(2, 2))
    with pytest.raises(UnknownNameError, match="no candidate is called 'linaer'") as caught:
        candidate_experiments()
    assert str(caught.value.where).endswith(
        f"plan.md:{plan.read_text().splitlines().index('candidates:') + 1}"
    )


def by_area(rows: pd.DataFrame) -> np.ndarray:
    """A person's rule."""
    return np.asarray(rows["area"] * 3.5)


def wrong_shape(rows: pd.DataFrame) -> np.ndarray:
    """A rule that forgets a row."""
    return np.zeros(len(rows) - 1)


def test_a_persons_rule_is_a_baseline(root: Path) -> None:
    (record,) = train_baseline_model([by_area])
    assert (record.name, record.status) == ("baseline-by-area", "completed")
    (wrong,) = train_baseline_model([wrong_shape])
    assert wrong.status == "failed"
    assert "returned shape" in (wrong.last_note() or "")


def test_a_spent_budget_trains_the_first_candidate_and_leaves_the_others_as_not_run(root: Path) -> None:
    run_experiments(budget=1e-6)
    assert [r.status for r in workspace().store.list()] == ["completed", "interrupted"]
    assert {r.status for r in run_experiments()} == {"completed"}
    assert len(workspace().store.list()) == 2


# -- tuning ----------------------------------------------------------------------------------------


def finished_trials(folder: Path) -> list[Any]:
    import optuna

    backend = optuna.storages.journal.JournalFileBackend(str(folder / "optuna-journal.log"))
    study = optuna.load_study(study_name=None, storage=optuna.storages.JournalStorage(backend))
    return [t for t in study.get_trials() if t.state.name in ("COMPLETE", "PRUNED")]


def test_tuning_takes_the_best_candidate_that_can_be_tuned_and_never_does_worse(root: Path) -> None:
    run_experiments()
    (record,) = tune_best()
    assert record.name == "tuned-linear"
    linear = next(r for r in trained(workspace()) if r.name == "linear")
    # The defaults are the first trial.
    assert record.metrics["cv_rmse"] <= linear.metrics["cv_rmse"] + 1e-9
    assert len(finished_trials(record.folder)) == 4
    assert [r.id for r in tune_best()] == [record.id]
    assert len(finished_trials(record.folder)) == 4


def test_without_any_search_space_the_best_candidate_is_trained_once_more_as_evidence(root: Path) -> None:
    plan = workspace().increment.folder / "plan.md"
    plan.write_text(
        PLAN.replace("  - name: linear\n    search: {alpha: {low: 0.01, high: 100.0, log: true}}\n", "")
    )
    run_experiments()
    (record,) = tune_best()
    (kept,) = tune_best()
    assert record.id == kept.id and record.status == "completed" and record.metrics["n_trials"] == 1
    assert record.name == "tuned-tree"
    assert (record.folder / "optuna-journal.log").exists() and (record.folder / "model.pkl").exists()
    alike = next(r for r in trained(workspace()) if r.name == record.name.removeprefix("tuned-"))
    assert record.metrics["cv_rmse"] == alike.metrics["cv_rmse"]


def test_tuning_needs_a_trained_candidate(root: Path) -> None:
    with pytest.raises(StageError, match="no candidate was trained") as caught:
        tune_best()
    assert "--task T-004" in str(caught.value.hint)


class Picky:
    """An estimator that takes only some of its parameters."""

    def __init__(self, level: int = 0) -> None:
        self.level = level

    def fit(self, X: Any, y: Any) -> None:
        if self.level != 1:
            raise ValueError(f"level {self.level} is not allowed")
        self.mean = float(np.mean(y))

    def predict(self, X: Any) -> np.ndarray:
        return np.full(len(X), self.mean)


def tune(search: dict[str, Any]) -> Any:
    from specweave.stages.tuning import tune_one

    return tune_one(workspace(), ModelExperiment("picky", Picky, {}, search), trials=8, seconds=30)


def test_a_trial_that_fails_costs_itself_only(root: Path) -> None:
    record = tune({"level": [0, 1]})
    assert record.status == "completed"
    assert record.params["level"] == 1


def test_a_search_space_that_never_works_says_why(root: Path) -> None:
    with pytest.raises(StageError, match="no trial could be trained: ValueError: level 0 is not allowed"):
        tune({"level": [0]})
    (record,) = workspace().store.list()
    assert record.status == "failed"


SLOW = """
import sys, time
from pathlib import Path
from specweave.stages import training, tuning
from specweave.stages.progress import listen

def told(record):
    if record.get("event") == "trial":
        with Path(sys.argv[1]).open("a") as stream:
            stream.write("x")
        if record["trial"] >= 2:
            time.sleep(60)

listen(told)
tuning.tune_best()
"""


def test_killed_in_the_middle_tuning_goes_on_and_counts_no_trial_twice(root: Path, tmp_path: Path) -> None:
    run_experiments()
    marker = tmp_path / "trials"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(marker)])
    try:
        for _ in range(1200):
            if marker.exists() and len(marker.read_text()) >= 2:
                break
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait(30)
    finally:
        process.kill()
        process.wait()
    (killed,) = [r for r in workspace().store.list() if r.name == "tuned-linear"]
    assert killed.status == "interrupted"
    before = [(t.number, t.values) for t in finished_trials(killed.folder)]
    assert len(before) == 2
    (record,) = tune_best()
    assert (record.id, record.status) == (killed.id, "completed")
    trials = finished_trials(record.folder)
    assert [(t.number, t.values) for t in trials][:2] == before
    assert len(trials) == 4
    assert len({str(t.params) for t in trials}) == 4
    assert len([r for r in workspace().store.list() if r.name == "tuned-linear"]) == 1
