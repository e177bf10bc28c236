#include "tensor/dot.h"

#include <algorithm>

#include "runtime/cpu.h"
#include "runtime/dot_unit.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

using std::int64_t;

// Multiply-adds of a product that is worth a second thread, and of a chunk; as many chunks at most.
constexpr double kSerialWork = 4e6, kChunkWork = 2e6;
constexpr int64_t kChunksPerThread = 8;
// Bytes of B that stay in the second-level cache while panels of A pass by, but at least so many columns: a panel is
// packed anew for every such block.
constexpr int64_t kBlockBytes = 1 << 20, kBlockStrips = 8;
// Steps of k for which a panel of A stays in the first-level cache.
constexpr int64_t kSteps = 16;
// Fewer rows or columns than this leave most of a tile empty: float32 is faster.
constexpr int64_t kFewest = 4;

// Scratch slots of a thread (runtime/threads.h): what all chunks read; a chunk's panel of A and its sums.
constexpr int kSharedSlot = 2, kOwnSlot = 3;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
const char* at(const void* p, int64_t elements, int64_t size) { return static_cast<const char*>(p) + elements * size; }

struct Product {
  DotType type;
  DotUnit unit;
  int64_t size;  // bytes of an element of A and B
  int64_t m, n, k, a_row, a_col, b_row, b_col;
  const void *a, *b;
};

// Calls done(first_row, rows, first_column, columns, sums) with the finished sums of each panel and strip, and after
// the last strip of a panel that a chunk works on, row_done(first_row, rows, first_column, columns).
template <class Done, class RowDone>
void run_blocks(const Product& p, Done done, RowDone row_done) {
  const DotKernels& kernel = kernels().dot;
  const auto multiply = kernel.multiply[static_cast<int>(p.unit)][static_cast<int>(p.type)];
  const auto pack = kernel.pack[p.size - 1];
  const int64_t steps = dot_steps(p.k, p.size), panel_bytes = steps * kDotStepBytes;
  const int64_t panels = ceil_div(p.m, kDotWidth), strips = ceil_div(p.n, kDotWidth);
  const bool flip = p.type == DotType::signed_bytes && p.unit == DotUnit::vectors;

  auto* const packed_b = static_cast<char*>(
      thread_scratch(kSharedSlot, static_cast<std::size_t>(strips * (panel_bytes + (flip ? kDotWidth * 4 : 0)))));
  auto* const starts = reinterpret_cast<std::int32_t*>(packed_b + strips * panel_bytes);
  const double work = static_cast<double>(p.m) * static_cast<double>(p.n) * static_cast<double>(p.k);
  const int64_t threads = num_threads();
  const int64_t most = work < kSerialWork ? 1 : kChunksPerThread * threads;
  const int64_t pieces = std::min(strips, most);
  parallel_for(pieces, [&](int64_t piece) {
    for (int64_t s = strips * piece / pieces; s < strips * (piece + 1) / pieces; ++s) {
      char* const strip = packed_b + s * panel_bytes;
      const int64_t first = s * kDotWidth;
      pack({strip, at(p.b, first * p.b_col, p.size), p.b_col, p.b_row, std::min(kDotWidth, p.n - first), p.k, true,
            false});
      if (flip) kernel.unflip(starts + first, strip, steps);
    }
  });

  int64_t column_groups = ceil_div(strips, std::max(kBlockStrips, kBlockBytes / panel_bytes));
  const int64_t wanted =
      most == 1 ? 1
                : std::clamp<int64_t>(static_cast<int64_t>(work / kChunkWork), threads, std::max(most, column_groups));
  const int64_t row_groups = std::min(panels, std::max<int64_t>(1, wanted / column_groups));
  column_groups = std::min(strips, std::max(column_groups, wanted / row_groups));
  parallel_for(row_groups * column_groups, [&](int64_t chunk) {
    const int64_t row_group = chunk % row_groups, column_group = chunk / row_groups;
    const int64_t first_panel = panels * row_group / row_groups, last_panel = panels * (row_group + 1) / row_groups;
    const int64_t first_strip = strips * column_group / column_groups,
                  last_strip = strips * (column_group + 1) / column_groups;
    constexpr int64_t kSumsBytes = kDotWidth * kDotWidth * 4;
    const int64_t kept = steps > kSteps ? last_strip - first_strip : 1;  // sums of strips that wait for more of k
    auto* const packed_a =
        static_cast<char*>(thread_scratch(kOwnSlot, static_cast<std::size_t>(panel_bytes + kept * kSumsBytes)));
    char* const sums = packed_a + panel_bytes;
    kernel.begin(p.unit);
    for (int64_t q = first_panel; q < last_panel; ++q) {
      const int64_t first_row = q * kDotWidth, rows = std::min(kDotWidth, p.m - first_row);
      pack({packed_a, at(p.a, first_row * p.a_row, p.size), p.a_row, p.a_col, rows, p.k, false, flip});
      for (int64_t step = 0; step < steps; step += kSteps) {
        for (int64_t s = first_strip; s < last_strip; ++s) {
          const int64_t first = s * kDotWidth, columns = std::min(kDotWidth, p.n - first);
          DotProduct product;
          product.a = packed_a + step * kDotStepBytes;
          product.b = packed_b + s * panel_bytes + step * kDotStepBytes;
          product.steps = std::min(kSteps, steps - step);
          product.rows = rows;
          product.cols = columns;
          product.sums = sums + (kept == 1 ? 0 : s - first_strip) * kSumsBytes;
          product.start = flip ? starts + first : nullptr;
          product.accumulate = step > 0;
          multiply(product);
          if (step + kSteps >= steps) done(first_row, rows, first, columns, product.sums);
        }
      }
      const int64_t first = first_strip * kDotWidth;
      row_done(first_row, rows, first, std::min(p.n, last_strip * kDotWidth) - first);
    }
    kernel.end(p.unit);
  });
}

