// Discrete Fourier transforms along the last axis, of complex numbers (as two tensors) and of real ones, unnormalised
// in both directions, so that each is the gradient of another. Rows run side by side in vectors where there are enough.
#include <cmath>
#include <cstring>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "ops/functions.h"
#include "ops/support.h"
#include "runtime/cpu.h"

namespace chainrule {
namespace {

// ---- plans ---------------------------------------------------------------------------------------------------------

// A plan with the tables it points to.
struct Plan {
  FftPlan view{};
  std::vector<std::unique_ptr<char[]>> tables;
  std::shared_ptr<const Plan> padded;
};

constexpr double kPi = 3.14159265358979323846;

// e^(-2 pi i a / b), from an angle of at most an eighth of a turn.
void root_of_unity(std::int64_t a, std::int64_t b, double* pair) {
  std::int64_t num = 2 * (a % b), den = b;  // the angle is pi num / den
  const bool below = num > den, left = 2 * (below ? 2 * den - num : num) > den;
  if (below) num = 2 * den - num;
  if (left) num = den - num;
  const bool steep = 4 * num > den;
  if (steep) {
    num = den - 2 * num;
    den *= 2;
  }
  const double angle = kPi * static_cast<double>(num) / static_cast<double>(den);
  const double c = steep ? std::sin(angle) : std::cos(angle), s = steep ? std::cos(angle) : std::sin(angle);
  pair[0] = left ? -c : c;
  pair[1] = below ? s : -s;
}

// A table of `count` pairs, value(i, pair) each, in the float type.
template <class F>
const void* table_of(Plan& plan, bool wide, std::int64_t count, F&& value) {
  const std::size_t bytes = static_cast<std::size_t>(2 * count) * (wide ? sizeof(double) : sizeof(float));
  plan.tables.emplace_back(new char[bytes]);
  void* table = plan.tables.back().get();
  for (std::int64_t i = 0; i < count; ++i) {
    double pair[2];
    value(i, pair);
    for (std::int64_t k = 0; k < 2; ++k) {
      if (wide) {
        static_cast<double*>(table)[2 * i + k] = pair[k];
      } else {
        static_cast<float*>(table)[2 * i + k] = static_cast<float>(pair[k]);
      }
    }
  }
  return table;
}

std::shared_ptr<const Plan> plan_for(std::int64_t n, bool wide);

std::shared_ptr<const Plan> make_plan(std::int64_t n, bool wide) {
  auto plan = std::make_shared<Plan>();
  FftPlan& view = plan->view;
  view.n = n;
  std::int64_t left = n;
  for (const int radix : {4, 2, 3, 5, 7, 11, 13})
    for (; left % radix == 0; left /= radix) view.radix[view.stages++] = radix;
  if (left == 1) {
    std::int64_t length = n;
    for (int k = 0; k < view.stages; ++k) {
      const std::int64_t radix = view.radix[k], parts = length / radix;
      view.twiddle[k] = table_of(*plan, wide, parts * (radix - 1), [&](std::int64_t i, double* pair) {
        root_of_unity(i / (radix - 1) * (i % (radix - 1) + 1), length, pair);
      });
      view.roots[k] = table_of(*plan, wide, radix, [&](std::int64_t i, double* pair) {
        root_of_unity(i, radix, pair);
        pair[1] = -pair[1];
      });
      length = parts;
    }
  } else {
    view.stages = 0;
    std::int64_t size = 1;
    while (size < 2 * n - 1) size *= 2;
    plan->padded = plan_for(size, wide);
    view.padded = &plan->padded->view;
    const auto chirp = [&](std::int64_t k, double* pair) { root_of_unity(k * k % (2 * n), 2 * n, pair); };
    view.chirp = table_of(*plan, wide, n, chirp);
    const auto doubles = static_cast<std::size_t>(size);
    std::vector<double> re(doubles), im(doubles), out_re(doubles), out_im(doubles), scratch(2 * doubles);
    for (std::int64_t k = 0; k < n; ++k) {
      double pair[2];
      chirp(k, pair);
      for (const std::int64_t at : {k, (size - k) % size}) {
        re[static_cast<std::size_t>(at)] = pair[0];
        im[static_cast<std::size_t>(at)] = -pair[1];
      }
    }
    const std::shared_ptr<const Plan> exact = plan_for(size, true);
    kernels().fft.transform[1](out_re.data(), out_im.data(), re.data(), im.data(), 1, 1, exact->view, scratch.data());
    view.filter = table_of(*plan, wide, size, [&](std::int64_t k, double* pair) {
      pair[0] = out_re[static_cast<std::size_t>(k)] / static_cast<double>(size);
      pair[1] = out_im[static_cast<std::size_t>(k)] / static_cast<double>(size);
    });
  }
  view.half_turn = table_of(*plan, wide, n + 1, [&](std::int64_t k, double* pair) { root_of_unity(k, 2 * n, pair); });
  return plan;
}

std::shared_ptr<const Plan> plan_for(std::int64_t n, bool wide) {
  static std::mutex mutex;
  static std::unordered_map<std::int64_t, std::shared_ptr<const Plan>> known;
  constexpr std::size_t kMost = 128;
  const std::int64_t key = 2 * n + (wide ? 1 : 0);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    const auto found = known.find(key);
    if (found != known.end()) return found->second;
  }
  std::shared_ptr<const Plan> plan = make_plan(n, wide);  // unlocked, for it may need another plan
  const std::lock_guard<std::mutex> lock(mutex);
  if (known.size() >= kMost) known.clear();  // tasks keep the plans they use
  known[key] = plan;
  return plan;
}

// ---- running -------------------------------------------------------------------------------------------------------

struct FftTask {
  std::shared_ptr<const Plan> plan;  // of the complex transform inside
  std::int64_t n, rows, lanes, bytes;
  bool inverse, odd;
  const FftKernels* table;
  TransposeFn transpose;
  int which;

