#include "tensor/gemm.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/gemm.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/dot.h"

namespace chainrule {
namespace {

using std::int64_t;

// Below this many flops a product stays on the calling thread: it takes about as long as handing half of it over.
constexpr double kSerialFlops = 200e3;
// A product is cut into at least one chunk for each thread, and at most so many of at least so many flops. More chunks
// share the work more evenly, and a delayed thread holds up less of it, but each packs for itself.
constexpr double kChunkFlops = 32e6;
constexpr int64_t kChunksPerThread = 8;
constexpr int64_t kDotPiece = 16 << 10;  // elements of two vectors whose products one thread adds up
constexpr int64_t kRowUnit = 128;        // columns of a row times a matrix are dealt in such units
// In multiples of the time that one panel by one strip takes: packing a panel of A, and a strip of B while it is used
// or before; and, of what a thread does in all, the share of one chunk that waiting for the last thread is taken to
// cost.
constexpr double kPackACost = 0.7, kStoreBCost = 0.8, kPackBCost = 1.4, kInPlaceCost = 0.05;
constexpr double kWaitCost = 0.03;
// Below so many terms, fetching C ahead from the second-level cache costs more than waiting for it.
constexpr int64_t kShortSum = 128;
// Columns of a transposed A with more terms than this are read in place for few columns of B.
constexpr int64_t kShortColumn = 16;
// The sets of a first-level cache whose lines are found before the address is translated repeat every page.
constexpr int64_t kSetPeriod = 4096;
// Strips from which on it pays to pack rows of A that don't crowd the first-level cache; never for panels of few rows,
// whose every element would be copied for fewer multiply-adds.
constexpr int64_t kManyStrips = 64, kFewRows = 8;
// A sum is run in parts where B has so many times the rows that all the parts of C have, and this many elements.
constexpr int64_t kLeastRowsOfB = 4, kLargeB = 32 << 10;
// Fewer elements than this are packed on the calling thread.
constexpr int64_t kPackSerial = 32 << 10;
// Products of a batch from this size on are run one after the other, by all threads together.
constexpr double kLargeFlops = 20e6;

// A matrix times its own transpose: rows of a step, rows that a chunk should have at least, so that it pays to pack for
// them, and columns that are mirrored in one call.
constexpr int64_t kSymmetricRows = 24, kSymmetricChunkRows = 192, kMirrorColumns = 64;

// Scratch slots of a thread (runtime/threads.h).
constexpr int kSharedSlot = 0;  // on the calling thread: what all chunks read
constexpr int kOwnSlot = 1;     // on the thread of a chunk: its rows of A
constexpr int kPartSlot = 2;    // on the thread of a chunk: what it gives away of C

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

const char* at(const void* p, int64_t elements, int64_t size) { return static_cast<const char*>(p) + elements * size; }
char* at(void* p, int64_t elements, int64_t size) { return static_cast<char*>(p) + elements * size; }

struct Range {
  int64_t begin, end;
};
// Part i of `parts` of `units` units of `unit` elements, the last one cut off at `total`.
Range part(int64_t i, int64_t parts, int64_t units, int64_t unit, int64_t total) {
  return {units * i / parts * unit, std::min(units * (i + 1) / parts * unit, total)};
}

// How the rows and columns of a product are cut into chunks: a grid of whole panels and strips.
struct Grid {
  int64_t rows, cols;
};
// The grid of least cost: what a thread computes, what each chunk packs for itself, and the wait at the end. `alone`:
// on this thread.
Grid grid_of(bool alone, int64_t panels, int64_t strips, double flops, double pack_a, double pack_b) {
  const int64_t threads = alone ? 1 : num_threads();
  if (threads == 1 || flops < kSerialFlops) return {1, 1};
  const int64_t most =
      std::clamp<int64_t>(static_cast<int64_t>(flops / kChunkFlops), threads, kChunksPerThread * threads);
  Grid best{1, 1};
  double least = std::numeric_limits<double>::infinity();
  for (int64_t wanted = threads; wanted <= most; wanted *= 2) {
    for (int64_t rows = 1; rows <= std::min(wanted, panels); ++rows) {
      const int64_t cols = std::min(strips, ceil_div(wanted, rows)), turns = ceil_div(rows * cols, threads);
      const auto height = static_cast<double>(ceil_div(panels, rows)),
                 width = static_cast<double>(ceil_div(strips, cols));
      const double cost =
          height * width * (static_cast<double>(turns) + kWaitCost) * (1 + pack_a / width + pack_b / height);
      if (cost < least) {
        least = cost;
        best = {rows, cols};
      }
    }
  }
  return best;
}

// What is left to do to finished rows and columns of C from `part` on: the activation, then the combination with D.
void finish(const GemmPlan& plan, const GemmOperands& o, void* part, int64_t rows, int64_t cols) {
  const Gemm& s = plan.shape;
  if (!plan.finishes) return;
  const ElementwiseFn activation = plan.relu ? nullptr : s.activation;
  const int64_t steps[] = {1, 1}, size = static_cast<int64_t>(itemsize(s.dtype));
  const char* d =
      s.combine ? static_cast<const char*>(o.d) + (static_cast<char*>(part) - static_cast<char*>(o.c)) : nullptr;
  if (s.c_row == cols) {
    cols *= rows;
    rows = 1;
  }
  for (int64_t i = 0; i < rows; ++i) {
    void* row = at(part, i * s.c_row, size);
    const void* in[] = {row, row};
    if (activation) activation(row, in, steps, cols);
    if (!s.combine) continue;
    in[1 - s.combine_place] = at(d, i * s.c_row, size);
    s.combine(row, in, steps, cols);
  }
}

GemmBlock block_of(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  const Gemm& s = plan.shape;
  GemmBlock block{};
  block.m = s.m;
  block.n = s.n;
  block.k = s.k;
  block.a = a;
  block.a_row = s.a_row;
  block.a_col = s.a_col;
  block.b = b;
  block.b_row = s.b_row;
  block.b_col = s.b_col;
  block.b_packed = s.b_packed;
  block.c = c;
  block.c_row = s.c_row;
  block.bias = bias;
  block.accumulate = s.accumulate;
  block.relu = plan.relu;
  block.prefetch_c = plan.prefetch_c;
  return block;
}

void run_one_call(const GemmPlan& plan, const GemmOperands& o) {
  plan.kernel->block(block_of(plan, o.a, o.b, o.c, o.bias));
  finish(plan, o, o.c, plan.shape.m, plan.shape.n);
}

// ---- one row or one column ----------------------------------------------------------------------
int64_t row_chunks(int64_t units, double flops) {
  const int64_t threads = num_threads();
  if (threads == 1 || flops < kSerialFlops) return 1;
  return std::min({units, 4 * threads, static_cast<int64_t>(flops / (kSerialFlops / 2))});
}

void run_dot_rows(const GemmPlan& plan, const GemmOperands& o) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const bool of_b = plan.path == GemmPath::dot_rows_b;
  const int64_t rows = of_b ? s.n : s.m, x_step = of_b ? s.a_col : s.b_row;
  const void* x = of_b ? o.a : o.b;
  if (x_step != 1) {
    void* packed = thread_scratch(kSharedSlot, s.k * size + GemmKernels::kPackSlackBytes);
    plan.kernel->pack(packed, 1, x, 1, x_step, 1, s.k);
    x = packed;
  }
  GemmDotRows all{};
  all.k = s.k;
  all.row_step = of_b ? s.b_col : s.a_row;
  all.x = x;
  all.y_step = of_b ? 1 : s.c_row;
  all.bias_step = of_b ? 1 : 0;
  all.accumulate = s.accumulate;
  all.relu = plan.relu;
  const double flops = 2.0 * static_cast<double>(rows) * static_cast<double>(s.k);
  const int64_t chunks = row_chunks(ceil_div(rows, 4), flops);
  parallel_for(chunks, [&](int64_t chunk) {
    const Range r = part(chunk, chunks, ceil_div(rows, 4), 4, rows);
    GemmDotRows dots = all;
    dots.rows = r.end - r.begin;
    dots.matrix = at(of_b ? o.b : o.a, r.begin * all.row_step, size);
    dots.y = at(o.c, r.begin * all.y_step, size);
    dots.bias = o.bias ? at(o.bias, r.begin * all.bias_step, size) : nullptr;
    plan.kernel->dot_rows(dots);
    if (of_b) {
      finish(plan, o, dots.y, 1, dots.rows);
    } else {
      finish(plan, o, dots.y, dots.rows, 1);
    }
  });
}

// ---- one element --------------------------------------------------------------------------------
// The vector itself, or a copy without gaps.
const void* unit_vector(const GemmPlan& plan, int slot, const void* x, int64_t step, int64_t k, int64_t size) {
  if (step == 1) return x;
  void* packed = thread_scratch(slot, k * size + GemmKernels::kPackSlackBytes);
  plan.kernel->pack(packed, 1, x, 1, step, 1, k);
  return packed;
}

// The sums of the pieces in their order, then what a product ends with.
template <class T>
void add_pieces(const GemmPlan& plan, const T* sums, int64_t pieces, const T* bias, T* c) {
  T total = plan.shape.accumulate ? *c : T{};
  for (int64_t piece = 0; piece < pieces; ++piece) total += sums[piece];
  if (bias) total += *bias;
  *c = plan.relu && total < 0 ? T{} : total;
}

void run_dot(const GemmPlan& plan, const GemmOperands& o) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype)), pieces = ceil_div(s.k, kDotPiece);
  const auto run_piece = [&](int64_t piece, void* y) {
    const int64_t first = piece * kDotPiece;
    GemmDotRows dot{};
    dot.rows = 1;
    dot.k = std::min(kDotPiece, s.k - first);
    dot.x = unit_vector(plan, kSharedSlot, at(o.a, first * s.a_col, size), s.a_col, dot.k, size);
    dot.matrix = unit_vector(plan, kOwnSlot, at(o.b, first * s.b_row, size), s.b_row, dot.k, size);
    dot.y = y;
    plan.kernel->dot_rows(dot);
  };
  double one;
  std::vector<double> many(static_cast<std::size_t>(pieces > 1 ? pieces : 0));
  void* const sums = pieces > 1 ? many.data() : &one;
  const int64_t chunks = row_chunks(pieces, 2.0 * static_cast<double>(s.k));
  parallel_for(chunks, [&](int64_t chunk) {
    for (int64_t piece = pieces * chunk / chunks; piece < pieces * (chunk + 1) / chunks; ++piece)
      run_piece(piece, at(sums, piece, size));
  });
  if (s.dtype == DType::F64) {
    add_pieces(plan, static_cast<const double*>(sums), pieces, static_cast<const double*>(o.bias),
               static_cast<double*>(o.c));
  } else {
    add_pieces(plan, static_cast<const float*>(sums), pieces, static_cast<const float*>(o.bias),
               static_cast<float*>(o.c));
  }
  finish(plan, o, o.c, 1, 1);
}

