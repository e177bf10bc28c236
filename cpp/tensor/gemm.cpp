#include "tensor/gemm.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/gemm.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

using std::int64_t;

// Below this many flops a product stays on the calling thread: it takes about as long as handing half of it over.
constexpr double kSerialFlops = 200e3;
// Chunks are no smaller than this and about this many for each thread, so that a delayed thread holds up little.
constexpr double kChunkFlops = 100e3;
constexpr int64_t kChunksPerThread = 8;
// With this many rows of A, copying B costs little beside what it saves.
constexpr int64_t kPackingPays = 512;

// Products of a batch from this size on are run one after the other, by all threads together.
constexpr double kLargeFlops = 20e6;

// Scratch slots of a thread (runtime/threads.h).
constexpr int kSharedSlot = 0;  // on the calling thread: what all chunks read
constexpr int kOwnSlot = 1;     // on the thread of a chunk: its rows of A

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
Grid grid_of(int64_t panels, int64_t strips, int64_t least_rows, double flops) {
  Grid grid{std::min(least_rows, panels), 1};
  const int64_t threads = num_threads();
  if (threads == 1 || flops < kSerialFlops) return grid;
  const int64_t chunks = std::min<int64_t>(kChunksPerThread * threads, static_cast<int64_t>(flops / kChunkFlops));
  if (strips >= panels) {
    grid.cols = std::min(strips, std::max<int64_t>(1, chunks / grid.rows));
    grid.rows = std::max(grid.rows, std::min(panels, chunks / grid.cols));
  } else {
    grid.rows = std::max(grid.rows, std::min(panels, chunks));
    grid.cols = std::min(strips, std::max<int64_t>(1, chunks / grid.rows));
  }
  return grid;
}

