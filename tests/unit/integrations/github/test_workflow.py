"""The workflow is valid, asks for few rights, calls commands that exist, and leaves people's jobs alone."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from specweave.cli.group import cli
from specweave.errors import StateError
from specweave.files.yamlio import parse_yaml
from specweave.integrations.github.workflow import FILE, install_workflow, render_workflow


def test_the_workflow_judges_pull_requests_with_read_rights_and_one_right_to_write() -> None:
    body = parse_yaml(render_workflow(), where="workflow")
    assert set(body["jobs"]) == {"gates", "issues"}
    assert body["permissions"] == {"contents": "read"}
    assert body["jobs"]["gates"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert body["jobs"]["issues"]["permissions"] == {"contents": "read", "issues": "write"}
    assert body["jobs"]["gates"]["steps"][0]["with"]["fetch-depth"] == 0
    assert "pull_request_target" not in render_workflow(), "a fork's code would get a token that writes"


def test_each_line_of_shell_parses_and_calls_a_command_that_exists() -> None:
    lines = re.findall(r"^ +run: (.*)$", render_workflow(), re.M)
    called = []
    for line in lines:
        subprocess.run(["bash", "-n", "-c", line], check=True)
        assert "${{" not in line, "values come in as variables, where they cannot act as shell"
        for found in re.findall(r"\bsw [^;]*", line):
            words = shlex.split(found.replace('"$NUMBER"', "7"))[1:]
            command, context = cli, None
            while hasattr(command, "get_command"):
                context = context or command.make_context("sw", ["--help"], resilient_parsing=True)
                command = command.get_command(context, words.pop(0))
                assert command is not None, found
            command.make_context("sw", words)
            called.append(command.name)
    assert called == ["ci", "comment", "sync"]


def test_a_project_in_a_subfolder_is_judged_there(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    project = tmp_path / "ml" / 'od"d'
    project.mkdir(parents=True)
    (path,) = install_workflow(project)
    assert path.resolve() == (tmp_path / FILE).resolve()
    body = parse_yaml(path.read_text(), where="workflow")
    assert body["defaults"]["run"]["working-directory"] == 'ml/od"d'
    assert body["jobs"]["gates"]["steps"][-1]["with"]["path"] == 'ml/od"d/specweave-junit.xml'


def test_data_is_fetched_first_only_where_dvc_tracks_it(tmp_path: Path) -> None:
    (path,) = install_workflow(tmp_path)
    assert "dvc" not in path.read_text()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "churn.csv.dvc").write_text("outs: []\n")
    assert install_workflow(tmp_path) == [path]
    for job in parse_yaml(path.read_text(), where="workflow")["jobs"].values():
        lines = [step.get("run", "") for step in job["steps"]]
        installed, pulled = lines.index("pip install 'specweave-ml[github,dvc]'"), lines.index("dvc pull")
        assert installed < pulled < next(i for i, line in enumerate(lines) if line.startswith("sw "))
        # A fork has no credentials: its pull request is judged by the records.
        assert job["steps"][pulled]["continue-on-error"] is True


def test_only_our_part_is_rewritten(tmp_path: Path) -> None:
    (path,) = install_workflow(tmp_path)
    assert install_workflow(tmp_path) == []
    own = "  mine:\n    runs-on: ubuntu-latest\n    steps: [{run: make}]\n"
    text = "# our house rules\n" + path.read_text().replace("timeout-minutes: 30", "timeout-minutes: 3") + own
    path.write_bytes(text.replace("\n", "\r\n").encode())
    assert install_workflow(tmp_path) == [path]
    again = path.read_bytes().decode()
    assert again == ("# our house rules\n" + render_workflow() + own).replace("\n", "\r\n")
    assert set(parse_yaml(again, where="workflow")["jobs"]) == {"gates", "issues", "mine"}


@pytest.mark.parametrize("text", ["name: mine\n", "", render_workflow() * 2])
def test_a_workflow_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(StateError, match="does not carry our two marks"):
        install_workflow(tmp_path)
    assert path.read_text() == text
