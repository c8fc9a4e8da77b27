"""The house: layers, size, what can be imported, what is written above it."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import specweave
from specweave import registry

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "specweave"
FILES = sorted(p for p in SOURCE.rglob("*.py") if "templates" not in p.relative_to(SOURCE).parts)
NAMES = [p.relative_to(SOURCE).as_posix() for p in FILES]

# Longer than 400 lines, and why that is one idea.
LONG = {
    "experiments/run.py": "one class with the methods that the contract lists",
    "integrations/frameworks/torch.py": "one class with the methods that the contract lists",
}
# Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "core", "misc"}


def test_the_import_contracts_are_kept() -> None:
    code = "import sys; from importlinter.cli import lint_imports_command; sys.argv = ['lint-imports', '--no-cache']; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_every_problem_type_is_held_to_know_only_its_base() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    apart = next(c for c in settings["contracts"] if c["type"] == "independence")["modules"]
    assert set(apart) == {value.partition(":")[0] for value in registry.TABLES["problems"].values()}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_short_named_for_its_idea_and_says_what_it_never_does(name: str) -> None:
    text = (SOURCE / name).read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= 400 or (name in LONG and lines <= 700), (
        f"{name} has {lines} lines: look for the second idea"
    )
    assert Path(name).stem not in EMPTY_NAMES
    tree = ast.parse(text)
    told = ast.get_docstring(tree) or ""
    assert told, "the module has a docstring"
    short = name.endswith(("__init__.py", "__main__.py")) or name.startswith("cli/commands/")
    if not short and name != "errors.py":
        assert re.search(r"^(Reads|Writes|Reads and writes)\b", told, re.M), (
            "it says what it reads and writes"
        )
        assert "Never" in told, "it says what it never does"


@pytest.mark.parametrize("name", NAMES)
def test_nobody_imports_through_the_package_root_or_catches_everything(name: str) -> None:
    tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "specweave":
            assert {a.name for a in node.names} <= {"registry", "__version__"}, f"line {node.lineno}"
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"a bare except on line {node.lineno}"


def test_long_files_that_became_short_leave_the_list() -> None:
    known = {n: (SOURCE / n).read_text(encoding="utf-8").count("\n") for n in LONG if (SOURCE / n).exists()}
    assert not [n for n, lines in known.items() if lines <= 400]


@pytest.mark.parametrize("name", sorted(specweave._NAMES))
def test_every_public_name_can_be_imported_and_says_what_it_is(name: str) -> None:
    try:
        found = getattr(specweave, name)
    except specweave.MissingExtraError as error:
        pytest.skip(str(error))
    told = inspect.getdoc(found) or ""
    assert told, f"{name} has no docstring"
    module = specweave._NAMES[name]
    # Defined where the table says, so that the table reads as a map.
    assert getattr(found, "__module__", module) == module
    if inspect.isclass(found):
        public = [n for n, v in vars(found).items() if callable(v) and not n.startswith("_")]
        undocumented = [n for n in public if not inspect.getdoc(getattr(found, n))]
        assert not undocumented, f"{name}: {undocumented} have no docstring"


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'no_such_name'"):
        getattr(specweave, "no_such_name")  # noqa: B009 (as a person would hit it)
    assert set(specweave._NAMES) <= set(dir(specweave))


@pytest.mark.parametrize(
    ("table", "name"), [(t, n) for t, entries in registry.TABLES.items() for n in entries], ids=str
)
def test_every_registered_entry_exists(table: str, name: str) -> None:
    module, _, attribute = registry.TABLES[table][name].partition(":")
    assert hasattr(importlib.import_module(module), attribute)


EXAMPLES = [
    n
    for n, p in zip(NAMES, FILES, strict=True)
    if re.search(r"^ *>>> (?!.*\+SKIP)", p.read_text(encoding="utf-8"), re.M)
]


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_in_docstrings_run(name: str) -> None:
    module = importlib.import_module("specweave." + name.removesuffix(".py").replace("/", "."))
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


def test_nothing_of_this_machine_is_written_down() -> None:
    here = re.compile(r"/(?:home|root|Users|work)/[a-z]")
    for path in FILES:
        assert not here.search(path.read_text(encoding="utf-8")), path
