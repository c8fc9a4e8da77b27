"""Which trackers mirror an increment: set by code, environment or config, else found."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.errors import SpecError, UnknownNameError
from specweave.increments.project import Increment
from specweave.integrations.configuration import configure_tensorboard, configure_wandb
from specweave.integrations.mirroring import find_mirrors
from specweave.integrations.tracking_settings import find_settings


def names(increment: Increment) -> list[str]:
    return [settings.name for settings in find_settings(increment)]


def set_config(increment: Increment, text: str) -> None:
    (increment.project.home / "config.yaml").write_text(text)


def test_nothing_is_mirrored_where_nothing_asks_for_it(increment: Increment) -> None:
    assert names(increment) == []
    assert find_mirrors(increment.experiments) == []


@pytest.mark.parametrize("sign", ["mlruns/0/meta.yaml", "mlflow.db"])
def test_mlflow_is_found_by_what_it_left_in_the_project(increment: Increment, sign: str) -> None:
    path = increment.project.root / sign
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    assert names(increment) == ["mlflow"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("requirements.txt", "numpy\nmlflow>=3\n"),
        ("requirements-dev.txt", "mlflow-skinny==3.1\n"),
        ("pyproject.toml", '[project]\ndependencies = [\n  "mlflow>=3",\n]\n'),
        ("environment.yml", "dependencies:\n  - mlflow\n"),
    ],
)
def test_mlflow_is_found_in_the_projects_requirements(increment: Increment, file: str, text: str) -> None:
    (increment.project.root / file).write_text(text)
    assert names(increment) == ["mlflow"]


def test_a_package_that_is_only_named_alike_is_not_mlflow(increment: Increment) -> None:
    (increment.project.root / "requirements.txt").write_text("mlflowish\nmlflow-export-import\n# mlflow\n")
    assert names(increment) == []


def test_the_environment_is_a_sign_too(increment: Increment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("WANDB_PROJECT", "x")
    assert names(increment) == ["mlflow", "wandb"]


def test_config_decides_over_what_is_found(increment: Increment) -> None:
    (increment.project.root / "mlflow.db").write_text("")
    set_config(increment, "tracking: none\n")
    assert names(increment) == []
    set_config(increment, "tracking: [tensorboard, wandb]\n")
    assert names(increment) == ["tensorboard", "wandb"]
    set_config(increment, "tracking:\n  mlflow: {uri: 'http://h:1', experiment: churn}\n")
    (settings,) = find_settings(increment)
    assert settings.options == {"uri": "http://h:1", "experiment": "churn"}


def test_code_decides_over_config(increment: Increment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECWEAVE_TRACKING", "")
    monkeypatch.chdir(increment.project.root)
    set_config(increment, "tracking: mlflow\n")
    configure_tensorboard()
    assert configure_wandb("team", increment="42") == "offline"
    assert {s.name: s.options for s in find_settings(increment)} == {
        "tensorboard": {},
        "wandb": {"project": "team"},
    }


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("tracking: mlfow\n", UnknownNameError, "mlflow"),
        ("tracking: {mlflow: yes}\n", SpecError, "no mapping"),
        ("tracking: 3\n", SpecError, "tracking: mlflow"),
    ],
)
def test_a_setting_that_cannot_be_read_says_how_to_write_it(
    increment: Increment, text: str, kind: type[Exception], says: str
) -> None:
    set_config(increment, text)
    with pytest.raises(kind, match=says):
        find_settings(increment)


def test_a_wrong_setting_warns_and_does_not_stop_a_run(
    increment: Increment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from specweave import track_experiment

    monkeypatch.chdir(tmp_path)
    set_config(increment, "tracking: mlfow\n")
    with pytest.warns(RuntimeWarning, match="mlfow"), track_experiment("x") as run:
        run.log_metric("a", 1)
    assert run.status == "completed"