void activate(const GemmPlan& plan, void* c, int64_t rows, int64_t cols) {
  if (!plan.shape.activation || plan.relu) return;
  const int64_t step = 1, size = static_cast<int64_t>(itemsize(plan.shape.dtype));
  if (plan.shape.c_row == cols) {
    cols *= rows;
    rows = 1;
  }
  for (int64_t i = 0; i < rows; ++i) {
    void* row = at(c, i * plan.shape.c_row, size);
    const void* in = row;
    plan.shape.activation(row, &in, &step, cols);
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
  block.c = c;
  block.c_row = s.c_row;
  block.bias = bias;
  block.accumulate = s.accumulate;
  block.relu = plan.relu;
  block.prefetch_c = plan.prefetch_c;
  return block;
}

void run_one_call(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  plan.kernel->block(block_of(plan, a, b, c, bias));
  activate(plan, c, plan.shape.m, plan.shape.n);
}

// ---- one row or one column ----------------------------------------------------------------------
void run_dot_rows(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const bool of_b = plan.path == GemmPath::dot_rows_b;
  const int64_t rows = of_b ? s.n : s.m, x_step = of_b ? s.a_col : s.b_row;
  const void* x = of_b ? a : b;
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
  const Grid grid = grid_of(ceil_div(rows, 4), 1, 1, flops);
  parallel_for(grid.rows, [&](int64_t chunk) {
    const Range r = part(chunk, grid.rows, ceil_div(rows, 4), 4, rows);
    GemmDotRows dots = all;
    dots.rows = r.end - r.begin;
    dots.matrix = at(of_b ? b : a, r.begin * all.row_step, size);
    dots.y = at(c, r.begin * all.y_step, size);
    dots.bias = bias ? at(bias, r.begin * all.bias_step, size) : nullptr;
    plan.kernel->dot_rows(dots);
    if (of_b) {
      activate(plan, dots.y, 1, dots.rows);
    } else {
      activate(plan, dots.y, dots.rows, 1);
    }
  });
}

// ---- C^T = B^T A^T ------------------------------------------------------------------------------
void run_transposed(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  const Gemm& s = plan.shape;
  const GemmKernel& kernel = *plan.kernel;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const int64_t width = kernel.tile_cols, strips = ceil_div(s.m, width), panels = gemm_panels(s.n, kernel.tile_rows);
  void* packed = thread_scratch(kSharedSlot, strips * width * s.k * size + GemmKernels::kPackSlackBytes);
  for (int64_t j = 0; j < s.m; j += width) {
    kernel.pack(at(packed, j * s.k, size), width, at(a, j * s.a_row, size), s.a_row, s.a_col, std::min(width, s.m - j),
                s.k);
  }
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const Grid grid = grid_of(panels, strips, ceil_div(s.n, plan.mc), flops);
  parallel_for(grid.rows * grid.cols, [&](int64_t chunk) {
    const Range r = part(chunk / grid.cols, grid.rows, panels, kernel.tile_rows, s.n);
    const Range q = part(chunk % grid.cols, grid.cols, strips, width, s.m);
    GemmBlock block{};
    block.m = r.end - r.begin;
    block.n = q.end - q.begin;
    block.k = s.k;
    block.a = at(b, r.begin * s.b_col, size);
    block.a_row = s.b_col;
    block.a_col = s.b_row;
    block.b = at(packed, q.begin * s.k, size);
    block.c = at(c, q.begin * s.c_row + r.begin, size);
    block.c_row = s.c_row;
    block.bias = bias ? at(bias, r.begin, size) : nullptr;
    block.b_packed = block.c_transposed = true;
    block.accumulate = s.accumulate;
    block.relu = plan.relu;
    kernel.block(block);
    activate(plan, block.c, block.n, block.m);
  });
}

// ---- the general loops: columns by nc, k by kc, then a grid of rows and columns -----------------
void run_blocks(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  const Gemm& s = plan.shape;
  const GemmKernel& kernel = *plan.kernel;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const bool pack_b = plan.path == GemmPath::packed;
  const int64_t width = kernel.tile_cols, height = kernel.tile_rows;
  const int64_t k_blocks = std::max<int64_t>(1, ceil_div(s.k, plan.kc)), n_blocks = ceil_div(s.n, plan.nc);
  const int64_t all_strips = ceil_div(s.n, width), panels = gemm_panels(s.m, height);
  const int64_t most_k = ceil_div(s.k, k_blocks), most_strips = ceil_div(all_strips, n_blocks);
  void* shared = pack_b
                     ? thread_scratch(kSharedSlot, most_strips * width * most_k * size + GemmKernels::kPackSlackBytes)
                     : nullptr;
  for (int64_t n_block = 0; n_block < n_blocks; ++n_block) {
    const Range cols = part(n_block, n_blocks, all_strips, width, s.n);
    const int64_t strips = ceil_div(cols.end - cols.begin, width);
    for (int64_t k_block = 0; k_block < k_blocks; ++k_block) {
      const Range ks = part(k_block, k_blocks, s.k, 1, s.k);
      const int64_t depth = ks.end - ks.begin;
      const double flops =
          2.0 * static_cast<double>(s.m) * static_cast<double>(cols.end - cols.begin) * static_cast<double>(depth);
      const Grid grid = grid_of(panels, strips, ceil_div(s.m, plan.mc), flops);
      if (pack_b) {
        const int64_t packers =
            grid.rows * grid.cols == 1 ? 1 : std::min<int64_t>(strips, kChunksPerThread * num_threads());
        parallel_for(packers, [&](int64_t chunk) {
          for (int64_t q = strips * chunk / packers; q < strips * (chunk + 1) / packers; ++q) {
            const int64_t j = cols.begin + q * width;
            kernel.pack(at(shared, q * width * depth, size), width, at(b, ks.begin * s.b_row + j * s.b_col, size),
                        s.b_col, s.b_row, std::min(width, cols.end - j), depth);
          }
        });
      }
      parallel_for(grid.rows * grid.cols, [&](int64_t chunk) {
        const Range r = part(chunk / grid.cols, grid.rows, panels, height, s.m);
        const Range q = part(chunk % grid.cols, grid.cols, strips, width, cols.end - cols.begin);
        GemmBlock block =
            block_of(plan, at(a, r.begin * s.a_row + ks.begin * s.a_col, size), nullptr, nullptr, nullptr);
        block.m = r.end - r.begin;
        block.n = q.end - q.begin;
        block.k = depth;
        block.c = at(c, r.begin * s.c_row + cols.begin + q.begin, size);
        if (pack_b) {
          block.b = at(shared, q.begin * depth, size);
          block.b_packed = true;
        } else {
          block.b = at(b, ks.begin * s.b_row + cols.begin + q.begin, size);
        }
        const bool last = k_block == k_blocks - 1;
        block.accumulate = s.accumulate || k_block > 0;
        block.bias = bias && last ? at(bias, cols.begin + q.begin, size) : nullptr;
        block.relu = plan.relu && last;
        if (plan.pack_a) {
          const int64_t own = gemm_panels(block.m, height);
          void* packed = thread_scratch(kOwnSlot, own * height * depth * size + GemmKernels::kPackSlackBytes);
          for (int64_t p = 0; p < own; ++p) {
            const int64_t i = gemm_panel_begin(block.m, own, p);
            kernel.pack(at(packed, p * height * depth, size), height, at(block.a, i * s.a_row, size), s.a_row, s.a_col,
                        gemm_panel_begin(block.m, own, p + 1) - i, depth);
          }
          block.a = packed;
          block.a_packed = true;
        }
        kernel.block(block);
        if (last) activate(plan, block.c, block.m, block.n);
      });
    }
  }
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
  // Strides along an axis of one element are free to choose.
  if (s.n == 1) s.b_col = 1;
  if (s.k == 1) s.a_col = 1;
  if (s.m == 0 || s.n == 0) {
    plan.path = GemmPath::nothing;
    return plan;
  }
  if (s.m == 1 && s.b_row == 1 && s.n > 1 && s.k > 1) {
    plan.path = GemmPath::dot_rows_b;
    return plan;
  }
  if (s.n == 1 && s.a_col == 1 && s.m > 1 && s.k > 1) {
    plan.path = GemmPath::dot_rows_a;
    return plan;
  }
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  if (flops < kSerialFlops && (s.b_col == 1 || s.k == 0)) {  // too short a call for the divisions below
    plan.path = GemmPath::in_place;
    plan.one_call = true;
    return plan;
  }
  const int64_t size = wide ? 8 : 4;
  const CacheSizes& cache = cache_sizes();
  // A strip of B takes an eighth of the second-level cache and a block of A somewhat less than half; a block of B takes
  // an eighth of the third level, which others use as well. A large kc matters most: each further one re-reads C.
  const int64_t width = plan.kernel->tile_cols;
  plan.kc = std::max<int64_t>(64, cache.l2 / 8 / (width * size));
  const int64_t depth = std::clamp<int64_t>(s.k, 1, plan.kc);
  plan.mc = std::max<int64_t>(plan.kernel->tile_rows, cache.l2 * 7 / 16 / (depth * size));
  plan.nc = s.n;
  plan.prefetch_c = s.m * s.n * size > cache.l2;
  if (s.b_col == 1) {
    // Read in place, the rows of a strip lie b_row apart: when that is a multiple of a large power of two they fall
    // into few sets of the second-level cache (taken as 16 ways), which then holds only so many of them.
    const int64_t way = cache.l2 / 16, step = std::abs(s.b_row) * size;
    const int64_t alignment = step == 0 ? 64 : std::max<int64_t>(64, std::min(way, step & -step));
    const int64_t rows = std::min(12 * (way / alignment), cache.l2 / 4 / (width * size));
    const bool reused = s.m >= kPackingPays && s.k * s.n * size > cache.l1d;
    if (s.k <= rows || !reused) {
      plan.path = GemmPath::in_place;
      plan.kc = std::max<int64_t>(rows, 64);
      return plan;
    }
  } else if (s.b_row == 1 && s.m * s.n + s.m * s.k < s.k * s.n && round_up(s.m, width) * s.k * size <= cache.l2 / 2) {
    plan.path = GemmPath::transposed;
    return plan;
  }
  plan.path = GemmPath::packed;
  plan.pack_a = s.n > 4 * plan.kernel->tile_cols;
  plan.nc = round_up(std::max<int64_t>(width, cache.l3 / 8 / (depth * size)), width);
  return plan;
}

// ---- running ------------------------------------------------------------------------------------
void run_gemm(const GemmPlan& plan, const void* a, const void* b, void* c, const void* bias) {
  if (!plan.shape.has_bias) bias = nullptr;
  if (plan.one_call) return run_one_call(plan, a, b, c, bias);
  switch (plan.path) {
    case GemmPath::nothing:
      return;
    case GemmPath::dot_rows_a:
    case GemmPath::dot_rows_b:
      return run_dot_rows(plan, a, b, c, bias);
    case GemmPath::transposed:
      return run_transposed(plan, a, b, c, bias);
    case GemmPath::in_place:
    case GemmPath::packed:
      return run_blocks(plan, a, b, c, bias);
  }
}

void run_gemm_batch(const GemmPlan& plan, int64_t batch, const void* a, int64_t a_step, const void* b, int64_t b_step,
                    void* c, int64_t c_step, const void* bias) {
  const Gemm& s = plan.shape;
  const int64_t size = static_cast<int64_t>(itemsize(s.dtype));
  const double flops = 2.0 * static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k);
  const double total = flops * static_cast<double>(batch);
  const auto run = [&](int64_t i) {
    run_gemm(plan, at(a, i * a_step, size), at(b, i * b_step, size), at(c, i * c_step, size), bias);
  };
  // Whole products are the chunks when there are enough of them to share out; otherwise, and when they are so large
  // that handing out their parts costs nothing in comparison, each is cut up in turn.
  const int64_t threads = num_threads();
  if (batch < threads || total < kSerialFlops || flops > kLargeFlops) {
    for (int64_t i = 0; i < batch; ++i) run(i);
    return;
  }
  const int64_t chunks =
      std::min(batch, std::max<int64_t>(kChunksPerThread * threads, static_cast<int64_t>(total / (64 * kChunkFlops))));
  parallel_for(chunks, [&](int64_t chunk) {
    for (int64_t i = batch * chunk / chunks; i < batch * (chunk + 1) / chunks; ++i) run(i);
  });
}

}  // namespace chainrule
