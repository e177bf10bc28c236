// Vec<T>: one register of the level being compiled, on GCC/Clang vector extensions, and Mask<T>: one truth value a
// lane. Invariants: every operation is lane by lane, so a lane's bits don't depend on its place or on its neighbours;
// reductions across lanes follow one fixed tree. Nothing here contracts a * b + c by itself (the kernels are compiled
// with -ffp-contract=off): a fused product is written fma(a, b, c), which is a * b + c rounded twice where
// kFusedMultiplyAdd is false (x86_64_v2). Scalars turn into vectors by themselves: `1 / a`, `where(a > 0, a, 0)`.
#pragma once

#include "simd/instructions.h"

// Before a loop over arrays that are the same or apart: no turn needs what another one wrote.
#if defined(__clang__)
#define CR_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#pragma clang diagnostic ignored "-Wpass-failed"  // some of these loops have no vector form
#else
#define CR_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace chainrule::CHAINRULE_ISA::simd {

constexpr int kVectorBytes = CR_VECTOR_BYTES;

#if defined(__FMA__) || defined(__aarch64__)
constexpr bool kFusedMultiplyAdd = true;
#else
constexpr bool kFusedMultiplyAdd = false;
#endif

namespace detail {
template <size_t bytes>
struct IntegerOf;
template <>
struct IntegerOf<1> {
  using Signed = int8_t;
  using Unsigned = uint8_t;
};
template <>
struct IntegerOf<2> {
  using Signed = int16_t;
  using Unsigned = uint16_t;
};
template <>
struct IntegerOf<4> {
  using Signed = int32_t;
  using Unsigned = uint32_t;
};
template <>
struct IntegerOf<8> {
  using Signed = int64_t;
  using Unsigned = uint64_t;
};

// Signed integers are added, multiplied and shifted as unsigned ones, where overflow wraps.
template <class T, bool floating = (T(0.5) != T(0))>
struct ArithmeticOf {
  using Type = T;
};
template <class T>
struct ArithmeticOf<T, false> {
  using Type = typename IntegerOf<sizeof(T)>::Unsigned;
};

template <class T, int bytes = kVectorBytes>
struct NativeOf {
  typedef T Type __attribute__((vector_size(bytes)));
};
}  // namespace detail

template <class T>
using SignedOf = typename detail::IntegerOf<sizeof(T)>::Signed;
template <class T>
using UnsignedOf = typename detail::IntegerOf<sizeof(T)>::Unsigned;
template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

// ---- truth values: all bits of a lane set or none
template <class T>
struct Mask {
  using Native = typename detail::NativeOf<SignedOf<T>>::Type;
  Native v;

  friend CR_INLINE Mask operator&(Mask a, Mask b) { return {a.v & b.v}; }
  friend CR_INLINE Mask operator|(Mask a, Mask b) { return {a.v | b.v}; }
  friend CR_INLINE Mask operator^(Mask a, Mask b) { return {a.v ^ b.v}; }
  friend CR_INLINE Mask operator!(Mask a) { return {~a.v}; }

  friend CR_INLINE bool any(Mask a) { return instruction::any_bit(a.v); }
  friend CR_INLINE bool all(Mask a) { return !any(!a); }
};

// ---- vectors
template <class T>
struct Vec {
  using Lane = T;
  using Native = typename detail::NativeOf<T>::Type;
  using Wrapping = typename detail::NativeOf<typename detail::ArithmeticOf<T>::Type>::Type;
  static constexpr int kLanes = simd::kLanes<T>;
  Native v;

  Vec() = default;
  CR_INLINE explicit Vec(Native native) : v(native) {}
  CR_INLINE Vec(T scalar) : v(scalar - Native{}) {}  // minus, since 0 + -0.0 would lose the sign

  static CR_INLINE Vec load(const T* p) {
    Vec r;
    __builtin_memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  // The first n lanes (0 <= n <= kLanes) from memory, the others zero.
  static CR_INLINE Vec load(const T* p, int64_t n) { return Vec(instruction::load_first<Native>(p, n)); }
  CR_INLINE void store(T* p) const { __builtin_memcpy(p, &v, sizeof v); }
  CR_INLINE void store(T* p, int64_t n) const { instruction::store_first(v, p, n); }
  // 0, 1, 2, ...
  static CR_INLINE Vec lane_numbers() {
    Vec r;
    for (int i = 0; i < kLanes; ++i) r.v[i] = static_cast<T>(i);
    return r;
  }

  friend CR_INLINE Vec operator+(Vec a, Vec b) { return Vec((Native)((Wrapping)a.v + (Wrapping)b.v)); }
  friend CR_INLINE Vec operator-(Vec a, Vec b) { return Vec((Native)((Wrapping)a.v - (Wrapping)b.v)); }
  friend CR_INLINE Vec operator*(Vec a, Vec b) { return Vec((Native)((Wrapping)a.v * (Wrapping)b.v)); }
  friend CR_INLINE Vec operator/(Vec a, Vec b) { return Vec(a.v / b.v); }
  friend CR_INLINE Vec operator-(Vec a) { return Vec((Native)(-(Wrapping)a.v)); }
  friend CR_INLINE Vec operator&(Vec a, Vec b) { return Vec(a.v & b.v); }
  friend CR_INLINE Vec operator|(Vec a, Vec b) { return Vec(a.v | b.v); }
  friend CR_INLINE Vec operator^(Vec a, Vec b) { return Vec(a.v ^ b.v); }
  friend CR_INLINE Vec operator~(Vec a) { return Vec(~a.v); }
  friend CR_INLINE Vec operator<<(Vec a, int bits) { return Vec((Native)((Wrapping)a.v << bits)); }
  friend CR_INLINE Vec operator>>(Vec a, int bits) { return Vec(a.v >> bits); }
  CR_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
  CR_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
  CR_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }

