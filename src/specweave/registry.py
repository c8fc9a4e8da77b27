"""What can be plugged in, by name: each table maps a name to ``"module:attribute"``.

Reads: installed entry points of the group ``specweave.<table>``. Writes: nothing.
Never: imports a plug-in before somebody asks for it by name.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from specweave.errors import UnknownNameError, did_you_mean

TABLES: dict[str, dict[str, str]] = {
    # Spellings on the "Problem type" line are the problem's own affair; these are the files.
    "problems": {
        "classification": "specweave.problems.classification:Classification",
        "regression": "specweave.problems.regression:Regression",
        "lifetime_value": "specweave.problems.lifetime_value:LifetimeValue",
        "recommendation": "specweave.problems.recommendation:Recommendation",
        "forecasting": "specweave.problems.forecasting:Forecasting",
    },
    "metrics": {
        "classification": "specweave.metrics.classification:METRICS",
        "regression": "specweave.metrics.regression:METRICS",
        "forecast": "specweave.metrics.forecast:METRICS",
        "ranking": "specweave.metrics.ranking:METRICS",
        "operational": "specweave.metrics.operational:METRICS",
    },
    "engines": {
        "local": "specweave.engines.local:LocalEngine",
        "ray": "specweave.engines.ray:RayEngine",
    },
    "trackers": {
        "mlflow": "specweave.integrations.trackers.mlflow:MlflowTracker",
        "wandb": "specweave.integrations.trackers.wandb:WandbTracker",
        "tensorboard": "specweave.integrations.trackers.tensorboard:TensorboardTracker",
    },
    # Who follows every run: function(experiments_folder) -> sequence of RunWatcher.
    "watchers": {
        "mirrors": "specweave.integrations.mirroring:find_mirrors",
    },
    # What `publish_document` writes: function(increment_folder) -> list of paths.
    "documents": {
        "quality-report": "specweave.publish.quality_report:publish_quality_report",
        "01-eda": "specweave.publish.notebooks:publish_eda",
        "feature-reports": "specweave.publish.feature_reports:publish_feature_reports",
        "02-feature-engineering": "specweave.publish.notebooks:publish_feature_engineering",
        "evaluation-report": "specweave.publish.evaluation_report:publish_evaluation_report",
        "03-model-analysis": "specweave.publish.notebooks:publish_model_analysis",
        "explainability-report": "specweave.publish.explainability_report:publish_explainability_report",
        "deployment-docs": "specweave.publish.deployment_docs:publish_deployment_docs",
        "ab-test-plan": "specweave.publish.ab_test_report:publish_ab_test_plan",
    },
}


@cache
def _entries(table: str) -> dict[str, str]:
    """Return the built-in table with what installed packages add to it."""
    plugged = {point.name: point.value for point in entry_points(group=f"specweave.{table}")}
    return {**TABLES[table], **plugged}


def names(table: str) -> list[str]:
    """Return the registered names of a table, built-in ones first."""
    return list(_entries(table))


@cache
def get(table: str, name: str) -> Any:
    """Import and return what is registered under `name`.

    Raises
    ------
    UnknownNameError
        If nothing is registered under that name.
    """
    entries = _entries(table)
    if name not in entries:
        raise UnknownNameError(f"no {table[:-1]} is called '{name}'", hint=did_you_mean(name, entries))
    module, _, attribute = entries[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def items(table: str) -> list[tuple[str, Any]]:
    """Return every (name, object) of a table, importing each."""
    return [(name, get(table, name)) for name in names(table)]
