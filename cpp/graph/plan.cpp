#include <algorithm>

#include "graph/program.h"

namespace chainrule {

namespace {

constexpr std::int64_t kAlign = 64;

struct Range {
  std::int64_t offset, bytes;
};

// The smallest gap that fits, else the end.
std::int64_t place(std::vector<Range>& used, std::int64_t bytes) {
  std::sort(used.begin(), used.end(), [](const Range& a, const Range& b) { return a.offset < b.offset; });
  std::int64_t best = -1, best_gap = 0, end = 0;
  for (const Range& range : used) {
    const std::int64_t gap = range.offset - end;
    if (gap >= bytes && (best < 0 || gap < best_gap)) {
      best = end;
      best_gap = gap;
    }
    end = std::max(end, range.offset + range.bytes);
  }
  if (best < 0) best = end;
  used.push_back({best, bytes});
  return best;
}

}  // namespace

std::int64_t plan_memory(const std::vector<Unit>& units, const std::vector<Slot>& slots,
                         const std::vector<int>& output_slots, std::vector<std::int64_t>& offsets) {
  const int n_units = static_cast<int>(units.size());
  std::vector<int> first(slots.size(), -1), last(slots.size(), -1);
  for (int u = 0; u < n_units; ++u) {
    const auto touch = [&](const SlotView& operand) {
      if (operand.slot < 0) return;
      const auto slot = static_cast<std::size_t>(operand.slot);
      if (first[slot] < 0) first[slot] = u;
      last[slot] = u;
    };
    for (const SlotView& operand : units[u].instruction.inputs) touch(operand);
    for (const SlotView& operand : units[u].instruction.outputs) touch(operand);
  }
  offsets.assign(slots.size(), -1);
  std::vector<bool> is_output(slots.size(), false);
  for (int slot : output_slots) is_output[static_cast<std::size_t>(slot)] = true;
  std::vector<std::vector<std::size_t>> begins(units.size()), ends(units.size());
  for (std::size_t s = 0; s < slots.size(); ++s) {
    if (slots[s].kind != Slot::temporary || is_output[s] || first[s] < 0) continue;
    begins[static_cast<std::size_t>(first[s])].push_back(s);
    ends[static_cast<std::size_t>(last[s])].push_back(s);
  }
  std::vector<Range> used;
  std::int64_t total = 0;
  for (std::size_t u = 0; u < units.size(); ++u) {
    for (std::size_t s : begins[u]) {
      const std::int64_t bytes = std::max(kAlign, (slots[s].bytes + kAlign - 1) / kAlign * kAlign);
      offsets[s] = place(used, bytes);
      total = std::max(total, offsets[s] + bytes);
    }
    for (std::size_t s : ends[u])
      used.erase(std::find_if(used.begin(), used.end(), [&](const Range& r) { return r.offset == offsets[s]; }));
  }
  return total;
}

}  // namespace chainrule
