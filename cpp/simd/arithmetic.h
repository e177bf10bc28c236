// Powers, roots, remainders and signs of Vec<float> and Vec<double>, with NumPy's special cases.
#pragma once

#include "simd/double_double.h"
#include "simd/exponential.h"

namespace chainrule::CHAINRULE_ISA::simd {

template <class T>
CR_INLINE Vec<T> sign(Vec<T> x) {
  return where(x > 0, 1, where(x < 0, T(-1), where(x == 0, 0, x)));
}

// ---- remainders
// Exact. Quotients below 2^22 (2^51) at once, the others lane by lane in the C library.
template <class T>
CR_INLINE Vec<T> fmod(Vec<T> a, Vec<T> b) {
  const Vec<T> x = absolute(a), y = absolute(b), quotient = trunc(x / y);
  const Vec<T> first = residual(quotient, y, x);
  Vec<T> r = where(first < 0, first + y, first);  // the quotient may have been rounded up to a whole number
  Mask<T> exact = (quotient < (sizeof(T) == 4 ? T(4194304) : T(2251799813685248))) & (y < kInfinity<T>);
  if constexpr (!kFusedMultiplyAdd) {  // products in parts need room at both ends of the range
    exact = exact & (x < (sizeof(T) == 4 ? T(1e34) : T(1e299))) & (y < (sizeof(T) == 4 ? T(1e34) : T(1e299))) &
            ((x > (sizeof(T) == 4 ? T(1e-27) : T(1e-280))) | (quotient == 0));
  }
  if (!all(exact)) {
    constexpr int kCount = Vec<T>::kLanes;
    T numerators[kCount], denominators[kCount], results[kCount];
    SignedOf<T> done[kCount];
    x.store(numerators);
    y.store(denominators);
    r.store(results);
    __builtin_memcpy(done, &exact.v, sizeof done);
    for (int i = 0; i < kCount; ++i) {
      if (done[i]) continue;
      results[i] =
          sizeof(T) == 4
              ? static_cast<T>(__builtin_fmodf(static_cast<float>(numerators[i]), static_cast<float>(denominators[i])))
              : static_cast<T>(__builtin_fmod(numerators[i], denominators[i]));
    }
    r = Vec<T>::load(results);
  }
  return where(r != r, r, copysign(r, a));
}
// With the sign of the divisor.
template <class T>
CR_INLINE Vec<T> remainder(Vec<T> a, Vec<T> b) {
  const Vec<T> r = fmod(a, b);
  return where(r == 0, copysign(r, b), where((r < 0) ^ (b < 0), r + b, r));
}
template <class T>
CR_INLINE Vec<T> floor_divide(Vec<T> a, Vec<T> b) {
  const Vec<T> r = fmod(a, b), quotient = (a - r) / b;
  const Mask<T> opposite = (r != 0) & ((r < 0) ^ (b < 0));
  const Vec<T> lowered = where(opposite, quotient - 1, quotient), whole = floor(lowered);
  const Vec<T> nearest = where(lowered - whole > T(0.5), whole + 1, whole);
  return where(b == 0, a / b, where(lowered == 0, copysign(Vec<T>(0), a / b), nearest));
}

// ---- roots
// First guess by a polynomial on [1, 8), then twice Halley's step.
template <class T>
CR_INLINE Vec<T> cbrt(Vec<T> x) {
  using I = SignedOf<T>;
  using F = Format<T>;
  const Vec<T> size = absolute(x);
  const Mask<T> tiny = size < F::kLeastNormal;
  constexpr T up = sizeof(T) == 4 ? T(134217728.0) : T(18014398509481984.0);  // 2^27, 2^54
  const Vec<T> normal = where(tiny, size * up, size);
  const Vec<I> bits = bits_of(normal), mantissa = bits & Vec<I>((I(1) << F::kMantissaBits) - 1);
  const auto biased = bits_as<I>(bits_as<UnsignedOf<T>>(bits) >> F::kMantissaBits);
  const Vec<T> exponent = bits_as<T>(biased | bits_of(Vec<T>(F::kExponentMagic))) - (F::kExponentMagic + T(F::kBias));
  const Rounded<T> third = round_small(exponent * T(1.0 / 3) - T(1.0 / 3));  // floor(exponent / 3)
  const Rounded<T> left = round_small(exponent - 3 * third.value);
  const Vec<T> m = bits_as<T>(mantissa | ((left.number + Vec<I>(F::kBias)) << F::kMantissaBits));
  Vec<T> r = horner(m, Coefficients<T>::cbrt);
  for (int step = 0; step < 2; ++step) {
    const Vec<T> cube = r * r * r;
    r = r - r * ((cube - m) / (2 * cube + m));
  }
  const Vec<T> y =
      r * power_of_two<T>(third.number) * where(tiny, sizeof(T) == 4 ? T(1.0 / 512) : T(1.0 / 262144), Vec<T>(1));
  return where((x == 0) | !(size < kInfinity<T>), x, copysign(y, x));
}

CR_INLINE Vec<float> hypot(Vec<float> a, Vec<float> b) {
  const Pair<double> x = to_double(a), y = to_double(b);
  Pair<double> r;
  for (int h = 0; h < 2; ++h) r.half[h] = sqrt(fma(x.half[h], x.half[h], y.half[h] * y.half[h]));
  const Mask<float> infinite = (absolute(a) == kInfinity<float>) | (absolute(b) == kInfinity<float>);
  return where(infinite, kInfinity<float>, to_float(r));
}
CR_INLINE Vec<double> hypot(Vec<double> a, Vec<double> b) {
  const Vec<double> x = absolute(a), y = absolute(b), largest = maximum(x, y);
  const Mask<double> great = largest > 0x1p500, small = largest < 0x1p-450;
  const Vec<double> one(1), down = where(great, 0x1p-600, where(small, 0x1p600, one));
  const Vec<double> up = where(great, 0x1p600, where(small, 0x1p-600, one)), u = x * down, v = y * down;
  const Mask<double> infinite = (x == kInfinity<double>) | (y == kInfinity<double>);
  return where(infinite, kInfinity<double>, sqrt(fma(u, u, v * v)) * up);
}

// ---- powers
// |a|^b for a finite non-zero a; the limits at 0 and infinity follow from those of log and exp.
// In double, whose polynomials may be shorter: the float result is good to 2^-30 before it is rounded.
CR_INLINE Vec<double> power_in_double(Vec<double> size, Vec<double> b) {
  using C = Coefficients<double>;
  const LogParts<double> p = log_split_any(size);
  const Vec<double> s = p.f / (2 + p.f), z = s * s, half_square = 0.5 * p.f * p.f;
  const Vec<double> mantissa_log = p.f - (half_square - s * (half_square + z * horner(z, C::log_short)));
  const Vec<double> log_size = fma(p.k, Vec<double>(0.69314718055994530942), mantissa_log);
  const Vec<double> exponent = clamp(b * (instruction::kScales ? log_size : log_limits(size, log_size)), -200.0, 200.0);
  const Rounded<double> n = round_small(exponent, 1.44269504088896340736);
  const Vec<double> r = fma(-n.value, Vec<double>(0.69314718055994530942), exponent);
  return power_of_two<double>(n.number) * (1 + fma(r * r, horner(r, C::exp_short), r));
}
CR_INLINE Vec<float> power_of_size(Vec<float> size, Vec<float> b) {
  const Pair<double> x = to_double(size), y = to_double(b);
  Pair<double> r;
  for (int h = 0; h < 2; ++h) r.half[h] = power_in_double(x.half[h], y.half[h]);
  return to_float(r);
}
// For a finite positive size and |b| < 2^996. The logarithm in two parts, good to about 2^-66, by the series of
// 2 atanh(s), s = f / (2 + f).
CR_INLINE Vec<double> power_of_ordinary(Vec<double> size, Vec<double> b) {
  using D = Vec<double>;
  using C = Coefficients<double>;
  const LogParts<double> p = log_split_any(size);
  const D u = 2 + p.f, u_low = p.f - (u - 2), reciprocal = 1 / u, s = p.f * reciprocal;
  const D s_low = fma(-s, u_low, residual(s, u, p.f)) * reciprocal;
  const Double<double> square = two_product(s, s);
  const D z = square.high, z_low = fma(2 * s, s_low, square.low);
  const D third(1.0 / 3), third_low(1.8503717077085943e-17), tail = z * horner(z, C::power);
  const Double<double> a = fast_two_sum(third, tail);
  const Double<double> w = two_product(z, a.high);
  const D w_low = fma(z_low, a.high, fma(z, a.low + third_low, w.low));
  const Double<double> v = two_product(s, w.high);
  const D v_low = fma(s_low, w.high, fma(s, w_low, v.low));
  const Double<double> half_log = fast_two_sum(s, v.high);
  const D half_log_low = half_log.low + (s_low + v_low);
  const Double<double> sum = two_sum(p.k * C::ln2[0], 2 * half_log.high);
  const D low = sum.low + fma(p.k, D(C::ln2[1]), 2 * half_log_low);
  const Double<double> total = fast_two_sum(sum.high, low);
  const Double<double> product = two_product(b, total.high);
  const D exponent = product.high, exponent_low = fma(b, total.low, product.low);
  return exp_shifted(exponent, 0.0, where(absolute(exponent) < 1000, exponent_low, 0));
}
CR_INLINE Vec<double> power_of_size(Vec<double> size, Vec<double> b) {
  using D = Vec<double>;
  const D y = power_of_ordinary(size, b);
  // At the ends of the range of sizes the plain formula has the right limits.
  const Mask<double> inside = (size > 0) & (size < kInfinity<double>)&(absolute(b) < kInfinity<double>);
  return where(inside, y,
               where(size == 0, where(b < 0, kInfinity<double>, D(0)),
                     where(size < 1, where(b < 0, kInfinity<double>, D(0)), where(b < 0, 0, D(kInfinity<double>)))));
}
CR_INLINE Vec<float> power_of_ordinary(Vec<float> size, Vec<float> b) { return power_of_size(size, b); }

template <class T>
CR_INLINE Vec<T> power(Vec<T> a, Vec<T> b) {
  const Vec<T> square = a * a;
  constexpr T great = sizeof(T) == 4 ? T(1e30) : T(1e290);  // beyond, a product in parts could overflow
  if (all((a > 0) & (a < kInfinity<T>)&(absolute(b) < great))) {
    return where(b == 2, square, power_of_ordinary(a, b));
  }
  const Vec<T> size = absolute(a), half = T(0.5) * b;
  const Mask<T> whole = floor(b) == b, odd = whole & (floor(half) != half);
  Vec<T> y = power_of_size(size, b);
  y = where((size == 1) | (b == 0), 1, y);
  y = where(b == 2, square, y);
  y = where(odd, copysign(y, a), y);
  y = where((a < 0) & !whole & (size < kInfinity<T>), kNaN<T>, y);
  const Mask<T> defined = ((a == a) & (b == b)) | (a == 1) | (b == 0);
  return where(defined, y, a + b);
}

}  // namespace chainrule::CHAINRULE_ISA::simd
