"""The review as a whole: what waits, what is waived, what is broken, what comes next; every code has one meaning."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from review_records import TODAY, Model, Records, recorded

from specweave import registry
from specweave.errors import CorruptFileError, SpecweaveError
from specweave.increments.project import Increment
from specweave.review.codes import RECORDED, all_rules, title_of
from specweave.review.evidence import RECORDS
from specweave.review.reviewing import review_increment

SOURCE = Path(__file__).resolve().parents[3] / "src" / "specweave"
WAIVER = "---\nreason: known\nowner: Kim\nexpires: {day}\n---\n"


# -- codes -----------------------------------------------------------------------------------------


def test_every_code_has_one_meaning_and_every_code_in_use_is_listed() -> None:
    rules = {r.code: r for r in all_rules()}
    assert list(rules) == registry.names("rules")
    assert not set(rules) & set(RECORDED)
    assert len({r.title for r in rules.values()}) == len(rules)
    written: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        if "review" not in path.parts:
            for code in re.findall(r'"(SW\d{3})"', path.read_text(encoding="utf-8")):
                written.setdefault(code, set()).add(path.parent.name)
    used = set(written) - set(rules)
    assert used <= set(RECORDED)
    # Two packages that write one code would give it two meanings; stages, problems and serving share tables.
    for rule in rules.values():
        assert {*rule.covers, *rule.settles} <= set(RECORDED)
        assert rule.meaning.endswith(".")
    assert title_of("SW122") == "tuning at the edge of its space"
    assert title_of("SW998") == "SW998"


# -- missing and broken records ----------------------------------------------------------------------

FILES = [file for file, *_ in RECORDS.values()]


@pytest.mark.parametrize("file", FILES)
def test_a_missing_record_leaves_its_rules_waiting_or_silent(file: str, tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.without.add(file)
    review = r.review()
    waiting = {w.code for w in review.waiting if file in w.lacks}
    assert waiting == {x.code for x in all_rules() if any(RECORDS.get(n, ("",))[0] == file for n in x.needs)}
    assert all(re.fullmatch(r"sw do 0001 --task T-00\d", w.fix) for w in review.waiting)
    assert {f.code for f in review.findings} <= {"SW150"}


def test_before_anything_ran_the_documents_are_judged(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.plan |= {"baselines": [], "split": {"folds": 2}, "selection_metric": "recall"}
    r.spec = r.spec.replace("- Time column: none", "- Time column: day")
    increment = r.write()
    for name in ("data", "features", "experiments", "reports"):
        shutil.rmtree(increment.folder / name)
    (increment.folder / "pipeline.lock.json").unlink()
    review = review_increment(increment, today=TODAY)
    assert {f.code for f in review.findings} == {"SW109", "SW110", "SW112", "SW131"}
    assert len(review.waiting) > 20
    assert not review.ok
    assert not review.outlook.proposals
    assert "nothing was trained yet" in review.outlook.reason


@pytest.mark.parametrize("file", [*FILES, "pipeline.lock.json", "holdout-ledger.jsonl", "experiments/exp-005-lightgbm/metrics.json",
                                  "experiments/exp-005-lightgbm/experiment.json", "experiments/exp-007-tuned-lightgbm/predictions.parquet",
                                  "experiments/exp-007-tuned-lightgbm/optuna-journal.log"])  # fmt: skip
def test_a_broken_record_is_one_clear_error_that_names_the_file(file: str, tmp_path: Path) -> None:
    increment = Records(tmp_path).write()
    (increment.folder / file).write_text("{ broken [\n{ broken [\n", encoding="utf-8")
    with pytest.raises(SpecweaveError) as caught:
        review_increment(increment, today=TODAY)
    assert Path(file).name in str(caught.value.where)
    assert caught.value.hint


def test_a_record_of_another_kind_is_refused(tmp_path: Path) -> None:
    increment = Records(tmp_path).write()
    path = increment.folder / "reports/evaluation.json"
    path.write_text(path.read_text().replace('"kind": "evaluation"', '"kind": "profile"'))
    with pytest.raises(CorruptFileError, match="expected a record of kind 'evaluation'"):
        review_increment(increment, today=TODAY)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside a record."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *[p for key, child in inner for p in places(child, (*at, key))]] if at or inner else []


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """Return records on which many rules fire, so that much is read; written once."""
    r = Records(tmp_path_factory.mktemp("spoiled"))
    r.evaluation["findings"] += [recorded("SW301", label="Yes", rows=3), recorded("SW324"), recorded("SW325")]
    r.validation["findings"] += [recorded("SW227"), recorded("SW228", share=0.1, rows=40)]
    r.validation["drift"].append({"column": "plan", "level": "large", "psi": 0.8})
    r.profile["correlations"].append({"a": "age", "b": "income", "pearson": 0.97, "spearman": 0.97})
    r.evaluation["segments"]["worst"].append(
        {"column": "plan", "value": "a", "n": 90, "share": 0.2, "metric": 0.5, "apart": True}
    )
    for rival in r.evaluation["comparisons"]:
        rival["verdict"] = "not told apart"
    r.lock["fixed"] = {"criteria": ["ROC AUC > 0.9"], "validation": "random", "on": "2026-02-01"}
    r.models.append(Model("catboost", "candidate", "CatBoost", 0.0, status="failed", error="x"))
    r.write()
    return r


JUNK = st.sampled_from(["null", '""', '"x"', '"NaN"', '"Infinity"', "-1", "0", "1e12", "0.5", "true", "[]", "{}", "[null]",
                        "[[]]", '{"a": null}', "1e400"])  # fmt: skip


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_rule_trips_over_a_truncated_or_odd_record(spoiled: Records, data: st.DataObject) -> None:
    file = data.draw(st.sampled_from([f for f in [*FILES, "pipeline.lock.json"] if f.endswith(".json")]))
    path = spoiled.folder / file
    text = path.read_text()
    record = json.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        found = [p for p in places(record) if p and p[-1] not in ("kind", "schema")]
        if not found:
            break
        where = data.draw(st.sampled_from(found))
        node = record
        for key in where[:-1]:
            node = node[key]
        if data.draw(st.booleans()):
            del node[where[-1]]
        else:
            node[where[-1]] = json.loads(data.draw(JUNK))
    try:
        path.write_text(json.dumps(record))
        with contextlib.suppress(SpecweaveError):  # one clear error is as good
            assert review_increment(Increment(spoiled.folder), today=TODAY).increment == "0001-churn"
    finally:
        path.write_text(text)


# -- waivers -----------------------------------------------------------------------------------------


def test_a_waived_finding_counts_no_more_until_its_last_day_has_passed(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.spec = r.spec.replace("ROC AUC > 0.75", "ROC AUC > 0.95")
    r.waivers["SW119"] = WAIVER.format(day="2026-11-24")
    review = r.review()
    assert review.ok and not review.standing
    assert [f.waived for f in review.findings] == ["known (Kim, until 2026-11-24)"]
    r.waivers["SW119"] = WAIVER.format(day="2026-11-23")
    review = r.review()
    assert not review.ok
    assert review.standing[0].note == "its waiver has expired: known (Kim, until 2026-11-23)"


def test_a_waiver_that_covers_nothing_is_named(tmp_path: Path) -> None:
    r = Records(tmp_path)
    for name in ("SW104", "SW1O4", "roc_auc", "better-than-best-baseline"):
        r.waivers[name] = WAIVER.format(day="2027-01-01")
    notes = r.review().notes
    assert [n.partition(":")[0] for n in notes] == [
        "waivers/SW104.md covers nothing",
        "waivers/SW1O4.md covers nothing",
    ]
    assert "SW104 (columns without influence) does not stand" in notes[0]
    assert "no criterion or finding is called 'SW1O4'" in notes[1]


# -- what to try next ----------------------------------------------------------------------------------


def flat(r: Records) -> None:
    tuned = r.model("tuned-lightgbm")
    tuned.trials = [(0.845 if i else 0.84, {"max_depth": 5, "learning_rate": 0.05}) for i in range(24)]
    r.evaluation["overfitting"]["train"] = 0.846
    # The others repeat the winner, so that an average of them brings nothing.
    for m in r.models:
        if m.role == "candidate":
            m.value = 0.843


def test_it_says_to_stop_where_the_curve_is_flat_and_candidates_tie(tmp_path: Path) -> None:
    r = Records(tmp_path)
    flat(r)
    outlook = r.review().outlook
    assert outlook.stop
    assert "the last 8 trials of tuned-lightgbm gained nothing" in outlook.reason
    assert "tie within one standard error" in outlook.reason
    assert outlook.noise == pytest.approx(0.01 / 5**0.5)


def test_it_does_not_say_to_stop_while_trials_gain(tmp_path: Path) -> None:
    r = Records(tmp_path)
    flat(r)
    r.model("tuned-lightgbm").trials = [
        (0.80 + 0.045 * i / 23, {"max_depth": 5, "learning_rate": 0.05}) for i in range(24)
    ]
    outlook = r.review().outlook
    assert not outlook.stop
    more = next(p for p in outlook.proposals if "24 more trials" in p.action)
    # The second half gained 0.045 * 12 / 23; half of that is expected.
    assert more.gain == pytest.approx(0.045 * 12 / 23 / 2)
    assert more.command == "tuning.trials: 48 in plan.md"


def test_proposals_are_ranked_and_each_says_how_it_was_estimated(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.plan["candidates"][2]["search"] = {"max_depth": {"low": 2, "high": 20}}
    r.model("random-forest").value = 0.842
    outlook = r.review().outlook
    gains = [p.gain for p in outlook.proposals if p.gain is not None]
    assert gains == sorted(gains, reverse=True) and gains
    known = [p.gain is not None for p in outlook.proposals]
    assert known == sorted(known, reverse=True)
    assert all(p.basis for p in outlook.proposals)
    rows = next(p for p in outlook.proposals if "training rows" in p.action)
    assert rows.gain == pytest.approx((0.88 - 0.845) / 4)
    other = next(p for p in outlook.proposals if p.action == "tune random-forest too")
    assert other.gain == pytest.approx(0.842 - 0.845 + (0.845 - 0.84))


def test_no_gain_of_rows_is_claimed_where_the_model_knows_its_rows_by_heart(tmp_path: Path) -> None:
    r = Records(tmp_path)
    r.evaluation["overfitting"]["train"] = 1.0
    rows = next(p for p in r.review().outlook.proposals if "training rows" in p.action)
    assert rows.gain is None
    assert "by heart" in rows.basis


def test_an_average_of_models_is_measured_on_what_they_predicted(tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    r = Records(tmp_path)
    blend = next(p for p in r.review().outlook.proposals if p.action.startswith("average"))
    tables = [
        r._outcome(r.model(n)).query("part == 'oof'") for n in ("tuned-lightgbm", "random-forest", "linear")
    ]
    truth = tables[0]["truth"] == "Yes"
    together = roc_auc_score(truth, sum(t["p:Yes"] for t in tables))
    assert blend.gain == pytest.approx(together - roc_auc_score(truth, tables[0]["p:Yes"]))
