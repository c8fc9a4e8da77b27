"""The server under clients that send nonsense, that go away, and that change their mind."""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp", reason="the extra 'agents' is not installed")

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from specweave.errors import DataError
from specweave.integrations.mcp.paths import check_inside, check_source
from specweave.integrations.mcp.server import SpecweaveServer
from specweave.integrations.mcp.tools import Progress

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
HELLO = {
    "jsonrpc": "2.0", "id": "hello", "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "0"}},
}  # fmt: skip


class Raw:
    """A client that writes bytes and reads lines."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "specweave", "mcp"], cwd=folder, env=ENVIRONMENT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.lines: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=self._forget, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)

    def _forget(self) -> None:
        assert self.process.stderr
        for _ in self.process.stderr:
            pass

    def send(self, data: bytes | dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(data if isinstance(data, bytes) else json.dumps(data).encode() + b"\n")
        self.process.stdin.flush()

    def answer(self, name: str) -> dict[str, Any]:
        """Return the answer to a request; every line before it must be JSON as well."""
        while True:
            message: dict[str, Any] = json.loads(self.lines.get(timeout=60))
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == name:
                return message

    def close(self) -> int:
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(timeout=60)


@pytest.fixture
def raw(tmp_path: Path) -> Iterator[Raw]:
    client = Raw(tmp_path)
    yield client
    client.process.kill()
    client.process.wait()


def test_nonsense_never_ends_the_server(raw: Raw) -> None:
    noise = random.Random(0)
    nonsense = [
        b"", b"hello", b"{", b"}{", b"[]", b"null", b"42", b'"text"', b"[1,2,3]", b"\x00\x01\x02", b"\xff\xfe\xfa",
        b'{"jsonrpc": "2.0"}', b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}', b'{"id": 1}', b'{"method": 7}',
        b'{"jsonrpc": "2.0", "id": {"a": 1}, "method": "ping"}', b'{"jsonrpc": "2.0", "id": null, "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 3, "method": "no/such/method", "params": {}}',
        b'{"jsonrpc": "2.0", "id": 4, "method": "tools/call", "params": "inc"}',
        b'{"jsonrpc": "2.0", "id": 5, "result": {}}', b'{"jsonrpc": "2.0", "id": 6, "error": {"code": "x"}}',
        b'{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 999}}',
        b'{"jsonrpc": "2.0", "method": "notifications/nothing", "params": [1]}',
        b'{"jsonrpc": "2.0", "id": 1e400, "method": "ping"}', b"[" * 100_000, b'{"a":' * 50_000, b"x" * 2_000_000,
        b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "\xc3\x28"}}',
        '{"jsonrpc": "2.0", "id": 8, "method": "\u2028\ud7ff"}'.encode(),
        *[bytes(noise.randrange(256) for _ in range(200)).replace(b"\n", b"") for _ in range(20)],
    ]  # fmt: skip
    for line in nonsense:
        raw.send(line + b"\n")
    raw.send(HELLO)
    assert raw.answer("hello")["result"]["serverInfo"]["name"] == "specweave"
    raw.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    for line in nonsense:
        raw.send(line + b"\n")
    raw.send({"jsonrpc": "2.0", "id": "tools", "method": "tools/list"})
    assert {t["name"] for t in raw.answer("tools")["result"]["tools"]} >= {"inc", "do", "validate", "done"}
    assert raw.close() == 0


def test_a_tool_that_is_misused_answers_with_a_record(raw: Raw, tmp_path: Path) -> None:
    raw.send(HELLO)
    raw.answer("hello")
    raw.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    calls: list[tuple[Any, Any, str, str]] = [
        ("valdate", {}, "unknown-name", "there is no tool 'valdate'"),
        ("", {}, "unknown-name", "there is no tool ''"),
        ("validate", {"incremnt": 42}, "arguments", "has no argument 'incremnt'"),
        ("inc", {}, "arguments", "request"),
        ("inc", {"request": 7}, "arguments", "request"),
        ("do", {"jobs": 0}, "arguments", "jobs"),
        ("do", {"force": "perhaps"}, "arguments", "force"),
        ("sync_docs", {"action": "delete"}, "arguments", "action"),
        ("exp_digest", {"tokens": [1]}, "arguments", "tokens"),
        ("inc", {"request": "a\0b"}, "spec", "no text may hold"),
        ("inc", {"request": "x", "data": "../../etc/passwd"}, "data", "leads out of the project"),
        ("inc", {"request": "x", "data": "/etc/passwd"}, "data", "leads out of the project"),
        ("status", {"increment": 1}, "state", "no specweave project"),
        ("inc", {"request": "--help"}, "", ""),
    ]
    for number, (name, arguments, code, message) in enumerate(calls):
        params = {"name": name, "arguments": arguments}
        raw.send({"jsonrpc": "2.0", "id": f"c{number}", "method": "tools/call", "params": params})
        result = raw.answer(f"c{number}")["result"]
        document = result["structuredContent"]
        assert json.loads(result["content"][0]["text"]) == document
        if not code:
            assert document["kind"] == "increment", "a request that looks like an option is a request"
            continue
        assert result["isError"] is True
        assert document["kind"] == "error" and document["schema"] == 1
        (record,) = document["errors"]
        assert set(record) == {"severity", "code", "message", "where", "fix"}
        assert record["code"] == code and message in record["message"] and record["fix"], record
        assert "Traceback" not in record["message"]


def test_resources_and_prompts_that_do_not_exist_are_protocol_errors(tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / ".specweave/increments/0001-a").mkdir(parents=True)

    async def main() -> None:
        async with Client(SpecweaveServer(tmp_path)) as client:
            for uri in (
                "specweave://increments/7/spec",
                "specweave://increments/1/spec",
                "specweave://increments/1/passwd",
                "specweave://increments/..%2F..%2Fsecret/spec",
                "specweave://increments/%2e%2e/spec",
                "file:///etc/passwd",
                "nonsense",
            ):
                with pytest.raises(MCPError) as caught:
                    await client.read_resource(uri)
                assert "secret" not in str(caught.value).replace(uri, "").replace("'../../secret'", "")
            with pytest.raises(MCPError):
                await client.get_prompt("no-such-prompt", {})
            with pytest.raises(MCPError, match="no increment is called"):
                await client.get_prompt("next-step", {"increment": "77"})

    anyio.run(main)


# -- a run that is given up --------------------------------------------------------------------------

SLOW = """\
import os, pathlib, time
print("working")
pathlib.Path("pid.txt").write_text(str(os.getpid()))
time.sleep(300)
"""


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Return a project whose first task takes five minutes."""
    rows = [f"{i},{i % 7},{'Yes' if i % 3 else 'No'}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,churn", *rows]) + "\n")
    subprocess.run(
        [sys.executable, "-m", "specweave", "inc", "predict churn", "--data", "t.csv", "--target", "churn"],
        cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / ".specweave/increments/0001-churn/pipeline/t001_explore.py").write_text(SLOW)
    return tmp_path


