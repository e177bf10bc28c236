// Resampling along one axis: every result is a weighted sum of neighbours, y[i] = sum over t of weights[i, t]
// x[first[i] + t]. Resizing of images and adaptive averages are made of it. Its gradient is the transposed sum.
// Invariant: each element is one chain of multiply-adds in rising order of the source, whatever the threads.
#include <cstring>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

struct ResampleTask {
  Split source, result;  // of the lengths before, at and behind the axis
  std::int64_t rows, taps, bytes;
  int which;
  bool transposed;
};

// For each place of the result: which places of the source it sums, and with what weights. [begin[i], begin[i + 1])
struct Band {
  std::vector<std::int64_t> begin, source;
  std::vector<char> weights;
};

Band band_of(const ResampleTask& t, const std::int64_t* first, const char* weights) {
  const std::int64_t longer = t.transposed ? t.result.length : t.source.length;
  Band band;
  band.begin.assign(static_cast<std::size_t>(t.result.length) + 1, 0);
  for (std::int64_t i = 0; i < t.rows; ++i)
    if (first[i] < 0 || first[i] + t.taps > longer)
      throw IndexError(message("[resample] row ", i, " of the weights begins at ", first[i], " and has ", t.taps,
                               " entries, but the axis has length ", longer));
  const auto each = [&](auto&& body) {
    for (std::int64_t i = 0; i < t.rows; ++i)
      for (std::int64_t k = 0; k < t.taps; ++k)
        body(t.transposed ? first[i] + k : i, t.transposed ? i : first[i] + k, i * t.taps + k);
  };
  each([&](std::int64_t to, std::int64_t, std::int64_t) { ++band.begin[static_cast<std::size_t>(to) + 1]; });
  for (std::size_t i = 1; i < band.begin.size(); ++i) band.begin[i] += band.begin[i - 1];
  std::vector<std::int64_t> next(band.begin.begin(), band.begin.end() - 1);
  band.source.resize(static_cast<std::size_t>(t.rows * t.taps));
  band.weights.resize(static_cast<std::size_t>(t.rows * t.taps * t.bytes));
  each([&](std::int64_t to, std::int64_t from, std::int64_t entry) {
    const auto place = static_cast<std::size_t>(next[static_cast<std::size_t>(to)]++);
    band.source[place] = from * t.source.inner;
    std::memcpy(band.weights.data() + place * static_cast<std::size_t>(t.bytes), weights + entry * t.bytes,
                static_cast<std::size_t>(t.bytes));
  });
  return band;
}

