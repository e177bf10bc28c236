// The operators of Tensor: arithmetic with promotion, comparisons, conversions to Python numbers, in-place forms.
// Invariant: what an in-place form means depends on the tensor. A placeholder's name is bound to the new value; a real
// tensor that a program being recorded writes gets an `assign` effect; one that gradients are recorded for takes over
// the result's node; any other is changed in its memory.
#pragma once

#include "bind/convert.h"
#include "ops/op.h"

namespace chainrule {

// The op on two Python objects; null without an error where Python should try the other operand.
PyObject* binary_operator(const Op& op, PyObject* a, PyObject* b);
// self becomes `result` (of self's shape, or ValueError), converted to self's dtype.
void replace_values(PyObject* self, const Tensor& result);
// Whether only the expression that is being evaluated knows the object: in `y[0][1] = 5`, y[0].
bool is_temporary(PyObject* object);
// Throws ValueError with `text` unless the tensor's elements can be written one by one.
void require_writable(const Tensor& tensor, const char* text);
// Whether gradients with respect to x itself are being recorded.
bool is_watched(const Tensor& x);
// Throws RuntimeError where changing x in place would falsify gradients: it is watched and recording is on.
void require_not_watched(const Tensor& x);
bool is_writable(const Tensor& tensor);

}  // namespace chainrule
