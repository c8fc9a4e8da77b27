"""The commands of ``sw`` and its help page, without importing any of them, nor click.

Reads: nothing. Writes: nothing. Never: imports more than it must; ``sw --help`` is all of it.
"""

from __future__ import annotations

# name -> (module with `command`, one line of help). A new command is one file and one line here.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("specweave.cli.commands.init", "Make .specweave/ in this folder."),
    "inc": ("specweave.cli.commands.inc", "Start an increment: spec, plan, tasks, tests from a request."),
    "status": ("specweave.cli.commands.status", "Show increments, progress and the best model."),
    "do": ("specweave.cli.commands.do", "Run the tasks that are not up to date."),
    "validate": ("specweave.cli.commands.validate", "Judge the increment by its evidence."),
    "done": ("specweave.cli.commands.done", "Close the increment and write its summary."),
    "sync-docs": (
        "specweave.cli.commands.sync_docs",
        "Write or check architecture pages, decisions and runbooks.",
    ),
    "exp": ("specweave.cli.commands.exp", "List, show and compare experiments."),
    "model": ("specweave.cli.commands.model", "List, show, promote, roll back and verify model versions."),
    "predict": ("specweave.cli.commands.predict", "Answer a file of raw rows with the packaged model."),
    "serve": ("specweave.cli.commands.serve", "Answer raw rows over HTTP."),
    "monitor": ("specweave.cli.commands.monitor", "Compare a new batch with the training data."),
    "reproduce": (
        "specweave.cli.commands.reproduce",
        "Run again in a clean folder and compare every number.",
    ),
    "review": (
        "specweave.cli.commands.review",
        "Say what is doubtful, what to change, and what to try next.",
    ),
    "github": (
        "specweave.cli.commands.github",
        "Make issues that say how increments stand, keep them up to date.",
    ),
    "agent": ("specweave.cli.commands.agent", "Teach coding agents to drive this project."),
    "mcp": ("specweave.cli.commands.mcp", "Serve this project to coding agents over MCP."),
    "ci": ("specweave.cli.commands.ci", "Judge a pull request: criteria, gates, metrics against the base."),
    "data": ("specweave.cli.commands.data", "Show, refresh and version the data of increments."),
    "doctor": ("specweave.cli.commands.doctor", "Check this machine and project, and say what to mend."),
    "demo": ("specweave.cli.commands.demo", "Run a bundled example end to end."),
}

_HELP = """\
Usage: sw [OPTIONS] COMMAND [ARGS]...

  Machine-learning projects driven by their own documents.

  Example:
    sw inc "predict which customers will churn" --data churn.csv --target Churn
    sw do
    sw validate
    sw done

Options:
  --version   Show the version.
  -h, --help  Show this message and exit.

Commands:
"""


def help_text() -> str:
    """Return the help page of ``sw``."""
    width = max(map(len, COMMANDS))
    return _HELP + "".join(f"  {name:<{width}}  {text}\n" for name, (_, text) in COMMANDS.items())
