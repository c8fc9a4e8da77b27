"""``sw doctor``."""

from __future__ import annotations

from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.command("doctor")
@click.option(
    "--fix", is_flag=True, help="Mend what can be mended: duplicate numbers, the merging of derived files."
)
@common_options
def command(session: Session, fix: bool) -> int:
    """Check this machine and project, and say what to mend. Exit 1 where something is wrong.

    \b
    Example:
      sw doctor --fix
    """
    from specweave.increments.project import find_project
    from specweave.pipeline.doctor import check_machine, check_project, mend

    project = find_project(session.project)
    checks = check_machine()
    if project is not None:
        if fix:
            for line in mend(project):
                session.say(f"mended: {line}", "good")
        checks += check_project(project)
    rows: list[dict[str, Any]] = [vars(c) for c in checks]
    session.table(
        ["check", "", "note"],
        [(c.name, "✅" if c.ok else "❌", c.note + (f"  -> {c.fix}" if c.fix else "")) for c in checks],
    )
    session.answer("doctor", {"ok": all(c.ok for c in checks), "checks": rows})
    return 0 if all(c.ok for c in checks) else 1
