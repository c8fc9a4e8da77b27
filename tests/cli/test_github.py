"""`sw github` and `sw ci` as a person and as GitHub Actions call them, against a server on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from built_increment import LATENCY, build_evaluated, build_project, evaluate, lock_up, metric
from github_server import NAME, TOKEN, GitHubServer, running

from specweave.increments.project import Increment

Sw = Callable[..., Any]


@pytest.fixture
def github_server() -> Iterator[GitHubServer]:
    with running() as server:
        yield server


@pytest.fixture
def env(github_server: GitHubServer) -> dict[str, str]:
    return {"GITHUB_API_URL": github_server.url, "GH_TOKEN": TOKEN, "GITHUB_TOKEN": "", "NO_PROXY": "127.0.0.1",
            "GITHUB_ACTIONS": "", "GITHUB_STEP_SUMMARY": "", "GITHUB_BASE_REF": ""}  # fmt: skip


@pytest.fixture
def increment(tmp_path: Path) -> Increment:
    project = build_project(tmp_path / "project")
    (project.home / "config.yaml").write_text(f"github:\n  repository: {NAME}\n")
    return build_evaluated(project)


@pytest.fixture
def root(increment: Increment) -> Path:
    return increment.project.root


@pytest.fixture
def run(sw: Sw, root: Path, env: dict[str, str]) -> Sw:
    return lambda *arguments, **more: sw(*arguments, cwd=root, env=env | more)


def test_the_seeds_line_makes_an_issue_linked_to_the_increment(run: Sw, github_server: GitHubServer) -> None:
    result = run("github", "create-issue", "Retrain recommendation model with new data")
    assert result.code == 0, result.err
    assert "0042-churn-model: issue #1 made  https://github.com/acme/churn/issues/1" in result.out
    assert github_server.issues[1]["title"] == "Retrain recommendation model with new data"
    again = run("github", "create-issue", "Something else", "42")
    assert (again.code, "is there already" in again.out, len(github_server.issues)) == (0, True, 1)


def test_an_id_alone_is_no_title(run: Sw, github_server: GitHubServer) -> None:
    assert run("github", "create-issue", "42", "--json").code == 0
    assert github_server.issues[1]["title"] == "[0042] Churn model"


def test_each_command_answers_one_document(
    run: Sw, increment: Increment, github_server: GitHubServer, tmp_path: Path
) -> None:
    made = json.loads(run("github", "create-issue", "T", "--json").out)
    assert (made["kind"], made["schema"], made["outcomes"][0]["action"]) == ("github-issue", 1, "created")
    evaluate(increment, "exp-009-tuned", metrics=[metric("roc_auc", 0.88, 0.85, 0.91), LATENCY])
    lock_up(increment)
    synced = json.loads(run("github", "sync", "--all", "--json").out)
    assert synced["kind"] == "github-sync" and synced["outcomes"][0]["commented"] and synced["errors"] == []
    status = json.loads(run("github", "status", "--json").out)
    assert status["repository"] == NAME and status["increments"][0]["step"] == "up to date"
    file = tmp_path / "c.md"
    assert run("ci", "--comment", str(file), "-q").code == 0
    number = github_server.add_issue("PR", pull_request={"url": "x"})
    posted = json.loads(run("github", "comment", str(file), "--pull-request", str(number), "--json").out)
    assert posted["action"] == "created" and "1 increment passes" in github_server.comments[number][0]["body"]


def test_two_processes_at_once_make_one_issue(
    root: Path, env: dict[str, str], github_server: GitHubServer
) -> None:
    import os

    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")} | env
    command = [sys.executable, "-m", "specweave", "github", "create-issue", "T", "--json"]
    both = [
        subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    answers = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(a["outcomes"][0]["action"] for a in answers) == ["created", "exists"]
    assert len(github_server.issues) == 1


@pytest.mark.parametrize(
    ("more", "what", "fix"),
    [
        ({"GH_TOKEN": ""}, "no token for acme/churn", "export GH_TOKEN="),
        (
            {"GH_TOKEN": "ghp_wrong"},
            "does not accept the token in GH_TOKEN: Bad credentials",
            "make a new one",
        ),
        ({"GH_TOKEN": "", "GITHUB_TOKEN": "ghp_wrong"}, "the token in GITHUB_TOKEN", "export GITHUB_TOKEN="),
        ({"GITHUB_API_URL": "http://127.0.0.1:9"}, "cannot reach 127.0.0.1:9", "check the connection"),
        ({"GITHUB_API_URL": "https://"}, "is no address", "export GITHUB_API_URL="),
    ],
)
def test_what_is_in_the_way_is_one_message(run: Sw, more: dict[str, str], what: str, fix: str) -> None:
    for extra in ((), ("--json",)):
        result = run("github", "create-issue", "T", *extra, **more)
        assert result.code in (1, 2)
        if extra:
            (error,) = json.loads(result.out)["errors"]
            assert what in error["message"] and fix in error["fix"]
        else:
            assert result.err.count("error") == 1 and what in result.err and fix in result.err
        for token in (TOKEN, "ghp_wrong"):
            assert token not in result.out + result.err


def test_a_token_without_rights_keeps_the_work_for_later(run: Sw, github_server: GitHubServer) -> None:
    github_server.rights = False
    result = run("github", "create-issue", "T")
    assert result.code == 1 and "has no right to do this in acme/churn" in result.err
    assert "1 thing waits in the queue" in result.out
    github_server.rights = True
    result = run("github", "sync")
    assert result.code == 0 and "sent from the queue: issue of 0042-churn-model" in result.out
    assert [i["title"] for i in github_server.issues.values()] == ["T"]


def test_a_broken_increment_fails_the_sync_and_names_its_line(
    run: Sw, increment: Increment, github_server: GitHubServer
) -> None:
    run("github", "create-issue", "T")
    increment.spec_path.write_text(
        increment.spec_path.read_text().replace("## Data", "=======\n>>>>>>> x\n## Data")
    )
    result = run("github", "sync", "42")
    assert result.code == 1 and "0042-churn-model/spec.md:" in result.err and "merge conflict" in result.err
    assert len(github_server.writes()) == 1


def test_a_dry_run_prints_the_text_with_and_without_a_token(run: Sw, github_server: GitHubServer) -> None:
    for more in ({}, {"GH_TOKEN": ""}):
        result = run("github", "create-issue", "T", "--dry-run", **more)
        assert result.code == 0 and "would send the issue 'T'" in result.out and "9 of 9 tasks" in result.out
    assert not github_server.issues


def test_an_id_and_all_contradict_each_other(run: Sw) -> None:
    result = run("github", "sync", "42", "--all")
    assert result.code == 2 and "not both" in result.err


# -- ci ----------------------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True, capture_output=True,
    )  # fmt: skip


def test_in_actions_the_failed_criterion_stands_at_its_line_and_the_job_has_a_summary(
    run: Sw, root: Path, increment: Increment, tmp_path: Path
) -> None:
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "base")
    git(root, "update-ref", "refs/remotes/origin/main", "HEAD")
    text = increment.spec_path.read_text().replace("ROC AUC > 0.8", "ROC AUC > 0.9")
    increment.spec_path.write_text(text)
    summary, junit = tmp_path / "summary.md", tmp_path / "out" / "junit.xml"
    summary.write_text("earlier step\n")
    result = run(
        "ci",
        "--junit",
        str(junit),
        GITHUB_ACTIONS="true",
        GITHUB_BASE_REF="main",
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert result.code == 1, result.err
    line = text.splitlines().index("- Success metrics: ROC AUC > 0.9") + 1
    assert (
        f"::error file=.specweave/increments/0042-churn-model/spec.md,line={line},title=Criterion fails::"
        in result.out
    )
    told = summary.read_text()
    assert (
        told.startswith("earlier step\n## specweave: ❌ 1 of 1 increment failed")
        and "Compared with `origin/main`" in told
    )
    suite = ET.fromstring(junit.read_text()).find("testsuite")
    assert suite is not None and suite.get("failures") == "1"


def test_ci_answers_one_document_and_0_where_all_is_well(run: Sw, tmp_path: Path) -> None:
    result = run("ci", "--json", "-o", str(tmp_path / "s.md"))
    body = json.loads(result.out)
    assert (result.code, body["kind"], body["schema"], body["ok"]) == (0, "ci", 1, True)
    assert body["increments"][0]["criteria"][0]["verdict"] == "pass" and body["base"] is None
    assert (tmp_path / "s.md").read_text().startswith("## specweave: ✅")
    assert "::" not in run("ci").out, "remarks for machines are for machines"


def test_a_base_that_does_not_exist_is_bad_input(run: Sw, root: Path) -> None:
    git(root, "init", "-q")
    result = run("ci", "--base", "nowhere", "--json")
    assert result.code == 2 and json.loads(result.out)["errors"][0]["code"] == "unknown-name"
