#include "runtime/memory.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

#include "runtime/cgroup.h"

#if defined(__SANITIZE_ADDRESS__)
#define CR_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define CR_ADDRESS_SANITIZER 1
#endif
#endif

namespace chainrule {
namespace {

#if defined(CR_ADDRESS_SANITIZER)
constexpr bool kCaching = false;  // the sanitizer has to see every block come and go
#else
constexpr bool kCaching = true;
#endif

// ---- size classes: multiples of 64 bytes up to 1 KB, then eight to an octave
constexpr std::size_t kAlignment = 64;
constexpr int kSmallClasses = 16, kClassesPerOctave = 8;
constexpr int kFirstOctave = 10, kLastOctave = 46;
constexpr int kClasses = kSmallClasses + (kLastOctave - kFirstOctave) * kClassesPerOctave;
constexpr std::size_t kMaxBytes = std::size_t{1} << kLastOctave;  // no processor of ours addresses more

constexpr int size_class(std::size_t bytes) {
  const std::size_t last = bytes == 0 ? 0 : bytes - 1;
  if (last < 1024) return static_cast<int>(last / kAlignment);
  const int octave = 63 - __builtin_clzll(last);
  return kSmallClasses + (octave - kFirstOctave) * kClassesPerOctave + static_cast<int>((last >> (octave - 3)) & 7);
}

constexpr std::size_t class_bytes(int c) {
  if (c < kSmallClasses) return static_cast<std::size_t>(c + 1) * kAlignment;
  const int octave = (c - kSmallClasses) / kClassesPerOctave + kFirstOctave,
            step = (c - kSmallClasses) % kClassesPerOctave;
  return static_cast<std::size_t>(kClassesPerOctave + step + 1) << (octave - 3);
}
static_assert(class_bytes(size_class(1024)) == 1024 && class_bytes(size_class(1025)) == 1152 &&
              class_bytes(size_class(kMaxBytes)) == kMaxBytes && size_class(kMaxBytes) == kClasses - 1);

// Small blocks are cut from slabs, which stay with us for ever; middling ones are malloc's; large ones are mapped.
constexpr std::size_t kSlabBytes = std::size_t{64} << 10;
constexpr std::size_t kMappedBytes = std::size_t{2} << 20, kHugePage = kMappedBytes;
// Up to 32 KB each thread keeps some blocks of its own and needs no lock.
constexpr int kThreadClasses = size_class(std::size_t{32} << 10) + 1;
constexpr std::size_t kThreadBytesPerClass = std::size_t{128} << 10;
constexpr int thread_blocks(int c) {  // how many of a class
  const std::size_t fit = kThreadBytesPerClass / class_bytes(c);
  return static_cast<int>(fit > 64 ? 64 : fit);
}

// What a free block holds.
struct Block {
  Block* next;
  int size_class;
};

// ---- the system ----------------------------------------------------------------------------------------------------

struct Settings {
  bool huge_pages;
  std::size_t cache_limit;
};

Settings read_settings() {
  Settings settings;
  const char* huge = std::getenv("CHAINRULE_HUGE_PAGES");
  settings.huge_pages = !(huge && std::string(huge) == "0");
  if (const char* text = std::getenv("CHAINRULE_CACHE_LIMIT"); text && *text) {
    char* end = nullptr;
    settings.cache_limit = std::strtoull(text, &end, 10);
    if (*end != '\0' || *text == '-') {
      throw std::invalid_argument(std::string("CHAINRULE_CACHE_LIMIT=") + text + " is not a number of bytes");
    }
    return settings;
  }
  auto memory = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  if (const long long group = cgroup_memory(); group > 0) memory = std::min(memory, static_cast<std::size_t>(group));
  settings.cache_limit = std::max(memory / 4, std::size_t{256} << 20);
  return settings;
}

const Settings& settings() {
  static const Settings settings = read_settings();
  return settings;
}

std::atomic<std::size_t> g_system_calls{0};

void* aligned_malloc(std::size_t bytes) {
  void* block = nullptr;
  return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
}

// Starts on a huge page, so that the system can back all of it but the last part with huge pages.
void* map(std::size_t bytes) {
  void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, kHugePage - before);
#if defined(MADV_HUGEPAGE)
  if (settings().huge_pages) madvise(begin + before, bytes, MADV_HUGEPAGE);  // advice: no matter if it isn't taken
#endif
  return begin + before;
}

void* take_from_system(std::size_t bytes) {
  g_system_calls.fetch_add(1, std::memory_order_relaxed);
  return bytes < kMappedBytes || !kCaching ? aligned_malloc(bytes) : map(bytes);
}

void give_to_system(Block* list) {
  while (list) {
    Block* next = list->next;
    const std::size_t bytes = class_bytes(list->size_class);
    if (bytes < kMappedBytes) {
      std::free(list);
    } else {
      munmap(list, bytes);
    }
    list = next;
  }
}

// ---- caches --------------------------------------------------------------------------------------------------------

// The blocks a thread keeps for itself. Only the thread writes; the counters are atomic so that others can read them.
struct ThreadCache {
  Block* head[kThreadClasses] = {};
  int count[kThreadClasses] = {};
  std::atomic<std::size_t> cached{0}, allocations{0};
  ThreadCache *next = nullptr, *previous = nullptr;

