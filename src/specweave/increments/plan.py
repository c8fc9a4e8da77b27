"""``plan.md``: how the pipeline runs. Prose with reasons, and exactly one fenced YAML block.

Reads: ``plan.md``. Writes: the YAML block, when a person applies a proposed change. Never: holds a fact
that the spec holds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave.errors import SpecError, StorageError, UnknownNameError, did_you_mean
from specweave.files.atomic import write_text
from specweave.files.documents import Document, Fence
from specweave.files.store import digest, read_text
from specweave.files.yamlio import parse_yaml
from specweave.metrics.base import parse_metric_ref

# What may stand in the block, and the type each value must have. "*" leaves the inside to its reader.
KEYS: dict[str, type | tuple[type, ...]] = {
    "split": dict, "split.folds": int, "split.seed": int,
    "features": dict, "features.drop": (dict, list), "features.onehot_max_levels": int,
    "features.rare_share": float, "features.text_components": int, "features.select": dict,
    "features.steps": list,
    "baselines": list,
    "selection_metric": str,
    "candidates": list,
    "ensemble": (dict, bool),
    "tuning": dict, "tuning.trials": int, "tuning.time_budget": (str, int, float), "tuning.top": int,
    "threshold": dict, "threshold.maximise": str, "threshold.subject_to": str, "threshold.cost": dict, "threshold.confidence": float,
    "explain": dict, "explain.rows": int, "explain.examples": int, "explain.top": int,
    "deploy": dict,
    "ab_test": dict, "ab_test.minimum_effect": (str, int, float), "ab_test.daily_traffic": int,
    "ab_test.alpha": float, "ab_test.power": float,
}  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A parsed ``plan.md``: `config` is the YAML block as plain values."""

    path: Path
    config: Mapping[str, Any]
    fence: Fence
    where: str

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under a dotted key, or `default` where it is missing or null.

        Raises
        ------
        SpecError
            If the value has the wrong type; names file and line.
        """
        node: Any = self.config
        for part in key.split("."):
            if not isinstance(node, Mapping) or part not in node:
                return default
            node = node[part]
        if node is None:
            return default
        wanted = KEYS.get(key)
        if wanted is not None:
            self._check(key, node, wanted)
        return node

    def _check(self, key: str, value: Any, wanted: type | tuple[type, ...]) -> None:
        kinds = wanted if isinstance(wanted, tuple) else (wanted,)
        if float in kinds and isinstance(value, int) and not isinstance(value, bool):
            return
        if (isinstance(value, bool) and bool not in kinds) or not isinstance(value, kinds):
            names = {dict: "a mapping", list: "a list", int: "a whole number", float: "a number", str: "text",
                     bool: "true or false"}  # fmt: skip
            raise SpecError(
                f"'{key}' must be {' or '.join(names[k] for k in kinds)}, not {value!r}",
                where=self.at(key),
                hint="mend the YAML block of plan.md",
            )

    def seconds(self, key: str, default: float | None = None) -> float | None:
        """Return a duration such as ``5m``, ``90s``, ``1h`` or ``120`` in seconds."""
        value = self.get(key)
        return default if value is None else parse_duration(value, where=self.at(key))

    def at(self, key: str) -> str:
        """Return ``file:line`` of a dotted key."""
        lines = self.fence.body.splitlines()
        start = 0
        for part in key.split("."):
            for number in range(start, len(lines)):
                if re.match(rf"\s*(?:- )?['\"]?{re.escape(part)}['\"]?\s*:", lines[number]):
                    start = number
                    break
        return f"{self.where}:{self.fence.first_line + start}"

    def fingerprint(self, keys: tuple[str, ...]) -> str:
        """Return a hash of these parts of the block as they are now."""
        return digest({k: self.get(k) for k in keys})


def load_plan(path: Path, extra_keys: tuple[str, ...] = ()) -> Plan:
    """Read ``plan.md``.

    Raises
    ------
    StorageError
        If it is missing.
    SpecError
        If there is not exactly one YAML block, or it does not parse.
    """
    if not path.exists():
        raise StorageError(
            "the increment has no plan.md",
            where=path.parent,
            hint="restore it from git, or make a new increment: sw inc",
        )
    return parse_plan(read_text(path), path, extra_keys)


def parse_plan(text: str, path: Path, extra_keys: tuple[str, ...] = ()) -> Plan:
    """Parse the text of a ``plan.md``; `extra_keys` are top-level keys that a problem type adds."""
    where = f"{path.parent.name}/{path.name}"
    document = Document(text, where)
    document.check_no_conflict()
    fences = document.fences("yaml") + document.fences("yml")
    if len(fences) != 1:
        line = fences[1].open_line if len(fences) > 1 else max(1, len(document.lines))
        raise SpecError(
            f"the plan needs exactly one ```yaml block, this one has {len(fences)}",
            where=f"{where}:{line}",
            hint="put all settings of the pipeline into one ```yaml block",
        )
    config = parse_yaml(fences[0].body, where=where, first_line=fences[0].first_line) or {}
    if not isinstance(config, dict):
        raise SpecError(
            "the plan's YAML block is not a mapping", where=f"{where}:{fences[0].first_line}",
            hint="write lines of 'key: value', for example 'tuning: {trials: 40}'",
        )  # fmt: skip
    plan = Plan(path, config, fences[0], where)
    known = sorted({k.partition(".")[0] for k in KEYS} | set(extra_keys))
    for key, value in config.items():
        if key not in known:
            raise SpecError(
                f"the plan has no setting '{key}'",
                where=plan.at(str(key)),
                hint=did_you_mean(str(key), known),
            )
        if isinstance(value, dict) and f"{key}." in "".join(f"{k}|" for k in KEYS):
            inner = [k.partition(".")[2] for k in KEYS if k.startswith(f"{key}.")]
            for name in value:
                if (
                    inner
                    and name not in inner
                    and key in ("split", "features", "tuning", "threshold", "explain", "ab_test")
                ):
                    raise SpecError(
                        f"'{key}' has no setting '{name}'", where=plan.at(f"{key}.{name}"),
                        hint=did_you_mean(str(name), inner),
                    )  # fmt: skip
    for key in KEYS:
        plan.get(key)
    _check_values(plan)
    return plan


def _check_values(plan: Plan) -> None:
    """Refuse what no run could use, before one begins."""
    plan.seconds("tuning.time_budget")
    for key, least in (("split.folds", 2), ("tuning.trials", 0), ("tuning.top", 0), ("explain.rows", 1)):
        value = plan.get(key)
        if value is not None and value < least:
            raise SpecError(
                f"'{key}' must be at least {least}, not {value}",
                where=plan.at(key),
                hint="mend the YAML block of plan.md",
            )
    metric = plan.get("selection_metric")
    if metric is not None:
        try:
            parse_metric_ref(metric)
        except UnknownNameError as error:
            raise SpecError(
                f"selection_metric: {error.what}", where=plan.at("selection_metric"), hint=error.hint
            ) from error


def save_plan_config(path: Path, config: Mapping[str, Any], extra_keys: tuple[str, ...] = ()) -> None:
    """Replace the YAML block; every byte outside it stays."""
    from specweave.files.yamlio import render_yaml

    text = read_text(path)
    plan = parse_plan(text, path, extra_keys)
    write_text(path, Document(text, plan.where).with_fence_body(plan.fence, render_yaml(config)).text)


_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|sec|seconds?|m|min|minutes?|h|hours?|d|days?)?\s*$", re.I)


def parse_duration(value: object, where: str | None = None) -> float:
    """Return seconds for ``90s``, ``5m``, ``1h``, ``2d`` or a bare number of seconds.

    Raises
    ------
    SpecError
        If it is no duration.

    Examples
    --------
    >>> parse_duration("1.5m")
    90.0
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
        return float(value)
    match = _DURATION.match(str(value))
    if not match or float(match[1]) <= 0:
        raise SpecError(f"{value!r} is no duration", where=where, hint="write 90s, 5m or 1h")
    unit = (match[2] or "s").lower()[0]
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[unit]
