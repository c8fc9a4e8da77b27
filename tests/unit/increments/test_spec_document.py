"""spec.md: what is read, what is refused, and that only the status line is ever rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.errors import SpecError, StorageError
from specweave.increments.spec import load_spec, parse_spec, read_status, set_status

PATH = Path("0042-churn/spec.md")

SEED = """\
## ML Problem Definition
- Problem type: Recommendation (collaborative filtering)
- Input: User behavior history
- Output: Top-N product recommendations
- Success metrics: Precision@10 > 0.25, Recall@10 > 0.15
## Data Requirements
- Training data: 6 months user interactions
- Validation: Last month
- Features: User profile, product attributes, interaction history
## Model Requirements
- Latency: <100ms inference
- Throughput: 1000 req/sec
- Accuracy: Better than random baseline by 3x
- Explainability: Must explain top-3 recommendations
"""

FULL = """\
---
id: "0042"
title: Telco churn
status: active
created: 2026-01-02
depends_on: ["0041", 7]
---

# Telco churn

## Request

> predict which customers
> will churn

## ML Problem Definition

- **Problem type**: Binary classification
- Success metrics: ROC AUC > 0.83
- Remark: we talked about it, at length: twice

## Data Requirements

- Training data: data/churn.csv
- target: `Churn`
- Identifier: a, b
- Time column: none
- Group column: (fill in: the household)
  - Target: an inner bullet is prose

## Model Requirements

- Latency: none
- RMSE: < 5
- Colour: blue
"""


def test_the_seeds_spec_parses_verbatim() -> None:
    spec = parse_spec(SEED, PATH)
    assert spec.problem_type == "Recommendation (collaborative filtering)"
    assert spec.get("training DATA") == "6 months user interactions"
    assert [c.key for c in spec.criteria] == [
        "precision@10", "recall@10", "latency_p95_ms", "throughput", "better than random baseline", "explains top-3",
    ]  # fmt: skip
    assert [c.line for c in spec.criteria] == [5, 5, 11, 12, 13, 14]
    assert spec.status == "planned"


def test_fields_are_found_blind_to_case_and_bold() -> None:
    spec = parse_spec(FULL, PATH)
    assert (spec.id, spec.title, spec.status, spec.created) == ("0042", "Telco churn", "active", "2026-01-02")
    assert spec.depends_on == ("0041", "0007")
    assert spec.request == "predict which customers will churn"
    assert spec.problem_type == "Binary classification"
    assert spec.require("Target").value == "`Churn`"
    assert spec.require("Target").line == FULL.splitlines().index("- target: `Churn`") + 1
    assert spec.get_list("Identifier") == ["a", "b"]
    assert spec.get("Time column") is None
    assert spec.get("Group column") is None
    assert spec.at("Remark").endswith(
        f"spec.md:{FULL.splitlines().index('- Remark: we talked about it, at length: twice') + 1}"
    )
    assert spec.get("Remark") == "we talked about it, at length: twice"
    assert [c.key for c in spec.criteria] == ["roc_auc", "rmse"]


def test_a_field_to_fill_in_is_named_with_its_line() -> None:
    spec = parse_spec(FULL, PATH)
    with pytest.raises(SpecError, match="not filled in") as caught:
        spec.require("Group column")
    line = next(n for n, text in enumerate(FULL.splitlines(), 1) if "Group column" in text)
    assert caught.value.where == f"0042-churn/spec.md:{line}"


def test_a_missing_bullet_names_the_section_where_it_belongs_and_what_looks_like_it() -> None:
    spec = parse_spec(FULL.replace("- Training data:", "- Training dat:"), PATH)
    with pytest.raises(SpecError) as caught:
        spec.require("Training data")
    assert "is 'Training dat' on line" in caught.value.what
    assert (
        caught.value.hint
        == "add under '## Data Requirements': - Training data: examples/churn/telco-churn.csv"
    )


def changed(old: str, new: str) -> SpecError:
    assert old in FULL
    with pytest.raises(SpecError) as caught:
        parse_spec(FULL.replace(old, new), PATH)
    return caught.value


def line_of(text: str, lines: str = FULL) -> int:
    return next(n for n, line in enumerate(lines.splitlines(), 1) if text in line)


def test_a_misspelt_section_is_named() -> None:
    error = changed("## Data Requirements", "## Data Requirement")
    assert "'## Data Requirements' is missing" in error.what
    assert error.hint is not None and f"line {line_of('## Data')}" in error.hint


def test_a_bullet_that_stands_twice_is_refused() -> None:
    error = changed("- Identifier: a, b", "- Target: Other")
    assert error.what == f"'Target' stands twice (first on line {line_of('target:')})"


def test_an_unknown_status_is_refused_with_its_line() -> None:
    error = changed("status: active", "status: activ")
    assert (error.where, error.hint) == (
        "0042-churn/spec.md:4",
        "write one of: planned, active, done, abandoned",
    )


def test_a_criterion_that_does_not_parse_names_its_line() -> None:
    error = changed("ROC AUC > 0.83", "ROC AUC above 0.83")
    assert error.where == f"0042-churn/spec.md:{line_of('Success metrics')}"
    assert error.hint is not None and "ROC AUC > 0.83" in error.hint


def test_merge_conflicts_are_named_before_anything_else() -> None:
    text = FULL.replace(
        "- target: `Churn`", "<<<<<<< HEAD\n- Target: a\n=======\n- Target: b\n>>>>>>> theirs"
    )
    with pytest.raises(SpecError, match="merge conflict") as caught:
        parse_spec(text, PATH)
    assert caught.value.where == f"0042-churn/spec.md:{line_of('<<<<<<<', text)}"


@pytest.mark.parametrize(
    ("front", "line", "says"),
    [
        ("---\nid: [1\n---\n", 3, "not valid YAML"),
        ("---\nid: 1\nid: 2\n---\n", 3, "not valid YAML"),
        ("---\njust words\n---\n", 2, "not a mapping"),
        ("---\ncreated: 2026-02-30\n---\n", 2, "not valid YAML"),
        ("---\nid: 1\n", 1, "not closed"),
    ],
)
def test_broken_front_matter_names_its_line(front: str, line: int, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        parse_spec(front + SEED, PATH)
    assert caught.value.where == f"0042-churn/spec.md:{line}"


def test_windows_line_endings_read_alike() -> None:
    spec = parse_spec(FULL.replace("\n", "\r\n"), PATH)
    assert spec.criteria == parse_spec(FULL, PATH).criteria
    assert spec.fields == parse_spec(FULL, PATH).fields


def test_a_missing_spec_says_how_to_get_it_back(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no spec\.md"):
        load_spec(tmp_path / "spec.md")


def test_only_the_status_line_is_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "spec.md"
    path.write_bytes(FULL.replace("\n", "\r\n").encode())
    before = path.read_bytes()
    set_status(path, "done")
    assert path.read_bytes() == before.replace(b"status: active", b"status: done")
    assert read_status(path) == "done"
    with pytest.raises(SpecError, match="no status"):
        set_status(path, "finished")


def test_the_fingerprint_sees_these_fields_only() -> None:
    spec, other = parse_spec(FULL, PATH), parse_spec(FULL.replace("> 0.83", "> 0.9"), PATH)
    assert spec.fingerprint(("Target", "Training data")) == other.fingerprint(("Target", "Training data"))
    moved = parse_spec(FULL.replace("data/churn.csv", "data/other.csv"), PATH)
    assert spec.fingerprint(("Target", "Training data")) != moved.fingerprint(("Target", "Training data"))
