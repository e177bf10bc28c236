"""A student that learns from a teacher."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import chainrule.keras as keras
from chainrule.keras import distillation, layers

X = np.random.default_rng(0).random((64, 8), "float32")
Y = np.random.default_rng(1).integers(0, 4, 64)


def model(width: int = 16, classes: int = 4) -> keras.Sequential:
    return keras.Sequential(
        [keras.Input((8,)), layers.Dense(width, "relu", name="hidden"), layers.Dense(classes, name="logits")]
    )


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_logits_loss_is_the_softened_divergence() -> None:
    teacher, student = np.random.default_rng(2).normal(size=(2, 6, 5)).astype("float32")
    p, q = softmax(teacher / 4.0), softmax(student / 4.0)
    expected = (p * np.log(p / q)).sum(-1).mean() * 16
    for loss in ("kl_divergence", keras.losses.KLDivergence()):
        found = distillation.LogitsDistillation(4.0, loss).compute_loss(
            keras.ops.convert_to_tensor(teacher), keras.ops.convert_to_tensor(student)
        )
        assert float(found) == pytest.approx(expected, rel=1e-4)
    found = distillation.LogitsDistillation(2.0, "mse").compute_loss(
        keras.ops.convert_to_tensor(teacher), keras.ops.convert_to_tensor(student)
    )
    assert float(found) == pytest.approx(((teacher - student) ** 2).mean() / 4, rel=1e-5)


def test_total_is_weighted_and_the_teacher_frozen(tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    teacher, student = model(), model()
    losses = [distillation.LogitsDistillation(3.0), distillation.FeatureDistillation("mse", "hidden", "hidden")]
    distiller = distillation.Distiller(teacher, student, losses, [1.0, 0.5], student_loss_weight=0.25)
    distiller.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])
    hidden = [keras.Model(m.inputs, m.get_layer("hidden").output).predict(X, verbose=0) for m in (teacher, student)]
    t, s = teacher.predict(X, verbose=0), student.predict(X, verbose=0)
    p, q = softmax(t / 3), softmax(s / 3)
    distance = (p * np.log(p / q)).sum(-1).mean() * 9 + 0.5 * ((hidden[0] - hidden[1]) ** 2).mean()
    own = -np.log(softmax(s)[np.arange(64), Y]).mean()
    logs = distiller.evaluate(X, Y, batch_size=64, verbose=0, return_dict=True)
    assert logs["student_loss"] == pytest.approx(own, rel=1e-4)
    assert logs["distillation_loss"] == pytest.approx(distance, rel=1e-3)
    assert logs["loss"] == pytest.approx(0.25 * own + 0.75 * distance, rel=1e-3)
    before = teacher.get_weights()
    history = distiller.fit(X, Y, epochs=5, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    for old, new in zip(before, teacher.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    distiller.save(tmp_path / "distiller.keras")
    again = keras.models.load_model(tmp_path / "distiller.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), distiller.predict(X, verbose=0))
    assert again.evaluate(X, Y, verbose=0) == distiller.evaluate(X, Y, verbose=0)


def test_wrong_arguments() -> None:
    teacher, student = model(), model()
    loss = distillation.LogitsDistillation()
    with pytest.raises(ValueError, match="Teacher must be a keras.Model"):
        distillation.Distiller("teacher", student, loss)
    with pytest.raises(ValueError, match="output shapes"):
        distillation.Distiller(teacher, model(classes=3), loss)
    with pytest.raises(ValueError, match="between"):
        distillation.Distiller(teacher, student, loss, student_loss_weight=2)
    with pytest.raises(ValueError, match="must match"):
        distillation.Distiller(teacher, student, [loss], [1.0, 2.0])
    with pytest.raises(ValueError, match="In student model"):
        distillation.Distiller(teacher, student, distillation.FeatureDistillation("mse", "hidden", "missing"))
    with pytest.raises(ValueError, match="'loss'"):
        distillation.Distiller(teacher, student, loss).compile("adam")
    with pytest.raises(ValueError, match="positive"):
        distillation.LogitsDistillation(0.0)
    with pytest.raises(ValueError, match="isn't None"):
        distillation.FeatureDistillation(None)
