// One time step of a recurrent cell: everything between the two matrix products of a step, in one pass.
// Invariants: every array is contiguous and holds parts of `units` numbers side by side, in the order of Keras's
// weights (LSTM: i f c o; GRU: z r h). An element depends on the elements of the same number in each part only.
#pragma once

#include <stdint.h>

namespace chainrule {

enum class Cell : uint8_t { simple, lstm, gru, gru_reset_before };  // gru: the reset gate acts after the product with U
constexpr int kCells = 4;

struct CellStep {
  int64_t units;
  const void*
      z;        // h_before U, for gru with the recurrent bias; gru_reset_before: (r h_before) times the third part of U
  void* gates;  // in: x W + bias. out: lstm i f g o; gru z r g (h_before U's third part); gru_reset_before z r g
  const void *h_before, *c_before;
  void *h, *h_copy, *c;  // the new states; h is written twice
};

struct CellSlope {
  int64_t units;
  const void *gates, *h_before, *h, *c_before, *c;
  // in: the gradient by the new states; out: that part of the gradient by the states before that doesn't pass U.
  void *dh, *dc;
  // The gradients by what the activations are applied to, written twice: simple 1 part, lstm i f g o,
  // gru z r (h_before U's third part) g, gru_reset_before z r g.
  void *slopes, *slopes_copy;
  // gru_reset_before only: `reset` (the gradient by r h_before) is read, `product` (r h_before) written.
  const void* reset;
  void* product;
};

struct CellKernels {  // second index: 0 F32, 1 F64
  void (*forward[kCells][2])(const CellStep&);
  void (*backward[kCells][2])(const CellSlope&);
  // gru_reset_before before its second product: z, r from the first two parts of `z`; h_copy = r h_before.
  void (*open_reset[2])(const CellStep&);
  // and after it in backward: the slope of r, dh += reset r, product.
  void (*close_reset[2])(const CellSlope&);
  // sum[j] += rows[i * row_step + j], one row after the other.
  void (*add_rows[2])(void* sum, const void* rows, int64_t row_step, int64_t n_rows, int64_t columns);
};

}  // namespace chainrule
