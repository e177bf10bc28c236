// Elementwise kernels whose result is a float: every FLOAT, NUMBER and ALL line of elementwise.def on Vec<float> and
// Vec<double>. Integers, truth values, comparisons and `where` are in elementwise_scalar.cpp.
#include "kernels/parts.h"
#include "simd/divisor.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

template <class Op, int arity, class V>
CR_INLINE V evaluate(const V (&x)[arity]) {
  if constexpr (arity == 1) {
    return Op::template apply<V>(x[0], x[0], x[0]);
  } else {
    return Op::template apply<V>(x[0], x[1], x[1]);
  }
}

// The rest of an array, the lanes beyond it filled with its first element: zeros might be where the op has a pole.
template <class T>
CR_INLINE Vec<T> load_rest(const T* p, int64_t left) {
  return where(Vec<T>::lane_numbers() < Vec<T>(static_cast<T>(left)), Vec<T>::load(p, left), Vec<T>(p[0]));
}

// Sets the processor's flag for invalid operands.
inline void raise_invalid() {
  volatile float zero = 0;
  [[maybe_unused]] volatile float quotient = zero / zero;
}

// One loop serves every mix of steps: an input of step 0 is spread over one vector, and its pointer stands still.
// `silent`: the op makes infinities and NaN without the processor noticing, so that the loop has to raise a flag.
template <class Op, class T, int arity, bool silent>
void loop(void* out_, const void* const* in, const int64_t* step, int64_t n) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  T* out = static_cast<T*>(out_);
  const T* p[arity];
  int64_t advance[arity];
  Vec<T> spread[arity], x[arity];
  for (int k = 0; k < arity; ++k) {
    p[k] = static_cast<const T*>(in[k]);
    advance[k] = step[k] * kLanes;
    if (step[k] == 0) {
      spread[k] = Vec<T>(p[k][0]);
      p[k] = reinterpret_cast<const T*>(&spread[k]);
    }
  }
  const T* const end = out + n / kLanes * kLanes;
  Vec<T> spoiled(T(0));  // NaN once a result isn't finite
  const auto finish = [&]() __attribute__((always_inline)) {
    const Vec<T> y = evaluate<Op>(x);
    if constexpr (silent) spoiled = spoiled + y * T(0);
    return y;
  };
  for (; out < end; out += kLanes) {
    for (int k = 0; k < arity; ++k) {
      x[k] = Vec<T>::load(p[k]);
      p[k] += advance[k];
    }
    finish().store(out);
  }
  if (const int64_t left = n % kLanes; left > 0) {
    for (int k = 0; k < arity; ++k) x[k] = advance[k] == 0 ? Vec<T>::load(p[k]) : load_rest(p[k], left);
    finish().store(out, left);
  }
  if constexpr (silent)
    if (any(spoiled != spoiled)) raise_invalid();
}

// Of an instruction or two, where moving pointers would cost as much as computing: a loop of its own for each mix of
// steps, its operands at one common distance from their starts.
template <class Op, class T, int arity, bool... walks>
CR_INLINE void light_run(T* out, const T* const (&p)[2], int64_t n) {
  constexpr int64_t kLanes = Vec<T>::kLanes, kUnroll = 4;
  constexpr bool walk[] = {walks...};
  Vec<T> x[kUnroll][arity];
  const auto turn = [&](int64_t i) __attribute__((always_inline)) {
    for (int u = 0; u < kUnroll; ++u)
      for (int k = 0; k < arity; ++k) x[u][k] = walk[k] ? Vec<T>::load(p[k] + i + u * kLanes) : Vec<T>(p[k][0]);
    for (int u = 0; u < kUnroll; ++u) evaluate<Op>(x[u]).store(out + i + u * kLanes);
  };
  const auto load = [&](int64_t i) __attribute__((always_inline)) {
    for (int k = 0; k < arity; ++k) x[0][k] = walk[k] ? Vec<T>::load(p[k] + i) : Vec<T>(p[k][0]);
  };
  if (n < kLanes) {
    for (int k = 0; k < arity; ++k) x[0][k] = walk[k] ? Vec<T>::load(p[k], n) : Vec<T>(p[k][0]);
    return evaluate<Op>(x[0]).store(out, n);
  }
  // Where the vectors don't end with the array, the last one overlaps the one before: it is computed first, since `out`
  // may be an input.
  load(n - kLanes);
  const Vec<T> last = evaluate<Op>(x[0]);
  int64_t i = 0;
  for (; i + kUnroll * kLanes <= n; i += kUnroll * kLanes) turn(i);
  for (; i + kLanes <= n; i += kLanes) {
    load(i);
    evaluate<Op>(x[0]).store(out + i);
  }
  if (i < n) last.store(out + n - kLanes);
}
template <class Op, class T, int arity>
void light_loop(void* out_, const void* const* in, const int64_t* step, int64_t n) {
  T* out = static_cast<T*>(out_);
  const T* const p[2] = {static_cast<const T*>(in[0]), static_cast<const T*>(in[arity - 1])};
  if constexpr (arity == 1) {
    if (step[0] != 0) return light_run<Op, T, arity, true>(out, p, n);
    light_run<Op, T, arity, false>(out, p, n);
  } else {
    if (step[0] != 0 && step[1] != 0) return light_run<Op, T, arity, true, true>(out, p, n);
    if (step[0] != 0) return light_run<Op, T, arity, true, false>(out, p, n);
    if (step[1] != 0) return light_run<Op, T, arity, false, true>(out, p, n);
    light_run<Op, T, arity, false, false>(out, p, n);
  }
}

