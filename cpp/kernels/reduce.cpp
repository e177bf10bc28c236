// Reductions of rows and columns, and the positions of extremes.
// Floats: a run is cut into blocks; inside a block several vector accumulators run side by side; the results of blocks
// are combined pairwise, still as vectors, and the lanes last. So the error of a sum grows with the logarithm of the
// length, and the tree depends on the lengths alone. Integers wrap, so their order is free and plain loops do.
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

// ---- what is reduced: start with `identity`, take in each element with `take`, join partial results with `join`
struct Sum {
  template <class A>
  static CR_INLINE A identity() {
    return A(-0.0);
  }  // x + -0.0 is x, even for x = -0.0
  template <class A>
  static CR_INLINE A take(A sum, A x) {
    return sum + x;
  }
  template <class A>
  static CR_INLINE A join(A a, A b) {
    return a + b;
  }
};
struct SumSquares : Sum {
  template <class T>
  static CR_INLINE Vec<T> take(Vec<T> sum, Vec<T> x) {
    return fma(x, x, sum);
  }
  static CR_INLINE uint64_t take(uint64_t sum, uint64_t x) { return sum + x * x; }
};
// Squares of the distances from a centre, or from one centre for each vector of a strip of columns.
template <class T, int width>
struct SumSquaresAbout : Sum {
  Vec<T> centre[width];

  CR_INLINE Vec<T> take(int k, Vec<T> sum, Vec<T> x) const {
    const Vec<T> distance = x - centre[k];
    return fma(distance, distance, sum);
  }
};
struct Product {
  template <class A>
  static CR_INLINE A identity() {
    return A(1);
  }
  template <class A>
  static CR_INLINE A take(A product, A x) {
    return product * x;
  }
  template <class A>
  static CR_INLINE A join(A a, A b) {
    return a * b;
  }
};
template <class T>
constexpr bool kFloat = T(0.5) != T(0);
template <class T>
constexpr T least() {
  if constexpr (kFloat<T>) return -static_cast<T>(__builtin_inf());
  return T(-1) < T(0) ? static_cast<T>(simd::UnsignedOf<T>(1) << (8 * sizeof(T) - 1)) : T(0);
}
template <class T>
constexpr T greatest() {
  if constexpr (kFloat<T>) {
    return static_cast<T>(__builtin_inf());
  } else {
    return static_cast<T>(~least<T>());
  }
}
struct Max {
  template <class A>
  static CR_INLINE A identity() {
    return least<A>();
  }
  template <class A>
  static CR_INLINE A take(A a, A b) {
    return a > b || a != a ? a : b;
  }
  template <class T>
  static CR_INLINE Vec<T> take(Vec<T> a, Vec<T> b) {
    return maximum(a, b);
  }
  template <class A>
  static CR_INLINE A join(A a, A b) {
    return take(a, b);
  }
};
struct Min {
  template <class A>
  static CR_INLINE A identity() {
    return greatest<A>();
  }
  template <class A>
  static CR_INLINE A take(A a, A b) {
    return a < b || a != a ? a : b;
  }
  template <class T>
  static CR_INLINE Vec<T> take(Vec<T> a, Vec<T> b) {
    return minimum(a, b);
  }
  template <class A>
  static CR_INLINE A join(A a, A b) {
    return take(a, b);
  }
};
// Truth values 0 and 1.
struct Any {
  template <class A>
  static CR_INLINE A identity() {
    return A(0);
  }
  template <class A>
  static CR_INLINE A take(A any, A x) {
    return any | x;
  }
};
struct All {
  template <class A>
  static CR_INLINE A identity() {
    return A(1);
  }
  template <class A>
  static CR_INLINE A take(A all, A x) {
    return all & x;
  }
};

