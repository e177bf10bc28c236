// Element types: numbering, sizes, names, classes and promotion: NumPy 2's rules (NEP 50), and for bfloat16, which
// NumPy lacks, JAX's and Keras': it wins over whole numbers and gives way to wider floats.
// Invariant: plain constants and constexpr functions only, no standard library: kernel sources include this header.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace chainrule {

enum class DType : uint8_t { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64 };
constexpr int kDTypes = 13;

constexpr int index(DType t) { return static_cast<int>(t); }

constexpr size_t itemsize(DType t) {
  constexpr size_t sizes[kDTypes] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return sizes[index(t)];
}

constexpr const char* name(DType t) {
  constexpr const char* names[kDTypes] = {"bool",   "int8",   "int16",   "int32",    "int64",   "uint8",  "uint16",
                                          "uint32", "uint64", "float16", "bfloat16", "float32", "float64"};
  return names[index(t)];
}

// The struct-module character NumPy uses for the type ('l' is 64 bits wide on every platform we build for). There is
// none for bfloat16: its memory is shown as uint16.
constexpr char buffer_format(DType t) {
  constexpr char formats[kDTypes] = {'?', 'b', 'h', 'i', 'l', 'B', 'H', 'I', 'L', 'e', 'H', 'f', 'd'};
  return formats[index(t)];
}

constexpr bool is_bool(DType t) { return t == DType::Bool; }
constexpr bool is_float(DType t) { return t >= DType::F16; }
// The types that are only stored: they are computed with in float32.
constexpr bool is_half(DType t) { return t == DType::F16 || t == DType::BF16; }
constexpr bool is_signed_integer(DType t) { return t >= DType::I8 && t <= DType::I64; }
constexpr bool is_unsigned_integer(DType t) { return t >= DType::U8 && t <= DType::U64; }
constexpr bool is_integer(DType t) { return t >= DType::I8 && t <= DType::U64; }

// The smallest type that holds the values of both, as numpy.promote_types.
constexpr DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a > b) {
    DType t = a;
    a = b;
    b = t;
  }
  if (is_bool(a)) return b;
  if (b == DType::F64) return b;
  if (b == DType::F32) return is_half(a) || itemsize(a) <= 2 ? DType::F32 : DType::F64;
  if (b == DType::BF16) return a == DType::F16 ? DType::F32 : b;
  if (b == DType::F16) return itemsize(a) == 1 ? DType::F16 : itemsize(a) == 2 ? DType::F32 : DType::F64;
  if (is_signed_integer(a) == is_signed_integer(b)) return b;  // the numbering grows with the size inside a class
  const size_t signed_size = itemsize(a), unsigned_size = itemsize(b);
  if (signed_size > unsigned_size) return a;
  constexpr DType wider[] = {DType::I16, DType::I32, DType::I64, DType::F64};
  return unsigned_size == 1 ? wider[0] : unsigned_size == 2 ? wider[1] : unsigned_size == 4 ? wider[2] : wider[3];
}

// What an integer becomes where an op of networks needs floats.
constexpr DType to_float(DType t) { return is_float(t) ? t : itemsize(t) <= 2 ? DType::F32 : DType::F64; }
// What it becomes where NumPy's universal functions yield floats (sqrt, exp): float16 of 8 bits.
constexpr DType ufunc_float(DType t) { return !is_float(t) && itemsize(t) == 1 ? DType::F16 : to_float(t); }

// The type that sum, prod and cumsum accumulate in, as NumPy's on a 64-bit platform.
constexpr DType accumulator(DType t) { return is_float(t) ? t : is_unsigned_integer(t) ? DType::U64 : DType::I64; }

}  // namespace chainrule
