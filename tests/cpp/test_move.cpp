// Moves at every level: casts against C's conversions (NumPy's rules beyond their range), strided copies, transposes
// and rows by index against plain loops.
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

class Move : public EachLevel {};

template <class T>
std::vector<T> random_values(int64_t count, uint64_t seed) {
  std::mt19937_64 bits(seed);
  std::vector<T> x(count);
  for (T& v : x) {
    const uint64_t word = bits();
    v = std::is_floating_point_v<T> ? static_cast<T>(static_cast<int64_t>(word) >> (word % 63)) + T(0.75)
                                    : static_cast<T>(word >> (word % 63));
  }
  const T specials[] = {T(0), T(1), static_cast<T>(-1), std::numeric_limits<T>::max(),
                        std::numeric_limits<T>::lowest()};
  std::copy(std::begin(specials), std::end(specials), x.begin());
  if constexpr (std::is_floating_point_v<T>) {
    const T odd[] = {std::numeric_limits<T>::quiet_NaN(),
                     std::numeric_limits<T>::infinity(),
                     -std::numeric_limits<T>::infinity(),
                     T(-0.0),
                     T(0.3),
                     T(-0.7),
                     T(2147483648.0),
                     T(-2147483648.0),
                     T(4294967295.0),
                     T(9.3e18),
                     T(1e19)};
    std::copy(std::begin(odd), std::end(odd), x.begin() + 5);
  }
  return x;
}

template <class From>
int64_t through(From x, int bits) {  // to a signed integer: what doesn't fit becomes the least
  const long double t = std::trunc(static_cast<long double>(x)), limit = std::ldexp(1.0L, bits - 1);
  if (!(t >= -limit && t < limit))
    return bits == 64 ? std::numeric_limits<int64_t>::min() : -(int64_t{1} << (bits - 1));
  return static_cast<int64_t>(t);
}
template <class To, class From>
To reference(From x) {
  if constexpr (!std::is_floating_point_v<From> || std::is_floating_point_v<To>) {
    return static_cast<To>(x);
  } else if constexpr (sizeof(To) < 4) {
    return static_cast<To>(through(x, 32));
  } else if constexpr (std::is_signed_v<To>) {
    return static_cast<To>(through(x, 8 * sizeof(To)));
  } else if constexpr (sizeof(To) == 4) {
    return static_cast<To>(through(x, 64));
  } else {
    const long double t = std::trunc(static_cast<long double>(x));
    if (t >= 9223372036854775808.0L) return t < 18446744073709551616.0L ? static_cast<uint64_t>(t) : 0;
    return static_cast<uint64_t>(through(x, 64));
  }
}

template <class To, class From>
void check_cast(DType to, DType from, const std::vector<From>& x) {
  for (int64_t n : {int64_t{1}, int64_t{7}, int64_t{33}, static_cast<int64_t>(x.size())}) {
    std::vector<To> y(x.size(), To(77));
    kernels().move.cast[index(to)][index(from)](y.data(), x.data(), n);
    for (int64_t i = 0; i < n; ++i) {
      const To want = reference<To, From>(x[i]);
      ASSERT_TRUE(std::memcmp(&y[i], &want, sizeof want) == 0 || (want != want && y[i] != y[i]))
          << name(from) << " to " << name(to) << " of " << +x[i] << " got " << +y[i] << " want " << +want;
    }
    if (n < static_cast<int64_t>(x.size())) {
      EXPECT_EQ(y[n], To(77));
    }
  }
}
template <class From>
void check_casts(DType from, std::vector<From> x) {
  check_cast<int8_t>(DType::I8, from, x);
  check_cast<int16_t>(DType::I16, from, x);
  check_cast<int32_t>(DType::I32, from, x);
  check_cast<int64_t>(DType::I64, from, x);
  check_cast<uint8_t>(DType::U8, from, x);
  check_cast<uint16_t>(DType::U16, from, x);
  check_cast<uint32_t>(DType::U32, from, x);
  check_cast<uint64_t>(DType::U64, from, x);
  check_cast<float>(DType::F32, from, x);
  check_cast<double>(DType::F64, from, x);
  std::vector<uint8_t> truth(x.size());
  kernels().move.cast[index(DType::Bool)][index(from)](truth.data(), x.data(), static_cast<int64_t>(x.size()));
  for (size_t i = 0; i < x.size(); ++i) ASSERT_EQ(truth[i], x[i] != From(0)) << name(from) << " to bool of " << +x[i];
}

TEST_P(Move, Casts) {
  check_casts<int8_t>(DType::I8, random_values<int8_t>(500, 1));
  check_casts<int16_t>(DType::I16, random_values<int16_t>(500, 2));
  check_casts<int32_t>(DType::I32, random_values<int32_t>(500, 3));
  check_casts<int64_t>(DType::I64, random_values<int64_t>(500, 4));
  check_casts<uint8_t>(DType::U8, random_values<uint8_t>(500, 5));
  check_casts<uint16_t>(DType::U16, random_values<uint16_t>(500, 6));
  check_casts<uint32_t>(DType::U32, random_values<uint32_t>(500, 7));
  check_casts<uint64_t>(DType::U64, random_values<uint64_t>(500, 8));
  check_casts<float>(DType::F32, random_values<float>(500, 9));
  check_casts<double>(DType::F64, random_values<double>(500, 10));
  std::vector<uint8_t> truth = random_values<uint8_t>(500, 11);
  for (uint8_t& v : truth) v &= 1;
  check_casts<uint8_t>(DType::Bool, truth);
}

