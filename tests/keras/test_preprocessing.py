"""Layers that prepare data: numbers, classes, strings, text, images."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers, ops
from chainrule.keras.layers.hashing import fingerprint64, siphash

RNG = np.random.default_rng(3)
X = RNG.normal(2.0, 3.0, size=(40, 4)).astype("float32")
IMAGES = RNG.uniform(0, 255, size=(3, 8, 10, 3)).astype("float32")


def test_normalization_learns_moments_from_arrays_and_batches():
    whole, parts = layers.Normalization(), layers.Normalization()
    whole.adapt(X)
    parts.adapt(X[i : i + 7] for i in range(0, 40, 7))
    for layer in (whole, parts):
        np.testing.assert_allclose(layer.mean.numpy()[0], X.mean(0), rtol=1e-5)
        np.testing.assert_allclose(layer.variance.numpy()[0], X.var(0), rtol=1e-5)
        np.testing.assert_allclose(layer(X), (X - X.mean(0)) / X.std(0), rtol=1e-4, atol=1e-5)
    assert int(whole.count.numpy()) == 40
    back = layers.Normalization(mean=X.mean(0), variance=X.var(0), invert=True)
    np.testing.assert_allclose(back(whole(X)), X, rtol=1e-4, atol=1e-5)
    pooled = layers.Normalization(axis=None)
    pooled.adapt(X)
    np.testing.assert_allclose(pooled(X), (X - X.mean()) / X.std(), rtol=1e-4, atol=1e-5)
    images = layers.Normalization(axis=-1)
    images.adapt(IMAGES)
    np.testing.assert_allclose(ops.mean(images(IMAGES), axis=(0, 1, 2)), np.zeros(3), atol=1e-4)


def test_rescaling_with_channels():
    np.testing.assert_allclose(layers.Rescaling(1 / 255, -0.5)(IMAGES.astype("uint8")).numpy().min(), -0.5, atol=0.1)
    scaled = layers.Rescaling([1.0, 2.0, 3.0], offset=[0.0, 1.0, 0.0])(IMAGES)
    np.testing.assert_allclose(scaled, IMAGES * [1, 2, 3] + [0, 1, 0], rtol=1e-6)


def test_discretization_and_category_codes():
    layer = layers.Discretization(bin_boundaries=[0.0, 1.0, 2.0])
    np.testing.assert_array_equal(layer([[-0.5, 0.0, 0.3], [1.0, 1.9, 9.0]]), [[0, 1, 1], [2, 2, 3]])
    learned = layers.Discretization(num_bins=4)
    learned.adapt(np.arange(400.0))
    counts = np.bincount(learned(np.arange(400.0)).numpy(), minlength=4)
    assert abs(counts - 100).max() <= 4
    again = layers.Discretization.from_config(learned.get_config())
    np.testing.assert_array_equal(again(np.arange(400.0)), learned(np.arange(400.0)))
    inputs = np.array([[3, 2, 0, 2]])
    codes = {
        "one_hot": np.eye(4)[inputs],
        "multi_hot": [[1, 0, 1, 1]],
        "count": [[1, 0, 2, 1]],
    }
    for mode, expected in codes.items():
        layer = layers.CategoryEncoding(4, output_mode=mode)
        np.testing.assert_array_equal(layer(inputs), expected)
        assert layer.compute_output_shape((None, 4)) == (None, *np.shape(expected)[1:])
    weighted = layers.CategoryEncoding(4, output_mode="count")(inputs, count_weights=np.array([[0.5, 1, 2, 3]]))
    np.testing.assert_array_equal(weighted, [[2, 0, 4, 0.5]])


def test_string_and_integer_lookup():
    words = [["dog", "cat", "cat"], ["bird", "bird", "fish"]]
    layer = layers.StringLookup()
    layer.adapt(np.array(words))
    assert layer.get_vocabulary() == ["[UNK]", "cat", "bird", "fish", "dog"]  # ties: from the end of the alphabet
    np.testing.assert_array_equal(layer([["dog", "cow"]]), [[4, 0]])
    back = layers.StringLookup(vocabulary=layer.get_vocabulary(), invert=True)
    assert back([[4, 0]]).tolist() == [["dog", "[UNK]"]]
    masked = layers.StringLookup(vocabulary=["a", "b"], mask_token="", num_oov_indices=0)
    np.testing.assert_array_equal(masked(["", "b", "a"]), [0, 2, 1])
    with pytest.raises(ValueError, match="'c' is not in the vocabulary"):
        masked(["c"])
    hot = layers.StringLookup(vocabulary=["a", "b"], output_mode="multi_hot", max_tokens=5, pad_to_max_tokens=True)
    np.testing.assert_array_equal(hot([["b", "z"], ["a", "a"]]), [[1, 0, 1, 0, 0], [0, 1, 0, 0, 0]])
    numbers = layers.IntegerLookup(vocabulary=[12, 36, 1138], num_oov_indices=2)
    np.testing.assert_array_equal(numbers(np.array([[1138, 7], [12, 8]])), [[4, 1], [2, 0]])
    idf = layers.StringLookup(output_mode="tf_idf")
    idf.adapt(words)
    codes = idf([["cat", "cat", "bird"]]).numpy()[0]
    np.testing.assert_allclose(codes[idf.get_vocabulary().index("cat")], 2 * np.log(1 + 2 / 2), rtol=1e-6)
    for one in (layer, masked, hot, numbers, idf):
        clone = type(one).from_config(one.get_config())
        assert clone.get_vocabulary() == one.get_vocabulary()


def test_text_vectorization():
    layer = layers.TextVectorization(output_sequence_length=4)
    layer.adapt(["The cat sat.", "the DOG!"])
    assert layer.get_vocabulary() == ["", "[UNK]", "the", "sat", "dog", "cat"]
    np.testing.assert_array_equal(layer(["the bird sat", "dog"]), [[2, 1, 3, 0], [4, 0, 0, 0]])
    assert layer("cat the").shape == (4,)
    again = layers.TextVectorization.from_config(layer.get_config())
    np.testing.assert_array_equal(again([["cat sat"]]), layer([["cat sat"]]))
    grams = layers.TextVectorization(ngrams=2, output_mode="count", vocabulary=["a", "b", "a b"])
    np.testing.assert_array_equal(grams(["a b a b c"]), [[3, 2, 2, 2]])  # "b a", "c", "b c" are unknown
    own = layers.TextVectorization(standardize=np.char.upper, split="character", vocabulary=["A", "B"])
    np.testing.assert_array_equal(own(["ab", "bz"]), [[2, 3], [3, 1]])
    x = keras.Input((4,), dtype="int64")
    model = keras.Model(x, layers.Dense(1)(layers.Flatten()(layers.Embedding(6, 2)(x))))
    model.compile("sgd", "mse")
    model.fit(layer(["the cat", "a dog"]), np.zeros((2, 1)), verbose=0)


def test_hashes():
    # Fingerprint64 and SipHash-2-4 as published, and as TensorFlow's ops give them
    assert fingerprint64(b"") == 0x9AE16A3B2F90404F
    key = tuple(int.from_bytes(bytes(range(8 * i, 8 * i + 8)), "little") for i in range(2))
    assert siphash(bytes(range(15)), key) == 0xA129CA6149BE45E5
    np.testing.assert_array_equal(layers.Hashing(3)([["A"], ["B"], ["C"], ["D"], ["E"]]), [[1], [0], [1], [1], [2]])
    crossed = layers.HashedCrossing(97)([np.array(["a", "bb", "ccc"]), np.array([1, 2, -3])])
    np.testing.assert_array_equal(crossed, [10, 59, 84])
    masked = layers.Hashing(4, mask_value="", salt=(1, 2), output_mode="one_hot")([["", "x"]])
    assert masked.shape == (1, 2, 4)
    assert masked.numpy()[0, 0].tolist() == [1, 0, 0, 0]
    with pytest.raises(ValueError, match="floats"):
        layers.HashedCrossing(5)([np.ones(2), np.ones(2)])


# ---- images


def test_places_between_pixels_are_scipys():
    x = RNG.normal(size=(5, 6)).astype("float32")
    places = RNG.uniform(-4, 9, (2, 7, 3)).astype("float32")
    names = {"constant": "grid-constant", "wrap": "grid-wrap"}
    for mode in ("constant", "nearest", "wrap", "mirror", "reflect"):
        for order in (0, 1):
            found = ops.image.map_coordinates(x, places, order, mode, 1.5)
            expected = scipy.ndimage.map_coordinates(x, places, order=order, mode=names.get(mode, mode), cval=1.5)
            np.testing.assert_allclose(found, expected, atol=1e-6)
    chainrule.check_gradients(lambda x: ops.sum(ops.sin(ops.image.map_coordinates(x, places, 1))), x.astype("float64"))


def test_affine_and_perspective():
    moved = ops.image.affine_transform(IMAGES, [1, 0, 2, 0, 1, 1, 0, 0], fill_value=-1.0)
    np.testing.assert_allclose(moved.numpy()[:, :-1, :-2], IMAGES[:, 1:, 2:], rtol=1e-5)
    assert (moved.numpy()[:, -1] == -1).all()
    corners = np.array([[0, 0], [9, 0], [0, 7], [9, 7]], "float32")
    same = ops.image.perspective_transform(IMAGES, corners, corners)
    np.testing.assert_allclose(same, IMAGES, rtol=1e-3, atol=1e-2)
    mirrored = ops.image.perspective_transform(IMAGES, corners[[1, 0, 3, 2]], corners)
    np.testing.assert_allclose(mirrored, IMAGES[:, :, ::-1], rtol=1e-3, atol=5e-2)
    down = scipy.ndimage.sobel(IMAGES[1, :, :, 2], axis=0, mode="mirror")
    np.testing.assert_allclose(ops.image.sobel_edges(IMAGES)[1, :, :, 2, 0], down, rtol=1e-4, atol=1e-2)
    assert float(ops.image.ssim(IMAGES, IMAGES, 255.0, filter_size=5)[0]) == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="fill_mode"):
        ops.image.affine_transform(IMAGES, np.zeros(8), fill_mode="white")


def test_posterization_keeps_some_bits_of_each_image():
    x = np.arange(256, dtype="float32").reshape(1, 16, 16, 1).repeat(60, axis=0)
    y = np.asarray(layers.RandomPosterization((2, 5), seed=1)(x))
    kept = {len(np.unique(image)) for image in y}
    assert kept == {4, 8, 16}
    np.testing.assert_array_equal(layers.RandomPosterization((4, 4))(x[:1])[0], x[0] // 16 * 16)
    assert layers.RandomPosterization(3).factor == (1.0, 3.0)


def test_ranges_of_factors_are_those_of_keras():
    assert layers.RandomSaturation(0.3).factor == (-0.3, 0.3)
    assert layers.RandomColorDegeneration(0.3).factor == (-0.3, 0.3)
    assert layers.RandomContrast(0.3).factor == (0.0, 0.3)
    x = np.random.RandomState(0).rand(50, 8, 8, 3).astype("float32") * 255
    spread = np.asarray(layers.RandomContrast(0.3, value_range=(-999, 999), seed=1)(x)).std(axis=(1, 2))
    ratio = spread / x.std(axis=(1, 2))
    assert ratio.min() >= 0.999
    assert 1.2 < ratio.max() < 1.301


RANDOM = [
    (layers.RandomFlip, {}),
    (layers.RandomRotation, {"factor": 0.2}),
    (layers.RandomZoom, {"height_factor": (-0.3, 0.3)}),
    (layers.RandomTranslation, {"height_factor": 0.3, "width_factor": (0.1, 0.2)}),
    (layers.RandomShear, {"x_factor": 0.3, "y_factor": 0.1}),
    (layers.RandomPerspective, {"factor": (1.0, 1.0), "scale": 0.3}),
    (layers.RandomBrightness, {"factor": 0.3}),
    (layers.RandomContrast, {"factor": 0.3}),
    (layers.RandomHue, {"factor": 0.4}),
    (layers.RandomSaturation, {"factor": (0.2, 0.4)}),
    (layers.RandomSharpness, {"factor": (0.0, 0.2)}),
    (layers.RandomColorDegeneration, {"factor": (0.5, 0.9)}),
    (layers.RandomColorJitter, {"brightness_factor": 0.2, "hue_factor": 0.2}),
    (layers.RandomGrayscale, {"factor": 1.0}),
    (layers.RandomInvert, {"factor": (1.0, 1.0)}),
    (layers.RandomPosterization, {"factor": (3, 3)}),
    (layers.Solarization, {"addition_factor": (0.2, 0.3), "threshold_factor": 0.5}),
    (layers.RandomErasing, {"factor": (1.0, 1.0)}),
    (layers.RandomGaussianBlur, {"factor": (1.0, 1.0)}),
    (layers.RandomElasticTransform, {"factor": (1.0, 1.0), "scale": 0.2}),
    (layers.MixUp, {}),
    (layers.CutMix, {}),
]


@pytest.mark.parametrize(("cls", "options"), RANDOM, ids=[cls.__name__ for cls, _ in RANDOM])
def test_random_image_layers(cls, options):
    layer = cls(**options, seed=1)
    changed = layer(IMAGES, training=True)
    assert changed.shape == IMAGES.shape
    assert changed.dtype == "float32"
    assert not np.allclose(changed, IMAGES)
    np.testing.assert_array_equal(layer(IMAGES, training=False), IMAGES)
    np.testing.assert_array_equal(cls(**options, seed=1)(IMAGES, training=True), changed)
    clone = cls.from_config(layer.get_config())
    assert clone.get_config() == layer.get_config()
    if cls not in (layers.MixUp, layers.CutMix):
        assert layer(IMAGES[0], training=True).shape == IMAGES[0].shape
    first = cls(**options, seed=1, data_format="channels_first") if cls is not layers.Solarization else None
    if first is not None:
        other = first(IMAGES.transpose(0, 3, 1, 2), training=True).numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(other, changed, rtol=1e-5, atol=1e-3)


def test_image_layers_by_values():
    flipped = layers.RandomFlip("horizontal", seed=2)(np.tile(IMAGES[:1], (20, 1, 1, 1)), training=True).numpy()
    kinds = {"same" if (one == IMAGES[0]).all() else "mirrored" for one in flipped}
    assert kinds == {"same", "mirrored"}
    assert all((one == IMAGES[0]).all() or (one == IMAGES[0][:, ::-1]).all() for one in flipped)
    turned = layers.RandomRotation((0.25, 0.25))(IMAGES[:, :, 1:9], training=True)
    np.testing.assert_allclose(turned, np.rot90(IMAGES[:, :, 1:9], axes=(1, 2)), rtol=1e-3, atol=1e-2)
    down = layers.RandomTranslation((0.25, 0.25), (0.0, 0.0), fill_mode="wrap")(IMAGES, training=True)
    np.testing.assert_allclose(down, np.roll(IMAGES, 2, 1), rtol=1e-5)
    zoomed = layers.RandomZoom((-0.5, -0.5))(np.arange(9.0).reshape(1, 1, 9, 1), training=True)
    np.testing.assert_allclose(zoomed.numpy().ravel(), np.linspace(2, 6, 9))
    brighter = layers.RandomBrightness((0.5, 0.5), value_range=(0, 1))(np.full((1, 2, 2, 3), 0.2), training=True)
    np.testing.assert_allclose(brighter, np.full((1, 2, 2, 3), 0.7), rtol=1e-6)
    np.testing.assert_array_equal(layers.CenterCrop(4, 6)(IMAGES), IMAGES[:, 2:6, 2:8])
    assert layers.Resizing(5, 4)(IMAGES).shape == (3, 5, 4, 3)
    cropped = layers.RandomCrop(4, 6, seed=3)(IMAGES, training=True).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(IMAGES, (4, 6), (1, 2)).transpose(1, 2, 0, 4, 5, 3)
    assert any((window == cropped).all() for row in windows for window in row)
    both = layers.RandomFlip(seed=5)({"images": IMAGES, "segmentation_masks": IMAGES[..., :1], "labels": np.arange(3)})
    np.testing.assert_array_equal(both["images"][..., :1], both["segmentation_masks"])
    stretched = layers.AutoContrast()(IMAGES[:, :2] / 2).numpy()
    np.testing.assert_allclose([stretched.min(), stretched.max()], [0, 255], atol=1e-3)
    mixed = layers.MixUp(seed=1)({"images": IMAGES, "labels": np.eye(3)}, training=True)
    np.testing.assert_allclose(np.asarray(mixed["labels"]).sum(1), np.ones(3), rtol=1e-6)


def test_augmentation_trains_recorded_and_rests_in_prediction():
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [
            keras.Input((8, 10, 3)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip(seed=1),
            layers.RandomRotation(0.1, seed=2),
            layers.RandomZoom(0.1, seed=3),
            layers.RandomCrop(6, 6, seed=4),
            layers.Conv2D(2, 3),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05), "mse")
    losses = model.fit(np.repeat(IMAGES, 8, 0), np.ones((24, 1)), epochs=10, verbose=0).history["loss"]
    assert losses[-1] < 0.5 * losses[0]
    np.testing.assert_array_equal(model.predict(IMAGES, verbose=0), model.predict(IMAGES, verbose=0))


def test_integer_inputs_reach_layers_of_the_users_own():
    class Table(layers.Layer):
        def build(self, input_shape):
            self.rows = self.add_weight(shape=(7, 2))

        def call(self, inputs, training=True):
            assert training is True  # the default holds where nothing else is said
            return ops.take(self.rows, inputs, axis=0)

    table = Table()
    assert table(np.array([[1, 2]])).shape == (1, 2, 2)


def test_random_numbers_of_other_distributions():
    draws = keras.random.gamma((4000,), 2.5, seed=1).numpy()
    assert abs(draws.mean() - 2.5) < 0.15
    assert abs(draws.var() - 2.5) < 0.4
    draws = keras.random.gamma((4000,), 0.3, seed=1).numpy()
    assert abs(draws.mean() - 0.3) < 0.05
    draws = keras.random.beta((40000,), 2.0, 6.0, seed=1).numpy()
    assert abs(draws.mean() - 0.25) < 0.003  # 4 deviations
    assert abs(draws.var() - 12 / (64 * 9)) < 0.0007
    draws = keras.random.binomial((4000,), 10, 0.3, seed=1).numpy()
    assert abs(draws.mean() - 3.0) < 0.15
    assert draws.max() <= 10
    np.testing.assert_array_equal(keras.random.beta((3,), 1.0, 1.0, seed=4), keras.random.beta((3,), 1.0, 1.0, seed=4))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: layers.Normalization(mean=1.0), "both mean and variance"),
        (lambda: layers.Discretization(), "bin_boundaries or num_bins"),
        (lambda: layers.Discretization(num_bins=3)(X), "adapt"),
        (lambda: layers.CategoryEncoding(), "num_tokens"),
        (lambda: layers.StringLookup()(["a"]), "no vocabulary"),
        (lambda: layers.StringLookup(vocabulary=["a", "a"]), "repeats"),
        (lambda: layers.TextVectorization(split="words"), "split"),
        (lambda: layers.TextVectorization(vocabulary=["a"])([["a", "b"]]), "shape"),
        (lambda: layers.RandomFlip("sideways"), "mode"),
        (lambda: layers.RandomRotation("much"), "factor"),
        (lambda: layers.RandomZoom(0.1)(np.ones(3)), "axes"),
        (lambda: layers.RandomContrast(0.1, value_range=(1, 0)), "value_range"),
    ],
)
def test_errors(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_parity_with_keras(monkeypatch):
    real = pytest.importorskip("keras", reason="real Keras is compared with where it is installed")
    grid = np.linspace(-2, 3, 12).reshape(3, 4).astype("float32")
    pairs = [
        ("Discretization", {"bin_boundaries": [0.0, 1.0], "output_mode": "count"}, grid),
        ("CategoryEncoding", {"num_tokens": 5, "output_mode": "multi_hot"}, np.array([[1, 4], [2, 2]])),
        ("Rescaling", {"scale": 2.0, "offset": 1.0}, grid),
        ("CenterCrop", {"height": 9, "width": 4}, IMAGES),
        ("Resizing", {"height": 5, "width": 7, "crop_to_aspect_ratio": True}, IMAGES),
        ("AutoContrast", {}, IMAGES),
    ]
    for name, options, data in pairs:
        ours, theirs = getattr(layers, name)(**options)(data), getattr(real.layers, name)(**options)(data)
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-4, atol=1e-3)
    one, other = layers.Normalization(), real.layers.Normalization()
    one.adapt(X)
    other.adapt(X)
    np.testing.assert_allclose(one(X), np.asarray(other(X)), rtol=1e-4, atol=1e-5)
    transform = [0.9, 0.1, 1.5, -0.2, 1.1, 0.5, 0.0, 0.0]
    for mode in ("constant", "nearest", "wrap", "mirror", "reflect"):
        options = {"interpolation": "bilinear", "fill_mode": mode, "fill_value": 3.0}
        ours = ops.image.affine_transform(IMAGES, transform, **options)
        theirs = real.ops.image.affine_transform(IMAGES, np.tile(transform, (3, 1)).astype("float32"), **options)
        np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-4, atol=1e-2)


def test_reversible_embedding():
    tied, own = (layers.ReversibleEmbedding(7, 3, tie_weights=tie, mask_zero=True) for tie in (True, False))
    tokens = np.array([[1, 0, 6]])
    vectors = tied(tokens)
    table = tied.get_weights()[0]
    np.testing.assert_allclose(tied(vectors, reverse=True), table[tokens] @ table.T, rtol=1e-5)
    np.testing.assert_array_equal(keras.ops.not_equal(tokens, 0), vectors._keras_mask)
    assert own(own(tokens), reverse=True).shape == (1, 3, 7)
    assert len(own.weights) == 2
    assert tied(keras.Input((None, 3)), reverse=True).shape == (None, None, 7)
    capped = layers.ReversibleEmbedding(7, 3, logit_soft_cap=0.01)
    assert np.abs(capped(100 * np.ones((1, 3)), reverse=True)).max() <= 0.01
    assert layers.ReversibleEmbedding.from_config(capped.get_config()).get_config() == capped.get_config()


def test_layers_survive_pickle_and_batches_of_other_lengths():
    import pickle

    layer = layers.Dense(2, activation="relu")
    layer(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(layer))(X), layer(X))
    model = keras.Sequential([layers.Flatten()])
    outputs = [model.predict(np.ones(shape, "float32"), verbose=0).shape for shape in ((3, 5, 7), (2, 3, 4))]
    assert outputs == [(3, 35), (2, 12)]


def test_equalization_spreads_values():
    images = (np.random.default_rng(0).normal(100, 20, (2, 16, 16, 3))).clip(0, 255).astype("float32")
    even = np.asarray(keras.layers.Equalization()(images, training=True))
    for channel in range(3):
        assert abs(even[..., channel].mean() - 127.5) < 3
        assert (even[..., channel].min(), even[..., channel].max()) == (0, 255)
    assert np.array_equal(keras.layers.Equalization()(images, training=False), images)
    flat = np.full((4, 4, 3), 7, "float32")
    assert np.array_equal(keras.layers.Equalization()(flat, training=True), flat)
    unit = np.asarray(
        keras.layers.Equalization((0, 1), data_format="channels_first")(
            images.transpose(0, 3, 1, 2) / 255, training=True
        )
    )
    assert np.abs(unit.transpose(0, 2, 3, 1) * 255 - even).max() < 4
    with pytest.raises(ValueError, match="bins"):
        keras.layers.Equalization(bins=0)


@pytest.mark.parametrize("name", ["RandAugment", "AugMix"])
def test_policies_change_images_within_their_range(name):
    images = np.random.default_rng(0).random((3, 8, 9, 3)).astype("float32")
    cls = getattr(keras.layers, name)
    changed = [np.asarray(cls(value_range=(0, 1), factor=0.5, seed=seed)(images, training=True)) for seed in range(6)]
    assert all(c.shape == images.shape and c.min() >= -1e-6 and c.max() <= 1 + 1e-6 for c in changed)
    assert len({c.tobytes() for c in changed}) == 6
    again = np.asarray(cls(value_range=(0, 1), factor=0.5, seed=2)(images, training=True))
    assert np.array_equal(again, changed[2])
    assert np.array_equal(cls(seed=1)(images, training=False), images)
    data = {"images": images, "labels": np.arange(3.0), "segmentation_masks": np.ones((3, 8, 9, 1), "float32")}
    result = cls(value_range=(0, 1), seed=1)(data, training=True)
    assert result["images"].shape == images.shape
    assert result["segmentation_masks"].shape == (3, 8, 9, 1)
    assert np.array_equal(result["labels"], [0, 1, 2])
    with pytest.raises(ValueError, match="factor"):
        cls(factor=2.0)


def test_masks_and_labels_of_integers_stay_integers():
    rng = np.random.default_rng(0)
    data = {
        "images": rng.integers(0, 255, (2, 8, 8, 3), dtype="uint8"),
        "labels": np.array([1, 2]),
        "segmentation_masks": rng.integers(0, 3, (2, 8, 8, 1), dtype="uint8"),
    }
    for layer in (layers.RandomFlip(seed=1), layers.RandomRotation(0.2, seed=1), layers.RandomCrop(5, 5, seed=1)):
        for training in (True, False):
            result = layer(data, training=training)
            kinds = [str(result[key].dtype) for key in ("images", "labels", "segmentation_masks")]
            assert kinds == ["float32", "int64", "uint8"]
            assert set(np.unique(result["segmentation_masks"])) <= {0, 1, 2}
    assert str(layers.Resizing(4, 4)(data["images"]).dtype) == "uint8"


def test_random_crop_leaves_images_outside_of_training():
    images = np.arange(2 * 6 * 7 * 1, dtype="float32").reshape(2, 6, 7, 1)
    layer = layers.RandomCrop(4, 3, seed=2)
    assert np.array_equal(layer(images, training=False), images)
    part = np.asarray(layer(images, training=True))
    assert part.shape == (2, 4, 3, 1)
    assert np.array_equal(np.diff(part[0, :, :, 0], axis=1), np.ones((4, 2)))
    assert layers.RandomCrop(8, 8)(images, training=True).shape == (2, 8, 8, 1)
