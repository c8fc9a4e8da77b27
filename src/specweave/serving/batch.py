"""Answers for a whole file: rows in from CSV or Parquet, answers out to CSV, Parquet or JSON.

Reads: a file of raw rows. Writes: a file of answers. Never: holds more than one chunk of answers' reasons
in memory, drops or reorders a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from specweave.errors import DataError
from specweave.files.atomic import replacing, write_text
from specweave.files.store import render_json
from specweave.records import Finding
from specweave.serving.inference import Predictor, flat_answer
from specweave.serving.parity import json_rows
from specweave.tables.reading import read_table

CHUNK_ROWS = 5000
_WRITERS = (".csv", ".parquet", ".json")


def predict_file(
    predictor: Predictor,
    source: Path,
    target: Path | None = None,
    *,
    reasons: bool = True,
    strict: bool = True,
    chunk_rows: int = CHUNK_ROWS,
) -> dict[str, Any]:
    """Answer every row of a file.

    Parameters
    ----------
    predictor : Predictor
    source : Path
        Raw rows in any format that training data may have, or the events that rows are made from
        (transactions: one answer per customer, as of the last day in the file).
    target : Path, optional
        ``.csv`` or ``.parquet`` (the identifiers of each row, prediction, probabilities, decision,
        ``reason_1`` ...) or ``.json`` (the answers as the service gives them). By default
        ``<source>-answers.csv`` beside it.
    reasons : bool
    strict : bool
        As :meth:`Predictor.predict`.
    chunk_rows : int
        Rows answered at a time.

    Returns
    -------
    dict
        ``rows``, ``output`` (path), ``columns``, ``findings`` (where the rows depart from the schema).

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, holds a cell that cannot be read, or `target` has
        another ending.
    """
    source = Path(source)
    target = Path(target) if target is not None else source.with_name(f"{source.stem}-answers.csv")
    check_output(source, target)
    frame = predictor.rows_of(read_table(source).frame)
    findings = predictor.check(frame)
    refused = [f for f in findings if f.severity == "error"]
    if strict and refused:
        raise DataError(
            "; ".join(f"{f.where}: {f.message}" for f in refused[:5]),
            where=source.name,
            hint=refused[0].advice,
        )
    answers = list(_answered(predictor, frame, reasons, chunk_rows))
    if target.suffix.lower() == ".json":
        write_text(target, render_json(answers))
        columns = sorted({key for answer in answers for key in answer})
    else:
        table = answer_table(frame, answers, identifiers(predictor, frame))
        save_table(table, target)
        columns = [str(c) for c in table.columns]
    return {
        "rows": len(frame),
        "output": str(target),
        "columns": columns,
        "findings": [f for f in findings if f.severity != "info"],
        "version": predictor.version,
    }


def forecast_file(
    predictor: Predictor,
    source: Path,
    horizon: int | None = None,
    target: Path | None = None,
    *,
    reasons: bool = True,
) -> dict[str, Any]:
    """Answer what lies ahead of the history in a file: the next steps, every user's list, every customer's value.

    Parameters
    ----------
    source : Path
        Rows as in training, the target included.
    horizon : int, optional
        Steps; the model's own by default.
    target : Path, optional
        As :func:`predict_file`; by default ``<source>-<what it is>.csv`` (``-forecast.csv``) in the working folder.

    Returns
    -------
    dict
        ``rows``, ``output``, ``columns``, ``version``.

    Raises
    ------
    DataError
        If the model only answers rows, knows no horizon, the history cannot be used, or `target` has another
        ending.
    """
    called = predictor.problem.ahead or "forecast"
    target = Path(target) if target is not None else Path(f"{Path(source).stem}-{called}.csv")
    check_output(Path(source), target)
    rows, answers = predictor.forecast(read_table(source).frame, horizon, reasons=reasons)
    if target.suffix.lower() == ".json":
        asked = json_rows(rows)
        write_text(target, render_json([{**a, "row": r} for a, r in zip(answers, asked, strict=True)]))
        columns = sorted({key for answer in answers for key in answer})
    else:
        table = answer_table(rows, answers, identifiers(predictor, rows))
        save_table(table, target)
        columns = [str(c) for c in table.columns]
    return {"rows": len(rows), "output": str(target), "columns": columns, "version": predictor.version}


def check_output(source: Path, target: Path) -> None:
    """Raise DataError where answers cannot be written to `target`."""
    if target.suffix.lower() not in _WRITERS:
        raise DataError(
            f"answers cannot be written as '{target.suffix or target.name}'",
            hint=f"name an output that ends in {', '.join(_WRITERS)}",
        )
    if target.absolute() == source.absolute():
        raise DataError("the output is the input file", where=source.name, hint="give another name with -o")


def answer_table(frame: pd.DataFrame, answers: list[dict[str, Any]], named: list[str]) -> pd.DataFrame:
    """Return answers as a table beside the identifiers of their rows, shape (n_rows, ...)."""
    flat = pd.DataFrame([flat_answer(a) for a in answers])
    kept = frame[named].reset_index(drop=True)
    return pd.concat([kept, flat], axis=1) if named else flat


def _answered(
    predictor: Predictor, frame: pd.DataFrame, reasons: bool, chunk_rows: int
) -> Iterator[dict[str, Any]]:
    for start in range(0, len(frame), chunk_rows):
        part = frame.iloc[start : start + chunk_rows]
        # The whole file was checked before; a chunk by itself may look like another type.
        yield from predictor.predict(part, reasons=reasons, strict=False)


def identifiers(predictor: Predictor, frame: pd.DataFrame) -> list[str]:
    """Return the columns of rows that stand beside their answers."""
    wanted = predictor.package.get("identifiers") or []
    return [name for name in wanted if name in frame.columns]


def save_table(table: pd.DataFrame, target: Path) -> None:
    """Write a table as CSV or Parquet, by the ending of its name, in one step."""
    with replacing(target) as temporary:
        if target.suffix.lower() == ".parquet":
            table.to_parquet(temporary, index=False)
        else:
            table.to_csv(temporary, index=False)


def finding_lines(findings: list[Finding]) -> list[str]:
    """Return findings as lines for a person."""
    return [f"{f.code} {f.where}: {f.message}; {f.advice}" for f in findings]
