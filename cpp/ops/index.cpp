// Reading and adding at places given by integer tensors: take, index, take_along_axis, one_hot and their gradients.
// Invariant: additions to one place happen in the order of the indices, whatever the number of threads.
#include <cstring>

#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

// ---- indices -------------------------------------------------------------------------------------------------------

void check_index_dtype(const char* op, const Tensor& indices) {
  if (!is_integer(indices.dtype()))
    throw DTypeError(message("[", op, "] arrays used as indices must be of integer type, got ", name(indices.dtype())));
}

std::int64_t checked(std::int64_t i, std::int64_t length, int axis) {
  if (i < -length || i >= length)
    throw IndexError(message("index ", i, " is out of bounds for axis ", axis, " with size ", length));
  return i < 0 ? i + length : i;
}

// Row numbers in (N, inner) from one index array per axis of N = lengths[0] * lengths[1] * ...
struct RowIndex {
  int axis = 0;  // of the first array
  std::int64_t count = 0;
  std::vector<std::int64_t> lengths;
  std::vector<Walk> walks;

  // rows[i] = row number of position first + i, for i < n <= kBlock.
  static constexpr std::int64_t kBlock = 1024;
  void read(const void* const* arrays, std::int64_t first, std::int64_t n, std::int64_t* rows) const {
    std::int64_t block[kBlock];
    for (std::size_t k = 0; k < walks.size(); ++k) {
      const auto* from =
          static_cast<const std::int64_t*>(read_block(walks[k], sizeof(std::int64_t), block, arrays[k], first, n));
      const std::int64_t length = lengths[k];
      const int at = axis + static_cast<int>(k);
      for (std::int64_t i = 0; i < n; ++i) rows[i] = (k ? rows[i] * length : 0) + checked(from[i], length, at);
    }
  }
};

// The shapes of x[..., indices, ...]: arrays stand for the axes [axis, axis + arrays).
struct Places {
  std::int64_t outer = 1, rows = 1, inner = 1;
  Shape out;
};
Places places_of(const Shape& x, int axis, const Tensor* arrays, int count) {
  Places p;
  for (int i = 0; i < x.ndim; ++i) {
    if (i == axis)
      for (std::int64_t length : arrays[0].shape()) p.out.push_back(length);
    (i < axis ? p.outer : i < axis + count ? p.rows : p.inner) *= x[i];
    if (i < axis || i >= axis + count) p.out.push_back(x[i]);
  }
  return p;
}

RowIndex row_index(const Shape& x, int axis, const Tensor* arrays, int count) {
  RowIndex index;
  index.axis = axis;
  index.count = arrays[0].size();
  for (int k = 0; k < count; ++k) {
    index.lengths.push_back(x[axis + k]);
    index.walks.push_back(make_walk(arrays[k]));
  }
  return index;
}

// Copies of the call's inputs: those before `first_index` contiguous where asked, index arrays int64 and of one shape.
bool prepare_indices(const Call& call, int first_index, bool contiguous_x, std::vector<Tensor>& prepared) {
  bool ready = call.n_inputs > first_index;
  for (int i = 0; i < first_index; ++i) ready = ready && (call.in(i).is_contiguous() || (i == 0 && !contiguous_x));
  Shape shape;
  for (int i = first_index; i < call.n_inputs; ++i) {
    check_index_dtype(call.op.name, call.in(i));
    Shape joined;
    if (!broadcast(shape, call.in(i).shape(), joined))
      throw IndexError(message("[", call.op.name, "] shape mismatch: indexing arrays could not be broadcast together: ",
                               to_string(shape), " and ", to_string(call.in(i).shape())));
    shape = joined;
  }
  for (int i = first_index; i < call.n_inputs; ++i)
    ready = ready && call.in(i).dtype() == DType::I64 && call.in(i).shape() == shape;
  if (ready) return false;
  if (call.n_inputs <= first_index) throw ValueError(message("[", call.op.name, "] needs at least one index array"));
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor& x = call.in(i);
    if (i >= first_index) {
      prepared.push_back(fn::broadcast_to(fn::cast(x, DType::I64), shape));
    } else {
      prepared.push_back(x.is_contiguous() || (i == 0 && !contiguous_x) ? x : call_op("copy", {x}));
    }
  }
  return true;
}

// ---- reading: take, index ------------------------------------------------------------------------------------------

