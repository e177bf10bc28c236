#include "bind/convert.h"

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "base/half.h"
#include "bind/float_errors.h"
#include "bind/interop.h"
#include "bind/numpy_layout.h"
#include "bind/operators.h"
#include "bind/promote.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/functions.h"
#include "runtime/cpu.h"

namespace chainrule {

// ---- NumPy's types
// ---------------------------------------------------------------------------------------------------

namespace {

// Filled when NumPy has been imported by anyone: before that no object can be of these types.
struct NumpyTypes {
  PyObject* module = nullptr;
  PyTypeObject* array = nullptr;
  PyTypeObject* scalar = nullptr;  // numpy.generic
  PyTypeObject* memmap = nullptr;  // an ndarray whose memory is a file
  PyTypeObject* dtype = nullptr;
  PyTypeObject* scalars[kDTypes] = {};
  PyObject* dtypes[kDTypes] = {};
};

const NumpyTypes* load_numpy_types(PyObject* module) {
  static NumpyTypes types;
  if (types.module) return &types;
  const auto type = [&](const char* name) {
    return reinterpret_cast<PyTypeObject*>(Object::steal(PyObject_GetAttrString(module, name)).release());
  };
  types.array = type("ndarray");
  types.memmap = type("memmap");
  types.scalar = type("generic");
  types.dtype = type("dtype");
  for (int i = 0; i < kDTypes; ++i) {
    if (static_cast<DType>(i) == DType::BF16) continue;  // NumPy has none
    const char* const dtype_name = name(static_cast<DType>(i));
    types.dtypes[i] =
        Object::steal(PyObject_CallFunction(reinterpret_cast<PyObject*>(types.dtype), "s", dtype_name)).release();
    types.scalars[i] = reinterpret_cast<PyTypeObject*>(reinterpret_cast<NumpyDtype*>(types.dtypes[i])->scalar_type);
  }
  Py_INCREF(module);
  types.module = module;
  return &types;
}

// Null as long as nobody has imported NumPy.
const NumpyTypes* numpy_types() {
  static const NumpyTypes* loaded = nullptr;
  if (loaded) return loaded;
  static PyObject* const key = PyUnicode_InternFromString("numpy");
  PyObject* module = PyImport_GetModule(key);
  if (!module) return nullptr;
  const Object keep = Object::steal(module);
  // While NumPy is being imported its module lacks these names.
  if (!PyObject_HasAttrString(module, "ndarray") || !PyObject_HasAttrString(module, "bool")) return nullptr;
  return loaded = load_numpy_types(module);
}

const NumpyTypes& import_numpy() {
  if (const NumpyTypes* types = numpy_types()) return *types;
  const Object module = Object::steal(PyImport_ImportModule("numpy"));
  return *load_numpy_types(module.get());
}

// The machine's own order may be spelled out: files of HDF5 make such dtypes.
bool swapped(const NumpyDtype* dtype) {
  const std::uint16_t one = 1;
  const char native = *reinterpret_cast<const unsigned char*>(&one) == 1 ? '<' : '>';
  return dtype->byte_order != '=' && dtype->byte_order != '|' && dtype->byte_order != native;
}

// That of the package ml_dtypes.
bool is_bfloat16_scalar(PyObject* type) {
  return std::strcmp(reinterpret_cast<PyTypeObject*>(type)->tp_name, "ml_dtypes.bfloat16") == 0 ||
         std::strcmp(reinterpret_cast<PyTypeObject*>(type)->tp_name, "bfloat16") == 0;
}

// NumPy's type numbers; C long is 64 bits wide on every platform we build for. -1 if it is none of ours.
int dtype_index(const NumpyDtype* dtype) {
  switch (dtype->number) {
    case 0:
      return index(DType::Bool);
    case 1:
      return index(DType::I8);
    case 2:
      return index(DType::U8);
    case 3:
      return index(DType::I16);
    case 4:
      return index(DType::U16);
    case 5:
      return index(DType::I32);
    case 6:
      return index(DType::U32);
    case 7:
    case 9:
      return index(DType::I64);
    case 8:
    case 10:
      return index(DType::U64);
    case 11:
      return index(DType::F32);
    case 12:
      return index(DType::F64);
    case 23:
      return index(DType::F16);
    default:
      return is_bfloat16_scalar(dtype->scalar_type) ? index(DType::BF16) : -1;
  }
}

constexpr char kSupported[] = "bool, int8 to int64, uint8 to uint64, float16, bfloat16, float32 and float64";

// chainrule.bfloat16
PyObject* bfloat16_object() {
  static PyObject* const object = import_attribute("chainrule.dtypes", "bfloat16").release();
  return object;
}

// The functions of NumPy's C interface that make an array on given memory; their places in its table are its ABI.
struct NumpyApi {
  PyTypeObject* array_type;
  PyObject* (*new_from_dtype)(PyTypeObject* type, PyObject* dtype, int ndim, const Py_ssize_t* shape,
                              const Py_ssize_t* strides, void* data, int flags, PyObject* like);  // steals the dtype
  int (*set_base)(PyObject* array, PyObject* base);                                               // steals the base
};

const NumpyApi& numpy_api() {
  static const NumpyApi api = [] {
    const Object capsule = import_attribute("numpy._core._multiarray_umath", "_ARRAY_API");
    void** const table = static_cast<void**>(PyCapsule_GetPointer(capsule.get(), nullptr));
    if (!table) throw PythonError();
    NumpyApi found;
    found.array_type = static_cast<PyTypeObject*>(table[2]);
    found.new_from_dtype = reinterpret_cast<decltype(found.new_from_dtype)>(table[94]);
    found.set_base = reinterpret_cast<decltype(found.set_base)>(table[282]);
    return found;
  }();
  return api;
}

}  // namespace

PyObject* numpy_module() { return import_numpy().module; }
PyObject* dtype_to_python(DType dtype) {
  if (dtype == DType::BF16) return bfloat16_object();
  return import_numpy().dtypes[index(dtype)];
}

bool is_bfloat16(PyObject* dtype) {
  if (PyUnicode_Check(dtype)) return PyUnicode_CompareWithASCIIString(dtype, "bfloat16") == 0;
  if (dtype == bfloat16_object()) return true;
  if (PyType_Check(dtype)) return is_bfloat16_scalar(dtype);
  return PyObject_TypeCheck(dtype, import_numpy().dtype) &&
         is_bfloat16_scalar(reinterpret_cast<NumpyDtype*>(dtype)->scalar_type);
}

bool is_numpy_array(PyObject* object) {
  const NumpyTypes* types = numpy_types();
  return types && PyObject_TypeCheck(object, types->array);
}
bool is_numpy_scalar(PyObject* object) {
  const NumpyTypes* types = numpy_types();
  return types && PyObject_TypeCheck(object, types->scalar);
}

const void* numpy_scalar_value(PyObject* object, DType& dtype) {
  const NumpyTypes* types = numpy_types();
  for (int i = kDTypes - 1; types && i >= 0; --i)
    if (Py_TYPE(object) == types->scalars[i]) {
      dtype = static_cast<DType>(i);
      return reinterpret_cast<const NumpyScalar*>(object)->value;
    }
  return nullptr;
}

namespace {

// What NumPy's own name of the dtype says, without the Python code behind str(dtype): many such errors only send a call
// on to NumPy.
std::string scalar_type_name(PyObject* dtype) {
  const char* name = reinterpret_cast<PyTypeObject*>(reinterpret_cast<NumpyDtype*>(dtype)->scalar_type)->tp_name;
  const char* point = std::strrchr(name, '.');
  return point ? point + 1 : name;
}

}  // namespace

bool find_dtype(PyObject* object, DType& dtype) {
  const auto found = [&](DType type) {
    dtype = type;
    return true;
  };
  if (PyUnicode_Check(object)) {
    for (int i = 0; i < kDTypes; ++i)
      if (PyUnicode_CompareWithASCIIString(object, name(static_cast<DType>(i))) == 0)
        return found(static_cast<DType>(i));
    return false;
  }
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return found(DType::F64);
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return found(DType::I64);
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return found(DType::Bool);
  const NumpyTypes* numpy = numpy_types();
  for (int i = 0; numpy && i < kDTypes; ++i)
    if (object && (object == numpy->dtypes[i] || object == reinterpret_cast<PyObject*>(numpy->scalars[i])))
      return found(static_cast<DType>(i));
  return false;
}

DType dtype_from_python(PyObject* object) {
  DType known;
  if (find_dtype(object, known)) return known;
  const NumpyTypes& numpy = import_numpy();
  if (is_bfloat16(object)) return DType::BF16;
  if (find_dtype(object, known)) return known;
  Object dtype = Object::borrow(object);
  if (!PyObject_TypeCheck(object, numpy.dtype))
    dtype = Object::steal(PyObject_CallOneArg(reinterpret_cast<PyObject*>(numpy.dtype), object));
  const auto* layout = reinterpret_cast<const NumpyDtype*>(dtype.get());
  const int found = dtype_index(layout);
  if (found < 0 || swapped(layout))
    raise_format(PyExc_TypeError, "dtype %s is not supported; there are %s", scalar_type_name(dtype.get()).c_str(),
                 kSupported);
  return static_cast<DType>(found);
}

bool is_our_dtype(PyObject* dtype) {
  const auto* layout = reinterpret_cast<const NumpyDtype*>(dtype);
  return dtype_index(layout) >= 0 && !swapped(layout);
}

std::string dtype_name_of(PyObject* object) {
  if (is_numpy_array(object)) return "dtype " + scalar_type_name(reinterpret_cast<NumpyArray*>(object)->dtype);
  PyObject* dtype = PyObject_GetAttrString(object, "dtype");
  if (!dtype) {
    PyErr_Clear();
    return std::string("an object of type ") + Py_TYPE(object)->tp_name;
  }
  const Object keep = Object::steal(dtype);
  PyObject* text = PyObject_Str(dtype);
  if (!text) {
    PyErr_Clear();
    return "an unknown dtype";
  }
  const Object keep_text = Object::steal(text);
  return std::string("dtype ") + utf8(text);
}

// ---- arrays
// ------------------------------------------------------------------------------------------------------------

namespace {

void release_python_owner(void* owner) {
  if (!Py_IsInitialized()) return;  // at exit: the process's memory goes anyway
  const PyGILState_STATE state = PyGILState_Ensure();
  Py_DECREF(static_cast<PyObject*>(owner));
  PyGILState_Release(state);
}

Tensor from_numpy_scalar(PyObject* object) {
  DType dtype;
  if (const void* value = numpy_scalar_value(object, dtype)) {
    Tensor tensor = Tensor::empty(dtype, Shape());
    std::memcpy(tensor.data(), value, itemsize(dtype));
    return tensor;
  }
  const Object array = Object::steal(PyObject_CallMethod(numpy_module(), "asarray", "(O)", object));
  return from_numpy(array.get());
}

bool is_plain_sequence(PyObject* object) { return PyList_CheckExact(object) || PyTuple_CheckExact(object); }

bool contains_tensor(PyObject* sequence) {
  const Nesting nesting;
  const Py_ssize_t length = PySequence_Fast_GET_SIZE(sequence);
  PyObject* const* items = PySequence_Fast_ITEMS(sequence);
  for (Py_ssize_t i = 0; i < length; ++i) {
    if (is_tensor(items[i])) return true;
    if ((PyList_CheckExact(items[i]) || PyTuple_CheckExact(items[i])) && contains_tensor(items[i])) return true;
  }
  return false;
}

// A list with tensors inside is stacked by ops: gradients flow and programs record it, which NumPy could not do.
Tensor stack_sequence(PyObject* sequence) {
  const Op* stack = find_op("stack");
  std::vector<Operand> operands;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence); ++i) {
    operands.push_back(read_operand(PySequence_Fast_ITEMS(sequence)[i]));
    if (operands.back().kind == Operand::unsupported) return {};
  }
  std::vector<Tensor> tensors(operands.size());
  to_common_type(operands.data(), static_cast<int>(operands.size()), tensors.data());
  return apply(*stack, tensors.data(), static_cast<int>(tensors.size()), {Attr::of(0)});
}

