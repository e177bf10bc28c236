#include "graph/widen.h"

#include <algorithm>

#include "ops/functions.h"

namespace chainrule {

Widening widening_of(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs) {
  Widening widening;
  if (op.takes_half || op.view || op.opcode >= 0) return widening;
  bool any_input = false, asked = false;
  for (int i = 0; i < n_inputs; ++i) {
    if (!inputs[i] || !is_float(inputs[i].dtype())) continue;
    const DType dtype = inputs[i].dtype();
    widening.needed = widening.needed || is_half(dtype);
    widening.result = any_input ? promote(widening.result, dtype) : dtype;
    any_input = true;
  }
  for (const Attr& attr : attrs) {
    if (attr.kind != AttrKind::dtype) continue;
    widening.needed = widening.needed || is_half(attr.dtype());
    widening.result = attr.dtype();
    asked = true;
  }
  if (!any_input && !asked) widening.result = DType::F32;
  return widening;
}

std::vector<Tensor> widened(const Tensor* tensors, int count, std::uint32_t mask) {
  std::vector<Tensor> wide(tensors, tensors + count);
  for (int i = 0; i < count; ++i) {
    Tensor& x = wide[static_cast<std::size_t>(i)];
    if (!x || !is_half(x.dtype())) continue;
    if (mask >> std::min(i, 31) & 1u) {
      x = fn::cast(x, DType::F32);
    } else {
      x = x.alias();
      x.impl()->dtype = DType::F32;
    }
  }
  return wide;
}

Attrs widened(const Attrs& attrs) {
  Attrs wide = attrs;
  for (Attr& attr : wide)
    if (attr.kind == AttrKind::dtype && is_half(attr.dtype())) attr = Attr::of(DType::F32);
  return wide;
}

void run_rule(const Call& call, const std::vector<Tensor>& g, const bool* needs, std::vector<Tensor>& grads) {
  const Op& op = call.op;
  bool half = false;
  for (int i = 0; i < call.n_inputs; ++i) half = half || (call.has(i) && is_half(call.in(i).dtype()));
  if (!half || op.takes_half || op.view) {
    op.vjp(call, g.data(), needs, grads.data());
    return;
  }
  const std::vector<Tensor> inputs = widened(call.inputs, call.n_inputs, op.saves_inputs),
                            outputs = widened(call.outputs, call.n_outputs, op.saves_outputs),
                            cotangents = widened(g.data(), static_cast<int>(g.size()));
  const Attrs attrs = widened(call.attrs);
  op.vjp(Call{op, inputs.data(), call.n_inputs, attrs, outputs.data(), call.n_outputs}, cotangents.data(), needs,
         grads.data());
  for (int i = 0; i < call.n_inputs; ++i) {
    Tensor& grad = grads[static_cast<std::size_t>(i)];
    if (grad && call.has(i) && is_half(call.in(i).dtype())) grad = fn::cast(grad, call.in(i).dtype());
  }
}

}  // namespace chainrule
