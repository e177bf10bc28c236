// Packing of operands for kernels/dot.cpp: rows that are contiguous along k are copied or transposed as 32-bit words,
// rows that are contiguous across lanes are interleaved first.
#include "kernels/gemm_vector.h"
#include "kernels/parts.h"

namespace chainrule::CHAINRULE_ISA {

#if defined(__AVX512F__) && defined(__AVX512BW__)

namespace {

typedef uint32_t Words __attribute__((vector_size(64)));

// Loads of the first lanes only; the others are zero and their memory isn't touched.
template <class E>
CR_INLINE Words load_along_k(const E* p, uint64_t mask) {
  Words v;
  typedef uint32_t Some __attribute__((vector_size(64), aligned(1), may_alias));
  const Some& memory = *reinterpret_cast<const Some*>(p);
  if constexpr (sizeof(E) == 2) {
    asm("vmovdqu16 %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(memory), "Yk"(static_cast<uint32_t>(mask)));
  } else {
    asm("vmovdqu8 %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(memory), "Yk"(mask));
  }
  return v;
}
// 16 elements, each in a word of its own.
template <class E>
CR_INLINE Words load_lanes(const E* p, uint16_t mask) {
  Words v;
  typedef E Some __attribute__((vector_size(16 * sizeof(E)), aligned(1), may_alias));
  const Some& memory = *reinterpret_cast<const Some*>(p);
  if constexpr (sizeof(E) == 2) {
    asm("vpmovzxwd %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(memory), "Yk"(mask));
  } else {
    asm("vpmovzxbd %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(memory), "Yk"(mask));
  }
  return v;
}

CR_INLINE void transpose_words(Words* x) { transpose<float>(reinterpret_cast<Vector<float>*>(x)); }

constexpr int64_t kTileRows = 16, kTileBytes = 1024;

// One tile: lanes 1 .. 16, k 1 .. 64 / sizeof(E). One of the steps is 1.
template <class E>
CR_INLINE void pack_tile(char* dst, const E* src, int64_t lane_step, int64_t k_step, int64_t lanes, int64_t k,
                         bool strip, Words flip) {
  constexpr int64_t kGroup = 4 / sizeof(E);
  Words x[kTileRows];
  if (k_step == 1) {
    const uint64_t mask = ~uint64_t{0} >> (64 - k);
    CR_UNROLL(16)
    for (int64_t l = 0; l < kTileRows; ++l) x[l] = l < lanes ? load_along_k(src + l * lane_step, mask) : Words{};
    if (strip) transpose_words(x);
  } else {
    const auto mask = static_cast<uint16_t>((1u << lanes) - 1);
    CR_UNROLL(16)
    for (int64_t g = 0; g < kTileRows; ++g) {
      x[g] = Words{};
      CR_UNROLL(4)
      for (int64_t e = 0; e < kGroup; ++e) {
        const int64_t p = g * kGroup + e;
        if (p < k) x[g] |= load_lanes(src + p * k_step, mask) << static_cast<uint32_t>(e * 8 * sizeof(E));
      }
    }
    if (!strip) transpose_words(x);
  }
  CR_UNROLL(16)
  for (int64_t i = 0; i < kTileRows; ++i) {
    x[i] ^= flip;
    __builtin_memcpy(dst + i * 64, &x[i], 64);
  }
}

template <class E>
void pack(const DotPack& p) {
  constexpr int64_t kStep = 64 / sizeof(E);
  const Words flip = (p.flip ? 0x80808080u : 0u) - Words{};
  for (int64_t first = 0; first < p.k; first += kStep) {
    const int64_t k = p.k - first < kStep ? p.k - first : kStep;
    for (int64_t half = 0; half * kTileRows < p.lanes; ++half) {
      const int64_t left = p.lanes - half * kTileRows, lanes = left < kTileRows ? left : kTileRows;
      char* dst = static_cast<char*>(p.dst) + first / kStep * kDotStepBytes + half * kTileBytes;
      const E* src = static_cast<const E*>(p.src) + half * kTileRows * p.lane_step + first * p.k_step;
      if (p.k_step == 1 || p.lane_step == 1) {
        pack_tile(dst, src, p.lane_step, p.k_step, lanes, k, p.strip, flip);
        continue;
      }
      E dense[kTileRows * kStep];
      for (int64_t l = 0; l < lanes; ++l) {
        for (int64_t i = 0; i < k; ++i) dense[l * kStep + i] = src[l * p.lane_step + i * p.k_step];
      }
      pack_tile(dst, dense, kStep, int64_t{1}, lanes, k, p.strip, flip);
    }
  }
}

}  // namespace

void fill_dot_packs(DotKernels& table) {
  table.pack[0] = &pack<uint8_t>;
  table.pack[1] = &pack<uint16_t>;
}

#else

void fill_dot_packs(DotKernels&) {}

#endif

}  // namespace chainrule::CHAINRULE_ISA
