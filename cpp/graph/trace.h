// Recording: the ops that a function calls, as instructions over numbered slots of memory.
// Invariants: while a Trace is current in a thread, apply() computes nothing there: it infers shapes, notes an
// instruction and returns placeholders. A real tensor that is used is captured by reference: its memory is read and
// written at every run. Views cost nothing: an operand is a slot with an offset, a shape and strides, all known.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph/thread_state.h"
#include "ops/op.h"

namespace chainrule {

struct SlotView {
  int slot = -1;            // -1: an optional input that was not given
  std::int64_t offset = 0;  // bytes from the start of the slot
  DType dtype = DType::F32;
  Shape shape;
  Strides strides;
};

struct Instruction {
  const Op* op = nullptr;
  Attrs attrs;
  std::vector<SlotView> inputs, outputs;
  LayerName layer = nullptr;  // of a fused product that of the product
};

struct Slot {
  enum Kind : std::uint8_t { input, captured, temporary } kind = temporary;
  std::int64_t bytes = 0;
  Tensor tensor;  // of a captured slot: keeps its storage alive
};

class Trace {
 public:
  Trace();
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  static Trace* current();  // of this thread; null outside a recording

  std::uint64_t id() const { return id_; }
  Tensor add_input(DType dtype, const Shape& shape);
  // Notes one call; `outputs` receives placeholders.
  void record(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs, const std::vector<Output>& specs,
              Tensor* outputs);
  SlotView operand(const Tensor& x);
  // At the end: memory that the function made, has written and leaves to nobody but its results begins every run with
  // the values that it was made with, as in an eager call. Memory that others hold (weights made in the first step) is
  // state and keeps what a run leaves there.
  void renew_local_memory(const std::vector<Tensor>& outputs);

  std::vector<Slot> slots;
  std::vector<Instruction> instructions;
  std::vector<Output> input_specs;  // slots [0, input_specs.size()) are the inputs

 private:
  std::uint64_t id_;
  std::unordered_map<const Storage*, int> captured_;
};

// A traced value is asked for: throws TraceError with the advice to use where() or to move the decision out.
[[noreturn]] void throw_traced_value(const char* what);

}  // namespace chainrule
