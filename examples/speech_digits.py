"""Reads strings of spoken digits off their sound: log-mel bands, bidirectional LSTMs, CTC.

    python examples/speech_digits.py [--epochs 20] [--plot curves.png]

Real recordings of 0 to 9 by five voices in five languages are joined to strings of three to six digits, each by one
voice, with pauses, and every string gets its own loudness, tempo and noise. The strings of the test were never heard in
training. Needs the recordings (`chainrule data spoken_digits`).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import chainrule
from chainrule import keras, nn
from chainrule.datasets import spoken_digits

RATE = spoken_digits.SAMPLING_RATE
MOST = 6  # digits in a string
BANDS = 32
SECONDS = 6.5  # of every string: before it and after it there is noise


def recordings() -> dict[tuple[int, int], np.ndarray]:
    """The sound of (voice, digit) between its first and last loud sample, all about equally loud."""
    (x, length), (digit, voice) = spoken_digits.load_data()
    sounds = {}
    for row, n, d, v in zip(x, length, digit, voice, strict=True):
        sound = row[:n].astype("float64")
        loud = np.flatnonzero(np.abs(sound) > 0.03 * np.abs(sound).max())
        sound = sound[loud[0] : loud[-1] + 1]
        sounds[int(v), int(d)] = sound / np.sqrt(np.mean(sound * sound))
    return sounds


def mix(sounds: dict[tuple[int, int], np.ndarray], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One string: its sound, and its digits as classes 1 to 10 with zeros behind."""
    voice = rng.integers(1 + max(v for v, _ in sounds))
    digits = rng.integers(0, 10, rng.integers(3, MOST + 1))
    pieces = []
    for digit in digits:
        pieces += [np.zeros(int(RATE * rng.uniform(0.02, 0.15))), sounds[voice, digit]]
    sound = np.concatenate(pieces)
    tempo = rng.uniform(0.85, 1.2)
    sound = np.interp(np.arange(0, len(sound) - 1, tempo), np.arange(len(sound)), sound)
    whole = np.zeros(int(RATE * SECONDS))
    start = rng.integers(0, len(whole) - len(sound))
    whole[start : start + len(sound)] = sound
    noise = rng.standard_normal(len(whole)) * 10 ** (-rng.uniform(8, 25) / 20)  # 8 to 25 dB below the voice
    classes = np.zeros(MOST, "int32")
    classes[: len(digits)] = digits + 1
    return (whole + noise) * 10 ** (rng.uniform(-12, 12) / 20), classes


def features(sound: np.ndarray) -> np.ndarray:
    """(strings, samples) -> (strings, steps, bands): log-mel frames every 30 ms, each band from 0 with variance 1."""
    frames = nn.log_mel_spectrogram(sound.astype("float32"), RATE, 400, 240, 512, bands=BANDS, low=80).numpy()
    frames = frames - frames.mean(axis=1, keepdims=True)
    return frames / (frames.std(axis=1, keepdims=True) + 1e-3)


def strings(sounds: dict[tuple[int, int], np.ndarray], count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mixes = [mix(sounds, rng) for _ in range(count)]
    return features(np.stack([sound for sound, _ in mixes])), np.stack([digits for _, digits in mixes])


def distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Insertions, deletions and replacements that make b of a."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        before, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            before, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, before + (x != y))
    return row[-1]


def read_off(logits: np.ndarray) -> list[list[int]]:
    """The digits of each string."""
    labels, _ = keras.ops.ctc_decode(logits, np.full(len(logits), logits.shape[1]))
    return [[int(k) - 1 for k in row if k > 0] for row in labels[0].numpy()]


def error_rate(found: list[list[int]], y: np.ndarray) -> float:
    wanted = [[int(k) - 1 for k in row if k] for row in y]
    wrong = sum(distance(a, b) for a, b in zip(found, wanted, strict=True))
    return wrong / sum(map(len, wanted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--strings", type=int, default=3000, help="in training")
    parser.add_argument("--plot", help="where to write the picture of the curves")
    options = parser.parse_args()

    keras.utils.set_random_seed(1)
    sounds = recordings()
    start = time.perf_counter()
    x, y = strings(sounds, options.strings, seed=1)
    x_test, y_test = strings(sounds, 500, seed=2)
    print(f"{len(x)} strings for training, {len(x_test)} for the test, mixed in {time.perf_counter() - start:.1f} s")

    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Conv1D(64, 3, padding="same", activation="relu"),
            keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True)),
            keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True)),
            keras.layers.Dense(11),
        ]
    )
    model.summary()
    model.compile(keras.optimizers.Adam(0.002, clipnorm=1.0), loss="ctc")
    start = time.perf_counter()
    history = model.fit(x, y, epochs=options.epochs, batch_size=32, validation_data=(x_test, y_test), verbose=2)
    print(f"trained in {time.perf_counter() - start:.1f} s")

    logits = model.predict(x_test, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "digits.keras"
        model.save(path)
        again = keras.models.load_model(path).predict(x_test, verbose=0)
    print("saved and loaded:", "the same predictions" if np.array_equal(logits, again) else "OTHER predictions")
    if options.plot:
        chainrule.plot.curves(history, options.plot, title="Strings of spoken digits: BiLSTM, CTC", held_out="test")

    found = read_off(logits)
    for digits, row in list(zip(found, y_test, strict=True))[:5]:
        print("said", *(k - 1 for k in row if k), "  heard", *digits)
    print(f"character error rate on unseen mixes {error_rate(found, y_test):.4f}")


if __name__ == "__main__":
    main()