  std::int64_t spectrum() const { return n / 2 + 1; }
  std::size_t array(std::int64_t length) const { return static_cast<std::size_t>(length * lanes * bytes); }
  void transform(void* out_re, void* out_im, const void* re, const void* im, std::int64_t step, bool backwards,
                 void* scratch) const {
    if (backwards) {
      table->transform[which](out_im, out_re, im, re, step, lanes, plan->view, scratch);
    } else {
      table->transform[which](out_re, out_im, re, im, step, lanes, plan->view, scratch);
    }
  }
};

// Some rows, and memory for them with transforms side by side.
class Block {
 public:
  Block(const FftTask& task, std::int64_t block, std::size_t bytes)
      : t_(task),
        first_(block * task.lanes),
        count_(std::min(task.lanes, task.rows - first_)),
        free_(static_cast<char*>(thread_scratch(0, bytes + 64 * 16))) {}

  void* take(std::int64_t length) {
    void* array = free_;
    free_ += (t_.array(length) + 63) / 64 * 64;
    return array;
  }
  // The rows of x, side by side.
  const void* pack(const void* x, std::int64_t length) {
    const char* rows = static_cast<const char*>(x) + first_ * length * t_.bytes;
    if (t_.lanes == 1) return rows;
    void* packed = take(length);
    if (count_ < t_.lanes) std::memset(packed, 0, t_.array(length));
    t_.transpose(packed, t_.lanes, rows, length, count_, length);
    return packed;
  }
  // Where a result is to be written, and from there to its rows.
  void* result(void* x, std::int64_t length) {
    return t_.lanes == 1 ? static_cast<char*>(x) + first_ * length * t_.bytes : take(length);
  }
  void unpack(void* x, const void* packed, std::int64_t length) {
    if (t_.lanes > 1)
      t_.transpose(static_cast<char*>(x) + first_ * length * t_.bytes, length, packed, t_.lanes, length, count_);
  }

