"""What the service answers of a forecast: the value, its step, the intervals that validation earned.

Reads: outcome tables, decisions. Writes: nothing. Never: hides that a step lies beyond those that were validated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from specweave.forecasters.intervals import bounds


def path_answers(outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the answers that belong to forecasts; None with the reason where there is none."""
    learned = decision.get("intervals") or {}
    by_level = bounds(outcome, learned) if learned else {}
    middle = outcome["prediction"].to_numpy(float)
    made: list[dict[str, Any]] = []
    for i, value in enumerate(middle):
        if not np.isfinite(value):
            made.append(
                {
                    "prediction": None,
                    "note": "no forecast: the series is unknown, or the stamp is not after its history",
                }
            )
            continue
        interval: dict[str, float] = {}
        for level, (low, high) in by_level.items():
            interval |= {f"low{level}": float(low[i]), f"high{level}": float(high[i])}
        made.append(
            {
                "prediction": float(value),
                "step": int(outcome["h"].iloc[i]),
                **({"interval": interval} if interval else {}),
                **_beyond(int(outcome["h"].iloc[i]), learned.get("horizon")),
            }
        )
    return made


def _beyond(step: int, horizon: int | None) -> dict[str, str]:
    """Return what is said of a step that no origin was judged on."""
    if horizon is None or step <= horizon:
        return {}
    return {"note": f"beyond the {horizon} steps that were validated: the interval is an extrapolation"}
