"""The gates: what is missing, what passes, what a waiver covers, and that 'done' walks the same path."""

from __future__ import annotations

import datetime as dt
import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from specweave.errors import CorruptFileError, SpecError, SpecweaveError
from specweave.files.store import digest, load_json, save_record
from specweave.increments.project import Increment, Project
from specweave.increments.spec import read_status
from specweave.increments.tasks import find_task, load_tasks, set_tick
from specweave.pipeline.lock import load_lock
from specweave.pipeline.runner import run_increment
from specweave.pipeline.staleness import outputs_of
from specweave.pipeline.validation import Validation, validate_increment
from specweave.pipeline.verdicts import Verdict
from specweave.publish.completion import complete_increment
from specweave.publish.living.sync import check_docs, update_docs
from specweave.stages.baselines import train_baseline_model
from specweave.stages.candidates import run_experiments
from specweave.stages.choice import write_comparison
from specweave.stages.evaluation import evaluate_models
from specweave.stages.workspace import workspace_of

Edit = Callable[[Path, str, str], None]
TODAY = dt.date(2026, 3, 1)
ROWS = "age,income,city,churn\n" + "".join(
    f"{20 + (i * 7) % 41},{1000 + (i * 613) % 977},{'abc'[(i * 5) % 3]},"
    f"{'Yes' if (20 + (i * 7) % 41) + (i * 29) % 23 > 50 else 'No'}\n"
    for i in range(240)
)


