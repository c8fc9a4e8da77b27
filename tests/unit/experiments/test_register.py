"""A run makes its model the increment's next version."""

from __future__ import annotations

import json

import pytest

from specweave.errors import StateError
from specweave.experiments.store import ExperimentStore


def test_a_run_registers_its_model_with_all_that_is_known_of_it(store: ExperimentStore) -> None:
    with store.create("lightgbm", seed=3, data_sha256="ab") as exp:
        exp.log_param("depth", 6)
        exp.log_metric("auc", 0.9)
        exp.save_model({"w": 1})
        version = exp.register_model(threshold=0.4)
    models = store.folder.parent / "models"
    assert (version.version, (models / "model-v1.pkl").is_file()) == ("0042-v1", True)
    body = json.loads((models / "model-v1.metadata.json").read_text())
    assert (body["experiment"], body["algorithm"]) == ("exp-001-lightgbm", "lightgbm")
    assert body["params"] == {"depth": 6}
    assert body["metrics"]["auc"]["value"] == 0.9


def test_a_run_without_a_model_has_nothing_to_register(store: ExperimentStore) -> None:
    with store.create("x") as exp, pytest.raises(StateError, match="no model to register"):
        exp.register_model()
