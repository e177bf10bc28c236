#include "runtime/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>

#include "runtime/cgroup.h"
#include "runtime/float_mode.h"
#include "runtime/memory.h"

namespace chainrule {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kSpin = std::chrono::microseconds(40);     // a worker looks for the next call this long before it sleeps
constexpr auto kYield = std::chrono::microseconds(10);    // who waits longer than this lets others have the processor
constexpr auto kPatience = std::chrono::milliseconds(2);  // so long the end of a call is waited for awake
constexpr int kMaxThreads = 1024;

std::atomic<bool> g_forked{false};   // the workers stayed with the process that this one was forked from
thread_local bool t_inside = false;  // this thread runs a chunk, so what it calls runs serially

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Spins until done() holds or `limit` has passed; returns whether it holds. Yields once it has waited for a while,
// since then somebody else may be in need of this processor: perhaps the very thread that is waited for.
template <class Done>
bool spin(Clock::duration limit, const Done& done) {
  for (int i = 0; i < 64; ++i) {
    if (done()) return true;
    relax();
  }
  const auto start = Clock::now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      relax();
    }
    const auto waited = Clock::now() - start;
    if (waited > limit) return done();
    if (waited > kYield) sched_yield();
  }
}

// What is left of a job: one bit for each of its spans, which are runs of neighbouring chunks (single chunks, up to
// kSpans of them). A thread claims by clearing a bit. It begins at its own home and goes on to its neighbours', so that
// a thread meets the same part of an array in loop after loop, where its caches still hold it.
class Unclaimed {
 public:
  static constexpr std::int64_t kSpans = 192;  // with what a worker reads besides, one cache line

  // Only while nothing is left. The first span isn't put in: it is the caller's.
  void fill(std::int64_t spans) {
    const std::int64_t words = (spans + 63) / 64;
    for (std::int64_t w = words - 1; w >= 0; --w) {
      const std::int64_t bits = std::min<std::int64_t>(spans - 64 * w, 64);
      word_[w].store((~std::uint64_t{0} >> (64 - bits)) - (w == 0 ? 1 : 0), std::memory_order_seq_cst);
    }
  }
  bool any() const {
    std::uint64_t bits = 0;
    for (const auto& word : word_) bits |= word.load(std::memory_order_seq_cst);
    return bits != 0;
  }
  // The first free span from `home` on, in a circle; -1 if there is none.
  std::int64_t claim(std::int64_t home) {
    const std::int64_t start = home / 64;
    std::uint64_t from_home = ~std::uint64_t{0} << (home % 64);
    for (std::int64_t i = 0; i <= kWords; ++i, from_home = ~std::uint64_t{0}) {
      std::atomic<std::uint64_t>& word = word_[(start + i) % kWords];
      while (const std::uint64_t free = word.load(std::memory_order_relaxed) & from_home) {
        const std::uint64_t bit = free & (~free + 1);
        if (word.fetch_and(~bit, std::memory_order_acq_rel) & bit)
          return (start + i) % kWords * 64 + __builtin_ctzll(bit);
      }
    }
    return -1;
  }

 private:
  static constexpr std::int64_t kWords = kSpans / 64;
  std::atomic<std::uint64_t> word_[kWords] = {};
};

// The pool has one job slot. `unclaimed` is the only door to it: a thread that clears a bit there holds a span of the
// job now in the slot, and that job cannot return before the span is counted in `finished`. So the plain fields may be
// read after a claim, and a worker that comes late finds nothing to claim (or a span of the next job, which is as good)
// and touches nothing else. The slot is written only by the owner, between two jobs.
class Pool {
 public:
  // Runs the job and returns true, or returns false where the caller has to run it alone.
  bool run(std::int64_t chunks, ChunkFn fn, void* context) {
    if (owned_.exchange(true, std::memory_order_acquire)) return false;
    start_workers();
    fn_ = fn;
    context_ = context;
    const std::int64_t spans = std::min(chunks, Unclaimed::kSpans);
    chunks_ = chunks;
    spans_.store(spans, std::memory_order_relaxed);
    mode_ = float_mode();
    finished_.store(0, std::memory_order_relaxed);
    unclaimed_.fill(spans);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) wake(spans - 1);

