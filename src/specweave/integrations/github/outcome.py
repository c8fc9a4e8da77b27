"""What came of a call: per increment, per request, as a whole.

Reads: nothing. Writes: nothing. Never: decides anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from specweave.integrations.github.answers import GitHubError

Action = Literal["created", "exists", "updated", "unchanged", "closed", "edited", "none", "queued", "failed"]


class Outcome(msgspec.Struct, frozen=True):
    """What happened for one increment.

    Attributes
    ----------
    increment : str
    action : str
        ``created``, ``exists``, ``updated``, ``unchanged``, ``closed`` or ``edited`` (left to the person who
        did it), ``none`` (no issue yet), ``queued``, ``failed``.
    number : int or None
    url : str
    commented : bool
        Whether a new best model was told.
    notes : tuple of str
        What a person should know.
    error : dict or None
        The error of a failed one, as ``--json`` shows errors.
    """

    increment: str
    action: Action
    number: int | None = None
    url: str = ""
    commented: bool = False
    notes: tuple[str, ...] = ()
    error: dict[str, Any] | None = None


class Planned(msgspec.Struct, frozen=True):
    """A request that a dry run would have sent."""

    what: Literal["issue", "comment", "body"]
    increment: str
    number: int | None
    title: str
    body: str


@dataclass
class Report:
    """What a call did.

    Attributes
    ----------
    outcomes : list of Outcome
    sent : list of str
        What had waited in the queue and was sent now.
    waiting : int
        What waits there now.
    error : GitHubError or None
        What ended the call early; everything that was to be sent is in the queue.
    planned : list of Planned
        Of a dry run.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    waiting: int = 0
    error: GitHubError | None = None
    planned: list[Planned] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return self.error is None and not any(o.action == "failed" for o in self.outcomes)
