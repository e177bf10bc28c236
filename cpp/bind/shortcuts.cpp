#include "bind/shortcuts.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/elementwise_call.h"
#include "bind/face_function.h"
#include "bind/interop.h"
#include "bind/promote.h"
#include "bind/subscript.h"
#include "bind/tensor_type.h"
#include "bind/views.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/op.h"
#include "runtime/cpu.h"

namespace chainrule {

namespace {

using Arguments = PyObject* const*;

bool is_recorded() { return recording() || Trace::current() != nullptr; }

// An array (no number) of the exact type.
bool is_array(PyObject* object) { return Py_TYPE(object) == &tensor_type && !is_number(object); }

bool is_one_array(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return count == 1 && !keyword_names && is_array(arguments[0]);
}

// The arguments of a call by the names of the first parameters; false where it has others.
template <std::size_t N>
bool sort_arguments(const char* const (&names)[N], Arguments arguments, Py_ssize_t count, PyObject* keyword_names,
                    PyObject* (&values)[N]) {
  if (count > static_cast<Py_ssize_t>(N)) return false;
  for (std::size_t i = 0; i < N; ++i) values[i] = static_cast<Py_ssize_t>(i) < count ? arguments[i] : nullptr;
  for (Py_ssize_t k = 0; keyword_names && k < PyTuple_GET_SIZE(keyword_names); ++k) {
    std::size_t i = 0;
    while (i < N && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keyword_names, k), names[i]) != 0) ++i;
    if (i == N || values[i]) return false;
    values[i] = arguments[count + k];
  }
  return true;
}

bool read_length(PyObject* object, std::int64_t& length) {
  if (!PyLong_CheckExact(object)) return false;
  int overflow;
  length = PyLong_AsLongLongAndOverflow(object, &overflow);
  return !overflow;
}

// A shape of Python's ints that no limit of memory or of axes has a say about.
bool read_shape(PyObject* object, Shape& shape) {
  std::int64_t length, size = 1;
  const bool sequence = PyTuple_CheckExact(object) || PyList_CheckExact(object);
  const Py_ssize_t ndim = sequence ? PySequence_Fast_GET_SIZE(object) : 1;
  if (ndim > kMaxDims) return false;
  for (Py_ssize_t i = 0; i < ndim; ++i) {
    if (!read_length(sequence ? PySequence_Fast_GET_ITEM(object, i) : object, length)) return false;
    if (length < 0 || length > (std::int64_t{1} << 32) || (size *= length ? length : 1) > (std::int64_t{1} << 32))
      return false;
    shape.push_back(length);
  }
  return true;
}

bool read_dtype(PyObject* given, DType without, DType& dtype) {
  dtype = without;
  return !given || given == Py_None || find_dtype(given, dtype);
}

// ---- arrays of given values
// ----------------------------------------------------------------------------------------------

PyObject* itself(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return is_one_array(arguments, count, keyword_names) ? Py_NewRef(arguments[0])
                                                       : nullptr;  // a number becomes an array
}

PyObject* itself_in_rows(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  return x.ndim() > 0 && (x.is_placeholder() || x.is_contiguous()) ? Py_NewRef(arguments[0]) : nullptr;
}

PyObject* itself_in_columns(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  if (x.is_placeholder() || x.ndim() == 0 || is_recorded()) return nullptr;
  return stands_in_columns(x) ? Py_NewRef(arguments[0]) : wrap(copy_in_order(x, 'F'));
}

constexpr const char* const kObjectAndType[] = {"object", "dtype"};

// Whether NumPy takes the object apart by itself: its own arrays and scalars, Python's, and lists of these.
bool is_numpys_data(PyObject* object) {
  if (PyFloat_CheckExact(object) || PyLong_CheckExact(object) || PyBool_Check(object) || PyComplex_CheckExact(object) ||
      PyUnicode_CheckExact(object) || PyBytes_CheckExact(object) || object == Py_None || is_numpy_scalar(object))
    return true;
  if (PyList_CheckExact(object) || PyTuple_CheckExact(object)) {
    const Nesting nesting;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i)
      if (!is_numpys_data(PySequence_Fast_GET_ITEM(object, i))) return false;
    return true;
  }
  return is_numpy_array(object) && !computes_itself(object);
}

