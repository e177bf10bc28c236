#include "bind/views.h"

#include <algorithm>
#include <cstdlib>

#include "bind/call.h"
#include "graph/tape.h"

namespace chainrule {

namespace {

bool is_followed(const Tensor& x) { return recording() && has_node(x); }

}  // namespace

Tensor permuted(const Tensor& x, const int* axes) {
  if (is_followed(x)) return fn::transpose(x, {axes, axes + x.ndim()});
  Shape shape;
  Strides strides;
  for (int i = 0; i < x.ndim(); ++i) {
    shape.push_back(x.length(axes[i]));
    strides.push_back(x.strides()[axes[i]]);
  }
  return x.view(shape, strides, 0);
}

Tensor raveled_shortly(const Tensor& x) {
  if (x.is_placeholder() || is_followed(x) || x.size() == 0 || !x.is_contiguous()) return {};
  return x.view({x.size()}, {1}, 0);
}

std::vector<std::int64_t> reversed_axes(int ndim) {
  std::vector<std::int64_t> axes;
  for (int i = ndim - 1; i >= 0; --i) axes.push_back(i);
  return axes;
}

std::vector<std::int64_t> axes_by_stride(const Tensor& x) {
  std::vector<std::int64_t> axes = reversed_axes(x.ndim());
  std::reverse(axes.begin(), axes.end());
  std::stable_sort(axes.begin(), axes.end(), [&](std::int64_t a, std::int64_t b) {
    return std::abs(x.strides()[static_cast<int>(a)]) > std::abs(x.strides()[static_cast<int>(b)]);
  });
  return axes;
}

bool stands_in_columns(const Tensor& x) {
  if (x.size() == 0) return true;
  std::int64_t step = 1;
  for (int i = 0; i < x.ndim(); ++i) {
    if (x.length(i) != 1 && x.strides()[i] != step) return false;
    step *= x.length(i);
  }
  return true;
}

bool columns_first(const Tensor& x) { return !x.is_placeholder() && !x.is_contiguous() && stands_in_columns(x); }

Tensor copy_in_order(const Tensor& x, char order) {
  return in_order(x, order, [](const Tensor& y) {
    static const Op& op = *find_op("copy");
    return run_op(op, &y, 1, {});
  });
}

}  // namespace chainrule
