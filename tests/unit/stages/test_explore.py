"""T-001 on a small increment: what it writes, what it must not look at, and that a second run adds nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, StageError
from specweave.files.store import load_record, sha256_file
from specweave.problems.base import Dataset, Source, Split
from specweave.stages.explore import draw_sample, explore, explore_data, load_profile, profile_findings
from specweave.stages.workspace import open_workspace
from specweave.tables.kinds import infer_kinds
from specweave.tables.schema import check_rows, load_schema

SPEC = """---
id: 0001-sales
title: Sales
status: active
created: 2026-01-01
depends_on: []
---
# Sales

predict the total

## ML Problem Definition
- Problem type: Regression
- Success metrics: RMSE < 5
## Data Requirements
- Training data: sales.csv
- Target: total
- Identifier: order_id
- Validation: random 25% holdout
## Model Requirements
- Latency: <250ms
"""
PLAN = """# Plan

```yaml
split: {folds: 3, seed: 7}
```
"""


def make_sales(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    web, shop = rng.integers(1, 400, n), rng.integers(1, 900, n)
    return pd.DataFrame(
        {
            "order_id": [f"o{i:05d}" for i in range(n)],
            "web": web,
            "shop": shop,
            "weather": np.where(rng.random(n) < 0.1, None, rng.choice(["dry", "wet"], n)),
            "temperature": rng.normal(12, 6, n).round(1),
            "total": web + shop,
        }
    )


def make_increment(root: Path, frame: pd.DataFrame) -> Path:
    folder = root / ".specweave" / "increments" / "0001-sales"
    folder.mkdir(parents=True)
    frame.to_csv(root / "sales.csv", index=False)
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    return folder


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("sales")
    folder = make_increment(root, make_sales())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPECWEAVE_PROJECT", str(root))
        explore_data()
        yield folder


def test_exploring_writes_profile_schema_sample_and_lock(explored: Path) -> None:
    profile = load_profile(explored)
    assert profile["rows"] == 240 and profile["column_count"] == 6
    assert profile["columns"]["weather"]["missing"] == make_sales()["weather"].isna().sum()
    assert profile["split"] == {
        "strategy": profile["split"]["strategy"],
        "train": 180,
        "holdout": 60,
        "folds": 3,
    }
    lock = load_record(explored / "data" / "data.lock.yaml", "data-lock", 1)
    data = explored.parents[2] / "sales.csv"
    assert (lock["path"], lock["bytes"], lock["sha256"], lock["rows"]) == (
        "sales.csv", data.stat().st_size, sha256_file(data), 240,
    )  # fmt: skip
    schema = load_schema(explored / "data" / "schema.yaml")
    assert check_rows(schema, pd.read_csv(data)) == []


def test_columns_that_add_up_to_the_target_are_found_as_errors(explored: Path) -> None:
    grave = [f for f in profile_findings(load_profile(explored)) if f.severity == "error"]
    assert {f.where for f in grave} == {"web", "shop"}
    assert {f.code for f in grave} == {"SW207"}


def test_the_sample_holds_training_rows_only(explored: Path) -> None:
    workspace = open_workspace("0001-sales")
    sample = pd.read_csv(explored / "data" / "sample.csv")
    train = set(workspace.dataset.frame["order_id"].iloc[workspace.split.train])
    assert len(sample) == 100 and set(sample["order_id"]) <= train


def test_exploring_is_logged_as_an_analysis_with_its_summary(explored: Path) -> None:
    record = open_workspace("0001-sales").store.get("exp-001-eda")
    assert record.status == "completed" and record.task == "T-001" and record.tags["role"] == "analysis"
    assert record.params["dataset_size"] == 240
    assert record.metrics["missing_values"] == make_sales()["weather"].isna().sum()
    assert record.metrics["findings_error"] == 2
    assert "SW207" in record.get_artifact("eda-summary.md").read_text()


def test_exploring_again_gives_the_same_bytes_and_no_second_experiment(explored: Path) -> None:
    before = {p.name: p.read_bytes() for p in (explored / "data").iterdir() if p.is_file()}
    explore_data()
    assert {p.name: p.read_bytes() for p in (explored / "data").iterdir() if p.is_file()} == before
    assert open_workspace("0001-sales").store.folder_names() == ["exp-001-eda"]


def test_an_interrupted_look_is_taken_over_and_other_data_gets_a_number_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    folder = make_increment(tmp_path, make_sales())
    explore_data()
    header = folder / "experiments" / "exp-001-eda" / "experiment.json"
    header.write_text(json.dumps({**json.loads(header.read_text()), "status": "interrupted"}))
    explore_data()
    store = open_workspace("0001-sales").store
    assert store.folder_names() == ["exp-001-eda"] and store.get("exp-001-eda").attempts == 2
    make_sales(200).to_csv(tmp_path / "sales.csv", index=False)
    (folder / "spec.md").touch()
    explore_data()
    assert open_workspace("0001-sales").store.folder_names() == ["exp-001-eda", "exp-002-eda"]


def test_columns_can_be_kept_out_of_the_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    folder = make_increment(tmp_path, make_sales())
    explore_data(sample_rows=7, sample_without=["order_id"])
    sample = pd.read_csv(folder / "data" / "sample.csv")
    assert sample.shape == (7, 5) and "order_id" not in sample


def test_an_unknown_column_for_the_sample_offers_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        draw_sample(make_sales(), np.arange(50), 5, without=["order"])
    assert caught.value.hint == "did you mean order_id?"


def test_a_profile_that_was_never_made_names_the_task(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="sw do --task T-001"):
        load_profile(tmp_path)


def looked_at(frame: pd.DataFrame, target: str, train: np.ndarray, holdout: np.ndarray) -> dict[str, object]:
    dataset = Dataset(
        frame, infer_kinds(frame, target=target), {"target": target, "identifiers": [], "time": None},
        Source("x.csv", 1, "0", len(frame)),
    )  # fmt: skip
    return explore(dataset, Split(train, holdout, (), "by hand"), task="classification").profile


def test_what_the_holdout_answers_never_shows_in_the_profile() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.normal(size=300)})
    frame["y"] = np.where(rng.random(300) < 0.4, "yes", "no")
    train, holdout = np.arange(200), np.arange(200, 300)
    flipped = frame.copy()
    # Another order of the same labels: all that is told of the target's own column stays as it is.
    flipped.loc[200:, "y"] = np.roll(frame.loc[200:, "y"].to_numpy(), 13)
    assert looked_at(frame, "y", train, holdout) == looked_at(flipped, "y", train, holdout)
    flipped.loc[:199, "y"] = np.roll(frame.loc[:199, "y"].to_numpy(), 13)
    assert looked_at(frame, "y", train, holdout) != looked_at(flipped, "y", train, holdout)


def test_only_the_strongest_columns_of_a_very_wide_table_keep_a_histogram() -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(rng.normal(size=(40, 450)), columns=[f"g{i}" for i in range(450)])
    frame["y"] = np.where(frame["g7"] > 0, "up", "down")
    profile = looked_at(frame, "y", np.arange(40), np.arange(0))
    columns = profile["columns"]
    assert isinstance(columns, dict)
    assert sum("histogram" in column for column in columns.values()) == 400
    assert "histogram" in columns["g7"]
