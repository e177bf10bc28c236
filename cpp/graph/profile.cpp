#include "graph/profile.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "runtime/cpu.h"
#include "runtime/threads.h"

namespace chainrule {

std::atomic<std::uint64_t> profile_session{0};

namespace {

struct Profile {
  std::mutex mutex;
  std::uint64_t sessions = 0;  // started so far
  std::unordered_map<std::string, ProfileRow> rows;
};

Profile& profile() {
  static Profile* const instance = new Profile;  // never destroyed: threads may outlive static objects
  return *instance;
}

// Memory that an operand covers: an axis broadcast by a stride of 0 counts once.
std::int64_t bytes_of(const Tensor& x) {
  std::int64_t count = 1;
  for (int axis = 0; axis < x.ndim(); ++axis)
    if (x.length(axis) == 0 || x.strides()[axis] != 0) count *= x.length(axis);
  return count * static_cast<std::int64_t>(itemsize(x.dtype()));
}

void add_to_key(std::string& key, const Tensor& x) { key += x ? name(x.dtype()) + to_string(x.shape()) : "-"; }

}  // namespace

void start_profile() {
  Profile& p = profile();
  const std::lock_guard<std::mutex> lock(p.mutex);
  if (profiling()) throw std::runtime_error("profile: another profile is on; only one can measure at a time");
  p.rows.clear();
  profile_session.store(++p.sessions, std::memory_order_relaxed);
}

std::vector<ProfileRow> stop_profile() {
  Profile& p = profile();
  const std::lock_guard<std::mutex> lock(p.mutex);
  profile_session.store(0, std::memory_order_relaxed);
  std::vector<ProfileRow> rows;
  for (auto& [key, row] : p.rows) rows.push_back(std::move(row));
  p.rows.clear();
  std::sort(rows.begin(), rows.end(), [](const ProfileRow& a, const ProfileRow& b) { return a.seconds > b.seconds; });
  return rows;
}

double measure_peak(DType dtype) {
  if (dtype != DType::F32 && dtype != DType::F64)
    throw std::invalid_argument(message("measure_peak: expected float32 or float64, got ", name(dtype),
                                        "; other types have no peak of their own"));
  static std::mutex mutex;
  static std::map<std::pair<DType, int>, double> known;
  const std::lock_guard<std::mutex> lock(mutex);
  const int threads = num_threads();
  double& best = known[{dtype, threads}];

  const int type = dtype == DType::F64;
  const PeakKernels& peak = kernels().peak;
  constexpr int kRuns = 150;
  constexpr std::int64_t kRounds = 20000;  // 40 microseconds at 3 GHz and two units
  const double flops = static_cast<double>(peak.flops[type]) * static_cast<double>(kRounds * threads);
  const HotRegion hot;
  for (int run = 0; run < kRuns; ++run) {
    const auto start = std::chrono::steady_clock::now();
    parallel_for(threads, [&](std::int64_t) { peak.multiply_add[type](kRounds); });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, flops / seconds);
  }
  return best;
}

void ProfileTimer::note(const std::string& name, const std::string& layer, const Op* op, const Tensor* inputs,
                        int n_inputs, const Tensor* outputs, int n_outputs) const {
  std::string key = name + "@" + layer + ":";
  for (int i = 0; i < n_inputs; ++i) add_to_key(key, inputs[i]);
  key += ">";
  for (int k = 0; k < n_outputs; ++k) add_to_key(key, outputs[k]);

  Profile& p = profile();
  const std::lock_guard<std::mutex> lock(p.mutex);
  if (profiling() != session_) return;
  ProfileRow& row = p.rows[key];
  if (row.calls == 0) {
    row.op = name;
    row.layer = layer;
    for (int i = 0; i < n_inputs; ++i)
      if (inputs[i]) row.inputs.push_back({inputs[i].dtype(), inputs[i].shape()});
    for (int k = 0; k < n_outputs; ++k) row.outputs.push_back({outputs[k].dtype(), outputs[k].shape()});
  }
  ++row.calls;
  row.seconds += seconds_;
  if (op && op->view) return;
  for (int i = 0; i < n_inputs; ++i) {
    if (!inputs[i]) continue;
    const bool changed =
        op && op->tensors[std::min<std::size_t>(static_cast<std::size_t>(i), op->tensors.size() - 1)].mutated;
    row.bytes += bytes_of(inputs[i]) * (changed ? 2 : 1);
  }
  for (int k = 0; k < n_outputs; ++k) row.bytes += bytes_of(outputs[k]);
}

}  // namespace chainrule
