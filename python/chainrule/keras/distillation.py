"""``keras.distillation``: a small model, the student, learns what a trained one, the teacher, gives out.

Hinton, Vinyals and Dean 2015: beside the true labels the student is shown the teacher's outputs, softened by a
temperature T: KL(softmax(t / T) || softmax(s / T)) * T^2.
"""

from __future__ import annotations

from typing import Any

from . import losses, metrics, ops, tree
from .models import Model, Sequential
from .registry import Registry, deserialize_keras_object, serialize_keras_object

_registry = Registry("part of a distillation", "keras.distillation")


def _as_functions(loss: Any, where: str) -> Any:
    """Names of losses, nested as the outputs are, as losses; at least one isn't None."""
    found = tree.map_structure(lambda one: losses.get(one) if isinstance(one, str) else one, loss)
    if all(one is None for one in tree.flatten(found)):
        raise ValueError(f"{where}: `loss` needs at least one loss that isn't None, got {loss!r}.")
    return found


def _total(of: Any, loss: Any, teacher_outputs: Any, student_outputs: Any) -> Any:
    """The sum over the outputs whose loss isn't None."""
    parts = tree.map_structure(
        lambda one, teacher, student: 0.0 if one is None else ops.mean(of(one, teacher, student)),
        loss,
        teacher_outputs,
        student_outputs,
    )
    return sum(tree.flatten(parts))


class DistillationLoss:
    """Base class: how far the student's outputs are from the teacher's. Subclasses define :meth:`compute_loss`."""

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        """A scalar."""
        raise NotImplementedError(f"{type(self).__name__} must define compute_loss(teacher_outputs, student_outputs).")

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        """Raises ValueError where outputs can't be compared."""
        tree.assert_same_structure(teacher_outputs, student_outputs)

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        """Raises ValueError where models can't be compared."""