// ---- half types ----------------------------------------------------------------------------------------------------

// A matrix as contiguous float32, its longer stride outside; sets the strides that go with it.
const float* widen(DType dtype, const void* x, int64_t rows, int64_t cols, int64_t& row_step, int64_t& col_step,
                   float* out) {
  const CastFn cast = kernels().move.cast[index(DType::F32)][index(dtype)];
  const bool by_columns = row_step == 1 && col_step != 1;
  const int64_t outer = by_columns ? cols : rows, inner = by_columns ? rows : cols;
  const int64_t outer_step = by_columns ? col_step : row_step, inner_step = by_columns ? row_step : col_step;
  const int64_t per_chunk = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, inner));
  parallel_for(ceil_div(outer, per_chunk), [&](int64_t chunk) {
    for (int64_t i = chunk * per_chunk; i < std::min(outer, (chunk + 1) * per_chunk); ++i) {
      const char* line = at(x, i * outer_step, 2);
      if (inner_step == 1) {
        cast(out + i * inner, line, inner);
      } else {
        constexpr int64_t kBlock = 256;
        std::uint16_t block[kBlock];
        for (int64_t j = 0; j < inner; j += kBlock) {
          const int64_t count = std::min(kBlock, inner - j);
          kernels().move.copy[1](block, 1, at(line, j * inner_step, 2), inner_step, count);
          cast(out + i * inner + j, block, count);
        }
      }
    }
  });
  row_step = by_columns ? 1 : inner;
  col_step = by_columns ? inner : 1;
  return out;
}

// bias and activation on rows of C, each rounded.
void finish_rows(const Gemm& s, char* c, int64_t rows, int64_t cols, const void* bias) {
  const auto& elementwise = kernels().elementwise;
  for (int64_t i = 0; i < rows; ++i) {
    void* const row = c + i * s.c_row * 2;
    if (bias) {
      const void* const operands[] = {row, bias};
      const int64_t steps[] = {1, 1};
      elementwise[static_cast<int>(ElementwiseOp::add)][index(s.dtype)](row, operands, steps, cols);
    }
    if (s.activation) {
      const void* const operand = row;
      const int64_t step = 1;
      s.activation(row, &operand, &step, cols);
    }
  }
}

void run_wide(const Gemm& s, const void* a, const void* b, void* c, const void* bias) {
  Gemm wide{DType::F32, s.m, s.n, s.k, s.a_row, s.a_col, s.b_row, s.b_col, s.n};
  auto* const scratch = static_cast<float*>(
      thread_scratch(kSharedSlot, static_cast<std::size_t>(s.m * s.k + s.k * s.n + s.m * s.n) * sizeof(float)));
  float *const wide_a = scratch, *const wide_b = wide_a + s.m * s.k, *const sums = wide_b + s.k * s.n;
  widen(s.dtype, a, s.m, s.k, wide.a_row, wide.a_col, wide_a);
  widen(s.dtype, b, s.k, s.n, wide.b_row, wide.b_col, wide_b);
  gemm(wide, wide_a, wide_b, sums);
  const CastFn cast = kernels().move.cast[index(s.dtype)][index(DType::F32)];
  const int64_t per_chunk = std::max<int64_t>(1, 16384 / s.n);
  parallel_for(ceil_div(s.m, per_chunk), [&](int64_t chunk) {
    const int64_t first = chunk * per_chunk, rows = std::min(per_chunk, s.m - first);
    char* const to = static_cast<char*>(c) + first * s.c_row * 2;
    for (int64_t i = 0; i < rows; ++i) cast(to + i * s.c_row * 2, sums + (first + i) * s.n, s.n);
    finish_rows(s, to, rows, s.n, bias);
  });
}

}  // namespace