// ---- floats
// Partial results joined as a binary counter carries: the k-th level holds the join of 2^k blocks.
template <class Op, class T, int width>
class PairwiseStack {
 public:
  void push(Vec<T> (&block)[width]) {
    for (uint64_t carry = pushed_++; carry & 1; carry >>= 1) {
      --depth_;
      for (int k = 0; k < width; ++k) block[k] = Op::join(level_[depth_][k], block[k]);
    }
    for (int k = 0; k < width; ++k) level_[depth_][k] = block[k];
    ++depth_;
  }
  void finish(Vec<T> (&result)[width]) {
    for (int k = 0; k < width; ++k) result[k] = Vec<T>(Op::template identity<T>());
    for (int d = depth_ - 1; d >= 0; --d) {
      for (int k = 0; k < width; ++k) result[k] = Op::join(level_[d][k], result[k]);
    }
  }

 private:
  Vec<T> level_[60][width];
  uint64_t pushed_ = 0;
  int depth_ = 0;
};

// Vector k of a strip, or the first n elements of a vector, taken in.
template <class Op, class T>
CR_INLINE Vec<T> take_in(const Op&, int, Vec<T> sum, Vec<T> x) {
  return Op::take(sum, x);
}
template <class T, int width>
CR_INLINE Vec<T> take_in(const SumSquaresAbout<T, width>& op, int k, Vec<T> sum, Vec<T> x) {
  return op.take(k, sum, x);
}
template <class Op, class T>
CR_INLINE Vec<T> take_part(const Op& op, Vec<T> sum, const T* x, int64_t n) {
  const auto present = Vec<T>::lane_numbers() < Vec<T>(static_cast<T>(n));
  return where(present, take_in(op, 0, sum, Vec<T>::load(x, n)), sum);
}

template <class Op, class T>
T reduce_row(const T* x, int64_t n, const Op& op = {}) {
  constexpr int kAccumulators = 8, kRounds = 16;
  constexpr int64_t kLanes = Vec<T>::kLanes, kRound = kAccumulators * kLanes, kBlock = kRounds * kRound;
  const Vec<T> identity(Op::template identity<T>());
  PairwiseStack<Op, T, 1> stack;
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = n - i < kBlock ? n - i : kBlock;
    Vec<T> sum[kAccumulators];
    for (int k = 0; k < kAccumulators; ++k) sum[k] = identity;
    int64_t done = 0;
    for (; done + kRound <= count; done += kRound) {
      for (int k = 0; k < kAccumulators; ++k) sum[k] = take_in(op, 0, sum[k], Vec<T>::load(x + i + done + k * kLanes));
    }
    for (int k = 0; done < count; ++k, done += kLanes) {
      const int64_t left = count - done;
      sum[k] = left >= kLanes ? take_in(op, 0, sum[k], Vec<T>::load(x + i + done))
                              : take_part(op, sum[k], x + i + done, left);
    }
    for (int w = kAccumulators / 2; w >= 1; w /= 2) {
      for (int k = 0; k < w; ++k) sum[k] = Op::join(sum[k], sum[k + w]);
    }
    Vec<T> block[1] = {sum[0]};
    stack.push(block);
  }
  Vec<T> result[1];
  stack.finish(result);
  return simd::fold(result[0], [](T a, T b) { return Op::join(a, b); });
}
template <class Op, class T>
void row(void* out, const void* x, int64_t n) {
  *static_cast<T*>(out) = reduce_row<Op>(static_cast<const T*>(x), n);
}

