"""One small network for all series: N-BEATS on scaled windows, with the last season beside them.

Reads: panels. Writes: nothing. Never: is imported for anything but work; learning needs the ``torch`` extra,
answering does not.

The network sees the latest values as distances from the last one in units of the window's mean step, and the
values one season before each step ahead. It answers all steps of the horizon at once.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from specweave.errors import MissingExtraError
from specweave.forecasters.base import Fitted, Forecaster, Memo
from specweave.forecasters.panel import Panel, Series
from specweave.forecasters.simple import seasonal_naive

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Weights = list[list[npt.NDArray[np.float32]]]

_FEWEST_WINDOWS = 40
_MOST_WINDOWS = 120_000
_EXTREME = 30.0  # mean steps; one level shift must not decide the weights


def has_torch() -> bool:
    """Return whether PyTorch is installed, without importing it."""
    return importlib.util.find_spec("torch") is not None


@dataclass(frozen=True)
class Reach:
    """How far the network looks back and ahead.

    Attributes
    ----------
    window, horizon : int
        Values before the origin, steps after it.
    season : int
        1 where there is none.
    """

    window: int
    horizon: int
    season: int

    def rows(self, y: Floats, origins: Ints) -> tuple[Floats, Floats, Floats]:
        """Return (inputs, last values, mean steps) at origins of one series.

        Parameters
        ----------
        y : ndarray, shape (n_values,)
        origins : ndarray of int, shape (n_rows,)
            Places of the last value that is known.

        Returns
        -------
        inputs : ndarray, shape (n_rows, window [+ horizon + 1])
            A place before the first value holds zero: "as the last value".
        last, size : ndarray, shape (n_rows,)
        """
        place = origins[:, None] - np.arange(self.window - 1, -1, -1)[None, :]
        inside = place >= 0
        seen = y[np.maximum(place, 0)]
        last = y[origins]
        steps = np.abs(np.diff(seen, axis=1)) * (inside[:, 1:] & inside[:, :-1])
        size = steps.sum(axis=1) / np.maximum((inside[:, 1:] & inside[:, :-1]).sum(axis=1), 1)
        size = np.where(size > 0, size, np.where(last != 0, np.abs(last), 1.0))
        parts = [np.where(inside, (seen - last[:, None]) / size[:, None], 0.0)]
        if self.season > 1:
            ahead = np.arange(1, self.horizon + 1)
            # Past one season ahead, the latest season that is known stands for the one before the target.
            back = self.season * (1 + (ahead - 1) // self.season)
            place = origins[:, None] + (ahead - back)[None, :]
            there = place >= 0
            parts.append(
                np.where(there, (y[np.clip(place, 0, len(y) - 1)] - last[:, None]) / size[:, None], 0.0)
            )
            parts.append(there.mean(axis=1, keepdims=True))
        return np.clip(np.hstack(parts), -_EXTREME, _EXTREME), last, size


def windows(
    panel: Panel, reach: Reach, *, most: int = _MOST_WINDOWS, seed: int = 0
) -> tuple[Floats, Floats, Floats]:
    """Return (inputs, targets, weights) of every origin, or of a sample of them.

    Returns
    -------
    inputs : ndarray, shape (n_rows, n_inputs)
    targets : ndarray, shape (n_rows, horizon)
        Distances from the last value in mean steps; zero where the series has ended.
    weights : ndarray, shape (n_rows, horizon)
        Zero where the series has ended, else 1.
    """
    total = sum(max(0, len(s) - 4) for s in panel.series.values())
    share, rng = min(1.0, most / max(total, 1)), np.random.default_rng(seed)
    parts: list[tuple[Floats, Floats, Floats]] = []
    for one in panel.series.values():
        y = one.values
        origins = np.arange(min(3, len(y) - 1), len(y) - 1)
        origins = origins[rng.random(len(origins)) < share] if share < 1 else origins
        if not len(origins):
            continue
        X, last, size = reach.rows(y, origins)
        place = origins[:, None] + np.arange(1, reach.horizon + 1)[None, :]
        there = place < len(y)
        target = (y[np.minimum(place, len(y) - 1)] - last[:, None]) / size[:, None]
        parts.append((X, np.where(there, np.clip(target, -_EXTREME, _EXTREME), 0.0), there.astype(float)))
    if not parts:
        return np.empty((0, 0)), np.empty((0, reach.horizon)), np.empty((0, reach.horizon))
    X, Y, W = (np.concatenate([p[i] for p in parts]) for i in range(3))
    return X, Y, W


@dataclass
class NeuralFitted(Fitted):
    """The weights with the history that forecasts start from."""

    recipe: NeuralForecaster
    panel: Panel
    horizon: int
    reach: Reach
    weights: Weights

    def predict(self, ids: Any, steps: Any, known: Floats | None = None) -> Floats:
        """Answer each series' path once; past the horizon the path goes on from its own forecast."""
        names, codes = np.unique(np.asarray(ids, dtype=object).astype(str), return_inverse=True)
        steps = np.asarray(steps, dtype=np.int64)
        answer = np.full(len(steps), np.nan)
        for code, name in enumerate(names):
            one = self.panel.series.get(str(name))
            rows = np.flatnonzero(codes == code)
            if one is None:
                continue
            ahead = steps[rows] - one.end
            later = ahead >= 1
            if later.any():
                answer[rows[later]] = self.path(one, int(ahead.max()))[ahead[later] - 1]
        return answer

    def path(self, one: Series, length: int) -> Floats:
        """Return the next `length` values of a series."""
        y = one.values
        if not self.weights or len(y) < 4:
            return seasonal_naive(y, self.panel.season_of(one), length)
        while len(y) - len(one.values) < length:
            X, last, size = self.reach.rows(y, np.array([len(y) - 1]))
            y = np.r_[y, last[0] + size[0] * answer_rows(self.weights, X)[0]]
        return y[len(one.values) :][:length]

    def update(self, panel: Panel) -> NeuralFitted:
        """Go on from a longer history with the weights as they are."""
        return replace(self, panel=panel)

    def fitted_errors(self, one: Series) -> Floats | None:
        """Return the errors of one-step forecasts at every origin (on windows the network has seen)."""
        origins = np.arange(3, len(one) - 1)
        if not self.weights or len(origins) < 4:
            return None
        X, last, size = self.reach.rows(one.values, origins)
        return np.asarray(one.values[origins + 1] - last - size * answer_rows(self.weights, X)[:, 0])


