#include "bind/create.h"

#include <cstring>
#include <new>
#include <string>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/face_function.h"
#include "bind/interop.h"
#include "bind/operators.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "tensor/tensor.h"

namespace chainrule {

namespace {

using Arguments = PyObject* const*;

// The arguments of a call in the order of `names`, by position or by keyword; null where one was not given.
template <std::size_t N>
struct Parsed {
  PyObject* values[N] = {};

  Parsed(const char* function, const char* const (&names)[N], int required, Arguments arguments, Py_ssize_t count,
         PyObject* keywords) {
    if (count > static_cast<Py_ssize_t>(N))
      raise_format(PyExc_TypeError, "%s() takes at most %d arguments, got %zd", function, static_cast<int>(N), count);
    for (Py_ssize_t i = 0; i < count; ++i) values[i] = arguments[i];
    for (Py_ssize_t k = 0; keywords && k < PyTuple_GET_SIZE(keywords); ++k) {
      PyObject* const name = PyTuple_GET_ITEM(keywords, k);
      std::size_t i = 0;
      while (i < N && PyUnicode_CompareWithASCIIString(name, names[i]) != 0) ++i;
      if (i == N) raise_format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, name);
      if (values[i]) raise_format(PyExc_TypeError, "%s() got multiple values for argument '%U'", function, name);
      values[i] = arguments[count + k];
    }
    for (int i = 0; i < required; ++i)
      if (!values[i]) raise_format(PyExc_TypeError, "%s() is missing the argument '%s'", function, names[i]);
  }
  PyObject* get(std::size_t i) const { return values[i] ? values[i] : Py_None; }
};

std::int64_t length_of(PyObject* object) {
  const Py_ssize_t length = PyNumber_AsSsize_t(object, PyExc_OverflowError);
  if (length == -1 && PyErr_Occurred()) throw PythonError();
  if (length < 0) throw ValueError("negative dimensions are not allowed");
  return length;
}

Shape shape_of(PyObject* object) {
  if (PyLong_Check(object) || (PyIndex_Check(object) && !PySequence_Check(object))) return Shape{length_of(object)};
  if (is_tensor(object) && handle_of(object).ndim() == 0) return Shape{length_of(object)};
  const Object sequence = Object::steal(PySequence_Fast(object, "a shape is an integer or a sequence of integers"));
  const Py_ssize_t ndim = PySequence_Fast_GET_SIZE(sequence.get());
  if (ndim > kMaxDims)
    throw ValueError(message("maximum supported dimension for a tensor is ", kMaxDims, ", found ", ndim));
  Shape shape;
  for (Py_ssize_t i = 0; i < ndim; ++i) shape.push_back(length_of(PySequence_Fast_GET_ITEM(sequence.get(), i)));
  return shape;
}

// None is float64, as NumPy has it.
DType dtype_of(PyObject* given, DType without) {
  if (!given) return without;
  return given == Py_None ? DType::F64 : dtype_from_python(given);
}

// Memory for a shape, with a message that says what was asked for.
template <class Make>
Tensor allocate_for(const Shape& shape, DType dtype, Make&& make) {
  double bytes = static_cast<double>(itemsize(dtype));
  for (std::int64_t length : shape) bytes *= static_cast<double>(length);
  try {
    if (bytes > 9e18) throw std::bad_alloc();
    return make(dtype, shape);
  } catch (const std::bad_alloc&) {
    raise_format(PyExc_MemoryError, "unable to allocate an array of shape %s and dtype %s (%s bytes)",
                 to_string(shape).c_str(), name(dtype), message(bytes).c_str());
  }
}

constexpr const char* const kShapeAndType[] = {"shape", "dtype"};

PyObject* empty(PyObject*, Arguments arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([=] {
    const Parsed<2> given("empty", kShapeAndType, 1, arguments, count, keywords);
    return wrap(allocate_for(shape_of(given.values[0]), dtype_of(given.values[1], DType::F32), Tensor::empty));
  });
}

PyObject* zeros(PyObject*, Arguments arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([=] {
    const Parsed<2> given("zeros", kShapeAndType, 1, arguments, count, keywords);
    return wrap(allocate_for(shape_of(given.values[0]), dtype_of(given.values[1], DType::F32), Tensor::zeros));
  });
}

Tensor filled(const Shape& shape, const Tensor& value) {
  require_values(value, "full");
  const Tensor tensor = allocate_for(shape, value.dtype(), Tensor::empty);
  copy_into(tensor, value);
  return tensor;
}

PyObject* ones(PyObject*, Arguments arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([=] {
    const Parsed<2> given("ones", kShapeAndType, 1, arguments, count, keywords);
    const Tensor one = Tensor::scalar(dtype_of(given.values[1], DType::F32), 1.0);
    return wrap(filled(shape_of(given.values[0]), one));
  });
}

PyObject* full(PyObject*, Arguments arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([=] {
    constexpr const char* const names[] = {"shape", "value", "dtype"};
    const Parsed<3> given("full", names, 2, arguments, count, keywords);
    return wrap(filled(shape_of(given.values[0]), as_array(given.values[1], given.get(2), Copy::if_needed)));
  });
}

PyObject* from_numpy_function(PyObject*, PyObject* array) noexcept {
  return guarded([=] {
    if (!is_numpy_array(array))
      raise_format(PyExc_TypeError, "from_numpy: expected a numpy.ndarray, got %s", Py_TYPE(array)->tp_name);
    return wrap(to_tensor(array, "from_numpy"));
  });
}

PyObject* asarray(PyObject*, Arguments arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([=]() -> PyObject* {
    constexpr const char* const names[] = {"object", "dtype", "copy"};
    const Parsed<3> given("asarray", names, 1, arguments, count, keywords);
    PyObject *object = given.values[0], *dtype = given.get(1), *copy = given.get(2);
    Copy how = Copy::if_needed;
    if (copy != Py_None) {
      const int truth = PyObject_IsTrue(copy);
      check(truth);
      how = truth ? Copy::always : Copy::never;
    }
    if (is_tensor(object) && how != Copy::always &&
        (dtype == Py_None || dtype_from_python(dtype) == handle_of(object).dtype()))
      return Py_NewRef(object);
    return wrap(as_array(object, dtype, how));
  });
}

// call_numpy(function, args, kwargs)
PyObject* call_numpy(PyObject*, PyObject* const* arguments, Py_ssize_t count) noexcept {
  return guarded([=] {
    if (count != 3 || !PyTuple_CheckExact(arguments[1]) || !PyDict_CheckExact(arguments[2]))
      raise(PyExc_TypeError, "call_numpy: expected a function, a tuple and a dict");
    const Object positional = with_arrays(arguments[1]);
    const bool options = PyDict_GET_SIZE(arguments[2]) > 0;
    const Object keywords = options ? with_arrays(arguments[2]) : Object();
    const Object result = Object::steal(PyObject_Call(arguments[0], positional.get(), keywords.get()));
    return with_tensors(result.get()).release();
  });
}

// Two tensors whose product is a matrix product are multiplied here, everything else by the face's own function.
PyObject* dot_of_face = nullptr;

// Writes a product over an array of ours of its dtype and shape without gaps; false where `out` isn't that.
bool write_product(const Tensor& product, PyObject* out) {
  if (Py_TYPE(out) != &tensor_type || is_number(out) || recording() || Trace::current()) return false;
  const Tensor& target = handle_of(out);
  if (target.is_placeholder() || target.dtype() != product.dtype() || target.shape() != product.shape() ||
      !target.is_contiguous() || !is_writable(target))
    return false;
  copy_into(target, product);
  target.bump_version();
  return true;
}

PyObject* dot(PyObject*, Arguments arguments, Py_ssize_t count, PyObject* keywords) noexcept {
  return guarded([=]() -> PyObject* {
    const bool named = keywords && PyTuple_GET_SIZE(keywords) == 1 &&
                       PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "out") == 0;
    PyObject* const out = count + named == 3 ? arguments[2] : nullptr;
    if (count + named == (out ? 3 : 2) && (named || !keywords) && Py_TYPE(arguments[0]) == &tensor_type &&
        Py_TYPE(arguments[1]) == &tensor_type) {
      const Tensor &a = handle_of(arguments[0]), &b = handle_of(arguments[1]);
      static const Op* const matmul = find_op("matmul");
      if (a.dtype() == b.dtype() && a.ndim() > 0 && b.ndim() > 0 && b.ndim() <= 2) {
        Tensor product = run_op(*matmul, BorrowedPair(arguments[0], arguments[1]).tensors(), 2, {});
        if (!out) return wrap_result(std::move(product));
        if (write_product(product, out)) return Py_NewRef(out);
      }
    }
    if (!dot_of_face) raise(PyExc_RuntimeError, "dot: chainrule.numpy has not been imported");
    return PyObject_Vectorcall(dot_of_face, arguments, static_cast<std::size_t>(count), keywords);
  });
}

