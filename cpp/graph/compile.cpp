#include "graph/compile.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "runtime/cpu.h"

namespace chainrule {

namespace {

constexpr float kOneF = 1, kSignF = -0.0f;
constexpr double kOne = 1, kSign = -0.0;
const std::uint32_t kSizeF = 0x7fffffff;
const std::uint64_t kSize = 0x7fffffffffffffff;

enum class Constant : std::uint8_t { one, sign, size };  // size: all bits but the sign

const void* constant(Constant which, bool doubles) {
  switch (which) {
    case Constant::one:
      return doubles ? static_cast<const void*>(&kOne) : &kOneF;
    case Constant::sign:
      return doubles ? static_cast<const void*>(&kSign) : &kSignF;
    case Constant::size:
      return doubles ? static_cast<const void*>(&kSize) : &kSizeF;
  }
  return nullptr;
}

// Whether the op is a few instructions that give the kernel's very bits.
bool compiles(const GroupStep& step) {
  if (!step.kernel || step.once || (step.dtype != DType::F32 && step.dtype != DType::F64)) return false;
  switch (static_cast<ElementwiseOp>(step.opcode)) {
    case ElementwiseOp::add:
    case ElementwiseOp::subtract:
    case ElementwiseOp::multiply:
    case ElementwiseOp::divide:
    case ElementwiseOp::negative:
    case ElementwiseOp::absolute:
    case ElementwiseOp::square:
    case ElementwiseOp::reciprocal:
    case ElementwiseOp::sqrt:
      return true;
    default:
      return false;
  }
}

// What a register holds: the elements of an array, or a result of a step of the run.
struct Value {
  int place, made_by;  // the step, or -1 for an array
  bool operator<(const Value& other) const { return std::tie(place, made_by) < std::tie(other.place, other.made_by); }
};

// One run on its way into code.
class Run {
 public:
  Run(const std::vector<GroupStep>& steps, std::size_t first, std::size_t last, int first_output, int end_of_outputs,
      bool avx512)
      : steps_(steps),
        first_(first),
        last_(last),
        first_output_(first_output),
        end_of_outputs_(end_of_outputs),
        doubles_(steps[first].dtype == DType::F64),
        assembler_(avx512, doubles_) {}

  // False where there are too few registers.
  bool write() {
    look();
    const int numbers = static_cast<int>(numbers_.size() + constants_.size());
    if (static_cast<int>(arrays_.size()) > VectorAssembler::kMostArrays || numbers >= assembler_.registers())
      return false;
    assembler_.begin();
    int next = assembler_.registers();
    for (auto& [place, reg] : numbers_) assembler_.spread_place(reg = --next, place);
    for (auto& [which, reg] : constants_) assembler_.spread_constant(reg = --next, constant(which, doubles_));
    most_ = next;
    int array = 0;
    for (auto& [place, at] : arrays_) assembler_.open_array(at = array++, place);
    assembler_.begin_loop();
    if (!write_body(false)) return false;
    assembler_.end_loop();
    if (!write_body(true)) return false;
    assembler_.end();
    return true;
  }
  const std::vector<std::uint8_t>& code() const { return assembler_.code(); }

 private:
  Value value_of(std::size_t at, int operand) const {
    const int place = steps_[at].in[operand];
    for (std::size_t i = at; i-- > first_;)
      if (steps_[i].out == place) return {place, static_cast<int>(i)};
    return {place, -1};
  }
  bool is_number(std::size_t at, int operand) const {
    return steps_[at].step[operand] == 0 && value_of(at, operand).made_by < 0;
  }
  // Whether anybody reads the step's result in memory.
  bool is_stored(std::size_t at) const {
    const int place = steps_[at].out;
    if (place >= first_output_ && place < end_of_outputs_) return true;
    for (std::size_t i = at + 1; i < steps_.size(); ++i) {
      for (int k = 0; k < steps_[i].arity; ++k)
        if (i >= last_ && steps_[i].in[k] == place) return true;
      if (steps_[i].out == place) return false;
    }
    return false;
  }

  // What the run needs, and how long it needs it.
  void look() {
    for (std::size_t at = first_; at < last_; ++at) {
      for (int k = 0; k < steps_[at].arity; ++k) {
        if (is_number(at, k)) {
          numbers_[steps_[at].in[k]] = 0;
          continue;
        }
        const Value value = value_of(at, k);
        last_use_[value] = at;
        if (value.made_by < 0) arrays_[value.place] = 0;
      }
      if (is_stored(at)) arrays_[steps_[at].out] = 0;
      switch (static_cast<ElementwiseOp>(steps_[at].opcode)) {
        case ElementwiseOp::reciprocal:
          constants_[Constant::one] = 0;
          break;
        case ElementwiseOp::negative:
          constants_[Constant::sign] = 0;
          break;
        case ElementwiseOp::absolute:
          constants_[Constant::size] = 0;
          break;
        default:
          break;
      }
    }
  }

