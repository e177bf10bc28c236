// The update of a weight whose gradient is a matrix product: each part of the product goes into the update while it is
// in cache, and the gradient as a whole is never in memory. Programs make these of a product and an update
// (graph/rewrite.cpp).
// Invariant: the bits are those of the product followed by the update.
#include "ops/optim.h"
#include "ops/support.h"
#include "tensor/gemm.h"

namespace chainrule {
namespace {

struct ProductUpdateTask {
  JoinedRule joined;
  GemmPlan plan;
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

struct Taker {
  const WeightUpdate& weight;
  std::int64_t columns, bytes;

  static void take(const void* context, const GemmPart& part) {
    const Taker& self = *static_cast<const Taker*>(context);
    const std::int64_t n = self.columns;
    if (part.columns == n && part.row_step == n) return self.weight.run(part.row * n, part.data, part.rows * n);
    for (std::int64_t i = 0; i < part.rows; ++i)
      self.weight.run((part.row + i) * n + part.column,
                      static_cast<const char*>(part.data) + i * part.row_step * self.bytes, part.columns);
  }
};

// Whether a matrix lies where the update changes something.
bool is_changed(const WeightUpdate& weight, const void* x, std::int64_t rows, std::int64_t row, std::int64_t cols,
                std::int64_t col, std::int64_t bytes) {
  const auto* const at = static_cast<const char*>(x);
  const char *first = at, *last = at;
  for (const std::int64_t reach : {(rows - 1) * row, (cols - 1) * col}) (reach < 0 ? first : last) += reach * bytes;
  return weight.changes(first, last + bytes);
}

void run_product_update(const Task& task, void* const* ptr) {
  const auto& t = task.get<ProductUpdateTask>();
  const Gemm& s = t.plan.shape;
  if (s.m == 0 || s.n == 0) return;
  const WeightUpdate weight(t.joined, ptr);
  const auto bytes = static_cast<std::int64_t>(itemsize(s.dtype));
  if (gives_parts(t.plan) && !is_changed(weight, ptr[0], s.m, s.a_row, s.k, s.a_col, bytes) &&
      !is_changed(weight, ptr[1], s.k, s.b_row, s.n, s.b_col, bytes)) {
    const Taker taker{weight, s.n, bytes};
    run_gemm(t.plan, ptr[0], ptr[1], GemmTaker{Taker::take, &taker});
    return;
  }
  const Tensor g = Tensor::empty(s.dtype, {s.m, s.n});
  run_gemm(t.plan, ptr[0], ptr[1], g.data(), nullptr);
  weight.run(0, g.data(), s.m * s.n);
}

template <Rule rule>
void infer(const Call& call, std::vector<Output>&) {
  const Tensor &a = call.in(0), &b = call.in(1);
  if (a.ndim() != 2 || b.ndim() != 2 || a.length(1) != b.length(0))
    throw ShapeError(message("[", call.op.name, "] matrices a (m, k) and b (k, n) are needed, got shapes ",
                             to_string(a.shape()), " and ", to_string(b.shape())));
  if (a.dtype() != b.dtype())
    throw DTypeError(message("[", call.op.name, "] all tensors must be float32, or all float64, got ", name(a.dtype()),
                             " and ", name(b.dtype())));
  check_joined(call, rule, Shape{a.length(0), b.length(1)});
}

template <Rule rule>
void lower(const Call& call, Task& task) {
  auto& t = task.params<ProductUpdateTask>();
  t.joined = make_joined(rule, call);
  t.plan = plan_gemm(product_of(call));
  task.run = run_product_update;
}

template <Rule rule>
void register_one(const char* name, const char* doc) {
  Op op = joined_op(name, doc, "a", "b", rule);
  op.infer = infer<rule>;
  op.lower = lower<rule>;
  register_op(op);
}

bool register_all() {
  register_one<Rule::sgd>("matmul_sgd_update",
                          "sgd_update of one weight with the gradient matmul(a, b). tensors: weight [, velocity].");
  register_one<Rule::adam>("matmul_adam_update",
                           "adam_update of one weight with the gradient matmul(a, b). "
                           "tensors: weight, first moment, second moment [, greatest second moment].");
  register_one<Rule::rmsprop>("matmul_rmsprop_update",
                              "rmsprop_update of one weight with the gradient matmul(a, b). "
                              "tensors: weight, mean square [, mean if centered] [, velocity if momentum > 0].");
  return true;
}

const bool registered = register_all();

}  // namespace

bool joins_update(const Call& product) {
  return is_float(product.in(0).dtype()) && !is_half(product.in(0).dtype()) && product.in(0).ndim() == 2 &&
         product.in(1).ndim() == 2 && gives_parts(plan_gemm(product_of(product)));
}

}  // namespace chainrule
