"""One comment on a pull request that is rewritten instead of repeated.

Reads: the comments of a pull request. Writes: one comment. Never: touches a comment without our mark in its
first line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from specweave.errors import DataError
from specweave.integrations.github.client import GitHubClient
from specweave.integrations.github.repository import Access

STICKY_MARK = "<!-- specweave:ci -->"
LONGEST_COMMENT = 65_536

Posted = Literal["created", "updated", "unchanged"]


def post_sticky(
    access: Access, number: int, text: str, *, connect: Callable[[Access], GitHubClient] = GitHubClient
) -> Posted:
    """Write the comment of ``sw ci`` below a pull request, over the one that is there.

    Raises
    ------
    DataError
        If the text does not begin with the mark.
    GitHubError
        If GitHub cannot be reached or refuses.
    """
    if not text.startswith(STICKY_MARK):
        raise DataError("this is no comment of sw ci", hint="make it with: sw ci --comment FILE")
    with connect(access) as client:
        own = next((c for c in client.comments(number) if c.body.startswith(STICKY_MARK)), None)
        if own is None:
            client.create_comment(number, text)
            return "created"
        if own.body.replace("\r\n", "\n").rstrip() == text.rstrip():
            return "unchanged"
        client.update_comment(own.id, text)
        return "updated"
