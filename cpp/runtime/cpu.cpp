#include "runtime/cpu.h"

#include <atomic>
#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <string>

#if defined(CHAINRULE_ISAS_X86)
#include <cpuid.h>
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#include <sys/types.h>
#elif defined(__linux__)
#include <unistd.h>

#include <fstream>
#endif

#if defined(CHAINRULE_ISAS_X86)
namespace chainrule::x86_64_v2 {
const Kernels& table();
}
namespace chainrule::x86_64_v3 {
const Kernels& table();
}
namespace chainrule::x86_64_v4 {
const Kernels& table();
}
#elif defined(CHAINRULE_ISA_AARCH64)
namespace chainrule::aarch64 {
const Kernels& table();
}
#else
#error "CMakeLists.txt must define CHAINRULE_ISAS_X86 or CHAINRULE_ISA_AARCH64"
#endif

namespace chainrule {
namespace {

// One level; the array below runs from the least to the best, and each includes the ones before it.
struct Isa {
  const char* name;
  const char* aliases[2];
  const Kernels& (*table)();
};

#if defined(CHAINRULE_ISAS_X86)

constexpr int kIsas = 3;
const Isa kIsa[kIsas] = {{"x86_64_v2", {"base", "sse4.2"}, x86_64_v2::table},
                         {"x86_64_v3", {"avx2", nullptr}, x86_64_v3::table},
                         {"x86_64_v4", {"avx512", nullptr}, x86_64_v4::table}};

// Registers that the operating system saves (XCR0): reading it by its opcode needs no compiler flag.
unsigned long long saved_state() {
  unsigned low, high;
  __asm__ volatile(".byte 0x0f, 0x01, 0xd0" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

// The levels of the x86-64 psABI, read from cpuid because the names __builtin_cpu_supports knows vary with the
// compiler.
int supported_isas() {
  unsigned eax = 0, ebx1 = 0, ecx1 = 0, edx1 = 0, ebx7 = 0, ecx7 = 0, edx7 = 0, ebx = 0, ecx81 = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx1, &ecx1, &edx1)) return 0;
  __get_cpuid_count(7, 0, &eax, &ebx7, &ecx7, &edx7);
  __get_cpuid(0x80000001u, &eax, &ebx, &ecx81, &edx);
  const auto all = [](unsigned word, std::initializer_list<int> bits) {
    for (int bit : bits) {
      if (!((word >> bit) & 1u)) return false;
    }
    return true;
  };
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF
  if (!all(ecx1, {0, 9, 13, 19, 20, 23}) || !all(ecx81, {0})) return 0;
  // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT
  if (!all(ecx1, {12, 22, 27, 28, 29}) || !all(ebx7, {3, 5, 8}) || !all(ecx81, {5})) return 1;
  const unsigned long long avx_state = 0x6, avx512_state = 0xe6, saved = saved_state();
  if ((saved & avx_state) != avx_state) return 1;
  // AVX-512 F, DQ, CD, BW, VL
  if (!all(ebx7, {16, 17, 28, 30, 31}) || (saved & avx512_state) != avx512_state) return 2;
  return 3;
}

#else

constexpr int kIsas = 1;
const Isa kIsa[kIsas] = {{"aarch64", {"base", "neon"}, aarch64::table}};

int supported_isas() { return 1; }

#endif

int available() {
  static const int count = supported_isas();
  if (count == 0)
    throw std::runtime_error(std::string("chainrule needs a processor of level ") + kIsa[0].name + " or better");
  return count;
}

int find_isa(std::string name) {
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  for (int i = 0; i < kIsas; ++i) {
    if (name == kIsa[i].name) return i;
    for (const char* alias : kIsa[i].aliases) {
      if (alias && name == alias) return i;
    }
  }
  return -1;
}

std::string isa_names(int count) {
  std::string names;
  for (int i = 0; i < count; ++i) {
    names += std::string(i ? ", " : "") + kIsa[i].name;
    for (const char* alias : kIsa[i].aliases) {
      if (alias) names += std::string(" (") + alias + ")";
    }
  }
  return names;
}

const Kernels* best_kernels() {
  int best = available() - 1;
  if (const char* cap = std::getenv("CHAINRULE_ISA"); cap && *cap) {
    const int index = find_isa(cap);
    if (index < 0) {
      throw std::invalid_argument(std::string("CHAINRULE_ISA=") + cap +
                                  " is not an instruction-set level of this build; use one of " + isa_names(kIsas));
    }
    if (index < best) best = index;
  }
  return &kIsa[best].table();
}

std::atomic<const Kernels*> g_kernels{nullptr};

#if defined(__APPLE__)
long system_value(const char* name) {
  long long value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? static_cast<long>(value) : 0;
}
CacheSizes find_cache_sizes() {
  return {system_value("hw.l1dcachesize"), system_value("hw.l2cachesize"), system_value("hw.l3cachesize")};
}
#elif defined(__linux__)
CacheSizes find_cache_sizes() {
  CacheSizes sizes{0, 0, 0};
  for (int i = 0; i < 8; ++i) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i);
    int level = 0;
    long size = 0;
    char unit = 0;
    std::string type;
    if (!(std::ifstream(folder + "/level") >> level) || !(std::ifstream(folder + "/type") >> type)) break;
    if (!(std::ifstream(folder + "/size") >> size >> unit) || type == "Instruction") continue;
    const long bytes = unit == 'M' ? size << 20 : size << 10;
    if (level == 1) sizes.l1d = bytes;
    if (level == 2) sizes.l2 = bytes;
    if (level == 3) sizes.l3 = bytes;
  }
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  if (sizes.l1d == 0) sizes.l1d = sysconf(_SC_LEVEL1_DCACHE_SIZE);
  if (sizes.l2 == 0) sizes.l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (sizes.l3 == 0) sizes.l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
#endif
  return sizes;
}
#else
CacheSizes find_cache_sizes() { return {0, 0, 0}; }
#endif

}  // namespace

const Kernels& kernels() {
  const Kernels* found = g_kernels.load(std::memory_order_acquire);
  if (found) return *found;
  const Kernels* best = best_kernels();
  return g_kernels.compare_exchange_strong(found, best) ? *best : *found;
}

int available_isas(const char** names, int capacity) {
  const int count = available();
  for (int i = 0; i < count && i < capacity; ++i) names[i] = kIsa[i].name;
  return count;
}

void set_isa(const char* name) {
  const int index = find_isa(name);
  if (index < 0 || index >= available()) {
    throw std::invalid_argument(std::string("set_isa: \"") + name + "\" is not available here; use one of " +
                                isa_names(available()));
  }
  g_kernels.store(&kIsa[index].table(), std::memory_order_release);
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = [] {
    CacheSizes found = find_cache_sizes();
    if (found.l1d <= 0) found.l1d = 32L << 10;
    if (found.l2 <= 0) found.l2 = 512L << 10;
    if (found.l3 <= 0) found.l3 = 4L << 20;
    return found;
  }();
  return sizes;
}

}  // namespace chainrule
