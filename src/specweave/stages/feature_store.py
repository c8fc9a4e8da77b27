"""The model's inputs as a feature store would declare them: entities, typed fields, source.

Reads: a dataset and its fitted features. Writes: nothing; the caller saves. Never: needs Feast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from specweave.problems.base import Dataset

_TYPES = {
    "integer": "Int64",
    "number": "Float64",
    "boolean": "Bool",
    "text": "String",
    "date": "UnixTimestamp",
}


def make_feature_store(
    dataset: Dataset, schema: Mapping[str, Any], used: Sequence[str], *, name: str
) -> dict[str, Any]:
    """Return entities, one feature view and one feature service in the words of Feast's definitions.

    Parameters
    ----------
    dataset : Dataset
    schema : mapping
        As `specweave.tables.schema.make_schema` returns it: gives the types.
    used : sequence of str
        Raw columns that feed features.
    name : str
        Of the feature view.
    """
    columns = schema["columns"]
    keys = [k for k in (dataset.roles.get("identifiers") or []) if k in columns]
    time = dataset.roles.get("time")
    return {
        "entities": [{"name": k, "join_keys": [k], "value_type": _type(columns[k])} for k in keys],
        "feature_views": [
            {
                "name": name,
                "entities": keys,
                "source": {"path": dataset.source.path, "timestamp_field": time},
                "schema": [
                    {"name": c, "dtype": _type(columns[c]), "kind": columns[c]["kind"]}
                    for c in used
                    if c in columns and c not in keys
                ],
                "tags": {"target": str(dataset.roles.get("target") or "")},
            }
        ],
        "feature_services": [{"name": f"{name}_model", "feature_views": [name]}],
    }


def _type(entry: Mapping[str, Any]) -> str:
    return _TYPES.get(str(entry["dtype"]), "String")
