// Softmax, its relatives and the losses built on it: everything that reduces along the last axis and uses the result
// there. Each kernel is written once over strips of vectors, and runs on one of two kinds of strip, chosen by the
// number of columns alone:
//   WideStrip    one row; its vectors run along the columns and sums end across the lanes.
//   NarrowStrip  as many rows as a vector has lanes, one row a lane; its vectors are the columns. With ten classes a
//   wide
//                strip would leave lanes empty and spend its time folding lanes onto each other.
#include "kernels/parts.h"
#include "simd/math.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

constexpr int64_t kNarrowColumns = 32;

// Rounding errors grow with the length of the running sum, so sums run in blocks of this many vectors.
constexpr int64_t kBlock = 32;

template <class T>
struct NarrowStrip {
  static constexpr int kLanes = Vec<T>::kLanes;
  static constexpr int kRows = kLanes;
  int64_t first, rows, total_rows, cols;  // rows [first, first + rows) of the array

  int64_t vectors() const { return cols; }

  // One array's part of the strip, turned so that a column is a vector.
  class Array {
   public:
    Array(const NarrowStrip& strip, T* data) : strip_(strip), data_(data) {}
    void load() {
      for (int64_t c = 0; c < strip_.cols; ++c) {
        if (strip_.rows < kLanes) Vec<T>(T(0)).store(tile_[c]);
      }
      const T* p = data_ + strip_.first * strip_.cols;
      for (int64_t r = 0; r < strip_.rows; ++r) {
        for (int64_t c = 0; c < strip_.cols; ++c) tile_[c][r] = *p++;
      }
    }
    void save() const {
      T* p = data_ + strip_.first * strip_.cols;
      for (int64_t r = 0; r < strip_.rows; ++r) {
        for (int64_t c = 0; c < strip_.cols; ++c) *p++ = tile_[c][r];
      }
    }
    Vec<T> get(int64_t k, T) const { return Vec<T>::load(tile_[k]); }
    void set(int64_t k, Vec<T> value) { value.store(tile_[k]); }

   private:
    const NarrowStrip& strip_;
    T* data_;
    alignas(64) T tile_[kNarrowColumns][kLanes];
  };

  Vec<T> sum_across(Vec<T> a) const { return a; }
  Vec<T> max_across(Vec<T> a) const { return a; }
  Vec<T> row_values(const T* p) const { return Vec<T>::load(p + first, rows); }
  void set_row_values(T* p, Vec<T> value) const { value.store(p + first, rows); }
  Vec<T> lanes(const T* values) const { return Vec<T>::load(values); }
};

template <class T>
struct WideStrip {
  static constexpr int kLanes = Vec<T>::kLanes;
  static constexpr int kRows = 1;
  int64_t first, rows, total_rows, cols;

  int64_t vectors() const { return (cols + kLanes - 1) / kLanes; }

  class Array {
   public:
    Array(const WideStrip& strip, T* data)
        : row_(data + strip.first * strip.cols),
          full_(strip.cols / kLanes),
          rest_(strip.cols % kLanes),
          followed_(strip.first + 1 < strip.total_rows) {}
    void load() {}
    void save() const {}
    // `padding` fills the lanes past the end of the row.
    Vec<T> get(int64_t k, T padding) const {
      const T* p = row_ + k * kLanes;
      if (k < full_) return Vec<T>::load(p);
      // A wide row follows, so a whole vector may be read: several times faster than a part.
      const Vec<T> value = followed_ ? Vec<T>::load(p) : Vec<T>::load(p, rest_);
      return where(Vec<T>::lane_numbers() < Vec<T>(static_cast<T>(rest_)), value, Vec<T>(padding));
    }
    void set(int64_t k, Vec<T> value) {
      if (k < full_) {
        value.store(row_ + k * kLanes);
      } else {
        value.store(row_ + k * kLanes, rest_);
      }
    }

   private:
    T* row_;
    int64_t full_, rest_;
    bool followed_;
  };

  Vec<T> sum_across(Vec<T> a) const { return Vec<T>(simd::reduce_add(a)); }
  Vec<T> max_across(Vec<T> a) const { return Vec<T>(simd::reduce_max(a)); }
  Vec<T> row_values(const T* p) const { return Vec<T>(p[first]); }
  void set_row_values(T* p, Vec<T> value) const { value.store(p + first, 1); }
  Vec<T> lanes(const T* values) const { return Vec<T>(values[0]); }  // one value a row
};
static_assert(kNarrowColumns >= simd::kLanes<float>, "a row that follows a wide row must fill a vector");

template <class Strip, class Body>
void each_strip_of(int64_t rows, int64_t cols, Body body) {
  for (int64_t first = 0; first < rows; first += Strip::kRows) {
    body(Strip{first, rows - first < Strip::kRows ? rows - first : Strip::kRows, rows, cols});
  }
}

