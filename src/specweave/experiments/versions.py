"""Model versions of an increment: register, look up, promote, roll back, verify, load.

Reads and writes: the increment's ``models/`` folder. Never: loads a model that its metadata does not vouch
for, unless told to trust it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specweave.errors import StateError, StorageError, UnknownNameError, did_you_mean
from specweave.experiments.artifacts import pickled
from specweave.experiments.pickled_packages import needed_packages, pickle_modules
from specweave.experiments.version_files import (
    ModelVersion,
    check_bytes,
    load_model,
    load_version,
    metadata_path,
    metric_table,
    register,
    short_name,
    written_numbers,
)
from specweave.files.atomic import write_text
from specweave.files.store import render_json
from specweave.records import Finding, Metric

if TYPE_CHECKING:
    from specweave.experiments.run import Run

__all__ = [
    "ModelVersion",
    "ModelVersions",
    "get_version",
    "list_versions",
    "load_model",
    "register",
    "register_from_run",
]


class ModelVersions:
    """The registered models of one increment.

    Parameters
    ----------
    folder : Path
        The increment's ``models/`` folder; made on the first `save`.
    clock : callable, optional
        Seconds since 1970.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.folder = Path(folder)
        self._clock = clock

    # -- reading ---------------------------------------------------------------------------------

    def list(self) -> Sequence[ModelVersion]:
        """Return all versions, oldest first."""
        return [load_version(self.folder, number) for number in written_numbers(self.folder)]

    def latest(self) -> ModelVersion:
        """Return the newest version.

        Raises
        ------
        StateError
            If no model is registered yet.
        """
        return self.get(None)

    def get(self, version: int | str | None) -> ModelVersion:
        """Return one version: ``3``, ``"v3"``, ``"0042-v3"``, ``"production"``; the newest for None.

        Raises
        ------
        StateError
            If no model is registered yet, or none is in production.
        UnknownNameError
            If there is no such version.
        """
        numbers = written_numbers(self.folder)
        if not numbers:
            raise StateError("no model is registered yet", where=short_name(self.folder), hint="run: sw do")
        if version is None:
            return load_version(self.folder, numbers[-1])
        if version == "production":
            found = self.find_production()
            if found is None:
                raise StateError(
                    "no version is in production",
                    where=short_name(self.folder),
                    hint="run: sw model promote v1",
                )
            return found
        known = [load_version(self.folder, n) for n in numbers]
        asked = str(version).removesuffix(".pkl").removeprefix("model-")
        for one in known:
            if asked in (one.version, f"v{one.number}", str(one.number)):
                return one
        raise UnknownNameError(
            f"no model version '{version}'",
            where=short_name(self.folder),
            hint=did_you_mean(asked, [v.version for v in known]),
        )

    def find_production(self) -> ModelVersion | None:
        """Return the version in production, or None; the last one promoted where two claim it."""
        live = [v for v in self.list() if v.status == "production"]
        return max(live, key=lambda v: (_last_promotion(v), v.number), default=None)

    # -- writing ---------------------------------------------------------------------------------

    def save(
        self,
        model: Any,
        *,
        experiment: str,
        algorithm: str,
        params: Mapping[str, Any] | None = None,
        metrics: Sequence[Metric] | Mapping[str, Any] = (),
        decision: Mapping[str, Any] | None = None,
        input_schema: Mapping[str, Any] | None = None,
        train_seconds: float | None = None,
        data_sha256: str | None = None,
        increment: str | None = None,
        **details: Any,
    ) -> ModelVersion:
        """Register a model as the next version.

        The same bytes with the same decision are the same version: it is returned as it stands.

        Parameters
        ----------
        model : Path or object
            A pickle to copy, or the fitted model itself.
        experiment : str
            Id of the experiment it comes from.
        algorithm : str
        params : mapping, optional
        metrics : sequence of Metric, or mapping
            Measured values with their intervals.
        decision : mapping, optional
            The threshold and the like; its ``threshold`` is repeated at the top of the metadata.
        input_schema : mapping, optional
            What a request must look like.
        train_seconds : float, optional
        data_sha256 : str, optional
        increment : str, optional
            Id or number, ``0042``; read off the folder where not given.
        details
            Anything else to keep.

        Raises
        ------
        StorageError
            If the file is missing or the folder cannot be written.
        DataError
            If the object cannot be pickled.
        """
        metadata = {
            "experiment": experiment,
            "algorithm": algorithm,
            "params": params or {},
            "metrics": metric_table(metrics),
            "decision": decision or {},
            "threshold": (decision or {}).get("threshold"),
            "input_schema": input_schema or {},
            "train_seconds": train_seconds,
            "data_sha256": data_sha256,
            "status": "candidate",
            "created": self._now(),
            **details,
        }
        prefix = (increment or self.folder.absolute().parent.name).partition("-")[0]
        if isinstance(model, str | Path):
            return register(self.folder, Path(model), prefix=prefix, metadata=metadata)
        return register(self.folder, pickled(model), prefix=prefix, metadata=metadata)

    def promote(self, version: int | str | None, *, reason: str = "") -> ModelVersion:
        """Put a version into production; the one that was there is retired.

        Raises
        ------
        CorruptFileError
            If its file is not the one that was registered.
        """
        chosen = self.get(version)
        check_bytes(chosen)
        former = self.find_production()
        if former is not None and former.number == chosen.number:
            return former
        promoted = self._mark(chosen, "production", reason, former)
        for other in self.list():
            if other.status == "production" and other.number != chosen.number:
                self._mark(other, "retired", f"replaced by {chosen.version}", None)
        return promoted

    def rollback(self, *, reason: str = "rolled back") -> ModelVersion:
        """Put the version back into production that the present one replaced.

        Raises
        ------
        StateError
            If nothing is in production or nothing was before.
        """
        present = self.get("production")
        replaced = _last_event(present, "production").get("replaced")
        if not replaced:
            raise StateError(
                f"{present.version} is the first version that was promoted: nothing to go back to",
                where=short_name(self.folder),
                hint="run: sw model list",
            )
        return self.promote(replaced, reason=reason)

    def _mark(
        self, version: ModelVersion, status: str, reason: str, former: ModelVersion | None
    ) -> ModelVersion:
        event = {"status": status, "time": self._now()}
        if reason:
            event["reason"] = reason
        if former is not None:
            event["replaced"] = former.version
        history = [*version.metadata.get("history", []), event]
        body = {**version.metadata, "status": status, "history": history}
        write_text(metadata_path(self.folder, version.number), render_json(body))
        return ModelVersion(version.number, version.version, version.path, body)

    def _now(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).isoformat(timespec="seconds")

    # -- trusting --------------------------------------------------------------------------------

    def verify(self, version: int | str | None = None) -> Sequence[Finding]:
        """Return what speaks against loading a version here: changed bytes, other package versions."""
        chosen = self.get(version)
        where = f"models/{chosen.path.name}"
        try:
            check_bytes(chosen)
        except StorageError as error:
            return [
                Finding(
                    code="SW701", severity="error", message=error.what, where=where, advice=error.hint or ""
                )
            ]
        recorded = chosen.metadata.get("packages") or {}
        installed = needed_packages(pickle_modules(chosen.path.read_bytes()))
        differing = {
            name: {"recorded": recorded[name], "installed": here}
            for name, here in installed.items()
            if name in recorded and recorded[name] != here
        }
        if not differing:
            return []
        named = ", ".join(f"{n} {d['recorded']} (here {d['installed']})" for n, d in differing.items())
        return [
            Finding(
                code="SW702",
                severity="warning",
                message=f"trained with other package versions: {named}",
                where=where,
                evidence={"packages": differing},
                advice="install the recorded versions, or run again: sw do --task T-008 --force",
            )
        ]

    def load(self, version: int | str | None = None, *, trust: bool = False) -> Any:
        """Unpickle a version after checking its hash; see :func:`load_model`."""
        return load_model(self.get(version).path, trust=trust)


