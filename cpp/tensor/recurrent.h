// Recurrent layers over whole sequences, forward and backward: the loops around kernels/cell.h and the matrix products.
// Invariants: every array is contiguous; sequences are (batch, steps, ...). The rows of a batch go their own ways, so
// they are shared out over the threads and no bit depends on how; sums over rows and steps are single products or
// fixed blocks. With a mask, a step that doesn't count leaves the states as they are, and what lies behind the last
// step of a row that counts costs no arithmetic.
#pragma once

#include <cstdint>

#include "base/dtype.h"
#include "kernels/table.h"

namespace chainrule {

struct Recurrence {
  DType dtype;
  Cell cell;
  std::int64_t batch, steps, features, units;
  bool backwards;  // from the last step to the first; states stand in the order they are computed in

  // How many parts of `units` numbers there are in
  std::int64_t input_parts() const { return cell == Cell::simple ? 1 : cell == Cell::lstm ? 4 : 3; }  // kernel, U
  std::int64_t gate_parts() const { return cell == Cell::gru ? 4 : input_parts(); }  // what forward keeps of a step
  std::int64_t bias_parts() const { return cell == Cell::gru ? 6 : input_parts(); }  // gru: input's, then recurrent's
  std::int64_t workspace() const;  // elements that recurrent_backward works in
};

// bias, h0, c0 and mask may be null (no bias, zero states, all steps count). c0, cells and last_c are the LSTM's.
struct RecurrentForward {
  const void *x, *kernel, *recurrent, *bias, *h0, *c0;
  const std::uint8_t* mask;
  void *states, *cells, *gates;  // of every step; gates as in kernels/cell.h, 0 where a step doesn't count
  void *last_h, *last_c;
};
void recurrent_forward(const Recurrence& r, const RecurrentForward& f);

// dstates, dlast_h, dlast_c may be null (zero); so may what isn't wanted of the results.
struct RecurrentBackward {
  const void *x, *kernel, *recurrent, *h0, *c0;
  const std::uint8_t* mask;
  const void *states, *cells, *gates, *dstates, *dlast_h, *dlast_c;
  void *dx, *dkernel, *drecurrent, *dbias, *dh0, *dc0, *workspace;
};
void recurrent_backward(const Recurrence& r, const RecurrentBackward& b);

}  // namespace chainrule
