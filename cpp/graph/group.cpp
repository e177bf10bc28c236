// Running a group (see Unit in program.h): chunks of elements in parallel, and within a chunk one block after another
// through all members, so that what a member hands to the next stays in the first-level cache. What a tail reduces
// stays in the second-level cache: a chunk is a piece of the reduction.
// Invariant: the kernels are those of the eager calls. An element's or a row's result doesn't depend on its block, so
// neither blocks nor chunks change a bit.
#include <algorithm>
#include <map>

#include "graph/compile.h"
#include "graph/program.h"
#include "ops/elementwise.h"
#include "ops/support.h"
#include "ops/walk.h"
#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/iterate.h"

namespace chainrule {

namespace {

constexpr std::size_t kMaxPlaces = kMaxGroupInputs + 4 * kMaxGroupMembers;
constexpr std::int64_t kLine = 64;
// Bytes of a block: enough that calling a kernel costs little beside running it, few enough for the cache.
constexpr std::int64_t kLeastBlock = 2048, kGreatestBlock = 8192;
// Groups of fewer steps do little but wait for memory, and the processor's own prefetching serves them best.
constexpr std::size_t kStepsToPrefetch = 6;

// A reduction of all elements of what a member writes to place `from`.
struct Tail {
  PieceReduction reduction;
  int from;
  std::int64_t out_bytes;
};

// Places are indices of a table of addresses: inputs, then outputs, then pieces (what tails reduce, of the chunk), then
// registers (blocks of scratch), then cells (a row's single values).
struct GroupTask {
  std::vector<GroupStep> steps;
  std::vector<CompiledRun> compiled;            // of the steps
  std::int64_t size = 0, block = 0, chunk = 0;  // in elements; of a group with rows the block is a row
  std::int64_t register_bytes = 0;
  int n_inputs = 0, n_outputs = 0, n_pieces = 0, n_registers = 0, n_cells = 0;
  std::vector<std::int64_t> dims;                  // collapsed, outermost first
  std::vector<std::vector<std::int64_t>> strides;  // [axis][input, then output], in elements
  std::vector<std::int64_t> bytes;                 // of an element: inputs, then outputs, then pieces
  std::vector<bool> by_row;                        // per output: one value a row
  std::vector<int> gathered;  // per input and output: the register of its blocks that are strided or streamed, or -1
  bool past_caches = false;   // outputs that have a register are streamed
  std::vector<Walk> walks;    // of the inputs and outputs, where runs are short: then dims is the size alone
  std::vector<int> streams;   // places that are worth fetching ahead
  std::vector<Tail> tails;    // their results stand behind the outputs

  int first_piece() const { return n_inputs + n_outputs; }
  int first_register() const { return first_piece() + n_pieces; }
  int first_cell() const { return first_register() + n_registers; }
};

// Fetches the block after this one, a few lines before each step, so that the memory works while the steps compute.
class Prefetcher {
 public:
  Prefetcher(const GroupTask& t, char* const* place, std::int64_t count) : t_(t), place_(place), count_(count) {
    std::int64_t lines = 0;
    for (const int at : t.streams) lines += lines_of(at);
    const auto steps = static_cast<std::int64_t>(t.steps.size());
    share_ = (lines + steps - 1) / steps;
  }
  void fetch_some() {
    for (std::int64_t left = share_; left > 0 && stream_ < t_.streams.size();) {
      const int at = t_.streams[stream_];
      const std::int64_t end = std::min(lines_of(at), line_ + left);
      const char* next = place_[at] + count_ * t_.bytes[static_cast<std::size_t>(at)];
      left -= end - line_;
      for (; line_ < end; ++line_) __builtin_prefetch(next + line_ * kLine);
      if (line_ < lines_of(at)) return;
      line_ = 0;
      ++stream_;
    }
  }

 private:
  std::int64_t lines_of(int at) const { return count_ * t_.bytes[static_cast<std::size_t>(at)] / kLine; }

