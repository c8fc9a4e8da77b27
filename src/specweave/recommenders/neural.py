"""A denoising autoencoder of histories in PyTorch.

Reads: histories. Writes: nothing. Never: imported before somebody asks for it (PyTorch is an extra).
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from specweave.errors import MissingExtraError
from specweave.recommenders.base import Context, Recommender, emphasised


class NeuralAutoencoder(Recommender):
    """One hidden layer, multinomial loss, dropout on the input (the Mult-DAE of Liang et al. 2018).

    Parameters
    ----------
    hidden : int
    dropout : float
    epochs : int
    learning_rate, weight_decay : float
    batch : int
    rating_strength : float
    random_state : int, optional
    """

    def __init__(
        self, hidden: int = 200, dropout: float = 0.5, epochs: int = 40, learning_rate: float = 2e-3,
        weight_decay: float = 1e-2, batch: int = 128, rating_strength: float = 0.0, random_state: int | None = None,
    ) -> None:  # fmt: skip
        self.hidden, self.dropout, self.epochs, self.learning_rate = hidden, dropout, epochs, learning_rate
        self.weight_decay, self.batch, self.rating_strength = weight_decay, batch, rating_strength
        self.random_state = random_state

    def fit(self, history: sp.csr_matrix, context: Context) -> NeuralAutoencoder:
        """Train by AdamW; the weights are kept as arrays, so that answering needs no PyTorch.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        """
        try:
            import torch
        except ImportError as error:
            raise MissingExtraError.for_package("torch", "torch", "the neural recommender") from error
        before = torch.get_num_threads()
        torch.set_num_threads(max(1, context.threads))
        try:
            generator = torch.Generator().manual_seed(int(self.random_state or 0))
            X = emphasised(history, self.rating_strength)
            n_items = X.shape[1]

            def start(*shape: int) -> torch.Tensor:
                bound = float(np.sqrt(6.0 / sum(shape)))
                return ((torch.rand(*shape, generator=generator) * 2 - 1) * bound).requires_grad_()

            first, last = start(n_items, self.hidden), start(self.hidden, n_items)
            middle = torch.zeros(self.hidden, requires_grad=True)
            # Starting from popularity spares the first epochs.
            counts = np.asarray(X.sum(axis=0)).ravel() + 1.0
            bias = torch.tensor(np.log(counts / counts.sum()), dtype=torch.float32, requires_grad=True)
            optimiser = torch.optim.AdamW(
                [first, middle, last, bias], lr=self.learning_rate, weight_decay=self.weight_decay
            )
            rows = np.flatnonzero(np.diff(X.indptr))
            for _ in range(self.epochs):
                order = rows[torch.randperm(len(rows), generator=generator).numpy()]
                for at in range(0, len(order), self.batch):
                    x = torch.from_numpy(np.asarray(X[order[at : at + self.batch]].toarray()))
                    kept = torch.rand(x.shape, generator=generator) >= self.dropout
                    dropped = torch.nn.functional.normalize(x) * kept / (1 - self.dropout)
                    logits = torch.tanh(dropped @ first + middle) @ last + bias
                    loss = -(torch.log_softmax(logits, dim=1) * x).sum(dim=1).mean()
                    optimiser.zero_grad()
                    loss.backward()  # type: ignore[no-untyped-call]
                    optimiser.step()
        finally:
            torch.set_num_threads(before)
        self.weights_ = [t.detach().numpy() for t in (first, middle, last, bias)]
        return self

    def scores(self, history: sp.csr_matrix, users: np.ndarray) -> np.ndarray:
        """Return the log-odds of each item."""
        first, middle, last, bias = self.weights_
        X = emphasised(history, self.rating_strength)
        norms = np.sqrt(np.asarray(X.power(2).sum(axis=1))).ravel()
        unit = sp.diags(1.0 / np.maximum(norms, 1e-12)) @ X
        inside = np.tanh(np.asarray(unit @ first) + middle).astype(np.float64)
        return np.asarray(inside @ last.astype(np.float64) + bias, dtype=np.float32)
