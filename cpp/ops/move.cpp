// Ops that move elements: copy, cast, concatenate, stack, pad, and the gradient of slice.
#include <cstring>

#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

// ---- copy, cast ----------------------------------------------------------------------------------------------------

struct CopyTask {
  CastFn cast;  // null where the type stays
  std::size_t in_bytes, out_bytes;
  bool streams;  // the result goes past the caches
  Walk walk;
};

void stream_copy(const CopyTask& t, char* to, const void* x, std::int64_t first, std::int64_t n) {
  const MoveKernels& move = kernels().move;
  const auto in_bytes = static_cast<std::int64_t>(t.in_bytes), out_bytes = static_cast<std::int64_t>(t.out_bytes);
  const char* const from = static_cast<const char*>(x) + first * in_bytes;
  if (!t.cast) {
    move.stream(to, from, n * in_bytes);
  } else {
    void* const block = thread_scratch(0, kStreamBlock);
    const std::int64_t most = kStreamBlock / out_bytes;
    for (std::int64_t done = 0; done < n; done += most) {
      const std::int64_t count = std::min(most, n - done);
      t.cast(block, from + done * in_bytes, count);
      move.stream(to + done * out_bytes, block, count * out_bytes);
    }
  }
  move.stream_end();
}

void run_copy(const Task& task, void* const* ptr) {
  const auto& t = task.get<CopyTask>();
  char* out = static_cast<char*>(ptr[1]);
  for_chunks(t.walk.count, 1, [&](std::int64_t first, std::int64_t n) {
    char* to = out + first * static_cast<std::int64_t>(t.out_bytes);
    if (t.streams) {
      stream_copy(t, to, ptr[0], first, n);
    } else if (!t.cast) {
      gather(t.walk, t.in_bytes, to, ptr[0], first, n);
    } else {
      const std::int64_t block = t.walk.contiguous() ? n : 4096;
      for (std::int64_t done = 0; done < n; done += block) {
        const std::int64_t count = std::min(block, n - done);
        void* scratch = t.walk.contiguous() ? nullptr : thread_scratch(0, static_cast<std::size_t>(block) * t.in_bytes);
        t.cast(to + done * static_cast<std::int64_t>(t.out_bytes),
               read_block(t.walk, t.in_bytes, scratch, ptr[0], first + done, count), count);
      }
    }
  });
}

void lower_copy(const Call& call, Task& task) {
  auto& t = task.params<CopyTask>();
  const DType from = call.in(0).dtype(), to = call.out().dtype();
  t.cast = from == to ? nullptr : kernels().move.cast[index(to)][index(from)];
  t.in_bytes = itemsize(from);
  t.out_bytes = itemsize(to);
  t.walk = make_walk(call.in(0));
  t.streams =
      t.walk.contiguous() && worth_streaming(t.walk.count * static_cast<std::int64_t>(t.in_bytes + t.out_bytes));
  task.run = run_copy;
}

void infer_copy(const Call& call, std::vector<Output>& outputs) {
  outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}
void infer_cast(const Call& call, std::vector<Output>& outputs) {
  outputs.push_back({call.attrs[0].dtype(), call.in(0).shape()});
}

void copy_vjp(const Call&, const Tensor* g, const bool*, Tensor* grads) { grads[0] = g[0]; }
void cast_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  if (is_float(call.in(0).dtype()) && is_float(g[0].dtype())) grads[0] = fn::cast(g[0], call.in(0).dtype());
}

// ---- concatenate, stack --------------------------------------------------------------------------------------------

// Input i gives, for each of the `outer` lines of the output, `run` elements from `start` on.
struct JoinTask {
  struct Part {
    std::int64_t start, run;
    Walk walk;
  };
  std::size_t bytes;
  std::int64_t outer, line;
  std::vector<Part> parts;
};

constexpr std::int64_t kLongLine = 4096;  // elements: shorter lines are dealt out whole

