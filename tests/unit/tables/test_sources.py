"""Training data from patterns, databases, web addresses and buckets; each against the real thing."""

from __future__ import annotations

import contextlib
import http.server
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import DataError, IntegrationError, SpecError
from specweave.tables.locating import find_data_file, find_pointer
from specweave.tables.reading import read_table
from specweave.tables.sources.base import find_source, is_source
from specweave.tables.sources.snapshots import find_snapshot, snapshot_fingerprint, take_snapshot

ROWS = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None]})


def read(root: Path, text: str) -> pd.DataFrame:
    return read_table(find_data_file(root, text, "spec.md:3")).frame


# -- files -----------------------------------------------------------------------------------------


def test_a_pattern_reads_its_files_in_order_as_one_table(tmp_path: Path) -> None:
    for year in (2025, 2026):
        folder = tmp_path / "data" / f"year={year}"
        folder.mkdir(parents=True)
        ROWS.assign(a=ROWS["a"] + year).to_parquet(folder / "part.parquet")
    found = read(tmp_path, "data/*/*.parquet")
    assert found["a"].tolist() == [2026, 2027, 2028, 2027, 2028, 2029]
    assert found["year"].tolist() == ["2025"] * 3 + ["2026"] * 3


def test_files_with_other_columns_are_named(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "p1.csv", index=False)
    ROWS.rename(columns={"b": "c"}).to_csv(tmp_path / "p2.csv", index=False)
    with pytest.raises(DataError, match=r"columns of p2.csv are not those of p1.csv: without b, with c"):
        read(tmp_path, "p*.csv")


def test_a_pattern_without_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match="no file matches tran"):
        read(tmp_path, "tran*.csv")
    assert snapshot_fingerprint(tmp_path, "tran*.csv").startswith("missing")


def test_a_followed_source_is_read_anew_when_a_file_changes_and_only_then(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "p1.csv", index=False)
    first = snapshot_fingerprint(tmp_path, "p*.csv")
    assert snapshot_fingerprint(tmp_path, "p*.csv") == first
    os.utime(tmp_path / "p1.csv", (1, 1))  # touched, not changed
    assert snapshot_fingerprint(tmp_path, "p*.csv") == first
    ROWS.to_csv(tmp_path / "p2.csv", index=False)
    assert snapshot_fingerprint(tmp_path, "p*.csv") != first
    kept = [p.name for p in find_snapshot(tmp_path, "p*.csv").file.parent.iterdir()]  # type: ignore[union-attr]
    assert len(kept) == 2  # one table, one record


def test_a_damaged_snapshot_is_taken_anew(tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "p1.csv", index=False)
    snapshot = take_snapshot(tmp_path, "p*.csv", "")
    (snapshot.file.parent / "snapshot.json").write_text("{")
    assert find_snapshot(tmp_path, "p*.csv") is None
    assert read(tmp_path, "p*.csv")["a"].tolist() == [1, 2, 3]


def test_a_file_that_lies_under_dvc_says_what_to_pull(tmp_path: Path) -> None:
    (tmp_path / "train.csv.dvc").write_text("outs:\n- md5: abc\n  size: 12\n  path: train.csv\n")
    with pytest.raises(DataError) as caught:
        find_data_file(tmp_path, "train.csv", "spec.md:3")
    assert caught.value.hint == "run: dvc pull train.csv.dvc"
    assert find_pointer(tmp_path, "train.csv") == {"pointer": "train.csv.dvc", "md5": "abc", "bytes": 12}


@given(st.from_regex(r"[\w./ -]{1,40}", fullmatch=True))
def test_the_path_of_a_file_is_no_address(text: str) -> None:
    assert not is_source(text)


# -- databases -------------------------------------------------------------------------------------


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.execute("create table orders (id integer, price real, city text)")
        connection.executemany("insert into orders values (?, ?, ?)", [(1, 9.5, "Rome"), (2, 3.0, None)])
        connection.commit()
    return tmp_path


