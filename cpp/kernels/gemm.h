// The GEMM entries of the kernel table. Owned by kernels/gemm.cpp (fills it) and tensor/gemm.cpp (the five loops).
#pragma once

#include <stdint.h>

namespace chainrule {

struct GemmKernels;

}  // namespace chainrule
