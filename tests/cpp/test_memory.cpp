// The caching allocator: blocks that are handed out are aligned, big enough and nobody else's; counts add up.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <mutex>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "runtime/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define CR_SKIP_WITHOUT_CACHE() GTEST_SKIP() << "AddressSanitizer builds keep no freed block"
#else
#define CR_SKIP_WITHOUT_CACHE() static_assert(true, "")
#endif

namespace chainrule {
namespace {

constexpr std::size_t kMB = std::size_t{1} << 20;

struct Held {
  unsigned char* block;
  std::size_t bytes;
  unsigned char mark;

  static Held make(std::size_t bytes, unsigned char mark) {
    Held held{static_cast<unsigned char*>(allocate(bytes)), bytes, mark};
    std::memset(held.block, mark, bytes);
    return held;
  }
  bool intact() const {
    return std::all_of(block, block + bytes, [this](unsigned char c) { return c == mark; });
  }
  void drop() const { deallocate(block, bytes); }
};

std::size_t random_size(std::mt19937& random) {  // all orders of magnitude alike
  const int bits = std::uniform_int_distribution<int>(0, 18)(random);
  return random() & ((std::size_t{1} << bits) - 1);
}

TEST(Memory, BlocksAreAligned) {
  std::vector<Held> all;
  for (std::size_t bytes :
       {0, 1, 63, 64, 65, 1000, 1024, 1025, 4096, 32768, 32769, 100000, 2097151, 2097152, 2097153, 50000000}) {
    all.push_back(Held::make(bytes, 7));
    EXPECT_NE(all.back().block, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(all.back().block) % 64, 0u) << bytes;
  }
  for (const Held& held : all) {
    EXPECT_TRUE(held.intact()) << held.bytes;
    held.drop();
  }
  deallocate(nullptr, 100);
}

TEST(Memory, BlocksDoNotOverlap) {
  std::mt19937 random(1);
  std::vector<Held> held;
  for (int step = 0; step < 20000; ++step) {
    if (held.size() < 300 && (held.empty() || random() % 2)) {
      held.push_back(Held::make(random_size(random), static_cast<unsigned char>(random())));
    } else {
      const std::size_t i = random() % held.size();
      ASSERT_TRUE(held[i].intact());
      held[i].drop();
      held[i] = held.back();
      held.pop_back();
    }
  }
  for (const Held& h : held) {
    ASSERT_TRUE(h.intact());
    h.drop();
  }
}

TEST(Memory, FreedBlocksComeBack) {
  CR_SKIP_WITHOUT_CACHE();
  for (std::size_t bytes : {std::size_t{8}, std::size_t{5000}, std::size_t{300000}, 3 * kMB, 100 * kMB}) {
    void* first = allocate(bytes);
    deallocate(first, bytes);
    const std::size_t system = memory_stats().system;
    void* second = allocate(bytes);
    EXPECT_EQ(second, first) << bytes;
    EXPECT_EQ(memory_stats().system, system);
    deallocate(second, bytes);
  }
}

TEST(Memory, StatisticsAddUp) {
  const MemoryStats before = memory_stats();
  void* block = allocate(10 * kMB);
  const MemoryStats during = memory_stats();
  EXPECT_GE(during.in_use, before.in_use + 10 * kMB);
  EXPECT_LE(during.in_use, before.in_use + 10 * kMB * 9 / 8);  // the width of a size class
  EXPECT_EQ(during.allocations, before.allocations + 1);
  EXPECT_GE(during.peak_in_use, during.in_use);
  deallocate(block, 10 * kMB);
  EXPECT_EQ(memory_stats().in_use, before.in_use);
  EXPECT_GE(memory_stats().peak_in_use, during.in_use);
  reset_peak_memory();
  EXPECT_EQ(memory_stats().peak_in_use, before.in_use);
}

TEST(Memory, EmptyCacheGivesBack) {
  CR_SKIP_WITHOUT_CACHE();
  const std::size_t sizes[] = {3000, 500000, 20 * kMB};
  for (std::size_t bytes : sizes) deallocate(allocate(bytes), bytes);
  EXPECT_GE(memory_stats().cached, 20 * kMB);
  empty_cache();
  EXPECT_LT(memory_stats().cached, kMB);  // slabs of small blocks stay
  const std::size_t system = memory_stats().system;
  for (std::size_t bytes : sizes) deallocate(allocate(bytes), bytes);
  EXPECT_EQ(memory_stats().system, system + 3);
}

TEST(Memory, OtherThreadsMayFree) {
  const std::size_t before = memory_stats().in_use;
  for (int round = 0; round < 20; ++round) {
    std::vector<Held> held;
    std::thread([&held, round] {
      std::mt19937 random(static_cast<unsigned>(round));
      for (int i = 0; i < 200; ++i) held.push_back(Held::make(random_size(random), static_cast<unsigned char>(i)));
    }).join();
    for (const Held& h : held) {
      ASSERT_TRUE(h.intact());
      h.drop();
    }
  }
  EXPECT_EQ(memory_stats().in_use, before);
}

TEST(Memory, ManyThreadsAtOnce) {
  const std::size_t before = memory_stats().in_use;
  std::mutex mutex;
  std::vector<Held> pool;  // blocks pass from thread to thread
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      for (int step = 0; step < 5000; ++step) {
        Held held = Held::make(random_size(random), static_cast<unsigned char>(random()));
        {
          std::lock_guard<std::mutex> lock(mutex);
          pool.push_back(held);
          if (pool.size() < 50) continue;
          std::swap(pool[random() % pool.size()], pool.back());
          held = pool.back();
          pool.pop_back();
        }
        EXPECT_TRUE(held.intact());
        held.drop();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const Held& held : pool) held.drop();
  EXPECT_EQ(memory_stats().in_use, before);
}

TEST(Memory, ThreadsThatEndLeaveTheirBlocksToOthers) {
  CR_SKIP_WITHOUT_CACHE();
  std::thread([] { deallocate(allocate(20000), 20000); }).join();
  const std::size_t system = memory_stats().system;
  for (int i = 0; i < 10; ++i) std::thread([] { deallocate(allocate(20000), 20000); }).join();
  EXPECT_EQ(memory_stats().system, system);
}

TEST(Memory, ImpossibleRequestsThrowAndChangeNothing) {
  Held held = Held::make(1000, 9);
  const MemoryStats before = memory_stats();
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  for (std::size_t bytes : {most, most - 63, std::size_t{1} << 63, (std::size_t{1} << 46) + 1, std::size_t{1} << 46}) {
#if defined(__SANITIZE_ADDRESS__)
    if (bytes <= std::size_t{1} << 46) continue;  // the sanitizer would end the process
#endif
    EXPECT_THROW(allocate(bytes), std::bad_alloc) << bytes;
  }
  EXPECT_EQ(memory_stats().in_use, before.in_use);
  EXPECT_EQ(memory_stats().allocations, before.allocations);
  EXPECT_TRUE(held.intact());
  held.drop();
  Held::make(5 * kMB, 1).drop();
}

TEST(MemoryDeathTest, CacheStaysBelowItsLimit) {
  CR_SKIP_WITHOUT_CACHE();
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a process of its own, since the limit is read once
  EXPECT_EXIT(
      {
        setenv("CHAINRULE_CACHE_LIMIT", "8000000", 1);
        for (std::size_t bytes : {6 * kMB, 3 * kMB, kMB, std::size_t{100000}, 20 * kMB})
          deallocate(allocate(bytes), bytes);
        const std::size_t cached = memory_stats().cached;
        std::exit(cached <= 8000000 + 200000 && cached >= kMB ? 0 : 1);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace chainrule