struct GatherTask {
  std::int64_t outer, rows, inner_bytes;
  std::int64_t work;
  RowIndex index;
};

void run_gather(const Task& task, void* const* ptr) {
  const auto& t = task.get<GatherTask>();
  const char* x = static_cast<const char*>(ptr[0]);
  char* out = static_cast<char*>(ptr[1 + t.index.walks.size()]);
  const GatherRowsFn gather_rows = kernels().move.gather_rows;
  for_chunks(t.outer * t.index.count, t.work, [&](std::int64_t unit, std::int64_t units) {
    std::int64_t rows[RowIndex::kBlock];
    while (units > 0) {
      const std::int64_t o = unit / t.index.count, first = unit % t.index.count;
      const std::int64_t n = std::min({units, t.index.count - first, RowIndex::kBlock});
      t.index.read(ptr + 1, first, n, rows);
      gather_rows(out + unit * t.inner_bytes, x + o * t.rows * t.inner_bytes, rows, n, t.inner_bytes);
      unit += n;
      units -= n;
    }
  });
}

void lower_gather(const Call& call, int axis, int count, Task& task) {
  const Shape& x = call.in(0).shape();
  const Places p = places_of(x, axis, call.inputs + 1, count);
  auto& t = task.params<GatherTask>();
  t.outer = p.outer;
  t.rows = p.rows;
  t.inner_bytes = p.inner * static_cast<std::int64_t>(itemsize(call.in(0).dtype()));
  t.work = p.inner + 4;
  t.index = row_index(x, axis, call.inputs + 1, count);
  task.run = run_gather;
}

// ---- adding: take_grad, index_grad, index_add
// ------------------------------------------------------------------------

struct ScatterTask {
  void (*add_rows)(void* dst, const void* src, const std::int64_t* index, std::int64_t rows, std::int64_t cols);
  std::int64_t outer, rows, inner;
  std::size_t bytes;
  std::int64_t size;
  bool has_base;  // ptr = {base, values, arrays..., out}; else {values, arrays..., out} onto zeros
  Walk base;
  RowIndex index;
};

void run_scatter(const Task& task, void* const* ptr) {
  const auto& t = task.get<ScatterTask>();
  const std::int64_t bytes = static_cast<std::int64_t>(t.bytes);
  void* const* arrays = ptr + (t.has_base ? 2 : 1);
  const char* values = static_cast<const char*>(ptr[t.has_base ? 1 : 0]);
  char* out = static_cast<char*>(arrays[t.index.walks.size()]);
  for_chunks(t.size, 1, [&](std::int64_t first, std::int64_t n) {
    if (t.has_base) {
      gather(t.base, t.bytes, out + first * bytes, ptr[0], first, n);
    } else {
      std::memset(out + first * bytes, 0, static_cast<std::size_t>(n * bytes));
    }
  });
  // A part takes the additions to its own rows [low, high), in order.
  const std::int64_t work = t.index.count * t.inner;
  const std::int64_t parts = t.inner >= 32 && work > 2 * kSerialWork ? std::min<std::int64_t>(8, t.rows) : 1;
  const std::int64_t part_rows = (t.rows + parts - 1) / parts;
  for_chunks(t.outer * parts, work / parts, [&](std::int64_t unit, std::int64_t units) {
    std::int64_t rows[RowIndex::kBlock];
    for (; units > 0; ++unit, --units) {
      const std::int64_t o = unit / parts, low = unit % parts * part_rows, high = low + part_rows;
      char* to = out + o * t.rows * t.inner * bytes;
      const char* from = values + o * work * bytes;
      for (std::int64_t first = 0; first < t.index.count; first += RowIndex::kBlock) {
        const std::int64_t n = std::min(RowIndex::kBlock, t.index.count - first);
        t.index.read(arrays, first, n, rows);
        for (std::int64_t i = 0, end; i < n; i = end) {
          const bool mine = parts == 1 || (rows[i] >= low && rows[i] < high);
          end = i + 1;
          while (end < n && (parts == 1 || (rows[end] >= low && rows[end] < high)) == mine) ++end;
          if (mine) t.add_rows(to, from + (first + i) * t.inner * bytes, rows + i, end - i, t.inner);
        }
      }
    }
  });
}

