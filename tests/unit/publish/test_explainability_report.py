"""The explainability report, rebuilt from what the folder holds."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import StageError, StorageError
from specweave.files.store import save_record, sha256_file
from specweave.publish.explainability_report import publish_explainability_report
from specweave.stages.explanation import KIND
from specweave.stages.records import EXPLANATION as RECORD
from specweave.stages.records import SCHEMA

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(60, 3)) * [2.0, 1.0, 0.1]
SHOWN = pd.DataFrame(
    {
        "tenure": RNG.integers(0, 70, 60).astype(float),
        "a|b": RNG.choice(["x", "y"], 60),
        "flag": [True, False] * 30,
    }
)
SHOWN.loc[:4, "tenure"] = np.nan


def contribution(name: str, value: Any, size: float) -> dict[str, Any]:
    return {"feature": name, "value": value, "contribution": size}


def make_folder(folder: Path, **changes: Any) -> Path:
    kept = {"names": list(SHOWN), "values": VALUES, "shown": SHOWN, "base": np.zeros(60), "towards": []}
    path = folder / "experiments" / "exp-004-lightgbm" / "shap_values.pkl"
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps(kept))
    parts = [contribution("tenure", 2.0, 0.9), contribution("a|b", "x", -0.3)]
    record = {
        "experiment": "exp-004-lightgbm", "algorithm": "LGBMClassifier", "method": "SHAP (tree)",
        "unit": "log-odds", "n_rows": 60, "n_holdout": 200, "n_background": 100,
        "importance": [
            {"rank": i, "feature": name, "mean_abs_shap": 1.0 / i, "share": 0.5 / i, "direction": "up",
             **({"permutation": 0.1, "permutation_std": 0.01} if i < 3 else {})}
            for i, name in enumerate(SHOWN, 1)
        ],
        "examples": [
            {"row": 7, "why": "borderline", "answer": {"prediction": "Yes"}, "story": "decided 'Yes', right", "base": -1.0, "output": -0.4,
             "towards": "Yes", "reasons": parts, "contributions": parts, "rationale": "tenure = 2 raises it.",
             "lime": [{"feature": "tenure", "weight": 0.2, "fit": 0.31}]},
        ],
        "findings": [],
        "shap_values": {"file": f"experiments/{path.parent.name}/{path.name}", "sha256": sha256_file(path)},
        **changes,
    }  # fmt: skip
    save_record(folder / RECORD, KIND, SCHEMA, record)
    return folder


def test_every_picture_of_the_report_is_written_and_has_words(tmp_path: Path) -> None:
    report, *pictures = publish_explainability_report(make_folder(tmp_path))
    text = report.read_text()
    assert len(pictures) == 4
    for picture in pictures:
        assert f"]({picture.name})" in text and picture.stat().st_size > 5000
    assert "![](" not in text


def test_a_column_name_cannot_break_the_table(tmp_path: Path) -> None:
    text = publish_explainability_report(make_folder(tmp_path))[0].read_text()
    (line,) = [row for row in text.splitlines() if row.startswith("| 2 |")]
    assert "a\\|b" in line and line.replace("\\|", "").count("|") == 7


def test_features_made_from_a_history_are_told_without_what_only_columns_have(tmp_path: Path) -> None:
    importance = [
        {
            "rank": 1,
            "feature": "tenure",
            "mean_abs_shap": 1.0,
            "share": 1.0,
            "direction": "higher values raise it",
        }
    ]
    folder = make_folder(
        tmp_path, of="feature", unit="sales", method="SHAP (tree) on lags", importance=importance
    )
    text = publish_explainability_report(folder)[0].read_text(encoding="utf-8")
    assert "| 1 | tenure | 1 | 100.0% | higher values raise it |" in text
    assert "Contributions are by SHAP (tree) on lags, in sales, over 60 of 200 held-out rows." in text
    assert "shuffled" not in text and "sample" not in text.split("## How to read this")[1]


def test_the_report_is_the_same_bytes_when_made_again(tmp_path: Path) -> None:
    first = {p.name: p.read_bytes() for p in publish_explainability_report(make_folder(tmp_path))}
    again = {p.name: p.read_bytes() for p in publish_explainability_report(tmp_path)}
    assert first == again


def test_doubts_are_listed_with_their_advice(tmp_path: Path) -> None:
    doubt = {"code": "SW401", "severity": "warning", "message": "'x' carries 90% of it", "advice": "drop it"}
    text = publish_explainability_report(make_folder(tmp_path, findings=[doubt]))[0].read_text()
    assert "- **SW401** (warning) 'x' carries 90% of it. Drop it." in text


def test_shap_values_that_were_swapped_are_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    (folder / "experiments" / "exp-004-lightgbm" / "shap_values.pkl").write_bytes(b"other")
    with pytest.raises(StageError, match="T-007"):
        publish_explainability_report(folder)


def test_without_an_explanation_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        publish_explainability_report(tmp_path)
