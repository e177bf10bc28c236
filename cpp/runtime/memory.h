// The caching allocator of tensor data.
// Invariants: blocks are 64-byte aligned; a freed block is kept for the next request of its size class, because a fresh
// page costs far more than the arithmetic done on it; large blocks are mapped by us and advised to use huge pages.
// Thread safe. CHAINRULE_HUGE_PAGES=0 turns the advice off; CHAINRULE_CACHE_LIMIT (bytes) bounds what is kept.
#pragma once

#include <cstddef>

namespace chainrule {

// Throws std::bad_alloc after it has returned its cache to the system and tried again.
void* allocate(std::size_t bytes);
void deallocate(void* block, std::size_t bytes) noexcept;  // `bytes` as given to allocate

struct MemoryStats {
  std::size_t in_use;       // bytes handed out now
  std::size_t peak_in_use;  // the largest in_use since start or reset_peak
  std::size_t cached;       // bytes kept for reuse
  std::size_t allocations;  // calls of allocate
  std::size_t system;       // calls that had to ask the operating system
};
MemoryStats memory_stats();
void reset_peak_memory();
void empty_cache();

}  // namespace chainrule
