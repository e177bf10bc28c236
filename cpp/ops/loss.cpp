// Cross-entropy from logits, one loss per row, with the probabilities kept as a second output for the gradient.
#include <atomic>
#include <limits>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr std::int64_t kWork = 4;  // an exponential beside an addition

struct LossTask {
  std::int64_t rows, classes;
  std::int64_t bytes;  // of a float
  bool check;          // labels: an exception for one out of range (programs give nan instead)
  Shape shape;         // of the labels
  std::int64_t (*sparse)(void* loss, void* p, const void* x, const std::int64_t* labels, std::int64_t rows,
                         std::int64_t cols);
  void (*sparse_grad)(void* dx, const void* p, const std::int64_t* labels, const void* g, std::int64_t rows,
                      std::int64_t cols);
  void (*dense)(void* loss, void* p, const void* x, const void* t, std::int64_t rows, std::int64_t cols);
  void (*dense_grad)(void* dx, const void* p, const void* t, const void* g, std::int64_t rows, std::int64_t cols);
  // Row `row` of an array with `per_row` elements in each.
  const char* at(const void* array, std::int64_t row, std::int64_t per_row) const {
    return static_cast<const char*>(array) + row * per_row * bytes;
  }
  char* at(void* array, std::int64_t row, std::int64_t per_row) const {
    return static_cast<char*>(array) + row * per_row * bytes;
  }
};

[[noreturn]] void throw_label(const LossTask& t, const std::int64_t* labels, std::int64_t row) {
  Shape position = t.shape;
  std::int64_t rest = row;
  for (int axis = position.ndim - 1; axis >= 0; --axis) {
    position[axis] = rest % t.shape[axis];
    rest /= t.shape[axis];
  }
  throw ValueError(message("[sparse_softmax_cross_entropy] label ", labels[row], " at position ", to_string(position),
                           " is outside the ", t.classes, " classes 0 ... ", t.classes - 1,
                           " of the logits' last axis; check the labels or give the last layer more units"));
}

void run_sparse(const Task& task, void* const* ptr) {
  const auto& t = task.get<LossTask>();
  const auto* labels = static_cast<const std::int64_t*>(ptr[1]);
  std::atomic<std::int64_t> bad{std::numeric_limits<std::int64_t>::max()};  // the first such row
  for_chunks(t.rows, t.classes * kWork, [&](std::int64_t row, std::int64_t count) {
    const std::int64_t found = t.sparse(t.at(ptr[2], row, 1), t.at(ptr[3], row, t.classes),
                                        t.at(ptr[0], row, t.classes), labels + row, count, t.classes);
    if (found < 0) return;
    std::int64_t least = bad.load();
    while (row + found < least && !bad.compare_exchange_weak(least, row + found)) {
    }
  });
  if (t.check && bad < t.rows) throw_label(t, labels, bad);
}

void run_sparse_grad(const Task& task, void* const* ptr) {
  const auto& t = task.get<LossTask>();
  const auto* labels = static_cast<const std::int64_t*>(ptr[1]);
  for_chunks(t.rows, t.classes, [&](std::int64_t row, std::int64_t count) {
    t.sparse_grad(t.at(ptr[3], row, t.classes), t.at(ptr[0], row, t.classes), labels + row, t.at(ptr[2], row, 1), count,
                  t.classes);
  });
}

void run_dense(const Task& task, void* const* ptr) {
  const auto& t = task.get<LossTask>();
  for_chunks(t.rows, t.classes * kWork, [&](std::int64_t row, std::int64_t count) {
    t.dense(t.at(ptr[2], row, 1), t.at(ptr[3], row, t.classes), t.at(ptr[0], row, t.classes),
            t.at(ptr[1], row, t.classes), count, t.classes);
  });
}

void run_dense_grad(const Task& task, void* const* ptr) {
  const auto& t = task.get<LossTask>();
  for_chunks(t.rows, t.classes, [&](std::int64_t row, std::int64_t count) {
    t.dense_grad(t.at(ptr[3], row, t.classes), t.at(ptr[0], row, t.classes), t.at(ptr[1], row, t.classes),
                 t.at(ptr[2], row, 1), count, t.classes);
  });
}

void run_nothing(const Task&, void* const*) {}

