"""A readable page of one experiment: settings, measured values, notes.

Reads: the experiment's history and notes. Writes: nothing. Never: holds a clock or a path, so that
the same folder gives the same page.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specweave.errors import StorageError
from specweave.experiments.history import MetricSummary, load_history, summarise
from specweave.experiments.record import NOTES, Header
from specweave.experiments.tables import cell, markdown_table, number_text
from specweave.files.store import read_text


def render_report(header: Header, params: Mapping[str, Any], folder: Path) -> str:
    """Return the Markdown report of an experiment, made from what its folder holds.

    Parameters
    ----------
    header : Header
        An `ExperimentRecord` will do.
    params : mapping
    folder : Path
        Where its history and notes are.
    """
    summaries = summarise(load_history(folder)[0])
    parts = [f"# {header.title or header.name}\n", _facts(header)]
    if summaries:
        parts += ["## Measured\n", _metrics(summaries)]
    if params:
        parts += [
            "## Settings\n",
            markdown_table(["param", "value"], [[k, cell(v)] for k, v in params.items()]),
        ]
    notes = _notes(folder)
    if notes:
        parts += ["## Notes\n", notes]
    kept = [(n, a) for n, a in header.artifacts.items() if a.role != "report"]
    if kept:
        rows = [[f"[{n}]({n})", a.role, size_text(a.bytes)] for n, a in sorted(kept)]
        parts += ["## Files\n", markdown_table(["file", "role", "size"], rows)]
    if not (summaries or params or notes or kept):
        parts.append("Nothing was logged before this report was made.\n")
    return "\n".join(parts)


def _facts(header: Header) -> str:
    git = header.git or {}
    commit = str(git.get("commit") or "")[:12]
    facts = {
        "Experiment": header.id,
        "Increment": header.increment,
        "Task": header.task,
        "Seed": header.seed,
        "Data": None if header.data_sha256 is None else f"sha256 {header.data_sha256[:12]}",
        "Code": f"git {commit}{' with uncommitted changes (git.patch)' if git.get('dirty') else ''}"
        if commit
        else None,
        "Python": header.python or None,
        "Tags": ", ".join(n if not v else f"{n}={v}" for n, v in sorted(header.tags.items())) or None,
    }
    return "".join(f"- {name}: {value}\n" for name, value in facts.items() if value is not None)


def _metrics(summaries: Mapping[str, MetricSummary]) -> str:
    if all(s.count == 1 for s in summaries.values()):
        return markdown_table(["metric", "value"], [[n, number_text(s.last)] for n, s in summaries.items()])
    rows = [
        [name, number_text(s.last), _at(s.low, s.low_step), _at(s.high, s.high_step), str(s.count)]
        if s.count > 1
        else [name, number_text(s.last), "", "", "1"]
        for name, s in summaries.items()
    ]
    return markdown_table(["metric", "last", "lowest (step)", "highest (step)", "values"], rows)


def _at(value: float, step: int) -> str:
    return f"{number_text(value)} ({step})"


def _notes(folder: Path) -> str:
    try:
        return read_text(folder / NOTES)
    except StorageError:
        return ""


def size_text(size_bytes: float) -> str:
    """Return a size in the unit people read."""
    size = float(size_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
