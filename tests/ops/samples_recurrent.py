"""Samples of recurrent layers; the references go step by step, forward and backward, as the formulas are written."""

from __future__ import annotations

from typing import Any

import numpy as np
from sampling import FLOATS, SAMPLES, Array, Samples, case, generator

_EMPTY = np.zeros(0)


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _order(steps: int, go_backwards: bool) -> list[int]:
    return list(range(steps))[:: -1 if go_backwards else 1]


def _step(cell: str, x: Array, h: Array, c: Array, kernel: Array, u: Array, bias: Any) -> tuple[Array, Array, Array]:
    """(h, c, what is kept) of one row."""
    n = len(h)
    a = x @ kernel if bias is None else x @ kernel + bias[: kernel.shape[1]]
    if cell == "simple_rnn":
        return np.tanh(a + h @ u), c, a
    if cell == "lstm":
        z = a + h @ u
        i, f, g, o = _sigmoid(z[:n]), _sigmoid(z[n : 2 * n]), np.tanh(z[2 * n : 3 * n]), _sigmoid(z[3 * n :])
        c = f * c + i * g
        return o * np.tanh(c), c, np.concatenate([i, f, g, o])
    if cell == "gru":
        p = h @ u if bias is None else h @ u + bias[3 * n :]
        z, r = _sigmoid(a[:n] + p[:n]), _sigmoid(a[n : 2 * n] + p[n : 2 * n])
        g = np.tanh(a[2 * n :] + r * p[2 * n :])
        kept = [z, r, g, p[2 * n :]]
    else:
        z, r = _sigmoid(a[:n] + h @ u[:, :n]), _sigmoid(a[n : 2 * n] + h @ u[:, n : 2 * n])
        g = np.tanh(a[2 * n :] + (r * h) @ u[:, 2 * n :])
        kept = [z, r, g]
    return z * h + (1 - z) * g, c, np.concatenate(kept)


def recurrent(
    x: Array,
    kernel: Array,
    u: Array,
    bias: Any = None,
    h0: Any = None,
    c0: Any = None,
    mask: Any = None,
    cell: str = "lstm",
    go_backwards: bool = False,
) -> tuple[Array, ...]:
    batch, steps, _ = x.shape
    n = len(u)
    parts = {"simple_rnn": 1, "lstm": 4, "gru": 4, "gru_reset_before": 3}[cell]
    states, cells, kept = np.zeros((batch, steps, n)), np.zeros((batch, steps, n)), np.zeros((batch, steps, parts * n))
    last_h, last_c = np.zeros((batch, n)), np.zeros((batch, n))
    for b in range(batch):
        h = np.zeros(n) if h0 is None else h0[b]
        c = np.zeros(n) if c0 is None else c0[b]
        for s, t in enumerate(_order(steps, go_backwards)):
            if mask is None or mask[b, t]:
                h, c, kept[b, t] = _step(cell, x[b, t], h, c, kernel, u, bias)
            states[b, s], cells[b, s] = h, c
        last_h[b], last_c[b] = h, c
    if cell != "lstm":
        last_c = cells = _EMPTY
    return states, last_h, last_c, cells, kept


def recurrent_grad(
    x: Array,
    kernel: Array,
    u: Array,
    states: Array,
    cells: Array,
    gates: Array,
    h0: Any = None,
    c0: Any = None,
    mask: Any = None,
    dstates: Any = None,
    dlast_h: Any = None,
    dlast_c: Any = None,
    cell: str = "lstm",
    go_backwards: bool = False,
    wanted: int = 63,
) -> tuple[Array, ...]:
    batch, steps, _ = x.shape
    n = len(u)
    dx, dkernel, du = np.zeros(x.shape), np.zeros(kernel.shape), np.zeros(u.shape)
    columns = kernel.shape[1]
    dbias = np.zeros(2 * columns if cell == "gru" else columns)
    dh0, dc0 = np.zeros((batch, n)), np.zeros((batch, n))
    for b in range(batch):
        dh = np.zeros(n) if dlast_h is None else dlast_h[b].copy()
        dc = np.zeros(n) if dlast_c is None or cell != "lstm" else dlast_c[b].copy()
        for s, t in reversed(list(enumerate(_order(steps, go_backwards)))):
            if dstates is not None:
                dh = dh + dstates[b, s]
            if mask is not None and not mask[b, t]:
                continue
            h = states[b, s - 1] if s else np.zeros(n) if h0 is None else h0[b]
            k = gates[b, t]
            z, r, g = k[:n], k[n : 2 * n], k[2 * n : 3 * n]  # or lstm's i, f, g
            if cell == "simple_rnn":
                da = dp = dh * (1 - states[b, s] ** 2)
                before = dp @ u.T
                du += np.outer(h, dp)
            elif cell == "lstm":
                o, c = k[3 * n :], cells[b, s]
                c_before = cells[b, s - 1] if s else np.zeros(n) if c0 is None else c0[b]
                dc = dc + dh * o * (1 - np.tanh(c) ** 2)
                slopes = [dc * g * z * (1 - z), dc * c_before * r * (1 - r), dc * z * (1 - g**2)]
                da = dp = np.concatenate([*slopes, dh * np.tanh(c) * o * (1 - o)])
                dc = dc * r
                before = dp @ u.T
                du += np.outer(h, dp)
            else:
                dg = dh * (1 - z) * (1 - g**2)
                dz = dh * (h - g) * z * (1 - z)
                if cell == "gru":
                    dr = dg * k[3 * n :] * r * (1 - r)
                    dp = np.concatenate([dz, dr, dg * r])
                    before = dh * z + dp @ u.T
                    du += np.outer(h, dp)
                    dbias[columns:] += dp
                else:
                    through = u[:, 2 * n :] @ dg
                    dr = through * h * r * (1 - r)
                    dp = np.concatenate([dz, dr])
                    before = dh * z + through * r + dp @ u[:, : 2 * n].T
                    du += np.concatenate([np.outer(h, dp), np.outer(r * h, dg)], axis=1)
                da = np.concatenate([dz, dr, dg])
            dx[b, t] = kernel @ da
            dkernel += np.outer(x[b, t], da)
            dbias[:columns] += da
            dh = before
        dh0[b], dc0[b] = dh, dc
    results = (dx, dkernel, du, dbias, dh0, dc0 if cell == "lstm" else _EMPTY)
    return tuple(y if wanted >> i & 1 else _EMPTY for i, y in enumerate(results))


