// Reductions over any set of axes: sum, mean, variance, prod, max, min, any, all, argmax, argmin.
// Invariant: the shape of a sum's tree follows from the shape and the axes alone, not from strides or threads. The axes
// are merged into groups of kept and reduced ones; groups are reduced from the last to the first, one pass (outer, n,
// inner) -> (outer, inner) each, and a long group in pieces whose partial results are one more pass.
#include "ops/reduce.h"

#include <cstring>

#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

// ---- plan ----------------------------------------------------------------------------------------------------------

using RowFn = void (*)(void* out, const void* x, std::int64_t n);
using ColumnsFn = void (*)(void* out, const void* x, std::int64_t row_step, std::int64_t rows, std::int64_t cols);

constexpr std::int64_t kPieceRow = 65536;       // elements of a row that are reduced at once
constexpr std::int64_t kPieceColumn = 1024;     // rows of columns, at least
constexpr std::int64_t kBlockElements = 32768;  // of a wide pass that one call takes
constexpr std::int64_t kFewestColumns = 256;    // of such a block: narrower ones would use a small part of each page
constexpr std::int64_t kShortRow = 32;          // rows up to this length are turned into columns, many at a time
constexpr std::int64_t kTurnedBlock = 256;

// (outer, n, inner) -> (outer, pieces, inner); short rows (outer, n) are seen as (1, n, outer) with steps to match.
struct Pass {
  RowFn row;
  ColumnsFn columns;
  bool turned;
  std::int64_t outer, n, inner;
  std::int64_t piece, pieces;        // n in pieces of `piece`
  std::int64_t block, blocks;        // inner in blocks of `block`
  std::int64_t in_bytes, out_bytes;  // of an element
  std::int64_t out_count() const { return outer * pieces * inner; }
};

constexpr int kInlinePasses = 2;

// Elements from one index to the next along the three axes of a pass.
struct Steps {
  std::int64_t outer, row, col;
};

struct ReduceTask {
  ReduceOp op;
  DType out_dtype;
  std::int64_t out_count;
  std::int64_t reduced;  // elements behind one result; 0: the result is the identity
  bool mean;
  int passes;
  bool regular;  // x has steps; else the first pass gathers its blocks with a walk
  Steps steps;
  Pass pass[kInlinePasses];
};
struct LongReduceTask {
  ReduceTask head;
  Walk walk;  // of x, where it isn't regular
  Pass pass[2 * kMaxDims];
};

struct Group {
  bool reduced;
  int first, last;  // axes [first, last)
  std::int64_t length;
};

int group_axes(const Shape& shape, const AxisSet& set, Group* groups) {
  int count = 0;
  for (int axis = 0; axis < shape.ndim; ++axis) {
    if (shape[axis] == 1) continue;
    if (count == 0 || groups[count - 1].reduced != set.has[axis]) groups[count++] = {set.has[axis], axis, axis + 1, 1};
    groups[count - 1].last = axis + 1;
    groups[count - 1].length *= shape[axis];
  }
  return count;
}

Walk sub_walk(const Tensor& x, int first, int last) {
  Shape shape(x.shape().begin() + first, x.shape().begin() + last);
  Strides strides(x.strides().begin() + first, x.strides().begin() + last);
  return make_walk(shape, strides);
}

// Of x with the axes of the set moved to the end.
Walk walk_with_last(const Tensor& x, const AxisSet& set) {
  Shape shape;
  Strides strides;
  for (const bool last : {false, true})
    for (int axis = 0; axis < x.ndim(); ++axis)
      if (set.has[axis] == last) {
        shape.push_back(x.length(axis));
        strides.push_back(x.strides()[axis]);
      }
  return make_walk(shape, strides);
}

Pass make_pass(ReduceOp op, DType in, DType out, std::int64_t outer, std::int64_t n, std::int64_t inner) {
  const ReduceKernels& table = kernels().reduce;
  Pass pass;
  pass.row = table.row[static_cast<int>(op)][index(in)];
  pass.columns = table.columns[static_cast<int>(op)][index(in)];
  pass.turned = inner == 1 && n <= kShortRow && outer >= 16;
  if (pass.turned) std::swap(outer, inner);
  pass.outer = outer;
  pass.n = n;
  pass.inner = inner;
  pass.piece = inner == 1 ? kPieceRow : std::max(kPieceColumn, kPieceRow / inner);
  if (n < 2 * pass.piece) pass.piece = n;
  pass.pieces = (n + pass.piece - 1) / pass.piece;
  pass.block = inner;
  if (inner > kFewestColumns && pass.piece * inner > 2 * kBlockElements)
    pass.block =
        std::min(inner, std::max<std::int64_t>(1, kBlockElements / (kFewestColumns * pass.piece)) * kFewestColumns);
  if (pass.turned) pass.block = std::min(inner, kTurnedBlock);
  pass.blocks = (inner + pass.block - 1) / pass.block;
  pass.in_bytes = static_cast<std::int64_t>(itemsize(in));
  pass.out_bytes = static_cast<std::int64_t>(itemsize(out));
  return pass;
}

