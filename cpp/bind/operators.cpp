#include "bind/operators.h"

#include <cstring>
#include <string>
#include <utility>

#include "bind/call.h"
#include "bind/elementwise_call.h"
#include "bind/face_function.h"
#include "bind/float_errors.h"
#include "bind/interop.h"
#include "bind/promote.h"
#include "bind/recorded_views.h"
#include "bind/tensor_type.h"
#include "bind/ufunc_protocol.h"
#include "graph/tape.h"
#include "graph/trace.h"
#include "ops/functions.h"
#include "runtime/cpu.h"

namespace chainrule {

namespace {

template <ElementwiseOp opcode>
const Op& op_of() {
  static const Op& op = elementwise_op(opcode);
  return op;
}

const Attrs kNoAttrs;

Tensor copy_of(const Tensor& x) {
  static const Op* const op = find_op("copy");
  return run_op(*op, &x, 1, kNoAttrs);
}

// Runs an op that isn't elementwise.
PyObject* run_reporting(const Op& op, const Tensor* inputs, int n) {
  Tensor result = run_op(op, inputs, n, kNoAttrs);
  report_float_errors(op, inputs, n, kNoAttrs, result);
  return wrap_result(std::move(result));
}

PyObject* not_implemented() { return Py_NewRef(Py_NotImplemented); }

// Fills both operands; false where Python should try the other one's operator. `in_place`: the result stays a tensor,
// so of a subclass of ndarray the elements are taken.
bool read_operands(PyObject* a, PyObject* b, Operand* operands, bool in_place = false) {
  PyObject* objects[2] = {a, b};
  for (int i = 0; i < 2; ++i) {
    if (handles_operators_itself(objects[i])) return false;
    operands[i] = in_place && is_numpy_array(objects[i]) ? read_operand(objects[i]) : read_argument(objects[i]);
    if (operands[i].kind == Operand::unsupported) return false;
  }
  return true;
}

template <ElementwiseOp opcode>
PyObject* binary(PyObject* a, PyObject* b) noexcept {
  return guarded([=]() -> PyObject* {
    const Op& op = op_of<opcode>();
    PyObject* const operands[] = {a, b};
    if (PyObject* result = call_shortly(op, operands, 2)) return result;
    return binary_operator(op, a, b);
  });
}

PyObject* unary_operator(const Op& op, PyObject* a) {
  if (PyObject* result = call_shortly(op, &a, 1)) return result;
  Operand operand;
  operand.kind = Operand::strong;
  operand.tensor = handle_of(a);
  return wrap_result(call_elementwise(op, &operand, 1));
}

template <ElementwiseOp opcode>
PyObject* unary(PyObject* a) noexcept {
  return guarded([=] { return unary_operator(op_of<opcode>(), a); });
}

// ---- powers
// --------------------------------------------------------------------------------------------------------------

// x ** 2, x ** 0.5, x ** -1 and x ** 1 of floats by the ops that are exact for them, as NumPy does.
const Op* shortcut_of_power(DType base, PyObject* exponent) {
  if (!PyFloat_CheckExact(exponent) && !PyLong_CheckExact(exponent)) return nullptr;
  const double value = PyFloat_AsDouble(exponent);
  if (value == -1.0 && PyErr_Occurred()) {
    PyErr_Clear();
    return nullptr;
  }
  if (value == 2 && (is_float(base) || PyLong_CheckExact(exponent))) return &op_of<ElementwiseOp::square>();
  if (!is_float(base)) return nullptr;
  if (value == 0.5) return &op_of<ElementwiseOp::sqrt>();
  if (value == -1) return &op_of<ElementwiseOp::reciprocal>();
  return nullptr;
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) noexcept {
  if (modulus != Py_None) return not_implemented();
  return guarded([=]() -> PyObject* {
    if (is_tensor(a) && !(is_number(a) && is_bool(dtype_of(a))))  // True ** 2 is int64, an array's square int8
      if (const Op* op = shortcut_of_power(dtype_of(a), b)) return unary_operator(*op, a);
    return binary<ElementwiseOp::power>(a, b);
  });
}

PyObject* divide_with_remainder(PyObject* a, PyObject* b) noexcept {
  return guarded([=]() -> PyObject* {
    const Object quotient = Object::steal(binary<ElementwiseOp::floor_divide>(a, b));
    if (quotient.get() == Py_NotImplemented) return not_implemented();
    const Object rest = Object::steal(binary<ElementwiseOp::remainder>(a, b));
    return PyTuple_Pack(2, quotient.get(), rest.get());
  });
}

PyObject* positive(PyObject* a) noexcept {
  return guarded([=]() -> PyObject* {
    if (is_bool(handle_of(a).dtype()))
      throw DTypeError("[positive] is not supported for dtype bool; convert with astype first");
    return is_number(a) ? wrap_result(copy_of(handle_of(a))) : wrap(copy_of(handle_of(a)));
  });
}

PyObject* matrix_product(PyObject* a, PyObject* b) noexcept {
  return guarded([=]() -> PyObject* {
    static const Op* const op = find_op("matmul");
    if (is_tensor(a) && is_tensor(b) && handle_of(a).dtype() == handle_of(b).dtype())
      return run_reporting(*op, BorrowedPair(a, b).tensors(), 2);
    return binary_operator(*op, a, b);
  });
}

// ---- in place
// --------------------------------------------------------------------------------------------------------------

void move_gradient_node(const Tensor& from, const Tensor& to) {
  std::swap(from.impl()->node, to.impl()->node);
  std::swap(from.impl()->node_output, to.impl()->node_output);
}

std::string tight(const Shape& shape) {  // NumPy writes (2,3) here
  std::string text;
  for (char c : to_string(shape))
    if (c != ' ') text += c;
  return text;
}

// x OP= y of a tensor or number of x's dtype, outside of any recording; null where it isn't that.
PyObject* in_place_shortly(const Op& op, PyObject* self, PyObject* other) {
  if (op.opcode < 0 || op.opcode == static_cast<int>(ElementwiseOp::power) || Trace::current() || recording())
    return nullptr;
  const Tensor& x = handle_of(self);
  if (x.is_placeholder() || !elementwise_native(op, x.dtype())) return nullptr;
  alignas(8) unsigned char element[8];
  Tensor number;
  const bool is_scalar = read_element(other, x.dtype(), element);
  if (!is_scalar && (Py_TYPE(other) != &tensor_type || handle_of(other).dtype() != x.dtype())) return nullptr;
  require_writable(x, "output array is read-only");
  if (is_scalar) {
    number = Tensor::empty(x.dtype(), Shape());
    std::memcpy(number.data(), element, itemsize(x.dtype()));
  }
  const Tensor inputs[2] = {x, is_scalar ? number : handle_of(other)};
  if (float_flags() != 0) clear_float_flags();
  if (!run_op_into(op, inputs, 2, x)) return nullptr;
  x.bump_version();
  report_float_errors(op, inputs, 2, x);
  return Py_NewRef(self);
}

// x OP= y
PyObject* in_place(const Op& op, PyObject* self, PyObject* other) {
  PyObject* const objects[] = {self, other};
  if (is_number(self)) {
    if (PyObject* result = call_shortly(op, objects, 2)) return result;
    return binary_operator(op, self, other);
  }
  if (PyObject* result = in_place_shortly(op, self, other)) return result;
  Operand operands[2];
  if (!read_operands(self, other, operands, true)) return not_implemented();
  const Tensor& x = handle_of(self);
  if (!x.is_placeholder()) {
    require_writable(x, "output array is read-only");
    require_not_watched(x);
  }
  Tensor inputs[2];
  if (op.opcode >= 0) {
    promote_elementwise(op, operands, 2, inputs);
    if (float_flags() != 0) clear_float_flags();
    const bool power = op.opcode == static_cast<int>(ElementwiseOp::power);  // its errors need the base
    if (!recording() && !Trace::current() && !power && run_op_into(op, inputs, 2, x)) {
      x.bump_version();
      report_float_errors(op, inputs, 2, x);
      return Py_NewRef(self);
    }
  } else {
    promote_structured(op, operands, 2, inputs);
  }
  // The gradient may need the value from before the change.
  if (recording() && !x.is_placeholder() && (has_node(inputs[0]) || has_node(inputs[1])))
    for (Tensor& input : inputs)
      if (input.impl()->storage == x.impl()->storage) input = copy_of(input);
  const Tensor result = run_op(op, inputs, 2, kNoAttrs);
  if (op.opcode < 0) {
    report_float_errors(op, inputs, 2, kNoAttrs, result);
  } else if (!recording() && !Trace::current()) {
    report_float_errors(op, inputs, 2, result);
  }
  if (!can_cast_same_kind(result.dtype(), x.dtype()))
    throw DTypeError(message("Cannot cast ufunc '", op.name, "' output from dtype('", name(result.dtype()),
                             "') to dtype('", name(x.dtype()), "') with casting rule 'same_kind'"));
  if (result.shape() != x.shape())
    throw ValueError(message("non-broadcastable output operand with shape ", tight(x.shape()),
                             " doesn't match the broadcast shape ", tight(result.shape())));
  replace_values(self, result);
  if (!is_temporary(self)) spread_values(self);  // `y[1:] *= 2` assigns to y[1:] next
  return Py_NewRef(self);
}

template <ElementwiseOp opcode>
PyObject* in_place_binary(PyObject* self, PyObject* other) noexcept {
  return guarded([=] { return in_place(op_of<opcode>(), self, other); });
}

// x = op(x), outside of any recording; null where it isn't that.
PyObject* in_place_unary(const Op& op, PyObject* self) {
  const Tensor& x = handle_of(self);
  if (x.is_placeholder() || !elementwise_native(op, x.dtype()) || Trace::current() || recording()) return nullptr;
  require_writable(x, "output array is read-only");
  if (float_flags() != 0) clear_float_flags();
  if (!run_op_into(op, &x, 1, x)) return nullptr;
  x.bump_version();
  report_float_errors(op, &x, 1, x);
  return Py_NewRef(self);
}

PyObject* in_place_power(PyObject* self, PyObject* other, PyObject* modulus) noexcept {
  if (modulus != Py_None) return not_implemented();
  return guarded([=]() -> PyObject* {
    if (!is_number(self))
      if (const Op* op = shortcut_of_power(dtype_of(self), other))
        if (PyObject* result = in_place_unary(*op, self)) return result;
    return in_place(op_of<ElementwiseOp::power>(), self, other);
  });
}

PyObject* in_place_matrix_product(PyObject* self, PyObject* other) noexcept {
  return guarded([=] { return in_place(*find_op("matmul"), self, other); });
}

// ---- numbers
// ---------------------------------------------------------------------------------------------------------------

// The value of a tensor without axes.
const void* the_element(PyObject* self, const char* what) {
  const TensorObject* object = object_of(self);
  if (!object->handle) return &object->value;
  const Tensor& x = object->handle;
  require_values(x, what);
  if (x.ndim() != 0) raise(PyExc_TypeError, "only 0-dimensional arrays can be converted to Python scalars");
  return x.data();
}

PyObject* to_float_number(PyObject* self) noexcept {
  return guarded([=]() -> PyObject* {
    const void* element = the_element(self, "float");
    const DType dtype = dtype_of(self);
    Object number = element_to_python(dtype, element);
    return is_float(dtype) ? number.release() : PyNumber_Float(number.get());
  });
}

PyObject* to_integer_number(PyObject* self) noexcept {
  return guarded([=]() -> PyObject* {
    const void* element = the_element(self, "int");
    return PyNumber_Long(element_to_python(dtype_of(self), element).get());
  });
}

PyObject* to_index(PyObject* self) noexcept {
  return guarded([=]() -> PyObject* {
    if (!is_integer(dtype_of(self)) || (object_of(self)->handle && handle_of(self).ndim() != 0)) {
      // Set, not thrown: NumPy asks every tensor that indexes an ndarray, and goes on.
      PyErr_SetString(PyExc_TypeError, "only integer scalar arrays can be converted to a scalar index");
      return nullptr;
    }
    return element_to_python(dtype_of(self), the_element(self, "index")).release();
  });
}

bool is_true(DType dtype, const void* element) {
  unsigned char truth;
  kernels().move.cast[index(DType::Bool)][index(dtype)](&truth, element, 1);
  return truth != 0;
}

int truth(PyObject* self) noexcept {
  return guarded_status([=] {
    if (!object_of(self)->handle && !is_float(object_of(self)->value_type)) return object_of(self)->value != 0;
    if (!object_of(self)->handle) return is_true(dtype_of(self), &object_of(self)->value);
    const Tensor& x = handle_of(self);
    const std::int64_t size = x.size();
    if (size > 1)
      throw ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()");
    if (size == 0)
      throw ValueError(
          "The truth value of an empty array is ambiguous. Use `array.size > 0` to check that an array is not empty.");
    require_values(x, "bool");
    return is_true(x.dtype(), x.data());
  });
}

}  // namespace

namespace {

// Whether an operand that is no data of ours meets what it would meet with NumPy: not types that forbid that
// (__array_ufunc__ = None), and not where a gradient or a program would lose the tensor.
bool meets_numpy(PyObject* a, PyObject* b) {
  if (needs_ops(a) || needs_ops(b)) return false;
  for (PyObject* object : {a, b}) {
    if (is_tensor(object)) continue;
    const Object ufunc = attribute_or_none(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__array_ufunc__");
    if (ufunc && ufunc.get() == Py_None) return false;
  }
  return true;
}

// Python's operator with ndarrays and NumPy's scalars in place of tensors, so that the other operand has its say as
// beside these (a matrix multiplies by rows and columns, a Fraction stays one, torch's tensors take numbers); null (no
// error) where Python has none for the op.
PyObject* call_python_operator(const std::string& op, PyObject* a, PyObject* b) {
  static const std::pair<const char*, const char*> kNames[] = {
      {"add", "add"},         {"subtract", "sub"},    {"multiply", "mul"},
      {"divide", "truediv"},  {"power", "pow"},       {"floor_divide", "floordiv"},
      {"remainder", "mod"},   {"matmul", "matmul"},   {"bitwise_and", "and_"},
      {"bitwise_or", "or_"},  {"bitwise_xor", "xor"}, {"left_shift", "lshift"},
      {"equal", "eq"},        {"not_equal", "ne"},    {"right_shift", "rshift"},
      {"less", "lt"},         {"less_equal", "le"},   {"greater", "gt"},
      {"greater_equal", "ge"}};
  for (const auto& [ours, python] : kNames) {
    if (op != ours) continue;
    const Object left = is_tensor(a) ? with_arrays(a) : Object::borrow(a);
    const Object right = is_tensor(b) ? with_arrays(b) : Object::borrow(b);
    const Object module = Object::steal(PyImport_ImportModule("operator"));
    const Object result = Object::steal(PyObject_CallMethod(module.get(), python, "OO", left.get(), right.get()));
    return with_tensors(result.get()).release();
  }
  return nullptr;
}

// A whole number times a list, a tuple or text repeats that, as NumPy's numbers do.
bool is_count(PyObject* object) {
  if (!is_tensor(object) || !is_number(object)) return false;
  const DType dtype = dtype_of(object);
  return !is_float(dtype) && !is_bool(dtype) && !(object_of(object)->handle && handle_of(object).is_placeholder());
}
// A number that isn't whole, known by its value.
bool is_no_count(PyObject* object) {
  return is_tensor(object) && is_number(object) && is_float(dtype_of(object)) && !needs_ops(object);
}
bool repeats(PyObject* object) {
  return PyList_Check(object) || PyTuple_Check(object) || PyUnicode_Check(object) || PyBytes_Check(object);
}
PyObject* multiply_or_repeat(PyObject* a, PyObject* b) noexcept {
  if (repeats(a) && is_count(b)) return PySequence_Repeat(a, PyNumber_AsSsize_t(b, PyExc_OverflowError));
  if (repeats(b) && is_count(a)) return PySequence_Repeat(b, PyNumber_AsSsize_t(a, PyExc_OverflowError));
  if ((repeats(a) && is_no_count(b)) || (repeats(b) && is_no_count(a))) {
    PyErr_Format(PyExc_TypeError, "can't multiply sequence by non-int of type 'numpy.%s'",
                 name(dtype_of(is_tensor(a) ? a : b)));
    return nullptr;
  }
  return binary<ElementwiseOp::multiply>(a, b);
}

}  // namespace

PyObject* binary_operator(const Op& op, PyObject* a, PyObject* b) {
  Operand operands[2];
  if (!read_operands(a, b, operands)) {
    if (computes_itself(a) || computes_itself(b))
      if (PyObject* result = call_python_operator(op.name, a, b)) return result;
    if (is_foreign(a) || is_foreign(b)) {
      PyObject* const given[] = {a, b};
      return call_with_foreign(op.name, numpy_ufunc(op), given, 2);
    }
    if (meets_numpy(a, b))
      if (PyObject* result = call_python_operator(op.name, a, b)) return result;
    return not_implemented();
  }
  if (op.opcode >= 0) return wrap_result(call_elementwise(op, operands, 2));
  Tensor inputs[2];
  promote_structured(op, operands, 2, inputs);
  return run_reporting(op, inputs, 2);
}

void replace_values(PyObject* self, const Tensor& result) {
  Tensor& x = handle_of(self);
  const Tensor converted = cast_as_numpy(result, x.dtype());
  if (x.is_placeholder()) {
    x = fn::broadcast_to(converted, x.shape());
  } else if (Trace::current()) {
    static const Op* const assign = find_op("assign");
    const Tensor inputs[2] = {x, converted};
    apply_all(*assign, inputs, 2, kNoAttrs);
    x.bump_version();  // the program's backward part would read the new value, too
    if (recording() && (has_node(x) || has_node(converted))) move_gradient_node(converted, x);
  } else {
    copy_into(x, converted);
    x.bump_version();
    if (recording() && (has_node(x) || has_node(converted))) move_gradient_node(converted, x);
  }
}

bool is_writable(const Tensor& tensor) {
  if (!tensor.is_writable()) return false;
  if (tensor.size() == 0) return true;
  for (int i = 0; i < tensor.ndim(); ++i)
    if (tensor.strides()[i] == 0 && tensor.length(i) > 1) return false;  // elements share memory
  return true;
}

void require_writable(const Tensor& tensor, const char* text) {
  if (!is_writable(tensor)) throw ValueError(text);
}

bool is_temporary(PyObject* object) {
#if PY_VERSION_HEX >= 0x030E0000  // a count of 1 no longer says so: the stack borrows from variables
  return PyUnstable_Object_IsUniqueReferencedTemporary(object) != 0;
#else
  const RecordedViews* const recorded = object_of(object)->recorded;
  return Py_REFCNT(object) == 1 + (recorded ? static_cast<Py_ssize_t>(recorded->views.size()) : 0);
#endif
}

bool is_watched(const Tensor& x) {
  const GradientNode* node = x.impl()->node;
  return node && recording() && !node->op && !node->custom;
}

void require_not_watched(const Tensor& x) {
  if (is_watched(x))
    throw GradientError(message("in-place change of a watched tensor (shape ", to_string(x.shape()), ", dtype ",
                                name(x.dtype()),
                                ") while gradients are recorded; make a new tensor (x = x + y) or change it "
                                "under no_grad()"));
}

// No element equals None.
PyObject* compared_with_none(PyObject* self, bool equal) {
  return guarded([=] {
    Tensor result = Tensor::zeros(DType::Bool, handle_of(self).shape());
    if (!equal) std::memset(result.data(), 1, static_cast<std::size_t>(result.size()));
    return wrap_result(std::move(result));
  });
}

PyObject* tensor_richcompare(PyObject* a, PyObject* b, int comparison) {
  if (PyObject* truth = compare_shortly(a, b, comparison)) return truth;
  if (b == Py_None && (comparison == Py_EQ || comparison == Py_NE) && !is_number(a) && !handle_of(a).is_placeholder())
    return compared_with_none(a, comparison == Py_EQ);
  switch (comparison) {
    case Py_EQ:
      return binary<ElementwiseOp::equal>(a, b);
    case Py_NE:
      return binary<ElementwiseOp::not_equal>(a, b);
    case Py_LT:
      return binary<ElementwiseOp::less>(a, b);
    case Py_LE:
      return binary<ElementwiseOp::less_equal>(a, b);
    case Py_GT:
      return binary<ElementwiseOp::greater>(a, b);
    default:
      return binary<ElementwiseOp::greater_equal>(a, b);
  }
}

PyNumberMethods tensor_number_methods = [] {
  PyNumberMethods m = {};
  m.nb_add = binary<ElementwiseOp::add>;
  m.nb_subtract = binary<ElementwiseOp::subtract>;
  m.nb_multiply = multiply_or_repeat;
  m.nb_true_divide = binary<ElementwiseOp::divide>;
  m.nb_floor_divide = binary<ElementwiseOp::floor_divide>;
  m.nb_remainder = binary<ElementwiseOp::remainder>;
  m.nb_power = power;
  m.nb_divmod = divide_with_remainder;
  m.nb_matrix_multiply = matrix_product;
  m.nb_and = binary<ElementwiseOp::bitwise_and>;
  m.nb_or = binary<ElementwiseOp::bitwise_or>;
  m.nb_xor = binary<ElementwiseOp::bitwise_xor>;
  m.nb_lshift = binary<ElementwiseOp::left_shift>;
  m.nb_rshift = binary<ElementwiseOp::right_shift>;
  m.nb_negative = unary<ElementwiseOp::negative>;
  m.nb_positive = positive;
  m.nb_absolute = unary<ElementwiseOp::absolute>;
  m.nb_invert = unary<ElementwiseOp::invert>;
  m.nb_inplace_add = in_place_binary<ElementwiseOp::add>;
  m.nb_inplace_subtract = in_place_binary<ElementwiseOp::subtract>;
  m.nb_inplace_multiply = in_place_binary<ElementwiseOp::multiply>;
  m.nb_inplace_true_divide = in_place_binary<ElementwiseOp::divide>;
  m.nb_inplace_floor_divide = in_place_binary<ElementwiseOp::floor_divide>;
  m.nb_inplace_remainder = in_place_binary<ElementwiseOp::remainder>;
  m.nb_inplace_power = in_place_power;
  m.nb_inplace_matrix_multiply = in_place_matrix_product;
  m.nb_inplace_and = in_place_binary<ElementwiseOp::bitwise_and>;
  m.nb_inplace_or = in_place_binary<ElementwiseOp::bitwise_or>;
  m.nb_inplace_xor = in_place_binary<ElementwiseOp::bitwise_xor>;
  m.nb_inplace_lshift = in_place_binary<ElementwiseOp::left_shift>;
  m.nb_inplace_rshift = in_place_binary<ElementwiseOp::right_shift>;
  m.nb_bool = truth;
  m.nb_int = to_integer_number;
  m.nb_float = to_float_number;
  m.nb_index = to_index;
  return m;
}();

}  // namespace chainrule
