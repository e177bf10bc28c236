#include "graph/tape.h"

#include <algorithm>
#include <atomic>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "graph/thread_state.h"
#include "graph/widen.h"
#include "ops/functions.h"

namespace chainrule {

namespace {

std::atomic<std::uint64_t> next_order{1};

void attach(const Tensor& x, GradientNode* node, int output) {
  TensorImpl* impl = x.impl();
  node->retain();
  GradientNode* old = impl->node;
  impl->node = node;
  impl->node_output = output;
  if (old) destroy_gradient_node(old);
}

// A head that has the shape and dtype of x but does not keep its memory alive.
Tensor hollow(const Tensor& x) {
  Tensor head = x.alias();
  if (!x.is_placeholder()) {
    head.impl()->data = nullptr;
    head.impl()->storage = Ref<Storage>();
  }
  return head;
}

std::uint32_t version_of(const Tensor& x) { return x && x.impl()->storage ? x.impl()->storage->version : 0; }

bool saved(std::uint32_t mask, std::size_t i) { return mask >> std::min<std::size_t>(i, 31) & 1u; }

void check_versions(const GradientNode& node) {
  std::size_t i = 0;
  for (const auto* list : {&node.inputs, &node.outputs})
    for (const Tensor& x : *list)
      if (version_of(x) != node.versions[i++])
        throw GradientError(message("[", node.op->name, "] a tensor of shape ", to_string(x.shape()),
                                    " that its gradient needs was changed in place after it was used; change a copy "
                                    "instead (x = x + 1, or x.copy())"));
}

// Until its end ops are called for another layer.
class LayerScope {
 public:
  explicit LayerScope(LayerName layer) : outer_(std::exchange(thread_state().layer, std::move(layer))) {}
  ~LayerScope() { thread_state().layer = std::move(outer_); }
  LayerScope(const LayerScope&) = delete;
  LayerScope& operator=(const LayerScope&) = delete;

