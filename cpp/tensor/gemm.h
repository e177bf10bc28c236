// C = combine(act(A B + bias), D), float32 and float64: blocking, packing and threads around the micro-kernels of
// kernels/gemm.cpp.
// Invariants: A and B are read with any row and column strides (so every transposition is free of copies); C has unit
// column stride and overlaps no operand. The sum over k runs in one fixed order for a shape: work is split over m and
// n, and over k into parts that the shape alone determines, so the bits don't depend on the number of threads.
//
// Choose once, run often: plan_gemm(shape), then run_gemm(plan, operands) for any addresses.
// Pack once, run often, where many products share B (weights of a recurrent layer, inference): allocate
// packed_b_bytes(...), fill it with pack_b(...), set Gemm::b_packed in the shape that is planned, and pass the packed
// block as `b`. It serves every m, every layout of A, and every combination of bias, accumulate and activation; the
// bits are those of the product with B in place, its rows contiguous.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "kernels/table.h"

namespace chainrule {

struct GemmKernel;

struct Gemm {
  DType dtype;                         // a float; half types are summed in float32 (tensor/dot.h)
  std::int64_t m, n, k;                // any may be 0; k == 0 gives act(bias)
  std::int64_t a_row, a_col;           // strides in elements; may be 0 or negative
  std::int64_t b_row, b_col;           // not read when b_packed
  std::int64_t c_row;                  // row stride of C
  bool accumulate = false;             // C += A B (before bias and activation)
  bool has_bias = false;               // bias: contiguous, n elements, added to every row
  ElementwiseFn activation = nullptr;  // unary, same dtype; applied to C while it is in cache
  bool b_packed = false;               // `b` is what pack_b made of B
  // Binary, same dtype: applied last to C, which is its argument number `combine_place`, and D, while C is in cache: a
  // residual that is added, the gradient of the activation before. Not with half types.
  ElementwiseFn combine = nullptr;
  int combine_place = 0;
};

// Addresses of a product's operands. `d` is laid out like C and isn't read without Gemm::combine.
struct GemmOperands {
  const void *a, *b;
  void* c;
  const void* bias = nullptr;
  const void* d = nullptr;
};

enum class GemmPath : std::uint8_t {
  nothing,     // m or n is 0
  half,        // float16 and bfloat16: tensor/dot.h
  dot,         // two vectors
  dot_rows_b,  // one row of A against the contiguous columns of B
  dot_rows_a,  // the contiguous rows of A against one column
  add_rows_b,  // one row of A times a B of contiguous rows, too large for the first-level cache
  add_rows_a,  // a transposed A times one column: the same with the roles exchanged
  transposed,  // C^T = B^T A^T: for a transposed B and few rows of A, which is packed, or a transposed A, few columns
               // of B
  one_call,    // small: a single block, in place, on the calling thread
  parts,       // few rows of A, a large B and a long sum: its parts are products of their own, added up in their order
  blocks,      // the rest: a grid of rows and columns, each cut into blocks that the second-level cache holds. Of a
               // matrix times its own transpose (the same memory) one half is computed, and mirrored
};

// How a product of this shape will be run; choose once, run many times.
struct GemmPlan {
  Gemm shape;
  const GemmKernel* kernel;
  GemmPath path;
  bool relu;                  // the activation is relu, which the micro-kernels apply themselves
  bool finishes;              // another activation, or a combination: done after the micro-kernels
  bool pack_a, pack_b;        // copied panel by panel and strip by strip just before use, or read in place
  bool prefetch_c;            // C is larger than the first-level cache
  bool whole;                 // blocks: a single one, in place
  std::int64_t k_blocks, nc;  // the sum is cut into k_blocks parts; columns of a block of B. Only on the path `blocks`
};
GemmPlan plan_gemm(const Gemm& shape);
void run_gemm(const GemmPlan& plan, const GemmOperands& operands);
inline void run_gemm(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  run_gemm(plan, {a, b, c, bias});
}

// Rows [row, row + rows) and columns [column, column + columns) of C, done; `row_step` elements from row to row.
struct GemmPart {
  const void* data;
  std::int64_t row_step, row, rows, column, columns;
};
// Somebody who takes C part by part while it is in cache, instead of having it stored. Called on the threads that
// compute, once for each element.
struct GemmTaker {
  void (*take)(const void* context, const GemmPart& part);
  const void* context;
};
// Whether products of this plan can be given away so.
bool gives_parts(const GemmPlan& plan);
void run_gemm(const GemmPlan& plan, const void* a, const void* b, const GemmTaker& taker);

inline void gemm(const Gemm& shape, const void* a, const void* b, void* c, const void* bias = nullptr) {
  run_gemm(plan_gemm(shape), a, b, c, bias);
}

// B (k, n) as the kernels like to read it: strips of columns side by side, padded to whole strips. Depends on k, n, the
// strides given here and the instruction-set level in use (runtime/cpu.h), on nothing else. pack_b uses all threads.
std::size_t packed_b_bytes(DType dtype, std::int64_t k, std::int64_t n);
void pack_b(DType dtype, std::int64_t k, std::int64_t n, const void* b, std::int64_t b_row, std::int64_t b_col,
            void* packed);

// `batch` independent products of one plan, each with the bits of a run_gemm of its own. Where B is shared (b_step 0)
// and the rows of A and C follow on from one matrix to the next, a single product of batch * m rows is faster. Strides
// between consecutive matrices in elements (0 to broadcast one); D steps like C.
void run_gemm_batch(const GemmPlan& plan, std::int64_t batch, const GemmOperands& operands, std::int64_t a_step,
                    std::int64_t b_step, std::int64_t c_step);

}  // namespace chainrule
