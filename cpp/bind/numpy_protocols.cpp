// __array__, __array_ufunc__ and __array_function__: what NumPy's own functions do when they meet a Tensor.
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/elementwise_call.h"
#include "bind/interop.h"
#include "bind/numpy_layout.h"
#include "bind/op_functions.h"
#include "bind/operators.h"
#include "bind/promote.h"
#include "bind/recorded_views.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"

namespace chainrule {

PyObject* tensor_array(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    PyObject *dtype = count > 0 ? arguments[0] : Py_None, *copy = count > 1 ? arguments[1] : Py_None;
    for (Py_ssize_t i = 0; keywords && i < PyTuple_GET_SIZE(keywords); ++i) {
      PyObject* name = PyTuple_GET_ITEM(keywords, i);
      if (PyUnicode_CompareWithASCIIString(name, "dtype") == 0) dtype = arguments[count + i];
      if (PyUnicode_CompareWithASCIIString(name, "copy") == 0) copy = arguments[count + i];
    }
    const Object array = to_numpy(self);
    const Object function = Object::steal(PyObject_GetAttrString(numpy_module(), "array"));
    const Object positional = Object::steal(PyTuple_Pack(1, array.get()));
    const Object options = Object::steal(Py_BuildValue("{s:O,s:O}", "dtype", dtype, "copy", copy));
    return PyObject_Call(function.get(), positional.get(), options.get());
  });
}

namespace {

// What certainly holds no tensor.
bool is_plain(PyObject* object) {
  return object == Py_None || PyFloat_CheckExact(object) || PyLong_CheckExact(object) || PyBool_Check(object) ||
         PyUnicode_CheckExact(object) || PyComplex_CheckExact(object) || PyType_Check(object) ||
         PySlice_Check(object) || object == Py_Ellipsis || is_numpy_array(object) || is_numpy_scalar(object);
}

}  // namespace

Object with_arrays(PyObject* object) {
  if (is_tensor(object)) {  // a number as NumPy's scalar, which some of its functions tell from an array
    const Object array = to_numpy(object);
    return is_number(object) ? Object::steal(PyObject_GetItem(array.get(), Object::steal(PyTuple_New(0)).get()))
                             : array;
  }
  const Nesting nesting;
  if (PyList_CheckExact(object) || PyTuple_CheckExact(object)) {
    const Py_ssize_t length = PySequence_Fast_GET_SIZE(object);
    Object list = Object::steal(PyList_New(length));
    for (Py_ssize_t i = 0; i < length; ++i)
      PyList_SET_ITEM(list.get(), i, with_arrays(PySequence_Fast_GET_ITEM(object, i)).release());
    return PyList_CheckExact(object) ? list : Object::steal(PyList_AsTuple(list.get()));
  }
  if (PyDict_CheckExact(object)) {
    Object dict = Object::steal(PyDict_New());
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(object, &position, &key, &value))
      check(PyDict_SetItem(dict.get(), key, with_arrays(value).get()));
    return dict;
  }
  if (is_plain(object)) return Object::borrow(object);
  const Object method = attribute_or_none(object, "__chainrule_tensor__");
  if (!method) return Object::borrow(object);
  return with_arrays(Object::steal(PyObject_CallNoArgs(method.get())).get());
}

namespace {

PyObject* complex_type = nullptr;
PyObject* complex_function = nullptr;

bool is_followed(PyObject* object) {
  if (!is_tensor(object) || !object_of(object)->handle) return false;
  const Tensor& x = handle_of(object);
  return x.is_placeholder() || (has_node(x) && recording());
}

}  // namespace

void set_complex(PyObject* type, PyObject* function) {
  Py_XSETREF(complex_type, Py_NewRef(type));
  Py_XSETREF(complex_function, Py_NewRef(function));
}

bool is_complex_tensor(PyObject* object) { return reinterpret_cast<PyObject*>(Py_TYPE(object)) == complex_type; }

