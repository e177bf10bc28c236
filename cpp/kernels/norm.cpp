// Normalisation of rows and of channels. A row is read from memory once and stays in the nearest cache for the passes
// over it (mean, squares about the mean, result); channels are summed down the rows of a chunk that stays in the
// second.
#include "kernels/across.h"
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Mask;
using simd::Vec;

constexpr int64_t kBlock = 32;  // vectors, or rows, summed before their sum joins the total: errors grow with blocks

template <class T>
T* typed(const void* p) {
  return static_cast<T*>(const_cast<void*>(p));
}

template <class T>
T square_root(T x) {
  return sizeof(T) == 4 ? static_cast<T>(__builtin_sqrtf(static_cast<float>(x)))
                        : static_cast<T>(__builtin_sqrt(static_cast<double>(x)));
}

// ---- a row as vectors: whole ones, and a last one that ends with the row and overlaps its neighbour (or a row shorter
// than a vector). Loads of the last one come before the stores of a pass, so that a pass may run in place.
template <class T>
struct Whole {
  int64_t at;
  CR_INLINE Vec<T> load(const T* p) const { return Vec<T>::load(p + at); }
  CR_INLINE void store(T* p, Vec<T> v) const { v.store(p + at); }
  CR_INLINE Vec<T> only(Vec<T> v) const { return v; }
};
template <class T>
struct Last {
  int64_t at, count, first;  // lanes [first, kLanes) are new; count < kLanes for a short row
  CR_INLINE Vec<T> load(const T* p) const {
    return count < Vec<T>::kLanes ? Vec<T>::load(p, count) : Vec<T>::load(p + at);
  }
  CR_INLINE void store(T* p, Vec<T> v) const {
    if (count < Vec<T>::kLanes) {
      v.store(p, count);
    } else {
      v.store(p + at);
    }
  }
  // 0 in the lanes that another vector has, or none.
  CR_INLINE Vec<T> only(Vec<T> v) const {
    const Vec<T> lanes = Vec<T>::lane_numbers();
    return where((lanes >= Vec<T>(static_cast<T>(first))) & (lanes < Vec<T>(static_cast<T>(count))), v, Vec<T>(T(0)));
  }
};
template <class T>
struct Cut {
  int64_t full;
  bool rest;
  Last<T> last;
  explicit Cut(int64_t cols) {
    constexpr int64_t lanes = Vec<T>::kLanes;
    full = cols / lanes;
    rest = cols % lanes != 0;
    last = full ? Last<T>{cols - lanes, lanes, lanes - cols % lanes} : Last<T>{0, cols, 0};
  }
};

// totals[i] = sum over the row of what term(at, out) puts into out[i].
template <int count, class T, class Term>
CR_INLINE void sum_row(const Cut<T>& cut, T (&totals)[count], Term term) {
  Vec<T> total[count];
  for (int i = 0; i < count; ++i) total[i] = Vec<T>(T(0));
  for (int64_t begin = 0; begin < cut.full; begin += kBlock) {
    const int64_t end = begin + kBlock < cut.full ? begin + kBlock : cut.full;
    Vec<T> even[count], odd[count], out[count];
    for (int i = 0; i < count; ++i) even[i] = odd[i] = Vec<T>(T(0));
    int64_t k = begin;
    for (; k + 1 < end; k += 2) {
      term(Whole<T>{k * Vec<T>::kLanes}, out);
      for (int i = 0; i < count; ++i) even[i] += out[i];
      term(Whole<T>{(k + 1) * Vec<T>::kLanes}, out);
      for (int i = 0; i < count; ++i) odd[i] += out[i];
    }
    if (k < end) {
      term(Whole<T>{k * Vec<T>::kLanes}, out);
      for (int i = 0; i < count; ++i) even[i] += out[i];
    }
    for (int i = 0; i < count; ++i) total[i] += even[i] + odd[i];
  }
  if (cut.rest) {
    Vec<T> out[count];
    term(cut.last, out);
    for (int i = 0; i < count; ++i) total[i] += cut.last.only(out[i]);
  }
  for (int i = 0; i < count; ++i) totals[i] = sum_across(total[i]).v[0];
}

template <class T>
T mean_of(const Cut<T>& cut, const T* x, const NormRows& norm) {
  if (!norm.centered) return T(0);
  T total[1];
  sum_row(cut, total, [&](auto at, Vec<T>(&out)[1]) { out[0] = at.load(x); });
  return total[0] / static_cast<T>(norm.cols);
}

