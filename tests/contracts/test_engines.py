"""Every registered engine keeps the contract that is shipped with the package."""

from __future__ import annotations

from specweave import registry
from specweave.engines.contract import EngineContract


class TestLocalEngineWithWorkers(EngineContract):
    engine = registry.get("engines", "local")()


class TestLocalEngineInThisProcess(EngineContract):
    engine = registry.get("engines", "local")()
    jobs = 1
