// The methods of Tensor. Reductions are the ops of the same name; what NumPy's methods can do beyond these (out=,
// dtype=, var, clip, ...) is the function of that name in chainrule.numpy, loaded when it is first asked for.
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/face_function.h"
#include "bind/float_errors.h"
#include "bind/interop.h"
#include "bind/numpy_layout.h"
#include "bind/op_functions.h"
#include "bind/operators.h"
#include "bind/promote.h"
#include "bind/shortcuts.h"
#include "bind/subscript.h"
#include "bind/tensor_type.h"
#include "bind/views.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/functions.h"

namespace chainrule {

namespace {

using Arguments = PyObject* const*;

// self and the arguments of a method side by side, as vectorcall wants them.
std::vector<PyObject*> with_self(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  const Py_ssize_t total = count + (keywords ? PyTuple_GET_SIZE(keywords) : 0);
  std::vector<PyObject*> all{self};
  all.insert(all.end(), arguments, arguments + total);
  return all;
}

PyObject* call_face(PyObject* name, PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  static PyObject* const face = Object::steal(PyImport_ImportModule("chainrule.numpy")).release();
  const Object function = Object::steal(PyObject_GetAttr(face, name));
  const std::vector<PyObject*> all = with_self(self, arguments, count, keywords);
  return PyObject_Vectorcall(function.get(), all.data(), static_cast<std::size_t>(count + 1), keywords);
}
PyObject* call_face(const char* name, PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  const Object text = Object::steal(PyUnicode_InternFromString(name));
  return call_face(text.get(), self, arguments, count, keywords);
}

// ---- ops as methods
// ----------------------------------------------------------------------------------------------------

// axis by position, axis= and keepdims= are the op's own; NumPy's other parameters belong to the face.
bool op_knows(const Op& op, Py_ssize_t count, PyObject* keywords) {
  if (count > 1) return false;
  for (Py_ssize_t k = 0; keywords && k < PyTuple_GET_SIZE(keywords); ++k) {
    bool known = false;
    for (const AttrParam& param : op.attrs)
      known = known || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, k), param.name) == 0;
    if (!known) return false;
  }
  return true;
}

PyObject* op_method(const Op& op, PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    const bool list = count + (keywords ? PyTuple_GET_SIZE(keywords) : 0) > 0 && PyList_Check(arguments[0]);
    if (list || !op_knows(op, count, keywords)) return call_face(op.name, self, arguments, count, keywords);
    const std::vector<PyObject*> all = with_self(self, arguments, count, keywords);
    return call_with_arguments(op, all.data(), count + 1, keywords);
  });
}

// The plainest calls are answered as the face's function would (shortcuts.h).
PyObject* shortened_method(Shortcut shortcut, const Op& op, PyObject* self, Arguments arguments, Py_ssize_t count,
                           PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (!keywords && count <= 1) {
      PyObject* const all[] = {self, count == 1 ? arguments[0] : nullptr};
      if (PyObject* result = shortcut(all, count + 1, nullptr)) return result;
      if (PyErr_Occurred()) throw PythonError();
    }
    return op_method(op, self, arguments, count, keywords);
  });
}

#define CR_OP_METHOD(name)                                                                             \
  PyObject* name##_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) { \
    static const Op& op = *find_op(#name);                                                             \
    return op_method(op, self, arguments, count, keywords);                                            \
  }
CR_OP_METHOD(sum)
CR_OP_METHOD(mean)
CR_OP_METHOD(prod)
CR_OP_METHOD(max)
CR_OP_METHOD(min)
CR_OP_METHOD(any)
CR_OP_METHOD(all)
CR_OP_METHOD(cumsum)
CR_OP_METHOD(cumprod)
#undef CR_OP_METHOD

#define CR_SHORTENED_METHOD(name)                                                                      \
  PyObject* name##_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) { \
    static const Op& op = *find_op(#name);                                                             \
    static const Shortcut shortcut = find_shortcut(#name);                                             \
    return shortened_method(shortcut, op, self, arguments, count, keywords);                           \
  }
CR_SHORTENED_METHOD(argmax)
CR_SHORTENED_METHOD(argmin)
CR_SHORTENED_METHOD(squeeze)
#undef CR_SHORTENED_METHOD

#define CR_FACE_METHOD(name)                                                                           \
  PyObject* name##_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) { \
    return guarded([&] {                                                                               \
      static PyObject* const text = PyUnicode_InternFromString(#name);                                 \
      return call_face(text, self, arguments, count, keywords);                                        \
    });                                                                                                \
  }
CR_FACE_METHOD(clip)
CR_FACE_METHOD(diagonal)
CR_FACE_METHOD(dot)
CR_FACE_METHOD(ptp)
CR_FACE_METHOD(repeat)
CR_FACE_METHOD(round)
CR_FACE_METHOD(std)
CR_FACE_METHOD(take)
CR_FACE_METHOD(var)
#undef CR_FACE_METHOD

// numpy.ndarray's method of this name.
PyObject* ndarray_method(const char* name) {
  const Object type = Object::steal(PyObject_GetAttrString(numpy_module(), "ndarray"));
  return Object::steal(PyObject_GetAttrString(type.get(), name)).release();
}

// ndarray's own method on the same memory; the face's function where something is recorded.
PyObject* numpys_method(const char* name, PyObject* method, PyObject* self, Arguments arguments, Py_ssize_t count,
                        PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (!is_number(self)) {
      const std::vector<PyObject*> all = with_self(self, arguments, count, keywords);
      if (PyObject* result = call_numpys(method, all.data(), count + 1, keywords)) return result;
    }
    return call_face(name, self, arguments, count, keywords);
  });
}

