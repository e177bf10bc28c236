// float16 and bfloat16: conversions, and elementwise kernels that convert blocks of their operands to float32 on the
// way in, call the kernel of float32, and round its results on the way out.
#include "base/half.h"

#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

// ---- to and from float32
void widen_bfloat16(float* dst, const uint16_t* src, int64_t n) {
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = bfloat16_to_float(src[i]);
}
void narrow_bfloat16(uint16_t* dst, const float* src, int64_t n) {
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = float_to_bfloat16(src[i]);
}

#if defined(__F16C__) && defined(__GNUC__) && !defined(__clang__)
#define CR_F16C 1
#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif
typedef float Floats __attribute__((vector_size(4 * kLanes)));
typedef short Halves __attribute__((vector_size(2 * kLanes)));
constexpr int kNearest = 0, kAsSet = 4;  // codes of rounding: to the nearest; as the processor is set
CR_INLINE Floats widen(Halves x) {
#if defined(__AVX512F__)
  return __builtin_ia32_vcvtph2ps512_mask(x, Floats{}, 0xffff, kAsSet);
#else
  return __builtin_ia32_vcvtph2ps256(x);
#endif
}
CR_INLINE Halves narrow(Floats x) {
#if defined(__AVX512F__)
  return __builtin_ia32_vcvtps2ph512_mask(x, kNearest, Halves{}, 0xffff);
#else
  return __builtin_ia32_vcvtps2ph256(x, kNearest);
#endif
}
// f on whole vectors, the last one padded.
template <class To, class From, class F>
CR_INLINE void convert_all(void* dst_, const void* src_, int64_t n, F f) {
  constexpr int64_t to_size = sizeof(To), from_size = sizeof(From);
  char* dst = static_cast<char*>(dst_);
  const char* src = static_cast<const char*>(src_);
  for (; n > 0; n -= kLanes, dst += to_size, src += from_size) {
    const size_t count = static_cast<size_t>(n < kLanes ? n : kLanes);
    From x{};
    if (count == kLanes) {
      __builtin_memcpy(&x, src, from_size);
    } else {
      __builtin_memcpy(&x, src, count * (from_size / kLanes));
    }
    const To y = f(x);
    if (count == kLanes) {
      __builtin_memcpy(dst, &y, to_size);
    } else {
      __builtin_memcpy(dst, &y, count * (to_size / kLanes));
    }
  }
}
void widen_float16(float* dst, const uint16_t* src, int64_t n) {
  convert_all<Floats, Halves>(dst, src, n, [](Halves x) __attribute__((always_inline)) { return widen(x); });
}
void narrow_float16(uint16_t* dst, const float* src, int64_t n) {
  convert_all<Halves, Floats>(dst, src, n, [](Floats x) __attribute__((always_inline)) { return narrow(x); });
}
#else
void widen_float16(float* dst, const uint16_t* src, int64_t n) {
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = float16_to_float(src[i]);
}
void narrow_float16(uint16_t* dst, const float* src, int64_t n) {
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = float_to_float16(src[i]);
}
#endif

struct Float16 {
  static constexpr DType kType = DType::F16;
  static void widen(float* dst, const uint16_t* src, int64_t n) { widen_float16(dst, src, n); }
  static void narrow(uint16_t* dst, const float* src, int64_t n) { narrow_float16(dst, src, n); }
};
struct Bfloat16 {
  static constexpr DType kType = DType::BF16;
  static void widen(float* dst, const uint16_t* src, int64_t n) { widen_bfloat16(dst, src, n); }
  static void narrow(uint16_t* dst, const float* src, int64_t n) { narrow_bfloat16(dst, src, n); }
};

constexpr int64_t kBlock = 256;  // of elements that go through float32 at a time, in the first-level cache

// ---- casts
template <class Half>
void widen_cast(void* dst, const void* src, int64_t n) {
  Half::widen(static_cast<float*>(dst), static_cast<const uint16_t*>(src), n);
}
template <class Half>
void narrow_cast(void* dst, const void* src, int64_t n) {
  Half::narrow(static_cast<uint16_t*>(dst), static_cast<const float*>(src), n);
}
void cast_bits(void* dst, const void* src, int64_t n) {
  if (dst != src) __builtin_memcpy(dst, src, static_cast<size_t>(n) * 2);
}
// Doubles go through the float that rounds to the same half.
void odd_floats(void* dst_, const void* src_, int64_t n) {
  float* dst = static_cast<float*>(dst_);
  const double* src = static_cast<const double*>(src_);
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) dst[i] = double_to_odd_float(src[i]);
}

void cast_through(CastFn in, size_t in_size, CastFn out, size_t out_size, void* dst_, const void* src_, int64_t n) {
  alignas(64) float block[kBlock];
  char* dst = static_cast<char*>(dst_);
  const char* src = static_cast<const char*>(src_);
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = n - i < kBlock ? n - i : kBlock;
    in(block, src + static_cast<size_t>(i) * in_size, count);
    out(dst + static_cast<size_t>(i) * out_size, block, count);
  }
}

