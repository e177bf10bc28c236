"""Attention layers, EinsumDense and Dot: against formulas in float64 and, where it is installed, real Keras."""

import os

import numpy as np
import pytest
from scipy import special

import chainrule
import chainrule.keras as keras
from chainrule import _core, nn
from chainrule.keras import layers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # real Keras on torch raises its own

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.standard_normal(shape).astype("float32")


def formula(q, k, v, mask=None):
    q, k, v = (x.astype("float64") for x in (q, k, v))
    scores = np.einsum("bthd,bshd->bhts", q, k) / np.sqrt(q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    return np.einsum("bhts,bshe->bthe", special.softmax(scores, -1), v)


# ---- the function --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("steps", [1, 7, 130, 300])
def test_long_sequences_in_tiles(steps, causal):
    q, k, v = normal(2, steps, 2, 8), normal(2, steps, 2, 8), normal(2, steps, 2, 5)
    mask = np.tril(np.ones((steps, steps), bool)) if causal else None
    y = nn.attention(q, k, v, causal=causal)
    np.testing.assert_allclose(y.numpy(), formula(q, k, v, mask), rtol=1e-5, atol=1e-5)


def test_a_query_that_may_see_nothing_gets_zeros_and_gives_no_gradient():
    q, k, v = normal(1, 3, 1, 4), normal(1, 5, 1, 4), normal(1, 5, 1, 4)
    mask = np.ones((3, 5), bool)
    mask[1] = False
    assert not nn.attention(q, k, v, mask).numpy()[0, 1].any()
    gradient = chainrule.grad(lambda q: nn.attention(q, k, v, mask).sum())(chainrule.asarray(q)).numpy()
    assert not gradient[0, 1].any()
    assert np.isfinite(gradient).all()


def test_nan_is_passed_on():
    x = np.full((1, 3, 1, 4), np.nan, "float32")
    assert np.isnan(nn.attention(x, x, x).numpy()).all()
    x = normal(1, 3, 1, 4)
    x[0, 1, 0, 0] = np.nan
    y = nn.attention(x, normal(1, 3, 1, 4), normal(1, 3, 1, 4)).numpy()
    np.testing.assert_array_equal(np.isnan(y[0, :, 0, 0]), [False, True, False])


def test_dropout_is_that_of_the_weights():
    """With its gradient: the same numbers as composed of weights, dropout and a product."""
    q, k, v = (rng.standard_normal((2, 9, 3, 4)) for _ in range(3))
    key = chainrule.asarray(np.array([5, 9], "uint64"))
    weight = rng.standard_normal((2, 9, 3, 4))

    def tiled(q, k, v):
        return (nn.attention(q, k, v, dropout_key=key, rate=0.4) * weight).sum()

    def composed(q, k, v):
        p = _core.ops.dropout(_core.ops.attention_weights(q, k, scale=0.5), key, 0.4)
        y = _core.ops.matmul(p, _core.ops.transpose(v, (0, 2, 1, 3)))
        return (_core.ops.transpose(y, (0, 2, 1, 3)) * weight).sum()

    inputs = [chainrule.asarray(x) for x in (q, k, v)]
    np.testing.assert_allclose(float(tiled(*inputs)), float(composed(*inputs)), rtol=1e-12)
    for i in range(3):
        a, b = (chainrule.grad(f, argnums=i)(*inputs).numpy() for f in (tiled, composed))
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


def test_a_cache_of_keys_and_values_gives_the_same_steps():
    q, k, v = normal(2, 6, 4, 8), normal(2, 6, 2, 8), normal(2, 6, 2, 3)
    whole = nn.attention(q, k, v, causal=True).numpy()
    cache = nn.KeyValueCache(2, 6, heads=2, depth=8, width=3)
    parts = [cache.attend(q[:, a:b], k[:, a:b], v[:, a:b]).numpy() for a, b in ((0, 3), (3, 4), (4, 6))]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="7 steps don't fit"):
        cache.append(k[:, :1], v[:, :1])
    cache.reset()
    np.testing.assert_allclose(cache.attend(q[:, :1], k[:, :1], v[:, :1]).numpy(), whole[:, :1], rtol=1e-5, atol=1e-6)


