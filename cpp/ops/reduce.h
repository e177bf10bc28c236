// Reductions inside the fused groups of programs: of whole rows, and of all elements.
#pragma once

#include "ops/op.h"

namespace chainrule {

// Of a row's `length` elements to one, as the op itself does over the last axis: the same kernels, the same bits.
struct RowReduction {
  void (*row)(void* out, const void* x, std::int64_t n) = nullptr;
  void (*deviations)(void* mean, void* out, const void* x, std::int64_t n) = nullptr;  // in its place: of variances
  ElementwiseFn divide = nullptr;                                                      // of means and variances
  std::uint64_t divisor = 0;                                                           // an element of the dtype

  explicit operator bool() const { return row != nullptr; }
  void operator()(void* out, const void* x, std::int64_t n) const;
};

// False if the op isn't such a reduction, or reduces rows like these otherwise: several at a time, or in pieces.
RowReduction row_reduction(const Op& op, const Attrs& attrs, DType dtype, std::int64_t rows, std::int64_t length);

// Of all elements of a long tensor to one, as the op itself does: pieces of `length` elements (the last may be
// shorter), then their results, which are of the op's dtype, by `join`.
struct PieceReduction {
  RowReduction piece, join;
  std::int64_t length = 0;

  explicit operator bool() const { return length > 0; }
};

// False if the op on this input is no such reduction.
PieceReduction piece_reduction(const Op& op, const Attrs& attrs, DType in, DType out, const Shape& shape);

}  // namespace chainrule
