"""float16 and bfloat16: conversions of every value, promotion, arithmetic rounded once, gradients, NumPy and DLPack."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import numpy as np
import pytest

import chainrule
from chainrule import _core

ops = _core.ops
BITS = np.arange(65536, dtype=np.uint16)
HALVES = BITS.view(np.float16)


def bfloat16_values(bits: np.ndarray) -> np.ndarray:
    """What bfloat16 bits stand for: those of a float32 whose lower half is zero."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rounded_to_bfloat16(x: np.ndarray) -> np.ndarray:
    """The nearest of the two neighbours, in float64; at a tie the even one. Finite float64 values only."""
    below = bfloat16_values((x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16) & 0xFF80)
    exponent = np.frexp(np.where(below == 0, 2.0**-126, below.astype(np.float64)))[1]
    unit = np.ldexp(1.0, np.maximum(exponent - 8, -133))
    return np.rint(x / unit) * unit


def same(got: np.ndarray, wanted: np.ndarray) -> None:
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    kept = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(got)[kept], np.signbit(wanted)[kept])


@pytest.fixture(params=_core.available_isas())
def level(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


def sample() -> np.ndarray:
    """Bits of float32 at random: every exponent, NaN and infinities among them."""
    return np.random.default_rng(0).integers(0, 2**32, 1 << 18, dtype=np.uint32).view(np.float32)


def around(values: np.ndarray) -> np.ndarray:
    """The midpoints of neighbours, and the doubles beside those."""
    values = np.unique(values[np.isfinite(values)]).astype(np.float64)
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)])


def test_every_float16_is_numpys(level: str) -> None:
    wide = HALVES.astype(np.float32)
    same(chainrule.asarray(HALVES).astype("float32").numpy(), wide)
    same(chainrule.asarray(wide).astype("float16").numpy(), HALVES)
    with np.errstate(all="ignore"):
        for x in (sample(), around(HALVES), around(HALVES).astype(np.float32), np.array([65519.99, 65520.0, 1e300])):
            same(chainrule.asarray(x).astype("float16").numpy(), x.astype(np.float16))


def test_every_bfloat16(level: str) -> None:
    wide = bfloat16_values(BITS)
    tensor = chainrule.asarray(BITS).view("bfloat16")
    same(tensor.astype("float32").numpy(), wide)
    back = chainrule.asarray(wide).astype("bfloat16")
    same(back.astype("float32").numpy(), wide)
    numbers = ~np.isnan(wide)
    np.testing.assert_array_equal(back.view("uint16").numpy()[numbers], BITS[numbers])
    x = sample()
    x = x[np.abs(x) < 3.38e38]
    for values in (x, around(wide), around(wide).astype(np.float32)):
        got = chainrule.asarray(values).astype("bfloat16").astype("float64").numpy()
        np.testing.assert_array_equal(got, rounded_to_bfloat16(values.astype(np.float64)))
    overflowing = chainrule.asarray([3.3895314e38, 3.4e38, -3.4e38]).astype("bfloat16").tolist()
    assert overflowing == [float(bfloat16_values(np.uint16([0x7F7F]))[0]), np.inf, -np.inf]


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "int32", "int64", "uint64", "float64"])
def test_casts_between_halves_and_the_rest(dtype: str, level: str) -> None:
    x = np.array([0, 1, 2, 100, 255, 2049, 65504, 70000, 2**31 + 1]).astype(dtype)
    with np.errstate(all="ignore"):
        same(chainrule.asarray(x).astype("float16").numpy(), x.astype(np.float16))
        y = HALVES[np.abs(HALVES) < 120]
        same(chainrule.asarray(y).astype(dtype).numpy(), y.astype(dtype))
    assert chainrule.asarray(x).astype("bfloat16").astype("float64").tolist() == list(
        rounded_to_bfloat16(x.astype(np.float64))
    )


def test_promotion() -> None:
    half, brain = chainrule.asarray(np.ones(2, np.float16)), chainrule.asarray(np.ones(2)).astype("bfloat16")
    assert (half + brain).dtype == np.float32
    assert (brain + 1).dtype == (brain * 2.5).dtype == (1 / brain).dtype == chainrule.bfloat16
    for name in ("bool", "int8", "int64", "uint32"):
        assert (brain + chainrule.asarray(np.ones(2, name))).dtype == chainrule.bfloat16
    for name in ("float32", "float64"):
        assert (brain + np.ones(2, name)).dtype == name
    assert ops.matmul(half, brain).dtype == np.float32


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of infinite and undefined results, as NumPy gives
@pytest.mark.parametrize("name", ["sqrt", "exp", "tanh", "reciprocal", "floor", "isnan", "signbit", "erf"])
def test_elementwise_is_float32_rounded_once(name: str, level: str) -> None:
    x = chainrule.asarray(BITS).view("bfloat16")
    for half in (x, chainrule.asarray(HALVES)):
        wide = getattr(ops, name)(half.astype("float32"))
        got = getattr(ops, name)(half)
        same(got.astype(wide.dtype).numpy(), wide.astype(got.dtype).astype(wide.dtype).numpy())
        same(getattr(ops, name)(half[::-3]).astype(wide.dtype).numpy(), got[::-3].astype(wide.dtype).numpy())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["sum", "mean", "softmax", "logsumexp", "cumsum", "sort", "max"])
