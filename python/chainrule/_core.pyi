"""Types of the compiled core. Written by tools/stubs.py from the registry of ops: don't edit."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

ArrayLike = Tensor | npt.ArrayLike

class Tensor:
    def __init__(self, data: Any, dtype: Any = None) -> None: ...
    def __getitem__(self, key: Any) -> Tensor: ...
    def __setitem__(self, key: Any, value: Any) -> None: ...
    def __getattr__(self, name: str) -> Any: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Any: ...
    def __contains__(self, value: Any) -> bool: ...
    def __bool__(self) -> bool: ...
    def __int__(self) -> int: ...
    def __float__(self) -> float: ...
    def __index__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...
    __hash__: None  # type: ignore[assignment]
    def sum(self, *args: Any, **options: Any) -> Tensor: ...
    def mean(self, *args: Any, **options: Any) -> Tensor: ...
    def prod(self, *args: Any, **options: Any) -> Tensor: ...
    def max(self, *args: Any, **options: Any) -> Tensor: ...
    def min(self, *args: Any, **options: Any) -> Tensor: ...
    def any(self, *args: Any, **options: Any) -> Tensor: ...
    def all(self, *args: Any, **options: Any) -> Tensor: ...
    def argmax(self, *args: Any, **options: Any) -> Tensor: ...
    def argmin(self, *args: Any, **options: Any) -> Tensor: ...
    def cumsum(self, *args: Any, **options: Any) -> Tensor: ...
    def cumprod(self, *args: Any, **options: Any) -> Tensor: ...
    def squeeze(self, *args: Any, **options: Any) -> Tensor: ...
    def argpartition(self, *args: Any, **options: Any) -> Tensor: ...
    def argsort(self, *args: Any, **options: Any) -> Tensor: ...
    def choose(self, *args: Any, **options: Any) -> Tensor: ...
    def clip(self, *args: Any, **options: Any) -> Tensor: ...
    def compress(self, *args: Any, **options: Any) -> Tensor: ...
    def conj(self, *args: Any, **options: Any) -> Tensor: ...
    def conjugate(self, *args: Any, **options: Any) -> Tensor: ...
    def diagonal(self, *args: Any, **options: Any) -> Tensor: ...
    def dot(self, *args: Any, **options: Any) -> Tensor: ...
    def ptp(self, *args: Any, **options: Any) -> Tensor: ...
    def partition(self, *args: Any, **options: Any) -> Tensor: ...
    def put(self, *args: Any, **options: Any) -> Tensor: ...
    def repeat(self, *args: Any, **options: Any) -> Tensor: ...
    def round(self, *args: Any, **options: Any) -> Tensor: ...
    def searchsorted(self, *args: Any, **options: Any) -> Tensor: ...
    def std(self, *args: Any, **options: Any) -> Tensor: ...
    def take(self, *args: Any, **options: Any) -> Tensor: ...
    def trace(self, *args: Any, **options: Any) -> Tensor: ...
    def var(self, *args: Any, **options: Any) -> Tensor: ...
    def reshape(self, *args: Any, **options: Any) -> Tensor: ...
    def resize(self, *args: Any, **options: Any) -> Tensor: ...
    def setflags(self, *args: Any, **options: Any) -> Tensor: ...
    def transpose(self, *args: Any, **options: Any) -> Tensor: ...
    def swapaxes(self, *args: Any, **options: Any) -> Tensor: ...
    def ravel(self, *args: Any, **options: Any) -> Tensor: ...
    def flatten(self, *args: Any, **options: Any) -> Tensor: ...
    def copy(self, *args: Any, **options: Any) -> Tensor: ...
    def astype(self, dtype: Any, order: str = 'K', casting: str = 'unsafe', subok: bool = True, copy: bool = True) -> Any: ...
    def numpy(self) -> npt.NDArray[Any]: ...
    def view(self, *args: Any, **options: Any) -> Tensor: ...
    def tolist(self) -> Any: ...
    def item(self, *index: int) -> Any: ...
    def tobytes(self, order: str | None = 'C') -> bytes: ...
    def fill(self, value: Any) -> None: ...
    def sort(self, axis: int = -1) -> None: ...
    def nonzero(self) -> tuple[Tensor, ...]: ...
    def to_device(self, *args: Any, **options: Any) -> Tensor: ...
    def __copy__(self) -> Tensor: ...
    def __deepcopy__(self, memo: Any, /) -> Tensor: ...
    def __complex__(self) -> complex: ...
    def __round__(self, ndigits: int | None = None) -> Any: ...
    def __trunc__(self, *args: Any, **options: Any) -> Tensor: ...
    def __format__(self, specification: str, /) -> str: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __array_namespace__(self, api_version: str | None = None) -> Any: ...
    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]: ...
    def __array_wrap__(self, *args: Any, **options: Any) -> Tensor: ...
    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any: ...
    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any: ...
    def __dlpack__(self, *, stream: None = None, max_version: tuple[int, int] | None = None, dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def ndim(self) -> int: ...
    @property
    def size(self) -> int: ...
    @property
    def itemsize(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    @property
    def strides(self) -> tuple[int, ...]: ...
    @property
    def T(self) -> Tensor: ...
    @property
    def mT(self) -> Tensor: ...
    @property
    def flat(self) -> Tensor: ...
    @property
    def base(self) -> Tensor: ...
    @property
    def __array_struct__(self) -> Tensor: ...
    @property
    def byteswap(self) -> Tensor: ...
    @property
    def ctypes(self) -> Tensor: ...
    @property
    def dump(self) -> Tensor: ...
    @property
    def dumps(self) -> Tensor: ...
    @property
    def getfield(self) -> Tensor: ...
    @property
    def setfield(self) -> Tensor: ...
    @property
    def tofile(self) -> Tensor: ...
    @property
    def as_integer_ratio(self) -> Tensor: ...
    @property
    def bit_count(self) -> Tensor: ...
    @property
    def denominator(self) -> Tensor: ...
    @property
    def hex(self) -> Tensor: ...
    @property
    def is_integer(self) -> Tensor: ...
    @property
    def numerator(self) -> Tensor: ...
    @property
    def real(self) -> Tensor: ...
    @property
    def imag(self) -> Tensor: ...
    @property
    def data(self) -> Tensor: ...
    @property
    def device(self) -> str: ...
    @property
    def flags(self) -> Any: ...
    @property
    def is_traced(self) -> bool: ...
    @property
    def __array_priority__(self) -> float: ...
    @property
    def __array_interface__(self) -> dict[str, Any]: ...
    def __add__(self, other: Any) -> Tensor: ...
    def __radd__(self, other: Any) -> Tensor: ...
    def __iadd__(self, other: Any) -> Tensor: ...
    def __sub__(self, other: Any) -> Tensor: ...
    def __rsub__(self, other: Any) -> Tensor: ...
    def __isub__(self, other: Any) -> Tensor: ...
    def __mul__(self, other: Any) -> Tensor: ...
    def __rmul__(self, other: Any) -> Tensor: ...
    def __imul__(self, other: Any) -> Tensor: ...
    def __truediv__(self, other: Any) -> Tensor: ...
    def __rtruediv__(self, other: Any) -> Tensor: ...
    def __itruediv__(self, other: Any) -> Tensor: ...
    def __floordiv__(self, other: Any) -> Tensor: ...
    def __rfloordiv__(self, other: Any) -> Tensor: ...
    def __ifloordiv__(self, other: Any) -> Tensor: ...
    def __mod__(self, other: Any) -> Tensor: ...
    def __rmod__(self, other: Any) -> Tensor: ...
    def __imod__(self, other: Any) -> Tensor: ...
    def __pow__(self, other: Any) -> Tensor: ...
    def __rpow__(self, other: Any) -> Tensor: ...
    def __ipow__(self, other: Any) -> Tensor: ...
    def __matmul__(self, other: Any) -> Tensor: ...
    def __rmatmul__(self, other: Any) -> Tensor: ...
    def __imatmul__(self, other: Any) -> Tensor: ...
    def __and__(self, other: Any) -> Tensor: ...
    def __rand__(self, other: Any) -> Tensor: ...
    def __iand__(self, other: Any) -> Tensor: ...
    def __or__(self, other: Any) -> Tensor: ...
    def __ror__(self, other: Any) -> Tensor: ...
    def __ior__(self, other: Any) -> Tensor: ...
    def __xor__(self, other: Any) -> Tensor: ...
    def __rxor__(self, other: Any) -> Tensor: ...
    def __ixor__(self, other: Any) -> Tensor: ...
    def __lshift__(self, other: Any) -> Tensor: ...
    def __rlshift__(self, other: Any) -> Tensor: ...
    def __ilshift__(self, other: Any) -> Tensor: ...
    def __rshift__(self, other: Any) -> Tensor: ...
    def __rrshift__(self, other: Any) -> Tensor: ...
    def __irshift__(self, other: Any) -> Tensor: ...
    def __neg__(self) -> Tensor: ...
    def __pos__(self) -> Tensor: ...
    def __abs__(self) -> Tensor: ...
    def __invert__(self) -> Tensor: ...
    def __eq__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __ne__(self, other: Any) -> Tensor: ...  # type: ignore[override]
    def __lt__(self, other: Any) -> Tensor: ...
    def __le__(self, other: Any) -> Tensor: ...
    def __gt__(self, other: Any) -> Tensor: ...
    def __ge__(self, other: Any) -> Tensor: ...
    def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
    def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...

class TraceError(TypeError): ...

class Op:
    __name__: str
    def __call__(self, *args: Any, **options: Any) -> Any: ...

class FitLoop:
    def __init__(self, *args: Any, **options: Any) -> None: ...
    def __call__(self, *args: Any, **options: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...

class FlatElements:
    def __init__(self, *args: Any, **options: Any) -> None: ...
    def __call__(self, *args: Any, **options: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...

class Function:
    def __init__(self, *args: Any, **options: Any) -> None: ...
    def __call__(self, *args: Any, **options: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...

class Program:
    def __init__(self, *args: Any, **options: Any) -> None: ...
    def __call__(self, *args: Any, **options: Any) -> Any: ...
    def __getattr__(self, name: str) -> Any: ...

def asarray(*args: Any, **options: Any) -> Any:
    """As numpy.asarray: the tensor of an array-like; memory is shared where it can be."""

def available_isas(*args: Any, **options: Any) -> Any:
    """Instruction-set levels this processor can run, from the least to the best."""

def backward(*args: Any, **options: Any) -> Any:
    """backward(outputs: collections.abc.Sequence, cotangents: collections.abc.Sequence, inputs: collections.abc.Sequence) -> list"""

def call_numpy(*args: Any, **options: Any) -> Any:
    """``function(*args, **kwargs)`` on ndarrays that share the tensors' memory, its arrays as tensors and its scalars as numbers."""