void run_join(const Task& task, void* const* ptr) {
  const auto& t = task.get<JoinTask>();
  const std::int64_t count = static_cast<std::int64_t>(t.parts.size());
  char* out = static_cast<char*>(ptr[count]);
  const auto bytes = static_cast<std::int64_t>(t.bytes);
  if (t.line < kLongLine) {
    for_chunks(t.outer, t.line, [&](std::int64_t line, std::int64_t lines) {
      for (std::int64_t part = 0; part < count; ++part) {
        const JoinTask::Part& p = t.parts[static_cast<std::size_t>(part)];
        char* to = out + (line * t.line + p.start) * bytes;
        if (p.run == 0) continue;
        if (p.walk.contiguous()) {
          kernels().move.copy_rows[log2_itemsize(bytes)](
              to, t.line, 1, static_cast<char*>(ptr[part]) + line * p.run * bytes, p.run, 1, lines, p.run);
        } else {
          for (std::int64_t i = 0; i < lines; ++i)
            gather(p.walk, t.bytes, to + i * t.line * bytes, ptr[part], (line + i) * p.run, p.run);
        }
      }
    });
    return;
  }
  // Units are (line, part); a chunk is some lines, or where lines are long, parts of one.
  for_chunks(t.outer * count, t.line / count, [&](std::int64_t unit, std::int64_t units) {
    for (; units > 0; ++unit, --units) {
      const std::int64_t line = unit / count, part = unit % count;
      const JoinTask::Part& p = t.parts[static_cast<std::size_t>(part)];
      if (p.run > 0) gather(p.walk, t.bytes, out + (line * t.line + p.start) * bytes, ptr[part], line * p.run, p.run);
    }
  });
}

int join_axis(const Call& call, int ndim) { return normalize_axis(call.attrs[0].integer, ndim, call.op.name); }

bool prepare_join(const Call& call, std::vector<Tensor>& prepared) {
  bool same = true;
  for (int i = 1; i < call.n_inputs; ++i) same = same && call.in(i).dtype() == call.in(0).dtype();
  if (same) return false;
  DType dtype = call.in(0).dtype();
  for (int i = 1; i < call.n_inputs; ++i) dtype = promote(dtype, call.in(i).dtype());
  for (int i = 0; i < call.n_inputs; ++i) prepared.push_back(fn::cast(call.in(i), dtype));
  return true;
}

void infer_concatenate(const Call& call, std::vector<Output>& outputs) {
  if (call.n_inputs == 0) throw ValueError("[concatenate] need at least one array to concatenate");
  Shape shape = call.in(0).shape();
  if (shape.ndim == 0) throw ShapeError("[concatenate] zero-dimensional arrays cannot be concatenated; use stack");
  const int axis = join_axis(call, shape.ndim);
  for (int i = 1; i < call.n_inputs; ++i) {
    const Shape& other = call.in(i).shape();
    if (other.ndim != shape.ndim)
      throw ShapeError(
          message("[concatenate] all the input arrays must have the same number of dimensions, but array 0 has ",
                  shape.ndim, " and array ", i, " has ", other.ndim));
    for (int k = 0; k < shape.ndim; ++k)
      if (k != axis && other[k] != shape[k])
        throw ShapeError(
            message("[concatenate] all the input array dimensions except for the concatenation axis must match "
                    "exactly, but along dimension ",
                    k, ", array 0 has size ", shape[k], " and array ", i, " has size ", other[k]));
    shape[axis] += other[axis];
  }
  outputs.push_back({call.in(0).dtype(), shape});
}

void infer_stack(const Call& call, std::vector<Output>& outputs) {
  if (call.n_inputs == 0) throw ValueError("[stack] need at least one array to stack");
  const Shape& shape = call.in(0).shape();
  for (int i = 1; i < call.n_inputs; ++i)
    if (call.in(i).shape() != shape)
      throw ShapeError(message("[stack] all input arrays must have the same shape, but array 0 has ", to_string(shape),
                               " and array ", i, " has ", to_string(call.in(i).shape())));
  const int axis = join_axis(call, shape.ndim + 1);
  Shape out;
  for (int k = 0; k <= shape.ndim; ++k) {
    if (k == axis) out.push_back(call.n_inputs);
    if (k < shape.ndim) out.push_back(shape[k]);
  }
  outputs.push_back({call.in(0).dtype(), out});
}

void lower_join(const Call& call, Task& task) {
  const Shape& out = call.out().shape();
  const int axis = join_axis(call, out.ndim);
  const Split split = split_at(out, axis);
  auto& t = task.params<JoinTask>();
  t.bytes = itemsize(call.out().dtype());
  t.outer = split.outer;
  t.line = split.length * split.inner;
  std::int64_t start = 0;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor& x = call.in(i);
    const std::int64_t run = (x.ndim() == out.ndim ? x.length(axis) : 1) * split.inner;
    t.parts.push_back({start, run, make_walk(x)});
    start += run;
  }
  task.run = run_join;
}

