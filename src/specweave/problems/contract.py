"""What every problem type must keep; run by tests/contracts over each registered one.

Reads: the small data set that the test class gives it. Writes: nothing. Never: knows which type it has before it.
"""

from __future__ import annotations

import json
import pickle
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from specweave.files.store import plain
from specweave.increments.plan import parse_plan
from specweave.increments.spec import parse_spec
from specweave.problems.base import Dataset, ModelExperiment, Problem, Split, problem_for


class ProblemContract(ABC):
    """Subclass it as a test class, set the documents, and write the data in `write_data`.

    Attributes
    ----------
    spec_text, plan_text : str
        The documents; the data they name is written by `write_data` below a fresh folder.
    candidate : str
        The candidate that is fitted; one that is fast.
    """

    spec_text: ClassVar[str]
    plan_text: ClassVar[str] = "```yaml\nsplit: {folds: 3, seed: 7}\n```\n"
    candidate: ClassVar[str] = "linear"

    @staticmethod
    @abstractmethod
    def write_data(root: Path) -> None:
        """Write the files that the spec names."""

    @cached_property
    def made(self) -> Made:
        """Return everything the promises are checked on, made once per class."""
        cls = type(self)
        if "_made" not in cls.__dict__:
            cls._made = Made(cls)  # type: ignore[attr-defined]
        found: Made = cls._made  # type: ignore[attr-defined]
        return found

    def test_the_same_documents_give_the_same_data_and_split(self) -> None:
        """Loading and splitting hide no randomness."""
        made = self.made
        again = made.problem.load(made.spec, made.plan, made.root)
        pd.testing.assert_frame_equal(again.frame, made.dataset.frame)
        assert again.roles == made.dataset.roles
        split = problem_for(made.spec.problem_type).split(again, made.spec, made.plan)
        assert split.digest() == made.split.digest()
        for (fit, valid), (fit2, valid2) in zip(split.folds, made.split.folds, strict=True):
            assert np.array_equal(fit, fit2) and np.array_equal(valid, valid2)

    def test_holdout_training_rows_and_folds_are_apart(self) -> None:
        """No row is learned from and judged on."""
        split, n = self.made.split, self.made.dataset.n_rows
        split.check()
        assert len(split.holdout) and len(split.train) and split.folds
        assert set(split.holdout.tolist()) | set(split.train.tolist()) <= set(range(n))

    def test_the_data_is_indexed_by_position_and_typed(self) -> None:
        """Every column has a kind; rows count from 0."""
        dataset = self.made.dataset
        assert list(dataset.frame.index) == list(range(dataset.n_rows))
        assert set(dataset.kinds) == set(map(str, dataset.frame.columns))

    def test_baselines_and_candidates_have_names_of_their_own(self) -> None:
        """Each can be told from the others."""
        made = self.made
        baselines = made.problem.baselines(made.dataset, made.spec, made.plan, made.strategies)
        candidates = made.problem.candidates(made.dataset, made.spec, made.plan)
        names = [e.name for e in (*baselines, *candidates)]
        assert len(baselines) >= 2 and len(candidates) >= 2
        assert len(set(names)) == len(names)
        assert all("baseline" in e.name for e in baselines)

    def test_an_outcome_is_a_table_of_its_rows(self) -> None:
        """It names the rows it answers, in order, and survives storing."""
        outcome = self.made.outcome
        expected = self.made.problem.outcome_rows(self.made.dataset, self.made.split.holdout)
        assert outcome["row"].tolist() == list(expected)
        assert outcome.columns.is_unique and all(isinstance(c, str) for c in outcome.columns)
        assert not {"part", "fold"} & set(outcome.columns)

    def test_predicting_twice_gives_the_same(self) -> None:
        """Nothing is drawn at prediction time."""
        made = self.made
        again = made.problem.predict(made.model, made.dataset, made.split.holdout)
        pd.testing.assert_frame_equal(again, made.outcome)

    def test_a_second_fit_with_the_same_seed_gives_the_same(self) -> None:
        """A seed decides everything."""
        made = self.made
        again = made.fit(problem_for(made.spec.problem_type))
        pd.testing.assert_frame_equal(
            made.problem.predict(again, made.dataset, made.split.holdout), made.outcome
        )

    def test_a_model_comes_back_from_a_pickle(self) -> None:
        """What is kept answers like what was trained."""
        made = self.made
        again = pickle.loads(pickle.dumps(made.model))
        pd.testing.assert_frame_equal(
            made.problem.predict(again, made.dataset, made.split.holdout), made.outcome
        )

    def test_a_decision_is_plain_and_comes_from_validation_rows(self) -> None:
        """It fits into the model's metadata, and means the same after it came back from there."""
        made = self.made
        again = json.loads(json.dumps(plain(made.decision)))
        assert made.problem.answers(made.outcome, again) == made.problem.answers(made.outcome, made.decision)

    def test_every_usual_metric_can_be_measured(self) -> None:
        """The selection metric stands first and is a finite number."""
        made = self.made
        refs = made.problem.metrics(made.spec, made.plan)
        assert refs[0] == made.problem.selection_metric(made.spec, made.plan)
        assert len({r.key for r in refs}) == len(refs)
        values = [made.problem.measure(ref, made.outcome, made.decision) for ref in refs]
        assert all(isinstance(v, float) for v in values)
        assert np.isfinite(values[0])

    def test_metrics_do_not_depend_on_the_order_of_rows(self) -> None:
        """A shuffled outcome measures the same."""
        made = self.made
        shuffled = made.outcome.sample(frac=1, random_state=3).reset_index(drop=True)
        for ref in made.problem.metrics(made.spec, made.plan)[:4]:
            value = made.problem.measure(ref, made.outcome, made.decision)
            assert np.isclose(made.problem.measure(ref, shuffled, made.decision), value, equal_nan=True)

    def test_there_is_one_loss_per_row(self) -> None:
        """Paired tests need it; no loss is below zero."""
        made = self.made
        loss = made.problem.loss(made.outcome, made.decision)
        assert loss.shape == (len(made.outcome),)
        assert np.isfinite(loss).all() and (loss >= 0).all()
        units = made.problem.units(made.dataset, made.outcome)
        assert units is None or len(units) == len(made.outcome)

    def test_tables_findings_and_figures_are_told_of_any_outcome(self) -> None:
        """Rows have as many cells as their header; figures draw."""
        from matplotlib.figure import Figure as Canvas

        made = self.made
        for table in made.problem.breakdowns(made.outcome, made.decision):
            assert all(len(row) == len(table.columns) for row in table.rows), table.title
        for finding in made.problem.check(made.outcome, made.decision, made.dataset):
            assert finding.code.startswith("SW") and finding.message
        for figure in made.problem.figures(made.outcome, made.decision):
            assert figure.alt
            canvas = Canvas()
            figure.draw(canvas if figure.whole else canvas.subplots())

    def test_the_service_answers_as_was_measured(self) -> None:
        """Raw rows without the target give the answers that stand in the outcome table."""
        made = self.made
        rows = made.problem.requests(made.dataset, made.split.holdout)
        answers = made.problem.respond(made.model, rows, made.decision)
        stored = made.problem.answers(made.outcome, made.decision)
        assert stored is not None, "a type that cannot answer from outcomes cannot be checked against them"
        assert len(answers) == len(stored) == len(rows)
        assert all(same(a, b) for a, b in zip(answers, stored, strict=True))
        assert json.dumps(plain(answers))

    def test_contributions_add_up_to_something_said_of_each_row(self) -> None:
        """One signed number per name and row, with the value it had."""
        made = self.made
        rows = made.problem.requests(made.dataset, made.split.holdout[:4])
        background = made.problem.requests(made.dataset, made.split.train[:40])
        found = made.problem.contributions(made.model, rows, background, seed=1)
        assert found.values.shape == (len(rows), len(found.names))
        assert found.shown.shape == found.values.shape
        assert np.isfinite(found.values).all()
        assert found.method
        top = found.top(0, 3)
        sizes = [abs(item["contribution"]) for item in top]
        assert sizes == sorted(sizes, reverse=True)

    def test_examples_are_rows_of_the_outcome(self) -> None:
        """Each once, each with its reason."""
        made = self.made
        found = made.problem.examples(made.outcome, made.decision, 5)
        places = [e.position for e in found]
        assert 0 < len(found) <= 5 and len(set(places)) == len(places)
        assert all(0 <= p < len(made.outcome) for p in places)

    def test_an_online_test_has_something_to_compare(self) -> None:
        """A named metric with a measured level."""
        found = self.made.problem.ab_metric(self.made.outcome, self.made.decision)
        assert found["kind"] in ("proportion", "mean") and np.isfinite(found["baseline"])