 private:
  LayerName outer_;
};

// The cotangents of a node's inputs.
std::vector<Tensor> run_vjp(GradientNode& node, const std::vector<Tensor>& g, const bool* needs) {
  std::vector<Tensor> grads(node.parents.size());
  if (node.custom) {
    node.custom(g.data(), node.n_outputs, grads.data(), static_cast<int>(grads.size()));
    return grads;
  }
  check_versions(node);
  std::vector<Tensor> outputs;
  for (int k = 0; k < static_cast<int>(node.outputs.size()); ++k) {
    outputs.push_back(node.outputs[k].alias());
    if (recording()) attach(outputs.back(), &node, k);  // the rule reads y: a second gradient flows through it
  }
  const Call call{*node.op,   node.inputs.data(), static_cast<int>(node.inputs.size()),
                  node.attrs, outputs.data(),     static_cast<int>(outputs.size())};
  run_rule(call, g, needs, grads);
  return grads;
}

}  // namespace

// Chains of nodes can be as long as a program: the parents are let go in a loop, not by recursion.
void GradientNode::destroy(GradientNode* node) {
  std::vector<GradientNode*> dead{node};
  while (!dead.empty()) {
    GradientNode* current = dead.back();
    dead.pop_back();
    std::vector<Ref<GradientNode>> parents = std::move(current->parents);
    std::vector<Tensor> inputs = std::move(current->inputs);
    delete current;
    // A saved input's head may be the last owner of its node: keep the node until it is on the list.
    for (Tensor& x : inputs) {
      if (x && x.impl()->use_count() == 1 && x.impl()->node) {
        parents.emplace_back(x.impl()->node);
        x.impl()->node->release();
        x.impl()->node = nullptr;
      }
    }
    inputs.clear();
    for (Ref<GradientNode>& parent : parents) {
      if (parent && parent->use_count() == 1) {
        GradientNode* last = parent.get();
        last->retain();
        parent = nullptr;
        last->release();
        dead.push_back(last);
      } else {
        parent = nullptr;
      }
    }
  }
}

void destroy_gradient_node(GradientNode* node) {
  if (node->release()) GradientNode::destroy(node);
}

bool recording() { return thread_state().recording_depth > 0; }
void push_recording() { ++thread_state().recording_depth; }
void pop_recording() { --thread_state().recording_depth; }
int suspend_recording() { return std::exchange(thread_state().recording_depth, 0); }
void resume_recording(int depth) { thread_state().recording_depth = depth; }

bool has_node(const Tensor& x) { return x.impl()->node != nullptr; }

void watch(const Tensor& x) {
  if (has_node(x)) return;
  if (!is_float(x.dtype()))
    throw GradientError(
        message("a gradient needs a float tensor, got ", name(x.dtype()), "; convert it first: x.astype('float32')"));
  Ref<GradientNode> node(new GradientNode);
  node->order = next_order++;
  attach(x, node.get(), 0);
}

void unwatch(const Tensor& x) {
  if (GradientNode* node = std::exchange(x.impl()->node, nullptr)) destroy_gradient_node(node);
}

namespace {

Ref<GradientNode> new_node(const Tensor* inputs, int n_inputs, int n_outputs) {
  Ref<GradientNode> node(new GradientNode);
  node->order = next_order++;
  node->n_outputs = n_outputs;
  node->layer = thread_state().layer;
  for (int i = 0; i < n_inputs; ++i) {
    GradientNode* parent = inputs[i] ? inputs[i].impl()->node : nullptr;
    node->parents.emplace_back(parent);
    node->parent_outputs.push_back(parent ? inputs[i].impl()->node_output : 0);
  }
  return node;
}

}  // namespace

void record_gradient(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs, Tensor* outputs,
                     int n_outputs) {
  bool any = false;
  for (int i = 0; i < n_inputs; ++i) any = any || (inputs[i] && has_node(inputs[i]));
  if (!any || !op.vjp) return;
  Ref<GradientNode> node = new_node(inputs, n_inputs, n_outputs);
  node->op = &op;
  node->attrs = attrs;
  for (int i = 0; i < n_inputs; ++i) {
    node->inputs.push_back(!inputs[i] || saved(op.saves_inputs, static_cast<std::size_t>(i)) ? inputs[i]
                                                                                             : hollow(inputs[i]));
    node->versions.push_back(version_of(node->inputs.back()));
  }
  for (int k = 0; k < n_outputs; ++k) {
    node->outputs.push_back(saved(op.saves_outputs, static_cast<std::size_t>(k)) ? outputs[k].alias()
                                                                                 : hollow(outputs[k]));
    node->versions.push_back(version_of(node->outputs.back()));
  }
  for (int k = 0; k < n_outputs; ++k)
    if (is_float(outputs[k].dtype())) attach(outputs[k], node.get(), k);
}

void record_custom(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
                   GradientNode::Custom backward) {
  Ref<GradientNode> node = new_node(inputs.data(), static_cast<int>(inputs.size()), static_cast<int>(outputs.size()));
  node->custom = std::move(backward);
  for (std::size_t k = 0; k < outputs.size(); ++k) attach(outputs[k], node.get(), static_cast<int>(k));
}

std::vector<Tensor> backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& cotangents,
                             const std::vector<Tensor>& inputs) {
  // Nodes that the outputs depend on, oldest first; then which of them lead to an input.
  std::vector<GradientNode*> order, stack;
  std::unordered_set<GradientNode*> seen;
  for (const Tensor& y : outputs)
    if (has_node(y) && seen.insert(y.impl()->node).second) stack.push_back(y.impl()->node);
  while (!stack.empty()) {
    GradientNode* node = stack.back();
    stack.pop_back();
    order.push_back(node);
    for (const Ref<GradientNode>& parent : node->parents)
      if (parent && seen.insert(parent.get()).second) stack.push_back(parent.get());
  }
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->order < b->order; });
  std::unordered_set<GradientNode*> targets, leading;
  for (const Tensor& x : inputs)
    if (has_node(x)) targets.insert(x.impl()->node);
  for (GradientNode* node : order) {
    bool leads = targets.count(node) > 0;
    for (const Ref<GradientNode>& parent : node->parents) leads = leads || (parent && leading.count(parent.get()));
    if (leads) leading.insert(node);
  }

  std::unordered_map<GradientNode*, std::vector<Tensor>> gradients;
  const auto accumulate = [&](GradientNode* node, int output, const Tensor& g) {
    std::vector<Tensor>& list = gradients[node];
    if (list.empty()) list.resize(static_cast<std::size_t>(node->n_outputs));
    Tensor& sum = list[static_cast<std::size_t>(output)];
    sum = sum ? fn::add(sum, g) : g;
  };
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& y = outputs[i];
    if (!has_node(y) || !leading.count(y.impl()->node)) continue;
    Tensor g = i < cotangents.size() ? cotangents[i] : Tensor();
    if (g && g.shape() != y.shape())
      throw ShapeError(
          message("the cotangent has shape ", to_string(g.shape()), ", its output ", to_string(y.shape())));
    accumulate(y.impl()->node, y.impl()->node_output, g ? fn::cast(g, y.dtype()) : fn::full(y.dtype(), y.shape(), 1.0));
  }

  for (auto it = order.rbegin(); it != order.rend(); ++it) {
    GradientNode* node = *it;
    const auto found = gradients.find(node);
    if (found == gradients.end() || node->parents.empty()) continue;
    std::vector<Tensor> g = found->second;
    if (!targets.count(node)) gradients.erase(found);  // nobody will ask for it: let the memory go
    std::unique_ptr<bool[]> needs(new bool[node->parents.size()]);
    bool any = false;
    for (std::size_t i = 0; i < node->parents.size(); ++i) {
      needs[i] = node->parents[i] && leading.count(node->parents[i].get());
      any = any || needs[i];
    }
    if (!any) continue;
    const LayerScope scope(node->layer);
    const std::vector<Tensor> grads = run_vjp(*node, g, needs.get());
    for (std::size_t i = 0; i < grads.size(); ++i)
      if (grads[i] && needs[i]) accumulate(node->parents[i].get(), node->parent_outputs[i], grads[i]);
  }

  std::vector<Tensor> result;
  for (const Tensor& x : inputs) {
    Tensor g;
    if (has_node(x)) {
      const auto found = gradients.find(x.impl()->node);
      if (found != gradients.end()) g = found->second[static_cast<std::size_t>(x.impl()->node_output)];
    }
    result.push_back(g);
  }
  return result;
}

}  // namespace chainrule
