#include "bind/flat.h"

#include <structmember.h>

#include <cstring>

#include "bind/elementwise_call.h"
#include "bind/face_function.h"
#include "bind/interop.h"
#include "bind/operators.h"
#include "bind/tensor_type.h"

namespace chainrule {

namespace {

struct FlatObject {
  PyObject_HEAD PyObject* base;
  Py_ssize_t index;  // of the element that comes next
};

FlatObject* flat_of(PyObject* object) { return reinterpret_cast<FlatObject*>(object); }

// Element number `place` of an array that nothing follows.
void* element_at(const Tensor& x, std::int64_t place) {
  std::int64_t offset = 0;
  for (int i = x.ndim() - 1; i >= 0; --i) {
    offset += place % x.length(i) * x.strides()[i];
    place /= x.length(i);
  }
  return static_cast<char*>(x.data()) + offset * static_cast<std::int64_t>(itemsize(x.dtype()));
}

// The array's handle, and the place that an int names; null for all other keys, and for arrays that ops must read.
const Tensor* plain_place(PyObject* self, PyObject* key, std::int64_t& place) {
  PyObject* const base = flat_of(self)->base;
  if (!PyLong_CheckExact(key) || needs_ops(base)) return nullptr;
  const Tensor& x = handle_of(base);
  int overflow;
  place = PyLong_AsLongLongAndOverflow(key, &overflow);
  if (overflow || place < -x.size() || place >= x.size()) return nullptr;
  if (place < 0) place += x.size();
  return &x;
}

PyObject* get(PyObject* self, PyObject* key) noexcept {
  return guarded([=]() -> PyObject* {
    std::int64_t place;
    if (const Tensor* x = plain_place(self, key, place)) return wrap_number(x->dtype(), element_at(*x, place));
    return PyObject_CallMethod(self, "_get", "O", key);
  });
}

int set(PyObject* self, PyObject* key, PyObject* value) noexcept {
  return guarded_status([=] {
    if (!value) raise(PyExc_TypeError, "Cannot delete iterator elements");
    std::int64_t place;
    std::uint64_t element;
    const Tensor* const x = plain_place(self, key, place);
    if (x && is_writable(*x) && !is_number(flat_of(self)->base) && read_element(value, x->dtype(), &element)) {
      std::memcpy(element_at(*x, place), &element, itemsize(x->dtype()));
      x->bump_version();
      return 0;
    }
    const Object result = Object::steal(PyObject_CallMethod(self, "_set", "OO", key, value));
    return 0;
  });
}

PyObject* next(PyObject* self) noexcept {
  return guarded([=]() -> PyObject* {
    FlatObject* const flat = flat_of(self);
    const Tensor& x = handle_of(flat->base);
    if (flat->index >= x.size()) {
      flat->index = 0;
      return nullptr;
    }
    const std::int64_t place = flat->index++;
    if (!needs_ops(flat->base)) return wrap_number(x.dtype(), element_at(x, place));
    return PyObject_CallMethod(self, "_get", "n", static_cast<Py_ssize_t>(place));
  });
}

Py_ssize_t length(PyObject* self) noexcept { return static_cast<Py_ssize_t>(handle_of(flat_of(self)->base).size()); }

PyObject* construct(PyTypeObject* type, PyObject* arguments, PyObject* keywords) noexcept {
  return guarded([=]() -> PyObject* {
    PyObject* base;
    static const char* names[] = {"base", nullptr};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O!:flatiter", const_cast<char**>(names), &tensor_type,
                                     &base))
      throw PythonError();
    PyObject* const self = type->tp_alloc(type, 0);
    if (!self) throw PythonError();
    flat_of(self)->base = Py_NewRef(base);
    flat_of(self)->index = 0;
    return self;
  });
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(flat_of(self)->base);
  return 0;
}
void deallocate(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_CLEAR(flat_of(self)->base);
  Py_TYPE(self)->tp_free(self);
}

PyMappingMethods mapping = {length, get, set};
PyMemberDef members[] = {
    {"base", T_OBJECT, offsetof(FlatObject, base), READONLY, "The array."},
    {"index", T_PYSSIZET, offsetof(FlatObject, index), READONLY, "The place of the element that comes next."},
    {nullptr, 0, 0, 0, nullptr}};

}  // namespace

PyTypeObject flat_type = [] {
  PyTypeObject type = blank_type();
  type.tp_name = "chainrule._core.FlatElements";
  type.tp_doc = "FlatElements(base)\n--\n\nThe elements of an array in row-major order.";
  type.tp_basicsize = sizeof(FlatObject);
  type.tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC;
  type.tp_new = construct;
  type.tp_traverse = traverse;
  type.tp_dealloc = deallocate;
  type.tp_free = PyObject_GC_Del;
  type.tp_as_mapping = &mapping;
  type.tp_iter = PyObject_SelfIter;
  type.tp_iternext = next;
  type.tp_members = members;
  return type;
}();

bool prepare_flat_type() { return PyType_Ready(&flat_type) == 0; }

}  // namespace chainrule