#define CR_NUMPYS_METHOD(name)                                                                         \
  PyObject* name##_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) { \
    return guarded([&] {                                                                               \
      static PyObject* const method = ndarray_method(#name);                                           \
      return numpys_method(#name, method, self, arguments, count, keywords);                           \
    });                                                                                                \
  }
CR_NUMPYS_METHOD(argpartition)
CR_NUMPYS_METHOD(argsort)
CR_NUMPYS_METHOD(searchsorted)
CR_NUMPYS_METHOD(trace)
#undef CR_NUMPYS_METHOD

// ---- shape
// -------------------------------------------------------------------------------------------------------------

// The integers of f(1, 2) and of f((1, 2)) alike.
std::vector<std::int64_t> integers_of(PyObject* arguments) {
  PyObject* source = arguments;
  if (PyTuple_GET_SIZE(arguments) == 1 && PySequence_Check(PyTuple_GET_ITEM(arguments, 0)) &&
      !(is_tensor(PyTuple_GET_ITEM(arguments, 0)) && handle_of(PyTuple_GET_ITEM(arguments, 0)).ndim() == 0))
    source = PyTuple_GET_ITEM(arguments, 0);
  const Object sequence = Object::steal(PySequence_Fast(source, "expected integers"));
  std::vector<std::int64_t> values;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence.get()); ++i) {
    PyObject* const item = PySequence_Fast_GET_ITEM(sequence.get(), i);
    if (PyBool_Check(item)) raise(PyExc_TypeError, "an integer is required, got a bool");
    const Py_ssize_t value = PyNumber_AsSsize_t(item, PyExc_OverflowError);
    if (value == -1 && PyErr_Occurred()) throw PythonError();
    values.push_back(value);
  }
  return values;
}

// NumPy's letter for an order of elements in memory: None, or a letter of either case.
char memory_order(PyObject* object, char if_none) {
  if (!object || object == Py_None) return if_none;
  const Object text = PyBytes_Check(object) ? Object::steal(PyUnicode_FromEncodedObject(object, "ascii", nullptr))
                                            : Object::borrow(object);
  if (!PyUnicode_Check(text.get()))
    raise_format(PyExc_TypeError, "order must be str, not %s", Py_TYPE(object)->tp_name);
  const char* letters = utf8(text.get());
  if (!letters) throw PythonError();
  const char letter = static_cast<char>(std::toupper(static_cast<unsigned char>(letters[0])));
  if (letter == '\0' || letters[1] != '\0' || !std::strchr("CFAK", letter))
    throw ValueError(message("order must be one of 'C', 'F', 'A', or 'K' (got '", letters, "')"));
  return letter;
}

Tensor copy_of(const Tensor& x) { return copy_in_order(x, 'C'); }

Tensor reshaped(const Tensor& x, const std::vector<std::int64_t>& shape, char order) {
  if (order == 'C' || (order != 'F' && !columns_first(x))) return fn::reshape(x, Shape(shape.begin(), shape.end()));
  const Tensor turned = fn::transpose(x, reversed_axes(x.ndim()));
  const Tensor result = fn::reshape(turned, Shape(shape.rbegin(), shape.rend()));
  return fn::transpose(result, reversed_axes(result.ndim()));
}

// The view of a tensor without gaps, outside of any recording, for lengths that fit; an empty one where the op has more
// to think about.
Tensor reshaped_shortly(const Tensor& x, PyObject* arguments) {
  PyObject* lengths = arguments;
  if (PyTuple_GET_SIZE(arguments) == 1 && PyTuple_CheckExact(PyTuple_GET_ITEM(arguments, 0)))
    lengths = PyTuple_GET_ITEM(arguments, 0);
  const Py_ssize_t count = PyTuple_GET_SIZE(lengths);
  const std::int64_t size = x.size();
  if (count > kMaxDims || size == 0 || x.is_placeholder() || has_node(x) || Trace::current() || !x.is_contiguous())
    return {};
  Shape shape;
  std::int64_t known = 1;
  int open = -1;
  for (int i = 0; i < count; ++i) {
    PyObject* const item = PyTuple_GET_ITEM(lengths, i);
    if (!PyLong_CheckExact(item)) return {};
    int overflow;
    const long long length = PyLong_AsLongLongAndOverflow(item, &overflow);
    if (length == -1 && !overflow && open < 0) {
      open = i;
    } else if (overflow || length < 1 || length > size / known) {
      return {};
    } else {
      known *= length;
    }
    shape.push_back(length);
  }
  if (open >= 0 ? size % known != 0 : size != known) return {};
  if (open >= 0) shape[open] = size / known;
  return x.view(shape, contiguous_strides(shape), 0);
}

