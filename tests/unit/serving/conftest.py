"""A small churn model, packaged once for all tests of serving."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from specweave.experiments.versions import ModelVersions
from specweave.problems.base import Dataset, ModelExperiment, Source
from specweave.problems.classification import Classification
from specweave.serving.inference import Predictor
from specweave.serving.package import save_package
from specweave.tables.kinds import infer_kinds
from specweave.tables.schema import make_schema
from specweave.tables.transformer import TableFeatures

DECISION = {"labels": ["No", "Yes"], "positive": "Yes", "threshold": 0.4, "rule": "most f1"}


@dataclass
class Packaged:
    """A package, and what it was made from."""

    folder: Path
    dataset: Dataset
    model: Any
    schema: dict[str, Any]

    @property
    def rows(self) -> pd.DataFrame:
        """Raw rows without the target."""
        return self.dataset.frame.drop(columns="churn")


def make_churn(n: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer": [f"c{seed}-{i:04d}" for i in range(n)],
            "tenure": rng.integers(0, 70, n),
            "contract": rng.choice(["month", "year", "two years"], n),
            "charge": rng.normal(60, 20, n).round(2),
        }
    )
    frame.loc[::13, "charge"] = np.nan
    signal = 3 * (frame["contract"] == "month") - frame["tenure"] / 15 + rng.normal(size=n)
    frame["churn"] = np.where(signal > 0.3, "Yes", "No")
    return frame


def make_package(folder: Path, **settings: Any) -> Packaged:
    frame = make_churn()
    kinds = dict(infer_kinds(frame, target="churn", identifiers=("customer",)))
    roles = {"target": "churn", "identifiers": ["customer"], "time": None, "group": None}
    dataset = Dataset(frame, kinds, roles, Source("churn.csv", 0, "", len(frame)))
    problem = Classification()
    inputs = {c: k for c, k in kinds.items() if c != "churn"}
    features = TableFeatures(inputs, drop={"customer": "identifier"})
    experiment = ModelExperiment("m", LogisticRegression, {})
    model = problem.fit(experiment, dataset, np.arange(300), features, seed=0, threads=1)
    metrics = {"roc_auc": {"value": 0.9, "low": 0.87, "high": 0.93}}
    version = ModelVersions(folder.parent / "models").save(
        model,
        experiment="exp-003-m",
        algorithm="LogisticRegression",
        decision=DECISION,
        increment="0042",
        metrics=metrics,
    )
    schema = make_schema(frame.iloc[:300], kinds, "churn")
    save_package(
        folder, version, problem="classification", decision=DECISION, schema=schema,
        columns=problem.request_columns(dataset), identifiers=["customer"], background=frame.iloc[:60],
        reference=frame.iloc[:300], **settings,
    )  # fmt: skip
    return Packaged(folder, dataset, model, schema)


@pytest.fixture(scope="session")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> Packaged:
    return make_package(tmp_path_factory.mktemp("0042-churn") / "deploy")


@pytest.fixture
def package_into() -> Callable[[Path], Packaged]:
    """The function that packages the model into a folder."""
    return make_package


@pytest.fixture(scope="session")
def predictor(packaged: Packaged) -> Predictor:
    return Predictor.load(packaged.folder)


@pytest.fixture
def copied(packaged: Packaged, tmp_path: Path) -> Path:
    """A copy of the package that a test may damage."""
    return Path(shutil.copytree(packaged.folder, tmp_path / "deploy"))


@pytest.fixture
def newer() -> pd.DataFrame:
    """Rows of the same kind that no model has seen."""
    return make_churn(300, seed=9)
