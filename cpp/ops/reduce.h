// Reductions of whole rows inside the fused groups of programs.
#pragma once

#include "ops/op.h"

namespace chainrule {

// Of a row's `length` elements to one, as the op itself does over the last axis: the same kernels, the same bits.
struct RowReduction {
  void (*row)(void* out, const void* x, std::int64_t n) = nullptr;
  ElementwiseFn divide = nullptr;  // of means
  std::uint64_t divisor = 0;       // the length, as an element of the dtype

  explicit operator bool() const { return row != nullptr; }
  void operator()(void* out, const void* x, std::int64_t n) const;
};

// False if the op isn't such a reduction, or reduces rows like these otherwise: several at a time, or in pieces.
RowReduction row_reduction(const Op& op, DType dtype, std::int64_t rows, std::int64_t length);

}  // namespace chainrule
