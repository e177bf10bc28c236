// The normalisation entries of the kernel table. Owned by kernels/norm.cpp (fills it) and ops/norm.cpp (chunks,
// merging). Invariants: arrays are contiguous (rows, cols); sums run in an order that the sizes alone decide. Index 0:
// F32, 1: F64.
#pragma once

#include <stdint.h>

namespace chainrule {

struct NormRows {
  int64_t rows, cols;
  double epsilon;
  bool centered;             // false: the mean is taken as 0 (RMS normalisation)
  const void *gamma, *beta;  // cols each, or null
};

struct NormKernels {
  // Each row by its own statistics: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta. y may be x.
  void (*rows[2])(void* y, const void* x, const NormRows& norm);
  // dx of the same from g; dgamma[j] += g xhat and dbeta[j] += g, in order of the rows. dx may be g.
  void (*rows_grad[2])(void* dx, void* dgamma, void* dbeta, const void* g, const void* x, const NormRows& norm);

  // Each column ("channel") over the rows. The arrays named after statistics have cols elements.
  // mean[j] and sum of (x - mean)^2, in two passes.
  void (*channel_moments[2])(void* mean, void* squares, const void* x, int64_t rows, int64_t cols);
  // sum of g and of g (x - mean).
  void (*channel_grad_sums[2])(void* sum, void* product, const void* g, const void* x, const void* mean, int64_t rows,
                               int64_t cols);
  // y = (x - mean) * scale + shift; mean may be null (0). y may be x.
  void (*channel_scale[2])(void* y, const void* x, const void* mean, const void* scale, const void* shift, int64_t rows,
                           int64_t cols);
  // dx = g * a + (x - mean) * b + c. dx may be g.
  void (*channel_grad[2])(void* dx, const void* g, const void* x, const void* mean, const void* a, const void* b,
                          const void* c, int64_t rows, int64_t cols);
};

}  // namespace chainrule
