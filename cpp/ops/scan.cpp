// Running results along an axis: cumsum, cumprod, and the linear recurrence that the gradient of cumprod is.
#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

using ScanFn = void (*)(void* out, std::int64_t out_step, const void* x, std::int64_t x_step, std::int64_t n);

// Runs along one axis: their number is the product of the other lengths; a run's start follows from its index.
struct ScanTask {
  ScanFn kernel;
  std::int64_t runs, n;
  std::int64_t in_bytes, out_bytes;
  std::int64_t x_step, out_step;
  int ndim;  // of the other axes
  std::int64_t dims[kMaxDims], x_strides[kMaxDims], out_strides[kMaxDims];
};

void run_scan(const Task& task, void* const* ptr) {
  const auto& t = task.get<ScanTask>();
  if (t.n == 0) return;
  for_chunks(t.runs, t.n, [&](std::int64_t run, std::int64_t count) {
    for (; count > 0; ++run, --count) {
      std::int64_t x_offset = 0, out_offset = 0, rest = run;
      for (int axis = t.ndim - 1; axis >= 0; --axis) {
        const std::int64_t i = rest % t.dims[axis];
        rest /= t.dims[axis];
        x_offset += i * t.x_strides[axis];
        out_offset += i * t.out_strides[axis];
      }
      t.kernel(static_cast<char*>(ptr[1]) + out_offset * t.out_bytes, t.out_step,
               static_cast<const char*>(ptr[0]) + x_offset * t.in_bytes, t.x_step, t.n);
    }
  });
}

template <bool product>
void lower_scan(const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  const Tensor& out = call.out();
  const int axis = call.attrs[0].is_none() ? 0 : normalize_axis(call.attrs[0].integer, x.ndim(), call.op.name);
  auto& t = task.params<ScanTask>();
  const ReduceKernels& table = kernels().reduce;
  t.kernel = product ? table.cumprod[index(x.dtype())] : table.cumsum[index(x.dtype())];
  t.runs = 1;
  t.n = x.length(axis);
  t.in_bytes = static_cast<std::int64_t>(itemsize(x.dtype()));
  t.out_bytes = static_cast<std::int64_t>(itemsize(out.dtype()));
  t.x_step = x.strides()[axis];
  t.out_step = out.strides()[axis];
  t.ndim = 0;
  for (int i = 0; i < x.ndim(); ++i) {
    if (i == axis || x.length(i) == 1) continue;
    t.dims[t.ndim] = x.length(i);
    t.x_strides[t.ndim] = x.strides()[i];
    t.out_strides[t.ndim++] = out.strides()[i];
    t.runs *= x.length(i);
  }
  task.run = run_scan;
}

void infer_scan(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  if (!call.attrs[0].is_none()) normalize_axis(call.attrs[0].integer, x.ndim(), call.op.name);
  outputs.push_back({accumulator(x.dtype()), x.shape()});
}

// Without an axis the flattened tensor is scanned; a number as the one element of its axis 0 or -1.
bool flatten_without_axis(const Call& call, std::vector<Tensor>& prepared) {
  const Attr& axis = call.attrs[0];
  const bool number = call.in(0).ndim() == 0 && (axis.is_none() || axis.integer == 0 || axis.integer == -1);
  if (!number && (!axis.is_none() || call.in(0).ndim() == 1)) return false;
  prepared.push_back(fn::reshape(call.in(0), {call.in(0).size()}));
  return true;
}

Tensor flip(const Tensor& x, int axis) { return call_op("flip", {x}, {Attr::of(axis)}); }

int axis_of(const Call& call) {
  return call.attrs[0].is_none() ? 0 : normalize_axis(call.attrs[0].integer, call.in(0).ndim(), call.op.name);
}

// Sums from the end.
void cumsum_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const int axis = axis_of(call);
  grads[0] = flip(call_op("cumsum", {flip(g[0], axis)}, {Attr::of(axis)}), axis);
}

// x moved by one place along the axis, towards the end or (negative) the start, and filled with `value`.
Tensor shift(const Tensor& x, int axis, bool towards_end, double value) {
  const std::size_t ndim = static_cast<std::size_t>(x.ndim());
  if (x.length(axis) == 0) return x;
  std::vector<std::int64_t> starts(ndim, 0), steps(ndim, 1), stops(x.shape().begin(), x.shape().end());
  std::vector<std::int64_t> before(ndim, 0), after(ndim, 0);
  if (towards_end) {
    --stops[static_cast<std::size_t>(axis)];
    before[static_cast<std::size_t>(axis)] = 1;
  } else {
    starts[static_cast<std::size_t>(axis)] = 1;
    after[static_cast<std::size_t>(axis)] = 1;
  }
  return call_op("pad", {fn::slice(x, starts, stops, steps)}, {Attr::of(before), Attr::of(after), Attr::of(value)});
}

