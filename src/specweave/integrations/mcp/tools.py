"""The tools of the server: each is one call of ``sw --json`` and returns that document.

Reads: what a client sent. Writes: nothing. Never: holds logic that the command has not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import Field

from specweave.integrations.mcp.child import Answer, Event, OnEvent, run_sw
from specweave.integrations.mcp.paths import check_inside, check_source

Increment = Annotated[
    str | int | None,
    Field(description="42, 0042, the whole id, or a unique part of its name; the active one by default"),
]
_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
# Between two notifications of progress, so that a client is not flooded.
_PAUSE_S = 0.25


def add_tools(server: MCPServer[Any], root: Path) -> None:
    """Register every tool for the project at `root`."""
    call = _Caller(root)
    _add_verbs(server, root, call)
    _add_questions(server, root, call)


class _Caller:
    """Runs ``sw`` for the tools; not many at once, however many a client asks for."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # A run may take an hour; questions must be answered meanwhile.
        self._limits = {True: anyio.Semaphore(2), False: anyio.Semaphore(4)}

    async def __call__(
        self, arguments: Sequence[object], *, verdict: bool = False, on_event: OnEvent | None = None
    ) -> CallToolResult:
        async with self._limits[on_event is not None]:
            answer = await run_sw(self.root, [str(a) for a in arguments], on_event)
        return make_result(answer, verdict=verdict)


def make_result(answer: Answer, *, verdict: bool = False) -> CallToolResult:
    """Return a document as a tool's result; `verdict` says that exit code 1 is an answer, not a failure."""
    failed = answer.document.get("kind") == "error" or (
        answer.code != 0 and not (verdict and answer.code == 1)
    )
    text = json.dumps(answer.document, indent=2, ensure_ascii=False)
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=answer.document, is_error=failed
    )


def _named(increment: str | int | None) -> list[str]:
    # Behind "--", so that nothing a client sends is taken for an option.
    return [] if increment is None or increment == "" else ["--", str(increment)]


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [f"--{name}={value}"]


def _add_verbs(server: MCPServer[Any], root: Path, call: _Caller) -> None:
    @server.tool(title="Start an increment", annotations=_WRITES)
    async def inc(
        request: Annotated[str, Field(description="What to predict, in the user's words; or an explicit id")],
        data: Annotated[
            str | None, Field(description="Table inside the project, or an address (https, s3)")
        ] = None,
        target: Annotated[str | None, Field(description="Column to predict")] = None,
        problem: Annotated[
            str | None, Field(description='For example "Regression"; inferred by default')
        ] = None,
        time: Annotated[str | None, Field(description="Column that orders the rows in time")] = None,
        identifiers: Annotated[list[str] | None, Field(description="Key columns")] = None,
        metrics: Annotated[list[str] | None, Field(description='Criteria: "ROC AUC > 0.83"')] = None,
        after: Annotated[
            list[str | int] | None, Field(description="Increments that this one builds on")
        ] = None,
    ) -> CallToolResult:
        """Write spec.md, plan.md, tasks.md, tests.md and the task scripts from a request and a table."""
        if data is not None:
            check_source(root, data, "data")
        options = [*_option("data", data), *_option("target", target), *_option("problem", problem), *_option("time", time)]  # fmt: skip
        for name, values in (("id", identifiers), ("metric", metrics), ("after", after)):
            options += [f"--{name}={value}" for value in values or ()]
        return await call(["inc", "--json", *options, "--", request])

    @server.tool(name="do", title="Run the tasks that are not up to date", annotations=_WRITES)
    async def do_(
        ctx: Context[Any, Any],
        increment: Increment = None,
        task: Annotated[str | None, Field(description="Only this task, for example T-004")] = None,
        from_task: Annotated[str | None, Field(description="This task and all after it")] = None,
        force: Annotated[bool, Field(description="Also what is up to date")] = False,
        budget: Annotated[str | None, Field(description="Time for training and tuning: 60s, 10m, 1h")] = None,
        jobs: Annotated[int | None, Field(ge=1, description="Parallel workers; all cores by default")] = None,
        dry_run: Annotated[bool, Field(description="Only say what would run, and why")] = False,
    ) -> CallToolResult:
        """Run what is stale, in order; progress is told as it goes. A run that is cancelled goes on where it was."""
        options = [*_option("task", task), *_option("from", from_task), *_option("budget", budget), *_option("jobs", jobs)]  # fmt: skip
        options += ["--force"] * force + ["--dry-run"] * dry_run
        progress = None if dry_run else Progress(ctx.report_progress)
        return await call(["do", "--json", *options, *_named(increment)], on_event=progress)

    @server.tool(title="Judge an increment by its evidence", annotations=_WRITES)
    async def validate(increment: Increment = None) -> CallToolResult:
        """Give pass, fail or inconclusive for each criterion, with interval and evidence; 'ok' says whether it can be closed."""
        return await call(["validate", "--json", *_named(increment)], verdict=True)

    @server.tool(title="Close an increment", annotations=_WRITES)
    async def done(increment: Increment = None) -> CallToolResult:
        """Validate, write COMPLETION-SUMMARY.md and the living documents, set the status to done. Fails where validate does."""
        return await call(["done", "--json", *_named(increment)])

    @server.tool(title="Write or check the living documents", annotations=_WRITES)
    async def sync_docs(action: Literal["update", "check"] = "update") -> CallToolResult:
        """Write architecture pages, decisions and runbooks from the evidence; or name each line that is stale."""
        return await call(["sync-docs", "--json", action], verdict=action == "check")

    @server.tool(title="Answer a file of rows", annotations=_WRITES)
    async def predict(
        increment: Annotated[str | int, Field(description="Whose model: 42, 0042 or a part of the name")],
        source: Annotated[str | None, Field(description="File of rows inside the project")] = None,
        output: Annotated[
            str | None, Field(description="File.csv, .parquet or .json inside the project")
        ] = None,
        horizon: Annotated[int | None, Field(ge=1, description="Forecast so many steps instead")] = None,
    ) -> CallToolResult:
        """Answer each row with prediction, probability, decision and reasons; the answers go to a file."""
        for name, path in (("source", source), ("output", output)):
            if path is not None:
                check_inside(root, path, name)
        options = [*_option("output", output), *_option("horizon", horizon)]
        return await call(
            ["predict", "--json", *options, "--", str(increment), *([source] if source else [])]
        )