void join_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const int axis = join_axis(call, g[0].ndim());
  const std::size_t ndim = static_cast<std::size_t>(g[0].ndim()), at = static_cast<std::size_t>(axis);
  std::vector<std::int64_t> starts(ndim, 0), stops(g[0].shape().begin(), g[0].shape().end()), steps(ndim, 1);
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor& x = call.in(i);
    stops[at] = starts[at] + (x.ndim() == g[0].ndim() ? x.length(axis) : 1);
    if (needs[i]) grads[i] = fn::reshape(fn::slice(g[0], starts, stops, steps), x.shape());
    starts[at] = stops[at];
  }
}

// ---- writing a block into a constant background: pad, slice_grad
// -------------------------------------------------------

struct PlaceTask {
  std::size_t bytes;
  std::int64_t count, size;  // elements of x and of the output
  double fill;               // its first bytes are one element
  Walk x;
  Walk place;           // of x's elements in the output
  std::int64_t offset;  // of the first of them
};

void run_place(const Task& task, void* const* ptr) {
  const auto& t = task.get<PlaceTask>();
  char* out = static_cast<char*>(ptr[1]);
  const std::int64_t bytes = static_cast<std::int64_t>(t.bytes);
  const StridedCopyFn copy = kernels().move.copy[log2_itemsize(bytes)];
  for_chunks(t.size, 1, [&](std::int64_t first, std::int64_t n) { copy(out + first * bytes, 1, &t.fill, 0, n); });
  char* to = out + t.offset * bytes;
  for_chunks(t.count, 1, [&](std::int64_t first, std::int64_t n) {
    constexpr std::int64_t kBlock = 4096;
    void* scratch = t.x.contiguous() ? nullptr : thread_scratch(0, kBlock * sizeof(double));
    for (std::int64_t done = 0; done < n; done += kBlock) {
      const std::int64_t count = std::min(kBlock, n - done);
      scatter(t.place, t.bytes, to, read_block(t.x, t.bytes, scratch, ptr[0], first + done, count), first + done,
              count);
    }
  });
}

void lower_place(const Call& call, double fill, const Strides& strides, std::int64_t offset, Task& task) {
  const Tensor& x = call.in(0);
  auto& t = task.params<PlaceTask>();
  t.bytes = itemsize(x.dtype());
  t.count = x.size();
  t.size = call.out().size();
  const bool whole = is_integer(x.dtype());
  const Tensor element =
      whole ? Tensor::scalar(x.dtype(), static_cast<std::int64_t>(fill)) : Tensor::scalar(x.dtype(), fill);
  t.fill = 0;
  std::memcpy(&t.fill, element.data(), t.bytes);
  t.x = make_walk(x);
  t.place = make_walk(x.shape(), strides);
  t.offset = offset;
  task.run = run_place;
}

void infer_pad(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const auto &before = call.attrs[0].integers, &after = call.attrs[1].integers;
  if (static_cast<int>(before.size()) != x.ndim() || static_cast<int>(after.size()) != x.ndim())
    throw ValueError(message("[pad] needs a number before and after for each of the ", x.ndim(), " axes of shape ",
                             to_string(x.shape()), ", got ", before.size(), " and ", after.size()));
  Shape shape;
  for (int axis = 0; axis < x.ndim(); ++axis) {
    const std::size_t i = static_cast<std::size_t>(axis);
    if (before[i] < 0 || after[i] < 0) throw ValueError("[pad] index can't contain negative values");
    shape.push_back(before[i] + x.length(axis) + after[i]);
  }
  outputs.push_back({x.dtype(), shape});
}

void lower_pad(const Call& call, Task& task) {
  const Strides& strides = call.out().strides();
  std::int64_t offset = 0;
  for (int axis = 0; axis < strides.ndim; ++axis)
    offset += call.attrs[0].integers[static_cast<std::size_t>(axis)] * strides[axis];
  lower_place(call, call.attrs[2].real, strides, offset, task);
}

