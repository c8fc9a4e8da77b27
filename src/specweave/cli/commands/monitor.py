"""``sw monitor``."""

from __future__ import annotations

from pathlib import Path

import click

from specweave.cli.output import Session, common_options


@click.command("monitor")
@click.argument("increment_id", metavar="ID")
@click.argument("batch", metavar="BATCH", type=click.Path(path_type=Path))
@common_options
def command(session: Session, increment_id: str, batch: Path) -> int:
    """Compare a new batch with the training data: drift by column, drift of answers, performance where
    the target is in the batch. Exit 1 where a finding is an error.

    \b
    Example:
      sw monitor 42 december.csv
    """
    from specweave.files.store import plain
    from specweave.serving.monitoring import monitor_batch
    from specweave.tables.reading import read_table

    increment = session.get_increment(increment_id)
    record = monitor_batch(increment.id, read_table(batch).frame)
    findings = plain(record["findings"])
    session.table(
        ["code", "severity", "", "advice"],
        [(f["code"], f["severity"], f["message"], f["advice"]) for f in findings],
    )
    if not findings:
        session.say("nothing departs from the training data", "good")
    session.answer("monitoring", plain(record))
    return 1 if any(f["severity"] == "error" for f in findings) else 0
