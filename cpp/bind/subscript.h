// What stands between the brackets of x[...]: ints, slices, None, Ellipsis, integer and boolean arrays, worked out for
// one tensor. Invariant: the basic part is a view of the tensor; arrays index whole axes of that view, and where there
// are arrays, plain ints are arrays too (NumPy's rule for where the arrays' axes go).
#pragma once

#include <vector>

#include "bind/python.h"
#include "tensor/tensor.h"

namespace chainrule {

struct Subscript {
  // ---- the basic part
  Shape shape;
  Strides strides;
  std::int64_t offset = 0;
  // The same as a slice of every axis of the tensor, whose axes of ints are then dropped and new ones put in.
  std::int64_t starts[kMaxDims], stops[kMaxDims], steps[kMaxDims];
  int origin[kMaxDims];  // of each axis of the basic part: the tensor's axis, or -1 for a new one
  bool scalar = true;    // ints only, one for each axis: the result is a number, not a view
  // ---- the arrays
  struct Array {
    Tensor indices;   // int64
    int axis;         // of the basic part
    int source_axis;  // of the tensor, for messages
  };
  std::vector<Array> arrays;
  bool adjacent = true;      // the arrays stand side by side: their axes take their place, else they come first
  Tensor mask;               // the boolean array as it was given, where it was the only array
  bool traced_mask = false;  // a placeholder: which elements it chooses isn't known, `arrays` stays empty

  Tensor view_of(const Tensor& x) const { return x.view(shape, strides, offset); }
};

// Throws IndexError for what cannot index a tensor of x's shape.
void parse_subscript(const Tensor& x, PyObject* key, Subscript& subscript);
// x[key] of ints and slices only.
Tensor basic_part(const Tensor& x, const Subscript& key);
// x[key] = value of such a key, as a new tensor.
Tensor functional_update(const Tensor& x, const Subscript& key, const Tensor& value);
// x[indices] of integers along the first axis, outside of any recording; an empty tensor where it is more than copying
// short rows, or an index is out of bounds.
Tensor take_shortly(const Tensor& x, const Tensor& indices);
// The indices of true elements, one int64 tensor for each axis, in row-major order.
std::vector<Tensor> nonzero(const Tensor& mask);

}  // namespace chainrule
