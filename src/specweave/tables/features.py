"""The transformer for a table, what it does as a record, and the transformer an edited record asks for.

Reads: kinds, the content of ``feature_definitions.yaml``. Writes: nothing; the caller saves it.
Never: guesses which of kind and action a person changed; the record holds what was inferred.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.utils.validation import check_is_fitted

from specweave.errors import DataError, did_you_mean
from specweave.tables.kinds import ColumnKind, as_kind
from specweave.tables.transformer import ACTIONS, TableFeatures

__all__ = [
    "ACTIONS",
    "TableFeatures",
    "definitions",
    "draft_definitions",
    "from_definitions",
    "make_features",
]


def make_features(
    kinds: Mapping[str, ColumnKind],
    *,
    task: str,
    target: str | None = None,
    drop: Mapping[str, str] | None = None,
    seed: int = 0,
    **settings: Any,
) -> TableFeatures:
    """Make the transformer for a table.

    Parameters
    ----------
    kinds : mapping of str to ColumnKind
        As `infer_kinds` returns them.
    target : str, optional
        Left out of the features.
    drop : mapping of str to str, optional
        Further columns to leave out, with reasons (leaks, for example).
    **settings
        Other parameters of `TableFeatures`.
    """
    used = {name: kind for name, kind in kinds.items() if name != target}
    return TableFeatures(used, drop=dict(drop or {}), task=task, seed=seed, **settings)


_SETTINGS = ("task", "max_onehot", "rare_share", "impute", "text_components", "select", "seed")


def definitions(transformer: TableFeatures) -> dict[str, Any]:
    """Return what a fitted transformer does, as the content of ``feature_definitions.yaml``.

    Returns
    -------
    dict
        ``settings`` and ``columns``: for each raw column its kind, action, reason and features. A person
        edits ``kind``, ``format`` or ``action`` and `from_definitions` follows.
    """
    check_is_fitted(transformer, "encoders_")
    made: dict[str, list[str]] = {}
    for feature, origin in transformer.origins_.items():
        made.setdefault(origin, []).append(feature)
    columns: dict[str, Any] = {}
    for name, kind in transformer.kinds_.items():
        reason = transformer.dropped_.get(name) or kind.reason
        columns[name] = _entry(kind, transformer.actions_[name], reason, made.get(name, []))
    return {"settings": {key: getattr(transformer, key) for key in _SETTINGS}, "columns": columns}


def draft_definitions(transformer: TableFeatures, X: Any) -> dict[str, Any]:
    """Return what an unfitted transformer would do with these rows, as `definitions` without features.

    Parameters
    ----------
    X : pandas.DataFrame of shape (n_rows, n_columns)
        Training rows.
    """
    columns: dict[str, Any] = {}
    actions = transformer.choose_actions(X)
    for name, given in (transformer.kinds or {}).items():
        kind = as_kind(given)
        reason = (transformer.drop or {}).get(name) or kind.reason
        columns[name] = _entry(kind, actions[name], reason, [])
    return {"settings": {key: getattr(transformer, key) for key in _SETTINGS}, "columns": columns}


def _entry(kind: ColumnKind, action: str, reason: str, features: list[str]) -> dict[str, Any]:
    return {
        "kind": kind.kind,
        "inferred_kind": kind.kind,
        **({"format": kind.format, "inferred_format": kind.format} if kind.format else {}),
        "action": action,
        "inferred_action": action,
        "reason": reason,
        "features": features,
    }


def from_definitions(content: Mapping[str, Any]) -> TableFeatures:
    """Make the transformer that edited definitions ask for.

    Where a person changed ``kind``, the column is treated as that kind usually is. Where a person changed
    ``action`` to one of another kind, the kind follows (``one-hot`` on a number makes it a category).

    Raises
    ------
    DataError
        If a kind or action is unknown; names the column.
    """
    kinds: dict[str, ColumnKind] = {}
    actions: dict[str, str] = {}
    drop: dict[str, str] = {}
    for name, entry in dict(content.get("columns") or {}).items():
        kind, action = _read_entry(str(name), entry)
        kinds[str(name)] = kind
        if action == "drop" and ACTIONS[kind.kind] != ("drop",):
            drop[str(name)] = str(entry.get("reason") or "left out in the feature definitions")
        elif action != ACTIONS[kind.kind][0]:
            actions[str(name)] = action
    settings = dict(content.get("settings") or {})
    unknown = sorted(set(settings) - set(_SETTINGS))
    if unknown:
        raise DataError(f"unknown feature setting '{unknown[0]}'", hint=did_you_mean(unknown[0], _SETTINGS))
    return TableFeatures(kinds, drop=drop, actions=actions, **settings)


def _read_entry(name: str, entry: Any) -> tuple[ColumnKind, str]:
    if not isinstance(entry, Mapping) or "kind" not in entry:
        raise DataError(
            f"feature definition of '{name}' has no kind", hint=f"add 'kind: numeric' under {name}"
        )
    try:
        kind = as_kind(entry)
    except DataError as error:
        raise DataError(f"feature definition of '{name}': {error.what}", hint=error.hint) from error
    action = str(entry.get("action") or ACTIONS[kind.kind][0])
    owners = [k for k, allowed in ACTIONS.items() if action in allowed]
    if not owners:
        known = sorted({a for allowed in ACTIONS.values() for a in allowed})
        raise DataError(
            f"feature definition of '{name}': unknown action '{action}'", hint=did_you_mean(action, known)
        )
    inferred = entry.get("inferred_kind", kind.kind)
    if entry.get("inferred_action", None if kind.kind == inferred else action) == action:
        # Only the kind speaks: an action that belongs to another kind, or a drop because of it, does not.
        dropped_as = action == "drop" and kind.kind != inferred and ACTIONS.get(inferred) == ("drop",)
        kept = action in ACTIONS[kind.kind] and not dropped_as
        return kind, action if kept else ACTIONS[kind.kind][0]
    if kind.kind not in owners:
        return as_kind({**entry, "kind": owners[0]}), action
    return kind, action
