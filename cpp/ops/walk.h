// Moving elements between a strided tensor and a contiguous block.
// Invariants: a Walk visits the elements in row-major order of the tensor's shape; it is plain data, so a Task can hold
// it.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace chainrule {

// A strided tensor as nested loops, outermost first. Axes of length 1 are gone, neighbours that follow on are merged.
struct Walk {
  int ndim;  // >= 1
  std::int64_t count;
  std::int64_t dims[kMaxDims];
  std::int64_t strides[kMaxDims];

  bool single() const { return ndim == 1 && strides[0] == 0; }  // one element, over and over
  bool contiguous() const { return count <= 1 || (ndim == 1 && strides[0] == 1); }
};

Walk make_walk(const Shape& shape, const Strides& strides);
inline Walk make_walk(const Tensor& x) { return make_walk(x.shape(), x.strides()); }

// block[i] = x[first + i] and x[first + i] = block[i] for i < n, of elements of `itemsize` bytes.
void gather(const Walk& walk, std::size_t itemsize, void* block, const void* x, std::int64_t first, std::int64_t n);
void scatter(const Walk& walk, std::size_t itemsize, void* x, const void* block, std::int64_t first, std::int64_t n);

// Elements [first, first + n) as a contiguous array: in place where the walk is contiguous, else gathered into
// `scratch`.
inline const void* read_block(const Walk& walk, std::size_t itemsize, void* scratch, const void* x, std::int64_t first,
                              std::int64_t n) {
  if (walk.contiguous()) return static_cast<const char*>(x) + first * static_cast<std::int64_t>(itemsize);
  gather(walk, itemsize, scratch, x, first, n);
  return scratch;
}

}  // namespace chainrule