// The passes of a reduction of x; returns how many.
int make_passes(ReduceOp op, DType in, DType out, const Group* groups, int count, Pass* passes) {
  std::int64_t before = 1, inner = 1;
  for (int i = 0; i < count; ++i) before *= groups[i].length;
  int made = 0;
  for (int i = count - 1; i >= 0; --i) {
    before /= groups[i].length;
    if (!groups[i].reduced) {
      inner *= groups[i].length;
      continue;
    }
    passes[made] = make_pass(op, made ? out : in, out, before, groups[i].length, inner);
    const std::int64_t pieces = passes[made++].pieces;
    if (pieces > 1) {
      passes[made] = make_pass(op, out, out, before, pieces, inner);
      passes[made].piece = pieces;  // few enough for one go
      passes[made++].pieces = 1;
    }
  }
  if (made == 0) passes[made++] = make_pass(op, in, out, 1, 1, inner);  // nothing to reduce: a conversion
  return made;
}

Steps contiguous_steps(const Pass& p) { return p.turned ? Steps{0, 1, p.n} : Steps{p.n * p.inner, p.inner, 1}; }

// The steps of x in its first pass; false where one step isn't enough for some axis.
bool find_steps(const Tensor& x, const Group* groups, int count, const Pass& first, Steps& steps) {
  if (x.is_contiguous()) {
    steps = contiguous_steps(first);
    return true;
  }
  int group = count - 1;
  while (group >= 0 && !groups[group].reduced) --group;
  const int begin = group < 0 ? 0 : groups[group].first, end = group < 0 ? 0 : groups[group].last;
  const Walk outer = sub_walk(x, 0, begin), rows = sub_walk(x, begin, end), inner = sub_walk(x, end, x.ndim());
  steps = {outer.strides[0], rows.strides[0], inner.strides[0]};
  if (first.turned) steps = {0, steps.row, steps.outer};
  return outer.ndim == 1 && rows.ndim == 1 && inner.ndim == 1;
}

// ---- run -----------------------------------------------------------------------------------------------------------

// rows x cols elements of x as the kernels want them: unit steps along columns, or along the one row there is.
// Returns where they are, with the step from row to row in steps.row.
const char* make_readable(const char* x, bool one_row, Steps& steps, std::int64_t rows, std::int64_t cols,
                          std::int64_t bytes) {
  if (one_row ? steps.row == 1 || rows == 1 : steps.col == 1 || cols == 1) return x;
  const MoveKernels& move = kernels().move;
  const int size = log2_itemsize(bytes);
  char* scratch = static_cast<char*>(thread_scratch(3, static_cast<std::size_t>(rows * cols * bytes)));
  if (one_row) {
    move.copy[size](scratch, 1, x, steps.row, rows);
  } else if (steps.row == 1 && steps.col > 0) {
    move.transpose[size](scratch, cols, x, steps.col, cols, rows);
  } else {
    for (std::int64_t r = 0; r < rows; ++r)
      move.copy[size](scratch + r * cols * bytes, 1, x + r * steps.row * bytes, steps.col, cols);
  }
  steps.row = cols;
  return scratch;
}

// Rows [row, row + rows) and columns [col, col + cols) of part o, gathered in their logical order.
const char* gather_part(const Pass& p, const Walk& walk, const void* x, std::int64_t o, std::int64_t row,
                        std::int64_t rows, std::int64_t col, std::int64_t cols, Steps& steps) {
  const std::size_t bytes = static_cast<std::size_t>(p.in_bytes);
  char* scratch = static_cast<char*>(thread_scratch(2, static_cast<std::size_t>(rows * cols) * bytes));
  if (p.turned) {
    gather(walk, bytes, scratch, x, col * p.n, cols * p.n);  // short: all rows of the columns
    steps = {0, 1, p.n};
    return scratch;
  }
  const std::int64_t start = (o * p.n + row) * p.inner + col;
  if (cols == p.inner) {
    gather(walk, bytes, scratch, x, start, rows * cols);
  } else {
    for (std::int64_t r = 0; r < rows; ++r)
      gather(walk, bytes, scratch + r * cols * p.in_bytes, x, start + r * p.inner, cols);
  }
  steps = {0, cols, 1};
  return scratch;
}

