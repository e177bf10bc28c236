"""Truth values whose byte is neither 0 nor 1, as views and foreign memory hold them: any byte but 0 is true."""

from __future__ import annotations

import numpy
import pytest
from array_pairs import difference, evaluate

import chainrule
import chainrule.numpy
from chainrule import nn

BYTES = numpy.array([0, 1, 2, 5, 255, 0, 128, 3, 0, 1] * 37, dtype=numpy.uint8)

REDUCTIONS = """
    np.sum(x)|np.sum(x, axis=0)|np.sum(x, axis=1)|np.mean(x)|np.mean(x, axis=0)|np.mean(x, axis=1)|np.any(x)
    np.all(x)|np.any(x, axis=0)|np.all(x, axis=1)|np.prod(x)|np.prod(x, axis=1)|np.count_nonzero(x)
    np.count_nonzero(x, axis=0)|np.cumsum(x)|np.cumsum(x, axis=0)|np.cumprod(x)|np.max(x)|np.min(x)
    np.max(x, axis=0)|np.min(x, axis=1)|np.argmax(x)|np.argmin(x)|np.argmax(x, axis=0)|np.argmin(x, axis=1)
    np.argmax(x[:, 2:], axis=1)|np.argmin(x[1:, 1:5], axis=0)|np.var(x)|np.std(x, axis=0)|np.ptp(x.astype(int))
    x.sum(dtype="int8")|x.sum(dtype="float32")|x.mean(dtype="float32")|np.sum(x[::3, ::2])|np.sum(x.T, axis=0)
    np.add.reduce(x)|np.logical_xor.reduce(x)|np.maximum.reduce(x)|np.add.accumulate(x)|np.average(x)|np.nansum(x)
    np.linalg.norm(x)|np.trace(x)|np.median(x)|np.sum(np.arange(370).reshape(37, 10), where=x)
"""
CASTS = """
    x.astype("int8")|x.astype("uint8")|x.astype("int16")|x.astype("int32")|x.astype("int64")|x.astype("uint64")
    x.astype("float16")|x.astype("float32")|x.astype("float64")|x[::2, ::3].astype("float32")|x.T.astype("int16")
    x.astype(bool).astype(int)|np.array(x, dtype=float)|np.concatenate([x, x * 1.5])|x.tolist()|x[0, 4].item()
    int(x[0, 4])|float(x[0, 4])|bool(x[0, 4])|str(x[0])|x[0, 2] + 1|x[0, 2] + x[0, 3]|x[0, 2] == True
"""
PRODUCTS = """
    x @ x.T|x.T @ x|x[0] @ x[1]|x @ np.arange(10)|x @ np.ones(10, "f")|np.dot(x, x.T)|np.tensordot(x, x, ((0,), (0,)))
    np.einsum("ij,kj->ik", x, x)|np.einsum("ij->i", x)|np.inner(x, x)|np.outer(x, x)|np.vdot(x, x)|np.kron(x[:5], x[:5])
"""
BINARY = """
    x == y|x != y|x < y|x <= y|x > y|x >= y|x == True|x == 1|x < 1|np.array_equal(x, x.astype(int).astype(bool))
    np.logical_and(x, y)|np.logical_or(x, y)|np.logical_xor(x, y)|np.logical_not(x)|x & y|(x | y)|x ^ y|~x|x & 1|(x | 2)
    x + y|x * y|x + 1|x + 1.5|x * 2|x / (y + 1)|x // (y + 1)|x % (y + 1)|x ** y|x << 1|x >> 1|x << y|x >> y|abs(x)
    np.maximum(x, y)|np.minimum(x, y)|np.fmax(x, y)|np.fmin(x, y)|np.clip(x, False, True)|np.hypot(x, y)|np.sqrt(x)
    np.exp(x)|np.square(x)|x - 1|np.invert(x)|np.bitwise_xor(x, y)|divmod(x, y + 1)|np.isclose(x, y)|np.diff(x)
    np.floor(x)|np.bitwise_or(x, y, out=x.copy())
"""
CHOICES = """
    np.where(x, 1, 2)|np.where(x, y, 0.5)|np.where(x, np.float32(1), np.float32(2))|np.where(x[::2], 1.0, 2.0)
    np.where(x, np.int8(3), np.int8(4))|np.arange(370).reshape(37, 10)[x]|np.arange(37)[x[:, 2]]|np.nonzero(x)
    np.flatnonzero(x)|np.argwhere(x)|np.extract(x, np.arange(370))|np.compress(x[:, 3], np.arange(37))
    np.select([x, y], [1, 2], 3)|np.choose(x.astype(int), [np.zeros(10), np.ones(10)])|np.sort(x).astype(int)
    np.argsort(x.astype(int), kind="stable")|np.unique(x.astype(int))|np.repeat(np.arange(10), x[0])|np.packbits(x)
    np.bincount(x[0].astype(int))|np.searchsorted([0, 1], x)|np.tril(x).sum()|np.pad(x, 2).sum()|np.roll(x, 1).sum()
"""


