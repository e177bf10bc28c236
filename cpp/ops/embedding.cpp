// Rows of a table chosen by number, and the gradient, which adds to the chosen rows alone.
// Invariants: numbers of any type are read where they are (floats are truncated, as a cast to integers does); a
// negative number counts from the end; one outside the table is an IndexError that names the layer. Additions to one
// row happen in the order of the numbers, whatever the number of threads.
#include "ops/embedding.h"

#include <cstring>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr std::int64_t kBlock = 1024;  // numbers read at a time

struct EmbeddingTask {
  RowNumbers numbers;
  void (*add_rows)(void* dst, const void* src, const std::int64_t* index, std::int64_t rows, std::int64_t cols);
  std::int64_t columns, count, bytes;
};

[[noreturn]] void refuse(const RowNumbers& t, const std::string& value) {
  throw IndexError(message("[embedding] ", t.layer.empty() ? "" : "layer '" + t.layer + "': ", "index ", value,
                           " is outside the table's range [0, ", t.rows,
                           "): give the table more rows (input_dim of the layer) or map unknown indices to one of its "
                           "own"));
}

template <class T>
void read_numbers(const RowNumbers& t, const void* numbers, std::int64_t first, std::int64_t n, std::int64_t* out) {
  const T* from = static_cast<const T*>(numbers) + first;
  for (std::int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      // Also false for NaN. -0.5 is truncated to 0.
      if (!(from[i] > static_cast<T>(-t.rows - 1) && from[i] < static_cast<T>(t.rows))) refuse(t, message(from[i]));
    } else if constexpr (std::is_unsigned_v<T>) {
      if (static_cast<std::uint64_t>(from[i]) >= static_cast<std::uint64_t>(t.rows)) refuse(t, message(+from[i]));
    } else {
      if (from[i] < -t.rows || from[i] >= t.rows) refuse(t, message(+from[i]));
    }
    const auto row = static_cast<std::int64_t>(from[i]);
    out[i] = row < 0 ? row + t.rows : row;
  }
}

void run_gather(const Task& task, void* const* ptr) {
  const auto& t = task.get<EmbeddingTask>();
  const std::int64_t row_bytes = t.columns * t.bytes;
  for_chunks(t.count, t.columns + 4, [&](std::int64_t first, std::int64_t n) {
    std::int64_t rows[kBlock];
    for (const std::int64_t end = first + n; first < end; first += kBlock) {
      const std::int64_t some = std::min(kBlock, end - first);
      t.numbers.read(t.numbers, ptr[1], first, some, rows);
      kernels().move.gather_rows(static_cast<char*>(ptr[2]) + first * row_bytes, ptr[0], rows, some, row_bytes);
    }
  });
}

void run_scatter(const Task& task, void* const* ptr) {
  const auto& t = task.get<EmbeddingTask>();
  const std::int64_t row_bytes = t.columns * t.bytes, work = t.numbers.rows + t.count;
  const char* g = static_cast<const char*>(ptr[0]);
  char* out = static_cast<char*>(ptr[2]);
  // A part clears its own rows [low, high) and takes the additions to them, in order.
  const std::int64_t parts = work * t.columns > 2 * kSerialWork ? std::clamp<std::int64_t>(t.numbers.rows, 1, 4) : 1;
  const std::int64_t part_rows = (t.numbers.rows + parts - 1) / parts;
  for_chunks(parts, std::max<std::int64_t>(1, work * t.columns / parts), [&](std::int64_t part, std::int64_t n) {
    std::int64_t rows[kBlock];
    for (; n > 0; ++part, --n) {
      const std::int64_t low = std::min(t.numbers.rows, part * part_rows),
                         high = std::min(t.numbers.rows, low + part_rows);
      std::memset(out + low * row_bytes, 0, static_cast<std::size_t>((high - low) * row_bytes));
      for (std::int64_t first = 0; first < t.count; first += kBlock) {
        const std::int64_t some = std::min(kBlock, t.count - first);
        t.numbers.read(t.numbers, ptr[1], first, some, rows);
        for (std::int64_t i = 0, end; i < some; i = end) {
          const bool mine = rows[i] >= low && rows[i] < high;
          end = i + 1;
          while (end < some && (rows[end] >= low && rows[end] < high) == mine) ++end;
          if (mine) t.add_rows(out, g + (first + i) * row_bytes, rows + i, end - i, t.columns);
        }
      }
    }
  });
}

