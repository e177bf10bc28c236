"""Layer: weights, the call with its checks, and the structure (sublayers, names, configuration) of every model.

Invariants: a layer is built once, at its first call or by ``build(shape)``; its variables are found among its
attributes (also inside lists and dictionaries), so that assigning is all a subclass has to do.
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

import chainrule
from chainrule import _core

from .. import constraints, dtype_policies, initializers, regularizers
from ..config import is_float_dtype, standardize_dtype
from ..masking import get_mask, masks_of, set_mask
from ..metrics import Metric
from ..naming import snake_case, unique_name
from ..registry import Registry
from ..symbolic import KerasTensor, Node, Operation, any_symbolic, flatten, infer_outputs, map_structure
from ..variables import Tensor, Variable, autocast, autocast_dtype, convert_to_tensor, current_scope, values_in
from .refusals import Refusals
from .signatures import argument_names, default_training, is_tensors, map_shapes, parameters_of, shape_of

_op = _core.ops


class _CallContext(threading.local):
    """What holds in this thread while a model's call runs."""

    training: bool | None = None  # inherited by inner layers
    path: tuple[str, ...] = ()  # names of the layers that are being built or called, outermost first
    observer: Callable[[Any, Any], None] | None = None  # told every layer's outputs
    losses: bool = False  # whether add_loss was ever called


context = _CallContext()

_structure_version = 0
_PACKAGE = f"{__package__.rsplit('.', 1)[0]}."

# Attributes of layers and models that hold no layers or variables of the user's, and whose change alters no program.
_BOOKKEEPING = frozenset(
    [
        "name",
        "built",
        "trainable",
        "autocast",
        "history",
        "optimizer",
        "stop_training",
        "output_names",
        "_init_arguments",
        "_nodes",
        "_extra_losses",
        "_build_shape",
        "_build_shapes",
        "_shape_from_data",
        "_path",
        "_first_shape",
        "_dtype_policy",
        "_trainable",
        "_graph",
        "_compile_config",
        "_compile_loss",
        "_compile_metrics",
        "_loss_tracker",
        "_step_programs",
        "_forward_programs",
        "_forward_structure",
        "_called_once",
        "_output_shapes",
        "_step_logs",
        "_rnn_states",
    ]
)


def structure_version() -> int:
    """A number that grows whenever an attribute of a built layer is set: recorded programs older than it are stale."""
    return _structure_version


@contextmanager
def observe_outputs(observer: Callable[[Any, Any], None]) -> Iterator[None]:
    """Within the block ``observer(layer, outputs)`` is called after every layer's call."""
    before, context.observer = context.observer, observer
    try:
        yield
    finally:
        context.observer = before


