"""What a repetition starts from, what it must come to again, and how two sets of numbers are held together."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from built_increment import build_evaluated, build_project
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import DataError, IntegrationError, MissingExtraError, StateError, StorageError
from specweave.experiments.record import ExperimentRecord
from specweave.files.store import load_json, save_json, save_record, sha256_file
from specweave.increments.project import Increment, Project
from specweave.increments.spec import load_spec
from specweave.pipeline.reproduction import (
    ReproduceOptions,
    compare_increments,
    render_reproduction,
    reproduce_increment,
)
from specweave.pipeline.reproduction_choice import (
    Chosen,
    choose_recorded,
    get_repeatable,
    load_search,
    repeat_one,
)
from specweave.pipeline.reproduction_environment import (
    build_commands,
    build_environment,
    compare_environment,
    describe_environment,
    find_uv,
    origin_line,
    requirement_lines,
)
from specweave.pipeline.reproduction_numbers import Compared, distance, numbers_in
from specweave.pipeline.reproduction_project import changed_code, changed_inputs, check_inputs, clean_project
from specweave.tables.sources.snapshots import take_snapshot

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-(10**6), 10**6)
named = st.dictionaries(st.sampled_from(["roc_auc", "cv_f1", "cv_f1_std", "recall@precision=0.6", "rmse"]), numbers,
                        min_size=1)  # fmt: skip


# -- numbers ---------------------------------------------------------------------------------------


@given(named)
def test_the_same_numbers_are_reproduced(recorded: dict[str, Any]) -> None:
    found = Compared()
    found.compare("metrics.json", recorded, dict(recorded))
    assert (found.verdict, found.n, found.largest_relative) == ("reproduced", len(recorded), 0.0)


@given(named, st.data())
def test_the_one_number_that_was_changed_is_named(recorded: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(recorded)))
    other = data.draw(numbers.filter(lambda v: distance(v, recorded[name])[0] != 0))
    found = Compared()
    found.compare("metrics.json", recorded, {**recorded, name: other})
    assert [d.name for d in found.differences] == [f"metrics.json: {name}"]
    assert found.differences[0].absolute is not None and found.differences[0].absolute > 0


@given(st.floats(1e-300, 1e300), st.floats(1e-12, 1e-3))
def test_a_tolerance_lets_pass_what_is_nearer_and_nothing_else(value: float, share: float) -> None:
    found, strict = Compared(), Compared()
    found.compare("m", {"f1": value}, {"f1": value * (1 + share / 2)}, share)
    strict.compare("m", {"f1": value}, {"f1": value * (1 + share * 2)}, share)
    assert (found.verdict, strict.verdict) == ("reproduced", "differs")


def test_the_next_float_is_a_difference() -> None:
    found = Compared()
    found.compare("m", {"f1": 0.5}, {"f1": math.nextafter(0.5, 1)})
    assert found.verdict == "differs" and found.largest_absolute == math.ulp(0.5)


def test_a_number_that_is_gone_differs_and_a_new_one_was_never_recorded() -> None:
    found = Compared()
    found.compare("m", {"f1": 0.5, "mcc": None}, {"accuracy": 0.9, "mcc": None})
    assert [(d.name, d.recorded, d.now) for d in found.differences] == [("m: f1", 0.5, None)]
    assert found.n == 1


def test_times_and_sizes_are_listed_and_not_compared() -> None:
    names = (
        "train_seconds",
        "cv_seconds",
        "model_bytes",
        "latency.single.p95_ms",
        "metrics.throughput.value",
    )
    found = Compared()
    found.compare("m", dict.fromkeys(names, 1.0), dict.fromkeys(names, 2.0))
    assert found.n == 0 and found.verdict == "reproduced"
    assert list(found.skipped.values()) == [[f"m: {n}" for n in names]]


def test_a_column_of_the_data_may_be_called_like_a_time() -> None:
    found = Compared()
    found.compare(
        "e", {"segments.worst.trip_seconds.metric": 1.0}, {"segments.worst.trip_seconds.metric": 2.0}
    )
    assert found.verdict == "differs"


def test_numbers_of_a_record_go_by_name_whatever_their_order_and_number() -> None:
    record = {
        "experiment": "exp-004-linear", "models": [{"experiment": "exp-002-mean", "holdout": 0.1}, {"experiment": "exp-004-linear", "holdout": 0.2}],
        "decision": {"threshold": 0.37, "labels": ["No", "Yes"]}, "tables": [{"title": "Confusion", "rows": [["No", 3, 1]]}],
        "metrics": [{"name": "f1", "value": "NaN", "method": "bootstrap"}],
    }  # fmt: skip
    other = {**record, "experiment": "exp-009-linear", "models": [
        {"experiment": "exp-009-linear", "holdout": 0.2}, {"experiment": "exp-007-mean", "holdout": 0.1}]}  # fmt: skip
    found = Compared()
    found.compare("evaluation.json", numbers_in(record), numbers_in(other))
    assert found.verdict == "reproduced"
    assert {
        "decision.threshold",
        "models.mean.holdout",
        "tables.Confusion.rows.0.1",
        "metrics.f1.value",
    } <= set(numbers_in(record))
    found.compare("evaluation.json", numbers_in(record), numbers_in({**record, "experiment": "exp-002-mean"}))
    assert [d.name for d in found.differences] == ["evaluation.json: experiment"]


# -- what is compared ------------------------------------------------------------------------------


def experiment(folder: Path, name: str, number: int, **more: Any) -> ExperimentRecord:
    fields: dict[str, Any] = {
        "status": "completed",
        "task": "T-004",
        "tags": {"role": "candidate", "generation": "g2"},
        **more,
    }
    return ExperimentRecord(id=f"exp-{number:03d}-{name}", name=name, number=number, folder=folder, **fields)


def test_the_latest_of_todays_experiments_count_and_the_others_say_why_not(tmp_path: Path) -> None:
    old = experiment(tmp_path, "linear", 2, tags={"generation": "g1"})
    first, second = (experiment(tmp_path, "linear", n) for n in (3, 4))
    cut = experiment(tmp_path, "forest", 5, status="interrupted", error="the time budget was used up")
    late = experiment(tmp_path, "own", 6, task="T-010")
    chosen = choose_recorded([old, first, second, cut, late], {"generation": "g2"}, ["T-004", "T-006"])
    assert chosen.compared == [second]
    assert "earlier data" in chosen.skipped[old.id]
    assert second.id in chosen.skipped[first.id]
    assert "the time budget was used up" in chosen.skipped[cut.id]
    assert "T-010" in chosen.skipped[late.id]
    assert list(chosen.left_out) == ["forest"]


def search_journal(folder: Path, runs: list[int]) -> ExperimentRecord:
    """Write the journal of a search; each item of `runs` is one process with so many trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    folder.mkdir()
    for n in runs:
        storage = optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(folder / "optuna-journal.log"))
        )
        study = optuna.create_study(study_name="tuned-linear", storage=storage, load_if_exists=True,
                                    sampler=optuna.samplers.RandomSampler(seed=n))  # fmt: skip
        study.optimize(lambda trial: trial.suggest_float("alpha", 0, 1), n_trials=n)
    return experiment(folder, "tuned-linear", 7, metrics={"n_trials": sum(runs)})