// ---- C^T = B^T A^T ------------------------------------------------------------------------------
// With few rows of A, which is packed, or with few columns of B, where A lies transposed and is read as it is.
void run_transposed(const GemmPlan& plan, const GemmOperands& o, bool alone) {
  const Gemm& s = plan.shape;
  const GemmKernel& kernel = *plan.kernel;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const int64_t width = kernel.tile_cols, strips = ceil_div(s.m, width), panels = gemm_panels(s.n, kernel.tile_rows);
  const bool packs = s.a_row != 1;
  void* packed =
      packs ? thread_scratch(kSharedSlot, strips * width * s.k * size + GemmKernels::kPackSlackBytes) : nullptr;
  for (int64_t j = 0; packs && j < s.m; j += width) {
    kernel.pack(at(packed, j * s.k, size), width, at(o.a, j * s.a_row, size), s.a_row, s.a_col,
                std::min(width, s.m - j), s.k);
  }
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const Grid grid = grid_of(alone, panels, strips, flops, kInPlaceCost, kInPlaceCost);
  parallel_for(grid.rows * grid.cols, [&](int64_t chunk) {
    const Range r = part(chunk / grid.cols, grid.rows, panels, kernel.tile_rows, s.n);
    const Range q = part(chunk % grid.cols, grid.cols, strips, width, s.m);
    GemmBlock block{};
    block.m = r.end - r.begin;
    block.n = q.end - q.begin;
    block.k = s.k;
    block.a = at(o.b, r.begin * s.b_col, size);
    block.a_row = s.b_col;
    block.a_col = s.b_row;
    block.b = packs ? at(packed, q.begin * s.k, size) : at(o.a, q.begin, size);
    block.b_row = s.a_col;
    block.b_col = 1;
    block.c = at(o.c, q.begin * s.c_row + r.begin, size);
    block.c_row = s.c_row;
    block.bias = o.bias ? at(o.bias, r.begin, size) : nullptr;
    block.b_packed = packs;
    block.c_transposed = true;
    block.accumulate = s.accumulate;
    block.relu = plan.relu;
    kernel.block(block);
    finish(plan, o, block.c, block.n, block.m);
  });
}

