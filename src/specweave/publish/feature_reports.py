"""``features/selection-report.md`` and ``validation-report.md``: what models are fed, and whether to trust it.

Reads: ``features/feature_definitions.yaml``, ``importance.json``, ``validation.json``. Writes: the two
reports and ``features/figures/``. Never: loads the data or the transformer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from specweave.errors import StageError
from specweave.experiments.tables import markdown_table
from specweave.files.atomic import write_text
from specweave.files.store import load_record
from specweave.publish.drawing import save_figures
from specweave.publish.wording import amount_text, code_text, listed, sentence, share_text, short_text
from specweave.records import Figure
from specweave.stages.definitions import find_edits
from specweave.stages.features import IMPORTANCE, VALIDATION
from specweave.stages.workspace import DEFINITIONS

SELECTION = "features/selection-report.md"
REPORT = "features/validation-report.md"
FIGURES = "features/figures"
_MOST_COLUMNS = 100
_MOST_FEATURES = 20
_MOST_DRIFT = 15

Record = Mapping[str, Any]


def publish_feature_reports(folder: Path) -> list[Path]:
    """Write both reports and their pictures from an increment's folder.

    Raises
    ------
    StageError
        If no features were made yet.
    """
    for name in (DEFINITIONS, IMPORTANCE, VALIDATION):
        if not (folder / name).exists():
            raise StageError(
                "no features were made yet", where=f"{folder.name}/{name}", hint="run: sw do --task T-002"
            )
    definitions = load_record(folder / DEFINITIONS, "feature-definitions", 1)
    importance = load_record(folder / IMPORTANCE, "feature-importance", 1)
    validation = load_record(folder / VALIDATION, "feature-validation", 1)
    figures = feature_figures(importance, validation)
    pictures = save_figures(figures, folder / FIGURES)
    known = {figure.name: figure for figure in figures}
    selection = render_selection(definitions, importance, known, increment=folder.name)
    validated = render_validation(validation, known, increment=folder.name)
    return [write_text(folder / SELECTION, selection), write_text(folder / REPORT, validated), *pictures]


# -- selection -------------------------------------------------------------------------------------


def render_selection(
    definitions: Record, importance: Record, figures: Mapping[str, Figure], *, increment: str
) -> str:
    """Return the selection report: what is kept, what is left out and why, what says most."""
    columns = definitions["columns"]
    kept = {name: entry for name, entry in columns.items() if entry["features"]}
    dropped = {name: entry for name, entry in columns.items() if not entry["features"]}
    parts = [
        f"# Features: {increment}",
        f"**{len(kept):,} of {len(columns):,} columns give {len(importance['features']):,} features**, learned on "
        f"{importance['rows']:,} training rows; {len(dropped):,} columns are left out. Every model is trained on "
        "these features, learned anew inside each fold. Edit `feature_definitions.yaml` to decide otherwise.",
        *_by_hand(definitions),
        "## What says most",
        _picture(figures.get("importance")),
        _top_features(importance),
        "## Columns that are left out",
        _dropped(dropped),
        "## Columns that are kept",
        _kept(kept, importance),
        *_dropped_features(importance["dropped_features"]),
        "## How to read this",
        _selection_method(definitions["settings"]),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _by_hand(definitions: Record) -> list[str]:
    edits = find_edits(definitions)
    if not edits:
        return []
    lines = [
        f"- {code_text(name)}: " + ", ".join(f"{key} **{value}**" for key, value in edit.items())
        + f" ({definitions['columns'][name]['reason']})"
        for name, edit in edits.items()
    ]  # fmt: skip
    return ["## Decided by hand", "\n".join(lines)]


def _top_features(importance: Record) -> str:
    rows = [
        [
            str(at),
            code_text(f["feature"]),
            code_text(f["column"]),
            share_text(f["gain"]),
            f"{f['univariate']:.3f}",
        ]
        for at, f in enumerate(importance["features"][:_MOST_FEATURES], 1)
    ]
    table = markdown_table(["#", "feature", "column", "share of gain", "alone"], rows)
    left = len(importance["features"]) - len(rows)
    return table + (f"\n{left:,} more features are in `importance.json`." if left > 0 else "")


def _dropped(dropped: Mapping[str, Record]) -> str:
    if not dropped:
        return "None."
    shown = list(dropped.items())[:_MOST_COLUMNS]
    rows = [[code_text(name), entry["kind"], entry["reason"] or "left out"] for name, entry in shown]
    table = markdown_table(["column", "kind", "why"], rows)
    left = len(dropped) - len(shown)
    return table + (f"\n{left:,} more are in `feature_definitions.yaml`." if left else "")


def _kept(kept: Mapping[str, Record], importance: Record) -> str:
    gains = {c["column"]: c for c in importance["columns"]}
    names = sorted(kept, key=lambda n: (-gains[n]["gain"] if n in gains else 0.0, n))
    rows = [
        [
            code_text(name),
            kept[name]["kind"],
            kept[name]["action"],
            _made(kept[name]["features"]),
            share_text(gains[name]["gain"]) if name in gains else "",
            kept[name]["reason"],
        ]
        for name in names[:_MOST_COLUMNS]
    ]
    table = markdown_table(["column", "kind", "action", "features", "share of gain", "why"], rows)
    left = len(kept) - len(rows)
    return table + (f"\n{left:,} more are in `feature_definitions.yaml`." if left else "")


def _made(features: Sequence[str]) -> str:
    if len(features) <= 2:
        return ", ".join(code_text(f) for f in features)
    return f"{len(features)}: {code_text(features[0])}, {code_text(features[1])}, …"


def _dropped_features(dropped: Mapping[str, str]) -> list[str]:
    if not dropped:
        return []
    by_reason: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        by_reason.setdefault(
            "same values as another" if reason.startswith("same values as") else reason, []
        ).append(f"{code_text(name)} ({reason})" if reason.startswith("same values as") else code_text(name))
    lines = [f"- {len(names):,}, {reason}: {listed(names)}" for reason, names in sorted(by_reason.items())]
    return ["## Features that were made and left out again", "\n".join(lines)]


def _selection_method(settings: Record) -> str:
    return "\n".join(
        [
            "- Share of gain: how much of the total improvement a LightGBM model of 100 trees took from the feature; "
            "columns that say the same thing share it.",
            "- Alone: share of the variance of ranks that the feature explains by itself (1 is all).",
            f"- Categories with up to {settings['max_onehot']} levels become one column per level, those with more "
            "the target's mean per level, cross-fitted. Levels rarer than "
            f"{share_text(settings['rare_share'])} are put together. Gaps become the training median or a level of "
            "their own, with an indicator.",
        ]
    )


# -- validation ------------------------------------------------------------------------------------


def render_validation(validation: Record, figures: Mapping[str, Figure], *, increment: str) -> str:
    """Return the validation report: leakage, drift from training rows to holdout, invalid values."""
    failed = [c for c in validation["checks"] if not c["passed"]]
    rows = validation["rows"]
    head = (
        f"**All {len(validation['checks'])} checks pass.**" if not failed
        else f"**{len(failed)} of {len(validation['checks'])} checks "
        f"{'deserves' if len(failed) == 1 else 'deserve'} a look.**"
    )  # fmt: skip
    parts = [
        f"# Feature validation: {increment}",
        f"{head} {validation['features']:,} features from {validation['columns_used']:,} columns; {rows['train']:,} "
        f"training rows, {rows['holdout']:,} holdout rows. Of the holdout only inputs were looked at, never the target.",
        "## Checks",
        _checks(validation["checks"]),
        *_doubts(validation["findings"]),
        "## Drift from training rows to holdout",
        _picture(figures.get("drift")),
        _drift(validation),
        "## How to read this",
        _validation_method(),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def _checks(checks: Sequence[Record]) -> str:
    rows = [["✅" if c["passed"] else "⚠️", c["name"], c["found"]] for c in checks]
    return markdown_table(["", "check", "found"], rows)


def _doubts(findings: Sequence[Record]) -> list[str]:
    if not findings:
        return []
    lines = [
        f"- **{f['severity']} {f['code']}**: {sentence(f['message'])} {sentence(f['advice'])}"
        for f in findings
    ]
    return ["## What to do", "\n".join(lines)]


def _drift(validation: Record) -> str:
    if not validation["drift"]:
        return "There is no holdout to compare with."
    rows = [
        [
            code_text(d["column"]),
            f"**{d['level']}**" if d["level"] != "none" else "none",
            f"{d['psi']:.3f}",
            f"{d['effect']:.3f} ({d['effect_name']})",
            amount_text(d["p_value"]),
            f"{100 * d['missing_change']:+.1f} points" if d["missing_change"] else "",
            share_text(d["new_share"]) if d.get("new_levels") else "",
        ]
        for d in validation["drift"][:_MOST_DRIFT]
    ]
    table = markdown_table(["column", "drift", "PSI", "effect", "p", "missing", "rows with new levels"], rows)
    left = validation["drift_tested"] - len(rows)
    return table + (f"\n{left:,} columns moved less." if left > 0 else "")


def _validation_method() -> str:
    return "\n".join(
        [
            "- PSI is the population stability index over the training rows' deciles or levels, less what chance alone "
            "gives: below 0.1 nothing, from 0.1 moderate, from 0.25 large (where the p-value is below 0.01, too).",
            "- A holdout that is later in time is expected to drift; one drawn at random is not.",
            "- Everything the features learn (medians, levels, target means, topics) is learned on training rows only; "
            "in cross-validation on those of each fold.",
        ]
    )


# -- pictures --------------------------------------------------------------------------------------


def feature_figures(importance: Record, validation: Record) -> list[Figure]:
    """Return the pictures of the two reports."""
    figures = []
    top = importance["features"][:_MOST_FEATURES]
    if top:
        figures.append(
            Figure(
                name="importance", title="Which features say most", width=8.0, height=1.4 + 0.27 * len(top),
                whole=True, alt="Share of gain and univariate strength of the strongest features",
                draw=lambda canvas: draw_importance(canvas, top),
            )
        )  # fmt: skip
    drift = validation["drift"][:_MOST_DRIFT]
    if drift and max(d["psi"] for d in drift) > 0:
        figures.append(
            Figure(
                name="drift", title="How far the holdout moved", width=6.8, height=1.2 + 0.28 * len(drift),
                alt="Population stability index of the columns that moved furthest",
                draw=lambda ax: draw_drift(ax, drift),
            )
        )  # fmt: skip
    return figures


def draw_importance(canvas: Any, top: Sequence[Record]) -> None:
    """Draw the share of gain beside the strength of each feature alone."""
    left, right = canvas.subplots(1, 2, sharey=True)
    places = np.arange(len(top))[::-1]
    for ax, key, colour, label in (
        (left, "gain", "C0", "share of gain in a quick LightGBM model"),
        (right, "univariate", "C2", "rank variance explained alone"),
    ):
        ax.barh(places, [f[key] for f in top], color=colour, height=0.7)
        ax.set_xlabel(label)
        ax.set_xlim(left=0)
        ax.grid(axis="y", visible=False)
    left.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    left.set_yticks(places, [short_text(f["feature"], 30) for f in top])


def draw_drift(ax: Any, drift: Sequence[Record]) -> None:
    """Draw the stability index of the columns that moved furthest, with the two bars that matter."""
    places = np.arange(len(drift))[::-1]
    colours = {"none": "C0", "moderate": "C4", "large": "C1"}
    # Beyond 1 all is said; a column that moved altogether would hide the rest.
    values = [min(1.0, d["psi"]) for d in drift]
    ax.barh(places, values, color=[colours[d["level"]] for d in drift], height=0.7)
    for place, d in zip(places, drift, strict=True):
        if d["psi"] > 1:
            ax.annotate(f"{d['psi']:.1f}", (1.0, place), xytext=(-4, 0), textcoords="offset points",
                        ha="right", va="center", color="white", fontsize=8)  # fmt: skip
    for bar, words in ((0.1, "moderate"), (0.25, "large")):
        ax.axvline(bar, color="0.35", linestyle="--", linewidth=0.9)
        ax.annotate(
            words,
            (bar, len(drift) - 0.4),
            xytext=(3, 0),
            textcoords="offset points",
            fontsize=8,
            color="0.35",
        )
    ax.set_yticks(places, [short_text(d["column"], 28) for d in drift])
    ax.set_xlim(0, max(0.3, 1.05 * max(values)))
    ax.set_ylim(-0.6, len(drift) - 0.1)
    ax.set_xlabel("population stability index, less what chance gives")
    ax.grid(axis="y", visible=False)


def _picture(figure: Figure | None) -> str:
    return f"![{figure.alt}](figures/{figure.name}.png)" if figure else ""
