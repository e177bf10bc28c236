// Optimizer updates: against Keras 3 itself (numbers below) and against the formulas in double, for every level.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "each_isa.h"
#include "kernels/table.h"

namespace chainrule {
namespace {

OptimParams defaults() {
  OptimParams p{};
  p.lr = 0.01;
  p.rho = 0.9;
  p.beta1 = 0.9;
  p.beta2 = 0.999;
  p.epsilon = 1e-7;
  p.correction1 = p.correction2 = 1;
  p.grad_scale = 1;
  return p;
}

enum class Rule { sgd, rmsprop, adam };

// An optimizer with its state, run by kernel or by formula.
template <class T>
struct Model {
  Rule rule;
  OptimParams params;
  std::vector<T> w, a, b, c;  // a, b, c: velocity | mean square, mean, velocity | m, v, vhat

  Model(Rule rule_, OptimParams params_, std::vector<T> w_)
      : rule(rule_), params(params_), w(w_), a(w.size()), b(w.size()), c(w.size()) {}

  void set_step(int t) {
    params.correction1 = 1 - std::pow(params.beta1, t);
    params.correction2 = 1 - std::pow(params.beta2, t);
  }

  void run(const Kernels& k, const std::vector<T>& g, std::size_t begin, std::size_t end) {
    constexpr int i = sizeof(T) == 4 ? 0 : 1;
    const auto n = static_cast<std::int64_t>(end - begin);
    T *wp = w.data() + begin, *ap = a.data() + begin, *bp = b.data() + begin, *cp = c.data() + begin;
    const T* gp = g.data() + begin;
    switch (rule) {
      case Rule::sgd:
        k.optim.sgd[i](wp, params.momentum > 0 ? ap : nullptr, gp, n, &params);
        break;
      case Rule::rmsprop:
        k.optim.rmsprop[i](wp, ap, params.centered ? bp : nullptr, params.momentum > 0 ? cp : nullptr, gp, n, &params);
        break;
      case Rule::adam:
        k.optim.adam[i](wp, ap, bp, params.amsgrad ? cp : nullptr, gp, n, &params);
        break;
    }
  }