    t_inside = true;
    run_span(0);
    const std::int64_t mine = 1 + run_claimed(0);
    t_inside = false;
    wait_for(spans - mine);
    if (const unsigned flags = flags_.load(std::memory_order_relaxed)) {
      flags_.store(0, std::memory_order_relaxed);
      raise_float_flags(flags);
    }

    std::exception_ptr error;
    if (failed_.load(std::memory_order_relaxed)) {
      failed_.store(false, std::memory_order_relaxed);
      std::swap(error, error_);
    }
    owned_.store(false, std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

  int threads() const { return wanted_.load(std::memory_order_relaxed) + 1; }

  void set_threads(int n) {
    if (g_forked.load(std::memory_order_relaxed)) {  // the condition variables still wait for the parent's workers
      wanted_.store(n - 1, std::memory_order_relaxed);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      wanted_.store(n - 1, std::memory_order_relaxed);
    }
    wake_up_.notify_all();  // who is no longer wanted parks, who is wanted again comes back
    parked_.notify_all();
  }

  void enter_hot() {
    hot_.fetch_add(1, std::memory_order_seq_cst);
    start_workers();
    {
      std::lock_guard<std::mutex> lock(mutex_);
    }
    wake_up_.notify_all();
  }
  void leave_hot() { hot_.fetch_sub(1, std::memory_order_relaxed); }

  // A fork holds the mutex, so that the child doesn't get it held by a thread that it hasn't got. A child of a process
  // whose pool nobody has used yet may use its own.
  void before_fork() { mutex_.lock(); }
  void after_fork() { mutex_.unlock(); }
  void after_fork_in_child() {
    const bool used = started_.load(std::memory_order_relaxed) > 0 || owned_.load(std::memory_order_relaxed) ||
                      hot_.load(std::memory_order_relaxed) > 0;
    mutex_.unlock();
    if (used) g_forked.store(true, std::memory_order_relaxed);
  }

 private:
  void run_span(std::int64_t span) noexcept {
    const std::int64_t spans = spans_.load(std::memory_order_relaxed);
    if (spans == chunks_) return run_chunk(span);
    const std::int64_t end = (span + 1) * chunks_ / spans;
    for (std::int64_t chunk = span * chunks_ / spans; chunk < end; ++chunk) run_chunk(chunk);
  }

  void run_chunk(std::int64_t chunk) noexcept {
    try {
      fn_(context_, chunk);
    } catch (...) {
      std::lock_guard<std::mutex> lock(mutex_);
      // Of several errors the one that a serial run would have met first.
      if (!failed_.load(std::memory_order_relaxed) || chunk < failed_chunk_) {
        error_ = std::current_exception();
        failed_chunk_ = chunk;
        failed_.store(true, std::memory_order_relaxed);
      }
    }
  }

  // Runs spans for as long as there are any and returns how many. Thread 0 is the caller.
  std::int64_t run_claimed(std::int64_t thread) noexcept {
    std::int64_t count = 0;
    // The sizes are those of a job that may be over, and then the home is somebody else's: that costs locality alone.
    while (unclaimed_.any()) {
      const std::int64_t threads = wanted_.load(std::memory_order_relaxed) + 1;
      const std::int64_t home = thread * spans_.load(std::memory_order_relaxed) / threads;
      const std::int64_t span = unclaimed_.claim(home);
      if (span < 0) break;
      if (float_mode() != mode_) set_float_mode(mode_);
      run_span(span);
      if (const unsigned flags = float_flags(); flags != 0 && thread != 0) {
        flags_.fetch_or(flags, std::memory_order_relaxed);  // published with the count of what is finished
        clear_float_flags();
      }
      ++count;
    }
    return count;
  }

  void wait_for(std::int64_t count) {
    const auto done = [&] { return finished_.load(std::memory_order_acquire) == count; };
    if (done() || spin(kPatience, done)) return;
    std::unique_lock<std::mutex> lock(mutex_);
    caller_sleeps_.store(true, std::memory_order_seq_cst);
    all_done_.wait(lock, [&] { return finished_.load(std::memory_order_seq_cst) == count; });
    caller_sleeps_.store(false, std::memory_order_relaxed);
  }

  void wake(std::int64_t count) {
    {
      std::lock_guard<std::mutex> lock(mutex_);  // a worker is either asleep now or will see `unclaimed`
    }
    if (count >= sleeping_.load(std::memory_order_relaxed)) {
      wake_up_.notify_all();
    } else {
      for (; count > 0; --count) wake_up_.notify_one();
    }
  }

  void start_workers() {
    const int wanted = wanted_.load(std::memory_order_relaxed);
    if (started_.load(std::memory_order_acquire) >= wanted) return;
    std::lock_guard<std::mutex> lock(mutex_);
    // Workers inherit the signal mask: handlers run in the program's own threads, except for faults of the worker
    // itself.
    sigset_t all, before;
    sigfillset(&all);
    for (int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int started = started_.load(std::memory_order_relaxed);
    try {
      for (; started < wanted; ++started) std::thread(&Pool::work, this, started).detach();
    } catch (const std::exception&) {  // the system allows no more threads: num_threads() tells how many there are
      wanted_.store(started, std::memory_order_relaxed);
    }
    started_.store(started, std::memory_order_release);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  // The life of worker `id`. It never ends: at exit the process takes detached threads along.
  void work(int id) {
    t_inside = true;
    const auto is_wanted = [&] { return id < wanted_.load(std::memory_order_relaxed); };
    const auto has_work = [&] { return unclaimed_.any(); };
    const auto is_hot = [&] { return hot_.load(std::memory_order_relaxed) > 0; };
    const auto is_running = [&] { return owned_.load(std::memory_order_relaxed); };
    // While a call runs, the next one may be near. A worker that woke up too late for this one would otherwise fall
    // asleep again just before it, and come too late call after call.
    const auto outlasts_call = [&] {
      return is_running() && spin(kPatience, [&] { return has_work() || !is_running(); });
    };
    for (;;) {
      while (is_wanted() && (spin(kSpin, has_work) || outlasts_call() || is_hot())) {
        const std::int64_t count = run_claimed(id + 1);
        if (count == 0) continue;
        finished_.fetch_add(count, std::memory_order_seq_cst);
        if (caller_sleeps_.load(std::memory_order_seq_cst)) {
          {
            std::lock_guard<std::mutex> lock(mutex_);
          }
          all_done_.notify_one();
        }
      }
      std::unique_lock<std::mutex> lock(mutex_);
      if (!is_wanted()) {
        parked_.wait(lock, is_wanted);
      } else {
        sleeping_.fetch_add(1, std::memory_order_seq_cst);
        wake_up_.wait(lock, [&] { return !is_wanted() || has_work() || hot_.load(std::memory_order_seq_cst) > 0; });
        sleeping_.fetch_sub(1, std::memory_order_relaxed);
      }
    }
  }

  // What workers read to find and run a chunk sits on one cache line, what they write when they are done on another.
  alignas(128) Unclaimed unclaimed_;
  std::atomic<std::int64_t> spans_{1};
  ChunkFn fn_ = nullptr;
  void* context_ = nullptr;
  std::int64_t chunks_ = 0;
  std::uint64_t mode_ = 0;  // the caller's

  alignas(128) std::atomic<std::int64_t> finished_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<unsigned> flags_{0};  // what the workers' arithmetic raised
  std::atomic<bool> failed_{false};
  std::int64_t failed_chunk_ = 0;
  std::exception_ptr error_;

  alignas(128) std::atomic<int> wanted_{usable_cpus() - 1};  // workers, the caller not counted
  std::atomic<int> started_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<int> hot_{0};
  std::mutex mutex_;
  std::condition_variable wake_up_, parked_, all_done_;

  alignas(128) std::atomic<bool> owned_{false};
};

Pool& pool() {
  // Never destroyed: workers may still look at it while the process ends.
  static Pool* const pool = [] {
    auto* made = new Pool;
    pthread_atfork([] { chainrule::pool().before_fork(); }, [] { chainrule::pool().after_fork(); },
                   [] { chainrule::pool().after_fork_in_child(); });
    return made;
  }();
  return *pool;
}

// The value of an environment variable that caps the threads: its first number, 0 where it isn't set.
long threads_from_environment(const char* name, bool strict) {
  const char* text = std::getenv(name);
  if (!text || !*text) return 0;
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  const bool valid = end != text && value >= 1 && (*end == '\0' || (!strict && *end == ','));
  if (valid) return value;
  if (strict)
    throw std::invalid_argument(std::string(name) + "=" + text +
                                " is not a number of threads; use a whole number of at least 1");
  return 0;
}

int count_usable_cpus() {
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  for (int size = 1024; size <= (1 << 20); size *= 2) {  // grows until the kernel's mask fits
    cpu_set_t* mask = CPU_ALLOC(size);
    if (!mask) break;
    const bool read = sched_getaffinity(0, CPU_ALLOC_SIZE(size), mask) == 0;
    if (read) cpus = CPU_COUNT_S(CPU_ALLOC_SIZE(size), mask);
    CPU_FREE(mask);
    if (read) break;
  }
#endif
  const double quota = cgroup_cpus();
  if (quota > 0 && std::ceil(quota) < cpus) cpus = static_cast<int>(std::ceil(quota));
  long cap = threads_from_environment("CHAINRULE_NUM_THREADS", true);
  if (cap == 0) cap = threads_from_environment("OMP_NUM_THREADS", false);
  if (cap > 0 && cap < cpus) cpus = static_cast<int>(cap);
  return cpus < 1 ? 1 : cpus > kMaxThreads ? kMaxThreads : cpus;
}

struct Scratch {
  void* block[4] = {};
  std::size_t bytes[4] = {};
  ~Scratch() {
    for (int i = 0; i < 4; ++i) {
      if (block[i]) deallocate(block[i], bytes[i]);
    }
  }
};

}  // namespace

int usable_cpus() {
  static const int count = count_usable_cpus();
  return count;
}

int num_threads() { return g_forked.load(std::memory_order_relaxed) ? 1 : pool().threads(); }

void set_num_threads(int n) {
  if (n < 1 || n > kMaxThreads) {
    throw std::invalid_argument("set_num_threads: " + std::to_string(n) + " threads; expected 1 to " +
                                std::to_string(kMaxThreads));
  }
  pool().set_threads(n);
}

void parallel_for(std::int64_t chunks, ChunkFn fn, void* context) {
  if (chunks > 1 && !t_inside && pool().threads() > 1 && !g_forked.load(std::memory_order_relaxed) &&
      pool().run(chunks, fn, context)) {
    return;
  }
  for (std::int64_t i = 0; i < chunks; ++i) fn(context, i);
}

HotRegion::HotRegion() {
  if (!g_forked.load(std::memory_order_relaxed)) pool().enter_hot();
}

HotRegion::~HotRegion() {
  if (!g_forked.load(std::memory_order_relaxed)) pool().leave_hot();
}

void* thread_scratch(int slot, std::size_t bytes) {
  thread_local Scratch scratch;
  if (bytes > scratch.bytes[slot]) {
    const std::size_t grown = ((bytes + bytes / 4) | 0xffff) + 1;  // multiples of 64 KB, with room for a little growth
    if (scratch.block[slot]) deallocate(scratch.block[slot], scratch.bytes[slot]);
    scratch.block[slot] = nullptr;
    scratch.bytes[slot] = 0;
    scratch.block[slot] = allocate(grown);
    scratch.bytes[slot] = grown;
  }
  return scratch.block[slot];
}

}  // namespace chainrule
