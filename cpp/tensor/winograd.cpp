#include "tensor/winograd.h"

#include <algorithm>

#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/conv.h"

namespace chainrule {
namespace {

using std::int64_t;

constexpr int kPlanes = 16;
// Fewer channels or tiles don't repay the transforms.
constexpr int64_t kLeastChannels = 32, kLeastTiles = 512;
// Scratch slots of a thread (runtime/threads.h); the products use 0 and 1.
constexpr int kKernelSlot = 2;  // on the calling thread: the transformed kernel
constexpr int kTileSlot = 3;    // on the thread of a chunk: transformed input and products

// Of the kernel's gradient: bytes of all partial sums, and how many there are.
constexpr int64_t kPartialBytes = 8 << 20, kMostParts = 16;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t plane_bytes(int64_t rows, int64_t columns) { return rows * columns * static_cast<int64_t>(sizeof(float)); }

// The 16 matrices (source channels, result channels), packed for the products.
void transform_kernel(const WinogradPlan& p, const float* kernel, char* packed) {
  const WinogradKernels& table = kernels().winograd;
  // As the kernel lies: rows of the convolution's input channels, columns of its output channels.
  const int64_t rows = p.backward ? p.result_channels : p.source_channels;
  const int64_t columns = p.backward ? p.source_channels : p.result_channels;
  const int64_t cell = rows * columns, plane = rows * columns;
  auto* planes = reinterpret_cast<float*>(packed + kPlanes * p.packed_bytes);
  constexpr int64_t kRowsAtOnce = 8;
  parallel_for(ceil_div(rows, kRowsAtOnce), [&](int64_t chunk) {
    const int64_t first = chunk * kRowsAtOnce, n = std::min(kRowsAtOnce, rows - first) * columns;
    const float* from = kernel + first * columns;
    table.kernel(planes + first * columns, plane, p.backward ? from + 8 * cell : from, p.backward ? -cell : cell, n);
  });
  for (int i = 0; i < kPlanes; ++i)
    pack_b(DType::F32, p.source_channels, p.result_channels, planes + i * plane, p.backward ? 1 : columns,
           p.backward ? columns : 1, packed + i * p.packed_bytes);
}

// The transformed input of the tiles of one row of tiles, `plane` elements between planes.
void transform_row(const WinogradPlan& p, const float* source, int64_t image, int64_t row, const float* zeros, float* v,
                   int64_t plane) {
  const WinogradKernels& table = kernels().winograd;
  const float* lines[4];
  for (int64_t r = 0; r < 4; ++r) {
    const int64_t y = 2 * row - p.low_h + r;
    lines[r] = y < 0 || y >= p.source_h ? nullptr : source + (image * p.source_h + y) * p.source_w * p.source_channels;
  }
  for (int64_t col = 0; col < p.tile_cols; ++col) {
    const float* pixels[kPlanes];
    for (int64_t i = 0; i < kPlanes; ++i) {
      const int64_t x = 2 * col - p.low_w + i % 4;
      const bool inside = lines[i / 4] && x >= 0 && x < p.source_w;
      pixels[i] = inside ? lines[i / 4] + x * p.source_channels : zeros;
    }
    table.input(v + col * p.source_channels, plane, pixels, p.source_channels);
  }
}

// The transformed gradient of the results of one row of tiles.
void transform_grad_row(const WinogradPlan& p, const float* g, int64_t image, int64_t row, const float* zeros, float* m,
                        int64_t plane) {
  const float* const first = g + (image * p.result_h + 2 * row) * p.result_w * p.result_channels;
  const int64_t lines = std::min<int64_t>(2, p.result_h - 2 * row);
  for (int64_t col = 0; col < p.tile_cols; ++col) {
    const float* dy[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t x = 2 * col + i % 2;
      dy[i] = i / 2 < lines && x < p.result_w ? first + (i / 2 * p.result_w + x) * p.result_channels : zeros;
    }
    kernels().winograd.output_grad(m + col * p.result_channels, plane, dy, p.result_channels);
  }
}

void finish_row(const WinogradPlan& p, const float* m, int64_t plane, const float* bias, int64_t image, int64_t row,
                float* result) {
  const WinogradKernels& table = kernels().winograd;
  float* const first = result + (image * p.result_h + 2 * row) * p.result_w * p.result_channels;
  const int64_t lines = std::min<int64_t>(2, p.result_h - 2 * row);
  for (int64_t col = 0; col < p.tile_cols; ++col) {
    float* y[4];
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t x = 2 * col + i % 2;
      y[i] = i / 2 < lines && x < p.result_w ? first + (i / 2 * p.result_w + x) * p.result_channels : nullptr;
    }
    table.output(y, m + col * p.result_channels, plane, bias, p.relu, p.result_channels);
  }
  if (!p.activation) return;
  const int64_t step = 1;
  const void* in = first;
  p.activation(first, &in, &step, lines * p.result_w * p.result_channels);
}

// Space for the transformed pixels and the products of some rows of tiles, of the thread of a chunk.
struct Tiles {
  int64_t count, v_plane, m_plane;
  float *zeros, *v, *m;
};
Tiles make_tiles(const WinogradPlan& p, int64_t rows) {
  Tiles t{};
  t.count = rows * p.tile_cols;
  t.v_plane = t.count * p.source_channels;
  t.m_plane = t.count * p.result_channels;
  const int64_t most_channels = std::max(p.source_channels, p.result_channels);
  t.zeros = static_cast<float*>(thread_scratch(
      kTileSlot, static_cast<std::size_t>(kPlanes * (t.v_plane + t.m_plane) + most_channels) * sizeof(float)));
  std::fill_n(t.zeros, most_channels, 0.0f);
  t.v = t.zeros + most_channels;
  t.m = t.v + kPlanes * t.v_plane;
  return t;
}

}  // namespace

