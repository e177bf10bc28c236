// Convolution, channels last, with one to three spatial axes: conv, its gradients as ops (each of the three is the
// gradient of the others, so derivatives of any order exist), and the fused form with bias and activation.
#include "tensor/conv.h"

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"
#include "tensor/conv_half.h"

namespace chainrule {
namespace {

// Where the attributes stand after those that the op has in front of them.
enum Place { kStrides, kLow, kHigh, kDilation, kGroups, kActivation };

const std::vector<std::int64_t>& list(const Call& call, int front, Place place, int axes, std::int64_t least,
                                      const char* name) {
  const std::vector<std::int64_t>& values = call.attrs[static_cast<std::size_t>(front + place)].integers;
  if (static_cast<int>(values.size()) != axes)
    throw ValueError(message("[", call.op.name, "] '", name, "' needs one entry for each of the ", axes,
                             " spatial axes, got ", values.size()));
  for (const std::int64_t value : values)
    if (value < least)
      throw ValueError(message("[", call.op.name, "] '", name, "' must be at least ", least, ", got ", value));
  return values;
}

// The convolution whose input, kernel and attributes these are; `out` follows from them.
Conv conv_of(const Call& call, int front, const Shape& x, const Shape& kernel) {
  const char* const op = call.op.name;
  const int axes = x.ndim - 2;
  if (axes < 1 || axes > kConvAxes)
    throw ShapeError(
        message("[", op, "] the input must have shape (batch, 1 to 3 spatial axes, channels), got ", to_string(x)));
  if (kernel.ndim != axes + 2)
    throw ShapeError(message("[", op, "] the kernel must have shape (", axes,
                             " window axes, channels in / groups, channels out) ", "for an input of shape ",
                             to_string(x), ", got ", to_string(kernel)));
  const auto& strides = list(call, front, kStrides, axes, 1, "strides");
  const auto& low = list(call, front, kLow, axes, 0, "padding_low");
  const auto& high = list(call, front, kHigh, axes, 0, "padding_high");
  const auto& dilation = list(call, front, kDilation, axes, 1, "dilation");
  Conv conv{};
  conv.images = x[0];
  conv.c_in = x[axes + 1];
  conv.c_out = kernel[axes + 1];
  conv.groups = call.attrs[static_cast<std::size_t>(front + kGroups)].integer;
  if (conv.groups < 1 || conv.c_in % conv.groups != 0 || conv.c_out % conv.groups != 0)
    throw ValueError(message("[", op, "] groups must divide the channels: ", conv.groups, " groups, ", conv.c_in,
                             " channels in, ", conv.c_out, " out"));
  if (kernel[axes] != conv.c_in / conv.groups)
    throw ShapeError(message("[", op, "] an input of shape ", to_string(x), " has ", conv.c_in, " channels in ",
                             conv.groups, " groups, but the kernel of shape ", to_string(kernel), " takes ",
                             kernel[axes], " in each"));
  for (int d = 0; d < kConvAxes; ++d) {
    const int axis = d - (kConvAxes - axes);
    conv.in[d] = conv.out[d] = conv.window[d] = conv.stride[d] = conv.dilation[d] = 1;
    if (axis < 0) continue;
    const auto i = static_cast<std::size_t>(axis);
    conv.in[d] = x[axis + 1];
    conv.window[d] = kernel[axis];
    conv.stride[d] = strides[i];
    conv.dilation[d] = dilation[i];
    conv.low[d] = low[i];
    const std::int64_t room = conv.in[d] + low[i] + high[i] - ((conv.window[d] - 1) * dilation[i] + 1);
    if (conv.window[d] < 1 || room < 0)
      throw ShapeError(message("[", op, "] a window of ", conv.window[d], " with dilation ", dilation[i],
                               " doesn't fit into spatial axis ", axis, " of length ", conv.in[d], " padded by ",
                               low[i], " and ", high[i]));
    conv.out[d] = room / strides[i] + 1;
  }
  return conv;
}

Shape out_shape(const Conv& conv, int axes) {
  Shape shape{conv.images};
  for (int d = kConvAxes - axes; d < kConvAxes; ++d) shape.push_back(conv.out[d]);
  shape.push_back(conv.c_out);
  return shape;
}

Shape shape_attr(const Call& call) { return call.attrs[0].shape(); }

bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  DType dtype = to_float(promote(call.in(0).dtype(), call.in(1).dtype()));
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i)
    ready = ready && (!call.has(i) || (call.in(i).dtype() == dtype && call.in(i).is_contiguous()));
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    Tensor x = call.has(i) ? fn::cast(call.in(i), dtype) : Tensor();
    prepared.push_back(!x || x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

// ---- inference -----------------------------------------------------------------------------------------------------

void infer_conv(const Call& call, std::vector<Output>& outputs) {
  const Conv conv = conv_of(call, 0, call.in(0).shape(), call.in(1).shape());
  outputs.push_back({call.in(0).dtype(), out_shape(conv, call.in(0).ndim() - 2)});
}

void infer_fused(const Call& call, std::vector<Output>& outputs) {
  infer_conv(call, outputs);
  const std::int64_t channels = call.in(1).length(call.in(1).ndim() - 1), opcode = call.attrs[kActivation].integer;
  if (call.has(2) && call.in(2).shape() != Shape{channels})
    throw ShapeError(
        message("[conv_bias_act] the bias must have shape (", channels, ",), got ", to_string(call.in(2).shape())));
  if (opcode < -1 || opcode >= kElementwiseOps)
    throw ValueError(message("[conv_bias_act] there is no elementwise op number ", opcode));
}

void check_cotangent(const Call& call, const Conv& conv, const Tensor& g, int axes) {
  const Shape wanted = out_shape(conv, axes);
  if (g.shape() != wanted)
    throw ShapeError(message("[", call.op.name, "] the convolution has results of shape ", to_string(wanted),
                             ", but their gradient has shape ", to_string(g.shape())));
}

void infer_input_grad(const Call& call, std::vector<Output>& outputs) {
  const Shape x = shape_attr(call);
  check_cotangent(call, conv_of(call, 1, x, call.in(1).shape()), call.in(0), x.ndim - 2);
  outputs.push_back({call.in(0).dtype(), x});
}

void infer_kernel_grad(const Call& call, std::vector<Output>& outputs) {
  const Shape kernel = shape_attr(call);
  check_cotangent(call, conv_of(call, 1, call.in(0).shape(), kernel), call.in(1), kernel.ndim - 2);
  outputs.push_back({call.in(0).dtype(), kernel});
}

// ---- lowering ------------------------------------------------------------------------------------------------------

struct ConvTask {
  ConvPlan plan;
  int inputs;
};

void run(const Task& task, void* const* ptr) {
  const auto& t = task.get<ConvTask>();
  run_conv(t.plan, ptr[0], ptr[1], t.inputs > 2 ? ptr[2] : nullptr, ptr[t.inputs]);
}

struct HalfConvTask {
  HalfConvPlan plan;
  int inputs;
};

void run_half(const Task& task, void* const* ptr) {
  const auto& t = task.get<HalfConvTask>();
  run_half_conv(t.plan, ptr[0], ptr[1], t.inputs > 2 ? ptr[2] : nullptr, ptr[t.inputs]);
}

void lower_part(const Call& call, Conv conv, ConvPart part, Task& task) {
  conv.dtype = call.out().dtype();
  if (is_half(conv.dtype)) {
    auto& t = task.params<HalfConvTask>();
    t.plan = plan_half_conv(conv, part);
    t.inputs = call.n_inputs;
    task.run = run_half;
    return;
  }
  auto& t = task.params<ConvTask>();
  t.plan = plan_conv(conv, part);
  t.inputs = call.n_inputs;
  task.run = run;
}

void lower_conv(const Call& call, Task& task) {
  lower_part(call, conv_of(call, 0, call.in(0).shape(), call.in(1).shape()), ConvPart::forward, task);
}
void lower_fused(const Call& call, Task& task) {
  Conv conv = conv_of(call, 0, call.in(0).shape(), call.in(1).shape());
  const std::int64_t opcode = call.attrs[kActivation].integer;
  conv.has_bias = call.has(2);
  conv.activation = opcode < 0 ? nullptr : kernels().elementwise[opcode][index(call.out().dtype())];
  lower_part(call, conv, ConvPart::forward, task);
}
void lower_input_grad(const Call& call, Task& task) {
  lower_part(call, conv_of(call, 1, shape_attr(call), call.in(1).shape()), ConvPart::input_grad, task);
}
void lower_kernel_grad(const Call& call, Task& task) {
  lower_part(call, conv_of(call, 1, call.in(0).shape(), shape_attr(call)), ConvPart::kernel_grad, task);
}

// ---- gradients: the three ops are y = K x, K^T g, and the sum of g over what each entry of K touched
// ------------------

Attrs common(const Call& call, int front) {
  return Attrs(call.attrs.begin() + front, call.attrs.begin() + front + kActivation);
}
Attrs with_shape(const Call& call, int front, const Shape& shape) {
  Attrs attrs = common(call, front);
  attrs.insert(attrs.begin(), Attr::of(shape));
  return attrs;
}

void vjp_conv(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Tensor &x = call.in(0), &kernel = call.in(1);
  if (needs[0]) grads[0] = call_op("conv_input_grad", {g[0], kernel}, with_shape(call, 0, x.shape()));
  if (needs[1]) grads[1] = call_op("conv_kernel_grad", {x, g[0]}, with_shape(call, 0, kernel.shape()));
}
void vjp_input_grad(const Call& call, const Tensor* u, const bool* needs, Tensor* grads) {
  const Tensor &g = call.in(0), &kernel = call.in(1);
  if (needs[0]) grads[0] = call_op("conv", {u[0], kernel}, common(call, 1));
  if (needs[1]) grads[1] = call_op("conv_kernel_grad", {u[0], g}, with_shape(call, 1, kernel.shape()));
}
void vjp_kernel_grad(const Call& call, const Tensor* u, const bool* needs, Tensor* grads) {
  const Tensor &x = call.in(0), &g = call.in(1);
  if (needs[0]) grads[0] = call_op("conv_input_grad", {g, u[0]}, with_shape(call, 1, x.shape()));
  if (needs[1]) grads[1] = call_op("conv", {x, u[0]}, common(call, 1));
}

Op conv_op(const char* name, const char* doc, std::vector<TensorParam> tensors) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = std::move(tensors);
  op.attrs = {required_attr("strides", AttrKind::integers), required_attr("padding_low", AttrKind::integers),
              required_attr("padding_high", AttrKind::integers), required_attr("dilation", AttrKind::integers),
              attr_with_default("groups", AttrKind::integer, Attr::of(1))};
  op.prepare = prepare;
  op.saves_inputs = 3;
  op.takes_half = true;
  return op;
}

bool register_all() {
  Op conv = conv_op(
      "conv",
      "Convolution of x (batch, spatial..., c_in) with kernel (window..., c_in / groups, c_out), one entry of "
      "each attribute for a spatial axis: y[o] = sum over w of x[o * stride - padding_low + w * dilation] kernel[w].",
      {{"x"}, {"kernel"}});
  conv.fusion = Fusion::gemm;
  conv.fused = "conv_bias_act";
  conv.infer = infer_conv;
  conv.lower = lower_conv;
  conv.vjp = vjp_conv;
  register_op(conv);

  Op fused = conv_op(
      "conv_bias_act",
      "activation(conv(x, kernel) + bias), as programs fuse it; `activation` is a unary elementwise opcode or -1.",
      {{"x"}, {"kernel"}, {"bias", TensorParam::optional}});
  fused.attrs.push_back(attr_with_default("activation", AttrKind::integer, Attr::of(-1)));
  fused.infer = infer_fused;
  fused.lower = lower_fused;
  register_op(fused);

  Op input =
      conv_op("conv_input_grad",
              "The gradient of conv's x, of the given shape, from g, that of its result: transposed convolution.",
              {{"g"}, {"kernel"}});
  input.attrs.insert(input.attrs.begin(), required_attr("shape", AttrKind::integers));
  input.infer = infer_input_grad;
  input.lower = lower_input_grad;
  input.vjp = vjp_input_grad;
  register_op(input);

  Op kernel = conv_op("conv_kernel_grad",
                      "The gradient of conv's kernel, of the given shape, from g, that of its result.", {{"x"}, {"g"}});
  kernel.attrs.insert(kernel.attrs.begin(), required_attr("shape", AttrKind::integers));
  kernel.infer = infer_kernel_grad;
  kernel.lower = lower_kernel_grad;
  kernel.vjp = vjp_kernel_grad;
  register_op(kernel);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