void lower_scatter(const Call& call, bool has_base, int axis, int count, Task& task) {
  const Shape& x = call.out().shape();
  const Tensor* arrays = call.inputs + (has_base ? 2 : 1);
  const Places p = places_of(x, axis, arrays, count);
  const DType dtype = call.out().dtype();
  auto& t = task.params<ScatterTask>();
  t.add_rows = kernels().move.scatter_add_rows[index(dtype)];
  t.outer = p.outer;
  t.rows = p.rows;
  t.inner = p.inner;
  t.bytes = itemsize(dtype);
  t.size = call.out().size();
  t.has_base = has_base;
  if (has_base) t.base = make_walk(call.in(0));
  t.index = row_index(x, axis, arrays, count);
  task.run = run_scatter;
}

void check_addable(const char* op, DType dtype) {
  if (is_bool(dtype)) throw DTypeError(message("[", op, "] truth values can't be added; cast to a number type first"));
}

// ---- take ----------------------------------------------------------------------------------------------------------

bool prepare_take(const Call& call, std::vector<Tensor>& prepared) { return prepare_indices(call, 1, true, prepared); }

void infer_take(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const int axis = normalize_axis(call.attrs[0].integer, x.ndim(), "take");
  if (x.length(axis) == 0 && call.in(1).size() > 0)
    throw IndexError("[take] cannot do a non-empty take from an empty axis");
  outputs.push_back({x.dtype(), places_of(x.shape(), axis, &call.in(1), 1).out});
}

void lower_take(const Call& call, Task& task) {
  lower_gather(call, normalize_axis(call.attrs[0].integer, call.in(0).ndim(), "take"), 1, task);
}

void take_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op("take_grad", {g[0], call.in(1)}, {Attr::of(call.in(0).shape()), call.attrs[0]});
}

void infer_grad(const Call& call, std::vector<Output>& outputs) {
  check_addable(call.op.name, call.in(0).dtype());
  outputs.push_back({call.in(0).dtype(), call.attrs[0].shape()});
}

void lower_take_grad(const Call& call, Task& task) {
  lower_scatter(call, false, normalize_axis(call.attrs[1].integer, call.out().ndim(), "take_grad"), 1, task);
}

void take_grad_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op("take", {g[0], call.in(1)}, {call.attrs[1]});
}

// ---- index ---------------------------------------------------------------------------------------------------------

void check_array_count(const char* op, int arrays, const Shape& x) {
  if (arrays > x.ndim)
    throw IndexError(message("[", op, "] too many indices for array: array is ", x.ndim, "-dimensional, but ", arrays,
                             " were indexed"));
}

void infer_index(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  check_array_count("index", call.n_inputs - 1, x.shape());
  outputs.push_back({x.dtype(), places_of(x.shape(), 0, call.inputs + 1, call.n_inputs - 1).out});
}

void lower_index(const Call& call, Task& task) { lower_gather(call, 0, call.n_inputs - 1, task); }

Tensor with_arrays(const char* op, std::vector<Tensor> inputs, const Call& call, int first_array, const Attrs& attrs) {
  inputs.insert(inputs.end(), call.inputs + first_array, call.inputs + call.n_inputs);
  return apply(*find_op(op), inputs.data(), static_cast<int>(inputs.size()), attrs);
}

void index_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = with_arrays("index_grad", {g[0]}, call, 1, {Attr::of(call.in(0).shape())});
}

void lower_index_grad(const Call& call, Task& task) { lower_scatter(call, false, 0, call.n_inputs - 1, task); }

void index_grad_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = with_arrays("index", {g[0]}, call, 1, {});
}

// ---- index_add -----------------------------------------------------------------------------------------------------

// The values in x's dtype and stretched to the shape of x[indices].
bool prepare_index_add(const Call& call, std::vector<Tensor>& prepared) {
  const Call* current = &call;
  std::vector<Tensor> inputs;
  Call changed{call.op, nullptr, call.n_inputs, call.attrs};
  if (prepare_indices(call, 2, false, inputs)) {
    changed.inputs = inputs.data();
    current = &changed;
  }
  const Tensor &x = current->in(0), &values = current->in(1);
  check_array_count("index_add", call.n_inputs - 2, x.shape());
  const Shape wanted = places_of(x.shape(), 0, current->inputs + 2, call.n_inputs - 2).out;
  const bool fits = values.dtype() == x.dtype() && values.shape() == wanted;
  if (fits && inputs.empty()) return false;
  if (inputs.empty()) inputs.assign(call.inputs, call.inputs + call.n_inputs);
  if (!fits) {
    Tensor stretched = fn::broadcast_to(fn::cast(inputs[1], x.dtype()), wanted);
    inputs[1] = stretched.is_contiguous() ? stretched : call_op("copy", {stretched});
  }
  prepared = std::move(inputs);
  return true;
}

