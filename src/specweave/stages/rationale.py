"""Contributions as sentences that a person can check: what, how much, which way.

Reads: nothing. Writes: nothing. Never: calls log-odds a probability.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_LONGEST = 40


def render_value(value: Any) -> str:
    """Return a cell as it reads in a sentence."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) >= 1e5 else f"{value:.6g}"
    text = str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def logistic(x: float) -> float:
    """Return the probability of log-odds."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def render_effect(
    contribution: float, unit: str, total: float | None = None, chance: Callable[[float], float] = logistic
) -> str:
    """Return a contribution with its unit, and with what it means where the unit is no everyday one.

    Parameters
    ----------
    contribution : float
    unit : str
        As in :class:`specweave.problems.base.Contributions`.
    total : float, optional
        The output with all contributions; with it, log-odds are translated into probabilities.
    chance : callable
        The probability that an answer gives at these log-odds.

    Examples
    --------
    >>> render_effect(0.21, "probability")
    '+0.21'
    >>> render_effect(0.9, "log-odds", 0.5)
    '+0.90 log-odds: 0.62 with it, 0.40 without'
    >>> render_effect(0.2, "log1p")
    '+22 %'
    """
    if unit in ("log1p", "log"):
        return f"{math.expm1(contribution):+.0%}".replace("%", " %")
    if unit == "log-odds":
        said = f"{contribution:+.2f} log-odds"
        if total is None:
            return said
        return f"{said}: {_share(chance(total))} with it, {_share(chance(total - contribution))} without"
    if unit == "probability":
        return f"{contribution:+.2f}"
    size = f"{contribution:+,.4g}" if abs(contribution) < 1e4 else f"{contribution:+,.0f}"
    return f"{size} {unit}".rstrip()


def render_aim(towards: str | None, target: str | None) -> str:
    """Return what contributions push up or down: a class's probability, or the prediction."""
    if towards and target:
        return f"the probability of {target} = {towards}"
    return f"the predicted {target}" if target else "the prediction"


def render_rationale(
    reasons: Sequence[Mapping[str, Any]],
    *,
    unit: str,
    aim: str,
    base: float,
    total: float,
    chance: Callable[[float], float] = logistic,
) -> str:
    """Return the strongest reasons of one answer as a paragraph of whole sentences.

    Parameters
    ----------
    reasons : sequence of mapping
        ``{"feature", "value", "contribution"}``, strongest first.
    unit : str
    aim : str
        From :func:`render_aim`.
    base, total : float
        The output before any contribution and with all of them.
    chance : callable
        As in :func:`render_effect`.
    """
    if not reasons:
        return f"Nothing moves {aim} away from its base value."
    rest = total - base - sum(float(r["contribution"]) for r in reasons)
    first, *others = reasons
    direction = "raises" if first["contribution"] > 0 else "lowers"
    effect = render_effect(float(first["contribution"]), unit, total, chance)
    lead = f"{_named(first)} {direction} {aim} most ({effect})."
    follow = []
    for reason in others:
        direction = "raises" if reason["contribution"] > 0 else "lowers"
        follow.append(
            f"{_named(reason)} {direction} it ({render_effect(float(reason['contribution']), unit)})"
        )
    sentence = f" {_joined(follow)}." if follow else ""
    remainder = f" Everything else together: {render_effect(rest, unit)}."
    return f"{lead}{sentence}{remainder}"


def _named(reason: Mapping[str, Any]) -> str:
    return f"{reason['feature']} = {render_value(reason['value'])}"


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _share(share: float) -> str:
    """Return a probability with as many digits as tell it from 0 and 1."""
    rare = min(share, 1 - share)
    if rare >= 0.01:
        return f"{share:.2f}"
    return f"{share:.4f}" if rare >= 0.0001 else ("under 0.0001" if share < 0.5 else "over 0.9999")
