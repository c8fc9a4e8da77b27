"""Which installed packages a pickle needs, read from its bytes.

Reads: pickles, installed packages' metadata. Writes: nothing. Never: unpickles.
"""

from __future__ import annotations

import pickletools
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import metadata

# Every pickle of a table model goes through these, whether it names them or not.
ALWAYS = ("numpy", "pandas", "scikit-learn", "specweave-ml")

_STRINGS = frozenset(["SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"])
_GETS = frozenset(["BINGET", "LONG_BINGET", "GET"])
_PUTS = frozenset(["BINPUT", "LONG_BINPUT", "PUT"])


def pickle_modules(data: bytes) -> set[str]:
    """Return the modules whose classes and functions a pickle names, without running it.

    Examples
    --------
    >>> import pickle, decimal
    >>> sorted(pickle_modules(pickle.dumps(decimal.Decimal(1))))
    ['decimal']
    """
    found: set[str] = set()
    strings: list[str] = []
    memo: dict[int, str] = {}
    last: str | None = None
    try:
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name in _STRINGS:
                last = str(argument)
                strings = [*strings[-1:], last]
            elif name == "MEMOIZE" or name in _PUTS:
                place = len(memo) if name == "MEMOIZE" else int(argument or 0)
                memo[place] = last if last is not None else ""
            elif name in _GETS:
                last = memo.get(int(argument or 0), "")
                strings = [*strings[-1:], last]
            elif name == "GLOBAL":
                found.add(str(argument).partition(" ")[0])
                last = None
            elif name == "STACK_GLOBAL":
                found.update(strings[:1])
                last = None
            else:
                last = None
    except ValueError:
        # Files of joblib hold raw arrays between the opcodes; what was read until then still counts.
        pass
    return {module for module in found if module}


def needed_packages(modules: Iterable[str]) -> dict[str, str]:
    """Return name -> version of the installed packages that hold `modules`, sorted by name."""
    holders = _holders()
    names = set(ALWAYS)
    for module in modules:
        names.update(holders.get(module.partition(".")[0], ()))
    versions: dict[str, str] = {}
    for name in sorted(names, key=str.lower):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def loose_modules(modules: Iterable[str]) -> list[str]:
    """Return the top-level modules that no installed package holds: a user's own files, ``__main__``."""
    holders = _holders()
    tops = {module.partition(".")[0] for module in modules}
    return sorted(
        t for t in tops if t not in holders and t not in sys.stdlib_module_names and t != "specweave"
    )


@lru_cache(maxsize=1)
def _holders() -> dict[str, list[str]]:
    return {top: sorted(set(names)) for top, names in metadata.packages_distributions().items()}