  void run_by_formula(const std::vector<T>& gradients) {
    const OptimParams& p = params;
    for (std::size_t i = 0; i < w.size(); ++i) {
      double g = gradients[i] * p.grad_scale, x = w[i];
      if (p.clip_value > 0) g = std::min(std::max(g, -p.clip_value), p.clip_value);
      x -= p.lr * p.weight_decay * x;
      if (rule == Rule::sgd) {
        if (p.momentum > 0) {
          const double v = p.momentum * a[i] - p.lr * g;
          a[i] = static_cast<T>(v);
          x += p.nesterov ? p.momentum * v - p.lr * g : v;
        } else {
          x -= p.lr * g;
        }
      } else if (rule == Rule::rmsprop) {
        const double s = p.rho * a[i] + (1 - p.rho) * g * g, mean = p.rho * b[i] + (1 - p.rho) * g;
        a[i] = static_cast<T>(s);
        if (p.centered) b[i] = static_cast<T>(mean);
        double step = p.lr * g / std::sqrt(s - (p.centered ? mean * mean : 0) + p.epsilon);
        if (p.momentum > 0) {
          step += p.momentum * c[i];
          c[i] = static_cast<T>(step);
        }
        x -= step;
      } else {
        const double m = p.beta1 * a[i] + (1 - p.beta1) * g;
        double v = p.beta2 * b[i] + (1 - p.beta2) * g * g;
        a[i] = static_cast<T>(m);
        b[i] = static_cast<T>(v);
        if (p.amsgrad) {
          v = std::max(v, static_cast<double>(c[i]));
          c[i] = static_cast<T>(v);
        }
        x -= p.lr * std::sqrt(p.correction2) / p.correction1 * m / (std::sqrt(v) + p.epsilon);
      }
      w[i] = static_cast<T>(x);
    }
  }
};

struct Case {
  const char* name;
  Rule rule;
  OptimParams params;
};

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  const auto add = [&](const char* name, Rule rule, auto change) {
    OptimParams p = defaults();
    change(p);
    cases.push_back({name, rule, p});
  };
  add("sgd", Rule::sgd, [](OptimParams&) {});
  add("momentum", Rule::sgd, [](OptimParams& p) { p.momentum = 0.9; });
  add("nesterov", Rule::sgd, [](OptimParams& p) {
    p.momentum = 0.9;
    p.nesterov = 1;
  });
  add("sgd scaled, clipped, decayed", Rule::sgd, [](OptimParams& p) {
    p.grad_scale = 0.5;
    p.clip_value = 0.3;
    p.weight_decay = 0.1;
  });
  add("rmsprop", Rule::rmsprop, [](OptimParams&) {});
  add("rmsprop centered with momentum", Rule::rmsprop, [](OptimParams& p) {
    p.centered = 1;
    p.momentum = 0.5;
    p.epsilon = 1e-3;
  });
  add("rmsprop clipped, decayed", Rule::rmsprop, [](OptimParams& p) {
    p.clip_value = 0.3;
    p.weight_decay = 0.1;
  });
  add("adam", Rule::adam, [](OptimParams&) {});
  add("amsgrad", Rule::adam, [](OptimParams& p) {
    p.amsgrad = 1;
    p.beta2 = 0.9;
  });
  add("adam scaled, clipped, decayed", Rule::adam, [](OptimParams& p) {
    p.grad_scale = 0.5;
    p.clip_value = 0.3;
    p.weight_decay = 0.1;
  });
  return cases;
}

template <class T>
std::vector<T> random_values(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<T> values(n);
  for (T& value : values) value = static_cast<T>(normal(random));
  return values;
}

template <class T>
class Optim : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Optim, Types);

TYPED_TEST(Optim, AgreesWithTheFormulas) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (const Case& c : all_cases()) {
      for (std::size_t n : {0, 1, 7, 16, 1003}) {
        SCOPED_TRACE(testing::Message() << c.name << ", n " << n);
        Model<T> kernel(c.rule, c.params, random_values<T>(n, 1)), formula = kernel;
        for (int t = 1; t <= 5; ++t) {
          const auto g = random_values<T>(n, static_cast<unsigned>(t + 1));
          kernel.set_step(t);
          formula.set_step(t);
          kernel.run(k, g, 0, n);
          formula.run_by_formula(g);
        }
        const double epsilon = std::numeric_limits<T>::epsilon();
        for (std::size_t i = 0; i < n; ++i) {
          ASSERT_NEAR(kernel.w[i], formula.w[i], 10 * epsilon * (1 + std::fabs(formula.w[i]))) << i;
          ASSERT_NEAR(kernel.a[i], formula.a[i], 10 * epsilon * (1 + std::fabs(formula.a[i]))) << i;
          ASSERT_NEAR(kernel.b[i], formula.b[i], 10 * epsilon * (1 + std::fabs(formula.b[i]))) << i;
          ASSERT_NEAR(kernel.c[i], formula.c[i], 10 * epsilon * (1 + std::fabs(formula.c[i]))) << i;
        }
      }
    }
  });
}

TYPED_TEST(Optim, AnyCutGivesTheSameBits) {
  using T = TypeParam;
  each_isa([](const Kernels& k) {
    for (const Case& c : all_cases()) {
      SCOPED_TRACE(c.name);
      const std::size_t n = 203;
      Model<T> whole(c.rule, c.params, random_values<T>(n, 1)), parts = whole;
      for (int t = 1; t <= 3; ++t) {
        const auto g = random_values<T>(n, static_cast<unsigned>(t + 1));
        whole.run(k, g, 0, n);
        for (std::size_t begin = 0, count = 1; begin < n; begin += count, count = std::min(count + 3, n - begin)) {
          parts.run(k, g, begin, begin + count);
        }
      }
      EXPECT_EQ(parts.w, whole.w);
      EXPECT_EQ(parts.a, whole.a);
      EXPECT_EQ(parts.b, whole.b);
    }
  });
}

