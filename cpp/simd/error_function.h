// The error function, its complement and gelu, for Vec<float> and Vec<double>.
// Method: erfc x = e^(-x^2) E(x) for x >= 1/2, where (1 + 2 x) E(x) is a polynomial in (x - 4) / (x + 4); the square is
// kept in two parts, since an error in the exponent is a relative error of the result. Nearer to 0, erf x = x + x
// P(x^2).
#pragma once

#include "simd/double_double.h"
#include "simd/exponential.h"

namespace chainrule::CHAINRULE_ISA::simd {

// erf x for |x| <= 1.
template <class T>
CR_INLINE Vec<T> erf_inner(Vec<T> x) {
  return fma(x, horner(x * x, Coefficients<T>::erf), x);
}
// factor * erfc(root y) for 1/2 <= root y <= 30, root being 1 or sqrt(1/2): the square of y, unlike that of root y, can
// be had in two parts. The exponential is applied last: a result below the normal range rounds once.
template <class T>
CR_INLINE Vec<T> erfc_outer(Vec<T> y, double root, double root_square, Vec<T> factor) {
  const Double<T> square = two_product(y, y);
  const ExpParts<T> e = exp_parts(-T(root_square) * square.high, -T(root_square) * square.low);
  const T centre = T(4 / root);
  const Vec<T> ratio =
      horner((y - centre) / (y + centre), Coefficients<T>::erfcx) / fma(Vec<T>(T(2 * root)), y, Vec<T>(1));
  const Vec<T> rest = factor * ratio;
  return scale(fma(rest, e.fraction, rest), e.n);
}
template <class T>
constexpr T kErfcEnd = sizeof(T) == 4 ? T(11) : T(28);  // erfc is 0 beyond

template <class T>
CR_INLINE Vec<T> erfc(Vec<T> x) {
  const Vec<T> size = min_or_second(Vec<T>(kErfcEnd<T>), absolute(x));
  const Vec<T> outer = erfc_outer(size, 1, 1, Vec<T>(1));
  return where(absolute(x) < T(0.5), 1 - erf_inner(x), where(x < 0, 2 - outer, outer));
}
template <class T>
CR_INLINE Vec<T> erf(Vec<T> x) {
  const Vec<T> size = min_or_second(Vec<T>(kErfcEnd<T>), absolute(x));
  return where(size < 1, erf_inner(x), copysign(1 - erfc_outer(size, 1, 1, Vec<T>(1)), x));
}
// x Phi(x), Phi(x) = erfc(-x / sqrt(2)) / 2.
template <class T>
CR_INLINE Vec<T> gelu(Vec<T> x) {
  const Vec<T> size = min_or_second(Vec<T>(kErfcEnd<T> * T(1.42)), absolute(x)), half = T(0.5) * size;
  constexpr double root = 0.70710678118654752440;
  const Vec<T> inner = half - half * erf_inner(size * T(root));
  const Vec<T> upper = where(size < T(root), inner, erfc_outer(size, root, 0.5, half));  // |x| (1 - Phi(|x|))
  return where(x < 0, -upper, x - upper);
}

}  // namespace chainrule::CHAINRULE_ISA::simd
