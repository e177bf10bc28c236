#include "ops/functions.h"

#include <stdexcept>
#include <string>

namespace chainrule {

Tensor apply(ElementwiseOp op, const Tensor& a) {
  static const Attrs none;
  return apply(elementwise_op(op), &a, 1, none);
}
Tensor apply(ElementwiseOp op, const Tensor& a, const Tensor& b) {
  static const Attrs none;
  const Tensor inputs[] = {a, b};
  return apply(elementwise_op(op), inputs, 2, none);
}
Tensor apply(ElementwiseOp op, const Tensor& a, const Tensor& b, const Tensor& c) {
  static const Attrs none;
  const Tensor inputs[] = {a, b, c};
  return apply(elementwise_op(op), inputs, 3, none);
}

namespace fn {

namespace {

const Op& named(const char* name) {
  const Op* op = find_op(name);
  if (!op) throw std::logic_error(std::string("no op is named ") + name);
  return *op;
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  static const Op& op = named("reshape");
  return apply(op, &x, 1, {Attr::of(shape)});
}

Tensor transpose(const Tensor& x, const std::vector<std::int64_t>& axes) {
  static const Op& op = named("transpose");
  return apply(op, &x, 1, {Attr::of(axes)});
}

Tensor swap_last(const Tensor& x) {
  std::vector<std::int64_t> axes;
  for (int i = 0; i < x.ndim(); ++i) axes.push_back(i);
  std::swap(axes[x.ndim() - 1], axes[x.ndim() - 2]);
  return transpose(x, axes);
}

Tensor broadcast_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  static const Op& op = named("broadcast_to");
  return apply(op, &x, 1, {Attr::of(shape)});
}

Tensor slice(const Tensor& x, const std::vector<std::int64_t>& starts, const std::vector<std::int64_t>& stops,
             const std::vector<std::int64_t>& steps) {
  static const Op& op = named("slice");
  return apply(op, &x, 1, {Attr::of(starts), Attr::of(stops), Attr::of(steps)});
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  static const Op& op = named("cast");
  return apply(op, &x, 1, {Attr::of(dtype)});
}

Tensor full(DType dtype, const Shape& shape, double value) {
  Strides strides;
  strides.ndim = shape.ndim;
  for (int i = 0; i < shape.ndim; ++i) strides[i] = 0;
  return Tensor::scalar(dtype, value).view(shape, strides, 0);
}

Tensor zeros_like(const Tensor& x) { return full(x.dtype(), x.shape(), 0); }

Tensor sum(const Tensor& x, const std::vector<std::int64_t>& axes, bool keepdims) {
  static const Op& op = named("sum");
  return apply(op, &x, 1, {Attr::of(axes), Attr::of(keepdims)});
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  std::vector<std::int64_t> axes;
  const int lead = x.ndim() - shape.ndim;
  for (int i = 0; i < x.ndim(); ++i)
    if (i < lead || (shape[i - lead] == 1 && x.length(i) != 1)) axes.push_back(i);
  return reshape(axes.empty() ? x : sum(x, axes, true), shape);
}

Tensor matmul(const Tensor& a, const Tensor& b) {
  static const Op& op = named("matmul");
  const Tensor inputs[] = {a, b};
  return apply(op, inputs, 2, {});
}

Tensor add(const Tensor& a, const Tensor& b) { return apply(ElementwiseOp::add, a, b); }
Tensor subtract(const Tensor& a, const Tensor& b) { return apply(ElementwiseOp::subtract, a, b); }
Tensor multiply(const Tensor& a, const Tensor& b) { return apply(ElementwiseOp::multiply, a, b); }
Tensor divide(const Tensor& a, const Tensor& b) { return apply(ElementwiseOp::divide, a, b); }
Tensor negative(const Tensor& a) { return apply(ElementwiseOp::negative, a); }
Tensor scale(const Tensor& a, double factor) {
  return apply(ElementwiseOp::multiply, a, Tensor::scalar(a.dtype(), factor));
}

}  // namespace fn

}  // namespace chainrule
