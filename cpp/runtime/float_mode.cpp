#include "runtime/float_mode.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace chainrule {

namespace {

#if defined(__x86_64__)
constexpr std::uint64_t kFlush = 0x8040;  // MXCSR: flush to zero (results), denormals are zeros (inputs)
#elif defined(__aarch64__)
constexpr std::uint64_t kFlush = 1u << 24;  // FPCR.FZ: both
#else
constexpr std::uint64_t kFlush = 0;
#endif

}  // namespace

std::uint64_t float_mode() {
#if defined(__x86_64__)
  return _mm_getcsr() & ~0x3fu;  // without the sticky exception flags
#elif defined(__aarch64__)
  std::uint64_t mode;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}

void set_float_mode(std::uint64_t mode) {
#if defined(__x86_64__)
  _mm_setcsr(static_cast<unsigned>(mode));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(mode));
#else
  static_cast<void>(mode);
#endif
}

#if defined(__x86_64__)
void clear_float_flags() { _mm_setcsr(_mm_getcsr() & ~kFloatFlags); }
void raise_float_flags(unsigned flags) { _mm_setcsr(_mm_getcsr() | flags); }
#elif defined(__aarch64__)
namespace {
std::uint64_t status() {
  std::uint64_t value;
  asm volatile("mrs %0, fpsr" : "=r"(value));
  return value;
}
void set_status(std::uint64_t value) { asm volatile("msr fpsr, %0" : : "r"(value)); }
}  // namespace
// In FPSR they are neighbours.
unsigned float_flags() {
  const auto value = static_cast<unsigned>(status());
  return (value & 1) | (value & 14) << 1;
}
void clear_float_flags() { set_status(status() & ~std::uint64_t{15}); }
void raise_float_flags(unsigned flags) { set_status(status() | (flags & 1) | (flags & 28) >> 1); }
#else
unsigned float_flags() { return 0; }
void clear_float_flags() {}
void raise_float_flags(unsigned) {}
#endif

FlushSubnormals::FlushSubnormals() : before_(float_mode()) { set_float_mode(before_ | kFlush); }

}  // namespace chainrule
