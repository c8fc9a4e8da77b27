"""Whether more of a metric is better, told by its name.

Reads: the table of metrics. Writes: nothing. Never: guesses where the name says nothing.
"""

from __future__ import annotations

import re

from specweave.metrics.base import find_metric, known_metric

_AROUND = re.compile(
    r"^(?:cv|train|training|valid|validation|val|test|eval|holdout|fold|best|mean|learn)(?:_?\d+)?[_\-/]+"
)
_LOWER = re.compile(r"(loss|error|rmse|mae|mse|mape|perplexity|seconds|bytes|latency|_ms|duration)(?:_|$|@)")
_HIGHER = re.compile(r"(auc|accuracy|acc|f1|precision|recall|r2|score|ndcg|map|hit_rate)(?:_|$|@)")


def find_direction(name: str) -> bool | None:
    """Return True where higher is better, False where lower is, None where the name does not say.

    Examples
    --------
    >>> find_direction("cv_roc_auc"), find_direction("val_loss"), find_direction("columns")
    (True, False, None)
    """
    plain = name.casefold()
    if plain.endswith("_std"):
        return None
    while match := _AROUND.match(plain):
        plain = plain[match.end() :]
    stem = plain.partition("@")[0]
    for candidate in (plain, stem):
        if candidate and known_metric(candidate):
            return find_metric(candidate).higher_is_better
    if _LOWER.search(plain):
        return False
    return True if _HIGHER.search(plain) else None
