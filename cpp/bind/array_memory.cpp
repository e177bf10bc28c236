// What an array knows of its memory, and what NumPy's arrays have beyond Tensor.
#include <utility>

#include "bind/convert.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/functions.h"

namespace chainrule {

PyObject* wrap_view(Tensor tensor, PyObject* of) {
  // A view of what a gradient follows keeps no base: it would hold the whole tape.
  const bool view =
      tensor.impl()->storage && tensor.impl()->storage == handle_of(of).impl()->storage && !has_node(handle_of(of));
  PyObject* object = wrap(std::move(tensor));
  if (view) object_of(object)->base = Py_NewRef(object_of(of)->base ? object_of(of)->base : of);
  return object;
}

PyObject* tensor_base(PyObject* self, void*) {
  PyObject* const base = object_of(self)->base;
  if (base) return Py_NewRef(base);
  return guarded([=] {
    PyObject* const array = numpy_owner(handle_of(self));
    return Py_NewRef(array ? array : Py_None);
  });
}

// Of a number the NumPy scalar's type, so that isinstance(x, float), of numbers.Real or of numpy.floating holds as it
// does for what NumPy returns.
PyObject* tensor_class(PyObject* self, void*) {
  if (is_number(self)) {
    const TensorObject* object = object_of(self);
    if (!object->handle || !(object->handle.is_placeholder() || has_node(object->handle)))
      if (PyObject* type = numpy_scalar_type(dtype_of(self))) return Py_NewRef(type);
  }
  return Py_NewRef(reinterpret_cast<PyObject*>(Py_TYPE(self)));
}

int tensor_set_shape(PyObject* self, PyObject* value, void*) {
  return guarded_status([=] {
    if (!value) raise(PyExc_AttributeError, "cannot delete array shape");
    const Object result = Object::steal(PyObject_CallMethod(self, "reshape", "O", value));
    Tensor& x = handle_of(self);
    const Tensor& shaped = handle_of(result.get());
    if (!x.is_placeholder() && shaped.size() > 0 && shaped.impl()->storage != x.impl()->storage)
      raise(PyExc_AttributeError,
            "Incompatible shape for in-place modification. Use `.reshape()` to make a copy with the desired shape.");
    x = shaped;
    return 0;
  });
}

// What NumPy's arrays (of a number: NumPy's scalars) have beyond Tensor, looked up there, on the same memory. Arrays
// that their methods return come back as tensors.
PyObject* tensor_numpy_attribute(PyObject* self, void* name) {
  return guarded([=]() -> PyObject* {
    const char* const text = static_cast<const char*>(name);
    Object array = to_numpy(self);
    if (is_number(self)) array = Object::steal(PyObject_GetItem(array.get(), Object::steal(PyTuple_New(0)).get()));
    Object attribute = Object::steal(PyObject_GetAttrString(array.get(), text));
    if (!PyCallable_Check(attribute.get())) return attribute.release();
    const Object delegated = import_attribute("chainrule.numpy.fallback", "delegated");
    const Object path = Object::steal(PyUnicode_FromFormat("ndarray.%s", text));
    return PyObject_CallFunctionObjArgs(delegated.get(), path.get(), attribute.get(), nullptr);
  });
}

}  // namespace chainrule
