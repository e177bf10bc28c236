#include "tensor/conv.h"

#include <algorithm>
#include <cstring>

#include "kernels/gemm.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

using std::int64_t;

// Work is cut into so many chunks, if they are no smaller and no larger than this. A kernel that doesn't stay in the
// second-level cache is read again by every chunk: then there are fewer.
constexpr double kSerialFlops = 200e3, kLeastChunkFlops = 500e3, kMostChunkFlops = 32e6;
constexpr double kChunks = 32, kLargeKernelChunks = 16;
// Source rows copied for a block, and the partial sums of a kernel gradient.
constexpr int64_t kBlockBytes = 256 << 10, kPartialBytes = 8 << 20;
constexpr int64_t kMostParts = 32, kMostBlockPositions = 512;
constexpr int64_t kKernelRowBlock = 56;
// Of few parts, each is cut into an even number of row blocks, so that two threads end together, and into few: every
// one of them reads all of the part's positions.
constexpr int64_t kRowChunks = 8;
// With so few positions, copying the kernel costs more than it saves.
constexpr int64_t kFewPositions = 512;

// Scratch slots of a thread (runtime/threads.h).
constexpr int kSharedSlot = 0;  // on the calling thread: packed kernels, partial sums
constexpr int kBlockSlot = 1;   // on the thread of a chunk: source rows between zeros
constexpr int kTableSlot = 2;   // on the thread of a chunk: tables of offsets

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Division rounded towards minus infinity, and its remainder; b > 0.
constexpr int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

const char* at(const void* p, int64_t elements, int64_t size) { return static_cast<const char*>(p) + elements * size; }
char* at(void* p, int64_t elements, int64_t size) { return static_cast<char*>(p) + elements * size; }
int64_t size_of(const ConvPlan& plan) { return static_cast<int64_t>(itemsize(plan.shape.dtype)); }
int kernel_of(const ConvPlan& plan) { return plan.shape.dtype == DType::F64; }

// ---- planning
// --------------------------------------------------------------------------------------------------------

ConvAxis forward_axis(const Conv& s, int d) {
  ConvAxis axis;
  axis.count = s.out[d];
  axis.source_first = -s.low[d];
  axis.source_step = s.stride[d];
  for (int64_t w = 0; w < s.window[d]; ++w) axis.taps.push_back({w * s.dilation[d], w});
  return axis;
}

// y[o] reads x[i] with cell w where i + low = o * stride + w * dilation: for the i whose i + low leaves `remainder`,
// i + low = q * stride + remainder and o = q - (w * dilation - remainder) / stride.
ConvAxis backward_axis(const Conv& s, int d, int64_t remainder) {
  ConvAxis axis;
  const int64_t stride = s.stride[d], first = -floor_div(remainder - s.low[d], stride);
  axis.out_first = first * stride + remainder - s.low[d];
  axis.out_step = stride;
  axis.count = axis.out_first < s.in[d] ? ceil_div(s.in[d] - axis.out_first, stride) : 0;
  axis.source_first = first;
  for (int64_t w = 0; w < s.window[d]; ++w)
    if (w * s.dilation[d] % stride == remainder) axis.taps.push_back({-((w * s.dilation[d] - remainder) / stride), w});
  return axis;
}

int64_t channels_of_group(const ConvPlan& plan) {
  return plan.shape.depthwise() ? 1 : plan.source_channels / plan.shape.groups;
}

// Maximal runs of positions with the same taps inside the source.
void find_ranges(ConvAxis& axis, int64_t length) {
  for (int64_t i = 0; i < axis.count; ++i) {
    const int64_t at = axis.source_first + i * axis.source_step;
    const auto inside = [&](const ConvTap& tap) { return at + tap.offset >= 0 && at + tap.offset < length; };
    const auto first = std::find_if(axis.taps.begin(), axis.taps.end(), inside);
    const int64_t begin = first - axis.taps.begin(),
                  end = std::find_if_not(first, axis.taps.end(), inside) - axis.taps.begin();
    if (axis.ranges.empty() || axis.ranges.back().first_tap != begin || axis.ranges.back().end_tap != end)
      axis.ranges.push_back({i, i, begin, end});
    axis.ranges.back().end = i + 1;
  }
}

