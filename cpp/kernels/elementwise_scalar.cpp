// Elementwise kernels on integers and truth values, those whose result is a truth value, and `where`: plain loops over
// Scalar<T> that the compiler turns into vector code.
#include "kernels/parts.h"
#include "simd/scalar.h"

// In place, out[i] only meets in[i]: the loop may be vectorised although the pointers may be equal.

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Boolean;
using simd::Scalar;

// An input of step 0 is spread over a block that stays in cache, so that one loop serves every mix of steps.
constexpr int64_t kSpread = 512;

template <class T>
const T* spread(T (&block)[kSpread], const void* x, int64_t n) {
  const T value = *static_cast<const T*>(x);
  for (int64_t i = 0; i < (n < kSpread ? n : kSpread); ++i) block[i] = value;
  return block;
}

template <class Op, class T, class R>
void unary(void* out, const void* const* in, const int64_t* step, int64_t n) {
  const T* a = static_cast<const T*>(in[0]);
  R* y = static_cast<R*>(out);
  if (step[0] == 0) {
    const R value = Op::apply(a[0], a[0]);
    for (int64_t i = 0; i < n; ++i) y[i] = value;
    return;
  }
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) y[i] = Op::apply(a[i], a[i]);
}

template <class Op, class T, class R>
void binary(void* out, const void* const* in, const int64_t* step, int64_t n) {
  T a_block[kSpread], b_block[kSpread];
  const bool walks = step[0] != 0 && step[1] != 0;
  const T* a = step[0] ? static_cast<const T*>(in[0]) : spread(a_block, in[0], n);
  const T* b = step[1] ? static_cast<const T*>(in[1]) : spread(b_block, in[1], n);
  R* y = static_cast<R*>(out);
  while (n > 0) {
    const int64_t count = walks || n < kSpread ? n : kSpread;
    CR_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) y[i] = Op::apply(a[i], b[i]);
    y += count;
    a += step[0] * count;
    b += step[1] * count;
    n -= count;
  }
}

// Only the size of the elements matters to a choice between them. It is made with masks: written as `c ? a : b` the
// loop stays scalar, since the truth values are narrower than what they choose.
template <class T>
void select(void* out, const void* const* in, const int64_t* step, int64_t n) {
  uint8_t c_block[kSpread];
  T a_block[kSpread], b_block[kSpread];
  const bool walks = step[0] != 0 && step[1] != 0 && step[2] != 0;
  const uint8_t* c = step[0] ? static_cast<const uint8_t*>(in[0]) : spread(c_block, in[0], n);
  const T* a = step[1] ? static_cast<const T*>(in[1]) : spread(a_block, in[1], n);
  const T* b = step[2] ? static_cast<const T*>(in[2]) : spread(b_block, in[2], n);
  T* y = static_cast<T*>(out);
  while (n > 0) {
    const int64_t count = walks || n < kSpread ? n : kSpread;
    CR_INDEPENDENT
    for (int64_t i = 0; i < count; ++i) {
      const T mask = static_cast<T>(T(0) - static_cast<T>(simd::truth(c[i])));
      y[i] = static_cast<T>((a[i] & mask) | (b[i] & static_cast<T>(~mask)));
    }
    y += count;
    c += step[0] * count;
    a += step[1] * count;
    b += step[2] * count;
    n -= count;
  }
}

// Quotient and remainder of integers by one of them, in double precision: the product with the reciprocal is one off at
// most, which the remainder, exact for numbers below 2^51, tells. Other numbers are divided one by one.
template <class T, bool wants_rest>
CR_INLINE void divide_block(T* out, const T* x, T divisor, int64_t n) {
  const double d = static_cast<double>(divisor), reciprocal = 1 / d;
  CR_INDEPENDENT
  for (int64_t i = 0; i < n; ++i) {
    const double a = static_cast<double>(x[i]);
    double q = __builtin_floor(a * reciprocal), rest = a - q * d;
    const bool below = d > 0 ? rest < 0 : rest > 0;
    q = below ? q - 1 : q;
    rest = below ? rest + d : rest;
    const bool above = d > 0 ? rest >= d : rest <= d;
    q = above ? q + 1 : q;
    rest = above ? rest - d : rest;
    out[i] = static_cast<T>(wants_rest ? rest : q);
  }
}