// body(from, steps, rows, cols, to) for every block of a pass: `to` is the place of its first result. Reads x with the
// steps given, or else with the walk.
template <class Body>
void each_block(const Pass& p, const Steps* given, const Walk* walk, const void* x, const Body& body) {
  for_chunks(p.outer * p.pieces * p.blocks, p.piece * p.block, [&](std::int64_t unit, std::int64_t count) {
    for (; count > 0; ++unit, --count) {
      const std::int64_t block = unit % p.blocks, piece = unit / p.blocks % p.pieces, o = unit / (p.blocks * p.pieces);
      const std::int64_t row = piece * p.piece, rows = std::min(p.piece, p.n - row);
      const std::int64_t col = block * p.block, cols = std::min(p.block, p.inner - col);
      Steps steps;
      const char* from;
      if (given) {
        steps = *given;
        from = static_cast<const char*>(x) + (o * steps.outer + row * steps.row + col * steps.col) * p.in_bytes;
      } else {
        from = gather_part(p, *walk, x, o, row, rows, col, cols, steps);
      }
      from = make_readable(from, p.inner == 1, steps, rows, cols, p.in_bytes);
      body(from, steps, rows, cols, (o * p.pieces + piece) * p.inner + col);
    }
  });
}

void run_pass(const Pass& p, const Steps* given, const Walk* walk, const void* x, void* out) {
  each_block(p, given, walk, x,
             [&](const char* from, const Steps& steps, std::int64_t rows, std::int64_t cols, std::int64_t at) {
               char* to = static_cast<char*>(out) + at * p.out_bytes;
               if (p.inner == 1) {
                 p.row(to, from, rows);
               } else {
                 p.columns(to, from, steps.row, rows, cols);
               }
             });
}

void fill_identity(const ReduceTask& t, void* out) {
  const bool one = t.op == ReduceOp::prod || t.op == ReduceOp::all;
  dispatch(t.out_dtype, [&](auto zero) {
    using T = decltype(zero);
    std::fill_n(static_cast<T*>(out), t.out_count, static_cast<T>(one));
  });
}

// A divisor as an element of a float dtype.
std::uint64_t divisor_element(DType dtype, double divisor) {
  std::uint64_t bytes = 0;
  const float single = static_cast<float>(divisor);
  std::memcpy(&bytes, dtype == DType::F32 ? static_cast<const void*>(&single) : &divisor, itemsize(dtype));
  return bytes;
}

void divide_all(void* out, std::int64_t size, DType dtype, double divisor) {
  const ElementwiseFn divide = kernels().elementwise[static_cast<int>(ElementwiseOp::divide)][index(dtype)];
  const std::uint64_t element = divisor_element(dtype, divisor);
  for_chunks(size, 1, [&](std::int64_t first, std::int64_t n) {
    char* at = static_cast<char*>(out) + first * static_cast<std::int64_t>(itemsize(dtype));
    const void* operands[] = {at, &element};
    const std::int64_t step[] = {1, 0};
    divide(at, operands, step, n);
  });
}

void reduce(const ReduceTask& t, const Pass* passes, const Walk* walk, const void* x, void* out) {
  if (t.out_count == 0) return;
  if (t.reduced == 0) {
    fill_identity(t, out);
  } else {
    const void* from = x;
    for (int i = 0; i < t.passes; ++i) {
      const Pass& p = passes[i];
      void* to = i + 1 == t.passes ? out : thread_scratch(i % 2, static_cast<std::size_t>(p.out_count() * p.out_bytes));
      const Steps steps = i == 0 ? t.steps : contiguous_steps(p);
      run_pass(p, i == 0 && walk ? nullptr : &steps, walk, from, to);
      from = to;
    }
  }
  if (t.mean) divide_all(out, t.out_count, t.out_dtype, static_cast<double>(t.reduced));
}

void run_inline(const Task& task, void* const* ptr) {
  const auto& t = task.get<ReduceTask>();
  reduce(t, t.pass, nullptr, ptr[0], ptr[1]);
}
void run_long(const Task& task, void* const* ptr) {
  const auto& t = task.get<LongReduceTask>();
  reduce(t.head, t.pass, t.head.regular ? nullptr : &t.walk, ptr[0], ptr[1]);
}

