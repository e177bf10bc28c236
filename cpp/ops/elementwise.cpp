// Turns each line of kernels/elementwise.def into an Op: types, broadcasting, the loop over strided operands, the vjp.
#include "ops/elementwise.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string_view>

#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/iterate.h"

namespace chainrule {

namespace {

// ---- what the table says -------------------------------------------------------------------------------------------

struct Line {
  const char* name;
  int arity;
  ElementwiseTypes types;
  bool gives_bool;
  const char* vjp[3];
  const char* doc;
};

constexpr ElementwiseTypes FLOAT = ElementwiseTypes::floats, NUMBER = ElementwiseTypes::numbers,
                           INTEGER = ElementwiseTypes::integers, ALL = ElementwiseTypes::all,
                           SELECT = ElementwiseTypes::select;
constexpr bool SAME = false, BOOL = true;

constexpr Line kLines[] = {
#define CR_ELEMENTWISE(name, arity, types, result, expression, vjp_a, vjp_b, vjp_c, doc) \
  {#name, arity, types, result, {#vjp_a, #vjp_b, #vjp_c}, doc},
#include "kernels/elementwise.def"
#undef CR_ELEMENTWISE
};

bool has_derivative(const Line& line) {
  for (const char* rule : line.vjp)
    if (std::string_view(rule) != "NONE") return true;
  return false;
}

// Whether the text of a rule names the variable `letter` (as a whole word).
bool names(const char* rule, char letter) {
  const std::string_view text(rule);
  if (text == "NONE" || text == "ZERO") return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto word = [&](std::size_t k) {
      return k < text.size() && (std::isalnum(static_cast<unsigned char>(text[k])) || text[k] == '_');
    };
    if (text[i] == letter && !word(i + 1) && (i == 0 || !word(i - 1))) return true;
  }
  return false;
}

// ---- types and shapes ----------------------------------------------------------------------------------------------

void infer(const Call& call, std::vector<Output>& outputs) {
  const Line& line = kLines[call.op.opcode];
  const int first = line.types == SELECT ? 1 : 0;
  const DType dtype = call.in(first).dtype();
  if (first == 1 && call.in(0).dtype() != DType::Bool)
    throw DTypeError(message("[", line.name, "] the condition must be bool, got ", name(call.in(0).dtype())));
  for (int i = first; i < call.n_inputs; ++i)
    if (call.in(i).dtype() != dtype)
      throw DTypeError(message("[", line.name, "] inputs must have one dtype, got ", name(dtype), " and ",
                               name(call.in(i).dtype()), "; cast one of them"));
  if (!elementwise_accepts(line.types, dtype))
    throw DTypeError(message("[", line.name, "] is not defined for dtype ", name(dtype)));
  Shape shape = call.in(0).shape();
  for (int i = 1; i < call.n_inputs; ++i) {
    Shape joined;
    if (!broadcast(shape, call.in(i).shape(), joined)) {
      std::string shapes;
      for (int k = 0; k < call.n_inputs; ++k) shapes += " " + to_string(call.in(k).shape());
      throw ShapeError(message("[", line.name, "] operands could not be broadcast together with shapes", shapes));
    }
    shape = joined;
  }
  outputs.push_back({line.gives_bool ? DType::Bool : dtype, shape});
}

// ---- the loop ------------------------------------------------------------------------------------------------------

template <int Capacity>
struct ElementwiseTask {
  ElementwiseFn kernel;
  std::int64_t size, chunk;
  std::int64_t in_size[3];  // bytes of an element
  std::int64_t out_size;
  int arity, ndim;
  bool direct;   // inner strides are all 0 or 1
  bool streams;  // the result, where it isn't written over an operand, goes past the caches
  std::int64_t dims[Capacity];
  std::int64_t strides[Capacity][3];
};

// Elements [first, first + count) of the innermost run that starts at `offset[k]` elements into operand k.
template <int Capacity>
void run_inner(const ElementwiseTask<Capacity>& t, char* out, const char* const* in, const std::int64_t* offset,
               std::int64_t count, bool streams) {
  const std::int64_t* step = t.strides[t.ndim - 1];
  const void* operands[3];
  if (t.direct && streams) {
    char* const result = static_cast<char*>(thread_scratch(0, kStreamBlock));
    const std::int64_t most = kStreamBlock / t.out_size;
    for (std::int64_t done = 0; done < count; done += most) {
      const std::int64_t n = std::min(most, count - done);
      for (int k = 0; k < t.arity; ++k) operands[k] = in[k] + (offset[k] + done * step[k]) * t.in_size[k];
      t.kernel(result, operands, step, n);
      kernels().move.stream(out + done * t.out_size, result, n * t.out_size);
    }
    return;
  }
  if (t.direct) {
    for (int k = 0; k < t.arity; ++k) operands[k] = in[k] + offset[k] * t.in_size[k];
    t.kernel(out, operands, step, count);
    return;
  }
  constexpr std::int64_t kBlock = 512;
  char* scratch = static_cast<char*>(thread_scratch(0, 3 * kBlock * sizeof(double)));
  std::int64_t unit[3];
  for (std::int64_t done = 0; done < count; done += kBlock) {
    const std::int64_t n = count - done < kBlock ? count - done : kBlock;
    for (int k = 0; k < t.arity; ++k) {
      const char* from = in[k] + (offset[k] + done * step[k]) * t.in_size[k];
      unit[k] = step[k] == 0 ? 0 : 1;
      if (step[k] == 0 || step[k] == 1) {
        operands[k] = from;
      } else {
        char* block = scratch + k * kBlock * sizeof(double);
        const int log2_size = t.in_size[k] == 1 ? 0 : t.in_size[k] == 2 ? 1 : t.in_size[k] == 4 ? 2 : 3;
        kernels().move.copy[log2_size](block, 1, from, step[k], n);
        operands[k] = block;
      }
    }
    t.kernel(out + done * t.out_size, operands, unit, n);
  }
}

// Output elements [first, last) in row-major order.
template <int Capacity>
void run_range(const ElementwiseTask<Capacity>& t, char* out, const char* const* in, std::int64_t first,
               std::int64_t last, bool streams) {
  const int inner = t.ndim - 1;
  std::int64_t counter[Capacity], rest = first;
  for (int d = inner; d >= 0; --d) {
    counter[d] = rest % t.dims[d];
    rest /= t.dims[d];
  }
  while (first < last) {
    std::int64_t offset[3];
    for (int k = 0; k < t.arity; ++k) {
      offset[k] = 0;
      for (int d = 0; d <= inner; ++d) offset[k] += counter[d] * t.strides[d][k];
    }
    const std::int64_t room = t.dims[inner] - counter[inner];
    const std::int64_t count = last - first < room ? last - first : room;
    run_inner(t, out + first * t.out_size, in, offset, count, streams);
    first += count;
    counter[inner] = 0;
    for (int d = inner - 1; d >= 0; --d) {
      if (++counter[d] < t.dims[d]) break;
      counter[d] = 0;
    }
  }
}

template <int Capacity>
void run(const Task& task, void* const* ptr) {
  const auto& t = task.get<ElementwiseTask<Capacity>>();
  const char* in[3] = {};
  for (int k = 0; k < t.arity; ++k) in[k] = static_cast<const char*>(ptr[k]);
  char* out = static_cast<char*>(ptr[t.arity]);
  if (t.ndim == 1 && t.direct && t.size <= t.chunk) {
    const void* operands[3] = {in[0], in[1], in[2]};
    t.kernel(out, operands, t.strides[0], t.size);
    return;
  }
  bool streams = t.streams;
  for (int k = 0; k < t.arity; ++k) streams = streams && in[k] != out;
  parallel_for((t.size + t.chunk - 1) / t.chunk, [&](std::int64_t chunk) {
    const std::int64_t first = chunk * t.chunk;
    const std::int64_t last = t.size < first + t.chunk ? t.size : first + t.chunk;
    run_range(t, out, in, first, last, streams);
    if (streams) kernels().move.stream_end();
  });
}

template <int Capacity>
void fill(const Call& call, const Loop& loop, Task& task) {
  auto& t = task.params<ElementwiseTask<Capacity>>();
  t.kernel = elementwise_kernel(call.op, call.inputs, call.n_inputs);
  t.size = call.out().size();
  t.chunk = elementwise_chunk(static_cast<ElementwiseOp>(call.op.opcode), call.out().dtype(), t.size);
  t.arity = call.n_inputs;
  t.ndim = loop.ndim;
  t.out_size = static_cast<std::int64_t>(itemsize(call.out().dtype()));
  t.direct = true;
  std::int64_t traffic = t.size * t.out_size;
  for (int k = 0; k < t.arity; ++k) {
    t.in_size[k] = static_cast<std::int64_t>(itemsize(call.in(k).dtype()));
    traffic += call.in(k).size() * t.in_size[k];
    for (int d = 0; d < loop.ndim; ++d) t.strides[d][k] = loop.strides[d][k];
    const std::int64_t step = loop.strides[loop.ndim - 1][k];
    t.direct = t.direct && (step == 0 || step == 1);
  }
  t.streams = worth_streaming(traffic);
  for (int d = 0; d < loop.ndim; ++d) t.dims[d] = loop.dims[d];
  task.run = run<Capacity>;
}

// ---- short runs: operands are gathered, so that a kernel's call has more to do than three elements

constexpr std::int64_t kShortRun = 16;

struct ShortRunsTask {
  ElementwiseFn kernel;
  std::int64_t size, chunk;
  std::int64_t in_size[3], out_size;
  int arity;
  Walk walks[3];
};

void run_short_runs(const Task& task, void* const* ptr) {
  constexpr std::int64_t kBlock = 512;
  const auto& t = task.get<ShortRunsTask>();
  parallel_for((t.size + t.chunk - 1) / t.chunk, [&](std::int64_t chunk) {
    char* scratch = static_cast<char*>(thread_scratch(0, 3 * kBlock * sizeof(double)));
    const std::int64_t end = t.size < (chunk + 1) * t.chunk ? t.size : (chunk + 1) * t.chunk;
    for (std::int64_t first = chunk * t.chunk, n; first < end; first += n) {
      n = end - first < kBlock ? end - first : kBlock;
      const void* operands[3];
      std::int64_t steps[3];
      for (int k = 0; k < t.arity; ++k) {
        steps[k] = t.walks[k].single() ? 0 : 1;
        operands[k] = t.walks[k].single() ? ptr[k]
                                          : read_block(t.walks[k], static_cast<std::size_t>(t.in_size[k]),
                                                       scratch + k * kBlock * static_cast<std::int64_t>(sizeof(double)),
                                                       ptr[k], first, n);
      }
      t.kernel(static_cast<char*>(ptr[t.arity]) + first * t.out_size, operands, steps, n);
    }
  });
}

void fill_short_runs(const Call& call, Task& task) {
  auto& t = task.params<ShortRunsTask>();
  t.kernel = elementwise_kernel(call.op, call.inputs, call.n_inputs);
  t.size = call.out().size();
  t.chunk = elementwise_chunk(static_cast<ElementwiseOp>(call.op.opcode), call.out().dtype(), t.size);
  t.arity = call.n_inputs;
  t.out_size = static_cast<std::int64_t>(itemsize(call.out().dtype()));
  const Shape& shape = call.out().shape();
  for (int k = 0; k < t.arity; ++k) {
    t.in_size[k] = static_cast<std::int64_t>(itemsize(call.in(k).dtype()));
    t.walks[k] = make_walk(shape, broadcast_strides(call.in(k).shape(), call.in(k).strides(), shape));
  }
  task.run = run_short_runs;
}

void run_nothing(const Task&, void* const*) {}

void lower(const Call& call, Task& task) {
  const Shape& shape = call.out().shape();
  if (call.out().size() == 0) {
    task.run = run_nothing;
    return;
  }
  bool flat = true;  // every operand is the output's shape without gaps, or one element
  for (int k = 0; k < call.n_inputs; ++k)
    flat = flat && (call.in(k).ndim() == 0 || (call.in(k).shape() == shape && call.in(k).is_contiguous()));
  Loop loop;
  if (flat) {
    loop.ndim = 1;
    loop.dims[0] = call.out().size();
    for (int k = 0; k < call.n_inputs; ++k) loop.strides[0][k] = call.in(k).ndim() == 0 ? 0 : 1;
  } else {
    Strides strides[4];
    for (int k = 0; k < call.n_inputs; ++k)
      strides[k] = broadcast_strides(call.in(k).shape(), call.in(k).strides(), shape);
    strides[call.n_inputs] = call.out().strides();
    loop = collapse(shape, strides, call.n_inputs + 1);
  }
  if (loop.ndim > 1 && loop.dims[loop.ndim - 1] < kShortRun && call.out().is_contiguous()) {
    fill_short_runs(call, task);
  } else if (loop.ndim <= 4) {
    fill<4>(call, loop, task);
  } else {
    fill<kMaxDims>(call, loop, task);
  }
}

// ---- gradients: the rules of the table, on a class whose operators are ops
// ----------------------------------------------

struct Var {
  Tensor tensor;
  bool constant = false;  // a number, or ZERO / NONE
  double value = 0;
  bool absent = false;

