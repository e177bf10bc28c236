// The rows between the two products of attention: scaled, masked, made a distribution; and the gradient. A row stays in
// the nearest cache for its passes.
#include "kernels/across.h"
#include "kernels/parts.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

// Columns that row i sees but for the mask.
int64_t visible(const AttentionRows& a, int64_t i) {
  const int64_t limit = a.first_limit < 0 ? a.cols : a.first_limit + i;
  return limit < a.cols ? limit : a.cols;
}

template <class T>
void take_masked(T* s, const uint8_t* mask, int64_t step, int64_t n) {
  if (step == 1) {
    for (int64_t j = 0; j < n; ++j) s[j] = mask[j] ? s[j] : -kInfinity<T>;
  } else {
    for (int64_t j = 0; j < n; ++j) s[j] = mask[j * step] ? s[j] : -kInfinity<T>;
  }
}

template <class T>
void weights(void* scores, const AttentionRows& a) {
  constexpr int64_t lanes = Vec<T>::kLanes;
  const Vec<T> scale(static_cast<T>(a.scale)), numbers = Vec<T>::lane_numbers();
  for (int64_t i = 0; i < a.rows; ++i) {
    T* s = static_cast<T*>(scores) + i * a.row_step;
    const int64_t n = visible(a, i), vectors = (n + lanes - 1) / lanes;
    const bool scaled = a.bias || a.mask || a.scale == 0;  // before the passes; otherwise within them
    if (scaled) {
      for (int64_t k = 0; k < vectors; ++k) (Vec<T>::load(s + k * lanes) * scale).store(s + k * lanes);
      if (a.bias) {
        const T* bias = static_cast<const T*>(a.bias) + i * a.bias_row;
        for (int64_t j = 0; j < n; ++j) s[j] += bias[j * a.bias_col];
      }
      if (a.mask) take_masked(s, a.mask + i * a.mask_row, a.mask_col, n);
    }
    const Vec<T> factor = scaled ? Vec<T>(T(1)) : scale;
    if (n % lanes) {  // the lanes past the end take no part
      T* last = s + (vectors - 1) * lanes;
      const T outside = factor.v[0] < 0 ? kInfinity<T> : -kInfinity<T>;
      where(numbers < Vec<T>(static_cast<T>(n % lanes)), Vec<T>::load(last), Vec<T>(outside)).store(last);
    }
    Vec<T> greatest(-kInfinity<T>);
    for (int64_t k = 0; k < vectors; ++k) greatest = max_or_second(Vec<T>::load(s + k * lanes) * factor, greatest);
    const Vec<T> top = max_across(greatest);
    if (top.v[0] == -kInfinity<T>) {  // nothing may be seen, or nothing is a number
      T weight = T(0);
      for (int64_t j = 0; j < n; ++j) weight = s[j] != s[j] ? s[j] : weight;
      for (int64_t j = 0; j < vectors * lanes || j < a.cols; ++j) s[j] = weight;
      continue;
    }
    Vec<T> total(T(0));
    for (int64_t k = 0; k < vectors; ++k) {
      const Vec<T> e = exp(Vec<T>::load(s + k * lanes) * factor - top);
      e.store(s + k * lanes);
      total += e;
    }
    const Vec<T> inverse = Vec<T>(T(1)) / sum_across(total);
    for (int64_t k = 0; k < vectors; ++k) (Vec<T>::load(s + k * lanes) * inverse).store(s + k * lanes);
    for (int64_t j = vectors * lanes; j < a.cols; ++j) s[j] = T(0);
  }
}

template <class T>
void weights_grad(void* g_data, const void* p_data, void* bias_data, int64_t bias_step, const AttentionRows& a) {
  constexpr int64_t lanes = Vec<T>::kLanes;
  const Vec<T> scale(static_cast<T>(a.scale)), numbers = Vec<T>::lane_numbers();
  for (int64_t i = 0; i < a.rows; ++i) {
    T* g = static_cast<T*>(g_data) + i * a.row_step;
    const T* p = static_cast<const T*>(p_data) + i * a.row_step;
    const int64_t n = visible(a, i), vectors = (n + lanes - 1) / lanes;
    if (n % lanes) {  // what the product left beyond the row may be anything
      T* last = g + (vectors - 1) * lanes;
      where(numbers < Vec<T>(static_cast<T>(n % lanes)), Vec<T>::load(last), Vec<T>(T(0))).store(last);
    }
    Vec<T> total(T(0));
    for (int64_t k = 0; k < vectors; ++k) total += Vec<T>::load(g + k * lanes) * Vec<T>::load(p + k * lanes);
    const Vec<T> sum = sum_across(total);
    for (int64_t k = 0; k < vectors; ++k)
      (Vec<T>::load(p + k * lanes) * (Vec<T>::load(g + k * lanes) - sum)).store(g + k * lanes);
    for (int64_t j = vectors * lanes; j < a.cols; ++j) g[j] = T(0);
    if (bias_data)
      __builtin_memcpy(static_cast<T*>(bias_data) + i * bias_step, g, static_cast<size_t>(a.cols) * sizeof(T));
    for (int64_t k = 0; k < vectors; ++k) (Vec<T>::load(g + k * lanes) * scale).store(g + k * lanes);
  }
}

}  // namespace

void fill_attention(AttentionKernels& table) {
  table.weights[0] = weights<float>;
  table.weights[1] = weights<double>;
  table.weights_grad[0] = weights_grad<float>;
  table.weights_grad[1] = weights_grad<double>;
}

}  // namespace chainrule::CHAINRULE_ISA
