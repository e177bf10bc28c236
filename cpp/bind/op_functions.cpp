#include "bind/op_functions.h"

#include <cstring>
#include <unordered_map>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/elementwise_call.h"
#include "bind/float_errors.h"
#include "bind/operators.h"
#include "bind/promote.h"
#include "bind/tensor_type.h"
#include "bind/ufunc_protocol.h"

namespace chainrule {

namespace {

constexpr int kMaxParams = 24;

struct OpObject {
  PyObject_HEAD vectorcallfunc call;
  const Op* op;
  int n_params;
  PyObject* names[kMaxParams];  // interned: tensors, then attributes
};

const Attrs kNoAttrs;

// ---- attributes
// --------------------------------------------------------------------------------------------------------

std::int64_t to_integer(PyObject* object) {
  const Object index = Object::steal(PyNumber_Index(object));
  const long long value = PyLong_AsLongLong(index.get());
  if (value == -1 && PyErr_Occurred()) throw PythonError();
  return value;
}

const char* expected(AttrKind kind) {
  switch (kind) {
    case AttrKind::integer:
      return "an integer";
    case AttrKind::real:
      return "a number";
    case AttrKind::boolean:
      return "True or False";
    case AttrKind::integers:
      return "an integer or a sequence of integers";
    case AttrKind::dtype:
      return "a dtype";
    case AttrKind::text:
      return "a string";
    case AttrKind::none:
      break;
  }
  return "None";
}

[[noreturn]] void wrong_attribute(const Op& op, const AttrParam& param, PyObject* object) {
  PyErr_Clear();
  raise_format(PyExc_TypeError, "[%s] '%s' must be %s%s, got %R of type %s", op.name, param.name, expected(param.kind),
               param.nullable ? " or None" : "", object, Py_TYPE(object)->tp_name);
}

Attr to_attribute(const Op& op, const AttrParam& param, PyObject* object) {
  if (PyBool_Check(object) && std::strcmp(param.name, "axis") == 0) wrong_attribute(op, param, object);
  if (object == Py_None && (param.nullable || (!param.required && param.default_value.is_none()))) return Attr();
  if (object == Py_None && param.kind != AttrKind::dtype) wrong_attribute(op, param, object);
  try {
    switch (param.kind) {
      case AttrKind::integer:
        return Attr::of(to_integer(object));
      case AttrKind::real: {
        const double value = PyFloat_AsDouble(object);
        if (value == -1.0 && PyErr_Occurred()) throw PythonError();
        return Attr::of(value);
      }
      case AttrKind::boolean: {
        const int truth = PyObject_IsTrue(object);
        check(truth);
        return Attr::of(truth != 0);
      }
      case AttrKind::integers: {
        std::vector<std::int64_t> values;
        if (PyIndex_Check(object) && !(is_tensor(object) && handle_of(object).ndim() > 0) && !is_numpy_array(object)) {
          if (std::strcmp(param.name, "axis") == 0) return Attr::of(to_integer(object));
          values.push_back(to_integer(object));
        } else {
          const Object sequence = Object::steal(PySequence_Fast(object, ""));
          for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(sequence.get()); ++i)
            values.push_back(to_integer(PySequence_Fast_GET_ITEM(sequence.get(), i)));
        }
        return Attr::of(std::move(values));
      }
      case AttrKind::dtype:
        return Attr::of(dtype_from_python(object));
      case AttrKind::text:
        return Attr::of(std::string(utf8(object)));
      case AttrKind::none:
        break;
    }
  } catch (const PythonError&) {
    if (param.kind == AttrKind::dtype || PyErr_ExceptionMatches(PyExc_OverflowError) ||
        PyErr_ExceptionMatches(trace_error_type()))
      throw;
    wrong_attribute(op, param, object);
  }
  return Attr();
}

// ---- arguments
// ---------------------------------------------------------------------------------------------------------

// Python objects sorted to the parameters; the list parameter's are a range of their own.
struct Arguments {
  PyObject* values[kMaxParams] = {};
  PyObject* const* list = nullptr;
  Py_ssize_t list_count = 0;
  bool has_list = false;
};

[[noreturn]] void wrong_call(const Op& op, const std::string& what) {
  raise_format(PyExc_TypeError, "[%s] %s; the signature is %s", op.name, what.c_str(), signature_of(op).c_str());
}

bool takes_list(const Op& op) { return !op.tensors.empty() && op.tensors.back().kind == TensorParam::list; }

void set_list(const Op& op, PyObject* object, Arguments& out) {
  if (!PyList_Check(object) && !PyTuple_Check(object))
    wrong_call(op, std::string("'") + op.tensors.back().name + "' must be a list or tuple of tensors, got " +
                       Py_TYPE(object)->tp_name);
  out.list = PySequence_Fast_ITEMS(object);
  out.list_count = PySequence_Fast_GET_SIZE(object);
  out.has_list = true;
}

void sort_arguments(const OpObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names,
                    Arguments& out) {
  const Op& op = *self->op;
  const int n_tensors = static_cast<int>(op.tensors.size());
  const int list = takes_list(op) ? n_tensors - 1 : -1;
  int next = 0;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (next == list) {
      if (PyList_Check(arguments[i]) || PyTuple_Check(arguments[i])) {
        set_list(op, arguments[i], out);
        ++next;
        continue;
      }
      out.list = arguments + i;
      out.list_count = count - i;
      out.has_list = true;
      break;
    }
    if (next >= self->n_params)
      wrong_call(op, "takes at most " + std::to_string(self->n_params) + " arguments, got " + std::to_string(count));
    out.values[next++] = arguments[i];
  }
  const Py_ssize_t keywords = keyword_names ? PyTuple_GET_SIZE(keyword_names) : 0;
  for (Py_ssize_t k = 0; k < keywords; ++k) {
    PyObject* name = PyTuple_GET_ITEM(keyword_names, k);
    int found = -1;
    for (int i = 0; i < self->n_params && found < 0; ++i)
      if (self->names[i] == name) found = i;
    for (int i = 0; i < self->n_params && found < 0; ++i)
      if (PyUnicode_Compare(self->names[i], name) == 0) found = i;
    if (found < 0) wrong_call(op, std::string("got an unexpected keyword argument '") + utf8(name) + "'");
    PyObject* value = arguments[count + k];
    if (found == list ? out.has_list : out.values[found] != nullptr)
      wrong_call(op, std::string("got multiple values for argument '") + utf8(name) + "'");
    if (found == list) {
      set_list(op, value, out);
    } else {
      out.values[found] = value;
    }
  }
}

