"""Recommendation: which items to show to whom, learned from who interacted with what.

Reads: a table of interactions, optional tables of user and item attributes. Writes: nothing. Never: recommends
what a user has had (unless asked), or lets a model see an interaction that it is tested on.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from specweave.errors import SpecError, UnknownNameError, did_you_mean
from specweave.metrics import ranking_measures
from specweave.metrics.base import MetricRef, parse_metric_ref
from specweave.problems.base import (
    Choice,
    Contributions,
    Dataset,
    ModelExperiment,
    Problem,
    Split,
    Table,
)
from specweave.problems.interaction_data import (
    InteractionData,
    data_of,
    draft_validation,
    list_settings,
    load_interactions,
    stamps_of,
)
from specweave.recommenders import pictures
from specweave.recommenders.base import Context
from specweave.recommenders.columns import find_columns, fits
from specweave.recommenders.explaining import past_contributions, reasons_of
from specweave.recommenders.fitting import RuleRecommender, fit_recommender, import_named
from specweave.recommenders.interactions import Interactions, as_labels
from specweave.recommenders.model import FittedRecommender
from specweave.recommenders.outcome import list_length, make_outcome
from specweave.recommenders.pairs import pair_columns
from specweave.recommenders.portrait import check_interactions
from specweave.recommenders.protocols import Protocol, inner_split, parse_protocol, split_interactions
from specweave.recommenders.ranker import labelled_pairs
from specweave.recommenders.verdict import check_lists, check_time_split, list_tables
from specweave.records import Figure, Finding
from specweave.tables.features import from_definitions, make_features
from specweave.tables.kinds import ColumnKind

if TYPE_CHECKING:
    from specweave.increments.plan import Plan
    from specweave.increments.spec import Spec

_VIEW_USERS = 300
_MOST_ROWS_DEAR = 2_000_000  # beyond, models that go over every row many times are left to the plan
RELEVANT = "relevant"


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

    # -- planning ----------------------------------------------------------------------------------

    @classmethod
    def match_request(cls, request: str) -> float:
        """One word is enough: nothing else is asked for in these words."""
        return 1.0 if any(word in request.casefold() for word in cls.words) else 0.0

    @classmethod
    def match_data(cls, request: str, frame: pd.DataFrame, roles: Mapping[str, Any]) -> tuple[float, str]:
        """Two columns of keys that repeat against each other are interactions."""
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
        if cls.match_request(request):
            return 0.98, f"the request asks for recommendations, and {told}"
        lean = len(frame.columns) <= 4
        known_target = roles.get("target") not in (None, *found.values())
        return (0.1 if known_target else 0.7 if lean else 0.3), told

    @classmethod
    def draft_spec(
        cls, request: str, profile: Mapping[str, Any] | None, roles: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Draft the bullets; how to validate and what to demand follow from the data."""
        problem = {
            "Problem type": cls.types[0],
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
        validation, held_out = draft_validation(frame, user, found["time"], per_user)
        if held_out < 2.5:
            # Precision@10 cannot exceed a tenth of what is held out.
            problem["Success metrics"] = "Recall@10 > 0.15, Hit rate@10 > 0.2"
        data = {"User column": user, "Item column": item, "Rating column": found["rating"] or "none",
                "Time column": found["time"] or "none", "Validation": validation, **data}  # fmt: skip
        return {"problem": problem, "data": data, "model": model}

    def draft_plan(self, spec: Spec, profile: Mapping[str, Any] | None) -> list[Choice]:
        """Choose lists, baselines, candidates and budgets, each with its reason."""
        k = max([c.metric.k for c in spec.criteria if c.metric and c.metric.k] or [10])
        rows = int((profile or {}).get("rows") or 10_000)
        table = self.candidate_table(rows)
        protocol = parse_protocol(spec.get("Validation"), where=spec.at("Validation"))
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
            Choice("candidates", [{"name": e.name, **({"search": dict(e.search)} if e.search else {})}
                                  for e in table.values()],
                   "; ".join(f"{e.name}: {e.note}" for e in table.values())),
            Choice("tuning.trials", 20, "closed-form models take a second per trial"),
            Choice("tuning.time_budget", "45s" if rows <= 200_000 else "10m",
                   "tuning stops at whichever comes first"),
            Choice("tuning.top", 1, "the best candidate"),
            Choice("explain.rows", 200, "users whose contributions are kept"),
            Choice("explain.examples", 5, "users whose recommendations are explained in words"),
            Choice("explain.top", 3, "recommendations explained per user, as spec.md demands"),
        ]  # fmt: skip

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
                data.protocol, data.coded.user, stamps_of(data), folds=folds, seed=seed
            )
        except SpecError as error:
            raise SpecError(
                error.what, where=error.where or spec.at("Validation"), hint=error.hint
            ) from error
        tested = len(np.unique(data.coded.user[holdout]))
        words = (
            f"{data.protocol.words}: {len(holdout):,} of {len(data.coded.user):,} interactions, {tested:,} users; "
            f"{len(pairs)} validation folds made alike; every item is a candidate, "
            f"{'seen items are taken out' if data.settings['exclude_seen'] else 'seen items may come again'}, "
            f"gain 1 per hit, seed {seed}"
        )
        return Split(train, holdout, tuple(pairs), words)

    def units(self, dataset: Dataset, outcome: pd.DataFrame) -> np.ndarray | None:
        """Return the user of each row."""
        return np.asarray(data_of(dataset).coded.user[outcome["row"].to_numpy()])

    def outcome_rows(self, dataset: Dataset, rows: np.ndarray) -> np.ndarray:
        """Return one row per user: the first of the user's hits among them."""
        return _standing(data_of(dataset).coded, rows)[1]

    def segment_table(self, dataset: Dataset, outcome: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the user's attributes and the length of the history."""
        data = data_of(dataset)
        bands, names = pictures.history_bands(outcome["n_history"].to_numpy())
        table = pd.DataFrame({"history length": np.asarray(names, dtype=object)[bands]})
        kinds: dict[str, Any] = {"history length": "category"}
        if data.user_table is not None:
            own = data.user_table.take(data.coded.user[outcome["row"].to_numpy()]).reset_index(drop=True)
            table = pd.concat([table, own], axis=1)
            kinds |= {name: kind.kind for name, kind in data.attribute_kinds["user"].items()}
        return table, kinds

    def check_data(self, dataset: Dataset) -> list[Finding]:
        """Return doubts about the interactions: repeats, single users, cold items."""
        data = data_of(dataset)
        return check_interactions(data.coded, data.settings["k"], dropped=data.dropped, missing=data.missing)

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
        from specweave.recommenders.popularity import (
            Popularity,
            RandomItems,
            RecentPopularity,
            SegmentPopularity,
        )

        data = data_of(dataset)
        segment = ModelExperiment("baseline-rule", SegmentPopularity,
                                  note="popular among users of the same segment")  # fmt: skip
        recent = ModelExperiment("baseline-recent", RecentPopularity, note="popular lately")
        # What is taken lately tells nothing where the protocol hides old interactions as well as new ones.
        rule = recent if data.protocol.name == "time" and data.coded.time is not None else segment
        known = {
            "random": ModelExperiment("baseline-random", RandomItems, note="chance"),
            "popularity": ModelExperiment("baseline-popularity", Popularity, note="what everybody takes"),
            "rule-based": ModelExperiment("baseline-rule", rule.estimator_class, note=rule.note),
            "recent": recent,
            "segment": ModelExperiment("baseline-segment", SegmentPopularity, note=segment.note),
        }
        known["majority"] = known["popularity"]
        chosen: dict[str, ModelExperiment] = {}
        for strategy in strategies:
            made = _rule(strategy, plan) or known.get(str(strategy))
            if made is None:
                raise UnknownNameError(f"no baseline strategy is called '{strategy}'", where=plan.at("baselines"),
                                       hint=did_you_mean(str(strategy), known))  # fmt: skip
            chosen[made.name] = made
        return list(chosen.values())

    def candidate_table(self, n_rows: int) -> dict[str, ModelExperiment]:
        """Return the candidates by name, cheapest first."""
        from specweave.recommenders import blend, factors, linear, ranker

        found = [
            ModelExperiment("item-knn", linear.ItemKNN, search=_KNN_SEARCH,
                            note="nearest items by cosine: the classic"),
            ModelExperiment("ease", linear.EASE, search=_EASE_SEARCH,
                            note="one ridge regression per item, in closed form"),
            ModelExperiment("edlae", linear.EDLAE, search=_EDLAE_SEARCH,
                            note="EASE against dropout: popular items lean less on themselves"),
            ModelExperiment("blend", blend.Blend, search=_BLEND_SEARCH,
                            note="EDLAE and ALS err differently: their sum beats both on most data"),
            ModelExperiment("implicit-als", factors.ImplicitALS, search=_ALS_SEARCH,
                            note="weighted matrix factorisation"),
            ModelExperiment("two-stage-lightgbm", ranker.TwoStageRanker, {"booster": "lightgbm"}, _RANKER_SEARCH,
                            "candidates ranked anew by LightGBM with user, item and interaction features"),
            ModelExperiment("two-stage-xgboost", ranker.TwoStageRanker, {"booster": "xgboost"}, _RANKER_SEARCH,
                            "the same by XGBoost"),
            ModelExperiment("slim", linear.SLIM, note="sparse item-to-item weights"),
        ]  # fmt: skip
        if find_spec("implicit") and n_rows <= _MOST_ROWS_DEAR:
            found.append(
                ModelExperiment("implicit-bpr", factors.BPR, note="factors learned from pairwise order")
            )
        if find_spec("torch") and n_rows <= _MOST_ROWS_DEAR:
            from specweave.recommenders.neural import NeuralAutoencoder

            found.append(
                ModelExperiment(
                    "neural-autoencoder",
                    NeuralAutoencoder,
                    note="a denoising autoencoder of histories (PyTorch)",
                )
            )
        # With the defaults spelled out, tuning starts from them.
        return {e.name: e.with_params({**_defaults(e), **e.params}) for e in found}

    def allowance(self, algorithm: str, outcome: pd.DataFrame | None = None) -> float:
        """Allow a blend 1 %: two views of a history go wrong less often than either."""
        return 0.01 if algorithm == "Blend" else 0.0

    def candidates(self, dataset: Dataset, spec: Spec, plan: Plan) -> list[ModelExperiment]:
        """Return the plan's candidates: names of the table, or classes with ``fit`` and ``scores``."""
        table = self.candidate_table(dataset.n_rows)
        listed = plan.get("candidates")
        if listed is None:
            return list(table.values())
        chosen = []
        for given in listed:
            entry = given if isinstance(given, Mapping) else {"name": given}
            name = str(entry.get("name", entry.get("estimator", "")))
            if entry.get("estimator"):
                cls = import_named(str(entry["estimator"]), plan.at("candidates"))
                base = ModelExperiment(name or cls.__name__.lower(), cls)
            elif name in table:
                base = table[name]
            else:
                raise UnknownNameError(
                    f"no candidate is called '{name}'", where=plan.at("candidates"),
                    hint=did_you_mean(name, table) + "; or name a class of your own with 'estimator: package.module.Class'",
                )  # fmt: skip
            params = {**base.params, **(entry.get("params") or {})}
            search = entry.get("search", base.search) or {}
            chosen.append(
                ModelExperiment(
                    name or base.name, base.estimator_class, params, search, str(entry.get("note", base.note))
                )
            )
        return chosen

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
            _pair_kinds(data), task="classification", drop=dropped, seed=int(plan.get("split.seed", 42)),
            max_onehot=int(plan.get("features.onehot_max_levels", 20)),
            rare_share=float(plan.get("features.rare_share", 0.01)),
        )  # fmt: skip

    def feature_table(self, dataset: Dataset, split: Split) -> tuple[Dataset, Split]:
        """Return candidate pairs of some training users, labelled by the first fold; unlabelled ones of all
        training interactions stand for what is served."""
        data = data_of(dataset)
        fit_rows, valid_rows = split.folds[0]
        frames = []
        for learn, predict in ((fit_rows, valid_rows), (split.train, None)):
            frames.append(_pairs_of(data, learn, predict))
        train, later = frames
        frame = pd.concat([train, later], ignore_index=True)
        kinds = _pair_kinds(data)
        order = [*(c for c in kinds if c in frame.columns), RELEVANT]
        roles: dict[str, Any] = {"target": RELEVANT, "identifiers": [], "time": None}
        view = Dataset(frame[order], {**kinds, RELEVANT: ColumnKind(kind="boolean")}, roles, data.source)
        positions = np.arange(len(frame))
        words = "candidate pairs of training users; pairs as they are served"
        return view, Split(positions[: len(train)], positions[len(train) :], (), words)

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
        data = data_of(dataset)
        coded = data.coded
        learned = np.sort(rows[coded.positive[rows]])
        context = _context(data, learned, features, seed=seed, threads=threads)
        history = coded.matrix(learned)
        estimator = fit_recommender(experiment, history, context)
        return FittedRecommender(
            estimator=estimator, users=coded.users, items=coded.items, titles=data.titles, history=history,
            seen=coded.matrix(rows, positive_only=False),
            counts=np.bincount(history.indices, minlength=coded.n_items).astype(float), k=data.settings["k"],
            ratings=_rating_matrix(data, learned), labels={r: str(data.roles[r]) for r in ("user", "item")},
        )  # fmt: skip

    def predict(self, model: FittedRecommender, dataset: Dataset, rows: np.ndarray) -> pd.DataFrame:
        """Return one row per user with hits among `rows`: the list, its hits, and what was to be found."""
        data = data_of(dataset)
        users, standing = _standing(data.coded, rows)
        truth = data.coded.matrix(np.asarray(rows))[users]
        return make_outcome(
            model, users, truth, standing, data.settings["k"], exclude_seen=data.settings["exclude_seen"]
        )

    def decide(self, outcome: pd.DataFrame, dataset: Dataset, spec: Spec, plan: Plan) -> dict[str, Any]:
        """Return what belongs to the numbers: the length of lists and the protocol."""
        data = data_of(dataset)
        taken = "that the user has not had" if data.settings["exclude_seen"] else "of the catalogue"
        return {
            "k": data.settings["k"],
            "exclude_seen": data.settings["exclude_seen"],
            "protocol": data.protocol.words,
            "candidates": f"all {data.coded.n_items:,} items {taken}",
            "gain": "1 per hit",
            "rule": f"the {data.settings['k']} best-scored items {taken}; users without a history get what is popular",
        }

    # -- measuring ---------------------------------------------------------------------------------

    def metrics(self, spec: Spec, plan: Plan) -> list[MetricRef]:
        """Return the ranking metrics at the lists' length, the selection metric first."""
        k = list_settings(spec, plan)[0]
        names = ("ndcg", "precision", "recall", "map", "mrr", "hit_rate", "coverage", "diversity", "novelty")
        refs = [MetricRef(name, k=k) for name in names]
        chosen = plan.get("selection_metric")
        if chosen:
            first = parse_metric_ref(str(chosen))
            refs = [first, *(r for r in refs if r != first)]
        return refs

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
        labels = as_labels(rows[model.labels["user"]])
        users = model.find_users(labels)
        asked = _asked_lengths(rows, int(decision.get("k", model.k)))
        items, scores = model.recommend(
            users, int(asked.max(initial=1)), exclude_seen=bool(decision.get("exclude_seen", True))
        )
        cold = model.cold(users).tolist()
        lengths = np.minimum((items >= 0).sum(axis=1), asked).tolist()
        names = np.where(items >= 0, model.items[np.maximum(items, 0)], "").tolist()
        shown = model.titles[np.maximum(items, 0)].tolist() if model.has_titles else None
        values = scores.astype(float).tolist()
        return [
            _answer(label, names[i][:n], values[i][:n], None if shown is None else shown[i][:n], cold[i])
            for i, (label, n) in enumerate(zip(labels.tolist(), lengths, strict=True))
        ]

    def answers(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the lists of stored outcomes."""
        scores = (
            outcome[[c for c in outcome.columns if c.startswith("score:")]].to_numpy(dtype=float).tolist()
        )
        titles = outcome["titles"].map(json.loads).tolist() if "titles" in outcome else None
        made = []
        for i, (user, listed, cold) in enumerate(
            zip(outcome["user"], outcome["items"], outcome["cold"].tolist(), strict=True)
        ):
            items = json.loads(listed)
            made.append(
                _answer(user, items, scores[i][: len(items)], None if titles is None else titles[i], cold)
            )
        return made

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
        length = {"kind": "numeric", "dtype": "integer", "required": False, "nullable": True, "min": 1,
                  "max": data.coded.n_items}  # fmt: skip
        return {**schema, "target": None, "columns": {user: entry, "k": length}}

    def ab_metric(self, outcome: pd.DataFrame, decision: Mapping[str, Any]) -> dict[str, Any]:
        """Compare the share of users with a hit in their list; its offline twin is Hit rate@K."""
        k = list_length(outcome)
        values = ranking_measures.per_user(outcome, "hit_rate")
        rate = float(np.nanmean(values)) if len(values) else 0.0
        precision = ranking_measures.per_user(outcome, "precision")
        return {
            "metric": f"share of users who take something from their top {k} (Hit rate@{k})", "kind": "proportion",
            "baseline": rate, "unit": "user", "precision": float(np.nanmean(precision)),
        }  # fmt: skip


_KNN_SEARCH = {"neighbours": {"low": 20, "high": 400, "log": True}, "shrink": {"low": 0.1, "high": 100.0, "log": True},
               "rating_strength": {"low": 0.0, "high": 1.0}}  # fmt: skip
_EASE_SEARCH = {
    "l2": {"low": 10.0, "high": 3000.0, "log": True},
    "rating_strength": {"low": 0.0, "high": 1.2},
}
_EDLAE_SEARCH = {
    **_EASE_SEARCH, "dropout": {"low": 0.1, "high": 0.8}, "user_norm": {"low": 0.0, "high": 0.6},
    "item_norm": {"low": -0.1, "high": 0.4},
}  # fmt: skip
_ALS_SEARCH = {"factors": {"low": 8, "high": 64, "log": True}, "l2": {"low": 1.0, "high": 100.0, "log": True},
               "alpha": {"low": 0.5, "high": 20.0, "log": True}, "rating_strength": {"low": 0.0, "high": 1.2}}  # fmt: skip
_BLEND_SEARCH = {**_EDLAE_SEARCH, "share": {"low": 0.1, "high": 0.6}, "als_l2": {"low": 2.0, "high": 40.0, "log": True},
                 "alpha": {"low": 1.0, "high": 6.0, "log": True}}  # fmt: skip
_RANKER_SEARCH = {
    "num_leaves": {"low": 4, "high": 24, "log": True}, "n_estimators": {"low": 60, "high": 250},
    "learning_rate": {"low": 0.02, "high": 0.1, "log": True}, "candidates": {"low": 50, "high": 150},
}  # fmt: skip


# -- models ----------------------------------------------------------------------------------------


def _standing(coded: Interactions, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (users with hits among `rows`, the first row of each)."""
    hits = np.sort(np.asarray(rows)[coded.positive[rows]])
    users, first = np.unique(coded.user[hits], return_index=True)
    return users.astype(np.int64), hits[first]


def _context(data: InteractionData, rows: np.ndarray, features: Any, *, seed: int, threads: int) -> Context:
    coded = data.coded
    return Context(
        user=coded.user[rows].astype(np.int64), item=coded.item[rows].astype(np.int64),
        time=None if coded.time is None else coded.time[rows],
        rating=None if data.ratings is None else data.ratings[rows], user_table=data.user_table,
        item_table=data.item_table, features=features, hide=partial(_hide, data.protocol), seed=seed, threads=threads,
    )  # fmt: skip


def _hide(
    protocol: Protocol, user: np.ndarray, times: np.ndarray | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    return inner_split(protocol, user, times, seed=seed)


def _rating_matrix(data: InteractionData, rows: np.ndarray) -> Any:
    import scipy.sparse as sp

    if data.ratings is None:
        return None
    coded = data.coded
    shape = (coded.n_users, coded.n_items)
    return sp.csr_matrix(
        (data.ratings[rows].astype(np.float32), (coded.user[rows], coded.item[rows])), shape=shape
    )


def _rule(strategy: Any, plan: Plan) -> ModelExperiment | None:
    if callable(strategy):
        rule: Callable[..., Any] = strategy
        name = getattr(rule, "__name__", "rule")
    elif isinstance(strategy, Mapping) and "rule" in strategy:
        rule = import_named(str(strategy["rule"]), plan.at("baselines"))
        name = str(strategy.get("name", "rule"))
    else:
        return None
    return ModelExperiment(f"baseline-{name}".replace("_", "-"), RuleRecommender, {"rule": rule})


def _defaults(experiment: ModelExperiment) -> dict[str, Any]:
    known = inspect.signature(experiment.estimator_class).parameters
    return {name: known[name].default for name in experiment.search if name in known}


def _pair_kinds(data: InteractionData) -> dict[str, ColumnKind]:
    empty = np.array([], dtype=np.int64)
    context = Context(
        empty, empty, time=data.coded.time, user_table=data.user_table, item_table=data.item_table
    )
    kinds = {name: ColumnKind(kind="numeric") for name in pair_columns(context)}
    for side in ("user", "item"):
        kinds |= {f"{side} {name}": kind for name, kind in data.attribute_kinds[side].items()
                  if f"{side} {name}" not in kinds}  # fmt: skip
    return kinds


def _pairs_of(data: InteractionData, learn: np.ndarray, predict: np.ndarray | None) -> pd.DataFrame:
    """Return candidate pairs of some users: labelled by `predict`, or as served where that is None."""
    coded = data.coded
    chosen = np.unique(coded.user[learn if predict is None else predict])
    chosen = chosen[:: max(1, len(chosen) // _VIEW_USERS)][:_VIEW_USERS]
    learned = np.sort(learn[coded.positive[learn]])
    if predict is None:
        from specweave.recommenders.pairs import PairMaker

        history = coded.matrix(learned)
        maker = PairMaker(50).fit(history, _context(data, learned, None, seed=0, threads=1))
        first = maker.first_stage(history[chosen], chosen, history[chosen])
        return maker.frame(history[chosen], chosen, first).assign(**{RELEVANT: 0})
    wanted = predict[np.isin(coded.user[predict], chosen) & coded.positive[predict]]
    rows = np.r_[learned, wanted]
    context = _context(data, rows, None, seed=0, threads=1)
    context.hide = lambda user, times, seed: (np.arange(len(learned)), np.arange(len(learned), len(rows)))
    frame, label, _ = labelled_pairs(coded.matrix(rows), context, 50, 0)
    labelled: pd.DataFrame = frame.assign(**{RELEVANT: label})
    return labelled


def _asked_lengths(rows: pd.DataFrame, k: int) -> np.ndarray:
    if "k" not in rows.columns:
        return np.full(len(rows), k)
    asked = pd.to_numeric(rows["k"], errors="coerce").to_numpy(dtype=float)
    return np.where(np.isfinite(asked) & (asked >= 1), np.nan_to_num(asked, nan=k), k).astype(np.int64)


def _answer(
    user: str, items: list[str], scores: list[float], titles: list[str] | None, cold: bool
) -> dict[str, Any]:
    answer: dict[str, Any] = {"user": user, "prediction": items, "scores": scores}
    if titles is not None:
        answer["titles"] = [str(t) for t in titles]
    answer["cold_start"] = cold
    if cold:
        answer["note"] = "nothing is known of this user: these are the most popular items"
    return answer
