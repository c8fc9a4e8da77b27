"""What every command keeps: help with an example, exit codes, one JSON document, a place in the docs."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from specweave.cli.group import cli
from specweave.cli.table import COMMANDS

Sw = Callable[..., Any]
ROOT = Path(__file__).resolve().parents[2]


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield each command and subcommand by the words that call it."""
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(module).command
        yield name, command
        if isinstance(command, click.Group):
            for inner, sub in command.commands.items():
                yield f"{name} {inner}", sub


ALL = dict(every_command())
LEAVES = {n: c for n, c in ALL.items() if not isinstance(c, click.Group)}


def examples(command: click.Command) -> list[str]:
    """Return the lines under "Example:" of a help text, continued lines joined."""
    text = (command.help or "").partition("Example:")[2].replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("sw ")]


@pytest.mark.parametrize("name", ALL)
def test_help_tells_the_options_and_shows_an_example(name: str, sw: Sw, tmp_path: Path) -> None:
    result = sw(*name.split(), "--help", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "Example:" in result.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ALL)
def test_each_example_can_be_parsed(name: str) -> None:
    found = examples(ALL[name])
    assert found
    for line in found:
        words = shlex.split(line)[1:]
        command: click.Command | None = cli
        context = click.Context(cli, info_name="sw")
        while isinstance(command, click.Group):
            command = command.get_command(context, words.pop(0))
            assert command is not None, line
        command.make_context("sw", words)  # raises where an option or argument is wrong
    assert any(line.startswith(f"sw {name}") for line in found)


@pytest.mark.parametrize("name", LEAVES)
def test_every_command_takes_the_common_options(name: str) -> None:
    options = {o for p in LEAVES[name].params for o in p.opts}
    assert {"--json", "--quiet", "--debug", "--project"} <= options


@pytest.mark.parametrize("name", ALL)
def test_every_command_is_documented(name: str) -> None:
    assert f"## sw {name}\n" in (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_reference_is_what_the_commands_say() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "build_reference.py"), "--check"], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_readme_names_only_commands_and_pages_that_exist() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)sw ([a-z]+)", text, flags=re.M))
    assert named and named <= set(COMMANDS)
    for page in re.findall(r"\]\(((?:docs/)?[\w./-]+\.md|LICENSE)\)", text):
        assert (ROOT / page).exists(), page


# -- what a call gives -----------------------------------------------------------------------------


def one_document(text: str) -> dict[str, Any]:
    """Parse standard output as exactly one JSON document."""
    found = json.loads(text)
    assert isinstance(found, dict)
    assert isinstance(found["kind"], str) and isinstance(found["schema"], int)
    return found


@pytest.mark.parametrize(
    ("arguments", "kind", "code"),
    [
        (("init",), "project", 0),
        (("inc", "predict churn", "--data", "churn.csv"), "increment", 0),
        (("status",), "status", 0),
        (("status", "1"), "status", 0),
        (("do", "--dry-run"), "run-plan", 0),
        (("validate",), "validation", 1),
        (("done",), "validation", 1),
        (("exp", "list"), None, 0),
        (("model", "list"), "model-versions", 0),
        (("doctor",), "doctor", 0),
        (("demo",), "demos", 0),
    ],
)
def test_json_is_exactly_one_document(
    arguments: tuple[str, ...], kind: str | None, code: int, planned: Path, sw: Sw
) -> None:
    result = sw(*arguments, "--json", cwd=planned)
    found = one_document(result.out)
    assert result.code == code
    assert kind is None or found["kind"] == kind
    quiet = sw(*arguments, "--quiet", cwd=planned)
    assert (quiet.code, quiet.out, quiet.err) == (code, "", "")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("do", "--task", "T-099"), "unknown-name"),
        (("do", "0001-chrun"), "unknown-name"),
        (("inc", "x", "--metric", "precision above 0.9"), "spec"),
        (("inc", "x", "--data", "none.csv"), "data"),
        (("inc",), "usage"),
        (("do", "--bogus"), "usage"),
        (("dod",), "usage"),
    ],
)
def test_errors_are_one_document_too(arguments: tuple[str, ...], code: str, planned: Path, sw: Sw) -> None:
    result = sw(*arguments, "--json", cwd=planned)
    found = one_document(result.out)
    assert (result.code, result.err, found["kind"]) == (2, "", "error")
    (error,) = found["errors"]
    assert set(error) == {"severity", "code", "message", "where", "fix"}
    assert (error["severity"], error["code"]) == ("error", code)
    assert error["message"] and error["fix"]