// The tensors of the call, not yet promoted.
void read_tensors(const Op& op, const Arguments& given, std::vector<Operand>& operands) {
  const int n = static_cast<int>(op.tensors.size());
  const auto read = [&](PyObject* object, const TensorParam& param) {
    if (param.mutated) {
      if (!is_tensor(object))
        wrong_call(op, std::string("'") + param.name + "' is changed in place and must be a Tensor, got " +
                           Py_TYPE(object)->tp_name);
      // A list holds what is only read, too (gradients, perhaps broadcast): there the op itself looks.
      if (param.kind != TensorParam::list && !handle_of(object).is_placeholder())
        require_writable(handle_of(object), "assignment destination is read-only");
    }
    operands.push_back(read_argument(object));
    if (operands.back().kind == Operand::unsupported)
      throw DTypeError(message("[", op.name, "] '", param.name, "' is ", dtype_name_of(object),
                               ", which is not supported; there are bool, int8 to int64, uint8 to uint64, float32 and "
                               "float64"));
  };
  for (int i = 0; i < n; ++i) {
    const TensorParam& param = op.tensors[static_cast<std::size_t>(i)];
    if (param.kind == TensorParam::list) {
      for (Py_ssize_t k = 0; k < given.list_count; ++k) read(given.list[k], param);
    } else if (PyObject* object = given.values[i];
               object && !(object == Py_None && param.kind == TensorParam::optional)) {
      read(object, param);
    } else if (param.kind == TensorParam::required) {
      wrong_call(op, std::string("missing the argument '") + param.name + "'");
    } else {
      operands.emplace_back();
    }
  }
}

Attrs read_attributes(const Op& op, const Arguments& given) {
  Attrs attrs;
  attrs.reserve(op.attrs.size());
  for (std::size_t i = 0; i < op.attrs.size(); ++i) {
    const AttrParam& param = op.attrs[i];
    if (PyObject* object = given.values[op.tensors.size() + i]) {
      attrs.push_back(to_attribute(op, param, object));
    } else {
      if (param.required) wrong_call(op, std::string("missing the argument '") + param.name + "'");
      attrs.push_back(param.default_value);
    }
  }
  return attrs;
}

// These keep a second output for their gradient.
bool shows_first_output_only(const Op& op) {
  return std::strcmp(op.name, "sparse_softmax_cross_entropy") == 0 ||
         std::strcmp(op.name, "softmax_cross_entropy") == 0 || std::strcmp(op.name, "ctc_loss") == 0;
}

