// Calls of elementwise ops as NumPy's universal functions: out=, where=, dtype= and their like, operands of dtypes that
// the core lacks, and attributes such as .reduce. chainrule.numpy registers two Python functions that know them; here
// are only the calls too frequent for Python.
#pragma once

#include "bind/python.h"
#include "ops/op.h"

namespace chainrule {

// call(op, args, kwargs) and attribute(op, name); replaces earlier ones. `own` is a dict with the names of the ops for
// which call() has more to say on operands of other dtypes than NumPy's ufunc has.
void set_ufunc_protocol(PyObject* call, PyObject* attribute, PyObject* own);

// NumPy's ufunc of the op's name, or null; looked up once (borrowed).
PyObject* numpy_ufunc(const Op& op);
// Whether errors of floating point are reported as NumPy does: chainrule.numpy is in use.
bool warns_as_numpy();

// The result of a call of an elementwise op in the manner of vectorcall; null without an error where the arguments fit
// neither a ufunc's call nor anything the protocol knows, and the op's own parser should say what is wrong.
PyObject* call_ufunc(PyObject* function, const Op& op, PyObject* const* arguments, Py_ssize_t count,
                     PyObject* keyword_names);
// An attribute that op objects don't have themselves; AttributeError stays set where the protocol has none either.
PyObject* ufunc_attribute(PyObject* function, PyObject* name);

}  // namespace chainrule
