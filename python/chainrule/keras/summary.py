"""``model.summary()``: a table of the layers, their output shapes and numbers of parameters."""

from __future__ import annotations

import re
import shutil
from itertools import pairwise
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
    if nodes:
        shapes = [str(tensor.shape) for tensor in nodes[0].output_tensors]
    elif isinstance(layer, FunctionOperation) or layer._build_shape is None:
        return "?"
    else:  # called on data only
        try:
            output = layer.compute_output_shape(layer._build_shape)
        except (NotImplementedError, TypeError, ValueError):
            return "?"
        shapes = [str(shape) for shape in (output if isinstance(output, list) else [output])]
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
        row = [("   " * depth + "└ " if depth else "") + f"{layer.name} ({kind})", _output_shape(layer, nodes)]
        row.append(f"{sum(v.size for v in weights):,}" if operation or layer.built else "0 (unbuilt)")
        if connected:
            row.append("-" if chain else ", ".join(_sources(nodes)) or "-")
        if show_trainable:
            row.append("Y" if weights and layer.trainable else "N" if weights else "-")
        rows.append(row)
        if expand and hasattr(layer, "layers"):
            rows += _rows(layer, expand, show_trainable, connected, depth + 1)
    return rows


def _is_chain(model: Any) -> bool:
    """Whether each layer takes the result of the one before."""
    graph = getattr(model, "_graph", None)
    if graph is None or not any(isinstance(layer, InputLayer) for layer in model.layers):  # subclassed or Sequential
        return True
    return (
        len(graph.input_tensors) == 1
        and all(len(node.inputs) == 1 for node in graph.nodes)
        and all(after.inputs[0].node is before for before, after in pairwise(graph.nodes))
        and len({id(node.operation) for node in graph.nodes}) == len(graph.nodes)
    )


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

    ``line_length`` is the width of the table, by default that of the terminal or 88 (108 with the column "Connected
    to", 12 more with "Trainable"), whichever is less; ``positions`` are the ends of the columns as shares of it.
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
    header = ["Layer (type)", "Output Shape", "Param #", *(["Connected to"] if connected else [])]
    longest = 108 if connected else 88
    ends = list(positions or ([0.3, 0.56, 0.74, 1.0] if connected else [0.45, 0.80, 1.0]))
    if show_trainable:
        header.append("Trainable")
        longest += 12
        ends = [0.9 * end for end in ends] + [1.0]
    table = _table([header, *rows], ends, line_length or min(longest, shutil.get_terminal_size().columns - 4))

    weights, trained = model.weights, model.trainable_weights
    rest = [v for v in weights if not any(v is t for t in trained)]
    optimizer = getattr(model, "optimizer", None)
    slots = optimizer.variables if optimizer is not None and optimizer.built else []
    counts = {"Total": [*weights, *slots], "Trainable": trained, "Non-trainable": rest}
    if slots:
        counts["Optimizer"] = slots
    lines = [f'Model: "{model.name}"', *table]
    for what, variables in counts.items():
        lines.append(f" {what} params: {sum(v.size for v in variables):,} ({_size(count_bytes(variables))})")
    text = "\n".join(lines)
    if print_fn is None:
        print(text)
    else:
        print_fn(text + "\n")


def _column_widths(ends: list[float], line_length: int) -> list[int]:
    """The room for text in each column: the shares of the line, less equal parts of what bars and spaces take."""
    stops = [0, *(int(end * line_length) for end in ends)]
    widths = [stop - start for start, stop in pairwise(stops)]
    left = sum(widths) + 3 * len(widths) + 1 - line_length
    for i in range(len(widths)):
        part = round(left / (len(widths) - i))
        widths[i] -= part
        left -= part
    if min(widths) < 1:
        raise ValueError(
            f"summary: a line of {line_length} characters leaves no room for {len(widths)} columns; give a larger "
            f"line_length, or other positions than {ends}."
        )
    return widths


def _wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most ``width``, broken at spaces; a word that is longer ends in an ellipsis."""
    lines = [""]
    for word in re.findall(r"\s*\S+", text):
        if not lines[-1]:
            lines[-1] = word
        elif len(lines[-1] + word) <= width:
            lines[-1] += word
        else:
            lines.append(word.lstrip())
    return [line if len(line) <= width else line[: width - 1] + "…" for line in lines]


def _table(rows: list[list[str]], ends: list[float], line_length: int) -> list[str]:
    """The lines of the table; the first row is its header."""
    widths = _column_widths(ends, line_length)
    numbers, marks = rows[0].index("Param #"), len(rows[0]) - 1 if rows[0][-1] == "Trainable" else None

    def cell(text: str, column: int) -> str:
        width = widths[column]
        return text.rjust(width) if column == numbers else text.center(width) if column == marks else text.ljust(width)

    def lines_of(row: list[str], bar: str) -> list[str]:
        cells = [_wrap(text, width) for text, width in zip(row, widths, strict=True)]
        height = max(map(len, cells))
        missing = [[""] * (height - len(parts)) for parts in cells]
        filled = [more + parts if bar == "┃" else parts + more for parts, more in zip(cells, missing, strict=True)]
        return [
            f"{bar} " + f" {bar} ".join(cell(text, i) for i, text in enumerate(line)) + f" {bar}"
            for line in zip(*filled, strict=True)
        ]

    def rule(left: str, middle: str, right: str, stroke: str) -> str:
        return left + middle.join(stroke * (w + 2) for w in widths) + right

    lines = [rule("┏", "┳", "┓", "━"), *lines_of(rows[0], "┃"), rule("┡", "╇", "┩", "━")]
    for i, row in enumerate(rows[1:]):
        if i:
            lines.append(rule("├", "┼", "┤", "─"))
        lines += lines_of(row, "│")
    lines.append(rule("└", "┴", "┘", "─"))
    return lines
