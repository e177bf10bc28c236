// Connectionist temporal classification: the loss of each sequence, with its derivative by the logits, which the same
// pass gives, as a second output; and beam search over labellings.
#include <atomic>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

// ---- inputs --------------------------------------------------------------------------------------------------------

// Contiguous; the first a float, the others int64.
bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  static const char* const names[] = {"logits", "labels", "input_lengths", "label_lengths"};
  const auto wanted = [&](int i) { return i == 0 ? to_float(call.in(0).dtype()) : DType::I64; };
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i) {
    const DType dtype = call.in(i).dtype();
    if (i > 0 && !is_integer(dtype))
      throw DTypeError(message("[", call.op.name, "] '", names[call.n_inputs == 2 ? 2 : i],
                               "' must be whole numbers, got ", name(dtype), "; cast them to int64"));
    ready = ready && dtype == wanted(i) && call.in(i).is_contiguous();
  }
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor x = fn::cast(call.in(i), wanted(i));
    prepared.push_back(x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

void check_logits(const Call& call, std::int64_t blank) {
  const Shape& x = call.in(0).shape();
  if (x.ndim != 3)
    throw ShapeError(
        message("[", call.op.name, "] the logits must have shape (batch, steps, classes), got ", to_string(x)));
  if (blank < 0 || blank >= x[2])
    throw ValueError(message("[", call.op.name, "] the blank is class ", blank, ", but the logits of shape ",
                             to_string(x), " have the classes 0 ... ", x[2] - 1));
}
void check_lengths(const Call& call, int i, const char* what) {
  const Shape expected{call.in(0).length(0)};
  if (call.in(i).shape() != expected)
    throw ShapeError(message("[", call.op.name, "] ", what, " must have shape ", to_string(expected),
                             ", one for each sequence, got ", to_string(call.in(i).shape())));
}

// ---- the loss ------------------------------------------------------------------------------------------------------

struct CtcTask {
  std::int64_t batch, steps, classes, most_labels, blank;
  std::int64_t bytes;  // of a float
  bool check;          // an exception for a bad length or label (programs give nan instead)
  const CtcKernels* table;
  int which;
};

// What is wrong with a sequence: nothing, its lengths, or the label at a place.
constexpr std::int64_t kFine = -1, kLengths = -2;
std::int64_t fault_of(const CtcTask& t, const std::int64_t* labels, std::int64_t steps, std::int64_t n_labels) {
  if (steps < 0 || steps > t.steps || n_labels < 0 || n_labels > t.most_labels) return kLengths;
  for (std::int64_t n = 0; n < n_labels; ++n)
    if (labels[n] < 0 || labels[n] >= t.classes) return n;
  return kFine;
}

[[noreturn]] void throw_fault(const CtcTask& t, std::int64_t fault, std::int64_t i, std::int64_t label,
                              std::int64_t steps, std::int64_t n_labels) {
  if (fault != kLengths)
    throw ValueError(message("[ctc_loss] label ", label, " at position (", i, ", ", fault, ") is outside the ",
                             t.classes, " classes 0 ... ", t.classes - 1,
                             " of the logits; check the labels and their lengths"));
  if (steps < 0 || steps > t.steps)
    throw ValueError(
        message("[ctc_loss] sequence ", i, " has input length ", steps, ", but the logits have ", t.steps, " steps"));
  throw ValueError(message("[ctc_loss] sequence ", i, " has label length ", n_labels, ", but 'labels' has room for ",
                           t.most_labels));
}

void run_loss(const Task& task, void* const* ptr) {
  const auto& t = task.get<CtcTask>();
  const auto* labels = static_cast<const std::int64_t*>(ptr[1]);
  const auto *steps = static_cast<const std::int64_t*>(ptr[2]), *counts = static_cast<const std::int64_t*>(ptr[3]);
  if (t.check)
    for (std::int64_t i = 0; i < t.batch; ++i) {
      const std::int64_t* own = labels + i * t.most_labels;
      const std::int64_t fault = fault_of(t, own, steps[i], counts[i]);
      if (fault != kFine) throw_fault(t, fault, i, fault >= 0 ? own[fault] : 0, steps[i], counts[i]);
    }
  const std::int64_t row = t.steps * t.classes;
  const auto fill = [&](void* array, std::int64_t first, std::int64_t count, double value) {
    if (t.which) {
      std::fill_n(static_cast<double*>(array) + first, count, value);
    } else {
      std::fill_n(static_cast<float*>(array) + first, count, static_cast<float>(value));
    }
  };
  const std::int64_t work = t.steps * (8 * t.classes + 60 * (t.most_labels + 8));
  for_chunks(t.batch, std::max<std::int64_t>(work, 1), [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) {
      const CtcSample sample{static_cast<const char*>(ptr[0]) + i * row * t.bytes,
                             steps[i],
                             t.classes,
                             labels + i * t.most_labels,
                             counts[i],
                             t.blank};
      if (fault_of(t, sample.labels, sample.steps, sample.n_labels) != kFine) {
        fill(ptr[4], i, 1, std::numeric_limits<double>::quiet_NaN());
        fill(ptr[5], i * row, row, std::numeric_limits<double>::quiet_NaN());
        continue;
      }
      void* scratch =
          thread_scratch(0, static_cast<std::size_t>(t.table->scratch_bytes(sample.steps, sample.n_labels)));
      t.table->loss[t.which](static_cast<char*>(ptr[4]) + i * t.bytes, static_cast<char*>(ptr[5]) + i * row * t.bytes,
                             sample, scratch);
      const std::int64_t used = sample.steps * t.classes;
      fill(ptr[5], i * row + used, row - used, 0);  // steps behind the sequence's end
    }
  });
}