def test_bits_do_not_depend_on_threads():
    results = []
    x, y = normal(8, 70, 16), normal(8, 70, 16)
    for threads in (1, 2):
        chainrule.set_num_threads(threads)
        keras.utils.set_random_seed(5)
        inputs = keras.Input((70, 16))
        outputs = layers.MultiHeadAttention(4, 4, dropout=0.2)(inputs, inputs, use_causal_mask=True)
        model = keras.Model(inputs, outputs)
        model.compile("adam", "mse")
        model.fit(x, y, batch_size=4, epochs=2, verbose=0)
        results.append([w.tobytes() for w in model.get_weights()])
    assert results[0] == results[1]


def test_errors_say_what_fits():
    x = normal(2, 3, 4, 5)
    with pytest.raises(ValueError, match="heads a multiple of key heads"):
        nn.attention(x, normal(2, 3, 3, 5), normal(2, 3, 3, 5))
    with pytest.raises(ValueError, match="can't be broadcast to"):
        nn.attention(x, x, x, np.ones((2, 2), bool))
    with pytest.raises(TypeError, match="mask must be bool"):
        nn.attention(x, x, x, np.ones((3, 3)))
    with pytest.raises(ValueError, match="num_heads must be a positive integer"):
        layers.MultiHeadAttention(0, 4)
    with pytest.raises(ValueError, match="needs query and value"):
        layers.MultiHeadAttention(2, 4)(normal(2, 3, 4))
    with pytest.raises(ValueError, match="invalid equation"):
        layers.EinsumDense("ab,bc", 3)(normal(2, 3))
    with pytest.raises(ValueError, match="has length 3"):
        layers.Dot(1)([normal(2, 3), normal(2, 4)])


# ---- real Keras ----------------------------------------------------------------------------------------------------


@pytest.fixture
def reference():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    module = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    if module.backend.backend() != "torch":
        pytest.skip("gradients of real Keras are taken with torch")
    return module


def compare(reference, theirs, mine, call):
    """Outputs, gradients of inputs and weights, configuration. ``call(layer, inputs)`` with arrays or torch tensors."""
    import torch

    inputs = call.inputs
    call(theirs, [torch.tensor(x) for x in inputs])
    call(mine, [chainrule.asarray(x) for x in inputs])
    assert [w.shape for w in mine.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]
    mine.set_weights([w + 0.1 * normal(*w.shape) for w in theirs.get_weights()])
    theirs.set_weights(mine.get_weights())
    leaves = [torch.tensor(x, requires_grad=True) for x in inputs]
    expected = call(theirs, leaves)
    expected = expected if isinstance(expected, tuple) else (expected,)
    u = [normal(*y.shape) for y in expected]
    wanted = torch.autograd.grad(
        sum((y * torch.tensor(w)).sum() for y, w in zip(expected, u, strict=True)),
        [*leaves, *(w.value for w in theirs.trainable_weights)],
        allow_unused=True,
    )
    tensors = [chainrule.asarray(x) for x in inputs]
    sources = [*tensors, *(w.value for w in mine.trainable_weights)]
    with chainrule.GradientTape() as tape:
        tape.watch(sources)
        actual = call(mine, tensors)
        actual = actual if isinstance(actual, tuple) else (actual,)
        loss = sum((y * w).sum() for y, w in zip(actual, u, strict=True))
    for ours, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), other.detach().numpy(), rtol=1e-5, atol=1e-5)
    for ours, other in zip(tape.gradient(loss, sources), wanted, strict=True):
        if other is not None:
            np.testing.assert_allclose(ours.numpy(), other.numpy(), rtol=1e-4, atol=5e-5)
    config, other = mine.get_config(), theirs.get_config()
    assert set(other) - {"quantization_config", "gptq_unpacked_column_size"} <= set(config)
    assert type(mine).from_config(config).get_config() == config
    plain = [k for k, v in other.items() if isinstance(v, (int, float, bool, str)) and k in config and k != "name"]
    assert {k: config[k] for k in plain} == {k: other[k] for k in plain}


