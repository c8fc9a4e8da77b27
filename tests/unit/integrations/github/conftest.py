"""A repository on this machine and an increment whose records are real."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from built_increment import build_evaluated, build_project
from github_server import NAME, TOKEN, GitHubServer, running

from specweave.increments.project import Increment
from specweave.integrations.github.client import GitHubClient
from specweave.integrations.github.repository import Access, parse_repository

Connect = Callable[[Access], GitHubClient]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("SPECWEAVE_", "GITHUB_", "GH_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def github_server() -> Iterator[GitHubServer]:
    with running() as server:
        yield server


@pytest.fixture
def access(github_server: GitHubServer) -> Access:
    return Access(parse_repository(NAME, "test"), github_server.url, TOKEN)


@pytest.fixture
def waits() -> list[float]:
    """Return the list of waits that a client was asked for, instead of waiting."""
    return []


@pytest.fixture
def connect(waits: list[float]) -> Connect:
    return lambda access: GitHubClient(access, timeout_s=5, sleep=waits.append, now=lambda: 1_000_000.0)


@pytest.fixture
def increment(tmp_path: Path) -> Increment:
    return build_evaluated(build_project(tmp_path / "project"))