  const GroupTask& t_;
  char* const* place_;
  std::int64_t count_, share_ = 0, line_ = 0;
  std::size_t stream_ = 0;
};

void run_step(const GroupStep& step, char* const* place, std::int64_t block) {
  const std::int64_t count = step.once ? 1 : block;
  char* out = place[step.out];
  if (step.kernel) {
    const void* operands[3];
    for (int i = 0; i < step.arity; ++i) operands[i] = place[step.in[i]];
    step.kernel(out, operands, step.step, count);
  } else if (step.reduction) {
    step.reduction(out, place[step.in[0]], block);
  } else if (step.step[0] == 1) {
    step.cast(out, place[step.in[0]], count);
  } else {
    step.cast(out, place[step.in[0]], 1);
    kernels().move.copy[log2_itemsize(step.out_bytes)](out, 1, out, 0, count);
  }
}

// Elements [first, last), whole rows where the group has any. `pieces`: where the elements of each piece begin.
void run_chunk(const GroupTask& t, void* const* ptr, std::int64_t first, std::int64_t last, char* const* pieces) {
  constexpr std::int64_t kCell = 8;
  const std::int64_t begin = first;
  char* place[kMaxPlaces];
  char* scratch = static_cast<char*>(
      thread_scratch(1, static_cast<std::size_t>(t.n_registers * t.register_bytes + t.n_cells * kCell)));
  for (int r = 0; r < t.n_registers; ++r) place[t.first_register() + r] = scratch + r * t.register_bytes;
  for (int c = 0; c < t.n_cells; ++c)
    place[t.first_cell() + c] = scratch + t.n_registers * t.register_bytes + c * kCell;

  const std::size_t inner = t.dims.size() - 1;
  std::int64_t counter[kMaxDims], rest = first;
  for (std::size_t d = inner + 1; d-- > 0;) {
    counter[d] = rest % t.dims[d];
    rest /= t.dims[d];
  }
  while (first < last) {
    const std::int64_t count = std::min({t.block, last - first, t.dims[inner] - counter[inner]});
    for (int k = 0; k < t.n_inputs; ++k) {
      const auto at = static_cast<std::size_t>(k);
      std::int64_t offset = 0;
      for (std::size_t d = 0; d <= inner; ++d) offset += counter[d] * t.strides[d][at];
      place[k] = static_cast<char*>(ptr[k]) + offset * t.bytes[at];
      if (t.gathered[at] < 0) continue;
      char* block = place[t.first_register() + t.gathered[at]];
      if (!t.walks.empty()) {
        gather(t.walks[at], static_cast<std::size_t>(t.bytes[at]), block, ptr[k], first, count);
        place[k] = block;
        continue;
      }
      kernels().move.copy[log2_itemsize(t.bytes[at])](block, 1, place[k], t.strides[inner][at], count);
      place[k] = block;
    }
    for (int k = 0; k < t.n_outputs; ++k) {
      const auto at = static_cast<std::size_t>(t.n_inputs + k);
      if (t.gathered[at] >= 0) {
        place[at] = place[t.first_register() + t.gathered[at]];
        continue;
      }
      std::int64_t element = first;
      if (t.by_row[static_cast<std::size_t>(k)]) {
        element /= t.block;
      } else if (inner > 0) {
        element = 0;
        for (std::size_t d = 0; d <= inner; ++d) element += counter[d] * t.strides[d][at];
      }
      place[at] = static_cast<char*>(ptr[at]) + element * t.bytes[at];
    }
    for (int k = 0; k < t.n_pieces; ++k) {
      const auto at = static_cast<std::size_t>(t.first_piece() + k);
      place[at] = pieces[k] + (first - begin) * t.bytes[at];
    }
    Prefetcher prefetcher(t, place, count);
    auto compiled = t.compiled.begin();
    for (std::size_t at = 0; at < t.steps.size(); ++at) {
      prefetcher.fetch_some();
      if (compiled == t.compiled.end() || compiled->first != at) {
        run_step(t.steps[at], place, count);
        continue;
      }
      compiled->run(place, count);
      at = compiled->last - 1;
      ++compiled;
    }
    for (int k = t.n_inputs; k < t.first_piece(); ++k) {
      const auto at = static_cast<std::size_t>(k);
      if (t.gathered[at] < 0) continue;
      if (t.past_caches) {
        kernels().move.stream(static_cast<char*>(ptr[at]) + first * t.bytes[at], place[at], count * t.bytes[at]);
      } else {
        scatter(t.walks[at], static_cast<std::size_t>(t.bytes[at]), ptr[at], place[at], first, count);
      }
    }
    first += count;
    counter[inner] += count;
    for (std::size_t d = inner; d > 0 && counter[d] == t.dims[d]; --d) {
      counter[d] = 0;
      ++counter[d - 1];
    }
  }
  if (t.past_caches) kernels().move.stream_end();
}

void run_group(const Task& task, void* const* ptr) {
  const GroupTask& t = task.get<GroupTask>();
  parallel_for((t.size + t.chunk - 1) / t.chunk, [&](std::int64_t chunk) {
    run_chunk(t, ptr, chunk * t.chunk, std::min(t.size, (chunk + 1) * t.chunk), nullptr);
  });
}

constexpr std::int64_t kWidest = 8;  // bytes of an element

void run_group_with_tails(const Task& task, void* const* ptr) {
  const GroupTask& t = task.get<GroupTask>();
  const std::int64_t chunks = (t.size + t.chunk - 1) / t.chunk;
  char* const parts =
      static_cast<char*>(thread_scratch(0, t.tails.size() * static_cast<std::size_t>(chunks * kWidest)));
  const auto part_of = [&](std::size_t tail, std::int64_t chunk) {
    return parts + static_cast<std::int64_t>(tail) * chunks * kWidest + chunk * t.tails[tail].out_bytes;
  };
  parallel_for(chunks, [&](std::int64_t chunk) {
    const std::int64_t first = chunk * t.chunk, last = std::min(t.size, first + t.chunk);
    char* const block = static_cast<char*>(thread_scratch(2, static_cast<std::size_t>(t.n_pieces * t.chunk * kWidest)));
    char* pieces[kMaxGroupMembers];
    for (int k = 0; k < t.n_pieces; ++k) pieces[k] = block + k * t.chunk * kWidest;
    run_chunk(t, ptr, first, last, pieces);
    for (std::size_t i = 0; i < t.tails.size(); ++i)
      t.tails[i].reduction.piece(part_of(i, chunk), pieces[t.tails[i].from - t.first_piece()], last - first);
  });
  for (std::size_t i = 0; i < t.tails.size(); ++i)
    t.tails[i].reduction.join(ptr[static_cast<std::size_t>(t.first_piece()) + i], part_of(i, 0), chunks);
}

void run_nothing(const Task&, void* const*) {}

// ---- lowering ------------------------------------------------------------------------------------------------------

// The outputs but for the tails' results.
std::vector<SlotView> outputs_of(const Unit& unit) {
  const std::vector<SlotView>& all = unit.instruction.outputs;
  return {all.begin(), all.end() - static_cast<std::ptrdiff_t>(unit.tails.size())};
}

// Inputs, then outputs: those of one value a row are found without strides.
std::vector<SlotView> operands_of(const Unit& unit) {
  std::vector<SlotView> operands = unit.instruction.inputs;
  const std::vector<SlotView> outputs = outputs_of(unit);
  operands.insert(operands.end(), outputs.begin(), outputs.end());
  return operands;
}

// The loop: axes merged where every operand allows it. Rows stay apart.
void make_loop(GroupTask& t, const Unit& unit) {
  const Shape& shape = unit.shape;
  std::vector<Strides> full;
  for (const SlotView& operand : operands_of(unit)) {
    Strides strides;
    const int lead = shape.ndim - operand.shape.ndim;
    const bool per_row = full.size() >= unit.instruction.inputs.size() && !(operand.shape == shape);
    strides.ndim = shape.ndim;
    for (int d = 0; d < shape.ndim; ++d)
      strides[d] = per_row || d < lead || operand.shape[d - lead] == 1 ? 0 : operand.strides[d - lead];
    full.push_back(strides);
  }
  for (int d = 0; d < shape.ndim; ++d) {
    if (shape[d] == 1) continue;
    bool merge = !t.dims.empty() && !(unit.has_rows && d + 1 == shape.ndim);
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
}

// Where inner runs are short, blocks take no notice of them: what isn't contiguous is gathered block by block.
void join_short_runs(GroupTask& t, const Unit& unit) {
  constexpr std::int64_t kShortRun = 16;
  if (unit.has_rows || t.dims.size() < 2 || t.dims.back() >= kShortRun) return;
  t.dims = {t.size};
  std::vector<std::int64_t> steps;
  for (const SlotView& operand : operands_of(unit)) {
    const Walk walk = make_walk(unit.shape, broadcast_strides(operand.shape, operand.strides, unit.shape));
    // A step that is neither 0 nor 1 has the operand gathered, or scattered.
    steps.push_back(walk.single() ? 0 : walk.contiguous() ? 1 : 2);
    t.walks.push_back(walk);
  }
  t.strides = {steps};
}

// Turns members into steps. Results that leave the group are written, and read again, where they belong; the others
// live in registers or cells, free again after their last reader.
class StepMaker {
 public:
  StepMaker(GroupTask& t, const Unit& unit) : t_(t), unit_(unit) {
    for (std::size_t m = 0; m < unit.members.size(); ++m)
      for (const SlotView& operand : unit.members[m].inputs) last_reader_[operand.slot] = m;
  }
  void run() {
    for (const Instruction& tail : unit_.tails)
      if (piece_of_.try_emplace(tail.inputs[0].slot, t_.first_piece() + t_.n_pieces).second) {
        ++t_.n_pieces;
        t_.bytes.push_back(static_cast<std::int64_t>(itemsize(tail.inputs[0].dtype)));
      }
    for (std::size_t m = 0; m < unit_.members.size(); ++m) add(m);
    for (const Instruction& tail : unit_.tails) {
      const SlotView &x = tail.inputs[0], &y = tail.outputs[0];
      t_.tails.push_back({piece_reduction(*tail.op, tail.attrs, x.dtype, y.dtype, x.shape), piece_of_.at(x.slot),
                          static_cast<std::int64_t>(itemsize(y.dtype))});
    }
    // Registers and cells get their places when it is known how many there are.
    for (GroupStep& step : t_.steps) {
      for (int i = 0; i < step.arity; ++i) step.in[i] = settle(step.in[i]);
      step.out = settle(step.out);
    }
  }
  std::int64_t widest() const { return widest_; }

 private:
  static constexpr int kRegister = 1 << 20, kCell = 2 << 20;  // added to a number: not a place yet

  int settle(int at) const {
    return at >= kCell ? t_.first_cell() + at - kCell : at >= kRegister ? t_.first_register() + at - kRegister : at;
  }

  void add(std::size_t m) {
    const Instruction& member = unit_.members[m];
    const SlotView& result = member.outputs[0];
    const bool by_row = !(result.shape == unit_.shape);
    GroupStep step;
    step.arity = static_cast<int>(member.inputs.size());
    step.out_bytes = static_cast<std::int64_t>(itemsize(result.dtype));
    widest_ = std::max(widest_, step.out_bytes);
    std::vector<int> freed;
    for (int i = 0; i < step.arity; ++i) {
      const SlotView& operand = member.inputs[static_cast<std::size_t>(i)];
      const auto bytes = static_cast<std::int64_t>(itemsize(operand.dtype));
      widest_ = std::max(widest_, bytes);
      const auto inner = place_of_.find(operand.slot);
      if (inner == place_of_.end()) {
        const auto& inputs = unit_.instruction.inputs;
        for (std::size_t k = 0; k < inputs.size(); ++k)
          if (same_operand(inputs[k], operand)) step.in[i] = static_cast<int>(k);
        step.step[i] = t_.strides.back()[static_cast<std::size_t>(step.in[i])] == 0 ? 0 : 1;
        continue;
      }
      step.in[i] = inner->second;
      step.step[i] = inner->second < kCell && operand.shape == unit_.shape ? 1 : 0;
      const auto last = last_reader_.find(operand.slot);
      const bool is_register = inner->second >= kRegister && inner->second < kCell;
      if (is_register && last != last_reader_.end() && last->second == m) {
        // An elementwise kernel may write over its input where both have elements of one size.
        const bool reusable = bytes == step.out_bytes && is_elementwise(member) && !by_row;
        (reusable ? free_registers_ : freed).push_back(inner->second);
        last_reader_.erase(last);
      }
    }
    step.once = by_row && is_elementwise(member);
    const auto piece = piece_of_.find(result.slot);
    step.out = piece == piece_of_.end() ? -1 : piece->second;
    for (std::size_t k = 0; k < static_cast<std::size_t>(t_.n_outputs); ++k) {
      const int slot = unit_.results.empty() ? unit_.instruction.outputs[k].slot : unit_.results[k];
      if (slot == result.slot) step.out = t_.n_inputs + static_cast<int>(k);
    }
    if (step.out < 0) step.out = by_row ? kCell + t_.n_cells++ : take_register();
    place_of_[result.slot] = step.out;
    free_registers_.insert(free_registers_.end(), freed.begin(), freed.end());
    if (member.op->opcode >= 0) {
      step.dtype = member.inputs.back().dtype;
      step.opcode = member.op->opcode;
      step.kernel = kernels().elementwise[step.opcode][index(step.dtype)];
    } else if (is_elementwise(member)) {
      step.cast = kernels().move.cast[index(result.dtype)][index(member.inputs[0].dtype)];
    } else {
      step.reduction = row_reduction(*member.op, member.attrs, result.dtype, t_.size / t_.dims.back(), t_.dims.back());
    }
    t_.steps.push_back(step);
  }

  int take_register() {
    if (free_registers_.empty()) return kRegister + t_.n_registers++;
    const int at = free_registers_.back();
    free_registers_.pop_back();
    return at;
  }

  GroupTask& t_;
  const Unit& unit_;
  std::map<int, int> place_of_, piece_of_;
  std::map<int, std::size_t> last_reader_;
  std::vector<int> free_registers_;
  std::int64_t widest_ = 1;
};

}  // namespace

void lower_group(const Unit& unit, Task& task) {
  if (element_count(unit.shape) == 0) {
    task.run = run_nothing;
    return;
  }
  GroupTask& t = task.params<GroupTask>();
  const std::vector<SlotView>& inputs = unit.instruction.inputs;
  const std::vector<SlotView> outputs = outputs_of(unit);
  t.size = element_count(unit.shape);
  t.n_inputs = static_cast<int>(inputs.size());
  t.n_outputs = static_cast<int>(outputs.size());
  make_loop(t, unit);
  join_short_runs(t, unit);
  std::int64_t traffic = 0;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const std::int64_t step = t.strides.back()[k];
    t.bytes.push_back(static_cast<std::int64_t>(itemsize(inputs[k].dtype)));
    t.gathered.push_back(step == 0 || step == 1 ? -1 : t.n_registers++);
    if (step == 1) t.streams.push_back(static_cast<int>(k));
    if (step != 0) traffic += t.size * t.bytes.back();
  }
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    t.bytes.push_back(static_cast<std::int64_t>(itemsize(outputs[k].dtype)));
    t.by_row.push_back(!(outputs[k].shape == unit.shape));
    t.gathered.push_back(!t.walks.empty() && !t.walks[inputs.size() + k].contiguous() ? t.n_registers++ : -1);
    if (!t.by_row.back()) traffic += t.size * t.bytes.back();
  }
  t.past_caches = t.walks.empty() && worth_streaming(traffic);
  for (std::size_t k = 0; k < outputs.size(); ++k) {
    if (t.by_row[k]) continue;
    const bool rewrites =
        std::any_of(inputs.begin(), inputs.end(), [&](const SlotView& input) { return input.slot == outputs[k].slot; });
    if (t.past_caches && !rewrites && is_whole(outputs[k])) {
      t.gathered[inputs.size() + k] = t.n_registers++;
    } else {
      t.streams.push_back(t.n_inputs + static_cast<int>(k));
    }
  }
  StepMaker maker(t, unit);
  maker.run();
  t.compiled = compile_runs(t.steps, t.n_inputs, t.first_register());
  const std::int64_t live = t.n_registers + static_cast<std::int64_t>(t.streams.size());
  if (traffic < cache_sizes().l2 || t.steps.size() < kStepsToPrefetch) t.streams.clear();

  if (unit.has_rows) {
    t.block = t.dims.back();
  } else {
    std::int64_t bytes = kGreatestBlock;
    while (bytes > kLeastBlock && bytes * (live + 1) > cache_sizes().l1d) bytes /= 2;
    t.block = bytes / maker.widest();
  }
  t.register_bytes = (t.block * maker.widest() + kLine - 1) / kLine * kLine;
  // A chunk holds whole blocks, fewer of them the more there is to do for each.
  const std::int64_t weight = std::max<std::int64_t>(1, static_cast<std::int64_t>(t.steps.size()) / 4);
  t.chunk = std::max(t.block, kElementwiseChunk / weight / t.block * t.block);
  if (!t.tails.empty()) t.chunk = t.tails[0].reduction.length;
  task.run = t.tails.empty() ? run_group : run_group_with_tails;
}

}  // namespace chainrule
