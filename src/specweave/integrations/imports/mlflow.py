"""MLflow runs as experiments: from a database, a server, or an old ``mlruns`` folder.

Reads: an MLflow store. Writes: experiments. Never: changes the store; brings back what was mirrored from here.
"""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from specweave.errors import DataError, IntegrationError, MissingExtraError, StorageError
from specweave.experiments.store import ExperimentStore
from specweave.integrations.imports.base import ForeignRun, ImportReport, LogLine, import_runs, known_keys

_STATUS = {"FINISHED": "completed", "FAILED": "failed", "KILLED": "interrupted", "RUNNING": "interrupted",
           "SCHEDULED": "interrupted"}  # fmt: skip
_MIRRORED = "specweave.id"


def import_mlflow(
    uri: str, store: ExperimentStore, *, experiment: str | None = None, files: bool = True
) -> ImportReport:
    """Bring the runs of an MLflow store in.

    Parameters
    ----------
    uri : str
        ``sqlite:///mlflow.db``, ``http://host:port``, or the path of a database file or ``mlruns`` folder.
    store : ExperimentStore
    experiment : str, optional
        One of MLflow's experiments, by name; all of them where not given.
    files : bool
        Whether artifacts are copied too.

    Returns
    -------
    ImportReport

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    StorageError
        If there is no such file or folder.
    DataError
        If the store has no such experiment.
    IntegrationError
        If the store cannot be read.
    """
    from importlib.util import find_spec

    if find_spec("mlflow") is None:
        raise MissingExtraError.for_package("mlflow", "mlflow", "importing from MLflow")
    place = _place(uri)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if place.startswith("file:"):
        # MLflow reads such folders only when it is told that this is meant.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        client = MlflowClient(tracking_uri=place)
        with tempfile.TemporaryDirectory(prefix="specweave-import-") as folder:
            known = known_keys(store)
            return import_runs(store, _runs(client, experiment, Path(folder) if files else None, known))
    except (MlflowException, OSError) as error:
        if isinstance(error, StorageError):
            raise
        first = str(error).strip().splitlines()[:1]
        raise IntegrationError(
            f"MLflow cannot read this store: {first[0] if first else type(error).__name__}",
            where=uri,
            hint="check that it opens with: mlflow ui --backend-store-uri " + uri,
        ) from error


def _place(uri: str) -> str:
    scheme = urlsplit(uri).scheme
    if scheme in ("http", "https"):
        _check_answers(uri)
        return uri
    if scheme and len(scheme) > 1 and scheme not in ("file", "sqlite"):
        return uri
    text = uri.removeprefix("sqlite:///").removeprefix("file://")
    path = Path(text).expanduser()
    if not path.exists():
        raise StorageError(
            "no such MLflow store",
            where=uri,
            hint="give sqlite:///FILE, http://HOST:PORT or an mlruns folder",
        )
    if path.is_dir():
        return path.resolve().as_uri()
    if path.read_bytes()[:15] != b"SQLite format 3":
        raise DataError(
            "not an SQLite database", where=uri, hint="give the file that MLflow wrote, mlflow.db"
        )
    return f"sqlite:///{path.resolve()}"


def _check_answers(uri: str) -> None:
    parts = urlsplit(uri)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), timeout=5).close()
    except (OSError, ValueError) as error:
        raise IntegrationError(
            f"no server answers: {error}", where=uri, hint="start it: mlflow server"
        ) from error


def _runs(
    client: Any, experiment: str | None, folder: Path | None, known: dict[str, str]
) -> Iterator[ForeignRun]:
    experiments = {e.experiment_id: e.name for e in _pages(client.search_experiments)}
    chosen = [i for i, name in experiments.items() if experiment is None or name == experiment]
    if not chosen:
        listed = ", ".join(sorted(experiments.values())) or "none"
        raise DataError(f"no MLflow experiment is called '{experiment}'", hint=f"the store has: {listed}")
    for run in sorted(
        _pages(client.search_runs, experiment_ids=chosen),
        key=lambda r: (r.info.start_time or 0, r.info.run_id),
    ):
        if _MIRRORED in run.data.tags:
            continue
        key = f"mlflow:{run.info.run_id}"
        if key in known:
            yield ForeignRun(key=key, name="")
            continue
        yield _foreign(client, run, experiments[run.info.experiment_id], folder)


def _pages(call: Any, **options: Any) -> Iterator[Any]:
    token = None
    while True:
        page = call(**options, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _foreign(client: Any, run: Any, experiment: str, folder: Path | None) -> ForeignRun:
    info, data = run.info, run.data
    tags = {k: v for k, v in data.tags.items() if not k.startswith("mlflow.")}
    tags["mlflow_experiment"] = experiment
    if "mlflow.parentRunId" in data.tags:
        tags["parent"] = f"mlflow:{data.tags['mlflow.parentRunId']}"
    notes = [data.tags["mlflow.note.content"]] if data.tags.get("mlflow.note.content") else []
    return ForeignRun(
        key=f"mlflow:{info.run_id}",
        name=info.run_name or experiment,
        status=_STATUS.get(info.status, "interrupted"),
        started=None if not info.start_time else info.start_time / 1000,
        ended=None if not info.end_time else info.end_time / 1000,
        params=dict(data.params),
        tags=tags,
        lines=_history(client, info.run_id, data.metrics),
        artifacts=_artifacts(client, info.run_id, folder, notes),
        commit=data.tags.get("mlflow.source.git.commit", ""),
        notes=notes,
    )


def _history(client: Any, run_id: str, metrics: dict[str, float]) -> list[LogLine]:
    points = [
        (point.timestamp / 1000, point.step, name, point.value)
        for name in metrics
        for point in client.get_metric_history(run_id, name)
    ]
    # MLflow hands each metric's points over in no promised order.
    points.sort(key=lambda p: (p[0], p[1]))
    return [LogLine(moment, step, {name: value}) for moment, step, name, value in points]


def _artifacts(client: Any, run_id: str, folder: Path | None, notes: list[str]) -> dict[str, Path]:
    if folder is None:
        return {}
    target = folder / run_id
    target.mkdir()
    try:
        for entry in client.list_artifacts(run_id):
            client.download_artifacts(run_id, entry.path, str(target))
    except Exception as error:  # stores of artifacts are of many makers, and may be gone
        notes.append(f"the artifacts were not brought: {type(error).__name__}: {error}")
    return {p.relative_to(target).as_posix(): p for p in sorted(target.rglob("*")) if p.is_file()}
