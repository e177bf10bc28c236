// Scaled dot-product attention: softmax(q k^T scale + bias, masked) v, by tiles of query rows.
// Invariants: query (B, T, H, D), key (B, S, G, D), value (B, S, G, E) in any layout, H a multiple of G: query head h
// attends to key head h / (H / G). A tile holds the scores of at most kMostRows queries with all keys, in scratch
// memory; no (T, S) matrix is kept: the gradient makes the weights again, by the same kernel and so with the same bits.
// Forward, a chunk is a tile; backward, it is a key head of a sample with all its tiles in order, so sums over queries
// have one order.
#include <cstring>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/gemm.h"
#include "tensor/iterate.h"

namespace chainrule {
namespace {

constexpr int kScoresSlot = 2, kGradSlot = 3;    // scratch of the thread of a chunk; products use 0 and 1
constexpr std::int64_t kMostRows = 128;          // of a tile
constexpr std::int64_t kTileElements = 1 << 17;  // that stay in the second-level cache
constexpr std::int64_t kFewestRows = 32;         // below that, products would spend their time reading the keys
constexpr std::int64_t kRuns = 32;               // of neighbouring chunks, at least; more threads have 4 each

enum Input { kQuery, kKey, kValue, kMask, kBias, kDropout, kInputs };

// The lengths, and where an element lies: offsets[i] + index * strides.
struct Sizes {
  std::int64_t batch, queries, keys, heads, groups, depth, width;
  std::int64_t share() const { return heads / groups; }
};

struct Layout {
  std::int64_t batch, step, head, column;  // strides in elements
};
Layout layout_of(const Tensor& x) { return {x.strides()[0], x.strides()[1], x.strides()[2], x.strides()[3]}; }
Layout packed(std::int64_t steps, std::int64_t heads, std::int64_t columns) {
  return {steps * heads * columns, heads * columns, columns, 1};
}

struct Tile {
  std::int64_t first, rows, keys;
  GemmPlan scores;      // (rows, D) (D, keys)
  GemmPlan result;      // (rows, keys) (keys, E)
  GemmPlan weights_g;   // (rows, E) (E, keys)
  GemmPlan query_g;     // (rows, keys) (keys, D)
  GemmPlan key_g[2];    // (keys, rows) (rows, D); [1]: added to what is there
  GemmPlan value_g[2];  // (keys, rows) (rows, E)
};

struct AttentionTask {
  Sizes size;
  DType dtype;
  std::int64_t bytes, row_step;
  Layout query, key, value, out, g;
  Strides mask, bias;  // over (B, H, T, S)
  bool has_mask, has_bias, has_dropout, bias_grad;
  bool uniform;  // a query that sees no key has equal weights for all, not none
  double scale, rate;
  std::int64_t first_limit;  // of query 0; negative: not causal
  std::int64_t key_step;     // of the dropout key
  std::vector<Tile> tiles;

