"""All that is on record about an increment, read once and without trusting it: what the rules look at.

Reads: documents, records and kept predictions of one increment. Writes: nothing. Never: reads the training
data or a model.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from specweave.errors import CorruptFileError, SpecweaveError
from specweave.experiments.record import ExperimentRecord
from specweave.experiments.store import ExperimentStore
from specweave.files.store import load_record, read_text
from specweave.increments.plan import Plan, load_plan
from specweave.increments.project import Increment
from specweave.increments.spec import Spec, load_spec
from specweave.increments.waivers import Waiver, load_waivers
from specweave.metrics.base import MetricDef, MetricRef, find_metric
from specweave.pipeline.lock import Lock, load_lock
from specweave.problems.base import Choice, Problem, problem_for
from specweave.review.base import PLAN, SPEC, Change
from specweave.review.record_view import View
from specweave.review.trials import Trial, load_trials
from specweave.stages.records import EvaluationShape, remedy

if TYPE_CHECKING:
    import pandas as pd

# name -> (file, kind, newest schema, the task that writes it)
RECORDS: dict[str, tuple[str, str, int, str]] = {
    "profile": ("data/profile.json", "profile", 1, "T-001"),
    "data_lock": ("data/data.lock.yaml", "data-lock", 1, "T-001"),
    "definitions": ("features/feature_definitions.yaml", "feature-definitions", 1, "T-002"),
    "feature_importance": ("features/importance.json", "feature-importance", 1, "T-002"),
    "feature_validation": ("features/validation.json", "feature-validation", 1, "T-002"),
    "comparison": ("experiments/comparison.json", "comparison", 1, "T-004"),
    "evaluation": ("reports/evaluation.json", "evaluation", 1, "T-006"),
    "explanation": ("reports/explanation.json", "explanation", 1, "T-007"),
    "deployment": ("reports/deployment.json", "deployment", 1, "T-008"),
}
# What is no single file: name -> (what it is, the task that makes it).
OTHERS = {"experiments": ("experiments/*/metrics.json", "T-003"), "tuned": ("experiments/*tuned*", "T-005")}
PREDICTIONS, LEDGER = "predictions.parquet", "holdout-ledger.jsonl"
CHOOSABLE = ("candidate", "tuned")


class Evidence:
    """The records of an increment.

    Parameters
    ----------
    increment : Increment
    today : date
        By which data is old and waivers expire.
    """

    def __init__(self, increment: Increment, today: dt.date) -> None:
        self.increment = increment
        self.folder = increment.folder
        self.today = today
        self._views: dict[str, View | None] = {}
        self._outcomes: dict[tuple[str, str], Any] = {}

    # -- documents -----------------------------------------------------------------------------------

    @cached_property
    def spec(self) -> Spec:
        """``spec.md``."""
        return load_spec(self.increment.spec_path)

    @cached_property
    def problem(self) -> Problem:
        """The problem type that the spec names."""
        return problem_for(self.spec.problem_type, where=self.spec.at("Problem type"))

    @cached_property
    def plan(self) -> Plan:
        """``plan.md``."""
        return load_plan(self.increment.plan_path, self.problem.plan_keys)

    @cached_property
    def lock(self) -> Lock:
        """``pipeline.lock.json``; empty where nothing ran."""
        try:
            return load_lock(self.increment.lock_path)
        except (TypeError, AttributeError, ValueError) as error:
            raise _corrupt(self.increment.lock_path, error) from error

    @cached_property
    def waivers(self) -> dict[str, Waiver]:
        """Waivers by name."""
        return load_waivers(self.folder)

    @cached_property
    def drafted(self) -> dict[str, Any]:
        """What the problem type would plan for this spec and profile; empty where it cannot say."""
        try:
            choices: list[Choice] = self.problem.draft_plan(self.spec, self._profile_for_draft())
        except (SpecweaveError, KeyError, TypeError, ValueError, AttributeError):
            # A profile that lacks what the draft needs gives no second opinion; the rules say what they see.
            return {}
        return {c.key: c.value for c in choices}

    def _profile_for_draft(self) -> dict[str, Any] | None:
        profile = self.find("profile")
        return None if profile is None else {**profile.value, "drop": {}}

    # -- records -------------------------------------------------------------------------------------

    def find(self, name: str) -> View | None:
        """Return a record of `RECORDS`, or None where it is not there yet.

        Raises
        ------
        CorruptFileError, NewerSchemaError
            If it cannot be read.
        """
        if name not in self._views:
            file, kind, schema, task = RECORDS[name]
            path = self.folder / file
            shape = EvaluationShape if name == "evaluation" else None
            self._views[name] = (
                View(load_record(path, kind, schema, shape=shape, remedy=remedy(task)), file)
                if path.exists()
                else None
            )
        return self._views[name]

    def get(self, name: str) -> View:
        """Return a record that the rule asked for under `needs`; an empty one where it is missing."""
        return self.find(name) or View(None, RECORDS[name][0])

    def lacks(self, needs: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of `needs` that are not there."""
        there = {"experiments": bool(self.models), "tuned": bool(self.tuned)}
        return tuple(n for n in needs if not (there[n] if n in there else self.find(n) is not None))

    def recorded(self, name: str, *codes: str) -> list[View]:
        """Return the findings of these codes that a stage wrote into a record."""
        record = self.find(name)
        found = [] if record is None else record.rows("findings")
        return [f for f in found if f.text("code") in codes]

    @cached_property
    def ledger(self) -> list[View]:
        """The readings of the holdout, oldest first."""
        path = self.folder / LEDGER
        if not path.exists():
            return []
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        try:
            return [View(json.loads(line), LEDGER) for line in lines]
        except json.JSONDecodeError as error:
            raise _corrupt(path, error) from error

    # -- experiments ---------------------------------------------------------------------------------

    @cached_property
    def experiments(self) -> list[ExperimentRecord]:
        """Every experiment, in order of number."""
        return ExperimentStore(self.increment.experiments, watchers=()).list()

    @cached_property
    def models(self) -> list[ExperimentRecord]:
        """The completed experiments of today's data, split and features that the stages trained."""
        trained = [r for r in self.experiments if r.status == "completed" and r.tags.get("role") in
                   ("baseline", *CHOOSABLE)]  # fmt: skip
        evaluation = self.find("evaluation")
        newest = trained[-1].tags.get("generation") if trained else None
        generation = newest or (evaluation.text("generation") if evaluation else "")
        return [r for r in trained if r.tags.get("generation", generation) == generation]

    def of_role(self, *roles: str) -> list[ExperimentRecord]:
        """Return today's models of these roles, best on validation folds first."""
        found = [r for r in self.models if r.tags.get("role") in roles and self.score(r) is not None]
        return sorted(found, key=lambda r: (-self.sign * (self.score(r) or 0.0), r.number))

    @cached_property
    def tuned(self) -> list[ExperimentRecord]:
        """Tuned experiments, unfinished ones too, the latest of each name."""
        latest = {r.name: r for r in self.experiments if r.tags.get("role") == "tuned"}
        return list(latest.values())

    @cached_property
    def best(self) -> ExperimentRecord | None:
        """The evaluated experiment, else the chosen one, else the best on validation folds."""
        for name in ("evaluation", "comparison"):
            record = self.find(name)
            keys = ("experiment",) if name == "evaluation" else ("comparison", "best")
            named = record.text(*keys) if record else ""
            found = next((r for r in self.models if r.id == named), None)
            if found:
                return found
        ranked = self.of_role(*CHOOSABLE)
        return ranked[0] if ranked else None

    def score(self, record: ExperimentRecord) -> float | None:
        """Return the selection metric of an experiment over validation folds."""
        return _finite(record.metrics.get(f"cv_{self.selection.key}"))

    def spread(self, record: ExperimentRecord) -> float | None:
        """Return the standard deviation of the selection metric over validation folds."""
        return _finite(record.metrics.get(f"cv_{self.selection.key}_std"))

    def trials(self, record: ExperimentRecord) -> list[Trial]:
        """Return the trials of a tuned experiment, in order; empty where no journal was kept."""
        return load_trials(record.folder)

    def outcome(self, record: ExperimentRecord, part: str) -> pd.DataFrame | None:
        """Return an experiment's ``oof`` or ``holdout`` predictions, or None.

        Raises
        ------
        CorruptFileError
            If the file cannot be read.
        """
        key = (record.id, part)
        if key not in self._outcomes:
            path = record.folder / PREDICTIONS
            self._outcomes[key] = _read_part(path, part) if path.exists() else None
        found: pd.DataFrame | None = self._outcomes[key]
        return found

    # -- the selection metric ------------------------------------------------------------------------

    @cached_property
    def selection(self) -> MetricRef:
        """The metric by which models are chosen."""
        return self.problem.selection_metric(self.spec, self.plan)

    @property
    def metric(self) -> MetricDef:
        """What the selection metric is."""
        return find_metric(self.selection.name)

    @property
    def sign(self) -> float:
        """1 where more is better, else -1."""
        return 1.0 if self.metric.higher_is_better else -1.0

    @cached_property
    def noise(self) -> float | None:
        """One standard error of the best model's score: its spread over folds / sqrt(folds)."""
        spread = self.spread(self.best) if self.best else None
        return spread / math.sqrt(max(1, self.folds or 5)) if spread else None

    @cached_property
    def folds(self) -> int | None:
        """Folds that were run, else those planned."""
        for name, keys in (("evaluation", ("overfitting", "n_folds")), ("profile", ("split", "folds"))):
            record = self.find(name)
            count = record.number(*keys) if record else None
            if count:
                return int(count)
        planned = self.plan.get("split.folds")
        return int(planned) if planned else None

    def room(self, value: float) -> float:
        """Return what a gap is to be measured by: the distance to chance, or the size of an error."""
        return abs(value - self.metric.floor) or 1.0

    # -- columns -------------------------------------------------------------------------------------

    @cached_property
    def used(self) -> set[str]:
        """The columns that feed features, as recorded; planned where T-002 did not run."""
        profile, definitions = self.get("profile"), self.find("definitions")
        if definitions is not None:
            return {c for c, entry in definitions.pairs("columns") if entry.text("action") != "drop"}
        drop = self.plan.get("features.drop", {})
        left = {str(c) for c in drop} | {
            profile.text("roles", "target"),
            *profile.texts("roles", "identifiers"),
        }
        left |= {f.text("where") for f in self.recorded("profile", "SW207")}
        kinds = {c: entry.text("kind") for c, entry in profile.pairs("columns")}
        return {
            c
            for c, kind in kinds.items()
            if c not in left and kind not in ("identifier", "constant", "empty")
        }

    @cached_property
    def importance(self) -> dict[str, float]:
        """Share of each column in the model's answers; by SHAP, else by the gain on training rows."""
        explained = self.find("explanation")
        if explained is not None and explained.text("of") in ("column", ""):
            rows = explained.rows("importance")
            found = {r.text("feature"): share for r in rows if (share := r.number("share")) is not None}
            if found:
                return found
        rows = self.get("feature_importance").rows("columns")
        gains = {r.text("column"): gain for r in rows if (gain := r.number("gain")) is not None}
        total = sum(gains.values()) or 1.0
        return {column: gain / total for column, gain in gains.items()}

    # -- changes -------------------------------------------------------------------------------------

    def plan_change(self, path: tuple[str, ...], new: Any, *, how: str = "set", toward: str = "") -> Change:
        """Return a change of plan.md; `toward` ("up", "down") is where a value beyond `new` is as good."""
        old = find_value(self.plan.config, path)
        if how == "append":
            name = new.get("name") if isinstance(new, dict) else new
            listed = (
                [x.get("name") if isinstance(x, dict) else x for x in old] if isinstance(old, list) else []
            )
            return Change(path=path, old=listed or None, new=new, how=how, done=name in listed)
        beyond = (
            isinstance(old, int | float) and isinstance(new, int | float) and
            (old >= new if toward == "up" else old <= new if toward == "down" else False)
        )  # fmt: skip
        return Change(path=path, old=old, new=new, done=old == new or beyond)

    def drop_change(self, column: str, code: str, why: str) -> Change:
        """Return the change that leaves a column out of the features; a list of names takes the name alone."""
        dropped = self.plan.get("features.drop", {})
        if isinstance(dropped, list):
            return Change(
                path=("features", "drop"), old=dropped, new=column, how="append", done=column in dropped
            )
        path = ("features", "drop", column)
        return Change(path=path, old=dropped.get(column), new=f"{code}: {why}", done=column in dropped)

    def spec_change(self, key: str, new: str) -> Change:
        """Return a change of a bullet of spec.md."""
        old = self.spec.get(key)
        return Change(file=SPEC, path=(key,), old=old, new=new, done=old == new)

    @property
    def number(self) -> str:
        """The increment's number, for commands."""
        return self.increment.number


def find_value(config: Any, path: tuple[str, ...]) -> Any:
    """Return the value at a path of a plan's settings, or None; an item of a list by its ``name``."""
    node = config
    for part in path:
        if isinstance(node, list):
            node = next((x for x in node if isinstance(x, dict) and x.get("name") == part), None)
        else:
            node = node.get(part) if isinstance(node, dict) else None
    return node


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _corrupt(path: Path, error: Exception) -> CorruptFileError:
    return CorruptFileError(
        f"cannot be read: {error}", where=path,
        hint="restore the file from git, or delete it and run the task that writes it again",
    )  # fmt: skip


def _read_part(path: Path, part: str) -> pd.DataFrame | None:
    import pandas as pd

    try:
        outcome = pd.read_parquet(path)
        chosen = outcome[outcome["part"] == part].dropna(axis=1, how="all").reset_index(drop=True)
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's errors are ValueError or OSError
        raise _corrupt(path, error) from error
    return None if chosen.empty else chosen


__all__ = ["OTHERS", "PLAN", "RECORDS", "Evidence", "find_value"]
