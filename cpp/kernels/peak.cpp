// As many multiply-adds as the processor can do: what rates of products are compared with. Where there is no fused
// instruction (x86_64_v2), a multiplication and an addition.
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

// Chains that wait for nobody but themselves: more than (cycles of latency) x (units) on every processor so far, and
// with the two operands that they share not more than the 16 registers of the lower levels.
constexpr int kChains = 12;

template <class T>
double multiply_add(int64_t rounds) {
  using simd::Vec;
  const Vec<T> factor(T(0.999)), term(T(0.001));  // each chain goes to 1: neither subnormal nor infinite
  Vec<T> chain[kChains];
  for (int c = 0; c < kChains; ++c) chain[c] = Vec<T>(static_cast<T>(c));
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) chain[c] = fma(chain[c], factor, term);
  }
  Vec<T> sum(T(0));
  for (int c = 0; c < kChains; ++c) sum += chain[c];
  double total = 0;
  for (int lane = 0; lane < simd::kLanes<T>; ++lane) total += static_cast<double>(sum.v[lane]);
  return total;
}

}  // namespace

void fill_peak(PeakKernels& table) {
  table.multiply_add[0] = multiply_add<float>;
  table.multiply_add[1] = multiply_add<double>;
  table.flops[0] = 2 * kChains * simd::kLanes<float>;
  table.flops[1] = 2 * kChains * simd::kLanes<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
