// What each source of this folder contributes to the table of its level; table.cpp calls them all once, at load.
// Included only by kernels/*.cpp, inside which CHAINRULE_ISA names the namespace of the level being compiled.
#pragma once

#include "kernels/table.h"

namespace chainrule::CHAINRULE_ISA {

void fill_float_elementwise(Kernels& table);   // elementwise.cpp
void fill_scalar_elementwise(Kernels& table);  // elementwise_scalar.cpp
void fill_moves(MoveKernels& table);           // move.cpp
void fill_reductions(ReduceKernels& table);    // reduce.cpp
void fill_scans(ReduceKernels& table);         // scan.cpp
const GemmKernels* gemm_kernels();             // gemm.cpp
void fill_rows(RowKernels& table);             // rows.cpp
void fill_random(RandomKernels& table);        // random.cpp
void fill_optimizers(OptimKernels& table);     // optim.cpp
void fill_convolutions(ConvKernels& table);    // conv.cpp
void fill_winograd(WinogradKernels& table);    // winograd.cpp
void fill_pools(PoolKernels& table);           // pool.cpp
void fill_ctc(CtcKernels& table);              // ctc.cpp
void fill_cells(CellKernels& table);           // cell.cpp
void fill_norms(NormKernels& table);           // norm.cpp
void fill_attention(AttentionKernels& table);  // attention.cpp
void fill_fft(FftKernels& table);              // fft.cpp
void fill_dot_packs(DotKernels& table);        // dot_pack.cpp
void fill_dots(DotKernels& table);             // dot.cpp, with dot_pack.cpp
void fill_peak(PeakKernels& table);            // peak.cpp
void fill_half(Kernels& table);                // half.cpp, after all that it converts for

// The finished table of this level; kernels/table.cpp. Extern and called from runtime/cpu.cpp.
const Kernels& table();

}  // namespace chainrule::CHAINRULE_ISA