  Var(Tensor t) : tensor(std::move(t)) {}
  Var(double number) : constant(true), value(number) {}
  Var(int number) : constant(true), value(number) {}
};

const Var NONE = [] {
  Var v(0);
  v.absent = true;
  return v;
}();
const Var ZERO = NONE;

Tensor materialize(const Var& v, DType dtype) { return v.constant ? Tensor::scalar(dtype, v.value) : v.tensor; }

Var call2(ElementwiseOp op, const Var& a, const Var& b) {
  const DType dtype = a.constant ? b.tensor.dtype() : a.tensor.dtype();
  return apply(op, materialize(a, dtype), materialize(b, dtype));
}
Var call1(ElementwiseOp op, const Var& a) { return apply(op, a.tensor); }

Var operator+(const Var& a, const Var& b) { return call2(ElementwiseOp::add, a, b); }
Var operator-(const Var& a, const Var& b) { return call2(ElementwiseOp::subtract, a, b); }
Var operator*(const Var& a, const Var& b) { return call2(ElementwiseOp::multiply, a, b); }
Var operator/(const Var& a, const Var& b) { return call2(ElementwiseOp::divide, a, b); }
Var operator-(const Var& a) { return call1(ElementwiseOp::negative, a); }

#define CR_FUNCTION1(name) \
  [[maybe_unused]] Var name(const Var& a) { return call1(ElementwiseOp::name, a); }
#define CR_FUNCTION2(name) \
  [[maybe_unused]] Var name(const Var& a, const Var& b) { return call2(ElementwiseOp::name, a, b); }
CR_FUNCTION1(sign)
CR_FUNCTION1(trunc)
CR_FUNCTION1(exp)
CR_FUNCTION1(log)
CR_FUNCTION1(rsqrt)
CR_FUNCTION1(sin)
CR_FUNCTION1(cos)
CR_FUNCTION1(sinh)
CR_FUNCTION1(cosh)
CR_FUNCTION1(expm1)
CR_FUNCTION1(erfc)
CR_FUNCTION1(sigmoid)
CR_FUNCTION2(power)
CR_FUNCTION2(floor_divide)
CR_FUNCTION2(copysign)
CR_FUNCTION2(equal)
CR_FUNCTION2(greater)
CR_FUNCTION2(greater_equal)
CR_FUNCTION2(less)
CR_FUNCTION2(less_equal)
CR_FUNCTION2(relu_grad)
#undef CR_FUNCTION1
#undef CR_FUNCTION2

Var where(const Var& condition, const Var& a, const Var& b) {
  const DType dtype = a.constant ? b.tensor.dtype() : a.tensor.dtype();
  return apply(ElementwiseOp::where, condition.tensor, materialize(a, dtype), materialize(b, dtype));
}

// One rule: cotangent of an input of the line, before broadcasting is undone.
using Rule = Var (*)(const Var& a, const Var& b, const Var& c, const Var& y, const Var& g);
constexpr Rule kRules[][3] = {
#define CR_ELEMENTWISE(name, arity, types, result, expression, vjp_a, vjp_b, vjp_c, doc)           \
  {[]([[maybe_unused]] const Var& a, [[maybe_unused]] const Var& b, [[maybe_unused]] const Var& c, \
      [[maybe_unused]] const Var& y, [[maybe_unused]] const Var& g) -> Var { return vjp_a; },      \
   []([[maybe_unused]] const Var& a, [[maybe_unused]] const Var& b, [[maybe_unused]] const Var& c, \
      [[maybe_unused]] const Var& y, [[maybe_unused]] const Var& g) -> Var { return vjp_b; },      \
   []([[maybe_unused]] const Var& a, [[maybe_unused]] const Var& b, [[maybe_unused]] const Var& c, \
      [[maybe_unused]] const Var& y, [[maybe_unused]] const Var& g) -> Var { return vjp_c; }},
#include "kernels/elementwise.def"
#undef CR_ELEMENTWISE
};

void vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Var none = NONE;
  const Var a(call.in(0));
  const Var b = call.n_inputs > 1 ? Var(call.in(1)) : none;
  const Var c = call.n_inputs > 2 ? Var(call.in(2)) : none;
  const Var y(call.out());
  for (int i = 0; i < call.n_inputs; ++i) {
    if (!needs[i] || !is_float(call.in(i).dtype())) continue;
    const Var grad = kRules[call.op.opcode][i](a, b, c, y, Var(g[0]));
    if (grad.absent) continue;
    grads[i] = fn::sum_to(fn::broadcast_to(grad.tensor, call.out().shape()), call.in(i).shape());
  }
}

bool register_all() {
  for (int opcode = 0; opcode < kElementwiseOps; ++opcode) {
    const Line& line = kLines[opcode];
    Op op;
    op.name = line.name;
    op.doc = line.doc;
    static constexpr const char* letters[] = {"a", "b", "c"};
    static constexpr const char* select_names[] = {"condition", "a", "b"};
    for (int i = 0; i < line.arity; ++i) op.tensors.push_back({line.types == SELECT ? select_names[i] : letters[i]});
    op.fusion = Fusion::elementwise;
    op.opcode = opcode;
    op.infer = infer;
    op.lower = lower;
    op.vjp = has_derivative(line) ? vjp : nullptr;
    op.saves_inputs = 0;
    op.saves_outputs = 0;
    for (const char* rule : line.vjp) {
      for (int i = 0; i < 3; ++i)
        if (names(rule, static_cast<char>('a' + i))) op.saves_inputs |= 1u << i;
      if (names(rule, 'y')) op.saves_outputs = 1;
    }
    register_op(std::move(op));
  }
  return true;
}

const bool registered = register_all();

}  // namespace

