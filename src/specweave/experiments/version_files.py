"""The files behind model versions: claiming a number, copying a model in, loading one that is vouched for.

Reads and writes: a ``models/`` folder. Never: unpickles a file whose hash is not the recorded one, gives a
version number twice.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import msgspec

from specweave.errors import CorruptFileError, DataError, StateError, StorageError
from specweave.experiments.artifacts import copy_in
from specweave.experiments.pickled_packages import needed_packages, pickle_modules
from specweave.experiments.provenance import git_state, python_version
from specweave.files.atomic import storage_errors, write_bytes, write_text
from specweave.files.store import load_record, plain, render_json, sha256_file
from specweave.records import Metric

KIND = "model-version"
SCHEMA = 1
STATUSES = ("candidate", "production", "retired")
_METADATA = re.compile(r"^model-v(\d+)\.metadata\.json$")


class VersionShape(TypedDict):
    """``model-vN.metadata.json``."""

    version: str
    file: str
    sha256: str
    experiment: str
    algorithm: str
    created: NotRequired[str]
    status: NotRequired[str]
    bytes: NotRequired[int]
    metrics: NotRequired[dict[str, dict[str, Any]]]
    params: NotRequired[dict[str, Any]]
    decision: NotRequired[dict[str, Any] | None]
    packages: NotRequired[dict[str, str]]
    input_schema: NotRequired[dict[str, Any] | None]
    promotions: NotRequired[list[dict[str, Any]]]


class ModelVersion(msgspec.Struct, frozen=True):
    """One registered model.

    Attributes
    ----------
    number : int
    version : str
        ``0042-v3``.
    path : Path
        The model's file.
    metadata : dict
        Everything of ``model-vN.metadata.json``.
    """

    number: int
    version: str
    path: Path
    metadata: dict[str, Any]

    @property
    def sha256(self) -> str:
        """The recorded hash of the model's file."""
        return str(self.metadata["sha256"])

    @property
    def status(self) -> str:
        """``candidate``, ``production`` or ``retired``."""
        return str(self.metadata.get("status", "candidate"))

    @property
    def decision(self) -> dict[str, Any]:
        """What turns the model's predictions into decisions (a threshold ...)."""
        return dict(self.metadata.get("decision") or {})


def register(models: Path, source: Path | bytes, *, prefix: str, metadata: Mapping[str, Any]) -> ModelVersion:
    """Copy a model file to the next ``model-vN`` and write its metadata.

    Parameters
    ----------
    models : Path
        The increment's ``models/`` folder.
    source : Path or bytes
        The trained model's file, whose ending is kept; or a pickle.
    prefix : str
        Number of the increment, ``0042``.
    metadata : mapping
        Whatever is to be known of it; ``version``, ``file``, ``sha256`` and ``bytes`` are filled in,
        ``git``, ``python`` and ``packages`` where missing.

    Raises
    ------
    StorageError
        If the source is missing or the folder cannot be written.
    """
    if isinstance(source, Path) and not source.is_file():
        raise StorageError("no such model file", where=source)
    with storage_errors(models):
        models.mkdir(parents=True, exist_ok=True)
    data = source.read_bytes() if isinstance(source, Path) else source
    known = _find_same(models, data, metadata)
    if known is not None:
        return known
    number, claim = _claim(models)
    ending = "".join(source.suffixes[-1:]) if isinstance(source, Path) else ".pkl"
    target = models / f"model-v{number}{ending}"
    git = git_state(models)
    try:
        copy_in(source, target) if isinstance(source, Path) else write_bytes(target, source)
        body = {
            "git": None if git is None else git.to_record(),
            "python": python_version(),
            "packages": needed_packages(pickle_modules(data)),
            "status": "candidate",
            **plain(dict(metadata)),
            "kind": KIND,
            "schema": SCHEMA,
            "version": f"{prefix}-v{number}",
            "file": target.name,
            "sha256": sha256_file(target),
            "bytes": target.stat().st_size,
        }
        write_text(claim, render_json(body))
    except BaseException:
        # An empty claim would keep the number for nothing.
        claim.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise
    return ModelVersion(number, body["version"], target, body)


