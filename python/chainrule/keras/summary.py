"""``model.summary()``: a table of the layers, their output shapes and numbers of parameters."""

from __future__ import annotations

import re
from typing import Any

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


def _output_shape(layer: Any, nodes: list[Any]) -> str:
    if isinstance(layer, InputLayer):
        return str(layer.batch_shape)
    if not nodes:
        return "?"
    shapes = [str(tensor.shape) for tensor in nodes[0].output_tensors]
    return shapes[0] if len(shapes) == 1 else f"[{', '.join(shapes)}]"


def _rows(model: Any, expand: bool, show_trainable: bool, connected: bool, depth: int = 0) -> list[list[str]]:
    """A row for each layer: name, output shape, parameters, then what is asked for."""
    graph = getattr(model, "_graph", None)
    chain = _is_chain(model)
    layers: list[Any] = model.layers
    if graph is not None and any(isinstance(layer, InputLayer) for layer in layers):  # not a Sequential model
        layers = graph.operations
    rows = []
    for layer in layers:
        operation = isinstance(layer, FunctionOperation)
        weights = [] if operation else layer.weights
        nodes = [n for n in graph.nodes if n.operation is layer] if graph is not None else getattr(layer, "_nodes", [])
        if operation:
            kind = "".join(part.capitalize() for part in layer.function.__name__.split("_"))
        else:
            kind = getattr(layer, "_config_name", type(layer).__name__)
        row = ["    " * depth + f"{layer.name} ({kind})", _output_shape(layer, nodes)]
        row.append(f"{sum(v.size for v in weights):,}" if operation or layer.built else "0 (unbuilt)")
        if show_trainable:
            row.append("Y" if weights and layer.trainable else "N" if weights else "-")
        if connected:
            row.append("-" if chain else ", ".join(_sources(nodes)) or "-")
        rows.append(row)
        if expand and hasattr(layer, "layers"):
            rows += _rows(layer, expand, show_trainable, connected, depth + 1)
    return rows


def _is_chain(model: Any) -> bool:
    """Whether each layer takes the result of the one before."""
    graph = getattr(model, "_graph", None)
    return graph is None or (len(graph.input_tensors) == 1 and all(len(node.inputs) == 1 for node in graph.nodes))


def _sources(nodes: list[Any]) -> list[str]:
    """Where the inputs come from: ``layer[call][output]``."""
    found = []
    for tensor in (tensor for node in nodes for tensor in node.inputs if isinstance(tensor, KerasTensor)):
        maker = tensor.node
        if maker is None:
            found.append(tensor.name)
            continue
        calls = [id(node) for node in getattr(maker.operation, "_nodes", [])]
        call = calls.index(id(maker)) if id(maker) in calls else 0
        output = next(i for i, one in enumerate(maker.output_tensors) if one is tensor)
        found.append(f"{maker.operation.name}[{call}][{output}]")
    return found


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
    connected = not _is_chain(model)
    rows = _rows(model, expand_nested, show_trainable, connected)
    if layer_range is not None:
        names = [row[0].split(" (")[0].strip() for row in rows]
        places = [[i for i, name in enumerate(names) if re.search(pattern, name)] for pattern in layer_range]
        if len(places) != 2 or not all(places):
            raise ValueError(
                f"summary: layer_range must be the names (or patterns) of two layers, got {layer_range!r}; there are "
                f"{names}."
            )
        rows = rows[min(places[0]) : max(places[1]) + 1]
    header = ["Layer (type)", "Output Shape", "Param #", *(["Trainable"] if show_trainable else [])]
    if connected:
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
