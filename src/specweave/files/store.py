"""JSON and YAML records: plain where people rely on plain, with ``kind`` and ``schema`` elsewhere.

Reads and writes: one file per call. Never: loses a key it does not know, writes NaN as illegal JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specweave.errors import CorruptFileError, NewerSchemaError, SpecError, StorageError
from specweave.files.atomic import write_text

Upgrader = Callable[[dict[str, Any]], dict[str, Any]]

_RESTORE = "restore the file from git, or delete it and run the task that writes it again"
# JSON has no NaN or infinity; these strings stand for them and round-trip through float().
_SPECIAL = {"NaN", "Infinity", "-Infinity"}


def plain(value: Any) -> Any:
    """Return `value` as what JSON can hold: numpy scalars unwrapped, NaN and infinities as strings."""
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
        return value
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    fields = getattr(value, "__struct_fields__", None)
    if fields is not None:
        return {name: plain(getattr(value, name)) for name in fields}
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors, pandas series
        return plain(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def number(value: Any) -> Any:
    """Return the float behind ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``; anything else as it is."""
    return float(value) if isinstance(value, str) and value in _SPECIAL else value


def render_json(value: Any) -> str:
    """Return sorted, indented JSON that ends with a newline; floats keep every digit."""
    return json.dumps(plain(value), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def save_json(path: Path, value: Any) -> Path:
    """Write `value` as sorted JSON, replacing the file in one step."""
    return write_text(path, render_json(value))


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    StorageError
        If the file is missing or unreadable.
    CorruptFileError
        If it is not JSON; names the line.
    """
    try:
        text = read_text(path)
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise CorruptFileError(
            f"not valid JSON: {error.msg}",
            where=f"{path}:{error.lineno}",
            hint=_RESTORE,
        ) from error


def read_text(path: Path) -> str:
    """Read a UTF-8 file, newlines untouched.

    Raises
    ------
    StorageError
        If it is missing, unreadable or not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise StorageError("no such file", where=path) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise CorruptFileError("not UTF-8 text", where=f"{path}:{line}", hint="save it as UTF-8") from error
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", where=path) from error


def save_record(path: Path, kind: str, schema: int, body: Mapping[str, Any]) -> Path:
    """Write a record file: `body` with its ``kind`` and ``schema``; YAML where the name ends so."""
    record = {"kind": kind, "schema": schema, **plain(dict(body))}
    if path.suffix in (".yaml", ".yml"):
        from specweave.files.yamlio import render_yaml

        return write_text(path, render_yaml(record))
    return save_json(path, record)


def load_record(
    path: Path,
    kind: str,
    schema: int,
    upgraders: Mapping[int, Upgrader] | None = None,
    *,
    shape: Any = None,
    remedy: str | None = None,
) -> dict[str, Any]:
    """Read a record file of `kind`, upgraded to `schema`.

    Parameters
    ----------
    upgraders : mapping of int to callable, optional
        For each older schema, a pure function from its body to the next schema's.
    shape : type, optional
        What the record must hold (see ``files.shapes``).
    remedy : str, optional
        The command that writes the record anew, for hints.

    Raises
    ------
    CorruptFileError
        If it is not a mapping of that kind, or not of that shape.
    NewerSchemaError
        If its schema is newer than `schema`.
    """
    hint = f"restore the file from git, or run: {remedy}" if remedy else _RESTORE
    if path.suffix in (".yaml", ".yml"):
        from specweave.files.yamlio import load_yaml

        record = load_yaml(path)
    else:
        record = load_json(path)
    if not isinstance(record, dict) or record.get("kind") != kind:
        found = record.get("kind") if isinstance(record, dict) else type(record).__name__
        raise CorruptFileError(f"expected a record of kind '{kind}', found {found!r}", where=path, hint=hint)
    version = record.get("schema")
    if not isinstance(version, int):
        raise CorruptFileError("the record has no integer 'schema'", where=path, hint=hint)
    if version > schema:
        raise NewerSchemaError(
            f"'{kind}' schema {version} is newer than this specweave can read ({schema})",
            where=path,
            hint="run: pip install -U specweave-ml",
        )
    while version < schema:
        upgrade = (upgraders or {}).get(version)
        if upgrade is None:
            raise CorruptFileError(f"no way to read '{kind}' schema {version}", where=path, hint=hint)
        version += 1
        record = {**upgrade(record), "schema": version}
    if shape is not None:
        from specweave.files.shapes import check_shape

        check_shape(record, shape, path, hint)
    return dict(record)


def sha256_file(path: Path) -> str:
    """Return the hex SHA-256 of a file's bytes."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise StorageError("no such file", where=path) from error
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", where=path) from error


def digest(value: Any) -> str:
    """Return a short, stable hash of any plain value."""
    text = value if isinstance(value, str) else json.dumps(plain(value), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def spec_error_from(path: Path, line: int, what: str, hint: str | None = None) -> SpecError:
    """Make a SpecError that points at one line of a document."""
    return SpecError(what, where=f"{path}:{line}", hint=hint)
