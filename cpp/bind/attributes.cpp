// The attributes of Tensor: shape, dtype, T and their like.
#include <utility>

#include "bind/convert.h"
#include "bind/interop.h"
#include "bind/operators.h"
#include "bind/tensor_type.h"
#include "bind/views.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/functions.h"

namespace chainrule {

namespace {

PyObject* get_shape(PyObject* self, void*) noexcept {
  return guarded([=] { return shape_to_tuple(handle_of(self).shape()).release(); });
}
int set_shape(PyObject* self, PyObject* value, void*) noexcept {
  return guarded_status([=] {
    if (!value) raise(PyExc_AttributeError, "cannot delete 'shape'");
    if (is_number(self)) raise(PyExc_AttributeError, "attribute 'shape' of a number can't be set");
    const Object result = Object::steal(PyObject_CallMethod(self, "reshape", "O", value));
    const Tensor &old = handle_of(self), &shaped = handle_of(result.get());
    if (shaped.data() != old.data() || shaped.impl()->slot != old.impl()->slot)
      raise(PyExc_AttributeError,
            "Incompatible shape for in-place modification. Use `.reshape()` to make a copy with the desired shape.");
    handle_of(self) = Tensor(shaped);
    return 0;
  });
}
PyObject* get_dtype(PyObject* self, void*) noexcept {
  return guarded([=] { return Py_NewRef(dtype_to_python(dtype_of(self))); });
}
PyObject* get_ndim(PyObject* self, void*) noexcept { return PyLong_FromLong(handle_of(self).ndim()); }
PyObject* get_size(PyObject* self, void*) noexcept { return PyLong_FromLongLong(handle_of(self).size()); }
PyObject* get_itemsize(PyObject* self, void*) noexcept { return PyLong_FromSize_t(itemsize(handle_of(self).dtype())); }
PyObject* get_nbytes(PyObject* self, void*) noexcept {
  const Tensor& x = handle_of(self);
  return PyLong_FromLongLong(x.size() * static_cast<std::int64_t>(itemsize(x.dtype())));
}
PyObject* get_strides(PyObject* self, void*) noexcept {
  return guarded([=] {
    const Tensor& x = handle_of(self);
    return shape_to_tuple(x.strides(), static_cast<std::int64_t>(itemsize(x.dtype()))).release();
  });
}

PyObject* get_transposed(PyObject* self, void*) noexcept {
  return guarded([=] {
    const Tensor& x = handle_of(self);
    if (recording() && has_node(x)) {
      static const Op* const op = find_op("transpose");
      return wrap(apply(*op, &x, 1, {Attr()}));
    }
    Shape shape;
    Strides strides;
    for (int i = x.ndim() - 1; i >= 0; --i) {
      shape.push_back(x.length(i));
      strides.push_back(x.strides()[i]);
    }
    return wrap_view(x.view(shape, strides, 0), self);
  });
}
PyObject* get_matrix_transposed(PyObject* self, void*) noexcept {
  return guarded([=] {
    const Tensor& x = handle_of(self);
    if (x.ndim() < 2) throw ValueError("matrix transpose with ndim < 2 is undefined");
    int axes[kMaxDims];
    for (int i = 0; i < x.ndim(); ++i) axes[i] = i;
    std::swap(axes[x.ndim() - 2], axes[x.ndim() - 1]);
    return wrap_view(permuted(x, axes), self);
  });
}

PyObject* get_flat(PyObject* self, void*) noexcept {
  return guarded([=] {
    static PyObject* const iterator = import_attribute("chainrule.numpy", "flatiter").release();
    return PyObject_CallOneArg(iterator, self);
  });
}
int set_flat(PyObject* self, PyObject* value, void*) noexcept {
  return guarded_status([=] {
    if (!value) raise(PyExc_AttributeError, "cannot delete 'flat'");
    const Tensor& x = handle_of(self);
    if (!x.is_placeholder() && !Trace::current() && !(recording() && has_node(x)) && x.dtype() != DType::BF16 &&
        !is_tensor(value)) {  // as often over as there is place
      x.bump_version();
      return PyObject_SetAttrString(to_numpy(self).get(), "flat", value);
    }
    const Object flat = Object::steal(wrap(fn::reshape(to_tensor(value, "flat"), {-1})));
    const Object shape = shape_to_tuple(handle_of(self).shape());
    const Object shaped = Object::steal(PyObject_CallMethod(flat.get(), "reshape", "O", shape.get()));
    return PyObject_SetItem(self, Py_Ellipsis, shaped.get());
  });
}

PyObject* get_real(PyObject* self, void*) noexcept { return Py_NewRef(self); }
int set_real(PyObject* self, PyObject* value, void*) noexcept {
  if (value) return PyObject_SetItem(self, Py_Ellipsis, value);
  PyErr_SetString(PyExc_AttributeError, "cannot delete 'real'");
  return -1;
}
PyObject* get_imaginary(PyObject* self, void*) noexcept {
  return guarded([=] {
    return is_number(self) ? wrap_result(fn::zeros_like(handle_of(self))) : wrap(fn::zeros_like(handle_of(self)));
  });
}
PyObject* get_data(PyObject* self, void*) noexcept { return PyMemoryView_FromObject(self); }
PyObject* get_device(PyObject*, void*) noexcept { return PyUnicode_FromString("cpu"); }
PyObject* get_flags(PyObject* self, void*) noexcept {
  return guarded([=] {
    static PyObject* const type = import_attribute("chainrule.numpy.array_type", "flagsobj").release();
    return PyObject_CallOneArg(type, self);
  });
}
PyObject* get_traced(PyObject* self, void*) noexcept { return PyBool_FromLong(handle_of(self).is_placeholder()); }
// Above ndarray's 0: where both could answer for an operator, the tensor does.
PyObject* get_priority(PyObject*, void*) noexcept { return PyFloat_FromDouble(100.0); }

}  // namespace

#define CR_NUMPY(name) {#name, tensor_numpy_attribute, nullptr, "As of numpy.ndarray.", const_cast<char*>(#name)}
PyGetSetDef tensor_attributes[] = {
    {"shape", get_shape, set_shape, "Lengths of the axes, a tuple; another one can be set that needs no copy.",
     nullptr},
    {"dtype", get_dtype, nullptr, "Type of the elements, a numpy.dtype.", nullptr},
    {"ndim", get_ndim, nullptr, "Number of axes.", nullptr},
    {"size", get_size, nullptr, "Number of elements.", nullptr},
    {"itemsize", get_itemsize, nullptr, "Bytes of an element.", nullptr},
    {"nbytes", get_nbytes, nullptr, "Bytes of all elements.", nullptr},
    {"strides", get_strides, nullptr, "Bytes from one element to the next along each axis, a tuple.", nullptr},
    {"T", get_transposed, nullptr, "View with the axes in reverse order.", nullptr},
    {"mT", get_matrix_transposed, nullptr, "View with the last two axes swapped.", nullptr},
    {"flat", get_flat, set_flat, "The elements in row-major order, to read and to write: a chainrule.numpy.flatiter.",
     nullptr},
    {"base", tensor_base, nullptr, "The array whose memory a view shows; None for an array with its own.", nullptr},
    CR_NUMPY(__array_struct__),
    CR_NUMPY(byteswap),
    CR_NUMPY(ctypes),
    CR_NUMPY(dump),
    CR_NUMPY(dumps),
    CR_NUMPY(getfield),
    CR_NUMPY(setfield),
    CR_NUMPY(tofile),
    CR_NUMPY(as_integer_ratio),
    CR_NUMPY(bit_count),
    CR_NUMPY(denominator),
    CR_NUMPY(hex),
    CR_NUMPY(is_integer),
    CR_NUMPY(numerator),
    {"__class__", tensor_class, nullptr, nullptr, nullptr},
    {"real", get_real, set_real, "The tensor itself: its elements are real.", nullptr},
    {"imag", get_imaginary, nullptr, "Zeros: the elements are real.", nullptr},
    {"data", get_data, nullptr, "A memoryview of the elements.", nullptr},
    {"device", get_device, nullptr, "'cpu'.", nullptr},
    {"flags", get_flags, nullptr, "Memory layout, as numpy.ndarray.flags.", nullptr},
    {"is_traced", get_traced, nullptr, "Whether it stands for a future value of a program being recorded.", nullptr},
    {"__array_priority__", get_priority, nullptr, nullptr, nullptr},
    {"__array_interface__", tensor_array_interface, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};
#undef CR_NUMPY

}  // namespace chainrule