// Views, copies and conversions of an array without axes are arrays; what is computed is a number.
bool makes_arrays(const Op& op) {
  static const Op* const ops[] = {find_op("copy"), find_op("cast")};
  return op.view || &op == ops[0] || &op == ops[1];
}

// `first` is the first argument.
PyObject* wrap_outputs(const Op& op, std::vector<Tensor> outputs, PyObject* first) {
  if (outputs.empty()) return Py_NewRef(Py_None);
  if (outputs.size() == 1 || shows_first_output_only(op)) {
    if (op.view && first && is_tensor(first)) return wrap_view(std::move(outputs[0]), first);
    return makes_arrays(op) ? wrap(std::move(outputs[0])) : wrap_result(std::move(outputs[0]));
  }
  return wrap_all(std::move(outputs));
}

PyObject* call_parsed(const OpObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names) {
  const Op& op = *self->op;
  if (!keyword_names)
    if (PyObject* result = call_shortly(op, arguments, count)) return result;
  if (op.opcode >= 0) {
    PyObject* const function = reinterpret_cast<PyObject*>(const_cast<OpObject*>(self));
    if (PyObject* result = call_ufunc(function, op, arguments, count, keyword_names)) return result;
    if (PyErr_Occurred()) throw PythonError();
  }
  Arguments given;
  sort_arguments(self, arguments, count, keyword_names, given);
  std::vector<Operand> operands;
  read_tensors(op, given, operands);
  const int n = static_cast<int>(operands.size());
  if (op.opcode >= 0) return wrap_result(call_elementwise(op, operands.data(), n));
  const Attrs attrs = read_attributes(op, given);
  std::vector<Tensor> inputs(operands.size());
  promote_structured(op, operands.data(), n, inputs.data());
  std::vector<Tensor> outputs = run_op_all(op, inputs.data(), n, attrs);
  if (outputs.size() == 1) report_float_errors(op, inputs.data(), n, attrs, outputs[0]);
  return wrap_outputs(op, std::move(outputs), given.values[0]);
}

PyObject* vectorcall(PyObject* self, PyObject* const* arguments, std::size_t count, PyObject* keyword_names) noexcept {
  return guarded([=] {
    return call_parsed(reinterpret_cast<const OpObject*>(self), arguments, PyVectorcall_NARGS(count), keyword_names);
  });
}

// ---- descriptions
// ------------------------------------------------------------------------------------------------------

const char* kind_name(AttrKind kind) {
  constexpr const char* names[] = {"none", "integer", "real", "boolean", "integers", "dtype", "text"};
  return names[static_cast<int>(kind)];
}
const char* kind_name(TensorParam::Kind kind) {
  constexpr const char* names[] = {"required", "optional", "list"};
  return names[kind];
}

PyObject* representation(PyObject* self) noexcept {
  return PyUnicode_FromFormat("<op %s>", reinterpret_cast<OpObject*>(self)->op->name);
}

PyObject* attribute(PyObject* self, PyObject* name) noexcept {
  if (reinterpret_cast<OpObject*>(self)->op->opcode < 0) return PyObject_GenericGetAttr(self, name);
  return guarded([=] { return ufunc_attribute(self, name); });
}

PyObject* get_name(PyObject* self, void*) noexcept {
  return PyUnicode_FromString(reinterpret_cast<OpObject*>(self)->op->name);
}
PyObject* get_module(PyObject*, void*) noexcept { return PyUnicode_FromString("chainrule._core"); }
PyObject* get_doc(PyObject* self, void*) noexcept {
  return guarded([=] {
    const Op& op = *reinterpret_cast<OpObject*>(self)->op;
    return PyUnicode_FromFormat("%s\n\n%s", signature_of(op).c_str(), op.doc);
  });
}
PyObject* reduce(PyObject* self, PyObject*) noexcept {
  return PyUnicode_FromFormat("ops.%s", reinterpret_cast<OpObject*>(self)->op->name);
}