WinogradPlan plan_winograd(const Conv& s, ConvPart part) {
  WinogradPlan p{};
  const bool window = s.window[0] == 1 && s.window[1] == 3 && s.window[2] == 3 && s.in[0] == 1 && s.low[0] == 0;
  bool plain = s.dtype == DType::F32 && s.groups == 1;
  for (int d = 0; d < kConvAxes; ++d) plain = plain && s.stride[d] == 1 && s.dilation[d] == 1 && s.low[d] <= 2;
  if (!window || !plain || std::min(s.c_in, s.c_out) < kLeastChannels) return p;
  p.backward = part == ConvPart::input_grad;
  p.images = s.images;
  p.source_h = p.backward ? s.out[1] : s.in[1];
  p.source_w = p.backward ? s.out[2] : s.in[2];
  p.result_h = p.backward ? s.in[1] : s.out[1];
  p.result_w = p.backward ? s.in[2] : s.out[2];
  p.low_h = p.backward ? 2 - s.low[1] : s.low[1];
  p.low_w = p.backward ? 2 - s.low[2] : s.low[2];
  p.source_channels = p.backward ? s.c_out : s.c_in;
  p.result_channels = p.backward ? s.c_in : s.c_out;
  p.tile_rows = ceil_div(p.result_h, 2);
  p.tile_cols = ceil_div(p.result_w, 2);
  // Images of odd length have half-empty tiles; small ones of them are better off with the direct sum.
  const double work = static_cast<double>(4 * p.tile_rows * p.tile_cols) / static_cast<double>(p.result_h * p.result_w);
  if (p.images * p.tile_rows * p.tile_cols < kLeastTiles || work > 1.4) return p;
  const ElementwiseFn relu = kernels().elementwise[static_cast<int>(ElementwiseOp::relu)][index(s.dtype)];
  p.relu = s.activation == relu;
  p.activation = p.relu ? nullptr : s.activation;
  // A block stays in the second-level cache. Where the 16 matrices of the kernel, or of its gradient, which is read and
  // written, don't stay there beside it, the block is larger, so that they come and go less often.
  const int64_t row_bytes = kPlanes * plane_bytes(p.tile_cols, p.source_channels + p.result_channels);
  const int64_t kernel_bytes = kPlanes * plane_bytes(p.source_channels, p.result_channels), l2 = cache_sizes().l2;
  const int64_t block_bytes = kernel_bytes <= (part == ConvPart::kernel_grad ? l2 / 2 : l2) ? l2 / 4 : l2;
  const int64_t rows = p.images * p.tile_rows;
  p.block_rows = std::clamp<int64_t>(block_bytes / row_bytes, 1, rows);
  p.chunks = ceil_div(rows, p.block_rows);
  // Sums over some rows of tiles each, of the whole kernel, for its gradient.
  p.parts = std::min({std::max<int64_t>(kPartialBytes / kernel_bytes, 2), kMostParts, rows});
  p.packed_bytes = static_cast<int64_t>(packed_b_bytes(DType::F32, p.source_channels, p.result_channels));
  p.used = true;
  return p;
}

