#include "bind/tensor_type.h"

#include <new>
#include <vector>

#include "bind/convert.h"
#include "bind/recorded_views.h"
#include "graph/tape.h"

namespace chainrule {

namespace {

// Heads that were dropped, for the next result. Without the GIL a shared list would need a lock, so there is none.
#ifndef Py_GIL_DISABLED
constexpr int kFreeHeads = 128;
TensorObject* free_heads[kFreeHeads];
int free_count = 0;
#endif

TensorObject* new_head() {
#ifndef Py_GIL_DISABLED
  if (free_count > 0) {
    TensorObject* head = free_heads[--free_count];
    PyObject_Init(reinterpret_cast<PyObject*>(head), &tensor_type);
    return head;
  }
#endif
  return PyObject_New(TensorObject, &tensor_type);
}

void deallocate_tensor(PyObject* object) {
  TensorObject* self = reinterpret_cast<TensorObject*>(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  Py_CLEAR(self->attributes);
  Py_CLEAR(self->base);
  if (self->recorded) unfollow_views(self);
  self->handle.~Tensor();
  PyTypeObject* type = Py_TYPE(object);
#ifndef Py_GIL_DISABLED
  if (type == &tensor_type && free_count < kFreeHeads) {
    free_heads[free_count++] = self;
    return;
  }
#endif
  type->tp_free(object);  // a subclass's own dealloc, which called this one, lets go of its type
}

// A fraction, say: what statistics.mean makes a number of the elements' type of.
bool is_other_number(PyObject* object) {
  return PyNumber_Check(object) && PyObject_HasAttrString(object, "numerator") && !PyLong_Check(object) &&
         !is_tensor(object) && !is_numpy_array(object) && !is_numpy_scalar(object);
}

PyObject* construct(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    static const char* names[] = {"data", "dtype", nullptr};
    PyObject* data;
    PyObject* dtype = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O:Tensor", const_cast<char**>(names), &data, &dtype))
      throw PythonError();
    Object number;
    if (is_other_number(data)) data = (number = Object::steal(PyNumber_Float(data))).get();
    Tensor tensor = as_array(data, dtype, Copy::always);
    PyObject* object = type->tp_alloc(type, 0);
    if (!object) throw PythonError();
    new (&object_of(object)->handle) Tensor(std::move(tensor));
    return object;
  });
}

// Numbers are hashed as Python's are; arrays have no hash, since == is elementwise.
Py_hash_t tensor_hash(PyObject* self) noexcept {
  if (!is_number(self) || handle_of(self).is_placeholder()) return PyObject_HashNotImplemented(self);
  try {
    return PyObject_Hash(element_to_python(handle_of(self).dtype(), handle_of(self).data()).get());
  } catch (...) {
    translate_exception();
    return -1;
  }
}

constexpr char kDoc[] =
    "Tensor(data, dtype=None)\n--\n\n"
    "An n-dimensional array of numbers of one dtype, held in memory that views share, as NumPy's ndarray.\n\n"
    "Operators, indexing, broadcasting and promotion follow NumPy 2; results take part in gradients and in the "
    "recording of\n"
    "programs. `data` (a number, nested lists, an array) is copied; chainrule.asarray shares the memory of arrays.";

}  // namespace

PyTypeObject tensor_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "chainrule.Tensor";
  type.tp_basicsize = sizeof(TensorObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE;
  type.tp_doc = kDoc;
  type.tp_dealloc = deallocate_tensor;
  type.tp_new = construct;
  type.tp_weaklistoffset = offsetof(TensorObject, weak_references);
  type.tp_dictoffset = offsetof(TensorObject, attributes);
  type.tp_as_number = &tensor_number_methods;
  type.tp_as_mapping = &tensor_mapping_methods;
  type.tp_as_sequence = &tensor_sequence_methods;
  type.tp_as_buffer = &tensor_buffer_procs;
  type.tp_methods = tensor_methods;
  type.tp_getset = tensor_attributes;
  type.tp_richcompare = tensor_richcompare;
  type.tp_hash = tensor_hash;
  type.tp_repr = tensor_repr;
  type.tp_str = tensor_str;
  type.tp_iter = tensor_iterate;
  return type;
}();

bool prepare_tensor_type() { return PyType_Ready(&tensor_type) == 0; }

PyObject* wrap(Tensor tensor) {
  TensorObject* object = new_head();
  if (!object) throw PythonError();
  new (&object->handle) Tensor(std::move(tensor));
  object->weak_references = nullptr;
  object->attributes = nullptr;
  object->base = nullptr;
  object->recorded = nullptr;
  object->is_number = false;
  return reinterpret_cast<PyObject*>(object);
}

PyObject* wrap_result(Tensor tensor) {
  if (tensor.ndim() > 0) return wrap(std::move(tensor));
  if (!tensor.is_placeholder() && !has_node(tensor)) return wrap_number(tensor.dtype(), tensor.data());
  PyObject* object = wrap(std::move(tensor));
  object_of(object)->is_number = true;
  return object;
}

PyObject* wrap_number(DType dtype, const void* element) { return wrap_number(dtype, element_bits(dtype, element)); }

PyObject* wrap_truth(bool truth) {
  static PyObject* const numbers[] = {wrap_number(DType::Bool, std::uint64_t{0}),
                                      wrap_number(DType::Bool, std::uint64_t{1})};
  return Py_NewRef(numbers[truth]);
}

PyObject* wrap_number(DType dtype, std::uint64_t bits) {
  PyObject* object = wrap(Tensor());
  TensorObject* number = object_of(object);
  number->value = bits;
  number->value_type = dtype;
  number->is_number = true;
  return object;
}

void make_handle(TensorObject* number) {
  Tensor tensor = Tensor::empty(number->value_type, Shape());
  std::memcpy(tensor.data(), &number->value, itemsize(number->value_type));
  // A truth value is everybody's: who asks for its memory must not write into it.
  if (is_bool(number->value_type)) tensor.impl()->storage->writable = false;
  number->handle = std::move(tensor);
}

PyObject* wrap_all(std::vector<Tensor> tensors) {
  Object tuple = Object::steal(PyTuple_New(static_cast<Py_ssize_t>(tensors.size())));
  for (std::size_t i = 0; i < tensors.size(); ++i)
    PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), wrap(std::move(tensors[i])));
  return tuple.release();
}

}  // namespace chainrule