template <class Op, class T, bool wants_rest>
void by_number(void* out_, const void* const* in, const int64_t* step, int64_t n) {
  constexpr int64_t kBlock = 256;
  constexpr int64_t kMost = int64_t{1} << 51;
  const T divisor = *static_cast<const T*>(in[1]);
  const auto wide = static_cast<int64_t>(divisor);  // what is too great for it is below 0
  const bool serves = (wide > 1 && wide < kMost) || (Scalar<T>::kSigned && wide < -1 && wide > -kMost);
  if (step[1] != 0 || step[0] == 0 || !serves || n < 8) return binary<Op, Scalar<T>, Scalar<T>>(out_, in, step, n);
  T* out = static_cast<T*>(out_);
  const T* x = static_cast<const T*>(in[0]);
  for (; n > 0; n -= kBlock, x += kBlock, out += kBlock) {
    const int64_t count = n < kBlock ? n : kBlock;
    bool fits = true;
    if constexpr (sizeof(T) == 8) {
      uint64_t high = 0;
      for (int64_t i = 0; i < count; ++i)
        high |= static_cast<uint64_t>(x[i]) + (Scalar<T>::kSigned ? static_cast<uint64_t>(kMost) : 0);
      fits = high >> 52 == 0;
    }
    if (fits) {
      divide_block<T, wants_rest>(out, x, divisor, count);
    } else {
      const void* const operands[] = {x, &divisor};
      binary<Op, Scalar<T>, Scalar<T>>(out, operands, step, count);
    }
  }
}

template <class Op, bool wants_rest>
void fill_division(ElementwiseFn* row) {
  row[index(DType::I8)] = &by_number<Op, int8_t, wants_rest>;
  row[index(DType::I16)] = &by_number<Op, int16_t, wants_rest>;
  row[index(DType::I32)] = &by_number<Op, int32_t, wants_rest>;
  row[index(DType::I64)] = &by_number<Op, int64_t, wants_rest>;
  row[index(DType::U8)] = &by_number<Op, uint8_t, wants_rest>;
  row[index(DType::U16)] = &by_number<Op, uint16_t, wants_rest>;
  row[index(DType::U32)] = &by_number<Op, uint32_t, wants_rest>;
  row[index(DType::U64)] = &by_number<Op, uint64_t, wants_rest>;
}

template <class Op, class T, class R, int arity>
constexpr ElementwiseFn kernel() {
  if constexpr (arity == 1) {
    return &unary<Op, T, R>;
  } else {
    return &binary<Op, T, R>;
  }
}

