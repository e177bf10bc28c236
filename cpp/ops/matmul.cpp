// Matrix products: matmul with NumPy's rules (vectors, batches, broadcasting), and the fused form with bias and
// activation.
#include "ops/matmul.h"

#include <type_traits>

#include "ops/elementwise.h"
#include "ops/functions.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"
#include "tensor/dot.h"
#include "tensor/iterate.h"

namespace chainrule {
namespace {

constexpr const char* kSignature = "gufunc signature (n?,k),(k,m?)->(n?,m?)";

// The operands as batches of matrices: a (batch, m, k), b (batch, k, n).
struct Product {
  std::int64_t m, n, k;
  std::int64_t a_row, a_col, b_row, b_col;
  Shape batch;
  Strides a_batch, b_batch;
  Shape out;
};

Product product_of(const Call& call) {
  const Tensor &a = call.in(0), &b = call.in(1);
  for (int i = 0; i < 2; ++i)
    if (call.in(i).ndim() == 0)
      throw ShapeError(message("[matmul] Input operand ", i, " does not have enough dimensions (has 0, core with ",
                               kSignature, " requires 1): shapes ", to_string(a.shape()), " and ", to_string(b.shape()),
                               "; use multiply for numbers"));
  const int an = a.ndim(), bn = b.ndim();
  Product p;
  p.m = an == 1 ? 1 : a.length(an - 2);
  p.k = a.length(an - 1);
  p.n = bn == 1 ? 1 : b.length(bn - 1);
  const std::int64_t b_rows = b.length(bn == 1 ? 0 : bn - 2);
  if (b_rows != p.k)
    throw ShapeError(message("[matmul] Input operand 1 has a mismatch in its core dimension 0, with ", kSignature,
                             " (size ", b_rows, " is different from ", p.k, "): shapes ", to_string(a.shape()), " and ",
                             to_string(b.shape())));
  p.a_row = an == 1 ? 0 : a.strides()[an - 2];
  p.a_col = a.strides()[an - 1];
  p.b_row = b.strides()[bn == 1 ? 0 : bn - 2];
  p.b_col = bn == 1 ? 0 : b.strides()[bn - 1];
  const Shape a_lead(a.shape().begin(), a.shape().begin() + std::max(0, an - 2));
  const Shape b_lead(b.shape().begin(), b.shape().begin() + std::max(0, bn - 2));
  if (!broadcast(a_lead, b_lead, p.batch))
    throw ShapeError(message("[matmul] operands could not be broadcast together: the leading axes of shapes ",
                             to_string(a.shape()), " and ", to_string(b.shape()), " differ"));
  p.a_batch = broadcast_strides(a_lead, a.strides(), p.batch);
  p.b_batch = broadcast_strides(b_lead, b.strides(), p.batch);
  p.out = p.batch;
  if (an > 1) p.out.push_back(p.m);
  if (bn > 1) p.out.push_back(p.n);
  return p;
}

// ---- preparation ---------------------------------------------------------------------------------------------------

// (batch, m, k) @ (k, n) is one product of batch * m rows. Always done that way, so that the bits don't depend on
// strides: where one step doesn't lead from row to row, a is copied first.
bool one_matrix(const Tensor& a, const Tensor& b) { return a.ndim() > 2 && b.ndim() == 2; }
Walk walk_rows(const Tensor& a) {
  const int last = a.ndim() - 1;
  return make_walk(Shape(a.shape().begin(), a.shape().begin() + last),
                   Strides(a.strides().begin(), a.strides().begin() + last));
}

bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  const Tensor &a = call.in(0), &b = call.in(1);
  const bool copy_a = one_matrix(a, b) && walk_rows(a).ndim > 1;
  bool copies_rest = false;  // the bias and d must be contiguous
  for (int i = 2; i < call.n_inputs; ++i) copies_rest = copies_rest || (call.has(i) && !call.in(i).is_contiguous());
  if (a.dtype() == b.dtype() && !copy_a && !copies_rest) return false;
  const DType dtype = promote(a.dtype(), b.dtype());
  for (int i = 0; i < call.n_inputs; ++i) {
    const bool copy = i == 0 ? copy_a : i >= 2 && call.has(i);
    Tensor x = call.has(i) ? fn::cast(call.in(i), dtype) : Tensor();
    prepared.push_back(copy && !x.is_contiguous() ? call_op("copy", {x}) : x);
  }
  return true;
}

void infer(const Call& call, std::vector<Output>& outputs) {
  const Product p = product_of(call);
  if (call.has(2)) {
    const Tensor& bias = call.in(2);
    if (bias.shape() != Shape{p.n})
      throw ShapeError(
          message("[", call.op.name, "] the bias must have shape (", p.n, ",), got ", to_string(bias.shape())));
    if (bias.dtype() != call.in(0).dtype())
      throw DTypeError(
          message("[", call.op.name, "] the bias must be ", name(call.in(0).dtype()), ", got ", name(bias.dtype())));
  }
  outputs.push_back({call.in(0).dtype(), p.out});
}

// ---- floats: GEMM --------------------------------------------------------------------------------------------------

GemmOperands operands_of(const MatmulTask& t, void* const* ptr) {
  GemmOperands operands{ptr[0], ptr[1], ptr[t.inputs]};
  if (t.plan.shape.has_bias) operands.bias = ptr[2];
  if (t.plan.shape.combine) operands.d = ptr[3];
  return operands;
}

void run_one(const MatmulTask& t, const GemmOperands& operands) {
  if (t.batch == 1) {
    run_gemm(t.plan, operands);
  } else {
    run_gemm_batch(t.plan, t.batch, operands, t.a_step, t.b_step, t.c_step);
  }
}

void run_matmul(const Task& task, void* const* ptr) {
  const auto& t = task.get<MatmulTask>();
  run_one(t, operands_of(t, ptr));
}

void run_loop(const Task& task, void* const* ptr) {
  const auto& t = task.get<MatmulLoopTask>();
  const MatmulTask& inner = t.inner;
  const std::int64_t bytes = static_cast<std::int64_t>(itemsize(inner.plan.shape.dtype));
  const GemmOperands first = operands_of(inner, ptr);
  for (std::int64_t i = 0; i < t.count; ++i) {
    std::int64_t a = 0, b = 0, rest = i;
    for (int axis = t.ndim - 1; axis >= 0; --axis) {
      a += rest % t.dims[axis] * t.a_strides[axis];
      b += rest % t.dims[axis] * t.b_strides[axis];
      rest /= t.dims[axis];
    }
    const std::int64_t c = i * inner.batch * inner.c_step;
    GemmOperands operands = first;
    operands.a = static_cast<const char*>(first.a) + a * bytes;
    operands.b = static_cast<const char*>(first.b) + b * bytes;
    operands.c = static_cast<char*>(first.c) + c * bytes;
    if (first.d) operands.d = static_cast<const char*>(first.d) + c * bytes;
    run_one(inner, operands);
  }
}

void run_nothing(const Task&, void* const*) {}

// What a product ends with.
struct Epilogue {
  ElementwiseFn activation = nullptr, combine = nullptr;
  int combine_place = 0;
};

void lower_floats(const Product& p, const Call& call, const Epilogue& epilogue, Task& task) {
  const Tensor &a = call.in(0), &b = call.in(1);
  const bool merged = one_matrix(a, b);
  const std::int64_t batches = element_count(p.batch);
  Gemm shape{a.dtype(), merged ? batches * p.m : p.m, p.n, p.k, p.a_row, p.a_col, p.b_row, p.b_col, p.n};
  if (merged) shape.a_row = walk_rows(a).strides[0];
  shape.has_bias = call.has(2);
  shape.activation = epilogue.activation;
  shape.combine = epilogue.combine;
  shape.combine_place = epilogue.combine_place;
  MatmulTask t{plan_gemm(shape), 1, 0, 0, p.m * p.n, call.n_inputs};
  task.run = run_matmul;
  if (merged || batches == 1) {
    task.params<MatmulTask>() = t;
    return;
  }
  const Strides strides[] = {p.a_batch, p.b_batch};
  const Loop loop = collapse(p.batch, strides, 2);
  const int last = loop.ndim - 1;
  t.batch = loop.dims[last];
  t.a_step = loop.strides[last][0];
  t.b_step = loop.strides[last][1];
  if (last == 0) {
    task.params<MatmulTask>() = t;
    return;
  }
  auto& outer = task.params<MatmulLoopTask>();
  outer.inner = t;
  outer.ndim = last;
  outer.count = 1;
  for (int axis = 0; axis < last; ++axis) {
    outer.dims[axis] = loop.dims[axis];
    outer.a_strides[axis] = loop.strides[axis][0];
    outer.b_strides[axis] = loop.strides[axis][1];
    outer.count *= loop.dims[axis];
  }
  task.run = run_loop;
}

// ---- whole numbers and truth values: plain loops -------------------------------------------------------------------

struct PlainTask {
  Product p;
};

// c[j] += factor * line[j * step]; of truth values, c[j] or line[j * step], for a factor that is true.
template <class T>
inline __attribute__((always_inline)) void add_line(T* c, T factor, const T* line, std::int64_t step, std::int64_t n) {
  if constexpr (std::is_same_v<T, Truth>) {
    auto* to = reinterpret_cast<unsigned char*>(c);
    const auto* from = reinterpret_cast<const unsigned char*>(line);
    for (std::int64_t j = 0; j < n; ++j) to[j] |= from[j * step] != 0;
  } else {  // unsigned: products of whole numbers wrap around
    using U = std::make_unsigned_t<T>;
    using Wide = std::common_type_t<U, unsigned>;
    for (std::int64_t j = 0; j < n; ++j)
      c[j] = static_cast<T>(static_cast<Wide>(static_cast<U>(c[j])) +
                            static_cast<Wide>(static_cast<U>(factor)) * static_cast<U>(line[j * step]));
  }
}

template <class T>
void run_plain(const Task& task, void* const* ptr) {
  const Product& p = task.get<PlainTask>().p;
  const std::int64_t rows = element_count(p.batch) * p.m;
  for_chunks(rows, p.n * p.k, [&](std::int64_t row, std::int64_t count) {
    for (; count > 0; ++row, --count) {
      std::int64_t rest = row / p.m, a_offset = row % p.m * p.a_row, b_offset = 0;
      for (int axis = p.batch.ndim - 1; axis >= 0; --axis) {
        a_offset += rest % p.batch[axis] * p.a_batch[axis];
        b_offset += rest % p.batch[axis] * p.b_batch[axis];
        rest /= p.batch[axis];
      }
      const T* a = static_cast<const T*>(ptr[0]) + a_offset;
      const T* b = static_cast<const T*>(ptr[1]) + b_offset;
      T* c = static_cast<T*>(ptr[2]) + row * p.n;
      std::fill_n(c, p.n, T{});
      for (std::int64_t k = 0; k < p.k; ++k) {
        const T factor = a[k * p.a_col];
        if (!factor) continue;
        const T* line = b + k * p.b_row;
        if (p.b_col == 1) {
          add_line(c, factor, line, 1, p.n);
        } else {
          add_line(c, factor, line, p.b_col, p.n);
        }
      }
    }
  });
}

void lower_product(const Call& call, const Epilogue& epilogue, Task& task) {
  const Product p = product_of(call);
  if (call.out().size() == 0) {
    task.run = run_nothing;
    return;
  }
  if (is_float(call.out().dtype())) return lower_floats(p, call, epilogue, task);
  task.params<PlainTask>().p = p;
  dispatch(call.out().dtype(), [&](auto zero) {
    if constexpr (!std::is_floating_point_v<decltype(zero)>) task.run = run_plain<decltype(zero)>;
  });
}

void lower(const Call& call, Task& task) { lower_product(call, {}, task); }

ElementwiseFn kernel_of(std::int64_t opcode, DType dtype) {
  return opcode < 0 ? nullptr : kernels().elementwise[opcode][index(dtype)];
}

void lower_fused(const Call& call, Task& task) {
  const DType dtype = call.out().dtype();
  lower_product(call,
                {kernel_of(call.attrs[0].integer, dtype), kernel_of(call.attrs[1].integer, dtype),
                 static_cast<int>(call.attrs[2].integer)},
                task);
}

// Whether it is -1 or the opcode of floats -> one float of their type.
bool is_epilogue(std::int64_t opcode, std::size_t inputs, DType dtype) {
  if (opcode < 0 || opcode >= kElementwiseOps) return opcode == -1;
  const auto op = static_cast<ElementwiseOp>(opcode);
  return elementwise_op(op).tensors.size() == inputs && !elementwise_gives_bool(op) &&
         elementwise_accepts(elementwise_types(op), dtype);
}

void infer_fused(const Call& call, std::vector<Output>& outputs) {
  infer(call, outputs);
  const DType dtype = outputs[0].dtype;
  if (!is_float(dtype)) throw DTypeError(message("[matmul_bias_act] floats are needed, got ", name(dtype)));
  for (int i = 0; i < 2; ++i)
    if (!is_epilogue(call.attrs[i].integer, static_cast<std::size_t>(i) + 1, dtype))
      throw ValueError(message("[matmul_bias_act] ", i ? "combine" : "activation",
                               " must be -1 or the number of an op of ", i + 1, " floats, got ",
                               call.attrs[i].integer));
  if (call.has(3) != (call.attrs[1].integer >= 0))
    throw ValueError("[matmul_bias_act] d and combine go together: give both or neither");
  if (!call.has(3)) return;
  const Tensor& d = call.in(3);
  if (is_half(dtype))
    throw DTypeError(message("[matmul_bias_act] combine needs float32 or float64, got ", name(dtype)));
  if (d.dtype() != dtype || d.shape() != outputs[0].shape)
    throw ShapeError(message("[matmul_bias_act] d must be like the product, ", name(dtype), " of shape ",
                             to_string(outputs[0].shape), ", got ", name(d.dtype()), " of shape ",
                             to_string(d.shape())));
  if (call.attrs[2].integer != 0 && call.attrs[2].integer != 1)
    throw ValueError(message("[matmul_bias_act] combine_place must be 0 or 1, got ", call.attrs[2].integer));
}

// ---- bytes: int32 sums ---------------------------------------------------------------------------------------------

struct ByteTask {
  ByteGemm shape;
  std::int64_t batches;
  Shape batch;
  Strides a_batch, b_batch;
};

void infer_bytes(const Call& call, std::vector<Output>& outputs) {
  const DType a = call.in(0).dtype(), b = call.in(1).dtype();
  if ((a != DType::I8 && a != DType::U8) || b != DType::I8)
    throw DTypeError(message("[int8_matmul] a must be int8 or uint8 and b int8, got ", name(a), " and ", name(b),
                             "; use matmul for other types"));
  outputs.push_back({DType::I32, product_of(call).out});
}

void run_bytes(const Task& task, void* const* ptr) {
  const auto& t = task.get<ByteTask>();
  for (std::int64_t i = 0; i < t.batches; ++i) {
    std::int64_t a = 0, b = 0, rest = i;
    for (int axis = t.batch.ndim - 1; axis >= 0; --axis) {
      a += rest % t.batch[axis] * t.a_batch[axis];
      b += rest % t.batch[axis] * t.b_batch[axis];
      rest /= t.batch[axis];
    }
    run_byte_gemm(t.shape, static_cast<const std::int8_t*>(ptr[0]) + a, static_cast<const std::int8_t*>(ptr[1]) + b,
                  static_cast<std::int32_t*>(ptr[2]) + i * t.shape.m * t.shape.n);
  }
}

void lower_bytes(const Call& call, Task& task) {
  Product p = product_of(call);
  const Tensor &a = call.in(0), &b = call.in(1);
  auto& t = task.params<ByteTask>();
  t.batches = element_count(p.batch);
  if (one_matrix(a, b) && walk_rows(a).ndim == 1) {
    p.a_row = walk_rows(a).strides[0];
    p.m *= t.batches;
    t.batches = 1;
    p.batch = Shape();
  }
  const DotType type = a.dtype() == DType::U8 ? DotType::unsigned_bytes : DotType::signed_bytes;
  t.shape = {type, p.m, p.n, p.k, p.a_row, p.a_col, p.b_row, p.b_col};
  t.batch = p.batch;
  t.a_batch = p.a_batch;
  t.b_batch = p.b_batch;
  task.run = run_bytes;
}

// ---- gradient ------------------------------------------------------------------------------------------------------

// da = g b^T, db = a^T g, with vectors as matrices of one row or column and the broadcast axes summed.
void vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  Tensor a = call.in(0), b = call.in(1), cotangent = g[0];
  const Shape a_shape = a.shape(), b_shape = b.shape();
  Shape g_shape = cotangent.shape();
  if (b.ndim() == 1) {
    b = fn::reshape(b, {b.length(0), 1});
    g_shape.push_back(1);
  }
  if (a.ndim() == 1) {
    a = fn::reshape(a, {1, a.length(0)});
    const std::int64_t n = g_shape[g_shape.ndim - 1];
    g_shape[g_shape.ndim - 1] = 1;
    g_shape.push_back(n);
  }
  cotangent = fn::reshape(cotangent, g_shape);
  const auto undo = [](const Tensor& grad, const Tensor& matrix, const Shape& shape) {
    return fn::reshape(fn::sum_to(grad, matrix.shape()), shape);
  };
  if (needs[0]) grads[0] = undo(fn::matmul(cotangent, fn::swap_last(b)), a, a_shape);
  if (!needs[1]) return;
  if (b.ndim() == 2 && a.ndim() > 2) {  // the sum over the batch is part of the product
    const std::int64_t k = a.length(a.ndim() - 1), n = b.length(1);
    std::int64_t rows = 1;
    for (int axis = 0; axis + 1 < a.ndim(); ++axis) rows *= a.length(axis);
    const Tensor a_rows = fn::reshape(a, {rows, k}), g_rows = fn::reshape(cotangent, {rows, n});
    grads[1] = fn::reshape(fn::matmul(fn::swap_last(a_rows), g_rows), b_shape);
  } else {
    grads[1] = undo(fn::matmul(fn::swap_last(a), cotangent), b, b_shape);
  }
}

