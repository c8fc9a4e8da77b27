"""Increments that build on each other, through `sw` as a process: order, staleness, failures, merges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ADD = """\
from specweave import load_training_data, publish_table
rows = load_training_data()
rows["{name}"] = rows["a"] + {add}
publish_table(rows)
"""


def sw(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run([sys.executable, "-m", "specweave", *arguments], cwd=folder, env=environment,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == code, (
        f"sw {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


def answer(folder: Path, *arguments: str, code: int = 0) -> Any:
    return json.loads(sw(folder, *arguments, "--json", code=code).stdout)


def increment(folder: Path, name: str, data: str, add: int = 1) -> Path:
    """Make an increment whose one script adds a column, and return its folder."""
    sw(folder, "inc", name, "--data", data, "--problem", "Own scripts")
    found = folder / ".specweave" / "increments" / name
    (found / "pipeline" / "t010_own.py").write_text(ADD.format(name=f"col{name[3]}", add=add))
    return found


def stale(folder: Path) -> dict[str, list[str]]:
    rows = answer(folder, "status", "--graph")["increments"]
    return {r["id"]: [s["task"] for s in r["stale"]] for r in rows}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three increments, one after the other, and one that stands alone; all of them run."""
    tmp_path = tmp_path_factory.mktemp("chain")
    (tmp_path / "raw.csv").write_text("a\n1\n2\n3\n")
    (tmp_path / "other.csv").write_text("a\n5\n")
    increment(tmp_path, "0001-first", "raw.csv")
    sw(tmp_path, "do", "1")
    increment(tmp_path, "0002-second", "increment: 1")
    sw(tmp_path, "do", "2")
    increment(tmp_path, "0003-third", "increment: 0002 data/output.parquet")
    increment(tmp_path, "0004-alone", "other.csv")
    sw(tmp_path, "do", "--all")
    return tmp_path


