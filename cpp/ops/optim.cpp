// Optimizer updates: one task over all tensors of a model, in place.
// Invariant: work is cut into pieces of kPiece elements of a tensor, pieces into chunks, by the sizes alone.
#include "ops/optim.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>

#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"

namespace chainrule {

// ---- the rules -----------------------------------------------------------------------------------------------------

std::vector<AttrParam> rule_attrs(Rule rule) {
  const auto number = [](const char* name, double value) {
    return attr_with_default(name, AttrKind::real, Attr::of(value));
  };
  const auto choice = [](const char* name) { return attr_with_default(name, AttrKind::boolean, Attr::of(false)); };
  std::vector<AttrParam> attrs;
  switch (rule) {
    case Rule::sgd:
      attrs = {number("momentum", 0), choice("nesterov")};
      break;
    case Rule::adam:
      attrs = {number("beta1", 0.9), number("beta2", 0.999), number("epsilon", 1e-7), choice("amsgrad")};
      break;
    case Rule::rmsprop:
      attrs = {number("rho", 0.9), number("momentum", 0), number("epsilon", 1e-7), choice("centered")};
      break;
  }
  attrs.push_back(number("weight_decay", 0));
  attrs.push_back(number("clip_value", 0));
  return attrs;
}

int rule_states(Rule rule, const Attr* attrs) {
  switch (rule) {
    case Rule::sgd:
      return attrs[0].real != 0;
    case Rule::adam:
      return 2 + attrs[3].truth();
    case Rule::rmsprop:
      return 1 + (attrs[1].real != 0) + attrs[3].truth();
  }
  return 0;
}

OptimRule make_rule(Rule rule, const Attr* attrs, const Tensor* numbers, DType dtype) {
  OptimRule made{rule, OptimParams{}, float_index(dtype), numbers[0].dtype(), numbers[rule_numbers(rule) - 1].dtype()};
  OptimParams& params = made.params;
  params.grad_scale = 1;
  switch (rule) {
    case Rule::sgd:
      params.momentum = attrs[0].real;
      params.nesterov = attrs[1].truth();
      break;
    case Rule::adam:
      params.beta1 = attrs[0].real;
      params.beta2 = attrs[1].real;
      params.epsilon = attrs[2].real;
      params.amsgrad = attrs[3].truth();
      break;
    case Rule::rmsprop:
      params.rho = attrs[0].real;
      params.momentum = attrs[1].real;
      params.epsilon = attrs[2].real;
      params.centered = attrs[3].truth();
      break;
  }
  const Attr* common = attrs + (rule == Rule::sgd ? 2 : 4);
  params.weight_decay = common[0].real;
  params.clip_value = common[1].real;
  return made;
}

void check_numbers(const Call& call, int first, Rule rule) {
  for (int i = 0; i < rule_numbers(rule); ++i)
    if (call.in(first + i).size() != 1)
      throw ShapeError(message("[", call.op.name, "] ", i ? "iterations" : "lr", " must be one number, got shape ",
                               to_string(call.in(first + i).shape())));
}

void check_mutated(const Call& call, const Tensor& x, const Tensor& weight, const char* what, int number) {
  const char* op = call.op.name;
  if (!is_float(x.dtype()) || x.dtype() != weight.dtype())
    throw DTypeError(message("[", op, "] all tensors must have one float dtype, ", what, " number ", number, " has ",
                             name(x.dtype()), ", its weight ", name(weight.dtype())));
  if (x.shape() != weight.shape())
    throw ShapeError(message("[", op, "] ", what, " number ", number, " has shape ", to_string(x.shape()),
                             ", its weight ", to_string(weight.shape())));
  if (!x.is_contiguous())
    throw ValueError(message("[", op, "] ", what, " number ", number, " is changed in place and must be contiguous"));
  if (!x.is_writable())
    throw ValueError(
        message("[", op, "] ", what, " number ", number, " is changed in place but its memory is read-only"));
}

OptimParams params_now(const OptimRule& rule, void* const* numbers) {
  const auto read = [](const void* data, DType dtype) {
    double value = 0;
    dispatch(dtype, [&](auto zero) { value = static_cast<double>(*static_cast<const decltype(zero)*>(data)); });
    return value;
  };
  OptimParams params = rule.params;
  params.lr = read(numbers[0], rule.lr_dtype);
  if (rule.rule == Rule::adam) {
    const double step = read(numbers[1], rule.iterations_dtype) + 1;
    params.correction1 = 1 - std::pow(params.beta1, step);
    params.correction2 = 1 - std::pow(params.beta2, step);
  }
  return params;
}

void update(const OptimRule& rule, const OptimParams& params, void* weight, void* const* states, const void* g,
            std::int64_t n) {
  const OptimKernels& table = kernels().optim;
  switch (rule.rule) {
    case Rule::sgd:
      return table.sgd[rule.which](weight, states[0], g, n, &params);
    case Rule::adam:
      return table.adam[rule.which](weight, states[0], states[1], states[2], g, n, &params);
    case Rule::rmsprop: {
      void* mean = params.centered ? states[1] : nullptr;
      void* velocity = params.momentum != 0 ? states[params.centered ? 2 : 1] : nullptr;
      return table.rmsprop[rule.which](weight, states[0], mean, velocity, g, n, &params);
    }
  }
}

// ---- one weight, together with what makes its gradient -------------------------------------------------------------

void check_joined(const Call& call, Rule rule, const Shape& shape) {
  const int first = first_tensor(rule), states = rule_states(rule, call.attrs.data());
  const char* op = call.op.name;
  if (call.n_inputs != first + 1 + states)
    throw ValueError(message("[", op, "] expected the weight and ", states, " tensors of state, got ",
                             call.n_inputs - first, " tensors"));
  check_numbers(call, kFirstNumber, rule);
  const Tensor& weight = call.in(first);
  if (weight.shape() != shape)
    throw ShapeError(
        message("[", op, "] the gradient has shape ", to_string(shape), ", the weight ", to_string(weight.shape())));
  if (is_half(weight.dtype()) || call.in(0).dtype() != weight.dtype())
    throw DTypeError(message("[", op, "] all tensors must be float32, or all float64, got ", name(call.in(0).dtype()),
                             " and a weight of ", name(weight.dtype())));
  for (int i = 0; i <= states; ++i) check_mutated(call, call.in(first + i), weight, i ? "the state" : "the weight", i);
}

JoinedRule make_joined(Rule rule, const Call& call) {
  const Tensor& weight = call.in(first_tensor(rule));
  return {make_rule(rule, call.attrs.data(), call.inputs + kFirstNumber, weight.dtype()),
          rule_states(rule, call.attrs.data()), weight.size()};
}

WeightUpdate::WeightUpdate(const JoinedRule& joined, void* const* ptr)
    : joined_(joined),
      params_(params_now(joined.rule, ptr + kFirstNumber)),
      bytes_(joined.rule.which ? sizeof(double) : sizeof(float)),
      weight_(static_cast<char*>(ptr[first_tensor(joined.rule.rule)])) {
  for (int i = 0; i < joined.states; ++i) states_[i] = static_cast<char*>(ptr[first_tensor(joined.rule.rule) + 1 + i]);
}

bool WeightUpdate::changes(const void* first, const void* end) const {
  const auto meets = [&](const char* changed) { return first < changed + joined_.size * bytes_ && changed < end; };
  bool any = meets(weight_);
  for (int i = 0; i < joined_.states; ++i) any = any || meets(states_[i]);
  return any;
}

void WeightUpdate::run(std::int64_t first, const void* g, std::int64_t n) const {
  void* states[kMostStates] = {};
  for (int i = 0; i < joined_.states; ++i) states[i] = states_[i] + first * bytes_;
  update(joined_.rule, params_, weight_ + first * bytes_, states, g, n);
}

Op joined_op(const char* name, const char* doc, const char* first, const char* second, Rule rule) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = {{first}, {second}, {"lr"}};
  if (rule == Rule::adam) op.tensors.push_back({"iterations"});
  op.tensors.push_back({"tensors", TensorParam::list, true});
  op.attrs = rule_attrs(rule);
  op.saves_inputs = 0;
  return op;
}