  static void add(std::atomic<std::size_t>& counter, std::size_t value) {
    counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
  }
  void push(Block* block, int c) {
    block->next = head[c];
    head[c] = block;
    ++count[c];
    add(cached, class_bytes(c));
  }
  Block* pop(int c) {
    Block* block = head[c];
    if (block) {
      head[c] = block->next;
      --count[c];
      add(cached, -class_bytes(c));
    }
    return block;
  }
};

class Central {
 public:
  // A block of the class, or null. A thread with a cache gets some more of the small ones for the next calls.
  Block* take(int c, ThreadCache* cache) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!head_[c] && c < kSmallClasses) cut_slab(c);
    Block* block = pop(c);
    if (cache && c < kThreadClasses) {
      for (int more = thread_blocks(c) / 2; more > 0 && head_[c]; --more) cache->push(pop(c), c);
    }
    return block;
  }

  void give(Block* block, int c) {
    Block* surplus = nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      push(block, c);
      // A block that alone breaks the limit must not drive out all the others first.
      surplus = class_bytes(c) > settings().cache_limit && c >= kSmallClasses ? pop(c) : trim(settings().cache_limit);
    }
    give_to_system(surplus);
  }

  // Leaves `keep` blocks of the class with the thread.
  void give(ThreadCache& cache, int c, int keep) {
    Block* surplus = nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (cache.count[c] > keep) push(cache.pop(c), c);
      surplus = trim(settings().cache_limit);
    }
    give_to_system(surplus);
  }

  void empty() {
    Block* surplus = nullptr;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      surplus = trim(0);
    }
    give_to_system(surplus);
  }

  void enter(ThreadCache* cache) {
    std::lock_guard<std::mutex> lock(mutex_);
    cache->next = threads_;
    if (threads_) threads_->previous = cache;
    threads_ = cache;
  }
  void leave(ThreadCache* cache) {
    std::lock_guard<std::mutex> lock(mutex_);
    (cache->previous ? cache->previous->next : threads_) = cache->next;
    if (cache->next) cache->next->previous = cache->previous;
    allocations_ += cache->allocations.load(std::memory_order_relaxed);
  }

  void count_allocation() {
    std::lock_guard<std::mutex> lock(mutex_);
    ++allocations_;
  }

  void add_stats(MemoryStats& stats) {
    std::lock_guard<std::mutex> lock(mutex_);
    stats.cached += cached_;
    stats.allocations += allocations_;
    for (ThreadCache* cache = threads_; cache; cache = cache->next) {
      stats.cached += cache->cached.load(std::memory_order_relaxed);
      stats.allocations += cache->allocations.load(std::memory_order_relaxed);
    }
  }

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  void push(Block* block, int c) {
    block->next = head_[c];
    block->size_class = c;
    head_[c] = block;
    last_use_[c] = ++clock_;
    cached_ += class_bytes(c);
  }
  Block* pop(int c) {
    Block* block = head_[c];
    if (block) {
      head_[c] = block->next;
      block->next = nullptr;
      last_use_[c] = ++clock_;
      cached_ -= class_bytes(c);
    }
    return block;
  }

  void cut_slab(int c) {
    char* slab = static_cast<char*>(take_from_system(kSlabBytes));
    if (!slab) return;
    const std::size_t bytes = class_bytes(c);
    for (std::size_t i = kSlabBytes / bytes; i-- > 0;) push(new (slab + i * bytes) Block, c);
  }

  // Takes blocks off the lists, the classes that have been idle longest first, until no more than `limit` bytes are
  // left (or slab blocks only); returns them as a list. The block that was given last goes last: it's warm, and what
  // comes next will ask for it.
  Block* trim(std::size_t limit) {
    Block* surplus = nullptr;
    while (cached_ > limit) {
      int oldest = -1;
      for (int c = kSmallClasses; c < kClasses; ++c) {
        if (head_[c] && (oldest < 0 || last_use_[c] < last_use_[oldest])) oldest = c;
      }
      if (oldest < 0) break;
      const bool newest = last_use_[oldest] == clock_;
      while (head_[oldest] && cached_ > limit) {
        Block*& from = newest && head_[oldest]->next ? head_[oldest]->next : head_[oldest];
        Block* block = from;
        from = block->next;
        cached_ -= class_bytes(oldest);
        block->next = surplus;
        surplus = block;
      }
    }
    return surplus;
  }

  std::mutex mutex_;
  Block* head_[kClasses] = {};
  std::uint64_t last_use_[kClasses] = {}, clock_ = 0;
  std::size_t cached_ = 0, allocations_ = 0;  // allocations of threads that end or have ended
  ThreadCache* threads_ = nullptr;
};

