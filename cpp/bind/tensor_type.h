// chainrule.Tensor: the Python object around a Tensor.
// Invariants: `handle` is replaced only when an in-place operation is recorded into a program (the name then stands for
// the new value). A *number* is what NumPy makes a scalar of: an element, a full reduction, the result of an operation
// on these. It can't be written into: `s += 1` makes another number. Its value stands in the object, and `handle` is
// empty until somebody asks for the tensor; from then on the tensor's memory holds the value. Objects are taken from
// and given to a free list, so that a small result costs no call of malloc.
#pragma once

#include <cstring>
#include <vector>

#include "bind/python.h"
#include "tensor/tensor.h"

namespace chainrule {

struct RecordedViews;

struct TensorObject {
  PyObject_HEAD Tensor handle;
  PyObject* weak_references;
  PyObject* attributes;     // the instance's __dict__; null until something is stored in it
  PyObject* base;           // of a view: the object whose memory it shows; else null
  RecordedViews* recorded;  // what a recorded write must reach (recorded_views.h); mostly null
  std::uint64_t value;      // of a number: its bytes, the first ones
  DType value_type;
  bool is_number;
};

extern PyTypeObject tensor_type;
bool prepare_tensor_type();  // PyType_Ready and the methods; false with a Python error

inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == &tensor_type || PyType_IsSubtype(Py_TYPE(object), &tensor_type);
}
inline TensorObject* object_of(PyObject* tensor) { return reinterpret_cast<TensorObject*>(tensor); }
void make_handle(TensorObject* number);
inline Tensor& handle_of(PyObject* tensor) {
  TensorObject* const object = object_of(tensor);
  if (!object->handle) make_handle(object);
  return object->handle;
}
inline DType dtype_of(PyObject* tensor) {
  return object_of(tensor)->handle ? object_of(tensor)->handle.dtype() : object_of(tensor)->value_type;
}
inline bool is_number(PyObject* tensor) { return object_of(tensor)->is_number; }

// Two tensors side by side, as apply() takes them, without counting references: the objects must outlive it.
class BorrowedPair {
 public:
  BorrowedPair(PyObject* a, PyObject* b) {
    std::memcpy(bytes_, static_cast<const void*>(&handle_of(a)), sizeof(Tensor));
    std::memcpy(bytes_ + sizeof(Tensor), static_cast<const void*>(&handle_of(b)), sizeof(Tensor));
  }
  const Tensor* tensors() const { return reinterpret_cast<const Tensor*>(bytes_); }

 private:
  alignas(Tensor) unsigned char bytes_[2 * sizeof(Tensor)];
};

// A new Python object around the tensor.
PyObject* wrap(Tensor tensor);
// The same for what may be a view of `of`: its base is then that one, or that one's base, as in NumPy.
PyObject* wrap_view(Tensor tensor, PyObject* of);
// The same for what an operation computed: without axes it is a number.
PyObject* wrap_result(Tensor tensor);
// The element as 64 bits, the rest zero.
inline std::uint64_t element_bits(DType dtype, const void* element) {
  std::uint64_t bits = 0;
  switch (itemsize(dtype)) {  // copies of known length are single instructions
    case 1:
      std::memcpy(&bits, element, 1);
      break;
    case 2:
      std::memcpy(&bits, element, 2);
      break;
    case 4:
      std::memcpy(&bits, element, 4);
      break;
    default:
      std::memcpy(&bits, element, 8);
  }
  return bits;
}
// The number whose value stands at `element`, or has these bits.
PyObject* wrap_number(DType dtype, const void* element);
PyObject* wrap_number(DType dtype, std::uint64_t bits);
// True or False; the same two objects every time, as no number can be changed.
PyObject* wrap_truth(bool truth);
// A tuple of them.
PyObject* wrap_all(std::vector<Tensor> tensors);

// The parts of the type that are written in files of their own.
extern PyNumberMethods tensor_number_methods;      // operators.cpp
extern PyMappingMethods tensor_mapping_methods;    // indexing.cpp
extern PySequenceMethods tensor_sequence_methods;  // indexing.cpp
extern PyBufferProcs tensor_buffer_procs;          // interop.cpp
extern PyMethodDef tensor_methods[];               // methods.cpp
extern PyGetSetDef tensor_attributes[];            // attributes.cpp
// array_memory.cpp
PyObject* tensor_numpy_attribute(PyObject* self, void* name);
PyObject* tensor_base(PyObject* self, void*);
PyObject* tensor_class(PyObject* self, void*);
PyObject* tensor_setflags(PyObject* self, PyObject* arguments, PyObject* keywords);
// The elements in row-major (or the array's own) order in another shape, in place: cut off, or followed by zeros.
void resize_tensor(PyObject* self, const Shape& shape, bool check_references);
int tensor_set_shape(PyObject* self, PyObject* value, void*);
PyObject* tensor_richcompare(PyObject* a, PyObject* b, int comparison);
PyObject* tensor_repr(PyObject* self);
PyObject* tensor_str(PyObject* self);
PyObject* tensor_iterate(PyObject* self);

}  // namespace chainrule