PyObject* reshape_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=] {
    if (!keywords)
      if (Tensor result = reshaped_shortly(handle_of(self), arguments)) return wrap_view(std::move(result), self);
    static const char* names[] = {"order", "copy", nullptr};
    PyObject *order = nullptr, *copy = Py_None;
    const Object none = Object::steal(PyTuple_New(0));
    if (!PyArg_ParseTupleAndKeywords(none.get(), keywords, "|$OO:reshape", const_cast<char**>(names), &order, &copy))
      throw PythonError();
    const char letter = memory_order(order, 'C');
    if (letter == 'K') throw ValueError("order 'K' is not permitted for reshaping");
    const Tensor& x = handle_of(self);
    const int copies = copy == Py_None ? -1 : PyObject_IsTrue(copy);
    if (copies < 0 && PyErr_Occurred()) throw PythonError();
    Tensor result = reshaped(copies == 1 ? copy_in_order(x, 'K') : x, integers_of(arguments), letter);
    if (copies == 0 && result.impl()->storage != x.impl()->storage)
      throw ValueError("Unable to avoid creating a copy while reshaping.");
    return copies == 1 ? wrap(std::move(result)) : wrap_view(std::move(result), self);
  });
}

PyObject* resize_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    static const char* names[] = {"refcheck", nullptr};
    int check_references = 1;
    const Object none = Object::steal(PyTuple_New(0));
    if (!PyArg_ParseTupleAndKeywords(none.get(), keywords, "|$p:resize", const_cast<char**>(names), &check_references))
      throw PythonError();
    const Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    if (count == 0 || (count == 1 && PyTuple_GET_ITEM(arguments, 0) == Py_None)) return Py_NewRef(Py_None);
    const std::vector<std::int64_t> lengths = integers_of(arguments);
    require_not_watched(handle_of(self));
    resize_tensor(self, Shape(lengths.begin(), lengths.end()), check_references != 0);
    return Py_NewRef(Py_None);
  });
}

PyObject* transpose_method(PyObject* self, PyObject* arguments) {
  return guarded([=] {
    const Tensor& x = handle_of(self);
    const bool plain = PyTuple_GET_SIZE(arguments) == 0 ||
                       (PyTuple_GET_SIZE(arguments) == 1 && PyTuple_GET_ITEM(arguments, 0) == Py_None);
    const std::vector<std::int64_t> axes = plain ? reversed_axes(x.ndim()) : integers_of(arguments);
    int order[kMaxDims];
    unsigned seen = 0;
    for (std::size_t i = 0; i < axes.size() && axes.size() <= kMaxDims; ++i) {
      const std::int64_t axis = axes[i] < 0 ? axes[i] + x.ndim() : axes[i];
      if (axis < 0 || axis >= x.ndim()) break;
      order[i] = static_cast<int>(axis);
      seen |= 1u << axis;
    }
    const bool valid = axes.size() == static_cast<std::size_t>(x.ndim()) && seen == (1u << x.ndim()) - 1;
    return wrap_view(valid ? permuted(x, order) : fn::transpose(x, axes), self);
  });
}

PyObject* swapaxes_method(PyObject* self, PyObject* arguments) {
  return guarded([=] {
    int a, b;
    if (!PyArg_ParseTuple(arguments, "ii:swapaxes", &a, &b)) throw PythonError();
    const Tensor& x = handle_of(self);
    int axes[kMaxDims];
    for (int i = 0; i < x.ndim(); ++i) axes[i] = i;
    std::swap(axes[normalize_axis(a, x.ndim(), "swapaxes")], axes[normalize_axis(b, x.ndim(), "swapaxes")]);
    return wrap_view(permuted(x, axes), self);
  });
}

char one_order(PyObject* arguments, PyObject* keywords, const char* format) {
  static const char* names[] = {"order", nullptr};
  PyObject* order = nullptr;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, format, const_cast<char**>(names), &order)) throw PythonError();
  return memory_order(order, 'C');
}

// All elements in that order along one axis.
Tensor raveled(const Tensor& x, char order) {
  if (order != 'K' || x.ndim() < 2 || x.is_placeholder()) return reshaped(x, {-1}, order);
  return fn::reshape(fn::transpose(x, axes_by_stride(x)), {-1});
}