// `width` vectors of columns; the last of them only `tail` lanes wide.
template <class Op, class T, int width>
void reduce_strip(T* out, const T* x, int64_t row_step, int64_t rows, int64_t tail, const Op& op = {}) {
  constexpr int64_t kRows = 16, kLanes = Vec<T>::kLanes;
  const Vec<T> identity(Op::template identity<T>());
  // A row may be read past its tail as long as that stays before the end of the last row: the excess is thrown away.
  const int64_t excess = kLanes - tail;
  const int64_t whole = excess == 0 ? rows : row_step > 0 ? rows - (excess + row_step - 1) / row_step : 0;
  PairwiseStack<Op, T, width> stack;
  for (int64_t i = 0; i < rows; i += kRows) {
    const int64_t end = i + kRows < rows ? i + kRows : rows;
    Vec<T> sum[width];
    for (int k = 0; k < width; ++k) sum[k] = identity;
    for (int64_t r = i; r < end; ++r) {
      const T* p = x + r * row_step;
      for (int k = 0; k < width - 1; ++k) sum[k] = take_in(op, k, sum[k], Vec<T>::load(p + k * kLanes));
      p += (width - 1) * kLanes;
      sum[width - 1] = take_in(op, width - 1, sum[width - 1], r < whole ? Vec<T>::load(p) : Vec<T>::load(p, tail));
    }
    stack.push(sum);
  }
  Vec<T> result[width];
  stack.finish(result);
  for (int k = 0; k < width - 1; ++k) result[k].store(out + k * kLanes);
  result[width - 1].store(out + (width - 1) * kLanes, tail);
}

template <class Op, class T>
void reduce_columns(T* out, const T* x, int64_t row_step, int64_t rows, int64_t cols) {
  constexpr int64_t kLanes = Vec<T>::kLanes, kWide = 8;
  int64_t j = 0;
  for (; j + kWide * kLanes <= cols; j += kWide * kLanes)
    reduce_strip<Op, T, kWide>(out + j, x + j, row_step, rows, kLanes);
  for (; j < cols; j += kLanes) {
    const int64_t tail = cols - j < kLanes ? cols - j : kLanes;
    reduce_strip<Op, T, 1>(out + j, x + j, row_step, rows, tail);
  }
}

// Joins what is already reduced: squares are not squared again.
template <class Op>
struct Joiner {
  using Type = Op;
};
template <>
struct Joiner<SumSquares> {
  using Type = Sum;
};

template <class Op, class T>
void columns(void* out_, const void* x_, int64_t row_step, int64_t rows, int64_t cols) {
  constexpr int64_t kWidest = 8 * Vec<T>::kLanes;
  T* out = static_cast<T*>(out_);
  const T* x = static_cast<const T*>(x_);
  const int64_t group = cols > 0 ? kWidest / cols : 1;
  if (row_step != cols || group < 4 || rows < 4 * group) return reduce_columns<Op>(out, x, row_step, rows, cols);
  // Narrow and contiguous: `group` rows side by side make one wide row.
  T partial[2 * kWidest];
  const int64_t wide = group * cols, wide_rows = rows / group, left = rows % group;
  reduce_columns<Op>(partial, x, wide, wide_rows, wide);
  using Join = typename Joiner<Op>::Type;
  if (left > 0) reduce_columns<Op>(partial + wide, x + wide_rows * wide, cols, left, cols);
  reduce_columns<Join>(out, partial, cols, group + (left > 0), cols);
}

// Mean and squared distances from it, twice through the same memory: the caller sees to it that it stays in a cache.
template <class T>
void deviations_row(void* mean, void* squares, const void* x_, int64_t n) {
  const T* x = static_cast<const T*>(x_);
  const T centre = reduce_row<Sum>(x, n) / static_cast<T>(n);
  *static_cast<T*>(mean) = centre;
  *static_cast<T*>(squares) = reduce_row(x, n, SumSquaresAbout<T, 1>{{}, {Vec<T>(centre)}});
}
template <class T, int width>
void deviations_strip(T* mean, T* squares, const T* x, int64_t row_step, int64_t rows, int64_t tail) {
  constexpr int64_t kLanes = Vec<T>::kLanes;
  reduce_strip<Sum, T, width>(mean, x, row_step, rows, tail);
  SumSquaresAbout<T, width> about;
  for (int k = 0; k < width; ++k) {
    T* const p = mean + k * kLanes;
    const int64_t lanes = k + 1 < width ? kLanes : tail;
    about.centre[k] = Vec<T>::load(p, lanes) / static_cast<T>(rows);
    about.centre[k].store(p, lanes);
  }
  reduce_strip<SumSquaresAbout<T, width>, T, width>(squares, x, row_step, rows, tail, about);
}
template <class T>
void deviations_columns(void* mean_, void* squares_, const void* x_, int64_t row_step, int64_t rows, int64_t cols) {
  constexpr int64_t kLanes = Vec<T>::kLanes, kWide = 8;
  T *mean = static_cast<T*>(mean_), *squares = static_cast<T*>(squares_);
  const T* x = static_cast<const T*>(x_);
  int64_t j = 0;
  for (; j + kWide * kLanes <= cols; j += kWide * kLanes)
    deviations_strip<T, kWide>(mean + j, squares + j, x + j, row_step, rows, kLanes);
  for (; j < cols; j += kLanes) {
    const int64_t tail = cols - j < kLanes ? cols - j : kLanes;
    deviations_strip<T, 1>(mean + j, squares + j, x + j, row_step, rows, tail);
  }
}

