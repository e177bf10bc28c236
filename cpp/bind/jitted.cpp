#include "bind/jitted.h"

#include <pybind11/pybind11.h>

#include <memory>
#include <utility>
#include <vector>

#include "bind/convert.h"
#include "bind/tensor_type.h"
#include "graph/program.h"
#include "graph/tape.h"
#include "graph/trace.h"

namespace chainrule {

namespace {

// A place in a tree of arguments or results: a tensor, a container of places, None, or (of arguments) a fixed value.
struct Place {
  enum Kind : unsigned char { tensor, tuple, list, dict, named, none, fixed } kind = tensor;
  DType dtype = DType::F32;
  Shape shape;
  Object value;              // fixed: the value; named: the type
  std::vector<Object> keys;  // dict: in the order of the leaves
  std::vector<Place> children;
};

struct Entry {
  std::vector<Place> arguments;
  std::shared_ptr<Program> program;
  Place results;
};

constexpr std::size_t kMostEntries = 16;  // looked through one by one; further signatures are Python's to find
constexpr int kStepsWithoutOthers = 16;   // a program of more steps lets other threads run meanwhile

struct JittedObject {
  PyObject_HEAD vectorcallfunc call;
  PyObject* slow;
  PyObject* attributes;
  PyObject* weak_references;
  std::vector<std::shared_ptr<const Entry>>* entries;  // shared: a call may run while they change
};

JittedObject* jitted_of(PyObject* object) { return reinterpret_cast<JittedObject*>(object); }

// ---- signatures

bool has_fixed_type(PyObject* object) {
  return PyLong_CheckExact(object) || PyFloat_CheckExact(object) || PyBool_Check(object) ||
         PyUnicode_CheckExact(object);
}

// The tensor of an argument, or an empty one.
Tensor tensor_of(PyObject* object) {
  if (Py_TYPE(object) == &tensor_type) return handle_of(object);
  if (is_numpy_array(object)) return from_numpy(object);
  return is_numpy_scalar(object) ? std::move(read_operand(object).tensor) : Tensor();
}

bool describe(PyObject* object, Place& place) {
  const Nesting nesting;
  if (object == Py_None) {
    place.kind = Place::none;
  } else if (has_fixed_type(object)) {
    place.kind = Place::fixed;
    place.value = Object::borrow(object);
  } else if (PyTuple_CheckExact(object) || PyList_CheckExact(object)) {
    place.kind = PyTuple_CheckExact(object) ? Place::tuple : Place::list;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) {
      place.children.emplace_back();
      if (!describe(PySequence_Fast_GET_ITEM(object, i), place.children.back())) return false;
    }
  } else if (PyDict_CheckExact(object)) {
    place.kind = Place::dict;
    const Object keys = Object::steal(PyDict_Keys(object));
    check(PyList_Sort(keys.get()));
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(keys.get()); ++i) {
      place.keys.push_back(Object::borrow(PyList_GET_ITEM(keys.get(), i)));
      place.children.emplace_back();
      PyObject* item = PyDict_GetItemWithError(object, place.keys.back().get());
      if (!item || !describe(item, place.children.back())) return false;
    }
  } else {
    const Tensor x = tensor_of(object);
    if (!x) return false;
    place.dtype = x.dtype();
    place.shape = x.shape();
  }
  return true;
}

bool fits(const Place& place, PyObject* object, std::vector<Tensor>& inputs) {
  switch (place.kind) {
    case Place::tensor: {
      Tensor x = tensor_of(object);
      if (!x || x.is_placeholder() || x.dtype() != place.dtype || x.shape() != place.shape) return false;
      inputs.push_back(contiguous(x));
      return true;
    }
    case Place::none:
      return object == Py_None;
    case Place::fixed: {
      if (Py_TYPE(object) != Py_TYPE(place.value.get())) return false;
      const int equal = PyObject_RichCompareBool(object, place.value.get(), Py_EQ);
      check(equal);
      return equal == 1;
    }
    case Place::tuple:
    case Place::list: {
      if (place.kind == Place::tuple ? !PyTuple_CheckExact(object) : !PyList_CheckExact(object)) return false;
      if (PySequence_Fast_GET_SIZE(object) != static_cast<Py_ssize_t>(place.children.size())) return false;
      for (std::size_t i = 0; i < place.children.size(); ++i)
        if (!fits(place.children[i], PySequence_Fast_GET_ITEM(object, static_cast<Py_ssize_t>(i)), inputs))
          return false;
      return true;
    }
    case Place::dict: {
      if (!PyDict_CheckExact(object) || PyDict_GET_SIZE(object) != static_cast<Py_ssize_t>(place.keys.size()))
        return false;
      for (std::size_t i = 0; i < place.keys.size(); ++i) {
        PyObject* item = PyDict_GetItemWithError(object, place.keys[i].get());
        if (!item && PyErr_Occurred()) throw PythonError();
        if (!item || !fits(place.children[i], item, inputs)) return false;
      }
      return true;
    }
    case Place::named:
      break;
  }
  return false;
}