def wait_for_end(pid: int) -> None:
    """Wait until a process is gone."""
    for _ in range(300):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        if "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]:
            return
        time.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    raise AssertionError("the worker of a run that was given up still works")


def test_a_run_can_be_cancelled_and_gone_on_with(slow: Path) -> None:
    server = StdioServerParameters(command=sys.executable, args=["-m", "specweave", "mcp"], cwd=slow)

    async def main() -> None:
        async with Client(stdio_client(server)) as client:
            with anyio.CancelScope() as scope:

                async def on_progress(progress: float, total: float | None, message: str | None) -> None:
                    if (slow / "pid.txt").exists() or "working" in (message or ""):
                        scope.cancel()

                await client.call_tool("do", {}, progress_callback=on_progress)
            assert scope.cancelled_caught
            # The server is there, and answers while the run winds down.
            listed = await client.call_tool("status", {})
            assert listed.structured_content["increments"][0]["id"] == "0001-churn"
            await anyio.to_thread.run_sync(wait_for_end, int((slow / "pid.txt").read_text()))
            with anyio.fail_after(60):
                while True:
                    (slow / ".specweave/increments/0001-churn/pipeline/t001_explore.py").write_text("1 / 0\n")
                    again = await client.call_tool("do", {"task": "T-001"})
                    if again.structured_content["kind"] == "run":
                        break
                    assert again.structured_content["errors"][0]["code"] == "state"  # still winding down
                    await anyio.sleep(0.3)
            assert again.is_error
            error = again.structured_content["failed"]["error"]
            assert set(error) == {"severity", "code", "message", "where", "fix"}
            assert "division by zero" in error["message"]

    anyio.run(main)


