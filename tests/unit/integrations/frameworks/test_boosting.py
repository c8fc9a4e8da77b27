"""The three boosters, trained by their own functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_classification

from specweave.errors import UnknownNameError
from specweave.experiments.store import ExperimentStore
from specweave.integrations.frameworks.boosting import track_boosting_model

X, Y = make_classification(n_samples=300, n_features=6, flip_y=0.2, random_state=0)
TRAIN, VALID = slice(0, 200), slice(200, 300)


def history_of(store: ExperimentStore, metric: str) -> list[float]:
    return [v.values[metric] for v in store.list()[-1].load_history() if metric in v.values]


def test_xgboost_records_every_round_and_the_early_stop(store: ExperimentStore) -> None:
    import xgboost as xgb

    train, valid = xgb.DMatrix(X[TRAIN], Y[TRAIN]), xgb.DMatrix(X[VALID], Y[VALID])
    results: dict[str, Any] = {}
    with track_boosting_model("xgboost", increment="0042") as tracked:
        model = xgb.train(
            {"objective": "binary:logistic", "eval_metric": "logloss", "nthread": 1, "eta": 0.5},
            train,
            num_boost_round=60,
            evals=[(train, "train"), (valid, "valid")],
            early_stopping_rounds=3,
            evals_result=results,
            verbose_eval=False,
            callbacks=[tracked.callback],
        )
    record = store.get("xgboost")
    assert history_of(store, "valid_logloss") == results["valid"]["logloss"]
    assert history_of(store, "train_logloss") == results["train"]["logloss"]
    assert record.metrics["best_iteration"] == model.best_iteration
    assert record.metrics["best_score"] == pytest.approx(model.best_score)
    assert record.metrics["rounds"] == len(results["valid"]["logloss"]) < 60
    assert record.params["eta"] == pytest.approx(0.5)
    assert record.params["objective"] == "binary:logistic"
    loaded = xgb.Booster(model_file=str(record.get_artifact("model.ubj")))
    assert np.array_equal(loaded.predict(valid), model.predict(valid))


def test_xgboosts_scikit_learn_wrapper_takes_the_callback_too(store: ExperimentStore) -> None:
    import xgboost as xgb

    with track_boosting_model("xgboost", name="wrapped") as tracked:
        model = xgb.XGBClassifier(n_estimators=4, n_jobs=1, callbacks=[tracked.callback])
        model.fit(X[TRAIN], Y[TRAIN], eval_set=[(X[VALID], Y[VALID])], verbose=False)
    assert len(history_of(store, "validation_0_logloss")) == 4
    assert store.get("wrapped").get_artifact("model.ubj").exists()


def test_xgboosts_own_cross_validation_leaves_no_single_model(store: ExperimentStore) -> None:
    import xgboost as xgb

    with (
        pytest.warns(RuntimeWarning, match="several models"),
        track_boosting_model("xgboost") as tracked,
    ):
        xgb.cv(
            {"objective": "binary:logistic", "nthread": 1},
            xgb.DMatrix(X, Y),
            num_boost_round=3,
            nfold=3,
            callbacks=[tracked.callback],
        )
    assert len(history_of(store, "test_logloss")) == 3
    assert store.list()[-1].status == "completed"


def test_lightgbm_records_every_round_and_the_early_stop(store: ExperimentStore) -> None:
    import lightgbm as lgb

    train = lgb.Dataset(X[TRAIN], Y[TRAIN])
    results: dict[str, Any] = {}
    with track_boosting_model("lightgbm", increment="0042") as tracked:
        model = lgb.train(
            {"objective": "binary", "metric": "auc", "verbosity": -1, "num_threads": 1, "num_leaves": 15},
            train,
            num_boost_round=60,
            valid_sets=[lgb.Dataset(X[VALID], Y[VALID], reference=train)],
            valid_names=["valid"],
            callbacks=[
                lgb.record_evaluation(results),
                lgb.early_stopping(3, verbose=False),
                tracked.callback,
            ],
        )
    record = store.get("lightgbm")
    assert history_of(store, "valid_auc") == results["valid"]["auc"]
    assert record.metrics["best_iteration"] == model.best_iteration - 1
    assert record.metrics["best_score"] == pytest.approx(model.best_score["valid"]["auc"])
    assert record.params["num_leaves"] == 15
    loaded = lgb.Booster(model_file=str(record.get_artifact("model.txt")))
    assert np.allclose(loaded.predict(X[VALID]), model.predict(X[VALID]))


def test_catboost_records_every_round_and_finds_its_model(store: ExperimentStore) -> None:
    catboost = pytest.importorskip("catboost")
    with track_boosting_model("catboost", increment="0042") as tracked:
        model = catboost.CatBoostClassifier(
            iterations=8, depth=3, thread_count=1, verbose=False, allow_writing_files=False
        )
        model.fit(X[TRAIN], Y[TRAIN], eval_set=(X[VALID], Y[VALID]), callbacks=[tracked.callback])
    record = store.get("catboost")
    assert history_of(store, "learn_Logloss") == model.get_evals_result()["learn"]["Logloss"]
    assert record.metrics["best_iteration"] == model.get_best_iteration()
    assert record.params["depth"] == 3
    loaded = catboost.CatBoostClassifier().load_model(str(record.get_artifact("model.cbm")))
    assert np.array_equal(loaded.predict(X), model.predict(X))


def test_a_training_without_the_callback_is_told_apart(store: ExperimentStore) -> None:
    import xgboost as xgb

    with track_boosting_model("xgboost", name="forgotten"):
        pass
    assert "no model was trained with the callback" in store.get("forgotten").load_notes()
    with track_boosting_model("xgboost", name="named") as tracked:
        tracked.log_model(xgb.train({"nthread": 1}, xgb.DMatrix(X, Y), num_boost_round=2))
    assert store.get("named").get_artifact("model.ubj").exists()


def test_an_unknown_framework_is_refused_with_the_nearest(store: ExperimentStore) -> None:
    with pytest.raises(UnknownNameError, match="did you mean lightgbm"):
        track_boosting_model("lightgmb")
    assert store.list() == []
