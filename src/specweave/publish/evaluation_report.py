"""The evaluation as a page: what was measured, how sure it is, where the model fails, and pictures.

Reads: ``reports/evaluation.json``, holdout predictions, ``spec.md``. Writes:
``reports/evaluation-report.md`` and its pictures. Never: measures or trains anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specweave.errors import DataError
from specweave.experiments.report import size_text
from specweave.experiments.store import ExperimentStore
from specweave.experiments.tables import cell, markdown_table, seconds_text
from specweave.files.atomic import write_text
from specweave.files.store import number
from specweave.increments.spec import load_spec
from specweave.metrics.base import find_metric, is_percent, known_metric, parse_metric_ref
from specweave.problems.base import problem_for
from specweave.publish.drawing import save_figures
from specweave.records import Figure
from specweave.stages.numbers import short_number
from specweave.stages.records import load_evaluation
from specweave.stages.training import load_predictions

REPORT = "evaluation-report.md"
_MOST_COLUMNS = 8


def publish_evaluation_report(folder: Path) -> list[Path]:
    """Write ``reports/evaluation-report.md`` and its pictures from what the increment's folder holds.

    Parameters
    ----------
    folder : Path
        The increment's folder.

    Raises
    ------
    StageError
        If nothing was evaluated yet.
    """
    record = load_evaluation(folder)
    spec = load_spec(folder / "spec.md")
    problem = problem_for(spec.problem_type, where=spec.at("Problem type"))
    experiment = ExperimentStore(folder / "experiments").get(record["experiment"])
    outcome, earlier = (load_predictions(experiment, part) for part in ("holdout", "oof"))
    figures: list[Figure] = []
    if outcome is not None:
        try:
            figures = problem.figures(outcome, record["decision"])
            if earlier is not None:
                figures += problem.path_figures(earlier, outcome, record["decision"])
        except DataError:
            # Rows on which nothing can be drawn; the numbers still stand.
            figures = []
    pictures = save_figures(figures, folder / "reports")
    text = render_evaluation(record, title=spec.title, figures=figures)
    return [write_text(folder / "reports" / REPORT, text), *pictures]


def render_evaluation(
    record: Mapping[str, Any], *, title: str, figures: Sequence[Figure] = (), prefix: str = ""
) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    record : mapping
        The evaluation record.
    title : str
        What the increment is about.
    figures : sequence of Figure
        Drawn beside the report as ``<prefix><name>.png``.
    """
    sections = [
        f"# Evaluation: {title}\n",
        _headline(record),
        _doubts(record["findings"]),
        _metrics(record),
        _rivals(record),
        _pictures(figures, prefix),
        *(_table(t) for t in record["tables"]),
        _segments(record.get("segments")),
        _errors(record["errors"], _answered(record)),
        _gap(record["overfitting"]),
        _operation(record),
        _method(record),
    ]
    return "\n".join(s for s in sections if s)


# -- the top ---------------------------------------------------------------------------------------


def _headline(record: Mapping[str, Any]) -> str:
    metric = _find(record, record["selection_metric"]) or record["metrics"][0]
    text = (
        f"**{record['algorithm']}** ({record['experiment']}) reaches **{_label(metric['name'])} "
        f"{_value(metric)}**{_interval(metric)} on {record['n_holdout']:,} {_answered(record)}s that nothing "
        "was fitted or chosen on."
    )
    for rival in record["comparisons"]:
        chosen_by = record["selection_metric"]
        gap = f"{_score(rival['difference'], chosen_by, sign=True)}{_interval(rival, chosen_by)}"
        words = {
            "better": "It beats",
            "worse": "It is **worse** than",
            "not told apart": "It cannot be told apart from",
        }[rival["verdict"]]
        text += (
            f" {words} the {rival['role']} {rival['against']} at {_score(rival['theirs'], chosen_by)}: {gap}."
        )
    latency = _find(record, "latency_p95_ms")
    if latency:
        text += f" One {_answered(record)} is answered in {short_number(latency['value'])} ms (p95); "
        text += f"the model takes {size_text(record['model_bytes'])}."
    decision = record.get("decision") or {}
    rule, threshold, interval = decision.get("rule"), decision.get("threshold"), decision.get("interval")
    if interval:
        text += f"\n\nEvery prediction comes with a {interval['level']:.0%} interval of "
        width = interval.get("words") or f"± {short_number(interval['half_width'])}"
        text += f"{width}: {rule or 'set on validation folds'}."
    elif threshold is not None:
        text += f"\n\nDecisions are made at a probability of {threshold:.4g} ({rule})."
    elif rule:
        text += f"\n\nDecisions: {rule}."
    return text + "\n"


def _doubts(findings: Sequence[Mapping[str, Any]]) -> str:
    if not findings:
        return "Nothing about these results looks doubtful to the checks that ran.\n"
    order = {"error": 0, "warning": 1, "info": 2}
    lines = [
        f"- **{f['severity']} {f['code']}**: {f['message']}."
        + (f" {_sentence(f['advice'])}" if f.get("advice") else "")
        for f in sorted(findings, key=lambda f: (order.get(f["severity"], 3), f["code"]))
    ]
    return "## Doubts\n\n" + "\n".join(lines) + "\n"


