// softmax, log_softmax and logsumexp along any axis, and the fused gradients of the first two.
#include <limits>

#include "ops/functions.h"
#include "ops/rows.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr std::int64_t kWork = 4;  // an exponential beside an addition

struct RowsTask {
  void (*unary)(void* y, const void* x, std::int64_t rows, std::int64_t cols);
  void (*binary)(void* dx, const void* y, const void* g, std::int64_t rows, std::int64_t cols);
  Split split;
  std::size_t bytes;
};

void run_unary(const Task& task, void* const* ptr) {
  const auto& t = task.get<RowsTask>();
  const std::size_t bytes[] = {t.bytes};
  for_rows<1, 1>(t.split, kWork, bytes, bytes, ptr, ptr + 1,
                 [&](void* const* out, const void* const* in, std::int64_t rows) {
                   t.unary(out[0], in[0], rows, t.split.length);
                 });
}

void run_binary(const Task& task, void* const* ptr) {
  const auto& t = task.get<RowsTask>();
  const std::size_t bytes[] = {t.bytes, t.bytes};
  for_rows<2, 1>(t.split, kWork, bytes, bytes, ptr, ptr + 2,
                 [&](void* const* out, const void* const* in, std::int64_t rows) {
                   t.binary(out[0], in[0], in[1], rows, t.split.length);
                 });
}

int axis_of(const Call& call) { return normalize_axis(call.attrs[0].integer, call.in(0).ndim(), call.op.name); }

bool prepare_floats(const Call& call, std::vector<Tensor>& prepared) {
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i) ready = ready && is_float(call.in(i).dtype()) && call.in(i).is_contiguous();
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor x = fn::cast(call.in(i), to_float(call.in(i).dtype()));
    prepared.push_back(x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

void infer_same(const Call& call, std::vector<Output>& outputs) {
  axis_of(call);
  if (call.n_inputs == 2 && call.in(1).shape() != call.in(0).shape())
    throw ShapeError(message("[", call.op.name, "] needs two tensors of one shape, got ", to_string(call.in(0).shape()),
                             " and ", to_string(call.in(1).shape())));
  outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}

template <bool logarithm, bool gradient>
void lower(const Call& call, Task& task) {
  auto& t = task.params<RowsTask>();
  const RowKernels& table = kernels().rows;
  const int which = float_index(call.out().dtype());
  t.unary = logarithm ? table.log_softmax[which] : table.softmax[which];
  t.binary = logarithm ? table.log_softmax_grad[which] : table.softmax_grad[which];
  t.split = split_at(call.in(0).shape(), axis_of(call));
  t.bytes = itemsize(call.out().dtype());
  task.run = gradient ? run_binary : run_unary;
}

template <bool logarithm>
void vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op(logarithm ? "log_softmax_grad" : "softmax_grad", {call.out(), g[0]}, call.attrs);
}

// dx = y (g - sum(g y)); for a cotangent u: dg = y (u - sum(u y)), dy = u (g - sum(g y)) - g sum(u y).
void softmax_grad_vjp(const Call& call, const Tensor* cotangent, const bool* needs, Tensor* grads) {
  const Tensor &y = call.in(0), &g = call.in(1), &u = cotangent[0];
  const int axis = axis_of(call);
  if (needs[1]) grads[1] = call_op("softmax_grad", {y, u}, call.attrs);
  if (needs[0])
    grads[0] = fn::subtract(fn::multiply(u, fn::subtract(g, fn::sum(fn::multiply(g, y), {axis}, true))),
                            fn::multiply(g, fn::sum(fn::multiply(u, y), {axis}, true)));
}

// dx = g - e^y sum(g); for a cotangent u: dg = u - sum(u e^y), dy = -u e^y sum(g).
void log_softmax_grad_vjp(const Call& call, const Tensor* cotangent, const bool* needs, Tensor* grads) {
  const Tensor &g = call.in(1), &u = cotangent[0];
  const int axis = axis_of(call);
  const Tensor weighted = fn::multiply(u, apply(ElementwiseOp::exp, call.in(0)));
  if (needs[1]) grads[1] = fn::subtract(u, fn::sum(weighted, {axis}, true));
  if (needs[0]) grads[0] = fn::negative(fn::multiply(weighted, fn::sum(g, {axis}, true)));
}

// ---- logsumexp -----------------------------------------------------------------------------------------------------

struct LogSumExpTask {
  void (*kernel)(void* out, const void* x, std::int64_t rows, std::int64_t cols);
  std::int64_t rows, n;
  std::size_t bytes;
  Walk walk;  // of x with the reduced axes moved to the end
};

