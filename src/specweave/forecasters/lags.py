"""One gradient-boosted model for all series: how far each will be from its last value, at each step ahead.

Reads: panels. Writes: nothing. Never: shows a row of its table anything after its origin, save what is
known ahead.

The forecast is direct: one row per series, origin and step ahead, with the step as a feature. Values enter
as distances from the last known one, in units of the series' mean step, so that series of all sizes teach
one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from specweave.forecasters.adjusting import longer_season
from specweave.forecasters.base import Fitted, Forecaster, Memo, not_below_nothing
from specweave.forecasters.panel import Panel, Series

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LAGS = (1, 2, 3, 4, 5, 6, 8, 12)
WINDOWS = (4, 13, 26)
# Rows of one origin tell nearly the same: of long horizons a sample is as good, and quicker.
_ROWS_PER_VALUE = 12
_FEWEST_ROWS = 20_000


def feature_names(panel: Panel) -> list[str]:
    """Return the names of the lag table's columns."""
    names = ["step ahead", *(f"value {lag} step{'s' * (lag > 1)} before the last" for lag in LAGS)]
    names += [f"mean of the last {w}" for w in WINDOWS]
    names += ["spread of the last 13 changes", "mean of all values"]
    if panel.season > 1:
        names += ["value a season before the target", "change from a season ago to the target's",
                  "value two seasons before the target", "change two seasons ago"]  # fmt: skip
        if (longer := longer_season(panel.season)) > 1:
            names += [
                f"value {longer} steps before the target",
                f"change over the same steps {longer} earlier",
            ]
    names += [f"{c} of the target" for c in calendar_names(panel)]
    for name in panel.known_names:
        names += [name, f"{name} at the origin"]
        if panel.season > 1:
            names += [f"{name} a season before the target"]
    return names


def calendar_names(panel: Panel) -> list[str]:
    """Return what the calendar tells of a step at this frequency."""
    frequency = panel.frequency
    if frequency.unit == "month":
        return ["month"] if frequency.size < 12 else []
    if frequency.unit == "business":
        return ["weekday", "month"]
    if frequency.unit != "delta":
        return []
    day = 86_400_000_000
    if frequency.size >= 7 * day:
        return ["week of the year"]
    return ["weekday", "month"] if frequency.size >= day else ["hour", "weekday"]


def _calendar(panel: Panel, steps: Ints) -> list[Floats]:
    names = calendar_names(panel)
    if not names:
        return []
    instants = panel.frequency.stamps(steps).astype("datetime64[us]")
    days = instants.astype("datetime64[D]")
    made = {
        "month": lambda: instants.astype("datetime64[M]").astype(np.int64) % 12 + 1,
        "weekday": lambda: (days.astype(np.int64) + 3) % 7,
        "hour": lambda: (instants.astype(np.int64) / 3_600_000_000) % 24,
        "week of the year": lambda: (days - instants.astype("datetime64[Y]").astype("datetime64[D]")).astype(np.int64) // 7,
    }  # fmt: skip
    return [np.asarray(made[n](), dtype=np.float64) for n in names]


def step_size(y: Floats) -> float:
    """Return the mean absolute change from one value to the next, 1 where nothing changes."""
    size = float(np.mean(np.abs(np.diff(y)))) if len(y) > 1 else 0.0
    return size if size > 0 else 1.0