// ---- one row times a matrix of rows -------------------------------------------------------------
void run_add_rows(const GemmPlan& plan, const GemmOperands& o) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const bool of_b = plan.path == GemmPath::add_rows_b;
  const int64_t cols = of_b ? s.n : s.m;
  GemmAddRows all{};
  all.k = s.k;
  all.x = of_b ? o.a : o.b;
  all.x_step = of_b ? s.a_col : s.b_row;
  all.row_step = of_b ? s.b_row : s.a_col;
  all.bias_step = of_b ? 1 : 0;
  all.accumulate = s.accumulate;
  all.relu = plan.relu;
  // A chunk of y stays in the first-level cache. A thread has no more chunks than that takes: the longer the stretch of
  // each row, the better the prefetchers follow.
  const int64_t units = ceil_div(cols, kRowUnit),
                most = std::max<int64_t>(1, cache_sizes().l1d / 4 / (kRowUnit * size));
  const double flops = 2.0 * static_cast<double>(cols) * static_cast<double>(s.k);
  const int64_t chunks = std::max(ceil_div(units, most), std::min<int64_t>(num_threads(), row_chunks(units, flops)));
  parallel_for(chunks, [&](int64_t chunk) {
    const Range r = part(chunk, chunks, units, kRowUnit, cols);
    GemmAddRows sums = all;
    sums.cols = r.end - r.begin;
    sums.matrix = at(of_b ? o.b : o.a, r.begin, size);
    sums.y = at(o.c, r.begin, size);
    sums.bias = o.bias ? at(o.bias, r.begin * all.bias_step, size) : nullptr;
    plan.kernel->add_rows(sums);
    finish(plan, o, sums.y, 1, sums.cols);
  });
}

