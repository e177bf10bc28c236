// The single door: every call of every op comes through here.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "graph/profile.h"
#include "graph/tape.h"
#include "graph/thread_state.h"
#include "graph/trace.h"
#include "ops/elementwise.h"

namespace chainrule {

namespace {

constexpr int kMaxInline = 16;
constexpr int kMaxOutputs = 8;

void run_now(const Op& op, const Call& call) {
  Task task;
  op.lower(call, task);
  const int count = call.n_inputs + call.n_outputs;
  void* inline_ptr[kMaxInline];
  std::vector<void*> many;
  void** ptr = inline_ptr;
  if (count > kMaxInline) {
    many.resize(static_cast<std::size_t>(count));
    ptr = many.data();
  }
  for (int i = 0; i < call.n_inputs; ++i) ptr[i] = call.inputs[i] ? call.inputs[i].data() : nullptr;
  for (int k = 0; k < call.n_outputs; ++k) ptr[call.n_inputs + k] = call.outputs[k].data();
  task.run(task, ptr);
}

// Computes (or notes down) one call; at most `capacity` outputs.
int perform(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs, Tensor* outputs, int capacity) {
  ThreadState& state = thread_state();
  Trace* const trace = state.trace;
  if (!trace)
    for (int i = 0; i < n_inputs; ++i)
      if (inputs[i] && inputs[i].is_placeholder()) throw_traced_value(op.name);

  std::vector<Tensor> prepared;
  if (op.prepare && op.prepare(Call{op, inputs, n_inputs, attrs}, prepared)) inputs = prepared.data();
  const Call call{op, inputs, n_inputs, attrs};
  ProfileTimer timer(!trace);
  int n_outputs = 1;
  if (op.opcode >= 0 && !trace && (outputs[0] = elementwise_now(op, inputs, n_inputs))) {
    // done
  } else if (op.view) {
    outputs[0] = op.view(call);
  } else {
    std::vector<Output>& specs = state.specs;
    specs.clear();
    op.infer(call, specs);
    n_outputs = static_cast<int>(specs.size());
    if (n_outputs > capacity) throw std::logic_error(std::string("too many outputs of ") + op.name);
    if (trace) {
      trace->record(op, inputs, n_inputs, attrs, specs, outputs);
    } else {
      for (int k = 0; k < n_outputs; ++k) outputs[k] = Tensor::empty(specs[k].dtype, specs[k].shape);
      const Call lowered{op, inputs, n_inputs, attrs, outputs, n_outputs};
      run_now(op, lowered);
      if (op.has_effect())
        for (int i = 0; i < n_inputs; ++i) {
          const std::size_t param = std::min<std::size_t>(static_cast<std::size_t>(i), op.tensors.size() - 1);
          if (op.tensors[param].mutated && inputs[i]) inputs[i].bump_version();
        }
    }
  }
  if (timer) {
    timer.stop();
    timer.note(op.name, &op, inputs, n_inputs, outputs, n_outputs);
  }
  if (state.recording_depth > 0) record_gradient(op, inputs, n_inputs, attrs, outputs, n_outputs);
  return n_outputs;
}

}  // namespace

Tensor apply(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs) {
  Tensor outputs[kMaxOutputs];
  perform(op, inputs, n_inputs, attrs, outputs, kMaxOutputs);
  return std::move(outputs[0]);
}

std::vector<Tensor> apply_all(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs) {
  Tensor outputs[kMaxOutputs];
  const int count = perform(op, inputs, n_inputs, attrs, outputs, kMaxOutputs);
  return std::vector<Tensor>(outputs, outputs + count);
}

}  // namespace chainrule
