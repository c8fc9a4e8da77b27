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
        "own-scripts": "specweave.problems.own_scripts:OwnScripts",
    },
    "metrics": {
        "classification": "specweave.metrics.classification:METRICS",
        "regression": "specweave.metrics.regression:METRICS",
        "value": "specweave.metrics.value:METRICS",
        "forecast": "specweave.metrics.forecast:METRICS",
        "ranking": "specweave.metrics.ranking:METRICS",
        "operational": "specweave.metrics.operational:METRICS",
        "tables": "specweave.metrics.tables:METRICS",
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
    # Coding agents that `sw agent install` knows.
    "agents": {
        "claude": "specweave.integrations.agents.claude:AGENT",
        "codex": "specweave.integrations.agents.codex:AGENT",
        "cursor": "specweave.integrations.agents.cursor:AGENT",
        "copilot": "specweave.integrations.agents.copilot:AGENT",
        "gemini": "specweave.integrations.agents.gemini:AGENT",
        "github-actions": "specweave.integrations.agents.github_actions:AGENT",
    },
    # Addresses that "Training data" may hold beside the path of a file.
    "sources": {
        "increment": "specweave.stages.increment_source:IncrementSource",
        "http": "specweave.tables.sources.remote:HttpSource",
        "bucket": "specweave.tables.sources.remote:BucketSource",
        "database": "specweave.tables.sources.sql:FileDatabaseSource",
        "postgres": "specweave.tables.sources.sql:PostgresSource",
        "glob": "specweave.tables.sources.globs:GlobSource",
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
    # The ml-engineer's rules by their code; a code is never given to another rule again.
    "rules": {
        "SW101": "specweave.review.rules.leakage:target_in_disguise",
        "SW102": "specweave.review.rules.leakage:too_good",
        "SW103": "specweave.review.rules.leakage:repeated_rows",
        "SW104": "specweave.review.rules.columns:no_influence",
        "SW105": "specweave.review.rules.columns:correlated",
        "SW106": "specweave.review.rules.columns:mostly_empty",
        "SW107": "specweave.review.rules.columns:names_rows",
        "SW108": "specweave.review.rules.aims:imbalance_untreated",
        "SW109": "specweave.review.rules.aims:metric_does_not_fit",
        "SW110": "specweave.review.rules.validation:time_ignored",
        "SW111": "specweave.review.rules.validation:keys_split_apart",
        "SW112": "specweave.review.rules.validation:few_folds",
        "SW113": "specweave.review.rules.validation:unsteady_folds",
        "SW114": "specweave.review.rules.validation:holdout_worn",
        "SW115": "specweave.review.rules.validation:drift",
        "SW116": "specweave.review.rules.leakage:holdout_falls",
        "SW117": "specweave.review.rules.validation:few_rows",
        "SW118": "specweave.review.rules.results:undecided",
        "SW119": "specweave.review.rules.results:missed",
        "SW120": "specweave.review.rules.training:candidate_failed",
        "SW121": "specweave.review.rules.training:cut_by_budget",
        "SW122": "specweave.review.rules.tuning:at_the_edge",
        "SW123": "specweave.review.rules.tuning:tuning_unfinished",
        "SW124": "specweave.review.rules.tuning:still_improving",
        "SW125": "specweave.review.rules.tuning:curve_unfinished",
        "SW126": "specweave.review.rules.training:overfitting_gap",
        "SW127": "specweave.review.rules.training:simpler_as_good",
        "SW128": "specweave.review.rules.training:linear_ties",
        "SW129": "specweave.review.rules.training:large_model",
        "SW130": "specweave.review.rules.results:baseline_margin",
        "SW131": "specweave.review.rules.training:weak_baselines",
        "SW132": "specweave.review.rules.training:few_algorithms",
        "SW133": "specweave.review.rules.training:out_of_step",
        "SW134": "specweave.review.rules.aims:amended",
        "SW135": "specweave.review.rules.validation:old_data",
        "SW140": "specweave.review.rules.results:threshold_at_edge",
        "SW141": "specweave.review.rules.results:too_slow",
        "SW142": "specweave.review.rules.results:calibration_off",
        "SW144": "specweave.review.rules.results:segment_behind",
        "SW145": "specweave.review.rules.results:never_predicted",
        "SW146": "specweave.review.rules.results:constant_prediction",
        "SW148": "specweave.review.rules.aims:nothing_to_judge_by",
        "SW149": "specweave.review.rules.aims:bar_too_low",
        "SW150": "specweave.review.rules.results:not_explained",
        "SW152": "specweave.review.rules.training:tuning_in_vain",
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
