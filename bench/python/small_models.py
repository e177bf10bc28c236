"""Small networks through the Keras face, against the same arithmetic written by hand in NumPy.

    python bench/python/small_models.py [--only linreg mlp128 predict] [--rounds 5] [--out results.json]

linreg: Dense(1), SGD, batch 32 of 100 rows, one epoch of 4 steps. mlp128: 784-128-10, Adam, batch 32, one step.
predict: one row through 784-128-10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import harness
import numpy as np

from chainrule import keras

EPOCHS, STEPS, BATCH = 250, 400, 32


def linreg() -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    rng = np.random.default_rng(0)
    x = rng.random((100, 1), np.float32)
    y = 3 * x + rng.random((100, 1), np.float32)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")

    w, b = np.zeros((1, 1), np.float32), np.zeros(1, np.float32)

    def by_hand() -> None:
        for _ in range(EPOCHS):
            order = rng.permutation(100)
            for first in range(0, 100, BATCH):
                rows = order[first : first + BATCH]
                xb = x[rows]
                g = (xb @ w + b - y[rows]) * np.float32(2 / len(rows))
                np.subtract(w, np.float32(0.01) * (xb.T @ g), out=w)
                np.subtract(b, np.float32(0.01) * g.sum(0), out=b)

    return EPOCHS, lambda: model.fit(x, y, epochs=EPOCHS, verbose=0), by_hand


def mlp128() -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    rng = np.random.default_rng(0)
    n = STEPS * BATCH
    x = rng.random((n, 784), np.float32)
    y = rng.integers(0, 10, n)
    model = _mlp()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")

    weights = [w.copy() for w in model.get_weights()]
    first, second = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    step = 0

    def by_hand() -> None:
        nonlocal step
        order = rng.permutation(n)
        for start in range(0, n, BATCH):
            rows = order[start : start + BATCH]
            xb, yb = x[rows], y[rows]
            h = np.maximum(xb @ weights[0] + weights[1], 0)
            z = h @ weights[2] + weights[3]
            p = np.exp(z - z.max(1, keepdims=True))
            p /= p.sum(1, keepdims=True)
            p[np.arange(BATCH), yb] -= 1
            p *= np.float32(1 / BATCH)
            dh = (p @ weights[2].T) * (h > 0)
            step += 1
            rate = np.float32(0.001 * (1 - 0.999**step) ** 0.5 / (1 - 0.9**step))
            for w, m, v, g in zip(weights, first, second, (xb.T @ dh, dh.sum(0), h.T @ p, p.sum(0)), strict=True):
                m += (g - m) * np.float32(0.1)
                v += (g * g - v) * np.float32(0.001)
                w -= rate * m / (np.sqrt(v) + np.float32(1e-7))

    return STEPS, lambda: model.fit(x, y, batch_size=BATCH, verbose=0), by_hand


def predict() -> tuple[int, Callable[[], Any], Callable[[], Any]]:
    model = _mlp()
    x = np.random.default_rng(0).random((1, 784), np.float32)
    w0, b0, w1, b1 = model.get_weights()

    def by_hand() -> Any:
        z = np.maximum(x @ w0 + b0, 0) @ w1 + b1
        p = np.exp(z - z.max(1, keepdims=True))
        return p / p.sum(1, keepdims=True)

    return 1, lambda: model.predict_on_batch(x), by_hand


def _mlp() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((784,)), layers.Dense(128, activation="relu"), layers.Dense(10, activation="softmax")]
    )


WORK = {"linreg, an epoch": linreg, "mlp128, a step": mlp128, "predict, a row": predict}


def main() -> None:
    options = harness.parser(__doc__)
    options.set_defaults(rounds=5)
    options = options.parse_args()
    rows = []
    for name, make in WORK.items():
        if harness.wanted(options, name):
            units, ours, theirs = make()
            row = harness.measure(name, {"chainrule": ours, "numpy": theirs}, options.rounds)
            row.samples = {who: [seconds / units for seconds in samples] for who, samples in row.samples.items()}
            rows.append(row)
    harness.report(rows, options.out)


if __name__ == "__main__":
    main()