void lower_reduction(ReduceOp op, bool mean, const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), call.op.name);
  Group groups[kMaxDims];
  const int count = group_axes(x.shape(), set, groups);
  ReduceTask head{};
  head.op = op;
  head.mean = mean;
  head.out_dtype = call.out().dtype();
  head.out_count = call.out().size();
  head.reduced = 1;
  for (int axis = 0; axis < x.ndim(); ++axis)
    if (set.has[axis]) head.reduced *= x.length(axis);
  Pass passes[2 * kMaxDims];
  if (head.out_count > 0 && head.reduced > 0) {
    head.passes = make_passes(op, x.dtype(), head.out_dtype, groups, count, passes);
    std::copy_n(passes, std::min(head.passes, kInlinePasses), head.pass);
    head.regular = find_steps(x, groups, count, passes[0], head.steps);
  }
  if (head.passes == 0 || (head.regular && head.passes <= kInlinePasses)) {
    task.params<ReduceTask>() = head;
    task.run = run_inline;
  } else {
    auto& t = task.params<LongReduceTask>();
    t.head = head;
    t.walk = make_walk(x);
    std::copy_n(passes, head.passes, t.pass);
    task.run = run_long;
  }
}

template <ReduceOp op, bool mean>
void lower(const Call& call, Task& task) {
  lower_reduction(op, mean, call, task);
}

// ---- variance ------------------------------------------------------------------------------------------------------

struct VarianceTask {
  Pass pass;
  double divisor;  // elements less degrees of freedom
  bool regular;
  Steps steps;
  Walk walk;
  DType dtype;
};

// Means m_i and squared deviations s_i of n_i elements each are those of all of them together (Chan, Golub, LeVeque,
// COMPSTAT 1982): m = sum n_i m_i / n, s = sum s_i + n_i (m_i - m)^2.
template <class T>
void join_pieces(const Pass& p, const T* mean, const T* squares, T* out) {
  const std::int64_t last = p.n - (p.pieces - 1) * p.piece;
  for (std::int64_t i = 0; i < p.outer * p.inner; ++i) {
    const std::int64_t first = i / p.inner * p.pieces * p.inner + i % p.inner;
    const auto length = [&](std::int64_t k) { return static_cast<double>(k + 1 < p.pieces ? p.piece : last); };
    double centre = 0, sum = 0;
    for (std::int64_t k = 0; k < p.pieces; ++k) centre += length(k) * static_cast<double>(mean[first + k * p.inner]);
    centre /= static_cast<double>(p.n);
    for (std::int64_t k = 0; k < p.pieces; ++k) {
      const double distance = static_cast<double>(mean[first + k * p.inner]) - centre;
      sum += static_cast<double>(squares[first + k * p.inner]) + length(k) * distance * distance;
    }
    out[i] = static_cast<T>(sum);
  }
}

void run_variance(const Task& task, void* const* ptr) {
  const auto& t = task.get<VarianceTask>();
  const Pass& p = t.pass;
  const ReduceKernels& table = kernels().reduce;
  const auto bytes = static_cast<std::size_t>(p.out_count() * p.out_bytes);
  char* mean = static_cast<char*>(thread_scratch(0, bytes));
  char* squares = p.pieces == 1 ? static_cast<char*>(ptr[1]) : static_cast<char*>(thread_scratch(1, bytes));
  each_block(p, t.regular ? &t.steps : nullptr, &t.walk, ptr[0],
             [&](const char* from, const Steps& steps, std::int64_t rows, std::int64_t cols, std::int64_t at) {
               at *= p.out_bytes;
               if (p.inner == 1) {
                 table.deviations_row[index(t.dtype)](mean + at, squares + at, from, rows);
               } else {
                 table.deviations_columns[index(t.dtype)](mean + at, squares + at, from, steps.row, rows, cols);
               }
             });
  if (p.pieces > 1 && t.dtype == DType::F32) {
    join_pieces(p, reinterpret_cast<const float*>(mean), reinterpret_cast<const float*>(squares),
                static_cast<float*>(ptr[1]));
  } else if (p.pieces > 1) {
    join_pieces(p, reinterpret_cast<const double*>(mean), reinterpret_cast<const double*>(squares),
                static_cast<double*>(ptr[1]));
  }
  divide_all(ptr[1], p.outer * p.inner, t.dtype, t.divisor);
}

