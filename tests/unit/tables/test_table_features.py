from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, TargetEncoder

from specweave.errors import DataError
from specweave.files.yamlio import parse_yaml, render_yaml
from specweave.tables.features import definitions, from_definitions, make_features
from specweave.tables.kinds import infer_kinds
from specweave.tables.transformer import TableFeatures

N = 240


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    words = ["slow", "fast", "billing", "support", "network", "friendly", "price", "outage"]
    return pd.DataFrame(
        {
            "key": [f"K{at:04d}" for at in range(N)],
            "fee": np.where(rng.random(N) < 0.1, np.nan, rng.normal(50, 9, N)),
            "size": rng.normal(size=N),
            "active": rng.choice(["Yes", "No"], N),
            "plan": rng.choice(["basic", "plus", "max"], N),
            "sex": rng.choice(["f", "m"], N),
            "town": [f"town {at}" for at in rng.integers(0, 40, N)],
            "since": pd.date_range("2020-01-01", periods=N).strftime("%d/%m/%Y"),
            "remark": [" ".join(rng.choice(words, 6)) for _ in range(N)],
            "left": rng.choice(["Yes", "No"], N, p=[0.3, 0.7]),
        }
    )


def split(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.Series]:
    return frame.drop(columns="left"), frame["left"]


def made(frame: pd.DataFrame, **settings: object) -> TableFeatures:
    return make_features(infer_kinds(frame, target="left"), task="classification", target="left", **settings)


def test_every_kind_becomes_finite_numbers_with_readable_names(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    features = made(frame)
    Z = features.fit_transform(X, y)
    names = features.get_feature_names_out().tolist()
    assert Z.columns.tolist() == names
    assert Z.index.equals(X.index)
    assert (Z.dtypes == np.float64).all() and np.isfinite(Z.to_numpy()).all()
    assert {
        "fee",
        "fee missing",
        "active",
        "plan=basic",
        "sex=m",
        "town target mean",
        "town frequency",
    } <= set(names)
    assert {
        "since month",
        "since days since start",
        "since month sin",
        "remark topic 1",
        "remark length",
    } <= set(names)
    assert "sex=f" not in names  # says the same as sex=m
    assert features.dropped_ == {"key": "text key, every row has its own value"}
    assert set(features.origins_) == set(names)
    assert features.origins_["fee missing"] == "fee" and features.origins_["since month sin"] == "since"


def test_gaps_take_the_training_median_and_infinities_count_as_gaps() -> None:
    X = pd.DataFrame({"a": [1.0, 2.0, np.inf, 9.0]})
    features = TableFeatures({"a": "numeric"}).fit(X)
    assert features.transform(X)["a"].tolist() == [1.0, 2.0, 2.0, 9.0]
    assert features.transform(X)["a missing"].tolist() == [0, 0, 1, 0]
    kept = TableFeatures({"a": "numeric"}, impute=False).fit(X).transform(X)
    assert np.isnan(kept["a"].tolist()[2])


def test_unseen_and_rare_levels_share_a_feature_and_gaps_have_their_own() -> None:
    values = ["a"] * 150 + ["b"] * 140 + ["rare 1", "rare 2"] + [None] * 8
    X = pd.DataFrame({"c": pd.Series(values, dtype=object)})
    features = TableFeatures({"c": "category"}).fit(X)
    assert features.get_feature_names_out().tolist() == ["c=a", "c=b", "c=(other)", "c=(missing)"]
    later = pd.DataFrame({"c": ["new", "rare 1", None, " a "]})
    assert features.transform(later).to_numpy().argmax(axis=1).tolist() == [2, 2, 3, 0]
    X = pd.DataFrame({"c": ["a", "b", "c"] * 50})
    plain = TableFeatures({"c": "category"}).fit(X)
    assert plain.transform(pd.DataFrame({"c": ["new", None]})).to_numpy().sum() == 0


def test_training_rows_get_cross_fitted_target_means(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    features = TableFeatures({"town": "category"}, seed=3)
    trained = features.fit_transform(X, y)["town target mean"]
    oracle = TargetEncoder(target_type="binary", cv=5, random_state=3)
    expected = oracle.fit_transform(X[["town"]].to_numpy(), y)[:, 0]
    assert np.allclose(trained, expected)
    later = features.transform(X)["town target mean"]
    assert np.allclose(later, oracle.transform(X[["town"]].to_numpy())[:, 0])
    assert not np.allclose(trained, later)
    unseen = features.transform(pd.DataFrame({"town": ["Atlantis"]}))
    assert unseen["town target mean"].item() == pytest.approx(oracle.target_mean_)
    assert unseen["town frequency"].item() == 0.0


def test_a_column_of_pure_noise_levels_teaches_nothing_through_a_pipeline() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"noise": [f"n{at}" for at in rng.integers(0, 300, 600)], "x": rng.normal(size=600)})
    y = rng.integers(0, 2, 600)
    model = make_pipeline(TableFeatures({"noise": "category", "x": "numeric"}), LogisticRegression())
    model.fit(X, y)
    # In-sample target means would separate the classes almost perfectly on the training rows.
    assert 0.4 < cross_val_score(model, X, y, cv=3, scoring="roc_auc").mean() < 0.6
    assert abs(model[-1].coef_[0][1]) < 4


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_target_means_exist_for_several_classes_and_numbers(frame: pd.DataFrame, task: str) -> None:
    y = np.resize(["a", "b", "c"], N) if task == "classification" else np.arange(N) * 2.0
    features = TableFeatures({"town": "category"}, task=task).fit(frame, y)
    names = features.get_feature_names_out().tolist()
    shares = ["town share of a", "town share of b", "town share of c"]
    assert names == [*(shares if task == "classification" else ["town target mean"]), "town frequency"]


