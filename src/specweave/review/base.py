"""What a rule is, and what it may say: a doubt with evidence, advice and the exact change it asks for.

Reads: nothing. Writes: nothing. Never: knows which rules exist (``registry.py`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from specweave.records import Severity

if TYPE_CHECKING:
    from specweave.review.evidence import Evidence

PLAN, SPEC = "plan.md", "spec.md"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One edit that a rule asks for.

    Attributes
    ----------
    file : {"plan.md", "spec.md"}
    path : tuple of str
        In plan.md the keys that lead to the value in the YAML block, an item of a list by its ``name``
        (``candidates.xgboost.search.max_depth.low``); in spec.md the bullet (``Validation``).
    old, new : Any
        Plain values; `old` is what stands there now, None where nothing does.
    how : {"set", "append"}
        ``append`` adds `new` to the list under `path`.
    done : bool
        Whether the document says so already.
    """

    file: str = PLAN
    path: tuple[str, ...]
    old: Any = None
    new: Any = None
    how: str = "set"
    done: bool = False

    @property
    def key(self) -> str:
        """The path as people write it."""
        return ".".join(self.path)


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule found: `severity` None means the rule's own; `where` is the record behind it."""

    message: str
    where: str
    evidence: dict[str, Any] = {}
    advice: str = ""
    severity: Severity | None = None
    changes: tuple[Change, ...] = ()


Check = Callable[["Evidence"], Iterable[Doubt]]


@dataclass(frozen=True)
class Rule:
    """One rule.

    Parameters
    ----------
    code : str
        ``SW104``; never given to another rule again.
    title : str
        What stands where it fires, in a few words.
    meaning : str
        When it fires and why that matters, one or two sentences.
    severity : {"error", "warning", "info"}
        The gravest it usually is.
    check : callable
        ``check(evidence) -> doubts``; reads recorded evidence only.
    needs : tuple of str
        Records without which it waits (names of ``evidence.RECORDS``).
    covers : tuple of str
        Codes recorded by the stages that it takes up: they are not listed again where it fires.
    settles : tuple of str
        Recorded codes on which it has the last word: they are not listed where it judged, fired or not.
    fixes : bool
        Whether it may propose a change.
    """

    code: str
    title: str
    meaning: str
    severity: Severity
    check: Check
    needs: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    settles: tuple[str, ...] = ()
    fixes: bool = False


def rule(
    code: str,
    title: str,
    severity: Severity,
    meaning: str,
    *,
    needs: tuple[str, ...] = (),
    covers: tuple[str, ...] = (),
    settles: tuple[str, ...] = (),
    fixes: bool = False,
) -> Callable[[Check], Rule]:
    """Make a Rule of the function below it."""

    def made(check: Check) -> Rule:
        return Rule(code, title, meaning, severity, check, needs, covers, settles, fixes)

    return made


class Stated(msgspec.Struct, frozen=True, kw_only=True):
    """One finding of a review.

    Attributes
    ----------
    code, title, severity, message, where, evidence, advice
        As of every finding.
    source : str
        ``rule``, or the record in which a stage wrote it.
    changes : tuple of Change
    waived : str
        Reason, owner and expiry of the waiver that covers it.
    note : str
        That its waiver has expired.
    """

    code: str
    title: str
    severity: Severity
    message: str
    where: str = ""
    evidence: Mapping[str, Any] = {}
    advice: str = ""
    source: str = "rule"
    changes: tuple[Change, ...] = ()
    waived: str = ""
    note: str = ""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that cannot judge yet: the records it lacks and the command that brings them."""

    code: str
    title: str
    lacks: tuple[str, ...]
    fix: str


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to try next.

    Attributes
    ----------
    action : str
        An imperative.
    gain : float or None
        Expected gain of the selection metric (always: more is better); None where the records give no
        estimate.
    basis : str
        How the estimate was made.
    command : str
        What to type, or the code whose change to apply.
    """

    action: str
    gain: float | None = None
    basis: str = ""
    command: str = ""


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """What to try next, best first, or that it is time to stop and why; `noise` is one standard error."""

    metric: str = ""
    noise: float | None = None
    stop: bool = False
    reason: str = ""
    proposals: tuple[Proposal, ...] = ()


@dataclass
class Review:
    """What the ml-engineer says about an increment; `notes` are about the waivers themselves."""

    increment: str
    findings: list[Stated] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    outlook: Outlook = field(default_factory=Outlook)
    notes: list[str] = field(default_factory=list)

    @property
    def standing(self) -> list[Stated]:
        """The findings that no waiver covers."""
        return [f for f in self.findings if not f.waived]

    @property
    def ok(self) -> bool:
        """False where an error stands."""
        return not any(f.severity == "error" for f in self.standing)
