// Pooling, channels last, with one to three spatial axes: the greatest or the mean cell of each window. Cells in the
// padding don't count. The gradients are ops; that of max_pool goes to the first greatest cell.
#include <algorithm>
#include <cstring>
#include <utility>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr int kAxes = 3;

struct Pool {
  std::int64_t images, channels;
  std::int64_t in[kAxes], out[kAxes], window[kAxes], stride[kAxes], low[kAxes];
  bool overlap, gaps;  // cells in several windows; in none
};

// The pooling of an input of shape x; missing leading axes have length 1.
Pool pool_of(const Call& call, std::size_t front, const Shape& x) {
  const char* const op = call.op.name;
  const int axes = x.ndim - 2;
  if (axes < 1 || axes > kAxes)
    throw ShapeError(
        message("[", op, "] the input must have shape (batch, 1 to 3 spatial axes, channels), got ", to_string(x)));
  static const char* const names[] = {"window", "strides", "padding_low", "padding_high"};
  for (std::size_t k = 0; k < 4; ++k) {
    const std::vector<std::int64_t>& values = call.attrs[front + k].integers;
    if (static_cast<int>(values.size()) != axes)
      throw ValueError(message("[", op, "] '", names[k], "' needs one entry for each of the ", axes,
                               " spatial axes, got ", values.size()));
    for (const std::int64_t value : values)
      if (value < (k < 2 ? 1 : 0))
        throw ValueError(message("[", op, "] '", names[k], "' must be at least ", k < 2 ? 1 : 0, ", got ", value));
  }
  Pool pool{};
  pool.images = x[0];
  pool.channels = x[axes + 1];
  for (int d = 0; d < kAxes; ++d) {
    const int axis = d - (kAxes - axes);
    pool.in[d] = pool.out[d] = pool.window[d] = pool.stride[d] = 1;
    if (axis < 0) continue;
    const auto i = static_cast<std::size_t>(axis);
    pool.in[d] = x[axis + 1];
    pool.window[d] = call.attrs[front].integers[i];
    pool.stride[d] = call.attrs[front + 1].integers[i];
    pool.low[d] = call.attrs[front + 2].integers[i];
    const std::int64_t high = call.attrs[front + 3].integers[i];
    const std::int64_t room = pool.in[d] + pool.low[d] + high - pool.window[d];
    if (room < 0 || pool.low[d] >= pool.window[d] || high >= pool.window[d])
      throw ShapeError(message("[", op, "] a window of ", pool.window[d], " over spatial axis ", axis, " of length ",
                               pool.in[d], " padded by ", pool.low[d], " and ", high,
                               room < 0 ? " doesn't fit" : " would hold padding alone"));
    pool.out[d] = room / pool.stride[d] + 1;
    pool.overlap |= pool.window[d] > pool.stride[d];
    pool.gaps |= pool.window[d] < pool.stride[d] ||
                 (pool.out[d] - 1) * pool.stride[d] - pool.low[d] + pool.window[d] < pool.in[d];
  }
  return pool;
}

Shape out_shape(const Pool& pool, int axes) {
  Shape shape{pool.images};
  for (int d = kAxes - axes; d < kAxes; ++d) shape.push_back(pool.out[d]);
  shape.push_back(pool.channels);
  return shape;
}

// ---- running -------------------------------------------------------------------------------------------------------

struct Span {
  std::int64_t begin, end;
};
// The cells of the window at position o that lie inside.
Span cells_of(const Pool& pool, int d, std::int64_t o) {
  const std::int64_t first = o * pool.stride[d] - pool.low[d];
  return {std::max<std::int64_t>(first, 0), std::min(first + pool.window[d], pool.in[d])};
}

