// What the extension module _core is put together from.
#pragma once

#include <pybind11/pybind11.h>

namespace chainrule {

// The tape, vjp, recording and replaying of programs (transforms.cpp).
void bind_transforms(pybind11::module_& module);

}  // namespace chainrule
