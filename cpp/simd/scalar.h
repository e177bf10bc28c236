// Scalar<T>: one element as the loops over integers, and over comparisons of any type, see it; Boolean: a truth value
// in a byte. Their operators and functions mirror those of Vec<T>, so an expression of elementwise.def compiles on
// both. Invariants: nothing traps and nothing is undefined: sums wrap, division by zero gives 0, shifts take any count.
// Every function is free of branches where the compiler can then turn the loop around it into vector code.
#pragma once

#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA::simd {

struct Boolean {
  uint8_t v;  // a result is 0 or 1; an operand may be any byte, for memory that isn't ours knows no better
};

template <class T>
struct Scalar {
  using U = UnsignedOf<T>;
  static constexpr bool kFloat = T(0.5) != T(0);
  static constexpr bool kSigned = T(-1) < T(0);
  T v;

  Scalar() = default;
  CR_INLINE constexpr Scalar(T value) : v(value) {}

  // Arithmetic is for integers only; it runs in the unsigned type, where overflow is defined.
  friend CR_INLINE Scalar operator+(Scalar a, Scalar b) {
    return Scalar(static_cast<T>(static_cast<U>(a.v) + static_cast<U>(b.v)));
  }
  friend CR_INLINE Scalar operator-(Scalar a, Scalar b) {
    return Scalar(static_cast<T>(static_cast<U>(a.v) - static_cast<U>(b.v)));
  }
  friend CR_INLINE Scalar operator*(Scalar a, Scalar b) {
    using W = UnsignedOf<typename detail::IntegerOf<(sizeof(T) < 4 ? 4 : sizeof(T))>::Unsigned>;
    return Scalar(static_cast<T>(static_cast<W>(a.v) * static_cast<W>(b.v)));
  }
  friend CR_INLINE Scalar operator-(Scalar a) { return Scalar(static_cast<T>(U(0) - static_cast<U>(a.v))); }
  friend CR_INLINE Scalar operator&(Scalar a, Scalar b) { return Scalar(static_cast<T>(a.v & b.v)); }
  friend CR_INLINE Scalar operator|(Scalar a, Scalar b) { return Scalar(static_cast<T>(a.v | b.v)); }
  friend CR_INLINE Scalar operator^(Scalar a, Scalar b) { return Scalar(static_cast<T>(a.v ^ b.v)); }
  friend CR_INLINE Scalar operator~(Scalar a) { return Scalar(static_cast<T>(~a.v)); }

  friend CR_INLINE Boolean operator==(Scalar a, Scalar b) { return {static_cast<uint8_t>(a.v == b.v)}; }
  friend CR_INLINE Boolean operator!=(Scalar a, Scalar b) { return {static_cast<uint8_t>(a.v != b.v)}; }
  friend CR_INLINE Boolean operator<(Scalar a, Scalar b) { return {static_cast<uint8_t>(a.v < b.v)}; }
  friend CR_INLINE Boolean operator<=(Scalar a, Scalar b) { return {static_cast<uint8_t>(a.v <= b.v)}; }
  friend CR_INLINE Boolean operator>(Scalar a, Scalar b) { return {static_cast<uint8_t>(a.v > b.v)}; }
  friend CR_INLINE Boolean operator>=(Scalar a, Scalar b) { return {static_cast<uint8_t>(a.v >= b.v)}; }

  friend CR_INLINE Boolean logical_and(Scalar a, Scalar b) {
    return {static_cast<uint8_t>((a.v != T(0)) & (b.v != T(0)))};
  }
  friend CR_INLINE Boolean logical_or(Scalar a, Scalar b) {
    return {static_cast<uint8_t>((a.v != T(0)) | (b.v != T(0)))};
  }
  friend CR_INLINE Boolean logical_xor(Scalar a, Scalar b) {
    return {static_cast<uint8_t>((a.v != T(0)) ^ (b.v != T(0)))};
  }
  friend CR_INLINE Boolean logical_not(Scalar a) { return {static_cast<uint8_t>(a.v == T(0))}; }

