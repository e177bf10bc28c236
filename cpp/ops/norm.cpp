// Normalisation as ops: layer_norm (rows: layer and RMS), batch_norm and group_norm (channels), scale_shift.
// Invariants: rows are cut into chunks by the shape alone. A chunk gives (count, mean, sum of squares about the mean)
// or sums of its own, and these are merged in the order of the chunks (Chan, Golub, LeVeque 1979): never as the
// difference of two large sums, and the same bits for any number of threads.
#include <cmath>
#include <cstring>
#include <limits>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr int kPartsSlot = 3;             // scratch of the calling thread: what chunks hand over
constexpr std::int64_t kMostChunks = 32;  // so that merging stays small
constexpr std::int64_t kMergeWork = 8;    // to merge one part, beside an addition

std::int64_t rows_of_chunk(std::int64_t rows, std::int64_t cols, std::int64_t most) {
  return std::max({std::int64_t{1}, kChunkWork / std::max<std::int64_t>(1, cols), (rows - 1) / most + 1});
}

template <class Body>
void run_chunks(std::int64_t chunks, std::int64_t work, Body&& body) {
  if (chunks == 1 || work <= kSerialWork) {
    for (std::int64_t c = 0; c < chunks; ++c) body(c);
  } else {
    parallel_for(chunks, body);
  }
}

// All inputs contiguous and of the float type of x (input `x`).
template <int x>
bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  const DType dtype = to_float(call.in(x).dtype());
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i)
    ready = ready && (!call.has(i) || (call.in(i).dtype() == dtype && call.in(i).is_contiguous()));
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    Tensor input = call.has(i) ? fn::cast(call.in(i), dtype) : Tensor();
    prepared.push_back(!input || input.is_contiguous() ? input : call_op("copy", {input}));
  }
  return true;
}

void check_shape(const Call& call, int i, const Shape& wanted) {
  if (call.has(i) && call.in(i).shape() != wanted)
    throw ShapeError(message("[", call.op.name, "] ", call.op.tensors[static_cast<std::size_t>(i)].name,
                             " must have shape ", to_string(wanted), ", got ", to_string(call.in(i).shape())));
}

// ---- the derivative of the derivative ------------------------------------------------------------------------------

// x as (outer, rows, groups, width), normalised over rows and width.
struct Blocks {
  std::int64_t outer, rows, groups, width;
  Shape all() const { return {outer, rows, groups, width}; }
  Shape channels() const { return {1, 1, groups, width}; }
};

// Cotangents of (g, x, gamma) for u, a, b, those of (dx, dgamma, dbeta); any of them may be empty. With r =
// 1/deviation, xhat = (x - mean) r and P(v) = r (v - mean(v) - xhat mean(v xhat)): dx = P(g gamma), dgamma = sum g
// xhat, dbeta = sum g; d xhat = P, d r = -r^2 xhat / n.
struct SecondOrder {
  Blocks blocks;
  double epsilon;
  bool centered;
  Tensor mean(const Tensor& t) const {
    return fn::scale(fn::sum(t, {1, 3}, true), 1.0 / static_cast<double>(blocks.rows * blocks.width));
  }
  Tensor less_mean(const Tensor& t) const { return centered ? fn::subtract(t, mean(t)) : t; }

