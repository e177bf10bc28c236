#include "bind/face_function.h"

#include <cstring>

#include "bind/convert.h"
#include "bind/interop.h"
#include "bind/numpy_layout.h"
#include "bind/shortcuts.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"

namespace chainrule {

namespace {

struct FunctionObject {
  PyObject_HEAD vectorcallfunc call;
  PyObject* name;    // below numpy: "linalg.norm"
  PyObject* ours;    // made of ops; None where there is none
  PyObject* theirs;  // NumPy's; None: ours takes everything itself, or raises
  bool ours_first;   // else NumPy's, where nothing is recorded
  Shortcut shortcut;
  PyObject* attributes;
  PyObject* weak_references;
};

FunctionObject* function_of(PyObject* object) { return reinterpret_cast<FunctionObject*>(object); }

PyObject* decide_function = nullptr;

using Arguments = PyObject* const*;

PyObject* decide(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keyword_names, bool refused) {
  if (!decide_function) raise(PyExc_RuntimeError, "chainrule.numpy has not been imported");
  const Object positional = Object::steal(PyTuple_New(count)), keywords = Object::steal(PyDict_New());
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(positional.get(), i, Py_NewRef(arguments[i]));
  for (Py_ssize_t k = 0; keyword_names && k < PyTuple_GET_SIZE(keyword_names); ++k)
    check(PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(keyword_names, k), arguments[count + k]));
  return PyObject_CallFunctionObjArgs(decide_function, self, positional.get(), keywords.get(),
                                      refused ? Py_True : Py_False, nullptr);
}

// ---- by NumPy
// ---------------------------------------------------------------------------------------------------------

// The arrays that NumPy is to write into are results themselves.
PyObject* given_out(Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  for (Py_ssize_t k = 0; keyword_names && k < PyTuple_GET_SIZE(keyword_names); ++k) {
    if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keyword_names, k), "out") != 0) continue;
    PyObject* const out = arguments[count + k];
    if (PyTuple_CheckExact(out) && PyTuple_GET_SIZE(out) == 1) return PyTuple_GET_ITEM(out, 0);
    return out;
  }
  return Py_None;
}

// Whether the error that is set tells of arrays that NumPy doesn't take from an object's __array__.
bool is_about_made_arrays() {
  if (!PyErr_ExceptionMatches(PyExc_ValueError)) return false;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  PyObject* const text = value ? PyObject_Str(value) : nullptr;
  const char* const characters = text ? PyUnicode_AsUTF8(text) : nullptr;
  const bool found = characters && std::strstr(characters, "__array__ method not producing");
  Py_XDECREF(text);
  PyErr_Clear();
  PyErr_Restore(type, value, traceback);
  return found;
}

}  // namespace

PyObject* call_numpys(PyObject* theirs, Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  constexpr Py_ssize_t kMost = 8;
  const Py_ssize_t total = count + (keyword_names ? PyTuple_GET_SIZE(keyword_names) : 0);
  if (total > kMost || recording() || Trace::current()) return nullptr;
  PyObject* const out = given_out(arguments, count, keyword_names);
  if (PyTuple_Check(out)) return nullptr;
  Object arrays[kMost];
  PyObject* space[kMost + 1];
  PyObject** const given = space + 1;
  try {
    for (Py_ssize_t i = 0; i < total; ++i) {
      arrays[i] = with_arrays(arguments[i]);
      given[i] = arrays[i].get();
    }
  } catch (const TraceError&) {  // a placeholder that outlived its recording
    return nullptr;
  }
  PyObject* const result = PyObject_Vectorcall(
      theirs, given, static_cast<std::size_t>(count) | PY_VECTORCALL_ARGUMENTS_OFFSET, keyword_names);
  if (!result) {
    if (!is_about_made_arrays()) throw PythonError();
    PyErr_Clear();
    return nullptr;
  }
  const Object keep = Object::steal(result);
  if (out != Py_None) {
    if (is_tensor(out)) handle_of(out).bump_version();
    return Py_NewRef(out);
  }
  for (Py_ssize_t i = 0; i < total; ++i)  // the caller's own object, which NumPy gave back
    if (result == given[i] && is_tensor(arguments[i]) && !is_number(arguments[i])) return Py_NewRef(arguments[i]);
  return with_tensors(result).release();
}