// Calls run(PoolRun, first result) for the runs of positions of line `line` (image, axis 0, axis 1).
template <class F>
void for_runs(const Pool& pool, std::int64_t line, F&& run) {
  const std::int64_t image = line / (pool.out[0] * pool.out[1]), place = line % (pool.out[0] * pool.out[1]);
  const Span z = cells_of(pool, 0, place / pool.out[1]), y = cells_of(pool, 1, place % pool.out[1]);
  const std::int64_t most = (z.end - z.begin) * (y.end - y.begin) * pool.window[2];
  auto* cell = static_cast<std::int64_t*>(thread_scratch(2, static_cast<std::size_t>(most) * sizeof(std::int64_t)));
  PoolRun part{};
  part.channels = part.y_step = pool.channels;
  part.x_step = pool.stride[2] * pool.channels;
  part.cell = cell;
  part.overlap = pool.overlap;
  for (std::int64_t o = 0; o < pool.out[2]; o += part.positions) {
    const Span x = cells_of(pool, 2, o);
    part.positions = 1;
    const auto whole = [&](std::int64_t at) {
      const Span s = cells_of(pool, 2, at);
      return s.end - s.begin == pool.window[2];
    };
    if (whole(o)) {  // up to the border, all are
      const std::int64_t last = (pool.in[2] - pool.window[2] + pool.low[2]) / pool.stride[2];
      part.positions = std::min(last, pool.out[2] - 1) - o + 1;
    }
    part.cells = 0;
    for (std::int64_t i = z.begin; i < z.end; ++i)
      for (std::int64_t j = y.begin; j < y.end; ++j)
        for (std::int64_t k = x.begin; k < x.end; ++k)
          cell[part.cells++] = (((image * pool.in[0] + i) * pool.in[1] + j) * pool.in[2] + k) * pool.channels;
    run(part, (line * pool.out[2] + o) * pool.channels);
  }
}

struct PoolTask {
  Pool pool;
  const PoolKernels* table;
  int which;
  std::int64_t bytes;
};

std::int64_t line_work(const Pool& pool) {
  return pool.out[2] * pool.channels * pool.window[0] * pool.window[1] * pool.window[2];
}
char* at(void* p, std::int64_t bytes) { return static_cast<char*>(p) + bytes; }

// Results are independent of each other: chunks of lines.
template <class F>
void for_results(const PoolTask& t, F&& run) {
  const Pool& pool = t.pool;
  for_chunks(pool.images * pool.out[0] * pool.out[1], line_work(pool), [&](std::int64_t line, std::int64_t count) {
    for (; count > 0; ++line, --count) for_runs(pool, line, run);
  });
}

// Windows write into the input's gradient: chunks of images, so that each cell belongs to one chunk.
template <class F>
void for_images(const PoolTask& t, void* dx, F&& run) {
  const Pool& pool = t.pool;
  const std::int64_t lines = pool.out[0] * pool.out[1];
  const std::int64_t image_bytes = pool.in[0] * pool.in[1] * pool.in[2] * pool.channels * t.bytes;
  for_chunks(pool.images, lines * line_work(pool), [&](std::int64_t image, std::int64_t count) {
    for (; count > 0; ++image, --count) {
      if (pool.overlap || pool.gaps) std::memset(at(dx, image * image_bytes), 0, static_cast<std::size_t>(image_bytes));
      for (std::int64_t line = image * lines; line < (image + 1) * lines; ++line) for_runs(pool, line, run);
    }
  });
}

void run_max(const PoolTask& t, void* const* ptr) {
  for_results(t,
              [&](const PoolRun& run, std::int64_t y) { t.table->max[t.which](at(ptr[1], y * t.bytes), ptr[0], run); });
}
void run_mean(const PoolTask& t, void* const* ptr) {
  for_results(
      t, [&](const PoolRun& run, std::int64_t y) { t.table->mean[t.which](at(ptr[1], y * t.bytes), ptr[0], run); });
}
void run_max_pick(const PoolTask& t, void* const* ptr) {
  for_results(t, [&](const PoolRun& run, std::int64_t y) {
    t.table->max_pick[t.which](at(ptr[3], y * t.bytes), ptr[0], at(ptr[1], y * t.bytes), ptr[2], run);
  });
}
void run_max_grad(const PoolTask& t, void* const* ptr) {
  for_images(t, ptr[3], [&](const PoolRun& run, std::int64_t y) {
    t.table->max_grad[t.which](ptr[3], ptr[0], at(ptr[1], y * t.bytes), at(ptr[2], y * t.bytes), run);
  });
}
void run_mean_grad(const PoolTask& t, void* const* ptr) {
  for_images(t, ptr[1], [&](const PoolRun& run, std::int64_t y) {
    t.table->mean_grad[t.which](ptr[1], at(ptr[0], y * t.bytes), run);
  });
}
void run_nothing(const Task&, void* const*) {}

