#include "tensor/recurrent.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/gemm.h"

namespace chainrule {
namespace {

using std::int64_t;

constexpr int64_t kMostRows = 48;       // rows of the batch in a chunk: what they work on stays in the near caches
constexpr double kSerialFlops = 200e3;  // less than this isn't worth a second thread
constexpr int64_t kBiasRows = 128;      // rows that are summed up at a time
constexpr int64_t kBiasColumns = 64;

constexpr int kSharedSlot = 0;  // scratch of the calling thread: packed weights and the order of the rows
constexpr int kOwnSlot = 1;     // scratch of the thread of a chunk

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Everything that follows from a Recurrence.
struct Sizes {
  int64_t size, units, features, steps, batch;
  int64_t input, gates;  // elements of a row of x W and of what is kept of a step
  const GemmKernel* gemm;
  int which;

  explicit Sizes(const Recurrence& r)
      : size(static_cast<int64_t>(itemsize(r.dtype))),
        units(r.units),
        features(r.features),
        steps(r.steps),
        batch(r.batch),
        input(r.input_parts() * r.units),
        gates(r.gate_parts() * r.units),
        gemm(&kernels().gemm->of[r.dtype == DType::F64]),
        which(r.dtype == DType::F64) {}
  const char* at(const void* p, int64_t element) const { return static_cast<const char*>(p) + element * size; }
  char* at(void* p, int64_t element) const { return static_cast<char*>(p) + element * size; }
  void copy(void* to, const void* from, int64_t n) const {
    if (n > 0) std::memcpy(to, from, static_cast<std::size_t>(n * size));
  }
  void zero(void* to, int64_t n) const {
    if (n > 0) std::memset(to, 0, static_cast<std::size_t>(n * size));
  }
  // From given values, or zeros where there are none.
  void start(void* to, const void* given, int64_t row) const {
    if (given) {
      copy(to, at(given, row * units), units);
    } else {
      zero(to, units);
    }
  }
};

// Hands out pieces of one block of scratch, each at a multiple of 64 bytes.
class Pieces {
 public:
  explicit Pieces(void* block = nullptr) : block_(static_cast<char*>(block)) {}
  void* take(int64_t bytes) {
    char* piece = block_ ? block_ + used_ : nullptr;
    used_ += round_up(bytes, 64);
    return piece;
  }
  std::size_t used() const { return static_cast<std::size_t>(used_); }

 private:
  char* block_;
  int64_t used_ = 0;
};

// ---- a matrix packed once and multiplied with many times -----------------------------------------------------------

struct Packed {
  void* data = nullptr;
  int64_t n = 0, k = 0;
  const void* source = nullptr;
  int64_t row = 0, column = 0;  // strides of the source; element (p, j) is source[p * row + j * column]