  char* at(void* data, const Layout& l, std::int64_t b, std::int64_t i, std::int64_t head) const {
    return static_cast<char*>(data) + (b * l.batch + i * l.step + head * l.head) * bytes;
  }
};

// ---- what a call looks like ----------------------------------------------------------------------------------------

Sizes sizes_of(const Call& call) {
  const Tensor &q = call.in(kQuery), &k = call.in(kKey), &v = call.in(kValue);
  const auto refuse = [&](const char* what) {
    throw ShapeError(
        message("[", call.op.name, "] ", what, ": query ", to_string(q.shape()), ", key ", to_string(k.shape()),
                ", value ", v ? to_string(v.shape()) : "-",
                "; expected (batch, queries, heads, depth), (batch, keys, key heads, depth), (batch, keys, "
                "key heads, width), heads a multiple of key heads"));
  };
  if (q.ndim() != 4 || k.ndim() != 4 || (v && v.ndim() != 4)) refuse("query, key and value need 4 axes");
  const Sizes s{q.length(0), q.length(1), k.length(1), q.length(2), k.length(2), q.length(3), v ? v.length(3) : 0};
  if (k.length(0) != s.batch || k.length(3) != s.depth || s.groups == 0 || s.heads % s.groups)
    refuse("shapes don't fit");
  if (v && (v.length(0) != s.batch || v.length(1) != s.keys || v.length(2) != s.groups)) refuse("shapes don't fit");
  if (s.keys == 0 && s.queries > 0) refuse("there are no keys to attend to");
  return s;
}

void check_extras(const Call& call, const Sizes& s, int mask, int bias, int dropout) {
  const Shape scores{s.batch, s.heads, s.queries, s.keys};
  for (int i : {mask, bias}) {
    if (!call.has(i)) continue;
    Shape joined;
    const bool fits = call.in(i).ndim() <= 4 && broadcast(call.in(i).shape(), scores, joined) && joined == scores;
    if (!fits)
      throw ShapeError(message("[", call.op.name, "] ", i == mask ? "mask" : "bias", " of shape ",
                               to_string(call.in(i).shape()),
                               " can't be broadcast to (batch, heads, queries, keys) = ", to_string(scores)));
  }
  if (call.has(mask) && call.in(mask).dtype() != DType::Bool)
    throw DTypeError(message("[", call.op.name, "] mask must be bool (true: may be seen), got ",
                             name(call.in(mask).dtype()), "; pass numbers to be added as bias"));
  if (dropout >= 0 && call.has(dropout)) {
    const Tensor& key = call.in(dropout);
    if (key.dtype() != DType::U64 || key.shape() != Shape{2})
      throw ValueError(message("[", call.op.name,
                               "] the dropout key must be uint64 of shape (2,): (seed, counter); got ",
                               name(key.dtype()), " of shape ", to_string(key.shape())));
    if (!(call.attrs[4].real >= 0 && call.attrs[4].real < 1))
      throw ValueError(message("[", call.op.name, "] rate must lie in [0, 1), got ", call.attrs[4].real));
  }
  if (call.attrs[2].integer < 0)
    throw ValueError(message("[", call.op.name, "] offset must not be negative, got ", call.attrs[2].integer));
}

// Floats of one type; the layout is free.
template <int floats>
bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  DType dtype = to_float(call.in(0).dtype());
  const auto is_value = [&](int i) { return i < floats || (call.n_inputs > floats + 1 && i == floats + 1); };
  for (int i = 0; i < call.n_inputs; ++i)
    if (call.has(i) && is_value(i)) dtype = promote(dtype, to_float(call.in(i).dtype()));
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i)
    ready = ready && (!call.has(i) || !is_value(i) || call.in(i).dtype() == dtype);
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i)
    prepared.push_back(call.has(i) && is_value(i) ? fn::cast(call.in(i), dtype) : call.has(i) ? call.in(i) : Tensor());
  return true;
}

// ---- tiles ---------------------------------------------------------------------------------------------------------

GemmPlan plan(const AttentionTask& t, std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t a_row,
              std::int64_t a_col, std::int64_t b_row, std::int64_t b_col, std::int64_t c_row, bool accumulate = false) {
  Gemm shape{t.dtype, m, n, k, a_row, a_col, b_row, b_col, c_row};
  shape.accumulate = accumulate;
  return plan_gemm(shape);
}

void make_tiles(AttentionTask& t, bool gradient) {
  const Sizes& s = t.size;
  std::int64_t rows = std::min(kMostRows, std::max(kFewestRows, kTileElements / std::max<std::int64_t>(1, s.keys)));
  const std::int64_t count = (s.queries + rows - 1) / rows;
  if (count > 0) rows = (s.queries + count - 1) / count;
  for (std::int64_t first = 0; first < s.queries; first += rows) {
    Tile tile{};
    tile.first = first;
    tile.rows = std::min(rows, s.queries - first);
    tile.keys = s.keys;
    if (t.first_limit >= 0 && !t.uniform) tile.keys = std::min(s.keys, t.first_limit + first + tile.rows - 1);
    const std::int64_t m = tile.rows, n = tile.keys, step = t.row_step;
    tile.scores = plan(t, m, n, s.depth, t.query.step, t.query.column, t.key.column, t.key.step, step);
    tile.result = plan(t, m, s.width, n, step, 1, t.value.step, t.value.column, t.out.step);
    if (gradient) {
      const Layout dk = packed(s.keys, s.groups, s.depth), dv = packed(s.keys, s.groups, s.width);
      tile.weights_g = plan(t, m, n, s.width, t.g.step, t.g.column, t.value.column, t.value.step, step);
      tile.query_g = plan(t, m, s.depth, n, step, 1, t.key.step, t.key.column, s.heads * s.depth);
      for (int added = 0; added < 2; ++added) {
        tile.key_g[added] = plan(t, n, s.depth, m, 1, step, t.query.step, t.query.column, dk.step, added);
        tile.value_g[added] = plan(t, n, s.width, m, 1, step, t.g.step, t.g.column, dv.step, added);
      }
    }
    t.tiles.push_back(std::move(tile));
  }
}

