"""The metrics of the confusion matrix, overlap and regression: against definitions in NumPy, and against Keras."""

import os

import numpy as np
import pytest

import chainrule.keras as keras

M = keras.metrics
GENERATOR = np.random.default_rng(3)
N = 60
BINARY = (GENERATOR.integers(0, 2, N).astype("float32"), GENERATOR.random(N).astype("float32"))
MULTI = (GENERATOR.integers(0, 2, (N, 4)).astype("float32"), GENERATOR.random((N, 4)).astype("float32"))
ONE_HOT = (np.eye(4, dtype="float32")[GENERATOR.integers(0, 4, N)], GENERATOR.random((N, 4)).astype("float32"))
CLASSES = (GENERATOR.integers(0, 4, N), GENERATOR.integers(0, 4, N))
REAL = (GENERATOR.normal(size=(N, 3)).astype("float32"), GENERATOR.normal(size=(N, 3)).astype("float32"))
WEIGHTS = GENERATOR.random(N).astype("float32")

# class, arguments, data
CASES = [
    *[(name, {}, BINARY) for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")],
    ("FalsePositives", {"thresholds": [0.1, 0.5, 0.9]}, MULTI),
    ("Precision", {}, BINARY),
    ("Precision", {"thresholds": [0.2, 0.6]}, MULTI),
    ("Precision", {"top_k": 2}, MULTI),
    ("Precision", {"class_id": 2}, MULTI),
    ("Precision", {"top_k": 2, "class_id": 1}, MULTI),
    ("Recall", {}, BINARY),
    ("Recall", {"thresholds": 0.3, "class_id": 0}, MULTI),
    ("Recall", {"top_k": 1}, ONE_HOT),
    ("SensitivityAtSpecificity", {"specificity": 0.4}, BINARY),
    ("SpecificityAtSensitivity", {"sensitivity": 0.4, "num_thresholds": 1}, BINARY),
    ("SpecificityAtSensitivity", {"sensitivity": 0.7}, BINARY),
    ("PrecisionAtRecall", {"recall": 0.8}, BINARY),
    ("RecallAtPrecision", {"precision": 0.5, "class_id": 1}, MULTI),
    *[
        ("AUC", {"curve": curve, "summation_method": method, "num_thresholds": 50}, BINARY)
        for curve in ("ROC", "PR", "PRGAIN")
        for method in ("interpolation", "minoring", "majoring")
    ],
    ("AUC", {"thresholds": [0.1, 0.4, 0.8]}, BINARY),
    ("AUC", {"multi_label": True}, MULTI),
    ("AUC", {"multi_label": True, "num_labels": 4, "label_weights": [1.0, 2.0, 0.0, 3.0], "curve": "PR"}, MULTI),
    ("AUC", {"from_logits": True}, (BINARY[0], 4 * BINARY[1] - 2)),
    *[("F1Score", {"average": average}, ONE_HOT) for average in (None, "micro", "macro", "weighted")],
    ("F1Score", {"threshold": 0.6}, MULTI),
    ("FBetaScore", {"beta": 2.0, "average": "weighted", "threshold": 0.5}, MULTI),
    ("IoU", {"num_classes": 4, "target_class_ids": [1, 3]}, CLASSES),
    ("MeanIoU", {"num_classes": 4, "ignore_class": 2}, CLASSES),
    ("BinaryIoU", {"target_class_ids": (1,), "threshold": 0.3}, BINARY),
    ("OneHotIoU", {"num_classes": 4, "target_class_ids": [0, 2]}, ONE_HOT),
    ("OneHotMeanIoU", {"num_classes": 4}, ONE_HOT),
    ("R2Score", {}, REAL),
    ("R2Score", {"class_aggregation": None, "num_regressors": 2}, REAL),
    ("R2Score", {"class_aggregation": "variance_weighted_average"}, REAL),
    ("PearsonCorrelation", {}, REAL),
    ("ConcordanceCorrelation", {"axis": -1}, REAL),
]
IDS = [f"{name}-{arguments}" for name, arguments, _ in CASES]


def value(metric):
    return np.asarray(metric.result())


def updated(module, name, arguments, data, weighted):
    """The metric after three batches of different sizes."""
    metric = getattr(module.metrics, name)(**arguments)
    for part in (slice(0, 7), slice(7, 40), slice(40, N)):
        extra = {"sample_weight": WEIGHTS[part]} if weighted else {}
        metric.update_state(data[0][part], data[1][part], **extra)
    return metric


@pytest.fixture(scope="module")
def real():
    os.environ.setdefault("KERAS_BACKEND", "jax")
    return pytest.importorskip("keras", reason="Keras 3 is not installed: compares with it where it is")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("name", "arguments", "data"), CASES, ids=IDS)
