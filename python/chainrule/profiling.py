"""Seeing what runs: :func:`explain` shows a recorded program, :func:`profile` measures ops and steps of programs."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any

from . import _core

__all__ = ["LayerRow", "Profile", "ProfileRow", "explain", "profile"]

Operand = tuple[str, tuple[int, ...]]  # dtype and shape


def explain(jitted: Any, *args: Any, **kwargs: Any) -> str:
    """Prints the program that a jitted function runs, and returns the text.

    The first line gives the number of steps, the bytes of its temporaries and the instruction set of its kernels; then
    comes one line for each step: results, op (``fused[...]`` for elementwise ops that run as one) and operands, as
    ``in0`` (an argument), ``state1`` (memory from outside, such as weights) or ``%2`` (a temporary) with dtype and
    shape.

    Args:
        jitted: what :func:`chainrule.jit` returned.
        args, kwargs: those of a call; its program is recorded if it is new, and not run. Without any: all programs
            recorded so far.

    Raises:
        TypeError: ``jitted`` isn't jitted.
        ValueError: no arguments, and nothing is recorded yet.
        RuntimeError: inside of a recording, or where a gradient flows through and no program is used.

    Example:
        >>> text = chainrule.explain(chainrule.jit(lambda x: np.exp(x) + 1), np.ones(3))  # doctest: +SKIP
        1 steps, arena 0 bytes, kernels x86_64_v4
        %1:float64(3,) = fused[exp add](in0:float64(3,), ...)
    """
    find = getattr(jitted, "find", None)
    if find is None or not hasattr(jitted, "programs"):
        raise TypeError(f"explain: expected a function from chainrule.jit, got {type(jitted).__name__}; wrap it in jit")
    if _core.tracing():
        raise RuntimeError("explain: a program is being recorded; call explain outside of jitted functions")
    if args or kwargs:
        found = find(jitted, args, kwargs)
        if found is None:
            raise RuntimeError("explain: a gradient is recorded through these arguments, so no program is used")
        recorded = [found[0]]
    else:
        recorded = list(jitted.programs.values())
        if not recorded:
            raise ValueError("explain: nothing is recorded yet; call the function, or give explain its arguments")
    text = "\n".join(one.program.describe() for one in recorded)
    print(text, end="")
    return text


class _Rates:
    seconds: float
    bytes: int
    flops: int | None

    @property
    def gflops(self) -> float | None:
        """10^9 floating-point operations a second."""
        return self.flops / self.seconds / 1e9 if self.flops is not None and self.seconds else None

    @property
    def gbytes(self) -> float | None:
        """10^9 bytes a second."""
        return self.bytes / self.seconds / 1e9 if self.bytes and self.seconds else None


@dataclasses.dataclass(frozen=True)
class ProfileRow(_Rates):
    """The calls of one op in one layer on operands of the same dtypes and shapes.

    Attributes:
        op: the op's name; of a program's step as in :func:`explain`.
        layer: the path of the Keras layer that called it, as in the paths of its weights (``"sequential/dense"``); an
            op of the backward pass counts for the layer of its forward op, a step that was fused for the layer of its
            product, or else for all layers it has ops of, joined by ``+``. Empty outside of layers (loss, metrics,
            optimizer, code without layers).
        inputs, outputs: ``(dtype, shape)`` of each.
        calls: how many.
        seconds: the time of all of them.
        share: ``seconds`` as a part of the sum of all rows.
        bytes: of inputs and outputs, all calls: an operand counts once, twice if changed in place, views not at all.
            Ops that read only parts of an operand (``take``, ``embedding``) move less than this.
        flops: of all calls, a multiply-add being two; None where the shapes don't tell.
        peak: the flops per second that multiply-adds on registers alone reach in this dtype on all threads of this
            machine, measured at the end of the block; None without ``flops`` and for types other than float32 and
            float64.
    """

    op: str
    layer: str
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    calls: int
    seconds: float
    share: float
    bytes: int
    flops: int | None
    peak: float | None

    @property
    def share_of_peak(self) -> float | None:
        """The rate as a part of ``peak``."""
        return self.flops / self.seconds / self.peak if self.flops is not None and self.peak and self.seconds else None


@dataclasses.dataclass(frozen=True)
class LayerRow(_Rates):
    """What ran for one layer, forward and backward: the sum of its :class:`ProfileRow`.

    Attributes:
        layer, calls, seconds, share, bytes: as there.
        flops: of those rows that tell; None if none does. ``gflops`` divides them by the time of all.
        share_of_peak: the time that these would take at the peak, as a part of ``seconds``.
    """

    layer: str
    calls: int
    seconds: float
    share: float
    bytes: int
    flops: int | None
    share_of_peak: float | None


def _flops(op: str, inputs: tuple[Operand, ...], outputs: tuple[Operand, ...]) -> int | None:
    """Of one call: products 2mnk; convolutions as if nothing were padding; recurrences their products with weights."""
    shapes = [shape for _, shape in inputs]
    name = op.partition("<")[0]
    if name in ("matmul", "matmul_bias_act"):
        return 2 * math.prod(outputs[0][1]) * shapes[0][-1]
    if name in ("matmul_sgd_update", "matmul_adam_update", "matmul_rmsprop_update"):
        return 2 * math.prod(shapes[0]) * shapes[1][-1]
    if name in ("conv", "conv_bias_act"):
        return 2 * math.prod(outputs[0][1]) * math.prod(shapes[1][:-1])
    if name == "conv_input_grad":
        return 2 * math.prod(shapes[0]) * math.prod(shapes[1][:-1])
    if name == "conv_kernel_grad":
        return 2 * math.prod(shapes[1]) * math.prod(outputs[0][1][:-1])
    if name == "recurrent":
        return 2 * math.prod(shapes[0][:2]) * (math.prod(shapes[1]) + math.prod(shapes[2]))
    return None


def _operands(operands: tuple[Operand, ...]) -> str:
    return " ".join(f"{dtype}({','.join(map(str, shape))})" for dtype, shape in operands)


_PEAK_TYPES = ("float32", "float64")


def _by_layer(rows: list[ProfileRow]) -> list[LayerRow]:
    groups: dict[str, list[ProfileRow]] = {}
    for row in rows:
        groups.setdefault(row.layer, []).append(row)
    layers = []
    for layer, members in groups.items():
        seconds = sum(row.seconds for row in members)
        flops = [row.flops for row in members if row.flops is not None]
        at_peak = [row.flops / row.peak for row in members if row.flops is not None and row.peak]
        layers.append(
            LayerRow(
                layer,
                sum(row.calls for row in members),
                seconds,
                sum(row.share for row in members),
                sum(row.bytes for row in members),
                sum(flops) if flops else None,
                sum(at_peak) / seconds if at_peak and seconds else None,
            )
        )
    return sorted(layers, key=lambda row: -row.seconds)


def _aligned(lines: list[tuple[str, ...]], left: tuple[int, ...]) -> list[str]:
    """The lines with columns of equal width; those of ``left`` begin, the others end together."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _figures(row: ProfileRow | LayerRow) -> tuple[str, ...]:
    rates = ["" if rate is None else f"{rate:.1f}" for rate in (row.gflops, row.gbytes)]
    of_peak = "" if row.share_of_peak is None else f"{row.share_of_peak:.1%}"
    return str(row.calls), f"{row.seconds * 1e3:.3f}", f"{row.share:.1%}", rates[0], of_peak, rates[1]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