def _metrics(record: Mapping[str, Any]) -> str:
    rows = [
        [
            f"**{_label(m['name'])}**" if m["name"] == record["selection_metric"] else _label(m["name"]),
            _value(m) + _unit(m["unit"]),
            _bounds(m),
            "more" if m["higher_is_better"] else "less",
        ]
        for m in record["metrics"]
        if not _is_operational(m["name"])
    ]
    text = "## Metrics\n\n" + markdown_table(["metric", "value", "95 % interval", "better is"], rows)
    for key, why in sorted(record.get("undefined", {}).items()):
        text += f"\n{_label(key)} is left out: {why}.\n"
    return text


def _rivals(record: Mapping[str, Any]) -> str:
    key = record["selection_metric"]
    label, ref = _label(key), parse_metric_ref(key)
    higher = find_metric(ref.name).higher_is_better

    def rank(model: Mapping[str, Any]) -> tuple[bool, float, str]:
        value = model["validation"]
        number = _float(value)
        return (
            number is None,
            (-number if higher else number) if number is not None else 0.0,
            model["experiment"],
        )

    rows = [
        [
            f"{m['experiment']} ✅ chosen" if m["experiment"] == record["experiment"] else m["experiment"],
            m["role"],
            _score(m["validation"], key, m["validation_std"]),
            _score(m["holdout"], key),
            seconds_text(_float(m["train_seconds"])),
            "" if m["model_bytes"] is None else size_text(float(m["model_bytes"])),
        ]
        for m in sorted(record["models"], key=rank)
    ]
    text = (
        f"## Against the others\n\n{label}, by the validation folds that made the choice. The holdout column "
        "was read afterwards and chose nothing.\n\n"
        + markdown_table(["experiment", "role", "validation", "holdout", "trained in", "size"], rows)
    )
    tests = [
        [
            f"{r['role']}: {r['against']}",
            _score(r["difference"], key, sign=True),
            _bounds(r, key),
            f"{float(r['p_value']):.2g}",
            _loss_test(r.get("loss_test")),
            r["verdict"],
        ]
        for r in record["comparisons"]
    ]
    if tests:
        head = ["against", f"difference in {label}", "95 % interval", "p", "test of losses", "verdict"]
        text += "\n" + markdown_table(head, tests)
    return text


def _loss_test(test: Mapping[str, Any] | None) -> str:
    return "" if not test else f"{test['test']}: p = {float(test['p_value']):.2g}"


# -- the middle ------------------------------------------------------------------------------------


def _pictures(figures: Sequence[Figure], prefix: str) -> str:
    if not figures:
        return ""
    lines = [f"![{f.title}: {f.alt}]({prefix}{f.name}.png)" for f in figures]
    return "## Pictures\n\n" + "\n\n".join(lines) + "\n"


def _table(table: Mapping[str, Any]) -> str:
    rows = [[short_number(cell) for cell in row] for row in table["rows"]]
    note = f"{table['note']}\n\n" if table.get("note") else ""
    return f"## {table['title']}\n\n{note}" + markdown_table(list(map(str, table["columns"])), rows)


def _segments(segments: Mapping[str, Any] | None) -> str:
    if not segments or not segments["worst"]:
        return ""
    rows = [
        [
            s["column"], s["value"], f"{s['n']:,}", f"{s['share']:.0%}", _score(s["metric"], segments["metric"]),
            _bounds(s, segments["metric"]), "apart" if s["apart"] else "",
        ]
        for s in segments["worst"]
    ]  # fmt: skip
    label = _label(segments["metric"])
    left_out = [
        f"{count} {why}"
        for count, why in (
            (segments["too_small"], f"with fewer than {segments['min_rows']} rows"),
            (segments["undefined"], f"in which {label} is not defined"),
        )
        if count
    ]
    note = (
        f"{label} is {_score(segments['overall'], segments['metric'])} overall. The worst of {segments['checked']} segments"
        + (f" ({', '.join(left_out)} left out)" if left_out else "")
        + "; *apart* means that the segment's own interval leaves the overall value out, which one segment "
        "in twenty does by chance. Inside a segment a model cannot use what sets the segments apart, so a "
        "lower value is no flaw by itself."
    )
    head = ["column", "value", "rows", "share", label, "95 % interval", ""]
    return f"## Segments, worst first\n\n{note}\n\n" + markdown_table(head, rows)


