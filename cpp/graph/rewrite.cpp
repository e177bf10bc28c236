// Rewrites of a recording that save work and change no bit.
#include <algorithm>
#include <iterator>

#include "graph/program.h"
#include "ops/elementwise.h"
#include "ops/optim.h"

namespace chainrule {

namespace {

bool is(const Instruction& instruction, ElementwiseOp op) { return instruction.op->opcode == static_cast<int>(op); }

bool same(const SlotView& a, const SlotView& b) {
  return a.slot == b.slot && is_whole(a) && is_whole(b) && a.shape == b.shape;
}

}  // namespace

// The gradient of max_pool(x) = y puts each element of g where y was found in x, hence where x is positive exactly if y
// is: relu_grad(x, max_pool_grad(x, y, g)) = max_pool_grad(x, y, relu_grad(y, g)). Of half types relu_grad is computed
// in float32, which holds every value of theirs: then there are casts before it, and the result is the cast of the
// right side's.
bool move_relu_behind_pools(std::vector<Instruction>& instructions, std::vector<Slot>& slots,
                            const std::vector<int>& output_slots) {
  static const Op* const pool_grad = find_op("max_pool_grad");
  static const Op* const cast = find_op("cast");
  static const Op* const relu_grad = &elementwise_op(ElementwiseOp::relu_grad);
  std::vector<int> uses = count_uses(instructions, slots.size(), output_slots);
  bool moved = false;
  const auto uses_of = [&](const SlotView& operand) -> int& { return uses[static_cast<std::size_t>(operand.slot)]; };

  for (std::size_t at = 0; at < instructions.size(); ++at) {
    if (instructions[at].op != pool_grad) continue;
    const SlotView x = instructions[at].inputs[0], y = instructions[at].inputs[1], g = instructions[at].inputs[2];
    SlotView result = instructions[at].outputs[0];
    if (uses_of(result) != 1 || !is_whole(y)) continue;
    if (slots[static_cast<std::size_t>(x.slot)].kind == Slot::captured) continue;  // could change in between
    const auto begin = instructions.begin();
    // In float32: where x and the result are cast to it, nothing where they aren't.
    const auto cast_of = [&](const SlotView& half) {
      return std::find_if(begin, instructions.end(), [&](const Instruction& i) {
        return i.op == cast && same(i.inputs[0], half) && i.outputs[0].dtype == DType::F32;
      });
    };
    SlotView wide_x = x;
    auto widening = instructions.end();
    if (is_half(x.dtype)) {
      const auto of_x = cast_of(x);
      widening = cast_of(result);
      if (of_x == instructions.end() || widening == instructions.end() || uses_of(widening->outputs[0]) != 1) continue;
      wide_x = of_x->outputs[0];
      result = widening->outputs[0];
    }
    const auto reader =
        std::find_if(begin + static_cast<std::ptrdiff_t>(at), instructions.end(), [&](const Instruction& i) {
          return is(i, ElementwiseOp::relu_grad) && same(i.inputs[0], wide_x) && same(i.inputs[1], result);
        });
    if (reader == instructions.end()) continue;

    std::vector<Instruction> before;
    const auto add = [&](const Op* op, Attrs attrs, std::vector<SlotView> inputs, DType dtype) {
      SlotView made = y;
      made.slot = static_cast<int>(slots.size());
      made.dtype = dtype;
      slots.push_back({Slot::temporary, element_count(y.shape) * static_cast<std::int64_t>(itemsize(dtype)), Tensor()});
      uses.push_back(1);
      before.push_back({op, std::move(attrs), std::move(inputs), {made}, reader->layer});
      return made;
    };
    if (is_half(x.dtype)) {
      const Attr single = Attr::of(DType::F32);
      const SlotView wide_y = add(cast, {single}, {y}, DType::F32), wide_g = add(cast, {single}, {g}, DType::F32);
      const SlotView mask = add(relu_grad, {}, {wide_y, wide_g}, DType::F32);
      instructions[at].inputs[2] = add(cast, {Attr::of(x.dtype)}, {mask}, x.dtype);
      widening->outputs[0].slot = reader->outputs[0].slot;
    } else {
      instructions[at].inputs[2] = add(relu_grad, {}, {y, g}, x.dtype);
      instructions[at].outputs[0].slot = reader->outputs[0].slot;
    }
    instructions.erase(reader);
    instructions.insert(instructions.begin() + static_cast<std::ptrdiff_t>(at), std::make_move_iterator(before.begin()),
                        std::make_move_iterator(before.end()));
    at += before.size();
    moved = true;
  }
  return moved;
}

namespace {

// Whether the gradient can be made later, where the update is: nobody changes what it is made of in between, and it is
// a product that gains from it, or no product.
bool joins(const Instruction& i, const std::vector<bool>& changes) {
  static const Op* const product = find_op("matmul_bias_act");
  for (std::size_t k = 0; k < 2; ++k)
    if (changes[static_cast<std::size_t>(i.inputs[k].slot)]) return false;
  if (i.op != product) return is_whole(i.inputs[0]) && is_whole(i.inputs[1]);
  if (i.attrs[0].integer >= 0 || i.attrs[1].integer >= 0 || i.inputs[2].slot >= 0) return false;
  const Tensor operands[] = {head_of(i.inputs[0]), head_of(i.inputs[1])};
  return joins_update(Call{*i.op, operands, 2, i.attrs});
}

}  // namespace

void join_updates_with_gradients(std::vector<Instruction>& instructions, const std::vector<Slot>& slots,
                                 const std::vector<int>& output_slots) {
  const std::vector<int> uses = count_uses(instructions, slots.size(), output_slots);
  const std::vector<bool> changes = changed_slots(instructions, slots);
  std::vector<int> maker(slots.size(), -1);
  for (std::size_t at = 0; at < instructions.size(); ++at)
    for (const SlotView& result : instructions[at].outputs)
      maker[static_cast<std::size_t>(result.slot)] = static_cast<int>(at);

  std::vector<std::vector<Instruction>> joined_at(instructions.size());
  std::vector<bool> gone(instructions.size(), false);
  for (std::size_t at = 0; at < instructions.size(); ++at) {
    Instruction& update = instructions[at];
    if (!is_update(*update.op)) continue;
    const auto count = static_cast<std::size_t>(update.attrs[0].integer);
    if (count == 0) continue;
    const std::size_t numbers = update.op->tensors.size() - 1, lists = (update.inputs.size() - numbers) / count;
    const auto operand = [&](std::size_t list, std::size_t i) -> SlotView& {
      return update.inputs[numbers + list * count + i];
    };
    std::vector<bool> taken(count, false);
    for (std::size_t i = 0; i < count; ++i) {
      const SlotView& g = operand(1, i);
      const int from = maker[static_cast<std::size_t>(g.slot)];
      if (from < 0 || uses[static_cast<std::size_t>(g.slot)] != 1 || is_half(g.dtype)) continue;
      const Instruction& gradient = instructions[static_cast<std::size_t>(from)];
      const Op* const joined = joined_update(*gradient.op, *update.op);
      if (!joined || !is_whole(g) || !(gradient.outputs[0].shape == g.shape) || !joins(gradient, changes)) continue;
      Instruction one{joined, Attrs(update.attrs.begin() + 1, update.attrs.end()), {}, {}, gradient.layer};
      while (one.attrs.size() < joined->attrs.size()) one.attrs.push_back(gradient.attrs.back());  // the layer's name
      one.inputs = {gradient.inputs[0], gradient.inputs[1]};
      one.inputs.insert(one.inputs.end(), update.inputs.begin(),
                        update.inputs.begin() + static_cast<std::ptrdiff_t>(numbers));
      for (std::size_t list = 0; list < lists; ++list)
        if (list != 1) one.inputs.push_back(operand(list, i));
      joined_at[at].push_back(std::move(one));
      taken[i] = true;
      gone[static_cast<std::size_t>(from)] = true;
    }
    std::vector<SlotView> rest(update.inputs.begin(), update.inputs.begin() + static_cast<std::ptrdiff_t>(numbers));
    for (std::size_t list = 0; list < lists; ++list)
      for (std::size_t i = 0; i < count; ++i)
        if (!taken[i]) rest.push_back(operand(list, i));
    update.inputs = std::move(rest);
    update.attrs[0] = Attr::of(static_cast<std::int64_t>(std::count(taken.begin(), taken.end(), false)));
    gone[at] = update.attrs[0].integer == 0;
  }
  std::vector<Instruction> kept;
  for (std::size_t at = 0; at < instructions.size(); ++at) {
    for (Instruction& joined : joined_at[at]) kept.push_back(std::move(joined));
    if (!gone[at]) kept.push_back(std::move(instructions[at]));
  }
  instructions = std::move(kept);
}

}  // namespace chainrule
