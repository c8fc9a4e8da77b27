"""What is different between two experiments: settings, data, code, packages, results.

Reads: two experiments' folders. Writes: nothing. Never: calls a difference real that was not tested.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from specweave.experiments.directions import find_direction
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.experiments.tables import cell, markdown_table, number_text


class Change(msgspec.Struct, frozen=True):
    """One thing that differs; None where one side has none."""

    name: str
    a: Any
    b: Any


class MetricChange(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of both; `better` names the better experiment where the direction is known."""

    name: str
    a: float | None
    b: float | None
    difference: float | None
    better: str | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs between two experiments.

    Attributes
    ----------
    a, b : str
        Their ids.
    test : dict
        A paired test of their predictions, where the caller made one.
    """

    a: str
    b: str
    params: list[Change]
    provenance: list[Change]
    packages: list[Change]
    metrics: list[MetricChange]
    test: dict[str, Any] = {}


def diff_experiments(
    store: ExperimentStore,
    a: str | int,
    b: str | int,
    *,
    test: Mapping[str, Any] | None = None,
) -> Difference:
    """Return what differs between two experiments.

    Parameters
    ----------
    a, b : str or int
        See `ExperimentStore.get`.
    test : mapping, optional
        A paired test of a against b: any of ``test``, ``difference``, ``low``, ``high``, ``p_value``, ``n``.
    """
    left, right = store.get(a), store.get(b)
    return Difference(
        a=left.id,
        b=right.id,
        params=_changes(left.params, right.params),
        provenance=_changes(_provenance(left), _provenance(right)),
        packages=_changes(left.load_requirements(), right.load_requirements()),
        metrics=_metrics(left, right),
        test=dict(test or {}),
    )


def _provenance(record: ExperimentRecord) -> dict[str, Any]:
    git = record.git or {}
    return {
        "data": record.data_sha256,
        "commit": git.get("commit"),
        "uncommitted changes": git.get("dirty"),
        "seed": record.seed,
        "python": record.python,
        "host": record.host,
        "task": record.task,
        "status": record.status,
        "patch": _patch(record),
    }


def _patch(record: ExperimentRecord) -> str | None:
    from specweave.files.store import sha256_file

    path = record.folder / "git.patch"
    return f"sha256 {sha256_file(path)[:12]}" if path.exists() else None


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    names = [*a, *[name for name in b if name not in a]]
    return [Change(n, a.get(n), b.get(n)) for n in sorted(names) if a.get(n) != b.get(n)]


def _metrics(left: ExperimentRecord, right: ExperimentRecord) -> list[MetricChange]:
    found = []
    for name in [*left.metrics, *[n for n in right.metrics if n not in left.metrics]]:
        a, b = left.metrics.get(name), right.metrics.get(name)
        difference = None if a is None or b is None else b - a
        direction = find_direction(name)
        better = None
        if difference and direction is not None:
            better = right.id if (difference > 0) == direction else left.id
        found.append(MetricChange(name=name, a=a, b=b, difference=difference, better=better))
    return found


def render_difference(found: Difference) -> str:
    """Return the difference as Markdown."""
    parts = [f"# {found.a} against {found.b}\n"]
    for title, changes in (
        ("Params", found.params),
        ("Provenance", found.provenance),
        ("Packages", found.packages),
    ):
        if changes:
            rows = [[c.name, cell(c.a, 60), cell(c.b, 60)] for c in changes]
            parts += [f"## {title}\n", markdown_table([title.lower().rstrip("s"), found.a, found.b], rows)]
    if found.metrics:
        rows = [
            [m.name, number_text(m.a), number_text(m.b), number_text(m.difference), m.better or ""]
            for m in found.metrics
        ]
        parts += ["## Metrics\n", markdown_table(["metric", found.a, found.b, "difference", "better"], rows)]
    if found.test:
        said = ", ".join(f"{n.replace('_', ' ')} {cell(v)}" for n, v in found.test.items() if v is not None)
        parts += ["## Paired test on the same rows\n", said + "\n"]
    elif found.metrics:
        parts.append(
            "No paired test was made: a difference alone does not say that it would hold on other rows.\n"
        )
    if not (found.params or found.provenance or found.packages):
        parts.insert(1, "Same settings, data, code and packages.\n")
    return "\n".join(parts)