def _add_questions(server: MCPServer[Any], root: Path, call: _Caller) -> None:
    tool = _reading(server)

    @tool("Show increments, progress and the best model")
    async def status(increment: Increment = None) -> CallToolResult:
        """List the increments with status, tasks and best model; of one increment also its criteria."""
        return await call(["status", "--json", *_named(increment)])

    @tool("List experiments")
    async def exp_list(
        increment: Increment = None,
        where: Annotated[
            str | None, Field(description="metrics.roc_auc > 0.8 and status == completed")
        ] = None,
        sort: Annotated[str | None, Field(description="A metric, a parameter or a field")] = None,
        limit: Annotated[int | None, Field(ge=1)] = None,
    ) -> CallToolResult:
        """List experiments with params and metrics."""
        options = [*_option("increment", increment), *_option("where", where), *_option("sort", sort), *_option("limit", limit)]  # fmt: skip
        return await call(["exp", "list", "--json", *options])

    @tool("Show one experiment")
    async def exp_show(experiment: str, increment: Increment = None) -> CallToolResult:
        """Show params, metrics (best, last, min, max), notes and artifacts of one experiment."""
        return await call(["exp", "show", "--json", *_option("increment", increment), "--", experiment])

    @tool("Compare experiments")
    async def exp_compare(increment: Increment = None) -> CallToolResult:
        """Compare the experiments of today's data and split, best first, with intervals and the reason for the choice."""
        return await call(["exp", "compare", "--json", *_option("increment", increment)])

    @tool("Digest of all experiments")
    async def exp_digest(
        increment: Increment = None,
        tokens: Annotated[int, Field(ge=100, description="About how long")] = 1500,
    ) -> CallToolResult:
        """Tell in few words what was tried, what it gave and what was learnt."""
        return await call(["exp", "digest", "--json", f"--tokens={tokens}", *_option("increment", increment)])

    @tool("List model versions")
    async def model_list(increment: Increment = None) -> CallToolResult:
        """List the registered models: status, experiment, algorithm, first metric."""
        return await call(["model", "list", "--json", *_named(increment)])

    @tool("Review by the ml-engineer")
    async def review(increment: Increment = None) -> CallToolResult:
        """Give findings with code, severity and evidence, and the change of plan.md that each asks for."""
        return await call(["review", "--json", *_named(increment)], verdict=True)


def _reading(server: MCPServer[Any]) -> Callable[[str], Callable[[Any], Any]]:
    return lambda title: server.tool(title=title, annotations=_READS)


class Progress:
    """The events of a run as progress: tasks done, and within a task the fits that grow towards the next.

    Parameters
    ----------
    report : callable
        Awaited with progress, total and message.
    clock : callable, optional
        Seconds.
    """

    def __init__(self, report: Callable[..., Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._report, self._clock = report, clock
        self._done, self._steps, self._total = 0, 0, 1
        self._sent, self._last = float("-inf"), -1.0

    async def __call__(self, event: Event) -> None:
        """Tell the client of one event, if it is time to."""
        kind = str(event["event"])
        task = str(event.get("task", ""))
        if kind == "run-started":
            self._total = max(1, sum(bool(t["stale"]) for t in event.get("tasks", ())))
            await self._tell(f"{self._total} tasks to run")
        elif kind == "task-started":
            self._steps = 0
            await self._tell(f"{task} started")
        elif kind == "task-done":
            self._done, self._steps = self._done + 1, 0
            await self._tell(f"{task} done")
        elif kind == "task-failed":
            await self._tell(f"{task} failed")
        elif event.get("message"):
            self._steps += 1
            if self._clock() - self._sent >= _PAUSE_S:
                await self._tell(f"{task}: {event['message']}".strip(": "))

    async def _tell(self, message: str) -> None:
        # The protocol wants every value to be larger than the one before.
        value = max(self._done + self._steps / (self._steps + 20), self._last + 1e-6)
        self._last, self._sent = value, self._clock()
        await self._report(value, float(self._total), message)
