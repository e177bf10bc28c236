#include "graph/profile.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <unordered_map>

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

void ProfileTimer::note(const std::string& name, const Op* op, const Tensor* inputs, int n_inputs,
                        const Tensor* outputs, int n_outputs) const {
  std::string key = name;
  for (int i = 0; i < n_inputs; ++i) add_to_key(key, inputs[i]);
  key += ">";
  for (int k = 0; k < n_outputs; ++k) add_to_key(key, outputs[k]);

  Profile& p = profile();
  const std::lock_guard<std::mutex> lock(p.mutex);
  if (profiling() != session_) return;
  ProfileRow& row = p.rows[key];
  if (row.calls == 0) {
    row.op = name;
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
