// Softmax and its losses against the formulas in long double, for every level, type and kind of strip.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "each_isa.h"
#include "kernels/table.h"

namespace chainrule {
namespace {

using Real = long double;

// Row by row by the definitions, with nothing shared with the kernels.
struct Reference {
  std::int64_t rows, cols;
  std::vector<Real> softmax, log_softmax, logsumexp;

  template <class T>
  Reference(const std::vector<T>& x, std::int64_t rows_, std::int64_t cols_) : rows(rows_), cols(cols_) {
    for (std::int64_t i = 0; i < rows; ++i) {
      Real max = x[static_cast<std::size_t>(i * cols)], total = 0;
      for (std::int64_t j = 0; j < cols; ++j) max = std::max(max, Real(x[static_cast<std::size_t>(i * cols + j)]));
      for (std::int64_t j = 0; j < cols; ++j) total += std::exp(Real(x[static_cast<std::size_t>(i * cols + j)]) - max);
      logsumexp.push_back(std::log(total) + max);
      for (std::int64_t j = 0; j < cols; ++j) {
        const Real shifted = Real(x[static_cast<std::size_t>(i * cols + j)]) - max;
        softmax.push_back(std::exp(shifted) / total);
        log_softmax.push_back(shifted - std::log(total));
      }
    }
  }
};

template <class T>
std::vector<T> random_values(std::int64_t n, double scale, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal(0, scale);
  std::vector<T> values(static_cast<std::size_t>(n));
  for (T& value : values) value = static_cast<T>(normal(random));
  return values;
}

template <class T>
void expect_close(const std::vector<T>& got, const std::vector<Real>& want, double relative, double absolute) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<double>(got[i]), static_cast<double>(want[i]),
                relative * std::fabs(static_cast<double>(want[i])) + absolute)
        << "element " << i;
  }
}

// Wide rows and narrow ones, empty lanes, single columns, rows longer than a block of sums.
const std::int64_t kShapes[][2] = {{1, 1},   {3, 1},  {5, 2},  {32, 10}, {33, 10},  {7, 16},   {1, 31},
                                   {17, 32}, {4, 33}, {3, 64}, {5, 100}, {2, 1000}, {1, 5003}, {0, 10}};

template <class T>
class Rows : public testing::Test {
 public:
  static constexpr int kIndex = sizeof(T) == 4 ? 0 : 1;
  static constexpr double kEpsilon = std::numeric_limits<T>::epsilon();
};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Rows, Types);

TYPED_TEST(Rows, Forward) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (const auto& [rows, cols] : kShapes) {
      for (double scale : {1.0, 30.0}) {
        SCOPED_TRACE(testing::Message() << rows << "x" << cols << " scale " << scale);
        const auto n = static_cast<std::size_t>(rows * cols);
        const auto x = random_values<T>(rows * cols, scale, 1);
        const Reference want(x, rows, cols);
        std::vector<T> y(n), z(n), sums(static_cast<std::size_t>(rows));
        k.rows.softmax[Rows<T>::kIndex](y.data(), x.data(), rows, cols);
        // x - max is rounded once, which exp turns into a relative error of |x - max| / 2 units.
        expect_close(y, want.softmax, (4 + 8 * scale) * Rows<T>::kEpsilon, std::numeric_limits<T>::min());
        k.rows.log_softmax[Rows<T>::kIndex](z.data(), x.data(), rows, cols);
        expect_close(z, want.log_softmax, 2 * Rows<T>::kEpsilon, 4 * Rows<T>::kEpsilon * (1 + scale));
        k.rows.logsumexp[Rows<T>::kIndex](sums.data(), x.data(), rows, cols);
        expect_close(sums, want.logsumexp, 2 * Rows<T>::kEpsilon, 4 * Rows<T>::kEpsilon * (1 + scale));
        auto in_place = x;
        k.rows.softmax[Rows<T>::kIndex](in_place.data(), in_place.data(), rows, cols);
        EXPECT_EQ(in_place, y);
        in_place = x;
        k.rows.log_softmax[Rows<T>::kIndex](in_place.data(), in_place.data(), rows, cols);
        EXPECT_EQ(in_place, z);
      }
    }
  });
}