// What is multiplied and added behind the norm is known to the loops at compile time.
template <bool scaled, bool shifted, class T>
void rows_of(void* y_out, const void* x_in, const NormRows& norm) {
  const Cut<T> cut(norm.cols);
  const T *gamma = typed<T>(norm.gamma), *beta = typed<T>(norm.beta);
  for (int64_t r = 0; r < norm.rows; ++r) {
    const T* x = typed<T>(x_in) + r * norm.cols;
    T* y = typed<T>(y_out) + r * norm.cols;
    const Vec<T> mean(mean_of(cut, x, norm));
    T squares[1];
    sum_row(cut, squares, [&](auto at, Vec<T>(&out)[1]) {
      const Vec<T> d = at.load(x) - mean;
      out[0] = d * d;
    });
    const Vec<T> inverse(T(1) / square_root(squares[0] / static_cast<T>(norm.cols) + static_cast<T>(norm.epsilon)));
    const auto value = [&](auto at) {
      Vec<T> v = (at.load(x) - mean) * inverse;
      if constexpr (scaled) v = v * at.load(gamma);
      if constexpr (shifted) v = v + at.load(beta);
      return v;
    };
    const Vec<T> last = cut.rest ? value(cut.last) : Vec<T>(T(0));
    for (int64_t k = 0; k < cut.full; ++k) {
      const Whole<T> at{k * Vec<T>::kLanes};
      at.store(y, value(at));
    }
    if (cut.rest) cut.last.store(y, last);
  }
}

template <class T>
void rows(void* y, const void* x, const NormRows& norm) {
  if (norm.gamma) {
    (norm.beta ? rows_of<true, true, T> : rows_of<true, false, T>)(y, x, norm);
  } else {
    (norm.beta ? rows_of<false, true, T> : rows_of<false, false, T>)(y, x, norm);
  }
}

// With h = g gamma: dx = (h - mean(h) - xhat mean(h xhat)) / deviation.
template <bool scaled, class T>
void rows_grad_of(void* dx_out, void* dgamma_out, void* dbeta_out, const void* g_in, const void* x_in,
                  const NormRows& norm) {
  const Cut<T> cut(norm.cols);
  const T* gamma = typed<T>(norm.gamma);
  T *dgamma = typed<T>(dgamma_out), *dbeta = typed<T>(dbeta_out);
  const T n = static_cast<T>(norm.cols);
  for (int64_t r = 0; r < norm.rows; ++r) {
    const T *x = typed<T>(x_in) + r * norm.cols, *g = typed<T>(g_in) + r * norm.cols;
    T* dx = typed<T>(dx_out) + r * norm.cols;
    const Vec<T> mean(mean_of(cut, x, norm));
    const auto weighted = [&](auto at, Vec<T> gv) {
      if constexpr (scaled) return gv * at.load(gamma);
      return gv;
    };
    T totals[3];
    sum_row(cut, totals, [&](auto at, Vec<T>(&out)[3]) {
      const Vec<T> d = at.load(x) - mean, h = weighted(at, at.load(g));
      out[0] = d * d;
      out[1] = h;
      out[2] = h * d;
    });
    const T deviation = T(1) / square_root(totals[0] / n + static_cast<T>(norm.epsilon));
    const Vec<T> inverse(deviation), mean_h(norm.centered ? totals[1] / n : T(0)),
        slope(totals[2] / n * deviation * deviation);
    const auto pass = [&](auto at) {
      const Vec<T> d = at.load(x) - mean, gv = at.load(g);
      at.store(dgamma, at.load(dgamma) + at.only(gv * (d * inverse)));
      at.store(dbeta, at.load(dbeta) + at.only(gv));
      return (weighted(at, gv) - mean_h - d * slope) * inverse;
    };
    const Vec<T> last = cut.rest ? pass(cut.last) : Vec<T>(T(0));
    for (int64_t k = 0; k < cut.full; ++k) {
      const Whole<T> at{k * Vec<T>::kLanes};
      at.store(dx, pass(at));
    }
    if (cut.rest) cut.last.store(dx, last);
  }
}

template <class T>
void rows_grad(void* dx, void* dgamma, void* dbeta, const void* g, const void* x, const NormRows& norm) {
  (norm.gamma ? rows_grad_of<true, T> : rows_grad_of<false, T>)(dx, dgamma, dbeta, g, x, norm);
}

// ---- channels: strips of vectors side by side, summed down the rows
template <class T, int width_>
struct Strip {
  static constexpr int width = width_;
  int64_t first;
  CR_INLINE Vec<T> load(const T* p, int k) const { return Vec<T>::load(p + first + k * Vec<T>::kLanes); }
  CR_INLINE void store(T* p, int k, Vec<T> v) const { v.store(p + first + k * Vec<T>::kLanes); }
};
template <class T>
struct PartStrip {
  static constexpr int width = 1;
  int64_t first, count;
  CR_INLINE Vec<T> load(const T* p, int) const { return Vec<T>::load(p + first, count); }
  CR_INLINE void store(T* p, int, Vec<T> v) const { v.store(p + first, count); }
};
template <class T, class Body>
void each_strip(int64_t cols, Body body) {
  constexpr int64_t lanes = Vec<T>::kLanes;
  int64_t c = 0;
  for (; c + 4 * lanes <= cols; c += 4 * lanes) body(Strip<T, 4>{c});
  for (; c + lanes <= cols; c += lanes) body(Strip<T, 1>{c});
  if (c < cols) body(PartStrip<T>{c, cols - c});
}

