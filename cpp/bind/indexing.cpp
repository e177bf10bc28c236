// x[...] and x[...] = v.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/elementwise_call.h"
#include "bind/float_errors.h"
#include "bind/operators.h"
#include "bind/promote.h"
#include "bind/recorded_views.h"
#include "bind/subscript.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/functions.h"
#include "tensor/mask.h"

namespace chainrule {

namespace {

const Attrs kNoAttrs;

// Outside of any recording a view is enough; else the ops that make it are called, so that it has a gradient.
bool is_plain(const Tensor& x) { return !(has_node(x) && recording()); }

Tensor copy_of(const Tensor& x) {
  static const Op* const op = find_op("copy");
  return apply(*op, &x, 1, kNoAttrs);
}

std::vector<std::int64_t> entries(const std::int64_t* values, int n) { return {values, values + n}; }

}  // namespace

Tensor basic_part(const Tensor& x, const Subscript& s) {
  if (is_plain(x)) return s.view_of(x);
  const int n = x.ndim();
  return fn::reshape(fn::slice(x, entries(s.starts, n), entries(s.stops, n), entries(s.steps, n)), s.shape);
}

namespace {

// ---- reading with arrays
// ----------------------------------------------------------------------------------------------

// The permutation of the basic part's axes that brings those of the arrays to the front.
std::vector<std::int64_t> arrays_first(const Subscript& s, int ndim) {
  std::vector<std::int64_t> axes;
  bool taken[kMaxDims] = {};
  for (const Subscript::Array& array : s.arrays) {
    axes.push_back(array.axis);
    taken[array.axis] = true;
  }
  for (int axis = 0; axis < ndim; ++axis)
    if (!taken[axis]) axes.push_back(axis);
  return axes;
}

Shape broadcast_indices(const Subscript& s) {
  Shape shape, next;
  for (const Subscript::Array& array : s.arrays) {
    if (!broadcast(shape, array.indices.shape(), next)) {
      std::string shapes;
      for (const Subscript::Array& each : s.arrays) shapes += " " + to_string(each.indices.shape());
      throw IndexError("shape mismatch: indexing arrays could not be broadcast together with shapes" + shapes);
    }
    shape = next;
  }
  return shape;
}

// Where the indices' axes stand in the result.
int indices_place(const Subscript& s) { return s.adjacent ? s.arrays[0].axis : 0; }

Tensor gather(const Tensor& x, const Subscript& s) {
  const Tensor base = basic_part(x, s);
  if (s.arrays.size() == 1) {
    static const Op* const take = find_op("take");
    const Tensor inputs[2] = {base, s.arrays[0].indices};
    return run_op(*take, inputs, 2, {Attr::of(s.arrays[0].axis)});
  }
  static const Op* const index_op = find_op("index");
  const int block = broadcast_indices(s).ndim, place = indices_place(s);
  std::vector<Tensor> inputs{fn::transpose(base, arrays_first(s, base.ndim()))};
  for (const Subscript::Array& array : s.arrays) inputs.push_back(array.indices);
  const Tensor result = run_op(*index_op, inputs.data(), static_cast<int>(inputs.size()), kNoAttrs);
  if (place == 0) return result;
  std::vector<std::int64_t> axes;
  for (int i = 0; i < place; ++i) axes.push_back(block + i);
  for (int i = 0; i < block; ++i) axes.push_back(i);
  for (int i = block + place; i < result.ndim(); ++i) axes.push_back(i);
  return fn::transpose(result, axes);
}

// The element at `offset`: like NumPy's scalar it does not change when x does.
PyObject* number_at(const Tensor& x, std::int64_t offset) {
  require_values(x, "getitem");
  return wrap_number(x.dtype(),
                     static_cast<const char*>(x.data()) + offset * static_cast<std::int64_t>(itemsize(x.dtype())));
}

// Adds the place of x's index `key` along an axis to the offset; false where key is no int within bounds.
bool add_index(const Tensor& x, int axis, PyObject* key, std::int64_t& offset) {
  if (!PyLong_CheckExact(key)) return false;
  int overflow;
  const long long given = PyLong_AsLongLongAndOverflow(key, &overflow);
  const std::int64_t length = x.length(axis), index = given < 0 ? given + length : given;
  if (overflow || index < 0 || index >= length) return false;
  offset += index * x.strides()[axis];
  return true;
}

// Where the key, one int for each axis, points to; false for other keys.
bool find_element(const Tensor& x, PyObject* key, std::int64_t& offset) {
  offset = 0;
  if (!PyTuple_CheckExact(key)) return x.ndim() == 1 && add_index(x, 0, key, offset);
  const int n = x.ndim();
  if (n == 0 || PyTuple_GET_SIZE(key) != n) return false;
  for (int axis = 0; axis < n; ++axis)
    if (!add_index(x, axis, PyTuple_GET_ITEM(key, axis), offset)) return false;
  return true;
}

// An end of a slice without a step, within [0, length]; false where Python has to say what it is.
bool slice_end(PyObject* end, std::int64_t missing, std::int64_t length, std::int64_t& at) {
  if (end == Py_None) {
    at = missing;
    return true;
  }
  if (!PyLong_CheckExact(end)) return false;
  int overflow;
  at = PyLong_AsLongLongAndOverflow(end, &overflow);
  if (overflow) return false;
  if (at < 0) at += length;
  at = at < 0 ? 0 : at > length ? length : at;
  return true;
}

// The part of x at ints and slices without steps, which is what most programs ask for; false where the key is another,
// or the part a single element, or empty.
bool view_shortly(const Tensor& x, PyObject* key, Tensor& view) {
  PyObject* const* items = &key;
  int count = 1;
  if (PyTuple_CheckExact(key)) {
    items = PySequence_Fast_ITEMS(key);
    if (PyTuple_GET_SIZE(key) > x.ndim()) return false;
    count = static_cast<int>(PyTuple_GET_SIZE(key));
  }
  if (count > x.ndim()) return false;
  Shape shape;
  Strides strides;
  std::int64_t offset = 0;
  const auto add_axis = [&](std::int64_t length, std::int64_t stride) {
    shape.dims[shape.ndim++] = length;
    strides.dims[strides.ndim++] = stride;
  };
  for (int axis = 0; axis < count; ++axis) {
    if (Py_TYPE(items[axis]) != &PySlice_Type) {
      if (!add_index(x, axis, items[axis], offset)) return false;
      continue;
    }
    const auto* slice = reinterpret_cast<const PySliceObject*>(items[axis]);
    const std::int64_t length = x.length(axis), stride = x.strides()[axis];
    std::int64_t start, stop;
    if (slice->step != Py_None || !slice_end(slice->start, 0, length, start) ||
        !slice_end(slice->stop, length, length, stop) || stop <= start)
      return false;
    offset += start * stride;
    add_axis(stop - start, stride);
  }
  for (int axis = count; axis < x.ndim(); ++axis) {
    if (x.length(axis) == 0) return false;
    add_axis(x.length(axis), x.strides()[axis]);
  }
  if (shape.ndim == 0) return false;
  view = x.view(shape, strides, offset);
  return true;
}

PyObject* row(PyObject* self, std::int64_t offset) {
  const Tensor& x = handle_of(self);
  if (x.ndim() == 1) return number_at(x, offset);
  return wrap_view(x.view(Shape(x.shape().begin() + 1, x.shape().end()),
                          Strides(x.strides().begin() + 1, x.strides().end()), offset),
                   self);
}

// The boolean tensor, if the key is one of x's shape and both lie in memory row by row.
bool is_plain_mask(const Tensor& x, PyObject* key, Tensor& mask) {
  if (Py_TYPE(key) == &tensor_type) {
    if (dtype_of(key) != DType::Bool) return false;
    mask = handle_of(key);
  } else if (is_numpy_array(key)) {
    mask = from_numpy(key);
  }
  return mask && is_bool(mask.dtype()) && !mask.is_placeholder() && mask.ndim() > 0 && mask.shape() == x.shape() &&
         mask.is_contiguous() && x.is_contiguous();
}

PyObject* subscript(PyObject* self, PyObject* key) noexcept {
  return guarded([=]() -> PyObject* {
    const Tensor& x = handle_of(self);
    if (!Trace::current() && is_plain(x)) {
      std::int64_t offset = 0;
      if (find_element(x, key, offset)) return number_at(x, offset);
      Tensor part;
      if (!recording()) {  // where a gradient is recorded, views are followed
        if (x.ndim() > 0 && add_index(x, 0, key, offset)) return row(self, offset);
        if (view_shortly(x, key, part)) return wrap_view(std::move(part), self);
      }
      if (Py_TYPE(key) == &tensor_type && !is_number(key) && x.ndim() > 0)
        if (Tensor rows = take_shortly(x, handle_of(key))) return wrap(std::move(rows));
      if (!x.is_placeholder() && is_plain_mask(x, key, part)) return wrap(compress(x, part));
    }
    Subscript s;
    parse_subscript(x, key, s);
    if (s.traced_mask)
      throw TraceError(
          "indexing with a boolean tensor while a program is recorded: how many elements it chooses isn't known yet; "
          "use "
          "where(mask, a, b) instead");
    if (!s.arrays.empty()) return wrap(gather(x, s));
    if (!s.scalar) {
      Object view = Object::steal(wrap_view(basic_part(x, s), self));
      follow_view(view.get(), self, key);
      return view.release();
    }
    // A program reads the memory anew at every run, but then it is a number, whatever the program writes there later.
    if (Trace::current()) return wrap_result(x.is_placeholder() ? basic_part(x, s) : copy_of(basic_part(x, s)));
    return is_plain(x) ? number_at(x, s.offset) : wrap_result(copy_of(basic_part(x, s)));
  });
}

// ---- writing
// ----------------------------------------------------------------------------------------------------------

// The value in x's dtype.
Tensor value_tensor(PyObject* object, DType dtype) {
  if (PyFloat_CheckExact(object) || (PyLong_Check(object) && !PyBool_Check(object))) {
    Tensor scalar = Tensor::empty(dtype, Shape());
    store_element(dtype, scalar.data(), object);
    return scalar;
  }
  if (PyComplex_Check(object) || PyUnicode_Check(object) || object == Py_None)
    throw DTypeError(message("[setitem] a tensor of dtype ", name(dtype), " cannot hold an object of type ",
                             Py_TYPE(object)->tp_name));
  const Tensor value = to_tensor(object, "setitem");
  // Floats in lists, and single ones, become whole numbers one by one: nan and what is far too great are errors.
  const bool checked = is_float(value.dtype()) && !is_float(dtype) && !is_bool(dtype) && !value.is_placeholder();
  if (checked && (PyList_Check(object) || PyTuple_Check(object)))
    return as_array(object, dtype_to_python(dtype), Copy::if_needed);
  if (checked && (is_numpy_scalar(object) || (is_tensor(object) && is_number(object)))) {
    const double number = value.item_as_double();
    if (std::isnan(number)) throw ValueError("cannot convert float NaN to integer");
    if (std::abs(number) >= 9223372036854775808.0)
      raise_format(PyExc_OverflowError, "the number %s is out of bounds for %s", message(number).c_str(), name(dtype));
  }
  return cast_as_numpy(value, dtype);
}

// NumPy lets a value have more axes than its place if the first ones have length 1.
Tensor drop_leading_ones(const Tensor& value, int ndim) {
  int first = 0;
  while (value.ndim() - first > ndim && value.length(first) == 1) ++first;
  return first == 0 ? value : fn::reshape(value, Shape(value.shape().begin() + first, value.shape().end()));
}

// Calls visit(target, source, count, target step, source step) for every line of elements of x[subscript], in order:
// positions, in elements, in x's memory (for the given strides of the basic part) and in the value broadcast to the
// result's shape. A line lies along the last axis that no array indexes; without one it is a single element.
class Scatter {
 public:
  Scatter(const Subscript& s, const Shape& base) : subscript_(s), block_(broadcast_indices(s)) {
    bool taken[kMaxDims] = {};
    for (const Subscript::Array& array : s.arrays) taken[array.axis] = true;
    const int place = indices_place(s);
    for (int axis = 0; axis <= base.ndim; ++axis) {
      if (axis == place)
        for (std::int64_t length : block_) result_.push_back(length);
      if (axis < base.ndim && !taken[axis]) {
        rest_axes_.push_back(axis);
        result_.push_back(base[axis]);
      }
    }
    if (!s.adjacent) {  // the indices' axes come first, whatever stands before the first array
      result_ = block_;
      for (int axis : rest_axes_) result_.push_back(base[axis]);
    }
    rest_before_ = 0;
    while (s.adjacent && rest_before_ < static_cast<int>(rest_axes_.size()) &&
           rest_axes_[static_cast<std::size_t>(rest_before_)] < place)
      ++rest_before_;
    find_offsets(base);
  }