// ---- the general case: a grid of chunks, each by blocks of columns and of k ----------------------
// Parts into which a sum of k terms is cut, so that a block of B that takes half of the second-level cache is about
// twice as deep as wide. It depends on k alone, and packed operands rely on that.
int64_t k_blocks_of(int64_t k, int64_t size) {
  return std::max<int64_t>(1,
                           ceil_div(k, static_cast<int64_t>(std::sqrt(static_cast<double>(cache_sizes().l2 / size)))));
}

// Rows of so many panels of C that the first-level cache still holds them when they are finished.
int64_t rows_at_a_time(const GemmPlan& plan, int64_t columns) {
  const int64_t size = static_cast<int64_t>(itemsize(plan.shape.dtype)), height = plan.kernel->tile_rows;
  return std::max<int64_t>(1, cache_sizes().l1d / 2 / (columns * size * height)) * height;
}

// Calls body(columns) for the blocks that the strips [first, last) are cut into.
template <class Body>
void for_column_blocks(const GemmPlan& plan, int64_t first, int64_t last, int64_t blocks, const Body& body) {
  const int64_t width = plan.kernel->tile_cols;
  for (int64_t i = 0; i < blocks; ++i) {
    const Range columns{(first + (last - first) * i / blocks) * width,
                        std::min((first + (last - first) * (i + 1) / blocks) * width, plan.shape.n)};
    if (columns.begin < columns.end) body(columns);
  }
}

// Where a block of B begins, in place or packed.
const void* b_of(const GemmPlan& plan, const void* b, const Range& ks, const Range& columns) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype)), padded = round_up(s.n, plan.kernel->tile_cols);
  return s.b_packed ? at(b, ks.begin * padded + columns.begin * (ks.end - ks.begin), size)
                    : at(b, ks.begin * s.b_row + columns.begin * s.b_col, size);
}

// Calls then(rows, first) for rows of a block that have been multiplied. `c_step`: between rows of C, or 0 where each
// part is written over the one before.
template <class Then>
void run_by_rows(const GemmPlan& plan, const GemmBlock& all, int64_t c_step, const Then& then) {
  const int64_t size = static_cast<int64_t>(itemsize(plan.shape.dtype)), step = rows_at_a_time(plan, all.n);
  for (int64_t row = 0; row < all.m; row += step) {
    GemmBlock some = all;
    some.m = std::min(step, all.m - row);
    some.a = at(all.a, row * all.a_row, size);
    some.c = at(all.c, row * c_step, size);
    if (row > 0 && all.b_store) {
      some.b = all.b_store;
      some.b_packed = true;
      some.b_store = nullptr;
    }
    plan.kernel->block(some);
    then(some, row);
  }
}

