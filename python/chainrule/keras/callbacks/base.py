"""Callbacks: code that fit, evaluate and predict call at the beginning and end of training, epochs and batches.

Overriding a batch hook makes fit run step by step; epoch hooks make it run epoch by epoch; neither costs anything
otherwise.
"""

from __future__ import annotations

import csv
import math
import os
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import losses
from ..variables import Variable

_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
_TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_EPOCH_HOOKS = ("on_epoch_begin", "on_epoch_end")


class Callback:
    """Base class: override the hooks you need. ``self.model`` is the model, ``self.params`` holds epochs, steps,
    verbose.

    Setting ``self.model.stop_training = True`` ends training after the epoch (or batch).

    Example::

        class PrintRate(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                print(epoch, float(self.model.optimizer.learning_rate), logs["loss"])
    """

    def __init__(self) -> None:
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that is being trained."""
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Told before training."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Told before training."""
        self._model = model

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Before the epoch ``epoch`` (from 0)."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """After the epoch and its validation; ``logs`` has the loss and metrics, those of validation as ``val_...``."""

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before training."""

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """After training; ``logs`` are those of the last epoch."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before a training step."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After a training step; ``logs`` are the means over the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """The same as :meth:`on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """The same as :meth:`on_train_batch_end`."""

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before an evaluation or validation."""

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """After an evaluation or validation."""

    def on_test_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before an evaluation step."""

    def on_test_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After an evaluation step."""

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Before predict."""

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        """After predict."""

    def on_predict_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Before a batch of predict."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """After a batch of predict; ``logs["outputs"]`` are its outputs."""


def _overrides(callback: Callback, names: tuple[str, ...]) -> bool:
    active = getattr(callback, "_active_hooks", None)
    if active is not None:
        return any(name in active for name in names)
    own = vars(callback) if hasattr(callback, "__dict__") else {}  # hooks may be set on the object, too
    return any(name in own or getattr(type(callback), name, None) is not getattr(Callback, name) for name in names)


class CallbackList(Callback):
    """Several callbacks called in turn; knows which hooks any of them has."""

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        super().__init__()
        self.callbacks: list[Any] = list(callbacks) if isinstance(callbacks, (list, tuple)) else [callbacks]
        self.callbacks = [callback for callback in self.callbacks if callback is not None]
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "set_model"):
                raise ValueError(
                    f"callbacks must be keras.callbacks.Callback objects, got {callback!r}"
                    + (" (a class: add parentheses)." if isinstance(callback, type) else ".")
                )
        self.history = next((c for c in self.callbacks if isinstance(c, History)), None)
        if add_history and self.history is None:
            self.history = History()
            self.callbacks.append(self.history)
        watched = [c for c in self.callbacks if not isinstance(c, (History, ProgbarLogger))]
        self.has_batch_hooks = any(_overrides(c, _BATCH_HOOKS) for c in watched)
        self.has_test_batch_hooks = any(_overrides(c, _TEST_BATCH_HOOKS) for c in watched)
        self.has_epoch_hooks = self.has_batch_hooks or any(_overrides(c, _EPOCH_HOOKS) for c in watched)
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def append(self, callback: Callback) -> None:
        """Adds a callback."""
        self.callbacks.append(callback)


def _forward(name: str, indexed: bool) -> Callable[..., None]:
    def call_indexed(self: CallbackList, index: int, logs: dict[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            getattr(callback, name)(index, {} if logs is None else logs)

    def call(self: CallbackList, logs: dict[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            getattr(callback, name)({} if logs is None else logs)

    return call_indexed if indexed else call


for _hook in (*_EPOCH_HOOKS, *_BATCH_HOOKS, *_TEST_BATCH_HOOKS, "on_predict_batch_begin", "on_predict_batch_end"):
    setattr(CallbackList, _hook, _forward(_hook, True))
for _phase in ("train", "test", "predict"):
    for _end in ("begin", "end"):
        setattr(CallbackList, f"on_{_phase}_{_end}", _forward(f"on_{_phase}_{_end}", False))


class History(Callback):
    """What fit returns: ``history`` maps names to the values of each epoch, ``epoch`` lists the epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class ProgbarLogger(Callback):
    """Accepted for compatibility: fit draws the progress itself (``verbose``)."""


class LambdaCallback(Callback):
    """Hooks given as functions: ``LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs))``."""

    def __init__(
        self,
        on_epoch_begin: Any = None,
        on_epoch_end: Any = None,
        on_train_begin: Any = None,
        on_train_end: Any = None,
        on_train_batch_begin: Any = None,
        on_train_batch_end: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        self._active_hooks = {name for name, function in given.items() if function is not None}
        for name in self._active_hooks:
            setattr(self, name, given[name])


# Parts of the names of metrics, for mode="auto".
_GREATER_IS_BETTER = ("acc", "auc", "precision", "recall", "f1", "fbeta", "iou", "r2", "cosine", "true_", "correlation")
_LESS_IS_BETTER = (
    "loss",
    "error",
    "mse",
    "mae",
    "mape",
    "msle",
    "hinge",
    "crossentropy",
    "divergence",
    "poisson",
    "cosh",
)


class _Monitor(Callback):
    """A callback that watches one quantity for improvement."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0, baseline: float | None = None) -> None:
        super().__init__()
        if mode not in ("auto", "min", "max"):
            warnings.warn(f"{type(self).__name__}: mode {mode!r} is unknown; 'auto' is used.", stacklevel=3)
            mode = "auto"
        self.monitor, self.mode, self.min_delta = monitor, mode, abs(min_delta)
        self.best: float | None = baseline

    def _sign(self) -> float:
        """1 if greater is better, -1 if less is.

        Raises:
            ValueError: ``mode="auto"``, and neither the name nor the metric tells.
        """
        if self.mode != "auto":
            return 1.0 if self.mode == "max" else -1.0
        name = self.monitor.removeprefix("val_").lower()
        if any(part in name for part in _GREATER_IS_BETTER):
            return 1.0
        if any(part in name for part in _LESS_IS_BETTER) or self._is_loss(name):
            return -1.0
        raise ValueError(
            f"{type(self).__name__} watches {self.monitor!r}, and whether that is to be maximized or minimized can't "
            f"be told from its name. Pass mode='max' or mode='min'."
        )

    def _is_loss(self, name: str) -> bool:
        """Whether the metric of that name is the mean of a loss function."""
        metrics = dict(self.model._named_metrics()) if hasattr(self.model, "_named_metrics") else {}
        function = getattr(metrics.get(name), "_fn", None)
        return function is not None and losses.is_known(function)

    @property
    def monitor_op(self) -> Any:
        """``keras.ops.greater`` or ``keras.ops.less``: when a value is better than another."""
        from .. import ops

        return ops.greater if self._sign() > 0 else ops.less

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return not math.isnan(value)
        return self._sign() * (value - self.best) > self.min_delta

    def _value(self, logs: dict[str, Any] | None) -> float | None:
        self._sign()  # or its error
        logs = logs or {}
        if self.monitor not in logs:
            warnings.warn(
                f"{type(self).__name__} watches {self.monitor!r}, which is not there; there are {', '.join(logs)}."
                + (" Give validation_data or validation_split." if self.monitor.startswith("val_") else ""),
                stacklevel=3,
            )
            return None
        value = np.asarray(logs[self.monitor])
        if value.size != 1:
            raise ValueError(
                f"{type(self).__name__} watches {self.monitor!r}, which has {value.size} values, not one: "
                f"give the metric an average."
            )
        return float(value.reshape(()))


class EarlyStopping(_Monitor):
    """Ends training when ``monitor`` has not improved by ``min_delta`` for ``patience`` epochs.

    Args:
        mode: "min", "max" or "auto" (by the name: accuracies are maximised, losses minimised).
        baseline: only better values than this count.
        restore_best_weights: at the end, the weights of the best epoch.
        start_from_epoch: epochs before it are not watched.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta, baseline)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best_weights: list[np.ndarray] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait, self.stopped_epoch, self.best_epoch = 0, 0, 0
        self.best, self.best_weights = None, None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        value = self._value(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self._improves(value):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self._sign() * (value - self.baseline) > self.min_delta:
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.stopped_epoch and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose:
                print(f"Restoring the weights of the best epoch, {self.best_epoch + 1}.")
            self.model.set_weights(self.best_weights)


class ModelCheckpoint(_Monitor):
    """Saves the model, or its weights, after epochs (or every ``save_freq`` batches).

    Args:
        filepath: a path; ``{epoch}`` and names of logs in braces are filled in:
            ``"m-{epoch:02d}-{val_loss:.2f}.keras"``.
            It ends in ``.keras`` for whole models, in ``.weights.h5`` or ``.npz`` for weights.
        save_best_only: only when ``monitor`` improved.
        save_weights_only: the weights alone.
        save_freq: "epoch" or a number of batches.
        initial_value_threshold: only better values than this count as improvement.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, 0.0, initial_value_threshold)
        self.filepath, self.verbose = os.fspath(filepath), verbose
        self.save_best_only, self.save_weights_only, self.save_freq = save_best_only, save_weights_only, save_freq
        endings = (".weights.h5", ".npz") if save_weights_only else (".keras", ".h5")
        if not self.filepath.endswith(endings):
            raise ValueError(
                f"ModelCheckpoint: with save_weights_only={save_weights_only} filepath must end in "
                f"{' or '.join(map(repr, endings))}, got {self.filepath!r}."
            )
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(f"ModelCheckpoint: save_freq must be 'epoch' or a number of batches, got {save_freq!r}.")
        self._batches = self._epoch = 0
        self._active_hooks = {"on_epoch_end"} if save_freq == "epoch" else {"on_epoch_begin", "on_train_batch_end"}

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq != "epoch":
            self._batches += 1
            if self._batches % self.save_freq == 0:
                self._save(self._epoch, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: dict[str, Any] | None) -> None:
        reason = ""
        if self.save_best_only:
            value = self._value(logs)  # None, and a warning: can't be told, so it is saved
            if value is not None:
                if not self._improves(value):
                    if self.verbose:
                        print(f"\nEpoch {epoch + 1}: {self.monitor} did not improve from {_shown(self.best)}")
                    return
                reason = f"{self.monitor} improved from {_shown(self.best)} to {_shown(value)}, "
                self.best = value
        try:
            path = self.filepath.format(epoch=epoch + 1, **(logs or {}))
        except KeyError as error:
            raise KeyError(
                f"ModelCheckpoint: {self.filepath!r} uses {error}, but the logs are {sorted(logs or {})}."
            ) from None
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: {reason}saving model to {path}")


def _shown(value: float | None) -> str:
    return "None" if value is None else f"{value:.5f}"


class TerminateOnNaN(Callback):
    """Ends training at the first batch whose loss is NaN or infinite (or raises, with ``raise_error``)."""

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            text = (
                f"NaN or Inf loss encountered at batch {batch}: {loss}. fit(check_nan=True) names the layer it comes "
                f"from."
            )
            if self.raise_error:
                raise RuntimeError(text)
            print(f"{text} Training ends.")
            self.model.stop_training = True


def _settable_rate(model: Any, owner: str) -> Variable:
    rate = getattr(model.optimizer, "learning_rate", None)
    if not isinstance(rate, Variable):
        raise TypeError(
            f"{owner} sets the learning rate. This optimizer was created with a `LearningRateSchedule` object (or a "
            f"function) as its `learning_rate`, hence it is not settable."
        )
    return rate


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch to ``schedule(epoch, learning_rate)`` (or ``schedule(epoch)``)."""

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = _settable_rate(self.model, "LearningRateScheduler")
        try:
            value = self.schedule(epoch, float(rate.numpy()))
        except TypeError:
            value = self.schedule(epoch)
        if not isinstance(value, (float, np.floating)):
            raise ValueError(f"LearningRateScheduler: the schedule must return a float, got {value!r}.")
        self.model.optimizer.learning_rate = value
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {value}.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate.numpy())


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by ``factor`` when ``monitor`` has not improved for ``patience`` epochs.

    ``cooldown``: epochs after a reduction that don't count; ``min_lr``: the rate goes no lower.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau: unexpected arguments {sorted(kwargs)}.")
        super().__init__(monitor, mode, min_delta)
        if factor >= 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be below 1, got {factor}.")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.wait = self.cooldown_counter = 0
        self.best = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        rate = _settable_rate(self.model, "ReduceLROnPlateau")
        old = float(rate.numpy())
        if logs is not None:
            logs["learning_rate"] = old
        value = self._value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(value):
            self.best, self.wait = value, 0
        elif self.cooldown_counter <= 0:
            self.wait += 1
            if self.wait >= self.patience and old > self.min_lr:
                new = max(old * self.factor, self.min_lr)
                self.model.optimizer.learning_rate = new
                if self.verbose:
                    print(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}.")
                self.cooldown_counter, self.wait = self.cooldown, 0


class CSVLogger(Callback):
    """Writes the epochs' logs to a file, one row each; ``append`` goes on in an existing file."""

    def __init__(self, filename: Any, separator: str = ",", append: bool = False) -> None:
        super().__init__()
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._names: list[str] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._names = None
        kept = self.append and os.path.exists(self.filename) and os.path.getsize(self.filename) > 0
        self._needs_header = not kept
        if not kept:
            open(self.filename, "w").close()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        # Opened for each row, so that nothing is lost or left open if training is interrupted.
        with open(self.filename, "a", newline="") as file:
            writer = csv.writer(file, delimiter=self.separator)
            if self._names is None:
                self._names = sorted(logs)
                if not any(name.startswith("val_") for name in self._names):  # validation may come later
                    self._names += [f"val_{name}" for name in self._names]
                if self._needs_header:
                    writer.writerow(["epoch", *self._names])
            writer.writerow([epoch, *(logs.get(name, "NA") for name in self._names)])