// ---- integers and truth values: T read, A accumulated (sums in uint64_t: overflow wraps)
template <class T>
struct Keep {
  template <class X>
  static CR_INLINE T read(X x) {
    return static_cast<T>(x);
  }
};
template <class T>
struct Truth {
  template <class X>
  static CR_INLINE T read(X x) {
    return static_cast<T>(x != X(0));
  }
  static CR_INLINE T read(uint8_t x) { return x < 1 ? x : 1; }
};

template <class Op, class Read, class T, class A>
void plain_row(void* out, const void* x_, int64_t n) {
  const T* x = static_cast<const T*>(x_);
  A sum = Op::template identity<A>();
  for (int64_t i = 0; i < n; ++i) sum = static_cast<A>(Op::take(sum, Read::read(x[i])));
  *static_cast<A*>(out) = sum;
}
// Stops at the first block that decides.
template <class Op, class T>
void truth_row(void* out, const void* x_, int64_t n) {
  constexpr int64_t kBlock = 1024;
  const T* x = static_cast<const T*>(x_);
  uint8_t result = Op::template identity<uint8_t>();
  for (int64_t i = 0; i < n && result == Op::template identity<uint8_t>(); i += kBlock) {
    plain_row<Op, Truth<uint8_t>, T, uint8_t>(&result, x + i, n - i < kBlock ? n - i : kBlock);
  }
  *static_cast<uint8_t*>(out) = result;
}
template <class Op, class Read, class T, class A>
void plain_columns(void* out_, const void* x_, int64_t row_step, int64_t rows, int64_t cols) {
  constexpr int64_t kBlock = 256;
  A* out = static_cast<A*>(out_);
  for (int64_t j = 0; j < cols; j += kBlock) {
    const int64_t count = cols - j < kBlock ? cols - j : kBlock;
    const T* x = static_cast<const T*>(x_) + j;
    A sum[kBlock];
    for (int64_t k = 0; k < count; ++k) sum[k] = Op::template identity<A>();
    for (int64_t i = 0; i < rows; ++i, x += row_step) {
      for (int64_t k = 0; k < count; ++k) sum[k] = static_cast<A>(Op::take(sum[k], Read::read(x[k])));
    }
    __builtin_memcpy(out + j, sum, static_cast<size_t>(count) * sizeof(A));
  }
}

// ---- positions of extremes: the first block that holds the extreme is found by values, the element in it afterwards
template <class Op, class Read, class T>
T extreme(const T* x, int64_t n) {
  if constexpr (kFloat<T>) {
    return reduce_row<Op>(x, n);
  } else {
    T result;
    plain_row<Op, Read, T, T>(&result, x, n);
    return result;
  }
}
template <class Op, class Read, class T>
int64_t position(const void* x_, int64_t n, void* value) {
  constexpr int64_t kBlock = 1024;
  const T* x = static_cast<const T*>(x_);
  int64_t best_block = 0;
  T best = extreme<Op, Read>(x, n < kBlock ? n : kBlock);
  for (int64_t i = kBlock; i < n && best == best; i += kBlock) {
    const T candidate = extreme<Op, Read>(x + i, n - i < kBlock ? n - i : kBlock);
    if (!(Op::take(best, candidate) == best)) {
      best = candidate;
      best_block = i;
    }
  }
  int64_t i = best_block;
  if (best == best) {
    while (Read::read(x[i]) != best) ++i;
  } else {
    while (x[i] == x[i]) ++i;
  }
  *static_cast<T*>(value) = Read::read(x[i]);
  return i;
}

