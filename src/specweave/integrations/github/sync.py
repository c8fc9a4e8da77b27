"""Issues that say how increments stand: made once, brought up to date, told of a new best model.

Reads: records of increments, issues. Writes: issues, comments, ``github.json``, the queue. Never: makes an
issue twice, closes or reopens one, overwrites what a person changed unless told to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from specweave.errors import SpecweaveError
from specweave.files.locks import exclusive
from specweave.files.store import digest
from specweave.increments.project import Increment, Project
from specweave.integrations.github.answers import GitHubError
from specweave.integrations.github.client import GitHubClient, Issue
from specweave.integrations.github.issue_record import IssueRecord, load_issue_record, save_issue_record
from specweave.integrations.github.issue_text import (
    LONGEST_BODY,
    best_record,
    comment_key,
    comment_mark,
    make_title,
    merge_body,
    parse_body,
    render_block,
    render_comment,
    same_text,
)
from specweave.integrations.github.lookup import Found, Lookup
from specweave.integrations.github.outcome import Action, Outcome, Planned, Report
from specweave.integrations.github.queue import Queue, Waiting, open_queue
from specweave.integrations.github.repository import Access
from specweave.integrations.standing import Standing, load_standing

Connect = Callable[[Access], GitHubClient]


def create_issue(
    increment: Increment, access: Access, title: str | None = None, *, dry_run: bool = False,
    connect: Connect = GitHubClient,
) -> Report:  # fmt: skip
    """Make the issue of an increment, unless it has one.

    Parameters
    ----------
    increment : Increment
    access : Access
    title : str, optional
        Number and title of the increment where not given.
    dry_run : bool
        Look, but send nothing.
    connect : callable
        Opens the connection.

    Returns
    -------
    Report
        With one outcome: ``created``, ``exists`` or ``closed``. Where GitHub cannot be reached, `error` says
        why and the issue waits in the queue.

    Raises
    ------
    SpecError, StorageError
        If the increment's documents or records cannot be read.
    """
    standing = load_standing(increment)
    with exclusive(_lock_path(increment.project)), connect(access) as client:
        work = _Work(client, open_queue(increment.project), dry_run)
        entry = Waiting("issue", increment.id, text=make_title(standing, title))
        try:
            work.report.outcomes.append(work.ensure_issue(standing, entry.text))
            work.done_with(entry)
        except GitHubError as error:
            if not error.later:
                raise
            work.report.error = error
            work.keep(entry)
        return work.finish()


def sync_increments(
    project: Project, increments: Sequence[Increment], access: Access, *, overwrite: bool = False,
    dry_run: bool = False, connect: Connect = GitHubClient,
) -> Report:  # fmt: skip
    """Send what waits, then bring the issues of increments up to date.

    Parameters
    ----------
    project : Project
    increments : sequence of Increment
        Those that have no issue are left without one.
    access : Access
    overwrite : bool
        Rewrite a block that a person changed.
    dry_run : bool
        Look, but send nothing.
    connect : callable
        Opens the connection.

    Raises
    ------
    CorruptFileError
        If the queue cannot be read.
    """
    with exclusive(_lock_path(project)), connect(access) as client:
        work = _Work(client, open_queue(project), dry_run, overwrite)
        also = work.flush(project)
        chosen = {i.id: i for i in [*increments, *also]}
        for increment in chosen.values():
            work.sync(increment)
        return work.finish()


def _lock_path(project: Project) -> Any:
    return project.cache / "github.lock"


class _Work:
    """One call: a connection, the queue, and what came of it."""

    def __init__(self, client: GitHubClient, queue: Queue, dry_run: bool, overwrite: bool = False) -> None:
        self.client, self.queue, self.dry_run, self.overwrite = client, queue, dry_run, overwrite
        self.lookup = Lookup(client)
        self.report = Report()
        self.told: dict[str, dict[str, Any] | None] = {}

    def finish(self) -> Report:
        self.report.waiting = len(self.queue.waiting())
        return self.report

    def keep(self, entry: Waiting) -> None:
        """Put into the queue what could not be sent."""
        if not self.dry_run:
            self.queue.add(entry)

    def done_with(self, entry: Waiting) -> None:
        """Take out of the queue what was sent or need not be any more."""
        if not self.dry_run:
            self.queue.remove(entry)

    # -- the queue -------------------------------------------------------------------------------

    def flush(self, project: Project) -> list[Increment]:
        """Send what waits, in order; return the increments whose bodies wait."""
        known = {i.id: i for i in project.increments()}
        bodies = []
        for entry in self.queue.waiting():
            increment = known.get(entry.increment)
            if increment is None:
                self._drop(entry, "its increment is gone")
                continue
            if entry.what == "body":
                bodies.append(increment)
                continue
            if self.report.error is not None:
                continue
            try:
                self._send_waiting(entry, increment)
            except GitHubError as error:
                if error.wide:
                    self.report.error = error
                if not error.later:
                    self._drop(entry, error.what)
            except SpecweaveError as error:
                self.report.outcomes.append(_failed(increment.id, error))
        return bodies

    def _send_waiting(self, entry: Waiting, increment: Increment) -> None:
        if entry.what == "issue":
            self.report.outcomes.append(self.ensure_issue(load_standing(increment), entry.text))
            self._done(entry, f"issue of {entry.increment}")
            return
        found = self.lookup.find(increment)
        if found is None or found.issue.state == "closed":
            self._drop(entry, "its issue is closed" if found else "its issue is gone")
            return
        self._comment(found.issue, entry.increment, entry.key, entry.text)
        self.told[entry.increment] = entry.best
        self._done(entry, f"comment on {entry.increment}")

    def _done(self, entry: Waiting, what: str) -> None:
        if not self.dry_run:
            self.done_with(entry)
            self.report.sent.append(what)

    def _drop(self, entry: Waiting, why: str) -> None:
        self.done_with(entry)
        note = f"what waited for it ({entry.what}) was dropped: {why}"
        self.report.outcomes.append(Outcome(entry.increment, "none", notes=(note,)))

    # -- one increment ---------------------------------------------------------------------------

    def ensure_issue(self, standing: Standing, title: str) -> Outcome:
        """Return the outcome of an issue that exists afterwards."""
        increment = standing.increment
        found = self.lookup.find(increment)
        if found is not None:
            self._remember(increment, found.issue, parse_body(found.issue.body).best)
            action: Action = "closed" if found.issue.state == "closed" else "exists"
            notes = (*_duplicates(found), *((_closed_note(found.issue),) if action == "closed" else ()))
            return Outcome(increment.id, action, found.issue.number, found.issue.url, notes=notes)
        block = render_block(standing)
        body = merge_body("", block)
        if self.dry_run:
            self.report.planned.append(Planned("issue", increment.id, None, title, body))
            return Outcome(increment.id, "created")
        issue = self.client.create_issue(title, body)
        self._remember(increment, issue, best_record(standing.best), digest(block))
        return Outcome(increment.id, "created", issue.number, issue.url)

    def sync(self, increment: Increment) -> None:
        """Bring one issue up to date; where GitHub cannot be reached, keep what is to be sent."""
        if any(o.increment == increment.id and o.action == "created" for o in self.report.outcomes):
            return  # made from the queue a moment ago
        try:
            standing = load_standing(increment)
            if self.report.error is not None:
                self._keep_for_later(standing)
            else:
                self._try_update(standing)
        except SpecweaveError as error:
            self.report.outcomes.append(_failed(increment.id, error))

    def _try_update(self, standing: Standing) -> None:
        try:
            self.report.outcomes.append(self._update(standing))
        except GitHubError as error:
            if not error.wide:
                raise
            self.report.error = error
            if error.later:
                self._keep_for_later(standing)

    def _update(self, standing: Standing) -> Outcome:
        increment = standing.increment
        waits = Waiting("body", increment.id)
        found = self.lookup.find(increment)
        if found is None:
            self.done_with(waits)
            return Outcome(
                increment.id, "none", notes=(f"no issue yet; run: sw github create-issue {increment.number}",)
            )
        issue, notes = found.issue, _duplicates(found)
        state = parse_body(issue.body)
        if issue.state == "closed":
            self.done_with(waits)
            self._remember(increment, issue, state.best)
            return Outcome(
                increment.id, "closed", issue.number, issue.url, notes=(*notes, _closed_note(issue))
            )
        if state.edited and not self.overwrite:
            self.done_with(waits)
            how = "was changed" if state.block is not None else "was taken out or its marks were changed"
            told = f"the part between the marks {how} by hand and is left alone; sw github sync {increment.number} --overwrite writes it anew"
            return Outcome(increment.id, "edited", issue.number, issue.url, notes=(*notes, told))
        commented = self._tell_change(standing, issue, self.told.get(increment.id, state.best))
        block = render_block(standing)
        body = _overwritten(issue.body, block) if state.edited else merge_body(issue.body, block)
        if len(body) > LONGEST_BODY:
            notes = (*notes, "the text around the marks leaves too little room; the body is left as it is")
            body = issue.body
        changed = not same_text(body, issue.body)
        if changed and self.dry_run:
            self.report.planned.append(Planned("body", increment.id, issue.number, issue.title, body))
        elif changed:
            self.client.update_issue(issue.number, body)
        self._remember(increment, issue, best_record(standing.best), digest(block))
        self.done_with(waits)
        action: Action = "updated" if changed else "unchanged"
        return Outcome(increment.id, action, issue.number, issue.url, commented, notes)

    def _tell_change(self, standing: Standing, issue: Issue, before: dict[str, Any] | None) -> bool:
        """Add a comment where another experiment became the best; return whether it did."""
        now, increment_id = best_record(standing.best), standing.increment.id
        if before is None or now is None or before.get("experiment") == now["experiment"]:
            return False
        # Told before the body says so: a call that dies between the two finds its own comment again.
        key = comment_key(increment_id, before, now)
        return self._comment(issue, increment_id, key, render_comment(increment_id, before, now))

    def _comment(self, issue: Issue, increment_id: str, key: str, text: str) -> bool:
        mark = comment_mark(key)
        if any(mark in comment.body for comment in self.client.comments(issue.number)):
            return False
        if self.dry_run:
            self.report.planned.append(Planned("comment", increment_id, issue.number, issue.title, text))
        else:
            self.client.create_comment(issue.number, text)
        return True

    def _keep_for_later(self, standing: Standing) -> None:
        """Queue the comment and the body that an unreachable GitHub should get."""
        increment = standing.increment
        record = load_issue_record(increment)
        if record is None:
            return  # whether it has an issue only GitHub knows; the next sync asks
        before, now = self.queue.last_told(increment.id) or record.best, best_record(standing.best)
        if before is not None and now is not None and before.get("experiment") != now["experiment"]:
            key = comment_key(increment.id, before, now)
            self.keep(Waiting("comment", increment.id, render_comment(increment.id, before, now), key, now))
        if record.digest != digest(render_block(standing)):
            self.keep(Waiting("body", increment.id))
        waits = any(w.increment == increment.id for w in self.queue.waiting())
        self.report.outcomes.append(
            Outcome(increment.id, "queued" if waits else "unchanged", record.number, record.url)
        )

    def _remember(
        self, increment: Increment, issue: Issue, best: dict[str, Any] | None, sent: str | None = None
    ) -> None:
        if self.dry_run:
            return
        name = self.client.access.repository.full_name
        if sent is None:
            block = parse_body(issue.body).block
            sent = digest(block.replace("\r\n", "\n")) if block is not None else ""
        save_issue_record(increment, IssueRecord(name, issue.number, issue.url, increment.id, best, sent))


def _failed(increment_id: str, error: SpecweaveError) -> Outcome:
    return Outcome(increment_id, "failed", error=error.to_record())


def _closed_note(issue: Issue) -> str:
    who = f" by {issue.closed_by}" if issue.closed_by else ""
    return f"issue #{issue.number} was closed{who} and is left alone; reopen it to have it brought up to date"


def _duplicates(found: Found) -> tuple[str, ...]:
    if not found.others:
        return ()
    listed = ", ".join(f"#{n}" for n in found.others)
    return (f"{listed} carries the same mark as #{found.issue.number}; only the first is brought up to date",)


def _overwritten(body: str, block: str) -> str:
    """Return the body with the block anew; marks that do not pair up are taken out first."""
    try:
        return merge_body(body, block)
    except SpecweaveError:
        lines = [x for x in body.splitlines(keepends=True) if not x.strip().startswith("<!-- specweave:")]
        return merge_body("".join(lines), block)
