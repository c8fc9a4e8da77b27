"""``data/quality-report.md``: what the data is like, at a glance.

Reads: ``data/profile.json``; the data itself only for problem types with pictures of their own. Writes:
the report and ``data/figures/``. Never: measures anything, holds a clock or an absolute path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specweave.experiments.report import size_text
from specweave.experiments.tables import markdown_table
from specweave.files.atomic import write_text
from specweave.increments.spec import load_spec
from specweave.problems.base import Problem, problem_for
from specweave.publish.drawing import save_figures
from specweave.publish.eda_figures import eda_figures
from specweave.publish.wording import amount_text, code_text, listed, sentence, share_text
from specweave.records import Figure
from specweave.stages.explore import load_profile, strongest_columns

REPORT = "data/quality-report.md"
FIGURES = "data/figures"
_MOST_COLUMNS = 100
_SHOWN_WHEN_WIDE = 60
_MOST_PAIRS = 12
_MOST_ASSOCIATIONS = 15

Profile = Mapping[str, Any]


def publish_quality_report(folder: Path) -> list[Path]:
    """Write the quality report and its pictures from an increment's folder.

    Returns
    -------
    list of Path
        The report first.

    Raises
    ------
    StageError
        If the data was not explored yet.
    """
    profile = load_profile(folder)
    figures = [*eda_figures(profile), *_own_figures(folder)]
    pictures = save_figures(figures, folder / FIGURES)
    report = write_text(folder / REPORT, render_quality_report(profile, figures, increment=folder.name))
    return [report, *pictures]


def _own_figures(folder: Path) -> list[Figure]:
    """Return the pictures that only this problem type needs; the data is read only if it has some."""
    spec = load_spec(folder / "spec.md")
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    if type(problem).data_figures is Problem.data_figures:
        return []
    from specweave.stages.workspace import open_workspace

    return problem.data_figures(open_workspace(folder.name).dataset)


def render_quality_report(profile: Profile, figures: Sequence[Figure], *, increment: str) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    profile : mapping
        What ``data/profile.json`` holds.
    figures : sequence of Figure
        Drawn as ``figures/<name>.png`` beside the report.
    increment : str
        Id of the increment, for the title.
    """
    known = {figure.name: figure for figure in figures}
    own = [f for f in figures if f.name not in _SECTIONED]
    sections = [
        f"# Data quality: {increment}",
        _headline(profile),
        _notes(profile),
        "## Findings",
        _findings(profile),
        *_section("Target", known.get("target"), _target_words(profile)),
        "## Columns",
        _columns(profile),
        *_section("Missing values", known.get("missing"), _missing_words(profile)),
        *_section("Distributions", known.get("distributions"), ""),
        *_section("What goes with the target", known.get("associations"), _associations(profile)),
        *_section("What goes together", known.get("correlations"), _pairs(profile)),
        *[part for table in profile.get("tables") or [] for part in _own_table(table)],
        *[part for figure in own for part in (f"## {figure.title}", _picture(figure))],
        "## How to read this",
        _method(profile),
    ]
    return "\n\n".join(part.rstrip("\n") for part in sections if part) + "\n"


_SECTIONED = ("target", "missing", "distributions", "associations", "correlations")


def _section(title: str, figure: Figure | None, words: str) -> list[str]:
    if figure is None and not words:
        return []
    return [f"## {title}", _picture(figure) if figure else "", words]


def _picture(figure: Figure) -> str:
    return f"![{figure.alt}](figures/{figure.name}.png)"


# -- the top ---------------------------------------------------------------------------------------


def _headline(profile: Profile) -> str:
    source, split = profile["source"], profile["split"]
    missing = sum(c["missing"] for c in profile["columns"].values())
    text = (
        f"**{profile['rows']:,} rows × {profile['column_count']:,} columns** from `{source['path']}` "
        f"({size_text(source['size_bytes'])}, sha256 `{source['sha256'][:12]}`). {missing:,} cells are missing "
        f"({share_text(profile['missing_share'])}), {_many(profile['duplicate_rows'], 'row')} "
        f"{'repeats' if profile['duplicate_rows'] == 1 else 'repeat'} an earlier one. "
    )
    text += f"Split: {split['strategy']}."
    counts = {s: sum(f["severity"] == s for f in profile["findings"]) for s in ("error", "warning", "info")}
    verdict = (
        "**Some columns must not be trained on as they are.**" if counts["error"]
        else "**Some things deserve a decision before training.**" if counts["warning"]
        else "**Nothing stands in the way of training.**"
    )  # fmt: skip
    told = f"{_many(counts['error'], 'error')}, {_many(counts['warning'], 'warning')}, {counts['info']} for information"
    return f"{text}\n\n{verdict} Findings: {told}."


