#include "tensor/conv_half.h"

#include <algorithm>
#include <cstring>

#include "runtime/cpu.h"
#include "runtime/dot_unit.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

using std::int64_t;
using Half = std::uint16_t;

constexpr int kSharedSlot = 2;           // scratch of the calling thread: the packed kernel; partial sums
constexpr int kOwnSlot = 3;              // of the thread of a chunk: windows, panels, sums
constexpr double kChunkWork = 2e6;       // multiply-adds
constexpr int64_t kFewestColumns = 4;    // fewer leave most of a tile empty
constexpr int64_t kFewestTerms = 32;     // fewer aren't worth copying windows
constexpr int64_t kMostStridedWork = 4;  // input gradient: zeros between the rows of g multiply the work by the strides
// Gradient of the kernel: positions and elements of windows that are copied together; sums over parts of the positions.
constexpr int64_t kBlockPositions = 512, kBlockElements = 1 << 19, kMostParts = 16, kMostPartElements = 1 << 23;
constexpr int64_t kFewElements = 12;  // of a line of cells
constexpr int64_t kSumsBytes = kDotWidth * kDotWidth * 4;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t volume(const int64_t* lengths) { return lengths[0] * lengths[1] * lengths[2]; }
int64_t panel_bytes(int64_t k) { return dot_steps(k, sizeof(Half)) * kDotStepBytes; }

// The windows of a convolution over a source: cell c of the window of position i lies at i * stride - low + c *
// dilation, where the source has its pixels every `spread` places and zeros between them. The input gradient is the
// convolution of the spread gradient with the kernel turned around.
struct Windows {
  const Half* source;
  int64_t channels;
  int64_t length[kConvAxes], positions[kConvAxes], window[kConvAxes];
  int64_t stride[kConvAxes], spread[kConvAxes], dilation[kConvAxes], low[kConvAxes];

  int64_t row() const { return volume(window) * channels; }
  // The pixel along an axis, or -1.
  int64_t pixel(int d, int64_t position, int64_t cell) const {
    const int64_t place = position * stride[d] - low[d] + cell * dilation[d];
    if (spread[d] == 1) return place < length[d] ? std::max<int64_t>(place, -1) : -1;
    if (place < 0 || place % spread[d] != 0 || place / spread[d] >= length[d]) return -1;
    return place / spread[d];
  }
};

Windows windows_of(const Conv& s, bool backward, const void* source) {
  Windows w{};
  w.source = static_cast<const Half*>(source);
  w.channels = backward ? s.c_out : s.c_in;
  for (int d = 0; d < kConvAxes; ++d) {
    w.length[d] = backward ? s.out[d] : s.in[d];
    w.positions[d] = backward ? s.in[d] : s.out[d];
    w.window[d] = s.window[d];
    w.stride[d] = backward ? 1 : s.stride[d];
    w.spread[d] = backward ? s.stride[d] : 1;
    w.dilation[d] = s.dilation[d];
    w.low[d] = backward ? (s.window[d] - 1) * s.dilation[d] - s.low[d] : s.low[d];
  }
  return w;
}

// One line of cells along the last axis; `line` is null outside the source.
void copy_line(const Windows& w, const Half* line, int64_t x, Half* to) {
  const int64_t n = w.channels, cells = w.window[2];
  if (line && w.spread[2] == 1 && w.dilation[2] == 1) {
    const int64_t from = x * w.stride[2] - w.low[2];
    const int64_t begin = std::clamp<int64_t>(-from, 0, cells), end = std::clamp(w.length[2] - from, begin, cells);
    if (begin == 0 && end == cells && cells * n <= kFewElements) {  // less than a call costs
      const Half* const source = line + from * n;
      for (int64_t i = 0; i < cells * n; ++i) to[i] = source[i];
      return;
    }
    std::fill_n(to, begin * n, Half{0});
    if (begin < end)
      std::memcpy(to + begin * n, line + (from + begin) * n,
                  static_cast<std::size_t>((end - begin) * n) * sizeof(Half));
    std::fill_n(to + end * n, (cells - end) * n, Half{0});
    return;
  }
  for (int64_t cell = 0; cell < cells; ++cell, to += n) {
    const int64_t pixel = line ? w.pixel(2, x, cell) : -1;
    if (pixel < 0) {
      std::fill_n(to, n, Half{0});
    } else {
      std::memcpy(to, line + pixel * n, static_cast<std::size_t>(n) * sizeof(Half));
    }
  }
}

