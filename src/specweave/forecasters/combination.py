"""Several forecasts as one: their mean or median.

Reads: panels. Writes: nothing. Never: weighs its members by errors that it was not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from specweave.errors import DataError
from specweave.forecasters.base import Fitted, Forecaster, Memo
from specweave.forecasters.panel import Panel, Series

Floats = npt.NDArray[np.float64]


@dataclass
class CombinedFitted(Fitted):
    """Fitted members."""

    recipe: Combination
    panel: Panel
    horizon: int
    members: list[Fitted]

    def predict(self, ids: Any, steps: Any, known: Floats | None = None) -> Floats:
        """Return the members' mean or median."""
        told = np.vstack([m.predict(ids, steps, known) for m in self.members])
        return self.recipe.combine(told)

    def fitted_errors(self, one: Series) -> Floats | None:
        """Return the mean or median of the members' one-step errors, where all members give them."""
        told = [m.fitted_errors(one) for m in self.members]
        known = [t for t in told if t is not None and len(t)]
        if len(known) < len(told):
            return None
        length = min(len(t) for t in known)
        return self.recipe.combine(np.vstack([t[-length:] for t in known]))

    def update(self, panel: Panel) -> CombinedFitted:
        """Update every member."""
        return CombinedFitted(self.recipe, panel, self.horizon, [m.update(panel) for m in self.members])


class Combination(Forecaster):
    """The mean or median of several forecasters.

    Parameters
    ----------
    members : sequence of mapping
        ``{"name": ..., "params": {...}}``: names of `known`.
    how : {"median", "mean"}
    weights : sequence of float, optional
        Of the members, for a weighted mean.
    """

    label = "combination"
    uses_known = True

    def __init__(
        self, members: Sequence[Any], how: str = "median", weights: Sequence[float] | None = None
    ) -> None:
        self.members: list[dict[str, Any]] = [
            dict(m) if isinstance(m, Mapping) else {"name": str(m)} for m in members
        ]
        self.how = how
        self.weights = None if weights is None else [float(w) for w in weights]
        if self.weights is not None and (how != "mean" or len(self.weights) != len(self.members)):
            raise DataError("weights go with a mean, one for each member", hint="write how: mean")
        if how not in ("median", "mean"):
            raise DataError(f"a combination is a mean or a median, not '{how}'", hint="write how: median")
        if not self.members:
            raise DataError("a combination needs members", hint="write members: [ets, theta]")

    def combine(self, told: Floats) -> Floats:
        """Return one number per column of the members' answers, shape (n_members, n)."""
        if self.how == "median":
            return np.asarray(np.median(told, axis=0), dtype=np.float64)
        return np.asarray(np.average(told, axis=0, weights=self.weights), dtype=np.float64)

    def fit(
        self, panel: Panel, horizon: int, *, seed: int = 0, threads: int = 1, memo: Memo | None = None
    ) -> CombinedFitted:
        """Fit every member."""
        from specweave.forecasters.catalogue import make_forecaster

        members = [make_forecaster(str(m["name"]), dict(m.get("params") or {})) for m in self.members]
        fitted = [m.fit(panel, horizon, seed=seed, threads=threads, memo=memo) for m in members]
        return CombinedFitted(self, panel, horizon, fitted)