  const Shape& result_shape() const { return result_; }

  template <class Visit>
  void run(const Shape& base, const Strides& base_strides, const Strides& value_strides, Visit&& visit) const {
    const int block = block_.ndim, rest = static_cast<int>(rest_axes_.size());
    const std::int64_t blocks = element_count(block_);
    std::int64_t lines = 1, count = 1, target_step = 0, source_step = 0;
    for (int axis : rest_axes_) lines *= base[axis];
    if (lines == 0) return;
    if (rest > 0) {
      count = base[rest_axes_.back()];
      lines /= count;
      target_step = base_strides[rest_axes_.back()];
      source_step = value_strides[rest - 1 < rest_before_ ? rest - 1 : rest - 1 + block];
    }
    std::int64_t at[kMaxDims] = {};
    for (std::int64_t b = 0; b < blocks; ++b) {
      std::int64_t target = 0, source = 0;
      for (std::size_t k = 0; k < subscript_.arrays.size(); ++k)
        target += indices_[k][static_cast<std::size_t>(b)] * base_strides[subscript_.arrays[k].axis];
      for (int d = 0; d < block; ++d) source += at[d] * value_strides[rest_before_ + d];
      std::int64_t inner[kMaxDims] = {};
      for (std::int64_t r = 0; r < lines; ++r) {
        visit(target, source, count, target_step, source_step);
        for (int d = rest - 2; d >= 0; --d) {
          const int axis = rest_axes_[static_cast<std::size_t>(d)];
          const std::int64_t value_step = value_strides[d < rest_before_ ? d : d + block];
          target += base_strides[axis];
          source += value_step;
          if (++inner[d] < base[axis]) break;
          target -= base[axis] * base_strides[axis];
          source -= base[axis] * value_step;
          inner[d] = 0;
        }
      }
      for (int d = block - 1; d >= 0; --d) {
        if (++at[d] < block_[d]) break;
        at[d] = 0;
      }
    }
  }

