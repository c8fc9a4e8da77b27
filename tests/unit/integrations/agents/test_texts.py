"""What agents are told is true: every command shown parses, every name shown can be imported."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest

from specweave.cli.group import cli
from specweave.errors import MissingExtraError
from specweave.files.documents import Document
from specweave.integrations.agents.installing import install_agents, known_agents
from specweave.integrations.agents.texts import skills

AGENTS = [name for name in known_agents() if name != "github-actions"]
_LINE = re.compile(r"^\s*(?:\$ )?(sw .*)$", re.M)
_INLINE = re.compile(r"`(sw [^`\n]+)`")


def texts() -> dict[str, str]:
    """Return every text that an agent gets, by the file it is written to."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        install_agents(root, AGENTS, server=True)
        return {
            p.relative_to(root).as_posix(): p.read_text(encoding="utf-8")
            for p in sorted(root.rglob("*")) if p.is_file() and p.suffix in (".md", ".mdc")
        }  # fmt: skip


TEXTS = texts()


def commands_of(text: str) -> list[str]:
    """Return the ``sw`` lines of fenced blocks and the ``sw`` calls between backticks."""
    blocks = [f.body for f in Document(text).fences() if f.language in ("bash", "sh", "console", "")]
    lines = [line for block in blocks for line in _LINE.findall(block)]
    return [*lines, *_INLINE.findall(text)]


def check_parses(line: str) -> None:
    """Raise where click would refuse the line; a bare name of a command is fine."""
    words = shlex.split(line.partition(" #")[0])[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="sw")
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"there is no command '{name}' in: {line}"
        command = found
        context = click.Context(command, info_name=name, parent=context)
    if words:
        command.make_context(command.name, words, parent=context.parent)


PAGE = Path(__file__).resolve().parents[4] / "docs/agents.md"
SHOWN = sorted({x for text in (*TEXTS.values(), PAGE.read_text(encoding="utf-8")) for x in commands_of(text)})


def test_the_texts_show_the_whole_job() -> None:
    assert len(SHOWN) > 30
    verbs = {line.split()[1] for line in SHOWN}
    assert verbs >= {
        "inc",
        "do",
        "validate",
        "done",
        "status",
        "sync-docs",
        "exp",
        "model",
        "predict",
        "github",
    }


@pytest.mark.parametrize("line", SHOWN)
def test_every_command_that_an_agent_is_shown_exists(line: str) -> None:
    check_parses(line)


def test_the_check_of_commands_refuses_what_does_not_exist() -> None:
    with pytest.raises(AssertionError, match="no command 'dance'"):
        check_parses("sw dance")
    with pytest.raises(click.UsageError):
        check_parses("sw do --no-such-option")


@pytest.mark.parametrize("name", [s.name for s in skills()])
def test_every_name_that_a_skill_imports_exists(name: str) -> None:
    text = next(s for s in skills() if s.name == name).body
    for block in Document(text).fences("python"):
        for node in ast.walk(ast.parse(block.body)):
            if not isinstance(node, ast.ImportFrom):
                continue
            assert node.module
            module = importlib.import_module(node.module)
            for alias in node.names:
                try:
                    getattr(module, alias.name)
                except MissingExtraError:
                    continue


@pytest.mark.parametrize("path", sorted(TEXTS))
def test_names_of_commands_are_written_as_the_agent_knows_them(path: str) -> None:
    text = TEXTS[path]
    if path.startswith((".claude/", "CLAUDE.md", "GEMINI.md", ".gemini/")):
        assert not re.search(r"[$/]sw-[a-z]", text)
    else:
        assert "/sw:" not in text
    if not path.startswith(".claude/"):
        assert "$ARGUMENTS" not in text
