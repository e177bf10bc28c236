#include "bind/float_errors.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "bind/convert.h"
#include "bind/interop.h"
#include "bind/op_functions.h"
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

bool is_watching() { return warns_as_numpy() && !recording() && !Trace::current(); }

// Whether NumPy may have something to say about the op.
bool may_err(const Op& op) {
  if (!is_watching()) return false;
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

// The same for a reduction or a conversion, which this package's functions of the same meaning may have passed on.
bool asked_by_program(bool from_anywhere) {
  Object frame = Object::borrow(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  for (; frame && frame.get() != Py_None; frame = Object::steal(PyObject_GetAttrString(frame.get(), "f_back"))) {
    const Object globals = Object::steal(PyObject_GetAttrString(frame.get(), "f_globals"));
    PyObject* const name = PyDict_GetItemString(globals.get(), "__name__");
    const std::string module = name && PyUnicode_Check(name) ? utf8(name) : "";
    const bool passes = from_anywhere ? module.rfind("chainrule.numpy.", 0) == 0
                                      : module == "chainrule.numpy.reduce" || module == "chainrule.numpy.ufunc";
    if (!passes) return module.rfind("chainrule.", 0) != 0;
  }
  return true;
}

// Whether numpy.errstate wants to hear of numbers that are too small.
bool underflow_matters() {
  static PyObject* const ask = Object::steal(PyObject_GetAttrString(numpy_module(), "geterr")).release();
  const Object modes = Object::steal(PyObject_CallNoArgs(ask));
  PyObject* const mode = PyDict_GetItemString(modes.get(), "under");
  return mode && PyUnicode_CompareWithASCIIString(mode, "ignore") != 0;
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

// The same for numbers that are known to err.
void let_numpy_compute(const Op& op, DType dtype, double a) {
  const Tensor input = Tensor::scalar(dtype, a);
  let_numpy_compute(op, &input, 1, Tensor::scalar(DType::Bool, 1.0));
}
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
    if (is_any(op, {ElementwiseOp::square})) let_numpy_compute(op, dtype, most);
  }
  if (flags & kDivisionFlag) {
    if (is_any(op, {ElementwiseOp::divide})) let_numpy_compute(op, dtype, 1, 0);
    if (is_any(op, {ElementwiseOp::reciprocal})) let_numpy_compute(op, dtype, 0);
  }
  if (flags & kInvalidFlag) {
    const double infinity = std::numeric_limits<double>::infinity();
    if (is_any(op, {ElementwiseOp::add})) let_numpy_compute(op, dtype, infinity, -infinity);
    if (is_any(op, {ElementwiseOp::subtract})) let_numpy_compute(op, dtype, infinity, infinity);
    if (is_any(op, {ElementwiseOp::multiply})) let_numpy_compute(op, dtype, infinity, 0);
    if (is_any(op, {ElementwiseOp::divide})) let_numpy_compute(op, dtype, 0, 0);
    if (is_any(op, {ElementwiseOp::sqrt})) let_numpy_compute(op, dtype, -1);
  }
}

bool any_nan(const Tensor& x) {
  static const Op* const any = find_op("any");
  const Tensor found = apply(ElementwiseOp::isnan, x);
  return apply(*any, &found, 1, {Attr(), Attr::of(false)}).item_as_double() != 0;
}

void judge_underflow(const Op& op, const Tensor* inputs, int n, const Tensor& result, bool overwritten) {
  if (!underflow_matters() || !called_by_program()) return;
  const DType dtype = result.dtype();
  const double tiny = dtype == DType::F64   ? std::numeric_limits<double>::min()
                      : dtype == DType::F32 ? static_cast<double>(std::numeric_limits<float>::min())
                                            : 6.103515625e-05;
  if (!overwritten) {
    const Tensor size = apply(ElementwiseOp::absolute, result);
    let_numpy_compute(op, inputs, n, apply(ElementwiseOp::less, size, Tensor::scalar(dtype, tiny)));
  } else if (is_any(op, {ElementwiseOp::multiply})) {
    let_numpy_compute(op, dtype, tiny, tiny);
  } else if (is_any(op, {ElementwiseOp::divide})) {
    let_numpy_compute(op, dtype, tiny, 3);
  } else if (is_any(op, {ElementwiseOp::square})) {
    let_numpy_compute(op, dtype, tiny);
  }
  clear_float_flags();
}

// numpy's function on the same inputs, for its warnings.
void let_numpy_compute(const char* function, const Op& op, const Tensor* inputs, int n, const Attrs& attrs) {
  const Object arrays = Object::steal(PyTuple_New(n)), options = Object::steal(PyDict_New());
  for (int i = 0; i < n; ++i) PyTuple_SET_ITEM(arrays.get(), i, to_numpy(inputs[i]).release());
  for (std::size_t i = 0; i < attrs.size() && i < op.attrs.size(); ++i) {
    Object value = attribute_to_python(attrs[i]);
    if (attrs[i].kind == AttrKind::real && attrs[i].real == std::floor(attrs[i].real))  // ddof: as one writes it
      value = Object::steal(PyNumber_Long(value.get()));
    if (PyTuple_Check(value.get()) && PyTuple_GET_SIZE(value.get()) == 1)
      value = Object::borrow(PyTuple_GET_ITEM(value.get(), 0));
    check(PyDict_SetItemString(options.get(), op.attrs[i].name, value.get()));
  }
  const Object callable = Object::steal(PyObject_GetAttrString(numpy_module(), function));
  Object::steal(PyObject_Call(callable.get(), arrays.get(), options.get()));
  clear_float_flags();
}

void judge_cast(const Tensor& x, const Tensor& result) {
  const unsigned flags = float_flags();
  if (flags != 0) clear_float_flags();
  if (!is_watching() || x.is_placeholder() || !is_float(x.dtype())) return;
  if (x.dtype() == DType::BF16 || result.dtype() == DType::BF16 || is_bool(result.dtype())) return;
  const bool underflow = (flags & kUnderflowFlag) && underflow_matters();
  if (!underflow && (is_float(result.dtype()) ? !any_not_finite(result) : !(flags & kInvalidFlag))) return;
  if (!asked_by_program(true)) return;
  Object::steal(PyObject_CallMethod(to_numpy(x).get(), "astype", "O", dtype_to_python(result.dtype())));
  clear_float_flags();
}

}  // namespace