// The value of a number of ours that no recording follows, and its dtype; null for other objects.
const void* value_of_number(PyObject* object, DType& dtype) {
  if (Py_TYPE(object) != &tensor_type || !is_number(object)) return nullptr;
  const TensorObject* number = object_of(object);
  dtype = dtype_of(object);
  if (!number->handle) return &number->value;
  return number->handle.is_placeholder() || has_node(number->handle) ? nullptr : number->handle.data();
}

// Nested lists of Python's own ints, or of its floats and ints if a float comes first, or of numbers of ours of one
// dtype, read without NumPy. An empty tensor where it is anything else, is ragged or doesn't fit: NumPy knows what to
// make of it.
class NestedNumbers {
 public:
  static Tensor read(PyObject* sequence) {
    NestedNumbers numbers;
    for (PyObject* level = sequence; is_plain_sequence(level);) {
      const Py_ssize_t length = PySequence_Fast_GET_SIZE(level);
      if (length == 0 || numbers.shape_.ndim == kMaxDims) return {};
      numbers.shape_.push_back(length);
      level = PySequence_Fast_GET_ITEM(level, 0);
      if (!is_plain_sequence(level)) numbers.type_ = Py_TYPE(level);
    }
    if (numbers.type_ == &tensor_type) {
      PyObject* first = sequence;
      for (int i = 0; i < numbers.shape_.ndim; ++i) first = PySequence_Fast_GET_ITEM(first, 0);
      if (!value_of_number(first, numbers.dtype_)) return {};
    } else if (numbers.type_ == &PyFloat_Type || numbers.type_ == &PyLong_Type) {
      numbers.dtype_ = numbers.type_ == &PyFloat_Type ? DType::F64 : DType::I64;
    } else {
      return {};
    }
    const Tensor result = Tensor::empty(numbers.dtype_, numbers.shape_);
    numbers.to_ = result.data_as<char>();
    return numbers.add(sequence, 0) ? result : Tensor();
  }