PyObject* array(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  PyObject* given[2];
  if (!sort_arguments(kObjectAndType, arguments, count, keyword_names, given) || !given[0]) return nullptr;
  PyObject* const object = given[0];
  PyObject* const type = given[1] && given[1] != Py_None ? given[1] : nullptr;
  DType dtype;
  if (Py_TYPE(object) == &tensor_type) {
    if (type || is_recorded()) return nullptr;
    return wrap(copy_in_order(handle_of(object), 'K'));
  }
  if (is_recorded()) return nullptr;
  if (PyFloat_CheckExact(object) && (!type || (find_dtype(type, dtype) && dtype == DType::F64)))
    return wrap(Tensor::scalar(DType::F64, PyFloat_AS_DOUBLE(object)));
  if (!PyList_CheckExact(object) && !PyTuple_CheckExact(object)) return nullptr;
  if (!type) {
    if (Tensor numbers = read_numbers(object)) return wrap(std::move(numbers));
  } else if (!find_dtype(type, dtype) || dtype == DType::BF16) {
    return nullptr;
  } else if (dtype == DType::F64) {
    if (Tensor numbers = read_numbers(object); numbers && numbers.dtype() == dtype) return wrap(std::move(numbers));
  }
  if (!is_numpys_data(object)) return nullptr;
  static PyObject* const make = Object::steal(PyObject_GetAttrString(numpy_module(), "array")).release();
  PyObject* const both[] = {object, type};
  return with_tensors(Object::steal(PyObject_Vectorcall(make, both, type ? 2 : 1, nullptr)).get()).release();
}

// ---- constants and ranges
// ------------------------------------------------------------------------------------------------

constexpr const char* const kShapeAndType[] = {"shape", "dtype"};

template <class Make>
PyObject* constant(Arguments arguments, Py_ssize_t count, PyObject* keyword_names, const Make& make) {
  PyObject* given[2];
  Shape shape;
  DType dtype;
  if (!sort_arguments(kShapeAndType, arguments, count, keyword_names, given) || !given[0] ||
      !read_dtype(given[1], DType::F64, dtype) || !read_shape(given[0], shape))
    return nullptr;
  return wrap(make(dtype, shape));
}

Tensor filled(const Shape& shape, DType dtype, const void* element) {
  Tensor result = Tensor::empty(dtype, shape);
  Tensor value = Tensor::empty(dtype, Shape());
  std::memcpy(value.data(), element, itemsize(dtype));
  copy_into(result, value);
  return result;
}

Tensor one(DType dtype, const Shape& shape) {
  return filled(shape, dtype, Tensor::scalar(dtype, std::int64_t{1}).data());
}

PyObject* zeros(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return constant(arguments, count, keyword_names, Tensor::zeros);
}
PyObject* empty(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return constant(arguments, count, keyword_names, Tensor::empty);
}
PyObject* ones(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return constant(arguments, count, keyword_names, one);
}

// A number's own dtype; false for what isn't a plain number.
bool type_of_number(PyObject* object, DType& dtype) {
  if (PyBool_Check(object)) {
    dtype = DType::Bool;
    return true;
  }
  const Scalar scalar = read_scalar(object);
  dtype = scalar.dtype;
  return scalar.kind != Scalar::none;
}

bool read_value(PyObject* object, DType dtype, std::uint64_t& element) {
  if (is_bool(dtype)) {
    element = object == Py_True;
    return PyBool_Check(object);
  }
  if (is_float(dtype) && PyBool_Check(object)) return false;
  return read_element(object, dtype, &element);
}

PyObject* full(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"shape", "fill_value", "dtype"};
  PyObject* given[3];
  Shape shape;
  DType own, dtype;
  std::uint64_t element;
  if (is_recorded() || !sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !given[1] ||
      !type_of_number(given[1], own) || !read_dtype(given[2], own, dtype) || !read_shape(given[0], shape) ||
      !read_value(given[1], dtype, element))
    return nullptr;
  return wrap(filled(shape, dtype, &element));
}

