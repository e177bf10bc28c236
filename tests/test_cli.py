"""The command `chainrule`, in a process of its own where its output counts, in this one where files do."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest

import chainrule
from chainrule import cli, keras, plot


def run(*arguments: str, cwd=None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "chainrule", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


def classifier():
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def test_train_on_digits(tmp_path):
    done = run("train", "--data", "digits", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last = done.stdout.strip().splitlines()[-1]
    accuracy = float(re.fullmatch(r"test accuracy (0\.\d{4}|1\.0000)", last).group(1))
    # On this split (other people's hands) scikit-learn's MLPClassifier of this size reaches .908 in 40 epochs.
    assert accuracy >= 0.89
    assert "1,437 images of 8x8 to train on, 360 to test on" in done.stdout
    assert "9,610 parameters" in done.stdout
    assert "it predicts the same for all 360 test images" in done.stdout
    assert "40 epochs, 1,800 steps" in done.stdout

    model = classifier()
    model.load_weights(tmp_path / "chainrule-digits.weights.npz")
    (_, _), (x_test, y_test) = chainrule.datasets.digits.load_data()
    found = model.predict(x_test.astype("float32") / 16, verbose=0).argmax(axis=1)
    assert round(float((found == y_test).mean()), 4) == accuracy

    picture = tmp_path / "chainrule-digits.png"
    assert picture.exists() == (importlib.util.find_spec("matplotlib") is not None)


def test_same_seed_same_weights(tmp_path):
    weights = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        path = tmp_path / f"{name}.weights.npz"
        assert cli.main(["train", "--data", "digits", "--epochs", "1", "--seed", str(seed), "--out", str(path)]) == 0
        model = classifier()
        model.load_weights(path)
        weights.append(model.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(weights[0], weights[1], strict=True))
    assert not all(np.array_equal(a, c) for a, c in zip(weights[0], weights[2], strict=True))


def test_auto_takes_the_best_set_there_is(monkeypatch):
    part = np.zeros((5, 28, 28), np.uint8), np.arange(5, dtype=np.uint8)
    monkeypatch.setattr(chainrule.datasets.mnist, "load_data", lambda: (part, part))
    monkeypatch.setattr(chainrule.datasets, "available", lambda: ["fashion_mnist", "mnist", "digits"])
    assert cli._images("auto") == ("mnist", (part, part))
    monkeypatch.setattr(chainrule.datasets, "available", lambda: ["digits"])
    name, ((x_train, _), _) = cli._images("auto")
    assert name == "digits"
    assert x_train.shape == (1437, 8, 8)


def test_missing_set(tmp_path, monkeypatch, capsys):
    def missing(path=None):
        raise FileNotFoundError("MNIST is not on this machine: run `chainrule data mnist`")

    monkeypatch.setattr(chainrule.datasets.mnist, "load_data", missing)
    assert cli.main(["train", "--data", "mnist"]) == 1
    assert (
        capsys.readouterr().err.strip() == "chainrule train: MNIST is not on this machine: run `chainrule data mnist`"
    )


def test_folder_of_the_output_must_exist(tmp_path, capsys):
    path = tmp_path / "nowhere" / "x.weights.npz"
    assert cli.main(["train", "--data", "digits", "--out", str(path)]) == 1
    assert f"{tmp_path / 'nowhere'} is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["train", "--epochs", "0"], ["train", "--seed", "-1"], ["train", "--data", "cifar"], ["fly"], []]
)
def test_wrong_arguments(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert "usage: chainrule" in capsys.readouterr().err


def test_data_reports_failure(monkeypatch, capsys):
    def fail(name):
        raise RuntimeError("install: no network")

    monkeypatch.setattr(chainrule.datasets, "install", fail)
    assert cli.main(["data", "mnist"]) == 1
    assert "chainrule data: install: no network" in capsys.readouterr().err


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"chainrule {chainrule.__version__}\n"


def test_info():
    done = run("info")
    assert done.returncode == 0, done.stderr
    lines = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in done.stdout.strip().splitlines())
    assert lines["chainrule"] == chainrule.__version__
    assert lines["numpy"] == np.__version__
    assert re.match(r"x86_64_v[234]|aarch64", lines["instructions"])
    assert int(lines["threads"].split()[0]) >= 1
    assert "digits" in lines["data"]


def test_curves(tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    history = {"loss": [1.0, 0.5], "val_loss": [1.1, 0.7], "accuracy": [0.5, 0.8], "val_accuracy": [0.4, 0.7]}
    figure = plot.curves(history, tmp_path / "curves.png", title="two epochs", held_out="test")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert set(panels) == {"loss", "accuracy"}
    lines = {line.get_label(): line.get_ydata().tolist() for line in panels["loss"].lines}
    assert lines == {"training": [1.0, 0.5], "test": [1.1, 0.7]}


def test_curves_of_nothing():
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed")
    with pytest.raises(ValueError, match="at least one epoch"):
        plot.curves({"loss": []})


def test_curves_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"pip install 'chainrule\[plot\]'"):
        plot.curves({"loss": [1.0]})
