"""The same calls with real Keras 3 and with chainrule give the same numbers. Skipped where Keras isn't installed."""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
reference = pytest.importorskip("keras", reason="real Keras isn't installed: nothing to compare with")

import chainrule.keras as keras  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # real Keras on torch raises its own

rng = np.random.default_rng(0)


def numbers(x):
    return reference.ops.convert_to_numpy(x)


def ours(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


ACTIVATIONS = [
    "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid "
    "log_softmax mish relu "
    "relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus sparse_sigmoid sparsemax squareplus "
    "tanh "
    "tanh_shrink glu"
][0].split()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    x = np.concatenate([rng.standard_normal((4, 6)) * 3, [[0, -1, 1, 0.5, -0.5, 6]]]).astype("float32")
    expected = numbers(getattr(reference.activations, name)(x))
    np.testing.assert_allclose(ours(getattr(keras.activations, name)(x)), expected, rtol=2e-5, atol=2e-6)


def probabilities(shape):
    x = rng.random(shape) + 0.05
    return (x / x.sum(-1, keepdims=True)).astype("float32")


REGRESSION = (rng.standard_normal((5, 3)).astype("float32"), rng.standard_normal((5, 3)).astype("float32"))
BINARY = (rng.integers(0, 2, (5, 3)).astype("float32"), rng.uniform(0.05, 0.95, (5, 3)).astype("float32"))
SIGNS = (rng.choice([-1.0, 1.0], (5, 3)).astype("float32"), REGRESSION[1])
ONE_HOT = (np.eye(4, dtype="float32")[[0, 3, 1, 2, 2]], probabilities((5, 4)))
SPARSE = (np.array([0, 3, 1, 2, 2]), ONE_HOT[1])
POSITIVE = (rng.random((5, 3)).astype("float32"), rng.random((5, 3)).astype("float32") + 0.1)
EMBEDDINGS = np.random.default_rng(1).standard_normal((5, 3)).astype("float32")
EMBEDDINGS /= np.linalg.norm(EMBEDDINGS, axis=1, keepdims=True)
LOSSES = [
    ("MeanSquaredError", {}, REGRESSION),
    ("MeanAbsoluteError", {}, REGRESSION),
    ("MeanAbsolutePercentageError", {}, REGRESSION),
    ("MeanSquaredLogarithmicError", {}, POSITIVE),
    ("Huber", {}, REGRESSION),
    ("Huber", {"delta": 0.3}, REGRESSION),
    ("LogCosh", {}, REGRESSION),
    ("CosineSimilarity", {}, REGRESSION),
    ("Hinge", {}, SIGNS),
    ("Hinge", {}, (BINARY[0], REGRESSION[1])),
    ("SquaredHinge", {}, SIGNS),
    ("CategoricalHinge", {}, ONE_HOT),
    ("BinaryCrossentropy", {}, BINARY),
    ("BinaryCrossentropy", {"from_logits": True}, (BINARY[0], REGRESSION[0])),
    ("BinaryCrossentropy", {"label_smoothing": 0.2}, BINARY),
    ("CategoricalCrossentropy", {}, ONE_HOT),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, ONE_HOT),
    ("CategoricalCrossentropy", {"from_logits": True}, (ONE_HOT[0], rng.standard_normal((5, 4)).astype("float32"))),
    ("SparseCategoricalCrossentropy", {}, SPARSE),
    (
        "SparseCategoricalCrossentropy",
        {"from_logits": True},
        (SPARSE[0], rng.standard_normal((5, 4)).astype("float32")),
    ),
    ("SparseCategoricalCrossentropy", {"ignore_class": 2}, SPARSE),
    ("BinaryFocalCrossentropy", {}, BINARY),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 3.0}, BINARY),
    ("BinaryFocalCrossentropy", {"from_logits": True}, (BINARY[0], REGRESSION[0])),
    ("CategoricalFocalCrossentropy", {}, ONE_HOT),
    ("CategoricalFocalCrossentropy", {"alpha": 0.5, "gamma": 1.0, "label_smoothing": 0.1}, ONE_HOT),
    ("KLDivergence", {}, (probabilities((5, 4)), probabilities((5, 4)))),
    ("Poisson", {}, POSITIVE),
    ("Dice", {}, BINARY),
    ("Tversky", {"alpha": 0.3}, BINARY),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.7}, SPARSE),
    ("Circle", {"gamma": 10.0}, (np.array([1, 1, 2, 2, 3]), EMBEDDINGS)),
    ("Circle", {"margin": 0.2, "remove_diagonal": False}, (np.array([1, 1, 2, 2, 3]), EMBEDDINGS)),
]


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "none"])
@pytest.mark.parametrize(("name", "options", "data"), LOSSES, ids=lambda v: "" if isinstance(v, tuple) else str(v))
def test_loss(name, options, data, reduction):
    expected = numbers(getattr(reference.losses, name)(reduction=reduction, **options)(*data))
    actual = ours(getattr(keras.losses, name)(reduction=reduction, **options)(*data))
    np.testing.assert_allclose(actual, expected, rtol=3e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
@pytest.mark.parametrize("name", ["MeanSquaredError", "SparseCategoricalCrossentropy", "BinaryCrossentropy"])
def test_weighted_loss(name, reduction):
    data = {"MeanSquaredError": REGRESSION, "SparseCategoricalCrossentropy": SPARSE, "BinaryCrossentropy": BINARY}[name]
    weight = rng.random(5).astype("float32")
    expected = numbers(getattr(reference.losses, name)(reduction=reduction)(*data, sample_weight=weight))
    actual = ours(getattr(keras.losses, name)(reduction=reduction)(*data, sample_weight=weight))
    np.testing.assert_allclose(actual, expected, rtol=3e-5)


METRICS = [
    ("Accuracy", {}, (np.array([1, 2, 3, 4]), np.array([1, 2, 0, 4]))),
    ("BinaryAccuracy", {}, BINARY),
    ("BinaryAccuracy", {"threshold": 0.3}, BINARY),
    ("CategoricalAccuracy", {}, ONE_HOT),
    ("SparseCategoricalAccuracy", {}, SPARSE),
    ("SparseCategoricalAccuracy", {}, (SPARSE[0].reshape(-1, 1), SPARSE[1])),
    ("TopKCategoricalAccuracy", {"k": 2}, ONE_HOT),
    ("SparseTopKCategoricalAccuracy", {"k": 2}, SPARSE),
    ("MeanSquaredError", {}, REGRESSION),
    ("MeanAbsoluteError", {}, REGRESSION),
    ("MeanAbsolutePercentageError", {}, REGRESSION),
    ("MeanSquaredLogarithmicError", {}, POSITIVE),
    ("RootMeanSquaredError", {}, REGRESSION),
    ("LogCoshError", {}, REGRESSION),
    ("CosineSimilarity", {}, REGRESSION),
    ("Hinge", {}, SIGNS),
    ("SquaredHinge", {}, SIGNS),
    ("CategoricalHinge", {}, ONE_HOT),
    ("BinaryCrossentropy", {}, BINARY),
    ("CategoricalCrossentropy", {}, ONE_HOT),
    ("SparseCategoricalCrossentropy", {}, SPARSE),
    ("KLDivergence", {}, (probabilities((5, 4)), probabilities((5, 4)))),
    ("Poisson", {}, POSITIVE),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "options", "data"), METRICS, ids=lambda v: "" if isinstance(v, tuple) else str(v))