template <Task::Run run>
void lower(const Call& call, Task& task) {
  const Tensor& logits = call.in(0);
  auto& t = task.params<LossTask>();
  t.classes = logits.length(logits.ndim() - 1);
  t.rows = t.classes ? logits.size() / t.classes : 0;
  const DType dtype = call.out().dtype();
  t.bytes = static_cast<std::int64_t>(itemsize(dtype));
  t.check = call.out().data() != nullptr;  // in a program the memory comes later
  t.shape = call.in(1).shape();
  const RowKernels& table = kernels().rows;
  const int which = float_index(dtype);
  t.sparse = table.sparse_cross_entropy[which];
  t.sparse_grad = table.sparse_cross_entropy_grad[which];
  t.dense = table.cross_entropy[which];
  t.dense_grad = table.cross_entropy_grad[which];
  task.run = t.rows ? run : run_nothing;
}

// ---- types ---------------------------------------------------------------------------------------------------------

// All inputs contiguous; floats of one type, but for the labels (input 1 of the sparse ops), which become int64.
template <bool sparse>
bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  DType dtype = to_float(call.in(0).dtype());
  for (int i = 1; i < call.n_inputs; ++i)
    if (!(sparse && i == 1)) dtype = promote(dtype, to_float(call.in(i).dtype()));
  if (sparse && !is_integer(call.in(1).dtype()))
    throw DTypeError(message("[", call.op.name, "] the labels must be whole numbers, got ", name(call.in(1).dtype()),
                             "; for probabilities use softmax_cross_entropy"));
  const auto wanted = [&](int i) { return sparse && i == 1 ? DType::I64 : dtype; };
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i)
    ready = ready && call.in(i).dtype() == wanted(i) && call.in(i).is_contiguous();
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor x = fn::cast(call.in(i), wanted(i));
    prepared.push_back(x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

Shape row_shape(const Call& call) {
  const Shape& logits = call.in(0).shape();
  if (logits.ndim == 0)
    throw ShapeError(message("[", call.op.name, "] the logits need an axis of classes, got shape ()"));
  if (logits[logits.ndim - 1] == 0 && element_count(Shape(logits.begin(), logits.end() - 1)) > 0)
    throw ShapeError(message("[", call.op.name, "] the logits have no classes: shape ", to_string(logits)));
  return Shape(logits.begin(), logits.end() - 1);
}

template <bool sparse>
void check_targets(const Call& call) {
  const Shape &logits = call.in(0).shape(), &given = call.in(1).shape();
  const Shape expected = sparse ? row_shape(call) : logits;
  if (given != expected)
    throw ShapeError(message("[", call.op.name, "] logits of shape ", to_string(logits), " need ",
                             sparse ? "labels" : "targets", " of shape ", to_string(expected), ", got ",
                             to_string(given)));
}

template <bool sparse>
void infer(const Call& call, std::vector<Output>& outputs) {
  check_targets<sparse>(call);
  outputs.push_back({call.in(0).dtype(), row_shape(call)});
  outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}

template <bool sparse>
void infer_grad(const Call& call, std::vector<Output>& outputs) {
  check_targets<sparse>(call);
  if (call.in(2).shape() != row_shape(call))
    throw ShapeError(message("[", call.op.name, "] one cotangent per row is needed: shape ", to_string(row_shape(call)),
                             ", got ", to_string(call.in(2).shape())));
  outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}

// ---- gradients -----------------------------------------------------------------------------------------------------

Tensor as_column(const Tensor& per_row) {
  Shape shape = per_row.shape();
  shape.push_back(1);
  return fn::reshape(per_row, shape);
}
Tensor sum_classes(const Tensor& x, bool keepdims) { return fn::sum(x, {-1}, keepdims); }

void accumulate(Tensor& sum, const Tensor& term) { sum = sum ? fn::add(sum, term) : term; }

// Cotangent of the logits from those of the losses and of the probabilities.
Tensor logits_grad(const Call& call, const char* op, const Tensor* g) {
  const Tensor& p = call.out(1);
  Tensor grad;
  if (g[0]) accumulate(grad, call_op(op, {p, call.in(1), g[0]}));
  if (g[1]) accumulate(grad, call_op("softmax_grad", {p, g[1]}, {Attr::of(-1)}));
  return grad;
}

void sparse_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = logits_grad(call, "sparse_softmax_cross_entropy_grad", g);
}