// The tables of the positions in one range of each axis.
ConvClass make_class(const ConvPlan& plan, const ConvPhase& phase, const ConvRange& z, const ConvRange& y,
                     const ConvRange& x) {
  const int64_t own = channels_of_group(plan), out = plan.shape.c_out / plan.shape.groups;
  const int64_t strip = kernels().conv.strip[kernel_of(plan)];
  const int64_t row = plan.shape.depthwise() || !plan.pack ? plan.shape.c_out : strip;
  const int64_t rows = plan.shape.depthwise() ? 1 : plan.part == ConvPart::input_grad ? out : own;
  const ConvAxis* axis = phase.axis;
  const auto counts = [&](int d) { return static_cast<int64_t>(axis[d].taps.size()); };
  ConvClass c;
  c.first = 0;
  for (int64_t i = z.first_tap; i < z.end_tap; ++i)
    for (int64_t j = y.first_tap; j < y.end_tap; ++j)
      for (int64_t k = x.first_tap; k < x.end_tap; ++k) {
        const int64_t offset = axis[0].taps[static_cast<std::size_t>(i)].offset * phase.pitch[0] +
                               axis[1].taps[static_cast<std::size_t>(j)].offset * phase.pitch[1] +
                               axis[2].taps[static_cast<std::size_t>(k)].offset * phase.pitch[2];
        if (c.columns.empty()) c.first = offset;
        const int64_t tap = (i * counts(1) + j) * counts(2) + k;
        for (int64_t channel = 0; channel < own; ++channel) {
          c.columns.push_back(offset - c.first + channel);
          c.places.push_back((tap * rows + channel) * row);
        }
      }
  return c;
}

void finish_phase(const ConvPlan& plan, ConvPhase& phase, int64_t most_positions) {
  const Conv& s = plan.shape;
  const bool sums = plan.part == ConvPart::kernel_grad;
  phase.bordered = false;
  for (int d = 0; d < kConvAxes; ++d) {
    ConvAxis& axis = phase.axis[d];
    if (!axis.taps.empty()) {
      const auto [least, most] = std::minmax(axis.taps.front().offset, axis.taps.back().offset);
      axis.least = least;
      axis.most = most;
    }
    find_ranges(axis, plan.source_length[d]);
    const int64_t taps = static_cast<int64_t>(axis.taps.size());
    phase.bordered |=
        sums && !(axis.ranges.size() == 1 && axis.ranges[0].first_tap == 0 && axis.ranges[0].end_tap == taps);
    if (sums) axis.ranges = {{0, axis.count, 0, taps}};
  }
  const ConvAxis &depth = phase.axis[0], &height = phase.axis[1], &width = phase.axis[2];
  for (const ConvTap& z : depth.taps)
    for (const ConvTap& y : height.taps)
      for (const ConvTap& x : width.taps) phase.cells.push_back((z.cell * s.window[1] + y.cell) * s.window[2] + x.cell);
  phase.depth = static_cast<int64_t>(phase.cells.size()) * channels_of_group(plan);

  // Blocks of lines: as large as the limits allow.
  const int64_t channels = plan.source_channels, size = size_of(plan);
  phase.lines = s.images * depth.count * height.count;
  phase.block_lines = std::clamp<int64_t>(ceil_div(most_positions, width.count), 1, phase.lines);
  const int64_t row = ((width.count - 1) * width.source_step + width.most - width.least + 1) * channels;
  const auto set_slab = [&] {
    phase.slab_rows =
        (std::min(height.count, phase.block_lines) - 1) * height.source_step + height.most - height.least + 1;
    phase.slab = (depth.most - depth.least + 1) * phase.slab_rows * row;
  };
  set_slab();
  while (phase.bordered && phase.block_lines > 1 &&
         (ceil_div(phase.block_lines - 1, height.count) + 1) * phase.slab * size > kBlockBytes) {
    phase.block_lines = phase.block_lines > 2 * height.count ? phase.block_lines / 2 : phase.block_lines - 1;
    set_slab();
  }
  phase.pitch[2] = channels;
  phase.pitch[1] = phase.bordered ? row : plan.source_length[2] * channels;
  phase.pitch[0] = phase.pitch[1] * (phase.bordered ? phase.slab_rows : plan.source_length[1]);
  for (const ConvRange& z : depth.ranges)
    for (const ConvRange& y : height.ranges)
      for (const ConvRange& x : width.ranges) phase.classes.push_back(make_class(plan, phase, z, y, x));
}