def test_metric(name, options, data, weighted):
    theirs, mine = getattr(reference.metrics, name)(**options), getattr(keras.metrics, name)(**options)
    assert mine.name == theirs.name
    weight = np.linspace(0.5, 2, len(data[0])).astype("float32") if weighted else None
    for cut in (slice(0, 3), slice(3, None)):
        part = [np.asarray(a)[cut] for a in data]
        w = None if weight is None else weight[cut]
        theirs.update_state(*part, sample_weight=w)
        mine.update_state(*part, sample_weight=w)
    np.testing.assert_allclose(float(mine.result()), float(theirs.result()), rtol=3e-5)
    mine.reset_state()
    theirs.reset_state()
    assert float(mine.result()) == float(theirs.result())


OPTIMIZERS = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"weight_decay": 0.1}),
    ("SGD", {"clipvalue": 0.3}),
    ("SGD", {"clipnorm": 0.5}),
    ("SGD", {"global_clipnorm": 0.5}),
    ("RMSprop", {}),
    ("RMSprop", {"momentum": 0.5}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.5, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True}),
    ("Adam", {"weight_decay": 0.1, "clipvalue": 0.5}),
    ("Adam", {"global_clipnorm": 1.0}),
    ("AdamW", {}),
    ("Adagrad", {}),
    ("Adadelta", {"learning_rate": 1.0}),
    ("Adamax", {}),
    ("Adamax", {"clipvalue": 0.2, "weight_decay": 0.1}),
    ("Nadam", {}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3}),
    ("Adam", {"loss_scale_factor": 4.0}),
    ("Adam", {"gradient_accumulation_steps": 3, "clipnorm": 0.5, "weight_decay": 0.1}),
    ("Adagrad", {"gradient_accumulation_steps": 2}),
    ("Lion", {"beta_2": 0.9}),
    ("Ftrl", {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2, "beta": 0.1}),
    ("Ftrl", {"l2_shrinkage_regularization_strength": 0.1, "learning_rate_power": -0.7}),
    ("Lamb", {"weight_decay": 0.1}),
    ("Adafactor", {}),
    ("Muon", {"exclude_layers": ["^skip"], "nesterov": False}),
    ("Muon", {"rms_rate": None}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=str)
