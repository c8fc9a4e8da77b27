"""Every document that is made from evidence, by name.

Reads: the table of documents. Writes: through the functions it names. Never: measures anything.
"""

from __future__ import annotations

from pathlib import Path

from specweave import registry
from specweave.increments.project import find_increment


def publish_document(name: str, increment: str | None = None) -> list[Path]:
    """Write one document (report, notebook, plan) from what the increment's folder holds.

    Parameters
    ----------
    name : str
        ``quality-report``, ``01-eda``, ``feature-reports``, ``evaluation-report`` ...
    increment : str, optional
        Id of the increment; the active one by default.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UnknownNameError
        If no document has that name.
    StorageError
        If the evidence it is made from is missing.
    """
    folder = find_increment(increment).folder
    return list(registry.get("documents", name)(folder))