TYPED_TEST(Rows, Gradients) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (const auto& [rows, cols] : kShapes) {
      SCOPED_TRACE(testing::Message() << rows << "x" << cols);
      const auto n = static_cast<std::size_t>(rows * cols);
      const auto x = random_values<T>(rows * cols, 2, 1), g = random_values<T>(rows * cols, 1, 2);
      const Reference value(x, rows, cols);
      std::vector<T> y(n), log_y(n), dx(n), dz(n);
      k.rows.softmax[Rows<T>::kIndex](y.data(), x.data(), rows, cols);
      k.rows.log_softmax[Rows<T>::kIndex](log_y.data(), x.data(), rows, cols);
      // J^T g with the Jacobians written out: of softmax diag(p) - p p^T, of log_softmax I - 1 p^T.
      std::vector<Real> want(n, 0), want_log(n, 0);
      for (std::int64_t i = 0; i < rows; ++i) {
        Real gp = 0, total = 0;
        for (std::int64_t j = 0; j < cols; ++j) {
          const auto at = static_cast<std::size_t>(i * cols + j);
          gp += g[at] * value.softmax[at];
          total += g[at];
        }
        for (std::int64_t j = 0; j < cols; ++j) {
          const auto at = static_cast<std::size_t>(i * cols + j);
          want[at] = value.softmax[at] * (g[at] - gp);
          want_log[at] = g[at] - value.softmax[at] * total;
        }
      }
      k.rows.softmax_grad[Rows<T>::kIndex](dx.data(), y.data(), g.data(), rows, cols);
      expect_close(dx, want, 30 * Rows<T>::kEpsilon, 10 * Rows<T>::kEpsilon);
      k.rows.log_softmax_grad[Rows<T>::kIndex](dz.data(), log_y.data(), g.data(), rows, cols);
      expect_close(dz, want_log, 30 * Rows<T>::kEpsilon, 30 * Rows<T>::kEpsilon);
      auto in_place = g;
      k.rows.softmax_grad[Rows<T>::kIndex](in_place.data(), y.data(), in_place.data(), rows, cols);
      EXPECT_EQ(in_place, dx);
      in_place = g;
      k.rows.log_softmax_grad[Rows<T>::kIndex](in_place.data(), log_y.data(), in_place.data(), rows, cols);
      EXPECT_EQ(in_place, dz);
    }
  });
}

TYPED_TEST(Rows, SparseCrossEntropy) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (const auto& [rows, cols] : kShapes) {
      SCOPED_TRACE(testing::Message() << rows << "x" << cols);
      const auto n = static_cast<std::size_t>(rows * cols), m = static_cast<std::size_t>(rows);
      const auto x = random_values<T>(rows * cols, 3, 1), g = random_values<T>(rows, 1, 2);
      const Reference value(x, rows, cols);
      std::vector<std::int64_t> labels(m);
      std::vector<Real> want(m), want_dx(n);
      for (std::size_t i = 0; i < m; ++i) {
        labels[i] = static_cast<std::int64_t>(i * 7919) % cols;
        want[i] = -value.log_softmax[i * static_cast<std::size_t>(cols) + static_cast<std::size_t>(labels[i])];
        for (std::int64_t j = 0; j < cols; ++j) {
          const std::size_t at = i * static_cast<std::size_t>(cols) + static_cast<std::size_t>(j);
          want_dx[at] = (value.softmax[at] - (j == labels[i])) * g[i];
        }
      }
      std::vector<T> loss(m), loss_only(m), p(n), dx(n);
      EXPECT_EQ(
          k.rows.sparse_cross_entropy[Rows<T>::kIndex](loss.data(), p.data(), x.data(), labels.data(), rows, cols), -1);
      expect_close(loss, want, 4 * Rows<T>::kEpsilon, 20 * Rows<T>::kEpsilon);
      expect_close(p, value.softmax, 40 * Rows<T>::kEpsilon, 0);
      EXPECT_EQ(
          k.rows.sparse_cross_entropy[Rows<T>::kIndex](loss_only.data(), nullptr, x.data(), labels.data(), rows, cols),
          -1);
      EXPECT_EQ(loss_only, loss);
      k.rows.sparse_cross_entropy_grad[Rows<T>::kIndex](dx.data(), p.data(), labels.data(), g.data(), rows, cols);
      expect_close(dx, want_dx, 40 * Rows<T>::kEpsilon, 4 * Rows<T>::kEpsilon);
      k.rows.sparse_cross_entropy_grad[Rows<T>::kIndex](p.data(), p.data(), labels.data(), g.data(), rows, cols);
      EXPECT_EQ(p, dx);  // in place
    }
  });
}

