"""What would be sent, told without asking GitHub: for a dry run where no token is at hand.

Reads: records of increments, ``github.json``. Writes: nothing. Never: opens a connection.
"""

from __future__ import annotations

from collections.abc import Sequence

from specweave.increments.project import Increment
from specweave.integrations.github.issue_record import load_issue_record
from specweave.integrations.github.issue_text import (
    best_record,
    make_title,
    merge_body,
    render_block,
    render_comment,
)
from specweave.integrations.github.outcome import Outcome, Planned, Report
from specweave.integrations.standing import load_standing

_UNSEEN = "there is no token, so GitHub was not asked what is there already"


def preview_issue(increment: Increment, title: str | None = None) -> Report:
    """Return what `create_issue` would send for an increment that has no issue."""
    record = load_issue_record(increment)
    if record is not None:
        return Report([Outcome(increment.id, "exists", record.number, record.url, notes=(_UNSEEN,))])
    standing = load_standing(increment)
    body = merge_body("", render_block(standing))
    planned = Planned("issue", increment.id, None, make_title(standing, title), body)
    return Report([Outcome(increment.id, "created", notes=(_UNSEEN,))], planned=[planned])


def preview_sync(increments: Sequence[Increment]) -> Report:
    """Return what `sync_increments` would send for increments whose issue is on record."""
    report = Report()
    for increment in increments:
        record = load_issue_record(increment)
        if record is None:
            report.outcomes.append(Outcome(increment.id, "none", notes=(_UNSEEN,)))
            continue
        standing = load_standing(increment)
        now = best_record(standing.best)
        changed = (
            record.best is not None and now is not None and record.best.get("experiment") != now["experiment"]
        )
        if changed and record.best and now:
            text = render_comment(increment.id, record.best, now)
            report.planned.append(Planned("comment", increment.id, record.number, "", text))
        block = merge_body("", render_block(standing))
        report.planned.append(Planned("body", increment.id, record.number, "", block))
        report.outcomes.append(
            Outcome(increment.id, "updated", record.number, record.url, commented=changed, notes=(_UNSEEN,))
        )
    return report