void check_numbers(const Call& call) {
  if (is_bool(call.in(1).dtype())) throw DTypeError(message("[", call.op.name, "] indices must be integers, got bool"));
}

void infer_gather(const Call& call, std::vector<Output>& outputs) {
  const Tensor& table = call.in(0);
  check_numbers(call);
  if (table.ndim() != 2)
    throw ShapeError(
        message("[embedding] the table must have 2 axes (rows, columns), got shape ", to_string(table.shape())));
  Shape shape = call.in(1).shape();
  if (shape.ndim == kMaxDims)
    throw ShapeError(
        message("[embedding] indices may have at most ", kMaxDims - 1, " axes, got shape ", to_string(shape)));
  shape.push_back(table.length(1));
  outputs.push_back({table.dtype(), shape});
}

void infer_scatter(const Call& call, std::vector<Output>& outputs) {
  const Tensor& g = call.in(0);
  check_numbers(call);
  Shape wanted = call.in(1).shape();
  const std::int64_t rows = call.attrs[0].integer;
  if (g.ndim() != wanted.ndim + 1 || rows < 0 || is_bool(g.dtype()))
    throw ShapeError(message("[embedding_grad] g of shape ", to_string(g.shape()), " (", name(g.dtype()),
                             ") does not fit indices of shape ", to_string(wanted), " and ", rows, " rows"));
  const std::int64_t columns = g.length(g.ndim() - 1);
  wanted.push_back(columns);
  if (g.shape() != wanted)
    throw ShapeError(message("[embedding_grad] g must have shape ", to_string(wanted), ", got ", to_string(g.shape())));
  outputs.push_back({g.dtype(), {rows, columns}});
}

template <bool gradient>
void lower(const Call& call, Task& task) {
  const Tensor& table = gradient ? call.out() : call.in(0);
  auto& t = task.params<EmbeddingTask>();
  t.numbers = row_numbers(call.in(1).dtype(), table.length(0), call.attrs.back().text);
  t.add_rows = kernels().move.scatter_add_rows[index(table.dtype())];
  t.columns = table.length(1);
  t.count = call.in(1).size();
  t.bytes = static_cast<std::int64_t>(itemsize(table.dtype()));
  task.run = gradient ? run_scatter : run_gather;
}

void gather_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[0])
    grads[0] = call_op("embedding_grad", {g[0], call.in(1)}, {Attr::of(call.in(0).length(0)), call.attrs[0]});
}

void scatter_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[0]) grads[0] = call_op("embedding", {g[0], call.in(1)}, {call.attrs[1]});
}

bool register_all() {
  Op embedding;
  embedding.name = "embedding";
  embedding.doc = "Row indices[...] of a table (rows, columns); `layer` is named in the error for an index outside it.";
  embedding.tensors = {{"table"}, {"indices"}};
  embedding.attrs = {attr_with_default("layer", AttrKind::text, Attr::of(std::string()))};
  embedding.prepare = contiguous_inputs;
  embedding.infer = infer_gather;
  embedding.lower = lower<false>;
  embedding.vjp = gather_vjp;
  embedding.saves_inputs = 2;
  register_op(embedding);

  Op grad;
  grad.name = "embedding_grad";
  grad.doc = "The gradient of embedding by its table: zeros (rows, columns), row indices[...] += g[...].";
  grad.tensors = {{"g"}, {"indices"}};
  grad.attrs = {required_attr("rows", AttrKind::integer),
                attr_with_default("layer", AttrKind::text, Attr::of(std::string()))};
  grad.prepare = contiguous_inputs;
  grad.infer = infer_scatter;
  grad.lower = lower<true>;
  grad.vjp = scatter_vjp;
  grad.saves_inputs = 2;
  register_op(grad);
  return true;
}

const bool registered = register_all();

}  // namespace

RowNumbers row_numbers(DType dtype, std::int64_t rows, const std::string& layer) {
  RowNumbers numbers{rows, layer, nullptr};
  dispatch(dtype, [&](auto zero) { numbers.read = read_numbers<decltype(zero)>; });
  return numbers;
}

}  // namespace chainrule
