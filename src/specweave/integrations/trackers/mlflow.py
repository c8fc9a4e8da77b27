"""MLflow: a run for every experiment, nested ones for its folds, a model that ``mlflow`` can load.

Reads: experiments' folders, the tracking server. Writes: the tracking store; by default ``mlflow.db`` and
``mlartifacts/`` in the increment. Never: writes a run twice.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import socket
import tempfile
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from specweave.errors import IntegrationError
from specweave.experiments.record import ExperimentRecord
from specweave.increments.project import Increment
from specweave.integrations.trackers.base import (
    Sent,
    Tail,
    Value,
    check_installed,
    check_options,
    files_of,
    has_ended,
    key_of,
    model_file,
    param_text,
    state_of,
)
from specweave.integrations.tracking_settings import Settings

STORE, ARTIFACTS = "mlflow.db", "mlartifacts"
ID, STARTED, STATE, POSITION, FOLD = (
    f"specweave.{name}" for name in ("id", "started", "state", "position", "fold")
)
_STATUS = {"completed": "FINISHED", "failed": "FAILED", "interrupted": "KILLED", "running": "RUNNING"}
# Characters that MLflow refuses in names, where a word says the same.
_WORDS = {"@": "_at_", "=": "_eq_", ">": "_gt_", "<": "_lt_", "%": "_pct_", "+": "_plus_", "²": "2"}
_BATCH, _PARAMS_BATCH = 1000, 100
_LONGEST_NAME, _LONGEST_TAG = 250, 5000
_INT64 = 2**63 - 1


def store_uri(settings: Settings) -> str:
    """Return where the copies go: the setting ``uri``, ``$MLFLOW_TRACKING_URI``, else the increment's own.

    A store of another increment in the environment is one that `configure_mlflow` pointed at; it does not
    count.
    """
    given = settings.options.get("uri")
    if given:
        return str(given)
    own = f"sqlite:///{quote(str((settings.increment / STORE).absolute()))}"
    environment = os.environ.get("MLFLOW_TRACKING_URI", "")
    return own if not environment or _is_an_increments(environment) else environment


def _is_an_increments(uri: str) -> bool:
    return re.search(rf"^sqlite:.*/\.specweave/increments/[^/]+/{re.escape(STORE)}$", uri) is not None


def metric_key(name: str) -> str:
    """Return a name that MLflow takes; readable, and still different for different names.

    Examples
    --------
    >>> metric_key("recall@precision=0.5")
    'recall_at_precision_eq_0.5'
    """
    text = "".join(_WORDS.get(c, c) for c in name)
    safe = re.sub(r"[^\w\-. :/]", "_", text, flags=re.ASCII)
    if posixpath.normpath(safe) != safe or safe.startswith(("/", ".")):
        safe = safe.replace("/", "_").replace(".", "_")
    if safe == text and len(safe) <= _LONGEST_NAME:
        return safe
    return f"{safe[: _LONGEST_NAME - 9]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class MlflowTracker:
    """Sends experiments to an MLflow store or server.

    Parameters
    ----------
    settings : Settings
        Options: ``uri``, ``experiment`` (MLflow's name for the increment), ``files`` and ``models``
        (false leaves them out).
    """

    name = "mlflow"
    live = True

    def __init__(self, settings: Settings) -> None:
        check_installed("mlflow", "mlflow")
        check_options(settings, ("uri", "experiment", "files", "models"))
        self._settings = settings
        self._uri = store_uri(settings)
        self._tails: dict[str, Tail] = {}
        self._ids: dict[str, str] = {}
        self._params: dict[str, dict[str, str]] = {}
        self._files: dict[str, dict[str, tuple[int, int]]] = {}

    @staticmethod
    def point_client(settings: Settings) -> None:
        """Let ``mlflow`` calls of this process go where the copies are, unless it was told otherwise."""
        import mlflow

        if not mlflow.is_tracking_uri_set() or _is_an_increments(mlflow.get_tracking_uri()):
            mlflow.set_tracking_uri(store_uri(settings))

    @cached_property
    def _client(self) -> Any:
        _check_reachable(self._uri)
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self._uri)

    @cached_property
    def _experiment(self) -> str:
        from mlflow.exceptions import MlflowException

        name = str(self._settings.options.get("experiment") or self._settings.increment.name)
        found = self._client.get_experiment_by_name(name)
        if found is None:
            # A server knows where artifacts belong; a database of our own needs a place beside it.
            own = self._uri.startswith("sqlite:") and _is_an_increments(self._uri)
            place = (self._settings.increment / ARTIFACTS).absolute().as_uri() if own else None
            try:
                return str(self._client.create_experiment(name, artifact_location=place))
            except MlflowException:
                found = self._client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage != "active":
            raise IntegrationError(
                f"the MLflow experiment '{name}' was deleted",
                where=self._uri,
                hint="restore it there, or set another name: tracking: {mlflow: {experiment: NAME}}",
            )
        return str(found.experiment_id)

    @cached_property
    def _known(self) -> dict[str, Any]:
        """What the store has of this increment: key of the run -> MLflow's run."""
        found: dict[str, Any] = {}
        token = None
        while True:
            page = self._client.search_runs([self._experiment], max_results=1000, page_token=token)
            for run in page:
                tags = run.data.tags
                if ID in tags and FOLD not in tags:
                    found[f"{tags[ID]}@{tags.get(STARTED, '')}"] = run
            token = page.token
            if not token:
                return found

    def is_complete(self, record: ExperimentRecord) -> bool:
        """Return whether the store holds all of an ended run."""
        run = self._known.get(key_of(record))
        return run is not None and run.data.tags.get(STATE) == state_of(record)

    def send(self, record: ExperimentRecord, *, whole: bool) -> Sent:
        """Send what is new of a run; see `specweave.integrations.trackers.base.Tracker.send`."""
        run_id = self._ids.get(key_of(record)) or self._find_or_create(record)
        notes: list[str] = []
        self._send_params(run_id, record)
        points = self._send_points(run_id, record)
        files = self._send_files(run_id, record, notes) if whole else 0
        if has_ended(record):
            self._send_folds(run_id, record)
            self._tag(run_id, {STATE: state_of(record)})
            self._client.set_terminated(
                run_id, _STATUS[record.status], end_time=_ms(record.ended or record.started)
            )
        return Sent(run_id, points, files, notes)

    def close(self) -> None:
        """Forget everything; nothing waits to be sent."""

    # -- the run ---------------------------------------------------------------------------------

    def _find_or_create(self, record: ExperimentRecord) -> str:
        key = key_of(record)
        # Names of folders hold no quotes, so they cannot break out of the query.
        query = f"tags.`{ID}` = '{record.id}' and tags.`{STARTED}` = '{record.started or ''}'"
        runs = [r for r in self._client.search_runs([self._experiment], query) if FOLD not in r.data.tags]
        if runs:
            run = runs[0]
            position = int(run.data.tags.get(POSITION, 0))
            self._params[key] = dict(run.data.params)
            if run.info.status != "RUNNING" and record.status == "running":
                self._client.update_run(run.info.run_id, status="RUNNING")
        else:
            run = self._client.create_run(
                self._experiment,
                start_time=_ms(record.started),
                tags=_tags(record),
                run_name=record.id,
            )
            position = 0
            self._params[key] = {}
        self._tails[key] = Tail(record.folder, position)
        self._ids[key] = str(run.info.run_id)
        return self._ids[key]

    def _tag(self, run_id: str, tags: dict[str, str]) -> None:
        from mlflow.entities import RunTag

        entries = [RunTag(k, v[:_LONGEST_TAG]) for k, v in tags.items()]
        for start in range(0, len(entries), _PARAMS_BATCH):
            self._client.log_batch(run_id, tags=entries[start : start + _PARAMS_BATCH])

    def _send_params(self, run_id: str, record: ExperimentRecord) -> None:
        from mlflow.entities import Param
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

        sent = self._params[key_of(record)]
        texts = {metric_key(n): param_text(n, v, MAX_PARAM_VAL_LENGTH) for n, v in record.params.items()}
        new = [Param(name, text) for name, text in texts.items() if name not in sent]
        for start in range(0, len(new), _PARAMS_BATCH):
            self._client.log_batch(run_id, params=new[start : start + _PARAMS_BATCH])
        # MLflow never changes a param; the later value stands beside it.
        changed = {f"changed.{n}": t for n, t in texts.items() if n in sent and sent[n] != t}
        if changed:
            self._tag(run_id, changed)
        sent.update({p.key: p.value for p in new})

    def _send_points(self, run_id: str, record: ExperimentRecord) -> int:
        from mlflow.entities import RunTag

        tail = self._tails[key_of(record)]
        batch: list[Any] = []
        sent = 0
        before = tail.position
        for values in tail.read():
            if len(batch) + len(values) > _BATCH:
                sent += self._send_batch(run_id, batch)
                batch = []
            batch += [_metric(value) for value in values]
        sent += self._send_batch(run_id, batch)
        if tail.position != before:
            self._client.log_batch(run_id, tags=[RunTag(POSITION, str(tail.position))])
        return sent

    def _send_batch(self, run_id: str, batch: list[Any]) -> int:
        # MLflow drops a point that it has already, so a batch that broke off may be sent again.
        for start in range(0, len(batch), _BATCH):
            self._client.log_batch(run_id, metrics=batch[start : start + _BATCH])
        return len(batch)

    # -- files, model, folds ---------------------------------------------------------------------

    def _send_files(self, run_id: str, record: ExperimentRecord, notes: list[str]) -> int:
        known = self._files.setdefault(key_of(record), {})
        sent = 0
        for name, path in files_of(record) if self._settings.options.get("files", True) else []:
            if known.get(name) != (stamp := _stamp(path)):
                self._client.log_artifact(run_id, str(path), posixpath.dirname(name) or None)
                known[name] = stamp
                sent += 1
        model = model_file(record) if self._settings.options.get("models", True) else None
        if model is not None and known.get("model/") != (stamp := _stamp(model)):
            sent += self._send_model(run_id, record, model, notes)
            known["model/"] = stamp
        self._tag(run_id, {**_tags(record), "mlflow.note.content": record.load_notes()})
        return sent

    def _send_model(self, run_id: str, record: ExperimentRecord, path: Path, notes: list[str]) -> int:
        from specweave.integrations.trackers.mlflow_model import save_mlflow_model

        with tempfile.TemporaryDirectory(prefix="specweave-model-") as temporary:
            folder = Path(temporary) / "model"
            problem = save_mlflow_model(path, folder, Increment(self._settings.increment), run_id)
            if problem:
                notes.append(f"{record.id}: {path.name} is there as a file only: {problem}")
                return 0
            files = sorted(p for p in folder.rglob("*") if p.is_file())
            for file in files:
                inside = posixpath.join("model", file.parent.relative_to(folder).as_posix())
                self._client.log_artifact(run_id, str(file), posixpath.normpath(inside))
        return len(files)

    def _send_folds(self, run_id: str, record: ExperimentRecord) -> None:
        """Write one nested run per fold, for those who look at folds in MLflow's table."""
        folds = fold_values(record)
        if not folds:
            return
        filter_string = f"tags.`mlflow.parentRunId` = '{run_id}'"
        there = {
            r.data.tags.get(FOLD): r.info.run_id
            for r in self._client.search_runs([self._experiment], filter_string)
        }
        for fold, values in folds.items():
            child = there.get(str(fold))
            if child is None:
                tags = {"mlflow.parentRunId": run_id, FOLD: str(fold), ID: record.id}
                child = self._client.create_run(
                    self._experiment,
                    start_time=_ms(record.started),
                    tags=tags,
                    run_name=f"{record.id} fold {fold}",
                ).info.run_id
            self._send_batch(child, [_metric(value) for value in values])
            self._client.set_terminated(child, "FINISHED", end_time=_ms(record.ended or record.started))


def fold_values(record: ExperimentRecord) -> dict[int, list[Value]]:
    """Return the metrics of each fold of a cross-validated run, folds counted as the run counted them."""
    folds: dict[int, list[Value]] = {}
    for values in Tail(record.folder).read():
        for value in values:
            name = value.name.removeprefix("fold_")
            if (
                f"cv_{name}" in record.metrics and (name != value.name or _is_per_fold(record))
            ) or value.name == "fold_train_seconds":
                folds.setdefault(value.step, []).append(Value(name, value.value, 0, value.time))
    return folds


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def _is_per_fold(record: ExperimentRecord) -> bool:
    return record.tags.get("role") in ("baseline", "candidate", "tuned")


def _metric(value: Value) -> Any:
    from mlflow.entities import Metric

    step = max(-_INT64, min(_INT64, value.step))
    return Metric(metric_key(value.name), float(value.value), int(value.time * 1000), step)


def _tags(record: ExperimentRecord) -> dict[str, str]:
    git = record.git or {}
    known = {
        ID: record.id,
        STARTED: record.started or "",
        "specweave.increment": record.increment or "",
        "specweave.task": record.task or "",
        "specweave.seed": "" if record.seed is None else str(record.seed),
        "specweave.data_sha256": record.data_sha256 or "",
        "specweave.error": record.error,
        "mlflow.source.git.commit": str(git.get("commit") or ""),
        "mlflow.source.name": record.task or record.increment or record.id,
    }
    own = {metric_key(name): value for name, value in record.tags.items()}
    return {name: value for name, value in {**own, **known}.items() if value or name in own}


def _ms(moment: str | None) -> int | None:
    return None if moment is None else int(datetime.fromisoformat(moment).timestamp() * 1000)


def _check_reachable(uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=3).close()
    except OSError as error:
        raise IntegrationError(
            f"no MLflow server answers: {error.strerror or error}",
            where=f"{parts.scheme}://{parts.hostname}:{port}",
            hint=f"start it: mlflow server --port {port}",
        ) from error
