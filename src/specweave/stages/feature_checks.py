"""Whether the features can be trusted: nothing leaks, the holdout looks like the training rows.

Reads: raw rows and the fitted feature step. Writes: nothing. Never: looks at the holdout's target.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.problems.base import Dataset, Split
from specweave.records import Finding
from specweave.tables.dates import to_instants
from specweave.tables.drift import check_drift
from specweave.tables.features import TableFeatures
from specweave.tables.values import to_numbers

_PARITY_ROWS = 20
_NEW_SHARE = 0.01
_REPEATED = 0.05
_MOST_DRIFT = 50


def check_features(
    dataset: Dataset, split: Split, features: TableFeatures, train: np.ndarray, leaks: Mapping[str, str]
) -> dict[str, Any]:
    """Check a fitted feature step against leakage, drift and invalid values.

    Parameters
    ----------
    dataset : Dataset
    split : Split
    features : TableFeatures
        Fitted on the training rows.
    train : ndarray, shape (n_train, n_features)
        The features of the training rows.
    leaks : mapping of str to str
        Columns found to give the target away, with the reason.

    Returns
    -------
    dict
        ``checks``: name, ``passed``, what was found in words. ``drift``: as
        `specweave.tables.drift.check_drift`, the 50 columns that moved furthest. ``findings``.

        SW227 holdout drifts · SW228 holdout rows repeat training rows · SW229 levels the training rows
        lack · SW230 values that are no finite number · SW231 a suspected leak is used · SW232 holdout not
        after the training rows · SW233 group on both sides · SW234 features depend on other rows.
    """
    used = list(features.required_columns_)
    before, after = dataset.frame.iloc[split.train], dataset.frame.iloc[split.holdout]
    drift = check_drift(before[used], after[used], {name: features.kinds_[name] for name in used})
    holdout = features.transform(after).to_numpy() if len(after) else np.empty((0, train.shape[1]))
    results = [
        _apart(split),
        _repeats(before[used], after[used]),
        *_time_order(dataset, before, after),
        *_groups(dataset, before, after),
        _no_target(dataset, used),
        _leaks(leaks, used),
        _row_by_row(features, after if len(after) else before),
        _finite(features, train, holdout),
        _infinite_inputs(before, after, used, features),
        _drifted(drift),
        _new_levels(drift),
    ]
    return {
        "rows": {"train": len(before), "holdout": len(after)},
        "columns_used": len(used),
        "features": train.shape[1],
        "checks": [
            {"name": name, "passed": finding is None, "found": words} for name, words, finding in results
        ],
        "drift": drift[:_MOST_DRIFT],
        "drift_tested": len(drift),
        "findings": [finding for _, _, finding in results if finding is not None],
    }


_Result = tuple[str, str, Finding | None]


def _result(name: str, words: str) -> _Result:
    return name, words, None


def _doubt(
    name: str, code: str, words: str, advice: str, *, where: str = "", grave: bool = False, **evidence: Any
) -> _Result:
    finding = Finding(
        code=code, severity="error" if grave else "warning", message=words, where=where, evidence=evidence,
        advice=advice,
    )  # fmt: skip
    return name, words, finding


def _apart(split: Split) -> _Result:
    split.check()
    words = f"{len(split.train):,} training rows and {len(split.holdout):,} holdout rows share no row"
    return _result("Training rows and holdout are apart", words)


def _repeats(before: pd.DataFrame, after: pd.DataFrame) -> _Result:
    name = "Holdout rows do not repeat training rows"
    known = set(_hashes(before).tolist())
    same = int(sum(value in known for value in _hashes(after).tolist()))
    share = same / max(1, len(after))
    words = f"{same} of {len(after):,} holdout rows ({share:.1%}) equal a training row in every input"
    if share <= _REPEATED:
        return _result(name, words)
    return _doubt(
        name, "SW228", words,
        "if they are one event told twice, remove the copies or name a 'Group column' in spec.md",
        rows=same, share=share,
    )  # fmt: skip


def _hashes(frame: pd.DataFrame) -> np.ndarray:
    if not len(frame) or not len(frame.columns):
        return np.empty(0, dtype=np.uint64)
    try:
        return np.asarray(pd.util.hash_pandas_object(frame, index=False))
    except TypeError:  # cells that hold lists
        return np.asarray(pd.util.hash_pandas_object(frame.astype(str), index=False))


def _time_order(dataset: Dataset, before: pd.DataFrame, after: pd.DataFrame) -> list[_Result]:
    column = dataset.roles.get("time")
    if not column or not len(after):
        return []
    name = "The holdout lies after the training rows"
    kind = dataset.kinds[column]
    first, last = (_times(frame[column], kind) for frame in (after, before))
    if not len(first) or not len(last):
        return []
    early = int(np.sum(first < last.max()))
    if not early:
        return [_result(name, f"no holdout row is earlier than the last training row ({column})")]
    words = f"{early} of {len(after):,} holdout rows are earlier than the last training row ({column})"
    return [
        _doubt(
            name,
            "SW232",
            words,
            "write 'Validation: last 20% by time' in spec.md",
            where=str(column),
            rows=early,
        )
    ]


def _times(column: pd.Series[Any], kind: Any) -> np.ndarray:
    if kind.kind == "datetime":
        instants = to_instants(column, kind.format)
        return np.asarray(instants[~np.isnat(instants)])
    values, _ = to_numbers(column)
    return np.asarray(values[np.isfinite(values)])


def _groups(dataset: Dataset, before: pd.DataFrame, after: pd.DataFrame) -> list[_Result]:
    column = dataset.roles.get("group")
    if not column:
        return []
    name = "No group stands on both sides"
    both = set(before[column].dropna().astype(str)) & set(after[column].dropna().astype(str))
    if not both:
        return [_result(name, f"no value of {column} is in training rows and holdout")]
    words = f"{len(both)} values of {column} are in training rows and holdout"
    return [
        _doubt(name, "SW233", words, "write 'Validation: grouped 20% holdout' in spec.md", where=str(column),
               grave=True, groups=len(both))
    ]  # fmt: skip


def _no_target(dataset: Dataset, used: Sequence[str]) -> _Result:
    target, name = dataset.roles.get("target"), "The target feeds no feature"
    if target in used:
        words = f"{target} is the target and feeds features"
        return _doubt(name, "SW231", words, "leave it out of the features", where=str(target), grave=True)
    return _result(name, f"{len(used)} columns feed features, {target} is not among them")


def _leaks(leaks: Mapping[str, str], used: Sequence[str]) -> _Result:
    name = "Columns that give the target away are left out"
    kept = [column for column in leaks if column in used]
    if not kept:
        left = ", ".join(leaks) or "none was found"
        return _result(name, f"left out: {left}" if leaks else left)
    words = f"{', '.join(kept)}: found to give the target away, yet used"
    return _doubt(
        name, "SW231", words,
        "make sure that it is known before the outcome; else set action: drop in the feature definitions",
        where=kept[0], columns={column: leaks[column] for column in kept},
    )  # fmt: skip


def _row_by_row(features: TableFeatures, rows: pd.DataFrame) -> _Result:
    name = "A row's features do not depend on other rows"
    sample = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(_PARITY_ROWS, len(rows))).astype(int))]
    together = features.transform(sample).to_numpy()
    single = np.vstack([features.transform(sample.iloc[[at]]).to_numpy() for at in range(len(sample))])
    wrong = int(np.sum(~np.isclose(together, single, rtol=1e-9, atol=1e-12, equal_nan=True).all(axis=1)))
    if not wrong:
        return _result(name, f"{len(sample)} rows give the same features one by one and together")
    words = f"{wrong} of {len(sample)} rows give other features one by one than together"
    return _doubt(name, "SW234", words, "report it: the service would answer differently from the evaluation",
                  grave=True, rows=wrong)  # fmt: skip


def _finite(features: TableFeatures, train: np.ndarray, holdout: np.ndarray) -> _Result:
    name = "Every feature is a finite number"
    counts = [int(np.sum(~np.isfinite(part))) for part in (train, holdout)]
    # Without imputation gaps stay NaN on purpose; infinite values never are.
    if not features.impute:
        counts = [int(np.sum(np.isinf(part))) for part in (train, holdout)]
    words = f"{counts[0]} values of the training rows and {counts[1]} of the holdout are no finite number"
    if not sum(counts):
        return _result(name, words)
    return _doubt(name, "SW230", words, "report it: models refuse such values", grave=True,
                  train=counts[0], holdout=counts[1])  # fmt: skip


def _infinite_inputs(
    before: pd.DataFrame, after: pd.DataFrame, used: Sequence[str], features: TableFeatures
) -> _Result:
    name = "No input is infinite"
    found = {}
    for column in used:
        if features.kinds_[column].kind == "numeric":
            n = sum(int(np.isinf(to_numbers(part[column])[0]).sum()) for part in (before, after))
            if n:
                found[column] = n
    if not found:
        return _result(name, "no infinite value in any used column")
    words = "infinite values in " + ", ".join(f"{column} ({n})" for column, n in list(found.items())[:5])
    return _doubt(name, "SW230", words, "they count as missing; look for a division by zero at the source",
                  where=next(iter(found)), columns=found)  # fmt: skip


def _drifted(drift: Sequence[Mapping[str, Any]]) -> _Result:
    name = "The holdout looks like the training rows"
    moved = [d for d in drift if d["level"] != "none"]
    if not moved:
        return _result(name, f"no moderate or large drift in {len(drift)} columns")
    shown = ", ".join(f"{d['column']} (PSI {d['psi']:.2f})" for d in moved[:5])
    words = f"{len(moved)} of {len(drift)} columns drift: {shown}"
    return _doubt(
        name, "SW227", words,
        "expected where the holdout is later in time; otherwise look at how the rows were drawn",
        where=str(moved[0]["column"]),
        columns={d["column"]: {k: d[k] for k in ("psi", "level")} for d in moved},
    )  # fmt: skip


def _new_levels(drift: Sequence[Mapping[str, Any]]) -> _Result:
    name = "The holdout's categories are known"
    found = {d["column"]: d for d in drift if d.get("new_levels")}
    many = {column: d["new_share"] for column, d in found.items() if d["new_share"] > _NEW_SHARE}
    shown = ", ".join(f"{c} ({d['new_share']:.1%} of the rows)" for c, d in list(found.items())[:5])
    if not many:
        return _result(name, f"new levels in {shown}" if found else "no level that the training rows lack")
    return _doubt(
        name, "SW229", f"levels that the training rows lack: {shown}",
        "they are treated as a rare level; more rows or coarser levels would help",
        where=next(iter(many)), columns=many,
    )  # fmt: skip