 private:
  bool add(PyObject* level, int depth) {
    if (!is_plain_sequence(level) || PySequence_Fast_GET_SIZE(level) != shape_[depth]) return false;
    for (Py_ssize_t i = 0; i < shape_[depth]; ++i) {
      PyObject* const item = PySequence_Fast_GET_ITEM(level, i);
      if (depth + 1 < shape_.ndim ? !add(item, depth + 1) : !add_number(item)) return false;
    }
    return true;
  }
  bool add_number(PyObject* item) {
    if (type_ == &tensor_type) {
      DType dtype;
      const void* const value = value_of_number(item, dtype);
      if (!value || dtype != dtype_) return false;
      std::memcpy(to_, value, itemsize(dtype));
      to_ += itemsize(dtype);
      return true;
    }
    if (Py_TYPE(item) != type_ && !(type_ == &PyFloat_Type && PyLong_CheckExact(item))) return false;
    if (type_ == &PyFloat_Type) {
      const double value = PyFloat_AsDouble(item);
      if (value == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return false;
      }
      std::memcpy(to_, &value, sizeof value);
    } else {
      int overflow;
      const long long value = PyLong_AsLongLongAndOverflow(item, &overflow);
      if (overflow) return false;
      std::memcpy(to_, &value, sizeof value);
    }
    to_ += sizeof(double);
    return true;
  }

