// What an array knows of its memory, and what NumPy's arrays have beyond Tensor.
#include <algorithm>
#include <cstring>
#include <utility>

#include "bind/convert.h"
#include "bind/operators.h"
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

namespace {

// Whose memory the array shows, or null (borrowed). Memory of a NumPy array that nobody else holds, as NumPy's
// functions return them, is the array's own.
PyObject* base_of(PyObject* self) {
  if (PyObject* base = object_of(self)->base) return base;
  PyObject* const array = numpy_owner(handle_of(self));
  if (!array || Py_REFCNT(array) > 1) return array;
  return Object::steal(PyObject_GetAttrString(array, "base")).get() == Py_None ? nullptr : array;
}

}  // namespace

PyObject* tensor_base(PyObject* self, void*) {
  return guarded([=] {
    PyObject* const base = base_of(self);
    return Py_NewRef(base ? base : Py_None);
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

PyObject* tensor_setflags(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    static const char* names[] = {"write", "align", "uic", nullptr};
    PyObject *write = Py_None, *align = Py_None, *uic = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OOO:setflags", const_cast<char**>(names), &write, &align,
                                     &uic))
      throw PythonError();
    const auto asks = [](PyObject* flag) {
      const int truth = flag == Py_None ? 0 : PyObject_IsTrue(flag);
      if (truth < 0) throw PythonError();
      return truth == 1;
    };
    const Tensor& x = handle_of(self);
    if (asks(uic)) throw ValueError("cannot set WRITEBACKIFCOPY flag to True");
    if (write == Py_None) return Py_NewRef(Py_None);
    PyObject* const base = object_of(self)->base;
    const bool fixed = is_number(self) || (x.impl()->storage && !x.impl()->storage->writable) ||
                       (base && is_tensor(base) && !handle_of(base).is_writable());
    if (asks(write) && fixed) throw ValueError("cannot set WRITEABLE flag to True of this array");
    x.impl()->read_only = !asks(write);
    return Py_NewRef(Py_None);
  });
}

namespace {

Shape reversed(const Shape& lengths) {
  Shape result;
  for (int i = lengths.ndim - 1; i >= 0; --i) result.push_back(lengths[i]);
  return result;
}

// A view with the axes in reverse order.
Tensor turned(const Tensor& x) { return x.view(reversed(x.shape()), reversed(x.strides()), 0); }

}  // namespace

void resize_tensor(PyObject* self, const Shape& shape, bool check_references) {
  Tensor& x = handle_of(self);
  require_values(x, "resize");
  for (const std::int64_t length : shape)
    if (length < 0) throw ValueError("all elements of shape must be non-negative");
  const bool columns = !x.is_contiguous();  // column-major order stays so
  const Tensor rows = columns ? turned(x) : x;
  if (!rows.is_contiguous()) throw ValueError("resize only works on single-segment arrays");
  const bool same_size = element_count(shape) == x.size();
  if (!same_size) {
    if (is_number(self) || base_of(self) || (x.impl()->storage->release_owner && !numpy_owner(x)))
      throw ValueError("cannot resize this array: it does not own its data");
    const int heads = columns ? 2 : 1;  // `rows` is one
    if (check_references && (Py_REFCNT(self) > 2 || x.impl()->use_count() > (columns ? 1 : 2) ||
                             x.impl()->storage->use_count() > heads || object_of(self)->weak_references))
      throw ValueError(
          "cannot resize an array that references or is referenced by another array in this way.\n"
          "Use the np.resize function or refcheck=False");
    if (!is_writable(x)) throw ValueError("cannot resize this array: it is read-only");
  }
  const Shape lengths = columns ? reversed(shape) : shape;
  Tensor result;
  if (same_size) {
    result = rows.view(lengths, contiguous_strides(lengths), 0);
  } else {
    result = Tensor::zeros(x.dtype(), lengths);
    const std::int64_t kept = std::min(result.size(), x.size());
    if (kept > 0) std::memcpy(result.data(), rows.data(), static_cast<std::size_t>(kept) * itemsize(x.dtype()));
  }
  x = columns ? turned(result) : result;
}

// What NumPy's arrays (of a number: NumPy's scalars) have beyond Tensor, looked up there, on the same memory. Arrays
// that their methods return come back as tensors.
PyObject* tensor_numpy_attribute(PyObject* self, void* name) {
  return guarded([=]() -> PyObject* {
    const char* const text = static_cast<const char*>(name);
    if (dtype_of(self) == DType::BF16 && std::strncmp(text, "__", 2) == 0)  // NumPy goes on to __array__
      raise(PyExc_AttributeError, "NumPy knows no bfloat16");
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
