"""Whether a package answers in a fresh process as the model did when it was measured.

Reads: an inference package, sample rows. Writes: files in a temporary folder. Never: lets the child share
memory, imports or the working folder of its parent.
"""

from __future__ import annotations

import json
import math
import os
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import StageError
from specweave.files.store import load_json, number, save_json
from specweave.tables.kinds import ColumnKind

UNSEEN = "never seen before"
RELATIVE, ABSOLUTE = 1e-6, 1e-9
_TIME_LIMIT_S = 300
# Answers must agree in everything else; reasons may rest on sampled contributions.
_NOT_COMPARED = ("reasons", "reasons_for", "reasons_unit", "rationale")


@dataclass(frozen=True)
class FreshAnswers:
    """What a fresh process said: answers, the modules that it had imported, seconds from start to end."""

    answers: list[dict[str, Any]]
    modules: list[str]
    seconds: float


def answer_in_fresh_process(folder: Path, rows: pd.DataFrame) -> FreshAnswers:
    """Answer raw rows by the package's own ``inference.py`` in a new Python process.

    Parameters
    ----------
    folder : Path
        The package.
    rows : DataFrame
        Raw rows; they travel as JSON, as a request would.

    Raises
    ------
    StageError
        If the process fails; carries the last line it said.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="parity-") as scratch:
        sample, output = Path(scratch) / "rows.json", Path(scratch) / "answers.json"
        save_json(sample, json_rows(rows))
        command = [sys.executable, "-m", __name__, str(folder.resolve()), str(sample), str(output)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        try:
            done = subprocess.run(
                command, cwd=scratch, env=environment, capture_output=True, text=True, check=False,
                timeout=_TIME_LIMIT_S, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise StageError(
                f"the package gave no answer within {_TIME_LIMIT_S} s", where="deploy/inference.py"
            ) from error
        if done.returncode != 0 or not output.exists():
            said = (done.stderr or done.stdout).strip().splitlines()
            raise StageError(
                f"the package does not answer in a fresh process: {said[-1] if said else 'no message'}",
                where="deploy/inference.py",
                hint="mend deploy/inference.py, or delete it and run: sw do --task T-008 --force",
            )
        told = load_json(output)
    return FreshAnswers(told["answers"], told["modules"], time.perf_counter() - began)


def json_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as a request carries them: missing cells as null, dates as text."""
    cells = rows.astype(object).where(rows.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in cells.to_dict("records")]


def alter_rows(
    rows: pd.DataFrame, kinds: Mapping[str, ColumnKind], columns: Sequence[str], *, seed: int = 0
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return copies of rows with missing values and with a level that training never had.

    Returns
    -------
    altered : DataFrame
        One row with every second input missing, one with each categorical input unseen, as far as there
        are such columns.
    done : dict
        ``missing`` and ``unseen``: the columns that were changed.
    """
    rng = np.random.default_rng(seed)
    inputs = [
        c
        for c in columns
        if c in kinds and kinds[c].kind in ("numeric", "category", "boolean", "text", "datetime")
    ]
    levels = [c for c in inputs if kinds[c].kind == "category"]
    missing = sorted(str(c) for c in rng.permutation(inputs)[: max(1, len(inputs) // 2)])
    made = []
    first = rows.iloc[[0]].astype(dict.fromkeys(missing, object))
    first[missing] = None
    made.append(first)
    if levels:
        second = rows.iloc[[min(1, len(rows) - 1)]].astype(dict.fromkeys(levels, object))
        second[levels] = UNSEEN
        made.append(second)
    altered = pd.concat([m.astype(object) for m in made], ignore_index=True)
    return altered, {"missing": missing, "unseen": levels}


def largest_difference(expected: Sequence[Mapping[str, Any]], got: Sequence[Mapping[str, Any]]) -> float:
    """Return the largest difference between two lists of answers, infinite where they do not agree at all.

    Numbers within 1e-9 + 1e-6 of the size count as equal (0).
    """
    if len(expected) != len(got):
        return math.inf
    worst = 0.0
    for one, other in zip(expected, got, strict=True):
        for name in {*one, *other}.difference(_NOT_COMPARED):
            worst = max(worst, _difference(one.get(name), other.get(name)))
    return worst


def _difference(one: Any, other: Any) -> float:
    one, other = number(one), number(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if set(one) != set(other):
            return math.inf
        return max((_difference(one[k], other[k]) for k in one), default=0.0)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        return max((_difference(a, b) for a, b in zip(one, other, strict=True)), default=0.0)
    plain_numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (one, other))
    if not plain_numbers:
        return 0.0 if one == other else math.inf
    if math.isnan(one) or math.isnan(other):
        return 0.0 if math.isnan(one) and math.isnan(other) else math.inf
    gap = abs(one - other)
    return 0.0 if gap <= ABSOLUTE + RELATIVE * abs(one) else float(gap)


def main(arguments: Sequence[str]) -> None:
    """Answer a sample by a package's script: what the fresh process runs."""
    folder, sample, output = (Path(a) for a in arguments)
    script = runpy.run_path(str(folder / "inference.py"), run_name="inference")
    answers = script["answer"](load_json(sample))
    modules = sorted({name.partition(".")[0] for name in sys.modules if not name.startswith("_")})
    output.write_text(json.dumps({"answers": answers, "modules": modules}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