  void operator()(const Tensor& g_in, const Tensor& x_in, const Tensor& gamma_in, const Tensor* cotangents,
                  const bool* needs, Tensor* g_bar, Tensor* x_bar, Tensor* gamma_bar) const {
    const Tensor g = fn::reshape(g_in, blocks.all()), x = fn::reshape(x_in, blocks.all());
    const Tensor gamma = gamma_in ? fn::reshape(gamma_in, blocks.channels()) : Tensor();
    const Tensor d = less_mean(x), variance = mean(fn::multiply(d, d));
    const Tensor r = apply(ElementwiseOp::rsqrt, fn::add(variance, Tensor::scalar(x.dtype(), epsilon)));
    const Tensor xhat = fn::multiply(d, r);
    const auto project = [&](const Tensor& v) {
      return fn::multiply(r, fn::subtract(less_mean(v), fn::multiply(xhat, mean(fn::multiply(v, xhat)))));
    };
    const auto weighted = [&](const Tensor& v) { return gamma ? fn::multiply(v, gamma) : v; };
    const auto plus = [](const Tensor& a, const Tensor& b) { return a ? b ? fn::add(a, b) : a : b; };
    Tensor to_g, to_x, to_gamma;
    if (cotangents[0]) {
      const Tensor u = fn::reshape(cotangents[0], blocks.all()), pu = project(u), h = weighted(g);
      if (needs[0]) to_g = weighted(pu);
      if (needs[2] && gamma) to_gamma = fn::sum_to(fn::multiply(g, pu), blocks.channels());
      if (needs[1]) {
        const Tensor mu = mean(fn::multiply(u, xhat)), mh = mean(fn::multiply(h, xhat));
        const Tensor covariance = fn::subtract(mean(fn::multiply(less_mean(u), h)), fn::multiply(mu, mh));
        const Tensor slope = fn::multiply(fn::multiply(r, r), fn::multiply(xhat, covariance));
        const Tensor crossed = fn::add(fn::multiply(pu, mh), fn::multiply(project(h), mu));
        to_x = fn::negative(fn::add(slope, fn::multiply(r, crossed)));
      }
    }
    if (cotangents[1]) {
      const Tensor a = fn::reshape(cotangents[1], blocks.channels());
      if (needs[0]) to_g = plus(to_g, fn::multiply(xhat, a));
      if (needs[1]) to_x = plus(to_x, project(fn::multiply(g, a)));
    }
    if (cotangents[2] && needs[0])
      to_g = plus(to_g, fn::broadcast_to(fn::reshape(cotangents[2], blocks.channels()), blocks.all()));
    if (to_g) *g_bar = fn::reshape(to_g, g_in.shape());
    if (to_x) *x_bar = fn::reshape(to_x, x_in.shape());
    if (to_gamma) *gamma_bar = fn::reshape(to_gamma, gamma_in.shape());
  }
};

// ---- layer_norm ----------------------------------------------------------------------------------------------------

struct RowsTask {
  NormRows norm;  // gamma, beta: set when it runs
  int which;
  std::int64_t bytes, chunk;
  bool has_gamma, has_beta;
};

Shape trailing(const Call& call, const Tensor& x) {
  const std::int64_t axes = call.attrs[0].integer;
  if (axes < 1 || axes > x.ndim())
    throw ValueError(message("[", call.op.name, "] axes=", axes, " of a tensor of shape ", to_string(x.shape()),
                             " can't be normalised; give a number from 1 to ", x.ndim()));
  return Shape(x.shape().end() - axes, x.shape().end());
}

RowsTask& rows_task(const Call& call, const Tensor& x, std::int64_t most, Task& task) {
  auto& t = task.params<RowsTask>();
  const std::int64_t cols = element_count(trailing(call, x));
  t.norm = {cols ? x.size() / cols : 0, cols, call.attrs[1].real, call.attrs[2].truth(), nullptr, nullptr};
  t.which = float_index(x.dtype());
  t.bytes = static_cast<std::int64_t>(itemsize(x.dtype()));
  t.chunk = rows_of_chunk(t.norm.rows, cols, most);
  return t;
}

void infer_layer(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const Shape shape = trailing(call, x);
  check_shape(call, 1, shape);
  check_shape(call, 2, shape);
  outputs.push_back({x.dtype(), x.shape()});
}

void run_layer(const Task& task, void* const* ptr) {
  const auto& t = task.get<RowsTask>();
  NormRows norm = t.norm;
  norm.gamma = t.has_gamma ? ptr[1] : nullptr;
  norm.beta = t.has_beta ? ptr[2] : nullptr;
  const std::int64_t row_bytes = norm.cols * t.bytes, total = t.norm.rows;
  run_chunks((total + t.chunk - 1) / t.chunk, total * norm.cols, [&](std::int64_t c) {
    NormRows part = norm;
    part.rows = std::min(t.chunk, total - c * t.chunk);
    const std::int64_t at = c * t.chunk * row_bytes;
    kernels().norm.rows[t.which](static_cast<char*>(ptr[3]) + at, static_cast<char*>(ptr[0]) + at, part);
  });
}

// Programs and eager calls hand over the addresses of all inputs, those that were not given included.
void lower_layer(const Call& call, Task& task) {
  auto& t = rows_task(call, call.in(0), std::numeric_limits<std::int64_t>::max(), task);
  t.has_gamma = call.has(1);
  t.has_beta = call.has(2);
  task.run = run_layer;
}

