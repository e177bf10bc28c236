// Measuring ops: the time of each, called eagerly (apply.cpp) or as a step of a program (run.cpp), summed by name,
// layer and operands; and the limit to compare them with.
// Invariants: one measurement at a time in the process, of the ops of all threads; where there is none, an eager call
// and a run of a program each pay one relaxed load.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "ops/op.h"

namespace chainrule {

struct ProfileRow {
  std::string op;
  std::string layer;                    // empty outside of any; of a fused group all, joined by "+"
  std::vector<Output> inputs, outputs;  // without optional inputs that were not given
  std::int64_t calls = 0;
  std::int64_t bytes = 0;  // of operands, all calls: read or written once, twice where changed in place, 0 for views
  double seconds = 0;
};

void start_profile();                    // std::runtime_error if a measurement is on
std::vector<ProfileRow> stop_profile();  // longest first; nothing if none is on

// Flops per second of multiply-adds on registers alone, F32 or F64, on all threads at once: the best of many short runs
// (a few milliseconds) and of the calls before with as many threads, since other work on the machine only lowers it.
// std::invalid_argument for other dtypes.
double measure_peak(DType dtype);

extern std::atomic<std::uint64_t> profile_session;  // the number of the measurement that is on, or 0
inline std::uint64_t profiling() { return profile_session.load(std::memory_order_relaxed); }

// Measures from its construction to stop(), if a measurement is on; what is noted is put together after that. An op
// that throws isn't counted.
class ProfileTimer {
 public:
  explicit ProfileTimer(bool wanted) : session_(wanted ? profiling() : 0) {
    if (session_) start_ = std::chrono::steady_clock::now();
  }
  explicit operator bool() const { return session_ != 0; }
  // Both only if true, stop() first.
  void stop() { seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count(); }
  // Adds the time to the row of this name, layer and operands; `op` is null for fused groups. Dropped if the
  // measurement has ended meanwhile.
  void note(const std::string& name, const std::string& layer, const Op* op, const Tensor* inputs, int n_inputs,
            const Tensor* outputs, int n_outputs) const;

 private:
  std::uint64_t session_;
  std::chrono::steady_clock::time_point start_;
  double seconds_ = 0;
};

}  // namespace chainrule
