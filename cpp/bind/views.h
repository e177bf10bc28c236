// Views that methods and functions make without calling an op where no gradient has to know of them, and copies in an
// order of memory.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/functions.h"
#include "tensor/tensor.h"

namespace chainrule {

// The axes in another order; axes has one entry for each axis.
Tensor permuted(const Tensor& x, const int* axes);
// The elements as one axis; an empty tensor where that takes a copy, or an op that a recording knows.
Tensor raveled_shortly(const Tensor& x);
std::vector<std::int64_t> reversed_axes(int ndim);
// The axes as they stand in memory, the outermost first.
std::vector<std::int64_t> axes_by_stride(const Tensor& x);
// Whether the elements stand in column-major order; of a tensor with values.
bool stands_in_columns(const Tensor& x);
// Whether they stand in that order and in no other.
bool columns_first(const Tensor& x);

// What `make` makes of the elements, without gaps, in an order: C, F, A (F if they stand so), K (as near to how they
// stand as can be).
template <class Make>
Tensor in_order(const Tensor& x, char order, const Make& make) {
  if (order == 'C' || x.ndim() < 2 || x.is_placeholder()) return make(x);
  if (order != 'F' && x.is_contiguous()) return make(x);
  std::vector<std::int64_t> axes = reversed_axes(x.ndim());
  if (order == 'A' && !columns_first(x)) return make(x);
  if (order == 'K') axes = axes_by_stride(x);
  std::vector<std::int64_t> back(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i) back[static_cast<std::size_t>(axes[i])] = static_cast<std::int64_t>(i);
  return fn::transpose(make(fn::transpose(x, axes)), back);
}
Tensor copy_in_order(const Tensor& x, char order);

}  // namespace chainrule