void layer_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Tensor inputs[] = {g[0], call.in(0), call.has(1) ? call.in(1) : Tensor()};
  static const Op& op = *find_op("layer_norm_grad");
  std::vector<Tensor> all = apply_all(op, inputs, 3, call.attrs);
  for (int i = 0; i < 3; ++i)
    if (needs[i]) grads[i] = all[static_cast<std::size_t>(i)];
}

void infer_layer_grad(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(1);
  const Shape shape = trailing(call, x);
  check_shape(call, 0, x.shape());
  check_shape(call, 2, shape);
  outputs.push_back({x.dtype(), x.shape()});
  outputs.push_back({x.dtype(), shape});
  outputs.push_back({x.dtype(), shape});
}

// sums[j] = the sum over the parts, in their order; parts lie `step` elements apart.
template <class T>
void add_parts(T* sums, const T* parts, std::int64_t count, std::int64_t step, std::int64_t cols) {
  std::copy_n(parts, cols, sums);
  for (std::int64_t c = 1; c < count; ++c)
    for (std::int64_t j = 0; j < cols; ++j) sums[j] += parts[c * step + j];
}

template <class T>
void run_layer_grad(const Task& task, void* const* ptr) {
  const auto& t = task.get<RowsTask>();
  NormRows norm = t.norm;
  norm.gamma = t.has_gamma ? ptr[2] : nullptr;
  const std::int64_t cols = norm.cols, total = norm.rows, chunks = (total + t.chunk - 1) / t.chunk;
  T *dx = static_cast<T*>(ptr[3]), *dgamma = static_cast<T*>(ptr[4]), *dbeta = static_cast<T*>(ptr[5]);
  if (chunks == 0) {
    std::fill_n(dgamma, cols, T(0));
    std::fill_n(dbeta, cols, T(0));
    return;
  }
  T* parts = static_cast<T*>(thread_scratch(kPartsSlot, static_cast<std::size_t>(2 * chunks * cols) * sizeof(T)));
  run_chunks(chunks, total * cols, [&](std::int64_t c) {
    NormRows part = norm;
    part.rows = std::min(t.chunk, total - c * t.chunk);
    const std::int64_t at = c * t.chunk * cols;
    T* sums = parts + 2 * c * cols;
    std::fill_n(sums, 2 * cols, T(0));
    kernels().norm.rows_grad[t.which](dx + at, sums, sums + cols, static_cast<T*>(ptr[0]) + at,
                                      static_cast<T*>(ptr[1]) + at, part);
  });
  add_parts(dgamma, parts, chunks, 2 * cols, cols);
  add_parts(dbeta, parts + cols, chunks, 2 * cols, cols);
}

void lower_layer_grad(const Call& call, Task& task) {
  auto& t = rows_task(call, call.in(1), kMostChunks, task);
  t.has_gamma = call.has(2);
  task.run = t.which ? run_layer_grad<double> : run_layer_grad<float>;
}

void layer_grad_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Tensor& x = call.in(1);
  const std::int64_t cols = element_count(trailing(call, x));
  const SecondOrder second{{cols ? x.size() / cols : 0, 1, 1, cols}, call.attrs[1].real, call.attrs[2].truth()};
  second(call.in(0), x, call.has(2) ? call.in(2) : Tensor(), g, needs, &grads[0], &grads[1], &grads[2]);
}

// ---- batch_norm and group_norm -------------------------------------------------------------------------------------

// x as (outer, rows, groups * width): batch_norm has one outer block and a group for every channel.
struct ChannelsTask {
  Blocks blocks;
  double epsilon;
  int which;
  std::int64_t chunk;  // rows
  bool has_gamma, has_beta;
  std::int64_t channels() const { return blocks.groups * blocks.width; }
  std::int64_t chunks() const { return (blocks.rows + chunk - 1) / chunk; }  // of an outer block
};

template <bool grouped>
Blocks blocks_of(const Call& call, const Tensor& x) {
  if (x.ndim() < 2)
    throw ShapeError(message("[", call.op.name,
                             "] x must have at least 2 axes, the last being the channels; got shape ",
                             to_string(x.shape())));
  const std::int64_t channels = x.length(x.ndim() - 1);
  if (!grouped) return {1, channels ? x.size() / channels : 0, channels, 1};
  const std::int64_t groups = call.attrs[1].integer, outer = x.length(0);
  if (groups < 1 || channels % groups != 0)
    throw ValueError(message("[", call.op.name, "] ", channels, " channels can't be cut into ", groups,
                             " equal groups; groups must divide the length of the last axis"));
  const std::int64_t across = outer * channels;
  return {outer, across > 0 ? x.size() / across : 0, groups, channels / groups};
}