// Of no elements: nan.
void run_nothing(const Task& task, void* const* ptr) {
  const auto& t = task.get<VarianceTask>();
  std::memset(ptr[1], 0, static_cast<std::size_t>(t.pass.out_bytes * t.pass.inner));
  divide_all(ptr[1], t.pass.inner, t.dtype, 0.0);
}

double degrees_of_freedom(std::int64_t n, double ddof) { return std::max(0.0, static_cast<double>(n) - ddof); }

void lower_variance(const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), call.op.name);
  auto& t = task.params<VarianceTask>();
  t.dtype = x.dtype();
  if (x.size() == 0) {
    t.pass.out_bytes = static_cast<std::int64_t>(itemsize(t.dtype));
    t.pass.inner = call.out().size();
    task.run = run_nothing;
    return;
  }
  Group groups[kMaxDims];
  const int count = group_axes(x.shape(), set, groups);
  std::int64_t outer = 1, n = 1, inner = 1;
  int runs = 0;  // of neighbouring axes that are reduced
  for (int i = 0; i < count; ++i) {
    runs += groups[i].reduced;
    (groups[i].reduced ? n : runs ? inner : outer) *= groups[i].length;
  }
  if (runs == 1) {
    t.pass = make_pass(ReduceOp::sum, t.dtype, t.dtype, outer, n, inner);
    t.regular = find_steps(x, groups, count, t.pass, t.steps);
    t.walk = make_walk(x);
  } else {  // read as if the reduced axes were the last
    t.pass = make_pass(ReduceOp::sum, t.dtype, t.dtype, call.out().size(), n, 1);
    t.regular = false;
    t.walk = walk_with_last(x, set);
  }
  t.divisor = degrees_of_freedom(n, call.attrs[2].real);
  task.run = run_variance;
}

// ---- types ---------------------------------------------------------------------------------------------------------

DType same_dtype(DType t) { return t; }
DType bool_dtype(DType) { return DType::Bool; }

template <DType (*result)(DType), bool needs_elements>
void infer(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), call.op.name);
  Output out{result(x.dtype()), reduced_shape(x.shape(), set, call.attrs[1].truth())};
  if (needs_elements && x.size() == 0 && element_count(out.shape) > 0)
    throw ValueError(message("[", call.op.name, "] zero-size array to reduction operation ",
                             std::strcmp(call.op.name, "max") == 0 ? "maximum" : "minimum",
                             " which has no identity: shape ", to_string(x.shape())));
  outputs.push_back(out);
}

// mean and variance: unlike others, NumPy's of a number take no axis.
void infer_mean(const Call& call, std::vector<Output>& outputs) {
  infer<same_dtype, false>(call, outputs);
  if (call.attrs[0].kind == AttrKind::integer) normalize_axis(call.attrs[0].integer, call.in(0).ndim(), call.op.name);
}

// mean of whole numbers and truth values is that of float64, as in NumPy.
bool to_float64(const Call& call, std::vector<Tensor>& prepared) {
  if (is_float(call.in(0).dtype())) return false;
  prepared.push_back(fn::cast(call.in(0), DType::F64));
  return true;
}

// ---- gradients -----------------------------------------------------------------------------------------------------

// A result of the reduction with the axes of length 1 that keepdims would have left.
Tensor keep_axes(const Call& call, const Tensor& y) {
  const Tensor& x = call.in(0);
  return fn::reshape(y, reduced_shape(x.shape(), axes_of(call.attrs[0], x.ndim(), call.op.name), true));
}

void sum_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = fn::broadcast_to(keep_axes(call, g[0]), call.in(0).shape());
}

void mean_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const double n = static_cast<double>(call.in(0).size()) / static_cast<double>(std::max<std::int64_t>(1, g[0].size()));
  grads[0] = fn::broadcast_to(fn::scale(keep_axes(call, g[0]), 1.0 / n), call.in(0).shape());
}

// Elements that tie share the cotangent equally.
void extremum_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Tensor& x = call.in(0);
  const Tensor hit = fn::cast(apply(ElementwiseOp::equal, x, keep_axes(call, call.out())), x.dtype());
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), call.op.name);
  const Tensor count = fn::sum(hit, axis_list(set, x.ndim()), true);
  grads[0] = fn::multiply(hit, fn::divide(keep_axes(call, g[0]), count));
}