def custom_step(*args: Any, **options: Any) -> Any:
    """custom_step(arg0: collections.abc.Sequence, arg1: collections.abc.Sequence, arg2: collections.abc.Callable) -> list"""

def detach(*args: Any, **options: Any) -> Any:
    """Another head on the same memory, unknown to the gradient graph."""

def dot(*args: Any, **options: Any) -> Any:
    """The sum of products over the last axis of ``a`` and the last but one of ``b`` (its only one)."""

def dot_cap(*args: Any, **options: Any) -> Any:
    """The best unit that may be used (CHAINRULE_DOT)."""

def dot_units(*args: Any, **options: Any) -> Any:
    """What products of bfloat16 and int8 run on: 'tiles' (AMX), 'vectors' (AVX-512 BF16, VNNI), 'none' (float32)."""

def empty(*args: Any, **options: Any) -> Any:
    """A tensor with any values."""

def empty_cache(*args: Any, **options: Any) -> Any:
    """Returns memory kept for reuse to the system."""

def flushing_subnormals(*args: Any, **options: Any) -> Any:
    """function(), in which subnormal numbers are taken as zero."""

def from_dlpack(*args: Any, **options: Any) -> Any:
    """The tensor on the memory of an object with __dlpack__."""

def from_numpy(*args: Any, **options: Any) -> Any:
    """The tensor on the memory of an ndarray."""