template <class Make>
PyObject* like(Arguments arguments, Py_ssize_t count, PyObject* keyword_names, const Make& make) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  return x.is_placeholder() || x.is_contiguous() ? wrap(make(x.dtype(), x.shape())) : nullptr;
}
PyObject* zeros_like(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return like(arguments, count, keyword_names, Tensor::zeros);
}
PyObject* empty_like(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return like(arguments, count, keyword_names, Tensor::empty);
}
PyObject* ones_like(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return like(arguments, count, keyword_names, one);
}
PyObject* full_like(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  std::uint64_t element;
  if (count != 2 || keyword_names || !is_array(arguments[0]) || is_recorded()) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  if (!x.is_contiguous() || !read_value(arguments[1], x.dtype(), element)) return nullptr;
  return wrap(filled(x.shape(), x.dtype(), &element));
}

// Of Python's ints, or of its floats and ints, as NumPy counts and adds.
PyObject* arange(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (keyword_names || count < 1 || count > 3) return nullptr;
  bool whole = true;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyFloat_CheckExact(arguments[i])) {
      whole = false;
    } else if (!PyLong_CheckExact(arguments[i])) {
      return nullptr;
    }
  }
  constexpr double kMost = 1 << 30;
  double bounds[3] = {0, 0, 1};
  for (Py_ssize_t i = 0; i < count; ++i) bounds[count == 1 ? 1 : i] = PyFloat_AsDouble(arguments[i]);
  if (PyErr_Occurred()) {
    PyErr_Clear();
    return nullptr;
  }
  for (const double bound : bounds)
    if (!(std::abs(bound) < kMost)) return nullptr;
  if (bounds[2] == 0) return nullptr;
  const double length = std::ceil((bounds[1] - bounds[0]) / bounds[2]);
  constexpr double kFew = 4096;  // beyond, NumPy's own loops are faster than the call is dear
  if (!(length < kFew)) return nullptr;
  const std::int64_t n = length > 0 ? static_cast<std::int64_t>(length) : 0;
  Tensor result = Tensor::empty(whole ? DType::I64 : DType::F64, {n});
  if (whole) {
    const auto start = static_cast<std::int64_t>(bounds[0]), step = static_cast<std::int64_t>(bounds[2]);
    auto* to = result.data_as<std::int64_t>();
    for (std::int64_t i = 0; i < n; ++i) to[i] = start + i * step;
  } else {
    const double second = bounds[0] + bounds[2], step = second - bounds[0];
    auto* to = result.data_as<double>();
    for (std::int64_t i = 0; i < n; ++i) to[i] = bounds[0] + static_cast<double>(i) * step;
    if (n > 1) to[1] = second;
  }
  return wrap(std::move(result));
}

// ---- facts
// ---------------------------------------------------------------------------------------------------------------

PyObject* ndim(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  return PyLong_FromLong(handle_of(arguments[0]).ndim());
}
PyObject* shape(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  return shape_to_tuple(handle_of(arguments[0]).shape()).release();
}
PyObject* size(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  return PyLong_FromLongLong(handle_of(arguments[0]).size());
}
PyObject* is_complex(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return is_one_array(arguments, count, keyword_names) ? Py_NewRef(Py_False) : nullptr;
}
PyObject* is_real(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return is_one_array(arguments, count, keyword_names) ? Py_NewRef(Py_True) : nullptr;
}
bool is_searched(const Tensor& x) { return !x.is_placeholder() && x.ndim() > 0 && x.dtype() != DType::BF16; }

PyObject* nonzero_places(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  return is_searched(x) ? wrap_all(nonzero(x)) : nullptr;
}
PyObject* flat_nonzero(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  if (!is_searched(x) || x.ndim() != 1) return nullptr;
  return wrap(std::move(nonzero(x)[0]));
}
PyObject* where(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return nonzero_places(arguments, count, keyword_names);
}

// ---- views
// ---------------------------------------------------------------------------------------------------------------

