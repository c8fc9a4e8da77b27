"""The nine tasks: what each is called, what it reads, and what proves that it was done.

Reads: nothing. Writes: nothing. Never: runs a task. A new task is one line here and one script template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TaskDef:
    """One task of the pipeline.

    Attributes
    ----------
    id, title : str
    script : str
        Below the increment's folder; made from the template of the same name.
    evidence : tuple of str
        Glob patterns below the increment's folder.
    spec, plan : tuple of str
        The fields of spec.md and settings of plan.md that decide its result.
    after : tuple of str
        Tasks whose outputs it reads.
    files : tuple of str
        Files of other tasks that a person may have edited; hashed as they are now.
    decisions : {"never", "choice", "always"}
        Whether its result depends on what turns predictions into decisions (the plan's ``threshold``, the costs of
        spec.md): ``choice`` where it does only if models are chosen by a metric of decisions.
    """

    id: str
    title: str
    script: str
    evidence: tuple[str, ...]
    spec: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    decisions: Literal["never", "choice", "always"] = "never"


_DATA = ("Problem type", "Training data", "Target", "Identifier", "Time column", "Group column")
_SPLIT = (*_DATA, "Validation")
_FEATURES = ("features/feature_definitions.yaml",)

TASKS: tuple[TaskDef, ...] = (
    TaskDef(
        "T-001", "Data exploration and quality analysis", "pipeline/t001_explore.py",
        ("data/profile.json", "data/schema.yaml", "data/sample.csv", "data/quality-report.md", "notebooks/01-eda.ipynb"),
        spec=_SPLIT, plan=("split",),
    ),
    TaskDef(
        "T-002", "Feature engineering pipeline", "pipeline/t002_features.py",
        ("features/feature_definitions.yaml", "features/transformer.pkl", "features/selection-report.md",
         "features/validation-report.md", "notebooks/02-feature-engineering.ipynb"),
        # It keeps what a person edited in the definitions, and fits the transformer to it.
        spec=_SPLIT, plan=("split", "features"), after=("T-001",), files=_FEATURES,
    ),
    TaskDef(
        "T-003", "Train baseline model ({baselines})", "pipeline/t003_baselines.py",
        ("experiments/*baseline*/metrics.json", "experiments/comparison.md"),
        spec=_SPLIT, plan=("split", "baselines", "selection_metric", "target_transform"),
        after=("T-002",), files=_FEATURES, decisions="choice",
    ),
    TaskDef(
        "T-004", "Train candidate models ({candidates})", "pipeline/t004_candidates.py",
        ("experiments/*/model.pkl", "experiments/*/predictions.parquet", "experiments/comparison.md"),
        spec=_SPLIT, plan=("split", "candidates", "ensemble", "selection_metric", "target_transform"),
        after=("T-002",), files=_FEATURES, decisions="choice",
    ),
    TaskDef(
        "T-005", "Hyperparameter tuning (best model)", "pipeline/t005_tuning.py",
        ("experiments/*tuned*/optuna-journal.log", "experiments/*tuned*/model.pkl"),
        spec=_SPLIT, plan=("split", "tuning", "candidates", "selection_metric", "target_transform"),
        after=("T-004",), files=_FEATURES, decisions="choice",
    ),
    TaskDef(
        "T-006", "Model evaluation (all metrics)", "pipeline/t006_evaluation.py",
        ("reports/evaluation.json", "reports/evaluation-report.md", "notebooks/03-model-analysis.ipynb"),
        spec=(*_SPLIT, "Positive class"), plan=("split", "selection_metric"),
        after=("T-003", "T-004", "T-005"), decisions="always",
    ),
    TaskDef(
        "T-007", "Model explainability (SHAP/LIME)", "pipeline/t007_explainability.py",
        ("experiments/*/shap_values.pkl", "reports/explanation.json", "reports/explainability-report.md"),
        spec=("Explainability",), plan=("explain",), after=("T-006",),
    ),
    TaskDef(
        "T-008", "Production deployment preparation", "pipeline/t008_deployment.py",
        ("models/model-v*.pkl", "models/model-v*.metadata.json", "reports/deployment.json", "deploy/DEPLOYMENT.md"),
        plan=("deploy",), after=("T-006", "T-007"),
    ),
    TaskDef(
        "T-009", "A/B test plan", "pipeline/t009_ab_test.py",
        ("reports/ab-test.json", "deploy/ab-test-plan.md"),
        plan=("ab_test",), after=("T-006",),
    ),
)  # fmt: skip


# What an increment of own scripts begins with.
OWN_TASKS: tuple[TaskDef, ...] = (
    TaskDef("T-010", "Prepare and publish the table", "pipeline/t010_own.py", ("data/output.parquet",)),
)


def find_definition(task_id: str) -> TaskDef | None:
    """Return the definition of one of the nine, or None for a task that a person added."""
    return next((t for t in TASKS if t.id == task_id), None)