// Copies the windows of positions [first, first + count), one after the other.
void copy_windows(const Windows& w, int64_t first, int64_t count, Half* to) {
  const int64_t line_elements = w.window[2] * w.channels, pitch = w.length[2] * w.channels;
  int64_t x = first % w.positions[2], y = first / w.positions[2] % w.positions[1],
          z = first / (w.positions[2] * w.positions[1]) % w.positions[0], image = first / volume(w.positions);
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t a = 0; a < w.window[0]; ++a) {
      const int64_t depth = w.pixel(0, z, a);
      for (int64_t b = 0; b < w.window[1]; ++b, to += line_elements) {
        const int64_t height = depth < 0 ? -1 : w.pixel(1, y, b);
        const int64_t line = (image * w.length[0] + depth) * w.length[1] + height;
        copy_line(w, height < 0 ? nullptr : w.source + line * pitch, x, to);
      }
    }
    if (++x < w.positions[2]) continue;
    x = 0;
    if (++y < w.positions[1]) continue;
    y = 0;
    if (++z < w.positions[0]) continue;
    z = 0;
    ++image;
  }
}

auto product_of(DotUnit unit) {
  return kernels().dot.multiply[static_cast<int>(unit)][static_cast<int>(DotType::bfloat16)];
}

// ---- forward and input gradient
// --------------------------------------------------------------------------------------

void run_positions(const HalfConvPlan& plan, const void* source, const Half* kernel, const void* bias, Half* result) {
  const Conv& s = plan.shape;
  const DotKernels& dot = kernels().dot;
  const bool backward = plan.part == ConvPart::input_grad;
  const Windows windows = windows_of(s, backward, source);
  const int64_t rows = s.images * volume(windows.positions), columns = backward ? s.c_in : s.c_out, k = windows.row();
  const int64_t steps = dot_steps(k, sizeof(Half)), bytes = panel_bytes(k), strips = ceil_div(columns, kDotWidth);
  const int64_t cells = volume(s.window);

  auto* const packed = static_cast<char*>(thread_scratch(
      kSharedSlot, static_cast<std::size_t>(strips * bytes + (backward ? k * columns : 0) * int64_t{sizeof(Half)})));
  if (backward) {  // the cells in reverse, the matrix of each transposed
    auto* const turned = reinterpret_cast<Half*>(packed + strips * bytes);
    parallel_for(cells, [&](int64_t cell) {
      kernels().move.transpose[1](turned + cell * s.c_out * s.c_in, s.c_in,
                                  kernel + (cells - 1 - cell) * s.c_in * s.c_out, s.c_out, s.c_in, s.c_out);
    });
    kernel = turned;
  }
  parallel_for(strips, [&](int64_t q) {
    dot.pack[sizeof(Half) - 1]({packed + q * bytes, kernel + q * kDotWidth, 1, columns,
                                std::min(kDotWidth, columns - q * kDotWidth), k, true, false});
  });

  const bool relu =
      s.activation && s.activation == kernels().elementwise[static_cast<int>(ElementwiseOp::relu)][index(s.dtype)];
  const double work = static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(k);
  const int64_t panels = ceil_div(rows, kDotWidth);
  const int64_t chunks = std::clamp<int64_t>(static_cast<int64_t>(work / kChunkWork), 1, panels);
  parallel_for(chunks, [&](int64_t chunk) {
    auto* const panel = static_cast<char*>(
        thread_scratch(kOwnSlot, static_cast<std::size_t>(bytes + kSumsBytes + kDotWidth * k * int64_t{sizeof(Half)})));
    auto* const sums = reinterpret_cast<float*>(panel + bytes);
    auto* const block = reinterpret_cast<Half*>(panel + bytes + kSumsBytes);
    dot.begin(plan.unit);
    for (int64_t p = panels * chunk / chunks; p < panels * (chunk + 1) / chunks; ++p) {
      const int64_t first = p * kDotWidth, count = std::min(kDotWidth, rows - first);
      copy_windows(windows, first, count, block);
      dot.pack[sizeof(Half) - 1]({panel, block, k, 1, count, k, false, false});
      for (int64_t q = 0; q < strips; ++q) {
        const int64_t column = q * kDotWidth, width = std::min(kDotWidth, columns - column);
        product_of(plan.unit)({panel, packed + q * bytes, steps, count, width, sums, nullptr, false});
        dot.finish({sums, count, width, result + first * columns + column, columns,
                    bias ? static_cast<const Half*>(bias) + column : nullptr, relu});
      }
      if (s.activation && !relu) {
        const void* const operand = result + first * columns;
        const int64_t step = 1;
        s.activation(result + first * columns, &operand, &step, count * columns);
      }
    }
    dot.end(plan.unit);
  });
}

