// Optimizer updates in one pass: each array is read once and written once, and the arithmetic hides behind the memory.
#include "kernels/each_vector.h"
#include "kernels/parts.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

// What all updates do first: scale and clip the gradient, let the weights decay. `plain`: nothing of it.
template <class T, bool plain = false>
struct Common {
  Vec<T> scale, clip, keep;
  bool clips, decays;

  explicit Common(const OptimParams& p)
      : scale(static_cast<T>(p.grad_scale)),
        clip(static_cast<T>(p.clip_value)),
        keep(static_cast<T>(p.lr * p.weight_decay)),
        clips(p.clip_value > 0),
        decays(p.weight_decay != 0) {}

  CR_INLINE Vec<T> gradient(Vec<T> g) const {
    if (plain) return g;
    g = g * scale;
    return clips ? minimum(maximum(g, -clip), clip) : g;
  }
  CR_INLINE Vec<T> weight(Vec<T> w) const { return !plain && decays ? w - w * keep : w; }
};

template <class T>
void sgd(void* w_data, void* velocity_data, const void* g_data, int64_t n, const OptimParams* params) {
  T *w = static_cast<T*>(w_data), *velocity = static_cast<T*>(velocity_data);
  const T* g = static_cast<const T*>(g_data);
  const Common<T> common(*params);
  const Vec<T> lr(static_cast<T>(params->lr)), momentum(static_cast<T>(params->momentum));
  const bool nesterov = params->nesterov;
  if (!velocity) {
    each_vector<T>(n, [&](auto at) { at.store(w, common.weight(at.load(w)) - lr * common.gradient(at.load(g))); });
    return;
  }
  each_vector<T>(n, [&](auto at) {
    const Vec<T> step = lr * common.gradient(at.load(g));
    const Vec<T> v = momentum * at.load(velocity) - step;
    at.store(velocity, v);
    at.store(w, common.weight(at.load(w)) + (nesterov ? momentum * v - step : v));
  });
}

template <class T>
void rmsprop(void* w_data, void* mean_square_data, void* mean_data, void* velocity_data, const void* g_data, int64_t n,
             const OptimParams* params) {
  T *w = static_cast<T*>(w_data), *mean_square = static_cast<T*>(mean_square_data), *mean = static_cast<T*>(mean_data);
  T* velocity = static_cast<T*>(velocity_data);
  const T* g = static_cast<const T*>(g_data);
  const Common<T> common(*params);
  const Vec<T> lr(static_cast<T>(params->lr)), momentum(static_cast<T>(params->momentum));
  const Vec<T> rho(static_cast<T>(params->rho)), rest(static_cast<T>(1 - params->rho));
  const Vec<T> epsilon(static_cast<T>(params->epsilon));
  const bool centered = params->centered;
  each_vector<T>(n, [&](auto at) {
    const Vec<T> gradient = common.gradient(at.load(g));
    const Vec<T> square = rho * at.load(mean_square) + rest * (gradient * gradient);
    at.store(mean_square, square);
    Vec<T> variance = square;
    if (centered) {
      const Vec<T> average = rho * at.load(mean) + rest * gradient;
      at.store(mean, average);
      variance = square - average * average;
    }
    Vec<T> step = lr * gradient / sqrt(variance + epsilon);
    if (velocity) {
      step = momentum * at.load(velocity) + step;
      at.store(velocity, step);
    }
    at.store(w, common.weight(at.load(w)) - step);
  });
}

// `plain`: not amsgrad either. The tests of what is asked for cost as much as a tenth of the loop.
template <class T, bool plain>
void adam_loop(void* w_data, void* m_data, void* v_data, void* vhat_data, const void* g_data, int64_t n,
               const OptimParams* params) {
  T *w = static_cast<T*>(w_data), *m = static_cast<T*>(m_data), *v = static_cast<T*>(v_data);
  T* vhat = static_cast<T*>(vhat_data);
  const T* g = static_cast<const T*>(g_data);
  const Common<T, plain> common(*params);
  const Vec<T> rest1(static_cast<T>(1 - params->beta1)), rest2(static_cast<T>(1 - params->beta2));
  // Keras folds both corrections into the rate, so epsilon is added to the uncorrected root.
  const Vec<T> alpha(static_cast<T>(params->lr * __builtin_sqrt(params->correction2) / params->correction1));
  const Vec<T> epsilon(static_cast<T>(params->epsilon));
  const bool amsgrad = !plain && params->amsgrad;
  each_vector<T>(n, [&](auto at) {
    const Vec<T> gradient = common.gradient(at.load(g));
    const Vec<T> m_old = at.load(m), v_old = at.load(v);
    const Vec<T> first = fma(gradient - m_old, rest1, m_old);
    Vec<T> second = fma(gradient * gradient - v_old, rest2, v_old);
    at.store(m, first);
    at.store(v, second);
    if (amsgrad) {
      second = maximum(at.load(vhat), second);
      at.store(vhat, second);
    }
    at.store(w, common.weight(at.load(w)) - first * alpha / (sqrt(second) + epsilon));
  });
}

template <class T>
void adam(void* w, void* m, void* v, void* vhat, const void* g, int64_t n, const OptimParams* params) {
  const bool plain =
      params->grad_scale == 1 && !(params->clip_value > 0) && params->weight_decay == 0 && !params->amsgrad;
  (plain ? adam_loop<T, true> : adam_loop<T, false>)(w, m, v, vhat, g, n, params);
}

}  // namespace

void fill_optimizers(OptimKernels& table) {
  table.sgd[0] = sgd<float>;
  table.sgd[1] = sgd<double>;
  table.rmsprop[0] = rmsprop<float>;
  table.rmsprop[1] = rmsprop<double>;
  table.adam[0] = adam<float>;
  table.adam[1] = adam<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
