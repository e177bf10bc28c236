// How the processor treats subnormal numbers (below 1.2e-38 in float32), thread by thread, and the flags in which it
// notes errors: division by zero, overflow, underflow, invalid operands.
// Invariants: the mode belongs to a thread; the thread pool gives its workers that of the caller for each chunk, so
// results don't depend on who computes. IEEE 754 is the default; training steps flush, since the moments of weights
// that no longer get a gradient decay into subnormals, and arithmetic on those takes many times as long.
#pragma once

#include <cstdint>

namespace chainrule {

// The control word of this thread's floating-point unit (MXCSR, FPCR); 0 where there is none that we know.
std::uint64_t float_mode();
void set_float_mode(std::uint64_t mode);

// The errors that were noted on this thread since its flags were last cleared. The thread pool adds those of its
// workers to the caller's.
constexpr unsigned kInvalidFlag = 1, kDivisionFlag = 4, kOverflowFlag = 8, kUnderflowFlag = 16;
constexpr unsigned kFloatFlags = kInvalidFlag | kDivisionFlag | kOverflowFlag | kUnderflowFlag;
#if defined(__x86_64__)
inline unsigned float_flags() {
  return __builtin_ia32_stmxcsr() & kFloatFlags;  // they are in MXCSR's places
}
#else
unsigned float_flags();
#endif
void clear_float_flags();
void raise_float_flags(unsigned flags);

// While one lives, this thread takes subnormal inputs and results as zero.
class FlushSubnormals {
 public:
  FlushSubnormals();
  ~FlushSubnormals() { set_float_mode(before_); }
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;

 private:
  std::uint64_t before_;
};

}  // namespace chainrule
