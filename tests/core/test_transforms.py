"""grad, vjp, jit, GradientTape and their kin: against formulas and finite differences."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule
import chainrule.numpy as cnp
from chainrule import _core, tree

ops = _core.ops


class Pair(NamedTuple):
    first: Any
    second: Any


def test_tree_round_trip_and_structure() -> None:
    nested = {"b": [1, (2, None)], "a": Pair(3, {"x": 4})}
    leaves, structure = tree.flatten(nested)
    assert leaves == [3, 4, 1, 2]
    assert tree.unflatten(structure, leaves) == nested
    assert type(tree.unflatten(structure, leaves)["a"]) is Pair
    assert structure == tree.flatten({"a": Pair(0, {"x": 0}), "b": [0, (0, None)]})[1]
    assert structure != tree.flatten({"a": Pair(0, {"x": 0}), "b": [0, [0, None]]})[1]
    assert tree.map(lambda a, b: a + b, [1, (2,)], [10, (20,)]) == [11, (22,)]
    with pytest.raises(ValueError, match="structure"):
        tree.map(lambda a, b: a + b, [1], (1,))


def test_gradient_has_the_structure_of_its_argument() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]])

    def loss(p: Any, scale: float) -> Any:
        return ops.sum(ops.tanh(x @ p["w"] + p["b"][0])) * scale

    parameters = {"w": np.array([0.1, -0.2]), "b": (np.array(0.3),)}
    value, gradient = chainrule.value_and_grad(loss)(parameters, 2.0)
    t = np.tanh(x @ parameters["w"] + 0.3)
    np.testing.assert_allclose(float(value), 2 * t.sum(), rtol=1e-14)
    np.testing.assert_allclose(np.asarray(gradient["w"]), 2 * x.T @ (1 - t * t), rtol=1e-13)
    np.testing.assert_allclose(float(gradient["b"][0]), 2 * (1 - t * t).sum(), rtol=1e-13)
    assert not _core.has_node(value)


def test_argnums_aux_and_arguments_without_influence() -> None:
    f = chainrule.value_and_grad(lambda a, b, c: (a * b, "kept"), argnums=(0, 2), has_aux=True)
    (value, aux), (da, dc) = f(2.0, 3.0, 5.0)
    assert (float(value), aux, float(da), float(dc)) == (6.0, "kept", 3.0, 0.0)
    gradient, aux = chainrule.grad(lambda a: (a * a, 7), has_aux=True)(4.0)
    assert (float(gradient), aux) == (8.0, 7)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(TypeError, match=r"scalar of shape \(\).*shape \(2,\).*vjp"):
        chainrule.grad(lambda x: x)(np.ones(2))
    with pytest.raises(TypeError, match=r"float arguments, got dtype int64.*astype"):
        chainrule.grad(lambda x: x.sum())(np.arange(3))
    with pytest.raises(TypeError, match="argnums=1"):
        chainrule.grad(lambda x: x, argnums=1)(1.0)
    with pytest.raises(ValueError, match="cotangent has shape"):
        chainrule.vjp(lambda x: x * 2, np.ones(3))[1](np.ones(2))


def test_nested_gradients() -> None:
    f = lambda x: ops.sin(x) * ops.exp(x)  # noqa: E731
    third = chainrule.grad(chainrule.grad(chainrule.grad(f)))
    x = 0.7
    assert float(third(x)) == pytest.approx(2 * np.exp(x) * (np.cos(x) - np.sin(x)), rel=1e-12)


def test_the_inner_gradient_does_not_see_the_outer_variable_as_its_own() -> None:
    # d/dx [x * d/dy (x + y)] = 1: "perturbation confusion" gives 2 (Siskind and Pearlmutter 2005).
    inner = lambda x: x * chainrule.grad(lambda y: x + y)(1.0)  # noqa: E731
    assert float(chainrule.grad(inner)(3.0)) == 1.0


def test_hessian_vector_product() -> None:
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    f = lambda x: 0.5 * (x @ (a @ x)) + ops.sum(x * x * x)  # noqa: E731
    x, v = np.array([0.5, -1.0]), np.array([1.0, 2.0])
    product = chainrule.grad(lambda x: ops.sum(chainrule.grad(f)(x) * v))(x)
    np.testing.assert_allclose(np.asarray(product), a @ v + 6 * x * v, rtol=1e-12)


def test_vjp_of_containers() -> None:
    y, pull = chainrule.vjp(lambda a, b: (a @ b, [a * 2]), np.ones((2, 3)), np.arange(3.0))
    da, db = pull((np.array([1.0, 10.0]), [np.ones((2, 3))]))
    np.testing.assert_array_equal(np.asarray(da), np.outer([1, 10], np.arange(3.0)) + 2)
    np.testing.assert_array_equal(np.asarray(db), [11, 11, 11])
    assert y[0].shape == (2,)
    pull((np.array([1.0, 10.0]), [np.ones((2, 3))]))  # as often as one likes


def test_no_grad_and_stop_gradient() -> None:
    def f(x: Any) -> Any:
        with chainrule.no_grad():
            constant = x * 10.0
        return x * constant + chainrule.stop_gradient(x) * x

    assert float(chainrule.grad(f)(2.0)) == 22.0
    assert float(chainrule.grad(chainrule.no_grad()(f))(2.0)) == 0.0


def test_custom_gradient() -> None:
    @chainrule.custom_gradient
    def halved(x: Any, y: Any) -> Any:
        return (x * y, x + y), lambda du, dv: (0.5 * (du * y + dv), None)

    def f(x: Any, y: Any) -> Any:
        u, v = halved(x, y)
        return u + 3.0 * v

    dx, dy = chainrule.grad(f, argnums=(0, 1))(2.0, 5.0)
    assert (float(dx), float(dy)) == (4.0, 0.0)
    square = chainrule.custom_gradient(lambda x: (x * x, lambda u: u * 2.0 * x))
    assert float(chainrule.grad(chainrule.grad(square))(3.0)) == 2.0
    with pytest.raises(ValueError, match="2 gradients for 1"):
        chainrule.grad(chainrule.custom_gradient(lambda x: (x, lambda u: (u, u))))(1.0)


def test_gradient_tape() -> None:
    x, y = chainrule.asarray(3.0), chainrule.asarray(np.ones(2))
    with chainrule.GradientTape() as tape:
        tape.watch([x, y])
        z = x * x + ops.sum(y * 2.0)
    gradients = tape.gradient(z, {"x": x, "y": y, "none": chainrule.asarray(1.0)})
    assert float(gradients["x"]) == 6.0
    assert gradients["y"].tolist() == [2.0, 2.0]
    assert gradients["none"] is None
    assert not _core.has_node(x)
    with pytest.raises(RuntimeError, match="persistent=True"):
        tape.gradient(z, x)


def test_nested_and_persistent_tapes() -> None:
    x = chainrule.asarray(2.0)
    with chainrule.GradientTape() as outer:
        outer.watch(x)
        with chainrule.GradientTape(persistent=True) as inner:
            inner.watch(x)
            y = x * x * x
        first = inner.gradient(y, x)
        assert float(inner.gradient(y, x)) == float(first) == 12.0
    assert float(outer.gradient(first, x)) == 12.0


def test_in_place_change_of_what_the_gradient_needs_is_an_error() -> None:
    def f(x: Any) -> Any:
        y = ops.exp(x)
        z = y * y
        with chainrule.no_grad():
            ops.assign(y, y * 0.0)
        return ops.sum(z)

    with pytest.raises(RuntimeError, match="in place"):
        chainrule.grad(f)(np.ones(3))


def test_jit_gives_the_same_bits_and_records_once_per_signature() -> None:
    calls = []

    @chainrule.jit
    def f(x: Any, p: Any, power: int = 2) -> Any:
        calls.append(x.shape)
        return {"y": ops.tanh(x @ p["w"] + p["b"]) ** power, "n": power, "same": x}

    p = {"w": np.random.default_rng(0).standard_normal((3, 4)), "b": np.arange(4.0)}
    for rows in (5, 5, 2, 5):
        x = np.random.default_rng(rows).standard_normal((rows, 3))
        out = f(x, p)
        expected = ops.tanh(ops.add(ops.matmul(x, p["w"]), p["b"])) ** 2
        assert out["y"].tolist() == expected.tolist()
        assert out["n"] == 2
        assert out["same"].tolist() == x.tolist()
    assert len(calls) == 2
    f(x, p, power=3)
    f(x.astype("float32"), p)
    assert len(calls) == 4


def test_jit_tells_numbers_of_different_kind_apart() -> None:
    f = chainrule.jit(lambda x, n: x * n)
    x = np.array([1, 2])
    assert f(x, 1).dtype == np.dtype("int64")
    assert f(x, 1.0).dtype == np.dtype("float64")


def test_jit_of_gradients_and_gradients_of_jit() -> None:
    f = lambda w, x: ops.sum(ops.sigmoid(x @ w) ** 2)  # noqa: E731
    w, x = np.array([0.3, -0.7]), np.array([[1.0, 2.0], [-1.0, 0.5]])
    expected = chainrule.grad(f)(w, x).tolist()
    assert chainrule.jit(chainrule.grad(f))(w, x).tolist() == expected
    assert chainrule.grad(chainrule.jit(f))(w, x).tolist() == expected
    jitted = chainrule.jit(lambda x: chainrule.jit(ops.sin)(x) + 1.0)
    assert jitted(np.zeros(2)).tolist() == [1.0, 1.0]


def test_jit_refuses_a_branch_on_a_value() -> None:
    @chainrule.jit
    def f(x: Any) -> Any:
        return x if x[0] > 0 else -x

    with pytest.raises(chainrule.TraceError, match="where"):
        f(np.ones(2))
    escaped: list[Any] = []
    chainrule.jit(lambda x: escaped.append(x) or x)(np.ones(2))
    with pytest.raises(chainrule.TraceError):
        escaped[0] + 1
    assert not _core.tracing()


def test_jit_sees_state_at_every_call_and_leaves_arguments_alone() -> None:
    state = chainrule.asarray(np.zeros(3))

    @chainrule.jit
    def add(x: Any) -> Any:
        x += 1.0
        ops.assign_add(state, x)
        return state * 2.0

    argument = np.ones(3)
    assert add(argument).tolist() == [4.0] * 3
    assert add(argument).tolist() == [8.0] * 3
    assert state.tolist() == [4.0] * 3
    assert argument.tolist() == [1.0] * 3


def test_jit_static_arguments() -> None:
    f = chainrule.jit(lambda x, shape: ops.reshape(x, shape), static_argnums=1)
    assert f(np.arange(6.0), (2, 3)).shape == (2, 3)
    named = chainrule.jit(lambda x, n: x * n, static_argnames="n")
    assert named(np.ones(2), n=3).tolist() == [3.0, 3.0]
    with pytest.raises(TypeError, match=r"hashable.*set"):
        chainrule.jit(lambda x, s: x)(np.ones(2), {1})


def test_threads_record_and_differentiate_side_by_side() -> None:
    results: dict[int, list[float]] = {}

    def work(number: int) -> None:
        step = chainrule.jit(chainrule.grad(lambda w: ops.sum(ops.tanh(w * float(number)))))
        w = np.linspace(-1, 1, 2000)
        for _ in range(20):
            results[number] = step(w).tolist()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(1, 5):
        w = np.linspace(-1, 1, 2000)
        np.testing.assert_allclose(results[number], number * (1 - np.tanh(number * w) ** 2), rtol=1e-10, atol=1e-12)


def test_threads_call_eager_ops_and_one_program_at_once() -> None:
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal((150, 200)) for _ in range(4)]  # large enough for several threads inside a call
    program = chainrule.jit(lambda x: ops.tanh(x @ x.T) * 0.5 + ops.sum(x, axis=1))
    wrong: list[str] = []

    def work(number: int) -> None:
        x = chainrule.from_numpy(inputs[number])
        product = np.tanh(inputs[number] @ inputs[number].T) * 0.5 + inputs[number].sum(1)
        for _ in range(30):
            if not np.allclose(program(x).numpy(), product, rtol=1e-12, atol=1e-12):
                wrong.append(f"program {number}")
            y = chainrule.Tensor(inputs[number])
            y += 1.0
            if not np.allclose(ops.sum(y * y).item(), ((inputs[number] + 1) ** 2).sum(), rtol=1e-12):
                wrong.append(f"eager {number}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(inputs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_check_gradients() -> None:
    rng = np.random.default_rng(0)
    worst = chainrule.check_gradients(
        lambda p, x: ops.softmax(ops.gelu(x @ p[0]) @ p[1]) * np.arange(3.0),
        (rng.standard_normal((4, 5)), rng.standard_normal((5, 3))),
        rng.standard_normal((2, 4)),
    )
    assert worst < 1e-8
    wrong = chainrule.custom_gradient(lambda x: (x * x, lambda u: u * x))
    with pytest.raises(AssertionError, match=r"leaf 0.*index \(1,\)"):
        chainrule.check_gradients(wrong, np.array([0.0, 2.0]))


def test_jit_finds_the_program_of_a_call() -> None:
    calls: list[Any] = []

    @chainrule.jit
    def f(tree: Any, scale: Any = 1.0, nothing: Any = None) -> Any:
        calls.append(1)
        return {"sum": tree["a"] + tree["b"][0] * scale, "pair": (tree["a"], [tree["b"][0]]), "nothing": nothing}

    a, b = chainrule.asarray(np.ones(3)), chainrule.asarray(np.arange(3.0))
    for _ in range(3):
        result = f({"a": a, "b": [b]}, 2.0)
        assert result["sum"].tolist() == [1.0, 3.0, 5.0]
        assert result["pair"][1][0].tolist() == [0.0, 1.0, 2.0]
        assert result["nothing"] is None
        assert type(result["pair"]) is tuple
    assert len(calls) == 1
    assert f({"b": [b], "a": a}, 2.0)["sum"].tolist() == [1.0, 3.0, 5.0]  # the order of keys is no difference
    assert f({"a": np.ones(3), "b": [b]}, 2.0)["sum"].tolist() == [1.0, 3.0, 5.0]  # NumPy's arrays neither
    assert len(calls) == 1
    variants: list[Any] = [
        ({"a": a, "b": (b,)}, 2.0), ({"a": a, "b": [b]}, 3.0), ({"a": a, "b": [b]}, 2), ({"a": a, "b": [b]}, True),
        ({"a": a, "b": [b]}, 2.0, "x"), ({"a": a, "b": [b], "c": a}, 2.0), ({"a": a.astype("float32"), "b": [b]}, 2.0),
        ({"a": a[:1], "b": [b]}, 2.0),
    ]  # fmt: skip
    for number, arguments in enumerate(variants):
        for _ in range(2):
            f(*arguments)
        assert len(calls) == number + 2
    assert f({"a": a, "b": [b[::-1]]}, 2.0)["sum"].tolist() == [5.0, 3.0, 1.0]  # other strides, the same program
    assert f({"a": a, "b": [b]}, scale=2.0)["sum"].tolist() == [1.0, 3.0, 5.0]
    assert f.__name__ == "f"


def test_jit_of_a_method_belongs_to_its_instance() -> None:
    class Line:
        slope = 2.0

        @chainrule.jit
        def at(self, x: Any) -> Any:
            return x * self.slope

    line = Line()
    for _ in range(2):
        assert line.at(np.ones(2)).tolist() == [2.0, 2.0]


def test_jitted_functions_are_freed_with_what_they_hold() -> None:
    class Holder:
        def __init__(self) -> None:
            self.step = chainrule.jit(self._step)

        def _step(self, x: Any) -> Any:
            return x + 1.0

    holder = Holder()
    assert holder.step(np.ones(2)).tolist() == [2.0, 2.0]
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    "shapes", [((4, 3), (3,), (4,)), ((3,), (3, 4), (4,)), ((5, 4, 3), (3,), (4,)), ((2, 3), (3, 4), (4,))]
)
def test_a_product_and_a_vector_are_added_as_in_eager_calls(shapes: Any) -> None:
    rng = np.random.default_rng(0)
    a, b, c = (rng.standard_normal(shape) for shape in shapes)
    np.testing.assert_allclose(np.asarray(chainrule.jit(lambda a, b, c: a @ b + c)(a, b, c)), a @ b + c, rtol=1e-12)
    np.testing.assert_allclose(np.asarray(chainrule.jit(lambda a, b, c: c + a @ b)(a, b, c)), a @ b + c, rtol=1e-12)


def test_memory_made_inside_of_a_recorded_function_is_fresh_in_every_call() -> None:
    def sums(x: Any) -> Any:
        total = cnp.zeros(3)
        row = total[1:]
        row += x
        total[0] = total[2] * 2
        scratch = cnp.ones(2)
        scratch += x
        return total, scratch * 1

    recorded = chainrule.jit(sums)
    for value in (1.0, 5.0, 2.0):
        got, other = recorded(cnp.full(2, value))
        assert got.tolist() == [2 * value, value, value]
        assert other.tolist() == [1 + value] * 2


def test_memory_that_outlives_the_recording_is_state() -> None:
    state: dict[str, Any] = {}

    def count(x: Any) -> Any:
        if "total" not in state:
            state["total"] = cnp.zeros(2)
        state["total"] += x
        return state["total"] * 1

    recorded = chainrule.jit(count)
    assert [recorded(cnp.ones(2)).tolist() for _ in range(3)] == [[1, 1], [2, 2], [3, 3]]
    assert state["total"].tolist() == [3, 3]
