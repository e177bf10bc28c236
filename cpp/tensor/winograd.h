// Winograd's convolution F(2 x 2, 3 x 3): a 3 x 3 window of step 1 over two spatial axes with 16 products for every
// 2 x 2 results instead of 36 (Winograd 1980; Lavin and Gray, CVPR 2016), float32, channels last.
//   Y = A' [ sum over channels of (G g G') * (B' d B) ] A     for the 4 x 4 pixels d behind 2 x 2 results Y
// The sums over channels are 16 matrix products (kernels/winograd.cpp has the transforms). Its rounding error is about
// twice that of the direct sum: the transforms add up to 4 x 4 pixels whose sum need not be small.
// Invariants: as tensor/conv.h; work is cut into rows of 2 x 2 tiles by shape alone.
#pragma once

#include <cstdint>

#include "tensor/gemm.h"

namespace chainrule {

struct Conv;
enum class ConvPart : std::uint8_t;

struct WinogradPlan {
  bool used = false;
  std::int64_t images, source_h, source_w, result_h, result_w, low_h, low_w;
  std::int64_t source_channels, result_channels;
  bool backward;  // the gradient of the input: the window turned around, its channels exchanged
  bool relu;
  ElementwiseFn activation;           // any other
  std::int64_t tile_rows, tile_cols;  // of one image
  std::int64_t block_rows, chunks;    // rows of tiles that are handled together
  std::int64_t parts;                 // of the gradient of the kernel: sums over so many ranges of rows of tiles
  std::int64_t packed_bytes;          // of one of the 16 matrices of the kernel
};

// Not used where the window isn't of this kind or where it doesn't pay.
WinogradPlan plan_winograd(const Conv& conv, ConvPart part);
// forward: x, kernel, bias (may be null) -> y; input_grad: gradient of y, kernel -> gradient of x.
void run_winograd(const WinogradPlan& plan, const float* source, const float* kernel, const float* bias, float* result);
void run_winograd_kernel_grad(const WinogradPlan& plan, const float* x, const float* g, float* result);

}  // namespace chainrule
