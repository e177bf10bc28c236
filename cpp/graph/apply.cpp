// The single door: every call of every op comes through here.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "graph/profile.h"
#include "graph/tape.h"
#include "graph/thread_state.h"
#include "graph/trace.h"
#include "graph/widen.h"
#include "ops/elementwise.h"
#include "ops/functions.h"

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

int perform(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs, Tensor* outputs, int capacity);

bool is_mutated(const Op& op, int input) {
  return op.tensors[std::min<std::size_t>(static_cast<std::size_t>(input), op.tensors.size() - 1)].mutated;
}

// The call with float32 in place of half types. The gradient sees one step, on what was given and what comes out.
int perform_in_float(const Op& op, const Widening& widening, const Tensor* inputs, int n_inputs, const Attrs& attrs,
                     Tensor* outputs, int capacity) {
  int n_outputs;
  {
    const struct Unrecorded {
      int depth = suspend_recording();
      ~Unrecorded() { resume_recording(depth); }
    } unrecorded;
    const std::vector<Tensor> wide = widened(inputs, n_inputs);
    n_outputs = perform(op, wide.data(), n_inputs, widened(attrs), outputs, capacity);
    for (int k = 0; k < std::min(n_outputs, op.rounded_outputs); ++k)
      if (outputs[k].dtype() == DType::F32 && is_half(widening.result))
        outputs[k] = fn::cast(outputs[k], widening.result);
    for (int i = 0; i < n_inputs; ++i) {
      if (!inputs[i] || !is_half(inputs[i].dtype()) || !is_mutated(op, i)) continue;
      static const Op& assign = *find_op("assign");
      const Tensor pair[] = {inputs[i], wide[static_cast<std::size_t>(i)]};
      perform(assign, pair, 2, {}, nullptr, 0);
    }
  }
  if (thread_state().recording_depth > 0) record_gradient(op, inputs, n_inputs, attrs, outputs, n_outputs);
  return n_outputs;
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
  if (const Widening widening = widening_of(op, inputs, n_inputs, attrs); widening.needed)
    return perform_in_float(op, widening, inputs, n_inputs, attrs, outputs, capacity);
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
        for (int i = 0; i < n_inputs; ++i)
          if (inputs[i] && is_mutated(op, i)) inputs[i].bump_version();
    }
  }
  if (timer) {
    timer.stop();
    timer.note(op.name, state.layer ? *state.layer : std::string(), &op, inputs, n_inputs, outputs, n_outputs);
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
