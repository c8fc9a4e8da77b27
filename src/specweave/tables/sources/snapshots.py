"""Snapshots: what a data source gave, kept as one file, so that every run reads the same bytes.

Reads and writes: ``.specweave/cache/data/``. Never: puts half a snapshot in the place of a whole one.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave.errors import CorruptFileError, DataError, SpecweaveError
from specweave.files.atomic import storage_errors
from specweave.files.store import digest, load_record, save_record, sha256_file
from specweave.tables.sources.base import DataSource, find_source

KIND, SCHEMA = "data-snapshot", 1


@dataclass(frozen=True)
class Snapshot:
    """A source as it was when it was last fetched.

    Attributes
    ----------
    file : Path
    sha256 : str
        Of that file.
    stamp : str
        Of the source at that time; empty for one that is not followed.
    fetched : str
        ISO 8601, UTC.
    """

    file: Path
    sha256: str
    stamp: str
    fetched: str


def take_snapshot(root: Path, text: str, where: str, *, refresh: bool = False) -> Snapshot:
    """Return the snapshot of a source; fetch it where there is none, or where a followed source has changed.

    Parameters
    ----------
    root : Path
        The project's root.
    text : str
        An address that :func:`find_source` knows.
    where : str
        File and line of the address, for messages.
    refresh : bool
        Fetch in any case.

    Raises
    ------
    DataError, IntegrationError, MissingExtraError
    """
    source = find_source(text)
    if source is None:
        raise DataError(f"'{text}' is no address of data", where=where)
    stamp = source.stamp(text, root, where)
    known = find_snapshot(root, text)
    if known is not None and not refresh and (not source.follows or known.stamp == stamp):
        return known
    return _fetch(source, root, text, stamp, where)


def find_snapshot(root: Path, text: str) -> Snapshot | None:
    """Return the snapshot that is there, whether or not it is up to date."""
    folder = folder_of(root, text)
    try:
        body: dict[str, Any] = load_record(folder / "snapshot.json", KIND, SCHEMA)
        found = Snapshot(
            folder / str(body["file"]), str(body["sha256"]), str(body["stamp"]), str(body["fetched"])
        )
    except (OSError, KeyError, CorruptFileError):
        return None  # disposable: a damaged one is fetched anew
    return found if found.file.is_file() else None


def snapshot_fingerprint(root: Path, text: str) -> str:
    """Return the hash that stands for a source in a task's inputs; never goes over the network."""
    source = find_source(text)
    known = find_snapshot(root, text)
    if source is None or not source.follows:
        return known.sha256 if known else "not fetched"
    try:
        return take_snapshot(root, text, "").sha256
    except SpecweaveError as error:
        return f"missing: {error.what}"


def folder_of(root: Path, text: str) -> Path:
    """Return the folder of a source's snapshot."""
    return root / ".specweave" / "cache" / "data" / digest(text)


def _fetch(source: DataSource, root: Path, text: str, stamp: str, where: str) -> Snapshot:
    folder = folder_of(root, text)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix="fetch-", dir=folder))
    try:
        fetched = source.fetch(text, root, scratch, where)
        sha = sha256_file(fetched)
        ending = "".join(fetched.suffixes[-2:]) if fetched.suffix == ".gz" else fetched.suffix
        kept = folder / f"{sha[:16]}{ending}"
        with storage_errors(kept):
            fetched.replace(kept)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        body = {
            "source": source.shown(text),
            "file": kept.name,
            "sha256": sha,
            "stamp": stamp,
            "fetched": now,
        }
        save_record(folder / "snapshot.json", KIND, SCHEMA, body)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    for old in folder.iterdir():
        if old.is_file() and old.name not in (kept.name, "snapshot.json"):
            old.unlink(missing_ok=True)
    return Snapshot(kept, sha, stamp, now)
