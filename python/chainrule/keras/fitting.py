"""The epochs of one fit: driving the loop of steps, the callbacks and the progress bar.

The core runs for about 50 ms at a time; in between Python looks at signals (Ctrl-C) and redraws the bar.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import _core

from .callbacks import CallbackList
from .metrics import has_table
from .progress import Progress

_BUDGET_SECONDS = 0.05


def is_due(frequency: Any, epoch: int) -> bool:
    if isinstance(frequency, int):
        return (epoch + 1) % frequency == 0
    return epoch + 1 in frequency


def run_steps(loop: Any, limit: int | None, progress: Progress, logs: Any) -> None:
    """Runs to the end of the pass over the data, or ``limit`` steps, with the progress bar between slices of time."""
    target = loop.epoch + 1
    if limit is None:
        while loop.epoch < target:
            loop.run(target, -1, _BUDGET_SECONDS)
            if progress.wants_updates and loop.epoch < target:
                progress.update(loop.step, logs() if logs else None)
        return
    for done in range(1, limit + 1):
        loop.run(target, 1)
        if progress.wants_updates:
            progress.update(done, logs() if logs else None)
        if loop.epoch == target:
            warn_of_end(done, limit)
            return


def run_hooked(
    loop: Any,
    limit: int | None,
    size: int,
    begin: Callable[[int], None],
    end: Callable[[int], None],
    stopped: Callable[[], bool],
) -> None:
    """As :func:`run_steps`, but calls ``begin(step)`` before and ``end(step)`` after every ``size`` steps."""
    done, target = 0, loop.epoch + 1
    while (limit is None or done < limit) and loop.epoch < target and not stopped():
        begin(done)
        loop.run(target, size)
        done += size
        end(done - 1)
    if limit is not None and loop.epoch == target:
        warn_of_end(done, limit)


def warn_of_end(done: int, limit: int) -> None:
    """A warning if the data ended before the steps that were asked for."""
    if done < limit:
        warnings.warn(
            f"Your input ran out of data after {done} of {limit} steps; the epoch ends here. Make sure that there are "
            f"steps_per_epoch * epochs batches.",
            stacklevel=5,
        )


class FitRun:
    """The epochs of one fit."""

    def __init__(
        self, model: Any, loop: Any, hooks: CallbackList, steps: int | None, steps_per_epoch: int | None, verbose: int
    ) -> None:
        self.model, self.loop, self.hooks = model, loop, hooks
        self.steps, self.limit, self.verbose = steps, steps_per_epoch, verbose
        self.progress = Progress(verbose, steps)
        self.logs: dict[str, Any] = {}

    def can_run_at_once(self, validation: Any, initial_epoch: int) -> bool:
        """Whether nothing has to happen between epochs."""
        return (
            self.verbose == 0
            and validation is None
            and initial_epoch == 0
            and self.limit is None
            and not self.hooks.has_epoch_hooks
            and not self.hooks.has_batch_hooks
            and isinstance(self.loop, _core.FitLoop)
            and all(has_table(metric) for metric in self.model.metrics)
            and not self.model._step_logs["train"]
        )

    def at_once(self, loop: Any, epochs: int) -> None:
        """All epochs in one run of the core; the history is computed from its table afterwards."""
        metrics = self.model._named_metrics()
        try:
            while loop.epoch < epochs:
                loop.run(epochs, -1, _BUDGET_SECONDS)
        finally:
            table = np.asarray(loop.take_history())
            column = 0
            history = self.model.history
            columns = {}
            for name, metric in metrics:
                width = len(metric.variables)
                columns[name] = metric.results(table[:, column : column + width]).tolist()
                column += width
            history.history.update(sorted(columns.items()))
            history.epoch = list(range(len(table)))
        self.logs = {name: values[-1] for name, values in history.history.items() if values}

    def epoch(self, epoch: int, epochs: int) -> None:
        """The steps of one epoch."""
        model, hooks, loop = self.model, self.hooks, self.loop
        model.reset_metrics()
        hooks.on_epoch_begin(epoch)
        self.progress.begin((epoch, epochs))
        if not hooks.has_batch_hooks:
            run_steps(loop, self.limit, self.progress, model.get_metrics_result)
            return

        def end(step: int) -> None:
            logs = model.get_metrics_result()
            hooks.on_train_batch_end(step, logs)
            if self.progress.wants_updates:
                self.progress.update(step + 1, logs)

        size = model.steps_per_execution
        run_hooked(loop, self.limit, size, hooks.on_train_batch_begin, end, lambda: model.stop_training)

    def end_epoch(self, epoch: int, logs: dict[str, Any]) -> None:
        """Callbacks and the line of the epoch."""
        self.logs = dict(logs)  # without what callbacks add
        self.hooks.on_epoch_end(epoch, logs)
        self.progress.end(self.steps or self.loop.step, logs)
