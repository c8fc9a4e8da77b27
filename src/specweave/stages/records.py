"""The records under ``reports/`` that more than one command reads, and what each must hold.

Reads: ``reports/*.json``. Writes: nothing. Never: imports what computed them, so that reading stays quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from specweave.errors import StageError
from specweave.files.shapes import MaybeNumber, Number
from specweave.files.store import load_record

EVALUATION, EXPLANATION, DEPLOYMENT, AB_TEST = (
    f"reports/{name}.json" for name in ("evaluation", "explanation", "deployment", "ab-test")
)
SCHEMA = 1


class MeasuredShape(TypedDict):
    """One metric."""

    name: str
    value: Number
    higher_is_better: bool
    unit: NotRequired[str]
    low: NotRequired[MaybeNumber]
    high: NotRequired[MaybeNumber]
    level: NotRequired[MaybeNumber]
    n: NotRequired[int | None]
    method: NotRequired[str]


class FindingShape(TypedDict):
    """One doubt."""

    code: str
    severity: str
    message: str
    where: NotRequired[str]
    evidence: NotRequired[dict[str, Any]]
    advice: NotRequired[str]


class ModelShape(TypedDict):
    """One model among those compared."""

    experiment: str
    algorithm: str
    role: str
    validation: MaybeNumber
    validation_std: MaybeNumber
    holdout: MaybeNumber
    train_seconds: MaybeNumber
    model_bytes: MaybeNumber


class ComparisonShape(TypedDict):
    """The chosen model against another."""

    role: str
    against: str
    metric: str
    ours: MaybeNumber
    theirs: MaybeNumber
    difference: Number
    low: MaybeNumber
    high: MaybeNumber
    p_value: MaybeNumber
    n: int
    test: str
    verdict: str
    loss_test: NotRequired[dict[str, Any] | None]


class TableShape(TypedDict):
    """One table of a report."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str


class SegmentsShape(TypedDict):
    """How parts of the holdout do."""

    metric: str
    overall: MaybeNumber
    checked: int
    min_rows: int
    too_small: int
    undefined: int
    worst: list[dict[str, Any]]


class ErrorsShape(TypedDict):
    """Where the model errs."""

    mean_loss: Number
    columns: list[dict[str, Any]]
    worst: list[dict[str, Any]]


class GapShape(TypedDict):
    """The selection metric on training rows, validation folds and holdout."""

    metric: str
    train: MaybeNumber
    cv: MaybeNumber
    cv_std: MaybeNumber
    holdout: MaybeNumber
    n_folds: int


class DecisionShape(TypedDict, total=False):
    """What turns predictions into decisions; each problem type adds its own."""

    threshold: MaybeNumber
    labels: list[str]
    positive: str | None
    rule: str | None
    promise: dict[str, Any]
    calibration: dict[str, Any]


class EvaluationShape(TypedDict):
    """``reports/evaluation.json``."""

    experiment: str
    algorithm: str
    role: str
    selection_metric: str
    decision: DecisionShape
    n_holdout: int
    answered: NotRequired[str]
    n_train: int
    holdout: str
    metrics: list[MeasuredShape]
    model_bytes: int
    problem: str
    generation: str
    split: str
    data_sha256: str
    undefined: dict[str, str]
    models: list[ModelShape]
    comparisons: list[ComparisonShape]
    tables: list[TableShape]
    segments: SegmentsShape | None
    errors: ErrorsShape
    overfitting: GapShape
    latency: dict[str, Any]
    train_seconds: MaybeNumber
    findings: list[FindingShape]


class ExplanationShape(TypedDict):
    """``reports/explanation.json``."""

    experiment: str
    algorithm: str
    method: str
    unit: str
    of: NotRequired[str]
    n_rows: int
    n_holdout: int
    answered: NotRequired[str]
    n_background: int
    importance: list[ImportanceShape]
    examples: list[ExampleShape]
    findings: list[FindingShape]


class ImportanceShape(TypedDict):
    """How much one column matters."""

    feature: str
    rank: int
    mean_abs_shap: Number
    share: MaybeNumber