def test_a_search_is_repeated_with_as_many_trials_as_its_journal_holds(tmp_path: Path) -> None:
    assert load_search(search_journal(tmp_path / "a", [5])) == (5, [])


def test_a_search_that_went_on_after_a_stop_is_repeated_point_by_point(tmp_path: Path) -> None:
    n, points = load_search(search_journal(tmp_path / "a", [2, 3]))
    assert n == 5 and len(points) == 5 and all(0 <= p["alpha"] <= 1 for p in points)


def test_a_search_whose_journal_git_ignored_goes_by_its_metrics(tmp_path: Path) -> None:
    record = search_journal(tmp_path / "a", [4])
    (tmp_path / "a" / "optuna-journal.log").unlink()
    assert load_search(record) == (4, [])


def test_one_tuned_experiment_is_fitted_with_its_recorded_parameters_and_without_the_others(
    tmp_path: Path,
) -> None:
    candidate = experiment(tmp_path, "linear", 3, metrics={"cv_rmse": 2.0})
    tuned = experiment(tmp_path, "tuned-linear", 4, params={"alpha": 0.25},
                       tags={"role": "tuned", "generation": "g2", "threads": "2"})  # fmt: skip
    recipe = repeat_one(tuned, [candidate, tuned], {"selection_metric": "rmse"})
    assert recipe.params == {"tuned-linear": {"alpha": 0.25}}
    assert recipe.threads == {"tuned-linear": 2}
    assert list(recipe.left_out) == ["linear"] and recipe.scores == {"linear": 2.0}


