// What functions of chainrule.numpy do with the plainest of their calls, without Python: small arrays are made, looked
// at and turned so often that a Python frame would cost more than the work.
// Invariant: a shortcut gives what the function itself would give; for every call that it doesn't know it answers null
// without an error, and the function is called.
#pragma once

#include "bind/python.h"

namespace chainrule {

using Shortcut = PyObject* (*)(PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names);
// That of the function of this name below numpy, or null.
Shortcut find_shortcut(const char* name);

}  // namespace chainrule