def lag_rows(panel: Panel, one: Series, origins: Ints, ahead: Ints, known: Floats | None = None) -> Floats:
    """Return the lag table's rows of one series, shape (n_rows, n_features).

    Parameters
    ----------
    origins : ndarray of int, shape (n_rows,)
        Positions in the series of the last known value.
    ahead : ndarray of int, shape (n_rows,)
        Steps ahead, from 1.
    known : ndarray, shape (n_rows, n_known), optional
        Columns known ahead at the target; by default from the series itself.
    """
    y, size = one.values, step_size(one.values)
    last = y[origins]
    sums = np.cumsum(np.r_[0.0, y])
    changes = np.cumsum(np.r_[0.0, 0.0, np.abs(np.diff(y))])

    def at(place: Ints) -> Floats:
        return np.where(place >= 0, y[np.maximum(place, 0)], np.nan)

    columns: list[Floats] = [ahead.astype(np.float64)]
    columns += [(at(origins - lag) - last) / size for lag in LAGS]
    for w in WINDOWS:
        begun = origins + 1 - w
        mean = (sums[origins + 1] - sums[np.maximum(begun, 0)]) / w
        columns.append(np.where(begun >= 0, (mean - last) / size, np.nan))
    begun = np.maximum(origins + 1 - 13, 0)
    columns.append((changes[origins + 1] - changes[begun]) / np.maximum(np.minimum(13, origins), 1) / size)
    columns.append((sums[origins + 1] / (origins + 1) - last) / size)
    if panel.season > 1:
        longer = longer_season(panel.season)
        pairs = [(panel.season, panel.season), (2 * panel.season, panel.season), (longer, longer)]
        for back, season in pairs if longer > 1 else pairs[:2]:
            # Past one season ahead, the latest season that is known stands for the one before the target.
            skip = back + season * ((ahead - 1) // season)
            target = at(origins + ahead - skip)
            columns += [(target - last) / size, (target - at(origins - skip)) / size]
    columns += _calendar(panel, one.start + origins + ahead)
    for i in range(len(panel.known_names)):
        series_known = one.known[:, i]

        def known_at(place: Ints, column: Floats = series_known) -> Floats:
            inside = (place >= 0) & (place < len(column))
            return np.where(inside, column[np.clip(place, 0, len(column) - 1)], np.nan)

        columns.append(known_at(origins + ahead) if known is None else known[:, i])
        columns.append(known_at(origins))
        if panel.season > 1:
            columns.append(known_at(origins + ahead - panel.season))
    return np.column_stack(columns)


def lag_table(
    panel: Panel, horizon: int, *, most_rows: int = 150_000, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Return (features, targets, origins' steps) of every origin and step ahead, or a sample of them.

    Returns
    -------
    features : ndarray, shape (n_rows, n_features)
    targets : ndarray, shape (n_rows,)
        Distance from the last value in units of the series' mean step.
    steps : ndarray, shape (n_rows,)
        Absolute step of each target.
    """
    total = sum(_pairs(len(s), horizon) for s in panel.series.values())
    most_rows = min(most_rows, max(_FEWEST_ROWS, _ROWS_PER_VALUE * sum(map(len, panel.series.values()))))
    share = min(1.0, most_rows / max(total, 1))
    rng = np.random.default_rng(seed)
    parts = [_one_table(panel, s, horizon, share, rng) for s in panel.series.values()]
    parts = [p for p in parts if len(p[0])]
    if not parts:
        width = len(feature_names(panel))
        return np.empty((0, width)), np.empty(0), np.empty(0)
    X, y, steps = (np.concatenate([p[i] for p in parts]) for i in range(3))
    return X, y, steps


def _first_origin(length: int) -> int:
    return min(13, max(1, length // 3))


def _pairs(length: int, horizon: int) -> int:
    origins = length - 1 - _first_origin(length)
    return max(0, origins * horizon)


def _one_table(
    panel: Panel, one: Series, horizon: int, share: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    n = len(one)
    origins = np.arange(_first_origin(n), n - 1)
    grid = np.array([(t, h) for t, h in _grid(origins, horizon, n)], dtype=np.int64).reshape(-1, 2)
    if share < 1 and len(grid):
        grid = grid[rng.random(len(grid)) < share]
    if not len(grid):
        return np.empty((0, len(feature_names(panel)))), np.empty(0), np.empty(0)
    t, h = grid[:, 0], grid[:, 1]
    y = (one.values[t + h] - one.values[t]) / step_size(one.values)
    return lag_rows(panel, one, t, h), y, (one.start + t + h).astype(np.float64)


def _grid(origins: Ints, horizon: int, n: int) -> Iterator[tuple[int, int]]:
    for t in origins.tolist():
        for h in range(1, min(horizon, n - 1 - t) + 1):
            yield t, h


@dataclass
class LagFitted(Fitted):
    """The boosted model with the history that its rows start from."""

    recipe: LagBoosting
    panel: Panel
    horizon: int
    booster: Any
    names: list[str] = field(default_factory=list)

    def predict(self, ids: Any, steps: Any, known: Floats | None = None) -> Floats:
        """Predict rows at once; a step past the horizon is answered as if it were inside its reach."""
        X, last, size, rows = self.rows(ids, steps, known)
        answer = np.full(len(np.asarray(steps)), np.nan)
        if len(rows):
            if self.booster is None:
                answer[rows] = last
            else:
                answer[rows] = last + size * self.booster.predict(X, num_threads=self.threads)
        names = np.asarray(ids, dtype=object).astype(str)
        for name in np.unique(names[rows]):
            own = names == name
            answer[own] = not_below_nothing(answer[own], self.panel.series[str(name)].values)
        return answer

    @property
    def threads(self) -> int:
        """Threads of a prediction: few rows are quicker on one."""
        return 1

    def rows(self, ids: Any, steps: Any, known: Floats | None = None) -> tuple[Floats, Floats, Floats, Ints]:
        """Return (features, last values, mean steps, positions) of the rows that can be answered."""
        names = np.asarray(ids, dtype=object).astype(str)
        steps = np.asarray(steps, dtype=np.int64)
        uniques, codes = np.unique(names, return_inverse=True)
        parts: list[tuple[Floats, Floats, Floats, Ints]] = []
        for code, name in enumerate(uniques):
            one = self.panel.series.get(str(name))
            if one is None:
                continue
            place = np.flatnonzero(codes == code)
            ahead = steps[place] - one.end
            place, ahead = place[ahead >= 1], ahead[ahead >= 1]
            if not len(place):
                continue
            origins = np.full(len(place), len(one) - 1, dtype=np.int64)
            X = lag_rows(self.panel, one, origins, ahead, None if known is None else known[place])
            parts.append(
                (X, np.full(len(place), one.values[-1]), np.full(len(place), step_size(one.values)), place)
            )
        if not parts:
            return np.empty((0, len(self.names))), np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)
        X, last, size, rows = (np.concatenate([p[i] for p in parts]) for i in range(4))
        return X, last, size, rows

    def update(self, panel: Panel) -> LagFitted:
        """Go on from a longer history with the trees as they are."""
        return replace(self, panel=panel)

    def fitted_errors(self, one: Series) -> Floats | None:
        """Return the errors of one-step forecasts at every origin (on rows the trees have seen)."""
        origins = np.arange(_first_origin(len(one)), len(one) - 1)
        if self.booster is None or len(origins) < 4:
            return None
        X = lag_rows(self.panel, one, origins, np.ones(len(origins), dtype=np.int64))
        told = one.values[origins] + step_size(one.values) * self.booster.predict(X, num_threads=1)
        return np.asarray(one.values[origins + 1] - told, dtype=np.float64)


class LagBoosting(Forecaster):
    """LightGBM on lags, calendar and columns known ahead; one model for all series and steps ahead.

    Parameters
    ----------
    n_estimators, num_leaves, min_child_samples : int
    learning_rate, colsample_bytree : float
    objective : str
        ``l1`` by default: it aims at the median, as MASE and MAPE do.
    most_rows : int
        A larger table is sampled.
    without : tuple of str
        Features to leave out.
    """

    label = "LightGBM on lags"
    note = "one boosted model on lags of all series; wins where there are many"
    search: ClassVar[Mapping[str, Any]] = {
        "n_estimators": {"low": 100, "high": 800, "log": True},
        "learning_rate": {"low": 0.02, "high": 0.15, "log": True},
        "num_leaves": {"low": 7, "high": 63, "log": True},
        "min_child_samples": {"low": 10, "high": 100, "log": True},
        "colsample_bytree": {"low": 0.4, "high": 1.0},
    }
    uses_known = True

    def __init__(
        self,
        n_estimators: int = 300,
        learning_rate: float = 0.05,
        num_leaves: int = 31,
        min_child_samples: int = 40,
        colsample_bytree: float = 0.7,
        objective: str = "l1",
        most_rows: int = 150_000,
        without: tuple[str, ...] = (),
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.min_child_samples = min_child_samples
        self.colsample_bytree = colsample_bytree
        self.objective = objective
        self.most_rows = most_rows
        self.without = tuple(without)

    def fit(
        self, panel: Panel, horizon: int, *, seed: int = 0, threads: int = 1, memo: Memo | None = None
    ) -> LagFitted:
        """Build the lag table and boost."""
        import lightgbm

        key = (self.key(), panel.digest(), horizon, seed)
        if memo is not None and key in memo:
            kept: LagFitted = memo[key]
            return kept
        names = feature_names(panel)
        X, y, _ = lag_table(panel, horizon, most_rows=self.most_rows, seed=seed)
        booster = None
        ignored = [names.index(n) for n in self.without if n in names]
        X[:, ignored] = np.nan
        if len(y) >= 40:
            # A few extreme steps (a level shift, a gap filled) must not decide the trees.
            y = np.clip(y, *np.quantile(y, [0.002, 0.998]))
            params = {
                "objective": self.objective, "learning_rate": self.learning_rate, "num_leaves": self.num_leaves,
                "min_child_samples": min(self.min_child_samples, max(5, len(y) // 20)),
                "feature_fraction": self.colsample_bytree, "bagging_fraction": 0.7, "bagging_freq": 1,
                "verbosity": -1, "num_threads": threads, "seed": seed, "deterministic": True, "force_col_wise": True,
            }  # fmt: skip
            booster = lightgbm.train(params, lightgbm.Dataset(X, y), self.n_estimators)
            booster.free_dataset()
        fitted = LagFitted(self, panel, horizon, booster, names)
        if memo is not None:
            memo[key] = fitted
        return fitted
