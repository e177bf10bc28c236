// The functions of chainrule.numpy: one callable type that knows who computes a call, ours or NumPy.
// Invariants: NumPy is asked straight away only where nothing is recorded; every other case, and every refusal, goes to
// the Python function that chainrule.numpy registers (`decide`).
#pragma once

#include "bind/python.h"

namespace chainrule {

bool prepare_function_type();
extern PyTypeObject function_type;

// decide(function, args, kwargs, refused) computes what isn't plain; `refused`: ours has raised TypeError or
// AttributeError, which NotImplemented as the answer raises again.
void set_decide(PyObject* decide);

// A call of NumPy's function on the tensors' memory, its results as tensors and `out` as itself; null without an error
// where something is recorded, or the call is none of the plain ones.
PyObject* call_numpys(PyObject* theirs, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names);

// Whether a result must be made by ops: a value (or one in a list or tuple) is a placeholder of a program, or a tensor
// that a gradient follows, or a complex number of such.
bool needs_ops(PyObject* value);

}  // namespace chainrule