@pytest.fixture
def chain(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished project, as a clone would be."""
    return Path(shutil.copytree(finished, tmp_path / "project"))


def test_exactly_what_reads_changed_data_is_stale_and_runs(chain: Path) -> None:
    assert stale(chain) == {"0001-first": [], "0002-second": [], "0003-third": [], "0004-alone": []}
    spec = (chain / ".specweave/increments/0002-second/spec.md").read_text()
    assert "- Training data: increment: 0001\n" in spec and 'depends_on: ["0001"]' in spec

    (chain / "raw.csv").write_text("a\n1\n2\n3\n4\n")
    assert stale(chain) == {
        "0001-first": ["T-010"],
        "0002-second": ["T-010"],
        "0003-third": ["T-010"],
        "0004-alone": [],
    }
    gates = answer(chain, "validate", "3", code=1)["gates"]
    assert any("0002 T-010 will run" in g["note"] for g in gates)

    ran = answer(chain, "do", "--all")
    assert {r["increment"]: r["ran"] for r in ran["increments"]} == {
        "0001-first": ["T-010"], "0002-second": ["T-010"], "0003-third": ["T-010"], "0004-alone": []}  # fmt: skip
    import pandas as pd

    table = pd.read_parquet(chain / ".specweave/increments/0003-third/data/output.parquet")
    assert list(table.columns) == ["a", "col1", "col2", "col3"] and len(table) == 4


def test_a_script_that_gives_the_same_table_makes_nothing_behind_it_run(chain: Path) -> None:
    script = chain / ".specweave/increments/0001-first/pipeline/t010_own.py"
    script.write_text(script.read_text() + "# a remark\n")
    assert stale(chain)["0003-third"] == ["T-010"]
    ran = answer(chain, "do", "--all")
    assert {r["increment"]: r["ran"] for r in ran["increments"]} == {
        "0001-first": ["T-010"], "0002-second": [], "0003-third": [], "0004-alone": []}  # fmt: skip


def test_what_builds_on_a_failed_increment_is_left_out_and_the_rest_runs(chain: Path) -> None:
    (chain / ".specweave/increments/0002-second/pipeline/t010_own.py").write_text(
        "raise ValueError('no luck')\n"
    )
    (chain / "other.csv").write_text("a\n6\n")
    ran = answer(chain, "do", "--all", code=1)
    assert ran["failed"]["0002-second"]["message"] == "ValueError: no luck"
    assert ran["waiting"] == {"0003-third": "0002-second"}
    assert [r["increment"] for r in ran["increments"] if r["ran"]] == ["0004-alone"]


def test_a_circle_is_named(chain: Path) -> None:
    spec = chain / ".specweave/increments/0001-first/spec.md"
    spec.write_text(spec.read_text().replace("depends_on: []", 'depends_on: ["0003"]'))
    said = sw(chain, "do", "--all", code=2).stderr
    assert "in a circle: 0001-first -> 0003-third -> 0002-second -> 0001-first" in said
    assert "spec.md:6" in said


def test_an_abandoned_or_missing_increment_cannot_be_built_on(chain: Path) -> None:
    spec = chain / ".specweave/increments/0001-first/spec.md"
    text = spec.read_text()
    spec.write_text(
        text.replace("status: done", "status: abandoned").replace("status: active", "status: abandoned")
    )
    said = sw(chain, "do", "2", code=2).stderr
    assert "0001-first is abandoned" in said and "0002-second/spec.md:" in said
    spec.write_text(text)
    other = chain / ".specweave/increments/0002-second/spec.md"
    other.write_text(other.read_text().replace("increment: 0001", "increment: 0077"))
    assert "no increment is called '0077'" in sw(chain, "do", "2", code=2).stderr


def test_an_output_that_is_not_there_yet_says_what_to_run(tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_text("a\n1\n")
    increment(tmp_path, "0001-first", "raw.csv")
    said = sw(tmp_path, "inc", "next", "--data", "increment: 1 data/output.parquet", code=2).stderr
    assert "0001-first has no data/output.parquet yet" in said and "sw do 0001" in said


def test_criteria_are_judged_by_what_the_scripts_logged(chain: Path) -> None:
    spec = chain / ".specweave/increments/0001-first/spec.md"
    spec.write_text(spec.read_text().replace("Rows >= 1,", "Rows >= 4,"))
    found = answer(chain, "validate", "1", code=1)
    assert next((v["criterion"]["text"], v["verdict"]) for v in found["verdicts"]) == ("Rows >= 4", "fail")
    (chain / "raw.csv").write_text("a\n1\n2\n3\n4\n")
    sw(chain, "do", "1")
    sw(chain, "done", "1")
    summary = (chain / ".specweave/increments/0001-first/COMPLETION-SUMMARY.md").read_text()
    assert "| Rows >= 4 | 4 | pass |" in summary
    system = (chain / ".specweave/docs/internal/architecture/ml-system.md").read_text()
    assert "i0002 -->|data/output.parquet| i0003" in system


# -- two branches ----------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"git {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_two_branches_merge_without_conflict_and_the_doctor_mends_the_numbers(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    git(ours, "init", "-q", "-b", "main")
    (ours / "raw.csv").write_text("a\n1\n2\n3\n")
    increment(ours, "0001-base", "raw.csv")
    sw(ours, "do", "1")
    sw(ours, "done", "1")
    git(ours, "add", "-A")
    git(ours, "commit", "-qm", "base")
    git(tmp_path, "clone", "-q", str(ours), str(theirs))
    assert "run: sw doctor --fix" in sw(theirs, "doctor", code=1).stdout
    sw(theirs, "doctor", "--fix")

    for folder, name, add in ((ours, "0002-ours", 10), (theirs, "0002-theirs", 20)):
        increment(folder, name, "increment: 1", add)
        # Both also change the shared increment: its records differ, and each logs an experiment of its own.
        script = folder / ".specweave/increments/0001-base/pipeline/t010_own.py"
        extra = f"from specweave import track_experiment\nwith track_experiment('{name[5:]}') as e:\n    e.log_metric('x', {add})\n"
        (script.parent / f"t011_{name[5:]}.py").write_text(extra)
        tasks = folder / ".specweave/increments/0001-base/tasks.md"
        if folder is ours:
            tasks.write_text(tasks.read_text() + "- [ ] T-011: Mine\n  - script: `pipeline/t011_ours.py`\n")
        sw(folder, "do", "--all")
        if folder is theirs:
            sw(folder, "exp", "list", "--increment", "1")
            subprocess.run([sys.executable, str(script.parent / "t011_theirs.py")], cwd=folder, check=True,
                           env={**os.environ, "SPECWEAVE_INCREMENT": "0001-base"})  # fmt: skip
        sw(folder, "sync-docs", "update")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", name)

    git(ours, "pull", "-q", "--no-rebase", "--no-edit", str(theirs), "main")
    assert git(ours, "status", "--porcelain") == ""
    said = sw(ours, "doctor", code=1).stdout
    assert "0002-ours" in said and "0002-theirs" in said and "0001-base experiment numbers" in said
    sw(ours, "doctor", "--fix")
    names = sorted(p.name for p in (ours / ".specweave/increments").iterdir() if p.name[0] == "0")
    assert names == ["0001-base", "0002-ours", "0003-theirs"]
    listed = answer(ours, "exp", "list", "--increment", "1")["experiments"]
    assert len({e["id"].split("-")[1] for e in listed}) == len(listed) == 3
    assert {e["name"] for e in listed} == {"publish-output", "ours", "theirs"}

    # What is made from other files is made again.
    sw(ours, "sync-docs", "check", code=1)
    sw(ours, "sync-docs", "update")
    sw(ours, "sync-docs", "check")
    sw(ours, "do", "--all")
    assert all(not tasks for tasks in stale(ours).values())
