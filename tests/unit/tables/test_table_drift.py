from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from specweave.files.store import render_json
from specweave.tables.drift import check_drift
from specweave.tables.kinds import infer_kinds

N = 2000


def table(seed: int, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "plan": rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2]),
            "flag": rng.choice(["Yes", "No"], n),
            "day": pd.to_datetime("2020-01-01") + pd.to_timedelta(rng.integers(0, 365, n), "D"),
            "key": [f"K{seed}-{at}" for at in range(n)],
        }
    )


REFERENCE = table(0)
KINDS = infer_kinds(REFERENCE)


def drift(current: pd.DataFrame) -> dict[str, dict[str, Any]]:
    found = check_drift(REFERENCE, current, KINDS)
    render_json(found)
    return {entry["column"]: entry for entry in found}


@pytest.mark.parametrize("n", [20, 200, 5000])
def test_a_fresh_sample_of_the_same_source_shows_no_drift(n: int) -> None:
    found = drift(table(1, n))
    assert {entry["level"] for entry in found.values()} == {"none"}
    assert set(found) == {"x", "plan", "flag", "day"}  # keys are skipped


def test_a_shifted_mean_is_found_with_its_size() -> None:
    current = table(1)
    current["x"] += 1.0
    found = drift(current)["x"]
    assert found["level"] == "large"
    assert found["shift"] == pytest.approx(1.0, abs=0.1)
    assert found["effect"] == pytest.approx(stats.ks_2samp(REFERENCE["x"], current["x"]).statistic)
    assert found["p_value"] < 1e-6


def test_psi_agrees_with_its_definition_on_levels() -> None:
    current = table(1).assign(plan=np.repeat(["a", "b", "c"], [400, 600, 1000]))
    found = drift(current)["plan"]
    a = REFERENCE["plan"].value_counts(normalize=True).sort_index().to_numpy()
    b = np.asarray([0.2, 0.3, 0.5])
    chance = 2 * (1 / N + 1 / N)
    assert found["psi"] == pytest.approx(np.sum((b - a) * np.log(b / a)) - chance)
    counts = np.asarray([a * N, b * N])
    chi_square = stats.chi2_contingency(counts).statistic
    assert found["effect"] == pytest.approx(np.sqrt(chi_square / (2 * N)))
    assert found["level"] == "large"


def test_new_levels_and_new_gaps_are_reported() -> None:
    current = table(1)
    current.loc[:599, "plan"] = "gold"
    current.loc[:999, "x"] = np.nan
    found = drift(current)
    assert found["plan"]["new_levels"] == ["gold"] and found["plan"]["new_share"] == 0.3
    assert found["plan"]["level"] == "large"
    assert found["x"]["missing_change"] == 0.5 and found["x"]["level"] == "large"


def test_the_furthest_moved_column_comes_first_and_time_moves_on() -> None:
    current = table(1)
    current["day"] += pd.Timedelta(days=400)
    found = check_drift(REFERENCE, current, KINDS)
    assert (found[0]["column"], found[0]["level"], found[0]["effect"]) == ("day", "large", 1.0)


def test_columns_without_values_and_lacking_columns_do_no_harm() -> None:
    current = table(1).drop(columns="flag").assign(x=np.nan)
    found = drift(current)
    assert "flag" not in found
    assert found["x"]["level"] == "large" and found["x"]["missing_current"] == 1.0
    assert drift(table(1).head(0))["x"]["level"] == "none"
