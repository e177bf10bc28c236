// CTC: forward and backward sums over the lattice of one sequence, in logarithms and doubles for both float types,
// since a logarithm of thousands of steps has no bits left for the differences that make the gradient.
// The states of the lattice stand in two rows: phi[n] is the blank before label n (phi[n_labels]: after the last),
// emit[n] is label n. So the blank's probability is one number a step, and vectors run along n.
#include "kernels/parts.h"
#include "simd/math.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;
using Wide = Vec<double>;
constexpr int64_t W = simd::kLanes<double>;
constexpr double kNone = -__builtin_inf();  // the logarithm of no probability

// Rows of states have a vector of kNone before and after them, which n - 1 and n + 1 read.
int64_t row_width(int64_t n_labels) { return (n_labels + 1 + W - 1) / W * W + 2 * W; }
constexpr int64_t kRows = 5;  // rows that are needed once: skip, two of backward sums, two of posteriors

int64_t scratch_bytes(int64_t steps, int64_t n_labels) {
  const int64_t width = row_width(n_labels), padded = (steps + W) / W * W;
  return static_cast<int64_t>(sizeof(double)) * (width * (3 * steps + 2 + kRows) + 3 * padded);
}

// log(e^a + e^b), log(e^a + e^b + e^c); kNone is taken for what it is.
CR_INLINE Wide log_sum(Wide a, Wide b) {
  const Wide most = max_or_second(a, b), finite = max_or_second(most, Wide(-1e300));
  return most + log1p(exp(min_or_second(a, b) - finite));
}
CR_INLINE Wide log_sum(Wide a, Wide b, Wide c) {
  const Wide most = max_or_second(max_or_second(a, b), c), finite = max_or_second(most, Wide(-1e300));
  return most + log(exp(a - finite) + exp(b - finite) + exp(c - finite));
}

template <class T>
CR_INLINE Vec<T> load_padded(const T* x, int64_t n) {  // lanes from n on hold the least value
  if (n >= simd::kLanes<T>) return Vec<T>::load(x);
  return where(Vec<T>::lane_numbers() < Vec<T>(static_cast<T>(n)), Vec<T>::load(x, n), Vec<T>(static_cast<T>(kNone)));
}

// The greatest entry of a row and the sum of exp(x - greatest).
template <class T>
void softmax_parts(const T* x, int64_t classes, double* greatest, double* sum) {
  constexpr int64_t lanes = simd::kLanes<T>;
  Vec<T> most(static_cast<T>(kNone));
  for (int64_t c = 0; c < classes; c += lanes) most = maximum(most, load_padded(x + c, classes - c));
  const T m = reduce_max(most);
  Vec<T> total(T(0));
  for (int64_t c = 0; c < classes; c += lanes) total += exp(load_padded(x + c, classes - c) - m);
  *greatest = static_cast<double>(m);
  *sum = static_cast<double>(reduce_add(total));
}

template <class T>
void softmax_row(T* p, const T* x, int64_t classes, double greatest, double sum) {
  constexpr int64_t lanes = simd::kLanes<T>;
  const Vec<T> m(static_cast<T>(greatest)), s(static_cast<T>(sum));
  for (int64_t c = 0; c < classes; c += lanes) {
    const int64_t n = classes - c < lanes ? classes - c : lanes;
    (exp(load_padded(x + c, n) - m) / s).store(p + c, n);
  }
}

void fill(double* row, int64_t width, double value) {
  for (int64_t n = 0; n < width; n += W) Wide(value).store(row + n);
}

// Everything about the sequence that both directions read. Pointers to rows point at state 0.
struct Lattice {
  int64_t steps, n_labels, width;
  double* phi;  // row t: sums over the prefixes of t steps; rows 0 ... steps
  double* emit;
  double* label;                   // row t: log p_t(label n), kNone from n_labels on
  double *greatest, *sum, *blank;  // by step: parts of the softmax, log p_t(blank)
  double* skip;  // 0 where label n differs from label n - 1, so that no blank need be between them; else kNone
  double *back_phi, *back_emit, *posterior_phi, *posterior_emit;
};

Lattice lay_out(const CtcSample& sample, void* scratch) {
  Lattice l{};
  l.steps = sample.steps;
  l.n_labels = sample.n_labels;
  l.width = row_width(sample.n_labels);
  const int64_t padded = (sample.steps + W) / W * W;
  double* free = static_cast<double*>(scratch);
  const auto rows = [&](int64_t count) {
    double* first = free + W;
    free += count * l.width;
    return first;
  };
  l.phi = rows(l.steps + 1);
  l.emit = rows(l.steps + 1);
  l.label = rows(l.steps);
  l.skip = rows(1);
  l.back_phi = rows(1);
  l.back_emit = rows(1);
  l.posterior_phi = rows(1);
  l.posterior_emit = rows(1);
  l.greatest = free;
  l.sum = free + padded;
  l.blank = free + 2 * padded;
  return l;
}