// ---- kernel gradient
// -------------------------------------------------------------------------------------------------

void run_sums(const HalfConvPlan& plan, const void* x, const Half* g, Half* result) {
  const Conv& s = plan.shape;
  const DotKernels& dot = kernels().dot;
  const Windows windows = windows_of(s, false, x);
  const int64_t positions = s.images * volume(s.out), rows = windows.row(), columns = s.c_out;
  const int64_t panels = ceil_div(rows, kDotWidth), strips = ceil_div(columns, kDotWidth), tiles = panels * strips;
  const int64_t step = dot_step(sizeof(Half));
  const int64_t block_positions = std::clamp(kBlockElements / rows / step * step, 2 * step, kBlockPositions);
  const int64_t blocks = ceil_div(positions, block_positions), bytes = panel_bytes(block_positions);
  const int64_t parts = std::clamp<int64_t>(std::min(blocks, kMostPartElements / (rows * columns)), 1, kMostParts);
  const int64_t row_groups = std::min(panels, ceil_div(kMostParts, parts));

  auto* const sums =
      static_cast<char*>(thread_scratch(kSharedSlot, static_cast<std::size_t>(parts * tiles * kSumsBytes)));
  parallel_for(parts * row_groups, [&](int64_t chunk) {
    const int64_t part = chunk / row_groups, group = chunk % row_groups;
    const int64_t first_block = blocks * part / parts, last_block = blocks * (part + 1) / parts;
    auto* const panel = static_cast<char*>(thread_scratch(
        kOwnSlot, static_cast<std::size_t>((1 + strips) * bytes + block_positions * rows * int64_t{sizeof(Half)})));
    char* const packed = panel + bytes;
    auto* const block = reinterpret_cast<Half*>(packed + strips * bytes);
    dot.begin(plan.unit);
    for (int64_t i = first_block; i < last_block; ++i) {
      const int64_t first = i * block_positions, count = std::min(block_positions, positions - first);
      copy_windows(windows, first, count, block);
      for (int64_t q = 0; q < strips; ++q)
        dot.pack[sizeof(Half) - 1]({packed + q * bytes, g + first * columns + q * kDotWidth, 1, columns,
                                    std::min(kDotWidth, columns - q * kDotWidth), count, true, false});
      for (int64_t p = panels * group / row_groups; p < panels * (group + 1) / row_groups; ++p) {
        const int64_t height = std::min(kDotWidth, rows - p * kDotWidth);
        dot.pack[sizeof(Half) - 1]({panel, block + p * kDotWidth, 1, rows, height, count, false, false});
        for (int64_t q = 0; q < strips; ++q)
          product_of(plan.unit)({panel, packed + q * bytes, dot_steps(count, sizeof(Half)), height,
                                 std::min(kDotWidth, columns - q * kDotWidth),
                                 sums + (part * tiles + p * strips + q) * kSumsBytes, nullptr, i > first_block});
      }
    }
    dot.end(plan.unit);
  });
  const ElementwiseFn add = kernels().elementwise[static_cast<int>(ElementwiseOp::add)][index(DType::F32)];
  parallel_for(tiles, [&](int64_t tile) {
    const int64_t row = tile / strips * kDotWidth, column = tile % strips * kDotWidth;
    auto* const total = reinterpret_cast<float*>(sums + tile * kSumsBytes);
    const int64_t height = std::min(kDotWidth, rows - row), ones[] = {1, 1};
    for (int64_t part = 1; part < parts; ++part) {
      const void* const operands[] = {total, sums + (part * tiles + tile) * kSumsBytes};
      add(total, operands, ones, height * kDotWidth);
    }
    dot.finish({total, height, std::min(kDotWidth, columns - column), result + row * columns + column, columns, nullptr,
                false});
  });
}