template <class Op, int arity>
void fill_integers(ElementwiseFn* row) {
  row[index(DType::I8)] = kernel<Op, Scalar<int8_t>, Scalar<int8_t>, arity>();
  row[index(DType::I16)] = kernel<Op, Scalar<int16_t>, Scalar<int16_t>, arity>();
  row[index(DType::I32)] = kernel<Op, Scalar<int32_t>, Scalar<int32_t>, arity>();
  row[index(DType::I64)] = kernel<Op, Scalar<int64_t>, Scalar<int64_t>, arity>();
  row[index(DType::U8)] = kernel<Op, Scalar<uint8_t>, Scalar<uint8_t>, arity>();
  row[index(DType::U16)] = kernel<Op, Scalar<uint16_t>, Scalar<uint16_t>, arity>();
  row[index(DType::U32)] = kernel<Op, Scalar<uint32_t>, Scalar<uint32_t>, arity>();
  row[index(DType::U64)] = kernel<Op, Scalar<uint64_t>, Scalar<uint64_t>, arity>();
}
template <class Op, int arity>
void fill_truth_value(ElementwiseFn* row) {
  row[index(DType::Bool)] = kernel<Op, Boolean, Boolean, arity>();
}
template <class Op, int arity>
void fill_float_predicates(ElementwiseFn* row) {
  row[index(DType::F32)] = kernel<Op, Scalar<float>, Boolean, arity>();
  row[index(DType::F64)] = kernel<Op, Scalar<double>, Boolean, arity>();
}
template <class Op, int arity>
void fill_predicates(ElementwiseFn* row) {
  fill_truth_value<Op, arity>(row);
  fill_float_predicates<Op, arity>(row);
  row[index(DType::I8)] = kernel<Op, Scalar<int8_t>, Boolean, arity>();
  row[index(DType::I16)] = kernel<Op, Scalar<int16_t>, Boolean, arity>();
  row[index(DType::I32)] = kernel<Op, Scalar<int32_t>, Boolean, arity>();
  row[index(DType::I64)] = kernel<Op, Scalar<int64_t>, Boolean, arity>();
  row[index(DType::U8)] = kernel<Op, Scalar<uint8_t>, Boolean, arity>();
  row[index(DType::U16)] = kernel<Op, Scalar<uint16_t>, Boolean, arity>();
  row[index(DType::U32)] = kernel<Op, Scalar<uint32_t>, Boolean, arity>();
  row[index(DType::U64)] = kernel<Op, Scalar<uint64_t>, Boolean, arity>();
}
void fill_select(ElementwiseFn* row) {
  for (int t = 0; t < kDTypes; ++t) {
    switch (itemsize(static_cast<DType>(t))) {
      case 1:
        row[t] = &select<uint8_t>;
        break;
      case 2:
        row[t] = &select<uint16_t>;
        break;
      case 4:
        row[t] = &select<uint32_t>;
        break;
      default:
        row[t] = &select<uint64_t>;
        break;
    }
  }
}

// ---- the lines of elementwise.def: expressions by the class of the types and the result
#define CR_EXPRESSION(name, arity, expression)               \
  struct name##_op {                                         \
    template <class S>                                       \
    static CR_INLINE auto apply(S a, [[maybe_unused]] S b) { \
      return expression;                                     \
    }                                                        \
  };
#define CR_FLOAT_SAME(...)
#define CR_SELECT_SAME(...)
#define CR_NUMBER_SAME CR_EXPRESSION
#define CR_INTEGER_SAME CR_EXPRESSION
#define CR_ALL_SAME CR_EXPRESSION
#define CR_FLOAT_BOOL CR_EXPRESSION
#define CR_ALL_BOOL CR_EXPRESSION
#define CR_ELEMENTWISE(name, arity, types, result, expression, ...) CR_##types##_##result(name, arity, expression)
#include "kernels/elementwise.def"
#undef CR_SELECT_SAME
#undef CR_NUMBER_SAME
#undef CR_INTEGER_SAME
#undef CR_ALL_SAME
#undef CR_FLOAT_BOOL
#undef CR_ALL_BOOL

}  // namespace

void fill_scalar_elementwise(Kernels& table) {
#define CR_ROW(name) table.elementwise[static_cast<int>(ElementwiseOp::name)]
#define CR_NUMBER_SAME(name, arity, expression) fill_integers<name##_op, arity>(CR_ROW(name));
#define CR_INTEGER_SAME(name, arity, expression) \
  fill_integers<name##_op, arity>(CR_ROW(name)); \
  fill_truth_value<name##_op, arity>(CR_ROW(name));
#define CR_ALL_SAME CR_INTEGER_SAME
#define CR_FLOAT_BOOL(name, arity, expression) fill_float_predicates<name##_op, arity>(CR_ROW(name));
#define CR_ALL_BOOL(name, arity, expression) fill_predicates<name##_op, arity>(CR_ROW(name));
#define CR_SELECT_SAME(name, arity, expression) fill_select(CR_ROW(name));
#include "kernels/elementwise.def"
  fill_division<floor_divide_op, false>(CR_ROW(floor_divide));
  fill_division<remainder_op, true>(CR_ROW(remainder));
}

}  // namespace chainrule::CHAINRULE_ISA
