"""Images in files, data sets of folders, files from addresses."""

from __future__ import annotations

import hashlib
import tarfile
import wave
import zipfile
from pathlib import Path

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import layers


def test_arrays_of_images():
    array = np.arange(12.0).reshape(3, 4)
    assert keras.utils.img_to_array(array).shape == (3, 4, 1)
    assert keras.utils.img_to_array(array, "channels_first").shape == (1, 3, 4)
    with pytest.raises(ValueError, match="2 or 3 axes"):
        keras.utils.img_to_array(np.zeros(3))
    resized = keras.preprocessing.image.smart_resize(np.ones((4, 8, 3)), (2, 2))
    assert resized.shape == (2, 2, 3)
    assert isinstance(resized, np.ndarray)


def test_image_files_and_folders(tmp_path):
    pytest.importorskip("PIL", reason="image files need Pillow")
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 5, 3)).astype("float32")
    keras.utils.save_img(tmp_path / "one.png", pixels, scale=False)
    loaded = keras.utils.load_img(tmp_path / "one.png")
    np.testing.assert_array_equal(keras.utils.img_to_array(loaded), pixels)
    assert loaded.size == (5, 6)
    assert keras.utils.load_img(tmp_path / "one.png", "grayscale", target_size=(3, 2)).size == (2, 3)
    np.testing.assert_array_equal(keras.utils.array_to_img(pixels, scale=False), pixels.astype("uint8"))
    with pytest.raises(ValueError, match="color_mode"):
        keras.utils.load_img(tmp_path / "one.png", "hsv")

    root = tmp_path / "set"
    for name, shade in (("dark", 10), ("light", 200)):
        (root / name).mkdir(parents=True)
        for i in range(5):
            keras.utils.save_img(root / name / f"{i}.png", np.full((4, 4, 3), shade), scale=False)
    options = {"image_size": (4, 4), "batch_size": 4, "verbose": False, "seed": 1}
    whole = keras.utils.image_dataset_from_directory(root, **options)
    assert whole.class_names == ["dark", "light"]
    assert len(whole) == 3
    seen = {(float(x[0, 0, 0]), int(y)) for images, labels in whole for x, y in zip(images, labels, strict=True)}
    assert seen == {(10.0, 0), (200.0, 1)}
    train, held_out = keras.utils.image_dataset_from_directory(root, validation_split=0.3, subset="both", **options)
    assert not set(train.file_paths) & set(held_out.file_paths)
    assert len(train.file_paths) == 7
    one_hot = keras.utils.image_dataset_from_directory(root, label_mode="categorical", **options)
    assert one_hot[0][1].shape == (4, 2)
    for images, labels in train.map(lambda x, y: (x / 255, y)).cache().prefetch(1).take(1):
        assert images.numpy().max() < 1
        assert labels.numpy().dtype == "int32"
    model = keras.Sequential([keras.Input((4, 4, 3)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05), loss, metrics=["accuracy"])
    model.fit(train, validation_data=held_out, epochs=5, verbose=0)
    assert model.evaluate(whole, verbose=0)[1] == 1.0
    with pytest.raises(ValueError, match="seed"):
        keras.utils.image_dataset_from_directory(root, validation_split=0.3, subset="training", verbose=False)
    with pytest.raises(ValueError, match="no folder"):
        keras.utils.image_dataset_from_directory(tmp_path / "nowhere")


def test_text_folders(tmp_path):
    for name, words in (("no", "bad bad film"), ("yes", "good film")):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.txt").write_text(f"{words} {i}", encoding="utf-8")
    data = keras.utils.text_dataset_from_directory(tmp_path, batch_size=2, shuffle=False, verbose=False)
    texts, labels = data[0]
    assert texts.tolist() == ["bad bad film 0", "bad bad film 1"]
    np.testing.assert_array_equal(labels, [0, 0])
    vectors = layers.TextVectorization(output_mode="multi_hot")
    vectors.adapt(data.map(lambda x, y: x))
    assert vectors.get_vocabulary()[:4] == ["[UNK]", "film", "bad", "good"]
    numbers = data.map(lambda x, y: (vectors(x), y))
    model = keras.Sequential([keras.Input((vectors.vocabulary_size(),)), layers.Dense(2, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(numbers, epochs=10, verbose=0)
    assert model.evaluate(numbers, verbose=0)[1] == 1.0


def test_get_file(tmp_path):
    source = tmp_path / "words.txt"
    source.write_bytes(b"one two")
    digest = hashlib.sha256(b"one two").hexdigest()
    options = {"origin": source.as_uri(), "cache_dir": tmp_path / "cache"}
    path = keras.utils.get_file(file_hash=digest, **options)
    assert path == str(tmp_path / "cache" / "datasets" / "words.txt")
    source.write_bytes(b"other")
    assert Path(keras.utils.get_file(file_hash=digest, **options)).read_bytes() == b"one two"  # kept
    with pytest.raises(ValueError, match="digest"):
        keras.utils.get_file(file_hash=digest, force_download=True, **options)
    assert Path(keras.utils.get_file(force_download=True, **options)).read_bytes() == b"other"
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        tar.add(source, "in/words.txt")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as packed:
        packed.write(source, "in/words.txt")
    for archive in ("a.tar.gz", "b.zip"):
        folder = keras.utils.get_file(origin=(tmp_path / archive).as_uri(), extract=True, cache_dir=tmp_path / "cache")
        assert Path(folder, "in/words.txt").read_bytes() == b"other"
    with pytest.raises(ValueError, match="origin"):
        keras.utils.get_file("x")


def write_wave(path, samples, rate=8000):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples * 32768).astype("<i2").tobytes())


def test_sounds(tmp_path):
    for number, name in enumerate(("no", "yes")):
        for i in range(3):
            write_wave(tmp_path / name / f"{i}.wav", np.full((100 + 10 * i, 1), (number + 1) / 8))
    found = keras.utils.audio_dataset_from_directory(tmp_path, batch_size=4, shuffle=False, verbose=False)
    assert found.class_names == ["no", "yes"]
    (first, labels), (second, _) = list(found)
    assert first.shape == (4, 120, 1)
    assert second.shape == (2, 120, 1)
    np.testing.assert_array_equal(labels, [0, 0, 0, 1])
    np.testing.assert_array_equal(first.numpy()[:, 99:101, 0], [[0.125, 0], [0.125, 0.125], [0.125, 0.125], [0.25, 0]])
    fixed = keras.utils.audio_dataset_from_directory(tmp_path, output_sequence_length=50, verbose=False)
    assert next(iter(fixed))[0].shape == (6, 50, 1)


def test_sounds_resampled(tmp_path):
    def tone(rate):
        return 0.5 * np.sin(2 * np.pi * 200 * np.arange(rate // 10) / rate)[:, None]

    write_wave(tmp_path / "a" / "x.wav", np.repeat(tone(8000), 2, axis=1))
    for rate in (4000, 16000):
        found = keras.utils.audio_dataset_from_directory(tmp_path, labels=None, sampling_rate=rate, verbose=False)
        np.testing.assert_allclose(next(iter(found)).numpy()[0], np.repeat(tone(rate), 2, axis=1), atol=1e-3)


def test_wrong_sounds(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.wav").write_bytes(b"not a sound")
    with pytest.raises(ValueError, match=r"x\.wav"):
        next(iter(keras.utils.audio_dataset_from_directory(tmp_path, verbose=False)))
    with pytest.raises(ValueError, match="ragged"):
        keras.utils.audio_dataset_from_directory(tmp_path, ragged=True)
    with pytest.raises(ValueError, match="sampling_rate"):
        keras.utils.audio_dataset_from_directory(tmp_path, sampling_rate=-1)