double flops_of(const Conv& s) {
  const double positions = static_cast<double>(s.images * s.out[0] * s.out[1] * s.out[2]);
  return 2 * positions * static_cast<double>(s.window_size() * (s.c_in / s.groups) * s.c_out);
}

GemmPlan plan_pointwise(const ConvPlan& plan) {
  const Conv& s = plan.shape;
  const bool forward = plan.part == ConvPart::forward;
  Gemm product{};
  product.dtype = s.dtype;
  product.m = s.images * s.out[0] * s.out[1] * s.out[2];
  product.n = product.c_row = plan.result_channels;
  product.k = product.a_row = plan.source_channels;
  product.a_col = 1;
  product.b_row = forward ? s.c_out : 1;
  product.b_col = forward ? 1 : s.c_out;
  product.has_bias = s.has_bias;
  product.activation = s.activation;
  return plan_gemm(product);
}

void plan_sums(ConvPlan& plan) {
  const Conv& s = plan.shape;
  const double flops = flops_of(s);
  const int64_t rows = plan.phases[0].depth, lines = plan.phases[0].lines;
  const int64_t bytes = std::max<int64_t>(1, s.window_size() * (s.c_in / s.groups) * s.c_out * size_of(plan));
  const int64_t most = std::clamp<int64_t>(kPartialBytes / bytes, 1, kMostParts);
  plan.parts = std::clamp<int64_t>(std::min(lines, static_cast<int64_t>(flops / kLeastChunkFlops)), 1, most);
  plan.row_blocks = 1;
  if (flops >= kSerialFlops && plan.parts < kRowChunks)
    plan.row_blocks = std::clamp<int64_t>(2 * ceil_div(kRowChunks / 2, plan.parts), 1, ceil_div(rows, kKernelRowBlock));
  for (int64_t i = 0; i < rows; ++i) plan.places.push_back(i * s.c_out);
}

// ---- blocks of positions
// ---------------------------------------------------------------------------------------------

// Calls part(image, depth, first height, end height) for the runs of lines within [begin, end) of one image and depth.
template <class F>
void for_runs(const ConvPhase& phase, int64_t begin, int64_t end, F&& part) {
  const int64_t depths = phase.axis[0].count, heights = phase.axis[1].count;
  while (begin < end) {
    const int64_t group = begin / heights, first = begin % heights;
    const int64_t count = std::min(heights - first, end - begin);
    part(group / depths, group % depths, first, first + count);
    begin += count;
  }
}

// The source rows that the run needs, each between the zeros of its border.
void copy_slab(const ConvPlan& plan, const ConvPhase& phase, const void* source, int64_t image, int64_t depth,
               int64_t first, int64_t end, char* slab) {
  const ConvAxis &z = phase.axis[0], &y = phase.axis[1], &x = phase.axis[2];
  const int64_t pixel = plan.source_channels * size_of(plan), *length = plan.source_length;
  const int64_t row_bytes = phase.pitch[1] * size_of(plan);
  const int64_t x0 = x.source_first + x.least, width = row_bytes / pixel;
  const int64_t left = std::clamp<int64_t>(-x0, 0, width), right = std::clamp<int64_t>(length[2] - x0, left, width);
  const int64_t rows = (end - first - 1) * y.source_step + y.most - y.least + 1;
  for (int64_t dz = 0; dz <= z.most - z.least; ++dz) {
    const int64_t from_z = z.source_first + z.least + depth * z.source_step + dz;
    for (int64_t dy = 0; dy < rows; ++dy) {
      const int64_t from_y = y.source_first + y.least + first * y.source_step + dy;
      char* to = slab + (dz * phase.slab_rows + dy) * row_bytes;
      if (from_z < 0 || from_z >= length[0] || from_y < 0 || from_y >= length[1]) {
        std::memset(to, 0, static_cast<std::size_t>(row_bytes));
        continue;
      }
      const int64_t line = (image * length[0] + from_z) * length[1] + from_y;
      std::memset(to, 0, static_cast<std::size_t>(left * pixel));
      if (right > left)
        std::memcpy(to + left * pixel, static_cast<const char*>(source) + (line * length[2] + x0 + left) * pixel,
                    static_cast<std::size_t>((right - left) * pixel));
      std::memset(to + right * pixel, 0, static_cast<std::size_t>((width - right) * pixel));
    }
  }
}

