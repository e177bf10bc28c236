// Ops as plain C++ functions, so that vjps read like formulas. Each is one call of apply() or a short composition.
#pragma once

#include <vector>

#include "ops/op.h"

namespace chainrule::fn {

// views
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor transpose(const Tensor& x, const std::vector<std::int64_t>& axes);
Tensor swap_last(const Tensor& x);  // the last two axes
Tensor broadcast_to(const Tensor& x, const Shape& shape);
Tensor slice(const Tensor& x, const std::vector<std::int64_t>& starts, const std::vector<std::int64_t>& stops,
             const std::vector<std::int64_t>& steps);
// values
Tensor cast(const Tensor& x, DType dtype);
Tensor full(DType dtype, const Shape& shape, double value);  // a broadcast scalar
Tensor zeros_like(const Tensor& x);
Tensor sum(const Tensor& x, const std::vector<std::int64_t>& axes, bool keepdims);
Tensor sum_to(const Tensor& x, const Shape& shape);  // undoes broadcasting: the sum over what was stretched
Tensor matmul(const Tensor& a, const Tensor& b);
// elementwise; dtypes must agree
Tensor add(const Tensor& a, const Tensor& b);
Tensor subtract(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor divide(const Tensor& a, const Tensor& b);
Tensor negative(const Tensor& a);
Tensor scale(const Tensor& a, double factor);  // factor converted to a's dtype

}  // namespace chainrule::fn