def test_a_client_that_goes_away_leaves_no_run_behind(slow: Path) -> None:
    raw = Raw(slow)
    raw.send(HELLO)
    raw.answer("hello")
    raw.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    raw.send(
        {"jsonrpc": "2.0", "id": "do", "method": "tools/call", "params": {"name": "do", "arguments": {}}}
    )
    for _ in range(600):
        if (slow / "pid.txt").exists() and (slow / "pid.txt").read_text():
            break
        time.sleep(0.1)
    assert raw.close() == 0
    wait_for_end(int((slow / "pid.txt").read_text()))


def test_without_the_package_the_answer_is_how_to_install_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['mcp'] = None; from specweave.cli.main import main; main(['mcp', *sys.argv[1:]])"
    done = subprocess.run(
        [sys.executable, "-c", code, "--list", "--json"], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 3
    (record,) = json.loads(done.stdout)["errors"]
    assert record["code"] == "missing-extra" and "pip install 'specweave-ml[agents]'" in record["fix"]


# -- small parts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given", ["a.csv", "data/a.csv", "./a.csv", "data/*.parquet", "a b.csv", "x/../a.csv"]
)
def test_a_path_inside_the_project_is_taken(tmp_path: Path, given: str) -> None:
    assert check_inside(tmp_path, given, "data") == given == check_source(tmp_path, given, "data")


@pytest.mark.parametrize("given", ["../a.csv", "/etc/passwd", "x/../../a.csv", "link/a.csv"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, given: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path.parent)
    for check in (check_inside, check_source):
        with pytest.raises(DataError, match="leads out"):
            check(tmp_path, given, "data")


def test_data_may_live_at_an_address_but_not_in_a_file_beside_the_project(tmp_path: Path) -> None:
    for good in ("https://host/a.csv", "s3://bucket/a.parquet", "postgresql://host/db?query=x", "increment: 0042",
                 "sqlite:///a.db?query=select"):  # fmt: skip
        assert check_source(tmp_path, good, "data") == good
    for bad in ("file:///etc/passwd", "sqlite:////etc/a.db", "sqlite:///../a.db"):
        with pytest.raises(DataError, match="leads out"):
            check_source(tmp_path, bad, "data")


def test_progress_always_grows_and_does_not_flood() -> None:
    told: list[tuple[float, float, str]] = []
    now = 0.0

    async def report(value: float, total: float, message: str) -> None:
        told.append((value, total, message))

    async def main() -> None:
        nonlocal now
        progress = Progress(report, clock=lambda: now)
        tasks = [{"stale": True}, {"stale": True}, {"stale": False}]
        await progress({"event": "run-started", "tasks": tasks})
        for task in ("T-001", "T-002"):
            await progress({"event": "task-started", "task": task})
            for fold in range(1000):
                now += 0.01
                await progress({"event": "fold", "task": task, "message": f"fold {fold}"})
            await progress({"event": "task-done", "task": task})

    anyio.run(main)
    values = [value for value, _, _ in told]
    assert values == sorted(set(values))
    assert {total for _, total, _ in told} == {2.0}
    assert 1 < next(v for v, _, m in told if m == "T-002 started") < 1.1
    assert values[-1] == pytest.approx(2, abs=0.01)
    assert len(told) < 100
