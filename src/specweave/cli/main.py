"""``sw``: where a call begins, and the one place where errors become text.

Reads: arguments. Writes: standard output and error. Never: imports anything heavy before a command runs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Any

from specweave.cli.table import help_text


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``sw``; end the process with 0 (fine), 1 (a gate or task failed), 2 (bad input) or 3 (missing package)."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a mark shows '?', rather than ending the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if arguments in ([], ["--help"], ["-h"]):
        # The page people ask for most often needs no argument parser.
        print(help_text(), end="")
        sys.exit(0)
    import click

    from specweave.cli.group import cli

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


def _fail_usage(error: Any, arguments: list[str]) -> None:
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
