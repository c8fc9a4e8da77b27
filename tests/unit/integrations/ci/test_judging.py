"""A pull request judged by its records: what it touches, what fails and where, what moved."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from built_increment import (
    LATENCY,
    ROC,
    build_evaluated,
    build_increment,
    build_project,
    evaluate,
    lock_up,
    metric,
)

from specweave.errors import StateError, UnknownNameError
from specweave.increments.project import Increment, Project
from specweave.integrations.ci.annotations import Annotation, check_annotations
from specweave.integrations.ci.judging import Check, Judged, judge_change
from specweave.integrations.ci.report import headline, render_comment, render_summary
from specweave.integrations.standing import AS_RECORDED, load_standing


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SPECWEAVE_", "GITHUB_", "GIT_")):
            monkeypatch.delenv(name)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return build_project(tmp_path / "repo" / "ml")


@pytest.fixture
def increment(project: Project) -> Increment:
    return build_evaluated(project)


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


@pytest.fixture
def main(project: Project, increment: Increment) -> str:
    """Return the base branch of a repository whose subfolder is the project."""
    top = project.root.parent
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "base")
    git(top, "checkout", "-qb", "feature")
    return "main"


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def one(check: Check) -> Judged:
    assert len(check.judged) == 1
    return check.judged[0]


def annotation(check: Check, level: str) -> Annotation:
    return next(a for a in check_annotations(check, "ml/") if a.level == level)


def test_an_increment_that_passes_says_so_without_remarks(project: Project, increment: Increment) -> None:
    check = judge_change(project)
    assert check.ok and headline(check) == "1 increment passes its gates"
    assert check_annotations(check) == []


def test_a_failed_criterion_is_shown_at_its_line(project: Project, increment: Increment) -> None:
    replace(increment.spec_path, "ROC AUC > 0.8", "ROC AUC > 0.9")
    check = judge_change(project)
    assert not check.ok
    found = annotation(check, "error")
    line = increment.spec_path.read_text().splitlines().index("- Success metrics: ROC AUC > 0.9") + 1
    assert (found.file, found.line) == ("ml/.specweave/increments/0042-churn-model/spec.md", line)
    assert "measured 0.8400 [0.8100, 0.8700]" in found.message and found.title == "Criterion fails"


def test_an_inconclusive_verdict_warns_and_does_not_fail(project: Project, increment: Increment) -> None:
    replace(increment.spec_path, "ROC AUC > 0.8", "ROC AUC > 0.83")
    check = judge_change(project)
    assert check.ok and "straddles" in annotation(check, "warning").message


def test_a_waived_failure_is_a_notice_and_an_expired_waiver_an_error(
    project: Project, increment: Increment
) -> None:
    replace(increment.spec_path, "ROC AUC > 0.8", "ROC AUC > 0.9")
    waiver = increment.folder / "waivers" / "roc_auc.md"
    waiver.parent.mkdir()
    waiver.write_text("---\nreason: pilot\nowner: ann\nexpires: 2999-01-31\n---\n")
    check = judge_change(project)
    assert check.ok and "waived: pilot (ann, until 2999-01-31)" in annotation(check, "notice").message
    replace(waiver, "2999", "2020")
    check = judge_change(project)
    assert not check.ok and "its waiver has expired" in annotation(check, "error").message


def test_a_task_without_evidence_is_shown_at_its_line_in_tasks(
    project: Project, increment: Increment
) -> None:
    (increment.folder / "data" / "quality-report.md").unlink()
    found = annotation(judge_change(project), "error")
    assert found.file.endswith("tasks.md") and found.line == 3
    assert found.title.startswith("Gate: T-001") and "sw do 0042 --task T-001" in found.message


def test_an_evaluation_edited_by_hand_fails_a_gate(project: Project, increment: Increment) -> None:
    path = increment.folder / "reports" / "evaluation.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert judge_change(project).ok, "git may change line endings"
    replace(path, "0.84", "0.94")
    check = judge_change(project)
    assert not check.ok and "was changed since T-006 wrote it" in annotation(check, "error").message


def test_an_increment_of_which_nothing_ran_is_not_judged(project: Project) -> None:
    build_increment(project)
    check = judge_change(project)
    assert check.ok and one(check).phase == "planned" and headline(check) == "nothing to judge"
    assert "nothing to judge" in render_summary(check)


def test_a_conflict_left_in_a_document_is_one_remark_and_hides_no_other_increment(
    project: Project, increment: Increment
) -> None:
    broken = build_evaluated(project, "0043-broken")
    text = broken.spec_path.read_text()
    broken.spec_path.write_text(text.replace("## Data", "<<<<<<< HEAD\n## Data"))
    check = judge_change(project)
    assert [j.ok for j in check.judged] == [True, False]
    found = annotation(check, "error")
    assert found.line == text.splitlines().index("## Data Requirements") + 1
    assert "merge conflict" in found.message and found.file.endswith("0043-broken/spec.md")


def test_a_damaged_record_is_shown_at_its_file_without_the_machines_folders(
    project: Project, increment: Increment
) -> None:
    (increment.folder / "pipeline.lock.json").write_text('{\n"kind": oops}')
    check = judge_change(project)
    found = annotation(check, "error")
    assert (found.file, found.line) == ("ml/.specweave/increments/0042-churn-model/pipeline.lock.json", 2)
    assert str(project.root) not in render_summary(check)


def test_a_number_that_two_increments_have_is_an_error(project: Project, increment: Increment) -> None:
    build_evaluated(project, "0042-other")
    check = judge_change(project)
    assert not check.ok
    assert all("two increments have the number 0042" in str(j.problem) for j in check.judged)


# -- data that is not in the checkout ----------------------------------------------------------------


def recorded(increment: Increment, verdict: str, experiment: str = "exp-004-lightgbm") -> None:
    """Ask for a comparison that needs data, with the row that sw validate wrote where the data was."""
    replace(increment.spec_path, "- Latency: <100ms", "- Accuracy: Better than best baseline by 20%")
    row = f"| Accuracy: Better than best baseline by 20% | spec.md:28 | 0.84 \\| 0.8 | {verdict} | {experiment} |"
    table = "| criterion | source | measured | verdict | experiment |\n|---|---|---|---|---|"
    increment.tests_path.write_text(
        f"# Tests\n\n<!-- specweave:begin results -->\n{table}\n{row}\n<!-- specweave:end results -->\n"
    )
    (increment.project.root / "data" / "churn.csv").unlink()


@pytest.mark.parametrize(
    ("verdict", "ok"),
    [("pass: exp-002 has 0.7", True), ("fail: exp-002 has 0.83", False), ("missing", False),
     ("fail (waived): x; pilot (ann, until 2999-01-31)", True),
     ("inconclusive: the point meets the bar, its interval straddles it", True),
     ("inconclusive: the point misses the bar, its interval straddles it", False)],
)  # fmt: skip
def test_without_the_data_the_recorded_verdict_counts_and_is_marked(
    project: Project, increment: Increment, verdict: str, ok: bool
) -> None:
    recorded(increment, verdict)
    standing = load_standing(increment)
    assert all(t.passed for t in standing.tasks), "the data is elsewhere, nothing is out of date"
    line = standing.criteria[1]
    assert line.measured == "0.84 | 0.8" and AS_RECORDED in line.note
    assert judge_change(project).ok is ok


def test_a_recorded_verdict_of_another_model_does_not_count(project: Project, increment: Increment) -> None:
    recorded(increment, "pass", "exp-001-older")
    check = judge_change(project)
    assert not check.ok and one(check).standing.criteria[1].verdict == "missing"


def test_without_the_data_a_changed_script_is_still_out_of_date(
    project: Project, increment: Increment
) -> None:
    (project.root / "data" / "churn.csv").unlink()
    (increment.folder / "pipeline" / "t004_candidates.py").write_text("# changed\n")
    open_tasks = [t.name[:5] for t in load_standing(increment).tasks if not t.passed]
    assert open_tasks[0] == "T-004" and "T-001" not in open_tasks and "T-006" in open_tasks


# -- against the base --------------------------------------------------------------------------------


def test_only_what_the_change_touches_is_judged(project: Project, increment: Increment, main: str) -> None:
    check = judge_change(project, main)
    assert (check.judged, check.untouched) == ([], ["0042-churn-model"])
    assert one(judge_change(project, main, everything=True)).ok
    (project.root / "data" / "churn.csv").write_text("age,churn\n1,Yes\n")
    check = judge_change(project, main)
    assert not check.ok and "data changed" in annotation(check, "error").message


def test_an_increment_is_touched_by_what_it_depends_on(
    project: Project, increment: Increment, main: str
) -> None:
    for name, needs in (("0043-b", '["0042"]'), ("0044-c", '["0043"]'), ("0045-d", "[]")):
        made = build_increment(project, name)
        replace(made.spec_path, "depends_on: []", f"depends_on: {needs}")
    top = project.root.parent
    git(top, "add", "-A")
    git(top, "commit", "-qm", "more")
    replace(increment.spec_path, "ROC AUC > 0.8", "ROC AUC > 0.81")
    assert judge_change(project, "HEAD").untouched == ["0045-d"]


def test_metrics_are_compared_with_where_the_branches_went_apart(
    project: Project, increment: Increment, main: str
) -> None:
    top = project.root.parent
    git(top, "checkout", "-q", "main")
    (top / "elsewhere.txt").write_text("main moved on")
    replace(increment.folder / "reports" / "evaluation.json", "0.84", "0.99")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "main moves on")
    git(top, "checkout", "-q", "feature")
    evaluate(
        increment, "exp-009-tuned", metrics=[metric("roc_auc", 0.88, 0.85, 0.91), {**LATENCY, "value": 13.0}]
    )
    lock_up(increment)
    found = one(judge_change(project, main)).comparison
    assert found is not None
    assert (found.best_before, found.best_after) == ("exp-004-lightgbm", "exp-009-tuned")
    deltas = {d.name: d for d in found.deltas}
    assert deltas["roc_auc"].before.value == 0.84 and deltas["roc_auc"].change == pytest.approx(0.04)
    assert deltas["roc_auc"].better and deltas["roc_auc"].clear
    assert deltas["latency_p95_ms"].better is False and not deltas["latency_p95_ms"].clear
    text = render_comment(judge_change(project, main))
    assert "Best model: `exp-004-lightgbm` → `exp-009-tuned`" in text
    assert "▲ +0.0400, clearly better" in text
    assert "worse, within the interval" in text


def test_a_clearly_worse_metric_and_a_removed_criterion_are_told(
    project: Project, increment: Increment, main: str
) -> None:
    evaluate(increment, "exp-009-tuned", metrics=[metric("roc_auc", 0.81, 0.805, 0.82)], holdout="h2")
    lock_up(increment)
    replace(increment.spec_path, "- Latency: <100ms", "- Model size: <10 MB")
    check = judge_change(project, main)
    text = render_summary(check)
    assert (
        "Criterion removed: Latency: &lt;100ms" in text and "Criterion added: Model size: &lt;10 MB" in text
    )
    assert "different holdout rows" in text
    worse = [a for a in check_annotations(check) if a.title == "ROC AUC became worse"]
    assert worse and worse[0].level == "warning" and "0.84 at the base, 0.81 now" in worse[0].message


@pytest.mark.parametrize(
    "damage", ["{", "[]", '{"kind": "evaluation", "schema": 9}', "version https://git-lfs.github.com/spec/v1"]
)
def test_a_base_that_cannot_be_read_is_said_and_compared_with_nothing(
    project: Project, increment: Increment, main: str, damage: str
) -> None:
    path = increment.folder / "reports" / "evaluation.json"
    kept = path.read_text()
    path.write_text(damage)
    git(project.root, "commit", "-qam", "damage")
    path.write_text(kept)
    found = one(judge_change(project, "HEAD")).comparison
    assert found and found.deltas == [] and "cannot be read" in found.notes[0]


def test_a_new_and_a_removed_increment_are_told(project: Project, increment: Increment, main: str) -> None:
    build_evaluated(project, "0043-new")
    for path in sorted(increment.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    increment.folder.rmdir()
    check = judge_change(project, main)
    assert one(check).comparison.new and "New: it is not in `main`" in render_summary(check)
    assert check.notes == ["0042-churn-model is no longer there"]


def test_a_base_that_git_does_not_know_offers_the_nearest(
    project: Project, increment: Increment, main: str
) -> None:
    with pytest.raises(UnknownNameError, match="git knows no commit 'mian' here") as found:
        judge_change(project, "mian")
    assert "main" in str(found.value.hint)
    with pytest.raises(UnknownNameError):
        judge_change(project, "--output=/tmp/x")


def test_a_shallow_clone_says_what_to_fetch(
    project: Project, increment: Increment, main: str, tmp_path: Path
) -> None:
    git(project.root, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{project.root.parent}", "clone")
    clone = Project(tmp_path / "clone" / "ml")
    with pytest.raises(UnknownNameError) as found:
        judge_change(clone, "main")
    assert "fetch-depth: 0" in str(found.value.hint)


def test_without_git_a_base_is_refused_and_no_base_is_fine(project: Project, increment: Increment) -> None:
    assert judge_change(project).ok
    with pytest.raises(StateError, match="not in a git repository"):
        judge_change(project, "main")


def test_nothing_is_written(project: Project, increment: Increment, main: str) -> None:
    before = {
        p: p.stat().st_mtime_ns for p in project.root.rglob("*") if p.is_file() and "cache" not in p.parts
    }
    judge_change(project, main, everything=True)
    after = {
        p: p.stat().st_mtime_ns for p in project.root.rglob("*") if p.is_file() and "cache" not in p.parts
    }
    assert (
        before == after
        and json.loads((increment.folder / "reports/evaluation.json").read_text())["metrics"][0] == ROC
    )
