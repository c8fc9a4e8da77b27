"""From a request to four documents and nine scripts, or to nothing at all."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest

from specweave.errors import DataError, SpecError, SpecweaveError, UnknownNameError
from specweave.increments.plan import load_plan
from specweave.increments.project import Project
from specweave.increments.spec import load_spec
from specweave.increments.tasks import load_tasks
from specweave.pipeline.planning import Request, plan_increment
from specweave.pipeline.tasktable import TASKS

DATA = "key,when,age,plan,churn\n" + "".join(
    f"k{i:05d},2026-0{1 + i // 28}-{1 + i % 28:02d},{20 + (i * 7) % 41},{'abc'[i % 3]},{'Yes' if i % 4 == 0 else 'No'}\n"
    for i in range(80)
)
TODAY = dt.date(2026, 1, 2)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "churn.csv").write_text(DATA)
    return tmp_path


def plan(root: Path, request: Request) -> Path:
    return plan_increment(Project(root), request, today=TODAY).folder


def test_request_and_data_alone_give_every_document(root: Path) -> None:
    folder = plan(root, Request("predict which customers will churn", data=str(root / "churn.csv")))
    spec = load_spec(folder / "spec.md")
    assert spec.request == "predict which customers will churn"
    assert (spec.problem_type, spec.get("Target")) == ("Binary classification", "churn")
    assert (spec.get("Identifier"), spec.get("Time column")) == ("key", "when")
    assert spec.get("Validation") == "last 20% by time"
    assert spec.get("Training data") == "churn.csv"
    assert (spec.status, spec.created, spec.id) == ("planned", "2026-01-02", "0001")
    assert [c.kind for c in spec.criteria] == ["absolute", "absolute", "absolute", "relative", "evidence"]
    assert [t.id for t in load_tasks(folder / "tasks.md")] == [t.id for t in TASKS]
    assert all((folder / t.script).is_file() for t in TASKS)
    assert "{{" not in (folder / "pipeline" / "t003_baselines.py").read_text()
    reasons = (folder / "plan.md").read_text()
    for told in (
        "the request names 'churn'",
        "it says nothing about new rows",
        "the rows follow 'when' in time",
    ):
        assert told in reasons
    assert load_plan(folder / "plan.md").get("candidates")
    assert "not measured" in (folder / "tests.md").read_text()


def test_each_choice_of_the_plan_has_its_reason(root: Path) -> None:
    folder = plan(root, Request("predict churn", data=str(root / "churn.csv")))
    text = (folder / "plan.md").read_text()
    config = load_plan(folder / "plan.md").config
    for key in ("selection_metric", "baselines", "candidates", "threshold"):
        assert key in config
        assert f"- `{key}`: " in text
    assert "- `split.folds`: " in text and "- `tuning.trials`: " in text


def test_what_the_user_says_goes_before_what_is_inferred(root: Path) -> None:
    folder = plan(root, Request("predict churn", data=str(root / "churn.csv"), target="plan", problem="classification",
                                metrics=("Macro F1 > 0.5", "Recall > 0.1")))  # fmt: skip
    spec = load_spec(folder / "spec.md")
    assert (spec.get("Target"), spec.problem_type) == ("plan", "Multiclass classification")
    assert spec.get("Success metrics") == "Macro F1 > 0.5, Recall > 0.1"


def test_without_data_what_is_missing_is_marked(tmp_path: Path) -> None:
    folder = plan(tmp_path, Request("predict house prices"))
    spec = load_spec(folder / "spec.md")
    assert spec.problem_type == "Regression"
    for key in ("Training data", "Target"):
        with pytest.raises(SpecError, match=f"'{key}' is not filled in"):
            spec.require(key)
    assert (folder / "plan.md").is_file()


def test_a_target_that_nothing_names_is_left_to_the_user_with_an_offer(root: Path) -> None:
    spec = load_spec(plan(root, Request("do something", data=str(root / "churn.csv"))) / "spec.md")
    with pytest.raises(SpecError, match="'Target' is not filled in"):
        spec.require("Target")
    assert "one of" in spec.fields["target"].value


def test_a_column_per_series_is_told_how_to_become_rows(tmp_path: Path) -> None:
    stamps = pd.date_range("2019-01-01", periods=36, freq="MS").strftime("%Y-%m-%d")
    wide = pd.DataFrame(
        {"date": stamps} | {f"store_{i}": [float(i + t % 12) for t in range(36)] for i in range(3)}
    )
    wide.to_csv(tmp_path / "wide.csv", index=False)
    made = plan_increment(
        Project(tmp_path),
        Request("forecast sales of every store for the next 6 months", str(tmp_path / "wide.csv")),
    )
    assert "3 quantities: `store_0`, `store_1`, `store_2`" in made.plan_path.read_text()
    assert "one row per series and time" in made.plan_path.read_text()
    assert "- Target: (fill in" in made.spec_path.read_text()


def test_planning_the_same_twice_gives_the_same_documents(root: Path) -> None:
    asked = Request("predict churn", data=str(root / "churn.csv"))
    first, second = plan(root, asked), plan(root, asked)
    assert (first.name, second.name) == ("0001-churn", "0002-churn")
    for name in ("plan.md", "tasks.md", "tests.md"):
        assert (first / name).read_text() == (second / name).read_text()


def test_an_increment_may_build_on_another(root: Path) -> None:
    plan(root, Request("predict churn"))
    folder = plan(root, Request("predict more", after=("1",)))
    assert load_spec(folder / "spec.md").depends_on == ("0001",)


@pytest.mark.parametrize(
    ("request_", "kind", "says"),
    [
        (Request("x", data="chrun.csv"), DataError, "no such file: chrun.csv"),
        (Request("x", data="churn.csv", target="Chrun"), UnknownNameError, "'Chrun' is no column"),
        (Request("x", data="churn.csv", time="wen"), UnknownNameError, "'wen' is no column"),
        (Request("x", data="churn.csv", identifiers=("kee",)), UnknownNameError, "'kee' is no column"),
        (Request("x", problem="Clustering"), UnknownNameError, "'Clustering' is not a problem type"),
        (Request("x", metrics=("ROC AUC above 1",)), SpecError, "is not a criterion"),
        (Request("x", metrics=("Acuracy > 1",)), SpecError, "no metric is called 'Acuracy'"),
        (Request("x", after=("7",)), SpecweaveError, "no increment"),
    ],
)
def test_bad_input_leaves_nothing_behind(
    root: Path, request_: Request, kind: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(kind, match=says):
        plan(root, request_)
    assert sorted(p.name for p in root.iterdir()) == ["churn.csv"]


def test_paths_with_blanks_and_outside_the_project_are_written_to_be_found(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("out side") / "my data.csv"
    outside.write_text(DATA)
    folder = plan(root, Request("predict churn", data=str(outside)))
    written = load_spec(folder / "spec.md").require("Training data").value
    assert (root / written).resolve() == outside.resolve()


@pytest.mark.parametrize(
    ("request_text", "told"),
    [
        ("Forecast weekly sales for next 12 weeks", ["stationarity tests", "seasonal decomposition", "residual analysis"]),
        ("Predict customer lifetime value", ["customer cohort analysis", "feature importance"]),
        ("build a recommendation model", ["cold users", "past items behind each recommendation"]),
        ("Build a fraud detection model for transactions", ["threshold", "balance of the labels"]),
    ],
)  # fmt: skip
def test_tasks_say_what_they_look_at_for_this_kind_of_problem(
    root: Path, request_text: str, told: list[str]
) -> None:
    folder = plan(root, Request(request_text))
    covers = [
        line for line in (folder / "tasks.md").read_text().splitlines() if line.startswith("  - covers: ")
    ]
    assert all(any(words in line for line in covers) for words in told)
    assert load_tasks(folder / "tasks.md")[0].title == (
        "Data exploration and quality analysis"
    )