  Shape shape_;
  PyTypeObject* type_ = nullptr;
  DType dtype_ = DType::F64;
  char* to_ = nullptr;
};

}  // namespace

Tensor read_numbers(PyObject* sequence) { return NestedNumbers::read(sequence); }

Tensor from_numpy(PyObject* object) {
  const auto* array = reinterpret_cast<const NumpyArray*>(object);
  const auto* dtype = reinterpret_cast<const NumpyDtype*>(array->dtype);
  const int found = dtype_index(dtype);
  if (found < 0) return {};
  const DType type = static_cast<DType>(found);
  const Py_ssize_t size = static_cast<Py_ssize_t>(itemsize(type));
  bool usable = (array->flags & kNumpyAligned) && !swapped(dtype);
  for (int i = 0; usable && i < array->ndim; ++i) usable = array->strides[i] % size == 0;
  if (!usable) {
    const Object native = type == DType::BF16 ? Object::borrow(array->dtype) : Object::borrow(dtype_to_python(type));
    const Object copy = Object::steal(PyObject_CallMethod(numpy_module(), "array", "OO", object, native.get()));
    return from_numpy(copy.get());
  }
  Shape shape, strides;
  for (int i = 0; i < array->ndim; ++i) {
    shape.push_back(array->shape[i]);
    strides.push_back(array->strides[i] / size);
  }
  Py_INCREF(object);
  try {
    return Tensor::foreign(type, shape, strides, array->data, (array->flags & kNumpyWriteable) != 0, object,
                           release_python_owner);
  } catch (...) {
    Py_DECREF(object);
    throw;
  }
}

