// NumPy's warnings of divisions by zero, overflows and invalid values, and what numpy.errstate makes of them.
// The processor notes such errors in flags of the thread, and a look at them after an operation costs next to nothing.
// But our kernels may raise one where no element is to blame (both sides of a choice are computed). So a flag is a
// suspicion, and NumPy is the judge: it computes the elements again whose result isn't finite, under the caller's
// errstate, and what it says is its own. Invariants: no warning that NumPy wouldn't give; nothing while a gradient or a
// program is recorded, nothing of what our own Python code computes (keras, nn), and nothing unless chainrule.numpy is
// in use. Results that overwrite an operand leave NumPy nothing to compute again: there, overflows and divisions by
// zero of the four basic operations are reported, which are never raised in vain.
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

// After an elementwise op. The exception that numpy.errstate asks for leaves as a PythonError.
inline void report_float_errors(const Op& op, const Tensor* inputs, int n, const Tensor& result) {
  // Rounding to half precision may be software, which raises none.
  if (float_flags() != 0 || result.dtype() == DType::F16) judge_float_errors(op, inputs, n, result);
  if (n == 2 && divides_integers(op, inputs[1].dtype())) judge_divisors(op, inputs, result);
}

}  // namespace chainrule