def test_without_a_target_many_levels_are_encoded_by_frequency(frame: pd.DataFrame) -> None:
    features = TableFeatures({"town": "category"}).fit(frame)
    assert features.get_feature_names_out().tolist() == ["town frequency"]
    assert (
        features.transform(frame)["town frequency"].tolist()[0] == (frame["town"] == frame["town"][0]).mean()
    )


def test_dates_become_calendar_fields_and_missing_ones_are_marked() -> None:
    X = pd.DataFrame({"d": ["2020-02-28 06:00:00", "2021-03-01 18:00:00", "2022-12-31 00:00:00", None]})
    features = TableFeatures({"d": {"kind": "datetime", "format": "%Y-%m-%d %H:%M:%S"}}).fit(X)
    Z = features.transform(X)
    assert Z["d year"].tolist() == [2020, 2021, 2022, 2021]
    assert Z["d month"].tolist()[:3] == [2, 3, 12]
    assert Z["d day"].tolist()[:3] == [28, 1, 31]
    assert Z["d weekday"].tolist()[:3] == [4, 0, 5]
    assert Z["d hour"].tolist()[:3] == [6, 18, 0]
    assert Z["d days since start"].tolist()[:2] == [0.0, 367.5]
    assert Z["d missing"].tolist() == [0, 0, 0, 1]


def test_constants_and_repeats_are_left_out_with_a_reason() -> None:
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0], "copy": [1.0, 2.0, 3.0], "one": [7.0, 7.0, 7.0]})
    features = TableFeatures({"a": "numeric", "copy": "numeric", "one": "numeric"}).fit(X)
    assert features.get_feature_names_out().tolist() == ["a"]
    assert features.dropped_ == {"copy": "same values as a", "one": "constant in training"}
    assert features.required_columns_ == ["a"]
    assert features.transform(pd.DataFrame({"a": [5]})).to_numpy().tolist() == [[5.0]]


def test_declared_drops_keep_their_reason_and_need_not_be_there(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    features = made(frame, drop={"fee": "SW207: known only afterwards"}).fit(X.drop(columns="fee"), y)
    assert features.dropped_["fee"] == "SW207: known only afterwards"
    assert "fee" not in features.required_columns_


def test_wide_tables_are_screened_to_the_strongest_inside_the_fold() -> None:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(150, 3000)), columns=[f"f{at}" for at in range(3000)])
    X.loc[3, "f5"] = np.nan
    y = (X["f7"] + X["f2999"] > 0).astype(int)
    features = TableFeatures(dict.fromkeys(X, "numeric"), select={"k": 50, "above": 1000}).fit(X, y)
    names = features.get_feature_names_out().tolist()
    assert len(names) == 50 and {"f7", "f2999"} <= set(names)
    assert "not among the 50 strongest" in set(features.dropped_.values())
    assert np.array_equal(
        features.transform(X).to_numpy(), features.transform(X[names[::-1]])[names].to_numpy()
    )
    everything = clone(features).set_params(select={"k": None}).fit(X, y)
    assert len(everything.get_feature_names_out()) == 3001


def test_names_that_boosters_refuse_are_made_safe_and_stay_unique() -> None:
    X = pd.DataFrame(
        {"a[0]": ["x<1", "x:1", "y,2"] * 8, "a(0)": ["x‹1", "y", "z"] * 8, "a missing": [1.0, 2.0, 4.0] * 8}
    )
    X["a"] = [1.0, np.nan, 3.0] * 8
    kinds = {"a[0]": "category", "a(0)": "category", "a": "numeric", "a missing": "numeric"}
    features = TableFeatures(kinds).fit(X)
    names = features.get_feature_names_out().tolist()
    assert len(set(names)) == len(names)
    assert not any(set(name) & set('[]{}",:<') for name in names)
    assert features.transform(X)["a missing"].tolist()[:3] == [1.0, 2.0, 4.0]
    assert features.origins_["a missing"] == "a missing"


