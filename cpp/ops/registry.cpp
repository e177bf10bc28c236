#include <cstring>
#include <deque>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "ops/op.h"

namespace chainrule {

namespace {

struct Registry {
  std::deque<Op> ops;  // addresses stay
  std::vector<const Op*> list;
  std::unordered_map<std::string, const Op*> by_name;
  const Op* by_opcode[kElementwiseOps] = {};
};

Registry& registry() {
  static Registry instance;
  return instance;
}

}  // namespace

Task::Task(Task&& other) noexcept
    : run(other.run), op(other.op), heap_params(other.heap_params), destroy_heap(other.destroy_heap) {
  std::memcpy(inline_params, other.inline_params, kInlineBytes);
  other.heap_params = nullptr;
}

const Op* register_op(Op op) {
  Registry& r = registry();
  if (r.by_name.count(op.name)) throw std::logic_error(std::string("two ops are named ") + op.name);
  r.ops.push_back(std::move(op));
  const Op* stored = &r.ops.back();
  r.list.push_back(stored);
  r.by_name[stored->name] = stored;
  if (stored->opcode >= 0) r.by_opcode[stored->opcode] = stored;
  return stored;
}

const std::vector<const Op*>& all_ops() { return registry().list; }

const Op* find_op(const char* name) {
  const auto found = registry().by_name.find(name);
  return found == registry().by_name.end() ? nullptr : found->second;
}

const Op& elementwise_op(ElementwiseOp opcode) { return *registry().by_opcode[static_cast<int>(opcode)]; }

}  // namespace chainrule
