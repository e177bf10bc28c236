// The thread pool: every chunk runs exactly once whatever happens around it. Meant to be run under ThreadSanitizer too.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/float_mode.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

// Plain counters: two runs of one chunk at once would be a race that ThreadSanitizer reports.
void expect_each_chunk_once(std::int64_t chunks) {
  std::vector<int> runs(static_cast<std::size_t>(chunks), 0);
  parallel_for(chunks, [&](std::int64_t i) { ++runs[static_cast<std::size_t>(i)]; });
  for (std::int64_t i = 0; i < chunks; ++i)
    ASSERT_EQ(runs[static_cast<std::size_t>(i)], 1) << "chunk " << i << " of " << chunks;
}

class Threads : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_num_threads(GetParam()); }
  void TearDown() override { set_num_threads(usable_cpus()); }
};
INSTANTIATE_TEST_SUITE_P(Counts, Threads, testing::Values(1, 2, 3, 8));

TEST_P(Threads, RunEachChunkOnce) {
  EXPECT_EQ(num_threads(), GetParam());
  for (std::int64_t chunks : {0, 1, 2, 3, 7, 64, 65, 128, 191, 192, 193, 400, 1000, 100000})
    expect_each_chunk_once(chunks);
}

TEST_P(Threads, ManySmallJobs) {
  const int jobs = 100000;
  std::int64_t total = 0;
  for (int job = 0; job < jobs; ++job) {
    std::int64_t parts[4] = {};
    parallel_for(4, [&](std::int64_t i) { parts[i] = i + job; });
    total += parts[0] + parts[1] + parts[2] + parts[3];
  }
  EXPECT_EQ(total, std::int64_t{jobs} * 6 + 4 * (std::int64_t{jobs} * (jobs - 1) / 2));
}

TEST_P(Threads, JobsWithPausesBetween) {  // workers fall asleep between some of them
  for (int job = 0; job < 100; ++job) {
    std::this_thread::sleep_for(std::chrono::microseconds(job * 4));
    expect_each_chunk_once(5);
  }
}

TEST_P(Threads, LongChunksWaitedForAsleep) {
  std::vector<int> runs(6, 0);
  parallel_for(6, [&](std::int64_t i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ++runs[static_cast<std::size_t>(i)];
  });
  EXPECT_EQ(runs, std::vector<int>(6, 1));
}

TEST_P(Threads, FirstErrorIsRethrown) {
  for (int attempt = 0; attempt < 200; ++attempt) {
    try {
      parallel_for(50, [](std::int64_t i) {
        if (i % 10 == 7) throw std::runtime_error(std::to_string(i));
      });
      FAIL() << "nothing thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "7");
    }
    expect_each_chunk_once(9);
  }
}

TEST_P(Threads, NestedCallsRunOnTheSameThread) {
  std::atomic<int> inner_runs{0};
  std::atomic<bool> moved{false};
  parallel_for(16, [&](std::int64_t) {
    const auto self = std::this_thread::get_id();
    parallel_for(10, [&](std::int64_t) {
      inner_runs.fetch_add(1, std::memory_order_relaxed);
      if (std::this_thread::get_id() != self) moved = true;
    });
  });
  EXPECT_EQ(inner_runs, 160);
  EXPECT_FALSE(moved);
}

TEST_P(Threads, SeveralCallers) {
  std::vector<std::thread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&wrong, caller] {
      for (int job = 0; job < 3000; ++job) {
        std::int64_t parts[8] = {};
        parallel_for(8, [&](std::int64_t i) { parts[i] = i * caller + job; });
        for (int i = 0; i < 8; ++i) wrong += parts[i] != std::int64_t{i} * caller + job;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
}

TEST_P(Threads, HotRegions) {
  for (int round = 0; round < 20; ++round) {
    {
      HotRegion hot;
      for (int job = 0; job < 500; ++job) expect_each_chunk_once(4);
      HotRegion inner;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
      expect_each_chunk_once(4);
    }
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    expect_each_chunk_once(4);
  }
}

TEST(ThreadsSetNumber, WhileJobsRun) {
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    for (int n = 1; !stop; n = n % 5 + 1) {
      set_num_threads(n);
      std::this_thread::yield();
    }
  });
  for (int job = 0; job < 3000; ++job) expect_each_chunk_once(job % 11);
  stop = true;
  changer.join();
  set_num_threads(usable_cpus());
}

TEST(ThreadsSetNumber, RejectsNonsense) {
  EXPECT_THROW(set_num_threads(0), std::invalid_argument);
  EXPECT_THROW(set_num_threads(-3), std::invalid_argument);
  EXPECT_THROW(set_num_threads(1 << 30), std::invalid_argument);
}

