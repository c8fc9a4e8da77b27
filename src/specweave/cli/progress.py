"""What ``sw do`` shows while it runs: live on a terminal, plain lines elsewhere, JSON lines with ``--json``.

Reads: the runner's events. Writes: standard output or error. Never: slows the run.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from specweave.cli.output import Session, colours

Event = dict[str, Any]


@contextmanager
def make_reporter(session: Session) -> Iterator[Any]:
    """Yield the function that shows events in the way this session wants."""
    if session.json:
        yield _json_lines
    elif session.quiet:
        yield lambda event: None
    elif sys.stdout.isatty():
        live = _Live(session)
        try:
            yield live
        finally:
            live.close()
    else:
        yield _Plain(session)


def _json_lines(event: Event) -> None:
    print(json.dumps(event, default=str, sort_keys=True), file=sys.stderr, flush=True)


class _Plain:
    """One line per event, for logs and pipes."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.titles: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        kind, task = event["event"], event.get("task", "")
        if kind == "run-started":
            self.titles = {t["id"]: t["title"] for t in event["tasks"]}
            for item in event["tasks"]:
                if not item["stale"]:
                    self.line(f"{item['id']} up to date: {item['title']}", "dim")
        elif kind == "task-started":
            self.line(f"{task} {self.titles.get(task, '')}", "head")
        elif kind == "task-done":
            self.line(f"{task} done in {event['seconds']:.1f} s", "good")
        elif kind == "task-failed":
            self.line(f"{task} failed after {event.get('seconds', 0):.1f} s", "bad")
        elif event.get("message"):
            self.line(f"  {event['message']}", "dim" if kind in ("fold", "trial") else "")

    def line(self, text: str, style: str = "") -> None:
        self.session.say(text, style)
        sys.stdout.flush()


class _Live(_Plain):
    """The same lines above one line that moves: what runs now, and for how long."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        from rich.status import Status

        from specweave.cli.output import console

        self.console = console()
        self.status = Status(
            "starting", console=self.console, spinner="dots" if colours(sys.stdout) else "line"
        )
        self.status.start()
        self.began = time.monotonic()

    def __call__(self, event: Event) -> None:
        if event["event"] in ("fold", "trial"):
            self.status.update(
                f"{event.get('task', '')}  {event['message']}  ({time.monotonic() - self.began:.0f} s)"
            )
            return
        if event["event"] == "task-started":
            self.status.update(f"{event['task']} {self.titles.get(event['task'], '')}")
        super().__call__(event)

    def line(self, text: str, style: str = "") -> None:
        marks = {"head": "bold", "good": "green", "bad": "red", "dim": "dim", "warn": "yellow"}
        self.console.print(text, style=marks.get(style), markup=False)

    def close(self) -> None:
        """End the moving line."""
        self.status.stop()