// Logarithms of the probabilities of the labels and of the blank.
template <class T>
void read_logits(const Lattice& l, const CtcSample& sample) {
  const T* x = static_cast<const T*>(sample.logits);
  for (int64_t t = 0; t < l.steps; ++t)
    softmax_parts(x + t * sample.classes, sample.classes, l.greatest + t, l.sum + t);
  for (int64_t t = 0; t < l.steps; t += W) {
    const Wide lse = Wide::load(l.greatest + t) + log(Wide::load(l.sum + t));
    lse.store(l.blank + t);  // kept here until the step's row is filled
  }
  for (int64_t t = 0; t < l.steps; ++t) {
    const T* row = x + t * sample.classes;
    double* label = l.label + t * l.width;
    const double lse = l.blank[t];
    fill(label - W, l.width, kNone);
    for (int64_t n = 0; n < l.n_labels; ++n) label[n] = static_cast<double>(row[sample.labels[n]]) - lse;
    l.blank[t] = static_cast<double>(row[sample.blank]) - lse;
  }
  fill(l.skip - W, l.width, kNone);
  for (int64_t n = 1; n < l.n_labels; ++n)
    if (sample.labels[n] != sample.labels[n - 1]) l.skip[n] = 0;
}

// Fills phi and emit; returns the logarithm of the probability of the labels.
double forward(const Lattice& l) {
  for (int64_t t = 0; t <= l.steps; ++t) {
    fill(l.phi + t * l.width - W, l.width, kNone);
    fill(l.emit + t * l.width - W, l.width, kNone);
  }
  l.phi[0] = 0;  // before the first step: nothing emitted
  for (int64_t t = 0; t < l.steps; ++t) {
    const double *phi = l.phi + t * l.width, *emit = l.emit + t * l.width, *label = l.label + t * l.width;
    double *next_phi = l.phi + (t + 1) * l.width, *next_emit = l.emit + (t + 1) * l.width;
    const Wide blank(l.blank[t]);
    for (int64_t n = 0; n <= l.n_labels; n += W) {
      const Wide same = Wide::load(phi + n), before = Wide::load(emit + n - 1);
      (blank + log_sum(same, before)).store(next_phi + n);
      (Wide::load(label + n) + log_sum(Wide::load(emit + n), same, before + Wide::load(l.skip + n)))
          .store(next_emit + n);
    }
  }
  const int64_t last = l.steps * l.width + l.n_labels;
  return log_sum(Wide(l.phi[last]), Wide(l.emit[last - 1])).v[0];
}

// One step of the backward sums, which leave out the step they stand at.
void backward_step(const Lattice& l, int64_t t) {
  const double* label = l.label + t * l.width;
  const Wide blank(l.blank[t]);
  for (int64_t n = 0; n <= l.n_labels; n += W) {
    const Wide phi = Wide::load(l.back_phi + n) + blank, emit = Wide::load(l.back_emit + n) + Wide::load(label + n);
    const Wide after_phi = Wide::load(l.back_phi + n + 1) + blank;
    const Wide after_emit = Wide::load(l.back_emit + n + 1) + Wide::load(label + n + 1) + Wide::load(l.skip + n + 1);
    log_sum(phi, emit).store(l.back_phi + n);
    log_sum(emit, after_phi, after_emit).store(l.back_emit + n);
  }
}

template <class T>
void ctc_loss(void* loss, void* grad_, const CtcSample& sample, void* scratch) {
  const Lattice l = lay_out(sample, scratch);
  const int64_t classes = sample.classes;
  read_logits<T>(l, sample);
  const double log_probability = forward(l);
  *static_cast<T*>(loss) = static_cast<T>(-log_probability);
  T* grad = static_cast<T*>(grad_);
  if (log_probability == kNone) {
    for (int64_t i = 0; i < l.steps * classes; ++i) grad[i] = 0;
    return;
  }
  fill(l.back_phi - W, l.width, kNone);
  fill(l.back_emit - W, l.width, kNone);
  l.back_phi[l.n_labels] = 0;
  if (l.n_labels) l.back_emit[l.n_labels - 1] = 0;
  const Wide total(log_probability);
  for (int64_t t = l.steps - 1; t >= 0; --t) {
    const double *phi = l.phi + (t + 1) * l.width, *emit = l.emit + (t + 1) * l.width;
    for (int64_t n = 0; n <= l.n_labels; n += W) {
      exp(Wide::load(phi + n) + Wide::load(l.back_phi + n) - total).store(l.posterior_phi + n);
      exp(Wide::load(emit + n) + Wide::load(l.back_emit + n) - total).store(l.posterior_emit + n);
    }
    T* row = grad + t * classes;
    softmax_row(row, static_cast<const T*>(sample.logits) + t * classes, classes, l.greatest[t], l.sum[t]);
    double blank = 0;
    for (int64_t n = 0; n <= l.n_labels; ++n) blank += l.posterior_phi[n];
    row[sample.blank] -= static_cast<T>(blank);
    for (int64_t n = 0; n < l.n_labels; ++n) row[sample.labels[n]] -= static_cast<T>(l.posterior_emit[n]);
    backward_step(l, t);
  }
}

}  // namespace

void fill_ctc(CtcKernels& table) {
  table.scratch_bytes = scratch_bytes;
  table.loss[0] = ctc_loss<float>;
  table.loss[1] = ctc_loss<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
