"""The two reports on features, rebuilt from three records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from specweave.errors import StageError
from specweave.files.store import save_record
from specweave.publish.feature_reports import publish_feature_reports


def entry(kind: str, action: str, features: list[str], reason: str = "", **more: str) -> dict[str, Any]:
    return {"kind": kind, "inferred_kind": kind, "action": action, "inferred_action": action,
            "reason": reason, "features": features, **more}  # fmt: skip


def make_folder(folder: Path, *, psi: float = 0.01, passed: bool = True) -> Path:
    columns = {
        "a|b": entry("numeric", "numeric", ["a|b"], "numbers"),
        "town": entry("category", "one-hot", ["town=x", "town=y", "town=z"], "3 levels"),
        "fee": entry(
            "numeric", "log", ["fee"], "action set by hand (inferred numeric)", inferred_action="numeric"
        ),
        "key": entry("identifier", "drop", [], "text key"),
    }
    settings = {"task": "classification", "max_onehot": 20, "rare_share": 0.01}
    save_record(
        folder / "features" / "feature_definitions.yaml", "feature-definitions", 1,
        {"settings": settings, "columns": columns},
    )  # fmt: skip
    features = [
        {"feature": f, "column": c, "gain": 0.2, "univariate": 0.1}
        for c, e in columns.items() for f in e["features"]
    ]  # fmt: skip
    save_record(
        folder / "features" / "importance.json", "feature-importance", 1,
        {"rows": 80, "features": features,
         "columns": [{"column": c, "features": 1, "gain": 0.2, "univariate": 0.1} for c in ("town", "fee", "a|b")],
         "dropped_columns": {"key": "text key"},
         "dropped_features": {"town missing": "constant in training", "fee missing": "same values as a|b missing"}},
    )  # fmt: skip
    drift = [{"column": "fee", "kind": "numeric", "level": "large" if psi > 0.25 else "none", "psi": psi, "effect": 0.1,
              "effect_name": "kolmogorov-smirnov", "p_value": 0.5, "missing_change": 0.0}]  # fmt: skip
    finding = {"code": "SW227", "severity": "warning", "message": "fee drifts", "where": "fee", "evidence": {},
               "advice": "look at it"}  # fmt: skip
    save_record(
        folder / "features" / "validation.json", "feature-validation", 1,
        {"rows": {"train": 80, "holdout": 20}, "columns_used": 3, "features": 5,
         "checks": [{"name": "Apart", "passed": True, "found": "no row shared"},
                    {"name": "Alike", "passed": passed, "found": "no drift" if passed else "fee drifts"}],
         "drift": drift, "drift_tested": 3, "findings": [] if passed else [finding]},
    )  # fmt: skip
    return folder


def test_the_selection_report_tells_what_is_kept_dropped_and_decided_by_hand(tmp_path: Path) -> None:
    paths = publish_feature_reports(make_folder(tmp_path / "0001-x"))
    text = paths[0].read_text()
    assert "**3 of 4 columns give 5 features**" in text
    assert "| `key`  | identifier | text key |" in text
    assert "- `fee`: action **log**" in text
    assert "| `a\\|b` | numeric" in text and "3: `town=x`, `town=y`, …" in text
    assert "- 1, constant in training: `town missing`" in text
    assert "![Share of gain" in text and (tmp_path / "0001-x/features/figures/importance.png").exists()


def test_the_validation_report_leads_with_the_verdict(tmp_path: Path) -> None:
    good = publish_feature_reports(make_folder(tmp_path / "good"))[1].read_text()
    assert "**All 2 checks pass.**" in good and "What to do" not in good
    bad = publish_feature_reports(make_folder(tmp_path / "bad", psi=3.2, passed=False))[1].read_text()
    assert "**1 of 2 checks deserves a look.**" in bad
    assert "**warning SW227**: Fee drifts. Look at it." in bad and "| `fee`  | **large** | 3.200" in bad


def test_the_reports_are_the_same_bytes_when_made_again(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "0001-x")
    before = [path.read_bytes() for path in publish_feature_reports(folder)]
    assert [path.read_bytes() for path in publish_feature_reports(folder)] == before


def test_reports_before_features_were_made_name_the_task(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="sw do --task T-002"):
        publish_feature_reports(tmp_path)
