#include "graph/compile.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>
#include <utility>

#include "runtime/cpu.h"

namespace chainrule {

namespace {

constexpr float kOneF = 1, kSignF = -0.0f, kZeroF = 0;
constexpr double kOne = 1, kSign = -0.0, kZero = 0;
const std::uint32_t kSizeF = 0x7fffffff;
const std::uint64_t kSize = 0x7fffffffffffffff;

enum class Constant : std::uint8_t { zero, one, sign, size };  // size: all bits but the sign

const void* constant(Constant which, bool doubles) {
  switch (which) {
    case Constant::zero:
      return doubles ? static_cast<const void*>(&kZero) : &kZeroF;
    case Constant::one:
      return doubles ? static_cast<const void*>(&kOne) : &kOneF;
    case Constant::sign:
      return doubles ? static_cast<const void*>(&kSign) : &kSignF;
    case Constant::size:
      return doubles ? static_cast<const void*>(&kSize) : &kSizeF;
  }
  return nullptr;
}

// How an op becomes instructions that give the kernel's very bits.
enum class Form : std::uint8_t {
  none,
  plain,       // one instruction of its operands
  of_one,      // of one operand
  doubled,     // of its operand twice
  from_left,   // of a constant and its operand
  from_right,  // of its operand and a constant
  one_over,    // the reciprocal of what `of_one` gives
  extreme,     // the maximum or minimum, or the first operand where that is NaN
  compare,     // gives a mask
  where,       // takes a mask
  relu,        // where(a < 0, 0, a)
  relu_grad,   // where(a > 0, b, 0)
};
struct Translation {
  Form form = Form::none;
  VectorOp op = VectorOp::add;
  Constant constant = Constant::zero;
  Comparison comparison = Comparison::equal;
};

Translation translation_of(int opcode) {
  const auto plain = [](VectorOp op, Form form = Form::plain, Constant constant = Constant::zero) {
    return Translation{form, op, constant, Comparison::equal};
  };
  const auto compare = [](Comparison comparison, Form form = Form::compare) {
    return Translation{form, VectorOp::add, Constant::zero, comparison};
  };
  switch (static_cast<ElementwiseOp>(opcode)) {
    case ElementwiseOp::add:
      return plain(VectorOp::add);
    case ElementwiseOp::subtract:
      return plain(VectorOp::subtract);
    case ElementwiseOp::multiply:
      return plain(VectorOp::multiply);
    case ElementwiseOp::divide:
      return plain(VectorOp::divide);
    case ElementwiseOp::square:
      return plain(VectorOp::multiply, Form::doubled);
    case ElementwiseOp::sqrt:
      return plain(VectorOp::sqrt, Form::of_one);
    case ElementwiseOp::rsqrt:
      return plain(VectorOp::sqrt, Form::one_over, Constant::one);
    case ElementwiseOp::reciprocal:
      return plain(VectorOp::divide, Form::from_left, Constant::one);
    case ElementwiseOp::negative:
      return plain(VectorOp::logical_xor, Form::from_right, Constant::sign);
    case ElementwiseOp::absolute:
      return plain(VectorOp::logical_and, Form::from_right, Constant::size);
    case ElementwiseOp::maximum:
      return plain(VectorOp::maximum, Form::extreme);
    case ElementwiseOp::minimum:
      return plain(VectorOp::minimum, Form::extreme);
    case ElementwiseOp::equal:
      return compare(Comparison::equal);
    case ElementwiseOp::not_equal:
      return compare(Comparison::unequal);
    case ElementwiseOp::less:
      return compare(Comparison::less);
    case ElementwiseOp::less_equal:
      return compare(Comparison::less_equal);
    case ElementwiseOp::greater:
      return compare(Comparison::greater);
    case ElementwiseOp::greater_equal:
      return compare(Comparison::greater_equal);
    case ElementwiseOp::where:
      return compare(Comparison::equal, Form::where);
    case ElementwiseOp::relu:
      return compare(Comparison::less, Form::relu);
    case ElementwiseOp::relu_grad:
      return compare(Comparison::greater, Form::relu_grad);
    default:
      return {};
  }
}
bool has_constant(Form form) {
  return form == Form::from_left || form == Form::from_right || form == Form::one_over || form == Form::relu ||
         form == Form::relu_grad;
}

bool may_compile(const GroupStep& step) {
  return step.kernel && !step.once && (step.dtype == DType::F32 || step.dtype == DType::F64) &&
         translation_of(step.opcode).form != Form::none;
}

// What a register holds: the elements of an array, or a result of a step of the run.
struct Value {
  int place, made_by;  // the step, or -1 for an array (and for a number, which has no value)
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

