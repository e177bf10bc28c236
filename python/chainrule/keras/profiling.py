"""Model.profile: some steps of a model under :func:`chainrule.profile`, with everything put back afterwards."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import chainrule
from chainrule import _core
from chainrule.profiling import Profile

from .data import ArrayData
from .random import SeedGenerator
from .steps import make_loop
from .symbolic import flatten

_op = _core.ops

_NO_END = 2**62  # epochs: the number of steps is the limit


def _state(model: Any) -> list[Any]:
    """All tensors that a step may change: weights, metrics, the optimizer's, seeds, states of recurrent layers."""
    variables = [*model.weights, *(v for metric in model.metrics for v in metric.variables)]
    if model.optimizer is not None:
        variables += model.optimizer.variables
    tensors = [variable._value for variable in variables]
    for layer in model._flatten_layers():
        tensors += [generator.state for generator in layer._tracked(SeedGenerator)]
        tensors += [state._value for state in flatten(getattr(layer, "_rnn_states", None) or [])]
    tensors += [value for logs in model._step_logs.values() for value in logs.values()]
    return list({id(tensor): tensor for tensor in tensors}.values())


@contextlib.contextmanager
def kept_state(model: Any) -> Iterator[None]:
    """Puts the state that the model has now back at the end."""
    tensors = _state(model)
    with chainrule.no_grad():
        values = [_op.copy(tensor) for tensor in tensors]
    try:
        yield
    finally:
        with chainrule.no_grad():
            for tensor, value in zip(tensors, values, strict=True):
                _op.assign(tensor, value)


def profile_training(model: Any, data: ArrayData, batch_size: int, steps: int) -> Profile:
    """Steps of training on batches in the order of the rows, read where they are."""
    batch_size = min(batch_size, data.rows)
    data = data.slice(0, data.rows // batch_size * batch_size)  # one shape only
    model.optimizer.build(model.trainable_variables)
    with kept_state(model):
        eager = model.run_eagerly or model._untraceable
        loop, output_shapes = make_loop(model, "train", data, batch_size, eager, None)
        model._check_labels(data, output_shapes)
        with kept_state(model):  # with the metrics that are made above
            loop.run(_NO_END, 1, -1.0)
            with chainrule.profile() as measured:
                loop.run(_NO_END, steps, -1.0)
    return measured


def profile_prediction(model: Any, data: ArrayData, batch_size: int, steps: int) -> Profile:
    """Forward passes on batches in the order of the rows."""
    batch_size = min(batch_size, data.rows)
    batches = [batch[0] for batch in data.slice(0, data.rows // batch_size * batch_size).batches(batch_size)]
    with kept_state(model):
        model._infer(batches[0])
        with chainrule.profile() as measured:
            for batch in itertools.islice(itertools.cycle(batches), steps):
                model._infer(batch)
    return measured