bool read_axis(PyObject* object, int ndim, int& axis) {
  std::int64_t given;
  if (!read_length(object, given) || given < -ndim || given >= ndim) return false;
  axis = static_cast<int>(given < 0 ? given + ndim : given);
  return true;
}

// With a new axis of length 1.
Tensor with_axis(const Tensor& x, int axis) {
  Shape shape;
  Strides strides;
  for (int i = 0; i <= x.ndim(); ++i) {
    if (i == axis) {
      shape.push_back(1);
      strides.push_back(0);
    }
    if (i == x.ndim()) break;
    shape.push_back(x.length(i));
    strides.push_back(x.strides()[i]);
  }
  return x.view(shape, strides, 0);
}

// transpose(a, axes), by tuples and lists of ints.
PyObject* transpose(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count < 1 || count > 2 || keyword_names || !is_array(arguments[0])) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  int axes[kMaxDims];
  if (count == 1 || arguments[1] == Py_None) {
    for (int i = 0; i < x.ndim(); ++i) axes[i] = x.ndim() - 1 - i;
  } else {
    if (!PyTuple_CheckExact(arguments[1]) && !PyList_CheckExact(arguments[1])) return nullptr;
    if (PySequence_Fast_GET_SIZE(arguments[1]) != x.ndim()) return nullptr;
    unsigned seen = 0;
    for (int i = 0; i < x.ndim(); ++i) {
      if (!read_axis(PySequence_Fast_GET_ITEM(arguments[1], i), x.ndim(), axes[i])) return nullptr;
      seen |= 1u << axes[i];
    }
    if (seen != (1u << x.ndim()) - 1) return nullptr;
  }
  return wrap_view(permuted(x, axes), arguments[0]);
}

PyObject* swap_axes(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count != 3 || keyword_names || !is_array(arguments[0])) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  int axes[kMaxDims], a, b;
  if (!read_axis(arguments[1], x.ndim(), a) || !read_axis(arguments[2], x.ndim(), b)) return nullptr;
  for (int i = 0; i < x.ndim(); ++i) axes[i] = i;
  std::swap(axes[a], axes[b]);
  return wrap_view(permuted(x, axes), arguments[0]);
}

PyObject* move_axis(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count != 3 || keyword_names || !is_array(arguments[0])) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  int axes[kMaxDims], from, to;
  if (!read_axis(arguments[1], x.ndim(), from) || !read_axis(arguments[2], x.ndim(), to)) return nullptr;
  for (int i = 0, next = 0; i < x.ndim(); ++i) {
    if (i == to) {
      axes[i] = from;
      continue;
    }
    if (next == from) ++next;
    axes[i] = next++;
  }
  return wrap_view(permuted(x, axes), arguments[0]);
}

PyObject* ravel(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  Tensor flat = raveled_shortly(handle_of(arguments[0]));
  return flat ? wrap_view(std::move(flat), arguments[0]) : nullptr;
}

// A view with the axes of `flipped` (bits) backwards.
PyObject* flipped(PyObject* object, unsigned flipped) {
  const Tensor& x = handle_of(object);
  if (recording() && has_node(x)) return nullptr;
  if (x.is_placeholder() || x.size() == 0) return nullptr;
  Strides strides = x.strides();
  std::int64_t offset = 0;
  for (int i = 0; i < x.ndim(); ++i) {
    if (!(flipped >> i & 1)) continue;
    offset += (x.length(i) - 1) * strides[i];
    strides[i] = -strides[i];
  }
  return wrap_view(x.view(x.shape(), strides, offset), object);
}
PyObject* flip(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"m", "axis"};
  PyObject* given[2];
  if (!sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !is_array(given[0]))
    return nullptr;
  int axis;
  if (!given[1] || given[1] == Py_None) return flipped(given[0], ~0u);
  return read_axis(given[1], handle_of(given[0]).ndim(), axis) ? flipped(given[0], 1u << axis) : nullptr;
}
PyObject* flip_rows(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names) || handle_of(arguments[0]).ndim() < 1) return nullptr;
  return flipped(arguments[0], 1);
}
PyObject* flip_columns(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (!is_one_array(arguments, count, keyword_names) || handle_of(arguments[0]).ndim() < 2) return nullptr;
  return flipped(arguments[0], 2);
}

