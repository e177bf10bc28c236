#include "bind/subscript.h"

#include <cstring>
#include <string>
#include <utility>

#include "bind/convert.h"
#include "bind/tensor_type.h"
#include "graph/trace.h"
#include "ops/functions.h"
#include "tensor/mask.h"

namespace chainrule {

namespace {

constexpr char kWhatIsAllowed[] =
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid "
    "indices";

// Puts the basic part together, one item after the other.
class Builder {
 public:
  Builder(const Tensor& x, Subscript& out) : x_(x), out_(out) {}

  void integer(std::int64_t index) {
    const std::int64_t length = x_.length(axis_), given = index;
    if (index < 0) index += length;
    if (index < 0 || index >= length)
      throw IndexError(message("index ", given, " is out of bounds for axis ", axis_, " with size ", length));
    out_.offset += index * x_.strides()[axis_];
    record(index, index + 1, 1);
  }
  void slice(PyObject* key) {
    Py_ssize_t start, stop, step;
    check(PySlice_Unpack(key, &start, &stop, &step));
    const Py_ssize_t length = PySlice_AdjustIndices(x_.length(axis_), &start, &stop, step);
    add_axis(length, x_.strides()[axis_] * step, axis_);
    if (length > 0) out_.offset += start * x_.strides()[axis_];
    if (length == 0) stop = start;
    record(start, stop, step);
  }
  void whole() {
    add_axis(x_.length(axis_), x_.strides()[axis_], axis_);
    record(0, x_.length(axis_), 1);
  }
  void new_axis() { add_axis(1, 0, -1); }
  void array(Tensor indices) {
    out_.arrays.push_back({std::move(indices), out_.shape.ndim, axis_});
    whole();
  }
  void finish() {
    while (axis_ < x_.ndim()) whole();
    // An empty result points nowhere else than the tensor itself.
    if (element_count(out_.shape) == 0) out_.offset = 0;
  }
  int axis() const { return axis_; }

 private:
  void add_axis(std::int64_t length, std::int64_t stride, int origin) {
    out_.scalar = false;
    out_.shape.push_back(length);
    out_.strides.push_back(stride);
    out_.origin[out_.shape.ndim - 1] = origin;
  }
  void record(std::int64_t start, std::int64_t stop, std::int64_t step) {
    out_.starts[axis_] = start;
    out_.stops[axis_] = stop;
    out_.steps[axis_] = step;
    ++axis_;
  }

  const Tensor& x_;
  Subscript& out_;
  int axis_ = 0;
};

[[noreturn]] void too_many(const Tensor& x, Py_ssize_t given) {
  throw IndexError(
      message("too many indices for array: array is ", x.ndim(), "-dimensional, but ", given, " were indexed"));
}

// ---- basic keys: ints, slices, None, Ellipsis
// -------------------------------------------------------------------------

// False where the key has something else in it (the subscript is then to be begun anew).
bool parse_basic(const Tensor& x, PyObject* const* items, Py_ssize_t count, Subscript& out) {
  Py_ssize_t consumed = 0, ellipses = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (PyLong_CheckExact(items[i]) || PySlice_Check(items[i])) {
      ++consumed;
    } else if (items[i] == Py_Ellipsis) {
      ++ellipses;
    } else if (items[i] != Py_None) {
      return false;
    }
  }
  if (ellipses > 1) throw IndexError("an index can only have a single ellipsis ('...')");
  if (consumed > x.ndim()) too_many(x, consumed);
  Builder builder(x, out);
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = items[i];
    if (PyLong_CheckExact(item)) {
      int overflow;
      const long long index = PyLong_AsLongLongAndOverflow(item, &overflow);
      if (overflow) raise(PyExc_IndexError, "cannot fit 'int' into an index-sized integer");
      builder.integer(index);
    } else if (PySlice_Check(item)) {
      builder.slice(item);
    } else if (item == Py_None) {
      builder.new_axis();
    } else {
      for (Py_ssize_t rest = x.ndim() - consumed; rest > 0; --rest) builder.whole();
      out.scalar = false;
    }
  }
  builder.finish();
  return true;
}

// ---- keys with arrays
// -------------------------------------------------------------------------------------------------

struct Item {
  enum Kind { integer, slice, new_axis, ellipsis, array, mask } kind;
  std::int64_t value = 0;
  PyObject* object = nullptr;
  Tensor tensor = {};
  int axes() const { return kind == integer || kind == slice || kind == array ? 1 : kind == mask ? tensor.ndim() : 0; }
};

