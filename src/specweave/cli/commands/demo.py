"""``sw demo``."""

from __future__ import annotations

import importlib
import shutil
import time
from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options
from specweave.cli.table import COMMANDS


@click.command("demo")
@click.argument("name", required=False)
@click.option(
    "--into", type=click.Path(path_type=Path), help="Folder of the demo project (default: demo/NAME)."
)
@click.option("--data", metavar="FILE", help="Run the example on a table of your own instead.")
@common_options
def command(session: Session, name: str | None, into: Path | None, data: str | None) -> int:
    """Run a bundled example from the request to the completion summary. Without NAME: list them.

    \b
    Example:
      sw demo churn
    """
    from specweave.errors import DataError, UnknownNameError, did_you_mean

    known = find_demos()
    if name is None:
        session.table(["demo", "question"], [(n, d["title"]) for n, (_, d) in known.items()])
        session.answer("demos", {"demos": [{"name": n, "title": d["title"]} for n, (_, d) in known.items()]})
        return 0
    if name not in known:
        raise UnknownNameError(f"no demo is called '{name}'", hint=did_you_mean(name, known))
    folder, demo = known[name]
    own = Path(data).resolve() if data else None
    if own is not None and not own.is_file():
        raise DataError(f"no such file: {data}", where="--data", hint="name one table")
    return _run(session, name, folder, demo, (into or Path("demo") / name).resolve(), own)


def find_demos() -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return the bundled examples by name: their folder and what ``demo.yaml`` says."""
    from specweave.files.yamlio import load_yaml

    package = Path(__file__).resolve().parents[2]
    roots = [package / "examples", package.parents[1] / "examples"]
    found: dict[str, tuple[Path, dict[str, Any]]] = {}
    for root in roots:
        for path in sorted(root.glob("*/demo.yaml")):
            found.setdefault(path.parent.name, (path.parent, load_yaml(path)))
    return found


def _run(
    session: Session, name: str, folder: Path, demo: dict[str, Any], into: Path, own: Path | None
) -> int:
    import os

    from specweave.cli.demo_system import run_system
    from specweave.increments.project import Project

    began = time.monotonic()
    into.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_file() and path.name != "demo.yaml":
            shutil.copyfile(path, into / path.name)
    table = own or folder / str(demo["data"])
    shutil.copyfile(table, into / table.name)
    os.chdir(into)
    os.environ.pop("SPECWEAVE_INCREMENT", None)
    os.environ["SPECWEAVE_PROJECT"] = str(into)

    def step(title: str, arguments: list[str]) -> int:
        shown = " ".join(f'"{a}"' if " " in a else a for a in arguments)
        session.say(f"\n$ sw {title} {shown}".rstrip(), "head")
        module = importlib.import_module(COMMANDS[title][0])
        options = ["--quiet"] if session.quiet else []
        code = int(module.command.main([*arguments, *options], standalone_mode=False) or 0)
        if code:
            session.say(f"\nstopped: sw {title} ended with {code}; look in {into}", "bad")
        return code

    if "increments" in demo:
        code = run_system(folder, demo, Project(into), table.name, step)
    else:
        fresh = not any((into / ".specweave" / "increments").glob("*/spec.md"))
        code = step("inc", _inc_arguments(demo, table.name)) if fresh else 0
        code = code or step("do", ["--budget", str(demo.get("budget", "90s"))])
        code = code or step("validate", []) or step("done", [])
    if not code:
        _where_to_look(session, name, into, time.monotonic() - began)
    return code


def _inc_arguments(demo: dict[str, Any], data: str) -> list[str]:
    arguments = [str(demo["request"]), "--data", data]
    for option in ("target", "problem", "time"):
        if demo.get(option):
            arguments += [f"--{option}", str(demo[option])]
    for metric in demo.get("metrics", []):
        arguments += ["--metric", str(metric)]
    return arguments


def _where_to_look(session: Session, name: str, into: Path, seconds: float) -> None:
    increment = max((into / ".specweave" / "increments").glob("*/COMPLETION-SUMMARY.md")).parent
    here = increment.relative_to(into.parent.parent) if into.parent.name == "demo" else increment
    session.say(f"\nthe demo '{name}' ran in {seconds:.0f} s. Where to look:", "good")
    for path, what in (
        ("COMPLETION-SUMMARY.md", "what was tried and what won"),
        ("reports/forecast.csv", "the steps that were asked for"),
        ("reports/recommendations.csv", "a list for every user"),
        ("reports/customers.csv", "what every customer is expected to bring"),
        ("spec.md", "what must be true; change a number and run: sw validate"),
        ("experiments/comparison.md", "every experiment, best first"),
        ("reports/evaluation-report.md", "how good it is, with pictures"),
        ("reports/explainability-report.md", "why it answers as it does"),
        ("notebooks/", "executed notebooks to go on from"),
        ("deploy/DEPLOYMENT.md", "how to run the model"),
    ):
        if (increment / path).exists():
            session.say(f"  {here}/{path:<34} {what}")
    session.answer("demo", {"name": name, "folder": str(here)})
