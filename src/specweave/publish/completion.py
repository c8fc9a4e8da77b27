"""``sw done``: the gates, then the summary, the status and the living documents. Nothing is written while a gate fails.

Reads: the increment. Writes: COMPLETION-SUMMARY.md, the table of tests.md, the spec's status. Never: closes
what ``sw validate`` would refuse.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from specweave.files.atomic import write_text
from specweave.increments.project import Increment
from specweave.increments.spec import set_status
from specweave.pipeline.validation import Validation, validate_increment
from specweave.publish.living.sync import update_docs
from specweave.publish.summary import render_summary

SUMMARY = "COMPLETION-SUMMARY.md"


@dataclass
class Completion:
    """What `sw done` did: `written` is empty where a gate failed."""

    validation: Validation
    written: list[Path] = field(default_factory=list)


def complete_increment(increment: Increment, *, today: dt.date | None = None) -> Completion:
    """Close an increment if its gates let it.

    Parameters
    ----------
    increment : Increment
    today : date, optional

    Returns
    -------
    Completion
        Its validation says why where nothing was written.
    """
    found = validate_increment(increment, today=today)
    result = Completion(found)
    if not found.ok:
        return result
    path = increment.folder / SUMMARY
    write_text(path, render_summary(increment, found))
    set_status(increment.spec_path, "done")
    result.written = [path, increment.tests_path, *update_docs(increment.project)]
    return result