template <bool grouped>
Shape statistics_shape(const Blocks& b) {
  return grouped ? Shape{b.outer, b.groups} : Shape{b.groups};
}

template <bool grouped>
ChannelsTask& channels_task(const Call& call, const Tensor& x, Task& task) {
  auto& t = task.params<ChannelsTask>();
  t.blocks = blocks_of<grouped>(call, x);
  t.epsilon = call.attrs[0].real;
  t.which = float_index(x.dtype());
  t.chunk = rows_of_chunk(t.blocks.rows, t.channels(), 4 * kMostChunks);
  return t;
}

// body(outer block, first row of it, rows, number of the chunk)
template <class Body>
void each_chunk(const ChannelsTask& t, Body&& body) {
  const std::int64_t chunks = t.chunks();
  run_chunks(t.blocks.outer * chunks, t.blocks.outer * t.blocks.rows * t.channels(), [&](std::int64_t c) {
    const std::int64_t outer = c / chunks, first = c % chunks * t.chunk;
    body(outer, outer * t.blocks.rows + first, std::min(t.chunk, t.blocks.rows - first), c);
  });
}

template <bool grouped>
void infer_channels(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const Blocks b = blocks_of<grouped>(call, x);
  check_shape(call, 1, {b.groups * b.width});
  check_shape(call, 2, {b.groups * b.width});
  outputs.push_back({x.dtype(), x.shape()});
  outputs.push_back({x.dtype(), statistics_shape<grouped>(b)});
  outputs.push_back({x.dtype(), statistics_shape<grouped>(b)});
}

// A run of numbers by its count, mean and sum of squares about the mean, which takes in others.
struct Moments {
  double count = 0, mean = 0, squares = 0;
  void merge(double n, double other_mean, double other_squares) {
    const double total = count + n, step = other_mean - mean;
    squares += other_squares + step * step * (count * n / total);
    mean += step * (n / total);
    count = total;
  }
};

template <class T>
void run_channels(const Task& task, void* const* ptr) {
  const auto& t = task.get<ChannelsTask>();
  const Blocks& b = t.blocks;
  const std::int64_t channels = t.channels(), chunks = t.chunks();
  const T *x = static_cast<T*>(ptr[0]), *gamma = t.has_gamma ? static_cast<T*>(ptr[1]) : nullptr,
          *beta = t.has_beta ? static_cast<T*>(ptr[2]) : nullptr;
  T *y = static_cast<T*>(ptr[3]), *mean = static_cast<T*>(ptr[4]), *variance = static_cast<T*>(ptr[5]);
  T* parts = static_cast<T*>(
      thread_scratch(kPartsSlot, static_cast<std::size_t>((2 * chunks + 3) * b.outer * channels) * sizeof(T)));
  T* means = parts + 2 * chunks * b.outer * channels;  // by channel of every outer block; then scale and shift
  each_chunk(t, [&](std::int64_t, std::int64_t row, std::int64_t rows, std::int64_t c) {
    kernels().norm.channel_moments[t.which](parts + 2 * c * channels, parts + (2 * c + 1) * channels,
                                            x + row * channels, rows, channels);
  });
  for_chunks(b.outer * b.groups, kMergeWork * b.width * chunks, [&](std::int64_t set, std::int64_t sets) {
    for (; sets > 0; ++set, --sets) {
      const std::int64_t o = set / b.groups, group = set % b.groups;
      Moments all;
      for (std::int64_t k = 0; k < b.width; ++k) {
        for (std::int64_t c = 0; c < chunks; ++c) {
          const T* part = parts + 2 * (o * chunks + c) * channels + group * b.width + k;
          const std::int64_t rows = std::min(t.chunk, b.rows - c * t.chunk);
          all.merge(static_cast<double>(rows), static_cast<double>(part[0]), static_cast<double>(part[channels]));
        }
      }
      const double spread = all.squares / all.count, inverse = 1 / std::sqrt(spread + t.epsilon);
      mean[set] = static_cast<T>(all.mean);
      variance[set] = static_cast<T>(spread);
      for (std::int64_t k = 0; k < b.width; ++k) {
        const std::int64_t channel = group * b.width + k;
        T* at = means + 3 * o * channels + channel;
        at[0] = static_cast<T>(all.mean);
        at[channels] = static_cast<T>(inverse * (gamma ? static_cast<double>(gamma[channel]) : 1));
        at[2 * channels] = beta ? beta[channel] : T(0);
      }
    }
  });
  each_chunk(t, [&](std::int64_t o, std::int64_t row, std::int64_t rows, std::int64_t) {
    const T* at = means + 3 * o * channels;
    kernels().norm.channel_scale[t.which](y + row * channels, x + row * channels, at, at + channels, at + 2 * channels,
                                          rows, channels);
  });
}

