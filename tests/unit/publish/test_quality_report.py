"""The quality report, rebuilt from the profile alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import StageError
from specweave.files.store import save_record
from specweave.problems.base import Dataset, Source, Split
from specweave.publish.eda_figures import eda_figures
from specweave.publish.quality_report import publish_quality_report, values_text
from specweave.publish.wording import amount_text, code_text, share_text, short_text
from specweave.stages.explore import PROFILE, explore, profile_record
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
- Problem type: {kind} classification
## Data Requirements
- Training data: visits.csv
- Target: back
## Model Requirements
- Latency: <250ms
"""


def make_frame(n: int = 200, wide: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "key": [f"k{i:04d}" for i in range(n)],
            "price in $ | net": rng.exponential(40, n).round(2),
            "since": pd.date_range("2024-01-01", periods=n).strftime("%Y-%m-%d"),
            "region": np.where(rng.random(n) < 0.2, None, rng.choice(["north", "so|uth"], n)),
            "rooms": rng.integers(1, 5, n),
            "back": rng.choice(["yes", "no"], n, p=[0.3, 0.7]),
        }
    )
    frame["twin"] = np.where(frame["back"] == "yes", "Y", "N")
    extra = pd.DataFrame(rng.normal(size=(n, wide)), columns=[f"gene {i}" for i in range(wide)])
    return pd.concat([frame, extra], axis=1)


def make_folder(folder: Path, frame: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    (folder / "spec.md").write_text(SPEC.format(kind="Binary"))
    dataset = Dataset(
        frame, infer_kinds(frame, target="back"), {"target": "back", "identifiers": [], "time": None},
        Source("visits.csv", 12_345, "ab" * 32, len(frame), ("a note on reading",)),
    )  # fmt: skip
    split = Split(np.arange(0, len(frame), 2), np.arange(1, len(frame), 2), (), "every other row")
    record = profile_record(explore(dataset, split, task="classification"), dataset, split)
    save_record(folder / PROFILE, "profile", 1, record)
    return folder


def test_the_report_says_what_a_reader_needs_and_shows_every_picture_it_names(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "0001-visits", make_frame())
    written = publish_quality_report(folder)
    report = (folder / "data" / "quality-report.md").read_text()
    assert "**200 rows × 7 columns** from `visits.csv` (12.3 kB" in report
    assert "A note on reading." in report
    assert "**SW207** `twin`" in report and "Some columns must not be trained on" in report
    assert "`price in $ \\| net`" in report and "so\\|uth" in report
    named = {line.split("](")[1].rstrip(")") for line in report.splitlines() if line.startswith("![")}
    assert named == {f"figures/{p.name}" for p in written[1:]}
    assert {p.stem for p in written[1:]} == {
        "target",
        "missing",
        "distributions",
        "associations",
        "correlations",
    }


def test_the_same_profile_gives_the_same_bytes_anywhere(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "a" / "0001-visits", make_frame())
    other = tmp_path / "b" / "0001-visits"
    (other / "data").mkdir(parents=True)
    shutil.copy(folder / PROFILE, other / PROFILE)
    shutil.copy(folder / "spec.md", other / "spec.md")
    for one, two in zip(publish_quality_report(folder), publish_quality_report(other), strict=True):
        assert one.name == two.name and one.read_bytes() == two.read_bytes()


def test_a_very_wide_table_is_cut_to_what_a_person_can_read(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "0001-visits", make_frame(60, wide=600))
    publish_quality_report(folder)
    report = (folder / "data" / "quality-report.md").read_text()
    rows = [line for line in report.splitlines() if line.startswith("| `")]
    assert 50 < len(rows) < 120
    assert "of 607 columns are shown" in report and any(line.startswith("| `twin`") for line in rows)


def test_a_table_without_target_or_gaps_gets_a_report_without_these_parts() -> None:
    x = np.random.default_rng(9).normal(size=50)
    frame = pd.DataFrame({"x": x, "y": x**2})
    dataset = Dataset(frame, infer_kinds(frame), {"target": None}, Source("x.csv", 1, "0" * 64, 50))
    profile = explore(dataset, Split(np.arange(50), np.arange(0), (), "none")).profile
    assert {f.name for f in eda_figures(profile)} == {"distributions", "correlations"}


def test_a_report_before_the_data_was_explored_names_the_task(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="sw do --task T-001"):
        publish_quality_report(tmp_path)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (
            {"kind": "numeric", "min": 0.0, "max": 8684.8, "quantiles": {"p50": 1397.475}},
            "0 to 8,685, median 1,397",
        ),
        (
            {"kind": "datetime", "min": "2024-01-01T00:00:00", "max": "2024-07-18T00:00:00"},
            "2024-01-01 to 2024-07-18",
        ),
        ({"kind": "category", "distinct": 3, "top": [{"value": "a", "share": 0.5}]}, "a: 50.0 %, 2 more"),
        ({"kind": "text", "mean_words": 6.04}, "about 6 words each"),
        ({"kind": "empty"}, ""),
    ],
)
def test_a_columns_values_are_told_in_a_few_words(column: dict[str, Any], words: str) -> None:
    assert values_text(column) == words


def test_numbers_shares_and_names_read_as_people_write_them() -> None:
    assert [amount_text(v) for v in (1234567.0, 0.123456, 3.0, -0.00001, float("inf"), None, "n/a")] == [
        "1,234,567", "0.1235", "3", "-1e-05", "inf", "", "n/a",
    ]  # fmt: skip
    assert [amount_text(v, short=True) for v in (1950.0, 12000.0, 2.5e6)] == ["1950", "12k", "2.5M"]
    assert [share_text(s) for s in (0.0, 0.0004, 0.265, 1.0)] == ["0 %", "<0.1 %", "26.5 %", "100 %"]
    assert code_text("a|b") == "`a|b`" and code_text("b`c") == "`` b`c ``"
    assert short_text("cost in $ and more", 9) == "cost in …"
