#include "bind/elementwise_call.h"

#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/float_errors.h"
#include "bind/promote.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/elementwise.h"
#include "runtime/cpu.h"

namespace chainrule {

namespace {

const Attrs kNoAttrs;

void set(Scalar& scalar, DType dtype, std::uint64_t bits) {
  scalar.kind = Scalar::strong;
  scalar.dtype = dtype;
  scalar.bits = bits;
}

template <class T>
T value_of(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);  // little end first
  return value;
}

template <class T>
std::uint64_t bits_of(T value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

bool fits(std::int64_t value, DType dtype) {
  const int bits = static_cast<int>(itemsize(dtype)) * 8;
  if (is_unsigned_integer(dtype)) return value >= 0 && (bits == 64 || value >> bits == 0);
  return bits == 64 || (value >= -(std::int64_t{1} << (bits - 1)) && value < std::int64_t{1} << (bits - 1));
}

// The scalar as an element of `dtype`; false where NumPy has a rule of its own for that.
bool convert(const Scalar& scalar, DType dtype, std::uint64_t& bits) {
  if (scalar.kind == Scalar::weak_integer) {
    if (is_bool(dtype)) return false;
    const auto value = value_of<std::int64_t>(scalar.bits);
    if (!is_float(dtype)) {
      bits = scalar.bits;  // two's complement: the low bytes are the element
      return fits(value, dtype);
    }
    const double real = static_cast<double>(value);
    bits = 0;
    kernels().move.cast[index(dtype)][index(DType::F64)](&bits, &real, 1);
    return true;
  }
  bits = scalar.bits;
  if (scalar.dtype != dtype) {
    bits = 0;
    kernels().move.cast[index(dtype)][index(scalar.dtype)](&bits, &scalar.bits, 1);
  }
  return true;
}

// The dtype in which two scalars meet; false for the seldom cases.
bool meet(const Op& op, const Scalar& a, const Scalar& b, DType& dtype) {
  const bool weak_a = a.kind != Scalar::strong, weak_b = b.kind != Scalar::strong;
  if (weak_a && weak_b) return false;
  if (weak_a || weak_b) {
    const Scalar &weak = weak_a ? a : b, &strong = weak_a ? b : a;
    dtype = strong.dtype;
    if (weak.kind == Scalar::weak_real && !is_float(dtype)) dtype = DType::F64;
    if (weak.kind == Scalar::weak_integer && is_bool(dtype)) dtype = DType::I64;
  } else {
    dtype = promote(a.dtype, b.dtype);
    // Signed with uint64 is compared exactly, elsewhere.
    if (a.dtype != b.dtype && is_float(dtype) && !is_float(a.dtype) && !is_float(b.dtype)) return false;
  }
  if (op.opcode == static_cast<int>(ElementwiseOp::divide) && !is_float(dtype)) dtype = DType::F64;
  return true;
}

bool looks_at_exponents(const Op& op, DType dtype) {
  return op.opcode == static_cast<int>(ElementwiseOp::power) && !is_float(dtype);
}

bool gives_bool(const Op& op) { return elementwise_gives_bool(static_cast<ElementwiseOp>(op.opcode)); }

// What programs do to single numbers most, without the way through a kernel; false for other ops.
template <class T>
bool compute(int opcode, T a, T b, std::uint64_t& bits) {
  using Word = std::conditional_t<std::is_integral_v<T>, std::uint64_t, T>;  // wraps around
  switch (static_cast<ElementwiseOp>(opcode)) {
    case ElementwiseOp::add:
      bits = bits_of(static_cast<T>(static_cast<Word>(a) + static_cast<Word>(b)));
      return true;
    case ElementwiseOp::subtract:
      bits = bits_of(static_cast<T>(static_cast<Word>(a) - static_cast<Word>(b)));
      return true;
    case ElementwiseOp::multiply:
      bits = bits_of(static_cast<T>(static_cast<Word>(a) * static_cast<Word>(b)));
      return true;
    case ElementwiseOp::equal:
      bits = a == b;
      return true;
    case ElementwiseOp::not_equal:
      bits = a != b;
      return true;
    case ElementwiseOp::less:
      bits = a < b;
      return true;
    case ElementwiseOp::less_equal:
      bits = a <= b;
      return true;
    case ElementwiseOp::greater:
      bits = a > b;
      return true;
    case ElementwiseOp::greater_equal:
      bits = a >= b;
      return true;
    default:
      break;
  }
  if constexpr (std::is_integral_v<T>) {
    switch (static_cast<ElementwiseOp>(opcode)) {
      case ElementwiseOp::bitwise_and:
        bits = bits_of(static_cast<T>(a & b));
        return true;
      case ElementwiseOp::bitwise_or:
        bits = bits_of(static_cast<T>(a | b));
        return true;
      case ElementwiseOp::bitwise_xor:
        bits = bits_of(static_cast<T>(a ^ b));
        return true;
      default:
        break;
    }
    if (b < T(0) || b >= T(8 * sizeof(T))) {  // shifted out, or a divisor that needs no care
      if (!(b > T(0))) return false;
    } else if (opcode == static_cast<int>(ElementwiseOp::right_shift)) {
      bits = bits_of(static_cast<T>(a >> b));
      return true;
    } else if (opcode == static_cast<int>(ElementwiseOp::left_shift)) {
      bits = bits_of(static_cast<T>(static_cast<std::uint64_t>(a) << b));
      return true;
    }
    if (b == T(0)) return false;
    if (opcode == static_cast<int>(ElementwiseOp::remainder)) {
      const T rest = static_cast<T>(a % b);
      bits = bits_of(static_cast<T>(rest < T(0) ? rest + b : rest));
      return true;
    }
    if (opcode == static_cast<int>(ElementwiseOp::floor_divide)) {
      bits = bits_of(static_cast<T>(a / b - T(a % b < T(0))));
      return true;
    }
  } else if (opcode == static_cast<int>(ElementwiseOp::divide)) {
    bits = bits_of(static_cast<T>(a / b));
    return true;
  }
  return false;
}

bool compute(int opcode, DType dtype, std::uint64_t a, std::uint64_t b, std::uint64_t& bits) {
  switch (dtype) {
    case DType::F64:
      return compute(opcode, value_of<double>(a), value_of<double>(b), bits);
    case DType::I64:
      return compute(opcode, value_of<std::int64_t>(a), value_of<std::int64_t>(b), bits);
    case DType::I32:
      return compute(opcode, value_of<std::int32_t>(a), value_of<std::int32_t>(b), bits);
    case DType::I16:
      return compute(opcode, value_of<std::int16_t>(a), value_of<std::int16_t>(b), bits);
    case DType::U8:
      return compute(opcode, value_of<std::uint8_t>(a), value_of<std::uint8_t>(b), bits);
    case DType::U16:
      return compute(opcode, value_of<std::uint16_t>(a), value_of<std::uint16_t>(b), bits);
    case DType::U32:
      return compute(opcode, value_of<std::uint32_t>(a), value_of<std::uint32_t>(b), bits);
    case DType::U64:
      return compute(opcode, value_of<std::uint64_t>(a), value_of<std::uint64_t>(b), bits);
    default:
      return false;
  }
}

// What numbers' arithmetic has raised; their tensors are made for a suspicion only.
void report_errors_of_numbers(const Op& op, DType dtype, const std::uint64_t* elements, int n, std::uint64_t value) {
  bool suspect = divides_integers(op, dtype);
  if (suspect) {  // by 0 or -1
    const std::uint64_t ones = ~std::uint64_t{0} >> (64 - 8 * itemsize(dtype)), divisor = elements[n - 1] & ones;
    suspect = divisor == 0 || divisor == ones;
  }
  if (float_flags() == 0 && dtype != DType::F16 && !suspect) return;
  const auto number = [](DType type, std::uint64_t bits) {
    Tensor tensor = Tensor::empty(type, Shape());
    std::memcpy(tensor.data(), &bits, itemsize(type));
    return tensor;
  };
  const Tensor inputs[2] = {number(dtype, elements[0]), number(dtype, elements[n - 1])};
  report_float_errors(op, inputs, n, number(gives_bool(op) ? DType::Bool : dtype, value));
}

// Runs an op and reports its errors.
PyObject* run(const Op& op, const Tensor* inputs, int n) {
  Tensor result = run_op(op, inputs, n, kNoAttrs);
  report_float_errors(op, inputs, n, result);
  return wrap_result(std::move(result));
}

PyObject* of_numbers(const Op& op, const Scalar& a, const Scalar& b) {
  DType dtype;
  if (!meet(op, a, b, dtype)) return nullptr;
  std::uint64_t elements[2], result = 0;
  if (!convert(a, dtype, elements[0]) || !convert(b, dtype, elements[1])) return nullptr;
  if (!compute(op.opcode, dtype, elements[0], elements[1], result)) {
    if (!elementwise_native(op, dtype) || looks_at_exponents(op, dtype)) return nullptr;
    const void* operands[] = {&elements[0], &elements[1]};
    const std::int64_t steps[] = {0, 0};
    kernels().elementwise[op.opcode][index(dtype)](&result, operands, steps, 1);
  }
  report_errors_of_numbers(op, dtype, elements, 2, result);
  return gives_bool(op) ? wrap_truth(result != 0) : wrap_number(dtype, result);
}

PyObject* of_number(const Op& op, const Scalar& a) {
  if (a.dtype == DType::F64 && op.opcode == static_cast<int>(ElementwiseOp::negative))
    return wrap_number(DType::F64, a.bits ^ std::uint64_t{1} << 63);
  if (!elementwise_native(op, a.dtype)) return nullptr;
  std::uint64_t result = 0;
  const void* operands[] = {&a.bits};
  const std::int64_t steps[] = {0};
  kernels().elementwise[op.opcode][index(a.dtype)](&result, operands, steps, 1);
  report_errors_of_numbers(op, a.dtype, &a.bits, 1, result);
  return wrap_number(gives_bool(op) ? DType::Bool : a.dtype, result);
}

// Whether a tensor of the dtype keeps it when it meets the scalar.
bool keeps(const Scalar& scalar, DType dtype) {
  if (scalar.kind == Scalar::strong) return scalar.dtype == dtype;
  return scalar.kind == Scalar::weak_integer || (scalar.kind == Scalar::weak_real && is_float(dtype));
}

// A tensor with axes and a scalar that doesn't change its dtype.
PyObject* of_tensor_and_number(const Op& op, const Tensor& x, const Scalar& scalar, bool scalar_first) {
  const DType dtype = x.dtype();
  if (!elementwise_native(op, dtype) || looks_at_exponents(op, dtype)) return nullptr;
  std::uint64_t element;
  if (!keeps(scalar, dtype) || !convert(scalar, dtype, element)) return nullptr;
  const auto pair = [&] {
    Tensor number = Tensor::empty(dtype, Shape());
    std::memcpy(number.data(), &element, itemsize(dtype));
    return std::array<Tensor, 2>{scalar_first ? number : x, scalar_first ? x : number};
  };
  const bool plain = !x.is_placeholder() && !Trace::current() && !recording();
  const std::int64_t size = x.size();
  if (plain && size > 0 && size <= kElementwiseChunk && x.is_contiguous()) {
    Tensor result = Tensor::empty(gives_bool(op) ? DType::Bool : dtype, x.shape());
    const void* operands[] = {x.data(), &element};
    std::int64_t steps[] = {1, 0};
    if (scalar_first) {
      std::swap(operands[0], operands[1]);
      std::swap(steps[0], steps[1]);
    }
    kernels().elementwise[op.opcode][index(dtype)](result.data(), operands, steps, size);
    if (float_flags() != 0 || dtype == DType::F16 || divides_integers(op, dtype)) {
      const auto inputs = pair();
      report_float_errors(op, inputs.data(), 2, result);
    }
    return wrap(std::move(result));
  }
  return run(op, pair().data(), 2);
}

}  // namespace

Scalar read_scalar(PyObject* object) {
  Scalar scalar;
  if (Py_TYPE(object) == &tensor_type) {
    const TensorObject* tensor = object_of(object);
    if (!tensor->handle) {
      set(scalar, tensor->value_type, tensor->value);
    } else if (tensor->handle.ndim() == 0 && !tensor->handle.is_placeholder() && !Trace::current() && !recording()) {
      set(scalar, tensor->handle.dtype(), element_bits(tensor->handle.dtype(), tensor->handle.data()));
    }
  } else if (PyFloat_CheckExact(object)) {
    scalar.kind = Scalar::weak_real;
    scalar.dtype = DType::F64;
    scalar.bits = bits_of(PyFloat_AS_DOUBLE(object));
  } else if (PyLong_CheckExact(object)) {
    int overflow;
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow) return scalar;
    scalar.kind = Scalar::weak_integer;
    scalar.dtype = DType::I64;
    scalar.bits = static_cast<std::uint64_t>(value);
  } else if (const void* value = numpy_scalar_value(object, scalar.dtype)) {
    set(scalar, scalar.dtype, element_bits(scalar.dtype, value));
  }
  return scalar;
}

