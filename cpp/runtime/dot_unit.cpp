#include "runtime/dot_unit.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "runtime/cpu.h"

#if defined(CHAINRULE_ISAS_X86)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace chainrule {
namespace {

constexpr const char* kNames[kDotUnits] = {"none", "vectors", "tiles"};

struct Found {
  bool of[kDotUnits][kDotTypes] = {};
  bool slow_vectors = false;  // of bfloat16: Intel's vdpbf16ps does less in a cycle than its float32 multiply-adds
};

#if defined(CHAINRULE_ISAS_X86)

// Linux saves a thread's tiles only for processes that have asked; there is no other way to their use.
bool tiles_permitted() {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Found find_units() {
  Found found;
  unsigned leaves = 0, vendor = 0, eax1 = 0, ecx = 0, edx = 0, unused = 0;
  __get_cpuid(0, &unused, &vendor, &ecx, &edx);
  if (!__get_cpuid_count(7, 0, &leaves, &unused, &ecx, &edx)) return found;
  unsigned unused_too = 0, unused_either = 0;
  if (leaves >= 1) __get_cpuid_count(7, 1, &eax1, &unused, &unused_too, &unused_either);
  const auto has = [](unsigned word, int bit) { return (word >> bit & 1u) != 0; };
  const int vectors = static_cast<int>(DotUnit::vectors), tiles = static_cast<int>(DotUnit::tiles);
  const int bfloat16 = static_cast<int>(DotType::bfloat16);
  const int bytes[] = {static_cast<int>(DotType::signed_bytes), static_cast<int>(DotType::unsigned_bytes)};
  found.of[vectors][bfloat16] = has(eax1, 5);                     // AVX512_BF16
  for (int type : bytes) found.of[vectors][type] = has(ecx, 11);  // AVX512_VNNI
  found.slow_vectors = vendor == 0x756e6547;                      // "Genu", of GenuineIntel
  if (!has(edx, 24) || !(has(edx, 22) || has(edx, 25)) || !tiles_permitted()) return found;
  found.of[tiles][bfloat16] = has(edx, 22);                     // AMX-BF16
  for (int type : bytes) found.of[tiles][type] = has(edx, 25);  // AMX-INT8
  return found;
}

#else

Found find_units() { return {}; }

#endif

const Found& found_units() {
  static const Found found = find_units();
  return found;
}

int find_name(const char* name) {
  for (int i = 0; i < kDotUnits; ++i)
    if (std::strcmp(name, kNames[i]) == 0) return i;
  throw std::invalid_argument(std::string("CHAINRULE_DOT: '") + name + "' is none of none, vectors, tiles");
}

std::atomic<int>& cap() {
  static std::atomic<int> value = [] {
    const char* name = std::getenv("CHAINRULE_DOT");
    return name && *name ? find_name(name) : kDotUnits - 1;
  }();
  return value;
}

}  // namespace

DotUnit dot_unit(DotType type) {
  const int column = static_cast<int>(type), vectors = static_cast<int>(DotUnit::vectors);
  const Found& found = found_units();
  const int best = cap();
  for (int unit = best; unit > 0; --unit) {
    const bool slow = unit == vectors && best != vectors && type == DotType::bfloat16 && found.slow_vectors;
    if (!slow && kernels().dot.multiply[unit][column] && found.of[unit][column]) return static_cast<DotUnit>(unit);
  }
  return DotUnit::none;
}

const char* dot_cap() { return kNames[cap()]; }
void set_dot_cap(const char* name) { cap() = find_name(name); }

}  // namespace chainrule
