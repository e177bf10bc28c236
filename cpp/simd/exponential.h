// Exponentials and logarithms of Vec<float> and Vec<double>, and the pieces of them that other functions share.
// The bounds of their errors stand in simd/math.h.
// Method: e^x = 2^n e^r with |r| <= ln(2) / 2; log x = k ln 2 + log m with m in [3/4, 3/2) and the series of
// log((1 + s) / (1 - s)) in s = (m - 1) / (m + 1), arranged as in Sun's fdlibm so that the large terms are exact.
#pragma once

#include "simd/coefficients.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA::simd {

// ---- the formats
template <class T>
struct Format;
template <>
struct Format<float> {
  static constexpr int kMantissaBits = 23, kBias = 127;
  static constexpr float kLeastNormal = 1.17549435e-38f, kEpsilon = 1.1920929e-07f;
  static constexpr float kRoundMagic = 12582912.0f;      // 1.5 * 2^23: x + magic - magic is x rounded, for |x| < 2^22
  static constexpr float kExponentMagic = 8388608.0f;    // 2^23: its bits | k are the bits of 2^23 + k
  static constexpr int32_t kThreeQuarters = 0x3f400000;  // the bits of 3/4
};
template <>
struct Format<double> {
  static constexpr int kMantissaBits = 52, kBias = 1023;
  static constexpr double kLeastNormal = 2.2250738585072014e-308, kEpsilon = 2.220446049250313e-16;
  static constexpr double kRoundMagic = 6755399441055744.0;
  static constexpr double kExponentMagic = 4503599627370496.0;
  static constexpr int64_t kThreeQuarters = 0x3fe8000000000000;
};
template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());
template <class T>
constexpr T kNaN = static_cast<T>(__builtin_nan(""));

// c[0] + c[1] x + c[2] x^2 + ...
template <int i = 0, class T, size_t n>
CR_INLINE Vec<T> horner(Vec<T> x, const T (&c)[n]) {
  if constexpr (i + 1 == n) {
    return Vec<T>(c[i]);
  } else {
    return fma(horner<i + 1>(x, c), x, Vec<T>(c[i]));
  }
}

// The nearest whole number as a float and as an integer, for |x| < 2^22 (2^51).
template <class T>
struct Rounded {
  Vec<T> value;
  Vec<SignedOf<T>> number;
};
template <class T>
CR_INLINE Rounded<T> round_small(Vec<T> x, T factor) {  // of x * factor
  const Vec<T> magic(Format<T>::kRoundMagic), shifted = factor == 1 ? x + magic : fma(x, Vec<T>(factor), magic);
  return {shifted - magic, bits_of(shifted) - bits_of(magic)};
}
template <class T>
CR_INLINE Rounded<T> round_small(Vec<T> x) {
  return round_small(x, T(1));
}
// 2^n for n in the range of normal numbers.
template <class T>
CR_INLINE Vec<T> power_of_two(Vec<SignedOf<T>> n) {
  return bits_as<T>((n + Vec<SignedOf<T>>(Format<T>::kBias)) << Format<T>::kMantissaBits);
}
// y * 2^n for a whole n between twice the least and twice the greatest exponent; rounds once, at the second step.
template <class T>
CR_INLINE Vec<T> scale(Vec<T> y, Rounded<T> n) {
  if constexpr (instruction::kScales) return Vec<T>(instruction::scale(y.v, n.value.v));
  const Vec<SignedOf<T>> half = round_small(n.value, T(0.5)).number;
  return y * power_of_two<T>(half) * power_of_two<T>(n.number - half);
}

// ---- exponentials
template <class T>
constexpr T kExpHigh = sizeof(T) == 4 ? T(90) : T(711);  // e^(x - ln 2) overflows above
template <class T>
constexpr T kExpLow = sizeof(T) == 4 ? T(-105) : T(-747);  // e^x is 0 below
template <class T>
CR_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {  // NaN stays
  return max_or_second(Vec<T>(low), min_or_second(Vec<T>(high), x));
}

template <class T>
constexpr T kNoTail = T(-0.0);  // x + -0.0 is x, so that the compiler drops the sum

