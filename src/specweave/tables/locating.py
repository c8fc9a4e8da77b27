"""Data files that documents name; an address that is no file is fetched into one.

Reads: folders. Writes: snapshots of addresses. Never: guesses another file than the one that is named.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from specweave.errors import DataError, nearest


def find_data_file(root: Path, text: str, where: str) -> Path:
    """Return the file that a document names, as seen from the project's root.

    Raises
    ------
    DataError
        If there is no such file; offers the nearest. If an address has nothing behind it.
    """
    from specweave.tables.sources.base import is_source
    from specweave.tables.sources.snapshots import take_snapshot

    text = text.strip().strip("`")
    if is_source(text):
        return take_snapshot(root, text, where).file
    path = Path(os.path.expanduser(text))
    path = path if path.is_absolute() else root / path
    if path.is_file():
        return path
    if path.is_dir():
        raise DataError(
            f"'{text}' is a folder", where=where, hint="name one file: .csv, .csv.gz, .parquet, .jsonl"
        )
    pointer = path.with_name(path.name + ".dvc")
    if pointer.is_file():
        raise DataError(f"{text} is under DVC and not fetched", where=where, hint=f"run: dvc pull {text}.dvc")
    folder = path.parent
    beside = [f.name for f in folder.iterdir()] if folder.is_dir() else []
    close = nearest(path.name, beside, 2)
    hint = (
        f"did you mean {' or '.join(str(Path(text).parent / c) for c in close)}?"
        if close
        else "write the path as seen from the project's root"
    )
    raise DataError(f"no such file: {text}", where=where, hint=hint)


def find_pointer(root: Path, text: str) -> dict[str, Any] | None:
    """Return what ``FILE.dvc`` says of a file: its path, MD5 and size; None where the file is not under DVC."""
    path = root / (text + ".dvc")
    if not path.is_file():
        return None
    from specweave.files.yamlio import load_yaml

    body = load_yaml(path) or {}
    outs = body.get("outs") if isinstance(body, dict) else None
    if not outs or not isinstance(outs, list):
        raise DataError("the DVC pointer names no file", where=path, hint=f"run: dvc add {text}")
    out = outs[0]
    return {"pointer": text + ".dvc", "md5": str(out.get("md5", "")), "bytes": out.get("size")}