def cases(text: str) -> list[str]:
    found, current, depth = [], "", 0
    for character in text:
        depth += (character in "([") - (character in ")]")
        if depth == 0 and character in "|\n":
            found.append(current.strip())
            current = ""
        else:
            current += character
    return [case for case in found if case]


@pytest.mark.parametrize("case", cases(REDUCTIONS + CASTS + PRODUCTS + BINARY + CHOICES))
@pytest.mark.parametrize("isa", chainrule.show_config()["available_isas"])
def test_any_byte_but_zero_is_true(case, isa):
    code, found = compile(case, case, "eval"), []
    before = chainrule.show_config()["isa"]
    chainrule._core.set_isa(isa)
    try:
        for np in (numpy, chainrule.numpy):
            x = np.asarray(BYTES.view(bool).reshape(37, 10))
            value, error = evaluate(code, {"np": np, "x": x, "y": x[::-1]})
            assert error is None
            found.append(value)
    finally:
        chainrule._core.set_isa(before)
    theirs, ours = found
    assert not difference(normal(ours), normal(theirs))


def normal(value):
    """Truth values that are results may be any byte, too: NumPy copies them, and so do we."""
    if isinstance(value, (list, tuple)):
        return [normal(item) for item in value]
    if isinstance(value, float) and not isinstance(value, numpy.generic):
        return numpy.float64(value)
    if isinstance(value, chainrule.Tensor):
        value = value.numpy()
    if isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype == bool:
        return numpy.asarray(value).view(numpy.uint8) != 0
    return value


@pytest.mark.parametrize("make", ["frombuffer", "view", "from_numpy", "from_dlpack"])
def test_they_come_in_by_every_way(make):
    x = {
        "frombuffer": lambda: chainrule.numpy.frombuffer(bytes([2, 0, 5]), dtype=bool),
        "view": lambda: chainrule.numpy.array([2, 0, 5], dtype="uint8").view(bool),
        "from_numpy": lambda: chainrule.from_numpy(numpy.array([2, 0, 5], dtype="uint8").view(bool)),
        "from_dlpack": lambda: chainrule.from_dlpack(numpy.array([2, 0, 5], dtype="uint8").view(bool)),
    }[make]()
    assert x.sum().item() == 2
    assert x.mean().item() == pytest.approx(2 / 3)


def test_recorded_programs_see_them_too():
    @chainrule.jit
    def f(x, a):
        return x.sum(), chainrule.numpy.where(x, a, 0) + x, x & (a > 1), x @ a

    x = BYTES.view(bool)[:10]
    a = numpy.arange(10.0)
    for _ in range(2):
        total, sums, both, product = f(chainrule.from_numpy(x), chainrule.from_numpy(a))
        truth = BYTES[:10] != 0
        assert total.item() == truth.sum()
        numpy.testing.assert_array_equal(sums.numpy(), numpy.where(truth, a, 0) + truth)
        numpy.testing.assert_array_equal(both.numpy(), truth & (a > 1))
        assert product.item() == truth @ a


def test_masks_of_networks():
    rng = numpy.random.default_rng(0)
    q, k, v = (chainrule.from_numpy(rng.standard_normal((2, 4, 1, 3))) for _ in range(3))
    seen = numpy.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 1, 1, 1], [1, 1, 1, 1]], dtype=numpy.uint8)
    results = [
        nn.attention(q, k, v, mask=chainrule.from_numpy((seen * byte).view(bool))).numpy() for byte in (1, 2, 255)
    ]
    numpy.testing.assert_array_equal(results[1], results[0])
    numpy.testing.assert_array_equal(results[2], results[0])
