// NumPy's warnings of divisions by zero, overflows and invalid values, and what numpy.errstate makes of them.
// The processor notes such errors in flags of the thread, and a look at them after an operation costs next to nothing.
// But our kernels may raise one where no element is to blame (both sides of a choice are computed). So a flag is a
// suspicion, and NumPy is the judge: it computes the elements again whose result isn't finite, under the caller's
// errstate, and what it says is its own. Invariants: no warning that NumPy wouldn't give; nothing while a gradient or a
// program is recorded, nothing of what our own Python code computes (keras, nn), and nothing unless chainrule.numpy is
// in use. Results that overwrite an operand leave NumPy nothing to compute again: there, errors of the four basic
// operations, squares and square roots are reported, which are never raised in vain. Underflow is a matter of elements
// that are tiny, and looked into only where numpy.errstate doesn't ignore it.
#pragma once

#include "ops/elementwise.h"
#include "ops/op.h"
#include "runtime/float_mode.h"

namespace chainrule {

// Does what has to be done about the flags that an elementwise op has raised.
void judge_float_errors(const Op& op, const Tensor* inputs, int n, const Tensor& result);
// The same for ops on integers whose divisor is zero.
void judge_divisors(const Op& op, const Tensor* inputs, const Tensor& result);
inline bool divides_integers(const Op& op, DType dtype) {
  return !is_float(dtype) && (op.opcode == static_cast<int>(ElementwiseOp::floor_divide) ||
                              op.opcode == static_cast<int>(ElementwiseOp::remainder) ||
                              op.opcode == static_cast<int>(ElementwiseOp::fmod));
}

// What has to be done about the flags of reductions, running sums, products and conversions: NumPy computes all of it
// again if a result isn't finite, or a conversion's is no float.
void judge_structured_errors(const Op& op, const Tensor* inputs, int n, const Attrs& attrs, const Tensor& result);

// The tensor in another dtype; what no number of that holds is reported.
Tensor cast_as_numpy(const Tensor& x, DType dtype);

// After an op of another kind.
inline void report_float_errors(const Op& op, const Tensor* inputs, int n, const Attrs& attrs, const Tensor& result) {
  if (float_flags() != 0 || result.dtype() == DType::F16 || (n > 0 && inputs[0] && inputs[0].size() == 0))
    judge_structured_errors(op, inputs, n, attrs, result);
}

// After an elementwise op. The exception that numpy.errstate asks for leaves as a PythonError.
inline void report_float_errors(const Op& op, const Tensor* inputs, int n, const Tensor& result) {
  // Rounding to half precision may be software, which raises none.
  if (float_flags() != 0 || result.dtype() == DType::F16) judge_float_errors(op, inputs, n, result);
  if (n == 2 && divides_integers(op, inputs[1].dtype())) judge_divisors(op, inputs, result);
}

}  // namespace chainrule