void infer_index_add(const Call& call, std::vector<Output>& outputs) {
  check_addable("index_add", call.in(0).dtype());
  outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}

void lower_index_add(const Call& call, Task& task) { lower_scatter(call, true, 0, call.n_inputs - 2, task); }

void index_add_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[0]) grads[0] = g[0];
  if (needs[1]) grads[1] = with_arrays("index", {g[0]}, call, 2, {});
}

// ---- take_along_axis, put_along_axis_add
// -----------------------------------------------------------------------------

struct AlongTask {
  std::int64_t outer, length, inner;
  std::int64_t picks;  // indices along the axis
  int axis;
  std::size_t bytes;
  Walk base;  // put: of x
  std::int64_t place(std::int64_t o, std::int64_t index, std::int64_t j) const {
    return (o * length + checked(index, length, axis)) * inner + j;
  }
};

template <class T>
void run_take_along(const Task& task, void* const* ptr) {
  const auto& t = task.get<AlongTask>();
  const T* x = static_cast<const T*>(ptr[0]);
  const auto* indices = static_cast<const std::int64_t*>(ptr[1]);
  T* out = static_cast<T*>(ptr[2]);
  for_chunks(t.outer * t.picks, 2 * t.inner, [&](std::int64_t unit, std::int64_t units) {
    for (; units > 0; ++unit, --units)
      for (std::int64_t j = 0; j < t.inner; ++j) {
        const std::int64_t at = unit * t.inner + j;
        out[at] = x[t.place(unit / t.picks, indices[at], j)];
      }
  });
}

template <class T>
void run_put_along(const Task& task, void* const* ptr) {
  const auto& t = task.get<AlongTask>();
  const auto* indices = static_cast<const std::int64_t*>(ptr[1]);
  const T* values = static_cast<const T*>(ptr[2]);
  T* out = static_cast<T*>(ptr[3]);
  const std::int64_t line = t.length * t.inner;
  for_chunks(t.outer, line + 2 * t.picks * t.inner, [&](std::int64_t o, std::int64_t count) {
    gather(t.base, sizeof(T), out + o * line, ptr[0], o * line, count * line);
    for (; count > 0; ++o, --count)
      for (std::int64_t pick = 0; pick < t.picks; ++pick)
        for (std::int64_t j = 0; j < t.inner; ++j) {
          const std::int64_t at = (o * t.picks + pick) * t.inner + j;
          T& to = out[t.place(o, indices[at], j)];
          to = static_cast<T>(to + values[at]);
        }
  });
}

int along_axis(const Call& call) {
  const Tensor &x = call.in(0), &indices = call.in(1);
  if (x.ndim() != indices.ndim())
    throw ShapeError(message("[", call.op.name, "] `indices` and `x` must have the same number of dimensions: shapes ",
                             to_string(indices.shape()), " and ", to_string(x.shape())));
  return normalize_axis(call.attrs[0].integer, x.ndim(), call.op.name);
}

// x and the indices broadcast against each other but for the axis; the values to the indices.
bool prepare_along(const Call& call, std::vector<Tensor>& prepared) {
  const int axis = along_axis(call);
  const bool put = call.n_inputs == 3;
  const Tensor &x = call.in(0), &indices = call.in(1);
  check_index_dtype(call.op.name, indices);
  Shape x_shape = x.shape(), index_shape = indices.shape();
  for (int i = 0; i < x.ndim(); ++i) {
    if (i == axis || x_shape[i] == index_shape[i]) continue;
    if (index_shape[i] == 1) {
      index_shape[i] = x_shape[i];
    } else if (x_shape[i] == 1 && !put) {
      x_shape[i] = index_shape[i];
    } else {
      throw IndexError(message("[", call.op.name, "] shape mismatch: indices of shape ", to_string(indices.shape()),
                               " do not fit a tensor of shape ", to_string(x.shape()), " but for axis ", axis));
    }
  }
  const auto fit = [](const Tensor& t, DType dtype, const Shape& shape, bool dense) {
    const Tensor stretched = fn::broadcast_to(fn::cast(t, dtype), shape);
    return !dense || stretched.is_contiguous() ? stretched : call_op("copy", {stretched});
  };
  const bool ready =
      x.shape() == x_shape && (put || x.is_contiguous()) && indices.shape() == index_shape &&
      indices.dtype() == DType::I64 && indices.is_contiguous() &&
      (!put || (call.in(2).shape() == index_shape && call.in(2).dtype() == x.dtype() && call.in(2).is_contiguous()));
  if (ready) return false;
  prepared.push_back(fit(x, x.dtype(), x_shape, !put));
  prepared.push_back(fit(indices, DType::I64, index_shape, true));
  if (put) prepared.push_back(fit(call.in(2), x.dtype(), index_shape, true));
  return true;
}

