"""Recurrent layers as functions: a whole sequence in one call, forward and backward.

x is (batch, steps, features), a kernel (features, parts * units), a recurrent kernel (units, parts * units), a bias
(parts * units,); the parts stand side by side in the order of Keras. A mask (batch, steps) is True where a step counts:
at the others the states stay as they are. ``go_backwards`` starts with the last step; the states returned stand in the
order in which they are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule import _core

from .activations import sigmoid, tanh

_op = _core.ops


def simple_rnn(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
) -> tuple[Any, Any]:
    """h_t = tanh(x_t W + h_(t-1) U + b) (Elman 1990): (states (batch, steps, units), the last one).

    Example::

        states, last = nn.simple_rnn(x, kernel, recurrent_kernel, bias)
    """

    def step(z: Any, h: Any) -> tuple[Any]:
        return (tanh(z + _op.matmul(h, recurrent_kernel)),)

    initial = (initial_state, None)
    states, last = _run("simple_rnn", step, x, kernel, recurrent_kernel, bias, bias, initial, mask, go_backwards)
    return states, last[0]


def lstm(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Sequence[Any] | None = None,
    mask: Any = None,
    go_backwards: bool = False,
) -> tuple[Any, tuple[Any, Any]]:
    """Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate of Gers et al. 2000).

    With z = x_t W + h_(t-1) U + b cut into i, f, g, o::

        c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g)
        h_t = sigmoid(o) tanh(c_t)

    Args:
        initial_state: (h_0, c_0), each (batch, units); None: zeros.

    Returns:
        (states h (batch, steps, units), (the last h, the last c)).

    Raises:
        ValueError: shapes that don't fit; the message names the tensor and the shape it must have.

    Example::

        states, (h, c) = nn.lstm(x, kernel, recurrent_kernel, bias)
    """

    def step(z: Any, h: Any, c: Any) -> tuple[Any, Any]:
        i, f, g, o = _parts(z + _op.matmul(h, recurrent_kernel), 4)
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c

    initial = (None, None) if initial_state is None else tuple(initial_state)
    states, last = _run("lstm", step, x, kernel, recurrent_kernel, bias, bias, initial, mask, go_backwards)
    return states, (last[0], last[1])


def gru(
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any = None,
    initial_state: Any = None,
    mask: Any = None,
    go_backwards: bool = False,
    reset_after: bool = True,
) -> tuple[Any, Any]:
    """Gated recurrent unit (Cho et al. 2014): h_t = z h_(t-1) + (1 - z) g, with the parts z, r, g of the weights.

    ``z = sigmoid(x_t W_z + b_z + h_(t-1) U_z + c_z)``, r alike, and
    ``g = tanh(x_t W_g + b_g + r (h_(t-1) U_g + c_g))`` if ``reset_after``, with a bias (2, 3 * units) of b and c; else
    ``g = tanh(x_t W_g + b_g + (r h_(t-1)) U_g)`` with a bias (3 * units,) and no c.

    Returns:
        (states (batch, steps, units), the last one).
    """
    recurrent_kernel = _core.asarray(recurrent_kernel)
    if recurrent_kernel.ndim != 2:
        raise ValueError(f"gru: recurrent_kernel must be (units, 3 * units), got {tuple(recurrent_kernel.shape)}.")
    units = recurrent_kernel.shape[0]
    inner = None
    given = bias
    if bias is not None:
        flat = _op.reshape(bias, (-1,))
        given, bias, inner = flat, flat[: 3 * units], (flat[3 * units :] if reset_after else None)

    def step(x: Any, h: Any) -> tuple[Any]:
        if reset_after:
            product = _op.matmul(h, recurrent_kernel)
            z, r, g = _parts(product if inner is None else product + inner, 3)
            x_z, x_r, x_g = _parts(x, 3)
            z, r = sigmoid(x_z + z), sigmoid(x_r + r)
            g = tanh(x_g + r * g)
        else:
            gates = sigmoid(x[:, : 2 * units] + _op.matmul(h, recurrent_kernel[:, : 2 * units]))
            z, r = gates[:, :units], gates[:, units:]
            g = tanh(x[:, 2 * units :] + _op.matmul(r * h, recurrent_kernel[:, 2 * units :]))
        return (z * h + (1 - z) * g,)

    cell = "gru" if reset_after else "gru_reset_before"
    initial = (initial_state, None)
    states, last = _run(cell, step, x, kernel, recurrent_kernel, given, bias, initial, mask, go_backwards)
    return states, last[0]


def _run(
    cell: str,
    step: Callable[..., tuple[Any, ...]],
    x: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    input_bias: Any,
    initial: tuple[Any, Any],
    mask: Any,
    go_backwards: bool,
) -> tuple[Any, tuple[Any, ...]]:
    """(states of all steps, last states): by the kernel, or by elementary ops where gradients may be differentiated."""
    if not _recorded_twice():
        h, c = initial
        states, last_h, last_c, _, _ = _op.recurrent(
            x, kernel, recurrent_kernel, bias, h, c, mask, cell=cell, go_backwards=go_backwards
        )
        return states, (last_h, last_c)
    z = _op.matmul(x, kernel)
    if input_bias is not None:
        z = z + input_bias
    count = 2 if cell == "lstm" else 1
    zeros = _core.zeros((x.shape[0], recurrent_kernel.shape[0]), dtype=z.dtype)
    now = tuple(zeros if state is None else state for state in initial[:count])
    states = []
    for t in range(x.shape[1] - 1, -1, -1) if go_backwards else range(x.shape[1]):
        new = step(z[:, t], *now)
        if mask is not None:
            counts = _op.expand_dims(mask[:, t], -1)
            new = tuple(_op.where(counts, a, b) for a, b in zip(new, now, strict=True))
        now = new
        states.append(now[0])
    return (_op.stack(states, axis=1) if states else z[:, :, : zeros.shape[1]]), now


def _parts(z: Any, count: int) -> list[Any]:
    """(rows, count * units) -> `count` tensors (rows, units)."""
    units = z.shape[1] // count
    return [z[:, i * units : (i + 1) * units] for i in range(count)]


def _recorded_twice() -> bool:
    """Whether gradients are recorded inside of another recording: gradients of gradients may be asked for."""
    depth = _core.suspend_recording()
    _core.resume_recording(depth)
    return depth > 1