// total[k] = sum over the rows of what term(row, k) gives.
template <class T, int width, class Term>
CR_INLINE void sum_rows(int64_t count, Vec<T> (&total)[width], Term term) {
  for (int k = 0; k < width; ++k) total[k] = Vec<T>(T(0));
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = begin + kBlock < count ? begin + kBlock : count;
    Vec<T> block[width];
    for (int k = 0; k < width; ++k) block[k] = Vec<T>(T(0));
    for (int64_t r = begin; r < end; ++r)
      for (int k = 0; k < width; ++k) block[k] += term(r, k);
    for (int k = 0; k < width; ++k) total[k] += block[k];
  }
}

template <class T>
void channel_moments(void* mean_out, void* squares_out, const void* x_in, int64_t count, int64_t cols) {
  const T* x = typed<T>(x_in);
  each_strip<T>(cols, [&](auto strip) {
    constexpr int width = decltype(strip)::width;
    Vec<T> mean[width], squares[width];
    sum_rows(count, mean, [&](int64_t r, int k) { return strip.load(x + r * cols, k); });
    for (int k = 0; k < width; ++k) mean[k] = mean[k] / Vec<T>(static_cast<T>(count));
    sum_rows(count, squares, [&](int64_t r, int k) {
      const Vec<T> d = strip.load(x + r * cols, k) - mean[k];
      return d * d;
    });
    for (int k = 0; k < width; ++k) {
      strip.store(typed<T>(mean_out), k, mean[k]);
      strip.store(typed<T>(squares_out), k, squares[k]);
    }
  });
}

template <class T>
void channel_grad_sums(void* sum_out, void* product_out, const void* g_in, const void* x_in, const void* mean_in,
                       int64_t count, int64_t cols) {
  const T *x = typed<T>(x_in), *g = typed<T>(g_in);
  each_strip<T>(cols, [&](auto strip) {
    constexpr int width = decltype(strip)::width;
    Vec<T> mean[width], total[2 * width];
    for (int k = 0; k < width; ++k) mean[k] = strip.load(typed<T>(mean_in), k);
    sum_rows(count, total, [&](int64_t r, int k) {
      const int lane = k % width;
      const Vec<T> gv = strip.load(g + r * cols, lane);
      return k < width ? gv : gv * (strip.load(x + r * cols, lane) - mean[lane]);
    });
    for (int k = 0; k < width; ++k) {
      strip.store(typed<T>(sum_out), k, total[k]);
      strip.store(typed<T>(product_out), k, total[width + k]);
    }
  });
}

template <class T>
void channel_scale(void* y_out, const void* x_in, const void* mean_in, const void* scale_in, const void* shift_in,
                   int64_t count, int64_t cols) {
  const Cut<T> cut(cols);
  const T *mean = typed<T>(mean_in), *scale = typed<T>(scale_in), *shift = typed<T>(shift_in);
  for (int64_t r = 0; r < count; ++r) {
    const T* x = typed<T>(x_in) + r * cols;
    T* y = typed<T>(y_out) + r * cols;
    const auto value = [&](auto at) {
      const Vec<T> d = mean ? at.load(x) - at.load(mean) : at.load(x);
      return d * at.load(scale) + at.load(shift);
    };
    const Vec<T> last = cut.rest ? value(cut.last) : Vec<T>(T(0));
    for (int64_t k = 0; k < cut.full; ++k) {
      const Whole<T> at{k * Vec<T>::kLanes};
      at.store(y, value(at));
    }
    if (cut.rest) cut.last.store(y, last);
  }
}

template <class T>
void channel_grad(void* dx_out, const void* g_in, const void* x_in, const void* mean_in, const void* a_in,
                  const void* b_in, const void* c_in, int64_t count, int64_t cols) {
  const Cut<T> cut(cols);
  const T *mean = typed<T>(mean_in), *a = typed<T>(a_in), *b = typed<T>(b_in), *c = typed<T>(c_in);
  for (int64_t r = 0; r < count; ++r) {
    const T *g = typed<T>(g_in) + r * cols, *x = typed<T>(x_in) + r * cols;
    T* dx = typed<T>(dx_out) + r * cols;
    const auto value = [&](auto at) {
      return at.load(g) * at.load(a) + (at.load(x) - at.load(mean)) * at.load(b) + at.load(c);
    };
    const Vec<T> last = cut.rest ? value(cut.last) : Vec<T>(T(0));
    for (int64_t k = 0; k < cut.full; ++k) {
      const Whole<T> at{k * Vec<T>::kLanes};
      at.store(dx, value(at));
    }
    if (cut.rest) cut.last.store(dx, last);
  }
}

template <class T>
void fill(NormKernels& table, int i) {
  table.rows[i] = rows<T>;
  table.rows_grad[i] = rows_grad<T>;
  table.channel_moments[i] = channel_moments<T>;
  table.channel_grad_sums[i] = channel_grad_sums<T>;
  table.channel_scale[i] = channel_scale<T>;
  table.channel_grad[i] = channel_grad<T>;
}

}  // namespace

void fill_norms(NormKernels& table) {
  fill<float>(table, 0);
  fill<double>(table, 1);
}

}  // namespace chainrule::CHAINRULE_ISA
