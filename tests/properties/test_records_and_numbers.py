"""Criteria, JSON and YAML come back as they were written; a number is never given twice."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from specweave.errors import SpecError
from specweave.files.store import digest, load_json, number, plain, render_json, save_json
from specweave.files.yamlio import parse_yaml, render_yaml
from specweave.increments.criteria import Criterion, parse_criteria, parse_criterion, split_parts
from specweave.metrics.base import find_metric, metric_table

# A busy machine is slow; that is no property of a record.
calm = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = sorted(n for n, m in metric_table().items() if "@" not in n)


@st.composite
def criteria(draw: st.DrawFn) -> str:
    """Return a valid criterion as a person may write it."""
    metric = find_metric(draw(st.sampled_from(NAMES)))
    name = draw(st.sampled_from([metric.name, metric.label, *metric.aliases, metric.label.upper()]))
    value = draw(st.floats(0.0001, 0.9999).map(lambda v: round(v, 4)))
    if metric.best is None:
        value = round(value * draw(st.sampled_from([1, 100, 10_000])), 4)
    text = f"{name} {draw(st.sampled_from(['>', '>=', '<', '<=', '=', '≥', '≤']))} {value:,}"
    text += draw(st.sampled_from(["", f" {metric.unit}" if metric.unit else ""]))
    if draw(st.booleans()):
        text += f' where `{draw(st.sampled_from(["a", "a b", "a, b"]))}` == "{draw(st.sampled_from(["x", "x y", "1,5"]))}"'
    if draw(st.booleans()):
        text += f" with {draw(st.sampled_from([80, 90, 95, 99.9]))}% confidence"
    return text


@calm
@given(st.lists(criteria(), min_size=1, max_size=4))
@example(["Cohen's kappa > 0.5", "accuracy > 0.5"])
def test_criteria_read_alike_alone_and_in_a_row(texts: list[str]) -> None:
    alone = [parse_criterion(text) for text in texts]
    assert parse_criteria(", ".join(texts)) == alone
    assert split_parts("; ".join(texts)) == texts
    # What is kept as the criterion's text reads as the same criterion again.
    assert [parse_criterion(c.text) for c in alone] == alone


@calm
@given(st.text(max_size=60))
def test_any_text_is_a_criterion_or_a_clear_error(text: str) -> None:
    error: SpecError | None = None
    found: list[Criterion] = []
    try:
        found = parse_criteria(text, where="spec.md", line=3)
    except SpecError as caught:
        error = caught
    assert error is None or (error.where == "spec.md:3" and error.hint)
    assert all(c.kind in ("absolute", "relative", "evidence") for c in found)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def same(a: Any, b: Any) -> bool:
    """Compare with NaN equal to itself, and its words equal to it."""
    if isinstance(a, float) and isinstance(number(b), float):
        return a == number(b) or (math.isnan(a) and math.isnan(number(b)))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


@calm
@given(PLAIN)
def test_json_comes_back_and_is_legal_and_stable(value: Any) -> None:
    text = render_json(value)
    assert text.endswith("\n")
    back = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert same(value, back)
    assert render_json(back) == text
    assert digest(value) == digest(back)


@calm
@given(st.dictionaries(st.text("abc_", min_size=1, max_size=6), PLAIN, max_size=5))
@example({"_": [{":0": None}]})
def test_yaml_comes_back(value: dict[str, Any]) -> None:
    printable = re.compile(r"[^\x20-\x7e\xa1-\u02ff]")

    def clean(node: Any) -> Any:
        if isinstance(node, str):
            return printable.sub("", node)
        if isinstance(node, dict):
            return {clean(k): clean(v) for k, v in node.items()}
        return [clean(v) for v in node] if isinstance(node, list) else node

    wanted = clean(value)
    assert same(plain(wanted), parse_yaml(render_yaml(wanted), where="x"))


def test_json_on_disk_replaces_the_file_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save_json(path, {"b": float("nan"), "a": 0.1 + 0.2})
    assert path.read_text() == '{\n  "a": 0.30000000000000004,\n  "b": "NaN"\n}\n'
    assert load_json(path) == {"a": 0.1 + 0.2, "b": "NaN"}
    with pytest.raises(TypeError):
        save_json(path, {"a": Unprintable()})
    assert load_json(path)["b"] == "NaN"
    assert os.listdir(tmp_path) == ["a.json"]


class Unprintable:
    """A value that no record can hold."""

    def __str__(self) -> str:
        raise TypeError("no")


CLAIM = """
import sys
from pathlib import Path
from specweave.errors import StateError
from specweave.increments.project import Project
project = Project(Path(sys.argv[1]))
sys.stdin.readline()
for i in range(12):
    print(project.new_increment(f"predict thing {sys.argv[2]} {i}").id)
for number in range(100, 106):
    try:
        print(project.new_increment(f"{number}-mine-{sys.argv[2]}").id)
    except StateError:
        pass
"""


def test_processes_that_claim_at_once_never_share_a_number(tmp_path: Path) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIM, str(tmp_path), str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(4)
    ]  # fmt: skip
    for worker in workers:  # all have imported what they need when the first is let go
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    given_out = [line for worker in workers for line in worker.communicate(timeout=120)[0].splitlines()]
    assert all(worker.returncode == 0 for worker in workers)
    numbers = [name.partition("-")[0] for name in given_out]
    assert len(numbers) == len(set(numbers))
    folders = [
        f.name for f in (tmp_path / ".specweave" / "increments").iterdir() if not f.name.startswith(".")
    ]
    assert sorted(folders) == sorted(given_out)
    assert len(given_out) > 4 * 12, "some of the explicit numbers were free"
