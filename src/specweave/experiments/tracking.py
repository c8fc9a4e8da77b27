"""The doors that training code comes through: one line opens an experiment of the increment.

Reads: the project around the working directory. Writes: through the store. Never: needs a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from specweave.experiments.run import Run
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


def track_experiment(
    name: str,
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
    name : str
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
    return find_store(increment).create(
        name,
        task=task,
        tags=tags,
        seed=seed,
        inputs=inputs,
        data_sha256=data_sha256,
        resume=resume,
    )


def track_model(
    name: str,
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
    from specweave.experiments.run import make_tags

    return track_experiment(
        name,
        increment,
        task=task,
        tags={"model": "", **make_tags(tags)},
        seed=seed,
        inputs=inputs,
        data_sha256=data_sha256,
        resume=resume,
    )