def _inputs(cell: str, batch: int, steps: int, features: int, units: int) -> list[Array]:
    rng = generator(f"{cell}{batch}{steps}{units}")
    parts = {"simple_rnn": 1, "lstm": 4}.get(cell, 3)
    bias = 6 if cell == "gru" else parts
    shapes = [(batch, steps, features), (features, parts * units), (units, parts * units), (bias * units,)]
    return [rng.uniform(-1, 1, shape) for shape in shapes]


def _states(batch: int, units: int) -> list[Array]:
    return list(generator(f"states{batch}{units}").uniform(-1, 1, (2, batch, units)))


def _mask(batch: int, steps: int) -> Array:
    rng = generator(f"mask{batch}{steps}")
    return (np.arange(steps) < rng.integers(0, steps + 1, (batch, 1))) & (rng.uniform(size=(batch, steps)) < 0.8)


def _grad_inputs(cell: str, inputs: list[Array], h0: Any, c0: Any, mask: Any, go_backwards: bool) -> tuple[Array, ...]:
    x, kernel, u, bias = inputs
    states, last_h, _, cells, gates = recurrent(x, kernel, u, bias, h0, c0, mask, cell, go_backwards)
    rng = generator(f"gradients{cell}{x.shape}")
    some = [rng.uniform(-1, 1, y.shape) for y in (states, last_h, last_h)]
    return (x, kernel, u, states, cells, gates, h0, c0, mask, *(some if cell == "lstm" else [*some[:2], _EMPTY]))


_CELLS = ("simple_rnn", "lstm", "gru", "gru_reset_before")
_FORWARD = [case(*_inputs(cell, 3, 4, 2, 5), cell=cell) for cell in _CELLS]
_FORWARD += [case(*_inputs("lstm", 2, 3, 2, 5), *_states(2, 5), _mask(2, 3), cell="lstm", go_backwards=True)]
_FORWARD += [case(*_inputs("lstm", 0, 3, 2, 3), cell="lstm"), case(*_inputs("lstm", 2, 0, 2, 3), cell="lstm")]
_BACKWARD = []
for _cell in _CELLS:
    _h0, _c0 = _states(3, 4)
    _c0 = _c0 if _cell == "lstm" else np.zeros((3, 4))
    for _back in (False, True):
        _arguments = _grad_inputs(_cell, _inputs(_cell, 3, 5, 2, 4), _h0, _c0, _mask(3, 5), _back)
        _BACKWARD.append(case(*_arguments, cell=_cell, go_backwards=_back))
_BACKWARD.append(case(*_BACKWARD[2].inputs, cell="lstm", wanted=6))

SAMPLES["recurrent"] = Samples(
    recurrent,
    _FORWARD,
    case(*_inputs("lstm", 100, 5, 7, 40), *_states(100, 40), _mask(100, 5), cell="lstm"),
    FLOATS,
    data=(0, 1, 2, 3, 4, 5),
    tolerance=8,
)
SAMPLES["recurrent_grad"] = Samples(
    recurrent_grad,
    _BACKWARD,
    case(*_grad_inputs("gru", _inputs("gru", 100, 5, 7, 40), *_states(100, 40), _mask(100, 5), False), cell="gru"),
    FLOATS,
    data=(0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11),
    tolerance=32,
    results=6,  # then the memory it worked in
)