// first: position of the query among the inputs; attrs: scale, causal, offset, rate.
AttentionTask& attention_task(const Call& call, const Sizes& s, int first, Task& task) {
  auto& t = task.params<AttentionTask>();
  const auto in = [&](int i) -> const Tensor& { return call.in(first + i); };
  t.size = s;
  t.dtype = in(kQuery).dtype();
  t.bytes = static_cast<std::int64_t>(itemsize(t.dtype));
  t.row_step = (s.keys + kAttentionPadding - 1) / kAttentionPadding * kAttentionPadding;
  t.query = layout_of(in(kQuery));
  t.key = layout_of(in(kKey));
  t.out = packed(s.queries, s.heads, s.width);
  t.scale = call.attrs[0].real;
  t.first_limit = call.attrs[1].truth() ? call.attrs[2].integer + 1 : -1;
  return t;
}

void set_extras(AttentionTask& t, const Call& call, int mask, int bias) {
  const Shape scores{t.size.batch, t.size.heads, t.size.queries, t.size.keys};
  t.has_mask = call.has(mask);
  t.has_bias = call.has(bias);
  t.uniform = t.has_mask && call.attrs[3].truth();
  if (t.has_mask) t.mask = broadcast_strides(call.in(mask).shape(), call.in(mask).strides(), scores);
  if (t.has_bias) t.bias = broadcast_strides(call.in(bias).shape(), call.in(bias).strides(), scores);
}

AttentionRows rows_of(const AttentionTask& t, const Tile& tile, std::int64_t b, std::int64_t h, const void* mask,
                      const void* bias) {
  AttentionRows rows{tile.rows, tile.keys, t.row_step, t.scale, t.first_limit, nullptr, 0, 0, nullptr, 0, 0};
  if (t.first_limit >= 0) rows.first_limit = t.first_limit + tile.first;
  const auto place = [&](const Strides& s) { return b * s[0] + h * s[1] + tile.first * s[2]; };
  if (t.has_mask) {
    rows.mask = static_cast<const std::uint8_t*>(mask) + place(t.mask);
    rows.mask_row = t.mask[2];
    rows.mask_col = t.mask[3];
  }
  if (t.has_bias) {
    rows.bias = static_cast<const char*>(bias) + place(t.bias) * t.bytes;
    rows.bias_row = t.bias[2];
    rows.bias_col = t.bias[3];
  }
  return rows;
}

// Rows of queries that see no key become `value`.
template <class T>
void fill_blind(const AttentionRows& rows, T* data, std::int64_t step, T value) {
  for (std::int64_t i = 0; i < rows.rows; ++i) {
    const std::int64_t limit = rows.first_limit < 0 ? rows.cols : std::min(rows.cols, rows.first_limit + i);
    bool sees = false;
    for (std::int64_t j = 0; j < limit && !sees; ++j) sees = rows.mask[i * rows.mask_row + j * rows.mask_col];
    if (!sees) std::fill_n(data + i * step, rows.cols, value);
  }
}
void fill_blind(const AttentionTask& t, const AttentionRows& rows, void* data, std::int64_t step, double value) {
  if (!t.uniform) return;
  if (t.dtype == DType::F64) {
    fill_blind(rows, static_cast<double*>(data), step, value);
  } else {
    fill_blind(rows, static_cast<float*>(data), step, static_cast<float>(value));
  }
}

// The weights of a tile's queries, from the scores and in their place.
void make_weights(const AttentionTask& t, const AttentionRows& rows, void* scores) {
  kernels().attention.weights[float_index(t.dtype)](scores, rows);
  fill_blind(t, rows, scores, t.row_step, 1.0 / static_cast<double>(t.size.keys));
}

// In place, with the decisions of element (b, h, query, key) of the whole (B, H, T, S).
void drop(const AttentionTask& t, const Tile& tile, std::int64_t b, std::int64_t h, const void* key_data, void* out,
          const void* in) {
  const auto* key = static_cast<const std::uint64_t*>(key_data);
  for (std::int64_t i = 0; i < tile.rows; ++i) {
    const std::int64_t first = ((b * t.size.heads + h) * t.size.queries + tile.first + i) * t.size.keys;
    const std::int64_t at = i * t.row_step * t.bytes;
    kernels().random.dropout[float_index(t.dtype)](static_cast<char*>(out) + at, static_cast<const char*>(in) + at,
                                                   t.rate, 1 / (1 - t.rate), key[0], key[t.key_step], first, tile.keys);
  }
}

