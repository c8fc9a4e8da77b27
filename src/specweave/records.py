"""Small values that every layer speaks: a measured metric, a finding, a figure.

Reads: nothing. Writes: nothing. Never: imports numpy or touches a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number with everything needed to judge it.

    Attributes
    ----------
    name : str
        Canonical name, for example ``roc_auc``, ``precision@10``, ``recall@precision=0.6``.
    value : float
        The point estimate.
    higher_is_better : bool
    unit : str
        ``""`` for pure numbers, else ``ms``, ``s``, ``MB``, ``req/sec``, ``$``, ``%``.
    low, high : float or None
        Bounds of the confidence interval, None where none can be given.
    level : float
        Confidence level of the interval, 0.95 by default.
    n : int or None
        Number of independent units (rows, users, series, calls) behind the value.
    method : str
        How the interval was made, in words.
    """

    name: str
    value: float
    higher_is_better: bool = True
    unit: str = ""
    low: float | None = None
    high: float | None = None
    level: float = 0.95
    n: int | None = None
    method: str = ""


Severity = Literal["info", "warning", "error"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A doubt about data or method: a stable code, evidence and advice. Findings never raise."""

    code: str
    severity: Severity
    message: str
    where: str = ""
    evidence: dict[str, Any] = {}
    advice: str = ""


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A picture to be drawn later: `draw` gets one matplotlib Axes (or Figure when `whole`)."""

    name: str
    title: str
    alt: str
    draw: Callable[[Any], None]
    width: float = 6.4
    height: float = 4.0
    whole: bool = False
