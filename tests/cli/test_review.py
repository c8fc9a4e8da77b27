"""``sw review`` as a person calls it: text, one JSON document, exit codes, the change, the list of codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from review_records import Records

Sw = Callable[..., Any]


@pytest.fixture
def records(tmp_path: Path) -> Records:
    r = Records(tmp_path)
    r.model("tuned-lightgbm").trials = [(0.8, {"max_depth": 10, "learning_rate": 0.05})] * 24
    r.spec = r.spec.replace("ROC AUC > 0.75", "ROC AUC > 0.95")
    r.explanation["importance"][2].update(share=0.0, permutation=0.0)
    return r


def test_findings_are_shown_gravest_first_with_evidence_and_change(
    records: Records, tmp_path: Path, sw: Sw
) -> None:
    records.write()
    result = sw("review", "1", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0] == "0001-churn: 1 error, 1 warning, 1 note"
    assert result.out.index("SW119") < result.out.index("SW122") < result.out.index("SW104")
    assert "evidence: experiments/exp-007-tuned-lightgbm/optuna-journal.log" in result.out
    assert "plan.md candidates.lightgbm.search.max_depth.high: 10 -> 14" in result.out
    assert "What to try next" in result.out
    assert max(map(len, lines)) <= 110
    assert "(--apply SW104)" in result.out and "change: plan.md features.drop.plan" not in result.out
    assert "change: plan.md features.drop.plan" in sw("review", "--all", cwd=tmp_path).out


def test_strict_fails_where_an_error_stands(records: Records, tmp_path: Path, sw: Sw) -> None:
    records.write()
    assert sw("review", "--strict", cwd=tmp_path).code == 1
    records.waivers["SW119"] = "---\nreason: pilot\nowner: Kim\nexpires: 2999-01-01\n---\n"
    records.write()
    result = sw("review", "--strict", cwd=tmp_path)
    assert result.code == 0
    assert "waived  SW119" in result.out


def test_json_is_one_document_with_the_changes(records: Records, tmp_path: Path, sw: Sw) -> None:
    records.write()
    found = json.loads(sw("review", "--json", cwd=tmp_path).out)
    assert (found["kind"], found["schema"], found["increment"], found["ok"]) == (
        "review",
        1,
        "0001-churn",
        False,
    )
    edge = next(f for f in found["findings"] if f["code"] == "SW122")
    assert edge["changes"] == [{
        "file": "plan.md", "key": "candidates.lightgbm.search.max_depth.high", "how": "set", "old": 10, "new": 14, "done": False,
        "path": ["candidates", "lightgbm", "search", "max_depth", "high"],
    }]  # fmt: skip
    assert {"metric", "noise", "stop", "reason", "proposals"} == set(found["next"])
    assert sw("review", "--quiet", cwd=tmp_path).out == ""


def test_apply_makes_the_change_and_then_says_that_it_is_made(
    records: Records, tmp_path: Path, sw: Sw
) -> None:
    increment = records.write()
    first = sw("review", "--apply", "SW122", cwd=tmp_path)
    assert first.code == 0
    assert first.out.splitlines()[0] == "plan.md candidates.lightgbm.search.max_depth.high: 10 -> 14"
    text = increment.plan_path.read_text()
    again = json.loads(sw("review", "--apply", "SW122", "--json", cwd=tmp_path).out)
    assert (again["kind"], again["changed"]) == ("review-change", [])
    assert increment.plan_path.read_text() == text
    assert "plan.md allows that already" in sw("review", cwd=tmp_path).out


@pytest.mark.parametrize(
    ("code", "text"), [("SW119", "comes with no change"), ("SW1", "no finding carries the code")]
)
def test_what_cannot_be_applied_is_one_clear_error(
    code: str, text: str, records: Records, tmp_path: Path, sw: Sw
) -> None:
    records.write()
    result = sw("review", "--apply", code, cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert text in result.err and "Traceback" not in result.err


def test_every_code_is_listed_without_a_project(tmp_path: Path, sw: Sw) -> None:
    found = json.loads(sw("review", "--rules", "--json", cwd=tmp_path).out)
    assert len(found["rules"]) >= 25
    assert {"SW104", "SW122"} <= {r["code"] for r in found["rules"] if r["changes"]}
    assert "SW227" in {r["code"] for r in found["recorded"]}
    text = sw("review", "--rules", cwd=tmp_path).out
    assert "tuning at the edge of its space (--apply)" in text and "the holdout drifts away" in text


def test_an_increment_that_did_not_run_says_what_it_waits_for(planned: Path, sw: Sw) -> None:
    result = sw("review", cwd=planned)
    assert result.code == 0
    assert "rules wait for reports/evaluation.json: sw do 0001 --task T-006" in result.out
    assert "nothing was trained yet" in result.out


def test_a_broken_record_is_one_error_that_names_it(records: Records, tmp_path: Path, sw: Sw) -> None:
    increment = records.write()
    (increment.folder / "reports/evaluation.json").write_text('{"kind": "eval')
    result = sw("review", "--json", cwd=tmp_path)
    assert result.code == 2
    (error,) = json.loads(result.out)["errors"]
    assert error["code"] == "corrupt-file" and "reports/evaluation.json:1" in error["where"]