PyObject* call_with_foreign(const char* name, PyObject* ufunc, PyObject* const* operands, Py_ssize_t count) {
  constexpr Py_ssize_t kMost = 3;
  bool followed = false;
  Object arrays[kMost];
  PyObject* given[kMost + 1];
  for (Py_ssize_t i = 0; i < count; ++i) followed = followed || is_followed(operands[i]);
  if (followed && complex_function) {
    const Object text = Object::steal(PyUnicode_FromString(name));
    given[0] = text.get();
    for (Py_ssize_t i = 0; i < count; ++i) given[i + 1] = operands[i];
    return PyObject_Vectorcall(complex_function, given, static_cast<std::size_t>(count) + 1, nullptr);
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    arrays[i] = with_arrays(operands[i]);
    given[i] = arrays[i].get();
  }
  const Object result = Object::steal(PyObject_Vectorcall(ufunc, given, static_cast<std::size_t>(count), nullptr));
  return with_tensors(result.get()).release();
}

Object with_tensors(PyObject* object) {
  const bool scalar = is_numpy_scalar(object);
  if (scalar || (is_numpy_array(object) && !computes_itself(object))) {
    if (!scalar && reinterpret_cast<const NumpyArray*>(object)->ndim > kMaxDims) return Object::borrow(object);
    Operand operand = read_operand(object);
    if (operand.kind != Operand::strong) return Object::borrow(object);
    return Object::steal(scalar ? wrap_result(std::move(operand.tensor)) : wrap(std::move(operand.tensor)));
  }
  if (PyList_CheckExact(object) || PyTuple_Check(object)) {
    const Nesting nesting;
    const Py_ssize_t length = PySequence_Fast_GET_SIZE(object);
    Object list = Object::steal(PyList_New(length));
    for (Py_ssize_t i = 0; i < length; ++i)
      PyList_SET_ITEM(list.get(), i, with_tensors(PySequence_Fast_GET_ITEM(object, i)).release());
    if (PyList_CheckExact(object)) return list;
    if (PyTuple_CheckExact(object)) return Object::steal(PyList_AsTuple(list.get()));
    // A named tuple (numpy.linalg.eigh's result, say) takes its fields one by one.
    const Object fields = Object::steal(PyList_AsTuple(list.get()));
    return Object::steal(PyObject_CallObject(reinterpret_cast<PyObject*>(Py_TYPE(object)), fields.get()));
  }
  return Object::borrow(object);
}

namespace {

// The op of ours that computes what this ufunc does, or null; NumPy's ufuncs are looked up once and kept alive.
const Op* find_op_of_ufunc(PyObject* ufunc) {
  const Object name = Object::steal(PyObject_GetAttrString(ufunc, "__name__"));
  const char* text = utf8(name.get());
  const Op* op = find_op(text);
  return op && (op->opcode >= 0 || std::strcmp(text, "matmul") == 0) ? op : nullptr;
}

const Op* op_of_ufunc(PyObject* ufunc) {
  static std::unordered_map<PyObject*, const Op*> known;
  const auto found = known.find(ufunc);
  if (found != known.end()) return found->second;
  const Op* op = find_op_of_ufunc(ufunc);
  if (op) known.emplace(Py_NewRef(ufunc), op);
  return op;
}

// Writes a result to what the caller passed as out=.
PyObject* write_out(const Op& op, const Tensor& result, PyObject* out) {
  const Tensor target = to_tensor(out, op.name);
  if (!can_cast_same_kind(result.dtype(), target.dtype()))
    throw DTypeError(message("Cannot cast ufunc '", op.name, "' output from dtype('", name(result.dtype()),
                             "') to dtype('", name(target.dtype()), "') with casting rule 'same_kind'"));
  if (is_tensor(out)) {
    if (!target.is_placeholder()) {
      require_writable(target, "output array is read-only");
      require_not_watched(target);
    }
    if (result.shape() != target.shape())
      throw ValueError(message("non-broadcastable output operand with shape ", to_string(target.shape()),
                               " doesn't match the broadcast shape ", to_string(result.shape())));
    replace_values(out, result);
    spread_values(out);
  } else {
    require_writable(target, "output array is read-only");
    require_values(result, op.name);
    if (has_node(result) && recording())
      raise_format(PyExc_NotImplementedError,
                   "[%s] out= is a numpy.ndarray, in which the gradient would be lost; pass a tensor", op.name);
    copy_into(target, result);
  }
  return Py_NewRef(out);
}

// Whether the call is one of tensors and data of dtypes that the core lacks, and of nothing else.
bool is_foreign_call(PyObject* const* inputs, Py_ssize_t count) {
  bool foreign = false;
  if (count > 3) return false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (is_foreign(inputs[i])) {
      foreign = true;
    } else if (!is_tensor(inputs[i])) {
      return false;
    }
  }
  return foreign;
}

