// Optimizer updates: one task over all tensors of a model, in place.
// Invariant: work is cut into pieces of kPiece elements of a tensor, pieces into chunks, by the sizes alone. The
// learning rate and the step count are read when the task runs, so that a recorded program follows their changes.
#include <cmath>

#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

enum class Rule { sgd, adam, rmsprop };

constexpr std::int64_t kPiece = 4096;

struct Piece {
  int tensor;
  std::int64_t first, n;
};

struct OptimTask {
  Rule rule;
  OptimParams params;
  int which;  // of the kernels for F32 and F64
  std::int64_t bytes;
  int count;       // tensors updated
  int first_list;  // inputs before the lists: lr, iterations
  int lists;
  DType lr_dtype, iterations_dtype;
  std::vector<Walk> grads;
  std::vector<Piece> pieces;
  std::vector<std::size_t> chunks;  // first piece of each chunk, and the end
};

double read_number(const void* data, DType dtype) {
  double value = 0;
  dispatch(dtype, [&](auto zero) { value = static_cast<double>(*static_cast<const decltype(zero)*>(data)); });
  return value;
}

void run_piece(const OptimTask& t, const OptimParams& params, void* const* ptr, const Piece& piece) {
  const OptimKernels& table = kernels().optim;
  void* list[5] = {};  // weights, gradients, state
  for (int k = 0; k < t.lists; ++k) {
    char* data = static_cast<char*>(ptr[t.first_list + k * t.count + piece.tensor]);
    if (k != 1) list[k] = data + piece.first * t.bytes;
    if (k == 1) list[k] = data;
  }
  const Walk& walk = t.grads[static_cast<std::size_t>(piece.tensor)];
  void* scratch = walk.contiguous() ? nullptr : thread_scratch(0, kPiece * sizeof(double));
  const void* g = read_block(walk, static_cast<std::size_t>(t.bytes), scratch, list[1], piece.first, piece.n);
  switch (t.rule) {
    case Rule::sgd:
      return table.sgd[t.which](list[0], list[2], g, piece.n, &params);
    case Rule::adam:
      return table.adam[t.which](list[0], list[2], list[3], list[4], g, piece.n, &params);
    case Rule::rmsprop: {
      void* mean = params.centered ? list[3] : nullptr;
      void* velocity = params.momentum != 0 ? list[params.centered ? 4 : 3] : nullptr;
      return table.rmsprop[t.which](list[0], list[2], mean, velocity, g, piece.n, &params);
    }
  }
}

void run_update(const Task& task, void* const* ptr) {
  const auto& t = task.get<OptimTask>();
  OptimParams params = t.params;
  params.lr = read_number(ptr[0], t.lr_dtype);
  if (t.rule == Rule::adam) {
    const double step = read_number(ptr[1], t.iterations_dtype) + 1;
    params.correction1 = 1 - std::pow(params.beta1, step);
    params.correction2 = 1 - std::pow(params.beta2, step);
  }
  const auto body = [&](std::int64_t chunk) {
    for (std::size_t i = t.chunks[static_cast<std::size_t>(chunk)]; i < t.chunks[static_cast<std::size_t>(chunk) + 1];
         ++i)
      run_piece(t, params, ptr, t.pieces[i]);
  };
  const std::int64_t chunks = static_cast<std::int64_t>(t.chunks.size()) - 1;
  if (chunks == 1) {
    body(0);
  } else if (chunks > 1) {
    parallel_for(chunks, body);
  }
}

// ---- what a call looks like ----------------------------------------------------------------------------------------

struct Layout {
  int first_list, lists, count;
};

template <Rule rule>
Layout layout_of(const Call& call) {
  // attrs: count, then those of the rule
  const std::vector<Attr>& a = call.attrs;
  Layout layout{rule == Rule::adam ? 2 : 1, 2, static_cast<int>(a[0].integer)};
  if (rule == Rule::sgd) layout.lists += a[1].real != 0;
  if (rule == Rule::adam) layout.lists += 2 + a[4].truth();
  if (rule == Rule::rmsprop) layout.lists += 1 + (a[2].real != 0) + a[4].truth();
  return layout;
}

template <Rule rule>
void infer(const Call& call, std::vector<Output>&) {
  const Layout l = layout_of<rule>(call);
  const char* op = call.op.name;
  if (l.count < 0 || call.n_inputs - l.first_list != l.lists * l.count)
    throw ValueError(message("[", op, "] ", l.count, " weights need ", l.lists,
                             " tensors each (weight, gradient, state), ", l.lists * l.count, " in all, got ",
                             call.n_inputs - l.first_list));
  for (int i = 0; i < l.first_list; ++i)
    if (call.in(i).size() != 1)
      throw ShapeError(message("[", op, "] ", i ? "iterations" : "lr", " must be one number, got shape ",
                               to_string(call.in(i).shape())));
  for (int i = 0; i < l.count; ++i) {
    const Tensor& weight = call.in(l.first_list + i);
    for (int k = 0; k < l.lists; ++k) {
      const Tensor& x = call.in(l.first_list + k * l.count + i);
      const char* what = k == 0 ? "the weight" : k == 1 ? "the gradient" : "the state";
      if (!is_float(x.dtype()) || x.dtype() != call.in(l.first_list).dtype())
        throw DTypeError(message("[", op, "] all tensors must have one float dtype, ", what, " number ", i, " has ",
                                 name(x.dtype()), ", weight 0 ", name(call.in(l.first_list).dtype())));
      if (x.shape() != weight.shape())
        throw ShapeError(message("[", op, "] ", what, " number ", i, " has shape ", to_string(x.shape()),
                                 ", its weight ", to_string(weight.shape())));
      if (k == 1) continue;
      if (!x.is_contiguous())
        throw ValueError(message("[", op, "] ", what, " number ", i, " is changed in place and must be contiguous"));
      if (!x.is_writable())
        throw ValueError(
            message("[", op, "] ", what, " number ", i, " is changed in place but its memory is read-only"));
    }
  }
}

