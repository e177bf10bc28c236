#include "graph/fit_loop.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "runtime/cpu.h"
#include "runtime/float_mode.h"
#include "runtime/threads.h"

namespace chainrule {

namespace {

using Clock = std::chrono::steady_clock;

// The stream of the row orders, apart from those of weights and dropout.
constexpr std::uint64_t kShuffleStream = 0x73687566666c6500u;
constexpr std::int64_t kGatherBytes = 1 << 15;  // a thread's share of a gather
constexpr std::int64_t kGatherRun = 512;        // of a row, at least, where it is cut

void check(const Program& program, const std::vector<Tensor>& arrays, std::int64_t batch) {
  if (program.input_specs().size() != arrays.size())
    throw ValueError(
        message("[FitLoop] the step takes ", program.input_specs().size(), " inputs, got ", arrays.size()));
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Output& spec = program.input_specs()[i];
    Shape shape = arrays[i].shape();
    shape[0] = batch;
    if (spec.dtype != arrays[i].dtype() || spec.shape != shape)
      throw ValueError(message("[FitLoop] input ", i, " of the step is ", name(spec.dtype), to_string(spec.shape),
                               ", a batch of the array ", name(arrays[i].dtype()), to_string(shape)));
  }
}

}  // namespace

FitLoop::FitLoop(Setup setup) : setup_(std::move(setup)) {
  if (setup_.arrays.empty()) throw ValueError("[FitLoop] there is no data");
  if (setup_.batch_size < 1)
    throw ValueError(message("[FitLoop] batch_size must be at least 1, got ", setup_.batch_size));
  for (Tensor& array : setup_.arrays) {
    if (array.ndim() == 0) throw ShapeError("[FitLoop] an array needs a first axis of samples, got shape ()");
    if (array.length(0) != setup_.arrays[0].length(0))
      throw ShapeError(
          message("[FitLoop] arrays of different lengths: ", setup_.arrays[0].length(0), " and ", array.length(0)));
    array = contiguous(array);
    if ((setup_.full && setup_.full->changes(array)) || (setup_.last && setup_.last->changes(array)))
      array = copied(array);
  }
  rows_ = setup_.arrays[0].length(0);
  if (rows_ == 0) throw ValueError("[FitLoop] the data is empty");
  steps_per_epoch_ = (rows_ + setup_.batch_size - 1) / setup_.batch_size;
  const std::int64_t rest = rows_ % setup_.batch_size;
  if (rows_ >= setup_.batch_size) {
    if (!setup_.full) throw ValueError("[FitLoop] `full` is missing");
    check(*setup_.full, setup_.arrays, setup_.batch_size);
  }
  if (rest > 0) {
    if (!setup_.last) throw ValueError("[FitLoop] `last` is missing: the last batch is smaller");
    check(*setup_.last, setup_.arrays, rest);
  }
  const std::int64_t largest = std::min(rows_, setup_.batch_size);
  for (const Tensor& array : setup_.arrays) {
    row_bytes_.push_back(array.size() / rows_ * static_cast<std::int64_t>(itemsize(array.dtype())));
    if (setup_.shuffle) batches_.push_back(Tensor::empty(DType::U8, {largest * row_bytes_.back()}));
  }
  for (const Tensor& metric : setup_.metrics)
    if (metric.size() != 1) throw ShapeError("[FitLoop] a metric must have one element");
  if (setup_.shuffle) order_.resize(static_cast<std::size_t>(rows_));
}

void FitLoop::reset(std::int64_t epoch, std::int64_t step) {
  epoch_ = epoch;
  step_ = step;
}

// Fisher-Yates with random numbers made for this epoch alone. The bounded draw is Lemire's multiply-and-shift on 32
// bits, whose bias (rows / 2^32) is far below anything that training could notice.
void FitLoop::shuffle_rows() {
  if (order_epoch_ == epoch_) return;
  const std::size_t words = (order_.size() + 1) / 2;
  bits_.resize(words);
  kernels().random.bits(bits_.data(), setup_.seed, kShuffleStream + static_cast<std::uint64_t>(epoch_), 0,
                        static_cast<std::int64_t>(words));
  for (std::size_t i = 0; i < order_.size(); ++i) {
    const std::uint64_t word = bits_[i / 2] >> (i % 2 * 32) & 0xffffffffu;
    const std::size_t j = static_cast<std::size_t>(word * (i + 1) >> 32);
    order_[i] = order_[j];
    order_[j] = static_cast<std::int64_t>(i);
  }
  order_epoch_ = epoch_;
}

