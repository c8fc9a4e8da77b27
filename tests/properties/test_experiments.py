"""What must hold of experiments whatever is thrown at them."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.errors import DataError
from specweave.experiments.history import load_history, parse_history
from specweave.experiments.names import FOLDER, clean_name, file_name, folder_name, split_name
from specweave.experiments.store import ExperimentStore
from specweave.experiments.values import metric_value, param_value
from specweave.experiments.where import parse_where

letters = st.characters(exclude_categories=["Cs"])
metric_names = st.text(letters, min_size=1, max_size=20).filter(lambda text: bool(text.strip()))
numbers = st.one_of(st.floats(), st.integers(-(2**53), 2**53))
calls = st.lists(st.tuples(metric_names, numbers, st.one_of(st.none(), st.integers(-5, 10**9))), max_size=15)


def same(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or a == b


@given(calls)
@settings(max_examples=40, deadline=None)
def test_what_is_logged_is_what_is_read_in_the_same_order(
    logged: list[tuple[str, float, int | None]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = ExperimentStore(Path(folder))
        with store.create("x") as run:
            for name, value, step in logged:
                run.log_metric(name, value, step=step)
        lines, damaged = load_history(run.folder)
        assert damaged == 0
        assert [(next(iter(line.values)), line.step) for line in lines] == [(n, s) for n, _, s in logged]
        assert all(
            same(next(iter(line.values.values())), v) for line, (_, v, _) in zip(lines, logged, strict=True)
        )
        last = {name: value for name, value, _ in logged}
        found = store.get("x").metrics
        assert set(found) == set(last) and all(same(found[n], last[n]) for n in last)


@given(st.binary(max_size=400), st.integers(0, 400))
def test_no_damage_to_a_history_stops_the_reader(noise: bytes, cut: int) -> None:
    good = b'{"step":1,"time":2.0,"values":{"a":0.5}}\n' * 4
    lines, _ = parse_history(good[:cut] + b"\n" + noise + b"\n" + good)
    assert [line.values for line in lines][-4:] == [{"a": 0.5}] * 4


@given(st.text(max_size=400))
def test_any_name_is_a_safe_folder_or_refused(name: str) -> None:
    try:
        slug = clean_name(name)
    except DataError:
        return
    assert clean_name(slug) == slug
    assert "/" not in slug and "\\" not in slug and slug not in (".", "..") and "\x00" not in slug
    assert len(folder_name(1, slug).encode()) <= 255
    assert FOLDER.match(folder_name(1, slug))
    _, rest = split_name(name)
    assert FOLDER.match(folder_name(7, rest))


@given(st.text(max_size=300))
def test_any_file_name_stays_inside_or_is_refused(name: str) -> None:
    try:
        found = file_name(name)
    except DataError:
        return
    home = Path("/home/run")
    assert (home / found).resolve().is_relative_to(home)


plain_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(letters, max_size=10)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(letters, max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(plain_values)
def test_params_of_plain_values_are_kept_and_always_legal_json(value: Any) -> None:
    found, kept = param_value(value)
    assert kept
    json.loads(json.dumps(found, allow_nan=False))
    assert param_value(found) == (found, True)


@given(
    st.one_of(
        numbers, st.booleans(), st.text(max_size=5), st.none(), st.complex_numbers(), st.binary(max_size=3)
    )
)
def test_a_metric_is_a_number_or_refused(value: Any) -> None:
    try:
        found = metric_value("m", value)
    except DataError:
        assert not isinstance(value, bool | int | float)
        return
    assert type(found) in (int, float)
    assert same(found, float(value))


@given(st.text(alphabet="abm.>=<!~() '\"0.5andornotetrics@\\", max_size=40))
def test_any_text_is_a_filter_or_refused(text: str) -> None:
    try:
        parse_where(text)
    except DataError as error:
        said = str(error)
    else:
        return
    assert "^" in said