CastFn casts_to_float[kDTypes], casts_from_float[kDTypes];  // filled before any kernel runs

template <class Half, DType other>
void cast_to_half(void* dst, const void* src, int64_t n) {
  const CastFn in = other == DType::F64 ? &odd_floats : casts_to_float[index(other)];
  cast_through(in, itemsize(other), &narrow_cast<Half>, 2, dst, src, n);
}
template <class Half, DType other>
void cast_from_half(void* dst, const void* src, int64_t n) {
  cast_through(&widen_cast<Half>, 2, casts_from_float[index(other)], itemsize(other), dst, src, n);
}

template <class Half, DType other>
void fill_casts_with(MoveKernels& move) {
  move.cast[index(Half::kType)][index(other)] = &cast_to_half<Half, other>;
  move.cast[index(other)][index(Half::kType)] = &cast_from_half<Half, other>;
}
template <class Half>
void fill_casts(MoveKernels& move) {
  fill_casts_with<Half, DType::Bool>(move);
  fill_casts_with<Half, DType::I8>(move);
  fill_casts_with<Half, DType::I16>(move);
  fill_casts_with<Half, DType::I32>(move);
  fill_casts_with<Half, DType::I64>(move);
  fill_casts_with<Half, DType::U8>(move);
  fill_casts_with<Half, DType::U16>(move);
  fill_casts_with<Half, DType::U32>(move);
  fill_casts_with<Half, DType::U64>(move);
  fill_casts_with<Half, DType::F64>(move);
  move.cast[index(Half::kType)][index(DType::F32)] = &narrow_cast<Half>;
  move.cast[index(DType::F32)][index(Half::kType)] = &widen_cast<Half>;
  move.cast[index(Half::kType)][index(Half::kType)] = &cast_bits;
}

// ---- elementwise
ElementwiseFn kernels_of_float[kElementwiseOps];

using Widen = void (*)(float*, const uint16_t*, int64_t);
using Narrow = void (*)(uint16_t*, const float*, int64_t);

// `narrow` is null where the results are truth values.
void compute_in_float(ElementwiseFn kernel, int arity, Widen widen, Narrow narrow, void* out, const void* const* in,
                      const int64_t* step, int64_t n) {
  alignas(64) float block[2][kBlock], result[kBlock];
  const void* const operands[] = {block[0], block[1]};
  for (int k = 0; k < arity; ++k)
    if (step[k] == 0) widen(block[k], static_cast<const uint16_t*>(in[k]), 1);
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = n - i < kBlock ? n - i : kBlock;
    for (int k = 0; k < arity; ++k)
      if (step[k] != 0) widen(block[k], static_cast<const uint16_t*>(in[k]) + i, count);
    if (narrow) {
      kernel(result, operands, step, count);
      narrow(static_cast<uint16_t*>(out) + i, result, count);
    } else {
      kernel(static_cast<uint8_t*>(out) + i, operands, step, count);
    }
  }
}

template <class Half, ElementwiseOp op, int arity, bool gives_bool>
void elementwise(void* out, const void* const* in, const int64_t* step, int64_t n) {
  compute_in_float(kernels_of_float[static_cast<int>(op)], arity, &Half::widen, gives_bool ? nullptr : &Half::narrow,
                   out, in, step, n);
}

constexpr bool SAME = false, BOOL = true;

template <class Half>
void fill_elementwise(Kernels& table) {
#define CR_ELEMENTWISE(name, arity, types, result, ...)                            \
  if (arity < 3 && kernels_of_float[static_cast<int>(ElementwiseOp::name)])        \
    table.elementwise[static_cast<int>(ElementwiseOp::name)][index(Half::kType)] = \
        &elementwise<Half, ElementwiseOp::name, arity, result>;
#include "kernels/elementwise.def"
#undef CR_ELEMENTWISE
}

}  // namespace

void fill_half(Kernels& table) {
  for (int t = 0; t < kDTypes; ++t) {
    casts_to_float[t] = table.move.cast[index(DType::F32)][t];
    casts_from_float[t] = table.move.cast[t][index(DType::F32)];
  }
  for (int op = 0; op < kElementwiseOps; ++op) kernels_of_float[op] = table.elementwise[op][index(DType::F32)];
  fill_casts<Float16>(table.move);
  fill_casts<Bfloat16>(table.move);
  table.move.cast[index(DType::BF16)][index(DType::F16)] = [](void* dst, const void* src, int64_t n) {
    cast_through(&widen_cast<Float16>, 2, &narrow_cast<Bfloat16>, 2, dst, src, n);
  };
  table.move.cast[index(DType::F16)][index(DType::BF16)] = [](void* dst, const void* src, int64_t n) {
    cast_through(&widen_cast<Bfloat16>, 2, &narrow_cast<Float16>, 2, dst, src, n);
  };
  fill_elementwise<Float16>(table);
  fill_elementwise<Bfloat16>(table);
}

}  // namespace chainrule::CHAINRULE_ISA
