"""``sw ci``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from specweave.cli.output import Session, common_options, verdict_cells

if TYPE_CHECKING:
    from specweave.integrations.ci.judging import Check

_path = click.Path(path_type=Path, dir_okay=False)


@click.command("ci")
@click.option(
    "--base",
    metavar="REF",
    help="Judge what differs from this branch, and compare (default: the pull request's).",
)
@click.option(
    "--all", "everything", is_flag=True, help="Judge increments that the change does not touch, too."
)
@click.option("--output", "-o", metavar="FILE", type=_path, help="Write the summary (Markdown) here.")
@click.option("--junit", metavar="FILE", type=_path, help="Write criteria and gates as JUnit XML.")
@click.option("--comment", metavar="FILE", type=_path, help="Write the text of the pull request's comment.")
@click.option("--annotations", is_flag=True, help="Print remarks for GitHub Actions, also outside of it.")
@common_options
def command(
    session: Session, base: str | None, everything: bool, output: Path | None, junit: Path | None,
    comment: Path | None, annotations: bool,
) -> int:  # fmt: skip
    """Judge a pull request by the records in it: criteria, gates, metrics against the base. Exit 1 where a gate fails.

    Nothing is run. In GitHub Actions the summary goes to the job's page, and each failed criterion is shown at
    its line.

    \b
    Example:
      sw ci --base main --junit report.xml --comment comment.md
    """
    from specweave.files.atomic import storage_errors, write_text
    from specweave.integrations.ci.annotations import check_annotations, render_annotation
    from specweave.integrations.ci.judging import judge_change
    from specweave.integrations.ci.junit import render_junit
    from specweave.integrations.ci.report import headline, render_comment, render_summary
    from specweave.integrations.git import prefix_of

    in_actions = os.environ.get("GITHUB_ACTIONS") == "true"
    if base is None and in_actions and os.environ.get("GITHUB_BASE_REF"):
        base = f"origin/{os.environ['GITHUB_BASE_REF']}"
    project = session.get_project()
    check = judge_change(project, base, everything=everything)
    _show(session, check)
    if output is not None:
        write_text(output, render_summary(check))
    if junit is not None:
        write_text(junit, render_junit(check))
    if comment is not None:
        write_text(comment, render_comment(check))
    step = os.environ.get("GITHUB_STEP_SUMMARY")
    if step:
        with storage_errors(Path(step)), Path(step).open("a", encoding="utf-8", errors="replace") as stream:
            stream.write(render_summary(check) + "\n")
    remarks = check_annotations(check, prefix_of(project.root) if base is not None or in_actions else "")
    if annotations or in_actions:
        for remark in remarks:
            session.say(render_annotation(remark))
    session.say(headline(check), "good" if check.ok else "bad")
    session.answer("ci", _record(check, remarks))
    return 0 if check.ok else 1


def _show(session: Session, check: Check) -> None:
    from specweave.integrations.ci.report import change_text

    for judged in check.judged:
        standing = judged.standing
        session.say(f"{judged.increment}: {judged.phase}", "head")
        if judged.problem is not None:
            where = f"{judged.problem.document}:{judged.problem.line}"
            session.say(f"{where}: {judged.problem.record['message']}", "bad")
        if standing is None or standing.phase != "judged":
            continue
        session.table(
            ["criterion", "measured", "verdict", ""],
            [
                (c.text, c.measured, verdict_cells({"verdict": c.verdict, "waived": c.waived}), c.note)
                for c in standing.criteria
            ],
        )
        for gate in [*standing.tasks, *standing.evidence]:
            if not gate.passed:
                session.say(f"❌ {gate.name}: {gate.note}" + (f"  -> {gate.fix}" if gate.fix else ""), "bad")
        deltas = [d for d in judged.comparison.deltas if d.change != 0] if judged.comparison else []
        if deltas:
            session.table(
                ["metric", "base", "head", "change"],
                [(d.label, _number(d.before), _number(d.after), change_text(d)) for d in deltas],
            )
    for note in check.notes:
        session.say(note, "warn")


def _number(metric: Any) -> str:
    from specweave.pipeline.validation import value_text

    return value_text(metric) if metric is not None else "not measured"


def _record(check: Check, remarks: list[Any]) -> dict[str, Any]:
    """Return the check as ``--json`` shows it."""
    from specweave.files.store import plain

    def one(judged: Any) -> dict[str, Any]:
        standing, comparison = judged.standing, judged.comparison
        body: dict[str, Any] = {"increment": judged.increment, "ok": judged.ok, "phase": judged.phase,
                                "error": dict(judged.problem.record) if judged.problem else None}  # fmt: skip
        if standing is not None:
            body |= {
                "criteria": [vars(c) for c in standing.criteria],
                "gates": [vars(g) for g in [*standing.tasks, *standing.evidence]],
                "amendments": standing.amendments,
                "failing": standing.failing,
            }
        if comparison is not None:
            body["comparison"] = {**vars(comparison), "deltas": [vars(d) for d in comparison.deltas]}
        return body

    return {
        "ok": check.ok, "base": vars(check.base) if check.base else None, "untouched": check.untouched,
        "notes": check.notes, "increments": plain([one(j) for j in check.judged]),
        "annotations": [vars(r) for r in remarks],
    }  # fmt: skip