@pytest.fixture(scope="session")
def judged(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project whose baselines, candidate and evaluation are real and whose other evidence is there."""
    root = tmp_path_factory.mktemp("judged") / "project"
    shutil.copytree(finished, root)
    increment = Project(root).increments()[0]
    kept = {k: os.environ.pop(k) for k in list(os.environ) if k.startswith("SPECWEAVE_")}
    os.environ["SPECWEAVE_PROJECT"], os.environ["SPECWEAVE_JOBS"] = str(root), "1"
    try:
        (root / "data" / "churn.csv").write_text(ROWS)
        plan = increment.plan_path.read_text()
        plan = re.sub(r"candidates:\n(?:  .*\n)+", "candidates: [linear]\n", plan)
        increment.plan_path.write_text(plan.replace("folds: 4", "folds: 3").replace("folds: 5", "folds: 3"))
        # No packaged model here: its record is too much to make up.
        tasks = increment.tasks_path.read_text()
        before, _, rest = tasks.partition("- [x] T-008")
        increment.tasks_path.write_text(before + "- [x] T-009" + rest.partition("- [x] T-009")[2])
        run_increment(increment)
        for made in (
            increment.experiments,
            increment.folder / "models",
            increment.folder / "deploy" / "DEPLOYMENT.md",
            increment.folder / "reports" / "deployment.json",
        ):
            shutil.rmtree(made) if made.is_dir() else made.unlink()
        train_baseline_model(["random", "rule-based"], increment.id)
        run_experiments(increment=increment.id)
        evaluate_models(increment.id)
        lock = load_lock(increment.lock_path)
        task = find_task(load_tasks(increment.tasks_path), "T-006")
        lock.tasks["T-006"].outputs = outputs_of(increment.folder, task)
        for reader in ("T-007", "T-009"):
            lock.tasks[reader].inputs["T-006"] = digest(lock.tasks["T-006"].outputs)
        lock.save()
        best = load_json(increment.folder / "reports" / "evaluation.json")["experiment"]
        reasons = [{"feature": f, "rank": i, "mean_abs_shap": 0.1, "share": 0.3}
                   for i, f in enumerate(("age", "income", "city"), 1)]  # fmt: skip
        example = {"row": 1, "why": "borderline", "answer": {}, "reasons": reasons, "contributions": reasons}
        save_record(increment.folder / "reports" / "explanation.json", "explanation", 1, {
            "experiment": best, "importance": reasons, "examples": [example] * 5, "algorithm": "linear", "method": "SHAP",
            "unit": "log-odds", "of": "column", "n_rows": 5, "n_holdout": 5, "n_background": 5, "findings": [],
        })  # fmt: skip
        (increment.experiments / best / "shap_values.pkl").write_bytes(pickle.dumps({}))
        for name in ("a-baseline/metrics.json", "b-tuned/optuna-journal.log", "b-tuned/model.pkl",
                     "c-candidate/model.pkl", "c-candidate/predictions.parquet", "c-candidate/shap_values.pkl"):  # fmt: skip
            (increment.experiments / name).parent.mkdir(exist_ok=True)
            (increment.experiments / name).write_text("made")
    finally:
        for name in [k for k in os.environ if k.startswith("SPECWEAVE_")]:
            del os.environ[name]
        os.environ.update(kept)
    return root


@pytest.fixture
def increment(judged: Path, tmp_path: Path) -> Increment:
    root = tmp_path / "project"
    shutil.copytree(judged, root)
    found = Project(root).increments()[0]
    # Only what these tests ask for; how fast this machine is must not decide them.
    text = found.spec_path.read_text()
    text = re.sub(r"- Latency: .*", "- Latency: none", text)
    text = re.sub(r"- Throughput: .*", "- Throughput: none", text)
    text = re.sub(r"- Accuracy: .*", "- Accuracy: Better than random baseline by 20%", text)
    found.spec_path.write_text(text)
    return found


def look(increment: Increment, today: dt.date = TODAY) -> Validation:
    return validate_increment(increment, today=today)


def verdict(found: Validation, key: str) -> Verdict:
    return next(v for v in found.verdicts if v.criterion.key == key)


def table(increment: Increment) -> str:
    return increment.tests_path.read_text()


def test_evidence_and_measured_values_pass_the_gates(increment: Increment) -> None:
    found = look(increment)
    assert [g.name for g in found.gates if not g.passed] == []
    assert [(v.criterion.key, v.verdict) for v in found.verdicts if v.blocks] == []
    assert found.ok
    auc = verdict(found, "roc_auc")
    assert auc.metric is not None and auc.metric.low is not None and auc.metric.high is not None
    assert auc.metric.low < auc.metric.value < auc.metric.high and auc.metric.n == 48
    assert auc.experiment == load_json(increment.folder / "reports" / "evaluation.json")["experiment"]
    assert verdict(found, "explains top-3").verdict == "pass"
    assert "random" in verdict(found, "better than random baseline").note
    assert found.amendments


def test_a_stricter_demand_changes_the_verdict_and_runs_nothing(increment: Increment, edit: Edit) -> None:
    before = {p: p.stat().st_mtime_ns for p in increment.folder.rglob("*") if p.is_file()}
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.9999")
    found = look(increment)
    assert verdict(found, "roc_auc").blocks
    assert not found.ok
    after = {p: p.stat().st_mtime_ns for p in increment.folder.rglob("*") if p.is_file()}
    changed = {p.name for p in after if before.get(p) != after[p]}
    assert changed == {"spec.md", "tests.md"}
    assert all(g.passed for g in found.gates)


def test_the_same_evidence_gives_the_same_verdicts(increment: Increment) -> None:
    look(increment)
    first = table(increment)
    assert look(increment).verdicts == look(increment).verdicts
    assert table(increment) == first


def test_only_what_stands_between_the_markers_is_rewritten(increment: Increment, edit: Edit) -> None:
    increment.tests_path.write_bytes(
        increment.tests_path.read_bytes().replace(b"# Tests", b"Mine \xe2\x80\xa8 first.\n\n# Tests")
        + b"Mine  last"
    )
    look(increment)
    before = increment.tests_path.read_bytes()
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.61")
    look(increment)
    after = increment.tests_path.read_bytes()
    inside = re.compile(rb"(?s)(<!-- specweave:begin (\w+) -->).*?(?=<!-- specweave:end \2 -->)")
    assert inside.sub(rb"\1", after) == inside.sub(rb"\1", before) != before
    assert before.endswith(b"Mine  last")
    assert b"| ROC AUC > 0.61 | spec.md:" in after


def test_a_demand_added_to_tests_md_is_judged_too(increment: Increment) -> None:
    with increment.tests_path.open("a") as stream:
        stream.write(
            '\n- Fairness: Recall > 0.01 where city == a\n- ROC AUC > 0.2 where `city` == "b" with 80% confidence\n'
        )
    found = look(increment)
    fair = verdict(found, "recall where city == a")
    assert fair.metric is not None and fair.metric.n is not None and 0 < fair.metric.n < 48
    assert "Fairness: Recall > 0.01 where city == a | tests.md:" in table(increment)
    assert verdict(found, "roc_auc where city == b").metric is not None


def test_an_empty_segment_is_missing_not_passed(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.6 where city == zebra")
    found = verdict(look(increment), "roc_auc where city == zebra")
    assert (found.verdict, found.blocks) == ("missing", True)
    assert "no holdout row has city == zebra" in found.note


def test_a_segment_of_no_column_names_the_line(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.6 where ciity == a")
    line = next(n for n, t in enumerate(increment.spec_path.read_text().splitlines(), 1) if "ciity" in t)
    with pytest.raises(SpecError, match="'ciity' is no column") as caught:
        look(increment)
    assert caught.value.where == f"{increment.id}/spec.md:{line}"
    assert "city" in str(caught.value.hint)


def test_a_metric_of_another_problem_type_is_missing_not_passed(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.6, RMSE < 5")
    found = verdict(look(increment), "rmse")
    assert (found.verdict, found.blocks) == ("missing", True)
    assert found.note


def test_better_than_a_previous_version_passes_where_there_is_none(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "Better than random baseline by 20%", "Better than previous version")
    found = verdict(look(increment), "better than previous version")
    assert (found.verdict, found.blocks) == ("pass", False)
    assert "first version" in found.note


def test_better_than_a_baseline_that_nobody_trained_is_missing(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "Better than random baseline by 20%", "Better than majority baseline by 20%")
    found = verdict(look(increment), "better than majority baseline")
    assert (found.verdict, found.blocks) == ("missing", True)
    assert "sw do 0001 --task T-003" in found.fix


WAIVER = "---\nreason: |\n  the bar | is\n  provisional\nowner: ada\nexpires: 2026-06-30\n---\n"


def test_a_waiver_covers_a_failure_until_its_day(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.9999")
    (increment.folder / "waivers").mkdir()
    (increment.folder / "waivers" / "roc_auc.md").write_text(WAIVER)
    found = look(increment)
    auc = verdict(found, "roc_auc")
    assert found.ok and not auc.blocks and auc.verdict in ("fail", "inconclusive")
    assert "ada" in auc.waived and "2026-06-30" in auc.waived
    # A reason of several lines stays one row of the table.
    rows = [line for line in table(increment).splitlines() if line.startswith("| ROC AUC")]
    assert len(rows) == 1 and "(waived)" in rows[0] and "the bar \\| is provisional" in rows[0]
    late = look(increment, dt.date(2026, 7, 1))
    assert not late.ok
    assert "its waiver has expired" in verdict(late, "roc_auc").note
    assert "renew waivers/roc_auc.md" in verdict(late, "roc_auc").fix


def test_what_passes_needs_no_waiver(increment: Increment) -> None:
    (increment.folder / "waivers").mkdir()
    (increment.folder / "waivers" / "roc_auc.md").write_text(WAIVER)
    assert verdict(look(increment), "roc_auc").waived == ""


def test_a_tick_without_evidence_is_reported(increment: Increment) -> None:
    (increment.folder / "deploy" / "ab-test-plan.md").unlink()
    set_tick(increment.tasks_path, "T-009", True)
    found = look(increment)
    gate = next(g for g in found.gates if g.name.startswith("T-009"))
    assert not gate.passed and not found.ok
    assert gate.note == "ticked, but no evidence: deploy/ab-test-plan.md"
    assert gate.fix == "sw do 0001 --task T-009"


def test_changed_data_makes_the_gates_fail_as_out_of_date(increment: Increment) -> None:
    data = increment.project.root / "data" / "churn.csv"
    data.write_text(data.read_text() + "33,1200,a,No\n")
    found = look(increment)
    assert not found.ok
    assert any("out of date: data changed" in g.note for g in found.gates)


def test_without_an_evaluation_every_criterion_is_missing(increment: Increment) -> None:
    (increment.folder / "reports" / "evaluation.json").unlink()
    found = look(increment)
    assert {v.verdict for v in found.verdicts} == {"missing"}
    assert {v.fix for v in found.verdicts} == {"sw do 0001"}


@pytest.mark.parametrize(
    ("path", "gate"),
    [("model.pkl", "Best model saved"), ("shap_values.pkl", "Model explainability artifacts present")],
)
def test_what_the_best_experiment_must_hold_is_looked_for(increment: Increment, path: str, gate: str) -> None:
    best = load_json(increment.folder / "reports" / "evaluation.json")["experiment"]
    (increment.experiments / best / path).unlink()
    found = look(increment)
    assert gate in [g.name for g in found.gates if not g.passed]


def test_a_damaged_evaluation_is_named(increment: Increment) -> None:
    (increment.folder / "reports" / "evaluation.json").write_text("{")
    with pytest.raises(CorruptFileError, match="not valid JSON"):
        look(increment)


def test_what_changed_after_the_first_candidate_is_kept_on_record(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.55")
    found = look(increment)
    assert any(line.startswith("criterion removed: ROC AUC > 0.6 ") for line in found.amendments)
    assert any(line.startswith("criterion added: ROC AUC > 0.55 ") for line in found.amendments)
    assert "criterion added: ROC AUC > 0.55" in table(increment)


# -- done ------------------------------------------------------------------------------------------


def test_done_writes_the_summary_from_the_evidence(increment: Increment) -> None:
    done = complete_increment(increment, today=TODAY)
    assert done.validation.ok
    assert read_status(increment.spec_path) == "done"
    text = (increment.folder / "COMPLETION-SUMMARY.md").read_text()
    evaluation = load_json(increment.folder / "reports" / "evaluation.json")
    assert text.startswith("## Churn - COMPLETE")
    for part in ("### Experiments Run: 3", "### Best Model", "### Deployment Ready", "✅ BEST"):
        assert part in text
    auc = next(m for m in evaluation["metrics"] if m["name"] == "roc_auc")
    assert f"{auc['value']:.4g}" in text
    assert f"holdout of {evaluation['n_holdout']} rows" in text
    ledger = (increment.folder / "holdout-ledger.jsonl").read_text().splitlines()
    assert f"The holdout was read {len(ledger)} times" in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        if not link.startswith(("deploy/", "models/")):
            assert (increment.folder / link).exists(), link
    best = next(line for line in text.splitlines() if "✅ BEST" in line)
    assert best.startswith("1. ") and evaluation["experiment"] in best


def test_done_refuses_what_validate_refuses_and_writes_no_summary(increment: Increment, edit: Edit) -> None:
    edit(increment.spec_path, "ROC AUC > 0.6", "ROC AUC > 0.9999")
    done = complete_increment(increment, today=TODAY)
    assert done.validation == look(increment)
    assert done.written == []
    assert not (increment.folder / "COMPLETION-SUMMARY.md").exists()
    assert read_status(increment.spec_path) != "done"


def test_done_twice_gives_the_same_summary(increment: Increment) -> None:
    complete_increment(increment, today=TODAY)
    first = (increment.folder / "COMPLETION-SUMMARY.md").read_bytes()
    complete_increment(increment, today=TODAY)
    assert (increment.folder / "COMPLETION-SUMMARY.md").read_bytes() == first


def test_an_evaluation_edited_by_hand_is_not_believed(increment: Increment) -> None:
    path = increment.folder / "reports" / "evaluation.json"
    text = path.read_text()
    path.write_bytes(text.replace("\n", "\r\n").encode())  # as git may check it out
    assert look(increment).ok
    body = json.loads(text)
    body["metrics"][0]["value"] = 0.999
    path.write_text(json.dumps(body))
    gate = next(g for g in look(increment).gates if g.name == "Evaluation is as it was written")
    assert not gate.passed and "T-006" in gate.note


def test_a_waiver_for_nothing_is_named(increment: Increment) -> None:
    (increment.folder / "waivers").mkdir()
    body = "---\nreason: r\nowner: o\nexpires: 2099-01-01\n---\n"
    (increment.folder / "waivers" / "roc_acu.md").write_text(body)
    assert "waivers/roc_acu.md covers no criterion" in look(increment).notes[0]


def test_another_holdout_is_an_amendment(increment: Increment) -> None:
    lock = load_lock(increment.lock_path)
    now = load_json(increment.folder / "reports" / "evaluation.json")["holdout"]
    lock.fixed = {"criteria": [], "validation": "", "holdout": "0000", "on": "2026-01-01"}
    lock.save()
    assert any(f"hash {now}, was 0000 (fixed on 2026-01-01)" in line for line in look(increment).amendments)


# -- validate and done never disagree --------------------------------------------------------------

SPOILED = (
    "experiments/*candidate*/model.pkl", "experiments/exp-*/model.pkl", "experiments/exp-*/shap_values.pkl",
    "reports/evaluation.json", "reports/explanation.json", "experiments/comparison.md", "data/profile.json",
    "features/transformer.pkl", "pipeline/t003_baselines.py", "holdout-ledger.jsonl", "tests.md",
    "experiments/exp-*/predictions.parquet", "experiments/exp-*/metrics.json", "deploy/ab-test-plan.md",
)  # fmt: skip
CHANGES = st.one_of(
    st.tuples(st.just("remove"), st.sampled_from(SPOILED)),
    st.tuples(st.just("truncate"), st.sampled_from(SPOILED)),
    st.tuples(st.just("bar"), st.sampled_from(["ROC AUC > 0.1", "ROC AUC > 0.9999", "ROC AUC > 0.8 with 95% confidence",
                                               "Accuracy > 0.5, F1 > 0.99", "MAPE < 10%", "ROC AUC >"])),
    st.tuples(st.just("waive"), st.sampled_from(["2099-01-01", "2001-01-01", "never"])),
    st.tuples(st.just("status"), st.sampled_from(["planned", "active", "done", "abandoned", "odd"])),
    st.tuples(st.just("data"), st.sampled_from(["touch", "change", "remove"])),
    st.tuples(st.just("conflict"), st.sampled_from(["spec.md", "plan.md", "tasks.md", "tests.md"])),
    st.tuples(st.just("lock"), st.sampled_from(["remove", "running", "truncate"])),
)  # fmt: skip


def spoil(increment: Increment, what: str, how: str) -> None:
    folder = increment.folder
    if what in ("remove", "truncate"):
        for path in folder.glob(how):
            path.unlink() if what == "remove" else path.write_bytes(
                path.read_bytes()[: path.stat().st_size // 2]
            )
    elif what == "bar":
        increment.spec_path.write_text(
            re.sub(r"ROC AUC > \S+", how, increment.spec_path.read_text(), count=1)
        )
    elif what == "waive":
        (folder / "waivers").mkdir(exist_ok=True)
        (folder / "waivers" / "roc_auc.md").write_text(f"---\nreason: r\nowner: o\nexpires: {how}\n---\n")
    elif what == "status":
        increment.spec_path.write_text(
            re.sub(r"status: \w+", f"status: {how}", increment.spec_path.read_text())
        )
    elif what == "data":
        data = increment.project.root / "data" / "churn.csv"
        if how == "remove":
            data.unlink(missing_ok=True)
        elif data.exists():
            data.write_text(data.read_text() + ("" if how == "touch" else "33,1200,a,No\n"))
    elif what == "conflict":
        path = folder / how
        if path.exists():
            path.write_text(path.read_text() + "<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n")
    elif how == "running":
        lock = load_lock(increment.lock_path) if increment.lock_path.exists() else None
        if lock and "T-004" in lock.tasks:
            lock.tasks["T-004"].status = "running"
            lock.save()
    elif how == "truncate" and increment.lock_path.exists():
        increment.lock_path.write_text(increment.lock_path.read_text()[:40])
    else:
        increment.lock_path.unlink(missing_ok=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture],
          phases=[Phase.explicit, Phase.generate])  # fmt: skip
@given(changes=st.lists(CHANGES, max_size=3))
def test_done_succeeds_exactly_where_validate_passes(
    judged: Path, increment: Increment, changes: list[tuple[str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(increment.project.root, Path(folder) / "project"))
        found = Project(root).increments()[0]
        for what, how in changes:
            try:
                spoil(found, what, how)
            except SpecweaveError:
                continue  # spoiled beyond this change already
        try:
            said: Validation | str = validate_increment(found, today=TODAY)
        except SpecweaveError as error:
            said = str(error)
        if isinstance(said, str):
            with pytest.raises(SpecweaveError) as refused:
                complete_increment(found, today=TODAY)
            assert str(refused.value) == said
            assert not (found.folder / "COMPLETION-SUMMARY.md").exists()
            return
        done = complete_increment(found, today=TODAY)
        assert bool(done.written) == said.ok == (found.folder / "COMPLETION-SUMMARY.md").exists()
        assert (read_status(found.spec_path) == "done") == (said.ok or ("status", "done") in changes)


# -- a number changed by hand is named -------------------------------------------------------------


@pytest.fixture
def closed(increment: Increment) -> Increment:
    write_comparison(workspace_of(increment))
    assert complete_increment(increment, today=TODAY).written
    assert check_docs(increment.project) == []
    return increment


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_number_changed_by_hand_in_a_generated_document_is_named(
    closed: Increment, data: st.DataObject
) -> None:
    docs = sorted((closed.project.home / "docs").rglob("*.md"))
    path = data.draw(
        st.sampled_from(
            [closed.experiments / "comparison.md", closed.folder / "COMPLETION-SUMMARY.md", *docs]
        )
    )
    text = path.read_text()
    generated = text.partition("specweave:begin")[2] or text
    start = len(text) - len(generated)
    places = [
        start + m.start()
        for m in re.finditer(r"\d", generated)
        if "<!--" not in _line_at(text, start + m.start())
    ]
    at = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([d for d in "0123456789" if d != text[at]]))
    try:
        path.write_text(text[:at] + digit + text[at + 1 :])
        stale = check_docs(closed.project)
        line = text[:at].count("\n") + 1
        assert f"{closed.project.relative(path)}:{line}" in [s.where for s in stale]
    finally:
        path.write_text(text)


def _line_at(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 : text.find("\n", at)]


def test_update_writes_changed_documents_anew(closed: Increment) -> None:
    path = closed.experiments / "comparison.md"
    text = path.read_text()
    path.write_text(text.replace("0.", "1.", 1))
    assert path in update_docs(closed.project)
    assert path.read_text() == text
