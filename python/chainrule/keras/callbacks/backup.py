"""BackupAndRestore: training goes on where it was interrupted. SwapEMAWeights: evaluation with averaged weights."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from ..saving.files import replacing
from .base import Callback


class BackupAndRestore(Callback):
    """Keeps weights, optimizer state and epoch in a folder while fit runs; the next fit goes on from there.

    The folder is removed when fit ends without an error.

    Args:
        backup_dir: the folder, of this training alone.
        save_freq: "epoch" or a number of batches.
        double_checkpoint: keep the state before the last too, should the last be damaged.
        delete_checkpoint: whether to remove the folder at the end.

    Raises:
        ValueError: no folder, a wrong ``save_freq``, or (in fit) a model that isn't built yet.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError("BackupAndRestore: Empty `backup_dir` argument passed.")
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"BackupAndRestore: Invalid value for argument `save_freq`. Received: save_freq={save_freq}. Expected "
                f"either 'epoch' or an integer value."
            )
        self.backup_dir, self.save_freq = os.fspath(backup_dir), save_freq
        self.double_checkpoint, self.delete_checkpoint = double_checkpoint, delete_checkpoint
        self._weights_path = os.path.join(self.backup_dir, "latest.npz")
        self._prev_weights_path = f"{self._weights_path}.bkp"
        self._current_epoch = self._last_batch_seen = self._batches = 0
        self._active_hooks = {"on_epoch_end"} if save_freq == "epoch" else {"on_epoch_end", "on_train_batch_end"}

    def _variables(self) -> list[Any]:
        optimizer = self.model.optimizer
        return [*self.model.weights, *(optimizer.variables if optimizer is not None else [])]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if not self.model.built:
            raise ValueError(
                f"BackupAndRestore: model {self.model.name!r} must be built before fit; call it on a batch of data."
            )
        self._current_epoch = self._last_batch_seen = self._batches = 0
        for path in (self._weights_path, self._prev_weights_path):
            if not os.path.exists(path):
                continue
            try:
                with np.load(path, allow_pickle=False) as archive:
                    values = [archive[f"v{i}"] for i in range(len(archive.files) - 1)]
                    state = json.loads(str(archive["state"]))
            except Exception as error:  # of NumPy, zipfile or json
                if path == self._prev_weights_path or not os.path.exists(self._prev_weights_path):
                    raise ValueError(
                        f"BackupAndRestore: {path} is damaged ({error}); remove it to start anew."
                    ) from error
                continue
            self._restore(values, path)
            self.model._initial_epoch = self._current_epoch = state["epoch"]
            return

    def _restore(self, values: list[np.ndarray], path: str) -> None:
        variables = self._variables()
        if [tuple(v.shape) for v in variables] != [value.shape for value in values]:
            raise ValueError(f"BackupAndRestore: {path} is of another model; remove it to start anew.")
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches, self._last_batch_seen = self._batches + 1, batch
        if self.save_freq != "epoch" and self._batches % self.save_freq == 0:
            self._save()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._current_epoch, self._last_batch_seen = epoch + 1, 0
        if self.save_freq == "epoch":
            self._save()

    def _save(self) -> None:
        os.makedirs(self.backup_dir, exist_ok=True)
        if self.double_checkpoint and os.path.exists(self._weights_path):
            import shutil

            shutil.copyfile(self._weights_path, self._prev_weights_path)
        values = {f"v{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        with replacing(self._weights_path) as file:
            np.savez(file, state=json.dumps({"epoch": self._current_epoch, "batch": self._last_batch_seen}), **values)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self.delete_checkpoint and os.path.exists(self.backup_dir):
            import shutil

            shutil.rmtree(self.backup_dir)


class SwapEMAWeights(Callback):
    """Puts the averaged weights of an optimizer with ``use_ema=True`` in the model while it evaluates or predicts.

    Args:
        swap_on_epoch: also from the end of an epoch to the beginning of the next, so that checkpoints have them.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        self._swapped = False

    def _pairs(self) -> list[tuple[Any, Any]]:
        """(weight, its average) for each weight that has one."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        averaging = [o for o in getattr(optimizer, "optimizers", [optimizer]) if getattr(o, "use_ema", False)]
        if not averaging:
            raise ValueError("SwapEMAWeights must be used when `use_ema=True` is set on the optimizer.")
        return [
            pair
            for o in averaging
            for pair in zip(o._trainable_variables, o._model_variables_moving_average, strict=True)
        ]

    def _swap(self, to_averages: bool) -> None:
        if self._swapped == to_averages:
            return
        for weight, average in self._pairs():
            kept = weight.numpy()
            weight.assign(average)
            average.assign(kept)
        self._swapped = to_averages

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(False)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.swap_on_epoch:
            self._swap(True)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._swapped:  # the averages stay in the model, and fit has put what it found beside them there too
            self._swapped = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap(True)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        self._swap(False)

    def on_predict_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._swap(True)

    def on_predict_end(self, logs: dict[str, Any] | None = None) -> None:
        self._swap(False)