PyObject* needs_ops_function(PyObject*, PyObject* const* arguments, Py_ssize_t count) noexcept {
  return guarded([=] {
    bool needed = false;
    for (Py_ssize_t i = 0; i < count && !needed; ++i) needed = needs_ops(arguments[i]);
    return PyBool_FromLong(needed);
  });
}

PyObject* set_dot(PyObject*, PyObject* function) noexcept {
  Py_XSETREF(dot_of_face, Py_NewRef(function));
  return Py_NewRef(Py_None);
}

template <class Function>
PyCFunction function(Function f) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(f));
}

constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;

}  // namespace

PyMethodDef create_functions[] = {
    {"asarray", function(asarray), kFast,
     "asarray(object, dtype=None, copy=None)\n\n"
     "As numpy.asarray: the tensor of an array-like; memory is shared where it can be."},
    {"from_numpy", from_numpy_function, METH_O, "from_numpy(array)\n\nThe tensor on the memory of an ndarray."},
    {"empty", function(empty), kFast, "empty(shape, dtype='float32')\n\nA tensor with any values."},
    {"zeros", function(zeros), kFast, "zeros(shape, dtype='float32')\n\nA tensor of zeros."},
    {"ones", function(ones), kFast, "ones(shape, dtype='float32')\n\nA tensor of ones."},
    {"full", function(full), kFast, "full(shape, value, dtype=None)\n\nA tensor filled with a value (or array)."},
    {"call_numpy", function(call_numpy), METH_FASTCALL,
     "call_numpy(function, args, kwargs)\n\n"
     "``function(*args, **kwargs)`` on ndarrays that share the tensors' memory, its arrays as tensors and its scalars "
     "as "
     "numbers."},
    {"needs_ops", function(needs_ops_function), METH_FASTCALL,
     "needs_ops(*values)\n\n"
     "Whether a result must be made by ops: a program is being recorded from the values, or a gradient."},
    {"dot", function(dot), kFast,
     "dot(a, b, out=None)\n--\n\n"
     "The sum of products over the last axis of ``a`` and the last but one of ``b`` (its only one)."},
    {"set_dot", set_dot, METH_O, "set_dot(function)\n\nWho answers calls of dot() that are no plain matrix product."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace chainrule
