// Elementwise kernels whose result is a float: every FLOAT, NUMBER and ALL line of elementwise.def on Vec<float> and
// Vec<double>. Integers, truth values, comparisons and `where` are in elementwise_scalar.cpp.
#include "kernels/parts.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

// One loop serves every mix of steps: an input of step 0 is spread over one vector, and its pointer stands still.
template <class Op, class T, int arity>
void loop(void* out_, const void* const* in, const int64_t* step, int64_t n) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  T* out = static_cast<T*>(out_);
  const T* p[arity];
  int64_t advance[arity];
  Vec<T> spread[arity];
  for (int k = 0; k < arity; ++k) {
    p[k] = static_cast<const T*>(in[k]);
    advance[k] = step[k] * kLanes;
    if (step[k] == 0) {
      spread[k] = Vec<T>(p[k][0]);
      p[k] = reinterpret_cast<const T*>(&spread[k]);
    }
  }
  for (int64_t i = 0; i < n; i += kLanes) {
    Vec<T> x[arity];
    const bool whole = n - i >= kLanes;
    for (int k = 0; k < arity; ++k) {
      x[k] = whole || advance[k] == 0 ? Vec<T>::load(p[k]) : Vec<T>::load(p[k], n - i);
      p[k] += advance[k];
    }
    const Vec<T> y = [&] {
      if constexpr (arity == 1) {
        return Op::template apply<Vec<T>>(x[0], x[0], x[0]);
      } else {
        return Op::template apply<Vec<T>>(x[0], x[1], x[1]);
      }
    }();
    if (whole) {
      y.store(out + i);
    } else {
      y.store(out + i, n - i);
    }
  }
}

template <class Op, int arity>
void fill(Kernels& table, ElementwiseOp op) {
  ElementwiseFn* row = table.elementwise[static_cast<int>(op)];
  row[index(DType::F32)] = &loop<Op, float, arity>;
  row[index(DType::F64)] = &loop<Op, double, arity>;
}

// ---- the lines of elementwise.def: expressions by the class of the types and the result
#define CR_EXPRESSION(name, arity, expression)                                  \
  struct name##_op {                                                            \
    template <class V>                                                          \
    static CR_INLINE V apply(V a, [[maybe_unused]] V b, [[maybe_unused]] V c) { \
      return expression;                                                        \
    }                                                                           \
  };
#define CR_FLOAT_SAME CR_EXPRESSION
#define CR_NUMBER_SAME CR_EXPRESSION
#define CR_ALL_SAME CR_EXPRESSION
#define CR_FLOAT_BOOL(...)
#define CR_ALL_BOOL(...)
#define CR_INTEGER_SAME(...)
#define CR_SELECT_SAME(...)
#define CR_ELEMENTWISE(name, arity, types, result, expression, ...) CR_##types##_##result(name, arity, expression)
#include "kernels/elementwise.def"
#undef CR_FLOAT_SAME
#undef CR_NUMBER_SAME
#undef CR_ALL_SAME

}  // namespace

void fill_float_elementwise(Kernels& table) {
#define CR_FILL(name, arity, expression) fill<name##_op, arity>(table, ElementwiseOp::name);
#define CR_FLOAT_SAME CR_FILL
#define CR_NUMBER_SAME CR_FILL
#define CR_ALL_SAME CR_FILL
#include "kernels/elementwise.def"
}

}  // namespace chainrule::CHAINRULE_ISA