// Where the windows of some lines of positions begin and where their results go, class after class.
struct Block {
  const void* source;
  int64_t positions;
  const int64_t *row, *place;
  const int64_t* class_end;
};
Block make_block(const ConvPlan& plan, const ConvPhase& phase, const void* source, int64_t begin, int64_t end) {
  const ConvAxis &z = phase.axis[0], &y = phase.axis[1], &x = phase.axis[2];
  const int64_t *length = plan.source_length, *result = plan.result_length;
  const int64_t classes = static_cast<int64_t>(phase.classes.size()),
                width_ranges = static_cast<int64_t>(x.ranges.size());
  Block block{source, (end - begin) * x.count, nullptr, nullptr, nullptr};
  int64_t* const row =
      static_cast<int64_t*>(thread_scratch(kTableSlot, static_cast<std::size_t>(2 * block.positions + classes) * 8));
  int64_t *const place = row + block.positions, *const next = place + block.positions;
  block.row = row;
  block.place = place;
  block.class_end = next;
  const auto range_at = [](const ConvAxis& axis, int64_t i) {
    std::size_t r = 0;
    while (axis.ranges[r].end <= i) ++r;
    return r;
  };
  // Calls part(line of the run, its first class) for each line.
  const auto for_lines = [&](int64_t depth, int64_t first, int64_t last, auto&& part) {
    const std::size_t row_of_classes = range_at(z, depth) * y.ranges.size();
    for (int64_t h = first; h < last; ++h)
      part(h, static_cast<int64_t>(row_of_classes + range_at(y, h)) * width_ranges);
  };

  // How many positions each class has, then where it begins; filling it moves that to where it ends.
  int64_t runs = 0;
  std::fill_n(next, classes, 0);
  for_runs(phase, begin, end, [&](int64_t, int64_t depth, int64_t first, int64_t last) {
    ++runs;
    for_lines(depth, first, last, [&](int64_t, int64_t c) {
      for (const ConvRange& range : x.ranges) next[c++] += range.end - range.begin;
    });
  });
  int64_t total = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const int64_t count = next[c];
    next[c] = total;
    total += count;
  }
  char* copied = nullptr;
  if (phase.bordered) {
    copied =
        static_cast<char*>(thread_scratch(kBlockSlot, static_cast<std::size_t>(runs * phase.slab * size_of(plan))));
    block.source = copied;
  }
  int64_t slab = 0;
  for_runs(phase, begin, end, [&](int64_t image, int64_t depth, int64_t first, int64_t last) {
    int64_t base;
    if (phase.bordered) {
      base = slab * phase.slab;
      copy_slab(plan, phase, source, image, depth, first, last, at(copied, base, size_of(plan)));
      base -= z.least * phase.pitch[0] + y.least * phase.pitch[1] + x.least * phase.pitch[2];
    } else {
      base = (image * length[0] + z.source_first + depth * z.source_step) * phase.pitch[0] +
             (y.source_first + first * y.source_step) * phase.pitch[1] + x.source_first * phase.pitch[2];
    }
    const int64_t plane = (image * result[0] + z.out_first + depth * z.out_step) * result[1];
    for_lines(depth, first, last, [&](int64_t h, int64_t c) {
      const int64_t line = base + (h - first) * y.source_step * phase.pitch[1];
      const int64_t out_line = (plane + y.out_first + h * y.out_step) * result[2] + x.out_first;
      for (const ConvRange& range : x.ranges) {
        const int64_t from = line + phase.classes[static_cast<std::size_t>(c)].first;
        int64_t to = next[c];
        for (int64_t w = range.begin; w < range.end; ++w, ++to) {
          row[to] = from + w * x.source_step * phase.pitch[2];
          place[to] = (out_line + w * x.out_step) * plan.result_channels;
        }
        next[c++] = to;
      }
    });
    ++slab;
  });
  return block;
}

