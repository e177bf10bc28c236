"""Progress of fit, evaluate and predict: a bar in terminals and notebooks, one line an epoch in logs."""

from __future__ import annotations

import sys
import time
from typing import Any

from . import config

_WIDTH = 20
_INTERVAL = 0.1


def is_interactive() -> bool:
    """Whether a bar can be redrawn in place: a terminal, or a Jupyter notebook."""
    if "ipykernel" in sys.modules:
        return True
    return bool(getattr(sys.stdout, "isatty", lambda: False)())


def resolve_verbose(verbose: Any) -> int:
    """0, 1 or 2; "auto" is 1 where a bar can be redrawn, else 2. A bar elsewhere becomes one line an epoch."""
    if verbose == "auto":
        return 1 if config.is_interactive_logging_enabled() and is_interactive() else 2
    if verbose not in (0, 1, 2, True, False):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}.")
    verbose = int(verbose)
    return 2 if verbose == 1 and not is_interactive() else verbose


def format_logs(logs: dict[str, Any]) -> str:
    """``loss: 0.1234 - accuracy: 0.9876``."""
    return " - ".join(f"{name}: {_number(value)}" for name, value in logs.items())


def _number(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_number(item) for item in value) + "]"
    value = float(value)
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e5 or value == 0 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s"


class Progress:
    """Lines on standard output for passes over ``steps`` batches (None: not known)."""

    def __init__(self, verbose: int, steps: int | None) -> None:
        self.verbose, self.steps = verbose, steps
        self._start = self._shown = time.perf_counter()
        self._length = 0
        self._epoch: tuple[int, int] | None = None

    @property
    def wants_updates(self) -> bool:
        """Whether it is worth computing logs for :meth:`update` now."""
        return self.verbose == 1 and time.perf_counter() - self._shown >= _INTERVAL

    def begin(self, epoch: tuple[int, int] | None) -> None:
        """A pass begins: (number of the epoch from 0, number of epochs), or None."""
        self._epoch = epoch
        self._start = self._shown = time.perf_counter()
        self._length = 0
        if self.verbose == 1 and epoch is not None:
            print(f"Epoch {epoch[0] + 1}/{epoch[1]}", flush=True)

    def update(self, step: int, logs: dict[str, Any] | None) -> None:
        """Redraws the bar, at most ten times a second."""
        if not self.wants_updates:
            return
        self._shown = time.perf_counter()
        elapsed = self._shown - self._start
        if self.steps:
            filled = _WIDTH * step // self.steps
            bar = "━" * filled + " " * (_WIDTH - filled)
            text = f"{step}/{self.steps} {bar} {_duration(elapsed / max(step, 1) * (self.steps - step))} left"
        else:
            text = f"{step}/? {_duration(elapsed)}"
        self._draw(text + (f" - {format_logs(logs)}" if logs else ""))

    def _draw(self, text: str) -> None:
        padding = " " * max(0, self._length - len(text))
        self._length = len(text)
        print(f"\r{text}{padding}", end="", flush=True)

    def end(self, steps: int, logs: dict[str, Any]) -> None:
        """The pass is over: its line, with the time, the time of a step and the logs."""
        if self.verbose == 0:
            return
        elapsed = time.perf_counter() - self._start
        per_step = elapsed / max(steps, 1)
        step_time = f"{per_step * 1e6:.0f}us/step" if per_step < 1e-3 else f"{_duration(per_step)}/step"
        text = f"{steps}/{self.steps or steps}"
        if self.verbose == 1:
            text += " " + "━" * _WIDTH
        text += f" {_duration(elapsed)} {step_time}" + (f" - {format_logs(logs)}" if logs else "")
        if self.verbose == 1:
            self._draw(text)
            print(flush=True)
        else:
            prefix = f"Epoch {self._epoch[0] + 1}/{self._epoch[1]} - " if self._epoch else ""
            print(prefix + text, flush=True)


class Progbar:
    """A progress bar for loops of one's own: ``keras.utils.Progbar``.

    Example::

        bar = keras.utils.Progbar(100)
        for i in range(100):
            bar.update(i + 1, [("loss", 0.5)])
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Any = None,
        stateless_metrics: Any = None,
        unit_name: str = "step",
    ) -> None:
        self.target = target
        self.stateful_metrics = set(stateful_metrics or ())
        self._progress = Progress(resolve_verbose(verbose), target)
        self._progress.begin(None)
        self._sums: dict[str, list[float]] = {}
        self._seen = 0

    def update(self, current: int, values: Any = None, finalize: bool | None = None) -> None:
        """The bar stands at ``current``; values are averaged over steps, except ``stateful_metrics``."""
        new = max(0, current - self._seen)
        for name, value in values or ():
            if name in self.stateful_metrics:
                self._sums[name] = [float(value), 1.0]
            else:
                entry = self._sums.setdefault(name, [0.0, 0.0])
                entry[0] += float(value) * max(new, 1)
                entry[1] += max(new, 1)
        self._seen = current
        logs = {name: total / count for name, (total, count) in self._sums.items()}
        if finalize or (finalize is None and self.target is not None and current >= self.target):
            self._progress.end(current, logs)
        else:
            self._progress.update(current, logs)

    def add(self, n: int, values: Any = None) -> None:
        """The bar moves by ``n``."""
        self.update(self._seen + n, values)