@pytest.fixture
def evaluated(tmp_path: Path) -> Increment:
    """Return an increment with an evaluated model, made of its record files."""
    increment = build_evaluated(build_project(tmp_path / "shop"))
    header = increment.experiments / "exp-004-lightgbm" / "experiment.json"
    save_json(header, {**load_json(header), "task": "T-004"})
    lock_data(increment)
    return increment


def lock_data(increment: Increment) -> None:
    data = increment.project.root / "data" / "churn.csv"
    save_record(increment.folder / "data" / "data.lock.yaml", "data-lock", 1,
                {"path": "data/churn.csv", "bytes": data.stat().st_size, "sha256": sha256_file(data), "rows": 40})  # fmt: skip


def compare_with_copy(increment: Increment, copy: Increment) -> Compared:
    from specweave.experiments.store import ExperimentStore

    chosen = Chosen(ExperimentStore(increment.experiments).list())
    again = ExperimentStore(copy.experiments).list()
    return compare_increments(increment, copy, chosen, again, ["T-006"], 0.0)


def test_a_tampered_metric_and_a_tampered_interval_are_found_and_named(
    evaluated: Increment, tmp_path: Path
) -> None:
    copy = Increment(tmp_path / "copy" / ".specweave" / "increments" / evaluated.id)
    shutil.copytree(evaluated.folder, copy.folder)
    assert compare_with_copy(evaluated, copy).verdict == "reproduced"
    save_json(evaluated.experiments / "exp-004-lightgbm" / "metrics.json", {"cv_roc_auc": 0.831})
    path = evaluated.folder / "reports" / "evaluation.json"
    body = load_json(path)
    body["metrics"][0]["low"] = 0.82
    save_json(path, body)
    assert {(d.name, d.recorded, d.now) for d in compare_with_copy(evaluated, copy).differences} == {
        ("experiments/exp-004-lightgbm/metrics.json: cv_roc_auc", 0.831, 0.83),
        ("reports/evaluation.json: metrics.roc_auc.low", 0.82, 0.81),
    }


def test_an_experiment_that_is_not_trained_again_differs_unless_no_task_made_it(
    evaluated: Increment, tmp_path: Path
) -> None:
    copy = Increment(tmp_path / "copy" / ".specweave" / "increments" / evaluated.id)
    shutil.copytree(evaluated.folder, copy.folder)
    shutil.rmtree(copy.experiments / "exp-004-lightgbm")
    assert "not trained" in [d.now for d in compare_with_copy(evaluated, copy).differences]
    header = evaluated.experiments / "exp-004-lightgbm" / "experiment.json"
    save_json(header, {**load_json(header), "task": None})
    found = compare_with_copy(evaluated, copy)
    assert found.verdict == "reproduced" and "it was tracked outside the tasks" in found.skipped


def test_an_experiment_of_ones_own_cannot_be_repeated_by_itself(evaluated: Increment) -> None:
    from specweave.increments.tasks import load_tasks

    header = evaluated.experiments / "exp-004-lightgbm" / "experiment.json"
    save_json(header, {**load_json(header), "task": "T-042"})
    with pytest.raises(StateError, match=r"no task of tasks\.md trains it") as caught:
        get_repeatable(evaluated, "exp-004", load_tasks(evaluated.tasks_path))
    assert caught.value.hint and "sw reproduce 0042" in caught.value.hint


def test_nothing_recorded_is_said_before_anything_runs(fresh: Increment) -> None:
    with pytest.raises(StateError, match="nothing is recorded") as caught:
        reproduce_increment(fresh)
    assert caught.value.hint == f"run: sw do {fresh.number}"


# -- data ------------------------------------------------------------------------------------------


