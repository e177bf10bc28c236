// Sums and maxima across the lanes of a vector by exchanges of halves, the result in every lane. For kernels whose rows
// are so short that simd::reduce_add, which goes through memory lane by lane, would take as long as the row itself.
// Invariant: one fixed tree, the same bits as simd::reduce_add.
#pragma once

#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {

// Lane i becomes lane (i + n) % kLanes.
template <int n, class T>
CR_INLINE simd::Vec<T> turned(simd::Vec<T> a) {
  using Native = typename simd::Vec<T>::Native;
  constexpr int lanes = simd::Vec<T>::kLanes;
  if constexpr (lanes == 16) {
    return simd::Vec<T>(static_cast<Native>(
        __builtin_shufflevector(a.v, a.v, n % 16, (n + 1) % 16, (n + 2) % 16, (n + 3) % 16, (n + 4) % 16, (n + 5) % 16,
                                (n + 6) % 16, (n + 7) % 16, (n + 8) % 16, (n + 9) % 16, (n + 10) % 16, (n + 11) % 16,
                                (n + 12) % 16, (n + 13) % 16, (n + 14) % 16, (n + 15) % 16)));
  } else if constexpr (lanes == 8) {
    return simd::Vec<T>(static_cast<Native>(__builtin_shufflevector(
        a.v, a.v, n % 8, (n + 1) % 8, (n + 2) % 8, (n + 3) % 8, (n + 4) % 8, (n + 5) % 8, (n + 6) % 8, (n + 7) % 8)));
  } else if constexpr (lanes == 4) {
    return simd::Vec<T>(
        static_cast<Native>(__builtin_shufflevector(a.v, a.v, n % 4, (n + 1) % 4, (n + 2) % 4, (n + 3) % 4)));
  } else {
    return simd::Vec<T>(static_cast<Native>(__builtin_shufflevector(a.v, a.v, n % 2, (n + 1) % 2)));
  }
}

template <class T, class F>
CR_INLINE simd::Vec<T> across(simd::Vec<T> a, F f) {
  constexpr int lanes = simd::Vec<T>::kLanes;
  if constexpr (lanes >= 16) a = f(a, turned<8>(a));
  if constexpr (lanes >= 8) a = f(a, turned<4>(a));
  if constexpr (lanes >= 4) a = f(a, turned<2>(a));
  return f(a, turned<1>(a));
}
template <class T>
CR_INLINE simd::Vec<T> sum_across(simd::Vec<T> a) {
  return across(a, [](simd::Vec<T> x, simd::Vec<T> y) { return x + y; });
}
// A NaN in some lane may be passed over.
template <class T>
CR_INLINE simd::Vec<T> max_across(simd::Vec<T> a) {
  return across(a, [](simd::Vec<T> x, simd::Vec<T> y) { return max_or_second(x, y); });
}

}  // namespace chainrule::CHAINRULE_ISA
