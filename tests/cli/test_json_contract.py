"""Every command speaks to machines in one way: with ``--json`` one document with kind and schema, also for errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from specweave.cli.group import cli
from specweave.cli.table import COMMANDS

Sw = Callable[..., Any]


def leaves() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that does something, by its words: ``exp import mlflow``."""
    context = click.Context(cli, info_name="sw")

    def walk(words: list[str], command: click.Command) -> Iterator[tuple[str, click.Command]]:
        if not isinstance(command, click.Group):
            yield " ".join(words), command
            return
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from walk([*words, name], inner)

    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        yield from walk([name], command)


LEAVES = dict(leaves())

# What each command is given where a document of success is cheap: in a project with one planned increment, two
# experiments and two model versions.
GOOD: dict[str, tuple[str, ...]] = {
    "init": (),
    "inc": ("predict churn again", "--data", "churn.csv", "--target", "churn"),
    "status": (),
    "do": ("--dry-run",),
    "validate": (),
    "done": (),
    "sync-docs": ("check",),
    "exp list": ("--where", "status == completed"),
    "exp show": ("exp-001",),
    "exp diff": ("exp-001", "exp-002"),
    "exp digest": ("--tokens", "300"),
    "exp export": ("experiments.csv",),
    "exp import dvclive": ("dvclive",),
    "model list": (),
    "model show": ("v1",),
    "model promote": ("v1", "--reason", "best"),
    "model rollback": (),
    "model verify": (),
    "review": (),
    "github create-issue": ("A title", "--dry-run"),
    "github sync": ("--dry-run",),
    "agent install": ("codex", "cursor"),
    "agent remove": ("codex",),
    "agent status": (),
    "mcp": ("--list",),
    "data status": (),
    "doctor": (),
    "demo": (),
}
# Exit 1 is an answer of these: what they judge is not as it should be.
VERDICTS = {"validate", "done", "sync-docs", "doctor", "review", "ci"}
# Why the document of success is looked at elsewhere, or not cheap.
COSTLY = {
    "exp compare": "needs a run: tests/journeys/test_mcp_session.py",
    "exp mirror": "needs a tracker: tests/journeys/test_mlflow_mirror.py",
    "exp import mlflow": "needs a database of MLflow",
    "predict": "needs a model: tests/journeys/test_mcp_session.py",
    "serve": "serves until it is stopped",
    "monitor": "needs a model",
    "github status": "needs a token: tests of integrations.github",
    "github comment": "needs a server: tests of integrations.github",
    "data add": "needs DVC",
    "data refresh": "needs data at an address",
    "ci": "needs a repository: tests of integrations.ci",
    "reproduce": "needs a run",
}
# Arguments that let a command come as far as its work, which then fails in an empty folder.
LONELY: dict[str, tuple[str, ...]] = {
    "inc": ("predict churn", "--data", "missing.csv"),
    "exp show": ("exp-001",),
    "exp diff": ("a", "b"),
    "exp export": ("x.csv",),
    "exp import mlflow": ("sqlite:///none.db",),
    "exp import dvclive": ("dvclive",),
    "model show": ("v1",),
    "model promote": ("v1",),
    "predict": ("1", "rows.csv"),
    "monitor": ("1", "rows.csv"),
    "github create-issue": ("A title",),
    "github comment": ("text.md", "--pull-request", "1"),
    "agent install": ("no-such-agent",),
    "agent remove": ("no-such-agent",),
    "data add": ("rows.csv",),
    "demo": ("no-such-demo",),
}
# These do their work without a project.
AT_HOME_ANYWHERE = {"init", "agent status", "mcp", "doctor"}


def read(result: Any) -> dict[str, Any]:
    """Return the one document on standard output."""
    document = json.loads(result.out)
    assert isinstance(document, dict)
    assert isinstance(document["kind"], str) and document["kind"]
    assert document["schema"] == 1
    assert "Traceback" not in result.err
    return document