template <bool grouped>
void lower_channels(const Call& call, Task& task) {
  auto& t = channels_task<grouped>(call, call.in(0), task);
  t.has_gamma = call.has(1);
  t.has_beta = call.has(2);
  task.run = t.which ? run_channels<double> : run_channels<float>;
}

Tensor statistic(const Tensor& x, const Blocks& b) { return fn::reshape(x, {b.outer, 1, b.groups, 1}); }

template <bool grouped>
void channels_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Tensor& x = call.in(0);
  const Blocks b = blocks_of<grouped>(call, x);
  if (g[0]) {
    const Tensor inputs[] = {g[0], x, call.out(1), call.out(2), call.has(1) ? call.in(1) : Tensor()};
    std::vector<Tensor> all =
        apply_all(*find_op(grouped ? "group_norm_grad" : "batch_norm_grad"), inputs, 5, call.attrs);
    for (int i = 0; i < 3; ++i)
      if (needs[i]) grads[i] = all[static_cast<std::size_t>(i)];
  }
  if (!needs[0] || !(g[1] || g[2])) return;
  // Someone used the statistics themselves: d mean = 1/n, d variance = 2 (x - mean) / n.
  const double share = 1.0 / static_cast<double>(b.rows * b.width);
  Tensor more;
  if (g[1]) more = fn::broadcast_to(fn::scale(statistic(g[1], b), share), b.all());
  if (g[2]) {
    const Tensor d = fn::subtract(fn::reshape(x, b.all()), statistic(call.out(1), b));
    const Tensor spread = fn::multiply(d, fn::scale(statistic(g[2], b), 2 * share));
    more = more ? fn::add(more, spread) : spread;
  }
  more = fn::reshape(more, x.shape());
  grads[0] = grads[0] ? fn::add(grads[0], more) : more;
}

template <bool grouped>
void infer_channels_grad(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(1);
  const Blocks b = blocks_of<grouped>(call, x);
  check_shape(call, 0, x.shape());
  check_shape(call, 2, statistics_shape<grouped>(b));
  check_shape(call, 3, statistics_shape<grouped>(b));
  check_shape(call, 4, {b.groups * b.width});
  outputs.push_back({x.dtype(), x.shape()});
  outputs.push_back({x.dtype(), {b.groups * b.width}});
  outputs.push_back({x.dtype(), {b.groups * b.width}});
}

