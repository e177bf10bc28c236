#include "bind/float_errors.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "bind/convert.h"
#include "bind/tensor_type.h"
#include "bind/ufunc_protocol.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/elementwise.h"
#include "ops/functions.h"

namespace chainrule {

namespace {

bool is_any(const Op& op, std::initializer_list<ElementwiseOp> opcodes) {
  for (const ElementwiseOp opcode : opcodes)
    if (op.opcode == static_cast<int>(opcode)) return true;
  return false;
}

// Whether NumPy may have something to say about the op.
bool may_err(const Op& op) {
  if (!warns_as_numpy() || recording() || Trace::current()) return false;
  if (elementwise_gives_bool(static_cast<ElementwiseOp>(op.opcode))) return false;
  if (is_any(op, {ElementwiseOp::maximum, ElementwiseOp::minimum, ElementwiseOp::fmax, ElementwiseOp::fmin}))
    return false;
  return numpy_ufunc(op) != nullptr;
}

// Whether the program itself has called, or the code that spells out a ufunc's options. Our other functions choose
// between values of which one may be infinite or NaN on purpose.
bool called_by_program() {
  PyObject* const globals = PyEval_GetGlobals();
  PyObject* const name = globals ? PyDict_GetItemString(globals, "__name__") : nullptr;
  const char* const text = name && PyUnicode_Check(name) ? PyUnicode_AsUTF8(name) : nullptr;
  if (!text) {
    PyErr_Clear();
    return true;
  }
  return std::strncmp(text, "chainrule.", 10) != 0 || std::strcmp(text, "chainrule.numpy.ufunc") == 0;
}

template <class Bits>
bool any_not_finite(const void* values, std::int64_t n, Bits exponent) {
  const auto* bits = static_cast<const Bits*>(values);
  constexpr std::int64_t kBlock = 4096;
  for (std::int64_t first = 0; first < n; first += kBlock) {
    const std::int64_t end = n < first + kBlock ? n : first + kBlock;
    Bits found = 0;  // the carry out of an exponent of ones is the sign
    for (std::int64_t i = first; i < end; ++i)
      found = static_cast<Bits>(found | ((bits[i] & exponent) + (exponent & (~exponent + 1))));
    if (found >> (8 * sizeof(Bits) - 1)) return true;
  }
  return false;
}

bool any_not_finite(const Tensor& result) {
  const Tensor flat = contiguous(result);
  switch (flat.dtype()) {
    case DType::F16:
      return any_not_finite<std::uint16_t>(flat.data(), flat.size(), 0x7C00u);
    case DType::F32:
      return any_not_finite<std::uint32_t>(flat.data(), flat.size(), 0x7F800000u);
    case DType::F64:
      return any_not_finite<std::uint64_t>(flat.data(), flat.size(), 0x7FF0000000000000u);
    default:
      return false;  // NumPy has no bfloat16
  }
}

// Whether an integer among them is 0, or -1 in a signed type.
template <class T>
bool any_suspect(const Tensor& divisor) {
  const Tensor flat = contiguous(divisor);
  const T* values = flat.data_as<T>();
  unsigned found = 0;
  for (std::int64_t i = 0, n = flat.size(); i < n; ++i)
    found |= static_cast<unsigned>(values[i] == T(0)) | static_cast<unsigned>(values[i] < T(0) && values[i] == T(-1));
  return found != 0;
}

bool any_suspect(const Tensor& divisor) {
  switch (divisor.dtype()) {
    case DType::I8:
      return any_suspect<std::int8_t>(divisor);
    case DType::I16:
      return any_suspect<std::int16_t>(divisor);
    case DType::I32:
      return any_suspect<std::int32_t>(divisor);
    case DType::I64:
      return any_suspect<std::int64_t>(divisor);
    case DType::U8:
      return any_suspect<std::uint8_t>(divisor);
    case DType::U16:
      return any_suspect<std::uint16_t>(divisor);
    case DType::U32:
      return any_suspect<std::uint32_t>(divisor);
    default:
      return any_suspect<std::uint64_t>(divisor);
  }
}

// NumPy's ufunc on the operands where `mask` says so: for its warnings, not its result.
void let_numpy_compute(const Op& op, const Tensor* inputs, int n, const Tensor& mask) {
  static PyObject* const names = Py_BuildValue("(ss)", "where", "out");  // out=None: that nobody sees the rest is meant
  Object arrays[4];
  PyObject* arguments[5];
  for (int i = 0; i <= n; ++i) {
    arrays[i] = to_numpy(i < n ? inputs[i] : mask);
    arguments[i] = arrays[i].get();
  }
  arguments[n + 1] = Py_None;
  Object::steal(PyObject_Vectorcall(numpy_ufunc(op), arguments, static_cast<std::size_t>(n), names));
}

// The same for two numbers that are known to err.
void let_numpy_compute(const Op& op, DType dtype, double a, double b) {
  const Tensor inputs[] = {Tensor::scalar(dtype, a), Tensor::scalar(dtype, b)};
  let_numpy_compute(op, inputs, 2, Tensor::scalar(DType::Bool, 1.0));
}

void judge_overwritten(const Op& op, DType dtype, unsigned flags) {
  if (dtype != DType::F32 && dtype != DType::F64) return;
  const double most =
      dtype == DType::F32 ? static_cast<double>(std::numeric_limits<float>::max()) : std::numeric_limits<double>::max();
  if (flags & kOverflowFlag) {
    if (is_any(op, {ElementwiseOp::add, ElementwiseOp::multiply})) let_numpy_compute(op, dtype, most, most);
    if (is_any(op, {ElementwiseOp::subtract})) let_numpy_compute(op, dtype, -most, most);
    if (is_any(op, {ElementwiseOp::divide})) let_numpy_compute(op, dtype, most, 0.25);
  }
  if ((flags & kDivisionFlag) && is_any(op, {ElementwiseOp::divide})) let_numpy_compute(op, dtype, 1, 0);
}

}  // namespace

void judge_float_errors(const Op& op, const Tensor* inputs, int n, const Tensor& result) {
  const unsigned flags = float_flags();
  if (flags != 0) clear_float_flags();
  if (!is_float(result.dtype()) || !may_err(op) || result.is_placeholder() || !any_not_finite(result)) return;
  if (!called_by_program()) return;
  bool overwritten = false;
  for (int i = 0; i < n; ++i) overwritten = overwritten || share_memory(inputs[i], result);
  if (overwritten) return judge_overwritten(op, result.dtype(), flags);
  const Tensor finite = apply(ElementwiseOp::isfinite, result);
  let_numpy_compute(op, inputs, n, apply(ElementwiseOp::logical_not, finite));
  clear_float_flags();
}

void judge_divisors(const Op& op, const Tensor* inputs, const Tensor& result) {
  const Tensor& divisor = inputs[1];
  if (result.is_placeholder() || divisor.is_placeholder() || result.size() == 0 || !may_err(op) ||
      share_memory(divisor, result))
    return;
  if (!any_suspect(divisor) || !called_by_program()) return;
  const DType dtype = divisor.dtype();
  Tensor suspects = apply(ElementwiseOp::equal, divisor, Tensor::scalar(dtype, std::int64_t{0}));
  // The least integer has no opposite; once it's overwritten, nobody knows.
  if (is_signed_integer(dtype) && !share_memory(inputs[0], result))
    suspects = apply(ElementwiseOp::logical_or, suspects,
                     apply(ElementwiseOp::equal, divisor, Tensor::scalar(dtype, std::int64_t{-1})));
  let_numpy_compute(op, inputs, 2, suspects);
}

}  // namespace chainrule
