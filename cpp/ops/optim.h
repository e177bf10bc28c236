// The rules of the optimizers, shared by the update of all tensors of a model (optim.cpp) and that of a weight whose
// gradient is a matrix product (optim_product.cpp).
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
  OptimParams params;  // but for what update_now reads
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
// n elements, in place.
void update(const OptimRule& rule, const OptimParams& params, void* weight, void* const* states, const void* g,
            std::int64_t n);

// The op that updates one weight by the gradient matmul(a, b), of an op that updates several; null for other ops. Its
// inputs are a, b, then what the other begins with, then the weight and its states; its attributes are the other's
// but for the first, `count`.
const Op* product_update_of(const Op& update);
// Whether the update of a weight gains from taking in this product.
bool joins_update(const Call& product);

}  // namespace chainrule