def test_other_ops_round_once_and_differentiate(name: str, dtype: str) -> None:
    rng = np.random.default_rng(1)
    x = chainrule.asarray(rng.uniform(-2, 2, (7, 33))).astype(dtype)
    op = getattr(ops, name)
    same(op(x).astype("float32").numpy(), op(x.astype("float32")).astype(dtype).astype("float32").numpy())
    jitted = chainrule.jit(lambda x: op(ops.tanh(x) * 2 + x))
    assert jitted(x).tolist() == op(ops.tanh(x) * 2 + x).tolist()

    def weighted(x: chainrule.Tensor) -> chainrule.Tensor:
        y = op(x)
        return ops.sum(y * ops.reshape(ops.cast(np.arange(y.size) % 3, y.dtype), y.shape))

    gradient = chainrule.grad(weighted)(x)
    assert gradient.dtype == dtype
    wide = chainrule.grad(weighted)(x.astype("float32")).numpy()
    np.testing.assert_allclose(gradient.astype("float32").numpy(), wide, atol=2**-7 * np.abs(wide).max())


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_ops_that_write_and_move(dtype: str) -> None:
    x = chainrule.asarray(np.zeros(6)).astype(dtype)
    x[1:3] = 2.5
    x += 1
    x[[4, 5]] = chainrule.asarray([7, 8])
    assert x.tolist() == [1, 3.5, 3.5, 1, 7, 8]
    assert ops.concatenate(x, x[:1]).tolist() == [1, 3.5, 3.5, 1, 7, 8, 1]
    assert ops.pad(x[:1], before=[1], after=[2], value=0.5).tolist() == [0.5, 1, 0.5, 0.5]
    assert ops.take(x, [5, 0]).tolist() == [8, 1]
    assert ops.where(x > 3, x, 0).tolist() == [0, 3.5, 3.5, 0, 7, 8]
    w = chainrule.asarray(np.ones(4)).astype(dtype)
    ops.sgd_update(_core.asarray(0.5), w, chainrule.asarray(np.full(4, 0.5)).astype(dtype), count=1)
    assert w.dtype == dtype
    assert w.tolist() == [0.75] * 4
    uniform = ops.random_uniform(_core.asarray(np.array([1, 0], np.uint64)), shape=[1000], dtype=dtype)
    assert uniform.dtype == dtype
    assert 0.45 < float(uniform.astype("float32").mean()) < 0.55


def test_memory_is_shared_with_numpy() -> None:
    x = np.arange(6, dtype=np.float16)
    tensor = chainrule.asarray(x)
    tensor[0] = 9
    assert x[0] == 9
    view = tensor.numpy()
    view[1] = 8
    assert x[1] == 8
    assert np.shares_memory(view, x)
    assert memoryview(tensor).format == "e"


def test_bfloat16_and_numpy() -> None:
    x = chainrule.asarray([1.0, 2.5, -0.1]).astype("bfloat16")
    assert repr(x) == "array([ 1.        ,  2.5       , -0.10009766], dtype=bfloat16)"
    assert x.dtype == chainrule.bfloat16 == "bfloat16"
    assert x.dtype != np.float32
    assert hash(x.dtype) == hash("bfloat16")
    assert (x.itemsize, x.nbytes, x.dtype.kind) == (2, 6, "f")
    assert x.view("uint16").numpy().tolist() == [0x3F80, 0x4020, 0xBDCD]
    with pytest.raises(BufferError, match="view\\('uint16'\\)"):
        memoryview(x)
    copied = pickle.loads(pickle.dumps(x))
    assert copied.dtype == chainrule.bfloat16
    assert copied.tolist() == x.tolist()
    assert pickle.loads(pickle.dumps(chainrule.bfloat16)) is chainrule.bfloat16
    with pytest.raises(TypeError, match="same_kind"):
        x.astype("int32", casting="same_kind")


def test_bfloat16_with_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="NumPy has bfloat16 only with ml_dtypes")
    x = np.arange(5).astype(ml_dtypes.bfloat16)
    tensor = chainrule.asarray(x)
    assert tensor.dtype == chainrule.bfloat16 == x.dtype
    tensor[0] = 7
    assert x[0] == 7
    assert np.shares_memory(tensor.numpy(), x)
    assert np.asarray(tensor).dtype == x.dtype


def test_dlpack() -> None:
    for dtype in ("float16", "bfloat16"):
        x = chainrule.asarray([1.0, 2.5]).astype(dtype)
        y = chainrule.from_dlpack(x)
        assert y.dtype == dtype
        y[0] = 4
        assert x.tolist() == [4, 2.5]
    assert np.from_dlpack(chainrule.asarray(HALVES)).dtype == np.float16
