// float16 and bfloat16 are stored, not computed with. An op without kernels for them gets float32 in their place, and
// its first outputs (Op::rounded_outputs) are rounded to the type of its inputs; what it keeps beside that for its
// gradient stays float32. Its vjp runs in float32 too: each cotangent is rounded once, at the end.
#pragma once

#include "ops/op.h"

namespace chainrule {

struct Widening {
  bool needed = false;        // some input, or a dtype that is asked for, is half, and the op doesn't take it
  DType result = DType::F32;  // of the first outputs where they would be float32
};
Widening widening_of(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs);

// Float32 in place of half types. What is not in `mask` (bit i: tensor i, the last one all from 31 on) is only looked
// at for its shape and dtype.
std::vector<Tensor> widened(const Tensor* tensors, int count, std::uint32_t mask = ~0u);
Attrs widened(const Attrs& attrs);

// op.vjp of a recorded call.
void run_rule(const Call& call, const std::vector<Tensor>& g, const bool* needs, std::vector<Tensor>& grads);

}  // namespace chainrule
