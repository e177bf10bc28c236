"""``keras.utils.plot_model``, ``model_to_dot``: a model's graph in Graphviz's language.

The text is written here; pictures are drawn by Graphviz's program ``dot``. Language: Gansner, Koutsofios and North,
"Drawing graphs with dot", 2015.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Any

from .layers.core import InputLayer
from .saving.files import replacing
from .symbolic import FunctionOperation, KerasTensor, flatten


class Dot:
    """A graph as text in the language of Graphviz.

    Example: ``keras.utils.model_to_dot(model).write("model.svg", format="svg")``.
    """

    def __init__(self, text: str, dpi: int = 200) -> None:
        self._text, self._dpi = text, dpi

    def to_string(self) -> str:
        """The text."""
        return self._text

    def create(self, prog: str = "dot", format: str = "png") -> bytes:
        """The picture's bytes.

        Raises:
            ImportError: the program isn't installed.
            RuntimeError: it refused the graph or the format.
        """
        program = shutil.which(prog)
        if program is None:
            raise ImportError(
                f"plot_model: pictures need Graphviz, whose program {prog!r} is not on the path. Install it (on Debian "
                f"and Ubuntu: apt-get install graphviz), or write the graph as text with to_file='model.dot'."
            )
        command = [program, f"-T{format}", f"-Gdpi={self._dpi}"]
        done = subprocess.run(command, input=self._text.encode(), capture_output=True, check=False)
        if done.returncode:
            raise RuntimeError(f"plot_model: {prog} -T{format} failed: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def write(self, path: Any, prog: str = "dot", format: str = "raw") -> None:
        """Writes the text (``format="raw"`` or ``"dot"``) or a picture to a file."""
        content = self._text.encode() if format in ("raw", "dot") else self.create(prog, format)
        with replacing(os.fspath(path), True) as file:
            file.write(content)

    def _repr_svg_(self) -> str:
        """What a notebook shows."""
        return self.create(format="svg").decode()


def _field(text: str) -> str:
    """Text inside of a record, where braces, bars, angles and quotes have a meaning."""
    return re.sub(r'([\\{}|<>"])', r"\\\1", text)


def _label(layer: Any, node: Any, show: dict[str, bool]) -> str:
    kind = layer.function.__name__ if isinstance(layer, FunctionOperation) else type(layer).__name__
    title = _field(f"{layer.name} ({kind})" if show["names"] else kind)
    if show["activations"] and getattr(layer, "activation", None) is not None:
        title += f" | {_field(getattr(layer.activation, '__name__', type(layer.activation).__name__))}"
    if show["trainable"] and getattr(layer, "weights", None):
        title += " | trainable" if layer.trainable else " | frozen"
    details = []
    if node is not None and (show["shapes"] or show["dtype"]):
        sources = [t for t in node.inputs if isinstance(t, KerasTensor)]
        for name, tensors in (("input", sources), ("output", node.output_tensors)):
            if tensors and show["shapes"]:
                details.append(f"{name} shape: {', '.join(str(t.shape) for t in tensors)}")
            if tensors and show["dtype"]:
                details.append(f"{name} dtype: {', '.join(str(t.dtype) for t in tensors)}")
    return "{" + " | ".join([title, *map(_field, details)]) + "}"


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    **kwargs: Any,
) -> Dot:
    """The model's layers as boxes and its tensors as arrows.

    Args:
        show_shapes, show_dtype: what comes in and goes out of each layer.
        show_layer_names: whether a box names its layer or only its class.
        rankdir: ``"TB"`` (downwards) or ``"LR"`` (to the right).
        show_layer_activations, show_trainable: more in each box.
        expand_nested: refused: a model inside of a model is one box.

    Raises:
        ValueError: the model isn't built, or an option that isn't there.

    Example: ``print(keras.utils.model_to_dot(model, show_shapes=True).to_string())``.
    """
    kwargs.pop("layer_range", None)
    if kwargs or expand_nested or subgraph:
        asked = sorted([*kwargs, *(["expand_nested"] if expand_nested else []), *(["subgraph"] if subgraph else [])])
        raise ValueError(f"model_to_dot: {asked} are not supported; plot the inner model by itself.")
    if rankdir not in ("TB", "LR", "BT", "RL"):
        raise ValueError(f"model_to_dot: rankdir must be 'TB', 'LR', 'BT' or 'RL', got {rankdir!r}.")
    if not model.built:
        raise ValueError(f"model_to_dot: model {model.name!r} isn't built: call it on data or give its input shape.")
    show = {
        "shapes": show_shapes,
        "dtype": show_dtype,
        "names": show_layer_names,
        "activations": show_layer_activations,
        "trainable": show_trainable,
    }
    graph = getattr(model, "_graph", None)
    boxes: dict[int, str] = {}
    lines = ["digraph model {", f"  rankdir={rankdir};", '  node [shape=record, fontname="Helvetica"];']
    arrows: list[str] = []

    def box(key: Any, layer: Any, node: Any) -> str:
        if id(key) not in boxes:
            boxes[id(key)] = name = f"n{len(boxes)}"
            lines.append(f'  {name} [label="{_label(layer, node, show)}"];')
        return boxes[id(key)]

    if graph is None:  # a call of its own: no one knows how its layers are joined
        for layer in model.layers:
            box(layer, layer, None)
    else:
        for tensor in flatten(graph.input_tensors):
            if tensor.node is not None and isinstance(tensor.node.operation, InputLayer):
                box(tensor.node.operation, tensor.node.operation, tensor.node)
        for node in graph.nodes:
            target = box(node.operation, node.operation, node)
            for tensor in node.inputs:
                if isinstance(tensor, KerasTensor) and tensor.node is not None:
                    arrow = f"  {box(tensor.node.operation, tensor.node.operation, tensor.node)} -> {target};"
                    if arrow not in arrows:
                        arrows.append(arrow)
    return Dot("\n".join([*lines, *arrows, "}", ""]), dpi)


def plot_model(
    model: Any,
    to_file: Any = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    **kwargs: Any,
) -> None:
    """Draws the model into a file, whose ending says how: ``.png``, ``.svg``, ``.pdf``, or ``.dot`` for the text.

    The options are :func:`model_to_dot`'s.

    Raises:
        ImportError: a picture is asked for and Graphviz isn't installed.

    Example: ``keras.utils.plot_model(model, "model.svg", show_shapes=True)``.
    """
    path = os.fspath(to_file)
    ending = os.path.splitext(path)[1].lstrip(".").lower()
    dot = model_to_dot(
        model,
        show_shapes=show_shapes,
        show_dtype=show_dtype,
        show_layer_names=show_layer_names,
        rankdir=rankdir,
        expand_nested=expand_nested,
        dpi=dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        **kwargs,
    )
    dot.write(path if ending else f"{path}.png", format=ending or "png")