// The main diagonal of a matrix, read-only as NumPy's.
PyObject* diagonal(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  std::int64_t k = 0;
  if (count < 1 || count > 2 || keyword_names || !is_array(arguments[0]) || is_recorded()) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  if (x.ndim() != 2 || (count == 2 && !read_length(arguments[1], k))) return nullptr;
  const std::int64_t rows = x.length(0), columns = x.length(1);
  if (k <= -rows || k >= columns) return nullptr;
  const std::int64_t length = k < 0 ? std::min(rows + k, columns) : std::min(rows, columns - k);
  Tensor view = x.view({length}, {x.strides()[0] + x.strides()[1]}, k < 0 ? -k * x.strides()[0] : k * x.strides()[1]);
  view.impl()->read_only = true;
  return wrap_view(std::move(view), arguments[0]);
}

PyObject* squeeze(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"a", "axis"};
  PyObject* given[2];
  if (!sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !is_array(given[0]))
    return nullptr;
  const Tensor& x = handle_of(given[0]);
  if (is_recorded() || x.is_placeholder()) return nullptr;
  int only = -1;
  if (given[1] && given[1] != Py_None && (!read_axis(given[1], x.ndim(), only) || x.length(only) != 1)) return nullptr;
  Shape shape;
  Strides strides;
  for (int i = 0; i < x.ndim(); ++i) {
    if (only >= 0 ? i == only : x.length(i) == 1) continue;
    shape.push_back(x.length(i));
    strides.push_back(x.strides()[i]);
  }
  return wrap_view(x.view(shape, strides, 0), given[0]);
}

PyObject* expand_dims(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"a", "axis"};
  PyObject* given[2];
  if (!sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !given[1] || !is_array(given[0]))
    return nullptr;
  const Tensor& x = handle_of(given[0]);
  int axis;
  if (is_recorded() || x.is_placeholder() || x.ndim() == kMaxDims || !read_axis(given[1], x.ndim() + 1, axis))
    return nullptr;
  return wrap_view(with_axis(x, axis), given[0]);
}

// copyto(to, from) of one dtype.
PyObject* copy_to(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count != 2 || keyword_names || !is_array(arguments[0]) || Py_TYPE(arguments[1]) != &tensor_type) return nullptr;
  if (dtype_of(arguments[0]) != dtype_of(arguments[1])) return nullptr;
  check(PyObject_SetItem(arguments[0], Py_Ellipsis, arguments[1]));
  return Py_NewRef(Py_None);
}

// take(a, indices) of a vector, and take(a, indices, axis).
PyObject* take(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"a", "indices", "axis"};
  PyObject* given[3];
  if (!sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !given[1] || !is_array(given[0]) ||
      !is_array(given[1]) || is_recorded())
    return nullptr;
  const Tensor& x = handle_of(given[0]);
  int axis = 0;
  const bool flat = !given[2] || given[2] == Py_None;
  if (flat ? x.ndim() != 1 : !read_axis(given[2], x.ndim(), axis)) return nullptr;
  Tensor result = axis == 0 ? take_shortly(x, handle_of(given[1])) : Tensor();
  return result ? wrap(std::move(result)) : nullptr;
}

// At least `least` axes: what has them is given back.
PyObject* widened(Arguments arguments, Py_ssize_t count, PyObject* keyword_names, int least) {
  if (!is_one_array(arguments, count, keyword_names)) return nullptr;
  return handle_of(arguments[0]).ndim() >= least ? Py_NewRef(arguments[0]) : nullptr;
}
PyObject* at_least_1d(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return widened(arguments, count, keyword_names, 1);
}
PyObject* at_least_2d(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (is_one_array(arguments, count, keyword_names) && !is_recorded()) {
    const Tensor& x = handle_of(arguments[0]);
    if (x.ndim() == 1 && !x.is_placeholder()) return wrap_view(with_axis(x, 0), arguments[0]);
  }
  return widened(arguments, count, keyword_names, 2);
}
PyObject* at_least_3d(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  return widened(arguments, count, keyword_names, 3);
}

