"""Random numbers: NumPy's generators and their streams, bit for bit, with results as tensors on NumPy's memory.

Neither the results nor the state can be recorded by ``chainrule.jit``: a call there gives the same numbers at every run
of the program. Numbers that change from run to run come from ``chainrule.seed`` and the layers that use it.
"""

from __future__ import annotations

from typing import Any

import numpy
from numpy.random import MT19937, PCG64, PCG64DXSM, SFC64, BitGenerator, Philox, SeedSequence  # noqa: F401

from .fallback import delegated, needs_ops, to_numpy, to_tensors

_IN_PLACE = frozenset({"shuffle"})


def _method(name: str, function: Any) -> Any:
    if name not in _IN_PLACE:
        return delegated(f"random.{name}", function)

    def in_place(x: Any, *args: Any, **kwargs: Any) -> None:
        if needs_ops(x):
            raise NotImplementedError(
                f"random.{name} changes its array in place, which neither a gradient nor jit can follow"
            )
        function(to_numpy(x) if not isinstance(x, list) else x, *args, **kwargs)

    in_place.__name__ = name
    in_place.__doc__ = function.__doc__
    return in_place


class _Wrapped:
    """The methods of a NumPy generator, their results as tensors."""

    _generator: Any

    def __repr__(self) -> str:
        return repr(self._generator)


class _Method:
    """The method of this name of the wrapped generator. The instance keeps what it has once given."""

    kernel = "delegated"

    def __init__(self, name: str, theirs: Any) -> None:
        self.__name__ = self.__qualname__ = name
        self.__doc__ = theirs.__doc__
        self.__wrapped__ = theirs

    def __get__(self, wrapper: Any, kind: Any = None) -> Any:
        if wrapper is None:
            return self
        method = _method(self.__name__, getattr(wrapper._generator, self.__name__))
        wrapper.__dict__[self.__name__] = method
        return method

    def __call__(self, wrapper: Any, /, *args: Any, **kwargs: Any) -> Any:
        return self.__get__(wrapper)(*args, **kwargs)


def _with_methods_of(kind: Any) -> Any:
    """Class decorator: every public method of NumPy's class that the class doesn't define."""

    def decorate(wrapper: Any) -> Any:
        for name in dir(kind):
            theirs = getattr(kind, name)
            if not name.startswith("_") and callable(theirs) and name not in vars(wrapper):
                setattr(wrapper, name, _Method(name, theirs))
        return wrapper

    return decorate


@_with_methods_of(numpy.random.Generator)
class Generator(_Wrapped):
    """numpy.random.Generator with tensors as results; made by :func:`default_rng`, or of a bit generator.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> rng.normal(size=3)
        array([ 0.12573022, -0.13210486,  0.64042265])
    """

    def __init__(self, bit_generator: Any) -> None:
        ready = isinstance(bit_generator, numpy.random.Generator)
        self._generator = bit_generator if ready else numpy.random.Generator(bit_generator)

    @property
    def bit_generator(self) -> Any:
        """The bit generator that the numbers are made from."""
        return self._generator.bit_generator

    def spawn(self, n_children: int) -> list[Generator]:
        """New generators with independent streams."""
        return [Generator(child) for child in self._generator.spawn(n_children)]

    def __reduce__(self) -> Any:
        return Generator, (self._generator,)


@_with_methods_of(numpy.random.RandomState)
class RandomState(_Wrapped):
    """numpy.random.RandomState with tensors as results."""

    def __init__(self, seed: Any = None) -> None:
        ready = isinstance(seed, numpy.random.RandomState)
        self._generator = seed if ready else numpy.random.RandomState(to_numpy(seed))

    def __reduce__(self) -> Any:
        return RandomState, (self._generator,)


def default_rng(seed: Any = None) -> Generator:
    """A generator with the stream of numpy.random.default_rng(seed)."""
    if isinstance(seed, Generator):
        return seed
    return Generator(numpy.random.default_rng(to_numpy(seed)))


def get_state(legacy: Any = True) -> Any:
    """The state of the legacy functions' generator."""
    return to_tensors(numpy.random.get_state(legacy))


def set_state(state: Any) -> None:
    """Sets the state of the legacy functions' generator."""
    numpy.random.set_state(to_numpy(state))


_LEGACY = [
    "beta",
    "binomial",
    "bytes",
    "chisquare",
    "choice",
    "dirichlet",
    "exponential",
    "f",
    "gamma",
    "geometric",
    "gumbel",
    "hypergeometric",
    "laplace",
    "logistic",
    "lognormal",
    "logseries",
    "multinomial",
    "multivariate_normal",
    "negative_binomial",
    "noncentral_chisquare",
    "noncentral_f",
    "normal",
    "pareto",
    "permutation",
    "poisson",
    "power",
    "rand",
    "randint",
    "randn",
    "random",
    "random_integers",
    "random_sample",
    "ranf",
    "rayleigh",
    "sample",
    "seed",
    "shuffle",
    "standard_cauchy",
    "standard_exponential",
    "standard_gamma",
    "standard_normal",
    "standard_t",
    "triangular",
    "uniform",
    "vonmises",
    "wald",
    "weibull",
    "zipf",
]

for _name in _LEGACY:
    globals()[_name] = _method(_name, getattr(numpy.random, _name))

__all__ = [
    *_LEGACY,
    "MT19937",
    "PCG64",
    "PCG64DXSM",
    "SFC64",
    "BitGenerator",
    "Generator",
    "Philox",
    "RandomState",
    "SeedSequence",
    "default_rng",
    "get_state",
    "set_state",
]
