// The transforms of Winograd's convolution F(2 x 2, 3 x 3) (tensor/winograd.h), on vectors of channels:
//   input V = B' d B, kernel U = G g G', result Y = A' M A, and for the gradient of the kernel A dY A' and G' dU G,
//   with B' = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1], G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1], A' = [1 1 1 0; 0
//   1 -1 -1].
// A 4 x 4 matrix of each channel is 16 planes, `plane` elements apart.
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using V = simd::Vec<float>;

// body(first channel, lanes) for the vectors of n channels.
template <class Body>
CR_INLINE void each_vector_of(int64_t n, Body body) {
  int64_t j = 0;
  for (; j + V::kLanes <= n; j += V::kLanes) body(j, V::kLanes);
  if (j < n) body(j, n - j);
}
CR_INLINE V load(const float* p, int64_t lanes) { return lanes == V::kLanes ? V::load(p) : V::load(p, lanes); }
CR_INLINE void store(V v, float* p, int64_t lanes) {
  if (lanes == V::kLanes) {
    v.store(p);
  } else {
    v.store(p, lanes);
  }
}

// The one-dimensional transforms, applied to columns and then to rows.
CR_INLINE void input_line(const V (&d)[4], V (&t)[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[1] - d[3];
}
CR_INLINE void output_line(const V (&m)[4], V (&y)[2]) {
  const V sum = m[1] + m[2];
  y[0] = m[0] + sum;
  y[1] = (m[1] - m[2]) - m[3];
}
CR_INLINE void output_grad_line(const V (&y)[2], V (&m)[4]) {
  m[0] = y[0];
  m[1] = y[0] + y[1];
  m[2] = y[0] - y[1];
  m[3] = -y[1];
}
CR_INLINE void kernel_line(const V (&g)[3], V (&u)[4]) {
  const V ends = 0.5f * (g[0] + g[2]), middle = 0.5f * g[1];
  u[0] = g[0];
  u[1] = ends + middle;
  u[2] = ends - middle;
  u[3] = g[2];
}
CR_INLINE void kernel_grad_line(const V (&u)[4], V (&g)[3]) {
  const V sum = 0.5f * (u[1] + u[2]);
  g[0] = u[0] + sum;
  g[1] = 0.5f * (u[1] - u[2]);
  g[2] = sum + u[3];
}
// from (in x in) to (out x out) by a line transform.
template <int in, int out, class Line>
CR_INLINE void both_ways(const V (&from)[in][in], V (&to)[out][out], Line line) {
  V half[in][out];  // [column][transformed row]
  for (int c = 0; c < in; ++c) {
    V column[in];
    for (int r = 0; r < in; ++r) column[r] = from[r][c];
    line(column, half[c]);
  }
  for (int r = 0; r < out; ++r) {
    V row[in];
    for (int c = 0; c < in; ++c) row[c] = half[c][r];
    line(row, to[r]);
  }
}

void input(float* v, int64_t plane, const float* const* pixels, int64_t n) {
  each_vector_of(n, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    V d[4][4], t[4][4];
    for (int i = 0; i < 16; ++i) d[i / 4][i % 4] = load(pixels[i] + j, lanes);
    both_ways(d, t, input_line);
    for (int i = 0; i < 16; ++i) store(t[i / 4][i % 4], v + i * plane + j, lanes);
  });
}
void output(float* const* y, const float* m, int64_t plane, const float* bias, bool relu, int64_t n) {
  each_vector_of(n, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    V t[4][4], r[2][2];
    for (int i = 0; i < 16; ++i) t[i / 4][i % 4] = load(m + i * plane + j, lanes);
    both_ways(t, r, output_line);
    const V shift = bias ? load(bias + j, lanes) : V(0.0f);
    for (int i = 0; i < 4; ++i) {
      if (!y[i]) continue;
      V value = bias ? r[i / 2][i % 2] + shift : r[i / 2][i % 2];
      if (relu) value = where(value < 0, 0, value);
      store(value, y[i] + j, lanes);
    }
  });
}
void output_grad(float* m, int64_t plane, const float* const* dy, int64_t n) {
  each_vector_of(n, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    V g[2][2], t[4][4];
    for (int i = 0; i < 4; ++i) g[i / 2][i % 2] = load(dy[i] + j, lanes);
    both_ways(g, t, output_grad_line);
    for (int i = 0; i < 16; ++i) store(t[i / 4][i % 4], m + i * plane + j, lanes);
  });
}
void kernel(float* u, int64_t plane, const float* g, int64_t cell, int64_t n) {
  each_vector_of(n, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    V w[3][3], t[4][4];
    for (int i = 0; i < 9; ++i) w[i / 3][i % 3] = load(g + i * cell + j, lanes);
    both_ways(w, t, kernel_line);
    for (int i = 0; i < 16; ++i) store(t[i / 4][i % 4], u + i * plane + j, lanes);
  });
}
void kernel_grad(float* dg, int64_t cell, const float* du, int64_t plane, int64_t n) {
  each_vector_of(n, [&](int64_t j, int64_t lanes) __attribute__((always_inline)) {
    V t[4][4], w[3][3];
    for (int i = 0; i < 16; ++i) t[i / 4][i % 4] = load(du + i * plane + j, lanes);
    both_ways(t, w, kernel_grad_line);
    for (int i = 0; i < 9; ++i) store(w[i / 3][i % 3], dg + i * cell + j, lanes);
  });
}

}  // namespace

void fill_winograd(WinogradKernels& table) { table = {input, kernel, output, output_grad, kernel_grad}; }

}  // namespace chainrule::CHAINRULE_ISA
