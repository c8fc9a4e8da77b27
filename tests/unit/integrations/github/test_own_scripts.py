"""An increment of own scripts has no model: its issue says what was checked instead."""

from __future__ import annotations

from pathlib import Path

from built_increment import build_increment, build_project

from specweave.experiments.store import ExperimentStore
from specweave.increments.project import Increment
from specweave.integrations.github.issue_text import render_block
from specweave.integrations.standing import load_standing


def own_scripts(root: Path) -> Increment:
    increment = build_increment(build_project(root), metrics="Rows >= 1")
    spec = increment.spec_path.read_text().replace("Binary classification", "Data pipeline")
    increment.spec_path.write_text(spec.replace("- Latency: <100ms\n", "").replace("- Target: churn\n", ""))
    increment.tasks_path.write_text("# Tasks\n\n- [ ] T-010: Prepare\n  - script: `pipeline/t010_own.py`\n")
    return increment


def test_an_issue_of_own_scripts_says_what_was_checked(tmp_path: Path) -> None:
    increment = own_scripts(tmp_path / "project")
    text = render_block(load_standing(increment))
    assert "#### What was checked" in text and "logged nothing yet" in text
    run = ExperimentStore(increment.experiments, watchers=()).create("checks")
    run.log_metrics({"rows": 40})
    run.close("completed")
    text = render_block(load_standing(increment))
    assert "Best model" not in text and "Nothing was evaluated yet" not in text
    assert "1 criteria are judged by what they logged" not in text
    assert "one criterion is judged by what they logged" in text
    assert "| Rows |" in text or "| rows |" in text