TYPED_TEST(Rows, LabelsOutOfRangeAreReported) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (std::int64_t cols : {10, 100}) {
      const auto x = random_values<T>(40 * cols, 1, 1);
      std::vector<std::int64_t> labels(40, 3);
      std::vector<T> loss(40), p(x.size()), dx(x.size()), g(40, T(1));
      labels[21] = cols;
      labels[35] = -1;
      EXPECT_EQ(k.rows.sparse_cross_entropy[Rows<T>::kIndex](loss.data(), p.data(), x.data(), labels.data(), 40, cols),
                21);
      for (std::size_t i = 0; i < 40; ++i) EXPECT_EQ(std::isnan(loss[i]), i == 21 || i == 35) << i;
      k.rows.sparse_cross_entropy_grad[Rows<T>::kIndex](dx.data(), p.data(), labels.data(), g.data(), 40, cols);
    }
  });
}

TYPED_TEST(Rows, CrossEntropy) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (const auto& [rows, cols] : kShapes) {
      SCOPED_TRACE(testing::Message() << rows << "x" << cols);
      const auto n = static_cast<std::size_t>(rows * cols), m = static_cast<std::size_t>(rows);
      const auto x = random_values<T>(rows * cols, 3, 1), g = random_values<T>(rows, 1, 2);
      auto t = random_values<T>(rows * cols, 1, 3);  // targets needn't be a distribution
      for (T& target : t) target = target < 0 ? T(0) : target;
      const Reference value(x, rows, cols);
      std::vector<Real> want(m, 0), want_dx(n), size(m, 0);
      for (std::size_t i = 0; i < m; ++i) {
        Real total = 0;
        for (std::size_t j = 0; j < static_cast<std::size_t>(cols); ++j) {
          const std::size_t at = i * static_cast<std::size_t>(cols) + j;
          want[i] -= t[at] * value.log_softmax[at];
          total += t[at];
        }
        for (std::size_t j = 0; j < static_cast<std::size_t>(cols); ++j) {
          const std::size_t at = i * static_cast<std::size_t>(cols) + j;
          want_dx[at] = (value.softmax[at] * total - t[at]) * g[i];
        }
      }
      std::vector<T> loss(m), loss_only(m), p(n), dx(n);
      k.rows.cross_entropy[Rows<T>::kIndex](loss.data(), p.data(), x.data(), t.data(), rows, cols);
      expect_close(loss, want, 30 * Rows<T>::kEpsilon, 20 * Rows<T>::kEpsilon);
      expect_close(p, value.softmax, 40 * Rows<T>::kEpsilon, 0);
      k.rows.cross_entropy[Rows<T>::kIndex](loss_only.data(), nullptr, x.data(), t.data(), rows, cols);
      EXPECT_EQ(loss_only, loss);
      k.rows.cross_entropy_grad[Rows<T>::kIndex](dx.data(), p.data(), t.data(), g.data(), rows, cols);
      expect_close(dx, want_dx, 60 * Rows<T>::kEpsilon, 30 * Rows<T>::kEpsilon);
    }
  });
}

