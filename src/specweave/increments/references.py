"""``increment: 0042 features``: what one increment takes from another.

Reads: the other increment's folder, to find it. Writes: nothing. Never: runs anything there.

::

    increment: 0042                            what it publishes (data/output.parquet), else the table it was trained on
    increment: 0042 features                   its rows as its feature step gives them
    increment: 0042 predictions                its rows with what its model says of each, never having seen it
    increment: 0042 data/candidates.parquet    any file of its folder
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import SpecError, SpecweaveError, StateError
from specweave.increments.project import Increment, Project
from specweave.increments.spec import read_status

_FORM = re.compile(r"(?i)^`?\s*increment\s*:\s*[\"']?(?P<name>[\w.-]+)[\"']?(?:\s+(?P<what>\S.*?))?\s*`?$")
OUTPUTS = ("data/output.parquet", "data/output.csv")


@dataclass(frozen=True)
class Reference:
    """A part of another increment.

    Attributes
    ----------
    name : str
        Its number or id, as written.
    what : str
        ``data``, ``features``, ``predictions``, or a path below its folder.
    """

    name: str
    what: str


def parse_reference(text: str | None) -> Reference | None:
    """Return what an address refers to, or None where it is no reference.

    Examples
    --------
    >>> parse_reference("increment: 0042 features")
    Reference(name='0042', what='features')
    >>> parse_reference("increment: 42").what
    'data'
    >>> parse_reference("data/train.csv") is None
    True
    """
    match = _FORM.match(text or "")
    if match is None:
        return None
    return Reference(match["name"], (match["what"] or "data").strip("`"))


def get_referred(project: Project, reference: Reference, where: str) -> Increment:
    """Return the increment that is referred to.

    Raises
    ------
    SpecError
        If there is none of that name, the path leads out of it, or it was abandoned.
    """
    try:
        found = project.get_increment(reference.name)
    except (SpecweaveError, StateError) as error:
        raise SpecError(error.what, where=where, hint=error.hint) from error
    if reference.what.startswith(("/", "~")) or ".." in Path(reference.what).parts:
        raise SpecError(
            f"'{reference.what}' leads out of {found.id}",
            where=where,
            hint="write a path below its folder, for example data/output.parquet",
        )
    check_not_abandoned(found, where)
    return found


def check_not_abandoned(increment: Increment, where: str) -> None:
    """Raise SpecError where an increment that others build on was abandoned."""
    if read_status(increment.spec_path) == "abandoned":
        raise SpecError(
            f"{increment.id} is abandoned, and this increment builds on it",
            where=where,
            hint=f"take another one, or set 'status: active' in {increment.id}/spec.md",
        )