bool read_element(PyObject* object, DType dtype, void* element) {
  const Scalar scalar = read_scalar(object);
  std::uint64_t bits;
  if (!keeps(scalar, dtype) || !convert(scalar, dtype, bits)) return false;
  std::memcpy(element, &bits, sizeof bits);
  return true;
}

namespace {

template <class T>
bool compare(T a, T b, int comparison) {
  switch (comparison) {
    case Py_EQ:
      return a == b;
    case Py_NE:
      return a != b;
    case Py_LT:
      return a < b;
    case Py_LE:
      return a <= b;
    case Py_GT:
      return a > b;
    default:
      return a >= b;
  }
}

// A number whose value stands in the object.
bool is_value(PyObject* object, DType dtype) {
  return Py_TYPE(object) == &tensor_type && !object_of(object)->handle && object_of(object)->value_type == dtype;
}

// A number of type T, or one of Python's that keeps its value in it.
template <class T>
bool read_number(PyObject* object, DType dtype, T& value) {
  if (is_value(object, dtype)) {
    value = value_of<T>(object_of(object)->value);
    return true;
  }
  if (PyFloat_CheckExact(object)) {
    if constexpr (!std::is_same_v<T, double>) return false;
    value = static_cast<T>(PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (!PyLong_CheckExact(object)) return false;
  int overflow;
  const long long integer = PyLong_AsLongLongAndOverflow(object, &overflow);
  constexpr long long kMost = 1ll << 30;  // every type here holds it
  if (overflow || integer > kMost || integer < -kMost) return false;
  value = static_cast<T>(integer);
  return true;
}

template <class T>
PyObject* compare_as(PyObject* a, PyObject* b, DType dtype, int comparison) {
  T other;
  if (!read_number(b, dtype, other)) return nullptr;
  return wrap_truth(compare(value_of<T>(object_of(a)->value), other, comparison));
}

// Python's 2 or 2.0: a square has the bits of that power.
bool is_two(PyObject* object) {
  if (PyFloat_CheckExact(object)) return PyFloat_AS_DOUBLE(object) == 2;
  if (!PyLong_CheckExact(object)) return false;
  int overflow;
  return PyLong_AsLongLongAndOverflow(object, &overflow) == 2;
}

// The bits of a number whose value stands in the object, or of one of Python's that takes its dtype.
bool read_bits(PyObject* object, DType dtype, std::uint64_t& bits) {
  if (is_value(object, dtype)) {
    bits = object_of(object)->value;
    return true;
  }
  if (dtype == DType::F64 && PyFloat_CheckExact(object)) {
    bits = bits_of(PyFloat_AS_DOUBLE(object));
    return true;
  }
  if (!PyLong_CheckExact(object)) return false;
  int overflow;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow) return false;
  if (dtype == DType::F64) {
    bits = bits_of(static_cast<double>(value));
    return true;
  }
  bits = static_cast<std::uint64_t>(value);  // two's complement: the low bytes are the element
  return fits(value, dtype);
}

// Arithmetic of a number with another of its dtype or one of Python's; null for other ops and objects.
PyObject* of_values(const Op& op, PyObject* a, PyObject* b) {
  PyObject* const typed = Py_TYPE(a) == &tensor_type ? a : b;
  if (object_of(typed)->handle) return nullptr;
  const DType dtype = object_of(typed)->value_type;
  if (is_bool(dtype) || (is_float(dtype) && dtype != DType::F64)) return nullptr;
  if (!is_float(dtype) && op.opcode == static_cast<int>(ElementwiseOp::divide)) return nullptr;
  std::uint64_t elements[2], result;
  if (!read_bits(a, dtype, elements[0]) || !read_bits(b, dtype, elements[1])) return nullptr;
  if (!compute(op.opcode, dtype, elements[0], elements[1], result)) return nullptr;
  report_errors_of_numbers(op, dtype, elements, 2, result);
  return gives_bool(op) ? wrap_truth(result != 0) : wrap_number(dtype, result);
}

}  // namespace

PyObject* compare_shortly(PyObject* a, PyObject* b, int comparison) {
  if (Py_TYPE(a) != &tensor_type || object_of(a)->handle) return nullptr;
  switch (object_of(a)->value_type) {
    case DType::F64:
      return compare_as<double>(a, b, DType::F64, comparison);
    case DType::I64:
      return compare_as<std::int64_t>(a, b, DType::I64, comparison);
    case DType::I32:
      return compare_as<std::int32_t>(a, b, DType::I32, comparison);
    default:
      return nullptr;
  }
}

PyObject* call_shortly(const Op& op, PyObject* const* arguments, Py_ssize_t count) {
  if (op.opcode < 0 || count > 2 || count != static_cast<Py_ssize_t>(op.tensors.size())) return nullptr;
  if (count == 1) {
    if (PyFloat_CheckExact(arguments[0]) && !Trace::current() && !recording()) {
      Scalar number = read_scalar(arguments[0]);
      number.kind = Scalar::strong;
      return of_number(op, number);
    }
    if (Py_TYPE(arguments[0]) != &tensor_type) return nullptr;
    const Scalar a = read_scalar(arguments[0]);
    if (a.kind == Scalar::strong) return of_number(op, a);
    const Tensor& x = handle_of(arguments[0]);
    return elementwise_native(op, x.dtype()) ? run(op, &x, 1) : nullptr;
  }
  const bool tensors[2] = {Py_TYPE(arguments[0]) == &tensor_type, Py_TYPE(arguments[1]) == &tensor_type};
  if (!tensors[0] && !tensors[1]) {
    if (!PyFloat_CheckExact(arguments[0]) || !PyFloat_CheckExact(arguments[1]) || Trace::current() || recording())
      return nullptr;
    Scalar numbers[2] = {read_scalar(arguments[0]), read_scalar(arguments[1])};
    for (Scalar& number : numbers) number.kind = Scalar::strong;
    return of_numbers(op, numbers[0], numbers[1]);
  }
  if (PyObject* result = of_values(op, arguments[0], arguments[1])) return result;
  if (op.opcode == static_cast<int>(ElementwiseOp::power) && tensors[0] && !is_number(arguments[0]) &&
      is_float(dtype_of(arguments[0])) && is_two(arguments[1])) {
    static const Op& square = elementwise_op(ElementwiseOp::square);
    return call_shortly(square, arguments, 1);
  }
  const Scalar a = read_scalar(arguments[0]), b = read_scalar(arguments[1]);
  if (a.kind != Scalar::none && b.kind != Scalar::none) return of_numbers(op, a, b);
  if (b.kind != Scalar::none && tensors[0]) return of_tensor_and_number(op, handle_of(arguments[0]), b, false);
  if (a.kind != Scalar::none && tensors[1]) return of_tensor_and_number(op, handle_of(arguments[1]), a, true);
  if (!tensors[0] || !tensors[1]) return nullptr;
  const DType dtype = handle_of(arguments[0]).dtype();
  if (handle_of(arguments[1]).dtype() != dtype || !elementwise_native(op, dtype) || looks_at_exponents(op, dtype))
    return nullptr;
  return run(op, BorrowedPair(arguments[0], arguments[1]).tensors(), 2);
}

}  // namespace chainrule
