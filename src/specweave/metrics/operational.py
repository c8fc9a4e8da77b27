"""Metrics of a running model: how fast, how big. Measured by the evaluation and read from its record.

Reads: nothing. Writes: nothing. Never: measures; a stopwatch in the evaluation does.
"""

from __future__ import annotations

from specweave.metrics.base import MetricDef, find_metric, known_metric

METRICS = (
    MetricDef(
        "latency_p95_ms", "p95 latency", ("latency", "latency p95", "inference latency", "latency_p95", "inference"),
        higher_is_better=False, unit="ms", description="95th percentile of the time to answer one raw row.",
    ),
    MetricDef(
        "latency_p50_ms", "p50 latency", ("median latency", "latency p50", "latency_p50"),
        higher_is_better=False, unit="ms", description="Median time to answer one raw row.",
    ),
    MetricDef(
        "latency_p99_ms", "p99 latency", ("latency p99", "latency_p99"),
        higher_is_better=False, unit="ms", description="99th percentile of the time to answer one raw row.",
    ),
    MetricDef(
        "throughput", "Throughput", ("throughput req/sec", "requests per second"),
        unit="req/sec", description="Rows answered per second in batches, on one core.",
    ),
    MetricDef(
        "model_mb", "Model size", ("size", "model size mb", "size mb", "model_size"),
        higher_is_better=False, unit="MB", description="Bytes of the packaged model / 1e6.",
    ),
    MetricDef(
        "train_seconds", "Training time", ("train time", "training seconds", "fit time"),
        higher_is_better=False, unit="s", description="Wall-clock seconds of the final fit.",
    ),
)  # fmt: skip

# Names carry their unit last (``cv_seconds``, ``model_bytes``); these units say how fast and how big.
_UNITS = ("seconds", "s", "ms", "bytes", "mb")


def is_operational(name: str) -> bool:
    """Return whether a number says how fast or how big something was, so that it depends on the machine.

    Parameters
    ----------
    name : str
        As in ``metrics.json``, ``cv_`` and ``_std`` included.

    Examples
    --------
    >>> is_operational("train_seconds"), is_operational("model_bytes"), is_operational("cv_roc_auc_std")
    (True, True, False)
    """
    stem = name.removeprefix("cv_").removesuffix("_std")
    if known_metric(stem):
        return find_metric(stem).name in {metric.name for metric in METRICS}
    return stem.rpartition("_")[2] in _UNITS