  friend CR_INLINE Scalar where(Boolean condition, Scalar a, Scalar b) { return condition.v ? a : b; }
  friend CR_INLINE Scalar maximum(Scalar a, Scalar b) { return a.v > b.v ? a : b; }
  friend CR_INLINE Scalar minimum(Scalar a, Scalar b) { return a.v < b.v ? a : b; }
  friend CR_INLINE Scalar fmax(Scalar a, Scalar b) { return maximum(a, b); }
  friend CR_INLINE Scalar fmin(Scalar a, Scalar b) { return minimum(a, b); }
  friend CR_INLINE Scalar relu(Scalar a) { return a.v > T(0) ? a : Scalar(0); }
  friend CR_INLINE Scalar absolute(Scalar a) { return a.v < T(0) ? -a : a; }
  friend CR_INLINE Scalar sign(Scalar a) { return Scalar(static_cast<T>((a.v > T(0)) - (a.v < T(0)))); }
  friend CR_INLINE Scalar floor(Scalar a) { return a; }
  friend CR_INLINE Scalar ceil(Scalar a) { return a; }
  friend CR_INLINE Scalar trunc(Scalar a) { return a; }
};

// ---- integers
// a / b towards zero for any a, b: x / 0 is 0 and the least integer / -1 wraps to itself.
template <class T>
CR_INLINE T divide_to_zero(T a, T b) {
  if (b == T(0)) return T(0);
  if (Scalar<T>::kSigned && b == T(-1)) return static_cast<T>(UnsignedOf<T>(0) - static_cast<UnsignedOf<T>>(a));
  return static_cast<T>(a / b);
}
template <class T>
CR_INLINE T remainder_to_zero(T a, T b) {
  if (b == T(0) || (Scalar<T>::kSigned && b == T(-1))) return T(0);
  return static_cast<T>(a % b);
}
template <class T>
CR_INLINE Scalar<T> fmod(Scalar<T> a, Scalar<T> b) {
  return Scalar<T>(remainder_to_zero(a.v, b.v));
}
template <class T>
CR_INLINE Scalar<T> remainder(Scalar<T> a, Scalar<T> b) {
  const T r = remainder_to_zero(a.v, b.v);
  return Scalar<T>(static_cast<T>(r != T(0) && ((r < T(0)) != (b.v < T(0))) ? r + b.v : r));
}
template <class T>
CR_INLINE Scalar<T> floor_divide(Scalar<T> a, Scalar<T> b) {
  const T r = remainder_to_zero(a.v, b.v);
  const bool down = r != T(0) && ((r < T(0)) != (b.v < T(0)));
  return Scalar<T>(static_cast<T>(divide_to_zero(a.v, b.v) - T(down)));
}
// By squaring. A negative exponent gives the quotient 1 / a^-b rounded towards zero, so 0 unless |a| is 1.
template <class T>
CR_INLINE Scalar<T> power(Scalar<T> a, Scalar<T> b) {
  if (b.v < T(0)) {
    const bool odd = b.v & 1;
    return a.v == T(1) ? a : Scalar<T>::kSigned && a.v == T(-1) ? (odd ? a : Scalar<T>(1)) : Scalar<T>(0);
  }
  Scalar<T> result(1), base = a;
  for (UnsignedOf<T> e = static_cast<UnsignedOf<T>>(b.v); e != 0; e = static_cast<UnsignedOf<T>>(e >> 1)) {
    if (e & 1) result = result * base;
    base = base * base;
  }
  return result;
}
template <class T>
CR_INLINE Scalar<T> left_shift(Scalar<T> a, Scalar<T> b) {
  using U = UnsignedOf<T>;
  constexpr U width = 8 * sizeof(T);
  const U count = static_cast<U>(b.v), safe = static_cast<U>(count & (width - 1));
  return Scalar<T>(count < width ? static_cast<T>(static_cast<U>(a.v) << safe) : T(0));
}
template <class T>
CR_INLINE Scalar<T> right_shift(Scalar<T> a, Scalar<T> b) {
  using U = UnsignedOf<T>;
  constexpr U width = 8 * sizeof(T);
  const U count = static_cast<U>(b.v), most = static_cast<U>(width - 1);
  const T shifted = static_cast<T>(a.v >> (count < width ? count : most));
  return Scalar<T>(Scalar<T>::kSigned || count < width ? shifted : T(0));
}

// ---- parts of floats
template <class T>
CR_INLINE UnsignedOf<T> scalar_bits(Scalar<T> a) {
  UnsignedOf<T> bits;
  __builtin_memcpy(&bits, &a.v, sizeof bits);
  return bits;
}
template <class T>
constexpr UnsignedOf<T> kInfinityBits =
    sizeof(T) == 4 ? UnsignedOf<T>(0xFFu) << 23 % (8 * sizeof(T)) : UnsignedOf<T>(0x7FF) << (52 % (8 * sizeof(T)));
