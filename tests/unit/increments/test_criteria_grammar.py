"""Every form of the criterion grammar, and every way to miss it."""

from __future__ import annotations

import pytest

from specweave.errors import SpecError
from specweave.increments.criteria import Criterion, parse_criteria, parse_criterion, split_parts

WHERE = "0042-x/spec.md"


def one(text: str, key: str = "") -> Criterion:
    found = parse_criteria(text, key=key, where=WHERE, line=7)
    assert len(found) == 1
    return found[0]


def refused(text: str, key: str = "") -> SpecError:
    with pytest.raises(SpecError) as caught:
        parse_criteria(text, key=key, where=WHERE, line=7)
    return caught.value


ABSOLUTE = [
    # text, metric key, operator, value, unit
    ("ROC AUC > 0.83", "roc_auc", ">", 0.83, ""),
    ("accuracy >= 90%", "accuracy", ">=", 0.9, ""),
    ("accuracy = 0.9", "accuracy", "=", 0.9, ""),
    ("accuracy=0.9", "accuracy", "=", 0.9, ""),
    ("accuracy == 0.9", "accuracy", "=", 0.9, ""),
    ("Brier ≤ .2", "brier", "<=", 0.2, ""),
    ("F1 ≥ 7e-1", "f1", ">=", 0.7, ""),
    ("f1 => 0.7", "f1", ">=", 0.7, ""),
    ("log loss =< 0.7", "log_loss", "<=", 0.7, ""),
    ("MAPE < 10%", "mape", "<", 0.1, ""),
    ("RMSE < $50", "rmse", "<", 50, ""),
    ("RMSE < 50 $", "rmse", "<", 50, ""),
    ("RMSE < €1,250.50", "rmse", "<", 1250.5, ""),
    ("RMSE < 12,000,000 USD", "rmse", "<", 12_000_000, ""),
    ("p95 latency < 0.1 s", "latency_p95_ms", "<", 100, "ms"),
    ("Latency < 2 second", "latency_p95_ms", "<", 2000, "ms"),
    ("p99 latency < 500 µs", "latency_p99_ms", "<", 0.5, "ms"),
    ("Model size < 5 MB", "model_mb", "<", 5, "MB"),
    ("Model size < 500 kB", "model_mb", "<", 0.5, "MB"),
    ("Model size < 2GB", "model_mb", "<", 2000, "MB"),
    ("Training time < 45 min", "train_seconds", "<", 2700, "s"),
    ("Training time < 2 hours", "train_seconds", "<", 7200, "s"),
    ("Throughput >= 1,000 req/sec", "throughput", ">=", 1000, "req/sec"),
    ("Throughput >= 1000 requests per second", "throughput", ">=", 1000, "req/sec"),
    ("Throughput >= 1000 rps", "throughput", ">=", 1000, "req/sec"),
    ("Precision@10 > 0.25", "precision@10", ">", 0.25, ""),
    ("Precision @ 10 > 25 percent", "precision@10", ">", 0.25, ""),
    ("Recall@precision=0.6 >= 0.5", "recall@precision=0.6", ">=", 0.5, ""),
    ("Recall @ precision = 60% >= 0.5", "recall@precision=0.6", ">=", 0.5, ""),
    ("R² > 0.6", "r2", ">", 0.6, ""),
    ("r2 > -0.5", "r2", ">", -0.5, ""),
]


@pytest.mark.parametrize(("text", "key", "op", "value", "unit"), ABSOLUTE)
def test_a_metric_is_held_to_a_value_with_a_unit(
    text: str, key: str, op: str, value: float, unit: str
) -> None:
    found = one(text)
    assert found.metric is not None
    assert (found.kind, found.metric.key, found.op, found.unit) == ("absolute", key, op, unit)
    assert found.value == pytest.approx(value)
    assert (found.text, found.source, found.line) == (text, WHERE, 7)