ElementwiseTypes elementwise_types(ElementwiseOp opcode) { return kLines[static_cast<int>(opcode)].types; }
bool elementwise_gives_bool(ElementwiseOp opcode) { return kLines[static_cast<int>(opcode)].gives_bool; }

std::int64_t elementwise_chunk(ElementwiseOp opcode, DType dtype, std::int64_t size) {
  constexpr std::int64_t kWorthwhileBytes = 32768, kChunks = 8, kLeast = 1024;
  const bool costly = elementwise_types(opcode) == FLOAT && !elementwise_gives_bool(opcode);
  const auto bytes = static_cast<std::int64_t>(itemsize(dtype));
  if (!costly || size * bytes < kWorthwhileBytes || size >= kChunks * kElementwiseChunk) return kElementwiseChunk;
  return std::max(kLeast, (size / kChunks + 63) / 64 * 64);
}

bool elementwise_accepts(ElementwiseTypes types, DType dtype) {
  switch (types) {
    case ElementwiseTypes::floats:
      return is_float(dtype);
    case ElementwiseTypes::numbers:
      return !is_bool(dtype);
    case ElementwiseTypes::integers:
      return !is_float(dtype);
    case ElementwiseTypes::all:
    case ElementwiseTypes::select:
      return true;
  }
  return false;
}