// s_i = b_i + a_i s_(i-1), run from the end: s_i = b_i + a_(i+1) s_(i+1).
Tensor reverse_recurrence(const Tensor& a, const Tensor& b, int axis) {
  const Tensor coefficients = flip(shift(a, axis, false, 0), axis);
  return flip(call_op("linear_recurrence", {coefficients, flip(b, axis)}, {Attr::of(axis)}), axis);
}

// y_j = x_0 ... x_j, so dx_i = (x_0 ... x_(i-1)) s_i with s_i = g_i + x_(i+1) s_(i+1): no division, zeros are no
// trouble.
void cumprod_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const int axis = axis_of(call);
  const Tensor before = shift(call.out(), axis, true, 1);
  grads[0] = fn::multiply(before, reverse_recurrence(call.in(0), g[0], axis));
}

// ---- linear_recurrence
// -----------------------------------------------------------------------------------------------

struct RecurrenceTask {
  std::int64_t outer, n, inner;
};

template <class T>
void run_recurrence(const Task& task, void* const* ptr) {
  const auto& t = task.get<RecurrenceTask>();
  const T *a = static_cast<const T*>(ptr[0]), *b = static_cast<const T*>(ptr[1]);
  T* s = static_cast<T*>(ptr[2]);
  for_chunks(t.outer, t.n * t.inner, [&](std::int64_t o, std::int64_t count) {
    for (; count > 0; ++o, --count)
      for (std::int64_t i = 0; i < t.n; ++i) {
        const std::int64_t at = (o * t.n + i) * t.inner;
        for (std::int64_t j = 0; j < t.inner; ++j)
          s[at + j] = i ? b[at + j] + a[at + j] * s[at - t.inner + j] : b[at + j];
      }
  });
}

void infer_recurrence(const Call& call, std::vector<Output>& outputs) {
  const Tensor &a = call.in(0), &b = call.in(1);
  if (a.shape() != b.shape())
    throw ShapeError(message("[linear_recurrence] a and b must have one shape, got ", to_string(a.shape()), " and ",
                             to_string(b.shape())));
  if (a.dtype() != b.dtype() || !is_float(a.dtype()))
    throw DTypeError(message("[linear_recurrence] a and b must have one float dtype, got ", name(a.dtype()), " and ",
                             name(b.dtype())));
  normalize_axis(call.attrs[0].integer, a.ndim(), "linear_recurrence");
  outputs.push_back({a.dtype(), a.shape()});
}

void lower_recurrence(const Call& call, Task& task) {
  const Split split = split_at(call.in(0).shape(), axis_of(call));
  task.params<RecurrenceTask>() = {split.outer, split.length, split.inner};
  task.run = call.out().dtype() == DType::F64 ? run_recurrence<double> : run_recurrence<float>;
}

// db is the same recurrence from the end; da_i = db_i s_(i-1).
void recurrence_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const int axis = axis_of(call);
  const Tensor db = reverse_recurrence(call.in(0), g[0], axis);
  if (needs[0]) grads[0] = fn::multiply(db, shift(call.out(), axis, true, 0));
  if (needs[1]) grads[1] = db;
}

bool register_all() {
  Op cumsum;
  cumsum.name = "cumsum";
  cumsum.doc = "Running sum along an axis, or of the flattened tensor (None); whole numbers as 64-bit integers.";
  cumsum.tensors = {{"x"}};
  cumsum.attrs = {nullable_attr("axis", AttrKind::integer)};
  cumsum.prepare = flatten_without_axis;
  cumsum.infer = infer_scan;
  cumsum.lower = lower_scan<false>;
  cumsum.vjp = cumsum_vjp;
  cumsum.saves_inputs = 0;
  register_op(cumsum);

  Op cumprod = cumsum;
  cumprod.name = "cumprod";
  cumprod.doc = "Running product along an axis, or of the flattened tensor (None); whole numbers as 64-bit integers.";
  cumprod.lower = lower_scan<true>;
  cumprod.vjp = cumprod_vjp;
  cumprod.saves_inputs = cumprod.saves_outputs = 1;
  register_op(cumprod);

  Op recurrence;
  recurrence.name = "linear_recurrence";
  recurrence.doc = "s_i = b_i + a_i s_(i-1) along an axis, starting from s_(-1) = 0.";
  recurrence.tensors = {{"a"}, {"b"}};
  recurrence.attrs = {required_attr("axis", AttrKind::integer)};
  recurrence.prepare = contiguous_inputs;
  recurrence.infer = infer_recurrence;
  recurrence.lower = lower_recurrence;
  recurrence.vjp = recurrence_vjp;
  recurrence.saves_inputs = 1;
  recurrence.saves_outputs = 1;
  register_op(recurrence);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
