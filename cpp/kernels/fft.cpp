// Discrete Fourier transforms: Stockham's algorithm, which sorts itself on the way, in stages of radix 4, 2 and small
// odd primes; other lengths as a convolution (Bluestein). A stage runs along elements that share a twiddle factor:
// the transforms side by side, and from the second stage on the parts of one.
// Scalars and vectors do the same operations (products and sums, never fused), so the bits of a transform don't depend
// on how many run beside it.
#include "kernels/parts.h"
#include "simd/vec.h"

namespace chainrule::CHAINRULE_ISA {
namespace {

using simd::Vec;

// ---- numbers: T or Vec<T> ------------------------------------------------------------------------------------------

template <class T>
CR_INLINE T read(const T* p, T) {
  return *p;
}
template <class T>
CR_INLINE Vec<T> read(const T* p, Vec<T>) {
  return Vec<T>::load(p);
}
template <class T>
CR_INLINE void write(T* p, T v) {
  *p = v;
}
template <class T>
CR_INLINE void write(T* p, Vec<T> v) {
  v.store(p);
}

template <class V>
struct Complex {
  V re, im;
};
template <class V>
CR_INLINE Complex<V> operator+(Complex<V> a, Complex<V> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class V>
CR_INLINE Complex<V> operator-(Complex<V> a, Complex<V> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class V, class T>
CR_INLINE Complex<V> times(Complex<V> a, const T* w) {  // w: a pair
  const V re(w[0]), im(w[1]);
  return {a.re * re - a.im * im, a.re * im + a.im * re};
}
template <class V>
CR_INLINE Complex<V> times_minus_i(Complex<V> a) {
  return {a.im, -a.re};
}

// Calls body(j, V()) for j < n: whole vectors first, then one by one.
template <class T, class Body>
CR_INLINE void along(int64_t n, Body body) {
  constexpr int64_t lanes = simd::kLanes<T>;
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) body(j, Vec<T>());
  for (; j < n; ++j) body(j, T());
}

// ---- one stage -----------------------------------------------------------------------------------------------------

// b = DFT of a, radix numbers.
template <int radix, class V, class T>
CR_INLINE void butterfly(Complex<V>* b, const Complex<V>* a, const T* roots) {
  if constexpr (radix == 2) {
    b[0] = a[0] + a[1];
    b[1] = a[0] - a[1];
  } else if constexpr (radix == 4) {
    const Complex<V> even = a[0] + a[2], odd = a[1] + a[3];
    const Complex<V> rest = a[0] - a[2], turned = times_minus_i(a[1] - a[3]);
    b[0] = even + odd;
    b[1] = rest + turned;
    b[2] = even - odd;
    b[3] = rest - turned;
  } else {  // pairs j and radix - j have conjugate roots
    constexpr int half = (radix - 1) / 2;
    Complex<V> sum[half], difference[half];
    b[0] = a[0];
    for (int j = 0; j < half; ++j) {
      sum[j] = a[j + 1] + a[radix - 1 - j];
      difference[j] = times_minus_i(a[j + 1] - a[radix - 1 - j]);
      b[0] = b[0] + sum[j];
    }
    for (int k = 1; k <= half; ++k) {
      Complex<V> cosines = a[0], sines = {V(T(0)), V(T(0))};
      for (int j = 0; j < half; ++j) {
        const T* root = roots + 2 * (((j + 1) * k) % radix);
        const V c(root[0]), s(root[1]);
        cosines = {cosines.re + sum[j].re * c, cosines.im + sum[j].im * c};
        sines = {sines.re + difference[j].re * s, sines.im + difference[j].im * s};
      }
      b[k] = cosines + sines;
      b[radix - k] = cosines - sines;
    }
  }
}

template <class T>
struct Buffers {
  T *re, *im;
};

// parts: the length of the transforms that are left, over radix; run: elements that share twiddles. x_step: between
// inputs of one transform.
template <int radix, class T>
void stage(Buffers<T> y, const T* x_re, const T* x_im, int64_t x_step, int64_t parts, int64_t run, const T* twiddle,
           const T* roots) {
  for (int64_t p = 0; p < parts; ++p) {
    const T* w = twiddle + p * 2 * (radix - 1);
    const int64_t from = p * x_step, to = p * radix * run;
    along<T>(run, [&](int64_t q, auto kind) __attribute__((always_inline)) {
      using V = decltype(kind);
      Complex<V> a[radix], b[radix];
      for (int j = 0; j < radix; ++j) {
        const int64_t at = from + j * parts * x_step + q;
        a[j] = {read(x_re + at, kind), read(x_im + at, kind)};
      }
      butterfly<radix>(b, a, roots);
      for (int j = 0; j < radix; ++j) {
        if (j) b[j] = times(b[j], w + 2 * (j - 1));
        write(y.re + to + j * run + q, b[j].re);
        write(y.im + to + j * run + q, b[j].im);
      }
    });
  }
}

template <class T>
void run_stage(int radix, Buffers<T> y, const T* x_re, const T* x_im, int64_t x_step, int64_t parts, int64_t run,
               const void* twiddle, const void* roots) {
  const T *w = static_cast<const T*>(twiddle), *r = static_cast<const T*>(roots);
  switch (radix) {
    case 2:
      return stage<2>(y, x_re, x_im, x_step, parts, run, w, r);
    case 3:
      return stage<3>(y, x_re, x_im, x_step, parts, run, w, r);
    case 4:
      return stage<4>(y, x_re, x_im, x_step, parts, run, w, r);
    case 5:
      return stage<5>(y, x_re, x_im, x_step, parts, run, w, r);
    case 7:
      return stage<7>(y, x_re, x_im, x_step, parts, run, w, r);
    case 11:
      return stage<11>(y, x_re, x_im, x_step, parts, run, w, r);
    default:
      return stage<13>(y, x_re, x_im, x_step, parts, run, w, r);
  }
}

template <class T>
void stages(Buffers<T> out, const T* x_re, const T* x_im, int64_t x_step, int64_t lanes, const FftPlan& plan,
            Buffers<T> other) {
  if (plan.stages == 0) {  // a length of 1
    for (int64_t i = 0; i < lanes; ++i) {
      out.re[i] = x_re[i];
      out.im[i] = x_im[i];
    }
    return;
  }
  Buffers<T> to = plan.stages % 2 ? out : other, from = plan.stages % 2 ? other : out;  // the last writes into out
  int64_t run = lanes, left = plan.n;
  for (int k = 0; k < plan.stages; ++k) {
    const int radix = plan.radix[k];
    left /= radix;
    run_stage(radix, to, x_re, x_im, x_step, left, run, plan.twiddle[k], plan.roots[k]);
    run *= radix;
    x_step = run;
    const Buffers<T> swapped = from;
    from = to;
    to = swapped;
    x_re = from.re;
    x_im = from.im;
  }
}

// ---- any length ----------------------------------------------------------------------------------------------------

int64_t scratch(const FftPlan& plan) { return plan.padded ? 6 * plan.padded->n : 2 * plan.n; }

// With c the chirp: X_k = c_k sum over j of (x_j c_j) conj(c_(k - j)), a convolution.
template <class T>
void convolve(Buffers<T> out, const T* x_re, const T* x_im, int64_t x_step, int64_t lanes, const FftPlan& plan,
              T* free) {
  const int64_t n = plan.n, padded = plan.padded->n, size = padded * lanes;
  const Buffers<T> a{free, free + size}, b{free + 2 * size, free + 3 * size}, other{free + 4 * size, free + 5 * size};
  const T *chirp = static_cast<const T*>(plan.chirp), *filter = static_cast<const T*>(plan.filter);
  for (int64_t k = 0; k < n; ++k)
    along<T>(lanes, [&](int64_t i, auto kind) __attribute__((always_inline)) {
      using V = decltype(kind);
      const Complex<V> v =
          times(Complex<V>{read(x_re + k * x_step + i, kind), read(x_im + k * x_step + i, kind)}, chirp + 2 * k);
      write(a.re + k * lanes + i, v.re);
      write(a.im + k * lanes + i, v.im);
    });
  for (int64_t i = n * lanes; i < size; ++i) a.re[i] = a.im[i] = 0;
  stages(b, a.re, a.im, lanes, lanes, *plan.padded, other);
  for (int64_t k = 0; k < padded; ++k)
    along<T>(lanes, [&](int64_t i, auto kind) __attribute__((always_inline)) {
      using V = decltype(kind);
      const int64_t at = k * lanes + i;
      const Complex<V> v = times(Complex<V>{read(b.re + at, kind), read(b.im + at, kind)}, filter + 2 * k);
      write(b.re + at, v.re);
      write(b.im + at, v.im);
    });
  stages(Buffers<T>{a.im, a.re}, b.im, b.re, lanes, lanes, *plan.padded, other);  // the inverse
  for (int64_t k = 0; k < n; ++k)
    along<T>(lanes, [&](int64_t i, auto kind) __attribute__((always_inline)) {
      using V = decltype(kind);
      const int64_t at = k * lanes + i;
      const Complex<V> v = times(Complex<V>{read(a.re + at, kind), read(a.im + at, kind)}, chirp + 2 * k);
      write(out.re + at, v.re);
      write(out.im + at, v.im);
    });
}

template <class T>
void transform(void* out_re, void* out_im, const void* x_re_, const void* x_im_, int64_t x_step, int64_t lanes,
               const FftPlan& plan, void* scratch_) {
  const Buffers<T> out{static_cast<T*>(out_re), static_cast<T*>(out_im)};
  const T *x_re = static_cast<const T*>(x_re_), *x_im = static_cast<const T*>(x_im_);
  T* free = static_cast<T*>(scratch_);
  if (plan.padded) {
    convolve(out, x_re, x_im, x_step, lanes, plan, free);
  } else {
    stages(out, x_re, x_im, x_step, lanes, plan, Buffers<T>{free, free + plan.n * lanes});
  }
}

// ---- real numbers --------------------------------------------------------------------------------------------------

// With Z the transform of x[2 k] + i x[2 k + 1], E = (Z_k + conj Z_(n-k)) / 2 is that of the even and
// O = (Z_k - conj Z_(n-k)) / 2i that of the odd elements: X_k = E + e^(-pi i k / n) O.
template <class T>
void join(void* out_re_, void* out_im_, const void* z_re_, const void* z_im_, int64_t lanes, const FftPlan& plan) {
  const int64_t n = plan.n;
  const T *z_re = static_cast<const T*>(z_re_), *z_im = static_cast<const T*>(z_im_);
  const T* turn = static_cast<const T*>(plan.half_turn);
  T *out_re = static_cast<T*>(out_re_), *out_im = static_cast<T*>(out_im_);
  for (int64_t k = 0; k <= n; ++k) {
    const int64_t at = (k % n) * lanes, mirror = ((n - k) % n) * lanes;
    along<T>(lanes, [&](int64_t i, auto kind) __attribute__((always_inline)) {
      using V = decltype(kind);
      const V half(T(0.5));
      const Complex<V> a{read(z_re + at + i, kind), read(z_im + at + i, kind)};
      const Complex<V> b{read(z_re + mirror + i, kind), -read(z_im + mirror + i, kind)};
      const Complex<V> v = (a + b) + times(times_minus_i(a - b), turn + 2 * k);
      write(out_re + k * lanes + i, v.re * half);
      write(out_im + k * lanes + i, v.im * half);
    });
  }
}

// Z_k = E + i O with 2 E = X_k + conj X_(n-k) and 2 O = e^(pi i k / n) (X_k - conj X_(n-k)); the imaginary parts of X_0
// and X_n, which those of real numbers lack, are not read.
template <class T>
void part(void* z_re_, void* z_im_, const void* x_re_, const void* x_im_, int64_t lanes, const FftPlan& plan) {
  const int64_t n = plan.n;
  const T *x_re = static_cast<const T*>(x_re_), *x_im = static_cast<const T*>(x_im_);
  const T* turn = static_cast<const T*>(plan.half_turn);
  T *z_re = static_cast<T*>(z_re_), *z_im = static_cast<T*>(z_im_);
  for (int64_t k = 0; k < n; ++k) {
    const int64_t at = k * lanes, mirror = (n - k) * lanes;
    const T back[2] = {turn[2 * k], -turn[2 * k + 1]};
    along<T>(lanes, [&](int64_t i, auto kind) __attribute__((always_inline)) {
      using V = decltype(kind);
      const V none(T(0));
      const Complex<V> a{read(x_re + at + i, kind), k ? read(x_im + at + i, kind) : none};
      const Complex<V> b{read(x_re + mirror + i, kind), k ? -read(x_im + mirror + i, kind) : none};
      const Complex<V> v = (a + b) - times_minus_i(times(a - b, back));
      write(z_re + at + i, v.re);
      write(z_im + at + i, v.im);
    });
  }
}

template <class T>
void fill(FftKernels& table, int which) {
  table.lanes[which] = simd::kLanes<T>;
  table.transform[which] = transform<T>;
  table.join[which] = join<T>;
  table.part[which] = part<T>;
}

}  // namespace

void fill_fft(FftKernels& table) {
  table.scratch = scratch;
  fill<float>(table, 0);
  fill<double>(table, 1);
}

}  // namespace chainrule::CHAINRULE_ISA