  // False where there are too few registers, or a mask comes from or goes to memory.
  bool write() {
    if (!look()) return false;
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
  // Registers of one kind.
  class Pool {
   public:
    explicit Pool(int count) : taken_(static_cast<std::size_t>(count), false) {}
    int take() {  // -1 if none is free
      const auto free = std::find(taken_.begin(), taken_.end(), false);
      if (free == taken_.end()) return -1;
      *free = true;
      return static_cast<int>(free - taken_.begin());
    }
    void give(int which) { taken_[static_cast<std::size_t>(which)] = false; }

   private:
    std::vector<bool> taken_;
  };

  Translation translation(std::size_t at) const { return translation_of(steps_[at].opcode); }
  bool is_mask(std::size_t at, int operand) const { return operand == 0 && translation(at).form == Form::where; }
  Value value_of(std::size_t at, int operand) const {
    const int place = steps_[at].in[operand];
    for (std::size_t i = at; i-- > first_;)
      if (steps_[i].out == place) return {place, static_cast<int>(i)};
    return {place, -1};
  }
  bool is_number(std::size_t at, int operand) const {
    return steps_[at].step[operand] == 0 && value_of(at, operand).made_by < 0 && !is_mask(at, operand);
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
  bool look() {
    for (std::size_t at = first_; at < last_; ++at) {
      for (int k = 0; k < steps_[at].arity; ++k) {
        const Value value = value_of(at, k);
        if (is_mask(at, k)) {
          if (value.made_by < 0 || translation(static_cast<std::size_t>(value.made_by)).form != Form::compare)
            return false;
        } else if (is_number(at, k)) {
          numbers_[steps_[at].in[k]] = 0;
          continue;
        } else if (value.made_by < 0) {
          arrays_[value.place] = 0;
        }
        last_use_[value] = at;
      }
      const Translation how = translation(at);
      if (is_stored(at)) {
        if (how.form == Form::compare) return false;
        arrays_[steps_[at].out] = 0;
      }
      if (has_constant(how.form)) constants_[how.constant] = 0;
    }
    return true;
  }

  bool write_body(bool masked) {
    std::map<Value, int> held;
    Pool vectors(most_), masks(assembler_.mask_registers());
    const auto pool_of = [&](std::size_t maker) -> Pool& {
      return translation(maker).form == Form::compare && assembler_.mask_registers() > 0 ? masks : vectors;
    };
    for (std::size_t at = first_; at < last_; ++at) {
      const GroupStep& step = steps_[at];
      int operand[3] = {};
      for (int k = 0; k < step.arity; ++k) {
        if (is_number(at, k)) {
          operand[k] = numbers_[step.in[k]];
          continue;
        }
        const Value value = value_of(at, k);
        auto found = held.find(value);
        if (found == held.end()) {
          const int reg = vectors.take();
          if (reg < 0) return false;
          assembler_.load(reg, arrays_[value.place], masked);
          found = held.emplace(value, reg).first;
        }
        operand[k] = found->second;
      }
      // What compute() needs beside the result is free again at once; operands stay until the result has its register.
      const Form form = translation(at).form;
      const bool needs_mask = form == Form::extreme || form == Form::relu || form == Form::relu_grad;
      Pool& mask_pool = assembler_.mask_registers() > 0 ? masks : vectors;
      const int to = pool_of(at).take(), mask = needs_mask ? mask_pool.take() : 0;
      if (to < 0 || mask < 0) return false;
      compute(at, to, mask, operand);
      if (needs_mask) mask_pool.give(mask);
      for (int k = 0; k < step.arity; ++k) {
        if (is_number(at, k)) continue;
        const Value value = value_of(at, k);
        const auto found = held.find(value);
        if (found == held.end() || last_use_[value] != at) continue;
        (value.made_by < 0 ? vectors : pool_of(static_cast<std::size_t>(value.made_by))).give(found->second);
        held.erase(found);
      }
      if (is_stored(at)) assembler_.store(arrays_[step.out], to, masked);
      const Value result{step.out, static_cast<int>(at)};
      if (last_use_.count(result)) {
        held[result] = to;
      } else {
        pool_of(at).give(to);
      }
    }
    return true;
  }

  void compute(std::size_t at, int to, int mask, const int* x) {
    const Translation how = translation(at);
    const int number = has_constant(how.form) ? constants_[how.constant] : 0;
    switch (how.form) {
      case Form::none:
        return;
      case Form::plain:
        return assembler_.compute(how.op, to, x[0], x[1]);
      case Form::of_one:
        return assembler_.compute(how.op, to, 0, x[0]);
      case Form::doubled:
        return assembler_.compute(how.op, to, x[0], x[0]);
      case Form::from_left:
        return assembler_.compute(how.op, to, number, x[0]);
      case Form::from_right:
        return assembler_.compute(how.op, to, x[0], number);
      case Form::one_over:
        assembler_.compute(how.op, to, 0, x[0]);
        return assembler_.compute(VectorOp::divide, to, number, to);
      case Form::extreme:
        assembler_.compute(how.op, to, x[0], x[1]);
        assembler_.compare(Comparison::unordered, mask, x[0], x[0]);
        return assembler_.select(to, mask, x[0], to);
      case Form::compare:
        return assembler_.compare(how.comparison, to, x[0], x[1]);
      case Form::where:
        return assembler_.select(to, x[0], x[1], x[2]);
      case Form::relu:
        assembler_.compare(how.comparison, mask, x[0], number);
        return assembler_.select(to, mask, number, x[0]);
      case Form::relu_grad:
        assembler_.compare(how.comparison, mask, x[0], number);
        return assembler_.select(to, mask, x[1], number);
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
    while (last < steps.size() && may_compile(steps[last]) && steps[last].dtype == steps[first].dtype) ++last;
    std::size_t next = first + 1;
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