void judge_float_errors(const Op& op, const Tensor* inputs, int n, const Tensor& result) {
  const unsigned flags = float_flags();
  if (flags != 0) clear_float_flags();
  if (!is_float(result.dtype()) || !may_err(op) || result.is_placeholder()) return;
  bool overwritten = false;
  for (int i = 0; i < n; ++i) overwritten = overwritten || share_memory(inputs[i], result);
  if (flags & kUnderflowFlag) judge_underflow(op, inputs, n, result, overwritten);
  if ((flags == kUnderflowFlag && result.dtype() != DType::F16) || !any_not_finite(result) || !called_by_program())
    return;
  if (overwritten) {
    // The lanes beyond the end are zeros, and zero times infinity is an error that no element has made.
    const bool in_vain = n == 2 && inputs[1].size() == 1 && is_any(op, {ElementwiseOp::multiply}) &&
                         !std::isfinite(inputs[1].item_as_double());
    const bool invalid = (flags & kInvalidFlag) && !in_vain && any_nan(result);
    return judge_overwritten(op, result.dtype(), invalid ? flags : flags & ~kInvalidFlag);
  }
  const Tensor finite = apply(ElementwiseOp::isfinite, result);
  let_numpy_compute(op, inputs, n, apply(ElementwiseOp::logical_not, finite));
  clear_float_flags();
}

void judge_structured_errors(const Op& op, const Tensor* inputs, int n, const Attrs& attrs, const Tensor& result) {
  static const Op* const cast = find_op("cast");
  static const std::unordered_map<const Op*, const char*> functions = {
      {find_op("sum"), "sum"},      {find_op("prod"), "prod"},     {find_op("mean"), "mean"},
      {find_op("variance"), "var"}, {find_op("cumsum"), "cumsum"}, {find_op("cumprod"), "cumprod"},
      {find_op("matmul"), "matmul"}};
  if (&op == cast) return judge_cast(inputs[0], result);
  const unsigned flags = float_flags();
  if (flags != 0) clear_float_flags();
  const auto found = functions.find(&op);
  if (found == functions.end() || !is_watching() || result.is_placeholder() || !is_float(result.dtype())) return;
  if (result.dtype() == DType::BF16) return;
  if (!any_not_finite(result) && !((flags & kUnderflowFlag) && underflow_matters())) return;
  if (asked_by_program(false)) let_numpy_compute(found->second, op, inputs, n, attrs);
}

Tensor cast_as_numpy(const Tensor& x, DType dtype) {
  Tensor result = fn::cast(x, dtype);
  if (is_float(x.dtype()) && (float_flags() != 0 || dtype == DType::F16)) judge_cast(x, result);
  return result;
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
