"""Every layer, random configurations: by itself, and against real Keras where it is installed.

By itself: the configuration's round trip, the same bits for 1 and 2 threads, gradients against finite differences in
float64. Against Keras on JAX: outputs, masks, states, gradients of inputs and weights, shapes, configurations.
"""

from __future__ import annotations

import json
import os
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from layer_cases import CASES, Case, twice

import chainrule
import chainrule.keras as keras
from chainrule.keras import layers

SEEDS = range(4)
SEEDS_OF_KERAS = 2  # JAX compiles every op of every shape
# What Keras's configurations say otherwise: quantization, which isn't here; the bounds of a factor given as a number;
# an axis as a tuple; and what its base class finds out by itself.
SPELLED = {"name", "dtype", "function", "quantization_config", "factor", "x_factor", "y_factor"}
SPELLED_BY = {"Layer": {"activity_regularizer", "autocast"}, "Normalization": {"axis"}}
NEEDS_TENSORFLOW = {"Hashing", "HashedCrossing", "IntegerLookup", "StringLookup", "TextVectorization"}  # in Keras
EXEMPT = {"InputSpec"}  # a class of keras.layers that is no layer


def every_layer() -> list[str]:
    """The classes of keras.layers under their own names: an alias is the same class."""
    found = {c.__name__: name for name in dir(layers) if isinstance(c := getattr(layers, name), type)}
    return sorted({name if hasattr(layers, name) else found[name] for name in found} - EXEMPT)


def test_every_layer_has_cases() -> None:
    missing = [name for name in every_layer() if name not in CASES]
    assert not missing, f"declare a generator in layer_cases.py for {missing}"


PAIRS = [(name, seed) for name in every_layer() if name in CASES for seed in SEEDS]
CALLED = [pair for pair in PAIRS if pair[0] not in ("Layer", "InputLayer", "Wrapper")]
EXAMPLES = {name: CASES[name](np.random.default_rng(0)) for name in CASES}
SMOOTH = [pair for pair in CALLED if EXAMPLES[pair[0]].smooth and EXAMPLES[pair[0]].continuous]


def make(name: str, seed: int) -> tuple[Case, np.random.Generator]:
    rng = np.random.default_rng([seed, *name.encode()])
    return CASES[name](rng), rng


