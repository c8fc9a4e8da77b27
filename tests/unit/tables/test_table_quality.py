from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.records import Finding
from specweave.tables.kinds import infer_kinds
from specweave.tables.profile import make_profile
from specweave.tables.quality import check_quality, leak_columns

N = 300
RNG = np.random.default_rng(1)
GOOD = {"x": RNG.normal(size=N), "y": np.where(RNG.random(N) < 0.4, "Yes", "No")}


def findings(columns: dict[str, Any], target: str | None = "y", **options: Any) -> list[Finding]:
    frame = pd.DataFrame(columns)
    kinds = infer_kinds(frame, target=target)
    profile = make_profile(frame, kinds, target=target, task=options.get("task"))
    return check_quality(profile, **options)


def severities(found: list[Finding]) -> dict[tuple[str, str], str]:
    return {(f.code, f.where): f.severity for f in found}


def test_a_sound_table_raises_no_doubt() -> None:
    assert findings(GOOD) == []


DAYS = pd.date_range("2020-01-01", periods=12).strftime("%d-%m-%Y")


@pytest.mark.parametrize(
    ("values", "code", "severity"),
    [
        (np.where(RNG.random(N) < 0.1, np.nan, RNG.normal(size=N)), "SW201", "info"),
        (np.where(RNG.random(N) < 0.7, np.nan, RNG.normal(size=N)), "SW201", "warning"),
        ([None] * N, "SW202", "warning"),
        (["a"] * N, "SW203", "info"),
        ([f"level {RNG.integers(80)}" for _ in range(N)], "SW205", "info"),
        ([f"K{at:05d}" for at in range(N)], "SW206", "info"),
        (np.where(GOOD["y"] == "Yes", 1, 0), "SW207", "error"),
        (np.concatenate([RNG.normal(size=N - 10), np.full(10, 50.0) + RNG.random(10)]), "SW208", "info"),
        (np.exp(3 * RNG.normal(size=N)), "SW209", "info"),
        (np.concatenate([RNG.normal(size=N - 1), [np.inf]]), "SW210", "warning"),
        ([*(str(at / 7) for at in range(N - 5)), *["many"] * 5], "SW211", "warning"),
        (np.resize(DAYS.to_numpy(), N), "SW215", "warning"),
        (pd.date_range("2020-01-01", periods=N), "SW215", "info"),
        (GOOD["x"] * 2 + RNG.normal(0, 0.01, N), "SW218", "info"),
    ],
)
def test_each_doubt_about_a_column_has_its_code(values: Any, code: str, severity: str) -> None:
    found = findings({**GOOD, "z": values})
    where = "x" if code == "SW218" else "z"
    assert severities(found).get((code, where)) == severity
    (hit,) = [f for f in found if (f.code, f.where) == (code, where)]
    assert hit.message and hit.advice and hit.evidence


@pytest.mark.parametrize(
    ("y", "options", "code", "severity"),
    [
        ([*["a"] * (N - 1), "b"], {}, "SW213", "error"),
        ([*["a"] * (N - 3), *["b"] * 3], {}, "SW213", "warning"),
        ([*["a"] * (N - 12), *["b"] * 12], {}, "SW212", "warning"),
        ([*["a"] * (N - 50), *["b"] * 50], {}, "SW212", "info"),
        ([f"v{at}" for at in range(N)], {}, "SW213", "error"),
        (["a"] * N, {}, "SW216", "error"),
        ([5] * N, {"task": "regression"}, "SW216", "error"),
        ([*["a"] * 150, *["b"] * 149, None], {}, "SW217", "warning"),
        ([*RNG.normal(size=N - 1), np.inf], {"task": "regression"}, "SW217", "warning"),
        (np.exp(2 * RNG.normal(size=N)), {"task": "regression"}, "SW209", "info"),
    ],
)
def test_each_doubt_about_the_target_has_its_code(
    y: Any, options: dict[str, Any], code: str, severity: str
) -> None:
    assert severities(findings({"x": GOOD["x"], "y": y}, **options)).get((code, "y")) == severity


def test_doubts_about_the_whole_table() -> None:
    small = {"x": [1.5, 2.5, 1.5, 7.5], "y": ["a", "b", "a", "b"]}
    found = severities(findings(small))
    assert found[("SW214", "")] == "error"
    assert found[("SW204", "")] == "warning"
    wide = {f"f{at}": RNG.normal(size=50) for at in range(60)} | {"y": ["a", "b"] * 25}
    assert severities(findings(wide))[("SW219", "")] == "warning"


def test_the_grave_ones_come_first_and_many_alike_become_one() -> None:
    constants = {f"c{at}": ["same"] * N for at in range(9)}
    found = findings({**GOOD, **constants, "copy": GOOD["y"]})
    assert found[0].code == "SW207"
    (group,) = [f for f in found if f.code == "SW203"]
    assert group.where == "" and list(group.evidence["columns"]) == list(constants)


def test_only_error_level_leaks_are_left_out() -> None:
    a, b = RNG.integers(0, 100, N), RNG.integers(0, 100, N)
    found = findings({"a": a, "b": b, "x": GOOD["x"], "y": a + b}, task="regression")
    left_out = leak_columns(found)
    assert list(left_out) == ["a", "b"]
    assert all("y = a + b" in reason for reason in left_out.values())
    near = np.where(GOOD["y"] == "Yes", 8.0, 0.0) + RNG.normal(size=N)
    near[0] = 8.0 if GOOD["y"][0] == "No" else 0.0
    near[1] = 8.0 if GOOD["y"][1] == "No" else 0.0
    suspicious = findings({**GOOD, "near": near})
    assert severities(suspicious)[("SW220", "near")] == "warning"
    assert leak_columns(suspicious) == {}
