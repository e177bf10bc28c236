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

// Whether a result must be made by ops: a value (or one in a list or tuple) is a placeholder of a program, or a tensor
// that a gradient follows, or a complex number of such.
bool needs_ops(PyObject* value);

}  // namespace chainrule