def full(*args: Any, **options: Any) -> Any:
    """A tensor filled with a value (or array)."""

def has_node(*args: Any, **options: Any) -> Any:
    """has_node(arg0: object) -> bool"""

def isa(*args: Any, **options: Any) -> Any:
    """The instruction-set level in use."""

def jitted(*args: Any, **options: Any) -> Any:
    """A callable that runs remembered programs; slow(callable, args, kwargs) answers other calls."""

def leaf(*args: Any, **options: Any) -> Any:
    """A new head on the memory of x that is a leaf of the gradient graph."""

def measure_peak(*args: Any, **options: Any) -> Any:
    """measure_peak(dtype): flops per second of multiply-adds on registers alone, on all threads; the best so far."""

def memory_stats(*args: Any, **options: Any) -> Any:
    """Bytes of tensor memory in use, at their peak and kept for reuse; counts of allocations."""

def needs_ops(*args: Any, **options: Any) -> Any:
    """Whether a result must be made by ops: a program is being recorded from the values, or a gradient."""

def nonzero(*args: Any, **options: Any) -> Any:
    """Indices of the non-zero elements, one int64 tensor for each axis."""

def num_threads(*args: Any, **options: Any) -> Any:
    """How many threads an op may use."""

def ones(*args: Any, **options: Any) -> Any:
    """A tensor of ones."""

def op_info(*args: Any, **options: Any) -> Any:
    """An op's doc, signature and parameters as a dict."""

def op_names(*args: Any, **options: Any) -> Any:
    """Names of all ops."""

def pop_recording(*args: Any, **options: Any) -> Any:
    """pop_recording() -> None"""

def push_recording(*args: Any, **options: Any) -> Any:
    """Adds a level of gradient recording in this thread."""

def record(*args: Any, **options: Any) -> Any:
    """Records function(*placeholders) for inputs given as (shape, dtype); it returns a sequence of tensors."""

def recording(*args: Any, **options: Any) -> Any:
    """recording() -> bool"""

def remember_program(*args: Any, **options: Any) -> Any:
    """Lets a callable of jitted() answer calls with arguments like these by a program; whether it can."""

def reset_peak_memory(*args: Any, **options: Any) -> Any:
    """Forgets the peak of memory_stats()."""

def resume_recording(*args: Any, **options: Any) -> Any:
    """resume_recording(arg0: typing.SupportsInt | typing.SupportsIndex) -> None"""

def set_complex(*args: Any, **options: Any) -> Any:
    """The class of complex numbers that a gradient or a program follows, and function(name, *operands) on them."""

def set_decide(*args: Any, **options: Any) -> Any:
    """Who computes calls of a Function that are neither ours nor NumPy's alone: decide(function, args, kwargs, refused)."""

def set_dot(*args: Any, **options: Any) -> Any:
    """Who answers calls of dot() that are no plain matrix product."""

def set_dot_cap(*args: Any, **options: Any) -> Any:
    """Changes that cap (for tests): 'none', 'vectors' or 'tiles'."""

def set_isa(*args: Any, **options: Any) -> Any:
    """Changes the instruction-set level (for tests)."""

def set_layer(*args: Any, **options: Any) -> Any:
    """set_layer(path): whose ops this thread calls from now on, for profiles; '' for none."""

def set_num_threads(*args: Any, **options: Any) -> Any:
    """Sets how many threads an op may use; n >= 1."""

def set_ufunc_protocol(*args: Any, **options: Any) -> Any:
    """Who handles what calls of elementwise ops hold beyond their operands."""

def start_profile(*args: Any, **options: Any) -> Any:
    """Starts measuring every op and step; RuntimeError if a measurement is on."""

def start_runtime(*args: Any, **options: Any) -> Any:
    """Reads the settings of the environment and makes the thread pool and the allocator. Within their first use a fork by another thread could catch them half made, and its child would wait for ever."""

def stop_profile(*args: Any, **options: Any) -> Any:
    """Ends it: (op, layer, inputs, outputs, calls, seconds, bytes) for each op and operands, each a (dtype, shape)."""

def suspend_recording(*args: Any, **options: Any) -> Any:
    """Turns recording off; returns the depth for resume_recording."""

def tracing(*args: Any, **options: Any) -> Any:
    """Whether a program is being recorded in this thread."""

def unwatch(*args: Any, **options: Any) -> Any:
    """unwatch(arg0: object) -> None"""

def usable_cpus(*args: Any, **options: Any) -> Any:
    """Processors this process may use: the least of affinity, cgroup quota and environment."""

def watch(*args: Any, **options: Any) -> Any:
    """watch(arg0: object) -> None"""

def zeros(*args: Any, **options: Any) -> Any:
    """A tensor of zeros."""

