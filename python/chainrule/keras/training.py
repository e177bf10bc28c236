"""compile, fit, evaluate, predict and their single-batch forms.

fit records the whole training step once per input signature and runs many steps in one call of the core, which returns
about every 50 ms so that Ctrl-C and the progress bar work. Without epoch callbacks all epochs are one such run.
"""

from __future__ import annotations

import contextlib
import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

import chainrule
import chainrule.profiling
from chainrule import _core, seeds

from . import config, optimizers
from .callbacks import CallbackList
from .compiled import CompiledLoss, CompiledMetrics, check_labels
from .data import (
    ArrayData,
    BatchSource,
    OutOfDataError,
    apply_class_weight,
    batch_parts,
    is_array_data,
    split_validation,
)
from .debug import FiniteCheck
from .fitting import FitRun, is_due, run_hooked, run_steps
from .layers.base import observe_outputs, structure_version
from .masking import masks_of
from .metrics import Mean, Metric, read_scalar
from .profiling import profile_prediction, profile_training
from .progress import Progress, resolve_verbose
from .registry import deserialize_keras_object, serialize_keras_object
from .steps import loss_of, make_loop, predict_step, run_batch, test_step, train_step
from .symbolic import flatten, map_structure, pack_like
from .variables import Tensor, convert_to_tensor, to_array

_op = _core.ops

_PREDICT_ROWS = 256
_PROGRAMS_KEPT = 64


