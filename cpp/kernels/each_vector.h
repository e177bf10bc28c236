// A loop over an array in vectors whose last one may be shorter: the body gets the place of each vector, which loads
// and stores all of it or only the lanes that there are.
#pragma once
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {

using simd::Vec;

template <class T>
struct Whole {
  int64_t at;
  CR_INLINE Vec<T> load(const T* p) const { return Vec<T>::load(p + at); }
  CR_INLINE void store(T* p, Vec<T> value) const { value.store(p + at); }
};
template <class T>
struct Part {
  int64_t at, count;
  CR_INLINE Vec<T> load(const T* p) const { return Vec<T>::load(p + at, count); }
  CR_INLINE void store(T* p, Vec<T> value) const { value.store(p + at, count); }
};

template <class T, class Body>
CR_INLINE void each_vector(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + Vec<T>::kLanes <= n; i += Vec<T>::kLanes) body(Whole<T>{i});
  if (i < n) body(Part<T>{i, n - i});
}

}  // namespace chainrule::CHAINRULE_ISA
