"""How much each feature says about the target: alone, and in a quick boosted model.

Reads: the training rows' features. Writes: nothing. Never: sees a holdout row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from specweave.tables.features import TableFeatures
from specweave.tables.screening import rank_features

_ROWS = 20_000
_TREES = 100


def measure_importance(
    features: TableFeatures, matrix: np.ndarray, y: np.ndarray, *, seed: int
) -> dict[str, Any]:
    """Measure every feature on training rows.

    Parameters
    ----------
    features : TableFeatures
        Fitted.
    matrix : ndarray, shape (n_rows, n_features)
        What its ``fit_transform`` gave, target encodings cross-fitted.
    y : ndarray, shape (n_rows,)

    Returns
    -------
    dict
        ``features``: name, column, ``univariate`` (share of rank variance explained, see
        `specweave.tables.screening.rank_features`), ``gain`` (share of the total gain of a LightGBM model
        of 100 trees on at most 20,000 rows), strongest first. ``columns``: the same summed per raw
        column, with the strongest univariate value.
    """
    names = [str(name) for name in features.get_feature_names_out()]
    alone = rank_features(matrix, y, features.task, seed=seed)
    gain = _gains(matrix, y, features.task, seed)
    rows: list[dict[str, Any]] = [
        {"feature": name, "column": features.origins_[name], "univariate": float(a), "gain": float(g)}
        for name, a, g in zip(names, alone, gain, strict=True)
    ]
    rows.sort(key=lambda r: (-r["gain"], -r["univariate"], r["feature"]))
    columns: dict[str, dict[str, Any]] = {}
    for row in rows:
        entry = columns.setdefault(
            row["column"], {"column": row["column"], "features": 0, "gain": 0.0, "univariate": 0.0}
        )
        entry["features"] += 1
        entry["gain"] += row["gain"]
        entry["univariate"] = max(entry["univariate"], row["univariate"])
    ranked = sorted(columns.values(), key=lambda c: (-c["gain"], -c["univariate"], c["column"]))
    return {"rows": len(y), "features": rows, "columns": ranked}


def _gains(matrix: np.ndarray, y: np.ndarray, task: str, seed: int) -> np.ndarray:
    import lightgbm

    if len(y) > _ROWS:
        chosen = np.random.default_rng(seed).choice(len(y), _ROWS, replace=False)
        matrix, y = matrix[chosen], y[chosen]
    settings: dict[str, Any] = {
        "importance_type": "gain", "random_state": seed, "n_jobs": 1, "verbosity": -1,
        "min_child_samples": max(1, min(20, len(y) // 10)), "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    if task == "classification":
        # One tree per class and round: fewer rounds where there are many classes.
        rounds = max(10, _TREES // max(1, len(np.unique(y)) - 1))
        model = lightgbm.LGBMClassifier(n_estimators=rounds, **settings)
    else:
        model = lightgbm.LGBMRegressor(n_estimators=_TREES, **settings)
    model.fit(matrix, y)
    gain = np.asarray(model.feature_importances_, dtype=float)
    total = float(gain.sum())
    return gain / total if total > 0 else gain
