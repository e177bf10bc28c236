#include "bind/elementwise_call.h"

#include <cstring>

#include "bind/call.h"
#include "bind/convert.h"
#include "bind/promote.h"
#include "bind/tensor_type.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/elementwise.h"
#include "runtime/cpu.h"

namespace chainrule {

namespace {

const Attrs kNoAttrs;

void set(Scalar& scalar, DType dtype, const void* element) {
  scalar.kind = Scalar::strong;
  scalar.dtype = dtype;
  std::memcpy(scalar.value, element, itemsize(dtype));
}

template <class T>
T value_of(const Scalar& scalar) {
  T value;
  std::memcpy(&value, scalar.value, sizeof value);
  return value;
}

bool fits(std::int64_t value, DType dtype) {
  const int bits = static_cast<int>(itemsize(dtype)) * 8;
  if (is_unsigned_integer(dtype)) return value >= 0 && (bits == 64 || value >> bits == 0);
  return bits == 64 || (value >= -(std::int64_t{1} << (bits - 1)) && value < std::int64_t{1} << (bits - 1));
}

// The scalar as an element of `dtype`; false where NumPy has a rule of its own for that.
bool convert(const Scalar& scalar, DType dtype, void* element) {
  if (scalar.kind == Scalar::weak_integer) {
    if (is_bool(dtype)) return false;
    const auto value = value_of<std::int64_t>(scalar);
    if (!is_float(dtype)) {
      if (!fits(value, dtype)) return false;
      std::memcpy(element, &value, itemsize(dtype));  // two's complement, little end first
      return true;
    }
    const double real = static_cast<double>(value);
    kernels().move.cast[index(dtype)][index(DType::F64)](element, &real, 1);
    return true;
  }
  if (scalar.dtype == dtype) {
    std::memcpy(element, scalar.value, itemsize(dtype));
  } else {
    kernels().move.cast[index(dtype)][index(scalar.dtype)](element, scalar.value, 1);
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

PyObject* of_numbers(const Op& op, const Scalar& a, const Scalar& b) {
  DType dtype;
  if (!meet(op, a, b, dtype) || !elementwise_native(op, dtype) || looks_at_exponents(op, dtype)) return nullptr;
  alignas(8) unsigned char elements[2][8], result[8];
  if (!convert(a, dtype, elements[0]) || !convert(b, dtype, elements[1])) return nullptr;
  const void* operands[] = {elements[0], elements[1]};
  const std::int64_t steps[] = {0, 0};
  kernels().elementwise[op.opcode][index(dtype)](result, operands, steps, 1);
  return wrap_number(elementwise_gives_bool(static_cast<ElementwiseOp>(op.opcode)) ? DType::Bool : dtype, result);
}

PyObject* of_number(const Op& op, const Scalar& a) {
  if (!elementwise_native(op, a.dtype)) return nullptr;
  alignas(8) unsigned char result[8];
  const void* operands[] = {a.value};
  const std::int64_t steps[] = {0};
  kernels().elementwise[op.opcode][index(a.dtype)](result, operands, steps, 1);
  return wrap_number(elementwise_gives_bool(static_cast<ElementwiseOp>(op.opcode)) ? DType::Bool : a.dtype, result);
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
  alignas(8) unsigned char element[8];
  if (!keeps(scalar, dtype) || !convert(scalar, dtype, element)) return nullptr;
  const bool plain = !x.is_placeholder() && !Trace::current() && !recording();
  const std::int64_t size = x.size();
  if (plain && size > 0 && size <= kElementwiseChunk && x.is_contiguous()) {
    const bool gives_bool = elementwise_gives_bool(static_cast<ElementwiseOp>(op.opcode));
    Tensor result = Tensor::empty(gives_bool ? DType::Bool : dtype, x.shape());
    const void* operands[] = {x.data(), element};
    std::int64_t steps[] = {1, 0};
    if (scalar_first) {
      std::swap(operands[0], operands[1]);
      std::swap(steps[0], steps[1]);
    }
    kernels().elementwise[op.opcode][index(dtype)](result.data(), operands, steps, size);
    return wrap(std::move(result));
  }
  Tensor number = Tensor::empty(dtype, Shape());
  std::memcpy(number.data(), element, itemsize(dtype));
  const Tensor inputs[] = {scalar_first ? number : x, scalar_first ? x : number};
  return wrap_result(run_op(op, inputs, 2, kNoAttrs));
}

}  // namespace

Scalar read_scalar(PyObject* object) {
  Scalar scalar;
  if (Py_TYPE(object) == &tensor_type) {
    const TensorObject* tensor = object_of(object);
    if (!tensor->handle) {
      set(scalar, tensor->value_type, tensor->value);
    } else if (tensor->handle.ndim() == 0 && !tensor->handle.is_placeholder() && !Trace::current() && !recording()) {
      set(scalar, tensor->handle.dtype(), tensor->handle.data());
    }
  } else if (PyFloat_CheckExact(object)) {
    const double value = PyFloat_AS_DOUBLE(object);
    scalar.kind = Scalar::weak_real;
    scalar.dtype = DType::F64;
    std::memcpy(scalar.value, &value, sizeof value);
  } else if (PyLong_CheckExact(object)) {
    int overflow;
    const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (overflow) return scalar;
    scalar.kind = Scalar::weak_integer;
    scalar.dtype = DType::I64;
    std::memcpy(scalar.value, &value, sizeof value);
  } else if (const void* value = numpy_scalar_value(object, scalar.dtype)) {
    set(scalar, scalar.dtype, value);
  }
  return scalar;
}

bool read_element(PyObject* object, DType dtype, void* element) {
  const Scalar scalar = read_scalar(object);
  return keeps(scalar, dtype) && convert(scalar, dtype, element);
}

PyObject* call_shortly(const Op& op, PyObject* const* arguments, Py_ssize_t count) {
  if (op.opcode < 0 || count > 2 || count != static_cast<Py_ssize_t>(op.tensors.size())) return nullptr;
  if (count == 1) {
    if (Py_TYPE(arguments[0]) != &tensor_type) return nullptr;
    const Scalar a = read_scalar(arguments[0]);
    if (a.kind == Scalar::strong) return of_number(op, a);
    const Tensor& x = handle_of(arguments[0]);
    return elementwise_native(op, x.dtype()) ? wrap_result(run_op(op, &x, 1, kNoAttrs)) : nullptr;
  }
  const bool tensors[2] = {Py_TYPE(arguments[0]) == &tensor_type, Py_TYPE(arguments[1]) == &tensor_type};
  if (!tensors[0] && !tensors[1]) return nullptr;
  const Scalar a = read_scalar(arguments[0]), b = read_scalar(arguments[1]);
  if (a.kind != Scalar::none && b.kind != Scalar::none) return of_numbers(op, a, b);
  if (b.kind != Scalar::none && tensors[0]) return of_tensor_and_number(op, handle_of(arguments[0]), b, false);
  if (a.kind != Scalar::none && tensors[1]) return of_tensor_and_number(op, handle_of(arguments[1]), a, true);
  if (!tensors[0] || !tensors[1]) return nullptr;
  const DType dtype = handle_of(arguments[0]).dtype();
  if (handle_of(arguments[1]).dtype() != dtype || !elementwise_native(op, dtype) || looks_at_exponents(op, dtype))
    return nullptr;
  return wrap_result(run_op(op, BorrowedPair(arguments[0], arguments[1]).tensors(), 2, kNoAttrs));
}

}  // namespace chainrule