PyObject* ravel_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=] {
    if (PyTuple_GET_SIZE(arguments) == 0 && !keywords)
      if (Tensor flat = raveled_shortly(handle_of(self))) return wrap_view(std::move(flat), self);
    return wrap_view(raveled(handle_of(self), one_order(arguments, keywords, "|O:ravel")), self);
  });
}
PyObject* flatten_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=] {
    const Tensor& x = handle_of(self);
    const Tensor flat = raveled(x, one_order(arguments, keywords, "|O:flatten"));
    return wrap(flat.impl()->storage == x.impl()->storage || x.is_placeholder() ? copy_of(flat) : flat);
  });
}

// ---- copies and conversions
// ----------------------------------------------------------------------------------------------

PyObject* copy_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=] { return wrap(copy_in_order(handle_of(self), one_order(arguments, keywords, "|O:copy"))); });
}
PyObject* shallow_copy(PyObject* self, PyObject*) {
  return guarded([=] { return wrap(copy_in_order(handle_of(self), 'K')); });
}

// Of an array an array, and of a number a number.
PyObject* wrap_of(PyObject* self, Tensor tensor) {
  return is_number(self) ? wrap_result(std::move(tensor)) : wrap(std::move(tensor));
}

PyObject* astype_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    DType known;
    if (PyTuple_GET_SIZE(arguments) == 1 && !keywords && find_dtype(PyTuple_GET_ITEM(arguments, 0), known)) {
      const Tensor& x = handle_of(self);
      if (known == x.dtype()) return wrap_of(self, copy_in_order(x, 'K'));
      return wrap_of(self, in_order(x, 'K', [&](const Tensor& y) { return cast_as_numpy(y, known); }));
    }
    static const char* names[] = {"dtype", "order", "casting", "subok", "copy", nullptr};
    PyObject* dtype;
    PyObject* order = nullptr;
    const char* casting = "unsafe";
    int subok = 1, copy = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|Ospp:astype", const_cast<char**>(names), &dtype, &order,
                                     &casting, &subok, &copy))
      throw PythonError();
    const Tensor& x = handle_of(self);
    const char letter = memory_order(order, 'K');
    if (is_bfloat16(dtype) || x.dtype() == DType::BF16) {
      const DType type = dtype_from_python(dtype);
      const bool widens = promote(x.dtype(), type) == type, safe = std::strcmp(casting, "same_kind") != 0;
      if (std::strcmp(casting, "unsafe") != 0 && !(safe ? widens : can_cast_same_kind(x.dtype(), type)))
        throw DTypeError(message("Cannot cast array data from ", name(x.dtype()), " to ", name(type),
                                 " according to the rule '", casting, "'"));
      return type == x.dtype() && !copy ? Py_NewRef(self)
                                        : wrap_of(self, type == x.dtype() ? copy_of(x) : fn::cast(x, type));
    }
    const Object target = Object::steal(PyObject_CallMethod(numpy_module(), "dtype", "O", dtype));
    if (std::strcmp(casting, "unsafe") != 0) {
      const Object allowed = Object::steal(
          PyObject_CallMethod(numpy_module(), "can_cast", "OOs", dtype_to_python(x.dtype()), target.get(), casting));
      if (allowed.get() != Py_True)
        throw DTypeError(message("Cannot cast array data from dtype('", name(x.dtype()), "') to ",
                                 utf8(Object::steal(PyObject_Repr(target.get())).get()), " according to the rule '",
                                 casting, "'"));
    }
    if (!is_our_dtype(target.get()))
      return PyObject_CallMethod(to_numpy(self).get(), "astype", "Os", target.get(), std::string(1, letter).c_str());
    const DType type = dtype_from_python(target.get());
    if (type != x.dtype())
      return wrap_of(self, in_order(x, letter, [&](const Tensor& y) { return cast_as_numpy(y, type); }));
    const bool stands = letter == 'K' || (letter != 'F' && x.is_contiguous()) || (letter != 'C' && columns_first(x));
    return copy || !stands ? wrap_of(self, copy_in_order(x, letter)) : Py_NewRef(self);
  });
}

PyObject* numpy_method(PyObject* self, PyObject*) {
  return guarded([=] { return to_numpy(self).release(); });
}