def leaves(value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def numbers(value: Any) -> np.ndarray:
    return np.asarray(value.numpy() if hasattr(value, "numpy") else value)


def mask_for(x: np.ndarray) -> np.ndarray:
    mask = np.ones(x.shape[:2], bool)
    mask[0, -1] = False
    mask[-1, : x.shape[1] // 2] = False
    return mask


def floats(inputs: tuple[Any, ...]) -> bool:
    return all(isinstance(x, np.ndarray) and x.dtype.kind == "f" for x in inputs)


def build(case: Case, rng: np.random.Generator, dtype: str | None = None) -> tuple[Any, list[np.ndarray]]:
    """The layer with random weights; positive ones, as variances are."""
    if dtype:
        keras.config.set_floatx(dtype)
    try:
        layer = case.make(layers)
        layer(*case.arguments(case.inputs), **case.call)
    finally:
        keras.config.set_floatx("float32")
    values = [0.2 + rng.random(w.shape) if w.dtype in ("float32", "float64") else w.numpy() for w in layer.weights]
    values = [np.asarray(v, str(w.dtype)) for v, w in zip(values, layer.weights, strict=True)]
    layer.set_weights(values)
    return layer, values


def call(case: Case, layer: Any, inputs: tuple[Any, ...]) -> Any:
    extra = {"mask": mask_for(case.inputs[0])} if case.masked else {}
    return layer(*case.arguments(inputs), **case.call, **extra)


def run(case: Case, layer: Any, cotangents: Any = None) -> SimpleNamespace:
    """Outputs and, of a layer with float inputs, gradients of inputs and weights for the given or random cotangents."""
    inputs = case.inputs
    watched = floats(inputs) and case.smooth
    if watched:
        inputs = tuple(chainrule.asarray(x) for x in inputs)
    with chainrule.GradientTape() as tape:
        if watched:
            for x in inputs:
                tape.watch(x)
        outputs = leaves(call(case, layer, inputs))
        if cotangents is None:
            draw = np.random.default_rng(1)
            cotangents = [draw.standard_normal(y.shape).astype(str(y.dtype)) for y in outputs]
        total = None
        if case.smooth:
            total = sum((y * chainrule.asarray(c)).sum() for y, c in zip(outputs, cotangents, strict=True))
    sources = [*(inputs if watched else ()), *layer.trainable_weights]
    gradients = tape.gradient(total, sources) if case.smooth and sources else []
    return SimpleNamespace(outputs=outputs, gradients=gradients, cotangents=cotangents, total=total, watched=watched)


# ---- by itself ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "seed"), PAIRS)
def test_configuration(name: str, seed: int) -> None:
    case, _ = make(name, seed)
    layer = case.make(layers)
    config = layer.get_config()
    with keras.saving.custom_object_scope({"twice": twice}):
        assert type(layer).from_config(config).get_config() == config
        stored = json.dumps(keras.saving.serialize_keras_object(layer))
        again = keras.saving.deserialize_keras_object(json.loads(stored))
    assert json.dumps(again.get_config()) == json.dumps(config)


@pytest.mark.parametrize(("name", "seed"), CALLED)
def test_threads(name: str, seed: int) -> None:
    case, rng = make(name, seed)
    layer, values = build(case, rng)
    threads = chainrule.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            chainrule.set_num_threads(count)
            layer.set_weights(values)
            result = run(case, layer)
            results.append([numbers(v) for v in [*result.outputs, *result.gradients] if v is not None])
    finally:
        chainrule.set_num_threads(threads)
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("name", "seed"), SMOOTH)
def test_finite_differences(name: str, seed: int) -> None:
    """The derivative along a random direction of all float inputs and weights, in float64."""
    case, rng = make(name, seed)
    case.inputs = tuple(x.astype("float64") if floats((x,)) else x for x in case.inputs)
    case.call = {k: [s.astype("float64") for s in v] if k == "initial_state" else v for k, v in case.call.items()}
    layer, values = build(case, rng, "float64")
    assert all(w.dtype == "float64" for w in layer.trainable_weights)
    trainable = [w is not None and any(w is t for t in layer.trainable_weights) for w in layer.weights]
    result = run(case, layer)
    centre = case.inputs if result.watched else ()
    inputs_along = [rng.standard_normal(x.shape) for x in centre]
    weights_along = [rng.standard_normal(w.shape) for w in layer.trainable_weights]
    along = [*inputs_along, *weights_along]
    wanted = sum(float((numbers(g) * d).sum()) for g, d in zip(result.gradients, along, strict=True) if g is not None)

    def value(step: float) -> float:
        if result.watched:
            case.inputs = tuple(x + step * d for x, d in zip(centre, inputs_along, strict=True))
        moves = iter(weights_along)
        moved = [v + step * next(moves) if t else v for v, t in zip(values, trainable, strict=True)]
        layer.set_weights(moved)
        return float(numbers(run(case, layer, result.cotangents).total))

    h = 1e-6
    slopes = (value(h) - value(-h)) / (2 * h)
    assert slopes == pytest.approx(wanted, rel=1e-6, abs=1e-6)


# ---- against Keras --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference() -> Any:
    os.environ.setdefault("KERAS_BACKEND", "jax")
    real = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    if real.backend.backend() != "jax":
        pytest.skip("gradients of real Keras are taken by JAX: set KERAS_BACKEND=jax")
    return real


def skip_without_tensorflow(name: str) -> None:
    if name in NEEDS_TENSORFLOW:
        pytest.importorskip("tensorflow", reason=f"Keras's {name} needs TensorFlow")


def close(found: Any, wanted: Any, what: str) -> None:
    wanted = np.asarray(wanted)
    found = np.zeros_like(wanted) if found is None else numbers(found)  # JAX gives zeros where nothing depends
    assert found.shape == wanted.shape, what
    scale = max(1.0, float(np.abs(wanted).max(initial=0)))  # float32 rounding is relative to the terms of a sum
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * scale, err_msg=what)


