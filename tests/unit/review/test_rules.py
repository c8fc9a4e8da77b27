"""Each rule on records where it fires, and on near misses where it stays silent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from review_records import HOLDOUT, Model, Records, recorded

from specweave import registry
from specweave.increments.spec import load_spec
from specweave.review.base import Stated

Spoil = Callable[[Records], Any]


def column(r: Records, name: str, **more: Any) -> None:
    r.profile["columns"][name].update(more)


def used_column(r: Records, name: str, **entry: Any) -> None:
    r.profile["columns"][name] = {"kind": "numeric", "count": 2000, "distinct": 300, "distinct_share": 0.15,
                                  "missing_share": 0.0, **entry}  # fmt: skip
    r.definitions["columns"][name] = {"action": "numeric"}


def rare(r: Records, share: float = 0.05) -> None:
    r.profile["target"].update(classes={"No": round(1600 * (1 - share)), "Yes": round(1600 * share)},
                               minority_share=share, majority_share=1 - share)  # fmt: skip


def replace_spec(r: Records, old: str, new: str) -> None:
    assert old in r.spec
    r.spec = r.spec.replace(old, new)


def measured(r: Records, name: str, **values: float) -> None:
    r.metric(name).update(values)


def trials(r: Records, count: int, params: dict[str, Any], *, rising: bool = False) -> None:
    r.model("tuned-lightgbm").trials = [
        (0.80 + (0.045 * i / count if rising else 0.02 - 0.0001 * i), params) for i in range(count)
    ]
    r.model("tuned-lightgbm").metrics["n_trials"] = count


def comparison(r: Records, role: str, **values: Any) -> None:
    next(c for c in r.evaluation["comparisons"] if c["role"] == role).update(values)


def regression(r: Records, metric: str) -> None:
    replace_spec(r, "Binary classification", "Regression")
    replace_spec(r, "ROC AUC > 0.75", "RMSE < 50")
    r.plan.pop("threshold")
    r.plan["selection_metric"] = metric
    r.profile["target"] = {
        "name": "churn",
        "task": "regression",
        "rows": 1600,
        "min": 0.0,
        "max": 90.0,
        "distinct": 80,
    }


def imported(r: Records, values: list[float], name: str = "val_loss") -> None:
    r.models.append(
        Model("my-net", "", "Net", 0.0, task="", history=[(i, {name: v}) for i, v in enumerate(values, 1)])
    )


def constant(r: Records) -> None:
    r.outcome = pd.DataFrame(
        {"row": range(20), "part": "holdout", "truth": ["No"] * 20, "p:No": 0.7, "p:Yes": 0.3}
    )


def foreign_constant(r: Records) -> None:
    r.outcome = pd.DataFrame(
        {
            "row": range(20),
            "part": "holdout",
            "truth": [float(i) for i in range(20)],
            "ended": True,
            "log_expected": 2.5,
        }
    )


def nearly_constant(r: Records) -> None:
    constant(r)
    r.outcome["p:Yes"] = 0.3 + 1e-6 * r.outcome["row"]


def thresholds(r: Records, value: float) -> None:
    r.evaluation["decision"]["threshold"] = value


def read_often(r: Records) -> None:
    names = [r.id_of(m.name) for m in r.models] + [f"exp-{n:03d}-older" for n in range(20, 40)]
    r.ledger = [{"experiment": n, "holdout": HOLDOUT} for n in names]


# name -> (code, severity, what spoils the records, a part of the message, a change it proposes)
FIRES: dict[str, tuple[str, str, Spoil, str, tuple[str, Any] | None]] = {
    "a column that predicts alone": ("SW101", "warning", lambda r: column(r, "age", association={"score": 0.99}),
        "'age' feeds the features: predicts the target almost alone", ("features.drop.age", "SW101: gives the target away")),
    "a recorded leak that is used": ("SW101", "error",
        lambda r: r.profile["findings"].append(recorded("SW207", "error", "income")), "'income' feeds", ("features.drop.income", ...)),
    "a perfect score": ("SW102", "warning", lambda r: r.evaluation["findings"].append(recorded("SW324")), "said by SW324", None),
    "a perfect score by one column": ("SW102", "error",
        lambda r: (r.evaluation["findings"].append(recorded("SW324")), r.explanation["importance"][0].update(share=0.9)),
        "'age' carries 90%", ("features.drop.age", "SW102: a leak until shown otherwise")),
    "copies across the split": ("SW103", "info",
        lambda r: r.validation["findings"].append(recorded("SW228", share=0.1, rows=40)), "said by SW228", None),
    "copies in a table without key": ("SW103", "warning", lambda r: r.profile.update(duplicate_rows=100), "100 of 2,000 rows", None),
    "a column without influence": ("SW104", "info",
        lambda r: r.explanation["importance"][2].update(share=0.0002, permutation=0.0, permutation_std=0.001),
        "1 column with next to no influence: plan", ("features.drop.plan", "SW104: no influence")),
    "two columns alike": ("SW105", "info",
        lambda r: r.profile["correlations"].append({"a": "age", "b": "income", "pearson": 0.97, "spearman": 0.97}),
        "'age' and 'income' go together", ("features.drop.income", "SW105: goes with age")),
    "a column mostly empty": ("SW106", "info",
        lambda r: used_column(r, "fax", missing_share=0.9) or r.explanation["importance"].append({"feature": "fax", "share": 0.01}),
        "'fax' is empty in 90%", ("features.drop.fax", "SW106: mostly empty")),
    "an empty column that matters": ("SW106", "warning",
        lambda r: used_column(r, "fax", missing_share=0.9) or r.explanation["importance"].append({"feature": "fax", "share": 0.4}),
        "yet carries 40%", None),
    "a key among the categories": ("SW107", "warning",
        lambda r: used_column(r, "street", kind="category", distinct=1500, distinct_share=0.75), "'street' has 1,500 levels",
        ("features.drop.street", ...)),
    "imbalance left alone": ("SW108", "warning", lambda r: rare(r) or r.plan.pop("threshold"),
        "'Yes' is 5.00% of the rows, and no candidate weighs or resamples and no threshold is tuned", ("threshold.maximise", "f1")),
    "imbalance without weights": ("SW108", "info", rare, "no candidate weighs", ("candidates", ...)),
    "accuracy with a common label": ("SW109", "warning", lambda r: (rare(r, 0.15), r.plan.update(selection_metric="accuracy")),
        "chosen by Accuracy: always saying the most common label scores 85%", ("selection_metric", "roc_auc")),
    "recall alone": ("SW109", "warning", lambda r: r.plan.update(selection_metric="recall"), "calls everything positive",
        ("selection_metric", "roc_auc")),
    "MAPE with zeros": ("SW109", "warning",
        lambda r: (regression(r, "mape"), r.profile["columns"]["churn"].update(zeros=12)), "the target is 0 in 12 rows",
        ("selection_metric", ...)),
    "a criterion on accuracy": ("SW109", "info",
        lambda r: (rare(r, 0.15), replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.75, Accuracy > 0.8")), "asks for Accuracy", None),
    "a declared time and a random split": ("SW110", "error",
        lambda r: replace_spec(r, "Time column: none", "Time column: day"), "'day' is the time of the rows",
        ("Validation", "last 20% by time")),
    "dates and a random split": ("SW110", "warning",
        lambda r: used_column(r, "day", kind="datetime", distinct=400, span_days=700.0), "'day' holds dates over 700 days",
        ("Time column", "day")),
    "a customer in several rows": ("SW111", "warning", lambda r: column(r, "key", distinct=500), "'key' repeats (4.0 rows",
        ("Group column", "key")),
    "two folds": ("SW112", "warning",
        lambda r: (r.profile["split"].update(folds=2), r.evaluation["overfitting"].update(n_folds=2)), "2 validation folds",
        ("split.folds", 5)),
    "folds that swing": ("SW113", "warning", lambda r: setattr(r.model("tuned-lightgbm"), "std", 0.08),
        "is 0.8450 ± 0.0800 over 5 folds", ("split.folds", 10)),
    "a worn holdout": ("SW114", "warning", read_often, "was read 26 times", None),
    "a drifting holdout": ("SW115", "warning",
        lambda r: (r.validation["findings"].append(recorded("SW227")), used_column(r, "plan", kind="category"),
                   r.explanation["importance"][2].update(share=0.01),
                   r.validation["drift"].append({"column": "plan", "level": "large", "psi": 0.8})),
        "said by SW227", ("features.drop.plan", ...)),
    "later rows that drift": ("SW115", "info",
        lambda r: (r.validation["findings"].append(recorded("SW227")),
                   r.profile["split"].update(strategy="last 20% by time: 400 of 2000 rows")), "said by SW227", None),
    "a holdout that falls short": ("SW116", "warning", lambda r: r.evaluation["overfitting"].update(holdout=0.75),
        "falls from 0.8450 ± 0.0100 on validation folds to 0.7500", None),
    "a wide interval": ("SW117", "warning", lambda r: measured(r, "roc_auc", low=0.74, high=0.94), "rests on 400 rows", None),
    "a bar inside the interval": ("SW118", "info", lambda r: replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.82"),
        "more holdout rows would settle it", None),
    "a bar above the point": ("SW118", "warning", lambda r: replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.86"),
        "the point misses the bar", None),
    "a bar out of reach": ("SW119", "error", lambda r: replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.95"),
        "'ROC AUC > 0.95': measured 0.8420", None),
    "a candidate that failed": ("SW120", "warning",
        lambda r: r.models.append(Model("catboost", "candidate", "CatBoost", 0.0, status="failed", error="ValueError: no rows")),
        "failed: ValueError: no rows", None),
    "a candidate cut by the budget": ("SW121", "warning",
        lambda r: r.models.append(Model("xgboost", "candidate", "XGBClassifier", 0.0, status="interrupted")),
        "1 experiment did not get to the end: xgboost", None),
    "a search at its edge": ("SW122", "warning", lambda r: trials(r, 24, {"max_depth": 10, "learning_rate": 0.05}),
        "max_depth = 10 (high end)", ("candidates.lightgbm.search.max_depth.high", 14)),
    "a search at its low edge on a log scale": ("SW122", "warning",
        lambda r: trials(r, 24, {"max_depth": 5, "learning_rate": 0.0101}), "learning_rate = 0.0101 (low end)",
        ("candidates.lightgbm.search.learning_rate.low", 0.001)),
    "a search cut short": ("SW123", "warning", lambda r: trials(r, 5, {"max_depth": 5}), "had 5 of 24 trials",
        ("tuning.time_budget", "2m")),
    "a search that was killed": ("SW123", "warning", lambda r: setattr(r.model("tuned-lightgbm"), "status", "interrupted")
        or setattr(r, "best", "lightgbm"), "was interrupted after", ...),
    "a search that still climbs": ("SW124", "info", lambda r: trials(r, 24, {"max_depth": 5}, rising=True),
        "in the last quarter of 24 trials", ("tuning.trials", 48)),
    "a loss that still falls": ("SW125", "info", lambda r: imported(r, [1 - 0.05 * i for i in range(12)]),
        "val_loss of exp-008-my-net was best at its last of 12 rounds", None),
    "an accuracy that still rises": ("SW125", "info", lambda r: imported(r, [i / 40 for i in range(20)], "val_accuracy"),
        "val_accuracy", None),
    "a gap to the training rows": ("SW126", "info", lambda r: r.evaluation["overfitting"].update(train=0.99), "0.9900 on training rows", None),
    "a smaller model as good": ("SW127", "info",
        lambda r: (comparison(r, "runner-up", verdict="not told apart", p_value=0.4),
                   setattr(r.model("tuned-lightgbm"), "size", 900_000.0)), "9 times smaller", None),
    "a linear model as good": ("SW128", "info", lambda r: setattr(r.model("linear"), "value", 0.8449), "linear (0.8449) does as well", None),
    "a large model for little": ("SW129", "warning",
        lambda r: (setattr(r.model("tuned-lightgbm"), "size", 5e7), setattr(r.model("random-forest"), "value", 0.844)),
        "takes 50 MB", None),
    "a baseline that is not beaten": ("SW130", "warning",
        lambda r: (comparison(r, "best baseline", verdict="not told apart"), replace_spec(r, " by 20%", "")),
        "is not told apart from the best baseline", None),
    "a baseline that is better": ("SW130", "error",
        lambda r: comparison(r, "best baseline", verdict="worse", theirs=0.86), "is worse than the best baseline", None),
    "a margin that is not met": ("SW130", "error", lambda r: comparison(r, "best baseline", theirs=0.82), "against 0.8840", None),
    "no baseline": ("SW131", "warning", lambda r: r.plan.update(baselines=[]), "no baseline is planned", ("baselines", "random")),
    "chance as the only baseline": ("SW131", "info",
        lambda r: (r.plan.update(baselines=["random"]), r.models.remove(r.model("baseline-rule"))), "at the level of chance",
        ("baselines", "rule-based")),
    "two algorithms": ("SW132", "info", lambda r: r.models.remove(r.model("random-forest")), "2 algorithms compared", ("candidates", ...)),
    "an evaluation of another model": ("SW133", "warning", lambda r: r.explanation.update(experiment="exp-003-other"),
        "explains exp-003-other", None),
    "data that was exchanged": ("SW133", "warning", lambda r: r.data_lock.update(sha256="cd" * 32), "another version of the data", None),
    "a criterion removed": ("SW134", "warning",
        lambda r: r.lock.update(fixed={"criteria": ["ROC AUC > 0.9"], "validation": "stratified 20% holdout", "on": "2026-02-01"}),
        "criterion removed: ROC AUC > 0.9", None),
    "rows of two years ago": ("SW135", "info",
        lambda r: (used_column(r, "day", kind="datetime", distinct=400, span_days=700.0, max="2024-11-01"),
                   replace_spec(r, "Time column: none", "Time column: day"),
                   r.profile["split"].update(strategy="last 20% by time")), "the latest 'day' is 2024-11-01, 753 days ago", None),
    "a threshold that calls nobody": ("SW140", "warning", lambda r: thresholds(r, 0.995), "it calls 0.0% of the validation rows 'Yes'", None),
    "a slow model": ("SW141", "error", lambda r: measured(r, "latency_p95_ms", value=180.0, low=150.0, high=200.0),
        "measured 180", None),
    "probabilities that are off": ("SW142", "warning", lambda r: measured(r, "expected_calibration_error", value=0.2, low=0.15, high=0.25),
        "off by 0.200", None),
    "a segment left behind": ("SW144", "warning",
        lambda r: r.evaluation["segments"]["worst"].append({"column": "plan", "value": "basic", "n": 90, "share": 0.2,
                                                            "metric": 0.6, "apart": True}), "where plan = basic", None),
    "a label never predicted": ("SW145", "warning",
        lambda r: r.evaluation["findings"].append(recorded("SW301", label="Yes", rows=3)), "said by SW301", None),
    "one answer for all": ("SW146", "error", constant, "gives all 20 rows the same answer", None),
    "one answer for all of a foreign type": ("SW146", "error", foreign_constant, "gives all 20 rows the same answer", None),
    "another holdout": ("SW134", "info",
        lambda r: r.lock.update(fixed={"criteria": [c.text for c in load_spec(r.write().spec_path).criteria], "on": "2026-02-01",
                                       "validation": "stratified 20% holdout", "holdout": "another"}),
        "the holdout holds other rows", None),
    "no criterion": ("SW148", "warning",
        lambda r: (replace_spec(r, "- Success metrics: ROC AUC > 0.75\n", ""), replace_spec(r, "- Accuracy: Better than best baseline by 20%\n", "")),
        "demands no quality", None),
    "a bar that a baseline meets": ("SW149", "info", lambda r: replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.55"),
        "is met by exp-003-baseline-rule", None),
    "no explanation": ("SW150", "warning", lambda r: r.without.add("reports/explanation.json"), "is not explained: there is none", None),
    "tuning in vain": ("SW152", "info", lambda r: setattr(r.model("lightgbm"), "value", 0.85), "tuned-lightgbm has 0.8450 after 24 trials", None),
}  # fmt: skip


def found(r: Records, code: str) -> list[Stated]:
    return [f for f in r.rules() if f.code == code]


@pytest.mark.parametrize("name", FIRES)
def test_the_rule_fires(name: str, tmp_path: Path) -> None:
    code, severity, spoil, text, change = FIRES[name]
    r = Records(tmp_path)
    if name == "copies in a table without key":
        replace_spec(r, "Identifier: key", "Identifier: none")
    spoil(r)
    (first, *_) = [f for f in found(r, code) if text in f.message] or [None]
    assert first is not None, [f.message for f in found(r, code)]
    assert first.severity == severity
    assert first.where and first.evidence and first.advice
    if isinstance(change, tuple):
        key, new = change
        match = [c for c in first.changes if c.key == key]
        assert match, [c.key for c in first.changes]
        assert new is ... or match[0].new == new or new in [c.new for c in match]
        assert registry.get("rules", code).fixes
    elif change is None:
        assert not first.changes


def test_every_rule_is_tried_here() -> None:
    assert {case[0] for case in FIRES.values()} == set(registry.names("rules"))
    assert len(registry.names("rules")) >= 25


def test_a_sound_project_is_judged_by_every_rule_and_doubted_by_none(tmp_path: Path) -> None:
    review = Records(tmp_path).review()
    assert not review.waiting
    assert not review.findings
    assert review.ok and not review.notes


# name -> (code, what comes near to it)
SILENT: dict[str, tuple[str, Spoil]] = {
    "a strong column below the bound": ("SW101", lambda r: column(r, "age", association={"score": 0.9})),
    "a leak that is left out": ("SW101", lambda r: (r.profile["findings"].append(recorded("SW207", "error", "income")),
                                                   r.definitions["columns"]["income"].update(action="drop"))),
    "a column that shuffling hurts": ("SW104", lambda r: r.explanation["importance"][2].update(share=0.0002)),
    "one of a pair is left out": ("SW105",
        lambda r: (r.profile["correlations"].append({"a": "age", "b": "key", "pearson": 0.99, "spearman": 0.9}))),
    "weights and a threshold": ("SW108", lambda r: (rare(r), r.plan["candidates"].append({"name": "lightgbm-weighted"}))),
    "recall at a precision": ("SW109", lambda r: r.plan.update(selection_metric="recall@precision=0.6")),
    "accuracy with even labels": ("SW109", lambda r: r.plan.update(selection_metric="accuracy")),
    "MAPE of positive amounts": ("SW109", lambda r: (regression(r, "mape"), r.profile["target"].update(min=3.0))),
    "time and a split by time": ("SW110",
        lambda r: (replace_spec(r, "Time column: none", "Time column: day"),
                   replace_spec(r, "stratified 20% holdout", "last 20% by time"),
                   r.profile["split"].update(strategy="last 20% by time"))),
    "a key with a group column": ("SW111",
        lambda r: (column(r, "key", distinct=500), replace_spec(r, "- Validation:", "- Group column: key\n- Validation:"))),
    "users dealt out one by one": ("SW111",
        lambda r: (column(r, "key", distinct=500), r.profile["split"].update(strategy="a random 25% of each user's rows"))),
    "two folds of very many rows": ("SW112", lambda r: (r.profile["split"].update(folds=2), r.profile.update(rows=90_000))),
    "swinging folds with a clear lead": ("SW113", lambda r: (setattr(r.model("tuned-lightgbm"), "std", 0.06),
        setattr(r.model("lightgbm"), "value", 0.6), setattr(r.model("linear"), "value", 0.6),
        setattr(r.model("random-forest"), "value", 0.6))),
    "readings of another holdout": ("SW114", lambda r: (read_often(r), [x.update(holdout="other") for x in r.ledger])),
    "a failure that was mended": ("SW120",
        lambda r: r.models.insert(0, Model("lightgbm", "candidate", "LGBMClassifier", 0.0, status="failed", error="x"))),
    "a share at its natural bound": ("SW122", lambda r: trials(r, 24, {"max_depth": 5, "colsample": 1.0})),
    "too few trials to speak of an edge": ("SW122", lambda r: trials(r, 5, {"max_depth": 10})),
    "a loss that rose again": ("SW125", lambda r: imported(r, [1, 0.8, 0.6, 0.5, 0.4, 0.38, 0.37, 0.37, 0.38, 0.39, 0.4])),
    "a short history": ("SW125", lambda r: imported(r, [1.0, 0.5, 0.2])),
    "a small model": ("SW129", lambda r: setattr(r.model("tuned-lightgbm"), "size", 5e6)),
    "a label seldom called": ("SW140", lambda r: thresholds(r, 0.6)),
    "a waived criterion": ("SW119", lambda r: (replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.95"), r.waivers.update(
        roc_auc="---\nreason: pilot\nowner: Kim\nexpires: 2027-01-31\n---\n"))),
    "a segment that is small": ("SW144",
        lambda r: r.evaluation["segments"]["worst"].append({"column": "plan", "value": "basic", "n": 9, "share": 0.02,
                                                            "metric": 0.5, "apart": True})),
    "constant to the eye, not in truth": ("SW146", nearly_constant),
    "a bar above the baseline": ("SW149", lambda r: replace_spec(r, "ROC AUC > 0.75", "ROC AUC > 0.63")),
}  # fmt: skip


@pytest.mark.parametrize("name", SILENT)
def test_the_rule_stays_silent(name: str, tmp_path: Path) -> None:
    code, near = SILENT[name]
    r = Records(tmp_path)
    near(r)
    assert not found(r, code)


def test_what_a_rule_takes_up_is_not_listed_twice(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.profile["findings"] += [recorded("SW212"), recorded("SW209", "info")]
    r.explanation["findings"].append(recorded("SW404", "info"))
    r.explanation["importance"][2].update(share=0.0, permutation=0.0)
    codes = [f.code for f in r.review().findings]
    # SW108 judged the balance and is content; SW404 is what SW104 says with its change.
    assert codes == ["SW104", "SW209"]


def test_rules_ask_the_records_of_every_problem_type(tmp_path: Path) -> None:
    r = Records(tmp_path)
    regression(r, "rmse")
    for m in r.models:
        m.metrics |= {"cv_rmse": 100 * (1 - m.value), "cv_rmse_std": 1.0}
    r.outcome = pd.DataFrame(
        {"row": range(30), "part": "oof", "fold": 1, "truth": np.arange(30.0), "prediction": 4.0}
    )
    codes = {f.code: f for f in r.rules()}
    assert codes["SW146"].message == "tuned-lightgbm gives all 30 rows the same answer"
    assert "SW108" not in codes