def test_changed_data_stops_with_both_hashes(evaluated: Increment) -> None:
    data = evaluated.project.root / "data" / "churn.csv"
    before = sha256_file(data)
    data.write_text(data.read_text() + "52,No\n")
    with pytest.raises(DataError) as caught:
        check_inputs(evaluated)
    assert before in caught.value.what and sha256_file(data) in caught.value.what
    assert caught.value.where == f"{evaluated.id}/data/data.lock.yaml"
    assert caught.value.hint and "sw do 0042" in caught.value.hint


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


def test_the_hint_names_the_commit_that_holds_the_recorded_data(evaluated: Increment) -> None:
    root = evaluated.project.root
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "data as trained on")
    commit = git(root, "rev-parse", "--short", "HEAD")
    (root / "data" / "churn.csv").write_text("age,churn\n1,Yes\n")
    git(root, "commit", "-qam", "other data")
    with pytest.raises(DataError) as caught:
        check_inputs(evaluated)
    assert caught.value.hint and f"git checkout {commit} -- data/churn.csv" in caught.value.hint


def test_data_under_dvc_is_to_be_pulled(evaluated: Increment) -> None:
    data = evaluated.project.root / "data" / "churn.csv"
    (data.parent / "churn.csv.dvc").write_text("outs:\n- md5: ab\n  size: 3\n  path: churn.csv\n")
    data.write_text("age,churn\n1,Yes\n")
    with pytest.raises(DataError) as changed:
        check_inputs(evaluated)
    data.unlink()
    with pytest.raises(DataError) as missing:
        check_inputs(evaluated)
    assert "dvc pull data/churn.csv.dvc" in f"{changed.value.hint}"
    assert "dvc pull data/churn.csv.dvc" in f"{missing.value.hint}"


def ask_database(increment: Increment) -> tuple[Path, str]:
    """Let the increment be trained on a query; return the database and the address."""
    root = increment.project.root
    base = root / "shop.db"
    with sqlite3.connect(base) as connection:
        connection.execute("CREATE TABLE orders (age INTEGER, churn TEXT)")
        connection.executemany(
            "INSERT INTO orders VALUES (?, ?)", [(30 + i, "Yes" if i % 3 else "No") for i in range(30)]
        )
    connection.close()
    address = "sqlite:///shop.db SELECT age, churn FROM orders"
    text = increment.spec_path.read_text()
    increment.spec_path.write_text(text.replace("Training data: data/churn.csv", f"Training data: {address}"))
    return base, address


def test_a_query_is_repeated_on_its_recorded_answer_though_the_database_went_on(evaluated: Increment) -> None:
    base, address = ask_database(evaluated)
    snapshot = take_snapshot(evaluated.project.root, address, "spec.md")
    save_record(evaluated.folder / "data" / "data.lock.yaml", "data-lock", 1, {"sha256": snapshot.sha256})
    with sqlite3.connect(base) as connection:
        connection.execute("INSERT INTO orders VALUES (99, 'No')")
    connection.close()
    inputs = check_inputs(evaluated)
    assert inputs[0].sha256 == snapshot.sha256
    with clean_project(evaluated, inputs) as clean:
        assert load_spec(clean.spec_path).get("Training data") == str(snapshot.file.resolve())
    shutil.rmtree(evaluated.project.cache)
    with pytest.raises(DataError, match="is not the data that was trained on"):
        check_inputs(evaluated)


# -- the clean folder ------------------------------------------------------------------------------


