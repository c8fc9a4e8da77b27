"""What GitHub shows of each increment, against what its records say now.

Reads: ``github.json``, the queue, issues. Writes: nothing. Never: sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from specweave.errors import SpecweaveError
from specweave.increments.project import Increment, Project
from specweave.integrations.github.client import GitHubClient
from specweave.integrations.github.issue_text import merge_body, parse_body, render_block, same_text
from specweave.integrations.github.lookup import Lookup
from specweave.integrations.github.queue import open_queue
from specweave.integrations.github.repository import Access
from specweave.integrations.standing import load_standing


class IssueStatus(msgspec.Struct, frozen=True):
    """One increment's issue.

    Attributes
    ----------
    increment : str
    number : int or None
    url, title : str
    state : str
        ``open``, ``closed``, or ``none`` where there is no issue.
    step : str
        ``up to date``, ``behind``, ``edited by hand``; what went wrong where it cannot be told.
    waiting : int
        Entries of the queue.
    """

    increment: str
    number: int | None = None
    url: str = ""
    title: str = ""
    state: str = "none"
    step: str = ""
    waiting: int = 0


def issue_status(
    project: Project, increments: Sequence[Increment], access: Access, *,
    connect: Callable[[Access], GitHubClient] = GitHubClient,
) -> list[IssueStatus]:  # fmt: skip
    """Return how the issue of each increment stands.

    Raises
    ------
    GitHubError
        If GitHub cannot be reached or refuses.
    """
    waiting = open_queue(project).waiting()
    with connect(access) as client:
        lookup = Lookup(client)
        found = [_status(lookup, increment) for increment in increments]
    counts = {i.id: sum(w.increment == i.id for w in waiting) for i in increments}
    return [msgspec.structs.replace(row, waiting=counts[row.increment]) for row in found]


def _status(lookup: Lookup, increment: Increment) -> IssueStatus:
    found = lookup.find(increment)
    if found is None:
        return IssueStatus(increment.id)
    issue = found.issue
    row = IssueStatus(increment.id, issue.number, issue.url, issue.title, issue.state)
    if parse_body(issue.body).edited:
        return msgspec.structs.replace(row, step="edited by hand")
    try:
        body = merge_body(issue.body, render_block(load_standing(increment)))
    except SpecweaveError as error:
        return msgspec.structs.replace(row, step=str(error).partition("\n")[0])
    return msgspec.structs.replace(row, step="up to date" if same_text(body, issue.body) else "behind")