Operand read_operand(PyObject* object) {
  Operand operand;
  const auto strong = [&](Tensor tensor) {
    operand.kind = tensor ? Operand::strong : Operand::unsupported;
    operand.tensor = std::move(tensor);
  };
  if (is_tensor(object)) {
    strong(handle_of(object));
  } else if (PyFloat_CheckExact(object)) {
    operand.kind = Operand::weak_real;
    operand.scalar = object;
  } else if (PyBool_Check(object)) {
    strong(Tensor::scalar(DType::Bool, std::int64_t{object == Py_True}));
  } else if (PyLong_Check(object)) {
    operand.kind = Operand::weak_integer;
    operand.scalar = object;
  } else if (is_numpy_array(object)) {
    strong(from_numpy(object));
  } else if (is_numpy_scalar(object)) {
    strong(from_numpy_scalar(object));
  } else if (PyFloat_Check(object)) {
    operand.kind = Operand::weak_real;
    operand.scalar = object;
  } else if (PyComplex_Check(object) || PyUnicode_Check(object) || PyBytes_Check(object) || object == Py_None ||
             PySlice_Check(object) || object == Py_Ellipsis || is_complex_tensor(object)) {
    return operand;
  } else if (Tensor numbers = is_plain_sequence(object) && !Trace::current() ? NestedNumbers::read(object) : Tensor()) {
    strong(std::move(numbers));
  } else if ((PyList_Check(object) || PyTuple_Check(object)) && contains_tensor(object)) {
    strong(stack_sequence(object));
  } else if (Tensor numbers = is_plain_sequence(object) && Trace::current() ? NestedNumbers::read(object) : Tensor()) {
    strong(std::move(numbers));
  } else if (const Object method =
                 is_plain_sequence(object) ? Object() : attribute_or_none(object, "__chainrule_tensor__")) {
    const Object tensor = Object::steal(PyObject_CallNoArgs(method.get()));
    if (!is_tensor(tensor.get())) raise(PyExc_TypeError, "__chainrule_tensor__() must return a chainrule.Tensor");
    strong(handle_of(tensor.get()));
  } else if (const Object method = is_plain_sequence(object) || PyType_Check(object)
                                       ? Object()
                                       : attribute_or_none(object, "__array__")) {
    // What it makes may be a tensor, which NumPy would not take.
    const Object made = Object::steal(PyObject_CallNoArgs(method.get()));
    if (is_tensor(made.get())) {
      strong(handle_of(made.get()));
    } else {
      const Object array = Object::steal(PyObject_CallMethod(numpy_module(), "asarray", "(O)", made.get()));
      strong(from_numpy(array.get()));
    }
  } else {
    const Object array = Object::steal(PyObject_CallMethod(numpy_module(), "asarray", "(O)", object));
    strong(from_numpy(array.get()));
  }
  return operand;
}