using RunPool = void (*)(const PoolTask& t, void* const* ptr);
template <RunPool run>
void run_task(const Task& task, void* const* ptr) {
  run(task.get<PoolTask>(), ptr);
}

// Of half types, where results are rounded: image by image in float32, in the nearest cache that holds one.
constexpr std::int64_t kHalfBytes = 2;
constexpr int kBfloat16 = 2;  // of the tables of kernels

struct HalfPoolTask {
  PoolTask image;  // of a single one
  std::int64_t images;
  DType dtype;
  int operands;              // the result is the last one
  std::int64_t elements[4];  // of each in an image
};

template <RunPool run>
void run_half(const Task& task, void* const* ptr) {
  const auto& t = task.get<HalfPoolTask>();
  const MoveKernels& move = kernels().move;
  const CastFn widen = move.cast[index(DType::F32)][index(t.dtype)],
               narrow = move.cast[index(t.dtype)][index(DType::F32)];
  std::int64_t places[4], total = 0;
  for (int k = 0; k < t.operands; ++k) {
    places[k] = total;
    total += (t.elements[k] + 15) / 16 * 16;
  }
  for_chunks(t.images, total, [&](std::int64_t image, std::int64_t count) {
    auto* const floats = static_cast<float*>(thread_scratch(3, static_cast<std::size_t>(total) * sizeof(float)));
    void* wide[4];
    for (int k = 0; k < t.operands; ++k) wide[k] = floats + places[k];
    const int result = t.operands - 1;
    const auto half = [&](int k) { return at(ptr[k], image * t.elements[k] * kHalfBytes); };
    for (; count > 0; ++image, --count) {
      for (int k = 0; k < result; ++k) widen(wide[k], half(k), t.elements[k]);
      run(t.image, wide);
      narrow(half(result), wide[result], t.elements[result]);
    }
  });
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  DType dtype = call.in(0).dtype();
  for (int i = 1; i < call.n_inputs; ++i) dtype = promote(dtype, call.in(i).dtype());
  dtype = to_float(dtype);
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i) ready = ready && call.in(i).dtype() == dtype && call.in(i).is_contiguous();
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor x = fn::cast(call.in(i), dtype);
    prepared.push_back(x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

template <RunPool run, bool has_shape = false>
void lower(const Call& call, Task& task) {
  if (call.out().size() == 0) {
    task.run = run_nothing;
    return;
  }
  const DType dtype = call.out().dtype();
  PoolTask t{};
  t.pool = pool_of(call, has_shape, has_shape ? call.attrs[0].shape() : call.in(0).shape());
  t.table = &kernels().pool;
  const bool picks = run == run_max || run == run_max_pick || (run == run_max_grad && !t.pool.overlap);
  const bool as_it_is = !is_half(dtype) || (dtype == DType::BF16 && picks);
  t.which = as_it_is && is_half(dtype) ? kBfloat16 : float_index(dtype);
  t.bytes = as_it_is ? static_cast<std::int64_t>(itemsize(dtype)) : std::int64_t{sizeof(float)};
  if (as_it_is) {
    task.params<PoolTask>() = t;
    task.run = run_task<run>;
    return;
  }
  auto& half = task.params<HalfPoolTask>();
  half.images = std::exchange(t.pool.images, 1);
  half.image = t;
  half.dtype = dtype;
  half.operands = call.n_inputs + 1;
  for (int k = 0; k < call.n_inputs; ++k) half.elements[k] = call.in(k).size() / half.images;
  half.elements[call.n_inputs] = call.out().size() / half.images;
  task.run = run_half<run>;
}

void infer_pool(const Call& call, std::vector<Output>& outputs) {
  const Shape& x = call.in(0).shape();
  outputs.push_back({call.in(0).dtype(), out_shape(pool_of(call, 0, x), x.ndim - 2)});
}

void check(const Call& call, const Tensor& tensor, const Shape& wanted, const char* name) {
  if (tensor.shape() != wanted)
    throw ShapeError(message("[", call.op.name, "] '", name, "' must have shape ", to_string(wanted), ", got ",
                             to_string(tensor.shape())));
}

// (x, y, g of y's shape) -> x's shape
void infer_max_grad(const Call& call, std::vector<Output>& outputs) {
  const Shape& x = call.in(0).shape();
  const Shape y = out_shape(pool_of(call, 0, x), x.ndim - 2);
  check(call, call.in(1), y, "y");
  check(call, call.in(2), y, "g");
  outputs.push_back({call.in(0).dtype(), x});
}
// (x, y, u of x's shape) -> y's shape
void infer_max_pick(const Call& call, std::vector<Output>& outputs) {
  const Shape& x = call.in(0).shape();
  const Shape y = out_shape(pool_of(call, 0, x), x.ndim - 2);
  check(call, call.in(1), y, "y");
  check(call, call.in(2), x, "u");
  outputs.push_back({call.in(0).dtype(), y});
}
void infer_mean_grad(const Call& call, std::vector<Output>& outputs) {
  const Shape x = call.attrs[0].shape();
  check(call, call.in(0), out_shape(pool_of(call, 1, x), x.ndim - 2), "g");
  outputs.push_back({call.in(0).dtype(), x});
}

void vjp_max(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op("max_pool_grad", {call.in(0), call.out(), g[0]}, call.attrs);
}
// Which cell is greatest doesn't change with small changes of x and y.
void vjp_max_grad(const Call& call, const Tensor* u, const bool* needs, Tensor* grads) {
  if (needs[2]) grads[2] = call_op("max_pool_pick", {call.in(0), call.in(1), u[0]}, call.attrs);
}
void vjp_max_pick(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[2]) grads[2] = call_op("max_pool_grad", {call.in(0), call.in(1), g[0]}, call.attrs);
}
void vjp_mean(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  Attrs attrs = call.attrs;
  attrs.insert(attrs.begin(), Attr::of(call.in(0).shape()));
  grads[0] = call_op("avg_pool_grad", {g[0]}, attrs);
}
void vjp_mean_grad(const Call& call, const Tensor* u, const bool*, Tensor* grads) {
  grads[0] = call_op("avg_pool", {u[0]}, Attrs(call.attrs.begin() + 1, call.attrs.end()));
}