  friend CR_INLINE Mask<T> operator==(Vec a, Vec b) { return {a.v == b.v}; }
  friend CR_INLINE Mask<T> operator!=(Vec a, Vec b) { return {a.v != b.v}; }
  friend CR_INLINE Mask<T> operator<(Vec a, Vec b) { return {a.v < b.v}; }
  friend CR_INLINE Mask<T> operator<=(Vec a, Vec b) { return {a.v <= b.v}; }
  friend CR_INLINE Mask<T> operator>(Vec a, Vec b) { return {a.v > b.v}; }
  friend CR_INLINE Mask<T> operator>=(Vec a, Vec b) { return {a.v >= b.v}; }

  // a where the mask is set, else b.
  friend CR_INLINE Vec where(Mask<T> mask, Vec a, Vec b) { return Vec(mask.v ? a.v : b.v); }

  // One instruction each; b if either is NaN.
  friend CR_INLINE Vec max_or_second(Vec a, Vec b) { return Vec(instruction::max_or_second(a.v, b.v)); }
  friend CR_INLINE Vec min_or_second(Vec a, Vec b) { return Vec(instruction::min_or_second(a.v, b.v)); }
  // NaN if either is.
  friend CR_INLINE Vec maximum(Vec a, Vec b) { return where(a != a, a, max_or_second(a, b)); }
  friend CR_INLINE Vec minimum(Vec a, Vec b) { return where(a != a, a, min_or_second(a, b)); }
  // The other if one is NaN.
  friend CR_INLINE Vec fmax(Vec a, Vec b) { return where(b != b, a, max_or_second(a, b)); }
  friend CR_INLINE Vec fmin(Vec a, Vec b) { return where(b != b, a, min_or_second(a, b)); }
};

// ---- the same bits as another type, and values of another type
template <class To, class From>
CR_INLINE Vec<To> bits_as(Vec<From> a) {
  static_assert(sizeof(To) == sizeof(From), "lanes of equal size");
  return Vec<To>((typename Vec<To>::Native)a.v);
}
template <class To, class From>
CR_INLINE Mask<To> mask_as(Mask<From> a) {
  static_assert(sizeof(To) == sizeof(From), "lanes of equal size");
  return {a.v};
}
template <class T>
CR_INLINE Vec<SignedOf<T>> bits_of(Vec<T> a) {
  return bits_as<SignedOf<T>>(a);
}
// Values of another type of the same size; floats must be in its range.
template <class To, class From>
CR_INLINE Vec<To> convert(Vec<From> a) {
  static_assert(sizeof(To) == sizeof(From), "lanes of equal size");
  return Vec<To>(__builtin_convertvector(a.v, typename Vec<To>::Native));
}

// float <-> double: half a vector at a time (half = 0 or 1).
template <class T>
struct Pair {
  Vec<T> half[2];
};
#if defined(__AVX512F__)
#define CR_LOW_HALF 0, 1, 2, 3, 4, 5, 6, 7
#define CR_HIGH_HALF 8, 9, 10, 11, 12, 13, 14, 15
#elif defined(__AVX2__)
#define CR_LOW_HALF 0, 1, 2, 3
#define CR_HIGH_HALF 4, 5, 6, 7
#else
#define CR_LOW_HALF 0, 1
#define CR_HIGH_HALF 2, 3
#endif
CR_INLINE Pair<double> to_double(Vec<float> a) {
  return {{Vec<double>(instruction::widen(__builtin_shufflevector(a.v, a.v, CR_LOW_HALF))),
           Vec<double>(instruction::widen(__builtin_shufflevector(a.v, a.v, CR_HIGH_HALF)))}};
}
CR_INLINE Vec<float> to_float(Pair<double> a) {
  return Vec<float>(__builtin_shufflevector(instruction::narrow(a.half[0].v), instruction::narrow(a.half[1].v),
                                            CR_LOW_HALF, CR_HIGH_HALF));
}
#undef CR_LOW_HALF
#undef CR_HIGH_HALF

