// Reductions, positions of extremes and scans at every level, against long double and 128-bit loops.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "kernel_levels.h"

namespace chainrule {
namespace {

class Reduce : public EachLevel {};

constexpr int64_t kLengths[] = {1,  2,   3,   7,   8,   15,   16,   17,   31,   33,   63,
                                65, 100, 127, 129, 500, 1000, 2047, 2049, 5000, 70001};

template <class T>
std::vector<T> numbers(int64_t n, uint64_t seed) {
  std::mt19937_64 bits(seed);
  std::uniform_real_distribution<double> unit(-1, 1);
  std::vector<T> x(n);
  for (T& v : x) v = std::is_floating_point_v<T> ? static_cast<T>(unit(bits)) : static_cast<T>(bits() >> (bits() % 60));
  return x;
}
auto row_kernel(ReduceOp op, DType t) { return kernels().reduce.row[static_cast<int>(op)][index(t)]; }
auto columns_kernel(ReduceOp op, DType t) { return kernels().reduce.columns[static_cast<int>(op)][index(t)]; }

// ---- floats
template <class T>
void check_float_rows(DType t) {
  const double epsilon = std::numeric_limits<T>::epsilon();
  for (int64_t n : kLengths) {
    const std::vector<T> x = numbers<T>(n, n);
    long double sum = 0, squares = 0, size = 0, product = 1;
    std::vector<T> near_one(n);
    for (int64_t i = 0; i < n; ++i) {
      sum += x[i];
      size += std::fabs(x[i]);
      squares += static_cast<long double>(x[i]) * x[i];
      near_one[i] = 1 + x[i] / 64;
      product *= near_one[i];
    }
    T got;
    const double rounds =
        24 + std::log2(static_cast<double>(n));  // additions that an element passes through at most, ..
    row_kernel(ReduceOp::sum, t)(&got, x.data(), n);
    EXPECT_LE(std::fabs(got - sum), rounds * epsilon / 2 * size) << n;  // .. each off by half a unit of a partial sum
    row_kernel(ReduceOp::sum_squares, t)(&got, x.data(), n);
    EXPECT_LE(std::fabs(got - squares), rounds * epsilon / 2 * squares) << n;
    T mean;
    long double deviations = 0;
    for (const T v : x) deviations += (v - sum / n) * (v - sum / n);
    kernels().reduce.deviations_row[index(t)](&mean, &got, x.data(), n);
    EXPECT_LE(std::fabs(mean - sum / n), rounds * epsilon * size / n) << n;
    EXPECT_LE(std::fabs(got - deviations), rounds * epsilon * squares) << n;
    row_kernel(ReduceOp::prod, t)(&got, near_one.data(), n);
    EXPECT_LE(std::fabs(got - product), n * epsilon / 2 * std::fabs(product)) << n;
    row_kernel(ReduceOp::max, t)(&got, x.data(), n);
    EXPECT_EQ(got, *std::max_element(x.begin(), x.end())) << n;
    row_kernel(ReduceOp::min, t)(&got, x.data(), n);
    EXPECT_EQ(got, *std::min_element(x.begin(), x.end())) << n;
  }
}
// Columns have the bits that they have alone, and stay within their memory.
template <class T>
void check_deviations_of_columns(DType t) {
  const double epsilon = std::numeric_limits<T>::epsilon();
  const auto columns = kernels().reduce.deviations_columns[index(t)];
  for (int64_t rows : {1, 2, 17, 300}) {
    for (int64_t cols : {1, 3, 15, 16, 17, 64, 129, 300}) {
      for (int64_t row_step : {cols, cols + 3}) {
        const std::vector<T> x = numbers<T>((rows - 1) * row_step + cols, rows + cols);
        std::vector<T> mean(cols + 1, T(7)), squares(cols + 1, T(7));
        columns(mean.data(), squares.data(), x.data(), row_step, rows, cols);
        for (int64_t j = 0; j < cols; ++j) {
          long double sum = 0, size = 0, want = 0;
          std::vector<T> column;
          for (int64_t i = 0; i < rows; ++i) {
            column.push_back(x[i * row_step + j]);
            sum += column.back();
            size += static_cast<long double>(column.back()) * column.back();
          }
          for (const T v : column) want += (v - sum / rows) * (v - sum / rows);
          T alone_mean, alone;
          columns(&alone_mean, &alone, column.data(), 1, rows, 1);
          ASSERT_EQ(mean[j], alone_mean) << rows << " x " << cols;
          ASSERT_EQ(squares[j], alone) << rows << " x " << cols;
          ASSERT_LE(std::fabs(squares[j] - want), 30 * epsilon * size) << rows << " x " << cols;
        }
        ASSERT_EQ(mean[cols], T(7));
        ASSERT_EQ(squares[cols], T(7));
      }
    }
  }
}
TEST_P(Reduce, DeviationsOfColumns) {
  check_deviations_of_columns<float>(DType::F32);
  check_deviations_of_columns<double>(DType::F64);
}

TEST_P(Reduce, FloatRows) {
  check_float_rows<float>(DType::F32);
  check_float_rows<double>(DType::F64);
}

// A plain loop in float loses 1e-4 here: the sum must grow its error with the logarithm of the length alone.
TEST_P(Reduce, LongSumsStayAccurate) {
  const int64_t n = 10000000;
  const std::vector<float> x(n, 0.1f);
  float sum;
  row_kernel(ReduceOp::sum, DType::F32)(&sum, x.data(), n);
  EXPECT_NEAR(sum / (static_cast<double>(0.1f) * n), 1, 3e-7);
  for (int64_t cols : {1, 4, 100}) {
    std::vector<float> out(cols);
    columns_kernel(ReduceOp::sum, DType::F32)(out.data(), x.data(), cols, n / cols, cols);
    for (float v : out) EXPECT_NEAR(v / (static_cast<double>(0.1f) * (n / cols)), 1, 1e-6) << cols;
  }
}

template <class T>
void check_not_a_number(DType t) {
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (int64_t n : {1, 5, 16, 40, 1000, 4099}) {
    for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
      std::vector<T> x = numbers<T>(n, 3);
      x[at] = nan;
      for (ReduceOp op : {ReduceOp::sum, ReduceOp::prod, ReduceOp::max, ReduceOp::min, ReduceOp::sum_squares}) {
        T got = 0;
        row_kernel(op, t)(&got, x.data(), n);
        EXPECT_TRUE(std::isnan(got)) << n << " " << at;
        columns_kernel(op, t)(&got, x.data(), 1, n, 1);
        EXPECT_TRUE(std::isnan(got)) << n << " " << at;
      }
      T value = 0;
      EXPECT_EQ(kernels().reduce.argmax[index(t)](x.data(), n, &value), at);
      EXPECT_TRUE(std::isnan(value));
      EXPECT_EQ(kernels().reduce.argmin[index(t)](x.data(), n, &value), at);
      uint8_t truth = 0;
      row_kernel(ReduceOp::any, t)(&truth, x.data(), n);
      EXPECT_EQ(truth, 1);
    }
  }
  const std::vector<T> zeros(5, T(-0.0)),
      infinite = {-std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity()};
  T got;
  row_kernel(ReduceOp::max, t)(&got, infinite.data(), 2);
  EXPECT_EQ(got, infinite[0]);
  row_kernel(ReduceOp::sum, t)(&got, zeros.data(), 5);
  EXPECT_TRUE(got == 0 && std::signbit(got));
}
TEST_P(Reduce, NotANumber) {
  check_not_a_number<float>(DType::F32);
  check_not_a_number<double>(DType::F64);
}

template <class T>
void check_float_columns(DType t) {
  const double epsilon = std::numeric_limits<T>::epsilon();
  for (int64_t rows : {1, 2, 5, 16, 17, 64, 100, 1000}) {
    for (int64_t cols : {1, 2, 3, 5, 8, 15, 16, 17, 33, 64, 127, 128, 129, 300}) {
      for (int64_t row_step : {cols, cols + 1, cols + 9}) {
        // Exactly as long as the reads may go: the sanitizers see one element more.
        const std::vector<T> x = numbers<T>((rows - 1) * row_step + cols, rows + cols);
        std::vector<T> sum(cols + 1, T(7)), squares = sum, most = sum, least = sum, product = sum;
        columns_kernel(ReduceOp::sum, t)(sum.data(), x.data(), row_step, rows, cols);
        columns_kernel(ReduceOp::sum_squares, t)(squares.data(), x.data(), row_step, rows, cols);
        columns_kernel(ReduceOp::max, t)(most.data(), x.data(), row_step, rows, cols);
        columns_kernel(ReduceOp::min, t)(least.data(), x.data(), row_step, rows, cols);
        columns_kernel(ReduceOp::prod, t)(product.data(), x.data(), row_step, rows, cols);
        for (int64_t j = 0; j < cols; ++j) {
          long double want = 0, size = 0, want_squares = 0, want_product = 1;
          T want_most = x[j], want_least = x[j];
          for (int64_t i = 0; i < rows; ++i) {
            const T v = x[i * row_step + j];
            want += v;
            size += std::fabs(v);
            want_squares += static_cast<long double>(v) * v;
            want_product *= v;
            want_most = std::max(want_most, v);
            want_least = std::min(want_least, v);
          }
          ASSERT_LE(std::fabs(sum[j] - want), 32 * epsilon / 2 * size) << rows << " x " << cols << " column " << j;
          ASSERT_LE(std::fabs(squares[j] - want_squares), 32 * epsilon / 2 * want_squares) << rows << " x " << cols;
          ASSERT_LE(std::fabs(product[j] - want_product),
                    rows * epsilon * std::fabs(want_product) + std::numeric_limits<T>::min());
          ASSERT_EQ(most[j], want_most);
          ASSERT_EQ(least[j], want_least);
        }
        ASSERT_EQ(sum[cols], T(7));
        if (rows > 1 && cols > 1) {  // a reversed view
          std::vector<T> reversed(cols);
          columns_kernel(ReduceOp::max, t)(reversed.data(), x.data() + (rows - 1) * row_step, -row_step, rows, cols);
          ASSERT_TRUE(std::equal(reversed.begin(), reversed.end(), most.begin()));
        }
      }
    }
  }
}
TEST_P(Reduce, FloatColumns) {
  check_float_columns<float>(DType::F32);
  check_float_columns<double>(DType::F64);
}

// ---- integers
template <class T>
void check_integers(DType t) {
  using A = std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>;
  for (int64_t n : kLengths) {
    const std::vector<T> x = numbers<T>(n, n + 1);
    uint64_t sum = 0, product = 1, squares = 0;
    for (T v : x) {
      const uint64_t wide = static_cast<uint64_t>(static_cast<A>(v));
      sum += wide;
      product *= wide;
      squares += wide * wide;
    }
    const auto check = [&](ReduceOp op, uint64_t want) {
      uint64_t got = 0;
      row_kernel(op, t)(&got, x.data(), n);
      EXPECT_EQ(got, want) << name(t) << " " << n;
      columns_kernel(op, t)(&got, x.data(), 1, n, 1);
      EXPECT_EQ(got, want) << name(t) << " column of " << n;
    };
    check(ReduceOp::sum, sum);
    check(ReduceOp::prod, product);
    check(ReduceOp::sum_squares, squares);
    T got;
    row_kernel(ReduceOp::max, t)(&got, x.data(), n);
    EXPECT_EQ(got, *std::max_element(x.begin(), x.end()));
    row_kernel(ReduceOp::min, t)(&got, x.data(), n);
    EXPECT_EQ(got, *std::min_element(x.begin(), x.end()));
    columns_kernel(ReduceOp::max, t)(&got, x.data(), 1, n, 1);
    EXPECT_EQ(got, *std::max_element(x.begin(), x.end()));
    T value;
    EXPECT_EQ(kernels().reduce.argmax[index(t)](x.data(), n, &value), std::max_element(x.begin(), x.end()) - x.begin())
        << n;
    EXPECT_EQ(value, *std::max_element(x.begin(), x.end()));
    EXPECT_EQ(kernels().reduce.argmin[index(t)](x.data(), n, &value), std::min_element(x.begin(), x.end()) - x.begin())
        << n;
  }
  for (int64_t cols : {2, 40, 600}) {
    const int64_t rows = 37;
    const std::vector<T> x = numbers<T>(rows * cols, cols);
    std::vector<uint64_t> sum(cols);
    columns_kernel(ReduceOp::sum, t)(sum.data(), x.data(), cols, rows, cols);
    for (int64_t j = 0; j < cols; ++j) {
      uint64_t want = 0;
      for (int64_t i = 0; i < rows; ++i) want += static_cast<uint64_t>(static_cast<A>(x[i * cols + j]));
      EXPECT_EQ(sum[j], want);
    }
  }
}
TEST_P(Reduce, Integers) {
  check_integers<int8_t>(DType::I8);
  check_integers<int16_t>(DType::I16);
  check_integers<int32_t>(DType::I32);
  check_integers<int64_t>(DType::I64);
  check_integers<uint8_t>(DType::U8);
  check_integers<uint16_t>(DType::U16);
  check_integers<uint32_t>(DType::U32);
  check_integers<uint64_t>(DType::U64);
}

TEST_P(Reduce, TruthValues) {
  for (int64_t n : kLengths) {
    for (int64_t at : {int64_t{-1}, int64_t{0}, n / 2, n - 1}) {
      std::vector<float> some(n, 0), rest(n, 2);
      if (at >= 0) {
        some[at] = -0.5f;
        rest[at] = -0.0f;
      }
      uint8_t got = 9;
      row_kernel(ReduceOp::any, DType::F32)(&got, some.data(), n);
      EXPECT_EQ(got, at >= 0) << n << " " << at;
      columns_kernel(ReduceOp::any, DType::F32)(&got, some.data(), 1, n, 1);
      EXPECT_EQ(got, at >= 0) << n << " " << at;
      row_kernel(ReduceOp::all, DType::F32)(&got, rest.data(), n);
      EXPECT_EQ(got, at < 0) << n << " " << at;
      columns_kernel(ReduceOp::all, DType::F32)(&got, rest.data(), 1, n, 1);
      EXPECT_EQ(got, at < 0) << n << " " << at;
      std::vector<uint8_t> bytes(n, 0);
      if (at >= 0) bytes[at] = 1;
      int64_t count = 9;
      row_kernel(ReduceOp::sum, DType::Bool)(&count, bytes.data(), n);
      EXPECT_EQ(count, at >= 0);
      uint8_t value;
      EXPECT_EQ(kernels().reduce.argmax[index(DType::Bool)](bytes.data(), n, &value), at >= 0 ? at : 0);
    }
  }
}

TEST_P(Reduce, FloatPositions) {
  for (int64_t n : kLengths) {
    std::vector<double> x = numbers<double>(n, n + 2);
    for (double& v : x) v = std::round(v * 8);  // many ties: the first one counts
    double value;
    EXPECT_EQ(kernels().reduce.argmax[index(DType::F64)](x.data(), n, &value),
              std::max_element(x.begin(), x.end()) - x.begin());
    EXPECT_EQ(kernels().reduce.argmin[index(DType::F64)](x.data(), n, &value),
              std::min_element(x.begin(), x.end()) - x.begin());
  }
}

TEST_P(Reduce, Scans) {
  const int64_t n = 300;
  const std::vector<float> x = numbers<float>(3 * n, 8);
  std::vector<float> sum(2 * n), product(2 * n);
  kernels().reduce.cumsum[index(DType::F32)](sum.data(), 2, x.data(), 3, n);
  kernels().reduce.cumprod[index(DType::F32)](product.data() + 2 * (n - 1), -2, x.data(), 3, n);
  float running = 0, running_product = 1;
  for (int64_t i = 0; i < n; ++i) {
    running += x[3 * i];
    running_product *= x[3 * i];
    EXPECT_EQ(sum[2 * i], running);
    EXPECT_EQ(product[2 * (n - 1 - i)], running_product);
  }
  const std::vector<int8_t> small = numbers<int8_t>(n, 9);
  std::vector<int64_t> wide(n);
  kernels().reduce.cumsum[index(DType::I8)](wide.data(), 1, small.data(), 1, n);
  int64_t total = 0;
  for (int64_t i = 0; i < n; ++i) EXPECT_EQ(wide[i], total += small[i]);
}

INSTANTIATE_TEST_SUITE_P(Levels, Reduce, testing::ValuesIn(levels()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace chainrule