bool register_all() {
  Op matmul;
  matmul.name = "matmul";
  matmul.doc =
      "Matrix product with NumPy's rules: vectors are rows or columns, leading axes are batches and broadcast.";
  matmul.tensors = {{"a"}, {"b"}};
  matmul.fusion = Fusion::gemm;
  matmul.fused = "matmul_bias_act";
  matmul.prepare = prepare;
  matmul.infer = infer;
  matmul.lower = lower;
  matmul.vjp = vjp;
  matmul.saves_inputs = 3;
  matmul.takes_half = true;
  register_op(matmul);

  Op fused;
  fused.name = "matmul_bias_act";
  fused.doc =
      "combine(activation(matmul(a, b) + bias), d), as programs fuse it; `activation` is a unary elementwise opcode or "
      "-1, `combine` a binary one or -1, `combine_place` which of its two arguments the product is.";
  fused.tensors = {{"a"}, {"b"}, {"bias", TensorParam::optional}, {"d", TensorParam::optional}};
  fused.attrs = {attr_with_default("activation", AttrKind::integer, Attr::of(-1)),
                 attr_with_default("combine", AttrKind::integer, Attr::of(-1)),
                 attr_with_default("combine_place", AttrKind::integer, Attr::of(0))};
  fused.prepare = prepare;
  fused.infer = infer_fused;
  fused.lower = lower_fused;
  fused.takes_half = true;
  register_op(fused);

  Op bytes;
  bytes.name = "int8_matmul";
  bytes.doc =
      "Matrix product of int8 or uint8 with int8 in exact int32, with the shapes of matmul (which wraps in int8).";
  bytes.tensors = {{"a"}, {"b"}};
  bytes.infer = infer_bytes;
  bytes.lower = lower_bytes;
  register_op(bytes);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
