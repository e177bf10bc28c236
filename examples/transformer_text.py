"""Learns to write like Shakespeare, a character at a time: a small transformer (Vaswani et al. 2017, norms first).

    python examples/transformer_text.py [--epochs 2] [--plot curves.png] [--text FILE]

Prints the bits per character on a part of the text that it was not trained on (2.16 after the two epochs), and a
sample. Needs the text
(`chainrule data shakespeare`), or another one by --text, and for the picture matplotlib
(`pip install 'chainrule[plot]'`).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

import chainrule
from chainrule import keras

WINDOW, WIDTH, HEADS, BLOCKS, BATCH = 64, 128, 4, 3, 64
layers = keras.layers


class Tokens(layers.Layer):
    """Characters as vectors: what each one is, plus where it stands."""

    def __init__(self, characters: int, window: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.what, self.where = layers.Embedding(characters, width), layers.Embedding(window, width)
        self.autocast = False

    def call(self, inputs: Any) -> Any:
        return self.what(inputs) + self.where(np.arange(inputs.shape[1]))


def transformer(characters: int) -> Any:
    inputs = keras.Input((WINDOW,), dtype="uint8")
    x = Tokens(characters, WINDOW, WIDTH)(inputs)
    for _ in range(BLOCKS):
        y = layers.LayerNormalization()(x)
        x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(y, y, use_causal_mask=True)
        y = layers.Dense(4 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(WIDTH)(y)
    return keras.Model(inputs, layers.Dense(characters)(layers.LayerNormalization()(x)))


def write(model: Any, ids: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """``count`` more characters after ``ids``, each drawn by the probabilities the model gives it."""
    out = list(ids)
    for _ in range(count):
        window = np.zeros((1, WINDOW), "uint8")
        known = out[-WINDOW:]
        window[0, : len(known)] = known
        logits = np.array(model(window))[0, len(known) - 1].astype("float64")
        p = np.exp(logits - logits.max())
        out.append(rng.choice(len(p), p=p / p.sum()))
    return np.array(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--plot", help="where to write the picture of the curves")
    parser.add_argument("--text", type=Path, help="another text than Shakespeare's works")
    options = parser.parse_args()

    keras.utils.set_random_seed(1)
    text = options.text.read_text(encoding="utf-8") if options.text else chainrule.datasets.shakespeare.load_data()
    alphabet, ids = np.unique(np.array(list(text)), return_inverse=True)
    count = (len(ids) - 1) // WINDOW
    x = ids[: count * WINDOW].reshape(count, WINDOW).astype("uint8")
    y = ids[1 : count * WINDOW + 1].reshape(count, WINDOW).astype("int64")
    train = count * 19 // 20
    print(f"{len(ids):,} characters, {len(alphabet)} different ones; the last 20th is held out")

    model = transformer(len(alphabet))
    steps = options.epochs * -(-train // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(1e-4, steps, alpha=0.02, warmup_target=3e-3, warmup_steps=200)
    model.compile(keras.optimizers.Adam(rate), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    start = time.perf_counter()
    history = model.fit(
        x[:train], y[:train], batch_size=BATCH, epochs=options.epochs, validation_data=(x[train:], y[train:]), verbose=2
    )
    seconds = time.perf_counter() - start
    print(f"{model.count_params():,} weights trained in {seconds:.0f} s, {1000 * seconds / steps:.0f} ms a step")
    if options.plot:
        chainrule.plot.curves(
            history, options.plot, title="Transformer on Shakespeare, nats a character", held_out="test"
        )
    opening = np.searchsorted(alphabet, list("ROMEO. "))
    print("".join(alphabet[write(model, opening, 400, np.random.default_rng(1))]))
    loss = model.evaluate(x[train:], y[train:], batch_size=BATCH, verbose=0)
    print(f"{loss / math.log(2):.3f} bits per character on the held-out text")


if __name__ == "__main__":
    main()
