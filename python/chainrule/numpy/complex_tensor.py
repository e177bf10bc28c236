"""Complex numbers that a gradient or ``jit`` follows: the real and the imaginary part, a tensor each.

The core has no complex dtype, and what NumPy computes on complex arrays nobody can follow. So a function of followed
tensors whose result is complex (``np.fft.rfft(x)``, ``x * 1j``) gives a :class:`ComplexTensor`, made by ops. It lives
inside of the gradient or the recording: what leaves it must be real (``np.abs``, ``np.real``, ``np.fft.irfft``).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy
from numpy.lib.array_utils import normalize_axis_index

from .. import _core

ops = _core.ops
Tensor = _core.Tensor


class ComplexTensor:
    """``real + 1j * imag`` of two float tensors of one shape. Operators, indexing and the functions of FUNCTIONS."""

    __array_ufunc__ = None  # operators of ndarrays and tensors leave it to ours
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, real: Any, imag: Any) -> None:
        self.real, self.imag = real, imag

    @property
    def __chainrule_tensor__(self) -> Any:
        raise _core.TraceError("a complex number that a gradient or jit follows has no value that NumPy could take")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.__chainrule_tensor__

    @staticmethod
    def __join__(real: Any, imag: Any) -> Any:
        """The ndarray of two parts that have values: what a recorded function returns."""
        result = numpy.empty(real.shape, numpy.result_type(real.dtype, "complex64"))
        result.real, result.imag = real.numpy(), imag.numpy()
        return result

    @property
    def shape(self) -> tuple[int, ...]:
        return self.real.shape

    @shape.setter
    def shape(self, lengths: Any) -> None:
        self.real, self.imag = self.real.reshape(lengths), self.imag.reshape(lengths)

    ndim = property(lambda self: self.real.ndim)
    size = property(lambda self: self.real.size)
    dtype = property(lambda self: numpy.result_type(self.real.dtype, "complex64"))
    T = property(lambda self: ComplexTensor(self.real.T, self.imag.T))
    mT = property(lambda self: ComplexTensor(self.real.mT, self.imag.mT))

    def __len__(self) -> int:
        return len(self.real)

    def __getitem__(self, key: Any) -> ComplexTensor:
        return ComplexTensor(self.real[key], self.imag[key])

    def __repr__(self) -> str:
        return f"ComplexTensor(shape={self.shape}, dtype={self.dtype})"

    def __bool__(self) -> bool:
        raise TypeError("the truth value of a complex number that a gradient or jit follows is not defined")

    def __add__(self, other: Any) -> Any:
        return add(self, other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return multiply(self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return power(other, self)

    def __matmul__(self, other: Any) -> Any:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Any:
        return matmul(other, self)

    def __neg__(self) -> Any:
        return ComplexTensor(-self.real, -self.imag)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return absolute(self)

    def conj(self) -> Any:
        return conjugate(self)

    conjugate = conj

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        dtype = numpy.dtype(dtype)
        if dtype.kind != "c":
            raise TypeError(f"astype: complex numbers that a gradient or jit follows can't become {dtype}; take .real")
        part = numpy.empty(0, dtype).real.dtype
        return ComplexTensor(ops.cast(self.real, part), ops.cast(self.imag, part))

    def sum(self, axis: Any = None, **options: Any) -> Any:
        return call("sum", (self, axis), options)

    def mean(self, axis: Any = None, **options: Any) -> Any:
        return call("mean", (self, axis), options)

    def reshape(self, *shape: Any) -> Any:
        return ComplexTensor(self.real.reshape(*shape), self.imag.reshape(*shape))

    def ravel(self) -> Any:
        return self.reshape(-1)

    flatten = ravel

    def transpose(self, *axes: Any) -> Any:
        return ComplexTensor(self.real.transpose(*axes), self.imag.transpose(*axes))


def is_complex(value: Any) -> bool:
    """Whether it is a complex number or array of any make."""
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.dtype.kind == "c"
    return isinstance(value, (ComplexTensor, complex))


def _parts(value: Any) -> tuple[Any, Any]:
    """Real and imaginary part; the latter is None for what is real."""
    if not is_complex(value):
        return value if isinstance(value, (int, float)) else _core.asarray(value), None
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return tuple(_core.from_numpy(numpy.array(part)) for part in (value.real, value.imag))
    return value.real, value.imag


def _pair(value: Any) -> tuple[Any, Any]:
    """Real and imaginary part as tensors of one shape."""
    real, imag = _parts(value)
    real = _core.asarray(real)
    if real.dtype.kind != "f":
        real = ops.cast(real, "float64")
    return real, ops.multiply(real, 0) if imag is None else _core.asarray(imag)


def _joined(real: Any, imag: Any) -> ComplexTensor:
    shape = numpy.broadcast_shapes(real.shape, imag.shape)
    return ComplexTensor(*(part if part.shape == shape else ops.broadcast_to(part, shape) for part in (real, imag)))


# ---- arithmetic


def add(x: Any, y: Any) -> ComplexTensor:
    (a, b), (c, d) = _parts(x), _parts(y)
    imag = d if b is None else b if d is None else b + d
    return _joined(ops.add(a, c), _core.asarray(imag))


def subtract(x: Any, y: Any) -> ComplexTensor:
    (a, b), (c, d) = _parts(x), _parts(y)
    imag = ops.negative(d) if b is None else b if d is None else b - d
    return _joined(ops.subtract(a, c), _core.asarray(imag))


def multiply(x: Any, y: Any) -> ComplexTensor:
    (a, b), (c, d) = _parts(x), _parts(y)
    if b is None:
        return _joined(ops.multiply(a, c), ops.multiply(a, d))
    if d is None:
        return _joined(ops.multiply(a, c), ops.multiply(b, c))
    return _joined(a * c - b * d, a * d + b * c)


def divide(x: Any, y: Any) -> ComplexTensor:
    c, d = _parts(y)
    if d is None:
        a, b = _parts(x)
        return _joined(ops.divide(a, c), ops.divide(b, c))
    return multiply(x, reciprocal(y))


def reciprocal(x: Any) -> ComplexTensor:
    a, b = _pair(x)
    size = a * a + b * b
    return ComplexTensor(a / size, -b / size)


def power(x: Any, y: Any) -> ComplexTensor:
    if not isinstance(y, int):
        return exp(multiply(y, log(x)))
    if y < 0:
        return reciprocal(power(x, -y))
    result, base = None, ComplexTensor(*_pair(x))
    while y:
        if y % 2:
            result = base if result is None else multiply(result, base)
        y //= 2
        base = multiply(base, base) if y else base
    if result is None:
        result = ComplexTensor(base.real * 0 + 1, base.imag * 0)
    return result


def matmul(x: Any, y: Any) -> ComplexTensor:
    (a, b), (c, d) = _pair(x), _pair(y)
    return ComplexTensor(a @ c - b @ d, a @ d + b @ c)


def dot(x: Any, y: Any) -> ComplexTensor:
    if max(numpy.ndim(_parts(x)[0]), numpy.ndim(_parts(y)[0])) > 2:
        raise _unknown("dot of more than two axes")
    return multiply(x, y) if min(numpy.ndim(_parts(x)[0]), numpy.ndim(_parts(y)[0])) == 0 else matmul(x, y)


def vdot(x: Any, y: Any) -> Any:
    product = multiply(conjugate(x).reshape(-1), ComplexTensor(*_pair(y)).reshape(-1))
    return product.sum()


# ---- functions


def absolute(x: Any) -> Any:
    """sqrt(a^2 + b^2), with gradient 0 at 0."""
    a, b = _pair(x)
    zero = ops.logical_and(ops.equal(a, 0), ops.equal(b, 0))
    return ops.where(zero, ops.multiply(a, 0), ops.hypot(ops.where(zero, ops.add(ops.multiply(a, 0), 1), a), b))


def angle(z: Any, deg: bool = False) -> Any:
    a, b = _pair(z)
    result = ops.arctan2(b, a)
    return ops.multiply(result, 180 / numpy.pi) if deg else result


def exp(x: Any) -> ComplexTensor:
    a, b = _pair(x)
    size = ops.exp(a)
    return ComplexTensor(size * ops.cos(b), size * ops.sin(b))


def log(x: Any) -> ComplexTensor:
    return ComplexTensor(ops.log(absolute(x)), angle(x))


def sqrt(x: Any) -> ComplexTensor:
    size, half = ops.sqrt(absolute(x)), ops.multiply(angle(x), 0.5)
    return ComplexTensor(size * ops.cos(half), size * ops.sin(half))


def sin(x: Any) -> ComplexTensor:
    a, b = _pair(x)
    return ComplexTensor(ops.sin(a) * ops.cosh(b), ops.cos(a) * ops.sinh(b))


def cos(x: Any) -> ComplexTensor:
    a, b = _pair(x)
    return ComplexTensor(ops.cos(a) * ops.cosh(b), -(ops.sin(a) * ops.sinh(b)))


def conjugate(x: Any) -> ComplexTensor:
    a, b = _pair(x)
    return ComplexTensor(a, -b)


# ---- Fourier transforms along the last axis, then along any


def _fitted(part: Tensor, n: int) -> Tensor:
    """Cut or filled with zeros to n elements of the last axis."""
    if part.shape[-1] >= n:
        return part[..., :n]
    rest = part.shape[:-1]
    return ops.concatenate([part, _core.zeros((*rest, n - part.shape[-1]), part.dtype)], -1)


def _scale(n: int, norm: Any, inverse: bool) -> float:
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm}; should be "backward","ortho" or "forward".')
    if norm == "ortho":
        return 1 / n**0.5
    return 1 / n if (norm == "forward") != inverse else 1.0


def _length(n: int) -> int:
    if n < 1:
        raise ValueError(f"Invalid number of FFT data points ({n}) specified.")
    return n


def _along(axis: int, *parts: Any) -> list[Any]:
    return [part.swapaxes(axis, -1) if axis not in (-1, part.ndim - 1) else part for part in parts]


def _fft(a: Any, n: Any, axis: int, norm: Any, inverse: bool) -> ComplexTensor:
    real, imag = _pair(a)
    axis = normalize_axis_index(axis, real.ndim)
    real, imag = _along(axis, real, imag)
    n = _length(real.shape[-1] if n is None else operator.index(n))
    result = ops.fft(_fitted(real, n), _fitted(imag, n), inverse)
    factor = _scale(n, norm, inverse)
    return ComplexTensor(*_along(axis, *(ops.multiply(part, factor) for part in result)))


def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> ComplexTensor:
    return _fft(a, n, axis, norm, inverse=False)


def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> ComplexTensor:
    return _fft(a, n, axis, norm, inverse=True)


def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> ComplexTensor:
    if is_complex(a):
        raise TypeError("fft.rfft: the input must be real, got complex numbers; use fft.fft")
    real = _pair(a)[0]
    axis = normalize_axis_index(axis, real.ndim)
    (real,) = _along(axis, real)
    n = _length(real.shape[-1] if n is None else operator.index(n))
    result, factor = ops.rfft(_fitted(real, n)), _scale(n, norm, inverse=False)
    return ComplexTensor(*_along(axis, *(ops.multiply(part, factor) for part in result)))


def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    real, imag = _pair(a)
    axis = normalize_axis_index(axis, real.ndim)
    real, imag = _along(axis, real, imag)
    n = _length(2 * (real.shape[-1] - 1) if n is None else operator.index(n))
    result = ops.irfft(_fitted(real, n // 2 + 1), _fitted(imag, n // 2 + 1), n)
    return _along(axis, ops.multiply(result, _scale(n, norm, inverse=True)))[0]


_OPPOSITE = {None: "forward", "backward": "forward", "ortho": "ortho", "forward": "backward"}


def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> Any:
    return irfft(conjugate(a), n, axis, _OPPOSITE[norm])


def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None) -> ComplexTensor:
    return conjugate(rfft(a, n, axis, _OPPOSITE[norm]))


def _axes_of(a: Any, s: Any, axes: Any) -> tuple[list[Any], list[int]]:
    ndim = _parts(a)[0].ndim
    if axes is None:
        axes = range(ndim) if s is None else range(-len(s), 0)
    axes = list(axes)
    lengths = [None] * len(axes) if s is None else [None if n in (None, -1) else n for n in s]
    if len(lengths) != len(axes):
        raise ValueError("Shape and axes have different lengths.")
    return lengths, axes


def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    for n, axis in zip(*_axes_of(a, s, axes), strict=True):
        a = fft(a, n, axis, norm)
    return a


def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    for n, axis in zip(*_axes_of(a, s, axes), strict=True):
        a = ifft(a, n, axis, norm)
    return a


def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    lengths, axes = _axes_of(a, s, axes)
    return fftn(rfft(a, lengths[-1], axes[-1], norm), lengths[:-1], axes[:-1], norm)


def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None) -> Any:
    lengths, axes = _axes_of(a, s, axes)
    return irfft(ifftn(a, lengths[:-1], axes[:-1], norm), lengths[-1], axes[-1], norm)


def _of_two_axes(transform: Callable[..., Any]) -> Callable[..., Any]:
    def transform2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None) -> Any:
        return transform(a, s, axes, norm)

    return transform2


# ---- what acts on the real and on the imaginary part alike

_LINEAR = frozenset(
    [
        "sum",
        "mean",
        "cumsum",
        "diff",
        "reshape",
        "ravel",
        "transpose",
        "permute_dims",
        "matrix_transpose",
        "swapaxes",
        "moveaxis",
        "squeeze",
        "expand_dims",
        "flip",
        "fliplr",
        "flipud",
        "roll",
        "rot90",
        "tile",
        "repeat",
        "broadcast_to",
        "concatenate",
        "stack",
        "hstack",
        "vstack",
        "take",
        "pad",
        "trace",
        "diagonal",
        "diag",
        "tril",
        "triu",
        "where",
        "copy",
        "split",
        "array_split",
        "atleast_1d",
        "atleast_2d",
        "fft.fftshift",
        "fft.ifftshift",
    ]
)
# Linear in each of their arrays.
_MULTILINEAR = frozenset(["einsum", "tensordot", "outer", "inner", "kron", "convolve"])


def _component(value: Any, imag: bool) -> Any:
    """The value with the real (or imaginary) parts of its complex numbers, and its real numbers (or zeros)."""
    if isinstance(value, (list, tuple)):
        return type(value)([_component(item, imag) for item in value])
    if is_complex(value):
        return _parts(value)[imag]
    if imag and isinstance(value, Tensor) and value.dtype.kind == "f":
        return ops.multiply(value, 0)
    return value


def array(value: Any) -> Any:
    """The array of nested lists with complex numbers in them."""
    if isinstance(value, (list, tuple)):
        return _linear("stack", ([array(item) for item in value],), {})
    return ComplexTensor(*_pair(value))


def _function(name: str) -> Any:
    *folders, own = name.split(".")
    return getattr(import_module(".".join([__package__, *folders])), own)


def _multilinear(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    for i, arg in enumerate(args):
        if is_complex(arg):
            parts = [_multilinear(name, (*args[:i], part, *args[i + 1 :]), kwargs) for part in _parts(arg)]
            return add(parts[0], multiply(1j, parts[1]))
    return _function(name)(*args, **kwargs)


def _linear(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    function = _function(name)
    results = [
        function(*_component(args, imag), **{key: _component(value, imag) for key, value in kwargs.items()})
        for imag in (False, True)
    ]
    if isinstance(results[0], (list, tuple)):
        return [ComplexTensor(*parts) for parts in zip(*results, strict=True)]
    return ComplexTensor(*results)


def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord in (2, -2, "nuc") and (_pair(x)[0].ndim if axis is None else len(numpy.atleast_1d(axis))) == 2:
        raise _unknown(f"linalg.norm(ord={ord!r})")
    return _function("linalg.norm")(absolute(x), ord, axis, keepdims)


_ARITHMETIC = [add, subtract, multiply, divide, power, reciprocal, matmul, dot, vdot]
_ELEMENTARY = [absolute, angle, exp, log, sqrt, sin, cos, conjugate]
_TRANSFORMS = [fft, ifft, rfft, irfft, hfft, ihfft, fftn, ifftn, rfftn, irfftn]
FUNCTIONS: dict[str, Any] = {
    "negative": operator.neg,
    "positive": operator.pos,
    "square": lambda x: multiply(x, x),
    "float_power": power,
    "real": lambda val: _pair(val)[0],
    "imag": lambda val: _pair(val)[1],
    "iscomplexobj": is_complex,
    "array": array,
    "linalg.norm": _norm,
}
FUNCTIONS |= {function.__name__: function for function in [*_ARITHMETIC, *_ELEMENTARY]}
FUNCTIONS |= {f"fft.{transform.__name__}": transform for transform in _TRANSFORMS}
FUNCTIONS |= {
    f"fft.{transform.__name__.replace('n', '2')}": _of_two_axes(transform) for transform in (fftn, ifftn, rfftn, irfftn)
}


def _unknown(name: str) -> NotImplementedError:
    return NotImplementedError(
        f"chainrule.numpy.{name} of complex numbers is computed by NumPy and has no gradient here; pass "
        "chainrule.stop_gradient(x) to use its result as a constant"
    )


def call(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The function of this name, made by ops; NotImplementedError where there is none."""
    if name in FUNCTIONS:
        return FUNCTIONS[name](*args, **kwargs)
    if name in _LINEAR:
        return _linear(name, args, kwargs)
    if name in _MULTILINEAR:
        return _multilinear(name, args, kwargs)
    raise _unknown(name)


def follows(name: str, values: Any) -> bool:
    """Whether a call on these values, among which are followed tensors, is one of complex numbers."""
    if name.startswith("fft.") and name in FUNCTIONS:
        return True
    if isinstance(values, (list, tuple)):
        return any(follows("", value) for value in values)
    return is_complex(values)


_core.set_complex(ComplexTensor, lambda name, *args: call(name, args, {}))
