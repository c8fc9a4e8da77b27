"""Classification: which of a few labels. Binary with a tuned threshold, or several classes.

Reads: a table with a label column. Writes: nothing. Never: tunes a threshold on the holdout.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import DataError, SpecError
from specweave.metrics.base import MetricRef, parse_metric_ref
from specweave.problems.base import Choice, Contributions, Dataset, ModelExperiment, Table
from specweave.problems.calibration import (
    apply_calibration,
    calibrated,
    cross_fitted,
    describe_calibration,
    learn_calibration,
    raw_score,
)
from specweave.problems.imbalance import RARE_ORDER, describe_balance, rare_variants
from specweave.problems.promises import check_promise, promise_tables
from specweave.problems.tabular import TabularProblem, common_choices
from specweave.problems.thresholds import choose_threshold
from specweave.records import Figure, Finding

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.problems.example_rows import ExampleRow

_POSITIVE_WORDS = (
    "yes",
    "1",
    "true",
    "y",
    "t",
    "positive",
    "fraud",
    "churn",
    "churned",
    "default",
    "bad",
    "spam",
)
_MAX_CLASSES = 100
_COSTS = ("Cost of false alarm", "Cost of miss")
_OF_PROBABILITIES = frozenset(
    {"roc_auc", "average_precision", "log_loss", "brier", "expected_calibration_error"}
)
_CONFIDENCE = 0.9  # of a promised precision: kept in nine of ten further batches


class Classification(TabularProblem):
    """Binary and multiclass classification of table rows."""

    name = "classification"
    types = ("Binary classification", "Multiclass classification", "Classification")
    words = ("churn", "fraud", "classif", "whether", "detect", "spam", "species", "default", "label", "categor",
             "which", "will they", "yes or no", "diagnos", "intent", "sentiment")  # fmt: skip
    task = "classification"
    default_validation = "stratified"
    spec_keys = ("Positive class",)
    decision_fields = _COSTS

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """A target of text, or of few distinct whole numbers, is a label."""
        target = roles.get("target")
        if not target or target not in frame.columns:
            return 0.3 * cls.match_request(request), "no target is known"
        values = frame[target].dropna()
        distinct = values.nunique()
        if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
            if distinct <= max(20, 0.05 * len(values)):
                return 0.95, f"'{target}' holds {distinct} labels"
            return 0.2, f"'{target}' holds {distinct} different texts"
        whole = bool((values == values.round()).all())
        if distinct == 2:
            return 0.97, f"'{target}' holds two values"
        if whole and distinct <= 10 and len(values) >= 5 * distinct:
            return 0.75, f"'{target}' holds {distinct} distinct whole numbers"
        return 0.05, f"'{target}' is a quantity with {distinct} distinct values"

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets from the label's distribution."""
        summary = roles.get("target_values") or {}
        n_classes = len(summary)
        binary = n_classes == 2 or (n_classes == 0 and "multi" not in request.casefold())
        target = roles.get("target") or "the label"
        share = min(summary.values()) / max(1, sum(summary.values())) if summary else None
        rare, _ = describe_balance(request, share)
        if not binary:
            metrics, positive = "Macro F1 > 0.7", None
        else:
            positive = _positive_label(list(summary)) if summary else None
            if positive is None and summary:
                positive = min(summary, key=lambda k: summary[k])
            metrics = "Average precision > 0.5, Precision > 0.9" if rare else "ROC AUC > 0.8"
        problem = {
            "Problem type": "Binary classification" if binary else "Multiclass classification",
            "Output": f"Probability of {target} = {positive}"
            if positive
            else f"Probability of each {target}",
            "Success metrics": metrics,
        }
        data = {"Positive class": positive} if positive else {}
        return {"problem": problem, "data": data, "model": {}}

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose metric, baselines, candidates and threshold, each with its reason."""
        counts = {k: int(v) for k, v in ((profile or {}).get("target") or {}).get("classes", {}).items()}
        n_rows = (profile or {}).get("rows")
        total = sum(counts.values())
        share = min(counts.values()) / total if counts else None
        multiclass = len(counts) > 2 or "multi" in spec.problem_type.casefold()
        choices = common_choices(n_rows, (profile or {}).get("drop", {}))
        rare, balance = describe_balance(spec.request, share)
        rare = rare and not multiclass
        metric, why = _selection(multiclass, rare, balance)
        choices.append(Choice("selection_metric", metric, why))
        choices.append(
            Choice("baselines", ["random", "majority", "rule-based"],
                   "chance, the most common label, and the best single feature: what any model must beat")
        )  # fmt: skip
        table = self.candidate_table(n_rows or 10_000)
        plain = [e for e in table.values() if e.name in self.plain_candidates(n_rows or 10_000)]
        tried = sorted(table.values(), key=lambda e: RARE_ORDER.index(e.name)) if rare else plain
        choices.append(
            Choice("candidates", [
                {"name": e.name, **({"search": dict(e.search)} if e.search else {})} for e in tried
            ], "; ".join(f"{e.name}: {e.note}" for e in tried)
               + ("; weights against resampling is settled on the validation folds" if rare else ""))
        )  # fmt: skip
        if not multiclass:
            value, why = _threshold_rule(spec)
            choices.append(Choice("threshold", value, why))
        return choices

    # -- data --------------------------------------------------------------------------------------

    def check_target_values(self, dataset: Dataset, where: str) -> None:
        """Refuse a constant target, a label with one row, or a target that is a quantity."""
        target = dataset.roles["target"]
        counts = pd.Series(_labels(dataset.frame[target])).value_counts()
        if len(counts) < 2:
            raise DataError(
                f"the target '{target}' holds only one value ({counts.index[0]!r}): there is nothing to learn",
                where=where, hint="name another target, or bring data that holds every label",
            )  # fmt: skip
        if len(counts) > _MAX_CLASSES:
            raise DataError(
                f"the target '{target}' holds {len(counts)} different labels",
                where=where, hint="for a quantity write 'Problem type: Regression' in spec.md; else group the labels",
            )  # fmt: skip
        lonely = [str(label) for label, n in counts.items() if n < 2]
        if lonely:
            raise DataError(
                f"the label {', '.join(repr(x) for x in lonely[:5])} of '{target}' has one row: "
                "it cannot be both learned and tested",
                where=where, hint="bring more rows of it, merge it into another label, or remove the row",
            )  # fmt: skip

    def labels_for_split(self, dataset: Dataset) -> Any:
        """Return the labels."""
        return _labels(dataset.frame[dataset.roles["target"]])

    def encode(self, dataset: Dataset) -> np.ndarray:
        """Return class codes 0..k-1 in the order of the sorted labels."""
        return np.asarray(
            pd.Categorical(self.labels_for_split(dataset), categories=self.classes(dataset)).codes
        )

    def classes(self, dataset: Dataset) -> list[str]:
        """Return the labels, sorted (numbers by value)."""
        found = set(self.labels_for_split(dataset))
        try:
            return sorted(found, key=float)
        except ValueError:
            return sorted(found)

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
        return ModelExperiment(
            f"baseline-{name or rule.__name__}".replace("_", "-"), RuleClassifier, {"rule": rule}
        )

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
        if experiment.estimator_class is RuleClassifier:
            return RuleClassifier(**experiment.params).fit_labels(self.classes(dataset))
        model = super().fit(experiment, dataset, rows, features, seed=seed, threads=threads)
        model.labels_ = self.classes(dataset)
        return model

    def predict(self, model: Any, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return ``row``, ``truth`` and one probability column ``p:<label>`` per class."""
        frame = dataset.frame.iloc[rows]
        outcome = pd.DataFrame({"row": np.asarray(rows), "truth": _labels(frame[dataset.roles["target"]])})
        return pd.concat([outcome, self._probabilities(model, frame)], axis=1)

    def _probabilities(self, model: Any, frame: pd.DataFrame) -> pd.DataFrame:
        if isinstance(model, RuleClassifier):
            proba, codes = model.predict_proba(frame), np.arange(len(model.labels_))
        else:
            X = np.asarray(model.named_steps["features"].transform(frame), dtype=np.float64)
            estimator = model.named_steps["model"]
            codes = np.asarray(estimator.classes_)
            proba = _proba_of(estimator, X)
        full = np.zeros((len(frame), len(model.labels_)))
        full[:, codes.astype(int)] = proba
        return pd.DataFrame(full, columns=[f"p:{label}" for label in model.labels_])

    def raw_output(self, model: Any, rows: pd.DataFrame) -> np.ndarray:
        """Return the probability of the last (binary: positive) class."""
        return self._probabilities(model, rows).to_numpy()[:, -1]

    def explained_output(self, model: Any, row: pd.DataFrame) -> Callable[[pd.DataFrame], np.ndarray]:
        """Explain the last of two classes, or the one of several that the row is given."""
        shares = self._probabilities(model, row).to_numpy()[0]
        column = 1 if len(shares) == 2 else int(shares.argmax())
        return lambda frame: self._probabilities(model, frame).to_numpy()[:, column]

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
            score, hit, plan, costs=_costs(spec), batch=max(1, dataset.n_rows - len(outcome))
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
            return _positive_label(labels) or labels[-1]
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
            plan.get("threshold.confidence") is not None or plan.get("threshold.cost") or _costs(spec)
        ):
            names.append("alarms_per_thousand")
        refs = [parse_metric_ref(n) for n in names]
        chosen = plan.get("selection_metric")
        if chosen:
            first = parse_metric_ref(str(chosen))
            refs = [first, *[r for r in refs if r != first]]
        return refs

    def decides_before(self, ref: MetricRef) -> bool:
        """Metrics of probabilities and of a given number of alarms know no threshold."""
        return not (ref.name in _OF_PROBABILITIES or ref.k is not None or ref.at is not None)

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return the log loss of each row."""
        labels = [c[2:] for c in outcome.columns if c.startswith("p:")]
        proba = outcome[[f"p:{label}" for label in labels]].to_numpy()
        codes = pd.Index(labels).get_indexer(pd.Index(outcome["truth"].astype(str)))
        of_truth = np.where(codes >= 0, proba[np.arange(len(outcome)), np.maximum(codes, 0)], 0.0)
        return np.asarray(-np.log(np.clip(of_truth, 1e-15, 1.0)))

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return the confusion matrix and precision, recall, F1 of each class."""
        labels = list(decision.get("labels") or sorted(outcome["truth"].unique()))
        truth, called = outcome["truth"].astype(str).to_numpy(), self.call(outcome, decision)
        counts = pd.crosstab(truth, called).reindex(index=labels, columns=labels, fill_value=0).to_numpy()
        per_class = []
        for i, label in enumerate(labels):
            hit, said, there = counts[i, i], counts[:, i].sum(), counts[i].sum()
            precision, recall = hit / said if said else 0.0, hit / there if there else 0.0
            f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
            per_class.append((label, int(there), int(said), float(precision), float(recall), float(f1)))
        return [
            Table("Confusion matrix", ("truth \\ decision", *labels),
                  tuple((label, *(int(n) for n in counts[i])) for i, label in enumerate(labels)),
                  "Rows are the truth, columns what the model decided."),
            Table("Per class", ("class", "rows", "decided so", "precision", "recall", "F1"), tuple(per_class)),
            self._calibration(outcome, decision),
            *promise_tables(outcome, decision, called),
        ]  # fmt: skip

    def _calibration(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> Table:
        """Return predicted against observed frequency, of the positive or of the most probable label."""
        from specweave.metrics.classification_outcome import read_outcome
        from specweave.statistics.calibration import bins_for, calibration_bins

        rows = read_outcome(outcome, decision)
        if rows.positive is not None:
            score, happened, of = rows.score, rows.is_positive, f"'{rows.labels[rows.positive]}'"
        else:
            score, happened, of = (
                rows.proba.max(axis=1),
                rows.proba.argmax(axis=1) == rows.truth,
                "the top label",
            )
        bins = calibration_bins(score, happened, n_bins=bins_for(rows.n_rows))
        return Table(
            "Calibration", ("predicted", "observed", "low", "high", "rows"),
            tuple((b.predicted, b.observed, b.low, b.high, b.n) for b in bins),
            f"Mean predicted probability of {of} against how often it was so, with the 95 % Wilson interval."
            + describe_calibration(decision),
        )  # fmt: skip

    def call(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return the decided label of each row."""
        labels = [c[2:] for c in outcome.columns if c.startswith("p:")]
        positive, threshold = decision.get("positive"), decision.get("threshold")
        if positive is not None and threshold is not None and len(labels) == 2:
            negative = next(label for label in labels if label != positive)
            return np.where(outcome[f"p:{positive}"].to_numpy() >= threshold, positive, negative)
        most = outcome[[f"p:{label}" for label in labels]].to_numpy().argmax(axis=1)
        return np.asarray(np.asarray(labels)[most])

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Say so where a class is never decided."""
        called = set(self.call(outcome, decision))
        never = [x for x in (decision.get("labels") or []) if x not in called]
        return check_promise(outcome, decision) + [
            Finding(
                code="SW301", severity="warning", message=f"the model never decides '{x}'", where="reports/evaluation.json",
                evidence={"label": x, "rows": int((outcome['truth'] == x).sum())},
                advice="lower the threshold, bring more rows of this label, or weigh it in the candidates' params",
            )
            for x in never
        ]  # fmt: skip

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return ROC, precision-recall, calibration, confusion and threshold pictures."""
        from specweave.problems import pictures

        return pictures.classification_figures(outcome, decision)

    def examples(self, outcome: pd.DataFrame, decision: Mapping[str, Any], limit: int) -> list[ExampleRow]:
        """Pick the rows that tell most; where alarms carry a promise, the two of highest risk before them."""
        from specweave.problems.example_rows import ExampleRow, classification_examples

        found = classification_examples(outcome, decision, limit)
        if not decision.get("promise"):
            return found
        positive, truth = decision["positive"], outcome["truth"].astype(str).to_numpy()
        score = outcome[f"p:{positive}"].to_numpy()
        riskiest = [
            ExampleRow(
                int(i), "highest risk", f"probability of '{positive}' {score[i]:.2f}, in truth '{truth[i]}'"
            )
            for i in np.argsort(-score, kind="stable")[: min(2, limit)]
        ]
        seen = {e.position for e in riskiest}
        return [*riskiest, *(e for e in found if e.position not in seen)][:limit]

    # -- serving -----------------------------------------------------------------------------------

    def respond(self, model: Any, rows: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Answer with the decided label, its probability, and all probabilities."""
        return self.answers(self.complete(self._probabilities(model, rows), decision), decision)

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the answers that belong to predicted probabilities."""
        proba = outcome[[c for c in outcome.columns if c.startswith("p:")]]
        called = self.call(proba, decision)
        positive = decision.get("positive")
        names = [c[2:] for c in proba.columns]
        values = proba.to_numpy()
        answers = []
        for i, label in enumerate(called):
            every = {n: float(v) for n, v in zip(names, values[i], strict=True)}
            answer: dict[str, Any] = {"prediction": str(label), "probability": every[str(positive or label)]}
            if positive is not None:
                answer |= {
                    "positive": positive,
                    "threshold": decision["threshold"],
                    "decision": bool(label == positive),
                }
            answers.append({**answer, "probabilities": every})
        return answers

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


class RuleClassifier:
    """A person's rule as a model: ``rule(raw_rows)`` returns labels or the last label's probability."""

    def __init__(self, rule: Any) -> None:
        self.rule = rule

    def fit_labels(self, labels: list[str]) -> RuleClassifier:
        """Remember the labels; a rule learns nothing else."""
        self.labels_ = labels
        return self

    def predict_proba(self, rows: pd.DataFrame) -> np.ndarray:
        """Return shape (n_rows, n_labels)."""
        answer = np.asarray(self.rule(rows))
        if answer.shape != (len(rows),):
            raise DataError(
                f"the rule '{self.rule.__name__}' returned shape {answer.shape} for {len(rows)} rows",
                hint="return one label or one probability per row",
            )
        if answer.dtype.kind == "f" and len(self.labels_) == 2:
            return np.column_stack([1 - answer, answer])
        codes = pd.Index(self.labels_).get_indexer(pd.Index(_labels(pd.Series(answer))))
        if (codes < 0).any():
            raise DataError(
                f"the rule '{self.rule.__name__}' returned a label that the target does not hold",
                hint=f"return one of: {', '.join(self.labels_)}",
            )
        return np.eye(len(self.labels_))[codes]


def _proba_of(estimator: Any, X: np.ndarray) -> np.ndarray:
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X), dtype=float)
    # An estimator without probabilities (SVC, RidgeClassifier): a logistic of its margin keeps the order.
    margin = np.asarray(estimator.decision_function(X), dtype=float)
    if margin.ndim == 1:
        p = 1 / (1 + np.exp(-margin))
        return np.column_stack([1 - p, p])
    e = np.exp(margin - margin.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def _labels(column: Any) -> np.ndarray:
    """Return labels as text; 1.0 and 1 are the same label."""
    values = pd.Series(np.asarray(column))
    if pd.api.types.is_float_dtype(values) and (values.dropna() == values.dropna().round()).all():
        values = values.astype("int64")
    return values.astype(str).str.strip().to_numpy(dtype=object)


def _positive_label(labels: list[str]) -> str | None:
    return next((x for x in labels if str(x).casefold() in _POSITIVE_WORDS), None)


def _selection(multiclass: bool, rare: bool, balance: str) -> tuple[str, str]:
    if multiclass:
        return "log_loss", "a proper score: it rewards honest probabilities of every class"
    return ("average_precision" if rare else "roc_auc"), balance


def _costs(spec: Spec) -> tuple[float, float] | None:
    """Return what a false alarm and a miss cost by the spec, or None where it does not say.

    Raises
    ------
    SpecError
        If only one is given, or one is no positive number.
    """
    fields = [spec.find(key) for key in _COSTS]
    if not any(fields):
        return None
    values = []
    for key, found in zip(_COSTS, fields, strict=True):
        if found is None:
            raise SpecError(
                f"there is no bullet '{key}'",
                where=spec.where,
                hint=f"add under '## Model Requirements': - {key}: 100",
            )
        try:
            value = float(found.value.strip().lstrip("$€£").replace(",", ""))
        except ValueError:
            value = float("nan")
        if not 0 < value < float("inf"):
            raise SpecError(
                f"'{found.value}' is no cost", where=spec.at(key), hint=f"write for example: - {key}: 100"
            )
        values.append(value)
    return values[0], values[1]


def _threshold_rule(spec: Spec) -> tuple[dict[str, Any], str]:
    costs = _costs(spec)
    if costs:
        return ({"cost": {"false_positive": costs[0], "false_negative": costs[1]}},
                "spec.md gives the costs of a false alarm and of a miss; it is what counts where both change")  # fmt: skip
    for criterion in spec.criteria:
        ref = criterion.metric
        if ref is None:
            continue
        if ref.at and ref.name in ("precision", "recall"):
            return ({"maximise": ref.name, "subject_to": f"{ref.at[0]} >= {ref.at[1]:g}"},
                    f"spec.md asks for {ref.label}: the threshold is tuned for it on validation folds")  # fmt: skip
        if ref.name == "precision" and ref.k is None:
            return ({"maximise": "recall", "subject_to": f"precision {criterion.op} {criterion.value:g}",
                     "confidence": _CONFIDENCE},
                    f"spec.md asks for precision {criterion.op} {criterion.value:g}: as much recall as leaves it kept in "
                    f"{_CONFIDENCE:.0%} of further batches of rows, not only on the rows it was chosen on")  # fmt: skip
        if ref.name == "recall" and ref.k is None:
            return ({"maximise": "precision", "subject_to": f"recall {criterion.op} {criterion.value:g}"},
                    f"spec.md asks for recall {criterion.op} {criterion.value:g}: as much precision as that leaves")  # fmt: skip
    return {"maximise": "f1"}, "no precision or recall is demanded: the balance of both"