// ---- results

// The structure as chainrule/tree.py writes it: "*", or (kind, keys or type, children).
Place read_structure(PyObject* structure) {
  Place place;
  if (!PyTuple_Check(structure)) return place;
  const char* kind = utf8(PyTuple_GetItem(structure, 0));
  if (!kind) throw PythonError();
  PyObject* extra = PyTuple_GetItem(structure, 1);
  PyObject* children = PyTuple_GetItem(structure, 2);
  if (!children) throw PythonError();
  switch (kind[0] == 'n' ? kind[1] : kind[0]) {  // tuple, list, dict, named, none
    case 't':
      place.kind = Place::tuple;
      break;
    case 'l':
      place.kind = Place::list;
      break;
    case 'd':
      place.kind = Place::dict;
      for (Py_ssize_t i = 0; i < PyTuple_Size(extra); ++i)
        place.keys.push_back(Object::borrow(PyTuple_GetItem(extra, i)));
      break;
    case 'a':
      place.kind = Place::named;
      place.value = Object::borrow(extra);
      break;
    default:
      place.kind = Place::none;
  }
  for (Py_ssize_t i = 0; i < PyTuple_Size(children); ++i)
    place.children.push_back(read_structure(PyTuple_GetItem(children, i)));
  return place;
}

Object build(const Place& place, std::vector<Tensor>& results, std::size_t& next) {
  switch (place.kind) {
    case Place::tensor:
      return Object::steal(wrap_result(std::move(results[next++])));
    case Place::tuple:
    case Place::named: {
      Object tuple = Object::steal(PyTuple_New(static_cast<Py_ssize_t>(place.children.size())));
      for (std::size_t i = 0; i < place.children.size(); ++i)
        PyTuple_SET_ITEM(tuple.get(), static_cast<Py_ssize_t>(i), build(place.children[i], results, next).release());
      return place.kind == Place::tuple ? tuple : Object::steal(PyObject_CallObject(place.value.get(), tuple.get()));
    }
    case Place::list: {
      Object list = Object::steal(PyList_New(static_cast<Py_ssize_t>(place.children.size())));
      for (std::size_t i = 0; i < place.children.size(); ++i)
        PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), build(place.children[i], results, next).release());
      return list;
    }
    case Place::dict: {
      Object dict = Object::steal(PyDict_New());
      for (std::size_t i = 0; i < place.keys.size(); ++i)
        check(PyDict_SetItem(dict.get(), place.keys[i].get(), build(place.children[i], results, next).get()));
      return dict;
    }
    case Place::none:
    case Place::fixed:
      break;
  }
  return Object::borrow(Py_None);
}

PyObject* run_entry(const std::shared_ptr<const Entry>& entry, const std::vector<Tensor>& inputs) {
  Program* const program = entry->program.get();
  std::vector<Tensor> results;
  if (program->parallel() || program->n_steps() > kStepsWithoutOthers) {
    const pybind11::gil_scoped_release unlocked;
    results = program->run(inputs.data());
  } else {
    results = program->run(inputs.data());
  }
  std::size_t next = 0;
  return build(entry->results, results, next).release();
}

// ---- the callable

PyObject* call_slowly(JittedObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* keyword_names) {
  const Object positional = Object::steal(PyTuple_New(count)), keywords = Object::steal(PyDict_New());
  for (Py_ssize_t i = 0; i < count; ++i) PyTuple_SET_ITEM(positional.get(), i, Py_NewRef(arguments[i]));
  for (Py_ssize_t k = 0; keyword_names && k < PyTuple_GET_SIZE(keyword_names); ++k)
    check(PyDict_SetItem(keywords.get(), PyTuple_GET_ITEM(keyword_names, k), arguments[count + k]));
  return PyObject_CallFunctionObjArgs(self->slow, reinterpret_cast<PyObject*>(self), positional.get(), keywords.get(),
                                      nullptr);
}