PyObject* view_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    if (DType known;
        PyTuple_GET_SIZE(arguments) == 1 && !keywords && find_dtype(PyTuple_GET_ITEM(arguments, 0), known)) {
      const Tensor& x = handle_of(self);
      if (itemsize(known) == itemsize(x.dtype()) && !x.is_placeholder() && !has_node(x))
        return wrap_view(with_type(x, known), self);
    }
    static const char* names[] = {"dtype", "type", nullptr};
    PyObject *dtype = Py_None, *type = Py_None;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|OO:view", const_cast<char**>(names), &dtype, &type))
      throw PythonError();
    const auto is_ours = [](PyObject* object) {  // Tensor and chainrule.numpy.ndarray
      return PyType_Check(object) && PyType_IsSubtype(reinterpret_cast<PyTypeObject*>(object), &tensor_type);
    };
    if (type != Py_None && !is_ours(type)) {  // a subclass of numpy.ndarray
      const Object none = Object::steal(PyTuple_New(0)), options = Object::steal(Py_BuildValue("{sO}", "type", type));
      if (dtype != Py_None) check(PyDict_SetItemString(options.get(), "dtype", dtype));
      const Object view = Object::steal(PyObject_GetAttrString(to_numpy(self).get(), "view"));
      return PyObject_Call(view.get(), none.get(), options.get());
    }
    if (dtype == Py_None || is_ours(dtype))
      return wrap_view(handle_of(self).view(handle_of(self).shape(), handle_of(self).strides(), 0), self);
    const Tensor& x = handle_of(self);
    if (is_bfloat16(dtype) && itemsize(x.dtype()) == 2) return wrap_view(with_type(x, DType::BF16), self);
    const Object array = x.dtype() == DType::BF16 ? to_numpy(with_type(x, DType::U16)) : to_numpy(self);
    const Object seen = Object::steal(PyObject_CallMethod(array.get(), "view", "O", dtype));
    if (PyType_Check(dtype) && Py_TYPE(seen.get()) == reinterpret_cast<PyTypeObject*>(dtype))
      return Py_NewRef(seen.get());  // a subclass of numpy.ndarray
    Tensor tensor = from_numpy(seen.get());
    return tensor ? wrap(std::move(tensor)) : Py_NewRef(seen.get());
  });
}

Object nested_list(const Tensor& x, int axis, const char* data) {
  if (axis == x.ndim()) return element_to_python(x.dtype(), data);
  const std::int64_t step = x.strides()[axis] * static_cast<std::int64_t>(itemsize(x.dtype()));
  Object list = Object::steal(PyList_New(static_cast<Py_ssize_t>(x.length(axis))));
  for (std::int64_t i = 0; i < x.length(axis); ++i)
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), nested_list(x, axis + 1, data + i * step).release());
  return list;
}

PyObject* tolist_method(PyObject* self, PyObject*) {
  return guarded([=] {
    const Tensor& x = handle_of(self);
    require_values(x, "tolist");
    return nested_list(x, 0, static_cast<const char*>(x.data())).release();
  });
}

PyObject* item_method(PyObject* self, PyObject* arguments) {
  return guarded([=]() -> PyObject* {
    const Tensor& x = handle_of(self);
    require_values(x, "item");
    if (PyTuple_GET_SIZE(arguments) == 1 && x.ndim() == 1 && PyLong_CheckExact(PyTuple_GET_ITEM(arguments, 0))) {
      const Py_ssize_t given = PyLong_AsSsize_t(PyTuple_GET_ITEM(arguments, 0));
      if (given == -1 && PyErr_Occurred()) PyErr_Clear();  // NumPy's message for what is out of bounds
      const std::int64_t at = given < 0 ? given + x.length(0) : given;
      if (at >= 0 && at < x.length(0))
        return element_to_python(x.dtype(), static_cast<const char*>(x.data()) +
                                                at * x.strides()[0] * static_cast<std::int64_t>(itemsize(x.dtype())))
            .release();
    }
    if (PyTuple_GET_SIZE(arguments) > 0)
      return PyObject_CallMethod(to_numpy(self).get(), "item", "(O)",
                                 PyTuple_GET_SIZE(arguments) == 1 ? PyTuple_GET_ITEM(arguments, 0) : arguments);
    if (x.size() != 1) throw ValueError("can only convert an array of size 1 to a Python scalar");
    return element_to_python(x.dtype(), x.data()).release();
  });
}

PyObject* tobytes_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=] {
    require_values(handle_of(self), "tobytes");
    const Tensor& y = handle_of(self);
    // Column-major order is the row-major one of the transpose.
    const char order = one_order(arguments, keywords, "|O:tobytes");
    const bool turned = order == 'F' || (order == 'A' && columns_first(y));
    const Tensor x = contiguous(turned ? fn::transpose(y, reversed_axes(y.ndim())) : y);
    return PyBytes_FromStringAndSize(
        static_cast<const char*>(x.data()),
        static_cast<Py_ssize_t>(x.size() * static_cast<std::int64_t>(itemsize(x.dtype()))));
  });
}

PyObject* fill_method(PyObject* self, PyObject* value) {
  return guarded([=]() -> PyObject* {
    check(PyObject_SetItem(self, Py_Ellipsis, value));
    return Py_NewRef(Py_None);
  });
}