def test_sqlite_gives_the_rows_of_a_query(shop: Path) -> None:
    found = read(shop, "sqlite:///shop.db SELECT id, price FROM orders WHERE price > 4")
    assert found.to_dict("records") == [{"id": 1, "price": 9.5}]


def test_a_changed_database_changes_the_fingerprint(shop: Path) -> None:
    text = "sqlite:///shop.db SELECT * FROM orders"
    before = snapshot_fingerprint(shop, text)
    with contextlib.closing(sqlite3.connect(shop / "shop.db")) as connection:
        connection.execute("insert into orders values (3, 1.0, 'Oslo')")
        connection.commit()
    assert snapshot_fingerprint(shop, text) != before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sqlite:///shop.db", "no query"),
        ("sqlite:///shop.db DELETE FROM orders", "does not read rows"),
        ("sqlite:///shop.db SELECT nope FROM orders", "no such column: nope"),
        ("sqlite:///other.db SELECT 1", "there is no database other.db"),
        ("sqlite:/// SELECT 1", "no database is named"),
    ],
)
def test_a_query_that_cannot_be_asked_says_why(shop: Path, text: str, told: str) -> None:
    with pytest.raises((SpecError, DataError), match=told) as caught:
        read(shop, text)
    assert caught.value.where == "spec.md:3" and caught.value.hint


def test_duckdb_asks_files_of_the_project_and_follows_them(tmp_path: Path) -> None:
    pytest.importorskip("duckdb", reason="needs the sql extra")
    ROWS.to_parquet(tmp_path / "p1.parquet")
    text = "duckdb:// SELECT sum(a)::DECIMAL(10, 2) AS total FROM 'p*.parquet'"
    assert read(tmp_path, text)["total"].tolist() == [6.0]
    ROWS.to_parquet(tmp_path / "p2.parquet")
    assert read(tmp_path, text)["total"].tolist() == [12.0]
    with pytest.raises(SpecError, match="the query fails"):
        read(tmp_path, "duckdb:// SELECT nope FROM 'p1.parquet'")


def test_a_password_in_the_address_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="password") as caught:
        read(tmp_path, "postgresql://me:secret@127.0.0.1/db SELECT 1")
    assert "PGPASSWORD" in str(caught.value.hint)


def test_a_database_that_does_not_answer_says_so(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="needs the sql extra")
    with pytest.raises(IntegrationError, match="does not answer"):
        read(tmp_path, "postgresql://127.0.0.1:1/db SELECT 1")


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    pytest.importorskip("psycopg", reason="needs the sql extra")
    initdb, server = shutil.which("initdb"), shutil.which("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL is not installed on this machine")
    folder = Path("/tmp") / f"specweave-pg-{os.getpid()}"  # a socket's path must be short
    as_user = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.getuid() == 0 else []
    if as_user and shutil.which("setpriv") is None:
        pytest.skip("PostgreSQL refuses to run as root, and setpriv is not there")
    folder.mkdir()
    folder.chmod(0o777)
    data = str(folder / "data")
    made = subprocess.run([*as_user, initdb, "-D", data, "-U", "tester", "-A", "trust", "-N"], capture_output=True,
                          text=True, cwd=folder)  # fmt: skip
    if made.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"initdb: {made.stderr.strip().splitlines()[-1]}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([*as_user, server, "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", str(folder)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)  # fmt: skip
    import psycopg

    try:
        for _ in range(100):
            try:
                with psycopg.connect(f"postgresql://tester@127.0.0.1:{port}/postgres") as connection:
                    connection.execute("create table t (a int, price numeric(8, 2), day date)")
                    connection.execute(
                        "insert into t values (1, 2.50, '2026-01-02'), (2, null, '2026-01-03')"
                    )
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def test_postgres_gives_rows_and_keeps_them_until_asked(postgres: int, tmp_path: Path) -> None:
    import psycopg

    address = f"postgresql://tester@127.0.0.1:{postgres}/postgres"
    text = f"{address} SELECT * FROM t ORDER BY a"
    found = read(tmp_path, text)
    assert found["a"].tolist() == [1, 2] and found["price"].tolist()[0] == 2.5
    before = snapshot_fingerprint(tmp_path, text)
    with psycopg.connect(address) as connection:
        connection.execute("insert into t values (3, 1, null)")
    assert snapshot_fingerprint(tmp_path, text) == before
    assert take_snapshot(tmp_path, text, "", refresh=True).sha256 != before
    with pytest.raises(SpecError, match='relation "nope" does not exist'):
        read(tmp_path, f"{address} SELECT * FROM nope")


