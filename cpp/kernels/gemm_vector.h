// The few vector operations the GEMM kernels are made of: whole and partial loads and stores, a pinned broadcast, and
// the transpose that packing rests on. Included by kernels/gemm*.cpp alone, once per instruction-set level.
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

// The first `lanes` (1 .. kLanes) elements of a vector; a partial load gives 0 in the others and touches no memory
// there. Inline assembly where the hardware has masked moves: their builtins differ between compilers.
template <class T>
struct Partial {
#if defined(__AVX512F__)
  uint16_t mask;
  explicit Partial(int lanes) : mask(static_cast<uint16_t>((1u << lanes) - 1)) {}
  Vector<T> load(const T* p) const {
    Vector<T> v;
    if constexpr (sizeof(T) == 4) {
      asm("vmovups %1, %0%{%2%}%{z%}"
          : "=v"(v)
          : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "Yk"(mask));
    } else {
      asm("vmovupd %1, %0%{%2%}%{z%}"
          : "=v"(v)
          : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "Yk"(mask));
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
      asm("vmaskmovps %1, %2, %0"
          : "=x"(v)
          : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "x"(mask));
    } else {
      asm("vmaskmovpd %1, %2, %0"
          : "=x"(v)
          : "m"(*reinterpret_cast<const typename VectorOf<T>::unaligned*>(p)), "x"(mask));
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

// ---- transposition of kLanes x kLanes elements in registers: first whole 16-byte groups change places between
// vectors, then elements inside the groups; two kinds of shuffle each, the same at any width.
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

using Doubles = Vector<double>;

#if CR_GEMM_VECTOR_BYTES == 64
CR_INLINE Doubles even_groups(Doubles x, Doubles y) { return __builtin_shufflevector(x, y, 0, 1, 4, 5, 8, 9, 12, 13); }
CR_INLINE Doubles odd_groups(Doubles x, Doubles y) { return __builtin_shufflevector(x, y, 2, 3, 6, 7, 10, 11, 14, 15); }
CR_INLINE void transpose_groups(Doubles* x, int step) {
  const Doubles a = even_groups(x[0], x[step]), b = odd_groups(x[0], x[step]);
  const Doubles c = even_groups(x[2 * step], x[3 * step]), d = odd_groups(x[2 * step], x[3 * step]);
  x[0] = even_groups(a, c), x[step] = even_groups(b, d), x[2 * step] = odd_groups(a, c), x[3 * step] = odd_groups(b, d);
}
#elif CR_GEMM_VECTOR_BYTES == 32
CR_INLINE void transpose_groups(Doubles* x, int step) {
  const Doubles a = x[0], b = x[step];
  x[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5), x[step] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
}
#else
CR_INLINE void transpose_groups(Doubles*, int) {}
#endif

template <class T>
CR_INLINE void transpose(Vector<T>* rows) {
  Doubles x[kLanes<T>];
  CR_UNROLL(16)
  for (int i = 0; i < kLanes<T>; ++i) x[i] = reinterpret_cast<Doubles>(rows[i]);
  CR_UNROLL(4)
  for (int r = 0; r < kGroup<T>; ++r) transpose_groups(x + r, kGroup<T>);
  CR_UNROLL(16)
  for (int i = 0; i < kLanes<T>; i += kGroup<T>) {
    if constexpr (sizeof(T) == 8) {
      rows[i] = interleave<T, false>(x[i], x[i + 1]);
      rows[i + 1] = interleave<T, true>(x[i], x[i + 1]);
    } else {
      using V = Vector<T>;
      const V y[4] = {reinterpret_cast<V>(x[i]), reinterpret_cast<V>(x[i + 1]), reinterpret_cast<V>(x[i + 2]),
                      reinterpret_cast<V>(x[i + 3])};
      const Doubles a = reinterpret_cast<Doubles>(interleave<T, false>(y[0], y[1]));
      const Doubles b = reinterpret_cast<Doubles>(interleave<T, false>(y[2], y[3]));
      const Doubles c = reinterpret_cast<Doubles>(interleave<T, true>(y[0], y[1]));
      const Doubles d = reinterpret_cast<Doubles>(interleave<T, true>(y[2], y[3]));
      rows[i] = reinterpret_cast<V>(interleave<double, false>(a, b));
      rows[i + 1] = reinterpret_cast<V>(interleave<double, true>(a, b));
      rows[i + 2] = reinterpret_cast<V>(interleave<double, false>(c, d));
      rows[i + 3] = reinterpret_cast<V>(interleave<double, true>(c, d));
    }
  }
}

}  // namespace chainrule::CHAINRULE_ISA