 private:
  // The indices of every array, broadcast, made non-negative and checked.
  void find_offsets(const Shape& base) {
    for (const Subscript::Array& array : subscript_.arrays) {
      if (array.indices.is_placeholder())
        throw TraceError(
            "assignment to places that are known only when the program runs; use where(mask, a, b) or "
            "ops.index_add, which make a new tensor");
      const Tensor full = contiguous(array.indices.view(
          block_,
          [&] {
            Strides strides;
            const Shape& from = array.indices.shape();
            const int lead = block_.ndim - from.ndim;
            for (int i = 0; i < block_.ndim; ++i)
              strides.push_back(i < lead || from[i - lead] == 1 ? 0 : array.indices.strides()[i - lead]);
            return strides;
          }(),
          0));
      const std::int64_t* values = full.data_as<std::int64_t>();
      std::vector<std::int64_t> list(values, values + full.size());
      const std::int64_t length = base[array.axis];
      for (std::int64_t& index : list) {
        if (index < -length || index >= length)
          throw IndexError(
              message("index ", index, " is out of bounds for axis ", array.source_axis, " with size ", length));
        if (index < 0) index += length;
      }
      indices_.push_back(std::move(list));
    }
  }

  const Subscript& subscript_;
  Shape block_, result_;
  std::vector<int> rest_axes_;
  int rest_before_ = 0;  // how many of them stand before the indices' axes in the result
  std::vector<std::vector<std::int64_t>> indices_;
};

Tensor broadcast_value(const Tensor& value, const Shape& shape) {
  const Tensor trimmed = drop_leading_ones(value, shape.ndim);
  Shape joined;
  if (!broadcast(trimmed.shape(), shape, joined) || joined != shape)
    throw ValueError(message("shape mismatch: value array of shape ", to_string(value.shape()),
                             " could not be broadcast to indexing result of shape ", to_string(shape)));
  return fn::broadcast_to(trimmed, shape);
}

// x with the chosen elements replaced, as a new tensor: where(chosen, value[source], x).
Tensor functional_scatter(const Tensor& x, const Subscript& s, const Tensor& value) {
  if (s.mask && (s.traced_mask || value.ndim() == 0)) {
    if (value.ndim() != 0)
      throw TraceError(
          "assignment through a boolean tensor while a program is recorded takes a single value; use where()");
    Shape shape = s.mask.shape();
    while (shape.ndim < x.ndim()) shape.push_back(1);
    return apply(ElementwiseOp::where, fn::reshape(s.mask, shape), value, x);
  }
  const Strides numbering = contiguous_strides(x.shape());
  Strides base_strides;  // of the basic part, counted in x's row-major numbering
  std::int64_t offset = 0;
  for (int i = 0; i < x.ndim(); ++i) offset += s.starts[i] * numbering[i];
  for (int i = 0; i < s.shape.ndim; ++i) {
    const int axis = s.origin[i];
    base_strides.push_back(axis < 0 ? 0 : s.steps[axis] * numbering[axis]);
  }
  const Scatter scatter(s, s.shape);
  const Tensor flat =
      fn::reshape(broadcast_value(value, scatter.result_shape()), {element_count(scatter.result_shape())});
  Tensor chosen = Tensor::zeros(DType::Bool, x.shape()), source = Tensor::zeros(DType::I64, x.shape());
  scatter.run(s.shape, base_strides, contiguous_strides(scatter.result_shape()),
              [&](std::int64_t target, std::int64_t from, std::int64_t count, std::int64_t target_step,
                  std::int64_t from_step) {
                for (std::int64_t i = 0; i < count; ++i) {
                  chosen.data_as<bool>()[offset + target + i * target_step] = true;
                  source.data_as<std::int64_t>()[offset + target + i * target_step] = from + i * from_step;
                }
              });
  if (flat.size() == 0) return x;
  static const Op* const take = find_op("take");
  const Tensor inputs[2] = {flat, source};
  return apply(ElementwiseOp::where, chosen, apply(*take, inputs, 2, {Attr::of(0)}), x);
}

// x[i, j, ...] = value with one array of indices for each axis, all of one shape; false where it is more than that, or
// an index is out of bounds (nothing is written then).
bool scatter_points(const Tensor& x, const Subscript& s, const Tensor& value) {
  const int n = static_cast<int>(s.arrays.size());
  if (n != x.ndim() || n != s.shape.ndim || n > 4) return false;
  const Shape& shape = s.arrays[0].indices.shape();
  const std::int64_t* indices[4];
  for (int k = 0; k < n; ++k) {
    const Tensor& array = s.arrays[static_cast<std::size_t>(k)].indices;
    if (array.is_placeholder() || array.shape() != shape || !array.is_contiguous()) return false;
    indices[k] = array.data_as<std::int64_t>();
  }
  const bool single = value.ndim() == 0;
  if (!single && (value.shape() != shape || !value.is_contiguous())) return false;
  if (share_memory(value, x)) return false;
  const std::int64_t count = element_count(shape);
  std::vector<std::int64_t> places(static_cast<std::size_t>(count), 0);
  for (int k = 0; k < n; ++k) {
    const int axis = s.arrays[static_cast<std::size_t>(k)].axis;
    const std::int64_t length = s.shape[axis], stride = s.strides[axis];
    for (std::int64_t i = 0; i < count; ++i) {
      std::int64_t at = indices[k][i];
      if (at < 0) at += length;
      if (at < 0 || at >= length) return false;
      places[static_cast<std::size_t>(i)] += at * stride;
    }
  }
  const auto write = [&](auto element) {
    using Element = decltype(element);
    Element* to = x.data_as<Element>() + s.offset;
    const Element* from = value.data_as<Element>();
    for (std::int64_t i = 0; i < count; ++i) to[places[static_cast<std::size_t>(i)]] = from[single ? 0 : i];
  };
  switch (itemsize(x.dtype())) {
    case 1:
      write(std::uint8_t{});
      break;
    case 2:
      write(std::uint16_t{});
      break;
    case 4:
      write(std::uint32_t{});
      break;
    default:
      write(std::uint64_t{});
  }
  x.bump_version();
  return true;
}

void scatter_in_place(const Tensor& x, const Subscript& s, const Tensor& value) {
  if (scatter_points(x, s, value)) return;
  const Scatter scatter(s, s.shape);
  Tensor from = broadcast_value(value, scatter.result_shape());
  if (share_memory(from, x)) from = copy_of(from);
  const std::size_t size = itemsize(x.dtype());
  const auto step = static_cast<std::int64_t>(size);
  char* to = static_cast<char*>(x.data()) + s.offset * step;
  const char* source = static_cast<const char*>(from.data());
  const auto copy = [&](auto element) {
    using Element = decltype(element);
    scatter.run(s.shape, s.strides, from.strides(),
                [&](std::int64_t a, std::int64_t b, std::int64_t count, std::int64_t a_step, std::int64_t b_step) {
                  Element* line = reinterpret_cast<Element*>(to) + a;
                  const Element* values = reinterpret_cast<const Element*>(source) + b;
                  if (a_step == 1 && b_step == 1) {
                    std::memcpy(line, values, static_cast<std::size_t>(count) * sizeof(Element));
                  } else if (a_step == 1 && b_step == 0) {
                    std::fill_n(line, count, *values);
                  } else {
                    for (std::int64_t i = 0; i < count; ++i) line[i * a_step] = values[i * b_step];
                  }
                });
  };
  switch (size) {
    case 1:
      copy(std::uint8_t{});
      break;
    case 2:
      copy(std::uint16_t{});
      break;
    case 4:
      copy(std::uint32_t{});
      break;
    default:
      copy(std::uint64_t{});
      break;
  }
  x.bump_version();
}

}  // namespace

// x[start:stop:step, ...] = value as a new tensor.
Tensor functional_update(const Tensor& x, const Subscript& s, const Tensor& value) {
  static const Op* const op = find_op("slice_update");
  const int n = x.ndim();
  Shape lengths;  // of the slices, before ints are dropped and new axes put in
  for (int i = 0; i < n; ++i) {
    const std::int64_t span = s.steps[i] > 0 ? s.stops[i] - s.starts[i] : s.starts[i] - s.stops[i];
    const std::int64_t size = s.steps[i] > 0 ? s.steps[i] : -s.steps[i];
    lengths.push_back(span > 0 ? (span + size - 1) / size : 0);
  }
  const Tensor trimmed = drop_leading_ones(value, s.shape.ndim);
  Shape joined;
  if (!broadcast(trimmed.shape(), s.shape, joined) || joined != s.shape)
    throw ShapeError(message("could not broadcast input array from shape ", to_string(value.shape()), " into shape ",
                             to_string(s.shape)));
  const Tensor inputs[2] = {x, fn::reshape(fn::broadcast_to(trimmed, s.shape), lengths)};
  return run_op(*op, inputs, 2,
                {Attr::of(entries(s.starts, n)), Attr::of(entries(s.stops, n)), Attr::of(entries(s.steps, n))});
}

namespace {

// self[key] = value where the write is recorded: self becomes `result`, which must not be lost.
void assign_recorded(PyObject* self, const Tensor& result) {
  const RecordedViews* const recorded = object_of(self)->recorded;
  const bool lost = handle_of(self).is_placeholder() || recording();  // memory that others see, too, is not
  if (lost && is_temporary(self) && !(recorded && recorded->parent)) {
    const char* const text =
        "assignment into a result without a name while 'jit' or a gradient follows it, as in y.T[0] = v: the array it "
        "was made of would not see it; index that one: y[:, 0] = v";
    if (Trace::current()) throw TraceError(text);
    throw GradientError(text);
  }
  replace_values(self, result);
  spread_values(self);
}

void assign_basic(PyObject* self, const Subscript& s, PyObject* object) {
  const Tensor& x = handle_of(self);
  const bool number = PyFloat_CheckExact(object) || PyLong_CheckExact(object);
  if (number && s.scalar && !x.is_placeholder() && !Trace::current() && is_plain(x)) {
    store_element(x.dtype(), static_cast<char*>(x.data()) + s.offset * static_cast<std::int64_t>(itemsize(x.dtype())),
                  object);
    x.bump_version();
    return;
  }
  const Tensor value = value_tensor(object, x.dtype());
  if (x.is_placeholder() || (recording() && (has_node(x) || has_node(value)))) {
    assign_recorded(self, functional_update(x, s, value));
    return;
  }
  const Tensor place = s.view_of(x), trimmed = drop_leading_ones(value, s.shape.ndim);
  if (Trace::current()) {
    static const Op* const assign = find_op("assign");
    const Tensor inputs[2] = {place, fn::broadcast_to(trimmed, place.shape())};
    apply_all(*assign, inputs, 2, kNoAttrs);
    x.bump_version();
    return;
  }
  copy_into(place, trimmed);
  x.bump_version();
}

// x's element at the offset = a number of x's dtype, or one that is no other for it; false where it needs more thought.
bool store_number(const Tensor& x, std::int64_t offset, PyObject* object) {
  void* place = static_cast<char*>(x.data()) + offset * static_cast<std::int64_t>(itemsize(x.dtype()));
  alignas(8) unsigned char element[8];
  if (!read_element(object, x.dtype(), element)) return false;
  std::memcpy(place, element, itemsize(x.dtype()));
  x.bump_version();
  return true;
}

// x[ints and slices] = a tensor of x's dtype; false where it is something else.
bool store_part(const Tensor& x, PyObject* key, PyObject* object) {
  if (Py_TYPE(object) != &tensor_type) return false;
  Tensor part;
  const Tensor& value = handle_of(object);
  if (value.dtype() != x.dtype() || value.is_placeholder() || !view_shortly(x, key, part)) return false;
  copy_into(part, drop_leading_ones(value, part.ndim()));
  x.bump_version();
  return true;
}

// x[mask] = a number, or as many elements of x's dtype as there are true ones; false where it is something else.
bool store_by_mask(const Tensor& x, PyObject* key, PyObject* object) {
  Tensor mask;
  if (!is_plain_mask(x, key, mask)) return false;
  alignas(8) unsigned char element[8];
  if (share_memory(mask, x)) return false;
  if (read_element(object, x.dtype(), element)) {
    expand(x, mask, element, 0);
  } else {
    if (Py_TYPE(object) != &tensor_type) return false;
    const Tensor& values = handle_of(object);
    if (values.is_placeholder() || values.dtype() != x.dtype() || values.ndim() != 1 || !values.is_contiguous() ||
        share_memory(values, x) || values.size() != count_true(mask.data_as<unsigned char>(), mask.size()))
      return false;
    expand(x, mask, values.data(), 1);
  }
  x.bump_version();
  return true;
}

// A value of a dtype that tensors lack (complex, text, objects): NumPy converts it, or says why it can't.
bool assign_with_numpy(PyObject* self, PyObject* key, PyObject* object) {
  const Tensor& x = handle_of(self);
  if (x.is_placeholder() || Trace::current() || (recording() && has_node(x))) return false;
  const bool foreign = PyComplex_Check(object) || PyUnicode_Check(object) || PyBytes_Check(object) ||
                       object == Py_None || is_numpy_array(object) || is_numpy_scalar(object);
  if (!foreign || read_operand(object).kind != Operand::unsupported) return false;
  check(PyObject_SetItem(to_numpy(self).get(), key, object));
  x.bump_version();
  return true;
}

int assign_subscript(PyObject* self, PyObject* key, PyObject* object) noexcept {
  return guarded_status([=] {
    if (!object) raise(PyExc_ValueError, "cannot delete array elements");
    const Tensor& x = handle_of(self);
    if (is_number(self))
      raise_format(PyExc_TypeError, "'%s' object does not support item assignment: it is a number, not an array",
                   name(x.dtype()));
    if (!x.is_placeholder()) {
      require_writable(x, "assignment destination is read-only");
      require_not_watched(x);
      std::int64_t offset;
      if (!Trace::current() && !recording() &&
          ((find_element(x, key, offset) && store_number(x, offset, object)) || store_part(x, key, object) ||
           store_by_mask(x, key, object)))
        return 0;
    }
    if (assign_with_numpy(self, key, object)) return 0;
    Subscript s;
    parse_subscript(x, key, s);
    if (s.arrays.empty() && !s.traced_mask) {
      assign_basic(self, s, object);
      return 0;
    }
    const Tensor value = value_tensor(object, x.dtype());
    if (x.is_placeholder() || Trace::current() || (recording() && (has_node(x) || has_node(value)))) {
      assign_recorded(self, functional_scatter(x, s, value));
    } else {
      scatter_in_place(x, s, value);
    }
    return 0;
  });
}

// ---- as a sequence
// -----------------------------------------------------------------------------------------------------

Py_ssize_t length(PyObject* self) noexcept {
  const Tensor& x = handle_of(self);
  if (x.ndim() > 0) return static_cast<Py_ssize_t>(x.length(0));
  PyErr_SetString(PyExc_TypeError, "len() of unsized object");
  return -1;
}

PyObject* item_at(PyObject* self, Py_ssize_t index) noexcept {
  const Tensor& x = handle_of(self);
  const bool follows = recording() && x.ndim() > 1;  // a view that is made, which subscript() does
  if (x.ndim() > 0 && index >= 0 && index < x.length(0) && !Trace::current() && is_plain(x) && !follows)
    return guarded([&] { return row(self, index * x.strides()[0]); });
  if (x.ndim() > 0 && index >= x.length(0)) {  // set, not thrown: this is how an iteration ends
    PyErr_Format(PyExc_IndexError, "index %zd is out of bounds for axis 0 with size %lld", index,
                 static_cast<long long>(x.length(0)));
    return nullptr;
  }
  PyObject* key = PyLong_FromSsize_t(index);
  if (!key) return nullptr;
  PyObject* result = subscript(self, key);
  Py_DECREF(key);
  return result;
}

int contains(PyObject* self, PyObject* object) noexcept {
  return guarded_status([=] {
    const Object equal = Object::steal(PyObject_RichCompare(self, object, Py_EQ));
    if (!is_tensor(equal.get())) return PyObject_IsTrue(equal.get());
    static const Op* const any = find_op("any");
    const Tensor found = run_op(*any, &handle_of(equal.get()), 1, {Attr(), Attr::of(false)});
    require_values(found, "in");
    return static_cast<int>(found.item_as_int() != 0);
  });
}

}  // namespace

PyObject* tensor_iterate(PyObject* self) {
  if (handle_of(self).ndim() > 0) return PySeqIter_New(self);
  PyErr_SetString(PyExc_TypeError, "iteration over a 0-d array");
  return nullptr;
}

PyMappingMethods tensor_mapping_methods = {length, subscript, assign_subscript};

PySequenceMethods tensor_sequence_methods = [] {
  PySequenceMethods m = {};
  m.sq_length = length;
  m.sq_item = item_at;
  m.sq_contains = contains;
  return m;
}();

}  // namespace chainrule
