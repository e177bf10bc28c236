// Placeholder of the first build: C library by lane.
#pragma once

#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA::simd {
#define CR_U(name, f)                                                                                                  \
  CR_INLINE Vec<float> name(Vec<float> a) { Vec<float> r; for (int i = 0; i < Vec<float>::kLanes; ++i) r.v[i] = (float)__builtin_##f(a.v[i]); return r; } \
  CR_INLINE Vec<double> name(Vec<double> a) { Vec<double> r; for (int i = 0; i < Vec<double>::kLanes; ++i) r.v[i] = __builtin_##f(a.v[i]); return r; }
#define CR_B(name, f)                                                                                                  \
  CR_INLINE Vec<float> name(Vec<float> a, Vec<float> b) { Vec<float> r; for (int i = 0; i < Vec<float>::kLanes; ++i) r.v[i] = (float)__builtin_##f(a.v[i], b.v[i]); return r; } \
  CR_INLINE Vec<double> name(Vec<double> a, Vec<double> b) { Vec<double> r; for (int i = 0; i < Vec<double>::kLanes; ++i) r.v[i] = __builtin_##f(a.v[i], b.v[i]); return r; }
CR_U(exp, exp) CR_U(exp2, exp2) CR_U(expm1, expm1) CR_U(log, log) CR_U(log2, log2) CR_U(log10, log10) CR_U(log1p, log1p)
CR_U(sin, sin) CR_U(cos, cos) CR_U(tan, tan) CR_U(arcsin, asin) CR_U(arccos, acos) CR_U(arctan, atan) CR_U(sinh, sinh) CR_U(cosh, cosh) CR_U(tanh, tanh)
CR_U(arcsinh, asinh) CR_U(arccosh, acosh) CR_U(arctanh, atanh) CR_U(erf, erf) CR_U(erfc, erfc) CR_U(cbrt, cbrt)
CR_B(arctan2, atan2) CR_B(power, pow) CR_B(hypot, hypot) CR_B(fmod, fmod)
template <class T> CR_INLINE Vec<T> sign(Vec<T> a) { return where(a > 0, 1, where(a < 0, -1, a)); }
template <class T> CR_INLINE Vec<T> relu(Vec<T> a) { return where(a < 0, 0, a); }
template <class T> CR_INLINE Vec<T> sigmoid(Vec<T> a) { Vec<T> e = exp(-absolute(a)); return where(a < 0, e, 1) / (1 + e); }
template <class T> CR_INLINE Vec<T> softplus(Vec<T> a) { return maximum(a, Vec<T>(0)) + log1p(exp(-absolute(a))); }
template <class T> CR_INLINE Vec<T> gelu(Vec<T> a) { return Vec<T>(0.5) * a * erfc(a * Vec<T>(-0.70710678118654752440)); }
template <class T> CR_INLINE Vec<T> logaddexp(Vec<T> a, Vec<T> b) { return maximum(a, b) + log1p(exp(-absolute(a - b))); }
template <class T> CR_INLINE Vec<T> remainder(Vec<T> a, Vec<T> b) { Vec<T> r = fmod(a, b); return where(r == 0, copysign(r, b), where((r < 0) ^ (b < 0), r + b, r)); }
template <class T> CR_INLINE Vec<T> floor_divide(Vec<T> a, Vec<T> b) { return floor(a / b); }
}
