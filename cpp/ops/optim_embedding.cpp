// The update of an embedding's table by the gradients of the rows that were looked up: the gradient of the table, zero
// but for those rows, exists a block at a time, in cache. Programs make these of embedding_grad and an update
// (graph/rewrite.cpp).
// Invariant: the bits are those of embedding_grad followed by the update: the gradients of a row are added up in the
// order of its numbers, and rows without any are updated by zero.
#include <cstring>

#include "ops/embedding.h"
#include "ops/optim.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr std::int64_t kBlockElements = 2048, kChunkBlocks = 8;

struct EmbeddingUpdateTask {
  JoinedRule joined;
  RowNumbers numbers;
  void (*add_rows)(void* dst, const void* src, const std::int64_t* index, std::int64_t rows, std::int64_t cols);
  std::int64_t columns, count, bytes;
};

void run_embedding_update(const Task& task, void* const* ptr) {
  const auto& t = task.get<EmbeddingUpdateTask>();
  const std::int64_t rows = t.numbers.rows, row_bytes = t.columns * t.bytes;
  if (rows == 0 || t.columns == 0) return;
  // The places where each row was looked up, in order: those of row r are places[begin[r]] .. places[begin[r + 1]].
  std::vector<std::int64_t> row_of(static_cast<std::size_t>(t.count)), places(row_of.size());
  std::vector<std::int64_t> begin(static_cast<std::size_t>(rows) + 2);
  t.numbers.read(t.numbers, ptr[1], 0, t.count, row_of.data());
  for (const std::int64_t row : row_of) ++begin[static_cast<std::size_t>(row) + 2];
  for (std::size_t r = 2; r < begin.size(); ++r) begin[r] += begin[r - 1];
  for (std::size_t i = 0; i < row_of.size(); ++i)
    places[static_cast<std::size_t>(begin[static_cast<std::size_t>(row_of[i]) + 1]++)] = static_cast<std::int64_t>(i);

  const WeightUpdate table(t.joined, ptr);
  const auto* g = static_cast<const char*>(ptr[0]);
  Tensor apart;
  if (const std::int64_t bytes = t.count * row_bytes; table.changes(g, g + bytes)) {
    apart = Tensor::empty(DType::U8, {bytes});
    std::memcpy(apart.data(), g, static_cast<std::size_t>(bytes));
    g = static_cast<const char*>(apart.data());
  }
  const std::int64_t block = std::max<std::int64_t>(1, kBlockElements / t.columns), share = kChunkBlocks * block;
  const auto run_chunk = [&](std::int64_t chunk) {
    void* const sums = thread_scratch(0, static_cast<std::size_t>(block * row_bytes));
    for (std::int64_t first = chunk * share; first < std::min(rows, (chunk + 1) * share); first += block) {
      const std::int64_t n = std::min({block, rows - first, (chunk + 1) * share - first});
      std::memset(sums, 0, static_cast<std::size_t>(n * row_bytes));
      for (std::int64_t row = 0; row < n; ++row) {
        const auto r = static_cast<std::size_t>(first + row);
        for (std::int64_t i = begin[r]; i < begin[r + 1]; ++i)
          t.add_rows(sums, g + places[static_cast<std::size_t>(i)] * row_bytes, &row, 1, t.columns);
      }
      table.run(first * t.columns, sums, n * t.columns);
    }
  };
  const std::int64_t chunks = (rows + share - 1) / share;
  if (rows * t.columns <= kSerialWork) {
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) run_chunk(chunk);
  } else {
    parallel_for(chunks, run_chunk);
  }
}

// The two that make the gradient contiguous; the others are changed in place.
bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  if (!contiguous_inputs({call.op, call.inputs, std::min(call.n_inputs, kFirstNumber), call.attrs}, prepared))
    return false;
  prepared.insert(prepared.end(), call.inputs + kFirstNumber, call.inputs + call.n_inputs);
  return true;
}

template <Rule rule>
void infer(const Call& call, std::vector<Output>&) {
  const Tensor& g = call.in(0);
  const int first = first_tensor(rule);
  Shape wanted = call.in(1).shape();
  if (is_bool(call.in(1).dtype())) throw DTypeError(message("[", call.op.name, "] indices must be integers, got bool"));
  const std::int64_t rows = call.n_inputs > first && call.in(first).ndim() == 2 ? call.in(first).length(0) : 0;
  const std::int64_t columns = g.ndim() ? g.length(g.ndim() - 1) : 0;
  if (wanted.ndim < kMaxDims) wanted.push_back(columns);
  if (g.shape() != wanted)
    throw ShapeError(message("[", call.op.name, "] g must have the shape of the indices, ",
                             to_string(call.in(1).shape()), ", and an axis of columns, got ", to_string(g.shape())));
  check_joined(call, rule, Shape{rows, columns});
}

template <Rule rule>
void lower(const Call& call, Task& task) {
  const Tensor& table = call.in(first_tensor(rule));
  auto& t = task.params<EmbeddingUpdateTask>();
  t.joined = make_joined(rule, call);
  t.numbers = row_numbers(call.in(1).dtype(), table.length(0), call.attrs.back().text);
  t.add_rows = kernels().move.scatter_add_rows[index(table.dtype())];
  t.columns = table.length(1);
  t.count = call.in(1).size();
  t.bytes = static_cast<std::int64_t>(itemsize(table.dtype()));
  task.run = run_embedding_update;
}

template <Rule rule>
void register_one(const char* name, const char* doc) {
  Op op = joined_op(name, doc, "g", "indices", rule);
  op.attrs.push_back(attr_with_default("layer", AttrKind::text, Attr::of(std::string())));
  op.prepare = prepare;
  op.infer = infer<rule>;
  op.lower = lower<rule>;
  register_op(op);
}

bool register_all() {
  register_one<Rule::sgd>("embedding_sgd_update",
                          "sgd_update of a table with the gradient embedding_grad(g, indices). "
                          "tensors: table [, velocity].");
  register_one<Rule::adam>("embedding_adam_update",
                           "adam_update of a table with the gradient embedding_grad(g, indices). "
                           "tensors: table, first moment, second moment [, greatest second moment].");
  register_one<Rule::rmsprop>("embedding_rmsprop_update",
                              "rmsprop_update of a table with the gradient embedding_grad(g, indices). "
                              "tensors: table, mean square [, mean if centered] [, velocity if momentum > 0].");
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