def test_a_task_that_fails_is_exit_1_and_one_document(planned: Path, sw: Sw) -> None:
    script = planned / ".specweave" / "increments" / "0001-churn" / "pipeline" / "t001_explore.py"
    script.write_text("raise ValueError('no such thing')\n")
    result = sw("do", "--json", cwd=planned)
    found = one_document(result.out)
    assert (result.code, found["kind"]) == (1, "run")
    assert found["failed"]["error"]["message"] == "ValueError: no such thing"
    events = [json.loads(line) for line in result.err.splitlines()]
    assert [e["event"] for e in events] == ["run-started", "task-started", "task-failed", "run-ended"]
    plain = sw("do", cwd=planned)
    assert plain.code == 1
    assert plain.err == (
        "error: pipeline/t001_explore.py:1: ValueError: no such thing\n  mend the script, then run: sw do\n"
    )
    assert "Traceback" in sw("do", "--debug", cwd=planned).out


def test_a_missing_package_is_exit_3_with_the_install_command(planned: Path, sw: Sw) -> None:
    script = planned / ".specweave" / "increments" / "0001-churn" / "pipeline" / "t001_explore.py"
    script.write_text("from specweave import MissingExtraError\n"
                      "raise MissingExtraError.for_package('openpyxl', 'excel', 'reading Excel files')\n")  # fmt: skip
    result = sw("do", cwd=planned)
    assert result.code == 3
    assert "pip install 'specweave-ml[excel]'" in result.err


def test_validate_lists_what_is_missing_with_the_command_that_brings_it(planned: Path, sw: Sw) -> None:
    result = sw("validate", cwd=planned)
    assert result.code == 1
    for task in range(1, 10):
        assert f"sw do 0001 --task T-00{task}" in result.out
    assert "in the way of 'sw done'" in result.out
    done = sw("done", cwd=planned)
    assert done.code == 1
    # The same path: what one refuses, the other refuses in the same words.
    assert done.out == result.out
    increment = planned / ".specweave" / "increments" / "0001-churn"
    assert not (increment / "COMPLETION-SUMMARY.md").exists()
    assert "status: planned" in (increment / "spec.md").read_text()


def test_an_unknown_command_offers_the_nearest(sw: Sw, tmp_path: Path) -> None:
    result = sw("validte", cwd=tmp_path)
    assert result.code == 2
    assert "no command 'validte': did you mean validate?" in result.err


def test_sw_alone_and_help_are_the_same_page(sw: Sw, tmp_path: Path) -> None:
    assert sw(cwd=tmp_path) == sw("--help", cwd=tmp_path) == sw("-h", cwd=tmp_path)
    page = sw(cwd=tmp_path).out
    assert all(f"  {name}" in page for name in COMMANDS)


def test_colours_are_kept_out_of_pipes_and_where_nobody_wants_them(
    planned: Path, sw: Sw, sw_process: Sw
) -> None:
    for result in (sw("status", "1", cwd=planned), sw("status", "9", cwd=planned)):
        assert "\x1b[" not in result.out + result.err
    from specweave.cli.output import colours

    class Terminal:
        def isatty(self) -> bool:
            return True

    import os

    kept = os.environ.pop("NO_COLOR", None)
    try:
        assert colours(Terminal())
        os.environ["NO_COLOR"] = "1"
        assert not colours(Terminal())
    finally:
        os.environ.pop("NO_COLOR", None)
        if kept is not None:
            os.environ["NO_COLOR"] = kept


def test_a_terminal_that_knows_no_unicode_still_gets_its_answer(planned: Path, sw_process: Sw) -> None:
    result = sw_process("validate", cwd=planned, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert result.code == 1
    assert "Traceback" not in result.err and "internal" not in result.err
    assert "T-001" in result.out


def test_a_defect_is_said_to_be_one_without_a_traceback(
    planned: Path, sw: Sw, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command that breaks: plugged in as a new command would be.
    monkeypatch.setitem(COMMANDS, "broken", ("specweave.no_such_module", "A command that breaks."))
    result = sw("broken", cwd=planned)
    assert result.code == 1
    assert "this is a defect of specweave" in result.err and "--debug" in result.err
    assert "Traceback" not in result.err


def test_help_and_import_load_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\n{what}\n"
        "heavy = {{'numpy', 'pandas', 'sklearn', 'scipy', 'matplotlib', 'torch', 'ruamel', 'rich', 'msgspec'}}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    calls = ("import specweave; dir(specweave)", "from specweave.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass")  # fmt: skip
    for what in calls:
        done = subprocess.run(
            [sys.executable, "-c", code.format(what=what)], capture_output=True, text=True, cwd=tmp_path, check=True
        )  # fmt: skip
        assert done.stderr.strip() == "[]", what


def test_loading_every_command_loads_no_numpy() -> None:
    modules = "; ".join(f"import {module}" for module, _ in COMMANDS.values())
    code = f"import sys; {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