def load_model(path: Path, *, trust: bool = False) -> Any:
    """Unpickle a registered model after checking its hash.

    Parameters
    ----------
    path : Path
        ``models/model-vN.pkl``.
    trust : bool
        Load it although no matching metadata vouches for it. A pickle can run any code.

    Raises
    ------
    CorruptFileError
        If the file is not the one that was registered.
    StateError
        If nothing vouches for it and `trust` is not set.
    """
    record = path.with_name(f"{path.stem}.metadata.json")
    if not trust:
        if not record.exists():
            raise StateError(
                "no metadata vouches for this model file, and a pickle can run any code",
                where=short_name(path),
                hint="load it with trust=True only if you know who made it",
            )
        body = load_record(record, KIND, SCHEMA, shape=VersionShape)
        check_bytes(ModelVersion(0, str(body.get("version")), path, body))
    return unpickle(path)


def unpickle(path: Path) -> Any:
    """Unpickle a file whose bytes the caller has vouched for.

    Raises
    ------
    StorageError
        If it cannot be read.
    CorruptFileError
        If it cannot be unpickled; says what is missing.
    """
    try:
        with path.open("rb") as stream:
            return pickle.load(stream)
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", where=path) from error
    except Exception as error:  # unpickling runs foreign code, which may raise anything
        raise CorruptFileError(
            f"the model cannot be loaded: {type(error).__name__}: {error}",
            where=path,
            hint="install the packages named in its metadata",
        ) from error


def check_bytes(version: ModelVersion) -> None:
    """Raise where a version's file is missing or not the one that was registered."""
    if not version.path.is_file():
        raise StorageError(
            "the model file is missing",
            where=short_name(version.path),
            hint="restore it from git or DVC, or train it again with: sw do --from T-004",
        )
    if version.metadata.get("sha256") != sha256_file(version.path):
        raise CorruptFileError(
            "the model file is not the one that was registered (its sha256 differs)",
            where=short_name(version.path),
            hint="restore it from git or DVC; only if you know who changed it, load it with trust=True",
        )


def _claim(models: Path) -> tuple[int, Path]:
    """Take the next free number by making its metadata file, empty for now."""
    number = max(_numbers(models), default=0) + 1
    with storage_errors(models):
        while True:
            claim = metadata_path(models, number)
            try:
                os.close(os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
                return number, claim
            except FileExistsError:
                number += 1


def _find_same(models: Path, data: bytes, metadata: Mapping[str, Any]) -> ModelVersion | None:
    digest = hashlib.sha256(data).hexdigest()
    decision = plain(dict(metadata.get("decision") or {}))
    for number in reversed(written_numbers(models)):
        version = load_version(models, number)
        same = version.metadata.get("sha256") == digest and version.decision == decision
        if same and version.path.is_file():
            return version
    return None


def metric_table(metrics: Sequence[Metric] | Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics by name as ``{"value", "low", "high", ...}``."""
    if isinstance(metrics, Mapping):
        return {str(k): v if isinstance(v, Mapping) else {"value": v} for k, v in metrics.items()}
    table: dict[str, Any] = {}
    for metric in metrics:
        if not isinstance(metric, Metric):
            raise DataError(f"a metric is expected, not {type(metric).__name__}")
        fields = {f: getattr(metric, f) for f in ("value", "low", "high", "level", "n", "method", "unit")}
        table[metric.name] = {k: v for k, v in fields.items() if v not in (None, "")}
    return table


def short_name(path: Path) -> str:
    """Name a file or folder of an increment without the machine's folders."""
    parts = path.absolute().parts
    return "/".join(parts[-3:]) if path.suffix else "/".join(parts[-2:])


def metadata_path(models: Path, number: int) -> Path:
    """Return the path of a version's metadata."""
    return models / f"model-v{number}.metadata.json"


def _numbers(models: Path) -> list[int]:
    if not models.is_dir():
        return []
    return sorted(int(m[1]) for name in os.listdir(models) if (m := _METADATA.match(name)))


def written_numbers(models: Path) -> list[int]:
    """Return the numbers of the finished versions, oldest first."""
    # An empty file is the claim of one who is still copying, or was killed while doing so.
    return [n for n in _numbers(models) if metadata_path(models, n).stat().st_size]


def load_version(models: Path, number: int) -> ModelVersion:
    """Read one version's metadata."""
    body = load_record(metadata_path(models, number), KIND, SCHEMA, shape=VersionShape)
    return ModelVersion(number, str(body.get("version")), models / str(body.get("file")), body)
