// What x.flat is made of: an array's elements in row-major order, one by one, read and written without Python. Slices,
// lists and masks as indices, and whatever a gradient or a program follows, are answered by the methods `_get` and
// `_set` of the Python class that derives from it (chainrule.numpy.flatiter).
#pragma once

#include "bind/python.h"

namespace chainrule {

extern PyTypeObject flat_type;
bool prepare_flat_type();

}  // namespace chainrule
