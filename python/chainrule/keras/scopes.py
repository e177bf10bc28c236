"""Scopes in which variables are read and written without changing them, and of rematerialisation."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from chainrule import _core

from .variables import Variable, convert_to_tensor, open_scope, unwrap

_op = _core.ops


class StatelessScope:
    """Within the block variables hold values of the scope's: assignments stay there, and end with it.

    Args:
        state_mapping: pairs ``(variable, value)``: what variables hold at first; others start by their own values.
        collect_losses: whether ``add_loss`` of layers adds to :attr:`losses` in place of the layer.
        initialize_variables: accepted; variables always have values.

    Raises:
        ValueError: a key that is no variable, or a value of another shape.

    Example::

        with keras.StatelessScope([(w, w + 1) for w in model.weights]) as scope:
            y = model(x)
        scope.get_current_value(model.weights[0])      # the value within the block; the weight is as before
    """

    def __init__(
        self,
        state_mapping: Iterable[tuple[Variable, Any]] | None = None,
        collect_losses: bool = False,
        initialize_variables: bool = True,
    ) -> None:
        self.collect_losses, self.initialize_variables = collect_losses, initialize_variables
        self.losses: list[Any] = []
        self.state_mapping: dict[int, Any] = {}
        self._kept: dict[int, tuple[Variable, Any]] = {}  # variables that are touched, with their own tensors
        self._variables: dict[int, Variable] = {}
        self._outer: Any = None
        for variable, value in state_mapping or ():
            if not isinstance(variable, Variable):
                raise ValueError(f"StatelessScope: the keys of state_mapping must be variables, got {variable!r}.")
            tensor = _op.copy(convert_to_tensor(unwrap(value), variable.dtype))
            if tuple(tensor.shape) != tuple(variable.shape):
                raise ValueError(
                    f"StatelessScope: variable {variable.path!r} has shape {variable.shape}, the value given "
                    f"{tuple(tensor.shape)}."
                )
            self.state_mapping[id(variable)] = tensor
            self._variables[id(variable)] = variable

    def hold(self, variable: Variable) -> None:
        """Puts the scope's value into a variable that is touched for the first time."""
        if id(variable) in self._kept:
            return
        own = variable._value
        self._kept[id(variable)] = variable, own
        if id(variable) not in self.state_mapping:
            self.state_mapping[id(variable)] = _op.copy(own)
        variable._value = self.state_mapping[id(variable)]

    def add_loss(self, loss: Any) -> None:
        """Adds to :attr:`losses`."""
        self.losses.append(loss)

    def add_update(self, update: tuple[Variable, Any]) -> None:
        """Writes a value, as assigning to the variable within the block does."""
        variable, value = update
        self.state_mapping[id(variable)] = tensor = _op.copy(convert_to_tensor(unwrap(value), variable.dtype))
        if id(variable) in self._kept:
            variable._value = tensor

    def get_current_value(self, variable: Variable) -> Any:
        """The variable's value in the scope, also after it has ended; None if it was neither given nor touched."""
        return self.state_mapping.get(id(variable))

    def __enter__(self) -> StatelessScope:
        self._outer = open_scope(self)
        for variable in self._variables.values():
            self.hold(variable)
        return self

    def __exit__(self, *args: Any) -> None:
        open_scope(self._outer)
        for variable, own in self._kept.values():
            variable._value = own
        self._kept.clear()


_REMAT_MODES = ("full", "activations", "larger_than", "list_of_layers", None)


class RematScope:
    """Accepted so that programs run: values of the forward pass are kept for the gradient, not computed again.

    Results are those without the scope, and so is the memory taken: a recorded step already shares memory among values
    by their lifetimes, and attention keeps no matrix of queries times keys.

    Args:
        mode: "full", "activations", "larger_than", "list_of_layers" or None.
        output_size_threshold: for "larger_than".
        layer_names: for "list_of_layers".
    """

    def __init__(
        self, mode: str | None = "full", output_size_threshold: int = 1024, layer_names: Iterable[str] | None = None
    ) -> None:
        if mode not in _REMAT_MODES:
            raise ValueError(f"RematScope: Invalid mode {mode!r}. Supported modes are: {_REMAT_MODES}.")
        self.mode, self.output_size_threshold = mode, output_size_threshold
        self.layer_names = list(layer_names or ())

    def __enter__(self) -> RematScope:
        return self

    def __exit__(self, *args: Any) -> None:
        pass


def remat(f: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself, as a function of its own: what it computes is kept for the gradient (:class:`RematScope`).

    Example: ``y = keras.remat(lambda x: keras.ops.tanh(x) ** 2)(x)``
    """

    @functools.wraps(f)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return f(*args, **kwargs)

    return wrapped
