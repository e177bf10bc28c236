// C = act(A B + bias), float32 and float64: blocking, packing and threads around the micro-kernels of kernels/gemm.cpp.
// Invariants: A and B are read with any row and column strides (so every transposition is free of copies); C has unit
// column stride and overlaps neither. The sum over k runs in one fixed order for a shape: work is split over m and n
// only, so the bits don't depend on the number of threads.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "kernels/table.h"

namespace chainrule {

struct GemmKernel;

struct Gemm {
  DType dtype;                // F32 or F64
  std::int64_t m, n, k;       // any may be 0; k == 0 gives act(bias)
  std::int64_t a_row, a_col;  // strides in elements; may be 0 or negative
  std::int64_t b_row, b_col;
  std::int64_t c_row;                  // row stride of C
  bool accumulate = false;             // C += A B (before bias and activation)
  bool has_bias = false;               // bias: contiguous, n elements, added to every row
  ElementwiseFn activation = nullptr;  // unary, same dtype; applied to C while it is in cache
};

enum class GemmPath : std::uint8_t {
  nothing,     // m or n is 0
  dot_rows_b,  // one row of A against the contiguous columns of B
  dot_rows_a,  // the contiguous rows of A against one column
  in_place,    // A and B read where they are
  transposed,  // C^T = B^T A^T, A^T packed, B^T read where it is: for a transposed B much larger than A and C
  packed,      // B packed block by block and shared by the threads
};

// How a product of this shape will be run; choose once, run many times.
struct GemmPlan {
  Gemm shape;
  const GemmKernel* kernel;
  GemmPath path;
  bool relu;                // the activation is relu, which the micro-kernels apply themselves
  bool pack_a;              // packed path: A is packed too, by each thread for its own rows
  bool one_call;            // small: a single block on the calling thread
  bool prefetch_c;          // C is larger than the second-level cache
  std::int64_t mc, kc, nc;  // block sizes; not set where the path is a single call
};
GemmPlan plan_gemm(const Gemm& shape);
void run_gemm(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias);

inline void gemm(const Gemm& shape, const void* a, const void* b, void* c, const void* bias = nullptr) {
  run_gemm(plan_gemm(shape), a, b, c, bias);
}

// `batch` independent products of one plan, each with the bits of a run_gemm of its own. Where B is shared (b_step 0)
// and the rows of A and C follow on from one matrix to the next, a single product of batch * m rows is faster. Strides
// between consecutive matrices in elements (0 to broadcast one).
void run_gemm_batch(const GemmPlan& plan, std::int64_t batch, const void* a, std::int64_t a_step, const void* b,
                    std::int64_t b_step, void* c, std::int64_t c_step, const void* bias);

}  // namespace chainrule