// x / y for one y.
template <class T>
void divide_by_number(T* out, const T* x, T y, int64_t n) {
  constexpr int64_t kLanes = Vec<T>::kLanes, kUnroll = 4;
  using Divisor = simd::Divisor<T>;
  const Divisor divisor(y);
  int64_t i = 0;
  for (; i + kUnroll * kLanes <= n; i += kUnroll * kLanes) {
    Vec<T> v[kUnroll];
    auto fits = Divisor::serves(Vec<T>(T(0)));
    for (int u = 0; u < kUnroll; ++u) {
      v[u] = Vec<T>::load(x + i + u * kLanes);
      fits = fits & Divisor::serves(v[u]);
    }
    if (all(fits)) {
      for (int u = 0; u < kUnroll; ++u) divisor.quotient(v[u]).store(out + i + u * kLanes);
    } else {
      for (int u = 0; u < kUnroll; ++u) (v[u] / y).store(out + i + u * kLanes);
    }
  }
  for (; i < n; i += kLanes) {
    const int64_t left = n - i < kLanes ? n - i : kLanes;
    (Vec<T>::load(x + i, left) / y).store(out + i, left);
  }
}

constexpr bool is_light(ElementwiseOp op) {
  switch (op) {
    case ElementwiseOp::add:
    case ElementwiseOp::subtract:
    case ElementwiseOp::multiply:
    case ElementwiseOp::negative:
    case ElementwiseOp::absolute:
    case ElementwiseOp::square:
    case ElementwiseOp::maximum:
    case ElementwiseOp::minimum:
    case ElementwiseOp::relu:
      return true;
    default:
      return false;
  }
}

constexpr bool is_silent(ElementwiseOp op) {
  switch (op) {
    case ElementwiseOp::power:
    case ElementwiseOp::expm1:
    case ElementwiseOp::log:
    case ElementwiseOp::log2:
    case ElementwiseOp::log10:
    case ElementwiseOp::log1p:
    case ElementwiseOp::arccosh:
    case ElementwiseOp::arctanh:
      return true;
    default:
      return false;
  }
}

template <class Op, int arity, bool light, bool silent>
void fill(Kernels& table, ElementwiseOp op) {
  ElementwiseFn* row = table.elementwise[static_cast<int>(op)];
  if constexpr (light) {
    row[index(DType::F32)] = &light_loop<Op, float, arity>;
    row[index(DType::F64)] = &light_loop<Op, double, arity>;
  } else {
    row[index(DType::F32)] = &loop<Op, float, arity, silent>;
    row[index(DType::F64)] = &loop<Op, double, arity, silent>;
  }
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

template <class T>
void divide_loop(void* out, const void* const* in, const int64_t* step, int64_t n) {
  const T y = *static_cast<const T*>(in[1]);
  if (step[0] == 0 || step[1] != 0 || !simd::Divisor<T>::serves(y))
    return loop<divide_op, T, 2, false>(out, in, step, n);
  divide_by_number(static_cast<T*>(out), static_cast<const T*>(in[0]), y, n);
}

}  // namespace

void fill_float_elementwise(Kernels& table) {
#define CR_FILL(name, arity, expression) \
  fill<name##_op, arity, is_light(ElementwiseOp::name), is_silent(ElementwiseOp::name)>(table, ElementwiseOp::name);
#define CR_FLOAT_SAME CR_FILL
#define CR_NUMBER_SAME CR_FILL
#define CR_ALL_SAME CR_FILL
#include "kernels/elementwise.def"
  ElementwiseFn* divide = table.elementwise[static_cast<int>(ElementwiseOp::divide)];
  divide[index(DType::F32)] = &divide_loop<float>;
  divide[index(DType::F64)] = &divide_loop<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