bool computes_itself(PyObject* object) {
  if (is_tensor(object) || PyFloat_Check(object) || PyLong_Check(object) || is_plain_sequence(object)) return false;
  if (is_numpy_array(object)) {
    const NumpyTypes* types = numpy_types();
    return Py_TYPE(object) != types->array && Py_TYPE(object) != types->memmap;
  }
  if (is_numpy_scalar(object) || is_complex_tensor(object)) return false;
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(object));
  const Object ufunc = attribute_or_none(type, "__array_ufunc__");
  return ufunc && ufunc.get() != Py_None && !PyObject_HasAttrString(type, "__chainrule_tensor__");
}

Operand read_argument(PyObject* object) { return computes_itself(object) ? Operand() : read_operand(object); }

bool is_foreign(PyObject* object) {
  if (computes_itself(object)) return true;
  if (!is_numpy_array(object)) return PyComplex_CheckExact(object);
  return dtype_index(reinterpret_cast<const NumpyDtype*>(reinterpret_cast<const NumpyArray*>(object)->dtype)) < 0;
}

bool handles_operators_itself(PyObject* object) {
  if (is_tensor(object) || PyFloat_Check(object) || PyLong_Check(object) || PyComplex_Check(object) ||
      PyList_Check(object) || PyTuple_Check(object) || is_numpy_array(object) || is_numpy_scalar(object))
    return false;
  // Looked up on the type, as Python does for special methods.
  PyObject* type = reinterpret_cast<PyObject*>(Py_TYPE(object));
  if (PyObject_HasAttrString(type, "__chainrule_tensor__")) return false;
  if (const Object ufunc = attribute_or_none(type, "__array_ufunc__")) return ufunc.get() == Py_None;
  if (PyObject_HasAttrString(type, "__array_priority__")) return true;
  return !(PyObject_HasAttrString(type, "__array__") || PyObject_HasAttrString(type, "__array_interface__") ||
           PyObject_CheckBuffer(object));
}

Tensor to_tensor(PyObject* object, const char* context) {
  Operand operand = read_operand(object);
  switch (operand.kind) {
    case Operand::strong:
      return std::move(operand.tensor);
    case Operand::weak_real:
      return weak_scalar(object, DType::F64);
    case Operand::weak_integer:
      return weak_scalar(object, integer_range(object, DType::I64) > 0 ? DType::U64 : DType::I64);
    case Operand::unsupported:
      break;
  }
  throw DTypeError(
      message("[", context, "] ", dtype_name_of(object), " is not supported as a tensor; there are ", kSupported));
}