class Layer(Refusals, Operation):
    """Base class of layers and models.

    Subclasses create weights in ``__init__`` or ``build(input_shape)`` with :meth:`add_weight`, and compute in
    ``call(inputs)``, which may take ``training`` and ``mask`` (the mask of the inputs).

    Args:
        trainable: whether training may change its weights.
        dtype: the type of weights and computation; by default ``keras.config.floatx()``.
        name: its name; by default the class's in snake case, numbered.

    Example::

        class Scale(keras.layers.Layer):
            def build(self, input_shape):
                self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones")

            def call(self, inputs):
                return inputs * self.factor
    """

    _generic_config = True  # get_config of this very class describes subclasses by their constructors' arguments
    _keeps_integers = False  # whether integer inputs stay integers instead of becoming the compute type
    _build_by_name = False  # whether build takes several shapes, named after the arguments of call
    _passes_masks = False  # whether masks go through without its doing, as through a model
    #: Whether outputs get the mask that :meth:`compute_mask` gives; True where a subclass defines that method.
    supports_masking = False
    _init_arguments: tuple[tuple[Any, ...], dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Layer:
        layer = object.__new__(cls)
        object.__setattr__(layer, "_init_arguments", (args, kwargs))
        return layer

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "compute_mask" in vars(cls) and "supports_masking" not in vars(cls):
            cls.supports_masking = True
        if not _is_ours(cls) and all(b in Layer.__mro__ for b in cls.__mro__[1:]):
            cls._keeps_integers = True  # a layer of the user's own, which may look things up by its inputs
        if "build" in vars(cls) and not _is_ours(cls):
            cls._build_by_name = len(argument_names(vars(cls)["build"])) > 1
        if "build" in vars(cls):
            cls.build = _marks_built(vars(cls)["build"])  # type: ignore[method-assign]

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        shape = kwargs.pop("input_shape", None)
        if shape is None and "input_dim" in kwargs:
            shape = (kwargs.pop("input_dim"),)
        batch_shape = kwargs.pop("batch_input_shape", None)
        if kwargs:
            known = sorted(parameters_of(type(self).__init__)[0] - {"self", "kwargs"})
            raise ValueError(
                f"{type(self).__name__}: unexpected arguments {sorted(kwargs)}. It takes {', '.join(known)}, name, "
                f"dtype, "
                f"trainable, activity_regularizer."
            )
        if not isinstance(trainable, bool):
            raise ValueError(f"{type(self).__name__}: trainable must be True or False, got {trainable!r}.")
        if name is not None and not isinstance(name, str):
            raise ValueError(f"{type(self).__name__}: name must be a string, got {name!r}.")
        self.name = name or unique_name(snake_case(type(self).__name__))
        self.built = False
        self.autocast = autocast
        self.input_spec: Any = None
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._dtype_policy = dtype_policies.get(dtype)
        self._trainable = bool(trainable)
        self._weights: list[Variable] = []
        self._extra_losses: list[Any] = []
        self._nodes: list[Node] = []
        self._build_shape: Any = None
        self._build_shapes: dict[str, Any] | None = None  # the shapes given to a build that takes several
        self._path: str | None = None
        if batch_shape is not None:
            self._first_shape: tuple[Any, ...] | None = tuple(batch_shape)
        else:
            self._first_shape = None if shape is None else (None, *((shape,) if isinstance(shape, int) else shape))

    def __setattr__(self, name: str, value: Any) -> None:
        global _structure_version
        state = self.__dict__
        if name[0] != "_" and name not in _BOOKKEEPING and state.get("built") and state.get(name) is not value:
            _structure_version += 1
        object.__setattr__(self, name, value)

    # ---- types

    @property
    def dtype_policy(self) -> dtype_policies.DTypePolicy:
        """What it computes in and holds its weights in."""
        policy = self._dtype_policy
        return policy[self.path] if isinstance(policy, dtype_policies.DTypePolicyMap) else policy

    @dtype_policy.setter
    def dtype_policy(self, value: Any) -> None:
        self._dtype_policy = dtype_policies.get(value)

    def _settle_policy(self) -> None:
        """Takes its own policy out of a map by path, which is known from the first call or build on."""
        policy = self._dtype_policy
        if isinstance(policy, dtype_policies.DTypePolicyMap):
            scopes = context.path if context.path[-1:] == (self.name,) else (*context.path, self.name)
            self._dtype_policy = policy["/".join(scopes)]

    @property
    def dtype(self) -> str:
        """The type of the weights."""
        return self._dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The type of computations and outputs, to which float inputs are converted."""
        return self._dtype_policy.compute_dtype

    input_dtype = compute_dtype

    def _autocast(self) -> AbstractContextManager[None]:
        """A block in which variables are seen in the type that the layer computes in."""
        outer, computes = autocast_dtype(), self._dtype_policy.compute_dtype
        if outer is None and computes == self._dtype_policy.variable_dtype:
            return nullcontext()
        wanted = computes if self.autocast and is_float_dtype(computes) else None
        return nullcontext() if wanted == outer else autocast(wanted)

    @property
    def path(self) -> str:
        """The names of the models and layers around it, when it was built, and its own: ``"model/block/dense"``."""
        return self._path or self.name

    # ---- structure

    def _sublayers(self) -> list[Layer]:
        """The layers among the attributes, in order, each once."""
        found: dict[int, Layer] = {}
        for value in self._tracked(Layer):
            if value is not self:
                found.setdefault(id(value), value)
        return list(found.values())

    def _tracked(self, kind: type) -> Iterator[Any]:
        for name, value in self.__dict__.items():
            if name in _BOOKKEEPING:
                continue  # a nested model's loss tracker is none of the outer one's metrics
            if isinstance(value, kind):
                yield value
            elif isinstance(value, (list, tuple, dict)):
                yield from _search(value, kind)

    def _flatten_layers(self, include_self: bool = True, recursive: bool = True) -> list[Layer]:
        """The layer and all below it (or only the next ones), parents first, each once."""
        if not recursive:
            return [*([self] if include_self else []), *self._sublayers()]
        found: list[Layer] = []
        seen: set[int] = set()
        stack: list[Layer] = [self]
        while stack:
            layer = stack.pop()
            if id(layer) in seen:
                continue
            seen.add(id(layer))
            if include_self or layer is not self:
                found.append(layer)
            stack.extend(reversed(layer._sublayers()))
        return found

    @property
    def weights(self) -> list[Variable]:
        """The variables of the layer (trainable ones first) and of its sublayers."""
        own = self._own_variables()
        found = {id(v): v for v in own if v.trained} | {id(v): v for v in own if not v.trained}
        for layer in self._sublayers():
            for variable in layer.weights:
                found.setdefault(id(variable), variable)
        return list(found.values())

    variables = weights

    def save_own_variables(self, store: Any) -> None:
        """Writes the layer's own variables into a mapping, numbered ``"0"``, ``"1"``, ...: what a file keeps of it.

        A layer with more to keep overrides this (``store["seen"] = array``) and :meth:`load_own_variables`.
        """
        for i, variable in enumerate(self._stored_variables()):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads what :meth:`save_own_variables` wrote; ValueError for another number of variables or other shapes."""
        variables = self._stored_variables()
        if (stored := len(store.keys())) != len(variables):
            raise ValueError(
                f"Layer {self.name!r} ({type(self).__name__}) has {len(variables)} variables, {stored} are stored."
            )
        for i, variable in enumerate(variables):
            variable.assign(store[str(i)])

    def _stored_variables(self) -> list[Variable]:
        own = self._own_variables()
        return [v for v in own if v.trained] + [v for v in own if not v.trained]

    def _own_variables(self) -> list[Variable]:
        return list({id(v): v for v in self._tracked(Variable)}.values())

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        return [v for v in self.weights if v.trainable] if self._trainable else []

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The weights that training does not change by gradients."""
        return [v for v in self.weights if not v.trainable] if self._trainable else self.weights

    non_trainable_variables = non_trainable_weights

    @property
    def metrics(self) -> list[Metric]:
        """The metrics among the attributes of the layer and its sublayers."""
        return [metric for layer in self._flatten_layers() for metric in layer._tracked(Metric)]

    @property
    def metrics_variables(self) -> list[Variable]:
        """The variables of the metrics."""
        return [variable for metric in self.metrics for variable in metric.variables]

    @property
    def trainable(self) -> bool:
        """Whether training may change the weights; setting it sets the sublayers too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._flatten_layers():
            layer._trainable = bool(value)
            for variable in layer._own_variables():
                variable.trainable = bool(value) and variable.trained

    def count_params(self) -> int:
        """The number of entries of all weights."""
        if not self.built:
            raise ValueError(f"{self.name} has no weights yet: call it on data or build(input_shape) first.")
        return sum(v.size for v in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """The weights' values as ndarrays."""
        return [v.numpy() for v in self.weights]

    def set_weights(self, weights: Any) -> None:
        """Writes values for all weights, in the order of :attr:`weights`.

        Raises:
            ValueError: another number of arrays, or a shape that differs; nothing is written then.
        """
        variables = self.weights
        if len(weights) != len(variables):
            hint = "" if self.built else " The layer isn't built yet: call it on data or give its input shape first."
            raise ValueError(
                f"{type(self).__name__} {self.name!r} has {len(variables)} weights, but {len(weights)} arrays were "
                f"given.{hint}"
            )
        for variable, value in zip(variables, weights, strict=True):
            if tuple(variable.shape) != np.shape(value):
                raise ValueError(f"{variable.path} has shape {variable.shape}, the array given {np.shape(value)}.")
        for variable, value in zip(variables, weights, strict=True):
            variable.assign(value)

    # ---- building

    def build(self, input_shape: Any) -> None:
        """Creates the weights for inputs of that shape. The default has none."""
        self.built = True

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """A new weight of that shape; floats start by ``glorot_uniform``, others at zero, unless told otherwise."""
        if isinstance(shape, str):
            raise ValueError(
                f"{type(self).__name__}.add_weight: the first argument is the shape, got {shape!r}; give the name as a "
                f"keyword argument, name={shape!r}."
            )
        dtype = standardize_dtype(dtype or self.dtype)
        if initializer is None:
            initializer = "glorot_uniform" if is_float_dtype(dtype) else "zeros"
        variable = Variable(
            initializers.get(initializer),
            shape=() if shape is None else (shape,) if isinstance(shape, int) else tuple(shape),
            dtype=dtype,
            trainable=trainable,
            autocast=autocast,
            name=name or unique_name("variable"),
        )
        scopes = context.path if context.path[-1:] == (self.name,) else (*context.path, self.name)
        variable.path = "/".join((*scopes, variable.name))
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        self._weights.append(variable)
        return variable

    add_variable = add_weight

    def _build_at_init(self) -> None:
        """Layers without weights are built from the start, unless a subclass of the user's builds something."""
        self.built = type(self).build.__module__.startswith(_PACKAGE)

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        if self.built:
            return
        self.build(shape_of(args[0]) if args else None)
        self.built = True

    def _shapes_for(self, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The shapes that ``build`` or ``compute_output_shape`` asks for: ``x_shape`` is that of the argument x."""
        names = argument_names(type(self).call)
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        shapes = {}
        for name, parameter in list(inspect.signature(function).parameters.items()):
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            argument = name.removesuffix("_shape")
            if argument == name or argument not in names:
                raise ValueError(
                    f"{type(self).__name__}.{function.__name__}: parameter {name!r} must be named after an argument "
                    f"of call, as in {names[0]}_shape; call has {', '.join(names)}."
                )
            if given.get(argument) is not None:
                shapes[name] = shape_of(given[argument])
            elif parameter.default is parameter.empty:
                shapes[name] = None
        return shapes

    # ---- losses

    def add_loss(self, loss: Any) -> None:
        """Adds scalars to the loss of the step that is being computed; to be called in ``call``."""
        scope = current_scope()
        if scope is not None and scope.collect_losses:
            for one in flatten(loss):
                scope.add_loss(one)
            return
        self._extra_losses.extend(flatten(loss))
        context.losses = True

    @property
    def losses(self) -> list[Any]:
        """What ``add_loss`` collected in the last call, then the penalties of regularized weights."""
        collected = [loss for layer in self._flatten_layers() for loss in layer._extra_losses]
        penalties = [v.regularizer(v.value) for v in self.trainable_weights if v.regularizer is not None]
        return collected + penalties

    def _clear_losses(self) -> None:
        for layer in self._flatten_layers():
            layer._extra_losses.clear()

    # ---- calling

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes outputs from inputs."""
        raise NotImplementedError(f"{type(self).__name__} must define call(inputs).")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the layer if need be, checks the inputs and computes.

        Symbolic inputs give symbolic outputs; arrays and tensors give tensors.

        Raises:
            ValueError: inputs of a shape or type the layer can't take; the message names the layer and the remedy.
        """
        if "_dtype_policy" not in self.__dict__:
            raise RuntimeError(
                f"In layer {type(self).__name__}, you forgot to call super().__init__() as the first statement of "
                f"__init__()."
            )
        if isinstance(self._dtype_policy, dtype_policies.DTypePolicyMap):
            self._settle_policy()
        names, _ = parameters_of(type(self).call)
        training = kwargs.pop("training", None)
        if training is None:
            training = context.training
        symbolic = any_symbolic([list(args), kwargs])
        if training is None and "training" in names and not symbolic:  # a graph leaves it to the call that runs it
            training = default_training(type(self).call)
        if not symbolic:
            args = tuple(map_structure(self._convert, arg) for arg in args)
            if kwargs:
                kwargs = {name: self._convert_option(name, value) for name, value in kwargs.items()}
        if not self.built:
            if self._build_by_name:
                self.build(**self._shapes_for(self.build, args, kwargs))
            else:
                self._ensure_built(args or tuple(kwargs.values())[:1])
        if args and self.input_spec is not None:
            self._check_inputs(args[0])
        options, mask = self._with_masks(args, kwargs)
        if symbolic:
            if training is not None and "training" in names:
                kwargs["training"] = options["training"] = training
            outer_path, context.path = context.path, (*context.path, self.name)
            try:
                outputs = self.compute_output_spec(*args, **options)
            finally:
                context.path = outer_path
            node = Node(self, args, kwargs, outputs)
            self._nodes.append(node)
            self._mask_outputs(args, outputs, mask)
            return outputs
        if context.losses and not context.path:  # of the call before
            self._clear_losses()
        outer, context.training = context.training, training
        outer_path, context.path = context.path, (*context.path, self.name)
        _core.set_layer("/".join(context.path))
        try:
            if "training" in names:
                options["training"] = training
            with self._autocast():
                outputs = self.call(*args, **options)
        finally:
            context.training, context.path = outer, outer_path
            _core.set_layer("/".join(outer_path))
        self._mask_outputs(args, outputs, mask)
        if self.activity_regularizer is not None:
            for output in flatten(outputs):
                penalty = self.activity_regularizer(output)
                self.add_loss(penalty / max(output.shape[0], 1) if output.ndim else penalty)  # the mean over the batch
        if context.observer is not None:
            context.observer(self, outputs)
        return outputs

    def _with_masks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        """(the keyword arguments of ``call`` with the masks that travel with its arguments, that of the first one).

        A single tensor argument's mask goes to the parameter ``mask``; of several, that of ``x`` goes to ``x_mask``.
        """
        names = argument_names(type(self).call)
        if len(args) == 1 and not kwargs:
            mask = masks_of(args[0])
            return ({"mask": mask} if mask is not None and "mask" in names else {}), mask
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        options = dict(kwargs)
        tensors = {name: value for name, value in given.items() if is_tensors(value)}
        for name, value in tensors.items():
            target = "mask" if len(tensors) == 1 else f"{name}_mask"
            mask = masks_of(value)
            if mask is not None and target in names and given.get(target) is None:
                options[target] = mask
        first = options.get("mask")
        return options, first if first is not None else masks_of(next(iter(given.values()), None))

    def _mask_outputs(self, args: tuple[Any, ...], outputs: Any, mask: Any) -> None:
        """Gives the outputs the masks of :meth:`compute_mask`, unless ``call`` did."""
        if not self.supports_masking:
            if mask is not None and not self._passes_masks:
                warnings.warn(
                    f"Layer {self.name!r} ({type(self).__name__}) got an input with a mask, but doesn't support "
                    f"masking: what follows will not see the mask.",
                    stacklevel=3,
                )
            return
        if mask is None and type(self).compute_mask is Layer.compute_mask:
            return
        leaves = flatten(outputs)
        if all(get_mask(leaf) is not None for leaf in leaves):
            return
        found = self.compute_mask(args[0] if args else None, mask)
        if found is not None:
            for leaf, one in zip(leaves, flatten(found), strict=False):
                if get_mask(leaf) is None:
                    set_mask(leaf, one)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the outputs (a list for several outputs), given that of the inputs; None: no step is masked."""
        return previous_mask

    def _convert_option(self, name: str, value: Any) -> Any:
        """A keyword argument of ``call`` as a tensor if it is an array; masks become truth values."""
        if name == "mask" or name.endswith("_mask"):
            return map_structure(
                lambda leaf: leaf if leaf is None or isinstance(leaf, bool) else convert_to_tensor(leaf, "bool"), value
            )
        return map_structure(lambda leaf: self._convert(leaf) if hasattr(leaf, "__array__") else leaf, value)

    def _convert(self, x: Any) -> Any:
        """A tensor in the layer's compute type, if it is a float array and the layer casts."""
        if not isinstance(x, Tensor):
            if (
                x is None
                or isinstance(x, (str, bool))
                or not hasattr(x, "__array__")
                and not isinstance(x, (float, int))
            ):
                return x
            x = convert_to_tensor(x)
        computes = self._dtype_policy.compute_dtype
        if self.autocast and x.dtype != computes:
            kind = x.dtype.kind
            if kind == "f" or kind in "iub" and not self._keeps_integers:
                mask = get_mask(x)
                x = _op.cast(x, computes)
                set_mask(x, mask)
        return x

    def _check_inputs(self, inputs: Any) -> None:
        specs = self.input_spec if isinstance(self.input_spec, (list, tuple)) else [self.input_spec]
        for spec, x in zip(specs, flatten(inputs)[: len(specs)], strict=False):
            if spec is None or not hasattr(x, "shape"):
                continue
            shape = tuple(x.shape)
            problem = spec.problem(shape)
            if problem:
                raise ValueError(
                    f"Layer {self.name!r} ({type(self).__name__}) {problem}, but its input has shape {shape}."
                    f"{self._shape_advice(shape)}"
                )

    def _shape_advice(self, shape: tuple[int | None, ...]) -> str:
        """What to do about an input of that shape."""
        if self._build_shape is not None:
            return f" It was built for inputs of shape {tuple(self._build_shape)}."
        return ""

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """Symbolic outputs for symbolic inputs: by ``compute_output_shape``, else by running ``call`` on zeros."""
        if type(self).compute_output_shape is not Layer.compute_output_shape:
            if len(argument_names(type(self).compute_output_shape)) > 1 and not _is_ours(type(self)):
                shape = self.compute_output_shape(**self._shapes_for(self.compute_output_shape, args, kwargs))
            else:
                shape = self.compute_output_shape(shape_of(args[0]))
            dtype = self._output_dtype(args[0])
            return map_shapes(lambda one: KerasTensor(one, dtype), shape)

        kept = [(variable, variable.numpy()) for variable in self.non_trainable_weights]

        def run(*values: Any, **options: Any) -> Any:
            outer, context.training = context.training, False
            try:
                with self._autocast():
                    return self.call(*map_structure(self._convert, values), **options)
            finally:
                context.training = outer
                for variable, value in kept:  # nothing has been computed: no state changes
                    variable.assign(value)

        return infer_outputs(run, args, kwargs)

    def _output_dtype(self, inputs: Any) -> str:
        first = flatten(inputs)[0]
        kept = self._keeps_integers and not (self.autocast and is_float_dtype(first.dtype))
        return str(first.dtype) if kept else self.compute_dtype

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The outputs' shape for inputs of that shape (None for varying lengths)."""
        outputs = self.compute_output_spec(
            map_shapes(lambda shape: KerasTensor(shape, self.compute_dtype), input_shape)
        )
        return shape_of(outputs)

    def stateless_call(
        self,
        trainable_variables: Any,
        non_trainable_variables: Any,
        *args: Any,
        return_losses: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Computes with the given values in place of the weights': (outputs, new non-trainable values[, losses])."""
        variables = self.trainable_variables + self.non_trainable_variables
        values = [*trainable_variables, *non_trainable_variables]
        with values_in(variables, values) as tensors:
            self._clear_losses()
            outputs = self(*args, **kwargs)
            found = self.losses if return_losses else []
        updated = tensors[len(variables) - len(self.non_trainable_variables) :]
        return (outputs, updated, found) if return_losses else (outputs, updated)

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, for :meth:`from_config`.

        A subclass that doesn't define it gets the arguments it was made with, if they are plain values.
        """
        config: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        config["dtype"] = dtype_policies.serialize(self._dtype_policy)
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        cls = type(self)
        definer = next(base for base in cls.__mro__ if "get_config" in vars(base))
        if "_generic_config" in vars(definer) and "_generic_config" not in vars(cls):
            args, kwargs = self._init_arguments
            bound = inspect.signature(cls.__init__).bind(self, *args, **kwargs)
            given = {k: v for k, v in bound.arguments.items() if k not in ("self", "kwargs")}
            plain = (str, int, float, bool, type(None), list, tuple, dict)
            unfit = [k for k, v in given.items() if not isinstance(v, plain)]
            if unfit or any(isinstance(v, tuple) and k == "args" for k, v in given.items()):
                raise NotImplementedError(
                    f"{cls.__name__} must define get_config(): {unfit} can't be described by itself."
                )
            if not parameters_of(cls.__init__)[1]:
                config = {k: v for k, v in config.items() if k in parameters_of(cls.__init__)[0]}
            config.update(given)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """A layer made with ``config``."""
        return cls(**config)

    def get_build_config(self) -> dict[str, Any] | None:
        """What :meth:`build_from_config` needs to make the weights again; None before the layer is built.

        A layer whose state doesn't follow from the shapes given to ``build`` overrides both methods; files keep it.
        """
        if self._build_shapes is not None:
            return {"shapes_dict": self._build_shapes}
        return None if self._build_shape is None else {"input_shape": self._build_shape}

    def build_from_config(self, config: dict[str, Any] | None) -> None:
        """Builds the layer as :meth:`get_build_config` of another one tells."""
        if config and config.get("input_shape") is not None:
            self.build(map_shapes(tuple, config["input_shape"]))
        elif config and "shapes_dict" in config:
            shapes = {name: map_shapes(tuple, shape) for name, shape in config["shapes_dict"].items()}
            if set(shapes) <= set(argument_names(type(self).build)):
                self.build(**shapes)
            else:  # a layer of ours that needs the first shape only
                self.build(next(iter(shapes.values())))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"


def _is_ours(cls: type) -> bool:
    """Whether a class is one of Keras's own, not of the user's."""
    return cls.__module__.startswith(_PACKAGE)


def _search(value: Any, kind: type) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _search(item, kind)


def _marks_built(build: Callable[..., None]) -> Callable[..., None]:
    """``build`` that notes that, and for which shape, the layer was built."""

    @functools.wraps(build)
    def wrapper(self: Layer, *args: Any, **kwargs: Any) -> None:
        outer = context.path
        if outer[-1:] != (self.name,):
            context.path = (*outer, self.name)
        self._path = "/".join(context.path)
        self._settle_policy()
        try:
            with chainrule.no_grad():
                build(self, *args, **kwargs)
        finally:
            context.path = outer
        self.built = True
        if self._build_shape is None:
            shapes = dict(zip(argument_names(type(self).build), args, strict=False)) | kwargs
            shapes = {name: shape for name, shape in shapes.items() if shape is not None}
            self._build_shape = next(iter(shapes.values()), None) if len(shapes) < 2 else None
            self._build_shapes = shapes if len(shapes) > 1 else None

    return wrapper


registry = Registry("layer", "keras.layers", Layer)
registry.add(Layer)
