from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.tables.kinds import ColumnKind, as_kind, infer_kinds

N = 200
RNG = np.random.default_rng(0)
LEVELS = ["Adelie", "Gentoo", "Chinstrap"]


def kind_of(values: object, name: str = "x", **options: object) -> ColumnKind:
    return infer_kinds(pd.DataFrame({name: values}), **options)[name]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (RNG.normal(size=N), "numeric"),
        (RNG.permutation(N * 7)[:N], "numeric"),
        (RNG.integers(0, 5, N), "numeric"),
        (RNG.integers(0, 2, N), "boolean"),
        ([0.0, 1.0, np.nan] * 60, "boolean"),
        ([True, False] * 100, "boolean"),
        (["Yes", "No"] * 100, "boolean"),
        (["t", "f", None] * 60, "boolean"),
        (RNG.choice(LEVELS, N), "category"),
        (["Yes", "No", "No service"] * 60, "category"),
        (["None", "Stone"] * 100, "category"),
        ([f"{a} {b} and {c} more words" for a in "abcdefgh" for b in "ijklmno" for c in "pqr"], "text"),
        (pd.date_range("2020-01-01", periods=N), "datetime"),
        (pd.date_range("2020-01-01", periods=N).strftime("%d/%m/%Y"), "datetime"),
        (pd.date_range("2020-01-01", periods=N).strftime("%Y%m%d").astype(int), "datetime"),
        (np.arange(N), "identifier"),
        (np.arange(N) + 100, "identifier"),
        ([f"{n:04d}-ABCD" for n in range(N)], "identifier"),
        (["same"] * N, "constant"),
        ([7] * N, "constant"),
        ([None] * N, "empty"),
        ([" ", "?"] * 100, "empty"),
        ([np.nan] * N, "empty"),
        ([str(n / 7) for n in range(N)], "numeric"),
        (["x", None] * 100, "category"),
        ([5.0, np.nan] * 100, "numeric"),
    ],
)
def test_a_column_is_known_by_its_values(values: object, kind: str) -> None:
    assert kind_of(values).kind == kind


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("customerID", RNG.permutation(N * 9)[:N], "identifier"),
        ("PID", RNG.permutation(N * 9)[:N], "identifier"),
        ("PolicyNumber", RNG.permutation(N * 9)[:N], "identifier"),
        ("paid", RNG.permutation(N * 9)[:N], "numeric"),
        ("RepNumber", RNG.integers(1, 17, N), "numeric"),
        ("store_id", RNG.integers(1, 17, N), "category"),
        ("MS.SubClass", RNG.choice([20, 30, 60, 120], N), "category"),
        ("customer_id", [f"{n:05d}" for n in RNG.integers(0, 150, N)], "identifier"),
        ("year", np.arange(1820, 1820 + N), "numeric"),
        ("timestamp", 874724710 + RNG.permutation(N) * 1000, "datetime"),
        ("Time", RNG.permutation(N * 9)[:N], "numeric"),
        ("amount", 874724710 + RNG.permutation(N) * 1000, "numeric"),
        ("zip_code", RNG.choice(["01234", "99999", "55555"], N), "category"),
    ],
)
def test_a_name_helps_only_where_the_values_agree(name: str, values: object, kind: str) -> None:
    assert kind_of(values, name).kind == kind


def test_numbers_among_a_few_words_are_numeric() -> None:
    values = [str(n / 3) for n in range(97)] + ["unknown", "n.k.", "-"]
    assert kind_of(values).kind == "numeric"
    assert kind_of(values[:80] + ["a", "b"] * 10).kind == "category"


def test_day_first_is_decided_by_all_values_and_kept_as_the_format() -> None:
    dates = pd.date_range("2010-02-05", periods=60, freq="7D").strftime("%d-%m-%Y")
    assert kind_of(dates).format == "%d-%m-%Y"
    early = kind_of(["01-02-2010", "03-04-2010"] * 20)
    assert early.kind == "datetime" and early.note.startswith("ambiguous")


def test_declared_identifiers_and_time_are_believed() -> None:
    frame = pd.DataFrame({"who": ["a", "b"] * 50, "when": 874724710 + np.arange(100), "step": np.arange(100)})
    kinds = infer_kinds(frame, identifiers=["who"], time="when")
    assert kinds["who"].kind == "identifier"
    assert (kinds["when"].kind, kinds["when"].format) == ("datetime", "unix-s")
    assert infer_kinds(frame, time="step")["step"].kind == "numeric"


def test_the_target_is_never_an_identifier() -> None:
    assert kind_of(np.arange(N), "id", target="id").kind == "numeric"
    assert kind_of([f"c{n}" for n in range(N)], "y", target="y").kind == "category"


def test_kinds_do_not_depend_on_the_text_dtype() -> None:
    frame = pd.DataFrame(
        {"a": RNG.choice(LEVELS, N), "b": [f"k{n}" for n in range(N)], "c": ["Yes", "No"] * 100}
    )
    other = frame.astype({"a": "string", "b": "category", "c": "string"})
    assert infer_kinds(frame) == infer_kinds(other)


def test_a_large_table_is_judged_by_a_sample_but_constants_by_every_row() -> None:
    n = 250_000
    late = np.zeros(n)
    late[1] = 1.5
    frame = pd.DataFrame({"late": late, "key": np.arange(n), "word": np.where(np.arange(n) % 2, "a", "b")})
    assert {k: v.kind for k, v in infer_kinds(frame).items()} == {
        "late": "numeric", "key": "identifier", "word": "category",
    }  # fmt: skip


def test_a_kind_is_read_from_a_name_or_a_mapping() -> None:
    assert as_kind("numeric") == ColumnKind(kind="numeric")
    assert as_kind({"kind": "datetime", "format": "%Y", "action": "dates"}).format == "%Y"
    with pytest.raises(DataError, match="'number' is no kind of column"):
        as_kind("number")
