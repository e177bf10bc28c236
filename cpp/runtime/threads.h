// The thread pool: fork-join over a fixed list of chunks.
// Invariants: what a chunk computes depends on its index alone, never on the thread that runs it, so results are the
// same for any thread count. Chunks are claimed as threads come free, the caller works too, and a call returns when its
// chunks are done, not when every worker has woken: a worker put to sleep by the system delays only the chunk it holds.
// Each thread begins with a part of its own, the same in every call of as many chunks, and helps others when it is
// done. A nested call, a call while another Python thread owns the pool, and any call in a child forked from a process
// that has used its pool run serially.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace chainrule {

// Usable processors: the least of affinity and cgroup quota (at least 1). CHAINRULE_NUM_THREADS, then OMP_NUM_THREADS,
// cap it.
int usable_cpus();
int num_threads();
void set_num_threads(int n);  // n >= 1; throws std::invalid_argument

using ChunkFn = void (*)(void* context, std::int64_t chunk);
// Calls fn(context, i) once for every i in [0, chunks). An exception thrown by a chunk is rethrown in the caller.
void parallel_for(std::int64_t chunks, ChunkFn fn, void* context);

template <class F>
void parallel_for(std::int64_t chunks, F&& body) {
  using Body = std::remove_reference_t<F>;
  parallel_for(
      chunks, [](void* context, std::int64_t chunk) { (*static_cast<Body*>(context))(chunk); },
      const_cast<void*>(static_cast<const void*>(std::addressof(body))));
}

// While one lives, workers spin between calls instead of going to sleep, so that the many small loops of a recorded
// program cost a hand-off (about 0.2 microseconds) each and no wake-up (about 50).
class HotRegion {
 public:
  HotRegion();
  ~HotRegion();
  HotRegion(const HotRegion&) = delete;
  HotRegion& operator=(const HotRegion&) = delete;
};

// Scratch space of the calling thread, 64-byte aligned, kept until the thread ends; a second call may move it.
// `slot` (0..3) tells apart buffers that live at the same time.
void* thread_scratch(int slot, std::size_t bytes);

}  // namespace chainrule
