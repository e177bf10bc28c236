// Sums and products with their rounding errors: a number kept as an unevaluated sum of two.
// Invariant: exact as long as nothing overflows or falls below the normal range; needs -ffp-contract=off.
#pragma once

#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA::simd {

template <class T>
struct Double {
  Vec<T> high, low;
};

// For |a| >= |b|, or a = 0.
template <class T>
CR_INLINE Double<T> fast_two_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> sum = a + b;
  return {sum, b - (sum - a)};
}
template <class T>
CR_INLINE Double<T> two_sum(Vec<T> a, Vec<T> b) {
  const Vec<T> sum = a + b, b_part = sum - a, a_part = sum - b_part;
  return {sum, (a - a_part) + (b - b_part)};
}
// Without a fused product: Dekker's, on factors cut in halves (|a|, |b| below 2^996, or 2^115 in float).
template <class T>
CR_INLINE Double<T> two_product(Vec<T> a, Vec<T> b) {
  const Vec<T> product = a * b;
  if constexpr (kFusedMultiplyAdd) return {product, fma(a, b, -product)};
  constexpr T splitter = sizeof(T) == 4 ? T(4097) : T(134217729);
  const Vec<T> a_wide = a * splitter, b_wide = b * splitter;
  const Vec<T> a_high = a_wide - (a_wide - a), b_high = b_wide - (b_wide - b);
  const Vec<T> a_low = a - a_high, b_low = b - b_high;
  return {product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low};
}
// c - a b, rounded once where fused products exist; otherwise exact where the result is a number of the format.
template <class T>
CR_INLINE Vec<T> residual(Vec<T> a, Vec<T> b, Vec<T> c) {
  if constexpr (kFusedMultiplyAdd) return fma(-a, b, c);
  const Double<T> product = two_product(a, b);
  return (c - product.high) - product.low;
}

}  // namespace chainrule::CHAINRULE_ISA::simd
