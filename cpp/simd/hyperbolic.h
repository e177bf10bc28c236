// Hyperbolic functions of Vec<float> and Vec<double>, their inverses, and the functions of neurons made of
// exponentials.
#pragma once

#include "simd/exponential.h"

namespace chainrule::CHAINRULE_ISA::simd {

// ---- hyperbolic functions
template <class T>
CR_INLINE Vec<T> sinh(Vec<T> x) {
  const Vec<T> size = absolute(x), t = expm1(min_or_second(Vec<T>(1), size));
  const Vec<T> half = exp_shifted(size, T(-1), Vec<T>(kNoTail<T>));
  const Vec<T> small = T(0.5) * (t + t / (t + 1)), large = half - T(0.25) / half;
  return copysign(where(size < 1, small, large), x);
}
template <class T>
CR_INLINE Vec<T> cosh(Vec<T> x) {
  const Vec<T> half = exp_shifted(absolute(x), T(-1), Vec<T>(kNoTail<T>));
  return half + T(0.25) / half;
}
// With t = e^2|x| - 1: t / (t + 2), or 1 - 2 / (t + 2) where that is the more accurate.
template <class T>
CR_INLINE Vec<T> tanh(Vec<T> x) {
  const Vec<T> size = min_or_second(Vec<T>(T(sizeof(T) == 4 ? 10 : 20)), absolute(x));
  const Vec<T> t = expm1_small(size + size);
  const Mask<T> large = size > T(0.55);
  return copysign(where(large, 1, Vec<T>(0)) + where(large, T(-2), t) / (t + 2), x);
}
template <class T>
constexpr T kGreatSquare = sizeof(T) == 4 ? T(1e8) : T(1e16);  // x^2 + 1 is x^2 above
template <class T>
constexpr T kLn2 = T(0.69314718055994530942);

template <class T>
CR_INLINE Vec<T> arcsinh(Vec<T> x) {
  const Vec<T> size = absolute(x), t = min_or_second(Vec<T>(kGreatSquare<T>), size), square = t * t;
  const Vec<T> small = log1p(t + square / (1 + sqrt(square + 1)));
  return copysign(where(size < kGreatSquare<T>, small, log(size) + kLn2<T>), x);
}
template <class T>
CR_INLINE Vec<T> arccosh(Vec<T> x) {
  const Vec<T> t = min_or_second(Vec<T>(kGreatSquare<T>), x) - 1;
  const Vec<T> small = log1p(t + sqrt(2 * t + t * t));
  return where(x < 1, kNaN<T>, where(x < kGreatSquare<T>, small, log(x) + kLn2<T>));
}
template <class T>
CR_INLINE Vec<T> arctanh(Vec<T> x) {
  const Vec<T> size = absolute(x);
  return copysign(T(0.5) * log1p(2 * size / (1 - size)), x);
}

// ---- functions of neurons
template <class T>
CR_INLINE Vec<T> sigmoid(Vec<T> x) {
  const Vec<T> e = exp(-absolute(x));
  return where(x < 0, e, Vec<T>(1)) / (1 + e);
}
// x sigmoid(x); the exponential is applied last, so that a result below the normal range rounds once.
template <class T>
CR_INLINE Vec<T> silu(Vec<T> x) {
  const Vec<T> size = min_or_second(Vec<T>(T(sizeof(T) == 4 ? 120 : 760)), absolute(x));
  const ExpParts<T> p = exp_parts(-size, Vec<T>(kNoTail<T>));
  const Vec<T> mantissa = 1 + p.fraction, sum = 1 + scale(mantissa, p.n);
  return where(x < 0, scale(-size * mantissa, p.n), x) / sum;
}
template <class T>
CR_INLINE Vec<T> softplus(Vec<T> x) {
  // One term alone may be NaN: which of two NaNs a sum keeps is up to the compiler.
  return where(x > 0, x, 0) + log1p(exp(-absolute(x)));
}
template <class T>
CR_INLINE Vec<T> relu(Vec<T> x) {
  return where(x < 0, 0, x);
}

}  // namespace chainrule::CHAINRULE_ISA::simd