// chainrule.numpy's function that follows what NumPy's ufunc does: the ufunc of its name, or a method of that. Empty
// where the ufunc is none of NumPy's own.
Object own_function(PyObject* ufunc, PyObject* method) {
  const Object name = Object::steal(PyObject_GetAttrString(ufunc, "__name__"));
  const Object theirs = attribute_or_none(numpy_module(), utf8(name.get()));
  if (theirs.get() != ufunc) return {};
  Object own = import_attribute("chainrule.numpy", utf8(name.get()));
  if (PyUnicode_CompareWithASCIIString(method, "__call__") == 0) return own;
  return Object::steal(PyObject_GetAttr(own.get(), method));
}

bool holds_floats(PyObject* result) {
  if (is_tensor(result)) return is_float(dtype_of(result));
  if (!PyTuple_CheckExact(result)) return is_numpy_array(result) || is_numpy_scalar(result);
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); ++i)
    if (holds_floats(PyTuple_GET_ITEM(result, i))) return true;
  return false;
}

PyObject* call_ufunc_as_op(const Op& op, PyObject* const* inputs, Py_ssize_t count, PyObject* out) {
  if (count != static_cast<Py_ssize_t>(op.tensors.size())) return nullptr;
  Operand operands[3];
  for (Py_ssize_t i = 0; i < count; ++i) {
    operands[i] = read_argument(inputs[i]);
    if (operands[i].kind == Operand::unsupported) return nullptr;
  }
  Tensor result;
  if (op.opcode >= 0) {
    result = call_elementwise(op, operands, static_cast<int>(count));
  } else {
    Tensor tensors[3];
    promote_structured(op, operands, static_cast<int>(count), tensors);
    result = run_op(op, tensors, static_cast<int>(count), {});
  }
  if (!out) return wrap_result(std::move(result));
  return write_out(op, result, out);
}

}  // namespace

