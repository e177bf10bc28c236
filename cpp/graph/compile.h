// Compiles steps of a group that are plain arithmetic on floats into one loop of machine code each run of them, so that
// what one step hands to the next stays in registers: a kernel reads and writes the first-level cache for every step.
// Invariant: the instructions are those of the kernels and nothing is contracted, so the bits are the kernels' too.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph/machine_code.h"
#include "kernels/table.h"
#include "ops/reduce.h"

namespace chainrule {

// One member of a group, lowered. Places are indices of a table of addresses.
struct GroupStep {
  ElementwiseFn kernel = nullptr;      // or
  CastFn cast = nullptr;               // or
  RowReduction reduction;              // of the row that the block is
  bool once = false;                   // computes one value a row
  int arity = 0, in[3] = {}, out = 0;  // places
  std::int64_t step[3] = {}, out_bytes = 0;
  int opcode = -1;           // of `kernel`
  DType dtype = DType::F32;  // of its operands
};

// Steps [first, last), compiled.
struct CompiledRun {
  std::size_t first, last;
  std::shared_ptr<const MachineCode> code;
  std::int64_t bytes, lanes;  // of an element, and elements of a vector

  void run(char* const* place, std::int64_t count) const;
};

// The runs of two steps and more that this processor's level and the system allow to compile, in order. The places from
// `first_output` up to `end_of_outputs` are read by others.
std::vector<CompiledRun> compile_runs(const std::vector<GroupStep>& steps, int first_output, int end_of_outputs);

}  // namespace chainrule
