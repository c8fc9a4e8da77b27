"""An agent's session: a real client over standard input and output drives inc, do, validate and done."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

pytest.importorskip("mcp", reason="the extra 'agents' is not installed")

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

SKILLS = Path(__file__).resolve().parents[2] / "src/specweave/templates/agents/skills"
# What a project without MLflow, or without the time for it, leaves out.
NOT_RUN = ("KerasCallback",)


@asynccontextmanager
async def session(folder: Path) -> AsyncIterator[Client]:
    """Yield a client of ``sw mcp`` in a folder."""
    server = StdioServerParameters(command=sys.executable, args=["-m", "specweave", "mcp"], cwd=folder)
    with (folder.parent / "server.log").open("a", encoding="utf-8") as log:
        async with Client(stdio_client(server, errlog=log)) as client:
            yield client


def talk(folder: Path, work: Callable[[Client], Coroutine[Any, Any, None]]) -> None:
    """Run `work` in one session."""

    async def main() -> None:
        async with session(folder) as client:
            await work(client)

    anyio.run(main)


def sw(folder: Path, *arguments: str) -> dict[str, Any]:
    """Return the document of ``sw ... --json``."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run(
        [sys.executable, "-m", "specweave", *arguments, "--json"],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write_table(path: Path) -> None:
    """Write 160 rows in which age and plan say much about churn."""
    rng = random.Random(3)
    rows = ["key,age,plan,income,churn"]
    for i in range(160):
        age, plan = rng.randint(18, 70), rng.choice("abc")
        odds = (age - 44) / 9 + (1.5 if plan == "a" else -0.7) + rng.gauss(0, 0.8)
        rows.append(f"k{i:04d},{age},{plan},{rng.randint(900, 4000)},{'Yes' if odds > 0 else 'No'}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def shorten_plan(plan: Path) -> None:
    """Leave one candidate and the least of everything: this test is about the way, not the model."""
    text = plan.read_text(encoding="utf-8")
    block = re.search(r"^candidates:\n(?:  .*\n|    .*\n)+", text, re.M)
    assert block
    text = text.replace(block[0], "candidates:\n  - name: linear\n")
    for old, new in (("trials: 40", "trials: 1"), ("folds: 5", "folds: 2"), ("rows: 500", "rows: 20"),
                     ("examples: 5", "examples: 1")):  # fmt: skip
        text = text.replace(old, new)
    plan.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that an agent took from the request to the summary."""
    folder = tmp_path_factory.mktemp("agent") / "project"
    folder.mkdir()
    write_table(folder / "churn.csv")
    seen: list[tuple[float, float | None, str]] = []

    async def work(client: Client) -> None:
        asked = {
            "request": "predict churn",
            "data": "churn.csv",
            "target": "churn",
            "metrics": ["ROC AUC > 0.6"],
        }
        made = await client.call_tool("inc", asked)
        assert not made.is_error, made
        assert made.structured_content["kind"] == "increment"
        shorten_plan(folder / made.structured_content["folder"] / "plan.md")

        planned = await client.call_tool("do", {"dry_run": True})
        assert [t["stale"] for t in planned.structured_content["tasks"]] == [True] * 9

        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            seen.append((progress, total, message or ""))

        run = await client.call_tool("do", {"budget": "60s", "jobs": 1}, progress_callback=on_progress)
        assert not run.is_error, run.content[0].text
        assert run.structured_content["kind"] == "run"
        assert len(run.structured_content["ran"]) == 9

        judged = await client.call_tool("validate", {"increment": 1})
        assert judged.structured_content["ok"], judged.content[0].text
        closed = await client.call_tool("done", {"increment": "0001"})
        assert not closed.is_error
        assert closed.structured_content["kind"] == "completion"

    talk(folder, work)
    values = [progress for progress, _, _ in seen]
    assert values == sorted(set(values)) and values[-1] == pytest.approx(9, abs=0.01)
    assert {total for _, total, _ in seen} == {9.0}
    assert {f"T-00{n} done" for n in range(1, 10)} <= {message for _, _, message in seen}
    return folder


def test_a_tool_returns_the_document_of_the_command(folder: Path) -> None:
    calls = {
        "status": ({}, ["status"]),
        "validate": ({"increment": "churn"}, ["validate", "churn"]),
        "exp_list": ({"limit": 2, "sort": "roc_auc"}, ["exp", "list", "--limit", "2", "--sort", "roc_auc"]),
        "exp_show": ({"experiment": "exp-002"}, ["exp", "show", "exp-002"]),
        "exp_compare": ({}, ["exp", "compare"]),
        "exp_digest": ({"tokens": 300}, ["exp", "digest", "--tokens", "300"]),
        "model_list": ({"increment": 1}, ["model", "list", "1"]),
        "sync_docs": ({"action": "check"}, ["sync-docs", "check"]),
        "review": ({}, ["review"]),
    }

    async def work(client: Client) -> None:
        served = {t.name for t in (await client.list_tools()).tools}
        assert served == {*calls, "inc", "do", "done", "predict"}
        for tool, (arguments, command) in calls.items():
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, (tool, result)
            assert result.structured_content == sw(folder, *command), tool
            assert json.loads(result.content[0].text) == result.structured_content

    talk(folder, work)


def test_predict_answers_rows_inside_the_project_and_nothing_beside_it(folder: Path) -> None:
    async def work(client: Client) -> None:
        asked = {"increment": 1, "source": "churn.csv", "output": "answers.csv"}
        good = await client.call_tool("predict", asked)
        assert good.structured_content["rows"] == 160
        for bad in ({"source": "../rows.csv"}, {"output": "/tmp/answers.csv"}, {"output": "a/../../b.csv"}):
            refused = await client.call_tool("predict", {**asked, **bad})
            assert refused.is_error
            assert "leads out of the project" in refused.structured_content["errors"][0]["message"]

    talk(folder, work)
    assert (folder / "answers.csv").read_text(encoding="utf-8").count("\n") == 161


def test_documents_of_an_increment_can_be_listed_and_read(folder: Path) -> None:
    home = folder / ".specweave/increments/0001-churn"

    async def work(client: Client) -> None:
        listed = {r.uri for r in (await client.list_resources()).resources}
        names = ("spec", "plan", "tasks", "tests", "comparison", "evaluation", "summary", "digest")
        assert listed == {"specweave://increments"} | {
            f"specweave://increments/0001-churn/{n}" for n in names
        }
        templates = {t.uri_template for t in (await client.list_resource_templates()).resource_templates}
        assert templates == {f"specweave://increments/{{increment}}/{n}" for n in names}
        for number in ("1", "0001", "0001-churn"):
            read = await client.read_resource(f"specweave://increments/{number}/spec")
            assert read.contents[0].text == (home / "spec.md").read_text(encoding="utf-8")
        read = await client.read_resource("specweave://increments/1/comparison")
        assert read.contents[0].text == (home / "experiments/comparison.md").read_text(encoding="utf-8")
        digest = await client.read_resource("specweave://increments/1/digest")
        assert digest.contents[0].text.rstrip() == sw(folder, "exp", "digest")["text"].rstrip()
        overview = await client.read_resource("specweave://increments")
        assert json.loads(overview.contents[0].text) == sw(folder, "status")

    talk(folder, work)


def test_prompts_carry_the_state_of_the_project(folder: Path) -> None:
    async def work(client: Client) -> None:
        names = {p.name for p in (await client.list_prompts()).prompts}
        assert names == {"start-increment", "next-step", "review"}
        start = await client.get_prompt("start-increment", {"request": "predict ltv", "data": "ltv.csv"})
        assert "predict ltv --data ltv.csv" in start.messages[0].content.text
        for name in ("next-step", "review"):
            prompt = await client.get_prompt(name, {"increment": "1"})
            assert '"id": "0001-churn"' in prompt.messages[0].content.text
            assert '"status": "done"' in prompt.messages[0].content.text

    talk(folder, work)


@pytest.mark.parametrize("skill", sorted(p.parent.name for p in SKILLS.glob("*/SKILL.md")))
def test_the_code_of_every_skill_runs_in_a_project(folder: Path, skill: str) -> None:
    text = (SKILLS / skill / "SKILL.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    code = "\n".join(b for b in blocks if not any(word in b for word in NOT_RUN))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{code}\n{done.stderr[-3000:]}"
