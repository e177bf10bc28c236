// Views: ops that only give the same memory another shape or other strides.
#include "ops/functions.h"
#include "ops/support.h"

namespace chainrule {
namespace {

// ---- reshape -------------------------------------------------------------------------------------------------------

// The attribute with -1 replaced by the length that is left.
Shape wanted_shape(const Call& call) {
  const Tensor& x = call.in(0);
  Shape shape = call.attrs[0].shape();
  int unknown = -1;
  std::int64_t known = 1;
  for (int i = 0; i < shape.ndim; ++i) {
    if (shape[i] == -1) {
      if (unknown >= 0) throw ShapeError("[reshape] can only specify one unknown dimension (-1)");
      unknown = i;
    } else if (shape[i] < 0) {
      throw ShapeError(message("[reshape] negative dimensions are not allowed: ", to_string(shape)));
    } else if (__builtin_mul_overflow(known, shape[i], &known)) {
      throw ShapeError(message("[reshape] cannot reshape array of size ", x.size(), " into shape ", to_string(shape)));
    }
  }
  const std::int64_t size = x.size();
  const bool fits = unknown >= 0 ? known != 0 && size % known == 0 : known == size;
  if (!fits)
    throw ShapeError(message("[reshape] cannot reshape array of size ", size, " (shape ", to_string(x.shape()),
                             ") into shape ", to_string(shape)));
  if (unknown >= 0) shape[unknown] = size / known;
  return shape;
}

// The strides that show x's elements in the new shape, in the same order; false where none do.
bool view_strides(const Tensor& x, const Shape& shape, Strides& strides) {
  if (x.is_contiguous()) {
    strides = contiguous_strides(shape);
    return true;
  }
  strides.ndim = shape.ndim;
  Shape old_shape, old_strides;  // without axes of length 1
  for (int i = 0; i < x.ndim(); ++i)
    if (x.length(i) != 1) {
      old_shape.push_back(x.length(i));
      old_strides.push_back(x.strides()[i]);
    }
  int old_axis = 0, new_axis = 0;
  while (old_axis < old_shape.ndim && new_axis < shape.ndim) {
    // The least runs of axes, old and new, that hold equally many elements.
    int old_end = old_axis + 1, new_end = new_axis + 1;
    std::int64_t old_count = old_shape[old_axis], new_count = shape[new_axis];
    while (old_count != new_count) {
      if (new_count < old_count) {
        new_count *= shape[new_end++];
      } else {
        old_count *= old_shape[old_end++];
      }
    }
    for (int i = old_axis; i + 1 < old_end; ++i)
      if (old_strides[i] != old_strides[i + 1] * old_shape[i + 1]) return false;
    std::int64_t step = old_strides[old_end - 1];
    for (int i = new_end - 1; i >= new_axis; --i) {
      strides[i] = step;
      step *= shape[i];
    }
    old_axis = old_end;
    new_axis = new_end;
  }
  for (int i = new_axis; i < shape.ndim; ++i) strides[i] = 1;  // lengths of 1 are left
  return true;
}

bool prepare_reshape(const Call& call, std::vector<Tensor>& prepared) {
  Strides strides;
  if (view_strides(call.in(0), wanted_shape(call), strides)) return false;
  prepared.push_back(call_op("copy", {call.in(0)}));
  return true;
}

Tensor view_reshape(const Call& call) {
  const Shape shape = wanted_shape(call);
  Strides strides;
  view_strides(call.in(0), shape, strides);  // prepare made sure that it can be done
  return call.in(0).view(shape, strides, 0);
}

void reshape_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = fn::reshape(g[0], call.in(0).shape());
}

// ---- transpose -----------------------------------------------------------------------------------------------------

std::vector<std::int64_t> permutation(const Call& call) {
  const int ndim = call.in(0).ndim();
  std::vector<std::int64_t> axes;
  if (call.attrs[0].is_none()) {
    for (int i = ndim - 1; i >= 0; --i) axes.push_back(i);
    return axes;
  }
  const std::vector<std::int64_t>& given = call.attrs[0].integers;
  if (static_cast<int>(given.size()) != ndim)
    throw ValueError(message("[transpose] axes don't match array: ", given.size(), " axes for the shape ",
                             to_string(call.in(0).shape())));
  bool seen[kMaxDims] = {};
  for (std::int64_t entry : given) {
    const int axis = normalize_axis(entry, ndim, "transpose");
    if (seen[axis]) throw ValueError(message("[transpose] repeated axis in transpose: ", axis));
    seen[axis] = true;
    axes.push_back(axis);
  }
  return axes;
}

Tensor view_transpose(const Call& call) {
  const Tensor& x = call.in(0);
  Shape shape;
  Strides strides;
  for (std::int64_t axis : permutation(call)) {
    shape.push_back(x.length(static_cast<int>(axis)));
    strides.push_back(x.strides()[static_cast<int>(axis)]);
  }
  return x.view(shape, strides, 0);
}

void transpose_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const std::vector<std::int64_t> axes = permutation(call);
  std::vector<std::int64_t> inverse(axes.size());
  for (std::size_t i = 0; i < axes.size(); ++i)
    inverse[static_cast<std::size_t>(axes[i])] = static_cast<std::int64_t>(i);
  grads[0] = fn::transpose(g[0], inverse);
}

