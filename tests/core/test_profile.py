"""profile, explain and Model.profile: what is counted, what isn't, and that nothing is left behind."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

import chainrule
import chainrule.keras as keras
from chainrule import _core

ops = _core.ops


def calls(measured: Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in measured.rows:
        total[row.op] = total.get(row.op, 0) + row.calls
    return total


def array(*shape: int) -> Any:
    return chainrule.asarray(np.random.default_rng(0).normal(size=shape).astype("float32"))


def test_eager_calls_by_name_and_shapes() -> None:
    a, b, c = array(8, 4), array(4, 6), array(4, 2)
    ops.tanh(a)
    with chainrule.profile() as p:
        for _ in range(3):
            ops.matmul(a, b)
        ops.matmul(a, c)
        ops.tanh(a)
        ops.sum(a)
    ops.tanh(a)
    assert calls(p) == {"matmul": 4, "tanh": 1, "sum": 1}
    first, second = sorted((row for row in p.rows if row.op == "matmul"), key=lambda row: -row.calls)
    assert first.inputs == (("float32", (8, 4)), ("float32", (4, 6)))
    assert first.outputs == (("float32", (8, 6)),)
    assert (first.calls, first.flops, first.bytes) == (3, 3 * 2 * 8 * 4 * 6, 3 * 4 * (32 + 24 + 48))
    assert (second.calls, second.flops, second.outputs) == (1, 2 * 8 * 4 * 2, (("float32", (8, 2)),))
    (tanh,) = [row for row in p.rows if row.op == "tanh"]
    assert tanh.flops is None
    assert tanh.gflops is None
    assert tanh.bytes == 2 * 4 * 32
    assert first.gflops == pytest.approx(first.flops / first.seconds / 1e9)
    assert first.gbytes == pytest.approx(first.bytes / first.seconds / 1e9)
    assert [row.seconds for row in p.rows] == sorted((row.seconds for row in p.rows), reverse=True)
    assert sum(row.share for row in p.rows) == pytest.approx(1)
    assert 0 < sum(row.seconds for row in p.rows) <= p.seconds


def test_views_broadcasts_and_changes_in_place_in_bytes() -> None:
    a, target = array(5, 1), array(5, 7)
    wide = ops.broadcast_to(a, (5, 7))
    with chainrule.profile() as p:
        ops.transpose(target)
        ops.copy(wide)
        ops.assign(target, target)
    moved = {row.op: row.bytes for row in p.rows}
    assert moved["transpose"] == 0
    assert moved["copy"] == 4 * (5 + 35)  # the broadcast axis is read from one place
    assert moved["assign"] == 4 * (2 * 35 + 35)


def test_flops_of_convolutions_and_recurrences() -> None:
    x, kernel = array(2, 9, 9, 3), array(3, 3, 3, 5)
    inputs, weights, recurrent = array(2, 6, 3), array(3, 4), array(4, 4)

    def loss(x: Any, kernel: Any) -> Any:
        return ops.sum(ops.conv(x, kernel, (1, 1), (0, 0), (0, 0), (1, 1)))

    with chainrule.profile() as p:
        chainrule.grad(loss, argnums=(0, 1))(x, kernel)
        ops.recurrent(inputs, weights, recurrent, cell="simple_rnn")
    flops = {row.op: row.flops for row in p.rows}
    products = 2 * (2 * 7 * 7 * 5) * (3 * 3 * 3)  # results times products in each
    assert flops["conv"] == flops["conv_input_grad"] == flops["conv_kernel_grad"] == products
    assert flops["recurrent"] == 2 * (2 * 6) * (3 * 4 + 4 * 4)


def test_steps_of_programs_and_numbers_as_without() -> None:
    a, b = array(8, 4), array(4, 6)
    f = chainrule.jit(lambda a, b: ops.sum(ops.exp(ops.tanh(a @ b)) * 2.0))
    with chainrule.profile() as recording:
        expected = f(a, b)
    steps = next(iter(f.programs.values())).program.instructions
    assert sum(calls(recording).values()) == steps  # recording itself computes nothing
    with chainrule.profile() as p:
        for _ in range(5):
            assert float(f(a, b)) == float(expected)
    assert set(calls(p)) == set(calls(recording))
    assert sum(calls(p).values()) == 5 * steps
    (product,) = [row for row in p.rows if row.op.startswith("matmul")]
    assert (product.calls, product.flops) == (5, 5 * 2 * 8 * 4 * 6)
    text = chainrule.explain(f, a, b)
    assert all(f"{row.op}(" in text for row in p.rows)


def test_nothing_outside_of_the_block() -> None:
    x = array(16)
    with chainrule.profile() as p:
        pass
    ops.exp(x)
    assert p.rows == []
    assert _core.stop_profile() == []
    with pytest.raises(ValueError, match="Shape|shape|matmul"), p:
        ops.matmul(ops.exp(x), array(3, 2))
    assert calls(p) == {"exp": 1}
    with p:  # again: what was measured before is gone
        ops.log(ops.exp(x))
    assert calls(p) == {"exp": 1, "log": 1}


def test_an_op_that_fails_is_not_counted() -> None:
    with chainrule.profile() as p, pytest.raises(ValueError):
        ops.matmul(array(2, 3), array(4, 5))
    assert "matmul" not in calls(p)


def test_nesting_is_refused_and_the_outer_goes_on() -> None:
    x = array(16)
    with chainrule.profile() as p:
        ops.exp(x)
        with pytest.raises(RuntimeError, match="another profile"), chainrule.profile():
            pass
        ops.exp(x)
    assert calls(p) == {"exp": 2}


def test_all_threads_are_seen() -> None:
    x, b = array(32, 32), array(32, 32)
    f = chainrule.jit(lambda x: ops.tanh(x @ b) @ b)
    f(x)
    steps = next(iter(f.programs.values())).program.instructions
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(50):
            ops.exp(x)
            f(x)

    threads = [threading.Thread(target=work) for _ in range(4)]
    with chainrule.profile() as p:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    counted = calls(p)
    assert counted.pop("exp") == 200
    assert sum(counted.values()) == 200 * steps


def test_profiles_that_end_while_other_threads_compute() -> None:
    x = array(64)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            ops.exp(x)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(50):
            with chainrule.profile() as p:
                ops.tanh(x)
            assert calls(p).get("tanh") == 1
            assert set(calls(p)) <= {"exp", "tanh"}
    finally:
        stop.set()
        thread.join()


def test_the_table_is_aligned() -> None:
    a, b = array(8, 4), array(4, 6)
    with chainrule.profile() as p:
        ops.exp(ops.matmul(a, b))
    head, *lines, last = str(p).splitlines()
    assert head.split() == ["op", "calls", "ms", "share", "GFLOP/s", "of", "peak", "GB/s", "inputs"]
    assert len(lines) == 2
    assert len({line.index("float32(") for line in lines} | {head.index("inputs")}) == 1
    assert [line.split()[0] for line in lines] == [row.op for row in p.rows]
    assert "ms in ops" in last


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_share_of_the_peak(dtype: str) -> None:
    a = chainrule.asarray(np.ones((64, 64), dtype))
    bits = ops.cast(a, "bfloat16")
    with chainrule.profile() as p:
        ops.matmul(a, a)
        ops.matmul(bits, bits)
        ops.exp(a)
    rows = {(row.op, row.inputs[0][0]): row for row in p.rows}
    product = rows["matmul", dtype]
    assert product.peak is not None
    assert 0 < product.peak <= _core.measure_peak(dtype)  # the best so far never falls
    assert product.share_of_peak == pytest.approx(product.gflops * 1e9 / product.peak)
    assert f"{product.share_of_peak:.1%}" in str(p)
    assert rows["matmul", "bfloat16"].flops == product.flops  # on units of its own
    assert rows["matmul", "bfloat16"].share_of_peak is rows["exp", dtype].share_of_peak is None


def test_the_peak_is_above_what_products_reach() -> None:
    a = chainrule.asarray(np.ones((256, 256), "float32"))
    threads = chainrule.get_num_threads()
    chainrule.set_num_threads(1)
    try:
        with chainrule.profile() as p:
            for _ in range(20):
                ops.matmul(a, a)
        single, double = (max(_core.measure_peak(dtype) for _ in range(3)) for dtype in ("float32", "float64"))
    finally:
        chainrule.set_num_threads(threads)
    # No product beats it, and it is twice that of float64; with room for other work on the machine.
    assert 0 < p.rows[0].share_of_peak < 1.2
    assert 1.3 < single / double < 3


@pytest.mark.parametrize("dtype", ["int32", "float16", "bool"])
def test_other_types_have_no_peak(dtype: str) -> None:
    with pytest.raises(ValueError, match=f"float64, got {dtype}"):
        _core.measure_peak(dtype)


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    f = chainrule.jit(lambda x, n: ops.exp(x) @ ops.exp(x) * n)
    with pytest.raises(ValueError, match="nothing is recorded"):
        chainrule.explain(f)
    x = array(3, 3)
    with chainrule.profile() as p:
        text = chainrule.explain(f, x, 2.0)
    assert p.rows == []  # recorded, not run
    assert capsys.readouterr().out == text
    head, *lines = text.splitlines()
    assert f"kernels {_core.isa()}" in head
    assert head.startswith(f"{len(lines)} steps")
    assert sum("matmul" in line for line in lines) == 1
    assert "float32(3, 3)" in text
    assert len(f.programs) == 1
    np.testing.assert_allclose(np.asarray(f(x, 2.0)), np.exp(x.numpy()) @ np.exp(x.numpy()) * 2, rtol=1e-5)
    assert len(f.programs) == 1  # the call used what explain recorded
    f(array(2, 2), n=3.0)
    assert chainrule.explain(f).count("steps, arena") == 2


def test_explain_refuses_what_has_no_program() -> None:
    with pytest.raises(TypeError, match="jit"):
        chainrule.explain(len, [1])
    f = chainrule.jit(lambda x: ops.exp(x))
    with pytest.raises(RuntimeError, match="gradient"):
        chainrule.grad(lambda x: (chainrule.explain(f, x), x)[1])(1.0)
    with pytest.raises(RuntimeError, match="recorded"):
        chainrule.jit(lambda x: (chainrule.explain(f, x), x)[1])(array(2))


# ---- Model.profile

X = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 50)


def compiled(**options: Any) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, "relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def state(model: Any) -> list[np.ndarray]:
    metrics = [v for metric in model.metrics for v in metric.variables]
    return [v.numpy() for v in [*model.weights, *model.optimizer.variables, *metrics]]


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_training_is_counted_and_undone(run_eagerly: bool) -> None:
    model, twin = compiled(run_eagerly=run_eagerly), compiled(run_eagerly=run_eagerly)
    for each in (model, twin):
        each.fit(X, Y, epochs=1, batch_size=16, shuffle=False, verbose=0)
    before = state(model)
    p = model.profile(X, Y, batch_size=16, steps=7, verbose=0)
    for old, new in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(old, new)
    products = [row for row in p.rows if row.op.startswith("matmul")]
    # two layers forward, two gradients of weights, one of the hidden layer
    assert sum(row.calls for row in products) == 7 * 5
    assert sum(row.flops for row in products) == 7 * 2 * 16 * (2 * 6 * 8 + 3 * 8 * 3)
    assert calls(p)["batch_norm"] == 7
    # Training goes on as if nothing had been: the step count and the seed of dropout too.
    for each in (model, twin):
        each.fit(X, Y, epochs=1, batch_size=16, shuffle=False, verbose=0)
    for one, other in zip(state(model), state(twin), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_fresh_model_keeps_its_first_weights(capsys: pytest.CaptureFixture[str]) -> None:
    model = compiled()
    before = [v.numpy() for v in model.weights]
    p = model.profile(X, Y, steps=2)
    assert capsys.readouterr().out == f"{p}\n"
    for old, new in zip(before, [v.numpy() for v in model.weights], strict=True):
        np.testing.assert_array_equal(old, new)
    assert int(model.optimizer.iterations.numpy()) == 0
    assert all(not v.numpy().any() for metric in model.metrics for v in metric.variables)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_rows_by_layer(run_eagerly: bool) -> None:
    inner = keras.Sequential([keras.layers.Dense(5, "tanh", name="within")], name="inner")
    first, last = keras.layers.Dense(8, "relu", name="first"), keras.layers.Dense(3, name="last")
    model = keras.Sequential([keras.Input((6,)), first, inner, last], name="outer")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, run_eagerly=run_eagerly)
    p = model.profile(X, Y, batch_size=10, steps=4, verbose=0)
    by_layer = {row.layer: row for row in p.layers}
    assert set(by_layer) == {"outer/first", "outer/inner/within", "outer/last", ""}
    # Forward and the gradient of the weights; from the second layer on that of the inputs too.
    assert by_layer["outer/first"].flops == 4 * 2 * (2 * 10 * 6 * 8)
    assert by_layer["outer/inner/within"].flops == 4 * 3 * (2 * 10 * 8 * 5)
    assert by_layer["outer/last"].flops == 4 * 3 * (2 * 10 * 5 * 3)
    assert by_layer[""].flops is None  # loss and optimizer
    assert {row.layer for row in p.rows if "adam" in row.op or "cross_entropy" in row.op} == {""}
    for name, layer in by_layer.items():
        members = [row for row in p.rows if row.layer == name]
        assert layer.calls == sum(row.calls for row in members)
        assert layer.bytes == sum(row.bytes for row in members)
        assert layer.seconds == pytest.approx(sum(row.seconds for row in members))
        shares = [row.share_of_peak * row.seconds for row in members if row.share_of_peak is not None]
        assert (layer.share_of_peak or 0) * layer.seconds == pytest.approx(sum(shares))
    assert [row.seconds for row in p.layers] == sorted((row.seconds for row in p.layers), reverse=True)
    tables = str(p).split("\n\n")
    assert len(tables) == 3
    assert tables[0].split()[:2] == ["op", "layer"]
    assert [line.split("  ")[0] or "" for line in tables[1].splitlines()[1:]] == [
        row.layer or "(outside of layers)" for row in p.layers
    ]


def test_layers_end_with_their_call() -> None:
    class Failing(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            ops.exp(x)
            raise ValueError("on purpose")

    x = array(4, 6)
    with chainrule.profile() as p:
        with pytest.raises(ValueError, match="on purpose"):
            Failing(name="failing")(x)
        ops.exp(x)
    assert sorted(row.layer for row in p.rows if row.op == "exp") == ["", "failing"]


def test_a_fused_step_of_two_layers_names_both() -> None:
    one, two = keras.layers.Activation("tanh", name="one"), keras.layers.Activation("exponential", name="two")
    f = chainrule.jit(lambda x: two(one(x)))
    with chainrule.profile() as p:
        f(array(4, 6))
    (row,) = [row for row in p.rows if row.op.startswith("fused")]
    assert row.layer == "one+two"


def test_prediction_is_counted() -> None:
    model = compiled()
    expected = model.predict(X, verbose=0)
    p = model.profile(X, batch_size=20, steps=5, verbose=0)
    products = [row for row in p.rows if row.op.startswith("matmul")]
    assert sum(row.calls for row in products) == 5 * 2
    assert sum(row.flops for row in products) == 5 * 2 * 20 * (6 * 8 + 8 * 3)
    np.testing.assert_array_equal(model.predict(X, verbose=0), expected)


def test_states_of_recurrent_layers_are_put_back() -> None:
    inputs = keras.Input(batch_shape=(4, 5, 2))
    model = keras.Model(inputs, keras.layers.LSTM(3, stateful=True)(inputs))
    x = np.random.default_rng(2).normal(size=(4, 5, 2)).astype("float32")
    expected = [model.predict(x, verbose=0) for _ in range(2)]
    assert not np.array_equal(*expected)
    model.layers[-1].reset_state()
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected[0])
    p = model.profile(x, steps=3, verbose=0)
    (row,) = [row for row in p.rows if row.op == "recurrent"]
    assert row.calls == 3
    np.testing.assert_array_equal(model.predict(x, verbose=0), expected[1])


def test_errors_of_model_profile() -> None:
    model = compiled()
    with pytest.raises(ValueError, match="steps"):
        model.profile(X, Y, steps=0)
    with pytest.raises(ValueError, match="arrays"):
        model.profile(iter([(X, Y)]))
    before = state(model)
    with chainrule.profile(), pytest.raises(RuntimeError, match="another profile"):
        model.profile(X, Y, verbose=0)
    for old, new in zip(before, [v.numpy() for v in model.weights], strict=False):
        np.testing.assert_array_equal(old, new)
    bare = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    with pytest.raises(ValueError, match="compile"):
        bare.profile(X, Y)
    assert sum(row.calls for row in bare.profile(X, steps=2, verbose=0).rows if "matmul" in row.op) == 2
