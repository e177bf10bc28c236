// float16 (IEEE binary16) and bfloat16 (the upper half of a float32) in integer arithmetic: one number at a time.
// Invariant: rounding is to the nearest, ties to even, whatever the state of the processor's floating-point unit;
// subnormal numbers, infinities and NaN (which stays NaN, made quiet) are right. Plain C, for kernel sources too.
#pragma once

#include <stdint.h>
#include <string.h>

namespace chainrule {

static inline uint32_t float_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
static inline float float_of_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

static inline float bfloat16_to_float(uint16_t x) { return float_of_bits(static_cast<uint32_t>(x) << 16); }
static inline uint16_t float_to_bfloat16(float x) {
  const uint32_t bits = float_bits(x);
  const uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, nan = bits >> 16 | 0x40u;
  return static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

// A subnormal float16 is m * 2^-24: exact as the float 0.5 + m * 2^-24 less 0.5.
static inline float float16_to_float(uint16_t x) {
  const uint32_t sign = static_cast<uint32_t>(x & 0x8000u) << 16, rest = static_cast<uint32_t>(x & 0x7fffu) << 13;
  const uint32_t special = rest >= 0x0f800000u ? 0x38000000u : 0u;  // infinity, NaN: the exponent moves twice as far
  const uint32_t normal = rest + 0x38000000u + special;
  const uint32_t small = float_bits(float_of_bits(0x3f000000u | rest >> 13) - 0.5f);
  return float_of_bits(sign | (rest < 0x00800000u ? small : normal));
}
// Below 2^-14 the sum with 0.5 leaves the rounded multiple of 2^-24 in the low bits.
static inline uint16_t float_to_float16(float x) {
  const uint32_t bits = float_bits(x), sign = bits >> 16 & 0x8000u, rest = bits & 0x7fffffffu;
  const uint32_t normal = (rest - 0x38000000u + 0xfffu + (rest >> 13 & 1u)) >> 13;
  const uint32_t small = float_bits(float_of_bits(rest < 0x38800000u ? rest : 0u) + 0.5f) - 0x3f000000u;
  const uint32_t nan = 0x7e00u | (rest >> 13 & 0x3ffu);
  const uint32_t large = rest > 0x7f800000u ? nan : 0x7c00u;
  const uint32_t value = rest >= 0x477ff000u ? large : rest < 0x38800000u ? small : normal;
  return static_cast<uint16_t>(sign | value);
}

// The float nearest to x towards zero, its last bit set if x is none: rounding it once more gives what rounding x
// gives.
static inline float double_to_odd_float(double x) {
  const float near = static_cast<float>(x);
  const uint32_t bits = float_bits(near);
  const double magnitude = x < 0 ? -x : x, near_magnitude = near < 0 ? -static_cast<double>(near) : near;
  const uint32_t towards_zero = bits - (near_magnitude > magnitude ? 1u : 0u);
  return float_of_bits(near_magnitude == magnitude || x != x ? bits : towards_zero | 1u);
}

}  // namespace chainrule