def _errors(errors: Mapping[str, Any], answered: str) -> str:
    text = ""
    if errors["columns"]:
        rows = [
            [
                c["column"], f"{float(c['explained']):.1%}", str(c["worst_value"]), f"{c['worst_n']:,}",
                _times(c["worst_loss"], c["mean_loss"]), f"{float(c['p_value']):.2g}",
            ]
            for c in errors["columns"]
        ]  # fmt: skip
        first = errors["columns"][0]
        text += (
            f"## Where it errs\n\nColumns whose values set {answered}s of high loss apart from others. The mean "
            f"loss is {short_number(first['mean_loss'])}, losses are given in multiples of it; *explained* "
            "is the share of the losses' ranks that the column accounts for.\n\n"
            + markdown_table(["column", "explained", "worst at", f"{answered}s", "loss there", "p"], rows)
        )
    if errors["worst"]:
        text += ("\n" if text else "## Where it errs\n\n") + _worst(errors, answered)
    return text


def _worst(errors: Mapping[str, Any], answered: str) -> str:
    worst = errors["worst"]
    telling = [c["column"] for c in errors["columns"] if c["column"] in worst[0]["values"]]
    every = [c for c in worst[0]["values"] if c not in telling]
    shown = [*telling, *every][:_MOST_COLUMNS]
    predicted = list(worst[0]["predicted"])
    head = ["data row", "loss", *predicted, *shown]
    rows = [
        [str(w["row"] + 1), _times(w["loss"], errors.get("mean_loss")),
         *(short_number(w["predicted"].get(c), 5) for c in predicted),
         *(cell(w["values"].get(c), 40) for c in shown)]
        for w in worst
    ]  # fmt: skip
    return (
        f"The {answered}s it got most wrong (all their values are in `evaluation.json`):\n\n"
        + markdown_table(head, rows)
    )


# -- the end ---------------------------------------------------------------------------------------


def _gap(gap: Mapping[str, Any]) -> str:
    key = gap["metric"]
    rows = [
        ["training rows", _score(gap["train"], key)],
        [f"{gap['n_folds']} validation folds", _score(gap["cv"], key, gap["cv_std"])],
        ["holdout", _score(gap["holdout"], key)],
    ]
    # A forecaster is not asked about steps that it was fitted to.
    measured = [row for row in rows if row[1]]
    return "## Overfitting\n\n" + markdown_table(["measured on", _label(key)], measured)


def _operation(record: Mapping[str, Any]) -> str:
    rows = [
        [_label(m["name"]), short_number(m["value"]) + _unit(m["unit"]), _bounds(m), m["method"]]
        for m in record["metrics"]
        if _is_operational(m["name"])
    ]
    return "## Speed and size\n\n" + markdown_table(["metric", "value", "95 % interval", "measured by"], rows)


def _method(record: Mapping[str, Any]) -> str:
    methods = list(dict.fromkeys(m["method"] for m in record["metrics"] if not _is_operational(m["name"])))
    return (
        "## How it was measured\n\n"
        f"- Split: {record['split']}; holdout {record['holdout']}, {record['n_train']:,} training rows.\n"
        f"- Choice: best {_label(record['selection_metric'])} on validation folds, before the holdout was "
        "read (`holdout-ledger.jsonl`).\n"
        f"- Intervals: {'; '.join(methods)}.\n"
        f"- Data: sha256 {str(record['data_sha256'])[:12]}.\n"
    )


def _answered(record: Mapping[str, Any]) -> str:
    return str(record.get("answered", "row"))


def _find(record: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((m for m in record["metrics"] if m["name"] == name), None)


def _is_operational(name: str) -> bool:
    base = name.partition("@")[0]
    return known_metric(base) and find_metric(base).measure is None


def _label(key: str) -> str:
    return parse_metric_ref(key).label if known_metric(key.partition("@")[0]) else key


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _unit(unit: str) -> str:
    return f" {unit}" if unit else ""


def _times(loss: Any, mean: Any) -> str:
    return short_number(loss, 3) if not mean else f"{short_number(float(loss) / float(mean), 3)}x"


def _score(value: Any, key: str, spread: Any = None, *, sign: bool = False) -> str:
    """Return a metric's value as people read that metric, with its spread where there is one; None as ""."""
    if value is None:
        return ""
    factor, unit = (100, " %") if is_percent(key) else (1, "")

    def shown(one: Any, *, sign: bool = False) -> str:
        return short_number(factor * number(one) if factor > 1 else one, sign=sign)

    around = "" if spread is None else f" ± {shown(spread)}"
    return f"{shown(value, sign=sign)}{around}{unit}"


def _value(metric: Mapping[str, Any]) -> str:
    return _score(metric["value"], metric["name"])


def _bounds(found: Mapping[str, Any], key: str | None = None) -> str:
    """Return an interval; `key` names its metric where `found` does not."""
    if found["low"] is None or found["high"] is None:
        return ""
    key = str(found.get("name", "")) if key is None else key
    return f"{_score(found['low'], key).removesuffix(' %')} to {_score(found['high'], key)}"


def _interval(found: Mapping[str, Any], key: str | None = None) -> str:
    bounds = _bounds(found, key)
    return f" ({bounds})" if bounds else ""


def _sentence(text: str) -> str:
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
