// The gate stages of recurrent cells; formulas in docs/math/recurrent.md.
#include "kernels/cell.h"

#include "kernels/each_vector.h"
#include "kernels/parts.h"
#include "simd/math.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

template <class T>
const T* in(const void* p) {
  return static_cast<const T*>(p);
}
template <class T>
T* out(void* p) {
  return static_cast<T*>(p);
}

// ---- h = tanh(x W + b + h U)
template <class T>
void simple_forward(const CellStep& s) {
  const T *z = in<T>(s.z), *gates = in<T>(s.gates);
  T *h = out<T>(s.h), *copy = out<T>(s.h_copy);
  each_vector<T>(s.units, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> y = tanh(at.load(gates) + at.load(z));
    at.store(h, y);
    at.store(copy, y);
  });
}

template <class T>
void simple_backward(const CellSlope& s) {
  const T* h = in<T>(s.h);
  T *dh = out<T>(s.dh), *slopes = out<T>(s.slopes), *copy = out<T>(s.slopes_copy);
  each_vector<T>(s.units, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> y = at.load(h), slope = at.load(dh) * (Vec<T>(1) - y * y);
    at.store(slopes, slope);
    at.store(copy, slope);
    at.store(dh, Vec<T>(0));
  });
}

// ---- c = f c_before + i g, h = o tanh(c)
template <class T>
void lstm_forward(const CellStep& s) {
  const int64_t n = s.units;
  const T *z = in<T>(s.z), *before = in<T>(s.c_before);
  T *gates = out<T>(s.gates), *h = out<T>(s.h), *copy = out<T>(s.h_copy), *c = out<T>(s.c);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> i = sigmoid(at.load(gates) + at.load(z));
    const Vec<T> f = sigmoid(at.load(gates + n) + at.load(z + n));
    const Vec<T> g = tanh(at.load(gates + 2 * n) + at.load(z + 2 * n));
    const Vec<T> o = sigmoid(at.load(gates + 3 * n) + at.load(z + 3 * n));
    const Vec<T> cell = f * at.load(before) + i * g, y = o * tanh(cell);
    at.store(gates, i);
    at.store(gates + n, f);
    at.store(gates + 2 * n, g);
    at.store(gates + 3 * n, o);
    at.store(c, cell);
    at.store(h, y);
    at.store(copy, y);
  });
}

template <class T>
void lstm_backward(const CellSlope& s) {
  const int64_t n = s.units;
  const T *gates = in<T>(s.gates), *before = in<T>(s.c_before), *c = in<T>(s.c);
  T *dh = out<T>(s.dh), *dc = out<T>(s.dc), *slopes = out<T>(s.slopes), *copy = out<T>(s.slopes_copy);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> one(1), i = at.load(gates), f = at.load(gates + n), g = at.load(gates + 2 * n);
    const Vec<T> o = at.load(gates + 3 * n), y = tanh(at.load(c)), d = at.load(dh);
    const Vec<T> cell = at.load(dc) + d * o * (one - y * y);
    const Vec<T> di = cell * g * (i * (one - i)), df = cell * at.load(before) * (f * (one - f));
    const Vec<T> dg = cell * i * (one - g * g), d_o = d * y * (o * (one - o));
    at.store(slopes, di);
    at.store(slopes + n, df);
    at.store(slopes + 2 * n, dg);
    at.store(slopes + 3 * n, d_o);
    at.store(copy, di);
    at.store(copy + n, df);
    at.store(copy + 2 * n, dg);
    at.store(copy + 3 * n, d_o);
    at.store(dc, cell * f);
    at.store(dh, Vec<T>(0));
  });
}

// ---- h = z h_before + (1 - z) g, g = tanh(x W_h + b_h + r (h_before U_h + c_h))
template <class T>
void gru_forward(const CellStep& s) {
  const int64_t n = s.units;
  const T *product = in<T>(s.z), *before = in<T>(s.h_before);
  T *gates = out<T>(s.gates), *h = out<T>(s.h), *copy = out<T>(s.h_copy);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> z = sigmoid(at.load(gates) + at.load(product));
    const Vec<T> r = sigmoid(at.load(gates + n) + at.load(product + n));
    const Vec<T> inner = at.load(product + 2 * n), g = tanh(at.load(gates + 2 * n) + r * inner);
    const Vec<T> y = z * at.load(before) + (Vec<T>(1) - z) * g;
    at.store(gates, z);
    at.store(gates + n, r);
    at.store(gates + 2 * n, g);
    at.store(gates + 3 * n, inner);
    at.store(h, y);
    at.store(copy, y);
  });
}

