"""The doors that training code comes through: one line opens an experiment of the increment.

Reads: the project around the working directory. Writes: through the store. Never: needs a server.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from specweave.experiments.run import Run, make_tags
from specweave.experiments.store import ExperimentStore


def find_store(increment: str | None = None) -> ExperimentStore:
    """Return the experiments of an increment.

    Parameters
    ----------
    increment : str, optional
        ``"0042"``, ``"42"``, the full id or a unique part of it; the active increment where not given
        (``SPECWEAVE_INCREMENT`` and ``SPECWEAVE_PROJECT`` are honoured).

    Raises
    ------
    UnknownNameError
        If there is no such increment.
    """
    from specweave.increments.project import find_increment

    return ExperimentStore(find_increment(increment).experiments)


class ExperimentMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of an experiment beyond its name; hand it to `track_experiment`.

    Attributes
    ----------
    name : str
    description : str
        Becomes the first note.
    tags : list of str
    git_commit, data_version, author : str
        Become tags of that name. The commit that git reports is recorded anyway.
    extra : dict
        Becomes params.
    """

    name: str
    description: str = ""
    tags: list[str] = []
    git_commit: str = ""
    data_version: str = ""
    author: str = ""
    extra: dict[str, Any] = {}

    def to_tags(self) -> dict[str, str]:
        """Return everything that becomes a tag."""
        named = {name: getattr(self, name) for name in ("git_commit", "data_version", "author")}
        return {**make_tags(self.tags), **{name: value for name, value in named.items() if value}}


def track_experiment(
    name: str | ExperimentMetadata,
    increment: str | None = None,
    *,
    task: str | None = None,
    tags: Mapping[str, object] | Iterable[str] | str | None = None,
    seed: int | None = None,
    inputs: Mapping[str, Any] | None = None,
    data_sha256: str | None = None,
    resume: bool = False,
) -> Run:
    """Open an experiment of an increment; use it in a ``with`` block.

    Parameters
    ----------
    name : str or ExperimentMetadata
        ``"xgboost"`` or, with a number of its own choice, ``"exp-001-eda"``.
    increment : str, optional
        See `find_store`.
    task, tags, seed, inputs, data_sha256, resume
        See `ExperimentStore.create`.

    Examples
    --------
    ::

        with track_experiment("exp-001-eda") as exp:
            exp.log_param("dataset_size", 7043)
            exp.log_metric("missing_values", 11)
            exp.save_report("eda-summary.md")
    """
    known = name if isinstance(name, ExperimentMetadata) else ExperimentMetadata(name=name)
    run = find_store(increment).create(
        known.name,
        task=task or os.environ.get("SPECWEAVE_TASK"),
        tags={**known.to_tags(), **make_tags(tags)},
        seed=seed,
        inputs=inputs,
        data_sha256=data_sha256,
        resume=resume,
    )
    if known.extra:
        run.log_params(known.extra)
    if known.description:
        run.log_note(known.description)
    return run


def track_model(
    name: str | ExperimentMetadata,
    increment: str | None = None,
    *,
    task: str | None = None,
    tags: Mapping[str, object] | Iterable[str] | str | None = None,
    seed: int | None = None,
    inputs: Mapping[str, Any] | None = None,
    data_sha256: str | None = None,
    resume: bool = False,
) -> Run:
    """Open an experiment that trains one model; the same as `track_experiment`, tagged ``model``."""
    return track_experiment(
        name,
        increment,
        task=task or os.environ.get("SPECWEAVE_TASK"),
        tags={"model": "", **make_tags(tags)},
        seed=seed,
        inputs=inputs,
        data_sha256=data_sha256,
        resume=resume,
    )
