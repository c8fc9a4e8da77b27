"""What an agent gets, piece by piece: files of ours, marked blocks and single entries in files of others.

Reads: the text of a file as it is. Writes: the text as it should be. Never: decides for a person who edited
a file of ours: that one is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from specweave.integrations.agents.blocks import comment, find_block, put_block, take_block
from specweave.integrations.agents.json_entries import MISSING, find_entry, put_entry, take_entry

# absent: not there. current: as it should be. outdated: ours, of another version. edited: a person's now.
State = Literal["absent", "current", "outdated", "edited"]
_STAMP = re.compile(r"specweave:written ([0-9a-f]{16})")


@dataclass(frozen=True)
class Owned:
    """A whole file of ours. Its last line holds a hash of the rest, so that an edit is seen.

    Attributes
    ----------
    path : str
        From the project's root, with forward slashes.
    text : str
        Without the stamp; JSON has no comments and carries none.
    """

    path: str
    text: str

    @property
    def rendered(self) -> str:
        """The file's whole text."""
        suffix = PurePosixPath(self.path).suffix
        if suffix == ".json":
            return self.text
        stamp = comment(suffix, f"specweave:written {_hash(self.text)} by 'sw agent install'")
        return f"{self.text}{stamp}\n"

    def state(self, current: str | None) -> State:
        """Say how the file stands."""
        if current is None:
            return "absent"
        if current == self.rendered:
            return "current"
        return "outdated" if self._untouched(current) else "edited"

    def _untouched(self, current: str) -> bool:
        if self.path.endswith(".json"):
            return bool(_without_version(current) == _without_version(self.text))
        body, _, last = current.removesuffix("\n").rpartition("\n")
        stamp = _STAMP.search(last)
        return bool(stamp and stamp[1] == _hash(body + "\n"))

    def put(self, current: str | None) -> str:
        """Return the text that the file should have."""
        return self.rendered

    def take(self, current: str) -> str | None:
        """Return what is left when ours is gone: nothing."""
        return None


@dataclass(frozen=True)
class Block:
    """A marked block in a file that a person may own; what stands in it is ours."""

    path: str
    name: str
    body: str

    def state(self, current: str | None) -> State:
        """Say how the block stands."""
        if current is None or find_block(current, self.name, self._suffix, self.path) is None:
            return "absent"
        return "current" if self.put(current) == current else "outdated"

    def put(self, current: str | None) -> str:
        """Return the text with the block as it should be."""
        return put_block(current or "", self.name, self.body, self._suffix, self.path)

    def take(self, current: str) -> str | None:
        """Return the text without the block; None where nothing else was in the file."""
        return take_block(current, self.name, self._suffix, self.path) or None

    @property
    def _suffix(self) -> str:
        return PurePosixPath(self.path).suffix


@dataclass(frozen=True)
class JsonEntry:
    """One entry of a JSON file that a person may own. A value that differs from ours is a person's choice."""

    path: str
    keys: tuple[str, ...]
    value: Any

    def state(self, current: str | None) -> State:
        """Say how the entry stands."""
        found = MISSING if current is None else find_entry(current, self.keys, self.path)
        if found is MISSING:
            return "absent"
        return "current" if found == self.value else "edited"

    def put(self, current: str | None) -> str:
        """Return the text with the entry."""
        text = current or ""
        if self.state(current) == "edited":
            text = take_entry(text, self.keys, self.path)
        return put_entry(text, self.keys, self.value, self.path)

    def take(self, current: str) -> str | None:
        """Return the text without the entry; None where nothing else was in the file."""
        left = take_entry(current, self.keys, self.path)
        return None if left.strip() == "{}" else left


Piece = Owned | Block | JsonEntry


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_version(text: str) -> Any:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return MISSING
    return {k: v for k, v in value.items() if k != "version"} if isinstance(value, dict) else MISSING
