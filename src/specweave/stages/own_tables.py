"""Tables in scripts of one's own: read what the spec names, publish what other increments take.

Reads: the table behind "Training data" or an address. Writes: one table below the increment, and an
experiment that says how many rows it has and how clean they are. Never: writes outside the increment.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specweave.errors import DataError, SpecError
from specweave.increments.project import find_increment
from specweave.increments.references import OUTPUTS
from specweave.increments.spec import load_spec
from specweave.stages.progress import tell

if TYPE_CHECKING:
    import pandas as pd


def load_training_data(increment: str | None = None, *, source: str | None = None) -> pd.DataFrame:
    """Return the table that the spec names under "Training data".

    Parameters
    ----------
    increment : str, optional
        Id; the active increment by default.
    source : str, optional
        Another path or address to read, as spec.md would name it: ``"increment: 0042 features"``.

    Raises
    ------
    SpecError, DataError
        If nothing is named, or it cannot be read.

    Examples
    --------
    ::

        visits = load_training_data()
        scores = load_training_data(source="increment: 0044 predictions")
    """
    from specweave.tables.locating import find_data_file
    from specweave.tables.reading import read_table

    found = find_increment(increment)
    spec = load_spec(found.spec_path)
    if source is None:
        named = spec.require("Training data")
        source, where = named.value, spec.at("Training data")
    else:
        where = found.id
    return read_table(find_data_file(found.project.root, source, where)).frame


def publish_table(
    frame: pd.DataFrame, path: str = OUTPUTS[0], increment: str | None = None
) -> dict[str, float]:
    """Write a table for other increments (``increment: 0042``) and log what it is worth.

    Parameters
    ----------
    frame : DataFrame, shape (n_rows, n_columns)
    path : str
        Below the increment's folder; ``.parquet`` or ``.csv``.
    increment : str, optional
        Id; the active increment by default.

    Returns
    -------
    dict of str to float
        ``rows``, ``missing_share`` and ``duplicate_share``, as logged in the experiment ``publish-NAME``.

    Raises
    ------
    SpecError
        If the path leads out of the increment or names another format.
    DataError
        If the table has no row.

    Examples
    --------
    ::

        publish_table(visits.drop_duplicates())    # data/output.parquet
    """
    from specweave.experiments.tracking import track_experiment
    from specweave.files.atomic import replacing, write_text
    from specweave.tables.sources.globs import write_table

    folder = find_increment(increment).folder
    target = folder / path
    if Path(path).is_absolute() or ".." in Path(path).parts or target.suffix not in (".parquet", ".csv"):
        raise SpecError(
            f"'{path}' is no place for a table",
            where="publish_table",
            hint="write data/NAME.parquet or data/NAME.csv",
        )
    if frame.empty:
        raise DataError(
            f"the table for {path} has no row", where="publish_table", hint="look at the script's filters"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".csv":
        write_text(target, frame.to_csv(index=False, lineterminator="\n"))
    else:
        with replacing(target) as fresh:
            write_table(frame.reset_index(drop=True), fresh)
    metrics = table_metrics(frame)
    content = hashlib.sha256(target.read_bytes()).hexdigest()
    with track_experiment(f"publish-{target.stem}", increment, inputs={"table": path}, resume=True) as run:
        run.log_params({"path": path, "columns": len(frame.columns), "sha256": content})
        run.log_metrics(metrics)
    tell("table", f"{path}: {len(frame):,} rows, {len(frame.columns)} columns")
    return metrics


def table_metrics(frame: pd.DataFrame) -> dict[str, float]:
    """Return rows, share of empty cells, and share of rows that repeat an earlier one."""
    import pandas as pd

    cells: Any = frame.astype(str) if any(map(pd.api.types.is_object_dtype, frame.dtypes)) else frame
    return {
        "rows": float(len(frame)),
        "missing_share": float(frame.isna().to_numpy().mean()) if frame.size else 0.0,
        "duplicate_share": float(cells.duplicated().mean()) if len(frame) else 0.0,
    }
