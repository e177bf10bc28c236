// One Python callable for each op of the registry, with one generic parser for their arguments.
// Invariant: a callable's parameters are the op's tensors, then its attributes, in the order of the registry, by
// position or by keyword; a list of tensors is one list or tuple, or all the remaining positional arguments.
#pragma once

#include <string>
#include <vector>

#include "bind/python.h"
#include "ops/op.h"

namespace chainrule {

extern PyTypeObject op_type;
bool prepare_op_type();

// The callable of an op; made once (borrowed).
PyObject* op_function(const Op& op);
// Calls an op with Python arguments in the manner of vectorcall. New reference; throws on error.
PyObject* call_with_arguments(const Op& op, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names);
// "sum(x, axis=None, keepdims=False)"
std::string signature_of(const Op& op);
// An attribute's value in Python.
Object attribute_to_python(const Attr& attr);
// Name, doc, signature and parameters as a dict, for tools and documentation.
Object describe(const Op& op);

}  // namespace chainrule
