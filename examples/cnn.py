"""Recognises digits and clothes with a convolutional network: Keras's mnist_convnet, and a larger one for clothes.

    python examples/cnn.py [--data mnist|fashion] [--epochs 12] [--plot curves.png]

Needs the images (`chainrule data mnist`, `chainrule data fashion_mnist`) and, for the picture, matplotlib
(`pip install 'chainrule[plot]'`).

Digits: .990 of the test images after 8 epochs (docs/images/cnn.png).
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time

import numpy as np

from chainrule import keras

layers = keras.layers


def small() -> keras.Sequential:
    """The network of Keras's example."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def large() -> keras.Sequential:
    """The same with padding and a hidden layer, since clothes differ in more than outlines."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.2),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.4),
            layers.Dense(10, activation="softmax"),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("mnist", "fashion"), default="mnist")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--plot", help="where to write the picture of the curves")
    options = parser.parse_args()

    data = keras.datasets.mnist if options.data == "mnist" else keras.datasets.fashion_mnist
    (x, y), (x_test, y_test) = data.load_data()
    x, x_test = x[..., None].astype("float32") / 255, x_test[..., None].astype("float32") / 255

    keras.utils.set_random_seed(0)
    model = small() if options.data == "mnist" else large()
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    history = model.fit(x, y, batch_size=128, epochs=options.epochs, validation_split=0.1, verbose=2)
    print(f"trained in {time.perf_counter() - start:.1f} s")
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    print(f"accuracy on {len(x_test)} images never seen: {accuracy:.4f}")

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "model.keras"
        model.save(path)
        again = keras.models.load_model(path)
    same = np.array_equal(model.predict(x_test, verbose=0), again.predict(x_test, verbose=0))
    print(f"saved, loaded again: predictions {'identical' if same else 'differ'}")

    if options.plot:
        from chainrule import plot

        plot.curves(history, options.plot, title=f"Convolutional network on {options.data}")
        print(f"curves: {options.plot}")


if __name__ == "__main__":
    main()
