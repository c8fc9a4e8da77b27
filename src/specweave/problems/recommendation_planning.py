"""How a recommendation is planned: whether a table holds interactions, the drafted bullets, the plan's settings.

Reads: a request's table and profile. Writes: nothing. Never: fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import SpecweaveError
from specweave.problems.base import Choice, ModelExperiment
from specweave.problems.choosing import candidates_choice
from specweave.recommenders.columns import find_columns, fits
from specweave.recommenders.interactions import as_labels
from specweave.recommenders.protocols import parse_protocol
from specweave.tables.dates import to_instants
from specweave.tables.kinds import infer_kinds
from specweave.tables.reading import read_table
from specweave.tables.values import to_numbers

if TYPE_CHECKING:
    from specweave.increments.spec import Spec


_TABLES = (".csv", ".tsv", ".parquet", ".xlsx", ".gz")
_LARGEST = 50_000_000  # bytes of a table that is looked into
_COVERED = 0.8
_MANY_ITEMS = 100
_ENOUGH_FOR_PRECISION = 5  # interactions held out per user
_DENSE = ("slim", "neural-autoencoder")
_MOST_DENSE = 20_000


def match_interactions(frame: pd.DataFrame, roles: Mapping[str, Any], *, asks: bool) -> tuple[float, str]:
    """Return (how well a table fits, 0 to 1; why): two columns of keys that repeat against each other do.

    `asks` says whether the request's words ask for recommendations.
    """
    found = find_columns(frame)
    user, item = found["user"], found["item"]
    if user is None or item is None:
        return 0.0, "no two columns of keys meet in it"
    good, told = fits(frame, user, item)
    if not good:
        return 0.05, told
    asked = roles.get("asked_target")
    if asked is not None and asked not in (item, found["rating"]):
        return 0.05, f"'{asked}' is to be predicted, and {told}"
    if asks:
        return 0.98, f"the request asks for recommendations, and {told}"
    lean = len(frame.columns) <= 4
    known_target = roles.get("target") not in (None, *found.values())
    return (0.1 if known_target else 0.7 if lean else 0.3), told


def draft_bullets(problem_type: str, roles: Mapping[str, Any]) -> dict[str, Any]:
    """Return the drafted bullets of spec.md; how to validate and what to demand follow from the data."""
    problem = {
        "Problem type": problem_type,
        "Input": "User behavior history",
        "Output": "Top-N product recommendations",
        "Success metrics": "Precision@10 > 0.25, Recall@10 > 0.15",
    }
    model = {
        "Accuracy": "Better than random baseline by 3x",
        "Explainability": "Must explain top-3 recommendations",
    }
    data: dict[str, Any] = {"Target": None, "Identifier": None}
    frame = roles.get("frame")
    if frame is None:
        data |= {"Time column": "none", "Validation": "random 25% per user"}
        data = {"User column": "(fill in)", "Item column": "(fill in)", "Rating column": "none", **data}
        return {"problem": problem, "data": data, "model": model}
    found = find_columns(frame, {"time": roles.get("time")})
    user, item = found["user"], found["item"]
    if user is None or item is None:
        return {"problem": problem, "data": {"User column": "(fill in)", "Item column": "(fill in)", **data},
                "model": model}  # fmt: skip
    pairs = frame[[user, item]].dropna().drop_duplicates()
    per_user = len(pairs) / max(1, pairs[user].nunique())
    problem["Input"] = (
        f"User behavior history: {len(pairs):,} interactions of {pairs[user].nunique():,} users with "
        f"{pairs[item].nunique():,} items"
    )
    if pairs[item].nunique() < _MANY_ITEMS:
        # A list of 10 out of so few holds much of what is hidden, whoever makes it.
        model["Accuracy"] = "Better than best baseline by 5%"
    validation, held_out = _validation(frame, user, found["time"], per_user)
    if held_out < _ENOUGH_FOR_PRECISION:
        # Precision@10 cannot exceed a tenth of what is held out: 0.25 of 10 is more than half of that.
        problem["Success metrics"] = "Recall@10 > 0.15, Hit rate@10 > 0.2"
    data = {
        k: roles[k.casefold()] for k in ("User attributes", "Item attributes") if roles.get(k.casefold())
    } | data
    data = {"User column": user, "Item column": item, "Rating column": found["rating"] or "none",
            "Time column": found["time"] or "none", "Validation": validation, **data}  # fmt: skip
    return {"problem": problem, "data": data, "model": model}


def find_attribute_files(frame: pd.DataFrame, roles: Mapping[str, Any]) -> list[Choice]:
    """Return which tables in the folder of the data have one row per user or per item, under the column's name.

    Parameters
    ----------
    frame : DataFrame
        The interactions.
    roles : mapping
        ``data``: the file's path, and how spec.md writes it.
    """
    if not roles.get("data"):
        return []
    path, written = Path(roles["data"][0]), str(roles["data"][1])
    columns = find_columns(frame)
    found: dict[str, Choice] = {}
    # What comes from an address or another increment has no folder of the user's around it.
    near = path.is_file() and path.name == Path(written).name and "://" not in written
    for file in sorted(path.parent.iterdir()) if near else []:
        if file == path or file.suffix not in _TABLES or file.stat().st_size > _LARGEST:
            continue
        for side in ("user", "item"):
            key = columns[side]
            if side in found or key is None:
                continue
            share = _keyed(file, key, frame[key])
            if share >= _COVERED:
                name = (Path(written).parent / file.name).as_posix()
                found[side] = Choice(
                    f"{side} attributes", name,
                    f"`{name}` lies beside the data and has one row for {share:.0%} of the values of '{key}'",
                )  # fmt: skip
    return list(found.values())


def _keyed(file: Path, key: str, values: pd.Series[Any]) -> float:
    """Return the share of keys that a table has a row for; 0 where it has several, or no column of that name."""
    try:
        if _bare(key) not in {_bare(c) for c in read_table(file, nrows=2).frame.columns}:
            return 0.0
        table = read_table(file).frame
    except (SpecweaveError, OSError):
        return 0.0
    own = as_labels(table[next(c for c in table.columns if _bare(c) == _bare(key))])
    keys = set(as_labels(values).tolist()) - {""}
    if len(table.columns) < 2 or len(set(own.tolist())) < len(own) or not keys:
        return 0.0
    return len(keys & set(own.tolist())) / len(keys)


def _bare(name: Any) -> str:
    return "".join(c for c in str(name).casefold() if c.isalnum())


def draft_choices(
    spec: Spec, profile: Mapping[str, Any] | None, table: Callable[[int], Mapping[str, ModelExperiment]]
) -> list[Choice]:
    """Return lists, baselines, candidates and budgets for plan.md, each with its reason.

    `table` gives the candidates of the type by name, for a number of rows.
    """
    k = max([c.metric.k for c in spec.criteria if c.metric and c.metric.k] or [10])
    rows = int((profile or {}).get("rows") or 10_000)
    protocol = parse_protocol(spec.get("Validation"), where=spec.at("Validation"))
    known = (profile or {}).get("columns", {}).get(spec.get("Item column") or "", {})
    n_items = int(known.get("distinct") or 0)
    return [
        Choice("split.folds", 2, f"folds are made like the holdout ({protocol.words}); two tell candidates apart"),
        Choice("split.seed", 42, "fixed, so that a second run splits alike"),
        Choice("recommend.k", k, "items in an answer: the longest list that spec.md measures"),
        Choice("recommend.exclude_seen", True, "nobody is shown what they have had"),
        Choice("recommend.positive_from", None,
               "every interaction counts as a hit; write a rating to count only those from it on"),
        Choice("selection_metric", f"ndcg@{k}", "hits count more the higher they stand in the list"),
        Choice("baselines", ["random", "popularity", "rule-based"],
               "chance, what everybody takes, what the user's segment takes or what is taken lately"),
        candidates_choice(*_for_catalogue(table(rows), n_items)),
        Choice("tuning.trials", 20, "closed-form models take a second per trial"),
        Choice("tuning.time_budget", "45s" if rows <= 200_000 else "10m",
               "tuning stops at whichever comes first"),
        Choice("tuning.top", 1, "the best candidate"),
        Choice("explain.rows", 200, "users whose contributions are kept"),
        Choice("explain.examples", 5, "users whose recommendations are explained in words"),
        Choice("explain.top", 3, "recommendations explained per user, as spec.md demands"),
    ]  # fmt: skip


def _for_catalogue(table: Mapping[str, ModelExperiment], n_items: int) -> tuple[list[ModelExperiment], str]:
    """Return the candidates for so many items, and why some are missing."""
    out = [name for name in _DENSE if name in table] if n_items > _MOST_DENSE else []
    told = f"; without {', '.join(out)}, whose time grows too fast for {n_items:,} items" if out else ""
    return [e for name, e in table.items() if name not in out], told


def _validation(frame: pd.DataFrame, user: str, time: str | None, per_user: float) -> tuple[str, float]:
    """Return the Validation line to draft, and how many interactions it holds out per user."""
    if time is not None:
        kind = infer_kinds(frame[[time]], time=time)[time]
        stamps = (
            to_instants(frame[time], kind.format) if kind.kind == "datetime" else to_numbers(frame[time])[0]
        )
        order = np.argsort(stamps, kind="stable")
        keys = pd.factorize(as_labels(frame[user]))[0][order]
        cut = round(0.8 * len(keys))
        warm = np.isin(keys[cut:], keys[:cut]).mean() if cut < len(keys) else 0.0
        # Where hardly any of the latest users has a past, a split by time tests popularity and nothing else.
        if warm >= 0.5:
            tested = max(1, len(np.unique(keys[cut:])))
            return "last 20% by time", (len(keys) - cut) / tested
    return "random 25% per user", max(1.0, 0.25 * per_user)