namespace {

// Long rows are cut into columns, since that is how the products of a dense layer read them (GemmPath::parts): what one
// core has written it will read.
void gather(char* batch, const char* source, const std::int64_t* order, std::int64_t count, std::int64_t row_bytes) {
  const std::int64_t pieces = std::min(count * row_bytes / kGatherBytes + 1, row_bytes / kGatherRun);
  if (pieces > 1) {
    parallel_for(pieces, [&](std::int64_t piece) {
      const auto begin_of = [&](std::int64_t k) { return k == pieces ? row_bytes : row_bytes * k / pieces / 64 * 64; };
      const std::int64_t begin = begin_of(piece), bytes = begin_of(piece + 1) - begin;
      for (std::int64_t row = 0; row < count; ++row)
        std::memcpy(batch + row * row_bytes + begin, source + order[row] * row_bytes + begin,
                    static_cast<std::size_t>(bytes));
    });
    return;
  }
  const std::int64_t share = std::max<std::int64_t>(1, kGatherBytes / std::max<std::int64_t>(1, row_bytes));
  parallel_for((count + share - 1) / share, [&](std::int64_t chunk) {
    const std::int64_t from = chunk * share, n = std::min(share, count - from);
    kernels().move.gather_rows(batch + from * row_bytes, source, order + from, n, row_bytes);
  });
}

}  // namespace

void FitLoop::run_step() {
  const std::int64_t first = step_ * setup_.batch_size;
  const std::int64_t count = std::min(setup_.batch_size, rows_ - first);
  Program& program = count == setup_.batch_size ? *setup_.full : *setup_.last;
  for (std::size_t i = 0; i < setup_.arrays.size(); ++i) {
    const char* source = static_cast<const char*>(setup_.arrays[i].data());
    if (!setup_.shuffle) {
      program.bind_input(static_cast<int>(i), source + first * row_bytes_[i]);
      continue;
    }
    char* batch = static_cast<char*>(batches_[i].data());
    gather(batch, source, order_.data() + first, count, row_bytes_[i]);
    program.bind_input(static_cast<int>(i), batch);
  }
  program.run_steps();
  ++step_;
}

void FitLoop::finish_epoch() {
  for (const Tensor& metric : setup_.metrics) {
    history_.push_back(metric.item_as_double());
    std::memset(metric.data(), 0, itemsize(metric.dtype()));
  }
  step_ = 0;
  ++epoch_;
}

void FitLoop::run(std::int64_t epochs, std::int64_t max_steps, double seconds) {
  std::unique_lock<ForkMutex> full_lock, last_lock;
  if (setup_.full) full_lock = std::unique_lock<ForkMutex>(setup_.full->mutex());
  if (setup_.last && setup_.last != setup_.full) last_lock = std::unique_lock<ForkMutex>(setup_.last->mutex());
  const FlushSubnormals flush;
  std::optional<HotRegion> hot;
  if (setup_.full ? setup_.full->parallel() : setup_.last->parallel()) hot.emplace();

  const Clock::time_point start = Clock::now();
  Clock::time_point checked = start;
  std::int64_t done = 0, checked_at = 0, next_check = 1;
  while (epoch_ < epochs && done != max_steps) {
    if (setup_.shuffle) shuffle_rows();
    run_step();
    ++done;
    if (step_ == steps_per_epoch_) finish_epoch();
    if (seconds >= 0 && done >= next_check) {
      // The clock is read about once a millisecond, however short a step is.
      const Clock::time_point now = Clock::now();
      if (std::chrono::duration<double>(now - start).count() >= seconds) break;
      const double since = std::chrono::duration<double>(now - checked).count();
      const double per_step = since / static_cast<double>(done - checked_at);
      next_check = done + std::clamp<std::int64_t>(static_cast<std::int64_t>(1e-3 / std::max(per_step, 1e-9)), 1, 4096);
      checked = now;
      checked_at = done;
    }
  }
}

}  // namespace chainrule
