"""Git state, packages and python of a run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from specweave.experiments.provenance import git_state, python_version, requirements_text
from specweave.experiments.store import ExperimentStore


def git(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("depth = 6\n")
    git(tmp_path, "add", "train.py")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_checkout_is_its_commit(repository: Path) -> None:
    state = git_state(repository / "deep" / "inside")
    assert state is not None
    assert (state.commit, state.dirty, state.patch) == (git(repository, "rev-parse", "HEAD"), False, "")


def test_an_edit_and_a_commit_are_noticed_within_one_process(repository: Path) -> None:
    before = git_state(repository)
    (repository / "train.py").write_text("depth = 8 # edited\n")
    edited = git_state(repository)
    git(repository, "commit", "-qam", "second")
    after = git_state(repository)
    assert before is not None and edited is not None and after is not None
    assert (before.dirty, edited.dirty, after.dirty) == (False, True, False)
    assert "+depth = 8 # edited" in edited.patch
    assert edited.commit == before.commit != after.commit


def test_an_unchanged_checkout_is_asked_once(repository: Path) -> None:
    assert git_state(repository) is git_state(repository)


def test_files_that_the_tool_writes_do_not_make_the_code_dirty(repository: Path) -> None:
    increment = repository / ".specweave" / "increments" / "0001-x"
    (increment / "pipeline").mkdir(parents=True)
    (increment / "tasks.md").write_text("- [ ] T-001\n")
    (increment / "pipeline" / "t001.py").write_text("x = 1\n")
    git(repository, "add", ".specweave")
    git(repository, "commit", "-qm", "increment")
    (increment / "tasks.md").write_text("- [x] T-001\n")
    ticked = git_state(repository)
    (increment / "pipeline" / "t001.py").write_text("x = 2\n")
    edited = git_state(repository)
    assert ticked is not None and edited is not None
    assert (ticked.dirty, edited.dirty) == (False, True)
    assert "tasks.md" not in edited.patch


def test_no_git_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


def test_a_repository_without_a_commit_is_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    state = git_state(tmp_path)
    assert state is not None
    assert (state.commit, state.dirty) == (None, True)


def test_a_run_keeps_commit_flag_and_patch(repository: Path) -> None:
    store = ExperimentStore(repository / "experiments")
    with store.create("clean") as clean:
        pass
    (repository / "train.py").write_text("depth = 99\n")
    with store.create("dirty") as dirty:
        pass
    commit = git(repository, "rev-parse", "HEAD")
    assert json.loads((clean.folder / "experiment.json").read_text())["git"] == {
        "commit": commit,
        "dirty": False,
    }
    assert store.get("dirty").git == {"commit": commit, "dirty": True}
    assert not (clean.folder / "git.patch").exists()
    git(repository, "checkout", "-q", "train.py")
    git(repository, "apply", str(dirty.folder / "git.patch"))
    assert (repository / "train.py").read_text() == "depth = 99\n"


def test_requirements_name_every_installed_package_with_its_version() -> None:
    from importlib.metadata import version

    lines = requirements_text().splitlines()
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))
    for package in ("numpy", "scikit-learn", "pytest"):
        assert f"{package}=={version(package)}" in lines


def test_the_python_is_named() -> None:
    assert python_version().count(".") == 2