def test_optimizer(name, options):
    options = {"learning_rate": 0.05, **options}
    generator = np.random.default_rng(1)
    shapes = [(3, 4), (5,), ()]
    start = [generator.standard_normal(s).astype("float32") for s in shapes]
    gradients = [[generator.standard_normal(s).astype("float32") for s in shapes] for _ in range(7)]

    def run(module, tensor):
        optimizer = getattr(module.optimizers, name)(**options)
        variables = [module.Variable(v) for v in start]
        for g in gradients:
            optimizer.apply([tensor(a) for a in g], variables)
        return [np.asarray(module.ops.convert_to_numpy(v)) for v in variables], int(optimizer.iterations)

    if not hasattr(reference.optimizers, name):
        pytest.skip(f"this version of Keras has no {name}")
    expected, steps = run(reference, reference.ops.convert_to_tensor)
    actual, my_steps = run(keras, keras.ops.convert_to_tensor)
    assert steps == my_steps == 7 // options.get("gradient_accumulation_steps", 1)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


SCHEDULES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5}),
    ("PiecewiseConstantDecay", {"boundaries": [5, 20], "values": [1.0, 0.5, 0.1]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "power": 2.0}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 15, "cycle": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 30, "warmup_target": 0.1, "warmup_steps": 10}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 8, "m_mul": 0.8}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 8, "t_mul": 1.0}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 1.5}),  # 4: a new period
]


@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=str)
def test_schedule(name, options):
    theirs = getattr(reference.optimizers.schedules, name)(**options)
    mine = getattr(keras.optimizers.schedules, name)(**options)
    # Steps at which a floor jumps are left out: rounding decides there, in Keras too.
    for step in (0, 1, 4, 5, 6, 9, 13, 19, 21, 29, 37, 50):
        np.testing.assert_allclose(float(mine(step)), float(theirs(step)), rtol=1e-4, atol=1e-7, err_msg=str(step))
    assert type(mine).from_config(mine.get_config()).get_config() == mine.get_config()
    assert set(mine.get_config()) == set(theirs.get_config())


def summaries(library):
    """Texts of summaries: columns that wrap, names that are cut, nested models, shared layers, a chain."""
    library.utils.clear_session()
    layers, texts = library.layers, []
    x = library.Input((8,), name="x")
    shared = layers.Dense(30, name="a_name_that_is_rather_long")
    y = layers.Concatenate()([layers.Dense(2, name="narrow")(x), shared(x)])
    branched = library.Model(x, layers.Concatenate()([y, layers.Dropout(0.5)(y)]))
    for options in ({"line_length": 64, "show_trainable": True}, {"line_length": 78}, {}):
        branched.summary(print_fn=texts.append, **options)
    inner = library.Sequential([library.Input((8,)), layers.Dense(3), layers.BatchNormalization()], name="inner")
    inner.layers[0].trainable = False
    outer = library.Sequential([library.Input((8,)), inner, layers.Dense(1)], name="outer")
    outer.summary(line_length=70, expand_nested=True, show_trainable=True, print_fn=texts.append)
    outer.summary(line_length=70, positions=[0.5, 0.7, 1.0], print_fn=texts.append)
    chain = library.Model(x, layers.Dense(2, name="b")(layers.Dense(4, name="a")(x)), name="chain")
    chain.summary(print_fn=texts.append)
    return texts


