"""``sw data``: which data an increment was trained on; fetching it anew; putting it under DVC."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.group("data", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Show, refresh and version the data of increments.

    \b
    Example:
      sw data status
    """


@command.command("status")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def status(session: Session, increment_id: str | None) -> None:
    """Compare the data that an increment was trained on with what lies there now.

    \b
    Example:
      sw data status 42
    """
    from specweave.pipeline.data_versions import data_record

    increment = session.get_increment(increment_id)
    _show(session, increment.id, data_record(increment))


@command.command("refresh")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def refresh(session: Session, increment_id: str | None) -> None:
    """Fetch data that comes from an address (https, s3, a database) anew.

    \b
    Example:
      sw data refresh 42
    """
    from specweave.pipeline.data_versions import refresh_data

    increment = session.get_increment(increment_id)
    _show(session, increment.id, refresh_data(increment))


@command.command("add")
@click.argument("file", type=click.Path(path_type=Path))
@common_options
def add(session: Session, file: Path) -> None:
    """Put a data file under DVC, so that an old increment can say what to pull.

    \b
    Example:
      sw data add data/train.csv
    """
    from specweave.pipeline.data_versions import add_data

    added = add_data(session.get_project(), file)
    session.say(f"{added['file']} is under DVC (md5 {added.get('md5', '')[:12]})", "good")
    session.say(
        f"next: git add {added.get('pointer', '')} and commit; dvc push where there is a remote", "dim"
    )
    session.answer("data-added", added)


def _show(session: Session, increment: str, rows: list[dict[str, Any]]) -> None:
    session.table(
        ["data", "source", "trained on", "now", "rows", "state"],
        [(r["field"], r["source"], _short(r["trained_on"]), _short(r["now"]), f"{r['rows']:,}" if r["rows"] else "",
          r["state"] + (f", fetched {r['fetched']}" if r["fetched"] else "") + (", under DVC" if r["dvc"] else ""))
         for r in rows],
    )  # fmt: skip
    session.answer("data", {"increment": increment, "data": rows})


def _short(sha: str | None) -> str:
    return sha[:12] if sha else ""
