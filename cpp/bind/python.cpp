#include "bind/python.h"

#include <cstdarg>
#include <new>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace chainrule {

void raise(PyObject* type, const char* text) {
  PyErr_SetString(type, text);
  throw PythonError();
}

void raise_format(PyObject* type, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  PyErr_FormatV(type, format, arguments);
  va_end(arguments);
  throw PythonError();
}

PyObject* trace_error_type() {
  static PyObject* const type = PyErr_NewExceptionWithDoc(
      "chainrule.TraceError",
      "A value was asked of a tensor that stands for a future value while a program is recorded.", PyExc_TypeError,
      nullptr);
  return type;
}

namespace {

void set_axis_error(const char* text) {
  PyObject* module = PyImport_ImportModule("numpy.exceptions");
  PyObject* type = module ? PyObject_GetAttrString(module, "AxisError") : nullptr;
  Py_XDECREF(module);
  if (!type) return;
  PyErr_SetString(type, text);
  Py_DECREF(type);
}

}  // namespace

void translate_exception() noexcept {
  try {
    throw;
  } catch (const PythonError&) {
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_SystemError, "an error was reported without saying which");
  } catch (const DTypeError& error) {
    PyErr_SetString(PyExc_TypeError, error.what());
  } catch (const AxisError& error) {
    set_axis_error(error.what());
  } catch (const IndexError& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const TraceError& error) {
    PyErr_SetString(trace_error_type(), error.what());
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const std::out_of_range& error) {
    PyErr_SetString(PyExc_IndexError, error.what());
  } catch (const std::bad_alloc&) {
    PyErr_SetString(PyExc_MemoryError, "out of memory");
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "an unknown C++ exception");
  }
}

Object attribute_or_none(PyObject* object, const char* name) {
  PyObject* value = PyObject_GetAttrString(object, name);
  if (value) return Object::steal(value);
  if (!PyErr_ExceptionMatches(PyExc_AttributeError)) throw PythonError();
  PyErr_Clear();
  return {};
}

Object import_attribute(const char* module, const char* name) {
  const Object loaded = Object::steal(PyImport_ImportModule(module));
  return Object::steal(PyObject_GetAttrString(loaded.get(), name));
}

}  // namespace chainrule
