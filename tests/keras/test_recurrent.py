"""Recurrent layers and cells: against formulas in NumPy, finite differences and, where it is installed, real Keras."""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule import _core, nn
from chainrule.keras import layers, ops

CELLS = ["simple_rnn", "lstm", "gru", "gru_reset_before"]


def generator(*key: Any) -> np.random.Generator:
    return np.random.default_rng(list(repr(key).encode()))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def sequence(cell: str, x, kernel, u, bias, h, c, mask=None, go_backwards=False):
    """(states in the order of computation, last h, last c) in float64."""
    n, steps = len(u), range(x.shape[1])
    states = []
    for t in reversed(steps) if go_backwards else steps:
        a = x[:, t] @ kernel
        if cell == "simple_rnn":
            new, carry = np.tanh(a + bias + h @ u), c
        elif cell == "lstm":
            i, f, g, o = np.split(a + bias + h @ u, 4, axis=-1)
            carry = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            new = sigmoid(o) * np.tanh(carry)
        else:
            if cell == "gru":
                a, p = a + bias[0], h @ u + bias[1]
                z, r = sigmoid(a[:, :n] + p[:, :n]), sigmoid(a[:, n : 2 * n] + p[:, n : 2 * n])
                g = np.tanh(a[:, 2 * n :] + r * p[:, 2 * n :])
            else:
                a = a + bias
                z, r = sigmoid(a[:, :n] + h @ u[:, :n]), sigmoid(a[:, n : 2 * n] + h @ u[:, n : 2 * n])
                g = np.tanh(a[:, 2 * n :] + (r * h) @ u[:, 2 * n :])
            new, carry = z * h + (1 - z) * g, c
        counted = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        h, c = np.where(counted, new, h), np.where(counted, carry, c)
        states.append(h)
    return np.stack(states, 1), h, c


def operands(cell: str, batch=3, steps=4, features=2, units=5) -> list[np.ndarray]:
    """x, kernel, recurrent kernel, bias, h0, c0."""
    rng = generator(cell, batch, steps, units)
    parts = {"simple_rnn": 1, "lstm": 4}.get(cell, 3)
    bias = (2, 3 * units) if cell == "gru" else (parts * units,)
    shapes = [(batch, steps, features), (features, parts * units), (units, parts * units), bias]
    return [rng.uniform(-1, 1, shape) for shape in [*shapes, (batch, units), (batch, units)]]


def run(cell: str, x, kernel, u, bias, h, c, mask=None, go_backwards=False):
    """The same by chainrule.nn."""
    if cell == "lstm":
        states, (h, c) = nn.lstm(x, kernel, u, bias, (h, c), mask, go_backwards)
        return states, h, c
    if cell == "simple_rnn":
        states, h = nn.simple_rnn(x, kernel, u, bias, h, mask, go_backwards)
    else:
        states, h = nn.gru(x, kernel, u, bias, h, mask, go_backwards, reset_after=cell == "gru")
    return states, h, c


def mask_of(kind: str | None, batch: int, steps: int) -> np.ndarray | None:
    rng = generator(kind, batch, steps)
    if kind is None:
        return None
    if kind == "ragged":
        return np.arange(steps) < rng.integers(0, steps + 1, (batch, 1))
    return rng.uniform(size=(batch, steps)) < 0.6