// d prod / d x_i is the product of the others: those before it times those after it. No division, so zeros are no
// trouble.
void prod_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Tensor& x = call.in(0);
  if (x.size() == 0) {
    grads[0] = fn::zeros_like(x);
    return;
  }
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), call.op.name);
  std::vector<std::int64_t> order, back(static_cast<std::size_t>(x.ndim()));
  Shape moved, rows;
  for (const bool reduced : {false, true})
    for (int axis = 0; axis < x.ndim(); ++axis)
      if (set.has[axis] == reduced) {
        back[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(order.size());
        order.push_back(axis);
        moved.push_back(x.length(axis));
        if (!reduced) rows.push_back(x.length(axis));
      }
  rows.push_back(x.size() / element_count(rows));
  const Tensor flat = fn::reshape(fn::transpose(x, order), rows);
  const Attr last = Attr::of(rows.ndim - 1);
  // ones, then the running product without its last element
  const auto exclusive = [&](const Tensor& values) {
    std::vector<std::int64_t> starts(static_cast<std::size_t>(rows.ndim), 0),
        steps(static_cast<std::size_t>(rows.ndim), 1);
    std::vector<std::int64_t> stops(rows.begin(), rows.end()), before = starts, after = starts;
    --stops.back();
    before.back() = 1;
    const Tensor running = fn::slice(call_op("cumprod", {values}, {last}), starts, stops, steps);
    return call_op("pad", {running}, {Attr::of(before), Attr::of(after), Attr::of(1.0)});
  };
  const auto flip = [&](const Tensor& values) { return call_op("flip", {values}, {last}); };
  const Tensor others = fn::multiply(exclusive(flat), flip(exclusive(flip(flat))));
  const Tensor back_in_place = fn::transpose(fn::reshape(others, moved), back);
  grads[0] = fn::multiply(back_in_place, keep_axes(call, g[0]));
}

// d / dx of sum (x - mean)^2 / m is 2 (x - mean) / m: what the mean changes by adds up to nothing.
void variance_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Tensor& x = call.in(0);
  const std::int64_t n = x.size() / std::max<std::int64_t>(1, g[0].size());
  const Tensor mean = call_op("mean", {x}, {call.attrs[0], Attr::of(true)});
  const Tensor slope =
      fn::scale(apply(ElementwiseOp::subtract, x, mean), 2.0 / degrees_of_freedom(n, call.attrs[2].real));
  grads[0] = fn::multiply(slope, keep_axes(call, g[0]));
}

// ---- argmax, argmin ------------------------------------------------------------------------------------------------

struct ArgTask {
  std::int64_t (*kernel)(const void* x, std::int64_t n, void* value);
  std::int64_t rows, n;
  std::size_t itemsize;
  Walk walk;  // of x with the reduced axis moved to the end
};

// The kernels' job for short rows, where setting up vectors costs more than it saves.
template <class T, bool greatest>
std::int64_t first_extreme(const void* x, std::int64_t n, void* value) {
  const T* row = static_cast<const T*>(x);
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n && row[best] == row[best]; ++i)
    if ((greatest ? row[i] > row[best] : row[i] < row[best]) || row[i] != row[i]) best = i;
  *static_cast<T*>(value) = row[best];
  return best;
}

// Of a long row, in pieces: the first extreme among theirs says which piece holds it.
std::int64_t extreme_of_pieces(const ArgTask& t, const char* row) {
  const std::int64_t pieces = (t.n + kPieceRow - 1) / kPieceRow, bytes = static_cast<std::int64_t>(t.itemsize);
  auto* position = static_cast<std::int64_t*>(thread_scratch(0, static_cast<std::size_t>(pieces) * 2 * sizeof(double)));
  char* value = reinterpret_cast<char*>(position + pieces);
  parallel_for(pieces, [&](std::int64_t i) {
    const std::int64_t first = i * kPieceRow, n = std::min(kPieceRow, t.n - first);
    position[i] = first + t.kernel(row + first * bytes, n, value + i * bytes);
  });
  double greatest;  // as wide as any element
  return position[t.kernel(value, pieces, &greatest)];
}

