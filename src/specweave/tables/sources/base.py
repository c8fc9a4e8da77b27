"""What every kind of data source answers; which one a text of spec.md means.

Reads: the registry's table ``sources``. Writes: nothing. Never: fetches.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from specweave import registry


class DataSource(ABC):
    """One kind of address that "Training data" may hold.

    Class attributes
    ----------------
    follows : bool
        Whether looking for changes is local and cheap: then a snapshot is renewed by itself. Others are
        fetched once and stay as they are until somebody asks for a refresh.
    """

    follows: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def matches(cls, text: str) -> bool:
        """Return whether `text` is an address of this kind."""

    @abstractmethod
    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Write the data into one table file in `folder` and return it.

        Raises
        ------
        DataError, IntegrationError, MissingExtraError
            Says what could not be had, and how to mend it.
        """

    def stamp(self, text: str, root: Path, where: str) -> str:
        """Return what changes when the data behind a followed address changes.

        Raises
        ------
        DataError
            If there is nothing behind it.
        """
        return ""

    def shown(self, text: str) -> str:
        """Return the address as it may be written into records: without secrets."""
        return text


def find_source(text: str) -> DataSource | None:
    """Return the source that an address means, or None for the path of a file."""
    for name in registry.names("sources"):
        kind: type[DataSource] = registry.get("sources", name)
        if kind.matches(text):
            return kind()
    return None


def is_source(text: str) -> bool:
    """Return whether `text` is an address rather than the path of a file; imports only what it must."""
    return find_source(text) is not None
