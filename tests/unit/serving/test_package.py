"""What the package holds, and that a fresh process answers alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from specweave.errors import StageError
from specweave.experiments.versions import ModelVersions
from specweave.serving.inference import Predictor
from specweave.serving.package import load_template, pin_requirements, save_dockerfile, save_requirements
from specweave.serving.parity import (
    UNSEEN,
    alter_rows,
    answer_in_fresh_process,
    json_rows,
    largest_difference,
)


def test_a_fresh_process_answers_as_this_one_does(packaged: Any, predictor: Predictor) -> None:
    rows = packaged.rows.iloc[:20]
    altered, _ = alter_rows(rows, packaged.dataset.kinds, list(rows.columns))
    every = pd.concat([rows.astype(object), altered], ignore_index=True)
    fresh = answer_in_fresh_process(packaged.folder, every)
    assert len(fresh.answers) == 22
    assert largest_difference(predictor.predict(json_rows(every)), fresh.answers) == 0.0
    assert {"sklearn", "pandas"} <= set(fresh.modules)


def test_a_script_that_fails_is_told_with_its_last_words(copied: Path, packaged: Any) -> None:
    (copied / "inference.py").write_text("raise RuntimeError('edited badly')\n")
    with pytest.raises(StageError, match="edited badly"):
        answer_in_fresh_process(copied, packaged.rows.head(1))


def test_altered_rows_miss_values_and_hold_unseen_levels(packaged: Any) -> None:
    rows = packaged.rows.head(5)
    altered, done = alter_rows(rows, packaged.dataset.kinds, list(rows.columns))
    assert altered.iloc[0][done["missing"]].isna().all() and done["missing"]
    assert done["unseen"] == ["contract"] and altered.iloc[1]["contract"] == UNSEEN
    assert packaged.rows.head(5).equals(rows)


def test_answers_that_differ_are_measured() -> None:
    one = [{"prediction": "Yes", "probability": 0.5, "probabilities": {"Yes": 0.5}}]
    assert largest_difference(one, one) == 0.0
    near = [{**one[0], "probability": 0.5 + 1e-8}]
    far = [{**one[0], "probability": 0.6}]
    other = [{**one[0], "prediction": "No"}]
    assert largest_difference(one, near) == 0.0
    assert largest_difference(one, far) == pytest.approx(0.1)
    assert largest_difference(one, other) == math.inf
    assert largest_difference(one, []) == math.inf
    assert largest_difference([{**one[0], "probability": "NaN"}], one) == math.inf


def test_answers_of_any_problem_type_are_compared_in_everything_but_their_reasons() -> None:
    one = [{"expected": 4.0, "items": ["a", "b"], "scores": [0.3, 0.2]}]
    assert largest_difference(one, [{**one[0], "reasons": [{"feature": "age"}], "rationale": "old"}]) == 0.0
    assert largest_difference(one, [{**one[0], "expected": 5.0}]) == pytest.approx(1.0)
    assert largest_difference(one, [{**one[0], "items": ["b", "a"]}]) == math.inf
    assert largest_difference(one, [{**one[0], "scores": [0.3, 0.2 + 1e-12]}]) == 0.0
    assert largest_difference(one, [{"items": ["a", "b"], "scores": [0.3, 0.2]}]) == math.inf


def test_a_script_that_a_person_edited_is_kept_and_an_untouched_one_renewed(
    tmp_path: Path, package_into: Callable[[Path], Any]
) -> None:
    folder = tmp_path / "0042-churn" / "deploy"
    package_into(folder)
    (folder / "inference.py").write_text("# mine\n")
    package_into(folder)
    assert (folder / "inference.py").read_text() == "# mine\n"
    assert (folder / "monitoring" / "check.py").read_text() == load_template("check.py")


def test_requirements_pin_what_was_imported(tmp_path: Path) -> None:
    pins = pin_requirements(["sklearn", "lightgbm", "pip", "json", "_pytest"])
    text = save_requirements(tmp_path, pins).read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert "scikit-learn" in text and "pytest" not in text and "pip==" not in text
    assert lines == sorted(lines)
    assert all("==" in line for line in lines if not line.startswith(("fastapi", "uvicorn")))
    assert any(line.startswith("uvicorn") for line in lines)


def test_the_image_brings_the_openmp_library_only_where_it_is_needed(packaged: Any, tmp_path: Path) -> None:
    model = ModelVersions(packaged.folder.parent / "models").latest()
    plain = save_dockerfile(tmp_path, model, {"scikit-learn": "1"}).read_text()
    boosted = save_dockerfile(tmp_path, model, {"lightgbm": "4"}).read_text()
    assert "libgomp1" in boosted and "libgomp1" not in plain
    assert "$" not in plain and "0042-v1" in plain
