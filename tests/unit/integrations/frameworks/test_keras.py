"""The Keras callback on a real model."""

from __future__ import annotations

import gc

import numpy as np
import pytest

from specweave.experiments.store import ExperimentStore

pytestmark = pytest.mark.torch
keras = pytest.importorskip("keras")

from specweave.integrations.frameworks.keras import KerasCallback  # noqa: E402

X = np.random.default_rng(0).normal(size=(128, 4)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")


def model(rate: float = 0.05) -> keras.Model:
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1, activation="sigmoid")])
    made.compile(optimizer=keras.optimizers.Adam(rate), loss="binary_crossentropy", metrics=["accuracy"])
    return made


def test_epochs_best_epoch_and_models_are_recorded(store: ExperimentStore) -> None:
    net = model()
    history = net.fit(
        X[:96],
        Y[:96],
        epochs=3,
        validation_data=(X[96:], Y[96:]),
        verbose=0,
        callbacks=[KerasCallback("0042")],
    ).history
    record = store.get("sequential")
    assert record.status == "completed"
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        logged = [line.values[name] for line in record.load_history() if name in line.values]
        assert logged == pytest.approx(history[name])
    assert record.metrics["best_val_loss"] == pytest.approx(min(history["val_loss"]))
    assert record.metrics["best_epoch"] == int(np.argmin(history["val_loss"]))
    assert record.params["optimizer"] == "Adam"
    assert record.params["optimizer_learning_rate"] == pytest.approx(0.05)
    assert record.params["loss"] == "binary_crossentropy"
    loaded = keras.models.load_model(record.get_artifact("model.keras"))
    assert np.allclose(loaded.predict(X, verbose=0), net.predict(X, verbose=0))
    assert {"best.keras", "architecture.txt"} <= set(record.artifacts)


def test_a_watched_score_is_better_when_higher(store: ExperimentStore) -> None:
    history = (
        model()
        .fit(
            X,
            Y,
            epochs=4,
            verbose=0,
            callbacks=[KerasCallback(monitor="accuracy", name="scored", save_best=False)],
        )
        .history
    )
    record = store.get("scored")
    assert record.metrics["best_accuracy"] == pytest.approx(max(history["accuracy"]))
    assert "best.keras" not in record.artifacts


def test_a_fit_that_breaks_off_does_not_stay_running(store: ExperimentStore) -> None:
    class Breaks(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: object = None) -> None:
            raise RuntimeError("out of luck")

    callback = KerasCallback(name="broken")
    with pytest.raises(RuntimeError, match="out of luck"):
        model().fit(X, Y, epochs=2, verbose=0, callbacks=[callback, Breaks()])
    del callback
    gc.collect()
    record = store.get("broken")
    assert record.status == "failed"
    assert "fit ended before its last epoch" in record.last_note()