def test_a_query_on_postgres_cannot_write(postgres: int, tmp_path: Path) -> None:
    address = f"postgresql://tester@127.0.0.1:{postgres}/postgres"
    with pytest.raises(SpecError, match="read-only transaction"):
        read(tmp_path, f"{address} WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x")


# -- the network -----------------------------------------------------------------------------------


class Server(http.server.ThreadingHTTPServer):
    """Serves ``files`` by path; counts how often it was asked."""

    files: dict[str, bytes]
    asked: list[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        body = self.server.files.get(path)
        if body is None:
            self.send_error(404)
            return
        told = len(body) + 10 if "broken" in path else len(body)
        wanted = re.match(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted:
            body = body[int(wanted[1]) : int(wanted[2]) + 1]
            told = len(body)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(told))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if with_body:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def web() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), _Handler)
    server.files, server.asked = {"/t.csv": b"a,b\n1,x\n", "/broken.csv": b"a,b\n1,x\n"}, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_web_address_is_fetched_once_until_refreshed(web: Server, tmp_path: Path) -> None:
    text = f"http://127.0.0.1:{web.server_port}/t.csv"
    assert snapshot_fingerprint(tmp_path, text) == "not fetched"
    assert web.asked == []
    assert read(tmp_path, text)["b"].tolist() == ["x"]
    web.files["/t.csv"] = b"a,b\n1,z\n"
    assert read(tmp_path, text)["b"].tolist() == ["x"]
    assert web.asked == ["/t.csv"]
    take_snapshot(tmp_path, text, "", refresh=True)
    assert read(tmp_path, text)["b"].tolist() == ["z"]


def test_what_the_server_refuses_leaves_the_old_snapshot(web: Server, tmp_path: Path) -> None:
    text = f"http://127.0.0.1:{web.server_port}/t.csv"
    read(tmp_path, text)
    del web.files["/t.csv"]
    with pytest.raises(DataError, match="answers 404"):
        take_snapshot(tmp_path, text, "", refresh=True)
    assert read(tmp_path, text)["b"].tolist() == ["x"]


def test_a_download_that_breaks_off_is_no_data(web: Server, tmp_path: Path) -> None:
    text = f"http://127.0.0.1:{web.server_port}/broken.csv"
    with pytest.raises(IntegrationError, match=r"broke off|cannot be reached"):
        read(tmp_path, text)
    assert find_snapshot(tmp_path, text) is None


def test_user_and_password_of_an_address_are_not_written_down(tmp_path: Path) -> None:
    source = find_source("https://me:secret@example.org/t.csv")
    assert (
        source is not None
        and source.shown("https://me:secret@example.org/t.csv") == "https://example.org/t.csv"
    )


def test_a_bucket_is_read_by_its_own_protocol(
    web: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    web.files["/bucket/t.csv"] = b"a,b\n5,q\n"
    options = f"scheme=http&endpoint_override=127.0.0.1:{web.server_port}&region=eu-west-1&allow_bucket_creation=false"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    text = f"s3://bucket/t.csv?{options}"
    assert read(tmp_path, text)["a"].tolist() == [5]
    with pytest.raises((DataError, IntegrationError)) as caught:
        read(tmp_path, f"s3://bucket/none.csv?{options}")
    assert caught.value.hint