std::size_t tile_bytes(const AttentionTask& t) {
  std::int64_t rows = 0;
  for (const Tile& tile : t.tiles) rows = std::max(rows, tile.rows);
  return static_cast<std::size_t>(rows * t.row_step * t.bytes);
}

// Neighbours run on one thread, as far as there is enough to share out: heads of a sample lie side by side, and what
// the processor fetches ahead for one is of use to the next.
template <class Body>
void run_chunks(std::int64_t chunks, std::int64_t work, Body&& body) {
  const std::int64_t runs =
      chunks * work <= kSerialWork ? 1 : std::min(chunks, std::max<std::int64_t>(kRuns, 4 * num_threads()));
  const auto run = [&](std::int64_t i) {
    for (std::int64_t c = chunks * i / runs; c < chunks * (i + 1) / runs; ++c) body(c);
  };
  if (runs == 1) {
    run(0);
  } else {
    parallel_for(runs, run);
  }
}

// ---- attention -----------------------------------------------------------------------------------------------------

void infer_attention(const Call& call, std::vector<Output>& outputs) {
  const Sizes s = sizes_of(call);
  check_extras(call, s, kMask, kBias, kDropout);
  outputs.push_back({call.in(kQuery).dtype(), {s.batch, s.queries, s.heads, s.width}});
}

void run_attention(const Task& task, void* const* ptr) {
  const auto& t = task.get<AttentionTask>();
  const Sizes& s = t.size;
  const std::int64_t tiles = static_cast<std::int64_t>(t.tiles.size());
  const std::size_t bytes = tile_bytes(t);
  run_chunks(s.batch * s.heads * tiles, s.keys * (s.depth + s.width), [&](std::int64_t chunk) {
    const Tile& tile = t.tiles[static_cast<std::size_t>(chunk % tiles)];
    const std::int64_t h = chunk / tiles % s.heads, b = chunk / tiles / s.heads, group = h / s.share();
    void* scores = thread_scratch(kScoresSlot, bytes);
    run_gemm(tile.scores, t.at(ptr[kQuery], t.query, b, tile.first, h), t.at(ptr[kKey], t.key, b, 0, group), scores,
             nullptr);
    make_weights(t, rows_of(t, tile, b, h, ptr[kMask], ptr[kBias]), scores);
    if (t.has_dropout) drop(t, tile, b, h, ptr[kDropout], scores, scores);
    run_gemm(tile.result, scores, t.at(ptr[kValue], t.value, b, 0, group), t.at(ptr[kInputs], t.out, b, tile.first, h),
             nullptr);
  });
}

void run_nothing(const Task&, void* const*) {}

void lower_attention(const Call& call, Task& task) {
  const Sizes s = sizes_of(call);
  if (call.out().size() == 0) {
    task.run = run_nothing;
    return;
  }
  auto& t = attention_task(call, s, 0, task);
  set_extras(t, call, kMask, kBias);
  t.value = layout_of(call.in(kValue));
  t.rate = call.attrs[4].real;
  t.has_dropout = call.has(kDropout) && t.rate > 0;
  t.key_step = call.has(kDropout) ? call.in(kDropout).strides()[0] : 0;
  make_tiles(t, false);
  task.run = run_attention;
}

void attention_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  Tensor inputs[kInputs + 1] = {g[0]};
  for (int i = 0; i < kInputs; ++i) inputs[i + 1] = call.has(i) ? call.in(i) : Tensor();
  Attrs attrs = call.attrs;
  attrs.push_back(Attr::of(needs[kBias]));
  const std::vector<Tensor> all = apply_all(*find_op("attention_grad"), inputs, kInputs + 1, attrs);
  for (int i = 0; i < 3; ++i)
    if (needs[i]) grads[i] = all[static_cast<std::size_t>(i)];
  if (needs[kBias]) grads[kBias] = fn::sum_to(all[3], call.in(kBias).shape());
}

// ---- its gradient: inputs g, then those of attention ---------------------------------------------------------------

// The call as attention sees it.
Call without_g(const Call& call) { return {call.op, call.inputs + 1, call.n_inputs - 1, call.attrs}; }