PyObject* vectorcall(PyObject* object, PyObject* const* arguments, std::size_t given,
                     PyObject* keyword_names) noexcept {
  return guarded([=]() -> PyObject* {
    JittedObject* const self = jitted_of(object);
    const Py_ssize_t count = PyVectorcall_NARGS(given);
    const bool plain = !keyword_names || PyTuple_GET_SIZE(keyword_names) == 0;
    if (plain && !Trace::current() && !recording()) {
      std::vector<Tensor> inputs;
      for (std::size_t e = 0; e < self->entries->size(); ++e) {
        const std::shared_ptr<const Entry> entry = (*self->entries)[e];
        if (entry->arguments.size() != static_cast<std::size_t>(count)) continue;
        inputs.clear();
        inputs.reserve(static_cast<std::size_t>(entry->program->n_inputs()));
        bool same = true;
        for (Py_ssize_t i = 0; same && i < count; ++i)
          same = fits(entry->arguments[static_cast<std::size_t>(i)], arguments[i], inputs);
        if (same) return run_entry(entry, inputs);
      }
    }
    return call_slowly(self, arguments, count, keyword_names);
  });
}

PyObject* bind_to_instance(PyObject* self, PyObject* instance, PyObject*) noexcept {
  return !instance || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

int traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(jitted_of(object)->slow);
  Py_VISIT(jitted_of(object)->attributes);
  return 0;
}

int clear(PyObject* object) {
  Py_CLEAR(jitted_of(object)->slow);
  Py_CLEAR(jitted_of(object)->attributes);
  return 0;
}

void deallocate(PyObject* object) {
  PyObject_GC_UnTrack(object);
  if (jitted_of(object)->weak_references) PyObject_ClearWeakRefs(object);
  clear(object);
  delete jitted_of(object)->entries;
  PyObject_GC_Del(object);
}

PyGetSetDef attributes[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyTypeObject jitted_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "chainrule.Jitted";
  type.tp_doc = "A function whose programs are recorded and replayed; made by chainrule.jit.";
  type.tp_basicsize = sizeof(JittedObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_HAVE_GC;
  type.tp_vectorcall_offset = offsetof(JittedObject, call);
  type.tp_call = PyVectorcall_Call;
  type.tp_dictoffset = offsetof(JittedObject, attributes);
  type.tp_weaklistoffset = offsetof(JittedObject, weak_references);
  type.tp_descr_get = bind_to_instance;
  type.tp_traverse = traverse;
  type.tp_clear = clear;
  type.tp_dealloc = deallocate;
  type.tp_getset = attributes;
  return type;
}();

}  // namespace

bool prepare_jitted_type() { return PyType_Ready(&jitted_type) == 0; }

PyObject* make_jitted(PyObject* slow) {
  JittedObject* self = PyObject_GC_New(JittedObject, &jitted_type);
  if (!self) throw PythonError();
  self->call = vectorcall;
  self->slow = Py_NewRef(slow);
  self->attributes = nullptr;
  self->weak_references = nullptr;
  self->entries = new std::vector<std::shared_ptr<const Entry>>;
  PyObject_GC_Track(reinterpret_cast<PyObject*>(self));
  return reinterpret_cast<PyObject*>(self);
}

bool remember_program(PyObject* jitted, PyObject* arguments, PyObject* program, PyObject* structure) {
  if (Py_TYPE(jitted) != &jitted_type) raise(PyExc_TypeError, "remember_program: expected what jitted() made");
  std::vector<std::shared_ptr<const Entry>>& entries = *jitted_of(jitted)->entries;
  Entry entry;
  for (Py_ssize_t i = 0; i < PyTuple_Size(arguments); ++i) {
    entry.arguments.emplace_back();
    if (!describe(PyTuple_GetItem(arguments, i), entry.arguments.back())) return false;
  }
  entry.program = pybind11::cast<std::shared_ptr<Program>>(pybind11::handle(program));
  entry.results = read_structure(structure);
  if (entries.size() == kMostEntries) entries.pop_back();
  entries.insert(entries.begin(), std::make_shared<const Entry>(std::move(entry)));
  return true;
}

}  // namespace chainrule
