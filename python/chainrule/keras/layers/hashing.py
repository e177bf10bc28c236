"""Layers that spread strings and integers over bins by a hash, with the bins that Keras's layers choose."""

from __future__ import annotations

from typing import Any

import numpy as np

import chainrule

from ..config import floatx
from ..symbolic import KerasTensor
from .base import Layer, registry
from .numerical import OUTPUT_MODES, encode

_ALL = (1 << 64) - 1
_K0, _K1, _K2 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F


def _turned(x: int, by: int) -> int:
    return ((x >> by) | (x << (64 - by))) & _ALL


def _mixed(x: int) -> int:
    return x ^ (x >> 47)


def _joined(u: int, v: int, factor: int) -> int:
    a = _mixed(((u ^ v) * factor) & _ALL)
    return (_mixed(((v ^ a) * factor) & _ALL) * factor) & _ALL


def _weak(text: bytes, at: int, a: int, b: int) -> tuple[int, int]:
    w, x, y, z = (_word(text, at + 8 * i) for i in range(4))
    a = (a + w) & _ALL
    b = _turned((b + a + z) & _ALL, 21)
    c = a
    a = (a + x + y) & _ALL
    return (a + z) & _ALL, (b + _turned(a, 44) + c) & _ALL


def _word(text: bytes, at: int, size: int = 8) -> int:
    return int.from_bytes(text[at : at + size], "little")


def fingerprint64(text: bytes) -> int:
    """FarmHash's 64-bit fingerprint.

    Source: G. Pike, FarmHash (2014), function ``Fingerprint64``, whose values are fixed for ever.
    """
    n = len(text)
    factor = (_K2 + n * 2) & _ALL
    if n == 0:
        return _K2
    if n < 4:
        y, z = text[0] + (text[n >> 1] << 8), n + (text[-1] << 2)
        return (_mixed((y * _K2 & _ALL) ^ (z * _K0 & _ALL)) * _K2) & _ALL
    if n < 8:
        return _joined(n + (_word(text, 0, 4) << 3), _word(text, n - 4, 4), factor)
    if n <= 16:
        a, b = (_word(text, 0) + _K2) & _ALL, _word(text, n - 8)
        return _joined((_turned(b, 37) * factor + a) & _ALL, ((_turned(a, 25) + b) * factor) & _ALL, factor)
    if n <= 64:
        a, b = (_word(text, 0) * (_K1 if n <= 32 else _K2)) & _ALL, _word(text, 8)
        c, d = (_word(text, n - 8) * factor) & _ALL, (_word(text, n - 16) * _K2) & _ALL
        y = (_turned((a + b) & _ALL, 43) + _turned(c, 30) + d) & _ALL
        z = _joined(y, (a + _turned((b + _K2) & _ALL, 18) + c) & _ALL, factor)
        if n <= 32:
            return z
        e, f = (_word(text, 16) * factor) & _ALL, _word(text, 24)
        g, h = ((y + _word(text, n - 32)) * factor) & _ALL, ((z + _word(text, n - 24)) * factor) & _ALL
        u = (_turned((e + f) & _ALL, 43) + _turned(g, 30) + h) & _ALL
        return _joined(u, (e + _turned((f + a) & _ALL, 18) + g) & _ALL, factor)
    return _fingerprint_of_long(text)


