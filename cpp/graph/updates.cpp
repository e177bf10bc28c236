// Programs that write into slices (x[1:-1] = a + b) are recorded as slice_updates: a new tensor for every write. Here
// they become writes in place again, and the op that makes the value writes it where it belongs.
#include <algorithm>
#include <numeric>
#include <utility>

#include "graph/program.h"
#include "ops/support.h"

namespace chainrule {

namespace {

const Op* update_op() {
  static const Op* const op = find_op("slice_update");
  return op;
}

std::vector<bool> marked(std::size_t n_slots, const std::vector<int>& slots) {
  std::vector<bool> marks(n_slots, false);
  for (const int slot : slots) marks[static_cast<std::size_t>(slot)] = true;
  return marks;
}

// Which slots are one: each has a parent, or is the root that gives the name.
class Names {
 public:
  explicit Names(std::size_t n) : parent_(n) { std::iota(parent_.begin(), parent_.end(), 0); }
  int root(int slot) {
    int at = slot;
    while (parent_of(at) != at) at = parent_of(at);
    while (parent_of(slot) != at) slot = std::exchange(parent_of(slot), at);
    return at;
  }
  void join(int root, int other) { parent_of(other) = root; }
  void rename(Instruction& instruction) {
    for (std::vector<SlotView>* operands : {&instruction.inputs, &instruction.outputs})
      for (SlotView& operand : *operands)
        if (operand.slot >= 0) operand.slot = root(operand.slot);
  }

 private:
  int& parent_of(int slot) { return parent_[static_cast<std::size_t>(slot)]; }

  std::vector<int> parent_;
};

// The part of x that a slice_update replaces, as a view of its result.
SlotView part_of(const Instruction& update) {
  static const Op* const slice = find_op("slice");
  const SlotView& out = update.outputs[0];
  const Tensor whole = Tensor::placeholder(out.dtype, out.shape, 1, 0);
  const Tensor part = slice->view(Call{*slice, &whole, 1, {update.attrs.begin(), update.attrs.begin() + 3}});
  SlotView view = out;
  view.shape = part.shape();
  view.strides = part.strides();
  view.offset = static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(part.data()));
  return view;
}

// The view under a shape that differs in axes of length 1 only; false where it differs in others.
bool give_shape(SlotView& view, const Shape& shape) {
  Strides strides;
  strides.ndim = shape.ndim;
  int from = 0;
  for (int d = 0; d < shape.ndim; ++d) {
    strides[d] = 1;
    if (shape[d] == 1) continue;
    while (from < view.shape.ndim && view.shape[from] == 1) ++from;
    if (from == view.shape.ndim || view.shape[from] != shape[d]) return false;
    strides[d] = view.strides[from++];
  }
  while (from < view.shape.ndim && view.shape[from] == 1) ++from;
  if (from < view.shape.ndim) return false;
  view.shape = shape;
  view.strides = strides;
  return true;
}

bool is_dense(SlotView view) {
  view.offset = 0;
  return is_whole(view);
}

bool same_elements(const SlotView& a, const SlotView& b) {
  if (a.offset != b.offset || a.dtype != b.dtype || !(a.shape == b.shape)) return false;
  for (int d = 0; d < a.shape.ndim; ++d)
    if (a.shape[d] != 1 && a.strides[d] != b.strides[d]) return false;
  return true;
}

// A kernel writes runs of elements that follow each other.
bool has_runs(const SlotView& view) {
  for (int d = view.shape.ndim - 1; d >= 0; --d)
    if (view.shape[d] != 1) return view.strides[d] == 1;
  return true;
}

// Lets slice_updates write into the memory of the tensor that they update.
class InPlace {
 public:
  InPlace(std::vector<Unit>& units, const std::vector<Slot>& slots, const std::vector<int>& output_slots)
      : units_(units),
        slots_(slots),
        is_output_(marked(slots.size(), output_slots)),
        maker_(slots.size(), -1),
        readers_(slots.size()),
        names_(slots.size()) {
    for (int u = 0; u < static_cast<int>(units.size()); ++u) {
      for (const SlotView& operand : unit(u).inputs)
        if (operand.slot >= 0) readers_[static_cast<std::size_t>(operand.slot)].push_back(u);
      for (const SlotView& operand : unit(u).outputs) maker_[static_cast<std::size_t>(operand.slot)] = u;
    }
  }

  void run() {
    std::vector<bool> gone(units_.size(), false);
    for (int u = 0; u < static_cast<int>(units_.size()); ++u)
      if (unit(u).op == update_op() && share(u)) gone[static_cast<std::size_t>(u)] = store_at_maker(u);
    std::size_t kept = 0;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      if (gone[u]) continue;
      if (kept != u) units_[kept] = std::move(units_[u]);
      names_.rename(units_[kept].instruction);
      for (Instruction& member : units_[kept].members) names_.rename(member);
      ++kept;
    }
    units_.resize(kept);
  }

