"""Cross-validation as one experiment: every fold, their mean and spread, and what each fold held.

Reads: nothing. Writes: through the run. Never: fits anything on rows it then measures.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from specweave.errors import DataError
from specweave.experiments.run import Run
from specweave.experiments.tables import markdown_table, number_text
from specweave.integrations.frameworks.base import model_params, open_run
from specweave.integrations.frameworks.sklearn import measure_estimator


class CrossValidation(msgspec.Struct, frozen=True, kw_only=True):
    """What a cross-validation measured.

    Attributes
    ----------
    experiment : str
        Id of the experiment.
    folds : dict
        Metric -> its value on each fold.
    mean, std : dict
        Metric -> mean and sample standard deviation over folds.
    train_rows, test_rows : list of int
        Rows of each fold.
    """

    experiment: str
    folds: dict[str, list[float]]
    mean: dict[str, float]
    std: dict[str, float]
    train_rows: list[int]
    test_rows: list[int]


def track_cross_validation(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    cv: Any = 5,
    groups: Any = None,
    scoring: Any = None,
    increment: str | None = None,
    name: str | None = None,
    **options: Any,
) -> CrossValidation:
    """Cross-validate an estimator and record every fold.

    Parameters
    ----------
    model : estimator
        Cloned for each fold; itself left unfitted.
    X : array-like, shape (n_rows, n_features)
    y : array-like, shape (n_rows,), optional
    cv : int or splitter
        A number means stratified folds for classes, plain ones for numbers; rows are not shuffled.
    groups : array-like, shape (n_rows,), optional
        Rows of one group never stand on both sides, if the splitter heeds groups.
    scoring : str, callable, list or mapping, optional
        As in scikit-learn; every metric of the library where not given.
    increment : str, optional
    name : str, optional
        Of the experiment; the estimator's class with ``-cv`` where not given.
    options
        ``task``, ``tags``, ``seed``, ``inputs``, ``data_sha256``.

    Returns
    -------
    CrossValidation

    Raises
    ------
    DataError
        If the folds cannot be made from these rows.
    """
    from sklearn.base import is_classifier
    from sklearn.model_selection import check_cv

    splitter = check_cv(cv, y, classifier=is_classifier(model))
    title = name or f"{_name(model)}-cv"
    with open_run(model, increment, name=title, framework="scikit-learn", **options) as run:
        run.log_param("estimator", f"{type(model).__module__}.{type(model).__qualname__}")
        run.log_params({**model_params(model), "cv": str(splitter), "rows": _rows(X)})
        try:
            splits = list(splitter.split(X, y, groups))
        except ValueError as error:
            raise DataError(f"cannot make these folds: {error}", hint="ask for fewer folds: cv=3") from error
        measured = _measure_folds(run, model, X, y, splits, scoring)
        found = _summarise(run.id, measured, splits)
        _record(run, found, y, splits)
    return found


def _name(model: Any) -> str:
    from specweave.integrations.frameworks.base import name_of

    return name_of(model)


def _rows(X: Any) -> int:
    shape = getattr(X, "shape", None)
    return int(shape[0]) if shape is not None else len(X)


def _measure_folds(
    run: Run, model: Any, X: Any, y: Any, splits: list[tuple[Any, Any]], scoring: Any
) -> list[dict[str, float]]:
    from sklearn.base import clone
    from sklearn.utils import _safe_indexing

    measured = []
    for fold, (train, test) in enumerate(splits):
        estimator = clone(model)
        began = time.perf_counter()
        train_X, test_X = _safe_indexing(X, train), _safe_indexing(X, test)
        if y is None:
            train_y = test_y = None
            estimator.fit(train_X)
        else:
            train_y, test_y = _safe_indexing(y, train), _safe_indexing(y, test)
            estimator.fit(train_X, train_y)
        seconds = time.perf_counter() - began
        found = (
            measure_estimator(estimator, test_X, test_y)
            if scoring is None
            else _scores(estimator, test_X, test_y, scoring)
        )
        run.log_metrics(
            {**{f"fold_{m}": v for m, v in found.items()}, "fold_train_seconds": seconds}, step=fold
        )
        measured.append({**found, "train_seconds": seconds})
    return measured


def _scores(estimator: Any, X: Any, y: Any, scoring: Any) -> dict[str, float]:
    from sklearn.metrics import check_scoring, get_scorer

    if isinstance(scoring, Mapping):
        scorers = {n: get_scorer(s) if isinstance(s, str) else s for n, s in scoring.items()}
    elif isinstance(scoring, list | tuple | set):
        scorers = {name: get_scorer(name) for name in scoring}
    else:
        name = scoring if isinstance(scoring, str) else getattr(scoring, "__name__", "score")
        scorers = {name: check_scoring(estimator, scoring=scoring)}
    return {name: float(scorer(estimator, X, y)) for name, scorer in scorers.items()}


def _summarise(
    experiment: str, measured: list[dict[str, float]], splits: list[tuple[Any, Any]]
) -> CrossValidation:
    # A metric that some fold could not carry has no honest mean.
    names = [name for name in measured[0] if all(name in found for found in measured)]
    folds = {name: [found[name] for found in measured] for name in names}
    return CrossValidation(
        experiment=experiment,
        folds=folds,
        mean={name: float(np.mean(values)) for name, values in folds.items()},
        std={
            name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for name, values in folds.items()
        },
        train_rows=[len(train) for train, _ in splits],
        test_rows=[len(test) for _, test in splits],
    )


def _record(run: Run, found: CrossValidation, y: Any, splits: list[tuple[Any, Any]]) -> None:
    summary: dict[str, float] = {}
    for name, value in found.mean.items():
        if name == "train_seconds":
            summary["train_seconds"] = value * len(splits)
        else:
            summary |= {f"cv_{name}": value, f"cv_{name}_std": found.std[name]}
    run.log_metrics({**summary, "folds": len(splits)})
    run.save_artifact(
        {"folds": found.folds, "train_rows": found.train_rows, "test_rows": found.test_rows}, "folds.json"
    )
    run.save_report("cross-validation.md", render_folds(found, _held(y, splits)))


def _held(y: Any, splits: list[tuple[Any, Any]]) -> list[str]:
    """Return what each fold's test rows hold: the shares of few labels, or mean and spread of numbers."""
    if y is None or np.ndim(y) != 1:
        return []
    values = np.asarray(y)
    labels, counts = np.unique(values.astype(str), return_counts=True)
    if len(labels) <= 10 and len(labels) < len(values):
        top = [label for _, label in sorted(zip(-counts, labels, strict=True))][:10]
        return [
            ", ".join(f"{label}: {np.mean(values[test].astype(str) == label):.1%}" for label in top)
            for _, test in splits
        ]
    if not np.issubdtype(values.dtype, np.number):
        return []
    return [
        f"mean {number_text(float(values[t].mean()))} ± {number_text(float(values[t].std()))}"
        for _, t in splits
    ]


def render_folds(found: CrossValidation, held: list[str]) -> str:
    """Return the cross-validation as Markdown: metrics over folds, then what each fold held."""
    rows = [
        [name, f"{number_text(found.mean[name])} ± {found.std[name]:.2g}", *[number_text(v) for v in values]]
        for name, values in found.folds.items()
    ]
    header = ["metric", "mean ± std", *[f"fold {n}" for n in range(len(found.test_rows))]]
    parts = ["# Cross-validation\n", markdown_table(header, rows), "## Folds\n"]
    columns = ["fold", "rows trained on", "rows measured on", *(["target of those"] if held else [])]
    folds = [
        [str(n), str(train), str(test), *([held[n]] if held else [])]
        for n, (train, test) in enumerate(zip(found.train_rows, found.test_rows, strict=True))
    ]
    return "\n".join([*parts, markdown_table(columns, folds)])