Item array_item(Tensor tensor) {
  if (is_bool(tensor.dtype())) return {Item::mask, 0, nullptr, std::move(tensor)};
  if (!is_integer(tensor.dtype())) throw IndexError("arrays used as indices must be of integer (or boolean) type");
  // A 0-d array of a known value is an int; one that a program reads stays an array, as its value may be another each
  // run.
  if (tensor.ndim() == 0 && !tensor.is_placeholder() && !Trace::current())
    return {Item::integer, tensor.item_as_int(), nullptr, {}};
  return {Item::array, 0, nullptr, fn::cast(tensor, DType::I64)};
}

Item read_item(PyObject* object) {
  if (object == Py_None) return {Item::new_axis};
  if (object == Py_Ellipsis) return {Item::ellipsis};
  if (PySlice_Check(object)) return {Item::slice, 0, object, {}};
  if (PyBool_Check(object)) return array_item(Tensor::scalar(DType::Bool, std::int64_t{object == Py_True}));
  if (is_tensor(object) || is_numpy_array(object) || PyList_Check(object) || PyTuple_CheckExact(object)) {
    Tensor tensor;
    if (is_tensor(object)) {
      tensor = handle_of(object);
    } else {
      Operand operand;
      try {
        operand = read_operand(object);
      } catch (const PythonError&) {  // what makes no array makes no index
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) throw;
        PyErr_Clear();
      }
      if (operand.kind != Operand::strong)
        throw IndexError("arrays used as indices must be of integer (or boolean) type");
      tensor = std::move(operand.tensor);
      const bool list = !is_numpy_array(object);
      if (list && tensor.size() == 0) tensor = Tensor::empty(DType::I64, tensor.shape());  // [] has no type of its own
    }
    return array_item(std::move(tensor));
  }
  if (is_numpy_scalar(object)) {
    Operand operand = read_operand(object);
    if (operand.kind == Operand::strong && !is_float(operand.tensor.dtype())) return array_item(operand.tensor);
  } else if (PyIndex_Check(object)) {
    const Py_ssize_t value = PyNumber_AsSsize_t(object, PyExc_IndexError);
    if (value == -1 && PyErr_Occurred()) throw PythonError();
    return {Item::integer, value, nullptr, {}};
  } else if ((PySequence_Check(object) || PyObject_HasAttrString(object, "__array__")) && !PyUnicode_Check(object) &&
             !PyBytes_Check(object)) {                // range(n), a column of a table, a named tuple
    if (PyObject_HasAttrString(object, "__array__"))  // which may give one of ours
      if (Operand operand = read_operand(object); operand.kind == Operand::strong)
        return array_item(std::move(operand.tensor));
    return read_item(Object::steal(PyObject_CallMethod(numpy_module(), "asarray", "O", object)).get());
  }
  throw IndexError(kWhatIsAllowed);
}

Tensor one_index(std::int64_t value) {
  Tensor tensor = Tensor::empty(DType::I64, Shape());
  *tensor.data_as<std::int64_t>() = value;
  return tensor;
}

void add_mask(const Tensor& x, const Tensor& mask, Builder& builder, Subscript& out) {
  if (mask.ndim() == 0) {  // a new axis, kept or emptied
    require_values(mask, "boolean index");
    Tensor indices = Tensor::zeros(DType::I64, {mask.item_as_int() ? 1 : 0});
    out.arrays.push_back({std::move(indices), out.shape.ndim, builder.axis()});
    builder.new_axis();
    return;
  }
  for (int i = 0; i < mask.ndim(); ++i)
    if (mask.length(i) != x.length(builder.axis() + i))
      throw IndexError(message("boolean index did not match indexed array along axis ", builder.axis() + i,
                               "; size of axis is ", x.length(builder.axis() + i),
                               " but size of corresponding boolean axis is ", mask.length(i)));
  if (mask.is_placeholder()) {
    out.traced_mask = true;
    for (int i = 0; i < mask.ndim(); ++i) builder.whole();
    return;
  }
  for (Tensor& indices : nonzero(mask)) builder.array(std::move(indices));
}

