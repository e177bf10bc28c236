// Products of packed panels and strips (kernels/dot.h) by the matrix unit and by vector instructions. The instructions
// are written as assembly: compilers know them only under flags that a level doesn't imply, and whether the processor
// has them is asked at run time (runtime/cpu.h).
#include "kernels/dot.h"

#include "kernels/gemm_vector.h"
#include "kernels/parts.h"

namespace chainrule::CHAINRULE_ISA {

#if defined(__AVX512F__) && defined(__AVX512BW__)

namespace {

constexpr int64_t kTileRows = 16, kTileBytes = 1024, kSumsRowBytes = 4 * kDotWidth;

// ---- the matrix unit: two by two tiles of sums (0-3), two tiles of A (4, 5) and of B (6, 7)
#if defined(__clang__)
#define CR_TILES __attribute__((target("amx-tile,amx-bf16,amx-int8")))
#else
#define CR_TILES
#endif

struct alignas(64) TileConfiguration {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_of_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
CR_TILES void begin(DotUnit unit) {
  static const TileConfiguration configuration;
  if (unit == DotUnit::tiles) asm volatile("ldtilecfg %0" : : "m"(configuration));
}
CR_TILES void end(DotUnit unit) {
  if (unit == DotUnit::tiles) asm volatile("tilerelease");
}

#define CR_LOAD_TILE(tile, offset, base, step) "tileloadd " #offset "(%[" #base "],%[" #step "],1), %%tmm" #tile "\n\t"
#define CR_STORE_TILE(tile, offset, base, step) \
  "tilestored %%tmm" #tile ", " #offset "(%[" #base "],%[" #step "],1)\n\t"
#define CR_DOT_TILES(name, b, a, sum) name " %%tmm" #b ", %%tmm" #a ", %%tmm" #sum "\n\t"

// Sums begin with zero or with what is there; `across`, `down`: whether there are columns and rows beyond 16.
CR_TILES void load_sums(const DotProduct& p, bool across, bool down) {
  if (!p.accumulate) {
    asm volatile("tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3");
    return;
  }
  asm volatile(CR_LOAD_TILE(0, 0, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
  if (across) asm volatile(CR_LOAD_TILE(1, 64, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
  if (down) asm volatile(CR_LOAD_TILE(2, 2048, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
  if (across && down)
    asm volatile(CR_LOAD_TILE(3, 2112, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
}
CR_TILES void store_sums(const DotProduct& p, bool across, bool down) {
  asm volatile(CR_STORE_TILE(0, 0, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
  if (across) asm volatile(CR_STORE_TILE(1, 64, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
  if (down) asm volatile(CR_STORE_TILE(2, 2048, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
  if (across && down)
    asm volatile(CR_STORE_TILE(3, 2112, c, step) : : [c] "r"(p.sums), [step] "r"(kSumsRowBytes) : "memory");
}

#define CR_MULTIPLY_TILES(function, name)                                                                        \
  CR_TILES void function(const DotProduct& p) {                                                                  \
    const bool across = p.cols > kTileRows, down = p.rows > kTileRows;                                           \
    const char *a = static_cast<const char*>(p.a), *b = static_cast<const char*>(p.b);                           \
    const int64_t row = 64;                                                                                      \
    load_sums(p, across, down);                                                                                  \
    if (across && down) {                                                                                        \
      for (int64_t s = 0; s < p.steps; ++s, a += kDotStepBytes, b += kDotStepBytes)                              \
        asm volatile(CR_LOAD_TILE(4, 0, a, row) CR_LOAD_TILE(6, 0, b, row) CR_DOT_TILES(name, 6, 4, 0)           \
                         CR_LOAD_TILE(7, 1024, b, row) CR_DOT_TILES(name, 7, 4, 1) CR_LOAD_TILE(5, 1024, a, row) \
                             CR_DOT_TILES(name, 6, 5, 2) CR_DOT_TILES(name, 7, 5, 3)                             \
                     :                                                                                           \
                     : [a] "r"(a), [b] "r"(b), [row] "r"(row)                                                    \
                     : "memory");                                                                                \
    } else if (across) {                                                                                         \
      for (int64_t s = 0; s < p.steps; ++s, a += kDotStepBytes, b += kDotStepBytes)                              \
        asm volatile(CR_LOAD_TILE(4, 0, a, row) CR_LOAD_TILE(6, 0, b, row) CR_DOT_TILES(name, 6, 4, 0)           \
                         CR_LOAD_TILE(7, 1024, b, row) CR_DOT_TILES(name, 7, 4, 1)                               \
                     :                                                                                           \
                     : [a] "r"(a), [b] "r"(b), [row] "r"(row)                                                    \
                     : "memory");                                                                                \
    } else if (down) {                                                                                           \
      for (int64_t s = 0; s < p.steps; ++s, a += kDotStepBytes, b += kDotStepBytes)                              \
        asm volatile(CR_LOAD_TILE(4, 0, a, row) CR_LOAD_TILE(6, 0, b, row) CR_DOT_TILES(name, 6, 4, 0)           \
                         CR_LOAD_TILE(5, 1024, a, row) CR_DOT_TILES(name, 6, 5, 2)                               \
                     :                                                                                           \
                     : [a] "r"(a), [b] "r"(b), [row] "r"(row)                                                    \
                     : "memory");                                                                                \
    } else {                                                                                                     \
      for (int64_t s = 0; s < p.steps; ++s, a += kDotStepBytes, b += kDotStepBytes)                              \
        asm volatile(CR_LOAD_TILE(4, 0, a, row) CR_LOAD_TILE(6, 0, b, row) CR_DOT_TILES(name, 6, 4, 0)           \
                     :                                                                                           \
                     : [a] "r"(a), [b] "r"(b), [row] "r"(row)                                                    \
                     : "memory");                                                                                \
    }                                                                                                            \
    store_sums(p, across, down);                                                                                 \
  }
CR_MULTIPLY_TILES(multiply_bfloat16_tiles, "tdpbf16ps")
CR_MULTIPLY_TILES(multiply_signed_tiles, "tdpbssd")
CR_MULTIPLY_TILES(multiply_unsigned_tiles, "tdpbusd")

// ---- vectors: 8 rows of 2 vectors of sums in registers, a word of A in every lane
typedef int32_t Words __attribute__((vector_size(64)));

struct Bfloat16Pairs {
  CR_INLINE void add(Words& sum, Words a, Words b) { asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
};
struct ByteQuadruples {  // unsigned bytes of A, signed ones of B
  CR_INLINE void add(Words& sum, Words a, Words b) { asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b)); }
};

CR_INLINE Words load_words(const void* p) {
  Words v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

template <class Dot>
void multiply_vectors(const DotProduct& p) {
  constexpr int kRows = 8;
  for (int64_t i = 0; i < p.rows; i += kRows) {
    const char* a = static_cast<const char*>(p.a) + i / kTileRows * kTileBytes + i % kTileRows * 64;
    const char* b = static_cast<const char*>(p.b);
    char* const sums = static_cast<char*>(p.sums) + i * kSumsRowBytes;
    Words c[kRows][2];
    CR_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      CR_UNROLL(2)
      for (int j = 0; j < 2; ++j)
        c[r][j] = p.accumulate ? load_words(sums + r * kSumsRowBytes + j * 64)
                  : p.start    ? load_words(p.start + j * 16)
                               : Words{};
    }
    for (int64_t s = 0; s < p.steps; ++s, a += kDotStepBytes, b += kDotStepBytes) {
      CR_UNROLL(4)
      for (int64_t g = 0; g < kTileRows; ++g) {
        const Words x0 = load_words(b + g * 64), x1 = load_words(b + kTileBytes + g * 64);
        CR_UNROLL(8)
        for (int r = 0; r < kRows; ++r) {
          int32_t word;
          __builtin_memcpy(&word, a + r * 64 + g * 4, sizeof word);
          Words y = word - Words{};
          asm("" : "+v"(y));
          Dot::add(c[r][0], y, x0);
          Dot::add(c[r][1], y, x1);
        }
      }
    }
    CR_UNROLL(8)
    for (int r = 0; r < kRows; ++r) {
      CR_UNROLL(2)
      for (int j = 0; j < 2; ++j) __builtin_memcpy(sums + r * kSumsRowBytes + j * 64, &c[r][j], 64);
    }
  }
}

void unflip(int32_t* out, const void* strip, int64_t steps) {
  const char* b = static_cast<const char*>(strip);
  Words sum[2] = {};
  const Words ones = 0x01010101 - Words{};
  for (int64_t s = 0; s < steps; ++s, b += kDotStepBytes) {
    for (int64_t g = 0; g < kTileRows; ++g) {
      ByteQuadruples::add(sum[0], ones, load_words(b + g * 64));
      ByteQuadruples::add(sum[1], ones, load_words(b + kTileBytes + g * 64));
    }
  }
  for (int j = 0; j < 2; ++j) {
    sum[j] *= -128;
    __builtin_memcpy(out + j * 16, &sum[j], 64);
  }
}

// ---- sums into C
typedef uint32_t Bits __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(32)));

// A sum that one of these instructions made is never subnormal, which this one would take as zero.
CR_INLINE Halves round_sums(Vector<float> x) {
  Halves half;
  asm("vcvtneps2bf16 %1, %0" : "=v"(half) : "v"(x));
  return half;
}
CR_INLINE Bits rounded(Vector<float> x) {  // the bits of bfloat16 in the lower half of each word
  const Bits bits = reinterpret_cast<Bits>(x);
  const Bits nearest = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
  return (bits & 0x7fffffffu) > 0x7f800000u ? (bits >> 16 | 0x40u) : nearest;
}
CR_INLINE Vector<float> widened(Bits x) { return reinterpret_cast<Vector<float>>(x << 16); }

CR_INLINE Vector<float> widened(Halves x) { return widened(__builtin_convertvector(x, Bits)); }

// `count` of 16 columns. Lengths known to the compiler keep the vectors in registers.
template <bool HasBias, bool Whole>
CR_INLINE void finish_vector(const float* sums, const uint16_t* bias, bool relu, uint16_t* c, int64_t count) {
  const size_t bytes = Whole ? 32 : static_cast<size_t>(count) * 2;
  Halves half = round_sums(load(sums));
  if (HasBias) {
    Halves added{};
    __builtin_memcpy(&added, bias, bytes);
    half = __builtin_convertvector(rounded(widened(half) + widened(added)), Halves);
  }
  if (relu) half = (half & 0x8000) != 0 && (half & 0x7fff) <= 0x7f80 ? Halves{} : half;  // keeps nan
  __builtin_memcpy(c, &half, bytes);
}
template <bool HasBias>
CR_INLINE void finish_row(const float* sums, const uint16_t* bias, bool relu, uint16_t* c, int64_t cols) {
  int64_t j = 0;
  for (; j + 16 <= cols; j += 16) finish_vector<HasBias, true>(sums + j, HasBias ? bias + j : nullptr, relu, c + j, 16);
  if (j < cols) finish_vector<HasBias, false>(sums + j, HasBias ? bias + j : nullptr, relu, c + j, cols - j);
}
void finish(const DotFinish& f) {
  for (int64_t i = 0; i < f.rows; ++i) {
    const float* sums = f.sums + i * kDotWidth;
    uint16_t* c = f.c + i * f.c_row;
    f.bias ? finish_row<true>(sums, f.bias, f.relu, c, f.cols) : finish_row<false>(sums, nullptr, f.relu, c, f.cols);
  }
}

constexpr int place(DotUnit unit) { return static_cast<int>(unit); }
constexpr int place(DotType type) { return static_cast<int>(type); }

}  // namespace

void fill_dots(DotKernels& table) {
  fill_dot_packs(table);
  table.multiply[place(DotUnit::tiles)][place(DotType::bfloat16)] = &multiply_bfloat16_tiles;
  table.multiply[place(DotUnit::tiles)][place(DotType::signed_bytes)] = &multiply_signed_tiles;
  table.multiply[place(DotUnit::tiles)][place(DotType::unsigned_bytes)] = &multiply_unsigned_tiles;
  table.multiply[place(DotUnit::vectors)][place(DotType::bfloat16)] = &multiply_vectors<Bfloat16Pairs>;
  table.multiply[place(DotUnit::vectors)][place(DotType::signed_bytes)] = &multiply_vectors<ByteQuadruples>;
  table.multiply[place(DotUnit::vectors)][place(DotType::unsigned_bytes)] = &multiply_vectors<ByteQuadruples>;
  table.begin = &begin;
  table.end = &end;
  table.finish = &finish;
  table.unflip = &unflip;
}

#else

void fill_dots(DotKernels& table) { fill_dot_packs(table); }

#endif

}  // namespace chainrule::CHAINRULE_ISA
