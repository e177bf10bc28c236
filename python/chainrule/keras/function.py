"""``keras.Function``: the computation between symbolic tensors as a callable, without the training that a model has."""

from __future__ import annotations

from typing import Any

from .layers.signatures import map_shapes
from .symbolic import Graph, KerasTensor, Operation, flatten, map_structure
from .variables import convert_to_tensor


class Function(Operation):
    """The outputs as a function of the inputs, both nested structures of symbolic tensors.

    Raises:
        ValueError: an output that doesn't depend on the inputs alone; when called, another number of inputs.

    Example::

        x = keras.Input((3,))
        twice = keras.Function(x, 2 * x)
        twice(np.ones((1, 3)))     # [[2., 2., 2.]]
    """

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None) -> None:
        super().__init__(name)
        self._graph = Graph(inputs, outputs)

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs in a row."""
        return self._graph.input_tensors

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs in a row."""
        return self._graph.output_tensors

    @property
    def operations(self) -> list[Any]:
        """The layers and functions in between, in an order that runs."""
        return list({id(node.operation): node.operation for node in self._graph.nodes}.values())

    @property
    def input(self) -> Any:
        """The symbolic inputs as given."""
        return self._graph.inputs

    @property
    def output(self) -> Any:
        """The symbolic outputs as given."""
        return self._graph.outputs

    def __call__(self, inputs: Any) -> Any:
        """The outputs for arrays, tensors or other symbolic tensors."""
        values = flatten(inputs)
        if len(values) != len(self.inputs):
            raise ValueError(f"Function {self.name!r} expects {len(self.inputs)} input(s), got {len(values)}.")
        return self._graph.run([v if isinstance(v, KerasTensor) else convert_to_tensor(v) for v in values])

    def call(self, inputs: Any) -> Any:
        """The same as calling it."""
        return self(inputs)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Symbolic outputs for symbolic inputs."""
        return self(inputs)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The outputs' shapes for inputs of these shapes."""
        tensors = flatten(map_shapes(lambda shape: KerasTensor(shape), input_shape))
        typed = [KerasTensor(t.shape, known.dtype) for t, known in zip(tensors, self.inputs, strict=True)]
        return map_structure(lambda tensor: tensor.shape, self._graph.run(typed))