template <class T>
void check_copies(int log_size) {
  const std::vector<T> src = random_values<T>(4000, 20);
  for (int64_t dst_step : {1, 2, 5, -1, -3}) {
    for (int64_t src_step : {0, 1, 2, 3, 7, -1, -2}) {
      for (int64_t n : {0, 1, 2, 15, 64, 131}) {
        std::vector<T> got(2000, T(9)), want = got;
        const T* from = src.data() + 2000;
        kernels().move.copy[log_size](got.data() + 1000, dst_step, from, src_step, n);
        for (int64_t i = 0; i < n; ++i) want[1000 + i * dst_step] = from[i * src_step];
        ASSERT_EQ(std::memcmp(got.data(), want.data(), got.size() * sizeof(T)), 0)
            << dst_step << " " << src_step << " " << n;
      }
    }
  }
}
TEST_P(Move, StridedCopies) {
  check_copies<uint8_t>(0);
  check_copies<uint16_t>(1);
  check_copies<uint32_t>(2);
  check_copies<uint64_t>(3);
}

template <class T>
void check_transposes(int log_size) {
  const int64_t sizes[] = {1, 3, 8, 15, 16, 17, 40, 131, 200};
  for (int64_t rows : sizes) {
    for (int64_t cols : sizes) {
      const int64_t src_row = cols + 3, dst_row = rows + 2;
      const std::vector<T> src = random_values<T>(std::max<int64_t>(rows * src_row, 20), 30);
      std::vector<T> got(cols * dst_row, T(5)), want = got;
      kernels().move.transpose[log_size](got.data(), dst_row, src.data(), src_row, rows, cols);
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < cols; ++j) want[j * dst_row + i] = src[i * src_row + j];
      }
      ASSERT_EQ(got, want) << sizeof(T) << " bytes, " << rows << " x " << cols;
    }
  }
}
TEST_P(Move, Transposes) {
  check_transposes<uint8_t>(0);
  check_transposes<uint16_t>(1);
  check_transposes<uint32_t>(2);
  check_transposes<uint64_t>(3);
}

TEST_P(Move, StreamsBytesOfAnyLengthToAnyPlace) {
  if (!kernels().move.stream) GTEST_SKIP() << "this level has no stores past the caches";
  std::vector<char> src(3000);
  for (std::size_t i = 0; i < src.size(); ++i) src[i] = static_cast<char>(i * 7 + 3);
  for (const int64_t bytes : {0, 1, 15, 63, 64, 65, 127, 200, 1000, 2048}) {
    for (int64_t to = 0; to < 70; to += 3) {
      const int64_t from = (to * 5) % 67;
      std::vector<char> got(3000, 'x'), want = got;
      std::copy_n(src.begin() + from, bytes, want.begin() + to);
      kernels().move.stream(got.data() + to, src.data() + from, bytes);
      kernels().move.stream_end();
      ASSERT_EQ(got, want) << bytes << " bytes to " << to;
    }
  }
}

TEST_P(Move, GatherRows) {
  std::mt19937 random(40);
  const std::vector<uint8_t> src = random_values<uint8_t>(50 * 300, 41);
  std::vector<int64_t> rows(77);
  for (int64_t& r : rows) r = random() % 50;
  for (int64_t bytes : {1, 2, 3, 4, 8, 12, 16, 64, 300}) {
    std::vector<uint8_t> got(77 * bytes + 16, 1), want = got;
    kernels().move.gather_rows(got.data(), src.data(), rows.data(), 77, bytes);
    for (int64_t i = 0; i < 77; ++i) std::memcpy(&want[i * bytes], &src[rows[i] * bytes], bytes);
    EXPECT_EQ(got, want) << bytes;
  }
}

template <class T>
void check_scatter(DType t) {
  using U = std::conditional_t<std::is_floating_point_v<T>, T, uint64_t>;
  std::mt19937 random(50);
  for (int64_t cols : {1, 5, 64, 77}) {
    std::vector<T> src(200 * cols), got(20 * cols), want;
    for (T& v : src) v = static_cast<T>(random() % 100) / T(3);
    for (T& v : got) v = static_cast<T>(random() % 100);
    want = got;
    std::vector<int64_t> rows(200);
    for (int64_t& r : rows) r = random() % 20;
    kernels().move.scatter_add_rows[index(t)](got.data(), src.data(), rows.data(), 200, cols);
    for (int64_t i = 0; i < 200; ++i) {
      for (int64_t j = 0; j < cols; ++j) {
        T& to = want[rows[i] * cols + j];
        to = static_cast<T>(static_cast<U>(to) + static_cast<U>(src[i * cols + j]));
      }
    }
    EXPECT_EQ(got, want) << name(t) << " " << cols;
  }
}
TEST_P(Move, ScatterAddRows) {
  check_scatter<int8_t>(DType::I8);
  check_scatter<int16_t>(DType::I16);
  check_scatter<int32_t>(DType::I32);
  check_scatter<int64_t>(DType::I64);
  check_scatter<uint8_t>(DType::U8);
  check_scatter<uint16_t>(DType::U16);
  check_scatter<uint32_t>(DType::U32);
  check_scatter<uint64_t>(DType::U64);
  check_scatter<float>(DType::F32);
  check_scatter<double>(DType::F64);
}

INSTANTIATE_TEST_SUITE_P(Levels, Move, testing::ValuesIn(levels()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace chainrule