class Call:
    def __init__(self, *inputs, as_list=False, **options):
        self.inputs, self.as_list, self.options = inputs, as_list, options

    def __call__(self, layer, inputs):
        return layer(inputs, **self.options) if self.as_list else layer(*inputs, **self.options)


Q, V, K = normal(2, 5, 12), normal(2, 7, 10), normal(2, 7, 8)
PAIRS = rng.random((2, 5, 7)) < 0.7
PAIRS[..., 0] = True
STEPS = np.array([[1, 1, 1, 0, 1, 0, 0], [1, 1, 1, 1, 1, 1, 1]], bool)
HEADS = [
    ("MultiHeadAttention", {"num_heads": 3, "key_dim": 4}, Call(Q, V)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "value_dim": 3, "output_shape": 6}, Call(Q, V, K)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "use_bias": False}, Call(Q, Q, use_causal_mask=True)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, Call(Q, V, attention_mask=PAIRS)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, Call(Q, V, attention_mask=PAIRS, use_causal_mask=True)),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, Call(Q, V, value_mask=STEPS, return_attention_scores=True)),
    (
        "MultiHeadAttention",
        {"num_heads": 2, "key_dim": 4, "attention_axes": (2,)},
        Call(normal(2, 3, 5, 6), normal(2, 3, 4, 6)),
    ),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4}, Call(normal(2, 3, 4, 6), normal(2, 2, 3, 6))),
    ("MultiHeadAttention", {"num_heads": 2, "key_dim": 4, "sliding_window": 2, "use_gate": True}, Call(Q, Q)),
    ("GroupQueryAttention", {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 2}, Call(Q, normal(2, 7, 12))),
    (
        "GroupQueryAttention",
        {"head_dim": 4, "num_query_heads": 4, "num_key_value_heads": 1, "use_gate": True},
        Call(Q, normal(2, 5, 12), use_causal_mask=True, return_attention_scores=True),
    ),
    ("Attention", {}, Call(normal(2, 5, 6), normal(2, 7, 6), as_list=True)),
    ("Attention", {"use_scale": True}, Call(normal(2, 5, 6), normal(2, 7, 6), normal(2, 7, 6), as_list=True)),
    ("Attention", {"use_scale": True, "score_mode": "concat"}, Call(normal(2, 5, 6), normal(2, 7, 6), as_list=True)),
    ("Attention", {}, Call(normal(2, 5, 6), normal(2, 7, 6), as_list=True, mask=[STEPS[:, :5], STEPS])),
    ("Attention", {}, Call(normal(2, 5, 6), normal(2, 5, 6), as_list=True, use_causal_mask=True)),
    ("AdditiveAttention", {}, Call(normal(2, 5, 6), normal(2, 7, 6), as_list=True, return_attention_scores=True)),
    ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 4, "bias_axes": "c"}, Call(normal(3, 5))),
    (
        "EinsumDense",
        {"equation": "abc,cde->abde", "output_shape": (None, 2, 3), "bias_axes": "de", "activation": "relu"},
        Call(normal(2, 4, 5)),
    ),
    (
        "EinsumDense",
        {"equation": "abcd,cde->abe", "output_shape": (None, 6), "bias_axes": "e"},
        Call(normal(2, 3, 4, 5)),
    ),
    ("EinsumDense", {"equation": "...x,xy->...y", "output_shape": 4, "bias_axes": "y"}, Call(normal(2, 3, 4, 5))),
    ("EinsumDense", {"equation": "abc,bd->adc", "output_shape": (4, 5), "bias_axes": "d"}, Call(normal(2, 3, 5))),
    ("EinsumDense", {"equation": "ab...,bc->ac...", "output_shape": 4}, Call(normal(2, 3, 5))),
    ("Dot", {"axes": 1}, Call(normal(3, 5), normal(3, 5), as_list=True)),
    ("Dot", {"axes": (2, 1)}, Call(normal(3, 4, 5), normal(3, 5, 6), as_list=True)),
    ("Dot", {"axes": -1, "normalize": True}, Call(normal(3, 4, 5), normal(3, 6, 5), as_list=True)),
    ("Dot", {"axes": (1, 2)}, Call(normal(3, 4, 2, 5), normal(3, 6, 4), as_list=True)),
]