  int64_t bytes(const Sizes& s) const {
    return round_up(n, s.gemm->tile_cols) * k * s.size + GemmKernels::kPackSlackBytes;
  }
};

void pack(const Sizes& s, const Packed* matrices, int count) {
  const int64_t width = s.gemm->tile_cols;
  int64_t strips = 0;
  for (int i = 0; i < count; ++i) strips += ceil_div(matrices[i].n, width);
  // A strip may write up to a vector into the next one: neighbours are packed in order, by one thread.
  const auto one = [&](int64_t i) {
    const Packed& m = matrices[i];
    for (int64_t j = 0; j < m.n; j += width)
      s.gemm->pack(s.at(m.data, j * m.k), width, s.at(m.source, j * m.column), m.column, m.row,
                   std::min(width, m.n - j), m.k);
  };
  parallel_for(count, one);
}

// C (rows of c_row elements) (+)= A (rows of a_row elements) B, then the bias.
void multiply(const Sizes& s, const Packed& b, const void* a, int64_t a_row, int64_t m, void* c, int64_t c_row,
              bool accumulate, const void* bias = nullptr) {
  if (b.n == 0) return;
  const int64_t piece =
      std::max<int64_t>(s.gemm->tile_rows, cache_sizes().l2 * 7 / 16 / (std::max<int64_t>(b.k, 1) * s.size));
  for (int64_t i = 0; i < m; i += piece) {
    GemmBlock block{};
    block.m = std::min(piece, m - i);
    block.n = b.n;
    block.k = b.k;
    block.a = s.at(a, i * a_row);
    block.a_row = a_row;
    block.a_col = 1;
    block.b = b.data;
    block.b_packed = true;
    block.c = s.at(c, i * c_row);
    block.c_row = c_row;
    block.bias = bias;
    block.accumulate = accumulate;
    s.gemm->block(block);
  }
}

// ---- the rows of the batch -----------------------------------------------------------------------------------------

// Sorted by length, so that the rows that go on at a step are the first ones of every chunk.
struct Rows {
  int64_t *order, *length, *start;  // start: where the steps of a row begin among those of all rows
  int64_t total;
  int64_t in_chunk, chunks;
};

Rows sort_rows(const Sizes& s, const std::uint8_t* mask, double flops, int64_t* memory) {
  Rows rows{memory, memory + s.batch, memory + 2 * s.batch, 0, 0, 0};
  for (int64_t n = 0; n < s.batch; ++n) {
    int64_t length = s.steps;
    if (mask)
      while (length > 0 && !mask[n * s.steps + length - 1]) --length;
    rows.order[n] = n;
    rows.length[n] = length;
    rows.start[n] = rows.total;
    rows.total += length;
  }
  if (mask)
    std::sort(rows.order, rows.order + s.batch, [&](int64_t a, int64_t b) {
      return rows.length[a] != rows.length[b] ? rows.length[a] > rows.length[b] : a < b;
    });
  const int64_t threads = flops < kSerialFlops ? 1 : num_threads();
  rows.chunks = std::min(s.batch, threads * ceil_div(s.batch, threads * kMostRows));
  rows.in_chunk = rows.chunks == 0 ? 0 : ceil_div(s.batch, rows.chunks);
  if (rows.in_chunk > 0) rows.chunks = ceil_div(s.batch, rows.in_chunk);
  return rows;
}

double step_flops(const Recurrence& r) {
  return 2.0 * static_cast<double>(r.batch * r.steps * r.input_parts() * r.units) *
         static_cast<double>(r.features + r.units);
}

// Of the rows [first, first + count) in order: how many have steps up to t.
int64_t going_on(const Rows& rows, int64_t first, int64_t count, int64_t t) {
  while (count > 0 && rows.length[rows.order[first + count - 1]] <= t) --count;
  return count;
}

// The weights' two products of a step, U and, where the reset gate stands before the second, its last part.
void recurrent_panels(const Recurrence& r, const Sizes& s, const void* recurrent, bool transposed, Packed* u) {
  const bool split = r.cell == Cell::gru_reset_before;
  const int64_t first = split ? 2 * s.units : s.input;
  for (int i = 0; i < (split ? 2 : 1); ++i) {
    const int64_t from = i == 0 ? 0 : first, wide = i == 0 ? first : s.units;
    u[i].source = s.at(recurrent, from);
    if (transposed) {
      u[i].n = s.units;
      u[i].k = wide;
      u[i].row = 1;
      u[i].column = s.input;
    } else {
      u[i].n = wide;
      u[i].k = s.units;
      u[i].row = s.input;
      u[i].column = 1;
    }
  }
}

// ---- forward -------------------------------------------------------------------------------------------------------

class Forward {
 public:
  Forward(const Recurrence& r, const RecurrentForward& f) : r_(r), f_(f), s_(r), cell_(kernels().cell) {}

  void run() {
    const bool split = r_.cell == Cell::gru_reset_before;
    w_.source = f_.kernel;
    w_.n = s_.input;
    w_.k = s_.features;
    w_.row = s_.input;
    w_.column = 1;
    Packed panels[3];
    recurrent_panels(r_, s_, f_.recurrent, false, u_);
    Pieces plan;
    plan.take(w_.bytes(s_));
    for (const Packed& u : u_) plan.take(u.bytes(s_));
    plan.take(3 * s_.batch * 8);
    Pieces pieces(thread_scratch(kSharedSlot, plan.used()));
    w_.data = pieces.take(w_.bytes(s_));
    for (Packed& u : u_) u.data = pieces.take(u.bytes(s_));
    rows_ = sort_rows(s_, f_.mask, step_flops(r_), static_cast<int64_t*>(pieces.take(3 * s_.batch * 8)));
    panels[0] = w_;
    panels[1] = u_[0];
    panels[2] = u_[1];
    pack(s_, panels, split ? 3 : 2);
    parallel_for(rows_.chunks, [&](int64_t chunk) {
      const int64_t first = chunk * rows_.in_chunk;
      run_chunk(first, std::min(rows_.in_chunk, s_.batch - first));
    });
  }