TEST(ThreadsParallel, ChunksRunAtTheSameTime) {
  set_num_threads(3);
  std::atomic<int> arrived{0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  parallel_for(3, [&](std::int64_t) {
    ++arrived;
    while (arrived < 3 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  });
  EXPECT_LT(std::chrono::steady_clock::now(), deadline);
  set_num_threads(usable_cpus());
}

// What a forked child does; returns its exit code.
int use_in_child() {
  alarm(60);  // a hang becomes a failure
  int bad = num_threads() != 1;
  set_num_threads(4);
  HotRegion hot;
  for (int job = 0; job < 100; ++job) {
    std::int64_t sum = 0;  // no lock: serial
    parallel_for(20, [&](std::int64_t i) { sum += i; });
    bad |= sum != 190;
  }
  for (std::size_t bytes = 1; bytes < (std::size_t{8} << 20); bytes *= 3) {
    void* block = allocate(bytes);
    std::memset(block, 1, bytes);
    deallocate(block, bytes);
  }
  std::memset(thread_scratch(0, 100000), 1, 100000);
  return bad;
}

TEST(ThreadsFork, ChildrenRunSerially) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the address sanitizer's own allocator keeps its locks taken in a child that is forked while another "
                  "thread allocates";
#endif
  set_num_threads(4);
  // The first use of all makes the pool and the allocator: a child forked in the middle of that would wait for ever for
  // it to end.
  expect_each_chunk_once(10);
  deallocate(allocate(1), 1);
  std::atomic<bool> stop{false};
  std::thread busy([&] {  // forks happen in the middle of jobs and of allocations
    while (!stop) {
      parallel_for(8, [](std::int64_t i) {
        const auto bytes = static_cast<std::size_t>(i + 1) << 14;
        deallocate(allocate(bytes), bytes);
      });
    }
  });
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(use_in_child());
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status;
    expect_each_chunk_once(10);  // the parent's pool lives on
  }
  stop = true;
  busy.join();
  set_num_threads(usable_cpus());
}

// Half of the least normal number, computed by every chunk: 0 where subnormal results are flushed.
int subnormal_results() {
  std::vector<float> halves(64);
  volatile float least = std::numeric_limits<float>::min();
  parallel_for(64, [&](std::int64_t chunk) { halves[static_cast<std::size_t>(chunk)] = least * 0.5f; });
  int count = 0;
  for (const float half : halves) {
    std::uint32_t bits;
    std::memcpy(&bits, &half, sizeof bits);  // a comparison would take a subnormal for zero too
    count += bits != 0;
  }
  return count;
}

TEST(ThreadsFloatMode, ChunksComputeInTheCallersMode) {
#if !defined(__x86_64__) && !defined(__aarch64__)
  GTEST_SKIP() << "no control word is known for this processor";
#endif
  for (int round = 0; round < 20; ++round) {
    EXPECT_EQ(subnormal_results(), 64);
    {
      const FlushSubnormals flush;
      EXPECT_EQ(subnormal_results(), 0);
    }
  }
  EXPECT_EQ(subnormal_results(), 64);
}

TEST(ThreadsScratch, BuffersAreAlignedKeptAndOnesOwn) {
  char* first = static_cast<char*>(thread_scratch(0, 1000));
  char* second = static_cast<char*>(thread_scratch(1, 1000));
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0u);
  EXPECT_TRUE(second >= first + 1000 || first >= second + 1000);
  std::memset(first, 1, 1000);
  EXPECT_EQ(thread_scratch(0, 500), first);
  EXPECT_EQ(first[999], 1);
  void* others = nullptr;
  const std::size_t before = memory_stats().in_use;
  std::thread([&] { others = thread_scratch(0, 1000); }).join();
  EXPECT_NE(others, nullptr);
  EXPECT_NE(others, static_cast<void*>(first));
  EXPECT_EQ(memory_stats().in_use, before);  // freed at the thread's end
  char* grown = static_cast<char*>(thread_scratch(0, 5 << 20));
  grown[(5 << 20) - 1] = 1;
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(grown) % 64, 0u);
}

// Each runs in a process of its own, since the number is read once.
TEST(ThreadsEnvironmentDeathTest, CapsTheNumber) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto exit_if = [](bool good) { std::exit(good ? 0 : 1); };
  EXPECT_EXIT(
      {
        setenv("CHAINRULE_NUM_THREADS", "1", 1);
        exit_if(usable_cpus() == 1 && num_threads() == 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        setenv("OMP_NUM_THREADS", "1,4", 1);
        exit_if(usable_cpus() == 1);
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        setenv("CHAINRULE_NUM_THREADS", "100000", 1);
        exit_if(usable_cpus() <= static_cast<int>(std::thread::hardware_concurrency()));
      },
      testing::ExitedWithCode(0), "");
  EXPECT_EXIT(
      {
        setenv("CHAINRULE_NUM_THREADS", "many", 1);
        try {
          usable_cpus();
        } catch (const std::invalid_argument& error) {
          exit_if(std::string(error.what()).find("CHAINRULE_NUM_THREADS=many") == 0);
        }
        std::exit(2);
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace chainrule
