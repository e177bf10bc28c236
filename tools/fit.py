"""Fits the polynomials of cpp/simd and writes cpp/simd/coefficients.h.

Each polynomial interpolates its function at Chebyshev nodes, in 80-digit arithmetic; that is within a small factor of
the minimax error. Needs mpmath, which the library itself does not:

    python tools/fit.py > cpp/simd/coefficients.h       # the header; errors of each fit go to standard error
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import mpmath as mp
import numpy as np

mp.mp.dps = 80
Function = Callable[[mp.mpf], mp.mpf]


class Fit(NamedTuple):
    name: str
    meaning: str
    function: Function
    low: mp.mpf
    high: mp.mpf
    degree_float: int  # 0: this type has no such polynomial
    degree_double: int


def chebyshev_fit(f: Function, low: mp.mpf, high: mp.mpf, degree: int) -> list[mp.mpf]:
    """Coefficients, lowest power first, of the polynomial through f at the Chebyshev nodes of [low, high]."""
    n = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n)) for i in range(n)]
    table = [f(x) for x in nodes]
    for order in range(1, n):  # Newton's divided differences
        for i in range(n - 1, order - 1, -1):
            table[i] = (table[i] - table[i - 1]) / (nodes[i] - nodes[i - order])
    polynomial = [table[-1]]
    for i in range(n - 2, -1, -1):  # multiply by (x - node), add the next difference
        shifted = [mp.mpf(0), *polynomial]
        polynomial = [s - nodes[i] * p for s, p in zip(shifted, [*polynomial, mp.mpf(0)], strict=True)]
        polynomial[0] += table[i]
    return polynomial


def error_bits(f: Function, coefficients: list[mp.mpf], low: mp.mpf, high: mp.mpf) -> float:
    """log2 of the greatest relative error on a grid."""
    worst = mp.mpf(0)
    for i in range(401):
        x = low + (high - low) * i / 400
        value = f(x)
        worst = max(worst, abs(mp.polyval(coefficients[::-1], x) / value - 1))
    return float(mp.log(worst, 2))


def even_series(f: Function, limit: mp.mpf) -> Function:
    """f is singular only in form at 0: use the limit there."""
    return lambda z: limit if abs(z) < mp.mpf(10) ** -30 else f(z)


def atanh_ratio(z: mp.mpf) -> mp.mpf:
    s = mp.sqrt(z)
    return mp.atanh(s) / s


ERFCX_CENTRE = mp.mpf(4)


def scaled_erfcx(t: mp.mpf) -> mp.mpf:
    x = ERFCX_CENTRE * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


HALF_LN2 = mp.log(2) / 2 * (1 + mp.mpf(2) ** -10)
LOG_END = mp.mpf(1) / 25 * (1 + mp.mpf(2) ** -10)  # (1 + s) / (1 - s) = 3/2 for s = 1/5
QUARTER_PI2 = (mp.pi / 4) ** 2 * (1 + mp.mpf(2) ** -10)
ATAN_END = mp.tan(mp.pi / 8) ** 2 * (1 + mp.mpf(2) ** -10)
ERFCX_LOW = (mp.mpf("0.49") - ERFCX_CENTRE) / (mp.mpf("0.49") + ERFCX_CENTRE)
ERFCX_HIGH = (30 - ERFCX_CENTRE) / (30 + ERFCX_CENTRE)

FITS = [
    Fit("exp", "(e^r - 1 - r) / r^2 for |r| <= ln(2) / 2",
        even_series(lambda r: (mp.expm1(r) - r) / r**2, mp.mpf(1) / 2), -HALF_LN2, HALF_LN2, 4, 9),
    Fit("log", "(log((1 + s) / (1 - s)) / s - 2) / z, z = s^2, for (1 + s) / (1 - s) in [3/4, 3/2]",
        even_series(lambda z: (2 * atanh_ratio(z) - 2) / z, mp.mpf(2) / 3), mp.mpf(0), LOG_END, 2, 7),
    Fit("exp_short", "as exp, where doubles serve a float result",
        even_series(lambda r: (mp.expm1(r) - r) / r**2, mp.mpf(1) / 2), -HALF_LN2, HALF_LN2, 0, 5),
    Fit("log_short", "as log, where doubles serve a float result",
        even_series(lambda z: (2 * atanh_ratio(z) - 2) / z, mp.mpf(2) / 3), mp.mpf(0), LOG_END, 0, 4),
    Fit("sin", "(sin(r) - r) / r^3 in z = r^2 for |r| <= pi / 4",
        even_series(lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 6), mp.mpf(0), QUARTER_PI2, 2, 5),
    Fit("cos", "(cos(r) - 1 + z / 2) / z^2, z = r^2, for |r| <= pi / 4",
        even_series(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, mp.mpf(1) / 24), mp.mpf(0), QUARTER_PI2, 2, 5),
    Fit("arctan", "(arctan(r) - r) / r^3 in z = r^2 for |r| <= tan(pi / 8)",
        even_series(lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, -mp.mpf(1) / 3), mp.mpf(0), ATAN_END, 4, 10),
    Fit("arcsin", "(arcsin(r) - r) / r^3 in z = r^2 for |r| <= 1/2",
        even_series(lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, mp.mpf(1) / 6),
        mp.mpf(0), mp.mpf("0.2501"), 4, 12),
    Fit("erf", "erf(x) / x - 1 in z = x^2 for |x| <= 1",
        even_series(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, 2 / mp.sqrt(mp.pi) - 1),
        mp.mpf(0), mp.mpf(1), 7, 12),
    Fit("erfcx", "(1 + 2 x) e^(x^2) erfc(x) in t = (x - 4) / (x + 4) for 1/2 <= x <= 30",
        scaled_erfcx, ERFCX_LOW, ERFCX_HIGH, 12, 21),
    Fit("cbrt", "first guess of the cube root of x in [1, 8)", mp.cbrt, mp.mpf(1), mp.mpf(8), 4, 4),
    Fit("power", "(atanh(s) / s - 1 - z / 3) / z^2, z = s^2, as for log",
        even_series(lambda z: (atanh_ratio(z) - 1 - z / 3) / z**2, mp.mpf(1) / 5), mp.mpf(0), LOG_END, 2, 8),
]  # fmt: skip


def split(value: mp.mpf, bits: int) -> tuple[mp.mpf, mp.mpf]:
    """The first `bits` bits of value, and the rest."""
    scale = mp.mpf(2) ** (bits - 1 - int(mp.floor(mp.log(abs(value), 2))))
    head = mp.floor(value * scale) / scale
    return head, value - head


def literal(value: mp.mpf, dtype: str) -> str:
    return f"{float(np.float32(float(value))):.9g}f" if dtype == "float" else f"{float(value):.17g}"


def constants(dtype: str) -> list[tuple[str, str, list[mp.mpf]]]:
    """Numbers cut in parts whose products with a small whole number are exact."""
    half, short = (24, 12) if dtype == "float" else (53, 33)
    log_bits = 16 if dtype == "float" else 42
    ln2 = split(mp.log(2), log_bits)
    inverse_ln2 = split(1 / mp.log(2), short - (0 if dtype == "float" else 9))
    inverse_ln10 = split(1 / mp.log(10), short - (0 if dtype == "float" else 9))
    log10_2 = split(mp.log10(2), log_bits)
    pi_2 = split(mp.pi / 2, half)
    pi_4 = split(mp.pi / 4, half)
    pi = split(mp.pi, half)
    cut = [mp.pi / 2]  # each part rounded to the format
    for _ in range(2):
        head = mp.mpf(float(np.float32(float(cut[-1])))) if dtype == "float" else mp.mpf(float(cut[-1]))
        cut[-1:] = [head, cut[-1] - head]
    return [
        ("ln2", "ln 2", list(ln2)),
        ("inverse_ln2", "1 / ln 2", list(inverse_ln2)),
        ("inverse_ln10", "1 / ln 10", list(inverse_ln10)),
        ("log10_2", "log10(2)", list(log10_2)),
        ("pi_4", "pi / 4", list(pi_4)),
        ("pi_2", "pi / 2", list(pi_2)),
        ("pi", "pi", list(pi)),
        ("pi_2_near", "pi / 2", cut),
    ]


def array(dtype: str, name: str, values: list[mp.mpf], comment: str) -> str:
    lines = [f"  // {comment}"] if comment else []
    line = f"  static constexpr {dtype} {name}[] = {{"
    for i, value in enumerate(values):
        piece = literal(value, dtype) + (", " if i + 1 < len(values) else "};")
        if len(line) + len(piece) > 118:
            lines.append(line.rstrip())
            line = "      "
        line += piece
    return "\n".join([*lines, line])


def main() -> None:
    out = [
        "// Coefficients of the polynomials and constants in parts behind simd/math.h, lowest power first.",
        "// Written by tools/fit.py (Chebyshev interpolation in 80-digit arithmetic): change that file, not this one.",
        "#pragma once",
        "",
        '#include "simd/vec.h"',
        "",
        "// clang-format off",
        "namespace chainrule::CHAINRULE_ISA::simd {",
        "",
        "template <class T> struct Coefficients;",
    ]
    for dtype in ("float", "double"):
        out += ["", f"template <> struct Coefficients<{dtype}> {{"]
        for fit in FITS:
            degree = fit.degree_float if dtype == "float" else fit.degree_double
            if degree == 0:
                continue
            coefficients = chebyshev_fit(fit.function, fit.low, fit.high, degree)
            bits = error_bits(fit.function, coefficients, fit.low, fit.high)
            print(f"{dtype:6} {fit.name:8} degree {degree:2}: relative error 2^{bits:.1f}", file=sys.stderr)
            out.append(array(dtype, fit.name, coefficients, fit.meaning))
        for name, meaning, parts in constants(dtype):
            count = {2: "two", 3: "three"}[len(parts)]
            out.append(array(dtype, name, parts, f"{meaning} in {count} parts"))
        out.append("};")
    # pi / 2 in parts of 33 bits: a product with a whole number below 2^20 is exact in double.
    parts, rest = [], mp.pi / 2
    for _ in range(3):
        head, rest = split(rest, 33)
        parts.append(head)
    parts.append(rest)
    out += ["", "// pi / 2 in parts of 33 bits, the last of 53"]
    out.append(array("double", "kHalfPi", parts, "").replace("  static constexpr", "constexpr", 1))
    # The binary digits of 2 / pi after the point, 64 leading zeros first.
    with mp.workdps(500):
        digits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (64 * 20)))
    words = [0] + [(digits >> (64 * (19 - i))) & (2**64 - 1) for i in range(20)]
    out += ["// 64 zeros, then the binary digits of 2 / pi after the point", "constexpr uint64_t kTwoOverPi[] = {"]
    for i in range(0, len(words), 4):
        out.append("    " + " ".join(f"0x{w:016x}," for w in words[i : i + 4]))
    out += ["};", "", "}  // namespace chainrule::CHAINRULE_ISA::simd"]
    print("\n".join(out))


if __name__ == "__main__":
    main()
