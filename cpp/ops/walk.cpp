#include "ops/walk.h"

#include <algorithm>
#include <cstring>

#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

// kGather: strided -> block; otherwise block -> strided.
template <bool kGather>
void move_elements(const Walk& walk, std::size_t itemsize, char* strided, char* block, std::int64_t first,
                   std::int64_t n) {
  if (n <= 0) return;
  const MoveKernels& move = kernels().move;
  const int size = log2_itemsize(static_cast<std::int64_t>(itemsize));
  const std::int64_t bytes = static_cast<std::int64_t>(itemsize);
  const int last = walk.ndim - 1;
  const std::int64_t length = walk.dims[last], stride = walk.strides[last];

  std::int64_t index[kMaxDims];
  std::int64_t rest = first, offset = 0;
  for (int axis = last; axis >= 0; --axis) {
    index[axis] = rest % walk.dims[axis];
    rest /= walk.dims[axis];
    offset += index[axis] * walk.strides[axis];
  }
  while (n > 0) {
    char* at = strided + offset * bytes;
    std::int64_t rows = 0;  // whole inner runs taken at once
    if (last > 0 && index[last] == 0) rows = std::min(n / length, walk.dims[last - 1] - index[last - 1]);
    if (rows > 1) {
      const std::int64_t row = walk.strides[last - 1];
      if (stride > 1 && row == 1) {
        if (kGather) {
          move.transpose[size](block, length, at, stride, length, rows);
        } else {
          move.transpose[size](at, stride, block, length, rows, length);
        }
      } else if (kGather) {
        move.copy_rows[size](block, length, 1, at, row, stride, rows, length);
      } else {
        move.copy_rows[size](at, row, stride, block, length, 1, rows, length);
      }
      index[last - 1] += rows;
      offset += rows * row;
      block += rows * length * bytes;
      n -= rows * length;
    } else {
      const std::int64_t run = std::min(n, length - index[last]);
      if (kGather) {
        move.copy[size](block, 1, at, stride, run);
      } else {
        move.copy[size](at, stride, block, 1, run);
      }
      block += run * bytes;
      n -= run;
      index[last] += run;
      offset += run * stride;
      if (index[last] < length || last == 0) continue;
      index[last] = 0;
      offset += walk.strides[last - 1] - length * stride;
      ++index[last - 1];
    }
    for (int axis = last - 1; axis > 0 && index[axis] == walk.dims[axis]; --axis) {
      offset += walk.strides[axis - 1] - index[axis] * walk.strides[axis];
      index[axis] = 0;
      ++index[axis - 1];
    }
  }
}

}  // namespace

Walk make_walk(const Shape& shape, const Strides& strides) {
  Walk walk;
  walk.ndim = 0;
  walk.count = element_count(shape);
  for (int axis = 0; axis < shape.ndim; ++axis) {
    if (shape[axis] == 1) continue;
    if (walk.ndim > 0 && walk.strides[walk.ndim - 1] == strides[axis] * shape[axis]) {
      walk.dims[walk.ndim - 1] *= shape[axis];
    } else {
      walk.dims[walk.ndim++] = shape[axis];
    }
    walk.strides[walk.ndim - 1] = strides[axis];
  }
  if (walk.ndim == 0) {
    walk.ndim = 1;
    walk.dims[0] = walk.strides[0] = 1;
  }
  return walk;
}

void gather(const Walk& walk, std::size_t itemsize, void* block, const void* x, std::int64_t first, std::int64_t n) {
  move_elements<true>(walk, itemsize, static_cast<char*>(const_cast<void*>(x)), static_cast<char*>(block), first, n);
}

void scatter(const Walk& walk, std::size_t itemsize, void* x, const void* block, std::int64_t first, std::int64_t n) {
  move_elements<false>(walk, itemsize, static_cast<char*>(x), static_cast<char*>(const_cast<void*>(block)), first, n);
}

}  // namespace chainrule
