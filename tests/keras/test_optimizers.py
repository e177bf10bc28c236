"""Optimizers against their formulas in float64, and what goes with steps: accumulation, loss scale, given values."""

import numpy as np
import pytest

import chainrule.keras as keras

GENERATOR = np.random.default_rng(0)
W = GENERATOR.normal(size=(3, 4))
GRADIENTS = GENERATOR.normal(size=(5, 3, 4))


def run(optimizer, gradients=GRADIENTS):
    variable = keras.Variable(W, dtype="float64")
    for gradient in gradients:
        optimizer.apply([gradient], [variable])
    return variable.numpy()


def lion(lr=0.1, b1=0.9, b2=0.99):
    w, m = W.copy(), np.zeros_like(W)
    for g in GRADIENTS:
        w -= lr * np.sign(b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
    return w


def lamb(lr=0.1, b1=0.9, b2=0.999):
    w, m, v = W.copy(), np.zeros_like(W), np.zeros_like(W)
    for t, g in enumerate(GRADIENTS, 1):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g**2
        step = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-7)
        w -= lr * np.linalg.norm(w) / np.linalg.norm(step) * step
    return w


def ftrl(lr=0.1, l1=0.01, l2=0.02):
    w, n, z = W.copy(), np.full_like(W, 0.1), np.zeros_like(W)
    for g in GRADIENTS:
        z += g - (np.sqrt(n + g**2) - np.sqrt(n)) / lr * w
        n = n + g**2
        w = (np.clip(z, -l1, l1) - z) / (np.sqrt(n) / lr + 2 * l2)
    return w


def adafactor(lr=0.1):
    w, r, c = W.copy(), np.zeros(3), np.zeros(4)
    for t, g in enumerate(GRADIENTS, 1):
        share = t**-0.8
        r, c = ((1 - share) * x + share * (g**2 + 1e-30).mean(axis) for x, axis in ((r, 1), (c, 0)))
        u = g / np.sqrt(np.outer(r / r.mean(), c))
        u /= max(1, np.sqrt((u**2).mean()))
        w -= max(1e-3, np.sqrt((w**2).mean())) * min(lr, t**-0.5) * u
    return w


def schedule_free(lr=0.1, b1=0.9, b2=0.999):  # Keras on torch differs: it takes z after its update for the one before
    x, z, v = W.copy(), W.copy(), np.zeros_like(W)
    for t, g in enumerate(GRADIENTS, 1):
        v = b2 * v + (1 - b2) * g**2
        z = z - lr * min(t / 3, 1) * g / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        x = (1 - 1 / t) * x + z / t
    return (1 - b1) * z + b1 * x


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (keras.optimizers.Lion(0.1), lion),
        (keras.optimizers.Lamb(0.1), lamb),
        (keras.optimizers.Ftrl(0.1, l1_regularization_strength=0.01, l2_regularization_strength=0.02), ftrl),
        (keras.optimizers.Adafactor(0.1), adafactor),
        (keras.optimizers.ScheduleFreeAdamW(0.1, warmup_steps=3), schedule_free),
    ],
    ids=lambda item: getattr(item, "name", ""),
)
def test_formula(optimizer, expected):
    np.testing.assert_allclose(run(optimizer), expected(), rtol=1e-6)  # the rate is a float32
    again = type(optimizer).from_config(optimizer.get_config())
    assert again.get_config() == optimizer.get_config()


def test_muon_makes_matrices_orthogonal():
    optimizer = keras.optimizers.Muon(1.0, rms_rate=None, weight_decay=None, nesterov=False)
    step = W - run(optimizer, GRADIENTS[:1])
    u, _, vt = np.linalg.svd(GRADIENTS[0], full_matrices=False)
    np.testing.assert_allclose(np.linalg.svd(step)[1], 1, atol=0.35)  # five iterations bring them near 1
    assert np.abs(step - u @ vt).max() < 0.35


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adamax", "Adafactor"])
def test_accumulated_gradients_are_a_mean(name):
    make = getattr(keras.optimizers, name)
    mine = make(0.1, gradient_accumulation_steps=2, weight_decay=0.1)
    means = (GRADIENTS[0:4:2] + GRADIENTS[1:4:2]) / 2
    np.testing.assert_allclose(run(mine), run(make(0.1, weight_decay=0.1), means), rtol=1e-12)
    assert int(mine.iterations) == 2
    with pytest.raises(ValueError, match=">= 2"):
        make(gradient_accumulation_steps=1)


