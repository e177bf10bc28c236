// What a parallel loop costs beyond its work: the hand-off to workers that spin (hot), to workers that sleep (cold),
// and the serial call, with empty chunks, one a thread. On a loaded machine read the least of several repetitions.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "runtime/memory.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

void run_empty_chunks(int threads) {
  parallel_for(threads, [](std::int64_t chunk) { benchmark::DoNotOptimize(chunk); });
}

void serial(benchmark::State& state) {
  set_num_threads(1);
  for (auto _ : state) run_empty_chunks(1);
}
BENCHMARK(serial);

void hand_off_hot(benchmark::State& state) {
  set_num_threads(static_cast<int>(state.range(0)));
  HotRegion hot;
  for (auto _ : state) run_empty_chunks(static_cast<int>(state.range(0)));
}
BENCHMARK(hand_off_hot)->DenseRange(2, usable_cpus() > 2 ? usable_cpus() : 2)->UseRealTime();

// Outside of a hot region, but soon after the last call.
void hand_off_warm(benchmark::State& state) {
  set_num_threads(usable_cpus());
  for (auto _ : state) run_empty_chunks(usable_cpus());
}
BENCHMARK(hand_off_warm)->UseRealTime();

void hand_off_cold(benchmark::State& state) {
  set_num_threads(usable_cpus());
  for (auto _ : state) {
    std::this_thread::sleep_for(std::chrono::microseconds(500));
    const auto start = std::chrono::steady_clock::now();
    run_empty_chunks(usable_cpus());
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
}
BENCHMARK(hand_off_cold)->UseManualTime()->Iterations(1000);

// All threads must take part: until each chunk has begun, none ends. The time is the mean, which one interruption by
// the system spoils; the counters are the tenth and the fiftieth percentile.
void hand_off_hot_all_take_part(benchmark::State& state) {
  using Clock = std::chrono::steady_clock;
  const int threads = usable_cpus();
  set_num_threads(threads);
  HotRegion hot;
  std::vector<double> nanoseconds;
  for (auto _ : state) {
    const auto start = Clock::now();
    std::atomic<int> arrived{0};
    parallel_for(threads, [&](std::int64_t) {
      arrived.fetch_add(1, std::memory_order_relaxed);
      while (arrived.load(std::memory_order_relaxed) < threads) benchmark::ClobberMemory();
    });
    nanoseconds.push_back(std::chrono::duration<double, std::nano>(Clock::now() - start).count());
  }
  std::sort(nanoseconds.begin(), nanoseconds.end());
  state.counters["p10_ns"] = nanoseconds[nanoseconds.size() / 10];
  state.counters["p50_ns"] = nanoseconds[nanoseconds.size() / 2];
}
BENCHMARK(hand_off_hot_all_take_part)->UseRealTime()->Iterations(20000);

void allocate_and_free(benchmark::State& state) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    void* block = allocate(bytes);
    benchmark::DoNotOptimize(block);
    deallocate(block, bytes);
  }
}
BENCHMARK(allocate_and_free)->Arg(64)->Arg(4096)->Arg(1 << 20)->Arg(64 << 20);

}  // namespace
}  // namespace chainrule