  bool write_body(bool masked) {
    std::map<Value, int> held;
    std::vector<bool> taken(static_cast<std::size_t>(most_), false);
    const auto take = [&]() {
      const auto free = std::find(taken.begin(), taken.end(), false);
      if (free == taken.end()) return -1;
      *free = true;
      return static_cast<int>(free - taken.begin());
    };
    for (std::size_t at = first_; at < last_; ++at) {
      const GroupStep& step = steps_[at];
      int operand[2] = {};
      for (int k = 0; k < step.arity; ++k) {
        if (is_number(at, k)) {
          operand[k] = numbers_[step.in[k]];
          continue;
        }
        const Value value = value_of(at, k);
        auto found = held.find(value);
        if (found == held.end()) {
          const int reg = take();
          if (reg < 0) return false;
          assembler_.load(reg, arrays_[value.place], masked);
          found = held.emplace(value, reg).first;
        }
        operand[k] = found->second;
      }
      for (int k = 0; k < step.arity; ++k) {
        const Value value = value_of(at, k);
        const auto found = held.find(value);
        if (found == held.end() || is_number(at, k) || last_use_[value] != at) continue;
        taken[static_cast<std::size_t>(found->second)] = false;
        held.erase(found);
      }
      const int to = take();
      if (to < 0) return false;
      compute(step, to, operand);
      if (is_stored(at)) assembler_.store(arrays_[step.out], to, masked);
      const Value result{step.out, static_cast<int>(at)};
      if (last_use_.count(result)) {
        held[result] = to;
      } else {
        taken[static_cast<std::size_t>(to)] = false;
      }
    }
    return true;
  }

  void compute(const GroupStep& step, int to, const int* x) {
    switch (static_cast<ElementwiseOp>(step.opcode)) {
      case ElementwiseOp::add:
        return assembler_.compute(VectorOp::add, to, x[0], x[1]);
      case ElementwiseOp::subtract:
        return assembler_.compute(VectorOp::subtract, to, x[0], x[1]);
      case ElementwiseOp::multiply:
        return assembler_.compute(VectorOp::multiply, to, x[0], x[1]);
      case ElementwiseOp::divide:
        return assembler_.compute(VectorOp::divide, to, x[0], x[1]);
      case ElementwiseOp::square:
        return assembler_.compute(VectorOp::multiply, to, x[0], x[0]);
      case ElementwiseOp::sqrt:
        return assembler_.compute(VectorOp::sqrt, to, 0, x[0]);
      case ElementwiseOp::reciprocal:
        return assembler_.compute(VectorOp::divide, to, constants_[Constant::one], x[0]);
      case ElementwiseOp::negative:
        return assembler_.compute(VectorOp::logical_xor, to, x[0], constants_[Constant::sign]);
      default:
        return assembler_.compute(VectorOp::logical_and, to, x[0], constants_[Constant::size]);
    }
  }

  const std::vector<GroupStep>& steps_;
  const std::size_t first_, last_;
  const int first_output_, end_of_outputs_;
  const bool doubles_;
  VectorAssembler assembler_;
  std::map<Value, std::size_t> last_use_;
  std::map<int, int> numbers_, arrays_;  // place -> register, number of the array
  std::map<Constant, int> constants_;    // -> register
  int most_ = 0;                         // registers for values
};

}  // namespace

void CompiledRun::run(char* const* place, std::int64_t count) const {
  // The highest bits of the lanes of a vector that begins so many elements before the zeros.
  alignas(32) static constexpr std::int32_t kLanes[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  const std::int64_t rest = count % lanes;
  std::uint64_t mask = 0;
  if (rest > 0) {
    mask = lanes * bytes == 64 ? (std::uint64_t{1} << rest) - 1
                               : reinterpret_cast<std::uintptr_t>(kLanes + 8 - rest * bytes / 4);
  }
  code->entry()(place, (count - rest) * bytes, mask);
}

std::vector<CompiledRun> compile_runs(const std::vector<GroupStep>& steps, int first_output, int end_of_outputs) {
  std::vector<CompiledRun> runs;
  const bool avx512 = std::strcmp(kernels().isa, "x86_64_v4") == 0;
  if (!avx512 && std::strcmp(kernels().isa, "x86_64_v3") != 0) return runs;
  for (std::size_t first = 0; first < steps.size();) {
    std::size_t last = first;
    while (last < steps.size() && compiles(steps[last]) && steps[last].dtype == steps[first].dtype) ++last;
    std::size_t next = std::max(last, first + 1);
    for (; last - first > 1; last = first + (last - first) * 3 / 4) {
      Run run(steps, first, last, first_output, end_of_outputs, avx512);
      if (!run.write()) continue;
      if (auto code = MachineCode::load(run.code())) {
        const std::int64_t bytes = steps[first].dtype == DType::F64 ? 8 : 4;
        runs.push_back({first, last, std::move(code), bytes, (avx512 ? 64 : 32) / bytes});
        next = last;
      }
      break;
    }
    first = next;
  }
  return runs;
}

}  // namespace chainrule