TYPED_TEST(Rows, InfiniteLogits) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  each_isa([&](const Kernels& k) {
    for (std::int64_t cols : {5, 32, 33, 70}) {
      SCOPED_TRACE(cols);
      const auto n = static_cast<std::size_t>(cols);
      std::vector<T> x(3 * n, T(0)), y(3 * n), sums(3), loss(3), p(3 * n);
      for (std::size_t j = 1; j < n; ++j) x[j] = -inf;      // all but one
      for (std::size_t j = 0; j < n; ++j) x[n + j] = -inf;  // all
      x[2 * n + 1] = inf;
      k.rows.softmax[Rows<T>::kIndex](y.data(), x.data(), 3, cols);
      EXPECT_EQ(y[0], T(1));
      for (std::size_t j = 1; j < n; ++j) EXPECT_EQ(y[j], T(0));
      for (std::size_t j = 0; j < n; ++j) EXPECT_TRUE(std::isnan(y[n + j]));
      k.rows.logsumexp[Rows<T>::kIndex](sums.data(), x.data(), 3, cols);
      EXPECT_EQ(sums[0], T(0));
      EXPECT_EQ(sums[1], -inf);
      EXPECT_EQ(sums[2], inf);
      std::vector<T> t(3 * n, T(0));
      t[0] = T(1);
      k.rows.cross_entropy[Rows<T>::kIndex](loss.data(), p.data(), x.data(), t.data(), 1, cols);
      EXPECT_EQ(loss[0], T(0));
      t[1] = T(1);  // a class held impossible was true
      k.rows.cross_entropy[Rows<T>::kIndex](loss.data(), p.data(), x.data(), t.data(), 1, cols);
      EXPECT_EQ(loss[0], inf);
    }
  });
}

TYPED_TEST(Rows, NanSpoilsItsRowOnly) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (std::int64_t cols : {5, 70}) {
      const auto n = static_cast<std::size_t>(cols);
      auto x = random_values<T>(3 * cols, 1, 1);
      x[n + 2] = std::numeric_limits<T>::quiet_NaN();
      std::vector<T> y(3 * n);
      k.rows.softmax[Rows<T>::kIndex](y.data(), x.data(), 3, cols);
      for (std::size_t i = 0; i < 3 * n; ++i) EXPECT_EQ(std::isnan(y[i]), i / n == 1);
    }
  });
}

// A row's bits may not depend on the rows around it, since threads cut the rows among them.
TYPED_TEST(Rows, AnyCutGivesTheSameBits) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (std::int64_t cols : {1, 10, 32, 33, 100}) {
      SCOPED_TRACE(cols);
      const std::int64_t rows = 37;
      const auto x = random_values<T>(rows * cols, 2, 1), t = random_values<T>(rows * cols, 2, 1);
      std::vector<T> whole(x.size()), parts(x.size()), loss(rows), loss_parts(rows);
      k.rows.softmax[Rows<T>::kIndex](whole.data(), x.data(), rows, cols);
      k.rows.cross_entropy[Rows<T>::kIndex](loss.data(), nullptr, x.data(), t.data(), rows, cols);
      for (std::int64_t first = 0, count = 1; first < rows; first += count, count = std::min(count + 2, rows - first)) {
        const std::int64_t at = first * cols;
        k.rows.softmax[Rows<T>::kIndex](parts.data() + at, x.data() + at, count, cols);
        k.rows.cross_entropy[Rows<T>::kIndex](loss_parts.data() + first, nullptr, x.data() + at, t.data() + at, count,
                                              cols);
      }
      EXPECT_EQ(parts, whole);
      EXPECT_EQ(loss_parts, loss);
    }
  });
}

}  // namespace
}  // namespace chainrule
