// The functions of simd/math.h against the C library in the next wider type: greatest error in units in the last place.
// Float functions of one argument are swept over every 97th bit pattern; CHAINRULE_SWEEP=1 sweeps all 2^32.
// CHAINRULE_ULP_TABLE=1 prints what was measured.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernel_levels.h"

namespace chainrule {
namespace {

using Real = long double;

// Distance of `got` from the true value, in units of the last place of T there. Infinite where they differ in kind.
template <class T, class Wide>
double ulp_error(T got, Wide want) {
  constexpr double different = std::numeric_limits<double>::infinity();
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) == std::isnan(got) ? 0 : different;
  const T rounded = static_cast<T>(want);
  if (want == 0) return got == 0 && std::signbit(got) == std::signbit(want) ? 0 : different;
  if (std::isinf(want) || (std::isinf(rounded) && std::isinf(got))) return got == rounded ? 0 : different;
  constexpr Wide greatest = std::numeric_limits<T>::max(), least = std::numeric_limits<T>::min();
  int exponent;
  std::frexp(std::fmin(std::fmax(std::fabs(want), least), greatest), &exponent);
  const Wide unit = std::ldexp(Wide(1), exponent - std::numeric_limits<T>::digits);
  // An infinity stands one unit beyond the greatest number.
  const Wide value = std::isinf(got) ? std::copysign(greatest + unit, Wide(got)) : Wide(got);
  return static_cast<double>(std::fabs(value - want) / unit);
}

struct Unary {
  ElementwiseOp op;
  const char* name;
  double float_bound, double_bound;
  double (*in_double)(double);
  Real (*in_real)(Real);
};
template <class W>
W sigmoid(W x) {
  return 1 / (1 + std::exp(-x));
}
template <class W>
W softplus(W x) {
  return std::fmax(x, W(0)) + std::log1p(std::exp(-std::fabs(x)));
}
template <class W>
W gelu(W x) {
  return std::isinf(x) ? (x > 0 ? x : W(-0.0))
                       : W(0.5) * x * std::erfc(-x * W(0.707106781186547524400844362104849039L));
}
template <class W>
W silu(W x) {
  return std::isinf(x) && x < 0 ? W(-0.0) : x / (1 + std::exp(-x));
}
template <class W>
W rsqrt(W x) {
  return 1 / std::sqrt(x);
}

#define UNARY(op, float_bound, double_bound, f) \
  {ElementwiseOp::op,                           \
   #op,                                         \
   float_bound,                                 \
   double_bound,                                \
   [](double x) -> double { return f(x); },     \
   [](Real x) -> Real { return f(x); }}
const Unary kUnary[] = {
    UNARY(exp, 2, 2, std::exp),       UNARY(exp2, 2, 2, std::exp2),     UNARY(expm1, 3, 3, std::expm1),
    UNARY(log, 2, 2, std::log),       UNARY(log2, 2, 2, std::log2),     UNARY(log10, 2, 2, std::log10),
    UNARY(log1p, 2, 2, std::log1p),   UNARY(sin, 2, 2, std::sin),       UNARY(cos, 2, 2, std::cos),
    UNARY(tan, 4, 4, std::tan),       UNARY(arcsin, 4, 4, std::asin),   UNARY(arccos, 4, 4, std::acos),
    UNARY(arctan, 3, 3, std::atan),   UNARY(sinh, 4, 4, std::sinh),     UNARY(cosh, 4, 4, std::cosh),
    UNARY(tanh, 4, 4, std::tanh),     UNARY(arcsinh, 4, 4, std::asinh), UNARY(arccosh, 4, 4, std::acosh),
    UNARY(arctanh, 4, 4, std::atanh), UNARY(erf, 3, 3, std::erf),       UNARY(erfc, 4, 4, std::erfc),
    UNARY(sigmoid, 3, 3, sigmoid),    UNARY(softplus, 4, 4, softplus),  UNARY(silu, 4, 4, silu),
    UNARY(gelu, 4, 4, gelu),          UNARY(cbrt, 2, 2, std::cbrt),     UNARY(sqrt, 0.5, 0.5001, std::sqrt),
    UNARY(rsqrt, 2, 2, rsqrt),
};

constexpr int64_t kBlock = 1 << 14;
const int64_t kWalk[3] = {1, 1, 1};

template <class T>
T from_bits(uint64_t bits) {
  T x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Arguments that cover the range: any bits, and the moderate sizes where functions have their shape.
template <class T>
std::vector<T> samples(uint64_t seed, int64_t count) {
  std::mt19937_64 bits(seed);
  std::uniform_real_distribution<double> moderate(-40, 40), unit(-1.5, 1.5), exponent(-20, 12), wide(-760, 760);
  std::vector<T> x;
  for (T special : {T(0), T(-0.0), T(1), T(-1), T(0.5), T(-0.5), T(2), T(-2), T(3), T(-3), T(1e10), T(-1e10)})
    x.push_back(special);
  for (T special :
       {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN(), std::numeric_limits<T>::max(),
        std::numeric_limits<T>::min(), std::numeric_limits<T>::denorm_min()}) {
    x.push_back(special);
    x.push_back(-special);
  }
  while (static_cast<int64_t>(x.size()) < count) {
    switch (x.size() % 5) {
      case 0:
        x.push_back(from_bits<T>(bits()));
        break;
      case 1:
        x.push_back(static_cast<T>(moderate(bits)));
        break;
      case 2:
        x.push_back(static_cast<T>(unit(bits)));
        break;
      case 3:
        x.push_back(static_cast<T>(std::ldexp(unit(bits), static_cast<int>(exponent(bits)))));
        break;
      default:
        x.push_back(static_cast<T>(wide(bits)));
        break;
    }
  }
  return x;
}

struct Worst {
  double error = 0;
  long double at[2] = {0, 0};
  long double got = 0, want = 0;
  void see(double e, long double a, long double b, long double g, long double w) {
    if (!(e <= error)) *this = {e, {a, b}, g, w};
  }
};
void report(const char* name, const char* type, const Worst& worst) {
  if (std::getenv("CHAINRULE_ULP_TABLE")) {
    std::printf("ulp %-10s %-12s %-8s %8.3f at %.17Lg %.17Lg got %.17Lg want %.19Lg\n", kernels().isa, name, type,
                worst.error, worst.at[0], worst.at[1], worst.got, worst.want);
  }
}

class Math : public EachLevel {};

TEST_P(Math, FloatSweep) {
  const uint64_t stride = std::getenv("CHAINRULE_SWEEP") ? 1 : 97;
  for (const Unary& f : kUnary) {
    const ElementwiseFn kernel = kernels().elementwise[static_cast<int>(f.op)][index(DType::F32)];
    Worst worst;
    std::vector<float> x(kBlock), y(kBlock);
    for (uint64_t first = 0; first < uint64_t{1} << 32; first += stride * kBlock) {
      for (int64_t i = 0; i < kBlock; ++i) x[i] = from_bits<float>((first + stride * i) & 0xFFFFFFFF);
      const void* in[] = {x.data()};
      kernel(y.data(), in, kWalk, kBlock);
      for (int64_t i = 0; i < kBlock; ++i) {
        const double want = f.in_double(x[i]);
        worst.see(ulp_error<float, double>(y[i], want), x[i], 0, y[i], want);
      }
    }
    report(f.name, "float32", worst);
    // Without fused products the many small terms of gelu round once more.
    const bool looser = f.op == ElementwiseOp::gelu && std::string(kernels().isa) == "x86_64_v2";
    EXPECT_LE(worst.error, looser ? 5 : f.float_bound) << f.name << " at " << static_cast<double>(worst.at[0]);
  }
}

TEST_P(Math, DoubleSamples) {
  const int64_t count = std::getenv("CHAINRULE_SWEEP") ? 20000000 : 200000;
  const std::vector<double> x = samples<double>(1, count);
  std::vector<double> y(x.size());
  for (const Unary& f : kUnary) {
    const void* in[] = {x.data()};
    kernels().elementwise[static_cast<int>(f.op)][index(DType::F64)](y.data(), in, kWalk, count);
    Worst worst;
    for (int64_t i = 0; i < count; ++i) {
      const Real want = f.in_real(x[i]);
      worst.see(ulp_error<double, Real>(y[i], want), x[i], 0, y[i], want);
    }
    report(f.name, "float64", worst);
    EXPECT_LE(worst.error, f.double_bound) << f.name << " at " << static_cast<double>(worst.at[0]);
  }
}

// ---- two arguments
template <class W>
W divide(W a, W b) {
  return a / b;
}
template <class W>
W python_remainder(W a, W b) {
  const W r = std::fmod(a, b);
  if (b == 0 || std::isnan(r)) return std::numeric_limits<W>::quiet_NaN();
  if (r == 0) return std::copysign(W(0), b);
  return (r < 0) != (b < 0) ? r + b : r;
}
template <class W>
W power_of(W a, W b) {
  return std::pow(a, b);
}
template <class W>
W hypotenuse(W a, W b) {
  return std::hypot(a, b);
}
template <class W>
W angle(W a, W b) {
  return std::atan2(a, b);
}
template <class W>
W c_remainder(W a, W b) {
  return std::fmod(a, b);
}

struct Binary {
  ElementwiseOp op;
  const char* name;
  double float_bound, double_bound;
  double (*in_double)(double, double);
  Real (*in_real)(Real, Real);
};
#define BINARY(op, float_bound, double_bound, f) {ElementwiseOp::op, #op, float_bound, double_bound, f<double>, f<Real>}
const Binary kBinary[] = {
    BINARY(power, 1, 2, power_of),
    BINARY(hypot, 1, 2, hypotenuse),
    BINARY(arctan2, 3, 3, angle),
    BINARY(fmod, 0, 0, c_remainder),
    BINARY(remainder, 0.51, 0.51, python_remainder),
    BINARY(divide, 0.51, 0.51, divide),
};

template <class T>
std::vector<T> partners(const std::vector<T>& x, uint64_t seed) {
  std::vector<T> y = samples<T>(seed, static_cast<int64_t>(x.size()));
  std::mt19937_64 bits(seed);
  // Every special value meets every other; and exponents are often whole.
  const size_t specials = 22;
  for (size_t i = 0; i < specials * specials; ++i) y[specials + i] = y[i % specials];
  for (size_t i = specials + specials * specials; i < y.size(); i += 7) y[i] = std::rint(y[i]);
  std::shuffle(y.begin() + specials + specials * specials, y.end(), bits);
  return y;
}

template <class T, class Wide, class F>
Worst compare(const Binary& f, F reference, int64_t count) {
  std::vector<T> a = samples<T>(2, count), b = partners(a, 3), y(a.size());
  const size_t specials = 22;
  for (size_t i = 0; i < specials * specials; ++i) a[specials + i] = a[i / specials];
  const void* in[] = {a.data(), b.data()};
  kernels().elementwise[static_cast<int>(f.op)][index(sizeof(T) == 4 ? DType::F32 : DType::F64)](y.data(), in, kWalk,
                                                                                                 count);
  Worst worst;
  for (int64_t i = 0; i < count; ++i) {
    const Wide want = reference(a[i], b[i]);
    worst.see(ulp_error<T, Wide>(y[i], want), a[i], b[i], y[i], want);
  }
  return worst;
}

TEST_P(Math, TwoArguments) {
  const int64_t count = std::getenv("CHAINRULE_SWEEP") ? 20000000 : 300000;
  for (const Binary& f : kBinary) {
    const Worst in_float = compare<float, double>(f, f.in_double, count);
    report(f.name, "float32", in_float);
    EXPECT_LE(in_float.error, f.float_bound)
        << f.name << " at " << static_cast<double>(in_float.at[0]) << ", " << static_cast<double>(in_float.at[1]);
    const Worst in_double = compare<double, Real>(f, f.in_real, count);
    report(f.name, "float64", in_double);
    EXPECT_LE(in_double.error, f.double_bound)
        << f.name << " at " << static_cast<double>(in_double.at[0]) << ", " << static_cast<double>(in_double.at[1]);
  }
}

// Arguments next to a multiple of pi / 2, where reducing them loses the most, and the worst double of all.
TEST_P(Math, GreatAngles) {
  std::vector<double> x = {
      6381956970095103.0 * std::ldexp(1.0, 797), 1e22, 1e300, -1e300, 1048576.0, 1048575.9999999999};
  for (int i = 1; i < 200000; ++i) {
    const Real multiple = i * 1.570796326794896619231321691639751442L * (i % 3 == 0 ? 1 : 1 + 5 * (i % 1000));
    const double nearest = static_cast<double>(multiple);
    x.insert(x.end(), {nearest, std::nextafter(nearest, 0.0), -nearest});
  }
  std::vector<double> y(x.size());
  const void* in[] = {x.data()};
  for (ElementwiseOp op : {ElementwiseOp::sin, ElementwiseOp::cos, ElementwiseOp::tan}) {
    kernels().elementwise[static_cast<int>(op)][index(DType::F64)](y.data(), in, kWalk, static_cast<int64_t>(x.size()));
    Worst worst;
    for (size_t i = 0; i < x.size(); ++i) {
      const Real want = op == ElementwiseOp::sin ? sinl(x[i]) : op == ElementwiseOp::cos ? cosl(x[i]) : tanl(x[i]);
      worst.see(ulp_error<double, Real>(y[i], want), x[i], 0, y[i], want);
    }
    report(op == ElementwiseOp::sin   ? "sin great"
           : op == ElementwiseOp::cos ? "cos great"
                                      : "tan great",
           "float64", worst);
    EXPECT_LE(worst.error, op == ElementwiseOp::tan ? 4 : 2) << "at " << static_cast<double>(worst.at[0]);
  }
}

// log(e^a + e^b), and the same to base 2, may cancel: the bound is in units of the greatest of |a|, |b| and the result.
template <class T>
double logaddexp_error(ElementwiseOp op) {
  const bool binary = op == ElementwiseOp::logaddexp2;
  const int64_t count = 100000;
  const std::vector<T> a = samples<T>(4, count), b = samples<T>(5, count);
  std::vector<T> y(a.size());
  const void* in[] = {a.data(), b.data()};
  kernels().elementwise[static_cast<int>(op)][index(sizeof(T) == 4 ? DType::F32 : DType::F64)](y.data(), in, kWalk,
                                                                                               count);
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    const Real x = a[i], z = b[i];
    const Real distance = x == z ? 0 : fabsl(x - z);
    const Real rest = binary ? log1pl(exp2l(-distance)) / logl(2.0L) : log1pl(expl(-distance));
    const Real want = x == z ? x + rest : fmaxl(x, z) + rest;
    if (std::isnan(x) || std::isnan(z) || std::isinf(want)) {
      const bool same = std::isinf(want) ? static_cast<Real>(y[i]) == want : std::isnan(y[i]);
      if (!same) return std::numeric_limits<double>::infinity();
      continue;
    }
    const Real size = fmaxl(fmaxl(fabsl(x), fabsl(z)), fabsl(want));
    worst = std::fmax(worst, static_cast<double>(fabsl(y[i] - want) / (size * std::numeric_limits<T>::epsilon())));
  }
  return worst;
}
TEST_P(Math, LogAddExp) {
  for (const ElementwiseOp op : {ElementwiseOp::logaddexp, ElementwiseOp::logaddexp2}) {
    EXPECT_LE(logaddexp_error<float>(op), 2);
    EXPECT_LE(logaddexp_error<double>(op), 2);
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, Math, testing::ValuesIn(levels()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace chainrule
