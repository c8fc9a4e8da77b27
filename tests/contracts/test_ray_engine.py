"""The Ray engine keeps the contract on a cluster of its own on this machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from specweave import registry
from specweave.engines.contract import EngineContract

pytestmark = [pytest.mark.slow, pytest.mark.ray]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    yield
    import ray

    ray.shutdown()


class TestRayEngine(EngineContract):
    engine = registry.get("engines", "ray")()


class TestRayEngineOneAtATime(EngineContract):
    engine = registry.get("engines", "ray")()
    jobs = 1