template <Rule rule>
void lower(const Call& call, Task& task) {
  const Layout l = layout_of<rule>(call);
  const std::vector<Attr>& a = call.attrs;
  auto& t = task.params<OptimTask>();
  t.rule = rule;
  t.first_list = l.first_list;
  t.lists = l.lists;
  t.count = l.count;
  t.lr_dtype = call.in(0).dtype();
  t.iterations_dtype = call.in(l.first_list - 1).dtype();
  t.params = OptimParams{};
  t.params.grad_scale = 1;
  if (rule == Rule::sgd) {
    t.params.momentum = a[1].real;
    t.params.nesterov = a[2].truth();
  } else if (rule == Rule::adam) {
    t.params.beta1 = a[1].real;
    t.params.beta2 = a[2].real;
    t.params.epsilon = a[3].real;
    t.params.amsgrad = a[4].truth();
  } else {
    t.params.rho = a[1].real;
    t.params.momentum = a[2].real;
    t.params.epsilon = a[3].real;
    t.params.centered = a[4].truth();
  }
  t.params.weight_decay = a[a.size() - 2].real;
  t.params.clip_value = a[a.size() - 1].real;

  const DType dtype = l.count ? call.in(l.first_list).dtype() : DType::F32;
  t.which = float_index(dtype);
  t.bytes = static_cast<std::int64_t>(itemsize(dtype));
  std::int64_t in_chunk = kPiece;  // elements of the last chunk
  for (int i = 0; i < l.count; ++i) {
    t.grads.push_back(make_walk(call.in(l.first_list + l.count + i)));
    const std::int64_t size = call.in(l.first_list + i).size();
    for (std::int64_t first = 0; first < size; first += kPiece) {
      const std::int64_t n = std::min(kPiece, size - first);
      if (in_chunk + n > kPiece) {
        t.chunks.push_back(t.pieces.size());
        in_chunk = 0;
      }
      t.pieces.push_back({i, first, n});
      in_chunk += n;
    }
  }
  t.chunks.push_back(t.pieces.size());
  task.run = run_update;
}

// ---- the ops -------------------------------------------------------------------------------------------------------

AttrParam number(const char* name, double value) { return attr_with_default(name, AttrKind::real, Attr::of(value)); }
AttrParam choice(const char* name) { return attr_with_default(name, AttrKind::boolean, Attr::of(false)); }

bool register_all() {
  const AttrParam count = required_attr("count", AttrKind::integer);
  const TensorParam tensors{"tensors", TensorParam::list, true};

  Op sgd;
  sgd.name = "sgd_update";
  sgd.doc =
      "w -= lr g, or v = momentum v - lr g; w += v (nesterov: w += momentum v - lr g). "
      "tensors: count weights, gradients [, velocities].";
  sgd.tensors = {{"lr"}, tensors};
  sgd.attrs = {count, number("momentum", 0), choice("nesterov"), number("weight_decay", 0), number("clip_value", 0)};
  sgd.infer = infer<Rule::sgd>;
  sgd.lower = lower<Rule::sgd>;
  sgd.saves_inputs = 0;
  register_op(sgd);

  Op adam = sgd;
  adam.name = "adam_update";
  adam.doc =
      "Adam with bias correction for step t = iterations + 1, as Keras 3. "
      "tensors: count weights, gradients, first moments, second moments [, greatest second moments].";
  adam.tensors = {{"lr"}, {"iterations"}, tensors};
  adam.attrs = {count,
                number("beta1", 0.9),
                number("beta2", 0.999),
                number("epsilon", 1e-7),
                choice("amsgrad"),
                number("weight_decay", 0),
                number("clip_value", 0)};
  adam.infer = infer<Rule::adam>;
  adam.lower = lower<Rule::adam>;
  register_op(adam);

  Op rmsprop = sgd;
  rmsprop.name = "rmsprop_update";
  rmsprop.doc =
      "RMSprop as Keras 3 (epsilon under the root). "
      "tensors: count weights, gradients, mean squares [, means if centered] [, velocities if momentum > 0].";
  rmsprop.attrs = {count,
                   number("rho", 0.9),
                   number("momentum", 0),
                   number("epsilon", 1e-7),
                   choice("centered"),
                   number("weight_decay", 0),
                   number("clip_value", 0)};
  rmsprop.infer = infer<Rule::rmsprop>;
  rmsprop.lower = lower<Rule::rmsprop>;
  register_op(rmsprop);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
