// Tape, recording, fusion, planning and the fit loop, without Python.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <vector>

#include "graph/fit_loop.h"
#include "graph/program.h"
#include "graph/tape.h"
#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/threads.h"

namespace chainrule {
namespace {

Tensor ramp(const Shape& shape, DType dtype = DType::F64, double start = 0.1, double step = 0.07) {
  Tensor x = Tensor::empty(dtype, shape);
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double value = start + step * static_cast<double>(i % 23);
    if (dtype == DType::F64) x.data_as<double>()[i] = value;
    if (dtype == DType::F32) x.data_as<float>()[i] = static_cast<float>(value);
  }
  return x;
}

std::vector<double> values(const Tensor& x) {
  const Tensor c = contiguous(x);
  std::vector<double> result;
  for (std::int64_t i = 0; i < c.size(); ++i)
    result.push_back(c.dtype() == DType::F64 ? c.data_as<double>()[i] : c.data_as<float>()[i]);
  return result;
}

struct Recording {
  Recording() { push_recording(); }
  ~Recording() { pop_recording(); }
};

// d/dx sum(f(x)) by central differences.
template <class F>
void expect_gradient(F f, const Tensor& x) {
  Tensor gradient;
  {
    const Recording on;
    watch(x);
    const Tensor y = f(x);
    gradient = backward({y}, {Tensor()}, {x})[0];
    unwatch(x);
  }
  ASSERT_TRUE(gradient);
  const double eps = 1e-6;
  for (std::int64_t i = 0; i < x.size(); ++i) {
    double* element = x.data_as<double>() + i;
    const double kept = *element;
    double ends[2];
    for (int side = 0; side < 2; ++side) {
      *element = kept + (side == 0 ? eps : -eps);
      ends[side] = 0;
      for (double v : values(f(x))) ends[side] += v;
    }
    *element = kept;
    EXPECT_NEAR(values(gradient)[static_cast<std::size_t>(i)], (ends[0] - ends[1]) / (2 * eps), 1e-6);
  }
}

TEST(Tape, ChainOfOpsWithBroadcasting) {
  const Tensor w = ramp({3, 4}), b = ramp({4}, DType::F64, 0.5);
  expect_gradient([&](const Tensor& x) { return apply(ElementwiseOp::tanh, fn::add(fn::matmul(x, w), b)); },
                  ramp({2, 3}));
  expect_gradient([&](const Tensor& x) { return fn::multiply(apply(ElementwiseOp::exp, w), x); }, b);
}

TEST(Tape, SecondDerivative) {
  const Tensor x = ramp({5});
  const Recording on;
  watch(x);
  const Tensor y = apply(ElementwiseOp::tanh, x);
  const Tensor first = backward({y}, {Tensor()}, {x})[0];
  const Tensor second = backward({first}, {Tensor()}, {x})[0];
  for (std::int64_t i = 0; i < x.size(); ++i) {
    const double t = std::tanh(x.data_as<double>()[i]);
    EXPECT_NEAR(values(second)[static_cast<std::size_t>(i)], -2 * t * (1 - t * t), 1e-12);
  }
  unwatch(x);
}

TEST(Tape, AChangedSavedTensorIsNoticed) {
  const Tensor x = ramp({5});
  const Recording on;
  watch(x);
  const Tensor y = fn::multiply(x, x);
  x.bump_version();
  EXPECT_THROW(backward({y}, {Tensor()}, {x}), GradientError);
  unwatch(x);
}

TEST(Tape, AChainOfManyNodesIsFreedWithoutRecursion) {
  Tensor x = ramp({1});
  const Recording on;
  watch(x);
  for (int i = 0; i < 200000; ++i) x = apply(ElementwiseOp::negative, x);
  x = Tensor();
}

template <class F>
std::shared_ptr<Program> record(F f, const std::vector<Output>& specs) {
  Trace trace;
  std::vector<Tensor> inputs;
  for (const Output& spec : specs) inputs.push_back(trace.add_input(spec.dtype, spec.shape));
  std::vector<Tensor> outputs = f(inputs);
  return std::make_shared<Program>(trace, outputs);
}

TEST(Program, GivesWhatEagerOpsGive) {
  const Tensor w = ramp({30, 20}, DType::F32), b = ramp({20}, DType::F32, -0.8);
  const auto f = [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    const Tensor h = apply(ElementwiseOp::tanh, fn::add(fn::matmul(in[0], w), b));
    const Tensor mixed = fn::multiply(fn::add(h, b), fn::subtract(h, in[1]));
    const Tensor back = fn::matmul(fn::swap_last(mixed), in[0]);
    return {mixed, back, fn::sum(mixed, {0}, false), in[0], mixed, fn::cast(mixed, DType::F64)};
  };
  const std::vector<Tensor> inputs = {ramp({7, 30}, DType::F32), ramp({7, 1}, DType::F32)};
  const auto program = record(f, {{DType::F32, {7, 30}}, {DType::F32, {7, 1}}});
  const std::vector<Tensor> eager = f(inputs);
  for (int repeat = 0; repeat < 2; ++repeat) {
    const std::vector<Tensor> replayed = program->run(inputs.data());
    ASSERT_EQ(replayed.size(), eager.size());
    for (std::size_t i = 0; i < eager.size(); ++i) EXPECT_EQ(values(replayed[i]), values(eager[i])) << i;
  }
  EXPECT_NE(program->describe().find("matmul_bias_act<tanh>"), std::string::npos) << program->describe();
  EXPECT_NE(program->describe().find("fused["), std::string::npos) << program->describe();
}

TEST(Program, ReluGradientGoesBehindThePool) {
  const Attrs pairs = {Attr::of(Shape{2, 2}), Attr::of(Shape{1, 2}), Attr::of(Shape{0, 1}), Attr::of(Shape{0, 0})};
  const auto f = [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    const Recording on;
    watch(in[0]);
    const Tensor y = call_op("max_pool", {apply(ElementwiseOp::relu, in[0])}, pairs);
    const Tensor gradient = backward({y}, {in[1]}, {in[0]})[0];
    unwatch(in[0]);
    return {gradient};
  };
  const Tensor half = fn::full(DType::F32, {2, 5, 6, 3}, 0.8);
  const std::vector<Tensor> inputs = {apply(ElementwiseOp::subtract, ramp({2, 5, 6, 3}, DType::F32), half),
                                      ramp({2, 4, 3, 3}, DType::F32)};
  const auto program = record(f, {{DType::F32, {2, 5, 6, 3}}, {DType::F32, {2, 4, 3, 3}}});
  const std::string text = program->describe();
  EXPECT_NE(text.find(":float32(2, 4, 3, 3) = relu_grad("), std::string::npos) << text;
  EXPECT_EQ(text.find(":float32(2, 5, 6, 3) = relu_grad("), std::string::npos) << text;
  EXPECT_EQ(values(program->run(inputs.data())[0]), values(f(inputs)[0]));
}

TEST(Program, LargeGroupsOverSeveralThreads) {
  const auto f = [](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    Tensor y = in[0];
    for (int i = 0; i < 60; ++i) y = fn::add(apply(ElementwiseOp::sin, y), fn::multiply(in[1], y));
    return {y, apply(ElementwiseOp::greater, y, in[0])};
  };
  const std::vector<Tensor> inputs = {ramp({130, 501}), ramp({130, 1}, DType::F64, 0.01, 0.001)};
  const auto program = record(f, {{DType::F64, {130, 501}}, {DType::F64, {130, 1}}});
  const std::vector<double> eager = values(f(inputs)[0]);
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    EXPECT_EQ(values(program->run(inputs.data())[0]), eager);
  }
  set_num_threads(usable_cpus());
}

