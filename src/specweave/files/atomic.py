"""Writes that are whole or absent, and numbers that are never given twice.

Reads: nothing. Writes: any file, by replacing it. Never: leaves a half-written file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from specweave.errors import StorageError


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError on `path` into a StorageError that says how to mend it."""
    try:
        yield
    except StorageError:
        raise
    except PermissionError as error:
        raise StorageError(
            f"cannot write: {error.strerror or 'permission denied'}",
            where=path,
            hint=f"make the folder writable: chmod u+w {path.parent}",
        ) from error
    except OSError as error:
        space = "free some disk space and run the command again"
        hints = {
            errno.ENOSPC: space,
            errno.EFBIG: space,
            errno.EDQUOT: space,
            errno.EROFS: "the disk is mounted read-only",
        }
        raise StorageError(
            f"cannot write: {error.strerror or error}", where=path, hint=hints.get(error.errno or 0)
        ) from error


def write_bytes(path: Path, data: bytes) -> Path:
    """Replace the file at `path` with `data` in one step, making its folder where needed."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            os.chmod(temporary, _mode_of(path))
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    return path


def write_text(path: Path, text: str) -> Path:
    """Replace the file at `path` with UTF-8 `text` in one step (newlines are written as they are)."""
    return write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it becomes `path` if the block ends well.

    For writers that need a file name of their own (Parquet, figures, pickles).
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays last: figure and Parquet writers choose the format by it.
        temporary = path.with_name(f".{os.getpid()}-{os.urandom(4).hex()}.tmp{path.suffix}")
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()


def _mode_of(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o644


_claiming = threading.Lock()


def claim_numbered(
    parent: Path,
    width: int,
    name_of: Callable[[int], str],
    pattern: re.Pattern[str],
    first: int = 1,
    wanted: int | None = None,
) -> tuple[int, Path]:
    """Make the next numbered folder under `parent`, safely beside other threads and processes.

    Parameters
    ----------
    parent : Path
    width : int
        Digits of the number as shown.
    name_of : callable
        Folder name for a number.
    pattern : re.Pattern
        Its first group is the number in an existing folder's name.
    first : int
        The number given where no folder exists yet.
    wanted : int, optional
        The number to give if it is free; the next one otherwise.

    Returns
    -------
    tuple of (int, Path)
        The number and the new, empty folder.
    """
    # The number itself is claimed by a marker that only one can make, since two names may differ
    # (0043-churn, 0043-fraud) and so would both succeed on their own.
    claims = parent / ".claims"
    # Threads wait here instead of racing each other from number to number.
    with storage_errors(parent), _claiming:
        claims.mkdir(parents=True, exist_ok=True)
        taken = _numbers(parent, pattern)
        following = max([first - 1, *taken]) + 1
        number = following if wanted is None or wanted in taken else wanted
        while True:
            folder = _try_claim(parent, claims / f"{number:0{width}d}", number, name_of, pattern)
            if folder is not None:
                return number, folder
            number = max(number + 1, following)


def _try_claim(
    parent: Path, marker: Path, number: int, name_of: Callable[[int], str], pattern: re.Pattern[str]
) -> Path | None:
    """Make the folder of one number, or None where somebody else has or is making it."""
    try:
        # A file, since removing a folder can take the file system milliseconds.
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))
    except FileExistsError:
        return None
    try:
        # A folder may have been made between our listing and our claim by one that then let go.
        if number in _numbers(parent, pattern):
            return None
        folder = parent / name_of(number)
        folder.mkdir()
        return folder
    finally:
        with contextlib.suppress(OSError):
            marker.unlink()


def _numbers(parent: Path, pattern: re.Pattern[str]) -> set[int]:
    match = pattern.match
    return {int(found[1]) for name in os.listdir(parent) if (found := match(name))}
