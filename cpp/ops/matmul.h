// The lowered form of matrix products, which a program's fusion pass gives a bias and an activation.
// Invariant: the run functions take ptr = {a, b, out} or {a, b, bias, d, out}.
#pragma once

#include "ops/op.h"
#include "tensor/gemm.h"

namespace chainrule {

// matmul(a, b) and matmul_bias_act(a, b[, bias][, d], ...): one product, or one batch with fixed steps.
struct MatmulTask {
  GemmPlan plan;
  std::int64_t batch;                   // 1 for a single product
  std::int64_t a_step, b_step, c_step;  // elements between the matrices of a batch
  int inputs;                           // 2, or 4 with places for the bias and d (plan.shape: whether they are given)
};

// Strides that broadcasting makes irregular: an outer loop of batches.
struct MatmulLoopTask {
  MatmulTask inner;
  int ndim;  // of the outer loop
  std::int64_t count;
  std::int64_t dims[kMaxDims], a_strides[kMaxDims], b_strides[kMaxDims];
};

}  // namespace chainrule
