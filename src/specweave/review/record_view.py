"""A record read without trusting it: what is missing or of another type is None, never an exception.

Reads: plain values of JSON records. Writes: nothing. Never: raises because a record lacks a key.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from specweave.files.store import number


@dataclass(frozen=True)
class View:
    """One value of a record and the file that it comes from.

    Examples
    --------
    >>> View({"gap": {"cv": "0.8", "train": 0.9}, "names": ["a"]}, "x.json").number("gap", "train")
    0.9
    >>> View({"gap": {"cv": "0.8"}}, "x.json").number("gap", "cv") is None
    True
    """

    value: Any
    where: str = ""

    def at(self, *keys: str) -> View:
        """Return the value below these keys; None inside where one is missing."""
        node = self.value
        for key in keys:
            node = node.get(key) if isinstance(node, dict) else None
        return View(node, self.where)

    def number(self, *keys: str) -> float | None:
        """Return a finite number, or None."""
        found = number(self.at(*keys).value)
        if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
            return None
        return float(found)

    def text(self, *keys: str) -> str:
        """Return a text, ``""`` where there is none."""
        found = self.at(*keys).value
        return found if isinstance(found, str) else ""

    def texts(self, *keys: str) -> list[str]:
        """Return the texts of a list."""
        found = self.at(*keys).value
        return [x for x in found if isinstance(x, str)] if isinstance(found, list) else []

    def rows(self, *keys: str) -> list[View]:
        """Return the mappings of a list."""
        found = self.at(*keys).value
        return [View(x, self.where) for x in found if isinstance(x, dict)] if isinstance(found, list) else []

    def pairs(self, *keys: str) -> Iterator[tuple[str, View]]:
        """Yield the entries of a mapping."""
        found = self.at(*keys).value
        for key, value in (found if isinstance(found, dict) else {}).items():
            yield str(key), View(value, self.where)

    def numbers(self, *keys: str) -> dict[str, float]:
        """Return the entries of a mapping that are finite numbers."""
        return {k: n for k, v in self.pairs(*keys) if (n := v.number()) is not None}
