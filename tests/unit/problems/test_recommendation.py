"""Recommendation as a problem type: what is inferred, what is refused, what is served."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError, SpecError, UnknownNameError
from specweave.increments.plan import Plan, parse_plan
from specweave.increments.spec import Spec, parse_spec
from specweave.problems.base import ModelExperiment, Problem, problem_for
from specweave.problems.interaction_data import InteractionData
from specweave.problems.recommendation import Recommendation
from specweave.problems.recommendation_planning import find_attribute_files
from specweave.recommenders.linear import EASE
from specweave.recommenders.model import FittedRecommender

SPEC = """\
## ML Problem Definition
- Problem type: Recommendation (collaborative filtering)
- Success metrics: Precision@5 > 0.1
## Data Requirements
- Training data: visits.csv
- Validation: random 25% per user
{data}## Model Requirements
"""
PLAN = "```yaml\nsplit: {{folds: 2, seed: 7}}\nrecommend: {{{recommend}}}\n```\n"


def visits(n_users: int = 40, n_items: int = 20) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        (f"u{user}", f"i{item}", int(rng.integers(1, 6)), 1_000_000 + 7 * user + n)
        for user in range(n_users)
        for n, item in enumerate(rng.choice(n_items, rng.integers(4, 10), replace=False))
    ]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rating", "timestamp"])


class Loaded:
    """A problem with its documents and data."""

    def __init__(self, root: Path, frame: pd.DataFrame, data: str = "", recommend: str = "k: 5") -> None:
        frame.to_csv(root / "visits.csv", index=False)
        self.root = root
        self.spec: Spec = parse_spec(SPEC.format(data=data), root / "spec.md")
        self.problem: Problem = problem_for(self.spec.problem_type)
        self.plan: Plan = parse_plan(
            PLAN.format(recommend=recommend), root / "plan.md", self.problem.plan_keys
        )
        dataset = self.problem.load(self.spec, self.plan, root)
        assert isinstance(dataset, InteractionData)
        self.dataset = dataset
        self.split = self.problem.split(dataset, self.spec, self.plan)

    def fit(self) -> FittedRecommender:
        model = self.problem.fit(ModelExperiment("ease", EASE, {"l2": 5.0}), self.dataset, self.split.train, None,
                                 seed=0, threads=1)  # fmt: skip
        assert isinstance(model, FittedRecommender)
        return model

    def decision(self) -> dict[str, Any]:
        return self.problem.decide(pd.DataFrame(), self.dataset, self.spec, self.plan)


def test_a_request_for_recommendations_is_told_from_a_table_with_a_target() -> None:
    frame = visits()
    assert Recommendation.match_data("recommend movies", frame, {})[0] > 0.9
    assert (
        Recommendation.match_data("predict the rating", frame.assign(churn="Yes"), {"target": "churn"})[0]
        < 0.2
    )
    assert (
        Recommendation.match_data("recommend", pd.DataFrame({"age": [1.5, 2.5], "height": [3.5, 1.0]}), {})[0]
        == 0
    )


def test_the_drafted_spec_names_columns_and_a_fitting_validation() -> None:
    drafted = Recommendation.draft_spec("recommend", {}, {"frame": visits(), "time": None})
    assert drafted["data"]["User column"] == "user_id" and drafted["data"]["Item column"] == "item_id"
    assert drafted["data"]["Rating column"] == "rating" and drafted["data"]["Time column"] == "timestamp"
    # Users come one after the other, so that the latest fifth are strangers: no split by time.
    assert drafted["data"]["Validation"] == "random 25% per user"
    mixed = visits().assign(timestamp=np.random.default_rng(0).permutation(len(visits())))
    assert (
        Recommendation.draft_spec("recommend", {}, {"frame": mixed})["data"]["Validation"]
        == "last 20% by time"
    )


def test_precision_is_not_demanded_where_little_is_held_out() -> None:
    few = visits().groupby("user_id").head(3)
    metrics = Recommendation.draft_spec("recommend", {}, {"frame": few})["problem"]["Success metrics"]
    assert metrics.startswith("Recall@10")


def test_repeated_pairs_are_said_and_only_the_latest_stays(tmp_path: Path) -> None:
    frame = visits()
    later = frame.iloc[:5].assign(rating=1, timestamp=9_999_999)
    made = Loaded(tmp_path, pd.concat([frame, later]))
    assert made.dataset.dropped == 5 and made.dataset.n_rows == len(frame)
    assert any("5 rows repeat" in note for note in made.dataset.source.notes)
    assert "SW241" in {f.code for f in made.problem.check_data(made.dataset)}
    kept = made.dataset.frame.merge(later[["user_id", "item_id"]])
    assert (kept["rating"] == 1).all()


def test_ratings_written_as_text_are_read_and_a_few_strange_ones_noted(tmp_path: Path) -> None:
    frame = visits().astype({"rating": object})
    frame["rating"] = frame["rating"].map(lambda r: f" {r} ")
    frame.loc[3, "rating"] = "great"
    made = Loaded(tmp_path, frame)
    assert made.dataset.ratings is not None and np.isnan(made.dataset.ratings[3])
    assert np.nanmax(made.dataset.ratings) == 5
    assert any("'great'" in note for note in made.dataset.source.notes)


def test_ratings_that_are_words_are_refused_with_a_way_out(tmp_path: Path) -> None:
    frame = visits().astype({"rating": object})
    frame["rating"] = np.where(frame.index % 2, "good", "bad")
    with pytest.raises(DataError, match="no rating, such as 'bad'") as caught:
        Loaded(tmp_path, frame, "- Rating column: rating\n")
    assert "Rating column: none" in str(caught.value.hint)


def test_rows_without_a_key_are_left_out_and_counted(tmp_path: Path) -> None:
    frame = visits()
    frame.loc[[1, 4], "item_id"] = None
    made = Loaded(tmp_path, frame)
    assert made.dataset.missing == 2 and made.dataset.n_rows == len(frame) - 2


def test_a_column_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'usr' is no column") as caught:
        Loaded(tmp_path, visits(), "- User column: usr\n")
    assert "spec.md:7" in str(caught.value.where)


def test_data_without_two_keys_says_which_is_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"amount": np.linspace(0, 1, 40), "height": np.linspace(5, 6, 40)})
    with pytest.raises(SpecError, match="looks like the user"):
        Loaded(tmp_path, frame)


def test_users_with_one_event_are_served_but_not_tested(tmp_path: Path) -> None:
    single = pd.DataFrame(
        {"user_id": [f"s{i}" for i in range(15)], "item_id": "i3", "rating": 3, "timestamp": 5}
    )
    made = Loaded(tmp_path, pd.concat([visits(), single]))
    held = set(made.dataset.frame.iloc[made.split.holdout]["user_id"])
    assert not any(user.startswith("s") for user in held)
    assert "SW242" in {f.code for f in made.problem.check_data(made.dataset)}
    answer = made.problem.respond(made.fit(), pd.DataFrame({"user_id": ["s1"]}), made.decision())[0]
    assert len(answer["prediction"]) == 5 and not answer["cold_start"] and "i3" not in answer["prediction"]


def test_a_stranger_is_answered_with_what_is_popular_and_a_length_may_be_asked_for(tmp_path: Path) -> None:
    made = Loaded(tmp_path, visits())
    rows = pd.DataFrame({"user_id": ["nobody", "u1"], "k": [3, 1000]})
    stranger, known = made.problem.respond(made.fit(), rows, made.decision())
    assert stranger["cold_start"] and len(stranger["prediction"]) == 3 and "popular" in stranger["note"]
    seen = made.dataset.frame.iloc[made.split.train].query("user_id == 'u1'")["item_id"]
    assert len(known["prediction"]) == 20 - len(seen)


def test_lists_longer_than_the_catalogue_are_measured_as_they_are(tmp_path: Path) -> None:
    made = Loaded(tmp_path, visits(), recommend="k: 50")
    outcome = made.problem.predict(made.fit(), made.dataset, made.split.holdout)
    ndcg = made.problem.measure(made.problem.metrics(made.spec, made.plan)[0], outcome, {})
    assert 0 < ndcg <= 1
    assert {"SW244"} <= {f.code for f in made.problem.check_data(made.dataset)}
    assert {"SW333"} <= {f.code for f in made.problem.check(outcome, {}, made.dataset)}


def test_low_ratings_may_count_as_no_hit(tmp_path: Path) -> None:
    made = Loaded(tmp_path, visits(), recommend="k: 5, positive_from: 4")
    model, frame = made.fit(), made.dataset.frame
    low = frame.iloc[made.split.train].query("rating < 4")
    assert model.history.nnz == len(made.split.train) - len(low)
    user = low["user_id"].iloc[0]
    disliked = set(low[low["user_id"] == user]["item_id"])
    answer = made.problem.respond(model, pd.DataFrame({"user_id": [user]}), made.decision())[0]
    assert not disliked & set(answer["prediction"])
    outcome = made.problem.predict(model, made.dataset, made.split.holdout)
    assert outcome["n_relevant"].sum() == (frame.iloc[made.split.holdout]["rating"] >= 4).sum()


def test_training_rows_have_nothing_left_to_find(tmp_path: Path) -> None:
    made = Loaded(tmp_path, visits())
    outcome = made.problem.predict(made.fit(), made.dataset, made.split.train)
    with pytest.raises(DataError, match="no user has anything"):
        made.problem.measure(made.problem.metrics(made.spec, made.plan)[0], outcome, {})


def test_a_split_by_time_says_how_much_lower_it_is_and_why(tmp_path: Path) -> None:
    frame = visits(120, 30)
    frame["timestamp"] = 1_000_000 + np.arange(len(frame)) * 3600
    text = SPEC.format(data="").replace("random 25% per user", "last 20% by time")
    frame.to_csv(tmp_path / "visits.csv", index=False)
    spec = parse_spec(text, tmp_path / "spec.md")
    problem = problem_for(spec.problem_type)
    plan = parse_plan(PLAN.format(recommend="k: 5"), tmp_path / "plan.md", problem.plan_keys)
    dataset = problem.load(spec, plan, tmp_path)
    split = problem.split(dataset, spec, plan)
    model = problem.fit(ModelExperiment("ease", EASE), dataset, split.train, None, seed=0, threads=1)
    outcome = problem.predict(model, dataset, split.holdout)
    found = {f.code: f for f in problem.check(outcome, {}, dataset)}
    assert (
        "had no history" in found["SW334"].message
        and "a random split of the same past" in found["SW334"].message
    )
    assert found["SW334"].evidence["cold"] > 0.5
    assert outcome["cold"].mean() == found["SW334"].evidence["cold"]
    # Where the future is no harder than a random part of the past, there is nothing to warn of.
    hits = [c for c in outcome.columns if c.startswith("hit:")]
    easy = outcome.assign(**dict.fromkeys(hits, 1), n_relevant=len(hits), cold=False)
    assert "SW334" not in {f.code for f in problem.check(easy, {}, dataset)}


def by_time(root: Path, frame: pd.DataFrame) -> tuple[Problem, InteractionData, Any, Any]:
    """Return (problem, data, split, plan and spec) of a split by time."""
    frame.to_csv(root / "visits.csv", index=False)
    spec = parse_spec(
        SPEC.format(data="").replace("random 25% per user", "last 20% by time"), root / "spec.md"
    )
    problem = problem_for(spec.problem_type)
    plan = parse_plan(PLAN.format(recommend="k: 5"), root / "plan.md", problem.plan_keys)
    dataset = problem.load(spec, plan, root)
    assert isinstance(dataset, InteractionData)
    return problem, dataset, problem.split(dataset, spec, plan), (spec, plan)


def test_chance_stays_chance_for_users_without_a_history(tmp_path: Path) -> None:
    """Else "3x better than random" would be asked of popularity wherever newcomers are tested."""
    frame = visits(120, 30)
    frame["timestamp"] = 1_000_000 + np.arange(len(frame)) * 3600
    problem, dataset, split, (spec, plan) = by_time(tmp_path, frame)
    chance, popular = (
        problem.fit(e, dataset, split.train, None, seed=0, threads=1)
        for e in problem.baselines(dataset, spec, plan, ["random", "popularity"])
    )
    cold = problem.predict(chance, dataset, split.holdout).query("cold")
    assert len(cold) > 10 and cold["items"].nunique() > 5
    assert problem.predict(popular, dataset, split.holdout).query("cold")["items"].nunique() == 1


def test_newcomers_get_what_is_popular_lately_where_the_future_is_held_out(tmp_path: Path) -> None:
    """Early users took the first items, late ones others; who comes next is served by the late ones' taste."""
    rng = np.random.default_rng(1)
    rows = [
        (f"u{user}", f"i{item}", user * 100 + n)
        for user in range(100)
        for n, item in enumerate(rng.choice(10, 6, replace=False) + (10 if user >= 55 else 0))
    ]
    frame = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    problem, dataset, split, (spec, plan) = by_time(tmp_path, frame)
    model = problem.fit(ModelExperiment("ease", EASE), dataset, split.train, None, seed=0, threads=1)
    items, _ = model.recommend(np.array([-1]), 5)
    assert {int(model.items[i][1:]) >= 10 for i in items[0]} == {True}
    assert model.counts[[list(model.items).index(f"i{i}") for i in range(10)]].min() > 0
    decision = problem.decide(pd.DataFrame(), dataset, spec, plan)
    answer = problem.respond(model, pd.DataFrame({"user_id": ["nobody"]}), decision)[0]
    assert answer["note"] == "nothing is known of this user: these are the most popular items of late"
    outcome = problem.predict(model, dataset, split.holdout)
    served = problem.respond(model, problem.requests(dataset, split.holdout), decision)
    assert [a.get("note") for a in problem.answers(outcome, decision)] == [a.get("note") for a in served]


