"""T-002 on a small increment: leaks left out, edits kept, everything learned on training rows."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, StageError
from specweave.files.store import load_json, load_record
from specweave.files.yamlio import load_yaml, render_yaml
from specweave.problems.base import Dataset, Source, Split
from specweave.stages.explore import explore_data
from specweave.stages.feature_checks import check_features
from specweave.stages.features import engineer_features, load_transformer
from specweave.stages.workspace import open_workspace
from specweave.tables.features import make_features
from specweave.tables.kinds import infer_kinds

SPEC = """---
id: 0001-visits
title: Visits
status: active
created: 2026-01-01
depends_on: []
---
# Visits

predict who comes back

## ML Problem Definition
- Problem type: Binary classification
- Success metrics: ROC AUC > 0.7
## Data Requirements
- Training data: visits.csv
- Target: back
- Identifier: visitor
- Validation: stratified 25% holdout
## Model Requirements
- Latency: <250ms
"""
PLAN = """# Plan

```yaml
split: {folds: 3, seed: 7}
features:
  drop: {remark: free text}
```
"""


def make_visits(n: int = 320) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    age, region = rng.normal(40, 12, n).round(1), rng.choice(["north", "south", "west"], n)
    back = rng.random(n) < 1 / (1 + np.exp(-0.1 * (age - 40) - (region == "north")))
    return pd.DataFrame(
        {
            "visitor": [f"v{i:05d}" for i in range(n)],
            "age": age,
            "fee": np.where(rng.random(n) < 0.1, np.nan, rng.exponential(30, n).round(2)),
            "region": region,
            "clinic": [f"clinic {i}" for i in rng.integers(0, 30, n)],
            "remark": rng.choice(["fine", "late", "early"], n),
            "returned_on": np.where(back, "2026-01-05", None),
            "back": np.where(back, "yes", "no"),
        }
    )


def make_increment(root: Path) -> Path:
    folder = root / ".specweave" / "increments" / "0001-visits"
    folder.mkdir(parents=True)
    make_visits().to_csv(root / "visits.csv", index=False)
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    return folder


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    folder = make_increment(tmp_path)
    explore_data()
    return folder


def definitions_of(folder: Path) -> dict[str, Any]:
    return load_record(folder / "features" / "feature_definitions.yaml", "feature-definitions", 1)


def edit(folder: Path, **changes: dict[str, str]) -> None:
    path = folder / "features" / "feature_definitions.yaml"
    content = load_yaml(path)
    for name, change in changes.items():
        content["columns"][name].update(change)
    path.write_text("# a person's comment\n" + render_yaml(content))


def actions(folder: Path) -> dict[str, str]:
    return {name: entry["action"] for name, entry in definitions_of(folder)["columns"].items()}


def test_every_column_gets_a_definition_and_leaks_and_plan_drops_give_no_feature(visits: Path) -> None:
    engineer_features()
    columns = definitions_of(visits)["columns"]
    assert list(columns) == ["visitor", "age", "fee", "region", "clinic", "remark", "returned_on"]
    assert columns["returned_on"]["action"] == "drop" and columns["returned_on"]["reason"].startswith("SW207")
    assert columns["remark"]["action"] == "drop" and columns["remark"]["reason"] == "free text"
    assert columns["region"]["features"] == ["region=north", "region=south", "region=west"]
    assert columns["fee"]["features"] == ["fee", "fee missing"]
    assert actions(visits)["clinic"] == "target-encode"
    for entry in columns.values():
        assert entry["kind"] == entry["inferred_kind"] and entry["action"] == entry["inferred_action"]


def test_the_kept_transformer_is_what_training_learns_on_training_rows(visits: Path) -> None:
    engineer_features()
    kept = load_transformer(visits)
    workspace = open_workspace("0001-visits")
    frame, train = workspace.dataset.frame, workspace.split.train
    again = workspace.features().fit(frame.iloc[train], workspace.problem.encode(workspace.dataset)[train])
    pd.testing.assert_frame_equal(kept.transform(frame), again.transform(frame))
    pickled = pickle.dumps(kept)
    assert b"v00000" not in pickled  # no row travels along


def test_making_features_twice_gives_the_same_bytes(visits: Path) -> None:
    engineer_features()
    before = {p.name: p.read_bytes() for p in (visits / "features").iterdir() if p.is_file()}
    engineer_features()
    assert {p.name: p.read_bytes() for p in (visits / "features").iterdir() if p.is_file()} == before


def test_a_persons_kinds_and_actions_stay_when_the_file_is_made_again(visits: Path) -> None:
    engineer_features()
    edit(
        visits, age={"action": "log"}, fee={"kind": "category"}, region={"action": "drop"},
        visitor={"kind": "category"}, returned_on={"action": "dates", "kind": "datetime"},
    )  # fmt: skip
    wanted = {"age": "log", "fee": "target-encode", "region": "drop", "visitor": "target-encode",
              "clinic": "target-encode", "remark": "drop", "returned_on": "dates"}  # fmt: skip
    workspace = open_workspace("0001-visits")
    rows = workspace.dataset.frame.iloc[workspace.split.train]
    assert workspace.features().choose_actions(rows) == wanted  # training follows at once
    engineer_features()
    assert actions(visits) == wanted
    columns = definitions_of(visits)["columns"]
    assert (columns["fee"]["kind"], columns["fee"]["inferred_kind"]) == ("category", "numeric")
    assert columns["age"]["inferred_action"] == "numeric" and "by hand" in columns["age"]["reason"]
    first = (visits / "features" / "feature_definitions.yaml").read_bytes()
    engineer_features()
    assert (visits / "features" / "feature_definitions.yaml").read_bytes() == first


def test_an_edit_that_is_taken_back_leaves_nothing_behind(visits: Path) -> None:
    engineer_features()
    before = (visits / "features" / "feature_definitions.yaml").read_bytes()
    edit(visits, fee={"kind": "category"}, age={"action": "drop"})
    engineer_features()
    edit(visits, fee={"kind": "numeric"}, age={"action": "numeric"})
    engineer_features()
    assert (visits / "features" / "feature_definitions.yaml").read_bytes() == before


def test_a_leak_is_not_let_in_by_an_edit_of_its_kind_alone(visits: Path) -> None:
    engineer_features()
    edit(visits, returned_on={"kind": "category"})
    engineer_features()
    assert actions(visits)["returned_on"] == "drop"


def test_a_leak_used_on_purpose_is_named_by_the_validation(visits: Path) -> None:
    engineer_features()
    edit(visits, returned_on={"action": "one-hot"})
    engineer_features()
    found = load_json(visits / "features" / "validation.json")["findings"]
    assert [f["where"] for f in found if f["code"] == "SW231"] == ["returned_on"]


def test_a_mistake_in_the_definitions_names_file_and_column(visits: Path) -> None:
    engineer_features()
    edit(visits, age={"action": "loq"})
    with pytest.raises(DataError) as caught:
        engineer_features()
    assert "'age'" in caught.value.what and str(caught.value.where).endswith("feature_definitions.yaml")
    assert caught.value.hint == "did you mean log?"


def test_a_new_column_of_the_data_gets_an_entry_beside_the_edits(visits: Path) -> None:
    engineer_features()
    edit(visits, age={"action": "log"})
    make_visits().assign(height=np.linspace(150, 190, 320)).to_csv(
        visits.parents[2] / "visits.csv", index=False
    )
    (visits / "spec.md").touch()
    with pytest.raises(StageError, match="T-001"):
        engineer_features()
    explore_data()
    engineer_features()
    assert actions(visits)["age"] == "log" and actions(visits)["height"] == "numeric"


def test_importance_puts_the_column_that_matters_first_and_shares_add_up(visits: Path) -> None:
    importance = engineer_features()["importance"]
    assert importance["rows"] == 240
    assert importance["features"][0]["column"] == "age"
    assert sum(f["gain"] for f in importance["features"]) == pytest.approx(1.0)
    assert sum(c["gain"] for c in importance["columns"]) == pytest.approx(1.0)
    assert set(importance["dropped_columns"]) == {"visitor", "remark", "returned_on"}


def test_the_feature_store_names_entity_fields_and_types(visits: Path) -> None:
    engineer_features()
    store = load_record(visits / "features" / "feature_store.yaml", "feature-store", 1)
    assert store["entities"] == [{"name": "visitor", "join_keys": ["visitor"], "value_type": "String"}]
    fields = {f["name"]: f["dtype"] for f in store["feature_views"][0]["schema"]}
    assert fields == {"age": "Float64", "fee": "Float64", "region": "String", "clinic": "String"}


# -- the checks by themselves ----------------------------------------------------------------------


def checked(frame: pd.DataFrame, n_train: int, **roles: Any) -> dict[str, Any]:
    roles = {"target": "y", "identifiers": [], "time": None, "group": None, **roles}
    dataset = Dataset(frame, infer_kinds(frame, target="y"), roles, Source("x.csv", 1, "0", len(frame)))
    split = Split(np.arange(n_train), np.arange(n_train, len(frame)), (), "first and last")
    drop = {roles["group"]: "group"} if roles["group"] else None
    features = make_features(dataset.kinds, task="regression", target="y", drop=drop)
    train = features.fit_transform(frame.iloc[:n_train], frame["y"].to_numpy()[:n_train])
    return check_features(dataset, split, features, train.to_numpy(), {})


def codes(result: dict[str, Any]) -> list[str]:
    return [f.code for f in result["findings"]]


def table(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": rng.normal(size=n), "level": rng.choice(list("abc"), n)})
    return frame.assign(y=frame["x"] + rng.normal(size=n))


def test_a_fair_split_of_clean_rows_passes_every_check() -> None:
    result = checked(table(), 220)
    assert codes(result) == [] and all(check["passed"] for check in result["checks"])


def test_a_holdout_that_moved_is_called_drift() -> None:
    frame = table()
    frame.loc[220:, "x"] += 2
    result = checked(frame, 220)
    assert codes(result) == ["SW227"] and result["drift"][0]["column"] == "x"


def test_the_holdouts_target_may_move_unseen() -> None:
    frame = table()
    frame.loc[220:, "y"] = 1e6
    assert codes(checked(frame, 220)) == []


def test_copies_on_both_sides_and_new_levels_are_named() -> None:
    frame = table()
    frame.loc[220:259, ["x", "level"]] = frame.loc[0:39, ["x", "level"]].to_numpy()
    frame.loc[260:, "level"] = "z"
    assert {"SW228", "SW229"} <= set(codes(checked(frame, 220)))


def test_rows_out_of_order_in_time_and_groups_on_both_sides_are_named() -> None:
    frame = table()
    frame["day"] = np.random.default_rng(6).permutation(len(frame))
    frame["home"] = [f"h{i % 40}" for i in range(len(frame))]
    found = codes(checked(frame, 220, time="day", group="home"))
    assert "SW232" in found and "SW233" in found


def test_infinite_inputs_are_named_but_never_reach_a_model() -> None:
    frame = table()
    frame.loc[[3, 250], "x"] = np.inf
    result = checked(frame, 220)
    assert codes(result) == ["SW230"] and result["findings"][0].where == "x"
    finite = next(c for c in result["checks"] if c["name"] == "Every feature is a finite number")
    assert finite["passed"]
