"""The command `chainrule`: `train` a classifier on real images, fetch `data`, show `info`."""

from __future__ import annotations

import argparse
import importlib.util
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.datasets.cache import Data

BEST_FIRST = ("mnist", "fashion_mnist", "digits")
EPOCHS = {"mnist": 5, "fashion_mnist": 10, "digits": 40}  # until the test accuracy hardly rises
BRIGHTEST = {"mnist": 255, "fashion_mnist": 255, "digits": 16}  # the pixel value that becomes 1


class CommandError(Exception):
    """What the user should read in place of a traceback."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit status.

    Example:
        >>> chainrule.cli.main(["train", "--data", "digits", "--epochs", "5"])
    """
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except CommandError as error:
        print(f"chainrule {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"chainrule {options.command}: stopped", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    import chainrule

    parser = argparse.ArgumentParser(prog="chainrule", description="Deep learning on a plain CPU.")
    parser.add_argument("--version", action="version", version=f"chainrule {chainrule.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train_parser = commands.add_parser("train", help="train a classifier of images and test it")
    train_parser.add_argument(
        "--data", choices=["auto", *BEST_FIRST], default="auto", help="auto: the best set on this machine (default)"
    )
    train_parser.add_argument("--epochs", type=_positive, help="passes over the training images")
    train_parser.add_argument("--seed", type=_seed, default=0, help="of the first weights and the order of images (0)")
    train_parser.add_argument("--out", type=Path, help="the file of weights to write (chainrule-DATA.weights.npz)")
    train_parser.add_argument(
        "--plot",
        type=Path,
        help="the picture of the curves to write (chainrule-DATA.png where matplotlib is installed)",
    )
    train_parser.set_defaults(run=train)

    data_parser = commands.add_parser("data", help="fetch a data set into the cache folder")
    data_parser.add_argument("name", choices=["mnist", "fashion_mnist", "shakespeare", "spoken_digits"])
    data_parser.set_defaults(run=data)

    info_parser = commands.add_parser("info", help="show version, instruction set, threads, memory, data sets")
    info_parser.set_defaults(run=info)
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _seed(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**32:
        raise argparse.ArgumentTypeError(f"{number} is not within 0 to 2**32 - 1")
    return number


# ---- train


def train(options: argparse.Namespace) -> None:
    """`chainrule train`: the tutorials' classifier, from images to a tested, saved and reloaded model."""
    import numpy as np

    import chainrule
    from chainrule import keras

    name, ((x_train, y_train), (x_test, y_test)) = _images(options.data)
    x_train, x_test = (x.astype("float32") / BRIGHTEST[name] for x in (x_train, x_test))
    epochs = options.epochs or EPOCHS[name]
    weights = options.out or Path(f"chainrule-{name}.weights.npz")
    picture = options.plot
    if picture is None and importlib.util.find_spec("matplotlib"):
        picture = Path(f"chainrule-{name}.png")
    for path in (weights, picture):
        if path is not None and not path.parent.is_dir():
            raise CommandError(f"{path.parent} is not a folder; make it first, or name another file")

    keras.utils.set_random_seed(options.seed)
    model = _classifier(x_train.shape[1:])
    size = "x".join(str(length) for length in x_train.shape[1:])
    print(f"chainrule {chainrule.__version__}: {_machine()}")
    print(f"data      {name}: {len(x_train):,} images of {size} to train on, {len(x_test):,} to test on")
    print(f"model     Flatten, Dense(128, relu), Dense(10, softmax): {model.count_params():,} parameters")

    start = time.perf_counter()
    history = model.fit(
        x_train,
        y_train,
        epochs=epochs,
        batch_size=32,
        validation_data=(x_test, y_test),
        verbose=1 if sys.stdout.isatty() else 2,
    )
    seconds = time.perf_counter() - start

    model.save_weights(weights)
    again = _classifier(x_train.shape[1:])
    again.load_weights(weights)
    if not np.array_equal(again.predict(x_test, verbose=0), model.predict(x_test, verbose=0)):
        raise CommandError(f"the model loaded from {weights} predicts something else than the one that was saved")
    print(f"saved     {weights}; loaded again, it predicts the same for all {len(x_test):,} test images")
    if picture is not None:
        from chainrule import plot

        plot.curves(history, picture, title=f"{name}: Dense(128, relu), Dense(10, softmax), adam", held_out="test")
        print(f"curves    {picture}")

    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    steps = epochs * math.ceil(len(x_train) / 32)
    print(f"trained   {epochs} epochs, {steps:,} steps in {seconds:.2f} s")
    print(f"test accuracy {accuracy:.4f}")


def _images(chosen: str) -> tuple[str, Data]:
    from chainrule import datasets

    here = datasets.available()
    name = next(name for name in BEST_FIRST if name in here) if chosen == "auto" else chosen
    try:
        return name, getattr(datasets, name).load_data()
    except (FileNotFoundError, ValueError) as error:  # not here, or damaged
        raise CommandError(str(error)) from error


def _classifier(shape: tuple[int, ...]) -> Any:
    from chainrule import keras

    model = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# ---- data, info


def data(options: argparse.Namespace) -> None:
    """`chainrule data NAME`: fetches a set into the cache folder."""
    from chainrule import datasets

    try:
        path = datasets.install(options.name)
    except RuntimeError as error:
        raise CommandError(str(error)) from error
    print(f"{options.name} is in {path} ({path.stat().st_size / 1e6:.0f} MB)")


def info(options: argparse.Namespace) -> None:
    """`chainrule info`: what a bug report should say."""
    import platform

    import numpy as np

    import chainrule
    from chainrule import _core, datasets

    memory = _core.memory_stats()
    print(f"chainrule     {chainrule.__version__}")
    print(f"python        {platform.python_version()} ({platform.system()} {platform.machine()})")
    print(f"numpy         {np.__version__}")
    print(f"instructions  {_core.isa()} of {', '.join(_core.available_isas())}")
    print(f"threads       {_core.num_threads()} of {_core.usable_cpus()} usable processors")
    print(
        f"memory        {_resident_memory()}; tensors {memory['in_use']:,} bytes, kept for reuse {memory['cached']:,}"
    )
    print(f"data          {', '.join(datasets.available())}; cache folder {datasets.cache_folder()}")


def _resident_memory() -> str:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"peak {peak * (1 if sys.platform == 'darwin' else 1024) / 1e6:.0f} MB"


def _machine() -> str:
    from chainrule import _core

    threads = _core.num_threads()
    return f"{_core.isa()}, {threads} thread{'' if threads == 1 else 's'}"