// ---- operations that are single instructions; written by lane because C has no vector form of them
#define CR_SIMD_LANES(name, float_function, double_function)                        \
  CR_INLINE Vec<float> name(Vec<float> a) {                                         \
    Vec<float> r;                                                                   \
    for (int i = 0; i < Vec<float>::kLanes; ++i) r.v[i] = float_function(a.v[i]);   \
    return r;                                                                       \
  }                                                                                 \
  CR_INLINE Vec<double> name(Vec<double> a) {                                       \
    Vec<double> r;                                                                  \
    for (int i = 0; i < Vec<double>::kLanes; ++i) r.v[i] = double_function(a.v[i]); \
    return r;                                                                       \
  }
#if defined(CR_AVX512_BUILTINS)
CR_INLINE Vec<float> sqrt(Vec<float> a) { return Vec<float>(instruction::sqrt(a.v)); }
CR_INLINE Vec<double> sqrt(Vec<double> a) { return Vec<double>(instruction::sqrt(a.v)); }
#else
CR_SIMD_LANES(sqrt, __builtin_sqrtf, __builtin_sqrt)
#endif
CR_SIMD_LANES(floor, __builtin_floorf, __builtin_floor)
CR_SIMD_LANES(ceil, __builtin_ceilf, __builtin_ceil)
CR_SIMD_LANES(trunc, __builtin_truncf, __builtin_trunc)
CR_SIMD_LANES(rint, __builtin_rintf, __builtin_rint)
#undef CR_SIMD_LANES

// By its builtin on x86, since GCC leaves most loops over 16 lanes of it scalar.
#if defined(__FMA__) && defined(__GNUC__) && !defined(__clang__)
#if defined(__AVX512F__)
CR_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return Vec<float>(__builtin_ia32_vfmaddps512_mask(a.v, b.v, c.v, 0xffff, 4));  // 4: rounding as set
}
CR_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return Vec<double>(__builtin_ia32_vfmaddpd512_mask(a.v, b.v, c.v, 0xff, 4));
}
#else
CR_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return Vec<float>(__builtin_ia32_vfmaddps256(a.v, b.v, c.v));
}
CR_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return Vec<double>(__builtin_ia32_vfmaddpd256(a.v, b.v, c.v));
}
#endif
#else
CR_INLINE Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  if constexpr (!kFusedMultiplyAdd) return a * b + c;
  Vec<float> r;
  for (int i = 0; i < Vec<float>::kLanes; ++i) r.v[i] = __builtin_fmaf(a.v[i], b.v[i], c.v[i]);
  return r;
}
CR_INLINE Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  if constexpr (!kFusedMultiplyAdd) return a * b + c;
  Vec<double> r;
  for (int i = 0; i < Vec<double>::kLanes; ++i) r.v[i] = __builtin_fma(a.v[i], b.v[i], c.v[i]);
  return r;
}
#endif

// ---- signs
template <class T>
CR_INLINE Vec<SignedOf<T>> sign_bit(Vec<T> a) {
  using I = SignedOf<T>;
  return bits_of(a) & Vec<I>(static_cast<I>(UnsignedOf<T>(1) << (8 * sizeof(T) - 1)));
}
template <class T>
CR_INLINE Vec<T> absolute(Vec<T> a) {
  if constexpr (T(0.5) == T(0)) {
    return where(a < 0, -a, a);
  } else {
    return bits_as<T>(bits_of(a) & ~sign_bit(Vec<T>(T(-0.0))));
  }
}
template <class T>
CR_INLINE Vec<T> copysign(Vec<T> a, Vec<T> b) {
  return bits_as<T>(bits_of(absolute(a)) | sign_bit(b));
}
template <class T>
CR_INLINE Vec<T> flip_sign(Vec<T> a, Vec<T> b) {
  return bits_as<T>(bits_of(a) ^ sign_bit(b));
}

// ---- across lanes: halves folded onto each other, f(lane i, lane i + n / 2) first
template <class T, class F>
CR_INLINE T fold(Vec<T> a, F f) {
  T lanes[Vec<T>::kLanes];
  a.store(lanes);
  for (int n = Vec<T>::kLanes / 2; n >= 1; n /= 2) {
    for (int i = 0; i < n; ++i) lanes[i] = f(lanes[i], lanes[i + n]);
  }
  return lanes[0];
}
template <class T>
CR_INLINE T reduce_add(Vec<T> a) {
  return fold(a, [](T x, T y) { return static_cast<T>(x + y); });
}
template <class T>
CR_INLINE T reduce_multiply(Vec<T> a) {
  return fold(a, [](T x, T y) { return static_cast<T>(x * y); });
}
// NaN if any lane is.
template <class T>
CR_INLINE T reduce_max(Vec<T> a) {
  return fold(a, [](T x, T y) { return x > y || x != x ? x : y; });
}
template <class T>
CR_INLINE T reduce_min(Vec<T> a) {
  return fold(a, [](T x, T y) { return x < y || x != x ? x : y; });
}

}  // namespace chainrule::CHAINRULE_ISA::simd