void infer_loss(const Call& call, std::vector<Output>& outputs) {
  check_logits(call, call.attrs[0].integer);
  const Shape &x = call.in(0).shape(), &labels = call.in(1).shape();
  if (labels.ndim != 2 || labels[0] != x[0])
    throw ShapeError(message("[ctc_loss] logits of shape ", to_string(x), " need labels of shape (", x[0],
                             ", most labels), got ", to_string(labels)));
  check_lengths(call, 2, "the input lengths");
  check_lengths(call, 3, "the label lengths");
  outputs.push_back({call.in(0).dtype(), Shape{x[0]}});
  outputs.push_back({call.in(0).dtype(), x});
}

void lower_loss(const Call& call, Task& task) {
  const Shape& x = call.in(0).shape();
  auto& t = task.params<CtcTask>();
  t.batch = x[0];
  t.steps = x[1];
  t.classes = x[2];
  t.most_labels = call.in(1).length(1);
  t.blank = call.attrs[0].integer;
  t.bytes = static_cast<std::int64_t>(itemsize(call.out().dtype()));
  t.check = call.out().data() != nullptr;  // in a program the memory comes later
  t.table = &kernels().ctc;
  t.which = float_index(call.out().dtype());
  task.run = run_loss;
}

void loss_vjp(const Call& call, const Tensor* g, const bool* needs, Tensor* grads) {
  if (g[1])
    throw GradientError(
        "[ctc_loss] a second derivative was asked for, and the CTC loss has only its first; take the gradient of the "
        "gradient of another loss");
  if (needs[0] && g[0]) grads[0] = fn::multiply(call.out(1), fn::reshape(g[0], Shape{g[0].length(0), 1, 1}));
}

// ---- beam search ---------------------------------------------------------------------------------------------------

constexpr double kNone = -std::numeric_limits<double>::infinity();  // the logarithm of no probability

double log_sum(double a, double b) {
  const double most = std::max(a, b);
  return most == kNone ? kNone : most + std::log1p(std::exp(std::min(a, b) - most));
}

// Prefix beam search (Hannun et al. 2014, without a language model): a beam is a labelling with the probabilities of
// its alignments that end in a blank and of those that end in its last label.
class BeamSearch {
 public:
  BeamSearch(std::int64_t width, std::int64_t classes, std::int64_t blank)
      : width_(static_cast<std::size_t>(width)), classes_(classes), blank_(blank) {
    nodes_.push_back({-1, -1, 0});
    beams_.push_back({0, 0, kNone});
  }