// ---- through float32
// -------------------------------------------------------------------------------------------------

constexpr int64_t kRun = 8192;  // elements that are converted together

void widen(DType dtype, const void* x, float* out, int64_t count) {
  const CastFn cast = kernels().move.cast[index(DType::F32)][index(dtype)];
  parallel_for(ceil_div(count, kRun), [&](int64_t chunk) {
    const int64_t begin = chunk * kRun;
    cast(out + begin, static_cast<const Half*>(x) + begin, std::min(kRun, count - begin));
  });
}

class Floats {
 public:
  explicit Floats(int64_t count)
      : bytes_(static_cast<std::size_t>(count) * sizeof(float)), data_(static_cast<float*>(allocate(bytes_))) {}
  Floats(DType dtype, const void* x, int64_t count) : Floats(count) { widen(dtype, x, data_, count); }
  ~Floats() { deallocate(data_, bytes_); }
  Floats(const Floats&) = delete;
  Floats& operator=(const Floats&) = delete;
  float* data() const { return data_; }

 private:
  std::size_t bytes_;
  float* data_;
};

// Rounds the sums, adds the bias, applies the activation: each as an op of its own would.
class Finish {
 public:
  Finish(const Conv& s, const void* bias)
      : s_(s),
        columns_(bias ? s.c_out : 1),
        rows_(std::max<int64_t>(1, kRun / std::max<int64_t>(1, columns_))),
        biases_(bias ? ceil_div(rows_ * columns_, 2) : 0),
        has_bias_(bias != nullptr) {
    // As often as there are rows in a run: a call for each row would cost more than its sums.
    for (int64_t i = 0; bias && i < rows_; ++i)
      std::memcpy(repeated() + i * columns_, bias, static_cast<std::size_t>(columns_) * sizeof(Half));
  }
  void operator()(const float* sums, Half* result, int64_t count) const {
    const CastFn cast = kernels().move.cast[index(s_.dtype)][index(DType::F32)];
    const ElementwiseFn add = kernels().elementwise[static_cast<int>(ElementwiseOp::add)][index(s_.dtype)];
    const int64_t run = rows_ * columns_;
    parallel_for(ceil_div(count, run), [&](int64_t chunk) {
      const int64_t begin = chunk * run, n = std::min(run, count - begin), ones[] = {1, 1};
      Half* const out = result + begin;
      cast(out, sums + begin, n);
      const void* const operands[] = {out, repeated()};
      if (has_bias_) add(out, operands, ones, n);
      if (s_.activation) s_.activation(out, operands, ones, n);
    });
  }

 private:
  Half* repeated() const { return reinterpret_cast<Half*>(biases_.data()); }

  const Conv& s_;
  int64_t columns_, rows_;
  Floats biases_;
  bool has_bias_;
};

