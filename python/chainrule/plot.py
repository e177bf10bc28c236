"""Pictures of training, drawn with matplotlib (the extra `plot`): no window, nothing of pyplot's global state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves"]

TRAINING, VALIDATION = "#1f77b4", "#d95f02"


def curves(
    history: Any, path: str | PathLike[str] | None = None, title: str = "", held_out: str = "validation"
) -> Figure:
    """Draws what a training run measured, epoch by epoch: one panel a measure, training and held-out data together.

    Args:
        history: what `model.fit` returned, or its `history`: lists of numbers by name, where `val_loss` is `loss` on
            held-out data.
        path: where to write the picture (png, svg, pdf by its ending); None writes nothing.
        title: a line above the panels.
        held_out: what the held-out data are called in the legend.

    Returns:
        The matplotlib figure.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: the history is empty.

    Example:
        >>> chainrule.plot.curves(model.fit(x, y, validation_split=0.1), "curves.png")
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError as error:
        raise ImportError("plot.curves needs matplotlib: pip install 'chainrule[plot]'") from error

    values: Mapping[str, Sequence[float]] = getattr(history, "history", history)
    # What was measured on data of its own; a learning rate and the like get a panel without held-out data.
    measures = [name for name in values if not name.startswith("val_")]
    if not measures or not any(len(values[name]) for name in measures):
        raise ValueError("plot.curves: the history is empty; fit the model for at least one epoch first")

    figure = Figure(figsize=(4.6 * len(measures), 3.4), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        _line(axes, values[name], "training", TRAINING)
        if f"val_{name}" in values:
            _line(axes, values[f"val_{name}"], held_out, VALIDATION)
            axes.legend(frameon=False)
        axes.set_title(name.replace("_", " "), fontsize=11)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    if title:
        figure.suptitle(title)
    if path is not None:
        figure.savefig(path, dpi=120)
    return figure


def _line(axes: Axes, values: Sequence[float], label: str, color: str) -> None:
    epochs = range(1, len(values) + 1)
    marker = "o" if len(values) <= 30 else None
    axes.plot(epochs, values, label=label, color=color, marker=marker, markersize=3.5, linewidth=1.6)