def _fingerprint_of_long(text: bytes) -> int:
    n = len(text)
    y = (81 * _K1 + 113) & _ALL
    z = (_mixed((y * _K2 + 113) & _ALL) * _K2) & _ALL
    x = (81 * _K2 + _word(text, 0)) & _ALL
    v, w = (0, 0), (0, 0)
    blocks = (n - 1) // 64
    for at, last in [(64 * i, False) for i in range(blocks)] + [(n - 64, True)]:
        factor, nine = (_K1, 1)
        if last:
            factor, nine = (_K1 + ((z & 0xFF) << 1)) & _ALL, 9
            w = ((w[0] + ((n - 1) & 63)) & _ALL, w[1])
            v = ((v[0] + w[0]) & _ALL, v[1])
            w = ((w[0] + v[0]) & _ALL, w[1])
        x = (_turned((x + y + v[0] + _word(text, at + 8)) & _ALL, 37) * factor) & _ALL
        y = (_turned((y + v[1] + _word(text, at + 48)) & _ALL, 42) * factor) & _ALL
        x ^= (w[1] * nine) & _ALL
        y = (y + v[0] * nine + _word(text, at + 40)) & _ALL
        z = (_turned((z + w[0]) & _ALL, 33) * factor) & _ALL
        v = _weak(text, at, (v[1] * factor) & _ALL, (x + w[0]) & _ALL)
        w = _weak(text, at + 32, (z + w[1]) & _ALL, (y + _word(text, at + 16)) & _ALL)
        z, x = x, z
    first = (_joined(v[0], w[0], factor) + _mixed(y) * _K0 + z) & _ALL
    return _joined(first, (_joined(v[1], w[1], factor) + x) & _ALL, factor)


def siphash(text: bytes, key: tuple[int, int]) -> int:
    """SipHash-2-4 of J.-P. Aumasson and D. Bernstein (2012)."""
    constants = (0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573)
    state = [(key[i % 2] & _ALL) ^ constant for i, constant in enumerate(constants)]

    def rounds(count: int) -> None:
        a, b, c, d = state
        for _ in range(count):
            a, c = (a + b) & _ALL, (c + d) & _ALL
            b, d = _turned(b, 51) ^ a, _turned(d, 48) ^ c
            a = _turned(a, 32)
            c, a = (c + b) & _ALL, (a + d) & _ALL
            b, d = _turned(b, 47) ^ c, _turned(d, 43) ^ a
            c = _turned(c, 32)
        state[:] = a, b, c, d

    whole = len(text) // 8 * 8
    words = [_word(text, at) for at in range(0, whole, 8)]
    words.append(int.from_bytes(text[whole:], "little") | (len(text) & 0xFF) << 56)
    for word in words:
        state[3] ^= word
        rounds(2)
        state[0] ^= word
    state[2] ^= 0xFF
    rounds(4)
    return state[0] ^ state[1] ^ state[2] ^ state[3]


def _joined_fingerprints(first: int, second: int) -> int:
    """The fingerprint of a pair, as crossed features use it."""
    factor = 0xC6A4A7935BD1E995
    result = first ^ factor ^ (_mixed((second * factor) & _ALL) * factor & _ALL)
    result = _mixed((result * factor) & _ALL)
    return _mixed((result * factor) & _ALL)


class _Bins(Layer):
    """What both layers share."""

    _keeps_integers = True

    def __init__(self, num_bins: int, output_mode: str, sparse: bool, known: tuple[str, ...], kwargs: Any) -> None:
        where = type(self).__name__
        dtype = kwargs.pop("dtype", None) or ("int64" if output_mode == "int" else floatx())
        super().__init__(dtype=dtype, **kwargs)
        if num_bins is None or num_bins <= 0:
            raise ValueError(f"{where}: num_bins must be a positive integer, got {num_bins!r}.")
        if output_mode not in known:
            raise ValueError(f"{where}: output_mode must be one of {known}, got {output_mode!r}.")
        if output_mode == "int" and self.dtype not in ("int32", "int64"):
            raise ValueError(f"{where}: output_mode='int' needs dtype 'int32' or 'int64', got {self.dtype!r}.")
        if sparse:
            raise ValueError(f"{where}: sparse outputs are not supported.")
        self.num_bins, self.output_mode, self.sparse = num_bins, output_mode, sparse
        self._build_at_init()

    def _convert(self, x: Any) -> Any:
        return x  # strings have no tensors

    def _ensure_built(self, args: tuple[Any, ...]) -> None:
        pass

    def _encoded(self, bins: np.ndarray) -> Any:
        if self.output_mode == "int":
            return chainrule.asarray(bins.astype(self.dtype))
        return encode(chainrule.asarray(bins), self.num_bins, self.output_mode, self.dtype)

    def get_config(self) -> dict[str, Any]:
        own = {"num_bins": self.num_bins, "output_mode": self.output_mode, "sparse": self.sparse}
        return {**super().get_config(), **own}


