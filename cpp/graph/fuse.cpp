#include <algorithm>
#include <map>

#include "graph/program.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/support.h"

namespace chainrule {

namespace {

// A row with all the intermediates of a group should stay in the second-level cache.
// Of shorter ones, calling the kernels row by row would cost more than the memory that it saves.
constexpr std::int64_t kLongestRow = 16384, kShortestRow = 16, kFewestRows = 8;

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
// and a half type's cast to float32 and back to what was cast, unless it reads memory that an effect changes.
std::vector<Instruction> drop_repeated(const std::vector<Instruction>& instructions, const std::vector<Slot>& slots,
                                       const std::vector<int>& output_slots) {
  static const Op* const cast = find_op("cast");
  const std::vector<bool> changes = changed_slots(instructions, slots);
  std::vector<int> stand_in(slots.size(), -1);
  std::map<int, SlotView> widened;  // float32 that is the cast of a half type
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
      const bool is_output = std::find(output_slots.begin(), output_slots.end(), result) != output_slots.end();
      if (instruction.op == cast && is_whole(instruction.inputs[0])) {
        const SlotView &from = instruction.inputs[0], &to = instruction.outputs[0];
        if (is_half(from.dtype) && to.dtype == DType::F32) widened.emplace(result, from);
        const auto half = widened.find(from.slot);
        if (half != widened.end() && half->second.dtype == to.dtype && half->second.shape == to.shape && !is_output) {
          stand_in[static_cast<std::size_t>(result)] = half->second.slot;  // there and back
          continue;
        }
      }
      key.push_back(index(instruction.outputs[0].dtype));
      const auto [earlier, fresh] = seen.try_emplace(std::move(key), result);
      if (!fresh && !is_output) {
        stand_in[static_cast<std::size_t>(result)] = earlier->second;
        continue;
      }
    }
    kept.push_back(std::move(instruction));
  }
  return kept;
}

// Whether one tensor can be read element by element beside the other.
bool same_layout(const SlotView& a, const SlotView& b) {
  return is_whole(a) && a.shape == b.shape && a.dtype == b.dtype;
}

