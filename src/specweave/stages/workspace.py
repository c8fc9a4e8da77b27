"""An increment opened for work: its spec, plan, problem type, data, split and experiments.

Reads: the increment's documents and data, once per process. Writes: nothing. Never: reads the holdout's
truth for anything but its place in the split.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from specweave.engines.threads import core_count
from specweave.errors import SpecError
from specweave.experiments.store import ExperimentStore
from specweave.files.store import digest, load_record
from specweave.increments.plan import Plan, load_plan
from specweave.increments.project import Increment, find_increment
from specweave.increments.spec import Spec, load_spec
from specweave.problems.base import Dataset, Problem, Split, problem_for

DEFINITIONS = "features/feature_definitions.yaml"


@dataclass(frozen=True)
class Workspace:
    """One increment with everything its tasks need, loaded on first use.

    Attributes
    ----------
    increment : Increment
    spec : Spec
    plan : Plan
    problem : Problem
    """

    increment: Increment
    spec: Spec
    plan: Plan
    problem: Problem

    @property
    def folder(self) -> Path:
        """The increment's folder."""
        return self.increment.folder

    @property
    def root(self) -> Path:
        """The project's root, from which the spec's paths are seen."""
        return self.increment.project.root

    @cached_property
    def store(self) -> ExperimentStore:
        """The increment's experiments."""
        return ExperimentStore(self.increment.experiments)

    def saving_to(self, folder: Path) -> Workspace:
        """Return the same work with its experiments in another folder; data and split are not read again."""
        target = folder if folder.is_absolute() else self.folder / folder
        if target.resolve() == self.increment.experiments.resolve():
            return self
        other = replace(self)
        other.__dict__.update({**self.__dict__, "store": ExperimentStore(target)})
        return other

    @cached_property
    def dataset(self) -> Dataset:
        """The training data as the problem type reads it."""
        return self.problem.load(self.spec, self.plan, self.root)

    @cached_property
    def split(self) -> Split:
        """Training rows, holdout and folds; checked to be apart."""
        split = self.problem.split(self.dataset, self.spec, self.plan)
        split.check()
        return split

    @property
    def definitions(self) -> dict[str, Any] | None:
        """The feature definitions that T-002 wrote and a person may have edited, or None."""
        path = self.folder / DEFINITIONS
        if not path.exists():
            return None
        # Read once while it stays as it is: thousands of columns take seconds.
        stat = path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        known = _definitions.get(path)
        if known is None or known[0] != stamp:
            body = load_record(path, "feature-definitions", 1)
            known = (stamp, {k: v for k, v in body.items() if k not in ("kind", "schema")})
            _definitions[path] = known
        return known[1]

    def features(self) -> Any:
        """Return the unfitted feature step that all models share."""
        return self.problem.make_features(self.dataset, self.spec, self.plan, self.definitions)

    @property
    def seed(self) -> int:
        """The seed of splits and models."""
        return int(self.plan.get("split.seed", 42))

    @property
    def jobs(self) -> int:
        """Parallel workers on this machine: those asked for, else all cores."""
        return self.asked_jobs or core_count()

    @property
    def asked_jobs(self) -> int | None:
        """Parallel workers as asked for, ``$SPECWEAVE_JOBS`` or the project's ``jobs``, if at all."""
        text = os.environ.get("SPECWEAVE_JOBS") or self.increment.project.config().get("jobs")
        try:
            return max(1, int(text)) if text else None
        except ValueError as error:
            raise SpecError(f"jobs: '{text}' is no whole number", hint="write jobs: 2") from error

    @property
    def generation(self) -> str:
        """A hash of data, split and features: only experiments that share it can be compared."""
        return digest(
            {
                "data": self.dataset.source.sha256,
                "roles": self.dataset.roles,
                "settings": self.dataset.settings,
                "holdout": self.split.digest(),
                "folds": [[*fold[1].tolist()[:50], len(fold[1])] for fold in self.split.folds],
                "features": repr(sorted(self.features().get_params().items(), key=str)),
            }
        )


_opened: dict[Path, tuple[tuple[int, ...], Workspace]] = {}
_definitions: dict[Path, tuple[tuple[int, ...], dict[str, Any]]] = {}


def open_workspace(name: str | None = None) -> Workspace:
    """Open an increment (default: the active one); reuse it while its documents are unchanged.

    Raises
    ------
    StateError, UnknownNameError, SpecError
    """
    return workspace_of(find_increment(name))


def workspace_of(increment: Increment) -> Workspace:
    """Open this increment, wherever its project is; as :func:`open_workspace`."""
    stamp = tuple(
        p.stat().st_mtime_ns if p.exists() else 0 for p in (increment.spec_path, increment.plan_path)
    )
    known = _opened.get(increment.folder)
    if known and known[0] == stamp:
        return known[1]
    spec = load_spec(increment.spec_path)
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    workspace = Workspace(increment, spec, load_plan(increment.plan_path, problem.plan_keys), problem)
    _opened[increment.folder] = (stamp, workspace)
    return workspace
