// Rewrites of a recording that save work and change no bit.
#include <algorithm>

#include "graph/program.h"
#include "ops/elementwise.h"

namespace chainrule {

namespace {

bool is(const Instruction& instruction, ElementwiseOp op) { return instruction.op->opcode == static_cast<int>(op); }

bool same(const SlotView& a, const SlotView& b) {
  return a.slot == b.slot && is_whole(a) && is_whole(b) && a.shape == b.shape;
}

}  // namespace

// The gradient of max_pool(x) = y puts each element of g where y was found in x, hence where x is positive exactly if y
// is: relu_grad(x, max_pool_grad(x, y, g)) = max_pool_grad(x, y, relu_grad(y, g)).
void move_relu_behind_pools(std::vector<Instruction>& instructions, std::vector<Slot>& slots,
                            const std::vector<int>& output_slots) {
  static const Op* const pool_grad = find_op("max_pool_grad");
  static const Op* const relu_grad = &elementwise_op(ElementwiseOp::relu_grad);
  std::vector<int> uses(slots.size(), 0);
  for (const Instruction& i : instructions)
    for (const SlotView& operand : i.inputs)
      if (operand.slot >= 0) ++uses[static_cast<std::size_t>(operand.slot)];
  for (const int slot : output_slots) ++uses[static_cast<std::size_t>(slot)];

  for (std::size_t at = 0; at < instructions.size(); ++at) {
    if (instructions[at].op != pool_grad) continue;
    const SlotView &x = instructions[at].inputs[0], &y = instructions[at].inputs[1];
    const SlotView& result = instructions[at].outputs[0];
    if (uses[static_cast<std::size_t>(result.slot)] != 1 || !is_whole(y)) continue;
    if (slots[static_cast<std::size_t>(x.slot)].kind == Slot::captured) continue;  // could change in between
    const auto reader = std::find_if(
        instructions.begin() + static_cast<std::ptrdiff_t>(at), instructions.end(), [&](const Instruction& i) {
          return is(i, ElementwiseOp::relu_grad) && same(i.inputs[0], x) && same(i.inputs[1], result);
        });
    if (reader == instructions.end()) continue;

    Instruction mask{relu_grad, {}, {y, instructions[at].inputs[2]}, {y}, reader->layer};
    mask.outputs[0].slot = static_cast<int>(slots.size());
    slots.push_back({Slot::temporary, element_count(y.shape) * static_cast<std::int64_t>(itemsize(y.dtype)), Tensor()});
    uses.push_back(1);
    instructions[at].inputs[2] = mask.outputs[0];
    instructions[at].outputs[0].slot = reader->outputs[0].slot;
    instructions.erase(reader);
    instructions.insert(instructions.begin() + static_cast<std::ptrdiff_t>(at), std::move(mask));
    ++at;
  }
}

}  // namespace chainrule
