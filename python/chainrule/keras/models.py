"""Model and Sequential: graphs of layers that can be trained.

``Model(inputs, outputs)`` holds the graph between symbolic tensors; a subclass with its own ``call`` holds none.
Outside of training and gradients, calling a built graph model on an array replays a recorded program.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule import _core

from . import saving, state
from .layers.base import Layer, context, structure_version
from .layers.core import InputLayer, flatten_advice
from .layers.signatures import map_shapes, shape_of
from .masking import get_mask, masks_of, set_mask
from .registry import Registry, deserialize_keras_object, serialize_keras_object
from .summary import print_summary
from .symbolic import Graph, KerasTensor, flatten, map_structure
from .training import Trainer
from .tree import flatten_with_path
from .variables import Tensor

_MODEL_KINDS = (np.ndarray, Tensor)


class Model(Trainer, Layer):
    """Layers grouped into something that can be compiled, trained, evaluated and saved.

    Either ``Model(inputs, outputs)`` with symbolic tensors, or a subclass that makes layers in ``__init__`` and defines
    ``call(inputs, training=False)``.

    Example::

        x = keras.Input((784,))
        model = keras.Model(x, keras.layers.Dense(10)(x))
    """

    _generic_config = True
    _passes_masks = True
    _shape_from_data = False  # whether the first batch, not the user, said the lengths of the inputs' axes
    _graph: Graph | None

    def __init__(self, *args: Any, inputs: Any = None, outputs: Any = None, **kwargs: Any) -> None:
        if args:
            if len(args) > 3:
                raise ValueError(f"Model takes inputs, outputs and name, got {len(args)} arguments.")
            inputs, outputs = args[0], args[1] if len(args) > 1 else outputs
            if len(args) == 3:
                kwargs["name"] = args[2]
        if (inputs is None) != (outputs is None):
            raise ValueError("Model needs both inputs= and outputs=, or neither (a subclass with its own call).")
        if inputs is not None and type(self) is Model and not kwargs.get("name"):
            from .naming import unique_name

            kwargs["name"] = unique_name("functional")
        Layer.__init__(self, **kwargs)
        self._graph = None
        self._init_trainer()
        if inputs is not None:
            placeholders = {
                id(tensor): InputLayer(batch_shape=tensor.shape, dtype=tensor.dtype).output
                for tensor in flatten(inputs)
                if isinstance(tensor, KerasTensor) and not _is_entrance(tensor)
            }
            self._set_graph(Graph(inputs, outputs, placeholders))

    def _set_graph(self, graph: Graph) -> None:
        self._graph = graph
        self.output_names = self._names_of_outputs(graph)
        operations = graph.operations
        names = [operation.name for operation in operations]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
        if twice:
            raise ValueError(
                f"Model {self.name!r}: the names {twice} are used more than once; all layers and operations need names "
                f"of their own."
            )
        self._own_layers = [layer for layer in operations if isinstance(layer, Layer)]
        self.built = True

    @staticmethod
    def _names_of_outputs(graph: Graph) -> list[str]:
        if isinstance(graph.outputs, dict) and len(graph.outputs) == len(graph.output_tensors):
            return sorted(graph.outputs)
        names: list[str] = []
        for tensor in graph.output_tensors:
            name = tensor.node.operation.name if tensor.node is not None else tensor.name
            count = 0
            while (candidate := f"{name}_{count}" if count else name) in names:
                count += 1
            names.append(candidate)
        return names

    # ---- structure

    def _sublayers(self) -> list[Layer]:
        own = self._own_layers if self.__dict__.get("_graph") is not None else []
        seen = {id(layer) for layer in own}
        return list(own) + [layer for layer in super()._sublayers() if id(layer) not in seen]

    @property
    def layers(self) -> list[Layer]:
        """The layers directly inside."""
        return self._sublayers()

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError("`Model.layers` attribute is reserved and can't be set. Please use another name.")

    @property
    def operations(self) -> list[Any]:
        """The layers and functions of the graph, those farthest from the outputs first."""
        return self._require_graph("operations").operations

    @property
    def inputs(self) -> list[KerasTensor]:
        """The symbolic inputs."""
        return self._require_graph("inputs").input_tensors

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic outputs."""
        return self._require_graph("outputs").output_tensors

    @property
    def input(self) -> Any:
        """The symbolic input (in the structure given)."""
        return self._require_graph("input").inputs

    @property
    def output(self) -> Any:
        """The symbolic output (in the structure given)."""
        return self._require_graph("output").outputs

    @property
    def input_shape(self) -> Any:
        """The input's shape, the batch axis None; a list for several inputs."""
        shapes = [tensor.shape for tensor in self.inputs]
        return shapes[0] if len(shapes) == 1 else shapes

    @property
    def output_shape(self) -> Any:
        """The output's shape, the batch axis None; a list for several outputs."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if len(shapes) == 1 else shapes

    def _require_graph(self, what: str) -> Graph:
        if self._graph is None:
            raise AttributeError(
                f"Model {self.name!r} has no symbolic {what}: it is a subclass with its own call, or a Sequential "
                f"whose "
                f"input shape isn't known yet (begin it with keras.Input(shape), or call it on data)."
            )
        return self._graph

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of that name or position. Raises ValueError if there is none."""
        layers = self.layers
        if (name is None) == (index is None):
            raise ValueError("get_layer needs either name= or index=.")
        if index is not None:
            if not -len(layers) <= index < len(layers):
                raise ValueError(f"There is no layer {index}: model {self.name!r} has {len(layers)} layers.")
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(f"Model {self.name!r} has no layer {name!r}; it has {[layer.name for layer in layers]}.")

    # ---- calling

    def build(self, input_shape: Any = None) -> None:
        """Builds the layers for inputs of that shape (None for varying lengths), by calling the model on zeros."""
        if self._graph is not None or input_shape is None:
            return
        if type(self).build is not Model.build:  # a subclass builds what it needs; its layers build when call uses them
            return
        filled = [tuple(1 if n is None else n for n in shape) for shape in _shapes(input_shape)]
        arrays = [np.zeros(shape, self.dtype) for shape in filled]
        if isinstance(input_shape, dict):
            inputs: Any = dict(zip(sorted(input_shape), arrays, strict=True))
        else:
            inputs = arrays[0] if len(arrays) == 1 else arrays
        self.built = True
        outer, context.path = context.path, context.path[:-1]  # the call adds the model's name again
        try:
            Layer.__call__(self, inputs)
        except NotImplementedError:
            self.built = False
            raise
        finally:
            context.path = outer

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        # A subclass's layers build themselves when call reaches them.
        if not self.built and args and type(self).build is not Model.build:
            self.build(shape_of(args[0]))
        elif not self.built and args:
            self._build_shape = map_structure(lambda leaf: tuple(getattr(leaf, "shape", ())), args[0])
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Runs the graph. Subclasses without one define it themselves."""
        if self._graph is None:
            raise NotImplementedError(
                f"{type(self).__name__} must define call(inputs), or be made with inputs and outputs."
            )
        return self._graph.run(self._graph_inputs(inputs, mask))

    def _graph_inputs(self, inputs: Any, mask: Any = None) -> list[Any]:
        """The inputs in the graph's order, checked, in the declared types and with their masks."""
        graph = self._graph
        assert graph is not None
        values = self._ordered_inputs(inputs)
        if len(values) != len(graph.input_tensors):
            raise ValueError(
                f"Model {self.name!r} expects {len(graph.input_tensors)} input(s) "
                f"{[t.name for t in graph.input_tensors]}, got {len(values)} arrays."
            )
        masks = [get_mask(value) for value in values] if mask is None else flatten(mask)
        checked: list[Any] = []
        for tensor, value, own in zip(graph.input_tensors, values, masks, strict=True):
            value = self._match(tensor, value)
            if value is None:
                checked.append(value)
                continue
            if not isinstance(value, KerasTensor) and value.dtype != tensor.dtype:
                value = _core.ops.cast(value, tensor.dtype)
            if own is not None and get_mask(value) is not own:
                if isinstance(value, Tensor):  # the caller's own tensor stays as it is
                    value = _core.ops.reshape(value, value.shape)
                set_mask(value, own)
            checked.append(value)
        return checked

    def _ordered_inputs(self, inputs: Any) -> list[Any]:
        """The inputs' leaves in the order of the graph's, found by name where a dictionary is given.

        Raises:
            ValueError: names that are missing, or a list where a dictionary says another order.
        """
        graph = self._graph
        assert graph is not None
        declared = graph.inputs
        mismatch = f"The structure of `inputs` doesn't match the expected structure of model {self.name!r}."
        if not isinstance(inputs, dict):
            if isinstance(declared, dict) and isinstance(inputs, (list, tuple)):
                shown = f"{mismatch} Expected a dictionary of {list(declared)}, got a list of {len(inputs)}"
                if list(declared) != sorted(declared):
                    raise ValueError(f"{shown}, whose order isn't clear.")
                warnings.warn(f"{shown}; it is taken in this order.", stacklevel=4)
            return flatten(inputs)
        if isinstance(declared, dict) and not all(isinstance(tensor, KerasTensor) for tensor in declared.values()):
            return flatten(inputs)
        named = declared if isinstance(declared, dict) else {tensor.name: tensor for tensor in graph.input_tensors}
        required = {key for key, tensor in named.items() if not _is_optional(tensor)}
        if required - set(inputs):
            raise ValueError(f"Model {self.name!r} needs the inputs {sorted(named)}, got {sorted(inputs)}.")
        if set(inputs) - set(named):
            extra = sorted(str(key) for key in set(inputs) - set(named))
            warnings.warn(f"{mismatch} Expected {list(named)}, got {extra} besides.", stacklevel=4)
        if isinstance(declared, dict):
            return flatten({key: inputs.get(key) for key in declared})
        return [inputs.get(key) for key in named]

    def _match(self, tensor: KerasTensor, value: Any, wanted: tuple[int | None, ...] | None = None) -> Any:
        """The value, with a last axis of length 1 added or dropped if that makes it fit. ValueError if nothing does."""
        if value is None:
            if _is_optional(tensor):
                return None
            raise ValueError(f"Model {self.name!r}: the input {tensor.name!r} is None, but it is not optional.")
        shape, wanted = tuple(value.shape), tensor.shape if wanted is None else wanted
        if _fits(shape, wanted):
            return value
        if isinstance(value, Tensor):
            if wanted and len(shape) == len(wanted) - 1 and wanted[-1] == 1 and _fits((*shape, 1), wanted):
                return _core.ops.expand_dims(value, -1)
            if len(shape) == len(wanted) + 1 and shape[-1] == 1 and _fits(shape[:-1], wanted):
                return _core.ops.squeeze(value, axis=-1)
        if self._shape_from_data and len(shape) == len(wanted):
            return value  # nobody declared these lengths: the layers check what they need
        consumer = self._first_consumer(tensor)
        one_axis = wanted[1] if len(wanted) == 2 else None
        advice = flatten_advice(shape, one_axis) if len(shape) > 2 else ""
        path = ".".join(
            str(key)
            for path, leaf in flatten_with_path(self._require_graph("inputs").inputs)
            if leaf is tensor
            for key in path
        )
        raise ValueError(
            f"Model {self.name!r}: invalid shape of the input with name {tensor.name!r} and path {path!r}, which "
            f"layer {consumer.name!r} ({type(consumer).__name__}) takes: expected shape={wanted}, found shape={shape}."
            f"{advice}"
        )

    def _first_consumer(self, tensor: KerasTensor) -> Any:
        assert self._graph is not None
        for node in self._graph.nodes:
            if any(source is tensor for source in node.inputs):
                return node.operation
        return self

    def _check_input_shapes(self, x: Any) -> None:
        if self._graph is None or isinstance(x, dict):
            return
        values = flatten(x)
        if len(values) == len(self._graph.input_tensors):
            for tensor, value in zip(self._graph.input_tensors, values, strict=True):
                self._match(tensor, value, (None, *tensor.shape[1:]))  # of many rows, in batches

    def _can_be_called(self) -> bool:
        return self._graph is not None or type(self).call is not Model.call

    def _declared_rows(self) -> int | None:
        return self._graph.input_tensors[0].shape[0] if self._graph is not None and self._graph.input_tensors else None

    def _convert(self, x: Any) -> Any:
        # Graphs cast to the types of their inputs, own calls leave integers to their layers.
        kept = self._keeps_integers, self.autocast
        self._keeps_integers, self.autocast = True, self.autocast and self._graph is None
        try:
            return super()._convert(x)
        finally:
            self._keeps_integers, self.autocast = kept

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Tensors for arrays and tensors, symbolic outputs for symbolic inputs. ``training=True`` turns dropout on."""
        if (
            len(args) == 1
            and type(args[0]) in _MODEL_KINDS
            and self._graph is not None
            and not (context.training or context.observer or kwargs.get("training"))
            and (not kwargs or (len(kwargs) == 1 and "training" in kwargs))
            and not _core.recording()
            and not _core.tracing()
            and not (self._run_eagerly or self._untraceable or self._masked)
            and get_mask(args[0]) is None
        ):
            x = args[0]
            key = (x.shape, x.dtype)
            if self._forward_version == structure_version():
                program = self._forward_programs.get(key)
                if program is not None:
                    outputs = program(x)
                    if len(outputs) == 1:
                        return outputs[0]
            if self._called_once.get(key):
                tensor = x if type(x) is Tensor else _core.asarray(x)
                return self._infer(tensor)
            # A shape is recorded when it comes the second time.
            if len(self._called_once) >= 256:
                self._called_once.clear()
            self._called_once[key] = True
        outputs = super().__call__(*args, **kwargs)
        if masks_of(outputs) is not None:
            self._masked = True
        return outputs

    def _init_trainer(self) -> None:
        super()._init_trainer()
        self._called_once: dict[Any, bool] = {}

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        if self._graph is not None and type(self).call in (Model.call, Sequential.call):
            return self.call(*args)
        return super().compute_output_spec(*args, **kwargs)

    # ---- weights, description, configuration

    def save(self, filepath: Any, overwrite: bool = True, zipped: bool | None = None, **kwargs: Any) -> None:
        """Writes the whole model to a ``.keras`` file; see :func:`chainrule.keras.saving.save_model`."""
        saving.save_model(self, filepath, overwrite, zipped, **kwargs)

    @property
    def _is_graph(self) -> bool:
        """Whether its layers stand in a graph or a row, rather than in a ``call`` of its own."""
        return self._graph is not None

    @property
    def _config_name(self) -> str:
        """The class in configurations: "Functional" for a graph."""
        return "Functional" if type(self) is Model and self._graph is not None else type(self).__name__

    def get_build_config(self) -> dict[str, Any] | None:
        """What :meth:`build_from_config` needs to make the weights."""
        return {"input_shape": self.input_shape} if self._graph is not None else super().get_build_config()

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Makes the weights for the input shape that :meth:`get_build_config` gave."""
        shape = (config or {}).get("input_shape")
        if shape is None or self.built:
            return
        try:
            self.build(map_shapes(tuple, shape))
        except NotImplementedError:
            raise
        except Exception as error:
            raise ValueError(
                f"Model {self.name!r} can't be built for inputs of shape {shape} ({error}). Give "
                f"{type(self).__name__} a build_from_config, or make it, call it on data and use load_weights."
            ) from error

    def save_weights(self, filepath: Any, overwrite: bool = True, max_shard_size: Any = None) -> None:
        """Writes all weights to a file; see :func:`chainrule.keras.saving.save_weights`."""
        saving.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, **kwargs: Any) -> None:
        """Reads weights that :meth:`save_weights` wrote; see :func:`chainrule.keras.saving.load_weights`."""
        saving.load_weights(self, filepath, skip_mismatch, **kwargs)

    def export(self, filepath: Any, format: str = "tf_saved_model", **kwargs: Any) -> None:
        """Not there: the formats of Keras's ``export`` are other libraries' programs.

        Raises:
            NotImplementedError: always; it says what to use.
        """
        raise NotImplementedError(
            f"Model {self.name!r}: export(format={format!r}) is not supported. Save the model with "
            f"model.save('model.keras'): Keras reads that file and can export it."
        )

    def get_state_tree(self, value_format: str = "backend_tensor") -> dict[str, Any]:
        """The values of all variables, nested by their paths, in four groups: ``"trainable_variables"``,
        ``"non_trainable_variables"``, ``"optimizer_variables"``, ``"metrics_variables"``.

        Args:
            value_format: ``"backend_tensor"`` (the variables' own memory) or ``"numpy_array"`` (copies).
        """
        return state.state_tree(self, value_format)

    def set_state_tree(self, state_tree: dict[str, Any]) -> None:
        """Writes values that :meth:`get_state_tree` gave."""
        state.assign_state_tree(self, state_tree)

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints a table of the layers, their output shapes and numbers of parameters."""
        print_summary(self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range)

    def to_json(self, **kwargs: Any) -> str:
        """The configuration as JSON text, for ``keras.models.model_from_json``."""
        import json

        return json.dumps(serialize_keras_object(self), **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The graph (or the constructor's arguments of a subclass), for :meth:`from_config`."""
        if self._graph is None or type(self) is not Model:
            return super().get_config()
        return saving.graph_config(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Any:
        """A model made with ``config``, with new weights."""
        if "layers" in config and "input_layers" in config:
            return saving.graph_from_config(config, custom_objects, cls)
        return cls(**config)


def _shapes(shape: Any) -> list[tuple[Any, ...]]:
    if isinstance(shape, dict):
        return [tuple(shape[key]) for key in sorted(shape)]
    if shape and isinstance(shape[0], (list, tuple)):
        return [tuple(one) for one in shape]
    return [tuple(shape)]


def _is_entrance(tensor: KerasTensor) -> bool:
    """Whether it is no result of a layer or function, so that it can be a model's input itself."""
    return tensor.node is None or isinstance(tensor.node.operation, InputLayer)


def _is_optional(tensor: KerasTensor) -> bool:
    return tensor.node is not None and getattr(tensor.node.operation, "optional", False)


def _fits(shape: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        m is None or n is None or m == n for m, n in zip(shape, wanted, strict=True)
    )


class Sequential(Model):
    """Layers in a row.

    Args:
        layers: the layers; the first may be ``keras.Input(shape)``, else the shape is taken from the first data.

    Example::

        model = keras.Sequential([
            keras.Input((784,)),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ])
    """

    def __init__(self, layers: Sequence[Any] | None = None, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self._layer_list: list[Layer] = []
        for layer in layers or ():
            self.add(layer, rebuild=False)
        self._rebuild()

    @property
    def _is_graph(self) -> bool:
        return True

    @property
    def layers(self) -> list[Layer]:
        """The layers without the input layer."""
        return [layer for layer in self._layer_list if not isinstance(layer, InputLayer)]

    @layers.setter
    def layers(self, value: Any) -> None:
        raise AttributeError(
            "`Sequential.layers` attribute is reserved and can't be set. Use `add()` and `pop()` to change the layers."
        )

    def _sublayers(self) -> list[Layer]:
        return list(self._layer_list)

    def add(self, layer: Any, rebuild: bool = True) -> None:
        """Appends a layer.

        Raises:
            ValueError: not a layer, a name used twice, an Input that isn't first.
        """
        if isinstance(layer, KerasTensor) and layer.node is not None and isinstance(layer.node.operation, InputLayer):
            layer = layer.node.operation
        if not isinstance(layer, Layer):
            if callable(layer) and not isinstance(layer, type):
                from .layers.core import Lambda

                layer = Lambda(layer)
            else:
                hint = f" Did you mean {layer.__name__}()?" if isinstance(layer, type) else ""
                raise ValueError(
                    f"Only instances of keras.layers.Layer can be added to a Sequential model, got {layer!r}.{hint}"
                )
        if isinstance(layer, InputLayer) and self._layer_list:
            if isinstance(self._layer_list[0], InputLayer):
                raise ValueError(
                    f"Sequential model {self.name!r} has already been configured to use input shape "
                    f"{self._layer_list[0].batch_shape}; an Input must be the first layer."
                )
            raise ValueError(f"Model {self.name!r}: an Input must be the first layer; there are layers already.")
        if any(other.name == layer.name for other in self._layer_list):
            raise ValueError(
                f"All layers added to a Sequential model should have unique names; {self.name!r} has a layer "
                f"{layer.name!r} already."
            )
        if not self._layer_list and not isinstance(layer, InputLayer):
            first, dtype = getattr(layer, "_first_shape", None), None
            if isinstance(layer, Model) and layer._graph is not None and isinstance(layer._graph.inputs, KerasTensor):
                first, dtype = layer._graph.inputs.shape, layer._graph.inputs.dtype
            if first is not None:
                self._layer_list.append(InputLayer(batch_shape=first, dtype=dtype))
        self._layer_list.append(layer)
        if rebuild:
            self._rebuild()
        else:
            self._forget()

    def pop(self, rebuild: bool = True) -> Layer:
        """Removes and returns the last layer."""
        if not self.layers:
            raise ValueError(f"Model {self.name!r} has no layer to remove.")
        layer = self._layer_list.pop()
        if rebuild:
            self._rebuild()
        else:
            self._forget()
        return layer

    def _forget(self) -> None:
        self._graph = None
        self.built = False
        self._step_programs.clear()
        self._forward_programs.clear()

    def _rebuild(self) -> None:
        self._forget()
        if len(self._layer_list) > 1 and isinstance(self._layer_list[0], InputLayer):
            self.build(self._layer_list[0].batch_shape)

    def build(self, input_shape: Any = None) -> None:
        """Builds the layers for inputs of that shape, batch axis first."""
        if self._graph is not None and input_shape is not None and not _fits(tuple(input_shape), self.input_shape):
            raise ValueError(
                f"Sequential model {self.name!r} has already been configured to use input shape {self.input_shape}, "
                f"so it can't be built for {tuple(input_shape)}."
            )
        if self._graph is not None or input_shape is None:
            return
        if not self._layer_list:
            raise ValueError(f"Sequential model {self.name!r} has no layers yet.")
        if not isinstance(self._layer_list[0], InputLayer):
            self._layer_list.insert(0, InputLayer(batch_shape=tuple(input_shape)))
        x = inputs = self._layer_list[0].output
        for layer in self.layers:
            try:
                x = layer(x)
            except NotImplementedError:  # its outputs aren't known beforehand: the layers run one by one
                return
        if len(flatten(x)) != 1:
            raise ValueError(f"Sequential takes layers with one output; {self.layers[-1].name!r} has several.")
        graph = Graph(inputs, x)
        self._graph = graph
        self.output_names = self._names_of_outputs(graph)
        self._own_layers = list(self._layer_list)

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        shape = args[0].shape if args and hasattr(args[0], "shape") else None
        if shape is not None or not self._layer_list:
            self._shape_from_data = not (self._layer_list and isinstance(self._layer_list[0], InputLayer))
            self.build((None, *(shape or ())[1:]))
        self.built = True

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """The layers one after the other."""
        if self._graph is None:
            x = inputs
            if mask is not None and get_mask(x) is not mask:
                x = _core.ops.reshape(x, x.shape)
                set_mask(x, mask)
            for layer in self.layers:
                x = layer(x)
            return x
        return self._graph.run(self._graph_inputs(inputs, mask))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The outputs' shape for inputs of that shape."""
        shape = tuple(input_shape)
        for layer in self.layers:
            shape = layer.compute_output_shape(shape)
        return shape

    def get_config(self) -> dict[str, Any]:
        """The layers' configurations."""
        config = {
            "name": self.name,
            "trainable": self._trainable,
            "layers": [serialize_keras_object(x) for x in self._layer_list],
        }
        if self._graph is not None:
            config["build_input_shape"] = self.input_shape
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Sequential:
        """A model with the same layers and new weights."""
        layers = [deserialize_keras_object(layer, custom_objects) for layer in config["layers"]]
        model = cls(layers, trainable=config.get("trainable", True), name=config.get("name"))
        if config.get("build_input_shape") and not model._is_graph:
            model.build(tuple(config["build_input_shape"]))
        return model


def model_from_json(json_string: str, custom_objects: dict[str, Any] | None = None) -> Any:
    """The model that ``to_json`` described, with new weights."""
    import json

    return deserialize_keras_object(json.loads(json_string), custom_objects)


registry = Registry("model", "keras.models", Model)
registry.add(Model, "Functional")
registry.add(Sequential)
load_model, save_model = saving.load_model, saving.save_model


from .cloning import clone_model  # noqa: E402 - it needs the classes above

__all__ = ["Model", "Sequential", "clone_model", "load_model", "model_from_json", "save_model"]