def checked_salt(where: str, salt: Any) -> list[int]:
    """The two numbers of the key of :func:`siphash`. ValueError for anything but an integer or two of them."""
    pair = [salt, salt] if isinstance(salt, int) else list(salt) if isinstance(salt, (tuple, list)) else []
    if len(pair) != 2:
        raise ValueError(f"{where}: salt must be an integer or two of them, got {salt!r}.")
    return pair


def _values(x: Any) -> np.ndarray:
    from .lookup import _array

    values = _array(x)
    return values.astype("int64") if values.dtype.kind in "fb" else values


def _text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@registry.add
class Hashing(_Bins):
    """The bin, 0 .. num_bins - 1, of each string or integer, chosen by a hash.

    Args:
        num_bins: the number of bins, that of ``mask_value`` included.
        mask_value: a value with bin 0 for itself.
        salt: one or two integers that key another hash (SipHash), in place of FarmHash.
        output_mode: ``"int"``, or the codes of :class:`CategoryEncoding`.
    """

    def __init__(
        self,
        num_bins: int,
        mask_value: Any = None,
        salt: Any = None,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_bins, output_mode, sparse, OUTPUT_MODES, kwargs)
        if salt is not None:
            salt = checked_salt("Hashing", salt)
        self.mask_value, self.salt = mask_value, salt

    def call(self, inputs: Any) -> Any:
        values = _values(inputs)
        masks = self.mask_value is not None and self.num_bins > 1
        bins = self.num_bins - masks

        def bin_of(value: Any) -> int:
            if masks and value == self.mask_value:
                return 0
            text = _text(value)
            number = fingerprint64(text) if self.salt is None else siphash(text, tuple(self.salt))
            return number % bins + masks

        numbers = np.array([bin_of(value) for value in values.reshape(-1).tolist()], "int64")
        return self._encoded(numbers.reshape(values.shape))

    def compute_output_spec(self, inputs: Any) -> Any:
        return KerasTensor(self.compute_output_shape(inputs.shape), self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return tuple(input_shape) if self.output_mode == "int" else (*input_shape[:-1], self.num_bins)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "salt": self.salt, "mask_value": self.mask_value}


@registry.add
class HashedCrossing(_Bins):
    """The bin of each pair (or longer tuple) of features, chosen by a hash; called on a list of inputs of one shape.

    ``output_mode``: ``"int"`` or ``"one_hot"``.
    """

    def __init__(
        self,
        num_bins: int,
        output_mode: str = "int",
        sparse: bool = False,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_bins, output_mode, sparse, ("int", "one_hot"), {"name": name, "dtype": dtype, **kwargs})

    def call(self, inputs: Any) -> Any:
        if not isinstance(inputs, (list, tuple)) or len(inputs) < 2:
            raise ValueError(f"HashedCrossing: needs a list of at least two inputs, got {inputs!r}.")
        features = [_values(x) for x in inputs]
        if any(np.asarray(x).dtype.kind == "f" for x in inputs):
            raise ValueError("HashedCrossing: inputs must be strings or integers, not floats.")
        shapes = [x.shape for x in features]
        if len(set(shapes)) != 1 or len(shapes[0]) > 2 or (len(shapes[0]) == 2 and shapes[0][1] != 1):
            raise ValueError(f"HashedCrossing: all inputs need one shape, (), (batch,) or (batch, 1); got {shapes}.")
        bins = []
        for row in zip(*(x.reshape(-1).tolist() for x in features), strict=True):
            number = 0xDECAFCAFFE
            for value in row:
                part = value & _ALL if isinstance(value, int) else fingerprint64(_text(value))
                number = _joined_fingerprints(number, part)
            bins.append(number % self.num_bins)
        return self._encoded(np.array(bins, "int64").reshape(shapes[0]))

    def compute_output_spec(self, inputs: Any) -> Any:
        return KerasTensor(self.compute_output_shape([x.shape for x in inputs]), self.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = tuple(input_shape[0])
        if self.output_mode == "int":
            return shape
        return (*(shape[:-1] if shape and shape[-1] == 1 else shape), self.num_bins)
