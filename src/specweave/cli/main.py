"""``sw``: the table of commands, loaded when called, and the one place where errors become text.

Reads: arguments. Writes: standard output and error. Never: imports anything heavy before a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import click

# name -> (module with `command`, one line of help). A new command is one file and one line here.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("specweave.cli.commands.init", "Make .specweave/ in this folder."),
    "inc": ("specweave.cli.commands.inc", "Start an increment: spec, plan, tasks, tests from a request."),
    "status": ("specweave.cli.commands.status", "Show increments, progress and the best model."),
    "do": ("specweave.cli.commands.do", "Run the tasks that are not up to date."),
    "validate": ("specweave.cli.commands.validate", "Judge the increment by its evidence."),
    "done": ("specweave.cli.commands.done", "Close the increment and write its summary."),
    "exp": ("specweave.cli.commands.exp", "List, show and compare experiments."),
    "model": ("specweave.cli.commands.model", "List, show, promote, roll back and verify model versions."),
    "predict": ("specweave.cli.commands.predict", "Answer a file of raw rows with the packaged model."),
    "serve": ("specweave.cli.commands.serve", "Answer raw rows over HTTP."),
    "monitor": ("specweave.cli.commands.monitor", "Compare a new batch with the training data."),
    "doctor": ("specweave.cli.commands.doctor", "Check this machine and project, and say what to mend."),
    "demo": ("specweave.cli.commands.demo", "Run a bundled example end to end."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        import importlib

        return importlib.import_module(COMMANDS[cmd_name][0]).command  # type: ignore[no-any-return]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Offer the nearest command for a name that does not exist."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from specweave.errors import did_you_mean

            raise click.UsageError(f"no command '{args[0]}': {did_you_mean(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from specweave import __version__

        click.echo(f"specweave {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version."
)
def cli() -> None:
    """Machine-learning projects driven by their own documents.

    \b
    Example:
      sw inc "predict which customers will churn" --data churn.csv --target Churn
      sw do
      sw validate
      sw done
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``sw``; end the process with 0 (fine), 1 (a gate or task failed), 2 (bad input) or 3 (missing package)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = cli.main(arguments, prog_name="sw", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        _fail_usage(error, arguments)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept, run the command again to go on", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # the one handler: whatever happens becomes one clear message
        _fail(error, arguments)


def _fail_usage(error: click.ClickException, arguments: list[str]) -> None:
    if "--json" in arguments:
        _print_json_error({"severity": "error", "code": "usage", "message": error.format_message(), "where": None,
                           "fix": "sw --help"})  # fmt: skip
    else:
        error.show()
    sys.exit(2)


def _fail(error: Exception, arguments: list[str]) -> None:
    from specweave.errors import SpecweaveError

    if "--debug" in arguments:
        raise error
    if isinstance(error, SpecweaveError):
        record, code = error.to_record(), error.exit_code
    else:
        record = {
            "severity": "error", "code": "internal", "message": f"{type(error).__name__}: {error}", "where": None,
            "fix": "this is a defect of specweave: run the command again with --debug and report what it prints",
        }  # fmt: skip
        code = 1
    if "--json" in arguments:
        _print_json_error(record)
    else:
        from specweave.cli.output import show_error

        show_error(record)
    sys.exit(code)


def _print_json_error(record: dict[str, Any]) -> None:
    import json

    print(json.dumps({"kind": "error", "schema": 1, "errors": [record]}, indent=2))
