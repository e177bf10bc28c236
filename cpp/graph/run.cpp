#include <algorithm>
#include <cstring>
#include <optional>
#include <sstream>

#include "graph/profile.h"
#include "graph/program.h"
#include "graph/tape.h"
#include "runtime/float_mode.h"
#include "runtime/threads.h"

namespace chainrule {

namespace {

// Elements in a step's largest operand from which a second thread helps, and multiply-adds of a product likewise.
constexpr std::int64_t kParallelElements = 1 << 14;

std::string step_name(const Unit& unit) {
  std::string text;
  if (!unit.instruction.op) {
    text = "fused[";
    for (std::size_t m = 0; m < unit.members.size(); ++m) text += std::string(m ? " " : "") + unit.members[m].op->name;
    for (const Instruction& tail : unit.tails) text += std::string(" ") + tail.op->name;
    return text + "]";
  }
  text = unit.instruction.op->name;
  // Products that took other ops in (Op::fused) carry their opcodes.
  const std::vector<AttrParam>& attrs = unit.instruction.op->attrs;
  for (std::size_t i = 0; i < attrs.size(); ++i) {
    const bool is_opcode = std::strcmp(attrs[i].name, "activation") == 0 || std::strcmp(attrs[i].name, "combine") == 0;
    const std::int64_t opcode = is_opcode ? unit.instruction.attrs[i].integer : -1;
    if (opcode >= 0) text += std::string("<") + elementwise_op(static_cast<ElementwiseOp>(opcode)).name + ">";
  }
  return text;
}

std::string layer_of(const Unit& unit) {
  if (unit.instruction.op) return unit.instruction.layer ? *unit.instruction.layer : std::string();
  std::vector<std::string> names;
  for (const Instruction& member : unit.members)
    if (member.layer && std::find(names.begin(), names.end(), *member.layer) == names.end())
      names.push_back(*member.layer);
  std::string text;
  for (const std::string& each : names) text += (text.empty() ? "" : "+") + each;
  return text;
}

void note_step(const ProfileTimer& timer, const Unit& unit) {
  const Instruction& step = unit.instruction;
  std::vector<Tensor> inputs, outputs;
  for (const SlotView& operand : step.inputs) inputs.push_back(head_of(operand));
  for (const SlotView& operand : step.outputs) outputs.push_back(head_of(operand));
  timer.note(step_name(unit), layer_of(unit), step.op, inputs.data(), static_cast<int>(inputs.size()), outputs.data(),
             static_cast<int>(outputs.size()));
}

}  // namespace

Tensor head_of(const SlotView& operand) {
  if (operand.slot < 0) return Tensor();
  Tensor head = Tensor::placeholder(operand.dtype, operand.shape, 0, -1);
  head.impl()->strides = operand.strides;
  return head;
}

bool is_whole(const SlotView& operand) {
  if (operand.offset != 0) return false;
  std::int64_t step = 1;
  for (int i = operand.shape.ndim - 1; i >= 0; --i) {
    if (operand.shape[i] != 1 && operand.strides[i] != step) return false;
    step *= operand.shape[i];
  }
  return true;
}

Program::Program(Trace& trace, std::vector<Tensor> outputs) {
  // Every output gets memory of its own: what is an input, captured, a view or returned twice is copied at the end.
  static const Op* const copy = find_op("copy");
  const int depth = suspend_recording();
  const std::vector<Tensor> returned = outputs;
  std::vector<int> output_slots;
  for (Tensor& y : outputs) {
    SlotView operand = trace.operand(y);
    const auto slot = static_cast<std::size_t>(operand.slot);
    bool own =
        trace.slots[slot].kind == Slot::temporary && is_whole(operand) &&
        element_count(operand.shape) * static_cast<std::int64_t>(itemsize(operand.dtype)) == trace.slots[slot].bytes;
    for (int other : output_slots) own = own && other != operand.slot;
    if (!own) operand = trace.operand(apply(*copy, &y, 1, {}));
    output_slots.push_back(operand.slot);
    output_specs_.push_back({operand.dtype, operand.shape});
  }
  resume_recording(depth);

  trace.renew_local_memory(returned);
  const std::vector<bool> changes = changed_slots(trace.instructions, trace.slots);
  for (std::size_t s = 0; s < changes.size(); ++s)
    if (changes[s] && trace.slots[s].kind == Slot::captured) changed_.push_back(trace.slots[s].tensor);
  units_ = fuse(trace.instructions, trace.slots, output_slots);
  std::vector<std::int64_t> offsets;
  arena_bytes_ = plan_memory(units_, trace.slots, output_slots, offsets);
  arena_ = Tensor::empty(DType::U8, {arena_bytes_});
  slots_ = std::move(trace.slots);
  input_specs_ = std::move(trace.input_specs);
  input_patches_.resize(input_specs_.size());
  output_patches_.resize(output_slots.size());

  for (const Unit& unit : units_) {
    Step step;
    step.first_ptr = ptr_.size();
    std::vector<Tensor> inputs, results;
    const auto place = [&](const SlotView& operand) {
      if (operand.slot < 0) {
        ptr_.push_back(nullptr);
        return;
      }
      const auto slot = static_cast<std::size_t>(operand.slot);
      void* base = nullptr;
      if (slots_[slot].kind == Slot::captured) {
        base = slots_[slot].tensor.impl()->storage->data;
      } else if (slots_[slot].kind == Slot::input) {
        input_patches_[slot].push_back({ptr_.size(), operand.offset});
      } else if (offsets[slot] >= 0) {
        base = static_cast<char*>(arena_.data()) + offsets[slot];
      } else {
        for (std::size_t k = 0; k < output_slots.size(); ++k)
          if (output_slots[k] == operand.slot) output_patches_[k].push_back({ptr_.size(), operand.offset});
      }
      ptr_.push_back(base ? static_cast<char*>(base) + operand.offset : nullptr);
      parallel_ = parallel_ || element_count(operand.shape) >= kParallelElements;
    };
    for (const SlotView& operand : unit.instruction.inputs) {
      inputs.push_back(head_of(operand));
      place(operand);
    }
    for (const SlotView& operand : unit.instruction.outputs) {
      results.push_back(head_of(operand));
      place(operand);
    }
    if (unit.instruction.op) {
      const Call call{*unit.instruction.op,   inputs.data(),  static_cast<int>(inputs.size()),
                      unit.instruction.attrs, results.data(), static_cast<int>(results.size())};
      unit.instruction.op->lower(call, step.task);
    } else {
      lower_group(unit, step.task);
    }
    step.task.op = unit.instruction.op;
    steps_.push_back(std::move(step));
  }
}

void Program::bind_input(int i, const void* data) {
  for (const Patch& patch : input_patches_[static_cast<std::size_t>(i)])
    ptr_[patch.ptr] = static_cast<char*>(const_cast<void*>(data)) + patch.offset;
}

bool Program::changes(const Tensor& x) const {
  return std::any_of(changed_.begin(), changed_.end(), [&](const Tensor& each) { return share_memory(each, x); });
}

void Program::run_steps() {
  if (profiling()) {
    run_steps_measured();
    return;
  }
  for (const Step& step : steps_) step.task.run(step.task, ptr_.data() + step.first_ptr);
}

void Program::run_steps_measured() {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    ProfileTimer timer(true);
    steps_[i].task.run(steps_[i].task, ptr_.data() + steps_[i].first_ptr);
    if (!timer) continue;
    timer.stop();
    note_step(timer, units_[i]);
  }
}

