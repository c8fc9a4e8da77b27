"""A record that is valid JSON but not what its task writes: one error with file, key and remedy, in every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from built_increment import build_evaluated, build_project

from specweave.increments.project import Increment

Sw = Callable[..., Any]
COMMANDS = (("validate",), ("done",), ("review",), ("sync-docs",), ("ci", "--all"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("damaged") / "project"
    folder = build_evaluated(build_project(root)).folder
    for path in [p for p in folder.rglob("*") if p.suffix in (".json", ".yaml") and p.read_text() == "made"]:
        path.unlink()
    return root


def damage(root: Path, change: Callable[[dict[str, Any]], object]) -> tuple[Path, bytes]:
    path = Increment(next((root / ".specweave" / "increments").iterdir())).folder / "reports/evaluation.json"
    original = path.read_bytes()
    body = json.loads(original)
    change(body)
    path.write_text(json.dumps(body))
    return path, original


CHANGES: list[tuple[str, Callable[[dict[str, Any]], object]]] = [
    ("'experiment' is missing", lambda b: b.pop("experiment")),
    ("'metrics' is missing", lambda b: b.pop("metrics")),
    ("'metrics[0].value' is missing", lambda b: b["metrics"][0].pop("value")),
    ("'metrics'", lambda b: b.update(metrics="x")),
    ("'decision'", lambda b: b.update(decision=[])),
    ("'n_holdout'", lambda b: b.update(n_holdout=None)),
    ("kind 'evaluation'", lambda b: b.pop("kind")),
    ("no integer 'schema'", lambda b: b.update(schema="1")),
]


@pytest.mark.parametrize(("says", "change"), CHANGES, ids=[c[0] for c in CHANGES])
def test_a_malformed_evaluation_is_named_with_its_key_and_remedy(
    root: Path, sw: Sw, says: str, change: Callable[[dict[str, Any]], object]
) -> None:
    path, original = damage(root, change)
    try:
        for command in COMMANDS:
            result = sw(*command, cwd=root)
            text = result.out + result.err
            assert result.code == (1 if command[0] == "ci" else 2), (command, text)
            assert says in text and "evaluation.json" in text, (command, text)
            assert "Traceback" not in text and "defect" not in text, (command, text)
            assert command[0] == "ci" or "sw do --task T-006 --force" in text, (command, text)
        assert "evaluation.json" in sw("status", cwd=root).out.replace("\n", "")
    finally:
        path.write_bytes(original)