class ops:
    @staticmethod
    def absolute(a: ArrayLike) -> Tensor:
        """Absolute value |a|."""

    @staticmethod
    def adam_update(lr: ArrayLike, iterations: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], count: int, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-07, amsgrad: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0) -> Any:
        """Adam with bias correction for step t = iterations + 1, as Keras 3. tensors: count weights, gradients, first moments, second moments [, greatest second moments]."""

    @staticmethod
    def add(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Sum a + b; logical or for truth values."""

    @staticmethod
    def advance_key(key: Tensor) -> Any:
        """Adds 1 to the key's counter, in place: the next numbers are new ones."""

    @staticmethod
    def all(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Whether every element along the axes is non-zero."""

    @staticmethod
    def any(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Whether any element along the axes is non-zero."""

    @staticmethod
    def arccos(a: ArrayLike) -> Tensor:
        """Inverse cosine, in radians."""

    @staticmethod
    def arccosh(a: ArrayLike) -> Tensor:
        """Inverse hyperbolic cosine."""

    @staticmethod
    def arcsin(a: ArrayLike) -> Tensor:
        """Inverse sine, in radians."""

    @staticmethod
    def arcsinh(a: ArrayLike) -> Tensor:
        """Inverse hyperbolic sine."""

    @staticmethod
    def arctan(a: ArrayLike) -> Tensor:
        """Inverse tangent, in radians."""

    @staticmethod
    def arctan2(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Angle of the point (b, a), in radians."""

    @staticmethod
    def arctanh(a: ArrayLike) -> Tensor:
        """Inverse hyperbolic tangent."""

    @staticmethod
    def argmax(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Index of the first greatest element along an axis, or of the flattened tensor (None)."""

    @staticmethod
    def argmin(x: ArrayLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
        """Index of the first least element along an axis, or of the flattened tensor (None)."""

    @staticmethod
    def argsort(x: ArrayLike, axis: int = -1) -> Tensor:
        """The indices that sort along an axis, stable; nan last."""

    @staticmethod
    def assign(dst: Tensor, src: ArrayLike) -> Any:
        """dst[...] = src, in place: converted to dst's dtype and broadcast to its shape."""

    @staticmethod
    def assign_add(dst: Tensor, src: ArrayLike) -> Any:
        """dst[...] += src, in place: converted to dst's dtype and broadcast to its shape."""

    @staticmethod
    def attention(query: ArrayLike, key: ArrayLike, value: ArrayLike, mask: ArrayLike | None = None, bias: ArrayLike | None = None, dropout_key: ArrayLike | None = None, scale: float = 1.0, causal: bool = False, offset: int = 0, uniform: bool = False, rate: float = 0.0) -> Tensor:
        """softmax(query key^T scale + bias, masked) value for every head; causal: query i sees keys up to i + offset. A query that the mask leaves no key gets 0, or with `uniform` the mean of all values."""

    @staticmethod
    def attention_grad(g: ArrayLike, query: ArrayLike, key: ArrayLike, value: ArrayLike, mask: ArrayLike | None = None, bias: ArrayLike | None = None, dropout_key: ArrayLike | None = None, scale: float = 1.0, causal: bool = False, offset: int = 0, uniform: bool = False, rate: float = 0.0, bias_grad: bool = False) -> Any:
        """(dquery, dkey, dvalue) of attention from the cotangent g; with `bias_grad` the scores' gradient too."""

    @staticmethod
    def attention_weights(query: ArrayLike, key: ArrayLike, mask: ArrayLike | None = None, bias: ArrayLike | None = None, scale: float = 1.0, causal: bool = False, offset: int = 0, uniform: bool = False) -> Tensor:
        """The weights of attention: softmax(query key^T scale + bias, masked), shape (batch, heads, queries, keys)."""

    @staticmethod
    def avg_pool(x: ArrayLike, window: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int]) -> Tensor:
        """The mean of each window's cells over the spatial axes of x (batch, spatial..., channels), without padding."""

    @staticmethod
    def avg_pool_grad(g: ArrayLike, shape: int | Sequence[int], window: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int]) -> Any:
        """The gradient of avg_pool's x, of the given shape, from g, that of its result."""

    @staticmethod
    def batch_norm(x: ArrayLike, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, epsilon: float = 0.001) -> Tensor:
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta for each index of the last axis; with the mean and variance."""

    @staticmethod
    def batch_norm_grad(g: ArrayLike, x: ArrayLike, mean: ArrayLike, variance: ArrayLike, gamma: ArrayLike | None = None, epsilon: float = 0.001) -> Any:
        """(dx, dgamma, dbeta) of batch_norm, from its statistics and the cotangent g."""

    @staticmethod
    def bitwise_and(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Bitwise and."""

    @staticmethod
    def bitwise_or(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Bitwise or."""

    @staticmethod
    def bitwise_xor(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Bitwise exclusive or."""

    @staticmethod
    def broadcast_to(x: ArrayLike, shape: int | Sequence[int]) -> Tensor:
        """The tensor stretched to a shape by NumPy's broadcasting rule."""

    @staticmethod
    def cast(x: ArrayLike, dtype: Any) -> Tensor:
        """The elements converted to a dtype by NumPy's astype rules (floats to whole numbers: towards zero)."""

    @staticmethod
    def cbrt(a: ArrayLike) -> Tensor:
        """Cube root."""

    @staticmethod
    def ceil(a: ArrayLike) -> Tensor:
        """Least whole number not below a."""

    @staticmethod
    def concatenate(*tensors: ArrayLike | Sequence[ArrayLike], axis: int = 0) -> Tensor:
        """The tensors joined along an axis they have."""

    @staticmethod
    def conv(x: ArrayLike, kernel: ArrayLike, strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int], dilation: int | Sequence[int], groups: int = 1) -> Tensor:
        """Convolution of x (batch, spatial..., c_in) with kernel (window..., c_in / groups, c_out), one entry of each attribute for a spatial axis: y[o] = sum over w of x[o * stride - padding_low + w * dilation] kernel[w]."""

    @staticmethod
    def conv_bias_act(x: ArrayLike, kernel: ArrayLike, bias: ArrayLike | None = None, *, strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int], dilation: int | Sequence[int], groups: int = 1, activation: int = -1) -> Tensor:
        """activation(conv(x, kernel) + bias), as programs fuse it; `activation` is a unary elementwise opcode or -1."""

    @staticmethod
    def conv_input_grad(g: ArrayLike, kernel: ArrayLike, shape: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int], dilation: int | Sequence[int], groups: int = 1) -> Any:
        """The gradient of conv's x, of the given shape, from g, that of its result: transposed convolution."""

    @staticmethod
    def conv_kernel_grad(x: ArrayLike, g: ArrayLike, shape: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int], dilation: int | Sequence[int], groups: int = 1) -> Any:
        """The gradient of conv's kernel, of the given shape, from g, that of its result."""

    @staticmethod
    def copy(x: ArrayLike) -> Tensor:
        """The same elements in memory of their own, contiguous."""

    @staticmethod
    def copysign(a: ArrayLike, b: ArrayLike) -> Tensor:
        """|a| with the sign of b."""

    @staticmethod
    def cos(a: ArrayLike) -> Tensor:
        """Cosine; a in radians."""

    @staticmethod
    def cosh(a: ArrayLike) -> Tensor:
        """Hyperbolic cosine."""

    @staticmethod
    def ctc_beam_decode(log_probabilities: ArrayLike, lengths: ArrayLike, beam_width: int = 100, top_paths: int = 1, blank: int = 0) -> Tensor:
        """The most probable labellings, by beam search over log-probabilities (batch, steps, classes) with lengths (batch,): labels (top_paths, batch, steps) behind which stands -1, and log-probabilities (batch, top_paths)."""

    @staticmethod
    def ctc_loss(logits: ArrayLike, labels: ArrayLike, input_lengths: ArrayLike, label_lengths: ArrayLike, blank: int = 0) -> Tensor:
        """-log sum over alignments of their probability, for each sequence; logits (batch, steps, classes), labels (batch, most labels), lengths (batch,). Infinite, with gradient zero, where no alignment exists."""

    @staticmethod
    def cumprod(x: ArrayLike, axis: int | None = None) -> Tensor:
        """Running product along an axis, or of the flattened tensor (None); whole numbers as 64-bit integers."""

    @staticmethod
    def cumsum(x: ArrayLike, axis: int | None = None) -> Tensor:
        """Running sum along an axis, or of the flattened tensor (None); whole numbers as 64-bit integers."""

    @staticmethod
    def divide(a: ArrayLike, b: ArrayLike) -> Tensor:
        """True quotient a / b."""

    @staticmethod
    def dropout(x: ArrayLike, key: ArrayLike, rate: float) -> Tensor:
        """x / (1 - rate), but 0 for a random part `rate` of the elements; the key decides which."""

    @staticmethod
    def elu(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a where a > 0, else b * (e^a - 1)."""

    @staticmethod
    def embedding(table: ArrayLike, indices: ArrayLike, layer: str = '') -> Tensor:
        """Row indices[...] of a table (rows, columns); `layer` is named in the error for an index outside it."""

    @staticmethod
    def embedding_adam_update(g: ArrayLike, indices: ArrayLike, lr: ArrayLike, iterations: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-07, amsgrad: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0, layer: str = '') -> Any:
        """adam_update of a table with the gradient embedding_grad(g, indices). tensors: table, first moment, second moment [, greatest second moment]."""

    @staticmethod
    def embedding_grad(g: ArrayLike, indices: ArrayLike, rows: int, layer: str = '') -> Any:
        """The gradient of embedding by its table: zeros (rows, columns), row indices[...] += g[...]."""

    @staticmethod
    def embedding_rmsprop_update(g: ArrayLike, indices: ArrayLike, lr: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-07, centered: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0, layer: str = '') -> Any:
        """rmsprop_update of a table with the gradient embedding_grad(g, indices). tensors: table, mean square [, mean if centered] [, velocity if momentum > 0]."""

    @staticmethod
    def embedding_sgd_update(g: ArrayLike, indices: ArrayLike, lr: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0, layer: str = '') -> Any:
        """sgd_update of a table with the gradient embedding_grad(g, indices). tensors: table [, velocity]."""

    @staticmethod
    def equal(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a == b."""

    @staticmethod
    def erf(a: ArrayLike) -> Tensor:
        """Error function 2/sqrt(pi) * integral of e^(-t^2) from 0 to a."""

    @staticmethod
    def erfc(a: ArrayLike) -> Tensor:
        """1 - erf(a), accurate in the upper tail."""

    @staticmethod
    def exp(a: ArrayLike) -> Tensor:
        """e^a."""

    @staticmethod
    def exp2(a: ArrayLike) -> Tensor:
        """2^a."""

    @staticmethod
    def expand_dims(x: ArrayLike, axis: int | Sequence[int]) -> Tensor:
        """With new axes of length 1 at the given places of the result."""

    @staticmethod
    def expm1(a: ArrayLike) -> Tensor:
        """e^a - 1, accurate near 0."""

    @staticmethod
    def fft(real: ArrayLike, imag: ArrayLike, inverse: bool = False) -> Tensor:
        """sum_j x_j e^(-2 pi i j k / n) along the last axis of complex numbers, real and imaginary parts apart; inverse: e^(+...), not divided by n."""

    @staticmethod
    def flip(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Tensor:
        """The elements in reverse order along the given axes, or along all."""

    @staticmethod
    def floor(a: ArrayLike) -> Tensor:
        """Greatest whole number not above a."""

    @staticmethod
    def floor_divide(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Quotient rounded towards minus infinity; x // 0 is 0 for integers."""

    @staticmethod
    def fmax(a: ArrayLike, b: ArrayLike) -> Tensor:
        """The greater of a and b, ignoring nan."""

    @staticmethod
    def fmin(a: ArrayLike, b: ArrayLike) -> Tensor:
        """The lesser of a and b, ignoring nan."""

    @staticmethod
    def fmod(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Remainder with the sign of the dividend (C's fmod)."""

    @staticmethod
    def gelu(a: ArrayLike) -> Tensor:
        """a * Phi(a), Phi the normal distribution function."""

    @staticmethod
    def greater(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a > b."""

    @staticmethod
    def greater_equal(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a >= b."""

    @staticmethod
    def group_norm(x: ArrayLike, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, *, epsilon: float = 0.001, groups: int) -> Tensor:
        """As batch_norm, by the statistics of each sample's groups of neighbouring channels: (samples, groups)."""

    @staticmethod
    def group_norm_grad(g: ArrayLike, x: ArrayLike, mean: ArrayLike, variance: ArrayLike, gamma: ArrayLike | None = None, *, epsilon: float = 0.001, groups: int) -> Any:
        """(dx, dgamma, dbeta) of group_norm, from its statistics and the cotangent g."""

    @staticmethod
    def heaviside(a: ArrayLike, b: ArrayLike) -> Tensor:
        """0 where a < 0, b where a is 0, 1 where a > 0."""

    @staticmethod
    def hypot(a: ArrayLike, b: ArrayLike) -> Tensor:
        """sqrt(a^2 + b^2) without overflow."""

    @staticmethod
    def index(x: ArrayLike, *indices: ArrayLike | Sequence[ArrayLike]) -> Tensor:
        """x[indices]: integer arrays for the leading axes, broadcast together; negative ones count from the end."""

    @staticmethod
    def index_add(x: ArrayLike, values: ArrayLike, *indices: ArrayLike | Sequence[ArrayLike]) -> Tensor:
        """A copy of x with the values added at x[indices], repeated indices in order."""

    @staticmethod
    def index_grad(g: ArrayLike, *indices: ArrayLike | Sequence[ArrayLike], shape: int | Sequence[int]) -> Any:
        """Zeros of a shape, g added at x[indices]: the gradient of index."""

    @staticmethod
    def int8_matmul(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Matrix product of int8 or uint8 with int8 in exact int32, with the shapes of matmul (which wraps in int8)."""

    @staticmethod
    def invert(a: ArrayLike) -> Tensor:
        """Bitwise complement; logical not for truth values."""

    @staticmethod
    def irfft(real: ArrayLike, imag: ArrayLike, n: int) -> Tensor:
        """The n real numbers with elements 0 ... n / 2 of their spectrum as given, times n."""

    @staticmethod
    def isfinite(a: ArrayLike) -> Tensor:
        """Whether a is neither infinite nor nan."""

    @staticmethod
    def isinf(a: ArrayLike) -> Tensor:
        """Whether a is an infinity."""

    @staticmethod
    def isnan(a: ArrayLike) -> Tensor:
        """Whether a is nan."""

    @staticmethod
    def layer_norm(x: ArrayLike, gamma: ArrayLike | None = None, beta: ArrayLike | None = None, axes: int = 1, epsilon: float = 0.001, centered: bool = True) -> Tensor:
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last `axes` axes; not `centered`: the mean is taken as 0 (RMS normalisation)."""

    @staticmethod
    def layer_norm_grad(g: ArrayLike, x: ArrayLike, gamma: ArrayLike | None = None, axes: int = 1, epsilon: float = 0.001, centered: bool = True) -> Any:
        """(dx, dgamma, dbeta) of layer_norm, from x and the cotangent g."""

    @staticmethod
    def leaky_relu(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a where a > 0, else b * a."""

    @staticmethod
    def left_shift(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a * 2^b, 0 once every bit is shifted out."""

    @staticmethod
    def less(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a < b."""

    @staticmethod
    def less_equal(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a <= b."""

    @staticmethod
    def linear_recurrence(a: ArrayLike, b: ArrayLike, axis: int) -> Tensor:
        """s_i = b_i + a_i s_(i-1) along an axis, starting from s_(-1) = 0."""

    @staticmethod
    def log(a: ArrayLike) -> Tensor:
        """Natural logarithm."""

    @staticmethod
    def log10(a: ArrayLike) -> Tensor:
        """Logarithm to base 10."""

    @staticmethod
    def log1p(a: ArrayLike) -> Tensor:
        """log(1 + a), accurate near 0."""

    @staticmethod
    def log2(a: ArrayLike) -> Tensor:
        """Logarithm to base 2."""

    @staticmethod
    def log_softmax(x: ArrayLike, axis: int = -1) -> Tensor:
        """x_i - log sum_k e^x_k along an axis, without overflow."""

    @staticmethod
    def log_softmax_grad(y: ArrayLike, g: ArrayLike, axis: int = -1) -> Any:
        """g - e^y sum(g): the gradient of log_softmax from its result y."""

    @staticmethod
    def logaddexp(a: ArrayLike, b: ArrayLike) -> Tensor:
        """log(e^a + e^b) without overflow."""

    @staticmethod
    def logaddexp2(a: ArrayLike, b: ArrayLike) -> Tensor:
        """log2(2^a + 2^b) without overflow."""

    @staticmethod
    def logical_and(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Whether both are non-zero."""

    @staticmethod
    def logical_not(a: ArrayLike) -> Tensor:
        """Whether a is zero."""

    @staticmethod
    def logical_or(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Whether at least one is non-zero."""

    @staticmethod
    def logical_xor(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Whether exactly one is non-zero."""

    @staticmethod
    def logsumexp(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """log sum e^x over the axes, without overflow."""

    @staticmethod
    def matmul(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Matrix product with NumPy's rules: vectors are rows or columns, leading axes are batches and broadcast."""

    @staticmethod
    def matmul_adam_update(a: ArrayLike, b: ArrayLike, lr: ArrayLike, iterations: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-07, amsgrad: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0) -> Any:
        """adam_update of one weight with the gradient matmul(a, b). tensors: weight, first moment, second moment [, greatest second moment]."""

    @staticmethod
    def matmul_bias_act(a: ArrayLike, b: ArrayLike, bias: ArrayLike | None = None, d: ArrayLike | None = None, activation: int = -1, combine: int = -1, combine_place: int = 0) -> Tensor:
        """combine(activation(matmul(a, b) + bias), d), as programs fuse it; `activation` is a unary elementwise opcode or -1, `combine` a binary one or -1, `combine_place` which of its two arguments the product is."""

    @staticmethod
    def matmul_rmsprop_update(a: ArrayLike, b: ArrayLike, lr: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-07, centered: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0) -> Any:
        """rmsprop_update of one weight with the gradient matmul(a, b). tensors: weight, mean square [, mean if centered] [, velocity if momentum > 0]."""

    @staticmethod
    def matmul_sgd_update(a: ArrayLike, b: ArrayLike, lr: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0) -> Any:
        """sgd_update of one weight with the gradient matmul(a, b). tensors: weight [, velocity]."""

    @staticmethod
    def max(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Greatest element along the axes; nan if there is one. Its gradient is shared among ties."""

    @staticmethod
    def max_pool(x: ArrayLike, window: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int]) -> Tensor:
        """The greatest cell of each window over the spatial axes of x (batch, spatial..., channels); nan if one is."""

    @staticmethod
    def max_pool_grad(x: ArrayLike, y: ArrayLike, g: ArrayLike, window: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int]) -> Any:
        """The gradient of max_pool's x from g, that of y = max_pool(x): the first greatest cell's."""

    @staticmethod
    def max_pool_pick(x: ArrayLike, y: ArrayLike, u: ArrayLike, window: int | Sequence[int], strides: int | Sequence[int], padding_low: int | Sequence[int], padding_high: int | Sequence[int]) -> Tensor:
        """The entries of u where y = max_pool(x) found the first greatest cells of x."""

    @staticmethod
    def maximum(a: ArrayLike, b: ArrayLike) -> Tensor:
        """The greater of a and b; nan if either is."""

    @staticmethod
    def mean(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Arithmetic mean over the axes; of whole numbers in float64; nan where there is nothing."""

    @staticmethod
    def min(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Least element along the axes; nan if there is one. Its gradient is shared among ties."""

    @staticmethod
    def minimum(a: ArrayLike, b: ArrayLike) -> Tensor:
        """The lesser of a and b; nan if either is."""

    @staticmethod
    def multiply(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Product a * b; logical and for truth values."""

    @staticmethod
    def negative(a: ArrayLike) -> Tensor:
        """-a."""

    @staticmethod
    def not_equal(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a != b."""

    @staticmethod
    def one_hot(indices: ArrayLike, depth: int, dtype: Any = 'float32') -> Tensor:
        """1 at the index along a new last axis of length `depth`, 0 elsewhere; all 0 for an index outside it."""

    @staticmethod
    def pad(x: ArrayLike, before: int | Sequence[int], after: int | Sequence[int], value: float = 0.0) -> Tensor:
        """With `before` and `after` many elements of `value` around the tensor, one number for each axis."""

    @staticmethod
    def power(a: ArrayLike, b: ArrayLike) -> Tensor:
        """a raised to the power b."""

    @staticmethod
    def prod(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Product over the axes; whole numbers and truth values as 64-bit integers."""

    @staticmethod
    def put_along_axis_add(x: ArrayLike, indices: ArrayLike, values: ArrayLike, axis: int) -> Tensor:
        """A copy of x with the values added at indices along an axis, repeated indices in order."""

    @staticmethod
    def random_bits(key: ArrayLike, shape: int | Sequence[int]) -> Tensor:
        """Random uint64."""

    @staticmethod
    def random_normal(key: ArrayLike, shape: int | Sequence[int], dtype: Any = 'float32') -> Tensor:
        """Floats of the normal distribution with mean 0 and variance 1."""

    @staticmethod
    def random_uniform(key: ArrayLike, shape: int | Sequence[int], dtype: Any = 'float32') -> Tensor:
        """Floats evenly spread over [0, 1)."""

    @staticmethod
    def reciprocal(a: ArrayLike) -> Tensor:
        """1 / a."""

    @staticmethod
    def recurrent(x: ArrayLike, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike | None = None, h0: ArrayLike | None = None, c0: ArrayLike | None = None, mask: ArrayLike | None = None, *, cell: str, go_backwards: bool = False) -> Tensor:
        """A recurrent layer over x (batch, steps, features): `cell` is 'simple_rnn', 'lstm', 'gru' or 'gru_reset_before', weights as in Keras (gru: the bias holds the input's and the recurrent one). Steps where mask (batch, steps) is False leave the states as they are. Returns the states of all steps in the order of computation, the last h, the last c, and the cell states and gates of all steps, which the gradient reads."""

    @staticmethod
    def recurrent_grad(x: ArrayLike, kernel: ArrayLike, recurrent_kernel: ArrayLike, states: ArrayLike, cells: ArrayLike, gates: ArrayLike, h0: ArrayLike | None = None, c0: ArrayLike | None = None, mask: ArrayLike | None = None, dstates: ArrayLike | None = None, dlast_h: ArrayLike | None = None, dlast_c: ArrayLike | None = None, *, cell: str, go_backwards: bool = False, wanted: int = 63) -> Any:
        """The gradients of recurrent's x, kernel, recurrent_kernel, bias, h0 and c0 (empty where bit i of `wanted` isn't set) from those of its states, last h and last c; then the memory it worked in."""

    @staticmethod
    def relu(a: ArrayLike) -> Tensor:
        """max(0, a)."""

    @staticmethod
    def relu_grad(a: ArrayLike, b: ArrayLike) -> Any:
        """b where a > 0, else 0: the gradient of relu, from its argument or its result a and the cotangent b."""

    @staticmethod
    def remainder(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Remainder with the sign of the divisor (Python's %); x % 0 is 0 for integers."""

    @staticmethod
    def resample(x: ArrayLike, first: ArrayLike, weights: ArrayLike, axis: int) -> Tensor:
        """Weighted sums of neighbours along an axis: y[i] = sum over t of weights[i, t] x[first[i] + t], with integers first (n,) and weights (n, taps), which have no gradient."""

    @staticmethod
    def resample_grad(g: ArrayLike, first: ArrayLike, weights: ArrayLike, axis: int, length: int) -> Any:
        """The gradient of resample's x, whose axis has the given length, from g, that of its result: x[first[i] + t] gets the sum of weights[i, t] g[i]."""

    @staticmethod
    def reshape(x: ArrayLike, shape: int | Sequence[int]) -> Tensor:
        """The same elements in row-major order in another shape; -1 stands for the length left over."""

    @staticmethod
    def rfft(x: ArrayLike) -> Tensor:
        """Elements 0 ... n / 2 of the Fourier transform of real numbers along the last axis: real and imaginary parts."""

    @staticmethod
    def right_shift(a: ArrayLike, b: ArrayLike) -> Tensor:
        """floor(a / 2^b)."""

    @staticmethod
    def rint(a: ArrayLike) -> Tensor:
        """Nearest whole number, halves to even."""

    @staticmethod
    def rmsprop_update(lr: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], count: int, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-07, centered: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0) -> Any:
        """RMSprop as Keras 3 (epsilon under the root). tensors: count weights, gradients, mean squares [, means if centered] [, velocities if momentum > 0]."""

    @staticmethod
    def rsqrt(a: ArrayLike) -> Tensor:
        """1 / sqrt(a)."""

    @staticmethod
    def scale_shift(x: ArrayLike, scale: ArrayLike, shift: ArrayLike) -> Tensor:
        """x * scale + shift for each index of the last axis."""

    @staticmethod
    def sgd_update(lr: ArrayLike, *tensors: ArrayLike | Sequence[ArrayLike], count: int, momentum: float = 0.0, nesterov: bool = False, weight_decay: float = 0.0, clip_value: float = 0.0) -> Any:
        """w -= lr g, or v = momentum v - lr g; w += v (nesterov: w += momentum v - lr g). tensors: count weights, gradients [, velocities]."""

    @staticmethod
    def sigmoid(a: ArrayLike) -> Tensor:
        """1 / (1 + e^-a), stable for both signs."""

    @staticmethod
    def sign(a: ArrayLike) -> Tensor:
        """-1, 0 or 1 with the sign of a; nan for nan."""

    @staticmethod
    def signbit(a: ArrayLike) -> Tensor:
        """Whether the sign bit is set (true for -0.0)."""

    @staticmethod
    def silu(a: ArrayLike) -> Tensor:
        """a * sigmoid(a) (swish)."""

    @staticmethod
    def sin(a: ArrayLike) -> Tensor:
        """Sine; a in radians."""

    @staticmethod
    def sinh(a: ArrayLike) -> Tensor:
        """Hyperbolic sine."""

    @staticmethod
    def slice(x: ArrayLike, starts: int | Sequence[int], stops: int | Sequence[int], steps: int | Sequence[int]) -> Tensor:
        """x[start:stop:step] for every axis; a stop of -1 with a negative step is before the start."""

    @staticmethod
    def slice_grad(g: ArrayLike, shape: int | Sequence[int], starts: int | Sequence[int], steps: int | Sequence[int]) -> Any:
        """Zeros of a shape with g at start, start + step, ... of every axis: the gradient of slice."""

    @staticmethod
    def slice_update(x: ArrayLike, value: ArrayLike, starts: int | Sequence[int], stops: int | Sequence[int], steps: int | Sequence[int]) -> Tensor:
        """A copy of x in which x[start:stop:step], for every axis, is replaced by the value."""

    @staticmethod
    def softmax(x: ArrayLike, axis: int = -1) -> Tensor:
        """e^x_i / sum_k e^x_k along an axis, without overflow."""

    @staticmethod
    def softmax_cross_entropy(logits: ArrayLike, targets: ArrayLike) -> Tensor:
        """-sum_k t_k log softmax(logits)_k for each row; logits and targets t (..., classes)."""

    @staticmethod
    def softmax_cross_entropy_grad(p: ArrayLike, targets: ArrayLike, g: ArrayLike) -> Any:
        """(p sum(t) - t) g: the gradient of softmax_cross_entropy from the probabilities p."""

    @staticmethod
    def softmax_grad(y: ArrayLike, g: ArrayLike, axis: int = -1) -> Any:
        """y (g - sum(g y)): the gradient of softmax from its result y."""

    @staticmethod
    def softplus(a: ArrayLike) -> Tensor:
        """log(1 + e^a) without overflow."""

    @staticmethod
    def sort(x: ArrayLike, axis: int = -1) -> Tensor:
        """The elements in ascending order along an axis; nan last."""

    @staticmethod
    def sparse_softmax_cross_entropy(logits: ArrayLike, labels: ArrayLike) -> Tensor:
        """-log softmax(logits)[label] for each row; logits (..., classes), labels (...) of whole numbers."""

    @staticmethod
    def sparse_softmax_cross_entropy_grad(p: ArrayLike, labels: ArrayLike, g: ArrayLike) -> Any:
        """(p - onehot(label)) g: the gradient of sparse_softmax_cross_entropy from the probabilities p."""

    @staticmethod
    def sqrt(a: ArrayLike) -> Tensor:
        """Square root, correctly rounded."""

    @staticmethod
    def square(a: ArrayLike) -> Tensor:
        """a * a."""

    @staticmethod
    def squeeze(x: ArrayLike, axis: int | Sequence[int] | None = None) -> Tensor:
        """Without the given axes of length 1, or without all of them."""

    @staticmethod
    def stack(*tensors: ArrayLike | Sequence[ArrayLike], axis: int = 0) -> Tensor:
        """The tensors joined along a new axis."""

    @staticmethod
    def subtract(a: ArrayLike, b: ArrayLike) -> Tensor:
        """Difference a - b."""

    @staticmethod
    def sum(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False) -> Tensor:
        """Sum over the axes; whole numbers and truth values are added as 64-bit integers."""

    @staticmethod
    def take(x: ArrayLike, indices: ArrayLike, axis: int = 0) -> Tensor:
        """Slices of x along an axis at integer indices of any shape; negative ones count from the end."""

    @staticmethod
    def take_along_axis(x: ArrayLike, indices: ArrayLike, axis: int) -> Tensor:
        """Elements of x at indices along an axis; the other axes match or are broadcast."""

    @staticmethod
    def take_grad(g: ArrayLike, indices: ArrayLike, shape: int | Sequence[int], axis: int = 0) -> Any:
        """Zeros of a shape, slices of g added at the indices along an axis: the gradient of take."""

    @staticmethod
    def tan(a: ArrayLike) -> Tensor:
        """Tangent; a in radians."""

    @staticmethod
    def tanh(a: ArrayLike) -> Tensor:
        """Hyperbolic tangent (e^a - e^-a) / (e^a + e^-a)."""

    @staticmethod
    def transpose(x: ArrayLike, axes: int | Sequence[int] | None = None) -> Tensor:
        """The axes in another order (reversed without `axes`)."""

    @staticmethod
    def trunc(a: ArrayLike) -> Tensor:
        """a without its fraction."""

    @staticmethod
    def variance(x: ArrayLike, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: float = 0.0) -> Tensor:
        """Sum of (x - mean)^2 over the axes, divided by the number of elements less ddof; of whole numbers in float64."""

    @staticmethod
    def where(condition: ArrayLike, a: ArrayLike, b: ArrayLike) -> Tensor:
        """b where a is true, else c."""