// A product (matmul, conv), then + bias, then a unary activation, then (matmul) a binary op with another tensor of the
// result's shape, each the only reader of the one before: one instruction.
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
    const std::size_t first_attr = product.attrs.size();
    while (product.attrs.size() < product.op->attrs.size())
      product.attrs.push_back(product.op->attrs[product.attrs.size()].default_value);
    constexpr std::size_t kBias = 2, kOther = 3;
    product.inputs.resize(product.op->tensors.size());
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
          product.inputs[kBias] = bias;
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
        product.attrs[first_attr] = Attr::of(activation.op->opcode);
        product.outputs = activation.outputs;
        gone[at] = true;
        at = next;
      }
    }
    const bool combines = product.inputs.size() > kOther && !is_half(product.outputs[0].dtype);
    if (const std::size_t next = combines ? only_reader(at, product.outputs[0].slot) : 0) {
      const Instruction& binary = instructions[next];
      if (binary.op->opcode >= 0 && binary.inputs.size() == 2 && same_layout(binary.inputs[0], product.outputs[0]) &&
          same_layout(binary.inputs[1], product.outputs[0]) && same_layout(binary.outputs[0], product.outputs[0])) {
        const int mine = binary.inputs[0].slot == product.outputs[0].slot ? 0 : 1;
        product.inputs[kOther] = binary.inputs[static_cast<std::size_t>(1 - mine)];
        product.attrs[first_attr + 1] = Attr::of(binary.op->opcode);
        product.attrs[first_attr + 2] = Attr::of(mine);
        product.outputs = binary.outputs;
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

// Whether the instruction reduces along the last axis in a way that a group can do row by row.
bool is_row_reduction(const Instruction& i) {
  if (i.inputs.size() != 1 || i.inputs[0].slot < 0 || !is_whole(i.inputs[0])) return false;
  const Shape& shape = i.inputs[0].shape;
  const int last = shape.ndim - 1;
  if (last < 1 || shape[last] < kShortestRow || shape[last] > kLongestRow) return false;
  const std::int64_t rows = element_count(shape) / shape[last];
  if (rows < kFewestRows || !row_reduction(*i.op, i.attrs, i.inputs[0].dtype, rows, shape[last])) return false;
  const AxisSet axes = axes_of(i.attrs[0], shape.ndim, i.op->name);
  for (int d = 0; d <= last; ++d)
    if (axes.has[d] != (d == last)) return false;
  return true;
}

bool is_full_reduction(const Instruction& i) {
  return i.inputs.size() == 1 && i.outputs.size() == 1 && is_whole(i.inputs[0]) &&
         piece_reduction(*i.op, i.attrs, i.inputs[0].dtype, i.outputs[0].dtype, i.inputs[0].shape);
}

// The shape of one value a row, with the last axis kept.
Shape row_shape(Shape shape) {
  shape[shape.ndim - 1] = 1;
  return shape;
}

// Collects elementwise instructions and reductions of rows until somebody needs a result; groups that wait never depend
// on each other.
class Grouper {
 public:
  Grouper(std::size_t n_slots, std::vector<int> uses)
      : made_by_(n_slots, -1), per_row_(n_slots, false), uses_(std::move(uses)) {}

  void add(const Instruction& instruction) {
    if (add_tail(instruction)) return;
    const bool reduces = is_row_reduction(instruction);
    if (!reduces && !is_elementwise(instruction)) {
      if (instruction.op->has_effect()) {
        flush_all();
      } else {
        for (const SlotView& operand : instruction.inputs) flush_maker(operand);
      }
      Unit unit;
      unit.instruction = instruction;
      units.push_back(std::move(unit));
      return;
    }
    const Shape& shape = reduces ? instruction.inputs[0].shape : instruction.outputs[0].shape;
    int home = reduces ? -1 : home_of_row_values(instruction);
    const bool by_row = reduces || home >= 0;
    if (home < 0) {
      for (std::size_t g = 0; g < groups_.size(); ++g)
        if (groups_[g].open && groups_[g].shape == shape) home = static_cast<int>(g);
      if (home >= 0 && (!fits(groups_[static_cast<std::size_t>(home)], instruction, home) ||
                        (reduces && !groups_[static_cast<std::size_t>(home)].tails.empty()))) {
        flush(home);
        home = -1;
      }
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
    group.has_rows = group.has_rows || reduces;
    const auto result = static_cast<std::size_t>(instruction.outputs[0].slot);
    made_by_[result] = home;
    per_row_[result] = by_row;
  }

  void flush_all() {
    for (std::size_t g = 0; g < groups_.size(); ++g) flush(static_cast<int>(g));
  }

  std::vector<Unit> units;

 private:
  struct Group {
    Shape shape;
    std::vector<Instruction> members;
    std::vector<Instruction> tails;
    std::vector<SlotView> externals;
    bool has_rows = false;
    bool open = true;
  };

  // A reduction of all that a member of an open group makes is done piece by piece by those who make it.
  bool add_tail(const Instruction& instruction) {
    if (!is_full_reduction(instruction)) return false;
    const SlotView& operand = instruction.inputs[0];
    const int home = made_by_[static_cast<std::size_t>(operand.slot)];
    if (home < 0) return false;
    Group& group = groups_[static_cast<std::size_t>(home)];
    if (!group.open || group.has_rows || !has_room(group) || !(operand.shape == group.shape)) return false;
    group.tails.push_back(instruction);
    made_by_[static_cast<std::size_t>(instruction.outputs[0].slot)] = home;
    return true;
  }

  bool made_here(const SlotView& operand, int group) const {
    return operand.slot >= 0 && made_by_[static_cast<std::size_t>(operand.slot)] == group;
  }
  static bool has_external(const Group& group, const SlotView& operand) {
    return std::any_of(group.externals.begin(), group.externals.end(),
                       [&](const SlotView& e) { return same_operand(e, operand); });
  }
  static bool has_room(const Group& group) {
    return group.members.size() + group.tails.size() < kMaxGroupMembers &&
           group.externals.size() + 3 <= kMaxGroupInputs;
  }
  // A result of the group must be read as it was written, or as the one value of a row that it is.
  bool fits(const Group& group, const Instruction& instruction, int index) const {
    if (!has_room(group)) return false;
    for (const SlotView& operand : instruction.inputs) {
      if (!made_here(operand, index)) continue;
      const bool per_row = per_row_[static_cast<std::size_t>(operand.slot)];
      if (!is_whole(operand) || !(operand.shape == (per_row ? row_shape(group.shape) : group.shape))) return false;
    }
    return true;
  }
  // The open group whose rows an elementwise instruction goes on with: (rows, 1) made of such results and of numbers.
  int home_of_row_values(const Instruction& instruction) const {
    int home = -1;
    for (const SlotView& operand : instruction.inputs)
      if (operand.slot >= 0 && per_row_[static_cast<std::size_t>(operand.slot)])
        home = made_by_[static_cast<std::size_t>(operand.slot)];
    if (home < 0) return -1;
    const Group& group = groups_[static_cast<std::size_t>(home)];
    const Shape shape = row_shape(group.shape);
    if (!group.open || !has_room(group) || !(instruction.outputs[0].shape == shape)) return -1;
    for (const SlotView& operand : instruction.inputs) {
      const bool ours = made_here(operand, home) && per_row_[static_cast<std::size_t>(operand.slot)];
      if (ours ? !is_whole(operand) || !(operand.shape == shape) : operand.shape.ndim > 0) return -1;
    }
    return home;
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
    Unit unit;
    // A result leaves the group if it is read more often than the members and tails read it.
    std::map<int, int> inner;
    const auto count = [&](const Instruction& reader) {
      for (const SlotView& operand : reader.inputs)
        if (made_here(operand, index)) ++inner[operand.slot];
    };
    std::for_each(group.members.begin(), group.members.end(), count);
    std::for_each(group.tails.begin(), group.tails.end(), count);
    const auto leaves = [&](int slot) { return uses_[static_cast<std::size_t>(slot)] > inner[slot]; };
    // What leaves is in memory anyhow, and is reduced there.
    const auto stay = std::stable_partition(group.tails.begin(), group.tails.end(),
                                            [&](const Instruction& tail) { return !leaves(tail.inputs[0].slot); });
    const std::vector<Instruction> apart(stay, group.tails.end());
    group.tails.erase(stay, group.tails.end());
    if (group.members.size() == 1 && group.tails.empty()) {
      unit.instruction = std::move(group.members[0]);
    } else {
      unit.instruction.inputs = group.externals;
      for (const Instruction& member : group.members)
        if (leaves(member.outputs[0].slot)) unit.instruction.outputs.push_back(member.outputs[0]);
      for (const Instruction& tail : group.tails) unit.instruction.outputs.push_back(tail.outputs[0]);
      unit.members = std::move(group.members);
      unit.tails = std::move(group.tails);
      unit.shape = group.shape;
      unit.has_rows = group.has_rows;
    }
    units.push_back(std::move(unit));
    for (const Instruction& tail : apart) {
      units.emplace_back();
      units.back().instruction = tail;
    }
  }

  std::vector<Group> groups_;
  std::vector<int> made_by_;   // slot -> group; a closed group's slots are ordinary memory
  std::vector<bool> per_row_;  // slot -> whether its group makes one value a row of it
  std::vector<int> uses_;
};

}  // namespace

std::vector<int> count_uses(const std::vector<Instruction>& instructions, std::size_t n_slots,
                            const std::vector<int>& output_slots) {
  std::vector<int> uses(n_slots, 0);
  for (const Instruction& i : instructions)
    for (const SlotView& operand : i.inputs)
      if (operand.slot >= 0) ++uses[static_cast<std::size_t>(operand.slot)];
  for (int slot : output_slots) ++uses[static_cast<std::size_t>(slot)];
  return uses;
}

std::vector<bool> changed_slots(const std::vector<Instruction>& instructions, const std::vector<Slot>& slots) {
  std::vector<bool> written(slots.size(), false);
  for (const Instruction& i : instructions)
    for (std::size_t k = 0; k < i.inputs.size(); ++k)
      if (i.inputs[k].slot >= 0 && i.op->tensors[std::min(k, i.op->tensors.size() - 1)].mutated)
        written[static_cast<std::size_t>(i.inputs[k].slot)] = true;

  std::vector<bool> changes = written;
  for (std::size_t a = 0; a < slots.size(); ++a) {
    if (!written[a] || slots[a].kind != Slot::captured) continue;
    for (std::size_t b = 0; b < slots.size(); ++b)
      if (slots[b].kind == Slot::captured && share_memory(slots[a].tensor, slots[b].tensor)) changes[b] = true;
  }
  return changes;
}

bool is_elementwise(const Instruction& instruction) {
  static const Op* const cast = find_op("cast");
  return instruction.op->opcode >= 0 || instruction.op == cast;
}

std::vector<Unit> fuse(const std::vector<Instruction>& instructions, std::vector<Slot>& slots,
                       const std::vector<int>& output_slots) {
  std::vector<Instruction> list = instructions;
  drop_whole_updates(list, slots, output_slots);
  list = drop_unused(list, slots.size(), output_slots);
  list = drop_repeated(list, slots, output_slots);
  if (move_relu_behind_pools(list, slots, output_slots)) {
    list = drop_repeated(list, slots, output_slots);
    list = drop_unused(list, slots.size(), output_slots);
  }
  list = fuse_epilogues(std::move(list), slots.size(), output_slots);
  join_updates_with_gradients(list, slots, output_slots);
  Grouper grouper(slots.size(), count_uses(list, slots.size(), output_slots));
  for (const Instruction& instruction : list) grouper.add(instruction);
  grouper.flush_all();
  update_in_place(grouper.units, slots, output_slots);
  return std::move(grouper.units);
}

}  // namespace chainrule
