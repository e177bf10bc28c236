// Elementwise kernels at every level: values of the exact ops against scalar references, and, for every op and type,
// that the bits of an element depend on neither its position, the length, the steps nor working in place. The accuracy
// of the functions is in test_math.cpp; moves and reductions are in test_move.cpp and test_reduce.cpp.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernel_levels.h"

namespace chainrule {
namespace {

struct Line {
  ElementwiseOp op;
  const char* name;
  int arity;
  bool to_bool;
};
enum Result { SAME, BOOL };
const Line kLines[] = {
#define CR_ELEMENTWISE(name, arity, types, result, ...) {ElementwiseOp::name, #name, arity, result == BOOL},
#include "kernels/elementwise.def"
#undef CR_ELEMENTWISE
};

ElementwiseFn kernel_of(ElementwiseOp op, DType t) { return kernels().elementwise[static_cast<int>(op)][index(t)]; }

// Bytes of `count` values of a type: special values first, then random ones.
template <class T>
std::vector<T> values(int64_t count, uint64_t seed) {
  std::mt19937_64 bits(seed);
  std::vector<T> x;
  using Limits = std::numeric_limits<T>;
  for (T v : {T(0), T(1), T(2), T(3), T(7), static_cast<T>(-1), static_cast<T>(-2), static_cast<T>(-7), Limits::max(),
              Limits::lowest()}) {
    x.push_back(v);
  }
  if constexpr (std::is_floating_point_v<T>) {
    for (T v : {T(-0.0), T(0.5), T(-1.5), T(2.5), Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(),
                Limits::min(), Limits::denorm_min(), T(1e9)}) {
      x.push_back(v);
    }
  } else {
    for (int shift : {4, 8, 31, 63, 64}) x.push_back(static_cast<T>(shift));
  }
  std::shuffle(x.begin(), x.end(), bits);
  std::uniform_real_distribution<double> moderate(-30, 30);
  while (static_cast<int64_t>(x.size()) < count) {
    if constexpr (std::is_floating_point_v<T>) {
      x.push_back(static_cast<T>(moderate(bits)));
    } else {
      x.push_back(static_cast<T>(bits() >> (bits() % 60)));
    }
  }
  return x;
}
std::vector<uint8_t> bytes_of(DType t, int64_t count, uint64_t seed) {
  const auto raw = [](const auto& x) {
    std::vector<uint8_t> bytes(x.size() * sizeof x[0]);
    std::memcpy(bytes.data(), x.data(), bytes.size());
    return bytes;
  };
  switch (t) {
    case DType::Bool: {
      std::vector<uint8_t> x = values<uint8_t>(count, seed);
      for (uint8_t& v : x) v &= 1;
      return x;
    }
    case DType::F16:
    case DType::BF16: {  // any finite ones: which of two NaNs a sum keeps is nobody's promise
      std::vector<uint16_t> x = values<uint16_t>(count, seed);
      const uint16_t exponent = t == DType::F16 ? 0x7C00 : 0x7F80;
      for (uint16_t& v : x)
        if ((v & exponent) == exponent) v ^= exponent & -exponent;
      return raw(x);
    }
    case DType::I8:
      return raw(values<int8_t>(count, seed));
    case DType::I16:
      return raw(values<int16_t>(count, seed));
    case DType::I32:
      return raw(values<int32_t>(count, seed));
    case DType::I64:
      return raw(values<int64_t>(count, seed));
    case DType::U8:
      return raw(values<uint8_t>(count, seed));
    case DType::U16:
      return raw(values<uint16_t>(count, seed));
    case DType::U32:
      return raw(values<uint32_t>(count, seed));
    case DType::U64:
      return raw(values<uint64_t>(count, seed));
    case DType::F32:
      return raw(values<float>(count, seed));
    default:
      return raw(values<double>(count, seed));
  }
}

class Elementwise : public EachLevel {};

TEST_P(Elementwise, EveryLineHasTheKernelsOfItsTypes) {
  for (const Line& line : kLines)
    EXPECT_NE(kernel_of(line.op, DType::F32) == nullptr, kernel_of(line.op, DType::F64) != nullptr) << line.name;
  EXPECT_NE(kernel_of(ElementwiseOp::add, DType::Bool), nullptr);
  EXPECT_EQ(kernel_of(ElementwiseOp::subtract, DType::Bool), nullptr);
  EXPECT_EQ(kernel_of(ElementwiseOp::exp, DType::I32), nullptr);
  EXPECT_EQ(kernel_of(ElementwiseOp::bitwise_and, DType::F32), nullptr);
}

TEST_P(Elementwise, BitsDependOnTheElementAlone) {
  const int64_t lanes = kernels().vector_bytes, total = 2 * lanes + 3 + 40;
  for (const Line& line : kLines) {
    for (int t = 0; t < kDTypes; ++t) {
      const DType dtype = static_cast<DType>(t);
      const ElementwiseFn fn = kernel_of(line.op, dtype);
      if (!fn) continue;
      SCOPED_TRACE(std::string(line.name) + " " + name(dtype));
      const int64_t in_size = itemsize(dtype), out_size = line.to_bool ? 1 : in_size;
      std::vector<uint8_t> x[3];
      int64_t size[3];
      for (int k = 0; k < line.arity; ++k) {
        const bool condition = line.arity == 3 && k == 0;
        x[k] = bytes_of(condition ? DType::Bool : dtype, total, 10 + k);
        size[k] = condition ? 1 : in_size;
      }
      // The reference: one element a call.
      for (int steps = 0; steps < 1 << line.arity; ++steps) {
        int64_t step[3] = {};
        for (int k = 0; k < line.arity; ++k) step[k] = steps >> k & 1;
        std::vector<uint8_t> want(total * out_size);
        for (int64_t i = 0; i < total; ++i) {
          const void* in[3] = {};
          for (int k = 0; k < line.arity; ++k) in[k] = x[k].data() + step[k] * i * size[k];
          fn(want.data() + i * out_size, in, step, 1);
        }
        for (int64_t n = 1; n <= total - 40; n += n < 2 * lanes / in_size + 3 ? 1 : 13) {
          const int64_t first = n % 37;
          std::vector<uint8_t> got(n * out_size + 64, 0xA5);
          const void* in[3] = {};
          for (int k = 0; k < line.arity; ++k) in[k] = x[k].data() + step[k] * first * size[k];
          fn(got.data(), in, step, n);
          ASSERT_EQ(std::memcmp(got.data(), want.data() + first * out_size, n * out_size), 0)
              << "n " << n << " steps " << steps;
          ASSERT_TRUE(std::all_of(got.begin() + n * out_size, got.end(), [](uint8_t v) { return v == 0xA5; }))
              << "wrote past n " << n;
        }
        for (int k = 0; k < line.arity; ++k) {  // in place of each input that walks
          if (step[k] == 0 || size[k] != out_size) continue;
          std::vector<uint8_t> own = x[k];
          const void* in[3] = {};
          for (int j = 0; j < line.arity; ++j) in[j] = j == k ? own.data() : x[j].data();
          fn(own.data(), in, step, total);
          ASSERT_EQ(std::memcmp(own.data(), want.data(), want.size()), 0) << "in place of " << k << " steps " << steps;
        }
      }
    }
  }
}

// Divided by one number, with every kind of number: the bits of the processor's own division.
template <class T>
void check_division_by_number(uint64_t seed) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  const ElementwiseFn divide = kernel_of(ElementwiseOp::divide, sizeof(T) == 4 ? DType::F32 : DType::F64);
  std::mt19937_64 random(seed);
  const auto any_number = [&] {
    const Bits bits = static_cast<Bits>(random());
    T x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  };
  std::uniform_real_distribution<double> exponent(-40, 40);
  const int64_t n = 4000;
  for (int round = 0; round < 60; ++round) {
    std::vector<T> x = values<T>(n, random()), got(n);
    for (int64_t i = round % 3; i < n; i += 1 + round % 3) {
      if (round % 2 == 1) x[i] = any_number();
      if (round % 5 == 1) x[i] = static_cast<T>(std::exp2(exponent(random)));
    }
    if (round % 6 == 4) std::fill(x.begin() + n / 2, x.end(), T(-0.0));
    const T y = round % 4 == 0   ? any_number()
                : round % 4 == 1 ? static_cast<T>(1 + random() % 5000)
                                 : static_cast<T>(std::exp2(exponent(random)));
    const void* in[] = {x.data(), &y};
    const int64_t step[] = {1, 0};
    divide(got.data(), in, step, n);
    for (int64_t i = 0; i < n; ++i) {
      const T want = x[i] / y;
      ASSERT_TRUE(std::memcmp(&got[i], &want, sizeof want) == 0 || (std::isnan(got[i]) && std::isnan(want)))
          << x[i] << " / " << y << " is " << want << ", not " << got[i];
    }
  }
}
TEST_P(Elementwise, DivisionByOneNumber) {
  check_division_by_number<float>(1);
  check_division_by_number<double>(2);
}

// ---- integers against 128-bit arithmetic
using Wide = __int128;

template <class T>
Wide integer_reference(ElementwiseOp op, T a_, T b_) {
  const Wide a = a_, b = b_;
  constexpr Wide width = 8 * sizeof(T);
  const Wide floored = b == 0 ? 0 : a / b - ((a % b != 0) && ((a % b < 0) != (b < 0)));
  const bool great_shift = b < 0 || b >= width;
  switch (op) {
    case ElementwiseOp::add:
      return a + b;
    case ElementwiseOp::subtract:
      return a - b;
    case ElementwiseOp::multiply:
      return static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b));
    case ElementwiseOp::floor_divide:
      return floored;
    case ElementwiseOp::remainder:
      return b == 0 ? 0 : a - floored * b;
    case ElementwiseOp::fmod:
      return b == 0 ? 0 : a % b;
    case ElementwiseOp::power: {
      if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
      unsigned __int128 result = 1, base = static_cast<unsigned __int128>(a);
      for (Wide e = b; e > 0; e /= 2, base *= base) {
        if (e % 2) result *= base;
      }
      return static_cast<Wide>(result);
    }
    case ElementwiseOp::negative:
      return -a;
    case ElementwiseOp::absolute:
      return a < 0 ? -a : a;
    case ElementwiseOp::sign:
      return (a > 0) - (a < 0);
    case ElementwiseOp::square:
      return static_cast<Wide>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(a));
    case ElementwiseOp::maximum:
    case ElementwiseOp::fmax:
      return a > b ? a : b;
    case ElementwiseOp::minimum:
    case ElementwiseOp::fmin:
      return a < b ? a : b;
    case ElementwiseOp::relu:
      return a > 0 ? a : 0;
    case ElementwiseOp::floor:
    case ElementwiseOp::ceil:
    case ElementwiseOp::trunc:
      return a;
    case ElementwiseOp::bitwise_and:
      return a & b;
    case ElementwiseOp::bitwise_or:
      return a | b;
    case ElementwiseOp::bitwise_xor:
      return a ^ b;
    case ElementwiseOp::invert:
      return ~a;
    case ElementwiseOp::left_shift:
      return great_shift ? 0 : static_cast<Wide>(static_cast<unsigned __int128>(a) << static_cast<int>(b));
    case ElementwiseOp::right_shift:
      return great_shift ? (a < 0 ? -1 : 0) : a >> static_cast<int>(b);
    case ElementwiseOp::equal:
      return a == b;
    case ElementwiseOp::not_equal:
      return a != b;
    case ElementwiseOp::less:
      return a < b;
    case ElementwiseOp::less_equal:
      return a <= b;
    case ElementwiseOp::greater:
      return a > b;
    case ElementwiseOp::greater_equal:
      return a >= b;
    case ElementwiseOp::logical_and:
      return a != 0 && b != 0;
    case ElementwiseOp::logical_or:
      return a != 0 || b != 0;
    case ElementwiseOp::logical_xor:
      return (a != 0) != (b != 0);
    case ElementwiseOp::logical_not:
      return a == 0;
    default:
      ADD_FAILURE() << "no reference for op " << static_cast<int>(op);
      return 0;
  }
}
template <class T>
void check_integers(DType dtype) {
  const std::vector<T> first = values<T>(200, 1), second = values<T>(200, 2);
  std::vector<T> a, b;
  for (T x : first) {
    for (T y : second) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  const int64_t n = static_cast<int64_t>(a.size()), step[3] = {1, 1, 1};
  for (const Line& line : kLines) {
    const ElementwiseFn fn = kernel_of(line.op, dtype);
    if (!fn || line.arity == 3) continue;
    const void* in[] = {a.data(), b.data()};
    std::vector<T> same(n);
    std::vector<uint8_t> truth(n);
    fn(line.to_bool ? static_cast<void*>(truth.data()) : same.data(), in, step, n);
    for (int64_t i = 0; i < n; ++i) {
      const T want = static_cast<T>(integer_reference<T>(line.op, a[i], b[i]));
      const T got = line.to_bool ? static_cast<T>(truth[i]) : same[i];
      ASSERT_EQ(+got, +want) << line.name << " " << name(dtype) << " of " << +a[i] << ", " << +b[i];
    }
  }
}
TEST_P(Elementwise, Integers) {
  check_integers<int8_t>(DType::I8);
  check_integers<int16_t>(DType::I16);
  check_integers<int32_t>(DType::I32);
  check_integers<int64_t>(DType::I64);
  check_integers<uint8_t>(DType::U8);
  check_integers<uint16_t>(DType::U16);
  check_integers<uint32_t>(DType::U32);
  check_integers<uint64_t>(DType::U64);
}

TEST_P(Elementwise, TruthValues) {
  const uint8_t a[] = {0, 0, 1, 1}, b[] = {0, 1, 0, 1};
  const auto check = [&](ElementwiseOp op, std::vector<uint8_t> want) {
    const void* in[] = {a, b};
    const int64_t step[] = {1, 1};
    std::vector<uint8_t> got(4);
    kernel_of(op, DType::Bool)(got.data(), in, step, 4);
    EXPECT_EQ(got, want) << static_cast<int>(op);
  };
  for (ElementwiseOp op : {ElementwiseOp::add, ElementwiseOp::maximum, ElementwiseOp::fmax, ElementwiseOp::logical_or,
                           ElementwiseOp::bitwise_or}) {
    check(op, {0, 1, 1, 1});
  }
  for (ElementwiseOp op : {ElementwiseOp::multiply, ElementwiseOp::minimum, ElementwiseOp::fmin,
                           ElementwiseOp::logical_and, ElementwiseOp::bitwise_and}) {
    check(op, {0, 0, 0, 1});
  }
  for (ElementwiseOp op : {ElementwiseOp::not_equal, ElementwiseOp::logical_xor, ElementwiseOp::bitwise_xor})
    check(op, {0, 1, 1, 0});
  for (ElementwiseOp op : {ElementwiseOp::logical_not, ElementwiseOp::invert}) check(op, {1, 1, 0, 0});
  check(ElementwiseOp::equal, {1, 0, 0, 1});
  check(ElementwiseOp::less, {0, 1, 0, 0});
  check(ElementwiseOp::less_equal, {1, 1, 0, 1});
  check(ElementwiseOp::greater, {0, 0, 1, 0});
  check(ElementwiseOp::greater_equal, {1, 0, 1, 1});
  check(ElementwiseOp::absolute, {0, 0, 1, 1});
}

// ---- floats: the ops whose result is one correctly rounded operation, or a choice
template <class T>
T float_reference(ElementwiseOp op, T a, T b, bool& known) {
  constexpr T nan = std::numeric_limits<T>::quiet_NaN();
  const bool unordered = std::isnan(a) || std::isnan(b);
  known = true;
  switch (op) {
    case ElementwiseOp::add:
      return a + b;
    case ElementwiseOp::subtract:
      return a - b;
    case ElementwiseOp::multiply:
      return a * b;
    case ElementwiseOp::divide:
      return a / b;
    case ElementwiseOp::negative:
      return -a;
    case ElementwiseOp::absolute:
      return std::fabs(a);
    case ElementwiseOp::sign:
      return std::isnan(a) ? nan : T((a > 0) - (a < 0));
    case ElementwiseOp::square:
      return a * a;
    case ElementwiseOp::reciprocal:
      return 1 / a;
    case ElementwiseOp::sqrt:
      return std::sqrt(a);
    case ElementwiseOp::maximum:
      return unordered ? nan : a > b ? a : b;
    case ElementwiseOp::minimum:
      return unordered ? nan : a < b ? a : b;
    case ElementwiseOp::fmax:
      return std::fmax(a, b);
    case ElementwiseOp::fmin:
      return std::fmin(a, b);
    case ElementwiseOp::relu:
      return std::isnan(a) ? nan : a > 0 ? a : T(0);
    case ElementwiseOp::leaky_relu:
      return a > 0 ? a : b * a;
    case ElementwiseOp::floor:
      return std::floor(a);
    case ElementwiseOp::ceil:
      return std::ceil(a);
    case ElementwiseOp::rint:
      return std::nearbyint(a);
    case ElementwiseOp::trunc:
      return std::trunc(a);
    case ElementwiseOp::copysign:
      return std::copysign(a, b);
    case ElementwiseOp::signbit:
      return std::signbit(a);
    case ElementwiseOp::isnan:
      return std::isnan(a);
    case ElementwiseOp::isinf:
      return std::isinf(a);
    case ElementwiseOp::isfinite:
      return std::isfinite(a);
    case ElementwiseOp::equal:
      return a == b;
    case ElementwiseOp::not_equal:
      return a != b;
    case ElementwiseOp::less:
      return a < b;
    case ElementwiseOp::less_equal:
      return a <= b;
    case ElementwiseOp::greater:
      return a > b;
    case ElementwiseOp::greater_equal:
      return a >= b;
    case ElementwiseOp::logical_and:
      return a != 0 && b != 0;
    case ElementwiseOp::logical_or:
      return a != 0 || b != 0;
    case ElementwiseOp::logical_xor:
      return (a != 0) != (b != 0);
    case ElementwiseOp::logical_not:
      return a == 0;
    case ElementwiseOp::floor_divide: {  // NumPy's: from the exact remainder
      if (b == 0 || unordered) return a / b;
      T r = std::fmod(a, b), q = (a - r) / b;
      if (r != 0 && (r < 0) != (b < 0)) q -= 1;
      if (q == 0) return std::copysign(T(0), a / b);
      const T whole = std::floor(q);
      return q - whole > T(0.5) ? whole + 1 : whole;
    }
    default:
      known = false;
      return 0;
  }
}
template <class T>
void check_floats(DType dtype) {
  const std::vector<T> first = values<T>(200, 3), second = values<T>(200, 4);
  std::vector<T> a, b;
  for (T x : first) {
    for (T y : second) {
      a.push_back(x);
      b.push_back(y);
    }
  }
  const int64_t n = static_cast<int64_t>(a.size()), step[3] = {1, 1, 1};
  int checked = 0;
  for (const Line& line : kLines) {
    if (line.arity == 3) continue;
    bool known;
    float_reference<T>(line.op, 1, 1, known);
    if (!known) continue;
    ++checked;
    const void* in[] = {a.data(), b.data()};
    std::vector<T> same(n);
    std::vector<uint8_t> truth(n);
    kernel_of(line.op, dtype)(line.to_bool ? static_cast<void*>(truth.data()) : same.data(), in, step, n);
    for (int64_t i = 0; i < n; ++i) {
      const T want = float_reference(line.op, a[i], b[i], known),
              got = line.to_bool ? static_cast<T>(truth[i]) : same[i];
      if (std::isnan(want) && std::isnan(got)) continue;
      // Which zero a choice between -0 and 0 gives is left open, as in C.
      const bool choice = line.op == ElementwiseOp::fmax || line.op == ElementwiseOp::fmin ||
                          line.op == ElementwiseOp::relu || line.op == ElementwiseOp::maximum ||
                          line.op == ElementwiseOp::minimum;
      ASSERT_TRUE(got == want && (choice || std::signbit(got) == std::signbit(want)))
          << line.name << " " << name(dtype) << " of " << a[i] << ", " << b[i] << " got " << got << " want " << want;
    }
  }
  EXPECT_EQ(checked, 36);
}
TEST_P(Elementwise, Floats) {
  check_floats<float>(DType::F32);
  check_floats<double>(DType::F64);
}

TEST_P(Elementwise, Where) {
  const std::vector<double> a = values<double>(300, 5), b = values<double>(300, 6);
  std::vector<uint8_t> condition(300);
  for (int i = 0; i < 300; ++i) condition[i] = i % 3 == 0;
  std::vector<double> y(300);
  const void* in[] = {condition.data(), a.data(), b.data()};
  const int64_t step[] = {1, 1, 1};
  kernel_of(ElementwiseOp::where, DType::F64)(y.data(), in, step, 300);
  for (int i = 0; i < 300; ++i) EXPECT_EQ(std::memcmp(&y[i], condition[i] ? &a[i] : &b[i], 8), 0) << i;
}

INSTANTIATE_TEST_SUITE_P(Levels, Elementwise, testing::ValuesIn(levels()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace chainrule