 private:
  Instruction& unit(int u) { return units_[static_cast<std::size_t>(u)].instruction; }
  const Slot& slot(const SlotView& operand) const { return slots_[static_cast<std::size_t>(operand.slot)]; }
  bool is_own(const SlotView& operand) const {
    return operand.slot >= 0 && slot(operand).kind == Slot::temporary && is_whole(operand) &&
           !is_output_[static_cast<std::size_t>(operand.slot)];
  }

  // A temporary that nobody reads afterwards: the result is the same slot under another number.
  bool share(int u) {
    const SlotView &from = unit(u).inputs[0], &to = unit(u).outputs[0];
    if (!is_own(from) || slot(from).bytes != slot(to).bytes ||
        readers_[static_cast<std::size_t>(from.slot)].back() != u)
      return false;
    names_.join(to.slot, from.slot);
    return true;
  }

  // The value has no other reader: whoever makes it writes it into the part, and the update itself has nothing to do.
  bool store_at_maker(int u) {
    const SlotView from = unit(u).inputs[0], value = unit(u).inputs[1];
    if (!is_own(value) || value.slot == from.slot || readers_[static_cast<std::size_t>(value.slot)].size() != 1)
      return false;
    const int w = maker_[static_cast<std::size_t>(value.slot)];
    if (w < 0 || maker_[static_cast<std::size_t>(from.slot)] >= w || unit(w).op == update_op()) return false;
    const std::vector<int>& reads = readers_[static_cast<std::size_t>(from.slot)];
    for (const int reader : reads)
      if (reader > w && reader < u) return false;  // it would meet the value too early
    Unit& maker = units_[static_cast<std::size_t>(w)];
    std::size_t k = 0;
    while (maker.instruction.outputs[k].slot != value.slot) ++k;
    const SlotView made = maker.instruction.outputs[k];
    SlotView part = part_of(unit(u));
    if (element_count(value.shape) != element_count(made.shape) || made.dtype != part.dtype ||
        element_count(made.shape) == 0 || !give_shape(part, made.shape))
      return false;
    const bool is_group = !maker.instruction.op, elementwise = !is_group && is_elementwise(maker.instruction);
    // Elements that the maker reads of the same tensor may only be those that it is about to write; a single element is
    // written when all has been read.
    const bool single = element_count(made.shape) == 1;
    for (const SlotView& operand : maker.instruction.inputs)
      if (operand.slot == from.slot && !((is_group || elementwise) && (single || same_elements(operand, part))))
        return false;
    if (is_group) {
      if (!(made.shape == maker.shape) || !has_runs(part) || reads_after_writing(maker, value.slot, from.slot))
        return false;
      if (maker.results.empty())
        for (const SlotView& output : maker.instruction.outputs) maker.results.push_back(output.slot);
    } else if (maker.instruction.op->has_effect() || maker.instruction.outputs.size() != 1) {
      return false;
    } else if (!is_dense(part)) {
      constexpr std::int64_t kWorthAGroup = 64;
      if (!elementwise || !has_runs(part) || element_count(made.shape) < kWorthAGroup) return false;
      maker.members = {maker.instruction};
      maker.shape = made.shape;
      maker.results = {value.slot};
      maker.instruction.op = nullptr;
    }
    maker.instruction.outputs[k] = part;
    return true;
  }

  static bool reads_after_writing(const Unit& group, int written, int read) {
    bool is_written = false;
    for (const Instruction& member : group.members) {
      for (const SlotView& operand : member.inputs)
        if (is_written && operand.slot == read) return true;
      is_written = is_written || member.outputs[0].slot == written;
    }
    return false;
  }

  std::vector<Unit>& units_;
  const std::vector<Slot>& slots_;
  std::vector<bool> is_output_;
  std::vector<int> maker_;                 // slot -> unit
  std::vector<std::vector<int>> readers_;  // slot -> units, in order
  Names names_;
};

}  // namespace

void drop_whole_updates(std::vector<Instruction>& instructions, const std::vector<Slot>& slots,
                        const std::vector<int>& output_slots) {
  const std::vector<bool> is_output = marked(slots.size(), output_slots);
  Names names(slots.size());
  std::vector<Instruction> kept;
  for (Instruction& instruction : instructions) {
    if (instruction.op == update_op()) {
      const SlotView &value = instruction.inputs[1], &out = instruction.outputs[0];
      const int root = names.root(value.slot);
      const auto slot = static_cast<std::size_t>(root), to = static_cast<std::size_t>(out.slot);
      const SlotView part = part_of(instruction);
      const bool whole = same_elements(part, out) && is_whole(value) && value.shape == out.shape;
      if (whole && slots[slot].kind == Slot::temporary && slots[slot].bytes == slots[to].bytes &&
          !(is_output[slot] && is_output[to])) {
        names.join(is_output[to] ? out.slot : root, is_output[to] ? root : out.slot);
        continue;
      }
    }
    kept.push_back(std::move(instruction));
  }
  if (kept.size() == instructions.size()) {
    instructions = std::move(kept);
    return;
  }
  for (Instruction& instruction : kept) names.rename(instruction);
  instructions = std::move(kept);
}

void update_in_place(std::vector<Unit>& units, const std::vector<Slot>& slots, const std::vector<int>& output_slots) {
  InPlace(units, slots, output_slots).run();
}

}  // namespace chainrule
