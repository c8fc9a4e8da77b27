"""All experiments in few words: what was tried, what it gave, what was learnt.

Reads: the experiments' folders. Writes: nothing. Never: goes over the number of tokens it was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from specweave.errors import SpecweaveError
from specweave.experiments.compare import load_comparison
from specweave.experiments.directions import find_direction
from specweave.experiments.query import common_metrics
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.experiments.tables import cell, number_text

# A cautious rule of thumb for English text with numbers in it.
CHARACTERS_PER_TOKEN = 3.5


def digest_experiments(
    store: ExperimentStore,
    *,
    tokens: int = 1500,
    metric: str | None = None,
    higher_is_better: bool | None = None,
) -> str:
    """Return a digest for a person, or an agent, who comes new.

    Parameters
    ----------
    store : ExperimentStore
    tokens : int
        Upper bound of its length, at 3.5 characters a token.
    metric : str, optional
        What experiments are judged by; that of the last comparison, else the one most share.
    higher_is_better : bool, optional
        Told by the metric's name where not given.
    """
    records, unreadable = store.readable()
    name, higher, reason = _judged_by(store, records, metric, higher_is_better)
    measured = [r for r in records if r.status == "completed" and _is_value(r.metrics.get(name))]
    measured.sort(key=lambda r: (-r.metrics[name] if higher else r.metrics[name], r.id))
    bad = [r for r in records if r.status in ("failed", "interrupted")]
    blocks = [
        _head(records, len(unreadable), name, higher, measured, reason),
        _tried(measured, name),
        [f"- {r.id} {r.status}: {r.last_note() or 'no note'}" for r in bad],
        _learnt(measured, name, higher),
        [f"- {r.id}: {note}" for r in records if (note := _notes(r))],
    ]
    titles = ["", "## What it gave, best first", "## What failed", "## What settings did", "## Notes"]
    return _fit(titles, blocks, round(tokens * CHARACTERS_PER_TOKEN))


def _judged_by(
    store: ExperimentStore,
    records: Sequence[ExperimentRecord],
    metric: str | None,
    higher_is_better: bool | None,
) -> tuple[str, bool, str]:
    reason = ""
    if metric is None:
        try:
            found = load_comparison(store.folder)
        except SpecweaveError:
            found = None
        if found is not None:
            metric, higher_is_better, reason = found.metric, found.higher_is_better, found.reason
    if metric is None:
        metric = next(iter(common_metrics(records, 1)), "")
    name = f"cv_{metric}" if any(f"cv_{metric}" in r.metrics for r in records) else metric
    if higher_is_better is None:
        higher_is_better = find_direction(name) is not False
    return name, higher_is_better, reason


def _is_value(value: float | None) -> bool:
    return value is not None and value == value


def _head(
    records: Sequence[ExperimentRecord],
    unreadable: int,
    name: str,
    higher: bool,
    measured: Sequence[ExperimentRecord],
    reason: str,
) -> list[str]:
    counts = Counter(r.status for r in records)
    said = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    lines = [f"# {len(records)} experiments{f': {said}' if said else ''}"]
    if unreadable:
        lines.append(f"{unreadable} more cannot be read; run: sw doctor")
    if measured:
        best = measured[0]
        lines.append(
            f"Best by {name} ({'higher' if higher else 'lower'} is better): {best.id}, {_value(best, name)}."
        )
    if reason:
        lines.append(reason)
    return lines


def _value(record: ExperimentRecord, name: str) -> str:
    spread = record.metrics.get(f"{name}_std")
    return number_text(record.metrics[name]) + (f" ± {spread:.2g}" if spread is not None else "")


def _tried(measured: Sequence[ExperimentRecord], name: str) -> list[str]:
    varied = _varied(measured)
    return [
        f"- {r.id}: {_value(r, name)}" + (f" ({settings})" if (settings := _settings(r, varied)) else "")
        for r in measured
    ]


def _varied(records: Sequence[ExperimentRecord]) -> list[str]:
    """Return the params that differ between experiments which share them."""
    seen: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.params.items():
            seen.setdefault(name, set()).add(cell(value))
    return [name for name, values in seen.items() if len(values) > 1]


def _settings(record: ExperimentRecord, varied: Sequence[str]) -> str:
    shown = [f"{n}={cell(record.params[n], 24)}" for n in varied if n in record.params]
    return ", ".join(shown[:8]) + (", ..." if len(shown) > 8 else "")


def _learnt(measured: Sequence[ExperimentRecord], name: str, higher: bool) -> list[str]:
    """Return, per setting tried with several values, which value did best and by how much."""
    lines: list[tuple[float, str]] = []
    for param in _varied(measured):
        groups: dict[str, float] = {}
        for record in measured:
            if param in record.params:
                value, score = cell(record.params[param], 24), record.metrics[name]
                known = groups.get(value)
                if known is None or (score > known if higher else score < known):
                    groups[value] = score
        if not 2 <= len(groups) <= 12:
            continue
        order = sorted(groups, key=lambda v: groups[v], reverse=higher)
        gap = abs(groups[order[0]] - groups[order[-1]])
        shown = ", ".join(f"{value}: {number_text(groups[value])}" for value in order[:5])
        lines.append((gap, f"- {param}: best value of each setting {shown}"))
    lines.sort(key=lambda line: -line[0])
    return [text for _, text in lines[:12]]


def _notes(record: ExperimentRecord) -> str:
    if record.status in ("failed", "interrupted"):
        return ""
    return " ".join(record.load_notes().replace("\n- ", "; ").lstrip("- ").split())[:300]


def _fit(titles: Sequence[str], blocks: Sequence[Sequence[str]], size: int) -> str:
    """Join the blocks; where they are too long, drop lines from the end of the longest first."""
    kept = [list(block) for block in blocks]
    dropped = [0] * len(blocks)

    def text() -> str:
        parts = []
        for title, lines, missing in zip(titles, kept, dropped, strict=True):
            more = [f"- and {missing} more"] if missing else []
            if lines or more:
                parts.append("\n".join([*([title] if title else []), *lines, *more]))
        return "\n\n".join(parts) + "\n"

    while len(text()) > size and any(kept[1:]):
        longest = max(range(1, len(kept)), key=lambda i: sum(map(len, kept[i])))
        # A tenth at a time, so that a thousand experiments do not take a thousand rounds.
        for _ in range(max(1, len(kept[longest]) // 10)):
            kept[longest].pop()
            dropped[longest] += 1
    found = text()
    return found if len(found) <= size else found[: max(0, size - 4)] + "...\n"
