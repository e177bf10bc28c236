"""Functions of functions: ``grad``, ``value_and_grad``, ``vjp``, ``jit``, ``GradientTape`` and their kin.

Arguments and results may be nested lists, tuples and dicts of arrays (see :mod:`chainrule.tree`).
Reverse mode, as in Griewank & Walther, *Evaluating Derivatives*, 2nd ed., chapter 3.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import _core, tree

__all__ = [
    "GradientTape",
    "check_gradients",
    "custom_gradient",
    "grad",
    "jit",
    "no_grad",
    "stop_gradient",
    "value_and_grad",
    "vjp",
]

Tensor = _core.Tensor


@contextlib.contextmanager
def _recording() -> Iterator[None]:
    _core.push_recording()
    try:
        yield
    finally:
        _core.pop_recording()


def _release(results: list[Any]) -> None:
    """Outside of every other recording, results let go of the graph that made them."""
    if not _core.recording():
        for result in results:
            if isinstance(result, Tensor):
                _core.unwatch(result)


def _leaf(value: Any, name: str) -> Tensor:
    array = _core.asarray(value)
    if array.dtype.kind != "f":
        raise TypeError(
            f"{name} needs float arguments, got dtype {array.dtype}; convert it (x.astype('float32')) or leave the "
            "argument out of argnums"
        )
    return _core.leaf(array)


def _zeros_like(x: Tensor) -> Tensor:
    return _core.zeros(x.shape, x.dtype)


def _cotangents(heads: Sequence[Tensor], grads: Sequence[Tensor | None]) -> list[Tensor]:
    return [_zeros_like(head) if g is None else g for head, g in zip(heads, grads, strict=True)]


def value_and_grad(
    fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that returns ``(fun(*args), gradient)``.

    Args:
        fun: a function of arrays whose result is a scalar (shape ``()``), or ``(scalar, aux)`` with ``has_aux``.
        argnums: the position of the argument(s) to differentiate by; floats of any shape, or trees of them.
        has_aux: whether ``fun`` returns something beside the scalar, handed through untouched.

    Returns:
        A function of the same arguments. The gradient has the structure, shapes and dtypes of the chosen argument; for
        several ``argnums`` it is a tuple of them.

    Raises:
        TypeError: the result isn't a scalar, or an argument is not of a float dtype.

    Example:
        >>> import chainrule, chainrule.numpy as np
        >>> chainrule.value_and_grad(lambda w: np.sum(w * w))(np.array([1.0, 2.0]))
        (np.float64(5.0), array([2., 4.]))
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        arguments = list(args)
        heads: list[Tensor] = []
        parts = []
        with _recording():
            for number in numbers:
                if not -len(args) <= number < len(args):
                    raise TypeError(f"grad: argnums={number}, but only {len(args)} positional arguments were given")
                leaves, structure = tree.flatten(args[number])
                fresh = [_leaf(leaf, "grad") for leaf in leaves]
                parts.append((structure, len(fresh)))
                heads += fresh
                arguments[number] = tree.unflatten(structure, fresh)
            result = fun(*arguments, **kwargs)
            value, aux = result if has_aux else (result, None)
            if not isinstance(value, Tensor) or value.shape != ():
                shape = getattr(value, "shape", None)
                raise TypeError(
                    f"grad: the function must return a scalar of shape (), got {type(value).__name__}"
                    + (f" of shape {shape}" if shape is not None else "")
                    + "; take its mean or sum, or use vjp"
                )
        grads = iter(_cotangents(heads, _core.backward([value], [None], heads)))
        by_argument = [tree.unflatten(structure, [next(grads) for _ in range(count)]) for structure, count in parts]
        aux_leaves, _ = tree.flatten(aux)
        _release([value, *aux_leaves])
        gradient = by_argument[0] if isinstance(argnums, int) else tuple(by_argument)
        return ((value, aux) if has_aux else value), gradient

    return wrapped


def grad(fun: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a scalar function: ``grad(f)(x)`` is df/dx, with the structure of ``x``.

    Arguments as :func:`value_and_grad`. With ``has_aux`` the result is ``(gradient, aux)``.

    Example:
        >>> import chainrule, chainrule.numpy as np
        >>> chainrule.grad(np.tanh)(0.0)
        array(1.)
    """
    both = value_and_grad(fun, argnums, has_aux)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return wrapped


