// Elements chosen by truth values, all of it contiguous: x[mask] and x[mask] = v of one shape.
// Work is cut by sizes alone; where a chunk's elements go is known from the counts of the chunks before it.
#pragma once

#include <cstdint>
#include <vector>

#include "tensor/tensor.h"

namespace chainrule {

std::int64_t count_true(const unsigned char* mask, std::int64_t size);
// The chosen elements in order; `x` and `mask` are contiguous and of one shape.
Tensor compress(const Tensor& x, const Tensor& mask);
// Where the true elements of a contiguous mask stand in row-major order: one column of indices for each axis.
std::vector<Tensor> true_places(const Tensor& mask);
// Writes into the chosen elements of x, in order: the element at `values` into each (step 0), or one after the other.
void expand(const Tensor& x, const Tensor& mask, const void* values, int step);

}  // namespace chainrule
