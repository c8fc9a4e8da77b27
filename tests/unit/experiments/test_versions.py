"""Model versions: registering, trusting, promoting."""

from __future__ import annotations

import decimal
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from specweave.errors import CorruptFileError, DataError, StateError, StorageError, UnknownNameError
from specweave.experiments.pickled_packages import loose_modules, needed_packages, pickle_modules
from specweave.experiments.version_files import load_model
from specweave.experiments.versions import ModelVersions
from specweave.records import Metric

AUC = Metric(name="roc_auc", value=0.85, low=0.83, high=0.87, n=1409, method="bootstrap")


@pytest.fixture
def versions(tmp_path: Path) -> ModelVersions:
    moments = iter(range(10_000))
    return ModelVersions(tmp_path / "0042-churn" / "models", clock=lambda: float(next(moments)))


def save(versions: ModelVersions, model: object, **more: object) -> object:
    settings = {"experiment": "exp-006-tuned", "algorithm": "LGBMClassifier", **more}
    return versions.save(model, **settings)


def test_a_model_is_written_with_what_must_be_known_of_it(versions: ModelVersions) -> None:
    made = save(
        versions,
        {"weights": [1, 2]},
        params={"depth": 3},
        metrics=[AUC],
        decision={"threshold": 0.37},
        input_schema={"columns": ["tenure"]},
        train_seconds=1.5,
        data_sha256="ab" * 32,
    )
    body = json.loads((versions.folder / "model-v1.metadata.json").read_text())
    assert made.version == body["version"] == "0042-v1"
    assert body["kind"] == "model-version" and body["schema"] == 1
    assert body["metrics"]["roc_auc"] == {
        "value": 0.85, "low": 0.83, "high": 0.87, "level": 0.95, "n": 1409, "method": "bootstrap",
    }  # fmt: skip
    assert body["threshold"] == 0.37
    assert body["status"] == "candidate"
    assert body["bytes"] == (versions.folder / "model-v1.pkl").stat().st_size
    assert set(body["packages"]) >= {"numpy", "pandas", "scikit-learn"}
    assert versions.load() == {"weights": [1, 2]}


def test_the_same_bytes_saved_twice_are_one_version(versions: ModelVersions, tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps([1, 2, 3]))
    first, again = save(versions, file), save(versions, file, experiment="exp-009-other")
    assert again.version == first.version
    assert [v.version for v in versions.list()] == ["0042-v1"]


def test_another_threshold_is_another_version(versions: ModelVersions) -> None:
    save(versions, [1], decision={"threshold": 0.5})
    assert save(versions, [1], decision={"threshold": 0.4}).version == "0042-v2"


def test_parallel_saves_never_share_a_number(versions: ModelVersions) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(
            pool.map(
                lambda n: ModelVersions(versions.folder).save([n], experiment="e", algorithm="a"), range(16)
            )
        )
    assert sorted(m.number for m in made) == list(range(1, 17))
    assert all(versions.load(m.number) == pickle.loads(m.path.read_bytes()) for m in made)


def test_a_changed_file_is_not_loaded_without_trust(versions: ModelVersions) -> None:
    made = save(versions, [1])
    made.path.write_bytes(pickle.dumps([2]))
    with pytest.raises(CorruptFileError, match="trust=True"):
        versions.load()
    assert versions.load(trust=True) == [2]
    assert [f.code for f in versions.verify()] == ["SW701"]


def test_a_file_without_metadata_is_not_loaded_without_trust(tmp_path: Path) -> None:
    stray = tmp_path / "model-v7.pkl"
    stray.write_bytes(pickle.dumps("found on the street"))
    with pytest.raises(StateError, match="trust=True"):
        load_model(stray)
    assert load_model(stray, trust=True) == "found on the street"


def test_a_missing_file_is_named(versions: ModelVersions) -> None:
    save(versions, [1]).path.unlink()
    with pytest.raises(StorageError, match="missing"):
        versions.load()