// With h = g gamma: dx = r (h - mean(h) - xhat mean(h xhat)), an affine function of g and x - mean for each channel.
template <class T>
void run_channels_grad(const Task& task, void* const* ptr) {
  const auto& t = task.get<ChannelsTask>();
  const Blocks& b = t.blocks;
  const std::int64_t channels = t.channels(), chunks = t.chunks();
  const T *g = static_cast<T*>(ptr[0]), *x = static_cast<T*>(ptr[1]), *mean = static_cast<T*>(ptr[2]),
          *variance = static_cast<T*>(ptr[3]), *gamma = t.has_gamma ? static_cast<T*>(ptr[4]) : nullptr;
  T *dx = static_cast<T*>(ptr[5]), *dgamma = static_cast<T*>(ptr[6]), *dbeta = static_cast<T*>(ptr[7]);
  T* parts = static_cast<T*>(
      thread_scratch(kPartsSlot, static_cast<std::size_t>((2 * chunks + 4) * b.outer * channels) * sizeof(T)));
  T* coefficients = parts + 2 * chunks * b.outer * channels;  // mean, a, b, c by channel of every outer block
  for (std::int64_t o = 0; o < b.outer; ++o)
    for (std::int64_t channel = 0; channel < channels; ++channel)
      coefficients[4 * o * channels + channel] = mean[o * b.groups + channel / b.width];
  each_chunk(t, [&](std::int64_t o, std::int64_t row, std::int64_t rows, std::int64_t c) {
    kernels().norm.channel_grad_sums[t.which](parts + 2 * c * channels, parts + (2 * c + 1) * channels,
                                              g + row * channels, x + row * channels, coefficients + 4 * o * channels,
                                              rows, channels);
  });
  // A group of channels over all outer blocks, in their order.
  const double share = 1.0 / static_cast<double>(std::max<std::int64_t>(1, b.rows * b.width));
  for_chunks(b.groups, kMergeWork * b.width * chunks * b.outer, [&](std::int64_t group, std::int64_t groups) {
    for (; groups > 0; ++group, --groups) {
      std::fill_n(dgamma + group * b.width, b.width, T(0));
      std::fill_n(dbeta + group * b.width, b.width, T(0));
      for (std::int64_t o = 0; o < b.outer && chunks > 0; ++o) {
        const double inverse = 1 / std::sqrt(static_cast<double>(variance[o * b.groups + group]) + t.epsilon);
        double mean_h = 0, mean_product = 0;
        for (std::int64_t channel = group * b.width; channel < (group + 1) * b.width; ++channel) {
          T sum = T(0), product = T(0);
          for (std::int64_t c = 0; c < chunks; ++c) {
            const T* part = parts + 2 * (o * chunks + c) * channels + channel;
            sum += part[0];
            product += part[channels];
          }
          const double weight = gamma ? static_cast<double>(gamma[channel]) : 1;
          mean_h += weight * static_cast<double>(sum);
          mean_product += weight * static_cast<double>(product);
          dbeta[channel] += sum;
          dgamma[channel] += static_cast<T>(inverse * static_cast<double>(product));
        }
        for (std::int64_t channel = group * b.width; channel < (group + 1) * b.width; ++channel) {
          T* at = coefficients + 4 * o * channels + channel;
          at[channels] = static_cast<T>(inverse * (gamma ? static_cast<double>(gamma[channel]) : 1));
          at[2 * channels] = static_cast<T>(-inverse * inverse * inverse * mean_product * share);
          at[3 * channels] = static_cast<T>(-inverse * mean_h * share);
        }
      }
    }
  });
  each_chunk(t, [&](std::int64_t o, std::int64_t row, std::int64_t rows, std::int64_t) {
    const T* at = coefficients + 4 * o * channels;
    kernels().norm.channel_grad[t.which](dx + row * channels, g + row * channels, x + row * channels, at, at + channels,
                                         at + 2 * channels, at + 3 * channels, rows, channels);
  });
}

template <bool grouped>
void lower_channels_grad(const Call& call, Task& task) {
  auto& t = channels_task<grouped>(call, call.in(1), task);
  t.has_gamma = call.has(4);
  task.run = t.which ? run_channels_grad<double> : run_channels_grad<float>;
}

// mean and variance are those of x, so all that depends on them is the derivative by x.
template <bool grouped>
void channels_grad_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Blocks b = blocks_of<grouped>(call, call.in(1));
  const SecondOrder second{b, call.attrs[0].real, true};
  const bool wanted[] = {needs[0], needs[1], needs[4]};
  second(call.in(0), call.in(1), call.has(4) ? call.in(4) : Tensor(), g, wanted, &grads[0], &grads[1], &grads[4]);
}

// ---- scale_shift ---------------------------------------------------------------------------------------------------

void infer_scale(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  if (x.ndim() < 1) throw ShapeError("[scale_shift] x must have at least 1 axis, got a number; use multiply and add");
  check_shape(call, 1, {x.length(x.ndim() - 1)});
  check_shape(call, 2, {x.length(x.ndim() - 1)});
  outputs.push_back({x.dtype(), x.shape()});
}

void run_scale(const Task& task, void* const* ptr) {
  const auto& t = task.get<RowsTask>();
  for_chunks(t.norm.rows, t.norm.cols, [&](std::int64_t row, std::int64_t rows) {
    const std::int64_t at = row * t.norm.cols * t.bytes;
    kernels().norm.channel_scale[t.which](static_cast<char*>(ptr[3]) + at, static_cast<char*>(ptr[0]) + at, nullptr,
                                          ptr[1], ptr[2], rows, t.norm.cols);
  });
}