def test_the_transformer_is_a_well_behaved_estimator(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    before = X.copy(deep=True)
    features = made(frame)
    with pytest.raises(NotFittedError):
        features.transform(X)
    first = features.fit_transform(X, y)
    pd.testing.assert_frame_equal(X, before)
    pd.testing.assert_frame_equal(clone(features).fit_transform(X, y), first)
    later = features.transform(X)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(features)).transform(X), later)
    pd.testing.assert_frame_equal(features.fit(X, y).transform(X), later)
    pd.testing.assert_frame_equal(features.transform(X.iloc[::-1, ::-1]), later.iloc[::-1])
    pd.testing.assert_frame_equal(features.transform(X.iloc[[5]]), later.iloc[[5]])
    assert features.n_features_in_ == X.shape[1]
    assert features.get_params()["max_onehot"] == 20


def test_it_works_inside_a_pipeline_with_cross_validation(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    model = make_pipeline(made(frame), StandardScaler(), LogisticRegression(max_iter=500))
    assert np.isfinite(cross_val_score(model, X, y, cv=3)).all()


@pytest.mark.parametrize(
    ("kinds", "frame", "what"),
    [
        ({"a": "numeric"}, pd.DataFrame({"b": [1, 2]}), "the training data has no column 'a'"),
        (
            {"a": "numeric"},
            pd.DataFrame({"a": [1, 1]}),
            "no column is left to learn from: a (constant in training)",
        ),
        ({"a": "number"}, pd.DataFrame({"a": [1, 2]}), "'number' is no kind of column"),
        ({"a": "numeric"}, pd.DataFrame({"a": []}), "there are no rows to learn features from"),
    ],
)
def test_what_cannot_be_learned_from_gives_one_clear_error(
    kinds: dict, frame: pd.DataFrame, what: str
) -> None:
    with pytest.raises(DataError) as caught:
        TableFeatures(kinds).fit(frame)
    assert caught.value.what == what


def test_a_needed_column_that_is_missing_later_is_named() -> None:
    features = TableFeatures({"tenure": "numeric"}).fit(pd.DataFrame({"tenure": [1, 2]}))
    with pytest.raises(DataError) as caught:
        features.transform(pd.DataFrame({"Tenur": [1]}))
    assert caught.value.what == "the rows lack the column tenure"
    assert caught.value.hint == "did you mean Tenur?"


def test_a_yes_no_column_of_other_words_is_treated_as_levels() -> None:
    X = pd.DataFrame({"b": ["Yes", "No", "Perhaps"] * 10})
    assert TableFeatures({"b": "boolean"}).fit(X).actions_ == {"b": "one-hot"}


def test_definitions_survive_yaml_and_give_the_same_features(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    features = made(frame, drop={"size": "SW207: leak"}).fit(X, y)
    content = parse_yaml(render_yaml(definitions(features)), where="feature_definitions.yaml")
    assert content["columns"]["town"]["action"] == "target-encode"
    size = content["columns"]["size"]
    assert (size["kind"], size["action"], size["reason"], size["features"]) == (
        "numeric",
        "drop",
        "SW207: leak",
        [],
    )
    again = from_definitions(content).fit(X, y)
    pd.testing.assert_frame_equal(again.transform(X), features.transform(X))
    assert again.dropped_["size"] == "SW207: leak"


def test_a_person_redirects_columns_by_kind_or_by_action(frame: pd.DataFrame) -> None:
    X, y = split(frame)
    content = definitions(made(frame, drop={"size": "SW207: leak"}).fit(X, y))
    columns = content["columns"]
    columns["size"]["action"] = "log"
    columns["fee"]["kind"] = "category"
    columns["plan"]["action"] = "drop"
    columns["town"]["action"] = "one-hot"
    columns["key"]["kind"] = "category"
    columns["remark"]["kind"] = "identifier"
    edited = from_definitions(content).fit(X, y)
    assert edited.actions_ == {
        "key": "target-encode", "fee": "target-encode", "size": "log", "active": "boolean", "plan": "drop",
        "sex": "one-hot", "town": "one-hot", "since": "dates", "remark": "drop",
    }  # fmt: skip
    Z = edited.transform(X)
    assert np.allclose(Z["size"], np.sign(X["size"]) * np.log1p(X["size"].abs()))
    columns["size"]["action"] = "one-hot"  # an action of another kind brings its kind along
    assert from_definitions(content).fit(X, y).kinds_["size"].kind == "category"


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ({"kind": "number"}, "feature definition of 'a': 'number' is no kind of column"),
        ({"action": "log"}, "feature definition of 'a' has no kind"),
        ({"kind": "numeric", "action": "loq"}, "feature definition of 'a': unknown action 'loq'"),
        ("numeric", "feature definition of 'a' has no kind"),
    ],
)
def test_a_mistake_in_the_definitions_names_the_column(entry: object, what: str) -> None:
    with pytest.raises(DataError) as caught:
        from_definitions({"columns": {"a": entry}})
    assert caught.value.what == what and caught.value.hint


def test_an_unknown_setting_in_the_definitions_offers_the_nearest() -> None:
    with pytest.raises(DataError) as caught:
        from_definitions({"settings": {"max_one_hot": 5}, "columns": {}})
    assert caught.value.hint == "did you mean max_onehot?"
