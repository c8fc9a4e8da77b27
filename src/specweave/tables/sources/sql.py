"""The answer to a query: ``sqlite:///shop.db SELECT ...``, ``duckdb:///…``, ``postgresql://host/db SELECT ...``.

Reads: the database; never changes it. Writes: one Parquet file. Never: takes a password out of a document.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from specweave.errors import DataError, IntegrationError, MissingExtraError, SpecError
from specweave.tables.sources.base import DataSource
from specweave.tables.sources.globs import files_stamp, write_table

if TYPE_CHECKING:
    import pandas as pd

_FORM = re.compile(
    r"(?is)^(?P<scheme>sqlite|duckdb|postgres|postgresql)://(?P<rest>\S*)(?:\s+(?P<query>.+))?$"
)
_QUOTED = re.compile(r"'([^']+\.[^']+)'")


def split_address(text: str, where: str) -> tuple[str, str, str]:
    """Return (scheme, what follows ``://``, query).

    Raises
    ------
    SpecError
        If there is no query, or it could change the database.
    """
    match = _FORM.match(text.strip().strip("`"))
    if match is None or not (match["query"] or "").strip():
        raise SpecError(
            "the database is named, but no query",
            where=where,
            hint="write it behind the address: sqlite:///shop.db SELECT * FROM orders",
        )
    query = match["query"].strip().rstrip(";")
    if not re.match(r"(?is)^(select|with|from|table|values)\b", query):
        raise SpecError(
            f"'{query.split()[0]}' does not read rows",
            where=where,
            hint="begin the query with SELECT or WITH",
        )
    return match["scheme"].casefold(), match["rest"], query


class FileDatabaseSource(DataSource):
    """SQLite and DuckDB: the database is a file of the project (or, for DuckDB, the files the query names)."""

    @classmethod
    def matches(cls, text: str) -> bool:
        """Return whether the text is a SQLite or DuckDB address."""
        return bool(re.match(r"(?i)(sqlite|duckdb)://", text))

    def stamp(self, text: str, root: Path, where: str) -> str:
        """Return size and time of the database, and of the files that the query names."""
        _, rest, query = split_address(text, where)
        files = [path] if (path := _database(rest, root, where)) else []
        for name in _QUOTED.findall(query):
            files += sorted(p for p in root.glob(name) if p.is_file()) if not name.startswith("/") else []
        # Unwritten pages of a database in use lie in a file beside it.
        files += [p for f in files if (p := f.with_name(f.name + "-wal")).is_file() and p.stat().st_size]
        return files_stamp(files)

    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Run the query and keep its rows."""
        scheme, rest, query = split_address(text, where)
        path = _database(rest, root, where)
        if scheme == "sqlite":
            if path is None:
                raise SpecError(
                    "no database is named", where=where, hint="write sqlite:///data/shop.db SELECT ..."
                )
            frame = _ask_sqlite(path, query, where)
        else:
            frame = _ask_duckdb(path, query, root, where)
        return write_table(frame, folder / "table.parquet")


class PostgresSource(DataSource):
    """PostgreSQL; user and password come from the environment (``PGUSER``, ``PGPASSWORD``) or ``~/.pgpass``."""

    follows: ClassVar[bool] = False

    @classmethod
    def matches(cls, text: str) -> bool:
        """Return whether the text is a PostgreSQL address."""
        return bool(re.match(r"(?i)postgres(ql)?://", text))

    def fetch(self, text: str, root: Path, folder: Path, where: str) -> Path:
        """Run the query in a read-only transaction and keep its rows."""
        _, rest, query = split_address(text, where)
        if re.match(r"[^/@]*:[^/@]+@", rest):
            raise SpecError(
                "a password stands in the address, and documents go into git",
                where=where,
                hint="take it out, and set PGPASSWORD or write ~/.pgpass",
            )
        try:
            import psycopg
        except ImportError as error:
            raise MissingExtraError.for_package("psycopg", "sql", "reading PostgreSQL") from error
        import pandas as pd

        try:
            with psycopg.connect(f"postgresql://{rest}", connect_timeout=15) as connection:
                connection.read_only = True
                with connection.cursor() as cursor:
                    cursor.execute(query.encode())
                    rows = cursor.fetchall()
                    names = [c.name for c in cursor.description or ()]
        except psycopg.OperationalError as error:
            raise IntegrationError(
                f"the database does not answer: {_first_line(error)}",
                where=where,
                hint="check host, database and login (PGUSER, PGPASSWORD), then run: sw data refresh",
            ) from error
        except psycopg.Error as error:
            raise SpecError(
                f"the query fails: {_first_line(error)}", where=where, hint="mend the query"
            ) from error
        return write_table(_as_frame(pd.DataFrame(rows, columns=names)), folder / "table.parquet")


def _database(rest: str, root: Path, where: str) -> Path | None:
    """Return the file behind ``sqlite:///relative.db`` or ``sqlite:////absolute.db``; None for one in memory."""
    name = rest.removeprefix("/") if rest.startswith("/") else rest
    if name in ("", ":memory:"):
        return None
    path = Path(name) if name.startswith("/") else root / name
    if not path.is_file():
        raise DataError(
            f"there is no database {name}", where=where, hint="write the path as seen from the project's root"
        )
    return path


def _ask_sqlite(path: Path, query: str, where: str) -> pd.DataFrame:
    import sqlite3

    import pandas as pd

    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            cursor = connection.execute(query)
            names = [c[0] for c in cursor.description or ()]
            return pd.DataFrame(cursor.fetchall(), columns=names)
    except sqlite3.Error as error:
        raise SpecError(
            f"the query fails on {path.name}: {error}", where=where, hint="mend the query"
        ) from error


def _ask_duckdb(path: Path | None, query: str, root: Path, where: str) -> pd.DataFrame:
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError.for_package("duckdb", "sql", "asking DuckDB") from error
    try:
        with contextlib.closing(
            duckdb.connect(str(path) if path else ":memory:", read_only=path is not None)
        ) as connection:
            connection.execute("SET autoinstall_known_extensions = false")
            connection.execute(f"SET file_search_path = '{str(root).replace(chr(39), chr(39) * 2)}'")
            return _as_frame(connection.execute(query).df())
    except duckdb.Error as error:
        raise SpecError(
            f"the query fails: {_first_line(error)}", where=where, hint="mend the query"
        ) from error


def _as_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return exact decimals as numbers: models and records know no other kind."""
    from decimal import Decimal

    for name in frame.columns:
        first = frame[name].dropna().head(1)
        if frame[name].dtype == object and len(first) and isinstance(first.iloc[0], Decimal):
            frame[name] = frame[name].astype(float)
    return frame


def _first_line(error: BaseException) -> Any:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
