"""From the name of an engine to the engine: ``local``, ``ray``, ``ray://host:port``.

Reads: the registry. Writes: nothing. Never: starts anything.
"""

from __future__ import annotations

from specweave import registry
from specweave.engines.base import Engine
from specweave.errors import DataError


def make_engine(name: str) -> Engine:
    """Make an engine.

    Parameters
    ----------
    name : str
        A registered name; with ``://`` and an address where the engine takes one.

    Raises
    ------
    DataError
        If the engine takes no address.
    UnknownNameError
        If there is no such engine.
    MissingExtraError
        If its library is not installed.
    """
    scheme, found, _ = name.partition("://")
    kind = registry.get("engines", scheme)
    if found and not getattr(kind, "takes_address", False):
        raise DataError(f"the {scheme} engine takes no address: '{name}'", hint=f"write {scheme}")
    engine: Engine = kind(name) if found else kind()
    return engine
