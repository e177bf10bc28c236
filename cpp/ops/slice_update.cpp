// slice_update: a copy of a tensor with some of its elements, chosen by slices, replaced. The functional form of x[...]
// = v.
#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"

namespace chainrule {
namespace {

// The slice itself, as a view: its rules and errors are those of the op "slice".
Tensor chosen_part(const Call& call, const Tensor& x) {
  static const Op* const slice = find_op("slice");
  const Attrs attrs(call.attrs.begin(), call.attrs.begin() + 3);
  return slice->view(Call{*slice, &x, 1, attrs});
}

void infer(const Call& call, std::vector<Output>& outputs) {
  const Tensor &x = call.in(0), &value = call.in(1);
  if (value.dtype() != x.dtype())
    throw DTypeError(message("[slice_update] x and value must have one dtype, got ", name(x.dtype()), " and ",
                             name(value.dtype()), "; cast the value first"));
  const Tensor part = chosen_part(call, Tensor::placeholder(x.dtype(), x.shape(), 1, 0));
  if (part.shape() != value.shape())
    throw ShapeError(message("[slice_update] the slices choose a part of shape ", to_string(part.shape()), " of ",
                             to_string(x.shape()), ", but the value has shape ", to_string(value.shape())));
  outputs.push_back({x.dtype(), x.shape()});
}

// Heads of memory that the run supplies, and the part and the value as walks.
struct Params {
  DType dtype;
  Shape x_shape, value_shape;
  Strides x_strides, out_strides, part_strides, value_strides;
  std::int64_t part_offset;  // in bytes
  Walk part, value;
};

Tensor head(DType dtype, const Shape& shape, const Strides& strides, void* data) {
  return Tensor::foreign(dtype, shape, strides, data, true, nullptr, [](void*) {});
}

void run(const Task& task, void* const* ptr) {
  constexpr std::int64_t kFew = 4096;  // elements; more are worth the loops of copy_into
  const Params& p = task.get<Params>();
  if (ptr[0] != ptr[2])  // a program may let both be one memory
    copy_into(head(p.dtype, p.x_shape, p.out_strides, ptr[2]), head(p.dtype, p.x_shape, p.x_strides, ptr[0]));
  char* part = static_cast<char*>(ptr[2]) + p.part_offset;
  const std::int64_t count = p.value.count;
  if (count > kFew) {
    copy_into(head(p.dtype, p.value_shape, p.part_strides, part),
              head(p.dtype, p.value_shape, p.value_strides, ptr[1]));
    return;
  }
  const std::size_t bytes = itemsize(p.dtype);
  const char *value = static_cast<const char*>(ptr[1]), *x = static_cast<const char*>(ptr[2]);
  const auto reach = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(element_count(p.x_shape)) * bytes);
  // A value that may be a view of the same memory is read before any of it is written.
  if (!p.value.contiguous() || (value < x + reach && value + count * static_cast<std::int64_t>(bytes) > x)) {
    void* block = thread_scratch(1, static_cast<std::size_t>(kFew) * sizeof(double));
    gather(p.value, bytes, block, value, 0, count);
    value = static_cast<const char*>(block);
  }
  scatter(p.part, bytes, part, value, 0, count);
}

void lower(const Call& call, Task& task) {
  Params& p = task.params<Params>();
  const Tensor &x = call.in(0), &value = call.in(1);
  const Tensor out = Tensor::placeholder(x.dtype(), x.shape(), 1, 0);
  const Tensor part = chosen_part(call, out);
  p.dtype = x.dtype();
  p.x_shape = x.shape();
  p.x_strides = x.strides();
  p.out_strides = out.strides();
  p.value_shape = value.shape();
  p.value_strides = value.strides();
  p.part_strides = part.strides();
  p.part_offset = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(part.data()));
  p.part = make_walk(part);
  p.value = make_walk(value);
  task.run = run;
}

// x lost its chosen elements; the value went there and nowhere else.
void vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  const Tensor& value = call.in(1);
  if (needs[0]) grads[0] = call_op("slice_update", {g[0], fn::zeros_like(value)}, call.attrs);
  if (needs[1]) grads[1] = call_op("slice", {g[0]}, call.attrs);
}

bool register_all() {
  Op op;
  op.name = "slice_update";
  op.doc = "A copy of x in which x[start:stop:step], for every axis, is replaced by the value.";
  op.tensors = {{"x"}, {"value"}};
  op.attrs = {required_attr("starts", AttrKind::integers), required_attr("stops", AttrKind::integers),
              required_attr("steps", AttrKind::integers)};
  op.infer = infer;
  op.lower = lower;
  op.vjp = vjp;
  op.saves_inputs = 0;
  op.takes_half = true;
  register_op(op);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
