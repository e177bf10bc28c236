// Products of half types and of 8-bit integers: blocks and threads around the kernels of kernels/dot.h, and conversion
// to float32 where the processor has no such instructions.
// Invariants: A and B are read with any strides. A sum runs over k in one order whatever the number of threads; it is
// float32 for half types and exact for integers.
#pragma once

#include <cstdint>

#include "kernels/table.h"
#include "tensor/gemm.h"

namespace chainrule {

// C = act(A B + bias) in F16 or BF16, as plan_gemm: the sum, the sum with the bias, and the activation are each
// rounded, as separate ops would. Called by tensor/gemm.cpp.
void run_half_gemm(const Gemm& shape, const void* a, const void* b, void* c, const void* bias);

// C (int32, rows n apart) = A B, of int8 or uint8 with int8. Sums beyond 32 bits wrap.
struct ByteGemm {
  DotType type;  // of A
  std::int64_t m, n, k;
  std::int64_t a_row, a_col, b_row, b_col;
};
void run_byte_gemm(const ByteGemm& shape, const void* a, const void* b, std::int32_t* c);

}  // namespace chainrule
