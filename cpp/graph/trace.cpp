#include "graph/trace.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "graph/thread_state.h"

namespace chainrule {

namespace {

std::atomic<std::uint64_t> next_id{1};

SlotView describe(const Tensor& x, int slot, std::int64_t offset) {
  SlotView operand;
  operand.slot = slot;
  operand.offset = offset;
  operand.dtype = x.dtype();
  operand.shape = x.shape();
  operand.strides = x.strides();
  return operand;
}

}  // namespace

ThreadState& thread_state() {
  thread_local ThreadState state;
  return state;
}

Trace::Trace() : id_(next_id++) {
  Trace*& current = thread_state().trace;
  if (current) throw TraceError("a program is already being recorded in this thread");
  current = this;
  stamp_new_memory(id_);
}

Trace::~Trace() {
  stamp_new_memory(0);
  thread_state().trace = nullptr;
}

Trace* Trace::current() { return thread_state().trace; }

Tensor Trace::add_input(DType dtype, const Shape& shape) {
  Slot slot;
  slot.kind = Slot::input;
  slot.bytes = element_count(shape) * static_cast<std::int64_t>(itemsize(dtype));
  slots.push_back(std::move(slot));
  input_specs.push_back({dtype, shape});
  return Tensor::placeholder(dtype, shape, id_, static_cast<int>(slots.size()) - 1);
}

SlotView Trace::operand(const Tensor& x) {
  if (!x) return SlotView();
  if (x.is_placeholder()) {
    if (x.impl()->trace != id_)
      throw TraceError(message("a tensor of shape ", to_string(x.shape()),
                               " was made while another function was recorded and has no value; return it from that "
                               "function instead of storing it"));
    return describe(x, x.impl()->slot, reinterpret_cast<std::intptr_t>(x.data()));
  }
  const Storage* storage = x.impl()->storage.get();
  const auto [found, fresh] = captured_.try_emplace(storage, static_cast<int>(slots.size()));
  if (fresh) {
    Slot slot;
    slot.kind = Slot::captured;
    slot.bytes = static_cast<std::int64_t>(storage->bytes);
    slot.tensor = x.alias();
    slots.push_back(std::move(slot));
  }
  return describe(x, found->second, static_cast<const char*>(x.data()) - static_cast<const char*>(storage->data));
}

void Trace::record(const Op& op, const Tensor* inputs, int n_inputs, const Attrs& attrs,
                   const std::vector<Output>& specs, Tensor* outputs) {
  Instruction instruction;
  instruction.op = &op;
  instruction.attrs = attrs;
  instruction.layer = thread_state().layer;
  for (int i = 0; i < n_inputs; ++i) instruction.inputs.push_back(operand(inputs[i]));
  for (std::size_t k = 0; k < specs.size(); ++k) {
    Slot slot;
    slot.bytes = element_count(specs[k].shape) * static_cast<std::int64_t>(itemsize(specs[k].dtype));
    outputs[k] = Tensor::placeholder(specs[k].dtype, specs[k].shape, id_, static_cast<int>(slots.size()));
    slots.push_back(std::move(slot));
    instruction.outputs.push_back(operand(outputs[k]));
  }
  instructions.push_back(std::move(instruction));
}

void Trace::renew_local_memory(const std::vector<Tensor>& outputs) {
  static const Op* const assign = find_op("assign");
  std::vector<bool> written(slots.size(), false);
  for (const Instruction& i : instructions)
    for (std::size_t k = 0; k < i.inputs.size(); ++k)
      if (i.inputs[k].slot >= 0 && i.op->tensors[std::min(k, i.op->tensors.size() - 1)].mutated)
        written[static_cast<std::size_t>(i.inputs[k].slot)] = true;
  std::vector<Instruction> renewals;
  for (std::size_t s = 0; s < written.size(); ++s) {
    if (!written[s] || slots[s].kind != Slot::captured) continue;
    const Ref<Storage>& storage = slots[s].tensor.impl()->storage;
    if (storage->maker != id_) continue;
    std::vector<const TensorImpl*> ours = {slots[s].tensor.impl()};
    for (const Tensor& y : outputs)
      if (y.impl()->storage == storage && std::find(ours.begin(), ours.end(), y.impl()) == ours.end())
        ours.push_back(y.impl());
    if (storage->use_count() > static_cast<int>(ours.size())) continue;  // somebody keeps it: state
    const auto bytes = static_cast<std::int64_t>(storage->bytes);
    if (bytes == 0) continue;
    Tensor first = Tensor::empty(DType::U8, {bytes});
    std::memcpy(first.data(), storage->data, storage->bytes);
    Instruction renewal;
    renewal.op = assign;
    SlotView whole = operand(first);
    renewal.inputs = {whole, whole};
    renewal.inputs[0].slot = static_cast<int>(s);
    renewals.push_back(std::move(renewal));
  }
  instructions.insert(instructions.begin(), renewals.begin(), renewals.end());
}

void throw_traced_value(const char* what) {
  throw TraceError(
      message(what,
              ": the value of a tensor isn't known while its function is recorded (jit, fit, predict). "
              "Use where(condition, a, b) instead of `if`, or keep this line out of the recorded function"));
}

}  // namespace chainrule