Central& central() {
  // Never destroyed: tensors in static variables are freed later than anything we could time. A fork takes the lock
  // along, so that the child doesn't get it held by a thread it hasn't got.
  static Central* const central = [] {
    settings();
    auto* made = new Central;
    pthread_atfork([] { chainrule::central().lock(); }, [] { chainrule::central().unlock(); },
                   [] { chainrule::central().unlock(); });
    return made;
  }();
  return *central;
}

thread_local ThreadCache* t_cache = nullptr;
thread_local bool t_ended = false;  // this thread is ending: its cache is gone and isn't made anew

struct ThreadEnd {
  ~ThreadEnd() {
    ThreadCache* cache = t_cache;
    t_cache = nullptr;
    t_ended = true;
    if (!cache) return;
    for (int c = 0; c < kThreadClasses; ++c) {
      if (cache->count[c] > 0) central().give(*cache, c, 0);
    }
    central().leave(cache);
    delete cache;
  }
};

__attribute__((noinline)) ThreadCache* make_thread_cache() noexcept {
  if (t_ended) return nullptr;
  thread_local ThreadEnd at_end;
  static_cast<void>(&at_end);
  t_cache = new (std::nothrow) ThreadCache;
  if (t_cache) central().enter(t_cache);
  return t_cache;
}

std::atomic<std::size_t> g_in_use{0}, g_peak{0};

void count_in(std::size_t bytes) {
  const std::size_t now = g_in_use.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::size_t peak = g_peak.load(std::memory_order_relaxed);
  while (now > peak && !g_peak.compare_exchange_weak(peak, now, std::memory_order_relaxed)) {
  }
}

__attribute__((noinline)) void* allocate_slowly(std::size_t bytes, int c, ThreadCache* cache) {
  void* block = kCaching ? central().take(c, cache) : nullptr;
  for (int attempt = 0; !block && attempt < 2; ++attempt) {
    if (attempt > 0) empty_cache();
    if (!kCaching) {
      block = take_from_system(bytes > 0 ? bytes : 1);
    } else {
      block = c < kSmallClasses ? central().take(c, cache) : take_from_system(class_bytes(c));
    }
  }
  if (!block) throw std::bad_alloc();
  return block;
}

}  // namespace

void* allocate(std::size_t bytes) {
  if (bytes > kMaxBytes) throw std::bad_alloc();
  const int c = size_class(bytes);
  ThreadCache* cache = t_cache ? t_cache : make_thread_cache();
  void* block = kCaching && cache && c < kThreadClasses ? cache->pop(c) : nullptr;
  if (!block) block = allocate_slowly(bytes, c, cache);
  if (cache) {
    ThreadCache::add(cache->allocations, 1);
  } else {
    central().count_allocation();
  }
  count_in(class_bytes(c));
  return block;
}

void deallocate(void* block, std::size_t bytes) noexcept {
  if (!block) return;
  const int c = size_class(bytes);
  g_in_use.fetch_sub(class_bytes(c), std::memory_order_relaxed);
  if (!kCaching) return std::free(block);
  Block* free_block = new (block) Block;
  ThreadCache* cache = t_cache ? t_cache : make_thread_cache();
  if (!cache || c >= kThreadClasses) return central().give(free_block, c);
  cache->push(free_block, c);
  if (cache->count[c] > thread_blocks(c)) central().give(*cache, c, thread_blocks(c) / 2);
}

MemoryStats memory_stats() {
  MemoryStats stats{};
  stats.in_use = g_in_use.load(std::memory_order_relaxed);
  stats.peak_in_use = g_peak.load(std::memory_order_relaxed);
  stats.system = g_system_calls.load(std::memory_order_relaxed);
  central().add_stats(stats);
  return stats;
}

void reset_peak_memory() { g_peak.store(g_in_use.load(std::memory_order_relaxed), std::memory_order_relaxed); }

void empty_cache() {
  if (ThreadCache* cache = t_cache) {
    for (int c = 0; c < kThreadClasses; ++c) central().give(*cache, c, 0);
  }
  central().empty();
}

}  // namespace chainrule
