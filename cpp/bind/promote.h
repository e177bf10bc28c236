// Promotion of operands to the dtype an op computes in: NumPy 2's rules (NEP 50). Python's int and float are weak: they
// take the dtype of the arrays they meet; NumPy scalars and arrays are strong. Conversions are `cast` ops, so gradients
// flow.
#pragma once

#include "bind/convert.h"
#include "ops/op.h"

namespace chainrule {

// The dtype all strong operands share after promotion, weak ones joining in; without strong ones Python's default.
DType common_type(const Operand* operands, int n);
// Whether the operands are Python numbers alone, among them an integer beyond int64: NumPy's objects, or errors.
bool is_numpys_object(const Operand* operands, int n);
// Writes the operands as tensors of their common type.
DType to_common_type(const Operand* operands, int n, Tensor* tensors);
// One operand in a given dtype.
Tensor to_type(const Operand& operand, DType dtype);

// Prepares the inputs of an elementwise op; DTypeError where the op is not defined for the operands.
void promote_elementwise(const Op& op, const Operand* operands, int n, Tensor* inputs);
// Calls an elementwise op on operands of any dtypes.
Tensor call_elementwise(const Op& op, const Operand* operands, int n);
// Whether the op has a kernel for inputs of this dtype, without conversion.
bool elementwise_native(const Op& op, DType dtype);

// Prepares the inputs of any other op, by what the op's table says about its parameters' dtypes.
void promote_structured(const Op& op, const Operand* operands, int n, Tensor* inputs);

// numpy.can_cast(from, to, "same_kind")
bool can_cast_same_kind(DType from, DType to);

}  // namespace chainrule