 private:
  void project(int64_t first, int64_t count) const {
    const auto product = [&](int64_t n, int64_t steps) {
      const int64_t row = n * s_.steps;
      multiply(s_, w_, s_.at(f_.x, row * s_.features), s_.features, steps, s_.at(f_.gates, row * s_.gates), s_.gates,
               false, f_.bias);
    };
    if (!f_.mask) {
      product(first, count * s_.steps);
      return;
    }
    for (int64_t i = first; i < first + count; ++i) product(rows_.order[i], rows_.length[rows_.order[i]]);
  }

  // The states stay as they are at step t, the s-th in the order of computation.
  void carry(int64_t n, int64_t t, int64_t s, const char* h) const {
    s_.copy(s_.at(f_.states, (n * s_.steps + s) * s_.units), h, s_.units);
    s_.zero(s_.at(f_.gates, (n * s_.steps + t) * s_.gates), s_.gates);
    if (r_.cell != Cell::lstm) return;
    char* c = s_.at(f_.cells, (n * s_.steps + s) * s_.units);
    if (s > 0) {
      s_.copy(c, s_.at(static_cast<const void*>(f_.cells), (n * s_.steps + s - 1) * s_.units), s_.units);
    } else {
      s_.start(c, f_.c0, n);
    }
  }

  void run_chunk(int64_t first, int64_t count) const {
    const int64_t units = s_.units, last = s_.steps - 1;
    Pieces plan;
    plan.take(2 * count * units * s_.size);
    plan.take(count * s_.input * s_.size);
    plan.take(units * s_.size);
    Pieces pieces(thread_scratch(kOwnSlot, plan.used()));
    char* h = static_cast<char*>(pieces.take(2 * count * units * s_.size));
    char* z = static_cast<char*>(pieces.take(count * s_.input * s_.size));
    void* zeros = pieces.take(units * s_.size);
    char* reset = s_.at(h, count * units);
    s_.zero(zeros, units);
    for (int64_t i = 0; i < count; ++i) s_.start(s_.at(h, i * units), f_.h0, rows_.order[first + i]);
    project(first, count);
    const void* recurrent_bias = f_.bias && r_.cell == Cell::gru ? s_.at(f_.bias, s_.input) : nullptr;
    for (int64_t s = 0; s < s_.steps; ++s) {
      const int64_t t = r_.backwards ? last - s : s, going = going_on(rows_, first, count, t);
      const auto each = [&](auto body) {
        for (int64_t i = 0; i < going; ++i) {
          const int64_t n = rows_.order[first + i], row = n * s_.steps + t;
          if (f_.mask && !f_.mask[row]) continue;
          CellStep step{};
          step.units = units;
          step.z = s_.at(z, i * s_.input);
          step.gates = s_.at(f_.gates, row * s_.gates);
          step.h_before = s_.at(h, i * units);
          body(step, i, n);
        }
      };
      if (going > 0) multiply(s_, u_[0], h, units, going, z, s_.input, false, recurrent_bias);
      if (r_.cell == Cell::gru_reset_before && going > 0) {
        if (f_.mask) s_.zero(reset, going * units);
        each([&](CellStep& step, int64_t i, int64_t) {
          step.h_copy = s_.at(reset, i * units);
          cell_.open_reset[s_.which](step);
        });
        multiply(s_, u_[1], reset, units, going, z, s_.input, false);
      }
      for (int64_t i = 0; i < count; ++i) {
        const int64_t n = rows_.order[first + i];
        if (i >= going || (f_.mask && !f_.mask[n * s_.steps + t])) carry(n, t, s, s_.at(h, i * units));
      }
      each([&](CellStep& step, int64_t i, int64_t n) {
        const int64_t row = (n * s_.steps + s) * units;
        step.h = s_.at(f_.states, row);
        step.h_copy = s_.at(h, i * units);
        if (r_.cell == Cell::lstm) {
          step.c = s_.at(f_.cells, row);
          step.c_before = s > 0 ? s_.at(static_cast<const void*>(f_.cells), row - units)
                                : (f_.c0 ? s_.at(f_.c0, n * units) : static_cast<const char*>(zeros));
        }
        cell_.forward[static_cast<int>(r_.cell)][s_.which](step);
      });
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t n = rows_.order[first + i];
      s_.copy(s_.at(f_.last_h, n * units), s_.at(h, i * units), units);
      if (r_.cell != Cell::lstm) continue;
      if (s_.steps > 0) {
        s_.copy(s_.at(f_.last_c, n * units), s_.at(f_.cells, (n * s_.steps + last) * units), units);
      } else {
        s_.start(s_.at(f_.last_c, n * units), f_.c0, n);
      }
    }
  }