// ---- joining and repeating
// -----------------------------------------------------------------------------------------------

// The arrays of a list or tuple; false where they aren't arrays of one dtype and of `ndim` axes (-1: of any number).
bool read_arrays(PyObject* sequence, std::vector<Tensor>& arrays, int ndim = -1) {
  if (!PyList_CheckExact(sequence) && !PyTuple_CheckExact(sequence)) return false;
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(sequence);
  if (n == 0) return false;
  arrays.reserve(static_cast<std::size_t>(n));
  for (Py_ssize_t i = 0; i < n; ++i) {
    PyObject* const item = PySequence_Fast_GET_ITEM(sequence, i);
    if (!is_array(item)) return false;
    const Tensor& x = handle_of(item);
    if (x.ndim() == 0 || (ndim >= 0 && x.ndim() != ndim)) return false;
    if (i > 0 && (x.dtype() != arrays[0].dtype() || x.ndim() != arrays[0].ndim())) return false;
    arrays.push_back(x);
  }
  return true;
}

PyObject* joined(const std::vector<Tensor>& arrays, int axis) {
  const Shape& first = arrays[0].shape();
  for (const Tensor& x : arrays)
    for (int i = 0; i < first.ndim; ++i)
      if (i != axis && x.length(i) != first[i]) return nullptr;
  if (is_recorded()) {
    static const Op* const op = find_op("concatenate");
    return wrap(run_op(*op, arrays.data(), static_cast<int>(arrays.size()), {Attr::of(axis)}));
  }
  Shape lengths = first;
  lengths[axis] = 0;
  for (const Tensor& x : arrays) {
    if (x.is_placeholder()) return nullptr;
    lengths[axis] += x.length(axis);
  }
  constexpr std::int64_t kSmall = 1 << 14;
  if (element_count(lengths) > kSmall) {
    static const Op* const op = find_op("concatenate");
    return wrap(run_op(*op, arrays.data(), static_cast<int>(arrays.size()), {Attr::of(axis)}));
  }
  Tensor result = Tensor::empty(arrays[0].dtype(), lengths);
  std::int64_t at = 0;
  for (const Tensor& x : arrays) {
    if (x.size() > 0) copy_into(result.view(x.shape(), result.strides(), at * result.strides()[axis]), x);
    at += x.length(axis);
  }
  return wrap(std::move(result));
}

PyObject* concatenate(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"arrays", "axis"};
  PyObject* given[2];
  std::vector<Tensor> arrays;
  int axis = 0;
  if (!sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !read_arrays(given[0], arrays) ||
      (given[1] && !read_axis(given[1], arrays[0].ndim(), axis)))
    return nullptr;
  return joined(arrays, axis);
}

// The arrays with a new axis of length 1 each.
void add_axis(std::vector<Tensor>& arrays, int axis) {
  for (Tensor& x : arrays) x = with_axis(x, axis);
}

PyObject* stack(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"arrays", "axis"};
  PyObject* given[2];
  std::vector<Tensor> arrays;
  int axis = 0;
  if (is_recorded() || !sort_arguments(names, arguments, count, keyword_names, given) || !given[0] ||
      !read_arrays(given[0], arrays) || arrays[0].ndim() == kMaxDims ||
      (given[1] && !read_axis(given[1], arrays[0].ndim() + 1, axis)))
    return nullptr;
  for (const Tensor& x : arrays)
    if (x.shape() != arrays[0].shape()) return nullptr;
  add_axis(arrays, axis);
  return joined(arrays, axis);
}
PyObject* stack_rows(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  std::vector<Tensor> arrays;
  if (count != 1 || keyword_names || is_recorded() || !read_arrays(arguments[0], arrays)) return nullptr;
  if (arrays[0].ndim() == 1) add_axis(arrays, 0);
  return joined(arrays, 0);
}
PyObject* stack_columns(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  std::vector<Tensor> arrays;
  if (count != 1 || keyword_names || is_recorded() || !read_arrays(arguments[0], arrays)) return nullptr;
  return joined(arrays, arrays[0].ndim() == 1 ? 0 : 1);
}
PyObject* column_stack(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  std::vector<Tensor> arrays;
  if (count != 1 || keyword_names || is_recorded() || !read_arrays(arguments[0], arrays)) return nullptr;
  if (arrays[0].ndim() == 1) add_axis(arrays, 1);
  return joined(arrays, 1);
}

