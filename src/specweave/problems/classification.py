"""Classification: which of a few labels. Binary with a tuned threshold, or several classes.

Reads: a table with a label column. Writes: nothing. Never: tunes a threshold on the holdout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from specweave.errors import SpecError
from specweave.metrics.base import MetricRef
from specweave.problems.base import Choice, Contributions, Dataset, ModelExperiment, Table
from specweave.problems.calibration import (
    apply_calibration,
    calibrated,
    cross_fitted,
    learn_calibration,
    raw_score,
)
from specweave.problems.choosing import make_rule_experiment, selection_first
from specweave.problems.classification_labels import as_labels, check_labels, positive_label, sorted_labels
from specweave.problems.classification_models import RuleClassifier, label_probabilities
from specweave.problems.classification_outcomes import (
    calibration_table,
    called_labels,
    check_called,
    check_held_out,
    class_tables,
    count_share,
    label_answers,
    log_losses,
)
from specweave.problems.classification_planning import (
    COSTS,
    draft_bullets,
    draft_choices,
    match_labels,
    stated_costs,
)
from specweave.problems.imbalance import rare_variants
from specweave.problems.promises import check_promise, promise_tables
from specweave.problems.tabular import TabularProblem
from specweave.problems.thresholds import choose_threshold
from specweave.records import Figure, Finding

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow

_OF_PROBABILITIES = frozenset(
    {"roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error"}
)


class Classification(TabularProblem):
    """Binary and multiclass classification of table rows."""

    name = "classification"
    types = ("Binary classification", "Multiclass classification", "Classification")
    words = ("churn", "fraud", "classif", "whether", "detect", "spam", "species", "default", "label", "categor",
             "which", "will they", "yes or no", "diagnos", "intent", "sentiment")  # fmt: skip
    task = "classification"
    default_validation = "stratified"
    covers: ClassVar[Mapping[str, str]] = {
        "T-001": "balance of the labels, leaks, missing values",
        "T-006": "threshold, calibration, precision and recall, where it errs",
        "T-007": "which columns push towards the label, the riskiest cases first",
    }
    spec_keys = ("Positive class",)
    decision_fields = COSTS

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """A target of text, or of few distinct whole numbers, is a label."""
        target = roles.get("target")
        if not target or target not in frame.columns:
            return 0.3 * cls.match_request(request), "no target is known"
        return match_labels(frame[target].dropna(), target)

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets from the label's distribution."""
        return draft_bullets(request, roles)

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose metric, baselines, candidates and threshold, each with its reason."""
        n_rows = (profile or {}).get("rows") or 10_000
        return draft_choices(spec, profile, self.candidate_table(n_rows), self.plain_candidates(n_rows))

    # -- data --------------------------------------------------------------------------------------

    def check_target_values(self, dataset: Dataset, where: str) -> None:
        """Refuse a constant target, a label with one row, or a target that is a quantity."""
        target = dataset.roles["target"]
        check_labels(dataset.frame[target], target, where)

    def labels_for_split(self, dataset: Dataset) -> Any:
        """Return the labels."""
        return as_labels(dataset.frame[dataset.roles["target"]])

    def encode(self, dataset: Dataset) -> np.ndarray:
        """Return class codes 0..k-1 in the order of the sorted labels."""
        return np.asarray(
            pd.Categorical(self.labels_for_split(dataset), categories=self.classes(dataset)).codes
        )

    def classes(self, dataset: Dataset) -> list[str]:
        """Return the labels, sorted (numbers by value)."""
        return sorted_labels(self.labels_for_split(dataset))

    # -- models ------------------------------------------------------------------------------------

    def baseline_table(self) -> dict[str, ModelExperiment]:
        """Random, majority (popularity), the best single feature."""
        from sklearn.dummy import DummyClassifier

        from specweave.tables.rules import SingleFeatureClassifier

        majority = ModelExperiment(
            "baseline-majority", DummyClassifier, {"strategy": "prior"}, note="always the most common label"
        )
        return {
            "random": ModelExperiment(
                "baseline-random", DummyClassifier, {"strategy": "uniform"}, note="chance"
            ),
            "majority": majority,
            "popularity": majority,
            "rule-based": ModelExperiment(
                "baseline-rule", SingleFeatureClassifier, note="the best single feature"
            ),
        }

    def rule_experiment(self, rule: Any, name: str | None = None) -> ModelExperiment:
        """Wrap a callable over raw rows that returns labels, or the positive label's probability."""
        return make_rule_experiment(RuleClassifier, rule, name)

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Linear, random forest, LightGBM, XGBoost, neural net; CatBoost where installed; those for rare labels."""
        plain = self.plain_candidates(n_rows)
        return {**plain, **rare_variants(plain)}

    def plain_candidates(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Return the candidates that treat all labels alike."""
        from specweave.problems import estimators

        return estimators.classifiers(n_rows)

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates; those for rare labels only where it names them."""
        found = super().candidates(dataset, spec, plan)
        if plan.get("candidates") is not None:
            return found
        plain = self.plain_candidates(dataset.n_rows)
        return [e for e in found if e.name in plain]

    def fit(
        self,
        experiment: ModelExperiment,
        dataset: Dataset,
        rows: np.ndarray,
        features: Any,
        *,
        seed: int,
        threads: int,
    ) -> Any:
        """Fit, and remember the labels behind the class codes."""
        model = super().fit(experiment, dataset, rows, features, seed=seed, threads=threads)
        model.labels_ = self.classes(dataset)
        return model

    def predict(self, model: Any, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return ``row``, ``truth`` and one probability column ``p:<label>`` per class."""
        frame = dataset.frame.iloc[rows]
        outcome = pd.DataFrame({"row": np.asarray(rows), "truth": as_labels(frame[dataset.roles["target"]])})
        return pd.concat([outcome, label_probabilities(model, frame)], axis=1)

    def raw_output(self, model: Any, rows: pd.DataFrame) -> np.ndarray:
        """Return the probability of the last (binary: positive) class."""
        return label_probabilities(model, rows).to_numpy()[:, -1]

    def explained_output(self, model: Any, row: pd.DataFrame) -> Callable[[pd.DataFrame], np.ndarray]:
        """Explain the last of two classes, or the one of several that the row is given."""
        shares = label_probabilities(model, row).to_numpy()[0]
        column = 1 if len(shares) == 2 else int(shares.argmax())
        return lambda frame: label_probabilities(model, frame).to_numpy()[:, column]

    def contributions(
        self, model: Any, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> Contributions:
        """Explain by SHAP values; log-odds start where those of the answer do, without the effect of weights."""
        found = super().contributions(model, rows, background, seed=seed)
        estimator = getattr(model, "named_steps", {}).get("model")
        factor = float(getattr(estimator, "odds_factor_", 1.0))
        if found.unit != "log-odds" or factor == 1.0:
            return found
        return replace(found, base=np.asarray(found.base) + np.log(factor))

    def chance(self, log_odds: float, towards: str | None, decision: Mapping[str, Any]) -> float:
        """Return the probability that an answer gives, corrected where the decision says how."""
        share = super().chance(log_odds, towards, decision)
        if not decision.get("calibration"):
            return share
        turned = towards is not None and towards != decision["positive"]
        weights = decision["calibration"]["weights"]
        one = float(calibrated(np.array([1 - share if turned else share]), weights)[0])
        return 1 - one if turned else one

    def explained_labels(self, model: Any, positions: np.ndarray | None) -> tuple[str, ...]:
        """Return the label whose score each row's contributions raise or lower."""
        if positions is None:
            return ()
        codes = getattr(
            getattr(model, "named_steps", {}).get("model"), "classes_", np.arange(len(model.labels_))
        )
        return tuple(str(model.labels_[int(codes[p])]) for p in positions)

    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Choose correction and threshold on out-of-fold probabilities, the latter by the plan's ``threshold``."""
        labels = [c[2:] for c in outcome.columns if c.startswith("p:")]
        if len(labels) != 2:
            return {"labels": labels, "positive": None, "threshold": None, "rule": "the most probable label"}
        positive = self._positive(labels, spec)
        hit = (outcome["truth"] == positive).to_numpy()
        score, calibration = raw_score(outcome, positive), None
        if "fold" in outcome:
            fold = outcome["fold"].to_numpy()
            calibration = learn_calibration(score, hit, fold)
            if calibration:
                score = cross_fitted(score, hit, fold, calibration["method"])
        chosen = choose_threshold(
            score, hit, plan, costs=stated_costs(spec), batch=max(1, dataset.n_rows - len(outcome))
        )
        decision = {
            "labels": labels,
            "positive": positive,
            "threshold": chosen.threshold,
            "rule": chosen.rule,
        }
        if calibration:
            decision["calibration"] = calibration
        return {**decision, "promise": chosen.promise} if chosen.promise else decision

    def complete(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> pd.DataFrame:
        """Correct the probabilities where the decision says how."""
        return apply_calibration(outcome, decision)

    def _positive(self, labels: list[str], spec: Spec) -> str:
        named = spec.get("Positive class")
        if named is None:
            return positive_label(labels) or labels[-1]
        if named not in labels:
            raise SpecError(
                f"'{named}' is no label of the target", where=spec.at("Positive class"),
                hint=f"write one of: {', '.join(labels)}",
            )  # fmt: skip
        return named

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the usual metrics of the type, proper scores beside accuracy, the selection metric first."""
        multiclass = "multi" in spec.problem_type.casefold()
        names = ["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "balanced_accuracy",
                 "precision", "recall", "f1", "mcc", "expected_calibration_error"]  # fmt: skip
        if multiclass:
            names = [
                "f1",
                "accuracy",
                "balanced_accuracy",
                "precision",
                "recall",
                "roc_auc",
                "log_loss",
                "brier",
                "mcc",
                "kappa",
            ]
        if not multiclass and (
            plan.get("threshold.confidence") is not None or plan.get("threshold.cost") or stated_costs(spec)
        ):
            names.append("alarms_per_thousand")
        return selection_first(names, plan)

    def decides_before(self, ref: MetricRef) -> bool:
        """Metrics of probabilities and of a given number of alarms know no threshold."""
        return not (ref.name in _OF_PROBABILITIES or ref.k is not None or ref.at is not None)

    def counted(
        self, ref: MetricRef, outcome: pd.DataFrame, decision: Mapping[str, Any]
    ) -> tuple[int, int] | None:
        """Count precision, recall, specificity and accuracy at the threshold."""
        if ref.k is not None or ref.at is not None:
            return None
        return count_share(ref.name, outcome, decision, self.call(outcome, decision))

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return the log loss of each row."""
        return log_losses(outcome)

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return the confusion matrix and precision, recall, F1 of each class, calibration, and kept promises."""
        called = self.call(outcome, decision)
        return [
            *class_tables(outcome, decision, called),
            calibration_table(outcome, decision),
            *promise_tables(outcome, decision, called),
        ]

    def call(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return the decided label of each row."""
        return called_labels(outcome, decision)

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Say so where a promise is not kept, and where a class is never decided or hardly there."""
        return [
            *check_promise(outcome, decision),
            *check_called(outcome, decision, self.call(outcome, decision)),
            *check_held_out(outcome, decision),
        ]

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return ROC, precision-recall, calibration, confusion and threshold pictures."""
        from specweave.problems.classification_pictures import classification_figures

        return classification_figures(outcome, decision)

    def examples(self, outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int) -> list[ExampleRow]:
        """Pick the rows that tell most; where alarms carry a promise, the two of highest risk before them."""
        from specweave.problems.example_rows import classification_examples, riskiest_first

        found = classification_examples(outcome, decision, limit)
        return riskiest_first(found, outcome, decision, limit) if decision.get("promise") else found

    # -- serving -----------------------------------------------------------------------------------

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer with the decided label, its probability, and all probabilities."""
        return self.answers(self.complete(label_probabilities(model, rows), decision), decision)

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers that belong to predicted probabilities."""
        return label_answers(outcome, decision, self.call(outcome, decision))

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the share of right decisions; for rare positives, the precision of alarms."""
        called = self.call(outcome, decision)
        positive = decision.get("positive")
        right = float(np.mean(called == outcome["truth"].astype(str).to_numpy()))
        record: dict[str, Any] = {
            "metric": "share of right decisions",
            "kind": "proportion",
            "baseline": right,
            "unit": "row",
        }
        if positive is not None:
            share = float((outcome["truth"] == positive).mean())
            record |= {"outcome_rate": share, "outcome": f"share of '{positive}'"}
        return record
