// The functions of _core that make tensors (asarray, from_numpy, empty, zeros, ones, full), and dot. Called too often
// for pybind11.
#pragma once

#include "bind/python.h"

namespace chainrule {

extern PyMethodDef create_functions[];

}  // namespace chainrule