  template <class T>
  void step(const T* log_p) {
    place_.assign(nodes_.size(), -1);
    for (std::size_t i = 0; i < beams_.size(); ++i)
      place_[static_cast<std::size_t>(beams_[i].node)] = static_cast<int>(i);
    candidates_.clear();
    for (const Beam& beam : beams_) {  // the labelling stays as it is
      const int label = node(beam).label;
      const double emit = label < 0 ? kNone : beam.emit + log_p[label];
      candidates_.push_back({beam.node, -1, beam.total() + log_p[blank_], emit});
    }
    for (const Beam& beam : beams_)
      for (int c = 0; c < classes_; ++c) {
        if (c == blank_) continue;
        const double emit = (c == node(beam).label ? beam.blank : beam.total()) + log_p[c];
        if (emit == kNone) continue;
        const auto known = children_.find(key(beam.node, c));
        const int other = known == children_.end() ? -1 : place_[static_cast<std::size_t>(known->second)];
        if (other >= 0) {
          double& sum = candidates_[static_cast<std::size_t>(other)].emit;
          sum = log_sum(sum, emit);
        } else {
          candidates_.push_back({beam.node, c, kNone, emit});
        }
      }
    for (Candidate& c : candidates_) c.total = log_sum(c.blank, c.emit);
    const std::size_t kept = std::min(width_, candidates_.size());
    std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(kept), candidates_.end(),
                      [this](const Candidate& a, const Candidate& b) { return better(a, b); });
    beams_.clear();
    for (std::size_t i = 0; i < kept && candidates_[i].total > kNone; ++i) {
      const Candidate& c = candidates_[i];
      beams_.push_back({c.label < 0 ? c.node : child(c.node, c.label), c.blank, c.emit});
    }
  }

  // The k-th best labelling; false if there are fewer.
  bool result(std::size_t k, std::int32_t* labels, double* log_probability) const {
    if (k >= beams_.size()) return false;
    *log_probability = beams_[k].total();
    const std::vector<int> path = path_of(beams_[k].node, -1);
    std::copy(path.begin(), path.end(), labels);
    return true;
  }

 private:
  struct Node {
    int parent, label, length;
  };
  struct Beam {
    int node;
    double blank, emit;
    double total() const { return log_sum(blank, emit); }
  };
  struct Candidate {
    int node, label;  // label -1: the node itself, else its child
    double blank, emit, total = 0;
  };

  const Node& node(const Beam& beam) const { return nodes_[static_cast<std::size_t>(beam.node)]; }
  static std::uint64_t key(int node, int label) {
    return static_cast<std::uint64_t>(node) << 32 | static_cast<std::uint32_t>(label);
  }
  // One number for each labelling, whenever it comes up.
  int child(int parent, int label) {
    const auto [place, fresh] = children_.try_emplace(key(parent, label), static_cast<int>(nodes_.size()));
    if (fresh) nodes_.push_back({parent, label, nodes_[static_cast<std::size_t>(parent)].length + 1});
    return place->second;
  }
  std::vector<int> path_of(int node, int label) const {
    const Node* at = &nodes_[static_cast<std::size_t>(node)];
    std::vector<int> path(static_cast<std::size_t>(at->length));
    for (std::size_t i = path.size(); i > 0; at = &nodes_[static_cast<std::size_t>(at->parent)]) path[--i] = at->label;
    if (label >= 0) path.push_back(label);
    return path;
  }
  // More probable; of equals, the one with the smaller label where they first differ, the longer if they don't.
  bool better(const Candidate& a, const Candidate& b) const {
    if (a.total != b.total) return a.total > b.total;
    const std::vector<int> left = path_of(a.node, a.label), right = path_of(b.node, b.label);
    for (std::size_t i = 0; i < std::min(left.size(), right.size()); ++i)
      if (left[i] != right[i]) return left[i] < right[i];
    return left.size() > right.size();
  }

  std::size_t width_;
  std::int64_t classes_, blank_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint64_t, int> children_;
  std::vector<Beam> beams_;
  std::vector<Candidate> candidates_;
  std::vector<int> place_;  // of a node among the beams
};