void infer_gradient(const Call& call, std::vector<Output>& outputs) {
  const Call inner = without_g(call);
  const Sizes s = sizes_of(inner);
  check_extras(inner, s, kMask, kBias, kDropout);
  const Shape wanted{s.batch, s.queries, s.heads, s.width};
  if (call.in(0).shape() != wanted)
    throw ShapeError(
        message("[attention_grad] g must have shape ", to_string(wanted), ", got ", to_string(call.in(0).shape())));
  for (int i = kQuery; i <= kValue; ++i) outputs.push_back({call.in(0).dtype(), inner.in(i).shape()});
  if (call.attrs[5].truth()) outputs.push_back({call.in(0).dtype(), {s.batch, s.heads, s.queries, s.keys}});
}

void clear_rows(char* data, std::int64_t rows, std::int64_t step, std::int64_t count) {
  for (std::int64_t i = 0; i < rows; ++i) std::memset(data + i * step, 0, static_cast<std::size_t>(count));
}

void run_gradient(const Task& task, void* const* ptr) {
  const auto& t = task.get<AttentionTask>();
  const Sizes& s = t.size;
  void* const* in = ptr + 1;
  void* const* out = in + kInputs;
  const int which = float_index(t.dtype);
  const Layout dq = packed(s.queries, s.heads, s.depth), dk = packed(s.keys, s.groups, s.depth),
               dv = packed(s.keys, s.groups, s.width);
  const std::size_t bytes = tile_bytes(t);
  const std::int64_t bias_row = s.keys;
  run_chunks(s.batch * s.groups, s.queries * s.keys * s.share(), [&](std::int64_t chunk) {
    const std::int64_t b = chunk / s.groups, group = chunk % s.groups;
    char *key_g = t.at(out[1], dk, b, 0, group), *value_g = t.at(out[2], dv, b, 0, group);
    bool added = t.tiles.empty() || t.tiles.front().keys < s.keys;  // the first tile doesn't write all
    if (added) {
      clear_rows(key_g, s.keys, dk.step * t.bytes, s.depth * t.bytes);
      clear_rows(value_g, s.keys, dv.step * t.bytes, s.width * t.bytes);
    }
    const std::size_t parts = t.has_dropout ? 2 : 1;
    auto* p = static_cast<char*>(thread_scratch(kScoresSlot, parts * bytes));
    char* dropped = t.has_dropout ? p + bytes : p;
    auto* scores_g = static_cast<char*>(thread_scratch(kGradSlot, bytes));
    for (std::int64_t h = group * s.share(); h < (group + 1) * s.share(); ++h) {
      for (const Tile& tile : t.tiles) {
        const AttentionRows rows = rows_of(t, tile, b, h, in[kMask], in[kBias]);
        const char *query = t.at(in[kQuery], t.query, b, tile.first, h), *key = t.at(in[kKey], t.key, b, 0, group);
        const char *g = t.at(ptr[0], t.g, b, tile.first, h), *value = t.at(in[kValue], t.value, b, 0, group);
        run_gemm(tile.scores, query, key, p, nullptr);
        make_weights(t, rows, p);
        if (t.has_dropout) drop(t, tile, b, h, in[kDropout], dropped, p);
        run_gemm(tile.value_g[added], dropped, g, value_g, nullptr);
        run_gemm(tile.weights_g, g, value, scores_g, nullptr);
        if (t.has_dropout) drop(t, tile, b, h, in[kDropout], scores_g, scores_g);
        char* bias_g = nullptr;
        if (t.bias_grad) {
          const std::int64_t first = ((b * s.heads + h) * s.queries + tile.first) * bias_row;
          bias_g = static_cast<char*>(out[3]) + first * t.bytes;
          if (tile.keys < s.keys) std::memset(bias_g, 0, static_cast<std::size_t>(tile.rows * bias_row * t.bytes));
        }
        kernels().attention.weights_grad[which](scores_g, p, bias_g, bias_row, rows);
        fill_blind(t, rows, scores_g, t.row_step, 0);
        if (bias_g) fill_blind(t, rows, bias_g, bias_row, 0);
        run_gemm(tile.query_g, scores_g, key, t.at(out[0], dq, b, tile.first, h), nullptr);
        run_gemm(tile.key_g[added], scores_g, query, key_g, nullptr);
        added = true;
      }
    }
  });
}

