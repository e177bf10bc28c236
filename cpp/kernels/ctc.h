// The kernel of connectionist temporal classification; its place in the table is Kernels::ctc.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace chainrule {

// One sequence. Every label is in [0, classes); one that equals `blank` is emitted as any other.
struct CtcSample {
  const void* logits;  // (steps, classes), contiguous
  int64_t steps, classes;
  const int64_t* labels;
  int64_t n_labels;
  int64_t blank;
};
struct CtcKernels {
  int64_t (*scratch_bytes)(int64_t steps, int64_t n_labels);
  // loss = -log of the sum over alignments of their probabilities; grad (steps, classes) = its derivative by the
  // logits. Without any alignment the loss is infinite and grad zero. Index 0: F32, 1: F64.
  void (*loss[2])(void* loss, void* grad, const CtcSample& sample, void* scratch);
};

}  // namespace chainrule
