"""The A/B test plan as a page that product, engineering and data people can sign.

Reads: ``reports/ab-test.json``. Writes: ``deploy/ab-test-plan.md``. Never: computes a sample size itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specweave.errors import StageError
from specweave.experiments.tables import markdown_table
from specweave.files.atomic import write_text
from specweave.stages.numbers import short_number
from specweave.stages.records import AB_TEST, load_ab_test

PLAN = "deploy/ab-test-plan.md"


def publish_ab_test_plan(folder: Path) -> list[Path]:
    """Write ``deploy/ab-test-plan.md`` from the increment's ``reports/ab-test.json``.

    Raises
    ------
    StageError
        If no test was planned yet.
    """
    if not (folder / AB_TEST).exists():
        raise StageError("no A/B test was planned yet", where=folder.name, hint="run: sw do --task T-009")
    return [write_text(folder / PLAN, render_ab_test(load_ab_test(folder), increment=folder.name))]


def render_ab_test(record: Mapping[str, Any], *, increment: str) -> str:
    """Return the plan as Markdown.

    Parameters
    ----------
    record : mapping
        The test's record.
    increment : str
        Id of the increment.
    """
    return "\n".join(
        [
            f"# A/B test plan: {increment}\n",
            f"**Hypothesis.** {record['hypothesis']}\n",
            _primary(record),
            _size(record),
            _assignment(record),
            _guardrails(record),
            "## When it ends\n",
            f"{_capital(record['stopping'])}. Looking earlier and stopping at a good moment would turn the "
            f"{record['alpha']:.0%} chance of a false alarm into a much larger one.\n",
            "".join(f"- {_capital(line)}.\n" for line in record["decision"]),
            "## When to roll back\n",
            "At once, without waiting for the horizon:\n",
            "".join(f"- {_capital(line)}.\n" for line in record["rollback"]),
            "```\nsw model rollback\n```\n",
        ]
    )


def _primary(record: Mapping[str, Any]) -> str:
    primary = record["primary"]
    sign = 1 if primary.get("higher_is_better", True) else -1
    rows = [
        ["metric", f"{primary['metric']} ({primary['kind']} per {primary.get('unit') or 'unit'})"],
        ["control, measured", f"{short_number(primary['baseline'])} ({primary['measured_on']})"],
        ["new model, measured", f"{short_number(primary['treatment'])} (holdout)"],
        [
            "smallest change worth seeing",
            f"{short_number(sign * primary['minimum_effect'], 3, sign=True)} ({primary['why']})",
        ],
        ["false alarms (two-sided)", f"{record['alpha']:.0%}"],
        ["power", f"{record['power']:.0%}"],
        ["test", record["sizing"]["test"]],
    ]
    if primary.get("std") is not None:
        rows.insert(2, ["standard deviation", short_number(primary["std"])])
    if primary.get("outcome_rate") is not None:
        rows.insert(3, [f"{primary.get('outcome', 'outcome')} in the data", f"{primary['outcome_rate']:.1%}"])
    return "## What is measured\n\n" + markdown_table(["", ""], rows)


def _size(record: Mapping[str, Any]) -> str:
    sizing, unit = record["sizing"], record["assignment"]["unit"]
    text = (
        f"## How many, how long\n\n**{sizing['per_arm']:,} per arm**, {sizing['total']:,} in all; the unit "
        f"is `{unit}`. Durations are whole weeks, so that every weekday counts equally.\n\n"
    )
    rows = [[f"{d['daily_traffic']:,.0f}", f"{d['days']:,} days"] for d in sizing["durations"]]
    text += markdown_table(["units a day", "duration"], rows)
    if sizing["days"] is None:
        text += (
            "\nThe daily traffic is not known: write `ab_test: {daily_traffic: N}` into plan.md to fix the "
            "duration.\n"
        )
    if sizing["too_long"]:
        seen = sizing["too_long"]["detectable_effect"]
        shown = (
            f"could see a change of {short_number(seen, 3)}"
            if seen is not None
            else "could see no possible change"
        )
        text += (
            f"\n**Too long.** In {sizing['too_long']['days']} days this traffic {shown}: choose a metric "
            "that varies less, a larger minimum effect, or do not run the test.\n"
        )
    text += "\nWhat other effects would take:\n\n"
    with_days = any("days" in s for s in sizing["sensitivity"])
    rows = [
        [
            short_number(s["effect"], 3),
            f"{s['per_arm']:,}",
            *([f"{s.get('days', ''):,} days"] if with_days else []),
        ]
        for s in sizing["sensitivity"]
    ]
    head = ["change to see", "per arm", *(["duration"] if with_days else [])]
    return text + markdown_table(head, rows)


def _assignment(record: Mapping[str, Any]) -> str:
    how = record["assignment"]
    first, second = record["ramp"]
    length = "until both arms are full" if second["days"] is None else f"for {second['days']} days"
    return (
        "## Who sees what\n\n"
        f"A `{how['unit']}` always sees the same arm: {how['rule']}.\n\n"
        "```python\nimport hashlib\n\n"
        f'SALT = "{how["salt"]}"  # a new test takes a new salt\n\n\n'
        "def arm(unit: str, share: float = 0.5) -> str:\n"
        '    digest = hashlib.sha256(f"{SALT}:{unit}".encode()).hexdigest()\n'
        '    return "treatment" if int(digest[:8], 16) / 16**8 < share else "control"\n```\n\n'
        f"First {first['share']:.0%} in treatment for {first['days']} day, with an eye on the guardrails; "
        f"those units are not counted. Then {second['share']:.0%} {length}.\n"
    )


def _guardrails(record: Mapping[str, Any]) -> str:
    rows = [
        [g["name"], g["bar"], short_number(g["measured"]), g["check"], g["source"]]
        for g in record["guardrails"]
    ]  # fmt: skip
    head = ["guardrail", "must stay", "measured offline", "checked", "from"]
    return "## What must not get worse\n\n" + markdown_table(head, rows)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
