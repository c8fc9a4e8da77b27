"""Recommendation: which items to show to whom, learned from who interacted with what.

Reads: a table of interactions, optional tables of user and item attributes. Writes: nothing. Never: recommends
what a user has had (unless asked), or lets a model see an interaction that it is tested on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from specweave.errors import SpecError
from specweave.metrics import ranking_measures
from specweave.metrics.base import MetricRef
from specweave.problems.base import (
    Choice,
    Contributions,
    Dataset,
    ModelExperiment,
    Problem,
    Split,
    Table,
)
from specweave.problems.choosing import (
    choose_baselines,
    choose_candidates,
    make_rule_experiment,
    selection_first,
)
from specweave.problems.interaction_columns import is_count
from specweave.problems.interaction_data import (
    InteractionData,
    check_events,
    data_of,
    list_settings,
    load_interactions,
    stamps_of,
)
from specweave.problems.recommendation_answers import (
    answer_users,
    share_of_lists_with_hits,
    stored_answers,
)
from specweave.problems.recommendation_candidates import baseline_table, candidate_table
from specweave.problems.recommendation_models import (
    fit_interactions,
    goes_by_late,
    predict_lists,
    recipe_of,
    split_words,
    standing_rows,
    user_table,
)
from specweave.problems.recommendation_pairs import RELEVANT, pair_kinds, pair_table
from specweave.problems.recommendation_planning import (
    draft_bullets,
    draft_choices,
    find_attribute_files,
    match_interactions,
)
from specweave.recommenders import pictures
from specweave.recommenders.explaining import past_contributions, reasons_of
from specweave.recommenders.fitting import RuleRecommender
from specweave.recommenders.interactions import as_labels
from specweave.recommenders.model import FittedRecommender
from specweave.recommenders.portrait import check_interactions
from specweave.recommenders.protocols import most_tested, split_interactions
from specweave.recommenders.verdict import check_lists, check_time_split, list_tables, told_lists
from specweave.records import Figure, Finding
from specweave.tables.features import from_definitions, make_features

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec
    from specweave.tables.kinds import ColumnKind


class Recommendation(Problem):
    """Top-N recommendation from interactions (collaborative filtering)."""

    name = "recommendation"
    types = (
        "Recommendation (collaborative filtering)",
        "Recommendation",
        "Recommender",
        "Collaborative filtering",
    )
    required = ("Training data",)
    words = (
        "recommend",
        "suggest",
        "personalis",
        "personaliz",
        "collaborative",
        "you may also",
        "top-n",
        "next best",
    )
    plan_keys = ("recommend",)
    spec_keys = ("User column", "Item column", "Rating column", "User attributes", "Item attributes")
    data_fields = ("User attributes", "Item attributes")
    baselines_compete = True
    covers: ClassVar[Mapping[str, str]] = {
        "T-001": "sparsity, long tail, cold users and items",
        "T-002": "pairs of user and item for the two-stage rankers",
        "T-007": "the past items behind each recommendation",
        "T-008": "a list for every user, in reports/recommendations.csv",
    }
    ahead = "recommendations"
    answered = "user"

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_request(cls, request: str) -> float:
        """One word is enough: nothing else is asked for in these words."""
        return 1.0 if any(word in request.casefold() for word in cls.words) else 0.0

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """Two columns of keys that repeat against each other are interactions."""
        return match_interactions(frame, roles, asks=bool(cls.match_request(request)))

    @classmethod
    def infer_roles(
        cls, request: str, frame: pd.DataFrame, kinds: Mapping[str, ColumnKind], roles: Mapping[str, Any]
    ) -> list[Choice]:
        """Say that no column is a target, and which tables beside the data hold attributes."""
        return [Choice("target", None, ""), *find_attribute_files(frame, roles)]

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets; how to validate and what to demand follow from the data."""
        return draft_bullets(cls.types[0], roles)

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose lists, baselines, candidates and budgets, each with its reason."""
        return draft_choices(spec, profile, self.candidate_table)

    def prediction_columns(self, outcome: pd.DataFrame) -> list[str]:
        """Lists of items hold no predicted numbers."""
        return []

    def read_of_criteria(self, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Lists are as long as the longest that a criterion measures."""
        return {"list length": list_settings(spec, plan)[0]}

    # -- data --------------------------------------------------------------------------------------

    def load(self, spec: Spec, plan: Plan, root: Path) -> InteractionData:
        """Read interactions and attributes; one row per pair of user and item stays."""
        return load_interactions(spec, plan, root)

    def split(self, dataset: Dataset, spec: Spec, plan: Plan) -> Split:
        """Hide interactions by the spec's protocol; folds hide some of the rest in the same way."""
        data = data_of(dataset)
        seed, folds = int(plan.get("split.seed", 42)), int(plan.get("split.folds", 2))
        try:
            train, holdout, pairs = split_interactions(
                data.protocol, data.coded.user, stamps_of(data), folds=folds, seed=seed,
                most_users=most_tested(data.coded.n_items),
            )  # fmt: skip
        except SpecError as error:
            raise SpecError(
                error.what, where=error.where or spec.at("Validation"), hint=error.hint
            ) from error
        words = split_words(data, holdout, len(pairs), seed)
        return Split(train, holdout, tuple(pairs), words)

    def units(self, dataset: Dataset, outcome: pd.DataFrame) -> np.ndarray | None:
        """Return the user of each row."""
        return np.asarray(data_of(dataset).coded.user[outcome["row"].to_numpy()])

    def outcome_rows(self, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        """Return one row per user: the first of the user's hits among them."""
        return standing_rows(data_of(dataset).coded, rows)[1]

    def segment_table(self, dataset: Dataset, outcome: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the user's attributes and the length of the history."""
        return user_table(data_of(dataset), outcome)

    def check_data(self, dataset: Dataset) -> list[Finding]:
        """Return doubts about the interactions: repeats, single users, cold items."""
        data = data_of(dataset)
        added = data.roles["rating"] if is_count(data.roles["rating"]) else None
        found = check_interactions(
            data.coded, data.settings["k"], dropped=data.dropped, missing=data.missing, added=added
        )
        return found + check_events(data)

    def worst_table(self, outcome: pd.DataFrame, dataset: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return users with what was to be found, what was found and the list, and no single interaction."""
        return told_lists(outcome), dataset.frame[[]]

    def data_figures(self, dataset: Dataset) -> list[Figure]:
        """Return sparsity, long tail and lengths of histories."""
        return pictures.data_figures(data_of(dataset).coded)

    # -- models ------------------------------------------------------------------------------------

    def baselines(
        self, dataset: Dataset, spec: Spec, plan: Plan, strategies: Sequence[Any]
    ) -> list[ModelExperiment]:
        """Return chance, popularity, and a rule: recent popularity, or what the user's segment takes.

        A callable ``rule(history) -> scores`` of shape (n_users, n_items) counts as a strategy, too.
        """
        return choose_baselines(
            strategies, baseline_table(data_of(dataset)), plan, partial(make_rule_experiment, RuleRecommender)
        )

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Return the candidates by name, cheapest first."""
        return candidate_table(n_rows)

    def allowance(self, algorithm: str, outcome: pd.DataFrame | None = None) -> float:
        """Allow a blend 1 %: two views of a history go wrong less often than either."""
        return 0.01 if algorithm == "Blend" else 0.0

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates: names of the table, or classes with ``fit`` and ``scores``."""
        return choose_candidates(self.candidate_table(dataset.n_rows), plan)

    def make_features(
        self, dataset: Dataset, spec: Spec, plan: Plan, definitions: Mapping[str, Any] | None
    ) -> Any:
        """Return the unfitted transformer of pairs of user and item, which the two-stage rankers use."""
        if definitions:
            return from_definitions(dict(definitions))
        data = data_of(dataset)
        drop = plan.get("features.drop", {})
        dropped = dict(drop) if isinstance(drop, Mapping) else dict.fromkeys(drop, "plan.md")
        return make_features(
            pair_kinds(data), task="classification", drop=dropped, seed=int(plan.get("split.seed", 42)),
            max_onehot=int(plan.get("features.onehot_max_levels", 20)),
            rare_share=float(plan.get("features.rare_share", 0.01)),
        )  # fmt: skip

    def feature_table(self, dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
        """Return candidate pairs of some training users, labelled by the first fold; unlabelled ones of all
        training interactions stand for what is served."""
        return pair_table(data_of(dataset), split)

    def encode(self, dataset: Dataset) -> np.ndarray:
        """Return 1 for pairs that became hits."""
        return dataset.frame[RELEVANT].to_numpy(dtype=np.int64)

    def fit(
        self,
        experiment: ModelExperiment,
        dataset: Dataset,
        rows: np.ndarray,
        features: Any,
        *,
        seed: int,
        threads: int,
    ) -> FittedRecommender:
        """Fit on these interactions only."""
        return fit_interactions(experiment, data_of(dataset), rows, features, seed=seed, threads=threads)

    def predict(self, model: FittedRecommender, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return one row per user with hits among `rows`: the list, its hits, and what was to be found."""
        return predict_lists(model, data_of(dataset), rows)

    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Return what belongs to the numbers: the length of lists and the protocol."""
        data = data_of(dataset)
        late = " of late" if goes_by_late(data) else ""
        taken = "that the user has not had" if data.settings["exclude_seen"] else "of the catalogue"
        return {
            "k": data.settings["k"],
            "exclude_seen": data.settings["exclude_seen"],
            "protocol": data.protocol.words,
            "candidates": f"all {data.coded.n_items:,} items {taken}",
            "gain": "1 per hit",
            "newcomers": f"the most popular items{late}",
            "rule": f"the {data.settings['k']} best-scored items {taken}; users without a history get "
            f"the most popular items{late}",
        }

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the ranking metrics at the lists' length, the selection metric first."""
        k = list_settings(spec, plan)[0]
        names = ("ndcg", "precision", "recall", "map", "mrr", "hit_rate", "coverage", "diversity", "novelty")
        return selection_first([MetricRef(name, k=k) for name in names], plan)

    def measure(self, ref: MetricRef, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> float:
        """Return one metric of lists; Precision and Recall mean those of lists here."""
        return ranking_measures.measure(outcome, ref, decision)

    def loss(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> np.ndarray:
        """Return 1 - NDCG of each user's list."""
        return np.asarray(1.0 - np.nan_to_num(ranking_measures.per_user(outcome, "ndcg"), nan=0.0))

    def breakdowns(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Table]:
        """Return quality by list length and by length of history, and what is recommended most."""
        return [Table(**table) for table in list_tables(outcome)]

    def check(self, outcome: pd.DataFrame, decision: Mapping[str, Any], dataset: Dataset) -> list[Finding]:
        """Say so where users are cold, few items are ever shown, or time makes the test harder."""
        data = data_of(dataset)
        found = check_lists(outcome, data.coded.n_items)
        if data.protocol.name == "time":
            found += check_time_split(outcome, data.coded)
        return found

    def figures(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[Figure]:
        """Return precision and recall by list length, quality by history, and what is recommended."""
        return pictures.outcome_figures(outcome, decision)

    # -- explaining and serving --------------------------------------------------------------------

    def contributions(
        self, model: FittedRecommender, rows: pd.DataFrame, background: pd.DataFrame, *, seed: int
    ) -> Contributions:
        """Explain each user's first recommendation by what each past item adds to its score."""
        users = model.find_users(as_labels(rows[model.labels["user"]]))
        found = past_contributions(model, users)
        return Contributions(
            names=found.names, values=found.values, base=found.base, shown=found.shown, method=model.method,
            unit="score", towards=found.towards, of="past item",
        )  # fmt: skip

    def reasons(
        self,
        model: FittedRecommender,
        rows: pd.DataFrame,
        background: pd.DataFrame,
        *,
        top: int,
        seed: int,
        found: Contributions | None = None,
    ) -> list[dict[str, Any]]:
        """Return one reason per recommendation, the first `top` of them, each with the past items behind it."""
        users = model.find_users(as_labels(rows[model.labels["user"]]))
        return [reasons_of(model, int(user), top) for user in users]

    def respond(
        self, model: FittedRecommender, rows: pd.DataFrame, decision: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """Answer with the best items for each user; a column ``k`` asks for another length."""
        return answer_users(model, rows, decision)

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the lists of stored outcomes."""
        return stored_answers(outcome, decision)

    def bring_up_to_date(
        self, model: FittedRecommender, dataset: Dataset, features: Any, *, seed: int, threads: int
    ) -> FittedRecommender:
        """Fit the recipe to every interaction: nothing that a user has had is new, and the newest items are known."""
        rows = np.arange(dataset.n_rows)
        return fit_interactions(
            recipe_of(model), data_of(dataset), rows, features, seed=seed, threads=threads
        )

    def continue_from(
        self, model: FittedRecommender, history: pd.DataFrame, horizon: int | None
    ) -> tuple[FittedRecommender, pd.DataFrame]:
        """Return (the model, every user it knows): each is to be shown something next.

        Raises
        ------
        DataError
            If a horizon is asked for.
        """
        if horizon is not None:
            super().continue_from(model, history, horizon)
        return model, pd.DataFrame({model.labels["user"]: model.users})

    def request_columns(self, dataset: Dataset) -> list[str]:
        """Return the user's column."""
        return [str(dataset.roles["user"])]

    def requests(self, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return each user of `rows` once."""
        return dataset.frame.iloc[self.outcome_rows(dataset, rows)][
            self.request_columns(dataset)
        ].reset_index(drop=True)

    def request_schema(self, schema: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """A request names a user; it may ask for a number of items."""
        data = data_of(dataset)
        user = str(data.roles["user"])
        entry = {**schema["columns"][user], "kind": "identifier", "dtype": "text", "required": True}
        length = {"kind": "numeric", "dtype": "integer", "required": False, "nullable": True, "min": 1}
        return {**schema, "target": None, "columns": {user: entry, "k": length}}

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the share of users with a hit in their list; its offline twin is Hit rate@K."""
        return share_of_lists_with_hits(outcome)