template <class T>
void gru_backward(const CellSlope& s) {
  const int64_t n = s.units;
  const T *gates = in<T>(s.gates), *before = in<T>(s.h_before);
  T *dh = out<T>(s.dh), *slopes = out<T>(s.slopes), *copy = out<T>(s.slopes_copy);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> one(1), z = at.load(gates), r = at.load(gates + n), g = at.load(gates + 2 * n), d = at.load(dh);
    const Vec<T> dg = d * (one - z) * (one - g * g), dz = d * (at.load(before) - g) * (z * (one - z));
    const Vec<T> dr = dg * at.load(gates + 3 * n) * (r * (one - r)), inner = dg * r;
    at.store(slopes, dz);
    at.store(slopes + n, dr);
    at.store(slopes + 2 * n, inner);
    at.store(slopes + 3 * n, dg);
    at.store(copy, dz);
    at.store(copy + n, dr);
    at.store(copy + 2 * n, inner);
    at.store(dh, d * z);
  });
}

// ---- the same with g = tanh(x W_h + b_h + (r h_before) U_h)
template <class T>
void open_reset(const CellStep& s) {
  const int64_t n = s.units;
  const T *product = in<T>(s.z), *before = in<T>(s.h_before);
  T *gates = out<T>(s.gates), *copy = out<T>(s.h_copy);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> z = sigmoid(at.load(gates) + at.load(product));
    const Vec<T> r = sigmoid(at.load(gates + n) + at.load(product + n));
    at.store(gates, z);
    at.store(gates + n, r);
    at.store(copy, r * at.load(before));
  });
}
template <class T>
void gru_reset_before_forward(const CellStep& s) {
  const int64_t n = s.units;
  const T *product = in<T>(s.z), *before = in<T>(s.h_before);
  T *gates = out<T>(s.gates), *h = out<T>(s.h), *copy = out<T>(s.h_copy);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> z = at.load(gates), g = tanh(at.load(gates + 2 * n) + at.load(product));
    const Vec<T> y = z * at.load(before) + (Vec<T>(1) - z) * g;
    at.store(gates + 2 * n, g);
    at.store(h, y);
    at.store(copy, y);
  });
}

template <class T>
void gru_reset_before_backward(const CellSlope& s) {
  const int64_t n = s.units;
  const T *gates = in<T>(s.gates), *before = in<T>(s.h_before);
  T *dh = out<T>(s.dh), *slopes = out<T>(s.slopes), *copy = out<T>(s.slopes_copy);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> one(1), z = at.load(gates), g = at.load(gates + 2 * n), d = at.load(dh);
    const Vec<T> dg = d * (one - z) * (one - g * g), dz = d * (at.load(before) - g) * (z * (one - z));
    at.store(slopes, dz);
    at.store(slopes + 2 * n, dg);
    at.store(copy, dz);
    at.store(copy + 2 * n, dg);
    at.store(dh, d * z);
  });
}
template <class T>
void close_reset(const CellSlope& s) {
  const int64_t n = s.units;
  const T *gates = in<T>(s.gates), *before = in<T>(s.h_before), *reset = in<T>(s.reset);
  T *dh = out<T>(s.dh), *slopes = out<T>(s.slopes), *copy = out<T>(s.slopes_copy), *product = out<T>(s.product);
  each_vector<T>(n, [&](auto at) __attribute__((always_inline)) {
    const Vec<T> r = at.load(gates + n), h = at.load(before), d = at.load(reset);
    const Vec<T> dr = d * h * (r * (Vec<T>(1) - r));
    at.store(slopes + n, dr);
    at.store(copy + n, dr);
    at.store(product, r * h);
    at.store(dh, at.load(dh) + d * r);
  });
}

template <class T>
void add_rows(void* sum_, const void* rows_, int64_t row_step, int64_t n_rows, int64_t columns) {
  const T* rows = in<T>(rows_);
  T* sum = out<T>(sum_);
  each_vector<T>(columns, [&](auto at) __attribute__((always_inline)) {
    Vec<T> total = at.load(sum);
    for (int64_t i = 0; i < n_rows; ++i) total += at.load(rows + i * row_step);
    at.store(sum, total);
  });
}

template <class T>
void fill(CellKernels& table, int which) {
  table.forward[static_cast<int>(Cell::simple)][which] = simple_forward<T>;
  table.forward[static_cast<int>(Cell::lstm)][which] = lstm_forward<T>;
  table.forward[static_cast<int>(Cell::gru)][which] = gru_forward<T>;
  table.forward[static_cast<int>(Cell::gru_reset_before)][which] = gru_reset_before_forward<T>;
  table.backward[static_cast<int>(Cell::simple)][which] = simple_backward<T>;
  table.backward[static_cast<int>(Cell::lstm)][which] = lstm_backward<T>;
  table.backward[static_cast<int>(Cell::gru)][which] = gru_backward<T>;
  table.backward[static_cast<int>(Cell::gru_reset_before)][which] = gru_reset_before_backward<T>;
  table.open_reset[which] = open_reset<T>;
  table.close_reset[which] = close_reset<T>;
  table.add_rows[which] = add_rows<T>;
}

}  // namespace

void fill_cells(CellKernels& table) {
  fill<float>(table, 0);
  fill<double>(table, 1);
}

}  // namespace chainrule::CHAINRULE_ISA