PyGetSetDef op_attributes[] = {{"__name__", get_name, nullptr, nullptr, nullptr},
                               {"__qualname__", get_name, nullptr, nullptr, nullptr},
                               {"__module__", get_module, nullptr, nullptr, nullptr},
                               {"__doc__", get_doc, nullptr, nullptr, nullptr},
                               {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef op_methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

const OpObject* object_of(const Op& op) { return reinterpret_cast<const OpObject*>(op_function(op)); }

}  // namespace

PyTypeObject op_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "chainrule._core.Op";
  type.tp_basicsize = sizeof(OpObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL;
  type.tp_vectorcall_offset = offsetof(OpObject, call);
  type.tp_call = PyVectorcall_Call;
  type.tp_repr = representation;
  type.tp_getattro = attribute;
  type.tp_getset = op_attributes;
  type.tp_methods = op_methods;
  return type;
}();

bool prepare_op_type() { return PyType_Ready(&op_type) == 0; }

PyObject* op_function(const Op& op) {
  static std::unordered_map<const Op*, PyObject*> functions;
  PyObject*& function = functions[&op];
  if (function) return function;
  OpObject* self = PyObject_New(OpObject, &op_type);
  if (!self) throw PythonError();
  self->call = vectorcall;
  self->op = &op;
  self->n_params = 0;
  for (const TensorParam& param : op.tensors) self->names[self->n_params++] = PyUnicode_InternFromString(param.name);
  for (const AttrParam& param : op.attrs) self->names[self->n_params++] = PyUnicode_InternFromString(param.name);
  return function = reinterpret_cast<PyObject*>(self);
}

PyObject* call_with_arguments(const Op& op, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names) {
  return call_parsed(object_of(op), arguments, count, keyword_names);
}

Object attribute_to_python(const Attr& attr) {
  switch (attr.kind) {
    case AttrKind::integer:
      return Object::steal(PyLong_FromLongLong(attr.integer));
    case AttrKind::real:
      return Object::steal(PyFloat_FromDouble(attr.real));
    case AttrKind::boolean:
      return Object::steal(PyBool_FromLong(attr.integer != 0));
    case AttrKind::integers: {
      Object tuple = Object::steal(PyTuple_New(static_cast<Py_ssize_t>(attr.integers.size())));
      for (std::size_t i = 0; i < attr.integers.size(); ++i)
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i),
                         Object::steal(PyLong_FromLongLong(attr.integers[i])).release());
      return tuple;
    }
    case AttrKind::dtype:
      return Object::steal(PyUnicode_FromString(name(attr.dtype())));
    case AttrKind::text:
      return Object::steal(PyUnicode_FromStringAndSize(attr.text.data(), static_cast<Py_ssize_t>(attr.text.size())));
    case AttrKind::none:
      break;
  }
  return Object::borrow(Py_None);
}

std::string signature_of(const Op& op) {
  std::string text = std::string(op.name) + "(";
  const char* separator = "";
  for (const TensorParam& param : op.tensors) {
    text += separator;
    if (param.kind == TensorParam::list) text += "*";
    text += param.name;
    if (param.kind == TensorParam::optional) text += "=None";
    separator = ", ";
  }
  for (const AttrParam& param : op.attrs) {
    text += separator + std::string(param.name);
    if (!param.required) {
      const Object value = attribute_to_python(param.default_value);
      const Object shown = Object::steal(PyObject_Repr(value.get()));
      text += std::string("=") + utf8(shown.get());
    }
    separator = ", ";
  }
  return text + ")";
}

Object describe(const Op& op) {
  Object tensors = Object::steal(PyList_New(0)), attrs = Object::steal(PyList_New(0));
  for (const TensorParam& p : op.tensors) {
    const Object entry = Object::steal(Py_BuildValue("{s:s,s:s,s:O}", "name", p.name, "kind", kind_name(p.kind),
                                                     "mutated", p.mutated ? Py_True : Py_False));
    check(PyList_Append(tensors.get(), entry.get()));
  }
  for (const AttrParam& p : op.attrs) {
    const Object value = attribute_to_python(p.default_value);
    const Object entry = Object::steal(
        Py_BuildValue("{s:s,s:s,s:O,s:O,s:O}", "name", p.name, "kind", kind_name(p.kind), "default", value.get(),
                      "required", p.required ? Py_True : Py_False, "nullable", p.nullable ? Py_True : Py_False));
    check(PyList_Append(attrs.get(), entry.get()));
  }
  return Object::steal(Py_BuildValue("{s:s,s:s,s:s,s:O,s:O,s:O,s:O}", "name", op.name, "doc", op.doc, "signature",
                                     signature_of(op).c_str(), "tensors", tensors.get(), "attrs", attrs.get(),
                                     "elementwise", op.opcode >= 0 ? Py_True : Py_False, "differentiable",
                                     op.vjp ? Py_True : Py_False));
}

}  // namespace chainrule