class Made:
    """One problem with data, split, a fitted model and its outcome."""

    def __init__(self, contract: type[ProblemContract]) -> None:
        import tempfile

        # Kept until the process ends: loading again is one of the promises.
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name)
        contract.write_data(self.root)
        self.spec = parse_spec(contract.spec_text, self.root / "spec.md")
        self.problem: Problem = problem_for(self.spec.problem_type)
        self.plan = parse_plan(contract.plan_text, self.root / "plan.md", self.problem.plan_keys)
        self.dataset: Dataset = self.problem.load(self.spec, self.plan, self.root)
        self.split: Split = self.problem.split(self.dataset, self.spec, self.plan)
        choices = {c.key: c.value for c in self.problem.draft_plan(self.spec, None)}
        self.strategies = choices["baselines"]
        candidates = self.problem.candidates(self.dataset, self.spec, self.plan)
        self.experiment: ModelExperiment = next(e for e in candidates if e.name == contract.candidate)
        self.model: Any = self.fit(self.problem)
        self.outcome = self.problem.predict(self.model, self.dataset, self.split.holdout)
        learned, judged = self.split.folds[0]
        validation = self.problem.predict(self.fit(self.problem, learned), self.dataset, judged)
        self.decision = self.problem.decide(validation, self.dataset, self.spec, self.plan)

    def fit(self, problem: Problem, rows: np.ndarray | None = None) -> Any:
        """Fit the candidate on these rows, by default on all training rows."""
        rows = self.split.train if rows is None else rows
        features = problem.make_features(self.dataset, self.spec, self.plan, None)
        return problem.fit(self.experiment, self.dataset, rows, features, seed=7, threads=1)


def same(a: Any, b: Any) -> bool:
    """Return whether two answers agree, numbers to nine digits."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))
    return bool(a == b)