template <class T, class Body>
void each_strip(int64_t rows, int64_t cols, Body body) {
  if (cols <= 0) return;
  if (cols <= kNarrowColumns) {
    each_strip_of<NarrowStrip<T>>(rows, cols, body);
  } else {
    each_strip_of<WideStrip<T>>(rows, cols, body);
  }
}

// Sum of term(k) over the vectors of a strip, the same value in all lanes of a row.
template <class T, class Strip, class Term>
CR_INLINE Vec<T> sum(const Strip& strip, Term term) {
  const int64_t vectors = strip.vectors();
  Vec<T> total(T(0));
  for (int64_t begin = 0; begin < vectors; begin += kBlock) {
    const int64_t end = begin + kBlock < vectors ? begin + kBlock : vectors;
    Vec<T> block(T(0));
    for (int64_t k = begin; k < end; ++k) block += term(k);
    total += block;
  }
  return strip.sum_across(total);
}

template <class T>
constexpr T kInfinity = static_cast<T>(__builtin_inf());

// The greatest element, NaN ignored: exp(NaN - max) makes the sums NaN by itself.
template <class T, class Strip, class Array>
CR_INLINE Vec<T> greatest(const Strip& strip, const Array& x) {
  Vec<T> m(-kInfinity<T>);
  for (int64_t k = 0; k < strip.vectors(); ++k) m = max_or_second(x.get(k, -kInfinity<T>), m);
  return strip.max_across(m);
}

// y = exp(x - max), its sum returned.
template <class T, class Strip, class Array>
CR_INLINE Vec<T> exponentials(const Strip& strip, Array& y, const Array& x, Vec<T> max) {
  return sum<T>(strip, [&](int64_t k) {
    const Vec<T> e = exp(x.get(k, -kInfinity<T>) - max);
    y.set(k, e);
    return e;
  });
}

template <class T, class Strip, class Array>
CR_INLINE void scale(const Strip& strip, Array& y, Vec<T> factor) {
  for (int64_t k = 0; k < strip.vectors(); ++k) y.set(k, y.get(k, T(0)) * factor);
}

template <class T>
T* typed(const void* p) {
  return static_cast<T*>(const_cast<void*>(p));  // arrays that are only read share the type of those that are written
}

template <class T>
void softmax(void* y_out, const void* x_in, int64_t rows, int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array x(strip, typed<T>(x_in)), y(strip, typed<T>(y_out));
    x.load();
    const Vec<T> total = exponentials<T>(strip, y, x, greatest<T>(strip, x));
    scale<T>(strip, y, 1 / total);
    y.save();
  });
}

// The sum of exp(x - max).
template <class T, class Strip, class Array>
CR_INLINE Vec<T> sum_exponentials(const Strip& strip, const Array& x, Vec<T> max) {
  return sum<T>(strip, [&](int64_t k) { return exp(x.get(k, -kInfinity<T>) - max); });
}

template <class T>
void log_softmax(void* y_out, const void* x_in, int64_t rows, int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array x(strip, typed<T>(x_in)), y(strip, typed<T>(y_out));
    x.load();
    const Vec<T> max = greatest<T>(strip, x), log_total = log(sum_exponentials<T>(strip, x, max));
    for (int64_t k = 0; k < strip.vectors(); ++k) y.set(k, (x.get(k, T(0)) - max) - log_total);
    y.save();
  });
}

template <class T>
void softmax_grad(void* dx_out, const void* y_in, const void* g_in, int64_t rows, int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array y(strip, typed<T>(y_in)), g(strip, typed<T>(g_in)), dx(strip, typed<T>(dx_out));
    y.load();
    g.load();
    const Vec<T> total = sum<T>(strip, [&](int64_t k) { return g.get(k, T(0)) * y.get(k, T(0)); });
    for (int64_t k = 0; k < strip.vectors(); ++k) dx.set(k, y.get(k, T(0)) * (g.get(k, T(0)) - total));
    dx.save();
  });
}

template <class T>
void log_softmax_grad(void* dx_out, const void* y_in, const void* g_in, int64_t rows, int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array y(strip, typed<T>(y_in)), g(strip, typed<T>(g_in)), dx(strip, typed<T>(dx_out));
    y.load();
    g.load();
    const Vec<T> total = sum<T>(strip, [&](int64_t k) { return g.get(k, T(0)); });
    for (int64_t k = 0; k < strip.vectors(); ++k) dx.set(k, g.get(k, T(0)) - exp(y.get(k, T(0))) * total);
    dx.save();
  });
}

template <class T>
void logsumexp(void* out, const void* x_in, int64_t rows, int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array x(strip, typed<T>(x_in));
    x.load();
    // An infinite maximum must not be subtracted from itself: the answer is that infinity.
    const Vec<T> max = greatest<T>(strip, x), shift = where(absolute(max) < kInfinity<T>, max, Vec<T>(T(0)));
    strip.set_row_values(typed<T>(out), log(sum_exponentials<T>(strip, x, shift)) + shift);
  });
}

