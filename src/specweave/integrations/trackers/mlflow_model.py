"""A saved model in MLflow's own form, with its signature, so that ``mlflow`` loads and serves it.

Reads: a model file whose bytes were checked, the increment's sample rows. Writes: a model folder. Never:
guesses a signature that the model does not answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specweave.errors import SpecweaveError
from specweave.experiments.pickled_packages import needed_packages, pickle_modules
from specweave.experiments.version_files import unpickle

if TYPE_CHECKING:
    from specweave.increments.project import Increment

_SAMPLE_ROWS = 20


def save_mlflow_model(path: Path, folder: Path, increment: Increment, run_id: str) -> str:
    """Write the model at `path` as an MLflow model; return why not, or nothing.

    Parameters
    ----------
    path : Path
        ``.pkl``, ``.ubj`` (XGBoost), ``.txt`` (LightGBM), ``.cbm`` (CatBoost) or ``.keras``.
    folder : Path
        To be made.
    increment : Increment
        Where sample rows are looked for.
    run_id : str
        MLflow's run, named in the model.
    """
    try:
        model = _load(path)
    except (SpecweaveError, ImportError) as error:
        return str(error)
    if model is None:
        return f"MLflow has no form for {path.suffix or 'such'} files"
    from mlflow.models import Model

    form = _form_of(model)
    if form is None:
        return f"a {type(model).__name__} cannot predict"
    signature = find_signature(model, increment)
    options: dict[str, Any] = {
        "signature": signature,
        "mlflow_model": Model(run_id=run_id),
        # MLflow would load the model again in another process to find out.
        "pip_requirements": _requirements(path, model),
    }
    try:
        form(model, str(folder), options)
    except Exception as error:  # writers of a dozen libraries, which may refuse in any way
        return f"{type(error).__name__}: {error}"
    return ""


def _load(path: Path) -> Any:
    if path.suffix == ".pkl":
        return unpickle(path)
    if path.suffix == ".ubj":
        import xgboost

        return xgboost.Booster(model_file=str(path))
    if path.suffix == ".txt":
        import lightgbm

        return lightgbm.Booster(model_file=str(path))
    if path.suffix == ".cbm":
        import catboost

        return catboost.CatBoost().load_model(str(path))
    if path.suffix == ".keras":
        import keras

        return keras.saving.load_model(str(path))
    return None


_Writer = Callable[[Any, str, dict[str, Any]], None]


def _form_of(model: Any) -> _Writer | None:
    modules = [kind.__module__.partition(".")[0] for kind in type(model).__mro__]
    for name, writer in (
        ("catboost", _save_flavor("catboost")),
        ("torch", _save_flavor("pytorch")),
        ("keras", _save_flavor("keras")),
        ("sklearn", _save_sklearn),
        ("xgboost", _save_flavor("xgboost")),
        ("lightgbm", _save_flavor("lightgbm")),
    ):
        if name in modules:
            return writer
    return _save_pyfunc if hasattr(model, "predict") else None


def _save_flavor(flavor: str) -> _Writer:
    def save(model: Any, folder: str, options: dict[str, Any]) -> None:
        import importlib

        module = importlib.import_module(f"mlflow.{flavor}")
        if flavor == "pytorch":
            options = {**options, "serialization_format": "pickle"}
        module.save_model(model, path=folder, **options)

    return save


def _save_sklearn(model: Any, folder: str, options: dict[str, Any]) -> None:
    import mlflow.sklearn

    # Our own feature steps are not among the types that skops trusts.
    mlflow.sklearn.save_model(model, path=folder, serialization_format="cloudpickle", **options)


def _save_pyfunc(model: Any, folder: str, options: dict[str, Any]) -> None:
    import mlflow.pyfunc

    class Predictor(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model.predict(model_input)

    mlflow.pyfunc.save_model(path=folder, python_model=Predictor(), **options)


def _requirements(path: Path, model: Any) -> list[str]:
    modules = {type(model).__module__}
    if path.suffix == ".pkl":
        modules |= pickle_modules(path.read_bytes())
    return [f"{name}=={version}" for name, version in needed_packages(modules).items()]


def find_signature(model: Any, increment: Increment) -> Any:
    """Return MLflow's signature of a model, from rows that it answered; None where it answered none."""
    from mlflow.models import infer_signature

    for rows in _candidate_rows(model, increment):
        try:
            answer = model.predict(rows)
            return infer_signature(rows, answer)
        except Exception:  # rows of the wrong form: what a model raises then is its own affair
            continue
    return None


def _candidate_rows(model: Any, increment: Increment) -> list[Any]:
    import numpy as np
    import pandas as pd

    found: list[Any] = []
    names = getattr(model, "feature_names_in_", None)
    count = getattr(model, "n_features_in_", None)
    sample = _sample(increment)
    if sample is not None:
        if names is not None and set(names) <= set(sample.columns):
            found.append(sample[list(names)])
        elif names is None and count is None:
            found.append(sample)
    if names is not None:
        found.append(pd.DataFrame(np.zeros((2, len(names))), columns=list(names)))
    elif count is not None:
        found.append(np.zeros((2, int(count))))
    return found


def _sample(increment: Increment) -> Any:
    """Return a few rows of the increment's data without what is to be predicted, or None."""
    import pandas as pd

    from specweave.increments.spec import load_spec

    path = increment.folder / "data" / "sample.csv"
    if not path.exists():
        return None
    rows = pd.read_csv(path, nrows=_SAMPLE_ROWS)
    try:
        target = load_spec(increment.spec_path).get("Target")
    except SpecweaveError:
        target = None
    return rows.drop(columns=[target] if target in rows.columns else [])