  const Recurrence& r_;
  const RecurrentForward& f_;
  const Sizes s_;
  const CellKernels& cell_;
  Packed w_, u_[2];
  Rows rows_{};
};

// ---- backward ------------------------------------------------------------------------------------------------------

class Backward {
 public:
  Backward(const Recurrence& r, const RecurrentBackward& b) : r_(r), b_(b), s_(r), cell_(kernels().cell) {}

  void run() {
    const bool split = r_.cell == Cell::gru_reset_before, gru = r_.cell == Cell::gru;
    const int64_t all = s_.batch * s_.steps;
    wide_ = s_.features + s_.units;
    slopes_ = static_cast<char*>(b_.workspace);
    inputs_ = s_.at(slopes_, all * s_.gates);
    before_ = s_.at(inputs_, s_.features);
    product_ = s_.at(inputs_, all * wide_);
    joint_ = s_.at(product_, split ? all * s_.units : 0);
    recurrent_panels(r_, s_, b_.recurrent, true, u_);
    // x W has the parts z r g of gru's slopes z r (inner) g.
    for (int i = 0; i < (gru ? 2 : 1); ++i) {
      w_[i].k = !gru ? s_.input : i == 0 ? 2 * s_.units : s_.units;
      w_[i].source = s_.at(b_.kernel, i == 0 ? 0 : 2 * s_.units);
      w_[i].n = s_.features;
      w_[i].row = 1;
      w_[i].column = s_.input;
    }
    Packed panels[4];
    int count = 0;
    panels[count++] = u_[0];
    if (split) panels[count++] = u_[1];
    if (b_.dx) panels[count++] = w_[0];
    if (b_.dx && gru) panels[count++] = w_[1];
    Pieces plan;
    for (int i = 0; i < count; ++i) plan.take(panels[i].bytes(s_));
    plan.take(3 * s_.batch * 8);
    Pieces pieces(thread_scratch(kSharedSlot, plan.used()));
    for (int i = 0; i < count; ++i) panels[i].data = pieces.take(panels[i].bytes(s_));
    u_[0] = panels[0];
    if (split) u_[1] = panels[1];
    if (b_.dx) w_[0] = panels[split ? 2 : 1];
    if (b_.dx && gru) w_[1] = panels[2];
    rows_ = sort_rows(s_, b_.mask, 2 * step_flops(r_), static_cast<int64_t*>(pieces.take(3 * s_.batch * 8)));
    pack(s_, panels, count);
    parallel_for(rows_.chunks, [&](int64_t chunk) {
      const int64_t first = chunk * rows_.in_chunk;
      run_chunk(first, std::min(rows_.in_chunk, s_.batch - first));
    });
    weight_gradients(rows_.total);
  }