void pad_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Shape& shape = call.in(0).shape();
  const auto& starts = call.attrs[0].integers;
  std::vector<std::int64_t> stops, steps(starts.size(), 1);
  for (int axis = 0; axis < shape.ndim; ++axis) stops.push_back(starts[static_cast<std::size_t>(axis)] + shape[axis]);
  grads[0] = fn::slice(g[0], starts, stops, steps);
}

void infer_slice_grad(const Call& call, std::vector<Output>& outputs) {
  outputs.push_back({call.in(0).dtype(), call.attrs[0].shape()});
}

void lower_slice_grad(const Call& call, Task& task) {
  const Strides& whole = call.out().strides();
  Strides strides;
  std::int64_t offset = 0;
  for (int axis = 0; axis < whole.ndim; ++axis) {
    const std::size_t i = static_cast<std::size_t>(axis);
    strides.push_back(whole[axis] * call.attrs[2].integers[i]);
    offset += whole[axis] * call.attrs[1].integers[i];
  }
  lower_place(call, 0, strides, offset, task);
}

void slice_grad_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Shape& shape = call.in(0).shape();
  const auto &starts = call.attrs[1].integers, &steps = call.attrs[2].integers;
  std::vector<std::int64_t> stops;
  for (int axis = 0; axis < shape.ndim; ++axis) {
    const std::size_t i = static_cast<std::size_t>(axis);
    const std::int64_t past = steps[i] > 0 ? 1 : -1;  // just behind the last element
    stops.push_back(shape[axis] == 0 ? starts[i] : starts[i] + (shape[axis] - 1) * steps[i] + past);
  }
  grads[0] = fn::slice(g[0], starts, stops, steps);
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  Op copy;
  copy.name = "copy";
  copy.doc = "The same elements in memory of their own, contiguous.";
  copy.tensors = {{"x"}};
  copy.infer = infer_copy;
  copy.lower = lower_copy;
  copy.vjp = copy_vjp;
  copy.saves_inputs = 0;
  copy.takes_half = true;
  register_op(copy);

  Op cast = copy;
  cast.name = "cast";
  cast.doc = "The elements converted to a dtype by NumPy's astype rules (floats to whole numbers: towards zero).";
  cast.attrs = {required_attr("dtype", AttrKind::dtype)};
  cast.infer = infer_cast;
  cast.vjp = cast_vjp;
  register_op(cast);

  Op concatenate;
  concatenate.name = "concatenate";
  concatenate.doc = "The tensors joined along an axis they have.";
  concatenate.tensors = {{"tensors", TensorParam::list}};
  concatenate.attrs = {attr_with_default("axis", AttrKind::integer, Attr::of(0))};
  concatenate.prepare = prepare_join;
  concatenate.infer = infer_concatenate;
  concatenate.lower = lower_join;
  concatenate.vjp = join_vjp;
  concatenate.saves_inputs = 0;
  concatenate.takes_half = true;
  register_op(concatenate);

  Op stack = concatenate;
  stack.name = "stack";
  stack.doc = "The tensors joined along a new axis.";
  stack.infer = infer_stack;
  register_op(stack);

  Op pad;
  pad.name = "pad";
  pad.doc = "With `before` and `after` many elements of `value` around the tensor, one number for each axis.";
  pad.tensors = {{"x"}};
  pad.attrs = {required_attr("before", AttrKind::integers), required_attr("after", AttrKind::integers),
               attr_with_default("value", AttrKind::real, Attr::of(0.0))};
  pad.infer = infer_pad;
  pad.lower = lower_pad;
  pad.vjp = pad_vjp;
  pad.saves_inputs = 0;
  pad.takes_half = true;
  register_op(pad);

  Op slice_grad;
  slice_grad.name = "slice_grad";
  slice_grad.doc = "Zeros of a shape with g at start, start + step, ... of every axis: the gradient of slice.";
  slice_grad.tensors = {{"g"}};
  slice_grad.attrs = {required_attr("shape", AttrKind::integers), required_attr("starts", AttrKind::integers),
                      required_attr("steps", AttrKind::integers)};
  slice_grad.infer = infer_slice_grad;
  slice_grad.lower = lower_slice_grad;
  slice_grad.vjp = slice_grad_vjp;
  slice_grad.saves_inputs = 0;
  slice_grad.takes_half = true;
  register_op(slice_grad);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
