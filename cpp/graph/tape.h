// Reverse-mode differentiation: what is kept in the forward pass and the sweep that turns it into gradients.
// Invariants: recording is on for a thread while its depth is above zero; then the result of an op on a tensor that has
// a node gets a node of its own. A node's number is greater than those of the nodes it depends on, so going through
// them in falling order visits each after everything that uses it. Cotangents are added in that fixed order.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "graph/thread_state.h"
#include "ops/op.h"

namespace chainrule {

struct GradientNode : RefCounted {
  using Custom = std::function<void(const Tensor* g, int n_outputs, Tensor* grads, int n_inputs)>;

  std::uint64_t order = 0;
  const Op* op = nullptr;  // null: a leaf, or a custom step
  Attrs attrs;
  std::vector<Tensor> inputs;              // heads, without memory where the vjp doesn't read it
  std::vector<Tensor> outputs;             // heads without node (a node that held its own output would never be freed)
  std::vector<std::uint32_t> versions;     // of the storages of inputs, then outputs
  std::vector<Ref<GradientNode>> parents;  // per input; null where no gradient flows
  std::vector<int> parent_outputs;
  int n_outputs = 1;
  LayerName layer;  // of the forward op; what its vjp calls counts for it too
  Custom custom;

  static void destroy(GradientNode* node);
};

// Is recording on in this thread?
bool recording();
// Nested: push adds a level, pop takes one; suspend (no_grad) hides them all until resume with the value it returned.
void push_recording();
void pop_recording();
int suspend_recording();
void resume_recording(int depth);

// Makes x a leaf: gradients can be asked for it. Does nothing if it already has a node.
void watch(const Tensor& x);
// Forgets x's node.
void unwatch(const Tensor& x);
bool has_node(const Tensor& x);

// Called by apply(): keeps what op's vjp needs, if recording is on and an input has a node.
void record_gradient(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs, Tensor* outputs,
                     int n_outputs);
// A step whose backward is any function (Python's custom_gradient).
void record_custom(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
                   GradientNode::Custom backward);

// d(sum of outputs * cotangents) / d(inputs). An empty cotangent stands for ones. The result is empty for an input that
// the outputs don't depend on. Runs under the recording state of the caller, so gradients of gradients need nothing
// more.
std::vector<Tensor> backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& cotangents,
                             const std::vector<Tensor>& inputs);

}  // namespace chainrule
