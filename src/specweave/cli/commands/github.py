"""``sw github``: issues that say how increments stand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from specweave.cli.output import Session, common_options, show_error

if TYPE_CHECKING:
    from specweave.integrations.github.outcome import Outcome, Report

_dry = click.option("--dry-run", is_flag=True, help="Show what would be sent, send nothing.")
_ID = re.compile(r"\d{1,6}(-[a-z0-9-]+)?")
_SAID = {
    "created": "made", "exists": "is there already", "updated": "brought up to date", "unchanged": "is up to date",
    "closed": "is closed", "edited": "was edited by hand", "none": "no issue", "queued": "waits in the queue",
    "failed": "failed",
}  # fmt: skip


@click.group("github", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Make issues on GitHub that say how increments stand, and keep them up to date.

    The repository is 'github: {repository: owner/name}' in .specweave/config.yaml, else the git remote. The token
    stands in GH_TOKEN or GITHUB_TOKEN; GITHUB_API_URL names another host than github.com.

    \b
    Example:
      sw github create-issue "Retrain the model with new data" 42
    """


@command.command("create-issue")
@click.argument("title", required=False)
@click.argument("increment_id", metavar="[ID]", required=False)
@_dry
@common_options
def create(session: Session, title: str | None, increment_id: str | None, dry_run: bool) -> int:
    """Make the issue of an increment, unless it has one.

    A first argument that is an id, such as 42, is not taken for a title.

    \b
    Example:
      sw github create-issue "Retrain recommendation model with new data"
    """
    from specweave.integrations.github.preview import preview_issue
    from specweave.integrations.github.repository import find_access, find_token
    from specweave.integrations.github.sync import create_issue

    if title is not None and increment_id is None and _ID.fullmatch(title):
        title, increment_id = None, title
    increment = session.get_increment(increment_id)
    if dry_run and find_token() is None:
        return _tell(session, "github-issue", preview_issue(increment, title))
    report = create_issue(increment, find_access(increment.project), title, dry_run=dry_run)
    return _tell(session, "github-issue", report)


@command.command("sync")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option("--all", "everything", is_flag=True, help="Every increment that has an issue.")
@click.option("--overwrite", is_flag=True, help="Rewrite what a person changed between the marks.")
@_dry
@common_options
def sync(session: Session, increment_id: str | None, everything: bool, overwrite: bool, dry_run: bool) -> int:
    """Send what waits, then bring the issue up to date; a comment tells when the best model changes.

    \b
    Example:
      sw github sync --all
    """
    from specweave.integrations.github.preview import preview_sync
    from specweave.integrations.github.repository import find_access, find_token
    from specweave.integrations.github.sync import sync_increments

    if everything and increment_id is not None:
        raise click.UsageError("give an ID or --all, not both")
    project = session.get_project()
    increments = project.increments() if everything else [session.get_increment(increment_id)]
    if dry_run and find_token() is None:
        return _tell(session, "github-sync", preview_sync(increments), hide=everything)
    report = sync_increments(project, increments, find_access(project), overwrite=overwrite, dry_run=dry_run)
    return _tell(session, "github-sync", report, hide=everything)


@command.command("status")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def status(session: Session, increment_id: str | None) -> None:
    """Show each increment's issue, and whether it says what the records say.

    \b
    Example:
      sw github status
    """
    from specweave.files.store import plain
    from specweave.integrations.github.repository import find_access
    from specweave.integrations.github.status import issue_status

    project = session.get_project()
    increments = [session.get_increment(increment_id)] if increment_id else project.increments()
    access = find_access(project)
    rows = issue_status(project, increments, access)
    session.table(
        ["increment", "issue", "state", "", "waiting", "address"],
        [
            (r.increment, f"#{r.number}" if r.number else "", r.state, r.step, r.waiting or "", r.url)
            for r in rows
        ],
    )
    session.answer("github-status", {"repository": access.repository.full_name, "increments": plain(rows)})


@command.command("comment")
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--pull-request", "number", metavar="N", type=click.IntRange(min=1), required=True, help="Its number."
)
@common_options
def comment(session: Session, file: Path, number: int) -> None:
    """Put the comment that 'sw ci --comment FILE' wrote below a pull request, over the one that is there.

    \b
    Example:
      sw github comment comment.md --pull-request 12
    """
    from specweave.files.store import read_text
    from specweave.integrations.github.repository import find_access
    from specweave.integrations.github.sticky import post_sticky

    access = find_access(session.get_project())
    action = post_sticky(access, number, read_text(file))
    session.say(f"#{number}: comment {action}", "good")
    session.answer(
        "github-comment", {"repository": access.repository.full_name, "number": number, "action": action}
    )


def _tell(session: Session, kind: str, report: Report, *, hide: bool = False) -> int:
    """Print what a call did; return the exit code."""
    from specweave.files.store import plain

    shown = [o for o in report.outcomes if not (hide and o.action == "none" and not _dropped(o))]
    for what in report.sent:
        session.say(f"sent from the queue: {what}")
    for planned in report.planned:
        at = f" of #{planned.number}" if planned.number else f" '{planned.title}'"
        session.say(f"{planned.increment}: would send the {planned.what}{at}", "head")
        session.say(planned.body.rstrip("\n"))
    for outcome in shown:
        _tell_outcome(session, outcome, dry=bool(report.planned))
    if not shown and report.error is None:
        session.say("no increment has an issue yet; next: sw github create-issue")
    errors = [o.error for o in report.outcomes if o.error] + (
        [report.error.to_record()] if report.error else []
    )
    if report.error is not None and not session.json:
        show_error(report.error.to_record())
    if report.waiting:
        things = "thing waits" if report.waiting == 1 else "things wait"
        session.say(f"{report.waiting} {things} in the queue; the next 'sw github sync' sends them", "warn")
    session.answer(kind, {
        "outcomes": plain(report.outcomes), "sent": report.sent, "waiting": report.waiting,
        "planned": plain(report.planned), "errors": errors,
    })  # fmt: skip
    return 0 if report.ok else 1


def _dropped(outcome: Outcome) -> bool:
    return any("dropped" in note for note in outcome.notes)


def _tell_outcome(session: Session, outcome: Outcome, *, dry: bool) -> None:
    if outcome.error is not None:
        if not session.json:
            show_error(outcome.error)
        return
    issue = f"issue #{outcome.number} " if outcome.number else ""
    said = "would be made" if dry and outcome.action == "created" else _SAID[outcome.action]
    if dry and outcome.action == "updated":
        said = "would be brought up to date"
    more = ", and the new best model told in a comment" if outcome.commented and not dry else ""
    good = "good" if outcome.action in ("created", "updated", "unchanged", "exists") else "warn"
    session.say(f"{outcome.increment}: {issue}{said}{more}  {outcome.url}".rstrip(), good)
    for note in outcome.notes:
        session.say(f"  {note}", "warn")
