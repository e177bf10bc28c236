"""Learns to write like Shakespeare, character by character: an LSTM on all of his works.

    python examples/lstm_text.py [--epochs 3] [--units 256] [--plot curves.png]

Needs the text (`chainrule data shakespeare`) and, for the picture, matplotlib (`pip install 'chainrule[plot]'`).

The last tenth of the text (from `Timon of Athens` on) is held out. The figure is the cross-entropy of the next
character in bits: 6.4 for guessing among the 84 characters, about 4.8 when only their frequencies are known.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

import chainrule
from chainrule import keras

layers = keras.layers


def build(characters: int, units: int, batch_shape: tuple[int | None, int | None], stateful: bool) -> keras.Sequential:
    return keras.Sequential(
        [
            keras.Input(batch_shape=batch_shape, dtype="int32"),
            layers.Embedding(characters, 64),
            layers.LSTM(units, return_sequences=True, stateful=stateful),
            layers.Dense(characters),
        ]
    )


def sequences(numbers: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Runs of characters, and the characters that follow each."""
    count = (len(numbers) - 1) // steps
    return numbers[: count * steps].reshape(count, steps), numbers[1 : count * steps + 1].reshape(count, steps)


def write(model: keras.Model, start: np.ndarray, length: int, temperature: float = 0.7) -> list[int]:
    """Continues `start`: each character is drawn from the model's distribution, sharpened by the temperature."""
    rng = np.random.default_rng(0)
    written = list(start)
    for number in start[:-1]:
        model.predict_on_batch(np.array([[number]], "int32"))
    for _ in range(length):
        scores = model.predict_on_batch(np.array([[written[-1]]], "int32"))[0, 0] / temperature
        p = np.exp(scores - scores.max()).astype("float64")
        written.append(int(rng.choice(len(p), p=p / p.sum())))
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--plot", help="where to write the picture of the curves")
    options = parser.parse_args()

    keras.utils.set_random_seed(1)
    text = chainrule.datasets.shakespeare.load_data()
    characters, numbers = np.unique(np.array(list(text)), return_inverse=True)
    numbers = numbers.astype("int32")
    cut = len(numbers) * 9 // 10
    x, y = sequences(numbers[:cut], 64)
    x_test, y_test = sequences(numbers[cut:], 64)

    model = build(len(characters), options.units, (None, None), stateful=False)
    model.summary()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    parts = 4  # points of the curve for each pass over the text
    steps = len(x) // 32 // parts
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, steps * parts * options.epochs)
    model.compile(keras.optimizers.Adam(schedule, global_clipnorm=1.0), loss, metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(
        x,
        y,
        batch_size=32,
        epochs=parts * options.epochs,
        steps_per_epoch=steps,
        validation_data=(x_test, y_test),
        verbose=2,
    )
    print(f"trained in {time.perf_counter() - start:.0f} s")
    if options.plot:
        title = f"Shakespeare by characters: LSTM({options.units}), Adam"
        chainrule.plot.curves(history, options.plot, title=title, held_out="held-out works")

    writer = build(len(characters), options.units, (1, 1), stateful=True)
    writer.set_weights(model.get_weights())
    opening = np.searchsorted(characters, list("KING HENRY.\n"))
    print("".join(characters[write(writer, opening, 400)]))
    print(f"bits per character {model.evaluate(x_test, y_test, batch_size=64, verbose=0)[0] / math.log(2):.3f}")


if __name__ == "__main__":
    main()