@pytest.mark.parametrize(("name", "options", "call"), HEADS, ids=lambda v: "" if isinstance(v, Call) else str(v))
def test_same_as_keras(reference, name, options, call):
    compare(reference, getattr(reference.layers, name)(**options), getattr(layers, name)(**options), call)


def test_dot_product_attention_as_in_keras(reference):
    q, k, v = normal(2, 5, 4, 6), normal(2, 7, 4, 6), normal(2, 7, 4, 6)
    bias = normal(2, 4, 5, 7)
    for options in ({}, {"mask": PAIRS[:, None]}, {"bias": bias, "scale": 0.3}, {"is_causal": True}):
        expected = reference.ops.convert_to_numpy(reference.ops.dot_product_attention(q, k, v, **options))
        actual = keras.ops.dot_product_attention(q, k, v, **options).numpy()
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def test_masks_travel_from_the_embedding(reference):
    """Padding is neither seen nor passed on, in a whole model."""
    tokens = np.array([[3, 4, 5, 0, 0], [1, 2, 0, 0, 0]])

    def build(k):
        inputs = k.Input((5,), dtype="int32")
        x = k.layers.Embedding(8, 6, mask_zero=True)(inputs)
        x = k.layers.MultiHeadAttention(2, 3)(x, x)
        return k.Model(inputs, k.layers.GlobalAveragePooling1D()(k.layers.LayerNormalization()(x)))

    theirs, mine = build(reference), build(keras)
    mine.set_weights(theirs.get_weights())
    expected = reference.ops.convert_to_numpy(theirs(tokens))
    np.testing.assert_allclose(mine(tokens).numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(mine.predict(tokens, verbose=0), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*mask:UserWarning")  # some of the layers let masks go
def test_files_are_those_of_keras(reference, tmp_path):
    """A model of these layers, saved by either, gives the same predictions in the other: padding, masks and all."""
    tokens = rng.integers(0, 9, (4, 6))

    def build(k):
        inputs = k.Input((6,), dtype="int32")
        x = k.layers.Embedding(9, 8, mask_zero=True)(inputs)
        x = k.layers.Add()([x, k.layers.MultiHeadAttention(2, 4)(x, x, use_causal_mask=True)])
        x = k.layers.GroupQueryAttention(4, 4, 2)(x, x)
        x = k.layers.GroupNormalization(2)(k.layers.BatchNormalization()(k.layers.LayerNormalization()(x)))
        x = k.layers.RMSNormalization()(k.layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d")(x))
        y = k.layers.Attention(use_scale=True)([x, x])
        x = k.layers.Dot(axes=(1, 1))([y, k.layers.AdditiveAttention()([x, y])])
        return k.Model(inputs, k.layers.SpectralNormalization(k.layers.Dense(3))(k.layers.Flatten()(x)))

    for maker, reader in ((reference, keras), (keras, reference)):
        model = build(maker)
        expected = model.predict(tokens, verbose=0)
        model.save(tmp_path / "model.keras")
        again = reader.models.load_model(tmp_path / "model.keras")
        np.testing.assert_allclose(again.predict(tokens, verbose=0), expected, rtol=1e-4, atol=1e-5)
