// Random numbers from a key (seed, counter) of two uint64: element i is a function of (seed, counter, i) alone.
#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

constexpr std::int64_t kWork = 8;  // ten rounds of multiplications beside an addition

struct RandomTask {
  void (*bits)(std::uint64_t* out, std::uint64_t seed, std::uint64_t counter, std::int64_t first, std::int64_t n);
  void (*floats)(void* out, std::uint64_t seed, std::uint64_t counter, std::int64_t first, std::int64_t n);
  std::int64_t count, bytes, key_step;
};

void run_random(const Task& task, void* const* ptr) {
  const auto& t = task.get<RandomTask>();
  const auto* key = static_cast<const std::uint64_t*>(ptr[0]);
  const std::uint64_t seed = key[0], counter = key[t.key_step];
  char* out = static_cast<char*>(ptr[1]);
  for_chunks(t.count, kWork, [&](std::int64_t first, std::int64_t n) {
    if (t.bits) {
      t.bits(reinterpret_cast<std::uint64_t*>(out + first * t.bytes), seed, counter, first, n);
    } else {
      t.floats(out + first * t.bytes, seed, counter, first, n);
    }
  });
}

void check_key(const char* op, const Tensor& key) {
  if (key.dtype() != DType::U64 || key.shape() != Shape{2})
    throw ValueError(message("[", op, "] the key must be uint64 of shape (2,): (seed, counter); got ",
                             name(key.dtype()), " of shape ", to_string(key.shape())));
}

Output output_of(const Call& call, DType dtype) {
  check_key(call.op.name, call.in(0));
  const Shape shape = call.attrs[0].shape();
  for (std::int64_t length : shape)
    if (length < 0)
      throw ShapeError(message("[", call.op.name, "] negative dimensions are not allowed: ", to_string(shape)));
  return {dtype, shape};
}

void infer_floats(const Call& call, std::vector<Output>& outputs) {
  const DType dtype = call.attrs[1].dtype();
  if (!is_float(dtype))
    throw DTypeError(message("[", call.op.name, "] dtype must be float32 or float64, got ", name(dtype)));
  outputs.push_back(output_of(call, dtype));
}

void infer_bits(const Call& call, std::vector<Output>& outputs) { outputs.push_back(output_of(call, DType::U64)); }

enum class Kind { bits, uniform, normal };

template <Kind kind>
void lower(const Call& call, Task& task) {
  auto& t = task.params<RandomTask>();
  const RandomKernels& table = kernels().random;
  const int which = float_index(call.out().dtype());
  t.bits = kind == Kind::bits ? table.bits : nullptr;
  t.floats = kind == Kind::normal ? table.normal[which] : table.uniform[which];
  t.count = call.out().size();
  t.bytes = static_cast<std::int64_t>(itemsize(call.out().dtype()));
  t.key_step = call.in(0).strides()[0];
  task.run = run_random;
}

// ---- dropout -------------------------------------------------------------------------------------------------------

struct DropoutTask {
  void (*kernel)(void* out, const void* x, double rate, double scale, std::uint64_t seed, std::uint64_t counter,
                 std::int64_t first, std::int64_t n);
  double rate, scale;
  std::int64_t bytes, key_step;
  Walk walk;
};

void run_dropout(const Task& task, void* const* ptr) {
  const auto& t = task.get<DropoutTask>();
  const auto* key = static_cast<const std::uint64_t*>(ptr[1]);
  const std::uint64_t seed = key[0], counter = key[t.key_step];
  char* out = static_cast<char*>(ptr[2]);
  for_chunks(t.walk.count, kWork, [&](std::int64_t first, std::int64_t n) {
    // What isn't contiguous is gathered where the result goes.
    const void* x = read_block(t.walk, static_cast<std::size_t>(t.bytes), out + first * t.bytes, ptr[0], first, n);
    t.kernel(out + first * t.bytes, x, t.rate, t.scale, seed, counter, first, n);
  });
}

void infer_dropout(const Call& call, std::vector<Output>& outputs) {
  const Tensor& x = call.in(0);
  const double rate = call.attrs[0].real;
  check_key("dropout", call.in(1));
  if (!is_float(x.dtype())) throw DTypeError(message("[dropout] x must be float32 or float64, got ", name(x.dtype())));
  if (!(rate >= 0 && rate <= 1)) throw ValueError(message("[dropout] rate must lie in [0, 1], got ", rate));
  outputs.push_back({x.dtype(), x.shape()});
}

void lower_dropout(const Call& call, Task& task) {
  const Tensor& x = call.in(0);
  auto& t = task.params<DropoutTask>();
  t.kernel = kernels().random.dropout[float_index(x.dtype())];
  t.rate = call.attrs[0].real;
  t.scale = t.rate < 1 ? 1 / (1 - t.rate) : 0;
  t.bytes = static_cast<std::int64_t>(itemsize(x.dtype()));
  t.key_step = call.in(1).strides()[0];
  t.walk = make_walk(x);
  task.run = run_dropout;
}

// The same key gives the same mask.
void dropout_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  grads[0] = call_op("dropout", {g[0], call.in(1)}, call.attrs);
}

// ---- advance_key ---------------------------------------------------------------------------------------------------

struct AdvanceTask {
  std::int64_t key_step;
};

void run_advance(const Task& task, void* const* ptr) {
  ++static_cast<std::uint64_t*>(ptr[0])[task.get<AdvanceTask>().key_step];
}

void infer_advance(const Call& call, std::vector<Output>&) { check_key("advance_key", call.in(0)); }

void lower_advance(const Call& call, Task& task) {
  task.params<AdvanceTask>().key_step = call.in(0).strides()[0];
  task.run = run_advance;
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  const AttrParam shape = required_attr("shape", AttrKind::integers);

  Op uniform;
  uniform.name = "random_uniform";
  uniform.doc = "Floats evenly spread over [0, 1).";
  uniform.tensors = {{"key"}};
  uniform.attrs = {shape, attr_with_default("dtype", AttrKind::dtype, Attr::of(DType::F32))};
  uniform.infer = infer_floats;
  uniform.lower = lower<Kind::uniform>;
  uniform.saves_inputs = 0;
  register_op(uniform);

  Op normal = uniform;
  normal.name = "random_normal";
  normal.doc = "Floats of the normal distribution with mean 0 and variance 1.";
  normal.lower = lower<Kind::normal>;
  register_op(normal);

  Op bits = uniform;
  bits.name = "random_bits";
  bits.doc = "Random uint64.";
  bits.attrs = {shape};
  bits.infer = infer_bits;
  bits.lower = lower<Kind::bits>;
  register_op(bits);

  Op dropout;
  dropout.name = "dropout";
  dropout.doc = "x / (1 - rate), but 0 for a random part `rate` of the elements; the key decides which.";
  dropout.tensors = {{"x"}, {"key"}};
  dropout.attrs = {required_attr("rate", AttrKind::real)};
  dropout.infer = infer_dropout;
  dropout.lower = lower_dropout;
  dropout.vjp = dropout_vjp;
  dropout.saves_inputs = 2;
  register_op(dropout);

  Op advance;
  advance.name = "advance_key";
  advance.doc = "Adds 1 to the key's counter, in place: the next numbers are new ones.";
  advance.tensors = {{"key", TensorParam::required, true}};
  advance.infer = infer_advance;
  advance.lower = lower_advance;
  advance.saves_inputs = 0;
  register_op(advance);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
