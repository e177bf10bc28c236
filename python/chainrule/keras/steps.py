"""One step of training, evaluation or prediction: as Python over tensors, and recorded once per signature as a program.

The same functions run in both cases, so a model that can't be recorded computes the same numbers, only slower.
"""

from __future__ import annotations

import contextlib
import logging
import os
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from . import random
from .activations import remember_logits
from .data import ArrayData, Batch, BatchLoop, BatchSource
from .layers.base import structure_version
from .layers.signatures import parameters_of
from .symbolic import flatten

_op = _core.ops
logger = logging.getLogger("chainrule.keras")

_PROGRAMS_KEPT = 64  # per model; the oldest goes when batches have ever new shapes
_SHUFFLE_STREAM = 0x73687566666C6500  # of cpp/graph/fit_loop.cpp


@contextlib.contextmanager
def gradient_recording(tensors: list[Any]) -> Iterator[None]:
    """Within the block, what is computed from the tensors can be differentiated."""
    _core.push_recording()
    try:
        for tensor in tensors:
            _core.watch(tensor)
        yield
    finally:
        for tensor in tensors:
            _core.unwatch(tensor)
        _core.pop_recording()


def loss_of(model: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
    """``model.compute_loss``, which a subclass may have defined without ``training``."""
    names, any_name = parameters_of(type(model).compute_loss)
    options = {"training": training} if any_name or "training" in names else {}
    return model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, **options)


def train_step(model: Any, x: Any, y: Any, sample_weight: Any) -> None:
    """Forward, loss, backward, update, metrics."""
    variables = model.trainable_variables
    tensors = [variable.value for variable in variables]
    model._clear_losses()
    with remember_logits():
        with gradient_recording(tensors):
            y_pred = model._forward(x, training=True)
            loss = loss_of(model, x, y, y_pred, sample_weight, True)
            scaled = model.optimizer.scale_loss(loss)
            gradients = _core.backward([scaled], [chainrule.asarray(np.ones(scaled.shape, scaled.dtype))], tensors)
        with chainrule.no_grad():
            model.compute_metrics(x, y, y_pred, sample_weight)
            model._loss_tracker.update_state(loss, sample_weight=_rows(x))
    model._clear_losses()
    model.optimizer.apply(gradients, variables)


def test_step(model: Any, x: Any, y: Any, sample_weight: Any) -> None:
    """Forward, loss, metrics."""
    model._clear_losses()
    with chainrule.no_grad(), remember_logits():
        y_pred = model._forward(x, training=False)
        loss = loss_of(model, x, y, y_pred, sample_weight, False)
        model.compute_metrics(x, y, y_pred, sample_weight)
        model._loss_tracker.update_state(loss, sample_weight=_rows(x))
    model._clear_losses()


def run_step(model: Any, mode: str, x: Any, y: Any, sample_weight: Any) -> None:
    """One step of "train" or "test": the model's own ``train_step(data)`` or ``test_step(data)`` if it defines one."""
    if not model._defines(f"{mode}_step"):
        (train_step if mode == "train" else test_step)(model, x, y, sample_weight)
        return
    data = (x, y) if sample_weight is None else (x, y, sample_weight)
    with remember_logits():
        logs = getattr(model, f"{mode}_step")(data if y is not None else x)
    tracked = {name for name, _ in model._named_metrics()}
    for name, value in (logs or {}).items():
        if name not in tracked:  # kept in memory of its own, so that a recorded step leaves it there
            state = model._step_logs[mode].setdefault(name, chainrule.asarray(np.zeros((), "float32")))
            _op.assign(state, _op.cast(chainrule.asarray(value), "float32"))


def predict_step(model: Any, x: Any) -> Any:
    """Forward outside of training, or the model's own ``predict_step(data)`` if it defines one."""
    with chainrule.no_grad():
        return model.predict_step(x) if model._defines("predict_step") else model._forward(x, training=False)


def _rows(x: Any) -> int:
    return int(next(leaf.shape[0] for leaf in flatten(x) if leaf is not None))


class RecordedStep:
    """A step as a program, and the shapes of the model's outputs in it (for checks of labels)."""

    def __init__(self, model: Any, mode: str, data: ArrayData, signature: list[tuple[tuple[int, ...], str]]) -> None:
        def function(*placeholders: Any) -> list[Any]:
            run_step(model, mode, *data.unpack(list(placeholders)))
            return []

        model._output_shapes = []
        self.program = _core.record(function, signature)
        self.program.flush_subnormals()
        self.output_shapes: list[tuple[int, ...]] = model._output_shapes


