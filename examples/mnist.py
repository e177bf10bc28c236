"""Recognises handwritten digits: the tutorials' ten lines of Keras, on MNIST, with the curves of the training.

    python examples/mnist.py [--fashion] [--epochs 10] [--plot curves.png]

Needs MNIST (`chainrule data mnist`) and, for the picture, matplotlib (`pip install 'chainrule[plot]'`).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import chainrule
from chainrule import keras


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fashion", action="store_true", help="clothes in place of digits")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--plot", help="where to write the picture of the curves")
    options = parser.parse_args()

    keras.utils.set_random_seed(1)
    source = keras.datasets.fashion_mnist if options.fashion else keras.datasets.mnist
    (x_train, y_train), (x_test, y_test) = source.load_data()
    x_train, x_test = x_train.astype("float32") / 255, x_test.astype("float32") / 255

    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.summary()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])

    start = time.perf_counter()
    history = model.fit(
        x_train, y_train, epochs=options.epochs, batch_size=256, validation_data=(x_test, y_test), verbose=2
    )
    print(f"trained in {time.perf_counter() - start:.1f} s")

    if options.plot:
        name = "Fashion-MNIST" if options.fashion else "MNIST"
        layers = "Dense(512, relu), Dropout(.2), Dense(10, softmax)"
        chainrule.plot.curves(history, options.plot, title=f"{name}: {layers}, Adam", held_out="test")

    p = model.predict(x_test, verbose=0)
    wrong = np.flatnonzero(p.argmax(axis=1) != y_test)
    surest = wrong[np.argsort(-p[wrong].max(axis=1))][:5]
    for i in surest:
        print(f"test image {i}: a {y_test[i]}, taken for a {p[i].argmax()} with probability {p[i].max():.3f}")
    print(f"test accuracy {1 - len(wrong) / len(y_test):.4f}")


if __name__ == "__main__":
    main()
