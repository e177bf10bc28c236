// The public memory layout of NumPy's arrays, dtypes and scalars (its stable ABI), so that building needs no NumPy
// headers and reading an array costs no call.
#pragma once

#include "bind/python.h"

namespace chainrule {

struct NumpyArray {
  PyObject_HEAD char* data;
  int ndim;
  Py_ssize_t* shape;
  Py_ssize_t* strides;  // bytes
  PyObject* base;
  PyObject* dtype;
  int flags;
};
constexpr int kNumpyAligned = 0x0100, kNumpyWriteable = 0x0400;

struct NumpyDtype {
  PyObject_HEAD PyObject* scalar_type;
  char kind;
  char type;
  char byte_order;  // '=' native, '|' not applicable, else swapped or spelled out
  char former_flags;
  int number;
};

struct NumpyScalar {
  PyObject_HEAD alignas(8) char value[8];
};

}  // namespace chainrule