Tensor as_array(PyObject* object, PyObject* dtype, Copy copy) {
  const bool shares = is_tensor(object) || is_numpy_array(object) ||
                      (!is_plain_sequence(object) && PyObject_HasAttrString(object, "__chainrule_tensor__"));
  Tensor tensor;
  const bool number = PyFloat_CheckExact(object) || (PyLong_Check(object) && !PyBool_Check(object));
  if (number && dtype != Py_None) {
    const DType type = dtype_from_python(dtype);
    if (is_bool(type) || (PyFloat_Check(object) && !is_float(type))) {
      tensor = Tensor::empty(type, Shape());
      store_element(type, tensor.data(), object);
    } else {
      tensor = weak_scalar(object, type);
    }
    return tensor;
  }
  if (dtype != Py_None && is_plain_sequence(object) && !contains_tensor(object)) {
    // NumPy converts element by element: what doesn't fit the dtype is an error, not a wrapped number.
    const DType type = dtype_from_python(dtype);
    if (type == DType::BF16) return fn::cast(as_array(object, dtype_to_python(DType::F64), Copy::if_needed), type);
    const Object array =
        Object::steal(PyObject_CallMethod(numpy_module(), "asarray", "OO", object, dtype_to_python(type)));
    return from_numpy(array.get());
  }
  tensor = to_tensor(object);
  const DType type = dtype == Py_None ? tensor.dtype() : dtype_from_python(dtype);
  const bool same = type == tensor.dtype();
  if (copy == Copy::never && (!shares || !same))
    raise(PyExc_ValueError, "Unable to avoid copy while creating an array as requested; use copy=None to allow one");
  if (!same) return cast_as_numpy(tensor, type);
  if (copy == Copy::always && shares) {
    static const Op* const op = find_op("copy");
    return apply(*op, &tensor, 1, {});
  }
  return tensor;
}

PyObject* numpy_owner(const Tensor& tensor) {
  const Storage* storage = tensor.impl()->storage.get();
  if (!storage || storage->release_owner != release_python_owner) return nullptr;
  PyObject* const owner = static_cast<PyObject*>(storage->owner);
  return is_numpy_array(owner) ? owner : nullptr;
}

PyObject* numpy_scalar_type(DType dtype) {
  const NumpyTypes* types = numpy_types();
  return types ? reinterpret_cast<PyObject*>(types->scalars[index(dtype)]) : nullptr;
}

void require_values(const Tensor& tensor, const char* what) {
  if (tensor.is_placeholder()) throw_traced_value(what);
}

Tensor with_type(const Tensor& x, DType dtype) {
  Tensor seen = x.alias();
  seen.impl()->dtype = dtype;
  return seen;
}

Object to_numpy(PyObject* tensor) {
  require_values(handle_of(tensor), "numpy");
  if (dtype_of(tensor) == DType::BF16) {
    const Object dtype = Object::steal(PyObject_CallMethod(bfloat16_object(), "numpy", nullptr));
    const Object bits = to_numpy(with_type(handle_of(tensor), DType::U16));
    return Object::steal(PyObject_CallMethod(bits.get(), "view", "O", dtype.get()));
  }
  const Tensor& x = handle_of(tensor);
  Py_ssize_t shape[kMaxDims], strides[kMaxDims];
  for (int i = 0; i < x.ndim(); ++i) {
    shape[i] = x.length(i);
    strides[i] = x.strides()[i] * static_cast<Py_ssize_t>(itemsize(x.dtype()));
  }
  const NumpyApi& api = numpy_api();
  Object array =
      Object::steal(api.new_from_dtype(api.array_type, Py_NewRef(dtype_to_python(x.dtype())), x.ndim(), shape, strides,
                                       x.data(), is_writable(x) ? kNumpyWriteable : 0, nullptr));
  check(api.set_base(array.get(), Py_NewRef(tensor)));
  return array;
}

Object to_numpy(const Tensor& tensor) {
  const Object object = Object::steal(wrap(tensor));
  return to_numpy(object.get());
}

// ---- scalars
// -----------------------------------------------------------------------------------------------------------

namespace {

template <class T>
T load(const void* element) {
  T value;
  std::memcpy(&value, element, sizeof(T));
  return value;
}

struct Range {
  long long low;
  unsigned long long high;
};

Range range_of(DType dtype) {
  const int bits = static_cast<int>(itemsize(dtype)) * 8;
  if (is_bool(dtype)) return {0, 1};
  if (is_unsigned_integer(dtype)) return {0, bits == 64 ? ~0ull : (1ull << bits) - 1};
  const unsigned long long high = (1ull << (bits - 1)) - 1;
  return {-static_cast<long long>(high) - 1, high};
}

}  // namespace

