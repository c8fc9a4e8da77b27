"""A lock between processes that the system lets go when its holder dies.

Reads: nothing. Writes: an empty lock file. Never: stays locked after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from specweave.files.atomic import storage_errors

try:
    import fcntl
except ImportError:  # Windows has no flock; two processes may then enter at once
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of `path` for the block; wait for whoever holds it now.

    Raises
    ------
    StorageError
        If the lock file cannot be made.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if fcntl is not None:
            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
