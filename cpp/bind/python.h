// Small tools for talking to CPython by hand: an owning pointer, errors in both directions, the GIL.
// Invariants: a PythonError is thrown only while Python's error indicator is set; every slot and function that Python
// calls runs inside guarded(), so no C++ exception crosses into C.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace chainrule {

struct PythonError {};  // Python's error indicator says what happened

// Owns one reference.
class Object {
 public:
  Object() = default;
  // Takes over a new reference; throws PythonError if the call that made it failed.
  static Object steal(PyObject* pointer) {
    if (!pointer) throw PythonError();
    return Object(pointer);
  }
  static Object borrow(PyObject* pointer) {
    Py_XINCREF(pointer);
    return Object(pointer);
  }
  Object(const Object& other) : pointer_(other.pointer_) { Py_XINCREF(pointer_); }
  Object(Object&& other) noexcept : pointer_(std::exchange(other.pointer_, nullptr)) {}
  Object& operator=(Object other) noexcept {
    std::swap(pointer_, other.pointer_);
    return *this;
  }
  ~Object() { Py_XDECREF(pointer_); }
  PyObject* get() const { return pointer_; }
  PyObject* release() { return std::exchange(pointer_, nullptr); }
  explicit operator bool() const { return pointer_ != nullptr; }

 private:
  explicit Object(PyObject* pointer) : pointer_(pointer) {}
  PyObject* pointer_ = nullptr;
};

// Sets Python's error from the C++ exception being handled.
void translate_exception() noexcept;
// chainrule.TraceError, made on first use (borrowed).
PyObject* trace_error_type();

// Throws the Python exception `type` with a text.
[[noreturn]] void raise(PyObject* type, const char* text);
[[noreturn]] void raise_format(PyObject* type, const char* format, ...);
// The characters of a str, which live as long as it does. TypeError where it is none; a lone surrogate has no UTF-8.
inline const char* utf8(PyObject* text) {
  const char* const characters = PyUnicode_AsUTF8(text);
  if (!characters) throw PythonError();
  return characters;
}

// Stands in every function that goes into a container and calls itself for what it holds. Throws ValueError far beyond
// the 64 axes of NumPy's arrays, where a list that holds itself would never end.
class Nesting {
 public:
  Nesting() {
    if (++levels() > kMost) {
      --levels();
      raise_format(PyExc_ValueError, "containers are nested more than %d levels deep; does one hold itself?", kMost);
    }
  }
  ~Nesting() { --levels(); }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  static constexpr int kMost = 200;
  static int& levels() {
    thread_local int levels = 0;
    return levels;
  }
};
inline void check(int status) {
  if (status < 0) throw PythonError();
}

template <class Body>
PyObject* guarded(Body&& body) noexcept {
  try {
    return body();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// For slots that return an int: -1 tells of an error.
template <class Body>
int guarded_status(Body&& body) noexcept {
  try {
    return static_cast<int>(body());
  } catch (...) {
    translate_exception();
    return -1;
  }
}

// A type object with nothing set but its header.
inline PyTypeObject blank_type() {
  const PyVarObject header = {PyObject_HEAD_INIT(nullptr) 0};
  PyTypeObject type = {};
  type.ob_base = header;
  return type;
}

// The attribute, or an empty Object where there is none.
Object attribute_or_none(PyObject* object, const char* name);
Object import_attribute(const char* module, const char* name);

}  // namespace chainrule