void lower_scale(const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  auto& t = task.params<RowsTask>();
  t.norm.cols = x.length(x.ndim() - 1);
  t.norm.rows = t.norm.cols ? x.size() / t.norm.cols : 0;
  t.which = float_index(x.dtype());
  t.bytes = static_cast<std::int64_t>(itemsize(x.dtype()));
  task.run = run_scale;
}

void scale_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[0]) grads[0] = fn::multiply(g[0], call.in(1));
  if (needs[1]) grads[1] = fn::sum_to(fn::multiply(g[0], call.in(0)), call.in(1).shape());
  if (needs[2]) grads[2] = fn::sum_to(g[0], call.in(1).shape());
}

// ---- the ops -------------------------------------------------------------------------------------------------------

template <bool grouped>
void register_channels(const char* name, const char* doc, const char* grad_name, const char* grad_doc) {
  Op forward;
  forward.name = name;
  forward.doc = doc;
  forward.tensors = {{"x"}, {"gamma", TensorParam::optional}, {"beta", TensorParam::optional}};
  forward.attrs = {attr_with_default("epsilon", AttrKind::real, Attr::of(1e-3))};
  if (grouped) forward.attrs.push_back(required_attr("groups", AttrKind::integer));
  forward.prepare = prepare<0>;
  forward.infer = infer_channels<grouped>;
  forward.lower = lower_channels<grouped>;
  forward.vjp = channels_vjp<grouped>;
  forward.saves_inputs = 3;
  forward.saves_outputs = 6;
  register_op(forward);

  Op grad = forward;
  grad.name = grad_name;
  grad.doc = grad_doc;
  grad.tensors = {{"g"}, {"x"}, {"mean"}, {"variance"}, {"gamma", TensorParam::optional}};
  grad.prepare = prepare<1>;
  grad.infer = infer_channels_grad<grouped>;
  grad.lower = lower_channels_grad<grouped>;
  grad.vjp = channels_grad_vjp<grouped>;
  grad.saves_inputs = ~0u;
  grad.saves_outputs = 0;
  register_op(grad);
}

bool register_all() {
  Op layer;
  layer.name = "layer_norm";
  layer.doc =
      "(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last `axes` axes; not `centered`: the mean is "
      "taken "
      "as 0 (RMS normalisation).";
  layer.tensors = {{"x"}, {"gamma", TensorParam::optional}, {"beta", TensorParam::optional}};
  layer.attrs = {attr_with_default("axes", AttrKind::integer, Attr::of(1)),
                 attr_with_default("epsilon", AttrKind::real, Attr::of(1e-3)),
                 attr_with_default("centered", AttrKind::boolean, Attr::of(true))};
  layer.prepare = prepare<0>;
  layer.infer = infer_layer;
  layer.lower = lower_layer;
  layer.vjp = layer_vjp;
  layer.saves_inputs = 3;
  register_op(layer);

  Op layer_grad = layer;
  layer_grad.name = "layer_norm_grad";
  layer_grad.doc = "(dx, dgamma, dbeta) of layer_norm, from x and the cotangent g.";
  layer_grad.tensors = {{"g"}, {"x"}, {"gamma", TensorParam::optional}};
  layer_grad.prepare = prepare<1>;
  layer_grad.infer = infer_layer_grad;
  layer_grad.lower = lower_layer_grad;
  layer_grad.vjp = layer_grad_vjp;
  layer_grad.saves_inputs = 7;
  register_op(layer_grad);

  register_channels<false>("batch_norm",
                           "(x - mean) / sqrt(variance + epsilon) * gamma + beta for each index of the last axis; with "
                           "the mean and variance.",
                           "batch_norm_grad",
                           "(dx, dgamma, dbeta) of batch_norm, from its statistics and the cotangent g.");
  register_channels<true>(
      "group_norm",
      "As batch_norm, by the statistics of each sample's groups of neighbouring channels: (samples, groups).",
      "group_norm_grad", "(dx, dgamma, dbeta) of group_norm, from its statistics and the cotangent g.");

  Op scale;
  scale.name = "scale_shift";
  scale.doc = "x * scale + shift for each index of the last axis.";
  scale.tensors = {{"x"}, {"scale"}, {"shift"}};
  scale.prepare = prepare<0>;
  scale.infer = infer_scale;
  scale.lower = lower_scale;
  scale.vjp = scale_vjp;
  scale.saves_inputs = 3;
  register_op(scale);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