@pytest.mark.parametrize("name", ["ROC AUC", "roc_auc", "roc-auc", "AUC", "RocAuc", "ROC.AUC"])
def test_names_are_blind_to_case_and_punctuation(name: str) -> None:
    assert one(f"{name} > 0.8").metric == one("ROC AUC > 0.8").metric


@pytest.mark.parametrize(
    ("key", "text", "metric", "op", "value"),
    [
        ("Latency", "<100ms inference", "latency_p95_ms", "<", 100),
        ("Latency", "100ms", "latency_p95_ms", "<=", 100),
        ("Throughput", "1000 req/sec", "throughput", ">=", 1000),
        ("Model size", "< 5 MB", "model_mb", "<", 5),
        ("AUC", "> 0.8", "roc_auc", ">", 0.8),
    ],
)
def test_the_bullet_names_the_metric_where_the_text_does_not(
    key: str, text: str, metric: str, op: str, value: float
) -> None:
    found = one(text, key)
    assert found.metric is not None
    assert (found.metric.key, found.op, found.value) == (metric, op, value)
    assert found.text == f"{key}: {text}"


def test_a_whole_bullet_reads_as_its_parts() -> None:
    for text in ("Latency: <100ms inference", "Throughput: 1000 req/sec"):
        key, _, rest = text.partition(": ")
        assert parse_criterion(text) == parse_criterion(rest, key=key)


def test_several_criteria_of_one_bullet_are_separated_by_commas_or_semicolons() -> None:
    found = parse_criteria('RMSE < 1,250, MAE < 10; Recall > 0.5 where `a, b` == "c, d"')
    assert [c.metric.key for c in found if c.metric] == ["rmse", "mae", "recall"]
    assert found[0].value == 1250
    assert found[2].where == ("a, b", "c, d")
    assert split_parts("a, b,  ,c") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "reference", "value", "unit"),
    [
        ("Better than random baseline by 3x", "random baseline", 3, "x"),
        ("Better than best baseline by 20%", "best baseline", 0.2, "%"),
        ("must be better than the best baseline by at least 20%+", "best baseline", 0.2, "%"),
        ("Better than any baseline", "best baseline", 0, "%"),
        ("better than  majority baseline by 0.5 %", "majority baseline", 0.005, "%"),
        ("Better than previous version", "previous version", 0, "%"),
        ("Better than the last model by 1.5x", "previous version", 1.5, "x"),
    ],
)
def test_relative_criteria_name_what_to_beat_and_by_how_much(
    text: str, reference: str, value: float, unit: str
) -> None:
    found = one(text, "Accuracy")
    assert (found.kind, found.reference, found.value, found.unit) == (
        "relative", reference, pytest.approx(value), unit)  # fmt: skip
    # "Accuracy" is the seed's word for how good the model is: the selection metric is meant.
    assert found.metric is None
    assert found.text == f"Accuracy: {text}"


def test_a_relative_criterion_may_name_its_metric() -> None:
    found = one("Better than best baseline by 20%", "RMSE")
    assert found.metric is not None and found.metric.key == "rmse"


def test_confidence_and_segment_stand_in_either_order() -> None:
    first = one("Recall > 0.5 with 95% confidence where gender == Female")
    second = one("Recall > 0.5 where gender == Female with 95 % confidence")
    assert first.confidence == second.confidence == 0.95
    assert first.where == second.where == ("gender", "Female")
    assert first.key == second.key == "recall where gender == Female"
    assert one('Recall > 0.5 where `Senior Citizen` = "1"').where == ("Senior Citizen", "1")
    relative = one("Better than best baseline by 20% with 90% confidence where Contract == 'One year'")
    assert (relative.confidence, relative.where) == (0.9, ("Contract", "One year"))


def test_explaining_is_evidence() -> None:
    found = one("Must explain top-3 recommendations", "Explainability")
    assert (found.kind, found.value, found.key) == ("evidence", 3, "explains top-3")
    assert found.text == "Explainability: Must explain top-3 recommendations"


@pytest.mark.parametrize("text", ["none", "n/a", "not required", "", "No"])
def test_nothing_demanded_is_no_criterion(text: str) -> None:
    assert parse_criteria(text, key="Latency") == []