 private:
  const FftTask& t_;
  std::int64_t first_, count_;
  char* free_;
};

template <class Body>
void for_blocks(const FftTask& t, Body&& body) {
  const std::int64_t scratch = t.table->scratch(t.plan->view);
  const std::size_t bytes = 8 * t.array(t.n + 2) + t.array(scratch);
  const auto work = static_cast<std::int64_t>(std::log2(static_cast<double>(t.n) + 1) + 1) * t.n * t.lanes;
  for_chunks((t.rows + t.lanes - 1) / t.lanes, work, [&](std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) {
      Block block(t, i, bytes);
      body(block, block.take(scratch));
    }
  });
}

void run_complex(const Task& task, void* const* ptr) {
  const auto& t = task.get<FftTask>();
  for_blocks(t, [&](Block& block, void* scratch) {
    const void *re = block.pack(ptr[0], t.n), *im = block.pack(ptr[1], t.n);
    void *out_re = block.result(ptr[2], t.n), *out_im = block.result(ptr[3], t.n);
    t.transform(out_re, out_im, re, im, t.lanes, t.inverse, scratch);
    block.unpack(ptr[2], out_re, t.n);
    block.unpack(ptr[3], out_im, t.n);
  });
}

void run_real(const Task& task, void* const* ptr) {
  const auto& t = task.get<FftTask>();
  for_blocks(t, [&](Block& block, void* scratch) {
    const void* x = block.pack(ptr[0], t.n);
    void *out_re = block.result(ptr[1], t.spectrum()), *out_im = block.result(ptr[2], t.spectrum());
    const std::int64_t inside = t.odd ? t.n : t.n / 2;
    void *z_re = block.take(inside), *z_im = block.take(inside);
    if (t.odd) {
      void* zero = block.take(t.n);
      std::memset(zero, 0, t.array(t.n));
      t.transform(z_re, z_im, x, zero, t.lanes, false, scratch);
      std::memcpy(out_re, z_re, t.array(t.spectrum()));
      std::memcpy(out_im, z_im, t.array(t.spectrum()));
    } else {
      t.transform(z_re, z_im, x, static_cast<const char*>(x) + t.array(1), 2 * t.lanes, false, scratch);
      t.table->join[t.which](out_re, out_im, z_re, z_im, t.lanes, t.plan->view);
    }
    block.unpack(ptr[1], out_re, t.spectrum());
    block.unpack(ptr[2], out_im, t.spectrum());
  });
}

template <class T>
void mirror(T* full_re, T* full_im, const T* re, const T* im, std::int64_t n, std::int64_t lanes) {
  for (std::int64_t k = 0; k < n; ++k) {
    const bool behind = k > n / 2;
    const std::int64_t from = (behind ? n - k : k) * lanes;
    for (std::int64_t i = 0; i < lanes; ++i) {
      full_re[k * lanes + i] = re[from + i];
      full_im[k * lanes + i] = k == 0 ? T(0) : behind ? -im[from + i] : im[from + i];
    }
  }
}

void run_real_inverse(const Task& task, void* const* ptr) {
  const auto& t = task.get<FftTask>();
  for_blocks(t, [&](Block& block, void* scratch) {
    const void *re = block.pack(ptr[0], t.spectrum()), *im = block.pack(ptr[1], t.spectrum());
    void* x = block.result(ptr[2], t.n);
    const std::int64_t inside = t.odd ? t.n : t.n / 2;
    void *z_re = block.take(inside), *z_im = block.take(inside), *y_im = block.take(inside);
    if (t.odd) {
      if (t.which) {
        mirror(static_cast<double*>(z_re), static_cast<double*>(z_im), static_cast<const double*>(re),
               static_cast<const double*>(im), t.n, t.lanes);
      } else {
        mirror(static_cast<float*>(z_re), static_cast<float*>(z_im), static_cast<const float*>(re),
               static_cast<const float*>(im), t.n, t.lanes);
      }
      t.transform(x, y_im, z_re, z_im, t.lanes, true, scratch);
    } else {
      void* y_re = block.take(inside);
      t.table->part[t.which](z_re, z_im, re, im, t.lanes, t.plan->view);
      t.transform(y_re, y_im, z_re, z_im, t.lanes, true, scratch);
      const std::size_t piece = t.array(1);
      char* to = static_cast<char*>(x);
      for (std::size_t k = 0; k < static_cast<std::size_t>(inside); ++k, to += 2 * piece) {
        std::memcpy(to, static_cast<const char*>(y_re) + k * piece, piece);
        std::memcpy(to + piece, static_cast<const char*>(y_im) + k * piece, piece);
      }
    }
    block.unpack(ptr[2], x, t.n);
  });
}