PyObject* tensor_array_ufunc(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    const Py_ssize_t count = PyTuple_GET_SIZE(arguments);
    if (count < 2 || !PyUnicode_Check(PyTuple_GET_ITEM(arguments, 1)))
      raise(PyExc_TypeError, "__array_ufunc__() needs a ufunc and the name of a method");
    PyObject* ufunc = PyTuple_GET_ITEM(arguments, 0);
    PyObject* method = PyTuple_GET_ITEM(arguments, 1);
    PyObject* const* inputs = PySequence_Fast_ITEMS(arguments) + 2;
    if ((!keywords || PyDict_GET_SIZE(keywords) == 0) && PyUnicode_CompareWithASCIIString(method, "__call__") == 0) {
      if (const Op* op = op_of_ufunc(ufunc))
        if (PyObject* result = call_shortly(*op, inputs, count - 2)) return result;
      if (is_foreign_call(inputs, count - 2)) {
        const Object name = Object::steal(PyObject_GetAttrString(ufunc, "__name__"));
        return call_with_foreign(utf8(name.get()), ufunc, inputs, count - 2);
      }
    }
    for (Py_ssize_t i = 0; i < count - 2; ++i)
      if (handles_operators_itself(inputs[i])) return Py_NewRef(Py_NotImplemented);
    PyObject* outs = keywords ? PyDict_GetItemString(keywords, "out") : nullptr;
    const Py_ssize_t options = keywords ? PyDict_GET_SIZE(keywords) : 0;
    PyObject* out = outs && PyTuple_Check(outs) && PyTuple_GET_SIZE(outs) == 1 ? PyTuple_GET_ITEM(outs, 0) : nullptr;
    if (PyUnicode_CompareWithASCIIString(method, "__call__") == 0 && options == (out ? 1 : 0)) {
      if (const Op* op = op_of_ufunc(ufunc))
        if (PyObject* result = call_ufunc_as_op(*op, inputs, count - 2, out)) return result;
    }
    const Object positional = Object::steal(PyTuple_GetSlice(arguments, 2, count));
    bool followed = false;
    for (Py_ssize_t i = 0; i < count - 2; ++i) followed = followed || is_followed(inputs[i]);
    if (followed)
      if (const Object own = own_function(ufunc, method)) return PyObject_Call(own.get(), positional.get(), keywords);
    const Object function = Object::steal(PyObject_GetAttr(ufunc, method));
    const Object plain = with_arrays(positional.get());
    const Object plain_keywords = keywords ? with_arrays(keywords) : Object();
    const Object result = Object::steal(PyObject_Call(function.get(), plain.get(), plain_keywords.get()));
    if (outs && outs != Py_None) {  // NumPy wrote into the tensors' memory: the caller's own objects are the result
      if (!PyTuple_Check(outs)) return Py_NewRef(outs);
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(outs); ++i)
        if (is_tensor(PyTuple_GET_ITEM(outs, i))) handle_of(PyTuple_GET_ITEM(outs, i)).bump_version();
      return Py_NewRef(PyTuple_GET_SIZE(outs) == 1 ? PyTuple_GET_ITEM(outs, 0) : outs);
    }
    const Object tensors = with_tensors(result.get());
    if (followed && holds_floats(tensors.get())) {
      const Object name = Object::steal(PyObject_GetAttrString(ufunc, "__name__"));
      raise_format(PyExc_NotImplementedError,
                   "%U.%U has no gradient here; pass chainrule.stop_gradient(x) to use its result as a constant",
                   name.get(), method);
    }
    return Object(tensors).release();
  });
}

PyObject* tensor_array_function(PyObject*, PyObject* arguments, PyObject* keywords) {
  return guarded([=]() -> PyObject* {
    static const char* names[] = {"func", "types", "args", "kwargs", nullptr};
    PyObject *function, *types, *positional, *options;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "OOO!O!:__array_function__", const_cast<char**>(names),
                                     &function, &types, &PyTuple_Type, &positional, &PyDict_Type, &options))
      throw PythonError();
    // chainrule.numpy's function of the same name, where there is one; numpy.linalg.norm is
    // chainrule.numpy.linalg.norm.
    const Object module = Object::steal(PyObject_GetAttrString(function, "__module__"));
    const Object function_name = Object::steal(PyObject_GetAttrString(function, "__name__"));
    const std::string path = PyUnicode_Check(module.get()) ? utf8(module.get()) : "";
    Object found;
    if (path == "numpy" || path.rfind("numpy.", 0) == 0) {
      PyObject* face = PyImport_ImportModule(("chainrule." + path).c_str());
      if (face) {
        const Object keep = Object::steal(face);
        found = attribute_or_none(face, utf8(function_name.get()));
      } else if (PyErr_ExceptionMatches(PyExc_ImportError)) {
        PyErr_Clear();
      } else {
        throw PythonError();
      }
    }
    if (found && found.get() != function) return PyObject_Call(found.get(), positional, options);
    const Object plain = with_arrays(positional), plain_options = with_arrays(options);
    const Object result = Object::steal(PyObject_Call(function, plain.get(), plain_options.get()));
    return with_tensors(result.get()).release();
  });
}

}  // namespace chainrule