void infer_take_along(const Call& call, std::vector<Output>& outputs) {
  outputs.push_back({call.in(0).dtype(), call.in(1).shape()});
}
void infer_put_along(const Call& call, std::vector<Output>& outputs) {
  check_addable(call.op.name, call.in(0).dtype());
  outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}

AlongTask& along_task(const Call& call, Task& task) {
  const int axis = along_axis(call);
  const Split split = split_at(call.in(0).shape(), axis);
  auto& t = task.params<AlongTask>();
  t.outer = split.outer;
  t.length = split.length;
  t.inner = split.inner;
  t.picks = call.in(1).length(axis);
  t.axis = axis;
  t.bytes = itemsize(call.in(0).dtype());
  return t;
}

void lower_take_along(const Call& call, Task& task) {
  along_task(call, task);
  dispatch_size(itemsize(call.in(0).dtype()), [&](auto zero) { task.run = run_take_along<decltype(zero)>; });
}

void lower_put_along(const Call& call, Task& task) {
  along_task(call, task).base = make_walk(call.in(0));
  dispatch(call.in(0).dtype(), [&](auto zero) {
    if constexpr (!std::is_same_v<decltype(zero), Truth>) task.run = run_put_along<decltype(zero)>;
  });
}

void take_along_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] =
      call_op("put_along_axis_add", {fn::full(g[0].dtype(), call.in(0).shape(), 0), call.in(1), g[0]}, call.attrs);
}

void put_along_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[0]) grads[0] = g[0];
  if (needs[2]) grads[2] = call_op("take_along_axis", {g[0], call.in(1)}, call.attrs);
}

// ---- one_hot -------------------------------------------------------------------------------------------------------

struct OneHotTask {
  std::int64_t count, depth;
  std::size_t bytes;
  Walk walk;
};

template <class T>
void run_one_hot(const Task& task, void* const* ptr) {
  const auto& t = task.get<OneHotTask>();
  T* out = static_cast<T*>(ptr[1]);
  for_chunks(t.count, t.depth + 4, [&](std::int64_t first, std::int64_t n) {
    std::int64_t block[RowIndex::kBlock];
    for (std::int64_t done = 0; done < n; done += RowIndex::kBlock) {
      const std::int64_t count = std::min(RowIndex::kBlock, n - done);
      const auto* labels = static_cast<const std::int64_t*>(
          read_block(t.walk, sizeof(std::int64_t), block, ptr[0], first + done, count));
      T* rows = out + (first + done) * t.depth;
      std::fill_n(rows, count * t.depth, T{});
      for (std::int64_t i = 0; i < count; ++i)
        if (labels[i] >= 0 && labels[i] < t.depth) rows[i * t.depth + labels[i]] = T{1};
    }
  });
}

bool prepare_one_hot(const Call& call, std::vector<Tensor>& prepared) {
  check_index_dtype("one_hot", call.in(0));
  if (call.in(0).dtype() == DType::I64) return false;
  prepared.push_back(fn::cast(call.in(0), DType::I64));
  return true;
}

void infer_one_hot(const Call& call, std::vector<Output>& outputs) {
  if (call.attrs[0].integer < 0)
    throw ValueError(message("[one_hot] depth must not be negative: ", call.attrs[0].integer));
  Shape shape = call.in(0).shape();
  shape.push_back(call.attrs[0].integer);
  outputs.push_back({call.attrs[1].dtype(), shape});
}