template <class T>
struct ExpParts {
  Vec<T> fraction;  // e^r - 1
  Rounded<T> n;     // e^x = 2^n e^r
};
// Of x + tail, where tail is a correction far below the last bits of x.
template <class T>
CR_INLINE ExpParts<T> exp_parts(Vec<T> x, Vec<T> tail) {
  using C = Coefficients<T>;
  const Rounded<T> n = round_small(x, T(1.44269504088896340736));
  const Vec<T> r = fma(-n.value, Vec<T>(C::ln2[1]), fma(-n.value, Vec<T>(C::ln2[0]), x)) + tail;
  return {fma(r * r, horner(r, C::exp), r), n};
}
// 2^shift e^(x + tail), shift a whole number.
template <class T>
CR_INLINE Vec<T> exp_shifted(Vec<T> x, T shift, Vec<T> tail) {
  ExpParts<T> p = exp_parts(clamp(x, kExpLow<T>, kExpHigh<T>), tail);
  p.n.value += shift;
  p.n.number += Vec<SignedOf<T>>(static_cast<SignedOf<T>>(shift));
  return scale(1 + p.fraction, p.n);
}
template <class T>
CR_INLINE Vec<T> exp(Vec<T> x) {
  const ExpParts<T> p = exp_parts(clamp(x, kExpLow<T>, kExpHigh<T>), Vec<T>(kNoTail<T>));
  return scale(1 + p.fraction, p.n);
}
template <class T>
CR_INLINE Vec<T> exp2(Vec<T> x) {
  using C = Coefficients<T>;
  x = clamp(x, sizeof(T) == 4 ? T(-151) : T(-1076), sizeof(T) == 4 ? T(129) : T(1025));
  const Rounded<T> n = round_small(x);
  const Vec<T> r = (x - n.value) * T(0.69314718055994530942);
  return scale(1 + fma(r * r, horner(r, C::exp), r), n);
}
// For x from 0 to 64; e^x - 1 = 2^n (e^r - 1) + (2^n - 1).
template <class T>
CR_INLINE Vec<T> expm1_small(Vec<T> x) {
  const ExpParts<T> p = exp_parts(x, Vec<T>(kNoTail<T>));
  const Vec<T> power = power_of_two<T>(p.n.number);
  return fma(power, p.fraction, power - 1);
}
// 2 (2^(n-1) (e^r - 1) + (2^(n-1) - 1/2)): the halves keep n = 1024 in range.
template <class T>
CR_INLINE Vec<T> expm1(Vec<T> x) {
  const ExpParts<T> p = exp_parts(clamp(x, T(-45), kExpHigh<T>), Vec<T>(kNoTail<T>));
  const Vec<T> half_power = power_of_two<T>(p.n.number - Vec<SignedOf<T>>(1));
  const Vec<T> y = 2 * fma(half_power, p.fraction, half_power - T(0.5));
  // Beyond the greatest exponent the power above is no longer one.
  return where(absolute(x) < Format<T>::kEpsilon / 4, x,
               where(x > (sizeof(T) == 4 ? T(88.8) : T(709.8)), kInfinity<T>, y));
}

// ---- logarithms
template <class T>
struct LogParts {
  Vec<T> f, k;  // x = 2^k (1 + f)
};
template <class T>
CR_INLINE LogParts<T> log_split(Vec<T> x) {  // x normal and positive
  using I = SignedOf<T>;
  using F = Format<T>;
  const Vec<I> bits = bits_of(x), bias = Vec<I>(F::kBias);
  const auto above =
      bits_as<UnsignedOf<T>>(bits - Vec<I>(F::kThreeQuarters) + (bias << F::kMantissaBits)) >> F::kMantissaBits;
  const Vec<I> biased = bits_as<I>(above);
  const Vec<T> k = bits_as<T>(biased | bits_of(Vec<T>(F::kExponentMagic))) - (F::kExponentMagic + T(F::kBias));
  return {bits_as<T>(bits - ((biased - bias) << F::kMantissaBits)) - 1, k};
}
// As log_split for every positive x: what is below the normal range is scaled into it first.
template <class T>
CR_INLINE LogParts<T> log_split_any(Vec<T> x) {
  if constexpr (instruction::kScales) {
    const Vec<T> m(instruction::mantissa(x.v));
    return {m - 1, Vec<T>(instruction::exponent(x.v)) - Vec<T>(instruction::exponent(m.v))};
  }
  const Mask<T> tiny = x < Format<T>::kLeastNormal;
  constexpr T up = sizeof(T) == 4 ? T(33554432.0) : T(18014398509481984.0);  // 2^25, 2^54
  LogParts<T> p = log_split(where(tiny, x * up, x));
  p.k = where(tiny, p.k - T(sizeof(T) == 4 ? 25 : 54), p.k);
  return p;
}
// log(1 + f) = f - (half_square - rest)
template <class T>
struct LogTerms {
  Vec<T> half_square, rest;
};
template <class T>
CR_INLINE LogTerms<T> log_terms(Vec<T> f) {
  const Vec<T> s = f / (2 + f), z = s * s, half_square = T(0.5) * f * f;
  return {half_square, s * (half_square + z * horner(z, Coefficients<T>::log))};
}
// y, but the limits of a logarithm where x is not a positive finite number: x = 0 is its pole.
template <class T>
CR_INLINE Vec<T> log_limits(Vec<T> x, Vec<T> y) {
  const Vec<T> limit = where(x == 0, -kInfinity<T>, where(x < 0, kNaN<T>, x));
  return where((x > 0) & (x < kInfinity<T>), y, limit);
}

