"""Waivers: a failing criterion accepted for a reason, by somebody, until a day.

Reads: ``waivers/NAME.md`` of an increment. Writes: nothing. Never: lets one without reason, owner or
expiry count.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import SpecError
from specweave.files.documents import Document
from specweave.files.store import read_text
from specweave.files.yamlio import parse_yaml


@dataclass(frozen=True)
class Waiver:
    """One accepted failure: `name` is the row it covers."""

    name: str
    reason: str
    owner: str
    expires: dt.date
    path: Path

    def expired(self, today: dt.date) -> bool:
        """Return whether its last day has passed."""
        return today > self.expires


def waiver_name(key: str) -> str:
    """Return the file name (without ``.md``) that waives a criterion: ``recall@precision=0.6`` is itself."""
    return "".join(c if c.isalnum() or c in "@=.-_" else "-" for c in key).strip("-")


def load_waivers(folder: Path) -> dict[str, Waiver]:
    """Read every waiver of an increment, by name.

    Raises
    ------
    SpecError
        If one lacks reason, owner or expiry; names the file.
    """
    found = {}
    for path in sorted((folder / "waivers").glob("*.md")):
        found[path.stem] = _load(path)
    return found


def _load(path: Path) -> Waiver:
    where = f"{path.parent.parent.name}/waivers/{path.name}"
    document = Document(read_text(path), where)
    front = document.front_matter()
    values = (parse_yaml(front[0], where=where, first_line=front[1]) if front else None) or {}
    if not values or not isinstance(values, dict):
        values = {b.key.casefold(): b.value for b in document.bullets() if b.key}
    missing = [k for k in ("reason", "owner", "expires") if not values.get(k)]
    if missing:
        raise SpecError(
            f"the waiver lacks {', '.join(missing)}", where=f"{where}:1",
            hint="start it with '---', 'reason: ...', 'owner: ...', 'expires: 2027-01-31', '---'",
        )  # fmt: skip
    expires = values["expires"]
    if isinstance(expires, dt.datetime):
        expires = expires.date()
    if not isinstance(expires, dt.date):
        try:
            expires = dt.date.fromisoformat(str(expires).strip())
        except ValueError as error:
            raise SpecError(
                f"'{expires}' is no date", where=f"{where}:1", hint="write it as 2027-01-31"
            ) from error
    return Waiver(path.stem, str(values["reason"]), str(values["owner"]), expires, path)
