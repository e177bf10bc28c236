// Trigonometric functions of Vec<float> and Vec<double> and their inverses.
// Method: x = n pi/2 + r with |r| <= pi/4. Up to 2^20 in size, r by subtracting n times pi/2 in exact parts (fused, or
// in double, for floats); greater arguments, lane by lane, by multiplying with the digits of 2/pi that matter (Payne
// and Hanek 1983). A lane's path depends on its own value alone.
#pragma once

#include "simd/double_double.h"
#include "simd/exponential.h"

namespace chainrule::CHAINRULE_ISA::simd {

template <class T>
struct Angle {
  Vec<T> r, tail;             // the remainder in two parts
  Vec<SignedOf<T>> quarters;  // n, modulo 4 at least
};

struct ScalarAngle {
  double r, tail;
  int64_t quarters;
};
constexpr double kGreatAngle = 1048576.0;  // 2^20

// For finite |x| >= 2^20: x = m 2^e, and m times 192 of the digits of 2/pi, those left of which give multiples of 4.
inline __attribute__((noinline)) ScalarAngle reduce_great_angle(double x) {
  using Wide = unsigned __int128;
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const int exponent = static_cast<int>(bits >> 52 & 0x7FF) - 1075;
  const uint64_t mantissa = (bits & 0xFFFFFFFFFFFFF) | uint64_t{1} << 52;
  const int first = exponent - 2 + 64, word = first / 64, shift = first % 64;  // the first digit, in bits of the table
  const auto digits = [&](int i) {
    const uint64_t high = kTwoOverPi[word + i];
    return shift == 0 ? high : high << shift | kTwoOverPi[word + i + 1] >> (64 - shift);
  };
  const Wide low = Wide{mantissa} * digits(2), middle = Wide{mantissa} * digits(1) + (low >> 64);
  const uint64_t top = mantissa * digits(0) + static_cast<uint64_t>(middle >> 64);
  // Two bits of quarters, then the fraction of a quarter, rounded to the nearest whole one.
  Wide fraction = (Wide{top << 2 | static_cast<uint64_t>(middle) >> 62} << 64) |
                  (static_cast<uint64_t>(middle) << 2 | static_cast<uint64_t>(low) >> 62);
  int64_t quarters = static_cast<int64_t>(top >> 62);
  bool negative = x < 0;
  if (fraction >> 127) {
    fraction = -fraction;
    ++quarters;
    negative = !negative;
  }
  if (x < 0) quarters = -quarters;
  int zeros = 0;
  while (!(fraction >> 127) && zeros < 127) {
    fraction <<= 1;
    ++zeros;
  }
  const uint64_t half_pi = 0xC90FDAA22168C235;  // pi/2 * 2^63, rounded up
  const Wide product = (fraction >> 64) * half_pi;
  const uint64_t significant = static_cast<uint64_t>(product >> 64);
  uint64_t power_bits = static_cast<uint64_t>(1023 - 63 - zeros) << 52;  // 2^(-63 - zeros)
  double power;
  __builtin_memcpy(&power, &power_bits, sizeof power);
  if (negative) power = -power;
  return {static_cast<double>(static_cast<int64_t>(significant >> 11)) * 2048.0 * power,
          static_cast<double>(static_cast<int64_t>(significant & 2047)) * power, quarters};
}

CR_INLINE Angle<double> reduce_angle(Vec<double> x) {
  const Rounded<double> n = round_small(x, 0.63661977236758134308);
  // The first two steps are exact, then come sums with their errors.
  const Double<double> a = two_sum(fma(-n.value, Vec<double>(kHalfPi[0]), x), -n.value * kHalfPi[1]);
  const Double<double> b = two_sum(a.high, -n.value * kHalfPi[2]);
  const Double<double> c = fast_two_sum(b.high, (a.low + b.low) - n.value * kHalfPi[3]);
  Angle<double> angle = {c.high, c.low, n.number};
  const Mask<double> great = !(absolute(x) < kGreatAngle);
  if (any(great)) {
    constexpr int kCount = Vec<double>::kLanes;
    double lanes[kCount], r[kCount], tail[kCount];
    int64_t quarters[kCount];
    x.store(lanes);
    angle.r.store(r);
    angle.tail.store(tail);
    angle.quarters.store(quarters);
    for (int i = 0; i < kCount; ++i) {
      if (__builtin_fabs(lanes[i]) < kGreatAngle) continue;
      const bool finite = lanes[i] - lanes[i] == 0;
      const ScalarAngle one = finite ? reduce_great_angle(lanes[i]) : ScalarAngle{__builtin_nan(""), 0, 0};
      r[i] = one.r;
      tail[i] = one.tail;
      quarters[i] = one.quarters;
    }
    angle = {Vec<double>::load(r), Vec<double>::load(tail), Vec<int64_t>::load(quarters)};
  }
  return angle;
}
// In floats: the first step is exact, since both terms are multiples of the last place of pi/2; the others round once.
// Without fused products each step would lose what cancels, so there it is done in double.
CR_INLINE Angle<float> reduce_small_angle(Vec<float> x) {
  if constexpr (kFusedMultiplyAdd) {
    const Rounded<float> n = round_small(x, 0.636619772f);
    Vec<float> r = x;
    for (float part : Coefficients<float>::pi_2_near) r = fma(-n.value, Vec<float>(part), r);
    return {r, Vec<float>(0), n.number};
  }
  Pair<double> r = to_double(x), n;
  for (int h = 0; h < 2; ++h) {
    n.half[h] = round_small(r.half[h], 0.63661977236758134308).value;
    r.half[h] =
        fma(-n.half[h], Vec<double>(kHalfPi[1] + kHalfPi[2]), fma(-n.half[h], Vec<double>(kHalfPi[0]), r.half[h]));
  }
  return {to_float(r), Vec<float>(0), round_small(to_float(n)).number};
}
CR_INLINE Angle<float> reduce_angle(Vec<float> x) {
  Angle<float> angle = reduce_small_angle(x);
  const Mask<float> great = !(absolute(x) < static_cast<float>(kGreatAngle));
  if (any(great)) {
    constexpr int kCount = Vec<float>::kLanes;
    float lanes[kCount], rest[kCount];
    int32_t quarters[kCount];
    x.store(lanes);
    angle.r.store(rest);
    angle.quarters.store(quarters);
    for (int i = 0; i < kCount; ++i) {
      if (__builtin_fabsf(lanes[i]) < static_cast<float>(kGreatAngle)) continue;
      const bool finite = lanes[i] - lanes[i] == 0;
      const ScalarAngle one = finite ? reduce_great_angle(lanes[i]) : ScalarAngle{__builtin_nan(""), 0, 0};
      rest[i] = static_cast<float>(one.r);
      quarters[i] = static_cast<int32_t>(one.quarters);
    }
    angle = {Vec<float>::load(rest), Vec<float>(0), Vec<int32_t>::load(quarters)};
  }
  return angle;
}

template <class T>
struct SineCosine {
  Vec<T> sine, cosine;  // of the remainder
};
template <class T>
CR_INLINE SineCosine<T> sine_cosine(Angle<T> a) {
  using C = Coefficients<T>;
  const Vec<T> z = a.r * a.r, half = T(0.5) * z, w = 1 - half;
  if constexpr (sizeof(T) == 4) {  // without tails
    return {fma(a.r * z, horner(z, C::sin), a.r), w + fma(z * z, horner(z, C::cos), (1 - w) - half)};
  }
  const Vec<T> sine = a.r + (a.tail - half * a.tail + a.r * z * horner(z, C::sin));
  const Vec<T> cosine = w + (((1 - w) - half) + (z * z * horner(z, C::cos) - a.r * a.tail));
  return {sine, cosine};
}
template <class T>
CR_INLINE Mask<T> odd(Vec<SignedOf<T>> n) {
  return mask_as<T>((n & Vec<SignedOf<T>>(1)) != Vec<SignedOf<T>>(0));
}
// y, its sign changed where bit 1 of n is set.
template <class T>
CR_INLINE Vec<T> turn_sign(Vec<T> y, Vec<SignedOf<T>> n) {
  return bits_as<T>(bits_of(y) ^ ((n & Vec<SignedOf<T>>(2)) << (8 * sizeof(T) - 2)));
}

template <class T>
CR_INLINE Vec<T> sin(Vec<T> x) {
  const Angle<T> a = reduce_angle(x);
  const SineCosine<T> s = sine_cosine(a);
  const Vec<T> y = turn_sign(where(odd<T>(a.quarters), s.cosine, s.sine), a.quarters);
  return where(x == 0, x, y);
}
template <class T>
CR_INLINE Vec<T> cos(Vec<T> x) {
  const Angle<T> a = reduce_angle(x);
  const SineCosine<T> s = sine_cosine(a);
  return turn_sign(where(odd<T>(a.quarters), s.sine, s.cosine), a.quarters + Vec<SignedOf<T>>(1));
}
template <class T>
CR_INLINE Vec<T> tan(Vec<T> x) {
  const Angle<T> a = reduce_angle(x);
  const SineCosine<T> s = sine_cosine(a);
  const Mask<T> swap = odd<T>(a.quarters);
  return where(x == 0, x, where(swap, -s.cosine, s.sine) / where(swap, s.sine, s.cosine));
}

// ---- inverses
// The angle of (x, y) for x, y >= 0: numerator / denominator turned to at most tan(pi / 8).
template <class T>
CR_INLINE Vec<T> first_quadrant(Vec<T> y, Vec<T> x) {
  using C = Coefficients<T>;
  const Mask<T> steep = y > x * T(2.414213562373095049), flat = y <= x * T(0.414213562373095049);
  const Vec<T> numerator = where(steep, -x, where(flat, y, y - x));
  const Vec<T> denominator = where(steep, y, where(flat, x, y + x));
  const Vec<T> base = where(steep, C::pi_2[0], where(flat, 0, Vec<T>(C::pi_4[0])));
  const Vec<T> base_tail = where(steep, C::pi_2[1], where(flat, 0, Vec<T>(C::pi_4[1])));
  const Vec<T> r = numerator / denominator, z = r * r;
  return base + (r + (r * z * horner(z, C::arctan) + base_tail));
}
template <class T>
CR_INLINE Vec<T> arctan(Vec<T> x) {
  const Vec<T> size = absolute(x);
  const Vec<T> limited = min_or_second(Vec<T>(T(1e30)), size);  // an infinite slope would be infinity / infinity
  return copysign(where(size < Format<T>::kEpsilon, size, first_quadrant(limited, Vec<T>(1))), x);
}
template <class T>
CR_INLINE Vec<T> arctan2(Vec<T> y, Vec<T> x) {
  using C = Coefficients<T>;
  const Vec<T> ay = absolute(y), ax = absolute(x);
  const Mask<T> infinite = (ax == kInfinity<T>)&(ay == kInfinity<T>), zero = ay == 0;
  // Away from the ends of the range, so that ax + ay stays finite and ax * tan(pi / 8) exact enough.
  constexpr T great = sizeof(T) == 4 ? T(1e37) : T(1e307), small = sizeof(T) == 4 ? T(1e-30) : T(1e-290);
  constexpr T up = sizeof(T) == 4 ? T(16777216.0) : T(9007199254740992.0);
  const Mask<T> high = (ax > great) | (ay > great), low = (ax < small) & (ay < small);
  const Vec<T> factor = where(high, T(0.25), where(low, up, Vec<T>(1)));
  const Vec<T> py = where(infinite, 1, ay * factor), px = where(infinite, 1, where(zero & (ax == 0), 1, ax * factor));
  const Vec<T> sharp = first_quadrant(py, px);
  const Vec<T> turned = C::pi[0] - (sharp - C::pi[1]);
  const Vec<T> angle = where(mask_as<T>(sign_bit(x) != Vec<SignedOf<T>>(0)), turned, sharp);
  return where((x != x) | (y != y), x + y, copysign(angle, y));
}

// arcsin s = s + s z P(z), z = s^2 <= 1/4; beyond 1/2 with z = (1 - |x|) / 2, s = sqrt z and pi/2 - 2 arcsin s.
template <class T>
struct ArcsinParts {
  Mask<T> inner;   // |x| <= 1/2
  Vec<T> s, rest;  // arcsin s = s + rest
};
template <class T>
CR_INLINE ArcsinParts<T> arcsin_parts(Vec<T> size) {
  const Mask<T> inner = size <= T(0.5);
  const Vec<T> z = where(inner, size * size, T(0.5) * (1 - size));
  const Vec<T> s = where(inner, size, sqrt(z));
  return {inner, s, s * z * horner(z, Coefficients<T>::arcsin)};
}
template <class T>
CR_INLINE Vec<T> arcsin(Vec<T> x) {
  using C = Coefficients<T>;
  const ArcsinParts<T> p = arcsin_parts(absolute(x));
  const Vec<T> outer = C::pi_2[0] - (2 * p.s - (C::pi_2[1] - 2 * p.rest));
  return copysign(where(p.inner, p.s + p.rest, outer), x);
}
template <class T>
CR_INLINE Vec<T> arccos(Vec<T> x) {
  using C = Coefficients<T>;
  const ArcsinParts<T> p = arcsin_parts(absolute(x));
  const Vec<T> s = copysign(p.s, x), rest = copysign(p.rest, x);
  const Vec<T> inner = C::pi_2[0] - (s - (C::pi_2[1] - rest));
  const Vec<T> outer = where(x < 0, C::pi[0] - (2 * p.s - (C::pi[1] - 2 * p.rest)), 2 * (p.s + p.rest));
  return where(p.inner, inner, outer);
}

}  // namespace chainrule::CHAINRULE_ISA::simd
