"""``reports/explainability-report.md``: what the model goes by, in tables, pictures and sentences.

Reads: ``reports/explanation.json`` and the SHAP values it names. Writes: the report and its pictures.
Never: loads the model or the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specweave.files.atomic import write_text
from specweave.publish.drawing import save_figures
from specweave.publish.explanation_pictures import explanation_figures, unit_words
from specweave.stages.explanation import load_shap_values
from specweave.stages.numbers import readable
from specweave.stages.rationale import render_value
from specweave.stages.records import load_explanation

REPORT = "reports/explainability-report.md"
_PREFIX = "explainability-"
_MOST_COLUMNS = 25


def publish_explainability_report(folder: Path) -> list[Path]:
    """Write the report and its pictures from an increment's folder.

    Returns
    -------
    list of Path
        The report first.

    Raises
    ------
    StorageError, StageError
        If the explanation is missing or its SHAP values are not those it names.
    """
    record = load_explanation(folder)
    figures = explanation_figures(record, load_shap_values(folder, record))
    pictures = save_figures(figures, folder / "reports", prefix=_PREFIX)
    alts = {figure.name: figure.alt for figure in figures}
    report = write_text(folder / REPORT, render_report(record, alts))
    return [report, *pictures]


def render_report(record: Mapping[str, Any], alts: Mapping[str, str]) -> str:
    """Return the report's text; `alts` names the pictures there are, with what they show."""
    parts = [
        f"# Explainability: {record['experiment']}",
        _intro(record),
        "## What matters",
        _picture("importance", alts),
        _importance_table(record["importance"], _of(record)),
        _picture("summary", alts),
        f"Each dot is one held-out {_answered(record)}. To the right the {_of(record)} raised the output, to the left it lowered it.",
        _picture("dependence", alts),
        "## Examples",
        *[_example(number, one, record, alts) for number, one in enumerate(record["examples"], 1)],
        "## Doubts",
        _findings(record["findings"], _of(record)),
        "## How to read this",
        _method(record),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _intro(record: Mapping[str, Any]) -> str:
    strongest = [e["feature"] for e in record["importance"][:3] if e["share"] > 0]
    named = ", ".join(f"**{name}**" for name in strongest) or f"no {_of(record)}"
    if _of(record) != "column":
        return (
            f"The model ({record['algorithm']}) goes mostly by {named}. Contributions are by {record['method']}, in "
            f"{unit_words(record['unit'])}, over {record['n_rows']} of {record['n_holdout']} held-out {_answered(record)}s."
        )
    return (
        f"The model ({record['algorithm']}) goes mostly by {named}. Contributions are "
        f"{record['method']} values in {unit_words(record['unit'])}, measured on {record['n_rows']} of "
        f"{record['n_holdout']} held-out {_answered(record)}s against {record['n_background']} training rows."
    )


def _of(record: Mapping[str, Any]) -> str:
    """Return what contributes: columns, or something else of the problem type's."""
    return str(record.get("of", "column"))


def _answered(record: Mapping[str, Any]) -> str:
    """Return what one answer is about."""
    return str(record.get("answered", "row"))


def _importance_table(importance: Sequence[Mapping[str, Any]], of: str = "column") -> str:
    if of != "column":
        return _plain_table(importance, of)
    lines = [
        "| # | Column | Mean abs. SHAP | Share | Loss rises when shuffled | Which way |",
        "|--:|--------|---------------:|------:|-------------------------:|-----------|",
    ]
    for entry in importance[:_MOST_COLUMNS]:
        lost = entry.get("permutation")
        spread = entry.get("permutation_std")
        shuffled = "" if lost is None else f"{lost:+.4g} ± {spread:.2g}"
        lines.append(
            f"| {entry['rank']} | {_cell(entry['feature'])} | {readable(entry['mean_abs_shap'])} | "
            f"{entry['share']:.1%} | {shuffled} | {_escaped(entry['direction'])} |"
        )
    if len(importance) > _MOST_COLUMNS:
        lines.append(f"\n{len(importance) - _MOST_COLUMNS} weaker columns are in `explanation.json`.")
    return "\n".join(lines)


def _plain_table(importance: Sequence[Mapping[str, Any]], of: str) -> str:
    ways = any(str(e.get("direction", "")).startswith("higher") for e in importance)
    lines = [
        f"| # | {of.capitalize()} | Mean abs. contribution | Share |" + " Which way |" * ways,
        "|--:|--------|---------------:|------:|" + "-----------|" * ways,
    ]
    lines += [
        f"| {e['rank']} | {_cell(e['feature'])} | {readable(e['mean_abs_shap'])} | {e['share']:.1%} |"
        + f" {_escaped(str(e.get('direction', '')))} |" * ways
        for e in importance[:_MOST_COLUMNS]
    ]
    if len(importance) > _MOST_COLUMNS:
        lines.append(f"\n{len(importance) - _MOST_COLUMNS} weaker ones are in `explanation.json`.")
    return "\n".join(lines)


def _example(
    number: int, example: Mapping[str, Any], record: Mapping[str, Any], alts: Mapping[str, str]
) -> str:
    lines = [
        f"### Example {number}: {example['why']}",
        f"Data row {example['row'] + 1}: {example['story']}.",
        f"> {example['rationale']}",
        _picture(f"example-{number}", alts),
    ]
    if example["lime"]:
        strongest = ", ".join(f"{_cell(e['feature'])} ({e['weight']:+.3g})" for e in example["lime"][:3])
        fit = example["lime"][0].get("fit")
        quality = "" if fit is None else f"; its local model explains {max(0.0, fit):.0%} of what it sampled"
        lines.append(f"LIME, asked the same, names {strongest}{quality}.")
    return "\n\n".join(line for line in lines if line)


def _findings(findings: Sequence[Mapping[str, Any]], of: str = "column") -> str:
    if not findings:
        if of != "column":
            return "None were looked for: what is checked of columns does not apply here."
        return "None: no column dominates, and SHAP and LIME agree on the examples."
    return "\n".join(
        f"- **{f['code']}** ({f['severity']}) {f['message']}. {_sentence(f['advice'])}" for f in findings
    )


def _method(record: Mapping[str, Any]) -> str:
    if _of(record) != "column":
        return (
            f"- A contribution says how much one {_of(record)} adds to the answer, of several answers to the first; "
            "what is left of it is the base. It explains the model, not the world.\n"
            f"- Share is of all contributions' sizes: it says which {_of(record)} moves answers most often, not that "
            "it is a cause."
        )
    lines = [
        "- A SHAP value says how far one column moved one answer from the usual output; base value and all "
        "contributions add up to the output exactly. It explains the model, not the world: a strong "
        "column need not be a cause.",
        "- Contributions of encoded features are summed back to the raw column they were made from.",
        '- "Loss rises when shuffled" is permutation importance: how much worse the model gets on the '
        "holdout rows when the column's values are dealt out at random (mean ± standard deviation of five "
        "shuffles). Columns that say the same thing share their importance, and each looks weak by itself.",
        "- LIME fits a small linear model to answers around one row, in the unit of the prediction; it "
        "is asked as a second opinion on the order and direction of the reasons.",
    ]
    if len({e["towards"] for e in record["examples"]}) > 1:
        lines.append("- Each row's contributions speak for the class that the row was given.")
    if "log" in record["unit"]:
        lines.append(
            "- Log-odds: +0.7 doubles the odds, −0.7 halves them."
            if record["unit"] == "log-odds"
            else "- The model learned the target's logarithm: contributions multiply, +0.1 is about +10 %."
        )
    return "\n".join(lines)


def _picture(name: str, alts: Mapping[str, str]) -> str:
    return f"![{alts[name]}]({_PREFIX}{name}.png)" if name in alts else ""


def _cell(text: Any) -> str:
    return _escaped(render_value(text))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("." if text and not text.endswith(".") else "")