// repeat(a, count) of a vector, and repeat(a, count, axis).
PyObject* repeat(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr const char* const names[] = {"a", "repeats", "axis"};
  PyObject* given[3];
  std::int64_t times;
  int axis = 0;
  if (is_recorded() || !sort_arguments(names, arguments, count, keyword_names, given) || !given[0] || !given[1] ||
      !is_array(given[0]) || !read_length(given[1], times) || times < 0)
    return nullptr;
  const Tensor& x = handle_of(given[0]);
  const bool flat = !given[2] || given[2] == Py_None;
  if (x.is_placeholder() || x.ndim() == 0 || x.ndim() == kMaxDims || (flat && x.ndim() != 1) ||
      (!flat && !read_axis(given[2], x.ndim(), axis)))
    return nullptr;
  Shape spread, lengths = x.shape();
  Strides strides;
  for (int i = 0; i < x.ndim(); ++i) {
    spread.push_back(x.length(i));
    strides.push_back(x.strides()[i]);
    if (i != axis) continue;
    spread.push_back(times);
    strides.push_back(0);
    lengths[i] *= times;
  }
  Tensor result = Tensor::empty(x.dtype(), lengths);
  if (result.size() > 0) copy_into(result.view(spread, contiguous_strides(spread), 0), x.view(spread, strides, 0));
  return wrap(std::move(result));
}

// tile(a, counts) by ints, no more of them than there are axes.
PyObject* tile(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count != 2 || keyword_names || is_recorded() || !is_array(arguments[0])) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  Shape counts;
  if (x.is_placeholder() || 2 * x.ndim() > kMaxDims || !read_shape(arguments[1], counts) || counts.ndim > x.ndim())
    return nullptr;
  Shape spread, lengths;
  Strides strides;
  for (int i = 0; i < x.ndim(); ++i) {
    const int place = i - (x.ndim() - counts.ndim);
    const std::int64_t times = place < 0 ? 1 : counts[place];
    spread.push_back(times);
    spread.push_back(x.length(i));
    strides.push_back(0);
    strides.push_back(x.strides()[i]);
    lengths.push_back(times * x.length(i));
  }
  Tensor result = Tensor::empty(x.dtype(), lengths);
  if (result.size() > 0) copy_into(result.view(spread, contiguous_strides(spread), 0), x.view(spread, strides, 0));
  return wrap(std::move(result));
}

// ---- the place of an extreme
// ----------------------------------------------------------------------------------------------

// Of all elements, which lie in a row.
template <bool greatest>
PyObject* place_of_extreme(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr std::int64_t kFew = 1 << 14;
  if (!is_one_array(arguments, count, keyword_names) || is_recorded()) return nullptr;
  const Tensor& x = handle_of(arguments[0]);
  if (x.is_placeholder() || is_bool(x.dtype()) || x.size() == 0 || x.size() > kFew || !x.is_contiguous())
    return nullptr;
  const ReduceKernels& table = kernels().reduce;
  std::uint64_t value;
  const auto kernel = (greatest ? table.argmax : table.argmin)[index(x.dtype())];
  if (!kernel) return nullptr;  // of half precision
  const std::int64_t place = kernel(x.data(), x.size(), &value);
  return wrap_number(DType::I64, &place);
}

// ---- products
// ------------------------------------------------------------------------------------------------------------

