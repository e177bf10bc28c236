// The functions that elementwise.def names, for Vec<float> and Vec<double>.
// Invariants: a lane's result depends on that lane alone. NaN gives NaN, signed zeros, infinities, poles and numbers below
// the normal range are as in C and NumPy. sqrt, floor, ceil, rint, trunc, fmod and remainder are exact or correctly rounded.
#pragma once

#include "simd/arithmetic.h"
#include "simd/error_function.h"
#include "simd/exponential.h"
#include "simd/hyperbolic.h"
#include "simd/trigonometric.h"
#include "simd/vec.h"
