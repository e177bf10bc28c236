// The function table of one instruction-set level: the only door to the kernels.
// Invariants: kernels take plain pointers and sizes; they allocate nothing, start no threads and include no C++ library
// header, so no inline function of theirs can be the copy that the linker keeps for the baseline code.
// Every kernel gives the same bits for an element whatever its position in the call (tails run the vector code on a
// padded copy). Input and output may be the same array where they are walked alike; otherwise they don't overlap.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "kernels/attention.h"
#include "kernels/cell.h"
#include "kernels/ctc.h"
#include "kernels/dot.h"
#include "kernels/fft.h"
#include "kernels/norm.h"

namespace chainrule {

// ---- elementwise ---------------------------------------------------------------------------------------------------
// One opcode per line of elementwise.def, in its order.
enum class ElementwiseOp : uint16_t {
#define CR_ELEMENTWISE(name, ...) name,
#include "kernels/elementwise.def"
#undef CR_ELEMENTWISE
  count
};
constexpr int kElementwiseOps = static_cast<int>(ElementwiseOp::count);

// out[i] = f(in[0][i * step[0]], ...) for i < n; each step is 0 (one element for all) or 1. `out` is contiguous; it may
// be one of the inputs of step 1.
using ElementwiseFn = void (*)(void* out, const void* const* in, const int64_t* step, int64_t n);

// ---- moves ---------------------------------------------------------------------------------------------------------
using CastFn = void (*)(void* dst, const void* src, int64_t n);  // contiguous, NumPy's astype rules (truncation, wrap)
// dst[i * dst_step] = src[i * src_step] for elements of 1, 2, 4, 8 bytes; steps in elements, any sign, 0 for src =
// fill.
using StridedCopyFn = void (*)(void* dst, int64_t dst_step, const void* src, int64_t src_step, int64_t n);
// The same for `rows` runs side by side: dst[i * dst_row + j * dst_step] = src[i * src_row + j * src_step], j < n.
// Short runs cost no call each.
using CopyRowsFn = void (*)(void* dst, int64_t dst_row, int64_t dst_step, const void* src, int64_t src_row,
                            int64_t src_step, int64_t rows, int64_t n);
// dst[j * dst_row + i] = src[i * src_row + j] for i < rows, j < cols.
using TransposeFn = void (*)(void* dst, int64_t dst_row, const void* src, int64_t src_row, int64_t rows, int64_t cols);
// dst row i (row_bytes long, contiguous rows) = src row index[i]; indices are valid and non-negative.
using GatherRowsFn = void (*)(void* dst, const void* src, const int64_t* index, int64_t rows, int64_t row_bytes);

struct MoveKernels {
  CastFn cast[kDTypes][kDTypes];  // [to][from]
  StridedCopyFn copy[4];          // by log2 of the element size
  CopyRowsFn copy_rows[4];
  TransposeFn transpose[4];
  GatherRowsFn gather_rows;
  // dst = src without a place for dst in the caches; null where the level has no such stores. stream_end() before
  // anybody else reads dst.
  void (*stream)(void* dst, const void* src, int64_t bytes);
  void (*stream_end)();
  // dst row index[i] += src row i, in order of i; F32, F64 and every integer type.
  void (*scatter_add_rows[kDTypes])(void* dst, const void* src, const int64_t* index, int64_t rows, int64_t cols);
};

// ---- reductions ----------------------------------------------------------------------------------------------------
// The tree depends on the lengths alone. Sums run in blocks with several accumulators, blocks are combined pairwise:
// the error grows with log n along every axis. Accumulator types: sum, prod, sum_squares -> accumulator(dtype); max,
// min -> dtype, NaN wins; any, all -> Bool.
enum class ReduceOp : uint8_t { sum, prod, max, min, any, all, sum_squares, count };
constexpr int kReduceOps = static_cast<int>(ReduceOp::count);

struct ReduceKernels {
  // out[0] = reduction of x[0 .. n), contiguous; n >= 1.
  void (*row[kReduceOps][kDTypes])(void* out, const void* x, int64_t n);
  // out[j] = reduction over i < rows of x[i * row_step + j], j < cols; rows >= 1.
  void (*columns[kReduceOps][kDTypes])(void* out, const void* x, int64_t row_step, int64_t rows, int64_t cols);
  // The mean and the sum of squared distances from it, of such a run or of such columns. Floats only.
  void (*deviations_row[kDTypes])(void* mean, void* squares, const void* x, int64_t n);
  void (*deviations_columns[kDTypes])(void* mean, void* squares, const void* x, int64_t row_step, int64_t rows,
                                      int64_t cols);
  // Index of the first greatest (least) element; a NaN counts as both, as in NumPy. With its value.
  int64_t (*argmax[kDTypes])(const void* x, int64_t n, void* value);
  int64_t (*argmin[kDTypes])(const void* x, int64_t n, void* value);
  // out[i] = x[0] op ... op x[i] along a strided run (steps in elements); out has type accumulator(dtype).
  void (*cumsum[kDTypes])(void* out, int64_t out_step, const void* x, int64_t x_step, int64_t n);
  void (*cumprod[kDTypes])(void* out, int64_t out_step, const void* x, int64_t x_step, int64_t n);
};

// ---- matrix multiplication -----------------------------------------------------------------------------------------
struct GemmKernels;  // kernels/gemm.h, used by tensor/gemm.cpp alone

// ---- rows: softmax and its losses. Index 0: F32, 1: F64. Arrays are contiguous (rows, cols). ------------------------
struct RowKernels {
  void (*softmax[2])(void* y, const void* x, int64_t rows, int64_t cols);
  void (*log_softmax[2])(void* y, const void* x, int64_t rows, int64_t cols);
  // dx = y * (g - sum(g * y))   and   dx = g - exp(y) * sum(g)
  void (*softmax_grad[2])(void* dx, const void* y, const void* g, int64_t rows, int64_t cols);
  void (*log_softmax_grad[2])(void* dx, const void* y, const void* g, int64_t rows, int64_t cols);
  void (*logsumexp[2])(void* out, const void* x, int64_t rows, int64_t cols);
  // loss[i] = logsumexp(x_i) - x_i[label_i]; and probability p = softmax(x) kept for the gradient when p is not null.
  // Returns the first row whose label is outside [0, cols), or -1. Such a row's loss is NaN.
  int64_t (*sparse_cross_entropy[2])(void* loss, void* p, const void* x, const int64_t* labels, int64_t rows,
                                     int64_t cols);
  // dx = (p - onehot(label)) * g_i
  void (*sparse_cross_entropy_grad[2])(void* dx, const void* p, const int64_t* labels, const void* g, int64_t rows,
                                       int64_t cols);
  // loss[i] = -sum_k t_ik log softmax(x_i)_k with t of the same shape; p as above. dx = (p * sum_k t_ik - t) * g_i
  void (*cross_entropy[2])(void* loss, void* p, const void* x, const void* t, int64_t rows, int64_t cols);
  void (*cross_entropy_grad[2])(void* dx, const void* p, const void* t, const void* g, int64_t rows, int64_t cols);
};

// ---- random numbers: element i of a stream is a function of (seed, counter, i) alone (base/philox.h)
// -----------------
struct RandomKernels {
  // 64 random bits per element, elements [first, first + n).
  void (*bits)(uint64_t* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n);
  void (*uniform[2])(void* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n);  // [0, 1)
  void (*normal[2])(void* out, uint64_t seed, uint64_t counter, int64_t first, int64_t n);   // mean 0, variance 1
  // out = keep ? x * scale : 0, with keep where uniform >= rate of element first + i.
  void (*dropout[2])(void* out, const void* x, double rate, double scale, uint64_t seed, uint64_t counter,
                     int64_t first, int64_t n);
};

// ---- optimizer updates, one pass over n elements. Index 0: F32, 1: F64. All formulas as in Keras 3.
// -------------------
struct OptimParams {
  double lr;                        // learning rate of this step
  double momentum, rho;             // SGD, RMSprop
  double beta1, beta2, epsilon;     // Adam
  double correction1, correction2;  // 1 - beta1^t, 1 - beta2^t
  double weight_decay;              // decoupled: w -= lr * weight_decay * w before the update
  double grad_scale;                // g is multiplied by it first (clipping by global norm); 1 for none
  double clip_value;                // g is clipped to [-clip_value, clip_value]; 0 for none
  int nesterov, centered, amsgrad;
};
struct OptimKernels {
  void (*sgd[2])(void* w, void* velocity /* null without momentum */, const void* g, int64_t n, const OptimParams*);
  void (*rmsprop[2])(void* w, void* mean_square, void* mean /* centered */, void* velocity /* momentum */,
                     const void* g, int64_t n, const OptimParams*);
  void (*adam[2])(void* w, void* m, void* v, void* vhat /* amsgrad */, const void* g, int64_t n, const OptimParams*);
};

// ---- convolution: products whose left operand is read through tables. Index 0: F32, 1: F64.
// --------------------------- C[m, n] (+)= A[m, k] B[k, n], then bias and relu, with A(i, p) = a[row[i] + column[p]],
// and row i of C at c[c_place[i]]. An element of C is one chain of multiply-adds over p in rising order. All offsets
// are in elements; k may be 0.
struct TableProduct {
  int64_t m, n, k;
  const void* a;
  const int64_t *row, *column;
  const void* b;  // element (p, j) is b[b_place[p] + j]
  const int64_t* b_place;
  int64_t b_strip;  // packed: strip s of `strip` columns begins at b + s * b_strip; 0: not packed
  void* c;
  const int64_t* c_place;
  const void* bias;  // null, or n elements
  bool accumulate, relu;
};
struct ConvKernels {
  void (*multiply[2])(const TableProduct&);
  // The same for channels that don't mix: A(i, p) stands for the n elements from a[row[i] + column[p]] on, and
  // C(i, j) (+)= sum over p of A(i, p)[j] * B(p, j). B is not packed.
  void (*multiply_channels[2])(const TableProduct&);
  int strip[2];  // columns of a packed strip
};

// ---- Winograd's convolution, float32: a 4 x 4 matrix of n channels is 16 planes, `plane` elements apart.
struct WinogradKernels {
  void (*input)(float* v, int64_t plane, const float* const* pixels, int64_t n);     // of 16 pixels
  void (*kernel)(float* u, int64_t plane, const float* g, int64_t cell, int64_t n);  // of 9 cells, `cell` apart
  // 4 pixels, of which null ones are left out; bias may be null.
  void (*output)(float* const* y, const float* m, int64_t plane, const float* bias, bool relu, int64_t n);
  void (*output_grad)(float* m, int64_t plane, const float* const* dy, int64_t n);  // of 4 pixels
  void (*kernel_grad)(float* dg, int64_t cell, const float* du, int64_t plane, int64_t n);
};

// ---- pooling. Index 0: F32, 1: F64.
// ---------------------------------------------------------------------------------- A run of positions whose windows
// hold the same cells: position i has those at x[i * x_step + cell[t] + channel] and its result at y[i * y_step +
// channel]. cells >= 1.
struct PoolRun {
  int64_t positions, channels, x_step, y_step;
  const int64_t* cell;
  int64_t cells;
  bool overlap;  // windows share cells: gradients are added to dx rather than written
};
struct PoolKernels {
  // Index 0: F32, 1: F64, 2: BF16, for which max_grad takes no windows that overlap, since sums would be rounded.
  void (*max[3])(void* y, const void* x, const PoolRun& run);  // nan if a cell is
  // The first cell of each window equal to y (or nan) gets g, the others 0.
  void (*max_grad[3])(void* dx, const void* x, const void* y, const void* g, const PoolRun& run);
  void (*max_pick[3])(void* out, const void* x, const void* y, const void* u, const PoolRun& run);  // u at that cell
  void (*mean[2])(void* y, const void* x, const PoolRun& run);
  void (*mean_grad[2])(void* dx, const void* g, const PoolRun& run);
};

// ---- the processor's limit. Index 0: F32, 1: F64. ------------------------------------------------------------------
struct PeakKernels {
  double (*multiply_add[2])(
      int64_t rounds);  // multiply-adds on registers alone; the value keeps them from being left out
  int flops[2];         // of a round
};

// ---- the table -----------------------------------------------------------------------------------------------------
struct Kernels {
  const char* isa;  // "x86_64_v2", "x86_64_v3", "x86_64_v4" or "aarch64"
  int vector_bytes;
  ElementwiseFn elementwise[kElementwiseOps][kDTypes];  // by the dtype of the inputs; null where undefined
  MoveKernels move;
  ReduceKernels reduce;
  const GemmKernels* gemm;
  RowKernels rows;
  RandomKernels random;
  OptimKernels optim;
  ConvKernels conv;
  WinogradKernels winograd;
  PoolKernels pool;
  CtcKernels ctc;
  CellKernels cell;
  NormKernels norm;            // kernels/norm.h
  AttentionKernels attention;  // kernels/attention.h
  FftKernels fft;
  DotKernels dot;  // kernels/dot.h
  PeakKernels peak;
};

}  // namespace chainrule
