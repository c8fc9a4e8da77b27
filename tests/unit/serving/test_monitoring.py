"""Watching a packaged model on new rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.files.store import load_record, save_record
from specweave.serving.monitoring import monitor_package, save_monitoring


def codes(record: dict[str, object]) -> list[str]:
    return [f["code"] for f in record["findings"]]


def test_rows_like_those_of_training_raise_no_alarm(copied: Path, newer: pd.DataFrame) -> None:
    record = monitor_package(copied, newer.drop(columns="churn"))
    assert [f for f in record["findings"] if f["severity"] != "info"] == []
    assert {d["column"] for d in record["drift"]} == {"tenure", "contract", "charge"}
    assert record["performance"] is None
    json.dumps(record)


def test_a_column_that_moved_is_named_first(copied: Path, newer: pd.DataFrame) -> None:
    record = monitor_package(copied, newer.assign(tenure=newer["tenure"] + 40))
    assert record["drift"][0]["column"] == "tenure"
    named = [f["where"] for f in record["findings"] if f["code"] == "SW711"]
    assert "tenure" in named and "charge" not in named
    assert "SW714" in codes(record)


def test_new_levels_and_gaps_are_told(copied: Path, newer: pd.DataFrame) -> None:
    changed = newer.copy()
    changed.loc[:100, "contract"] = "forever"
    changed.loc[::2, "charge"] = np.nan
    found = {f["code"]: f["where"] for f in monitor_package(copied, changed)["findings"]}
    assert found["SW712"] == "contract" and found["SW713"] == "charge"


def test_performance_is_measured_where_the_truth_is_in_the_batch(copied: Path, newer: pd.DataFrame) -> None:
    good = monitor_package(copied, newer)
    (measured,) = good["performance"]
    assert measured["metric"] == "roc_auc" and measured["then"] == 0.9
    assert measured["now"] > 0.85 and "SW715" not in codes(good)
    flipped = newer.assign(churn=newer["churn"].map({"Yes": "No", "No": "Yes"}))
    bad = monitor_package(copied, flipped)
    assert bad["performance"][0]["now"] == pytest.approx(1 - measured["now"])
    assert bad["findings"][0]["code"] == "SW715" and bad["findings"][0]["severity"] == "error"


def test_a_few_values_beyond_the_range_are_no_alarm_and_many_are(copied: Path, newer: pd.DataFrame) -> None:
    few, many = newer.copy(), newer.copy()
    few.loc[:3, "charge"] = 500.0
    many.loc[:60, "charge"] = 500.0
    severity = {
        name: next(f["severity"] for f in monitor_package(copied, rows)["findings"] if f["code"] == "SW225")
        for name, rows in (("few", few), ("many", many))
    }
    assert severity == {"few": "info", "many": "warning"}


def test_few_rows_are_said_to_be_few(copied: Path, newer: pd.DataFrame) -> None:
    assert "SW716" in codes(monitor_package(copied, newer.head(20)))


def test_an_empty_batch_is_refused(copied: Path, newer: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no rows"):
        monitor_package(copied, newer.head(0))


def test_settings_that_a_person_changed_are_kept_and_heeded(copied: Path, newer: pd.DataFrame) -> None:
    path = copied / "monitoring" / "config.yaml"
    body = load_record(path, "monitoring", 1)
    save_record(path, "monitoring", 1, {**body, "few_rows": 5})
    save_monitoring(copied / "monitoring", newer.drop(columns="churn"))
    assert load_record(path, "monitoring", 1)["few_rows"] == 5
    assert "SW716" not in codes(monitor_package(copied, newer.head(20)))


def test_the_packages_own_check_runs_alone_and_says_it_by_its_exit_status(
    copied: Path, newer: pd.DataFrame, tmp_path: Path
) -> None:
    batch = tmp_path / "batch.csv"
    newer.assign(tenure=newer["tenure"] + 40).to_csv(batch, index=False)
    done = subprocess.run(
        [sys.executable, str(copied / "monitoring" / "check.py"), str(batch)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "SW711" in codes(json.loads(done.stdout))
