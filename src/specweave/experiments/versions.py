"""Model versions of an increment: ``models/model-vN.pkl`` and what must be known to trust it.

Reads and writes: the increment's ``models/`` folder. Never: unpickles a file whose hash is not the
recorded one, gives a version number twice.
"""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from specweave.errors import CorruptFileError, StateError, StorageError, UnknownNameError, did_you_mean
from specweave.experiments.artifacts import copy_in
from specweave.files.atomic import storage_errors, write_text
from specweave.files.store import load_record, plain, render_json, sha256_file

if TYPE_CHECKING:
    from specweave.experiments.run import Run

KIND = "model-version"
SCHEMA = 1
_METADATA = re.compile(r"^model-v(\d+)\.metadata\.json$")


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


def list_versions(models: Path) -> list[ModelVersion]:
    """Return the versions of a ``models/`` folder, oldest first."""
    return [_load(models, number) for number in _written(models)]


def get_version(models: Path, number: int | str | None = None) -> ModelVersion:
    """Return one version (``3``, ``"v3"``, ``"0042-v3"``), the newest where none is named.

    Raises
    ------
    StateError
        If no model is registered yet.
    UnknownNameError
        If there is no such version.
    """
    numbers = _written(models)
    if not numbers:
        raise StateError("no model is registered yet", where=models.name, hint="run: sw do")
    if number is None:
        return _load(models, numbers[-1])
    asked = str(number).rpartition("v")[2]
    if not asked.isdigit() or int(asked) not in numbers:
        known = [f"v{n}" for n in numbers]
        raise UnknownNameError(f"no model version '{number}'", hint=did_you_mean(str(number), known))
    return _load(models, int(asked))


def register(models: Path, source: Path, *, prefix: str, metadata: Mapping[str, Any]) -> ModelVersion:
    """Copy a model file to the next ``model-vN`` and write its metadata.

    Parameters
    ----------
    models : Path
        The increment's ``models/`` folder.
    source : Path
        The trained model's file; its ending is kept.
    prefix : str
        Number of the increment, ``0042``.
    metadata : mapping
        Whatever is to be known of it; ``version``, ``file``, ``sha256`` and ``bytes`` are filled in.

    Raises
    ------
    StorageError
        If the source is missing or the folder cannot be written.
    """
    if not source.is_file():
        raise StorageError("no such model file", where=source)
    number = (_numbers(models) or [0])[-1] + 1
    with storage_errors(models):
        models.mkdir(parents=True, exist_ok=True)
        while True:
            claim = models / f"model-v{number}.metadata.json"
            try:
                os.close(os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
                break
            except FileExistsError:
                number += 1
    target = models / f"model-v{number}{''.join(source.suffixes[-1:])}"
    try:
        copy_in(source, target)
        body = {
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
        # An empty claim would read as a corrupt version for ever.
        claim.unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        raise
    return ModelVersion(number, body["version"], target, body)


def register_from_run(run: Run, artifact: str, *, algorithm: str, details: Mapping[str, Any]) -> ModelVersion:
    """Register an artifact of an open run as the next version of its increment."""
    header = run.header()
    models = run.folder.parent.parent / "models"
    prefix = (run.increment or models.parent.name).partition("-")[0]
    metadata = {
        "experiment": run.id,
        "algorithm": algorithm,
        "params": run.params,
        "metrics": run.metrics,
        "seed": header.seed,
        "data_sha256": header.data_sha256,
        "git": header.git,
        "python": header.python,
        "packages": _packages(run.folder / "requirements.txt"),
        **details,
    }
    return register(models, run.folder / artifact, prefix=prefix, metadata=metadata)


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
                where=path,
                hint="load it with trust=True only if you know who made it",
            )
        if load_record(record, KIND, SCHEMA).get("sha256") != sha256_file(path):
            raise CorruptFileError(
                "the model file is not the one that was registered (its sha256 differs)",
                where=path,
                hint="restore it from git or DVC, or train it again with: sw do --from T-004",
            )
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


def _packages(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return {name: version for name, eq, version in (line.partition("==") for line in lines) if eq}


def _numbers(models: Path) -> list[int]:
    if not models.is_dir():
        return []
    return sorted(int(m[1]) for name in os.listdir(models) if (m := _METADATA.match(name)))


def _written(models: Path) -> list[int]:
    # An empty file is the claim of one who is still copying, or was killed while doing so.
    return [n for n in _numbers(models) if (models / f"model-v{n}.metadata.json").stat().st_size]


def _load(models: Path, number: int) -> ModelVersion:
    body = load_record(models / f"model-v{number}.metadata.json", KIND, SCHEMA)
    return ModelVersion(number, str(body.get("version")), models / str(body.get("file")), body)
