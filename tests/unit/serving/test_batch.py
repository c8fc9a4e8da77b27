"""Answering whole files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.serving.batch import predict_file
from specweave.serving.inference import Predictor


@pytest.fixture
def rows_csv(packaged: Any, tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    packaged.rows.iloc[300:340].to_csv(path, index=False)
    return path


def test_a_csv_is_answered_row_by_row_beside_its_identifiers(
    predictor: Predictor, packaged: Any, rows_csv: Path
) -> None:
    done = predict_file(predictor, rows_csv)
    assert done["rows"] == 40 and done["output"].endswith("rows-answers.csv")
    table = pd.read_csv(done["output"])
    assert list(table["customer"]) == list(packaged.rows["customer"].iloc[300:340])
    expected = packaged.model.predict_proba(packaged.rows.iloc[300:340])[:, 1]
    assert table["probability"].to_numpy() == pytest.approx(expected)
    assert {"prediction", "decision", "probability:Yes", "reason_1", "reason_3"} <= set(table.columns)


@pytest.mark.parametrize("ending", [".parquet", ".json"])
def test_answers_are_written_in_the_format_that_the_output_names(
    predictor: Predictor, rows_csv: Path, tmp_path: Path, ending: str
) -> None:
    target = tmp_path / f"out{ending}"
    predict_file(predictor, rows_csv, target, chunk_rows=7)
    usual = predict_file(predictor, rows_csv, tmp_path / "out.csv")
    csv = pd.read_csv(usual["output"])
    if ending == ".parquet":
        pd.testing.assert_series_equal(pd.read_parquet(target)["probability"], csv["probability"])
    else:
        answers = json.loads(target.read_text())
        assert [a["probability"] for a in answers] == pytest.approx(list(csv["probability"]))
        assert len(answers[0]["reasons"]) == 3


def test_a_parquet_file_may_be_asked(predictor: Predictor, packaged: Any, tmp_path: Path) -> None:
    source = tmp_path / "rows.parquet"
    packaged.rows.iloc[300:310].to_parquet(source)
    assert predict_file(predictor, source)["rows"] == 10


def test_what_cannot_be_read_is_named_with_file_column_and_row(
    predictor: Predictor, rows_csv: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(rows_csv, dtype=object)
    frame.loc[4, "tenure"] = "long"
    bad = tmp_path / "bad.csv"
    frame.to_csv(bad, index=False)
    with pytest.raises(DataError, match=r"bad.csv: tenure: 'long' is no number \(row 5\)"):
        predict_file(predictor, bad)
    done = predict_file(predictor, bad, strict=False)
    assert done["rows"] == 40 and "SW223" in [f.code for f in done["findings"]]


def test_a_file_that_lacks_a_column_is_refused(predictor: Predictor, rows_csv: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.csv"
    pd.read_csv(rows_csv).drop(columns="contract").to_csv(short, index=False)
    with pytest.raises(DataError, match="'contract' is missing"):
        predict_file(predictor, short)


def test_an_output_of_unknown_format_is_refused_before_anything_is_read(predictor: Predictor) -> None:
    with pytest.raises(DataError, match=r"'\.xml'"):
        predict_file(predictor, Path("nowhere.csv"), Path("out.xml"))


def test_the_input_is_never_overwritten(predictor: Predictor, rows_csv: Path) -> None:
    before = rows_csv.read_bytes()
    with pytest.raises(DataError, match="is the input file"):
        predict_file(predictor, rows_csv, rows_csv)
    assert rows_csv.read_bytes() == before