void run(const Task& task, void* const* ptr) {
  const auto& t = task.get<ResampleTask>();
  const Band band = band_of(t, static_cast<const std::int64_t*>(ptr[1]), static_cast<const char*>(ptr[2]));
  std::int64_t most = 0;
  for (std::size_t i = 1; i < band.begin.size(); ++i) most = std::max(most, band.begin[i] - band.begin[i - 1]);
  std::vector<std::int64_t> counting(static_cast<std::size_t>(most));
  for (std::size_t i = 0; i < counting.size(); ++i) counting[i] = static_cast<std::int64_t>(i);
  const std::int64_t work = t.result.inner * (t.rows * t.taps / std::max<std::int64_t>(t.result.length, 1) + 1);
  for_chunks(t.result.outer * t.result.length, work, [&](std::int64_t line, std::int64_t count) {
    const std::int64_t zero = 0;
    TableProduct product{};
    product.m = 1;
    product.n = t.result.inner;
    product.row = product.c_place = &zero;
    product.column = counting.data();
    for (; count > 0; ++line, --count) {
      const auto place = static_cast<std::size_t>(line % t.result.length);
      const std::int64_t begin = band.begin[place];
      product.k = band.begin[place + 1] - begin;
      product.a = band.weights.data() + begin * t.bytes;
      product.b_place = band.source.data() + begin;
      product.b =
          static_cast<const char*>(ptr[0]) + line / t.result.length * t.source.length * t.source.inner * t.bytes;
      product.c = static_cast<char*>(ptr[3]) + line * t.result.inner * t.bytes;
      kernels().conv.multiply[t.which](product);
    }
  });
}
void run_nothing(const Task&, void* const*) {}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  const DType dtype = to_float(call.in(0).dtype());
  const DType wanted[] = {dtype, DType::I64, dtype};
  bool ready = true;
  for (int i = 0; i < 3; ++i) ready = ready && call.in(i).dtype() == wanted[i] && call.in(i).is_contiguous();
  if (ready) return false;
  for (int i = 0; i < 3; ++i) {
    const Tensor x = fn::cast(call.in(i), wanted[i]);
    prepared.push_back(x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

int axis_of(const Call& call) { return normalize_axis(call.attrs[0].integer, call.in(0).ndim(), call.op.name); }

// The number of rows of the weights, after checking them.
std::int64_t rows_of(const Call& call) {
  const Shape &first = call.in(1).shape(), &weights = call.in(2).shape();
  if (first.ndim != 1 || weights.ndim != 2 || weights[0] != first[0])
    throw ShapeError(message("[", call.op.name, "] 'first' must have shape (n,) and 'weights' (n, taps), got ",
                             to_string(first), " and ", to_string(weights)));
  return first[0];
}

void infer(const Call& call, std::vector<Output>& outputs) {
  Shape shape = call.in(0).shape();
  shape[axis_of(call)] = rows_of(call);
  outputs.push_back({call.in(0).dtype(), shape});
}
void infer_grad(const Call& call, std::vector<Output>& outputs) {
  Shape shape = call.in(0).shape();
  const int axis = axis_of(call);
  if (shape[axis] != rows_of(call) || call.attrs[1].integer < 0)
    throw ShapeError(message("[resample_grad] axis ", axis, " of a gradient of shape ", to_string(shape),
                             " must have the length ", rows_of(call), " of 'first'"));
  shape[axis] = call.attrs[1].integer;
  outputs.push_back({call.in(0).dtype(), shape});
}

template <bool transposed>
void lower(const Call& call, Task& task) {
  if (call.out().size() == 0) {
    task.run = run_nothing;
    return;
  }
  auto& t = task.params<ResampleTask>();
  const int axis = axis_of(call);
  t.source = split_at(call.in(0).shape(), axis);
  t.result = split_at(call.out().shape(), axis);
  t.rows = call.in(2).length(0);
  t.taps = call.in(2).length(1);
  t.bytes = static_cast<std::int64_t>(itemsize(call.out().dtype()));
  t.which = float_index(call.out().dtype());
  t.transposed = transposed;
  task.run = run;
}

void vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (!needs[0]) return;
  const std::int64_t length = call.in(0).length(axis_of(call));
  grads[0] = call_op("resample_grad", {g[0], call.in(1), call.in(2)}, {call.attrs[0], Attr::of(length)});
}
void vjp_grad(const Call& call, const Tensor* u, const bool* needs, Tensor* grads) {
  if (needs[0]) grads[0] = call_op("resample", {u[0], call.in(1), call.in(2)}, {call.attrs[0]});
}

bool register_all() {
  Op op;
  op.name = "resample";
  op.doc =
      "Weighted sums of neighbours along an axis: y[i] = sum over t of weights[i, t] x[first[i] + t], with integers "
      "first (n,) and weights (n, taps), which have no gradient.";
  op.tensors = {{"x"}, {"first"}, {"weights"}};
  op.attrs = {required_attr("axis", AttrKind::integer)};
  op.prepare = prepare;
  op.infer = infer;
  op.lower = lower<false>;
  op.vjp = vjp;
  op.saves_inputs = 6;
  register_op(op);

  Op grad;
  grad.name = "resample_grad";
  grad.doc =
      "The gradient of resample's x, whose axis has the given length, from g, that of its result: x[first[i] + t] "
      "gets the sum of weights[i, t] g[i].";
  grad.tensors = {{"g"}, {"first"}, {"weights"}};
  grad.attrs = {required_attr("axis", AttrKind::integer), required_attr("length", AttrKind::integer)};
  grad.prepare = prepare;
  grad.infer = infer_grad;
  grad.lower = lower<true>;
  grad.vjp = vjp_grad;
  grad.saves_inputs = 6;
  register_op(grad);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
