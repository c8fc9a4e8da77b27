"""What a forecaster is: fitted to a panel, it answers any later step of its series.

Reads: panels. Writes: nothing. Never: looks past the end of the history it was given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from specweave.forecasters.panel import Panel, Series
from specweave.forecasters.simple import seasonal_naive

Floats = npt.NDArray[np.float64]
Memo = MutableMapping[Any, Any]
_LOOKED_AT = 60


def not_below_nothing(told: Floats, y: Floats) -> Floats:
    """Return forecasts, zero where they fall below it although the series never did: sales, counts, loads."""
    return np.asarray(np.maximum(told, 0.0) if np.all(y >= 0) else told, dtype=np.float64)


class Forecaster(ABC):
    """An unfitted model of series; its parameters are those of its constructor."""

    label: ClassVar[str] = ""
    # What it is good for, in a few words for plans.
    note: ClassVar[str] = ""
    # Search space of its parameters; empty where it chooses them itself.
    search: ClassVar[Mapping[str, Any]] = {}
    # Whether a forecast may rest on columns known ahead.
    uses_known: ClassVar[bool] = False

    @abstractmethod
    def fit(
        self, panel: Panel, horizon: int, *, seed: int = 0, threads: int = 1, memo: Memo | None = None
    ) -> Fitted:
        """Fit to a panel for forecasts up to `horizon` steps ahead.

        Parameters
        ----------
        memo : mutable mapping, optional
            Where fits of the same recipe on the same panel are kept for combinations of them.
        """

    def params(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return dict(vars(self))

    def key(self) -> tuple[str, str]:
        """Return what tells this recipe from another."""
        return type(self).__name__, repr(sorted(self.params().items()))


class Fitted(ABC):
    """A fitted model with the history it was fitted to.

    Attributes
    ----------
    recipe : Forecaster
    panel : Panel
    horizon : int
    """

    recipe: Forecaster
    panel: Panel
    horizon: int

    @abstractmethod
    def predict(self, ids: Any, steps: Any, known: Floats | None = None) -> Floats:
        """Return the forecast of each row, NaN for unknown series and for steps inside the history.

        Parameters
        ----------
        ids : array-like of str, shape (n_rows,)
        steps : ndarray of int, shape (n_rows,)
            Absolute steps.
        known : ndarray, shape (n_rows, n_known), optional
        """

    def update(self, panel: Panel) -> Fitted:
        """Return the model fitted anew to a longer history."""
        return self.recipe.fit(panel, self.horizon)

    def fitted_errors(self, one: Series) -> Floats | None:
        """Return one-step errors inside the history of a series, or None where the model gives none."""
        return None


@dataclass
class PathFitted(Fitted):
    """A fitted local model: one path per series, and the recipe for a longer one."""

    recipe: LocalForecaster
    panel: Panel
    horizon: int
    paths: dict[str, Floats]
    fallbacks: dict[str, str] = field(default_factory=dict)

    def predict(self, ids: Any, steps: Any, known: Floats | None = None) -> Floats:
        """Look the steps up in the paths; a path is made longer where asked for."""
        names, codes = np.unique(np.asarray(ids, dtype=object).astype(str), return_inverse=True)
        steps = np.asarray(steps, dtype=np.int64)
        answer = np.full(len(steps), np.nan)
        for code, name in enumerate(names):
            one = self.panel.series.get(str(name))
            if one is None:
                continue
            rows = np.flatnonzero(codes == code)
            ahead = steps[rows] - one.end
            later = ahead >= 1
            if later.any():
                answer[rows[later]] = self._path(one, int(ahead.max()))[ahead[later] - 1]
        return answer

    def _path(self, one: Series, length: int) -> Floats:
        path = self.paths[one.id]
        if length > len(path):
            path = self.recipe.safe_path(one, self.panel.season_of(one), length)[0]
            self.paths[one.id] = path
        return path

    def fitted_errors(self, one: Series) -> Floats | None:
        """Return the recipe's one-step errors."""
        return self.recipe.one_step_errors(one, self.panel.season_of(one))


class LocalForecaster(Forecaster):
    """A model of one series at a time."""

    @abstractmethod
    def path(self, y: Floats, season: int, steps: int) -> Floats:
        """Return the next `steps` values of one series, shape (steps,)."""

    def safe_path(self, one: Series, season: int, steps: int) -> tuple[Floats, str]:
        """Return (path, why the seasonal naive forecast stands in for it or "")."""
        y = one.values
        if len(y) < 4 or np.all(y == y[0]):
            return seasonal_naive(y, season, steps), "" if len(y) >= 4 else "fewer than 4 values"
        try:
            found = np.asarray(self.path(y, season, steps), dtype=np.float64)
        except (ValueError, ArithmeticError, LookupError, np.linalg.LinAlgError) as error:
            return seasonal_naive(y, season, steps), str(error) or type(error).__name__
        except Exception as error:
            # statsforecast raises bare Exceptions on series that a model cannot take.
            if type(error) is not Exception:
                raise
            return seasonal_naive(y, season, steps), str(error)
        if not np.isfinite(found).all():
            return seasonal_naive(y, season, steps), "the model's path is not finite"
        return not_below_nothing(found, y), ""

    def one_step_errors(self, one: Series, season: int) -> Floats | None:
        """Return errors of one-step forecasts inside the series, or None."""
        return None

    def fit(
        self, panel: Panel, horizon: int, *, seed: int = 0, threads: int = 1, memo: Memo | None = None
    ) -> PathFitted:
        """Make each series' path."""
        key = (self.key(), panel.digest(), horizon)
        if memo is not None and key in memo:
            kept: PathFitted = memo[key]
            return kept
        paths, fallbacks = {}, {}
        for name, one in panel.series.items():
            # Explanations look at two seasons of a path; made once, they cost no request anything.
            season = panel.season_of(one)
            length = max(horizon, 2 * season if season <= _LOOKED_AT else 2)
            paths[name], why = self.safe_path(one, season, length)
            if why:
                fallbacks[name] = why
        fitted = PathFitted(self, panel, horizon, paths, fallbacks)
        if memo is not None:
            memo[key] = fitted
        return fitted