void lower_gradient(const Call& call, Task& task) {
  const Call inner = without_g(call);
  const Sizes s = sizes_of(inner);
  auto& t = attention_task(call, s, 1, task);
  set_extras(t, inner, kMask, kBias);
  t.value = layout_of(inner.in(kValue));
  t.g = layout_of(call.in(0));
  t.rate = call.attrs[4].real;
  t.has_dropout = inner.has(kDropout) && t.rate > 0;
  t.key_step = inner.has(kDropout) ? inner.in(kDropout).strides()[0] : 0;
  t.bias_grad = call.attrs[5].truth();
  make_tiles(t, true);
  task.run = run_gradient;
}

// ---- the weights alone ---------------------------------------------------------------------------------------------

enum WeightsInput { kWeightsMask = 2, kWeightsBias = 3 };

Call with_no_value(const Call& call, Tensor* inputs) {
  inputs[0] = call.in(0);
  inputs[1] = call.in(1);
  return {call.op, inputs, 3, call.attrs};
}

void infer_weights(const Call& call, std::vector<Output>& outputs) {
  Tensor inputs[3];
  const Sizes s = sizes_of(with_no_value(call, inputs));
  check_extras(call, s, kWeightsMask, kWeightsBias, -1);
  outputs.push_back({call.in(0).dtype(), {s.batch, s.heads, s.queries, s.keys}});
}

void run_weights(const Task& task, void* const* ptr) {
  const auto& t = task.get<AttentionTask>();
  const Sizes& s = t.size;
  const std::int64_t tiles = static_cast<std::int64_t>(t.tiles.size());
  const std::size_t bytes = tile_bytes(t);
  run_chunks(s.batch * s.heads * tiles, s.keys * s.depth, [&](std::int64_t chunk) {
    const Tile& tile = t.tiles[static_cast<std::size_t>(chunk % tiles)];
    const std::int64_t h = chunk / tiles % s.heads, b = chunk / tiles / s.heads;
    auto* scores = static_cast<char*>(thread_scratch(kScoresSlot, bytes));
    run_gemm(tile.scores, t.at(ptr[kQuery], t.query, b, tile.first, h), t.at(ptr[kKey], t.key, b, 0, h / s.share()),
             scores, nullptr);
    make_weights(t, rows_of(t, tile, b, h, ptr[kWeightsMask], ptr[kWeightsBias]), scores);
    const std::int64_t row = ((b * s.heads + h) * s.queries + tile.first) * s.keys;
    for (std::int64_t i = 0; i < tile.rows; ++i) {
      char* to = static_cast<char*>(ptr[4]) + (row + i * s.keys) * t.bytes;
      std::memcpy(to, scores + i * t.row_step * t.bytes, static_cast<std::size_t>(tile.keys * t.bytes));
      std::memset(to + tile.keys * t.bytes, 0, static_cast<std::size_t>((s.keys - tile.keys) * t.bytes));
    }
  });
}

void lower_weights(const Call& call, Task& task) {
  if (call.out().size() == 0) {
    task.run = run_nothing;
    return;
  }
  Tensor inputs[3];
  auto& t = attention_task(call, sizes_of(with_no_value(call, inputs)), 0, task);
  set_extras(t, call, kWeightsMask, kWeightsBias);
  t.has_dropout = false;
  make_tiles(t, false);
  task.run = run_weights;
}

// ---- derivatives by products of matrices ---------------------------------------------------------------------------

// Tensors as (B, G, heads of a group, rows, columns), keys with one head.
struct Products {
  Sizes s;
  Tensor heads(const Tensor& x) const {
    return fn::transpose(fn::reshape(x, {s.batch, s.queries, s.groups, s.share(), x.length(3)}), {0, 2, 3, 1, 4});
  }
  Tensor keys(const Tensor& x) const {
    return fn::transpose(fn::reshape(x, {s.batch, s.keys, s.groups, 1, x.length(3)}), {0, 2, 3, 1, 4});
  }
  Tensor scores(const Tensor& x) const { return fn::reshape(x, {s.batch, s.groups, s.share(), s.queries, s.keys}); }
  Tensor from_heads(const Tensor& x) const {
    return fn::reshape(fn::transpose(x, {0, 3, 1, 2, 4}), {s.batch, s.queries, s.heads, x.length(4)});
  }
  Tensor from_keys(const Tensor& x) const {
    const Tensor sum = fn::sum_to(x, {s.batch, s.groups, 1, s.keys, x.length(4)});
    return fn::reshape(fn::transpose(sum, {0, 3, 1, 2, 4}), {s.batch, s.keys, s.groups, x.length(4)});
  }
  Tensor from_scores(const Tensor& x) const { return fn::reshape(x, {s.batch, s.heads, s.queries, s.keys}); }
};