int integer_range(PyObject* number, DType dtype) {
  const Range range = range_of(dtype);
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
  if (overflow < 0) return -1;
  if (overflow > 0) {
    if (dtype != DType::U64) return 1;
    PyLong_AsUnsignedLongLong(number);
    if (!PyErr_Occurred()) return 0;
    PyErr_Clear();
    return 1;
  }
  if (value < range.low) return -1;
  return value > 0 && static_cast<unsigned long long>(value) > range.high ? 1 : 0;
}

Tensor weak_scalar(PyObject* number, DType dtype) {
  if (is_float(dtype)) {
    const double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred()) throw PythonError();
    return Tensor::scalar(dtype, value);
  }
  if (integer_range(number, dtype) != 0)
    raise_format(PyExc_OverflowError, "Python integer %S out of bounds for %s", number, name(dtype));
  const std::int64_t value = dtype == DType::U64 ? static_cast<std::int64_t>(PyLong_AsUnsignedLongLong(number))
                                                 : static_cast<std::int64_t>(PyLong_AsLongLong(number));
  return Tensor::scalar(dtype, value);
}

Object element_to_python(DType dtype, const void* element) {
  switch (dtype) {
    case DType::Bool:
      return Object::steal(PyBool_FromLong(load<std::uint8_t>(element)));
    case DType::I8:
      return Object::steal(PyLong_FromLong(load<std::int8_t>(element)));
    case DType::I16:
      return Object::steal(PyLong_FromLong(load<std::int16_t>(element)));
    case DType::I32:
      return Object::steal(PyLong_FromLong(load<std::int32_t>(element)));
    case DType::I64:
      return Object::steal(PyLong_FromLongLong(load<std::int64_t>(element)));
    case DType::U8:
      return Object::steal(PyLong_FromLong(load<std::uint8_t>(element)));
    case DType::U16:
      return Object::steal(PyLong_FromLong(load<std::uint16_t>(element)));
    case DType::U32:
      return Object::steal(PyLong_FromUnsignedLong(load<std::uint32_t>(element)));
    case DType::U64:
      return Object::steal(PyLong_FromUnsignedLongLong(load<std::uint64_t>(element)));
    case DType::F16:
      return Object::steal(PyFloat_FromDouble(float16_to_float(load<std::uint16_t>(element))));
    case DType::BF16:
      return Object::steal(PyFloat_FromDouble(bfloat16_to_float(load<std::uint16_t>(element))));
    case DType::F32:
      return Object::steal(PyFloat_FromDouble(load<float>(element)));
    case DType::F64:
      return Object::steal(PyFloat_FromDouble(load<double>(element)));
  }
  return {};
}

void store_element(DType dtype, void* element, PyObject* number) {
  if (is_float(dtype)) {
    const double value = PyFloat_AsDouble(number);
    if (value == -1.0 && PyErr_Occurred()) throw PythonError();
    kernels().move.cast[index(dtype)][index(DType::F64)](element, &value, 1);
    return;
  }
  if (is_bool(dtype)) {
    const int truth = PyObject_IsTrue(number);
    check(truth);
    *static_cast<std::uint8_t*>(element) = static_cast<std::uint8_t>(truth);
    return;
  }
  const Object integer = PyLong_Check(number) ? Object::borrow(number) : Object::steal(PyNumber_Long(number));
  if (integer_range(integer.get(), dtype) != 0)
    raise_format(PyExc_OverflowError, "Python integer %S out of bounds for %s", integer.get(), name(dtype));
  // Two's complement, little end first: the low bytes of the 64 are the element.
  const std::uint64_t bits = dtype == DType::U64 ? PyLong_AsUnsignedLongLong(integer.get())
                                                 : static_cast<std::uint64_t>(PyLong_AsLongLong(integer.get()));
  std::memcpy(element, &bits, itemsize(dtype));
}

}  // namespace chainrule
