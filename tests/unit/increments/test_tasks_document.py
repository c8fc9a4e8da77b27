"""tasks.md: tasks with script and evidence; only check boxes are ever rewritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from specweave.errors import SpecError, StorageError, UnknownNameError
from specweave.increments.tasks import find_task, load_tasks, parse_tasks, set_tick

WHERE = "0042-x/tasks.md"
TASKS = """\
# Tasks

- [x] T-001: Data exploration: profile and quality
  - script: `pipeline/t001_explore.py`
  - evidence: `data/profile.json`, `data/*.yaml`
- [ ] buy milk
- [ ] **T-002** - Features
    - Script: pipeline/t002_features.py
* [X] T-010: Mine
  * script: mine/own.py
  * note: evidence: none of it
"""


def test_each_task_has_title_tick_script_and_evidence() -> None:
    first, second, third = parse_tasks(TASKS, WHERE)
    assert (first.id, first.title, first.ticked) == ("T-001", "Data exploration: profile and quality", True)
    assert (first.script, first.evidence, first.line) == (
        "pipeline/t001_explore.py", ("data/profile.json", "data/*.yaml"), 3)  # fmt: skip
    assert (second.id, second.title, second.ticked, second.evidence) == ("T-002", "Features", False, ())
    assert (third.id, third.script, third.ticked) == ("T-010", "mine/own.py", True)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- [ ] T-001: a\n  - script: a.py\n- [ ] T-001: b\n  - script: b.py\n", 3, "T-001 stands twice"),
        ("\n- [ ] T-001: a\n", 2, "T-001 has no script"),
        ("- [ ] T-10: a\n  - script: a.py\n", 1, "'T-10: a' is not a task"),
        ("- [ ] T010: a\n  - script: a.py\n", 1, "'T010: a' is not a task"),
        ("- [ ] T-010: a\n  - script: ../a.py\n", 1, "'../a.py' of T-010 leads out of the increment"),
        (
            "- [ ] T-010: a\n  - script: a.py\n  - evidence: /etc/passwd\n",
            1,
            "'/etc/passwd' of T-010 leads out",
        ),
        ("# Tasks\n", 1, "no task found"),
        ("- [ ] T-001: a\n<<<<<<< HEAD\n=======\n>>>>>>> b\n", 2, "merge conflict"),
    ],
)
def test_a_mistake_names_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_tasks(text, WHERE)
    assert says in caught.value.what
    assert caught.value.where == f"{WHERE}:{line}"
    assert caught.value.hint


def test_boxes_inside_fences_are_no_tasks() -> None:
    text = "```\n- [ ] T-009: example\n```\n- [ ] T-001: a\n  - script: a.py\n"
    assert [t.id for t in parse_tasks(text, WHERE)] == ["T-001"]


@pytest.mark.parametrize("name", ["T-002", "t002", "T2", "2", "feature", "t002_features.py"])
def test_a_task_is_found_by_number_or_words(name: str) -> None:
    assert find_task(parse_tasks(TASKS, WHERE), name).id == "T-002"


def test_an_unknown_task_offers_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="no task 'T-020'") as caught:
        find_task(parse_tasks(TASKS, WHERE), "T-020")
    assert "T-002" in str(caught.value.hint)
    with pytest.raises(UnknownNameError, match="several tasks match 'pipeline'"):
        find_task(parse_tasks(TASKS, WHERE), "pipeline")


def test_ticking_changes_one_character(tmp_path: Path) -> None:
    path = tmp_path / "tasks.md"
    path.write_bytes(TASKS.replace("\n", "\r\n").encode())
    before = path.read_bytes()
    set_tick(path, "T-002", True)
    after = path.read_bytes()
    assert after == before.replace(b"- [ ] **T-002**", b"- [x] **T-002**")
    set_tick(path, "T-002", True)
    assert path.read_bytes() == after
    set_tick(path, "T-002", False)
    assert path.read_bytes() == before


def test_a_missing_document_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"no tasks\.md"):
        load_tasks(tmp_path / "tasks.md")