// ndarray's own method; where something is recorded, the function of the face, its result written over self. Without an
// axis (its place among the arguments is given) the function flattens, which can't be done in place.
PyObject* in_place_face(const char* name, PyObject* method, Py_ssize_t axis_at, PyObject* self, Arguments arguments,
                        Py_ssize_t count, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    bool without = count > axis_at && arguments[axis_at] == Py_None;
    for (Py_ssize_t k = 0; keywords && k < PyTuple_GET_SIZE(keywords); ++k)
      without = without || (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, k), "axis") == 0 &&
                            arguments[count + k] == Py_None);
    if (without) raise_format(PyExc_TypeError, "%s: axis must be an integer, got None", name);
    require_writable(handle_of(self), "array is read-only");
    require_not_watched(handle_of(self));
    const std::vector<PyObject*> all = with_self(self, arguments, count, keywords);
    if (PyObject* none = call_numpys(method, all.data(), count + 1, keywords)) {
      handle_of(self).bump_version();
      return none;
    }
    const Object result = Object::steal(call_face(name, self, arguments, count, keywords));
    check(PyObject_SetItem(self, Py_Ellipsis, result.get()));
    return Py_NewRef(Py_None);
  });
}
PyObject* sort_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&] {
    static PyObject* const method = ndarray_method("sort");
    return in_place_face("sort", method, 0, self, arguments, count, keywords);
  });
}
PyObject* partition_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&] {
    static PyObject* const method = ndarray_method("partition");
    return in_place_face("partition", method, 1, self, arguments, count, keywords);
  });
}

// choose(choices, ...), or one choice after another.
PyObject* choose_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    if (count < 2) return call_face("choose", self, arguments, count, keywords);
    const Object choices = Object::steal(PyTuple_New(count));
    for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(choices.get(), i, Py_NewRef(arguments[i]));
    std::vector<PyObject*> all{choices.get()};
    all.insert(all.end(), arguments + count, arguments + count + (keywords ? PyTuple_GET_SIZE(keywords) : 0));
    return call_face("choose", self, all.data(), 1, keywords);
  });
}

// The function's parameters have other names.
PyObject* put_method(PyObject* self, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    static const char* names[] = {"indices", "values", "mode", nullptr};
    PyObject *indices, *values, *mode = nullptr;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OO|O:put", const_cast<char**>(names), &indices, &values,
                                     &mode))
      throw PythonError();
    PyObject* const all[] = {indices, values, mode};
    return call_face("put", self, all, mode ? 3 : 2, nullptr);
  });
}

// The function takes the condition first.
PyObject* compress_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    if (count < 1 && keywords) {
      const Object function = import_attribute("chainrule.numpy", "compress");
      const Object options = Object::steal(PyDict_New());
      for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(keywords); ++k)
        check(PyDict_SetItem(options.get(), PyTuple_GET_ITEM(keywords, k), arguments[k]));
      check(PyDict_SetItemString(options.get(), "a", self));
      return PyObject_Call(function.get(), Object::steal(PyTuple_New(0)).get(), options.get());
    }
    if (count < 1) raise(PyExc_TypeError, "compress() is missing the argument 'condition'");
    std::vector<PyObject*> rest(arguments + 1, arguments + count + (keywords ? PyTuple_GET_SIZE(keywords) : 0));
    rest.insert(rest.begin(), self);
    return call_face("compress", arguments[0], rest.data(), count, keywords);
  });
}

PyObject* nonzero_method(PyObject* self, PyObject*) {
  return guarded([=] {
    if (handle_of(self).ndim() == 0)
      throw ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.");
    return wrap_all(nonzero(handle_of(self)));
  });
}

// ---- as a number and as text
// ---------------------------------------------------------------------------------------------

PyObject* complex_method(PyObject* self, PyObject*) {
  return guarded([=] {
    const Object number = Object::steal(PyNumber_Float(self));
    return PyComplex_FromDoubles(PyFloat_AsDouble(number.get()), 0.0);
  });
}

PyObject* python_number(PyObject* self, const char* what) {
  const Tensor& x = handle_of(self);
  require_values(x, what);
  if (x.ndim() != 0) raise_format(PyExc_TypeError, "type chainrule.Tensor with axes doesn't define %s", what);
  return element_to_python(x.dtype(), x.data()).release();
}

PyObject* round_number(PyObject* self, PyObject* arguments) {
  return guarded([=] {
    const Object number = Object::steal(python_number(self, "__round__"));
    const Object method = Object::steal(PyObject_GetAttrString(number.get(), "__round__"));
    return PyObject_CallObject(method.get(), arguments);
  });
}

PyObject* truncate_number(PyObject* self, PyObject*) {
  return guarded([=] { return PyNumber_Long(Object::steal(python_number(self, "__trunc__")).get()); });
}

