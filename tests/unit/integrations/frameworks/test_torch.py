"""PyTorch trainings: losses, checkpoints, resume."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from specweave.errors import DataError, StateError
from specweave.experiments.store import ExperimentStore

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from specweave.integrations.frameworks.torch import track_pytorch_model  # noqa: E402
from specweave.integrations.frameworks.torch_losses import LogOfSoftmaxLoss, choose_loss  # noqa: E402

ROWS = torch.Generator().manual_seed(0)
X = torch.randn(96, 4, generator=ROWS)
LABELS = (X[:, 0] + 0.1 * torch.randn(96, generator=ROWS) > 0).long()


def net(*ending: nn.Module, outputs: int = 2) -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, outputs), *ending)


def loader(target: Any = LABELS, *, shuffle: bool = False) -> DataLoader[Any]:
    return DataLoader(TensorDataset(X, target), batch_size=32, shuffle=shuffle)


def losses(store: ExperimentStore, name: str, metric: str = "train_loss") -> list[float]:
    return [line.values[metric] for line in store.get(name).load_history() if metric in line.values]


def test_tracking_changes_nothing_of_what_is_computed(store: ExperimentStore) -> None:
    plain, tracked_net = net(), net()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(3):
        for inputs, target in loader():
            optimizer.zero_grad()
            nn.functional.cross_entropy(plain(inputs), target).backward()
            optimizer.step()
    with track_pytorch_model(
        tracked_net,
        name="net",
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD(tracked_net.parameters(), lr=0.1),
    ) as tracked:
        for _ in tracked.epochs(3):
            tracked.train_epoch(loader())
            tracked.evaluate(loader())
    for a, b in zip(plain.parameters(), tracked_net.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_record_holds_losses_rates_metrics_and_models(store: ExperimentStore) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.1)
    with track_pytorch_model(model, name="net", optimizer=optimizer, scheduler=scheduler) as tracked:
        for _ in tracked.epochs(3):
            tracked.train_epoch(loader())
            found = tracked.evaluate(loader())
    record = store.get("net")
    assert losses(store, "net", "learning_rate") == pytest.approx([0.5, 0.05, 0.005])
    assert losses(store, "net", "val_loss")[-1] == found["loss"]
    assert {"val_accuracy", "val_roc_auc", "best_epoch", "best_val_loss", "epochs"} <= set(record.metrics)
    assert record.params["optimizer"] == "SGD" and record.params["optimizer_lr"] == 0.5
    assert record.params["weights"] == 4 * 8 + 8 + 8 * 2 + 2
    assert record.params["scheduler"] == "StepLR"
    assert "CrossEntropyLoss: class numbers and 2 outputs" in record.load_notes()
    saved = torch.load(record.get_artifact("model.pt"), weights_only=True)
    assert all(torch.equal(saved[name], value) for name, value in model.state_dict().items())
    assert torch.equal(pickle.loads(record.get_artifact("model.pkl").read_bytes())(X), model(X))


def test_the_best_epoch_is_kept_and_can_be_loaded(store: ExperimentStore) -> None:
    model = net()
    with track_pytorch_model(
        model, name="net", optimizer=torch.optim.SGD(model.parameters(), lr=0.5)
    ) as tracked:
        with pytest.raises(StateError, match="no best epoch"):
            tracked.load_best()
        tracked.train_epoch(loader())
        best = tracked.evaluate(loader())["loss"]
        kept = model[0].weight.detach().clone()
        for group in tracked.optimizer.param_groups:
            group["lr"] = 500.0
        tracked.train_epoch(loader())
        assert tracked.evaluate(loader())["loss"] > best
        tracked.load_best()
        assert torch.equal(model[0].weight, kept)
    assert store.get("net").metrics["best_epoch"] == 0
    assert store.get("net").metrics["best_val_loss"] == best


def test_a_score_may_be_watched_instead_of_the_loss(store: ExperimentStore) -> None:
    with track_pytorch_model(net(), name="net", monitor="val_accuracy") as tracked:
        for _ in tracked.epochs(4):
            tracked.train_epoch(loader())
            tracked.evaluate(loader())
    assert store.get("net").metrics["best_val_accuracy"] == max(losses(store, "net", "val_accuracy"))


def test_a_resumed_training_ends_where_an_uninterrupted_one_does(store: ExperimentStore) -> None:
    def train(name: str, stop_after: int | None, resume: bool) -> list[Any]:
        torch.manual_seed(0)
        model = net(nn.Dropout(0.2))
        with track_pytorch_model(model, name=name, resume=resume) as tracked:
            for epoch in tracked.epochs(5):
                if epoch == stop_after:
                    raise KeyboardInterrupt
                tracked.train_epoch(loader(shuffle=True))
        return [p.detach().clone() for p in model.parameters()]

    whole = train("whole", None, False)
    with pytest.raises(KeyboardInterrupt):
        train("stopped", 3, False)
    assert store.get("stopped").status == "interrupted"
    resumed = train("stopped", None, True)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    record = store.get("stopped")
    assert (record.status, record.attempts, record.metrics["epochs"]) == ("completed", 2, 5)
    assert losses(store, "stopped") == losses(store, "whole")
    assert len(store.list()) == 2


@pytest.mark.parametrize(
    ("model", "target", "expected"),
    [
        (net(), LABELS, nn.CrossEntropyLoss),
        (net(nn.LogSoftmax(1)), LABELS, nn.NLLLoss),
        (net(nn.Softmax(1)), LABELS, LogOfSoftmaxLoss),
        (net(outputs=1), LABELS.float(), nn.BCEWithLogitsLoss),
        (net(nn.Sigmoid(), outputs=1), LABELS.float()[:, None], nn.BCELoss),
        (net(outputs=1), X[:, 1], nn.MSELoss),
        (net(outputs=3), X[:, :3], nn.MSELoss),
    ],
)
def test_the_loss_follows_from_the_last_layer_and_the_target(
    store: ExperimentStore, model: Any, target: Any, expected: type
) -> None:
    assert type(choose_loss(model, model(X), target)[0]) is expected
    with track_pytorch_model(model, name="net") as tracked:
        first = tracked.train_epoch(loader(target))
        for _ in range(15):
            last = tracked.train_epoch(loader(target))
        found = tracked.evaluate(loader(target))
    assert last < first
    assert np.isfinite(found["loss"])


def test_a_target_of_another_shape_is_not_broadcast(store: ExperimentStore) -> None:
    model = net(outputs=1)
    with track_pytorch_model(model, name="net", loss=nn.MSELoss()) as tracked:
        found = tracked.evaluate(loader(X[:, 1]))
    truth, output = X[:, 1].numpy(), model(X).detach().numpy()[:, 0]
    assert found["loss"] == pytest.approx(float(np.mean((truth - output) ** 2)), rel=1e-5)
    assert found["rmse"] == pytest.approx(found["loss"] ** 0.5, rel=1e-5)


def test_loss_and_optimizer_of_the_module_are_found(store: ExperimentStore) -> None:
    class WithParts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 2)
            self.criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

        def forward(self, x: Any) -> Any:
            return self.layer(x)

        def configure_optimizers(self) -> Any:
            return torch.optim.RMSprop(self.parameters(), lr=0.25)

    with track_pytorch_model(WithParts()) as tracked:
        tracked.train_epoch(loader())
    params = store.get("with-parts").params
    assert (params["loss"], params["optimizer"], params["optimizer_lr"]) == (
        "CrossEntropyLoss",
        "RMSprop",
        0.25,
    )


def test_batches_may_be_mappings(store: ExperimentStore) -> None:
    with track_pytorch_model(net(), name="net") as tracked:
        tracked.train_epoch([{"x": X, "labels": LABELS}])
        with pytest.raises(DataError, match="holds no target"):
            tracked.train_epoch([{"x": X}])
        with pytest.raises(DataError, match="no batch"):
            tracked.train_epoch([])


def test_a_loss_that_becomes_nan_is_noted(store: ExperimentStore) -> None:
    with track_pytorch_model(net(), name="net") as tracked:
        tracked.train_epoch([(X * float("nan"), LABELS)])
    assert "became NaN in epoch 0" in store.get("net").load_notes()


def test_a_loop_that_trains_nothing_is_told(store: ExperimentStore) -> None:
    with (
        pytest.raises(StateError, match="no epoch was trained"),
        track_pytorch_model(net(), name="n") as tracked,
    ):
        list(tracked.epochs(2))


def test_a_module_without_weights_is_a_failed_experiment_with_a_clear_error(store: ExperimentStore) -> None:
    with pytest.raises(DataError, match="no weights to train"):
        track_pytorch_model(nn.Tanh())
