// The rules of the optimizers, shared by the update of all tensors of a model (optim.cpp) and those of a weight that
// take in what its gradient is made of: a matrix product (optim_product.cpp), rows of a table (optim_embedding.cpp).
// Invariant: the learning rate and the step count are read when a task runs, so that a recorded program follows their
// changes; an element's new value depends on its own old values and gradient alone, however the work is cut.
#pragma once

#include <cstdint>
#include <vector>

#include "ops/op.h"

namespace chainrule {

enum class Rule { sgd, adam, rmsprop };

// A rule with its numbers, lowered.
struct OptimRule {
  Rule rule;
  OptimParams params;  // but for what params_now reads
  int which;           // of the kernels for F32 and F64
  DType lr_dtype, iterations_dtype;
};

constexpr int kMostStates = 3;
// The inputs that come first: lr, and for Adam the number of iterations so far.
constexpr int rule_numbers(Rule rule) { return rule == Rule::adam ? 2 : 1; }
std::vector<AttrParam> rule_attrs(Rule rule);
// `attrs`: those of rule_attrs. How many tensors like the weight an update carries on from step to step.
int rule_states(Rule rule, const Attr* attrs);
OptimRule make_rule(Rule rule, const Attr* attrs, const Tensor* numbers, DType dtype);
// Throws unless lr and the iterations are one number each.
void check_numbers(const Call& call, int first, Rule rule);
// Throws unless x, called `what`, is a writable contiguous tensor of the weight's dtype and shape.
void check_mutated(const Call& call, const Tensor& x, const Tensor& weight, const char* what, int number);

OptimParams params_now(const OptimRule& rule, void* const* numbers);
// n elements, in place; states that the rule doesn't have are null.
void update(const OptimRule& rule, const OptimParams& params, void* weight, void* const* states, const void* g,
            std::int64_t n);

// ---- one weight, together with what makes its gradient -------------------------------------------------------------

// Such an op's inputs: two that make the gradient, then what the update of several begins with, then the weight and its
// states; its attributes: those of the rule, then its own.
constexpr int kFirstNumber = 2;
constexpr int first_tensor(Rule rule) { return kFirstNumber + rule_numbers(rule); }
// Whether it is the update of several weights (optim.cpp).
bool is_update(const Op& op);
// The op that does the work of `gradient` and then `update`; null if there is none. In front of the attributes of the
// gradient that it keeps come those of the update but for `count`.
const Op* joined_update(const Op& gradient, const Op& update);
// Whether an update gains from taking in this product.
bool joins_update(const Call& product);

// Checks what follows the two inputs, for a weight of `shape`.
void check_joined(const Call& call, Rule rule, const Shape& shape);

struct JoinedRule {
  OptimRule rule;
  int states;
  std::int64_t size;  // of the weight
};
JoinedRule make_joined(Rule rule, const Call& call);

// The rule at work on one weight of a running task.
class WeightUpdate {
 public:
  WeightUpdate(const JoinedRule& joined, void* const* ptr);
  // Whether the bytes from `first` up to `end` hold something that the update changes.
  bool changes(const void* first, const void* end) const;
  // Elements first .. first + n, by their gradient.
  void run(std::int64_t first, const void* g, std::int64_t n) const;

 private:
  const JoinedRule& joined_;
  OptimParams params_;
  std::int64_t bytes_;  // of an element
  char* weight_;
  char* states_[kMostStates] = {};
};

// Declares `name` with the inputs and attributes that all such ops have.
Op joined_op(const char* name, const char* doc, const char* first, const char* second, Rule rule);

}  // namespace chainrule
