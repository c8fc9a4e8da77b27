"""One increment at a glance, read from its files without judging anything anew.

Reads: spec.md, tasks.md, the lock, tests.md, the evaluation record. Writes: nothing. Never: loads data or a model.
"""

from __future__ import annotations

from typing import Any

from specweave.errors import SpecweaveError
from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.increments.project import Increment
from specweave.increments.spec import load_spec, read_status
from specweave.increments.tasks import load_tasks
from specweave.pipeline.documents import RESULTS_BLOCK
from specweave.pipeline.lock import load_lock
from specweave.pipeline.staleness import missing_evidence
from specweave.stages.numbers import readable
from specweave.stages.records import find_evaluation


def increment_overview(increment: Increment) -> dict[str, Any]:
    """Return id, status, progress, best model and the verdicts last written; `error` where a file is broken."""
    row: dict[str, Any] = {
        "id": increment.id, "status": read_status(increment.spec_path), "tasks": 0, "tasks_done": 0, "task_list": [],
        "best": None, "value": None, "criteria": [], "error": None, "depends_on": [],
    }  # fmt: skip
    try:
        row["depends_on"] = list(load_spec(increment.spec_path).depends_on)
        lock = load_lock(increment.lock_path)
        for task in load_tasks(increment.tasks_path):
            record = lock.tasks.get(task.id)
            done = (
                record is not None
                and record.status == "done"
                and not missing_evidence(increment.folder, task)
            )
            state = "done" if done else (record.status if record and record.status != "done" else "open")
            row["task_list"].append({"id": task.id, "title": task.title, "state": state})
        row["tasks"] = len(row["task_list"])
        row["tasks_done"] = sum(t["state"] == "done" for t in row["task_list"])
        row["best"], row["value"] = _best(increment)
        row["criteria"] = _verdicts(increment)
    except SpecweaveError as error:
        row["error"] = str(error).replace("\n", " ")
    return row


def _best(increment: Increment) -> tuple[str | None, str | None]:
    body = find_evaluation(increment.folder)
    if body is None or not body["metrics"]:
        return None, None
    first = next((m for m in body["metrics"] if m["name"] == body["selection_metric"]), body["metrics"][0])
    return f"{body['experiment']} ({body['algorithm']})", f"{first['name']} {readable(first['value'])}"


def _verdicts(increment: Increment) -> list[dict[str, str]]:
    if not increment.tests_path.exists():
        return []
    found = Document(read_text(increment.tests_path), f"{increment.id}/tests.md").managed_block(RESULTS_BLOCK)
    rows = [line for line in (found[0] if found else "").splitlines() if line.startswith("|")][2:]
    cells = [[c.strip() for c in row.replace("\\|", "\0").strip("|").split("|")] for row in rows]
    return [{"text": c[0].replace("\0", "|"), "verdict": c[3].partition(":")[0]} for c in cells if len(c) > 3]