TEST(Program, StateIsReadAndWrittenAtEveryRun) {
  static const Op* const assign_add = find_op("assign_add");
  ASSERT_NE(assign_add, nullptr);
  const Tensor state = Tensor::zeros(DType::F64, {3});
  const auto program = record(
      [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
        const Tensor before = fn::scale(state, 2.0);
        const Tensor pair[] = {state, in[0]};
        apply_all(*assign_add, pair, 2, {});
        return {before, fn::scale(state, 10.0)};
      },
      {{DType::F64, {3}}});
  const Tensor one = fn::cast(fn::full(DType::F32, {3}, 1.0), DType::F64);
  program->run(&one);
  const std::vector<Tensor> second = program->run(&one);
  EXPECT_EQ(values(state), std::vector<double>(3, 2.0));
  EXPECT_EQ(values(second[0]), std::vector<double>(3, 2.0));
  EXPECT_EQ(values(second[1]), std::vector<double>(3, 20.0));
}

TEST(Program, APlaceholderHasNoValue) {
  Tensor escaped;
  record(
      [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
        escaped = in[0];
        return {};
      },
      {{DType::F64, {3}}});
  EXPECT_THROW(fn::add(escaped, escaped), TraceError);
}

TEST(FitLoop, VisitsEveryRowOnceAnEpochInAnOrderOfItsOwn) {
  static const Op* const assign_add = find_op("assign_add");
  const std::int64_t rows = 103, batch = 10;
  const Tensor data = Tensor::empty(DType::F64, {rows});
  for (std::int64_t i = 0; i < rows; ++i) data.data_as<double>()[i] = static_cast<double>(i);
  const Tensor total = Tensor::zeros(DType::F64, {}), squares = Tensor::zeros(DType::F64, {});
  const Tensor mixed = Tensor::zeros(DType::F64, {});  // depends on the order
  const auto step = [&](std::int64_t n) {
    return record(
        [&](const std::vector<Tensor>& in) -> std::vector<Tensor> {
          const Tensor first[] = {total, fn::sum(in[0], {0}, false)};
          apply_all(*assign_add, first, 2, {});
          const Tensor second[] = {squares, fn::sum(fn::multiply(in[0], in[0]), {0}, false)};
          apply_all(*assign_add, second, 2, {});
          const Tensor third[] = {mixed, fn::add(apply(ElementwiseOp::sin, mixed), fn::sum(in[0], {0}, false))};
          apply_all(*assign_add, third, 2, {});
          return {};
        },
        {{DType::F64, {n}}});
  };
  const auto run = [&](std::uint64_t seed, int threads, bool shuffle, std::int64_t stride) {
    set_num_threads(threads);
    FitLoop loop({step(batch), step(rows % batch), {data}, batch, shuffle, seed, {total, squares, mixed}});
    while (loop.epoch() < 3) loop.run(3, stride, -1);
    set_num_threads(usable_cpus());
    return loop.history();
  };
  const std::vector<double> history = run(1, 1, true, -1);
  ASSERT_EQ(history.size(), 9u);
  for (int epoch = 0; epoch < 3; ++epoch) {
    EXPECT_EQ(history[static_cast<std::size_t>(3 * epoch)], rows * (rows - 1) / 2);
    EXPECT_EQ(history[static_cast<std::size_t>(3 * epoch + 1)], (rows - 1) * rows * (2 * rows - 1) / 6);
  }
  EXPECT_NE(history[2], history[5]);
  EXPECT_EQ(history, run(1, 2, true, 1));
  EXPECT_NE(history, run(2, 1, true, -1));
  EXPECT_EQ(run(1, 1, false, -1), run(7, 2, false, 4));
}

}  // namespace
}  // namespace chainrule