PyObject* format_method(PyObject* self, PyObject* specification) {
  return guarded([=]() -> PyObject* {
    if (!PyUnicode_Check(specification))
      raise_format(PyExc_TypeError, "__format__() argument must be str, not %s", Py_TYPE(specification)->tp_name);
    const bool narrow = dtype_of(self) == DType::F32 || dtype_of(self) == DType::F16;
    if (PyUnicode_GetLength(specification) == 0 && !(narrow && is_number(self)))  // those as float(x), as NumPy's
      return PyObject_Str(self);
    if (handle_of(self).ndim() != 0)
      raise(PyExc_TypeError, "unsupported format string passed to chainrule.Tensor.__format__");
    return PyObject_Format(Object::steal(python_number(self, "format")).get(), specification);
  });
}

PyObject* conj_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keywords) {
  if (count == 0 && !keywords) return Py_NewRef(self);  // the elements are real
  return guarded([&] { return call_face("conj", self, arguments, count, keywords); });
}

// ---- protocols
// -----------------------------------------------------------------------------------------------------------

PyObject* reduce_method(PyObject* self, PyObject*) {
  return guarded([=] {
    if (dtype_of(self) != DType::BF16) return Py_BuildValue("O(O)", &tensor_type, to_numpy(self).get());
    const Object rebuild = import_attribute("chainrule.dtypes", "from_bits");
    return Py_BuildValue("O(O)", rebuild.get(), to_numpy(with_type(handle_of(self), DType::U16)).get());
  });
}

// __array_wrap__(array, context=None, return_scalar=False): what was computed from this array, as one of ours.
PyObject* array_wrap(PyObject*, Arguments arguments, Py_ssize_t count, PyObject*) {
  return guarded([=]() -> PyObject* {
    if (count < 1) raise(PyExc_TypeError, "__array_wrap__() is missing the argument 'array'");
    return is_tensor(arguments[0]) ? Py_NewRef(arguments[0]) : with_tensors(arguments[0]).release();
  });
}

PyObject* namespace_method(PyObject*, Arguments, Py_ssize_t, PyObject*) {
  return PyImport_ImportModule("chainrule.numpy");
}

PyObject* to_device_method(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject*) {
  return guarded([=]() -> PyObject* {
    if (count != 1 || !PyUnicode_Check(arguments[0]) || PyUnicode_CompareWithASCIIString(arguments[0], "cpu") != 0)
      raise(PyExc_ValueError, "to_device: 'cpu' is the only device");
    return Py_NewRef(self);
  });
}

template <class Function>
PyCFunction method(Function function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;
constexpr int kParsed = METH_VARARGS | METH_KEYWORDS;

}  // namespace

PyObject* tensor_repr(PyObject* self) {
  return guarded([=]() -> PyObject* {
    const Tensor& x = handle_of(self);
    if (x.is_placeholder())
      return PyUnicode_FromFormat("<traced %s tensor of shape %s>", name(x.dtype()), to_string(x.shape()).c_str());
    if (x.dtype() != DType::BF16) return PyObject_Repr(with_arrays(self).get());  // a number as np.float64(1.5)
    const Object text = Object::steal(PyObject_Repr(to_numpy(fn::cast(x, DType::F32)).get()));
    return PyObject_CallMethod(text.get(), "replace", "ss", name(DType::F32), name(DType::BF16));
  });
}

PyObject* tensor_str(PyObject* self) {
  if (handle_of(self).is_placeholder()) return tensor_repr(self);
  return guarded([=] {
    const Tensor& x = handle_of(self);
    // NumPy writes these single numbers as Python does.
    if (x.ndim() == 0 && (x.dtype() == DType::F64 || !is_float(x.dtype())))
      return PyObject_Str(element_to_python(x.dtype(), x.data()).get());
    return PyObject_Str((x.dtype() == DType::BF16 ? to_numpy(fn::cast(x, DType::F32)) : to_numpy(self)).get());
  });
}