void run_arg(const Task& task, void* const* ptr) {
  const auto& t = task.get<ArgTask>();
  std::int64_t* out = static_cast<std::int64_t*>(ptr[1]);
  if (t.rows < 8 && t.n > 2 * kPieceRow && t.walk.contiguous()) {
    const char* x = static_cast<const char*>(ptr[0]);
    for (std::int64_t row = 0; row < t.rows; ++row)
      out[row] = extreme_of_pieces(t, x + row * t.n * static_cast<std::int64_t>(t.itemsize));
    return;
  }
  for_chunks(t.rows, t.n, [&](std::int64_t row, std::int64_t count) {
    const std::int64_t together = std::max<std::int64_t>(1, std::min(count, kChunkWork / t.n));
    for (std::int64_t end = row + count; row < end; row += together) {
      const std::int64_t rows = std::min(together, end - row);
      void* scratch =
          t.walk.contiguous() ? nullptr : thread_scratch(0, static_cast<std::size_t>(rows * t.n) * t.itemsize);
      const char* block =
          static_cast<const char*>(read_block(t.walk, t.itemsize, scratch, ptr[0], row * t.n, rows * t.n));
      double value;  // as wide as any element
      for (std::int64_t i = 0; i < rows; ++i)
        out[row + i] = t.kernel(block + i * t.n * static_cast<std::int64_t>(t.itemsize), t.n, &value);
    }
  });
}

AxisSet arg_axes(const Call& call) {
  if (call.attrs[0].kind == AttrKind::integers && call.attrs[0].integers.size() != 1)
    throw ValueError(message("[", call.op.name, "] takes one axis or None"));
  return axes_of(call.attrs[0], call.in(0).ndim(), call.op.name);
}

void infer_arg(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const Output out{DType::I64, reduced_shape(x.shape(), arg_axes(call), call.attrs[1].truth())};
  if (x.size() == 0 && element_count(out.shape) > 0)
    throw ValueError(message("[", call.op.name, "] attempt to get ", call.op.name, " of an empty sequence: shape ",
                             to_string(x.shape())));
  outputs.push_back(out);
}

template <bool greatest>
void lower_arg(const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  auto& t = task.params<ArgTask>();
  const ReduceKernels& table = kernels().reduce;
  t.kernel = greatest ? table.argmax[index(x.dtype())] : table.argmin[index(x.dtype())];
  t.rows = call.out().size();
  t.n = t.rows ? x.size() / t.rows : 0;
  if (t.n <= kShortRow) dispatch(x.dtype(), [&](auto zero) { t.kernel = first_extreme<decltype(zero), greatest>; });
  t.itemsize = itemsize(x.dtype());
  t.walk = walk_with_last(x, arg_axes(call));
  task.run = run_arg;
}

// ---- the ops -------------------------------------------------------------------------------------------------------

Op reduction(const char* name, const char* doc) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = {{"x"}};
  op.attrs = {nullable_attr("axis", AttrKind::integers),
              attr_with_default("keepdims", AttrKind::boolean, Attr::of(false))};
  op.saves_inputs = 0;
  return op;
}

bool register_all() {
  Op sum = reduction("sum", "Sum over the axes; whole numbers and truth values are added as 64-bit integers.");
  sum.infer = infer<accumulator, false>;
  sum.lower = lower<ReduceOp::sum, false>;
  sum.vjp = sum_vjp;
  register_op(sum);

  Op mean =
      reduction("mean", "Arithmetic mean over the axes; of whole numbers in float64; nan where there is nothing.");
  mean.infer = infer_mean;
  mean.lower = lower<ReduceOp::sum, true>;
  mean.vjp = mean_vjp;
  mean.prepare = to_float64;
  register_op(mean);

  Op variance = reduction("variance",
                          "Sum of (x - mean)^2 over the axes, divided by the number of elements less ddof; of whole "
                          "numbers in float64.");
  variance.attrs.push_back(attr_with_default("ddof", AttrKind::real, Attr::of(0.0)));
  variance.infer = infer_mean;
  variance.lower = lower_variance;
  variance.vjp = variance_vjp;
  variance.prepare = to_float64;
  variance.saves_inputs = 1;
  register_op(variance);

  Op prod = reduction("prod", "Product over the axes; whole numbers and truth values as 64-bit integers.");
  prod.infer = infer<accumulator, false>;
  prod.lower = lower<ReduceOp::prod, false>;
  prod.vjp = prod_vjp;
  prod.saves_inputs = 1;
  register_op(prod);

  Op max = reduction("max", "Greatest element along the axes; nan if there is one. Its gradient is shared among ties.");
  max.infer = infer<same_dtype, true>;
  max.lower = lower<ReduceOp::max, false>;
  max.vjp = extremum_vjp;
  max.saves_inputs = max.saves_outputs = 1;
  register_op(max);

  Op min = reduction("min", "Least element along the axes; nan if there is one. Its gradient is shared among ties.");
  min.infer = infer<same_dtype, true>;
  min.lower = lower<ReduceOp::min, false>;
  min.vjp = extremum_vjp;
  min.saves_inputs = min.saves_outputs = 1;
  register_op(min);

  Op any = reduction("any", "Whether any element along the axes is non-zero.");
  any.infer = infer<bool_dtype, false>;
  any.lower = lower<ReduceOp::any, false>;
  register_op(any);

  Op all = reduction("all", "Whether every element along the axes is non-zero.");
  all.infer = infer<bool_dtype, false>;
  all.lower = lower<ReduceOp::all, false>;
  register_op(all);

  Op argmax =
      reduction("argmax", "Index of the first greatest element along an axis, or of the flattened tensor (None).");
  argmax.attrs[0].kind = AttrKind::integer;
  argmax.infer = infer_arg;
  argmax.lower = lower_arg<true>;
  register_op(argmax);

  Op argmin = reduction("argmin", "Index of the first least element along an axis, or of the flattened tensor (None).");
  argmin.attrs[0].kind = AttrKind::integer;
  argmin.infer = infer_arg;
  argmin.lower = lower_arg<false>;
  register_op(argmin);
  return true;
}