namespace {

// ---- by ours
// ----------------------------------------------------------------------------------------------------------

// Whether a first argument leaves the call to NumPy: data of a dtype that tensors lack, or what computes itself.
bool is_numpys(PyObject* object) {
  if (is_tensor(object)) return false;
  if (is_complex_tensor(object) || computes_itself(object)) return true;
  if (!is_numpy_array(object)) return false;
  PyObject* const dtype = reinterpret_cast<const NumpyArray*>(object)->dtype;
  return !is_our_dtype(dtype) || is_bfloat16(dtype);
}

PyObject* call_ours(PyObject* self, Arguments arguments, Py_ssize_t count, PyObject* keyword_names) {
  if (count > 0 && is_numpys(arguments[0])) {
    if (PyObject* result = call_numpys(function_of(self)->theirs, arguments, count, keyword_names)) return result;
    return decide(self, arguments, count, keyword_names, false);
  }
  PyObject* const result =
      PyObject_Vectorcall(function_of(self)->ours, arguments, static_cast<std::size_t>(count), keyword_names);
  if (result) return result;
  if (!PyErr_ExceptionMatches(PyExc_TypeError) && !PyErr_ExceptionMatches(PyExc_AttributeError)) throw PythonError();
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  const Object keep_type = Object::steal(type);
  Object keep_value = value ? Object::steal(value) : Object();
  Object keep_traceback = traceback ? Object::steal(traceback) : Object();
  PyObject* const answer = decide(self, arguments, count, keyword_names, true);
  if (answer != Py_NotImplemented) return answer;
  Py_DECREF(answer);
  PyErr_Restore(Py_NewRef(type), keep_value.release(), keep_traceback.release());
  throw PythonError();
}

PyObject* vectorcall(PyObject* self, Arguments arguments, std::size_t given, PyObject* keyword_names) noexcept {
  return guarded([=]() -> PyObject* {
    const Py_ssize_t count = PyVectorcall_NARGS(given);
    if (const Shortcut shortcut = function_of(self)->shortcut) {
      if (PyObject* result = shortcut(arguments, count, keyword_names)) return result;
      if (PyErr_Occurred()) throw PythonError();
    }
    if (function_of(self)->theirs == Py_None)
      return PyObject_Vectorcall(function_of(self)->ours, arguments, given, keyword_names);
    if (function_of(self)->ours_first) return call_ours(self, arguments, count, keyword_names);
    if (PyObject* result = call_numpys(function_of(self)->theirs, arguments, count, keyword_names)) return result;
    return decide(self, arguments, count, keyword_names, false);
  });
}

// ---- the type
// ---------------------------------------------------------------------------------------------------------

PyObject* construct(PyTypeObject*, PyObject* arguments, PyObject* keywords) noexcept {
  return guarded([=]() -> PyObject* {
    static const char* names[] = {"name", "ours", "theirs", "ours_first", nullptr};
    PyObject *name, *ours, *theirs;
    int ours_first;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "UOOp:Function", const_cast<char**>(names), &name, &ours,
                                     &theirs, &ours_first))
      throw PythonError();
    FunctionObject* self = PyObject_GC_New(FunctionObject, &function_type);
    if (!self) throw PythonError();
    self->call = vectorcall;
    self->name = Py_NewRef(name);
    self->ours = Py_NewRef(ours);
    self->theirs = Py_NewRef(theirs);
    self->ours_first = ours_first != 0;
    self->shortcut = find_shortcut(utf8(name));
    self->attributes = nullptr;
    self->weak_references = nullptr;
    PyObject_GC_Track(reinterpret_cast<PyObject*>(self));
    return reinterpret_cast<PyObject*>(self);
  });
}

PyObject* bind_to_instance(PyObject* self, PyObject* instance, PyObject*) noexcept {
  return !instance || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

PyObject* representation(PyObject* self) noexcept {
  return PyUnicode_FromFormat("<function chainrule.numpy.%U>", function_of(self)->name);
}

// Pickled by its name, as functions are.
PyObject* reduce(PyObject* self, PyObject*) noexcept { return PyObject_GetAttrString(self, "__name__"); }

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(function_of(object)->ours);
  Py_VISIT(function_of(object)->theirs);
  Py_VISIT(function_of(object)->attributes);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(function_of(object)->ours);
  Py_CLEAR(function_of(object)->theirs);
  Py_CLEAR(function_of(object)->attributes);
  return 0;
}

void deallocate(PyObject* object) {
  PyObject_GC_UnTrack(object);
  if (function_of(object)->weak_references) PyObject_ClearWeakRefs(object);
  clear(object);
  Py_CLEAR(function_of(object)->name);
  PyObject_GC_Del(object);
}

PyObject* get_name(PyObject* self, void*) noexcept { return Py_NewRef(function_of(self)->name); }
PyObject* get_ours(PyObject* self, void*) noexcept { return Py_NewRef(function_of(self)->ours); }
PyObject* get_theirs(PyObject* self, void*) noexcept { return Py_NewRef(function_of(self)->theirs); }
PyObject* get_first(PyObject* self, void*) noexcept { return PyBool_FromLong(function_of(self)->ours_first); }

PyGetSetDef attributes[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                            {"path", get_name, nullptr, "Its name below numpy.", nullptr},
                            {"ours", get_ours, nullptr, "The function made of ops, or None.", nullptr},
                            {"theirs", get_theirs, nullptr, "NumPy's function.", nullptr},
                            {"ours_first", get_first, nullptr, "Whether ours computes what it can.", nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef methods[] = {{"__reduce__", reduce, METH_NOARGS, nullptr}, {nullptr, nullptr, 0, nullptr}};

}  // namespace

PyTypeObject function_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "chainrule._core.Function";
  type.tp_doc = "Function(name, ours, theirs, ours_first)\n--\n\nA function of chainrule.numpy.";
  type.tp_basicsize = sizeof(FunctionObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR;
  type.tp_vectorcall_offset = offsetof(FunctionObject, call);
  type.tp_call = PyVectorcall_Call;
  type.tp_dictoffset = offsetof(FunctionObject, attributes);
  type.tp_weaklistoffset = offsetof(FunctionObject, weak_references);
  type.tp_new = construct;
  type.tp_descr_get = bind_to_instance;
  type.tp_repr = representation;
  type.tp_traverse = traverse;
  type.tp_clear = clear;
  type.tp_dealloc = deallocate;
  type.tp_getset = attributes;
  type.tp_methods = methods;
  return type;
}();

bool prepare_function_type() { return PyType_Ready(&function_type) == 0; }

void set_decide(PyObject* decide) { Py_XSETREF(decide_function, Py_NewRef(decide)); }

bool needs_ops(PyObject* value) {
  if (is_tensor(value)) {
    if (!object_of(value)->handle) return false;
    const Tensor& x = object_of(value)->handle;
    return x.is_placeholder() || (has_node(x) && recording());
  }
  if (PyList_Check(value) || PyTuple_Check(value)) {
    const Nesting nesting;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(value); ++i)
      if (needs_ops(PySequence_Fast_GET_ITEM(value, i))) return true;
    return false;
  }
  return is_complex_tensor(value);
}

}  // namespace chainrule