class NeuralForecaster(Forecaster):
    """N-BEATS with generic blocks (Oreshkin et al. 2020), the median of several networks.

    Parameters
    ----------
    hidden : int
        Units of each of a block's two layers.
    blocks : int
    members : int
        Networks that start from other weights.
    updates : int
        Steps of AdamW.
    learning_rate, weight_decay : float
    batch : int
        Windows of one step of each network.
    back : float
        Length of the window in horizons, at least one season and at most what the median series has.
    """

    label = "neural network (N-BEATS)"
    note = "one N-BEATS network for all series; dear, so it comes last, and only with many values"
    search: ClassVar[Mapping[str, Any]] = {
        "back": {"low": 1.0, "high": 6.0, "log": True},
        "updates": {"low": 300, "high": 2000, "log": True},
        "hidden": [64, 128, 256],
    }

    def __init__(
        self,
        hidden: int = 128,
        blocks: int = 3,
        members: int = 4,
        updates: int = 1000,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-2,
        batch: int = 128,
        back: float = 3.0,
    ) -> None:
        self.hidden = hidden
        self.blocks = blocks
        self.members = members
        self.updates = updates
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch = batch
        self.back = back

    def fit(
        self, panel: Panel, horizon: int, *, seed: int = 0, threads: int = 1, memo: Memo | None = None
    ) -> NeuralFitted:
        """Learn from the windows of all series.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        """
        key = (self.key(), panel.digest(), horizon, seed)
        if memo is not None and key in memo:
            kept: NeuralFitted = memo[key]
            return kept
        lengths = [len(s) for s in panel.series.values()]
        typical = int(np.median(lengths)) if lengths else 4
        season = panel.season if typical >= 2 * panel.season else 1
        wished = max(int(self.back * horizon), season + 1 if season <= 2 * horizon else 0, 8)
        reach = Reach(max(4, min(wished, typical - 1)), horizon, season)
        X, Y, W = windows(panel, reach, seed=seed)
        weights = self._learn(X, Y, W, seed=seed, threads=threads) if len(X) >= _FEWEST_WINDOWS else []
        fitted = NeuralFitted(self, panel, horizon, reach, weights)
        if memo is not None:
            memo[key] = fitted
        return fitted

    def _learn(self, X: Floats, Y: Floats, W: Floats, *, seed: int, threads: int) -> Weights:
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError.for_package("torch", "torch", "the neural forecaster") from error
        before = torch.get_num_threads()
        torch.set_num_threads(max(1, threads))
        try:
            generator = torch.Generator().manual_seed(seed)
            blocks = [self._start(X.shape[1], Y.shape[1], generator) for _ in range(self.blocks)]
            optimiser = torch.optim.AdamW(
                [w for b in blocks for w in b], lr=self.learning_rate, weight_decay=self.weight_decay
            )
            slower = torch.optim.lr_scheduler.OneCycleLR(optimiser, self.learning_rate, self.updates)
            inputs, targets, counted = (torch.from_numpy(a.astype(np.float32)) for a in (X, Y, W))
            for _ in range(self.updates):
                picked = torch.randint(len(X), (self.members, self.batch), generator=generator)
                left, told = inputs[picked], torch.zeros(())
                for entry, middle, back, ahead in blocks:
                    inside = torch.relu(torch.baddbmm(entry[:, :1], left, entry[:, 1:]))
                    inside = torch.relu(torch.baddbmm(middle[:, :1], inside, middle[:, 1:]))
                    left = left - torch.baddbmm(back[:, :1], inside, back[:, 1:])
                    told = told + torch.baddbmm(ahead[:, :1], inside, ahead[:, 1:])
                missed = (told - targets[picked]).abs() * counted[picked]
                loss = missed.sum() / counted[picked].sum()
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                torch.nn.utils.clip_grad_norm_([w for b in blocks for w in b], 1.0)
                optimiser.step()
                slower.step()
            return [[w.detach().numpy() for w in b] for b in blocks]
        finally:
            torch.set_num_threads(before)

    def _start(self, n_inputs: int, horizon: int, generator: Any) -> list[Any]:
        """Return a block's weights, each of shape (members, 1 + n_in, n_out), the bias first."""
        import torch

        made = []
        for n_in, n_out in ((n_inputs, self.hidden), (self.hidden, self.hidden), (self.hidden, n_inputs),
                            (self.hidden, horizon)):  # fmt: skip
            bound = 1.0 / np.sqrt(n_in)
            weight = (torch.rand(self.members, 1 + n_in, n_out, generator=generator) * 2 - 1) * bound
            made.append(weight.requires_grad_())
        return made


def answer_rows(weights: Weights, X: Floats) -> Floats:
    """Return the median of the networks' answers, shape (n_rows, horizon)."""
    members = weights[0][0].shape[0]
    left = np.repeat(X[None].astype(np.float32), members, axis=0)
    told: Any = 0.0
    for entry, middle, back, ahead in weights:
        inside = np.maximum(left @ entry[:, 1:] + entry[:, :1], 0)
        inside = np.maximum(inside @ middle[:, 1:] + middle[:, :1], 0)
        left = left - (inside @ back[:, 1:] + back[:, :1])
        told = told + inside @ ahead[:, 1:] + ahead[:, :1]
    return np.asarray(np.median(told, axis=0), dtype=np.float64)