// Weights after three steps of Keras 3.15 (JAX backend, float64) from (1, -2, 0.5), with the gradients below.
TEST(OptimKeras, SameWeights) {
  struct Known {
    Case c;
    std::vector<double> w;
  };
  const auto make = [](const char* name, Rule rule, std::vector<double> w, auto change) {
    OptimParams p = defaults();
    change(p);
    return Known{{name, rule, p}, w};
  };
  const std::vector<Known> all = {
      make("SGD(0.1)", Rule::sgd, {0.94, -1.67, 0.1333333333333333}, [](auto& p) { p.lr = 0.1; }),
      make("SGD(0.1, momentum=0.9)", Rule::sgd, {0.9048999999999999, -1.3487, -0.29866666666666675},
           [](auto& p) { p.lr = 0.1, p.momentum = 0.9; }),
      make("SGD(0.1, momentum=0.9, nesterov=True)", Rule::sgd, {0.8544099999999999, -1.08383, -0.5854666666666668},
           [](auto& p) { p.lr = 0.1, p.momentum = 0.9, p.nesterov = 1; }),
      make("SGD(0.1, momentum=0.9, weight_decay=0.05, clipvalue=1.0)", Rule::sgd,
           {0.890219625, -1.4210972499999999, -0.0331817291666667},
           [](auto& p) { p.lr = 0.1, p.momentum = 0.9, p.weight_decay = 0.05, p.clip_value = 1; }),
      make("RMSprop(0.01)", Rule::rmsprop, {0.9139013759733292, -1.9315844732091312, 0.4437869085312992}, [](auto&) {}),
      make("RMSprop(0.01, rho=0.8, momentum=0.5, centered=True, epsilon=1e-3)", Rule::rmsprop,
           {0.9070102963790285, -1.911186080095481, 0.42659844001168573},
           [](auto& p) { p.rho = 0.8, p.momentum = 0.5, p.centered = 1, p.epsilon = 1e-3; }),
      make("Adam(0.01)", Rule::adam, {0.9707687012101871, -1.9703112360531458, 0.47194665917147716}, [](auto&) {}),
      make("Adam(0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-3, amsgrad=True)", Rule::adam,
           {0.9711850765040164, -1.9703953499907514, 0.47211879079831715},
           [](auto& p) { p.beta1 = 0.8, p.beta2 = 0.9, p.epsilon = 1e-3, p.amsgrad = 1; }),
      make("AdamW(0.01, weight_decay=0.1)", Rule::adam, {0.9678013412618169, -1.964347146146311, 0.4704774704230701},
           [](auto& p) { p.weight_decay = 0.1; })};
  each_isa([&](const Kernels& k) {
    for (const Known& known : all) {
      SCOPED_TRACE(known.c.name);
      Model<double> model(known.c.rule, known.c.params, {1, -2, 0.5});
      for (int t = 1; t <= 3; ++t) {
        model.set_step(t);
        model.run(k, {0.1 * t, -1.5 + 0.2 * t, 2.0 / t}, 0, 3);
      }
      for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(model.w[i], known.w[i], 1e-14) << i;
    }
  });
}

TEST(OptimNan, ClippingKeepsIt) {
  each_isa([](const Kernels& k) {
    OptimParams p = defaults();
    p.clip_value = 1;
    float w[2] = {1, 1};
    const float g[2] = {std::numeric_limits<float>::quiet_NaN(), 5};
    k.optim.sgd[0](w, nullptr, g, 2, &p);
    EXPECT_TRUE(std::isnan(w[0]));
    EXPECT_FLOAT_EQ(w[1], 0.99f);
  });
}

}  // namespace
}  // namespace chainrule