int64_t kernel_elements(const Conv& s) { return volume(s.window) * (s.c_in / s.groups) * s.c_out; }

void run_wide(const HalfConvPlan& plan, const void* first, const void* second, const void* bias, void* result) {
  const Conv& s = plan.shape;
  const int64_t x = volume(s.in) * s.c_in, y = volume(s.out) * s.c_out,
                kernel = kernel_elements(s);  // x, y: an image's
  const Finish finish(s, bias);
  auto* const out = static_cast<Half*>(result);
  if (plan.part == ConvPart::kernel_grad) {
    const Floats wide_x(s.dtype, first, s.images * x), wide_g(s.dtype, second, s.images * y), sums(kernel);
    run_conv(plan.wide, wide_x.data(), wide_g.data(), nullptr, sums.data());
    finish(sums.data(), out, kernel);
    return;
  }
  const bool forward = plan.part == ConvPart::forward;
  const int64_t source = forward ? x : y, made = forward ? y : x;
  const Floats wide_kernel(s.dtype, second, kernel);
  parallel_for(ceil_div(s.images, std::max<int64_t>(1, plan.images)), [&](int64_t chunk) {
    const int64_t image = chunk * plan.images, images = std::min(plan.images, s.images - image);
    const Floats wide(s.dtype, static_cast<const Half*>(first) + image * source, images * source), sums(images * made);
    run_conv(images == plan.images ? plan.wide : plan.rest, wide.data(), wide_kernel.data(), nullptr, sums.data());
    finish(sums.data(), out + image * made, images * made);
  });
}

}  // namespace

HalfConvPlan plan_half_conv(const Conv& shape, ConvPart part) {
  HalfConvPlan plan{};
  plan.shape = shape;
  plan.part = part;
  plan.unit = shape.dtype == DType::BF16 ? dot_unit(DotType::bfloat16) : DotUnit::none;
  const int64_t strides = volume(shape.stride), columns = part == ConvPart::input_grad ? shape.c_in : shape.c_out;
  const bool empty = shape.images * volume(shape.in) * volume(shape.out) * shape.c_in * shape.c_out == 0;
  const int64_t terms = volume(shape.window) * (part == ConvPart::input_grad ? shape.c_out : shape.c_in);
  if (empty || shape.groups != 1 || columns < kFewestColumns || terms < kFewestTerms ||
      (part == ConvPart::input_grad && strides > kMostStridedWork))
    plan.unit = DotUnit::none;
  if (plan.unit == DotUnit::none) {
    Conv wide = shape;
    wide.dtype = DType::F32;
    wide.has_bias = false;
    wide.activation = nullptr;
    // Images whose sums stay in the second-level cache, unless the kernel, which every group of them packs, is as
    // large.
    const int64_t image = 4 * std::max<int64_t>(1, volume(shape.out) * shape.c_out + volume(shape.in) * shape.c_in);
    const bool apart = part != ConvPart::kernel_grad && 4 * kernel_elements(shape) * 4 < image;
    plan.images =
        apart ? std::clamp<int64_t>(cache_sizes().l2 / 2 / image, 1, std::max<int64_t>(1, shape.images)) : shape.images;
    wide.images = plan.images;
    plan.wide = plan_conv(wide, part);
    wide.images = apart ? shape.images % plan.images : 0;
    if (wide.images > 0) plan.rest = plan_conv(wide, part);
  }
  return plan;
}

void run_half_conv(const HalfConvPlan& plan, const void* first, const void* second, const void* bias, void* result) {
  if (!plan.shape.has_bias) bias = nullptr;
  if (plan.unit == DotUnit::none) return run_wide(plan, first, second, bias, result);
  auto* const right = static_cast<const Half*>(second);
  auto* const out = static_cast<Half*>(result);
  if (plan.part == ConvPart::kernel_grad) return run_sums(plan, first, right, out);
  run_positions(plan, first, right, bias, out);
}

}  // namespace chainrule