def test_as_keras(real, name, arguments, data, weighted):
    if "IoU" in name:  # Keras' default there is "int", which cuts fractional weights off
        arguments = {**arguments, "dtype": "float32"}
    ours, theirs = (value(updated(module, name, arguments, data, weighted)) for module in (keras, real))
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape


@pytest.mark.parametrize(("name", "arguments", "data"), CASES, ids=IDS)
def test_config_and_state(name, arguments, data):
    metric = updated(keras, name, arguments, data, False)
    again = type(metric).from_config(metric.get_config())
    assert again.get_config() == metric.get_config()
    for part in (slice(0, 30), slice(30, N)):  # other batches, the same state
        again.update_state(data[0][part], data[1][part])
    np.testing.assert_allclose(value(again), value(metric), rtol=1e-6)
    metric.reset_state()
    assert all((v.numpy() == 0).all() for v in metric.variables)


@pytest.mark.parametrize(("name", "arguments", "data"), CASES, ids=IDS)
def test_in_a_recorded_step(name, arguments, data):
    """`evaluate` records the update; the same update by hand gives the same."""
    x = np.asarray(data[1], "float32")
    if name in ("IoU", "MeanIoU"):
        arguments = {**arguments, "sparse_y_pred": False}
        x = np.eye(4, dtype="float32")[data[1]]
    inputs = keras.Input(x.shape[1:] or (1,))
    model = keras.Model(inputs, keras.layers.Identity()(inputs))
    model.compile(loss=lambda y, p: keras.ops.mean(p), metrics=[getattr(M, name)(**arguments, name="m")])
    x = x if x.ndim > 1 else x[:, None]
    y = data[0] if data[0].ndim > 1 or name in ("IoU", "MeanIoU") else data[0][:, None]
    results = model.evaluate(x, y, batch_size=7, verbose=0, return_dict=True)
    by_hand = getattr(M, name)(**arguments)
    for start in range(0, N, 7):
        by_hand.update_state(y[start : start + 7], x[start : start + 7])
    np.testing.assert_allclose(results["m"], value(by_hand), rtol=1e-6)


def test_definitions():
    y, score = BINARY
    said, true = score > 0.5, y > 0
    tp, fp, fn = (said & true).sum(), (said & ~true).sum(), (~said & true).sum()
    for name, expected in (
        ("Precision", tp / (tp + fp)),
        ("Recall", tp / (tp + fn)),
        ("TruePositives", tp),
        ("FalseNegatives", fn),
    ):
        assert value(updated(keras, name, {}, BINARY, False)) == pytest.approx(expected)
    f1 = updated(keras, "F1Score", {"threshold": 0.5}, (y[:, None], score[:, None]), False)
    assert value(f1) == pytest.approx([2 * tp / (2 * tp + fp + fn)])


def test_roc_area_is_the_chance_of_the_right_order():
    """With thresholds between all scores the area is Mann and Whitney's statistic."""
    y, score = BINARY
    pairs = score[y > 0][:, None] - score[y == 0][None]
    expected = (pairs > 0).mean() + (pairs == 0).mean() / 2
    order = np.sort(score)
    metric = M.AUC(thresholds=((order[1:] + order[:-1]) / 2).tolist())
    metric.update_state(y, score)
    assert value(metric) == pytest.approx(expected, abs=1e-6)


