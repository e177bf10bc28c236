// Epochs of training (or one of evaluation) in one call: batches gathered by row, a recorded step replayed for each.
// Invariants: epoch e visits the rows in an order that depends on the seed, e and the number of rows alone; run() stops
// between steps only, so the weights are always those of a whole number of steps and a later run() goes on from there.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph/program.h"

namespace chainrule {

class FitLoop {
 public:
  struct Setup {
    std::shared_ptr<Program> full, last;  // steps for whole batches and for the rest (null where there is none)
    std::vector<Tensor> arrays;           // one per program input, rows along axis 0
    std::int64_t batch_size = 32;
    bool shuffle = true;
    std::uint64_t seed = 0;
    std::vector<Tensor> metrics;  // 0-d state, read and set to zero at the end of each epoch
  };
  explicit FitLoop(Setup setup);

  // Goes on until `epochs` are finished in all, or max_steps more steps are done (< 0: no limit), or about `seconds`
  // have passed (< 0: no limit).
  void run(std::int64_t epochs, std::int64_t max_steps, double seconds);
  void reset(std::int64_t epoch, std::int64_t step);

  std::int64_t epoch() const { return epoch_; }
  std::int64_t step() const { return step_; }
  std::int64_t steps_per_epoch() const { return steps_per_epoch_; }
  std::vector<double>& history() { return history_; }  // epoch after epoch, a value per metric
  std::size_t n_metrics() const { return setup_.metrics.size(); }

 private:
  void shuffle_rows();
  void run_step();
  void finish_epoch();

  Setup setup_;
  std::int64_t rows_ = 0, steps_per_epoch_ = 0, epoch_ = 0, step_ = 0;
  std::vector<std::int64_t> row_bytes_;
  std::vector<Tensor> batches_;  // where gathered rows go
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
  std::vector<std::uint64_t> bits_;
  std::vector<double> history_;
};

}  // namespace chainrule
