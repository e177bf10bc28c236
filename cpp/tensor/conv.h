// Convolution with one to three spatial axes and its two gradients, float32 and float64, channels last.
// Invariants: arrays are contiguous: x (images, in..., c_in), kernel (window..., c_in / groups, c_out), y (images,
// out..., c_out). No patch matrix is made: tiles read x through tables of offsets, and positions at a border, where
// cells of the window are missing, have tables of their own (the kernel gradient copies a few rows of x between zeros
// instead). Work is cut by shape alone and every sum has one fixed order, so the bits don't depend on the number of
// threads.
#pragma once

#include <cstdint>
#include <vector>

#include "base/dtype.h"
#include "kernels/table.h"
#include "tensor/gemm.h"
#include "tensor/winograd.h"

namespace chainrule {

constexpr int kConvAxes = 3;

// y[o] = sum over window cells w of x[o * stride - low + w * dilation] kernel[w]; cells outside x count as 0.
// Missing spatial axes come first, with every length 1.
struct Conv {
  DType dtype;
  std::int64_t images, c_in, c_out, groups;
  std::int64_t in[kConvAxes], out[kConvAxes], window[kConvAxes], stride[kConvAxes], dilation[kConvAxes], low[kConvAxes];
  bool has_bias = false;               // of c_out elements
  ElementwiseFn activation = nullptr;  // unary; applied while the result is in cache

  bool depthwise() const { return groups == c_in && groups == c_out && groups > 1; }
  std::int64_t window_size() const { return window[0] * window[1] * window[2]; }
};

enum class ConvPart : std::uint8_t { forward, input_grad, kernel_grad };

// How one spatial axis is walked: position i < count lies at out_first + i * out_step of the result and reads the
// source at source_first + i * source_step + tap offset.
struct ConvTap {
  std::int64_t offset, cell;  // cell: its place in the window
};
// Positions [begin, end) of an axis that have the taps [first_tap, end_tap) inside the source.
struct ConvRange {
  std::int64_t begin, end, first_tap, end_tap;
};
struct ConvAxis {
  std::int64_t count = 0, out_first = 0, out_step = 1, source_first = 0, source_step = 1;
  std::vector<ConvTap> taps;
  std::vector<ConvRange> ranges;
  std::int64_t least = 0, most = 0;  // tap offsets
};

// Positions that have the same taps inside the source, one range of each axis.
struct ConvClass {
  std::vector<std::int64_t> columns;  // offset in the source of each (tap, channel of a group), from the first one
  std::vector<std::int64_t> places;   // of the matching rows of the kernel
  std::int64_t first;                 // offset of the first column from the position
};

// Positions that meet the same cells of the window: all of them in the forward direction; in the direction of the input
// gradient those of one remainder by the strides.
struct ConvPhase {
  ConvAxis axis[kConvAxes];
  std::vector<std::int64_t> cells;  // of the taps, in their order
  std::vector<ConvClass> classes;   // by range of axis 0, 1, 2; one for all with a border of zeros
  std::int64_t pitch[kConvAxes];    // elements from one source coordinate to the next
  std::int64_t lines, block_lines;  // rows of positions (image, axis 0, axis 1); how many are handled together
  std::int64_t first_chunk, packed_at, depth;  // depth: rows of the packed kernel, which begins at packed_at
  // kernel_grad alone:
  bool bordered;                 // windows reach outside the source: its rows are copied between zeros
  std::int64_t slab_rows, slab;  // rows and elements copied for one image and place on axis 0
};

struct ConvPlan {
  Conv shape;
  ConvPart part;
  bool nothing;    // the result has no elements
  bool pointwise;  // one cell, one to one: a matrix product
  bool relu;       // the activation is relu, which the tiles apply themselves
  bool pack;       // the kernel is packed first
  GemmPlan gemm;
  WinogradPlan winograd;  // if used, the rest isn't
  std::int64_t source_length[kConvAxes], result_length[kConvAxes];
  std::int64_t source_channels, result_channels;
  std::int64_t packed_size, chunks;
  std::vector<ConvPhase> phases;
  // kernel_grad: `parts` sums over ranges of lines, each cut into blocks of kernel rows
  std::int64_t parts, row_blocks;
  std::vector<std::int64_t> places;  // of the rows of the kernel
};

ConvPlan plan_conv(const Conv& shape, ConvPart part);
// forward: x, kernel, bias -> y; input_grad: gradient of y, kernel -> gradient of x; kernel_grad: x, gradient of y ->
// gradient of the kernel. `bias` may be null.
void run_conv(const ConvPlan& plan, const void* first, const void* second, const void* bias, void* result);

}  // namespace chainrule
