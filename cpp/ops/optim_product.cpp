// The update of a weight whose gradient is a matrix product: each part of the product goes into the update while it is
// in cache, and the gradient as a whole is never in memory. Programs make these of a product and an update
// (graph/rewrite.cpp).
// Invariant: the bits are those of the product followed by the update.
#include <cstring>

#include "ops/optim.h"
#include "ops/support.h"
#include "tensor/gemm.h"

namespace chainrule {
namespace {

// Inputs: a, b, then lr [, iterations], then weight and states.
constexpr int kFirstNumber = 2;

struct ProductUpdateTask {
  OptimRule rule;
  GemmPlan plan;
  int first_tensor, states;
};

Gemm product_of(const Call& call) {
  const Tensor &a = call.in(0), &b = call.in(1);
  Gemm product{};
  product.dtype = a.dtype();
  product.m = a.length(0);
  product.n = b.length(1);
  product.k = a.length(1);
  product.a_row = a.strides()[0];
  product.a_col = a.strides()[1];
  product.b_row = b.strides()[0];
  product.b_col = b.strides()[1];
  product.c_row = product.n;
  return product;
}

// What an update of the task has to do with rows and columns of the gradient.
struct Updater {
  const ProductUpdateTask& task;
  OptimParams params;
  char* weight;
  char* states[kMostStates] = {};

  Updater(const ProductUpdateTask& t, void* const* ptr)
      : task(t), params(params_now(t.rule, ptr + kFirstNumber)), weight(static_cast<char*>(ptr[t.first_tensor])) {
    for (int i = 0; i < t.states; ++i) states[i] = static_cast<char*>(ptr[t.first_tensor + 1 + i]);
  }

  void update_run(std::int64_t first, const void* g, std::int64_t n) const {
    const std::int64_t offset = first * static_cast<std::int64_t>(itemsize(task.plan.shape.dtype));
    void* state[kMostStates] = {};
    for (int i = 0; i < task.states; ++i) state[i] = states[i] + offset;
    update(task.rule, params, weight + offset, state, g, n);
  }

