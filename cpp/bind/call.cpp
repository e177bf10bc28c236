#include "bind/call.h"

#include <new>
#include <string>

#include "bind/python.h"
#include "ops/elementwise.h"

namespace chainrule {

namespace {

// Below this many elements a call is over before another thread could have made use of the GIL.
constexpr std::int64_t kReleaseElements = 100000;

bool is_long(const Tensor* inputs, int n) {
  for (int i = 0; i < n; ++i)
    if (inputs[i] && inputs[i].impl()->trace == 0 && inputs[i].size() > kReleaseElements) return true;
  return false;
}

class ReleasedGil {
 public:
  ReleasedGil() : state_(PyEval_SaveThread()) {}
  ~ReleasedGil() { PyEval_RestoreThread(state_); }
  ReleasedGil(const ReleasedGil&) = delete;
  ReleasedGil& operator=(const ReleasedGil&) = delete;

 private:
  PyThreadState* state_;
};

// The exception of an allocation that failed, with what was asked for.
[[noreturn]] void raise_memory_error(const Op& op, const Tensor* inputs, int n, const Attrs& attrs) {
  std::string wanted;
  if (op.infer) {
    std::vector<Output> outputs;
    op.infer(Call{op, inputs, n, attrs}, outputs);
    for (const Output& output : outputs) {
      double bytes = static_cast<double>(itemsize(output.dtype));
      for (std::int64_t length : output.shape) bytes *= static_cast<double>(length);
      wanted += message(" an array of shape ", to_string(output.shape), " and dtype ", name(output.dtype), " (", bytes,
                        " bytes)");
    }
  }
  raise_format(PyExc_MemoryError, "[%s] unable to allocate%s", op.name, wanted.empty() ? " memory" : wanted.c_str());
}

}  // namespace

Tensor run_op(const Op& op, const Tensor* inputs, int n, const Attrs& attrs) {
  try {
    if (!is_long(inputs, n)) return apply(op, inputs, n, attrs);
    const std::vector<Tensor> kept(inputs, inputs + n);  // another thread may let go of the caller's
    const ReleasedGil released;
    return apply(op, kept.data(), n, attrs);
  } catch (const std::bad_alloc&) {
    raise_memory_error(op, inputs, n, attrs);
  }
}

std::vector<Tensor> run_op_all(const Op& op, const Tensor* inputs, int n, const Attrs& attrs) {
  try {
    if (!is_long(inputs, n)) return apply_all(op, inputs, n, attrs);
    const std::vector<Tensor> kept(inputs, inputs + n);
    const ReleasedGil released;
    return apply_all(op, kept.data(), n, attrs);
  } catch (const std::bad_alloc&) {
    raise_memory_error(op, inputs, n, attrs);
  }
}

namespace {

// Whether writing out[i] can't change an input element that is still to be read.
bool may_share(const Tensor& input, const Tensor& out) {
  if (!share_memory(input, out)) return true;
  return input.data() == out.data() && itemsize(input.dtype()) == itemsize(out.dtype()) &&
         input.shape() == out.shape() && input.is_contiguous();
}

}  // namespace

bool run_op_into(const Op& op, const Tensor* inputs, int n, const Tensor& out) {
  const DType dtype = inputs[0].dtype();
  const DType result = elementwise_gives_bool(static_cast<ElementwiseOp>(op.opcode)) ? DType::Bool : dtype;
  if (!out.is_contiguous() || out.dtype() != result) return false;
  Shape shape = inputs[0].shape(), next;
  for (int i = 0; i < n; ++i) {
    if (inputs[i].is_placeholder() || inputs[i].dtype() != dtype || !may_share(inputs[i], out)) return false;
    if (!broadcast(shape, inputs[i].shape(), next)) return false;
    shape = next;
  }
  if (shape != out.shape()) return false;
  Task task;
  op.lower(Call{op, inputs, n, {}, &out, 1}, task);
  void* pointers[4];
  for (int i = 0; i < n; ++i) pointers[i] = inputs[i].data();
  pointers[n] = out.data();
  if (is_long(&out, 1)) {
    const ReleasedGil released;
    task.run(task, pointers);
  } else {
    task.run(task, pointers);
  }
  return true;
}

}  // namespace chainrule