 private:
  // Row `start + t` of what is kept of all steps belongs to step t of row n of the batch.
  void run_chunk(int64_t first, int64_t count) const {
    const int64_t units = s_.units, last = s_.steps - 1;
    const bool split = r_.cell == Cell::gru_reset_before;
    Pieces plan;
    for (int i = 0; i < 3; ++i) plan.take(count * units * s_.size);
    plan.take(count * s_.gates * s_.size);
    plan.take(units * s_.size);
    Pieces pieces(thread_scratch(kOwnSlot, plan.used()));
    char* dh = static_cast<char*>(pieces.take(count * units * s_.size));
    char* dc = static_cast<char*>(pieces.take(count * units * s_.size));
    char* dreset = static_cast<char*>(pieces.take(count * units * s_.size));
    char* copy = static_cast<char*>(pieces.take(count * s_.gates * s_.size));
    void* zeros = pieces.take(units * s_.size);
    s_.zero(zeros, units);
    for (int64_t i = 0; i < count; ++i) {
      s_.start(s_.at(dh, i * units), b_.dlast_h, rows_.order[first + i]);
      s_.start(s_.at(dc, i * units), b_.dlast_c, rows_.order[first + i]);
    }
    for (int64_t s = last; s >= 0; --s) {
      const int64_t t = r_.backwards ? last - s : s, going = going_on(rows_, first, count, t);
      if (b_.dstates)
        for (int64_t i = 0; i < count; ++i)
          cell_.add_rows[s_.which](s_.at(dh, i * units),
                                   s_.at(b_.dstates, (rows_.order[first + i] * s_.steps + s) * units), units, 1, units);
      const auto each = [&](auto body) {
        for (int64_t i = 0; i < going; ++i) {
          const int64_t n = rows_.order[first + i], row = rows_.start[n] + t;
          if (b_.mask && !b_.mask[n * s_.steps + t]) continue;
          CellSlope slope{};
          slope.units = units;
          slope.gates = s_.at(b_.gates, (n * s_.steps + t) * s_.gates);
          slope.h_before = s_.at(before_, row * wide_);
          slope.dh = s_.at(dh, i * units);
          slope.slopes = s_.at(slopes_, row * s_.gates);
          slope.slopes_copy = s_.at(copy, i * s_.gates);
          body(slope, i, n);
        }
      };
      for (int64_t i = 0; i < going; ++i) {
        const int64_t n = rows_.order[first + i], row = rows_.start[n] + t;
        if (b_.dkernel)
          s_.copy(s_.at(inputs_, row * wide_), s_.at(b_.x, (n * s_.steps + t) * s_.features), s_.features);
        if (s > 0) {
          s_.copy(s_.at(before_, row * wide_), s_.at(b_.states, (n * s_.steps + s - 1) * units), units);
        } else {
          s_.start(s_.at(before_, row * wide_), b_.h0, n);
        }
        if (!b_.mask || b_.mask[n * s_.steps + t]) continue;
        s_.zero(s_.at(slopes_, row * s_.gates), s_.gates);
        s_.zero(s_.at(copy, i * s_.gates), s_.gates);
        if (split) s_.zero(s_.at(product_, row * units), units);
      }
      if (going == 0) continue;
      each([&](CellSlope& slope, int64_t i, int64_t n) {
        const int64_t row = (n * s_.steps + s) * units;
        slope.h = s_.at(b_.states, row);
        if (r_.cell == Cell::lstm) {
          slope.dc = s_.at(dc, i * units);
          slope.c = s_.at(b_.cells, row);
          slope.c_before = s > 0 ? s_.at(b_.cells, row - units)
                                 : (b_.c0 ? s_.at(b_.c0, n * units) : static_cast<const char*>(zeros));
        }
        cell_.backward[static_cast<int>(r_.cell)][s_.which](slope);
      });
      if (split) {
        multiply(s_, u_[1], s_.at(copy, 2 * units), s_.gates, going, dreset, units, false);
        each([&](CellSlope& slope, int64_t i, int64_t n) {
          slope.reset = s_.at(dreset, i * units);
          slope.product = s_.at(product_, (rows_.start[n] + t) * units);
          cell_.close_reset[s_.which](slope);
        });
      }
      multiply(s_, u_[0], copy, s_.gates, going, dh, units, true);
    }
    for (int64_t i = 0; i < count; ++i) {
      const int64_t n = rows_.order[first + i];
      if (b_.dh0) s_.copy(s_.at(b_.dh0, n * units), s_.at(dh, i * units), units);
      if (b_.dc0) s_.copy(s_.at(b_.dc0, n * units), s_.at(dc, i * units), units);
    }
    input_gradients(first, count);
  }

  void input_gradients(int64_t first, int64_t count) const {
    const auto product = [&](int64_t n, int64_t steps) {
      const char* slopes = s_.at(static_cast<const void*>(slopes_), rows_.start[n] * s_.gates);
      char* dx = s_.at(b_.dx, n * s_.steps * s_.features);
      multiply(s_, w_[0], slopes, s_.gates, steps, dx, s_.features, false);
      if (r_.cell == Cell::gru)
        multiply(s_, w_[1], s_.at(static_cast<const void*>(slopes), 3 * s_.units), s_.gates, steps, dx, s_.features,
                 true);
    };
    if (!b_.dx) return;
    if (!b_.mask) {
      product(first, count * s_.steps);
      return;
    }
    for (int64_t i = first; i < first + count; ++i) {
      const int64_t n = rows_.order[i], length = rows_.length[n], rest = s_.steps - length;
      product(n, length);
      s_.zero(s_.at(b_.dx, (n * s_.steps + length) * s_.features), rest * s_.features);
    }
  }