@_registry.add
class FeatureDistillation(DistillationLoss):
    """A loss between what a layer of the teacher and one of the student give out.

    Args:
        loss: a loss or its name; nested as the outputs where there are several, None for outputs left out.
        teacher_layer_name, student_layer_name: the layers; by default the outputs of the models.
    """

    def __init__(
        self, loss: Any = "mse", teacher_layer_name: str | None = None, student_layer_name: str | None = None
    ) -> None:
        self.teacher_layer_name, self.student_layer_name = teacher_layer_name, student_layer_name
        self.loss = _as_functions(loss, "FeatureDistillation")

    def validate_model_compatibility(self, teacher: Any, student: Any) -> None:
        for role, model, name in (
            ("teacher", teacher, self.teacher_layer_name),
            ("student", student, self.student_layer_name),
        ):
            if (self.teacher_layer_name or self.student_layer_name) and getattr(model, "inputs", None) is None:
                raise ValueError(
                    f"FeatureDistillation with names of layers needs Functional or Sequential models; the {role} is "
                    f"subclassed. Leave the names out to compare the models' outputs."
                )
            if name is not None:
                try:
                    model.get_layer(name=name)
                except ValueError as error:
                    raise ValueError(f"In {role} model: {error}") from None

    def validate_outputs(self, teacher_outputs: Any, student_outputs: Any) -> None:
        super().validate_outputs(teacher_outputs, student_outputs)
        try:
            tree.assert_same_structure(self.loss, teacher_outputs)
        except ValueError as error:
            raise ValueError(f"Loss structure mismatch: `loss` must be nested as the outputs are. {error}") from None

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        return _total(lambda one, *pair: one(*pair), self.loss, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        names = {"teacher_layer_name": self.teacher_layer_name, "student_layer_name": self.student_layer_name}
        return {"loss": serialize_keras_object(self.loss), **names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> FeatureDistillation:
        """A loss made with ``config``."""
        return cls(**{**config, "loss": deserialize_keras_object(config["loss"])})


@_registry.add
class LogitsDistillation(DistillationLoss):
    """A loss between the models' logits, divided by a temperature.

    Args:
        temperature: greater ones show more of what the teacher holds possible; 3 to 5 are usual.
        loss: a loss or its name; nested as the outputs where there are several, None for outputs left out. The
            Kullback-Leibler divergence gets the softmax of the logits and is multiplied by temperature^2; others get
            the logits.
    """

    def __init__(self, temperature: float = 3.0, loss: Any = "kl_divergence") -> None:
        if isinstance(temperature, bool) or not isinstance(temperature, (int, float)):
            raise ValueError(f"LogitsDistillation: temperature must be a number, got {temperature!r}.")
        if temperature <= 0:
            raise ValueError(f"LogitsDistillation: temperature must be positive, got {temperature}.")
        self.temperature = temperature
        self.loss = _as_functions(loss, "LogitsDistillation")

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        def one(loss: Any, teacher: Any, student: Any) -> Any:
            teacher, student = teacher / self.temperature, student / self.temperature
            if loss is losses.kl_divergence or isinstance(loss, losses.KLDivergence):
                divergence = ops.mean(loss(ops.softmax(teacher, axis=-1), ops.softmax(student, axis=-1)))
                return divergence * self.temperature**2
            return loss(teacher, student)

        return _total(one, self.loss, teacher_outputs, student_outputs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {"temperature": self.temperature, "loss": serialize_keras_object(self.loss)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LogitsDistillation:
        """A loss made with ``config``."""
        return cls(**{**config, "loss": deserialize_keras_object(config["loss"])})


def _check_alike(teacher: Any, student: Any, ends: str) -> None:
    """Raises ValueError where the symbolic inputs (or outputs) of two models don't fit each other."""
    pair = [getattr(model, f"{ends}s", None) for model in (teacher, student)]
    if None in pair:
        return
    tree.assert_same_structure(*pair)
    for theirs, own in zip(*map(tree.flatten, pair), strict=True):
        lengths = list(zip(theirs.shape, own.shape, strict=False))
        if len(theirs.shape) != len(own.shape) or any(None not in (a, b) and a != b for a, b in lengths):
            raise ValueError(
                f"Teacher and student {ends} shapes are incompatible. Teacher: {theirs.shape}, student: {own.shape}."
            )
        if theirs.dtype != own.dtype:
            raise ValueError(
                f"Teacher and student {ends} dtypes must match. Teacher: {theirs.dtype}, student: {own.dtype}."
            )


@_registry.add
class Distiller(Model):
    """Trains a student with its own loss and with the distance of its outputs from the teacher's.

    The loss is ``student_loss_weight`` times the compiled one, plus ``1 - student_loss_weight`` times the weighted sum
    of the distillation losses. The teacher is frozen. Calling the model calls the student.

    Args:
        teacher, student: models with the same inputs and outputs.
        distillation_losses: a :class:`DistillationLoss` or a list of them.
        distillation_loss_weights: a number for each of a list; 1 by default.

    Example::

        distiller = keras.distillation.Distiller(teacher, student, keras.distillation.LogitsDistillation(3.0))
        distiller.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
        distiller.fit(x, y)
        student = distiller.student
    """

    def __init__(
        self,
        teacher: Any,
        student: Any,
        distillation_losses: Any,
        distillation_loss_weights: Any = None,
        student_loss_weight: float = 0.5,
        name: str = "distiller",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        for role, model in (("Teacher", teacher), ("Student", student)):
            if not isinstance(model, Model):
                raise ValueError(f"{role} must be a keras.Model, got {type(model).__name__}.")
        _check_alike(teacher, student, "input")
        _check_alike(teacher, student, "output")
        if isinstance(student_loss_weight, bool) or not isinstance(student_loss_weight, (int, float)):
            raise ValueError(f"student_loss_weight must be a number, got {student_loss_weight!r}.")
        if not 0 <= student_loss_weight <= 1:
            raise ValueError(f"student_loss_weight must be between 0.0 and 1.0, got {student_loss_weight}.")
        if distillation_losses is None:
            raise ValueError("'distillation_losses' cannot be `None`: give a DistillationLoss or a list of them.")
        if not isinstance(distillation_losses, (list, tuple)):
            distillation_losses, distillation_loss_weights = [distillation_losses], [1.0]
        if distillation_loss_weights is None:
            distillation_loss_weights = [1.0] * len(distillation_losses)
        if len(distillation_loss_weights) != len(distillation_losses):
            raise ValueError(
                f"Number of distillation_loss_weights ({len(distillation_loss_weights)}) must match number of "
                f"distillation_losses ({len(distillation_losses)})."
            )
        for loss in distillation_losses:
            loss.validate_model_compatibility(teacher, student)
        self.teacher, self.student = teacher, student
        self.distillation_losses = list(distillation_losses)
        self.distillation_loss_weights = list(distillation_loss_weights)
        self.student_loss_weight = student_loss_weight
        self._given_loss: Any = None
        self._student_loss: Any = None
        named = [[getattr(loss, f"{role}_layer_name", None) for loss in distillation_losses] for role in _ROLES]
        self._teacher_features = _with_layers(teacher, named[0])
        self._student_features = _with_layers(student, named[1])
        teacher.trainable = False
        self.student_loss_tracker = metrics.Mean(name="student_loss")
        self.distillation_loss_tracker = metrics.Mean(name="distillation_loss")
        self.total_loss_tracker = metrics.Mean(name="total_loss")

    def compile(  # type: ignore[override]
        self, optimizer: Any = "adam", loss: Any = None, metrics: Any = None, **kwargs: Any
    ) -> None:
        """As :meth:`Model.compile`; ``loss`` is that of the student's outputs and the labels."""
        if loss is None:
            raise ValueError("'loss' cannot be `None`: give the loss of the student's outputs and the labels.")
        if metrics is not None and not isinstance(metrics, (list, tuple)):
            raise ValueError(f"metrics must be a list or tuple, got {type(metrics).__name__}.")
        self._given_loss = loss
        self._student_loss = _as_functions(loss, "Distiller.compile")
        super().compile(optimizer=optimizer, loss=None, metrics=metrics, **kwargs)

    def get_compile_config(self) -> dict[str, Any]:
        return {**super().get_compile_config(), "loss": serialize_keras_object(self._given_loss)}

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The student's outputs."""
        return self.student(inputs, training=training, **({} if mask is None else {"mask": mask}))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The student's loss and the distillation losses, weighted."""
        if y_pred is None:
            y_pred = self(x, training=training)
        own: Any = 0.0
        if self.student_loss_weight > 0 and y is not None:
            own = _total(lambda one, *pair: one(*pair), self._student_loss, y, y_pred)
        distance: Any = 0.0
        if self.student_loss_weight < 1:
            taught, shown = self._outputs_to_compare(x, y_pred)
            for loss, weight in zip(self.distillation_losses, self.distillation_loss_weights, strict=True):
                pair = [
                    outputs[getattr(loss, f"{role}_layer_name", None)]
                    for role, outputs in zip(_ROLES, (taught, shown), strict=True)
                ]
                loss.validate_outputs(*pair)
                found = loss.compute_loss(*pair)
                if tuple(getattr(found, "shape", ())) != ():
                    raise ValueError(
                        f"{type(loss).__name__}.compute_loss must return a scalar, got shape {tuple(found.shape)}."
                    )
                distance = distance + weight * found
        total = ops.convert_to_tensor(self.student_loss_weight * own + (1.0 - self.student_loss_weight) * distance)
        self.student_loss_tracker.update_state(own)
        self.distillation_loss_tracker.update_state(distance)
        self.total_loss_tracker.update_state(total)
        return total

    def _outputs_to_compare(self, x: Any, y_pred: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Of teacher and student: the outputs of layers by name, those of the model under None."""
        if self._teacher_features is None:
            taught = {None: self.teacher(x, training=False)}
        else:
            taught = _renamed(self._teacher_features(x, training=False))
        shown = {} if self._student_features is None else _renamed(self._student_features(x, training=True))
        return taught, {**shown, None: y_pred}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "teacher": serialize_keras_object(self.teacher),
            "student": serialize_keras_object(self.student),
            "distillation_losses": [serialize_keras_object(loss) for loss in self.distillation_losses],
            "distillation_loss_weights": self.distillation_loss_weights,
            "student_loss_weight": self.student_loss_weight,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        parts = {
            key: deserialize_keras_object(config[key], custom_objects)
            for key in ("teacher", "student", "distillation_losses")
        }
        return cls(**{**config, **parts})


_ROLES = ("teacher", "student")
_OUTPUT = "final_output"  # the model's own among the outputs of layers


def _with_layers(model: Any, named: list[str | None]) -> Any:
    """The model with the outputs of the named layers beside its own; None for no names."""
    names = sorted({name for name in named if name is not None})
    if not names:
        return None
    own = model.layers[-1].output if isinstance(model, Sequential) else model.output
    return Model(model.inputs, {_OUTPUT: own, **{name: model.get_layer(name=name).output for name in names}})


def _renamed(outputs: dict[str, Any]) -> dict[Any, Any]:
    return {None if name == _OUTPUT else name: value for name, value in outputs.items()}


__all__ = ["DistillationLoss", "Distiller", "FeatureDistillation", "LogitsDistillation"]