def vjp(fun: Callable[..., Any], *args: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of ``fun(*args)`` and its pull-back: cotangent of the result -> tuple of cotangents of the arguments.

    For ``y = f(x)`` with Jacobian ``J``, ``pull(u)`` is ``J^T u``.

    Returns:
        ``(y, pull)``, or ``(y, pull, aux)`` with ``has_aux``.

    Example:
        >>> import chainrule, chainrule.numpy as np
        >>> y, pull = chainrule.vjp(lambda a, b: a @ b, np.ones((2, 3)), np.ones((3,)))
        >>> pull(np.array([1.0, 10.0]))[1]
        array([11., 11., 11.])
    """
    leaves, structure = tree.flatten(args)
    with _recording():
        heads = [_leaf(leaf, "vjp") for leaf in leaves]
        result = fun(*tree.unflatten(structure, heads))
        value, aux = result if has_aux else (result, None)
    outputs, output_structure = tree.flatten(value)
    # The graph stays with these heads; what the user gets is detached where nobody else records.
    kept = [_core.asarray(y) for y in outputs]
    shown = [y if _core.recording() else _core.detach(y) for y in kept]

    def pull(cotangent: Any) -> tuple[Any, ...]:
        parts, given = tree.flatten(cotangent)
        if given != output_structure:
            raise TypeError(f"vjp: the cotangent has structure {given}, the result {output_structure}")
        grads = _core.backward(kept, [_core.asarray(part) for part in parts], heads)
        return tuple(tree.unflatten(structure, _cotangents(heads, grads)))

    value = tree.unflatten(output_structure, shown)
    return (value, pull, aux) if has_aux else (value, pull)


class no_grad(contextlib.ContextDecorator):  # noqa: N801 - named as in PyTorch
    """Turns gradient recording off in a ``with`` block or in a decorated function.

    Example:
        >>> with chainrule.no_grad():
        ...     prediction = model(x)
    """

    def __init__(self) -> None:
        self._depths: list[int] = []

    def __enter__(self) -> no_grad:
        self._depths.append(_core.suspend_recording())
        return self

    def __exit__(self, *exception: object) -> None:
        _core.resume_recording(self._depths.pop())


def stop_gradient(x: Any) -> Any:
    """``x`` (or a tree of arrays) as a constant: the same values, no gradient. Memory is shared."""
    return tree.map(_core.detach, x)


def custom_gradient(fun: Callable[..., tuple[Any, Callable[..., Any]]]) -> Callable[..., Any]:
    """Gives a function a gradient of your own.

    Args:
        fun: ``fun(*arrays) -> (result, gradient)`` where ``gradient(*upstream)`` takes a cotangent per result and
            returns one per argument (alone if there is one).

    Example:
        >>> @chainrule.custom_gradient
        ... def clipped_identity(x):
        ...     return x, lambda upstream: np.clip(upstream, -1, 1)
    """

    @functools.wraps(fun)
    def wrapped(*args: Any) -> Any:
        tensors = [_core.asarray(arg) for arg in args]
        with no_grad():
            result, gradient = fun(*tensors)
        outputs, structure = tree.flatten(result)

        def backward(upstream: list[Tensor]) -> list[Any]:
            grads = gradient(*upstream)
            return list(grads) if isinstance(grads, (list, tuple)) else [grads]

        heads = _core.custom_step(tensors, outputs, backward)
        return tree.unflatten(structure, heads)

    return wrapped


_tapes: list[GradientTape] = []


def watch_variable(tensor: Tensor) -> None:
    """Called by variables when they are read: every open tape that watches variables takes note."""
    for tape in _tapes:
        if tape._watch_variables:
            tape._watch_one(tensor)


class GradientTape:
    """Records operations in a ``with`` block for differentiation, as ``tf.GradientTape``.

    Args:
        persistent: whether :meth:`gradient` may be called more than once.
        watch_accessed_variables: whether trainable Keras variables are watched by themselves.

    Example:
        >>> x = np.array(3.0)
        >>> with chainrule.GradientTape() as tape:
        ...     tape.watch(x)
        ...     y = x * x
        >>> tape.gradient(y, x)
        array(6.)
    """

    def __init__(self, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
        self._persistent = persistent
        self._watch_variables = watch_accessed_variables
        self._watched: dict[int, Tensor] = {}
        self._used = False

    def __enter__(self) -> GradientTape:
        _core.push_recording()
        _tapes.append(self)
        return self

    def __exit__(self, *exception: object) -> None:
        _tapes.remove(self)
        _core.pop_recording()

    def _watch_one(self, tensor: Tensor) -> None:
        if id(tensor) not in self._watched:
            self._watched[id(tensor)] = tensor
            _core.watch(tensor)

    def watch(self, tensors: Any) -> None:
        """Makes gradients with respect to these tensors (or a tree of them, or variables) possible."""
        for leaf in tree.flatten(tensors)[0]:
            tensor = _tensor_of(leaf)
            if not isinstance(tensor, Tensor):
                raise TypeError(f"GradientTape.watch: expected a Tensor, got {type(leaf).__name__}")
            self._watch_one(tensor)

    def gradient(self, target: Any, sources: Any, output_gradients: Any = None) -> Any:
        """d(sum of target) / d(sources), with the structure of ``sources``; ``None`` where target doesn't depend on it.

        Raises:
            RuntimeError: a second call on a tape that isn't persistent.
        """
        if self._used and not self._persistent:
            raise RuntimeError(
                "A non-persistent GradientTape can only be used to compute one set of gradients; make it with "
                "GradientTape(persistent=True)"
            )
        self._used = True
        targets = [_tensor_of(leaf) for leaf in tree.flatten(target)[0]]
        upstream: list[Any] = [None] * len(targets)
        if output_gradients is not None:
            upstream = [g if g is None else _core.asarray(g) for g in tree.flatten(output_gradients)[0]]
        leaves, structure = tree.flatten(sources)
        grads = _core.backward(targets, upstream, [_tensor_of(leaf) for leaf in leaves])
        if not self._persistent and self not in _tapes:
            self._forget()
        return tree.unflatten(structure, grads)

    def _forget(self) -> None:
        if not _core.recording():
            for tensor in self._watched.values():
                _core.unwatch(tensor)
            self._watched.clear()

    def __del__(self) -> None:
        # At interpreter shutdown the module may be gone already.
        if _core is not None:
            self._forget()


def _tensor_of(value: Any) -> Any:
    """The tensor of a variable (which has one as ``value``), or the value itself."""
    return value if isinstance(value, Tensor) else getattr(value, "value", value)


class _Recorded:
    """One signature of a jitted function."""

    def __init__(self, fun: Callable[..., Any], structure: Any, static: list[Any], signature: list[Any]) -> None:
        self.output_structure: Any = None
        self.constants: list[Any] = []

        def flat(*placeholders: Tensor) -> list[Tensor]:
            source = iter(placeholders)
            leaves = [next(source) if is_array else value for is_array, value in static]
            args, kwargs = tree.unflatten(structure, leaves)
            outputs, self.output_structure = tree.flatten(fun(*args, **kwargs))
            # What isn't an array (a number, a string) is the same at every call of this signature.
            arrays = []
            for output in outputs:
                if hasattr(output, "__join__"):  # two arrays, put together after each call
                    self.constants.append(output.__join__)
                    arrays += [output.real, output.imag]
                    continue
                is_array = isinstance(output, Tensor) or hasattr(output, "__array__")
                self.constants.append(None if is_array else (output,))
                if is_array:
                    arrays.append(_core.asarray(output))
            return arrays

        self.program = _core.record(flat, signature)
        self.plain = not any(self.constants)

    def __call__(self, arrays: list[Any]) -> Any:
        results = self.program(*arrays)
        if not self.plain:
            source = iter(results)
            results = [self._result(constant, source) for constant in self.constants]
        if self.output_structure == tree.LEAF:
            return results[0]
        return tree.unflatten(self.output_structure, results)

    @staticmethod
    def _result(constant: Any, arrays: Any) -> Any:
        if constant is None:
            return next(arrays)
        return constant(next(arrays), next(arrays)) if callable(constant) else constant[0]


def jit(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
) -> Callable[..., Any]:
    """Records ``fun`` as a program on the first call of each signature and replays it afterwards.

    A signature is the structure of the arguments, the shapes and dtypes of the arrays, and the values of everything
    else: Python numbers, strings and whatever ``static_argnums`` and ``static_argnames`` name count by value (pass an
    array for a number that changes from call to call). While it is recorded, the function sees arrays without values:
    a branch on one raises :class:`chainrule.TraceError`; use ``where``. Arrays that the function reaches in other ways
    than by its arguments are used where they stand, with the contents they have at each call. Arguments are never
    changed.

    Example:
        >>> @chainrule.jit
        ... def norm(x):
        ...     return np.sqrt(np.sum(x * x))
        >>> norm(np.array([3.0, 4.0]))
        array(5.)
    """
    if fun is None:
        return functools.partial(jit, static_argnums=static_argnums, static_argnames=static_argnames)
    numbers = {static_argnums} if isinstance(static_argnums, int) else set(static_argnums)
    names = {static_argnames} if isinstance(static_argnames, str) else set(static_argnames)
    cache: dict[Any, _Recorded] = {}
    function = fun

    def find(jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[_Recorded, list[Any]] | None:
        """The program of a call, recorded if it is new, and its arrays; None where a gradient must flow through."""
        leaves, structure = tree.flatten((args, kwargs))
        arrays: list[Any] = []
        signature: list[Any] = []
        static: list[tuple[bool, Any]] = []
        if numbers or names:
            fixed = {id(args[i]) for i in numbers if -len(args) <= i < len(args)}
            fixed |= {id(kwargs[name]) for name in names if name in kwargs}
        else:
            fixed = set()
        for leaf in leaves:
            kind = type(leaf)
            if kind is not Tensor and hasattr(leaf, "__array__") and id(leaf) not in fixed:
                leaf = _core.asarray(leaf)
                kind = Tensor
            if kind is Tensor and id(leaf) not in fixed:
                if _core.recording() and _core.has_node(leaf):
                    return None
                arrays.append(leaf)
                signature.append((leaf.shape, leaf.dtype))
                static.append((True, None))
            else:
                static.append((False, leaf))
        key = (structure, tuple(signature), tuple((type(value), value) for is_array, value in static if not is_array))
        try:
            recorded = cache.get(key)
        except TypeError:
            raise TypeError(
                f"jit: {getattr(function, '__name__', 'the function')} got an argument that is neither an array nor "
                f"hashable: {[type(v).__name__ for a, v in static if not a]}"
            ) from None
        if recorded is None:
            recorded = cache[key] = _Recorded(function, structure, static, signature)
            if not kwargs and not fixed and recorded.plain:
                _core.remember_program(jitted, args, recorded.program, recorded.output_structure)
        return recorded, arrays

    def answer(jitted: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call of a signature that the callable doesn't know, or that only Python can tell."""
        if _core.tracing():  # inside another recording: part of that program
            return function(*args, **kwargs)
        found = find(jitted, args, kwargs)
        if found is None:  # call by call
            return function(*args, **kwargs)
        recorded, arrays = found
        return recorded(arrays)

    jitted: Any = _core.jitted(answer)
    functools.update_wrapper(jitted, function)
    jitted.programs = cache
    jitted.find = find
    return jitted


def check_gradients(
    fun: Callable[..., Any], *args: Any, eps: float = 1e-6, rtol: float = 1e-4, atol: float = 1e-6
) -> float:
    """Compares the gradient of ``sum(fun(*args))`` with central differences, in float64.

    The difference quotient is ``(f(x + eps) - f(x - eps)) / (2 eps)``, with an error of order ``eps^2``.

    Returns:
        The largest absolute difference.

    Raises:
        AssertionError: a difference above ``atol + rtol * |numerical|``; names the argument and the index.
    """
    import numpy as np

    leaves, structure = tree.flatten(args)
    values = [np.array(leaf, dtype=np.float64) for leaf in leaves]

    def total(*arrays: Any) -> Tensor:
        outputs, _ = tree.flatten(fun(*tree.unflatten(structure, list(arrays))))
        result = outputs[0].sum()
        for output in outputs[1:]:
            result = result + output.sum()
        return result

    _, grads = value_and_grad(total, argnums=range(len(values)))(*[_core.asarray(v) for v in values])
    worst = 0.0
    for number, (value, gradient) in enumerate(zip(values, grads, strict=True)):
        analytic = np.asarray(gradient)
        for place in np.ndindex(*value.shape):
            kept = value[place]
            ends = []
            for shift in (eps, -eps):
                value[place] = kept + shift
                ends.append(float(total(*[_core.asarray(v.copy()) for v in values])))
            value[place] = kept
            numerical = (ends[0] - ends[1]) / (2 * eps)
            difference = abs(numerical - float(analytic[place]))
            worst = max(worst, difference)
            if not difference <= atol + rtol * abs(numerical):
                raise AssertionError(
                    f"check_gradients: leaf {number} of the arguments, index {place}: gradient {analytic[place]}, "
                    f"central difference {numerical}"
                )
    return worst