def tree(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_a_clean_folder_holds_documents_scripts_and_data_and_no_result(evaluated: Increment) -> None:
    root = evaluated.project.root
    (root / "rules.py").write_text("def rule(rows):\n    return rows\n")
    (root / "large.bin").write_bytes(b"x" * 1_100_000)
    (root / ".venv").mkdir()
    (root / ".venv" / "pyvenv.cfg").write_text("")
    (root / ".specweave" / "config.yaml").write_text("tracking: mlflow\njobs: 1\n")
    (evaluated.folder / "pipeline" / "query.sql").write_text("SELECT 1\n")
    before = tree(root)
    with clean_project(evaluated, check_inputs(evaluated)) as clean:
        held = {p.relative_to(clean.folder).as_posix() for p in clean.folder.rglob("*") if p.is_file()}
        assert {"spec.md", "plan.md", "tasks.md", "pipeline/t004_candidates.py", "pipeline/query.sql",
                "features/feature_definitions.yaml"} <= held  # fmt: skip
        assert not [
            p for p in held if p.startswith(("experiments/", "reports/", "models/", "data/", "pipeline.lock"))
        ]
        assert "- [x]" not in clean.tasks_path.read_text()
        assert clean.project.config() == {"jobs": 1}
        assert (clean.project.root / "rules.py").is_file()
        assert (clean.project.root / "large.bin").is_symlink()
        assert not (clean.project.root / ".venv").exists()
        assert sha256_file(clean.project.root / "data" / "churn.csv") == sha256_file(
            root / "data" / "churn.csv"
        )
        base = clean.project.root.parent
    assert not base.exists()
    assert tree(root) == before


def test_the_folder_goes_also_when_the_run_is_stopped(evaluated: Increment, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    seen: list[Path] = []

    def stopped(into: Path | None) -> None:
        with clean_project(evaluated, check_inputs(evaluated), into=into) as clean:
            seen.append(clean.project.root)
            raise KeyboardInterrupt

    for into in (mine, tmp_path / "made", None):
        with pytest.raises(KeyboardInterrupt):
            stopped(into)
    assert not any(path.exists() for path in seen)
    assert list(mine.iterdir()) == [] and not (tmp_path / "made").exists()


def test_a_kept_folder_stays_and_a_used_one_is_refused(evaluated: Increment, tmp_path: Path) -> None:
    inputs = check_inputs(evaluated)
    with clean_project(evaluated, inputs, into=tmp_path / "kept", keep=True) as clean:
        pass
    assert clean.spec_path.exists()
    with (
        pytest.raises(StorageError, match="not empty"),
        clean_project(evaluated, inputs, into=tmp_path / "kept"),
    ):
        pass
    inside = evaluated.project.root / "inside"
    with (
        pytest.raises(StorageError, match="inside the project"),
        clean_project(evaluated, inputs, into=inside),
    ):
        pass
    assert clean.spec_path.exists() and not inside.exists()


def test_data_outside_the_project_is_named_by_its_own_path(evaluated: Increment) -> None:
    root = evaluated.project.root
    (root / "data" / "churn.csv").rename(root.parent / "shared.csv")
    text = evaluated.spec_path.read_text()
    evaluated.spec_path.write_text(text.replace("data/churn.csv", "../shared.csv"))
    with clean_project(evaluated, check_inputs(evaluated)) as clean:
        assert load_spec(clean.spec_path).get("Training data") == str((root.parent / "shared.csv").resolve())


# -- what changed since ----------------------------------------------------------------------------

Edit = Callable[[Path, str, str], None]


def test_documents_and_scripts_that_changed_since_are_named(ran: Increment, edit: Edit) -> None:
    tasks = [f"T-00{n}" for n in range(1, 7)]
    assert changed_inputs(ran, tasks) == []
    edit(ran.folder / "pipeline" / "t003_baselines.py", "was here", "was here again")
    edit(ran.plan_path, "seed: 42", "seed: 43")
    told = " ".join(changed_inputs(ran, tasks))
    assert "pipeline/t003_baselines.py is not as it was when T-003 ran" in told
    assert "plan.md is not as it was when T-001" in told


def test_code_that_changed_since_the_recorded_commit_is_named(evaluated: Increment) -> None:
    root = evaluated.project.root
    (root / "rules.py").write_text("LIMIT = 1\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    commit = git(root, "rev-parse", "HEAD")
    assert changed_code(evaluated, commit) == [] and changed_code(evaluated, None) == []
    (root / "rules.py").write_text("LIMIT = 2\n")
    assert changed_code(evaluated, commit) == [f"changed since commit {commit[:10]}: rules.py"]
    assert "is not in this repository" in changed_code(evaluated, "f" * 40)[0]


def test_a_task_that_fails_now_is_named_and_nothing_is_recorded(ran: Increment, edit: Edit) -> None:
    write_experiment(ran)
    edit(ran.folder / "pipeline" / "t003_baselines.py", 'print("', 'raise RuntimeError("')
    with pytest.raises(Exception, match="T-003 fails when it is run again: RuntimeError") as caught:
        reproduce_increment(ran)
    assert "--keep" in str(caught.value)
    assert not (ran.folder / "reports" / "reproduction.json").exists()


def test_the_verdict_and_what_differs_are_recorded(ran: Increment) -> None:
    write_experiment(ran)
    before = tree(ran.project.root)
    done = reproduce_increment(ran, ReproduceOptions(tolerance=0.01))
    assert done.record is not None and done.folder is None
    kept = load_json(ran.folder / "reports" / "reproduction.json")
    assert kept == json.loads(json.dumps({"kind": "reproduction", "schema": 1, **done.record}))
    assert kept["verdict"] == "differs" and kept["tolerance"] == 0.01
    assert [d["name"] for d in kept["differences"]] == ["experiments/exp-004-linear: status"]
    changed = {n for n, sha in tree(ran.project.root).items() if before.get(n) != sha}
    assert {n for n in changed if "/cache/" not in n} == {
        f".specweave/increments/{ran.id}/reports/reproduction.json"
    }


def test_the_verdict_in_words_knows_which_evaluation_it_is_of(ran: Increment) -> None:
    assert render_reproduction(ran) == ""
    write_experiment(ran)
    reproduce_increment(ran, now=lambda: dt.datetime(2026, 3, 4, tzinfo=dt.UTC))
    assert "did not come out the same to the last digit, on 2026-03-04" in render_reproduction(ran)
    save_json(ran.folder / "reports" / "evaluation.json", {"n_holdout": 9})
    assert "earlier evaluation" in render_reproduction(ran)


def write_experiment(increment: Increment) -> None:
    """Leave the record of an experiment that no script of this increment trains, and of the data."""
    save_record(increment.experiments / "exp-004-linear" / "experiment.json", "experiment", 1, {
        "id": "exp-004-linear", "number": 4, "name": "linear", "status": "completed", "task": "T-004",
    })  # fmt: skip
    save_json(increment.experiments / "exp-004-linear" / "metrics.json", {"cv_roc_auc": 0.8})
    script = increment.folder / "pipeline" / "t006_evaluation.py"
    script.write_text(script.read_text().replace('"made"', '"{}"'))
    save_json(increment.folder / "reports" / "evaluation.json", {})
    lock_data(increment)


# -- the environment -------------------------------------------------------------------------------


def recorded_in(folder: Path, requirements: str, python: str = "3.11.7") -> ExperimentRecord:
    (folder / "requirements.txt").write_text(requirements)
    return experiment(folder, "linear", 3, python=python, host="elsewhere")


def test_packages_that_differ_are_told_by_name_and_version(tmp_path: Path) -> None:
    record = recorded_in(tmp_path, "numpy==2.2.0\npandas==2.3.0\n")
    found = compare_environment(record, {"numpy": "2.3.1", "pandas": "2.3.0", "extra": "1"}, "3.12.1")
    assert not found["same"] and found["machine"] == "other"
    assert found["packages"] == {
        "extra": {"recorded": None, "now": "1"},
        "numpy": {"recorded": "2.2.0", "now": "2.3.1"},
    }
    told = " ".join(describe_environment(found))
    assert "numpy 2.2.0 -> 2.3.1" in told and "Python was 3.11.7, here it is 3.12.1" in told
    same = compare_environment(record, {"numpy": "2.2.0", "pandas": "2.3.0"}, "3.11.7")
    assert same["same"] and same["packages"] == {}


def test_packages_that_were_never_recorded_are_no_sameness(tmp_path: Path) -> None:
    record = experiment(tmp_path, "linear", 3, python="3.11.7")
    found = compare_environment(record, {"numpy": "2.3.1"}, "3.11.7")
    assert not found["same"] and describe_environment(found)[0].endswith("were not recorded")


def test_a_missing_uv_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError) as caught:
        find_uv(str(tmp_path / "python"), str(tmp_path))
    assert caught.value.hint == "run: pip install uv" and caught.value.exit_code == 3


def test_an_environment_without_recorded_packages_cannot_be_rebuilt(tmp_path: Path) -> None:
    if not shutil.which("uv") and not Path(sys.executable).with_name("uv").is_file():
        pytest.skip("uv is not installed")
    with pytest.raises(StateError, match="no packages were recorded"):
        build_environment(experiment(tmp_path, "linear", 3), tmp_path / "base")


def test_packages_come_from_where_they_were_installed_from(tmp_path: Path) -> None:
    folder = tmp_path.as_uri()
    assert origin_line("mine", {"url": folder, "dir_info": {"editable": True}}) == f"-e {tmp_path}"
    assert origin_line("mine", {"url": folder, "dir_info": {}}) == f"mine @ {folder}"
    assert origin_line("mine", {"url": f"{folder}/gone", "dir_info": {}}) is None
    lines = requirement_lines(
        {"numpy": "2.3.1", "mine": "0.1"}, {"mine==0.1": f"-e {tmp_path}", "mine==0.2": "no"}
    )
    assert lines == [f"-e {tmp_path}", "numpy==2.3.1"]


def test_the_environment_is_filled_without_resolving_anything(tmp_path: Path) -> None:
    make, fill = build_commands("/bin/uv", tmp_path / "environment", "3.9.1")
    assert make[:2] == ["/bin/uv", "venv"] and make[make.index("--python") + 1] == "3.9.1"
    assert "--no-deps" in fill and str(tmp_path / "requirements.txt") in fill
    assert fill[fill.index("--python") + 1] == str(tmp_path / "environment" / "bin" / "python")


def test_what_uv_refuses_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        find_uv()
    except MissingExtraError:
        pytest.skip("uv is not installed")
    monkeypatch.setenv("UV_OFFLINE", "1")
    record = recorded_in(tmp_path, "no-such-package-at-all==9.9\n", sys.version.split()[0])
    (tmp_path / "base").mkdir()
    with pytest.raises(IntegrationError, match="uv pip ended with") as caught:
        build_environment(record, tmp_path / "base")
    assert (
        "no-such-package-at-all" in caught.value.what and caught.value.hint and "--env" in caught.value.hint
    )


@pytest.mark.slow
def test_a_small_environment_is_really_rebuilt(tmp_path: Path) -> None:
    try:
        find_uv()
    except MissingExtraError:
        pytest.skip("uv is not installed")
    from importlib.metadata import version

    record = recorded_in(tmp_path, f"packaging=={version('packaging')}\n", sys.version.split()[0])
    (tmp_path / "base").mkdir()
    python = build_environment(record, tmp_path / "base")
    ask = "import importlib.metadata as m, sys; print(sys.prefix, m.version('packaging'))"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(tmp_path / "base" / "environment"), version("packaging")]


def test_nobody_is_told_of_a_repetition(evaluated: Increment, monkeypatch: pytest.MonkeyPatch) -> None:
    from specweave.experiments.watching import find_watchers

    pytest.importorskip("tensorboardX")
    (evaluated.project.home / "config.yaml").write_text("tracking: tensorboard\n")
    assert find_watchers(evaluated.experiments)
    monkeypatch.setenv("SPECWEAVE_RECORDED", "recorded.json")
    assert find_watchers(evaluated.experiments) == []


def test_a_recipe_survives_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from specweave.stages.recorded import Recorded, find_recorded, save_recorded

    assert find_recorded() is None
    recipe = Recorded(left_out={"forest": "time"}, threads={"linear": 2}, trials={"tuned-linear": 7},
                      points={"tuned-linear": [{"alpha": 0.1}]}, params={}, scores={"linear": 0.5})  # fmt: skip
    monkeypatch.setenv("SPECWEAVE_RECORDED", str(save_recorded(tmp_path / "recorded.json", recipe)))
    assert find_recorded() == msgspec.structs.replace(recipe)


def test_projects_with_other_increments_can_read_them(evaluated: Increment) -> None:
    from built_increment import build_increment

    build_increment(Project(evaluated.project.root), "0007-earlier")
    with clean_project(evaluated, check_inputs(evaluated)) as clean:
        assert [i.id for i in clean.project.increments()] == ["0007-earlier", evaluated.id]
