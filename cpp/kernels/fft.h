// The kernels of the discrete Fourier transform; their place in the table is Kernels::fft.
// Arrays hold `lanes` transforms side by side: element k of transform i is a[k * lanes + i], real and imaginary parts
// in arrays of their own. lanes is 1 or FftKernels::lanes. Nothing is normalised; the inverse is the transform with
// real and imaginary parts exchanged at both ends.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace chainrule {

// How a length n is transformed; numbers are of the plan's float type.
struct FftPlan {
  static constexpr int kMaxStages = 64;
  int64_t n;
  // By radices (4, 2, 3, 5, 7, 11, 13), the first stage first. None for a length of 1, or with other factors.
  int stages;
  int radix[kMaxStages];
  const void*
      twiddle[kMaxStages];  // e^(-2 pi i p j / length of the stage): pairs (re, im), j = 1 ... radix - 1 for each p
  const void* roots[kMaxStages];  // of odd radices: pairs (cos, sin) of 2 pi j / radix
  // With other factors, as a convolution of a power of two (Bluestein): chirp e^(-i pi k^2 / n), n pairs, and the
  // transform of its conjugate, wound around the padded length and divided by it. Null otherwise.
  const FftPlan* padded;
  const void *chirp, *filter;
  const void* half_turn;  // e^(-pi i k / n), k = 0 ... n: what joins halves of a real transform of length 2 n
};

struct FftKernels {
  int lanes[2];                             // transforms that run side by side. Index 0: F32, 1: F64
  int64_t (*scratch)(const FftPlan& plan);  // floats per lane that `transform` needs
  // out = DFT(x), k-th input of lane 0 at x[k * x_step].
  void (*transform[2])(void* out_re, void* out_im, const void* x_re, const void* x_im, int64_t x_step, int64_t lanes,
                       const FftPlan& plan, void* scratch);
  // The transform of 2 n real numbers, elements 0 ... n, from that of the n numbers x[2 k] + i x[2 k + 1].
  void (*join[2])(void* out_re, void* out_im, const void* z_re, const void* z_im, int64_t lanes, const FftPlan& plan);
  // The reverse, up to a factor of 2: of elements 0 ... n what gives x[2 k] + i x[2 k + 1].
  void (*part[2])(void* z_re, void* z_im, const void* x_re, const void* x_im, int64_t lanes, const FftPlan& plan);
};

}  // namespace chainrule
