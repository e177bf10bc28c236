"""CTC in the Keras face: values and conventions against real Keras, training."""

import os

import numpy as np
import pytest

import chainrule.keras as keras

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # PyTorch's
rng = np.random.default_rng(0)


def keras_itself():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    return pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")


def test_loss_by_hand():
    loss = keras.losses.CTC()
    # Two steps, three equally probable classes: 11, 1-, -1 of nine alignments for [1]; 12 alone for [1, 2].
    value = loss(np.array([[1, 0], [1, 2]]), np.zeros((2, 2, 3), "float32"))
    np.testing.assert_allclose(float(value), (np.log(3) + np.log(9)) / 2, rtol=1e-6)
    assert loss.get_config() == {"name": "ctc", "reduction": "sum_over_batch_size"}
    with pytest.raises(ValueError, match="the targets must be class numbers of shape"):
        keras.losses.ctc(np.zeros(2), np.zeros((2, 2, 3)))
    with pytest.raises(ValueError, match="outputs must be logits of shape"):
        keras.losses.ctc(np.zeros((2, 2)), np.zeros((2, 3)))
    with pytest.raises(ValueError, match="strategy must be 'greedy' or 'beam_search'"):
        keras.ops.ctc_decode(np.zeros((1, 2, 3)), [2], strategy="best")


def test_loss_is_that_of_keras():
    reference = keras_itself()
    x = rng.standard_normal((6, 20, 7)).astype("float32")
    y = rng.integers(1, 7, (6, 5))
    counts, steps = np.array([5, 3, 1, 0, 4, 5]), np.array([20, 15, 20, 20, 9, 20])
    for mask_index in (0, 6):
        ours = keras.ops.ctc_loss(y, x, counts, steps, mask_index)
        theirs = reference.ops.convert_to_numpy(reference.ops.ctc_loss(y, x, counts, steps, mask_index))
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5)
    y[2:, 3:] = 0
    theirs = float(reference.losses.CTC()(y, x))
    assert abs(float(keras.losses.CTC()(y, x)) - theirs) < 1e-5 * theirs


@pytest.mark.parametrize("mask_index", [0, 3, None])
@pytest.mark.parametrize("merge_repeated", [True, False])
def test_greedy_decoding_is_that_of_keras(mask_index, merge_repeated):
    reference = keras_itself()
    x, steps = rng.standard_normal((5, 12, 4)).astype("float32"), np.array([12, 7, 1, 0, 12])
    ours = keras.ops.ctc_decode(x, steps, merge_repeated=merge_repeated, mask_index=mask_index)
    theirs = reference.ops.ctc_decode(x, steps, merge_repeated=merge_repeated, mask_index=mask_index)
    for a, b in zip(ours, map(reference.ops.convert_to_numpy, theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mask_index", [0, 2])
def test_beam_search_is_that_of_keras(mask_index):
    reference = keras_itself()
    x, steps = rng.standard_normal((3, 9, 4)).astype("float32"), np.array([9, 5, 9])
    options = {"strategy": "beam_search", "beam_width": 12, "top_paths": 4, "mask_index": mask_index}
    ours = keras.ops.ctc_decode(x, steps, **options)
    theirs = reference.ops.ctc_decode(x, steps, **options)
    for a, b in zip(ours, map(reference.ops.convert_to_numpy, theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5)


def test_training_reads_the_labels_off():
    """Each label is a burst of its own feature, somewhere: the network learns where without being told."""
    keras.utils.set_random_seed(1)
    n, steps, classes = 128, 16, 5
    y = rng.integers(1, classes, (n, 3))
    x = 0.3 * rng.standard_normal((n, steps, classes)).astype("float32")
    for i in range(n):
        for k, place in enumerate(np.sort(rng.choice(steps // 2, 3, replace=False)) * 2):
            x[i, place, y[i, k]] += 2
    model = keras.Sequential(
        [keras.Input((steps, classes)), keras.layers.Dense(24, "tanh"), keras.layers.Dense(classes)]
    )
    model.compile(keras.optimizers.Adam(0.02), loss="ctc")
    history = model.fit(x, y, epochs=25, batch_size=32, verbose=0)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]
    (labels,), _ = keras.ops.ctc_decode(model.predict(x, verbose=0), np.full(n, steps))
    assert np.mean((labels.numpy()[:, :3] == y).all(1) & (labels.numpy()[:, 3] == -1)) > 0.9
    with pytest.raises(ValueError, match="Label 9 .* is out of range"):
        model.fit(x[:2], np.array([[1, 9], [1, 2]]), verbose=0)


def test_symbolic():
    logits, lengths = keras.Input((10, 4)), keras.Input((), dtype="int32")
    labels, scores = keras.ops.ctc_decode(logits, lengths)
    model = keras.Model([logits, lengths], [labels, scores])
    x = rng.standard_normal((3, 10, 4)).astype("float32")
    expected = keras.ops.ctc_decode(x, np.full(3, 10))
    for a, b in zip(model([x, np.full(3, 10, "int32")]), expected, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
