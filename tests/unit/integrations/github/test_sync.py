"""Issues are made once, follow the records, and leave alone what people did."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from built_increment import LATENCY, build_evaluated, build_increment, evaluate, lock_up, metric
from github_server import GitHubServer

from specweave.errors import CorruptFileError
from specweave.increments.project import Increment
from specweave.integrations.github.answers import GitHubError
from specweave.integrations.github.issue_text import find_mark
from specweave.integrations.github.outcome import Outcome, Report
from specweave.integrations.github.preview import preview_issue, preview_sync
from specweave.integrations.github.queue import open_queue
from specweave.integrations.github.repository import Access
from specweave.integrations.github.status import issue_status
from specweave.integrations.github.sync import Connect, create_issue, sync_increments

BETTER = metric("roc_auc", 0.88, 0.85, 0.91)


@pytest.fixture
def make(increment: Increment, access: Access, connect: Connect):
    return lambda title=None, **options: create_issue(increment, access, title, connect=connect, **options)


@pytest.fixture
def sync(increment: Increment, access: Access, connect: Connect):
    return lambda *which, **options: sync_increments(
        increment.project, which or [increment], access, connect=connect, **options
    )


def only(report: Report) -> Outcome:
    assert report.error is None
    assert len(report.outcomes) == 1
    return report.outcomes[0]


def choose(increment: Increment, experiment: str, *metrics: dict) -> None:
    """Let another experiment be the best, with everything up to date."""
    evaluate(increment, experiment, metrics=[*metrics, LATENCY])
    lock_up(increment)


# -- making ------------------------------------------------------------------------------------------


def test_an_issue_holds_request_criteria_progress_and_metrics(make, github_server: GitHubServer) -> None:
    outcome = only(make("Retrain the model with new data"))
    assert (outcome.action, outcome.number) == ("created", 1)
    issue = github_server.issues[1]
    assert issue["title"] == "Retrain the model with new data"
    for text in ("> predict which customers will churn", "ROC AUC &gt; 0.8 | 0.8400 \\[0.8100, 0.8700\\], n = 400 | ✅ pass",
                 "9 of 9 tasks", "✅ T-001 Data exploration", "`exp-004-lightgbm` (lightgbm)"):  # fmt: skip
        assert text in issue["body"], issue["body"]
    assert find_mark(issue["body"]) == "0042-churn-model"


def test_making_it_again_finds_it_by_record_or_by_mark_among_many(
    make, increment: Increment, github_server: GitHubServer
) -> None:
    for i in range(7):
        github_server.add_issue(f"other {i}", None)
    make()
    github_server.per_page_limit = 3
    assert only(make("Another title")).action == "exists"
    (increment.folder / "github.json").unlink()
    github_server.requests.clear()
    found = only(make())
    assert (found.action, found.number) == ("exists", 8)
    assert [r.query.get("page", "1") for r in github_server.requests if r.path.endswith("/issues")] == [
        "1",
        "2",
        "3",
    ]
    assert all(r.query["state"] == "all" for r in github_server.requests if r.path.endswith("/issues"))
    assert json.loads((increment.folder / "github.json").read_text())["number"] == 8
    assert len(github_server.issues) == 8


def test_calls_at_the_same_time_make_one_issue(make, github_server: GitHubServer) -> None:
    reports: list[Report] = []
    threads = [threading.Thread(target=lambda: reports.append(make())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(only(r).action for r in reports) == ["created", "exists", "exists", "exists", "exists"]
    assert len(github_server.issues) == 1


def test_a_closed_issue_is_not_made_again(make, github_server: GitHubServer) -> None:
    make()
    github_server.close(1, "alice")
    outcome = only(make())
    assert outcome.action == "closed" and "closed by alice" in outcome.notes[0]
    assert len(github_server.writes()) == 1


def test_a_stale_record_is_corrected_by_the_mark(
    make, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    github_server.add_issue("someone else's", "<!-- specweave:increment=0007-other -->")
    path = increment.folder / "github.json"
    for number in (2, 99):
        path.write_text(json.dumps({**json.loads(path.read_text()), "number": number}))
        assert only(make()).number == 1
        assert json.loads(path.read_text())["number"] == 1


def test_a_pull_request_that_quotes_the_mark_is_no_issue(make, github_server: GitHubServer) -> None:
    github_server.add_issue("PR", "<!-- specweave:increment=0042-churn-model -->", pull_request={"url": "x"})
    assert only(make()).number == 2


def test_two_issues_with_one_mark_are_named_and_the_first_is_kept(sync, github_server: GitHubServer) -> None:
    for _ in range(2):
        github_server.add_issue("x", "<!-- specweave:increment=0042-churn-model -->\n")
    outcome = only(sync(overwrite=True))
    assert outcome.number == 1 and "#2 carries the same mark as #1" in outcome.notes[0]
    assert github_server.issues[2]["body"] == "<!-- specweave:increment=0042-churn-model -->\n"


def test_a_renumbered_increment_keeps_its_issue(
    make, increment: Increment, access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    make()
    moved = Increment(increment.folder.with_name("0043-churn-model"))
    increment.folder.rename(moved.folder)
    outcome = only(sync_increments(moved.project, [moved], access, connect=connect))
    assert (outcome.action, outcome.number) == ("updated", 1)
    assert find_mark(github_server.issues[1]["body"]) == "0043-churn-model"


def test_a_copied_increment_does_not_take_the_issue_of_its_model(
    make, increment: Increment, access: Access, connect: Connect
) -> None:
    make()
    other = build_evaluated(increment.project, "0043-copy")
    (other.folder / "github.json").write_bytes((increment.folder / "github.json").read_bytes())
    assert only(create_issue(other, access, connect=connect)).number == 2


# -- bringing up to date -----------------------------------------------------------------------------


def test_an_unchanged_increment_sends_nothing(make, sync, github_server: GitHubServer) -> None:
    make()
    github_server.requests.clear()
    assert only(sync()).action == "unchanged"
    assert [r.method for r in github_server.requests] == ["GET"]


def test_a_new_best_model_is_told_once_with_old_and_new_value(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    choose(increment, "exp-009-tuned", BETTER)
    outcome = only(sync())
    assert (outcome.action, outcome.commented) == ("updated", True)
    (comment,) = github_server.comments[1]
    for text in (
        "`exp-004-lightgbm` | `exp-009-tuned`",
        "| ROC AUC | 0.8400 \\[0.8100, 0.8700\\], n = 400 | 0.8800 ",
    ):
        assert text in comment["body"], comment["body"]
    assert "`exp-009-tuned`" in github_server.issues[1]["body"]
    assert only(sync()).action == "unchanged"
    assert len(github_server.comments[1]) == 1


def test_other_news_change_the_body_and_add_no_comment(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    choose(increment, "exp-004-lightgbm", metric("roc_auc", 0.845, 0.81, 0.88))
    assert (only(sync()).action, github_server.comments[1]) == ("updated", [])


def test_a_comment_says_when_the_holdout_rows_differ(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    evaluate(increment, "exp-009-tuned", metrics=[BETTER, LATENCY], holdout="h2")
    lock_up(increment)
    sync()
    assert "different holdout rows" in github_server.comments[1][0]["body"]


def test_a_body_that_could_not_be_sent_after_its_comment_adds_no_second_comment(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    choose(increment, "exp-009-tuned", BETTER)
    github_server.answer("PATCH", "/issues/1", 500, {}, times=3)
    assert sync().error is not None
    report = sync()
    assert report.ok and len(github_server.comments[1]) == 1
    assert "`exp-009-tuned`" in github_server.issues[1]["body"]


def test_what_people_write_around_the_block_survives_with_its_line_endings(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    ours = github_server.issues[1]["body"]
    github_server.edit(1, f"Before *it*.\n\n{ours}\nAfter <b>it</b>.")
    assert only(sync()).action == "unchanged"
    choose(increment, "exp-009-tuned", BETTER)
    assert only(sync()).action == "updated"
    body = github_server.issues[1]["body"]
    assert body.startswith("Before *it*.\r\n\r\n<!-- specweave:begin issue -->\r\n")
    assert body.endswith("\r\nAfter <b>it</b>.") and "exp-009-tuned" in body


@pytest.mark.parametrize(
    ("old", "new"),
    [("9 of 9 tasks", "8 of 9 tasks"), ("<!-- specweave:end issue -->", ""), ("", None)],
    ids=["a number", "a mark", "everything"],
)
def test_a_block_edited_by_hand_is_left_until_told_otherwise(
    make, sync, increment: Increment, github_server: GitHubServer, old: str, new: str | None
) -> None:
    make()
    body = github_server.issues[1]["body"]
    edited = "Mine." if new is None else f"Mine.\n\n{body.replace(old, new)}"
    github_server.issues[1]["body"] = edited
    choose(increment, "exp-009-tuned", BETTER)
    outcome = only(sync())
    assert outcome.action == "edited" and "--overwrite" in outcome.notes[-1]
    assert github_server.issues[1]["body"] == edited and len(github_server.writes()) == 1
    assert only(sync(overwrite=True)).action == "updated"
    assert github_server.issues[1]["body"].startswith("Mine.\n")
    assert only(sync()).action == "unchanged"


def test_a_closed_issue_is_left_alone(make, sync, increment: Increment, github_server: GitHubServer) -> None:
    make()
    github_server.close(1)
    choose(increment, "exp-009-tuned", BETTER)
    assert only(sync()).action == "closed"
    assert len(github_server.writes()) == 1 and github_server.issues[1]["state"] == "closed"


def test_a_title_changed_by_a_person_stays(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    github_server.issues[1]["title"] = "My words"
    choose(increment, "exp-009-tuned", BETTER)
    sync()
    assert github_server.issues[1]["title"] == "My words"


def test_an_increment_without_issue_gets_none_by_sync(sync, github_server: GitHubServer) -> None:
    outcome = only(sync())
    assert outcome.action == "none" and "sw github create-issue 0042" in outcome.notes[0]
    assert not github_server.writes()


def test_a_broken_increment_does_not_keep_the_others_back(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    make()
    broken = build_increment(increment.project, "0043-broken")
    broken.spec_path.write_text("<<<<<<< HEAD\n" + broken.spec_path.read_text())
    choose(increment, "exp-009-tuned", BETTER)
    report = sync(broken, increment)
    assert [o.action for o in report.outcomes] == ["failed", "updated"]
    assert report.outcomes[0].error and report.outcomes[0].error["where"] == "0043-broken/spec.md:1"


# -- the queue ---------------------------------------------------------------------------------------


def test_an_issue_that_could_not_be_made_is_made_by_the_next_sync_and_once(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    github_server.answer("POST", "/issues$", 502, "bad gateway")
    report = make("My title")
    assert report.error and report.waiting == 1
    make_again = make("My title")
    assert only(make_again).action == "created"
    assert sync().ok and [i["title"] for i in github_server.issues.values()] == ["My title"]
    assert not open_queue(increment.project).path.exists()


def test_an_issue_whose_answer_was_lost_is_not_made_twice(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    github_server.answer("POST", "/issues$", 504, "", after=True)
    assert make().waiting == 1
    report = sync()
    assert report.sent == ["issue of 0042-churn-model"] and len(github_server.issues) == 1
    assert not open_queue(increment.project).waiting()


def test_changes_made_while_offline_are_told_in_order_and_once(
    make, sync, increment: Increment, github_server: GitHubServer, access: Access, connect: Connect
) -> None:
    make()
    offline = Access(access.repository, "http://127.0.0.1:9", access.token)
    for experiment, value in (
        ("exp-009-tuned", BETTER),
        ("exp-012-catboost", metric("roc_auc", 0.9, 0.88, 0.92)),
    ):
        choose(increment, experiment, value)
        report = sync_increments(increment.project, [increment], offline, connect=connect)
        assert report.error and report.outcomes[0].action == "queued"
    assert [w.what for w in open_queue(increment.project).waiting()] == ["comment", "body", "comment"]
    report = sync()
    assert report.sent == ["comment on 0042-churn-model"] * 2 and report.waiting == 0
    told = [c["body"] for c in github_server.comments[1]]
    assert len(told) == 2
    assert (
        "`exp-004-lightgbm` | `exp-009-tuned`" in told[0]
        and "`exp-009-tuned` | `exp-012-catboost`" in told[1]
    )
    assert "exp-012-catboost" in github_server.issues[1]["body"]
    assert only(sync()).action == "unchanged" and len(github_server.comments[1]) == 2


def test_a_queue_that_breaks_off_in_the_middle_goes_on_where_it_stopped(
    make, sync, increment: Increment, github_server: GitHubServer, access: Access, connect: Connect
) -> None:
    make()
    offline = Access(access.repository, "http://127.0.0.1:9", access.token)
    for experiment, value in (("exp-009-a", 0.88), ("exp-010-b", 0.89)):
        choose(increment, experiment, metric("roc_auc", value, 0.8, 0.95))
        sync_increments(increment.project, [increment], offline, connect=connect)
    github_server.answer("POST", "/comments$", 503, {}, after=True)
    assert sync().error is not None
    assert sync().ok
    assert ["exp-004" in c["body"] for c in github_server.comments[1]] == [True, False]


def test_a_refused_issue_is_not_kept(make, increment: Increment, github_server: GitHubServer) -> None:
    github_server.answer(
        "POST", "/issues$", 422, {"message": "Validation Failed", "errors": [{"message": "no"}]}
    )
    with pytest.raises(GitHubError, match=r"refused this \(422\): Validation Failed \(no\)"):
        make()
    assert not open_queue(increment.project).waiting()


def test_what_waits_for_an_increment_that_is_gone_is_dropped_and_said(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    other = build_increment(increment.project, "0043-other")
    github_server.answer("POST", "/issues$", 500, {})
    make()
    increment.folder.rename(increment.folder.with_name("gone"))
    report = sync(other)
    assert any("dropped: its increment is gone" in n for o in report.outcomes for n in o.notes)
    assert report.waiting == 0 and not github_server.issues


def test_a_damaged_queue_says_how_to_mend_it(sync, increment: Increment) -> None:
    path = increment.project.cache / "github-queue.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    for text in ("{", '{"kind": "github-queue", "schema": 1, "waiting": [{"what": "dance"}]}', "[]"):
        path.write_text(text)
        with pytest.raises(CorruptFileError, match="rm "):
            sync()


# -- looking without touching ------------------------------------------------------------------------


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(
    make, sync, increment: Increment, github_server: GitHubServer
) -> None:
    planned = make("T", dry_run=True).planned
    assert [(p.what, p.title) for p in planned] == [("issue", "T")] and "9 of 9 tasks" in planned[0].body
    assert not github_server.issues and not (increment.folder / "github.json").exists()
    make()
    choose(increment, "exp-009-tuned", BETTER)
    before = (increment.folder / "github.json").read_bytes()
    assert [p.what for p in sync(dry_run=True).planned] == ["comment", "body"]
    assert len(github_server.writes()) == 1 and (increment.folder / "github.json").read_bytes() == before


def test_without_a_token_a_dry_run_shows_the_text_all_the_same(make, increment: Increment) -> None:
    assert preview_issue(increment, "T").planned[0].title == "T"
    make()
    choose(increment, "exp-009-tuned", BETTER)
    assert [p.what for p in preview_sync([increment]).planned] == ["comment", "body"]
    assert preview_issue(increment).outcomes[0].action == "exists"


def test_status_tells_what_is_behind(
    make, increment: Increment, access: Access, connect: Connect, github_server: GitHubServer
) -> None:
    other = build_increment(increment.project, "0043-other")

    def rows() -> list[tuple[int | None, str, str]]:
        found = issue_status(increment.project, [increment, other], access, connect=connect)
        return [(r.number, r.state, r.step) for r in found]

    make()
    assert rows() == [(1, "open", "up to date"), (None, "none", "")]
    choose(increment, "exp-009-tuned", BETTER)
    assert rows()[0] == (1, "open", "behind")
    github_server.issues[1]["body"] += "x"
    assert rows()[0][2] == "behind"
    github_server.edit(1, github_server.issues[1]["body"].replace("9 of 9", "7 of 9"))
    assert rows()[0][2] == "edited by hand"


def test_nothing_on_disk_holds_the_token(
    make, sync, increment: Increment, github_server: GitHubServer, access: Access
) -> None:
    github_server.answer("POST", "/issues$", 500, {"message": f"leaked {access.token}"})
    report = make()
    assert report.error and access.token not in f"{report.error} {report.error.to_record()} {access!r}"
    files = [p for p in Path(increment.project.root).rglob("*") if p.is_file()]
    assert not [p for p in files if access.token.encode() in p.read_bytes()]
