"""``github.json`` of an increment: which issue is its own, and what was told there last.

Reads and writes: ``github.json`` in the increment's folder. Never: is the only way to find the issue; the
mark in the issue's text is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from specweave.errors import CorruptFileError
from specweave.files.store import load_record, save_record
from specweave.increments.project import Increment

FILE, KIND, SCHEMA = "github.json", "github-issue", 1


class IssueRecord(msgspec.Struct, frozen=True):
    """The issue of an increment.

    Attributes
    ----------
    repository : str
        ``owner/name``.
    number : int
    url : str
    increment : str
        Its id when the record was written; another one later means that it was renumbered.
    best : dict or None
        The best model that was told last.
    digest : str
        Of the block that was sent last.
    """

    repository: str
    number: int
    url: str = ""
    increment: str = ""
    best: dict[str, Any] | None = None
    digest: str = ""


def load_issue_record(increment: Increment) -> IssueRecord | None:
    """Read the record, or return None where there is none.

    Raises
    ------
    CorruptFileError
        If it is not what it should be.
    """
    path = increment.folder / FILE
    if not path.exists():
        return None
    body = load_record(path, KIND, SCHEMA)
    try:
        return msgspec.convert({k: v for k, v in body.items() if k not in ("kind", "schema")}, IssueRecord)
    except msgspec.ValidationError as error:
        raise CorruptFileError(
            f"not the record of an issue: {error}", where=path,
            hint="delete it; 'sw github sync' finds the issue again by its mark",
        ) from error  # fmt: skip


def save_issue_record(increment: Increment, record: IssueRecord) -> bool:
    """Write the record where it changed; return whether it did."""
    try:
        if load_issue_record(increment) == record:
            return False
    except CorruptFileError:
        pass  # replaced by what is known now
    save_record(increment.folder / FILE, KIND, SCHEMA, msgspec.structs.asdict(record))
    return True
