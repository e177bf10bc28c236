// Assembles the function table of one instruction-set level from the sources beside it.
#include "kernels/parts.h"
#include "simd/vec.h"

#define CR_TEXT_OF(x) #x
#define CR_TEXT(x) CR_TEXT_OF(x)

namespace chainrule::CHAINRULE_ISA {

const Kernels& table() {
  // Filled on the first call, which runtime/cpu.cpp makes only on a processor that can run this level.
  static Kernels kernels = [] {
    Kernels k{};
    k.isa = CR_TEXT(CHAINRULE_ISA);
    k.vector_bytes = simd::kVectorBytes;
    fill_float_elementwise(k);
    fill_scalar_elementwise(k);
    fill_moves(k.move);
    fill_reductions(k.reduce);
    fill_scans(k.reduce);
    k.gemm = gemm_kernels();
    fill_rows(k.rows);
    fill_random(k.random);
    fill_optimizers(k.optim);
    fill_convolutions(k.conv);
    fill_winograd(k.winograd);
    fill_pools(k.pool);
    fill_ctc(k.ctc);
    fill_cells(k.cell);
    fill_norms(k.norm);
    fill_attention(k.attention);
    fill_fft(k.fft);
    fill_dots(k.dot);
    fill_peak(k.peak);
    fill_half(k);
    return k;
  }();
  return kernels;
}

}  // namespace chainrule::CHAINRULE_ISA