class Profile:
    """What :func:`profile` gives: the measurement of a ``with`` block.

    Attributes:
        rows: a list of :class:`ProfileRow`, longest first; empty until the block ends.
        layers: a list of :class:`LayerRow`, longest first; what ran outside of layers is the one named ``""``.
        seconds: from the start of the block to its end.
    """

    def __init__(self) -> None:
        self.rows: list[ProfileRow] = []
        self.layers: list[LayerRow] = []
        self.seconds = 0.0
        self._start = 0.0

    def __enter__(self) -> Profile:
        _core.start_profile()
        self.rows, self.layers = [], []
        self._start = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds = time.perf_counter() - self._start
        rows = _core.stop_profile()
        total = sum(row[5] for row in rows)
        peaks: dict[str, float] = {}
        for op, layer, inputs, outputs, calls, seconds, moved in rows:
            flops, peak = _flops(op, inputs, outputs), None
            if flops is not None:
                flops *= calls
                dtype = inputs[0][0]
                if dtype in _PEAK_TYPES:
                    if dtype not in peaks:
                        peaks[dtype] = _core.measure_peak(dtype)
                    peak = peaks[dtype]
            share = seconds / total if total else 0.0
            self.rows.append(ProfileRow(op, layer, inputs, outputs, calls, seconds, share, moved, flops, peak))
        self.layers = _by_layer(self.rows)

    def __repr__(self) -> str:
        return f"<Profile: {len(self.rows)} rows, {self.seconds:.3g} s>"

    def __str__(self) -> str:
        """The table by op; behind it that by layer, if there are layers."""
        figures = ("calls", "ms", "share", "GFLOP/s", "of peak", "GB/s")
        in_layers = any(row.layer for row in self.rows)
        lines: list[tuple[str, ...]] = [("op", *(("layer",) if in_layers else ()), *figures, "inputs")]
        for row in self.rows:
            layer = (_cut(row.layer, 40),) if in_layers else ()
            lines.append((_cut(row.op, 40), *layer, *_figures(row), _cut(_operands(row.inputs), 80)))
        text = _aligned(lines, (0, 1, len(lines[0]) - 1) if in_layers else (0, len(lines[0]) - 1))
        if in_layers:
            lines = [("layer", *figures)]
            lines += [(_cut(each.layer, 60) or "(outside of layers)", *_figures(each)) for each in self.layers]
            text += ["", *_aligned(lines, (0,)), ""]
        measured = sum(row.seconds for row in self.rows)
        text.append(f"{measured * 1e3:.3f} ms in ops, {self.seconds * 1e3:.3f} ms from start to end")
        return "\n".join(text)


def profile() -> Profile:
    """Measures, within a ``with`` block, every op called eagerly and every step of every program run.

    It sees the ops of all threads of the process, and sums them by name, Keras layer and operands, and again by layer.
    ``print(p)`` gives the tables, the longest first; ``p.rows`` and ``p.layers`` the numbers, with the share of the
    machine's peak, which is measured at the end of the block (a few milliseconds). The time of an op is that of
    computing it, with the memory of its results, in the thread that called it; what Python does between ops is in
    ``p.seconds`` only. Measuring a step takes about a microsecond outside of its time. Without a profile nothing is
    measured or kept.

    Raises:
        RuntimeError: on entering, if another profile is on (in any thread).

    Example:
        >>> with chainrule.profile() as p:
        ...     y = np.ones((64, 32)) @ np.ones((32, 16))
        >>> [(row.op, row.calls, row.flops) for row in p.rows if row.op == "matmul"]
        [('matmul', 1, 65536)]
    """
    return Profile()