namespace {

// Whether the elements fill a block of memory, whatever the order of the axes.
bool is_dense(const Tensor& x) {
  bool used[kMaxDims] = {};
  std::int64_t step = 1;
  for (int count = 0; count < x.ndim(); ++count) {
    int next = -1;
    for (int axis = 0; axis < x.ndim() && next < 0; ++axis)
      if (!used[axis] && x.length(axis) > 1 && x.strides()[axis] == step) next = axis;
    if (next < 0) break;
    used[next] = true;
    step *= x.length(next);
  }
  return step == x.size() && step > 0;
}

// Operands of one dense layout (a transpose's, say): element by element in the order of memory, and the result has that
// layout, as NumPy's has. An empty tensor where they aren't.
Tensor elementwise_in_layout(const Op& op, const Tensor* inputs, int n_inputs, const Tensor& shaped) {
  if (!is_dense(shaped)) return Tensor();
  Tensor flat[3];
  for (int i = 0; i < n_inputs; ++i) {
    const Tensor& x = inputs[i];
    if (x.ndim() > 0 && (x.shape() != shaped.shape() || x.strides() != shaped.strides())) return Tensor();
    if (x.dtype() != shaped.dtype()) return Tensor();
    flat[i] = x.ndim() == 0 ? x : x.view({shaped.size()}, {1}, 0);
  }
  const bool gives_bool = kLines[op.opcode].gives_bool;
  const Tensor result = Tensor::empty(gives_bool ? DType::Bool : shaped.dtype(),
                                      flat[0].ndim() > 0 ? flat[0].shape() : flat[n_inputs - 1].shape());
  Task task;
  op.lower(Call{op, flat, n_inputs, {}, &result, 1}, task);
  void* pointers[4];
  for (int i = 0; i < n_inputs; ++i) pointers[i] = flat[i].data();
  pointers[n_inputs] = result.data();
  task.run(task, pointers);
  return result.view(shaped.shape(), shaped.strides(), 0);
}

}  // namespace