def test_accumulation_in_fit():
    x, y = GENERATOR.normal(size=(24, 3)), GENERATOR.normal(size=(24, 1))
    weights = []
    for batch, steps in ((4, 3), (12, None)):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(0.1, gradient_accumulation_steps=steps), "mse")
        model.fit(x, y, batch_size=batch, epochs=2, shuffle=False, verbose=0)
        weights.append(model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_loss_scale_finds_itself():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.5), 8.0, dynamic_growth_steps=2)
    variable = keras.Variable([1.0, 2.0])
    assert float(optimizer.scale_loss(1.0)) == 8
    optimizer.apply([np.array([8.0, np.inf])], [variable])
    np.testing.assert_array_equal(variable, [1, 2])
    assert float(optimizer.scale_loss(1.0)) == 4
    assert int(optimizer.iterations) == 0
    for _ in range(2):
        optimizer.apply([np.array([4.0, 8.0])], [variable])
    np.testing.assert_array_equal(variable, [0, 0])
    assert float(optimizer.scale_loss(1.0)) == 8
    assert int(optimizer.iterations) == 2


def test_loss_scale_in_fit():
    x, y = GENERATOR.normal(size=(16, 3)), GENERATOR.normal(size=(16, 1))
    weights = []
    for wrap in (lambda o: o, keras.optimizers.LossScaleOptimizer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(wrap(keras.optimizers.Adam(0.1)), "mse")
        losses = model.fit(x, y, epochs=3, verbose=0).history["loss"]
        weights.append([losses, *model.get_weights()])
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_stateless_apply_writes_nothing():
    optimizer, variable = keras.optimizers.Adam(0.1), keras.Variable(W)
    optimizer.build([variable])
    state = [v.numpy() for v in optimizer.variables]
    weights, after = optimizer.stateless_apply(state, [GRADIENTS[0]], [W])
    np.testing.assert_array_equal(variable, W)
    assert int(optimizer.iterations) == 0
    assert int(after[0]) == 1
    optimizer.apply([GRADIENTS[0]], [variable])
    np.testing.assert_array_equal(weights[0], variable)
    with pytest.raises(ValueError, match="optimizer_variables"):
        optimizer.stateless_apply(state[:1], [GRADIENTS[0]], [W])


def test_optimizers_by_path():
    with keras.name_scope("encoder"):
        first = keras.Variable([1.0], name="w")
    second = keras.Variable([1.0], name="w")
    assert first.path == "encoder/w"
    choice = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.5), {"encoder/.*": keras.optimizers.SGD(0.25)})
    optimizer = keras.optimizers.MultiOptimizer(choice)
    optimizer.apply([np.ones(1), np.ones(1)], [first, second])
    assert (float(first[0]), float(second[0])) == (0.75, 0.5)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(optimizer))
    assert float(again.optimizers[0].learning_rate) == 0.25
    choice[".*/w"] = keras.optimizers.SGD()
    with pytest.raises(ValueError, match="Multiple optimizers"):
        choice(first)


def test_own_optimizer():
    class Signs(keras.optimizers.Optimizer):
        def __init__(self, learning_rate=0.1, **kwargs):
            super().__init__(learning_rate=learning_rate, **kwargs)

        def build(self, variables):
            if self.built:
                return
            super().build(variables)
            self._counts, self._sums = self.add_optimizer_variables(variables, ["count", "sum"])

        def update_step(self, gradient, variable, learning_rate):
            count = self._counts[self._get_variable_index(variable)]
            self.assign_add(count, keras.ops.ones_like(count))
            self.assign_sub(variable, learning_rate * keras.ops.sign(gradient))

    optimizer = Signs(0.5)
    variable = keras.Variable([1.0, 1.0])
    optimizer.apply_gradients([(np.array([3.0, -3.0]), variable)])
    np.testing.assert_array_equal(variable, [0.5, 1.5])
    np.testing.assert_array_equal(optimizer.variables[2], [1, 1])
    assert len(optimizer.variables) == 4