def test_three_times_chance_is_not_demanded_of_a_small_catalogue() -> None:
    for n_items, wanted in (
        (30, "Better than best baseline by 5%"),
        (400, "Better than random baseline by 3x"),
    ):
        roles = {"frame": visits(200, n_items), "time": None}
        assert Recommendation.draft_spec("recommend", None, roles)["model"]["Accuracy"] == wanted


def test_models_that_a_large_catalogue_forbids_are_left_out_with_the_reason(tmp_path: Path) -> None:
    spec = parse_spec(SPEC.format(data="- Item column: sku\n"), tmp_path / "spec.md")
    for items, there in ((2_000, True), (200_000, False)):
        choices = Recommendation().draft_plan(spec, {"rows": 10_000, "columns": {"sku": {"distinct": items}}})
        tried = next(c for c in choices if c.key == "candidates")
        names = [entry["name"] for entry in tried.value]
        assert ("slim" in names) is there and "item-knn" in names
        assert ("200,000 items" in tried.reason) is not there


def test_many_interactions_are_planned_in_seconds(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 200_000
    frame = pd.DataFrame({
        "user_id": rng.integers(0, 20_000, n).astype(str), "item_id": rng.integers(0, 2_000, n),
        "timestamp": rng.integers(10**9, 10**9 + 10**7, n),
    })  # fmt: skip
    began = time.perf_counter()
    drafted = Recommendation.draft_spec("recommend", None, {"frame": frame, "time": "timestamp"})
    assert drafted["data"]["Validation"] == "last 20% by time"
    assert time.perf_counter() - began < 20


def test_a_rule_and_a_class_of_the_users_count_as_models(tmp_path: Path) -> None:
    made = Loaded(tmp_path, visits())

    def newest(history: Any) -> np.ndarray:
        return np.tile(np.arange(history.shape[1], dtype=float), (history.shape[0], 1))

    experiments = made.problem.baselines(made.dataset, made.spec, made.plan, [newest, "popularity"])
    assert [e.name for e in experiments] == ["baseline-newest", "baseline-popularity"]
    for experiment in (*experiments, ModelExperiment("own", Own)):
        model = made.problem.fit(experiment, made.dataset, made.split.train, None, seed=0, threads=1)
        assert len(made.problem.predict(model, made.dataset, made.split.holdout))
    with pytest.raises(UnknownNameError, match="no baseline strategy"):
        made.problem.baselines(made.dataset, made.spec, made.plan, ["astrology"])
    wrong = ModelExperiment("wrong", EASE, {"depth": 3})
    with pytest.raises(DataError, match="does not take"):
        made.problem.fit(wrong, made.dataset, made.split.train, None, seed=0, threads=1)


class Own:
    """A model of the user's: nothing but fit(history) and scores(history, users)."""

    def fit(self, history: Any) -> Own:
        self.counts = np.asarray(history.sum(axis=0)).ravel()
        return self

    def scores(self, history: Any, users: Any) -> np.ndarray:
        return np.tile(self.counts, (history.shape[0], 1))


def test_attributes_are_joined_by_key_and_items_get_their_titles(tmp_path: Path) -> None:
    pd.DataFrame(
        {"id": [f"i{i}" for i in range(19)], "title": [f"Film {i}" for i in range(19)], "year": range(19)}
    ).to_csv(tmp_path / "items.csv", index=False)
    made = Loaded(tmp_path, visits(), "- Item attributes: items.csv\n")
    names = dict(zip(made.dataset.coded.items, made.dataset.titles, strict=True))
    assert names["i3"] == "Film 3"
    assert names["i19"] == "i19"
    told = made.problem.reasons(made.fit(), pd.DataFrame({"user_id": ["u1"]}), pd.DataFrame(), top=3, seed=0)[
        0
    ]
    assert all(r["recommendation"].startswith(("Film", "i19")) for r in told["reasons"])


def test_attributes_of_others_are_refused(tmp_path: Path) -> None:
    pd.DataFrame({"id": range(900, 950), "year": range(50)}).to_csv(tmp_path / "items.csv", index=False)
    with pytest.raises(DataError, match=r"no column of items.csv holds the keys"):
        Loaded(tmp_path, visits(), "- Item attributes: items.csv\n")


def test_amounts_of_a_pair_add_up_and_what_was_given_back_is_no_interaction(tmp_path: Path) -> None:
    frame = visits().rename(columns={"rating": "Quantity"})
    back = frame.iloc[:3].assign(Quantity=-frame["Quantity"].iloc[:3])
    more = frame.iloc[3:5]
    loaded = Loaded(tmp_path, pd.concat([frame, back, more]))
    assert loaded.dataset.n_rows == len(frame) - 3
    assert any("3 pairs whose 'Quantity' comes to 0 or less" in note for note in loaded.dataset.source.notes)
    both = loaded.dataset.frame.merge(more, on=["user_id", "item_id"])
    assert (both["Quantity_x"] == 2 * both["Quantity_y"]).all()
    repeated = next(f for f in loaded.problem.check_data(loaded.dataset) if f.code == "SW241")
    assert "added up" in repeated.message


def test_review_scores_of_a_pair_do_not_add_up(tmp_path: Path) -> None:
    frame = visits().rename(columns={"rating": "review_score"})
    loaded = Loaded(tmp_path, pd.concat([frame, frame.iloc[:2].assign(timestamp=2_000_000, review_score=1)]))
    assert loaded.dataset.frame["review_score"].max() == 5
    repeated = next(f for f in loaded.problem.check_data(loaded.dataset) if f.code == "SW241")
    assert "latest of each pair is kept" in repeated.message


def test_events_of_several_kinds_are_pointed_at(tmp_path: Path) -> None:
    frame = visits().drop(columns="rating")
    frame["event_type"] = np.resize(["view", "view", "purchase"], len(frame))
    loaded = Loaded(tmp_path, frame)
    (doubt,) = [f for f in loaded.problem.check_data(loaded.dataset) if f.code == "SW247"]
    assert "purchase, view" in doubt.message and doubt.where == "event_type"
    (tmp_path / "one").mkdir()
    alike = Loaded(tmp_path / "one", frame.assign(event_type="view"))
    assert not [f for f in alike.problem.check_data(alike.dataset) if f.code == "SW247"]


def test_columns_that_belong_to_an_item_or_a_user_are_known_of_them(tmp_path: Path) -> None:
    frame = visits()
    number = frame["item_id"].str[1:].astype(int)
    frame["genre"] = np.where(number % 3 == 0, "jazz", "rock")
    frame["title"] = "Song " + number.astype(str)
    frame["country"] = np.where(frame["user_id"].str[1:].astype(int) % 2 == 0, "DE", "FR")
    frame["device"] = np.resize(["phone", "desk", "tv"], len(frame))
    frame["item_mean_rating"] = frame.groupby("item_id")["rating"].transform("mean")
    data = Loaded(tmp_path, frame).dataset
    assert data.item_table is not None and list(data.item_table) == ["genre"]
    assert data.user_table is not None and list(data.user_table) == ["country"]
    by_code = dict(zip(data.coded.items, data.item_table["genre"], strict=True))
    assert (by_code["i3"], by_code["i4"]) == ("jazz", "rock")
    assert dict(zip(data.coded.items, data.titles, strict=True))["i4"] == "Song 4"
    assert any("genre" in n and "'item_id'" in n for n in data.source.notes)


def test_labels_in_one_cell_are_attributes_one_by_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    genres = [
        "|".join(g for g, has in zip(("Action", "Comedy", "Drama"), rng.random(3) < 0.6, strict=True) if has)
        for _ in range(20)
    ]
    pd.DataFrame(
        {
            "item_id": [f"i{i}" for i in range(20)],
            "title": [f"Film, The {i}" for i in range(20)],
            "genres": genres,
        }
    ).to_csv(tmp_path / "movies.csv", index=False)
    made = Loaded(tmp_path, visits(), "- Item attributes: movies.csv\n")
    table = made.dataset.item_table
    assert table is not None
    assert [c for c in table.columns if c.startswith("genres")] == [
        "genres Action", "genres Comedy", "genres Drama",
    ]  # fmt: skip
    for code, label in enumerate(made.dataset.coded.items):
        cell = genres[int(label[1:])]
        if cell:
            assert table["genres Action"][code] == ("Action" in cell)
    assert made.dataset.titles[0].startswith("Film, The")


def test_tables_beside_the_data_are_proposed_as_attributes(tmp_path: Path) -> None:
    frame = visits()
    frame.to_csv(tmp_path / "visits.csv", index=False)
    users, items = sorted(frame["user_id"].unique()), sorted(frame["item_id"].unique())
    pd.DataFrame({"UserId": users, "city": "Bonn"}).to_csv(tmp_path / "people.csv", index=False)
    pd.DataFrame({"item_id": items[:3], "title": "x"}).to_csv(tmp_path / "few.csv", index=False)
    pd.DataFrame({"item_id": items * 2, "tag": "x"}).to_csv(tmp_path / "tags.csv", index=False)
    (tmp_path / "broken.csv").write_text("item_id,title\n1,2,3\n")
    found = find_attribute_files(frame, {"data": (tmp_path / "visits.csv", "data/visits.csv")})
    assert [(c.key, c.value) for c in found] == [("user attributes", "data/people.csv")]
    roles = {"frame": frame, "time": None, "user attributes": "data/people.csv"}
    assert Recommendation.draft_spec("recommend", None, roles)["data"]["User attributes"] == "data/people.csv"


def test_what_went_wrong_is_told_by_user_and_list(tmp_path: Path) -> None:
    made = Loaded(tmp_path, visits())
    outcome = made.problem.predict(made.fit(), made.dataset, made.split.holdout)
    told, raw = made.problem.worst_table(outcome, made.dataset)
    assert list(told.columns) == ["row", "user", "interactions known", "to be found", "found", "recommended"]
    assert (told["found"] <= told["to be found"]).all() and told["recommended"].str.count(",").max() == 3
    assert raw.shape[1] == 0  # one interaction says nothing of a user's list


def test_reasons_name_what_was_given_to_past_items(tmp_path: Path) -> None:
    frame = visits().rename(columns={"rating": "stars"})
    made = Loaded(tmp_path, frame)
    told = made.problem.reasons(made.fit(), pd.DataFrame({"user_id": ["u1"]}), pd.DataFrame(), top=1, seed=0)[
        0
    ]
    first = told["reasons"][0]["because"][0]
    assert f"because of {first['feature']} (stars {first['value']:g}, +" in told["rationale"]