// ---- forward and input gradient
// --------------------------------------------------------------------------------------

// The kernel as the tiles read it. Forward: strips of columns. Input gradient: rows (tap, c_out) and columns c_in, so
// that every cell's matrix is transposed; group after group.
void pack_kernels(const ConvPlan& plan, const void* kernel, void* packed) {
  const Conv& s = plan.shape;
  const int64_t size = size_of(plan), strip = kernels().conv.strip[kernel_of(plan)];
  const GemmKernel& gemm = kernels().gemm->of[kernel_of(plan)];
  const int64_t in = s.c_in / s.groups, out = s.c_out / s.groups;
  for (const ConvPhase& phase : plan.phases) {
    char* to = at(packed, phase.packed_at, size);
    const int64_t taps = static_cast<int64_t>(phase.cells.size()), k = phase.depth;
    if (s.depthwise()) {
      for (int64_t t = 0; t < taps; ++t)
        std::memcpy(at(to, t * s.c_out, size), at(kernel, phase.cells[static_cast<std::size_t>(t)] * s.c_out, size),
                    static_cast<std::size_t>(s.c_out * size));
      continue;
    }
    const int64_t columns = plan.part == ConvPart::forward ? out : in, strips = ceil_div(columns, strip);
    parallel_for(s.groups * strips, [&](int64_t chunk) {
      const int64_t group = chunk / strips, q = chunk % strips, lanes = std::min(strip, columns - q * strip);
      char* dst = at(to, (group * strips + q) * strip * k, size);
      if (plan.part == ConvPart::forward) {
        gemm.pack(dst, strip, at(kernel, group * out + q * strip, size), 1, s.c_out, lanes, k);
        return;
      }
      for (int64_t t = 0; t < taps; ++t) {
        const int64_t cell = phase.cells[static_cast<std::size_t>(t)];
        gemm.pack(at(dst, t * out * strip, size), strip,
                  at(kernel, (cell * in + q * strip) * s.c_out + group * out, size), s.c_out, 1, lanes, out);
      }
    });
  }
}

void activate(const ConvPlan& plan, void* c, int64_t n) {
  const int64_t step = 1;
  const void* in = c;
  plan.shape.activation(c, &in, &step, n);
}

void run_positions(const ConvPlan& plan, const void* source, const void* kernel, const void* bias, void* result) {
  const Conv& s = plan.shape;
  const ConvKernels& table = kernels().conv;
  const int64_t size = size_of(plan), strip = table.strip[kernel_of(plan)];
  const void* packed = kernel;
  if (plan.pack) {
    void* space = thread_scratch(kSharedSlot, static_cast<std::size_t>(plan.packed_size * size + 64));
    pack_kernels(plan, kernel, space);
    packed = space;
  }
  parallel_for(plan.chunks, [&](int64_t chunk) {
    const ConvPhase* phase = &plan.phases.back();
    while (chunk < phase->first_chunk) --phase;
    const int64_t begin = (chunk - phase->first_chunk) * phase->block_lines;
    const int64_t end = std::min(begin + phase->block_lines, phase->lines);
    const Block block = make_block(plan, *phase, source, begin, end);
    TableProduct product{};
    product.relu = plan.relu;
    product.n = s.depthwise() ? s.c_out : plan.result_channels / s.groups;
    product.b_strip = plan.pack && !s.depthwise() ? strip * phase->depth : 0;
    const int64_t groups = s.depthwise() ? 1 : s.groups;
    const int64_t group_size = plan.pack ? ceil_div(product.n, strip) * strip * phase->depth : product.n;
    int64_t first = 0;
    for (std::size_t c = 0; c < phase->classes.size(); ++c) {
      product.m = block.class_end[c] - first;
      if (product.m == 0) continue;
      product.k = static_cast<int64_t>(phase->classes[c].columns.size());
      product.row = block.row + first;
      product.c_place = block.place + first;
      product.column = phase->classes[c].columns.data();
      product.b_place = phase->classes[c].places.data();
      for (int64_t group = 0; group < groups; ++group) {
        product.a = at(block.source, group * (plan.source_channels / s.groups), size);
        product.b = at(packed, phase->packed_at + group * group_size, size);
        product.c = at(result, group * product.n, size);
        product.bias = bias ? at(bias, group * product.n, size) : nullptr;
        (s.depthwise() ? table.multiply_channels : table.multiply)[kernel_of(plan)](product);
      }
      first = block.class_end[c];
    }
    // Only the forward direction has an activation, and there the positions of a block follow each other.
    if (s.activation && !plan.relu)
      activate(plan, at(result, begin * phase->axis[2].count * s.c_out, size), block.positions * s.c_out);
  });
}

