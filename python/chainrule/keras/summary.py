"""``model.summary()``: a table of the layers, their output shapes and numbers of parameters."""

from __future__ import annotations

from typing import Any

from .layers.base import Layer
from .layers.core import InputLayer
from .symbolic import FunctionOperation, KerasTensor


def count_bytes(variables: Any) -> int:
    """The memory of the variables' values."""
    return sum(v.value.nbytes for v in variables)


def _size(count: int) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1024 or unit == "GB":
            return f"{count:.2f} {unit}"
        count /= 1024  # type: ignore[assignment]
    raise AssertionError


def _output_shape(layer: Any) -> str:
    if isinstance(layer, InputLayer):
        return str(layer.batch_shape)
    nodes = getattr(layer, "_nodes", None)
    if not nodes:
        return "?"
    shapes = [str(tensor.shape) for tensor in nodes[0].output_tensors]
    return ", ".join(shapes)


def _rows(model: Any, expand: bool, show_trainable: bool, depth: int = 0) -> list[list[str]]:
    graph = getattr(model, "_graph", None)
    is_chain = graph is None or all(len(n.inputs) == 1 for n in graph.nodes)
    if graph is None or is_chain:
        layers: list[Any] = [layer for layer in model.layers if not isinstance(layer, InputLayer)]
    else:
        layers = graph.operations
    rows = []
    for layer in layers:
        if isinstance(layer, FunctionOperation):
            rows.append([f"{layer.name} (op)", "", "0", *([""] if show_trainable else [])])
            continue
        count = f"{sum(v.size for v in layer.weights):,}" if layer.built else "0 (unbuilt)"
        row = ["    " * depth + f"{layer.name} ({type(layer).__name__})", _output_shape(layer), count]
        if show_trainable:
            row.append("Y" if layer.trainable and layer.weights else "N" if layer.weights else "-")
        if not is_chain:
            row.append(", ".join(_sources(layer)))
        rows.append(row)
        if expand and hasattr(layer, "layers"):
            rows += [r + [""] * (len(row) - len(r)) for r in _rows(layer, expand, show_trainable, depth + 1)]
    return rows


def _sources(layer: Layer) -> list[str]:
    sources = []
    for node in layer._nodes:
        for tensor in node.inputs:
            if isinstance(tensor, KerasTensor):
                sources.append(tensor.node.operation.name if tensor.node else tensor.name)
    return sources or ["-"]


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Any = None,
    print_fn: Any = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Any = None,
) -> None:
    """Prints the table, by ``print_fn(text)`` if it is given.

    ``positions`` is ignored: columns are as wide as their text; ``line_length`` cuts lines.
    """
    rows = _rows(model, expand_nested, show_trainable)
    if layer_range is not None:
        names = [row[0].split(" ")[0] for row in rows]
        first, last = (names.index(name) for name in layer_range)
        rows = rows[first : last + 1]
    header = ["Layer (type)", "Output Shape", "Param #", *(["Trainable"] if show_trainable else [])]
    if rows and len(rows[0]) > len(header):
        header.append("Connected to")
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells: list[str]) -> str:
        padded = [c.rjust(w) if i == 2 else c.ljust(w) for i, (c, w) in enumerate(zip(cells, widths, strict=False))]
        return "│ " + " │ ".join(padded) + " │"

    def rule(left: str, middle: str, right: str, stroke: str) -> str:
        return left + middle.join(stroke * (w + 2) for w in widths) + right

    weights, trained = model.weights, model.trainable_weights
    total, trainable = sum(v.size for v in weights), sum(v.size for v in trained)
    lines = [f'Model: "{model.name}"', rule("┏", "┳", "┓", "━"), line(header).replace("│", "┃")]
    lines.append(rule("┡", "╇", "┩", "━"))
    for i, row in enumerate(rows):
        if i:
            lines.append(rule("├", "┼", "┤", "─"))
        lines.append(line(row))
    lines.append(rule("└", "┴", "┘", "─"))
    lines.append(f" Total params: {total:,} ({_size(count_bytes(weights))})")
    lines.append(f" Trainable params: {trainable:,} ({_size(count_bytes(trained))})")
    rest = [v for v in weights if not any(v is t for t in trained)]
    lines.append(f" Non-trainable params: {total - trainable:,} ({_size(count_bytes(rest))})")
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and optimizer.built:
        count = sum(v.size for v in optimizer.variables)
        lines.append(f" Optimizer params: {count:,} ({_size(count_bytes(optimizer.variables))})")
    text = "\n".join(text if line_length is None else text[:line_length] for text in lines)
    (print if print_fn is None else print_fn)(text)