class Trainer:
    """The training half of :class:`keras.Model`."""

    optimizer: Any
    loss: Any  # as compile got it; a model of one's own may keep anything here
    stop_training: bool

    def _init_trainer(self) -> None:
        self.optimizer = self.loss = None
        self.stop_training = self.stop_evaluating = self.stop_predicting = False  # set by callbacks
        self.steps_per_execution, self.jit_compile = 1, True
        self.history: Any = None
        self._compiled = False
        self._compile_loss: CompiledLoss | None = None
        self._compile_metrics: CompiledMetrics | None = None
        self._compile_config: dict[str, Any] | None = None
        self._loss_tracker = Mean(name="loss")
        self._run_eagerly = False
        self._untraceable = False
        self._masked = False  # whether the outputs have masks, which a recorded forward pass doesn't give
        self._output_shapes: list[tuple[int, ...]] = []
        # What a train_step or test_step of the model's own returns beside its metrics, by mode.
        self._step_logs: dict[str, dict[str, Any]] = {"train": {}, "test": {}}
        self._step_programs: dict[Any, Any] = {}
        self._step_version = -1
        self._forward_programs: dict[Any, Any] = {}
        self._forward_version = -1
        self._forward_structure: Any = None

    def __getstate__(self) -> dict[str, Any]:
        """The state for pickle and copy: without the recorded programs, which are made again."""
        return {
            **vars(self),
            "_step_programs": {},
            "_forward_programs": {},
            "_step_version": -1,
            "_forward_version": -1,
        }

    # ---- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: Any = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how to train.

        Args:
            optimizer: a name or an :class:`Optimizer`.
            loss: a name, function or :class:`Loss`; for several outputs a list or a dictionary by output name.
            loss_weights: the outputs' shares of the total loss.
            metrics, weighted_metrics: names, functions or :class:`Metric` objects; the latter use sample weights.
            run_eagerly: run steps in Python, op by op, instead of recording them (to debug; the same numbers).
            steps_per_execution: callbacks of batches are called every so many steps. Steps run many at a time anyway.
            jit_compile: accepted for compatibility; steps are always recorded.
            auto_scale_loss: whether a model of the policy "mixed_float16" gets its optimizer inside a
                ``LossScaleOptimizer``, so that small gradients don't vanish.

        Raises:
            ValueError: an unknown name; the message suggests the nearest.
        """
        if optimizer is None:
            raise ValueError("compile: optimizer can't be None; use a name such as 'adam'.")
        self.optimizer = optimizers.get(optimizer)
        scales = auto_scale_loss and self.dtype_policy.name == "mixed_float16"  # type: ignore[attr-defined]
        if scales and not isinstance(self.optimizer, optimizers.LossScaleOptimizer):
            self.optimizer = optimizers.LossScaleOptimizer(self.optimizer, name="loss_scale_optimizer")
        self.loss = loss
        self._compile_loss = None if loss is None else CompiledLoss(loss, loss_weights)
        self._compile_metrics = CompiledMetrics(metrics, weighted_metrics)
        self._run_eagerly = bool(run_eagerly)
        self.jit_compile = bool(jit_compile)
        self.steps_per_execution = 1 if steps_per_execution == "auto" else int(steps_per_execution)
        self._untraceable = False
        self._compiled = True
        self.stop_training = False
        self._step_programs = {}
        self._step_logs = {"train": {}, "test": {}}
        self._loss_tracker = Mean(name="loss")
        self._compile_config = {
            "optimizer": optimizer,
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "run_eagerly": run_eagerly,
            "steps_per_execution": steps_per_execution,
            "jit_compile": jit_compile,
        }

    def get_compile_config(self) -> dict[str, Any]:
        """What :meth:`compile` was told, as a configuration for :meth:`compile_from_config`."""
        config = {} if self._compile_config is None else dict(self._compile_config)
        config["optimizer"] = self.optimizer
        return serialize_keras_object(config)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles as :meth:`get_compile_config` tells."""
        parameters = inspect.signature(type(self).compile).parameters
        known = {key: value for key, value in config.items() if key in parameters}
        self.compile(**deserialize_keras_object(known))

    @property
    def compiled(self) -> bool:
        """Whether :meth:`compile` was called."""
        return self._compiled

    @property
    def run_eagerly(self) -> bool:
        """Whether steps run in Python, op by op."""
        return self._run_eagerly

    @run_eagerly.setter
    def run_eagerly(self, value: bool) -> None:
        self._run_eagerly = bool(value)

    @property
    def metrics(self) -> list[Metric]:
        """The loss tracker, trackers of the outputs' losses, compiled metrics and those of layers."""
        found: list[Metric] = [self._loss_tracker] if self._compiled else []
        if self._compile_loss is not None:
            found += [tracker for tracker in self._compile_loss.trackers if tracker is not None]
        if self._compile_metrics is not None:
            found += [entry.metric for entry in self._compile_metrics.entries]
        mine = {id(metric) for metric in found} | {id(self._loss_tracker)}
        return found + [m for m in super().metrics if id(m) not in mine]  # type: ignore[misc]

    @property
    def metrics_names(self) -> list[str]:
        """The metrics' names in logs."""
        return [name for name, _ in self._named_metrics()]

    def _named_metrics(self) -> list[tuple[str, Metric]]:
        """The metrics with their names in logs: those of one of several outputs have its name in front."""
        shown = {} if self._compile_metrics is None else {id(e.metric): e.name for e in self._compile_metrics.entries}
        return [(shown.get(id(metric), metric.name), metric) for metric in self.metrics]

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """The values of logs as Keras lists them: by metrics, and sorted what has another name than its metric."""
        named = [name for name, metric in self._named_metrics() if name == metric.name and name in logs]
        values = [logs[name] for name in [*named, *sorted(set(logs) - set(named))]]
        return values[0] if len(values) == 1 else values

    @property
    def metrics_variables(self) -> list[Any]:
        """The state of all metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    def reset_metrics(self) -> None:
        """Zeroes the state of all metrics."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self, mode: str = "train") -> dict[str, float]:
        """The metrics' current values by name, and what a step of the model's own returned beside them."""
        results: dict[str, float] = {}
        for name, metric in self._named_metrics():
            value = metric.result()
            if isinstance(value, dict):
                results.update({key: read_scalar(item) for key, item in value.items()})
            else:
                array = np.asarray(convert_to_tensor(value).numpy())
                results[name] = float(array) if array.ndim == 0 else array.tolist()
        return results | {name: float(value) for name, value in self._step_logs[mode].items()}

    # ---- what a step computes

    def _output_names(self, y_pred: Any) -> list[str | None]:
        """The names of the output tensors, as far as the model (or a dictionary) gives them."""
        if isinstance(y_pred, dict) and not any(isinstance(y, (list, tuple, dict)) for y in y_pred.values()):
            return sorted(y_pred)
        count, names = len(flatten(y_pred)), getattr(self, "output_names", None)
        return list(names) if names and len(names) == count else [None] * count

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The total loss of a batch: the compiled loss, ``add_loss`` and the penalties of weights. May be overridden.

        Raises:
            ValueError: there is no loss.
        """
        total = None
        if self._compile_loss is not None:
            if not self._compile_loss.built:
                self._compile_loss.build(y, y_pred, self._output_names(y_pred))
            total = self._compile_loss(y, y_pred, sample_weight)
        for extra in self.losses:  # type: ignore[attr-defined]
            total = extra if total is None else total + extra
        if total is None:
            raise ValueError("There is no loss to compute: give loss= to compile(), or call add_loss() in a layer.")
        return total

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Adds a batch to the compiled metrics. May be overridden."""
        if self._compile_metrics is not None and self._compile_metrics.entries:
            self._compile_metrics.update(y, y_pred, sample_weight)
        return {}

    def train_step(self, data: Any) -> dict[str, Any]:
        """One step on a batch ``x``, ``(x, y)`` or ``(x, y, sample_weight)``: the values of the metrics after it.

        May be overridden; fit records it. What it returns beside the model's metrics is logged too.
        """
        train_step(self, *batch_parts(data))
        return {name: metric.result() for name, metric in self._named_metrics()}

    def test_step(self, data: Any) -> dict[str, Any]:
        """As :meth:`train_step`, for evaluate: loss and metrics without an update. May be overridden."""
        test_step(self, *batch_parts(data))
        return {name: metric.result() for name, metric in self._named_metrics()}

    def predict_step(self, data: Any) -> Any:
        """The outputs for a batch (of which only ``x`` is used). May be overridden; predict records it."""
        return self._forward(batch_parts(data)[0], training=False)

    def _defines(self, method: str) -> bool:
        """Whether a subclass (or an assignment) has put its own in the place of this method."""
        return method in vars(self) or getattr(type(self), method) is not getattr(Trainer, method)

    def _forward(self, x: Any, training: bool) -> Any:
        y_pred = super().__call__(x, training=training)  # type: ignore[misc]
        self._output_shapes = [tuple(leaf.shape) for leaf in flatten(y_pred)]
        return y_pred

    # ---- preparation

    def _require_compiled(self, method: str) -> None:
        if not self._compiled:
            raise ValueError(f"Call model.compile(optimizer=..., loss=...) before model.{method}().")

    def _ensure_model_built(self, x: Any) -> None:
        """Builds the layers on one sample, with real values (weights can't be made inside a recording)."""
        if not self._can_be_called():
            return
        if not self.built or any(not layer.built for layer in self._flatten_layers(False)):  # type: ignore[attr-defined]
            with self._state_kept():
                predict_step(self, map_structure(lambda leaf: None if leaf is None else leaf[:1], x))

    @contextlib.contextmanager
    def _state_kept(self) -> Iterator[None]:
        """Within the block the model can be tried out: states that its calls change are put back."""
        variables = list(self.non_trainable_variables)  # type: ignore[attr-defined]
        for layer in self._flatten_layers():  # type: ignore[attr-defined]
            variables += [state for state in flatten(getattr(layer, "_rnn_states", None)) if state is not None]
        kept = [variable.numpy() for variable in variables]
        yield
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)

    def _ensure_compiled_built(self, data: ArrayData) -> bool:
        """Makes losses and metrics for one sample's shapes, if there are none: recordings can't."""
        loss, metrics = self._compile_loss, self._compile_metrics
        if (loss is None or loss.built) and (metrics is None or metrics.built) or not self._can_be_called():
            return False
        first, y_pred = self._probe(data)
        names = self._output_names(y_pred)
        if loss is not None and not loss.built:
            if self._defines("compute_loss"):  # which may give the loss other outputs
                with chainrule.no_grad():
                    loss_of(self, first.x, first.y, y_pred, first.sample_weight, False)
            else:
                loss.build(first.y, y_pred, names)
        if metrics is not None and not metrics.built:
            metrics.build(first.y, y_pred, names)
        self.reset_metrics()
        return True

    def _probe(self, data: ArrayData) -> tuple[ArrayData, Any]:
        """(the first sample, the outputs for it), from which losses and metrics learn shapes.

        A batch where its size is declared. The model's states stay as they are.
        """
        rows = self._declared_rows() or 1
        first = data.slice(0, min(rows, data.rows))
        self._ensure_model_built(first.x)
        with self._state_kept():
            y_pred = predict_step(self, first.x)
        return first, y_pred

    def _forget_compiled(self) -> None:
        if self._compile_loss is not None:
            self._compile_loss.built = False
        if self._compile_metrics is not None:
            self._compile_metrics.built = False

    @staticmethod
    def _weigh_classes(data: Any, class_weight: Any) -> Any:
        """The data with class weights in its sample weights; validation data stays unweighted."""
        if class_weight is None:
            return data
        if not isinstance(data, ArrayData):
            data.class_weight = class_weight
            return data
        return apply_class_weight(data, class_weight)

    def _prepare(self, x: Any, y: Any, sample_weight: Any) -> Any:
        """ArrayData or BatchSource, with the model built and the inputs' shapes checked."""
        if is_array_data(x):
            data = ArrayData(x, y, sample_weight)
            self._check_input_shapes(data.x)
            self._ensure_model_built(data.x)
            return data
        if y is not None or sample_weight is not None:
            raise ValueError(
                f"x is a {type(x).__name__}, which makes batches (x, y, sample_weight) itself; y and sample_weight "
                f"can't be "
                f"given besides."
            )
        return BatchSource(x)

    def _check_input_shapes(self, x: Any) -> None:
        """Models with declared inputs check them here, but for the number of rows, before any step."""

    def _build_optimizer(self) -> None:
        """Makes the optimizer's slots, unless the first batch has to build the model before."""
        if self.optimizer is not None and all(layer.built for layer in self._flatten_layers(False)):  # type: ignore[attr-defined]
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def _can_be_called(self) -> bool:
        """Whether there is a ``call``; a model whose own ``train_step`` does everything may have none."""
        return True

    def _declared_rows(self) -> int | None:
        """The size of a batch, if the model's inputs declare it."""
        return None

    def _check_labels(self, data: ArrayData, output_shapes: list[tuple[int, ...]]) -> None:
        """ValueError for labels that no class of the model has."""
        compiled = self._compile_loss
        if compiled is None or not compiled.built or data.y is None or len(output_shapes) != len(compiled.names):
            return
        if len(output_shapes) == 1:
            for entry in compiled.entries:
                check_labels(entry.loss, flatten(data.y)[0], output_shapes[0], entry.name)
            return
        flat = data.y if isinstance(data.y, dict) else flatten(data.y)
        if len(flat) != len(output_shapes):
            return
        for entry in compiled.entries:
            place = compiled.names.index(entry.name) if entry.name in compiled.names else None
            target = flat.get(entry.name) if isinstance(flat, dict) else None if place is None else flat[place]
            if target is not None and place is not None and hasattr(target, "shape"):
                check_labels(entry.loss, target, output_shapes[place], entry.name)

    @staticmethod
    def _check_batch_size(batch_size: Any, default: int) -> int:
        if batch_size is None:
            return default
        if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__") or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number >= 1, got {batch_size!r}.")
        return int(batch_size)

    # ---- fit

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
        check_nan: bool = False,
    ) -> Any:
        """Trains for ``epochs`` passes over the data; returns a History whose ``history`` maps names to values per
        epoch.

        Args:
            x, y: inputs and targets, arrays with one row a sample (or lists or dictionaries of them for several inputs
            or
                outputs), or a source of batches ``(x, y)`` as x.
            batch_size: rows per step; 32 if not given.
            verbose: 0 silent, 1 progress bar, 2 one line an epoch, "auto": 1 in a terminal or notebook, else 2.
            validation_split: this fraction of the rows, the last ones, is evaluated after each epoch, not trained on.
            validation_data: ``(x, y)`` or ``(x, y, sample_weight)`` evaluated after each epoch.
            shuffle: whether rows come in a new order each epoch (the order depends on the seed and the epoch only).
            class_weight: weights of the classes in the loss, by number.
            sample_weight: weights of the samples in the loss.
            initial_epoch: the epoch to start from.
            steps_per_epoch: steps that make an epoch, if not one pass.
            validation_freq: every how many epochs (or after which ones) to validate.
            check_nan: stop at the first value that isn't finite and name the layer and batch it comes from (slow).

        Raises:
            ValueError: data that doesn't fit the model or the loss, before the first step.
            FloatingPointError: with ``check_nan``, a NaN or infinity.
        """
        self._require_compiled("fit")
        if x is None:
            raise ValueError("fit needs x, the inputs.")
        epochs = config.limited(epochs, config.max_epochs(), "epochs") or epochs
        steps_per_epoch = config.limited(steps_per_epoch, config.max_steps_per_epoch(), "steps_per_epoch")
        data = self._prepare(x, y, sample_weight)
        validation: Any = None
        if validation_data is not None:
            validation = self._validation(validation_data)
        elif validation_split:
            if not isinstance(data, ArrayData):
                raise ValueError("validation_split needs arrays; for a source of batches give validation_data.")
            data, held_out = split_validation(data, validation_split)
            validation = {"x": held_out}
        data = self._weigh_classes(data, class_weight)
        batch_size = self._check_batch_size(batch_size, self._declared_rows() or 32)
        self.stop_training = False
        self._build_optimizer()
        eager = self._run_eagerly or self._untraceable or check_nan
        seed = seeds.draw() if shuffle else None
        loop, output_shapes = make_loop(self, "train", data, batch_size, eager, seed)
        if isinstance(data, ArrayData):
            self._check_labels(data, output_shapes)
        steps = steps_per_epoch or (-(-data.rows // batch_size) if isinstance(data, ArrayData) else data.steps)
        verbose = resolve_verbose(verbose)
        hooks = CallbackList(
            callbacks,
            add_history=True,
            model=self,
            epochs=epochs,
            steps=steps,
            verbose=verbose,
        )
        self.history = hooks.history
        run = FitRun(self, loop, hooks, steps, steps_per_epoch, verbose)
        guard = FiniteCheck(self) if check_nan else None
        if guard is not None and isinstance(data, ArrayData):
            guard.check_inputs(data)
        hooks.on_train_begin()
        initial_epoch = self.__dict__.pop("_initial_epoch", None) or initial_epoch  # of BackupAndRestore
        self.reset_metrics()
        with contextlib.nullcontext() if guard is None else observe_outputs(guard):
            if run.can_run_at_once(validation, initial_epoch):
                state = [variable.value for metric in self.metrics for variable in metric.variables]
                run.at_once(make_loop(self, "train", data, batch_size, eager, seed, state)[0], epochs)
            else:
                for epoch in range(initial_epoch, epochs):
                    try:
                        run.epoch(epoch, epochs)
                    except OutOfDataError as error:
                        if epoch == initial_epoch:
                            raise
                        warnings.warn(f"{error} Training ends after {epoch} epochs.", stacklevel=2)
                        break
                    logs = dict(sorted(self.get_metrics_result().items()))
                    if validation is not None and is_due(validation_freq, epoch):
                        results = self.evaluate(
                            **validation,
                            batch_size=validation_batch_size or batch_size,
                            verbose=0,
                            steps=validation_steps,
                            callbacks=hooks,
                            return_dict=True,
                        )
                        logs.update({f"val_{name}": value for name, value in results.items()})
                    run.end_epoch(epoch, logs)
                    if self.stop_training:
                        break
        self.optimizer.finalize_variable_values(self.trainable_variables)  # type: ignore[attr-defined]
        hooks.on_train_end(run.logs)
        return self.history

    @staticmethod
    def _validation(data: Any) -> dict[str, Any]:
        """The arguments of evaluate."""
        if isinstance(data, tuple) and len(data) in (2, 3):
            return dict(zip(("x", "y", "sample_weight"), data, strict=False))
        if isinstance(data, (tuple, list)) or hasattr(data, "__array__"):
            raise ValueError("validation_data must be a tuple (x, y) or (x, y, sample_weight), or a source of batches.")
        return {"x": data}

    # ---- evaluate

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """The loss, followed by the metrics if there are any, on the data (a dictionary with ``return_dict``)."""
        self._require_compiled("evaluate")
        if x is None:
            raise ValueError("evaluate needs x, the inputs.")
        data = x if isinstance(x, ArrayData) else self._prepare(x, y, sample_weight)
        batch_size = self._check_batch_size(batch_size, self._declared_rows() or 32)
        loop, output_shapes = make_loop(self, "test", data, batch_size, self._run_eagerly or self._untraceable, None)
        if isinstance(data, ArrayData):
            self._check_labels(data, output_shapes)
        count = steps or (-(-data.rows // batch_size) if isinstance(data, ArrayData) else data.steps)
        verbose = resolve_verbose(verbose)
        if isinstance(callbacks, CallbackList):
            hooks = callbacks
        else:
            hooks = CallbackList(callbacks, model=self, verbose=verbose, epochs=1, steps=count)
        self.reset_metrics()
        progress = Progress(verbose, count)
        progress.begin(None)
        hooks.on_test_begin()
        self.stop_evaluating = False
        if hooks.has_test_batch_hooks:

            def end(step: int) -> None:
                hooks.on_test_batch_end(step, self.get_metrics_result("test"))

            size = self.steps_per_execution
            run_hooked(loop, steps, size, hooks.on_test_batch_begin, end, lambda: self.stop_evaluating)
        else:
            run_steps(loop, steps, progress, None)
        logs = dict(sorted(self.get_metrics_result("test").items()))
        hooks.on_test_end(logs)
        progress.end(count or loop.step, logs)
        if return_dict:
            return logs
        return self._in_order(logs)

    # ---- predict

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The outputs for all rows of ``x`` as ndarrays (in the structure of the model's outputs).

        Raises:
            ValueError: inputs that don't fit the model.
        """
        if (
            type(x) is np.ndarray
            and callbacks is None
            and steps is None
            and verbose in (0, "auto")
            and x.ndim
            and 0 < x.shape[0] <= (batch_size or _PREDICT_ROWS)
        ):
            program = self._forward_programs.get((x.shape, x.dtype))
            if program and self._forward_version == structure_version():
                outputs = program(x)
                if len(outputs) == 1:
                    return to_array(outputs[0])
        if not is_array_data(x):
            batches = (batch[0] for batch in BatchSource(x).epoch(0))
            total = steps
        else:
            data = ArrayData(x)
            self._check_input_shapes(data.x)
            self._ensure_model_built(data.x)
            rows = _PREDICT_ROWS if callbacks is None else 32  # callbacks see the batches that Keras makes
            size = self._check_batch_size(batch_size, self._declared_rows() or rows)
            batches = (batch[0] for batch in data.batches(size))
            total = -(-data.rows // size)
        verbose = 0 if verbose == "auto" else resolve_verbose(verbose)
        hooks = CallbackList(callbacks, model=self, verbose=verbose, epochs=1, steps=total)
        progress = Progress(verbose, total)
        progress.begin(None)
        hooks.on_predict_begin()
        self.stop_predicting = False
        collected: list[list[Any]] = []
        structure: Any = None
        for step, batch in enumerate(batches):
            if step == steps or self.stop_predicting:
                break
            hooks.on_predict_batch_begin(step)
            structure = self._infer(batch)
            collected.append([to_array(output) for output in flatten(structure)])
            hooks.on_predict_batch_end(step, {"outputs": structure})
            progress.update(step + 1, None)
        hooks.on_predict_end()
        progress.end(len(collected), {})
        if not collected:
            raise ValueError("predict got no batches.")
        joined = [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in zip(*collected, strict=True)]
        return pack_like(structure, joined)

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for one batch as ndarrays."""
        if type(x) is np.ndarray:
            program = self._forward_programs.get((x.shape, x.dtype))
            if program and self._forward_version == structure_version():
                outputs = program(x)
                if len(outputs) == 1:
                    return to_array(outputs[0])
        data = ArrayData(x)
        self._check_input_shapes(data.x)
        self._ensure_model_built(data.x)
        return map_structure(to_array, self._infer(data.x))

    def _infer(self, x: Any) -> Any:
        """The outputs for a batch of tensors outside of training, by a recorded program where possible."""
        if self._run_eagerly or self._untraceable or not isinstance(x, Tensor):
            return predict_step(self, x)
        program = self._forward_program(x)
        if program is None:
            return predict_step(self, x)
        outputs = program(x)
        return outputs[0] if len(outputs) == 1 else pack_like(self._forward_structure, outputs)

    def _forward_program(self, x: Any) -> Any:
        """The recorded forward pass for tensors of this shape and type; None if the model can't be recorded."""
        programs = self._forward_programs
        if self._forward_version != structure_version():
            programs.clear()
        key = (x.shape, x.dtype)
        program = programs.get(key)
        if program is None:

            def forward(placeholder: Any) -> list[Any]:
                outputs = predict_step(self, placeholder)
                self._forward_structure = map_structure(lambda leaf: None, outputs)
                self._masked = self._masked or masks_of(outputs) is not None
                # An output that is the input itself gets memory of its own.
                return [_op.copy(y) if y is placeholder else y for y in flatten(outputs)]

            try:
                program = _core.record(forward, [(x.shape, x.dtype.name)])
            except chainrule.TraceError:
                self._untraceable = True
                return None
            if len(programs) >= _PROGRAMS_KEPT:
                programs.pop(next(iter(programs)))
            programs[key] = program
            self._forward_version = structure_version()
        return program

    # ---- profile

    def profile(
        self, x: Any, y: Any = None, batch_size: int | None = 32, steps: int = 20, verbose: int = 1
    ) -> chainrule.profiling.Profile:
        """Measures where the time of training (or, without ``y``, of predict) goes, op by op; prints the table.

        Runs one step to warm up and ``steps`` more under :func:`chainrule.profile`, on whole batches in the order of
        the rows, again from the first where they run out. Weights, optimizer, metrics and seeds are put back
        afterwards; a model or optimizer that isn't built yet is built.

        Args:
            x, y: arrays as in :meth:`fit` (sources of batches are not taken).
            batch_size: rows per step.
            steps: how many steps to measure.
            verbose: 0 prints nothing.

        Returns:
            A :class:`chainrule.profiling.Profile`: ``rows`` are the numbers, ``str`` the table.

        Raises:
            ValueError: ``x`` isn't an array, ``steps`` isn't a whole number >= 1, or ``y`` is given and the model isn't
                compiled.
            RuntimeError: another profile is on.
        """
        if not is_array_data(x):
            raise ValueError(f"profile needs arrays for x, got {type(x).__name__}; take some batches of it together.")
        if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps < 1:
            raise ValueError(f"profile: steps must be a whole number >= 1, got {steps!r}.")
        if y is not None:
            self._require_compiled("profile")
        run = profile_prediction if y is None else profile_training
        measured = run(self, self._prepare(x, y, None), self._check_batch_size(batch_size, 32), int(steps))
        if verbose:
            print(measured)
        return measured

    # ---- single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """One training step; returns the loss and the metrics of this batch."""
        self._require_compiled("train_on_batch")
        data = self._weigh_classes(self._prepare(x, y, sample_weight), class_weight)
        self.reset_metrics()
        run_batch(self, "train", (data.x, data.y, data.sample_weight), self._run_eagerly)
        return self._batch_logs(return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """One evaluation step; returns the loss and the metrics of this batch."""
        self._require_compiled("test_on_batch")
        data = self._prepare(x, y, sample_weight)
        self.reset_metrics()
        run_batch(self, "test", (data.x, data.y, data.sample_weight), self._run_eagerly)
        return self._batch_logs(return_dict, "test")

    def _batch_logs(self, return_dict: bool, mode: str = "train") -> Any:
        logs = dict(sorted(self.get_metrics_result(mode).items()))
        if return_dict:
            return logs
        return self._in_order(logs)
