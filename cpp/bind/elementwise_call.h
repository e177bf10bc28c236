// The short way of elementwise calls from Python: numbers with numbers, and tensors with numbers, computed on the spot.
// Invariant: the results are those of call_elementwise() (bind/promote.h); what can't be done shortly is left to it.
#pragma once

#include <cstdint>

#include "bind/python.h"
#include "ops/op.h"

namespace chainrule {

// A scalar operand: a value and its dtype, or a weak Python number.
struct Scalar {
  enum Kind : unsigned char { none, strong, weak_integer, weak_real } kind = none;
  DType dtype = DType::F64;
  std::uint64_t bits = 0;  // of the value; a weak integer is int64, a weak real float64
};

// The value of a tensor without axes, of a NumPy scalar of one of our dtypes or of a Python number; kind `none` for
// anything else, and where the value takes part in a recording.
Scalar read_scalar(PyObject* object);
// The scalar as an element of a dtype that it doesn't change, as NumPy promotes; false for anything else.
// `element` has room for eight bytes.
bool read_element(PyObject* object, DType dtype, void* element);

// The comparison (Py_LT and its kin) of a number with another of its dtype or one of Python's; null without an error
// for anything else.
PyObject* compare_shortly(PyObject* a, PyObject* b, int comparison);
// New reference to op(arguments...), or null without an error where the call is not a plain one.
PyObject* call_shortly(const Op& op, PyObject* const* arguments, Py_ssize_t count);

}  // namespace chainrule
