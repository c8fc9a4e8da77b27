"""Which issue belongs to an increment: the one that its record names, else the one that carries its mark.

Reads: ``github.json``, issues of the repository. Writes: nothing. Never: takes an issue that belongs to
another increment, or asks for all issues twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from specweave.increments.project import Increment
from specweave.integrations.github.client import GitHubClient, Issue
from specweave.integrations.github.issue_record import IssueRecord, load_issue_record
from specweave.integrations.github.issue_text import find_mark


@dataclass(frozen=True)
class Found:
    """An increment's issue; `others` are issues that carry the same mark and are left alone."""

    issue: Issue
    others: tuple[int, ...] = ()


@dataclass
class Lookup:
    """Finds issues; the list of all is asked for once.

    Parameters
    ----------
    client : GitHubClient
    """

    client: GitHubClient
    _marked: dict[str, list[Issue]] | None = field(default=None, repr=False)

    def find(self, increment: Increment) -> Found | None:
        """Return an increment's issue, or None where it has none."""
        record = load_issue_record(increment)
        if record is not None and self._same_repository(record):
            issue = self.client.find_issue(record.number)
            if issue is not None and _belongs(issue, increment, record):
                return Found(issue)
        named = [i for name in _names(increment, record) for i in self._by_mark().get(name, [])]
        if not named:
            return None
        named.sort(key=lambda i: i.number)
        # The list may be older than the issue itself, and does not say who closed it.
        issue = self.client.find_issue(named[0].number) or named[0]
        return Found(issue, tuple(i.number for i in named[1:]))

    def _same_repository(self, record: IssueRecord) -> bool:
        return record.repository.casefold() == self.client.access.repository.full_name.casefold()

    def _by_mark(self) -> dict[str, list[Issue]]:
        if self._marked is None:
            marked: dict[str, list[Issue]] = {}
            for issue in self.client.issues():
                mark = find_mark(issue.body)
                if mark is not None:
                    marked.setdefault(mark, []).append(issue)
            self._marked = marked  # kept only where the whole list came
        return self._marked


def _belongs(issue: Issue, increment: Increment, record: IssueRecord) -> bool:
    # Without a mark somebody took it out; the record still knows.
    return find_mark(issue.body) in (None, *_names(increment, record))


def _names(increment: Increment, record: IssueRecord | None) -> list[str]:
    """Return the ids under which an increment's issue may be marked: its own, and that before a renumbering."""
    names = [increment.id]
    former = record.increment if record is not None else ""
    if former and former != increment.id and not (increment.project.increments_folder / former).exists():
        names.append(former)
    return names
