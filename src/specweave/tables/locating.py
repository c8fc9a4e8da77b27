"""Data files that documents name.

Reads: folders. Writes: nothing. Never: guesses another file than the one that is named.
"""

from __future__ import annotations

import os
from pathlib import Path

from specweave.errors import DataError, nearest


def find_data_file(root: Path, text: str, where: str) -> Path:
    """Return the file that a document names, as seen from the project's root.

    Raises
    ------
    DataError
        If there is no such file; offers the nearest.
    """
    path = Path(os.path.expanduser(text.strip("`")))
    path = path if path.is_absolute() else root / path
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(
            f"'{text}' is a folder", where=where, hint="name one file: .csv, .csv.gz, .parquet, .jsonl"
        )
    folder = path.parent
    beside = [f.name for f in folder.iterdir()] if folder.is_dir() else []
    close = nearest(path.name, beside, 2)
    hint = (
        f"did you mean {' or '.join(str(Path(text).parent / c) for c in close)}?"
        if close
        else "write the path as seen from the project's root"
    )
    raise DataError(f"no such file: {text}", where=where, hint=hint)
