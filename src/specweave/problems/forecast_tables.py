"""Forecasts in numbers: stationarity of the data, errors by step and series, residuals, held intervals.

Reads: panels, outcome tables, fitted models. Writes: nothing. Never: raises over a series too short to test.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.errors import DataError
from specweave.forecasters.decomposition import decompose
from specweave.forecasters.model import SeriesModel
from specweave.forecasters.panel import Panel
from specweave.forecasters.stationarity import adf_test, kpss_test, ljung_box, normality
from specweave.problems.base import Table
from specweave.records import Finding

_SHOWN = 12
_TESTED = 20
_WHERE = "reports/evaluation.json"


def stationarity_table(panel: Panel) -> Table:
    """Return unit-root and level tests and the strength of trend and season, for the longest series."""
    chosen = sorted(panel.series.values(), key=lambda s: (-len(s), s.id))[:_SHOWN]
    rows: list[tuple[Any, ...]] = []
    for one in sorted(chosen, key=lambda s: s.id):
        try:
            adf, kpss = adf_test(one.values), kpss_test(one.values)
        except DataError as error:
            rows.append((one.id, len(one), None, None, None, None, error.what))
            continue
        season = panel.season_of(one)
        parts = decompose(one.values, season)
        strength = parts.season_strength if season > 1 else None
        rows.append(
            (one.id, len(one), adf[1], kpss[1], parts.trend_strength, strength, _verdict(adf[1], kpss[1]))
        )
    note = (
        "ADF: a p-value below 0.05 speaks against a unit root; KPSS: one below 0.05 against a stable level (cut "
        "off at 0.01 and 0.10). Strengths run from 0 to 1 (Wang, Smith & Hyndman 2006)."
    )
    return Table("Stationarity, trend and season of training rows",
                 ("series", "values", "ADF p", "KPSS p", "trend strength", "season strength", "in words"), tuple(rows), note)  # fmt: skip


def _verdict(adf: float, kpss: float) -> str:
    if adf < 0.05 and kpss >= 0.05:
        return "stationary"
    if adf >= 0.05 and kpss < 0.05:
        return "not stationary: differences or a trend are needed"
    if adf < 0.05:
        return "the tests disagree: no unit root, but the level moves (a trend or a break)"
    return "the tests disagree: too few values, or a slow return to the level"


def outcome_tables(outcome: pd.DataFrame, loss: np.ndarray) -> list[Table]:
    """Return errors by step ahead, by series where there are several, and how often intervals held."""
    frame = outcome.assign(_loss=loss, _error=outcome["prediction"] - outcome["truth"])
    one = outcome["unique_id"].nunique() == 1
    said = (
        "One series: the metrics' intervals resample blocks of consecutive steps, and say little with few of them."
        if one
        else "The metrics' intervals resample whole series."
    )
    tables = [_by_step(frame, said)]
    if not one:
        by = frame.groupby("unique_id").agg(scaled=("_loss", "mean"), mae=("_error", lambda e: e.abs().mean()),
                                            bias=("_error", "mean"), n=("_loss", "size"))  # fmt: skip
        by = by.sort_values(["scaled", "mae"])
        picked = by if len(by) <= _SHOWN else pd.concat([by.head(4), by.tail(_SHOWN - 4)])
        rows = tuple(
            (str(k), int(r.n), float(r.scaled), float(r.mae), float(r.bias)) for k, r in picked.iterrows()
        )
        tables.append(Table("By series, best and worst", ("series", "steps", "scaled error", "MAE", "bias"), rows,
                            f"{len(by)} series, {int((by['scaled'] < 1).sum())} of them below 1. Bias is forecast minus truth."))  # fmt: skip
    levels = _levels(outcome)
    if levels:
        widths = tuple(
            (f"{v} %", _held(outcome, v), float((outcome[f"hi{v}"] - outcome[f"lo{v}"]).mean()))
            for v in levels
        )
        tables.append(Table("Prediction intervals", ("nominal", "held on the holdout", "mean width"), widths,
                            "Learned from the errors of rolling origins before the holdout."))  # fmt: skip
    return tables


def _by_step(frame: pd.DataFrame, said: str) -> Table:
    rows = []
    for h in sorted(frame["h"].unique()):
        part = frame[frame["h"] == h]
        held = [_held(part, v) for v in _levels(part)]
        rows.append((int(h), len(part), float(part["_loss"].mean()), float(part["_error"].abs().mean()),
                     float(part["_error"].mean()), *held))  # fmt: skip
    names = (
        "step ahead",
        "forecasts",
        "scaled error",
        "MAE",
        "bias",
        *(f"{v} % held" for v in _levels(frame)),
    )
    return Table(
        "By step ahead",
        names,
        tuple(rows),
        f"Scaled errors are in units of the seasonal naive forecast's. {said}",
    )


def _levels(outcome: pd.DataFrame) -> list[int]:
    return sorted(int(c[2:]) for c in outcome.columns if c.startswith("lo") and c[2:].isdigit())


def _held(outcome: pd.DataFrame, level: int) -> float:
    inside = (outcome["truth"] >= outcome[f"lo{level}"]) & (outcome["truth"] <= outcome[f"hi{level}"])
    return float(inside.mean())


def check_coverage(outcome: pd.DataFrame, decision: Mapping[str, Any], n_units: int) -> list[Finding]:
    """Return SW340 where an interval held clearly less, or more, than it says.

    `n_units` independent units decide what is clear: the steps of one path err together.
    """
    found = []
    for level in _levels(outcome):
        held, nominal = _held(outcome, level), level / 100
        noise = 2.0 * np.sqrt(nominal * (1 - nominal) / max(n_units, 1))
        if abs(held - nominal) <= max(0.05, noise):
            continue
        found.append(Finding(
            code="SW340", severity="warning" if held < nominal else "info", where=_WHERE,
            message=f"the {level} % interval held {held:.0%} of the holdout",
            evidence={"level": level, "held": held, "rows": len(outcome), "units": n_units},
            advice="the last steps were less steady than those before" if held < nominal
            else "the last steps were steadier than those before; the intervals are wide",
        ))  # fmt: skip
    return found


def residual_analysis(model: SeriesModel) -> tuple[list[Table], list[Finding]]:
    """Return tests of one-step residuals inside the history, and SW341/SW342 where many series fail them.

    SW341 residuals are autocorrelated (something is left to learn) · SW342 they are not normal (intervals
    made from a normal distribution would be wrong; ours are made from errors as they were).
    """
    series = list(model.panel.series.values())
    picked = (
        series
        if len(series) <= _TESTED
        else [series[i] for i in np.linspace(0, len(series) - 1, _TESTED).astype(int)]
    )
    rows, left, skewed = [], 0, 0
    for one in picked:
        errors = model.fitted.fitted_errors(one)
        if errors is None or len(errors) < 12 or np.all(errors == errors[0]):
            continue
        _, p_lb, lags = ljung_box(errors)
        _, p_jb = normality(errors)
        left, skewed = left + (p_lb < 0.05), skewed + (p_jb < 0.05)
        rows.append((one.id, len(errors), float(errors.mean()), float(errors.std()), p_lb, lags, p_jb))
    if not rows:
        return [], []
    table = Table(
        "Residuals of the chosen model, one step ahead inside the history",
        ("series", "residuals", "mean", "std", "Ljung-Box p", "lags", "Jarque-Bera p"), tuple(rows[:_SHOWN]),
        f"{len(rows)} of {len(series)} series were tested: {left} leave autocorrelation (Ljung-Box p < 0.05), "
        f"{skewed} are not normal (Jarque-Bera p < 0.05).",
    )  # fmt: skip
    findings = []
    if left > 0.5 * len(rows):
        findings.append(Finding(
            code="SW341", severity="info", where=_WHERE, evidence={"series": len(rows), "autocorrelated": left},
            message=f"one-step residuals are autocorrelated in {left} of {len(rows)} series: something is left to learn",
            advice="look at the season length in spec.md, at columns known ahead, and at the runner-up in "
            "experiments/comparison.md",
        ))  # fmt: skip
    if skewed > 0.5 * len(rows):
        findings.append(Finding(
            code="SW342", severity="info", where=_WHERE, evidence={"series": len(rows), "not_normal": skewed},
            message=f"one-step residuals are not normal in {skewed} of {len(rows)} series",
            advice="nothing to do: the intervals come from the errors themselves, not from a normal distribution",
        ))  # fmt: skip
    return [table], findings
