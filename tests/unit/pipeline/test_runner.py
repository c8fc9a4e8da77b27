"""Running tasks: in one child, recorded as they end, resumed after whatever stopped them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from specweave.errors import SpecError, StateError, StorageError, UnknownNameError
from specweave.increments.project import Increment
from specweave.increments.spec import read_status
from specweave.increments.tasks import load_tasks
from specweave.pipeline.lock import load_lock
from specweave.pipeline.runner import RunOptions, RunReport, _only_run, plan_run, run_increment

Edit = Callable[[Path, str, str], None]
ALL = [f"T-00{n}" for n in range(1, 10)]


def script(increment: Increment, number: int) -> Path:
    return next((increment.folder / "pipeline").glob(f"t00{number}_*.py"))


def add(increment: Increment, number: int, code: str) -> None:
    path = script(increment, number)
    path.write_text(path.read_text() + "\n" + code + "\n")


def ticks(increment: Increment) -> list[str]:
    return [t.id for t in load_tasks(increment.tasks_path) if t.ticked]


def status(increment: Increment, task: str) -> str:
    return load_lock(increment.lock_path).tasks[task].status


def run(increment: Increment, **options: Any) -> tuple[RunReport, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    return run_increment(increment, RunOptions(**options), on_event=events.append), events


def test_a_first_run_does_every_task_and_says_so(fresh: Increment) -> None:
    report, events = run(fresh)
    assert (report.ran, report.cached, report.failed) == (ALL, [], None)
    assert ticks(fresh) == ALL
    assert read_status(fresh.spec_path) == "active"
    kinds = [e["event"] for e in events]
    assert kinds[0] == "run-started" and kinds[-1] == "run-ended"
    assert [e["task"] for e in events if e["event"] == "task-started"] == ALL
    assert "T-004 was here" in [e.get("message") for e in events if e.get("task") == "T-004"]
    assert all(json.dumps(e) for e in events)


def test_a_second_run_runs_nothing_and_writes_nothing(ran: Increment) -> None:
    before = {p: p.stat().st_mtime_ns for p in ran.folder.rglob("*") if p.is_file()}
    report, _ = run(ran)
    assert (report.ran, report.cached) == ([], ALL)
    assert {p: p.stat().st_mtime_ns for p in ran.folder.rglob("*") if p.is_file()} == before


def test_the_lock_holds_no_clock_and_no_absolute_path(ran: Increment) -> None:
    text = ran.lock_path.read_text()
    assert str(ran.project.root) not in text
    assert json.loads(text)["fixed"]["criteria"][0] == "ROC AUC > 0.6"


def test_a_script_that_raises_stops_the_run_at_its_line(fresh: Increment) -> None:
    add(fresh, 3, "raise ValueError('no such thing')")
    report, events = run(fresh)
    assert report.ran == ALL[:2]
    assert report.waiting == ALL[3:]
    assert report.failed is not None
    error = report.failed["error"]
    line = len(script(fresh, 3).read_text().splitlines())
    assert (report.failed["task"], error["message"]) == ("T-003", "ValueError: no such thing")
    assert error["where"] == f"pipeline/t003_baselines.py:{line}"
    assert "Traceback" in report.failed["trace"]
    assert status(fresh, "T-003") == "failed"
    assert ticks(fresh) == ALL[:2]
    assert [e["event"] for e in events].count("task-failed") == 1


def test_after_mending_the_script_the_run_goes_on_where_it_was(fresh: Increment) -> None:
    add(fresh, 3, "raise ValueError('no such thing')")
    run(fresh)
    add(fresh, 3, "")
    script(fresh, 3).write_text(script(fresh, 3).read_text().replace("raise ValueError('no such thing')", ""))
    report, _ = run(fresh)
    assert (report.ran, report.cached) == (ALL[2:], ALL[:2])


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit(3)", "the script ended with 3"),
        ("raise SystemExit('not today')", "the script ended with not today"),
        ("def broken(:", "SyntaxError"),
        ("input('really?')", "EOFError"),
        ("import no_such_package", "ModuleNotFoundError: No module named 'no_such_package'"),
        ("from specweave import DataError\nraise DataError('bad', hint='do this')", "bad"),
    ],
)
def test_whatever_a_script_does_is_its_tasks_result(fresh: Increment, code: str, message: str) -> None:
    add(fresh, 1, code)
    report, _ = run(fresh)
    assert report.failed is not None
    assert message in report.failed["error"]["message"]
    assert report.failed["error"]["fix"]
    assert report.ran == []
    assert status(fresh, "T-001") == "failed"


def test_a_syntax_error_names_its_line(fresh: Increment) -> None:
    add(fresh, 1, "def broken(:")
    report, _ = run(fresh)
    assert report.failed is not None
    line = len(script(fresh, 1).read_text().splitlines())
    assert report.failed["error"]["where"] == f"pipeline/t001_explore.py:{line}"


@pytest.mark.parametrize("code", ["raise SystemExit", "raise SystemExit(0)", "print('no line end', end='')"])
def test_a_script_that_ends_itself_well_is_done(fresh: Increment, code: str) -> None:
    add(fresh, 1, code)
    report, events = run(fresh, task="T-001")
    assert report.ran == ["T-001"]
    if "print" in code:
        assert "no line end" in [e.get("message") for e in events]


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended by signal SIGKILL"),
        ("import os; os._exit(7)", "ended with 7"),
    ],
)
def test_a_child_that_dies_in_the_middle_costs_one_task(fresh: Increment, code: str, how: str) -> None:
    add(fresh, 4, code)
    report, _ = run(fresh)
    assert report.ran == ALL[:3]
    assert report.failed is not None
    assert how in report.failed["error"]["message"]
    assert report.failed["task"] == "T-004"
    assert status(fresh, "T-004") == "failed"
    script(fresh, 4).write_text(script(fresh, 4).read_text().replace(code, ""))
    report, _ = run(fresh)
    assert report.ran == ALL[3:]


def test_threads_that_a_script_leaves_behind_do_not_hold_the_run(fresh: Increment, tmp_path: Path) -> None:
    late = tmp_path / "late"
    add(fresh, 1, "import signal, threading, time\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"
                  f"threading.Thread(target=lambda: (time.sleep(60), Path({str(late)!r}).touch())).start()")  # fmt: skip
    report, _ = run(fresh, task="T-001")
    assert report.ran == ["T-001"]
    assert not late.exists()


def test_missing_evidence_is_a_failed_task(fresh: Increment) -> None:
    script(fresh, 2).write_text("print('I did nothing')\n")
    report, events = run(fresh)
    assert report.failed is not None
    assert report.failed["task"] == "T-002"
    assert "its evidence is missing: features/feature_definitions.yaml" in report.failed["error"]["message"]
    assert "T-002" not in ticks(fresh)
    # Nobody was told that it is done.
    assert [e["task"] for e in events if e["event"] == "task-done"] == ["T-001"]


def test_one_task_alone_runs_only_where_it_is_stale(ran: Increment, edit: Edit) -> None:
    assert run(ran, task="T-004")[0].ran == []
    assert run(ran, task="4", force=True)[0].ran == ["T-004"]
    edit(script(ran, 6), "Write", "Now write")
    assert run(ran, task="evaluation")[0].ran == ["T-006"]


def test_from_a_task_on_it_and_all_after_it_run(ran: Increment) -> None:
    assert run(ran, from_task="T-007")[0].ran == ALL[6:]
    assert run(ran, from_task="T-003")[0].ran == ALL[2:]


def test_from_a_stale_task_only_what_is_stale_runs(ran: Increment, edit: Edit) -> None:
    edit(script(ran, 3), "Write", "Now write")
    assert run(ran, from_task="T-003")[0].ran == ["T-003", "T-006", "T-007", "T-008", "T-009"]


def test_force_runs_everything(ran: Increment) -> None:
    assert run(ran, force=True)[0].ran == ALL


def test_a_dry_run_says_what_and_why(ran: Increment, edit: Edit) -> None:
    edit(script(ran, 8), "Write", "Now write")
    states = plan_run(ran, RunOptions())
    assert [(s.task.id, s.reasons) for s in states if s.stale] == [("T-008", ("script changed",))]


def test_an_unknown_task_is_refused_before_anything_runs(fresh: Increment) -> None:
    with pytest.raises(UnknownNameError, match="T-044"):
        run(fresh, task="T-044")
    assert not fresh.lock_path.exists()


def test_a_missing_script_is_refused_before_anything_runs(fresh: Increment) -> None:
    script(fresh, 5).unlink()
    with pytest.raises(
        SpecError, match=r"the script of T-005 is missing: pipeline/t005_tuning\.py"
    ) as caught:
        run(fresh)
    assert str(caught.value.where).startswith(f"{fresh.id}/tasks.md:")
    assert not fresh.lock_path.exists()


def test_two_runs_at_once_are_refused(fresh: Increment) -> None:
    with _only_run(fresh), pytest.raises(StateError, match="another 'sw do' is at work"):
        run(fresh)
    assert run(fresh)[0].failed is None


def test_an_abandoned_increment_does_not_run(ran: Increment, edit: Edit) -> None:
    edit(ran.spec_path, "status: active", "status: abandoned")
    with pytest.raises(StateError, match="is abandoned"):
        run(ran)


def test_a_done_increment_that_runs_again_is_active_again(ran: Increment, edit: Edit) -> None:
    edit(ran.spec_path, "status: active", "status: done")
    run(ran)
    assert read_status(ran.spec_path) == "done"
    edit(script(ran, 9), "Write", "Now write")
    run(ran)
    assert read_status(ran.spec_path) == "active"


def test_a_task_of_ones_own_runs_its_own_script(ran: Increment) -> None:
    with ran.tasks_path.open("a") as stream:
        stream.write("- [ ] T-010: Mine\n  - script: pipeline/mine.py\n  - evidence: `mine/*.txt`\n")
    (ran.folder / "pipeline" / "beside.py").write_text("WORD = 'beside'\n")
    (ran.folder / "pipeline" / "mine.py").write_text(
        "import os\nfrom pathlib import Path\nimport beside\n"
        "folder = Path(__file__).parents[1] / 'mine'\nfolder.mkdir()\n"
        "(folder / 'a.txt').write_text(f\"{beside.WORD} {os.environ['SPECWEAVE_INCREMENT']}\")\n"
    )
    report, _ = run(ran)
    assert report.ran == ["T-010"]
    assert (ran.folder / "mine" / "a.txt").read_text() == f"beside {ran.id}"
    assert "T-010" in ticks(ran)
    (ran.folder / "mine" / "a.txt").unlink()
    assert [s.task.id for s in plan_run(ran, RunOptions()) if s.stale] == ["T-010"]


def test_reordered_tasks_run_in_the_order_of_the_document(fresh: Increment) -> None:
    text = fresh.tasks_path.read_text()
    head, *blocks = text.split("- [ ] ")
    blocks[3], blocks[2] = blocks[2], blocks[3]
    fresh.tasks_path.write_text("- [ ] ".join([head, *blocks]))
    assert run(fresh)[0].ran == ["T-001", "T-002", "T-004", "T-003", *ALL[4:]]


def test_budget_jobs_and_engine_reach_the_scripts(fresh: Increment) -> None:
    add(fresh, 1, "import os\nprint(sorted((k, v) for k, v in os.environ.items() if k in "
                  "('SPECWEAVE_BUDGET', 'SPECWEAVE_JOBS', 'SPECWEAVE_ENGINE')))")  # fmt: skip
    _, events = run(fresh, task="T-001", budget_s=60.0, jobs=2, engine="local")
    expected = "[('SPECWEAVE_BUDGET', '60.0'), ('SPECWEAVE_ENGINE', 'local'), ('SPECWEAVE_JOBS', '2')]"
    assert expected in [e.get("message") for e in events]


def test_a_damaged_lock_names_the_file(ran: Increment) -> None:
    ran.lock_path.write_text("{")
    with pytest.raises(StorageError, match="not valid JSON"):
        run(ran)


# -- kill -9 of `sw do` itself ---------------------------------------------------------------------


def start_run(increment: Increment) -> subprocess.Popen[bytes]:
    code = (
        "import sys; from pathlib import Path; from specweave.increments.project import Increment;"
        "from specweave.pipeline.runner import run_increment; run_increment(Increment(Path(sys.argv[1])))"
    )
    return subprocess.Popen([sys.executable, "-c", code, str(increment.folder)])


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if path.exists():
            return
        assert process.poll() is None, "the run ended before it reached the task"
        time.sleep(0.05)
    raise AssertionError(f"{path.name} never came")


def gone(pid: int) -> bool:
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # A killed child of a killed parent stays a zombie where nobody waits for it.
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_loses_nothing_and_repeats_only_the_task_it_was_in(
    ran: Increment, how: signal.Signals, tmp_path: Path
) -> None:
    marker = tmp_path / "in-the-middle"
    # The task was done before; killed in the middle, its old evidence must not count as new.
    wait = f"import os, time\nPath({str(marker)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    add(ran, 4, wait)
    process = start_run(ran)
    try:
        wait_for(marker, process)
        time.sleep(0.1)
        worker = int(marker.read_text())
        if how is signal.SIGINT:
            os.kill(worker, signal.SIGINT)  # as Ctrl-C on a terminal: both get it
        process.send_signal(how)
        process.wait(30)
        assert gone(worker)
    finally:
        process.kill()
        process.wait()
    assert status(ran, "T-003") == "done"
    assert status(ran, "T-004") == "running"
    script(ran, 4).write_text(script(ran, 4).read_text().replace(wait, ""))
    state = next(s for s in plan_run(ran, RunOptions()) if s.task.id == "T-004")
    assert state.reasons == ("it was interrupted",)
    report, _ = run(ran)
    assert (report.ran, report.cached) == (ALL[3:], ALL[:3])
