"""``sw validate``."""

from __future__ import annotations

import click

from specweave.cli.output import Session, common_options, verdict_cells


@click.command("validate")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def command(session: Session, increment_id: str | None) -> int:
    """Judge the increment by its evidence: pass, fail or inconclusive for each criterion. Exit 1 where it fails.

    It is the dry run of 'sw done': what passes here can be closed.

    \b
    Example:
      sw validate 42
    """
    from specweave.pipeline.validation import validate_increment

    found = validate_increment(session.get_increment(increment_id))
    show(session, found)
    return 0 if found.ok else 1


def show(session: Session, found: object) -> None:
    """Print what the gates found, for people and as JSON."""
    from specweave.files.store import plain
    from specweave.pipeline.validation import Validation, describe

    assert isinstance(found, Validation)
    session.table(
        ["gate", "", "note"],
        [
            (g.name, "✅" if g.passed else "❌", g.note + (f"  -> {g.fix}" if not g.passed and g.fix else ""))
            for g in found.gates
        ],
    )
    rows = []
    for v in found.verdicts:
        cells = describe(v)
        note = v.note if v.criterion.kind != "evidence" else ""
        rows.append((v.criterion.text, cells["measured"], verdict_cells({"verdict": v.verdict, "waived": v.waived}),
                     v.experiment, "; ".join(x for x in (note, v.fix, v.waived) if x)))  # fmt: skip
    session.table(["criterion", "measured", "verdict", "experiment", "note"], rows)
    for line in found.amendments:
        session.say(f"amended: {line}", "warn")
    for line in found.notes:
        session.say(f"note: {line}", "warn")
    failing = [v.criterion.text for v in found.verdicts if v.blocks] + [
        g.name for g in found.gates if not g.passed
    ]
    if found.ok:
        session.say("the increment passes its gates; next: sw done", "good")
    else:
        session.say(
            f"{len(failing)} {'thing stands' if len(failing) == 1 else 'things stand'} in the way of 'sw done'",
            "bad",
        )
    session.answer("validation", {
        "increment": found.increment, "ok": found.ok, "gates": plain(found.gates), "amendments": found.amendments, "notes": found.notes,
        "verdicts": [{**plain(v), "key": v.criterion.key} for v in found.verdicts], "failing": failing,
    })  # fmt: skip