// ---- broadcast_to --------------------------------------------------------------------------------------------------

Tensor view_broadcast(const Call& call) {
  const Tensor& x = call.in(0);
  const Shape shape = call.attrs[0].shape();
  const int lead = shape.ndim - x.ndim();
  bool fits = lead >= 0;
  for (int i = 0; fits && i < x.ndim(); ++i) fits = x.length(i) == shape[i + lead] || x.length(i) == 1;
  for (std::int64_t length : shape) fits = fits && length >= 0;
  if (!fits)
    throw ShapeError(message("[broadcast_to] a tensor of shape ", to_string(x.shape()), " cannot be broadcast to ",
                             to_string(shape)));
  Strides strides;
  for (int i = 0; i < shape.ndim; ++i)
    strides.push_back(i < lead || x.length(i - lead) != shape[i] ? 0 : x.strides()[i - lead]);
  return x.view(shape, strides, 0);
}

void broadcast_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = fn::sum_to(g[0], call.in(0).shape());
}

// ---- slice ---------------------------------------------------------------------------------------------------------

Tensor view_slice(const Call& call) {
  const Tensor& x = call.in(0);
  const auto &starts = call.attrs[0].integers, &stops = call.attrs[1].integers, &steps = call.attrs[2].integers;
  const std::size_t ndim = static_cast<std::size_t>(x.ndim());
  if (starts.size() != ndim || stops.size() != ndim || steps.size() != ndim)
    throw ValueError(message("[slice] needs a start, a stop and a step for each of the ", ndim, " axes of shape ",
                             to_string(x.shape())));
  Shape shape;
  Strides strides;
  std::int64_t offset = 0;
  for (int axis = 0; axis < x.ndim(); ++axis) {
    const std::size_t i = static_cast<std::size_t>(axis);
    const std::int64_t start = starts[i], stop = stops[i], step = steps[i];
    if (step == 0) throw ValueError("[slice] slice step cannot be zero");
    const std::int64_t span = step > 0 ? stop - start : start - stop, size = step > 0 ? step : -step;
    const std::int64_t length = span > 0 ? (span + size - 1) / size : 0;
    if (length > 0 && (start < 0 || start >= x.length(axis) || start + (length - 1) * step < 0 ||
                       start + (length - 1) * step >= x.length(axis)))
      throw IndexError(message("[slice] ", start, ":", stop, ":", step, " is out of bounds for axis ", axis,
                               " with size ", x.length(axis)));
    shape.push_back(length);
    strides.push_back(x.strides()[axis] * step);
    if (length > 0) offset += start * x.strides()[axis];
  }
  return x.view(shape, strides, element_count(shape) > 0 ? offset : 0);
}

void slice_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op("slice_grad", {g[0]}, {Attr::of(call.in(0).shape()), call.attrs[0], call.attrs[2]});
}

// ---- expand_dims, squeeze, flip ------------------------------------------------------------------------------------

