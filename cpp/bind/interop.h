// Sharing memory with others: the buffer protocol, __array_interface__, DLPack; and NumPy's calls that meet a Tensor.
// Invariant: what is given away keeps the tensor's memory alive and says truthfully whether it may be written.
#pragma once

#include "bind/python.h"
#include "tensor/tensor.h"

namespace chainrule {

// Methods of Tensor.
PyObject* tensor_dlpack(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords);
PyObject* tensor_dlpack_device(PyObject* self, PyObject*);
PyObject* tensor_array_interface(PyObject* self, void*);
PyObject* tensor_array(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords);
PyObject* tensor_array_ufunc(PyObject* self, PyObject* arguments, PyObject* keywords);
PyObject* tensor_array_function(PyObject* self, PyObject* arguments, PyObject* keywords);

// The tensor on the memory of an object with __dlpack__.
Tensor from_dlpack(PyObject* object, PyObject* copy);

Object shape_to_tuple(const Shape& shape, std::int64_t scale = 1);

// The object with every Tensor in it as an ndarray, and every array or scalar of a dtype of ours as a Tensor; lists,
// tuples and dicts are gone through.
Object with_arrays(PyObject* object);
// Complex numbers that a gradient or a program follows: their Python class, and function(name, *operands), which
// computes NumPy's function of that name on them. chainrule.numpy registers both.
void set_complex(PyObject* type, PyObject* function);
bool is_complex_tensor(PyObject* object);
// The NumPy function of this name on tensors and data of dtypes that the core lacks: NumPy's ufunc, or the function
// above where an operand is followed. NotImplementedError where a gradient would be lost.
PyObject* call_with_foreign(const char* name, PyObject* ufunc, PyObject* const* operands, Py_ssize_t count);
Object with_tensors(PyObject* object);

}  // namespace chainrule
