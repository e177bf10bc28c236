// The attention entries of the kernel table. Owned by kernels/attention.cpp (fills it) and ops/attention.cpp (tiles).
// Invariants: a tile of scores has rows `row_step` apart, a multiple of kAttentionPadding elements at 64-byte
// boundaries; what lies between cols and row_step may be overwritten. Index 0: F32, 1: F64.
#pragma once

#include <stdint.h>

namespace chainrule {

constexpr int64_t kAttentionPadding = 16;

struct AttentionRows {
  int64_t rows, cols, row_step;
  double scale;         // of the scores
  int64_t first_limit;  // causal: row i sees the columns below first_limit + i; negative: every row sees all
  const uint8_t* mask;  // null, or element (i, j) at mask[i * mask_row + j * mask_col]: whether row i sees column j
  int64_t mask_row, mask_col;
  const void* bias;  // null, or added to the scaled scores
  int64_t bias_row, bias_col;
};

struct AttentionKernels {
  // In place: the softmax of each row of scores * scale + bias over the columns that it sees. The others get 0, as do
  // all columns of a row that sees none.
  void (*weights[2])(void* scores, const AttentionRows& rows);
  // In place: g = p (g - sum(g p)) * scale, the gradient by the unscaled scores; without the scale to bias_g (rows
  // bias_step apart) where it isn't null.
  void (*weights_grad[2])(void* g, const void* p, void* bias_g, int64_t bias_step, const AttentionRows& rows);
};

}  // namespace chainrule