void run_nothing(const Task&, void* const*) {}

constexpr std::int64_t kSideBySide = 8192;  // longer rows would leave the second-level cache

void plan_task(Task& task, Task::Run run, DType dtype, std::int64_t n, std::int64_t elements, bool real, bool inverse) {
  auto& t = task.params<FftTask>();
  t.which = float_index(dtype);
  t.bytes = static_cast<std::int64_t>(itemsize(dtype));
  t.n = n;
  t.rows = elements / n;
  t.inverse = inverse;
  t.odd = n % 2 != 0;
  t.table = &kernels().fft;
  t.transpose = kernels().move.transpose[log2_itemsize(t.bytes)];
  const std::int64_t lanes = t.table->lanes[t.which];
  t.lanes = t.rows >= lanes / 2 && n <= kSideBySide ? lanes : 1;
  t.plan = plan_for(real && !t.odd ? n / 2 : n, t.which == 1);
  task.run = t.rows ? run : run_nothing;
}

// ---- shapes --------------------------------------------------------------------------------------------------------

// Contiguous floats of one type.
bool prepare(const Call& call, std::vector<Tensor>& prepared) {
  DType dtype = to_float(call.in(0).dtype());
  for (int i = 1; i < call.n_inputs; ++i) dtype = promote(dtype, to_float(call.in(i).dtype()));
  bool ready = true;
  for (int i = 0; i < call.n_inputs; ++i) ready = ready && call.in(i).dtype() == dtype && call.in(i).is_contiguous();
  if (ready) return false;
  for (int i = 0; i < call.n_inputs; ++i) {
    const Tensor x = fn::cast(call.in(i), dtype);
    prepared.push_back(x.is_contiguous() ? x : call_op("copy", {x}));
  }
  return true;
}

std::int64_t length_of(const Call& call) {
  const Shape& shape = call.in(0).shape();
  if (shape.ndim == 0 || shape[shape.ndim - 1] == 0)
    throw ShapeError(message("[", call.op.name, "] at least one number along the last axis is needed, got shape ",
                             to_string(shape)));
  for (int i = 1; i < call.n_inputs; ++i)
    if (call.in(i).shape() != shape)
      throw ShapeError(message("[", call.op.name, "] real and imaginary parts must have one shape, got ",
                               to_string(shape), " and ", to_string(call.in(i).shape())));
  return shape[shape.ndim - 1];
}
Shape with_length(Shape shape, std::int64_t n) {
  shape[shape.ndim - 1] = n;
  return shape;
}

void infer_complex(const Call& call, std::vector<Output>& outputs) {
  length_of(call);
  for (int k = 0; k < 2; ++k) outputs.push_back({call.in(0).dtype(), call.in(0).shape()});
}
void infer_real(const Call& call, std::vector<Output>& outputs) {
  const Shape shape = with_length(call.in(0).shape(), length_of(call) / 2 + 1);
  for (int k = 0; k < 2; ++k) outputs.push_back({call.in(0).dtype(), shape});
}
void infer_real_inverse(const Call& call, std::vector<Output>& outputs) {
  const std::int64_t n = call.attrs[0].integer;
  if (n < 1 || n / 2 + 1 != length_of(call))
    throw ShapeError(message("[irfft] ", n, " numbers have a spectrum of ", n / 2 + 1, ", got one of shape ",
                             to_string(call.in(0).shape()), "; cut or pad it"));
  outputs.push_back({call.in(0).dtype(), with_length(call.in(0).shape(), n)});
}

