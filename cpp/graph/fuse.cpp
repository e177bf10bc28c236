#include <algorithm>
#include <map>

#include "graph/program.h"
#include "ops/elementwise.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"

namespace chainrule {

namespace {

// Limits of a group, so that its blocks stay in the first-level cache.
constexpr std::size_t kMaxMembers = 48, kMaxExternals = 24;
constexpr std::int64_t kBlockBytes = 4096;

bool is_cast(const Instruction& i) {
  static const Op* const cast = find_op("cast");
  return i.op == cast;
}
bool is_elementwise(const Instruction& i) { return i.op->opcode >= 0 || is_cast(i); }

std::vector<int> count_uses(const std::vector<Instruction>& instructions, std::size_t n_slots,
                            const std::vector<int>& output_slots) {
  std::vector<int> uses(n_slots, 0);
  for (const Instruction& i : instructions)
    for (const SlotView& operand : i.inputs)
      if (operand.slot >= 0) ++uses[static_cast<std::size_t>(operand.slot)];
  for (int slot : output_slots) ++uses[static_cast<std::size_t>(slot)];
  return uses;
}

std::vector<Instruction> drop_unused(const std::vector<Instruction>& instructions, std::size_t n_slots,
                                     const std::vector<int>& output_slots) {
  std::vector<bool> live(n_slots, false);
  for (int slot : output_slots) live[static_cast<std::size_t>(slot)] = true;
  std::vector<Instruction> kept;
  for (auto it = instructions.rbegin(); it != instructions.rend(); ++it) {
    bool needed = it->op->has_effect();
    for (const SlotView& operand : it->outputs) needed = needed || live[static_cast<std::size_t>(operand.slot)];
    if (!needed) continue;
    for (const SlotView& operand : it->inputs)
      if (operand.slot >= 0) live[static_cast<std::size_t>(operand.slot)] = true;
    kept.push_back(*it);
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

// An elementwise instruction that repeats an earlier one (gradients name sigmoid(a) again and again) gives way to it,
// unless it reads memory that an effect changes.
std::vector<Instruction> drop_repeated(const std::vector<Instruction>& instructions, std::size_t n_slots,
                                       const std::vector<int>& output_slots) {
  std::vector<bool> changes(n_slots, false);
  for (const Instruction& i : instructions)
    for (std::size_t k = 0; k < i.inputs.size(); ++k)
      if (i.inputs[k].slot >= 0 && i.op->tensors[std::min(k, i.op->tensors.size() - 1)].mutated)
        changes[static_cast<std::size_t>(i.inputs[k].slot)] = true;
  std::vector<int> stand_in(n_slots, -1);
  std::map<std::vector<std::int64_t>, int> seen;
  std::vector<Instruction> kept;
  for (Instruction instruction : instructions) {
    bool eligible = is_elementwise(instruction);
    std::vector<std::int64_t> key = {reinterpret_cast<std::intptr_t>(instruction.op)};
    for (SlotView& operand : instruction.inputs) {
      if (operand.slot < 0) continue;
      const auto slot = static_cast<std::size_t>(operand.slot);
      if (stand_in[slot] >= 0) operand.slot = stand_in[slot];
      eligible = eligible && !changes[slot];
      key.insert(key.end(), {operand.slot, operand.offset, index(operand.dtype), operand.shape.ndim});
      for (int d = 0; d < operand.shape.ndim; ++d) key.insert(key.end(), {operand.shape[d], operand.strides[d]});
    }
    if (eligible) {
      const int result = instruction.outputs[0].slot;
      key.push_back(index(instruction.outputs[0].dtype));
      const auto [earlier, fresh] = seen.try_emplace(std::move(key), result);
      if (!fresh && std::find(output_slots.begin(), output_slots.end(), result) == output_slots.end()) {
        stand_in[static_cast<std::size_t>(result)] = earlier->second;
        continue;
      }
    }
    kept.push_back(std::move(instruction));
  }
  return kept;
}

// A product (matmul, conv), then + bias, then a unary activation, each the only reader of the one before: one
// instruction.
std::vector<Instruction> fuse_epilogues(std::vector<Instruction> instructions, std::size_t n_slots,
                                        const std::vector<int>& output_slots) {
  const std::vector<int> uses = count_uses(instructions, n_slots, output_slots);
  std::vector<bool> gone(instructions.size(), false);
  // The only reader of `slot`, if it comes before any effect.
  const auto only_reader = [&](std::size_t from, int slot) -> std::size_t {
    if (uses[static_cast<std::size_t>(slot)] != 1) return 0;
    for (std::size_t i = from + 1; i < instructions.size(); ++i) {
      if (instructions[i].op->has_effect()) return 0;
      for (const SlotView& operand : instructions[i].inputs)
        if (operand.slot == slot) return i;
    }
    return 0;
  };
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    if (!instructions[i].op->fused || !is_float(instructions[i].outputs[0].dtype)) continue;
    Instruction product = instructions[i];
    product.op = find_op(product.op->fused);
    product.attrs.push_back(Attr::of(-1));
    product.inputs.push_back(SlotView());
    std::size_t at = i;
    const std::int64_t columns =
        product.outputs[0].shape.ndim ? product.outputs[0].shape[product.outputs[0].shape.ndim - 1] : 0;
    // The bias of a product with a vector would be one of rows; the fused op's is one of columns.
    const bool has_columns = product.inputs[1].shape.ndim > 1;
    if (const std::size_t next = has_columns ? only_reader(at, product.outputs[0].slot) : 0) {
      const Instruction& add = instructions[next];
      if (add.op->opcode == static_cast<int>(ElementwiseOp::add) && add.outputs[0].shape == product.outputs[0].shape) {
        const int mine = add.inputs[0].slot == product.outputs[0].slot ? 0 : 1;
        const SlotView& bias = add.inputs[static_cast<std::size_t>(1 - mine)];
        const SlotView& value = add.inputs[static_cast<std::size_t>(mine)];
        if (bias.slot != value.slot && value.shape == product.outputs[0].shape && is_whole(value) &&
            bias.shape.ndim == 1 && bias.shape[0] == columns && (columns == 1 || bias.strides[0] == 1)) {
          product.inputs.back() = bias;
          product.outputs = add.outputs;
          gone[at] = true;
          at = next;
        }
      }
    }
    if (const std::size_t next = only_reader(at, product.outputs[0].slot)) {
      const Instruction& activation = instructions[next];
      if (activation.op->opcode >= 0 && activation.inputs.size() == 1 && is_whole(activation.inputs[0]) &&
          activation.outputs[0].shape == product.outputs[0].shape &&
          activation.outputs[0].dtype == product.outputs[0].dtype) {
        product.attrs.back() = Attr::of(activation.op->opcode);
        product.outputs = activation.outputs;
        gone[at] = true;
        at = next;
      }
    }
    instructions[at] = std::move(product);
    gone[at] = false;
  }
  std::vector<Instruction> kept;
  for (std::size_t i = 0; i < instructions.size(); ++i)
    if (!gone[i]) kept.push_back(std::move(instructions[i]));
  return kept;
}

bool same_operand(const SlotView& a, const SlotView& b) {
  return a.slot == b.slot && a.offset == b.offset && a.dtype == b.dtype && a.shape == b.shape && a.strides == b.strides;
}

// Collects elementwise instructions until somebody needs a result; groups that wait never depend on each other.
class Grouper {
 public:
  Grouper(std::size_t n_slots, std::vector<int> uses) : made_by_(n_slots, -1), uses_(std::move(uses)) {}

  void add(const Instruction& instruction) {
    if (!is_elementwise(instruction)) {
      if (instruction.op->has_effect()) {
        flush_all();
      } else {
        for (const SlotView& operand : instruction.inputs) flush_maker(operand);
      }
      units.push_back({instruction, {}});
      return;
    }
    const Shape& shape = instruction.outputs[0].shape;
    int home = -1;
    for (std::size_t g = 0; g < groups_.size(); ++g)
      if (groups_[g].open && groups_[g].shape == shape) home = static_cast<int>(g);
    if (home >= 0 && !fits(groups_[static_cast<std::size_t>(home)], instruction, home)) {
      flush(home);
      home = -1;
    }
    for (const SlotView& operand : instruction.inputs)
      if (operand.slot >= 0 && made_by_[static_cast<std::size_t>(operand.slot)] != home) flush_maker(operand);
    if (home < 0) {
      home = static_cast<int>(groups_.size());
      groups_.push_back({});
      groups_.back().shape = shape;
    }
    Group& group = groups_[static_cast<std::size_t>(home)];
    for (const SlotView& operand : instruction.inputs)
      if (!made_here(operand, home) && !has_external(group, operand)) group.externals.push_back(operand);
    group.members.push_back(instruction);
    made_by_[static_cast<std::size_t>(instruction.outputs[0].slot)] = home;
  }

  void flush_all() {
    for (std::size_t g = 0; g < groups_.size(); ++g) flush(static_cast<int>(g));
  }

  std::vector<Unit> units;

 private:
  struct Group {
    Shape shape;
    std::vector<Instruction> members;
    std::vector<SlotView> externals;
    bool open = true;
  };

  bool made_here(const SlotView& operand, int group) const {
    return operand.slot >= 0 && made_by_[static_cast<std::size_t>(operand.slot)] == group;
  }
  static bool has_external(const Group& group, const SlotView& operand) {
    return std::any_of(group.externals.begin(), group.externals.end(),
                       [&](const SlotView& e) { return same_operand(e, operand); });
  }
  bool fits(const Group& group, const Instruction& instruction, int index) const {
    if (group.members.size() >= kMaxMembers || group.externals.size() + 3 > kMaxExternals) return false;
    for (const SlotView& operand : instruction.inputs)  // a result of the group must be read as it was written
      if (made_here(operand, index) && !(is_whole(operand) && operand.shape == group.shape)) return false;
    return true;
  }
  void flush_maker(const SlotView& operand) {
    if (operand.slot < 0) return;
    const int group = made_by_[static_cast<std::size_t>(operand.slot)];
    if (group >= 0) flush(group);
  }
  void flush(int index) {
    Group& group = groups_[static_cast<std::size_t>(index)];
    if (!group.open) return;
    group.open = false;
    if (group.members.size() == 1) {
      units.push_back({std::move(group.members[0]), {}});
      return;
    }
    // A result leaves the group if it is read more often than the members read it.
    std::map<int, int> inner;
    for (const Instruction& member : group.members)
      for (const SlotView& operand : member.inputs)
        if (made_here(operand, index)) ++inner[operand.slot];
    Unit unit;
    unit.instruction.inputs = group.externals;
    for (const Instruction& member : group.members) {
      const int slot = member.outputs[0].slot;
      if (uses_[static_cast<std::size_t>(slot)] > inner[slot]) unit.instruction.outputs.push_back(member.outputs[0]);
    }
    unit.members = std::move(group.members);
    units.push_back(std::move(unit));
  }

  std::vector<Group> groups_;
  std::vector<int> made_by_;  // slot -> group; a closed group's slots are ordinary memory
  std::vector<int> uses_;
};

}  // namespace

std::vector<Unit> fuse(const std::vector<Instruction>& instructions, std::vector<Slot>& slots,
                       const std::vector<int>& output_slots) {
  std::vector<Instruction> list = drop_unused(instructions, slots.size(), output_slots);
  list = drop_repeated(list, slots.size(), output_slots);
  move_relu_behind_pools(list, slots, output_slots);
  list = fuse_epilogues(std::move(list), slots.size(), output_slots);
  Grouper grouper(slots.size(), count_uses(list, slots.size(), output_slots));
  for (const Instruction& instruction : list) grouper.add(instruction);
  grouper.flush_all();
  return std::move(grouper.units);
}

// ---- running a group -----------------------------------------------------------------------------------------------

namespace {

struct GroupStep {
  ElementwiseFn kernel = nullptr;
  CastFn cast = nullptr;
  int arity = 0;
  int in[3] = {};             // input k: k; output k: n_inputs + k; register r: ~r
  std::int64_t step[3] = {};  // as the kernel takes it
  int out = 0;                // output n_inputs + k, or ~register
  std::int64_t in_size[3] = {}, out_size = 0;
};

int log2_size(std::int64_t size) { return size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3; }

struct GroupTask {
  std::vector<GroupStep> steps;
  std::int64_t size = 0, block = 0, chunk = 0;
  int n_inputs = 0, n_registers = 0, n_gathers = 0;
  std::vector<std::int64_t> dims;                  // collapsed, outermost first
  std::vector<std::vector<std::int64_t>> strides;  // [axis][input]
  std::vector<std::int64_t> in_size;
  std::vector<int> gather;  // per input: scratch block for its non-unit inner stride, or -1
};

void run_block(const GroupTask& t, void* const* ptr, const std::int64_t* offset, std::int64_t first, std::int64_t count,
               char* scratch) {
  const char* external[kMaxExternals];
  const std::vector<std::int64_t>& inner = t.strides.back();
  for (int k = 0; k < t.n_inputs; ++k) {
    external[k] = static_cast<const char*>(ptr[k]) + offset[k] * t.in_size[static_cast<std::size_t>(k)];
    const int gather = t.gather[static_cast<std::size_t>(k)];
    if (gather >= 0) {
      char* block = scratch + (t.n_registers + gather) * kBlockBytes;
      const std::int64_t size = t.in_size[static_cast<std::size_t>(k)];
      kernels().move.copy[log2_size(size)](block, 1, external[k], inner[static_cast<std::size_t>(k)], count);
      external[k] = block;
    }
  }
  const auto address = [&](int where, std::int64_t size) -> char* {
    return where >= 0 ? static_cast<char*>(ptr[where]) + first * size : scratch + ~where * kBlockBytes;
  };
  for (const GroupStep& step : t.steps) {
    const void* operands[3];
    for (int i = 0; i < step.arity; ++i)
      operands[i] =
          step.in[i] >= 0 && step.in[i] < t.n_inputs ? external[step.in[i]] : address(step.in[i], step.in_size[i]);
    char* out = address(step.out, step.out_size);
    if (step.kernel) {
      step.kernel(out, operands, step.step, count);
    } else if (step.step[0] == 1) {
      step.cast(out, operands[0], count);
    } else {
      step.cast(out, operands[0], 1);
      kernels().move.copy[log2_size(step.out_size)](out, 1, out, 0, count);
    }
  }
}

void run_group(const Task& task, void* const* ptr) {
  const GroupTask& t = task.get<GroupTask>();
  const std::size_t inner = t.dims.size() - 1;
  const std::size_t scratch_bytes = static_cast<std::size_t>((t.n_registers + t.n_gathers) * kBlockBytes);
  parallel_for((t.size + t.chunk - 1) / t.chunk, [&](std::int64_t chunk) {
    char* scratch = static_cast<char*>(thread_scratch(1, scratch_bytes));
    std::int64_t first = chunk * t.chunk;
    const std::int64_t last = std::min(t.size, first + t.chunk);
    std::int64_t counter[kMaxDims], rest = first;
    for (std::size_t d = inner + 1; d-- > 0;) {
      counter[d] = rest % t.dims[d];
      rest /= t.dims[d];
    }
    while (first < last) {
      std::int64_t offset[kMaxExternals];
      for (int k = 0; k < t.n_inputs; ++k) {
        offset[k] = 0;
        for (std::size_t d = 0; d <= inner; ++d) offset[k] += counter[d] * t.strides[d][static_cast<std::size_t>(k)];
      }
      const std::int64_t count = std::min({t.block, last - first, t.dims[inner] - counter[inner]});
      run_block(t, ptr, offset, first, count, scratch);
      first += count;
      counter[inner] += count;
      for (std::size_t d = inner; d > 0 && counter[d] == t.dims[d]; --d) {
        counter[d] = 0;
        ++counter[d - 1];
      }
    }
  });
}

void run_empty(const Task&, void* const*) {}

}  // namespace

void lower_group(const Unit& unit, Task& task) {
  const Shape& shape = unit.members[0].outputs[0].shape;
  if (element_count(shape) == 0) {
    task.run = run_empty;
    return;
  }
  GroupTask& t = task.params<GroupTask>();
  const std::vector<SlotView>& externals = unit.instruction.inputs;
  const std::vector<SlotView>& outputs = unit.instruction.outputs;
  t.size = element_count(shape);
  t.n_inputs = static_cast<int>(externals.size());
  std::int64_t widest = 1;
  // The loop: axes merged where every input allows it (the outputs are contiguous and always do).
  std::vector<Strides> full;
  for (const SlotView& e : externals) {
    Strides strides;
    const int lead = shape.ndim - e.shape.ndim;
    strides.ndim = shape.ndim;
    for (int d = 0; d < shape.ndim; ++d) strides[d] = d < lead || e.shape[d - lead] == 1 ? 0 : e.strides[d - lead];
    full.push_back(strides);
    t.in_size.push_back(static_cast<std::int64_t>(itemsize(e.dtype)));
    widest = std::max(widest, t.in_size.back());
  }
  for (int d = 0; d < shape.ndim; ++d) {
    if (shape[d] == 1) continue;
    bool merge = !t.dims.empty();
    for (std::size_t k = 0; merge && k < full.size(); ++k) merge = t.strides.back()[k] == full[k][d] * shape[d];
    if (merge) {
      t.dims.back() *= shape[d];
    } else {
      t.dims.push_back(shape[d]);
      t.strides.emplace_back(full.size());
    }
    for (std::size_t k = 0; k < full.size(); ++k) t.strides.back()[k] = full[k][d];
  }
  if (t.dims.empty()) {
    t.dims.push_back(1);
    t.strides.emplace_back(full.size(), 0);
  }
  for (std::size_t k = 0; k < full.size(); ++k) {
    const std::int64_t step = t.strides.back()[k];
    t.gather.push_back(step == 0 || step == 1 ? -1 : t.n_gathers++);
  }

  // Results that leave the group are written, and read again, where they belong; the others live in registers (blocks
  // of scratch), free again after their last reader.
  std::map<int, int> place_of, last_reader;
  for (std::size_t m = 0; m < unit.members.size(); ++m)
    for (const SlotView& operand : unit.members[m].inputs) last_reader[operand.slot] = static_cast<int>(m);
  std::vector<int> free_registers;
  for (std::size_t m = 0; m < unit.members.size(); ++m) {
    const Instruction& member = unit.members[m];
    const SlotView& result = member.outputs[0];
    GroupStep step;
    step.arity = static_cast<int>(member.inputs.size());
    step.out_size = static_cast<std::int64_t>(itemsize(result.dtype));
    widest = std::max(widest, step.out_size);
    std::vector<int> freed;
    for (int i = 0; i < step.arity; ++i) {
      const SlotView& operand = member.inputs[static_cast<std::size_t>(i)];
      step.in_size[i] = static_cast<std::int64_t>(itemsize(operand.dtype));
      widest = std::max(widest, step.in_size[i]);
      const auto inner = place_of.find(operand.slot);
      if (inner == place_of.end()) {
        for (std::size_t k = 0; k < externals.size(); ++k)
          if (same_operand(externals[k], operand)) step.in[i] = static_cast<int>(k);
        step.step[i] = t.strides.back()[static_cast<std::size_t>(step.in[i])] == 0 ? 0 : 1;
        continue;
      }
      step.in[i] = inner->second;
      step.step[i] = 1;
      if (inner->second < 0 && last_reader[operand.slot] == static_cast<int>(m) &&
          std::find(freed.begin(), freed.end(), ~inner->second) == freed.end()) {
        // A kernel may write over its input where both have elements of one size.
        (step.in_size[i] == step.out_size ? free_registers : freed).push_back(~inner->second);
        last_reader[operand.slot] = -1;
      }
    }
    step.out = -1;
    bool leaves = false;
    for (std::size_t k = 0; k < outputs.size(); ++k)
      if (outputs[k].slot == result.slot) {
        step.out = t.n_inputs + static_cast<int>(k);
        leaves = true;
      }
    if (!leaves) {
      if (free_registers.empty()) free_registers.push_back(t.n_registers++);
      step.out = ~free_registers.back();
      free_registers.pop_back();
    }
    place_of[result.slot] = step.out;
    free_registers.insert(free_registers.end(), freed.begin(), freed.end());
    if (member.op->opcode >= 0) {
      step.kernel = kernels().elementwise[member.op->opcode][index(member.inputs.back().dtype)];
    } else {
      step.cast = kernels().move.cast[index(result.dtype)][index(member.inputs[0].dtype)];
    }
    t.steps.push_back(step);
  }
  t.block = kBlockBytes / widest;
  // A chunk holds whole blocks, fewer of them the more there is to do for each.
  const std::int64_t weight = std::max<std::int64_t>(1, static_cast<std::int64_t>(t.steps.size()) / 4);
  t.chunk = std::max(t.block, kElementwiseChunk / weight / t.block * t.block);
  task.run = run_group;
}

}  // namespace chainrule