def check_error(result: Any) -> dict[str, Any]:
    """Return the record of an error, which is the same for every command."""
    document = read(result)
    assert set(document) == {"kind", "schema", "errors"} and document["kind"] == "error"
    (record,) = document["errors"]
    assert set(record) == {"severity", "code", "message", "where", "fix"}
    assert record["severity"] == "error" and record["message"]
    assert record["code"] != "internal", record
    return dict(record)


@pytest.fixture(autouse=True)
def _no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs this has perhaps a token; nothing here may use it."""
    for name in ("GH_TOKEN", "GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def _furnished(_planned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from specweave.experiments.store import ExperimentStore
    from specweave.experiments.versions import ModelVersions

    root = tmp_path_factory.mktemp("json") / "project"
    shutil.copytree(_planned, root)
    (root / ".specweave/config.yaml").write_text("github: {repository: owner/name}\n", encoding="utf-8")
    (root / "dvclive").mkdir()
    (root / "dvclive/metrics.json").write_text('{"auc": 0.8}\n', encoding="utf-8")
    home = root / ".specweave/increments/0001-churn"
    store = ExperimentStore(home / "experiments")
    versions = ModelVersions(home / "models")
    for name, value in (("first", 0.7), ("second", float("nan"))):
        with store.create(name) as run:
            run.log_params({"depth": 3})
            run.log_metric("roc_auc", value)
        versions.save({"is": name}, experiment=run.id, algorithm="dict", metrics={"roc_auc": 0.7})
    versions.promote(1)
    versions.promote(2)
    return root


@pytest.fixture
def furnished(_furnished: Path, tmp_path: Path) -> Path:
    """Return a project of one's own with an increment, experiments and model versions."""
    return Path(shutil.copytree(_furnished, tmp_path / "project"))


def test_every_command_is_looked_at_here() -> None:
    assert set(LEAVES) - set(GOOD) - set(COSTLY) == set()
    assert set(GOOD) <= set(LEAVES) and not set(GOOD) & set(COSTLY)


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_command_takes_the_common_options(name: str) -> None:
    options = {o for p in LEAVES[name].params for o in p.opts}
    assert {"--json", "--quiet", "--debug", "--project"} <= options
    assert "Example:" in (LEAVES[name].help or "")


@pytest.mark.parametrize("name", sorted(set(GOOD) & set(LEAVES)))
def test_success_is_one_document(name: str, furnished: Path, sw: Sw) -> None:
    result = sw(*name.split(), *GOOD[name], "--json", cwd=furnished)
    document = read(result)
    assert document["kind"] != "error", document
    assert result.code == 0 or (result.code == 1 and name in VERDICTS), result
    quiet = sw(*name.split(), *GOOD[name], "--json", "--quiet", cwd=furnished)
    if name not in (
        "init",
        "inc",
        "agent install",
        "agent remove",
        "model rollback",
    ):  # these change what they tell of
        assert json.loads(quiet.out).keys() == document.keys()
    read(quiet)


@pytest.mark.parametrize("name", sorted(set(LEAVES) - AT_HOME_ANYWHERE))
def test_an_error_is_one_document_with_its_remedy(name: str, tmp_path: Path, sw: Sw) -> None:
    result = sw(*name.split(), *LONELY.get(name, ()), "--json", cwd=tmp_path)
    record = check_error(result)
    assert result.code in (1, 2, 3)
    assert record["fix"], record
    assert result.code == 3 or record["code"] != "missing-extra"


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_a_wrong_option_is_one_document(name: str, tmp_path: Path, sw: Sw) -> None:
    result = sw(*name.split(), "--no-such-option", "--json", cwd=tmp_path)
    assert result.code == 2
    assert check_error(result)["code"] == "usage"


@pytest.mark.parametrize("arguments", [("dance",), ("exp", "dance"), ("model",), ("exp", "import")])
def test_a_command_that_does_not_exist_is_one_document(
    arguments: tuple[str, ...], tmp_path: Path, sw: Sw
) -> None:
    result = sw(*arguments, "--json", cwd=tmp_path)
    assert result.code == 2
    check_error(result)