void parse_general(const Tensor& x, PyObject* const* objects, Py_ssize_t count, Subscript& out) {
  std::vector<Item> items;
  Py_ssize_t consumed = 0, ellipses = 0, arrays = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    items.push_back(read_item(objects[i]));
    consumed += items.back().axes();
    ellipses += items.back().kind == Item::ellipsis;
    arrays += items.back().kind == Item::array || items.back().kind == Item::mask;
  }
  if (ellipses > 1) throw IndexError("an index can only have a single ellipsis ('...')");
  if (consumed > x.ndim()) too_many(x, consumed);
  if (arrays == 1 && items.size() == 1 && items[0].kind == Item::mask) out.mask = items[0].tensor;
  Builder builder(x, out);
  int groups = 0;  // of arrays (and ints among them) side by side
  bool in_group = false;
  for (const Item& item : items) {
    const bool joins =
        item.kind == Item::array || item.kind == Item::mask || (arrays > 0 && item.kind == Item::integer);
    if (joins && !in_group) ++groups;
    in_group = joins;
    switch (item.kind) {
      case Item::integer:
        if (arrays > 0) {
          builder.array(one_index(item.value));
        } else {
          builder.integer(item.value);
        }
        break;
      case Item::slice:
        builder.slice(item.object);
        break;
      case Item::new_axis:
        builder.new_axis();
        break;
      case Item::ellipsis:
        for (Py_ssize_t rest = x.ndim() - consumed; rest > 0; --rest) builder.whole();
        out.scalar = false;
        break;
      case Item::array:
        builder.array(item.tensor);
        break;
      case Item::mask:
        add_mask(x, item.tensor, builder, out);
        break;
    }
  }
  builder.finish();
  out.adjacent = groups <= 1;
  if (arrays > 0) out.scalar = false;
}

}  // namespace

void parse_subscript(const Tensor& x, PyObject* key, Subscript& out) {
  PyObject* const* items = &key;
  Py_ssize_t count = 1;
  if (PyTuple_Check(key)) {
    items = PySequence_Fast_ITEMS(key);
    count = PyTuple_GET_SIZE(key);
  }
  if (!parse_basic(x, items, count, out)) parse_general(x, items, count, out);
}

namespace {

template <class Index, class Element>
bool copy_elements(const Tensor& x, const Index* indices, std::int64_t n, Element* to) {
  const auto* from = x.data_as<Element>();
  const std::int64_t length = x.length(0), stride = x.strides()[0];
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t at = static_cast<std::int64_t>(indices[i]);
    at += at < 0 ? length : 0;
    if (at < 0 || at >= length) return false;
    to[i] = from[at * stride];
  }
  return true;
}

template <class Index>
bool copy_rows(const Tensor& x, const Index* indices, std::int64_t n, char* to) {
  const std::int64_t length = x.length(0), bytes = x.strides()[0] * static_cast<std::int64_t>(itemsize(x.dtype()));
  const auto* from = static_cast<const char*>(x.data());
  for (std::int64_t i = 0; i < n; ++i) {
    std::int64_t at = static_cast<std::int64_t>(indices[i]);
    at += at < 0 ? length : 0;
    if (at < 0 || at >= length) return false;
    std::memcpy(to + i * bytes, from + at * bytes, static_cast<std::size_t>(bytes));
  }
  return true;
}

template <class Index>
bool copy_by(const Tensor& x, const Index* indices, std::int64_t n, const Tensor& to) {
  if (x.ndim() > 1) return copy_rows(x, indices, n, static_cast<char*>(to.data()));
  switch (itemsize(x.dtype())) {
    case 1:
      return copy_elements(x, indices, n, to.data_as<std::uint8_t>());
    case 2:
      return copy_elements(x, indices, n, to.data_as<std::uint16_t>());
    case 4:
      return copy_elements(x, indices, n, to.data_as<std::uint32_t>());
    default:
      return copy_elements(x, indices, n, to.data_as<std::uint64_t>());
  }
}

}  // namespace

Tensor take_shortly(const Tensor& x, const Tensor& indices) {
  constexpr std::int64_t kMost = 1 << 14;
  if (x.is_placeholder() || indices.is_placeholder() || x.ndim() == 0 || indices.ndim() == 0 ||
      indices.ndim() + x.ndim() - 1 > kMaxDims || !indices.is_contiguous())
    return {};
  if (indices.dtype() != DType::I64 && indices.dtype() != DType::I32) return {};
  if (x.ndim() > 1 && !x.is_contiguous()) return {};
  Shape shape = indices.shape();
  for (int i = 1; i < x.ndim(); ++i) shape.push_back(x.length(i));
  if (element_count(shape) > kMost) return {};
  const Tensor result = Tensor::empty(x.dtype(), shape);
  const std::int64_t n = indices.size();
  const bool done = indices.dtype() == DType::I64 ? copy_by(x, indices.data_as<std::int64_t>(), n, result)
                                                  : copy_by(x, indices.data_as<std::int32_t>(), n, result);
  return done ? result : Tensor();
}

std::vector<Tensor> nonzero(const Tensor& given) {
  require_values(given, "nonzero");
  Tensor mask = contiguous(given);
  if (!is_bool(mask.dtype())) {
    Tensor truth = Tensor::empty(DType::Bool, mask.shape());
    copy_into(truth, mask);
    mask = truth;
  }
  return true_places(mask);
}

}  // namespace chainrule