  static void take(const void* context, const GemmPart& part) {
    const Updater& self = *static_cast<const Updater*>(context);
    const std::int64_t n = self.task.plan.shape.n,
                       size = static_cast<std::int64_t>(itemsize(self.task.plan.shape.dtype));
    if (part.columns == n && part.row_step == n) return self.update_run(part.row * n, part.data, part.rows * n);
    for (std::int64_t i = 0; i < part.rows; ++i)
      self.update_run((part.row + i) * n + part.column, static_cast<const char*>(part.data) + i * part.row_step * size,
                      part.columns);
  }
};

// Whether the memory of a product's operand may hold something that the update changes.
bool changes(const ProductUpdateTask& t, void* const* ptr) {
  const Gemm& s = t.plan.shape;
  const auto size = static_cast<std::int64_t>(itemsize(s.dtype));
  const auto meets = [&](const void* x, std::int64_t rows, std::int64_t row, std::int64_t cols, std::int64_t col) {
    const std::int64_t ends[] = {(rows - 1) * row, (cols - 1) * col};
    const auto* at = static_cast<const char*>(x);
    const char *first = at, *last = at;
    for (const std::int64_t end : ends) (end < 0 ? first : last) += end * size;
    for (int i = 0; i <= t.states; ++i) {
      const auto* changed = static_cast<const char*>(ptr[t.first_tensor + i]);
      if (first < changed + s.m * s.n * size && changed <= last) return true;
    }
    return false;
  };
  return meets(ptr[0], s.m, s.a_row, s.k, s.a_col) || meets(ptr[1], s.k, s.b_row, s.n, s.b_col);
}

void run_product_update(const Task& task, void* const* ptr) {
  const auto& t = task.get<ProductUpdateTask>();
  const Gemm& s = t.plan.shape;
  if (s.m == 0 || s.n == 0) return;
  const Updater updater(t, ptr);
  if (gives_parts(t.plan) && !changes(t, ptr)) {
    run_gemm(t.plan, ptr[0], ptr[1], GemmTaker{Updater::take, &updater});
    return;
  }
  const Tensor g = Tensor::empty(s.dtype, {s.m, s.n});
  run_gemm(t.plan, ptr[0], ptr[1], g.data(), nullptr);
  updater.update_run(0, g.data(), s.m * s.n);
}

template <Rule rule>
void infer(const Call& call, std::vector<Output>&) {
  constexpr int first_tensor = kFirstNumber + rule_numbers(rule);
  const int states = rule_states(rule, call.attrs.data());
  const char* op = call.op.name;
  if (call.n_inputs != first_tensor + 1 + states)
    throw ValueError(message("[", op, "] expected the weight and ", states, " tensors of state, got ",
                             call.n_inputs - first_tensor, " tensors"));
  check_numbers(call, kFirstNumber, rule);
  const Tensor &a = call.in(0), &b = call.in(1), &weight = call.in(first_tensor);
  if (a.ndim() != 2 || b.ndim() != 2 || weight.shape() != Shape{a.length(0), b.length(1)} || a.length(1) != b.length(0))
    throw ShapeError(message("[", op, "] matrices a (m, k), b (k, n) and a weight (m, n) are needed, got shapes ",
                             to_string(a.shape()), ", ", to_string(b.shape()), " and ", to_string(weight.shape())));
  if (is_half(weight.dtype()) || a.dtype() != weight.dtype() || b.dtype() != weight.dtype())
    throw DTypeError(message("[", op, "] all tensors must be float32, or all float64, got ", name(a.dtype()), ", ",
                             name(b.dtype()), " and ", name(weight.dtype())));
  for (int i = 0; i <= states; ++i)
    check_mutated(call, call.in(first_tensor + i), weight, i ? "the state" : "the weight", i);
}

template <Rule rule>
void lower(const Call& call, Task& task) {
  auto& t = task.params<ProductUpdateTask>();
  t.first_tensor = kFirstNumber + rule_numbers(rule);
  t.states = rule_states(rule, call.attrs.data());
  t.rule = make_rule(rule, call.attrs.data(), call.inputs + kFirstNumber, call.in(t.first_tensor).dtype());
  t.plan = plan_gemm(product_of(call));
  task.run = run_product_update;
}

template <Rule rule>
Op product_op(const char* name, const char* doc) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = {{"a"}, {"b"}, {"lr"}};
  if (rule == Rule::adam) op.tensors.push_back({"iterations"});
  op.tensors.push_back({"tensors", TensorParam::list, true});
  op.attrs = rule_attrs(rule);
  op.infer = infer<rule>;
  op.lower = lower<rule>;
  op.saves_inputs = 0;
  return op;
}

bool register_all() {
  register_op(product_op<Rule::sgd>(
      "matmul_sgd_update", "sgd_update of one weight with the gradient matmul(a, b). tensors: weight [, velocity]."));
  register_op(product_op<Rule::adam>("matmul_adam_update",
                                     "adam_update of one weight with the gradient matmul(a, b). "
                                     "tensors: weight, first moment, second moment [, greatest second moment]."));
  register_op(
      product_op<Rule::rmsprop>("matmul_rmsprop_update",
                                "rmsprop_update of one weight with the gradient matmul(a, b). "
                                "tensors: weight, mean square [, mean if centered] [, velocity if momentum > 0]."));
  return true;
}

const bool registered = register_all();

}  // namespace

const Op* product_update_of(const Op& update) {
  for (const char* name : {"matmul_sgd_update", "matmul_adam_update", "matmul_rmsprop_update"})
    if (std::strcmp(name + std::strlen("matmul_"), update.name) == 0) return find_op(name);
  return nullptr;
}

bool joins_update(const Call& product) {
  return !is_half(product.in(0).dtype()) && is_float(product.in(0).dtype()) && product.in(0).ndim() == 2 &&
         product.in(1).ndim() == 2 && gives_parts(plan_gemm(product_of(product)));
}

}  // namespace chainrule