def step_for(model: Any, mode: str, data: ArrayData, rows: int) -> RecordedStep:
    """The recorded step for batches of that many rows, from the model's cache."""
    signature = data.signature(rows)
    trained = tuple(id(v) for v in model.trainable_variables) if mode == "train" else ()
    key = (mode, data.key(), tuple(signature), trained)
    cache = model._step_programs
    if model._step_version != structure_version():
        cache.clear()
    if key not in cache:
        if len(cache) >= _PROGRAMS_KEPT:
            cache.pop(next(iter(cache)))
        made = model._ensure_compiled_built(data)
        try:
            cache[key] = RecordedStep(model, mode, data, signature)
        except BaseException:
            if made:  # from data that doesn't fit; the next may
                model._forget_compiled()
            raise
        model._step_version = structure_version()
    return cache[key]


def explain_fallback(model: Any, error: Exception) -> None:
    """One log line: why the model runs unrecorded, and which line of the user's code is the cause."""
    here = os.path.dirname(os.path.abspath(chainrule.__file__))
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not os.path.abspath(f.filename).startswith(here)]
    where = f"{frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else "a layer of chainrule"
    logger.warning(
        "model %r runs step by step in Python (slower): its code needs the values of tensors, so it can't be "
        "recorded. %s (%s)",
        model.name,
        where,
        error,
    )


def make_loop(
    model: Any,
    mode: str,
    data: ArrayData | BatchSource,
    batch_size: int,
    eager: bool,
    seed: int | None,
    metrics: Any = (),
) -> tuple[Any, list[tuple[int, ...]]]:
    """(an object with ``run(epochs, max_steps, seconds)``, the shapes of the model's outputs if they are known).

    Args:
        seed: of the order of the rows; None keeps them in order.
        metrics: 0-d state that the core reads into its history and zeroes at the end of each epoch.
    """
    if isinstance(data, BatchSource):
        return BatchLoop(lambda *batch: run_batch(model, mode, batch, eager), data.epoch), []
    batch_size = min(batch_size, data.rows)
    rest = data.rows % batch_size
    if not eager:
        try:
            full = step_for(model, mode, data, batch_size)
            last = step_for(model, mode, data, rest).program if rest else None
        except chainrule.TraceError as error:
            explain_fallback(model, error)
            model._untraceable = True
        else:
            loop = _core.FitLoop(
                full=full.program,
                last=last,
                arrays=data.arrays,
                batch_size=batch_size,
                shuffle=seed is not None,
                seed=seed or 0,
                metrics=list(metrics),
            )
            return loop, full.output_shapes

    model._ensure_compiled_built(data)

    def batches(epoch: int) -> Iterator[Batch]:
        return data.batches(batch_size, None if seed is None else epoch_order(data.rows, seed, epoch))

    return BatchLoop(
        lambda *batch: _core.flushing_subnormals(lambda: run_step(model, mode, *batch)), batches
    ), _eager_shapes(model, data)


def _eager_shapes(model: Any, data: ArrayData) -> list[tuple[int, ...]]:
    return [tuple(output.shape) for output in flatten(model._probe(data)[1])] if model._can_be_called() else []


def run_batch(model: Any, mode: str, batch: Batch, eager: bool) -> None:
    """One step on one batch, recorded unless that is impossible or unwanted."""
    data = ArrayData(*batch)
    model._ensure_compiled_built(data)
    if mode == "train":
        model._build_optimizer()
    if not eager and not model._untraceable:
        try:
            step = step_for(model, mode, data, data.rows)
        except chainrule.TraceError as error:
            explain_fallback(model, error)
            model._untraceable = True
        else:
            model._check_labels(data, step.output_shapes)
            step.program(*data.arrays)
            return
    _core.flushing_subnormals(lambda: run_step(model, mode, *batch))


def epoch_order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order in which the core's FitLoop visits the rows in an epoch (the same algorithm, in Python)."""
    words = _op.random_bits(random.key_of(seed, _SHUFFLE_STREAM + epoch), ((rows + 1) // 2,)).numpy()
    halves = np.empty(2 * words.size, np.uint64)
    halves[0::2], halves[1::2] = words & np.uint64(0xFFFFFFFF), words >> np.uint64(32)
    bound = np.arange(1, rows + 1, dtype=np.uint64)
    chosen = ((halves[:rows] * bound) >> np.uint64(32)).tolist()
    order = [0] * rows
    for i, j in enumerate(chosen):
        order[i] = order[j]
        order[j] = i
    return np.array(order, dtype=np.int64)
