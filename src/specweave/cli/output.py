"""What every command shares: its options, and how it speaks to people and to machines.

Reads: options, the terminal. Writes: standard output (the answer) and error (prose). Never: mixes the two
when ``--json`` is asked for.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click


@dataclass(frozen=True)
class Session:
    """The common options of one call.

    Attributes
    ----------
    json, quiet, debug : bool
    project : Path or None
        Where to look for ``.specweave/`` instead of here.
    """

    json: bool = False
    quiet: bool = False
    debug: bool = False
    project: Path | None = None

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line for people; to standard error where standard output belongs to a machine."""
        if self.quiet:
            return
        stream = sys.stderr if self.json else sys.stdout
        if style and colours(stream):
            text = click.style(text, **STYLES.get(style, {}))
        print(text, file=stream)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Print a table for people."""
        if self.quiet:
            return
        from rich import box
        from rich.table import Table

        table = Table(
            *[str(c) for c in columns], title=title or None, box=box.SIMPLE_HEAD, title_justify="left"
        )
        for row in rows:
            table.add_row(*["" if cell is None else str(cell) for cell in row])
        console(stderr=self.json).print(table)

    def answer(self, kind: str, body: Mapping[str, Any]) -> None:
        """Print the one JSON document of this command, where it was asked for."""
        if self.json:
            from specweave.files.store import render_json

            print(render_json({"kind": kind, "schema": 1, **body}), end="")

    def get_project(self) -> Any:
        """Return the project that is meant."""
        from specweave.increments.project import get_project

        return get_project(self.project)

    def get_increment(self, name: str | None) -> Any:
        """Return the increment that is meant; later calls in this process mean the same one."""
        project = self.get_project()
        increment = project.get_increment(name)
        os.environ["SPECWEAVE_PROJECT"] = str(project.root)
        os.environ["SPECWEAVE_INCREMENT"] = increment.id
        return increment


STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"}, "bad": {"fg": "red"}, "warn": {"fg": "yellow"}, "dim": {"dim": True}, "head": {"bold": True},
}  # fmt: skip
VERDICT_STYLE = {"pass": "good", "fail": "bad", "inconclusive": "warn", "missing": "bad"}


def colours(stream: Any) -> bool:
    """Return whether a stream wants colour: a terminal, and no ``NO_COLOR``."""
    return not os.environ.get("NO_COLOR") and bool(getattr(stream, "isatty", lambda: False)())


def console(*, stderr: bool = False) -> Any:
    """Return a rich console; lines are not cut where the output is no terminal."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        file=stream, highlight=False, no_color=not colours(stream), width=None if stream.isatty() else 1000
    )


def show_error(record: Mapping[str, Any]) -> None:
    """Print an error for people: what, where, how to mend it."""
    head = click.style("error", fg="red", bold=True) if colours(sys.stderr) else "error"
    where = f"{record['where']}: " if record.get("where") else ""
    print(f"{head}: {where}{record['message']}", file=sys.stderr)
    if record.get("fix"):
        print(f"  {record['fix']}", file=sys.stderr)


def common_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--json --quiet --debug --project`` and hand it a Session as first argument."""

    @click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document; prose goes to standard error."
    )
    @click.option("--quiet", "-q", is_flag=True, help="Print nothing but errors (and JSON).")
    @click.option("--debug", is_flag=True, help="Show tracebacks.")
    @click.option(
        "--project",
        type=click.Path(path_type=Path),
        help="Folder that holds .specweave/ (default: here or above).",
    )
    @functools.wraps(function)
    def wrapped(as_json: bool, quiet: bool, debug: bool, project: Path | None, **options: Any) -> Any:
        if project is not None:
            os.environ["SPECWEAVE_PROJECT"] = str(project.resolve())
        return function(Session(as_json, quiet, debug, project), **options)

    return wrapped


def verdict_cells(verdict: Mapping[str, Any]) -> str:
    """Return a verdict with its mark."""
    marks = {"pass": "✅ pass", "fail": "❌ fail", "inconclusive": "❔ inconclusive", "missing": "❌ missing"}
    text = marks[verdict["verdict"]]
    return f"{text} (waived)" if verdict.get("waived") else text
