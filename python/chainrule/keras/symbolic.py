"""Symbolic tensors and the graph of operations between them: how ``keras.Model(inputs, outputs)`` knows its layers.

A :class:`KerasTensor` has a shape (None where it may vary) and a dtype, no values. Applying a layer or an op to one
adds a :class:`Node`; :class:`Graph` orders the nodes between inputs and outputs and runs them on real tensors.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import chainrule

from .config import standardize_dtype
from .naming import snake_case, unique_name
from .tree import flatten_with_path

# ---- nested structures ---------------------------------------------------------------------------------------------


def flatten(structure: Any) -> list[Any]:
    """The leaves of nested lists, tuples and dictionaries (by sorted key), in order."""
    return list(_leaves(structure))


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, dict):
        for key in sorted(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, (list, tuple)):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """The same structure with the function applied to each leaf."""
    if isinstance(structure, dict):
        return {key: map_structure(function, value) for key, value in structure.items()}
    if isinstance(structure, (list, tuple)):
        items = [map_structure(function, item) for item in structure]
        return type(structure)(*items) if hasattr(structure, "_fields") else type(structure)(items)
    return function(structure)


def pack_like(structure: Any, leaves: list[Any]) -> Any:
    """The leaves in the given structure (the inverse of :func:`flatten`)."""
    iterator = iter(leaves)

    def build(part: Any) -> Any:
        if isinstance(part, dict):
            built = {key: build(part[key]) for key in sorted(part)}
            return {key: built[key] for key in part}
        if isinstance(part, (list, tuple)):
            items = [build(item) for item in part]
            return type(part)(*items) if hasattr(part, "_fields") else type(part)(items)
        return next(iterator)

    return build(structure)


# ---- symbolic tensors ----------------------------------------------------------------------------------------------


# Functions of NumPy that Python's operators between an array and a symbolic tensor call, in keras.ops.
_OPERATORS = {
    **{name: name for name in ("add", "subtract", "multiply", "divide", "floor_divide", "power", "matmul", "less")},
    **{name: name for name in ("less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor")},
    "true_divide": "divide",
    "remainder": "mod",
    "bitwise_and": "logical_and",
    "bitwise_or": "logical_or",
    "bitwise_xor": "logical_xor",
}


class KerasTensor:
    """A tensor without values: ``shape`` (None for a varying length), ``dtype``, ``name``.

    Made by :func:`keras.Input` and by applying layers or ``keras.ops`` to other symbolic tensors.
    """

    sparse = ragged = False

    def __init__(
        self,
        shape: Any,
        dtype: Any = "float32",
        sparse: bool = False,
        ragged: bool = False,
        record_history: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if sparse or ragged:
            raise ValueError("KerasTensor: sparse and ragged tensors are not supported; use dense ones.")
        self.shape = tuple(None if n is None else int(n) for n in shape)
        self.dtype = standardize_dtype(dtype)
        self.name = name or unique_name("keras_tensor")
        self.node: Node | None = None
        self.index = 0
        self._keras_mask: Any = None  # of masking.py

    @property
    def _keras_history(self) -> tuple[Any, int, int]:
        """(operation, 0, index among its outputs), as libraries ask for it to tell symbolic tensors of models."""
        if self.node is None:
            raise AttributeError("this KerasTensor comes from no operation")
        return self.node.operation, 0, self.index

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    def reshape(self, newshape: Any) -> Any:
        """See ``keras.ops.reshape``."""
        return self._apply("reshape", self, newshape)

    def squeeze(self, axis: Any = None) -> Any:
        """See ``keras.ops.squeeze``."""
        return self._apply("squeeze", self, axis)

    @property
    def T(self) -> Any:
        """See ``keras.ops.transpose``."""
        return self._apply("transpose", self)

    @staticmethod
    def _apply(name: str, *args: Any) -> Any:
        from . import ops

        return getattr(ops, name)(*args)

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"

    def _no_values(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            f"{self!r} is symbolic: it has no values. It can only be given to layers, keras.ops and keras.Model; "
            f"functions of NumPy and Python that need numbers belong inside a Lambda layer or a custom Layer."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Operators between arrays and symbolic tensors; other functions of NumPy need values. TypeError for these."""
        name = _OPERATORS.get(ufunc.__name__)
        if name is None or method != "__call__" or kwargs:
            raise TypeError(
                f"numpy.{ufunc.__name__} needs numbers, and {self!r} is symbolic: use the function of keras.ops in its "
                f"place (such as keras.ops.{ufunc.__name__}), or call NumPy inside a custom layer."
            )
        return self._apply(name, *inputs)

    __array__ = __bool__ = __float__ = __int__ = __index__ = __iter__ = __len__ = _no_values

    def __getitem__(self, key: Any) -> Any:
        return self._apply("get_item", self, key)