Tensor row_sum(const Tensor& x) { return fn::sum(x, {x.ndim() - 1}, true); }
Tensor softmax_pull(const Tensor& p, const Tensor& g) {
  return fn::multiply(p, fn::subtract(g, row_sum(fn::multiply(p, g))));
}

// 0 in the rows of queries that see no key though their weights are not 0, else 1; empty if there are none such.
Tensor alive_rows(const Products& in, const Tensor& query, const Tensor& key, const Tensor& mask, const Attrs& attrs) {
  if (!mask || !attrs[3].truth()) return Tensor();
  const Tensor bare = call_op("attention_weights", {fn::zeros_like(query), fn::zeros_like(key), mask, Tensor()},
                              {attrs[0], attrs[1], attrs[2], Attr::of(false)});
  return row_sum(in.scores(bare));
}
Tensor softmax_pull(const Tensor& p, const Tensor& g, const Tensor& alive) {
  const Tensor pulled = softmax_pull(p, g);
  return alive ? fn::multiply(pulled, alive) : pulled;
}

void weights_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  Tensor inputs[3];
  const Products in{sizes_of(with_no_value(call, inputs))};
  const double scale = call.attrs[0].real;
  const Tensor alive =
      alive_rows(in, call.in(0), call.in(1), call.has(kWeightsMask) ? call.in(kWeightsMask) : Tensor(), call.attrs);
  const Tensor ds = softmax_pull(in.scores(call.out()), in.scores(g[0]), alive);
  if (needs[0]) grads[0] = in.from_heads(fn::scale(fn::matmul(ds, in.keys(call.in(1))), scale));
  if (needs[1]) grads[1] = in.from_keys(fn::scale(fn::matmul(fn::swap_last(ds), in.heads(call.in(0))), scale));
  if (call.n_inputs > kWeightsBias && needs[kWeightsBias])
    grads[kWeightsBias] = fn::sum_to(in.from_scores(ds), call.in(kWeightsBias).shape());
}