void run_half_gemm(const Gemm& s, const void* a, const void* b, void* c, const void* bias) {
  const DotUnit unit = s.dtype == DType::BF16 ? dot_unit(DotType::bfloat16) : DotUnit::none;
  if (unit == DotUnit::none || s.m < kFewest || s.n < kFewest || s.k == 0) return run_wide(s, a, b, c, bias);
  const ElementwiseFn relu = kernels().elementwise[static_cast<int>(ElementwiseOp::relu)][index(DType::BF16)];
  const bool has_relu = s.activation == relu;
  const Product product{DotType::bfloat16, unit, 2, s.m, s.n, s.k, s.a_row, s.a_col, s.b_row, s.b_col, a, b};
  auto* const out = static_cast<std::uint16_t*>(c);
  run_blocks(
      product,
      [&](int64_t row, int64_t rows, int64_t column, int64_t columns, const void* sums) {
        kernels().dot.finish({static_cast<const float*>(sums), rows, columns, out + row * s.c_row + column, s.c_row,
                              bias ? static_cast<const std::uint16_t*>(bias) + column : nullptr, has_relu});
      },
      [&](int64_t row, int64_t rows, int64_t column, int64_t columns) {
        if (s.activation && !has_relu)
          finish_rows(s, reinterpret_cast<char*>(out + row * s.c_row + column), rows, columns, nullptr);
      });
}

// ---- bytes ---------------------------------------------------------------------------------------------------------

namespace {

// So many products of bytes add up to less than 2^24, where float32 is exact.
constexpr int64_t exact_terms(DotType type) { return type == DotType::unsigned_bytes ? 512 : 1024; }

void widen_bytes(DType from, const void* x, int64_t rows, int64_t cols, int64_t row_step, int64_t col_step,
                 float* out) {
  const CastFn cast = kernels().move.cast[index(DType::F32)][index(from)];
  const int64_t per_chunk = std::max<int64_t>(1, 32768 / std::max<int64_t>(1, cols));
  parallel_for(ceil_div(rows, per_chunk), [&](int64_t chunk) {
    for (int64_t i = chunk * per_chunk; i < std::min(rows, (chunk + 1) * per_chunk); ++i) {
      const char* line = at(x, i * row_step, 1);
      constexpr int64_t kBlock = 256;
      std::uint8_t block[kBlock];
      for (int64_t j = 0; j < cols; j += kBlock) {
        const int64_t count = std::min(kBlock, cols - j);
        kernels().move.copy[0](block, 1, line + j * col_step, col_step, count);
        cast(out + i * cols + j, block, count);
      }
    }
  });
}

void run_wide(const ByteGemm& s, const void* a, const void* b, std::int32_t* c) {
  const int64_t terms = std::min(s.k, exact_terms(s.type));
  auto* const scratch = static_cast<float*>(
      thread_scratch(kSharedSlot, static_cast<std::size_t>(s.m * terms + terms * s.n + s.m * s.n) * sizeof(float)));
  float *const wide_a = scratch, *const wide_b = wide_a + s.m * terms, *const sums = wide_b + terms * s.n;
  const DType a_type = s.type == DotType::unsigned_bytes ? DType::U8 : DType::I8;
  std::fill_n(c, s.m * s.n, 0);
  for (int64_t first = 0; first < s.k; first += terms) {
    const int64_t k = std::min(terms, s.k - first);
    widen_bytes(a_type, at(a, first * s.a_col, 1), s.m, k, s.a_row, s.a_col, wide_a);
    widen_bytes(DType::I8, at(b, first * s.b_row, 1), k, s.n, s.b_row, s.b_col, wide_b);
    gemm(Gemm{DType::F32, s.m, s.n, k, k, 1, s.n, 1, s.n}, wide_a, wide_b, sums);
    for (int64_t i = 0; i < s.m * s.n; ++i)
      c[i] = static_cast<std::int32_t>(static_cast<std::uint32_t>(c[i]) +
                                       static_cast<std::uint32_t>(static_cast<std::int32_t>(sums[i])));
  }
}

}  // namespace

void run_byte_gemm(const ByteGemm& s, const void* a, const void* b, std::int32_t* c) {
  if (s.m == 0 || s.n == 0) return;
  const DotUnit unit = dot_unit(s.type);
  if (unit == DotUnit::none || s.m < kFewest || s.n < kFewest || s.k == 0) return run_wide(s, a, b, c);
  const Product product{s.type, unit, 1, s.m, s.n, s.k, s.a_row, s.a_col, s.b_row, s.b_col, a, b};
  run_blocks(
      product,
      [&](int64_t row, int64_t rows, int64_t column, int64_t columns, const void* sums) {
        for (int64_t i = 0; i < rows; ++i)
          std::copy_n(static_cast<const std::int32_t*>(sums) + i * kDotWidth, columns, c + (row + i) * s.n + column);
      },
      [](int64_t, int64_t, int64_t, int64_t) {});
}

}  // namespace chainrule
