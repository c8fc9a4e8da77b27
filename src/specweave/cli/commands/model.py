"""``sw model``: the registered versions of an increment's model."""

from __future__ import annotations

from typing import Any

import click

from specweave.cli.output import Session, common_options


@click.group("model", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """List, show, promote, roll back and verify model versions.

    \b
    Example:
      sw model list 42
    """


def _versions(session: Session, increment_id: str | None) -> Any:
    from specweave.experiments.versions import ModelVersions

    return ModelVersions(session.get_increment(increment_id).folder / "models")


def _row(version: Any) -> dict[str, Any]:
    meta = version.metadata
    first = next(iter(meta.get("metrics") or []), None)
    value = ""
    if isinstance(first, dict):
        value = f"{first.get('name')} {float(first.get('value', 0)):.4g}"
    return {"version": version.version, "number": version.number, "status": version.status,
            "experiment": meta.get("experiment"), "algorithm": meta.get("algorithm"), "value": value,
            "bytes": meta.get("bytes"), "sha256": version.sha256}  # fmt: skip


@command.command("list")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def list_versions(session: Session, increment_id: str | None) -> None:
    """List the versions, oldest first.

    \b
    Example:
      sw model list 42
    """
    rows = [_row(v) for v in _versions(session, increment_id).list()]
    if not rows:
        session.say("no model version yet; sw do --task T-008 makes one")
    session.table(["version", "status", "experiment", "algorithm", "value"],
                  [(r["version"], r["status"], r["experiment"], r["algorithm"], r["value"]) for r in rows])  # fmt: skip
    session.answer("model-versions", {"versions": rows})


@command.command("show")
@click.argument("version")
@click.option("--increment", "increment_id", metavar="ID", help="Default: the active increment.")
@common_options
def show(session: Session, version: str, increment_id: str | None) -> None:
    """Show everything on record about one version (v3, 0042-v3, production, latest).

    \b
    Example:
      sw model show v3 --increment 42
    """
    from specweave.files.store import render_json

    found = _versions(session, increment_id).get(version)
    session.say(render_json(found.metadata).rstrip())
    session.answer("model-version", {"metadata": found.metadata})


@command.command("promote")
@click.argument("version")
@click.option("--increment", "increment_id", metavar="ID", help="Default: the active increment.")
@click.option("--reason", default="", help="Why, for the record.")
@common_options
def promote(session: Session, version: str, increment_id: str | None, reason: str) -> None:
    """Make a version the one in production; the former one is retired.

    \b
    Example:
      sw model promote v3 --reason "beats v2 in the A/B test"
    """
    found = _versions(session, increment_id).promote(version, reason=reason)
    session.say(f"{found.version} is in production", "good")
    session.answer("model-version", _row(found))


@command.command("rollback")
@click.argument("increment_id", metavar="[ID]", required=False)
@click.option("--reason", default="rolled back", show_default=True, help="Why, for the record.")
@common_options
def rollback(session: Session, increment_id: str | None, reason: str) -> None:
    """Put the version that was in production before back there.

    \b
    Example:
      sw model rollback 42 --reason "alarms doubled"
    """
    found = _versions(session, increment_id).rollback(reason=reason)
    session.say(f"{found.version} is in production again", "good")
    session.answer("model-version", _row(found))


@command.command("verify")
@click.argument("increment_id", metavar="[ID]", required=False)
@common_options
def verify(session: Session, increment_id: str | None) -> int:
    """Check that every model file is the one that was registered. Exit 1 where one is not.

    \b
    Example:
      sw model verify 42
    """
    from specweave.files.store import plain

    findings = _versions(session, increment_id).verify()
    for finding in findings:
        session.say(f"{finding.code} {finding.where}: {finding.message}", "bad")
    if not findings:
        session.say("every model file is the one that was registered", "good")
    session.answer("model-verification", {"ok": not findings, "findings": plain(list(findings))})
    return 1 if findings else 0