def test_the_seeds_own_lines_parse() -> None:
    metrics = parse_criteria("Precision@10 > 0.25, Recall@10 > 0.15")
    assert [(c.key, c.op, c.value) for c in metrics] == [
        ("precision@10", ">", 0.25), ("recall@10", ">", 0.15)]  # fmt: skip
    for key, text in (
        ("Latency", "<100ms inference"),
        ("Throughput", "1000 req/sec"),
        ("Accuracy", "Better than random baseline by 3x"),
        ("Explainability", "Must explain top-3 recommendations"),
    ):
        assert len(parse_criteria(text, key=key)) == 1
    assert one("RMSE < $50").value == 50
    assert one("MAPE < 10%").value == pytest.approx(0.1)


REFUSED = [
    # text, key, what the message says, what the hint offers
    ("precision above 0.9", "", "is not a criterion", "precision > 0.9"),
    ("99% precision", "", "is not a criterion", "precision > 99%"),
    ("latency under 100ms", "", "is not a criterion", "latency < 100ms"),
    ("ROC AUC", "", "is not a criterion", "ROC AUC > 0.8"),
    ("auc >", "", "is not a criterion", "auc > 0.8"),
    ("fast", "Latency", "is not a criterion", "Latency < 100ms"),
    ("> 0.8", "", "is not a criterion", "ROC AUC > 0.8"),
    ("3x better than random", "", "is not a criterion", "Better than best baseline by 20%"),
    ("must be explainable", "Explainability", "is not a criterion", "Must explain top-3 features"),
    ("Acuracy > 0.9", "", "no metric is called 'Acuracy'", "Accuracy"),
    ("Recall@acuracy=0.9 > 0.5", "", "no metric is called 'acuracy'", "Accuracy"),
    ("RMSE < 0,5", "", "'0,5'", "a point before decimals"),
    ("RMSE < 12,50", "", "'12,50'", "a point before decimals"),
    ("Precision > 0.9 and Recall > 0.5", "", "is not one number", "a comma between criteria"),
    ("Precision > 90 / 100", "", "is not one number", "write for example"),
    ("Latency < 100parsecs", "", "is not one number", "< 100ms"),
    ("Latency < 100 hours", "", "unit 'hours'", "use 'ms'"),
    ("Latency < 5 MB", "", "unit 'MB'", "use 'ms'"),
    ("Accuracy > 5 ms", "", "unit 'ms'", "no unit, or %"),
    ("ROC AUC > 83", "", "can never be met", "did you mean 83%?"),
    ("RMSE < -1", "", "can never be met", "can be reached"),
    ("Better than the moon by 20%", "", "'moon'", "Better than best baseline by 20%"),
    ("Better than best baseline by 20 percent", "", "nothing to compare with", "Better than best baseline by 20%"),
    ("Recall > 0.5 with 200% confidence", "", "200%", "with 95% confidence"),
    ("Recall > 0.5 with high confidence", "", "no level of confidence", "with 95% confidence"),
    ("Recall > 0.5 where gender is Female", "", "segment", "where Contract =="),
    ("Recall > 0.5 where tenure > 5", "", "segment", "where Contract =="),
]  # fmt: skip


@pytest.mark.parametrize(("text", "key", "says", "offers"), REFUSED)
def test_what_does_not_parse_is_named_with_its_line_and_the_nearest_form(
    text: str, key: str, says: str, offers: str
) -> None:
    error = refused(text, key)
    assert error.where == f"{WHERE}:7"
    assert says in error.what
    assert error.hint is not None and offers in error.hint
    assert "Traceback" not in str(error)


@pytest.mark.parametrize("text", [t for t, *_ in REFUSED if "is not a criterion" in _[1] and not _[0]])
def test_the_nearest_form_is_itself_valid(text: str) -> None:
    hint = refused(text).hint or ""
    nearest = hint.partition("nearest valid form is: ")[2].partition("   (")[0]
    assert parse_criterion(nearest)
