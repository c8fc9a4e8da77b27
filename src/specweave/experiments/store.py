"""All experiments of an increment: open, list, find.

Reads: the ``experiments/`` folder. Writes: new experiment folders in it. Never: gives a number twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from specweave.errors import SpecweaveError, StateError, StorageError, UnknownNameError, did_you_mean
from specweave.experiments import provenance
from specweave.experiments.names import FOLDER, folder_name, split_name
from specweave.experiments.processes import host_name, started_ticks
from specweave.experiments.record import (
    EXPERIMENT,
    METRICS,
    PARAMS,
    ExperimentRecord,
    Header,
    load_record,
    read_header,
    true_status,
)
from specweave.experiments.run import LOGS, Run, RunWatcher, _iso, make_tags
from specweave.experiments.values import inputs_digest, legal_text
from specweave.experiments.watching import find_watchers
from specweave.files.atomic import claim_numbered, storage_errors, write_text
from specweave.files.locks import exclusive

_Signature = tuple[int, ...]
# Aliases, since the class has a method called `list`.
_Records = list[ExperimentRecord]
_Errors = dict[str, SpecweaveError]
_Names = list[str]


class ExperimentStore:
    """The experiments of one increment.

    Parameters
    ----------
    folder : Path
        The increment's ``experiments/`` folder; made on the first `create`.
    clock : callable, optional
        Seconds since 1970.
    watchers : sequence of RunWatcher, optional
        Told when a run opens and closes; the mirrors that the project is set up for where not given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], float] = time.time,
        watchers: Sequence[RunWatcher] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._clock = clock
        self._watchers = watchers
        self._cache: dict[str, tuple[_Signature, ExperimentRecord]] = {}

    # -- opening ---------------------------------------------------------------------------------

    def create(
        self,
        name: str,
        *,
        task: str | None = None,
        inputs: Mapping[str, Any] | None = None,
        seed: int | None = None,
        tags: Mapping[str, object] | Iterable[str] | str | None = None,
        increment: str | None = None,
        data_sha256: str | None = None,
        resume: bool = False,
    ) -> Run:
        """Open a new experiment in a folder of its own.

        Parameters
        ----------
        name : str
            Made a safe slug by `specweave.experiments.names.NAME_RULE`; one that carries ``exp-NNN-``
            keeps that number if it is free.
        task : str, optional
            The task it belongs to, ``T-004``.
        inputs : mapping, optional
            What decides the result (params, data hash, folds, code). The same inputs mean the same
            work: see `find_completed` and `resume`.
        seed : int, optional
        tags : mapping, list or str, optional
        increment : str, optional
            Id of the increment; read off the folder where not given.
        data_sha256 : str, optional
        resume : bool
            Take over an interrupted or failed run of the same name and inputs, in its folder.

        Returns
        -------
        Run

        Raises
        ------
        DataError
            If nothing is left of the name.
        StorageError
            If the folder cannot be written.
        """
        if resume:
            run = self._take_over(name, inputs)
            if run is not None:
                return run
        wanted, slug = split_name(name)
        with storage_errors(self.folder):
            number, folder = claim_numbered(
                self.folder, 3, lambda n: folder_name(n, slug), FOLDER, wanted=wanted
            )
            os.mkdir(folder / LOGS)
        header = Header(
            id=folder.name,
            name=slug,
            number=number,
            title=legal_text(name)[:300],
            started=_iso(self._clock()),
            increment=increment or self.increment_id(),
            task=task,
            data_sha256=data_sha256,
            seed=seed,
            tags=make_tags(tags),
            inputs_digest=inputs_digest(inputs),
        )
        return self._open(folder, header)

    def _open(self, folder: Path, header: Header) -> Run:
        git = provenance.git_state(self.folder)
        header.git = None if git is None else git.to_record()
        header.host = host_name()
        header.python = provenance.python_version()
        header.pid = os.getpid()
        header.pid_ticks = started_ticks(header.pid)
        params = load_record(folder).params if header.attempts > 1 else {}
        # The header first: a folder without one is all a kill here could leave.
        watchers = find_watchers(self.folder) if self._watchers is None else self._watchers
        run = Run(folder, header, clock=self._clock, watchers=watchers, params=params)
        write_text(folder / "requirements.txt", provenance.requirements_text())
        if git is not None and git.patch:
            write_text(folder / "git.patch", git.patch)
        return run

    def _take_over(self, name: str, inputs: Mapping[str, Any] | None) -> Run | None:
        found = self.find_resumable(name, inputs)
        if found is None or not (found.folder / EXPERIMENT).exists():
            return None
        with exclusive(self.folder / ".claims" / f"{found.folder.name}.lock"):
            # Somebody else may have taken it over while we looked.
            header = read_header(found.folder)
            if true_status(header) not in ("interrupted", "failed"):
                return None
            header.attempts += 1
            header.status, header.ended, header.error = "running", None, ""
            return self._open(found.folder, header)

    def increment_id(self) -> str | None:
        """Return the id of the increment that the folder belongs to, where it belongs to one."""
        parent = self.folder.absolute().parent
        return parent.name if parent.parent.name == "increments" else None

    # -- reading ---------------------------------------------------------------------------------

    def list(self) -> _Records:
        """Return all experiments in order of number; unchanged ones are read only once.

        Raises
        ------
        CorruptFileError, NewerSchemaError
            If a record cannot be read.
        """
        return [self._load(name) for name in self.folder_names()]

    def readable(self) -> tuple[_Records, _Errors]:
        """Return the experiments that can be read, and the error of each folder that cannot."""
        records: _Records = []
        errors: _Errors = {}
        for name in self.folder_names():
            try:
                records.append(self._load(name))
            except SpecweaveError as error:
                errors[name] = error
        return records, errors

    def folder_names(self) -> _Names:
        """Return the names of the experiments' folders in order of number."""
        try:
            with os.scandir(self.folder) as entries:
                names = [e.name for e in entries if FOLDER.match(e.name) and e.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StorageError(f"cannot read: {error.strerror or error}", where=self.folder) from error
        return sorted(names, key=_order)

    def get(self, id_or_name: str | int) -> ExperimentRecord:
        """Return one experiment by ``exp-003``, ``3``, ``exp-003-xgboost`` or ``xgboost`` (the latest).

        Raises
        ------
        UnknownNameError
            If there is none; offers the nearest.
        StateError
            If two folders carry that number (two branches were merged).
        """
        asked = str(id_or_name).strip().rstrip("/")
        names = self.folder_names()
        if asked in names:
            return self._load(asked)
        number = _number_of(asked)
        if number is not None:
            found = [n for n in names if _order(n)[0] == number]
            if len(found) > 1:
                raise StateError(
                    f"number {number} is carried by {' and '.join(found)}",
                    where=self.folder,
                    hint="give the full name, or run: sw doctor",
                )
            if found:
                return self._load(found[0])
        latest = [n for n in names if _order(n)[1].casefold() == asked.casefold()]
        if latest:
            return self._load(latest[-1])
        known = [*names, *dict.fromkeys(_order(n)[1] for n in names)]
        raise UnknownNameError(
            f"no experiment '{asked}'", where=self.folder.name, hint=did_you_mean(asked, known)
        )

    def find_completed(self, name: str, inputs: Mapping[str, Any] | None) -> ExperimentRecord | None:
        """Return the latest completed experiment of that name and those inputs, or None."""
        return self._find(name, inputs, ("completed",))

    def find_resumable(self, name: str, inputs: Mapping[str, Any] | None) -> ExperimentRecord | None:
        """Return the latest interrupted or failed experiment of that name and those inputs, or None."""
        return self._find(name, inputs, ("interrupted", "failed"))

    def _find(
        self, name: str, inputs: Mapping[str, Any] | None, statuses: tuple[str, ...]
    ) -> ExperimentRecord | None:
        wanted, slug = split_name(name)
        asked = inputs_digest(inputs)
        for folder in reversed(self.folder_names()):
            number, found = _order(folder)
            if found != slug or (wanted is not None and number != wanted):
                continue
            try:
                record = self._load(folder)
            except SpecweaveError:
                # One unreadable record must not stop new work; `list` reports it.
                continue
            if record.inputs_digest == asked and record.status in statuses:
                return record
        return None

    def _load(self, name: str) -> ExperimentRecord:
        base = f"{self.folder}/{name}"
        signature = _signature(base)
        known = self._cache.get(name)
        if known is not None and known[0] == signature and known[1].status != "running":
            return known[1]
        record = load_record(self.folder / name)
        self._cache[name] = (signature, record)
        return record


def _order(name: str) -> tuple[int, str]:
    match = FOLDER.match(name)
    return (int(match[1]), match[2]) if match else (0, name)


def _number_of(asked: str) -> int | None:
    text = asked[4:] if asked.lower().startswith("exp-") else asked
    return int(text) if text.isascii() and text.isdigit() else None


def _signature(base: str) -> _Signature:
    found: list[int] = []
    for name in (EXPERIMENT, PARAMS, METRICS):
        try:
            stat = os.stat(f"{base}/{name}")
        except OSError:
            found.append(-1)
        else:
            # Files are replaced, never edited, so a changed one is another inode.
            found += (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return tuple(found)
