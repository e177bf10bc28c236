// The few vector operations the GEMM kernels are made of: whole and partial loads and stores, a pinned broadcast, and
// the in-lane transpose that packing rests on. Included by kernels/gemm*.cpp alone, once per instruction-set level.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define CR_GEMM_VECTOR_BYTES 64
#elif defined(__AVX__)
#define CR_GEMM_VECTOR_BYTES 32
#else
#define CR_GEMM_VECTOR_BYTES 16
#endif

#define CR_INLINE static inline __attribute__((always_inline))
#define CR_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CR_UNROLL(n) CR_PRAGMA(clang loop unroll(full))
#else
#define CR_UNROLL(n) CR_PRAGMA(GCC unroll n)
#endif

namespace chainrule::CHAINRULE_ISA {

template <class T>
constexpr int kLanes = CR_GEMM_VECTOR_BYTES / sizeof(T);

template <class T>
struct VectorOf {
  typedef T type __attribute__((vector_size(CR_GEMM_VECTOR_BYTES)));
  typedef T unaligned __attribute__((vector_size(CR_GEMM_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
CR_INLINE Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}
template <class T>
CR_INLINE void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}

// The first `lanes` (1 .. kLanes) elements of a vector; a partial load gives 0 in the others and touches no memory there.
// Inline assembly where the hardware has masked moves: their builtins differ between compilers.
template <class T>
struct Partial {
#if defined(__AVX512F__)
  uint16_t mask;
  explicit Partial(int lanes) : mask(static_cast<uint16_t>((1u << lanes) - 1)) {}
  Vector<T> load(const T* p) const {
    Vector<T> v;
    if constexpr (sizeof(T) == 4) {
      asm("vmovups %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "Yk"(mask));
    } else {
      asm("vmovupd %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "Yk"(mask));
    }
    return v;
  }
  void store(T* p, Vector<T> v) const {
    if constexpr (sizeof(T) == 4) {
      asm("vmovups %1, %0%{%2%}" : "+m"(*reinterpret_cast<typename VectorOf<T>::unaligned*>(p)) : "v"(v), "Yk"(mask));
    } else {
      asm("vmovupd %1, %0%{%2%}" : "+m"(*reinterpret_cast<typename VectorOf<T>::unaligned*>(p)) : "v"(v), "Yk"(mask));
    }
  }
#elif defined(__AVX__)
  Vector<T> mask;  // all bits set in the chosen lanes
  explicit Partial(int lanes) {
    static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
    memcpy(&mask, ones + 8 - lanes * static_cast<int>(sizeof(T) / 4), sizeof(mask));
  }
  Vector<T> load(const T* p) const {
    Vector<T> v;
    if constexpr (sizeof(T) == 4) {
      asm("vmaskmovps %1, %2, %0" : "=x"(v) : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "x"(mask));
    } else {
      asm("vmaskmovpd %1, %2, %0" : "=x"(v) : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "x"(mask));
    }
    return v;
  }
  void store(T* p, Vector<T> v) const {
    if constexpr (sizeof(T) == 4) {
      asm("vmaskmovps %1, %2, %0" : "+m"(*reinterpret_cast<typename VectorOf<T>::unaligned*>(p)) : "x"(v), "x"(mask));
    } else {
      asm("vmaskmovpd %1, %2, %0" : "+m"(*reinterpret_cast<typename VectorOf<T>::unaligned*>(p)) : "x"(v), "x"(mask));
    }
  }
#else
  int lanes;
  explicit Partial(int lanes_) : lanes(lanes_) {}
  Vector<T> load(const T* p) const {
    Vector<T> v = {};
    for (int l = 0; l < kLanes<T>; ++l) {
      if (l < lanes) v[l] = p[l];
    }
    return v;
  }
  void store(T* p, Vector<T> v) const {
    for (int l = 0; l < kLanes<T>; ++l) {
      if (l < lanes) p[l] = v[l];
    }
  }
#endif
};

// x in every lane, and in a register: without the pin the compiler reads memory again for each multiply-add.
template <class T>
CR_INLINE Vector<T> broadcast(T x) {
  Vector<T> v = x - Vector<T>{};
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

// ---- transposition. A vector is a row of 16-byte groups; loading group g of a vector from row g * R + r of the source
// (R = elements in a group) leaves only R x R transposes inside the groups, the same two or eight shuffles at any width.
template <class T>
constexpr int kGroup = 16 / sizeof(T);

template <class T, bool High, class V = Vector<T>>
CR_INLINE V interleave(V x, V y) {  // within each group: low (high) halves of x and y, alternating
  constexpr int n = kLanes<T>, h = High ? kGroup<T> / 2 : 0;
  if constexpr (sizeof(T) == 4 && n == 4) {
    return __builtin_shufflevector(x, y, h, n + h, h + 1, n + h + 1);
  } else if constexpr (sizeof(T) == 4 && n == 8) {
    return __builtin_shufflevector(x, y, h, n + h, h + 1, n + h + 1, h + 4, n + h + 4, h + 5, n + h + 5);
  } else if constexpr (sizeof(T) == 4) {
    return __builtin_shufflevector(x, y, h, n + h, h + 1, n + h + 1, h + 4, n + h + 4, h + 5, n + h + 5,  //
                                   h + 8, n + h + 8, h + 9, n + h + 9, h + 12, n + h + 12, h + 13, n + h + 13);
  } else if constexpr (n == 2) {
    return __builtin_shufflevector(x, y, h, n + h);
  } else if constexpr (n == 4) {
    return __builtin_shufflevector(x, y, h, n + h, h + 2, n + h + 2);
  } else {
    return __builtin_shufflevector(x, y, h, n + h, h + 2, n + h + 2, h + 4, n + h + 4, h + 6, n + h + 6);
  }
}

// out[p] = {row[0][p], row[1][p], ..., row[lanes - 1][p]} for p < kGroup<T>.
template <class T>
CR_INLINE void transpose_group(const T* const* row, int64_t p, Vector<T>* out) {
  typedef T Group __attribute__((vector_size(16)));
  typedef T UnalignedGroup __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));
  constexpr int groups = kLanes<T> / kGroup<T>;
  Vector<T> x[kGroup<T>];
  CR_UNROLL(4)
  for (int r = 0; r < kGroup<T>; ++r) {
    union {
      Vector<T> whole;
      Group part[groups];
    } joined;
    CR_UNROLL(4)
    for (int g = 0; g < groups; ++g) joined.part[g] = *reinterpret_cast<const UnalignedGroup*>(row[g * kGroup<T> + r] + p);
    x[r] = joined.whole;
  }
  if constexpr (sizeof(T) == 8) {
    out[0] = interleave<T, false>(x[0], x[1]);
    out[1] = interleave<T, true>(x[0], x[1]);
  } else {
    // Pairs of floats moved as doubles in the second step.
    using D = Vector<double>;
    const D a = reinterpret_cast<D>(interleave<T, false>(x[0], x[1])), b = reinterpret_cast<D>(interleave<T, false>(x[2], x[3]));
    const D c = reinterpret_cast<D>(interleave<T, true>(x[0], x[1])), d = reinterpret_cast<D>(interleave<T, true>(x[2], x[3]));
    out[0] = reinterpret_cast<Vector<T>>(interleave<double, false>(a, b));
    out[1] = reinterpret_cast<Vector<T>>(interleave<double, true>(a, b));
    out[2] = reinterpret_cast<Vector<T>>(interleave<double, false>(c, d));
    out[3] = reinterpret_cast<Vector<T>>(interleave<double, true>(c, d));
  }
}

}  // namespace chainrule::CHAINRULE_ISA
