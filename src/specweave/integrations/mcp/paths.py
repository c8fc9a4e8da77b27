"""Which files a client may name: those of the project, and data at an address.

Reads: the file system's links. Writes: nothing. Never: lets a client read or write beside the project.
"""

from __future__ import annotations

import re
from pathlib import Path

from specweave.errors import DataError

_ADDRESS = re.compile(r"^(https|s3|gs|az|abfs|postgresql|postgres|increment):", re.I)
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+):(.*)$", re.I)


def check_inside(root: Path, given: str, name: str) -> str:
    """Return `given` if it is a path inside the project.

    Parameters
    ----------
    root : Path
        The project's folder.
    given : str
        A path, from the project's folder.
    name : str
        The argument's name, for the message.

    Raises
    ------
    DataError
        If it leads out of the project, also by a link.
    """
    try:
        place = (root / given).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"'{given}' is no path: {error}", where=name, hint="name a file of the project"
        ) from error
    if not place.is_relative_to(root.resolve()):
        raise DataError(
            f"'{given}' leads out of the project",
            where=name,
            hint="copy the file into the project, and name it from the project's folder",
        )
    return given


def check_source(root: Path, given: str, name: str) -> str:
    """Return `given` if it is a path inside the project, or the address of data elsewhere.

    Raises
    ------
    DataError
        As `check_inside`.
    """
    if _ADDRESS.match(given):
        return given
    scheme = _SCHEME.match(given)
    if scheme is None:
        return check_inside(root, given, name)
    # sqlite:///a.db is seen from here, sqlite:////a.db and file:///a.csv from the top; a query may follow.
    absolute = scheme[1].casefold() == "file" or scheme[2].startswith("////")
    path = scheme[2].lstrip("/").partition("?")[0]
    check_inside(root, f"/{path}" if absolute else path, name)
    return given