const bool registered = register_all();

}  // namespace

void RowReduction::operator()(void* out, const void* x, std::int64_t n) const {
  if (deviations) {
    double mean;  // as wide as any element
    deviations(&mean, out, x, n);
  } else {
    row(out, x, n);
  }
  if (!divide) return;
  const void* operands[] = {out, &divisor};
  const std::int64_t step[] = {1, 0};
  divide(out, operands, step, 1);
}

namespace {

struct KnownReduction {
  const Op* op;
  ReduceOp kind;
  bool divides;
};
const KnownReduction* known_reduction(const Op& op) {
  static const KnownReduction known[] = {
      {find_op("sum"), ReduceOp::sum, false},   {find_op("mean"), ReduceOp::sum, true},
      {find_op("max"), ReduceOp::max, false},   {find_op("min"), ReduceOp::min, false},
      {find_op("prod"), ReduceOp::prod, false}, {find_op("any"), ReduceOp::any, false},
      {find_op("all"), ReduceOp::all, false},   {find_op("variance"), ReduceOp::sum, true}};
  for (const KnownReduction& one : known)
    if (one.op == &op) return &one;
  return nullptr;
}

// Lets the reduction end with a division.
void divide_by(RowReduction& reduction, DType dtype, double divisor) {
  reduction.divide = kernels().elementwise[static_cast<int>(ElementwiseOp::divide)][index(dtype)];
  reduction.divisor = divisor_element(dtype, divisor);
}

}  // namespace

RowReduction row_reduction(const Op& op, const Attrs& attrs, DType dtype, std::int64_t rows, std::int64_t length) {
  static const Op* const variance = find_op("variance");
  const KnownReduction* const known = known_reduction(op);
  if (!known || (dtype != DType::F32 && dtype != DType::F64)) return {};
  if (known->kind == ReduceOp::any || known->kind == ReduceOp::all) return {};  // their results have another dtype
  const Pass pass = make_pass(known->kind, dtype, dtype, rows, length, 1);
  if (pass.turned || pass.pieces > 1) return {};
  RowReduction reduction;
  reduction.row = pass.row;
  if (&op == variance) reduction.deviations = kernels().reduce.deviations_row[index(dtype)];
  if (known->divides)
    divide_by(reduction, dtype,
              &op == variance ? degrees_of_freedom(length, attrs[2].real) : static_cast<double>(length));
  return reduction;
}

PieceReduction piece_reduction(const Op& op, const Attrs& attrs, DType in, DType out, const Shape& shape) {
  static const Op* const variance = find_op("variance");
  const KnownReduction* const known = known_reduction(op);
  if (!known || &op == variance || is_half(in)) return {};
  const AxisSet axes = axes_of(attrs[0], shape.ndim, op.name);
  for (int axis = 0; axis < shape.ndim; ++axis)
    if (!axes.has[axis] && shape[axis] != 1) return {};
  const std::int64_t n = element_count(shape);
  const Pass pass = make_pass(known->kind, in, out, 1, n, 1);
  if (pass.turned || pass.pieces < 2) return {};
  PieceReduction reduction;
  reduction.length = pass.piece;
  reduction.piece.row = pass.row;
  reduction.join.row = make_pass(known->kind, out, out, 1, pass.pieces, 1).row;
  if (known->divides) divide_by(reduction.join, out, static_cast<double>(n));
  return reduction;
}

}  // namespace chainrule
