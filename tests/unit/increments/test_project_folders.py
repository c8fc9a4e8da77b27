"""Where things are: ids, slugs, numbers, and the increment that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.errors import SpecError, StateError, UnknownNameError
from specweave.increments.project import Project, find_project, get_project, make_slug


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPECWEAVE_INCREMENT", raising=False)
    monkeypatch.delenv("SPECWEAVE_PROJECT", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path)
    for name in ("0041-fraud-detection", "0042-recommendation-model", "0043-recommendation-ranking"):
        (found.increments_folder / name).mkdir(parents=True)
    return found


def with_status(project: Project, name: str, status: str) -> None:
    (project.increments_folder / name / "spec.md").write_text(f"---\nstatus: {status}\n---\n")


@pytest.mark.parametrize("name", ["42", "0042", "0042-recommendation-model", "model", "RECOMMENDATION-MODEL"])
def test_an_increment_is_found_by_number_id_or_a_unique_part(project: Project, name: str) -> None:
    assert project.get_increment(name).id == "0042-recommendation-model"


def test_a_part_that_several_have_is_refused_with_their_names(project: Project) -> None:
    with pytest.raises(UnknownNameError, match="0042-recommendation-model, 0043-recommendation-ranking"):
        project.get_increment("recommendation")


def test_an_unknown_id_offers_the_nearest(project: Project) -> None:
    with pytest.raises(UnknownNameError, match="'0042-recomendation-modell'") as caught:
        project.get_increment("0042-recomendation-modell")
    assert str(caught.value.hint).startswith("did you mean 0042-recommendation-model")
    with pytest.raises(UnknownNameError) as caught:
        project.get_increment("99")
    assert "0041-fraud-detection" in str(caught.value.hint)
    with pytest.raises(UnknownNameError):
        project.get_increment("²")


def test_a_number_that_stands_twice_names_the_mend(project: Project) -> None:
    (project.increments_folder / "0042-other").mkdir()
    with pytest.raises(UnknownNameError) as caught:
        project.get_increment("42")
    assert "sw doctor --fix" in str(caught.value.hint)
    assert project.get_increment("0042-other").id == "0042-other"


def test_without_a_name_the_active_one_is_meant_then_the_latest_open_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.get_increment().number == "0043"
    with_status(project, "0043-recommendation-ranking", "done")
    assert project.get_increment().number == "0042"
    with_status(project, "0041-fraud-detection", "active")
    assert project.get_increment().number == "0041"
    monkeypatch.setenv("SPECWEAVE_INCREMENT", "43")
    assert project.get_increment().number == "0043"


def test_no_increment_at_all_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no increment yet") as caught:
        Project(tmp_path).get_increment()
    assert str(caught.value.hint).startswith("run: sw inc")


@pytest.mark.parametrize(
    ("request_text", "slug"),
    [
        ("build a fraud detection model for transactions", "fraud-detection-model"),
        ("predict which telco customers will churn", "telco-customers-churn"),
        ("Forecast weekly sales for next 12 weeks", "forecast-weekly-sales"),
        ("build recommendation model", "recommendation-model"),
        ("Predict Müller's café revenue", "mullers-cafe-revenue"),
        ("../../etc/passwd", "etc-passwd"),
        ("予測", "increment"),
        ("to the", "to-the"),
    ],
)
def test_slugs_are_short_plain_and_safe(request_text: str, slug: str) -> None:
    assert make_slug(request_text) == slug


def test_numbers_go_on_from_the_highest(project: Project) -> None:
    assert project.new_increment("predict churn").id == "0044-churn"
    assert project.new_increment("predict churn").id == "0045-churn"


def test_an_explicit_id_is_kept_and_never_given_twice(project: Project) -> None:
    assert project.new_increment("51-fraud-detection").id == "0051-fraud-detection"
    with pytest.raises(StateError, match="number 0051 is taken by 0051-fraud-detection") as caught:
        project.new_increment("0051-other")
    assert "sw do 0051" in str(caught.value.hint)
    assert project.new_increment("predict churn").id == "0052-churn"


def test_a_request_that_starts_with_a_number_is_no_id(project: Project) -> None:
    assert project.new_increment("2024 sales").id == "0044-2024-sales"
    assert project.new_increment("12-month sales forecast").id == "0045-12-month-sales-forecast"


def test_a_new_project_keeps_its_disposable_files_out_of_git(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.init() is True
    assert project.init() is False
    assert "cache/" in (project.home / ".gitignore").read_text()
    assert project.config() == {}


@pytest.mark.parametrize("text", ["- a\n- b\n", "engine: [local\n"])
def test_settings_that_are_no_mapping_are_refused(project: Project, text: str) -> None:
    (project.home / "config.yaml").write_text(text)
    with pytest.raises(SpecError, match=r"config\.yaml"):
        project.config()


def test_the_project_is_found_from_below(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project.root / "src" / "deep"
    below.mkdir(parents=True)
    assert get_project(below).root == project.root.resolve()
    monkeypatch.chdir(below)
    found = find_project()
    assert found is not None and found.root == project.root.resolve()


def test_no_project_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    with pytest.raises(StateError) as caught:
        get_project()
    assert caught.value.hint == "run: sw init"


def test_paths_in_documents_are_seen_from_the_root(project: Project, tmp_path: Path) -> None:
    assert project.relative(project.root / "data" / "a.csv") == "data/a.csv"
    assert project.relative(Path("/elsewhere/a.csv")) == "/elsewhere/a.csv"
