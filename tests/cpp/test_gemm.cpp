// Matrix multiplication against sums in a wider type, over shapes, strides, epilogues, thread counts and ISA levels.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "runtime/cpu.h"
#include "runtime/threads.h"
#include "tensor/gemm.h"

namespace chainrule {
namespace {

template <class T>
constexpr DType kDType = std::is_same_v<T, float> ? DType::F32 : DType::F64;
template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

std::mt19937_64& engine() {
  static std::mt19937_64 e(7);
  return e;
}
std::int64_t uniform(std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(engine());
}

// A matrix view inside a buffer of its own: the origin and both strides in elements.
template <class T>
struct Matrix {
  std::vector<T> data;
  std::int64_t origin = 0, row = 0, col = 0;
  const T* at(std::int64_t i, std::int64_t j) const { return data.data() + origin + i * row + j * col; }
};

enum class Layout { plain, transposed, padded, padded_transposed, every_second, reversed, one_row, one_col, one_value };
constexpr Layout kLayouts[] = {Layout::plain,        Layout::transposed, Layout::padded,  Layout::padded_transposed,
                               Layout::every_second, Layout::reversed,   Layout::one_row, Layout::one_col,
                               Layout::one_value};

template <class T>
Matrix<T> random_matrix(std::int64_t rows, std::int64_t cols, Layout layout) {
  Matrix<T> m;
  switch (layout) {
    case Layout::plain:
      m.row = cols, m.col = 1;
      break;
    case Layout::transposed:
      m.row = 1, m.col = rows;
      break;
    case Layout::padded:
      m.row = cols + 3, m.col = 1;
      break;
    case Layout::padded_transposed:
      m.row = 1, m.col = rows + 5;
      break;
    case Layout::every_second:
      m.row = 2 * cols + 1, m.col = 2;
      break;
    case Layout::reversed:
      m.row = -cols, m.col = -1;
      break;
    case Layout::one_row:
      m.row = 0, m.col = 1;
      break;
    case Layout::one_col:
      m.row = 1, m.col = 0;
      break;
    case Layout::one_value:
      m.row = 0, m.col = 0;
      break;
  }
  if (rows == 0 || cols == 0) {
    m.data.resize(1);
    return m;
  }
  const std::int64_t down = (rows - 1) * m.row, across = (cols - 1) * m.col;
  m.origin = -(std::min<std::int64_t>(down, 0) + std::min<std::int64_t>(across, 0));
  // Exactly as long as the view: a read beyond it is one the address sanitizer sees.
  m.data.resize(static_cast<std::size_t>(std::abs(down) + std::abs(across) + 1));
  std::uniform_real_distribution<T> values(-1, 1);
  for (T& x : m.data) x = values(engine());
  return m;
}

template <class T>
void square_all(void* out, const void* const* in, const std::int64_t*, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const T x = static_cast<const T*>(in[0])[i];
    static_cast<T*>(out)[i] = x * x;
  }
}

enum class Activation { none, relu, square };
struct Case {
  std::int64_t m, n, k;
  Layout a = Layout::plain, b = Layout::plain;
  std::int64_t c_padding = 0;
  bool accumulate = false, bias = false;
  Activation activation = Activation::none;
};

std::string describe(const Case& t) {
  return std::to_string(t.m) + "x" + std::to_string(t.k) + " @ " + std::to_string(t.k) + "x" + std::to_string(t.n) +
         " layouts " + std::to_string(static_cast<int>(t.a)) + " " + std::to_string(static_cast<int>(t.b)) +
         " padding " + std::to_string(t.c_padding) + (t.accumulate ? " accumulate" : "") + (t.bias ? " bias" : "") +
         " activation " + std::to_string(static_cast<int>(t.activation)) + " on " + kernels().isa;
}

template <class T>
Gemm shape_of(const Case& t, const Matrix<T>& a, const Matrix<T>& b) {
  Gemm g{};
  g.dtype = kDType<T>;
  g.m = t.m, g.n = t.n, g.k = t.k;
  g.a_row = a.row, g.a_col = a.col, g.b_row = b.row, g.b_col = b.col;
  g.c_row = t.n + t.c_padding;
  g.accumulate = t.accumulate;
  g.has_bias = t.bias;
  if (t.activation == Activation::square) g.activation = square_all<T>;
  if (t.activation == Activation::relu) {
    g.activation = kernels().elementwise[static_cast<int>(ElementwiseOp::relu)][index(kDType<T>)];
  }
  return g;
}

// Runs one case and compares `checks` elements (all, if it is negative) with a sum in a wider type.
template <class T>
void check(const Case& t, int checks = -1) {
  const Matrix<T> a = random_matrix<T>(t.m, t.k, t.a), b = random_matrix<T>(t.k, t.n, t.b);
  const std::int64_t c_row = t.n + t.c_padding;
  const Matrix<T> before =
      random_matrix<T>(std::max<std::int64_t>(t.m, 1), std::max<std::int64_t>(c_row, 1), Layout::plain);
  const Matrix<T> bias = random_matrix<T>(1, std::max<std::int64_t>(t.n, 1), Layout::plain);
  std::vector<T> c = before.data;
  gemm(shape_of(t, a, b), a.at(0, 0), b.at(0, 0), c.data(), bias.data.data());
  const T eps = std::numeric_limits<T>::epsilon();
  const auto element = [&](std::int64_t i, std::int64_t j) {
    Wide<T> sum = 0, size = 0;
    for (std::int64_t p = 0; p < t.k; ++p) {
      const Wide<T> term = static_cast<Wide<T>>(*a.at(i, p)) * *b.at(p, j);
      sum += term;
      size += std::abs(term);
    }
    const auto add = [&](T x) { sum += x, size += std::abs(x); };
    if (t.accumulate) add(before.data[i * c_row + j]);
    if (t.bias) add(bias.data[j]);
    Wide<T> bound = static_cast<Wide<T>>(t.k + 3) * eps * size;
    if (t.activation == Activation::relu && sum < 0) sum = 0;
    if (t.activation == Activation::square) {
      bound = bound * (2 * std::abs(sum) + bound) + eps * sum * sum;
      sum *= sum;
    }
    ASSERT_LE(std::abs(c[i * c_row + j] - sum), bound) << "element " << i << ", " << j << " of " << describe(t);
  };
  if (checks < 0) {
    for (std::int64_t i = 0; i < t.m; ++i) {
      for (std::int64_t j = 0; j < t.n; ++j) {
        element(i, j);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  } else {
    for (int s = 0; s < checks; ++s) element(uniform(0, t.m - 1), uniform(0, t.n - 1));
  }
  for (std::int64_t i = 0; i < t.m; ++i) {
    for (std::int64_t j = t.n; j < c_row; ++j) {
      ASSERT_EQ(c[i * c_row + j], before.data[i * c_row + j]) << "written between the rows: " << describe(t);
    }
  }
}

template <class T>
void check_on_every_isa(const Case& t, int checks = -1) {
  const std::string best = kernels().isa;
  const char* names[8];
  const int count = available_isas(names, 8);
  for (int i = 0; i < count; ++i) {
    set_isa(names[i]);
    check<T>(t, checks);
  }
  set_isa(best.c_str());
}

void check_both(const Case& t, int checks = -1) {
  check_on_every_isa<float>(t, checks);
  check_on_every_isa<double>(t, checks);
}

Layout random_layout() { return kLayouts[uniform(0, static_cast<std::int64_t>(std::size(kLayouts)) - 1)]; }
Case random_case(std::int64_t low, std::int64_t high) {
  Case t{uniform(low, high), uniform(low, high), uniform(low, high)};
  t.a = random_layout(), t.b = random_layout();
  t.c_padding = uniform(0, 2) * 3;
  t.accumulate = uniform(0, 1), t.bias = uniform(0, 1);
  t.activation = static_cast<Activation>(uniform(0, 2));
  return t;
}

// Every height, every width around the vectors and every short k, the rest drawn at random.
TEST(Gemm, SmallSizes) {
  for (std::int64_t m = 1; m <= 40; ++m) {
    for (std::int64_t n = 1; n <= 40; ++n) {
      Case t = random_case(1, 40);
      t.m = m, t.n = n;
      check_both(t);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Gemm, RandomShapesAndStrides) {
  for (int i = 0; i < 150; ++i) {
    check_both(random_case(0, 150), -1);
    if (HasFatalFailure()) return;
  }
}

TEST(Gemm, EveryPairOfLayouts) {
  for (Layout a : kLayouts) {
    for (Layout b : kLayouts) {
      for (const auto [m, n, k] :
           {std::array<std::int64_t, 3>{19, 70, 45}, {70, 19, 45}, {1, 50, 90}, {50, 1, 90}, {7, 600, 130}}) {
        Case t{m, n, k, a, b};
        t.bias = true;
        check_both(t);
        t.accumulate = true;
        t.activation = Activation::relu;
        check_both(t);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Gemm, NothingToSum) {
  for (const auto [m, n] : {std::array<std::int64_t, 2>{5, 33}, {1, 7}, {7, 1}, {0, 5}, {5, 0}, {0, 0}}) {
    for (int flags = 0; flags < 4; ++flags) {
      Case t{m, n, 0};
      t.accumulate = flags & 1, t.bias = flags & 2;
      check_both(t);
    }
  }
  check_both(Case{0, 5, 9});
  check_both(Case{5, 0, 9});
}

// Products of networks and of their backward passes.
TEST(Gemm, NetworkShapes) {
  const std::array<std::int64_t, 3> shapes[] = {{32, 128, 784},  {256, 512, 784}, {1, 1024, 1024},  {1024, 1, 1024},
                                                {32, 10, 128},   {128, 10, 32},   {784, 128, 32},   {1, 128, 784},
                                                {1024, 1024, 8}, {64, 256, 2048}, {300, 600, 1024}, {17, 1030, 2100}};
  for (const auto [m, n, k] : shapes) {
    for (Layout a : {Layout::plain, Layout::transposed}) {
      for (Layout b : {Layout::plain, Layout::transposed}) {
        Case t{m, n, k, a, b};
        check_both(t, 60);
        t.bias = true, t.activation = Activation::relu;
        check_both(t, 60);
        t.accumulate = true, t.activation = Activation::square;
        check_both(t, 60);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Larger than every block, so that all the loops run, with ragged ends.
TEST(Gemm, ManyBlocks) {
  for (Layout a : {Layout::plain, Layout::transposed}) {
    for (Layout b : {Layout::plain, Layout::transposed, Layout::every_second}) {
      Case t{1031, 1155, 2051, a, b};
      t.bias = true;
      t.activation = Activation::square;
      check<float>(t, 200);
      check<double>(t, 200);
      t.c_padding = 5;
      t.accumulate = true;
      check<float>(t, 200);
    }
  }
}

template <class T>
std::vector<T> product(const Case& t, const Matrix<T>& a, const Matrix<T>& b, const Matrix<T>& c,
                       const Matrix<T>& bias) {
  std::vector<T> out = c.data;
  gemm(shape_of(t, a, b), a.at(0, 0), b.at(0, 0), out.data(), bias.data.data());
  return out;
}

template <class T>
void check_threads(Case t) {
  const int threads = num_threads();
  const Matrix<T> a = random_matrix<T>(t.m, t.k, t.a), b = random_matrix<T>(t.k, t.n, t.b);
  const Matrix<T> c = random_matrix<T>(t.m, t.n, Layout::plain), bias = random_matrix<T>(1, t.n, Layout::plain);
  set_num_threads(1);
  const std::vector<T> expected = product(t, a, b, c, bias);
  for (int n : {2, 3, 8}) {
    set_num_threads(n);
    for (int repeat = 0; repeat < 3; ++repeat) {
      const std::vector<T> got = product(t, a, b, c, bias);
      ASSERT_EQ(0, std::memcmp(got.data(), expected.data(), expected.size() * sizeof(T)))
          << n << " threads: " << describe(t);
    }
  }
  set_num_threads(threads);
}

TEST(Gemm, SameBitsForAnyThreadCount) {
  const std::array<std::int64_t, 3> shapes[] = {{32, 128, 784},  {32, 784, 128},  {784, 128, 32},
                                                {1, 1024, 1024}, {1024, 1, 1024}, {300, 501, 1500},
                                                {257, 10, 999},  {63, 2047, 300}, {2000, 64, 70}};
  for (const auto [m, n, k] : shapes) {
    for (Layout a : {Layout::plain, Layout::transposed, Layout::every_second}) {
      for (Layout b : {Layout::plain, Layout::transposed, Layout::every_second}) {
        Case t{m, n, k, a, b};
        check_threads<float>(t);
        t.bias = t.accumulate = true;
        t.activation = Activation::relu;
        check_threads<double>(t);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// One chain of fused multiply-adds for each element, whatever the tiles (x86_64_v2 has no fused ones).
TEST(Gemm, SameBitsOnEveryLevelWithFusedMultiplyAdd) {
  const std::string best = kernels().isa;
  if (best != "x86_64_v4") GTEST_SKIP() << "one level with fused multiply-add at most: " << best;
  for (const auto [m, n, k] : {std::array<std::int64_t, 3>{45, 130, 77}, {600, 33, 1500}, {3, 200, 2500}}) {
    for (Layout b : {Layout::plain, Layout::transposed}) {
      const Case t{m, n, k, Layout::plain, b};
      const Matrix<float> x = random_matrix<float>(m, k, t.a), y = random_matrix<float>(k, n, t.b);
      const Matrix<float> c = random_matrix<float>(m, n, Layout::plain);
      const std::vector<float> expected = product(t, x, y, c, c);
      set_isa("x86_64_v3");
      const std::vector<float> got = product(t, x, y, c, c);
      set_isa(best.c_str());
      EXPECT_EQ(got, expected) << describe(t);
    }
  }
}

// The micro-kernels' own relu is the table's relu.
TEST(Gemm, ReluIsTheTableRelu) {
  const Matrix<float> a = random_matrix<float>(37, 41, Layout::plain), b = random_matrix<float>(41, 53, Layout::plain);
  const Matrix<float> c = random_matrix<float>(37, 53, Layout::plain);
  Case t{37, 53, 41};
  std::vector<float> expected = product(t, a, b, c, c);
  const void* in = expected.data();
  const std::int64_t step = 1;
  kernels().elementwise[static_cast<int>(ElementwiseOp::relu)][index(DType::F32)](expected.data(), &in, &step, 37 * 53);
  t.activation = Activation::relu;
  EXPECT_EQ(expected, product(t, a, b, c, c));
}

TEST(Gemm, NanAndInfinityPassThrough) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (Layout layout : {Layout::plain, Layout::transposed}) {
    Matrix<float> a = random_matrix<float>(20, 30, Layout::plain), b = random_matrix<float>(30, 40, layout);
    a.data[3 * 30 + 7] = nan;
    a.data[5 * 30 + 1] = inf;
    Case t{20, 40, 30, Layout::plain, layout};
    for (Activation activation : {Activation::none, Activation::relu}) {
      t.activation = activation;
      const std::vector<float> c = product(t, a, b, random_matrix<float>(20, 40, Layout::plain), b);
      for (int j = 0; j < 40; ++j) {
        EXPECT_TRUE(std::isnan(c[3 * 40 + j]));
        EXPECT_TRUE(std::isinf(c[5 * 40 + j]) || (activation == Activation::relu && c[5 * 40 + j] == 0));
        EXPECT_TRUE(std::isfinite(c[4 * 40 + j]));
      }
    }
  }
}

// Packed once, B gives the bits of B in place: for any number of rows, layout, epilogue and thread count.
template <class T>
void check_packed(std::int64_t n, std::int64_t k, Layout layout) {
  const Matrix<T> packs = random_matrix<T>(k, n, layout);
  Matrix<T> b = random_matrix<T>(k, n, Layout::plain);
  for (std::int64_t p = 0; p < k; ++p)
    for (std::int64_t j = 0; j < n; ++j) b.data[p * n + j] = *packs.at(p, j);
  std::vector<unsigned char> packed(packed_b_bytes(kDType<T>, k, n) + 64);
  void* const aligned = packed.data() + (64 - reinterpret_cast<std::uintptr_t>(packed.data()) % 64) % 64;
  pack_b(kDType<T>, k, n, packs.at(0, 0), packs.row, packs.col, aligned);
  for (std::int64_t m : {1, 2, 5, 32, 45, 300}) {
    Case t = random_case(1, 2);
    t.m = m, t.n = n, t.k = k;
    const Matrix<T> a = random_matrix<T>(m, k, t.a), bias = random_matrix<T>(1, n, Layout::plain);
    const Matrix<T> before = random_matrix<T>(m, n + t.c_padding, Layout::plain);
    Gemm g = shape_of(t, a, b);
    std::vector<T> expected = before.data, got = before.data;
    // One row in place is a row of dot products, which has an order of its own; a second row does not change the first.
    if (m == 1) {
      Case two = t;
      two.m = 2;
      Matrix<T> twice = random_matrix<T>(2, k, Layout::plain);
      for (std::int64_t p = 0; p < k; ++p) twice.data[p] = *a.at(0, p);
      Gemm both = shape_of(two, twice, b);
      expected.resize(2 * (n + t.c_padding));
      gemm(both, twice.at(0, 0), b.at(0, 0), expected.data(), bias.data.data());
      expected.resize(before.data.size());
    } else {
      gemm(g, a.at(0, 0), b.at(0, 0), expected.data(), bias.data.data());
    }
    g.b_packed = true;
    gemm(g, a.at(0, 0), aligned, got.data(), bias.data.data());
    ASSERT_EQ(0, std::memcmp(got.data(), expected.data(), got.size() * sizeof(T))) << describe(t);
  }
}

TEST(Gemm, PackedOnceEqualsInPlace) {
  const std::string best = kernels().isa;
  const char* names[8];
  const int count = available_isas(names, 8), threads = num_threads();
  for (int i = 0; i < count; ++i) {
    set_isa(names[i]);
    for (int n : {1, 3}) {
      set_num_threads(n);
      for (const auto [cols, k] : {std::array<std::int64_t, 2>{512, 128}, {33, 7}, {130, 2500}, {70, 1500}, {9, 1}}) {
        for (Layout layout : {Layout::plain, Layout::padded_transposed, Layout::every_second}) {
          check_packed<float>(cols, k, layout);
          check_packed<double>(cols, k, layout);
          if (HasFatalFailure()) break;
        }
      }
    }
    set_num_threads(threads);
  }
  set_isa(best.c_str());
}

TEST(Gemm, BatchEqualsSingleProducts) {
  struct Shape {
    std::int64_t batch, m, n, k;
  };
  for (const Shape s : {Shape{1, 9, 8, 7},
                        {64, 12, 12, 12},
                        {5, 100, 90, 80},
                        {33, 64, 64, 40},
                        {3, 1, 300, 200},
                        {7, 40, 1, 60},
                        {0, 3, 3, 3}}) {
    for (int broadcast = 0; broadcast < 3; ++broadcast) {
      for (Layout layout : {Layout::plain, Layout::transposed}) {
        const std::int64_t a_step = broadcast == 1 ? 0 : s.m * s.k, b_step = broadcast == 2 ? 0 : s.k * s.n,
                           c_step = s.m * s.n;
        const Matrix<float> a = random_matrix<float>(std::max<std::int64_t>(s.batch, 1), s.m * s.k, Layout::plain);
        const Matrix<float> b = random_matrix<float>(std::max<std::int64_t>(s.batch, 1), s.k * s.n, Layout::plain);
        const Matrix<float> bias = random_matrix<float>(1, s.n, Layout::plain);
        Matrix<float> one;
        one.row = layout == Layout::plain ? s.n : 1, one.col = layout == Layout::plain ? 1 : s.k;
        Matrix<float> left;
        left.row = s.k, left.col = 1;
        Case t{s.m, s.n, s.k};
        t.bias = true;
        const GemmPlan plan = plan_gemm(shape_of(t, left, one));
        std::vector<float> c(static_cast<std::size_t>(s.batch * c_step), -1), expected = c;
        run_gemm_batch(plan, s.batch, {a.data.data(), b.data.data(), c.data(), bias.data.data()}, a_step, b_step,
                       c_step);
        for (std::int64_t i = 0; i < s.batch; ++i) {
          run_gemm(plan, a.data.data() + i * a_step, b.data.data() + i * b_step, expected.data() + i * c_step,
                   bias.data.data());
        }
        EXPECT_EQ(c, expected) << s.batch << " of " << describe(t);
      }
    }
  }
}

}  // namespace
}  // namespace chainrule
