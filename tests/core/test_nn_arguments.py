"""Functions of chainrule.nn take what an array can be made of, and name what they can't use."""

from __future__ import annotations

import numpy
import pytest

import chainrule
from chainrule import nn

SIGNAL = numpy.cos(numpy.arange(12.0) ** 2)
CALLS = {
    "glu": lambda x: nn.glu(x),
    "sparsemax": lambda x: nn.sparsemax(x),
    "rfft": lambda x: nn.rfft(x, 8),
    "irfft": lambda x: nn.irfft(x, x),
    "frames": lambda x: nn.frames(x, 4, 2),
    "stft": lambda x: nn.stft(x, 4, 2),
    "mfcc": lambda x: nn.mfcc(x, 3),
}


@pytest.mark.parametrize("name", CALLS)
def test_lists_are_arrays(name):
    call = CALLS[name]
    given, expected = call(SIGNAL.tolist()), call(chainrule.from_numpy(SIGNAL))
    for ours, theirs in zip(given, expected, strict=True) if isinstance(given, tuple) else [(given, expected)]:
        numpy.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("value", [None, "axis", object(), 1j, {"a": 1}], ids=lambda value: type(value).__name__)
def test_what_is_no_array_is_a_type_error(name, value):
    with pytest.raises(TypeError):
        CALLS[name](value)


def test_too_few_axes_are_named():
    with pytest.raises(ValueError, match="overlap_add: expected"):
        nn.overlap_add([1.0, 2.0], 1)
    with pytest.raises(ValueError, match="sparsemax: expected at least one axis"):
        nn.sparsemax(2.0)
    with pytest.raises(ValueError, match="gru: recurrent_kernel must be"):
        nn.gru(numpy.ones((2, 3, 4)), numpy.ones((4, 6)), 3.0)


@pytest.mark.parametrize("op", ["softmax_grad", "log_softmax_grad"])
def test_gradients_of_other_shapes(op):
    with pytest.raises(ValueError, match="one shape"):
        getattr(chainrule._core.ops, op)(numpy.ones((65, 65)), numpy.ones(3))