// exp(x - max) goes to p where there is one, so that it needs computing once; the sum is returned.
template <class T, class Strip, class Array>
CR_INLINE Vec<T> probabilities(const Strip& strip, Array& p, bool keep, const Array& x, Vec<T> max) {
  if (!keep) return sum_exponentials<T>(strip, x, max);
  const Vec<T> total = exponentials<T>(strip, p, x, max);
  scale<T>(strip, p, 1 / total);
  return total;
}

template <class T>
int64_t sparse_cross_entropy(void* loss_out, void* p_out, const void* x_in, const int64_t* labels, int64_t rows,
                             int64_t cols) {
  int64_t first_bad = -1;
  const T* logits = typed<T>(x_in);
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array x(strip, typed<T>(x_in)), p(strip, typed<T>(p_out));
    T picked[decltype(strip)::kRows] = {};
    for (int64_t r = 0; r < strip.rows; ++r) {
      const int64_t row = strip.first + r, label = labels[row];
      if (label >= 0 && label < cols) {
        picked[r] = logits[row * cols + label];
      } else {
        picked[r] = static_cast<T>(__builtin_nan(""));
        if (first_bad < 0) first_bad = row;
      }
    }
    x.load();
    const Vec<T> max = greatest<T>(strip, x), log_total = log(probabilities<T>(strip, p, p_out != nullptr, x, max));
    strip.set_row_values(typed<T>(loss_out), log_total - (strip.lanes(picked) - max));
    if (p_out) p.save();
  });
  return first_bad;
}

template <class T>
void sparse_cross_entropy_grad(void* dx_out, const void* p_in, const int64_t* labels, const void* g_in, int64_t rows,
                               int64_t cols) {
  T* dx = typed<T>(dx_out);
  const T *p = typed<T>(p_in), *g = typed<T>(g_in);
  using V = Vec<T>;
  for (int64_t row = 0; row < rows; ++row) {
    // dx may be p. The element of the label is set last, from what p held.
    const int64_t begin = row * cols, label = labels[row];
    const bool valid = label >= 0 && label < cols;
    const T at_label = valid ? (p[begin + label] - T(1)) * g[row] : T(0);
    const V factor(g[row]);
    int64_t c = 0;
    for (; c + V::kLanes <= cols; c += V::kLanes) (V::load(p + begin + c) * factor).store(dx + begin + c);
    for (; c < cols; ++c) dx[begin + c] = p[begin + c] * g[row];
    if (valid) dx[begin + label] = at_label;
  }
}

template <class T>
void cross_entropy(void* loss_out, void* p_out, const void* x_in, const void* t_in, int64_t rows, int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array x(strip, typed<T>(x_in)), t(strip, typed<T>(t_in)), p(strip, typed<T>(p_out));
    x.load();
    t.load();
    const Vec<T> max = greatest<T>(strip, x), log_total = log(sum_exponentials<T>(strip, x, max));
    const Vec<T> loss = sum<T>(strip, [&](int64_t k) {
      const Vec<T> target = t.get(k, T(0));
      // A target of 0 counts nothing, even where the logarithm is -inf.
      return where(target == T(0), Vec<T>(T(0)), target * (log_total - (x.get(k, T(0)) - max)));
    });
    if (p_out) {
      probabilities<T>(strip, p, true, x, max);
      p.save();
    }
    strip.set_row_values(typed<T>(loss_out), loss);
  });
}

template <class T>
void cross_entropy_grad(void* dx_out, const void* p_in, const void* t_in, const void* g_in, int64_t rows,
                        int64_t cols) {
  each_strip<T>(rows, cols, [&](auto strip) {
    typename decltype(strip)::Array p(strip, typed<T>(p_in)), t(strip, typed<T>(t_in)), dx(strip, typed<T>(dx_out));
    p.load();
    t.load();
    const Vec<T> total = sum<T>(strip, [&](int64_t k) { return t.get(k, T(0)); });
    const Vec<T> g = strip.row_values(typed<T>(g_in));
    for (int64_t k = 0; k < strip.vectors(); ++k) {
      dx.set(k, (p.get(k, T(0)) * total - t.get(k, T(0))) * g);
    }
    dx.save();
  });
}

template <class T>
void fill(RowKernels& table, int i) {
  table.softmax[i] = softmax<T>;
  table.log_softmax[i] = log_softmax<T>;
  table.softmax_grad[i] = softmax_grad<T>;
  table.log_softmax_grad[i] = log_softmax_grad<T>;
  table.logsumexp[i] = logsumexp<T>;
  table.sparse_cross_entropy[i] = sparse_cross_entropy<T>;
  table.sparse_cross_entropy_grad[i] = sparse_cross_entropy_grad<T>;
  table.cross_entropy[i] = cross_entropy<T>;
  table.cross_entropy_grad[i] = cross_entropy_grad<T>;
}

}  // namespace

void fill_rows(RowKernels& table) {
  fill<float>(table, 0);
  fill<double>(table, 1);
}

}  // namespace chainrule::CHAINRULE_ISA