@pytest.mark.parametrize(("name", "seed"), PAIRS)
def test_configuration_like_keras(reference: Any, name: str, seed: int) -> None:
    case, _ = make(name, seed)
    skip_without_tensorflow(name)
    mine, theirs = case.make(layers).get_config(), case.make(reference.layers).get_config()
    spelled = SPELLED | SPELLED_BY.get(name, set())
    assert set(theirs) - spelled <= set(mine), f"{name}: {sorted(set(theirs) - set(mine))} are missing"
    for key, value in theirs.items():
        simple = not isinstance(value, dict) and not any(isinstance(v, dict) for v in leaves(value))
        if key not in spelled and simple:
            a, b = (np.ravel(v).tolist() if isinstance(v, (list, tuple, np.ndarray)) else v for v in (mine[key], value))
            assert a == b, f"{name}.{key}: {mine[key]!r}, Keras has {value!r}"


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize(("name", "seed"), [pair for pair in CALLED if pair[1] < SEEDS_OF_KERAS])
def test_numbers_like_keras(reference: Any, name: str, seed: int) -> None:
    import jax

    skip_without_tensorflow(name)
    if name == "RandomCrop":
        pytest.skip("at inference Keras returns the images as they are, of another shape than its compute_output_shape")
    case, rng = make(name, seed)
    mine, values = build(case, rng)
    theirs = case.make(reference.layers)
    given = tuple(x if isinstance(x, np.ndarray) else np.array(x) for x in case.inputs)
    if isinstance(case.inputs[0], list):
        close(mine(case.inputs[0]), theirs(case.inputs[0]), name)
        return
    theirs(*case.arguments(given), **case.call)
    assert [tuple(w.shape) for w in mine.weights] == [tuple(w.shape) for w in theirs.weights], name
    theirs.set_weights(values)
    fixed = [v.value for v in theirs.non_trainable_variables]
    extra = {"mask": mask_for(given[0])} if case.masked else {}
    watched = floats(case.inputs) and case.smooth

    def apply(weights: Any, inputs: Any) -> Any:
        arguments = case.arguments(inputs if watched else given)
        outputs, states = theirs.stateless_call(weights, fixed, *arguments, **case.call, **extra)
        return leaves(outputs), states

    weights = [v.value for v in theirs.trainable_variables]
    if case.smooth:
        expected, pull, states = jax.vjp(apply, weights, given if watched else (), has_aux=True)
        cotangents = [rng.standard_normal(y.shape).astype(str(y.dtype)) for y in expected]
        weight_gradients, input_gradients = pull(cotangents)
    else:
        expected, states = apply(weights, given)
        cotangents, weight_gradients, input_gradients = [], [], []
    result = run(case, mine, cotangents)
    for found, wanted in zip(result.outputs, expected, strict=True):
        assert str(found.dtype) == str(wanted.dtype), name
        close(found, wanted, f"{name}: output")
    for found, wanted in zip(result.gradients, [*input_gradients, *weight_gradients], strict=True):
        close(found, wanted, f"{name}: gradient")
    kept = [s for v, s in zip(theirs.non_trainable_variables, states, strict=True) if "seed" not in v.path]
    for variable, wanted in zip(mine.non_trainable_weights, kept, strict=True):
        close(variable, wanted, f"{name}: state {variable.path}")

    if not case.call or set(case.call) == {"training"}:
        shapes = [x.shape for x in given]
        a = leaves(mine.compute_output_shape(shapes if case.together else shapes[0]))
        assert a == leaves([y.shape for y in expected]), f"{name}: compute_output_shape {a}"
    masks = [mask_for(x) if case.masked else None for x in given]
    if case.masked or name in ("Masking", "Embedding", "ReversibleEmbedding"):
        a = leaves(mine.compute_mask(given[0], masks[0]))
        b = leaves(theirs.compute_mask(given[0], jax.numpy.asarray(masks[0]) if case.masked else None))
        assert len(a) == len(b), f"{name}: compute_mask"
        for found, wanted in zip(a, b, strict=True):
            assert (found is None) == (wanted is None), f"{name}: compute_mask"
            if wanted is not None:
                np.testing.assert_array_equal(numbers(found), np.asarray(wanted))
