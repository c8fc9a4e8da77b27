"""Switch a tracker on from code: ``configure_mlflow()``, ``configure_wandb()``, ``configure_tensorboard()``.

Reads: the project around the working directory. Writes: ``SPECWEAVE_TRACKING`` of this process and those it
starts. Never: changes the project's settings.
"""

from __future__ import annotations

import os
from typing import Any

from specweave.increments.project import Increment, find_increment, find_project
from specweave.integrations.trackers.base import check_installed
from specweave.integrations.tracking_settings import Settings, configure


def configure_mlflow(
    uri: str | None = None,
    *,
    increment: str | None = None,
    experiment: str | None = None,
    files: bool = True,
    models: bool = True,
) -> str:
    """Mirror experiments to MLflow, and let ``mlflow`` calls of this process go to the same place.

    Parameters
    ----------
    uri : str, optional
        ``http://host:port``, ``sqlite:///file.db``; ``$MLFLOW_TRACKING_URI`` where that is set, else a
        database in the increment's folder.
    increment : str, optional
        The increment meant; the active one where not given.
    experiment : str, optional
        MLflow's name for the increment's runs; the increment's id where not given.
    files, models : bool
        Whether files, and models in MLflow's form, are sent too.

    Returns
    -------
    str
        The tracking URI.

    Raises
    ------
    MissingExtraError
        If MLflow is not installed.
    StateError, UnknownNameError
        If there is no such increment.

    Examples
    --------
    ::

        configure_mlflow()
        with track_experiment("xgboost") as exp:
            exp.save_model(model)
            mlflow.register_model(f"runs:/{exp.run_id}/model", "churn-model-0042-v1")
    """
    check_installed("mlflow", "mlflow")
    import mlflow

    from specweave.integrations.trackers.mlflow import store_uri

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    options = _given(uri=uri, experiment=experiment) | {
        n: False for n, wanted in (("files", files), ("models", models)) if not wanted
    }
    found = _find(increment)
    configure("mlflow", options)
    if found is None and uri is None:
        return str(mlflow.get_tracking_uri())
    place = uri if found is None else store_uri(Settings("mlflow", found.folder, options))
    mlflow.set_tracking_uri(place)
    return str(place)


def configure_wandb(
    project: str | None = None,
    *,
    increment: str | None = None,
    entity: str | None = None,
    mode: str | None = None,
) -> str:
    """Mirror experiments to Weights & Biases.

    Parameters
    ----------
    project : str, optional
        ``$WANDB_PROJECT``, else the increment's id, where not given.
    increment : str, optional
        Checked to exist; runs go where they are opened.
    entity : str, optional
    mode : {"offline", "online", "disabled"}, optional
        ``$WANDB_MODE``, else offline, where not given. ``wandb sync`` uploads what was written offline.

    Returns
    -------
    str
        The mode.

    Raises
    ------
    MissingExtraError
        If wandb is not installed.
    """
    check_installed("wandb", "wandb")
    _find(increment)
    configure("wandb", _given(project=project, entity=entity, mode=mode))
    return mode or os.environ.get("WANDB_MODE") or "offline"


def configure_tensorboard(folder: str | None = None, *, increment: str | None = None) -> None:
    """Mirror experiments as TensorBoard event files in the increment's ``tensorboard/``.

    Parameters
    ----------
    folder : str, optional
        Another folder, from the increment's.
    increment : str, optional
        Checked to exist.

    Raises
    ------
    MissingExtraError
        If tensorboardX is not installed.
    """
    check_installed("tensorboardX", "tensorboard")
    _find(increment)
    configure("tensorboard", _given(folder=folder))


def _find(increment: str | None) -> Increment | None:
    """Return the increment meant; None where none is named and there is no project yet."""
    if increment is not None:
        return find_increment(increment)
    project = find_project()
    return project.get_increment() if project is not None and project.increments() else None


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