void lower_one_hot(const Call& call, Task& task) {
  auto& t = task.params<OneHotTask>();
  t.count = call.in(0).size();
  t.depth = call.attrs[0].integer;
  t.walk = make_walk(call.in(0));
  dispatch(call.out().dtype(), [&](auto zero) { task.run = run_one_hot<decltype(zero)>; });
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  const AttrParam axis = attr_with_default("axis", AttrKind::integer, Attr::of(0));

  Op take;
  take.name = "take";
  take.doc = "Slices of x along an axis at integer indices of any shape; negative ones count from the end.";
  take.tensors = {{"x"}, {"indices"}};
  take.attrs = {axis};
  take.prepare = prepare_take;
  take.infer = infer_take;
  take.lower = lower_take;
  take.vjp = take_vjp;
  take.saves_inputs = 2;
  take.takes_half = true;
  register_op(take);

  Op take_grad;
  take_grad.name = "take_grad";
  take_grad.doc = "Zeros of a shape, slices of g added at the indices along an axis: the gradient of take.";
  take_grad.tensors = {{"g"}, {"indices"}};
  take_grad.attrs = {required_attr("shape", AttrKind::integers), axis};
  take_grad.prepare = prepare_take;
  take_grad.infer = infer_grad;
  take_grad.lower = lower_take_grad;
  take_grad.vjp = take_grad_vjp;
  take_grad.saves_inputs = 2;
  register_op(take_grad);

  Op at;
  at.name = "index";
  at.doc = "x[indices]: integer arrays for the leading axes, broadcast together; negative ones count from the end.";
  at.tensors = {{"x"}, {"indices", TensorParam::list}};
  at.prepare = prepare_take;
  at.infer = infer_index;
  at.lower = lower_index;
  at.vjp = index_vjp;
  at.saves_inputs = ~1u;
  at.takes_half = true;
  register_op(at);

  Op index_grad;
  index_grad.name = "index_grad";
  index_grad.doc = "Zeros of a shape, g added at x[indices]: the gradient of index.";
  index_grad.tensors = {{"g"}, {"indices", TensorParam::list}};
  index_grad.attrs = {required_attr("shape", AttrKind::integers)};
  index_grad.prepare = prepare_take;
  index_grad.infer = infer_grad;
  index_grad.lower = lower_index_grad;
  index_grad.vjp = index_grad_vjp;
  index_grad.saves_inputs = ~1u;
  register_op(index_grad);

  Op index_add;
  index_add.name = "index_add";
  index_add.doc = "A copy of x with the values added at x[indices], repeated indices in order.";
  index_add.tensors = {{"x"}, {"values"}, {"indices", TensorParam::list}};
  index_add.prepare = prepare_index_add;
  index_add.infer = infer_index_add;
  index_add.lower = lower_index_add;
  index_add.vjp = index_add_vjp;
  index_add.saves_inputs = ~3u;
  register_op(index_add);

  Op take_along;
  take_along.name = "take_along_axis";
  take_along.doc = "Elements of x at indices along an axis; the other axes match or are broadcast.";
  take_along.tensors = {{"x"}, {"indices"}};
  take_along.attrs = {required_attr("axis", AttrKind::integer)};
  take_along.prepare = prepare_along;
  take_along.infer = infer_take_along;
  take_along.lower = lower_take_along;
  take_along.vjp = take_along_vjp;
  take_along.saves_inputs = 2;
  take_along.takes_half = true;
  register_op(take_along);

  Op put_along = take_along;
  put_along.name = "put_along_axis_add";
  put_along.doc = "A copy of x with the values added at indices along an axis, repeated indices in order.";
  put_along.tensors = {{"x"}, {"indices"}, {"values"}};
  put_along.infer = infer_put_along;
  put_along.lower = lower_put_along;
  put_along.vjp = put_along_vjp;
  put_along.takes_half = false;
  register_op(put_along);

  Op one_hot;
  one_hot.name = "one_hot";
  one_hot.doc = "1 at the index along a new last axis of length `depth`, 0 elsewhere; all 0 for an index outside it.";
  one_hot.tensors = {{"indices"}};
  one_hot.attrs = {required_attr("depth", AttrKind::integer),
                   attr_with_default("dtype", AttrKind::dtype, Attr::of(DType::F32))};
  one_hot.prepare = prepare_one_hot;
  one_hot.infer = infer_one_hot;
  one_hot.lower = lower_one_hot;
  register_op(one_hot);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
