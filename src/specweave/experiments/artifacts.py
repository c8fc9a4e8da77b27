"""Objects and files beside the record of an experiment: the name's ending says how they are written.

Reads: files people point at. Writes: artifacts. Never: overwrites the record's own files, imports a
library that the object did not bring.
"""

from __future__ import annotations

import io
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from specweave.errors import DataError, StorageError
from specweave.experiments.values import text_of
from specweave.files.atomic import replacing, storage_errors, write_bytes, write_text
from specweave.files.store import render_json, sha256_file

RESERVED = frozenset(
    [
        "experiment.json",
        "params.json",
        "metrics.json",
        "history.jsonl",
        "notes.md",
        "requirements.txt",
        "git.patch",
        "logs",
    ]
)
_TEXT = frozenset(["txt", "md", "html", "htm", "svg", "csv", "json", "yaml", "yml", "py", "log", "tex"])
_PICTURES = frozenset(["png", "svg", "pdf", "jpg", "jpeg"])


class Artifact(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file (or folder) of an experiment; `sha256` is empty for a folder, `role` says what made it."""

    bytes: int
    sha256: str = ""
    role: str = "artifact"


def describe(path: Path, role: str = "artifact") -> Artifact:
    """Return the size and hash of a file, or the size of a folder."""
    if path.is_dir():
        return Artifact(sum(f.stat().st_size for f in path.rglob("*") if f.is_file()), "", role)
    return Artifact(path.stat().st_size, sha256_file(path), role)


def pickled(value: Any) -> bytes:
    """Return `value` as a pickle; classes and functions of the running script are taken along.

    Raises
    ------
    DataError
        If it cannot be pickled.
    """
    try:
        if not _lives_in_main(value):
            return pickle.dumps(value, protocol=5)
    except Exception:  # any object may refuse in any way; the second pickler has the last word
        pass
    import cloudpickle

    try:
        return bytes(cloudpickle.dumps(value, protocol=5))
    except Exception as error:  # as above
        raise DataError(
            f"cannot pickle a {type(value).__name__}: {error}",
            hint="save what can be saved, such as model.state_dict(), or write a file and log_artifact() it",
        ) from error


def _lives_in_main(value: Any) -> bool:
    # A plain pickle of a class of the script only names it, and no other process could load it.
    return "__main__" in (getattr(value, "__module__", ""), type(value).__module__)


def save_object(path: Path, value: Any) -> Path:
    """Write any object in the way its file's ending says; a pickle where the ending says nothing.

    Raises
    ------
    DataError
        If the object does not fit the ending or cannot be pickled.
    StorageError
        If the file system refuses.
    """
    ending = path.suffix.lower().lstrip(".")
    if isinstance(value, bytes | bytearray | memoryview):
        return write_bytes(path, bytes(value))
    if isinstance(value, io.StringIO | io.BytesIO):
        return save_object(path, value.getvalue())
    if isinstance(value, str) and (ending in _TEXT or not ending):
        return write_text(path, value if value.endswith("\n") else value + "\n")
    if ending == "json":
        return write_text(path, render_json(value))
    if ending in ("yaml", "yml"):
        from specweave.files.yamlio import render_yaml

        return write_text(path, render_yaml(value))
    writer = _foreign_writer(value, ending)
    if writer is not None:
        with replacing(path) as temporary:
            writer(temporary)
        return path
    if ending in ("txt", "md", "log"):
        text = text_of(value) if not hasattr(value, "to_string") else str(value.to_string())
        return write_text(path, text + "\n")
    if ending in ("csv", "parquet", "feather", "html", *_PICTURES):
        raise DataError(
            f"a {type(value).__name__} cannot be written as .{ending}", hint="use a name that ends in .pkl"
        )
    return write_bytes(path, pickled(value))


def _foreign_writer(value: Any, ending: str) -> Callable[[Path], Any] | None:
    """Return how a table, array, tensor mapping or figure writes itself, asked by its own methods."""
    if ending in ("csv", "parquet", "feather", "html") and hasattr(value, f"to_{ending}"):
        method = getattr(value, f"to_{ending}")
        index = _index_option(value) if ending in ("csv", "parquet") else {}
        return lambda path: method(path, **index)
    if ending in _PICTURES:
        figure = value if hasattr(value, "savefig") else getattr(value, "figure", None)
        if figure is not None and hasattr(figure, "savefig"):
            return lambda path: figure.savefig(path, bbox_inches="tight")
    if (ending in ("npy", "npz") and hasattr(value, "__array__")) or (
        ending == "npz" and isinstance(value, dict)
    ):
        return lambda path: _save_array(path, value, ending)
    if ending in ("pt", "pth"):
        return lambda path: _save_torch(path, value)
    if ending in ("joblib",):
        return lambda path: _save_joblib(path, value)
    return None


def _index_option(table: Any) -> dict[str, bool]:
    # A default counter as index is no data; a named or labelled one is.
    index = getattr(table, "index", None)
    unnamed = type(index).__name__ == "RangeIndex" and getattr(index, "name", None) is None
    return {"index": False} if unnamed else {}


def _save_array(path: Path, value: Any, ending: str) -> None:
    import numpy as np

    if ending == "npy":
        np.save(path, np.asarray(value), allow_pickle=False)
    elif isinstance(value, dict):
        np.savez_compressed(path, **value)
    else:
        np.savez_compressed(path, data=np.asarray(value))


def _save_torch(path: Path, value: Any) -> None:
    import torch

    torch.save(value, path)


def _save_joblib(path: Path, value: Any) -> None:
    import joblib

    joblib.dump(value, path)


def copy_in(source: Path, target: Path) -> Path:
    """Copy a file or folder to `target`, whole or not at all.

    Raises
    ------
    StorageError
        If the source vanished or the target cannot be written.
    """
    if source.is_dir():
        with storage_errors(target):
            shutil.copytree(source, target, dirs_exist_ok=True)
        return target
    try:
        with replacing(target) as temporary:
            shutil.copyfile(source, temporary)
    except StorageError:
        if not source.exists():
            raise StorageError("the file vanished while it was copied", where=source) from None
        raise
    return target
