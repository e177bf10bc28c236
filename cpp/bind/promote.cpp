#include "bind/promote.h"

#include <cstring>
#include <optional>
#include <vector>

#include "bind/call.h"
#include "bind/float_errors.h"
#include "ops/elementwise.h"
#include "ops/functions.h"

namespace chainrule {

// ---- common types
// ------------------------------------------------------------------------------------------------------

namespace {

struct Kinds {
  bool strong = false, weak_integer = false, weak_real = false;
  DType dtype = DType::Bool;  // of the strong ones
};

Kinds survey(const Operand* operands, int n) {
  Kinds kinds;
  for (int i = 0; i < n; ++i) {
    if (operands[i].kind == Operand::strong) {
      const DType dtype = operands[i].tensor.dtype();
      kinds.dtype = kinds.strong ? promote(kinds.dtype, dtype) : dtype;
      kinds.strong = true;
    }
    kinds.weak_integer |= operands[i].kind == Operand::weak_integer;
    kinds.weak_real |= operands[i].kind == Operand::weak_real;
  }
  return kinds;
}

DType join_weak(const Kinds& kinds, const Operand* operands, int n) {
  if (kinds.weak_real) return is_float(kinds.dtype) ? kinds.dtype : DType::F64;
  if (!kinds.weak_integer || !is_bool(kinds.dtype)) return kinds.dtype;
  for (int i = 0; i < n; ++i)
    if (operands[i].kind == Operand::weak_integer && !kinds.strong && integer_range(operands[i].scalar, DType::I64) > 0)
      return DType::U64;
  return DType::I64;
}

[[noreturn]] void unsupported(const Op& op, DType dtype, const char* expected) {
  throw DTypeError(message("[", op.name, "] is not supported for dtype ", name(dtype), "; it needs ", expected));
}

}  // namespace

bool is_numpys_object(const Operand* operands, int n) {
  bool wide = false;
  for (int i = 0; i < n; ++i) {
    if (operands[i].kind == Operand::strong) return false;
    wide |= operands[i].kind == Operand::weak_integer && integer_range(operands[i].scalar, DType::I64) != 0;
  }
  return wide;
}

DType common_type(const Operand* operands, int n) { return join_weak(survey(operands, n), operands, n); }

Tensor to_type(const Operand& operand, DType dtype) {
  if (operand.kind == Operand::strong) return fn::cast(operand.tensor, dtype);
  if (is_bool(dtype)) return fn::cast(weak_scalar(operand.scalar, DType::F64), dtype);
  return weak_scalar(operand.scalar, dtype);
}

DType to_common_type(const Operand* operands, int n, Tensor* tensors) {
  const DType dtype = common_type(operands, n);
  for (int i = 0; i < n; ++i) tensors[i] = to_type(operands[i], dtype);
  return dtype;
}

bool can_cast_same_kind(DType from, DType to) {
  if (from == to || is_bool(from)) return true;
  if (is_bool(to)) return false;
  if (is_float(from)) return is_float(to);
  if (is_float(to)) return true;
  return is_unsigned_integer(from) || is_signed_integer(to);
}

// ---- elementwise ops
// ---------------------------------------------------------------------------------------------------

namespace {

bool is_shift(int opcode) {
  return opcode == static_cast<int>(ElementwiseOp::left_shift) ||
         opcode == static_cast<int>(ElementwiseOp::right_shift);
}

}  // namespace

bool elementwise_native(const Op& op, DType dtype) {
  if (is_bool(dtype) && is_shift(op.opcode)) return false;  // NumPy shifts truth values as int8
  return elementwise_accepts(elementwise_types(static_cast<ElementwiseOp>(op.opcode)), dtype);
}

namespace {

// The dtype that an op on floats computes in, given integers: each operand's own float, and true division float64.
DType float_type(const Op& op, const Kinds& kinds, const Operand* operands, int n) {
  if (kinds.strong && is_float(kinds.dtype)) return kinds.dtype;
  if (kinds.weak_real || !kinds.strong || op.opcode == static_cast<int>(ElementwiseOp::divide)) return DType::F64;
  if (kinds.weak_integer && is_bool(kinds.dtype)) return DType::F64;
  DType dtype = DType::F16;
  for (int i = 0; i < n; ++i)
    if (operands[i].kind == Operand::strong) dtype = promote(dtype, ufunc_float(operands[i].tensor.dtype()));
  return dtype;
}

DType elementwise_type(const Op& op, const Operand* operands, int n) {
  const Kinds kinds = survey(operands, n);
  const ElementwiseOp opcode = static_cast<ElementwiseOp>(op.opcode);
  switch (elementwise_types(opcode)) {
    case ElementwiseTypes::floats:
      return float_type(op, kinds, operands, n);
    case ElementwiseTypes::numbers: {
      const DType dtype = join_weak(kinds, operands, n);
      if (!is_bool(dtype)) return dtype;
      if (opcode == ElementwiseOp::subtract)
        throw DTypeError(
            "numpy boolean subtract, the `-` operator, is not supported, use the bitwise_xor, the `^` operator, or the "
            "logical_xor function instead.");
      if (opcode == ElementwiseOp::negative)
        throw DTypeError(
            "The numpy boolean negative, the `-` operator, is not supported, use the `~` operator or the logical_not "
            "function instead.");
      if (opcode == ElementwiseOp::sign) unsupported(op, dtype, "numbers");
      return DType::I8;
    }
    case ElementwiseTypes::integers: {
      const DType dtype = join_weak(kinds, operands, n);
      if (is_float(dtype)) unsupported(op, dtype, "integers or bool");
      return is_bool(dtype) && is_shift(op.opcode) ? DType::I8 : dtype;
    }
    case ElementwiseTypes::all:
    case ElementwiseTypes::select:
      break;
  }
  return join_weak(kinds, operands, n);
}

bool is_logical(int opcode) {
  return opcode >= static_cast<int>(ElementwiseOp::logical_and) &&
         opcode <= static_cast<int>(ElementwiseOp::logical_not);
}

// Of a Python int the truth value, which every dtype holds, in that dtype.
Tensor truth(PyObject* integer, DType dtype) {
  return fn::cast(fn::cast(weak_scalar(integer, DType::I64), DType::Bool), dtype);
}

bool is_comparison(int opcode) {
  return opcode >= static_cast<int>(ElementwiseOp::equal) && opcode <= static_cast<int>(ElementwiseOp::greater_equal);
}

// a OP b where one of them is a Python int outside the other's dtype: the same answer for every element.
std::optional<bool> constant_comparison(const Op& op, const Operand* operands) {
  const int number = operands[0].kind == Operand::weak_integer ? 0 : 1;
  const Operand& array = operands[1 - number];
  if (operands[number].kind != Operand::weak_integer || array.kind != Operand::strong) return {};
  if (is_bool(array.tensor.dtype()) || is_float(array.tensor.dtype())) return {};
  const int range = integer_range(operands[number].scalar, array.tensor.dtype());
  if (range == 0) return {};
  const bool right_is_greater = (range > 0) == (number == 1);
  switch (static_cast<ElementwiseOp>(op.opcode)) {
    case ElementwiseOp::equal:
      return false;
    case ElementwiseOp::not_equal:
      return true;
    case ElementwiseOp::less:
    case ElementwiseOp::less_equal:
      return right_is_greater;
    default:
      return !right_is_greater;
  }
}

template <class T>
bool any_negative(const Tensor& x) {
  const Tensor flat = contiguous(x);
  const T* values = flat.data_as<T>();
  for (std::int64_t i = 0, n = flat.size(); i < n; ++i)
    if (values[i] < 0) return true;
  return false;
}

void check_exponents(const Tensor& b) {
  if (b.is_placeholder()) return;
  bool negative = false;
  switch (b.dtype()) {
    case DType::I8:
      negative = any_negative<std::int8_t>(b);
      break;
    case DType::I16:
      negative = any_negative<std::int16_t>(b);
      break;
    case DType::I32:
      negative = any_negative<std::int32_t>(b);
      break;
    case DType::I64:
      negative = any_negative<std::int64_t>(b);
      break;
    default:
      break;
  }
  if (negative) throw ValueError("Integers to negative integer powers are not allowed.");
}

// A signed integer meets uint64: no integer type holds both, and float64 is not exact.
bool mixes_widest_integers(const Operand* operands) {
  if (operands[0].kind != Operand::strong || operands[1].kind != Operand::strong) return false;
  const DType a = operands[0].tensor.dtype(), b = operands[1].tensor.dtype();
  return (is_signed_integer(a) && b == DType::U64) || (is_signed_integer(b) && a == DType::U64);
}

Tensor compare_widest_integers(const Op& op, const Operand* operands) {
  const bool left_signed = is_signed_integer(operands[0].tensor.dtype());
  const Tensor a = fn::cast(operands[0].tensor, DType::U64), b = fn::cast(operands[1].tensor, DType::U64);
  const Tensor signed_side = fn::cast(operands[left_signed ? 0 : 1].tensor, DType::I64);
  const Tensor negative = apply(ElementwiseOp::less, signed_side, Tensor::scalar(DType::I64, std::int64_t{0}));
  const Tensor unsigned_answer = apply(static_cast<ElementwiseOp>(op.opcode), a, b);
  // A negative number is below every unsigned one.
  const ElementwiseOp opcode = static_cast<ElementwiseOp>(op.opcode);
  const bool answer = opcode == ElementwiseOp::not_equal ||
                      (left_signed && (opcode == ElementwiseOp::less || opcode == ElementwiseOp::less_equal)) ||
                      (!left_signed && (opcode == ElementwiseOp::greater || opcode == ElementwiseOp::greater_equal));
  return answer ? apply(ElementwiseOp::logical_or, negative, unsigned_answer)
                : apply(ElementwiseOp::logical_and, apply(ElementwiseOp::logical_not, negative), unsigned_answer);
}

}  // namespace

void promote_elementwise(const Op& op, const Operand* operands, int n, Tensor* inputs) {
  const bool select = op.opcode == static_cast<int>(ElementwiseOp::where);
  const int first = select ? 1 : 0;
  if (select) inputs[0] = to_type(operands[0], DType::Bool);
  const DType dtype = elementwise_type(op, operands + first, n - first);
  for (int i = first; i < n; ++i)
    inputs[i] = is_logical(op.opcode) && operands[i].kind == Operand::weak_integer ? truth(operands[i].scalar, dtype)
                                                                                   : to_type(operands[i], dtype);
  const bool integer_power = op.opcode == static_cast<int>(ElementwiseOp::power) && is_signed_integer(dtype);
  if (integer_power && inputs[0].size() > 0) check_exponents(inputs[1]);
}

Tensor call_elementwise(const Op& op, const Operand* operands, int n) {
  static const Attrs none;
  if (is_comparison(op.opcode)) {
    if (const std::optional<bool> answer = constant_comparison(op, operands)) {
      const Tensor& array = operands[operands[0].kind == Operand::strong ? 0 : 1].tensor;
      Tensor result = Tensor::empty(DType::Bool, array.shape());
      std::memset(result.data(), *answer, static_cast<std::size_t>(result.size()));
      return result;
    }
    if (mixes_widest_integers(operands)) return compare_widest_integers(op, operands);
  }
  Tensor inputs[3];
  promote_elementwise(op, operands, n, inputs);
  Tensor result = run_op(op, inputs, n, none);
  report_float_errors(op, inputs, n, result);
  return result;
}

// ---- other ops
// ---------------------------------------------------------------------------------------------------------

namespace {

// How the dtypes of a structured op's inputs depend on each other.
enum class Rule : unsigned char {
  separate,       // each keeps its own
  together,       // all are promoted to one
  floats,         // all are promoted to one, integers to floats
  first_decides,  // those in `mask` get the dtype of input 0
};
struct StructuredRule {
  const char* op;
  Rule rule;
  unsigned mask;
};
constexpr StructuredRule kRules[] = {
    {"matmul", Rule::together, ~0u},
    {"concatenate", Rule::together, ~0u},
    {"stack", Rule::together, ~0u},
    {"softmax", Rule::floats, 1u},
    {"log_softmax", Rule::floats, 1u},
    {"logsumexp", Rule::floats, 1u},
    {"mean", Rule::separate, 0u},
    {"sparse_softmax_cross_entropy", Rule::floats, 1u},
    {"softmax_cross_entropy", Rule::floats, 3u},
    {"dropout", Rule::floats, 1u},
    {"assign", Rule::first_decides, 2u},
    {"assign_add", Rule::first_decides, 2u},
    {"slice_update", Rule::first_decides, 2u},
    {"put_along_axis_add", Rule::first_decides, 4u},
    {"index_add", Rule::first_decides, 2u},
};

StructuredRule rule_of(const Op& op) {
  for (const StructuredRule& rule : kRules)
    if (std::strcmp(rule.op, op.name) == 0) return rule;
  return {op.name, Rule::separate, 0};
}

DType default_type(const Operand& operand) {
  if (operand.kind == Operand::strong) return operand.tensor.dtype();
  return common_type(&operand, 1);
}

}  // namespace

void promote_structured(const Op& op, const Operand* operands, int n, Tensor* inputs) {
  const StructuredRule rule = rule_of(op);
  const auto takes_part = [&](int i) { return (rule.mask >> (i < 31 ? i : 31) & 1u) != 0; };
  std::vector<Operand> chosen;
  DType dtype = DType::F32;
  if (rule.rule == Rule::together || rule.rule == Rule::floats) {
    for (int i = 0; i < n; ++i)
      if (takes_part(i)) chosen.push_back(operands[i]);
    dtype = common_type(chosen.data(), static_cast<int>(chosen.size()));
    if (rule.rule == Rule::floats) dtype = to_float(dtype);
  } else if (rule.rule == Rule::first_decides && n > 0) {
    dtype = default_type(operands[0]);
  }
  for (int i = 0; i < n; ++i) {
    if (operands[i].kind == Operand::unsupported) continue;  // an optional input that was not given
    inputs[i] = to_type(operands[i], rule.rule != Rule::separate && takes_part(i) ? dtype : default_type(operands[i]));
  }
}

}  // namespace chainrule
