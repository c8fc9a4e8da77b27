"""Lists, details, differences, digests and exports."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pandas as pd
import pytest

from specweave.errors import DataError, StorageError, UnknownNameError
from specweave.experiments.compare import compare, save_comparison
from specweave.experiments.difference import diff_experiments, render_difference
from specweave.experiments.digest import CHARACTERS_PER_TOKEN, digest_experiments
from specweave.experiments.directions import find_direction
from specweave.experiments.export import export_experiments, render_csv
from specweave.experiments.query import list_experiments, render_experiment, render_list, show_experiment
from specweave.experiments.store import ExperimentStore


@pytest.fixture
def filled(store: ExperimentStore) -> ExperimentStore:
    for depth, auc in ((3, 0.80), (6, 0.84), (9, 0.82)):
        with store.create("xgboost", tags=["tree"], seed=depth) as exp:
            exp.log_params({"depth": depth, "rate": 0.1, "classes": [0, 1]})
            for step, loss in enumerate((0.7, 0.4, 0.5)):
                exp.log_metric("val_loss", loss, step=step)
            exp.log_metrics({"cv_auc": auc, "cv_auc_std": 0.01, "train_seconds": 1.5})
            exp.log_note(f"depth {depth} tried")
    with store.create("net") as exp:
        exp.log_param("rate", "high")
        exp.log_metric("cv_auc", math.nan)
    with store.create("lstm") as exp:
        exp.log_note("overfits badly")
        exp.set_status("failed")
    return store


def ids(records: list[object]) -> list[int]:
    return [record.number for record in records]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roc_auc", True),
        ("cv_roc_auc", True),
        ("val_loss", False),
        ("train-logloss", False),
        ("valid_0_auc", True),
        ("validation_0_rmse", False),
        ("precision@10", True),
        ("best_val_accuracy", True),
        ("train_seconds", False),
        ("model_bytes", False),
        ("cv_auc_std", None),
        ("columns", None),
        ("learning_rate", None),
    ],
)
def test_the_name_of_a_metric_tells_its_direction(name: str, expected: bool | None) -> None:
    assert find_direction(name) is expected


def test_experiments_are_listed_filtered_and_sorted(filled: ExperimentStore) -> None:
    assert ids(list_experiments(filled)) == [1, 2, 3, 4, 5]
    assert ids(list_experiments(filled, where="metrics.cv_auc > 0.81 and params.depth <= 6")) == [2]
    assert ids(list_experiments(filled, where="tags.tree", sort="metrics.cv_auc")) == [2, 3, 1]
    assert ids(list_experiments(filled, where="tags.tree", sort="metrics.val_loss", limit=1)) == [1]
    assert ids(list_experiments(filled, sort="params.depth", descending=True)) == [3, 2, 1, 4, 5]
    assert ids(list_experiments(filled, sort="name")) == [5, 4, 1, 2, 3]
    with pytest.raises(UnknownNameError):
        list_experiments(filled, sort="metrics.nothing")


def test_the_list_is_a_table(filled: ExperimentStore) -> None:
    text = render_list(list_experiments(filled))
    assert "| exp-002-xgboost | completed | 0.84 " in text
    assert "overfits badly" in text
    assert render_list([]) == "No experiment.\n"


def test_one_experiment_shows_best_min_max_and_last_with_direction(filled: ExperimentStore) -> None:
    details = show_experiment(filled, 1)
    loss = next(m for m in details.metrics if m.name == "val_loss")
    assert (loss.last, loss.best, loss.best_step, loss.low, loss.high) == (0.5, 0.4, 1, 0.4, 0.7)
    assert loss.higher_is_better is False
    text = render_experiment(details)
    assert "| val_loss      | 0.5 " in text and "depth 3 tried" in text and "| depth " in text
    assert json.dumps(str(details.to_record()))


def test_damage_is_shown(filled: ExperimentStore) -> None:
    folder = filled.get(1).folder
    with (folder / "history.jsonl").open("ab") as stream:
        stream.write(b'{"step": 9')
    assert "1 line(s) of history.jsonl could not be read" in render_experiment(show_experiment(filled, 1))


def test_a_difference_names_params_provenance_packages_and_metrics(filled: ExperimentStore) -> None:
    requirements = filled.get(2).folder / "requirements.txt"
    requirements.write_text(requirements.read_text().replace("pytest==", "pytest==0.") + "extra==1\n")
    found = diff_experiments(filled, 1, 2, test={"test": "paired t-test", "p_value": 0.01})
    assert [(c.name, c.a, c.b) for c in found.params] == [("depth", 3, 6)]
    assert ("seed", 3, 6) in [(c.name, c.a, c.b) for c in found.provenance]
    assert [c.name for c in found.packages] == ["extra", "pytest"]
    auc = next(m for m in found.metrics if m.name == "cv_auc")
    assert auc.difference == pytest.approx(0.04) and auc.better == "exp-002-xgboost"
    text = render_difference(found)
    assert "paired t-test" in text and "| depth " in text


def test_no_difference_is_said_and_no_test_is_claimed(filled: ExperimentStore) -> None:
    text = render_difference(diff_experiments(filled, 1, 1))
    assert "Same settings, data, code and packages." in text
    assert "No paired test was made" in text


def test_the_digest_tells_what_was_tried_what_it_gave_and_what_was_learnt(filled: ExperimentStore) -> None:
    text = digest_experiments(filled)
    assert text.startswith("# 5 experiments: 4 completed, 1 failed")
    assert "Best by cv_auc (higher is better): exp-002-xgboost, 0.84 ± 0.01." in text
    assert "- exp-002-xgboost: 0.84 ± 0.01 (depth=6)" in text
    assert "- exp-005-lstm failed: overfits badly" in text
    assert "- depth: best value of each setting 6: 0.84, 9: 0.82, 3: 0.8" in text
    assert "depth 6 tried" in text


def test_the_digest_follows_the_last_comparison(filled: ExperimentStore) -> None:
    found = compare(filled, metric="val_loss", higher_is_better=False, reason="the loss counts here")
    save_comparison(filled.folder, found)
    assert "Best by val_loss (lower is better)" in digest_experiments(filled)
    assert "the loss counts here" in digest_experiments(filled)
    assert "Best by cv_auc" in digest_experiments(filled, metric="auc")


@pytest.mark.parametrize("tokens", [20, 60, 150, 1500])
def test_the_digest_keeps_to_its_tokens(filled: ExperimentStore, tokens: int) -> None:
    text = digest_experiments(filled, tokens=tokens)
    assert len(text) <= tokens * CHARACTERS_PER_TOKEN
    assert text.startswith("# 5 experiments")


def test_a_digest_of_nothing_says_so(store: ExperimentStore) -> None:
    assert digest_experiments(store) == "# 0 experiments\n"


def test_csv_has_one_row_per_experiment_and_all_columns(filled: ExperimentStore) -> None:
    rows = list(csv.DictReader(io.StringIO(render_csv(filled.list()))))
    assert [row["id"] for row in rows] == [r.id for r in filled.list()]
    assert rows[1]["metrics.cv_auc"] == "0.84"
    assert rows[1]["params.depth"] == "6"
    assert rows[4]["metrics.cv_auc"] == "" and rows[4]["note"] == "overfits badly"
    assert render_csv([]) == ""


def test_parquet_keeps_numbers_and_survives_params_of_mixed_kinds(
    filled: ExperimentStore, tmp_path: Path
) -> None:
    path = export_experiments(filled.list(), tmp_path / "all.parquet")
    table = pd.read_parquet(path)
    assert table["metrics.cv_auc"].iloc[1] == 0.84
    assert list(table["params.rate"].iloc[:4]) == ["0.1", "0.1", "0.1", "high"]


def test_json_holds_the_histories(filled: ExperimentStore, tmp_path: Path) -> None:
    path = export_experiments(filled.list(), tmp_path / "all.json")
    body = json.loads(path.read_text())
    assert (body["kind"], len(body["experiments"])) == ("experiments", 5)
    assert [line["step"] for line in body["experiments"][0]["history"]] == [0, 1, 2, None]
    assert str(tmp_path) not in path.read_text()


def test_dvclive_folders_hold_metrics_params_and_one_table_per_metric(
    filled: ExperimentStore, tmp_path: Path
) -> None:
    folder = export_experiments(filled.list(), tmp_path / "live", "dvclive") / "exp-001-xgboost"
    assert json.loads((folder / "metrics.json").read_text())["cv_auc"] == 0.8
    assert "depth: 3" in (folder / "params.yaml").read_text()
    assert (folder / "plots/metrics/val_loss.tsv").read_text() == "step\tval_loss\n0\t0.7\n1\t0.4\n2\t0.5\n"


def test_an_unknown_form_and_an_unwritable_place_are_clear_errors(
    filled: ExperimentStore, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="cannot export as 'xlsx'"):
        export_experiments(filled.list(), tmp_path / "all.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        export_experiments(filled.list(), tmp_path / "file" / "all.csv")