// ---- kernel gradient
// -------------------------------------------------------------------------------------------------

void run_sums(const ConvPlan& plan, const void* x, const void* g, void* result) {
  const Conv& s = plan.shape;
  const ConvKernels& table = kernels().conv;
  const ConvPhase& phase = plan.phases[0];
  const int64_t size = size_of(plan), rows = phase.depth;
  const int64_t count = s.window_size() * (s.c_in / s.groups) * s.c_out;
  void* sums =
      plan.parts == 1 ? result : thread_scratch(kSharedSlot, static_cast<std::size_t>(plan.parts * count * size));
  parallel_for(plan.parts * plan.row_blocks, [&](int64_t chunk) {
    const int64_t part = chunk / plan.row_blocks, row_block = chunk % plan.row_blocks;
    const int64_t first = phase.lines * part / plan.parts, last = phase.lines * (part + 1) / plan.parts;
    const int64_t top = rows * row_block / plan.row_blocks, bottom = rows * (row_block + 1) / plan.row_blocks;
    const int64_t blocks = ceil_div(last - first, phase.block_lines);
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t begin = first + (last - first) * i / blocks, end = first + (last - first) * (i + 1) / blocks;
      const Block block = make_block(plan, phase, x, begin, end);
      TableProduct product{};
      product.m = bottom - top;
      product.n = s.depthwise() ? s.c_out : s.c_out / s.groups;
      product.k = block.positions;
      product.row = phase.classes[0].columns.data() + top;
      product.column = block.row;
      product.b_place = block.place;
      product.c_place = plan.places.data() + top;
      product.accumulate = i > 0;
      for (int64_t group = 0; group < (s.depthwise() ? 1 : s.groups); ++group) {
        product.a = at(block.source, group * (s.c_in / s.groups), size);
        product.b = at(g, group * product.n, size);
        product.c = at(sums, part * count + group * product.n, size);
        (s.depthwise() ? table.multiply_channels : table.multiply)[kernel_of(plan)](product);
      }
    }
  });
  if (plan.parts == 1) return;
  constexpr int64_t kRun = 4096;
  const ElementwiseFn add = kernels().elementwise[static_cast<int>(ElementwiseOp::add)][index(s.dtype)];
  parallel_for(ceil_div(count, kRun), [&](int64_t chunk) {
    const int64_t begin = chunk * kRun, n = std::min(kRun, count - begin), steps[] = {1, 1};
    void* out = at(result, begin, size);
    const void* operands[] = {at(sums, begin, size), nullptr};
    for (int64_t part = 1; part < plan.parts; ++part) {
      operands[1] = at(sums, part * count + begin, size);
      add(out, operands, steps, n);
      operands[0] = out;
    }
  });
}

}  // namespace

// ---- choosing
// --------------------------------------------------------------------------------------------------------