Tensor view_expand(const Call& call) {
  const Tensor& x = call.in(0);
  const Attr& attr = call.attrs[0];
  const int ndim = x.ndim() + static_cast<int>(attr.kind == AttrKind::integers ? attr.integers.size() : 1);
  if (ndim > kMaxDims) throw ShapeError(message("[expand_dims] a tensor has at most ", kMaxDims, " axes"));
  const AxisSet added = axes_of(attr, ndim, "expand_dims");
  Shape shape;
  Strides strides;
  for (int axis = 0, from = 0; axis < ndim; ++axis) {
    shape.push_back(added.has[axis] ? 1 : x.length(from));
    strides.push_back(added.has[axis] ? 0 : x.strides()[from]);
    if (!added.has[axis]) ++from;
  }
  return x.view(shape, strides, 0);
}

Tensor view_squeeze(const Call& call) {
  const Tensor& x = call.in(0);
  const bool any = call.attrs[0].is_none();
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), "squeeze");
  Shape shape;
  Strides strides;
  for (int axis = 0; axis < x.ndim(); ++axis) {
    if (set.has[axis] && x.length(axis) == 1) continue;
    if (set.has[axis] && !any)
      throw ShapeError(message("[squeeze] cannot select an axis to squeeze out which has size not equal to one: axis ",
                               axis, " of shape ", to_string(x.shape())));
    shape.push_back(x.length(axis));
    strides.push_back(x.strides()[axis]);
  }
  return x.view(shape, strides, 0);
}

Tensor view_flip(const Call& call) {
  const Tensor& x = call.in(0);
  if (call.attrs[0].kind == AttrKind::integer) normalize_axis(call.attrs[0].integer, x.ndim(), "flip");
  const AxisSet set = axes_of(call.attrs[0], x.ndim(), "flip");
  Strides strides = x.strides();
  std::int64_t offset = 0;
  for (int axis = 0; axis < x.ndim(); ++axis) {
    if (!set.has[axis]) continue;
    if (x.size() > 0) offset += (x.length(axis) - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  return x.view(x.shape(), strides, offset);
}

void flip_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op("flip", {g[0]}, call.attrs);
}

// ---- the ops -------------------------------------------------------------------------------------------------------

using View = Tensor (*)(const Call&);
using Vjp = void (*)(const Call&, const Tensor*, const bool*, Tensor*);

Op view_op(const char* name, const char* doc, View view, Vjp vjp, std::vector<AttrParam> attrs) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = {{"x"}};
  op.attrs = std::move(attrs);
  op.view = view;
  op.vjp = vjp;
  op.saves_inputs = 0;
  return op;
}

bool register_all() {
  Op reshape =
      view_op("reshape", "The same elements in row-major order in another shape; -1 stands for the length left over.",
              view_reshape, reshape_vjp, {required_attr("shape", AttrKind::integers)});
  reshape.prepare = prepare_reshape;
  register_op(reshape);
  register_op(view_op("transpose", "The axes in another order (reversed without `axes`).", view_transpose,
                      transpose_vjp, {nullable_attr("axes", AttrKind::integers)}));
  register_op(view_op("broadcast_to", "The tensor stretched to a shape by NumPy's broadcasting rule.", view_broadcast,
                      broadcast_vjp, {required_attr("shape", AttrKind::integers)}));
  register_op(view_op("slice",
                      "x[start:stop:step] for every axis; a stop of -1 with a negative step is before the start.",
                      view_slice, slice_vjp,
                      {required_attr("starts", AttrKind::integers), required_attr("stops", AttrKind::integers),
                       required_attr("steps", AttrKind::integers)}));
  register_op(view_op("expand_dims", "With new axes of length 1 at the given places of the result.", view_expand,
                      reshape_vjp, {required_attr("axis", AttrKind::integers)}));
  register_op(view_op("squeeze", "Without the given axes of length 1, or without all of them.", view_squeeze,
                      reshape_vjp, {nullable_attr("axis", AttrKind::integers)}));
  register_op(view_op("flip", "The elements in reverse order along the given axes, or along all.", view_flip, flip_vjp,
                      {nullable_attr("axis", AttrKind::integers)}));
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