// With P the weights, M the dropout's factors, A = P M: dV = A^T G, dA = G V^T, dS = P (dA M - rows of sum(P dA M)),
// dQ = c dS K, dK = c dS^T Q. For cotangents U, W, Z, Y of dQ, dK, dV, dS the function is <H, dS> + <Z, A^T G> with
// H = c (U K^T + Q W^T) + Y.
void gradient_vjp(const Call& call, const Tensor* cotangents, const bool* needs, Tensor* grads) {
  const Call inner = without_g(call);
  const Products in{sizes_of(inner)};
  const Attrs& attrs = call.attrs;
  const double c = attrs[0].real;
  const auto given = [&](int i) { return inner.has(i) ? inner.in(i) : Tensor(); };
  const Tensor p4 = call_op("attention_weights", {inner.in(kQuery), inner.in(kKey), given(kMask), given(kBias)},
                            {attrs[0], attrs[1], attrs[2], attrs[3]});
  const Tensor alive = alive_rows(in, inner.in(kQuery), inner.in(kKey), given(kMask), attrs);
  const Tensor p = in.scores(p4), q = in.heads(inner.in(kQuery)), k = in.keys(inner.in(kKey)),
               v = in.keys(inner.in(kValue)), g = in.heads(call.in(0));
  Tensor factors;
  if (inner.has(kDropout) && attrs[4].real > 0) {
    const Tensor ones = call_op("copy", {fn::full(p.dtype(), p4.shape(), 1.0)});
    factors = in.scores(call_op("dropout", {ones, inner.in(kDropout)}, {attrs[4]}));
  }
  const auto kept = [&](const Tensor& x) { return factors ? fn::multiply(x, factors) : x; };
  const auto plus = [](const Tensor& a, const Tensor& b) { return a ? b ? fn::add(a, b) : a : b; };
  const Tensor dp = kept(fn::matmul(g, fn::swap_last(v))), ds = softmax_pull(p, dp, alive);
  Tensor u, w, z, y, h;
  if (cotangents[0]) u = in.heads(cotangents[0]);
  if (cotangents[1]) w = in.keys(cotangents[1]);
  if (cotangents[2]) z = in.keys(cotangents[2]);
  if (u) h = fn::scale(fn::matmul(u, fn::swap_last(k)), c);
  if (w) h = plus(h, fn::scale(fn::matmul(q, fn::swap_last(w)), c));
  if (attrs[5].truth() && cotangents[3]) h = plus(h, in.scores(cotangents[3]));
  Tensor to_p, to_g, to_v;
  if (h) {
    const Tensor pulled = kept(softmax_pull(p, h, alive));
    const Tensor centred = fn::subtract(dp, row_sum(fn::multiply(p, dp)));
    to_p = fn::subtract(fn::multiply(h, centred), fn::multiply(dp, row_sum(fn::multiply(h, p))));
    to_g = fn::matmul(pulled, v);
    to_v = fn::matmul(fn::swap_last(pulled), g);
  }
  if (z) {
    to_p = plus(to_p, kept(fn::matmul(g, fn::swap_last(z))));
    to_g = plus(to_g, fn::matmul(kept(p), z));
  }
  if (!to_p) return;
  const Tensor to_s = softmax_pull(p, to_p, alive);
  if (needs[0]) grads[0] = in.from_heads(to_g);
  if (needs[1 + kQuery]) {
    Tensor sum = fn::scale(fn::matmul(to_s, k), c);
    if (w) sum = fn::add(sum, fn::scale(fn::matmul(ds, w), c));
    grads[1 + kQuery] = in.from_heads(sum);
  }
  if (needs[1 + kKey]) {
    Tensor sum = fn::scale(fn::matmul(fn::swap_last(to_s), q), c);
    if (u) sum = fn::add(sum, fn::scale(fn::matmul(fn::swap_last(ds), u), c));
    grads[1 + kKey] = in.from_keys(sum);
  }
  if (needs[1 + kValue] && to_v) grads[1 + kValue] = in.from_keys(to_v);
  if (needs[1 + kBias]) grads[1 + kBias] = fn::sum_to(in.from_scores(to_s), inner.in(kBias).shape());
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  const std::vector<AttrParam> attrs = {attr_with_default("scale", AttrKind::real, Attr::of(1.0)),
                                        attr_with_default("causal", AttrKind::boolean, Attr::of(false)),
                                        attr_with_default("offset", AttrKind::integer, Attr::of(0)),
                                        attr_with_default("uniform", AttrKind::boolean, Attr::of(false))};
  Op attention;
  attention.name = "attention";
  attention.doc =
      "softmax(query key^T scale + bias, masked) value for every head; causal: query i sees keys up to i + offset. A "
      "query "
      "that the mask leaves no key gets 0, or with `uniform` the mean of all values.";
  attention.tensors = {{"query"},
                       {"key"},
                       {"value"},
                       {"mask", TensorParam::optional},
                       {"bias", TensorParam::optional},
                       {"dropout_key", TensorParam::optional}};
  attention.attrs = attrs;
  attention.attrs.push_back(attr_with_default("rate", AttrKind::real, Attr::of(0.0)));
  attention.prepare = prepare<3>;
  attention.infer = infer_attention;
  attention.lower = lower_attention;
  attention.vjp = attention_vjp;
  register_op(attention);

  Op gradient = attention;
  gradient.name = "attention_grad";
  gradient.doc = "(dquery, dkey, dvalue) of attention from the cotangent g; with `bias_grad` the scores' gradient too.";
  gradient.tensors.insert(gradient.tensors.begin(), {"g"});
  gradient.attrs.push_back(attr_with_default("bias_grad", AttrKind::boolean, Attr::of(false)));
  gradient.prepare = prepare<4>;
  gradient.infer = infer_gradient;
  gradient.lower = lower_gradient;
  gradient.vjp = gradient_vjp;
  register_op(gradient);

  Op weights = attention;
  weights.name = "attention_weights";
  weights.doc =
      "The weights of attention: softmax(query key^T scale + bias, masked), shape (batch, heads, queries, keys).";
  weights.tensors = {{"query"}, {"key"}, {"mask", TensorParam::optional}, {"bias", TensorParam::optional}};
  weights.attrs = attrs;
  weights.prepare = prepare<2>;
  weights.infer = infer_weights;
  weights.lower = lower_weights;
  weights.vjp = weights_vjp;
  weights.saves_inputs = ~0u;
  weights.saves_outputs = 1;
  register_op(weights);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
