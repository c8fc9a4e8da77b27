"""What a promised precision came to on the holdout: the table and the doubts that a report shows.

Reads: outcome tables, decisions. Writes: nothing. Never: changes the threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.problems.base import Table
from specweave.problems.thresholds import clopper_pearson
from specweave.records import Finding


def promise_tables(outcome: pd.DataFrame, decision: Mapping[str, Any], called: np.ndarray) -> list[Table]:
    """Return what was promised of the alarms, and what these rows show; empty where nothing was promised."""
    promise = decision.get("promise") or {}
    if not promise:
        return []
    alarm = called == decision["positive"]
    hits = int((alarm & (outcome["truth"].astype(str) == decision["positive"]).to_numpy()).sum())
    per_thousand = 1000 * float(alarm.mean())
    if "promised" not in promise:
        there, n = int((outcome["truth"].astype(str) == decision["positive"]).sum()), len(outcome)
        miss = promise["cost_of_miss"]
        paid = promise["cost_of_false_alarm"] * (int(alarm.sum()) - hits) + miss * (there - hits)
        return [Table("Alarms and costs", ("quantity", "validation folds", "these rows"), (
            ("alarms per thousand rows", promise["alarms_per_thousand"], per_thousand),
            ("cost per thousand rows", promise["cost_per_thousand"], 1000 * paid / n),
            ("cost per thousand rows without any alarm", promise["cost_per_thousand_without_alarms"],
             1000 * miss * there / n),
        ), f"{decision.get('rule', '')}.")]  # fmt: skip
    low, high = clopper_pearson(hits, int(alarm.sum()), promise["confidence"])
    return [Table("Alarms and their promise", ("quantity", "validation folds", "these rows"), (
        ("precision that is demanded", promise["wanted"], promise["wanted"]),
        ("precision that can be promised", promise["promised"], promise["promised"]),
        ("precision, measured", promise["observed"], hits / max(1, int(alarm.sum()))),
        (f"lower bound at {promise['confidence']:.0%}", promise["low"], low),
        (f"upper bound at {promise['confidence']:.0%}", promise["high"], high),
        ("alarms per thousand rows", promise["alarms_per_thousand"], per_thousand),
    ), f"{decision.get('rule', '')}. Bounds are one-sided (Clopper-Pearson) and those of the precision in the long run; "
       f"a batch varies more{_one_too_many(promise)}.")]  # fmt: skip


def _one_too_many(promise: Mapping[str, Any]) -> str:
    """Return in words what a single false alarm does to a batch, where that alone misses the demand."""
    alarms = round(promise["alarms_per_thousand"] * promise["batch_rows"] / 1000)
    if alarms < 2 or (alarms - 1) / alarms >= promise["wanted"]:
        return ""
    return (
        f": of about {alarms} alarms among {promise['batch_rows']:,} rows one false alarm leaves "
        f"{(alarms - 1) / alarms:.3f}, less than the {promise['wanted']:g} demanded"
    )


def check_promise(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Finding]:
    """Say so where the demanded precision cannot be promised, and where the promised one was missed."""
    promise = decision.get("promise") or {}
    if "promised" not in promise:
        return []
    found = []
    if not promise["kept_as_wanted"]:
        found.append(
            Finding(
                code="SW312", severity="warning", where="reports/evaluation.json",
                message=f"precision {promise['wanted']:g} cannot be promised; "
                + (f"{promise['promised']:g} can" if promise["promised"] else "nor can any lower one")
                + _one_too_many(promise),
                evidence={k: promise[k] for k in ("wanted", "promised", "confidence", "batch_rows", "observed", "low")},
                advice="bring more labelled positives, lower the demanded precision, or review the alarms by hand",
            )
        )  # fmt: skip
    score = outcome[f"p:{decision['positive']}"].to_numpy()
    alarm = score >= decision["threshold"]
    hits = int((outcome["truth"].astype(str).to_numpy()[alarm] == decision["positive"]).sum())
    _, high = clopper_pearson(hits, int(alarm.sum()), promise["confidence"])
    if alarm.any() and high < promise["promised"]:
        found.append(
            Finding(
                code="SW313", severity="warning", where="reports/evaluation.json",
                message=f"a precision of {promise['promised']:g} was promised, these rows show {hits / alarm.sum():.3f}",
                evidence={"alarms": int(alarm.sum()), "right": hits, "upper_bound": high},
                advice="the holdout differs from the training rows; look at the drift table and at the split",
            )
        )  # fmt: skip
    return found