void run_blocks(const GemmPlan& plan, const GemmOperands& o, bool alone, const GemmTaker* taker = nullptr) {
  const Gemm& s = plan.shape;
  const GemmKernel& kernel = *plan.kernel;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const int64_t width = kernel.tile_cols, height = kernel.tile_rows;
  const int64_t strips = ceil_div(s.n, width), panels = gemm_panels(s.m, height);
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const Grid grid = grid_of(alone, panels, strips, flops, plan.pack_a ? kPackACost : kInPlaceCost,
                            !plan.pack_b   ? kInPlaceCost
                            : s.b_col == 1 ? kStoreBCost
                                           : kPackBCost);
  const int64_t most_k = ceil_div(s.k, plan.k_blocks), most_strips = ceil_div(strips, grid.cols);
  const int64_t n_blocks = ceil_div(most_strips * width, plan.nc);
  const int64_t a_bytes = plan.pack_a ? round_up(height * most_k * size + GemmKernels::kPackSlackBytes, 64) : 0;
  const int64_t b_bytes = plan.pack_b ? ceil_div(most_strips, n_blocks) * width * most_k * size : 0;
  parallel_for(grid.rows * grid.cols, [&](int64_t chunk) {
    const Range rows = part(chunk / grid.cols, grid.rows, panels, height, s.m);
    char* own = a_bytes + b_bytes == 0
                    ? nullptr
                    : static_cast<char*>(thread_scratch(
                          kOwnSlot, static_cast<std::size_t>(a_bytes + b_bytes) + GemmKernels::kPackSlackBytes));
    const int64_t first = strips * (chunk % grid.cols) / grid.cols, last = strips * (chunk % grid.cols + 1) / grid.cols;
    for_column_blocks(plan, first, last, n_blocks, [&](const Range& columns) {
      for (int64_t k_block = 0; k_block < plan.k_blocks; ++k_block) {
        const Range ks = part(k_block, plan.k_blocks, s.k, 1, s.k);
        const bool ends = k_block == plan.k_blocks - 1;
        GemmBlock block = block_of(plan, at(o.a, rows.begin * s.a_row + ks.begin * s.a_col, size), nullptr,
                                   at(o.c, rows.begin * s.c_row + columns.begin, size),
                                   o.bias && ends ? at(o.bias, columns.begin, size) : nullptr);
        block.m = rows.end - rows.begin;
        block.n = columns.end - columns.begin;
        block.k = ks.end - ks.begin;
        block.b = b_of(plan, o.b, ks, columns);
        block.a_store = plan.pack_a ? own : nullptr;
        block.b_store = plan.pack_b ? own + a_bytes : nullptr;
        block.accumulate = s.accumulate || k_block > 0;
        block.relu = plan.relu && ends;
        if (taker) {
          block.c = thread_scratch(
              kPartSlot, static_cast<std::size_t>(std::min(block.m, rows_at_a_time(plan, block.n)) * block.n * size));
          block.c_row = block.n;
          block.prefetch_c = false;
          run_by_rows(plan, block, 0, [&](const GemmBlock& some, int64_t row) {
            taker->take(taker->context, {some.c, some.c_row, rows.begin + row, some.m, columns.begin, some.n});
          });
        } else if (ends && plan.finishes) {
          run_by_rows(plan, block, s.c_row,
                      [&](const GemmBlock& some, int64_t) { finish(plan, o, some.c, some.m, some.n); });
        } else {
          kernel.block(block);
        }
      }
    });
  });
}

// ---- a matrix times its own transpose -----------------------------------------------------------
// Whether A and B are one matrix, seen from its two sides, and nothing else enters C: then C is symmetric, to the bit,
// since an element and its mirror image add up the same products in the same order.
bool is_symmetric(const GemmPlan& plan, const GemmOperands& o) {
  const Gemm& s = plan.shape;
  return o.a == o.b && !s.b_packed && s.m == s.n && s.a_row == s.b_col && s.a_col == s.b_row && !s.has_bias &&
         !s.accumulate && !s.activation && !s.combine;
}

// Only what lies on or to the left of the diagonal is computed, and the rest is its mirror image. Steps of a few panels
// are multiplied up to the end of their own rows; chunks are runs of steps of about equal area. A chunk goes from its
// last step to its first, so that the first call packs all columns of B that the others need.
void run_symmetric(const GemmPlan& plan, const GemmOperands& o, bool alone) {
  const Gemm& s = plan.shape;
  const GemmKernel& kernel = *plan.kernel;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype)), width = kernel.tile_cols;
  const int64_t step = round_up(kSymmetricRows, kernel.tile_rows), steps = ceil_div(s.m, step);
  const int64_t threads = alone ? 1 : num_threads();
  const int64_t chunks = threads * std::clamp<int64_t>(s.m / (kSymmetricChunkRows * threads), 1, kChunksPerThread);
  const auto border = [&](int64_t chunk) {
    const double share = std::sqrt(static_cast<double>(chunk) / static_cast<double>(chunks));
    return std::min(s.m, std::lround(share * static_cast<double>(steps)) * step);
  };
  const int64_t most_k = ceil_div(s.k, plan.k_blocks), most_columns = std::min(round_up(s.n, width), plan.nc);
  const int64_t a_bytes =
      plan.pack_a ? round_up(kernel.tile_rows * most_k * size + GemmKernels::kPackSlackBytes, 64) : 0;
  const int64_t b_bytes = plan.pack_b ? most_columns * most_k * size : 0;
  const TransposeFn transpose = kernels().move.transpose[s.dtype == DType::F64 ? 3 : 2];
  parallel_for(chunks, [&](int64_t chunk) {
    const Range rows{border(chunk), border(chunk + 1)};
    char* const own = static_cast<char*>(
        thread_scratch(kOwnSlot, static_cast<std::size_t>(a_bytes + b_bytes) + GemmKernels::kPackSlackBytes));
    const int64_t strips = ceil_div(rows.end, width);
    for_column_blocks(plan, 0, strips, ceil_div(strips * width, plan.nc), [&](const Range& columns) {
      for (int64_t k_block = 0; k_block < plan.k_blocks; ++k_block) {
        const Range ks = part(k_block, plan.k_blocks, s.k, 1, s.k);
        bool packed = false;
        for (int64_t end = rows.end; end > std::max(rows.begin, columns.begin); end = (end - 1) / step * step) {
          const int64_t begin = (end - 1) / step * step;
          GemmBlock block = block_of(plan, at(o.a, begin * s.a_row + ks.begin * s.a_col, size), nullptr,
                                     at(o.c, begin * s.c_row + columns.begin, size), nullptr);
          block.m = end - begin;
          block.n = std::min(end, columns.end) - columns.begin;
          block.k = ks.end - ks.begin;
          block.b = packed ? own + a_bytes : b_of(plan, o.b, ks, columns);
          block.b_packed = packed;
          block.a_store = plan.pack_a ? own : nullptr;
          block.b_store = plan.pack_b && !packed ? own + a_bytes : nullptr;
          block.accumulate = k_block > 0;
          kernel.block(block);
          packed = plan.pack_b;
        }
      }
    });
    for (int64_t begin = rows.begin; begin < rows.end; begin += step) {
      for (int64_t j = 0; j < begin; j += kMirrorColumns) {
        transpose(at(o.c, j * s.c_row + begin, size), s.c_row, at(o.c, begin * s.c_row + j, size), s.c_row,
                  std::min(step, rows.end - begin), std::min(kMirrorColumns, begin - j));
      }
    }
  });
}