void run_winograd(const WinogradPlan& p, const float* source, const float* kernel, const float* bias, float* result) {
  const int64_t weights = plane_bytes(p.source_channels, p.result_channels);
  char* packed =
      static_cast<char*>(thread_scratch(kKernelSlot, static_cast<std::size_t>(kPlanes * (p.packed_bytes + weights))));
  transform_kernel(p, kernel, packed);
  const int64_t rows = p.images * p.tile_rows;
  parallel_for(p.chunks, [&](int64_t chunk) {
    const int64_t begin = rows * chunk / p.chunks, end = rows * (chunk + 1) / p.chunks;
    const Tiles t = make_tiles(p, end - begin);
    for (int64_t row = begin; row < end; ++row)
      transform_row(p, source, row / p.tile_rows, row % p.tile_rows, t.zeros,
                    t.v + (row - begin) * p.tile_cols * p.source_channels, t.v_plane);
    Gemm product{};
    product.dtype = DType::F32;
    product.m = t.count;
    product.n = product.c_row = p.result_channels;
    product.k = product.a_row = p.source_channels;
    product.a_col = 1;
    product.b_packed = true;
    const GemmPlan plan = plan_gemm(product);
    for (int i = 0; i < kPlanes; ++i)
      run_gemm(plan, t.v + i * t.v_plane, packed + i * p.packed_bytes, t.m + i * t.m_plane, nullptr);
    for (int64_t row = begin; row < end; ++row)
      finish_row(p, t.m + (row - begin) * p.tile_cols * p.result_channels, t.m_plane, bias, row / p.tile_rows,
                 row % p.tile_rows, result);
  });
}

void run_winograd_kernel_grad(const WinogradPlan& p, const float* x, const float* g, float* result) {
  const WinogradKernels& table = kernels().winograd;
  const int64_t rows = p.images * p.tile_rows, cell = p.source_channels * p.result_channels, size = kPlanes * cell;
  auto* sums =
      static_cast<float*>(thread_scratch(kKernelSlot, static_cast<std::size_t>(p.parts * size) * sizeof(float)));
  parallel_for(p.parts, [&](int64_t part) {
    const int64_t first = rows * part / p.parts, last = rows * (part + 1) / p.parts;
    const int64_t blocks = ceil_div(last - first, p.block_rows);
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t begin = first + (last - first) * block / blocks,
                    end = first + (last - first) * (block + 1) / blocks;
      const Tiles t = make_tiles(p, end - begin);
      for (int64_t row = begin; row < end; ++row) {
        const int64_t tile = (row - begin) * p.tile_cols, image = row / p.tile_rows, place = row % p.tile_rows;
        transform_row(p, x, image, place, t.zeros, t.v + tile * p.source_channels, t.v_plane);
        transform_grad_row(p, g, image, place, t.zeros, t.m + tile * p.result_channels, t.m_plane);
      }
      Gemm product{};
      product.dtype = DType::F32;
      product.m = p.source_channels;
      product.n = product.b_row = product.c_row = p.result_channels;
      product.k = t.count;
      product.a_row = product.b_col = 1;
      product.a_col = p.source_channels;
      product.accumulate = block > 0;
      const GemmPlan plan = plan_gemm(product);
      for (int i = 0; i < kPlanes; ++i)
        run_gemm(plan, t.v + i * t.v_plane, t.m + i * t.m_plane, sums + part * size + i * cell, nullptr);
    }
  });
  const ElementwiseFn add = kernels().elementwise[static_cast<int>(ElementwiseOp::add)][index(DType::F32)];
  constexpr int64_t kRun = 2048;
  parallel_for(ceil_div(cell, kRun), [&](int64_t chunk) {
    const int64_t begin = chunk * kRun, n = std::min(kRun, cell - begin), steps[] = {1, 1};
    for (int64_t i = 0; i < kPlanes; ++i) {
      float* const total = sums + i * cell + begin;
      for (int64_t part = 1; part < p.parts; ++part) {
        const void* operands[] = {total, total + part * size};
        add(total, operands, steps, n);
      }
    }
    table.kernel_grad(result + begin, cell, sums + begin, cell, n);
  });
}

}  // namespace chainrule