Tensor elementwise_now(const Op& op, const Tensor* inputs, int n_inputs) {
  const Line& line = kLines[op.opcode];
  const Tensor& last = inputs[n_inputs - 1];
  const DType dtype = last.dtype();
  const ElementwiseFn kernel = kernels().elementwise[op.opcode][index(dtype)];
  if (!kernel || line.types == SELECT) return Tensor();
  const Tensor& shaped = last.ndim() == 0 ? inputs[0] : last;
  if (!shaped.is_contiguous()) return elementwise_in_layout(op, inputs, n_inputs, shaped);
  const void* operands[3];
  std::int64_t steps[3];
  for (int i = 0; i < n_inputs; ++i) {
    const Tensor& x = inputs[i];
    if (x.dtype() != dtype) return Tensor();
    operands[i] = x.data();
    steps[i] = x.ndim() == 0 ? 0 : 1;
    if (steps[i] == 1 && (x.shape() != shaped.shape() || !x.is_contiguous())) return Tensor();
  }
  const std::int64_t size = shaped.size();
  if (size == 0 || size > elementwise_chunk(static_cast<ElementwiseOp>(op.opcode), dtype, size)) return Tensor();
  Tensor result = Tensor::empty(line.gives_bool ? DType::Bool : dtype, shaped.shape());
  kernel(result.data(), operands, steps, size);
  return result;
}

ElementwiseFn elementwise_kernel(const Op& op, const Tensor* inputs, int n_inputs) {
  return kernels().elementwise[op.opcode][index(inputs[n_inputs - 1].dtype())];
}

}  // namespace chainrule