def _many(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def _notes(profile: Profile) -> str:
    notes = profile["source"].get("notes") or []
    return "\n".join(["While reading:", "", *[f"- {sentence(note)}" for note in notes]]) if notes else ""


def _findings(profile: Profile) -> str:
    if not profile["findings"]:
        return "None: types, gaps, levels, ranges and relations to the target all look as they should."
    return "\n".join(_finding(f) for f in profile["findings"])


def _finding(finding: Mapping[str, Any]) -> str:
    mark = {"error": "🔴 error", "warning": "🟠 warning", "info": "🔵 info"}[finding["severity"]]
    place = f" {code_text(finding['where'])}" if finding["where"] else ""
    text = f"- {mark} **{finding['code']}**{place}: {sentence(finding['message'])}"
    evidence = _evidence(finding["evidence"])
    if evidence:
        text += f"\n  *Evidence:* {evidence}."
    if finding["advice"]:
        text += f"\n  *Recommended:* {sentence(finding['advice'])}"
    return text


def _evidence(evidence: Mapping[str, Any]) -> str:
    parts = []
    for key, value in evidence.items():
        words = key.replace("_", " ")
        if isinstance(value, Mapping):
            weighty = sorted(value.items(), key=lambda item: (-_weight(item[1]), item[0]))
            inner = [f"{code_text(k)}{_inner(v)}" for k, v in weighty]
            parts.append(f"{words}: {listed(inner, 8)}")
        elif isinstance(value, list):
            parts.append(f"{words}: {listed([code_text(v) for v in value], 8)}")
        elif isinstance(value, float) and words.endswith("share"):
            parts.append(f"{words} {share_text(value)}")
        elif value not in (None, ""):
            parts.append(f"{words} {amount_text(value).removesuffix('T00:00:00.000000')}")
    return "; ".join(parts)


def _inner(value: Any) -> str:
    if not isinstance(value, Mapping):
        return f" ({amount_text(value)})"
    key = _telling(value)
    if key is None:
        return ""
    if key.endswith("share"):
        return f" ({share_text(value[key])})"
    return f" ({key.replace('_', ' ')} {amount_text(value[key])})"


def _weight(value: Any) -> float:
    key = _telling(value) if isinstance(value, Mapping) else None
    number = value[key] if key else value
    return abs(float(number)) if isinstance(number, int | float) else 0.0


def _telling(evidence: Mapping[str, Any]) -> str | None:
    """Return the key of the number that says most: the share where there is one, else the first number."""
    numbers = [k for k, v in evidence.items() if isinstance(v, int | float) and not isinstance(v, bool)]
    return next((k for k in numbers if k.endswith("share")), numbers[0] if numbers else None)


# -- columns ---------------------------------------------------------------------------------------


def _target_words(profile: Profile) -> str:
    target = profile.get("target")
    if not target:
        return ""
    rows = target.get("rows", profile["rows"])
    text = f"{code_text(target['name'])}, taken as {target['task']}, on the {rows:,} training rows. "
    if target.get("classes"):
        n = len(target["classes"])
        text += f"{n} classes; the rarest is {share_text(target['minority_share'])}, the most common "
        text += f"{share_text(target['majority_share'])} (what always guessing it would get right)."
    elif "mean" in target:
        q = target["quantiles"]
        text += f"From {amount_text(target['min'])} to {amount_text(target['max'])}, median {amount_text(q['p50'])}, "
        text += f"mean {amount_text(target['mean'])} ± {amount_text(target['std'])}, skewness {target['skew']:.2g}."
    return text


def _columns(profile: Profile) -> str:
    names = list(profile["column_order"])
    doubts = _codes_by_column(profile)
    shown = names
    if len(names) > _MOST_COLUMNS:
        graver = [n for n in names if any(severity != "info" for _, severity in doubts.get(n, []))]
        first = [*graver, *strongest_columns(dict(profile))]
        chosen = set(list(dict.fromkeys(first))[:_SHOWN_WHEN_WIDE])
        target = (profile.get("target") or {}).get("name")
        shown = [n for n in names if n in chosen or n == target]
    rows = [_column_row(n, profile, doubts.get(n, [])) for n in shown]
    table = markdown_table(["column", "kind", "missing", "distinct", "values", "notes"], rows)
    kinds: dict[str, int] = {}
    for column in profile["columns"].values():
        kinds[column["kind"]] = kinds.get(column["kind"], 0) + 1
    told = ", ".join(f"{n:,} {kind}" for kind, n in sorted(kinds.items(), key=lambda item: -item[1]))
    lead = f"By kind: {told}."
    if len(shown) < len(names):
        lead += (
            f" {len(shown)} of {len(names):,} columns are shown: those with grave findings, then those that go "
            "strongest with the target. All are in `profile.json`."
        )
    return f"{lead}\n\n{table}"


def _codes_by_column(profile: Profile) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for finding in profile["findings"]:
        grouped = finding["evidence"].get("columns")
        names = (
            [finding["where"]] if finding["where"] else list(grouped) if isinstance(grouped, Mapping) else []
        )
        for name in names:
            found.setdefault(name, []).append((finding["code"], finding["severity"]))
    return found


def _column_row(name: str, profile: Profile, doubts: Sequence[tuple[str, str]]) -> list[str]:
    column = profile["columns"][name]
    notes = []
    if (profile.get("target") or {}).get("name") == name:
        notes.append("**target**")
    elif column["kind"] in ("identifier", "constant", "empty"):
        notes.append("left out")
    notes += [f"**{code}**" if severity != "info" else code for code, severity in doubts]
    if column.get("coerced"):
        notes.append(f"{column['coerced']} cells could not be read")
    return [
        code_text(name),
        column["kind"],
        f"{column['missing']:,} ({share_text(column['missing_share'])})" if column["missing"] else "",
        f"{column['distinct']:,}",
        values_text(column),
        ", ".join(dict.fromkeys(notes)),
    ]


def values_text(column: Mapping[str, Any]) -> str:
    """Return what a column holds in a few words: range and median, or its most common levels."""
    if column["kind"] == "numeric" and "quantiles" in column:
        q = column["quantiles"]
        return f"{amount_text(column['min'])} to {amount_text(column['max'])}, median {amount_text(q['p50'])}"
    if column["kind"] == "datetime" and "min" in column:
        return f"{str(column['min'])[:10]} to {str(column['max'])[:10]}"
    if column["kind"] == "text":
        return f"about {amount_text(round(column.get('mean_words', 0.0), 1))} words each"
    top = column.get("top") or []
    if not top:
        return ""
    parts = [f"{_clip(e['value'])}: {share_text(e['share'])}" for e in top[:3]]
    rest = column["distinct"] - len(parts)
    return ", ".join(parts) + (f", {rest:,} more" if rest > 0 else "")


def _clip(value: Any, longest: int = 24) -> str:
    text = amount_text(value) if isinstance(value, int | float) else " ".join(str(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


# -- relations -------------------------------------------------------------------------------------


def _missing_words(profile: Profile) -> str:
    gaps = sum(1 for c in profile["columns"].values() if c["missing"])
    if not gaps:
        return "No cell is missing."
    return f"{gaps:,} of {profile['column_count']:,} columns have gaps; the other {profile['column_count'] - gaps:,} are whole."


def _associations(profile: Profile) -> str:
    target = profile.get("target")
    if not target:
        return ""
    rows = []
    for name in strongest_columns(dict(profile))[:_MOST_ASSOCIATIONS]:
        known = profile["columns"][name].get("association")
        if known:
            score = known.get("score")
            rows.append(
                [
                    code_text(name),
                    "" if score is None else f"{score:.3f}",
                    f"{known['mutual_information']:.3f}",
                ]
            )
    if not rows:
        return ""
    unit = "2·AUC − 1" if target["task"] == "classification" else "R²"
    table = markdown_table(["column", f"score ({unit})", "mutual information (nats)"], rows)
    left = sum(1 for c in profile["columns"].values() if c.get("association")) - len(rows)
    return table + (f"\n{left:,} weaker columns are in `profile.json`." if left > 0 else "")


def _pairs(profile: Profile) -> str:
    pairs = profile.get("correlations") or []
    if not pairs:
        return ""
    rows = [
        [code_text(p["a"]), code_text(p["b"]), f"{p['pearson']:+.3f}", f"{p['spearman']:+.3f}"]
        for p in pairs[:_MOST_PAIRS]
    ]
    return markdown_table(["column", "goes with", "Pearson", "Spearman"], rows)


def _own_table(table: Mapping[str, Any]) -> list[str]:
    """Return a table that only this problem type has, with its title and note."""
    rows = [[amount_text(value) for value in row] for row in table["rows"]]
    return [f"## {table['title']}", markdown_table(list(table["columns"]), rows), table.get("note", "")]


def _method(profile: Profile) -> str:
    lines = [
        "- Types, gaps, ranges and levels are those of all rows. Everything that relates columns to the target "
        f"or to each other is measured on the {profile['split']['train']:,} training rows only: the holdout stays unseen.",
        "- Score: a tree of at most 12 leaves on one column alone, cross-validated in 3 folds; 0 is guessing, 1 is "
        "perfect. A column with a low score can still matter together with others.",
        "- Recommendations are defaults, not orders: kinds and treatment of a column are changed in "
        "`features/feature_definitions.yaml` after T-002, columns are left out by `features.drop` in `plan.md`.",
    ]
    return "\n".join(lines)
