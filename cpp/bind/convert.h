// Python objects <-> tensors, dtypes and scalars. The one place that knows which Python objects count as arrays.
// Invariants: NumPy is imported only when something of it is needed; memory is shared wherever layout and dtype allow.
#pragma once

#include <string>

#include "base/dtype.h"
#include "bind/python.h"
#include "tensor/tensor.h"

namespace chainrule {

// ---- dtypes
PyObject* numpy_module();                         // borrowed; imports NumPy
PyObject* dtype_to_python(DType dtype);           // numpy.dtype or chainrule.bfloat16, borrowed
bool is_bfloat16(PyObject* dtype);                // chainrule.bfloat16, its name, or what ml_dtypes calls so
bool find_dtype(PyObject* object, DType& dtype);  // the same for the usual ways to name one of ours; no error
DType dtype_from_python(PyObject* object);        // numpy.dtype, its name, a NumPy or Python scalar type; TypeError
bool is_our_dtype(PyObject* dtype);               // of a numpy.dtype: whether tensors have it
std::string dtype_name_of(PyObject* object);  // for messages: the dtype of an array-like that could not be converted

// ---- what an operand is
struct Operand {
  enum Kind : unsigned char { unsupported, strong, weak_integer, weak_real } kind = unsupported;
  Tensor tensor;               // of a strong one
  PyObject* scalar = nullptr;  // of a weak one: Python's int or float (borrowed)
};
// Tensors, NumPy arrays and scalars, Python numbers, nested lists of these, and whatever NumPy or __chainrule_tensor__
// makes an array of. `unsupported` where the object is no array or has a dtype we have no kernels for.
Operand read_operand(PyObject* object);
// Whether functions of it are its own affair: a subclass of ndarray (a masked array, a matrix) or a type with an
// __array_ufunc__ (pandas' columns). NumPy's functions ask it; ours leave it to them.
bool computes_itself(PyObject* object);
// As read_operand; `unsupported` where the object computes itself.
Operand read_argument(PyObject* object);
// Whether only NumPy can compute with it: an ndarray of a dtype that we don't have, Python's complex, which has no
// reflected operator that knows arrays, or an object that computes itself.
bool is_foreign(PyObject* object);
// Whether `object` asks to handle binary operators with arrays itself (NumPy's rules: __array_ufunc__ = None, a higher
// __array_priority__ without __array_ufunc__, or no array at all).
bool handles_operators_itself(PyObject* object);
bool is_numpy_array(PyObject* object);
bool is_numpy_scalar(PyObject* object);
// Where the value of a NumPy scalar of one of our dtypes stands, and which that is; null for other objects.
const void* numpy_scalar_value(PyObject* object, DType& dtype);

// The 0-d tensor of a Python number in a given dtype; OverflowError if an integer does not fit.
Tensor weak_scalar(PyObject* number, DType dtype);
// Whether a Python int fits; -1 too small, 0 fits, 1 too large.
int integer_range(PyObject* number, DType dtype);

// ---- arrays
// Nested lists of Python's ints, or of its floats and ints if a float comes first, or of numbers of ours of one dtype;
// an empty tensor where it is anything else.
Tensor read_numbers(PyObject* sequence);
// Anything read_operand takes, Python numbers with their default dtype; TypeError otherwise, `context` opens its
// message.
Tensor to_tensor(PyObject* object, const char* context = "asarray");
enum class Copy { never, if_needed, always };
// As numpy.asarray(object, dtype, copy=...). dtype may be None.
Tensor as_array(PyObject* object, PyObject* dtype, Copy copy);
// The ndarray on the same memory; TraceError for a placeholder.
Object to_numpy(PyObject* tensor);
// The same memory seen as another type of that size.
Tensor with_type(const Tensor& x, DType dtype);
Object to_numpy(const Tensor& tensor);
// The ndarray whose memory the tensor shows; null (no error) where there is none. Borrowed.
PyObject* numpy_owner(const Tensor& tensor);
// numpy.float64 and its like, borrowed; null where NumPy isn't imported.
PyObject* numpy_scalar_type(DType dtype);
// Throws TraceError naming what was asked of a placeholder.
void require_values(const Tensor& tensor, const char* what);
// The tensor if the array's dtype is one of ours, else an empty one.
Tensor from_numpy(PyObject* array);

// ---- scalars
Object element_to_python(DType dtype, const void* element);
// Writes a Python number as NumPy's setitem does (truncation, OverflowError for an int that does not fit).
void store_element(DType dtype, void* element, PyObject* number);

}  // namespace chainrule
