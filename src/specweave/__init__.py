"""specweave: machine-learning projects driven by their own documents.

The names below are the library; each is imported when it is first used, so that ``import specweave``
costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# Public name -> module that defines it.
_NAMES = {
    # the tasks of an increment
    "explore_data": "specweave.stages.explore",
    "engineer_features": "specweave.stages.features",
    "train_baseline_model": "specweave.stages.baselines",
    "candidate_experiments": "specweave.stages.candidates",
    "run_experiments": "specweave.stages.candidates",
    "ExperimentResults": "specweave.stages.candidates",
    "tune_best": "specweave.stages.tuning",
    "evaluate_models": "specweave.stages.evaluation",
    "explain_model": "specweave.stages.explanation",
    "prepare_deployment": "specweave.stages.deployment",
    "plan_ab_test": "specweave.stages.ab_test",
    "load_training_data": "specweave.stages.own_tables",
    "publish_table": "specweave.stages.own_tables",
    "publish_document": "specweave.publish.documents",
    "ModelExperiment": "specweave.problems.values",
    "open_workspace": "specweave.stages.workspace",
    # tracking code of your own
    "track_experiment": "specweave.experiments.tracking",
    "track_model": "specweave.experiments.tracking",
    "ExperimentStore": "specweave.experiments.store",
    "ExperimentMetadata": "specweave.experiments.tracking",
    "track_sklearn_model": "specweave.integrations.frameworks.sklearn",
    "track_pytorch_model": "specweave.integrations.frameworks.torch",
    "KerasCallback": "specweave.integrations.frameworks.keras",
    "track_boosting_model": "specweave.integrations.frameworks.boosting",
    "track_cross_validation": "specweave.integrations.frameworks.cross_validation",
    "configure_mlflow": "specweave.integrations.configuration",
    "configure_wandb": "specweave.integrations.configuration",
    "configure_tensorboard": "specweave.integrations.configuration",
    "AutoTracker": "specweave.integrations.frameworks.auto",
    # errors
    "SpecweaveError": "specweave.errors",
    "SpecError": "specweave.errors",
    "DataError": "specweave.errors",
    "StateError": "specweave.errors",
    "StorageError": "specweave.errors",
    "StageError": "specweave.errors",
    "UnknownNameError": "specweave.errors",
    "MissingExtraError": "specweave.errors",
    "IntegrationError": "specweave.errors",
}

__all__ = ["__version__", *_NAMES]


def __getattr__(name: str) -> Any:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module 'specweave' has no attribute '{name}'")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_NAMES])