def test_summary():
    for mine, theirs in zip(summaries(keras), summaries(reference), strict=True):
        assert mine == theirs


REGULARIZERS = [("L1", {"l1": 0.1}), ("L2", {"l2": 0.1}), ("L1L2", {"l1": 0.1, "l2": 0.2})]
REGULARIZERS += [
    ("OrthogonalRegularizer", {"factor": 0.1}),
    ("OrthogonalRegularizer", {"factor": 0.1, "mode": "columns"}),
]


@pytest.mark.parametrize(("name", "options"), REGULARIZERS, ids=str)
def test_regularizer(name, options):
    x = rng.standard_normal((5, 4)).astype("float32")
    expected = numbers(getattr(reference.regularizers, name)(**options)(reference.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(ours(getattr(keras.regularizers, name)(**options)(x)), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "options"), [("MaxNorm", {"max_value": 0.8}), ("NonNeg", {}), ("UnitNorm", {"axis": 1})]
)
def test_constraint(name, options):
    x = rng.standard_normal((4, 6)).astype("float32")
    expected = numbers(getattr(reference.constraints, name)(**options)(x))
    np.testing.assert_allclose(ours(getattr(keras.constraints, name)(**options)(x)), expected, rtol=1e-5, atol=1e-7)


def build(module, dropout=False):
    layers = module.layers
    return module.Sequential(
        [
            module.Input((6,)),
            layers.Dense(8, activation="relu", kernel_regularizer=module.regularizers.L2(0.01)),
            layers.PReLU(),
            layers.Dense(8, activation="tanh", bias_regularizer="l1"),
            layers.Dense(3, activation="softmax"),
        ]
    )


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam", "adagrad"])
def test_training(optimizer):
    """Same starting weights, same order of the data: the same losses, metrics and weights."""
    x = rng.standard_normal((50, 6)).astype("float32")
    y = rng.integers(0, 3, 50)
    weights = [0.3 * rng.standard_normal(w.shape).astype("float32") for w in build(reference).get_weights()]
    runs = []
    for module in (reference, keras):
        model = build(module)
        model.set_weights(weights)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], weighted_metrics=["accuracy"])
        history = model.fit(
            x, y, batch_size=16, epochs=3, shuffle=False, verbose=0, class_weight={0: 2.0, 1: 0.5}, validation_split=0.2
        )
        results = model.evaluate(x, y, verbose=0, return_dict=True)
        runs.append((history.history, model.get_weights(), results, model.predict(x, verbose=0)))
    (h1, w1, e1, p1), (h2, w2, e2, p2) = runs
    assert sorted(h1) == sorted(h2)
    for name in h1:
        np.testing.assert_allclose(h2[name], h1[name], rtol=1e-4, atol=1e-6, err_msg=name)
    for a, b in zip(w2, w1, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)
    assert e2 == pytest.approx(e1, rel=1e-4)
    np.testing.assert_allclose(p2, p1, rtol=1e-3, atol=1e-5)


def test_weight_order_and_names():
    mine, theirs = build(keras), build(reference)
    assert [w.shape for w in mine.weights] == [tuple(w.shape) for w in theirs.weights]
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]


def test_config_of_layers():
    for module in (reference, keras):
        config = module.layers.Dense(3, activation="relu", name="d").get_config()
        assert config["units"] == 3
    theirs = reference.layers.Dense(3, activation="relu", name="d").get_config()
    mine = keras.layers.Dense(3, activation="relu", name="d").get_config()
    assert mine["kernel_initializer"]["class_name"] == theirs["kernel_initializer"]["class_name"]
    assert mine["activation"] == theirs["activation"] == "relu"