// ---- few rows and a long sum --------------------------------------------------------------------
// Each part of the sum is a product of its own, and reads rows of B that no other part reads. So a core that computes a
// part, and later the same rows of B's gradient and new values, keeps them in its caches, step after step of a
// training. Columns would have every line of B near the borders wander between the cores.
void run_parts(const GemmPlan& plan, const GemmOperands& o, bool alone) {
  const Gemm& s = plan.shape;
  alone = alone || 2.0 * static_cast<double>(s.m * s.n) * static_cast<double>(s.k) < kSerialFlops;
  const GemmKernel& kernel = *plan.kernel;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype)), width = kernel.tile_cols, parts = plan.k_blocks;
  const int64_t strips = ceil_div(s.n, width), most_k = ceil_div(s.k, parts);
  const int64_t cols = alone ? 1 : std::min<int64_t>(strips, ceil_div(num_threads(), parts));
  const auto part_bytes = static_cast<std::size_t>(s.m * s.n * size);
  char* const sums = static_cast<char*>(
      thread_scratch(kSharedSlot, static_cast<std::size_t>(parts) * part_bytes + GemmKernels::kPackSlackBytes));
  const auto run_chunk = [&](int64_t chunk) {
    const int64_t k_block = chunk / cols, first = strips * (chunk % cols) / cols,
                  last = strips * (chunk % cols + 1) / cols;
    const int64_t n_blocks = ceil_div((last - first) * width, plan.nc);
    const Range ks = part(k_block, parts, s.k, 1, s.k);
    void* const store =
        plan.pack_b ? thread_scratch(kOwnSlot,
                                     static_cast<std::size_t>(ceil_div(last - first, n_blocks) * width * most_k * size +
                                                              GemmKernels::kPackSlackBytes))
                    : nullptr;
    for_column_blocks(plan, first, last, n_blocks, [&](const Range& columns) {
      GemmBlock block{};
      block.m = s.m;
      block.n = columns.end - columns.begin;
      block.k = ks.end - ks.begin;
      block.a = at(o.a, ks.begin * s.a_col, size);
      block.a_row = s.a_row;
      block.a_col = s.a_col;
      block.b = b_of(plan, o.b, ks, columns);
      block.b_row = s.b_row;
      block.b_col = s.b_col;
      block.b_packed = s.b_packed;
      block.b_store = store;
      block.c = sums + static_cast<std::size_t>(k_block) * part_bytes + columns.begin * size;
      block.c_row = s.n;
      kernel.block(block);
    });
  };
  if (alone) {
    for (int64_t chunk = 0; chunk < parts; ++chunk) run_chunk(chunk);
  } else {
    parallel_for(parts * cols, run_chunk);
  }
  // The sums of the parts in their order, the bias, then what a product ends with.
  const ElementwiseFn add = kernels().elementwise[static_cast<int>(ElementwiseOp::add)][index(s.dtype)];
  const int64_t steps[] = {1, 1};
  for (int64_t i = 0; i < s.m; ++i) {
    void* const row = at(o.c, i * s.c_row, size);
    const void* total = s.accumulate ? row : nullptr;
    const auto plus = [&](const void* x) {
      const void* in[] = {total, x};
      if (total) add(row, in, steps, s.n);
      total = total ? row : x;
    };
    for (int64_t k_block = 0; k_block < parts; ++k_block)
      plus(sums + static_cast<std::size_t>(k_block) * part_bytes + i * s.n * size);
    if (o.bias) plus(o.bias);
    const void* in[] = {row};
    if (plan.relu) s.activation(row, in, steps, s.n);
  }
  finish(plan, o, o.c, s.m, s.n);
}

}  // namespace