ConvPlan plan_conv(const Conv& shape, ConvPart part) {
  ConvPlan plan{};
  plan.shape = shape;
  plan.part = part;
  const Conv& s = plan.shape;
  const bool backward = part == ConvPart::input_grad;
  std::copy_n(backward ? s.out : s.in, kConvAxes, plan.source_length);
  std::copy_n(backward ? s.in : s.out, kConvAxes, plan.result_length);
  plan.source_channels = backward ? s.c_out : s.c_in;
  plan.result_channels = backward ? s.c_in : s.c_out;
  const int64_t positions = s.images * plan.result_length[0] * plan.result_length[1] * plan.result_length[2];
  plan.nothing =
      part == ConvPart::kernel_grad ? s.window_size() * s.c_in * s.c_out == 0 : positions * plan.result_channels == 0;
  if (plan.nothing) return plan;
  plan.relu =
      s.activation && s.activation == kernels().elementwise[static_cast<int>(ElementwiseOp::relu)][index(s.dtype)];
  plan.pointwise = part != ConvPart::kernel_grad && s.groups == 1;
  for (int d = 0; d < kConvAxes; ++d)
    plan.pointwise &= s.window[d] == 1 && s.stride[d] == 1 && s.low[d] == 0 && s.in[d] == s.out[d];
  if (plan.pointwise) {
    plan.gemm = plan_pointwise(plan);
    return plan;
  }

  plan.winograd = plan_winograd(s, part);
  if (plan.winograd.used) return plan;

  const double flops = flops_of(s);
  const bool large = s.window_size() * (s.c_in / s.groups) * s.c_out * size_of(plan) > cache_sizes().l2 / 4;
  const double chunk = large ? std::max(flops / kLargeKernelChunks, kLeastChunkFlops)
                             : std::clamp(flops / kChunks, kLeastChunkFlops, kMostChunkFlops);
  const int64_t most_positions =
      part == ConvPart::kernel_grad ? kMostBlockPositions
      : flops < kSerialFlops
          ? positions
          : std::max<int64_t>(1, static_cast<int64_t>(chunk / flops * static_cast<double>(positions)));
  const int64_t remainders[] = {backward ? s.stride[0] : 1, backward ? s.stride[1] : 1, backward ? s.stride[2] : 1};
  const int64_t strip = kernels().conv.strip[kernel_of(plan)];
  plan.pack = backward || (part == ConvPart::forward && s.groups == 1 && s.c_out > strip && positions > kFewPositions);
  const int64_t columns = plan.result_channels / s.groups;
  for (int64_t z = 0; z < remainders[0]; ++z)
    for (int64_t y = 0; y < remainders[1]; ++y)
      for (int64_t x = 0; x < remainders[2]; ++x) {
        const int64_t remainder[] = {z, y, x};
        ConvPhase phase{};
        bool empty = false;
        for (int d = 0; d < kConvAxes; ++d) {
          phase.axis[d] = backward ? backward_axis(s, d, remainder[d]) : forward_axis(s, d);
          empty |= phase.axis[d].count == 0;
        }
        if (empty && part != ConvPart::kernel_grad) continue;
        if (empty || s.images == 0) {  // a gradient without terms
          plan.phases.clear();
          return plan;
        }
        finish_phase(plan, phase, most_positions);
        phase.first_chunk = plan.chunks;
        phase.packed_at = plan.packed_size;
        plan.chunks += ceil_div(phase.lines, phase.block_lines);
        plan.packed_size += phase.depth * (s.depthwise() ? s.c_out : s.groups * ceil_div(columns, strip) * strip);
        plan.phases.push_back(std::move(phase));
      }
  if (part == ConvPart::kernel_grad) plan_sums(plan);
  return plan;
}

void run_conv(const ConvPlan& plan, const void* first, const void* second, const void* bias, void* result) {
  if (plan.nothing) return;
  if (!plan.shape.has_bias) bias = nullptr;
  if (plan.pointwise) return run_gemm(plan.gemm, first, second, result, bias);
  if (plan.winograd.used && plan.part == ConvPart::kernel_grad)
    return run_winograd_kernel_grad(plan.winograd, static_cast<const float*>(first), static_cast<const float*>(second),
                                    static_cast<float*>(result));
  if (plan.winograd.used)
    return run_winograd(plan.winograd, static_cast<const float*>(first), static_cast<const float*>(second),
                        static_cast<const float*>(bias), static_cast<float*>(result));
  if (plan.part != ConvPart::kernel_grad) return run_positions(plan, first, second, bias, result);
  if (!plan.phases.empty()) return run_sums(plan, first, second, result);
  const Conv& s = plan.shape;
  std::memset(result, 0, static_cast<std::size_t>(s.window_size() * (s.c_in / s.groups) * s.c_out * size_of(plan)));
}

}  // namespace chainrule
