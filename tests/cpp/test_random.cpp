// Random numbers: the bits against the published vectors of Philox, each number against its definition from the bits,
// and the distributions against what theory says of a million numbers.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/philox.h"
#include "each_isa.h"
#include "kernels/table.h"

namespace chainrule {
namespace {

// Known answers published with the Random123 library (file kat_vectors, philox4x32-10).
TEST(Philox, KnownAnswers) {
  const auto expect = [](uint64_t seed, uint64_t counter, uint64_t index, std::vector<uint32_t> want) {
    const PhiloxBlock block = philox(seed, counter, index);
    EXPECT_EQ(std::vector<uint32_t>(block.word, block.word + 4), want);
  };
  expect(0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  expect(~0ull, ~0ull, ~0ull, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  expect(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

uint32_t word(uint64_t seed, uint64_t counter, int64_t i) {
  return philox(seed, counter, static_cast<uint64_t>(i / 4)).word[i % 4];
}
uint64_t bits(uint64_t seed, uint64_t counter, int64_t i) {
  return word(seed, counter, 2 * i) | static_cast<uint64_t>(word(seed, counter, 2 * i + 1)) << 32;
}

const int64_t kFirsts[] = {0, 1, 2, 3, 17, 1000003, (int64_t{1} << 33) + 5, (int64_t{1} << 61) + 1};

TEST(Random, BitsArePhilox) {
  each_isa([](const Kernels& k) {
    for (int64_t first : kFirsts) {
      for (int64_t n : {0, 1, 2, 15, 127, 128, 1000}) {
        std::vector<uint64_t> got(static_cast<std::size_t>(n));
        k.random.bits(got.data(), 0x123456789abcdef0, 0xfedcba9876543210, first, n);
        for (int64_t i = 0; i < n; ++i) {
          ASSERT_EQ(got[static_cast<std::size_t>(i)], bits(0x123456789abcdef0, 0xfedcba9876543210, first + i))
              << first << " + " << i;
        }
      }
    }
  });
}

TEST(Random, UniformByDefinition) {
  each_isa([](const Kernels& k) {
    for (int64_t first : kFirsts) {
      std::vector<float> f(500);
      std::vector<double> d(500);
      k.random.uniform[0](f.data(), 3, 4, first, 500);
      k.random.uniform[1](d.data(), 3, 4, first, 500);
      for (int64_t i = 0; i < 500; ++i) {
        ASSERT_EQ(f[static_cast<std::size_t>(i)], static_cast<float>(word(3, 4, first + i) >> 8) * 0x1p-24f);
        ASSERT_EQ(d[static_cast<std::size_t>(i)], static_cast<double>(bits(3, 4, first + i) >> 11) * 0x1p-53);
      }
    }
  });
}

// The quantile of the lower tail's p <= 1/2, by Newton's method on erfc in long double.
long double lower_quantile(long double p) {
  const long double root_half = std::sqrt(0.5L), pi = std::acos(-1.0L);
  long double z = p < 0.1L ? -std::sqrt(-2 * std::log(p)) + 0.5L : 0;
  for (int i = 0; i < 100; ++i) {
    const long double density = std::exp(-z * z / 2) / std::sqrt(2 * pi);
    // With its second-order term, and the error function itself near the middle where erfc - 1 would cancel.
    const long double excess = p > 0.3L ? std::erf(z * root_half) / 2 + (0.5L - p) : std::erfc(-z * root_half) / 2 - p;
    const long double step = excess / density;
    const long double next = z - step / (1 + step * z / 2);
    if (std::fabs(next - z) <= 1e-18L * std::fabs(z)) return next;
    z = next;
  }
  return z;
}

double normal_from_word(uint32_t w) {
  const bool upper = w >> 31;
  return static_cast<double>((upper ? -1 : 1) * lower_quantile(((upper ? ~w : w) + 0.5L) * 0x1p-32L));
}
double normal_from_bits(uint64_t b) {
  const bool upper = b >> 63;
  return static_cast<double>((upper ? -1 : 1) * lower_quantile((((upper ? ~b : b) >> 11) + 0.5L) * 0x1p-53L));
}

TEST(Random, NormalByDefinition) {
  // The last two: words found by a search of stream (1, 2), the outermost and the innermost that are common enough.
  EXPECT_EQ(word(1, 2, 2556218467), 0x00000003u);
  EXPECT_EQ(word(1, 2, 1559797105), 0xffffffffu);
  EXPECT_EQ(word(1, 2, 1144884750), 0x7ffffffeu);
  EXPECT_EQ(word(1, 2, 1304082294), 0x80000000u);
  EXPECT_EQ(bits(1, 2, 1711059085), 0x0000000369f5b27cu);
  EXPECT_NEAR(normal_from_word(0xffffffffu), 6.3379, 1e-4);  // 1 - p = 2^-33
  each_isa([](const Kernels& k) {
    for (int64_t first :
         {int64_t{0}, int64_t{5}, int64_t{2556218467}, int64_t{1559797105}, int64_t{1144884750}, int64_t{1304082294}}) {
      const std::size_t n = 3001;
      std::vector<float> f(n);
      k.random.normal[0](f.data(), 1, 2, first, static_cast<int64_t>(n));
      for (std::size_t i = 0; i < n; ++i) {
        const double want = normal_from_word(word(1, 2, first + static_cast<int64_t>(i)));
        ASSERT_NEAR(f[i], want, 5e-7 * std::fabs(want)) << first << " + " << i;
      }
    }
    for (int64_t first : {int64_t{0}, int64_t{3}, int64_t{1711059085}}) {
      const std::size_t n = 3001;
      std::vector<double> d(n);
      k.random.normal[1](d.data(), 1, 2, first, static_cast<int64_t>(n));
      for (std::size_t i = 0; i < n; ++i) {
        const double want = normal_from_bits(bits(1, 2, first + static_cast<int64_t>(i)));
        ASSERT_NEAR(d[i], want, 4e-15 * std::fabs(want)) << first << " + " << i;
      }
    }
  });
}

template <class T>
class RandomOf : public testing::Test {
 public:
  static constexpr int kIndex = sizeof(T) == 4 ? 0 : 1;
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(RandomOf, Types);

TYPED_TEST(RandomOf, AnyCutGivesTheSameBits) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    const auto& r = k.random;
    const int64_t n = 1500;
    std::vector<T> x(n, T(2)), uniform(n), normal(n), dropped(n), u(n), z(n), d(n);
    r.uniform[RandomOf<T>::kIndex](uniform.data(), 5, 6, 7, n);
    r.normal[RandomOf<T>::kIndex](normal.data(), 5, 6, 7, n);
    r.dropout[RandomOf<T>::kIndex](dropped.data(), x.data(), 0.3, 1.5, 5, 6, 7, n);
    for (int64_t at = 0, count = 1; at < n; at += count, count = std::min(count + 3, n - at)) {
      r.uniform[RandomOf<T>::kIndex](u.data() + at, 5, 6, 7 + at, count);
      r.normal[RandomOf<T>::kIndex](z.data() + at, 5, 6, 7 + at, count);
      r.dropout[RandomOf<T>::kIndex](d.data() + at, x.data() + at, 0.3, 1.5, 5, 6, 7 + at, count);
    }
    EXPECT_EQ(u, uniform);
    EXPECT_EQ(z, normal);
    EXPECT_EQ(d, dropped);
  });
}

TYPED_TEST(RandomOf, DropoutFollowsTheUniformNumbers) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    const int64_t n = 2003;
    std::vector<T> x(n), u(n), y(n);
    for (int64_t i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
    k.random.uniform[RandomOf<T>::kIndex](u.data(), 8, 9, 11, n);
    for (double rate : {0.0, 0.1, 0.5, 0.9, 1.0}) {
      k.random.dropout[RandomOf<T>::kIndex](y.data(), x.data(), rate, 1.25, 8, 9, 11, n);
      for (std::size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(y[i], u[i] >= static_cast<T>(rate) ? x[i] * T(1.25) : T(0)) << i;
      auto in_place = x;
      k.random.dropout[RandomOf<T>::kIndex](in_place.data(), in_place.data(), rate, 1.25, 8, 9, 11, n);
      EXPECT_EQ(in_place, y);
    }
    x.assign(x.size(), std::numeric_limits<T>::quiet_NaN());  // what is dropped is 0, whatever it was
    k.random.dropout[RandomOf<T>::kIndex](y.data(), x.data(), 1.0, 1.0, 8, 9, 11, n);
    EXPECT_EQ(y, std::vector<T>(x.size(), T(0)));
  });
}

// The greatest distance between the empirical and the true distribution, times sqrt(n): above 1.95 once in a thousand
// streams. The streams are fixed, so the tests either pass for ever or never.
template <class T, class Distribution>
double kolmogorov_smirnov(std::vector<T> values, Distribution distribution) {
  std::sort(values.begin(), values.end());
  double distance = 0;
  const double n = static_cast<double>(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double p = distribution(static_cast<double>(values[i]));
    distance = std::max({distance, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  return distance * std::sqrt(n);
}

template <class T>
double mean_of(const std::vector<T>& values, int power) {
  double total = 0;
  for (T value : values) total += std::pow(static_cast<double>(value), power);
  return total / static_cast<double>(values.size());
}

TYPED_TEST(RandomOf, Distributions) {
  using T = TypeParam;
  const int64_t n = 1000000;
  const double sigma = 1 / std::sqrt(static_cast<double>(n));
  each_isa([&](const Kernels& k) {
    std::vector<T> u(n), z(n);
    k.random.uniform[RandomOf<T>::kIndex](u.data(), 42, 1, 0, n);
    EXPECT_GE(*std::min_element(u.begin(), u.end()), T(0));
    EXPECT_LT(*std::max_element(u.begin(), u.end()), T(1));
    EXPECT_LT(kolmogorov_smirnov(u, [](double x) { return x; }), 1.95);
    double correlation = 0;  // of neighbours, whose words come from one block
    for (std::size_t i = 1; i < u.size(); ++i)
      correlation += (u[i] - 0.5) * (u[i - 1] - 0.5) * 12 / static_cast<double>(n);
    EXPECT_LT(std::fabs(correlation), 4 * sigma);

    k.random.normal[RandomOf<T>::kIndex](z.data(), 42, 2, 0, n);
    EXPECT_LT(kolmogorov_smirnov(z, [](double x) { return std::erfc(-x * std::sqrt(0.5)) / 2; }), 1.95);
    EXPECT_LT(std::fabs(mean_of(z, 1)), 4 * sigma);
    EXPECT_LT(std::fabs(mean_of(z, 2) - 1), 4 * std::sqrt(2.0) * sigma);
    EXPECT_LT(std::fabs(mean_of(z, 3)), 4 * std::sqrt(15.0) * sigma);
    EXPECT_LT(std::fabs(mean_of(z, 4) - 3), 4 * std::sqrt(96.0) * sigma);
    const double far = std::erfc(4 * std::sqrt(0.5)) * static_cast<double>(n);  // beyond 4 on either side: about 63
    const auto count = std::count_if(z.begin(), z.end(), [](T x) { return std::fabs(x) > 4; });
    EXPECT_LT(std::fabs(static_cast<double>(count) - far), 4 * std::sqrt(far));
  });
}

TEST(Random, StreamsDiffer) {
  std::vector<float> a(1000), b(1000);
  kernels().random.uniform[0](a.data(), 1, 1, 0, 1000);
  for (auto [seed, counter] :
       {std::pair<uint64_t, uint64_t>{2, 1}, {1, 2}, {1, uint64_t{1} << 40 | 1}, {uint64_t{1} << 40 | 1, 1}}) {
    kernels().random.uniform[0](b.data(), seed, counter, 0, 1000);
    int equal = 0;
    for (std::size_t i = 0; i < a.size(); ++i) equal += a[i] == b[i];
    EXPECT_LE(equal, 1);
  }
}

}  // namespace
}  // namespace chainrule