template <class T>
CR_INLINE Vec<T> log(Vec<T> x) {
  using C = Coefficients<T>;
  const LogParts<T> p = log_split_any(x);
  const LogTerms<T> t = log_terms(p.f);
  const Vec<T> y = p.k * C::ln2[0] - ((t.half_square - (t.rest + p.k * C::ln2[1])) - p.f);
  return instruction::kScales ? y : log_limits(x, y);  // the instructions give k and f the limits already
}
// With u = 1 + x rounded, log(1 + x) = log u + (1 + x - u) / u.
template <class T>
CR_INLINE Vec<T> log1p(Vec<T> x) {
  using C = Coefficients<T>;
  const Vec<T> u = 1 + x;
  LogParts<T> p = log_split(u);
  const Vec<T> lost = where(x > 1, 1 - (u - x), x - (u - 1)) / u;
  p.f = where(p.k == 0, x, p.f);
  const Vec<T> correction = where(p.k == 0, 0, lost);
  const LogTerms<T> t = log_terms(p.f);
  const Vec<T> y = p.k * C::ln2[0] - ((t.half_square - (t.rest + (p.k * C::ln2[1] + correction))) - p.f);
  return where(absolute(x) < Format<T>::kEpsilon / 4, x, log_limits(u, y));
}

// k * unit + log(1 + f) * inverse, the large terms in two parts.
template <class T>
CR_INLINE Vec<T> log_to_base(Vec<T> x, const T (&inverse)[2], const T (&unit)[2]) {
  using I = SignedOf<T>;
  const LogParts<T> p = log_split_any(x);
  const LogTerms<T> t = log_terms(p.f);
  const Vec<I> head_mask(static_cast<I>(sizeof(T) == 4 ? ~uint64_t{0xFFF} : ~uint64_t{0xFFFFFFFF}));
  const Vec<T> head = bits_as<T>(bits_of(p.f - t.half_square) & head_mask);
  const Vec<T> tail = ((p.f - head) - t.half_square) + t.rest;
  const Vec<T> large = p.k * unit[0], small = head * inverse[0], sum = large + small;
  const Vec<T> rest = p.k * unit[1] + ((tail + head) * inverse[1] + tail * inverse[0]);
  return log_limits(x, sum + (rest + ((large - sum) + small)));
}
template <class T>
CR_INLINE Vec<T> log2(Vec<T> x) {
  static constexpr T unit[2] = {T(1), T(0)};
  return log_to_base(x, Coefficients<T>::inverse_ln2, unit);
}
template <class T>
CR_INLINE Vec<T> log10(Vec<T> x) {
  return log_to_base(x, Coefficients<T>::inverse_ln10, Coefficients<T>::log10_2);
}

// log(e^a + e^b) and log2(2^a + 2^b); the error is relative to the greater of |a|, |b| and the result (they may
// cancel).
template <class T>
CR_INLINE Vec<T> logaddexp(Vec<T> a, Vec<T> b) {
  const Vec<T> distance = where(a == b, 0, absolute(a - b));  // equal infinities have none
  const Vec<T> greater = maximum(a, b);
  // Which of two NaNs a sum keeps is up to the compiler; the input's is kept wherever the element stands.
  return where(greater != greater, greater, greater + log1p(exp(-distance)));
}
template <class T>
CR_INLINE Vec<T> logaddexp2(Vec<T> a, Vec<T> b) {
  const Vec<T> distance = where(a == b, 0, absolute(a - b));
  const Vec<T> greater = maximum(a, b);
  const Vec<T> rest = log1p(exp2(-distance)) * T(1.44269504088896340736);
  return where(greater != greater, greater, greater + rest);
}

}  // namespace chainrule::CHAINRULE_ISA::simd