// ---- choosing -----------------------------------------------------------------------------------
GemmPlan plan_gemm(const Gemm& shape) {
  const Kernels& table = kernels();
  GemmPlan plan{};
  plan.shape = shape;
  Gemm& s = plan.shape;
  const bool wide = s.dtype == DType::F64;
  plan.kernel = &table.gemm->of[wide];
  plan.relu = s.activation && s.activation == table.elementwise[static_cast<int>(ElementwiseOp::relu)][index(s.dtype)];
  plan.finishes = (s.activation && !plan.relu) || s.combine;
  // Strides along an axis of one element are free to choose.
  if (s.n == 1) s.b_col = 1;
  if (s.k == 1) s.a_col = 1;
  if (s.m == 0 || s.n == 0) {
    plan.path = GemmPath::nothing;
    return plan;
  }
  if (is_half(s.dtype)) {
    plan.path = GemmPath::half;
    return plan;
  }
  if (s.b_packed) s.b_row = s.b_col = 0;
  if (s.m == 1 && s.n == 1 && s.k > 1 && !s.b_packed) {
    plan.path = GemmPath::dot;
    return plan;
  }
  if (s.m == 1 && s.b_row == 1 && s.n > 1 && s.k > 1) {
    plan.path = GemmPath::dot_rows_b;
    return plan;
  }
  if (s.n == 1 && s.a_col == 1 && s.m > 1 && s.k > 1 && !s.b_packed) {
    plan.path = GemmPath::dot_rows_a;
    return plan;
  }
  if (s.m == 1 && s.b_col == 1 && s.n > 1 && s.k * s.n * static_cast<int64_t>(itemsize(s.dtype)) > cache_sizes().l1d) {
    plan.path = GemmPath::add_rows_b;
    return plan;
  }
  if (s.n == 1 && s.a_row == 1 && s.c_row == 1 && s.m > 1 && s.k > 0 && !s.b_packed) {
    plan.path = GemmPath::add_rows_a;
    return plan;
  }
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const int64_t size = wide ? 8 : 4, width = plan.kernel->tile_cols;
  const bool in_parts = s.k * s.n >= kLargeB && kLeastRowsOfB * 2 * s.m <= s.k && k_blocks_of(s.k, size) > 1 &&
                        kLeastRowsOfB * s.m * k_blocks_of(s.k, size) <= s.k;
  if (flops < kSerialFlops && !in_parts && !s.b_packed &&
      (s.b_col == 1 || s.k == 0)) {  // too short a call for the divisions below
    plan.path = GemmPath::one_call;
    return plan;
  }
  const CacheSizes& cache = cache_sizes();
  const bool few_rows = s.b_row == 1 && s.b_col != 1 && s.m <= 4 * width && s.m * s.n + s.m * s.k < s.k * s.n &&
                        round_up(s.m, width) * s.k * size <= cache.l2 / 2;
  const bool few_columns =
      s.a_row == 1 && s.a_col != 1 && s.n <= 2 * plan.kernel->tile_rows && s.m >= 4 * width && s.k > kShortColumn;
  if (!s.b_packed && (few_rows || few_columns)) {
    plan.path = GemmPath::transposed;
    return plan;
  }
  plan.path = GemmPath::blocks;
  plan.k_blocks = k_blocks_of(s.k, size);
  // A block of B takes half of the second-level cache.
  plan.nc =
      std::max<int64_t>(1, cache.l2 / 2 / (std::max<int64_t>(1, ceil_div(s.k, plan.k_blocks)) * size * width)) * width;
  plan.prefetch_c = s.m * s.n * size > (s.k < kShortSum ? cache.l2 : cache.l1d);
  const int64_t strips = ceil_div(s.n, width), panels = gemm_panels(s.m, plan.kernel->tile_rows);
  // Rows that lie a multiple of a large power of two apart fall into few sets of the first-level cache, and evict each
  // other before they have been used up; B and C need some of its ways too.
  const int64_t step = s.a_row * size, sets = kSetPeriod / std::gcd(step, kSetPeriod);
  const bool crowded = ceil_div(std::min<int64_t>(s.m, plan.kernel->tile_rows), sets) > cache.l1d / kSetPeriod - 2;
  plan.pack_a = strips >= (s.a_row == 1                         ? (s.k > 64 ? 4 : 16)
                           : s.a_col != 1                       ? 2
                           : crowded                            ? 3
                           : plan.kernel->tile_rows <= kFewRows ? std::numeric_limits<int64_t>::max()
                                                                : kManyStrips);
  plan.pack_b = !s.b_packed && (s.b_col != 1 || (panels >= 3 && s.k * s.n * size > cache.l1d / 2));
  plan.whole = !plan.pack_a && !plan.pack_b && plan.k_blocks == 1 && s.n <= plan.nc;
  if (in_parts) plan.path = GemmPath::parts;
  return plan;
}