Op pool_op(const char* name, const char* doc, std::vector<TensorParam> tensors) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = std::move(tensors);
  op.attrs = {required_attr("window", AttrKind::integers), required_attr("strides", AttrKind::integers),
              required_attr("padding_low", AttrKind::integers), required_attr("padding_high", AttrKind::integers)};
  op.prepare = prepare;
  op.takes_half = true;
  return op;
}

bool register_all() {
  Op max = pool_op(
      "max_pool",
      "The greatest cell of each window over the spatial axes of x (batch, spatial..., channels); nan if one is.",
      {{"x"}});
  max.infer = infer_pool;
  max.lower = lower<run_max>;
  max.vjp = vjp_max;
  max.saves_inputs = 1;
  max.saves_outputs = 1;
  register_op(max);

  Op max_grad = pool_op("max_pool_grad",
                        "The gradient of max_pool's x from g, that of y = max_pool(x): the first greatest cell's.",
                        {{"x"}, {"y"}, {"g"}});
  max_grad.infer = infer_max_grad;
  max_grad.lower = lower<run_max_grad>;
  max_grad.vjp = vjp_max_grad;
  max_grad.saves_inputs = 3;
  register_op(max_grad);

  Op max_pick = pool_op("max_pool_pick", "The entries of u where y = max_pool(x) found the first greatest cells of x.",
                        {{"x"}, {"y"}, {"u"}});
  max_pick.infer = infer_max_pick;
  max_pick.lower = lower<run_max_pick>;
  max_pick.vjp = vjp_max_pick;
  max_pick.saves_inputs = 3;
  register_op(max_pick);

  Op mean = pool_op(
      "avg_pool",
      "The mean of each window's cells over the spatial axes of x (batch, spatial..., channels), without padding.",
      {{"x"}});
  mean.infer = infer_pool;
  mean.lower = lower<run_mean>;
  mean.vjp = vjp_mean;
  mean.saves_inputs = 0;
  register_op(mean);

  Op mean_grad = pool_op("avg_pool_grad",
                         "The gradient of avg_pool's x, of the given shape, from g, that of its result.", {{"g"}});
  mean_grad.attrs.insert(mean_grad.attrs.begin(), required_attr("shape", AttrKind::integers));
  mean_grad.infer = infer_mean_grad;
  mean_grad.lower = lower<run_mean_grad, true>;
  mean_grad.vjp = vjp_mean_grad;
  mean_grad.saves_inputs = 0;
  register_op(mean_grad);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
