// Calls of ops from Python: with the GIL released where the arrays are large enough for it to matter, and with what was
// asked for in the message of a failed allocation.
#pragma once

#include <vector>

#include "ops/op.h"

namespace chainrule {

Tensor run_op(const Op& op, const Tensor* inputs, int n, const Attrs& attrs);
std::vector<Tensor> run_op_all(const Op& op, const Tensor* inputs, int n, const Attrs& attrs);
// Runs an elementwise op of inputs that need no conversion straight into `out`, and returns true; false where layouts,
// dtypes or overlapping memory forbid it. Keeps nothing for gradients: for real tensors outside of any recording.
bool run_op_into(const Op& op, const Tensor* inputs, int n, const Tensor& out);

}  // namespace chainrule