def test_r2_against_its_formula():
    y, z = (a.astype("float64") for a in REAL)
    expected = 1 - ((y - z) ** 2).sum(0) / ((y - y.mean(0)) ** 2).sum(0)
    assert value(updated(keras, "R2Score", {"class_aggregation": None}, REAL, False)) == pytest.approx(expected)


def test_mean_iou_against_sets():
    true, said = CLASSES
    expected = np.mean([((true == k) & (said == k)).sum() / ((true == k) | (said == k)).sum() for k in range(4)])
    assert value(updated(keras, "MeanIoU", {"num_classes": 4}, CLASSES, False)) == pytest.approx(expected)


def test_counts_go_beyond_float32():
    metric = M.TruePositives()
    metric.update_state([1.0], [1.0], sample_weight=[2.0**24])
    metric.update_state([1.0, 1.0], [1.0, 1.0])
    assert metric.true_positives.numpy()[0] == 2.0**24 + 2


def test_elementwise_values_and_weights():
    np.testing.assert_array_equal(M.binary_accuracy([[1, 1], [0, 0]], [[0.9, 0.2], [0.6, 0.1]]), [[1, 0], [0, 1]])
    metric = M.BinaryAccuracy()
    metric.update_state([[1, 1], [0, 0]], [[0.9, 0.2], [0.6, 0.1]], sample_weight=[[1, 2], [3, 4]])
    assert float(metric.result()) == 0.5
    metric = M.RootMeanSquaredError()
    metric.update_state([1.0, 2.0], [1.0, 4.0], sample_weight=[3, 1])
    assert float(metric.result()) == 1
    assert (M.TopKCategoricalAccuracy(k=3).k, M.BinaryAccuracy(threshold=0.4).threshold) == (3, 0.4)


def test_top_k_takes_the_first_of_equals():
    metric = M.Precision(top_k=3)
    metric.update_state([1, 0, 1, 1, 1], [0.2, 0.6, 0.4, 0.2, 0.2])
    np.testing.assert_allclose(metric.result(), 2 / 3, rtol=1e-6)


def test_without_side_effects():
    metric = M.Precision()
    state = metric.stateless_update_state([v.value for v in metric.variables], BINARY[0], BINARY[1])
    assert value(metric) == 0
    expected = updated(keras, "Precision", {}, BINARY, False)
    assert np.asarray(metric.stateless_result(state)) == value(expected)
    assert all((np.asarray(v) == 0).all() for v in expected.stateless_reset_state())
    with pytest.raises(ValueError, match="state variables"):
        metric.stateless_result(state[:1])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: M.Precision(thresholds=2.0), r"in \[0, 1\]"),
        (lambda: M.AUC(curve="ROCK"), "Invalid AUC curve"),
        (lambda: M.AUC(num_thresholds=1), "integer > 1"),
        (lambda: M.F1Score(average="median"), "Invalid `average`"),
        (lambda: M.FBetaScore(beta=0.0), "beta"),
        (lambda: M.IoU(2, [2]), "target_class_ids"),
        (lambda: M.R2Score("max"), "class_aggregation"),
        (lambda: M.Precision().update_state(np.zeros((4, 3)), np.zeros((4, 5))), "one shape"),
        (lambda: M.Recall(class_id=7).update_state(np.zeros((4, 3)), np.zeros((4, 3))), "class_id=7"),
        (lambda: M.Recall(class_id=0).update_state(np.zeros(4), np.zeros(4)), "2D array"),
        (lambda: M.PrecisionAtRecall(1.5), r"in the range \[0, 1\]"),
    ],
)
def test_bad_arguments(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_state_is_found_among_the_attributes():
    class Several(M.Metric):
        def __init__(self):
            super().__init__(name="several")
            self.parts = [M.Mean(), {"inner": M.Sum()}]
            self.count = keras.Variable(0.0, trainable=False)

        def update_state(self, values):
            for part in (self.parts[0], self.parts[1]["inner"]):
                part.update_state(values)
            self.count.assign_add(1)

        def result(self):
            return self.parts[0].result()

    metric = Several()
    metric.update_state([1.0, 2.0])
    assert len(metric.variables) == 4
    metric.reset_state()
    assert all(float(v) == 0 for v in metric.variables)
