// Writing into a tensor's memory: assign and assign_add.
#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"
#include "tensor/iterate.h"

namespace chainrule {
namespace {

constexpr std::int64_t kBlock = 4096;

struct AssignTask {
  CastFn cast;        // src to dst's type; null where they agree
  ElementwiseFn add;  // of assign_add
  std::int64_t dst_bytes, src_bytes;
  Walk dst, src;  // both of dst's shape
};

// The memory a walk from `data` touches.
struct Range {
  const char *low, *high;
};
Range range_of(const Walk& walk, std::int64_t bytes, const void* data) {
  Range range{static_cast<const char*>(data), static_cast<const char*>(data) + bytes};
  for (int axis = 0; axis < walk.ndim; ++axis) {
    const std::int64_t reach = (walk.dims[axis] - 1) * walk.strides[axis] * bytes;
    (reach < 0 ? range.low : range.high) += reach;
  }
  return range;
}

bool same_walk(const AssignTask& t, const void* dst, const void* src) {
  return dst == src && t.dst_bytes == t.src_bytes && t.dst.ndim == t.src.ndim &&
         std::equal(t.dst.strides, t.dst.strides + t.dst.ndim, t.src.strides) &&
         std::equal(t.dst.dims, t.dst.dims + t.dst.ndim, t.src.dims);
}

void run_assign(const Task& task, void* const* ptr) {
  const auto& t = task.get<AssignTask>();
  if (t.dst.count == 0) return;
  char* dst = static_cast<char*>(ptr[0]);
  const void* src = ptr[1];
  const Walk* from = &t.src;
  Walk copied;
  const Range to_range = range_of(t.dst, t.dst_bytes, dst), from_range = range_of(t.src, t.src_bytes, src);
  if (to_range.low < from_range.high && from_range.low < to_range.high && !same_walk(t, dst, src)) {
    // What is written would be read again: copy what is read first.
    void* scratch = thread_scratch(0, static_cast<std::size_t>(t.dst.count * t.src_bytes));
    gather(t.src, static_cast<std::size_t>(t.src_bytes), scratch, src, 0, t.dst.count);
    src = scratch;
    copied = make_walk({t.dst.count}, {std::int64_t{1}});
    from = &copied;
  }
  const bool dense = t.dst.contiguous();
  for_chunks(t.dst.count, 1, [&](std::int64_t first, std::int64_t n) {
    char* scratch = static_cast<char*>(thread_scratch(1, 3 * kBlock * sizeof(double)));
    for (const std::int64_t end = first + n; first < end; first += kBlock) {
      const std::int64_t count = std::min(kBlock, end - first);
      const void* values = read_block(*from, static_cast<std::size_t>(t.src_bytes), scratch, src, first, count);
      if (t.cast) {
        void* converted = scratch + kBlock * sizeof(double);
        t.cast(converted, values, count);
        values = converted;
      }
      if (t.add) {
        void* sum = dense ? dst + first * t.dst_bytes : scratch + 2 * kBlock * sizeof(double);
        if (!dense) gather(t.dst, static_cast<std::size_t>(t.dst_bytes), sum, dst, first, count);
        const void* operands[] = {sum, values};
        const std::int64_t steps[] = {1, 1};
        t.add(sum, operands, steps, count);
        values = sum;
      }
      if (!(t.add && dense)) scatter(t.dst, static_cast<std::size_t>(t.dst_bytes), dst, values, first, count);
    }
  });
}

template <bool add>
void lower(const Call& call, Task& task) {
  const Tensor &dst = call.in(0), &src = call.in(1);
  auto& t = task.params<AssignTask>();
  t.cast = src.dtype() == dst.dtype() ? nullptr : kernels().move.cast[index(dst.dtype())][index(src.dtype())];
  t.add = add ? kernels().elementwise[static_cast<int>(ElementwiseOp::add)][index(dst.dtype())] : nullptr;
  t.dst_bytes = static_cast<std::int64_t>(itemsize(dst.dtype()));
  t.src_bytes = static_cast<std::int64_t>(itemsize(src.dtype()));
  t.dst = make_walk(dst);
  t.src = make_walk(dst.shape(), broadcast_strides(src.shape(), src.strides(), dst.shape()));
  task.run = run_assign;
}

void infer(const Call& call, std::vector<Output>&) {
  const Tensor &dst = call.in(0), &src = call.in(1);
  Shape joined;
  if (!broadcast(src.shape(), dst.shape(), joined) || joined != dst.shape())
    throw ShapeError(message("[", call.op.name, "] could not broadcast input array from shape ", to_string(src.shape()),
                             " into shape ", to_string(dst.shape())));
  for (int axis = 0; axis < dst.ndim(); ++axis)
    if (dst.length(axis) > 1 && dst.strides()[axis] == 0)
      throw ValueError(
          message("[", call.op.name, "] the destination of shape ", to_string(dst.shape()),
                  " is broadcast: several elements share one place; write into the tensor it was made from"));
  if (!dst.is_writable()) throw ValueError(message("[", call.op.name, "] assignment destination is read-only"));
}

bool register_all() {
  Op assign;
  assign.name = "assign";
  assign.doc = "dst[...] = src, in place: converted to dst's dtype and broadcast to its shape.";
  assign.tensors = {{"dst", TensorParam::required, true}, {"src"}};
  assign.infer = infer;
  assign.lower = lower<false>;
  assign.saves_inputs = 0;
  assign.takes_half = true;
  register_op(assign);

  Op assign_add = assign;
  assign_add.name = "assign_add";
  assign_add.doc = "dst[...] += src, in place: converted to dst's dtype and broadcast to its shape.";
  assign_add.lower = lower<true>;
  register_op(assign_add);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
