// Division of many numbers by one without the processor's divider, which takes 10 (float) to 16 (double) cycles for 512
// bits where this takes about 5: a product with the reciprocal, corrected twice by the exact remainder.
// Invariant: the quotient is correctly rounded, so it has the bits of x / y (Markstein, IBM Journal of Research and
// Development 34, 1990: with r = 1 / y rounded correctly and q less than one unit in the last place from x / y,
// q + r (x - q y) rounds to x / y). That needs a fused product, and room at both ends of the range: see `serves`.
#pragma once

#include "simd/double_double.h"

namespace chainrule::CHAINRULE_ISA::simd {

template <class T>
class Divisor {
 public:
  explicit CR_INLINE Divisor(T y) : y_(y), reciprocal_(T(1) / y) {}

  // Whether y itself allows it; that also leaves negative ones to the divider, for the sake of 0 / y.
  static CR_INLINE bool serves(T y) { return kFusedMultiplyAdd && y >= 1 / kWidestDivisor && y <= kWidestDivisor; }
  // Whether |x| is 0 or in the range where the remainder x - q y is exact and q is normal.
  static CR_INLINE Mask<T> serves(Vec<T> x) {
    const Vec<T> size = absolute(x);
    return ((size >= 1 / kWidest) & (size <= kWidest)) | (x == T(0));
  }
  CR_INLINE Vec<T> quotient(Vec<T> x) const {
    Vec<T> q = x * reciprocal_;
    for (int step = 0; step < 2; ++step) q = fma(-fma(q, y_, -x), reciprocal_, q);  // signed so that -0 / y stays -0
    return q;
  }

 private:
  static constexpr T kWidestDivisor = sizeof(T) == 4 ? T(0x1p30) : T(0x1p200),
                     kWidest = sizeof(T) == 4 ? T(0x1p90) : T(0x1p700);
  Vec<T> y_, reciprocal_;
};

}  // namespace chainrule::CHAINRULE_ISA::simd