def list_versions(models: Path) -> list[ModelVersion]:
    """Return the versions of a ``models/`` folder, oldest first."""
    return list(ModelVersions(models).list())


def get_version(models: Path, number: int | str | None = None) -> ModelVersion:
    """Return one version (``3``, ``"v3"``, ``"0042-v3"``), the newest where none is named."""
    return ModelVersions(models).get(number)


def register_from_run(run: Run, artifact: str, *, algorithm: str, details: Mapping[str, Any]) -> ModelVersion:
    """Register an artifact of an open run as the next version of its increment."""
    header = run.header()
    models = run.folder.parent.parent / "models"
    prefix = (run.increment or models.parent.name).partition("-")[0]
    metadata = {
        "experiment": run.id,
        "algorithm": algorithm,
        "params": run.params,
        "metrics": metric_table(run.metrics),
        "seed": header.seed,
        "data_sha256": header.data_sha256,
        "git": header.git,
        "python": header.python,
        "created": header.started,
        **details,
    }
    return register(models, run.folder / artifact, prefix=prefix, metadata=metadata)


def _last_event(version: ModelVersion, status: str) -> dict[str, Any]:
    events = [e for e in version.metadata.get("history", []) if e.get("status") == status]
    return dict(events[-1]) if events else {}


def _last_promotion(version: ModelVersion) -> str:
    return str(_last_event(version, "production").get("time", ""))
