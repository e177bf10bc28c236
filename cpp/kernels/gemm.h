// The GEMM entries of the kernel table. Owned by kernels/gemm.cpp (fills it) and tensor/gemm.cpp (the five loops).
// Invariants: all strides are in elements. An element of C is one chain of multiply-adds over k in rising order,
// started from 0 or from the element itself: how rows, columns and k are cut into tiles and blocks changes no bit.
// Exceptions, fixed by the shape and layout alone: dot_rows runs several chains, a product of two long vectors adds up
// pieces, and so does one of few rows with a large B (GemmPath::parts).
#pragma once

#include <stdint.h>

namespace chainrule {

// C[m, n] (+)= A[m, k] B[k, n], then bias and relu. k may be 0. Panels of rows are the outer loop, strips of columns
// the inner one, so B should fit in the second-level cache.
struct GemmBlock {
  int64_t m, n, k;
  // A in place: element (i, p) is a[i * a_row + p * a_col]. A packed (a_packed): panel q of `tile_rows` rows begins at
  // a + q * tile_rows * k and holds its rows side by side, `tile_rows` elements to the next p; a_row, a_col are not
  // read.
  const void* a;
  int64_t a_row, a_col;
  // B in place: element (p, j) is b[p * b_row + j * b_col], b_col being 1 unless b_store is given. B packed (b_packed):
  // strip s of `tile_cols` columns begins at b + s * tile_cols * k, `tile_cols` elements to the next p; b_row, b_col
  // are not read.
  const void* b;
  int64_t b_row, b_col;
  // Null, or room for a packed panel of A, into which each panel in place is copied before it is multiplied.
  void* a_store;
  // Null, or room for all of B packed, into which B in place is copied while the first panel reads it.
  void* b_store;
  // Element (i, j) of C is c[i * c_row + j], or c[j * c_row + i] when c_transposed.
  void* c;
  int64_t c_row;
  const void* bias;  // null, or one element for each position along the unit stride of C
  bool a_packed, b_packed, c_transposed, accumulate, relu;
  bool prefetch_c;  // C is not in a near cache; not with c_transposed
};

// y[i * y_step] (+)= sum over p < k of matrix[i * row_step + p] * x[p], i < rows, then bias[i * bias_step] and relu.
struct GemmDotRows {
  int64_t rows, k;
  const void* matrix;
  int64_t row_step;
  const void* x;
  void* y;
  int64_t y_step;
  const void* bias;
  int64_t bias_step;
  bool accumulate, relu;
};

// y[j] (+)= sum over p < k of x[p * x_step] * matrix[p * row_step + j], j < cols, then bias[j * bias_step] and relu.
// The chains are those of GemmBlock; several rows are read side by side, as memory likes it, while y stays in the
// cache.
struct GemmAddRows {
  int64_t k, cols;
  const void* x;
  int64_t x_step;
  const void* matrix;
  int64_t row_step;
  void* y;
  const void* bias;
  int64_t bias_step;
  bool accumulate, relu;
};

struct GemmKernel {
  int tile_rows, tile_cols;
  void (*block)(const GemmBlock& block);
  void (*dot_rows)(const GemmDotRows& dots);
  void (*add_rows)(const GemmAddRows& sums);
  // Packs one panel of A (width tile_rows) or strip of B (width tile_cols):
  // dst[p * width + l] = src[l * lane_step + p * k_step], l < lanes <= width, p < k. What lies between `lanes` and
  // `width` is undefined; up to one vector may be written beyond dst[k * width].
  void (*pack)(void* dst, int64_t width, const void* src, int64_t lane_step, int64_t k_step, int64_t lanes, int64_t k);
};

struct GemmKernels {
  GemmKernel of[2];  // F32, F64
  static constexpr int kPackSlackBytes = 64;
};

// Panels of nearly equal height rather than full ones and a sliver: C rows [panel_begin(q), panel_begin(q + 1)) form
// panel q of `panels`. Shared by the kernels and by whoever packs A for them.
static inline int64_t gemm_panels(int64_t m, int64_t tile_rows) { return (m + tile_rows - 1) / tile_rows; }
static inline int64_t gemm_panel_begin(int64_t m, int64_t panels, int64_t q) {
  const int64_t height = m / panels, taller = m % panels;
  return q * height + (q < taller ? q : taller);
}

}  // namespace chainrule
