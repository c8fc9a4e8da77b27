"""``feature_definitions.yaml`` made anew: what the data suggests, with a person's edits kept.

Reads: the definitions there are. Writes: nothing; the caller saves. Never: takes its own inference for
a person's word, or a person's word for its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from specweave.tables.features import TableFeatures, definitions, draft_definitions, from_definitions

HEADER = """\
# What becomes of each column. Edit kind, format or action: training follows, and the edit stays when this
# file is made again. The inferred_ lines say what was found by itself; leave them, they mark your edits.
# kind: numeric, boolean, category, text, datetime, identifier    format (dates): '%d/%m/%Y', ISO8601, unix-s
# action: numeric, log, boolean, one-hot, target-encode, text, dates, drop    settings come from plan.md
"""


def redraft(fresh: TableFeatures, X: pd.DataFrame, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return definitions for these rows: inferred, with the edits of an earlier file laid over them.

    Parameters
    ----------
    fresh : TableFeatures
        Unfitted, as data and plan alone ask for it.
    X : DataFrame, shape (n_rows, n_columns)
        Training rows.
    before : mapping, optional
        The earlier content. Where its kind, format or action differs from the inferred one beside it, a
        person has spoken, and it stays so.

    Raises
    ------
    DataError
        If an edit names an unknown kind or action; names the column.
    """
    draft = draft_definitions(fresh, X)
    edits = {n: e for n, e in find_edits(before).items() if n in draft["columns"]}
    if not edits:
        return draft
    columns: dict[str, Any] = draft["columns"]
    for name, edit in edits.items():
        entry = columns[name]
        kept = {key: edit[key] for key in ("kind", "format") if key in edit}
        if kept:
            columns[name] = {
                **entry,
                **kept,
                "reason": _by_hand(entry, "kind" if "kind" in kept else "format"),
            }
    # What an edited kind is usually done with is inferred too, and no edit of the action.
    usual = from_definitions(draft).choose_actions(X)
    for name, edit in edits.items():
        entry = columns[name]
        entry["action"] = entry["inferred_action"] = usual[name]
        if "action" in edit:
            entry["reason"] = _by_hand(entry, "action")
            entry["action"] = edit["action"]
    return {**draft, "columns": {name: _ordered(entry) for name, entry in columns.items()}}


def find_edits(content: Mapping[str, Any] | None) -> dict[str, dict[str, str]]:
    """Return what a person changed: per column the new ``kind``, ``format`` or ``action``.

    Examples
    --------
    >>> entry = {"kind": "category", "inferred_kind": "numeric", "action": "log", "inferred_action": "log"}
    >>> find_edits({"columns": {"zip": entry}})
    {'zip': {'kind': 'category'}}
    """
    edits: dict[str, dict[str, str]] = {}
    for name, entry in dict((content or {}).get("columns") or {}).items():
        if not isinstance(entry, Mapping):
            continue
        changed = {
            key: str(entry.get(key) or "")
            for key in ("kind", "format", "action")
            if _edited(entry, key) and (entry.get(key) or key == "format")
        }
        if changed:
            edits[str(name)] = changed
    return edits


def _edited(entry: Mapping[str, Any], key: str) -> bool:
    if key == "format":
        return str(entry.get("format") or "") != str(entry.get("inferred_format") or "")
    return f"inferred_{key}" in entry and entry.get(key) != entry[f"inferred_{key}"]


def finish(content: Mapping[str, Any], fitted: TableFeatures) -> dict[str, Any]:
    """Return the definitions with what fitting gave: the features of each column, or why there are none."""
    learned = definitions(fitted)["columns"]
    columns = {}
    for name, entry in content["columns"].items():
        features = learned[name]["features"]
        # A column can fall away in fitting, too: constant or repeated in the training rows.
        gone = not features and entry["action"] != "drop"
        reason = learned[name]["reason"] if gone else entry["reason"]
        columns[name] = {**entry, "reason": reason, "features": features}
    return {"settings": content["settings"], "columns": columns}


def _by_hand(entry: Mapping[str, Any], key: str) -> str:
    found = entry.get(f"inferred_{key}") or "none"
    reason = f": {entry['reason']}" if entry.get("reason") else ""
    return f"{key} set by hand (inferred {found}{reason})"


def _ordered(entry: Mapping[str, Any]) -> dict[str, Any]:
    first = ("kind", "inferred_kind", "format", "inferred_format", "action", "inferred_action")
    kept = {
        key: entry[key] for key in first if entry.get(key) or (key == "format" and "inferred_format" in entry)
    }
    return {**kept, **{key: value for key, value in entry.items() if key not in first}}
