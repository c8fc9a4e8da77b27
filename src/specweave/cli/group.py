"""The click group behind ``sw``: each command is imported when it is called.

Reads: the table of commands. Writes: nothing. Never: imports a command that was not asked for.
"""

from __future__ import annotations

from typing import Any

import click

from specweave.cli.table import COMMANDS, help_text


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

    def get_help(self, ctx: click.Context) -> str:
        """Return the help page made from the table."""
        return help_text().rstrip("\n")

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
