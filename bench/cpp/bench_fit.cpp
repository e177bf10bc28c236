// Time of one training step, and of its parts, without Python: the linear regression and the two classifiers that the
// peers are measured on. The step is recorded as Keras' fit records it.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "graph/fit_loop.h"
#include "graph/program.h"
#include "graph/tape.h"
#include "ops/functions.h"

namespace chainrule {
namespace {

Tensor random(DType dtype, const Shape& shape, std::uint64_t counter, double factor) {
  static const Op* const normal = find_op("random_normal");
  Tensor key = Tensor::zeros(DType::U64, {2});
  key.data_as<std::uint64_t>()[1] = counter;
  return fn::scale(apply(*normal, &key, 1, {Attr::of(shape), Attr::of(dtype)}), factor);
}

void assign_add(const Tensor& state, const Tensor& value) {
  static const Op* const op = find_op("assign_add");
  const Tensor inputs[] = {state, value};
  apply_all(*op, inputs, 2, {});
}

struct State {
  Tensor lr = Tensor::scalar(DType::F32, 1e-3), iterations = Tensor::scalar(DType::I64, std::int64_t{0});
  Tensor loss = Tensor::zeros(DType::F32, {}), count = Tensor::zeros(DType::F32, {});
  std::vector<Tensor> weights;

  // Records loss, gradients and update; `loss_of` gives the loss of every sample.
  template <class LossOf>
  std::shared_ptr<Program> step(LossOf loss_of, const std::vector<Output>& specs, bool adam) {
    Trace trace;
    std::vector<Tensor> inputs;
    for (const Output& spec : specs) inputs.push_back(trace.add_input(spec.dtype, spec.shape));
    const double n = static_cast<double>(specs[0].shape[0]);
    push_recording();
    for (const Tensor& w : weights) watch(w);
    const Tensor mean = fn::scale(fn::sum(loss_of(inputs), {0}, false), 1 / n);
    pop_recording();
    const std::vector<Tensor> grads = backward({mean}, {Tensor()}, weights);
    for (const Tensor& w : weights) unwatch(w);
    assign_add(loss, fn::scale(mean, n));
    assign_add(count, Tensor::scalar(DType::F32, n));
    std::vector<Tensor> update = {lr};
    if (adam) update.push_back(iterations);
    update.insert(update.end(), weights.begin(), weights.end());
    update.insert(update.end(), grads.begin(), grads.end());
    if (adam)
      for (int k = 0; k < 2; ++k)
        for (const Tensor& w : weights) update.push_back(Tensor::zeros(DType::F32, w.shape()));
    const Op& op = *find_op(adam ? "adam_update" : "sgd_update");
    Attrs attrs;
    for (const AttrParam& attr : op.attrs) attrs.push_back(attr.default_value);
    attrs[0] = Attr::of(static_cast<std::int64_t>(weights.size()));
    apply_all(op, update.data(), static_cast<int>(update.size()), attrs);
    assign_add(iterations, Tensor::scalar(DType::I64, std::int64_t{1}));
    return std::make_shared<Program>(trace, std::vector<Tensor>());
  }
};

void run(benchmark::State& bench, FitLoop& loop, const Program& program, std::int64_t steps) {
  loop.run(1 << 30, 64, -1);
  if (std::getenv("CHAINRULE_BENCH_DESCRIBE")) std::puts(program.describe().c_str());
  bench.SetLabel(std::to_string(program.n_steps()) + " instructions");
  for (auto _ : bench) loop.run(1 << 30, steps, -1);
  bench.SetItemsProcessed(bench.iterations() * steps);
  bench.counters["us_per_step"] = benchmark::Counter(static_cast<double>(bench.iterations() * steps) * 1e-6,
                                                     benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

void linear_regression(benchmark::State& bench) {
  State state;
  state.weights = {random(DType::F32, {1, 1}, 1, 1), Tensor::zeros(DType::F32, {1})};
  const auto loss = [&](const std::vector<Tensor>& in) {
    const Tensor error = fn::subtract(fn::add(fn::matmul(in[0], state.weights[0]), state.weights[1]), in[1]);
    return fn::reshape(fn::multiply(error, error), {in[0].length(0)});
  };
  const auto full = state.step(loss, {{DType::F32, {32, 1}}, {DType::F32, {32, 1}}}, false);
  const auto last = state.step(loss, {{DType::F32, {4, 1}}, {DType::F32, {4, 1}}}, false);
  const Tensor x = random(DType::F32, {100, 1}, 2, 1), y = fn::scale(x, 3);
  FitLoop loop({full, last, {x, y}, 32, true, 0, {state.loss, state.count}});
  run(bench, loop, *full, 4000);
}

void classifier(benchmark::State& bench) {
  const std::int64_t hidden = bench.range(0), batch = bench.range(1), rows = batch * 40;
  State state;
  state.weights = {random(DType::F32, {784, hidden}, 1, 0.05), Tensor::zeros(DType::F32, {hidden}),
                   random(DType::F32, {hidden, 10}, 2, 0.05), Tensor::zeros(DType::F32, {10})};
  const auto loss = [&](const std::vector<Tensor>& in) {
    static const Op* const cross_entropy = find_op("sparse_softmax_cross_entropy");
    const Tensor h = apply(ElementwiseOp::relu, fn::add(fn::matmul(in[0], state.weights[0]), state.weights[1]));
    const Tensor pair[] = {fn::add(fn::matmul(h, state.weights[2]), state.weights[3]), in[1]};
    return apply_all(*cross_entropy, pair, 2, {})[0];
  };
  const auto step = state.step(loss, {{DType::F32, {batch, 784}}, {DType::I32, {batch}}}, true);
  const Tensor x = random(DType::F32, {rows, 784}, 3, 1), y = Tensor::zeros(DType::I32, {rows});
  for (std::int64_t i = 0; i < rows; ++i) y.data_as<std::int32_t>()[i] = static_cast<std::int32_t>(i % 10);
  FitLoop loop({step, nullptr, {x, y}, batch, true, 0, {state.loss, state.count}});
  run(bench, loop, *step, 40);
}

BENCHMARK(linear_regression)->Unit(benchmark::kMicrosecond)->UseRealTime();
BENCHMARK(classifier)->Args({128, 32})->Args({512, 256})->Unit(benchmark::kMicrosecond)->UseRealTime();

}  // namespace
}  // namespace chainrule