bool is_update(const Op& op) {
  static const Op* const updates[] = {find_op("sgd_update"), find_op("adam_update"), find_op("rmsprop_update")};
  return std::find(std::begin(updates), std::end(updates), &op) != std::end(updates);
}

const Op* joined_update(const Op& gradient, const Op& update) {
  const std::string made = gradient.name;
  const char* prefix = made == "matmul_bias_act" ? "matmul_" : made == "embedding_grad" ? "embedding_" : nullptr;
  return prefix ? find_op((std::string(prefix) + update.name).c_str()) : nullptr;
}

// ---- all tensors of a model ----------------------------------------------------------------------------------------

namespace {

constexpr std::int64_t kPiece = 4096;

struct Piece {
  int tensor;
  std::int64_t first, n;
};

struct OptimTask {
  OptimRule rule;
  std::int64_t bytes;
  int count;       // tensors updated
  int first_list;  // inputs before the lists
  int lists;       // weights, gradients, then the states
  std::vector<Walk> grads;
  std::vector<Piece> pieces;
  std::vector<std::size_t> chunks;  // first piece of each chunk, and the end
};

void run_piece(const OptimTask& t, const OptimParams& params, void* const* ptr, const Piece& piece) {
  const auto operand = [&](int list) { return static_cast<char*>(ptr[t.first_list + list * t.count + piece.tensor]); };
  const std::int64_t offset = piece.first * t.bytes;
  void* states[kMostStates] = {};
  for (int list = 2; list < t.lists; ++list) states[list - 2] = operand(list) + offset;
  const Walk& walk = t.grads[static_cast<std::size_t>(piece.tensor)];
  void* scratch = walk.contiguous() ? nullptr : thread_scratch(0, kPiece * sizeof(double));
  const void* g = read_block(walk, static_cast<std::size_t>(t.bytes), scratch, operand(1), piece.first, piece.n);
  update(t.rule, params, operand(0) + offset, states, g, piece.n);
}

void run_update(const Task& task, void* const* ptr) {
  const auto& t = task.get<OptimTask>();
  const OptimParams params = params_now(t.rule, ptr);
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

// attrs: count, then those of the rule.
int count_of(const Call& call) { return static_cast<int>(call.attrs[0].integer); }
template <Rule rule>
int lists_of(const Call& call) {
  return 2 + rule_states(rule, call.attrs.data() + 1);
}

template <Rule rule>
void infer(const Call& call, std::vector<Output>&) {
  constexpr int first_list = rule_numbers(rule);
  const int count = count_of(call), lists = lists_of<rule>(call);
  const char* op = call.op.name;
  if (count < 0 || call.n_inputs - first_list != lists * count)
    throw ValueError(message("[", op, "] ", count, " weights need ", lists, " tensors each (weight, gradient, state), ",
                             lists * count, " in all, got ", call.n_inputs - first_list));
  check_numbers(call, 0, rule);
  for (int i = 0; i < count; ++i) {
    const Tensor& weight = call.in(first_list + i);
    if (weight.dtype() != call.in(first_list).dtype())
      throw DTypeError(message("[", op, "] all tensors must have one float dtype, weight number ", i, " has ",
                               name(weight.dtype()), ", weight 0 ", name(call.in(first_list).dtype())));
    for (int k = 0; k < lists; ++k) {
      const Tensor& x = call.in(first_list + k * count + i);
      if (k != 1) {
        check_mutated(call, x, weight, k == 0 ? "the weight" : "the state", i);
        continue;
      }
      if (x.dtype() != weight.dtype())
        throw DTypeError(message("[", op, "] all tensors must have one float dtype, the gradient number ", i, " has ",
                                 name(x.dtype()), ", its weight ", name(weight.dtype())));
      if (x.shape() != weight.shape())
        throw ShapeError(message("[", op, "] the gradient number ", i, " has shape ", to_string(x.shape()),
                                 ", its weight ", to_string(weight.shape())));
    }
  }
}

template <Rule rule>
void lower(const Call& call, Task& task) {
  auto& t = task.params<OptimTask>();
  t.first_list = rule_numbers(rule);
  t.lists = lists_of<rule>(call);
  t.count = count_of(call);
  const DType dtype = t.count ? call.in(t.first_list).dtype() : DType::F32;
  t.rule = make_rule(rule, call.attrs.data() + 1, call.inputs, dtype);
  t.bytes = static_cast<std::int64_t>(itemsize(dtype));
  std::int64_t in_chunk = kPiece;  // elements of the last chunk
  for (int i = 0; i < t.count; ++i) {
    t.grads.push_back(make_walk(call.in(t.first_list + t.count + i)));
    const std::int64_t size = call.in(t.first_list + i).size();
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

template <Rule rule>
Op update_op(const char* name, const char* doc) {
  Op op;
  op.name = name;
  op.doc = doc;
  op.tensors = {{"lr"}};
  if (rule == Rule::adam) op.tensors.push_back({"iterations"});
  op.tensors.push_back({"tensors", TensorParam::list, true});
  op.attrs = rule_attrs(rule);
  op.attrs.insert(op.attrs.begin(), required_attr("count", AttrKind::integer));
  op.infer = infer<rule>;
  op.lower = lower<rule>;
  op.saves_inputs = 0;
  return op;
}

bool register_all() {
  register_op(update_op<Rule::sgd>("sgd_update",
                                   "w -= lr g, or v = momentum v - lr g; w += v (nesterov: w += momentum v - lr g). "
                                   "tensors: count weights, gradients [, velocities]."));
  register_op(update_op<Rule::adam>(
      "adam_update",
      "Adam with bias correction for step t = iterations + 1, as Keras 3. "
      "tensors: count weights, gradients, first moments, second moments [, greatest second moments]."));
  register_op(update_op<Rule::rmsprop>(
      "rmsprop_update",
      "RMSprop as Keras 3 (epsilon under the root). "
      "tensors: count weights, gradients, mean squares [, means if centered] [, velocities if momentum > 0]."));
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