struct BeamTask {
  std::int64_t batch, steps, classes, width, paths, blank;
  bool check;
};

template <class T>
void run_beams(const Task& task, void* const* ptr) {
  const auto& t = task.get<BeamTask>();
  const T* log_p = static_cast<const T*>(ptr[0]);
  const auto* lengths = static_cast<const std::int64_t*>(ptr[1]);
  auto* labels = static_cast<std::int32_t*>(ptr[2]);
  T* scores = static_cast<T*>(ptr[3]);
  std::fill_n(labels, t.paths * t.batch * t.steps, -1);
  for (std::int64_t i = 0; t.check && i < t.batch; ++i)
    if (lengths[i] < 0 || lengths[i] > t.steps)
      throw ValueError(
          message("[ctc_beam_decode] sequence ", i, " has length ", lengths[i], ", but there are ", t.steps, " steps"));
  parallel_for(t.batch, [&](std::int64_t i) {
    BeamSearch search(t.width, t.classes, t.blank);
    const std::int64_t steps = std::max<std::int64_t>(0, std::min(lengths[i], t.steps));
    for (std::int64_t s = 0; s < steps; ++s) search.step(log_p + (i * t.steps + s) * t.classes);
    for (std::int64_t k = 0; k < t.paths; ++k) {
      double score = kNone;
      search.result(static_cast<std::size_t>(k), labels + (k * t.batch + i) * t.steps, &score);
      scores[i * t.paths + k] = static_cast<T>(score);
    }
  });
}

void infer_beams(const Call& call, std::vector<Output>& outputs) {
  const std::int64_t width = call.attrs[0].integer, paths = call.attrs[1].integer;
  check_logits(call, call.attrs[2].integer);
  check_lengths(call, 1, "the lengths");
  if (width < 1 || paths < 1)
    throw ValueError(
        message("[ctc_beam_decode] 'beam_width' and 'top_paths' must be at least 1, got ", width, " and ", paths));
  const Shape& x = call.in(0).shape();
  outputs.push_back({DType::I32, Shape{paths, x[0], x[1]}});
  outputs.push_back({call.in(0).dtype(), Shape{x[0], paths}});
}

void lower_beams(const Call& call, Task& task) {
  const Shape& x = call.in(0).shape();
  auto& t = task.params<BeamTask>();
  t = {x[0],
       x[1],
       x[2],
       call.attrs[0].integer,
       call.attrs[1].integer,
       call.attrs[2].integer,
       call.out().data() != nullptr};
  task.run = call.in(0).dtype() == DType::F64 ? run_beams<double> : run_beams<float>;
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  Op loss;
  loss.name = "ctc_loss";
  loss.doc =
      "-log sum over alignments of their probability, for each sequence; logits (batch, steps, classes), labels "
      "(batch, most labels), lengths (batch,). Infinite, with gradient zero, where no alignment exists.";
  loss.tensors = {{"logits"}, {"labels"}, {"input_lengths"}, {"label_lengths"}};
  loss.attrs = {attr_with_default("blank", AttrKind::integer, Attr::of(0))};
  loss.prepare = prepare;
  loss.infer = infer_loss;
  loss.lower = lower_loss;
  loss.vjp = loss_vjp;
  loss.saves_inputs = 0;
  loss.saves_outputs = 2;
  register_op(loss);

  Op beams;
  beams.name = "ctc_beam_decode";
  beams.doc =
      "The most probable labellings, by beam search over log-probabilities (batch, steps, classes) with lengths "
      "(batch,): labels (top_paths, batch, steps) behind which stands -1, and log-probabilities (batch, top_paths).";
  beams.tensors = {{"log_probabilities"}, {"lengths"}};
  beams.attrs = {attr_with_default("beam_width", AttrKind::integer, Attr::of(100)),
                 attr_with_default("top_paths", AttrKind::integer, Attr::of(1)),
                 attr_with_default("blank", AttrKind::integer, Attr::of(0))};
  beams.prepare = prepare;
  beams.infer = infer_beams;
  beams.lower = lower_beams;
  register_op(beams);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
