// Pooling windows: every kernel walks a run of positions whose windows hold the same cells, relative to the position.
#include "base/half.h"
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Mask;
using simd::Vec;

// bfloat16 as it is stored: compared as the floats that it is the upper half of.
struct Bfloat16 {
  uint16_t bits;
};

// What is computed with in place of stored elements of type S.
template <class S>
struct ComputedOf {
  using Type = S;
};
template <>
struct ComputedOf<Bfloat16> {
  using Type = float;
};

// Calls body(i, j, lanes-tag) over positions and channels: whole vectors first, then the channels left one by one.
template <class S, class Body>
CR_INLINE void for_each(const PoolRun& run, Body body) {
  using T = typename ComputedOf<S>::Type;
  constexpr int W = simd::kLanes<T>;
  for (int64_t i = 0; i < run.positions; ++i) {
    int64_t j = 0;
    for (; j + W <= run.channels; j += W) body(i, j, Vec<T>());
    for (; j < run.channels; ++j) body(i, j, T());
  }
}

template <class T>
CR_INLINE Vec<T> read(const T* p, Vec<T>) {
  return Vec<T>::load(p);
}
template <class T>
CR_INLINE T read(const T* p, T) {
  return *p;
}
template <class T>
CR_INLINE void write(T* p, Vec<T> v) {
  v.store(p);
}
template <class T>
CR_INLINE void write(T* p, T v) {
  *p = v;
}

constexpr int kFloats = simd::kLanes<float>;
typedef uint16_t Halves __attribute__((vector_size(2 * kFloats)));
typedef uint32_t Words __attribute__((vector_size(4 * kFloats)));
CR_INLINE Vec<float> read(const Bfloat16* p, Vec<float>) {
  Halves half;
  __builtin_memcpy(&half, p, sizeof half);
  return Vec<float>((Vec<float>::Native)(__builtin_convertvector(half, Words) << 16));
}
CR_INLINE float read(const Bfloat16* p, float) { return bfloat16_to_float(p->bits); }
// Of values that were read from bfloat16: nothing is rounded.
CR_INLINE void write(Bfloat16* p, Vec<float> v) {
  const Halves half = __builtin_convertvector((Words)v.v >> 16, Halves);
  __builtin_memcpy(p, &half, sizeof half);
}
CR_INLINE void write(Bfloat16* p, float v) { p->bits = float_to_bfloat16(v); }

template <class T>
CR_INLINE T choose(bool condition, T a, T b) {
  return condition ? a : b;
}
template <class T>
CR_INLINE Vec<T> choose(Mask<T> condition, Vec<T> a, Vec<T> b) {
  return where(condition, a, b);
}

template <class S>
void max(void* y_, const void* x_, const PoolRun& run) {
  S* y = static_cast<S*>(y_);
  const S* x = static_cast<const S*>(x_);
  for_each<S>(run, [&](int64_t i, int64_t j, auto lanes) __attribute__((always_inline)) {
    const S* p = x + i * run.x_step + j;
    auto best = read(p + run.cell[0], lanes);
    for (int64_t t = 1; t < run.cells; ++t) {
      const auto v = read(p + run.cell[t], lanes);
      best = choose((v > best) | (v != v), v, best);  // nan stays
    }
    write(y + i * run.y_step + j, best);
  });
}

// Calls found(cell pointer offset, hit, first) for each cell of the window; hit: this is the first cell equal to y.
template <class S, class L, class Found>
CR_INLINE void match(const S* p, const S* y, const PoolRun& run, L lanes, Found found) {
  const L best = read(y, lanes);
  auto open = best == best;
  open = open | !open;
  for (int64_t t = 0; t < run.cells; ++t) {
    const L v = read(p + run.cell[t], lanes);
    const auto same = (v == best) | (v != v);
    found(t, open & same);
    open = open & !same;
  }
}

template <class S>
void max_grad(void* dx_, const void* x_, const void* y_, const void* g_, const PoolRun& run) {
  S* dx = static_cast<S*>(dx_);
  const S *x = static_cast<const S*>(x_), *y = static_cast<const S*>(y_), *g = static_cast<const S*>(g_);
  for_each<S>(run, [&](int64_t i, int64_t j, auto lanes) __attribute__((always_inline)) {
    using L = decltype(lanes);
    const int64_t from = i * run.x_step + j, to = i * run.y_step + j;
    const L cotangent = read(g + to, lanes);
    match(x + from, y + to, run, lanes, [&](int64_t t, auto hit) __attribute__((always_inline)) {
      S* place = dx + from + run.cell[t];
      const L value = choose(hit, cotangent, L(0));
      write(place, run.overlap ? read(place, lanes) + value : value);
    });
  });
}

template <class S>
void max_pick(void* out_, const void* x_, const void* y_, const void* u_, const PoolRun& run) {
  S* out = static_cast<S*>(out_);
  const S *x = static_cast<const S*>(x_), *y = static_cast<const S*>(y_), *u = static_cast<const S*>(u_);
  for_each<S>(run, [&](int64_t i, int64_t j, auto lanes) __attribute__((always_inline)) {
    using L = decltype(lanes);
    const int64_t from = i * run.x_step + j, to = i * run.y_step + j;
    L value = L(0);
    match(x + from, y + to, run, lanes, [&](int64_t t, auto hit) __attribute__((always_inline)) {
      value = choose(hit, read(u + from + run.cell[t], lanes), value);
    });
    write(out + to, value);
  });
}

template <class T>
void mean(void* y_, const void* x_, const PoolRun& run) {
  T* y = static_cast<T*>(y_);
  const T* x = static_cast<const T*>(x_);
  const T count = static_cast<T>(run.cells);
  for_each<T>(run, [&](int64_t i, int64_t j, auto lanes) __attribute__((always_inline)) {
    using L = decltype(lanes);
    const T* p = x + i * run.x_step + j;
    L sum = read(p + run.cell[0], lanes);
    for (int64_t t = 1; t < run.cells; ++t) sum = sum + read(p + run.cell[t], lanes);
    write(y + i * run.y_step + j, sum / L(count));
  });
}

template <class T>
void mean_grad(void* dx_, const void* g_, const PoolRun& run) {
  T* dx = static_cast<T*>(dx_);
  const T* g = static_cast<const T*>(g_);
  const T count = static_cast<T>(run.cells);
  for_each<T>(run, [&](int64_t i, int64_t j, auto lanes) __attribute__((always_inline)) {
    using L = decltype(lanes);
    const L share = read(g + i * run.y_step + j, lanes) / L(count);
    for (int64_t t = 0; t < run.cells; ++t) {
      T* place = dx + i * run.x_step + run.cell[t] + j;
      write(place, run.overlap ? read(place, lanes) + share : share);
    }
  });
}

template <class S>
void fill_max(PoolKernels& table, int which) {
  table.max[which] = max<S>;
  table.max_grad[which] = max_grad<S>;
  table.max_pick[which] = max_pick<S>;
}
template <class T>
void fill(PoolKernels& table, int which) {
  fill_max<T>(table, which);
  table.mean[which] = mean<T>;
  table.mean_grad[which] = mean_grad<T>;
}

}  // namespace

void fill_pools(PoolKernels& table) {
  fill<float>(table, 0);
  fill<double>(table, 1);
  fill_max<Bfloat16>(table, 2);
}

}  // namespace chainrule::CHAINRULE_ISA
