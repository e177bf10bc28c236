// Which instruction set the kernels use: found by cpuid when the library is loaded, capped by CHAINRULE_ISA.
// Invariant: this file and cpu.cpp are compiled for the baseline, so they run on every processor of the architecture.
#pragma once

#include "kernels/table.h"

namespace chainrule {

// The kernels of the best level that this processor and CHAINRULE_ISA allow. Never changes once it has been asked for,
// except through set_isa, which tests use to walk through the levels.
const Kernels& kernels();

// Levels that this processor can run and that were compiled in, from the least to the best: "x86_64_v2", ... or
// "aarch64". Writes at most `capacity` names and returns how many there are.
int available_isas(const char** names, int capacity);
void set_isa(const char* name);  // throws std::invalid_argument with the available names

struct CacheSizes {
  long l1d, l2, l3;  // bytes; a sensible guess where the system does not tell
};
const CacheSizes& cache_sizes();

}  // namespace chainrule
