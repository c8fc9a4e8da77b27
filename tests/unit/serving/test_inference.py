"""Answering raw rows from a package."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specweave.errors import CorruptFileError, DataError, StorageError
from specweave.serving.inference import Predictor, flat_answer

ROW = {"customer": "new", "tenure": 2, "contract": "month", "charge": 71.5}


def test_a_row_is_answered_with_probability_decision_and_reasons(predictor: Predictor) -> None:
    (answer,) = predictor.predict(ROW)
    assert answer["prediction"] == "Yes" and answer["decision"] is True
    assert answer["threshold"] == 0.4
    assert answer["probability"] == answer["probabilities"]["Yes"] > 0.4
    assert answer["reasons"][0]["feature"] in ("tenure", "contract")
    assert answer["reasons_for"] == "Yes" and answer["reasons_unit"] == "log-odds"


def test_answers_are_those_of_the_model_that_was_packaged(predictor: Predictor, packaged: Any) -> None:
    rows = packaged.rows.iloc[300:350]
    answers = predictor.predict(rows)
    expected = packaged.model.predict_proba(rows)[:, 1]
    np.testing.assert_allclose([a["probability"] for a in answers], expected)


def test_all_reasons_add_up_to_the_answer(packaged: Any, copied: Path) -> None:
    predictor = Predictor.load(copied)
    predictor.package["reasons"] = 10
    (answer,) = predictor.predict(ROW)
    found = predictor.problem.contributions(
        predictor.model, predictor.to_frame(ROW), predictor.background, seed=0
    )
    total = float(found.base[0]) + sum(r["contribution"] for r in answer["reasons"])
    assert 1 / (1 + math.exp(-total)) == pytest.approx(answer["probability"])


def test_frames_dicts_and_lists_get_the_same_answer(predictor: Predictor, packaged: Any) -> None:
    rows = packaged.rows.iloc[[0, 1, 2]]
    from_frame = predictor.predict(rows)
    records = [{k: None if v != v else v for k, v in r.items()} for r in rows.to_dict("records")]
    assert predictor.predict(records) == from_frame
    texts = [{k: None if v is None else str(v) for k, v in r.items()} for r in records]
    for answer, expected in zip(predictor.predict(texts), from_frame, strict=True):
        assert answer["probability"] == pytest.approx(expected["probability"])


def test_missing_values_and_unseen_levels_are_answered(predictor: Predictor) -> None:
    rows = [{**ROW, "charge": None, "contract": None}, {**ROW, "contract": "five years"}]
    for answer in predictor.predict(rows):
        assert 0 < answer["probability"] < 1
    assert "SW224" in [f.code for f in predictor.check(rows)]


def test_columns_that_the_model_never_saw_are_ignored(predictor: Predictor) -> None:
    assert predictor.predict({**ROW, "shoe size": 44, "churn": "No"}) == predictor.predict(ROW)


def test_a_missing_column_is_named(predictor: Predictor) -> None:
    row = {k: v for k, v in ROW.items() if k != "tenure"}
    with pytest.raises(DataError, match="'tenure' is missing"):
        predictor.predict([row])
    with pytest.raises(DataError, match="'tenure' is missing"):
        predictor.predict([row], strict=False)


def test_a_cell_of_another_type_is_refused_with_its_row(predictor: Predictor) -> None:
    rows = [ROW, {**ROW, "tenure": "two years"}]
    with pytest.raises(DataError, match=r"tenure: 'two years' is no number \(row 2\)"):
        predictor.predict(rows)
    assert len(predictor.predict(rows, strict=False)) == 2


def test_no_rows_get_no_answers(predictor: Predictor) -> None:
    assert predictor.predict([]) == []


def test_a_swapped_model_is_not_loaded(copied: Path) -> None:
    import pickle

    (copied / "model.pkl").write_bytes(pickle.dumps("something else"))
    with pytest.raises(CorruptFileError, match="trust=True"):
        Predictor.load(copied)


def test_a_folder_without_a_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        Predictor.load(tmp_path)


def test_answers_become_cells_of_a_table(predictor: Predictor) -> None:
    (answer,) = predictor.predict({**ROW, "charge": None})
    cells = flat_answer(answer)
    assert cells["prediction"] == "Yes"
    assert cells["probability:Yes"] == answer["probability"]
    assert [k for k in cells if k.startswith("reason_")] == ["reason_1", "reason_2", "reason_3"]
    assert any("charge = missing" in str(v) for v in cells.values())
