// The functions that elementwise.def names, for Vec<float> and Vec<double>.
// Invariants: a lane's result depends on that lane alone. NaN gives NaN, signed zeros, infinities, poles and numbers
// below the normal range are as in C and NumPy.
//
// Greatest errors measured by tests/cpp/test_math.cpp and tools/ulp.py, in units in the last place (float / double):
//   exactly or correctly rounded   sqrt floor ceil rint trunc fmod; power and hypot in float (0.50001)
//   below 1.2 / 1.2                exp exp2 log log2 log10 log1p erf cbrt; power and hypot in double
//   below 2.1 / 2.1                sin (1.5 / 0.8) cos (1.5 / 0.8) arcsin arccos arctan arctan2 cosh arcsinh
//                                  arccosh (2.04) arctanh (2.08) expm1 (1.7 / 2.1) softplus rsqrt
//   below 3.1 / 2.7                tan (3.1 / 2.0) sinh tanh sigmoid silu
//   below 4 / 4                    erfc (3.5 / 2.7) gelu (3.9 / 3.3; 4.3 in float without fused products)
// logaddexp, logaddexp2: 2 units of the greatest of |a|, |b| and the result, which may cancel.
#pragma once

#include "simd/arithmetic.h"
#include "simd/error_function.h"
#include "simd/exponential.h"
#include "simd/hyperbolic.h"
#include "simd/trigonometric.h"
#include "simd/vec.h"
