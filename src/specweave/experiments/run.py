"""One experiment while it happens: what it is told is on disk before the call returns.

Reads: files given as artifacts. Writes: its own folder only. Never: stops training for a mirror,
swallows an exception of the training code.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from specweave.errors import DataError, StateError, StorageError
from specweave.experiments.metric_log import MetricLog
from specweave.experiments.record import EXPERIMENT, METRICS, NOTES, PARAMS, STATUSES, Header
from specweave.experiments.shelf import MODEL, REPORT, SAVED, Shelf
from specweave.experiments.values import Number, legal_text, param_value, text_of
from specweave.files.atomic import storage_errors, write_text
from specweave.files.store import render_json

LOGS = "logs"


class RunWatcher(Protocol):
    """Somebody who is told when a run opens and closes (a mirror reads the files from then on)."""

    def run_opened(self, run: Run) -> None:
        """Start to follow `run`; must return at once."""

    def run_closed(self, run: Run) -> None:
        """Finish following `run`."""


class Run:
    """An open experiment; made by `ExperimentStore.create`, used as a context manager.

    Leaving the block marks it ``completed``; an exception marks it ``failed`` with the traceback in
    ``logs/`` and goes on; Ctrl-C marks it ``interrupted``.

    Attributes
    ----------
    folder : Path
    """

    def __init__(
        self,
        folder: Path,
        header: Header,
        *,
        clock: Callable[[], float] = time.time,
        watchers: Sequence[RunWatcher] = (),
        params: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self._header = header
        self._clock = clock
        self._watchers = watchers
        self._began = time.monotonic()
        self._before_s = header.duration_s or 0.0
        self._lock = threading.RLock()
        self._closed = False
        self._params: dict[str, Any] = dict(params or {})
        self._reports: set[str] = set()
        self._shelf = Shelf(folder, header.artifacts, self._save_header)
        self._log = MetricLog(folder, clock, self.log_note, resumed=header.attempts > 1)
        self._save_header()
        self._log_line(f"attempt {header.attempts} started, pid {header.pid} on {header.host}")
        for watcher in watchers:
            self._tell(watcher.run_opened)

    # -- what it is ------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """The folder's name, ``exp-003-xgboost``."""
        return self._header.id

    @property
    def name(self) -> str:
        """The slug, ``xgboost``."""
        return self._header.name

    @property
    def number(self) -> int:
        """The number, 3."""
        return self._header.number

    @property
    def increment(self) -> str | None:
        """The increment this run belongs to, where it belongs to one."""
        return self._header.increment

    @property
    def status(self) -> str:
        """``running``, ``completed``, ``failed`` or ``interrupted``."""
        return self._header.status

    @property
    def closed(self) -> bool:
        """Whether it can be written to no longer."""
        return self._closed

    @property
    def run_id(self) -> str:
        """The id of its copy in the tracker that mirrors it, ``mlflow.register_model(f"runs:/{run_id}/model", ...)``.

        Waits until all that the run has written so far, a saved model included, is there.

        Raises
        ------
        StateError
            If no tracker mirrors it.
        IntegrationError
            If the tracker cannot be reached.
        """
        for watcher in self._watchers:
            get_run_id = getattr(watcher, "get_run_id", None)
            if get_run_id is not None:
                return str(get_run_id(self))
        raise StateError(
            f"no tracker mirrors {self.id}, so it has no run id there",
            where=self.id,
            hint="call configure_mlflow() before the experiment is opened, or set tracking: mlflow",
        )

    @property
    def seed(self) -> int | None:
        """The seed it was opened with."""
        return self._header.seed

    @property
    def params(self) -> dict[str, Any]:
        """A copy of the params so far."""
        with self._lock:
            return dict(self._params)

    @property
    def metrics(self) -> dict[str, Number]:
        """A copy of the last value of every metric so far."""
        with self._lock:
            return dict(self._log.last)

    def header(self) -> Header:
        """Return the record as it stands (what experiment.json holds)."""
        self._header.artifacts = self._shelf.artifacts
        return self._header

    def __repr__(self) -> str:
        return f"<Run {self.id} {self.status}>"

    # -- metrics ---------------------------------------------------------------------------------

    def log_metric(self, name: str, value: Any, step: int | None = None) -> None:
        """Log one number; it survives ``kill -9`` of this process once the call has returned.

        Parameters
        ----------
        name : str
        value : number, or a numpy, torch, jax or tensorflow scalar
            NaN and infinities are legal.
        step : int, optional
            Epoch, batch or round. May go back (a resumed training): both values stay in the history,
            the later call is the metric's last value, and a note says so once.

        Raises
        ------
        DataError
            If the value is not one real number or the step not a whole one.
        StateError
            If the run is closed.
        StorageError
            If the disk is full or gone.
        """
        with self._lock:
            if self._closed:
                raise self._closed_error()
            self._log.log(name, value, step)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log several numbers of one moment as one line of the history; see `log_metric`."""
        if not isinstance(metrics, Mapping):
            raise DataError(
                f"log_metrics takes a mapping of names to numbers, not a {type(metrics).__name__}",
                hint='write exp.log_metrics({"accuracy": 0.9}) or exp.log_metric("accuracy", 0.9)',
            )
        with self._lock:
            self._check_open()
            if metrics:
                self._log.log_several(metrics, step)

    # -- params, notes, tags, status -------------------------------------------------------------

    def log_param(self, name: str, value: Any) -> None:
        """Keep one setting; what JSON cannot hold is kept as its repr, with a note."""
        self.log_params({name: value})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Keep settings, for example ``model.get_params()``; a changed value is noted."""
        if not isinstance(params, Mapping):
            raise DataError(
                f"log_params takes a mapping of names to values, not a {type(params).__name__}",
                hint='write exp.log_params(model.get_params()) or exp.log_param("depth", 6)',
            )
        converted = {legal_text(name): param_value(value) for name, value in params.items()}
        with self._lock:
            self._check_open()
            as_text = sorted(name for name, (_, kept) in converted.items() if not kept)
            changed = [
                f"'{name}' from {text_of(self._params[name])} to {text_of(value)}"
                for name, (value, _) in sorted(converted.items())
                if name in self._params and self._params[name] != value
            ]
            self._params.update({name: value for name, (value, _) in converted.items()})
            self._save_params()
            if as_text:
                self.log_note(f"kept as text, since JSON cannot hold them: params {', '.join(as_text)}")
            if changed:
                self.log_note(f"params changed: {'; '.join(changed)}")

    def log_note(self, text: str) -> None:
        """Add a note to notes.md: what was learnt, why it failed. Also after the run has closed."""
        body = str(text).strip().replace("\r\n", "\n").replace("\n", "\n  ")
        with self._lock:
            self._append(NOTES, f"- {body}\n")

    def add_tag(self, name: str, value: object = "") -> None:
        """Tag the run: ``add_tag("prod")`` or ``add_tag("team", "search")``. Also after it has closed."""
        with self._lock:
            self._header.tags = {**self._header.tags, legal_text(name): legal_text(value)}
            self._save_header()

    def set_status(self, status: str) -> None:
        """Set how the run is judged; what is set here stays when the block ends well.

        Also after the run has closed (``except`` blocks around a ``with`` do that).

        Raises
        ------
        DataError
            If it is none of running, completed, failed, interrupted.
        """
        if status not in STATUSES:
            raise DataError(f"no such status: {status!r}", hint=f"use one of {', '.join(STATUSES)}")
        with self._lock:
            if self._closed and status == "running":
                raise self._closed_error()
            self._header.status = status
            self._save_header()

    # -- artifacts -------------------------------------------------------------------------------

    def log_artifact(self, path: Any, name: str | None = None) -> Path:
        """Copy a file or folder into the experiment; an object is saved instead.

        Parameters
        ----------
        path : str, Path or object
            A relative path is looked for in the working directory, the experiment itself, the
            increment and the project.
        name : str, optional
            Name inside the experiment; the file's own name where not given.

        Returns
        -------
        Path
            Where it lies now. The record's own files and what `save_artifact` made are never
            overwritten: such a copy goes to ``artifacts/``.

        Raises
        ------
        StorageError
            If the file is nowhere; the message lists where it was looked for.
        """
        if not isinstance(path, str | os.PathLike):
            return self.save_artifact(path, name)
        with self._lock:
            self._check_open()
            return self._shelf.copy(Path(path), name)

    def save_artifact(self, value: Any, name: Any = None) -> Path:
        """Save an object in the experiment; the name's ending says how (.pkl, .json, .csv, .png, ...).

        The two arguments may come in either order.

        Raises
        ------
        DataError
            If there is no name, or the object cannot be written that way.
        """
        if isinstance(value, str) and name is not None and not isinstance(name, str):
            value, name = name, value
        if name is None:
            raise DataError(
                "save_artifact needs a name for the file", hint='exp.save_artifact(model, "model.pkl")'
            )
        if isinstance(value, os.PathLike):
            return self.log_artifact(value, str(name))
        return self._save(value, str(name), SAVED)

    def save_model(self, model: Any, name: str = "model.pkl") -> Path:
        """Save a trained model; see `save_artifact`."""
        if isinstance(model, str) and not isinstance(name, str):
            model, name = name, model
        return self._save(model, name, MODEL)

    def save_report(self, name: str, text: str | None = None) -> Path:
        """Save a report; without `text`, one made of what this run has logged so far.

        A report without text is made again when the run closes, so that it holds what came later.
        """
        with self._lock:
            self._check_open()
            if text is not None:
                return self._save(text, name, REPORT)
            relative = self._shelf.own_name(name)
            self._reports.add(relative)
            self._render_report(relative)
            return self.folder / relative

    def _save(self, value: Any, name: str, role: str) -> Path:
        with self._lock:
            self._check_open()
            return self._shelf.save(value, name, role)

    def _render_report(self, relative: str) -> None:
        from specweave.experiments.report import render_report

        write_text(self.folder / relative, render_report(self.header(), self._params, self.folder))
        self._shelf.take_note(relative, REPORT)

    def register_model(self, name: str | None = None, *, artifact: str | None = None, **details: Any) -> Any:
        """Make the saved model the increment's next version, ``models/model-vN.pkl`` with its metadata.

        Parameters
        ----------
        name : str, optional
            Algorithm shown in the metadata; the run's name where not given.
        artifact : str, optional
            Which artifact; the model saved last where not given.
        details
            Further metadata: ``threshold=0.4``, ``input_schema={...}``.

        Returns
        -------
        specweave.experiments.versions.ModelVersion

        Raises
        ------
        StateError
            If no model was saved in this run.
        """
        from specweave.experiments.versions import register_from_run

        with self._lock:
            self._check_open()
            chosen = artifact or self._shelf.last_of(MODEL)
            if chosen is None:
                raise StateError(
                    "there is no model to register", where=self.id, hint="call exp.save_model(model) first"
                )
            return register_from_run(self, chosen, algorithm=name or self.name, details=details)

    # -- ending ----------------------------------------------------------------------------------

    def close(self, status: str | None = None) -> None:
        """Write the final record; a second call does nothing.

        Parameters
        ----------
        status : str, optional
            How it ended; ``completed`` unless `set_status` said otherwise.
        """
        with self._lock:
            if self._closed:
                return
            self._header.status = status or (
                "completed" if self._header.status == "running" else self._header.status
            )
            self._header.ended = _iso(self._clock())
            self._header.duration_s = round(self._before_s + time.monotonic() - self._began, 6)
            for relative in sorted(self._reports):
                self._render_report(relative)
            if not self._params:
                self._save_params()
            write_text(self.folder / METRICS, render_json(self._log.last))
            self._log_line(f"{self._header.status} after {self._header.duration_s:.3f} s")
            # Last, so that whoever reads a closed status finds everything else in place.
            self._save_header()
            self._closed = True
            self._log.close()
        for watcher in self._watchers:
            self._tell(watcher.run_closed)

    def __enter__(self) -> Run:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        elif isinstance(error, KeyboardInterrupt | SystemExit) and not _is_clean_exit(error):
            self._end_badly("interrupted", error, trace)
        elif isinstance(error, SystemExit):
            self.close()
        else:
            self._end_badly("failed", error, trace)

    def fail(self, error: BaseException) -> None:
        """Close as failed with the traceback of `error` in ``logs/``."""
        self._end_badly("failed", error, error.__traceback__)

    def _end_badly(self, status: str, error: BaseException, trace: TracebackType | None) -> None:
        with self._lock:
            if self._closed:
                return
            first = str(error).strip().splitlines()[:1]
            line = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
            self._header.error = legal_text(line[:500])
            try:
                text = "".join(traceback.format_exception(type(error), error, trace))
                self._append(f"{LOGS}/traceback.txt", text)
                self.log_note(f"{status.upper()}: {line[:500]}")
                self.close(status)
            except StorageError as disk:
                # The user's own exception is the news; a full disk must not take its place.
                warnings.warn(f"{self.id} could not be closed: {disk}", RuntimeWarning, stacklevel=3)
                self._closed = True
                self._log.close()

    # -- files -----------------------------------------------------------------------------------

    def _save_header(self) -> None:
        write_text(self.folder / EXPERIMENT, render_json(self.header()))

    def _save_params(self) -> None:
        write_text(self.folder / PARAMS, render_json(self._params))

    def _log_line(self, text: str) -> None:
        self._append(f"{LOGS}/run.log", f"{_iso(self._clock())} {text}\n")

    def _append(self, name: str, text: str) -> None:
        path = self.folder / name
        with storage_errors(path):
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(fd, text.encode("utf-8", errors="replace"))
            finally:
                os.close(fd)

    def _tell(self, call: Callable[[Run], None]) -> None:
        try:
            call(self)
        except Exception as error:  # a mirror is foreign code, and never stops training
            warnings.warn(f"a mirror of {self.id} failed: {error}", RuntimeWarning, stacklevel=3)

    def _check_open(self) -> None:
        if self._closed:
            raise self._closed_error()

    def _closed_error(self) -> StateError:
        return StateError(
            f"the experiment {self.id} is closed",
            where=self.folder.name,
            hint="log inside its 'with' block, or open another one with track_experiment(...)",
        )


def _is_clean_exit(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make_tags(tags: Mapping[str, object] | Iterable[str] | str | None) -> dict[str, str]:
    """Return tags given as a mapping, a list or one string as name -> value."""
    if tags is None:
        return {}
    if isinstance(tags, str):
        return {legal_text(tags): ""}
    if isinstance(tags, Mapping):
        return {legal_text(name): legal_text(value) for name, value in tags.items()}
    return {legal_text(name): "" for name in tags}