void dense_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (needs[0]) grads[0] = logits_grad(call, "softmax_cross_entropy_grad", g);
  if (needs[1] && g[0])
    grads[1] = fn::negative(fn::multiply(as_column(g[0]), call_op("log_softmax", {call.in(0)}, {Attr::of(-1)})));
}

// dx = (p - onehot) g; for a cotangent u: dp = u g, dg = sum u (p - onehot).
void sparse_grad_vjp(const Call& call, const Tensor* cotangent, const bool* needs, Tensor* grads) {
  const Tensor &p = call.in(0), &u = cotangent[0];
  if (needs[0]) grads[0] = fn::multiply(u, as_column(call.in(2)));
  if (needs[2]) {
    const Tensor hot = call_op("one_hot", {call.in(1)}, {Attr::of(p.length(p.ndim() - 1)), Attr::of(p.dtype())});
    grads[2] = sum_classes(fn::multiply(u, fn::subtract(p, hot)), false);
  }
}

// dx = (p s - t) g with s = sum t; for a cotangent u: dp = u s g, dt = g (sum(u p) - u), dg = sum u (p s - t).
void dense_grad_vjp(const Call& call, const Tensor* cotangent, const bool* needs, Tensor* grads) {
  const Tensor &p = call.in(0), &t = call.in(1), &u = cotangent[0];
  const Tensor g = as_column(call.in(2)), s = sum_classes(t, true);
  if (needs[0]) grads[0] = fn::multiply(u, fn::multiply(s, g));
  if (needs[1]) grads[1] = fn::multiply(g, fn::subtract(sum_classes(fn::multiply(u, p), true), u));
  if (needs[2]) grads[2] = sum_classes(fn::multiply(u, fn::subtract(fn::multiply(p, s), t)), false);
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  Op sparse;
  sparse.name = "sparse_softmax_cross_entropy";
  sparse.doc = "-log softmax(logits)[label] for each row; logits (..., classes), labels (...) of whole numbers.";
  sparse.tensors = {{"logits"}, {"labels"}};
  sparse.prepare = prepare<true>;
  sparse.infer = infer<true>;
  sparse.lower = lower<run_sparse>;
  sparse.vjp = sparse_vjp;
  sparse.saves_inputs = 2;
  sparse.saves_outputs = 2;
  register_op(sparse);

  Op sparse_grad;
  sparse_grad.name = "sparse_softmax_cross_entropy_grad";
  sparse_grad.doc = "(p - onehot(label)) g: the gradient of sparse_softmax_cross_entropy from the probabilities p.";
  sparse_grad.tensors = {{"p"}, {"labels"}, {"g"}};
  sparse_grad.prepare = prepare<true>;
  sparse_grad.infer = infer_grad<true>;
  sparse_grad.lower = lower<run_sparse_grad>;
  sparse_grad.vjp = sparse_grad_vjp;
  sparse_grad.saves_inputs = 7;
  register_op(sparse_grad);

  Op dense;
  dense.name = "softmax_cross_entropy";
  dense.doc = "-sum_k t_k log softmax(logits)_k for each row; logits and targets t (..., classes).";
  dense.tensors = {{"logits"}, {"targets"}};
  dense.prepare = prepare<false>;
  dense.infer = infer<false>;
  dense.lower = lower<run_dense>;
  dense.vjp = dense_vjp;
  dense.saves_inputs = 3;
  dense.saves_outputs = 2;
  register_op(dense);

  Op dense_grad;
  dense_grad.name = "softmax_cross_entropy_grad";
  dense_grad.doc = "(p sum(t) - t) g: the gradient of softmax_cross_entropy from the probabilities p.";
  dense_grad.tensors = {{"p"}, {"targets"}, {"g"}};
  dense_grad.prepare = prepare<false>;
  dense_grad.infer = infer_grad<false>;
  dense_grad.lower = lower<run_dense_grad>;
  dense_grad.vjp = dense_grad_vjp;
  dense_grad.saves_inputs = 7;
  register_op(dense_grad);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
