// The op table: what an op is, and the single door through which every op is called.
// Invariants: an Op is declared once (a line of kernels/elementwise.def or a REGISTER_OP in cpp/ops/*.cpp); eager
// calls, recorded programs, gradients, the Python binding, its stub, the docs row and the tests all derive from it. A
// vjp is written with ops (it calls apply), so gradients can be recorded, traced and differentiated again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/table.h"
#include "tensor/tensor.h"

namespace chainrule {

// ---- attributes ----------------------------------------------------------------------------------------------------

enum class AttrKind : std::uint8_t { none, integer, real, boolean, integers, dtype, text };

struct Attr {
  AttrKind kind = AttrKind::none;
  std::int64_t integer = 0;  // also boolean and dtype
  double real = 0;
  std::vector<std::int64_t> integers;
  std::string text;

  Attr() = default;
  static Attr of(std::int64_t value) { return make(AttrKind::integer, value); }
  static Attr of(int value) { return make(AttrKind::integer, value); }
  static Attr of(bool value) { return make(AttrKind::boolean, value); }
  static Attr of(DType value) { return make(AttrKind::dtype, index(value)); }
  static Attr of(double value) {
    Attr attr = make(AttrKind::real, 0);
    attr.real = value;
    return attr;
  }
  static Attr of(std::vector<std::int64_t> values) {
    Attr attr = make(AttrKind::integers, 0);
    attr.integers = std::move(values);
    return attr;
  }
  static Attr of(const Shape& shape) { return of(std::vector<std::int64_t>(shape.begin(), shape.end())); }
  static Attr of(std::string value) {
    Attr attr = make(AttrKind::text, 0);
    attr.text = std::move(value);
    return attr;
  }
  bool is_none() const { return kind == AttrKind::none; }
  bool truth() const { return integer != 0; }
  DType dtype() const { return static_cast<DType>(integer); }
  Shape shape() const { return Shape(integers.begin(), integers.end()); }

 private:
  static Attr make(AttrKind kind, std::int64_t value) {
    Attr attr;
    attr.kind = kind;
    attr.integer = value;
    return attr;
  }
};
using Attrs = std::vector<Attr>;

// ---- a lowered call ------------------------------------------------------------------------------------------------

// A call whose shapes are known, ready to run: a function and its parameters. Addresses are not part of it: at run time
// ptr[0 .. inputs) are the inputs' data and ptr[inputs ..) the outputs' (a mutated input is its own output), so that a
// program can be run on other memory.
struct Task {
  static constexpr std::size_t kInlineBytes = 448;
  using Run = void (*)(const Task& task, void* const* ptr);

  Run run = nullptr;
  const struct Op* op = nullptr;
  alignas(16) unsigned char inline_params[kInlineBytes];
  void* heap_params = nullptr;
  void (*destroy_heap)(void*) = nullptr;

  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  Task(Task&& other) noexcept;
  ~Task() {
    if (heap_params) destroy_heap(heap_params);
  }

  // Makes the parameter block of type P (inline if it is small and trivial) and returns it.
  template <class P>
  P& params() {
    if constexpr (sizeof(P) <= kInlineBytes && std::is_trivially_copyable_v<P> && std::is_trivially_destructible_v<P>) {
      return *new (inline_params) P;
    } else {
      P* block = new P;
      heap_params = block;
      destroy_heap = [](void* p) { delete static_cast<P*>(p); };
      return *block;
    }
  }
  template <class P>
  const P& get() const {
    if constexpr (sizeof(P) <= kInlineBytes && std::is_trivially_copyable_v<P> && std::is_trivially_destructible_v<P>) {
      return *reinterpret_cast<const P*>(inline_params);
    } else {
      return *static_cast<const P*>(heap_params);
    }
  }
};

// ---- the op --------------------------------------------------------------------------------------------------------

struct Output {
  DType dtype;
  Shape shape;
};

// One call of an op. Optional inputs that were not given are empty Tensors.
struct Call {
  const struct Op& op;
  const Tensor* inputs;
  int n_inputs;
  const Attrs& attrs;
  const Tensor* outputs = nullptr;  // set when lowering and in vjp
  int n_outputs = 0;

