// Walking several strided operands together: broadcasting, and axes merged until the inner runs are as long as they
// get. Invariant: the order of elements is row-major in the output's shape.
#pragma once

#include <cstdint>

#include "base/shape.h"

namespace chainrule {

constexpr int kMaxOperands = 8;

struct Loop {
  int ndim = 0;                                  // >= 1 after collapse
  std::int64_t dims[kMaxDims];                   // outermost first
  std::int64_t strides[kMaxDims][kMaxOperands];  // elements
};

// The loop over `shape` for operands whose strides are given for that same shape (0 where broadcast). Axes of length 1
// go; neighbours that are contiguous in every operand are merged.
inline Loop collapse(const Shape& shape, const Strides* operand_strides, int operands) {
  Loop loop;
  for (int axis = 0; axis < shape.ndim; ++axis) {
    if (shape[axis] == 1) continue;
    bool merge = loop.ndim > 0;
    for (int k = 0; merge && k < operands; ++k)
      merge = loop.strides[loop.ndim - 1][k] == operand_strides[k][axis] * shape[axis];
    if (merge) {
      loop.dims[loop.ndim - 1] *= shape[axis];
    } else {
      loop.dims[loop.ndim++] = shape[axis];
    }
    for (int k = 0; k < operands; ++k) loop.strides[loop.ndim - 1][k] = operand_strides[k][axis];
  }
  if (loop.ndim == 0) {
    loop.ndim = 1;
    loop.dims[0] = 1;
    for (int k = 0; k < operands; ++k) loop.strides[0][k] = 0;
  }
  return loop;
}

// The strides of `from` seen as a tensor of the (broadcast) shape `to`.
inline Strides broadcast_strides(const Shape& from, const Strides& strides, const Shape& to) {
  Strides result;
  result.ndim = to.ndim;
  const int lead = to.ndim - from.ndim;
  for (int i = 0; i < to.ndim; ++i) result[i] = i < lead || from[i - lead] == 1 ? 0 : strides[i - lead];
  return result;
}

}  // namespace chainrule
