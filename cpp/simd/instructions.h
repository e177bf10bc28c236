// Single instructions that C's vector types have no word for: by GCC's builtins where the level has them, else in plain
// form. Invariant: both forms of a function give the same bits, except where its comment says otherwise.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CR_INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__GNUC__) && !defined(__clang__)
#define CR_AVX512_BUILTINS 1
#endif

#if defined(__AVX512F__)
#define CR_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define CR_VECTOR_BYTES 32
#else
#define CR_VECTOR_BYTES 16
#endif

namespace chainrule::CHAINRULE_ISA::simd::instruction {

#if defined(CR_AVX512_BUILTINS)
typedef float F32 __attribute__((vector_size(64)));
typedef double F64 __attribute__((vector_size(64)));
typedef char I8 __attribute__((vector_size(64)));
typedef short I16 __attribute__((vector_size(64)));
typedef int I32 __attribute__((vector_size(64)));
typedef unsigned U32 __attribute__((vector_size(64)));
typedef long long I64 __attribute__((vector_size(64)));
constexpr int kCurrentRounding = 4;

// The n lowest bits (0 <= n <= 64).
CR_INLINE uint64_t low_bits(int64_t n) { return n == 0 ? 0 : ~uint64_t{0} >> (64 - n); }

// The first n lanes of a vector from memory, the others zero; the first n lanes to memory.
template <class Native, class T>
CR_INLINE Native load_first(const T* p, int64_t n) {
  const uint64_t lanes = low_bits(n);
  if constexpr (sizeof(T) == 1) {
    return (Native)__builtin_ia32_loaddquqi512_mask((const char*)p, I8{}, lanes);
  } else if constexpr (sizeof(T) == 2) {
    return (Native)__builtin_ia32_loaddquhi512_mask((const short*)p, I16{}, (uint32_t)lanes);
  } else if constexpr (sizeof(T) == 4) {
    return (Native)__builtin_ia32_loaddqusi512_mask((const int*)p, I32{}, (uint16_t)lanes);
  } else {
    return (Native)__builtin_ia32_loaddqudi512_mask((const long long*)p, I64{}, (uint8_t)lanes);
  }
}
template <class Native, class T>
CR_INLINE void store_first(Native v, T* p, int64_t n) {
  const uint64_t lanes = low_bits(n);
  if constexpr (sizeof(T) == 1) {
    __builtin_ia32_storedquqi512_mask((char*)p, (I8)v, lanes);
  } else if constexpr (sizeof(T) == 2) {
    __builtin_ia32_storedquhi512_mask((short*)p, (I16)v, (uint32_t)lanes);
  } else if constexpr (sizeof(T) == 4) {
    __builtin_ia32_storedqusi512_mask((int*)p, (I32)v, (uint16_t)lanes);
  } else {
    __builtin_ia32_storedqudi512_mask((long long*)p, (I64)v, (uint8_t)lanes);
  }
}
// To an address that is a multiple of the vector's size, without a place in the caches; then stream_end().
CR_INLINE void stream(void* p, I64 v) { __builtin_ia32_movntdq512((I64*)p, v); }
CR_INLINE void stream_end() { __builtin_ia32_sfence(); }
constexpr bool kStreams = true;

// Whether any bit is set.
template <class Native>
CR_INLINE bool any_bit(Native v) {
  return __builtin_ia32_ptestmd512((I32)v, (I32)v, (uint16_t)0xffff) != 0;
}

// a > b ? a : b and a < b ? a : b: b if either is NaN.
CR_INLINE F32 max_or_second(F32 a, F32 b) {
  return __builtin_ia32_maxps512_mask(a, b, F32{}, 0xffff, kCurrentRounding);
}
CR_INLINE F64 max_or_second(F64 a, F64 b) { return __builtin_ia32_maxpd512_mask(a, b, F64{}, 0xff, kCurrentRounding); }
CR_INLINE F32 min_or_second(F32 a, F32 b) {
  return __builtin_ia32_minps512_mask(a, b, F32{}, 0xffff, kCurrentRounding);
}
CR_INLINE F64 min_or_second(F64 a, F64 b) { return __builtin_ia32_minpd512_mask(a, b, F64{}, 0xff, kCurrentRounding); }

// y * 2^n for whole n of any size, rounded once.
constexpr bool kScales = true;
CR_INLINE F32 scale(F32 y, F32 n) { return __builtin_ia32_scalefps512_mask(y, n, F32{}, 0xffff, kCurrentRounding); }
CR_INLINE F64 scale(F64 y, F64 n) { return __builtin_ia32_scalefpd512_mask(y, n, F64{}, 0xff, kCurrentRounding); }

// floor(log2 |x|), numbers below the normal range included; -infinity at 0.
CR_INLINE F32 exponent(F32 x) { return __builtin_ia32_getexpps512_mask(x, F32{}, 0xffff, kCurrentRounding); }
CR_INLINE F64 exponent(F64 x) { return __builtin_ia32_getexppd512_mask(x, F64{}, 0xff, kCurrentRounding); }
// x divided by the power of two that brings it into [3/4, 3/2); NaN for x < 0, 1 for infinity, 1 in size for 0.
constexpr int kThreeQuarters = 3, kNanIfNegative = 2 << 2;
CR_INLINE F32 mantissa(F32 x) {
  return __builtin_ia32_getmantps512_mask(x, kNanIfNegative | kThreeQuarters, F32{}, 0xffff, kCurrentRounding);
}
CR_INLINE F64 mantissa(F64 x) {
  return __builtin_ia32_getmantpd512_mask(x, kNanIfNegative | kThreeQuarters, F64{}, 0xff, kCurrentRounding);
}

// The root, rounded correctly as the divider rounds it, in half its time where all lanes lie within [2^-100, infinity):
// Goldschmidt's iteration from an estimate of 14 bits, then Markstein's correction by the exact residual x - s^2, which
// rounds correctly once s and h = 1 / (2 s) are within an ulp (P. Markstein, "Computation of elementary functions on
// the IBM RISC System/6000 processor", 1990). Below 2^-102 the residual would be subnormal.
CR_INLINE F32 sqrt(F32 x) {
  constexpr int kLowest = 0x0d800000, kInfinity = 0x7f800000;
  const I32 above = (I32)((U32)x - kLowest), span = kInfinity - kLowest - I32{};
  constexpr int kLess = 1;
  if (__builtin_expect(__builtin_ia32_ucmpd512_mask(above, span, kLess, 0xffff) != 0xffff, 0)) {
    return __builtin_ia32_sqrtps512_mask(x, F32{}, 0xffff, kCurrentRounding);
  }
  const F32 half = 0.5f - F32{}, estimate = __builtin_ia32_rsqrt14ps512_mask(x, F32{}, 0xffff);
  const auto fma = [](F32 a, F32 b, F32 c) {
    return __builtin_ia32_vfmaddps512_mask(a, b, c, 0xffff, kCurrentRounding);
  };
  F32 s = x * estimate, h = estimate * half;
  const F32 r = fma(-h, s, half);
  s = fma(s, r, s);
  h = fma(h, r, h);
  return fma(fma(-s, s, x), h, s);
}
CR_INLINE F64 sqrt(F64 x) { return __builtin_ia32_sqrtpd512_mask(x, F64{}, 0xff, kCurrentRounding); }

// float <-> double, eight lanes; GCC takes a conversion of C's apart into quarters that go through memory.
typedef float HalfF32 __attribute__((vector_size(32)));
CR_INLINE F64 widen(HalfF32 x) { return __builtin_ia32_cvtps2pd512_mask(x, F64{}, 0xff, kCurrentRounding); }
CR_INLINE HalfF32 narrow(F64 x) { return __builtin_ia32_cvtpd2ps512_mask(x, HalfF32{}, 0xff, kCurrentRounding); }

#else

typedef float HalfF32 __attribute__((vector_size(CR_VECTOR_BYTES / 2)));
typedef double WideF64 __attribute__((vector_size(CR_VECTOR_BYTES)));
CR_INLINE WideF64 widen(HalfF32 x) { return __builtin_convertvector(x, WideF64); }
CR_INLINE HalfF32 narrow(WideF64 x) { return __builtin_convertvector(x, HalfF32); }

constexpr bool kScales = false;
template <class Native>
Native scale(Native y, Native n);
template <class Native>
Native exponent(Native x);
template <class Native>
Native mantissa(Native x);

template <class Native, class T>
CR_INLINE Native load_first(const T* p, int64_t n) {
  Native v = {};
  __builtin_memcpy(&v, p, static_cast<size_t>(n) * sizeof(T));
  return v;
}
template <class Native, class T>
CR_INLINE void store_first(Native v, T* p, int64_t n) {
  __builtin_memcpy(p, &v, static_cast<size_t>(n) * sizeof(T));
}
template <class Native>
CR_INLINE bool any_bit(Native v) {
  typedef int64_t Words __attribute__((vector_size(CR_VECTOR_BYTES)));
  const Words words = (Words)v;
  int64_t bits = 0;
  for (size_t i = 0; i < sizeof(Native) / sizeof(int64_t); ++i) bits |= words[i];
  return bits != 0;
}

typedef long long I64 __attribute__((vector_size(CR_VECTOR_BYTES)));
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
constexpr bool kStreams = true;
#if defined(__AVX2__)
CR_INLINE void stream(void* p, I64 v) { __builtin_ia32_movntdq256((I64*)p, v); }
#else
CR_INLINE void stream(void* p, I64 v) { __builtin_ia32_movntdq((I64*)p, v); }
#endif
CR_INLINE void stream_end() { __builtin_ia32_sfence(); }
#else
constexpr bool kStreams = false;
CR_INLINE void stream(void* p, I64 v) { __builtin_memcpy(p, &v, sizeof v); }
CR_INLINE void stream_end() {}
#endif

#if defined(__AVX2__) && defined(__GNUC__) && !defined(__clang__)
// GCC forgets which operand is the second where one of them is constant.
typedef float F32 __attribute__((vector_size(32)));
typedef double F64 __attribute__((vector_size(32)));
CR_INLINE F32 max_or_second(F32 a, F32 b) { return __builtin_ia32_maxps256(a, b); }
CR_INLINE F64 max_or_second(F64 a, F64 b) { return __builtin_ia32_maxpd256(a, b); }
CR_INLINE F32 min_or_second(F32 a, F32 b) { return __builtin_ia32_minps256(a, b); }
CR_INLINE F64 min_or_second(F64 a, F64 b) { return __builtin_ia32_minpd256(a, b); }
#endif

#endif

// The other types, and the levels without such builtins.
template <class Native>
CR_INLINE Native max_or_second(Native a, Native b) {
  return a > b ? a : b;
}
template <class Native>
CR_INLINE Native min_or_second(Native a, Native b) {
  return a < b ? a : b;
}

}  // namespace chainrule::CHAINRULE_ISA::simd::instruction