void lower_complex(const Call& call, Task& task) {
  plan_task(task, run_complex, call.out().dtype(), length_of(call), call.in(0).size(), false, call.attrs[0].truth());
}
void lower_real(const Call& call, Task& task) {
  plan_task(task, run_real, call.out().dtype(), length_of(call), call.in(0).size(), true, false);
}
void lower_real_inverse(const Call& call, Task& task) {
  plan_task(task, run_real_inverse, call.out().dtype(), call.attrs[0].integer, call.out().size(), true, true);
}

// ---- gradients -----------------------------------------------------------------------------------------------------

Tensor or_zero(const Tensor& g, const Tensor& like) { return g ? g : fn::zeros_like(like); }

void complex_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const Tensor inputs[] = {or_zero(g[0], call.out(0)), or_zero(g[1], call.out(1))};
  const std::vector<Tensor> back = apply_all(call.op, inputs, 2, {Attr::of(!call.attrs[0].truth())});
  grads[0] = back[0];
  grads[1] = back[1];
}

// x times `edge` at the ends of the spectrum of n real numbers, which stand for themselves, and times `middle` at the
// elements that stand for their mirror images too.
Tensor weigh(const Tensor& x, std::int64_t n, double edge, double middle) {
  const std::int64_t length = n / 2 + 1;
  Tensor weights = Tensor::empty(x.dtype(), Shape{length});
  for (std::int64_t k = 0; k < length; ++k) {
    const double w = k == 0 || 2 * k == n ? edge : middle;
    if (x.dtype() == DType::F64) {
      static_cast<double*>(weights.data())[k] = w;
    } else {
      static_cast<float*>(weights.data())[k] = static_cast<float>(w);
    }
  }
  return fn::multiply(x, weights);
}

void real_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const std::int64_t n = length_of(call);
  grads[0] =
      call_op("irfft", {weigh(or_zero(g[0], call.out(0)), n, 1, 0.5), weigh(or_zero(g[1], call.out(1)), n, 1, 0.5)},
              {Attr::of(n)});
}

void real_inverse_vjp(const Call& call, const Tensor* g, const bool*, Tensor* grads) {
  const std::int64_t n = call.attrs[0].integer;
  const std::vector<Tensor> back = apply_all(*find_op("rfft"), g, 1, {});
  grads[0] = weigh(back[0], n, 1, 2);
  grads[1] = weigh(back[1], n, 1, 2);
}

// ---- the ops -------------------------------------------------------------------------------------------------------

bool register_all() {
  Op complex;
  complex.name = "fft";
  complex.doc =
      "sum_j x_j e^(-2 pi i j k / n) along the last axis of complex numbers, real and imaginary parts apart; inverse: "
      "e^(+...), not divided by n.";
  complex.tensors = {{"real"}, {"imag"}};
  complex.attrs = {attr_with_default("inverse", AttrKind::boolean, Attr::of(false))};
  complex.prepare = prepare;
  complex.infer = infer_complex;
  complex.lower = lower_complex;
  complex.vjp = complex_vjp;
  complex.saves_inputs = 0;
  register_op(complex);

  Op real;
  real.name = "rfft";
  real.doc =
      "Elements 0 ... n / 2 of the Fourier transform of real numbers along the last axis: real and imaginary parts.";
  real.tensors = {{"x"}};
  real.prepare = prepare;
  real.infer = infer_real;
  real.lower = lower_real;
  real.vjp = real_vjp;
  real.saves_inputs = 0;
  register_op(real);

  Op inverse;
  inverse.name = "irfft";
  inverse.doc = "The n real numbers with elements 0 ... n / 2 of their spectrum as given, times n.";
  inverse.tensors = {{"real"}, {"imag"}};
  inverse.attrs = {required_attr("n", AttrKind::integer)};
  inverse.prepare = prepare;
  inverse.infer = infer_real_inverse;
  inverse.lower = lower_real_inverse;
  inverse.vjp = real_inverse_vjp;
  inverse.saves_inputs = 0;
  register_op(inverse);
  return true;
}

const bool registered = register_all();

}  // namespace
}  // namespace chainrule
