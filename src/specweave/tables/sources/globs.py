"""Many files of the same columns as one table: ``data/2026/*.parquet``.

Reads: the files that a pattern names, in order of their names. Writes: one Parquet file. Never: joins
files whose columns differ.
"""

from __future__ import annotations

import glob
import os
from pathlib import Path

from specweave.errors import DataError, nearest
from specweave.tables.sources.base import DataSource


class GlobSource(DataSource):
    """A pattern with ``*``, ``?`` or ``[...]``; ``**`` goes into folders, ``key=value`` folders become columns."""

    @classmethod
    def matches(cls, text: str) -> bool:
        """Return whether the text is a pattern of paths."""
        return any(c in text for c in "*?[") and "://" not in text and "\n" not in text

    def stamp(self, text: str, root: Path, where: str) -> str:
        """Return names, sizes and times of the files."""
        return files_stamp(matching_files(text, root, where))

    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Read every file and write them one under the other."""
        import pandas as pd

        from specweave.tables.reading import read_table

        frames: list[pd.DataFrame] = []
        first: Path | None = None
        for path in matching_files(text, root, where):
            frame = read_table(path).frame
            for part in path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ():
                key, sign, value = part.partition("=")
                if sign and key not in frame.columns:
                    frame[key] = value
            if first is not None and list(frame.columns) != list(frames[0].columns):
                raise DataError(
                    f"the columns of {path.name} are not those of {first.name}: {_difference(frames[0], frame)}",
                    where=where,
                    hint="give all files the same columns, or name fewer files",
                )
            first = first or path
            frames.append(frame)
        whole = pd.concat(frames, ignore_index=True)
        return write_table(whole, folder / "table.parquet")


def matching_files(text: str, root: Path, where: str) -> list[Path]:
    """Return the files that a pattern names, sorted.

    Raises
    ------
    DataError
        If there is none.
    """
    pattern = os.path.expanduser(text.strip("`"))
    whole = pattern if os.path.isabs(pattern) else str(root / pattern)
    found = sorted(Path(p) for p in glob.glob(whole, recursive=True) if Path(p).is_file())
    if not found:
        folder = next((p for p in Path(whole).parents if p.is_dir()), root)
        close = nearest(Path(whole).name, [f.name for f in folder.iterdir()], 2)
        raise DataError(
            f"no file matches {text}",
            where=where,
            hint=f"there are {' and '.join(close)} in {folder.name}/"
            if close
            else "write the pattern as seen from the project's root",
        )
    return found


def files_stamp(files: list[Path]) -> str:
    """Return what changes when one of the files does."""
    from specweave.files.store import digest

    stats = [(path.as_posix(), path.stat()) for path in files]
    return digest([[name, stat.st_size, stat.st_mtime_ns] for name, stat in stats])


def write_table(frame: object, path: Path) -> Path:
    """Write a frame as Parquet, the same bytes for the same rows; columns of mixed kinds become text."""
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    frame = frame.copy(deep=False)
    frame.columns = [str(c) for c in frame.columns]
    for name in frame.columns:
        if frame[name].dtype == object and pd.api.types.infer_dtype(frame[name], skipna=True).startswith(
            "mixed"
        ):
            frame[name] = frame[name].map(lambda v: v if v is None or v != v else str(v))
    frame.to_parquet(path, index=False)
    return path


def _difference(first: object, other: object) -> str:
    a, b = [list(map(str, getattr(f, "columns"))) for f in (first, other)]  # noqa: B009
    missing, more = [c for c in a if c not in b], [c for c in b if c not in a]
    told = [f"without {', '.join(missing[:3])}"] if missing else []
    told += [f"with {', '.join(more[:3])}"] if more else []
    return ", ".join(told) or "in another order"