// Of arrays of one dtype: x @ y of vectors, x @ y.T where the second is a matrix.
PyObject* inner(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count != 2 || keyword_names || !is_array(arguments[0]) || !is_array(arguments[1])) return nullptr;
  const Tensor &a = handle_of(arguments[0]), &b = handle_of(arguments[1]);
  if (a.dtype() != b.dtype() || a.ndim() == 0 || b.ndim() == 0 || b.ndim() > 2) return nullptr;
  if (a.length(a.ndim() - 1) != b.length(b.ndim() - 1)) return nullptr;
  static const Op* const matmul = find_op("matmul");
  const int axes[2] = {1, 0};
  const Tensor inputs[2] = {a, b.ndim() == 2 ? permuted(b, axes) : b};
  return wrap_result(run_op(*matmul, inputs, 2, {}));
}

PyObject* vdot(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count != 2 || keyword_names || !is_array(arguments[0]) || !is_array(arguments[1])) return nullptr;
  if (handle_of(arguments[0]).ndim() != 1 || handle_of(arguments[1]).ndim() != 1) return nullptr;
  return inner(arguments, count, keyword_names);
}

// Few products of plain arrays: NumPy's own loop is over before a plan is looked up.
PyObject* einsum(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr std::int64_t kFewProducts = 4096;
  if (count < 2 || count > 4 || keyword_names || is_recorded() || !PyUnicode_CheckExact(arguments[0])) return nullptr;
  std::int64_t most = 1;  // products, were no axis shared
  for (Py_ssize_t i = 1; i < count; ++i) {
    if (!is_array(arguments[i])) return nullptr;
    const Tensor& x = handle_of(arguments[i]);
    if (x.is_placeholder() || is_half(x.dtype()) || x.size() > kFewProducts || (most *= x.size()) > kFewProducts)
      return nullptr;
  }
  static PyObject* const theirs = Object::steal(PyObject_GetAttrString(numpy_module(), "einsum")).release();
  return call_numpys(theirs, arguments, count, nullptr);
}

constexpr struct {
  const char* name;
  Shortcut shortcut;
} kShortcuts[] = {{"arange", arange},
                  {"argmax", place_of_extreme<true>},
                  {"argmin", place_of_extreme<false>},
                  {"array", array},
                  {"asanyarray", itself},
                  {"asarray", itself},
                  {"ascontiguousarray", itself_in_rows},
                  {"asfortranarray", itself_in_columns},
                  {"atleast_1d", at_least_1d},
                  {"atleast_2d", at_least_2d},
                  {"atleast_3d", at_least_3d},
                  {"column_stack", column_stack},
                  {"concat", concatenate},
                  {"concatenate", concatenate},
                  {"copyto", copy_to},
                  {"diagonal", diagonal},
                  {"einsum", einsum},
                  {"empty", empty},
                  {"empty_like", empty_like},
                  {"expand_dims", expand_dims},
                  {"flatnonzero", flat_nonzero},
                  {"flip", flip},
                  {"fliplr", flip_columns},
                  {"flipud", flip_rows},
                  {"full", full},
                  {"full_like", full_like},
                  {"hstack", stack_columns},
                  {"inner", inner},
                  {"iscomplexobj", is_complex},
                  {"isrealobj", is_real},
                  {"moveaxis", move_axis},
                  {"ndim", ndim},
                  {"nonzero", nonzero_places},
                  {"ones", ones},
                  {"ones_like", ones_like},
                  {"permute_dims", transpose},
                  {"ravel", ravel},
                  {"real", itself},
                  {"repeat", repeat},
                  {"shape", shape},
                  {"size", size},
                  {"squeeze", squeeze},
                  {"stack", stack},
                  {"swapaxes", swap_axes},
                  {"take", take},
                  {"tile", tile},
                  {"transpose", transpose},
                  {"vdot", vdot},
                  {"vstack", stack_rows},
                  {"where", where},
                  {"zeros", zeros},
                  {"zeros_like", zeros_like}};

}  // namespace

Shortcut find_shortcut(const char* name) {
  for (const auto& [known, shortcut] : kShortcuts)
    if (std::strcmp(known, name) == 0) return shortcut;
  return nullptr;
}

}  // namespace chainrule
