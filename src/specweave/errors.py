"""Every error a user can meet, as one tree.

    SpecweaveError                exit 2
    ├── SpecError                 a document does not parse or contradicts itself (also ValueError)
    ├── DataError                 the user's data cannot be used as asked (also ValueError)
    ├── UnknownNameError          an id, column, metric or plug-in that does not exist (also LookupError)
    ├── StateError                not now: the increment is not in the state this needs (also RuntimeError)
    ├── StorageError              the file system refused (also OSError)
    │   ├── CorruptFileError      a record that is not what it should be
    │   └── NewerSchemaError      a record written by a newer specweave
    ├── MissingExtraError         exit 3: an optional package is not installed (also ImportError)
    ├── IntegrationError          a service or foreign library failed (also RuntimeError)
    └── StageError                exit 1: a task or gate failed (also RuntimeError)

Each says what is wrong, where (``file:line`` or an experiment id) and how to mend it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class SpecweaveError(Exception):
    """Base of all errors that specweave raises on purpose.

    Parameters
    ----------
    what : str
        One sentence: what is wrong.
    where : str, optional
        ``file:line``, a folder, or an experiment id.
    hint : str, optional
        An imperative: the exact command or edit that mends it.
    """

    code = "error"
    exit_code = 2

    def __init__(self, what: str, *, where: object = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.hint is None else f"{text}\n  {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders (loky, Ray); the default would lose the keyword-only parts.
        return (_rebuild, (type(self), self.what, self.where, self.hint))

    def to_record(self) -> dict[str, Any]:
        """Return the error as the ``--json`` mapping ``{severity, code, message, where, fix}``."""
        return {
            "severity": "error",
            "code": self.code,
            "message": self.what,
            "where": self.where,
            "fix": self.hint,
        }


def _rebuild(kind: type[SpecweaveError], what: str, where: str | None, hint: str | None) -> SpecweaveError:
    return kind(what, where=where, hint=hint)


class SpecError(SpecweaveError, ValueError):
    """A document (spec, plan, tasks, tests, config) does not parse or contradicts itself."""

    code = "spec"


class DataError(SpecweaveError, ValueError):
    """The user's data cannot be used as asked."""

    code = "data"


class UnknownNameError(SpecweaveError, LookupError):
    """An id, column, metric, task or plug-in that does not exist."""

    code = "unknown-name"


class StateError(SpecweaveError, RuntimeError):
    """The increment, run or project is not in the state that the call needs."""

    code = "state"


class StorageError(SpecweaveError, OSError):
    """The file system refused: read-only, full, missing."""

    code = "storage"


class CorruptFileError(StorageError):
    """A record on disk is not what it should be (truncated JSON, wrong kind)."""

    code = "corrupt-file"


class NewerSchemaError(StorageError):
    """A record was written by a newer specweave than this one."""

    code = "newer-schema"


class MissingExtraError(SpecweaveError, ImportError):
    """An optional package is not installed."""

    code = "missing-extra"
    exit_code = 3

    @classmethod
    def for_package(cls, package: str, extra: str, purpose: str) -> MissingExtraError:
        """Make the error that names the exact install command."""
        return cls(f"{purpose} needs {package}", hint=f"run: pip install 'specweave-ml[{extra}]'")


class IntegrationError(SpecweaveError, RuntimeError):
    """A service or foreign library failed."""

    code = "integration"
    exit_code = 1


class StageError(SpecweaveError, RuntimeError):
    """A task of the pipeline or a gate failed."""

    code = "stage"
    exit_code = 1


def exit_code_of(code: str) -> int:
    """Return the exit code that belongs to an error's `code`; 1 for one that is not ours."""
    kinds: list[type[SpecweaveError]] = [SpecweaveError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
        if kind.code == code:
            return kind.exit_code
    return 1


def nearest(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """Return the known names that look most like `name`, nearest first."""
    by_key: dict[str, str] = {k.casefold(): k for k in known}
    return [by_key[k] for k in difflib.get_close_matches(name.casefold(), by_key, n=limit, cutoff=0.5)]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint that offers the nearest known names, or lists what is known."""
    names = list(known)
    close = nearest(name, names)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"known: {shown or 'none'}"