#define CR_ROW(name, flags, doc) {#name, method(name##_method), flags, doc}
PyMethodDef tensor_methods[] = {
    CR_ROW(sum, kFast, "sum(axis=None, keepdims=False): sum of the elements."),
    CR_ROW(mean, kFast, "mean(axis=None, keepdims=False): mean of the elements."),
    CR_ROW(prod, kFast, "prod(axis=None, keepdims=False): product of the elements."),
    CR_ROW(max, kFast, "max(axis=None, keepdims=False): greatest element."),
    CR_ROW(min, kFast, "min(axis=None, keepdims=False): least element."),
    CR_ROW(any, kFast, "any(axis=None, keepdims=False): whether any element is non-zero."),
    CR_ROW(all, kFast, "all(axis=None, keepdims=False): whether all elements are non-zero."),
    CR_ROW(argmax, kFast, "argmax(axis=None, keepdims=False): index of the first greatest element."),
    CR_ROW(argmin, kFast, "argmin(axis=None, keepdims=False): index of the first least element."),
    CR_ROW(cumsum, kFast, "cumsum(axis=None): running sum."),
    CR_ROW(cumprod, kFast, "cumprod(axis=None): running product."),
    CR_ROW(squeeze, kFast, "squeeze(axis=None): without axes of length 1."),
    CR_ROW(argpartition, kFast, "argpartition(kth, axis=-1): indices of a partition."),
    CR_ROW(argsort, kFast, "argsort(axis=-1): indices that sort."),
    CR_ROW(choose, kFast, "As numpy.choose."),
    CR_ROW(clip, kFast, "clip(min=None, max=None): elements limited to a range."),
    CR_ROW(compress, kFast, "compress(condition, axis=None, out=None)."),
    CR_ROW(conj, kFast, "The tensor: its elements are real."),
    {"conjugate", method(conj_method), kFast, "The tensor: its elements are real."},
    CR_ROW(diagonal, kFast, "As numpy.diagonal."),
    CR_ROW(dot, kFast, "As numpy.dot."),
    CR_ROW(ptp, kFast, "ptp(axis=None, keepdims=False): greatest minus least element."),
    CR_ROW(partition, kFast, "partition(kth, axis=-1): brings the k-th smallest element to its place."),
    CR_ROW(put, kParsed, "put(indices, values, mode='raise'): sets elements by their place in row-major order."),
    CR_ROW(repeat, kFast, "repeat(repeats, axis=None)."),
    CR_ROW(round, kFast, "round(decimals=0)."),
    CR_ROW(searchsorted, kFast, "As numpy.searchsorted."),
    CR_ROW(std, kFast, "std(axis=None, ddof=0, keepdims=False): standard deviation."),
    CR_ROW(take, kFast, "take(indices, axis=None)."),
    CR_ROW(trace, kFast, "As numpy.trace."),
    CR_ROW(var, kFast, "var(axis=None, ddof=0, keepdims=False): variance."),
    CR_ROW(reshape, kParsed,
           "reshape(*shape, order='C'): the elements in another shape; a view where the memory allows it."),
    CR_ROW(resize, kParsed,
           "resize(*shape, refcheck=True): another shape in place; elements are cut off, or zeros follow them."),
    {"setflags", method(tensor_setflags), kParsed,
     "setflags(write=None, align=None, uic=None): whether the array may be written into."},
    CR_ROW(transpose, METH_VARARGS, "transpose(*axes): view with the axes in another order."),
    CR_ROW(swapaxes, METH_VARARGS, "swapaxes(a, b): view with two axes swapped."),
    CR_ROW(ravel, kParsed, "ravel(order='C'): one axis; a view where the memory allows it."),
    CR_ROW(flatten, kParsed, "flatten(order='C'): one axis, a copy."),
    CR_ROW(copy, kParsed, "copy(): the same elements in memory of their own."),
    CR_ROW(astype, kParsed,
           "astype(dtype, casting='unsafe', copy=True): converted elements; an ndarray for dtypes that tensors lack."),
    CR_ROW(numpy, METH_NOARGS, "numpy(): the ndarray on the same memory."),
    CR_ROW(view, kParsed, "view(dtype=None): another tensor on the same memory."),
    CR_ROW(tolist, METH_NOARGS, "tolist(): nested lists of Python numbers."),
    CR_ROW(item, METH_VARARGS, "item(*index): the element as a Python number."),
    CR_ROW(tobytes, kParsed, "tobytes(order='C'): the elements' bytes."),
    CR_ROW(fill, METH_O, "fill(value): every element becomes the value."),
    CR_ROW(sort, kFast, "sort(axis=-1, kind=None, order=None, *, stable=None): sorts in place."),
    CR_ROW(nonzero, METH_NOARGS, "nonzero(): indices of the non-zero elements, one tensor for each axis."),
    CR_ROW(to_device, kFast, "to_device('cpu'): the tensor."),
    {"__copy__", shallow_copy, METH_NOARGS, nullptr},
    {"__deepcopy__", shallow_copy, METH_O, nullptr},
    {"__complex__", complex_method, METH_NOARGS, nullptr},
    {"__round__", round_number, METH_VARARGS, nullptr},
    {"__trunc__", truncate_number, METH_NOARGS, nullptr},
    {"__format__", format_method, METH_O, nullptr},
    {"__reduce__", reduce_method, METH_NOARGS, nullptr},
    {"__array_namespace__", method(namespace_method), kFast, nullptr},
    {"__array__", method(tensor_array), kFast, nullptr},
    {"__array_wrap__", method(array_wrap), kFast, nullptr},
    {"__array_ufunc__", method(tensor_array_ufunc), kParsed, nullptr},
    {"__array_function__", method(tensor_array_function), kParsed, nullptr},
    {"__dlpack__", method(tensor_dlpack), kFast, nullptr},
    {"__dlpack_device__", tensor_dlpack_device, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};
#undef CR_ROW

}  // namespace chainrule