  const Tensor& in(int i) const { return inputs[i]; }
  const Tensor& out(int i = 0) const { return outputs[i]; }
  bool has(int i) const { return i < n_inputs && static_cast<bool>(inputs[i]); }
};

struct TensorParam {
  const char* name;
  enum Kind : std::uint8_t {
    required,
    optional,
    list
  } kind = required;     // a list is a variable number; only the last may be
  bool mutated = false;  // the op writes into it
};
struct AttrParam {
  const char* name;
  AttrKind kind;
  Attr default_value;  // of kind none: None, or no default if `required`
  bool required = false;
  bool nullable = false;  // None may be passed
};

enum class Fusion : std::uint8_t { none, elementwise, gemm };

struct Op {
  const char* name = "";
  const char* doc = "";
  std::vector<TensorParam> tensors;
  std::vector<AttrParam> attrs;
  Fusion fusion = Fusion::none;
  const char* fused =
      nullptr;      // of class gemm: the op that also takes a bias (last tensor) and an activation (last attribute)
  int opcode = -1;  // ElementwiseOp of a line of elementwise.def

  // Output types and shapes, or an exception. An op that only mutates has no outputs.
  void (*infer)(const Call& call, std::vector<Output>& outputs) = nullptr;
  // Fills the task; inputs and outputs have shapes, strides and dtypes but perhaps no memory yet. Outputs are
  // contiguous.
  void (*lower)(const Call& call, Task& task) = nullptr;
  // Ops that only make another view of input 0 have this in place of infer and lower.
  Tensor (*view)(const Call& call) = nullptr;
  // Cotangents of the inputs from those of the outputs (an output that plays no part has an empty one). Leave an
  // input's empty if it has no derivative. `needs[i]`: whether anyone asks for input i. Null: not differentiable.
  void (*vjp)(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) = nullptr;
  // Which tensors the vjp reads; the others are not kept alive between forward and backward (their heads are, without
  // data).
  std::uint32_t saves_inputs = ~0u;  // bit i: input i (the last bit stands for all from 31 on)
  std::uint32_t saves_outputs = 0;
  // Brings the inputs into the form that infer, lower, view and vjp expect (one dtype, a layout), with ops. apply()
  // calls it first; false, and `prepared` left alone, where nothing needs doing.
  bool (*prepare)(const Call& call, std::vector<Tensor>& prepared) = nullptr;
  // Whether the op and its vjp take float16 and bfloat16 as they are; views do anyway, elementwise ops but for their
  // vjp. Others get them as float32, and some of their outputs are rounded (graph/widen.h).
  bool takes_half = false;
  int rounded_outputs = 1;  // the first so many results are; the others stay float32
  // Whether the numbers depend on more than the inputs (never merged or dropped by a program).
  bool has_effect() const {
    for (const TensorParam& p : tensors)
      if (p.mutated) return true;
    return false;
  }
};

// ---- the registry --------------------------------------------------------------------------------------------------

const std::vector<const Op*>& all_ops();
const Op* find_op(const char* name);  // null if there is none
const Op& elementwise_op(ElementwiseOp opcode);
// Called by static initialisers of cpp/ops/*.cpp; returns op.
const Op* register_op(Op op);

// ---- the door (graph/apply.cpp) ------------------------------------------------------------------------------------

// infer -> allocate -> lower and run (or, while a program is recorded, note down) -> keep for the gradient.
Tensor apply(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs);  // ops of one output
std::vector<Tensor> apply_all(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs);

// ---- ops as C++ functions, for vjps and composites (ops/functions.cpp)
// ------------------------------------------------ Elementwise inputs must already have one dtype; shapes broadcast.
Tensor apply(ElementwiseOp op, const Tensor& a);
Tensor apply(ElementwiseOp op, const Tensor& a, const Tensor& b);
Tensor apply(ElementwiseOp op, const Tensor& a, const Tensor& b, const Tensor& c);

}  // namespace chainrule