// ---- the table
template <class T, class Read = Keep<T>>
void fill_truth(ReduceKernels& table, int t) {
  table.row[static_cast<int>(ReduceOp::any)][t] = &truth_row<Any, T>;
  table.row[static_cast<int>(ReduceOp::all)][t] = &truth_row<All, T>;
  table.columns[static_cast<int>(ReduceOp::any)][t] = &plain_columns<Any, Truth<uint8_t>, T, uint8_t>;
  table.columns[static_cast<int>(ReduceOp::all)][t] = &plain_columns<All, Truth<uint8_t>, T, uint8_t>;
  table.argmax[t] = &position<Max, Read, T>;
  table.argmin[t] = &position<Min, Read, T>;
}
template <class T>
void fill_float(ReduceKernels& table, DType dtype) {
  const int t = index(dtype);
  const auto set = [&](ReduceOp op, auto row_kernel, auto columns_kernel) {
    table.row[static_cast<int>(op)][t] = row_kernel;
    table.columns[static_cast<int>(op)][t] = columns_kernel;
  };
  set(ReduceOp::sum, &row<Sum, T>, &columns<Sum, T>);
  set(ReduceOp::prod, &row<Product, T>, &columns<Product, T>);
  set(ReduceOp::max, &row<Max, T>, &columns<Max, T>);
  set(ReduceOp::min, &row<Min, T>, &columns<Min, T>);
  set(ReduceOp::sum_squares, &row<SumSquares, T>, &columns<SumSquares, T>);
  fill_truth<T>(table, t);
  table.deviations_row[t] = &deviations_row<T>;
  table.deviations_columns[t] = &deviations_columns<T>;
}
template <class T, class Wide = Keep<uint64_t>, class Read = Keep<T>>
void fill_integer(ReduceKernels& table, DType dtype) {
  const int t = index(dtype);
  const auto set = [&](ReduceOp op, auto row_kernel, auto columns_kernel) {
    table.row[static_cast<int>(op)][t] = row_kernel;
    table.columns[static_cast<int>(op)][t] = columns_kernel;
  };
  set(ReduceOp::sum, &plain_row<Sum, Wide, T, uint64_t>, &plain_columns<Sum, Wide, T, uint64_t>);
  set(ReduceOp::prod, &plain_row<Product, Wide, T, uint64_t>, &plain_columns<Product, Wide, T, uint64_t>);
  set(ReduceOp::max, &plain_row<Max, Read, T, T>, &plain_columns<Max, Read, T, T>);
  set(ReduceOp::min, &plain_row<Min, Read, T, T>, &plain_columns<Min, Read, T, T>);
  set(ReduceOp::sum_squares, &plain_row<SumSquares, Wide, T, uint64_t>, &plain_columns<SumSquares, Wide, T, uint64_t>);
  fill_truth<T, Read>(table, t);
}

}  // namespace

void fill_reductions(ReduceKernels& table) {
  fill_integer<uint8_t, Truth<uint64_t>, Truth<uint8_t>>(table, DType::Bool);
  fill_integer<int8_t>(table, DType::I8);
  fill_integer<int16_t>(table, DType::I16);
  fill_integer<int32_t>(table, DType::I32);
  fill_integer<int64_t>(table, DType::I64);
  fill_integer<uint8_t>(table, DType::U8);
  fill_integer<uint16_t>(table, DType::U16);
  fill_integer<uint32_t>(table, DType::U32);
  fill_integer<uint64_t>(table, DType::U64);
  fill_float<float>(table, DType::F32);
  fill_float<double>(table, DType::F64);
}

}  // namespace chainrule::CHAINRULE_ISA