std::vector<Tensor> Program::run(const Tensor* inputs) {
  std::vector<Tensor> results;
  results.reserve(output_specs_.size());
  for (const Output& spec : output_specs_) results.push_back(Tensor::empty(spec.dtype, spec.shape));
  const std::lock_guard<ForkMutex> lock(mutex_);
  std::vector<Tensor> copies;
  for (int i = 0; i < n_inputs(); ++i) {
    if (changes(inputs[i])) copies.push_back(copied(inputs[i]));
    bind_input(i, changes(inputs[i]) ? copies.back().data() : inputs[i].data());
  }
  for (std::size_t k = 0; k < results.size(); ++k)
    for (const Patch& patch : output_patches_[k])
      ptr_[patch.ptr] = static_cast<char*>(results[k].data()) + patch.offset;
  std::optional<FlushSubnormals> flush;
  if (flushes_) flush.emplace();
  std::optional<HotRegion> hot;
  if (parallel_) hot.emplace();
  run_steps();
  return results;
}

std::string Program::describe() const {
  std::ostringstream text;
  const auto operand = [&](const SlotView& o) {
    if (o.slot < 0) {
      text << "-";
      return;
    }
    const Slot& slot = slots_[static_cast<std::size_t>(o.slot)];
    text << (slot.kind == Slot::input      ? "in"
             : slot.kind == Slot::captured ? "state"
                                           : "%")
         << o.slot << ":" << name(o.dtype) << to_string(o.shape);
  };
  const auto list = [&](const std::vector<SlotView>& operands) {
    for (std::size_t i = 0; i < operands.size(); ++i) {
      if (i) text << ", ";
      operand(operands[i]);
    }
  };
  text << steps_.size() << " steps, arena " << arena_bytes_ << " bytes, kernels " << isa_ << "\n";
  for (const Unit& unit : units_) {
    list(unit.instruction.outputs);
    text << (unit.instruction.outputs.empty() ? "" : " = ");
    text << step_name(unit);
    text << "(";
    list(unit.instruction.inputs);
    text << ")\n";
  }
  return text.str();
}

}  // namespace chainrule
