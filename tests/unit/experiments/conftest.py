"""A store in a fresh folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.experiments.store import ExperimentStore


@pytest.fixture
def store(tmp_path: Path) -> ExperimentStore:
    return ExperimentStore(tmp_path / ".specweave" / "increments" / "0042-churn" / "experiments")