class ExampleShape(TypedDict):
    """One explained answer."""

    row: int
    why: str
    answer: dict[str, Any]
    reasons: list[dict[str, Any]]
    contributions: list[dict[str, Any]]


class DeploymentShape(TypedDict):
    """``reports/deployment.json``."""

    version: str
    experiment: str
    algorithm: str
    decision: DecisionShape
    model: ModelFileShape
    latency: dict[str, Any]
    parity: ParityShape
    requirements: dict[str, str]
    example: RequestShape
    ahead: NotRequired[dict[str, Any] | None]
    files: dict[str, int]
    findings: list[FindingShape]


class ModelFileShape(TypedDict):
    """The packaged model's file."""

    file: str
    bytes: int
    sha256: str


class RequestShape(TypedDict):
    """One request and its answer."""

    request: dict[str, Any]
    answer: dict[str, Any]
    events: NotRequired[list[dict[str, Any]]]


class ParityShape(TypedDict):
    """Whether the package answers as was measured."""

    passed: bool
    rows: int
    rows_with_missing_values: int
    rows_with_unseen_levels: int
    stored_predictions: int
    largest_difference: MaybeNumber
    tolerance: str
    cold_start_s: MaybeNumber


class PrimaryShape(TypedDict):
    """What an A/B test compares."""

    metric: str
    kind: str
    baseline: Number
    minimum_effect: Number
    unit: str


class SizingShape(TypedDict):
    """How large an A/B test must be."""

    per_arm: Number
    total: Number
    days: MaybeNumber
    test: str
    durations: list[dict[str, Any]]
    sensitivity: list[dict[str, Any]]
    too_long: NotRequired[dict[str, Any] | None]


class AbTestShape(TypedDict):
    """``reports/ab-test.json``."""

    experiment: str
    algorithm: str
    hypothesis: str
    alpha: Number
    power: Number
    primary: PrimaryShape
    sizing: SizingShape
    assignment: dict[str, Any]
    guardrails: list[dict[str, Any]]
    ramp: list[dict[str, Any]]
    stopping: str
    decision: list[str]
    rollback: list[str]


def load_evaluation(folder: Path) -> dict[str, Any]:
    """Read an increment's ``reports/evaluation.json``.

    Raises
    ------
    StageError
        If there is none yet.
    CorruptFileError
        If it is not what T-006 writes; names the key.
    """
    path = folder / EVALUATION
    if not path.exists():
        raise StageError("nothing was evaluated yet", where=folder.name, hint="run: sw do --task T-006")
    return load_record(path, "evaluation", SCHEMA, shape=EvaluationShape, remedy=remedy("T-006"))


def find_evaluation(folder: Path) -> dict[str, Any] | None:
    """Read an increment's ``reports/evaluation.json``, None where nothing was evaluated yet.

    Raises
    ------
    CorruptFileError
        As :func:`load_evaluation`.
    """
    return load_evaluation(folder) if (folder / EVALUATION).exists() else None


def load_explanation(folder: Path) -> dict[str, Any]:
    """Read an increment's ``reports/explanation.json``; as :func:`load_evaluation`."""
    return load_record(
        folder / EXPLANATION, "explanation", SCHEMA, shape=ExplanationShape, remedy=remedy("T-007")
    )


def find_explanation(folder: Path) -> dict[str, Any] | None:
    """Read an increment's ``reports/explanation.json``, None where nothing was explained yet."""
    return load_explanation(folder) if (folder / EXPLANATION).exists() else None


def load_deployment(folder: Path) -> dict[str, Any]:
    """Read an increment's ``reports/deployment.json``; as :func:`load_evaluation`."""
    return load_record(
        folder / DEPLOYMENT, "deployment", SCHEMA, shape=DeploymentShape, remedy=remedy("T-008")
    )


def load_ab_test(folder: Path) -> dict[str, Any]:
    """Read an increment's ``reports/ab-test.json``; as :func:`load_evaluation`."""
    return load_record(folder / AB_TEST, "ab-test", SCHEMA, shape=AbTestShape, remedy=remedy("T-009"))


def remedy(task: str) -> str:
    """Return the command that writes a damaged record of a task again."""
    return f"sw do --task {task} --force"
