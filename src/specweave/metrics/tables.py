"""Metrics of a table that an increment publishes: how many rows, how much is missing or repeated.

Reads: nothing. Writes: nothing. Never: measures; ``publish_table`` does and logs them.
"""

from __future__ import annotations

from specweave.metrics.base import MetricDef

METRICS = (
    MetricDef("rows", "Rows", ("row count", "number of rows"), description="Rows of the published table."),
    MetricDef(
        "missing_share", "Missing share", ("missing", "missing values share", "share missing"),
        higher_is_better=False, description="Empty cells / all cells of the published table.",
    ),
    MetricDef(
        "duplicate_share", "Duplicate share", ("duplicates", "duplicate rows", "share duplicates"),
        higher_is_better=False, description="Rows that repeat an earlier row / all rows of the published table.",
    ),
)  # fmt: skip