def test_promoting_retires_what_was_in_production_and_rolling_back_returns_it(
    versions: ModelVersions,
) -> None:
    for n in range(3):
        save(versions, [n])
    assert versions.find_production() is None
    versions.promote("v1")
    versions.promote("0042-v3", reason="better recall")
    assert [v.status for v in versions.list()] == ["retired", "candidate", "production"]
    assert versions.rollback().version == "0042-v1"
    assert [v.status for v in versions.list()] == ["production", "candidate", "retired"]
    assert versions.get("production").version == "0042-v1"


def test_promoting_twice_changes_nothing(versions: ModelVersions) -> None:
    save(versions, [1])
    versions.promote(1)
    before = (versions.folder / "model-v1.metadata.json").read_bytes()
    versions.promote(1)
    assert (versions.folder / "model-v1.metadata.json").read_bytes() == before


def test_a_tampered_model_is_not_promoted(versions: ModelVersions) -> None:
    save(versions, [1]).path.write_bytes(b"other")
    with pytest.raises(CorruptFileError):
        versions.promote(1)


def test_the_first_promotion_has_nothing_to_go_back_to(versions: ModelVersions) -> None:
    save(versions, [1])
    with pytest.raises(StateError, match="no version is in production"):
        versions.rollback()
    versions.promote(1)
    with pytest.raises(StateError, match="nothing to go back to"):
        versions.rollback()


def test_an_unknown_version_is_refused_with_the_nearest(versions: ModelVersions) -> None:
    with pytest.raises(StateError, match="no model is registered"):
        versions.latest()
    save(versions, [1])
    assert versions.get("model-v1.pkl").number == 1
    with pytest.raises(UnknownNameError, match="0042-v1"):
        versions.get("0042-v2")


def test_other_package_versions_are_told(versions: ModelVersions) -> None:
    made = save(versions, [1])
    assert versions.verify() == []
    path = versions.folder / "model-v1.metadata.json"
    body = json.loads(path.read_text())
    body["packages"]["numpy"] = "0.9"
    path.write_text(json.dumps(body))
    (finding,) = versions.verify(made.version)
    assert finding.code == "SW702" and "numpy 0.9" in finding.message


def test_what_cannot_be_pickled_leaves_no_number_behind(versions: ModelVersions) -> None:
    import threading

    with pytest.raises(DataError):
        save(versions, threading.Lock())
    assert save(versions, [1]).number == 1


def test_the_claim_of_a_killed_writer_is_passed_over(versions: ModelVersions) -> None:
    save(versions, [1])
    (versions.folder / "model-v2.metadata.json").touch()
    assert [v.number for v in versions.list()] == [1]
    assert save(versions, [2]).number == 3


def test_a_pickle_tells_its_modules_without_being_loaded() -> None:
    class_like = pickle.dumps([decimal.Decimal(1), Path("x"), decimal.Decimal(2)], protocol=5)
    assert {"decimal", "pathlib"} <= pickle_modules(class_like)
    for protocol in range(6):
        assert "decimal" in pickle_modules(pickle.dumps(decimal.Decimal(1), protocol=protocol))


def test_the_packages_of_a_pipeline_are_those_it_needs() -> None:
    import lightgbm
    import numpy as np

    inputs = np.random.default_rng(0).normal(size=(60, 2))
    linear = Pipeline([("s", StandardScaler()), ("m", LogisticRegression())]).fit(inputs, inputs[:, 0] > 0)
    booster = lightgbm.LGBMClassifier(n_estimators=2, verbose=-1).fit(inputs, inputs[:, 0] > 0)
    assert "lightgbm" not in needed_packages(pickle_modules(pickle.dumps(linear)))
    assert "lightgbm" in needed_packages(pickle_modules(pickle.dumps(booster)))


def test_modules_of_the_users_own_are_told_apart() -> None:
    assert loose_modules(["__main__", "my_models.net", "numpy.core", "pathlib", "specweave.tables"]) == [
        "__main__",
        "my_models",
    ]