void run_logsumexp(const Task& task, void* const* ptr) {
  const auto& t = task.get<LogSumExpTask>();
  char* out = static_cast<char*>(ptr[1]);
  const std::int64_t bytes = static_cast<std::int64_t>(t.bytes);
  if (t.n == 0) {  // the logarithm of nothing
    if (t.bytes == sizeof(float)) {
      std::fill_n(reinterpret_cast<float*>(out), t.rows, -std::numeric_limits<float>::infinity());
    } else {
      std::fill_n(reinterpret_cast<double*>(out), t.rows, -std::numeric_limits<double>::infinity());
    }
    return;
  }
  for_chunks(t.rows, t.n * kWork, [&](std::int64_t row, std::int64_t count) {
    const bool direct = t.walk.contiguous();
    const std::int64_t together = direct ? count : std::max<std::int64_t>(1, std::min(count, 8192 / t.n));
    for (const std::int64_t end = row + count; row < end; row += together) {
      const std::int64_t rows = std::min(together, end - row);
      void* scratch = direct ? nullptr : thread_scratch(0, static_cast<std::size_t>(rows * t.n) * t.bytes);
      t.kernel(out + row * bytes, read_block(t.walk, t.bytes, scratch, ptr[0], row * t.n, rows * t.n), rows, t.n);
    }
  });
}

bool prepare_logsumexp(const Call& call, std::vector<Tensor>& prepared) {
  if (is_float(call.in(0).dtype())) return false;
  prepared.push_back(fn::cast(call.in(0), to_float(call.in(0).dtype())));
  return true;
}

void infer_logsumexp(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), "logsumexp");
  outputs.push_back({x.dtype(), reduced_shape(x.shape(), set, call.attrs[1].truth())});
}

void lower_logsumexp(const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), "logsumexp");
  Shape shape;
  Strides strides;
  auto& t = task.params<LogSumExpTask>();
  t.n = 1;
  for (const bool reduced : {false, true})
    for (int axis = 0; axis < x.ndim(); ++axis)
      if (set.has[axis] == reduced) {
        shape.push_back(x.length(axis));
        strides.push_back(x.strides()[axis]);
        if (reduced) t.n *= x.length(axis);
      }
  t.kernel = kernels().rows.logsumexp[float_index(x.dtype())];
  t.rows = call.out().size();
  t.bytes = itemsize(x.dtype());
  t.walk = make_walk(shape, strides);
  task.run = run_logsumexp;
}

void logsumexp_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Tensor& x = call.in(0);
  const Shape kept = reduced_shape(x.shape(), axes_of(call.attrs[0], x.ndim(), "logsumexp"), true);
  const Tensor weights = apply(ElementwiseOp::exp, fn::subtract(x, fn::reshape(call.out(), kept)));
  grads[0] = fn::multiply(weights, fn::reshape(g[0], kept));
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  Op softmax;
  softmax.name = "softmax";
  softmax.doc = "e^x_i / sum_k e^x_k along an axis, without overflow.";
  softmax.tensors = {{"x"}};
  softmax.attrs = {attr_with_default("axis", AttrKind::integer, Attr::of(-1))};
  softmax.prepare = prepare_floats;
  softmax.infer = infer_same;
  softmax.lower = lower<false, false>;
  softmax.vjp = vjp<false>;
  softmax.saves_inputs = 0;
  softmax.saves_outputs = 1;
  register_op(softmax);

  Op log_softmax = softmax;
  log_softmax.name = "log_softmax";
  log_softmax.doc = "x_i - log sum_k e^x_k along an axis, without overflow.";
  log_softmax.lower = lower<true, false>;
  log_softmax.vjp = vjp<true>;
  register_op(log_softmax);

  Op softmax_grad = softmax;
  softmax_grad.name = "softmax_grad";
  softmax_grad.doc = "y (g - sum(g y)): the gradient of softmax from its result y.";
  softmax_grad.tensors = {{"y"}, {"g"}};
  softmax_grad.lower = lower<false, true>;
  softmax_grad.vjp = softmax_grad_vjp;
  softmax_grad.saves_inputs = 3;
  softmax_grad.saves_outputs = 0;
  register_op(softmax_grad);

  Op log_softmax_grad = softmax_grad;
  log_softmax_grad.name = "log_softmax_grad";
  log_softmax_grad.doc = "g - e^y sum(g): the gradient of log_softmax from its result y.";
  log_softmax_grad.lower = lower<true, true>;
  log_softmax_grad.vjp = log_softmax_grad_vjp;
  register_op(log_softmax_grad);

  Op logsumexp;
  logsumexp.name = "logsumexp";
  logsumexp.doc = "log sum e^x over the axes, without overflow.";
  logsumexp.tensors = {{"x"}};
  logsumexp.attrs = {nullable_attr("axis", AttrKind::integers),
                     attr_with_default("keepdims", AttrKind::boolean, Attr::of(false))};
  logsumexp.prepare = prepare_logsumexp;
  logsumexp.infer = infer_logsumexp;
  logsumexp.lower = lower_logsumexp;
  logsumexp.vjp = logsumexp_vjp;
  logsumexp.saves_inputs = logsumexp.saves_outputs = 1;
  register_op(logsumexp);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