std::size_t packed_b_bytes(DType dtype, std::int64_t k, std::int64_t n) {
  const GemmKernel& kernel = kernels().gemm->of[dtype == DType::F64];
  return static_cast<std::size_t>(round_up(n, kernel.tile_cols) * k) * itemsize(dtype) + GemmKernels::kPackSlackBytes;
}

void pack_b(DType dtype, std::int64_t k, std::int64_t n, const void* b, std::int64_t b_row, std::int64_t b_col,
            void* packed) {
  const GemmKernel& kernel = kernels().gemm->of[dtype == DType::F64];
  const int64_t size = static_cast<int64_t>(itemsize(dtype)), width = kernel.tile_cols, strips = ceil_div(n, width);
  if (n == 1) b_col = 1;
  const int64_t k_blocks = k_blocks_of(k, size);
  const int64_t chunks = k * n < kPackSerial ? 1 : std::min(strips, 4 * static_cast<int64_t>(num_threads()));
  parallel_for(chunks, [&](int64_t chunk) {
    for (int64_t k_block = 0; k_block < k_blocks; ++k_block) {
      const Range ks = part(k_block, k_blocks, k, 1, k);
      for (int64_t q = strips * chunk / chunks; q < strips * (chunk + 1) / chunks; ++q) {
        kernel.pack(at(packed, ks.begin * strips * width + q * width * (ks.end - ks.begin), size), width,
                    at(b, ks.begin * b_row + q * width * b_col, size), b_col, b_row, std::min(width, n - q * width),
                    ks.end - ks.begin);
      }
    }
  });
}

// ---- running ------------------------------------------------------------------------------------
namespace {
// `alone`: on the calling thread.
void run(const GemmPlan& plan, GemmOperands o, bool alone) {
  if (!plan.shape.has_bias) o.bias = nullptr;
  switch (plan.path) {
    case GemmPath::nothing:
      return;
    case GemmPath::half:
      return run_half_gemm(plan.shape, o.a, o.b, o.c, o.bias);
    case GemmPath::dot:
      return run_dot(plan, o);
    case GemmPath::dot_rows_a:
    case GemmPath::dot_rows_b:
      return run_dot_rows(plan, o);
    case GemmPath::add_rows_a:
    case GemmPath::add_rows_b:
      return run_add_rows(plan, o);
    case GemmPath::transposed:
      return run_transposed(plan, o, alone);
    case GemmPath::one_call:
      return run_one_call(plan, o);
    case GemmPath::parts:
      return run_parts(plan, o, alone);
    case GemmPath::blocks:
      if (is_symmetric(plan, o)) return run_symmetric(plan, o, alone);
      if (alone && plan.whole) return run_one_call(plan, o);
      return run_blocks(plan, o, alone);
  }
}
}  // namespace

void run_gemm(const GemmPlan& plan, const GemmOperands& operands) { run(plan, operands, false); }

bool gives_parts(const GemmPlan& plan) {
  return plan.path == GemmPath::blocks && plan.k_blocks == 1 && !plan.finishes && !plan.shape.accumulate &&
         !plan.shape.has_bias;
}

void run_gemm(const GemmPlan& plan, const void* a, const void* b, const GemmTaker& taker) {
  run_blocks(plan, {a, b, nullptr}, false, &taker);
}

void run_gemm_batch(const GemmPlan& plan, int64_t batch, const GemmOperands& operands, int64_t a_step, int64_t b_step,
                    int64_t c_step) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const double total = flops * static_cast<double>(batch);
  const auto run_one = [&](int64_t i, bool alone) {
    const GemmOperands& o = operands;
    const void* d = o.d ? at(o.d, i * c_step, size) : nullptr;
    run(plan, {at(o.a, i * a_step, size), at(o.b, i * b_step, size), at(o.c, i * c_step, size), o.bias, d}, alone);
  };
  // Whole products are the chunks when there are enough of them to share out; otherwise, and when they are so large
  // that handing out their parts costs nothing in comparison, each is cut up in turn.
  const int64_t threads = num_threads();
  if (batch < threads || total < kSerialFlops || flops > kLargeFlops) {
    for (int64_t i = 0; i < batch; ++i) run_one(i, false);
    return;
  }
  const int64_t chunks =
      std::min(batch, std::max<int64_t>(kChunksPerThread * threads, static_cast<int64_t>(total / (64 * kChunkFlops))));
  parallel_for(chunks, [&](int64_t chunk) {
    for (int64_t i = batch * chunk / chunks; i < batch * (chunk + 1) / chunks; ++i) run_one(i, true);
  });
}

}  // namespace chainrule
