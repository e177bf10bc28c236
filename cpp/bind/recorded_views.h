// Names of the same memory while a program or a gradient is recorded. A recorded write gives a name a new value
// (operators.h), so the array that a view `y[key]` was taken of, and its other views, must be told.
// Invariant: after a write to any of them, each stands for the values that it would show eagerly.
#pragma once

#include <vector>

#include "bind/python.h"
#include "bind/tensor_type.h"

namespace chainrule {

struct RecordedViews {
  Object parent, key;            // of a view: it is parent[key]
  Shape parent_shape;            // as it was then: a name that got another shape is followed no longer
  std::vector<PyObject*> views;  // of this array, borrowed: each keeps its parent alive and leaves when it dies
};

// `view` is parent[key], of ints and slices. Nothing where writes change memory that both share.
void follow_view(PyObject* view, PyObject* parent, PyObject* key);
// For the deallocation of a tensor that has `recorded`.
void unfollow_views(TensorObject* object);
// self has just got a new value: the arrays it is a view of, and all their views, get it, too.
void spread_values(PyObject* self);

}  // namespace chainrule