  // to (rows of to_row) = from^T slopes[:, columns], over all steps; from: `wide` elements of rows of from_row.
  void outer(const void* from, int64_t from_row, int64_t wide, int64_t column, int64_t columns, void* to,
             int64_t to_row, int64_t steps) const {
    Gemm g{};
    g.dtype = r_.dtype;
    g.m = wide;
    g.n = columns;
    g.k = steps;
    g.a_row = 1;
    g.a_col = from_row;
    g.b_row = s_.gates;
    g.b_col = 1;
    g.c_row = to_row;
    gemm(g, from, s_.at(static_cast<const void*>(slopes_), column), to);
  }

  void weight_gradients(int64_t steps) const {
    const int64_t units = s_.units, features = s_.features;
    const bool gru = r_.cell == Cell::gru, split = r_.cell == Cell::gru_reset_before;
    // The parts that W and U have in common: one product for both, which reads the slopes once.
    const int64_t common = gru || split ? 2 * units : s_.input;
    if (b_.dkernel && b_.drecurrent) {
      outer(inputs_, wide_, wide_, 0, common, joint_, common, steps);
      for (int64_t i = 0; i < wide_; ++i)
        s_.copy(i < features ? s_.at(b_.dkernel, i * s_.input) : s_.at(b_.drecurrent, (i - features) * s_.input),
                s_.at(static_cast<const void*>(joint_), i * common), common);
    } else if (b_.dkernel) {
      outer(inputs_, wide_, features, 0, common, b_.dkernel, s_.input, steps);
    } else if (b_.drecurrent) {
      outer(before_, wide_, units, 0, common, b_.drecurrent, s_.input, steps);
    }
    if (b_.dkernel && (gru || split))
      outer(inputs_, wide_, features, gru ? 3 * units : common, units, s_.at(b_.dkernel, common), s_.input, steps);
    if (b_.drecurrent && gru)
      outer(before_, wide_, units, common, units, s_.at(b_.drecurrent, common), s_.input, steps);
    if (b_.drecurrent && split)
      outer(product_, units, units, common, units, s_.at(b_.drecurrent, common), s_.input, steps);
    if (!b_.dbias) return;
    sum_slopes(0, gru ? 2 * units : s_.input, b_.dbias, 0, steps);
    if (gru) {
      sum_slopes(3 * units, units, b_.dbias, 2 * units, steps);
      sum_slopes(0, 3 * units, b_.dbias, 3 * units, steps);
    }
  }

  void sum_slopes(int64_t column, int64_t columns, void* to, int64_t to_column, int64_t steps) const {
    const auto sum = [&](int64_t piece) {
      const int64_t from = piece * kBiasColumns, wide = std::min(kBiasColumns, columns - from);
      alignas(64) char block[kBiasColumns * 8];
      void* total = s_.at(to, to_column + from);
      s_.zero(total, wide);
      for (int64_t row = 0; row < steps; row += kBiasRows) {
        s_.zero(block, wide);
        cell_.add_rows[s_.which](block, s_.at(static_cast<const void*>(slopes_), row * s_.gates + column + from),
                                 s_.gates, std::min(kBiasRows, steps - row), wide);
        cell_.add_rows[s_.which](total, block, wide, 1, wide);
      }
    };
    parallel_for(ceil_div(columns, kBiasColumns), sum);
  }

  const Recurrence& r_;
  const RecurrentBackward& b_;
  const Sizes s_;
  const CellKernels& cell_;
  Packed w_[2], u_[2];
  Rows rows_{};
  // For every step: slopes; x and h_before, side by side in rows of `wide_`; r h_before. Then the joint product.
  char *slopes_ = nullptr, *inputs_ = nullptr, *before_ = nullptr, *product_ = nullptr, *joint_ = nullptr;
  int64_t wide_ = 0;
};

}  // namespace

int64_t Recurrence::workspace() const {
  const int64_t products = cell == Cell::gru_reset_before ? units : 0, wide = features + units;
  return batch * steps * (gate_parts() * units + wide + products) + wide * input_parts() * units;
}

void recurrent_forward(const Recurrence& r, const RecurrentForward& f) { Forward(r, f).run(); }
void recurrent_backward(const Recurrence& r, const RecurrentBackward& b) { Backward(r, b).run(); }

}  // namespace chainrule