class TestFunctions:
    @pytest.mark.parametrize("mask", [None, "ragged", "holes"])
    @pytest.mark.parametrize("cell", CELLS)
    def test_values(self, cell: str, mask: str | None) -> None:
        for (batch, steps, units), back in itertools.product([(3, 4, 5), (70, 6, 33)], [False, True]):
            values, counted = operands(cell, batch, steps, 2, units), mask_of(mask, batch, steps)
            expected = sequence(cell, *values, counted, back)
            for got, wanted in zip(run(cell, *values, counted, back), expected, strict=True):
                np.testing.assert_allclose(np.asarray(got), wanted, rtol=1e-11, atol=1e-12)

    @pytest.mark.parametrize("mask", [None, "ragged", "holes"])
    @pytest.mark.parametrize("cell", CELLS)
    def test_gradients_are_finite_differences(self, cell: str, mask: str | None) -> None:
        values, counted = operands(cell, 2, 3, 2, 3), mask_of(mask, 2, 3)
        weights = [generator(cell).uniform(-1, 1, y.shape) for y in sequence(cell, *values, counted, True)]

        def projected(*args: Any) -> Any:
            return sum((w * y).sum() for w, y in zip(weights, run(cell, *args, counted, True), strict=True))

        def exact(*args: Any) -> float:
            return sum((w * y).sum() for w, y in zip(weights, sequence(cell, *args, counted, True), strict=True))

        gradients = chainrule.grad(projected, argnums=tuple(range(6)))(*[chainrule.asarray(v) for v in values])
        for k, gradient in enumerate(gradients):
            got, step = np.asarray(gradient), 1e-6
            for place in np.ndindex(values[k].shape):
                moved = [[v.copy() for v in values] for _ in range(2)]
                moved[0][k][place] += step
                moved[1][k][place] -= step
                assert got[place] == pytest.approx((exact(*moved[0]) - exact(*moved[1])) / (2 * step), abs=1e-8), k

    @pytest.mark.parametrize("cell", CELLS)
    def test_the_kernel_and_elementary_ops_have_the_same_gradients(self, cell: str) -> None:
        values = [chainrule.asarray(v) for v in operands(cell, 20, 5, 3, 17)]
        mask = mask_of("holes", 20, 5)

        def f(*args: Any) -> Any:
            states, h, c = run(cell, *args, mask)
            return (states**2).sum() + (h * c).sum()

        fused = chainrule.grad(f, argnums=tuple(range(6)))(*values)
        _core.push_recording()  # inside another recording everything is done with elementary ops
        try:
            composed = chainrule.grad(f, argnums=tuple(range(6)))(*values)
        finally:
            _core.pop_recording()
        for a, b in zip(fused, composed, strict=True):
            np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-10, atol=1e-11)

    def test_gradient_of_the_gradient(self) -> None:
        x, kernel, u, bias, *_ = operands("lstm", 2, 3, 2, 3)
        v = chainrule.asarray(np.ones_like(x))

        def f(x: Any) -> Any:
            return (nn.lstm(x, kernel, u, bias)[0] ** 2).sum()

        product = chainrule.grad(lambda x: (chainrule.grad(f)(x) * v).sum())(chainrule.asarray(x))
        step = 1e-6
        ahead, behind = (np.asarray(chainrule.grad(f)(chainrule.asarray(x + s))) for s in (step, -step))
        np.testing.assert_allclose(np.asarray(product), (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-7)

    def test_errors_name_the_tensor(self) -> None:
        x, kernel, u, bias, h, _ = operands("gru")
        with pytest.raises(ValueError, match=r"the kernel must have shape \(2, 15\)"):
            nn.gru(x, kernel[:, :-1], u, bias)
        with pytest.raises(ValueError, match=r"the initial state h must have shape \(3, 5\)"):
            nn.gru(x, kernel, u, bias, h[:1])
        with pytest.raises(ValueError, match=r"\(batch, steps, features\)"):
            nn.gru(x[0], kernel, u, bias)


# ---- layers --------------------------------------------------------------------------------------------------------


def layer_of(cell: str, *args: Any, **kwargs: Any) -> layers.Layer:
    if cell.startswith("gru"):
        return layers.GRU(*args, reset_after=cell == "gru", **kwargs)
    return {"simple_rnn": layers.SimpleRNN, "lstm": layers.LSTM}[cell](*args, **kwargs)


class TestLayers:
    @pytest.mark.parametrize("cell", CELLS)
    def test_the_core_computes_what_the_cell_does(self, cell: str) -> None:
        x = generator(cell).normal(size=(4, 6, 3)).astype("float32")
        for back, kind in itertools.product([False, True], [None, "ragged", "holes"]):
            layer = layer_of(cell, 5, return_sequences=True, return_state=True, go_backwards=back)
            slow = layers.RNN(layer.cell, return_sequences=True, return_state=True, go_backwards=back)
            mask = mask_of(kind, 4, 6)
            for a, b in zip(layer(x, mask=mask), slow(x, mask=mask), strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-5, atol=1e-6)

    def test_weights_are_those_of_keras(self) -> None:
        shapes = {
            "simple_rnn": [(3, 5), (5, 5), (5,)],
            "lstm": [(3, 20), (5, 20), (20,)],
            "gru": [(3, 15), (5, 15), (2, 15)],
            "gru_reset_before": [(3, 15), (5, 15), (15,)],
        }
        for cell, wanted in shapes.items():
            layer = layer_of(cell, 5)
            layer.build((None, None, 3))
            assert [w.shape for w in layer.weights] == wanted
            assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "bias"]
        layer = layers.LSTM(5)
        layer.build((None, None, 3))
        np.testing.assert_array_equal(layer.get_weights()[2], np.repeat([0, 1, 0, 0], 5))
        assert len(layers.LSTM(5, use_bias=False).get_config()) == len(layer.get_config())

    @pytest.mark.parametrize("activation", ["relu", "tanh"])
    def test_outputs_of_masked_steps(self, activation: str) -> None:
        """The output before, zeros where there is none; zeros throughout on request."""
        x = generator("outputs").normal(size=(1, 5, 3)).astype("float32")
        mask = np.array([[False, True, False, True, False]])
        start = np.ones((1, 4), "float32")
        layer = layers.SimpleRNN(4, activation, return_sequences=True)
        y = layer(x, initial_state=start, mask=mask).numpy()[0]
        assert not y[0].any()
        np.testing.assert_array_equal(y[2], y[1])
        np.testing.assert_array_equal(y[4], y[3])
        layer.zero_output_for_mask = True
        zeroed = layer(x, initial_state=start, mask=mask).numpy()[0]
        np.testing.assert_array_equal(zeroed, np.where(mask[0][:, None], y, 0))

    @pytest.mark.parametrize("cell", CELLS)
    def test_stateful(self, cell: str) -> None:
        x = generator(cell).normal(size=(2, 6, 3)).astype("float32")
        whole = layer_of(cell, 5)
        expected = whole(x).numpy()
        layer = layer_of(cell, 5, stateful=True)
        model = keras.Sequential([keras.Input(batch_shape=(2, 3, 3)), layer])
        model.set_weights(whole.get_weights())
        for _ in range(3):
            model.predict(x[:, :3], batch_size=2)
            np.testing.assert_allclose(model.predict(x[:, 3:], batch_size=2), expected, rtol=1e-5, atol=1e-6)
            layer.reset_state()
        model.compile("sgd", "mse")
        model.fit(x[:, :3], np.zeros((2, 5)), batch_size=2, epochs=2, verbose=0, shuffle=False)
        assert all(state.numpy().any() for state in layer.states)
        with pytest.raises(ValueError, match="stateful"):
            layer_of(cell, 5, stateful=True)(keras.Input((3, 3)))

    def test_initial_state(self) -> None:
        x, kernel, u, bias, h, c = (v.astype("float32") for v in operands("lstm"))
        inputs, states = keras.Input((None, 2)), [keras.Input((5,)), keras.Input((5,))]
        layer = layers.LSTM(5, return_state=True)
        model = keras.Model([inputs, *states], layer(inputs, initial_state=states))
        layer.set_weights([kernel, u, bias])
        expected = sequence("lstm", x, kernel, u, bias, h, c)
        y, last_h, last_c = model.predict([x, h, c])
        np.testing.assert_allclose(y, expected[0][:, -1], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(last_h, y)
        np.testing.assert_allclose(last_c, expected[2], rtol=1e-5, atol=1e-6)
        with pytest.raises(ValueError, match=r"initial states of shapes \[\(3, 5\), \(3, 5\)\]"):
            layer(x, initial_state=[h])

    @pytest.mark.parametrize("cell", CELLS)
    @pytest.mark.parametrize("recurrent", [0.0, 0.5])
    def test_dropout_is_the_same_for_all_steps(self, cell: str, recurrent: float) -> None:
        keras.utils.set_random_seed(0)
        layer = layer_of(cell, 5, dropout=0.5, recurrent_dropout=recurrent, seed=1, return_sequences=True)
        x = np.repeat(generator(cell).normal(size=(2, 1, 3)), 4, axis=1).astype("float32")
        layer.build(x.shape)
        layer.set_weights([0.3 * w for w in layer.get_weights()])
        first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
        assert not np.allclose(first, second)
        np.testing.assert_array_equal(layer(x).numpy(), layer(x, training=False).numpy())
        # With one decision for all steps a step of a fixed point repeats: the states of equal inputs converge.
        still = layer(np.repeat(x[:, :1], 60, axis=1), training=True).numpy()
        np.testing.assert_allclose(still[:, -1], still[:, -2], atol=1e-3)

    @pytest.mark.parametrize("cell", CELLS)
    def test_fit_is_the_same_recorded_eager_and_on_any_number_of_threads(self, cell: str) -> None:
        x = generator(cell).normal(size=(37, 7, 3)).astype("float32")
        x[3:20, 4:] = 0
        y = x.sum((1, 2))
        results = []
        before = _core.num_threads()
        try:
            for threads, eager in ((1, False), (2, False), (3, False), (2, True)):
                _core.set_num_threads(threads)
                keras.utils.set_random_seed(3)
                model = keras.Sequential([layers.Masking(), layer_of(cell, 9), layers.Dense(1)])
                model.compile("adam", "mse", run_eagerly=eager)
                model.fit(x, y, epochs=2, batch_size=16, verbose=0)
                results.append(model.get_weights())
        finally:
            _core.set_num_threads(before)
        for other in results[1:]:
            for a, b in zip(results[0], other, strict=True):
                np.testing.assert_array_equal(a, b)

    def test_learns_to_remember(self) -> None:
        keras.utils.set_random_seed(0)
        x = generator("remember").integers(0, 2, (256, 8)).astype("float32")
        model = keras.Sequential([keras.Input((8, 1)), layers.LSTM(16), layers.Dense(1, activation="sigmoid")])
        model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
        model.fit(x[..., None], x[:, 0], epochs=40, verbose=0)
        assert model.evaluate(x[..., None], x[:, 0], verbose=0)[1] > 0.95

    @pytest.mark.parametrize("cell", CELLS)
    def test_configuration(self, cell: str) -> None:
        layer = layer_of(cell, 5, "relu", dropout=0.1, kernel_regularizer="l2", return_sequences=True, name="mine")
        again = layers.deserialize(layers.serialize(layer))
        assert type(again) is type(layer)
        assert again.get_config() == layer.get_config()
        assert (again.name, again.units, again.dropout) == ("mine", 5, 0.1)
        assert again.activation is keras.activations.relu
        wrapped = layers.RNN(layer.cell, return_state=True)
        assert layers.deserialize(layers.serialize(wrapped)).get_config() == wrapped.get_config()

    def test_weights_are_saved_and_loaded(self, tmp_path: Any) -> None:
        x = generator("saved").normal(size=(4, 5, 3)).astype("float32")

        def build() -> keras.Model:
            return keras.Sequential([keras.Input((5, 3)), layers.GRU(4, return_sequences=True), layers.LSTM(4)])

        model, other = build(), build()
        model.save_weights(tmp_path / "m.weights.npz")
        other.load_weights(tmp_path / "m.weights.npz")
        np.testing.assert_array_equal(model.predict(x), other.predict(x))


class Minimal(layers.Layer):
    """The cell of Keras's documentation: h' = x W + h U."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, self.units), initializer="uniform", name="rec")

    def call(self, inputs, states):
        output = ops.matmul(inputs, self.kernel) + ops.matmul(states[0], self.recurrent_kernel)
        return output, [output]


class TestCells:
    def test_custom_cell(self) -> None:
        x = generator("custom").normal(size=(2, 4, 3)).astype("float32")
        layer = layers.RNN([Minimal(5), Minimal(2)], return_sequences=True)
        y = layer(x).numpy()
        (a, b), (c, d) = (cell.get_weights() for cell in layer.cell.cells)
        h, k = np.zeros((2, 5)), np.zeros((2, 2))
        for t in range(4):
            h = x[:, t] @ a + h @ b
            k = h @ c + k @ d
            np.testing.assert_allclose(y[:, t], k, rtol=1e-5, atol=1e-6)
        inputs = keras.Input((4, 3))
        model = keras.Model(inputs, layer(inputs))
        np.testing.assert_allclose(model.predict(x), y, rtol=1e-6)
        model.compile("sgd", "mse")
        model.fit(x, y * 0, verbose=0)

    def test_stacked_cells_are_stacked_layers(self) -> None:
        x = generator("stacked").normal(size=(2, 4, 3)).astype("float32")
        stack = layers.RNN(layers.StackedRNNCells([layers.LSTMCell(5), layers.GRUCell(4)]), return_state=True)
        y, (h, c), (last,) = stack(x)
        lstm, gru = layers.LSTM(5, return_sequences=True, return_state=True), layers.GRU(4)
        lstm.build(x.shape)
        gru.build((2, 4, 5))
        lstm.set_weights(stack.get_weights()[:3])
        gru.set_weights(stack.get_weights()[3:])
        sequence_, last_h, last_c = lstm(x)
        np.testing.assert_allclose(y.numpy(), gru(sequence_).numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(h.numpy(), last_h.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(c.numpy(), last_c.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(last.numpy(), y.numpy())
        again = layers.deserialize(layers.serialize(stack))
        assert again.get_config() == stack.get_config()

    def test_a_cell_by_itself(self) -> None:
        x, kernel, u, bias, h, c = (v.astype("float32") for v in operands("lstm", 3, 1, 2, 5))
        cell = layers.LSTMCell(5)
        cell.build((3, 2))
        cell.set_weights([kernel, u, bias])
        y, states = cell(x[:, 0], [h, c])
        expected = sequence("lstm", x, kernel, u, bias, h, c)
        np.testing.assert_allclose(y.numpy(), expected[1], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(states[1].numpy(), expected[2], rtol=1e-5, atol=1e-6)


class TestBidirectional:
    @pytest.mark.parametrize("sequences", [False, True])
    @pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
    def test_merges_both_directions(self, mode: str | None, sequences: bool) -> None:
        x = generator(mode).normal(size=(3, 5, 2)).astype("float32")
        layer = layers.Bidirectional(layers.GRU(4, return_sequences=sequences, return_state=True), merge_mode=mode)
        y, *rest = layer(x)
        forward, state = layer.forward_layer(x)
        backward, back_state = layer.backward_layer(x)
        a, b = forward.numpy(), backward.numpy()[:, ::-1] if sequences else backward.numpy()
        expected = {
            "concat": lambda: np.concatenate([a, b], -1),
            "sum": lambda: a + b,
            "mul": lambda: a * b,
            "ave": lambda: (a + b) / 2,
            None: lambda: a,
        }[mode]()
        np.testing.assert_allclose(y.numpy(), expected, rtol=1e-6)
        if mode is None:
            np.testing.assert_array_equal(rest.pop(0).numpy(), b)
        np.testing.assert_array_equal(rest[0].numpy(), state.numpy())
        np.testing.assert_array_equal(rest[1].numpy(), back_state.numpy())
        shapes = [tuple(t.shape) for t in (y, *layer(x)[1:])]
        assert list(layer.compute_output_shape((3, 5, 2))) == shapes
        symbolic = layer(keras.Input((5, 2)))
        assert [s.shape[1:] for s in symbolic] == [shape[1:] for shape in shapes]

    def test_masked_steps_are_those_of_the_inputs(self) -> None:
        x = generator("bi").normal(size=(2, 5, 3)).astype("float32")
        x[0, 2:] = 0
        layer = layers.Bidirectional(layers.LSTM(4, return_sequences=True))
        y = layer(layers.Masking()(x)).numpy()
        short = layer(x[:1, :2]).numpy()
        np.testing.assert_allclose(y[0, :2], short[0], rtol=1e-5, atol=1e-6)
        assert not y[0, 2:].any()

    def test_configuration_and_states(self) -> None:
        layer = layers.Bidirectional(layers.LSTM(4, dropout=0.2, name="inner"), merge_mode="ave", name="both")
        again = layers.deserialize(layers.serialize(layer))
        assert again.get_config() == layer.get_config()
        assert (again.forward_layer.name, again.backward_layer.name) == ("forward_inner", "backward_inner")
        x = generator("states").normal(size=(2, 5, 3)).astype("float32")
        states = [np.full((2, 4), 0.1 * i, "float32") for i in range(4)]
        y = layer(x, initial_state=states).numpy()
        a, b = layer.forward_layer(x, initial_state=states[:2]), layer.backward_layer(x, initial_state=states[2:])
        np.testing.assert_allclose(y, (a.numpy() + b.numpy()) / 2, rtol=1e-6)
        with pytest.raises(ValueError, match="go_backwards"):
            layers.Bidirectional(layers.LSTM(4), backward_layer=layers.LSTM(4))
        with pytest.raises(ValueError, match="recurrent layer"):
            layers.Bidirectional(layers.Dense(4))


class TestConvLSTM:
    @pytest.mark.parametrize("rank", [1, 2, 3])
    def test_windows_of_one_cell_are_an_lstm_at_each_place(self, rank: int) -> None:
        x = generator(rank).normal(size=(2, 4, *(3, 2, 2)[:rank], 3)).astype("float32")
        layer = getattr(layers, f"ConvLSTM{rank}D")(5, 1, return_sequences=True, return_state=True, go_backwards=True)
        layer.build(x.shape)
        layer.set_weights([0.5 * generator(rank).normal(size=w.shape) for w in layer.weights])
        kernel, u, bias = (w.reshape(-1, 20) if w.ndim > 1 else w for w in layer.get_weights())
        rows = np.moveaxis(x, 1, -2).reshape(-1, 4, 3)
        start = np.zeros((len(rows), 5))
        expected, last_h, last_c = sequence("lstm", rows, kernel, u, bias, start, start, None, True)
        y, h, c = layer(x)
        np.testing.assert_allclose(np.moveaxis(y.numpy(), 1, -2).reshape(-1, 4, 5), expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(h.numpy().reshape(-1, 5), last_h, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(c.numpy().reshape(-1, 5), last_c, rtol=1e-4, atol=1e-5)

    def test_formats_strides_masks_and_configuration(self) -> None:
        x = generator("conv").normal(size=(2, 4, 6, 5, 3)).astype("float32")
        last = layers.ConvLSTM2D(4, 3, strides=2, padding="same", return_sequences=True, dropout=0.1)
        y = last(x)
        assert y.shape == (2, 4, 3, 3, 4) == last.compute_output_shape(x.shape)
        first = layers.ConvLSTM2D(4, 3, 2, "same", "channels_first", return_sequences=True)
        first.build((2, 4, 3, 6, 5))
        first.set_weights(last.get_weights())
        moved = np.moveaxis(first(np.moveaxis(x, -1, 2).copy()).numpy(), 2, -1)
        np.testing.assert_allclose(moved, y.numpy(), rtol=1e-5, atol=1e-6)
        mask = np.array([[True, True, False, False], [True, True, True, True]])
        masked = last(x, mask=mask).numpy()
        np.testing.assert_array_equal(masked[0, 3], y.numpy()[0, 1])
        again = layers.deserialize(layers.serialize(last))
        assert again.get_config() == last.get_config()
        assert not np.allclose(last(x, training=True).numpy(), y.numpy())

    def test_fit(self) -> None:
        keras.utils.set_random_seed(0)
        x = generator("film").normal(size=(8, 3, 5, 5, 1)).astype("float32")
        model = keras.Sequential([keras.Input((3, 5, 5, 1)), layers.ConvLSTM2D(2, 3, padding="same")])
        model.compile(keras.optimizers.Adam(0.01), "mse")
        losses = model.fit(x, 0.1 * x.sum(1), epochs=10, verbose=0).history["loss"]
        assert losses[-1] < losses[0]


# ---- real Keras ----------------------------------------------------------------------------------------------------

CONFIGS: list[dict[str, Any]] = [
    {},
    {"return_sequences": True},
    {"go_backwards": True, "return_sequences": True},
    {"activation": "relu", "return_sequences": True},
    {"use_bias": False, "go_backwards": True},
    {"zero_output_for_mask": True, "return_sequences": True},
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("masked", [False, True])
def test_same_as_keras(cell: str, masked: bool) -> None:
    """Predictions, the masked loss and, by a step of SGD, the gradients of inputs (through the Dense) and weights."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    rng = generator(cell, masked)
    x = rng.normal(size=(5, 6, 3)).astype("float32")
    x[1, 4:] = x[2] = x[3, 2] = x[4, :2] = 0
    name = "GRU" if cell.startswith("gru") else {"simple_rnn": "SimpleRNN", "lstm": "LSTM"}[cell]
    extra = {"reset_after": cell == "gru"} if name == "GRU" else {}

    def build(library: Any, config: dict[str, Any]) -> Any:
        parts = library.layers
        masking = [parts.Masking()] if masked else []
        layer = getattr(parts, name)(4, **config, **extra)
        return library.Sequential([library.Input((6, 3)), *masking, parts.Dense(3), layer, parts.Dense(2)])

    for config in CONFIGS:
        ours, theirs = build(keras, config), build(reference, config)
        weights = [0.4 * rng.normal(size=w.shape) for w in theirs.weights]
        for model, library in ((ours, keras), (theirs, reference)):
            model.set_weights(weights)
            model.compile(library.optimizers.SGD(1.0), "mse")
        expected = theirs.predict(x, verbose=0)
        np.testing.assert_allclose(ours.predict(x), expected, rtol=1e-5, atol=2e-6)
        y = rng.normal(size=expected.shape).astype("float32")
        assert ours.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-5)
        ours.train_on_batch(x, y)
        theirs.train_on_batch(x, y)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=3e-6)
        assert set(theirs.layers[-2].get_config()) <= set(ours.layers[-2].get_config())