template <class T>
CR_INLINE UnsignedOf<T> magnitude_bits(Scalar<T> a) {
  return static_cast<UnsignedOf<T>>(scalar_bits(a) & (~UnsignedOf<T>(0) >> 1));
}
template <class T>
CR_INLINE Boolean signbit(Scalar<T> a) {
  return {static_cast<uint8_t>(scalar_bits(a) >> (8 * sizeof(T) - 1))};
}
template <class T>
CR_INLINE Boolean isnan(Scalar<T> a) {
  return {static_cast<uint8_t>(magnitude_bits(a) > kInfinityBits<T>)};
}
template <class T>
CR_INLINE Boolean isinf(Scalar<T> a) {
  return {static_cast<uint8_t>(magnitude_bits(a) == kInfinityBits<T>)};
}
template <class T>
CR_INLINE Boolean isfinite(Scalar<T> a) {
  return {static_cast<uint8_t>(magnitude_bits(a) < kInfinityBits<T>)};
}

// ---- truth values: sum is or, product is and; a shift is the truth of the shifted number
CR_INLINE uint8_t truth(uint8_t a) { return a < 1 ? a : 1; }  // a minimum, which is no dearer than the bit operation
#define CR_BOOLEAN(declaration, value) \
  CR_INLINE Boolean declaration { return {static_cast<uint8_t>(value)}; }
CR_BOOLEAN(operator+(Boolean a, Boolean b), truth(a.v | b.v))
CR_BOOLEAN(operator*(Boolean a, Boolean b), truth(a.v) & truth(b.v))
CR_BOOLEAN(operator&(Boolean a, Boolean b), truth(a.v) & truth(b.v))
CR_BOOLEAN(operator|(Boolean a, Boolean b), truth(a.v | b.v))
CR_BOOLEAN(operator^(Boolean a, Boolean b), truth(a.v) ^ truth(b.v))
CR_BOOLEAN(operator~(Boolean a), truth(a.v) ^ 1)
CR_BOOLEAN(floor(Boolean a), truth(a.v))
CR_BOOLEAN(ceil(Boolean a), truth(a.v))
CR_BOOLEAN(trunc(Boolean a), truth(a.v))
CR_BOOLEAN(operator==(Boolean a, Boolean b), truth(a.v) ^ truth(b.v) ^ 1)
CR_BOOLEAN(operator!=(Boolean a, Boolean b), truth(a.v) ^ truth(b.v))
CR_BOOLEAN(operator<(Boolean a, Boolean b), truth(b.v) & ~truth(a.v))
CR_BOOLEAN(operator<=(Boolean a, Boolean b), truth(b.v) | (truth(a.v) ^ 1))
CR_BOOLEAN(operator>(Boolean a, Boolean b), truth(a.v) & ~truth(b.v))
CR_BOOLEAN(operator>=(Boolean a, Boolean b), truth(a.v) | (truth(b.v) ^ 1))
CR_BOOLEAN(logical_and(Boolean a, Boolean b), truth(a.v) & truth(b.v))
CR_BOOLEAN(logical_or(Boolean a, Boolean b), truth(a.v | b.v))
CR_BOOLEAN(logical_xor(Boolean a, Boolean b), truth(a.v) ^ truth(b.v))
CR_BOOLEAN(logical_not(Boolean a), truth(a.v) ^ 1)
CR_BOOLEAN(maximum(Boolean a, Boolean b), truth(a.v | b.v))
CR_BOOLEAN(minimum(Boolean a, Boolean b), truth(a.v) & truth(b.v))
CR_BOOLEAN(fmax(Boolean a, Boolean b), truth(a.v | b.v))
CR_BOOLEAN(fmin(Boolean a, Boolean b), truth(a.v) & truth(b.v))
CR_BOOLEAN(absolute(Boolean a), truth(a.v))
CR_BOOLEAN(left_shift(Boolean a, Boolean), truth(a.v))
CR_BOOLEAN(right_shift(Boolean a, Boolean b), truth(a.v) & ~truth(b.v))
#undef CR_BOOLEAN

}  // namespace chainrule::CHAINRULE_ISA::simd