def _operator(name: str, reflected: bool = False) -> Callable[..., Any]:
    def apply(self: KerasTensor, *others: Any) -> Any:
        arguments = (*others, self) if reflected else (self, *others)
        return self._apply(name, *arguments)

    return apply


for _method, _name in {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "divide",
    "floordiv": "floor_divide",
    "mod": "mod",
    "pow": "power",
    "matmul": "matmul",
    "and": "logical_and",
    "or": "logical_or",
    "xor": "logical_xor",
}.items():
    setattr(KerasTensor, f"__{_method}__", _operator(_name))
    setattr(KerasTensor, f"__r{_method}__", _operator(_name, reflected=True))
for _method, _name in {
    "neg": "negative",
    "abs": "absolute",
    "invert": "logical_not",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(KerasTensor, f"__{_method}__", _operator(_name))


def is_keras_tensor(x: Any) -> bool:
    """Whether ``x`` is a symbolic tensor."""
    return isinstance(x, KerasTensor)


def any_symbolic(structure: Any) -> bool:
    """Whether a symbolic tensor is among the leaves."""
    return any(type(leaf) is KerasTensor for leaf in _leaves(structure))


# ---- operations and nodes ------------------------------------------------------------------------------------------


class Node:
    """One application of an operation to symbolic tensors."""

    def __init__(self, operation: Any, args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
        self.operation, self.args, self.kwargs, self.outputs = operation, args, kwargs, outputs
        self.inputs = [leaf for leaf in _leaves([list(args), kwargs]) if isinstance(leaf, KerasTensor)]
        self.output_tensors: list[KerasTensor] = flatten(outputs)
        for index, tensor in enumerate(self.output_tensors):
            if isinstance(tensor, KerasTensor):  # not a None among them
                tensor.node, tensor.index = self, index

    def with_arguments(self, change: Callable[[Any], Any]) -> Node:
        """The same application with other arguments; the tensors that it makes keep it as theirs."""
        node = object.__new__(Node)
        node.operation, node.outputs, node.output_tensors = self.operation, self.outputs, self.output_tensors
        node.args, node.kwargs = map_structure(change, self.args), map_structure(change, self.kwargs)
        node.inputs = [leaf for leaf in _leaves([list(node.args), node.kwargs]) if isinstance(leaf, KerasTensor)]
        return node


class Operation:
    """Something that computes tensors of tensors, and symbolic tensors of symbolic ones. Layers are such.

    Subclasses define ``call``, and ``compute_output_spec`` where running ``call`` on zeros can't tell shapes and types.

    Example::

        class Scale(keras.Operation):
            def __init__(self, factor, name=None):
                super().__init__(name=name)
                self.factor = factor

            def call(self, x):
                return x * self.factor
    """

    _init_arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    _nodes: list[Node]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        made = object.__new__(cls)
        object.__setattr__(made, "_init_arguments", (args, kwargs))
        return made

    def __init__(self, name: str | None = None) -> None:
        if name is not None and (not isinstance(name, str) or "/" in name):
            raise ValueError(f"{type(self).__name__}: name must be a string without '/', got {name!r}.")
        self.name = name or unique_name(snake_case(type(self).__name__))
        self._nodes = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Tensors for tensors and arrays, symbolic tensors if one is among the arguments."""
        return (self.symbolic_call if any_symbolic([list(args), kwargs]) else self.call)(*args, **kwargs)

    def symbolic_call(self, *args: Any, **kwargs: Any) -> Any:
        """The symbolic outputs, which remember what they come from."""
        outputs = self.compute_output_spec(*args, **kwargs)
        self._nodes.append(Node(self, args, kwargs, outputs))
        return outputs

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError(f"{type(self).__name__} must define call(...).")

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic tensors of the outputs' shapes and types."""
        return infer_outputs(self.call, args, kwargs)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments. NotImplementedError where they are no plain values: then define it yourself."""
        args, kwargs = self._init_arguments
        bound = inspect.signature(type(self).__init__).bind(self, *args, **kwargs)
        config = {name: value for name, value in bound.arguments.items() if name != "self"}
        config.update(config.pop("kwargs", {}))
        if "name" in inspect.signature(type(self).__init__).parameters:
            config["name"] = self.name
        plain = (str, int, float, bool, type(None), list, tuple, dict)
        unfit = [name for name, value in config.items() if not isinstance(value, plain)]
        if unfit:
            raise NotImplementedError(f"{type(self).__name__} must define get_config(): {unfit} are no plain values.")
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """An operation made with ``config``."""
        return cls(**config)

    def _symbolic(self, end: str) -> Any:
        if not self._nodes:
            raise AttributeError(
                f"{type(self).__name__} {self.name!r} has not been applied to symbolic inputs, so it has no {end}."
            )
        node = self._nodes[0]
        if end == "output":
            return node.outputs
        return node.inputs[0] if len(node.inputs) == 1 else node.inputs

    @property
    def input(self) -> Any:
        """The symbolic input of its first application."""
        return self._symbolic("input")

    @property
    def output(self) -> Any:
        """The symbolic output of its first application."""
        return self._symbolic("output")


class FunctionOperation(Operation):
    """A function of ``keras.ops`` (or an activation) used on symbolic tensors, as a node of a graph."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = unique_name(snake_case(function.__name__))
        self._nodes = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def apply_function(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    sample: Callable[[list[int], str], np.ndarray] = np.zeros,
) -> Any:
    """Applies a function of tensors to arguments among which there are symbolic ones; returns symbolic results.

    ``sample(shape, dtype)`` gives values that the function is defined on.
    """
    outputs = infer_outputs(function, args, kwargs, sample)
    operation = FunctionOperation(function)
    operation._nodes.append(Node(operation, args, kwargs, outputs))
    return outputs


def infer_outputs(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    sample: Callable[[list[int], str], np.ndarray] = np.zeros,
) -> Any:
    """The symbolic results of ``function``, found by running it on zeros (or what ``sample`` gives).

    Varying axes are given two different lengths; an axis of the result that follows them varies too.
    """
    inputs = [leaf for leaf in _leaves([list(args), kwargs]) if isinstance(leaf, KerasTensor)]

    def run(lengths: Callable[[int, int], int]) -> Any:
        """The results where axis ``a`` of input ``i``, if it varies, has length ``lengths(i, a)``."""
        numbers = iter(range(len(inputs)))

        def values(leaf: Any) -> Any:
            if not isinstance(leaf, KerasTensor):
                return leaf
            i = next(numbers)
            shape = [lengths(i, a) if n is None else n for a, n in enumerate(leaf.shape)]
            if leaf.dtype == "bfloat16":  # NumPy has none
                return chainrule.asarray(sample(shape, "float32")).astype(leaf.dtype)
            return chainrule.asarray(sample(shape, leaf.dtype))

        with chainrule.no_grad():
            return function(*map_structure(values, args), **map_structure(values, kwargs))

    varying = [(i, a) for i, leaf in enumerate(inputs) for a, n in enumerate(leaf.shape) if n is None]
    if not varying:
        return _spec(run(lambda i, a: 2))
    # The first axis is mostly the batch, whose length nothing depends on. Others may have to hold a window.
    error: Exception | None = None
    for short, long in ((2, 35), (64, 160), (512, 768)) if any(a for _, a in varying) else ((2, 3),):
        try:
            first = run(lambda i, a: 2 if a == 0 else short)  # noqa: B023
            return _spec(first, run(lambda i, a: 3 if a == 0 else long))  # noqa: B023
        except (ValueError, IndexError) as caught:
            error = error or caught
    # Lengths that other axes dictate: ones fit where axes broadcast; then each axis varies alone.
    try:
        first = run(lambda i, a: 1)
    except (ValueError, IndexError):
        raise error from None  # type: ignore[misc]
    others = []
    for place in varying:
        with contextlib.suppress(ValueError, IndexError):
            others.append(run(lambda i, a: 2 if (i, a) == place else 1))  # noqa: B023
    return _spec(first, *others)


def _spec(*results: Any) -> Any:
    """Symbolic tensors like the results; an axis whose length differs among them varies."""
    columns = zip(*(flatten(result) for result in results), strict=True)
    leaves = []
    for column in columns:
        if not hasattr(column[0], "shape"):
            leaves.append(column[0])
            continue
        axes = zip(*(leaf.shape for leaf in column), strict=True)
        leaves.append(KerasTensor([ns[0] if len(set(ns)) == 1 else None for ns in axes], column[0].dtype))
    return pack_like(results[0], leaves)


class Graph:
    """The operations between ``inputs`` and ``outputs`` (nested structures of symbolic tensors), in an order that runs.

    Raises:
        ValueError: an output depends on a symbolic tensor that is not among the inputs.
    """

    def __init__(self, inputs: Any, outputs: Any, placeholders: dict[int, KerasTensor] | None = None) -> None:
        self.inputs, self.outputs = inputs, outputs
        self.input_tensors: list[KerasTensor] = flatten(inputs)
        self.output_tensors: list[KerasTensor] = flatten(outputs)
        for tensor in (*self.input_tensors, *self.output_tensors):
            if not isinstance(tensor, KerasTensor):
                which = "inputs" if any(tensor is leaf for leaf in self.input_tensors) else "outputs"
                raise ValueError(
                    f"Model(inputs, outputs): All `{which}` values must be KerasTensors, made by keras.Input and "
                    f"layers; got {tensor!r}."
                )
        self.nodes = self._order()
        if placeholders:  # the results of layers outside give way to inputs of the graph's own

            def own(leaf: Any) -> Any:
                return placeholders.get(id(leaf), leaf)

            self.inputs, self.outputs = map_structure(own, inputs), map_structure(own, outputs)
            self.input_tensors, self.output_tensors = flatten(self.inputs), flatten(self.outputs)
            self.nodes = [node.with_arguments(own) for node in self.nodes]

    def _order(self) -> list[Node]:
        """Depth-first order of the nodes that the outputs need, without recursion."""
        order: list[Node] = []
        done: set[int] = set()
        for path, output in flatten_with_path(self.outputs):
            self._visit(output, ".".join(map(str, path)), order, done)
        return order

    def _visit(self, output: KerasTensor, path: str, order: list[Node], done: set[int]) -> None:
        known = {id(tensor) for tensor in self.input_tensors}
        stack: list[tuple[KerasTensor, bool]] = [(output, False)]
        while stack:
            tensor, expanded = stack.pop()
            if id(tensor) in known or (tensor.node is not None and id(tensor.node) in done):
                continue
            if tensor.node is None or not tensor.node.inputs:
                raise ValueError(
                    f"Output with path `{path}` is not connected to `inputs`: it depends on {tensor!r}, which is not "
                    f"among the inputs "
                    f"{[t.name for t in self.input_tensors]}. Add it to inputs=[...]."
                )
            if expanded:
                done.add(id(tensor.node))
                order.append(tensor.node)
            else:
                stack.append((tensor, True))
                stack.extend((source, False) for source in reversed(tensor.node.inputs))

    @property
    def operations(self) -> list[Any]:
        """The operations, each once, in Keras's order of layers: those farthest from the outputs first.

        Of those at one distance the first is that which a walk from the outputs to the inputs meets first.
        """
        depths: dict[int, int] = {}  # of tensors
        found: dict[int, tuple[int, Any]] = {}
        ends = [t.node for t in self.input_tensors if t.node is not None]
        for node in (*reversed(self.nodes), *ends):
            key = id(node.operation)
            depth = max([depths.get(id(t), 0) for t in node.output_tensors] + [found[key][0] if key in found else 0])
            found[key] = depth, node.operation
            for source in node.inputs:
                depths[id(source)] = max(depths.get(id(source), 0), depth + 1)
        met = self._first_met({id(t): node for node in (*ends, *self.nodes) for t in node.output_tensors})
        ranked = sorted(found.items(), key=lambda item: (-item[1][0], met.get(item[0], -1)))
        return [operation for _, (_, operation) in ranked]

    def _first_met(self, makers: dict[int, Node]) -> dict[int, int]:
        """When a depth-first walk from the outputs meets each operation."""
        met: dict[int, int] = {}
        done: set[int] = set()
        stack = list(reversed(self.output_tensors))
        while stack:
            node = makers.get(id(stack.pop()))
            if node is None or id(node) in done:
                continue
            done.add(id(node))
            met.setdefault(id(node.operation), len(met))
            stack.extend(reversed(node.inputs))
        return met

    def run(self, tensors: list[Any]) -> Any:
        """The outputs for real (or other symbolic) input tensors, given in the order of ``input_tensors``."""
        values: dict[int, Any] = {id(k): t for k, t in zip(self.input_tensors, tensors, strict=True)}

        def value(leaf: Any) -> Any:
            return values[id(leaf)] if isinstance(leaf, KerasTensor) else leaf

        for node in self.nodes:
            results = node.operation(*map_structure(value, node.args), **map_structure(value, node.kwargs))
            for tensor, result in zip(node.output_tensors, flatten(results), strict=True):
                values[id(tensor)] = result
        return map_structure(value, self.outputs)