BIDIRECTIONAL = list(itertools.product(["concat", "sum", "mul", "ave", None], [False, True], [False, True]))
CONVOLUTIONAL: list[dict[str, Any]] = [
    {"kernel_size": 3, "padding": "same", "return_sequences": True},
    {"kernel_size": 3, "strides": 2},
    {"kernel_size": 2, "return_state": True, "go_backwards": True},
    {"kernel_size": 3, "use_bias": False, "activation": "relu", "dilation_rate": 2, "padding": "same"},
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wrappers_and_convolutions_same_as_keras() -> None:
    os.environ.setdefault("KERAS_BACKEND", "torch")
    reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")
    cases: list[tuple[tuple[int, ...], Any]] = []
    for mode, sequences, states in BIDIRECTIONAL:

        def both(parts: Any, x: Any, mode=mode, sequences=sequences, states=states) -> Any:
            inner = parts.LSTM(4, return_sequences=sequences, return_state=states)
            return parts.Bidirectional(inner, merge_mode=mode)(parts.Dense(3)(parts.Masking()(x)))

        cases.append(((6, 3), both))
    for rank, config in itertools.product([1, 2, 3], CONVOLUTIONAL):
        shape = [(4, 8, 2), (3, 6, 5, 2), (2, 4, 4, 4, 1)][rank - 1]

        def convolution(parts: Any, x: Any, rank=rank, config=config) -> Any:
            return getattr(parts, f"ConvLSTM{rank}D")(3, **config)(x)

        cases.append((shape, convolution))
    for shape, build in cases:
        rng = generator(shape)
        x = rng.normal(size=(3, *shape)).astype("float32")
        x[1, 1:] = 0
        models = []
        for library in (keras, reference):
            inputs = library.Input(shape)
            outputs = build(library.layers, inputs)
            models.append(library.Model(inputs, list(outputs) if isinstance(outputs, (list, tuple)) else outputs))
        ours, theirs = models
        weights = [0.4 * rng.normal(size=w.shape) for w in theirs.weights]
        for model, library in zip(models, (keras, reference), strict=True):
            model.set_weights(weights)
            model.compile(library.optimizers.SGD(0.5), "mse")
        expected = theirs.predict(x, verbose=0)
        got = ours.predict(x)
        many = expected if isinstance(expected, list) else [expected]
        for a, b in zip(got if isinstance(got, list) else [got], many, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=4e-6)
        targets = [rng.normal(size=y.shape).astype("float32") for y in many]
        for model in models:
            model.train_on_batch(x, targets if len(targets) > 1 else targets[0])
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
