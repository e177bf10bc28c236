// The callable that chainrule.jit returns: it finds the program of a call's signature and runs it, without Python.
// Invariant: what it can't decide by looking (a new signature, keywords, calls inside a recording, arguments of other
// kinds) goes to `slow`, the Python function that records; its results are the same.
#pragma once

#include "bind/python.h"

namespace chainrule {

bool prepare_jitted_type();
// jitted(slow) -> callable; slow(callable, args, kwargs) is called for what isn't remembered.
PyObject* make_jitted(PyObject* slow);
// Remembers the program of calls with arguments like these; `structure` is that of the results (chainrule/tree.py).
// False where the arguments hold something whose signature only Python knows.
bool remember_program(PyObject* jitted, PyObject* arguments, PyObject* program, PyObject* structure);

}  // namespace chainrule
