#include "bind/ufunc_protocol.h"

#include <unordered_map>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/float_errors.h"
#include "bind/interop.h"
#include "bind/numpy_layout.h"
#include "bind/operators.h"
#include "bind/promote.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/elementwise.h"

namespace chainrule {

namespace {

PyObject* protocol_call = nullptr;
PyObject* protocol_attribute = nullptr;
PyObject* protocol_own = nullptr;

PyObject* forward(PyObject* function, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names) {
  const Object positional = Object::steal(PyTuple_New(count));
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(positional.get(), i, Py_NewRef(arguments[i]));
  const Object keywords = Object::steal(PyDict_New());
  for (Py_ssize_t k = 0; keyword_names && k < PyTuple_GET_SIZE(keyword_names); ++k)
    check(PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(keyword_names, k), arguments[count + k]));
  return PyObject_CallFunctionObjArgs(protocol_call, function, positional.get(), keywords.get(), nullptr);
}

// Whether all keywords are the op's own parameters: not a ufunc's way of calling.
bool names_operands(const Op& op, PyObject* keyword_names) {
  for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(keyword_names); ++k) {
    bool known = false;
    for (const TensorParam& param : op.tensors)
      known = known || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keyword_names, k), param.name) == 0;
    if (!known) return false;
  }
  return true;
}

// The array given as out= or behind the operands, where it is the only option.
PyObject* only_out(PyObject* const* arguments, Py_ssize_t count, int n, PyObject* keyword_names) {
  const Py_ssize_t keywords = keyword_names ? PyTuple_GET_SIZE(keyword_names) : 0;
  if (count + keywords != n + 1 || count < n) return nullptr;
  if (keywords == 1 && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keyword_names, 0), "out") != 0) return nullptr;
  return Py_TYPE(arguments[n]) == &tensor_type || is_numpy_array(arguments[n]) ? arguments[n] : nullptr;
}

// A call whose operands have dtypes that the core lacks is NumPy's, on the tensors' memory, unless a recording would
// have to know of it; null where it isn't that plain.
PyObject* call_numpy(const Op& op, PyObject* const* arguments, Py_ssize_t count, int n) {
  if (recording() || Trace::current() || count > n + 1) return nullptr;
  if (count > n && !is_numpy_array(arguments[n])) return nullptr;
  PyObject* const ufunc = numpy_ufunc(op);
  if (!ufunc || !protocol_own || PyDict_GetItemString(protocol_own, op.name)) return nullptr;
  Object arrays[4];
  PyObject* given[4];
  for (Py_ssize_t i = 0; i < count; ++i) {
    arrays[i] = with_arrays(arguments[i]);
    given[i] = arrays[i].get();
  }
  const Object result = Object::steal(PyObject_Vectorcall(ufunc, given, static_cast<std::size_t>(count), nullptr));
  return count > n ? Py_NewRef(result.get()) : with_tensors(result.get()).release();
}

// The tensor on an ndarray's own memory; an empty one where it would have to be copied.
Tensor from_numpy_unchanged(PyObject* array) {
  Tensor tensor = from_numpy(array);
  const auto* layout = reinterpret_cast<const NumpyArray*>(array);
  return tensor && tensor.data() == layout->data ? tensor : Tensor();
}

// Computes straight into `out` where dtypes and layout allow.
bool call_into(const Op& op, const Operand* operands, int n, PyObject* out) {
  if (recording() || Trace::current()) return false;
  if (Py_TYPE(out) == &tensor_type && is_number(out)) return false;
  const Tensor target = Py_TYPE(out) == &tensor_type ? handle_of(out) : from_numpy_unchanged(out);
  if (!target || target.is_placeholder()) return false;
  require_writable(target, "output array is read-only");
  Tensor inputs[3];
  promote_elementwise(op, operands, n, inputs);
  if (float_flags() != 0) clear_float_flags();
  if (!run_op_into(op, inputs, n, target)) return false;
  target.bump_version();
  report_float_errors(op, inputs, n, target);
  return true;
}

}  // namespace

PyObject* numpy_ufunc(const Op& op) {
  static std::unordered_map<const Op*, PyObject*> known;
  const auto found = known.find(&op);
  if (found != known.end()) return found->second;
  static PyObject* const type = Object::steal(PyObject_GetAttrString(numpy_module(), "ufunc")).release();
  Object ufunc = attribute_or_none(numpy_module(), op.name);
  if (ufunc && Py_TYPE(ufunc.get()) != reinterpret_cast<PyTypeObject*>(type)) ufunc = Object();
  return known.emplace(&op, ufunc.release()).first->second;
}

bool warns_as_numpy() { return protocol_call != nullptr; }

void set_ufunc_protocol(PyObject* call, PyObject* attribute, PyObject* own) {
  Py_XSETREF(protocol_own, Py_NewRef(own));
  Py_XSETREF(protocol_call, Py_NewRef(call));
  Py_XSETREF(protocol_attribute, Py_NewRef(attribute));
}

PyObject* call_ufunc(PyObject* function, const Op& op, PyObject* const* arguments, Py_ssize_t count,
                     PyObject* keyword_names) {
  const int n = static_cast<int>(op.tensors.size());
  PyObject* const out = only_out(arguments, count, n, keyword_names);
  if (out || ((count == n || count == n + 1) && !keyword_names)) {
    Operand operands[3];
    bool supported = true;
    for (int i = 0; i < n && supported; ++i) {
      operands[i] = read_argument(arguments[i]);
      supported = operands[i].kind != Operand::unsupported;
    }
    if (supported && is_numpys_object(operands, n)) supported = false;
    if (supported && count == n && !keyword_names) return wrap_result(call_elementwise(op, operands, n));
    if (supported && out && call_into(op, operands, n, out)) return Py_NewRef(out);
    if (!supported && !keyword_names)
      if (PyObject* result = call_numpy(op, arguments, count, n)) return result;
  } else if (keyword_names && names_operands(op, keyword_names)) {
    return nullptr;
  }
  return protocol_call ? forward(function, arguments, count, keyword_names) : nullptr;
}

PyObject* ufunc_attribute(PyObject* function, PyObject* name) {
  PyObject* const found = PyObject_GenericGetAttr(function, name);
  if (found || !protocol_attribute || !PyErr_ExceptionMatches(PyExc_AttributeError)) return found;
  PyErr_Clear();
  return PyObject_CallFunctionObjArgs(protocol_attribute, function, name, nullptr);
}

}  // namespace chainrule
